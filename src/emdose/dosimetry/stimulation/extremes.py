r"""Largest values of the response to a waveform, between its corners as well, with a proof.

Within a piece of constant or linear slew rate every axis has a smooth response :math:`R_k`. With a bound
:math:`B_k \ge |R_k''|` the length of the vector of the axes over an interval of the length h stays below

.. math::

   \lVert R \rVert \le (1 - \vartheta) \lVert R(0) \rVert + \vartheta \lVert R(h) \rVert
                     + \tfrac12 h^2 \vartheta (1 - \vartheta) \lVert B \rVert

since a norm is convex. Intervals in which this is no more than what has been found are left, others are halved, until
none is left: what has been found then is the maximum up to a stated tolerance.

Source: error of linear interpolation (any text of numerical analysis); branch and bound as in A. H. Land and
A. G. Doig, Econometrica 28 (1960) 497.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from emdose.checks import array
from emdose.values import read_only

Start = Literal["rest", "repeated", "worst"]
STARTS = ("rest", "repeated", "worst")
TOLERANCE = 1e-10
"""Of a maximum, over the maximum."""
SHOWN = 1e-4
"""Of the maximum of a part of the course, over the maximum of all."""
_DEEPEST = 80


@read_only
@dataclass(frozen=True, eq=False)
class StimulationPeaks:
    """Largest response of every axis and of all together.

    Parameters
    ----------
    axis_peaks : (axes,) ndarray
        Largest response of every axis alone, with its weight.
    axis_times_s : (axes,) ndarray
        When [s].
    peak : float
        Largest root of the sum of the squares over the axes.
    peak_time_s : float
        When [s].
    edges_s : (n + 1,) ndarray
        Ends of the parts of the course [s].
    course : (n, axes + 1) ndarray
        Largest response in every part: of every axis, and of all together; to 1e-4 of the largest of all.

    Raises
    ------
    InputError
        For shapes that do not fit.
    """

    axis_peaks: np.ndarray
    axis_times_s: np.ndarray
    peak: float
    peak_time_s: float
    edges_s: np.ndarray
    course: np.ndarray

    def __post_init__(self) -> None:
        axes = len(self.axis_peaks)
        array("axis_times_s", self.axis_times_s, (axes,))
        array("course", self.course, (len(self.edges_s) - 1, axes + 1))

    @property
    def worst_combination(self) -> float:
        """Response if the axes reached their peaks at one time: of any delays and directions between them."""
        return float(np.linalg.norm(self.axis_peaks))


@dataclass(frozen=True, eq=False)
class Stretch:
    """Responses over some pieces of a waveform.

    Parameters
    ----------
    first : int
        Number of the first piece.
    low, high : (n, axes) ndarray
        Responses at both ends of every piece.
    bend, cap : (n, axes) ndarray
        Bounds of the second derivative [1/s^2] and of the response over the whole piece.
    at : callable
        Responses, bends and caps, (q, axes) each, behind times u (q,) [s] in pieces k (q,), counted from the first;
        the bounds hold from there to the end of the piece.
    """

    first: int
    low: np.ndarray
    high: np.ndarray
    bend: np.ndarray
    cap: np.ndarray
    at: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


class Search:
    """The largest responses found so far.

    Parameters
    ----------
    times_s : (n + 1,) ndarray
        Corners of the waveform [s].
    axes : int
        Number of its axes.
    scale_s : float
        Time over which responses change [s]: intervals are halved evenly in log(scale + time).
    parts : int
        In how many parts of equal length the course is shown; parts end at corners.
    """

    def __init__(self, times_s: np.ndarray, axes: int, scale_s: float, parts: int = 1) -> None:
        self.times, self.scale = times_s, scale_s
        self.steps = np.diff(times_s)
        wanted = np.linspace(times_s[0], times_s[-1], parts + 1)[:-1]
        self.begins = np.unique(np.clip(np.searchsorted(times_s, wanted), 0, len(times_s) - 2))
        self.group = np.zeros(len(self.steps), np.int64)
        self.group[self.begins[1:]] = 1
        self.group = np.cumsum(self.group)
        self.course = np.zeros((len(self.begins), axes + 1))
        self.top, self.when = np.zeros(axes + 1), np.full(axes + 1, float(times_s[0]))

    def peaks(self, values: np.ndarray | None = None) -> StimulationPeaks:
        """What was found; ``values`` (axes + 1,) are put in place of the largest where they are known better."""
        top = self.top if values is None else values
        edges = np.append(self.times[self.begins], self.times[-1])
        return StimulationPeaks(top[:-1], self.when[:-1], float(top[-1]), float(self.when[-1]), edges, self.course)

    def over(self, stretches: Iterable[Stretch]) -> None:
        """Look through stretches of a course."""
        for stretch in stretches:
            self._look(stretch)

    def _look(self, stretch: Stretch) -> None:
        pieces = np.arange(len(stretch.low))
        low, high = _sizes(stretch.low), _sizes(stretch.high)
        starts, h = self.times[stretch.first + pieces], self.steps[stretch.first + pieces]
        self._found(stretch.first + pieces, starts, low)
        self._found(stretch.first + pieces, starts + h, high)
        bend, cap = _sizes(stretch.bend), _sizes(stretch.cap)
        k, begin, end = pieces, np.zeros(len(pieces)), h.copy()
        for _ in range(_DEEPEST):
            bound = np.minimum(_bound(low, high, (end - begin)[:, None] ** 2 * bend / 8), cap)
            known = self.course[self.group[stretch.first + k]]
            more = (bound > self.top * (1 + TOLERANCE)) | (bound > known + SHOWN * self.top)
            kept = np.flatnonzero(more.any(1))
            if not len(kept):
                return
            k, begin, end = k[kept], begin[kept], end[kept]
            middle = np.sqrt((self.scale + begin) * (self.scale + end)) - self.scale
            values, later, less = (_sizes(v) for v in stretch.at(k, middle))
            self._found(stretch.first + k, self.times[stretch.first + k] + middle, values)
            low, high = np.concatenate([low[kept], values]), np.concatenate([values, high[kept]])
            bend, cap = np.concatenate([bend[kept], later]), np.concatenate([cap[kept], less])
            k, begin, end = np.tile(k, 2), np.concatenate([begin, middle]), np.concatenate([middle, end])

    def _found(self, pieces: np.ndarray, times: np.ndarray, values: np.ndarray) -> None:
        np.maximum.at(self.course, self.group[pieces], values)
        best = values.argmax(0)
        for q, n in enumerate(best):
            if values[n, q] > self.top[q]:
                self.top[q], self.when[q] = values[n, q], times[n]


def _sizes(vectors: np.ndarray) -> np.ndarray:
    """Magnitudes of every axis and the length of the vector, (n, axes + 1)."""
    return np.column_stack([np.abs(vectors), np.linalg.norm(vectors, axis=1)])


def _bound(low: np.ndarray, high: np.ndarray, bulge: np.ndarray) -> np.ndarray:
    """Largest value of the straight line from low to high and the parabola of that height over it."""
    rise = high - low
    steep = np.abs(rise) >= 4 * bulge
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = 0.5 * (low + high) + bulge + rise * rise / (16 * bulge)
    return np.where(steep, np.maximum(low, high), inside)
