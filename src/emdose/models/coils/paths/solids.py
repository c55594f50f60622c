"""A solid conductor bounded by a closed surface of triangles: which points lie in it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from emdose.checks import array
from emdose.errors import InputError
from emdose.models.coils.conductors import SolidConductor

NUDGES = ((3.1e-7, 5.7e-7), (-3.3e-7, 5.9e-7), (3.7e-7, -5.3e-7), (-2.9e-7, -6.1e-7))
"""Lines pass beside corners and edges of triangles by these shares of the size of the surface. A point is inside when
one of them says so: walls along the lines belong to the solid as well."""
ON = 1e-6
"""Points this close to the surface belong to the solid, as a share of its size: nodes of a lattice on its faces."""
SHARP = 20.0
"""Angle between triangles from which their common edge is drawn [degrees]."""
SLACK = 1e-9
"""What rounding may move a line, as a share of the width of the lines."""
AT_ONCE = 1_000_000
"""Pairs of triangles and lines that are looked at together."""
MOST_LINES = 1000
"""Lines that are drawn of a surface without such edges, about."""


def solid_of_surface(vertices_m: np.ndarray, triangles: np.ndarray) -> SolidConductor:
    """Solid metal within a closed surface.

    A point is inside when a line along z through it has crossed the surface an odd number of times.

    Parameters
    ----------
    vertices_m : (v, 3) float ndarray
        Corners [m].
    triangles : (t, 3) int ndarray
        Corners of every triangle, of a surface without holes.

    Raises
    ------
    InputError
        When the surface is open.
    """
    points = array("vertices_m", vertices_m, (None, 3), problem="bad surface")
    index = np.asarray(triangles, np.int64)
    edges, count, sharp = _edges(points, index)
    if np.any(count % 2):
        raise InputError(
            "the surface is open",
            field="triangles",
            found=f"{int((count % 2).sum())} edges with a triangle on one side alone",
            expected="a closed surface around the metal; a thin sheet is a Plate or a Strip",
        )
    low, high = points.min(0), points.max(0)
    size = float((high - low).max())
    corners = points[index]

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        x, y, z = (np.asarray(c, float) for c in (x, y, z))
        shape = np.broadcast_shapes(x.shape, y.shape, z.shape)
        if len(shape) == 3 and x.shape[2:] == y.shape[2:] == (1,) and z.shape[:2] == (1, 1):  # axes of a lattice
            lines = np.stack([np.broadcast_to(c, (*shape[:2], 1)).ravel() for c in (x, y)], axis=1)
            return _within(lines, np.arange(len(lines))[:, None], z.ravel()[None], corners, size).reshape(shape)
        at = np.stack([np.broadcast_to(c, shape).ravel() for c in (x, y, z)], axis=1)
        found = np.zeros(len(at), bool)
        near = np.all(np.abs(at - 0.5 * (low + high)) <= 0.5 * (high - low) + ON * size, axis=1)
        lines, which = np.unique(at[near, :2], axis=0, return_inverse=True)
        found[near] = _within(lines, which.reshape(-1), at[near, 2], corners, size)
        return found.reshape(shape)

    box = tuple(map(float, low)), tuple(map(float, high))
    shown = edges[sharp] if sharp.any() else edges[:: max(1, len(edges) // MOST_LINES)]
    return SolidConductor(inside, *box, points[shown], (points, index))  # type: ignore[arg-type]


def _within(lines: np.ndarray, which: np.ndarray, z: np.ndarray, corners: np.ndarray, size: float) -> np.ndarray:
    """Whether heights z on lines (m, 2) along z, each on the line ``which``, lie in the solid, its surface included."""
    out = np.zeros(np.broadcast_shapes(which.shape, z.shape), bool)
    for nudge in NUDGES if len(lines) else ():
        line, height = _crossings(lines + size * np.array(nudge), corners)
        numbers = np.arange(len(lines))
        first, last = np.searchsorted(line, numbers), np.searchsorted(line, numbers, "right")
        for n in range(0, int((last - first).max(initial=0)) - 1, 2):  # pairs of entry and exit
            both = first + n + 1 < last
            enter = np.where(both, height[np.minimum(first + n, len(height) - 1)], np.inf)
            leave = np.where(both, height[np.minimum(first + n + 1, len(height) - 1)], -np.inf)
            out |= (z >= enter[which] - ON * size) & (z <= leave[which] + ON * size)
    return out


def _crossings(lines: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Line and height of every crossing of lines (m, 2) along z with triangles (t, 3, 3), by line and height."""
    flat = corners[..., :2]
    low, high = flat.min(axis=1), flat.max(axis=1)
    # Lines by columns of one x, and by y in each: the key of a line is its column and, below one half, its y.
    columns, column = np.unique(lines[:, 0], return_inverse=True)
    base, reach = float(lines[:, 1].min()), 2.1 * max(float(np.ptp(lines[:, 1])), 1e-12)
    key = column.reshape(-1) + (lines[:, 1] - base) / reach
    by_key = np.argsort(key, kind="stable")
    sorted_key = key[by_key]
    triangle, at = _ranges(np.searchsorted(columns, low[:, 0]), np.searchsorted(columns, high[:, 0], "right"))
    y0, y1 = (np.clip((c[triangle, 1] - base) / reach, -0.01, 0.49) for c in (low, high))
    first = np.searchsorted(sorted_key, at + y0 - SLACK)
    last = np.searchsorted(sorted_key, at + y1 + SLACK)
    found: list[tuple[np.ndarray, np.ndarray]] = []
    ends = np.cumsum(last - first)
    cuts = np.unique(np.searchsorted(ends, np.arange(0, int(ends[-1]) if len(ends) else 0, AT_ONCE)))
    for start, end in pairwise([0, *cuts[(cuts > 0) & (cuts < len(ends))].tolist(), len(ends)]):
        pair, place = _ranges(first[start:end], last[start:end])
        own, line = triangle[start:end][pair], by_key[place]
        a = flat[own, 0]
        u, v, w = flat[own, 1] - a, flat[own, 2] - a, lines[line] - a
        area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
            t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
            hit = (s >= 0) & (t >= 0) & (s + t <= 1)
        along = corners[own[hit], :, 2]
        s, t = s[hit], t[hit]
        found.append((line[hit], along[:, 0] + s * (along[:, 1] - along[:, 0]) + t * (along[:, 2] - along[:, 0])))
    line, height = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((height, line))
    return line[order], height[order]


def _ranges(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the range and whole number of every entry of the ranges from ``first`` up to ``last`` (n,)."""
    count = np.maximum(last - first, 0)
    which = np.repeat(np.arange(len(count)), count)
    return which, np.arange(len(which)) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)


def _edges(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges (e, 2), how many triangles have each, and whether it is sharp or open."""
    pairs = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, which, count = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    a, b, c = (points[triangles[:, n]] for n in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=1), 1e-300)[:, None]
    each = np.repeat(normal, 3, axis=0)
    total = np.zeros((len(edges), 3))
    np.add.at(total, which.reshape(-1), each)
    # The sum of two unit normals has the length 2 cos(half their angle).
    sharp = (count != 2) | (np.linalg.norm(total, axis=1) < 2 * np.cos(np.radians(0.5 * SHARP)))
    return edges, count, sharp
