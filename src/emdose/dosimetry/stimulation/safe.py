r"""Hardware models of nerve stimulation: three low-pass filters per axis, as scanners of one vendor carry them.

.. math::

   R_k = \frac{g}{L}\left(a_1 |F_{\tau_1} S| + a_2 F_{\tau_2} |S| + a_3 |F_{\tau_3} S|\right), \qquad
   R = \sqrt{\textstyle\sum_k R_k^2}

S is the slew rate, F a low-pass filter of first order (RC), L the limit of stimulation, g the scale of the coil. The
numbers are those of the scanner, in a file of its vendor that the user has.

Source: F. X. Hebrank and M. Gebhardt, Proc. ISMRM 8 (2000) 2007; F. Szczepankiewicz and T. Witzel,
safe_pns_prediction (BSD 3-clause licence), for the scale, the keys of the file, and the discrete form of the filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from emdose.checks import not_negative, one_of, positive, whole
from emdose.dosimetry.stimulation import memory
from emdose.dosimetry.stimulation.extremes import STARTS, Search, Start, StimulationPeaks, Stretch
from emdose.errors import InputError
from emdose.models.gradients.waveform import Waveform
from emdose.values import read_only

TOLERANCE = 1e-3
"""Largest deviation of the sum of the three parts from 1."""
Pieces = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Corners [s], and the rates behind the start and before the stop of every piece."""
STEPS = 20
"""Per shortest time constant between corners."""


@read_only
@dataclass(frozen=True)
class SafeAxis:
    """Numbers of one axis.

    Parameters
    ----------
    tau_s : (float, float, float)
        Time constants [s].
    parts : (float, float, float)
        Shares a1, a2, a3 of the filters; their sum is 1.
    limit_T_m_s, threshold_T_m_s : float
        Slew rates at the limit and at the threshold of stimulation [T/m/s].
    scale : float
        Scale of the coil.

    Raises
    ------
    InputError
        For numbers that are not positive, and parts whose sum is not 1.
    """

    tau_s: tuple[float, float, float]
    parts: tuple[float, float, float]
    limit_T_m_s: float
    threshold_T_m_s: float
    scale: float

    def __post_init__(self) -> None:
        for key in ("tau_s", "parts"):
            values = getattr(self, key)
            if len(values) != 3:
                raise InputError("three numbers are needed", field=key, found=values)
            check = positive if key == "tau_s" else not_negative
            object.__setattr__(self, key, tuple(check(key, v) for v in values))
        for key in ("limit_T_m_s", "threshold_T_m_s", "scale"):
            positive(key, getattr(self, key))
        if abs(sum(self.parts) - 1) > TOLERANCE:
            raise InputError("shares of the three filters do not add up to 1", field="parts", found=self.parts)


