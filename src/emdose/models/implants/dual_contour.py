"""The surface of a signed distance function as closed triangles, by dual contouring.

Every sheet of surface in a cell of a cubic lattice gets one corner of the mesh: the point that fits the tangent planes
where the sheet cuts the cell's edges, so that edges and corners of the shape stay sharp. Every cut edge of the lattice
gets two triangles between the corners in its four cells, which makes the surface closed by construction. At the end the
corners move by the mean distance of their triangles from the surface, so that volumes are right to a higher order.

Sources: T. Ju, F. Losasso, S. Schaefer, J. Warren, "Dual contouring of Hermite data", ACM Trans. Graph. 21 (2002) 339;
G. M. Nielson, "Dual marching cubes", IEEE Visualization 2004 (one corner per sheet).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from emdose.errors import InputError
from emdose.models.implants.surface_repair import crossing_triangles

Distance = Callable[[np.ndarray], np.ndarray]
LATTICES = (0.37, 0.61, 0.13, 0.83)
"""Positions of the lattice tried in turn, in cells: flat faces of a shape should not lie in its planes."""
SOFTNESS = 0.02
"""Weight of the mean of the cut edges against the tangent planes; holds the corner where the surface is flat."""
MARGIN = 0.02
"""Distance that corners keep from the faces of their cells, in cells: no two fall together."""
UNTANGLING = 5
MOST_NODES = 1 << 28
BLOCK = 1 << 20


def triangulate(
    distance: Distance, low_m: np.ndarray, high_m: np.ndarray, step_m: float
) -> tuple[np.ndarray, np.ndarray]:
    """Closed surface around where a function is negative.

    Parameters
    ----------
    distance : callable
        Signed distance of points (n, 3) [m], negative inside; near the surface its slope should be about one.
    low_m, high_m : (3,) float ndarray
        Corners of a box that holds the shape [m].
    step_m : float
        Edge length of the lattice, about that of the triangles [m].

    Returns
    -------
    vertices : (v, 3) float64 ndarray
    triangles : (t, 3) int32 ndarray
        Anticlockwise seen from outside; every edge belongs to two triangles.

    Raises
    ------
    InputError
        When the function is negative nowhere or on the wall of the box, or the shape is thinner than the step.
    """
    low, high = np.asarray(low_m, float), np.asarray(high_m, float)
    shape = np.ceil((high - low) / step_m).astype(np.int64) + 5
    if shape.prod() > MOST_NODES:
        raise InputError(
            "too many lattice points for this surface", field="step_m", found=step_m, expected="a larger step"
        )
    for shift in LATTICES:
        origin = low - (1.5 + shift) * step_m
        vertices, triangles = _contour(distance, origin, step_m, tuple(shape.tolist()))
        if _is_manifold(triangles):
            vertices, sound = _untangled(vertices, triangles)
            if sound:
                return vertices, triangles
    raise InputError(
        "shape thinner than the step of its surface", field="step_m", found=step_m, expected="a smaller step"
    )


def _contour(
    distance: Distance, origin: np.ndarray, h: float, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    size = int(np.prod(shape))
    values = np.concatenate(
        [
            distance(origin + h * np.stack(np.unravel_index(np.arange(at, min(at + BLOCK, size)), shape), 1))
            for at in range(0, size, BLOCK)
        ]
    ).reshape(shape)
    inside = values < 0
    if not inside.any():
        raise InputError(
            "empty shape: nothing is inside at this step",
            field="step_m",
            found=h,
            expected="a smaller step or a larger shape",
        )
    core = inside.copy()
    core[1:-1, 1:-1, 1:-1] = False
    if core.any():
        raise InputError("shape leaves its box", field="low_m, high_m", expected="a box that holds it")
    cells = tuple(n - 1 for n in shape)
    sign = np.zeros(cells, np.uint8)  # which corners of a cell are inside, corner x + 2 y + 4 z
    for corner in range(8):
        at = tuple(slice(corner >> d & 1, (corner >> d & 1) + cells[d]) for d in range(3))
        sign |= inside[at].astype(np.uint8) << corner
    keys, points, normals, quads = [], [], [], []
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        first, second = ([slice(None)] * 3 for _ in range(2))
        first[axis], second[axis] = slice(None, -1), slice(1, None)
        near, far = values[tuple(first)], values[tuple(second)]
        node = np.stack(np.nonzero((near < 0) != (far < 0)))
        ends = near[tuple(node)], far[tuple(node)]
        point, normal = _crossing(distance, origin + h * node.T, axis, h, *ends)
        around = []
        for db, dc in ((1, 1), (0, 1), (0, 0), (1, 0)):  # anticlockwise about +axis
            cell = node.copy()
            cell[b] -= db
            cell[c] -= dc
            sheet = _sheets()[sign[tuple(cell)], 4 * axis + db + 2 * dc]
            around.append(4 * np.ravel_multi_index(tuple(cell), cells) + sheet)
        quads.append(np.where((ends[0] < 0)[:, None], np.stack(around, 1), np.stack(around[::-1], 1)))
        keys.extend(around)
        points.extend([point] * 4)
        normals.extend([normal] * 4)
    used, index = np.unique(np.concatenate(keys), return_inverse=True)
    point, normal = np.concatenate(points), np.concatenate(normals)
    n = np.bincount(index).astype(float)
    middle = _sums(index, point) / n[:, None]
    A = _sums(index, (normal[:, :, None] * normal[:, None]).reshape(-1, 9)).reshape(-1, 3, 3)
    gap = _sums(index, normal * ((point - middle[index]) * normal).sum(1, keepdims=True))
    corner = origin + h * np.stack(np.unravel_index(used // 4, cells), 1)
    bounds = corner + MARGIN * h, corner + (1 - MARGIN) * h
    v = middle + np.linalg.solve(A + SOFTNESS * n[:, None, None] * np.eye(3), gap[..., None])[..., 0]
    v = np.clip(v, *bounds)
    v = np.clip(v - _limited(distance(v)[:, None] * _towards(distance, v, h), 0.25 * h), *bounds)
    quad = np.searchsorted(used, np.concatenate(quads))
    triangles = _split(distance, v, quad)
    return _balanced(distance, v, triangles, h), triangles


def _sums(index: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([np.bincount(index, column) for column in values.T], 1)


def _limited(move: np.ndarray, most: float) -> np.ndarray:
    return move * np.minimum(1.0, most / np.maximum(np.linalg.norm(move, axis=1, keepdims=True), 1e-300))


def _towards(distance: Distance, x: np.ndarray, h: float) -> np.ndarray:
    """Gradient over its square: times the value, the step to the surface."""
    slope = _gradient(distance, x, 1e-3 * h)
    return slope / np.maximum((slope * slope).sum(1, keepdims=True), 0.25)


def _balanced(distance: Distance, v: np.ndarray, triangles: np.ndarray, h: float) -> np.ndarray:
    """Corners moved so that triangles lie as much outside of the surface as inside."""
    c = v[triangles]
    area = np.linalg.norm(np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]), axis=1)
    off = sum(distance(0.5 * (c[:, n] + c[:, (n + 1) % 3])) for n in range(3)) / 3
    flat = triangles.ravel()
    weight = np.bincount(flat, np.repeat(area, 3), len(v))
    mean = np.bincount(flat, np.repeat(area * off, 3), len(v)) / np.where(weight > 0, weight, 1.0)
    return v - _limited(mean[:, None] * _towards(distance, v, h), 0.1 * h)


def _untangled(v: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, bool]:
    """Corners without crossing triangles, and whether that worked: beside sharp edges some are moved between others."""
    edges = np.concatenate([triangles[:, [n, (n + 1) % 3]] for n in range(3)])
    count = np.bincount(edges[:, 0], minlength=len(v))[:, None]
    for _ in range(UNTANGLING):
        tangled = np.unique(triangles[crossing_triangles(v, triangles).ravel()])
        if not len(tangled):
            return v, True
        v = v.copy()
        v[tangled] = (0.5 * v + 0.5 * _sums(edges[:, 0], v[edges[:, 1]]) / count)[tangled]
    return v, not len(crossing_triangles(v, triangles))


@cache
def _sheets() -> np.ndarray:
    """Sheet (0 to 3) that each of the 12 edges of a cell belongs to, for every combination of inside corners.

    Edge 4 axis + db + 2 dc lies along ``axis`` at the offsets db and dc of the two axes that follow. On a face with
    four cut edges the inside corners are taken as apart; both cells of the face see the same.
    """
    ends = []
    for axis in range(3):
        for dc in range(2):
            for db in range(2):
                low = (db << (axis + 1) % 3) | (dc << (axis + 2) % 3)
                ends.append((low, low | 1 << axis))
    table = np.zeros((256, 12), np.int64)
    for sign in range(256):
        cut = [e for e, (p, q) in enumerate(ends) if (sign >> p & 1) != (sign >> q & 1)]
        group = {e: e for e in cut}
        for axis in range(3):
            for side in range(2):
                face = [e for e in cut if all((p >> axis & 1) == side for p in ends[e])]
                for e in face:
                    for f in face:
                        shared = set(ends[e]) & set(ends[f])
                        if len(face) == 2 or any(sign >> p & 1 for p in shared):
                            old, new = group[f], group[e]
                            group = {k: new if g == old else g for k, g in group.items()}
        for e in cut:
            table[sign, e] = sorted(set(group.values())).index(group[e])
    return table


def _crossing(
    distance: Distance, start: np.ndarray, axis: int, h: float, near: np.ndarray, far: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where edges of the lattice cut the surface, and the normals there; by false position (Illinois variant)."""
    a, b = np.zeros(len(start)), np.ones(len(start))
    fa, fb = near.copy(), far.copy()
    x = np.empty((len(start), 3))
    for _ in range(8):
        s = np.clip((a * fb - b * fa) / (fb - fa), a, b)
        x[:] = start
        x[:, axis] += h * s
        f = distance(x)
        left = (f < 0) == (fb < 0)  # the root lies between a and s
        fa = np.where(left, 0.5 * fa, fb)
        a = np.where(left, a, b)
        b, fb = s, f
    normal = _gradient(distance, x, 1e-3 * h)
    return x, normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)


