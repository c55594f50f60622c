"""A square cage and two loops that lie in planes of a grid: coil, body and mesh, for reference numbers.

The cage is a prism: eight rungs at its corners and in the middle of its faces, a capacitor in the middle between two
rungs in both end rings, and a shield of four plates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import emdose as em
from emdose.circuits.network import Network
from emdose.models.bodies.tissues import Constant
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Sheet, Strip
from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh

FREQUENCY_HZ = 127.74e6
HALF_M, RING_M, WIDTH_M, GAP_M = 0.065, 0.05, 0.01, 5e-3
"""Half the side of the cage, height of its end rings over the middle, width of its strips, length of its gaps [m]."""
SHIELD_M = (0.08, 0.07)
"""Half the side and half the length of the square shield [m]."""
LOAD_M = (0.04, 0.04)
"""Radius and half the length of the load [m]."""
VOXEL_M = 5e-3
GEL = (78.0, 0.6)


def body(loaded: bool, half_m: tuple[float, float, float] = (0.04, 0.04, 0.04)) -> em.Phantom:
    """Cylinder of voxels in a box with these half edges; without load of the same shape but with the medium of air."""
    shape = tuple(round(2 * h / VOXEL_M) for h in half_m)
    grid = em.Grid(shape, VOXEL_M)
    x, y, z = (-h + (np.arange(n) + 0.5) * VOXEL_M for h, n in zip(half_m, shape, strict=True))
    labels = (np.hypot(x[:, None], y)[:, :, None] < LOAD_M[0]) & (np.abs(z) < LOAD_M[1])
    medium = Constant(*GEL) if loaded else Constant(1.0001, 0.0)
    return em.Phantom(
        grid, labels.astype(np.uint8), (em.TissueTable.default()["air"], em.Tissue("gel", 1000.0, medium))
    )


def offsets(lines: int) -> np.ndarray:
    """Where the lines of a gap lie across its strip [m]."""
    return np.zeros(1) if lines == 1 else np.linspace(-0.5, 0.5, lines) * WIDTH_M


def along(points: np.ndarray, where: np.ndarray) -> float:
    """Length along a chain at which a point lies on it [m]."""
    d = np.diff(points, axis=0)
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(d, axis=1))])
    t = np.clip(((where - points[:-1]) * d).sum(1) / (d * d).sum(1), 0, 1)
    n = int(np.linalg.norm(points[:-1] + t[:, None] * d - where, axis=1).argmin())
    return float(s[n] + t[n] * (s[n + 1] - s[n]))


def split(points: np.ndarray, gaps: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Pieces of a closed chain between gaps (start, end) that lie on it in its order; the first begins after a gap."""
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    cuts = [along(points, p) for ends in gaps for p in ends]
    out = []
    for a, b in zip(cuts[1::2], [*cuts[2::2], cuts[0] + s[-1]], strict=True):
        twice = np.concatenate([points, points[1:]])
        at = np.concatenate([s, s[1:] + s[-1]])
        inner = (at > a + 1e-9) & (at < b - 1e-9)
        end = [np.array([np.interp(v, at, twice[:, c]) for c in range(3)]) for v in (a, b)]
        out.append(np.concatenate([[end[0]], twice[inner], [end[1]]]))
    return out


def square_cage(lines: int = 1, capacitance_F: float = 20e-12, shielded: bool = True) -> em.CircuitCoil:
    """The cage. Gaps "top 1" to "top 8" and "bottom 1" to "bottom 8" follow one another around +z."""
    a, w = HALF_M, 0.5 * WIDTH_M
    # From the middle of the face +x: rungs at (a, 0), (a, a), (0, a) and so on; gaps halfway.
    corners = a * np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1], [1, 0]], float)
    conductors: list[Any] = []
    for n in range(8):
        x, y = corners[n]
        ends = np.array([[x, y, -RING_M], [x, y, RING_M]])
        forth, back = corners[n + 1] - corners[n], corners[n - 1 if n else 7] - corners[n]
        across = np.zeros((3, 3))
        across[0, :2], across[2, :2] = w * back / np.linalg.norm(back), w * forth / np.linalg.norm(forth)
        conductors.append(Sheet(ends, across))
    elements, section = [], np.array([[0, 0, -w], [0, 0, 0], [0, 0, w]])
    for label, z in (("top", RING_M), ("bottom", -RING_M)):
        ring = np.column_stack([corners, np.full(9, z)])
        way = np.diff(ring, axis=0) / np.linalg.norm(np.diff(ring, axis=0), axis=1)[:, None]
        gaps = []
        for n in range(8):
            # The middle of an arc lies between two planes of 5 mm: the gap is the cell there.
            middle = 0.5 * (ring[n] + ring[n + 1])
            gaps.append((middle - 0.5 * GAP_M * way[n], middle + 0.5 * GAP_M * way[n]))
        if lines == 1:
            conductors.append(Sheet(ring, section))
        else:
            conductors += [Sheet(p, section) for p in split(ring, gaps)]
        for n, (start, end) in enumerate(gaps):
            for m, off in enumerate(offsets(lines)):
                name = f"{label} {n + 1}" + (f" line {m + 1}" if lines > 1 else "")
                shift = np.array([0, 0, off])
                elements.append(
                    LumpedElement(name, tuple(start + shift), tuple(end + shift), capacitance_F=capacitance_F / lines)
                )
    if shielded:
        r, h = SHIELD_M
        for side in (-r, r):
            conductors.append(Plate((side, -r, -h), (0, 2 * r, 0), (0, 0, 2 * h)))
            conductors.append(Plate((-r, side, -h), (2 * r, 0, 0), (0, 0, 2 * h)))
    by_name = {e.name: e for e in elements}
    feeds = []
    if lines == 1:
        sites = [by_name["top 1"], by_name["top 3"]]
        feeds = [FeedPort(f"feed {n + 1}", e.start_m, e.end_m) for n, e in enumerate(sites)]
    else:
        e = elements[0]
        feeds = [FeedPort("feed 1", e.start_m, e.end_m)]
    drives = {"quadrature": [1, -1j]} if lines == 1 else {}
    return em.CircuitCoil("square cage", conductors, elements, feeds, drives)


