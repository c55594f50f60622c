"""Pulse sequences of Pulseq files (.seq): RF with its shims, blocks and gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.dosimetry.sequences.pulses import LARGEST_EXCITATION_DEG, NONE, PulseSequence, RfPulse
from emdose.errors import InputError
from emdose.io.gradients.pulseq import EXPECTED, parsed_sequence, sequence_text
from emdose.io.sequences import corners
from emdose.io.sequences.dialects import SHAPE_DIALECT, TEXT_DIALECT, Prepared, prepared

USE_OF = {
    "e": "excitation",
    "r": "refocusing",
    "i": "inversion",
    "s": "saturation",
    "p": "preparation",
    "o": "other",
}
PHASES = ("radian", "turns")


def read_pulse_sequence(
    path: Path | str,
    *,
    gradients: bool = True,
    unusual: bool = False,
    rasters: Mapping[str, float] | None = None,
    shim_phase: str | None = None,
) -> PulseSequence:
    """Read the RF pulses, shims, blocks and gradients of a Pulseq sequence.

    Samples of a pulse are played for one raster time each, as scanners do; a pulse with times of its own is straight
    between them. Soft delays and triggers have the lengths that the file gives them.

    Parameters
    ----------
    path : Path or str
        A .seq file, versions 1.2 to 1.5, with shims of the extension RF_SHIMS or of PyPulseq_rfshim.
    gradients : bool
        Whether gradients are read too.
    unusual : bool
        Whether gradients may be such as no gradient system has.
    rasters : mapping, optional
        Raster times that the file does not state, such as {"RadiofrequencyRasterTime": 1e-6} [s].
    shim_phase : "radian" or "turns", optional
        What phases of shims of PyPulseq_rfshim are, where it cannot be seen.

    Returns
    -------
    PulseSequence
        Its pulses, shims and gradients.

    Raises
    ------
    InputError
        When the file is missing, damaged or no Pulseq sequence, has no RF, states no raster, or gradients step. One
        line that names the file.

    Source: Pulseq file specification 1.5.1; K. Layton et al., Magn. Reson. Med. 77 (2017) 1544; read by pypulseq
    (K. Ravi et al., J. Open Source Softw. 4 (2019) 1725).
    """
    path = Path(path)
    if shim_phase is not None:
        one_of("shim_phase", shim_phase, PHASES, problem="unknown unit of phases")
    try:
        before = prepared(sequence_text(path), rasters)
        return _read(before, path, gradients, unusual, shim_phase)
    except InputError as error:
        raise error.at(file=path) from None
    except Exception as error:  # pypulseq raises whatever its parsing stumbles over
        reason = " ".join(str(error).split())[:80]
        raise InputError(
            "damaged sequence",
            file=path,
            found=f"{type(error).__name__}: {reason}",
            expected=f"{EXPECTED} that pypulseq can read",
        ) from None


def _read(before: Prepared, path: Path, gradients: bool, unusual: bool, shim_phase: str | None) -> PulseSequence:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The use of pulses is told apart here: pypulseq looks through all blocks for every pulse.
        sequence = parsed_sequence(before.text, detect_rf_use=False)
        numbers = before.blocks[:, 0].tolist()
        durations = np.array([float(sequence.block_durations[n]) for n in numbers])
        order = np.unique(before.blocks[:, 2])
        order = order[order > 0]
        pulses, guessed = [], 0
        for number in order:
            pulse, sure = _pulse(sequence, int(number))
            pulses.append(pulse)
            guessed += not sure
        gamma = float(sequence.system.gamma)
        about: dict[str, Any] = {
            "kind": "pulseq",
            "file": path.name,
            "version": ".".join(map(str, before.version)),
            "definitions": before.definitions,
            "gamma_Hz_T": gamma,
            "uses_by_flip_angle": guessed,
            "unknown_extensions": list(before.unknown),
        }
        rf = np.where(before.blocks[:, 2] > 0, np.searchsorted(order, before.blocks[:, 2]), NONE)
        shim, shims, about["shims"] = _shims(before, sequence, shim_phase)
        shim = np.where(rf >= 0, shim, NONE)
        found = PulseSequence(path.stem, durations, rf, tuple(pulses), shim, shims, None, gamma, about)
        if not gradients:
            return found
        named = {"name": path.stem, "about": about, "unusual": unusual}
        waveform = corners.waveform(sequence, before, durations, named)
        return found if waveform is None else replace(found, gradients=found.cuts_of(waveform))


def _pulse(sequence: Any, number: int) -> tuple[RfPulse, bool]:
    """A pulse of the library, and whether the file says what it is for."""
    data, letter = sequence.rf_library.data[number], sequence.rf_library.type.get(number, "u")
    magnitude, phase = (_shape(sequence, data[k]) for k in (1, 2))
    raster, delay = float(sequence.rf_raster_time), float(data[5])
    if len(phase) == 0:
        phase = np.zeros(len(magnitude))
    if len(magnitude) != len(phase) or not len(magnitude):
        raise InputError("magnitudes and phases of a pulse differ in number", field="[RF]", found=f"pulse {number}")
    signal = float(data[0]) * magnitude * np.exp(2j * np.pi * phase)
    timing = int(data[3])
    if timing == 0:
        edges = raster * np.arange(len(signal) + 1)
        amplitude = signal
    else:
        at = raster * (0.5 * np.arange(1, len(signal) + 1) if timing == -1 else _shape(sequence, timing))
        if len(at) != len(signal):
            raise InputError("times of a pulse differ in number", field="[RF]", found=f"pulse {number}")
        if timing == -1:  # samples at half raster times; the ends are held
            at, signal = np.concatenate([[0], at, [at[-1] + 0.5 * raster]]), np.pad(signal, 1, mode="edge")
        edges, amplitude = _straight(at, signal, raster)
    use = USE_OF.get(str(letter), "")
    pulse = RfPulse(delay + edges, amplitude, use or "excitation", float(data[8]))
    if not use and pulse.flip_deg > LARGEST_EXCITATION_DEG:
        pulse = RfPulse(delay + edges, amplitude, "refocusing", float(data[8]))
    return pulse, bool(use)


def _shape(sequence: Any, number: Any) -> np.ndarray:
    """A shape of the library; empty for the number 0."""
    return np.zeros(0) if int(number) == 0 else corners.shape_of(sequence, number)


def _straight(times: np.ndarray, values: np.ndarray, raster: float) -> tuple[np.ndarray, np.ndarray]:
    """A signal that is straight between its times as pieces of the same energy, none longer than the raster.

    Where it does not change a piece is as long as it is. The mean square of a piece from a to b is
    (|a|^2 + Re a* b + |b|^2) / 3.
    """
    if len(times) < 2 or np.any(np.diff(times) < 0):
        raise InputError("times of a pulse do not grow", field="[SHAPES]")
    parts_t, parts_a = [], []
    for t, u, a, b in zip(times[:-1], times[1:], values[:-1], values[1:], strict=True):
        if u <= t:  # a step
            continue
        count = 1 if a == b else max(1, math.ceil((u - t) / raster * (1 - 1e-9)))
        s = np.arange(count + 1) / count
        ends = a + (b - a) * s
        low, high = ends[:-1], ends[1:]
        square = (np.abs(low) ** 2 + (low.conj() * high).real + np.abs(high) ** 2) / 3
        middle = 0.5 * (low + high)
        size = np.abs(middle)
        turn = np.divide(middle, size, out=np.ones_like(middle), where=size > 0)
        parts_t.append(t + (u - t) * s[:-1])
        parts_a.append(np.sqrt(square) * turn)
    if not parts_t:
        raise InputError("pulse of no duration", field="[SHAPES]")
    return np.append(np.concatenate(parts_t), times[-1]), np.concatenate(parts_a)


def _shims(before: Prepared, sequence: Any, shim_phase: str | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Number of the shim of every block, the shims, and in which dialect they were."""
    rows: list[np.ndarray] = []
    shim = np.full(len(before.blocks), NONE)
    if before.shim_of and before.shape_shims:
        raise InputError("shims in two dialects", expected=f"{TEXT_DIALECT} or {SHAPE_DIALECT}")
    if before.shim_of:
        for extension, reference in before.shim_of.items():
            shim[before.blocks[:, 7] == extension] = len(rows)
            rows.append(before.shims[reference])
        dialect = TEXT_DIALECT
    elif before.shape_shims:
        phases = {}
        for rf, (one, two) in before.shape_shims.items():
            size, phase = _shape(sequence, one), _shape(sequence, two)
            if len(size) != len(phase) or not len(size):
                raise InputError("magnitudes and phases of a shim differ in number", field="[RF]", found=f"pulse {rf}")
            phases[rf] = size, phase
        unit = shim_phase or _unit_of(np.concatenate([phase for _, phase in phases.values()]))
        for rf, (size, phase) in phases.items():
            shim[before.blocks[:, 2] == rf] = len(rows)
            rows.append(size * np.exp(1j * phase * (1 if unit == "radian" else 2 * np.pi)))
        dialect = f"{SHAPE_DIALECT}, phases in {unit}"
    else:
        return shim, np.zeros((0, 0), complex), "none"
    if len({len(row) for row in rows}) > 1:
        raise InputError("shims of different numbers of channels", field=dialect)
    return shim, np.array(rows), dialect


def _unit_of(phases: np.ndarray) -> str:
    """Turns lie in [0, 1]; what lies there may be either, unless it is zero."""
    if not phases.any() or np.any((phases < 0) | (phases > 1)):
        return "radian"
    raise InputError(
        "phases of shims may be radian or turns",
        field=SHAPE_DIALECT,
        found=f"{phases.min():g} to {phases.max():g}",
        expected='shim_phase = "radian" or "turns"',
    )
