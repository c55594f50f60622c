"""Sources that were moved. Oracle: to move a source is to move everything else the other way."""

from __future__ import annotations

import typing

import numpy as np
import pytest

import emdose as em
from emdose.circuits.unloaded import coil_modes
from emdose.compute import backend
from emdose.compute.shared import Shared as SharedMemo
from emdose.models import Shield
from emdose.models.coils import conductors
from emdose.scenarios import kinds
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.coil_tables import Coil
from emdose.solvers.fdtd.graded.grading import planes_of
from emdose.solvers.fdtd.setup.domain import source_extent
from emdose.solvers.yee_grid.coil_raster import shield_edges
from emdose.solvers.yee_grid.incident import field_at, incident_E

F = 127.74e6
D = np.array([0.0131, -0.0072, 0.0213])
AWAY = np.array([[0.01, 0.02, 0.03], [-0.04, 0.01, 0.0], [0.02, -0.05, -0.04]])
AXES = [np.linspace(-0.1, 0.1, 6)] * 3


def sampled():
    E = np.random.default_rng(1).normal(size=(3, 6, 6, 6)) + 0j
    return em.IncidentField.on_points(AXES, E, 1j * E, frequency_Hz=F)


@pytest.mark.parametrize(
    "source",
    [
        em.Birdcage(8, shield_radius_m=0.18),
        em.Loop(0.1, centre_m=(0, 0, 0.1), normal=(0, 1, 1)),
        em.LoopArray(3, shield_radius_m=0.17),
        em.models.CurrentElement(0.05, centre_m=(0, 0.2, 0)),
        em.PlaneWave((0, 0, 1), (1, 1j, 0)),
        em.IncidentField(lambda r: r * [1, 2j, -3], lambda r: 1j * r, frequency_Hz=F),
        sampled(),
    ],
    ids=lambda s: s.name,
)
def test_the_field_of_a_moved_source_is_its_field_there(source):
    for there, here in zip(field_at(source.translate(D), AWAY + D, F), field_at(source, AWAY, F), strict=True):
        assert np.abs(there - here).max() < 1e-10 * np.abs(here).max()
    assert type(source.translate(D)) is type(source)
    assert source.translate(D).translate(D).parameters["position_m"] == pytest.approx(2 * D)


def test_metal_elements_feeds_and_shield_move_together():
    # Oracle: every corner, terminal and plane of the coil before, and the vector.
    coil = em.CircuitBirdcage(8, strip_width_m=0.01, shield_radius_m=0.18)
    moved = coil.translate(D)
    for one, two in zip((*coil.elements, *coil.feeds), (*moved.elements, *moved.feeds), strict=True):
        assert np.allclose(np.add(one.start_m, D), two.start_m)
        assert np.allclose(np.add(one.end_m, D), two.end_m)
    assert len(moved.gaps) == len(coil.gaps)  # a feed is still in the gap of its capacitor
    assert np.allclose(moved.outline, coil.outline + D)
    assert np.allclose(source_extent(moved), np.add(source_extent(coil), D))
    for axis, (one, two) in enumerate(zip(planes_of(coil), planes_of(moved), strict=True)):
        assert np.allclose(two, one + D[axis], atol=1e-8)
    modes = coil_modes(coil)[:3], coil_modes(moved)[:3]
    assert [m.frequency_Hz for m in modes[1]] == pytest.approx([m.frequency_Hz for m in modes[0]], rel=1e-9)


def test_plates_and_solids_move():
    plate = conductors.moved(conductors.Plate((0, 0, 0), (1, 0, 0), (0, 1, 0)), D)
    ball = conductors.moved(conductors.solid_sphere((0, 0, 0), 0.1), D)
    assert np.allclose(plate.corner_m, D)
    assert np.allclose(ball.low_m, D - 0.1)
    assert ball.inside(*np.add(D, [0.099, 0, 0]))
    assert not ball.inside(*np.subtract(D, [0.101, 0, 0]))


def test_a_moved_shield_is_the_same_shield_of_a_moved_grid():
    grid = em.models.RectilinearGrid(*[np.linspace(-0.3, 0.3, 25)] * 3)
    moved = em.models.RectilinearGrid(*(grid.nodes(a) + D[a] for a in range(3)))
    shield = Shield(0.18, 0.31)
    assert np.array_equal(shield_edges(shield, grid), shield_edges(shield.translate(D), moved))


