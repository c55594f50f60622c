"""NumPy reference of triangles.cuh."""

from __future__ import annotations

import numpy as np

CORNERS = 9
BLOCK = 1 << 16  # polygons at a time; bounds the memory of their corners


def column_spans(
    shape: tuple[int], corners: np.ndarray, triangle: np.ndarray, column: np.ndarray, low: np.ndarray, high: np.ndarray
) -> None:
    """Voxels [low, high) that the part of each triangle in its column (i, j) passes."""
    for at in _blocks(shape[0]):
        p, n = _cut_to_column(corners.reshape(-1, 3, 3)[triangle[at]], column.reshape(-1, 2)[at])
        used = np.arange(CORNERS) < n[:, None]
        z = p[..., 2]
        least, most = np.where(used, z, np.inf).min(1), np.where(used, z, -np.inf).max(1)
        some = n >= 3
        first = np.floor(np.where(some, least, 0.0)).astype(int)
        last = np.maximum(np.ceil(np.where(some, most, 0.0)).astype(int), first + 1)
        low[at], high[at] = np.where(some, first, 0), np.where(some, last, 0)


def voxel_pieces(
    shape: tuple[int], corners: np.ndarray, triangle: np.ndarray, voxel: np.ndarray, out: np.ndarray
) -> None:
    """Area vector and moment of the part of each triangle in its voxel (i, j, k)."""
    for at in _blocks(shape[0]):
        v = voxel.reshape(-1, 3)[at]
        p, n = _cut_to_column(corners.reshape(-1, 3, 3)[triangle[at]], v[:, :2])
        for s in range(2):
            p, n = _cut(p, n, 2, v[:, 2] + s, 1.0 if s else -1.0)
        area, moment = np.zeros((len(v), 3)), np.zeros(len(v))
        for c in range(2, CORNERS):
            a = 0.5 * np.cross(p[:, c - 1] - p[:, 0], p[:, c] - p[:, 0]) * (c < n)[:, None]
            area += a
            moment += a[:, 2] * (v[:, 2] + 1 - (p[:, 0, 2] + p[:, c - 1, 2] + p[:, c, 2]) / 3.0)
        rows = out.reshape(-1, 4)
        rows[at, :3], rows[at, 3] = area, moment


def first_hits(
    shape: tuple[int],
    origin: np.ndarray,
    direction: np.ndarray,
    triangles: int,
    corners: np.ndarray,
    least: float,
    distance: np.ndarray,
    which: np.ndarray,
) -> None:
    """The first triangle along each ray beyond ``least`` and the distance to it."""
    t = corners.reshape(-1, 3, 3)[:triangles]
    u, v = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    o, d = origin.reshape(-1, 3), direction.reshape(-1, 3)
    block = max(1, BLOCK // max(triangles, 1))
    for begin in range(0, shape[0], block):
        at = slice(begin, begin + block)
        ray = d[at, None]
        p = np.cross(ray, v)
        s = o[at, None] - t[:, 0]
        q = np.cross(s, u)
        det = (u * p).sum(-1)
        inverse = np.where(det != 0, 1.0 / np.where(det != 0, det, 1.0), 0.0)
        b1, b2, along = inverse * (s * p).sum(-1), inverse * (ray * q).sum(-1), inverse * (v * q).sum(-1)
        hit = (det != 0) & (b1 >= 0) & (b2 >= 0) & (b1 + b2 <= 1) & (along > least)
        along = np.where(hit, along, 1e300)
        which[at] = np.where(hit.any(1), along.argmin(1), -1)
        distance[at] = along.min(1)


def crossing_pairs(
    shape: tuple[int], corners: np.ndarray, pair: np.ndarray, least: float, crossing: np.ndarray
) -> None:
    """Whether an edge of one triangle of each pair passes through the inside of the other."""
    for at in _blocks(shape[0]):
        a, b = (corners.reshape(-1, 3, 3)[pair.reshape(-1, 2)[at, n]] for n in range(2))
        found = np.zeros(len(a), bool)
        for e in range(3):
            f = (e + 1) % 3
            found |= _pierces(a[:, e], a[:, f], b, least) | _pierces(b[:, e], b[:, f], a, least)
        crossing[at] = found


def _pierces(p: np.ndarray, q: np.ndarray, t: np.ndarray, least: float) -> np.ndarray:
    below, above = (_six_volumes(t[:, 0], t[:, 1], t[:, 2], x) for x in (p, q))
    apart = ((below > least) & (above < -least)) | ((below < -least) & (above > least))
    turns = np.stack([_six_volumes(p, q, t[:, c], t[:, (c + 1) % 3]) for c in range(3)])
    return apart & ((turns > least).all(0) | (turns < -least).all(0))


def _six_volumes(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ni->n", b - a, np.cross(c - a, d - a))


def _blocks(n: int) -> list[slice]:
    return [slice(low, min(low + BLOCK, n)) for low in range(0, n, BLOCK)]


def _cut_to_column(triangles: np.ndarray, column: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p = np.zeros((len(triangles), CORNERS, 3))
    p[:, :3] = triangles
    n = np.full(len(p), 3)
    for s in range(4):
        p, n = _cut(p, n, s // 2, column[:, s // 2] + s % 2, 1.0 if s % 2 else -1.0)
    return p, n


def _cut(p: np.ndarray, n: np.ndarray, axis: int, at: np.ndarray, side: float) -> tuple[np.ndarray, np.ndarray]:
    """The parts of polygons where side (x - at) <= 0 along one axis, and their numbers of corners."""
    q, m = np.zeros_like(p), np.zeros_like(n)
    rows = np.arange(len(p))
    for c in range(CORNERS):
        a, b = p[:, c], p[rows, np.where(c + 1 < n, c + 1, 0)]
        u, v = side * (a[:, axis] - at), side * (b[:, axis] - at)
        r = np.flatnonzero((c < n) & (u <= 0) & (m < CORNERS))
        q[r, m[r]] = a[r]
        m[r] += 1
        r = np.flatnonzero((c < n) & (u * v < 0) & (m < CORNERS))
        w = (u[r] / (u[r] - v[r]))[:, None]
        x = a[r] + w * (b[r] - a[r])
        x[:, axis] = at[r]
        q[r, m[r]] = x
        m[r] += 1
    return q, m
