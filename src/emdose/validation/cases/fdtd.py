"""The FDTD solver against a series, the volume integral on the same lattice, and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.constants import MU_0
from emdose.dosimetry.leads.tangential import tangential_E
from emdose.models import bodies
from emdose.models.coils.ideal import Loop
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.implants import shapes
from emdose.models.leads import Lead
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.leads.lead_in_medium import lead_in_medium
from emdose.solvers.results.fields import Fields, PowerBalance
from emdose.solvers.subdomain.solver import Subdomain
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_materials import bounding_box, edge_mean
from emdose.solvers.yee_grid.metal.cut_cells import cut_cells
from emdose.validation.cases.volume_integral import complex_permittivity, edge_errors, gel
from emdose.validation.closed_forms import Sphere
from emdose.validation.rows import Row, at_most, compare
from emdose.values import owned


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


def metal(device: Any) -> list[Row]:
    """A ball of metal in a sphere of gel, cut cells of 4 mm within voxels of 5 mm: E^2 beside it against the series.

    The border of the gel is a staircase, and weighs the two parts of the field, even and odd through the middle, by
    numbers of its own; those of the run without metal weigh the series. What is compared is what the metal does.
    """
    frequency, big, r, cell = 128e6, 0.06, 0.015, 4e-3
    eps = complex_permittivity(80, 0.47, frequency)
    body, ball = bodies.layered_sphere((big,), [gel(80, 0.47, "gel 0")], 5e-3), shapes.sphere(r, "Ti6Al4V")
    without = Fdtd().solve(Exposure(body, PlaneWave(), frequency), device=device)
    weighed = _Weighed.by(without, Sphere([big], [eps], frequency), 0.04)
    solver = Fdtd(metal="cut", metal_cell_m=cell, metal_margin_m=20e-3)
    exposure = Exposure(body, PlaneWave(), frequency, implants=[ball])
    whole, near = solver.solve_near_metal(exposure, device=device)
    series = replace(weighed, sphere=Sphere([r, big], [math.inf, eps], frequency))
    open_ = cut_cells([ball], near.grid).edges
    name, rows = "FDTD, ball of 15 mm in gel, cut cells, 4 mm, 128 MHz", []
    for low, far, limit in ((0.0, 5e-3, 0.01), (5e-3, 10e-3, 0.01), (10e-3, 20e-3, 0.01)):
        expected, found = _beside(near, open_, series, r + low, r + far)
        what = f"mean of E^2, {1e3 * low:g} to {1e3 * far:g} mm outside [V^2/m^2]"
        rows.append(compare(name, "Mie series", what, expected, found, limit))
    closure = whole.power.power()["closure"]
    rest = at_most(name, "Mie series", "field without metal beside two weighed parts", weighed.residue, 0.01)
    return [*rows, rest, at_most(name, "energy conservation", "closure of the power balance", closure, 1e-3)]


@dataclass(frozen=True, eq=False)
class _Weighed:
    """The field of a series with weights of its parts that are even and odd through the middle."""

    sphere: Sphere
    even: complex
    odd: complex
    residue: float

    @classmethod
    def by(cls, fields: Fields, sphere: Sphere, within_m: float) -> _Weighed:
        """Weights that fit a field within a ball best, and what they leave of it."""
        columns, wanted = [], []
        for c in range(3):
            points = np.stack([np.broadcast_to(p, fields.grid.node_shape) for p in fields.grid.edge_points(c)], axis=-1)
            near = np.linalg.norm(points, axis=-1) < within_m
            columns.append(np.stack([part[:, c] for part in _parts(sphere, points[near])], axis=1))
            wanted.append(fields.E[0, c][near])
        A, b = np.concatenate(columns), np.concatenate(wanted)
        weights = np.linalg.lstsq(A, b, rcond=None)[0]
        residue = float(np.linalg.norm(A @ weights - b) / np.linalg.norm(b))
        return cls(sphere, complex(weights[0]), complex(weights[1]), residue)

    def fields(self, points: np.ndarray) -> tuple[np.ndarray]:
        """E at points (n, 3)."""
        even, odd = _parts(self.sphere, points)
        return (self.even * even + self.odd * odd,)


def _parts(sphere: Sphere, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E of a series at points, its even and its odd part."""
    here, there = sphere.fields(points)[0], sphere.fields(-points)[0]
    return 0.5 * (here + there), 0.5 * (here - there)


