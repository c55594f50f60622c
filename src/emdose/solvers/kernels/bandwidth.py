"""NumPy twin of bandwidth.cuh."""

from __future__ import annotations

import numpy as np


def triad(shape: tuple[int], s: float, b: np.ndarray, c: np.ndarray, a: np.ndarray) -> None:
    """a = b + s c, elementwise."""
    n = shape[0]
    np.multiply(c[:n], s, out=a[:n])
    a[:n] += b[:n]
