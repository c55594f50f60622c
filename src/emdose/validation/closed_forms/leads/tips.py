r"""A small round tip that delivers current into a medium: field, power and steady temperature.

Source: elementary, from E = I / (4 pi (sigma + j w eps) r^2) of a current that leaves a small ball evenly, and
k Laplace T = -q with q = Q0 (r0 / r)^4 outside of an insulated ball; worked out for this package.
"""

from __future__ import annotations

import numpy as np

from emdose.constants import EPS_0


def tip_field(
    r: np.ndarray, current_A: complex, frequency_Hz: float, permittivity: float, conductivity_S_m: float
) -> np.ndarray:
    r"""Radial field I / (4 pi (sigma + j w eps) r^2) [V/m].

    Parameters
    ----------
    r : ndarray
        Distance from the centre of the tip [m].
    current_A : complex
        Current that leaves the tip, peak [A].
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium, the latter in [S/m].
    """
    admitted = conductivity_S_m + 2j * np.pi * frequency_Hz * permittivity * EPS_0
    return np.asarray(current_A / (4 * np.pi * admitted * np.square(np.asarray(r, float))))


def tip_power(
    current_A: complex,
    frequency_Hz: float,
    permittivity: float,
    conductivity_S_m: float,
    inner_m: float,
    outer_m: float = np.inf,
) -> float:
    r"""Mean power between two radii, abs(I)^2 sigma / (8 pi abs(sigma + j w eps)^2) (1 / r0 - 1 / r1) [W].

    Parameters
    ----------
    current_A : complex
        Current that leaves the tip, peak [A].
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium, the latter in [S/m].
    inner_m, outer_m : float
        r0 and r1 [m].
    """
    admitted = conductivity_S_m + 2j * np.pi * frequency_Hz * permittivity * EPS_0
    shell = 1 / inner_m - 1 / outer_m
    return float(abs(current_A) ** 2 * conductivity_S_m / (8 * np.pi * abs(admitted) ** 2) * shell)


def tip_rise(r: np.ndarray, source_W_m3: float, tip_radius_m: float, conductivity_W_m_K: float) -> np.ndarray:
    r"""Steady rise around a tip without perfusion, Q0 / k (r0^3 / r - r0^4 / (2 r^2)) [K].

    The source is Q0 (r0 / r)^4, and no heat enters the tip, a ball of radius r0.

    Parameters
    ----------
    r : ndarray
        Distance from the centre, at least r0 [m].
    source_W_m3 : float
        Power density Q0 at the surface of the tip [W/m^3].
    tip_radius_m : float
        r0 [m].
    conductivity_W_m_K : float
        Thermal conductivity k [W/m/K].
    """
    r, r0 = np.asarray(r, float), tip_radius_m
    return np.asarray(source_W_m3 / conductivity_W_m_K * (r0**3 / r - r0**4 / (2 * r**2)))
