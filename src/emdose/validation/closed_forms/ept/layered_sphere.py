"""B1+ in a layered sphere in a rotating field: an oracle of EPT that varies along all three axes.

Two circularly polarised plane waves run along +z and -z with their magnetic fields in phase at the centre. Without the
sphere B1+ is cos(k z), uniform across the axis, as in a quadrature birdcage; (Bx - j By)/2 is zero. With it they are
sums of four Mie series, turned about z by a right angle and about x by two. Bz and its gradient do not vanish: what
convection-reaction methods neglect is there.

Source: superposition of the series of :mod:`emdose.validation.closed_forms.waves.mie`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emdose.constants import EPS_0
from emdose.validation.closed_forms.waves.mie import Sphere

QUARTER = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
HALF = np.diag([1.0, -1.0, -1.0])


def sphere_in_rotating_field(
    radii_m: Sequence[float],
    permittivity: Sequence[float],
    conductivity: Sequence[float],
    frequency_Hz: float,
    points_m: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """B1+ of the field that turns with the spins, and (Bx - j By)/2 of the one that turns against them.

    Their phases add up to the transceive phase of a birdcage that is switched in polarity.

    Parameters
    ----------
    radii_m : sequence of float
        Outer radii of the layers [m], growing.
    permittivity, conductivity : sequence of float
        Relative permittivity and conductivity [S/m] of the layers.
    frequency_Hz : float
        Frequency [Hz].
    points_m : (n, 3) ndarray
        Points in the coordinates of the sphere's centre [m].

    Returns
    -------
    (n,) complex ndarray, twice
        In units of the field at the centre without the sphere.
    """
    losses = np.asarray(conductivity, float) / (2 * math.pi * frequency_Hz * EPS_0)
    body = Sphere(radii_m, list(np.asarray(permittivity, float) - 1j * losses), frequency_Hz)
    parts = []
    for quarter in (np.eye(3), QUARTER):
        total = np.zeros((len(points_m), 3), complex)
        for turn, sign in ((np.eye(3), 1.0), (HALF, -1.0)):
            rotation = quarter @ turn
            total += sign * body.fields(points_m @ rotation)[1] @ rotation.T
        parts.append(total)
    one, two = parts
    forward, backward = one - 1j * two, one + 1j * two
    plus, minus = forward[:, 0] + 1j * forward[:, 1], backward[:, 0] - 1j * backward[:, 1]
    empty = Sphere([1e-3], [1.0], frequency_Hz).fields(np.zeros((1, 3)))[1][0, 1]  # along y
    return plus / (4j * empty), minus / (-4j * empty)
