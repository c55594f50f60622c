r"""When a pulse has rung down: energy, fields at the wanted frequencies, and port spectra.

The running Fourier sums S_n are looked at after windows of time. What rings at another frequency than that of the sum
turns the changes from window to window, what rings at its own frequency does not. So with the changes d_n and the
complex ratio of two that follow each other,

.. math:: \rho = \frac{\langle d_{n-1}, d_n \rangle}{\lVert d_{n-1} \rVert^2}, \qquad
          \lVert S_\infty - S_n \rVert \approx \lVert d_n \rVert\, \frac{|\rho|}{|1 - \rho|},

for single windows and for groups of three, of which the larger counts. A run has converged when this remainder of the
fields and of the port spectra, and the energy over its peak, are all below the tolerance in two windows that follow
each other.

Metal rings with modes that nothing but radiation damps, such as currents along closed end rings, or between a cage and
its shield, that pass no gap. After the pulse a sum is its limit and a few such terms, each a geometric series in n, and
the limit is extrapolated by a combination of the last windows that cancels the strongest of them,

.. math:: T_n = \sum_{k=0}^{K} c_k S_{n-k}, \qquad \sum_k c_k = 1, \qquad
          \Bigl\lVert \sum_k c_k d_{n-k} \Bigr\rVert \to \min .

The remainder of T is estimated from its changes just as that of S is, and at least as twice the largest distance to T
of the three windows before: a slow mode hides longer beneath an extrapolation. The smaller remainder of S and T counts.

Source: R. Eddy, in P. Wang (ed.), Information Linkage between Applied Mathematics and Industry, Academic Press 1979,
387; D. Smith, W. Ford and A. Sidi, SIAM Review 29 (1987) 199 (reduced rank extrapolation of vector sequences).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.solvers.running import group, joined

CUTOFF = 1e-12
"""Directions of the changes weaker than this, in power over the strongest, are rounding."""
SETTLED, SPREAD = 3, 2.0
"""The extrapolated limit must agree with those of so many windows before to the tolerance over a factor."""
LAGS = (1, 3)
"""Windows that a change spans."""
GAINS = (0.25, 1000.0)
"""Bounds of the remainder over the last change: what is believed at best, and what rounding can be told from."""
GROWTH_WINDOWS = 6
"""Windows in a row with growing energy after the pulse that are called an instability ..."""
GROWTH_FACTOR = 2.0
"""... if the energy has grown by this factor meanwhile."""


@dataclass(eq=False)
class Monitor:
    """Watches one run.

    Parameters
    ----------
    tolerance : float
        What the remainders must fall below.
    source_end : int
        Step after which the source is silent.
    weights : mapping of str to float
        Factors for remainders that must become smaller than the tolerance.
    order : int
        Geometric series to cancel at most; 0: the sums are taken as they are.

    Attributes
    ----------
    shares : dict of str to (row, k) complex ndarray
        Shares of the last k windows, the oldest first, in the result of every row of a sum; none where the sum as it is
        was better.
    """

    tolerance: float
    source_end: int
    weights: Mapping[str, float] = field(default_factory=dict)
    order: int = 0
    peak: float = 0.0
    energies: list[float] = field(default_factory=list)
    sums: dict[str, list[np.ndarray]] = field(default_factory=dict)
    limits: dict[str, list[np.ndarray]] = field(default_factory=dict)
    shares: dict[str, np.ndarray] = field(default_factory=dict)
    history: list[float] = field(default_factory=list)
    calm: int = 0
    residuals: dict[str, float] = field(default_factory=dict)

    def update(self, step: int, energy_J: float, sums: dict[str, np.ndarray]) -> bool:
        """Look at the sums after a window; returns whether the run has converged.

        Parameters
        ----------
        step : int
            Steps done.
        energy_J : float
            Energy of the field in the box [J].
        sums : dict of str to complex ndarray
            Samples of the running Fourier sums, by what they belong to ("fields", "ports"); rows of two-dimensional
            ones are extrapolated on their own, for they belong to frequencies of their own.
        """
        after = step > self.source_end
        self.energies = [*self.energies, energy_J] if after else []
        self.peak = max(self.peak, energy_J)
        remainders = {"energy": max(energy_J, 0.0) / self.peak if self.peak > 0 else 0.0}
        for name, value in sums.items():
            series = self.sums.setdefault(name, [])
            series.append(np.array(value))
            del series[: -2 * max(LAGS) - 1]
            remainders[name] = min(_remainder(series), self._extrapolate(name)) * self.weights.get(name, 1.0)
        self.residuals = remainders
        self.history.append(min(max(remainders.values()), 1.0))
        self.calm = self.calm + 1 if after and self.history[-1] <= self.tolerance else 0
        return self.calm >= 2

    def value(self, name: str) -> np.ndarray:
        """The sum of the last window, or its extrapolated limit where that is better."""
        return (self.limits if name in self.shares else self.sums)[name][-1]

    def _extrapolate(self, name: str) -> float:
        """The remainder of the extrapolated limit; infinite without one, or when the sum as it is does better."""
        self.shares.pop(name, None)
        # All windows that it is made of must lie after the source.
        order = min(self.order, len(self.energies) - 2)
        if order < 1:
            return math.inf
        value, shares = extrapolated(self.sums[name], order)
        series = self.limits.setdefault(name, [])
        series.append(value)
        del series[: -2 * max(LAGS) - 1]
        if len(series) <= SETTLED:
            return math.inf
        size = float(np.linalg.norm(value)) or 1.0
        spread = max(float(np.linalg.norm(value - v)) for v in series[-1 - SETTLED : -1]) / size
        remainder = max(_remainder(series), SPREAD * spread)
        if remainder < _remainder(self.sums[name]):
            self.shares[name] = shares
        return remainder

    @property
    def residual(self) -> float:
        """The largest remainder of the last window."""
        return self.history[-1] if self.history else 1.0

    @property
    def energy_dB(self) -> float:
        """Energy over its peak as seen in the last window [dB]."""
        ratio = self.residuals.get("energy", 1.0)
        return 10 * math.log10(ratio) if ratio > 0 else -400.0

    @property
    def grows(self) -> bool:
        """Whether the energy has kept growing since the source fell silent."""
        last = self.energies[-GROWTH_WINDOWS - 1 :]
        return (
            len(last) > GROWTH_WINDOWS and all(b > a for a, b in pairwise(last)) and last[-1] > GROWTH_FACTOR * last[0]
        )

    def state(self) -> dict[str, np.ndarray]:
        """Everything as arrays, for a checkpoint."""
        out = {
            "numbers": np.array([self.peak, self.calm]),
            "energies": np.array(self.energies),
            "history": np.array(self.history),
        }
        return out | joined(
            sum={k: np.stack(v) for k, v in self.sums.items()},
            limit={k: np.stack(v) for k, v in self.limits.items()},
            share=self.shares,
            residual={k: np.array(v) for k, v in self.residuals.items()},
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.peak, self.calm = float(state["numbers"][0]), int(state["numbers"][1])
        self.energies, self.history = ([float(v) for v in state[k]] for k in ("energies", "history"))
        self.sums = {k: list(v) for k, v in group(state, "sum").items()}
        self.limits = {k: list(v) for k, v in group(state, "limit").items()}
        self.shares = {k: np.array(v) for k, v in group(state, "share").items()}
        self.residuals = {k: float(v) for k, v in group(state, "residual").items()}


def extrapolated(series: list[np.ndarray], order: int) -> tuple[np.ndarray, np.ndarray]:
    """Limit of a series of sums, by cancelling geometric series.

    Parameters
    ----------
    series : list of (m,) or (row, m) complex ndarray
        Sums after windows of equal length, at least order + 2 of them; every row has its own geometric series.
    order : int
        How many are cancelled.

    Returns
    -------
    value : complex ndarray
        The limit, shaped as the sums.
    shares : (row, order + 1) complex ndarray
        Shares of the last sums in it, the oldest first; they add up to one.
    """
    last = np.stack(series[-order - 2 :]).astype(complex)
    rows = last.reshape(order + 2, -1 if last.ndim > 2 else 1, last.shape[-1])
    changes = np.moveaxis(np.diff(rows, axis=0), 0, 1)
    # The last share is one less the others.
    basis, right = changes[:, :-1] - changes[:, -1:], -changes[:, -1:]
    gram = basis.conj() @ np.swapaxes(basis, 1, 2)
    inverse = np.linalg.pinv(gram, rcond=CUTOFF, hermitian=True)
    shares = (inverse @ (basis.conj() @ np.swapaxes(right, 1, 2)))[..., 0]
    shares = np.concatenate([shares, 1 - shares.sum(axis=1, keepdims=True)], axis=1)
    value = np.einsum("rk,krm->rm", shares, rows[1:])
    return value.reshape(last.shape[1:]), shares


def _remainder(series: list[np.ndarray]) -> float:
    """What is still to come, relative to the last of a series of sums."""
    size = float(np.linalg.norm(series[-1]))
    if len(series) < 3:
        return math.inf
    worst = 0.0
    for lag in LAGS:
        if len(series) <= 2 * lag:
            continue
        new, old = series[-1] - series[-1 - lag], series[-1 - lag] - series[-1 - 2 * lag]
        change, before = float(np.linalg.norm(new)), float(np.linalg.norm(old))
        if change == 0:
            continue
        if before == 0:
            return math.inf
        ratio = complex(np.vdot(old, new)) / before**2
        gain = min(change / before, 1.0) / max(abs(1 - ratio), 1 / GAINS[1])
        worst = max(worst, change * max(gain, GAINS[0]))
    return worst / size if size > 0 else 0.0
