r"""Gradient waveforms: what the field does in time, as harmonics that a power tensor can be summed over.

A waveform is a field B(t) [T] or a gradient G(t) [T/m] on one or more axes; what heats metal is its rate. The rate is
piecewise linear in time, with jumps, so that its Fourier coefficients are exact sums over the breakpoints :math:`t_k`
with jumps :math:`J_k` of the rate and :math:`S_k` of its slope:

.. math::

   c_n = \frac1T \sum_k e^{-j\omega_n t_k} \left(\frac{J_k}{j\omega_n} + \frac{S_k}{(j\omega_n)^2}\right),
   \qquad \omega_n = \frac{2\pi n}{T}

Source: integration by parts of the Fourier integral (A. Papoulis, The Fourier Integral and its Applications,
McGraw-Hill 1962, ch. 2); per-TR pieces of sequences: A. Arduino et al., Phys. Med. Biol. 64 (2019) 245006.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.checks import flag, one_of
from emdose.errors import InputError
from emdose.models.gradients.plausibility import require_plausible
from emdose.models.gradients.spectrum import Spectrum, Unit
from emdose.values import read_only

MEAN_TOLERANCE = 1e-3
"""Largest mean of a rate over its rms; what is below is rounding of samples."""
ALIKE = 1e-7
"""Largest difference between pieces that are one: of rates over the largest of all, of times over the length."""
SHORTEST_s = 0.05
"""Pieces of a sequence that are shorter are taken together."""
DEFAULT_HIGHEST_Hz = 100e3
MOST_HARMONICS, MOST_PRODUCTS = 2**23, 2**36
"""Of one waveform, and times its pieces where they lie on no raster: minutes."""
LARGEST_RASTER = 2**25
_BLOCK = 2**22
AXES = ("x", "y", "z")


@read_only
@dataclass(frozen=True, eq=False)
class Waveform:
    """A field or gradient over time with a piecewise linear rate; it is repeated without end.

    Parameters
    ----------
    name : str
        Name shown in reports.
    times_s : (n + 1,) float ndarray
        Growing breakpoints; the first and the last bound one period [s].
    starts, stops : (n, axes) float ndarray
        Rate behind the start and before the stop of every piece [unit/s].
    unit : "T" or "T/m"
        What it is the rate of: a magnetic flux density, or a gradient of it.
    splits_s : (m,) float ndarray
        Times inside at which a sequence may be cut into pieces (starts of repetitions, gradients at zero) [s].
    about : mapping
        What it was made from, for the provenance.
    unusual : bool
        Whether it may be one that no gradient system makes.

    Raises
    ------
    InputError
        For times that do not grow, values that are not finite, shapes that do not fit, no variation at all, a rate
        whose mean is not zero, and for strengths or times that no gradient system has, see
        :mod:`emdose.models.gradients.plausibility`.
    """

    name: str
    times_s: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    unit: Unit = "T"
    splits_s: np.ndarray = field(default_factory=lambda: np.zeros(0))
    about: dict[str, Any] = field(default_factory=dict)
    unusual: bool = False

    def __post_init__(self) -> None:
        t = np.asarray(self.times_s, float)
        a, b = (np.asarray(v, float) for v in (self.starts, self.stops))
        if t.ndim != 1 or len(t) < 2 or a.ndim != 2 or a.shape != b.shape or len(a) != len(t) - 1:
            raise InputError(
                "rates do not fit the times",
                field="waveform",
                found=(t.shape, a.shape, b.shape),
                expected="(n + 1,), (n, axes) and (n, axes)",
            )
        if not (np.all(np.isfinite(t)) and np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
            raise InputError("waveform holds a value that is not finite", field="waveform")
        if np.any(np.diff(t) <= 0):
            raise InputError(
                "times of a waveform do not grow",
                field="times_s",
                found=f"{t[int(np.argmax(np.diff(t) <= 0)) + 1]:g} s",
            )
        one_of("unit", self.unit, ("T", "T/m"), problem="unknown unit of a waveform")
        splits = np.unique(np.asarray(self.splits_s, float))
        splits = splits[(splits > t[0]) & (splits < t[-1])]
        pairs = (("times_s", t), ("starts", a), ("stops", b), ("splits_s", splits))
        for key, value in pairs:
            object.__setattr__(self, key, value)
        if not np.any(self.rms > 0):
            raise InputError("waveform does not vary: it heats nothing", field="waveform", found="dB/dt = 0 everywhere")
        worst = int(np.argmax(np.abs(self.mean)))
        if abs(self.mean[worst]) > MEAN_TOLERANCE * float(np.linalg.norm(self.rms)):
            raise InputError(
                "waveform has a non-zero mean dB/dt: its field would grow without end",
                field=f"waveform {self.name!r}",
                found=f"a mean of {self.mean[worst]:.3g} {self.unit}/s on axis {worst + 1}",
                expected="a field that returns to where it began (mean dB/dt 0)",
            )
        if not flag("unusual", self.unusual):
            amplitude, on = self._amplitude_and_time_on()
            require_plausible(self.name, self.unit, amplitude, float(self.peak.max()), on)

    @property
    def axes(self) -> int:
        """Number of axes."""
        return int(self.starts.shape[1])

    @property
    def rate_unit(self) -> str:
        """Unit of the rate: "T/s" or "T/m/s"."""
        return f"{self.unit}/s"

    @property
    def duration_s(self) -> float:
        """Length of the waveform, which is its period [s]."""
        return float(self.times_s[-1] - self.times_s[0])

    @property
    def mean(self) -> np.ndarray:
        """Mean of the rate per axis, shape (axes,) [unit/s]."""
        dt = np.diff(self.times_s)[:, None]
        return (0.5 * (self.starts + self.stops) * dt).sum(0) / self.duration_s

    @property
    def mean_square(self) -> np.ndarray:
        """Means over time of the products of the rates of the axes, (axes, axes) [(unit/s)^2]."""
        a, b = self.starts, self.stops
        h = (np.diff(self.times_s) / (6 * self.duration_s))[:, None]
        return 2 * ((h * a).T @ a + (h * b).T @ b) + (h * a).T @ b + (h * b).T @ a

    @property
    def rms(self) -> np.ndarray:
        """Root mean square over time of the rate per axis, shape (axes,) [unit/s]."""
        return np.sqrt(np.maximum(np.diag(self.mean_square), 0.0))

    @property
    def peak(self) -> np.ndarray:
        """Largest magnitude of the rate per axis, shape (axes,) [unit/s]."""
        return np.maximum(np.abs(self.starts), np.abs(self.stops)).max(0)

    def rate(self, times_s: np.ndarray) -> np.ndarray:
        """The rate at some times, repeated periodically, shape (times, axes) [unit/s]."""
        t = self.times_s[0] + np.mod(np.asarray(times_s, float) - self.times_s[0], self.duration_s)
        k = self._piece_of(t)
        u = ((t - self.times_s[k]) / np.diff(self.times_s)[k])[:, None]
        return (1 - u) * self.starts[k] + u * self.stops[k]

    def value(self, times_s: np.ndarray) -> np.ndarray:
        """The field or gradient itself at some times, zero at the start, shape (times, axes) [unit]."""
        t = self.times_s[0] + np.mod(np.asarray(times_s, float) - self.times_s[0], self.duration_s)
        return self._integral(t)

    def harmonics(self, *, count: int | None = None, max_frequency_Hz: float | None = None) -> Spectrum:
        """Harmonics of the rate, from the first on, exact.

        Parameters
        ----------
        count : int, optional
            How many.
        max_frequency_Hz : float, optional
            Highest frequency [Hz]; 100 kHz when neither is given. ``dropped`` of the result says what is left out.

        Raises
        ------
        InputError
            When no harmonic lies below the highest frequency, or too many do.
        """
        period = self.duration_s
        if count is None:
            highest = DEFAULT_HIGHEST_Hz if max_frequency_Hz is None else max_frequency_Hz
            count = math.floor(highest * period * (1 + 1e-12))
        if count < 1:
            raise InputError(
                "no harmonic of the waveform below the highest frequency",
                field="max_frequency_Hz",
                found=max_frequency_Hz,
                expected=f">= {1 / period:.4g} Hz",
            )
        self._require_few(count <= MOST_HARMONICS, count)
        n = np.arange(1, count + 1)
        factor = 2j * np.pi / period * n[:, None]
        jump, bend = self._jumps()
        sums = self._sums(np.concatenate([jump, bend], axis=1), count)
        amplitudes = 2 / period * (sums[:, : self.axes] / factor + sums[:, self.axes :] / factor**2)
        return Spectrum(n / period, amplitudes, self.rate_unit, self.rms)

    def pieces(self, shortest_s: float = SHORTEST_s) -> list[tuple[float, float, Waveform | None]]:
        """The waveform cut at its splits: start and end [s] of every piece, and the piece, which repeats by itself.

        A piece without switching is None. Splits at which the field is not what it was at the start of their piece are
        passed over, for such a piece could not be repeated. Pieces that are alike are one object, with the times of the
        first of them.

        Parameters
        ----------
        shortest_s : float
            Shortest piece [s]; shorter repetitions are taken together.
        """
        edges = self.cuts_s(shortest_s).tolist()
        if len(edges) == 2:
            return [(edges[0], edges[1], self)]
        known: dict[bytes, list[Waveform]] = {}
        size = float(self.peak.max())
        return [(a, b, self._cut(a, b, size, known)) for a, b in pairwise(edges)]

    def cuts_s(self, shortest_s: float = SHORTEST_s) -> np.ndarray:
        """Ends of the pieces of :meth:`pieces`, (p + 1,) [s]."""
        edges, held = [float(self.times_s[0])], np.zeros(self.axes)
        end, settled = float(self.times_s[-1]), MEAN_TOLERANCE * float(np.linalg.norm(self.rms))
        for split, value in zip(self.splits_s.tolist(), self._integral(self.splits_s), strict=True):
            length = split - edges[-1]
            if min(length, end - split) >= shortest_s and np.linalg.norm(value - held) <= settled * length:
                edges.append(split)
                held = value
        return np.array([*edges, end])

    def power_course(
        self,
        average_power: Callable[[Spectrum], Any],
        *,
        shortest_s: float = SHORTEST_s,
        max_frequency_Hz: float | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Power over time of a sequence, constant over each of its pieces.

        Parameters
        ----------
        average_power : callable
            Power of a spectrum [W], such as ``lambda s: tensor.average_power(s.through(matrix))``; or several numbers
            of it, (k,).
        shortest_s : float
            Shortest piece [s].
        max_frequency_Hz : float, optional
            Highest harmonic [Hz].

        Returns
        -------
        edges_s : (p + 1,) ndarray
            Ends of the pieces [s].
        power_W : (p,) or (p, k) ndarray
            Average power of every piece [W]; zero where nothing is switched.
        """
        pieces = self.pieces(shortest_s)
        of = {id(w): w for *_, w in pieces if w is not None}
        power = {
            k: np.asarray(average_power(w.harmonics(max_frequency_Hz=max_frequency_Hz)), float) for k, w in of.items()
        }
        none = np.zeros(next(iter(power.values())).shape)
        edges = np.array([pieces[0][0], *(b for _, b, _ in pieces)])
        return edges, np.stack([power.get(id(w), none) for *_, w in pieces])

    def scaled(self, factor: float) -> Waveform:
        """The waveform with all amplitudes times a factor."""
        return replace(self, starts=self.starts * factor, stops=self.stops * factor)

    def _amplitude_and_time_on(self) -> tuple[float, float]:
        """Half the swing of the field of the axis where it is largest, and the longest time on without change."""
        values, dt = self._integral(self.times_s), np.diff(self.times_s)
        half = 0.5 * np.ptp(values, axis=0)
        still = (self.starts == 0) & (self.stops == 0) & (np.abs(values[:-1]) > 0.1 * half)
        longest = 0.0
        for axis in np.flatnonzero(half > 0):
            # Neighbouring pieces without change count together.
            ends = np.flatnonzero(~still[:, axis])
            sums = np.concatenate([[0.0], np.cumsum(dt * still[:, axis])])
            marks = sums[np.concatenate([[0], ends, [len(dt)]])]
            longest = max(longest, float(np.diff(marks).max(initial=0.0)))
        return float(half.max()), longest

    def _integral(self, t: np.ndarray) -> np.ndarray:
        """Integral of the rate from the start to some times inside."""
        dt = np.diff(self.times_s)[:, None]
        sums = np.concatenate([np.zeros((1, self.axes)), np.cumsum(0.5 * (self.starts + self.stops) * dt, axis=0)])
        k = self._piece_of(t)
        s = (t - self.times_s[k])[:, None]
        return sums[k] + s * (self.starts[k] + 0.5 * s * (self.stops[k] - self.starts[k]) / dt[k])

    def _piece_of(self, t: np.ndarray) -> np.ndarray:
        return np.clip(np.searchsorted(self.times_s, t, side="right") - 1, 0, len(self.starts) - 1)

    def _cut(self, a: float, b: float, size: float, known: dict[bytes, list[Waveform]]) -> Waveform | None:
        tiny = 1e-9 * (b - a)
        i, j = np.searchsorted(self.times_s, [a + tiny, b - tiny], side="left")
        times = np.concatenate([[a], self.times_s[i:j], [b]])
        k = np.arange(i - 1, j)  # the piece of the waveform that every one of these lies in
        begins, width = self.times_s[k], self.times_s[k + 1] - self.times_s[k]
        ends = []
        for t in (times[:-1], times[1:]):
            u = np.clip((t - begins) / width, 0, 1)[:, None]
            ends.append((1 - u) * self.starts[k] + u * self.stops[k])
        if not np.any(ends):
            return None
        since = times - a
        # Looked up coarsely and compared finely: sums of times leave rounding in the rates.
        key = np.round(since, 6).tobytes() + (np.round(np.divide(ends, size), 3) + 0.0).tobytes()
        for other in known.setdefault(key, []):
            apart = max(float(np.abs(e - v).max()) for e, v in zip(ends, (other.starts, other.stops), strict=True))
            if apart <= ALIKE * size and np.abs(since - (other.times_s - other.times_s[0])).max() <= ALIKE * since[-1]:
                return other
        found = replace(self, times_s=times, starts=ends[0], stops=ends[1], splits_s=np.zeros(0), unusual=True)
        known[key].append(found)
        return found

    def _jumps(self) -> tuple[np.ndarray, np.ndarray]:
        """Jumps of the rate and of its slope at the first n breakpoints; the last is the first of the next period."""
        slope = (self.stops - self.starts) / np.diff(self.times_s)[:, None]
        return self.starts - np.roll(self.stops, 1, axis=0), slope - np.roll(slope, 1, axis=0)

    def _sums(self, weights: np.ndarray, count: int) -> np.ndarray:
        """Sum over k of weights (k, m) exp(-j 2 pi n t_k / T), n = 1 .. count; by FFT where times lie on a raster."""
        u = (self.times_s[:-1] - self.times_s[0]) / self.duration_s
        n = np.arange(1, count + 1)
        cells = self._raster()
        if cells and cells * math.log2(cells) < len(u) * count:
            on = np.zeros((cells, weights.shape[1]))
            np.add.at(on, np.rint(u * cells).astype(np.int64) % cells, weights)
            return np.fft.fft(on, axis=0)[n % cells]
        self._require_few(len(u) * count <= MOST_PRODUCTS, count)
        # exp(-j (K a + b) x) = exp(-j K a x) exp(-j b x): few exponentials, and products of matrices.
        side = math.ceil(math.sqrt(count))
        out = np.zeros((side, side, weights.shape[1]), complex)
        step = max(1, _BLOCK // side)
        for low in range(0, len(u), step):
            here, some = u[low : low + step], weights[low : low + step]
            orders = side * (n[:side] - 1), n[:side]
            coarse, fine = (np.exp(-2j * np.pi * np.mod(np.outer(m, here), 1.0)) for m in orders)
            for k in range(some.shape[1]):
                out[..., k] += (coarse * some[:, k]) @ fine.T
        return out.reshape(side * side, -1)[:count]

    def _require_few(self, few: bool, count: int) -> None:
        if not few:
            raise InputError(
                "too many harmonics: the waveform is too long to be one period",
                field=f"waveform {self.name!r}",
                found=f"{count} of {len(self.starts)} pieces in {self.duration_s:.4g} s",
                expected="a lower highest frequency, or splits at which it can be cut",
            )

    def _raster(self) -> int:
        """Number of equal cells of the period on whose edges all breakpoints lie; 0 when there is none."""
        period, t = self.duration_s, self.times_s - self.times_s[0]
        shortest = float(np.diff(t).min())
        for divisor in (1, 2, 3, 4, 5, 10, 20):
            cells = round(period * divisor / shortest)
            if cells > LARGEST_RASTER:
                break
            at = t * (cells / period)
            if np.all(np.abs(at - np.rint(at)) < 1e-6):
                return cells
        return 0
