r"""Exact averages over sliding windows of the energy that the pulses of a sequence deposit.

.. math:: \mathrm{SAR}_i(t) = \frac1W \int_t^{t+W} v^H Q_i v \,\mathrm dt'
          = \frac1W \sum_s p_{is} \int_t^{t+W} |a_s|^2 \mathrm dt', \qquad p_{is} = s^H Q_i s

for shims s whose amplitude is a. The average rises where the window's end lies in more power than its beginning. It can
be largest only where the beginning meets a step up of power or the end a step down: at the beginning and the end of
pulses, and inside of pulses where the window begins in one pulse and ends in another. Such pairs of pulses come again
with every repetition and are looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from emdose.checks import positive
from emdose.dosimetry.sequences.pulses import NONE, PulseSequence
from emdose.values import owned, read_only

AT_ONCE = 4_000_000
"""Numbers in an array of rows by windows."""
GROUPS = (128, 2048)
"""Groups of neighbouring windows whose energies are bounded together, the second time finer."""
COMPARED, MOST_COMPARED = 64, 1024
"""Rows that all others are compared with, and after which none is left out any more."""
MOST_SHIMS = 64
"""With more of them rows are not compared with each other."""
SAME_s = 1e-10
"""Pairs of pulses whose distance differs by less are one."""


@read_only
@dataclass(frozen=True, eq=False)
class SequenceWindow:
    """Largest average of a quantity over a window.

    Parameters
    ----------
    window_s : float
        Length of the window [s].
    value : float
        The average [unit of the quantity].
    row : int
        Number of the row of the quantity that has it, such as one averaging cube of many.
    start_s : float
        When the window begins [s]; below 0 where it begins before the sequence.
    energies : (shim,) float ndarray
        Squared amplitude of every shim, integrated over that window [Hz^2 s].
    """

    window_s: float
    value: float
    row: int
    start_s: float
    energies: np.ndarray


@read_only
@dataclass(frozen=True, eq=False)
class RfCourse:
    """When a sequence transmits, with what energy, and how it is spread within every pulse.

    Parameters
    ----------
    begins_s, ends_s : (n,) ndarray
        Of the pulses that transmit, in order [s].
    energies : (n,) ndarray
        Integrals of the squared amplitude [Hz^2 s].
    shape, shim : (n,) integer ndarray
        How the energy is spread; which shim.
    shapes : tuple of (times, shares)
        Time from the beginning of a pulse [s] and the share of its energy up to it.
    shims : int
        Number of shims.
    total_s : float
        Length of the sequence [s].
    """

    begins_s: np.ndarray
    ends_s: np.ndarray
    energies: np.ndarray
    shape: np.ndarray
    shim: np.ndarray
    shapes: tuple[tuple[np.ndarray, np.ndarray], ...] = field(repr=False)
    shims: int
    total_s: float

    @classmethod
    def of(cls, sequence: PulseSequence) -> RfCourse:
        """The course of a sequence; shims count from the default, 0, on."""
        shapes: list[tuple[np.ndarray, np.ndarray]] = []
        known: dict[bytes, int] = {}
        number, first, last, energy = [], [], [], []
        for pulse in sequence.pulses:
            edges, square = pulse.edges_s, np.abs(pulse.amplitude_Hz) ** 2 * np.diff(pulse.edges_s)
            on = np.flatnonzero(square > 0)
            a, b = (on[0], on[-1] + 1) if len(on) else (0, 1)
            total = float(square.sum())
            shares = np.concatenate([[0.0], np.cumsum(square[a:b])]) / (total or 1.0)
            times = edges[a : b + 1] - edges[a]
            # Pulses that differ in amplitude or phase alone are one shape.
            key = np.round(times, 10).tobytes() + np.round(shares, 12).tobytes()
            number.append(known.setdefault(key, len(shapes)))
            if known[key] == len(shapes):
                shapes.append((times, shares))
            first.append(edges[a])
            last.append(edges[b])
            energy.append(total)
        blocks = np.flatnonzero((sequence.rf >= 0) & (np.append(energy, 0.0)[sequence.rf] > 0))
        which, starts = sequence.rf[blocks], sequence.starts_s[blocks]
        return cls(
            starts + np.array(first)[which],
            starts + np.array(last)[which],
            np.array(energy)[which],
            np.array(number)[which],
            np.asarray(sequence.shim)[blocks] - NONE,
            tuple(shapes),
            len(sequence.shims) + 1,
            sequence.duration_s,
        )

    @cached_property
    def grown(self) -> np.ndarray:
        """Energy of every shim before each pulse and after the last, (shim, n + 1) [Hz^2 s]."""
        out = np.zeros((self.shims, len(self.energies) + 1))
        out[self.shim, np.arange(1, len(self.energies) + 1)] = self.energies
        return np.cumsum(out, axis=1)

    @property
    def total(self) -> np.ndarray:
        """Energy of every shim over the sequence, (shim,) [Hz^2 s]."""
        return np.asarray(self.grown[:, -1])

    def until(self, t: np.ndarray) -> np.ndarray:
        """Energy of every shim from the beginning to some times, (shim, t) [Hz^2 s]."""
        t = np.asarray(t, float)
        last = np.searchsorted(self.begins_s, t, "right") - 1
        out = self.grown[:, np.maximum(last, 0)]
        begun = np.flatnonzero(last >= 0)
        j = last[begun]
        share = np.ones(len(j))
        inside = t[begun] < self.ends_s[j]
        for shape in np.unique(self.shape[j[inside]]):
            these = inside & (self.shape[j] == shape)
            share[these] = np.interp(t[begun][these] - self.begins_s[j[these]], *self.shapes[shape])
        out[self.shim[j], begun] += share * self.energies[j]
        return out

    def of_row(self, form: np.ndarray) -> RfCourse:
        """The course of one quantity, as one shim: energies times what a shim gives, form (shim,)."""
        none = np.zeros(len(self.shim), np.int64)
        return replace(self, energies=np.asarray(form)[self.shim] * self.energies, shim=none, shims=1)

    def twice(self) -> RfCourse:
        """The course played two times in a row."""
        begins, ends = (np.concatenate([v, v + self.total_s]) for v in (self.begins_s, self.ends_s))
        energies, shape, shim = (np.tile(v, 2) for v in (self.energies, self.shape, self.shim))
        return RfCourse(begins, ends, energies, shape, shim, self.shapes, self.shims, 2 * self.total_s)


def window_maxima(
    course: RfCourse, forms: Mapping[str, np.ndarray], window_s: float, *, repeated: bool = True
) -> dict[str, SequenceWindow]:
    """Largest average of every quantity over all positions of a window, exact.

    Parameters
    ----------
    course : RfCourse
        The sequence.
    forms : mapping of str to (row, shim) ndarray
        What a squared amplitude of 1 Hz^2 of every shim gives, such as s^H Q s [unit/Hz^2]; none below zero.
    window_s : float
        Length of the window [s].
    repeated : bool
        Whether the sequence is played without end, or once with nothing before and after it.

    Raises
    ------
    InputError
        For a window that is not positive.
    """
    window = positive("window_s", window_s)
    turns, rest, source = 0.0, window, course  # whole periods add the same to every window
    if repeated:
        turns = np.floor(window / course.total_s * (1 + 1e-12))
        rest = max(window - turns * course.total_s, 0.0)
        source = course.twice()
    constant = turns * course.total
    found = {}
    if rest <= 1e-12 * window:
        for name, form in forms.items():
            values = form @ constant / window
            row = int(np.argmax(values))
            found[name] = SequenceWindow(window, float(values[row]), row, 0.0, owned(constant))
        return found
    starts = np.concatenate([source.begins_s, source.ends_s - rest])
    if repeated:
        starts = starts[(starts >= -SAME_s) & (starts < course.total_s)]
        starts = np.maximum(starts, 0.0)
    energies = source.until(starts + rest) - source.until(starts) + constant[:, None]
    pairs = _Pairs(source, rest, course.total_s if repeated else np.inf, constant)
    for name, form in forms.items():
        form = np.asarray(form, float)
        used = of_use(form)
        value, row, start = _largest(form[used], source, starts, rest, energies, constant)
        value, row, start = pairs.better(form[used], value, row, start)
        inside = (source.until(np.array([start + rest])) - source.until(np.array([start])))[:, 0]
        own = int(used[row])
        total = float(form[own] @ (inside + constant)) / window
        found[name] = SequenceWindow(window, total, own, start, owned(inside + constant))
    return found


def of_use(form: np.ndarray) -> np.ndarray:
    """Rows that can be the largest: all but those that another one exceeds for every shim."""
    active = form[:, form.max(axis=0) > 0] if form.size else form
    if active.shape[1] <= 1:
        return np.array([int(np.argmax(form.sum(axis=1)))])
    if active.shape[1] > MOST_SHIMS:  # few rows exceed another one for that many
        return np.arange(len(form))
    order = np.argsort(active.sum(axis=1))[::-1]
    kept: list[int] = []
    for block in np.array_split(order, max(1, len(order) // 2048)):
        rest = block
        for row in kept[:COMPARED]:
            rest = _not_below(active, rest, row)
        while len(rest) and len(kept) < MOST_COMPARED:
            kept.append(int(rest[0]))
            rest = _not_below(active, rest[1:], kept[-1])
        kept += rest.tolist()
    return np.array(kept)


def _not_below(active: np.ndarray, rows: np.ndarray, one: int) -> np.ndarray:
    """Rows that another one does not exceed for every shim."""
    return rows[(active[rows] > active[one]).any(axis=1)]


def _rows_above(
    form: np.ndarray, course: RfCourse, first: np.ndarray, last: np.ndarray, constant: np.ndarray, value: float
) -> np.ndarray:
    """Rows of which the energy between two moments can be above a value: neighbours are bounded by their union."""
    order = np.argsort(first, kind="stable")
    first, last, rows = first[order], last[order], np.arange(len(form))
    for groups in GROUPS:
        cuts = np.unique(np.linspace(0, len(first), min(groups, len(first)) + 1).astype(int))[:-1]
        union = course.until(np.maximum.reduceat(last, cuts)) - course.until(first[cuts]) + constant[:, None]
        step = max(1, AT_ONCE // len(cuts))
        parts = [(form[rows[n : n + step]] @ union).max(axis=1) for n in range(0, len(rows), step)]
        rows = rows[np.concatenate([np.zeros(0), *parts]) > value * (1 + 1e-13)]
    return rows


def _largest(
    form: np.ndarray, course: RfCourse, starts: np.ndarray, window: float, energies: np.ndarray, constant: np.ndarray
) -> tuple[float, int, float]:
    """Largest of all products of rows with the energies of windows, its row, and the beginning of its window."""
    row = int(np.argmax(form @ energies[:, int(np.argmax(energies.sum(axis=0)))]))
    values = form[row] @ energies
    at = int(np.argmax(values))
    best = float(values[at])
    rows = _rows_above(form, course, starts, starts + window, constant, best) if len(form) > 1 else np.zeros(0, int)
    step = max(1, AT_ONCE // max(energies.shape[1], 1))
    for low in range(0, len(rows), step):
        some = form[rows[low : low + step]] @ energies
        i, j = divmod(int(np.argmax(some)), some.shape[1])
        if some[i, j] > best:
            best, row, at = float(some[i, j]), int(rows[low + i]), j
    return best, row, float(starts[at])


class _Pairs:
    """Pairs of pulses in one of which a window begins while it ends in the other."""

    def __init__(self, course: RfCourse, window: float, before: float, constant: np.ndarray) -> None:
        self.course, self.window, self.constant = course, window, constant[:, None]
        first = np.searchsorted(course.ends_s, course.begins_s + window + SAME_s, "right")
        last = np.searchsorted(course.begins_s, course.ends_s + window - SAME_s, "left")
        count = np.maximum(last - first, 0) * (course.begins_s < before)
        i = np.repeat(np.arange(len(count)), count)
        j = np.repeat(first, count) + np.arange(len(i)) - np.repeat(np.cumsum(count) - count, count)
        low = np.maximum(course.begins_s[i], course.begins_s[j] - window)
        self.i, self.j, self.low = i, j, low
        self.high = np.minimum(course.ends_s[i], course.ends_s[j] - window)
        self.base = course.until(low + window) - course.until(low) + self.constant
        # How much can be added at the most: what the end still meets.
        self.gain = np.maximum(course.until(self.high + window) - course.until(low + window), 0.0)
        distance = np.round((course.begins_s[j] - window - course.begins_s[i]) / SAME_s)
        keys = np.column_stack(
            [
                course.shape[i],
                course.shape[j],
                course.shim[i],
                course.shim[j],
                course.energies[i],
                course.energies[j],
                distance,
            ]
        )
        self.alike = np.unique(keys, axis=0, return_inverse=True)[1].ravel() if len(i) else np.zeros(0, int)

    def better(self, form: np.ndarray, value: float, row: int, start: float) -> tuple[float, int, float]:
        """The largest of a value and of windows of all pairs, its row, and the beginning of its window."""
        if not len(self.i):
            return value, row, start
        rows = _rows_above(form, self.course, self.low, self.high + self.window, self.constant[:, 0], value)
        step = max(1, AT_ONCE // len(self.i))
        for low in range(0, len(rows), step):
            some = form[rows[low : low + step]]
            base = some @ self.base
            bound = base + some @ self.gain
            for n in np.flatnonzero(bound.max(axis=1) > value * (1 + 1e-13)):
                value, row, start = self._of_row(some[n], int(rows[low + n]), base[n], bound[n], value, row, start)
        return value, row, start

    def _of_row(
        self, form: np.ndarray, number: int, base: np.ndarray, bound: np.ndarray, value: float, row: int, start: float
    ) -> tuple[float, int, float]:
        """The same of one row: of pairs that are alike the one with the most before it, best bounds first."""
        order = np.argsort(base)
        best = np.full(int(self.alike.max()) + 1, -1)
        best[self.alike[order]] = order  # the last one written has the largest base
        best = best[np.argsort(bound[best])[::-1]]
        own, always = self.course.of_row(form), float(form @ self.constant[:, 0])
        for n in best:
            if bound[n] <= value * (1 + 1e-13):
                break
            times = self._edges(int(n))
            energies = (own.until(times + self.window) - own.until(times))[0] + always
            k = int(np.argmax(energies))
            if energies[k] > value:
                value, row, start = float(energies[k]), number, float(times[k])
        return value, row, start

    def _edges(self, n: int) -> np.ndarray:
        """Where a window of a pair begins or ends at an edge inside of a pulse."""
        c, i, j = self.course, self.i[n], self.j[n]
        ours = c.begins_s[i] + c.shapes[c.shape[i]][0]
        theirs = c.begins_s[j] + c.shapes[c.shape[j]][0] - self.window
        times = np.concatenate([ours, theirs])
        return times[(times >= self.low[n] - SAME_s) & (times <= self.high[n] + SAME_s)]
