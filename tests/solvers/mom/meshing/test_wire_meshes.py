"""Wires as straight pieces: lengths, corners and gaps, which are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import mesh_topology as topology

import emdose as em
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.meshing.options import MeshOptions

LARMOR = 127.74e6


def test_a_circular_loop() -> None:
    """Oracle: a polygon that every point of lies on the circle."""
    mesh = mesh_of(em.CapacitorLoop(0.05, wire_radius_m=1e-3), LARMOR)
    assert len(mesh.triangles) == 0
    assert mesh.wire_lengths_m.sum() == pytest.approx(2 * np.pi * 0.05, rel=1e-3)
    assert np.linalg.norm(mesh.points_m, axis=1) == pytest.approx(0.05, rel=1e-4)
    assert np.all(np.unique(mesh.wires, return_counts=True)[1] == 2)
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 4


def test_a_rectangular_loop() -> None:
    """Oracle: its circumference and its four corners."""
    coil = em.CapacitorLoop(size_m=(0.12, 0.16), wire_radius_m=1e-3)
    mesh = mesh_of(coil, LARMOR)
    assert mesh.wire_lengths_m.sum() == pytest.approx(0.56, rel=1e-12)
    for corner in [(x, y, 0) for x in (-0.06, 0.06) for y in (-0.08, 0.08)]:
        assert np.linalg.norm(mesh.points_m - corner, axis=1).min() < 1e-12
    for gap, cut in zip(coil.gaps, mesh.gaps, strict=True):
        assert mesh.points_m[cut.node] == pytest.approx(0.5 * (np.array(gap.start_m) + gap.end_m), abs=1e-12)


def test_a_dipole_has_its_feed_in_the_middle() -> None:
    mesh = mesh_of(em.Dipole(1.0, centre_m=(0.1, 0, 0)), LARMOR)
    assert mesh.points_m[mesh.gaps[0].node] == pytest.approx([0.1, 0, 0], abs=1e-15)
    assert len(mesh.wires) % 2 == 0
    assert np.all(mesh.wire_radius_m == MeshOptions().line_radius_m)


def test_loops_of_an_array_are_turned_copies() -> None:
    mesh = mesh_of(em.CapacitorLoopArray(8, wire_radius_m=1e-3), LARMOR)
    assert mesh.rotations == 8
    assert topology.is_sector_major(mesh, 1e-15)
    assert len(np.unique(topology.elements_joined(mesh))) == 8
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 32
