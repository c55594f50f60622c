r"""Power radiated by currents in free space, from their far field.

.. math::

   P = \frac{\eta_0 k^2}{32 \pi^2} \oint |\hat{\mathbf r} \times \mathbf F|^2 d\Omega, \qquad
   \mathbf F(\hat{\mathbf r}) = \int \mathbf J e^{jk \hat{\mathbf r} \cdot \mathbf r'} dV'

Source: C. Balanis, Antenna Theory, 4th ed., Wiley 2016, ch. 3 (radiation vectors).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, MU_0

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


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
        P such that drives v radiate v^H P v [W]. The directions are Gauss points in cos(theta) and uniform in phi,
        enough for all multipoles that a body of this size radiates.
    """
    shape = J[0].shape[1:]
    radius = 0.5 * spacing_m * math.sqrt(sum(n * n for n in shape))
    order = math.ceil(wavenumber * radius + 3 * (wavenumber * radius) ** (1 / 3) + 5)
    cosines, weights = np.polynomial.legendre.leggauss(order + 1)
    phis = 2 * math.pi * np.arange(2 * order + 2) / (2 * order + 2)
    sines = np.sqrt(1 - cosines**2)
    # Directions (theta, phi) and, along them, theta and phi components of F per port.
    transverse = np.stack([_pattern(j, cosines, sines, phis, spacing_m, wavenumber, be) for j in J])
    solid_angle = np.broadcast_to((weights * 2 * math.pi / len(phis))[:, None], transverse.shape[2:])
    scale = MU_0 * C_0 * wavenumber**2 / (32 * math.pi**2) * spacing_m**6
    return scale * np.einsum("pctf,qctf,tf->pq", transverse.conj(), transverse, solid_angle)


def _pattern(
    J: Any, cosines: np.ndarray, sines: np.ndarray, phis: np.ndarray, h: float, k: float, be: Backend
) -> np.ndarray:
    """Theta and phi components of sum J exp(jk r.d) for all directions, (2, theta, phi)."""
    xp, shape = be.xp, J.shape[1:]
    F = np.zeros((3, len(cosines), len(phis)), complex)
    for c in range(3):
        x, y, z = ((np.arange(n) - 0.5 * n + (0.5 if a == c else 0.0)) * h for a, n in enumerate(shape))
        along_z = xp.matmul(J[c], be.asarray(np.exp(1j * k * np.outer(z, cosines)).astype(J.dtype)))
        for t, s in enumerate(sines):
            wave_y = be.asarray(np.exp(1j * k * s * np.outer(y, np.sin(phis))).astype(J.dtype))
            wave_x = be.asarray(np.exp(1j * k * s * np.outer(x, np.cos(phis))).astype(J.dtype))
            F[c, t] = be.to_numpy((xp.matmul(along_z[:, :, t], wave_y) * wave_x).sum(axis=0))
    cos_t, sin_t, cos_p, sin_p = cosines[:, None], sines[:, None], np.cos(phis), np.sin(phis)
    theta = cos_t * (cos_p * F[0] + sin_p * F[1]) - sin_t * F[2]
    return np.stack([theta, cos_p * F[1] - sin_p * F[0]])
