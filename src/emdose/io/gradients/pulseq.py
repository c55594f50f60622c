"""Gradient waveforms of Pulseq sequences (.seq)."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.files import read_bytes
from emdose.io.gradients.seq_sections import checked
from emdose.models.gradients.trains import from_corners
from emdose.models.gradients.waveform import AXES, Waveform

LARGEST_SEQUENCE = 512 * 2**20
EXPECTED = "a Pulseq sequence (.seq)"
JOIN = 1e-3
"""Largest step between two gradient events, over the largest gradient, that is rounding of the file."""
EXCITING = ("excitation", "undefined")
SECTIONS = ("[VERSION]", "[BLOCKS]")


def read_sequence(path: Path | str, *, unusual: bool = False) -> Waveform:
    """Read the gradients of a Pulseq sequence.

    The result has the three gradient axes in T/m and may be cut (:meth:`Waveform.pieces`) before every excitation at
    which all gradients are zero.

    Parameters
    ----------
    path : Path or str
        A .seq file, format 1.2 or later.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.

    Returns
    -------
    Waveform
        Gradients along x, y and z.

    Raises
    ------
    InputError
        When the file is missing, empty, damaged or no Pulseq sequence, holds no gradients, or gradients that step or
        leave a mean dB/dt. One line that names the file.

    Source: format: K. Layton et al., Magn. Reson. Med. 77 (2017) 1544; read by pypulseq (K. Ravi et al., J. Open Source
    Softw. 4 (2019) 1725).
    """
    path = Path(path)
    text = sequence_text(path)
    try:
        sequence = parsed_sequence(text)
        corners, splits, duration, gamma = _corners(sequence)
    except InputError as error:
        raise error.at(file=path) from None
    except Exception as error:  # pypulseq raises whatever its parsing stumbles over
        reason = " ".join(str(error).split())[:80]
        raise InputError(
            "damaged sequence",
            file=path,
            found=f"{type(error).__name__}: {reason}",
            expected=f"{EXPECTED} that pypulseq can read; em.read_pulse_sequence knows shims and rotations",
        ) from None
    if not any(len(axis) for axis in corners):
        raise InputError(
            "sequence without gradients: nothing would be heated",
            file=path,
            expected="[TRAP] or [GRADIENTS] that a block plays",
        )
    about = {
        "kind": "pulseq",
        "file": path.name,
        "duration_s": duration,
        "excitations": len(splits),
        "gamma_Hz_T": gamma,
    }
    try:
        named: dict[str, Any] = {"name": path.stem, "about": about, "unusual": unusual}
        return from_corners(corners, duration, unit="T/m", splits_s=splits, **named)
    except InputError as error:
        raise error.at(file=path) from None


def sequence_text(path: Path) -> str:
    """Text of a Pulseq file; raises InputError for what cannot be one."""
    data = read_bytes(path, EXPECTED, LARGEST_SEQUENCE)
    if not data.strip():
        raise InputError("empty file", file=path, expected=EXPECTED)
    if b"\0" in data[:4096]:
        raise InputError("binary file", file=path, expected=f"{EXPECTED}, which is text")
    text = data.decode("utf-8", "replace")
    missing = [section for section in SECTIONS if section not in text]
    if missing:
        raise InputError(f"no section {missing[0]}", file=path, expected=EXPECTED)
    return text


def parsed_sequence(text: str, *, detect_rf_use: bool = True) -> Any:
    """The sequence as pypulseq sees it, without its prints and warnings; on request the use of pulses is not told."""
    import pypulseq

    text = checked(text)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "sequence.seq"
        copy.write_text(f"{text}\n\n\n", encoding="utf-8")
        sequence = pypulseq.Sequence()
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sequence.read(str(copy), detect_rf_use=detect_rf_use, remove_duplicates=False)
    if not sequence.block_events:
        raise InputError("sequence without blocks", field="[BLOCKS]", expected="at least one block")
    return sequence


def _corners(sequence: Any) -> tuple[list[Any], list[float], float, float]:
    """Corners of the gradients on three axes [s, T/m], starts of excitations, duration [s] and Hz/T."""
    gamma = float(sequence.system.gamma)
    lines: list[list[np.ndarray]] = [[], [], []]
    ends = [(0.0, 0.0)] * 3  # last time and value of every axis
    splits, start = [], 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in sequence.block_events:
            block = sequence.get_block(number)
            still = True
            for axis, name in enumerate(AXES):
                event = getattr(block, f"g{name}", None)
                points = [] if event is None else _event(event, start, sequence.grad_raster_time)
                still &= not points or abs(points[0][1]) == 0 or points[0][0] > start
                if points:
                    ends[axis] = append_corners(lines[axis], np.array(points) / (1, gamma), ends[axis])
            if block.rf is not None and getattr(block.rf, "use", EXCITING[0]) in EXCITING and still:
                splits.append(start)
            start += float(sequence.block_durations[number])
    if not start > 0:
        raise InputError("sequence of no duration", field="[BLOCKS]")
    last = max([start, *(time for line, (time, _) in zip(lines, ends, strict=True) if line)])
    return [np.concatenate(line) if line else np.zeros((0, 2)) for line in lines], splits, last, gamma


def _event(event: Any, start: float, raster: float) -> list[tuple[float, float]]:
    at = start + float(event.delay)
    if event.type == "trap":
        times = np.cumsum([0.0, event.rise_time, event.flat_time, event.fall_time])
        return [(at + t, float(event.amplitude) * k) for t, k in zip(times, (0, 1, 1, 0), strict=True)]
    times, values = np.asarray(event.tt, float), np.asarray(event.waveform, float)
    points = [(at + float(t), float(g)) for t, g in zip(times, values, strict=True)]
    if times[0] > 0:  # samples in the middle of the raster: the ends stand apart
        points.insert(0, (at, float(event.first)))
        points.append((at + float(np.ceil(times[-1] / raster - 1e-6)) * raster, float(event.last)))
    return points


def append_corners(line: list[np.ndarray], points: np.ndarray, end: tuple[float, float]) -> tuple[float, float]:
    """Add the corners of an event (n, 2) to those of an axis that ends at a time and a value; the new end.

    Between events a gradient is zero, and where two meet it has one value.
    """
    tiny, (time, value) = 1e-9, end
    if not line or points[0, 0] > time + tiny:
        # Away from other events a gradient is zero: a step shows as two values at one time.
        if line and value != 0:
            line.append(np.array([[time, 0.0]]))
        if points[0, 1] != 0:
            line.append(np.array([[points[0, 0], 0.0]]))
    elif abs(points[0, 1] - value) <= JOIN * max(float(np.abs(points[:, 1]).max()), abs(value)):
        points = points[1:]
    line.append(points)
    return end if not len(points) else (float(points[-1, 0]), float(points[-1, 1]))
