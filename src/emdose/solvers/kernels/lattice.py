"""NumPy twin of lattice.cuh."""

from __future__ import annotations

import numpy as np


def dyadic(
    shape: tuple[int, int, int],
    ports: int,
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
    v = a.reshape(ports, 3, *shape)
    g = (gx[:, None, None], gy[first : first + shape[1]][None, :, None], gz[None, None, :])
    v *= _slab(shape, first, ny, green)
    charge = sum(g[c].conj() * v[:, c] for c in range(3))
    v *= a.dtype.type(k2)
    for c in range(3):
        v[:, c] -= g[c] * charge


def scalar(shape: tuple[int, int, int], ports: int, first: int, ny: int, green: np.ndarray, a: np.ndarray) -> None:
    """a <- S a on a slab of wave vectors."""
    v = a.reshape(ports, 3, *shape)
    v *= _slab(shape, first, ny, green)


def _slab(shape: tuple[int, int, int], first: int, ny: int, green: np.ndarray) -> np.ndarray:
    n0, n1, n2 = shape
    i, j, k = np.arange(n0), np.arange(first, first + n1), np.arange(n2)
    i, j, k = np.minimum(i, n0 - i), np.minimum(j, ny - j), np.minimum(k, n2 - k)
    octant = green.reshape(n0 // 2 + 1, ny // 2 + 1, n2 // 2 + 1)
    return octant[i[:, None, None], j[None, :, None], k[None, None, :]]
