"""Outputs that are the largest value of a map: by the polynomials of the map, and not by one of the maximum alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

SAME = 1e-5
"""Relative difference up to which an output is the largest value of a map."""
MOST_TERMS, MOST_DEGREE = 500, 6
"""Of the polynomial that shares of the peak are read from."""


@dataclass(frozen=True, eq=False)
class MovingPeak:
    """The largest value of a map by the polynomials of the map.

    Parameters
    ----------
    values : (k,) ndarray
        In many samples.
    loo : float
        Mean squared error of the peak that leaving out samples tells, over its variance.
    first, total : (d,) ndarray
        Shares of its variance by input: first-order, and total.
    predicted : (t,) ndarray
        At the inputs of trials.
    """

    values: np.ndarray
    loo: float
    first: np.ndarray
    total: np.ndarray
    predicted: np.ndarray

    @property
    def mean(self) -> float:
        """Mean."""
        return float(self.values.mean())

    @property
    def sd(self) -> float:
        """Standard deviation."""
        return float(self.values.std(ddof=1))


def peak_outputs(names: Sequence[str], Y: np.ndarray, maps: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Outputs that are the largest value of a map in every sample, and the map.

    Parameters
    ----------
    names : sequence of str
        Outputs, m of them.
    Y : (n, m) ndarray
        Their values.
    maps : mapping of str to (n, voxels) ndarray
        Values of maps in the same samples.
    """
    found: dict[str, str] = {}
    for name, values in maps.items():
        largest = values.max(axis=1)
        for k, output in enumerate(names):
            if output not in found and np.all(np.abs(Y[:, k] - largest) <= SAME * np.abs(largest)):
                found[output] = name
    return found


def map_peak(model: Any, X: np.ndarray, Y: np.ndarray, trials: np.ndarray | None = None) -> MovingPeak:
    """The peak of a map by its polynomials.

    Parameters
    ----------
    model : Chaos
        Of the map, fitted to the samples by least squares.
    X : (n, d) ndarray
        Samples of the inputs.
    Y : (n, voxels) ndarray
        The map in these samples.
    trials : (t, d) ndarray, optional
        Inputs to evaluate it at.

    Equation: leaving sample i out, voxel v has y_iv - (y_iv - yhat_iv) / (1 - h_i); its peak beside max_v y_iv.
    """
    from emdose.uncertainty.chaos import peak_samples
    from emdose.uncertainty.chaos.bases.least_squares import LeastSquares

    peaks = peak_samples(model)
    weight = LeastSquares(np.asarray(model.basis.evaluate(X))).weight
    Psi, left_out = model.psi(X), np.full(len(X), -np.inf)
    for a, b in model.steps(len(X)):
        y = Y[:, a:b]
        left_out = np.maximum(left_out, (y - (y - model.values(Psi, a, b)) * weight[:, None]).max(axis=1))
    values = np.asarray(peaks.values, float)
    variance = float(values.var(ddof=1))
    error = float(np.mean((left_out - Y.max(axis=1)) ** 2))
    d = X.shape[1]
    degree = max(p for p in range(1, MOST_DEGREE + 1) if p == 1 or math.comb(d + p, d) <= MOST_TERMS)
    shape = peaks.chaos(degree)
    kept = float(shape.variance) / variance if variance else 0.0
    first, total = (np.asarray(v, float).reshape(-1) * min(kept, 1.0) for v in (shape.first, shape.total))
    at = np.zeros(0) if trials is None or not len(trials) else np.asarray(peak_samples(model, X=trials).values, float)
    return MovingPeak(values, error / variance if variance else 0.0, first, total, at)
