"""Meshes of strips, plates and what bridges them: areas, topology and cuts, which are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import mesh_topology as topology

import emdose as em
from emdose.models.coils.conductors import Conductor, FeedPort, LumpedElement, Plate, Strip, Wire
from emdose.models.grids.grid import Vector
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.meshing.options import MeshOptions

LARMOR = 127.74e6
SEVEN = 298e6
PUBLIC = em.StripArray(
    8,
    radius_m=0.175,
    length_m=0.173,
    strip_width_m=0.012,
    between_m=(0.006, 0.017, 0.006),
    feed_from_end_m=0.0325,
    feeds_between=True,
)


def coil(conductors: list[Conductor], *gaps: tuple[Vector, Vector]) -> em.CircuitCoil:
    """Metal with a feed in the first gap and capacitors in the others."""
    parts = [LumpedElement(f"C{n}", *g, capacitance_F=1e-11) for n, g in enumerate(gaps[1:])]
    return em.CircuitCoil("test", conductors, parts, [FeedPort("feed", *gaps[0])])


def ring(radius: float) -> np.ndarray:
    angle = np.radians(np.arange(0, 361, 1.5))
    points = radius * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    points[-1] = points[0]
    return points


def test_a_rectangular_strip_loop() -> None:
    """Oracle: its area with square corners, one hole, four pieces when all gaps are cut."""
    mesh = mesh_of(em.CapacitorLoop(size_m=(0.12, 0.16), strip_width_m=0.01), LARMOR)
    assert topology.area(mesh) == pytest.approx(0.01 * 0.56, rel=1e-12)
    assert (topology.euler(mesh), topology.boundaries(mesh)) == (0, 2)
    assert [topology.cut_length(mesh, g) for g in mesh.gaps] == pytest.approx([0.01] * 4)
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 4
    for n in range(4):  # one gap cut opens the loop, a second one parts it
        assert len(np.unique(topology.elements_joined(mesh, mesh.gaps[n : n + 1]))) == 1


def test_edges_of_a_strip_are_fine() -> None:
    """Oracle: lines at 0, 1/8 and 1 of half the width from either edge."""
    mesh = mesh_of(em.CapacitorLoop(size_m=(0.12, 0.16), strip_width_m=0.01), LARMOR)
    x = np.unique(np.round(mesh.points_m[np.abs(mesh.points_m[:, 1]) < 0.06, 0], 9))
    assert x[x > 0] == pytest.approx(0.06 + 0.005 * np.array([-1, -7 / 8, 0, 7 / 8, 1]))


@pytest.mark.parametrize("normal", ["z", "radial"])
def test_circular_strips(normal: str) -> None:
    """Oracle: area 2 pi R w of an annulus and of a short tube, to their chords."""
    points = ring(0.05)
    outward = 0.5 * (points[1:] + points[:-1])
    strip = Strip(points, 0.002, np.array([0, 0, 1.0]) if normal == "z" else outward)
    mesh = mesh_of(coil([strip], (tuple(points[118]), tuple(points[122]))), LARMOR)
    assert topology.area(mesh) == pytest.approx(2 * np.pi * 0.05 * 0.002, rel=1e-3)
    assert (topology.euler(mesh), topology.boundaries(mesh)) == (0, 2)
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 1
    assert topology.cut_length(mesh, mesh.gaps[0]) == pytest.approx(0.002, rel=3e-3)


def test_a_strip_with_corners_of_any_angle_is_mitred() -> None:
    """Oracle: length of the middle line x width, whatever the corners."""
    points = np.array([[0.05, -0.05, 0], [0.1, -0.05, 0], [0.05, 0.06, 0], [0, -0.05, 0], [0.05, -0.05, 0]])
    length = np.linalg.norm(np.diff(points, axis=0), axis=1).sum()
    loop = coil([Strip(points, 0.005, np.array([0, 0, 1.0]))], ((0.02, -0.05, 0.0), (0.025, -0.05, 0.0)))
    mesh = mesh_of(loop, LARMOR)
    assert topology.area(mesh) == pytest.approx(length * 0.005, rel=1e-12)
    assert (topology.euler(mesh), topology.boundaries(mesh)) == (0, 2)


def test_rungs_and_rings_of_strips_are_one_cage() -> None:
    """Oracle: Euler characteristic -8 of a cage of flat strips with closed rings, as files describe them."""
    angle = 2 * np.pi * np.arange(8) / 8
    half = 0.1
    rungs = [
        Strip(
            np.array([[0.15 * np.cos(p), 0.15 * np.sin(p), z] for z in (-half, half)]), 0.01, (np.cos(p), np.sin(p), 0)
        )
        for p in angle
    ]
    rings = []
    for z in (-half, half):
        points = ring(0.15) + np.array([0, 0, z])
        rings.append(Strip(points, 0.01, 0.5 * (points[1:] + points[:-1]) * np.array([1, 1, 0])))
    gap = ((0.15, 0.0, -0.0025), (0.15, 0.0, 0.0025))
    mesh = mesh_of(coil([*rungs, *rings], gap), LARMOR)
    assert mesh.rotations == 8
    assert topology.is_sector_major(mesh, 1e-14)
    assert topology.euler(mesh) == -8
    assert topology.area(mesh) == pytest.approx(8 * 0.01 * 0.19 + 2 * 2 * np.pi * 0.15 * 0.01, rel=1e-3)


def test_gaps_between_conductors_get_metal_of_their_own() -> None:
    """Oracle: two halves and a gap are as one whole with the gap cut into it."""
    gap = ((0.0, 0.0, -0.003), (0.0, 0.0, 0.003))
    ends = (np.array([[0, 0, -0.1], [0, 0, -0.003]]), np.array([[0, 0, 0.003], [0, 0, 0.1]]))
    wires = mesh_of(coil([Wire(e, 1e-3) for e in ends], gap), LARMOR)
    assert wires.wire_lengths_m.sum() == pytest.approx(0.2)
    assert wires.points_m[wires.gaps[0].node] == pytest.approx([0, 0, 0], abs=1e-15)
    strips = mesh_of(coil([Strip(e, 0.01, np.array([1.0, 0, 0])) for e in ends], gap), LARMOR)
    assert topology.area(strips) == pytest.approx(0.2 * 0.01)
    for mesh in (wires, strips):
        assert len(np.unique(topology.elements_joined(mesh))) == 1
        assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 2


def test_a_strip_over_a_plate_stands_on_two_posts() -> None:
    """Oracle: areas; of strip, plate and posts each cut frees one end; edges of three triangles where posts stand."""
    low, high = ((0.0, 0.0, -0.1), (0.02, 0.0, -0.1)), ((0.0, 0.0, 0.1), (0.02, 0.0, 0.1))
    strip = Strip(np.array([[0, 0, -0.1], [0, 0, 0.1]]), 0.01, np.array([1.0, 0, 0]))
    plate = Plate((0.02, -0.03, -0.12), (0, 0.06, 0), (0, 0, 0.24))
    mesh = mesh_of(coil([strip, plate], low, high), LARMOR)
    assert topology.area(mesh) == pytest.approx(0.2 * 0.01 + 0.06 * 0.24 + 2 * 0.02 * 0.01, rel=1e-12)
    assert np.bincount(topology.edges_of(mesh)[1])[3:].tolist() == [8]
    assert [topology.cut_length(mesh, g) for g in mesh.gaps] == pytest.approx([0.01, 0.01])
    assert [len(np.unique(topology.elements_joined(mesh, mesh.gaps[:n]))) for n in (0, 1, 2)] == [1, 1, 2]


@pytest.mark.parametrize(
    ("array", "turns", "euler", "pieces"),
    [
        (em.StripArray(8), 8, 8, 16),
        (PUBLIC, 8, 8 * (4 - 6), None),
        (em.CapacitorLoopArray(8, strip_width_m=8e-3), 8, 0, 32),
        (em.CapacitorLoopArray(8, strip_width_m=8e-3, coverage=1.2), 4, 0, 32),
        (em.CapacitorLoopArray(8, strip_width_m=8e-3, decoupling_F=1e-12), 8, -16, 32),
        (em.MicrostripArray(8), 8, 0, 16),
        (em.MicrostripArray(8, shield_radius_m=0.18).translate((0.1, -0.2, 0.05)), 8, 0, 17),
        (em.MicrostripArray(8, ground="shield", shield_slots=8), 8, 0, 16),
        (em.MicrostripArray(8, ground="shield"), 8, -8, 9),
    ],
)
def test_arrays(array: em.CircuitCoil, turns: int, euler: int, pieces: int | None) -> None:
    """Oracle: Euler characteristic and number of pieces with all gaps cut, counted by hand."""
    mesh = mesh_of(array, SEVEN)
    assert mesh.rotations == turns
    assert topology.is_sector_major(mesh, 1e-14)
    assert topology.euler(mesh) == euler
    if pieces is not None:
        assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == pieces
    assert [g.name for g in mesh.gaps] == [g.name for g in array.gaps]


def test_the_public_array_is_cut_across_its_strips() -> None:
    """Oracle: 8 x (4 strips x 2 + 3 distances x 2) gaps, each as long as the strips are wide; 9 pieces per channel."""
    mesh = mesh_of(PUBLIC, SEVEN)
    assert len(mesh.gaps) == 112
    assert [topology.cut_length(mesh, g) for g in mesh.gaps] == pytest.approx([0.012] * 112, rel=1e-3)
    area = 8 * (4 * 0.012 * 0.173 + 2 * 0.012 * 0.029)
    assert topology.area(mesh) == pytest.approx(area, rel=1e-4)
    # A channel falls into 4 ends below, 4 above and, between, 4 strips.
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 8 * 12


def test_slots_cut_a_shield_into_panels() -> None:
    """Oracle: area without the slots, one panel each."""
    cage = em.CircuitBirdcage(16, strip_width_m=0.01, shield_radius_m=0.2, shield_slots=8, shield_slot_width_m=4e-3)
    mesh = mesh_of(cage, LARMOR)
    assert mesh.rotations == 8
    assert topology.area(mesh, 1) == pytest.approx((2 * np.pi * 0.2 - 8 * 4e-3) * 0.3, rel=1e-3)
    panels = np.unique(topology.elements_joined(mesh)[mesh.triangle_part == 1])
    assert len(panels) == 8


def test_a_solid_that_was_read_is_meshed_by_its_surface() -> None:
    """Oracle: the triangles themselves."""
    from emdose.models.coils.paths.solids import solid_of_surface

    corners = 0.01 * np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1.0]]) + np.array([0.1, 0, 0])
    solid = solid_of_surface(corners, np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]))
    wire = Wire(np.array([[0, 0, -0.1], [0, 0, 0.1]]), 1e-3)
    made = coil([wire, solid], ((0, 0, -0.0025), (0, 0, 0.0025))).translate((0, 0.1, 0))
    mesh = mesh_of(made, LARMOR, MeshOptions())
    assert topology.euler(mesh) == 2
    assert mesh.points_m[np.unique(mesh.triangles)] == pytest.approx(corners + np.array([0, 0.1, 0]))
