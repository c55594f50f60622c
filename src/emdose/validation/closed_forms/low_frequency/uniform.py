r"""A sphere in slow uniform fields: the limits that full-wave solvers must approach at low frequency.

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999, ch. 4.4 and 5.18.
"""

from __future__ import annotations

import math

import numpy as np


def sphere_in_E(permittivity: complex) -> complex:
    r"""Ratio of the uniform E inside a sphere to the applied uniform E: 3 / (eps + 2).

    Parameters
    ----------
    permittivity : complex
        Relative permittivity, eps_r - j sigma / (w eps0).
    """
    return 3 / (permittivity + 2)


def sphere_in_B(points_m: np.ndarray, frequency_Hz: float) -> np.ndarray:
    r"""E that a uniform B of 1 T along z induces in a homogeneous sphere small against skin depth and wavelength.

    .. math:: \mathbf E = -\frac{j\omega}{2} \mathbf B \times \mathbf r

    Parameters
    ----------
    points_m : (n, 3) ndarray
        Points relative to the centre [m].
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    (n, 3) complex ndarray
        Peak phasors [V/m per T].
    """
    p = np.asarray(points_m, float)
    return -1j * math.pi * frequency_Hz * np.stack([-p[:, 1], p[:, 0], np.zeros(len(p))], axis=1)


def sphere_in_B_power(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> float:
    r"""Power that a uniform B of 1 T peak dissipates in a homogeneous sphere small against the skin depth [W].

    .. math:: P = \frac{\pi}{15} \sigma \omega^2 B^2 R^5

    Parameters
    ----------
    radius_m : float
        Radius R [m].
    conductivity_S_m : float
        Conductivity [S/m].
    frequency_Hz : float
        Frequency [Hz].
    """
    return math.pi / 15 * conductivity_S_m * (2 * math.pi * frequency_Hz) ** 2 * radius_m**5
