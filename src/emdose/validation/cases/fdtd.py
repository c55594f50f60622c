"""The FDTD solver against a series, the volume integral on the same lattice, and energy."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.dosimetry.leads.tangential import tangential_E
from emdose.models import bodies
from emdose.models.coils.ideal import Loop
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.leads import Lead
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.leads.lead_in_medium import lead_in_medium
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.validation.cases.rows import Row, at_most, compare
from emdose.validation.cases.volume_integral import complex_permittivity, edge_errors, gel
from emdose.validation.closed_forms import Sphere


def sphere(device: Any) -> list[Row]:
    """A sphere of 10 cm in a plane wave, 10 mm: series, volume integral and power balance."""
    rows = []
    body = bodies.layered_sphere((0.1,), [gel(50, 0.6, "gel 0")], 10e-3)
    for frequency, (core, power) in {128e6: (0.05, 0.06), 298e6: (0.10, 0.18)}.items():
        exposure = Exposure(body, PlaneWave(), frequency)
        fields = Fdtd(tolerance=1e-4).solve(exposure, device=device)
        oracle = Sphere([0.1], [complex_permittivity(50, 0.6, frequency)], frequency)
        balance, name = fields.power.power(), f"FDTD, sphere, 10 mm, {frequency / 1e6:g} MHz"
        error = edge_errors(fields, oracle)["core"]
        rows += [
            at_most(name, "Mie series", "relative L2 of E, core", error, core),
            compare(
                name, "Mie series", "absorbed power [W]", oracle.power()["absorption"], balance["absorbed_W"], power
            ),
            at_most(name, "energy conservation", "closure of the power balance", balance["closure"], 1e-3),
        ]
        lattice = Vie(tolerance=1e-5).solve(exposure, device=device)
        inside = edge_mean(body.body.astype(float), 0.0) > 0
        difference = np.linalg.norm((fields.E - lattice.E)[0][inside]) / np.linalg.norm(lattice.E[0][inside])
        rows.append(at_most(name, "volume integral", "relative L2 of E in the body", float(difference), 1e-3))
    return rows


def loop(device: Any) -> list[Row]:
    """A loop over a sphere: power that the current delivers, absorbed and radiated."""
    body = bodies.sphere(0.06, 10e-3, gel())
    exposure = Exposure(body, Loop(0.05, centre_m=(0.0, 0.0, 0.08)), 298e6)
    balance = Fdtd().solve(exposure, device=device).power.power()
    return [
        at_most(
            "FDTD, loop, 10 mm, 298 MHz",
            "energy conservation",
            "closure of the power balance",
            balance["closure"],
            1e-3,
        )
    ]


def lead(device: Any) -> list[Row]:
    """An insulated lead in gel: balance of power, and its current beside the moment method."""
    f, body = 127.74e6, bodies.gel_box(10e-3, (0.24, 0.24, 0.32), gel(80, 0.47))
    wire = Lead(np.array([[0.002, 0.003, -0.08], [0.01, 0.003, 0.08]]), 0.5e-3, 0.75e-3, 3.0, bare_tip_m=20e-3)
    wave = PlaneWave((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    without, fields = (Fdtd().solve(Exposure(body, wave, f, leads=some), device=device) for some in ((), (wire,)))
    along = tangential_E(without, wire)
    expected = lead_in_medium(wire, f, 80, 0.47).along(along.distance_m, along.E)
    name, found = "FDTD, lead in gel, 10 mm, 128 MHz", fields.lead_currents["lead"]
    closure = fields.power.power()["closure"]
    beside, current = (float(abs(x.at(0.08)[0])) for x in (expected, found))
    return [
        at_most(name, "energy conservation", "closure of the power balance", closure, 1e-3),
        compare(name, "moment method in endless gel", "current in the middle [A per V/m]", beside, current, 0.10),
    ]


CASES = {"fdtd sphere": sphere, "fdtd loop": loop, "fdtd lead": lead}
