"""Voxels split near metal: closed forms of a heated ball, power and heat on cells of all sizes, and what is stated."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.grids.grid import Grid
from emdose.models.grids.split import SplitGrid
from emdose.models.implants import shapes
from emdose.models.implants.implant import Implant, assembly
from emdose.models.implants.voxels import voxelise
from emdose.solvers.heat.near_metal import metal_body
from emdose.solvers.heat.problem import HeatMaps
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.heat.sources import PowerDensity
from emdose.solvers.results.power_tensor import UNIFORM, PowerTensor
from emdose.validation.closed_forms import heat as exact
from emdose.validity import NOT_VALID, QUESTIONABLE, VALID, judge

GEL = Tissue("gel", 1000.0, Constant(80.0, 0.47), 4150.0, 0.5, 0.0, 0.0)
RADIUS, POWER, SECONDS = 2e-3, 0.2, 900.0
UNIT = np.array([1.0, 0.0, 0.0])


def loaded(implant: Implant, power_W: float, spacing_m: float) -> PowerTensor:
    """The same power for every direction, even over the metal."""
    voxels = voxelise(implant, spacing_m, check_walls=False)
    cells = np.argwhere(voxels.fraction > 0)
    share = voxels.fraction[tuple(cells.T)]
    q = power_W * share / (share.sum() * voxels.grid.voxel_volume_m3)
    loss = np.einsum("ij,m->ijm", np.eye(3), q)
    matrix = power_W * np.eye(3)
    return PowerTensor(
        np.array([270.0]), UNIFORM, matrix[None], voxels.grid, cells, loss[None].astype(complex), metals=voxels.metals
    )


def ball(centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Implant:
    return shapes.sphere(RADIUS, "CoCrMo", centre, subdivisions=3)


@pytest.fixture(scope="module")
def small_in_coarse():
    """A ball of 2 mm in voxels of 5 mm, as they are by default and without splitting."""
    gel = bodies.gel_box(5e-3, (0.09, 0.09, 0.09), GEL)
    metal = ball()  # where eight voxels meet
    power = loaded(metal, POWER, 5e-4)
    return [
        Bioheat(tolerance=3e-3, cells_across=n).solve(gel, metal, power, SECONDS, times_s=[30.0, 200.0], device="cpu")
        for n in (4.0, 0.0)
    ]


def test_a_small_ball_in_coarse_voxels(small_in_coarse) -> None:
    """Oracle: closed form of a warming ball; by default within 5 %, early and late, in metal and in tissue."""
    split, plain = small_in_coarse
    metal = shapes.sphere(1.0).parts[0].metal
    capacity = metal.density_kg_m3 * metal.heat_capacity_J_kg_K
    times, rises = split.heating_curve(UNIT)
    expected = exact.warming_ball(times[1:], RADIUS, POWER, capacity, 0.5, 4.15e6)
    # The metal is warmer in its middle, by the parabola of even losses.
    inside = POWER / (8 * np.pi * metal.thermal_conductivity_W_m_K * RADIUS)
    np.testing.assert_allclose(rises[1:], expected + inside, rtol=0.03)
    in_tissue = split.heating_curve(UNIT, tissue_only=True)[1]
    np.testing.assert_allclose(in_tissue[1:], expected, rtol=0.05)
    assert split.peak(UNIT).tissue == "metal"
    assert split.peak(UNIT, tissue_only=True).tissue == "gel"
    assert split.balance_error < 1e-4
    assert judge(split.measures()).state == VALID
    # What voxels alone would say is far from it, and says so.
    assert plain.peak(UNIT).rise_K < 0.5 * expected[-1]
    found = judge(plain.measures())
    assert found.state == NOT_VALID
    assert "cells across the thinnest part of the heated metal" in found.reasons[0]


def test_voxels_of_a_split_result_are_means(small_in_coarse) -> None:
    """Oracle: the heat in the voxels is that in their cells; far away both grids agree."""
    split, plain = small_in_coarse
    near, grid = split.near.phantom.grid, split.phantom.grid
    assert split.near.basis.shape == (6, *near.shape)
    low, high = (grid.index_of(np.array(c) + s) for c, s in zip(near.bounds_m, (1e-6, -1e-6), strict=True))
    window = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
    counts = [m // n for m, n in zip(near.shape, split.basis[0][window].shape, strict=True)]
    cells = split.near.basis[0].reshape(*np.array([split.basis[0][window].shape, counts]).T.ravel())
    np.testing.assert_allclose(cells.mean(axis=(1, 3, 5)), split.basis[0][window], rtol=1e-5)
    at = (0, grid.shape[1] // 2, grid.shape[2] // 2)
    assert split.rise(UNIT)[at] == pytest.approx(plain.rise(UNIT)[at], rel=0.02)
    spot = split.peak(UNIT)
    assert spot.near
    assert split.heating_curve(UNIT, index=spot.index, near=True)[1][-1] == pytest.approx(spot.rise_K, rel=1e-6)
    hot, direction = split.worst()
    assert hot.rise_K == pytest.approx(split.peak(direction).rise_K, rel=1e-5)
    assert split.worst(tissue_only=True)[0].rise_K <= hot.rise_K
    assert split.time_to(0.5 * spot.rise_K, UNIT, tissue_only=True) >= split.time_to(0.5 * spot.rise_K, UNIT)


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.3, 0.1, 0.4)])
@pytest.mark.parametrize(
    ("ratio", "state", "least", "most"),
    [
        (0.5, NOT_VALID, -0.7, 0.7),
        (1.0, NOT_VALID, 0.07, 0.14),
        (1.5, QUESTIONABLE, 0.04, 0.08),
        (2.0, VALID, 0.02, 0.05),
        (3.0, VALID, 0.01, 0.04),
    ],
)
def test_error_of_a_ball_by_cells_across(ratio, state, least, most, shift) -> None:
    """Oracle: steady closed form; the row of the table says what was measured, for any place between the voxels."""
    h = RADIUS / ratio
    body = bodies.gel_box(h, (30 * h,) * 3, GEL)
    metal = metal_body(body, ball(tuple(h * s for s in shift)), 0.0)
    # The perfusion lets the rise fall to nothing within the box.
    W = 0.5 * (6 / (15 * h)) ** 2
    maps = replace(metal.maps(8.0, "insulated"), perfusion=W * (1 - metal.fraction))
    q = metal.fraction.astype(float)
    q /= q.sum() * body.grid.voxel_volume_m3
    found = steady(maps, q[None], "cpu")[0].max()
    density = 1 / (4 / 3 * np.pi * RADIUS**3)
    expected = exact.heated_ball(np.array([1e-9]), RADIUS, density, 13.0, 0.5, W)[0]
    assert metal.across == pytest.approx(2 * ratio, rel=0.02)
    from emdose.solvers.results.measures import heat_measures

    assert judge(heat_measures({"cells_across": metal.across})).state == state
    assert least <= found / expected - 1 <= most


def test_cells_conserve_power_and_heat() -> None:
    """Oracle: conservation, and one solution on equal cells; unequal steps along every axis."""
    grid = Grid((7, 6, 8), (3e-3, 4e-3, 2e-3))
    cells = SplitGrid.around(grid, (2, 2, 3), (4, 4, 5), (4, 2, 4))
    assert [n.tolist() for n in cells.splits] == [[1, 2, 4, 4, 2, 1, 1], [1, 1, 2, 2, 1, 1], [1, 1, 2, 4, 4, 2, 1, 1]]
    rng = np.random.default_rng(5)
    C, k, W = (cells.spread(v * (0.5 + rng.random(grid.shape))) for v in (4e6, 0.5, 3e3))
    steps = (cells.steps(0), cells.steps(1), cells.steps(2))
    on = np.ones(cells.shape, bool)
    for options in ({"surface_W_m2_K": 20.0}, {"edges": "fixed"}, {"edges": "insulated"}):
        maps = HeatMaps(grid.spacing_m, C, k, W, on, steps_m=steps, **options)
        q = cells.spread(1e5 * rng.random((2, *grid.shape)))
        power = (cells.means(q) * grid.voxel_volume_m3).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(maps.power_W(q), power, rtol=1e-12)
        found = heat(maps, q, 300.0, device="cpu", dtype="float64")
        assert found.balance_error < 2e-3
        np.testing.assert_allclose(found.energy["supplied"], 300 * power, rtol=1e-12)
        settled = steady(maps, q[:1], "cpu")[0]
        sink, _ = maps.sinks()
        assert (sink * settled).sum() * grid.voxel_volume_m3 == pytest.approx(power[0], rel=1e-6)


def test_layers_of_unequal_cells_are_exact() -> None:
    """Oracle: a column in series with its insulated sides: the flow through layers of two materials and five steps."""
    grid = Grid((6, 1, 1), (4e-3, 1e-3, 1e-3))
    cells = SplitGrid(grid, (np.array([1, 2, 4, 4, 1, 1]), np.array([1]), np.array([1])))
    k = cells.spread(np.array([0.5, 0.5, 0.2, 0.2, 0.2, 1.0]).reshape(6, 1, 1))
    steps = (cells.steps(0), cells.steps(1), cells.steps(2))
    held = np.zeros(cells.shape, bool)
    held[-1] = True
    maps = HeatMaps(
        grid.spacing_m,
        np.full(cells.shape, 4e6),
        k,
        np.zeros(cells.shape),
        np.ones(cells.shape, bool),
        edges="insulated",
        pinned=held,
        steps_m=steps,
    )
    q = np.zeros((1, *cells.shape))
    q[0, 0] = 1e5
    found = steady(maps, q, "cpu")[0, :, 0, 0]
    # From the middle of the first layer to that of the last: 6 mm of 0.5, 12 mm of 0.2, 2 mm of 1 W/m/K.
    assert found[0] == pytest.approx(1e5 * 4e-3 * (6e-3 / 0.5 + 12e-3 / 0.2 + 2e-3 / 1.0), rel=1e-6)


def test_split_grids_map_back_and_forth() -> None:
    grid = Grid((5, 4, 3), (2e-3, 1e-3, 3e-3), (0.1, 0.2, 0.3))
    cells = SplitGrid.around(grid, (1, 1, 1), (3, 2, 2), (4, 2, 1))
    assert cells.is_split
    assert not SplitGrid.around(grid, (1, 1, 1), (3, 2, 2), (1, 1, 1)).is_split
    values = np.random.default_rng(0).random((2, *grid.shape))
    np.testing.assert_allclose(cells.means(cells.spread(values)), values)
    for axis in range(3):
        np.testing.assert_allclose(cells.steps(axis).sum(), grid.spacing_m[axis] * grid.shape[axis])
        np.testing.assert_allclose(cells.centres(axis)[0], grid.origin_m[axis] + 0.5 * cells.steps(axis)[0])
    window = (slice(1, 3), slice(1, 2), slice(0, 3))
    fine = cells.fine(window)
    assert (fine.shape, fine.spacing_m) == ((8, 2, 3), pytest.approx((0.5e-3, 0.5e-3, 3e-3)))
    assert fine.origin_m == pytest.approx((0.102, 0.201, 0.3))
    at = cells.cells_of(window)
    np.testing.assert_allclose(cells.centres(0)[at[0]], fine.centres(0))
    assert cells.voxel((at[0].start, at[1].start, 2)) == (1, 1, 2)
    assert cells.centre((at[0].start, at[1].start, 2)) == pytest.approx(
        tuple(fine.centres(a)[(0, 0, 2)[a]] for a in range(3))
    )
    with pytest.raises(InputError, match="several sizes"):
        cells.fine((slice(0, 3), slice(1, 2), slice(0, 3)))
    for bad in (np.array([1, 2]), np.array([1, 1, 1, 0, 1]), np.ones(5)):
        with pytest.raises(InputError, match="bad split"):
            SplitGrid(grid, (bad, np.ones(4, int), np.ones(3, int)))


def test_what_counts_as_across() -> None:
    """Oracle: by hand: balls by their diameter, sheets by twice their wall, the thinnest part of several."""
    body = bodies.gel_box(2e-3, (0.06, 0.06, 0.06), GEL)
    sheet = shapes.box((30e-3, 20e-3, 3e-3), "Ti6Al4V")
    assert metal_body(body, ball(), 0.0).across == pytest.approx(2.0, rel=0.01)
    assert metal_body(body, sheet, 0.0).across == pytest.approx(3.0, rel=0.01)
    both = assembly("both", sheet, ball((0.0, 0.0, 10e-3)))
    assert metal_body(body, both, 0.0).across == pytest.approx(2.0, rel=0.01)
    split = metal_body(body, both, 4.0)
    assert split.across == pytest.approx(4.0, rel=0.02)
    assert {int(n.max()) for n in split.cells.splits} == {2}
    volume = (split.fraction * split.cells.spread(np.ones(body.grid.shape))).sum() * body.grid.voxel_volume_m3 / 8
    assert volume == pytest.approx(both.volume_m3, rel=1e-3)
    flat = bodies.gel_box((4e-3, 4e-3, 1e-3), (0.06, 0.06, 0.06), GEL)
    assert [int(n.max()) for n in metal_body(flat, ball(), 4.0).cells.splits] == [4, 4, 1]


def test_splitting_stops_where_cells_get_too_many(monkeypatch) -> None:
    """Oracle: the number of cells; what is left of the resolution is stated."""
    from emdose.solvers.heat import near_metal

    body = bodies.gel_box(5e-3, (0.06, 0.06, 0.06), GEL)
    monkeypatch.setattr(near_metal, "MOST_CELLS", 30 * body.grid.size)
    found = metal_body(body, ball(), 4.0)
    assert found.cells.size <= 30 * body.grid.size
    assert found.across < 4.0


def test_tissue_beside_a_contact_resistance_is_colder_than_the_metal() -> None:
    """Oracle: the definition: with a resistance, cut voxels with their centre in metal are no tissue."""
    body = bodies.gel_box(2e-3, (0.03, 0.03, 0.03), GEL)
    touching, apart = (metal_body(body, ball(), 4.0, R) for R in (0.0, 1e-3))
    assert (touching.tissue & (touching.fraction > 0.5)).any()
    assert not (apart.tissue & (apart.fraction > 0.5)).any()
    assert touching.matter(np.argwhere(touching.fraction > 0.99)[0]) == "CoCrMo"
    assert touching.matter(np.argwhere(touching.tissue)[0]) == "gel"


def test_losses_on_larger_voxels_than_those_of_the_heat() -> None:
    """Oracle: power is kept though voxels of the losses reach beyond the part that is split."""
    body = bodies.gel_box(1.5e-3, (0.03, 0.03, 0.03), GEL)
    power = loaded(ball(), POWER, 6e-3 / 2)
    metal = metal_body(body, ball(), 8.0)
    assert metal.cells.is_split
    q = metal.deposit(power.cells, power.loss[0, 0, 0].real[None], power.grid)
    assert metal.maps().power_W(q)[0] == pytest.approx(POWER, rel=1e-6)
    assert np.abs(q[0][metal.fraction == 0]).max() == 0


def test_a_warming_ball_in_closed_form() -> None:
    """Oracles: all heat in the ball at first, the steady state at last, and the balance of heat in between."""
    a, k, C, Cb, W = 2e-3, 0.5, 4e6, 3.7e6, 3e3
    held = Cb * 4 / 3 * np.pi * a**3
    early, late = exact.warming_ball(np.array([1e-4, 1e9]), a, POWER, Cb, k, C, W)
    assert early == pytest.approx(POWER * 1e-4 / held, rel=0.01)
    assert late == pytest.approx(float(exact.warming_ball(np.inf, a, POWER, Cb, k, C, W)[0]), rel=1e-6)
    density = POWER / (4 / 3 * np.pi * a**3)
    assert late == pytest.approx(exact.heated_ball(np.array([a]), a, density, 1e9, k, W)[0], rel=1e-6)
    times = np.linspace(1.0, 240.0, 40)
    rises = exact.warming_ball(times, a, POWER, Cb, k, C)
    assert np.all(np.diff(rises) > 0)
    assert rises[-1] < POWER / (4 * np.pi * k * a)
    # Late approach to the steady state without perfusion: 1 - a / sqrt(pi k t / C).
    t = 1e6
    slow = float(exact.warming_ball(t, a, POWER, Cb, k, C)[0]) * 4 * np.pi * k * a / POWER
    assert 1 - slow == pytest.approx(a / np.sqrt(np.pi * k * t / C), rel=0.01)


def test_further_sources_and_a_steady_start_on_split_voxels() -> None:
    """Oracle: linearity, and the same source on the voxels as they are; the temperature before knows no cells."""
    muscle = GEL.replace(name="muscle", perfusion_mL_min_kg=400.0, metabolic_heat_W_kg=1.0)
    body = bodies.gel_box(5e-3, (0.06, 0.06, 0.06), muscle)
    at_one_end = body.body & (np.indices(body.grid.shape)[0] < 4)
    metal, rf = ball(), PowerDensity(np.where(at_one_end, 2e4, 5e3 * body.body), body.grid)
    power = loaded(metal, 0.05, 1e-3)
    solver = Bioheat(initial="steady", tolerance=5e-3)
    both = solver.solve(body, metal, power, 120.0, extra={"RF": rf}, times_s=[60.0], device="cpu")
    alone = solver.solve_sar(body, rf, 120.0, device="cpu")
    assert both.near is not None
    far = np.abs(both.extra["RF"] - alone.rise[-1])[body.body]
    assert far.max() < 0.06 * alone.peaks_K[-1]  # the edge of the source lies in cells of other sizes
    np.testing.assert_allclose(both.baseline_degC[body.body], alone.baseline_degC[body.body], atol=0.02)
    spot = both.peak(UNIT)
    parts = both.near.basis[:, *spot.index][0] + both.near.extra["RF"][spot.index]
    assert spot.rise_K == pytest.approx(parts, rel=1e-5)
    assert both.peak(UNIT, extra=False).rise_K < spot.rise_K
    hot, direction = both.worst()
    assert hot.rise_K == pytest.approx(both.peak(direction).rise_K, rel=1e-5)
    # Without gradients the hottest voxel is one that is not split.
    quiet = both.peak(1e-6 * UNIT)
    assert (quiet.near, quiet.tissue) == (False, "muscle")
