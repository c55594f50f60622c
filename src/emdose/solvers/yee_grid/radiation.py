r"""Power radiated by currents in free space, from their far field.

.. math::

   P = \frac{\eta_0 k^2}{32 \pi^2} \oint |\hat{\mathbf r} \times \mathbf F|^2 d\Omega, \qquad
   \mathbf F(\hat{\mathbf r}) = \int \mathbf J e^{jk \hat{\mathbf r} \cdot \mathbf r'} dV'

Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 3 (radiation vectors).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, MU_0

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


@dataclass(frozen=True, eq=False)
class Directions:
    """Directions of a far field: Gauss points in cos(theta) times equal steps of phi.

    Parameters
    ----------
    cosines, weights : (t,) ndarray
        Gauss points and their weights.
    phis : (f,) ndarray
        Angles [rad].
    """

    cosines: np.ndarray
    weights: np.ndarray
    phis: np.ndarray

    @classmethod
    def for_radius(cls, size: float) -> Directions:
        """Enough for all multipoles that currents within a radius radiate, given k times that radius."""
        order = math.ceil(size + 3 * size ** (1 / 3) + 5)
        cosines, weights = np.polynomial.legendre.leggauss(order + 1)
        return cls(cosines, weights, 2 * math.pi * np.arange(2 * order + 2) / (2 * order + 2))

    @cached_property
    def sines(self) -> np.ndarray:
        """Sines of theta, (t,)."""
        return np.asarray(np.sqrt(1 - self.cosines**2))

    @cached_property
    def vectors(self) -> np.ndarray:
        """Unit vectors, (t f, 3)."""
        s, c = self.sines[:, None], np.broadcast_to(self.cosines[:, None], (len(self.cosines), len(self.phis)))
        return np.stack([s * np.cos(self.phis), s * np.sin(self.phis), c], axis=-1).reshape(-1, 3)

    @cached_property
    def solid_angles(self) -> np.ndarray:
        """Solid angle of every direction, (t f,) [sr]."""
        share = (self.weights * 2 * math.pi / len(self.phis))[:, None]
        return np.broadcast_to(share, (len(self.cosines), len(self.phis))).reshape(-1)

    def transverse(self, F: np.ndarray) -> np.ndarray:
        """Theta and phi components (..., 2, t f) of vectors (..., 3, t f)."""
        cos_t, sin_t = (np.repeat(a, len(self.phis)) for a in (self.cosines, self.sines))
        cos_p, sin_p = (np.tile(a, len(self.cosines)) for a in (np.cos(self.phis), np.sin(self.phis)))
        x, y, z = F[..., 0, :], F[..., 1, :], F[..., 2, :]
        return np.stack([cos_t * (cos_p * x + sin_p * y) - sin_t * z, cos_p * y - sin_p * x], axis=-2)


def radiated_power(J: list[Any], spacing_m: float, wavenumber: float, be: Backend) -> np.ndarray:
    """Hermitian matrix of the power radiated by currents on Yee edges.

    Parameters
    ----------
    J : list of (3, nx, ny, nz) complex arrays
        Peak current density of every port [A/m^2].
    spacing_m : float
        Lattice spacing [m].
    wavenumber : float
        k [1/m].
    be : Backend
        Device.

    Returns
    -------
    (port, port) complex ndarray
        P such that drives v radiate v^H P v [W].
    """
    radius = 0.5 * spacing_m * math.sqrt(sum(n * n for n in J[0].shape[1:]))
    directions = Directions.for_radius(wavenumber * radius)
    patterns = np.stack([pattern_of_lattice(j, directions, spacing_m, wavenumber, be) for j in J])
    return power_of_patterns(patterns * spacing_m**3, directions, wavenumber)


def power_of_patterns(patterns: np.ndarray, directions: Directions, wavenumber: float) -> np.ndarray:
    """Hermitian matrix (port, port) [W] of the power of patterns (port, 2, t f) [A m]."""
    scale = MU_0 * C_0 * wavenumber**2 / (32 * math.pi**2)
    return np.asarray(
        scale * np.einsum("pcd,qcd,d->pq", patterns.conj(), patterns, directions.solid_angles, optimize=True)
    )


def pattern_of_lattice(J: Any, directions: Directions, spacing_m: float, wavenumber: float, be: Backend) -> np.ndarray:
    """Theta and phi components (2, t f) of the sum of J exp(jk r.d) over edges (3, nx, ny, nz), r from their middle."""
    xp, shape, k, h = be.xp, J.shape[1:], wavenumber, spacing_m
    cosines, sines, phis = directions.cosines, directions.sines, directions.phis
    F = np.zeros((3, len(cosines), len(phis)), complex)
    for c in range(3):
        x, y, z = ((np.arange(n) - 0.5 * n + (0.5 if a == c else 0.0)) * h for a, n in enumerate(shape))
        along_z = xp.matmul(J[c], be.asarray(np.exp(1j * k * np.outer(z, cosines)).astype(J.dtype)))
        for t, s in enumerate(sines):
            wave_y = be.asarray(np.exp(1j * k * s * np.outer(y, np.sin(phis))).astype(J.dtype))
            wave_x = be.asarray(np.exp(1j * k * s * np.outer(x, np.cos(phis))).astype(J.dtype))
            F[c, t] = be.to_numpy((xp.matmul(along_z[:, :, t], wave_y) * wave_x).sum(axis=0))
    return directions.transverse(F.reshape(3, -1))
