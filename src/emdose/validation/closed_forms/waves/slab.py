"""Plane wave at normal incidence on a lossy half space or slab."""

from __future__ import annotations

import numpy as np

from emdose.constants import C_0

__all__ = ["half_space", "slab"]


def half_space(permittivity: complex) -> tuple[complex, complex]:
    r"""Reflection and transmission of E at an interface from vacuum.

    .. math:: r = \frac{1 - \sqrt{\varepsilon}}{1 + \sqrt{\varepsilon}}, \qquad t = 1 + r

    Parameters
    ----------
    permittivity : complex
        Relative permittivity eps_r - j sigma / (w eps0) behind the interface, with time going as exp(+j w t).

    Returns
    -------
    r, t : complex
        E reflected and transmitted over E incident at the interface.

    Source: C. Balanis, Advanced Engineering Electromagnetics, 2nd ed., Wiley 2012, sec. 5.2.
    """
    index = complex(np.sqrt(complex(permittivity)))
    r = (1 - index) / (1 + index)
    return r, 1 + r


def slab(permittivity: complex, thickness_m: float, frequency_Hz: float) -> tuple[complex, complex]:
    r"""Reflection and transmission of E of a slab in vacuum.

    .. math::

       R = r \frac{1 - q^2}{1 - r^2 q^2}, \qquad T = \frac{(1 - r^2) q}{1 - r^2 q^2}, \qquad
       q = e^{-jk_0 \sqrt{\varepsilon} d}

    Parameters
    ----------
    permittivity : complex
        Relative permittivity of the slab.
    thickness_m : float
        Thickness d [m].
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    R, T : complex
        E reflected at the front and transmitted at the back over E incident at the front.

    Source: C. Balanis, Advanced Engineering Electromagnetics, 2nd ed., Wiley 2012, sec. 5.5.
    """
    r, _ = half_space(permittivity)
    index = complex(np.sqrt(complex(permittivity)))
    q = complex(np.exp(-2j * np.pi * frequency_Hz / C_0 * index * thickness_m))
    bottom = 1 - r * r * q * q
    return r * (1 - q * q) / bottom, (1 - r * r) * q / bottom
