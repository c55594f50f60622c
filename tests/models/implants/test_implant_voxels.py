"""Implants on voxels: fractions of volume and of faces, walls, overlaps, placement in a phantom."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.models.implants.implant import Implant, Part, assembly
from emdose.models.implants.signed_distance import ball
from emdose.models.implants.voxels import VoxelImplant, embed, grid_around, voxelise
from emdose.models.implants.walls import wall_thickness


def balance(v: VoxelImplant, implant: Implant) -> float:
    """Largest difference between the fractions and the whole: volume, and the surface seen along each axis."""
    return abs(v.volume_m3 / implant.volume_m3 - 1)


def test_box_on_the_grid_is_exact() -> None:
    """Oracle: counting. 4 x 6 x 8 voxels, all full; faces inside open, faces on the surface closed."""
    v = voxelise(em.implants.box((0.004, 0.006, 0.008)), 1e-3)
    assert v.grid.shape == (4, 6, 8)
    assert (v.fraction == 1).all()
    assert (v.part == 1).all()
    for c, inside in enumerate((np.s_[1:4, :6, :8], np.s_[:4, 1:6, :8], np.s_[:4, :6, 1:8])):
        wanted = np.zeros(v.grid.node_shape)
        wanted[inside] = 1
        np.testing.assert_array_equal(v.face_fraction[c], wanted)


def test_box_across_voxels_is_exact() -> None:
    """Oracle: products of the covered lengths, on voxels of three different edges."""
    grid = em.Grid((5, 4, 6), (1e-3, 1.5e-3, 0.8e-3), (0, 0, 0))
    low, high = np.array([0.3e-3, 0.7e-3, 1.1e-3]), np.array([4.2e-3, 5.2e-3, 3.5e-3])
    box = em.implants.box(tuple(high - low), "gold", tuple(0.5 * (low + high)))
    v = voxelise(box, grid=grid, check_walls=False)
    covered = [
        np.clip(np.minimum(grid.nodes(a)[1:], high[a]) - np.maximum(grid.nodes(a)[:-1], low[a]), 0, None)
        / grid.spacing_m[a]
        for a in range(3)
    ]
    np.testing.assert_allclose(v.fraction, np.einsum("i,j,k->ijk", *covered), atol=2e-6)
    for c in range(3):
        cut = [covered[a] for a in range(3)]
        # A face is open between two voxels that both hold metal.
        cut[c] = np.concatenate([[0], (covered[c][:-1] > 0) & (covered[c][1:] > 0), [0]])
        wanted = np.einsum("i,j,k->ijk", *cut)
        found = v.face_fraction[c][tuple(slice(n) for n in wanted.shape)]
        np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_sphere_converges_to_the_ideal_one() -> None:
    """Oracle: the ideal sphere, as areas of circle segments and volumes of slabs: differences fall with the square of
    the triangles' size (the fractions of the polyhedron itself are exact)."""
    a, h = 0.015, 1.5e-3
    errors = []
    for n in (3, 4, 5):
        v = voxelise(em.implants.sphere(a, subdivisions=n), h)
        slabs = v.fraction.sum((1, 2), dtype=float) * h**3
        x = np.clip(v.grid.nodes(0), -a, a)
        ideal = math.pi * np.diff(a * a * x - x**3 / 3)
        planes = v.face_fraction[0].sum((1, 2), dtype=float)[2:-2] * h * h
        circles = math.pi * (a * a - v.grid.nodes(0)[2:-2] ** 2)
        errors.append((np.abs(slabs - ideal).max() / ideal.max(), np.abs(planes - circles).max() / circles.max()))
    order = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(order > 1.7), order
    assert np.all(np.array(errors[-1]) < 4e-4), errors


def test_cylinder_sections() -> None:
    """Oracle: every face across a cylinder sums up to its section; the volume is that of the cylinder."""
    implant = em.implants.cylinder(0.008, 0.03, axis="z")
    v = voxelise(implant, (0.9e-3, 1.1e-3, 1e-3))
    sections = v.face_fraction[2].sum((0, 1), dtype=float)[1:-1] * 0.99e-6
    np.testing.assert_allclose(sections, math.pi * 0.008**2, rtol=1e-5)
    assert balance(v, implant) < 1e-5


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(0, 360),
    axis=st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda a: np.linalg.norm(a) > 0.1),
    h=st.tuples(*[st.floats(0.4e-3, 2e-3)] * 3),
    shift=st.tuples(*[st.floats(-1e-3, 1e-3)] * 3),
    shape=st.sampled_from(["box", "tube", "sphere", "shell"]),
)
def test_no_volume_is_lost_in_any_pose(angle, axis, h, shift, shape) -> None:
    """Oracles: volume of the mesh; a face can be no more open than a voxel of metal beside it allows."""
    implant = (
        {
            "box": em.implants.box((0.012, 0.008, 0.01)),
            "tube": em.implants.tube(0.008, 0.004, 0.01, around=24),
            "sphere": em.implants.sphere(0.006, subdivisions=2),
            "shell": em.implants.hollow_sphere(0.008, 0.004, subdivisions=2),
        }[shape]
        .rotated(angle, axis)
        .moved(shift)
    )
    v = voxelise(implant, h, check_walls=False)
    assert balance(v, implant) < 1e-4
    assert 0 <= v.fraction.min() <= v.fraction.max() <= 1
    assert 0 <= v.face_fraction.min() <= v.face_fraction.max() <= 1
    assert ((v.fraction > 0) == (v.part > 0)).all()


