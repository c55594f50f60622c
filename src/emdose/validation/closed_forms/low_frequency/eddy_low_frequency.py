r"""Metal bodies small against the skin depth: exact powers at a rate of 1 T/s rms.

The current density of a body of revolution along the field is J_phi = sigma (dB/dt) r/2, so that
P = (sigma/4) int r^2 dV at 1 T/s rms; in an ellipsoid E is linear in the coordinates.

Source: L. Landau and E. Lifshitz, Electrodynamics of Continuous Media, 2nd ed., Pergamon 1984, sec. 59; F. Grover,
Inductance Calculations, Van Nostrand 1946, ch. 16 (ring of circular section).
"""

from __future__ import annotations

import math

import numpy as np

MU_0 = 1.25663706212e-6


def ellipsoid_power(semi_axes_m: tuple[float, float, float], conductivity_S_m: float) -> np.ndarray:
    r"""Power in an ellipsoid with the field along each of its axes, (3,) [W].

    .. math:: P_a = \frac{\sigma V}{5} \frac{b^2 c^2}{b^2 + c^2}

    Parameters
    ----------
    semi_axes_m : (float, float, float)
        Semi-axes [m].
    conductivity_S_m : float
        Conductivity [S/m].
    """
    s = np.asarray(semi_axes_m, float) ** 2
    volume = 4 / 3 * math.pi * math.sqrt(s.prod())
    return np.array(
        [conductivity_S_m * volume * s[b] * s[c] / (5 * (s[b] + s[c])) for b, c in ((1, 2), (2, 0), (0, 1))]
    )


def disc_power(radius_m: float, thickness_m: float, conductivity_S_m: float, hole_m: float = 0.0) -> float:
    r"""Power in a disc or tube of any length with the field along its axis, with a hole of a radius [W].

    .. math:: P = \frac{\pi}{8} \sigma d\, (a^4 - b^4)
    """
    return math.pi / 8 * conductivity_S_m * thickness_m * (radius_m**4 - hole_m**4)


def ring_power(radius_m: float, wire_radius_m: float, conductivity_S_m: float) -> float:
    r"""Power in a ring of circular section with the field along its axis [W].

    .. math:: P = \frac{\pi^2}{2} \sigma a^2 R \bigl(R^2 + \tfrac34 a^2\bigr)

    Parameters
    ----------
    radius_m, wire_radius_m : float
        Radius R of the middle line and a of the section [m].
    conductivity_S_m : float
        Conductivity [S/m].
    """
    R, a = radius_m, wire_radius_m
    return 0.5 * math.pi**2 * conductivity_S_m * a**2 * R * (R**2 + 0.75 * a**2)


def ring_circuit_power(radius_m: float, wire_radius_m: float, conductivity_S_m: float, frequency_Hz: float) -> float:
    r"""Power in a thin ring as a circuit of one resistance and one inductance, for delta > a [W].

    .. math:: P = \frac{(\pi R^2)^2 R_0}{R_0^2 + \omega^2 L^2}, \quad R_0 = \frac{2 R}{\sigma a^2}, \quad
              L = \mu_0 R \Bigl(\ln\frac{8R}{a} - \frac74\Bigr)

    Parameters as in :func:`ring_power`; frequency in Hz.
    """
    R, a = radius_m, wire_radius_m
    resistance = 2 * R / (conductivity_S_m * a**2)
    reactance = 2 * math.pi * frequency_Hz * MU_0 * R * (math.log(8 * R / a) - 1.75)
    return (math.pi * R**2) ** 2 * resistance / (resistance**2 + reactance**2)


def box_power(size_m: tuple[float, float, float], conductivity_S_m: float) -> np.ndarray:
    r"""Power in a rectangular box with the field along each of its edges, (3,) [W].

    Along an edge of length L the currents flow in the planes across it and are those of the torsion of a bar of the
    same section a x b, a >= b:

    .. math:: P = \frac{\sigma L}{4} J, \qquad J = a b^3 \Bigl(\frac13 - \frac{64}{\pi^5} \frac ba
              \sum_{n\ \mathrm{odd}} \frac{1}{n^5} \tanh\frac{n\pi a}{2b}\Bigr);

    for a thin plate, P = sigma b^2 / 12 per volume.

    Parameters
    ----------
    size_m : (float, float, float)
        Lengths of the edges [m].
    conductivity_S_m : float
        Conductivity [S/m].

    Source: S. Timoshenko and J. Goodier, Theory of Elasticity, 3rd ed., McGraw-Hill 1970, sec. 109.
    """
    n = np.arange(1, 200, 2)
    powers = []
    for axis in range(3):
        b, a = sorted(s for i, s in enumerate(size_m) if i != axis)
        series = float((np.tanh(0.5 * n * math.pi * a / b) / n**5.0).sum())
        torsion = a * b**3 * (1 / 3 - 64 / math.pi**5 * (b / a) * series)
        powers.append(0.25 * conductivity_S_m * size_m[axis] * torsion)
    return np.array(powers)
