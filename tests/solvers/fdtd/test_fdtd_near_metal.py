"""Finer cells around implants in an FDTD. Oracles: what grids must keep, power balance, series of balls of metal."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import emdose as em
from emdose.constants import EPS_0, MU_0
from emdose.errors import InputError
from emdose.models.bodies import layered_sphere
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.models.implants import shapes
from emdose.solvers.fdtd.graded.onto_voxels import onto_voxels
from emdose.solvers.fdtd.graded.planes import planes_around
from emdose.solvers.yee_engine import FaceFactors
from emdose.solvers.yee_grid.metal.cut_cells import cut_cells, nodes_in_metal
from emdose.validation.cases.fdtd import metal
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere

F = 128e6
BODY = layered_sphere((0.04,), [gel(78, 0.47)], 5e-3)
BALL = shapes.sphere(0.012, "Ti6Al4V").moved((0.0012, 0.0, 0.0))
BALL_AT = np.array([0.0012, 0.0, 0.0])[:, None, None, None]
EXPOSURE = em.Exposure(BODY, em.Loop(0.04, centre_m=(0, 0, 0.07)), F, implants=[BALL])
SOLVER = em.Fdtd(metal_cell_m=4e-3, metal_margin_m=8e-3, margin_m=0.03, cpml_cells=8, tolerance=1e-4)


@cache
def solved() -> tuple[em.Fields, em.Fields]:
    return SOLVER.solve_near_metal(EXPOSURE)


@pytest.mark.parametrize("cell", [1e-3, 1.7e-3, 3e-3, 5e-3])
def test_planes_lie_at_the_ends_of_metal_and_grow_to_the_voxels(cell: float) -> None:
    voxels = BODY.grid.nodes(0)
    planes = planes_around([BALL], 0, voxels, cell, 4e-3, 1.3)
    steps = np.diff(planes.nodes_m)
    low, high = BALL.bounds_m[0][0], BALL.bounds_m[1][0]
    assert np.abs(planes.nodes_m - low).min() < 1e-12
    assert np.abs(planes.nodes_m - high).min() < 1e-12
    assert (planes.nodes_m[0], planes.nodes_m[-1]) == (voxels[0], voxels[-1])
    equal = steps[planes.equal[0] : planes.equal[1]]
    assert np.ptp(equal) < 1e-12
    assert equal.max() <= cell * (1 + 1e-9)
    assert max((steps[1:] / steps[:-1]).max(), (steps[:-1] / steps[1:]).max()) <= 1.3 * (1 + 1e-6)
    # Beyond the growing steps the planes are those of the voxels.
    assert sum(np.abs(planes.nodes_m - v).min() < 1e-12 for v in voxels) >= 5


def test_cells_larger_than_voxels_and_no_metal_are_refused() -> None:
    with pytest.raises(InputError, match="larger than the body's"):
        em.Fdtd(metal_cell_m=6e-3).plan(EXPOSURE)
    with pytest.raises(InputError, match="no cells of their own"):
        em.Fdtd().body_near_metal(EXPOSURE)
    with pytest.raises(InputError, match="unknown choice"):
        em.Fdtd(metal="steel")


def test_fields_go_to_voxels_as_voltages_and_fluxes() -> None:
    cells = np.array([0.0, 1.0, 1.5, 2.0, 3.5, 4.0])
    voxels = np.array([0.0, 2.0, 4.0])
    grid = RectilinearGrid(cells, cells, cells)
    values = np.zeros((1, 3, *grid.node_shape), complex)
    for c in range(3):
        x, y, z = np.meshgrid(*(grid.centres(a) if a == c else cells for a in range(3)), indexing="ij")
        values[0, c, : x.shape[0], : x.shape[1], : x.shape[2]] = 1 + 2 * x - y + 3j * z
    found = onto_voxels(values, [cells] * 3, [voxels] * 3, False)
    assert found.shape == (1, 3, 3, 3, 3)
    for c in range(3):
        x, y, z = np.meshgrid(*(np.array([1.0, 3.0]) if a == c else voxels for a in range(3)), indexing="ij")
        assert np.allclose(found[0, c, : x.shape[0], : x.shape[1], : x.shape[2]], 1 + 2 * x - y + 3j * z)
    assert np.array_equal(onto_voxels(values, [cells] * 3, [cells] * 3, False), values)


def test_cut_cells_of_unequal_steps_add_up_to_the_volume() -> None:
    steps = np.geomspace(0.8e-3, 1.6e-3, 14)
    nodes = np.concatenate([-np.cumsum(steps)[::-1], [0.0], np.cumsum(steps)])
    grid = RectilinearGrid(nodes, nodes, nodes)
    cut = cut_cells([BALL], grid)
    for c in range(3):
        sizes = [np.append(grid.steps(a), 0) if a == c else grid.dual_steps(a) for a in range(3)]
        volume = np.einsum("ijk,i,j,k", 1 - cut.edges[c], *sizes)
        assert volume == pytest.approx(BALL.volume_m3, rel=1e-2)


def test_a_plate_between_nodes_is_not_lost() -> None:
    plate, nodes = shapes.box((12e-3, 12e-3, 1.4e-3), centre_m=(0, 0, 1e-3)), 2e-3 * np.arange(-8, 9)
    grid = RectilinearGrid(nodes, nodes, nodes)
    cells = nodes_in_metal([plate], [grid.centres(a) for a in range(3)])
    assert cells.sum() == 36
    assert not np.any(cut_cells([plate], grid).closed)
    assert np.count_nonzero(cut_cells([plate], grid, cells).closed[2]) == 49


def test_power_closes_and_the_near_cells_agree_with_a_subdomain() -> None:
    whole, near = solved()
    body = SOLVER.body_near_metal(EXPOSURE)
    assert whole.grid == BODY.grid
    assert near.grid == body.grid
    assert max(near.grid.spacing_m) <= 4e-3
    assert whole.power.power()["closure"] < 1e-3
    assert near.power.power()["closure"] < 3e-3
    incident = em.Fdtd(margin_m=0.03, cpml_cells=8).solve(em.Exposure(BODY, EXPOSURE.coil, F))
    other = em.Subdomain(4e-3, margin_m=8e-3)
    beside = other.solve(EXPOSURE, incident)
    means = []
    for fields, cells in ((near, body), (beside, other.body(EXPOSURE))):
        radius = np.linalg.norm(np.stack(np.broadcast_arrays(*cells.grid.centre_points())) - BALL_AT, axis=0)
        shell = np.asarray(cells.body) & (radius < 0.018)
        means.append(float(em.point_sar(fields.drive([1.0]), cells).value[shell].mean()))
    assert means[0] == pytest.approx(means[1], rel=0.10)


@pytest.mark.slow
def test_a_wave_on_graded_steps_equals_the_same_field_given() -> None:
    def wave(p: np.ndarray) -> np.ndarray:
        return np.stack([np.exp(-2j * np.pi * F / 299792458.0 * p[:, 2]), 0 * p[:, 0], 0 * p[:, 0]], -1)[None]

    sources = em.PlaneWave(), em.IncidentField(wave, frequency_Hz=F)
    solver = em.Fdtd(metal_cell_m=4e-3, metal_margin_m=4e-3, margin_m=0.03, cpml_cells=8)
    fields = [solver.solve(em.Exposure(BODY, source, F, implants=[BALL])) for source in sources]
    inner = (slice(None), slice(None), *(slice(2, -2),) * 3)
    E = [f.E[inner] for f in fields]
    assert np.linalg.norm(E[0] - E[1]) < 4e-3 * np.linalg.norm(E[0])
    assert all(f.power.power()["closure"] < 2e-3 for f in fields)


def test_factors_of_faces_that_several_name_multiply() -> None:
    one = FaceFactors([[0, 1, 1, 1], [1, 2, 2, 2]], [0.5, 2.0])
    both = one.with_others([FaceFactors([[1, 2, 2, 2], [2, 3, 3, 3]], [3.0, 4.0])])
    assert dict(zip(map(tuple, both.faces.tolist()), both.permeability, strict=True)) == {
        (0, 1, 1, 1): 0.5,
        (1, 2, 2, 2): 6.0,
        (2, 3, 3, 3): 4.0,
    }
    assert one.with_others([]) is one


@pytest.mark.parametrize("radius", [0.015, 0.02])
def test_surface_impedance_changes_nothing_beyond_the_perturbation(radius: float) -> None:
    # Series of a perfect and of a real ball of titanium in gel: why implants in Fdtd are perfect conductors.
    f, sigma, eps = 64e6, 5.8e5, complex_permittivity(80, 0.47, 64e6)
    omega = 2 * np.pi * f
    perfect, real = (Sphere([radius, 0.2], [m, eps], f) for m in (np.inf, 1 - 1j * sigma / (omega * EPS_0)))
    n = np.random.default_rng(0).normal(size=(2000, 3))
    n /= np.linalg.norm(n, axis=1)[:, None]
    at = n * radius * (1 + 1e-9)
    H = perfect.fields(at)[1] / MU_0
    tangential = np.sum(np.abs(H - n * np.sum(H * n, axis=1)[:, None]) ** 2, axis=1)
    resistance = np.sqrt(omega * MU_0 / (2 * sigma))
    E, B = real.fields(at)
    into = -0.5 * np.sum(np.cross(E, B.conj() / MU_0).real * n, axis=1)
    assert np.mean(0.5 * resistance * tangential) == pytest.approx(np.mean(into), rel=0.01)
    assert 4 * np.pi * radius**2 * np.mean(into) < 3e-5 * real.power()["absorption"]
    outside = n * (radius + 5e-3)
    power = [np.sum(np.abs(s.fields(outside)[0]) ** 2) for s in (perfect, real)]
    assert power[1] == pytest.approx(power[0], rel=1e-3)


@pytest.mark.slow
def test_cut_metal_in_gel_beside_its_series() -> None:
    """The case of ``emdose validate``: shells 0 to 5, 5 to 10 and 10 to 20 mm outside, 0.5, 0.4 and 0.5 %."""
    rows = metal("cpu")
    assert [row.tolerance for row in rows] == [0.01, 0.01, 0.01, 0.01, 1e-3]
    assert all(row.passed for row in rows)
