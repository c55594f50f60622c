r"""Resonant circuits and matching networks.

Source: D. Pozar, Microwave Engineering, Wiley, 4th ed. 2012, ch. 5 (L networks) and ch. 6 (resonators); J. Mispelter,
M. Lupu and A. Briguet, NMR Probeheads, Imperial College Press 2006 (capacitive matching, coupled resonators).
"""

from __future__ import annotations

import math


def resonance(inductance_H: float, capacitance_F: float) -> float:
    """Resonance frequency 1 / (2 pi sqrt(L C)) [Hz]."""
    return 1 / (2 * math.pi * math.sqrt(inductance_H * capacitance_F))


def damped_series(resistance_ohm: float, inductance_H: float, capacitance_F: float) -> tuple[float, float]:
    """Frequency of the free oscillation of a series circuit [Hz] and its quality factor sqrt(L/C) / R."""
    quality = math.sqrt(inductance_H / capacitance_F) / resistance_ohm
    return resonance(inductance_H, capacitance_F) * math.sqrt(1 - 1 / (4 * quality**2)), quality


def coupled_resonators(inductance_H: float, capacitance_F: float, coupling: float) -> tuple[float, float]:
    """Lower and upper frequency f0 / sqrt(1 +- k) of two equal circuits with the coupling k = M / L [Hz]."""
    f = resonance(inductance_H, capacitance_F)
    return f / math.sqrt(1 + abs(coupling)), f / math.sqrt(1 - abs(coupling))


def two_capacitor_match(
    resistance_ohm: float, inductance_H: float, source_ohm: float, frequency_Hz: float
) -> tuple[float, float]:
    r"""Capacitor across a coil R + j w L and capacitor in series with the source that match it.

    .. math:: \omega C_p = \frac{X}{R^2 + X^2} - \sqrt{\frac{G}{R_0} - G^2}, \quad
              \frac{1}{\omega C_s} = R_0 \frac{\sqrt{G/R_0 - G^2}}{G}, \quad G = \frac{R}{R^2 + X^2}

    Returns
    -------
    parallel_F, series_F : float
        The capacitors [F].
    """
    w = 2 * math.pi * frequency_Hz
    x = w * inductance_H
    g, b = resistance_ohm / (resistance_ohm**2 + x**2), x / (resistance_ohm**2 + x**2)
    root = math.sqrt(g / source_ohm - g**2)
    return (b - root) / w, g / (w * source_ohm * root)


def l_section(resistance_ohm: float, source_ohm: float) -> tuple[float, float]:
    """Series reactance and shunt reactance magnitudes that match a resistance below that of the source [ohm].

    The shunt is at the source: X_s = R sqrt(R0/R - 1), X_p = R0 / sqrt(R0/R - 1).
    """
    q = math.sqrt(source_ohm / resistance_ohm - 1)
    return resistance_ohm * q, source_ohm / q
