r"""Partial inductances of straight round filaments.

.. math:: L_{ij} = \frac{\mu_0}{4\pi}\, \mathbf t_i \cdot \mathbf t_j \int_i \int_j \frac{ds\,ds'}{\sqrt{R^2 + a^2}}

with the larger of the two radii a: the inner integral in closed form, the outer by Gauss quadrature, and both in closed
form for i = j,

.. math:: L_{ii} = \frac{\mu_0 l}{2\pi}
          \left(\operatorname{asinh}\frac{l}{a} - \sqrt{1 + \frac{a^2}{l^2}} + \frac{a}{l}\right) .

The current flows on the surface. In a cylindrical shield of radius b around z every filament has an image, its points
moved to b^2 / r and its current reversed, which is exact for long axial currents without net current.

Source: F. Grover, Inductance Calculations, Van Nostrand 1946; A. Ruehli, IBM J. Res. Dev. 16 (1972) 470; J. Jin,
Electromagnetic Analysis and Design in Magnetic Resonance Imaging, CRC Press 1998, ch. 4 (images in the shield).
"""

from __future__ import annotations

import math

import numpy as np

from emdose.constants import MU_0

_GAUSS, _WEIGHTS = np.polynomial.legendre.leggauss(10)


def partial_inductances(segments: np.ndarray, radii_m: np.ndarray, shield_radius_m: float | None = None) -> np.ndarray:
    """Matrix of partial inductances.

    Parameters
    ----------
    segments : (n, 2, 3) ndarray
        Start and end of every filament [m].
    radii_m : (n,) ndarray
        Their radii [m].
    shield_radius_m : float, optional
        Radius of a cylindrical shield around z [m], larger than any filament's distance from z.

    Returns
    -------
    (n, n) ndarray
        Inductances [H], symmetric.
    """
    segments, radii = np.asarray(segments, float), np.asarray(radii_m, float)
    out = _mutual(segments, segments, np.maximum(radii[:, None], radii))
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    own = np.arcsinh(length / radii) - np.sqrt(1 + (radii / length) ** 2) + radii / length
    out[np.diag_indices(len(out))] = MU_0 / (2 * math.pi) * length * own
    if shield_radius_m is not None:
        images, scale = shield_images(segments, shield_radius_m)
        out -= _mutual(segments, images, np.maximum(radii[:, None], radii * scale))
    return 0.5 * (out + out.T)


def shield_images(segments: np.ndarray, shield_radius_m: float) -> tuple[np.ndarray, np.ndarray]:
    """Images of filaments (n, 2, 3) in a cylinder around z, which carry the opposite current, and their scale (n,)."""
    rho2 = np.maximum((segments[..., :2] ** 2).sum(-1), (1e-3 * shield_radius_m) ** 2)
    factor = shield_radius_m**2 / rho2
    images = segments.copy()
    images[..., :2] *= factor[..., None]
    return images, factor.mean(axis=1)


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


def _mutual(first: np.ndarray, second: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Neumann integrals of filaments (n, 2, 3) and (m, 2, 3) with R^2 increased by radius^2 (n, m) [H]."""
    v, w = first[:, 1] - first[:, 0], second[:, 1] - second[:, 0]
    other = np.linalg.norm(w, axis=1)
    t = w / other[:, None]
    total = np.zeros((len(first), len(second)))
    for g, weight in zip(_GAUSS, _WEIGHTS, strict=True):
        r = (first[:, 0] + 0.5 * (1 + g) * v)[:, None] - second[:, 0]
        u = (r * t).sum(-1)
        rho2 = np.maximum((r * r).sum(-1) - u * u, 0.0) + radius**2
        far, near = np.sqrt(rho2 + (other - u) ** 2), np.sqrt(rho2 + u * u)
        total += 0.5 * weight * 2 * np.arctanh(np.minimum(other / (near + far), 1 - 1e-16))
    return np.asarray(MU_0 / (4 * math.pi) * (v @ t.T) * total)
