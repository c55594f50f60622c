"""Bodies of simple shape with the field that a source induces in them, for tests of low-frequency solvers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

import emdose as em
from emdose.constants import MU_0
from emdose.models import UniformField
from emdose.models.bodies import solids
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact

OBLIQUE = (0.48, 0.6, 0.64)


def tissue(name: str, conductivity: float, permittivity: float = 1.0) -> Tissue:
    """A tissue with constant properties."""
    return Tissue(name, 1000.0, Constant(permittivity, conductivity))


@dataclass(frozen=True)
class Dipole:
    """A magnetic dipole whose moment grows."""

    place_m: tuple[float, float, float] = (0.03, 0.02, 0.14)
    rate: tuple[float, float, float] = (1.0, 0.5, 2.0)
    name: str = "dipole"
    drive_unit: str = "A/s"

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        d = np.asarray(points_m) - self.place_m
        return -MU_0 / (4 * np.pi) * np.cross(self.rate, d) / np.linalg.norm(d, axis=1)[:, None] ** 3


@dataclass(frozen=True)
class Case:
    """A body, a source, its field, and where the two are compared."""

    name: str
    phantom: em.Phantom
    source: Any
    E: Callable[[np.ndarray], np.ndarray]
    where: Callable[[np.ndarray], np.ndarray] = lambda p: np.ones(len(p), bool)


def uniform(b: Any = OBLIQUE) -> em.Switched:
    """A uniform rate of change of 1 T/s."""
    return em.Switched(UniformField(b), "T/s")


def body_of(parts: list[solids.TissueSolid], h: float) -> em.Phantom:
    """Solids on voxels by the tissue at their centres."""
    return solids.rasterise(parts, solids.grid_around(parts, h), samples=1)


def cases(h: float) -> Iterator[Case]:
    """Bodies of 20 cm at voxels of h."""
    ball = em.phantoms.sphere(0.1, h, tissue("gel", 0.3), samples=1)
    yield Case("sphere", ball, uniform(), lambda p: exact.sphere_E(p, OBLIQUE))
    layered = em.phantoms.layered_sphere(
        (0.06, 0.08, 0.09, 0.1),
        (tissue("brain", 0.33), tissue("CSF", 1.8), tissue("skull", 0.01), tissue("scalp", 0.33)),
        h,
        samples=1,
    )
    yield Case("layered sphere", layered, uniform(), lambda p: exact.sphere_E(p, OBLIQUE))
    dipole = Dipole()
    yield Case(
        "layered sphere, dipole", layered, dipole, lambda p: exact.sphere_dipole_E(p, dipole.place_m, dipole.rate)
    )
    axes = (0.1, 0.06, 0.08)
    egg = body_of([solids.ellipsoid(tissue("gel", 0.3), (0, 0, 0), axes)], h)
    yield Case("ellipsoid", egg, uniform(), lambda p: exact.ellipsoid_E(p, axes, OBLIQUE))
    rod = em.phantoms.cylinder(0.06, 0.2, h, tissue("gel", 0.3), samples=1)
    yield Case("cylinder, along", rod, uniform((0, 0, 1)), lambda p: exact.cylinder_E(p, (0, 0, 1)))
    long = em.phantoms.cylinder(0.03, 0.24, h, tissue("gel", 0.3), samples=1)
    across = (0.8, 0.6, 0)
    yield Case(
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

        yield Case(name, body, uniform(b), field)


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