@read_only
@dataclass(frozen=True)
class SafeModel:
    """A hardware model of stimulation.

    Parameters
    ----------
    name : str
        Name of the hardware.
    x, y, z : SafeAxis
        Numbers of its axes.
    source : str
        Where they were read.
    """

    name: str
    x: SafeAxis
    y: SafeAxis
    z: SafeAxis
    source: str = ""

    @property
    def threshold(self) -> float:
        """Threshold over limit of stimulation, the smallest of the axes."""
        return min(a.threshold_T_m_s / a.limit_T_m_s for a in (self.x, self.y, self.z))

    def response(
        self,
        waveform: Waveform,
        *,
        start: Start = "rest",
        between_s: tuple[float, float] | None = None,
        raster_s: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stimulation over time, 1 at the limit of the hardware.

        Parameters
        ----------
        waveform : Waveform
            Gradients of three axes.
        start : "rest", "repeated" or "worst"
            Nothing before the waveform, or the waveform without end; or the larger of both at any time.
        between_s : (float, float), optional
            Which part of the waveform is told; all before it counts nevertheless [s].
        raster_s : float, optional
            Step of the discrete filters of the public code [s], with samples in the middle of the steps and all of the
            waveform from rest; by default the filters are exact.

        Returns
        -------
        times_s : (n,) ndarray
            Corners, times of largest stimulation, and some between them [s].
        per_axis : (n, 3) ndarray
            Stimulation of every axis; the whole is the root of the sum of the squares.

        Raises
        ------
        InputError
            For a waveform that is none of three gradients, a step that is not positive, and times outside of it.
        """
        _require_gradients(waveform)
        if raster_s is not None:
            return self._discrete(waveform, positive("raster_s", raster_s))
        one_of("start", start, STARTS, problem="unknown start of a waveform")
        pieces = _parted(waveform)
        low, high = memory.inside(pieces[0], between_s)
        part = memory.between(*pieces, low, high)
        histories = self._histories(pieces, start, low)
        search = Search(part[0], 3, self._shortest)
        for first in histories:
            search.over(_stretches(part, self._axes, first))
        fine = memory.subdivided(*part, self._shortest / STEPS)
        fine = memory.parted(*fine, search.when)
        found = [self._course(fine, first) for first in histories]
        if len(found) == 1:
            return fine[0], found[0]
        rest, repeated = (np.linalg.norm(v, axis=1) for v in found)
        return fine[0], np.where((rest >= repeated)[:, None], *found)

    def peaks(self, waveform: Waveform, *, start: Start = "rest", parts: int = 1) -> StimulationPeaks:
        r"""Largest stimulation by a waveform, between its corners as well, 1 at the limit of the hardware.

        A filter of the slew rate a + m u is :math:`a + m (u - \tau) + (F_0 - a + m \tau) e^{-u / \tau}` a time u behind
        a corner, so that nothing is sampled.

        Parameters
        ----------
        waveform : Waveform
            Gradients of three axes, of any length.
        start : "rest", "repeated" or "worst"
            Nothing before the waveform, or the waveform without end; or the larger of both at any time.
        parts : int
            In how many parts the course is told, each with its largest values.

        Raises
        ------
        InputError
            For a waveform that is none of three gradients.
        """
        _require_gradients(waveform)
        one_of("start", start, STARTS, problem="unknown start of a waveform")
        pieces = _parted(waveform)
        search = Search(pieces[0], 3, self._shortest, whole("parts", parts, least=1))
        for first in self._histories(pieces, start, float(pieces[0][0])):
            search.over(_stretches(pieces, self._axes, first))
        return search.peaks()

    @property
    def _axes(self) -> tuple[SafeAxis, SafeAxis, SafeAxis]:
        return self.x, self.y, self.z

    @property
    def _shortest(self) -> float:
        return min(min(axis.tau_s) for axis in self._axes)

    def _histories(self, pieces: Pieces, start: Start, now: float) -> list[list[np.ndarray]]:
        """Memories of every axis (3 filters, slew rate and its magnitude) at a time, per start that is asked for."""
        per_axis = [
            memory.histories(pieces[0], *_both(pieces, k), 1 / np.asarray(axis.tau_s), start, now)
            for k, axis in enumerate(self._axes)
        ]
        return [list(kind) for kind in zip(*per_axis, strict=True)]

    def _course(self, fine: Pieces, first: list[np.ndarray]) -> np.ndarray:
        columns = []
        for k, axis in enumerate(self._axes):
            rates = 1 / np.asarray(axis.tau_s)
            filtered = [first[k][None] * rates[:, None]]
            filtered += [y * rates[:, None] for _, y in memory.states(fine[0], *_both(fine, k), rates, first[k])]
            columns.append(_stimulation(axis, np.concatenate(filtered)))
        return np.stack(columns, axis=1)

    def _discrete(self, waveform: Waveform, step: float) -> tuple[np.ndarray, np.ndarray]:
        from scipy.signal import lfilter

        count = round(waveform.duration_s / step)
        edges = waveform.times_s[0] + step * np.arange(count + 1)
        # The last edge is the start of the next period; the value there is that at the start.
        slew = np.diff(waveform.value(edges), axis=0) / step
        columns = []
        for k, axis in enumerate((self.x, self.y, self.z)):
            both = np.stack([slew[:, k], np.abs(slew[:, k])], axis=1)
            alpha = step / (np.asarray(axis.tau_s) + step)
            columns.append(
                _stimulation(axis, np.stack([lfilter([a], [1, a - 1], both, axis=0) for a in alpha], axis=1))
            )
        return edges[1:], np.stack(columns, axis=1)


def _require_gradients(waveform: Waveform) -> None:
    if waveform.unit != "T/m" or waveform.axes != 3:
        raise InputError(
            "a hardware model needs gradients of three axes",
            field="waveform",
            found=f"{waveform.axes} axes in {waveform.unit}",
            expected="3 axes in T/m",
        )


def _both(pieces: Pieces, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Slew rate of an axis and its magnitude, (n, 2), at the start and the stop of pieces."""
    first, last = (np.stack([v[:, axis], np.abs(v[:, axis])], axis=1) for v in pieces[1:])
    return first, last


def _stretches(pieces: Pieces, axes: tuple[SafeAxis, ...], first: list[np.ndarray]) -> Iterator[Stretch]:
    """Stimulation over the pieces of a slew rate whose magnitude is linear in each."""
    times, starts, stops = pieces
    steps = memory.lengths(times)
    tau = np.array([axis.tau_s for axis in axes])
    parts = np.array([np.multiply(axis.parts, axis.scale / axis.limit_T_m_s) for axis in axes])
    walks = [memory.states(times, *_both(pieces, k), 1 / tau[k], first[k]) for k in range(len(axes))]
    now = np.stack([_used(y[None]) for y in first], axis=1) / tau
    for chunks in zip(*walks, strict=True):
        part = chunks[0][0]
        # (n + 1, axis, filter): at the first corner and behind every piece.
        filtered = np.concatenate([now, np.stack([_used(y) for _, y in chunks], axis=1) / tau])
        a, b = (np.stack([v[part], np.abs(v[part]), v[part]], axis=2) for v in (starts, stops))
        slope = (b - a) / steps[part, None, None]
        top = np.maximum(np.abs(a), np.abs(b))

        def at(
            k: np.ndarray,
            u: np.ndarray,
            filtered: np.ndarray = filtered,
            a: np.ndarray = a,
            m: np.ndarray = slope,
            top: np.ndarray = top,
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            t = u[:, None, None]
            own = (filtered[k] - a[k] + m[k] * tau) * np.exp(-t / tau)
            size = np.abs(a[k] + m[k] * (t - tau) + own)
            each = size, np.abs(own) / tau**2, np.maximum(size, top[k])
            value, bend, cap = ((v * parts).sum(2) for v in each)
            return value, bend, cap

        ends = (np.abs(filtered) * parts).sum(2)
        all_of_them = np.arange(len(a))
        _, bend, cap = at(all_of_them, np.zeros(len(a)))
        yield Stretch(part.start, ends[:-1], ends[1:], bend, cap, at)
        now = filtered[-1:]


def _used(memories: np.ndarray) -> np.ndarray:
    """Of memories (n, 3 filters, slew rate and its magnitude) those of the model, (n, 3)."""
    return np.stack([memories[:, 0, 0], memories[:, 1, 1], memories[:, 2, 0]], axis=1)


def _stimulation(axis: SafeAxis, filtered: np.ndarray) -> np.ndarray:
    """Of the filtered slew rate and its magnitude (n, 3 filters, 2)."""
    raw = np.abs(_used(filtered)) @ np.asarray(axis.parts)
    return np.asarray(raw * axis.scale / axis.limit_T_m_s)


def _parted(waveform: Waveform) -> Pieces:
    """The waveform with corners where a rate changes its sign, so that its magnitude is piecewise linear as well."""
    t, a, b = waveform.times_s, waveform.starts, waveform.stops
    turns = a * b < 0
    if not turns.any():
        return t, a, b
    share = np.abs(a) / np.where(turns, np.abs(a) + np.abs(b), 1.0)
    zeros = (t[:-1, None] + np.diff(t)[:, None] * share)[turns]
    times, *ends = memory.parted(t, a, b, zeros)
    # What should be zero is rounding at the new corners.
    first, last = (np.where(np.abs(v) < 1e-12 * np.abs(a).max(), 0.0, v) for v in ends)
    return times, first, last
