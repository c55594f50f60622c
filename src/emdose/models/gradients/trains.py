"""Trains of gradient lobes: trapezoids, echo-planar imaging, samples, and anything made of straight pieces."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from emdose.checks import not_negative, one_of, positive, whole
from emdose.errors import InputError
from emdose.models.gradients.plausibility import require_resolved
from emdose.models.gradients.spectrum import Unit
from emdose.models.gradients.waveform import AXES, Waveform


def trapezoid_train(
    amplitude: float,
    *,
    rise_s: float,
    flat_s: float = 0.0,
    gap_s: float = 0.0,
    direction: Sequence[float] = (0.0, 0.0, 1.0),
    unit: Unit = "T",
    name: str = "trapezoid train",
    unusual: bool = False,
) -> Waveform:
    r"""Trapezoids of alternating sign, without end: dB/dt is a train of rectangular pulses.

    One period is rise, flat, fall, gap, and the same with the other sign. Without flat part and gap dB/dt is a square
    wave of the height amplitude / rise.

    Parameters
    ----------
    amplitude : float
        Height of the trapezoids [unit].
    rise_s, flat_s, gap_s : float
        Ramp time, flat top, and pause between lobes [s].
    direction : sequence of float
        Factor of every axis.
    unit : "T" or "T/m"
        A field, or a gradient.
    name : str
        Name shown in reports.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.

    Raises
    ------
    InputError
        For times or an amplitude that cannot be.
    """
    positive("rise_s", rise_s)
    not_negative("flat_s", flat_s)
    not_negative("gap_s", gap_s)
    positive("amplitude", amplitude)
    lobe = [(rise_s, 1.0), (flat_s, 0.0), (rise_s, -1.0), (gap_s, 0.0)]
    steps = [(dt, sign * slope) for sign in (1, -1) for dt, slope in lobe if dt > 0]
    axis = _direction(direction)
    rates = np.array([slope * amplitude / rise_s for _, slope in steps])[:, None] * axis
    about = {
        "kind": "trapezoid train",
        "amplitude": amplitude,
        "rise_s": rise_s,
        "flat_s": flat_s,
        "gap_s": gap_s,
        "direction": axis.tolist(),
        "unit": unit,
    }
    return Waveform(name, np.cumsum([0.0] + [dt for dt, _ in steps]), rates, rates, unit, about=about, unusual=unusual)


def epi(
    gradient_T_m: float = 30e-3,
    *,
    echo_spacing_s: float = 0.6e-3,
    slew_T_m_s: float = 150.0,
    echoes: int = 64,
    repetition_s: float = 0.06,
    blip_T_m: float = 5e-3,
    readout: str = "x",
    phase: str = "y",
    name: str = "EPI",
    unusual: bool = False,
) -> Waveform:
    """Gradients of echo-planar imaging: a train of alternating readout lobes with blips between them, and a pause.

    Readout: lobes of ``echo_spacing_s`` with ramps at the given slew rate. Phase encoding: one triangular blip at every
    change of sign, of the same slew rate, and a prephasing lobe of the opposite area in front. Axes are the gradient
    axes x, y, z.

    Parameters
    ----------
    gradient_T_m, slew_T_m_s : float
        Readout amplitude [T/m] and slew rate of all ramps [T/m/s].
    echo_spacing_s : float
        Distance of the readout lobes [s].
    echoes : int
        Lobes per repetition, at least 2 and even, so that the readout gradient leaves no area.
    repetition_s : float
        Distance of the trains [s].
    blip_T_m : float
        Amplitude of the blips [T/m]; 0 leaves them out.
    readout, phase : "x", "y" or "z"
        Axes.
    name : str
        Name shown in reports.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.

    Raises
    ------
    InputError
        When ramps do not fit the lobes, or the train does not fit the repetition.
    """
    for key, value in (
        ("gradient_T_m", gradient_T_m),
        ("echo_spacing_s", echo_spacing_s),
        ("slew_T_m_s", slew_T_m_s),
        ("repetition_s", repetition_s),
    ):
        positive(key, value)
    not_negative("blip_T_m", blip_T_m)
    if whole("echoes", echoes, 2, problem="bad number of echoes", what="an even number") % 2:
        raise InputError("bad number of echoes", field="echoes", found=echoes, expected="an even number >= 2")
    if readout not in AXES or phase not in AXES or readout == phase:
        raise InputError(
            "bad axes of an EPI train",
            field="readout, phase",
            found=(readout, phase),
            expected="two different ones of x, y, z",
        )
    ramp, blip = gradient_T_m / slew_T_m_s, blip_T_m / slew_T_m_s
    if 2 * ramp > echo_spacing_s:
        raise InputError(
            "ramps do not fit into the echo spacing",
            field="slew_T_m_s",
            found=slew_T_m_s,
            expected=f">= {2 * gradient_T_m / echo_spacing_s:.4g} T/m/s",
        )
    if 2 * blip > echo_spacing_s:
        raise InputError("blips do not fit into the echo spacing", field="blip_T_m", found=blip_T_m)
    # The prephasing lobe has half of the area of all blips; it stands before the first readout lobe.
    area = 0.5 * (echoes - 1) * blip_T_m * blip
    top = math.sqrt(area * slew_T_m_s)
    flat = 0.0
    if top > gradient_T_m:
        top, flat = gradient_T_m, area / gradient_T_m - ramp
    before = 2 * top / slew_T_m_s + flat
    length = before + echoes * echo_spacing_s
    if length > repetition_s:
        raise InputError(
            "the echo train does not fit the repetition",
            field="repetition_s",
            found=repetition_s,
            expected=f">= {length:.4g} s",
        )
    corners: dict[str, list[tuple[float, float]]] = {readout: [(0.0, 0.0)], phase: [(0.0, 0.0)]}
    if before > 0:
        corners[phase] += [(top / slew_T_m_s, -top), (top / slew_T_m_s + flat, -top), (before, 0.0)]
    for n in range(echoes):
        start, sign = before + n * echo_spacing_s, 1 - 2 * (n % 2)
        stop = start + echo_spacing_s
        corners[readout] += [(start, 0.0), (start + ramp, sign * gradient_T_m), (stop - ramp, sign * gradient_T_m)]
        if n < echoes - 1 and blip > 0:
            corners[phase] += [(stop - blip, 0.0), (stop, blip_T_m), (stop + blip, 0.0)]
    corners[readout].append((length, 0.0))
    about = {
        "kind": "EPI",
        "gradient_T_m": gradient_T_m,
        "echo_spacing_s": echo_spacing_s,
        "slew_T_m_s": slew_T_m_s,
        "echoes": int(echoes),
        "repetition_s": repetition_s,
        "blip_T_m": blip_T_m,
        "readout": readout,
        "phase": phase,
    }
    return from_corners([corners.get(a, []) for a in AXES], repetition_s, name=name, about=about, unusual=unusual)


def from_samples(
    times_s: Sequence[float],
    values: Any,
    *,
    quantity: Literal["gradient", "field", "dB/dt"] = "gradient",
    name: str = "samples",
    unusual: bool = False,
) -> Waveform:
    """A waveform from samples, straight between them, repeated after the last one.

    Parameters
    ----------
    times_s : (n,) sequence of float
        Growing times of the samples [s].
    values : (n,) or (n, axes) array
        Samples: gradients [T/m], flux densities [T] or dB/dt [T/s].
    quantity : "gradient", "field" or "dB/dt"
        What ``values`` are.
    name : str
        Name shown in reports.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.

    Raises
    ------
    InputError
        For times that do not grow, for a field that does not return to where it began (a mean dB/dt), and for samples
        at even steps that are too far apart for their fastest change, see
        :func:`~emdose.models.gradients.plausibility.require_resolved`.
    """
    t, v = np.asarray(times_s, float), np.asarray(values, float)
    v = v[:, None] if v.ndim == 1 else v
    one_of("quantity", quantity, ("gradient", "field", "dB/dt"), problem="unknown quantity of samples")
    if t.ndim != 1 or len(t) < 2 or v.ndim != 2 or len(v) != len(t):
        raise InputError("samples do not fit their times", field="values", found=v.shape, expected=f"({len(t)}, axes)")
    about = {"kind": "samples", "quantity": quantity, "samples": len(t)}
    if quantity == "dB/dt":
        if not unusual:
            require_resolved(name, t, v[:-1], "dB/dt")
        return Waveform(name, t, v[:-1], v[1:], "T", about=about, unusual=unusual)
    step = np.diff(t)
    if np.any(step <= 0) or not np.all(np.isfinite(step)):
        raise InputError("times of samples do not grow", field="times_s")
    rate = np.diff(v, axis=0) / step[:, None]
    if not unusual:
        require_resolved(name, t, rate, "slew rate" if quantity == "gradient" else "dB/dt")
    return Waveform(name, t, rate, rate, "T/m" if quantity == "gradient" else "T", about=about, unusual=unusual)


def from_corners(
    corners: Sequence[Sequence[tuple[float, float]]],
    duration_s: float,
    *,
    unit: Unit = "T/m",
    splits_s: Sequence[float] = (),
    name: str = "sequence",
    about: dict[str, Any] | None = None,
    unusual: bool = False,
) -> Waveform:
    """A waveform from the corners of piecewise straight gradients on several axes, zero outside of them.

    Parameters
    ----------
    corners : sequence of sequences of (float, float)
        Time [s] and value [unit] of the corners of every axis, times not falling; two values at one time are a step,
        which would need an infinite slew rate and is not accepted.
    duration_s : float
        End of the period, which starts at 0 [s].
    unit : "T" or "T/m"
        Unit of the values.
    splits_s : sequence of float
        Times at which the waveform may be cut [s].
    name : str
        Name shown in reports.
    unusual : bool
        Whether strengths and times may be such as no gradient system has.
    about : dict, optional
        For the provenance.

    Raises
    ------
    InputError
        For a step, times outside of the period, or a non-zero mean.
    """
    positive("duration_s", duration_s)
    tiny = 1e-12 * duration_s
    lines = []
    for n, axis in enumerate(corners):
        line = np.asarray(axis, float).reshape(-1, 2)
        if len(line) and (not np.all(np.isfinite(line)) or line[0, 0] < -tiny or line[-1, 0] > duration_s + tiny):
            raise InputError(
                "corners of a gradient lie outside of its period",
                field=f"axis {n + 1}",
                found=f"{line[0, 0]:g} s to {line[-1, 0]:g} s",
                expected=f"0 to {duration_s:g} s",
            )
        if np.any(np.diff(line[:, 0]) < -tiny):
            raise InputError("times of a gradient fall", field=f"axis {n + 1}")
        same = np.diff(line[:, 0]) <= tiny
        scale = np.abs(line[:, 1]).max(initial=0.0)
        if np.any(np.abs(np.diff(line[:, 1]))[same] > 1e-9 * scale):
            at = line[1:, 0][same & (np.abs(np.diff(line[:, 1])) > 1e-9 * scale)][0]
            raise InputError(
                "gradient steps without a ramp: its slew rate would be infinite",
                field=f"axis {n + 1}",
                found=f"a step at {at:.6g} s",
                expected="a ramp of some time",
            )
        line = line[np.concatenate([[True], ~same])] if len(line) else line
        for end, place in ((0.0, 0), (duration_s, len(line))):
            if not len(line) or abs(line[0 if place == 0 else -1, 0] - end) > tiny:
                beside = line[0 if place == 0 else -1, 1] if len(line) else 0.0
                if abs(beside) > 1e-6 * scale:
                    raise InputError(
                        "gradient steps without a ramp: its slew rate would be infinite",
                        field=f"axis {n + 1}",
                        found=f"{beside:.3g} {unit} at its first or last corner",
                        expected="a gradient that begins and ends at zero",
                    )
                line = np.insert(line, 0 if place == 0 else len(line), (end, 0.0), axis=0)
        lines.append(line)
    times = np.unique(np.concatenate([line[:, 0] for line in lines]))
    times = times[np.concatenate([[True], np.diff(times) > tiny])]
    values = np.stack([np.interp(times, line[:, 0], line[:, 1]) for line in lines], axis=1)
    rate = np.diff(values, axis=0) / np.diff(times)[:, None]
    return Waveform(name, times, rate, rate, unit, np.asarray(splits_s, float), about or {"kind": name}, unusual)


def _direction(value: Sequence[float]) -> np.ndarray:
    axis = np.atleast_1d(np.asarray(value, float))
    if axis.ndim != 1 or not np.all(np.isfinite(axis)) or not np.any(axis):
        raise InputError("bad direction", field="direction", found=value, expected="finite numbers, not all zero")
    return axis
