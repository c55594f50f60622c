"""A field or gradient that swings with one frequency."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import flag, one_of, positive
from emdose.errors import InputError
from emdose.models.gradients.plausibility import require_plausible
from emdose.models.gradients.spectrum import Spectrum, Unit
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Sinusoid:
    """A field that swings with one frequency.

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    rms : sequence of float
        Root mean square of the rate per axis, in phase; negative turns the sign [unit/s].
    unit : "T" or "T/m"
        What it is the rate of.
    name : str
        Name shown in reports.
    unusual : bool
        Whether it may be one that no gradient system makes.

    Raises
    ------
    InputError
        For a frequency that is not positive, for a rate that is not finite or zero on every axis, and for strengths or
        times that no gradient system has, see :mod:`emdose.models.gradients.plausibility`.
    """

    frequency_Hz: float
    rms: Any = (0.0, 0.0, 1.0)
    unit: Unit = "T"
    name: str = "sinusoid"
    unusual: bool = False

    def __post_init__(self) -> None:
        positive("frequency_Hz", self.frequency_Hz)
        rate = np.atleast_1d(np.asarray(self.rms, float))
        if rate.ndim != 1 or not np.all(np.isfinite(rate)) or not np.any(rate):
            raise InputError(
                "bad rate of a sinusoid",
                field="rms",
                found=self.rms,
                expected="finite numbers, one per axis, not all zero",
            )
        one_of("unit", self.unit, ("T", "T/m"), problem="unknown unit of a waveform")
        object.__setattr__(self, "rms", rate)
        if not flag("unusual", self.unusual):
            require_plausible(self.name, self.unit, float(self.field_peak.max()), float(self.peak.max()))

    @property
    def axes(self) -> int:
        """Number of axes."""
        return len(self.rms)

    @property
    def rate_unit(self) -> str:
        """Unit of the rate: "T/s" or "T/m/s"."""
        return f"{self.unit}/s"

    @property
    def duration_s(self) -> float:
        """One period [s]."""
        return 1 / self.frequency_Hz

    @property
    def peak(self) -> np.ndarray:
        """Largest magnitude of the rate per axis, shape (axes,) [unit/s]."""
        return math.sqrt(2) * np.abs(self.rms)

    @property
    def field_peak(self) -> np.ndarray:
        """Peak of the field or gradient itself per axis: rate / (2 pi f), shape (axes,) [unit]."""
        return self.peak / (2 * np.pi * self.frequency_Hz)

    @property
    def about(self) -> dict[str, Any]:
        """What it is, for the provenance."""
        return {"kind": "sinusoid", "frequency_Hz": self.frequency_Hz, "rms": self.rms.tolist(), "unit": self.rate_unit}

    def rate(self, times_s: np.ndarray) -> np.ndarray:
        """The rate at some times, shape (times, axes) [unit/s]."""
        return math.sqrt(2) * np.cos(2 * np.pi * self.frequency_Hz * np.asarray(times_s, float))[:, None] * self.rms

    def harmonics(self, *, count: int | None = None, max_frequency_Hz: float | None = None) -> Spectrum:
        """The one harmonic; raises InputError when ``count`` or ``max_frequency_Hz`` leave it out."""
        if (count is not None and count < 1) or (max_frequency_Hz is not None and max_frequency_Hz < self.frequency_Hz):
            raise InputError(
                "no harmonic of the waveform below the highest frequency",
                field="max_frequency_Hz",
                found=max_frequency_Hz,
                expected=f">= {self.frequency_Hz:.4g} Hz",
            )
        return Spectrum(np.array([self.frequency_Hz]), math.sqrt(2) * self.rms[None], self.rate_unit)
