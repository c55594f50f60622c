r"""Electric fields that slowly changing magnetic fields induce in insulated bodies of simple shape.

Conventions: b is the rate of change of B [T/s]; fields are those at points (n, 3) from the centre of the body.

Source: solutions of curl E = -b, div sigma E = 0, n . E = 0 on the surface, each checked by these
equations in the tests. The dipole: J. Sarvas, Phys. Med. Biol. 32 (1987) 11, eq. 25, by reciprocity with L. Heller and
D. B. van Hulsteyn, Biophys. J. 63 (1992) 129.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emdose.constants import MU_0

Triple = Sequence[float] | np.ndarray


def sphere_E(points_m: np.ndarray, rate_T_s: Triple) -> np.ndarray:
    """E (n, 3) [V/m] in a sphere whose conductivity varies with the radius alone, in a uniform b: r x b / 2."""
    return 0.5 * np.cross(points_m, rate_T_s)


def ellipsoid_E(points_m: np.ndarray, half_axes_m: tuple[float, float, float], rate_T_s: Triple) -> np.ndarray:
    """E (n, 3) [V/m] in a homogeneous ellipsoid with half axes along x, y, z, in a uniform b.

    A field b along x gives b (0, b_y^2 z, -b_z^2 y) / (b_y^2 + b_z^2), with half axes b_y and b_z.
    """
    p, s = np.asarray(points_m, float), np.square(half_axes_m)
    E = np.zeros_like(p)
    for a in range(3):
        i, j = (a + 1) % 3, (a + 2) % 3
        E[:, i] += rate_T_s[a] * s[i] * p[:, j] / (s[i] + s[j])
        E[:, j] -= rate_T_s[a] * s[j] * p[:, i] / (s[i] + s[j])
    return E


def cylinder_E(points_m: np.ndarray, rate_T_s: Triple) -> np.ndarray:
    """E (n, 3) [V/m] in a long homogeneous cylinder along z far from its ends, in a uniform b: along it the currents
    circle, across it they run along z and return at the ends."""
    x, y, _ = np.asarray(points_m, float).T
    bx, by, bz = rate_T_s
    return np.stack([0.5 * bz * y, -0.5 * bz * x, by * x - bx * y], axis=1)


def sphere_dipole_E(points_m: np.ndarray, place_m: Triple, moment_rate_A_m2_s: Triple) -> np.ndarray:
    """E (n, 3) [V/m] in a sphere whose conductivity varies with the radius alone, by a magnetic dipole outside.

    Parameters
    ----------
    points_m : (n, 3) ndarray
        Points in the sphere, from its centre [m].
    place_m : (3,) array
        Where the dipole is [m].
    moment_rate_A_m2_s : (3,) array
        Rate of change of its moment [A m^2/s].
    """
    r, r0, m = np.asarray(points_m, float), np.asarray(place_m, float), np.asarray(moment_rate_A_m2_s, float)
    apart = r0 - r
    a, R = np.linalg.norm(apart, axis=1), np.linalg.norm(r0)
    along = apart @ r0
    F = a * (R * a + R**2 - r @ r0)
    grad = (a**2 / R + along / a + 2 * a + 2 * R)[:, None] * r0 - (a + 2 * R + along / a)[:, None] * r
    part = F[:, None] * np.cross(r, m) - (grad @ m)[:, None] * np.cross(r, r0)
    return -MU_0 / (4 * np.pi) * part / F[:, None] ** 2


def inclusion_E(
    points_m: np.ndarray,
    centre_m: Triple,
    radius_m: float,
    inner_S_m: complex,
    outer_S_m: complex,
    rate_T_s: Triple,
) -> np.ndarray:
    """E (n, 3) [V/m] in a large sphere that holds a small one of another conductivity off its centre, in a uniform b.

    About the centre of the small sphere the field r x b / 2 is a uniform one and a rotation; the rotation runs along
    its surface and stays, the uniform one is that of a sphere in a conductor. What the surface of the large sphere does
    to that is left out: (radius / distance to it)^3 and less.

    Parameters
    ----------
    points_m : (n, 3) ndarray
        Points from the centre of the large sphere [m].
    centre_m, radius_m : (3,) array, float
        The small sphere [m].
    inner_S_m, outer_S_m : float or complex
        Conductivities, or admittivities; infinite inside for a perfect conductor [S/m].
    rate_T_s : (3,) array
        b [T/s].
    """
    p, c = np.asarray(points_m, float), np.asarray(centre_m, float)
    uniform = sphere_E(c[None], rate_T_s)[0]
    K = 1.0 if np.isinf(inner_S_m) else (inner_S_m - outer_S_m) / (inner_S_m + 2 * outer_S_m)
    d = p - c
    r = np.maximum(np.linalg.norm(d, axis=1), radius_m)[:, None]
    dipole = K * radius_m**3 / r**3 * (3 * (d @ uniform)[:, None] * d / r**2 - uniform)
    inside = (np.linalg.norm(d, axis=1) < radius_m)[:, None]
    return sphere_E(p, rate_T_s) + np.where(inside, -K * uniform, dipole)


def anisotropic_sphere_E(points_m: np.ndarray, tensor_S_m: np.ndarray, rate_T_s: Triple) -> np.ndarray:
    r"""E (n, 3) [V/m] in a sphere with a tensor of conductivity, in a uniform b.

    .. math:: \mathbf E = (A + G)\,\mathbf r, \qquad S G + G S = A S - S A

    with the antisymmetric A of r x b / 2 and a symmetric G: the quadratic potential for which no current crosses the
    surface.

    Parameters
    ----------
    points_m : (n, 3) ndarray
        Points from the centre [m].
    tensor_S_m : (3, 3) ndarray
        S, symmetric [S/m].
    rate_T_s : (3,) array
        b [T/s].
    """
    x, y, z = rate_T_s
    A = 0.5 * np.array([[0.0, z, -y], [-z, 0.0, x], [y, -x, 0.0]])
    S = np.asarray(tensor_S_m, float)
    values, axes = np.linalg.eigh(S)
    right = axes.T @ (A @ S - S @ A) @ axes
    G = axes @ (right / (values[:, None] + values[None, :])) @ axes.T
    return np.asarray(points_m, float) @ (A + G).T