def implant(device: Any, radius_m: float = 0.015) -> list[Row]:
    """A ball of metal in gel on a grid of its own, cells of 3 and 2 mm: E^2 beside it against the series."""
    frequency, big, r = 128e6, 0.2, radius_m
    eps = complex_permittivity(80, 0.47, frequency)
    alone, series = Sphere([big], [eps], frequency), Sphere([r, big], [math.inf, eps], frequency)
    body, ball = bodies.layered_sphere((big,), [gel(80, 0.47, "gel 0")], 10e-3), shapes.sphere(r, "Ti6Al4V")
    exposure = Exposure(body, PlaneWave(), frequency, implants=[ball])
    given = series_fields(Vie(tolerance=1e-2).solve(Exposure(body, PlaneWave(), frequency), device=device), alone, 0.07)
    rows, found = [], {}
    for spacing in (3e-3, 2e-3):
        fields = Subdomain(spacing).solve(exposure, given, device=device)
        open_ = cut_cells([ball], fields.grid).edges
        found[spacing] = {far: _beside(fields, open_, series, r + far - 5e-3, r + far) for far in (5e-3, 10e-3)}
    name = f"implant, ball of {1e3 * r:g} mm in gel, cut cells, 2 mm, 128 MHz"
    for (far, (expected, result)), limit in zip(found[2e-3].items(), (0.05, 0.03), strict=True):
        what = f"mean of E^2, {1e3 * far - 5:g} to {1e3 * far:g} mm outside [V^2/m^2]"
        rows.append(compare(name, "Mie series", what, expected, result, limit))
    volumes = np.array([(r + far) ** 3 - (r + far - 5e-3) ** 3 for far in found[2e-3]])
    expected, result = (float(volumes @ [pair[n] for pair in found[2e-3].values()]) for n in (0, 1))
    rows.append(compare(name, "Mie series", "power absorbed within 10 mm, any unit", expected, result, 0.02))
    worst = [max(abs(b / a - 1) for a, b in found[h].values()) for h in (3e-3, 2e-3)]
    return [*rows, at_most(name, "cells of 3 mm", "largest of these errors over theirs", worst[1] / worst[0], 1.0)]


def rod(device: Any) -> list[Row]:
    """A rod of 1/8 inch by 10 cm in gel, 1 W/kg of background along it: the current in its middle, from H around it."""
    frequency, moment_A = 63.87e6, 120.1e-3 + 21.6e-3j
    exposure, given = rod_in_gel(frequency, gel(80, 0.47, "gel 0"))
    fields = Subdomain(1.3e-3).solve(exposure, given, device=device)
    x, y = fields.B[0, 0] / MU_0, fields.B[0, 1] / MU_0
    low, high = bounding_box(~np.asarray(fields.body))
    i, j, k = (slice(low[0], high[0] + 1), slice(low[1], high[1] + 1), (low[2] + high[2]) // 2)
    around = y[high[0], j, k].sum() - y[low[0] - 1, j, k].sum() - x[i, high[1], k].sum() + x[i, low[1] - 1, k].sum()
    current = complex(around) * fields.grid.spacing_m[0]
    name, oracle = "implant, rod of 3.2 mm by 10 cm in gel, cut cells, 1.3 mm, 64 MHz", "moment method, thin wire"
    error = abs(current / moment_A - 1)
    return [
        compare(name, oracle, "abs(current in the middle) [A]", abs(moment_A), abs(current), 0.05),
        at_most(name, oracle, "complex error of that current", error, 0.05),
    ]


def rod_in_gel(frequency_Hz: float, matter: Any) -> tuple[Exposure, Fields]:
    """The titanium rod of ASTM F2182 in a box of gel, and 65.2 V/m along it: 1 W/kg of background in 0.47 S/m.

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    matter : Tissue
        The gel.
    """
    box = bodies.gel_box(8e-3, (0.16, 0.16, 0.26))
    body = replace(box, labels=owned(np.ones_like(box.labels)), tissues=(box.tissues[0], matter))
    rod = shapes.cylinder(1.5875e-3, 0.1, "Ti6Al4V")
    E = np.zeros((1, 3, *body.grid.node_shape), complex)
    E[0, 2, :, :, :-1] = 65.2
    none, one = np.zeros((1, 1), complex), np.ones(1)
    given = Fields(
        grid=body.grid,
        frequency_Hz=frequency_Hz,
        E=owned(E),
        B=owned(np.zeros_like(E)),
        body=np.asarray(body.body, bool),
        body_mass_kg=body.mass_kg,
        power=PowerBalance(none, none, none),
        ports=("E along z",),
        drives={"E along z": one},
        drive_unit="V/m",
        residual=0 * one,
    )
    return Exposure(body, PlaneWave(), frequency_Hz, implants=[rod]), given


def series_fields(fields: Fields, sphere: Sphere, within_m: float) -> Fields:
    """Fields with E and B of a series in their places within a cube around the middle, zero outside."""
    grid, found = fields.grid, []
    for n, place in enumerate((grid.edge_points, grid.face_points)):
        values = np.zeros(fields.E.shape, complex)
        for c in range(3):
            points = np.stack([np.broadcast_to(p, grid.node_shape) for p in place(c)], axis=-1)
            near = np.abs(points).max(axis=-1) < within_m
            values[0, c][near] = sphere.fields(points[near])[n][:, c]
        found.append(owned(values))
    return replace(fields, E=found[0], B=found[1])


def _beside(fields: Fields, open_: np.ndarray, series: Any, low_m: float, high_m: float) -> tuple[float, float]:
    """Mean of E^2 over the open shares of edges in a shell: by the series and as computed."""
    expected, found = 0.0, 0.0
    for c in range(3):
        points = np.stack([np.broadcast_to(p, fields.grid.node_shape) for p in fields.grid.edge_points(c)], axis=-1)
        radius = np.linalg.norm(points, axis=-1)
        shell = (radius > low_m) & (radius < high_m)
        share = open_[c][shell]
        found += float(np.sum(np.abs(fields.E[0, c][shell]) ** 2) / share.sum())
        expected += float(np.sum(share * np.abs(series.fields(points[shell])[0][:, c]) ** 2) / share.sum())
    return expected, found


CASES = {
    "fdtd sphere": sphere,
    "fdtd loop": loop,
    "fdtd lead": lead,
    "fdtd metal": metal,
    "implant": implant,
    "implant rod": rod,
}
