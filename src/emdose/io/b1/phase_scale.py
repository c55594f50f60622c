"""The scale of a phase, from the range that a wrapped phase fills."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from emdose.errors import InputError


class PhaseScale(NamedTuple):
    """Radians per stored unit, and what that scale is called."""

    radians: float
    words: str


_TURNS = (
    (-np.pi, np.pi, "radians from -pi to pi"),
    (0.0, 2 * np.pi, "radians from 0 to 2 pi"),
    (-180.0, 180.0, "degrees from -180 to 180"),
    (0.0, 360.0, "degrees from 0 to 360"),
    (0.0, 4096.0, "4096 steps a turn, from 0"),
    (-2048.0, 2048.0, "4096 steps a turn, about 0"),
    (-4096.0, 4096.0, "8192 steps a turn, about 0"),
    (-1000 * np.pi, 1000 * np.pi, "milliradians"),
    (0.0, 65536.0, "65536 steps a turn, from 0"),
    (-32768.0, 32768.0, "65536 steps a turn, about 0"),
)
"""The ranges of wrapped phases that scanners and converters write, low to high."""
_FILLED = 0.01
"""Share of a turn by which the values may stop short of either end: noise around an object fills the range."""
_RADIANS = 12 * np.pi
"""Widest range that is taken for an unwrapped phase in radians."""


def phase_scale(values: np.ndarray, name: str = "") -> PhaseScale:
    """The scale of a stored phase.

    Parameters
    ----------
    values : ndarray
        As stored, background and all: noise there fills the range.
    name : str
        The file, for errors.

    Raises
    ------
    InputError
        When the range belongs to no scale that is known: the unit must then be said.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        raise InputError("no phase that is finite", file=name, field="phase")
    low, high = float(finite.min()), float(finite.max())
    for start, stop, words in _TURNS:
        turn = stop - start
        close = abs(low - start) <= _FILLED * turn and abs(high - stop) <= _FILLED * turn
        if close and low >= start - 1e-3 * turn and high <= stop + 1e-3 * turn:
            return PhaseScale(2 * np.pi / turn, words)
    whole = high - low > np.pi and bool(np.all(finite == np.rint(finite)))
    if high - low <= _RADIANS and not whole:
        return PhaseScale(1.0, "radians")
    raise InputError(
        "phase is not in radians, and its range is that of no known scale",
        file=name,
        field="phase_unit",
        found=f"{'whole numbers ' if whole else ''}from {low:.6g} to {high:.6g}",
        expected="its unit: 'rad', 'deg', 'pi', 'turns', or radians per unit (2 pi / 4096 where 4096 steps are a turn)",
    )
