"""Every reader of emdose with a sound file of its own, for the fuzzer of readers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dicom_files
import foreign_files
import h5py
import numpy as np
import pulseq_files

import emdose as em
from emdose import scenarios
from emdose.eptlib_bridge.config import read_config
from emdose.io import (
    read_labels,
    read_phantom,
    read_property_map,
    read_sequence,
    read_tissues,
    read_waveform,
    write_property_map,
    write_volume,
)
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.gradients.wire_paths import read_wire_paths
from emdose.scenarios.results import read_result
from emdose.scenarios.shared import toml

Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """A file and who reads it: ``read`` takes the folder; a ``child`` is a reader in a process of its own.

    HDF5 files are read in the process of emdose, but the library of HDF5 may crash or run in circles over a damaged
    file: they are fuzzed as if they had a process of their own.
    """

    file: str
    read: Read
    child: bool = False

    @property
    def is_hdf5(self) -> bool:
        """Whether the library of HDF5 reads the file."""
        return self.file.endswith(".h5")

    @property
    def apart(self) -> bool:
        """Whether it is fuzzed in a process of its own."""
        return self.child or self.is_hdf5


def _rf(folder: Path) -> None:
    small = {
        "scenario": {"kind": "rf"},
        "phantom": {"type": "sphere", "radius_m": 0.04, "spacing_m": 20e-3},
        "coil": {"type": "plane-wave"},
        "exposure": {"frequency_Hz": 64e6},
        "normalise": {"absorbed_power_W": 1.0},
    }
    (folder / "s.toml").write_text(toml.dump(small))
    scenarios.run(folder / "s.toml", folder / "rf", device="cpu")


def make(folder: Path) -> None:
    """Write one sound file of every kind."""
    body = em.phantoms.layered_sphere((0.03, 0.05), ("muscle", "fat"), 10e-3)
    for name in ("body.nii", "body.nii.gz", "body.npz", "body.h5"):
        em.write_phantom(body, folder / name)
    np.save(folder / "body.npy", body.labels)
    (folder / "raw.raw").write_bytes(body.labels.astype(np.uint8).tobytes(order="F"))
    shape = " ".join(str(n) for n in body.grid.shape)
    (folder / "raw.txt").write_text(
        f"1 muscle 1.0 0.5 0.5\n2 fat 1.0 1.0 0.5\n\nnx ny nz {shape}\ndx 0.01\ndy 0.01\ndz 0.01\n"
    )
    (folder / "labels.csv").write_text("label,tissue,density_kg_m3\n0,air,\n1,muscle,1050\n2,fat,\n")
    (folder / "tissues.csv").write_text(
        "tissue,relative_permittivity,conductivity_S_m,density_kg_m3\nmy_gel,50,0.5,1000\nmuscle,60,0.7,\n"
    )
    (folder / "tissues.toml").write_text(
        "[my_gel]\nrelative_permittivity = 50\nconductivity_S_m = 0.5\ndensity_kg_m3 = 1000\n"
    )
    FolderCheckpoint(folder / "checkpoint", "key").save("port-0000", {"J": np.ones((3, 4, 4, 4), np.complex64)})
    _rf(folder)
    _maps(folder)
    _foreign(folder)
    _gradients(folder)
    _networks_and_limits(folder)
    _matrices(folder)
    em.write_coil(em.LoopArray(2), folder / "coil.csv")
    em.write_coil(em.LoopArray(2), folder / "coil.vtp")
    em.write_coil(em.CapacitorLoopArray(2), folder / "metal.vtp")
    (folder / "points.txt").write_text("one\n0 0 0\n90 0 0\n0 90 0\n0 0 0\n\n0 0 5\n90 0 5\n0 90 5\n0 0 5\n")
    (folder / "gaps.csv").write_text("conductor,segment,capacitance_pF,feed\none,1,10,a\ncurve 2,2,,b\n")
    ball = em.implants.sphere(5e-3, "Ti6Al4V", subdivisions=1)
    for ending in ("stl", "ply", "obj", "vtk", "vtu", "msh", "inp", "xdmf"):
        em.write_implant(ball, folder / f"mesh.{ending}", unit="mm")


def _foreign(folder: Path) -> None:
    axes = tuple(1e-2 * np.arange(n) for n in (3, 4, 5))
    E = np.arange(180.0).reshape(1, 3, 3, 4, 5) * (1 + 2j)
    network = em.Network(np.array([1e8]), np.zeros((1, 1, 1)), ("a",))
    s = foreign_files.Solution(axes, E, E, np.ones((3, 4, 5)), np.ones((3, 4, 5)), network, 1e8)
    for kind in ("fld", "mat", "cst"):
        (folder / kind).mkdir()
    foreign_files.write_hfss(folder / "fld", s)
    foreign_files.write_sim4life(folder / "mat", s)
    foreign_files.write_cst(folder / "cst", s)
    foreign_files.write_plain(folder / "plain.h5", s)
    foreign_files.write_vtk(folder / "grid.vtr", s)


def _maps(folder: Path) -> None:
    phase = np.linspace(0.1, 1, 5 * 5 * 4).reshape(5, 5, 4)
    magnitude, grid = 1e-6 * (1 + phase), em.Grid(phase.shape, 2e-3)
    for name, values in (("mag", magnitude), ("phase", phase)):
        write_volume(folder / f"{name}.nii.gz", np.asarray(values, np.float32), grid)
        write_volume(folder / f"{name}.nii", np.asarray(values, np.float32), grid)
        np.save(folder / f"{name}.npy", values)
        np.savez(folder / f"{name}.npz", **{name: values})
    with h5py.File(folder / "maps.h5", "w") as file:
        file["phase"], file["mag"] = phase, magnitude
        file["zyx/phase"], file["zyx/mag"] = phase.T, magnitude.T
    with h5py.File(folder / "incident.h5", "w") as file:
        for name, n in zip("xyz", phase.shape, strict=True):
            file[name] = np.linspace(-0.1, 0.1, n)
        file["E"], file["H_real"], file["H_imag"] = (
            np.stack([a, phase, magnitude]) for a in (1j * phase, phase, phase)
        )
        file.attrs.update(frequency_Hz=64e6, amplitude="peak", time_factor="exp(-jwt)", ports=["coil"])
    dicom_files.write(folder / "scan", 1000 * phase, "phase")
    (folder / "bids").mkdir()
    write_volume(folder / "bids" / "s_part-phase_T1w.nii", np.asarray(phase, np.float32), grid)
    told = {"Units": "rad", "EchoTime": 2e-3, "ImagingFrequency": 64.0}
    (folder / "bids" / "s_part-phase_T1w.json").write_text(json.dumps(told))
    b1 = em.read_b1(magnitude, phase, frequency_Hz=64e6, spacing_m=2e-3)
    write_property_map(folder / "property.h5", em.ept.Helmholtz(radius=1).reconstruct(b1))
    lines = [
        "title = 'x'",
        "description = 'y'",
        "method = 0",
        "[mesh]",
        "size = [5, 5, 4]",
        "step = [2.0e-3, 2.0e-3, 2.0e-3]",
        "[input]",
        "frequency = 128.0e6",
        f"trx-phase = '{folder / 'maps.h5'}:/zyx/phase'",
        f"tx-sensitivity = '{folder / 'maps.h5'}:/zyx/mag'",
        "[output]",
        "electric-conductivity = 'out.h5:/sigma'",
        "[parameter]",
        "savitzky-golay.size = [1, 1, 1]",
        "savitzky-golay.shape = 0",
    ]
    (folder / "eptlib.toml").write_text("\n".join(lines) + "\n")


def _gradients(folder: Path) -> None:
    t = np.linspace(0, 1e-3, 21)
    table = np.column_stack([t, 5e-3 * np.sin(2e3 * np.pi * t), 0 * t, 0 * t])
    (folder / "waveform.csv").write_text(
        "t,x,y,z\n" + "\n".join(",".join(f"{v:.6g}" for v in row) for row in table) + "\n"
    )
    circle = np.column_stack([0.3 * np.cos(np.arange(12) / 2), 0.3 * np.sin(np.arange(12) / 2), np.full(12, 0.1)])
    text = "\n".join(" ".join(f"{v:.4f}" for v in row) for row in circle)
    (folder / "wire.txt").write_text(f"{text}\n\n{text.replace('0.1000', '-0.1000')}\n")
    points = text.replace("\n", " ")
    (folder / "wire.vtk").write_text(
        "# vtk DataFile Version 3.0\nx\nASCII\nDATASET POLYDATA\nPOINTS 12 float\n"
        f"{points}\nLINES 1 13\n12 {' '.join(str(i) for i in range(12))}\n"
    )
    (folder / "sequence.seq").write_text(
        "# Pulseq sequence file\n\n[VERSION]\nmajor 1\nminor 4\nrevision 0\n\n[DEFINITIONS]\n"
        "AdcRasterTime 1e-07\nBlockDurationRaster 1e-05\nGradientRasterTime 1e-05\nRadiofrequencyRasterTime 1e-06\n\n"
        "[BLOCKS]\n1 100 0 1 0 0 0 0\n2 50 0 0 2 0 0 0\n\n[TRAP]\n1 425800 100 600 100 0\n2 -212900 50 200 50 0\n"
    )
    for name, text in pulseq_files.ALL.items():
        (folder / f"{name}.seq").write_text(text)
    (folder / "hardware.asc").write_text(pulseq_files.HARDWARE)


def _matrices(folder: Path) -> None:
    """Of three channels: bounds of two sets with a margin, matrices of SAR, temperature and parts of the body."""
    rng = np.random.default_rng(1)
    F = rng.normal(size=(6, 3, 3)) + 1j * rng.normal(size=(6, 3, 3))
    Q, grid, ports = F.conj().swapaxes(1, 2) @ F, em.Grid((3, 2, 1), 5e-3), ("a", "b", "c")
    q = em.QMatrices(Q, np.arange(6), grid, ports, "V", "linear", 0.01, 298e6)
    heat = em.TemperatureMatrices(Q, np.arange(6), grid, ports, "V", 360.0, "linear", "points")
    masses, about = np.array([4.0, 1.0]), (("all", "up"), {"absorbed": Q[0]}, ports, "V", "linear", 298e6)
    parts = em.GlobalMatrices(("whole body", "head"), Q[:2], masses, *about)
    ratios = {"whole body": 5.0, "head": 3.125}
    bounds = em.merge_vops({"one": q, "two": q}, 0.2, global_matrices={"one": parts}, global_ratios=ratios)
    bounds = em.with_sample_margin(bounds, [q], 0.9)
    for ending in ("npz", "mat", "h5"):
        em.write_vops(bounds, folder / f"bounds.{ending}", global_matrices=parts)
        em.write_q_matrices(q, folder / f"q.{ending}")
        em.write_q_matrices(heat, folder / f"heat.{ending}")


def _networks_and_limits(folder: Path) -> None:
    (folder / "network.s2p").write_text(
        "! a pair of coils\n# MHz S RI R 50\n120 0.1 0.2 0.3 0 0.3 0 0.1 -0.2\n130 0.1 0.1 0.2 0 0.2 0 0.1 -0.1\n"
    )
    s = np.linspace(0, 0.3, 9)
    lead = em.TransferFunction(s, np.exp(-(1 + 9j) * s), 64e6, 80.0, 0.47, "exp(+jwt)", scale=2.0, scale_unit="K/V^2")
    em.write_transfer_function(lead, folder / "lead.csv")
    rows = (f'"y_coord": {s.tolist()}', f'"Ch1 R": {s.tolist()}', f'"Ch1 I": {s[::-1].tolist()}')
    (folder / "lead.json").write_text("{" + ", ".join(rows) + "}")
    (folder / "confirmed.csv").write_text(
        'edition,limit,clause,value,initials\n2022,"local SAR, first level, extremities, 6 min",a table,40,AB\n'
    )


def _scan(path: Path) -> object:
    medium = {"permittivity": 80.0, "conductivity_S_m": 0.47, "time_convention": "exp(+jwt)", "unit": "m"}
    return em.read_transfer_function(path, 64e6, **medium)


LABELS = "labels.csv"
READERS: dict[str, Reader] = {
    "nifti": Reader("body.nii", lambda f: read_phantom(f / "body.nii", f / LABELS)),
    "nifti packed": Reader("body.nii.gz", lambda f: read_phantom(f / "body.nii.gz", f / LABELS)),
    "raw header": Reader("raw.txt", lambda f: read_phantom(f / "raw.raw")),
    "raw": Reader("raw.raw", lambda f: read_phantom(f / "raw.raw")),
    "npz": Reader("body.npz", lambda f: read_phantom(f / "body.npz")),
    "npy": Reader("body.npy", lambda f: read_phantom(f / "body.npy", f / LABELS, spacing_m=0.01)),
    "hdf5": Reader("body.h5", lambda f: read_phantom(f / "body.h5")),
    "labels": Reader(LABELS, lambda f: (read_labels(f / LABELS), read_phantom(f / "body.nii", f / LABELS))),
    "tissues csv": Reader("tissues.csv", lambda f: read_tissues(f / "tissues.csv")),
    "tissues toml": Reader("tissues.toml", lambda f: read_tissues(f / "tissues.toml")),
    "checkpoint": Reader(
        "checkpoint/port-0000.npz", lambda f: FolderCheckpoint(f / "checkpoint", "key").load("port-0000")
    ),
    "summary": Reader("rf/summary.json", lambda f: read_result(f / "rf")),
    "result": Reader("rf/result.h5", lambda f: read_result(f / "rf")),
    "b1 nifti": Reader("mag.nii.gz", lambda f: em.read_b1(f / "mag.nii.gz", f / "phase.nii.gz", frequency_Hz=64e6)),
    "b1 dicom": Reader("scan/gre-phase-3-003.dcm", lambda f: em.read_b1(f / "scan", phase_unit=1e-3)),
    "b1 sidecar": Reader("bids/s_part-phase_T1w.json", lambda f: em.read_b1(f / "bids", frequency_Hz=64e6)),
    "b1 phase": Reader("phase.nii", lambda f: em.read_b1(None, f / "phase.nii", frequency_Hz=64e6)),
    "b1 npy": Reader("phase.npy", lambda f: em.read_b1(None, f / "phase.npy", frequency_Hz=64e6, spacing_m=2e-3)),
    "b1 npz": Reader("phase.npz", lambda f: em.read_b1(None, f / "phase.npz", frequency_Hz=64e6, spacing_m=2e-3)),
    "b1 hdf5": Reader(
        "maps.h5", lambda f: em.read_b1(f / "maps.h5:/mag", f / "maps.h5:/phase", frequency_Hz=64e6, spacing_m=2e-3)
    ),
    "incident field": Reader("incident.h5", lambda f: em.read_incident_field(f / "incident.h5")),
    "fields of hfss": Reader("fld/efield_128MHz_port1.fld", lambda f: em.read_foreign_fields(f / "fld")),
    "fields of sim4life": Reader(
        "mat/efield_port1.mat", lambda f: em.read_foreign_fields(f / "mat", frequency_Hz=1e8), child=True
    ),
    "fields of cst": Reader(
        "cst/e-field (f=128MHz) [AC1].h5", lambda f: em.read_foreign_fields(f / "cst", frequency_Hz=128e6)
    ),
    "plain fields": Reader("plain.h5", lambda f: em.read_foreign_fields(f / "plain.h5")),
    "fields on a grid": Reader("grid.vtr", lambda f: em.read_foreign_fields(f / "grid.vtr"), child=True),
    **{
        f"bounds in {ending}": Reader(
            f"bounds.{ending}",
            lambda f, e=ending: (em.read_vops(f / f"bounds.{e}"), em.io.read_global_matrices(f / f"bounds.{e}")),
            child=ending == "mat",
        )
        for ending in ("npz", "mat", "h5")
    },
    "Q-matrices in mat": Reader("q.mat", lambda f: em.read_q_matrices(f / "q.mat"), child=True),
    "matrices of temperature": Reader("heat.h5", lambda f: em.read_temperature_matrices(f / "heat.h5")),
    "property map": Reader("property.h5", lambda f: read_property_map(f / "property.h5")),
    "eptlib": Reader("eptlib.toml", lambda f: read_config(f / "eptlib.toml")),
    "waveform": Reader("waveform.csv", lambda f: read_waveform(f / "waveform.csv", "gradient")),
    "sequence": Reader("sequence.seq", lambda f: read_sequence(f / "sequence.seq")),
    **{
        f"pulse sequence, {name}": Reader(
            f"{name}.seq", lambda f, n=name: em.sequence_pns(em.read_pulse_sequence(f / f"{n}.seq"), parts=3)
        )
        for name in pulseq_files.ALL
    },
    "hardware file": Reader("hardware.asc", lambda f: em.read_stimulation_model(f / "hardware.asc")),
    "wire text": Reader("wire.txt", lambda f: read_wire_paths(f / "wire.txt", unit="m")),
    "coil table": Reader("coil.csv", lambda f: em.read_coil(f / "coil.csv")),
    "coil points": Reader("points.txt", lambda f: em.read_coil(f / "points.txt", unit="mm")),
    "coil gaps": Reader("gaps.csv", lambda f: em.read_coil(f / "points.txt", unit="mm", gaps=f / "gaps.csv")),
    "coil lines": Reader("coil.vtp", lambda f: em.read_coil(f / "coil.vtp"), child=True),
    "coil of metal": Reader("metal.vtp", lambda f: em.read_coil(f / "metal.vtp"), child=True),
    "touchstone": Reader("network.s2p", lambda f: em.read_touchstone(f / "network.s2p")),
    "transfer function": Reader("lead.csv", lambda f: em.read_transfer_function(f / "lead.csv")),
    "transfer function scan": Reader("lead.json", lambda f: _scan(f / "lead.json")),
    "confirmations": Reader("confirmed.csv", lambda f: em.read_confirmations(f / "confirmed.csv")),
    "stl": Reader("mesh.stl", lambda f: em.read_implant(f / "mesh.stl", "gold", unit="mm")),
    "wire vtk": Reader("wire.vtk", lambda f: read_wire_paths(f / "wire.vtk", unit="m"), child=True),
    **{
        ending: Reader(
            f"mesh.{ending}", lambda f, e=ending: em.read_implant(f / f"mesh.{e}", "gold", unit="mm"), child=True
        )
        for ending in ("ply", "obj", "vtk", "vtu", "msh", "inp", "xdmf")
    },
}
