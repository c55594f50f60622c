"""Maps of a scanner's static field, as makers publish them: places with |B| and its gradient."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import read_bytes
from emdose.mechanics.field_map import StaticFieldMap

LARGEST_FILE = 64 * 2**20
EXPECTED = "a table (.csv, .txt) with a header such as 'r [m], z [m], B [T], gradB [T/m]'"
UNITS: dict[str, dict[str, float]] = {
    "r": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
    "z": {"m": 1.0, "cm": 1e-2, "mm": 1e-3},
    "B": {"T": 1.0, "mT": 1e-3, "G": 1e-4},
    "gradB": {"T/m": 1.0, "mT/m": 1e-3, "G/cm": 1e-2, "T/cm": 100.0, "mT/mm": 1.0},
}
"""Units of every column, and the factor to SI."""
SPELLINGS = {
    "r": ("r", "radius", "x", "rho"),
    "z": ("z",),
    "B": ("b", "|b|", "b0", "absb"),
    "gradB": ("gradb", "grad", "|gradb|", "|grad b|", "grad b", "db/dz", "|db/dz|", "gradient"),
}
MOST_T, MOST_T_m = 30.0, 200.0
"""Fields and gradients beyond these are units taken for others."""


def read_field_map(path: Path | str) -> StaticFieldMap:
    """A map of |B| and |grad |B|| of a scanner from a table.

    Parameters
    ----------
    path : Path or str
        Text with a header that names each column with its unit in brackets, such as ``r [m], z [m], B [T],
        gradB [T/m]``, in any order, and one line a place. Lines that begin with # are passed over.

    Raises
    ------
    InputError
        When a column or its unit is missing, or a value cannot be one of a scanner; file and line are named.
    """
    path = Path(path)
    text = read_bytes(path, EXPECTED, LARGEST_FILE).decode("utf-8-sig", "replace")
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError("no field map in this file", file=path, expected=EXPECTED)
    columns = _columns(lines[0][1], path)
    values = []
    for n, line in lines[1:]:
        try:
            values.append([float(cell) for cell in re.split(r"[,;\t]+", line)])
        except ValueError:
            values.append([])
        if len(values[-1]) < 1 + max(i for i, _ in columns.values()):
            raise InputError("not a row of numbers", file=path, field=f"line {n}", found=line[:40], expected=EXPECTED)
    found = {key: np.array([row[i] for row in values]) * factor for key, (i, factor) in columns.items()}
    for key, most, unit in (("B", MOST_T, "T"), ("gradB", MOST_T_m, "T/m")):
        top = float(np.abs(found[key]).max())
        if not top <= most:
            raise InputError(
                "no scanner has such a field: is the unit right?",
                file=path,
                field=key,
                found=f"{top:g} {unit}",
                expected=f"up to {most:g} {unit}",
            )
    try:
        return StaticFieldMap(path.stem, np.abs(found["r"]), found["z"], np.abs(found["B"]), np.abs(found["gradB"]))
    except InputError as error:
        raise error.at(file=path) from None


def _columns(header: str, path: Path) -> dict[str, tuple[int, float]]:
    """Index and factor of every column that is known."""
    found: dict[str, tuple[int, float]] = {}
    for i, cell in enumerate(re.split(r"[,;\t]+", header)):
        name, _, unit = cell.strip().strip('"').partition("[")
        key = next((k for k, names in SPELLINGS.items() if name.strip().lower() in names), None)
        if key is None:
            continue
        unit = unit.rstrip("] ").strip()
        if unit not in UNITS[key]:
            raise InputError(
                "field map without a unit" if not unit else "unknown unit",
                file=path,
                field=f"column {name.strip()}",
                found=cell.strip(),
                expected=f"'{name.strip()} [{next(iter(UNITS[key]))}]'; known are {', '.join(UNITS[key])}",
            )
        found[key] = i, UNITS[key][unit]
    missing = [key for key in UNITS if key not in found]
    if missing:
        raise InputError("a column is missing", file=path, field=missing[0], found=header[:60], expected=EXPECTED)
    return found