def _gradient(distance: Distance, x: np.ndarray, step: float) -> np.ndarray:
    out = np.empty_like(x)
    for d in range(3):
        shift = np.zeros(3)
        shift[d] = step
        out[:, d] = (distance(x + shift) - distance(x - shift)) / (2 * step)
    return out


def _split(distance: Distance, v: np.ndarray, quads: np.ndarray) -> np.ndarray:
    """Two triangles of each quad, along the diagonal that stays closer to the surface, or else the shorter one."""
    off, length = np.empty((2, 2, len(quads)))
    for n in range(2):
        p, q = v[quads[:, n]], v[quads[:, n + 2]]
        off[n], length[n] = np.abs(distance(0.5 * (p + q))), np.linalg.norm(p - q, axis=1)
    other = off[1] + 0.02 * length[1] < off[0] + 0.02 * length[0]
    a, b, c, d = np.where(other[:, None], np.roll(quads, -1, axis=1), quads).T
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def _is_manifold(triangles: np.ndarray) -> bool:
    """Whether every directed edge occurs once and its reverse too."""
    t = triangles.astype(np.int64)
    n = int(t.max()) + 1
    first = np.concatenate([t[:, 0], t[:, 1], t[:, 2]])
    second = np.concatenate([t[:, 1], t[:, 2], t[:, 0]])
    keys = np.sort(first * n + second)
    return bool(np.all(keys[1:] != keys[:-1]) and np.array_equal(keys, np.sort(second * n + first)))
