"""Far field of currents on Yee edges, and the power that it carries away; see :mod:`emdose.solvers.far_field`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.far_field import Directions, power_W

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
        P such that drives v radiate v^H P v [W].
    """
    radius = 0.5 * spacing_m * math.sqrt(sum(n * n for n in J[0].shape[1:]))
    directions = Directions.enough_for(radius, wavenumber)
    patterns = np.stack([pattern_of_lattice(j, directions, spacing_m, wavenumber, be) for j in J])
    return power_W(patterns, directions, wavenumber)


def pattern_of_lattice(J: Any, directions: Directions, spacing_m: float, wavenumber: float, be: Backend) -> np.ndarray:
    """Theta and phi components of the radiation vector of currents on edges, (2, theta, phi) [A m].

    Parameters
    ----------
    J : (3, nx, ny, nz) complex array
        Peak current density [A/m^2].
    directions : Directions
        Where to.
    spacing_m, wavenumber, be : float, float, Backend
        As in :func:`radiated_power`. Phases refer to the point half a box (nx, ny, nz) from the first node.
    """
    xp, shape, k, h = be.xp, J.shape[1:], wavenumber, spacing_m
    cosines, phis = directions.cosines, directions.phis
    F = np.zeros((len(cosines), len(phis), 3), complex)
    for c in range(3):
        x, y, z = ((np.arange(n) - 0.5 * n + (0.5 if a == c else 0.0)) * h for a, n in enumerate(shape))
        along_z = xp.matmul(J[c], be.asarray(np.exp(1j * k * np.outer(z, cosines)).astype(J.dtype)))
        for t, s in enumerate(np.sqrt(1 - cosines**2)):
            wave_y = be.asarray(np.exp(1j * k * s * np.outer(y, np.sin(phis))).astype(J.dtype))
            wave_x = be.asarray(np.exp(1j * k * s * np.outer(x, np.cos(phis))).astype(J.dtype))
            F[t, :, c] = be.to_numpy((xp.matmul(along_z[:, :, t], wave_y) * wave_x).sum(axis=0))
    _, theta, phi = directions.axes()
    return h**3 * np.stack([(F * axis).sum(-1) for axis in (theta, phi)])