def loop(strip: bool, lines: int = 1) -> em.CircuitCoil:
    """The loop of 120 x 160 mm with four gaps of 5 mm, of a wire of 1 mm radius or of a flat strip of 10 mm."""
    plain = em.CapacitorLoop(
        size_m=(0.12, 0.16),
        capacitors=4,
        gap_m=GAP_M,
        **({"strip_width_m": WIDTH_M} if strip else {"wire_radius_m": 1e-3}),  # type: ignore[arg-type]
    )
    if lines == 1:
        return plain
    c = plain.conductors[0]
    assert isinstance(c, Strip)
    gaps = [(np.array(e.start_m), np.array(e.end_m)) for e in plain.elements]
    gaps = sorted(gaps, key=lambda ends: along(c.points_m, ends[0]))
    pieces = split(c.points_m, gaps)
    elements = []
    for n, (start, end) in enumerate(gaps):
        way = (end - start) / np.linalg.norm(end - start)
        side = np.cross([0, 0, 1], way)
        for m, off in enumerate(offsets(lines)):
            ends = tuple(start + off * side), tuple(end + off * side)
            elements.append(LumpedElement(f"C{n + 1} line {m + 1}", *ends, capacitance_F=1e-11 / lines))
    feed = FeedPort("feed", elements[0].start_m, elements[0].end_m)
    return em.CircuitCoil("strip loop", [Strip(p, WIDTH_M, np.array([0, 0, 1.0])) for p in pieces], elements, [feed])


def pattern(names: Sequence[str], case: str) -> np.ndarray:
    """Currents (gap, mode) that the useful mode resembles."""
    if "loop" in case:
        return np.ones((len(names), 1))
    out = np.zeros((len(names), 2))
    for n, name in enumerate(names):
        label, number = name.split()
        phi = (int(number) - 0.5) * 4 * math.pi / len(names)
        out[n] = (1 if label == "top" else -1) * np.array([math.cos(phi), math.sin(phi)])
    return out


def mode_numbers(network: Network, case: str) -> tuple[dict[str, Any], np.ndarray]:
    """Capacitance and impedance of the useful mode with equal capacitors, by eigenvalues of Z, and its currents."""
    z = network.at(FREQUENCY_HZ).z[0]
    shape = np.linalg.qr(pattern(network.names, case))[0]
    values, vectors = np.linalg.eig(z)
    overlap = np.linalg.norm(shape.T @ vectors, axis=0) / np.linalg.norm(vectors, axis=0)
    best = np.argsort(-overlap)[: shape.shape[1]]
    v = vectors[:, best]
    # By the Hermitian form, so that the resistance is that of the power for these currents.
    forms = np.einsum("ik,ij,jk->k", v.conj(), z, v) / np.einsum("ik,ik->k", v.conj(), v)
    mean = forms.mean()
    numbers = {
        "reactance_ohm": float(mean.imag),
        "resistance_ohm": float(mean.real),
        "capacitance_pF": float(1e12 / (2 * math.pi * FREQUENCY_HZ * mean.imag)),
        "overlap": float(overlap[best].min()),
        "split": float(abs(values[best].imag.max() / values[best].imag.min() - 1)),
    }
    return numbers, v


