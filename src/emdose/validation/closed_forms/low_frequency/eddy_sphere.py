r"""Solid and hollow metal spheres in a uniform alternating field.

With x = ka, k = (1 - j)/delta, the vector potential is A_phi = f(r) sin(theta); f is B0 r/2 + D/r^2 outside, a mix of
spherical Bessel functions of kr in metal, and proportional to r in the cavity. The dipole moment is m = 4 pi D/mu0 and
the power

.. math:: P = -\frac{\omega}{2} \operatorname{Im}(m B_0^*) , \qquad
          m = \frac{4\pi a^3 B_0}{\mu_0}\, \frac{2 - u}{2 (1 + u)}, \quad u = \frac{j_1 + x j_1'}{\mu_r j_1} .

Source: J. R. Wait, Geophysics 16 (1951) 666; W. Smythe, Static and Dynamic Electricity, 3rd ed., McGraw-Hill 1968,
ch. 10.
"""

from __future__ import annotations

import math

import numpy as np

MU_0 = 1.25663706212e-6


def skin_depth(conductivity_S_m: float, frequency_Hz: float, relative_permeability: float = 1.0) -> float:
    """Skin depth [m]."""
    return 1 / math.sqrt(math.pi * frequency_Hz * MU_0 * relative_permeability * conductivity_S_m)


def sphere_power(
    radius_m: float, conductivity_S_m: float, frequency_Hz: float, relative_permeability: float = 1.0
) -> float:
    """Power in a solid sphere at a rate of 1 T/s rms [W].

    Parameters
    ----------
    radius_m : float
        Radius [m].
    conductivity_S_m : float
        Conductivity [S/m].
    frequency_Hz : float
        Frequency [Hz].
    relative_permeability : float
        mu_r.
    """
    x2 = -2j * (radius_m / skin_depth(conductivity_S_m, frequency_Hz, relative_permeability)) ** 2
    D = _d(x2)
    u = (1 / D - 1) / relative_permeability
    ratio = (3 * D - 1) if relative_permeability == 1 else (2 - u) / (1 + u)
    if relative_permeability == 1:
        ratio = _three_d_less_one(x2)
    return _from_moment(2 * math.pi * radius_m**3 / MU_0 * ratio, frequency_Hz)


