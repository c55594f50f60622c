r"""Partial inductances and coefficients of potential of straight round filaments.

Both come from one integral of two pieces of wire,

.. math:: J_{ij} = \int_i \int_j \frac{ds\,ds'}{\sqrt{R^2 + a^2}}, \qquad
          L_{ij} = \frac{\mu_0}{4\pi}\, \mathbf t_i \cdot \mathbf t_j\, J_{ij}, \qquad
          P_{ij} = \frac{1}{4\pi\varepsilon_0} \frac{J_{ij}}{l_i l_j},

with the larger of the two radii a. For pieces close to each other the inner integral is in closed form and the outer
by Gauss quadrature, both in closed form for i = j,

.. math:: J_{ii} = 2 l \left(\operatorname{asinh}\frac{l}{a} - \sqrt{1 + \frac{a^2}{l^2}} + \frac{a}{l}\right) .

The current flows on the surface. Retardation multiplies every J by cos(k R), R between the middles of the pieces: the
part of the retarded kernel in phase, which stores energy; the other radiates.

Source: F. Grover, Inductance Calculations, Van Nostrand 1946; A. Ruehli, IEEE Trans. MTT 22 (1974) 216.
"""

from __future__ import annotations

import math

import numpy as np

from emdose.constants import EPS_0, MU_0

POINTS = 10
"""Gauss points of the outer integral of pieces near each other."""
NEAR = 2.137
"""Up to this distance of their middles, over the larger length, the inner integral is taken in closed form.

No pieces of a regular coil are at just this distance, where rounding would tell."""
INDUCTANCE = MU_0 / (4 * math.pi)
POTENTIAL = 1 / (4 * math.pi * EPS_0)


def wire_integrals(
    first: np.ndarray, second: np.ndarray, first_radii_m: np.ndarray, second_radii_m: np.ndarray
) -> np.ndarray:
    """The integrals J of all pairs of pieces.

    Parameters
    ----------
    first, second : (n, 2, 3), (m, 2, 3) ndarray
        Start and end of every piece [m]; the same array twice for the pieces of one coil.
    first_radii_m, second_radii_m : (n,), (m,) ndarray
        Their radii [m].

    Returns
    -------
    (n, m) ndarray
        J [m].
    """
    same = first is second
    middles, vectors, lengths = zip(*(_of(pieces) for pieces in (first, second)), strict=True)
    d2 = square_distances(middles[0], middles[1])
    longest = np.maximum(lengths[0][:, None], lengths[1])
    radius = np.maximum(np.asarray(first_radii_m, float)[:, None], second_radii_m) ** 2
    # Far from each other two points on each piece do.
    step = 0.5 / math.sqrt(3)
    out = np.zeros(d2.shape)
    for g in (-step, step):
        for h in (-step, step):
            r2 = square_distances(middles[0] + g * vectors[0], middles[1] + h * vectors[1])
            r2 += radius
            out += 1 / np.sqrt(r2, out=r2)
    out *= 0.25 * lengths[0][:, None] * lengths[1]
    i, j = np.nonzero(d2 < (NEAR * longest) ** 2)
    if same:
        i, j = i[i < j], j[i < j]
    out[i, j] = _near(first[i], second[j], radius[i, j])
    if same:
        out[j, i] = out[i, j]
        own, a = lengths[0], np.asarray(first_radii_m, float)
        out[np.diag_indices(len(out))] = 2 * own * (np.arcsinh(own / a) - np.sqrt(1 + (a / own) ** 2) + a / own)
    return out


def point_integrals(points: np.ndarray, pieces: np.ndarray) -> np.ndarray:
    """Integrals of ds / R over pieces (m, 2, 3), seen from points (n, 3) that lie on none of them, (n, m)."""
    middle, v, length = _of(pieces)
    d2 = square_distances(points, middle)
    step = 0.5 / math.sqrt(3)
    out = sum(1 / np.sqrt(square_distances(points, middle + g * v)) for g in (-step, step))
    out = 0.5 * length * out
    i, j = np.nonzero(d2 < (NEAR * length) ** 2)
    near, far = (np.linalg.norm(points[i] - pieces[j, end], axis=1) for end in (0, 1))
    out[i, j] = 2 * np.arctanh(np.minimum(length[j] / (near + far), 1 - 1e-16))
    return np.asarray(out)


def partial_inductances(segments: np.ndarray, radii_m: np.ndarray) -> np.ndarray:
    """Matrix of partial inductances without retardation.

    Parameters
    ----------
    segments : (n, 2, 3) ndarray
        Start and end of every filament [m].
    radii_m : (n,) ndarray
        Their radii [m].

    Returns
    -------
    (n, n) ndarray
        Inductances [H], symmetric.
    """
    segments = np.asarray(segments, float)
    _, v, length = _of(segments)
    t = v / length[:, None]
    return np.asarray(INDUCTANCE * (t @ t.T) * wire_integrals(segments, segments, radii_m, radii_m))


def field_of_filaments(segments: np.ndarray, currents: np.ndarray, point_m: np.ndarray) -> np.ndarray:
    """Magnetic flux density of filaments at a point.

    Parameters
    ----------
    segments : (n, 2, 3) ndarray
        Filaments [m].
    currents : (n, mode) ndarray
        Currents from start to end [A].
    point_m : (3,) ndarray
        Point [m].

    Returns
    -------
    (mode, 3) ndarray
        Field [T].

    Source: J. Hanson and S. Hirshman, Phys. Plasmas 9 (2002) 4410.
    """
    a, b = point_m - segments[:, 0], point_m - segments[:, 1]
    ra, rb = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    length = np.linalg.norm(a - b, axis=1)
    weight = (ra + rb) / (ra * rb * ((ra + rb) ** 2 - length**2))
    unit = MU_0 / (2 * math.pi) * np.cross(a - b, a) * weight[:, None]
    return np.asarray(currents.T @ unit)


def _of(pieces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Middles, vectors and lengths of pieces."""
    v = pieces[:, 1] - pieces[:, 0]
    return 0.5 * (pieces[:, 0] + pieces[:, 1]), v, np.linalg.norm(v, axis=1)


def square_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Squares of the distances of points (n, 3) and (m, 3), (n, m)."""
    out = a @ (-2 * b.T)
    out += (a * a).sum(1)[:, None]
    out += (b * b).sum(1)
    return np.maximum(out, 0.0, out=out)


def _near(first: np.ndarray, second: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """J of pairs (n,) of pieces."""
    v, w = first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]
    other = np.linalg.norm(w, axis=1)
    t = w / other[:, None]
    points, weights = np.polynomial.legendre.leggauss(POINTS)
    r = first[:, None, 0] + 0.5 * (1 + points)[:, None] * v[:, None] - second[:, None, 0]
    u = np.einsum("ngc,nc->ng", r, t)
    rho2 = np.maximum((r * r).sum(-1) - u * u, 0.0) + radius[:, None]
    far, near = np.sqrt(rho2 + (other[:, None] - u) ** 2), np.sqrt(rho2 + u * u)
    inner = 2 * np.arctanh(np.minimum(other[:, None] / (near + far), 1 - 1e-16))
    return np.asarray(0.5 * np.linalg.norm(v, axis=1) * (inner @ weights))