def square_cage_mesh(
    names: Sequence[str],
    across: int = 4,
    *,
    shielded: bool = True,
    first_widths: float = 0.5,
    growth: float = 2.0,
    longest_m: float = 0.02,
    shield_cells: int = 12,
) -> MetalMesh:
    """The cage as triangles, rolled off around its perimeter; its rungs are joined to its rings.

    Parameters
    ----------
    names : sequence of str
        Names of the gaps "top 1" to "bottom 8" in some order.
    across : int
        Cells across a strip, even; they carry equal parts of a current that grows towards the edges.
    shielded : bool
        Whether with the shield.
    first_widths, growth, longest_m : float
        First cell along a strip at junctions and gaps in its widths, ratio of neighbouring ones, and the longest [m].
    shield_cells : int
        Cells of the shield along each side of its square, even, and along its length.
    """
    a, half = HALF_M, 0.5 * WIDTH_M
    x = -half * np.cos(math.pi * np.arange(across + 1) / across)
    first = first_widths * WIDTH_M
    arc = np.concatenate(
        [
            _graded(half, 0.5 * a, first, growth, longest_m),
            0.5 * a + _graded(0, 0.5 * a - half, first, growth, longest_m)[1:],
        ]
    )
    one = np.concatenate([x[:-1], arc[:-1]])
    u = np.concatenate([n * a + one for n in range(8)])
    rung = np.tile(np.arange(len(one)) < across, 8)
    inner = _graded(half - RING_M, RING_M - half, first, growth, longest_m)
    z = np.concatenate([x - RING_M, inner[1:-1], x + RING_M])
    ring = np.abs(0.5 * (z[1:] + z[:-1])) > RING_M - half
    points, triangles, sector = _wall(u, z, rung[:, None] | ring, a)
    cuts = []
    for name in names:
        label, number = name.split()
        middle = (int(number) - 0.5) * a
        i = int(np.abs(u - middle).argmin())
        j = np.flatnonzero(np.abs(z - (RING_M if label == "top" else -RING_M)) < half + 1e-9)
        way = np.diff(_around(np.array([middle - 1e-3, middle + 1e-3]), a), axis=0)[0]
        cuts.append((name, np.array([*way, 0.0]) / np.linalg.norm(way), i * len(z) + np.stack([j[:-1], j[1:]], axis=1)))
    part = np.zeros(len(triangles), int)
    if shielded:
        r, h = SHIELD_M
        lines = np.arange(4 * shield_cells) * 2 * r / shield_cells
        # Currents around the shield grow towards its open ends: equal cells there radiate 4 % more.
        along = -h * np.cos(math.pi * np.arange(shield_cells + 1) / shield_cells)
        more, wall, there = _wall(lines, along, np.ones((len(lines), shield_cells), bool), r)
        triangles = np.concatenate([triangles, wall + len(points)])
        points, sector = np.concatenate([points, more]), np.concatenate([sector, there])
        part = np.concatenate([part, np.ones(len(wall), int)])
    order = np.argsort(sector, kind="stable")
    triangles, part = triangles[order], part[order]
    used = np.unique(triangles)
    number = np.full(len(points), -1)
    number[used] = np.arange(len(used))
    return MetalMesh(
        points[used],
        number[triangles],
        np.zeros((0, 2), int),
        np.zeros(0),
        tuple(GapCut(n, way, number[edges]) for n, way, edges in cuts),
        part,
        np.zeros(0, int),
        ("coil", "shield") if shielded else ("coil",),
        rotations=4,
    )


def _graded(low: float, high: float, first: float, growth: float, longest: float) -> np.ndarray:
    """Lines from low to high whose cells grow from both ends."""
    steps = [first]
    while sum(steps) < 0.5 * (high - low):
        steps.append(min(steps[-1] * growth, longest))
    both = np.array([*steps, *steps[::-1]])
    return low + np.concatenate([[0.0], np.cumsum(both)]) * (high - low) / both.sum()


def _around(u: np.ndarray, half: float) -> np.ndarray:
    """Points (n, 2) at lengths u along the perimeter of a square, from the middle of the face +x."""
    corners = half * np.array([[1, 0], [1, 1], [0, 1], [-1, 1], [-1, 0], [-1, -1], [0, -1], [1, -1], [1, 0]], float)
    return np.stack([np.interp(u % (8 * half), half * np.arange(9), corners[:, c]) for c in (0, 1)], axis=-1)


def _wall(u: np.ndarray, z: np.ndarray, there: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, triangles and their quarters of the cells that are there on a closed square wall."""
    flat = _around(u, half)
    points = np.concatenate([np.repeat(flat, len(z), axis=0), np.tile(z, len(u))[:, None]], axis=1)
    node = np.arange(len(points)).reshape(len(u), len(z))
    i, j = np.nonzero(there)
    a, b, c, d = node[i, j], node[(i + 1) % len(u), j], node[(i + 1) % len(u), j + 1], node[i, j + 1]
    quarter = len(u) // 4
    odd = ((i % quarter + j) % 2 == 1)[:, None, None]
    one, two = ([[a, b, c], [a, c, d]], [[a, b, d], [b, c, d]])
    triangles = np.where(odd, np.moveaxis(np.array(one), 2, 0), np.moveaxis(np.array(two), 2, 0))
    return points, triangles.reshape(-1, 3), np.repeat(i // quarter, 2)
