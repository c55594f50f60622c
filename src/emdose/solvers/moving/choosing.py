"""Which motions to solve for: those that no sum of the ones before comes near to."""

from __future__ import annotations

import numpy as np


def chosen(rates: np.ndarray, tolerance: float, most: int) -> tuple[list[int], float]:
    """Rows that the others are sums of.

    Each step takes the row whose rest is largest anywhere, and takes its direction out of all.

    Parameters
    ----------
    rates : (rows, n) ndarray
        dB/dt at the points of the body, a row for every motion [T/s].
    tolerance : float
        Largest rest, over the largest entry of all.
    most : int
        Largest number of rows.

    Returns
    -------
    list of int
        The rows, the first one the most important.
    float
        Largest rest over the largest entry.
    """
    rest = np.array(rates, float)
    top = float(np.abs(rest).max())
    rows: list[int] = []
    if not top > 0:
        return rows, 0.0
    left = np.abs(rest).max(axis=1)
    while left.max() > tolerance * top and len(rows) < min(most, len(rest)):
        row = int(np.argmax(left))
        rows.append(row)
        along = rest[row] / np.linalg.norm(rest[row])
        # Twice: what rounding leaves of a direction would count as a new one.
        for _ in range(2):
            rest -= np.outer(rest @ along, along)
        left = np.abs(rest).max(axis=1)
        left[rows] = 0.0
    return rows, float(left.max() / top)


def fitted(basis: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (t, rows) with which rows (rows, n) come nearest to others (t, n), and the largest rest of each, (t,)."""
    if not len(basis):
        return np.zeros((len(rates), 0)), np.abs(rates).max(axis=1, initial=0.0)
    weights = np.linalg.lstsq(basis.T, rates.T, rcond=None)[0].T
    return weights, np.abs(rates - weights @ basis).max(axis=1)
