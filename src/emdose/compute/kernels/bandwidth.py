"""NumPy reference of bandwidth.cuh."""

from __future__ import annotations

import numpy as np


def triad(shape: tuple[int], s: float, b: np.ndarray, c: np.ndarray, a: np.ndarray) -> None:
    """a = b + s c, elementwise."""
    n = shape[0]
    np.multiply(c[:n], s, out=a[:n])
    a[:n] += b[:n]


def scaled_add(shape: tuple[int, int, int], s: float, b: np.ndarray, a: np.ndarray) -> None:
    """a = b + s a, elementwise."""
    n = shape[0] * shape[1] * shape[2]
    a[:n] *= s
    a[:n] += b[:n]
