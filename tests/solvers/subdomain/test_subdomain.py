"""Subdomains. Oracles: the full grid of the same cells, continuity, closed forms of spectra and eigenvalues, energy."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.errors import InputError
from emdose.models.bodies import gel_box, layered_sphere
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.models.implants import shapes
from emdose.solvers.fdtd.setup.pulse import Pulse
from emdose.solvers.subdomain.interpolation import electric, magnetic
from emdose.solvers.subdomain.pulses import quarter
from emdose.solvers.yee_engine import CurrentSource, Engine, Gaussian, YeeProblem, materials_from_voxels
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.uncertainty import refined_peaks
from emdose.validation.cases.volume_integral import gel

F = 128e6
BODY = layered_sphere((0.04,), [gel(78, 0.47)], 5e-3)
ROD = shapes.box((10e-3, 10e-3, 30e-3), "Ti6Al4V").moved((0.005, 0.0, -0.005))
LOOP = em.Loop(0.04, centre_m=(0, 0, 0.06))
EXPOSURE = em.Exposure(BODY, LOOP, F, implants=[ROD])


@cache
def incident() -> em.Fields:
    return em.Vie(tolerance=1e-5).solve(em.Exposure(BODY, LOOP, F))


@cache
def near() -> em.Fields:
    return em.Subdomain(5e-3, margin_m=0.015).solve(EXPOSURE, incident())


def test_subdomain_equals_the_full_grid_of_its_cells() -> None:
    # Reached: 8e-4 of E; without the metal E differs by a fifth.
    full, part = em.Fdtd(margin_m=0.03, cpml_cells=8).solve(EXPOSURE), near()
    first = np.round((np.array(part.grid.origin_m) - BODY.grid.origin_m) / 5e-3).astype(int)
    cut = tuple(slice(a, a + n + 1) for a, n in zip(first, part.grid.shape, strict=True))
    inner = (slice(None), slice(None), *(slice(1, -1),) * 3)
    expected = full.E[(slice(None), slice(None), *cut)]
    without = incident().E[(slice(None), slice(None), *cut)]
    size = np.linalg.norm(expected[inner])
    assert np.linalg.norm((part.E - expected)[inner]) < 3e-3 * size
    assert np.linalg.norm((without - expected)[inner]) > 0.1 * size
    B = full.B[(slice(None), slice(None), *cut)][inner]
    # The two engines' own fields of the loop differ by 4e-3 where steps in air grow.
    assert np.linalg.norm(part.B[inner] - B) < 6e-3 * np.linalg.norm(B)


def test_power_flows_into_the_box_as_it_is_absorbed() -> None:
    fields = near()
    assert fields.power.power()["closure"] < 0.01
    assert fields.convergence["scattered_closure"] < 2e-3
    assert fields.residual.max() <= 1e-3


def test_sar_is_taken_in_the_fine_body() -> None:
    body, fields = em.Subdomain(5e-3, margin_m=0.015).body(EXPOSURE), near()
    assert body.grid == fields.grid
    assert fields.body_mass_kg == pytest.approx(body.mass_kg)
    sar = em.point_sar(fields.drive([1.0]), body)
    assert np.count_nonzero(~np.asarray(body.body)) == 2 * 2 * 6 + 8  # and corners in air
    assert not np.any(sar.value[~np.asarray(body.body)])
    assert em.mass_average(sar.value, body.density, body.spacing_m, 1e-3).value.max() > 0
    with pytest.raises(InputError, match="solved with metal in this body"):
        em.point_sar(fields.drive([1.0]), body.with_tissue("gel", conductivity_S_m=1.0))


def test_a_complex_drive_takes_one_run() -> None:
    fields = incident()
    turned = replace(fields, E=fields.E * np.exp(0.7j), B=fields.B * np.exp(0.7j))
    again = em.Subdomain(5e-3, margin_m=0.015).solve(EXPOSURE, turned)
    assert len(again.convergence["steps"]) == 1
    assert np.linalg.norm(again.E - near().E * np.exp(0.7j)) < 2e-3 * np.linalg.norm(near().E)


def test_two_pulses_a_quarter_of_a_period_apart() -> None:
    pulse, dt = Pulse(4 * F), 5e-12
    other = quarter(pulse, F, dt)
    t = (np.arange(3000) + 0.5) * dt
    kernel = np.exp(-2j * np.pi * F * t)
    assert kernel @ other(t) == pytest.approx(1j * (kernel @ pulse(t)), rel=1e-9)
    assert abs(np.sum(other(t))) < 1e-6 * np.sum(np.abs(other(t)))


def test_interpolation_keeps_what_is_linear_and_the_displacement_at_borders() -> None:
    two = gel_box(5e-3, (0.03, 0.03, 0.03))
    grid, fine = two.grid, em.Grid((8, 8, 8), 1.5e-3, tuple(o + 0.0101 for o in two.grid.origin_m))
    E = np.zeros((1, 3, *grid.node_shape), complex)
    for c in range(3):
        x, y, z = np.broadcast_arrays(*grid.edge_points(c))
        E[0, c] = 1 + 2j + 30 * x - 20 * y + (10 + 5j) * z
    out, B = electric(E, two, F, fine), np.zeros_like(E)
    for c in range(3):
        here = tuple(slice(0, n + (a != c)) for a, n in enumerate(fine.shape))
        x, y, z = (p[here] for p in np.broadcast_arrays(*fine.edge_points(c)))
        assert np.allclose(out[(0, c, *here)], 1 + 2j + 30 * x - 20 * y + (10 + 5j) * z, atol=1e-9)
        x, y, z = np.broadcast_arrays(*grid.face_points(c))
        B[0, c] = 3 * x + y - z
    faces = magnetic(B, grid, fine)
    x, y, z = np.broadcast_arrays(*fine.face_points(2))
    assert np.allclose(faces[0, 2, :-1, :-1], (3 * x + y - z)[:-1, :-1], atol=1e-12)


def test_displacement_is_continuous_across_a_border() -> None:
    body = layered_sphere((0.05,), [gel(50, 0.6)], 5e-3)
    labels = np.zeros(body.grid.shape, body.labels.dtype)
    labels[:] = 2
    labels[10:] = 1
    slab = replace(body, labels=labels, tissues=(*body.tissues, gel(12, 0.1, "fat")))
    one, two = (complex(t.complex_permittivity(F)) for t in slab.tissues[1:])
    eps = one / two
    E = np.zeros((1, 3, *slab.grid.node_shape), complex)
    E[0, 0, :10], E[0, 0, 10:] = 1.0, 1.0 / eps
    fine = em.Grid((20, 4, 4), 1e-3, (slab.grid.nodes(0)[8], 0.0, 0.0))
    out = electric(E, slab, F, fine)[0, 0, :-1, 1, 1]
    air = electric(E, replace(slab, labels=np.where(labels == 2, 0, labels)), F, fine)[0, 0, :-1, 1, 1]
    assert np.abs(air).max() <= 1 + 1e-9  # beside air it is E that is interpolated
    assert np.allclose(out, np.where(fine.centres(0) < slab.grid.nodes(0)[10], 1.0, 1 / eps), rtol=1e-9)


def test_a_grid_full_of_tissue_takes_longer_steps_and_is_stable() -> None:
    grid = RectilinearGrid(*(np.arange(25) * 0.01 for _ in range(3)))
    medium = materials_from_voxels(grid, np.ones(grid.shape, np.uint8), np.array([1.0, 9.0]), np.zeros(2))
    assert stable_step(grid, medium) == pytest.approx(3 * stable_step(grid))
    here = CurrentSource("s", np.array([[2, 12, 12, 12]]), np.ones(1), Gaussian(5e8))
    engine = Engine(YeeProblem(grid, medium, ("pec",) * 6, sources=[here]), backend.get("cpu"), "float64")
    engine.advance(200)
    before = engine.energy()
    engine.advance(3000)
    assert engine.energy() == pytest.approx(before, rel=1e-9)
    assert medium.permittivity[2] == pytest.approx(9 * EPS_0)


@pytest.mark.parametrize(
    ("exposure", "text"),
    [
        (em.Exposure(BODY, LOOP, F), "without an implant"),
        (em.Exposure(BODY, LOOP, 64e6, implants=[ROD]), "another frequency"),
        (em.Exposure(BODY.pad(1), LOOP, F, implants=[ROD]), "another grid"),
        (em.Exposure(BODY.with_tissue("gel", conductivity_S_m=0.5), LOOP, F, implants=[ROD]), "another body"),
    ],
)
def test_what_does_not_fit_is_refused(exposure: em.Exposure, text: str) -> None:
    with pytest.raises(InputError, match=text):
        em.Subdomain(5e-3).solve(exposure, incident())


def test_cells_too_large_for_the_metal_are_refused() -> None:
    wire = shapes.cylinder(0.2e-3, 0.02, "Ti6Al4V")
    with pytest.raises(InputError, match="no cell of the subdomain is metal"):
        em.Subdomain(5e-3).solve(em.Exposure(BODY, LOOP, F, implants=[wire]), incident())
    with pytest.raises(InputError, match="bad option"):
        em.Subdomain(-1.0)


def test_plan_says_what_it_takes() -> None:
    plan = em.Subdomain(2e-3).plan(EXPOSURE, incident())
    assert plan.runs == 1
    assert plan.bytes > 30 * plan.cells
    assert near().convergence["cells"] == em.Subdomain(5e-3, margin_m=0.015).plan(EXPOSURE, incident()).cells


def test_two_sizes_of_cells() -> None:
    solved = em.Subdomain(4e-3, margin_m=0.012).on_spacings(EXPOSURE, incident().drive([1.0]), (1.0, 1.25))
    assert [fields.grid.spacing_m[0] for fields, _ in solved] == pytest.approx([4e-3, 5e-3])
    assert all(fields.grid == body.grid for fields, body in solved)
    found = refined_peaks(solved, [1e-3])
    assert set(found) == {"point SAR", "1 g SAR"}
    for number in found.values():
        assert number.behaviour == "two grids"
        # Three times the distance to the limit at the order of a staircase.
        assert number.expanded == pytest.approx(3 * 4 * abs(number.values[0] - number.values[1]))
    with pytest.raises(InputError, match="one grid says nothing"):
        em.Subdomain(4e-3).on_spacings(EXPOSURE, incident(), [1.0])
    with pytest.raises(InputError, match="one grid says nothing"):
        refined_peaks(solved[:1])
