"""Method of moments: loops and dipoles of wire and of strip, by themselves in free space."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.constants import C_0
from emdose.models.leads import Lead
from emdose.solvers.leads.lead_in_medium import lead_in_medium
from emdose.solvers.leads.transfer import transfer_function
from emdose.solvers.mom.metal import ThinMetal
from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh
from emdose.validation.closed_forms.coils import conductors
from emdose.validation.closed_forms.coils.dipole import impedance_hallen
from emdose.validation.closed_forms.leads import insulated_wire
from emdose.validation.rows import Row, at_most, compare

COPPER = 5.8e7
RADIUS_M, WIRE_M, THICKNESS_M = 0.05, 5e-4, 1e-4
"""Of the ring, its wire, and the thickness of its strip, which is four times as wide as the wire's radius."""
LOOP_HZ, DIPOLE_HZ = 10e6, 300e6


def crowded(count: int) -> np.ndarray:
    """count + 1 lines from 0 to 1 that crowd towards both ends, as the current of a strip does."""
    return 0.5 * (1 - np.cos(math.pi * np.arange(count + 1) / count))


def ring_wire(radius_m: float, wire_radius_m: float, pieces: int, rotations: int = 1, gaps: int = 1) -> MetalMesh:
    """A ring of wire about the z axis, its gaps from x > 0 on at equal steps, in the sense of phi."""
    phi = 2 * math.pi * np.arange(pieces) / pieces
    points = radius_m * np.stack([np.cos(phi), np.sin(phi), 0 * phi], axis=1)
    at = np.arange(pieces)
    nodes = np.arange(gaps) * pieces // gaps
    cuts = [GapCut(f"gap {i + 1}", _around(phi[n]), np.zeros((0, 2), int), int(n)) for i, n in enumerate(nodes)]
    return _mesh(points, [], np.stack([at, (at + 1) % pieces], axis=1), wire_radius_m, cuts, rotations)


def ring_strip(
    radius_m: float,
    width_m: float,
    along: int,
    lines: np.ndarray,
    rotations: int = 1,
    gaps: int = 1,
    flat: bool = False,
) -> MetalMesh:
    """A ring of strip about the z axis, on a cylinder or flat; ``lines`` from 0 to 1 divide its width."""
    phi, v = 2 * math.pi * np.arange(along) / along, width_m * (lines - 0.5)
    r, z = radius_m + (v if flat else 0 * v), 0 * v if flat else v
    points = np.stack([np.outer(np.cos(phi), r), np.outer(np.sin(phi), r), np.broadcast_to(z, (along, len(v)))], 2)
    starts = np.arange(gaps) * along // gaps
    cuts = [GapCut(f"gap {i + 1}", _around(phi[n]), _line(int(n), len(v))) for i, n in enumerate(starts)]
    return _mesh(points.reshape(-1, 3), _cells(points, closed=True), [], 0.0, cuts, rotations)


