"""The tables of a scenario with models in them: each becomes a table, and a file where a table cannot hold it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from emdose.ept.maps.b1map import B1Map
from emdose.errors import InputError
from emdose.io import meshes
from emdose.io.bodies import hdf5, nifti
from emdose.io.coils.writing import write_coil
from emdose.io.disk import atomic
from emdose.io.incident_fields import incident_field_bytes
from emdose.models import gradients
from emdose.models.bodies import Phantom
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Plate, Strip, Wire
from emdose.models.coils.ideal import Coil
from emdose.models.coils.incident_field import IncidentField
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.gradients.coils import GradientSet
from emdose.models.implants import Implant, metals
from emdose.models.implants.metals import PROPERTIES, Metal
from emdose.scenarios.shared.objects.solver_tables import vsie_values
from emdose.scenarios.shared.objects.source_tables import table_of
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie.solver import Vie
from emdose.solvers.vsie.solver import Vsie

SOLVERS: dict[type, str] = {Vie: "vie", Fdtd: "fdtd", EddyCurrent: "eddy-current"}
"""Type of the table [solver] of every solver."""


class Writing:
    """The tables of one scenario while its models are put into words and files.

    Parameters
    ----------
    folder : Path
        Where the files will lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Callable[[Path], Any]] = {}
        self.metals: dict[str, dict[str, Any]] = {}
        self.frequency_Hz: float | None = None

    def tables(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """The tables as plain values.

        Raises
        ------
        InputError
            For what no table and no file of a scenario can hold; the key is named.
        """
        found = {str(k): self._plain(v, str(k)) for k, v in raw.items() if v is not None}
        if self.frequency_Hz is not None:
            found.setdefault("exposure", {"frequency_Hz": self.frequency_Hz})
        if self.metals:
            found["metals"] = {**self.metals, **found.get("metals", {})}
        return found

    def write(self) -> None:
        """Write the files, all or none; raises OutputError."""
        if not self.files:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic.staging(self.folder) as stage:
            for name, put in self.files.items():
                put(stage.path(name))

    # ---- one value -----------------------------------------------------------------------------------------------
    def _plain(self, value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {str(k): self._plain(v, f"{path}.{k}") for k, v in value.items() if v is not None}
        if isinstance(value, list | tuple | np.ndarray):
            return [self._plain(v, path) for v in (value.tolist() if isinstance(value, np.ndarray) else value)]
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, Path):
            return str(value)
        if value is None or isinstance(value, str | bool | int | float):
            return value
        table = self._table(value, path)
        # A table of a file that says more than its name: {"type": "file", "file": phantom, "translate_m": ...}.
        return table["file"] if path.endswith(".file") and "file" in table else table

    def _table(self, value: Any, path: str) -> dict[str, Any]:
        name = path.replace(".", "-").removesuffix("-file")
        if isinstance(value, Phantom):
            return {"type": "file", "file": self._file(f"{name}.h5", lambda p: hdf5.write_phantom_file(p, value))}
        if isinstance(value, Coil | CircuitCoil | PlaneWave):
            return self._source(value, name)
        if isinstance(value, IncidentField):
            data = incident_field_bytes(value)
            return {"type": "incident-field", "file": self._file(f"{name}.h5", lambda p: p.write_bytes(data))}
        if isinstance(value, Implant):
            return self._implant(value, name)
        if isinstance(value, gradients.Waveform | gradients.Sinusoid):
            return self._exposure(value, name, path)
        if isinstance(value, B1Map):
            return self._b1(value, name, path)
        if isinstance(value, GradientSet):
            return _gradients(value, path)
        if isinstance(value, Vsie):
            return {"type": "vsie", **vsie_values(asdict(value), path)}
        if type(value) in SOLVERS:
            told = {f.name: self._plain(getattr(value, f.name), f"{path}.{f.name}") for f in fields(value)}
            return {"type": SOLVERS[type(value)], **{k: v for k, v in told.items() if v is not None}}
        raise InputError(
            "no table or file of a scenario holds this",
            field=path,
            found=type(value).__name__,
            expected="keys and values, or a phantom, coil, implant, waveform, B1 map or solver",
        )

    def _file(self, name: str, put: Callable[[Path], Any]) -> str:
        self.files[name] = put
        return str((self.folder / name).resolve())

    def _source(self, source: Any, name: str) -> dict[str, Any]:
        """A coil by its parameters where these make it again, else by its conductors."""
        try:
            return table_of(source)
        except InputError:
            if not _has_a_file(source):
                raise
        file = self._file(f"{name}.vtp", lambda p: _put_coil(source, p))
        found: dict[str, Any] = {"type": "segments", "file": file, "unit": "m"}
        if isinstance(source, CircuitCoil):
            found["gaps"] = file  # the same file holds the metal and what fills its gaps
        if source.shield is not None:
            shield = source.shield
            if any(abs(c) > 1e-12 for c in shield.centre_m):
                raise InputError("the shield of this coil does not lie about the isocentre", field="coil.shield")
            found |= {"shield_radius_m": shield.radius_m, "shield_length_m": shield.length_m}
            if shield.slots:
                raise InputError("no table holds a coil from a file in a shield with slots", field="coil.shield")
        return found

    def _implant(self, implant: Implant, name: str) -> dict[str, Any]:
        low, high = implant.bounds_m
        place = {"position_m": [0.5 * (a + b) for a, b in zip(low, high, strict=True)]}
        parts = {}
        for number, part in enumerate(implant.parts, 1):
            one = Implant(part.name, (part,))
            file = self._file(f"{name}-{number}.ply", lambda p, one=one: _put_implant(one, p))  # type: ignore[misc]
            parts[f"part {number}"] = {"file": file, "unit": "m", "metal": self._metal(part.metal)}
        if len(parts) == 1:
            return {"type": "file", **next(iter(parts.values())), **place}
        return {"type": "files", "parts": parts, **place}

    def _b1(self, b1: B1Map, name: str, path: str) -> dict[str, Any]:
        """B1+ maps as NIfTI where they know their place in the scanner, else as arrays with their spacing."""
        if b1.u_magnitude is not None or b1.u_phase is not None:
            expected = "B1+ maps without their noise; snr or noise in the table says it"
            raise InputError("no table holds the noise of these maps", field=path, expected=expected)
        keys = {"magnitude": b1.magnitude, "phase": b1.phase, "mask": b1.mask, "segmentation": b1.labels}
        arrays = {k: np.asarray(v) for k, v in {**keys, "reference": b1.reference}.items() if v is not None}
        arrays = {k: v.astype(np.uint8) if v.dtype == bool else v for k, v in arrays.items()}
        self.frequency_Hz = float(b1.frequency_Hz)
        table: dict[str, Any] = {"type": "files", "phase_kind": b1.phase_kind}
        if b1.phase is not None:
            table["phase_unit"] = "rad"
        if b1.affine is not None and all(v.ndim == 3 for v in arrays.values()):
            for key, values in arrays.items():
                data = nifti.encoded(values, b1.grid, gz=True, affine_mm=b1.affine)
                table[key] = self._file(f"{name}-{key}.nii.gz", lambda p, data=data: p.write_bytes(data))  # type: ignore[misc]
            return table
        file = self._file(f"{name}.npz", lambda p: _put_arrays(arrays, p))
        return {**table, **{key: f"{file}:{key}" for key in arrays}, "spacing_m": list(b1.grid.spacing_m)}

    def _metal(self, metal: Metal) -> str:
        """Name of a metal, with a table of its own when it is not the built-in one."""
        if metal.relative_permeability != 1.0:
            raise InputError("no table holds a magnetic metal", field="implant.metal", found=metal.name)
        if metal.name in metals.names() and metals.get(metal.name) == metal:
            return metal.name
        own = f"{metal.name} of the implant" if metal.name in metals.names() else metal.name
        self.metals[own] = {k: getattr(metal, k) for k in PROPERTIES if k != "relative_permeability"}
        return own

    def _exposure(self, wave: Any, name: str, path: str) -> dict[str, Any]:
        """A waveform as a table of samples, a sinusoid by its numbers."""
        if isinstance(wave, gradients.Sinusoid):
            if wave.unit != "T" or wave.axes != 3:
                raise InputError("no table holds this sinusoid", field=path, expected="a flux density on three axes")
            rms = np.asarray(wave.rms, float)
            size = float(np.linalg.norm(rms))
            told = {"frequency_Hz": wave.frequency_Hz, "dbdt_rms_T_s": size}
            return {"type": "sinusoid", **told, "direction": (rms / size).tolist(), "unusual": wave.unusual}
        if wave.axes != 3 or not np.array_equal(wave.starts, wave.stops):
            expected = "a waveform of three axes that is straight between its samples"
            raise InputError("no table of samples holds this waveform", field=path, found=wave.name, expected=expected)
        step = np.diff(wave.times_s)[:, None]
        values = np.concatenate([np.zeros((1, 3)), np.cumsum(wave.starts * step, axis=0)])
        rows = ["t_s,x,y,z", *(",".join(map(repr, map(float, r))) for r in np.column_stack([wave.times_s, values]))]
        file = self._file(f"{name}.csv", lambda p: p.write_text("\n".join(rows) + "\n", encoding="utf-8"))
        quantity = "gradient" if wave.unit == "T/m" else "field"
        return {"type": "samples", "file": file, "quantity": quantity, "unusual": wave.unusual}


def _has_a_file(source: Any) -> bool:
    """Whether a file holds all of a source: closed currents, or metal of wires, strips and plates."""
    if isinstance(source, CircuitCoil):
        return all(isinstance(c, Wire | Strip | Plate) for c in source.conductors)
    return isinstance(source, Coil) and not source.open_ends[0].size


def _put_coil(coil: Coil | CircuitCoil, path: Path) -> None:
    part = path.with_name(f"{path.name}.vtp")
    write_coil(coil, part, unit="m").replace(path)


def _put_arrays(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    save: Any = np.savez_compressed
    with path.open("wb") as stream:
        save(stream, **arrays)


def _put_implant(implant: Implant, path: Path) -> None:
    part = path.with_name(f"{path.name}.ply")
    meshes.write_implant(implant, part, unit="m")[0].replace(path)


def _gradients(coils: GradientSet, path: str) -> dict[str, Any]:
    """Ideal gradients; others have files or numbers that the object does not know any more."""
    if coils == GradientSet():
        return {"type": "ideal", "position_m": [0.0, 0.0, 0.0]}
    raise InputError(
        "no table makes these gradient coils",
        field=path,
        found=coils.name,
        expected='{"type": "wires", "x_file": ...} or {"type": "whole-body", ...} with position_m',
    )
