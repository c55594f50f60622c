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


def edge_majority(value: Any, background: complex, xp: Any = np) -> Any:
    """Property of at least three of the four voxels that share an edge, else the mean of the four.

    At convex corners of a staircase the mean leaves an edge with a quarter of tissue; in a body of permittivity 50 to
    100 that quarter conducts nearly as well as tissue, and the body acts as if it were larger. Parameters and shapes
    as in :func:`edge_mean`; docs/theory/vie.md has the numbers.
    """
    out = edge_mean(value, background, xp)
    for c in range(3):
        padded = xp.pad(value, [(0, 0) if a == c else (1, 1) for a in range(3)], constant_values=background)
        four = [padded[cut] for cut in _corners(c)]
        inside = (c, *(slice(0, n) for n in four[0].shape))
        chosen = out[inside]
        for odd in range(4):
            a, b, d = (four[i] for i in range(4) if i != odd)
            chosen = xp.where((a == b) & (a == d), a, chosen)
        out[inside] = chosen
    return out


def fill_corners(E: Any, body: Any, tissue: Any, xp: Any = np) -> None:
    """Give the edges that touch the body but hold no tissue the field inside the body, in place.

    With :func:`edge_majority` such edges stand outside the body at its corners, where E is larger by the permittivity;
    a voxel's SAR must not see it. They take the mean of the parallel edges with tissue of the body voxels beside them.

    Parameters
    ----------
    E : (3, nx + 1, ny + 1, nz + 1) complex array
        Field on the edges.
    body : (nx, ny, nz) bool array
        Voxels of tissue.
    tissue : (3, nx + 1, ny + 1, nz + 1) bool array
        Edges of tissue.
    """
    for c in range(3):
        inside = (slice(None),) * c + (slice(0, -1),)
        field, holds = E[c][inside], tissue[c][inside]
        total, count = xp.zeros(body.shape, E.dtype), xp.zeros(body.shape, E.real.dtype)
        for cut in _corners(c):
            total += xp.where(holds[cut], field[cut], 0)
            count += holds[cut]
        there = body & (count > 0)
        mean = xp.where(there, total / xp.maximum(count, 1), 0)
        total, count = xp.zeros_like(field), xp.zeros(field.shape, E.real.dtype)
        for cut in _corners(c):
            total[cut] += mean
            count[cut] += there
        lacking = ~holds & (count > 0)
        E[c][inside] = xp.where(lacking, total / xp.maximum(count, 1), field)


def _corners(c: int) -> list[tuple[slice, ...]]:
    """The four positions of edges along c around a voxel, as slices of an edge array that give voxel shape."""
    a, b = (axis for axis in range(3) if axis != c)
    cuts = []
    for i in (0, 1):
        for j in (0, 1):
            cut = [slice(None)] * 3
            cut[a] = slice(1, None) if i else slice(0, -1)
            cut[b] = slice(1, None) if j else slice(0, -1)
            cuts.append(tuple(cut))
    return cuts


def bounding_box(mask: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Lowest voxel (included) and highest (excluded) of the True voxels of a mask, or an empty box at zero."""
    low, high = [], []
    for axis in range(3):
        there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low.append(int(there[0]) if len(there) else 0)
        high.append(int(there[-1]) + 1 if len(there) else 0)
    return tuple(low), tuple(high)  # type: ignore[return-value]
