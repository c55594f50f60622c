r"""First-order memories driven by piecewise linear inputs, exact at every corner.

.. math:: \dot y = -s\,y + x(t)

Over a piece of length h in which x goes from a to b,

.. math::

   y(h) = e^{-z} y(0) + h\,[(E_1 - E_2)\,a + E_2\,b], \qquad z = s h,\quad
   E_1 = \frac{1 - e^{-z}}{z},\quad E_2 = \frac{1 - E_1}{z}

so that filters made of such memories know no sampling error, whatever the steps.

Source: variation of constants; the functions E are those of exponential integrators (M. Hochbruck and A. Ostermann,
Acta Numerica 19 (2010) 209).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from emdose.errors import InputError

CHUNK = 512
"""Pieces at a time: their memories stay in the cache of a processor."""
MOST_PARTS, POINTS = 64, 1_000_000
"""Of a piece, and of all together, where a course is told between corners."""
_SMALL = 0.3
_TERMS = 14


def states(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, rates_1_s: np.ndarray, first: np.ndarray
) -> Iterator[tuple[slice, np.ndarray]]:
    """The memories at the end of every piece, chunk by chunk.

    Parameters
    ----------
    times_s : (n + 1,) ndarray
        Growing corners [s].
    starts, stops : (n, axes) ndarray
        Input behind the start and before the stop of every piece.
    rates_1_s : (m,) ndarray
        How fast every memory decays, 0 for an integral [1/s].
    first : (m, axes) ndarray
        The memories at the first corner.

    Yields
    ------
    pieces : slice
        Which pieces.
    memories : (pieces, m, axes) ndarray
        The memories at their ends.
    """
    steps, carry = lengths(times_s), np.array(first, float)
    constant = np.array_equal(starts, stops)
    # Sequences have their corners on a raster: few lengths of pieces differ.
    different, which = np.unique(steps, return_inverse=True)
    few = 4 * len(different) <= len(steps)
    table = _weights(different, rates_1_s, constant) if few else ()
    for low in range(0, len(steps), CHUNK):
        part = slice(low, min(low + CHUNK, len(steps)))
        weights = [w[which[part]] for w in table] if few else _weights(steps[part], rates_1_s, constant)
        decay, of_starts = weights[:2]
        new = of_starts[..., None] * starts[part, None]
        if not constant:
            new += weights[2][..., None] * stops[part, None]
        _scan(decay, new, carry)
        carry = new[-1]
        yield part, new


def lengths(times_s: np.ndarray) -> np.ndarray:
    """Lengths of the pieces between corners [s]: whole nanoseconds where the corners are such up to their rounding."""
    steps = np.diff(times_s)
    whole = np.rint(steps * 1e9) / 1e9
    rounding = 4 * np.spacing(float(np.abs(times_s).max()))
    return whole if np.all((np.abs(steps - whole) <= rounding) & (whole > 0)) else steps


def last_state(
    times_s: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    rates_1_s: np.ndarray,
    first: np.ndarray | None = None,
) -> np.ndarray:
    """The memories at the last corner, (m, axes); none at the first where they are not given."""
    end = np.zeros((len(rates_1_s), starts.shape[1])) if first is None else first
    for _, memories in states(times_s, starts, stops, rates_1_s, end):
        end = memories[-1]
    return end


def repeated_state(times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, rates_1_s: np.ndarray) -> np.ndarray:
    """The memories at the first corner of an input that has been repeated for ever, (m, axes); rates above 0."""
    once = last_state(times_s, starts, stops, rates_1_s)
    return once / -np.expm1(-rates_1_s * (times_s[-1] - times_s[0]))[:, None]


def subdivided(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, step_s: float, most: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same input in pieces of at most a step, or in ``most`` parts each: times, starts and stops.

    By default 64 parts, and fewer of inputs that would get more than a million points.
    """
    if most is None:
        most = max(1, min(MOST_PARTS, POINTS // len(starts)))
    length = np.diff(times_s)
    parts = np.clip(np.ceil(length / step_s * (1 - 1e-9)), 1, most).astype(int)
    which = np.repeat(np.arange(len(length)), parts)
    number = np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)
    ends = []
    for u in (number / parts[which], (number + 1) / parts[which]):
        ends.append(starts[which] + u[:, None] * (stops - starts)[which])
    times = np.append(times_s[which] + number / parts[which] * length[which], times_s[-1])
    return times, ends[0], ends[1]


def histories(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, rates_1_s: np.ndarray, start: str, now_s: float
) -> list[np.ndarray]:
    """The memories at a time: from rest, of the input without end, or both ("rest", "repeated", "worst")."""
    at = end = np.zeros((len(rates_1_s), starts.shape[1]))
    if now_s > times_s[0]:
        at = end = last_state(*between(times_s, starts, stops, float(times_s[0]), now_s), rates_1_s)
    found = [at] if start != "repeated" else []
    if start != "rest":
        if now_s < times_s[-1]:
            end = last_state(*between(times_s, starts, stops, now_s, float(times_s[-1])), rates_1_s, at)
        past = end / -np.expm1(-rates_1_s * (times_s[-1] - times_s[0]))[:, None]
        found.append(at + past * np.exp(-rates_1_s * (now_s - times_s[0]))[:, None])
    return found


def inside(times_s: np.ndarray, between_s: tuple[float, float] | None) -> tuple[float, float]:
    """Begin and end of a part of an input, all of it for None; raises InputError for what it has not."""
    first, last = float(times_s[0]), float(times_s[-1])
    low, high = (first, last) if between_s is None else map(float, between_s)
    if not first <= low < high <= last:
        expected = f"growing times from {first:g} to {last:g} s"
        raise InputError("part that the waveform has not", field="between_s", found=between_s, expected=expected)
    return low, high


def parted(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, at_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same input with corners at some times as well: times, starts and stops."""
    inside = at_s[(at_s > times_s[0]) & (at_s < times_s[-1])]
    if not len(inside):
        return times_s, starts, stops
    times = np.unique(np.concatenate([times_s, inside]))
    which = np.clip(np.searchsorted(times_s, 0.5 * (times[:-1] + times[1:]), side="right") - 1, 0, len(starts) - 1)
    ends = []
    for t in (times[:-1], times[1:]):
        u = ((t - times_s[which]) / np.diff(times_s)[which])[:, None]
        ends.append((1 - u) * starts[which] + u * stops[which])
    return times, ends[0], ends[1]


def between(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, low_s: float, high_s: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The part of an input between two times inside of it."""
    times, a, b = parted(times_s, starts, stops, np.array([low_s, high_s]))
    i, j = np.searchsorted(times, [low_s, high_s])
    return times[i : j + 1], a[i:j], b[i:j]


def _weights(steps: np.ndarray, rates_1_s: np.ndarray, constant: bool) -> list[np.ndarray]:
    """What a piece leaves of the memories before it, and adds of its input at its start and at its stop, (n, m)."""
    h = steps[:, None]
    z = h * rates_1_s
    if constant:
        one = np.where(z > 0, -np.expm1(-z) / np.where(z > 0, z, 1.0), 1.0)
        return [np.exp(-z), h * one]
    decay, one, two = _functions(z)
    return [decay, h * (one - two), h * two]


def _functions(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """exp(-z), E1(z), E2(z) for z >= 0, without the loss of digits near 0."""
    safe = np.where(z < _SMALL, 1.0, z)
    one = -np.expm1(-safe) / safe
    two = (1 - one) / safe
    small = z < _SMALL
    if small.any():
        x = z[small]
        series = [np.zeros_like(x), np.zeros_like(x)]
        for n in range(_TERMS, -1, -1):
            series = [((-1) ** n / math.factorial(n + k + 1)) + x * s for k, s in enumerate(series)]
        one[small], two[small] = series
    return np.exp(-z), one, two


def _scan(decay: np.ndarray, new: np.ndarray, carry: np.ndarray) -> None:
    """new[k] += decay[k] new[k - 1], new[-1] being the carry, in place: in blocks side by side, then across them."""
    count = len(new)
    side = max(1, math.isqrt(count))
    whole = count // side * side
    d, y = decay[:whole].reshape(-1, side, decay.shape[1]).copy(), new[:whole].reshape(-1, side, *new.shape[1:])
    for j in range(1, side):
        y[:, j] += d[:, j, :, None] * y[:, j - 1]
        d[:, j] *= d[:, j - 1]
    for block in range(len(y)):
        y[block] += d[block, :, :, None] * carry
        carry = y[block, -1]
    for k in range(whole, count):
        new[k] += decay[k, :, None] * carry
        carry = new[k]
