"""Meshes of birdcages and shields: area, topology, symmetry and cuts, which are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import mesh_topology as topology

import emdose as em
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.meshing.options import MeshOptions

LARMOR = 127.74e6
STRIPS = 16 * 0.01 * 0.19 + 2 * 0.01 * 2 * np.pi * 0.15
"""Area of 16 rungs between two rings of a cage of the default size with strips of 10 mm [m2]."""


@pytest.mark.parametrize(("kind", "gaps"), [("high-pass", 32), ("low-pass", 16), ("band-pass", 48)])
def test_strips_of_a_cage(kind: str, gaps: int) -> None:
    """Oracle: area of the strips on the cylinder, Euler characteristic -16 of a tube with 16 windows."""
    mesh = mesh_of(em.CircuitBirdcage(16, kind=kind, strip_width_m=0.01), LARMOR)
    _edges, count = topology.edges_of(mesh)
    assert topology.area(mesh) == pytest.approx(STRIPS, rel=3e-4)  # chords
    assert topology.euler(mesh) == -16
    assert topology.boundaries(mesh) == 18
    assert count.max() == 2
    assert mesh.rotations == 16
    assert topology.is_sector_major(mesh, 1e-15)
    assert len(mesh.gaps) == gaps
    assert [topology.cut_length(mesh, g) for g in mesh.gaps] == pytest.approx([0.01] * gaps, rel=1e-4)
    # All ring gaps of the high-pass cage cut leave 16 pieces, all rung gaps two rings; of both, 32 crosses.
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == {16: 2, 32: 16, 48: 32}[gaps]


def test_each_gap_is_where_it_was_put() -> None:
    """Oracle: middle of the gap of the coil, to the chord; the cut runs across it."""
    coil = em.CircuitBirdcage(8, strip_width_m=0.012, kind="band-pass").translate((0.03, -0.02, 0.01))
    mesh = mesh_of(coil, LARMOR)
    for gap, cut in zip(coil.gaps, mesh.gaps, strict=True):
        middle = 0.5 * (np.array(gap.start_m) + gap.end_m)
        ends = mesh.points_m[cut.edges]
        assert np.abs(ends.mean(axis=(0, 1)) - middle).max() < 2e-4
        assert np.abs((ends[:, 1] - ends[:, 0]) @ cut.direction).max() < 1e-9
        assert cut.direction @ np.subtract(gap.end_m, gap.start_m) > 0


def test_moving_the_coil_moves_its_mesh() -> None:
    coil = em.CircuitBirdcage(8, strip_width_m=0.01, shield_radius_m=0.2)
    here, there = mesh_of(coil, LARMOR), mesh_of(coil.translate((0.1, -0.05, 0.02)), LARMOR)
    assert np.array_equal(here.triangles, there.triangles)
    assert np.abs(there.points_m - here.points_m - [0.1, -0.05, 0.02]).max() < 1e-14
    assert np.abs(there.centre_m - here.centre_m - [0.1, -0.05, 0.02]).max() < 1e-15


def test_a_shield_is_a_tube_of_its_own_part() -> None:
    """Oracle: area of the tube, to its chords; Euler characteristic 0 more."""
    options = MeshOptions(shield_around=64, shield_along=10)
    mesh = mesh_of(em.CircuitBirdcage(16, strip_width_m=0.01, shield_radius_m=0.2), LARMOR, options)
    assert mesh.parts == ("coil", "shield")
    assert topology.area(mesh, 1) == pytest.approx(64 * 2 * 0.2 * np.sin(np.pi / 64) * 0.3, rel=1e-12)
    assert topology.area(mesh, 0) == pytest.approx(STRIPS, rel=3e-4)
    assert topology.euler(mesh) == -16
    assert np.count_nonzero(mesh.triangle_part == 1) == 2 * 64 * 10
    assert mesh.rotations == 16
    assert topology.is_sector_major(mesh, 1e-15)


def test_a_cage_of_wires() -> None:
    """Oracle: rungs, arcs of chords of at most 7.5 degrees, and 32 junctions of three wires."""
    mesh = mesh_of(em.CircuitBirdcage(16, wire_radius_m=1e-3), LARMOR)
    assert mesh.rotations == 16
    assert topology.is_sector_major(mesh, 1e-15)
    assert mesh.wire_lengths_m.sum() == pytest.approx(16 * 0.2 + 4 * np.pi * 0.15, rel=1e-3)
    ends, count = np.unique(mesh.wires, return_counts=True)
    assert np.bincount(count).tolist()[3:] == [32]
    assert np.all(count[np.isin(ends, [g.node for g in mesh.gaps])] == 2)
    assert np.all(mesh.wire_radius_m == 1e-3)
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 16


def test_finer_options_make_smaller_cells() -> None:
    coil = em.CircuitBirdcage(8, strip_width_m=0.01, shield_radius_m=0.2)
    coarse, fine = (mesh_of(coil, LARMOR, MeshOptions().refined(f)) for f in (1.0, 2.0))
    assert 3 < len(fine.triangles) / len(coarse.triangles) < 5
    assert topology.euler(fine) == topology.euler(coarse) == -8
