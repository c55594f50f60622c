"""Metal by itself. Oracles: conservation of energy, reciprocity, the solution without symmetry, the NumPy reference."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from strict_device import strict_backend

from emdose.compute import backend, kernel_compiler
from emdose.constants import C_0
from emdose.errors import InputError, ResourceError
from emdose.solvers.far_field import Directions, power_W
from emdose.solvers.mom import impedance
from emdose.solvers.mom import metal as module
from emdose.solvers.mom.metal import ThinMetal
from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh
from emdose.validation.cases import mom

COPPER, THICKNESS = 5.8e7, 35e-6
BE = backend.get("cpu")
NO_EDGES = np.zeros((0, 2), int)


def strip(rotations: int = 1, along: int = 24) -> MetalMesh:
    return mom.ring_strip(0.05, 4e-3, along, mom.crowded(3), rotations, gaps=3)


def wire(rotations: int = 1) -> MetalMesh:
    return mom.ring_wire(0.05, 1e-3, 24, rotations, gaps=3)


def both(rotations: int = 1, along: int = 24) -> MetalMesh:
    """The strip with a ring of wire inside it."""
    one, other = strip(rotations, along), mom.ring_wire(0.04, 1e-3, along, rotations)
    n = len(one.points_m)
    gap = dataclasses.replace(other.gaps[0], name="inner", node=other.gaps[0].node + n)
    return MetalMesh(
        np.concatenate([one.points_m, other.points_m]),
        one.triangles,
        other.wires + n,
        other.wire_radius_m,
        (*one.gaps, gap),
        one.triangle_part,
        other.wire_part + 1,
        ("strip", "wire"),
        rotations,
    )


MESHES = pytest.mark.parametrize("mesh", [strip, wire, both])


@MESHES
@pytest.mark.parametrize("rotations", [2, 3, 8, 24])
def test_a_symmetric_mesh_answers_as_without_its_symmetry(mesh, rotations: int) -> None:
    """Oracle: the same from one dense matrix; the seams of the sectors lie elsewhere."""
    dense, turned = (ThinMetal(mesh(n), 128e6, COPPER, THICKNESS, BE) for n in (1, rotations))
    assert turned.n == dense.n
    np.testing.assert_allclose(turned.admittance(), dense.admittance(), rtol=0, atol=1e-10 * abs(dense.driven).max())
    for quantity in ("radiated_W", "loss_W"):
        found, expected = (getattr(m, quantity)(m.driven) for m in (turned, dense))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * abs(expected).max())


@MESHES
def test_sectors_in_any_order_of_corners(mesh) -> None:
    """Oracle: the same mesh, the corners of its triangles named in other orders."""
    plain = mesh(8)
    rng = np.random.default_rng(0)
    shuffled = dataclasses.replace(plain, triangles=rng.permuted(plain.triangles, axis=1))
    expected = ThinMetal(plain, 128e6, None, None, BE).admittance()
    found = ThinMetal(shuffled, 128e6, None, None, BE).admittance()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * abs(expected).max())


def test_the_reference_of_the_kernels_fills_the_same_matrix(reference_backend: backend.Backend) -> None:
    for rotations in (1, 3):
        mesh = both(rotations, 6)
        found, expected = (
            ThinMetal(mesh, 128e6, COPPER, None, be).impedance_blocks() for be in (BE, reference_backend)
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * abs(expected).max())


@pytest.mark.skipif(kernel_compiler.compiler() is None, reason="needs a C compiler")
@pytest.mark.parametrize("rotations", [1, 3])
def test_on_an_imitated_device(rotations: int) -> None:
    """Oracle: the processor."""
    found, expected = (ThinMetal(both(rotations), 128e6, COPPER, None, be) for be in (strict_backend(), BE))
    np.testing.assert_allclose(found.driven, expected.driven, rtol=0, atol=1e-12 * abs(expected.driven).max())
    np.testing.assert_allclose(found.loss_W(found.driven), expected.loss_W(expected.driven), rtol=1e-9, atol=1e-20)


def test_the_matrix_does_not_depend_on_how_many_elements_are_done_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the matrix filled at once."""
    for rotations in (1, 3):
        metal = ThinMetal(both(rotations), 128e6, None, None, BE)
        expected = metal.impedance_blocks()
        with monkeypatch.context() as few:
            few.setattr("emdose.solvers.mom.impedance.CHUNK_BYTES", 9 * 16 * 160 * 7)
            np.testing.assert_allclose(metal.impedance_blocks(), expected, rtol=0, atol=1e-15 * abs(expected).max())


