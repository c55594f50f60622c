"""The FDTD solver against the volume integral, series, and itself on other grids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0, EPS_0
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage, Coil, Loop, LoopArray
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.fdtd.setup import problem as fdtd_problem
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.vie import problem as vie_problem
from emdose.solvers.vie.solver import Vie
from emdose.solvers.yee_grid.edge_currents import EdgeCurrents, deposit
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.solvers.yee_grid.green_convolution import Convolution
from emdose.validation.cases.volume_integral import LIMITS, complex_permittivity, edge_errors, gel
from emdose.validation.closed_forms import Sphere

H, PAD = 0.01, 4


def body_and_source(element: bool):
    """A sphere of two layers and, two cells from it, a current element on one edge or a square loop of edges."""
    body = bodies.layered_sphere((0.06, 0.08), (gel(60, 0.7, "a"), gel(20, 0.2, "b")), H).pad(PAD)
    g, m, i = body.grid, body.grid.shape[0] // 2, PAD - 2
    x, y, z = (g.nodes(a) for a in range(3))
    corners = np.array([[x[i], y[m + a], z[m + b]] for a, b in ((-2, -2), (2, -2), (2, 2), (-2, 2))])
    coil = Coil("square", np.stack([corners, np.roll(corners, -1, 0)], 1), np.ones((1, 4)), ("a",), {"unit": [1]})
    if element:
        return body, coil, EdgeCurrents(np.array([[2, i, m, m]]), np.ones((1, 1), complex))
    return body, coil, deposit(coil.segments, coil.currents, RectilinearGrid.from_grid(g))


def by_volume_integral(body, coil, currents, f, monkeypatch):
    """The volume integral with the source's field on the lattice, exact in time and without walls."""
    be, g = backend.get("cpu"), body.grid
    J = np.zeros((1, 3, *g.node_shape), complex)
    for (c, i, j, k), w in zip(currents.edges, currents.weights[0], strict=True):
        J[0, c, i, j, k] = w / H**2
    green = Convolution(g.node_shape, g.node_shape, (0, 0, 0), H, 2 * math.pi * f / C_0, be, np.complex128)
    incident = green.scattered(J) / (2j * math.pi * f * EPS_0)
    monkeypatch.setattr(vie_problem, "incident_E", lambda *a: incident.copy())
    return Vie(tolerance=1e-7, dtype="complex128").solve(Exposure(body, coil, f), device="cpu")


def by_time_steps(body, coil, currents, f, monkeypatch, **options: Any):
    """The FDTD with the source on the same edges."""

    def same_edges(segments, weights, grid):
        low = [int(np.abs(grid.nodes(a) - body.grid.origin_m[a]).argmin()) for a in range(3)]
        return EdgeCurrents(currents.edges + np.array([0, *low]), currents.weights)

    monkeypatch.setattr(fdtd_problem, "deposit", same_edges)
    return Fdtd(**options).solve(Exposure(body, coil, f), device="cpu")


def difference(a, b, body):
    """Relative L2 difference of E on the edges of tissue."""
    inside = edge_mean(body.body.astype(float), 0.0) > 0
    return np.linalg.norm((a.E[0] - b.E[0])[inside]) / np.linalg.norm(b.E[0][inside])


