"""NumPy reference of basis.cuh."""

from __future__ import annotations

import numpy as np


def project(
    shape: tuple[int],
    n: int,
    vectors: int,
    capacity: int,
    parts: int,
    V: np.ndarray,
    w: np.ndarray,
    out: np.ndarray,
) -> None:
    """Partial sums of conj(V) w, (ports, vectors, parts)."""
    ports = shape[0] // (vectors * parts)
    span = -(-n // parts)
    product = V.reshape(ports, capacity, n)[:, :vectors].conj() * w.reshape(ports, 1, n)
    product = np.pad(product, [(0, 0), (0, 0), (0, span * parts - n)])
    out.reshape(ports, vectors, parts)[...] = product.reshape(ports, vectors, parts, span).sum(-1)


def subtract(
    shape: tuple[int],
    n: int,
    vectors: int,
    capacity: int,
    parts: int,
    V: np.ndarray,
    h: np.ndarray,
    w: np.ndarray,
) -> None:
    """w <- w - sum h V for every port."""
    ports = shape[0] // parts
    w.reshape(ports, n)[...] -= np.matmul(h.reshape(ports, 1, vectors), V.reshape(ports, capacity, n)[:, :vectors])[
        :, 0
    ]
