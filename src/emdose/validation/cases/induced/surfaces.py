"""``Bem``: charges on the surfaces of bodies beside closed forms, and beside voxels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.models.bodies.phantom import Phantom
from emdose.models.gradients.coils import UniformField
from emdose.models.grids.grid import Grid
from emdose.models.implants import shapes
from emdose.models.induction.sources import RigidMotion
from emdose.models.surfaces.body import Interface, SurfaceBody
from emdose.solvers.bem.solver import Bem
from emdose.solvers.quasistatic.solver import Quasistatic
from emdose.validation.cases.induced.bodies import (
    ALONG_X,
    ALONG_Z,
    TABLE,
    TABLE_DIPOLE,
    deviation,
    tissue,
    uniform,
    within,
)
from emdose.validation.closed_forms.low_frequency import induced_bodies as exact
from emdose.validation.rows import Row, at_least, at_most

R = 0.085
"""Radius of the spheres [m]."""
SHELLS = ((0.085, 0.33), (0.08, 0.01), (0.075, 0.33))
"""Radii [m] and conductivities [S/m] of scalp, skull and brain."""


def ball(level: int, semi: Any, inside: Any, name: str = "skin", centre: Any = (0.0, 0.0, 0.0)) -> Interface:
    """A sphere or ellipsoid of 20 x 4^level triangles."""
    part = shapes.ellipsoid(tuple(np.broadcast_to(semi, 3).tolist()), centre_m=centre, subdivisions=level).parts[0]
    return Interface(name, part.vertices, part.triangles, inside)


def shells(level: int) -> SurfaceBody:
    """Three thin shells."""
    return SurfaceBody(tuple(ball(level, r, s, f"{1e3 * r:g} mm") for r, s in SHELLS))


def sphere(device: Any) -> list[Row]:
    """A sphere in a uniform dB/dt of a potential that charges have to make right: inside, on the skin, order."""
    points, errors, rows = within(R), [], []
    for level, limit in ((2, None), (3, 0.01), (4, 0.0025)):
        found = Bem().solve(SurfaceBody((ball(level, R, 0.33),)), ALONG_Z, device=device, progress=False)
        errors.append(deviation(found.E(points)[0], exact.sphere_E(points, (0, 0, 1))))
        if limit:
            name = f"sphere, {20 * 4**level} triangles, uniform dB/dt"
            on = found.points_on_surface("skin")
            skin = deviation(found.E_on_surface("skin")[0], exact.sphere_E(on, (0, 0, 1)))
            rows += [
                at_most(name, "closed form", "largest relative error of E inside", errors[-1], limit),
                at_most(name, "closed form", "the same just inside the skin", skin, 1.5 * limit + 0.003),
            ]
    order = math.log2(errors[0] / errors[-1]) / 2
    return [
        *rows,
        at_least("sphere, 320 to 5120 triangles", "closed form", "order of convergence of E inside", 2.0, order, 1.8),
    ]


def layers(device: Any) -> list[Row]:
    """A sphere and three thin shells beside a magnetic dipole."""
    rows = []
    deep = np.arange(len(TABLE)) != 5  # a tenth of a triangle from a shell
    for name, body, limit in (
        ("sphere, 1280 triangles", SurfaceBody((ball(3, R, 0.33),)), 0.01),
        ("three shells 5 mm apart, 3840 triangles", shells(3), 0.02),
    ):
        E = Bem().solve(body, TABLE_DIPOLE, device=device, progress=False).E(TABLE[deep, :3])[0]
        error = deviation(E, TABLE[deep, 3:])
        rows.append(at_most(f"{name}, dipole", "closed form (table)", "largest relative error of E", error, limit))
    return rows


def thin_layers(device: Any) -> list[Row]:
    """Three thin shells beside a magnetic dipole, 15360 triangles, points close to a shell too."""
    E = Bem().solve(shells(4), TABLE_DIPOLE, device=device, progress=False).E(TABLE[:, :3])[0]
    name = "three shells 5 mm apart, 15360 triangles, dipole"
    error = deviation(E, TABLE[:, 3:])
    return [at_most(name, "closed form (table)", "largest relative error of E", error, 0.02)]


def bodies(device: Any) -> list[Row]:
    """A long rod and an ellipsoid in uniform dB/dt along two axes each."""
    rod = shapes.cylinder(0.05, 0.6, around=24).parts[0]
    semi = np.array([0.12, 0.08, 0.06])
    rows = []
    for name, body, points, E in (
        (
            "long rod",
            SurfaceBody((Interface("rod", rod.vertices, rod.triangles, 0.5),)),
            within((0.04, 0.04, 0.05)),
            exact.cylinder_E,
        ),
        (
            "ellipsoid, 1280 triangles",
            SurfaceBody((ball(3, semi, 0.5),)),
            within(semi),
            lambda p, b: exact.ellipsoid_E(p, tuple(semi), b),
        ),
    ):
        found = Bem().solve(body, [ALONG_Z, ALONG_X], device=device, progress=False).E(points)
        for axis, rate, field in (("z", (0, 0, 1), found[0]), ("x", (1, 0, 0), found[1])):
            quantity = f"largest relative error of E inside, dB/dt along {axis}"
            rows.append(at_most(name, "closed form", quantity, deviation(field, E(points, rate)), 0.01))
    return rows


def motions(device: Any) -> list[Row]:
    """Straight motion in a uniform field, and turning in it, two surfaces."""
    field, speed, rate = UniformField((0, 0, 1)), 1.0, (0.3, 0.5, 1.0)
    moved = [
        RigidMotion(field, velocity_m_s=(speed, 0, 0)),
        RigidMotion(field, turn_rad_s=rate, shift_m=(0.1, 0.2, 0.3), centre_m=(0.01, 0.02, 0.03)),
    ]
    body = SurfaceBody((ball(3, R, 0.33), ball(3, 0.06, 0.02, "core")))
    points = within(0.6 * R)
    E = Bem().solve(body, moved, device=device, progress=False).E(points)
    name, oracle = "ball in a ball, 2560 triangles", "identity of the motion"
    straight = float(np.abs(E[0]).max()) / (speed * 1.0)
    turned = deviation(E[1], exact.sphere_E(points, np.cross((0, 0, 1), rate)))
    return [
        at_most(name, oracle, "E of straight motion in a uniform field over vB", straight, 1e-6),
        at_most(name, oracle, "turning in a uniform field beside its rate of change", turned, 0.005),
    ]


def implants(device: Any) -> list[Row]:
    """A hole and a ball of metal in a conducting sphere: what an implant does to the field around it."""
    a, centre, sigma, rows = 5e-3, np.array([0.04, 0.0, 0.0]), 0.5, []
    rng = np.random.default_rng(3)
    u, r = rng.normal(size=(40, 3)), a * rng.uniform(1.15, 3, 40)
    points = centre + r[:, None] * u / np.linalg.norm(u, axis=1)[:, None]
    for name, inside in (("hole", 0.0), ("metal", 1e6)):
        body = SurfaceBody((ball(3, R, sigma), ball(3, a, inside, "implant", tuple(centre.tolist()))))
        found = Bem().solve(body, uniform((0, 0, 1)), device=device, progress=False)
        E = exact.inclusion_E(points, centre, a, inside, sigma, np.array((0.0, 0, 1))).real
        on = found.points_on_surface("implant")
        on = centre + (on - centre) * (1 + 1e-9) * a / np.linalg.norm(on - centre, axis=1)[:, None]
        skin = exact.inclusion_E(on, centre, a, inside, sigma, np.array((0.0, 0, 1))).real
        case = f"{name} of 10 mm in a sphere of 170 mm"
        rows += [
            at_most(
                case, "closed form", "largest relative error of E around it", deviation(found.E(points)[0], E), 0.015
            ),
            at_most(
                case,
                "closed form",
                "the same just outside its surface",
                deviation(found.E_on_surface("implant", "outside")[0], skin),
                0.02,
            ),
        ]
    return rows


def beside_voxels(device: Any) -> list[Row]:
    """A smooth head of two layers by surfaces and by voxels, which share the source alone, away from the surfaces."""
    h, sigma = 5e-3, (0.33, 0.06)
    semi = np.array([0.075, 0.095, 0.11])
    inner = semi - 0.02
    names = ("scalp", "brain")
    parts = tuple(ball(3, s, v, n) for n, s, v in zip(names, (semi, inner), sigma, strict=True))
    shape = tuple(2 * math.ceil(s / h + 1) for s in semi)
    grid = Grid(shape, (h, h, h), origin_m=tuple(-0.5 * h * n for n in shape))
    at = np.stack(np.meshgrid(*[grid.centres(a) for a in range(3)], indexing="ij"), axis=-1)
    labels = sum((np.linalg.norm(at / s, axis=-1) < 1).astype(np.uint8) for s in (semi, inner))
    phantom = Phantom(grid, labels, (tissue("air", 0.0), *(tissue(n, v) for n, v in zip(names, sigma, strict=True))))
    source = uniform()
    voxels = Quasistatic().solve(phantom, source, device=device, progress=False)
    p = voxels.points_m
    away = np.min([np.abs(np.linalg.norm(p / s, axis=1) - 1) * s.min() for s in (semi, inner)], axis=0) > 4 * h
    E = Bem().solve(SurfaceBody(parts), source, device=device, progress=False).E(p[away])[0]
    error = deviation(voxels.E[0][:, away], E.T)
    name = f"head of two layers, 2560 triangles, {1e3 * h:g} mm voxels"
    return [at_most(name, "Bem beside Quasistatic", "largest difference of E over its largest value", error, 0.03)]


CASES = {
    "induced sphere": sphere,
    "induced layers": layers,
    "induced thin layers": thin_layers,
    "induced bodies": bodies,
    "induced motions": motions,
    "induced implants": implants,
    "induced head": beside_voxels,
}
