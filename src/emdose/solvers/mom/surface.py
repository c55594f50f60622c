r"""Surface impedance of metal that is thin against everything but its skin.

.. math::

   \zeta = \frac{1 + j}{\sigma\delta}, \quad \delta = \frac{1}{\sqrt{\pi f \mu_0 \sigma}}, \qquad
   Z_s = \frac{\zeta}{2} \coth\frac{(1 + j)\, t}{2\delta} \ \text{(sheet, both faces)}, \qquad
   Z' = \frac{\zeta}{2 \pi a} \ \text{(wire, per length)}

Source: S. Ramo, J. Whinnery, T. Van Duzer, Fields and Waves in Communication Electronics, 3rd ed., Wiley 1994, ch. 3
(skin effect); for the sheet the field that is even about its middle.
"""

from __future__ import annotations

import cmath
import math

from emdose.constants import MU_0


def face_impedance(frequency_Hz: float, conductivity_S_m: float) -> complex:
    """Impedance of one face of thick metal [ohm]."""
    return (1 + 1j) * math.sqrt(math.pi * frequency_Hz * MU_0 / conductivity_S_m)


def sheet_impedance(frequency_Hz: float, conductivity_S_m: float, thickness_m: float | None = None) -> complex:
    """Impedance of a sheet with equal current on both faces [ohm].

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    conductivity_S_m : float
        Conductivity [S/m].
    thickness_m : float, optional
        Thickness t [m]; many skin depths by default.
    """
    half = 0.5 * face_impedance(frequency_Hz, conductivity_S_m)
    if thickness_m is None:
        return half
    inside = half * conductivity_S_m * thickness_m  # (1 + j) t / (2 delta)
    return half / cmath.tanh(inside) if inside.real < 300 else half


def wire_impedance(frequency_Hz: float, conductivity_S_m: float, radius_m: float) -> complex:
    """Impedance of a round wire of many skin depths, per length [ohm/m]."""
    return face_impedance(frequency_Hz, conductivity_S_m) / (2 * math.pi * radius_m)
