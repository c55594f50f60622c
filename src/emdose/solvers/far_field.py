r"""Far field of currents, and the power that it carries away.

.. math::

   \mathbf F(\hat{\mathbf r}) = \int \mathbf J e^{jk \hat{\mathbf r} \cdot \mathbf r'} dS', \qquad
   P = \frac{\eta_0 k^2}{32 \pi^2} \oint |\hat{\mathbf r} \times \mathbf F|^2 d\Omega

Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 3 (radiation vectors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.constants import C_0, MU_0
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Directions:
    """Directions over the sphere: Gauss points in cos(theta), equal steps in phi.

    Parameters
    ----------
    cosines, weights : (t,) ndarray
        cos(theta), and weights with sum 2.
    phis : (p,) ndarray
        Angles [rad].
    """

    cosines: np.ndarray
    weights: np.ndarray
    phis: np.ndarray

    @classmethod
    def enough_for(cls, radius_m: float, wavenumber: float) -> Directions:
        """Enough for all multipoles that currents within a radius radiate."""
        x = wavenumber * radius_m
        order = math.ceil(x + 3 * x ** (1 / 3) + 5)
        phis = 2 * math.pi * np.arange(2 * order + 2) / (2 * order + 2)
        return cls(*np.polynomial.legendre.leggauss(order + 1), phis)

    @property
    def solid_angles(self) -> np.ndarray:
        """Weights of the directions, (t, p), with sum 4 pi."""
        return np.repeat(self.weights[:, None] * 2 * math.pi / len(self.phis), len(self.phis), axis=1)

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit vectors along r, theta and phi, each (t, p, 3)."""
        c, phi = np.meshgrid(self.cosines, self.phis, indexing="ij")
        s, cos, sin = np.sqrt(1 - c * c), np.cos(phi), np.sin(phi)
        return (
            np.stack([s * cos, s * sin, c], axis=2),
            np.stack([c * cos, c * sin, -s], axis=2),
            np.stack([-sin, cos, 0 * c], axis=2),
        )


def transverse(points_m: np.ndarray, moments: np.ndarray, directions: Directions, wavenumber: float) -> np.ndarray:
    """Theta and phi components of F for point currents, (k, 2, t, p) [A m].

    Parameters
    ----------
    points_m : (q, 3) ndarray
        Where they are, from the origin that phases refer to [m].
    moments : (3, q, k) complex ndarray
        Current times length [A m].
    directions : Directions
        Where to.
    wavenumber : float
        k [1/m].
    """
    r, theta, phi = (a.reshape(-1, 3) for a in directions.axes())
    shape = len(directions.cosines), len(directions.phis)
    k = moments.shape[2]
    found = np.zeros((2, len(r), k), complex)
    step = max(1, 2**22 // len(points_m))  # directions at a time: 64 MiB of waves
    for low in range(0, len(r), step):
        here = slice(low, low + step)
        wave = np.exp(1j * wavenumber * (r[here] @ points_m.T))
        F = np.stack([wave @ m for m in moments])
        found[0, here] = np.einsum("dc,cdk->dk", theta[here], F)
        found[1, here] = np.einsum("dc,cdk->dk", phi[here], F)
    return found.transpose(2, 0, 1).reshape(k, 2, *shape)


def power_W(pattern: np.ndarray, directions: Directions, wavenumber: float) -> np.ndarray:
    """Hermitian matrix P such that currents v radiate v^H P v, from patterns (k, 2, t, p), (k, k) [W]."""
    scale = MU_0 * C_0 * wavenumber**2 / (32 * math.pi**2)
    flat = (pattern * np.sqrt(directions.solid_angles)).reshape(len(pattern), -1)
    return np.asarray(scale * flat.conj() @ flat.T)