@MESHES
@pytest.mark.parametrize("conductivity", [None, COPPER])
def test_power_in_is_power_out(mesh, conductivity: float | None) -> None:
    """Oracle: conservation of energy, with and without loss; reciprocity."""
    metal = ThinMetal(mesh(), 128e6, conductivity, THICKNESS, BE)
    Y = metal.admittance()
    assert abs(Y - Y.T).max() < 1e-10 * abs(Y).max()
    # Voltages that drive current around the ring, and that do not.
    drives = np.zeros((len(Y), 3), complex)
    drives[:3] = np.array([[1, 1, 1], [1, -1, 0], [1, 1j, -0.5]]).T
    accepted = 0.5 * np.real(np.einsum("gk,gh,hk->k", drives.conj(), Y, drives))
    currents = metal.driven @ drives
    losses, radiated = metal.loss_W(currents), metal.radiated_W(currents)
    assert losses.shape[0] == len(metal.mesh.parts)
    np.testing.assert_allclose(np.diag(radiated + losses.sum(axis=0)).real, accepted, rtol=1e-5)
    np.testing.assert_allclose(radiated, radiated.conj().T, rtol=0, atol=1e-12 * abs(radiated).max())


def test_the_far_field_of_the_sources_of_a_mesh_is_that_of_its_charges() -> None:
    """Oracle: conservation of charge; r . F k follows from div J alone, div J = -j w rho."""
    metal = ThinMetal(both(), 128e6, None, None, BE)
    points, (*along, divergence) = metal.sources()
    current = metal.driven[:, 0]
    direction = np.array([0.6, 0.0, 0.8])
    wave = np.exp(1j * metal.wavenumber * points @ direction)
    longitudinal = wave @ sum(d * (m @ current) for d, m in zip(direction, along, strict=True))
    charges = wave @ (divergence @ current)
    assert charges == pytest.approx(-1j * metal.wavenumber * longitudinal, rel=1e-4)
    few, maps = metal.sources(1)
    assert len(few) == len(metal.elements.kind)
    for coarse, fine in zip(maps, (*along, divergence), strict=True):
        np.testing.assert_allclose((coarse @ current).sum(), (fine @ current).sum(), atol=1e-12)


def test_the_origin_of_the_far_field_changes_its_phase_alone() -> None:
    metal = ThinMetal(wire(), 128e6, None, None, BE)
    directions = Directions.enough_for(0.3, metal.wavenumber)
    here = metal.far_field(metal.driven, directions)
    there = metal.far_field(metal.driven, directions, origin_m=np.array([0.1, -0.2, 0.05]))
    np.testing.assert_allclose(abs(there), abs(here), rtol=0, atol=1e-12 * abs(here).max())
    expected = metal.radiated_W(metal.driven)
    found = power_W(there, directions, metal.wavenumber)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * abs(expected).max())


def plates(order: tuple[int, ...], height: float = 0.4) -> MetalMesh:
    """Three plates that share a line, like a Y drawn out along it, with a gap across all in the middle."""
    z, r = height * (np.arange(13) / 12 - 0.5), np.array([0.0, 0.01, 0.03])
    points, triangles, edges = [np.stack([0 * z, 0 * z, z], 1)], [], []
    for i in order:
        at = 2 * np.pi * i / 3
        number = np.empty((13, 3), int)
        number[:, 0] = np.arange(13)
        number[:, 1:] = sum(len(p) for p in points) + np.arange(26).reshape(13, 2)
        x, y = np.cos(at) * r[1:], np.sin(at) * r[1:]
        points.append(np.stack(np.broadcast_arrays(x, y, z[:, None]), -1).reshape(-1, 3))
        a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
        triangles.append(np.stack([a, b, c, a, c, d], -1).reshape(-1, 3))
        edges.append(np.stack([number[6, :-1], number[6, 1:]], 1))
    faces = np.concatenate(triangles)
    gap = GapCut("feed", np.array([0, 0, 1.0]), np.concatenate(edges))
    return MetalMesh(np.concatenate(points), faces, NO_EDGES, [], (gap,), np.zeros(len(faces)), [])


