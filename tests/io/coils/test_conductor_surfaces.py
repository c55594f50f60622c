"""Metal of coils from surfaces: the same edges of a lattice as the ready-made solids; open surfaces are refused."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_grid.coil_raster import rasterise

WIRE = [(0, 0, 0.04), (0.06, 0, 0.04), (0.06, 0, 0.08), (0, 0, 0.08), (0, 0, 0.04)]
FEED = em.conductors.FeedPort("feed", (0.02, 0, 0.08), (0.03, 0, 0.08))
GRID = RectilinearGrid(*(np.arange(-0.1, 0.1001, 0.01) for _ in range(3)))


def with_solid(solid):
    return em.CircuitCoil("coil with a piece of metal", [em.conductors.Wire(WIRE), solid], [], [FEED])


@pytest.fixture
def surface(tmp_path):
    trimesh = pytest.importorskip("trimesh")

    def write(mesh, name="metal.stl"):
        mesh.export(tmp_path / name)
        return tmp_path / name

    write.trimesh = trimesh
    return write


def test_a_box_on_the_planes_of_the_lattice(surface):
    """Oracle: em.conductors.solid_box, whose faces belong to it: the same edges."""
    mesh = surface.trimesh.creation.box((80, 60, 40))
    mesh.apply_translation((0, 10, -30))
    solid = em.read_conductor(surface(mesh), unit="mm")
    ready = em.conductors.solid_box((0, 0.01, -0.03), (0.08, 0.06, 0.04))
    one, other = (rasterise(with_solid(s), GRID).pec for s in (solid, ready))
    np.testing.assert_array_equal(one, other)
    assert len(solid.outline_m) == 12
    assert len(with_solid(solid).outline) == 4 + 12


def test_a_ball_and_a_cavity(surface):
    """Oracle: the distance from the centre, of points that are not within the facets' sagitta of the surface."""
    ball, hole = (surface.trimesh.creation.icosphere(4, radius) for radius in (60.0, 30.0))
    hole.invert()
    solid = em.read_conductor(surface(surface.trimesh.util.concatenate([ball, hole])), unit="mm")
    points = np.random.default_rng(3).uniform(-0.07, 0.07, (4000, 3))
    r = np.linalg.norm(points, axis=1)
    clear = (np.abs(r - 0.06) > 5e-4) & (np.abs(r - 0.03) > 5e-4)
    inside = solid.inside(*points.T)
    assert not solid.inside(*(points[:9].T + 0.3)).any()
    axes = np.meshgrid(*(np.linspace(-0.07, 0.07, n) for n in (13, 14, 15)), indexing="ij")
    sparse = [a[tuple(slice(None) if n == m else slice(1) for m in range(3))] for n, a in enumerate(axes)]
    np.testing.assert_array_equal(solid.inside(*sparse), solid.inside(*axes))
    np.testing.assert_array_equal(inside[clear], ((r < 0.06) & (r > 0.03))[clear])


def test_moved_and_turned_with_its_coil(surface):
    """Oracle: the box of the same size laid there by hand."""
    solid = em.read_conductor(surface(surface.trimesh.creation.box((40, 20, 20))), unit="mm")
    moved = with_solid(solid).translate((0.0, 0.0, -0.03)).conductors[1]
    points = np.random.default_rng(5).uniform(-0.06, 0.06, (500, 3))
    ready = em.conductors.solid_box((0, 0, -0.03), (0.04, 0.02, 0.02))
    np.testing.assert_array_equal(moved.inside(*points.T), ready.inside(*points.T))
    assert moved.outline_m[:, :, 2].mean() == pytest.approx(-0.03)


def test_what_is_no_solid_is_refused(surface, tmp_path):
    """Oracle: the contract: one line that says what would do."""
    box = surface.trimesh.creation.box((80, 60, 40))
    path = surface(box)
    with pytest.raises(InputError, match="unit of the coordinates is not stated; found 'extent 80 x 60 x 40'"):
        em.read_conductor(path)
    with pytest.raises(InputError, match="wrong unit"):
        em.read_conductor(path, unit="m")
    box.update_faces(np.arange(12) > 1)
    with pytest.raises(InputError, match="Plate or a Strip"):
        em.read_conductor(surface(box, "open.stl"), unit="mm")
    with pytest.raises(InputError, match="no such file"):
        em.read_conductor(tmp_path / "missing.stl", unit="mm")
