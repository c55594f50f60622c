"""The result of a run of kind ``rf``: what it holds, how it is written, and how it is read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.sar import SarMap
from emdose.errors import InputError
from emdose.io import touchstone
from emdose.io.bodies import hdf5, nifti
from emdose.io.disk import atomic
from emdose.io.disk.run_files import (
    FIELDS_FILE,
    LOCK_FILE,
    RESULT_FILE,
    file_stems,
    new_result,
    opened_result,
    put_map,
    require_keys,
    single,
    to_json,
)
from emdose.io.maps import vtk
from emdose.scenarios.kinds.rf.result import maps
from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps, read_thermal, write_thermal
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.driving.field_runs import read_fields, write_about_fields
from emdose.scenarios.shared.metal_coils.network import NETWORK, network_of
from emdose.scenarios.shared.results import exports
from emdose.scenarios.shared.results.run import Run
from emdose.scenarios.shared.sar_files import read_sar, write_sar
from emdose.scenarios.shared.scenario import LOCK_HEADER
from emdose.solvers.results.fields import Fields
from emdose.values import read_only
from emdose.version import __version__

if TYPE_CHECKING:
    from emdose.circuits.network import Network
    from emdose.io.maps.labelled import Contents
    from emdose.models.bodies import Phantom
    from emdose.models.grids.grid import Vector

FORMAT, FORMAT_VERSION = "emdose result", 1
KEYS = ("checks", "convergence", "power_balance")
"""What summaries of this kind have beside what all have."""
PYTHON = "python"
"""Type of a coil that no table makes."""
UNWRITTEN = "# What Python has run, in words of a scenario: its coil or its leads have none, it cannot be run again.\n"


@read_only
@dataclass(frozen=True, eq=False)
class CoilSummary:
    """What a result remembers of its source.

    Parameters
    ----------
    name : str
        Such as "birdcage, 16 rungs".
    segments : (n, 2, 3) ndarray
        Start and end of every straight conductor piece [m]; n = 0 for a plane wave.
    currents : (n,) complex ndarray
        Peak current of every piece for the scaled drive of this run [A].
    drive_unit : str
        "A" or "V/m".
    parameters : mapping
        How it was made: rungs, radius_m, length_m, ...
    """

    name: str
    segments: np.ndarray
    currents: np.ndarray
    drive_unit: str
    parameters: Mapping[str, Any]

    @property
    def extent_m(self) -> tuple[Vector, Vector] | None:
        """Low and high corner of the box around the conductors [m]; None for a plane wave."""
        if not len(self.segments):
            return None
        points = self.segments.reshape(-1, 3)
        return tuple(map(float, points.min(0))), tuple(map(float, points.max(0)))  # type: ignore[return-value]


@read_only(units={"b1plus": "T"})
@dataclass(frozen=True, eq=False)
class RunResult(Run):
    """Everything that an RF run found, for the scaled drive.

    Parameters
    ----------
    folder : Path or None
        The folder; None when it has not been saved.
    summary : dict
        summary.json: ``quantities`` {name: {"value", "unit", "uncertainty", "note", ...}}; ``checks`` (rows as dicts)
        and ``check_inputs`` (everything else of the table of checks); ``convergence`` {"converged", "tolerance",
        "meaning", "ports": [{"name", "iterations", "residual", "history"}]}; ``power_balance`` {"absorbed_W",
        "extinction_W", "scattered_W", "closure", ...}; ``timing_s``; ``provenance``; ``scenario`` (all tables with
        their defaults); ``warnings`` (list of str).
    phantom : Phantom
        Labels, grid, tissues and regions.
    coil : CoilSummary
        Conductors and how they were driven.
    frequency_Hz : float
        Frequency [Hz].
    b1plus : (nx, ny, nz) complex64 ndarray
        B1+ at the voxel centres, scaled drive [T]; also outside the body.
    sar : SarMap
        Point SAR [W/kg].
    averages : dict of str to MassAverage
        Mass averages by name: "1g", "10g", ...
    fields : Fields or None
        E and B of the scaled drive, when the scenario asked to keep them ([output] fields = true).
    thermal : ThermalMaps or None
        Temperatures, when the scenario has a table [thermal].
    """

    phantom: Phantom
    coil: CoilSummary
    frequency_Hz: float
    b1plus: np.ndarray
    sar: SarMap
    averages: dict[str, MassAverage]
    fields: Fields | None
    thermal: ThermalMaps | None = None

    @property
    def network(self) -> Network | None:
        """Scattering parameters of the feeds of a coil of metal and capacitors."""
        about = self.summary.get(NETWORK)
        return network_of(about) if about else None

    def to_vtp(self, path: Path | str) -> Path:
        """Write the conductors of the coil as VTK lines (``.vtp``), to stand around the maps in ParaView.

        Lines have the peak current of the scaled drive, ``current_A`` and ``phase_deg``, where it was prescribed.

        Raises
        ------
        InputError
            When the source has no conductors: a wave, or a field that was given.
        OutputError
            When it cannot be written.
        """
        segments, currents = self.coil.segments, self.coil.currents
        if not len(segments):
            raise InputError("this source has no conductors", found=self.coil.name, expected="a coil")
        data = {"current_A": np.abs(currents), "phase_deg": np.degrees(np.angle(currents))} if currents.any() else {}
        target = exports.with_ending(path, ".vtp")
        atomic.write_bytes(target, vtk.vtp_bytes(list(segments), data, {"unit": "m", "name": self.coil.name}))
        return target

    def _contents(self) -> Contents:
        """SAR, its averages, fields, temperatures, tissue."""
        about = (self.phantom, self.frequency_Hz, self.b1plus, self.sar, self.averages, self.fields, self.thermal)
        return maps.contents(*about)

    def _affine_mm(self) -> np.ndarray | None:
        return nifti.grid_affine_mm(self.phantom.grid, self.phantom.file_from_grid)

    def _write(self, stage: atomic.Stage) -> None:
        """All files of a run that Python has made: its body as a file, and what was done as a scenario."""
        tables = self.summary["scenario"]
        hdf5.write_phantom_file(stage.path(tables["phantom"]["file"]), self.phantom)
        known = tables["coil"].get("type") != PYTHON and "leads" not in tables
        head = LOCK_HEADER if known else UNWRITTEN
        text = f"{head}# emdose {__version__}\n\n{toml.dump(tables)}"
        stage.path(LOCK_FILE).write_text(text, encoding="utf-8")
        self.write_files(stage)

    def write_files(self, stage: atomic.Stage, *, keep_fields: bool = True, paraview: bool = True) -> None:
        """Put result.h5, the network and the file for ParaView into a stage; ``fields`` must be there."""
        assert self.fields is not None
        write_result(
            stage,
            phantom=self.phantom,
            coil=self.coil,
            fields=self.fields,
            sar=self.sar,
            averages=self.averages,
            provenance=self.summary["provenance"],
            keep_fields=keep_fields,
            thermal=self.thermal,
        )
        network = self.network
        if network is not None:
            name = f"{file_stems([self.name])[self.name]}.s{network.size}p"
            stage.path(name).write_text(touchstone.touchstone_text(network), encoding="utf-8")
        if paraview:
            stage.path(FIELDS_FILE).write_bytes(exports.vti(self._contents()))


def write_result(
    stage: atomic.Stage,
    *,
    phantom: Phantom,
    coil: CoilSummary,
    fields: Fields,
    sar: SarMap,
    averages: Mapping[str, MassAverage],
    provenance: Mapping[str, Any],
    keep_fields: bool,
    thermal: ThermalMaps | None = None,
) -> None:
    """Write result.h5 into a stage; it appears when the stage is committed.

    Parameters
    ----------
    stage : Stage
        Where to write, see :func:`emdose.io.disk.atomic.staging`, which also turns errors into OutputError.
    phantom, coil, fields, sar, averages
        What was computed; ``fields`` driven and scaled.
    provenance : mapping
        Goes as JSON into the group /provenance.
    keep_fields : bool
        Whether E and B are stored as well.
    thermal : ThermalMaps, optional
        Temperatures.
    """
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        write_sar(file, phantom, sar)
        _write_coil(file.create_group("coil"), coil)
        _write_fields(file.create_group("fields"), fields, keep_fields)
        group = file.create_group("averages")
        for name, average in averages.items():
            part = group.create_group(name)
            part.attrs["mass_kg"] = average.mass_kg
            put_map(part, "value", single(average.value), "W/kg")
            put_map(part, "flag", average.flag, "0 invalid, 1 unused, 2 used, 3 valid")
            put_map(part, "side_m", single(average.side_m), "m")
        if thermal is not None:
            write_thermal(file, thermal)


def read_result(folder: Path, summary: dict[str, Any]) -> RunResult:
    """Read what a run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result, or its files are damaged; nothing of them is used then.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        phantom, sar = read_sar(file, folder / RESULT_FILE)
        averages = {name: _read_average(group) for name, group in file["averages"].items()}
        fields = read_fields(file["fields"], phantom) if "E" in file["fields"] else None
        return RunResult(
            folder=folder,
            summary=summary,
            phantom=phantom,
            coil=_read_coil(file["coil"]),
            frequency_Hz=float(file["fields"].attrs["frequency_Hz"]),
            b1plus=file["fields/b1plus"][()],
            sar=sar,
            averages=averages,
            fields=fields,
            thermal=read_thermal(file),
        )


