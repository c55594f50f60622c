"""NumPy reference of multigrid.cuh."""

from __future__ import annotations

from typing import Any

import numpy as np

Shape = tuple[int, int, int]


def _ports(shape: Shape, nx: int, *arrays: np.ndarray) -> list[np.ndarray]:
    """Arrays as (ports, nx + 2, n1, n2)."""
    return [a.reshape(shape[0] // nx, nx + 2, *shape[1:]) for a in arrays]


def _inside(shape: Shape, nx: int, span: np.ndarray) -> np.ndarray:
    """Which cells (nx, n1, n2) rows reach."""
    ends = span.reshape(nx, shape[1], 2)
    k = np.arange(shape[2])
    return np.asarray((k >= ends[..., :1]) & (k < ends[..., 1:]))


def _write(shape: Shape, nx: int, span: np.ndarray, values: np.ndarray, out: np.ndarray) -> None:
    """Values (ports, nx, n1, n2) to where rows reach."""
    (out,) = _ports(shape, nx, out)
    out[:, 1:-1] = np.where(_inside(shape, nx, span), values, out[:, 1:-1])


def _steps(shape: Shape, nx: int, g: np.ndarray, x: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Weighted neighbours: pairs of conductance and value, one after the other, each (ports, nx, n1, n2)."""
    g = g.reshape(3, nx + 2, *shape[1:])
    out, flat = [], x.reshape(len(x), -1)
    for c, step in enumerate((shape[1] * shape[2], shape[2], 1)):
        here = g[c].reshape(-1)
        out += [here.reshape(g[c].shape)[1:-1], np.roll(flat, step, 1).reshape(x.shape)[:, 1:-1]]
        out += [np.roll(here, -step).reshape(g[c].shape)[1:-1], np.roll(flat, -step, 1).reshape(x.shape)[:, 1:-1]]
    return out, x[:, 1:-1]


def _around(shape: Shape, nx: int, g: np.ndarray, x: np.ndarray) -> np.ndarray:
    near, _ = _steps(shape, nx, g, x)
    return np.asarray(sum(near[m] * near[m + 1] for m in range(0, 12, 2)))


def _outflow(shape: Shape, nx: int, g: np.ndarray, x: np.ndarray) -> np.ndarray:
    near, here = _steps(shape, nx, g, x)
    return np.asarray(sum(near[m] * (here - near[m + 1]) for m in range(0, 12, 2)))


def _of_level(shape: Shape, nx: int, a: np.ndarray) -> np.ndarray:
    return a.reshape(nx + 2, *shape[1:])[1:-1]


def conduct(shape: Shape, nx: int, span: np.ndarray, level: Any, x: np.ndarray, out: np.ndarray) -> None:
    """out <- A x."""
    (x,) = _ports(shape, nx, x)
    _write(shape, nx, span, _outflow(shape, nx, level.g, x), out)


def renew(
    shape: Shape, nx: int, span: np.ndarray, level: Any, scale: float, b: np.ndarray, x: np.ndarray, r: np.ndarray
) -> None:
    """r <- scale b - A x, in double."""
    b, x = _ports(shape, nx, b, x)
    left = scale * b[:, 1:-1] - _outflow(shape, nx, level.g.astype(float), x)
    _write(shape, nx, span, left.astype(r.dtype), r)


def begin(
    shape: Shape,
    nx: int,
    span: np.ndarray,
    level: Any,
    first_weight: float,
    second_weight: float,
    b: np.ndarray,
    x: np.ndarray,
) -> None:
    """x <- two sweeps from zero."""
    (b,) = _ports(shape, nx, b)
    one, two = b.dtype.type(first_weight), b.dtype.type(second_weight)
    dinv = level.dinv.reshape(b.shape[1:])
    sum_ = _around(shape, nx, level.g, dinv * b)
    _write(shape, nx, span, dinv[1:-1] * ((one + two - one * two) * b[:, 1:-1] + one * two * sum_), x)


def relax(
    shape: Shape, nx: int, span: np.ndarray, level: Any, weight: float, b: np.ndarray, x: np.ndarray, out: np.ndarray
) -> None:
    """out <- x + weight D^-1 (b - A x)."""
    b, x = _ports(shape, nx, b, x)
    w = b.dtype.type(weight)
    moved = w * _of_level(shape, nx, level.dinv) * (b[:, 1:-1] + _around(shape, nx, level.g, x))
    _write(shape, nx, span, (1 - w) * x[:, 1:-1] + moved, out)


def residual(
    shape: Shape, nx: int, span: np.ndarray, level: Any, b: np.ndarray, x: np.ndarray, out: np.ndarray
) -> None:
    """out <- norm (b - A x)."""
    b, x = _ports(shape, nx, b, x)
    d = _of_level(shape, nx, level.dinv)
    left = b[:, 1:-1] + _around(shape, nx, level.g, x) - x[:, 1:-1] / np.where(d > 0, d, d.dtype.type(1))
    _write(shape, nx, span, _of_level(shape, nx, level.norm) * left, out)


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
    span: np.ndarray,
    level: Any,
    f0: int,
    f1: int,
    f2: int,
    fine: np.ndarray,
    coarse: np.ndarray,
) -> None:
    """coarse <- sum of weight fine, where there is a coarse cell."""
    r = fine.reshape(-1, f0 + 2, f1, f2)[:, 1:-1]
    alive = _of_level(shape, nx, level.dinv) > 0
    _write(shape, nx, span, np.where(alive, _gather(r, (nx, *shape[1:])), 0), coarse)


def prolong_cells(
    shape: Shape,
    nx: int,
    span: np.ndarray,
    level: Any,
    c0: int,
    c1: int,
    c2: int,
    coarse: np.ndarray,
    fine: np.ndarray,
) -> None:
    """fine <- fine + norm sum of weight coarse."""
    values = _spread(coarse.reshape(-1, c0 + 2, c1, c2)[:, 1:-1], (nx, *shape[1:]))
    (old,) = _ports(shape, nx, fine)
    _write(shape, nx, span, old[:, 1:-1] + _of_level(shape, nx, level.norm) * values, fine)


def invert(shape: Shape, nx: int, span: np.ndarray, level: Any, ground: np.ndarray, out: np.ndarray) -> None:
    """out <- one over the sum of conductances and ground."""
    sum_ = _of_level(shape, nx, ground) + _around(shape, nx, level.g, np.ones((1, nx + 2, *shape[1:]), ground.dtype))
    _write(shape, nx, span, np.where(sum_ > 0, 1 / np.where(sum_ > 0, sum_, 1), 0), out)


def weigh(
    shape: Shape, nx: int, span: np.ndarray, level: Any, c0: int, c1: int, c2: int, alive: np.ndarray, out: np.ndarray
) -> None:
    """out <- one over the sum of the weights of coarse cells that exist."""
    there = (alive.reshape(1, c0 + 2, c1, c2)[:, 1:-1] > 0).astype(out.dtype)
    sum_ = _spread(there, (nx, *shape[1:]))
    good = (sum_ > 0) & (_of_level(shape, nx, level.dinv) > 0)
    _write(shape, nx, span, np.where(good, 1 / np.where(good, sum_, 1), 0), out)


def coarsen(shape: Shape, f0: int, f1: int, f2: int, g: np.ndarray, out: np.ndarray) -> None:
    """Conductances of the next level."""
    even = np.zeros((3, *(2 * n for n in shape)), g.dtype)
    even[:, :f0, :f1, :f2] = g.reshape(3, f0 + 2, f1, f2)[:, 1:-1]
    new = out.reshape(3, shape[0] + 2, *shape[1:])[:, 1:-1]
    for c in range(3):
        low, high = (tuple(s if a == c else slice(None) for a in range(3)) for s in (slice(None, -1), slice(1, None)))
        mid, within = even[c][_every(c, 0)] / 4, even[c][_every(c, 1)] / 8
        plane = mid + within
        plane[high] += within[low]
        for a in range(3):
            if a != c:
                plane = plane[_every(a, 0)] + plane[_every(a, 1)]
        new[c] = plane
        new[c][tuple(slice(0, 1) if a == c else slice(None) for a in range(3))] = 0


def _every(axis: int, first: int) -> tuple[slice, ...]:
    return tuple(slice(first, None, 2) if a == axis else slice(None) for a in range(3))


def ground(
    shape: Shape,
    nx: int,
    span: np.ndarray,
    level: Any,
    f0: int,
    f1: int,
    f2: int,
    g: np.ndarray,
    norm: np.ndarray,
    below: np.ndarray,
    ground: np.ndarray,
) -> None:
    """What the Galerkin product has on its diagonal beyond the conductances of a coarse cell."""
    own = _around(shape, nx, level.g, np.ones((1, nx + 2, *shape[1:]), ground.dtype))
    fine = (f0, f1, f2)
    found = np.zeros((nx, *shape[1:]), ground.dtype)
    held = _of_level(fine, f0, below)
    # Coarse cells three apart at a time: what they move does not meet.
    for first in np.ndindex(3, 3, 3):
        every = tuple(slice(f, None, 3) for f in first)
        probe = np.zeros((1, nx, *shape[1:]), ground.dtype)
        probe[0][every] = 1
        moved = np.zeros((1, f0 + 2, f1, f2), ground.dtype)
        moved[:, 1:-1] = _spread(probe, fine) * _of_level(fine, f0, norm)
        left = _outflow(fine, f0, g, moved) + held * moved[:, 1:-1]
        back = _gather(left * _of_level(fine, f0, norm), (nx, *shape[1:]))
        found[every] = back[0][every]
    more = np.where((own > 0) & (found > own), found - own, 0)
    _write(shape, nx, span, more, ground)


def dot(shape: tuple[int], n: int, parts: int, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Sums of a b over parts of every port."""
    span = -(-n // parts)
    product = np.zeros((shape[0] // parts, parts * span))
    product[:, :n] = a.reshape(-1, n).astype(float) * b.reshape(-1, n)
    out[...] = product.reshape(-1, parts, span).sum(axis=2).reshape(out.shape)


def row_dot(
    shape: tuple[int], rows: int, n1: int, n2: int, span: np.ndarray, a: np.ndarray, b: np.ndarray, out: np.ndarray
) -> None:
    """Sums of a b over rows, as far as cells reach."""
    ports, nx = shape[0] // rows, rows // n1
    product = a.astype(float) * b.astype(float)
    inside = _inside((ports * nx, n1, n2), nx, span)
    product = np.where(inside, product.reshape(ports, nx + 2, n1, n2)[:, 1:-1], 0)
    out[...] = product.sum(axis=3).reshape(out.shape)


def gram(shape: tuple[int], n: int, others: int, parts: int, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    """Sums of a_r b_s over parts, for every pair of rows."""
    span = -(-n // parts)
    rows = []
    for m, count in ((a, shape[0] // parts // others), (b, others)):
        wide = np.zeros((count, parts * span))
        wide[:, :n] = m.reshape(-1, n)
        rows.append(wide.reshape(count, parts, span))
    out[...] = np.einsum("rte,ste->rst", *rows).reshape(out.shape)


def move_along(
    shape: Shape,
    nx: int,
    span: np.ndarray,
    alpha: np.ndarray,
    d: np.ndarray,
    q: np.ndarray,
    x: np.ndarray,
    r: np.ndarray,
) -> None:
    """x <- x + alpha d, r <- r - alpha q."""
    a = alpha.astype(x.dtype)[:, None, None, None]
    d, q, old, left = (v[:, 1:-1] for v in _ports(shape, nx, d, q, x, r))
    _write(shape, nx, span, old + a * d, x)
    _write(shape, nx, span, left - a * q, r)


def turn(shape: Shape, nx: int, span: np.ndarray, beta: np.ndarray, z: np.ndarray, d: np.ndarray) -> None:
    """d <- z + beta d."""
    z, old = (v[:, 1:-1] for v in _ports(shape, nx, z, d))
    _write(shape, nx, span, z + beta.astype(z.dtype)[:, None, None, None] * old, d)


def collect(shape: Shape, nx: int, span: np.ndarray, x: np.ndarray, total: np.ndarray) -> None:
    """total <- total + x, x <- 0."""
    moved, old = (v[:, 1:-1] for v in _ports(shape, nx, x, total))
    _write(shape, nx, span, old + moved, total)
    _write(shape, nx, span, np.zeros_like(moved), x)