def test_three_plates_on_one_line() -> None:
    """Oracle: conservation of energy, and the order in which the plates are named means nothing."""
    found = []
    for order in ((0, 1, 2), (2, 0, 1)):
        metal = ThinMetal(plates(order), 300e6, None, None, BE)
        Z, radiated, _ = mom.resistances(metal)
        assert radiated == pytest.approx(Z.real, rel=1e-5)
        found.append(Z)
    assert found[1] == pytest.approx(found[0], rel=1e-9)
    # A dipole of 0.4 wavelengths is below its resonance.
    assert 20 < found[0].real < 60
    assert found[0].imag < 0


def test_three_wires_between_two_points() -> None:
    """Oracle: the symmetry of the figure, which no matrix was told, and conservation of energy."""
    theta = np.pi * np.arange(13) / 12
    points, wires, cuts = [np.array([[0, 0, 0.1], [0, 0, -0.1]])], [], []
    for i in range(3):
        at, number = 2 * np.pi * i / 3, 2 + 11 * i + np.arange(11)
        x, z = 0.1 * np.sin(theta[1:-1]), 0.1 * np.cos(theta[1:-1])
        points.append(np.stack([np.cos(at) * x, np.sin(at) * x, z], 1))
        chain = np.concatenate([[0], number, [1]])
        wires.append(np.stack([chain[:-1], chain[1:]], 1))
        cuts.append(GapCut(f"{i}", np.array([0, 0, -1.0]), NO_EDGES, int(number[5])))
    mesh = MetalMesh(
        np.concatenate(points), [], np.concatenate(wires), np.full(36, 1e-3), tuple(cuts), [], np.zeros(36)
    )
    metal = ThinMetal(mesh, 100e6, None, None, BE)
    assert metal.n == 3 * 11 + 2 * 2  # a function at every point of one wire, two where three end
    Y = metal.admittance()
    np.testing.assert_allclose(Y, np.where(np.eye(3), Y[0, 0], Y[0, 1]), rtol=0, atol=1e-10 * abs(Y).max())
    radiated = metal.radiated_W(metal.driven)
    np.testing.assert_allclose(np.diag(radiated).real, 0.5 * np.diag(Y).real, rtol=1e-4)


def test_a_point_where_a_gap_lies_on_the_first_of_three_wires() -> None:
    """Oracle: a stub of 0.1 mm beside a gap does not matter to a dipole."""
    plain = mom.straight_wire(0.4, 5e-4, 20)
    points = np.concatenate([plain.points_m, [[1e-4, 0, 0]]])
    stub = MetalMesh(
        points, [], np.concatenate([[[10, 21]], plain.wires]), np.full(21, 5e-5), plain.gaps, [], np.zeros(21)
    )
    thin = dataclasses.replace(plain, wire_radius_m=np.full(20, 5e-5))
    found, expected = (ThinMetal(m, 300e6, None, None, BE).admittance() for m in (stub, thin))
    assert found[0, 0] == pytest.approx(expected[0, 0], rel=0.02)


