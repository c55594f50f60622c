"""Materials on the edges of the Yee grid from materials of the voxels."""

from __future__ import annotations

from typing import Any

import numpy as np


def edge_mean(value: Any, background: complex, xp: Any = np) -> Any:
    """Mean over the four voxels that share an edge, as in an FDTD on the same grid.

    Parameters
    ----------
    value : (nx, ny, nz) array
        Property per voxel.
    background : complex
        Its value outside the grid.
    xp : module
        numpy or cupy.

    Returns
    -------
    (3, nx + 1, ny + 1, nz + 1) array
        Mean per edge; entries past the last edge hold the background.

    Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 3 (edge averages).
    """
    out = xp.full((3, *(n + 1 for n in value.shape)), background, dtype=xp.result_type(value, type(background)))
    for c in range(3):
        mean = xp.pad(value, [(0, 0) if a == c else (1, 1) for a in range(3)], constant_values=background)
        for a in range(3):
            if a != c:
                low = tuple(slice(0, -1) if b == a else slice(None) for b in range(3))
                high = tuple(slice(1, None) if b == a else slice(None) for b in range(3))
                mean = 0.5 * (mean[low] + mean[high])
        out[(c, *(slice(0, n) for n in mean.shape))] = mean
    return out


def metal_edges(metal: np.ndarray) -> np.ndarray:
    """Edges that lie in metal or on its surface.

    Parameters
    ----------
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.

    Returns
    -------
    (3, nx + 1, ny + 1, nz + 1) bool ndarray
        True for an edge that one at least of its four voxels makes metal.
    """
    out = np.zeros((3, *(n + 1 for n in metal.shape)), bool)
    for c in range(3):
        any_: np.ndarray = np.pad(metal, [(0, 0) if a == c else (1, 1) for a in range(3)])
        for a in range(3):
            if a != c:
                low = tuple(slice(0, -1) if b == a else slice(None) for b in range(3))
                high = tuple(slice(1, None) if b == a else slice(None) for b in range(3))
                any_ = any_[low] | any_[high]
        i, j, k = any_.shape
        out[c, :i, :j, :k] = any_
    return out


def bounding_box(mask: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Lowest voxel (included) and highest (excluded) of the True voxels of a mask, or an empty box at zero."""
    low, high = [], []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low.append(int(there[0]) if len(there) else 0)
        high.append(int(there[-1]) + 1 if len(there) else 0)
    return tuple(low), tuple(high)  # type: ignore[return-value]
