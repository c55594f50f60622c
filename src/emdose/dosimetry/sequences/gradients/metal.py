r"""What the gradients of a whole sequence heat metal with: the power of every repetition, worst windows, and the rise.

.. math:: P = \sum_n \mathbf b_n^H M(f_n)\, \mathbf b_n, \qquad \mathbf b_n = \frac{1}{\sqrt 2}\, G\, \mathbf s_n

with the harmonics s_n of the slew rates of a repetition, the field G of the gradient coils at the metal, and its power
matrix M. Repetitions that are alike are summed up once. Each counts as one of an endless row of its like: what eddy
currents of one leave in the next, which decay within milliseconds, is taken from its own end.

Source: A. Arduino et al., Phys. Med. Biol. 64 (2019) 245006 (repetitions of sequences as periodic waveforms);
:class:`emdose.PowerTensor`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, flag, positive
from emdose.dosimetry.sequences.courses import RfCourse, SequenceWindow, window_maxima
from emdose.dosimetry.sequences.gradients.nerves import turned_gradients
from emdose.dosimetry.sequences.pulses import PulseSequence
from emdose.errors import InputError
from emdose.models.gradients.spectrum import Spectrum
from emdose.models.gradients.waveform import SHORTEST_s
from emdose.solvers.heat.directions import HeatResult, HotSpot
from emdose.solvers.heat.stepping import Envelope
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.values import read_only

WINDOWS_S = (360.0, 600.0)
"""Windows of which the largest mean power is told [s]."""


@read_only(units={"power_W": "W", "mean_square": "(unit of source)^2"})
@dataclass(frozen=True, eq=False)
class SequenceHeating:
    """Power of the gradients of a sequence in metal.

    Parameters
    ----------
    name : str
        Name of the sequence.
    edges_s : (p + 1,) ndarray
        Ends of its repetitions, or of what is taken together [s].
    power_W : (p,) ndarray
        Mean power of each [W].
    windows : tuple of SequenceWindow
        Largest means over windows: value [W], beginning [s] and energy [J].
    repeated : bool
        Whether the sequence is played without end, or once.
    mean_square : (n, n) ndarray
        Means over the sequence of products of the rates of the sources of the power matrix, such as dB/dt.
    beyond_W : float
        What harmonics beyond the highest frequency that was looked at can add to the mean power, by the matrix at this
        frequency, which falls from there on [W].
    highest_Hz : float
        This frequency [Hz].

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    name: str
    edges_s: np.ndarray
    power_W: np.ndarray
    windows: tuple[SequenceWindow, ...]
    repeated: bool
    mean_square: np.ndarray
    beyond_W: float
    highest_Hz: float

    def __post_init__(self) -> None:
        array("power_W", self.power_W, (len(self.edges_s) - 1,))

    @property
    def mean_W(self) -> float:
        """Mean power over the sequence [W]."""
        return float(self.power_W @ np.diff(self.edges_s) / (self.edges_s[-1] - self.edges_s[0]))

    def envelope(self, duration_s: float) -> Envelope:
        """Power over its mean over the sequence, for :meth:`emdose.Bioheat.solve`.

        Parameters
        ----------
        duration_s : float
            How long [s]; behind the end of a sequence that is played once there is nothing.
        """
        positive("duration_s", duration_s)
        begins = self.edges_s[:-1] - self.edges_s[0]
        length = float(self.edges_s[-1] - self.edges_s[0])
        turns = int(np.ceil(duration_s / length * (1 - 1e-9))) if self.repeated else 1
        times = np.concatenate([begins + n * length for n in range(turns)] + ([] if self.repeated else [[length]]))
        factors = np.concatenate([np.tile(self.power_W / self.mean_W, turns), [] if self.repeated else [0.0]])
        # Neighbours of the same power are one piece.
        changes = np.concatenate([[True], np.abs(np.diff(factors)) > 1e-9]) & (times < duration_s)
        return Envelope(times[changes], factors[changes])

    def rise(self, heat: HeatResult, tissue_only: bool = False) -> HotSpot:
        """Rise of temperature at the end of a heat run, at the power of this sequence.

        The pattern over space is that of the harmonics of the run, for the directions that the field of this sequence
        has; its strength is that of ``mean_W``.

        Parameters
        ----------
        heat : HeatResult
            Of the metal in the same pose, its course in time given by :meth:`envelope` (or of constant power, for the
            rise at the mean).
        tissue_only : bool
            Leave out voxels without tissue.
        """
        return heat.peak(self.field_of(heat), extra=False, tissue_only=tissue_only)

    def field_of(self, heat: HeatResult) -> np.ndarray:
        """Mean products of dB/dt (3, 3), in multiples of the waveform of a heat run, that deposit ``mean_W``."""
        C = np.asarray(self.mean_square)[:3, :3]
        power = float((C * heat.power_matrix).sum())
        if not power > 0:
            raise InputError("the field of the sequence does not heat this metal", field="heat", found=f"{power:g} W")
        return C * (self.mean_W / power)


