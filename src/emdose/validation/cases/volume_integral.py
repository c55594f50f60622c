"""The volume integral against Mie and Bessel series, energy, its own lattice, and with metal in the body."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.constants import C_0, EPS_0
from emdose.dosimetry.near_metal import sar_near_metal
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.implants import box, sphere
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.results.fields import Fields
from emdose.solvers.vie.library.implant_library import ImplantLibrary
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean, metal_edges
from emdose.solvers.yee_grid.green_convolution import green_function
from emdose.validation.closed_forms import Cylinder, Sphere
from emdose.validation.rows import Row, at_least, at_most, compare

LIMITS = {128e6: (0.025, 0.045, 0.03), 298e6: (0.045, 0.055, 0.075)}
"""Largest error of E (core, all) and of the absorbed power at 5 mm, by frequency."""


def gel(permittivity: float = 50.0, conductivity: float = 0.6, name: str = "gel") -> Tissue:
    """A tissue with constant properties."""
    return Tissue(name=name, density_kg_m3=1000.0, dielectric=Constant(permittivity, conductivity))


def complex_permittivity(permittivity: float, conductivity: float, frequency_Hz: float) -> complex:
    """eps_r - j sigma / (w eps0)."""
    return permittivity - 1j * conductivity / (2 * math.pi * frequency_Hz * EPS_0)


def edge_errors(fields: Fields, sphere: Sphere) -> dict[str, float]:
    """Relative L2 error of E against a Mie series.

    Parameters
    ----------
    fields : Fields
        Fields of a sphere at the isocentre in a wave along +z with E along +x.
    sphere : Sphere
        The series.

    Returns
    -------
    dict
        "core": edges in the sphere more than 1.5 voxels away from every interface; "all": edges whose four voxels are
        all tissue.
    """
    grid, radii = fields.grid, np.asarray(sphere.radii_m)
    share = edge_mean(fields.body.astype(float), 0.0)
    wrong, size = {"core": 0.0, "all": 0.0}, {"core": 0.0, "all": 0.0}
    for c in range(3):
        points = np.stack([np.broadcast_to(p, grid.node_shape) for p in grid.edge_points(c)], axis=-1)
        r = np.linalg.norm(points, axis=-1)
        core = (r < radii[-1]) & (np.abs(r[..., None] - radii).min(-1) > 1.5 * grid.spacing_m[0])
        inside = core | (share[c] == 1)
        expected = np.zeros(grid.node_shape, complex)
        expected[inside] = sphere.fields(points[inside])[0][:, c]
        for name, mask in (("core", core), ("all", share[c] == 1)):
            wrong[name] += float(np.sum(np.abs(fields.E[0, c][mask] - expected[mask]) ** 2))
            size[name] += float(np.sum(np.abs(expected[mask]) ** 2))
    return {name: math.sqrt(wrong[name] / size[name]) for name in wrong}


def solve_sphere(
    frequency_Hz: float,
    spacing_m: float,
    device: Any = "auto",
    radii_m: tuple[float, ...] = (0.1,),
    media: tuple[tuple[float, float], ...] = ((50.0, 0.6),),
    **options: Any,
) -> tuple[Fields, Sphere]:
    """A (layered) sphere in a plane wave along +z with E along +x: fields and series.

    Parameters
    ----------
    frequency_Hz, spacing_m : float
        Frequency [Hz] and voxel size [m].
    device : {"auto", "cpu", "cuda"} or Backend
        Where.
    radii_m : tuple of float
        Outer radii of the layers [m].
    media : tuple of (float, float)
        Relative permittivity and conductivity [S/m] of the layers.
    **options
        Of :class:`emdose.solvers.vie.solver.Vie`.
    """
    tissues = [gel(*medium, name=f"gel {i}") for i, medium in enumerate(media)]
    body = bodies.layered_sphere(radii_m, tissues, spacing_m)
    fields = Vie(**options).solve(Exposure(body, PlaneWave(), frequency_Hz), device=device)
    return fields, Sphere(radii_m, [complex_permittivity(*m, frequency_Hz) for m in media], frequency_Hz)


def mie(device: Any) -> list[Row]:
    """Homogeneous sphere of 10 cm radius at 5 mm, two frequencies."""
    rows = []
    for frequency, (core, everywhere, power) in LIMITS.items():
        fields, sphere = solve_sphere(frequency, 5e-3, device)
        error, balance = edge_errors(fields, sphere), fields.power.power()
        name, oracle = f"Mie sphere, 5 mm, {frequency / 1e6:g} MHz", "Mie series"
        rows += [
            at_most(name, oracle, "relative L2 of E, core", error["core"], core),
            at_most(name, oracle, "relative L2 of E, all", error["all"], everywhere),
            compare(name, oracle, "absorbed power [W]", sphere.power()["absorption"], balance["absorbed_W"], power),
            at_most(name, "energy conservation", "closure of the power balance", balance["closure"], 2e-3),
        ]
    return rows


def low_frequency(device: Any) -> list[Row]:
    """The same sphere at 10 mm where closed currents decide, and a residual of 1e-4 says nothing."""
    rows = []
    for frequency in (1e3, 128e3):
        fields, sphere = solve_sphere(frequency, 10e-3, device)
        name, oracle = f"Mie sphere, 10 mm, {frequency / 1e3:g} kHz", "Mie series"
        absorbed, error = fields.power.power()["absorbed_W"], edge_errors(fields, sphere)
        estimate = float(fields.convergence["E_error_estimate"][0])
        rows += [
            at_most(name, oracle, "relative L2 of E, core", error["core"], 0.05),
            compare(name, oracle, "absorbed power [W]", sphere.power()["absorption"], absorbed, 0.08),
            at_most(name, "the error of E that was asked for", "estimated error of E by the iteration", estimate, 0.02),
        ]
    return rows


def convergence(device: Any) -> list[Row]:
    """Order of the error of E when the spacing halves."""
    errors = [edge_errors(*solve_sphere(298e6, h, device))["core"] for h in (10e-3, 5e-3)]
    order = math.log2(errors[0] / errors[1])
    return [at_least("Mie sphere, 10 to 5 mm, 298 MHz", "Mie series", "order of convergence of E", 1.0, order, 0.9)]


def layered(device: Any) -> list[Row]:
    """Three layers: brain, bone, skin like media."""
    radii, media = (0.06, 0.08, 0.1), ((60.0, 0.6), (15.0, 0.07), (60.0, 0.6))
    fields, sphere = solve_sphere(128e6, 5e-3, device, radii, media)
    error, name = edge_errors(fields, sphere), "layered sphere, 5 mm, 128 MHz"
    return [
        at_most(name, "Mie series", "relative L2 of E, core", error["core"], 0.08),
        compare(
            name,
            "Mie series",
            "absorbed power [W]",
            sphere.power()["absorption"],
            fields.power.power()["absorbed_W"],
            0.06,
        ),
    ]


def cylinder(device: Any) -> list[Row]:
    """A long cylinder with E across it, in its middle plane against the infinite one.

    With E along it a finite rod is a resonant antenna whatever its length, and no oracle for the infinite cylinder.
    """
    frequency, radius, h = 298e6, 0.03, 3e-3
    body = bodies.cylinder(radius, 0.24, h, gel())
    fields = Vie().solve(Exposure(body, PlaneWave((1, 0, 0), (0, 1, 0)), frequency), device=device)
    grid, oracle = fields.grid, Cylinder(radius, complex_permittivity(50, 0.6, frequency), frequency, axial=False)
    x, y = np.meshgrid(grid.centres(0), grid.centres(1), indexing="ij")
    inside = np.hypot(x, y) < radius - 1.5 * h
    E, expected = fields.E_centre()[0][:, :, :, grid.shape[2] // 2], oracle.electric_field(x, y)
    error = float(np.linalg.norm((E - expected)[:, inside]) / np.linalg.norm(expected[:, inside]))
    name = "cylinder, E across, 3 mm, 298 MHz"
    return [at_most(name, "Bessel series", "relative L2 of E in the middle plane", error, 0.06)]


def lattice(device: Any) -> list[Row]:
    """(Laplacian + k^2) S = -delta on the lattice."""
    be = backend.get(device)
    n = 28
    rows = []
    for frequency, h in ((128e6, 5e-3), (298e6, 5e-3), (298e6, 2e-3)):
        k = 2 * math.pi * frequency / C_0
        S = be.to_numpy(green_function((be.xp.arange(n),) * 3, h, k, be)) / h**2
        S = np.pad(S, [(1, 0)] * 3, mode="reflect")
        left = -(6 - (k * h) ** 2) * S[1:-1, 1:-1, 1:-1]
        for a in range(3):
            left += np.moveaxis(np.moveaxis(S, a, 0)[2:] + np.moveaxis(S, a, 0)[:-2], 0, a)[
                tuple(slice(None) if b == a else slice(1, -1) for b in range(3))
            ]
        left[0, 0, 0] += 1
        name = f"lattice, {1e3 * h:g} mm, {frequency / 1e6:g} MHz"
        quantity = "largest residual of (Laplacian + k^2) S + delta"
        rows.append(at_most(name, "definition of S", quantity, float(np.abs(left).max()), 1e-4))
    return rows


METAL_HZ = 128e6
METAL_GEL = Tissue("gel", 1000.0, Constant(78.0, 0.47))
METAL_M, GEL_M = 0.015, 0.06
SHELLS_M = (0.01, 0.02, 0.035)
"""Outer bounds of shells around the metal [m]."""


def metal_series() -> Sphere:
    """The ball of metal in the ball of gel, in a wave along +z with E along +x."""
    eps = 78.0 - 1j * 0.47 / (2 * np.pi * METAL_HZ * EPS_0)
    return Sphere([METAL_M, GEL_M], [complex(np.inf), eps], METAL_HZ)


def shells_of_series(ball: Sphere, samples: int = 8000) -> np.ndarray:
    """Mean SAR of the series in the shells of :data:`SHELLS_M` [W/kg]."""
    rng, out, low = np.random.default_rng(0), [], METAL_M
    for high in METAL_M + np.asarray(SHELLS_M):
        direction = rng.normal(size=(samples, 3))
        direction /= np.linalg.norm(direction, axis=1)[:, None]
        r = (low**3 + (high**3 - low**3) * rng.random(samples)) ** (1 / 3)
        E = ball.fields(direction * r[:, None])[0]
        out.append(0.5 * 0.47 / 1000.0 * float((np.abs(E) ** 2).sum(axis=1).mean()))
        low = float(high)
    return np.array(out)


def metal_ball(device: Any) -> list[Row]:
    """A ball of metal of 15 mm in gel, on voxels of 5 and 3.75 mm."""
    ball = metal_series()
    expected, rows = shells_of_series(ball), []
    # As measured, with some room: the staircase of metal converges slowly.
    limits = {5e-3: (0.12, 0.12, 0.05, 0.05), 3.75e-3: (0.10, 0.10, 0.04, 0.05)}
    for h, (near, middle, far, power) in limits.items():
        exposure = Exposure(bodies.sphere(GEL_M, h, METAL_GEL), PlaneWave(), METAL_HZ, implants=[sphere(METAL_M)])
        fields = Vie().solve(exposure, device=device)
        found, balance = sar_near_metal(fields, exposure.tissue, SHELLS_M).sar_W_kg, fields.power.power()
        name, oracle = f"metal ball in gel, {1e3 * h:g} mm, 128 MHz", "Mie series"
        for i, (what, limit) in enumerate(
            zip(("0 to 10 mm", "10 to 20 mm", "20 to 35 mm"), (near, middle, far), strict=True)
        ):
            quantity = f"mean SAR {what} from metal [W/kg]"
            rows.append(compare(name, oracle, quantity, float(expected[i]), float(found[i]), limit))
        absorbed = ball.power()["absorption"]
        rows.append(compare(name, oracle, "absorbed power [W]", absorbed, balance["absorbed_W"], power))
        closure = "closure of the power balance"
        rows.append(at_most(name, "energy conservation", closure, balance["closure"], 1e-3))
    return rows


def metal_rod(device: Any) -> list[Row]:
    """A rod of metal in a box of gel: the FDTD of the same grid, and the answers of a region."""
    body, wave = bodies.gel_box(0.01, (0.12, 0.08, 0.16), METAL_GEL), PlaneWave((0, 1, 0), (0, 0, 1))
    rod = box((0.018, 0.018, 0.078), centre_m=(0.01, 0.0, 0.0))
    exposure = Exposure(body, wave, METAL_HZ, implants=[rod])
    exact = Vie(tolerance=1e-6).solve(exposure, device=device)
    stepped = Fdtd(metal="cells").solve(exposure, device=device)
    library = ImplantLibrary.within(body, METAL_HZ, [(0.0, -0.01, -0.04), (0.02, 0.01, 0.04)], device=device)
    found = library.solve(exposure, device=device)
    name = "metal rod in gel, 10 mm, 128 MHz"
    return [
        at_most(name, "Fdtd on the same grid", "relative L2 of E in tissue", _apart(exact, stepped, exposure), 1e-3),
        at_most(name, "Vie", "relative L2 of E by the library", _apart(found, exact, exposure), 1e-4),
        at_most(name, "the equations", "residual by the library", float(found.residual.max()), 1e-4),
    ]


def _apart(one: Fields, other: Fields, exposure: Exposure) -> float:
    assert exposure.implanted is not None
    tissue = (edge_mean(other.body.astype(float), 0.0) > 0) & ~metal_edges(exposure.implanted.metal)
    return float(np.linalg.norm((one.E - other.E)[:, tissue]) / np.linalg.norm(other.E[:, tissue]))


CASES = {
    "mie": mie,
    "low frequency": low_frequency,
    "convergence": convergence,
    "layered sphere": layered,
    "cylinder": cylinder,
    "lattice": lattice,
    "metal ball": metal_ball,
    "metal rod": metal_rod,
}