@pytest.mark.parametrize("frequency", [pytest.param(64e6, marks=pytest.mark.slow), 128e6, 297e6])
def test_one_current_element_with_the_volume_integral(frequency, monkeypatch):
    # Oracle: the volume integral on the same lattice: the same equations with exact radiation and no time step.
    body, coil, currents = body_and_source(element=True)
    exact = by_volume_integral(body, coil, currents, frequency, monkeypatch)
    found = by_time_steps(body, coil, currents, frequency, monkeypatch, tolerance=1e-4)
    assert difference(found, exact, body) < 1e-3
    assert found.power.absorbed_W[0, 0].real == pytest.approx(exact.power.absorbed_W[0, 0].real, rel=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("frequency", [64e6, 128e6])
def test_absorber_and_time_step_are_what_differs(frequency, monkeypatch):
    # Oracle: the volume integral. With a uniform grid and a better absorber the difference falls to what its Green's
    # function leaves, (k h)^2 / 8 (it is exact on the lattice in its static part alone).
    body, coil, currents = body_and_source(element=True)
    exact = by_volume_integral(body, coil, currents, frequency, monkeypatch)
    common = {"tolerance": 1e-5, "dtype": "float64", "coarsest_m": H}
    errors = [
        difference(by_time_steps(body, coil, currents, frequency, monkeypatch, **common, **options), exact, body)
        for options in ({"margin_m": 0.03, "cpml_cells": 4}, {"margin_m": 0.03, "cpml_cells": 6}, {"margin_m": 0.06})
    ]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.15 * (2 * math.pi * frequency / C_0 * H) ** 2


@pytest.mark.slow
def test_the_time_step_term_is_of_second_order():
    # Oracle: the error of the trapezium rule in time, proportional to the square of the step.
    body = bodies.sphere(0.05, H, gel())
    E = [
        Fdtd(courant=c, dtype="float64", tolerance=1e-5).solve(Exposure(body, PlaneWave(), 298e6), device="cpu").E[0]
        for c in (0.9, 0.45, 0.225)
    ]
    first, second = np.linalg.norm(E[0] - E[1]), np.linalg.norm(E[1] - E[2])
    assert first < 1e-3 * np.linalg.norm(E[0])
    assert 3 < first / second < 6


@pytest.mark.slow
def test_a_loop_of_edges_with_the_volume_integral(monkeypatch):
    # Oracle: as above, with a closed current that the solver puts on the edges itself.
    body, coil, currents = body_and_source(element=False)
    exact = by_volume_integral(body, coil, currents, 128e6, monkeypatch)
    found = Fdtd(tolerance=1e-4).solve(Exposure(body, coil, 128e6), device="cpu")
    assert difference(found, exact, body) < 1e-3
    assert found.power.power()["closure"] < 1e-3


def test_coils_off_the_grid_with_the_volume_integral():
    # Oracle: the volume integral with the field of the filaments themselves; a cell of 1 cm is the difference.
    body = bodies.sphere(0.06, H, gel())
    coil = Birdcage(rungs=8, radius_m=0.105, length_m=0.14)
    a, b = (s.solve(Exposure(body, coil, 298e6), device="cpu").drive("quadrature") for s in (Fdtd(), Vie()))
    assert difference(a, b, body) < 5e-3
    middle = tuple(n // 2 for n in a.grid.shape)
    assert abs(a.b1plus()[(0, *middle)] / b.b1plus()[(0, *middle)]) == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("frequency", [pytest.param(128e6, marks=pytest.mark.slow), 298e6])
def test_oblique_circular_waves_with_the_volume_integral(frequency):
    # Oracle: the volume integral, E in the body and B everywhere, for a complex polarisation.
    body = bodies.sphere(0.08, H, gel())
    wave = PlaneWave((1, 2, 0.5), tuple(np.cross((1, 2, 0.5), (1, 0, 1j))), amplitude_V_m=3.0)
    found = Fdtd(tolerance=1e-4).solve(Exposure(body, wave, frequency), device="cpu")
    exact = Vie(tolerance=1e-6, dtype="complex128").solve(Exposure(body, wave, frequency), device="cpu")
    assert difference(found, exact, body) < 1e-3
    n = slice(0, -1)
    assert np.linalg.norm((found.B - exact.B)[..., n, n, n]) < 1e-3 * np.linalg.norm(exact.B[..., n, n, n])
    powers = [f.power.power() for f in (found, exact)]
    assert powers[0]["closure"] < 1e-3
    for name in ("absorbed_W", "scattered_W"):
        assert powers[0][name] == pytest.approx(powers[1][name], rel=5e-3)


def mie(frequency, h):
    body = bodies.layered_sphere((0.1,), [gel(50, 0.6, "gel 0")], h)
    fields = Fdtd().solve(Exposure(body, PlaneWave(), frequency), device="cpu")
    return fields, Sphere([0.1], [complex_permittivity(50, 0.6, frequency)], frequency)


@pytest.mark.slow
@pytest.mark.parametrize("frequency", list(LIMITS))
def test_mie_sphere_with_the_limits_of_the_volume_integral(frequency):
    # Oracle: Mie series; the same limits as for the volume integral at 5 mm.
    fields, sphere = mie(frequency, 5e-3)
    error, (core, everywhere, absorbed) = edge_errors(fields, sphere), LIMITS[frequency]
    assert error["core"] < core
    assert error["all"] < everywhere
    assert abs(fields.power.power()["absorbed_W"] / sphere.power()["absorption"] - 1) < absorbed


def test_mie_sphere_at_10_mm():
    # Oracle: Mie series; at twice the cell twice the limits of 5 mm.
    fields, sphere = mie(128e6, 1e-2)
    error, (core, everywhere, absorbed) = edge_errors(fields, sphere), LIMITS[128e6]
    assert error["core"] < 2 * core
    assert error["all"] < 2 * everywhere
    assert abs(fields.power.power()["absorbed_W"] / sphere.power()["absorption"] - 1) < 2 * absorbed


@pytest.mark.slow
def test_near_walls_do_not_matter():
    # Oracle: the same with the walls 20 cm farther out: evanescent near fields at 64 MHz, walls 5 cm from the body.
    body = bodies.sphere(0.06, H, gel()).pad(2)
    coil = Loop(0.05, centre_m=(0.0, 0.0, 0.075))
    near, far = (Fdtd(margin_m=m, tolerance=1e-4).solve(Exposure(body, coil, 64e6), device="cpu") for m in (0.03, 0.23))
    low, high = near.provenance["grid"]["bounds_m"]
    assert max(*np.abs(low), *np.abs(high)) <= 0.06 + 0.05 + 10 * 0.013
    assert difference(near, far, body) < 5e-3


@pytest.mark.slow
def test_graded_air_against_uniform_air():
    # Oracle: the uniform grid.
    body = bodies.sphere(0.06, H, gel()).pad(1)
    exposure = Exposure(body, Loop(0.05, centre_m=(0.0, 0.0, 0.09)), 128e6)
    graded, uniform = (Fdtd(margin_m=0.12, **o).solve(exposure, device="cpu") for o in ({}, {"coarsest_m": H}))
    cells = [f.convergence["cells"] for f in (graded, uniform)]
    assert cells[0] < 0.75 * cells[1]
    assert difference(graded, uniform, body) < 2e-3
    assert graded.power.power()["closure"] < 1e-3


def test_reciprocity_and_closure_of_several_ports():
    # Oracle: for real currents in a reciprocal body the matrix of delivered power is real; energy is conserved.
    body = bodies.layered_sphere((0.03, 0.05), (gel(60, 0.7, "a"), gel(20, 0.2, "b")), H).translate((0.01, 0, 0.02))
    coil = LoopArray(2, radius_m=0.08, length_m=0.08)
    fields = Fdtd(tolerance=1e-4).solve(Exposure(body, coil, 298e6), device="cpu")
    work = fields.power.extinction_W
    assert np.abs(work.imag).max() < 1e-3 * np.abs(work).max()
    rng = np.random.default_rng(2)
    for _ in range(3):
        power = fields.drive(rng.normal(size=2) + 1j * rng.normal(size=2)).power.power()
        assert power["closure"] < 1e-3
        assert min(power["absorbed_W"], power["scattered_W"]) > 0


def test_metal_walls_keep_the_power_in():
    # Oracle: energy: within metal all that the loop delivers is absorbed.
    body = bodies.sphere(0.06, H, gel()).pad(1)
    solver = Fdtd(walls="pec", margin_m=0.08, tolerance=1e-4)
    power = solver.solve(Exposure(body, Loop(0.05, centre_m=(0.0, 0.0, 0.09)), 128e6), device="cpu").power.power()
    assert power["scattered_W"] == 0
    assert power["closure"] < 2e-3


@pytest.mark.slow
def test_double_precision():
    # Oracle: the same run in the other precision.
    body = bodies.sphere(0.06, H, gel())
    single, double = (
        Fdtd(dtype=d).solve(Exposure(body, PlaneWave(), 298e6), device="cpu") for d in ("float32", "float64")
    )
    assert double.E.dtype == np.complex128
    assert 0 < difference(single, double, body) < 1e-5
