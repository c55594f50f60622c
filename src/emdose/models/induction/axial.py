r"""Fields of currents around an axis, exact: cylindrical sheets (thin solenoids) and rings.

A sheet of radius a from :math:`z_1` to :math:`z_2` with K ampere-turns per metre has, with
:math:`z_\pm`, :math:`\gamma = (a-\rho)/(a+\rho)` and Bulirsch's complete elliptic integral C,

.. math::

   B_\rho = \frac{\mu_0 K}{\pi}\big[\alpha C(k, 1, 1, -1)\big]_{z_-}^{z_+}, \qquad
   B_z = \frac{\mu_0 K}{\pi}\frac{a}{a+\rho}\big[\beta C(k, \gamma^2, 1, \gamma)\big]_{z_-}^{z_+} .

Its derivative along the axis is the difference of the fields of rings at its two ends.

Source: N. Derby and S. Olbert, Am. J. Phys. 78 (2010) 229 (sheets); R. Bulirsch, Numer. Math. 13 (1969) 305 (C);
W. R. Smythe, Static and Dynamic Electricity, 3rd ed. (1968), sec. 7.10 (rings).
"""

from __future__ import annotations

import math

import numpy as np

from emdose.constants import MU_0

_NEAR_AXIS = 1e-3
"""Distance from the axis over the radius below which the series of the radial field is taken."""
_STEPS = 12
"""The iteration is quadratic: 12 steps reach rounding for every argument that a double can tell from zero."""


def complete_integral(kc: np.ndarray, p: np.ndarray, c: np.ndarray, s: np.ndarray) -> np.ndarray:
    r"""Bulirsch's :math:`\int_0^{\pi/2} (c\cos^2 + s\sin^2) / ((\cos^2 + p\sin^2)\sqrt{\cos^2 + k_c^2\sin^2})`.

    Parameters
    ----------
    kc, p, c, s : arrays of one shape
        Arguments; kc and p above zero.
    """
    kc, e, m = np.abs(kc), np.abs(kc), np.ones_like(kc)
    p = np.sqrt(p)
    s = s / p
    for _ in range(_STEPS):
        f, g = c, e / p
        c, s, p = c + s / p, 2 * (s + f * g), g + p
        g, m = m, kc + m
        if np.all(np.abs(g - kc) <= 1e-8 * g):
            break
        kc = 2 * np.sqrt(e)
        e = kc * m
    return np.asarray(0.5 * math.pi * (s + c * m) / (m * (m + p)))


def sheet_field(rho: np.ndarray, z: np.ndarray, radius: float, low: float, high: float) -> tuple[np.ndarray, ...]:
    """Radial and axial field of a cylindrical sheet per ampere-turn per metre, (n,) each [T per A/m].

    Parameters
    ----------
    rho, z : (n,) ndarray
        Distance from the axis, and place along it [m].
    radius, low, high : float
        Of the sheet [m].
    """
    # On the cylinder itself the axial field steps inside of the sheet; the average is not defined there, a side is.
    rho = np.where(np.abs(rho - radius) < 1e-12 * radius, radius * (1 - 1e-12), rho)
    gamma = (radius - rho) / (radius + rho)
    one = np.ones_like(rho)
    radial, axial = np.zeros_like(rho), np.zeros_like(rho)
    for sign, end in ((1.0, low), (-1.0, high)):
        d = z - end
        far = np.sqrt(d * d + (rho + radius) ** 2)
        kc = np.sqrt(d * d + (rho - radius) ** 2) / far
        kc = np.maximum(kc, 1e-150)
        radial += sign * radius / far * complete_integral(kc, one, one, -one)
        axial += sign * d / far * complete_integral(kc, gamma**2, one, gamma)
    scale = MU_0 / math.pi
    return scale * radial, scale * radius / (radius + rho) * axial


def ring_field(rho: np.ndarray, z: np.ndarray, radius: float) -> tuple[np.ndarray, ...]:
    """Radial and axial field of a ring in the plane z = 0 per ampere, (n,) each [T/A]; parameters of sheet_field."""
    far2, near2 = z * z + (rho + radius) ** 2, z * z + (rho - radius) ** 2
    far = np.sqrt(far2)
    kc = np.maximum(np.sqrt(near2 / far2), 1e-150)
    one = np.ones_like(rho)
    K, E = complete_integral(kc, one, one, one), complete_integral(kc, one, one, kc**2)
    scale = MU_0 / (2 * math.pi) / far
    axial = scale * (K + (radius**2 - rho**2 - z * z) / near2 * E)
    on_axis = rho < _NEAR_AXIS * radius
    safe = np.where(on_axis, radius, rho)
    radial = scale * z / safe * ((radius**2 + rho**2 + z * z) / near2 * E - K)
    series = 0.75 * MU_0 * radius**2 * z * rho / (radius**2 + z * z) ** 2.5
    return np.where(on_axis, series, radial), axial
