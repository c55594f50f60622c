"""Tables with a header that names each column with its unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import read_bytes

LARGEST_FILE = 256 * 2**20
Units = Mapping[str, float]


def read_columns(
    path: Path, known: Mapping[str, tuple[tuple[str, ...], Units]], expected: str
) -> dict[str, np.ndarray]:
    """Columns of a table in SI units, those that are there.

    Parameters
    ----------
    path : Path
        Text: a header, and one line a row. Lines that begin with # are passed over.
    known : mapping
        For every column its spellings (lower case), and its units with their factors; without units it has none.
    expected : str
        What such a file is, for errors.

    Raises
    ------
    InputError
        When there is no table, a unit is missing or unknown, or a row is not of numbers; file and line are named.
    """
    text = read_bytes(path, expected, LARGEST_FILE).decode("utf-8-sig", "replace")
    lines = [(n, line.strip()) for n, line in enumerate(text.splitlines(), 1)]
    lines = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if len(lines) < 2:
        raise InputError("no table in this file", file=path, expected=expected)
    places: dict[str, tuple[int, float]] = {}
    for i, cell in enumerate(re.split(r"[,;\t]+", lines[0][1])):
        name, _, unit = cell.strip().strip('"').partition("[")
        key = next((k for k, (names, _) in known.items() if name.strip().lower() in names), None)
        if key is None:
            continue
        units, unit = known[key][1], unit.rstrip("] ").strip()
        if units and unit not in units:
            raise InputError(
                "column without a unit" if not unit else "unknown unit",
                file=path,
                field=f"column {name.strip()}",
                found=cell.strip(),
                expected=f"'{name.strip()} [{next(iter(units))}]'; known are {', '.join(units)}",
            )
        places[key] = i, units[unit] if units else 1.0
    if not places:
        raise InputError("no known column", file=path, found=lines[0][1][:60], expected=expected)
    rows = []
    for n, line in lines[1:]:
        try:
            rows.append([float(cell) for cell in re.split(r"[,;\t]+", line)])
        except ValueError:
            rows.append([])
        if len(rows[-1]) < 1 + max(i for i, _ in places.values()) or not np.all(np.isfinite(rows[-1])):
            raise InputError("not a row of numbers", file=path, field=f"line {n}", found=line[:40], expected=expected)
    return {key: np.array([row[i] for row in rows]) * factor for key, (i, factor) in places.items()}


def require(found: Mapping[str, np.ndarray], keys: tuple[str, ...], path: Path, expected: str) -> None:
    """Raise InputError unless all of these columns are there."""
    for key in keys:
        if key not in found:
            raise InputError("a column is missing", file=path, field=key, found=", ".join(found), expected=expected)
