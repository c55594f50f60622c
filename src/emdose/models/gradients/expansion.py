r"""What a field without sources is near a place: three uniform and five linear terms, for any orientation of the body.

.. math:: \mathbf B(\mathbf r) = \mathbf B_0 + S\,\mathbf r, \qquad S = S^T, \quad \operatorname{tr} S = 0

The terms (Bx, By, Bz, Sxx, Syy, Sxy, Sxz, Syz) are what a power tensor of sources "uniform+linear" is summed with. A
body that is turned by a rotation R about the place sees, in its own axes, R^T B0 and R^T S R: a linear map of the
terms.

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed. (1999), ch. 5 (curl and divergence of B vanish off currents).
"""

from __future__ import annotations

from functools import cache

import numpy as np

TERMS = 8
"""Three uniform and five linear ones."""
_PLACES = ((0, 0), (1, 1), (0, 1), (0, 2), (1, 2))
"""Entries of the slope that the five linear terms are."""


def linear_terms(slope: np.ndarray) -> np.ndarray:
    """The five numbers xx, yy, xy, xz, yz of symmetric matrices without trace [T/m].

    Parameters
    ----------
    slope : (..., 3, 3) ndarray
        dB_i/dx_j [T/m]; what is antisymmetric or trace in it is an error of differences and is averaged away.

    Returns
    -------
    (..., 5) ndarray
    """
    s = 0.5 * (slope + np.swapaxes(slope, -1, -2))
    trace = np.trace(s, axis1=-2, axis2=-1)
    s = s - np.eye(3) * trace[..., None, None] / 3
    return np.stack([s[..., i, j] for i, j in _PLACES], axis=-1)


def slope_of(terms: np.ndarray) -> np.ndarray:
    """Inverse of :func:`linear_terms`: symmetric matrices (..., 3, 3) of terms (..., 5) [T/m]."""
    return np.tensordot(np.asarray(terms, float), slopes(), axes=1)


def turned(rotations: np.ndarray) -> np.ndarray:
    """How the eight terms look from bodies that are turned about the place where they are taken.

    Parameters
    ----------
    rotations : (..., 3, 3) ndarray
        Rotation matrices R of the bodies.

    Returns
    -------
    (..., 8, 8) ndarray
        D with terms in the axes of the turned body = D @ terms: blocks R^T and the map of S to R^T S R.
    """
    R = np.asarray(rotations, float)
    out = np.zeros((*R.shape[:-2], TERMS, TERMS))
    out[..., :3, :3] = np.swapaxes(R, -1, -2)
    moved = np.einsum("...ai,kab,...bj->...kij", R, slopes(), R, optimize=True)
    out[..., 3:, 3:] = np.swapaxes(linear_terms(moved), -1, -2)
    return out


@cache
def slopes() -> np.ndarray:
    """The slope (3, 3) of each of the five terms alone, (5, 3, 3)."""
    out = np.zeros((5, 3, 3))
    for n, (i, j) in enumerate(_PLACES):
        out[n, i, j] = out[n, j, i] = 1.0
    out[:2, 2, 2] = -1.0
    out.setflags(write=False)
    return out
