"""Fields on a rectilinear or uniform grid of VTK (.vtr, .vti)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io import mesh_process
from emdose.io.foreign.joining import UNITS, agreed
from emdose.io.foreign.values import CONVENTIONS, ForeignFields
from emdose.io.maps import vtk

EXPECTED = "arrays E_real and E_imag, B or H likewise, with three components; of several ports E_real_1, E_real_2, ..."
_NAME = re.compile(r"([EBH])_(real|imag)(?:_(\w+))?")


def read(path: Path, frequency_Hz: float | None, hashes: Mapping[str, str]) -> ForeignFields:
    """The fields in such a file.

    Raises
    ------
    InputError
        When the file is no such grid, arrays are missing, or ports differ.

    Notes
    -----
    Point or cell data named as in :data:`EXPECTED`, scalars "conductivity" [S/m] and "density" [kg/m^3]; field data
    "frequency_Hz" and the names of conventions as texts.
    """
    arrays, told = mesh_process.read("vtk grid", path, vtk.GRID_FILE)
    held = {name: arrays[str(n)] for n, name in enumerate(told["names"])}
    data = {(n.split(" ", 1)[1], n.startswith("cell ")): v for n, v in held.items() if n[:5] in ("point", "cell ")}
    named = {key: found for key in data if (found := _NAME.fullmatch(key[0]))}
    in_cells = {cell for _, cell in named}
    if len(in_cells) != 1:
        raise InputError("fields missing, or both in points and in cells", file=path, expected=EXPECTED)
    cells = next(iter(in_cells))
    lines = tuple(held[n] for n in "xyz")
    axes = tuple(0.5 * (a[1:] + a[:-1]) for a in lines) if cells else lines
    shape = tuple(len(a) for a in axes)
    parts: dict[tuple[str, str, str], np.ndarray] = {}
    for key, found in named.items():
        values = np.asarray(data[key])
        if values.ndim != 2 or values.shape != (np.prod(shape), 3):
            raise InputError(
                "not a vector field", file=path, field=key[0], found=values.shape, expected="three components"
            )
        parts[found[1], found[2], found[3] or "1"] = np.stack([v.reshape(shape, order="F") for v in values.T])
    ports = sorted({p for _, _, p in parts}, key=lambda n: (len(n), n))
    kinds = sorted({k for k, _, _ in parts})
    for kind in kinds:
        for port in ports:
            for part in ("real", "imag"):
                if (kind, part, port) not in parts:
                    raise InputError("ports that differ", file=path, field=f"{kind}_{part}_{port}", expected=EXPECTED)
    if "B" in kinds and "H" in kinds:
        raise InputError("both B and H for the same fields", file=path, expected="one of them")
    fields = {k: np.stack([parts[k, "real", p] + 1j * parts[k, "imag", p] for p in ports]) for k in kinds}
    maps = {
        n: np.asarray(data[n, cells], float).reshape(shape, order="F")
        for n in ("conductivity", "density")
        if (n, cells) in data
    }
    said = {n.removeprefix("file "): v.ravel()[0] for n, v in held.items() if n.startswith("file ") and v.size}
    stated = {k: str(v) for k, v in said.items() if k in CONVENTIONS}
    stated = {**UNITS.get(next(iter([k for k in kinds if k != "E"]), ""), {}), **stated}
    frequency = agreed(frequency_Hz, said.get("frequency_Hz"), path)
    try:
        return ForeignFields(
            program="VTK",
            axes=axes,  # type: ignore[arg-type]
            E=fields.get("E"),
            magnetic=fields.get("B", fields.get("H")),
            ports=tuple(f"port {p}" for p in ports),
            frequency_Hz=None if frequency is None else float(frequency),  # type: ignore[arg-type]
            stated=stated,
            sources=dict.fromkeys(stated, "the file"),
            files=hashes,
            conductivity=maps.get("conductivity"),
            density=maps.get("density"),
        )
    except InputError as error:
        raise error.at(file=path) from None
