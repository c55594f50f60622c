"""Small dipoles and loops on a cylinder around a body: incident fields that span those of coils outside."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse as sp

from emdose.solvers.vsie.potentials.coupling import Sources

PITCH = 0.5
"""Distance of neighbours over that of the cylinder from the body."""


def places(radius_m: float, length_m: float, pitch_m: float) -> np.ndarray:
    """Points (n, 3) at about equal distances on a cylinder around z [m]."""
    around = max(8, math.ceil(2 * math.pi * radius_m / pitch_m))
    along = max(3, math.ceil(length_m / pitch_m) + 1)
    phi = 2 * math.pi * np.arange(around) / around
    z = np.linspace(-0.5 * length_m, 0.5 * length_m, along)
    p, z = (a.ravel() for a in np.meshgrid(phi, z, indexing="ij"))
    return np.stack([radius_m * np.cos(p), radius_m * np.sin(p), z], axis=1)


def dipoles(points_m: np.ndarray, length_m: float) -> Sources:
    """Three current elements at every point, along x, y and z, with the charges of their ends."""
    m, directions = 3 * len(points_m), np.tile(np.eye(3), (len(points_m), 1))
    middle, half = np.repeat(points_m, 3, axis=0), 0.5 * length_m * directions
    own = np.arange(m)
    current = tuple(sp.csr_matrix((length_m * directions[:, c], (own, own)), (3 * m, m)) for c in range(3))
    # Current comes out of the start and vanishes at the end.
    ends = (np.repeat([-1.0, 1.0], m), (np.concatenate([own + m, own + 2 * m]), np.tile(own, 2)))
    return Sources(np.concatenate([middle, middle + half, middle - half]), current, sp.csr_matrix(ends, (3 * m, m)))


def loops(points_m: np.ndarray, length_m: float) -> Sources:
    """Three square loops at every point, about x, y and z, without charge."""
    m, axis, e = 3 * len(points_m), np.tile(np.arange(3), len(points_m)), np.eye(3)
    u, w = e[(axis + 1) % 3], e[(axis + 2) % 3]
    middle, half = np.repeat(points_m, 3, axis=0), 0.5 * length_m
    points = np.concatenate([middle + half * u, middle + half * w, middle - half * u, middle - half * w])
    along = np.concatenate([w, -u, -w, u])
    at = (np.arange(4 * m), np.tile(np.arange(m), 4))
    current = tuple(sp.csr_matrix((length_m * along[:, c], at), (4 * m, m)) for c in range(3))
    return Sources(points, current, sp.csr_matrix((4 * m, m)))