def test_corners_and_edges_in_planes_of_the_grid() -> None:
    """Oracle: a cube on its tip, its corners on nodes and its edges in planes of the grid, has its own volume; and an
    octahedron's section through the middle is a square of half the area of the box."""
    n = 8
    v = np.array([[n, 0, 0], [-n, 0, 0], [0, n, 0], [0, -n, 0], [0, 0, n], [0, 0, -n]], float) * 1e-3
    t = np.array([[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]])
    octahedron = Implant("octahedron", (Part("o", v, t, "gold"),))
    voxels = voxelise(octahedron, 1e-3)
    assert voxels.grid.shape == (2 * n,) * 3
    assert balance(voxels, octahedron) < 1e-7
    for c in range(3):
        assert voxels.face_fraction[c].take(n, axis=c).sum() == pytest.approx(2 * n * n, rel=1e-6)
        np.testing.assert_allclose(np.flip(voxels.fraction, c), voxels.fraction, atol=1e-6)


def test_touching_parts_conduct_into_each_other() -> None:
    """Oracle: two cubes face to face have the open faces of one long box; a gap of a voxel closes them."""
    cube = em.implants.box((0.004, 0.004, 0.004))
    pair = assembly("pair", cube, cube.with_metal("Ti6Al4V").moved((0, 0, 0.004)))
    long = em.implants.box((0.004, 0.004, 0.008)).moved((0, 0, 0.002))
    found, wanted = voxelise(pair, 1e-3), voxelise(long, 1e-3)
    np.testing.assert_array_equal(found.face_fraction, wanted.face_fraction)
    assert found.part[0, 0].tolist() == [1] * 4 + [2] * 4
    assert found.conductivity[0, 0, ::7].tolist() == [1.16e6, 0.58e6]
    around = voxelise(pair, grid=em.Grid((8, 8, 12), 1e-3, (-0.004, -0.004, -0.004)))
    np.testing.assert_array_equal(around.conductivity > 0, around.fraction > 0)
    assert around.conductivity.min() == 0
    # Not on a plane of the grid: the voxels in between are shared.
    grid = em.Grid((4, 4, 9), 1e-3, (-0.002, -0.002, -0.0023))
    np.testing.assert_allclose(
        voxelise(pair, grid=grid).face_fraction, voxelise(long, grid=grid).face_fraction, atol=1e-6
    )
    apart = assembly("apart", cube, cube.moved((0, 0, 0.005)))
    assert voxelise(apart, 1e-3).face_fraction[2, :, :, 4:6].max() == 0


def test_half_contact_on_a_plane() -> None:
    """Oracle: cubes shifted by half their width share half of their facing area."""
    cube = em.implants.box((0.004, 0.004, 0.004))
    pair = voxelise(assembly("pair", cube, cube.moved((0.002, 0, 0.004))), 1e-3)
    assert pair.face_fraction[2, :, :, 4].sum() == pytest.approx(8)


def test_overlapping_metals_are_refused() -> None:
    cube = em.implants.box((0.004, 0.004, 0.004))
    ball_ = em.implants.sphere(0.002, "gold").moved((0.002, 0, 0))
    with pytest.raises(em.InputError, match=r"parts 'box' and 'sphere' overlap; found '.* mm\^3 in common'"):
        voxelise(assembly("both", cube, ball_), 0.5e-3)
    part = cube.parts[0]
    twice = Part(
        "twice",
        np.concatenate([part.vertices, part.vertices + 1e-3]),
        np.concatenate([part.triangles, part.triangles + len(part.vertices)]),
        "gold",
    )
    with pytest.raises(em.InputError, match="covers a part of space twice"):
        voxelise(Implant("t", (twice,)), 0.5e-3)
    inside_out = Part("io", part.vertices, part.triangles[:, ::-1], "gold")
    with pytest.raises(em.InputError, match="inside out"):
        voxelise(Implant("t", (inside_out,)), 0.5e-3)


