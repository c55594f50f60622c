r"""When a pulse has rung down: energy, fields at the wanted frequencies, and port spectra.

The running Fourier sums are looked at in windows of time. With d_n the relative change of a sum in window n and r the
ratio by which changes shrink, what is still to come is at most about

.. math:: \sum_{m > n} d_m \approx d_n \frac{r}{1 - r}

A run has converged when this remainder of the fields and of the port spectra, and the root of the energy over its
peak, are all below the tolerance in two windows that follow each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

RATIOS = (0.2, 0.999)
"""Changes are believed to shrink by a factor between these per window; rounding alone makes them stay the same."""
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
    """

    tolerance: float
    source_end: int
    peak: float = 0.0
    energies: list[float] = field(default_factory=list)
    sums: dict[str, np.ndarray] = field(default_factory=dict)
    changes: dict[str, list[float]] = field(default_factory=dict)
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
        remainders = {"energy": math.sqrt(max(energy_J, 0.0) / self.peak) if self.peak > 0 else 0.0}
        for name, value in sums.items():
            old = self.sums.get(name)
            self.sums[name] = np.array(value)
            if old is None or not value.size:
                continue
            size = float(np.linalg.norm(value))
            changes = self.changes.setdefault(name, [])
            changes.append(float(np.linalg.norm(value - old)) / size if size > 0 else 0.0)
            remainders[name] = _remainder(changes)
        self.residuals = remainders
        self.history.append(max(remainders.values()) if len(remainders) > len(self.sums) else 1.0)
        after = step > self.source_end
        self.energies = [*self.energies, energy_J] if after else []
        complete = after and len(remainders) == len(sums) + 1
        self.calm = self.calm + 1 if complete and self.history[-1] <= self.tolerance else 0
        return self.calm >= 2

    @property
    def residual(self) -> float:
        """The largest remainder of the last window."""
        return self.history[-1] if self.history else 1.0

    @property
    def energy_dB(self) -> float:
        """Energy over its peak as seen in the last window [dB]."""
        ratio = self.residuals.get("energy", 1.0)
        return 20 * math.log10(ratio) if ratio > 0 else -400.0

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
        out |= {f"sum.{k}": v for k, v in self.sums.items()}
        out |= {f"change.{k}": np.array(v) for k, v in self.changes.items()}
        return out | {f"residual.{k}": np.array(v) for k, v in self.residuals.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state` gave."""
        self.peak, self.calm = float(state["numbers"][0]), int(state["numbers"][1])
        self.energies, self.history = ([float(v) for v in state[k]] for k in ("energies", "history"))
        parts = {k: v for k, v in state.items() if "." in k}
        self.sums = {k[4:]: np.array(v) for k, v in parts.items() if k.startswith("sum.")}
        self.changes = {k[7:]: [float(x) for x in v] for k, v in parts.items() if k.startswith("change.")}
        self.residuals = {k[9:]: float(v) for k, v in parts.items() if k.startswith("residual.")}


def _remainder(changes: list[float]) -> float:
    """What is still to come after the last change of a series that shrinks geometrically."""
    if len(changes) < 3:
        return math.inf
    last = max(changes[-2:])
    if last == 0:
        return 0.0
    before = max(changes[-3:-1]) if len(changes) < 4 else max(changes[-4:-2])
    ratio = (last / before) ** (1.0 if len(changes) < 4 else 0.5) if before > 0 else 1.0
    ratio = min(max(ratio, RATIOS[0]), RATIOS[1])
    return last * ratio / (1 - ratio)
