"""Stimulation of nerves by all gradients of a sequence, with the maxima between corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emdose.checks import array, positive
from emdose.dosimetry.sequences.pulses import PulseSequence
from emdose.dosimetry.stimulation.extremes import Start, StimulationPeaks
from emdose.dosimetry.stimulation.nerve import NerveModel
from emdose.dosimetry.stimulation.safe import SafeModel
from emdose.errors import InputError
from emdose.models.gradients.waveform import AXES, Waveform
from emdose.values import read_only

PARTS = 2000
"""Of the course over the sequence."""
DETAIL_s = 0.25
"""Longest course that is told around the largest response, on either side of it."""


@read_only
@dataclass(frozen=True, eq=False)
class SequencePns:
    """Stimulation of nerves over a sequence, 1 at the threshold of the nerve model or at the limit of the hardware.

    Parameters
    ----------
    name : str
        Name of the sequence.
    model : NerveModel or SafeModel
        What the response is that of.
    start : str
        "rest", "repeated" or "worst": what was before the sequence.
    peaks : StimulationPeaks
        Largest responses of x, y and z of the magnet and of all together, and the course of largest responses.
    axis_blocks : (3,) integer ndarray
        Blocks in which the axes have theirs, counted from 0.
    peak_block : int
        Block in which all together have theirs.
    detail_times_s : (k,) ndarray
        Times of the repetition that has the largest response, or of the part of it around that [s].
    detail : (k, 4) ndarray
        Responses of x, y and z and of all together at these times.

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    name: str
    model: NerveModel | SafeModel
    start: str
    peaks: StimulationPeaks
    axis_blocks: np.ndarray
    peak_block: int
    detail_times_s: np.ndarray
    detail: np.ndarray

    def __post_init__(self) -> None:
        array("detail", self.detail, (len(self.detail_times_s), 4))

    @property
    def peak(self) -> float:
        """Largest response of all axes together."""
        return self.peaks.peak

    @property
    def peak_time_s(self) -> float:
        """When [s]."""
        return self.peaks.peak_time_s

    @property
    def axis_peaks(self) -> dict[str, float]:
        """Largest response of every axis alone, by its letter."""
        return dict(zip(AXES, map(float, self.peaks.axis_peaks), strict=True))

    def shares(self, limit: float) -> dict[str, float]:
        """Largest responses of x, y, z and of all ("combined") over a limit, such as 0.8 of the normal mode."""
        positive("limit", limit)
        return {key: value / limit for key, value in (self.axis_peaks | {"combined": self.peak}).items()}


def sequence_pns(
    sequence: PulseSequence,
    model: NerveModel | SafeModel | None = None,
    *,
    rotation: Sequence[Sequence[float]] | np.ndarray | None = None,
    start: Start = "worst",
    parts: int = PARTS,
) -> SequencePns:
    """Stimulation of nerves by the gradients of a whole sequence.

    The largest responses are those between corners as well, to 1e-10, over every piece of the sequence.

    Parameters
    ----------
    sequence : PulseSequence
        See :func:`emdose.read_pulse_sequence`.
    model : NerveModel or SafeModel, optional
        The nerve impulse response, by default that of whole-body gradient coils, or the hardware model of a scanner,
        see :func:`emdose.read_stimulation_model`.
    rotation : (3, 3) array_like, optional
        Turns the axes of the sequence into x, y, z of the magnet; by default they are the same.
    start : "rest", "repeated" or "worst"
        Nothing before the sequence, or the sequence without end; or the larger of both at any time.
    parts : int
        In how many parts the course over the sequence is told, each with its largest responses.

    Raises
    ------
    InputError
        For a sequence without gradients, and a matrix that does not turn.

    Source: as for :class:`emdose.NerveModel` and :class:`emdose.SafeModel`.
    """
    waveform = turned_gradients(sequence, rotation)
    model = NerveModel() if model is None else model
    peaks = model.peaks(waveform, start=start, parts=parts)
    times, detail = _detail(model, waveform, start, _window(sequence, waveform, peaks.peak_time_s))
    blocks = blocks_at(sequence, np.append(peaks.axis_times_s, peaks.peak_time_s))
    return SequencePns(sequence.name, model, start, peaks, blocks[:-1], int(blocks[-1]), times, detail)


def turned_gradients(sequence: PulseSequence, rotation: Sequence[Sequence[float]] | np.ndarray | None) -> Waveform:
    """The gradients of a sequence along the axes of the magnet; raises InputError when it has none."""
    waveform = sequence.gradients
    if waveform is None:
        expected = "[TRAP] or [GRADIENTS] that a block plays, read with gradients=True"
        raise InputError("sequence without gradients", field=sequence.name, expected=expected)
    if rotation is None:
        return waveform
    matrix = array("rotation", rotation, (3, 3))
    if np.abs(matrix @ matrix.T - np.eye(3)).max() > 1e-6:
        raise InputError("not a rotation", field="rotation", expected="three rows of length 1, normal to each other")
    return replace(waveform, starts=waveform.starts @ matrix.T, stops=waveform.stops @ matrix.T)


def blocks_at(sequence: PulseSequence, times_s: np.ndarray) -> np.ndarray:
    """Numbers of the blocks, from 0, that end or go on at some times."""
    return np.clip(np.searchsorted(sequence.starts_s, np.asarray(times_s) - 1e-9, "left") - 1, 0, None)


def _window(sequence: PulseSequence, waveform: Waveform, now: float) -> tuple[float, float]:
    begins = sequence.starts_s[sequence.repetitions]
    k = int(np.searchsorted(begins, now - 1e-9, "right")) - 1
    low = float(begins[max(k, 0)])
    high = float(begins[k + 1]) if k + 1 < len(begins) else sequence.duration_s
    first, last = float(waveform.times_s[0]), float(waveform.times_s[-1])
    return max(low, now - DETAIL_s, first), min(max(high, now), now + DETAIL_s, last)


def _detail(
    model: NerveModel | SafeModel, waveform: Waveform, start: Start, between: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(model, NerveModel):
        found = model.response(waveform, start=start, between_s=between)
        times, per_axis = found.times_s, np.abs(found.per_axis * found.weights)
    else:
        times, per_axis = model.response(waveform, start=start, between_s=between)
    return times, np.column_stack([per_axis, np.linalg.norm(per_axis, axis=1)])
