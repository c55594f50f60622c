"""Where the lines of a mesh lie along an interval: graded at the edges of metal."""

from __future__ import annotations

import math

import numpy as np


def across_lines(low: float, high: float, cells: int, grading: float) -> np.ndarray:
    """Lines across a strip from ``low`` to ``high`` (cells + 1,) [m]; see MeshOptions.edge_grading."""
    even = np.linspace(-1.0, 1.0, cells + 1)
    x = (1 - grading) * even - grading * np.cos(math.pi * np.arange(cells + 1) / cells)
    lines = 0.5 * (low + high) + 0.5 * (high - low) * x
    lines[[0, -1]] = low, high
    return np.asarray(lines)


def along_lines(
    low: float, high: float, longest: float, first: float, growth: float, ends: tuple[bool, bool]
) -> np.ndarray:
    """Lines along a strip: cells that grow from its fine ends up to the longest one.

    Parameters
    ----------
    low, high : float
        The interval [m].
    longest, first : float
        Longest cell, and cell at a fine end [m].
    growth : float
        Ratio of neighbouring cells.
    ends : (bool, bool)
        Whether the low and the high end are fine.
    """
    length = high - low
    first = min(first, longest)
    cells = 1
    while True:
        n = np.arange(cells, dtype=float)
        steps = np.full(cells, longest)
        if ends[0]:
            steps = np.minimum(steps, first * growth ** np.minimum(n, 60))
        if ends[1]:
            steps = np.minimum(steps, first * growth ** np.minimum(n[::-1], 60))
        if steps.sum() >= length * (1 - 1e-9):
            break
        # Far more cells than are missing are never needed: each is at least the first.
        cells += max(1, int((length - steps.sum()) / longest))
    lines = low + length * np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    lines[-1] = high
    return np.asarray(lines)
