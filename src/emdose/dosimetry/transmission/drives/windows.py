r"""Averages of SAR over sliding windows of a course of drives that are constant piece by piece.

.. math:: \mathrm{SAR}_i(t) = \operatorname{tr} Q_i C(t), \qquad C(t) = \frac1W \int_t^{t+W} v v^H \mathrm dt'

is linear in t between the moments where the window begins or ends at an edge of a piece, so its maximum lies at one of
them, exactly. Few of the pairs of matrix and moment are looked at: energy grows with the interval, in every direction
of v, so that the energy between an edge before the first of some windows and one after the last bounds them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import positive
from emdose.dosimetry.transmission.drives.quadratic import form_unit, hermitian
from emdose.errors import InputError
from emdose.values import owned, read_only

BLOCKS = (256, 4096)
"""Equal parts of the course at whose edges energies are bounded, coarse and fine."""
AT_ONCE = 4_000_000
"""Numbers in an array of samples by matrices, and of bounds."""
ROOM = 1 + 1e-12
"""Bounds are larger by it, for their rounding."""


@read_only(units={"value": "W/kg", "mean": "squared drive units"})
@dataclass(frozen=True, eq=False)
class WindowPeak:
    """Largest average of SAR over a window, over all matrices and moments.

    Parameters
    ----------
    window_s : float
        Length of the window [s].
    value : float
        The average [W/kg].
    matrix : int
        Number of the matrix that has it.
    start_s : float
        When the window begins, from the beginning of the course [s].
    mean : (port, port) complex128 ndarray
        C, the mean of v v^H over that window [squared drive units].
    """

    window_s: float
    value: float
    matrix: int
    start_s: float
    mean: np.ndarray


def mean_outer(drives: np.ndarray, durations_s: float | np.ndarray = 1.0) -> np.ndarray:
    """Mean over time of v v^H, (port, port) complex: SAR averaged over the time is tr Q C.

    Parameters
    ----------
    drives : (t, port) complex
        Drives [drive units].
    durations_s : float or (t,) float
        How long each lasts [s].

    Raises
    ------
    InputError
        For drives and durations that do not fit each other.
    """
    v, dt = _course(drives, durations_s)
    return np.asarray((v.T * dt) @ v.conj() / dt.sum())


def window_peaks(
    q: Any,
    drives: np.ndarray,
    durations_s: float | np.ndarray,
    windows_s: Sequence[float] = (360.0, 10.0),
    *,
    periodic: bool = True,
) -> tuple[WindowPeak, ...]:
    """Largest averages of SAR over sliding windows of a course of drives, exact.

    Parameters
    ----------
    q : QMatrices, VirtualObservationPoints or (m, n, n) complex ndarray
        Positive semidefinite matrices [W/kg per squared drive unit].
    drives : (t, port) complex
        Drives, each constant while it lasts; pauses have 0 [drive units].
    durations_s : float or (t,) float
        How long each lasts [s].
    windows_s : sequence of float
        Lengths of the windows [s].
    periodic : bool
        Whether the course repeats for ever, or nothing comes before and after it.

    Raises
    ------
    InputError
        For matrices that are not Hermitian, and for drives and durations that do not fit them.
    """
    matrices = hermitian(q)
    if form_unit(q) != "W/kg":
        raise InputError(
            "no average over a window is a rise of temperature", field="q", found=form_unit(q), expected="SAR"
        )
    v, dt = _course(drives, durations_s)
    if v.shape[1] != matrices.shape[1]:
        raise InputError(
            "drives do not fit the ports", field="drives", found=v.shape, expected=f"(t, {len(matrices[0])})"
        )
    windows = [positive("windows_s", w) for w in windows_s]
    course = _Energies(v, dt, bool(periodic))
    forms = _packed(matrices)
    return tuple(course.peak(forms, w) for w in windows)


class _Energies:
    """Energies of a course, sample by sample, as n^2 real numbers that belong to those of :func:`_packed`."""

    def __init__(self, v: np.ndarray, dt: np.ndarray, periodic: bool) -> None:
        self.v, self.dt, self.periodic = v, dt, periodic
        self.edges = np.concatenate([[0.0], np.cumsum(dt)])
        self.total = float(self.edges[-1])
        n = v.shape[1]
        w = np.ascontiguousarray((v * np.sqrt(dt)[:, None]).T)
        self.samples = np.empty((n * n, len(v)))
        real, imag = w.real.copy(), w.imag.copy()
        self.samples[:n] = real**2 + imag**2
        pairs = list(zip(*np.triu_indices(n, 1), strict=True))
        for row, (k, m) in enumerate(pairs, n):
            self.samples[row] = real[m] * real[k] + imag[m] * imag[k]
            self.samples[row + len(pairs)] = imag[m] * real[k] - real[m] * imag[k]

    def peak(self, forms: np.ndarray, window: float) -> WindowPeak:
        starts = self._starts(window)
        rows = np.arange(len(forms))
        best, which, start = -np.inf, 0, 0.0
        places = self._places(starts), self._places(starts + window)
        for blocks in BLOCKS:
            energies, group = self._unions(places, blocks)
            bound = _largest(forms[rows], energies, axis=1) * ROOM / window
            if best < 0:
                which = int(rows[np.argmax(bound)])
                best, start = self._exact(forms, [which], starts, window, places)[0]
            rows, bound = rows[bound > best], bound[bound > best]
            if len(rows) == 0:
                break
            above = _largest(forms[rows], energies, axis=0) * ROOM / window > best
            if not above.any():  # rounding alone told them apart
                break
            kept = above[group]
            starts = starts[kept]
            places = tuple(tuple(one[kept] for one in place) for place in places)  # type: ignore[assignment]
        else:
            rows = rows[np.argsort(bound)[::-1]]
            bound = np.sort(bound)[::-1]
            together = max(1, AT_ONCE // max(len(self.dt), len(starts)))
            for first in range(0, len(rows), together):
                if bound[first] <= best:
                    break
                some = rows[first : first + together]
                for row, (value, at) in zip(some, self._exact(forms, some, starts, window, places), strict=True):
                    if value > best:
                        best, which, start = value, int(row), at
        return WindowPeak(window, best, which, start, owned(self._mean(start, window)))

    def _starts(self, window: float) -> np.ndarray:
        """Moments at which a window that begins or ends at an edge begins, growing."""
        both = np.concatenate([self.edges, self.edges - window])
        if self.periodic:
            both = np.mod(both, self.total)
        elif window >= self.total:
            return np.zeros(1)
        else:
            both = np.clip(both, 0.0, self.total - window)
        return np.unique(both)

    def _places(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Periods before each moment, the piece it lies in, and the part of that piece before it."""
        turns = np.floor(t / self.total) if self.periodic else np.zeros(len(t))
        within = np.clip(t - turns * self.total, 0.0, self.total)
        piece = np.clip(np.searchsorted(self.edges, within, "right") - 1, 0, len(self.dt) - 1)
        return turns, piece, np.clip((within - self.edges[piece]) / self.dt[piece], 0.0, 1.0)

    def _exact(
        self, forms: np.ndarray, rows: Any, starts: np.ndarray, window: float, places: Any
    ) -> list[tuple[float, float]]:
        """Largest average of each of some matrices over windows, and when that window begins."""
        power = forms[rows] @ self.samples
        grown = np.zeros((len(power), len(self.edges)))
        np.cumsum(power, axis=1, out=grown[:, 1:])
        first, last = places
        found = []
        for energy, own in zip(grown, power, strict=True):
            end, begin = (turns * energy[-1] + energy[j] + part * own[j] for turns, j, part in (last, first))
            average = (end - begin) / window
            at = int(np.argmax(average))
            found.append((float(average[at]), float(starts[at])))
        return found

    def _unions(self, places: Any, blocks: int) -> tuple[np.ndarray, np.ndarray]:
        """Energies that bound those of neighbouring windows, (n^2, group), and the group of every window."""
        cuts = np.unique(np.searchsorted(self.edges, np.linspace(0, self.total, blocks + 1)[:-1], "left"))
        cuts = cuts[cuts < len(self.dt)]
        grown = np.zeros((len(self.samples), len(cuts) + 1))
        np.cumsum(np.add.reduceat(self.samples, cuts, axis=1), axis=1, out=grown[:, 1:])
        first, last = places
        before = np.searchsorted(cuts, first[1], "right") - 1
        after = np.searchsorted(cuts, last[1], "right")  # the edge at or after the end
        begin = np.flatnonzero(np.concatenate([[True], before[1:] != before[:-1]]))
        group = np.cumsum(np.concatenate([[False], before[1:] != before[:-1]]))
        end = np.concatenate([begin[1:], [len(before)]]) - 1
        turns = last[0][end] - first[0][begin]
        return turns * grown[:, -1:] + grown[:, after[end]] - grown[:, before[begin]], group

    def _mean(self, start: float, window: float) -> np.ndarray:
        """Mean of v v^H over one window."""
        (a, b), (i, j), (x, y) = self._places(np.array([start, start + window]))
        weight = (b - a) * self.dt
        weight[:j] += self.dt[:j]
        weight[j] += y * self.dt[j]
        weight[:i] -= self.dt[:i]
        weight[i] -= x * self.dt[i]
        on = np.flatnonzero(weight)
        v, weight = (self.v, weight) if 2 * len(on) > len(weight) else (self.v[on], weight[on])
        return np.asarray((v.T * weight) @ v.conj() / window)