def test_what_cannot_be_computed_is_said_in_one_line() -> None:
    ring, strip_ = wire(), strip()
    mixed = both()
    on_triangle = dataclasses.replace(mixed, wires=np.where(mixed.wires == mixed.wires[0, 0], 0, mixed.wires))
    lonely = MetalMesh(np.eye(3), [[0, 1, 2]], NO_EDGES, [], (), [0], [])
    no_gap = dataclasses.replace(strip_, gaps=(GapCut("far", np.array([1.0, 0, 0]), np.array([[0, 50]])),))
    along = dataclasses.replace(ring, gaps=(dataclasses.replace(ring.gaps[0], direction=np.array([0, 0, 1.0])),))
    moved = dataclasses.replace(wire(3), points_m=wire().points_m * np.array([1.1, 1, 1]))
    for mesh, match in (
        (on_triangle, "a wire ends on a corner of a triangle"),
        (lonely, "no current can flow"),
        (no_gap, r"gap 'far': a gap on no conductor"),
        (along, "no current crosses a gap"),
        (moved, "does not have this symmetry"),
        (dataclasses.replace(wire(), rotations=5), "no multiple"),
        (dataclasses.replace(ring, gaps=(GapCut("x", np.ones(3), NO_EDGES),)), "cuts nothing"),
    ):
        with pytest.raises(InputError, match=match):
            ThinMetal(mesh, 128e6, None, None, BE)
    for frequency, sigma, thickness in ((0.0, None, None), (1e8, -1.0, None), (1e8, 1.0, 0.0)):
        with pytest.raises(InputError):
            ThinMetal(ring, frequency, sigma, thickness, BE)


def test_what_does_not_fit_the_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "planned_bytes", lambda *_: 2**50)
    with pytest.raises(ResourceError, match=r"24 unknowns .* GiB"):
        ThinMetal(wire(), 128e6, None, None, BE)


def test_wavelength_sets_the_scale() -> None:
    """Oracle: similarity; Z depends on lengths over the wavelength alone, for perfect metal."""
    small, large = (
        ThinMetal(mom.straight_wire(0.4 * s, 1e-3 * s, 20), 300e6 / s, None, None, BE).admittance() for s in (1, 7)
    )
    np.testing.assert_allclose(small, large, rtol=1e-9)
    assert ThinMetal(wire(), C_0, None, None, BE).wavenumber == pytest.approx(2 * np.pi)


@pytest.mark.parametrize("level", [0, 1])
def test_rules_integrate_what_they_should(level: int) -> None:
    """Oracle: integrals of products of barycentric coordinates, 2 a! b! c! / (2 + a + b + c)!; places on a line."""
    points = impedance.triangle_rule(level)
    assert points[:, 3].sum() == pytest.approx(1.0, rel=1e-12)
    for a, b, c in ((1, 0, 0), (1, 1, 0), (2, 0, 1)):
        exact = 2 * math.factorial(a) * math.factorial(b) * math.factorial(c) / math.factorial(2 + a + b + c)
        assert points[:, 3] @ (points[:, 0] ** a * points[:, 1] ** b * points[:, 2] ** c) == pytest.approx(
            exact, rel=1e-3
        )
    place, weight = impedance.wire_rule(level).T
    assert weight @ place**3 == pytest.approx(0.25, rel=1e-12)


def test_capacitance_of_slender_cells_does_not_depend_on_the_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: a rule of 448 points, 7 on each of 64 parts of a triangle. Cells here are 27 times as long as wide."""
    mesh = mom.ring_strip(0.15, 0.01, 24, mom.crowded(4), rotations=4, gaps=4)
    found = np.linalg.inv(ThinMetal(mesh, 128e6, None, None, BE).admittance())[0, 0]
    seven = impedance.triangle_rule(0)
    fine, corners = seven, np.eye(3)
    middles = 0.5 * (corners + np.roll(corners, -1, axis=0))
    parts = [np.array([corners[i], middles[i], middles[i - 1]]) for i in range(3)] + [middles]
    for _ in range(3):
        fine = np.concatenate([np.column_stack([fine[:, :3] @ p, 0.25 * fine[:, 3]]) for p in parts])
    monkeypatch.setattr(impedance, "triangle_rule", lambda level: fine)
    expected = np.linalg.inv(ThinMetal(mesh, 128e6, None, None, BE).admittance())[0, 0]
    assert found == pytest.approx(expected, rel=2e-4)
