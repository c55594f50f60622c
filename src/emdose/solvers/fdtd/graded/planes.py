"""Planes of the grid around implants: equal cells that meet their ends, then steps that grow to those of the voxels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.solvers.fdtd.graded.grading import Bounds, steps_between

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant

THIN = 0.5
"""Cells across metal that still make it one cell; thinner metal lies within a cell."""
SLIVER = 0.5
"""Of a cell: less than that is no step of its own."""


@dataclass(frozen=True, eq=False)
class MetalPlanes:
    """Planes along one axis of the phantom's grid.

    Parameters
    ----------
    nodes_m : (n + 1,) float ndarray
        All of them, from the low to the high end of the phantom's grid [m].
    equal : (int, int)
        First and last plane of the equal cells around the metal.
    """

    nodes_m: np.ndarray
    equal: tuple[int, int]


def planes_around(
    implants: Sequence[Implant], axis: int, voxels_m: np.ndarray, cell_m: float, margin_m: float, growth: float
) -> MetalPlanes:
    """Planes along one axis.

    Parameters
    ----------
    implants : sequence of Implant
        In the coordinates of the phantom's grid.
    axis : int
        The axis.
    voxels_m : (n + 1,) float ndarray
        Planes of the phantom's cells, equal steps [m].
    cell_m : float
        Largest step across the metal and beside it [m].
    margin_m : float
        Cells of that size beyond the ends of the metal [m].
    growth : float
        Largest ratio of neighbouring steps beyond.

    Raises
    ------
    InputError
        When the metal leaves the phantom's grid, or cells are larger than the voxels.
    """
    low, high = (pick(float(i.bounds_m[n][axis]) for i in implants) for n, pick in ((0, min), (1, max)))
    start, stop, h = float(voxels_m[0]), float(voxels_m[-1]), float(voxels_m[1] - voxels_m[0])
    if cell_m > h * (1 + 1e-9):
        raise InputError(
            "cells at the metal larger than the body's", field="metal_cell_m", found=cell_m, expected=f"at most {h:g} m"
        )
    if low < start or high > stop:
        raise InputError(
            "implant outside the body's grid",
            field="implants",
            found=f"{'xyz'[axis]} {1e3 * low:.4g} to {1e3 * high:.4g} mm",
            expected=f"within {1e3 * start:.4g} to {1e3 * stop:.4g} mm",
        )
    across = max(1, math.ceil((high - low) / cell_m - 1e-6))
    d = (high - low) / across if high - low > THIN * cell_m else cell_m
    first = 0.5 * (low + high) - 0.5 * across * d
    beyond = math.ceil(margin_m / d - 1e-6)
    before, after = (
        max(0, min(beyond, math.floor(room / d + 1e-6))) for room in (first - start, stop - first - across * d)
    )
    equal = first + d * np.arange(-before, across + after + 1)
    below = _outwards(-equal[0], -start, -voxels_m[::-1], d, h, growth)
    above = _outwards(equal[-1], stop, voxels_m, d, h, growth)
    # A rest that is no step of its own stretches the last of the equal cells.
    left, right = len(below) == 0, len(above) == 0
    if left:
        equal[0] = start
    if right:
        equal[-1] = stop
    nodes = np.concatenate([-below[::-1], equal, above])
    ends = len(below) + (1 if left and equal[1] - start > d * (1 + 1e-6) else 0), len(below) + len(equal) - 1
    return MetalPlanes(nodes, (ends[0], ends[1] - (1 if right and stop - equal[-2] > d * (1 + 1e-6) else 0)))


def _outwards(begin: float, end: float, voxels: np.ndarray, d: float, h: float, growth: float) -> np.ndarray:
    """Planes past the equal cells up to the end: growing steps to a plane of the voxels, and those from there on."""
    if end - begin < SLIVER * d:
        return np.zeros(0)
    bounds = Bounds(h, growth, 0.0)
    for n in np.flatnonzero(voxels > begin + SLIVER * d):
        last = n == len(voxels) - 1
        steps = steps_between(float(voxels[n] - begin), d, None if last else h, (1.0, 1.0), bounds)
        if steps is not None:
            grown = begin + np.cumsum(steps)
            grown[-1] = voxels[n]
            return np.concatenate([grown, voxels[n + 1 :]])
    count = max(1, round((end - begin) / d))
    return np.linspace(begin, end, count + 1)[1:]