def test_curved_contact_is_no_overlap() -> None:
    """A ball in a socket of the same radius: facets overlap a little, which is allowed."""
    ball_, hull = ball(0.01), ball(0.02) - ball(0.01)
    both = Implant("joint", (ball_.part("ball", "CoCrMo", 1.1e-3), hull.part("socket", "Ti6Al4V", 1.7e-3)))
    v = voxelise(both, 1e-3)
    assert v.volume_m3 == pytest.approx(4 / 3 * math.pi * 8e-6, rel=1e-3)
    assert v.fraction[18:22, 18:22, 18:22].min() > 0.999
    assert v.face_fraction[2, 20, 20, 1:-1].min() > 0.97  # a ray through both contacts


def test_walls() -> None:
    """Oracle: the wall of a shell of 3 mm, of a plate of 1 mm along one axis."""
    shell = em.implants.hollow_sphere(0.02, 0.017)
    ((_, ways),) = wall_thickness(shell)
    depth = np.linalg.norm(ways, axis=1)
    assert np.quantile(depth, 0.02) == pytest.approx(3e-3, rel=0.02)
    with pytest.raises(em.InputError, match="step coarser than the thinnest wall; found '4 x 4 x 4 mm'; expected at m"):
        voxelise(shell, 4e-3)
    with pytest.warns(em.EmdoseWarning, match=r"only 1\.5 voxels across its thinnest wall of 3 mm"):
        voxelise(shell, 2e-3)
    voxelise(shell, 1e-3)
    plate = em.implants.box((0.03, 0.03, 0.001))
    with pytest.raises(em.InputError, match="thinnest wall"):
        voxelise(plate, 1.5e-3)
    assert voxelise(plate, (1.5e-3, 1.5e-3, 0.5e-3)).volume_m3 == pytest.approx(9e-7)  # fine where it is thin
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        voxelise(plate, 1.5e-3, check_walls=False)


def test_grid_and_arguments() -> None:
    sphere = em.implants.sphere(0.005)
    grid = grid_around(sphere, (1e-3, 2e-3, 3e-3))
    assert grid.spacing_m == (1e-3, 2e-3, 3e-3)
    np.testing.assert_allclose(np.mean(grid.bounds_m, axis=0), 0, atol=1e-12)
    wide = em.Grid((20, 20, 20), 1e-3)
    v = voxelise(sphere, grid=wide)
    assert v.grid is wide
    assert balance(v, sphere) < 1e-6
    with pytest.raises(em.InputError, match="outside the grid"):
        voxelise(sphere.moved((0.008, 0, 0)), grid=wide)
    with pytest.raises(em.InputError, match="either the spacing or a grid"):
        voxelise(sphere)
    with pytest.raises(em.InputError, match="grid too large"):
        voxelise(sphere, 1e-6)
    with pytest.raises(em.InputError, match="bad voxel size"):
        voxelise(sphere, 0)


def test_implant_in_a_phantom() -> None:
    """Oracle: volume; the metal sits where it was put, on the voxels of the phantom."""
    phantom = em.phantoms.gel_box(5e-3, (0.1, 0.08, 0.06))
    sphere = em.implants.sphere(0.012).placed((0.02, 0.01, 0))
    metal = embed(sphere, phantom)
    assert metal.part.shape == metal.fraction.shape == phantom.grid.shape
    assert metal.fraction.sum() * phantom.grid.voxel_volume_m3 == pytest.approx(sphere.volume_m3, rel=1e-5)
    centre = [float((metal.fraction * x).sum() / metal.fraction.sum()) for x in phantom.grid.centre_points()]
    np.testing.assert_allclose(centre, (0.02, 0.01, 0), atol=1e-5)
    with pytest.raises(em.InputError, match="implant outside the phantom"):
        embed(sphere.moved((0.05, 0, 0)), phantom)
    padded = phantom.pad(6)
    with pytest.raises(em.InputError, match=r"implant outside the phantom; found '5\d% of its volume in air'"):
        embed(sphere.placed((0.0505, 0, 0)), padded)


def test_batches_of_triangles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the same fractions in one go."""
    implant = em.implants.cylinder(0.006, 0.01, around=24).rotated(20, "x")
    whole = voxelise(implant, 1e-3)
    monkeypatch.setattr("emdose.models.implants.surface_cut.BATCH", 7)
    parts = voxelise(implant, 1e-3)
    np.testing.assert_allclose(parts.fraction, whole.fraction, atol=1e-6)
    np.testing.assert_allclose(parts.face_fraction, whole.face_fraction, atol=1e-6)


def test_kernels_and_references_agree_on_an_implant(reference_backend) -> None:
    """Oracle: the NumPy reference, through the whole of voxelise."""
    implant = em.implants.ring(0.01, 0.003, around=24, across=8).rotated(40, (1, 1, 0))
    from unittest.mock import patch

    compiled = voxelise(implant, 1e-3)
    with patch("emdose.compute.backend.get", return_value=reference_backend):
        reference = voxelise(implant, 1e-3)
    np.testing.assert_allclose(reference.fraction, compiled.fraction, atol=1e-6)
    np.testing.assert_allclose(reference.face_fraction, compiled.face_fraction, atol=1e-6)
