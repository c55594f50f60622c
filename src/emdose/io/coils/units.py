"""The unit of the coordinates of a coil: stated by the caller, the file or both alike, and judged by its size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emdose.checks import one_of, unknown
from emdose.errors import InputError

UNITS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "in": 0.0254}
SMALLEST_M, LARGEST_M = 4e-3, 4.0
"""A coil has a size between these; anything else is a wrong unit."""


def unit_of(points: np.ndarray, given: str | None, stated: str | None, path: Path) -> str:
    """The unit of points (n, 3) of a file.

    Parameters
    ----------
    points : (n, 3) ndarray
        Coordinates in the unit that is looked for.
    given, stated : str, optional
        What the caller says, and what the file says.
    path : Path
        The file.

    Raises
    ------
    InputError
        When neither says one or both say another, or the coil would have an implausible size.
    """
    size = np.ptp(points, axis=0)
    if given is not None:
        one_of("unit", given, UNITS, problem="unknown unit of length")
    if stated is not None and stated not in UNITS:
        raise unknown("unknown unit of length", stated, UNITS, file=path, field="unit")
    if given is not None and stated is not None and given != stated:
        raise InputError("two units for one file", file=path, field="unit", found=f"{given}, in the file {stated}")
    unit = stated if given is None else given
    extent = " x ".join(f"{x:.4g}" for x in size)
    if unit is None:
        expected = f"unit = {_plausible(float(size.max()))}, as an argument or in the names of the columns (x_mm)"
        raise InputError(
            "the unit of the coordinates is not stated",
            file=path,
            field="unit",
            found=f"extent {extent}",
            expected=expected,
        )
    length = float(size.max()) * UNITS[unit]
    if not SMALLEST_M <= length <= LARGEST_M:
        raise InputError(
            f"a coil of {_length(length)}: wrong unit?",
            file=path,
            field="unit",
            found=f"extent {extent} {unit}",
            expected=f"{1e3 * SMALLEST_M:g} mm to {LARGEST_M:g} m, so unit = {_plausible(float(size.max()))}",
        )
    return unit


def _plausible(size: float) -> str:
    fits = [u for u, factor in UNITS.items() if SMALLEST_M <= size * factor <= LARGEST_M]
    names: Sequence[str] = [f"{u!r} (a coil of {_length(size * UNITS[u])})" for u in fits]
    return " or ".join(names) if names else "one in which the coil has such a size"


def _length(metres: float) -> str:
    return f"{metres:.4g} m" if metres >= 1 else f"{1e3 * metres:.4g} mm"