def sphere_limits(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> tuple[float, float]:
    r"""Limits of low and of high frequency of :func:`sphere_power` for mu_r = 1 [W].

    .. math:: \frac{2\pi}{15}\sigma a^5 \quad\text{and}\quad \frac{6 \pi a^2}{\mu_0^2 \sigma \delta \omega^2}
    """
    w = 2 * math.pi * frequency_Hz
    high = 6 * math.pi * radius_m**2 / (MU_0**2 * conductivity_S_m * skin_depth(conductivity_S_m, frequency_Hz) * w**2)
    return 2 * math.pi / 15 * conductivity_S_m * radius_m**5, high


def linear_field_power(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> float:
    r"""Power in a solid sphere of mu_r = 1 in a field that is zero at its centre and grows linearly [W].

    The field is B = S r with a symmetric S without trace, at the rate of 1 T/m/s rms; the power is to be multiplied by
    tr(S S^T). The potential (S r) x r/3 goes with r^2 outside, to which the sphere adds D/r^3, and with j_2(kr) inside;
    the flux of energy through the sphere is

    .. math:: P = -\frac{4\pi}{9\mu_0\omega} \operatorname{Im} D \operatorname{tr}(SS^T), \qquad
              D = a^5 \left(\frac{5\, j_2(x)}{x\, j_1(x)} - 1\right)

    with the limits :math:`4\pi\sigma a^7/315` and :math:`20\pi a^4/(9\mu_0^2\sigma\delta\omega^2)`.

    Parameters
    ----------
    radius_m, conductivity_S_m, frequency_Hz : float
        As in :func:`sphere_power`.
    """
    from scipy import special

    x = (1 - 1j) * radius_m / skin_depth(conductivity_S_m, frequency_Hz)
    D = radius_m**5 * (5 * special.jve(2.5, x) / (x * special.jve(1.5, x)) - 1)  # the scale of both cancels
    return -4 * math.pi / (9 * MU_0 * 2 * math.pi * frequency_Hz) * float(np.imag(D))


def hollow_sphere(
    inner_m: float,
    outer_m: float,
    conductivity_S_m: float,
    frequency_Hz: float,
    relative_permeability: float = 1.0,
) -> tuple[float, complex]:
    """Power of a spherical shell at a rate of 1 T/s rms [W], and the field in the cavity over the applied one.

    Parameters
    ----------
    inner_m, outer_m : float
        Radii [m].
    conductivity_S_m, frequency_Hz, relative_permeability : float
        As in :func:`sphere_power`.
    """
    k = (1 - 1j) / skin_depth(conductivity_S_m, frequency_Hz, relative_permeability)
    # Unknowns: D/a^2 outside, factors of two spherical Hankel functions, each scaled to one at the surface where it is
    # largest (j1 and y1 would be all but parallel in a thick shell), slope in the cavity. Continuous are A and
    # d(rA)/dr / mu.
    rows, right = np.zeros((4, 4), complex), np.zeros(4, complex)

    def hankel(sign: int, largest_m: float, r: float) -> tuple[complex, complex]:
        x, turn = k * r, np.exp(sign * 1j * k * (r - largest_m))
        value = turn * (x + sign * 1j) / x**2
        slope = turn * (sign * 1j * (x + sign * 1j) / x + 1 / x - (x + sign * 1j) / x**2)
        return value, slope / relative_permeability

    for row, r in ((0, outer_m), (2, inner_m)):
        for column, (sign, largest) in enumerate(((1, outer_m), (-1, inner_m)), 1):
            rows[row, column], rows[row + 1, column] = hankel(sign, largest, r)
    rows[0, 0], rows[1, 0] = -1, 1
    right[0], right[1] = 0.5 * outer_m, outer_m
    rows[2, 3], rows[3, 3] = -inner_m, -2 * inner_m
    D, _, _, slope = np.linalg.solve(rows, right)
    return _from_moment(4 * math.pi * D * outer_m**2 / MU_0, frequency_Hz), complex(2 * slope)


def _from_moment(moment: complex, frequency_Hz: float) -> float:
    """Power of a dipole moment per unit B0, at 1 T/s rms: B0 = sqrt(2)/w."""
    return -float(np.imag(moment)) / (2 * math.pi * frequency_Hz)


_SERIES = (1 / 3, 1 / 45, 2 / 945, 1 / 4725, 2 / 93555, 1382 / 638512875)


def _d(x2: complex) -> complex:
    """(1 - x cot x) / x^2."""
    if abs(x2) < 0.1:
        return sum(c * x2**n for n, c in enumerate(_SERIES))
    x = np.sqrt(x2)
    x = x if x.imag < 0 else -x
    q = np.exp(-2j * x)
    return complex((1 - x * 1j * (1 + q) / (1 - q)) / x2)


def _three_d_less_one(x2: complex) -> complex:
    """3 (1 - x cot x) / x^2 - 1, without cancellation."""
    if abs(x2) < 0.1:
        return sum(3 * c * x2**n for n, c in enumerate(_SERIES) if n)
    return 3 * _d(x2) - 1


def sphere_moment(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> tuple[float, float]:
    r"""Induced moment of a solid sphere, m = -(M dB/dt + N B): M [A m^2/(T/s)] and N [A m^2/T].

    .. math:: \mathbf m = -\frac{2\pi a^3}{\mu_0} D\, \mathbf B, \quad
              D = 1 + \frac{3}{x^2} - \frac{3}{x} \coth x, \quad x = a \sqrt{j\omega\mu_0\sigma}, \quad
              M = \frac{2\pi a^3}{\mu_0\omega} \operatorname{Im} D, \quad N = \frac{2\pi a^3}{\mu_0} \operatorname{Re} D

    Parameters
    ----------
    radius_m, conductivity_S_m, frequency_Hz : float
        Radius [m], conductivity [S/m] and frequency [Hz].
    """
    w = 2 * math.pi * frequency_Hz
    x = radius_m * (1j * w * MU_0 * conductivity_S_m) ** 0.5
    decay = np.exp(-2 * x)
    D = 1 + 3 / x**2 - 3 / x * (1 + decay) / (1 - decay)
    size = 2 * math.pi * radius_m**3 / MU_0
    return float(size * D.imag / w), float(size * D.real)
