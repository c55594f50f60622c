"""NumPy reference of green.cuh."""

from __future__ import annotations

import numpy as np


def green(
    shape: tuple[int, int, int],
    wavenumber: float,
    least: float,
    targets: np.ndarray,
    sources: np.ndarray,
    out: np.ndarray,
) -> None:
    """exp(-jkR) / (4 pi R) from sources (3, n) to targets (3, m), (m, n)."""
    square = sum((targets[c][:, None] - sources[c][None]) ** 2 for c in range(3))
    R = np.maximum(np.sqrt(square), out.real.dtype.type(least))
    out[...] = np.exp(-1j * (wavenumber * R)) / (4 * np.pi * R)
