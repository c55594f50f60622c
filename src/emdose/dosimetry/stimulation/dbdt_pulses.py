r"""Pulses of dB/dt and their effective stimulus duration.

A pulse is a time of monotonic rise or fall of the field of one axis. Its effective stimulus duration is

.. math:: t_s = \frac{\Delta B}{\max |dB/dt|}

with the swing of the field over the pulse: the duration of the rectangular pulse of the same height and swing.

Source: IEC 60601-2-33, definition of the effective stimulus duration, as quoted in public summaries (ratio of the
peak-to-peak field variation and the maximum of its time derivative in that period).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import array
from emdose.errors import InputError
from emdose.models.gradients.waveform import Waveform
from emdose.values import read_only

SMALL = 1e-9
"""Rates below this part of the largest are rounding: nothing rises there."""


@read_only
@dataclass(frozen=True, eq=False)
class Pulses:
    """Pulses of the rate of one axis of a waveform.

    Parameters
    ----------
    unit : str
        Of the swing, "T" or "T/m".
    begins_s, ends_s : (n,) ndarray
        Begin and end of every pulse [s]; the end of one that runs on into the next period lies behind it.
    swings : (n,) ndarray
        Change of the field over the pulse, with its sign [unit].
    peaks : (n,) ndarray
        Largest magnitude of the rate in it [unit/s].

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    unit: str
    begins_s: np.ndarray
    ends_s: np.ndarray
    swings: np.ndarray
    peaks: np.ndarray

    def __post_init__(self) -> None:
        for key in ("begins_s", "ends_s", "swings", "peaks"):
            array(key, getattr(self, key), (len(self.peaks),))

    def __len__(self) -> int:
        return len(self.peaks)

    @property
    def durations_s(self) -> np.ndarray:
        """Effective stimulus durations, (n,) [s]."""
        return np.abs(self.swings) / self.peaks

    def at(self, times_s: np.ndarray, period_s: float) -> np.ndarray:
        """Which pulse runs at some times, (k,), -1 where none does."""
        t = np.asarray(times_s, float)
        k = np.searchsorted(self.begins_s, t, side="right") - 1
        out = np.where((k >= 0) & (t < self.ends_s[k]), k, -1)
        if len(self) and self.ends_s[-1] > self.begins_s[0] + period_s:
            return out
        over = self.ends_s[-1] - period_s if len(self) else -np.inf
        return np.where((out < 0) & (t < over), len(self) - 1, out)


def pulses(waveform: Waveform, axis: int = 0) -> Pulses:
    """Pulses of one axis of a waveform that is repeated without end.

    Parameters
    ----------
    waveform : Waveform
        A field or a gradient.
    axis : int
        Which of its axes, from 0.

    Raises
    ------
    InputError
        For an axis that it has not.
    """
    if not 0 <= axis < waveform.axes:
        raise InputError("no such axis", field="axis", found=axis, expected=f"0 to {waveform.axes - 1}")
    t, a, b = (np.asarray(v) for v in (waveform.times_s, waveform.starts[:, axis], waveform.stops[:, axis]))
    floor = SMALL * max(float(np.abs(a).max()), float(np.abs(b).max()))
    a, b = (np.where(np.abs(v) <= floor, 0.0, v) for v in (a, b))
    # Pieces in which the rate changes its sign are parted where it does.
    turns = a * b < 0
    at = np.where(turns, t[:-1] + np.diff(t) * np.abs(a) / np.where(turns, np.abs(a) + np.abs(b), 1.0), t[:-1])
    parts = 1 + turns
    which = np.repeat(np.arange(len(a)), parts)
    second = np.concatenate([[False], which[1:] == which[:-1]])
    first_of_two = turns[which] & ~second
    begin = np.where(second, at[which], t[:-1][which])
    end = np.where(first_of_two, at[which], t[1:][which])
    left = np.where(second, 0.0, a[which])
    right = np.where(first_of_two, 0.0, b[which])
    sign = np.sign(left + right)
    if not sign.any():
        empty = np.zeros(0)
        return Pulses(waveform.unit, empty, empty, empty, empty)
    edges = np.flatnonzero(np.concatenate([[True], sign[1:] != sign[:-1]]))
    swing = np.add.reduceat(0.5 * (left + right) * (end - begin), edges)
    peak = np.maximum.reduceat(np.maximum(np.abs(left), np.abs(right)), edges)
    begins, ends, signs = begin[edges], np.append(begin[edges][1:], end[-1]), sign[edges]
    if len(edges) > 1 and signs[0] == signs[-1] != 0:
        # A pulse that runs on from the end of one period into the next.
        swing[-1] += swing[0]
        peak[-1] = max(peak[-1], peak[0])
        ends[-1] += ends[0] - t[0]
        begins, ends, swing, peak, signs = (v[1:] for v in (begins, ends, swing, peak, signs))
    real = signs != 0
    return Pulses(waveform.unit, begins[real], ends[real], swing[real], peak[real])
