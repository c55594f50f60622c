"""Bodies of simple shape with the field that a source induces in them, for rows and tests of low-frequency solvers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.constants import MU_0
from emdose.models import phantoms
from emdose.models.bodies import solids
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.gradients.coils import UniformField
from emdose.models.induction.sources import Switched
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact
from emdose.values import read_only

OBLIQUE = (0.48, 0.6, 0.64)


def tissue(name: str, conductivity: float, permittivity: float = 1.0) -> Tissue:
    """A tissue with constant properties."""
    return Tissue(name, 1000.0, Constant(permittivity, conductivity))


@dataclass(frozen=True)
class GrowingDipole:
    """A magnetic dipole whose moment grows."""

    place_m: tuple[float, float, float] = (0.03, 0.02, 0.14)
    rate: tuple[float, float, float] = (1.0, 0.5, 2.0)
    name: str = "dipole"
    drive_unit: str = "A/s"

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """-dA/dt at points (n, 3), (n, 3) [V/m]."""
        d = np.asarray(points_m) - self.place_m
        return -MU_0 / (4 * np.pi) * np.cross(self.rate, d) / np.linalg.norm(d, axis=1)[:, None] ** 3


@read_only
@dataclass(frozen=True, eq=False)
class LinearSource:
    """An impressed field that is linear in the point, matrix (3, 3) times it."""

    matrix: np.ndarray
    name: str = "linear"
    drive_unit: str = "T/s"

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """The matrix times points (n, 3), (n, 3) [V/m]."""
        return np.asarray(points_m) @ self.matrix.T


ALONG_Z = LinearSource(np.array([[0.0, 0, 0], [-1, 0, 0], [0, 0, 0]]))
ALONG_X = LinearSource(np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]]))
"""Uniform dB/dt of 1 T/s, by potentials that are not those of the rotating field: charges have to help."""

TABLE_DIPOLE = GrowingDipole((0.02, 0.01, 0.12), (1.0, 0.5, 2.0))
TABLE = np.array(
    [
        [0, 0, 0.03, -2.2088523821e-07, 4.4177047641e-07, 0],
        [0.03, 0, 0, 0, -3.4711392291e-06, 4.3639712198e-09],
        [0, 0.04, 0.02, 6.9473453592e-06, 8.2166812233e-08, -1.6433362447e-07],
        [0.02, -0.03, 0.05, -1.3385746905e-05, -7.1673404694e-06, 1.0538944803e-06],
        [-0.05, 0.01, 0.03, 1.6054109935e-06, 8.6387787133e-06, -2.0390791530e-07],
        [0.01, 0.005, 0.075, 2.0138445815e-06, -4.0276891630e-06, 0],
        [0, 0, -0.07, -7.9459713188e-08, 1.5891942638e-07, 0],
    ]
)
"""Point [m] and E [V/m] that TABLE_DIPOLE induces in any layered sphere; J. Sarvas, Phys. Med. Biol. 32 (1987) 11, by
reciprocity, tabulated by a program other than this one."""


def everywhere(points_m: np.ndarray) -> np.ndarray:
    """All of the points (n, 3), (n,) bool."""
    return np.ones(len(points_m), bool)


@dataclass(frozen=True)
class InducedCase:
    """A body, a source, its field, and where the two are compared."""

    name: str
    phantom: Phantom
    source: Any
    E: Callable[[np.ndarray], np.ndarray]
    where: Callable[[np.ndarray], np.ndarray] = everywhere


def uniform(b: Any = OBLIQUE) -> Switched:
    """A uniform rate of change of 1 T/s."""
    return Switched(UniformField(b), "T/s")


def body_of(parts: list[solids.TissueSolid], h: float) -> Phantom:
    """Solids on voxels by the tissue at their centres."""
    return solids.rasterise(parts, solids.grid_around(parts, h), samples=1)


def cases(h: float) -> Iterator[InducedCase]:
    """Bodies of 20 cm at voxels of h."""
    ball = phantoms.sphere(0.1, h, tissue("gel", 0.3), samples=1)
    yield InducedCase("sphere", ball, uniform(), lambda p: exact.sphere_E(p, OBLIQUE))
    layered = phantoms.layered_sphere(
        (0.06, 0.08, 0.09, 0.1),
        (tissue("brain", 0.33), tissue("CSF", 1.8), tissue("skull", 0.01), tissue("scalp", 0.33)),
        h,
        samples=1,
    )
    yield InducedCase("layered sphere", layered, uniform(), lambda p: exact.sphere_E(p, OBLIQUE))
    dipole = GrowingDipole()
    yield InducedCase(
        "layered sphere, dipole", layered, dipole, lambda p: exact.sphere_dipole_E(p, dipole.place_m, dipole.rate)
    )
    axes = (0.1, 0.06, 0.08)
    egg = body_of([solids.ellipsoid(tissue("gel", 0.3), (0, 0, 0), axes)], h)
    yield InducedCase("ellipsoid", egg, uniform(), lambda p: exact.ellipsoid_E(p, axes, OBLIQUE))
    rod = phantoms.cylinder(0.06, 0.2, h, tissue("gel", 0.3), samples=1)
    yield InducedCase("cylinder, along", rod, uniform((0, 0, 1)), lambda p: exact.cylinder_E(p, (0, 0, 1)))
    long = phantoms.cylinder(0.03, 0.24, h, tissue("gel", 0.3), samples=1)
    across = (0.8, 0.6, 0)
    yield InducedCase(
        "cylinder, across",
        long,
        uniform(across),
        lambda p: exact.cylinder_E(p, across),
        lambda p: np.abs(p[:, 2]) < 0.04,
    )
    place, b = (0.03, 0.01, -0.02), (0, 0, 1)
    for name, inner in (("conducting ball", 1.8), ("resisting ball", 0.02)):
        body = body_of(
            [
                solids.ellipsoid(tissue("gel", 0.3), (0, 0, 0), (0.1,) * 3),
                solids.ellipsoid(tissue("ball", inner), place, (0.03,) * 3),
            ],
            h,
        )

        def field(p: np.ndarray, inner: float = inner) -> np.ndarray:
            return exact.inclusion_E(p, place, 0.03, inner, 0.3, b).real

        yield InducedCase(name, body, uniform(b), field)


def within(half_axes_m: Any, count: int = 40, part: float = 0.8) -> np.ndarray:
    """Points (count, 3) spread over an ellipsoid to a part of its half axes [m]."""
    rng = np.random.default_rng(0)
    p = rng.normal(size=(count, 3))
    return np.asarray(p * (part * rng.random(count) ** (1 / 3) / np.linalg.norm(p, axis=1))[:, None] * half_axes_m)


def deviation(E: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference of a field (3, m) from the one wanted (m, 3), over the largest of the latter."""
    return errors(E, wanted)["largest"]


def errors(E: np.ndarray, wanted: np.ndarray) -> dict[str, float]:
    """How a field (3, m) differs from the one wanted (m, 3): all relative."""
    size, right = np.linalg.norm(E, axis=0), np.linalg.norm(wanted, axis=1)
    wrong = np.linalg.norm(E.T - wanted, axis=1)
    return {
        "L2": float(np.linalg.norm(wrong) / np.linalg.norm(right)),
        "largest": float(wrong.max() / right.max()),
        "max": float(size.max() / right.max() - 1),
        "p99.9": float(np.percentile(size, 99.9) / np.percentile(right, 99.9) - 1),
        "p99": float(np.percentile(size, 99) / np.percentile(right, 99) - 1),
    }
