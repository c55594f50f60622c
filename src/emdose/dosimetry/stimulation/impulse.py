r"""The kernel c / (c + u)^2 of nerves: sums in closed form, sums of exponentials, and bounds between corners.

A slew rate a + m u that began a time u ago answers

.. math::

   \int_0^u \frac{c\,(a + m (u - v))}{(c + v)^2}\,dv = a\,\frac{u}{c + u} + m \left(u - c \ln\frac{c + u}{c}\right)

What was before decays as :math:`\sum_j f_j y_j e^{-s_j u}` with memories y_j, whose magnitude and second derivative
stay below those of :math:`\sum_j f_j |y_j| e^{-s_j u}`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emdose.dosimetry.stimulation import memory
from emdose.dosimetry.stimulation.extremes import Stretch

_STEP, _GROWTH = 0.30, 0.02
"""Step of the logarithm of the rates at 1 / c, and how it grows per unit of the logarithm."""
_FASTEST, _LEFT_OUT = 33.0, 1e-12
"""Largest rate times c; part of the response that still slower exponentials would add."""
_SERIES = 0.05


def impulse_response_sum(
    times_s: np.ndarray, starts: np.ndarray, stops: np.ndarray, chronaxie_s: float, at_s: np.ndarray
) -> np.ndarray:
    r"""Integral of a piecewise linear input against c / (c + t - theta)^2 from the first corner on, in closed form.

    With the middle of a piece D = c + (t - theta) away, half its length q, mean s and slope m it adds

    .. math:: c\left[\frac{2 q s}{D^2 - q^2}
       + m \left(\frac{2 D q}{D^2 - q^2} - 2\,\mathrm{artanh}\frac qD\right)\right]

    Parameters
    ----------
    times_s, starts, stops : (n + 1,), (n, axes), (n, axes) ndarray
        The input [s], [unit].
    chronaxie_s : float
        c [s].
    at_s : (k,) ndarray
        Times t [s].

    Returns
    -------
    (k, axes) ndarray
        The integral [unit].
    """
    at = np.asarray(at_s, float)
    out = np.zeros((len(at), starts.shape[1]))
    slope = (stops - starts) / np.diff(times_s)[:, None]
    block = max(1, 2**21 // len(starts))
    for low in range(0, len(at), block):
        t = at[low : low + block, None]
        # A piece that has only begun counts up to t.
        ends = np.clip(times_s[None, 1:], None, t)
        begins = np.clip(times_s[None, :-1], None, t)
        q, middle = 0.5 * (ends - begins), 0.5 * (ends + begins)
        D = chronaxie_s + t - middle
        x = q / D
        even = 2 * q / (D * D - q * q)
        odd = _odd(x)
        offset = middle - times_s[None, :-1]
        out[low : low + block] = even @ starts + (even * offset + odd) @ slope
    return chronaxie_s * out


def _odd(x: np.ndarray) -> np.ndarray:
    """2 x / (1 - x^2) - 2 artanh x, with its series where the difference would lose digits."""
    safe = np.where(x < _SERIES, 0.5, x)
    y = x * x
    series = np.zeros_like(x)
    for n in range(7, 0, -1):
        series = y * (2 * (1 - 1 / (2 * n + 1)) + series)
    return np.where(x < _SERIES, x * series, 2 * safe / (1 - safe * safe) - 2 * np.arctanh(safe))


def exponentials(c: float, duration_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Rates s_j and factors c w_j of the exponentials that c / (c + u)^2 is made of for u up to a duration.

    The trapezoidal rule in x, with ln(1 / (s c)) = (h / g) (exp(g x) - 1): steps grow towards slow exponentials, which
    belong to times at which the kernel is small. The integral of its error is 2e-11 of that of the kernel.
    """
    far = min(1.0, np.sqrt(2 * _LEFT_OUT * (c + duration_s) / c))

    def number(logarithm: float) -> float:
        return float(np.log1p(_GROWTH * logarithm / _STEP) / _GROWTH)

    low, high = number(-np.log(_FASTEST)), number(np.log((c + duration_s) / (c * far)))
    grown = np.exp(_GROWTH * np.arange(np.floor(low), np.ceil(high) + 1))
    s = np.exp(-_STEP / _GROWTH * (grown - 1)) / c
    return s, c * _STEP * grown * s * s * np.exp(-s * c)


def stretches(
    times_s: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    chronaxie_s: float,
    kernel: tuple[np.ndarray, np.ndarray],
    first: np.ndarray,
) -> Iterator[tuple[Stretch, np.ndarray]]:
    """Responses to a slew rate over all of its pieces, with bounds, chunk by chunk.

    Parameters
    ----------
    times_s, starts, stops : (n + 1,), (n, axes), (n, axes) ndarray
        The slew rate, with its weights [s], [unit].
    chronaxie_s : float
        c [s].
    kernel : (m,) and (m,) ndarray
        Rates and factors of :func:`exponentials` for a duration that is no shorter.
    first : (m, axes) ndarray
        Memories before it.

    Yields
    ------
    stretch : Stretch
        Responses [unit] of the next pieces.
    memories : (m, axes) ndarray
        At their end.
    """
    c, (rates, factors), now = chronaxie_s, kernel, first
    steps = memory.lengths(times_s)
    weights = np.stack([factors, factors * rates**2])
    for part, after in memory.states(times_s, starts, stops, rates, now):
        before = np.concatenate([now[None], after[:-1]])
        ends = np.tensordot(np.concatenate([before[:1], after]), factors, (1, 0))
        size = np.abs(before)
        cap, bend = (np.tensordot(size, w, (1, 0)) for w in weights)
        a, m = starts[part], (stops[part] - starts[part]) / steps[part, None]
        one, two = _running(steps[part, None], c)
        own = np.abs(a) * one + np.abs(m) * two

        def at(
            k: np.ndarray,
            u: np.ndarray,
            before: np.ndarray = before,
            a: np.ndarray = a,
            m: np.ndarray = m,
            own: np.ndarray = own,
        ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            left = np.exp(-u[:, None] * rates)
            y = before[k]
            size = np.abs(y)
            one, two = _running(u[:, None], c)
            value = np.einsum("qm,qma->qa", left * weights[0], y) + a[k] * one + m[k] * two
            bend = np.einsum("qm,qma->qa", left * weights[1], size) + _bend(a[k], m[k], u[:, None], c)
            return value, bend, np.einsum("qm,qma->qa", left * weights[0], size) + own[k]

        yield Stretch(part.start, ends[:-1], ends[1:], bend + _bend(a, m, np.zeros(1), c), cap + own, at), after[-1]
        now = after[-1]


def _running(u: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """What a slew rate of 1, and one that grows by 1 per second, has answered after a time."""
    return u / (c + u), u - c * np.log1p(u / c)


def _bend(a: np.ndarray, m: np.ndarray, u: np.ndarray, c: float) -> np.ndarray:
    """Bound of the second derivative of what a slew rate a + m u answers, from a time u on."""
    return np.abs(a) * 2 * c / (c + u) ** 3 + np.abs(m) * c / (c + u) ** 2
