"""NumPy reference of cut_faces.cuh."""

from __future__ import annotations

import numpy as np


def _axes(shape: tuple[int, int, int], nx: int, offset: np.ndarray, *arrays: np.ndarray) -> list[np.ndarray]:
    box = (nx, *shape[1:])
    return [offset.reshape(3, 2, *box), *(a.reshape(-1, 3, *box) for a in arrays)]


def _cuts(axis: int) -> tuple[tuple[slice, ...], ...]:
    """Inner entries along an axis, and those one below and one above."""
    return tuple(
        tuple(s if a == axis else slice(None) for a in range(3))
        for s in (slice(1, -1), slice(None, -2), slice(2, None))
    )


def collect(shape: tuple[int, int, int], nx: int, offset: np.ndarray, field: np.ndarray, out: np.ndarray) -> None:
    """out <- weights of the quadratics times the values around every face."""
    offset, field, out = _axes(shape, nx, offset, field, out)
    out[...] = field
    for c in range(3):
        for t in range(2):
            mid, low, high = _cuts((c + 1 + t) % 3)
            d, f, target = offset[c, t][mid], field[:, c], out[:, c]
            target[(slice(None), *mid)] += (
                0.5 * d * (d - 1) * f[(slice(None), *low)]
                + 0.5 * d * (d + 1) * f[(slice(None), *high)]
                - d * d * f[(slice(None), *mid)]
            )


def spread(shape: tuple[int, int, int], nx: int, offset: np.ndarray, current: np.ndarray, out: np.ndarray) -> None:
    """The transpose of :func:`collect`."""
    offset, current, out = _axes(shape, nx, offset, current, out)
    out[...] = current
    for c in range(3):
        for t in range(2):
            mid, low, high = _cuts((c + 1 + t) % 3)
            d, i, target = offset[c, t][mid], current[:, c][(slice(None), *mid)], out[:, c]
            target[(slice(None), *mid)] -= d * d * i
            target[(slice(None), *low)] += 0.5 * d * (d - 1) * i
            target[(slice(None), *high)] += 0.5 * d * (d + 1) * i
