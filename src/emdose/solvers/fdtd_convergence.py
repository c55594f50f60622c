r"""When a pulse has rung down: energy, fields at the wanted frequencies, and port spectra.

The running Fourier sums S_n are looked at after windows of time. What rings at another frequency than that of the sum
turns the changes from window to window, what rings at its own frequency does not. So with the changes d_n and the
complex ratio of two that follow each other,

.. math:: \rho = \frac{\langle d_{n-1}, d_n \rangle}{\lVert d_{n-1} \rVert^2}, \qquad
          \lVert S_\infty - S_n \rVert \approx \lVert d_n \rVert\, \frac{|\rho|}{|1 - \rho|},

for single windows and for groups of three, of which the larger counts. A run has converged when this remainder of the
fields and of the port spectra, and the energy over its peak, are all below the tolerance in two windows that follow
each other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

LAGS = (1, 3)
"""Windows that a change spans."""
GAINS = (0.25, 1000.0)
"""Bounds of the remainder over the last change: what is believed at best, and what rounding can be told from."""
GROWTH_WINDOWS = 6
"""Windows in a row with growing energy after the pulse that are called an instability ..."""
GROWTH_FACTOR = 2.0
"""... if the energy has grown by this factor meanwhile."""


@dataclass
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
    """

    tolerance: float
    source_end: int
    weights: Mapping[str, float] = field(default_factory=dict)
    peak: float = 0.0
    energies: list[float] = field(default_factory=list)
    sums: dict[str, list[np.ndarray]] = field(default_factory=dict)
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
            Samples of the running Fourier sums, by what they belong to ("fields", "ports").
        """
        self.peak = max(self.peak, energy_J)
        remainders = {"energy": max(energy_J, 0.0) / self.peak if self.peak > 0 else 0.0}
        for name, value in sums.items():
            series = self.sums.setdefault(name, [])
            series.append(np.array(value))
            del series[: -2 * max(LAGS) - 1]
            remainders[name] = _remainder(series) * self.weights.get(name, 1.0)
        self.residuals = remainders
        self.history.append(min(max(remainders.values()), 1.0))
        after = step > self.source_end
        self.energies = [*self.energies, energy_J] if after else []
        self.calm = self.calm + 1 if after and self.history[-1] <= self.tolerance else 0
        return self.calm >= 2

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
        out = {"numbers": np.array([self.peak, self.calm]), "energies": np.array(self.energies),
               "history": np.array(self.history)}  # fmt: skip
        out |= {f"sum.{k}": np.stack(v) for k, v in self.sums.items()}
        return out | {f"residual.{k}": np.array(v) for k, v in self.residuals.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.peak, self.calm = float(state["numbers"][0]), int(state["numbers"][1])
        self.energies, self.history = ([float(v) for v in state[k]] for k in ("energies", "history"))
        parts = {k: v for k, v in state.items() if "." in k}
        self.sums = {k[4:]: list(v) for k, v in parts.items() if k.startswith("sum.")}
        self.residuals = {k[9:]: float(v) for k, v in parts.items() if k.startswith("residual.")}


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
