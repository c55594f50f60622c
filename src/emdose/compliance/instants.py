"""Moments of a waveform that can bind: rates of its axes over the limit that holds for the pulses that run then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.compliance.limits import Limit
from emdose.dosimetry.stimulation.dbdt_pulses import Pulses, pulses
from emdose.models.gradients.waveform import Waveform
from emdose.values import read_only

_BESIDE = 1e-6
_DIGITS = 9
_FACTORS = np.array([0xBF58476D1CE4E5B9, 0x94D049BB133111EB], np.uint64)
"""Odd numbers that mix bits: those of SplitMix64 (G. L. Steele et al., OOPSLA 2014, 453)."""


@read_only
@dataclass(frozen=True, eq=False)
class Instants:
    """Rates of all axes at the corners of a waveform, and the pulses that run there.

    Parameters
    ----------
    pulses : tuple of Pulses
        Of every axis.
    rates : (n, axes) ndarray
        Rates on both sides of the corners, none twice [unit/s].
    durations_s : (n,) ndarray
        The longest effective stimulus duration among the axes that are switched then [s].
    """

    pulses: tuple[Pulses, ...]
    rates: np.ndarray
    durations_s: np.ndarray

    @classmethod
    def of(cls, waveform: Waveform) -> Instants:
        """Those of a waveform."""
        t, found = waveform.times_s, tuple(pulses(waveform, k) for k in range(waveform.axes))
        beside = _BESIDE * np.diff(t)
        rates = np.concatenate([waveform.starts, waveform.stops])
        times = np.concatenate([t[:-1] + beside, t[1:] - beside])
        longest = np.zeros(len(times))
        for k, pulse in enumerate(found):
            if not len(pulse):
                continue
            which = pulse.at(times, waveform.duration_s)
            mine = np.where(which >= 0, pulse.durations_s[which], 0.0)
            longest = np.maximum(longest, np.where(rates[:, k] != 0, mine, 0.0))
        on = longest > 0
        rows = np.column_stack([rates[on], longest[on]])
        scale = np.abs(rows).max(0)
        scale[scale == 0] = 1.0
        # Equal up to rounding is the same moment: a train of a thousand echoes has a handful of them.
        first = different(np.round(rows / scale, _DIGITS))
        return cls(found, rows[first, :-1], rows[first, -1])

    def over(self, limit: Limit) -> np.ndarray:
        """Rates over the limit of their pulses, (n, axes)."""
        return self.rates / limits_of(limit, self.durations_s)[:, None]


def different(rows: np.ndarray) -> np.ndarray:
    """Indices of the rows that differ, the first of each, in the order of the rows."""
    # Sorting one number per row is tenfold faster than sorting rows; two rows of one number would show below.
    one, two = _FACTORS
    mixed = np.zeros(len(rows), np.uint64)
    for column in np.ascontiguousarray((rows + 0.0).T).view(np.uint64):
        for factor in (one, two):
            mixed = (mixed ^ column) * factor
            mixed ^= mixed >> np.uint64(31)
    _, first, back = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][back], rows):
        _, first = np.unique(rows, axis=0, return_index=True)
    return np.sort(first)


def limits_of(limit: Limit, durations_s: np.ndarray) -> np.ndarray:
    """A limit for effective stimulus durations [s], (n,)."""
    different, back = np.unique(durations_s, return_inverse=True)
    return np.array([limit.value(ts=1e3 * float(d)) for d in different])[back]


def extreme(vectors: np.ndarray) -> np.ndarray:
    """Indices of vectors (n, d) of which one, or its negative, maximises any norm of any linear map of them.

    A norm is convex, so that only the corners of the convex hull of the vectors and their negatives matter.
    """
    v = np.asarray(vectors, float)
    size = float(np.abs(v).max(initial=0.0))
    if size == 0 or len(v) <= v.shape[1] + 1:
        return np.arange(len(v))
    _, weights, axes = np.linalg.svd(v / size, full_matrices=False)
    flat = (v / size) @ axes[weights > 1e-9 * weights[0]].T
    if flat.shape[1] == 1:
        return np.array([int(np.abs(flat[:, 0]).argmax())])
    from scipy.spatial import ConvexHull, QhullError

    try:
        corners = ConvexHull(np.concatenate([flat, -flat])).vertices
    except QhullError:
        return np.arange(len(v))
    return np.unique(corners % len(v))


def worst_signs(peaks: Sequence[float] | np.ndarray) -> np.ndarray:
    """All combinations of signs of the axes, up to a common one, (2^(d - 1), d)."""
    p = np.asarray(peaks, float)
    signs = np.array(np.meshgrid(*([[1.0, -1.0]] * (len(p) - 1)), indexing="ij")).reshape(len(p) - 1, -1).T
    return np.column_stack([np.ones(len(signs)), signs]) * p
