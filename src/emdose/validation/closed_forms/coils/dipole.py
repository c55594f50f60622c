"""Input impedance of a straight dipole antenna."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from emdose.constants import C_0, MU_0

__all__ = ["impedance_hallen", "impedance_sinusoidal"]


def impedance_sinusoidal(length_m: float, radius_m: float, frequency_Hz: float) -> complex:
    r"""Impedance of a dipole near half a wavelength by the induced-EMF method, with a sinusoidal current.

    .. math::

       R_m = \frac{\eta}{2\pi} \bigl[ C + \ln kl - Ci(kl) + \tfrac12 \sin kl\,(Si(2kl) - 2 Si(kl))
             + \tfrac12 \cos kl\,(C + \ln \tfrac{kl}{2} + Ci(2kl) - 2 Ci(kl)) \bigr]

    .. math::

       X_m = \frac{\eta}{4\pi} \bigl[ 2 Si(kl) + \cos kl\,(2 Si(kl) - Si(2kl))
             - \sin kl\,(2 Ci(kl) - Ci(2kl) - Ci(2ka^2/l)) \bigr]

    both over sin^2(kl / 2). For half a wavelength and any radius it is 73.1 + 42.5j ohm.

    Parameters
    ----------
    length_m : float
        Whole length l [m].
    radius_m : float
        Radius a [m].
    frequency_Hz : float
        Frequency [Hz].

    Returns
    -------
    complex
        Impedance [ohm].

    Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, eq. 8-60.
    """
    from scipy.special import sici

    x = 2 * math.pi * frequency_Hz / C_0 * length_m
    (si, ci), (si2, ci2) = sici(x), sici(2 * x)
    small = sici(2 * x * (radius_m / length_m) ** 2)[1]
    R = np.euler_gamma + math.log(x) - ci + 0.5 * math.sin(x) * (si2 - 2 * si)
    R += 0.5 * math.cos(x) * (np.euler_gamma + math.log(0.5 * x) + ci2 - 2 * ci)
    X = 2 * si + math.cos(x) * (2 * si - si2) - math.sin(x) * (2 * ci - ci2 - small)
    eta = MU_0 * C_0
    return complex(eta / (2 * math.pi) * R, eta / (4 * math.pi) * X) / math.sin(0.5 * x) ** 2


def impedance_hallen(length_m: float, radius_m: float, frequency_Hz: float, pieces: int = 40) -> complex:
    r"""Impedance of a thin dipole from Hallén's integral equation, with a voltage across its middle.

    .. math::

       \int_{-l/2}^{l/2} I(z') \frac{e^{-jkR}}{4\pi R} dz' = -\frac{j}{\eta}
       \Bigl(C \cos kz + \frac{V}{2} \sin k|z|\Bigr), \qquad R = \sqrt{(z - z')^2 + a^2}, \qquad I(\pm l/2) = 0

    Solved by linear current elements on half the antenna and matching at their ends.

    Parameters
    ----------
    length_m : float
        Whole length l [m].
    radius_m : float
        Radius a [m], small against a piece.
    frequency_Hz : float
        Frequency [Hz].
    pieces : int
        Elements per half.

    Returns
    -------
    complex
        Impedance [ohm].

    Source: S. Orfanidis, Electromagnetic Waves and Antennas, 2016, ch. 24 (Hallén's equation, numerical solution).
    """
    k, half = 2 * math.pi * frequency_Hz / C_0, 0.5 * length_m
    nodes = half * np.arange(pieces + 1) / pieces
    d = nodes[1]
    # Gauss points in pieces that shrink towards the matching point, where the kernel peaks over the radius.
    x, w = np.polynomial.legendre.leggauss(12)
    A = np.zeros((pieces + 1, pieces + 1), complex)
    for m, z in enumerate(nodes):
        for n in range(pieces):  # the current at the end is zero
            for mirror in (1, -1) if n else (1,):
                for side in (-1, 1):
                    start = mirror * nodes[n]
                    A[m, n] += _rising(z, start, start + side * d, radius_m, k, x, w)
    A[:, pieces] = 1j / (MU_0 * C_0) * np.cos(k * nodes)
    b = -0.5j / (MU_0 * C_0) * np.sin(k * nodes)
    return complex(1 / np.linalg.solve(A, b)[0])


def _rising(z: float, start: float, stop: float, a: float, k: float, x: np.ndarray, w: np.ndarray) -> complex:
    """Integral of a linear shape, 1 at ``start`` and 0 at ``stop``, times the kernel."""
    breaks = {0.0, 1.0}
    place = (z - start) / (stop - start)
    width = a / abs(stop - start)
    for s in (-16, -4, -1, 0, 1, 4, 16):
        if 0 < place + s * width < 1:
            breaks.add(place + s * width)
    edges = sorted(breaks)
    total = 0j
    for low, high in pairwise(edges):
        t = 0.5 * (low + high) + 0.5 * (high - low) * x
        R = np.sqrt((start + t * (stop - start) - z) ** 2 + a * a)
        total += np.sum(0.5 * (high - low) * w * (1 - t) * np.exp(-1j * k * R) / (4 * math.pi * R))
    return complex(total * abs(stop - start))