def _packed(matrices: np.ndarray) -> np.ndarray:
    """Matrices as n^2 real numbers, (m, n^2): their product with energies is tr Q E."""
    n = matrices.shape[-1]
    rows, columns = np.triu_indices(n, 1)
    upper = 2 * matrices[:, rows, columns]
    own = np.diagonal(matrices, axis1=1, axis2=2).real
    return np.ascontiguousarray(np.concatenate([own, upper.real, -upper.imag], axis=1).astype(float))


def _largest(forms: np.ndarray, energies: np.ndarray, axis: int) -> np.ndarray:
    """Largest of tr Q E along an axis of (matrix, group)."""
    step = max(1, AT_ONCE // energies.shape[1])
    parts = [(forms[i : i + step] @ energies).max(axis=axis) for i in range(0, len(forms), step)]
    return np.concatenate(parts) if axis == 1 else np.max(parts, axis=0)


def _course(drives: np.ndarray, durations_s: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Drives that last, and how long."""
    v, dt = np.asarray(drives, complex), np.asarray(durations_s, float)
    if v.ndim != 2 or v.size == 0 or not np.all(np.isfinite(v)):
        raise InputError("bad drives", field="drives", found=v.shape, expected="(t, port) finite complex amplitudes")
    if dt.shape not in ((), (len(v),)) or not np.all(np.isfinite(dt)) or dt.min() < 0 or not dt.sum() > 0:
        raise InputError("bad durations", field="durations_s", found=dt.shape, expected=f"one or {len(v)} times >= 0 s")
    dt = np.broadcast_to(dt, (len(v),))
    return v[dt > 0], dt[dt > 0]
