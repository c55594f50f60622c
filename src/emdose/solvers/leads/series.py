r"""What a wire has in series per length: insulation, metal and helix; exp(+j w t).

Source: R. W. P. King, G. S. Smith, Antennas in Matter, MIT Press 1981, for the insulation;
S. Ramo, J. R. Whinnery, T. Van Duzer, Fields and Waves in Communication Electronics, for the round wire.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ive

from emdose.constants import EPS_0, MU_0


def round_wire(frequency_Hz: float, radius_m: float, conductivity_S_m: float) -> complex:
    r"""Impedance per length of a round wire, g / (2 pi a sigma) I0(g a) / I1(g a) with g = sqrt(j w mu0 sigma) [ohm/m].

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    radius_m : float
        a [m].
    conductivity_S_m : float
        sigma [S/m].
    """
    g = np.sqrt(2j * np.pi * frequency_Hz * MU_0 * conductivity_S_m)
    x = g * radius_m
    return complex(g / (2 * np.pi * radius_m * conductivity_S_m) * ive(0, x) / ive(1, x))


def coat_impedance(frequency_Hz: float, conductor_radius_m: float, coat_radius_m: float) -> complex:
    r"""Impedance per length of the field inside the insulation, j w mu0 / (2 pi) ln(b / a) [ohm/m]."""
    return complex(1j * frequency_Hz * MU_0 * np.log(coat_radius_m / conductor_radius_m))


def coat_elastance(
    frequency_Hz: float, conductor_radius_m: float, coat_radius_m: float, permittivity: float
) -> complex:
    r"""Impedance times length against the radial current through the insulation, ln(b / a) / (2 pi j w eps) [ohm m]."""
    w = 2 * np.pi * frequency_Hz
    return complex(np.log(coat_radius_m / conductor_radius_m) / (2j * np.pi * w * permittivity * EPS_0))
