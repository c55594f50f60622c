r"""Surface impedance of metal that is thin against everything but its skin.

.. math::

   \zeta = \frac{1 + j}{\sigma\delta}, \quad \delta = \frac{1}{\sqrt{\pi f \mu_0 \sigma}}, \qquad
   Z_s = \frac{\zeta}{2} \coth\frac{(1 + j)\, t}{2\delta} \ \text{(sheet, both faces)}, \qquad
   Z' = \frac{\zeta}{2 \pi a} \ \text{(wire, per length)}

At a free edge the current of a sheet without thickness rises as A / sqrt(s), and its loss has no limit; a thickness t
stops it at s = t / (4 pi e^pi). Functions on triangles make of the outermost row, of height h, a constant that loses
4 g A^2 for the A^2 ln(h / s) that are lost there, and get the rows behind it a little wrong: the impedance of that row
is to be multiplied by

.. math:: F = \frac{\ln (4 \pi e^\pi h / t) + k}{4 g}, \qquad g = 1.1,\ k = 0.3

where g and k stand for strips in two dimensions with steps of constant current: for 3 to 16 equal steps, or steps that
shrink towards the edges, g = 1.08 to 1.25 and k = 0.16 to 0.6. A strip of three cells or more, the outermost a quarter
of its width or less, then has the resistance of the closed form to 5 %. Of the two triangles of a cell one has the free
edge and takes the whole excess, 2 F - 1.

Source: S. Ramo, J. Whinnery, T. Van Duzer, Fields and Waves in Communication Electronics, 3rd ed., Wiley 1994, ch. 3
(skin effect; for the sheet the field that is even about its middle); L. Lewin, IEEE Trans. Microwave Theory Tech. 32
(1984) 717 (where the edge stops); g and k are from this project.
"""

from __future__ import annotations

import cmath
import math

import numpy as np

from emdose.constants import MU_0

STOP = 4 * math.pi * math.exp(math.pi)
"""Thickness over the distance from an edge at which its loss stops."""


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


def edge_factors(height_m: np.ndarray, thickness_m: float) -> np.ndarray:
    """What multiplies the impedance of triangles with a free edge.

    Parameters
    ----------
    height_m : ndarray
        Their heights above it, infinite where there is none [m].
    thickness_m : float
        Thickness of the sheet [m].
    """
    free = np.isfinite(height_m)
    average = (np.log(STOP * np.where(free, height_m, 1.0) / thickness_m) + 0.3) / (4 * 1.1)
    return np.where(free, np.maximum(2 * average - 1, 1.0), 1.0)
