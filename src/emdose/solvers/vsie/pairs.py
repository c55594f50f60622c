"""Sums of products of long vectors in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

BLOCK_BYTES = 64 * 2**20


def pairs(be: Backend, a: Any, b: Any) -> np.ndarray:
    """a b^T of (m, n) and (k, n) in double precision, some columns at a time, (m, k)."""
    step = max(1, BLOCK_BYTES // (16 * (len(a) + len(b))))
    out = np.zeros((len(a), len(b)), complex)
    for low in range(0, a.shape[1], step):
        cut = slice(low, low + step)
        out += be.to_numpy(a[:, cut].astype(complex) @ b[:, cut].astype(complex).T)
    return out


def principal(be: Backend, rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Principal values of rows (m, n), falling, and U (m, m): U^H rows are the principal combinations."""
    values, U = np.linalg.eigh(pairs(be, rows, rows.conj()))
    return np.sqrt(np.maximum(values[::-1], 0)), U[:, ::-1]


def combined(be: Backend, U: np.ndarray, rows: Any) -> Any:
    """U^H rows, in the precision of the rows."""
    return be.asarray(np.ascontiguousarray(U.conj().T).astype(rows.dtype)) @ rows
