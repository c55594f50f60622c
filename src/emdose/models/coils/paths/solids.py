"""A solid conductor bounded by a closed surface of triangles: which points lie in it."""

from __future__ import annotations

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
        shape = np.broadcast_shapes(np.shape(x), np.shape(y), np.shape(z))
        at = np.stack([np.broadcast_to(c, shape).ravel() for c in (x, y, z)])
        found = np.zeros(at.shape[1], bool)
        near = np.all(np.abs(at.T - 0.5 * (low + high)) <= 0.5 * (high - low) + ON * size, axis=1)
        for nudge in NUDGES:
            left = np.flatnonzero(near & ~found)
            found[left] = _odd(at[:, left], corners, size, size * np.array(nudge))
        return found.reshape(shape)

    box = tuple(map(float, low)), tuple(map(float, high))
    shown = edges[sharp] if sharp.any() else edges[:: max(1, len(edges) // MOST_LINES)]
    return SolidConductor(inside, *box, outline_m=points[shown])  # type: ignore[arg-type]


def _odd(at: np.ndarray, corners: np.ndarray, size: float, nudge: np.ndarray) -> np.ndarray:
    """Whether points (3, n) lie between an odd and the next even crossing of a line along z, ends included."""
    lines, which = np.unique(at[:2].T, axis=0, return_inverse=True)
    which = which.reshape(-1)
    moved = lines + nudge
    # Pairs of a triangle and the lines whose first coordinate is in its range; lines are sorted by it.
    flat = corners[..., :2]
    start = np.searchsorted(moved[:, 0], flat[..., 0].min(1))
    reach = np.maximum(np.searchsorted(moved[:, 0], flat[..., 0].max(1)) - start, 0)
    triangle = np.repeat(np.arange(len(corners)), reach)
    line = np.arange(len(triangle)) - np.repeat(np.cumsum(reach) - reach, reach) + np.repeat(start, reach)
    low, high = flat[..., 1].min(1), flat[..., 1].max(1)
    kept = (moved[line, 1] >= low[triangle]) & (moved[line, 1] <= high[triangle])
    triangle, line = triangle[kept], line[kept]
    a, u, v = flat[triangle, 0], flat[triangle, 1] - flat[triangle, 0], flat[triangle, 2] - flat[triangle, 0]
    w = moved[line] - a
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        s = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / area
        t = (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / area
        hit = (s >= 0) & (t >= 0) & (s + t <= 1)
    triangle, line, s, t = triangle[hit], line[hit], s[hit], t[hit]
    along = corners[triangle, :, 2]
    height = along[:, 0] + s * (along[:, 1] - along[:, 0]) + t * (along[:, 2] - along[:, 0])
    order = np.lexsort((height, line))
    line, height = line[order], height[order]
    first, last = np.searchsorted(line, np.arange(len(lines))), np.searchsorted(line, np.arange(len(lines)), "right")
    out = np.zeros(at.shape[1], bool)
    for n in range(0, int((last - first).max(initial=0)) - 1, 2):  # pairs of entry and exit
        both = first + n + 1 < last
        enter = np.where(both, height[np.minimum(first + n, len(height) - 1)], np.inf)
        leave = np.where(both, height[np.minimum(first + n + 1, len(height) - 1)], -np.inf)
        out |= (at[2] >= enter[which] - ON * size) & (at[2] <= leave[which] + ON * size)
    return out


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
