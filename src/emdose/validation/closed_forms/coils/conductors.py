r"""Rings and straight conductors: inductance, radiation and loss.

Source: as named by each function.
"""

from __future__ import annotations

import math

from emdose.constants import C_0, MU_0

__all__ = ["ring_inductance", "ring_radiation_resistance", "strip_resistance", "wire_resistance"]


def ring_inductance(radius_m: float, wire_radius_m: float) -> float:
    r"""External inductance of a thin round wire bent to a ring, without retardation [H].

    .. math:: L = \mu_0 R \left(\ln\frac{8R}{a} - 2\right)

    A flat strip of width w has that of a wire with a = w/4.

    Parameters
    ----------
    radius_m : float
        Radius R of the ring [m].
    wire_radius_m : float
        Radius a of the wire, small against R [m].

    Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999, problem 5.32; C. Balanis, Antenna Theory, 4th
    ed., Wiley 2016, table 9.3 (strip).
    """
    return MU_0 * radius_m * (math.log(8 * radius_m / wire_radius_m) - 2)


def ring_radiation_resistance(radius_m: float, frequency_Hz: float) -> float:
    r"""Radiation resistance of a small loop with the same current everywhere [ohm].

    .. math:: R_r = \frac{\pi \eta_0}{6} (kR)^4

    Parameters
    ----------
    radius_m : float
        Radius R of the ring, small against the wavelength [m].
    frequency_Hz : float
        Frequency [Hz].

    Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, eq. 5-24.
    """
    return math.pi * MU_0 * C_0 / 6 * (2 * math.pi * frequency_Hz / C_0 * radius_m) ** 4


def wire_resistance(length_m: float, radius_m: float, frequency_Hz: float, conductivity_S_m: float) -> float:
    r"""Resistance of a round wire whose skin depth is small against its radius, l R_s / (2 pi a) [ohm].

    Parameters
    ----------
    length_m, radius_m : float
        Length l and radius a of the wire [m].
    frequency_Hz : float
        Frequency [Hz].
    conductivity_S_m : float
        Conductivity [S/m].

    Source: S. Ramo, J. Whinnery, T. Van Duzer, Fields and Waves in Communication Electronics, 3rd ed., Wiley 1994,
    ch. 3.
    """
    return length_m * _surface_resistance(frequency_Hz, conductivity_S_m) / (2 * math.pi * radius_m)


def strip_resistance(
    length_m: float, width_m: float, thickness_m: float, frequency_Hz: float, conductivity_S_m: float
) -> float:
    r"""Resistance of a thin strip far from other metal [ohm].

    .. math:: R = \frac{l R_s}{\pi^2 w} \left(\pi + \ln\frac{4 \pi w}{t}\right)

    The current I / (pi sqrt((w/2)^2 - x^2)) of a strip without thickness has no finite loss; the corners of a thickness
    t, many skin depths and small against w, make it finite.

    Parameters
    ----------
    length_m, width_m, thickness_m : float
        Length l, width w and thickness t [m].
    frequency_Hz : float
        Frequency [Hz].
    conductivity_S_m : float
        Conductivity [S/m].

    Source: R. Collin, Foundations for Microwave Engineering, 2nd ed., IEEE Press 2001, sec. 3.11 (the strip of a
    coplanar line, with its grounds far away); L. Lewin, IEEE Trans. Microwave Theory Tech. 32 (1984) 717.
    """
    share = math.pi + math.log(4 * math.pi * width_m / thickness_m)
    return length_m * _surface_resistance(frequency_Hz, conductivity_S_m) / (math.pi**2 * width_m) * share


def _surface_resistance(frequency_Hz: float, conductivity_S_m: float) -> float:
    return math.sqrt(math.pi * frequency_Hz * MU_0 / conductivity_S_m)
