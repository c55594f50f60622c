"""Inductance of strips by the method of moments on these meshes."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.constants import MU_0
from emdose.models.coils.conductors import FeedPort, Strip
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.metal import ThinMetal

FREQUENCY = 10e6


def inductance(coil: em.CircuitCoil, options: MeshOptions) -> float:
    metal = ThinMetal(mesh_of(coil, FREQUENCY, options), FREQUENCY, None, None, backend.get("cpu"))
    return float((1 / metal.admittance()[0, 0]).imag / (2 * math.pi * FREQUENCY))


def test_a_strip_ring_has_its_inductance() -> None:
    """Oracle: mu0 R (ln(8 R / a) - 2), a = w / 4, of a thin ring; Galerkin's method comes down to it from above."""
    angle = np.radians(np.arange(0, 361, 1.5))
    points = 0.05 * np.stack([np.cos(angle), np.sin(angle), np.zeros_like(angle)], axis=1)
    points[-1] = points[0]
    strip = Strip(points, 0.002, 0.5 * (points[1:] + points[:-1]))
    ring = em.CircuitCoil("ring", [strip], [], [FeedPort("feed", tuple(points[118]), tuple(points[122]))])
    exact = MU_0 * 0.05 * (math.log(8 * 0.05 / 0.0005) - 2)
    found = [inductance(ring, MeshOptions(across=k, edge_grading=g)) for k, g in ((2, 3), (4, 1), (4, 3), (6, 3))]
    assert found[-1] == pytest.approx(exact, rel=1e-3)
    assert found[2] == pytest.approx(exact, rel=4e-3)
    assert found == sorted(found, reverse=True)


def test_long_cells_along_a_strip_do_no_harm() -> None:
    """Oracle: the same loop with cells half as long; 1e-3 beside the 5e-3 of four cells across."""
    loop = em.CapacitorLoop(size_m=(0.12, 0.16), strip_width_m=0.01, capacitors=1)
    long = inductance(loop, MeshOptions())
    short = inductance(loop, MeshOptions(along_widths=2.0, end_widths=0.5))
    assert long == pytest.approx(short, rel=1e-3)
    assert long == pytest.approx(inductance(loop, MeshOptions().refined(1.5)), rel=5e-3)


def test_capacitors_between_neighbours_decouple_them() -> None:
    """Oracle: what they are for: the coupling of neighbours goes through zero as their capacitance grows."""
    frequency, loop_F = 127.74e6, 13.96e-12
    w = 2 * math.pi * frequency
    coil = em.CapacitorLoopArray(8, wire_radius_m=1e-3, decoupling_F=1e-12)
    metal = ThinMetal(mesh_of(coil, frequency), frequency, None, None, backend.get("cpu"))
    Z = np.linalg.inv(metal.admittance())
    feed = np.array([g.feed is not None for g in coil.gaps])
    between = np.array([g.name.startswith("loops") for g in coil.gaps])
    found = []
    for decoupling_F in (1e-16, 25e-12, 30e-12, 35e-12):
        capacitance = np.where(between, decoupling_F, loop_F)
        A = Z + np.diag(np.where(feed, 0.0, 1 / (1j * w * capacitance)))
        inner = np.linalg.solve(A[np.ix_(~feed, ~feed)], A[np.ix_(~feed, feed)])
        own = A[np.ix_(feed, feed)] - A[np.ix_(feed, ~feed)] @ inner
        found.append(own[0, 1].imag)
    assert found[0] < found[1] < 0 < found[3]
    assert abs(found[2]) < 0.05 * abs(found[0])


def test_a_shield_is_fine_where_a_coil_is_near() -> None:
    """Oracle: cells half as long opposite to the strips; the same cells everywhere miss it by more than 3 %."""
    cage = em.CircuitBirdcage(8, radius_m=0.1, length_m=0.1, strip_width_m=0.01, shield_radius_m=0.105)
    order = {g.element.name: n for n, g in enumerate(cage.gaps) if g.element is not None}
    mode = np.zeros(16)
    for n in range(8):
        mode[order[f"top {n + 1}"]] = math.cos(2 * math.pi * n / 8)
        mode[order[f"bottom {n + 1}"]] = -math.cos(2 * math.pi * n / 8)

    def reactance(nearness: float) -> float:
        options = MeshOptions(across=2, shield_around=24, shield_along=6, shield_nearness=nearness)
        metal = ThinMetal(mesh_of(cage, 127.74e6, options), 127.74e6, None, None, backend.get("cpu"))
        return float((mode @ np.linalg.inv(metal.admittance()) @ mode).imag / (mode @ mode))

    fine = reactance(0.75)
    assert reactance(1.5) == pytest.approx(fine, rel=3e-3)
    assert reactance(20.0) > 1.03 * fine
