"""NumPy reference of lattice.cuh."""

from __future__ import annotations

import numpy as np


def dyadic(
    shape: tuple[int, int, int],
    nx: int,
    first: int,
    ny: int,
    k2: float,
    green: np.ndarray,
    gx: np.ndarray,
    gy: np.ndarray,
    gz: np.ndarray,
    a: np.ndarray,
) -> None:
    """a <- (k^2 - g g^H) S a on a slab of wave vectors."""
    v = a.reshape(shape[0] // nx, 3, nx, *shape[1:])
    g = (gx[:, None, None], gy[first : first + shape[1]][None, :, None], gz[None, None, :])
    v *= _slab(shape, nx, first, ny, green)
    charge = sum(g[c].conj() * v[:, c] for c in range(3))
    v *= a.dtype.type(k2)
    for c in range(3):
        v[:, c] -= g[c] * charge


def scalar(shape: tuple[int, int, int], nx: int, first: int, ny: int, green: np.ndarray, a: np.ndarray) -> None:
    """a <- S a on a slab of wave vectors."""
    v = a.reshape(shape[0] // nx, 3, nx, *shape[1:])
    v *= _slab(shape, nx, first, ny, green)


def _slab(shape: tuple[int, int, int], nx: int, first: int, ny: int, green: np.ndarray) -> np.ndarray:
    i, j = np.arange(nx), np.arange(first, first + shape[1])
    i, j = np.minimum(i, nx - i), np.minimum(j, ny - j)
    return green.reshape(nx // 2 + 1, ny // 2 + 1, shape[2])[i[:, None], j[None, :]]
