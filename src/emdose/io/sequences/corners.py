"""Gradients of a parsed Pulseq sequence as one waveform; events that come again are made once."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.gradients.pulseq import append_corners
from emdose.io.sequences.dialects import Prepared
from emdose.models.gradients.trains import from_corners
from emdose.models.gradients.waveform import Waveform


def waveform(sequence: Any, before: Prepared, durations: np.ndarray, named: dict[str, Any]) -> Waveform | None:
    """The gradients along x, y and z, turned where a block turns them; None when there are none.

    Parameters
    ----------
    sequence : pypulseq.Sequence
        As it was read.
    before : Prepared
        Its blocks and rotations.
    durations : (block,) ndarray
        Of its blocks [s].
    named : dict
        Arguments of :func:`~emdose.models.gradients.trains.from_corners`.

    Raises
    ------
    InputError
        For events that are not there, gradients that step, and such as no gradient system has.
    """
    gamma = float(sequence.system.gamma)
    events: dict[int, np.ndarray] = {}
    lines: list[list[np.ndarray]] = [[], [], []]
    ends = [(0.0, 0.0)] * 3  # last time and value of every axis
    start = 0.0
    for block, length in zip(before.blocks.tolist(), durations.tolist(), strict=True):
        parts = []
        for number in block[3:6]:
            if number and number not in events:
                events[number] = _event(sequence, number, gamma)
            parts.append(events.get(number) if number else None)
        turned = before.rotation_of.get(block[7])
        if turned is not None and any(p is not None for p in parts):
            parts = _turned(parts, before.rotations[turned], length)
        for axis, points in enumerate(parts):
            if points is not None:
                ends[axis] = append_corners(lines[axis], points + np.array([start, 0.0]), ends[axis])
        start += length
    if not any(lines):
        return None
    joined: list[Any] = [np.concatenate(line) if line else np.zeros((0, 2)) for line in lines]
    last = max([start, *(line[-1, 0] for line in joined if len(line))])
    if not any(np.any(line[:, 1]) for line in joined if len(line)):
        return None
    return from_corners(joined, last, unit="T/m", **named)


def shape_of(sequence: Any, number: Any) -> np.ndarray:
    """A shape of the library without its compression; raises InputError for one that is not there."""
    import pypulseq

    if number not in sequence.shape_library.data:
        raise InputError("shape that is not there", field="[SHAPES]", found=int(number))
    data = sequence.shape_library.data[number]
    packed = type("Shape", (), {"num_samples": data[0], "data": data[1:]})()
    return np.asarray(pypulseq.decompress_shape.decompress_shape(packed), float)


def _event(sequence: Any, number: int, gamma: float) -> np.ndarray:
    """Corners of one event from the beginning of its block: times [s] and gradients [T/m]."""
    library = sequence.grad_library
    data = library.data[number]
    if library.type[number] == "t":
        amplitude, rise, flat, fall, delay = map(float, data)
        times = delay + np.cumsum([0.0, rise, flat, fall])
        return np.column_stack([times, np.array([0, 1, 1, 0]) * amplitude / gamma])
    amplitude, first, last, shape, timing, delay = data
    raster = float(sequence.grad_raster_time)
    values = float(amplitude) * shape_of(sequence, shape)
    if timing > 0:
        return np.column_stack([float(delay) + shape_of(sequence, timing) * raster, values / gamma])
    step = raster if timing == 0 else 0.5 * raster
    inner = step * (np.arange(len(values)) + (0.5 if timing == 0 else 1.0))
    end = raster * (len(values) if timing == 0 else (len(values) + 1) / 2)
    times = float(delay) + np.concatenate([[0.0], inner, [end]])
    return np.column_stack([times, np.concatenate([[float(first)], values, [float(last)]]) / gamma])


def _turned(parts: list[np.ndarray | None], matrix: np.ndarray, length: float) -> list[np.ndarray | None]:
    """Corners of the three axes of a block after a rotation."""
    times = np.unique(np.concatenate([p[:, 0] for p in parts if p is not None]))
    times = times[np.concatenate([[True], np.diff(times) > 1e-9])]
    values = np.zeros((3, len(times)))
    for axis, points in enumerate(parts):
        if points is not None:
            values[axis] = np.interp(times, points[:, 0], points[:, 1], left=0.0, right=0.0)
    turned = matrix @ values
    if len(times) and times[-1] > length * (1 + 1e-9) + 1e-9:
        raise InputError("a gradient outlasts its block", field="[BLOCKS]", found=f"{times[-1]:g} s")
    return [np.column_stack([times, line]) for line in turned]
