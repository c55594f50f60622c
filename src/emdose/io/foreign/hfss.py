"""Fields that the field calculator of HFSS exports on a grid (.fld), one file for every field and port."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import read_bytes
from emdose.io.foreign.joining import PortField, frequency_of, quantity_of, rectilinear
from emdose.io.foreign.values import LENGTHS

KNOWN = {"time": "exp(+jwt)", "amplitude": "peak", "components": "xyz", "positions": "points"}
"""Documented of the program; the magnetic field is H in A/m, unless the user's expression made B of it."""
LARGEST_FILE = 4 * 2**30
COLUMNS = 9
_BOX = re.compile(r"(Min|Max):\s*\[([^\]]*)\]", re.I)
_NUMBER = re.compile(r"([-+]?\d+\.?\d*(?:e[-+]?\d+)?)\s*([a-z]*)", re.I)


def parts(paths: Sequence[Path]) -> list[PortField]:
    """The fields in files of this kind.

    Raises
    ------
    InputError
        For other text, another number of columns, or points of no rectilinear grid.

    Notes
    -----
    Two lines of header, the first with the corners of the grid and their unit, then a line for every point:
    x y z Re(Fx) Im(Fx) Re(Fy) Im(Fy) Re(Fz) Im(Fz). The unit of the coordinates in the lines follows from the corners.

    Source: the reader of CoSimPy 2.0.0 (MIT licence).
    """
    found = []
    for path in paths:
        text = read_bytes(path, "a field of HFSS (.fld)", LARGEST_FILE).decode(errors="replace")
        head, _, rest = text.partition("\n")
        second, _, body = rest.partition("\n")
        if "grid output" not in head.lower():
            raise InputError(
                "not a field of HFSS", file=path, found=head[:60], expected="a line 'Grid Output Min: ...'"
            )
        width = len(body.partition("\n")[0].split())
        if width != COLUMNS:
            raise InputError(
                "not a complex vector field",
                file=path,
                found=f"{width} columns",
                expected=f"{COLUMNS}: x y z and real and imaginary part of three components",
            )
        rows = _numbers(body, path)
        if not np.all(np.isfinite(rows[:, :3])):
            raise InputError("a point without coordinates", file=path)
        axes, rank = rectilinear(rows[:, :3], path)
        values = np.empty((3, len(rows)), complex)
        values[:, rank] = (rows[:, 3::2] + 1j * rows[:, 4::2]).T
        grid = values.reshape(3, *(len(a) for a in axes))
        stated = {} if (length := _length(head, axes)) is None else {"length": length}
        quantity = _quantity(second) or quantity_of(path)
        found.append(PortField(path, quantity, axes, grid, frequency_of(path), stated))
    return found


def _numbers(body: str, path: Path) -> np.ndarray:
    """The lines (points, 9); raises InputError for anything that is no number."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", DeprecationWarning)  # what NumPy says where it stops at a word
            return np.fromstring(body, sep=" ").reshape(-1, COLUMNS)
    except (ValueError, DeprecationWarning):
        raise InputError("not numbers throughout", file=path, expected=f"{COLUMNS} numbers in every line") from None


def _length(head: str, axes: Sequence[np.ndarray]) -> str | None:
    """Unit of the coordinates, from the corners that the header has with a unit; None where they do not fit."""
    corners = {k.lower(): _NUMBER.findall(v) for k, v in _BOX.findall(head)}
    try:
        sizes = [
            abs(float(b) * LENGTHS[u.lower()] - float(a) * LENGTHS[t.lower()])
            for (a, t), (b, u) in zip(corners["min"], corners["max"], strict=True)
        ]
    except (KeyError, ValueError):
        return None
    spans = [float(np.ptp(a)) for a in axes]
    fitting = [n for n, f in LENGTHS.items() if np.allclose(np.array(spans) * f, sizes, rtol=1e-3)]
    return fitting[0] if len(fitting) == 1 else None


def _quantity(line: str) -> str | None:
    """Which field the second line names, in expressions such as <Ex,Ey,Ez>."""
    found = re.search(r"\b([EHB])(?:x\b|_?field|_Vector)", line, re.I)
    return found[1].upper() if found else None
