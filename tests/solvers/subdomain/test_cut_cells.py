"""Metal that cuts through cells. Oracles: volumes of closed forms, metal of whole cells, Mie series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import emdose as em
from emdose.models.bodies import layered_sphere
from emdose.models.implants import metal_cells, shapes
from emdose.solvers.yee_grid.edge_materials import metal_edges
from emdose.solvers.yee_grid.metal.cut_cells import cut_cells, whole_cells
from emdose.validation.cases.fdtd import implant
from emdose.validation.cases.volume_integral import complex_permittivity, gel
from emdose.validation.closed_forms import Sphere

GRID = em.Grid((20, 20, 20), 2e-3)


@pytest.mark.parametrize("place", [(0.0, 0.0, 0.0), (0.3e-3, 0.7e-3, -0.2e-3)])
def test_areas_add_up_to_the_volume(place: tuple[float, float, float]) -> None:
    ball = shapes.sphere(0.015).moved(place)
    cut = cut_cells([ball], GRID)
    for c in range(3):
        assert (1 - cut.faces[c]).sum() * GRID.voxel_volume_m3 == pytest.approx(ball.volume_m3, rel=1e-2)
        assert (1 - cut.edges[c]).sum() * GRID.voxel_volume_m3 == pytest.approx(ball.volume_m3, rel=1e-2)
    open_ = cut.stable_faces
    assert np.all(open_ >= cut.faces)
    assert np.all((open_ > 0) == (cut.faces > 0))


def test_metal_between_planes_of_the_grid_is_that_of_whole_cells() -> None:
    box = shapes.box((8e-3, 12e-3, 4e-3))
    cut, cells = cut_cells([box], GRID), whole_cells(metal_cells([box], GRID))
    assert np.array_equal(cut.closed, metal_edges(metal_cells([box], GRID)))
    assert np.array_equal(cut.edges, cells.edges)
    assert np.array_equal(cut.faces, cells.faces)


def test_ball_of_metal_beside_its_series() -> None:
    # Mean of E^2 in the cells 5 to 10 mm outside: some 1 % with cut cells of 3 mm, 14 % with whole ones.
    f, big, r = 128e6, 0.2, 0.015
    eps = complex_permittivity(78, 0.47, f)
    body, ball = layered_sphere((big,), [gel(78, 0.47)], 10e-3), shapes.sphere(r)
    alone, exact = Sphere([big], [eps], f), Sphere([r, big], [np.inf, eps], f)
    exposure = em.Exposure(body, em.PlaneWave(), f, implants=[ball])
    given = em.Vie(tolerance=1e-2).solve(em.Exposure(body, em.PlaneWave(), f))
    E, B = np.zeros(given.E.shape, complex), np.zeros(given.B.shape, complex)
    near = np.zeros((3, *body.grid.node_shape), bool)
    near[:, 15:-15, 15:-15, 15:-15] = True
    for c in range(3):
        at = np.stack([np.broadcast_to(p, body.grid.node_shape) for p in body.grid.edge_points(c)], -1)
        E[0, c][near[c]] = alone.fields(at[near[c]])[0][:, c]
    errors = {}
    for metal in ("cut", "cells"):
        fields = em.Subdomain(3e-3, margin_m=0.015, metal=metal).solve(exposure, replace(given, E=E, B=B))
        radius = np.sqrt(sum(p**2 for p in fields.grid.centre_points()))
        shell = (radius > r + 5e-3) & (radius < r + 10e-3)
        found = np.mean(np.sum(np.abs(fields.E_centre()[0]) ** 2, axis=0)[shell])
        points = np.stack([np.broadcast_to(p, shell.shape)[shell] for p in fields.grid.centre_points()], -1)
        errors[metal] = found / np.mean(np.sum(np.abs(exact.fields(points)[0]) ** 2, axis=1)) - 1
    assert abs(errors["cut"]) < 0.03
    assert 0.08 < errors["cells"] < 0.2


@pytest.mark.slow
def test_larger_ball_of_metal_beside_its_series() -> None:
    # Shells 0 to 5 and 5 to 10 mm outside, power within 10 mm, cells of 3 mm: 0.14, 0.16, 0.15 % and a factor of 0.43.
    rows = implant("cpu", 0.02)
    assert [row.tolerance for row in rows] == [0.05, 0.03, 0.02, 1.0]
    assert all(row.passed for row in rows)