def sequence_heating(
    sequence: PulseSequence,
    power: PowerTensor,
    matrix: Any,
    *,
    windows_s: Sequence[float] = WINDOWS_S,
    repeated: bool = True,
    rotation: Sequence[Sequence[float]] | np.ndarray | None = None,
    shortest_s: float = SHORTEST_s,
    max_frequency_Hz: float | None = None,
) -> SequenceHeating:
    """Power of the gradients of a whole sequence in metal, over time and in the worst windows.

    Parameters
    ----------
    sequence : PulseSequence
        See :func:`emdose.read_pulse_sequence`.
    power : PowerTensor
        Of the metal in its pose, from :meth:`emdose.EddyCurrent.solve`.
    matrix : (n, 3) array_like
        Rates of its n sources per slew rate of the axes x, y, z of the magnet, such as ``GradientSet().matrix(place)``
        for a tensor with linear sources, or ``GradientSet().uniform_matrix(place)``.
    windows_s : sequence of float
        Lengths of the windows [s].
    repeated : bool
        Whether the sequence is played without end, or once with nothing before and after it.
    rotation : (3, 3) array_like, optional
        Turns the axes of the sequence into x, y, z of the magnet; by default they are the same.
    shortest_s : float
        Shortest part of which the power is told; shorter repetitions are taken together [s].
    max_frequency_Hz : float, optional
        Highest harmonic; by default the highest frequency of the tensor [Hz].

    Raises
    ------
    InputError
        For a sequence without gradients, a matrix that does not fit the tensor, and gradients that are nowhere at rest,
        so that they cannot be cut into parts.

    Source: as the module.
    """
    flag("repeated", repeated)
    waveform = turned_gradients(sequence, rotation)
    if not len(waveform.splits_s):
        waveform = sequence.cuts_of(waveform)
    fields = array("matrix", matrix, (len(power.sources), waveform.axes))
    highest = positive("max_frequency_Hz", power.frequencies_Hz[-1] if max_frequency_Hz is None else max_frequency_Hz)

    def of(spectrum: Spectrum) -> tuple[float, float]:
        there = spectrum.through(fields)
        return power.average_power(there), float((there.rms**2).sum())

    edges, found = waveform.power_course(of, shortest_s=shortest_s, max_frequency_Hz=highest)
    watts, seen = found.T
    mean_square = fields @ waveform.mean_square @ fields.T
    left = float(np.trace(mean_square)) - float(seen @ np.diff(edges)) / waveform.duration_s
    beyond = max(left, 0.0) * float(np.linalg.eigvalsh(power.at(highest))[-1])
    course = _course(edges, watts)
    windows = tuple(
        window_maxima(course, {"power": np.ones((1, 1))}, positive("windows_s", w), repeated=repeated)["power"]
        for w in windows_s
    )
    return SequenceHeating(sequence.name, edges, watts, windows, repeated, mean_square, beyond, highest)


def _course(edges: np.ndarray, watts: np.ndarray) -> RfCourse:
    """Power that is constant from edge to edge, as the course whose windows are known exactly: energies in J."""
    lengths = np.diff(edges)
    different, shape = np.unique(np.round(lengths, 9), return_inverse=True)
    on = np.flatnonzero(watts > 0)
    shapes = tuple((np.array([0.0, length]), np.array([0.0, 1.0])) for length in different)
    begins = edges[:-1] - edges[0]
    return RfCourse(
        begins[on],
        begins[on] + lengths[on],
        watts[on] * lengths[on],
        shape[on],
        np.zeros(len(on), np.int64),
        shapes,
        1,
        float(edges[-1] - edges[0]),
    )
