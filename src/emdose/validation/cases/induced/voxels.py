"""``Quasistatic``: potentials on voxels beside closed forms. At skin and borders their staircase is what is left."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from emdose.errors import EmdoseWarning
from emdose.models import phantoms
from emdose.models.gradients.coils import UniformField
from emdose.models.implants import shapes
from emdose.models.induction.sources import RigidMotion, Switched
from emdose.solvers.quasistatic.solver import Quasistatic
from emdose.validation.cases.induced.bodies import OBLIQUE, cases, errors, tissue, uniform
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact
from emdose.validation.rows import Row, at_least, at_most, compare

RADIUS = 0.1
"""Of the spheres [m]."""
STAIRCASE = {
    "sphere": 0.057,
    "layered sphere": 0.119,
    "layered sphere, dipole": 0.118,
    "ellipsoid": 0.068,
    "cylinder, along": 0.119,
    "cylinder, across": 0.0052,
    "conducting ball": 0.067,
    "resisting ball": 0.064,
}
"""L2 error at 4 mm by case, a tenth above that of docs/theory/quasistatic.md."""


def bodies(device: Any) -> list[Row]:
    """Spheres, layers, an ellipsoid, cylinders and spheres in a sphere, the whole field at voxels of 4 mm."""
    rows = []
    for case in cases(4e-3):
        found = Quasistatic().solve(case.phantom, case.source, device=device, progress=False)
        here = case.where(found.points_m)
        error = errors(found.E[0][:, here], case.E(found.points_m[here]))["L2"]
        name = f"{case.name}, 4 mm voxels"
        rows.append(at_most(name, "closed form", "relative L2 error of E, skin included", error, STAIRCASE[case.name]))
    return rows


def order(device: Any) -> list[Row]:
    """A sphere at 8 and 4 mm, within three quarters of its radius."""
    wrong = []
    for h in (8e-3, 4e-3):
        case = next(cases(h))
        found = Quasistatic().solve(case.phantom, case.source, device=device, progress=False)
        deep = np.linalg.norm(found.points_m, axis=1) < 0.75 * RADIUS
        wrong.append(errors(found.E[0][:, deep], case.E(found.points_m[deep]))["L2"])
    name, where = "sphere, 8 and 4 mm voxels", "away from the skin"
    fall = math.log2(wrong[0] / wrong[1])
    return [
        at_most(name, "closed form", f"relative L2 error of E {where}, 4 mm", wrong[1], 0.005),
        at_least(name, "closed form", f"order of convergence of E {where}", 2.0, fall, 1.8),
    ]


def tensor(device: Any) -> list[Row]:
    """A sphere with a tensor of 1 : 3 : 9 turned out of the axes."""
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    S = turn @ np.diag([0.1, 0.3, 0.9]) @ turn.T
    body = phantoms.sphere(RADIUS, 4e-3, tissue("gel", 0.3), samples=1)
    found = Quasistatic(tensors={"gel": S}).solve(body, uniform(), device=device, progress=False)
    deep = np.linalg.norm(found.points_m, axis=1) < 0.8 * RADIUS
    error = errors(found.E[0][:, deep], exact.anisotropic_sphere_E(found.points_m[deep], S, np.array(OBLIQUE)))["L2"]
    name = "sphere with a turned tensor 1 : 3 : 9, 4 mm voxels"
    return [at_most(name, "closed form", "relative L2 error of E away from the skin", error, 0.01)]


def motions(device: Any) -> list[Row]:
    """Straight motion in a uniform field, turning in it, and the energy balance."""
    field, speed = UniformField((0, 0, 1)), 1.0
    moved = [RigidMotion(field, velocity_m_s=(speed, 0, 0)), RigidMotion(field, turn_rad_s=(0, 1, 0))]
    body = phantoms.sphere(RADIUS, 5e-3, tissue("gel", 0.3), samples=1)
    found = Quasistatic(tolerance=1e-9).solve(body, moved, device=device, progress=False)
    deep = np.linalg.norm(found.points_m, axis=1) < 0.75 * RADIUS
    wanted = exact.sphere_E(found.points_m[deep], np.cross((0, 0, 1), (0, 1, 0)))
    name, oracle = "sphere, 5 mm voxels", "identity of the motion"
    straight, turned = float(np.abs(found.E[0]).max()) / speed, errors(found.E[1][:, deep], wanted)["largest"]
    return [
        at_most(name, oracle, "E of straight motion in a uniform field over vB", straight, 1e-7),
        at_most(name, oracle, "turning in a uniform field beside its rate of change, away from the skin", turned, 0.02),
        at_most(name, "conservation of energy", "power beside work of the source", float(found.balance[1]), 1e-5),
    ]


def implants(device: Any) -> list[Row]:
    """A ball of metal in a conducting sphere, between 1.4 and 2 of its radii."""
    place, a = np.array((0.03, 0.01, -0.02)), 0.015
    body = phantoms.sphere(RADIUS, 2.5e-3, tissue("gel", 0.3), samples=1)
    ball = shapes.sphere(a).moved(tuple(place))
    found = Quasistatic().solve(body, uniform((0, 0, 1)), implants=[ball], device=device, progress=False)
    p, rate = found.points_m, np.array((0.0, 0.0, 1.0))
    wanted = exact.inclusion_E(p, place, a, np.inf, 0.3, rate).real
    effect = wanted - exact.sphere_E(p, rate)
    d = np.linalg.norm(p - place, axis=1)
    near = (d > 1.4 * a) & (d < 2 * a)
    error = float(np.linalg.norm((found.E[0].T - wanted)[near]) / np.linalg.norm(effect[near]))
    name = "metal of 30 mm in a sphere, 2.5 mm voxels"
    return [at_most(name, "closed form", "error of E around it over what the metal does to E", error, 0.07)]


def head(device: Any) -> list[Row]:
    """The layered head in 1 T/s, for plausibility: its largest field along the worst axis."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)  # of how well tissues are known at 1 kHz
        body = phantoms.layered_head(spacing_m=4e-3)
        sources = [Switched(UniformField(tuple(axis)), "T/s") for axis in np.eye(3)]
        found = Quasistatic().solve(body, sources, 10.0, device, False)
    largest = float(np.linalg.norm(found.E, axis=1).max())
    oracle = "S. Ilvonen and I. Laakso (2009), another head: plausible"
    return [compare("layered head turned at 1 T/s, 4 mm voxels", oracle, "largest E [V/m]", 0.337, largest, 0.35)]


CASES = {
    "quasistatic bodies": bodies,
    "quasistatic order": order,
    "quasistatic tensor": tensor,
    "quasistatic motions": motions,
    "quasistatic implants": implants,
    "quasistatic head": head,
}
