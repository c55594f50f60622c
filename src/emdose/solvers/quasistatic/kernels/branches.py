"""NumPy reference of branches.cuh."""

from __future__ import annotations

from typing import Any

import numpy as np

Shape = tuple[int, ...]


def impress(
    shape: Shape,
    nx: int,
    span: np.ndarray,
    samples: int,
    width: int,
    rows: np.ndarray,
    weights: np.ndarray,
    first: np.ndarray,
    emf: np.ndarray,
) -> None:
    """Integrals of a field up the branches, from splines along the last axis."""
    _, n1, n2 = shape
    rows = rows.reshape(3, nx, n1, samples)
    weights, first = weights.reshape(2, n2, width), first.reshape(2, n2)
    inside = _inside(nx, n1, n2, span)
    out = emf.reshape(3, nx + 2, n1, n2)[:, 1:-1]
    for p in range(3):
        w, low = weights[int(p == 2)], first[int(p == 2)]
        values = sum(w[:, m] * rows[p][..., low + m] for m in range(width))
        out[p][inside] = np.asarray(values)[inside]


def drive(shape: Shape, span: np.ndarray, net: Any, b: np.ndarray, sums: np.ndarray) -> None:
    """What a source drives into every corner, and sums over rows of squares of its currents and of their work."""
    inside = _inside(net.nx, net.n1, net.n2, span)
    flow = _flow(net, _of(net, net.emf, 3))
    b.reshape(net.nx + 2, net.n1, net.n2)[1:-1][inside] = _inflow(flow)[inside]
    work = flow * _of(net, net.emf, 3)
    for n, terms in enumerate((flow**2, work)):
        sums.reshape(-1, 2)[:, n] = _over_rows(net, inside, terms.sum(axis=0)[1:-1])


def judge(shape: Shape, span: np.ndarray, net: Any, phi: np.ndarray, sums: np.ndarray) -> None:
    """Sums over rows of squares of what is left at corners, of power, and of work of the source."""
    inside = _inside(net.nx, net.n1, net.n2, span)
    voltage = _voltage(net, phi)
    flow = _flow(net, voltage)
    terms = (_inflow(flow) ** 2, (flow * voltage).sum(axis=0)[1:-1], (flow * _of(net, net.emf, 3)).sum(axis=0)[1:-1])
    for n, own in enumerate(terms):
        sums.reshape(-1, 3)[:, n] = _over_rows(net, inside, own)


def centres(shape: Shape, net: Any, cells: np.ndarray, parts: np.ndarray, phi: np.ndarray, E: np.ndarray) -> None:
    """E at the centres of voxels: the mean over the four edges along an axis."""
    voltage = _voltage(net, phi)[:, 1:-1]
    place = np.stack(np.unravel_index(cells, (net.nx - 1, net.n1 - 1, net.n2 - 1)))
    out = E.reshape(3, -1)
    for c in range(3):
        others = [a for a in range(3) if a != c]
        total: np.ndarray = np.zeros(len(cells))
        for one in (0, 1):
            for two in (0, 1):
                step = np.zeros((3, 1), int)
                step[c], step[others[0]], step[others[1]] = 1, one, two
                total += voltage[c][tuple(place + step)]
        out[c] = parts[c] * total


def _inside(nx: int, n1: int, n2: int, span: np.ndarray) -> np.ndarray:
    """Which corners (nx, n1, n2) rows reach."""
    ends, k = span.reshape(nx, n1, 2), np.arange(n2)
    return np.asarray((k >= ends[..., :1]) & (k < ends[..., 1:]))


def _of(net: Any, a: np.ndarray, count: int) -> np.ndarray:
    return a.reshape(count, net.nx + 2, net.n1, net.n2)


def _flow(net: Any, voltage: np.ndarray) -> np.ndarray:
    return np.asarray(net.scale * _of(net, net.g, 3) * voltage)


def _steps(flat: np.ndarray, shape: Shape) -> list[np.ndarray]:
    """An array moved up by one along each axis, across the ends of rows as in memory."""
    n1, n2 = shape[-2:]
    return [np.roll(flat, step).reshape(shape) for step in (n1 * n2, n2, 1)]


def _inflow(flow: np.ndarray) -> np.ndarray:
    """What flows into corners less what flows out of them, (nx, n1, n2)."""
    n1, n2 = flow.shape[-2:]
    out = [np.roll(f.reshape(-1), -s).reshape(f.shape) for f, s in zip(flow, (n1 * n2, n2, 1), strict=True)]
    return np.asarray(sum(f - o for f, o in zip(flow, out, strict=True)))[1:-1]


def _voltage(net: Any, phi: np.ndarray) -> np.ndarray:
    potential = _of(net, phi, 1)[0]
    below = np.stack(_steps(potential.reshape(-1), potential.shape))
    return np.asarray(_of(net, net.emf, 3) - potential + below)


def _over_rows(net: Any, inside: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.where(inside, values, 0.0).reshape(net.nx * net.n1, -1).sum(axis=1)