BALL = {
    "scenario": {"kind": "rf", "name": "ball"},
    "phantom": {"type": "sphere", "radius_m": 0.06, "spacing_m": 0.015, "tissue": "muscle"},
    "coil": {"type": "birdcage", "rungs": 8, "radius_m": 0.15, "shield_radius_m": 0.2},
    "exposure": {"frequency_Hz": F},
    "normalise": {"b1plus_rms_T": 1e-6, "over": "body"},
    "solver": {"type": "vie", "tolerance": 1e-9, "dtype": "complex128"},
}
METAL = {
    **BALL,
    "phantom": {"type": "sphere", "radius_m": 0.045, "spacing_m": 0.015, "tissue": "muscle"},
    "coil": {"type": "dipole", "length_m": 0.1, "centre_m": [0.0, 0.0975, 0.0], "gap_m": 0.015},
    "solver": {"type": "fdtd", "margin_m": 0.045, "cpml_cells": 6, "dtype": "float64"},
    "tuning": {"tune": False, "match": False},
}


def numbers(tables, **more):
    tables = {key: {**values, **more.get(key, {})} for key, values in tables.items()}
    job = kinds.get("rf").job(from_tables(tables, toml.Path("ball.toml")), "cpu")
    job.prepare()
    quantities = job.evaluate(job.solve()).summary["quantities"]
    at_the_isocentre = ("b1plus_isocentre", "b1plus_slice", "b1plus_variation_slice")  # which moves with neither
    return {
        k: v["value"] for k, v in quantities.items() if isinstance(v.get("value"), float) and k not in at_the_isocentre
    }


@pytest.mark.parametrize(
    ("tables", "shift", "rel"),
    [(BALL, D, 1e-7), (METAL, np.array([0.015, -0.015, 0.03]), 1e-9)],
    ids=["volume integral, anywhere", "metal in finite differences, by whole cells"],
)
def test_a_coil_moved_one_way_is_a_body_moved_the_other_way(tables, shift, rel):
    """The grid belongs to the body, so that nothing but rounding differs."""
    one = numbers(tables, coil={"position_m": shift.tolist()})
    two = numbers(tables, phantom={"translate_m": (-shift).tolist()})
    assert len(one) > 10
    assert one == pytest.approx(two, rel=rel, abs=1e-15)


def test_every_type_of_coil_has_a_position():
    for table in typing.get_args(typing.get_args(Coil)[0]):
        assert table.model_fields["position_m"].default == (0.0, 0.0, 0.0)


def test_metal_that_the_grid_would_round_away_is_one_line():
    with pytest.raises(em.InputError, match=r"coil.position_m: the grid would put the metal.*or snap = true") as told:
        numbers(METAL, coil={"position_m": [0.0, 0.0, 0.001]})
    assert "\n" not in str(told.value)
    tables = {**METAL, "coil": {**METAL["coil"], "position_m": [0.0, 0.0, 0.001]}}
    tables["solver"] = {**METAL["solver"], "snap": True}
    kinds.get("rf").job(from_tables(tables, toml.Path("ball.toml")), "cpu")


def test_the_field_of_one_place_serves_all_others():
    """Oracle: the field that a body which is moved the other way gets, and the one without a memo."""
    coil, be = em.Birdcage(4, radius_m=0.3), backend.get("cpu")
    grid = em.models.Grid((8, 8, 8), (0.02,) * 3, (-0.08,) * 3)
    shared = SharedMemo(10**9)
    for source in (coil, coil.translate(D), coil.translate(0.5 * D).translate(-D)):
        shift = source.home[1]
        E = incident_E(source, grid, F, be, np.complex128, shared)
        moved = incident_E(coil, grid.moved(tuple(-np.array(shift))), F, be, np.complex128, shared)
        assert E is moved
        alone = incident_E(source, grid, F, be, np.complex128)
        assert np.abs(E - alone).max() < 1e-5 * np.abs(alone).max()
    assert coil.translate(D).with_shield(Shield(0.35, 0.5, centre_m=tuple(D))).home[1] == (0.0, 0.0, 0.0)
