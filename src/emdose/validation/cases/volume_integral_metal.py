"""Metal in the volume integral: a ball in a ball of gel beside its Mie series, an FDTD, answers of a region."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.constants import EPS_0
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
from emdose.validation.cases.rows import Row, at_most, compare
from emdose.validation.closed_forms import Sphere

FREQUENCY_HZ = 128e6
GEL = Tissue("gel", 1000.0, Constant(78.0, 0.47))
METAL_M, GEL_M = 0.015, 0.06
SHELLS_M = (0.01, 0.02, 0.035)
"""Outer bounds of shells around the metal [m]."""


def series() -> Sphere:
    """The ball of metal in the ball of gel, in a wave along +z with E along +x."""
    eps = 78.0 - 1j * 0.47 / (2 * np.pi * FREQUENCY_HZ * EPS_0)
    return Sphere([METAL_M, GEL_M], [complex(np.inf), eps], FREQUENCY_HZ)


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
    ball = series()
    expected, rows = shells_of_series(ball), []
    # As measured, with some room: the staircase of metal converges slowly.
    limits = {5e-3: (0.12, 0.12, 0.05, 0.05), 3.75e-3: (0.10, 0.10, 0.04, 0.05)}
    for h, (near, middle, far, power) in limits.items():
        exposure = Exposure(bodies.sphere(GEL_M, h, GEL), PlaneWave(), FREQUENCY_HZ, implants=[sphere(METAL_M)])
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
    body, wave = bodies.gel_box(0.01, (0.12, 0.08, 0.16), GEL), PlaneWave((0, 1, 0), (0, 0, 1))
    rod = box((0.018, 0.018, 0.078), centre_m=(0.01, 0.0, 0.0))
    exposure = Exposure(body, wave, FREQUENCY_HZ, implants=[rod])
    exact = Vie(tolerance=1e-6).solve(exposure, device=device)
    stepped = Fdtd().solve(exposure, device=device)
    library = ImplantLibrary.within(body, FREQUENCY_HZ, [(0.0, -0.01, -0.04), (0.02, 0.01, 0.04)], device=device)
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


CASES = {"metal ball": metal_ball, "metal rod": metal_rod}
