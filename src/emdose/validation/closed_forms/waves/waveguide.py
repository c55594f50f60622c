"""Modes of a rectangular waveguide with perfectly conducting walls."""

from __future__ import annotations

import math

from emdose.constants import C_0

__all__ = ["cutoff_Hz", "phase_constant", "resonance_Hz"]


def cutoff_Hz(width_m: float, height_m: float, m: int = 1, n: int = 0) -> float:
    r"""Cut-off frequency of the mode TE_mn or TM_mn.

    .. math:: f_c = \frac{c}{2} \sqrt{(m/a)^2 + (n/b)^2}

    Parameters
    ----------
    width_m, height_m : float
        Inner width a and height b [m].
    m, n : int
        Half waves along the width and the height.

    Returns
    -------
    float
        Frequency [Hz].

    Source: D. Pozar, Microwave Engineering, 4th ed., Wiley 2012, sec. 3.3.
    """
    return 0.5 * C_0 * math.hypot(m / width_m, n / height_m)


def phase_constant(frequency_Hz: float, width_m: float, height_m: float, m: int = 1, n: int = 0) -> complex:
    r"""Propagation: the field goes as exp(-j beta z).

    .. math:: \beta = \frac{2 \pi}{c} \sqrt{f^2 - f_c^2}

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    width_m, height_m : float
        Inner width and height [m].
    m, n : int
        Half waves along the width and the height.

    Returns
    -------
    complex
        beta [rad/m]; below cut-off it is -j times the attenuation [1/m].

    Source: D. Pozar, Microwave Engineering, 4th ed., Wiley 2012, sec. 3.3.
    """
    square = frequency_Hz**2 - cutoff_Hz(width_m, height_m, m, n) ** 2
    size = 2 * math.pi / C_0 * math.sqrt(abs(square))
    return complex(size, 0.0) if square >= 0 else complex(0.0, -size)


def resonance_Hz(size_m: tuple[float, float, float], mode: tuple[int, int, int]) -> float:
    r"""Resonance of an empty rectangular cavity.

    .. math:: f = \frac{c}{2} \sqrt{(m/a)^2 + (n/b)^2 + (p/d)^2}

    Parameters
    ----------
    size_m : (float, float, float)
        Inner lengths [m].
    mode : (int, int, int)
        Half waves along them.

    Returns
    -------
    float
        Frequency [Hz].

    Source: D. Pozar, Microwave Engineering, 4th ed., Wiley 2012, sec. 6.3.
    """
    return 0.5 * C_0 * math.sqrt(sum((i / s) ** 2 for i, s in zip(mode, size_m, strict=True)))
