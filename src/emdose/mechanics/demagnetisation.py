r"""Demagnetising factors of an ellipsoid, and of the ellipsoid that stands for an implant.

.. math:: N_a = \frac{abc}{2} \int_0^\infty \frac{ds}{(s + a^2) \sqrt{(s+a^2)(s+b^2)(s+c^2)}}
          = \frac{abc}{3} R_D(b^2, c^2, a^2)

Other bodies have no such factors; those of two ellipsoids, one with the inertia of the body and one in its box, bracket
what they may be.

Source: J. A. Osborn, Phys. Rev. 67 (1945) 351; B. C. Carlson, Numer. Algorithms 10 (1995) 13 (R_D).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.checks import array
from emdose.mechanics.rigid import RigidBody


def demagnetising_factors(semi_axes_m: Any) -> np.ndarray:
    """Factors along the axes of an ellipsoid, (3,); their sum is 1.

    Parameters
    ----------
    semi_axes_m : (float, float, float)
        Semi-axes [m].
    """
    from scipy.special import elliprd

    a, b, c = array("semi_axes_m", semi_axes_m, (3,), above=0.0, problem="bad ellipsoid")
    scale = (a * b * c) ** (1 / 3)
    x, y, z = (a / scale) ** 2, (b / scale) ** 2, (c / scale) ** 2
    return np.array([elliprd(y, z, x), elliprd(z, x, y), elliprd(x, y, z)]) / 3


def body_factors(body: RigidBody) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Factors of a body by its ellipsoid.

    Parameters
    ----------
    body : RigidBody
        Mass properties with the shape.

    Returns
    -------
    factors : (3,) ndarray
        Of the ellipsoid with the same second moments.
    half_width : (3,) ndarray
        How far those of the ellipsoid in its box lie from them, which is taken for their uncertainty.
    axes : (3, 3) ndarray
        Directions as columns.
    """
    semi, axes = body.ellipsoid
    factors = demagnetising_factors(semi)
    return factors, np.abs(demagnetising_factors(body.box) - factors), axes
