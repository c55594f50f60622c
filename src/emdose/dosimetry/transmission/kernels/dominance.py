"""NumPy reference of dominance.cuh."""

from __future__ import annotations

import numpy as np

BLOCK = 1 << 14  # matrices at a time; bounds the memory of the factors


def dominated(
    shape: tuple[int],
    n: int,
    shift: float,
    which: np.ndarray,
    P: np.ndarray,
    Q: np.ndarray,
    below: np.ndarray,
) -> None:
    """Whether the matrices of a list lie below P + shift, by Cholesky factors of all that still may."""
    bound = _square(_pairs(P)[None], n)[0]
    for start in range(0, shape[0], BLOCK):
        some = slice(start, min(start + BLOCK, shape[0]))
        A = np.moveaxis(bound - _square(Q.reshape(-1, n * (n + 1) // 2)[which[some]], n), 0, -1).copy()
        A[np.arange(n), np.arange(n)] += shift
        alive = np.arange(A.shape[-1])
        for k in range(n):
            kept = A[k, k].real > 0
            A, alive = A[..., kept], alive[kept]
            column = A[k + 1 :, k] / np.sqrt(A[k, k].real)
            for j in range(k + 1, n):
                A[j:, j] -= column[j - k - 1 :] * column[j - k - 1].conj()
        found = np.zeros(some.stop - some.start, np.uint8)
        found[alive] = 1
        below[some] = found


def _pairs(values: np.ndarray) -> np.ndarray:
    """Complex numbers of pairs of real and imaginary part."""
    pairs = np.asarray(values).reshape(-1, 2)
    return np.asarray(pairs[:, 0] + 1j * pairs[:, 1])


def _square(packed: np.ndarray, n: int) -> np.ndarray:
    """Hermitian matrices (m, n, n) of lower triangles row by row."""
    j, k = np.tril_indices(n)
    full = np.empty((len(packed), n, n), complex)
    full[:, k, j] = packed.conj()
    full[:, j, k] = packed
    return full
