"""NumPy reference of multigrid.cuh."""

from __future__ import annotations

import numpy as np

Shape = tuple[int, int, int]


def _outflow(g: np.ndarray, ground: np.ndarray, x: np.ndarray) -> np.ndarray:
    g, out = g.reshape(3, *x.shape[1:]), ground.reshape(x.shape[1:]) * x
    for c in range(3):
        low = tuple(slice(None, -1) if a == c + 1 else slice(None) for a in range(4))
        high = tuple(slice(1, None) if a == c + 1 else slice(None) for a in range(4))
        flow = g[c][high[1:]] * (x[high] - x[low])
        out[high] += flow
        out[low] -= flow
    return out


def _ports(shape: Shape, nx: int, *arrays: np.ndarray) -> list[np.ndarray]:
    return [a.reshape(shape[0] // nx, nx, *shape[1:]) for a in arrays]


def conduct(shape: Shape, nx: int, g: np.ndarray, ground: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out <- A x."""
    x, out = _ports(shape, nx, x, out)
    out[...] = _outflow(g, ground, x)


def residual(
    shape: Shape, nx: int, g: np.ndarray, ground: np.ndarray, b: np.ndarray, x: np.ndarray, out: np.ndarray
) -> None:
    """out <- b - A x."""
    b, x, out = _ports(shape, nx, b, x, out)
    out[...] = b - _outflow(g, ground, x)


def relax(
    shape: Shape,
    nx: int,
    weight: float,
    g: np.ndarray,
    ground: np.ndarray,
    dinv: np.ndarray,
    b: np.ndarray,
    x: np.ndarray,
    out: np.ndarray,
) -> None:
    """out <- x + weight D^-1 (b - A x)."""
    b, x, out = _ports(shape, nx, b, x, out)
    d = dinv.reshape(x.shape[1:])
    out[...] = np.where(d > 0, x + x.dtype.type(weight) * d * (b - _outflow(g, ground, x)), 0)


def _spread(coarse: np.ndarray, fine: Shape) -> np.ndarray:
    """Trilinear weights times values of coarse cells, (ports, fine)."""
    out = coarse
    for c in range(3):
        i = np.arange(fine[c])
        near, far = i // 2, np.where(i % 2, i // 2 + 1, i // 2 - 1)
        inside = (far >= 0) & (far < coarse.shape[c + 1])
        shape = [-1 if a == c + 1 else 1 for a in range(4)]
        quarter = np.where(inside, 0.25, 0.0).reshape(shape).astype(coarse.dtype)
        out = coarse.dtype.type(0.75) * out.take(near, c + 1) + quarter * out.take(np.where(inside, far, 0), c + 1)
    return out


def _gather(fine: np.ndarray, coarse: Shape) -> np.ndarray:
    """The transpose of :func:`_spread`."""
    out = fine
    for c in range(3):
        n, m = out.shape[c + 1], coarse[c]
        total = np.zeros((*out.shape[: c + 1], m, *out.shape[c + 2 :]), fine.dtype)
        for shift, weight in ((-1, 0.25), (0, 0.75), (1, 0.75), (2, 0.25)):
            i = 2 * np.arange(m) + shift
            inside = (i >= 0) & (i < n)
            factor = np.where(inside, weight, 0.0).reshape([-1 if a == c + 1 else 1 for a in range(4)])
            total += factor.astype(fine.dtype) * out.take(np.where(inside, i, 0), c + 1)
        out = total
    return out


def restrict_cells(
    shape: Shape,
    nx: int,
    fx: int,
    fy: int,
    fz: int,
    alive: np.ndarray,
    norm: np.ndarray,
    fine: np.ndarray,
    coarse: np.ndarray,
) -> None:
    """coarse <- alive sum of weight norm fine."""
    (out,) = _ports(shape, nx, coarse)
    r = fine.reshape(len(out), fx, fy, fz) * norm.reshape(fx, fy, fz)
    out[...] = np.where(alive.reshape(out.shape[1:]) > 0, _gather(r, out.shape[1:]), 0)


def prolong_cells(
    shape: Shape, nx: int, cx: int, cy: int, cz: int, norm: np.ndarray, coarse: np.ndarray, fine: np.ndarray
) -> None:
    """fine <- fine + norm sum of weight coarse."""
    (out,) = _ports(shape, nx, fine)
    out += norm.reshape(out.shape[1:]) * _spread(coarse.reshape(len(out), cx, cy, cz), out.shape[1:])


def dot(shape: tuple[int], n: int, parts: int, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Sums of a b over parts of every port."""
    span = -(-n // parts)
    product = np.zeros((shape[0] // parts, parts * span))
    product[:, :n] = a.reshape(-1, n).astype(float) * b.reshape(-1, n)
    out[...] = product.reshape(-1, parts, span).sum(axis=2).reshape(out.shape)


def gram(shape: tuple[int], n: int, others: int, parts: int, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Sums of a_r b_s over parts, for every pair of rows."""
    span = -(-n // parts)
    rows = []
    for m, count in ((a, shape[0] // parts // others), (b, others)):
        wide = np.zeros((count, parts * span))
        wide[:, :n] = m.reshape(-1, n)
        rows.append(wide.reshape(count, parts, span))
    out[...] = np.einsum("rte,ste->rst", *rows).reshape(out.shape)


def add_scaled(shape: tuple[int], n: int, factor: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y <- y + factor x."""
    rows = y.reshape(-1, n)
    rows += factor.astype(y.dtype)[:, None] * x.reshape(-1, n)


def add_to_scaled(shape: tuple[int], n: int, factor: np.ndarray, x: np.ndarray, y: np.ndarray) -> None:
    """y <- x + factor y."""
    rows = y.reshape(-1, n)
    rows[...] = x.reshape(-1, n) + factor.astype(y.dtype)[:, None] * rows
