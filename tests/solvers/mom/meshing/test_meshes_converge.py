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
