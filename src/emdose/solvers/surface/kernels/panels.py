"""NumPy reference of panels.cuh."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BLOCK = 512
MOMENT = 2 / 3
JOINT = 128
"""Points that meet all those before them together."""


Sum = Callable[..., None]


def _summing(densities: int, field: bool) -> Sum:
    """Potential or field of point charges, of some densities at once."""

    def kernel(
        shape: tuple[int],
        n: int,
        m: int,
        parts: int,
        targets: np.ndarray,
        sources: np.ndarray,
        q: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Potential or field of point charges."""
        _sum(n, m, parts, targets, sources, q, out, densities, field)

    return kernel


def _across(densities: int) -> Sum:
    """Normal field of point charges, of some densities at once."""

    def kernel(
        shape: tuple[int],
        n: int,
        m: int,
        parts: int,
        targets: np.ndarray,
        sources: np.ndarray,
        q: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Normal field of point charges."""
        _normal(n, m, parts, targets, sources, q, out, densities)

    return kernel


def _at_each_other(densities: int) -> Sum:
    """The same of points at each other, every pair once."""

    def kernel(
        shape: tuple[int],
        n: int,
        parts: int,
        targets: np.ndarray,
        sources: np.ndarray,
        q: np.ndarray,
        across: np.ndarray,
        out: np.ndarray,
    ) -> None:
        """Normal field of point charges at each other."""
        _joint(n, parts, targets, sources, q, out, densities)

    return kernel


potential_1, potential_3, potential_9 = (_summing(n, field=False) for n in (1, 3, 9))
field_1, field_3 = (_summing(n, field=True) for n in (1, 3))
normal_1, normal_2, normal_4, normal_8 = (_across(n) for n in (1, 2, 4, 8))
joint_1, joint_2, joint_4, joint_8 = (_at_each_other(n) for n in (1, 2, 4, 8))


def near(
    shape: tuple[int],
    point: np.ndarray,
    triangle: np.ndarray,
    points: np.ndarray,
    triangles: np.ndarray,
    out: np.ndarray,
) -> None:
    """Potential and field of triangles of unit charge density, pair by pair."""
    out = out.reshape(4, -1)
    out[0], field, _ = _panel(points.reshape(-1, 3)[point], triangles.reshape(-1, 3, 3)[triangle])
    out[1:] = field.T


def near_linear(
    shape: tuple[int],
    point: np.ndarray,
    triangle: np.ndarray,
    points: np.ndarray,
    triangles: np.ndarray,
    density: np.ndarray,
    out: np.ndarray,
) -> None:
    """Field of triangles whose density is linear, pair by pair."""
    _, field, linear = _panel(points.reshape(-1, 3)[point], triangles.reshape(-1, 3, 3)[triangle])
    q = density.reshape(-1, 4)[triangle]
    out.reshape(3, -1)[:] = field.T * q[:, 0] + np.einsum("pcb,pb->cp", linear, q[:, 1:])


def _panel(r: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, e = v - r[:, None], np.roll(v, -1, axis=1) - v
    R, length = np.linalg.norm(a, axis=2), np.linalg.norm(e, axis=2)
    n = np.cross(e[:, 0], e[:, 1])
    area2 = np.linalg.norm(n, axis=1)
    n /= area2[:, None]
    height = -(a[:, 0] * n).sum(1)
    u = np.cross(e, n[:, None]) / length[..., None]
    distance = (a * u).sum(2)
    ratio = np.minimum(length / (R + np.roll(R, -1, axis=1)), 1 - 1e-14)
    f = np.log((1 + ratio) / (1 - ratio))
    dots = R.prod(1) + ((a * np.roll(a, -1, axis=1)).sum(2) * np.roll(R, -2, axis=1)).sum(1)
    angle = np.where(np.abs(height) > 1e-9 * np.sqrt(area2), 2 * np.arctan2(height * area2, dots), 0.0)
    potential = (distance * f).sum(1) - height * angle
    edges = (u * f[..., None]).sum(1)
    field = edges + n * angle[:, None]
    foot = -height[:, None] * n - a.mean(axis=1)
    plane = np.eye(3) - n[:, :, None] * n[:, None]
    along = u * (distance * f)[..., None] + e * ((np.roll(R, -1, axis=1) - R) / length)[..., None]
    linear = (
        field[:, :, None] * foot[:, None]
        - (height[:, None] * n)[:, :, None] * edges[:, None]
        - plane * potential[:, None, None]
        + np.einsum("pkc,pkb->pcb", u, along)
    )
    return potential, field, linear


def add_rows(
    shape: tuple[int],
    entries: int,
    D: int,
    K: int,
    start: np.ndarray,
    index: np.ndarray,
    values: np.ndarray,
    q: np.ndarray,
    out: np.ndarray,
) -> None:
    """Add a sparse matrix times densities."""
    (n,) = shape
    values, q, out = values.reshape(K, entries), q.reshape(-1, D), out.reshape(D, K, n)
    row = np.repeat(np.arange(n), np.diff(start))
    for d in range(D):
        for k in range(K):
            out[d, k] += np.bincount(row, values[k].astype(float) * q[index, d], minlength=n)


def _sum(
    n: int,
    m: int,
    parts: int,
    targets: np.ndarray,
    sources: np.ndarray,
    q: np.ndarray,
    out: np.ndarray,
    densities: int,
    field: bool,
) -> None:
    targets, sources = targets.reshape(3, n), sources.reshape(m, 4)
    q, out = q.reshape(m, densities), out.reshape(parts, -1, n)
    share = -(-m // parts)
    for part in range(parts):
        these = slice(part * share, min((part + 1) * share, m))
        s, w = sources[these].astype(float), q[these].astype(float)
        for low in range(0, n, BLOCK):
            x = targets[:, low : low + BLOCK, None] - s[:, :3].T[:, None]
            inverse = 1 / np.sqrt(np.maximum((x * x).sum(0), s[:, 3]))
            if field:
                value = np.einsum("cts,ts,sd->dct", x, inverse**3, w).reshape(3 * densities, -1)
            else:
                value = ((inverse + MOMENT * s[:, 3] * inverse**3) @ w).T
            out[part, :, low : low + BLOCK] = value


def _normal(
    n: int,
    m: int,
    parts: int,
    targets: np.ndarray,
    sources: np.ndarray,
    q: np.ndarray,
    out: np.ndarray,
    densities: int,
) -> None:
    targets = targets.reshape(6, n)
    field = np.empty((parts, densities, 3, n))
    _sum(n, m, parts, targets[:3], sources, q, field, densities, True)
    out.reshape(parts, densities, n)[:] = np.einsum("pdcn,cn->pdn", field, targets[3:])


def _joint(
    n: int, parts: int, targets: np.ndarray, sources: np.ndarray, q: np.ndarray, out: np.ndarray, densities: int
) -> None:
    """What every block of points and those before it do to each other, with the least distance of the later one."""
    targets, sources = targets.reshape(6, n).astype(float), sources.reshape(n, 4).astype(float)
    q, out = q.reshape(n, densities).astype(float), out.reshape(parts, densities, n)
    out[:] = 0
    for first in range(0, n, JOINT):
        own, before = slice(first, min(first + JOINT, n)), slice(0, first)
        part = out[(first // JOINT) % parts]
        for some, both in ((own, False), (before, True)):
            x = targets[:3, some, None] - sources[own, :3].T[:, None]
            x = x / np.maximum((x * x).sum(0), sources[own, 3]) ** 1.5
            part[:, some] += np.einsum("cts,ct,sd->dt", x, targets[3:, some], q[own], optimize=True)
            if both:
                part[:, own] -= np.einsum("cts,cs,td->ds", x, targets[3:, own], q[some], optimize=True)
