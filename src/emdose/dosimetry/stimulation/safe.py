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

from dataclasses import dataclass

import numpy as np

from emdose.checks import not_negative, positive
from emdose.dosimetry.stimulation import memory
from emdose.errors import InputError
from emdose.models.gradients.waveform import Waveform
from emdose.values import read_only

TOLERANCE = 1e-3
"""Largest deviation of the sum of the three parts from 1."""
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

    def response(self, waveform: Waveform, *, raster_s: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Stimulation over time, 1 at the limit of the hardware.

        Parameters
        ----------
        waveform : Waveform
            Gradients of three axes, from rest.
        raster_s : float, optional
            Step of the discrete filters of the public code [s], with samples in the middle of the steps; by default
            the filters are exact.

        Returns
        -------
        times_s : (n,) ndarray
            Times [s].
        per_axis : (n, 3) ndarray
            Stimulation of every axis; the whole is the root of the sum of the squares.

        Raises
        ------
        InputError
            For a waveform that is none of three gradients, and a step that is not positive.
        """
        if waveform.unit != "T/m" or waveform.axes != 3:
            raise InputError(
                "a hardware model needs gradients of three axes",
                field="waveform",
                found=f"{waveform.axes} axes in {waveform.unit}",
                expected="3 axes in T/m",
            )
        if raster_s is not None:
            return self._discrete(waveform, positive("raster_s", raster_s))
        columns, axes = [], (self.x, self.y, self.z)
        shortest = min(min(axis.tau_s) for axis in axes)
        times, starts, stops = _parted(waveform)
        fine = memory.subdivided(times, starts, stops, shortest / STEPS)
        for k, axis in enumerate(axes):
            rates = 1 / np.asarray(axis.tau_s)
            first, last = (np.stack([v[:, k], np.abs(v[:, k])], axis=1) for v in fine[1:])
            filtered = [np.zeros((1, 3, 2))]
            filtered += [y * rates[:, None] for _, y in memory.states(fine[0], first, last, rates, np.zeros((3, 2)))]
            columns.append(_stimulation(axis, np.concatenate(filtered)))
        return fine[0], np.stack(columns, axis=1)

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


def _stimulation(axis: SafeAxis, filtered: np.ndarray) -> np.ndarray:
    """Of the filtered slew rate and its magnitude (n, 3 filters, 2)."""
    a1, a2, a3 = axis.parts
    raw = a1 * np.abs(filtered[:, 0, 0]) + a2 * filtered[:, 1, 1] + a3 * np.abs(filtered[:, 2, 0])
    return np.asarray(raw * axis.scale / axis.limit_T_m_s)


def _parted(waveform: Waveform) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The waveform with corners where a rate changes its sign, so that its magnitude is piecewise linear as well."""
    t, a, b = waveform.times_s, waveform.starts, waveform.stops
    turns = a * b < 0
    if not turns.any():
        return t, a, b
    share = np.abs(a) / np.where(turns, np.abs(a) + np.abs(b), 1.0)
    zeros = (t[:-1, None] + np.diff(t)[:, None] * share)[turns]
    times = np.unique(np.concatenate([t, zeros]))
    which = np.clip(np.searchsorted(t, 0.5 * (times[:-1] + times[1:]), side="right") - 1, 0, len(a) - 1)
    ends = []
    for at in (times[:-1], times[1:]):
        u = ((at - t[which]) / np.diff(t)[which])[:, None]
        value = (1 - u) * a[which] + u * b[which]
        # What should be zero is rounding at the new corners.
        ends.append(np.where(np.abs(value) < 1e-12 * np.abs(a).max(), 0.0, value))
    return times, ends[0], ends[1]
