"""Positive matrices brought to others by a congruence, which keeps what they weigh positive."""

from __future__ import annotations

import numpy as np


def congruence(found: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """T with T^t found T = wanted, close to one.

    Parameters
    ----------
    found, wanted : (n, n) float64 ndarray
        Symmetric and positive semidefinite.
    """
    scale = np.sqrt(np.maximum(np.diag(found), 1e-300))
    values, u = np.linalg.eigh(found / (scale[:, None] * scale))
    floor = 1e-9 * max(float(values.mean()), 1e-30)
    root = (u * np.sqrt(np.maximum(values, 0) + floor)) @ u.T
    inverse = np.linalg.inv(root)
    middle = inverse @ (wanted / (scale[:, None] * scale)) @ inverse
    values, u = np.linalg.eigh(0.5 * (middle + middle.T))
    T = inverse @ (u * np.sqrt(np.maximum(values, 0))) @ u.T @ root
    return np.asarray(scale[:, None] ** -1 * T * scale)
