"""How much the loss of eddy currents can be beyond the frequencies at which it is known."""

from __future__ import annotations

import numpy as np


def relaxation_bounds(
    solved_Hz: np.ndarray, power: np.ndarray, frequencies_Hz: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the power at a fixed dB/dt, below the lowest and above the highest solved frequency.

    Parameters
    ----------
    solved_Hz : (f,) ndarray
        Solved frequencies, growing [Hz].
    power : (f, h) ndarray
        Power at the solved frequencies of each of h field vectors [W].
    frequencies_Hz : (h,) ndarray
        The frequency that each field vector has, none between the solved ones [Hz].

    Returns
    -------
    low, high : (h,) ndarray
        Least and largest power [W].

    Notes
    -----
    The power is g(x) = sum a_k / (1 + x / x_k) with x = f^2 and a_k >= 0: it falls and is convex, while x g(x) grows
    and is concave. So below the first solved x_1

    .. math:: g_1 + (g_1 - g_2) \\frac{x_1 - x}{x_2 - x_1} \\le g(x) \\le
              \\frac{1}{x} \\left(h_1 - \\frac{h_2 - h_1}{x_2 - x_1} (x_1 - x)\\right), \\quad h = x g,

    and above the last one h_n / x <= g(x) <= (h_n + s (x - x_n)) / x with the last slope s of h. With one solved
    frequency both slopes are taken as what bounds most weakly: 0 below, g_n above.
    """
    x, at = np.asarray(solved_Hz, float) ** 2, np.asarray(frequencies_Hz, float) ** 2
    g = np.maximum(np.asarray(power, float), 0.0)
    h = x[:, None] * g
    first, last, fall = np.zeros_like(g[0]), g[-1], np.zeros_like(g[0])
    if len(x) > 1:
        first = np.clip((h[1] - h[0]) / (x[1] - x[0]), 0.0, g[0])
        last = np.clip((h[-1] - h[-2]) / (x[-1] - x[-2]), 0.0, g[-1])
        fall = np.maximum(g[0] - g[1], 0.0) / (x[1] - x[0])
    below = at < x[0]
    low = np.where(below, g[0] + fall * (x[0] - at), h[-1] / at)
    high = np.where(below, (h[0] - first * (x[0] - at)) / at, (h[-1] + last * (at - x[-1])) / at)
    return low, np.maximum(high, low)


def extrapolated_share(
    solved_Hz: np.ndarray, power: np.ndarray, frequencies_Hz: np.ndarray, found: np.ndarray
) -> float:
    """Largest possible error of a sum of powers because some belong to frequencies beyond the solved ones.

    Parameters
    ----------
    solved_Hz, power, frequencies_Hz
        As in :func:`relaxation_bounds`; frequencies between the solved ones count as known.
    found : (h,) ndarray
        The powers that were taken [W].

    Returns
    -------
    float
        Error over the sum of the powers that were taken.
    """
    f, total = np.asarray(frequencies_Hz, float), float(np.sum(found))
    beyond = (f < solved_Hz[0] * (1 - 1e-6)) | (f > solved_Hz[-1] * (1 + 1e-6))
    if not beyond.any():
        return 0.0
    low, high = relaxation_bounds(solved_Hz, power[:, beyond], f[beyond])
    taken = np.asarray(found, float)[beyond]
    error = float(np.maximum(np.maximum(high - taken, taken - low), 0.0).sum())
    return error / total if total > 0 else float(error > 0)
