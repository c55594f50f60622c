"""NumPy reference of potential.cuh."""

from __future__ import annotations

from typing import Any

import numpy as np

Shape = tuple[int, int, int]
INSIDE = (slice(None), slice(1, -1), slice(1, -1), slice(1, -1))


def _whole(level: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    return [a.reshape(-1, level.nx + 2, level.ny + 2, level.nz + 2) for a in arrays]


def _around(level: Any, x: np.ndarray) -> np.ndarray:
    """Sum of g times the value over the six neighbours, on the nodes inside."""
    g = level.g.reshape(3, *x.shape[1:])
    out = np.zeros_like(x[INSIDE])
    for c in range(3):
        ahead = tuple(slice(2, None) if a == c + 1 else s for a, s in enumerate(INSIDE))
        behind = tuple(slice(0, -2) if a == c + 1 else s for a, s in enumerate(INSIDE))
        out += g[c][INSIDE[1:]] * x[ahead] + g[c][behind[1:]] * x[behind]
    return out


def _colour(level: Any, colour: int) -> np.ndarray:
    i, j, k = np.indices((level.nx, level.ny, level.nz), sparse=True)
    return np.asarray((i + j + k) % 2 == colour)


def relax(shape: Shape, level: Any, colour: int, b: np.ndarray, x: np.ndarray) -> None:
    """x <- (b + sum g x') / total on nodes of one colour."""
    b, x, over = _whole(level, b, x, level.over)
    x[INSIDE] = np.where(_colour(level, colour), over[INSIDE] * (b[INSIDE] + _around(level, x)), x[INSIDE])


def conduct(shape: Shape, level: Any, x: np.ndarray, out: np.ndarray) -> None:
    """out <- total x - sum g x'."""
    x, out, total = _whole(level, x, out, level.total)
    out[INSIDE] = total[INSIDE] * x[INSIDE] - _around(level, x)


def residual(shape: Shape, level: Any, colour: int, b: np.ndarray, x: np.ndarray, out: np.ndarray) -> None:
    """out <- b - A x on nodes of one colour."""
    b, x, out, total = _whole(level, b, x, out, level.total)
    there = b[INSIDE] + _around(level, x) - total[INSIDE] * x[INSIDE]
    out[INSIDE] = np.where(_colour(level, colour), there, out[INSIDE])


def restrict_nodes(shape: Shape, nx: int, fx: int, fy: int, fz: int, fine: np.ndarray, coarse: np.ndarray) -> None:
    """coarse <- sum of weight fine."""
    level = (nx, *shape[1:])
    out = fine.reshape(-1, fx + 2, fy + 2, fz + 2)
    for c in range(3):
        n = out.shape[c + 1]
        total: Any = 0
        for shift, weight in ((-1, 0.25), (0, 0.75), (1, 0.75), (2, 0.25)):
            at = 2 * np.arange(level[c]) + shift + 1
            factor = np.where(at < n, weight, 0.0).reshape([-1 if a == c + 1 else 1 for a in range(4)])
            total = total + factor.astype(out.real.dtype) * out.take(np.minimum(at, n - 1), c + 1)
        out = total
    coarse.reshape(-1, *(m + 2 for m in level))[INSIDE] = out


def prolong_nodes(shape: Shape, nx: int, cx: int, cy: int, cz: int, coarse: np.ndarray, fine: np.ndarray) -> None:
    """fine <- fine + sum of weight coarse."""
    level = (nx, *shape[1:])
    out = coarse.reshape(-1, cx + 2, cy + 2, cz + 2)
    real = out.real.dtype.type
    for c in range(3):
        i = np.arange(level[c])
        near, far = i // 2 + 1, np.where(i % 2, i // 2 + 2, i // 2)
        out = real(0.75) * out.take(near, c + 1) + real(0.25) * out.take(far, c + 1)
    fine.reshape(-1, *(m + 2 for m in level))[INSIDE] += out
