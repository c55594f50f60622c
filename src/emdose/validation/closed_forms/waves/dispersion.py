"""Numerical dispersion of the Yee scheme in vacuum."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emdose.constants import C_0

__all__ = ["courant_limit_s", "wavenumber"]


def courant_limit_s(spacing_m: Sequence[float]) -> float:
    r"""Largest stable time step on a uniform grid.

    .. math:: \Delta t = \frac{1}{c \sqrt{\sum_a 1 / \Delta_a^2}}

    Parameters
    ----------
    spacing_m : (float, float, float)
        Steps of the grid [m].

    Returns
    -------
    float
        Time step [s].

    Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, sec. 4.7.
    """
    return 1 / (C_0 * math.sqrt(sum(1 / s**2 for s in spacing_m)))


def wavenumber(
    frequency_Hz: float, direction: Sequence[float], spacing_m: Sequence[float], time_step_s: float
) -> float:
    r"""Wavenumber of a plane wave on the grid.

    .. math::

       \Bigl(\frac{\sin(\omega \Delta t / 2)}{c \Delta t}\Bigr)^2
       = \sum_a \Bigl(\frac{\sin(k d_a \Delta_a / 2)}{\Delta_a}\Bigr)^2

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    direction : (float, float, float)
        Direction of travel; it is normalised.
    spacing_m : (float, float, float)
        Steps of the grid [m].
    time_step_s : float
        Time step [s].

    Returns
    -------
    float
        k [rad/m].

    Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, sec. 4.3.
    """
    from scipy.optimize import brentq

    d = np.asarray(direction, float) / np.linalg.norm(direction)
    h = np.asarray(spacing_m, float)
    left = (math.sin(math.pi * frequency_Hz * time_step_s) / (C_0 * time_step_s)) ** 2

    def excess(k: float) -> float:
        return float(np.sum((np.sin(0.5 * k * d * h) / h) ** 2)) - left

    free = 2 * math.pi * frequency_Hz / C_0
    return float(brentq(excess, 0.5 * free, 1.5 * free, xtol=1e-14 * free, rtol=1e-14))
