"""Implants in an FDTD. Oracles: Mie series with a core of perfect conductor, power balance, two ways to a field."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import emdose as em
from emdose.constants import C_0
from emdose.models.bodies import gel_box, layered_sphere
from emdose.models.implants import metal_cells, shapes
from emdose.models.implants.implant import Implant
from emdose.solvers.yee_grid.edge_materials import metal_edges
from emdose.solvers.yee_grid.metal.cut_cells import cut_cells
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere

F = 128e6
BODY = layered_sphere((0.08,), [gel(78, 0.47)], 10e-3)
BALL = shapes.sphere(0.025, "Ti6Al4V")


@cache
def in_a_wave() -> em.Fields:
    return em.Fdtd(tolerance=1e-4).solve(em.Exposure(BODY, em.PlaneWave(), F, implants=[BALL]))


def test_ball_of_metal_in_gel_beside_its_series() -> None:
    fields, exact = in_a_wave(), Sphere([0.025, 0.08], [np.inf, complex_permittivity(78, 0.47, F)], F)
    power = fields.power.power()
    assert power["closure"] < 1e-4
    # Eight cells across the radius of the gel: the validation cases have finer ones.
    assert power["absorbed_W"] == pytest.approx(exact.power()["absorption"], rel=0.10)


def test_metal_is_no_tissue_and_its_edges_have_no_field() -> None:
    fields, exposure = in_a_wave(), em.Exposure(BODY, em.PlaneWave(), F, implants=[BALL])
    assert exposure.implanted is not None
    metal = np.asarray(exposure.implanted.metal)
    assert not np.any(fields.body & metal)
    assert fields.body_mass_kg == pytest.approx(exposure.tissue.mass_kg)
    cut = cut_cells([BALL], BODY.grid, metal)
    assert not np.any(fields.E[0][cut.closed])
    assert not np.any(fields.B[0][cut.faces == 0])
    assert not np.any(cut.closed & ~metal_edges(metal))
    assert em.point_sar(fields.drive([1.0]), exposure.tissue).value.max() > 0
    assert fields.provenance["implants"] == [{"name": BALL.name, "sha256": BALL.hash()}]


def test_scattered_field_cancels_the_incident_one_on_metal() -> None:
    k = 2 * np.pi * F / C_0
    wave = em.IncidentField(
        lambda p: np.stack([np.exp(-1j * k * p[:, 2]), 0 * p[:, 0], 0 * p[:, 0]], -1)[None], frequency_Hz=F
    )
    fields, same = em.Fdtd(margin_m=0.03, cpml_cells=8).solve(em.Exposure(BODY, wave, F, implants=[BALL])), in_a_wave()
    inside = np.abs(same.E) > 0
    core = np.zeros_like(inside)
    core[..., 2:-2, 2:-2, 2:-2] = True
    there = inside & core
    assert np.linalg.norm((fields.E - same.E)[there]) < 3e-3 * np.linalg.norm(same.E[there])
    # Beside what is left of faces that the metal nearly fills the two differ most.
    assert np.linalg.norm((fields.B - same.B)[there]) < 3e-3 * np.linalg.norm(same.B[there])
    assert fields.power.power()["closure"] < 1e-3
    assert fields.power.power()["absorbed_W"] == pytest.approx(same.power.power()["absorbed_W"], rel=1e-3)


@pytest.mark.parametrize("coil", ["currents", "gaps"])
def test_coils_around_a_body_with_metal(coil: str) -> None:
    loop = (
        em.Loop(0.05, centre_m=(0.0, 0.0, 0.12))
        if coil == "currents"
        else em.CapacitorLoop(
            size_m=(0.1, 0.1), capacitors=2, centre_m=(0.0, 0.0, 0.12), capacitance_F=20e-12, gap_m=10e-3
        )
    )
    fields = em.Fdtd(margin_m=0.04, cpml_cells=8).solve(em.Exposure(BODY, loop, F, implants=[BALL]))
    power = fields.power.power()
    assert power["closure"] < 2e-3
    assert power["absorbed_W"] > 0


def test_smaller_cells_cut_the_surface_anew() -> None:
    body = gel_box(10e-3, (0.06, 0.06, 0.06))
    rod = shapes.cylinder(6e-3, 0.02, "Ti6Al4V")
    exposure = em.Exposure(body, em.PlaneWave(), F, implants=[rod])
    fine = em.Grid((24, 24, 24), 2.5e-3, body.grid.origin_m)
    cells = metal_cells([rod], fine)
    volume = cells.sum() * fine.voxel_volume_m3
    assert volume == pytest.approx(rod.volume_m3, rel=0.15)
    fields = em.Fdtd(spacing_m=5e-3, margin_m=0.03, cpml_cells=8).solve(exposure)
    assert fields.grid == exposure.tissue.grid
    assert fields.power.power()["closure"] < 2e-3


def test_cells_of_metal_beyond_the_grid_are_left_out() -> None:
    grid = em.Grid((4, 4, 4), 5e-3)
    whole: Implant = shapes.box((0.01, 0.01, 0.01), centre_m=(0, 0, 0))
    assert metal_cells([whole], grid).sum() == 8
    assert metal_cells([whole.moved((0.01, 0, 0))], grid).sum() == 4
    assert metal_cells([whole.moved((0.1, 0, 0))], grid).sum() == 0
