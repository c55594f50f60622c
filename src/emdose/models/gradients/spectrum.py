"""Harmonics of the rate of a gradient waveform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from emdose.errors import InputError
from emdose.values import read_only

Unit = Literal["T", "T/m"]
"""What a waveform is of: a magnetic flux density, or a gradient of it."""


@read_only
@dataclass(frozen=True, eq=False)
class Spectrum:
    """Harmonics of the rate of a waveform.

    Parameters
    ----------
    frequencies_Hz : (h,) float ndarray
        Frequencies, all positive [Hz].
    amplitudes : (h, axes) complex ndarray
        Peak phasors of the rate, in ``unit``.
    unit : str
        "T/s" for dB/dt, "T/m/s" for slew rates.
    rms_total : (axes,) float ndarray, optional
        Root mean square of the whole rate, harmonics that were left out included.

    Raises
    ------
    InputError
        When the arrays do not fit each other, or hold values that are not finite, or frequencies <= 0.
    """

    frequencies_Hz: np.ndarray
    amplitudes: np.ndarray
    unit: str = "T/s"
    rms_total: np.ndarray | None = None

    def __post_init__(self) -> None:
        f = np.atleast_1d(np.asarray(self.frequencies_Hz, float))
        a = np.asarray(self.amplitudes, complex)
        if f.ndim != 1 or a.ndim != 2 or len(a) != len(f):
            raise InputError(
                "amplitudes do not fit the frequencies",
                field="amplitudes",
                found=a.shape,
                expected=f"shape ({len(f)}, axes)",
            )
        if not (np.all(np.isfinite(f)) and np.all(f > 0)):
            raise InputError("bad frequency of a harmonic", field="frequencies_Hz", expected="finite numbers > 0")
        if not np.all(np.isfinite(a)):
            raise InputError("an amplitude is not finite", field="amplitudes")
        total = np.sqrt(0.5 * (np.abs(a) ** 2).sum(0)) if self.rms_total is None else np.asarray(self.rms_total, float)
        for key, value in (("frequencies_Hz", f), ("amplitudes", a), ("rms_total", total)):
            object.__setattr__(self, key, value)

    @property
    def rms(self) -> np.ndarray:
        """Root mean square of the harmonics per axis, shape (axes,) [unit]."""
        return np.sqrt(0.5 * (np.abs(self.amplitudes) ** 2).sum(0))

    @property
    def dropped(self) -> float:
        """Share of the mean square of the rate that lies in harmonics that were left out."""
        assert self.rms_total is not None
        whole = float((self.rms_total**2).sum())
        return 0.0 if whole == 0 else max(0.0, 1 - float((self.rms**2).sum()) / whole)

    def through(self, matrix: np.ndarray, unit: str = "T/s") -> Spectrum:
        """The spectrum behind a linear map of the axes, such as dB/dt at a place from the slew rates of three coils.

        Parameters
        ----------
        matrix : (m, axes) real ndarray
            Such as :meth:`GradientSet.matrix` [T per T/m].
        unit : str
            Unit of the result.
        """
        matrix = np.asarray(matrix, float)
        if matrix.ndim != 2 or matrix.shape[1] != self.amplitudes.shape[1]:
            raise InputError(
                "map does not fit the axes of the waveform",
                field="matrix",
                found=matrix.shape,
                expected=f"(m, {self.amplitudes.shape[1]})",
            )
        made = Spectrum(self.frequencies_Hz, self.amplitudes @ matrix.T, unit)
        scale = np.sqrt(1 / (1 - self.dropped)) if self.dropped < 1 else 1.0
        return replace(made, rms_total=made.rms * scale)

    def strongest(self, count: int) -> Spectrum:
        """The ``count`` harmonics with the largest amplitudes, in order of frequency."""
        chosen = np.sort(np.argsort(-(np.abs(self.amplitudes) ** 2).sum(1), kind="stable")[:count])
        return replace(self, frequencies_Hz=self.frequencies_Hz[chosen], amplitudes=self.amplitudes[chosen])