def straight_wire(length_m: float, wire_radius_m: float, pieces: int) -> MetalMesh:
    """A dipole of wire along z with its gap in the middle; an even number of pieces."""
    z, at = length_m * (np.arange(pieces + 1) / pieces - 0.5), np.arange(pieces)
    gap = GapCut("feed", np.array([0.0, 0.0, 1.0]), np.zeros((0, 2), int), pieces // 2)
    points = np.stack([0 * z, 0 * z, z], axis=1)
    return _mesh(points, [], np.stack([at, at + 1], axis=1), wire_radius_m, [gap])


def straight_strip(length_m: float, width_m: float, along: int, lines: np.ndarray) -> MetalMesh:
    """A dipole of strip along z with its gap in the middle; an even number of cells along."""
    z, v = length_m * (np.arange(along + 1) / along - 0.5), width_m * (lines - 0.5)
    points = np.stack(np.broadcast_arrays(v[None, :], 0.0, z[:, None]), axis=2)
    gap = GapCut("feed", np.array([0.0, 0.0, 1.0]), _line(along // 2, len(v)))
    return _mesh(points.reshape(-1, 3), _cells(points, closed=False), [], 0.0, [gap])


def resistances(metal: ThinMetal) -> tuple[complex, float, float]:
    """Impedance of the only gap [ohm], and the shares of its resistance by far field and by loss [ohm]."""
    Y, currents = metal.admittance()[0, 0], metal.driven
    of_power = 2 / abs(Y) ** 2
    radiated, lost = metal.radiated_W(currents)[0, 0].real, metal.loss_W(currents).sum(axis=0)[0, 0].real
    return complex(1 / Y), float(of_power * radiated), float(of_power * lost)


def loops(device: Any) -> list[Row]:
    """A ring of wire and one of strip with a quarter of its width as the wire's radius."""
    be, omega = backend.get(device), 2 * math.pi * LOOP_HZ
    L = conductors.ring_inductance(RADIUS_M, WIRE_M)
    R = conductors.ring_radiation_resistance(RADIUS_M, LOOP_HZ)
    length = 2 * math.pi * RADIUS_M
    kinds = {
        "wire": (
            ring_wire(RADIUS_M, WIRE_M, 120, rotations=12),
            conductors.wire_resistance(length, WIRE_M, LOOP_HZ, COPPER),
            0.01,
        ),
        "strip": (
            ring_strip(RADIUS_M, 4 * WIRE_M, 60, crowded(4), rotations=12),
            conductors.strip_resistance(length, 4 * WIRE_M, THICKNESS_M, LOOP_HZ, COPPER),
            0.06,
        ),
    }
    rows, reactance = [], {}
    for kind, (mesh, lossy, share) in kinds.items():
        name = f"loop of {kind}, {LOOP_HZ / 1e6:g} MHz"
        Z, radiated, _ = resistances(ThinMetal(mesh, LOOP_HZ, None, None, be))
        rows += [
            compare(name, "closed form", "inductance [H]", L, Z.imag / omega, 0.01),
            compare(name, "closed form", "radiation resistance [ohm]", R, Z.real, 0.005),
            at_most(name, "energy conservation", "far-field power against input", abs(radiated / Z.real - 1), 1e-5),
        ]
        reactance[kind] = Z.imag
        _, _, lost = resistances(ThinMetal(mesh, LOOP_HZ, COPPER, THICKNESS_M, be))
        rows.append(compare(name, "closed form", "resistance of copper [ohm]", lossy, lost, share))
    both = "reactance [ohm]"
    rows.append(compare(name, "loop of wire, a = w/4", both, reactance["wire"], reactance["strip"], 0.01))
    alone, turned = (
        ThinMetal(ring_strip(RADIUS_M, 4 * WIRE_M, 36, crowded(4), n, gaps=3), 128e6, COPPER, None, be).admittance()
        for n in (1, 12)
    )
    error = float(abs(turned - alone).max() / abs(alone).max())
    return [*rows, at_most("loop of strip in 12 sectors", "one dense matrix", "admittance of three gaps", error, 1e-10)]


def dipole(device: Any) -> list[Row]:
    """A half-wave dipole of wire and one of strip."""
    be, wavelength = backend.get(device), C_0 / DIPOLE_HZ
    a, length, pieces = 1e-3 * wavelength, 0.5 * wavelength, 40
    name, rows, found = f"half-wave dipole, {DIPOLE_HZ / 1e6:g} MHz", [], {}
    for kind, mesh in {
        "wire": straight_wire(length, a, 2 * pieces),
        "strip": straight_strip(length, 4 * a, 60, crowded(6)),
    }.items():
        Z, radiated, _ = resistances(ThinMetal(mesh, DIPOLE_HZ, None, None, be))
        found[kind] = Z
        closure = abs(radiated / Z.real - 1)
        rows.append(at_most(f"{name}, {kind}", "energy conservation", "far-field power against input", closure, 1e-5))
    expected = impedance_hallen(length, a, DIPOLE_HZ, pieces)
    for kind, oracle, reference, tolerance in (
        ("wire", "Hallén's equation", expected, 0.002),
        ("strip", "dipole of wire, a = w/4", found["wire"], 0.01),
    ):
        for part in ("real", "imag"):
            quantity = f"{'resistance' if part == 'real' else 'reactance'} [ohm]"
            values = getattr(reference, part), getattr(found[kind], part)
            rows.append(compare(f"{name}, {kind}", oracle, quantity, *values, tolerance))
    return rows


def _around(phi: float) -> np.ndarray:
    return np.array([-math.sin(phi), math.cos(phi), 0.0])


def _line(start: int, count: int) -> np.ndarray:
    at = start * count + np.arange(count)
    return np.stack([at[:-1], at[1:]], axis=1)


def _cells(points: np.ndarray, closed: bool) -> np.ndarray:
    """Two triangles for every cell between points (along, across, 3)."""
    number = np.arange(points.shape[0] * points.shape[1]).reshape(points.shape[:2])
    following = np.roll(number, -1, axis=0)
    if not closed:
        number, following = number[:-1], following[:-1]
    a, b, c, d = number[:, :-1], following[:, :-1], following[:, 1:], number[:, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _mesh(
    points: np.ndarray, triangles: Any, wires: Any, wire_radius_m: float, gaps: list[GapCut], rotations: int = 1
) -> MetalMesh:
    no, none = np.zeros(len(triangles), int), np.zeros(len(wires), int)
    radii = np.full(len(wires), wire_radius_m)
    return MetalMesh(points, triangles, wires, radii, tuple(gaps), no, none, rotations=rotations)


def leads(_device: Any) -> list[Row]:
    """A coated wire in gel: its wave beside King's line, a short one beside its coat, reciprocity beside pieces."""
    name, gel = "leads", (80.0, 0.47)
    a, b, coat, along = 5e-4, 7.5e-4, 3.0, np.array([1.0, 0, 0])

    def wire(length_m: float, bare_tip_m: float = 0.0) -> Lead:
        return Lead(np.stack([0 * along, length_m * along]), a, b, coat, bare_tip_m)

    rows = []
    for frequency_Hz in (63.87e6, 127.74e6):
        half = math.pi / insulated_wire.king_line(frequency_Hz, a, b, coat, *gel)[0].real
        lengths = half * np.array([0.9, 0.95, 1.0, 1.05, 1.1])
        solved = [lead_in_medium(wire(length), frequency_Hz, *gel).in_field(along) for length in lengths]
        fit = np.polyfit(lengths, [abs(s.at(x / 2)[0]) for s, x in zip(solved, lengths, strict=True)], 2)
        told = f"longest-current length at {frequency_Hz / 1e6:g} MHz [m]"
        rows.append(compare(name, "King's insulated antenna, half a wave", told, half, -fit[1] / (2 * fit[0]), 0.03))
    short = lead_in_medium(wire(0.1), 1e6, *gel).in_field(along).at(0.05)[0]
    exact = insulated_wire.short_wire(1e6, a, b, coat, 0.1)
    rows.append(compare(name, "jw C' E L^2 / 8", "mid current of a short wire [A]", abs(exact), abs(short), 5e-3))
    by_gap, by_piece = (
        transfer_function(wire(0.4, 0.01), 63.87e6, *gel, method=method, piece_m=2e-3)
        for method in ("reciprocity", "piecewise")
    )
    off = np.linalg.norm(by_piece.values - by_gap.at(by_piece.distance_m)) / np.linalg.norm(by_piece.values)
    rows.append(
        at_most(name, "a field on one piece after another", "transfer function by reciprocity", float(off), 0.01)
    )
    return rows


CASES = {"metal loops": loops, "metal dipole": dipole, "leads": leads}
