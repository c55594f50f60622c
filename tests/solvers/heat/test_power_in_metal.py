"""RF power in and beside metal as a source of heat. Oracles: the power given, superposition, symmetry."""

import numpy as np
import pytest

import emdose as em
from emdose.models.bodies import gel_box
from emdose.models.implants import implanted, shapes
from emdose.solvers.heat.near_metal import metal_body
from emdose.solvers.heat.solver import Bioheat
from emdose.solvers.heat.sources import PowerDensity

BALL = shapes.sphere(6e-3, "Ti6Al4V")


@pytest.fixture(scope="module")
def powers() -> tuple[em.Phantom, PowerDensity, PowerDensity]:
    """Gel with a ball, 2 W around the ball and 1 W in it."""
    gel = gel_box(2e-3, (0.04, 0.04, 0.04))
    here = implanted(gel, [BALL])
    x = gel.grid.centres(0)
    r2 = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    beside = np.where(here.phantom.body, 1 / np.maximum(r2, 1e-6) ** 2, 0.0)
    beside *= 2 / (beside.sum() * gel.grid.voxel_volume_m3)
    inside = np.asarray(here.metal) / (here.metal.sum() * gel.grid.voxel_volume_m3)
    return gel, PowerDensity(beside, gel.grid, "tissue"), PowerDensity(inside, gel.grid, "metal")


def test_all_power_stays_where_it_is(powers) -> None:
    gel, beside, inside = powers
    metal = metal_body(gel, BALL, 4.0)
    volume = gel.grid.voxel_volume_m3
    tissue, core = metal.spread(beside.value, "tissue"), metal.spread(inside.value, "metal")
    assert metal.cells.means(tissue).sum() * volume == pytest.approx(2.0)
    assert metal.cells.means(core).sum() * volume == pytest.approx(1.0)
    assert not tissue[metal.fraction >= 1].any()
    assert not core[metal.fraction == 0].any()
    assert metal.cells.means(metal.spread(beside.value)).sum() * volume < 2.0


def test_rises_of_both_add(powers) -> None:
    gel, beside, inside = powers
    heater = Bioheat(edges="fixed", dtype="float64")
    both, *alone = (
        heater.solve_sar(gel, s, 60.0, implant=BALL, times_s=[60.0]) for s in ([beside, inside], beside, inside)
    )
    assert both.power_W == pytest.approx(3.0)
    np.testing.assert_allclose(both.rise, alone[0].rise + alone[1].rise, atol=3e-3 * both.rise.max())
    assert np.argmax(alone[1].rise[-1]) in np.flatnonzero(np.asarray(implanted(gel, [BALL]).metal))


def test_one_run_for_gradients_and_rf(powers) -> None:
    gel, beside, inside = powers
    power = em.EddyCurrent(spacing_m=2e-3).solve(BALL, [1e3])
    heater = Bioheat(edges="fixed")
    found = heater.solve(gel, BALL, power, 60.0, rms_T_s=30.0, extra={"tissue": beside, "metal": inside})
    alone = heater.solve(gel, BALL, power, 60.0, rms_T_s=30.0, extra={"metal": inside})
    np.testing.assert_allclose(found.extra["metal"], alone.extra["metal"], atol=5e-3 * found.extra["metal"].max())
    np.testing.assert_allclose(found.basis[2], alone.basis[2], atol=5e-3 * alone.basis[2].max())
    assert found.extra["tissue"].max() > 0


def test_a_place_must_be_one() -> None:
    gel = gel_box(2e-3, (0.02, 0.02, 0.02))
    with pytest.raises(em.InputError, match="unknown place of power"):
        PowerDensity(np.zeros(gel.grid.shape), gel.grid, "bone")
