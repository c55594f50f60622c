r"""Two pulses a quarter of a period apart at one frequency: a complex source takes one run instead of two.

A source :math:`\mathbf E_r s(t) + \mathbf E_i q(t)` is real, and where the spectra obey :math:`Q(f) = j\,S(f)` its
phasor at f is :math:`(\mathbf E_r + j \mathbf E_i) S(f)`. s is the first derivative of a Gaussian and q, but for a
small share of s, the second: neither holds anything at zero frequency.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.solvers.fdtd.setup.pulse import Pulse

SHORTER = 4.0
"""Peak of the spectrum over the frequency: tissue forgets within nanoseconds, so a short pulse makes a short run."""


@dataclass(frozen=True)
class QuarterPulse:
    """The second pulse.

    Parameters
    ----------
    pulse : Pulse
        The first one.
    shares : (float, float)
        Of the second and of the first derivative.
    """

    pulse: Pulse
    shares: tuple[float, float]

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        return self.shares[0] * _second(self.pulse, t) + self.shares[1] * self.pulse(t)


def quarter(pulse: Pulse, frequency_Hz: float, time_step_s: float) -> QuarterPulse:
    """The pulse whose spectrum at a frequency is j times that of another one.

    Parameters
    ----------
    pulse : Pulse
        The other one.
    frequency_Hz : float
        Frequency [Hz].
    time_step_s : float
        Time step at which both are sampled [s].
    """
    t = (np.arange(int(pulse.end_s / time_step_s) + 2) + 0.5) * time_step_s
    kernel = np.exp(-2j * np.pi * frequency_Hz * t)
    ratio = (kernel @ _second(pulse, t)) / (kernel @ pulse(t))
    return QuarterPulse(pulse, (float(1 / ratio.imag), float(-ratio.real / ratio.imag)))


def _second(pulse: Pulse, t: np.ndarray) -> np.ndarray:
    t = np.asarray(t, float)
    x = t / pulse.tau_s - pulse.delay
    return np.where((t >= 0) & (t <= pulse.end_s), (x * x - 1) * np.exp(0.5 - 0.5 * x * x), 0.0)
