"""Metal put into a body. Oracles: volumes and masses by hand."""

import numpy as np
import pytest

import emdose as em
from emdose.models.bodies import gel_box
from emdose.models.implants import implanted, shapes
from emdose.solvers.yee_grid.edge_materials import metal_edges


def test_a_box_of_metal_takes_the_place_of_gel() -> None:
    gel = gel_box(2e-3, (0.04, 0.04, 0.04))
    here = implanted(gel, [shapes.box((0.008, 0.012, 0.016), centre_m=(0, 0, 0))])
    assert here.metal_volume_m3 == pytest.approx(0.008 * 0.012 * 0.016)
    assert here.phantom.mass_kg == pytest.approx(gel.mass_kg - sum(here.replaced_kg.values()))
    assert here.replaced_kg["gel"] == pytest.approx(0.008 * 0.012 * 0.016 * gel.tissues[1].density_kg_m3)
    assert not np.any(np.asarray(here.metal) & here.phantom.body)


def test_edges_in_and_on_metal() -> None:
    metal = np.zeros((4, 5, 6), bool)
    metal[1:3, 2, 3] = True
    edges = metal_edges(metal)
    assert edges.sum(axis=(1, 2, 3)).tolist() == [2 * 2 * 2, 3 * 1 * 2, 3 * 2 * 1]


def test_exposures_with_metal() -> None:
    gel = gel_box(2e-3, (0.04, 0.04, 0.04))
    wave, ball = em.PlaneWave(), shapes.sphere(8e-3)
    assert em.Exposure(gel, wave, 64e6).tissue is gel
    with_ball = em.Exposure(gel, wave, 64e6, implants=[ball])
    assert with_ball.tissue.mass_kg < gel.mass_kg
    with pytest.raises(em.InputError, match="implant outside the phantom"):
        em.Exposure(gel, wave, 64e6, implants=[ball.moved((0.1, 0, 0))])
    with pytest.raises(em.InputError, match="Vsie has no implants"):
        with_ball.refuse_metal("Vsie")
