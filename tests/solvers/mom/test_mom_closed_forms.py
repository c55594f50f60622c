"""Loops and dipoles beside closed forms, Hallén's equation, and each other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0
from emdose.solvers.mom.metal import EDGE_THICKNESS_M, ThinMetal
from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh
from emdose.solvers.mom.surface import edge_factors, face_impedance, sheet_impedance, wire_impedance
from emdose.validation.cases import mom
from emdose.validation.closed_forms.coils import conductors
from emdose.validation.closed_forms.coils.dipole import impedance_hallen
from emdose.validation.closed_forms.coils.loops import static_potential

BE = backend.get("cpu")


@pytest.mark.parametrize("case", ["metal loops", "metal dipole", "leads"])
def test_rows_of_the_validation(case: str) -> None:
    """Oracles: as each row names; these are what ``emdose validate`` shows."""
    for row in mom.CASES[case]("cpu"):
        assert row.passed, row


def test_order_of_convergence_of_a_loop_of_wire() -> None:
    """Oracle: the order, 2 for linear currents on the pieces of a polygon."""
    L = [mom.resistances(ThinMetal(mom.ring_wire(0.05, 1e-4, n), 1e7, None, None, BE))[0].imag for n in (16, 32, 64)]
    assert math.log2((L[1] - L[0]) / (L[2] - L[1])) == pytest.approx(2.0, abs=0.3)


def test_a_strip_converges_towards_its_closed_form() -> None:
    """Oracle: closed form of the inductance; cells that crowd towards the edges halve in size."""
    exact = 2 * math.pi * 1e7 * conductors.ring_inductance(0.05, 5e-4)
    errors = []
    for n in (2, 4, 8):
        mesh = mom.ring_strip(0.05, 2e-3, 30 * n // 2, mom.crowded(n), rotations=15 * n // 2)
        errors.append(mom.resistances(ThinMetal(mesh, 1e7, None, None, BE))[0].imag / exact - 1)
    assert 0.03 > errors[0] > 2.5 * errors[1] > 6 * errors[2] > 0


@pytest.mark.parametrize("ratio", [1e-3, 1e-4])
@pytest.mark.parametrize("length", [0.3, 0.5, 0.7])
def test_dipoles_beside_hallens_equation(ratio: float, length: float) -> None:
    """Oracle: a second engine, which matches another integral equation at points."""
    wavelength = C_0 / 300e6
    size = length * wavelength, ratio * wavelength
    found = mom.resistances(ThinMetal(mom.straight_wire(*size, 60), 300e6, None, None, BE))[0]
    assert found == pytest.approx(impedance_hallen(*size, 300e6, 30), rel=2e-3)


@pytest.mark.parametrize("inner", [0.047, 0.04, 0.02])
def test_mutual_inductance_of_a_ring_of_strip_and_one_of_wire(inner: float) -> None:
    """Oracle: closed form of the field of a loop; wires beside triangles, near and far."""
    strip, wire = mom.ring_strip(0.05, 1e-3, 72, mom.crowded(2), 24), mom.ring_wire(inner, 2e-4, 72, 24)
    n = len(strip.points_m)
    mesh = MetalMesh(
        np.concatenate([strip.points_m, wire.points_m]),
        strip.triangles,
        wire.wires + n,
        wire.wire_radius_m,
        (*strip.gaps, GapCut("wire", wire.gaps[0].direction, np.zeros((0, 2), int), n)),
        strip.triangle_part,
        wire.wire_part,
        rotations=24,
    )
    Z = np.linalg.inv(ThinMetal(mesh, 1e7, None, None, BE).admittance())
    M = 2 * math.pi * inner * float(static_potential(0.05, np.array(inner), np.array(0.0)))
    assert Z[0, 1].imag / (2 * math.pi * 1e7) == pytest.approx(M, rel=0.006)


def test_resistance_of_strips_of_any_mesh() -> None:
    """Oracle: closed form with the thickness, or the one that edges have by default."""
    length, size = 0.1 * math.pi, (4e-3, 1e-4, 3e7, mom.COPPER)
    exact = conductors.strip_resistance(length, *size)
    for lines in (np.array([0, 0.25, 0.75, 1]), np.linspace(0, 1, 5), mom.crowded(4), mom.crowded(6)):
        mesh = mom.ring_strip(0.05, size[0], 48, lines, rotations=12)
        lost = mom.resistances(ThinMetal(mesh, 3e7, mom.COPPER, 1e-4, BE))[2]
        assert lost == pytest.approx(exact, rel=0.05)
        lost = mom.resistances(ThinMetal(mesh, 3e7, mom.COPPER, None, BE))[2]
        thinner = conductors.strip_resistance(length, size[0], EDGE_THICKNESS_M, *size[2:])
        assert lost == pytest.approx(thinner, rel=0.05)


def test_impedance_of_sheets() -> None:
    """Oracles: thick and thin limits, and the reflection of a wave inside a slab."""
    f, sigma = 64e6, 5.8e7
    zeta, depth = face_impedance(f, sigma), 1 / math.sqrt(math.pi * f * 4e-7 * math.pi * sigma)
    assert sheet_impedance(f, sigma) == sheet_impedance(f, sigma, 1.0) == 0.5 * zeta
    assert sheet_impedance(f, sigma, 1e-9) == pytest.approx(1 / (sigma * 1e-9), rel=1e-3)
    t = 1.3 * depth
    wave = np.exp(-(1 + 1j) * t / depth)
    assert sheet_impedance(f, sigma, t) == pytest.approx(0.5 * zeta * (1 + wave) / (1 - wave), rel=1e-6)
    assert wire_impedance(f, sigma, 1e-3).real == pytest.approx(conductors.wire_resistance(1.0, 1e-3, f, sigma))
    factors = edge_factors(np.array([1e-3, 1e-9, np.inf]), 35e-6)
    assert factors[0] > 2
    assert factors[1:].tolist() == [1.0, 1.0]
