r"""Fields of a circular loop of current, and of line currents in a conducting tube.

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999, ch. 5.5 (loop), 2.1 and 4.4 (images);
C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 5 (loop with retardation).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import ellipe, ellipk

C_0, MU_0 = 299_792_458.0, 1.25663706212e-6


def static_potential(radius_m: float, rho_m: np.ndarray, z_m: np.ndarray) -> np.ndarray:
    r"""Azimuthal vector potential of a loop with 1 A in the plane z = 0, without retardation [T m].

    .. math:: A_\varphi = \frac{\mu_0}{\pi k} \sqrt{a/\rho} \left[(1 - k^2/2) K - E\right], \quad
              k^2 = \frac{4 a \rho}{(a + \rho)^2 + z^2}

    Parameters
    ----------
    radius_m : float
        Loop radius a [m].
    rho_m, z_m : ndarray
        Distance from the axis (> 0) and from the plane [m].
    """
    a, rho, z = radius_m, np.asarray(rho_m, float), np.asarray(z_m, float)
    m = 4 * a * rho / ((a + rho) ** 2 + z**2)
    return MU_0 / (math.pi * np.sqrt(m)) * np.sqrt(a / rho) * ((1 - m / 2) * ellipk(m) - ellipe(m))


def static_B(radius_m: float, rho_m: np.ndarray, z_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Radial and axial B of a loop with 1 A in the plane z = 0, without retardation [T]; see static_potential."""
    a, rho, z = radius_m, np.asarray(rho_m, float), np.asarray(z_m, float)
    outer, inner = (a + rho) ** 2 + z**2, (a - rho) ** 2 + z**2
    m = 4 * a * rho / outer
    K, E = ellipk(m), ellipe(m)
    scale = MU_0 / (2 * math.pi * np.sqrt(outer))
    axial = scale * (K + (a * a - rho * rho - z * z) / inner * E)
    safe = np.where(rho > 0, rho, 1.0)
    radial = np.where(rho > 0, scale * z / safe * (-K + (a * a + rho * rho + z * z) / inner * E), 0.0)
    return radial, axial


def axis_B(radius_m: float, z_m: np.ndarray, frequency_Hz: float) -> np.ndarray:
    r"""Axial B on the axis of a loop with 1 A, with retardation [T].

    .. math:: B_z = \frac{\mu_0 a^2}{2 R^3} (1 + jkR) e^{-jkR}, \quad R^2 = a^2 + z^2

    Parameters
    ----------
    radius_m : float
        Loop radius a [m].
    z_m : ndarray
        Position on the axis [m].
    frequency_Hz : float
        Frequency [Hz].
    """
    k = 2 * math.pi * frequency_Hz / C_0
    R = np.sqrt(radius_m**2 + np.asarray(z_m, float) ** 2)
    return MU_0 * radius_m**2 / (2 * R**3) * (1 + 1j * k * R) * np.exp(-1j * k * R)


def retarded_potential(radius_m: float, rho_m: float, z_m: float, frequency_Hz: float) -> complex:
    r"""Azimuthal vector potential of a loop with 1 A at one point, with retardation [T m].

    The static part in closed form, the smooth rest (exp(-jkR) - 1) / R by adaptive quadrature to 1e-12.

    Parameters
    ----------
    radius_m : float
        Loop radius a [m].
    rho_m, z_m : float
        Distance from the axis (> 0) and from the plane [m].
    frequency_Hz : float
        Frequency [Hz].
    """
    from scipy.integrate import quad

    k = 2 * math.pi * frequency_Hz / C_0

    def rest(phi: float, part: int) -> float:
        R = math.sqrt(max(radius_m**2 + rho_m**2 + z_m**2 - 2 * radius_m * rho_m * math.cos(phi), 1e-300))
        return math.cos(phi) / R * ((-2 * math.sin(0.5 * k * R) ** 2) if part == 0 else -math.sin(k * R))

    real, imag = (quad(rest, 0, math.pi, args=(p,), epsabs=1e-13, epsrel=1e-12, limit=200)[0] for p in (0, 1))
    static = float(static_potential(radius_m, np.array(rho_m), np.array(z_m)))
    return static + MU_0 * radius_m / (2 * math.pi) * complex(real, imag)


def tube_lines_B(radius_m: float, tube_radius_m: float, currents_A: np.ndarray, x_m: float, y_m: float) -> np.ndarray:
    r"""B of parallel line currents on a circle inside a perfectly conducting tube, in two dimensions and static [T].

    Every line at radius a has an image -I at b^2 / a. For a cosine current the field inside is that without tube
    times 1 - (a / b)^2.

    Parameters
    ----------
    radius_m, tube_radius_m : float
        Radius a of the circle of lines and b of the tube [m].
    currents_A : (n,) complex ndarray
        Currents along +z of n lines at the angles 2 pi i / n [A].
    x_m, y_m : float
        Point inside [m].

    Returns
    -------
    (2,) complex ndarray
        Bx and By.
    """
    phi = 2 * math.pi * np.arange(len(currents_A)) / len(currents_A)
    B = np.zeros(2, complex)
    for radius, sign in ((radius_m, 1.0), (tube_radius_m**2 / radius_m, -1.0)):
        dx, dy = x_m - radius * np.cos(phi), y_m - radius * np.sin(phi)
        scale = sign * MU_0 / (2 * math.pi) * currents_A / (dx * dx + dy * dy)
        B += np.array([np.sum(-scale * dy), np.sum(scale * dx)])
    return B
