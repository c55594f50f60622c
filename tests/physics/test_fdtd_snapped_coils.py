"""Coils off the voxel planes: grids that snap to them against finer uniform grids, and graded against equal steps."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.models import bodies
from emdose.models.coils.circuit_loops import CapacitorLoop
from emdose.models.coils.ideal import Loop
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.solver import Fdtd
from emdose.validation.cases.volume_integral import gel

H = 0.01
QUICK = {"margin_m": 0.03, "cpml_cells": 4, "tolerance": 3e-3}


def loop():
    """A loop of wire half a voxel off the planes in x, y and z, with its gap on one edge of the voxels.

    On cells of a half or a quarter it lies on edges.
    """
    body = bodies.sphere(0.03, H, gel()).translate((0.005, 0.0, 0.0))
    coil = CapacitorLoop(
        size_m=(0.18, 0.13), capacitors=1, capacitance_F=4e-12, centre_m=(0, 0, 0.085), gap_m=H, wire_radius_m=1e-3
    )
    return Exposure(body, coil, 100e6)


def resonance(**options):
    """Resonance of the loop [Hz], and the closure of its power."""
    found = Fdtd(**QUICK, **options).cosimulate(loop(), device="cpu")
    mode = max(found.modes(), key=lambda m: m.quality)
    return mode.frequency_Hz, found.fields().power.power()["closure"]


@pytest.fixture(scope="module")
def plain():
    return resonance()


@pytest.fixture(scope="module")
def snapped():
    return resonance(snap=True)


def test_a_loop_off_the_voxels(plain, snapped):
    """Oracle: uniform cells of half the size, on which the loop lies: its resonance, and conservation of energy."""
    fine = resonance(spacing_m=H / 2)
    off = [abs(r[0] / fine[0] - 1) for r in (plain, snapped)]
    assert off[0] > 0.02
    assert off[1] < 0.3 * off[0]
    assert max(plain[1], snapped[1], fine[1]) < 2e-3


@pytest.mark.slow
def test_a_loop_off_the_voxels_on_quarter_cells(plain, snapped):
    """Oracle: uniform cells of a quarter of the size, on which the loop lies."""
    fine = resonance(spacing_m=H / 4)
    both = [plain, snapped, resonance(snap=True, finest_m=H / 2)]
    off = [abs(r[0] / fine[0] - 1) for r in both]
    assert off[0] > 0.02
    assert off[1] < 0.3 * off[0]
    assert off[2] < 0.15 * off[0]
    assert max(r[1] for r in both) < 2e-3


def test_fields_in_a_body_are_those_of_equal_steps():
    """Oracle: equal steps everywhere; the body's cells are the same, the source is a filament that no grid moves."""
    exposure = Exposure(bodies.sphere(0.04, H, gel()), Loop(0.1, centre_m=(0, 0, 0.073)), 128e6)
    body = np.asarray(exposure.phantom.body, bool)
    equal, graded = (
        Fdtd(margin_m=0.06, cpml_cells=6, **o).solve(exposure, device="cpu") for o in ({"growth": 1.0}, {"snap": True})
    )
    inside = tuple(np.pad(body, [(0, 1)] * 3)[None, None] * f for f in (equal.E, graded.E))
    off = np.linalg.norm(inside[1] - inside[0]) / np.linalg.norm(inside[0])
    b = np.linalg.norm(graded.B - equal.B) / np.linalg.norm(equal.B)
    assert off < 5e-3
    assert b < 5e-3
    assert graded.power.power()["closure"] < 1e-3
