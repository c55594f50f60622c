"""Scattering of a plane wave by a perfectly conducting sphere."""

from __future__ import annotations

import math

import numpy as np

from emdose.constants import C_0, MU_0

__all__ = ["backscatter_m2", "scattered_power_W", "scattering_cross_section_m2"]


def _coefficients(x: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Orders n and the Mie coefficients a_n, b_n of a perfect conductor of size x = k a."""
    from scipy.special import spherical_jn, spherical_yn

    n = np.arange(1, math.ceil(x + 4 * x ** (1 / 3) + 12) + 1)
    j, dj = spherical_jn(n, x), spherical_jn(n, x, derivative=True)
    y, dy = spherical_yn(n, x), spherical_yn(n, x, derivative=True)
    h, dh = j - 1j * y, dj - 1j * dy
    return n, (j + x * dj) / (h + x * dh), j / h


def scattering_cross_section_m2(radius_m: float, frequency_Hz: float) -> float:
    r"""Scattered power over the incident power density.

    .. math::

       C = \frac{2 \pi}{k^2} \sum_n (2n + 1) (|a_n|^2 + |b_n|^2), \qquad
       a_n = \frac{[x j_n(x)]'}{[x h_n(x)]'}, \quad b_n = \frac{j_n(x)}{h_n(x)}

    Parameters
    ----------
    radius_m : float
        Radius a [m], x = k a.
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    float
        Cross section [m^2]; for small spheres (10 pi / 3) k^4 a^6.

    Source: C. Bohren and D. Huffman, Absorption and Scattering of Light by Small Particles, Wiley 1983, sec. 4.4, in
    the limit of an infinite permittivity; R. Harrington, Time-Harmonic Electromagnetic Fields, 1961, sec. 6-9.
    """
    k = 2 * math.pi * frequency_Hz / C_0
    n, a, b = _coefficients(k * radius_m)
    return float(2 * math.pi / k**2 * np.sum((2 * n + 1) * (np.abs(a) ** 2 + np.abs(b) ** 2)))


def backscatter_m2(radius_m: float, frequency_Hz: float) -> float:
    r"""Radar cross section in the backward direction.

    .. math:: \sigma = \frac{\pi}{k^2} \Bigl| \sum_n (-1)^n (2n + 1) (a_n - b_n) \Bigr|^2

    Parameters
    ----------
    radius_m : float
        Radius [m].
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    float
        Cross section [m^2]; pi a^2 for large spheres.

    Source: as :func:`scattering_cross_section_m2`.
    """
    k = 2 * math.pi * frequency_Hz / C_0
    n, a, b = _coefficients(k * radius_m)
    return float(math.pi / k**2 * abs(np.sum((-1.0) ** n * (2 * n + 1) * (a - b))) ** 2)


def scattered_power_W(radius_m: float, frequency_Hz: float, amplitude_V_m: float = 1.0) -> float:
    """Power scattered out of a plane wave of peak amplitude E: the cross section times E^2 / (2 eta).

    Parameters
    ----------
    radius_m : float
        Radius [m].
    frequency_Hz : float
        Frequency [Hz].
    amplitude_V_m : float
        Peak electric field [V/m].

    Returns
    -------
    float
        Power [W].

    Source: as :func:`scattering_cross_section_m2`.
    """
    return scattering_cross_section_m2(radius_m, frequency_Hz) * amplitude_V_m**2 / (2 * MU_0 * C_0)
