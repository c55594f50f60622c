r"""Infinite metal cylinders in a uniform alternating field along and across their axis, and thin discs.

Along the axis H = H0 J0(kr)/J0(ka), k = (1 - j)/delta; across it A_z = C J1(kr) sin(phi) inside and
(B0 r + D/r) sin(phi) outside.

Source: W. Smythe, Static and Dynamic Electricity, 3rd ed., McGraw-Hill 1968, ch. 10.
"""

from __future__ import annotations

import math

from scipy.special import jve

from emdose.validation.closed_forms.low_frequency.eddy_sphere import MU_0, skin_depth


def axial_power(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> float:
    r"""Power per length of a cylinder along the field, at a rate of 1 T/s rms [W/m].

    .. math:: P' = -\frac{\omega}{2} \operatorname{Im}\Bigl(\frac{2\pi a}{\mu_0 k} \frac{J_1(ka)}{J_0(ka)}\Bigr) |B_0|^2
    """
    x2 = -2j * (radius_m / skin_depth(conductivity_S_m, frequency_Hz)) ** 2
    # J1(x)/(x J0(x)); its series begins 1/2 + x^2/16.
    ratio = x2 / 16 + x2**2 / 96 if abs(x2) < 1e-3 else _quotient(x2, 1, 0)
    return -2 * math.pi * radius_m**2 / MU_0 * complex(ratio).imag / (2 * math.pi * frequency_Hz)


def transverse_power(radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> float:
    r"""Power per length of a cylinder across the field, at a rate of 1 T/s rms [W/m].

    .. math:: P' = -\frac{\omega}{2} \operatorname{Im}(m') B_0, \quad
              m' = \frac{2\pi a^2 B_0}{\mu_0} \frac{J_2(ka)}{J_0(ka)}
    """
    x2 = -2j * (radius_m / skin_depth(conductivity_S_m, frequency_Hz)) ** 2
    # J2/J0 = 2 J1/(x J0) - 1; its series begins x^2/8.
    ratio = x2 / 8 + x2**2 / 48 if abs(x2) < 1e-3 else 2 * _quotient(x2, 1, 0) - 1
    return -2 * math.pi * radius_m**2 / MU_0 * complex(ratio).imag / (2 * math.pi * frequency_Hz)


def cylinder_limits(
    radius_m: float, conductivity_S_m: float, frequency_Hz: float, axial: bool = True
) -> tuple[float, float]:
    r"""Limits of low and high frequency per length [W/m].

    Across the field both are twice as large as along it,

    .. math:: \frac{\pi}{8}\sigma a^4, \qquad \frac{2\pi a}{\mu_0^2\sigma\delta\omega^2} .
    """
    w, factor = 2 * math.pi * frequency_Hz, 1.0 if axial else 2.0
    high = 2 * math.pi * radius_m / (MU_0**2 * conductivity_S_m * skin_depth(conductivity_S_m, frequency_Hz) * w**2)
    return factor * math.pi / 8 * conductivity_S_m * radius_m**4, factor * high


def _quotient(x2: complex, above: int, below: int) -> complex:
    x = complex(x2) ** 0.5
    return complex(jve(above, x) / (x * jve(below, x)))
