"""What a source does in time: values of no unit at any instants, zero before t = 0."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emdose.checks import array, growing, positive
from emdose.errors import InputError


class SourceSignal(Protocol):
    """A function of time."""

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian pulse that begins at ``start`` of its peak.

    .. math:: s(t) = e^{-(t - t_0)^2 / (2 \\tau^2)}, \\quad |S(f)| \\propto e^{-(2 \\pi f \\tau)^2 / 2}

    Parameters
    ----------
    cutoff_Hz : float
        Frequency at which the spectrum has fallen to ``floor`` of its value at 0 [Hz].
    floor : float
        That fraction; 0.1 is -20 dB.
    start : float
        Value at t = 0, as a fraction of the peak.
    """

    cutoff_Hz: float
    floor: float = 0.1
    start: float = 1e-6

    def __post_init__(self) -> None:
        positive("cutoff_Hz", self.cutoff_Hz, problem="bad waveform")

    @property
    def tau_s(self) -> float:
        """Standard deviation in time [s]."""
        return math.sqrt(-2 * math.log(self.floor)) / (2 * math.pi * self.cutoff_Hz)

    @property
    def delay_s(self) -> float:
        """Time of the peak [s]."""
        return self.tau_s * math.sqrt(-2 * math.log(self.start))

    @property
    def duration_s(self) -> float:
        """Time after which it is below ``start`` for good [s]."""
        return 2 * self.delay_s

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        t = np.asarray(t, float)
        return np.where(t >= 0, np.exp(-0.5 * ((t - self.delay_s) / self.tau_s) ** 2), 0.0)


@dataclass(frozen=True)
class ModulatedGaussian:
    """A sine under a Gaussian: no content at zero frequency, so that no static field is left behind.

    Parameters
    ----------
    centre_Hz : float
        Frequency of the sine [Hz].
    bandwidth_Hz : float
        Distance from it at which the spectrum has fallen to ``floor`` of its peak [Hz].
    floor, start : float
        As in :class:`Gaussian`.
    """

    centre_Hz: float
    bandwidth_Hz: float
    floor: float = 0.1
    start: float = 1e-6

    def __post_init__(self) -> None:
        positive("centre_Hz", self.centre_Hz, problem="bad waveform")
        positive("bandwidth_Hz", self.bandwidth_Hz, problem="bad waveform")

    @property
    def envelope(self) -> Gaussian:
        """The Gaussian."""
        return Gaussian(self.bandwidth_Hz, self.floor, self.start)

    @property
    def duration_s(self) -> float:
        """Time after which it is below ``start`` for good [s]."""
        return self.envelope.duration_s

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        t = np.asarray(t, float)
        return self.envelope(t) * np.sin(2 * math.pi * self.centre_Hz * (t - self.envelope.delay_s))


@dataclass(frozen=True)
class RampedSine:
    """A sine that is switched on smoothly: sin(2 pi f t) times (1 - cos(pi t / T)) / 2 until T = ramp_periods / f.

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    ramp_periods : float
        Length of the ramp in periods.
    """

    frequency_Hz: float
    ramp_periods: float = 3.0

    def __post_init__(self) -> None:
        positive("frequency_Hz", self.frequency_Hz, problem="bad waveform")
        positive("ramp_periods", self.ramp_periods, problem="bad waveform")

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        t = np.asarray(t, float)
        part = np.clip(t * self.frequency_Hz / self.ramp_periods, 0.0, 1.0)
        return 0.5 * (1 - np.cos(math.pi * part)) * np.sin(2 * math.pi * self.frequency_Hz * t)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Straight lines between samples; zero outside them.

    Parameters
    ----------
    times_s : (n,) float ndarray
        Growing times [s].
    values : (n,) float ndarray
        Values.
    """

    times_s: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        times, values = (array(n, getattr(self, n), (None,), problem="bad samples") for n in ("times_s", "values"))
        if times.shape != values.shape or len(times) < 2:
            raise InputError(
                "bad samples",
                field="waveform",
                found=f"{times.shape} times, {values.shape} values",
                expected="as many finite values as times, two or more",
            )
        growing("times_s", times, problem="times of a waveform do not grow", unit=" s")
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "values", values)

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s]."""
        return np.interp(np.asarray(t, float), self.times_s, self.values, left=0.0, right=0.0)