def _write_coil(group: Any, coil: CoilSummary) -> None:
    group.attrs["name"], group.attrs["drive_unit"] = coil.name, coil.drive_unit
    group.attrs["parameters"] = to_json(coil.parameters)
    group["segments"], group["currents"] = np.asarray(coil.segments, float), np.asarray(coil.currents, complex)
    group["segments"].attrs["unit"], group["currents"].attrs["unit"] = "m", "A (peak)"


def _read_coil(group: Any) -> CoilSummary:
    return CoilSummary(
        str(group.attrs["name"]),
        group["segments"][()],
        group["currents"][()],
        str(group.attrs["drive_unit"]),
        json.loads(group.attrs["parameters"]),
    )


def _write_fields(group: Any, fields: Fields, keep: bool) -> None:
    write_about_fields(group, fields)
    put_map(group, "b1plus", fields.b1plus()[0].astype(np.complex64), "T")
    if keep:
        for name, unit in (("E", "V/m"), ("B", "T")):
            data = np.asarray(getattr(fields, name))
            group.create_dataset(name, data=data, chunks=(1, 1, *data.shape[2:]) if data[0, 0].nbytes < 2**31 else True)
            group[name].attrs["unit"] = f"{unit}, peak phasor, Yee positions"


def _read_average(group: Any) -> MassAverage:
    return MassAverage(
        value=group["value"][()],
        flag=group["flag"][()],
        side_m=group["side_m"][()],
        mass_kg=float(group.attrs["mass_kg"]),
    )
