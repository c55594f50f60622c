"""Wires as straight pieces: lengths, corners and gaps, which are known exactly."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import mesh_topology as topology

import emdose as em
from emdose.models.coils.conductors import FeedPort, Wire
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


@pytest.mark.parametrize("gap_on", ["rung", "ring", "junction"])
def test_closed_rings_of_a_cage_of_wires(gap_on: str) -> None:
    """Oracle: lengths, and 16 junctions of three pieces; a gap over a junction leaves the rings whole."""
    angle = 2 * np.pi * np.arange(8) / 8
    outward = np.stack([np.cos(angle), np.sin(angle), np.zeros(8)], axis=1)
    wires = [Wire(0.15 * n + np.array([[0, 0, -0.1], [0, 0, 0.1]]), 1e-3) for n in outward]
    around = np.radians(np.arange(0, 361, 1.5) + 10.5)
    ring = 0.15 * np.stack([np.cos(around), np.sin(around), np.zeros_like(around)], axis=1)
    ring[-1] = ring[0]
    wires += [Wire(ring + np.array([0, 0, z]), 1e-3) for z in (-0.1, 0.1)]
    ends = {
        "rung": ([0.15, 0, -0.002], [0.15, 0, 0.002]),
        "ring": (ring[8] + [0, 0, 0.1], ring[10] + [0, 0, 0.1]),
        "junction": (ring[22] + [0, 0, 0.1], ring[24] + [0, 0, 0.1]),
    }[gap_on]
    feed = FeedPort("feed", tuple(ends[0]), tuple(ends[1]))
    if gap_on == "junction":
        with pytest.raises(em.InputError, match="junction"):
            mesh_of(em.CircuitCoil("cage", wires, [], [feed]), LARMOR)
        return
    mesh = mesh_of(em.CircuitCoil("cage", wires, [], [feed]), LARMOR)
    assert mesh.rotations == 8
    assert topology.is_sector_major(mesh, 1e-14)
    assert mesh.wire_lengths_m.sum() == pytest.approx(8 * 0.2 + 4 * np.pi * 0.15, rel=1e-3)
    assert np.bincount(np.unique(mesh.wires, return_counts=True)[1]).tolist()[3:] == [16]


def test_decoupled_wire_loops_hang_together() -> None:
    """Oracle: 8 loops and 16 bridges are one piece, 32 junctions; with all gaps cut, 32 + 0 pieces remain."""
    mesh = mesh_of(em.CapacitorLoopArray(8, wire_radius_m=1e-3, decoupling_F=1e-12), LARMOR)
    assert mesh.rotations == 8
    assert topology.is_sector_major(mesh, 1e-14)
    assert np.bincount(np.unique(mesh.wires, return_counts=True)[1]).tolist()[3:] == [32]
    assert len(np.unique(topology.elements_joined(mesh))) == 1
    assert len(np.unique(topology.elements_joined(mesh, mesh.gaps))) == 32
