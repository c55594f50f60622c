r"""The pulse that excites a run: a differentiated Gaussian, whose spectrum peaks at the frequency of interest.

.. math:: s(t) = -\frac{t - t_0}{\tau} e^{\frac12 - \frac{(t - t_0)^2}{2 \tau^2}}, \qquad
          |S(f)| \propto \omega \tau\, e^{-\frac12 (\omega \tau)^2}, \qquad \tau = \frac{1}{\omega_0}

It holds nothing at zero frequency, so that no static charge or current is left behind, and lasts two periods.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DELAY = 6.0
"""Time of the middle in units of tau: the pulse starts and ends at 1e-7 of its peak."""


@dataclass(frozen=True)
class Pulse:
    """Differentiated Gaussian of peak 1.

    Parameters
    ----------
    frequency_Hz : float
        Peak of the spectrum [Hz].
    delay : float
        Time of the middle in units of tau.
    """

    frequency_Hz: float
    delay: float = DELAY

    @property
    def tau_s(self) -> float:
        """Standard deviation of the Gaussian [s]."""
        return 1 / (2 * math.pi * self.frequency_Hz)

    @property
    def end_s(self) -> float:
        """Time after which it is silent [s]."""
        return 2 * self.delay * self.tau_s

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        t = np.asarray(t, float)
        x = t / self.tau_s - self.delay
        return np.where((t >= 0) & (t <= self.end_s), -x * np.exp(0.5 - 0.5 * x * x), 0.0)

    def spectrum(self, frequencies_Hz: np.ndarray, time_step_s: float) -> np.ndarray:
        """Sum over s((n + 1/2) dt) exp(-j w (n + 1/2) dt) dt, (f,) complex [s]."""
        t = (np.arange(math.ceil(self.end_s / time_step_s) + 1) + 0.5) * time_step_s
        kernel = np.exp(-2j * math.pi * np.outer(np.asarray(frequencies_Hz, float), t))
        return kernel @ self(t) * time_step_s
