"""Wire paths of gradient coils from text and VTK files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io import mesh_process
from emdose.io.disk.files import read_bytes
from emdose.models.gradients.coils import GradientCoil

LARGEST_FILE = 256 * 2**20
UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
LARGEST_COIL_M = 20.0
EXPECTED = "a wire path: .csv, .txt, .vtk or .vtp"


def read_wire_paths(path: Path | str, *, unit: str) -> list[np.ndarray]:
    """Corners of the wires of a file.

    Parameters
    ----------
    path : Path or str
        Text (.csv, .txt, .dat): x, y, z per line, separated by commas, semicolons or blanks; an empty line begins a new
        wire; one line of names and lines that begin with # are passed over. VTK (.vtk, .vtp): poly-lines.
    unit : "m", "cm" or "mm"
        Unit of the file; it is not guessed.

    Returns
    -------
    list of (n, 3) ndarray
        Corners of every wire [m].

    Raises
    ------
    InputError
        When the file cannot be read as wires, holds numbers that are not finite, or is of the wrong unit by its size.
    """
    path = Path(path)
    if unit not in UNITS:
        raise unknown("unknown unit of length", unit, UNITS, file=path, field="unit")
    suffix = path.suffix.lower()
    if suffix in (".vtk", ".vtp"):
        arrays, _ = mesh_process.read("vtk lines", path, "VTK poly data with lines")
        paths = np.split(arrays["points"], arrays["ends"][:-1])
    elif suffix in (".csv", ".txt", ".dat"):
        paths = _text(path)
    else:
        raise InputError("unknown kind of file", file=path, expected=EXPECTED)
    if not paths:
        raise InputError("no wires in this file", file=path, expected=EXPECTED)
    paths = [UNITS[unit] * p for p in paths]
    size = float(np.ptp(np.concatenate(paths), axis=0).max())
    if size > LARGEST_COIL_M:
        raise InputError(
            "coil is larger than a building: wrong unit?",
            file=path,
            field="unit",
            found=unit,
            expected=f"the unit in which the coil is {size / UNITS[unit]:.3g} wide",
        )
    return paths


def read_gradient_coil(path: Path | str, axis: str, *, unit: str, turns: float = 1.0) -> GradientCoil:
    """A gradient coil whose wires stand in a file, all with the same current.

    Parameters
    ----------
    path : Path or str
        As for :func:`read_wire_paths`.
    axis : "x", "y" or "z"
        Axis along which its Bz grows.
    unit : "m", "cm" or "mm"
        Unit of the file.
    turns : float
        Factor on the current of every wire.

    Raises
    ------
    InputError
        As :func:`read_wire_paths`, and when the wires give no such gradient.
    """
    paths = read_wire_paths(path, unit=unit)
    try:
        return GradientCoil(
            Path(path).stem,
            axis,
            paths,
            [turns] * len(paths),
            {"kind": "wire paths", "file": Path(path).name, "unit": unit},
        )
    except InputError as error:
        raise error.at(file=path) from None


def _text(path: Path) -> list[np.ndarray]:
    text = read_bytes(path, EXPECTED, LARGEST_FILE).decode("utf-8-sig", "replace")
    wires: list[list[list[float]]] = [[]]
    header = True
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.split("#")[0].strip()
        if not plain:
            if not line.strip() and wires[-1]:
                wires.append([])
            continue
        cells = [c for c in re.split(r"[\s,;]+", plain) if c]
        try:
            point = [float(c) for c in cells]
        except ValueError:
            if header and not wires[-1]:
                header = False
                continue
            raise InputError(
                "not three numbers", file=path, field=f"line {number}", found=plain[:40], expected="x, y, z"
            ) from None
        if len(point) != 3 or not np.all(np.isfinite(point)):
            raise InputError(
                "not three finite numbers", file=path, field=f"line {number}", found=plain[:40], expected="x, y, z"
            )
        wires[-1].append(point)
    return [np.array(w) for w in wires if w]
