"""Torque of all gradients of a sequence on metal in the static field, repetition by repetition: what makes it vibrate.

Repetitions are periodic waveforms, as for the power in the metal; those that are alike are looked at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, positive, vector
from emdose.errors import InputError
from emdose.mechanics.moments import MomentTensor
from emdose.mechanics.switched import gradient_torque
from emdose.models.gradients.spectrum import Spectrum
from emdose.models.gradients.waveform import SHORTEST_s, Waveform
from emdose.values import read_only


@read_only(units={"rms_N_m": "N m", "peaks_N_m": "N m", "lines_N_m": "N m", "lines_Hz": "Hz"})
@dataclass(frozen=True, eq=False)
class SequenceTorque:
    """Torque of the gradients of a sequence on metal, about its middle.

    Parameters
    ----------
    name : str
        Name of the waveform.
    edges_s : (p + 1,) ndarray
        Ends of the repetitions, or of what is taken together [s].
    rms_N_m, peaks_N_m : (p,) ndarray
        Root mean square and largest magnitude of the torque in each [N m].
    lines_N_m, lines_Hz : (p,) ndarray
        Amplitude (peak) [N m] and frequency [Hz] of the strongest harmonic of each; 0 where nothing is switched.
    highest_Hz : float
        Highest harmonic that was looked at [Hz].

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    name: str
    edges_s: np.ndarray
    rms_N_m: np.ndarray
    peaks_N_m: np.ndarray
    lines_N_m: np.ndarray
    lines_Hz: np.ndarray
    highest_Hz: float

    def __post_init__(self) -> None:
        for key in ("rms_N_m", "peaks_N_m", "lines_N_m", "lines_Hz"):
            array(key, getattr(self, key), (len(self.edges_s) - 1,))

    @property
    def rms(self) -> float:
        """Root mean square over the sequence [N m]."""
        lengths = np.diff(self.edges_s)
        return float(np.sqrt(np.square(self.rms_N_m) @ lengths / lengths.sum()))

    @property
    def largest_rms(self) -> float:
        """Largest root mean square of a repetition [N m]."""
        return float(self.rms_N_m.max())

    @property
    def peak(self) -> float:
        """Largest magnitude over the sequence [N m]."""
        return float(self.peaks_N_m.max())

    @property
    def peak_start_s(self) -> float:
        """When the repetition begins that has it [s]."""
        return float(self.edges_s[int(self.peaks_N_m.argmax())])

    @property
    def strongest_line(self) -> tuple[float, float]:
        """Frequency [Hz] and amplitude (peak) [N m] of the strongest harmonic of all repetitions."""
        k = int(self.lines_N_m.argmax())
        return float(self.lines_Hz[k]), float(self.lines_N_m[k])


def sequence_torque(
    gradients: Waveform,
    moments: MomentTensor,
    matrix: Any,
    B0_T: Any,
    *,
    shortest_s: float = SHORTEST_s,
    max_frequency_Hz: float | None = None,
) -> SequenceTorque:
    """Torque of the gradients of a sequence on metal in a static field: a load that makes it vibrate.

    Parameters
    ----------
    gradients : Waveform
        Of a sequence, such as ``em.read_pulse_sequence(path).gradients``.
    moments : MomentTensor
        Of the metal in its pose, see :func:`emdose.mechanics.moment_tensor`.
    matrix : (3, axes) array_like
        dB/dt at the metal per slew rate of every axis, such as ``GradientSet().uniform_matrix(place)``.
    B0_T : (float, float, float)
        Static field there [T].
    shortest_s : float
        Shortest part of which the torque is told; shorter repetitions are taken together [s].
    max_frequency_Hz : float, optional
        Highest harmonic; by default the highest frequency of the moments [Hz].

    Raises
    ------
    InputError
        For a waveform of a flux density, and a matrix that does not fit it.

    Source: as of :func:`emdose.mechanics.gradient_torque`.
    """
    if gradients.unit != "T/m":
        raise InputError("not a waveform of gradients", field="gradients", found=gradients.unit, expected="T/m")
    fields = array("matrix", matrix, (3, gradients.axes))
    static = vector("B0_T", B0_T)
    if max_frequency_Hz is None and not len(moments.frequencies_Hz):
        raise InputError("highest harmonic is not known", field="max_frequency_Hz", expected="a frequency [Hz]")
    highest = positive("max_frequency_Hz", max_frequency_Hz or float(moments.frequencies_Hz[-1]))

    def of(spectrum: Spectrum) -> tuple[float, float, float, float]:
        load = gradient_torque(moments, spectrum.through(fields), static)
        line = np.sqrt((np.abs(load.amplitudes) ** 2).sum(axis=1))
        k = int(line.argmax())
        return load.rms**2, load.peak, float(line[k]), float(load.frequencies_Hz[k])

    edges, found = gradients.power_course(of, shortest_s=shortest_s, max_frequency_Hz=highest)
    square, peaks, lines, frequencies = found.T
    return SequenceTorque(gradients.name, edges, np.sqrt(square), peaks, lines, frequencies, highest)
