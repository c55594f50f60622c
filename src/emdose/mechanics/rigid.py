r"""Mass, centre and inertia of an implant, and the ellipsoid that stands for its shape.

Moments of volume of a closed surface are exact sums over the tetrahedra between its triangles and a point. An
ellipsoid of semi-axes a has the mean squares a^2 / 5 along them: with those of the implant it has the same inertia.

Source: F. Tonon, J. Math. Stat. 1 (2005) 8 (inertia of a tetrahedron).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from emdose.checks import array, positive, positives, vector
from emdose.errors import InputError
from emdose.models.implants.implant import Implant
from emdose.values import read_only

GRAVITY_m_s2 = 9.81


@read_only(units={"inertia": "kg m^2", "second_moment": "m^2"})
@dataclass(frozen=True, eq=False)
class RigidBody:
    """A rigid body by its mass properties.

    Parameters
    ----------
    mass_kg : float
        Mass [kg].
    volumes_m3 : (p,) ndarray
        Volume of metal of every part [m^3].
    centre_m : (3,) ndarray
        Centre of mass [m].
    inertia : (3, 3) ndarray
        About the centre of mass [kg m^2].
    second_moment : (3, 3) ndarray
        Mean of (x - c)(x - c)^T over the volume, for the shape [m^2].
    points_m : (n, 3) ndarray
        Points of its surface, those of its convex hull at least [m].

    Raises
    ------
    InputError
        For a mass, volume or inertia that is not positive.
    """

    mass_kg: float
    volumes_m3: np.ndarray
    centre_m: np.ndarray
    inertia: np.ndarray
    second_moment: np.ndarray
    points_m: np.ndarray

    def __post_init__(self) -> None:
        positive("mass_kg", self.mass_kg)
        object.__setattr__(self, "volumes_m3", positives("volumes_m3", self.volumes_m3))
        object.__setattr__(self, "centre_m", vector("centre_m", self.centre_m))
        object.__setattr__(self, "points_m", array("points_m", self.points_m, (None, 3), problem="bad points"))
        for key in ("inertia", "second_moment"):
            found = array(key, getattr(self, key), (3, 3), problem="bad matrix")
            if np.linalg.eigvalsh(0.5 * (found + found.T)).min() <= 0:
                raise InputError("not positive definite", field=key, expected="a body with extent in three directions")
            object.__setattr__(self, key, 0.5 * (found + found.T))

    @property
    def volume_m3(self) -> float:
        """Volume of metal [m^3]."""
        return float(self.volumes_m3.sum())

    @property
    def weight_N(self) -> float:
        """Weight, m g [N]."""
        return self.mass_kg * GRAVITY_m_s2

    @cached_property
    def longest_m(self) -> float:
        """Longest dimension: twice the largest extent along the axes of inertia and the axes of its coordinates [m]."""
        p = self.points_m
        return float(max(np.ptp(p @ axes, axis=0).max() for axes in (np.eye(3), self.principal[1])))

    @cached_property
    def principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Principal moments of inertia (3,) [kg m^2], growing, and their axes as columns (3, 3)."""
        values, axes = np.linalg.eigh(self.inertia)
        return values, axes

    @cached_property
    def ellipsoid(self) -> tuple[np.ndarray, np.ndarray]:
        """Semi-axes (3,) [m] of the ellipsoid with the same second moments, growing, and directions as columns."""
        values, axes = np.linalg.eigh(self.second_moment)
        return np.sqrt(5 * values), axes

    @cached_property
    def box(self) -> np.ndarray:
        """Half edges of the box around it along the axes of :attr:`ellipsoid`, (3,) [m]."""
        return 0.5 * np.ptp(self.points_m @ self.ellipsoid[1], axis=0)

    def reach(self, axes: np.ndarray) -> np.ndarray:
        """Largest distance of a surface point from each axis (columns) through the centre of mass, (3,) [m]."""
        r = self.points_m - self.centre_m
        along = r @ axes
        return np.sqrt(np.maximum((r**2).sum(axis=1)[:, None] - along**2, 0.0).max(axis=0))


def rigid_body(implant: Implant) -> RigidBody:
    """Mass properties of an implant from its surfaces and the densities of its metals.

    Parameters
    ----------
    implant : Implant
        Closed surfaces with metals.
    """
    from scipy.spatial import ConvexHull

    origin = np.mean(implant.bounds_m, axis=0)
    mass, volumes = 0.0, []
    first, squares = np.zeros((2, 3)), np.zeros((2, 3, 3))
    for part in implant.parts:
        c = part.corners - origin
        six = np.einsum("ti,ti->t", c[:, 0], np.cross(c[:, 1], c[:, 2]))
        total = c.sum(axis=1)
        # Of a tetrahedron with one corner at the origin: V / 4 sum, V / 20 (sum sum^T + sum of c c^T).
        one = six @ total / 24
        weighted = six[:, None] * total
        corners = c.reshape(-1, 3)
        two = (weighted.T @ total + (np.repeat(six, 3)[:, None] * corners).T @ corners) / 120
        rho = part.metal.density_kg_m3
        volumes.append(float(six.sum() / 6))
        mass += rho * volumes[-1]
        first += np.stack([rho * one, one])
        squares += np.stack([rho * two, two])
    volume = sum(volumes)
    centre, middle = first[0] / mass, first[1] / volume
    spread = squares[0] - mass * np.outer(centre, centre)
    inertia = np.trace(spread) * np.eye(3) - spread
    second = squares[1] / volume - np.outer(middle, middle)
    points = np.concatenate([p.vertices[np.unique(p.triangles)] for p in implant.parts])
    points = points[ConvexHull(points).vertices]
    return RigidBody(mass, np.array(volumes), centre + origin, inertia, second, points)
