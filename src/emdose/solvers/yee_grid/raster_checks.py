"""Whether a grid can hold a coil: conductors that are apart stay apart, joined ones joined, and details a cell wide."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.models.coils.conductors import Conductor, Plate, SolidConductor, Wire
from emdose.models.grids.rectilinear import RectilinearGrid

THICKEST_WIRE_CELLS = 0.6
"""Radius of a thin wire over the cells beside it, at most: a thicker one takes up the edges that would stand for it."""
SHORTEST_CELLS = 0.5
"""Gaps and strips take up whole edges: below this part of a cell that is said."""
SLACK = 0.98
"""Gaps along arcs are measured on the chord."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A connected piece of a conductor.

    Parameters
    ----------
    conductor : int
        Number of the conductor; one past the last for the shield.
    span_m : (float, float) or None
        Where it starts and ends along the conductor [m]; None for plates, solids and the shield.
    nodes : (n,) int ndarray
        Its nodes on the grid, as flat indices.
    """

    conductor: int
    span_m: tuple[float, float] | None
    nodes: np.ndarray


def check_pieces(conductors: Sequence[Conductor], pieces: Sequence[Piece], grid: RectilinearGrid) -> None:
    """Raise InputError when two pieces share a node without touching in space, or touch without sharing one.

    Where a plate or a solid takes part the contact is only sampled, so that a merger is no error but an EmdoseWarning.
    """
    touching = _touching(conductors, pieces)
    sharing = _sharing(pieces)
    for pair, node in sharing.items():
        a, b = (pieces[n] for n in pair)
        shield = len(conductors) in (a.conductor, b.conductor)
        at = np.unravel_index(node, grid.node_shape)
        where = ", ".join(f"{1e3 * grid.nodes(c)[int(at[c])]:.1f}" for c in range(3))
        names = sorted({_label(conductors, p.conductor) for p in (a, b)})
        chain, other = (a, b) if b.span_m is None else (b, a)
        mixed = not shield and chain.span_m is not None and other.span_m is None
        if mixed and not _meet(conductors[chain.conductor], conductors[other.conductor], grid):
            warnings.warn(
                f"{' and '.join(names)} are apart but joined on this grid at ({where}) mm: use a finer grid, "
                "or move them apart",
                EmdoseWarning,
                stacklevel=4,
            )
        if pair not in touching and (shield or (a.span_m is not None and b.span_m is not None)):
            raise InputError(
                f"{' and '.join(names)} merge on this grid at ({where}) mm",
                field="spacing_m",
                expected="a finer grid, or conductors further apart",
            )
    for pair in touching:
        if pair not in sharing:
            names = sorted({_label(conductors, pieces[n].conductor) for n in pair})
            raise InputError(
                f"{' and '.join(names)} lose their contact on this grid",
                field="spacing_m",
                expected="a finer grid, or conductors that end at each other",
            )


def require_thin(grid: RectilinearGrid, edges: np.ndarray, radius_m: np.ndarray | float) -> None:
    """Raise InputError when wires along edges (n, 4) have a radius [m] that is not positive, or not below 0.6 cells."""
    radius = np.broadcast_to(np.asarray(radius_m, float), (len(edges),))
    for axis in range(3):
        across = edges[:, 0] != axis
        steps, at = grid.steps(axis), edges[across, 1 + axis]
        most = THICKEST_WIRE_CELLS * np.minimum(steps[np.maximum(at - 1, 0)], steps[np.minimum(at, len(steps) - 1)])
        bad = ~((radius[across] > 0) & (radius[across] < most))
        if bad.any():
            raise InputError(
                "a wire is not thin on this grid",
                field="wire_radius_m",
                found=float(radius[across][bad][0]),
                expected=f"above 0, below {THICKEST_WIRE_CELLS:g} cells, here {most[bad][0]:.3g} m; "
                "a solid cylinder otherwise",
            )


def warn_of_short_gaps(names: Sequence[str], wanted_m: Sequence[float], found_m: Sequence[float]) -> None:
    """EmdoseWarning when gaps became more than twice as long on the grid, one for all of them."""
    short = [n for n in range(len(names)) if wanted_m[n] < SLACK * SHORTEST_CELLS * found_m[n]]
    if short:
        worst = min(short, key=lambda n: wanted_m[n] / found_m[n])
        also = f" and {len(short) - 1} more are" if len(short) > 1 else " is"
        wanted, found = 1e3 * wanted_m[worst], 1e3 * found_m[worst]
        warnings.warn(
            f"gap {names[worst]!r}{also} shorter than half a cell: {wanted:.3g} mm became one edge of {found:.3g} mm; "
            f"expected a gap_m of at least {SHORTEST_CELLS * found:.3g} mm, or a finer grid",
            EmdoseWarning,
            stacklevel=4,
        )


def warn_of_narrow_strips(conductors: Sequence[Conductor], grid: RectilinearGrid) -> None:
    """EmdoseWarning when strips or sheets are narrower than half a cell, one for all of them."""
    found = []
    for number, conductor in enumerate(conductors):
        if isinstance(conductor, Wire | Plate | SolidConductor):
            continue
        for _, spine, across in conductor.sheets:
            size = np.ptp(across, axis=0)
            at = [np.searchsorted(grid.nodes(a), spine[:, a]).clip(1, grid.shape[a]) - 1 for a in range(3)]
            cell = sum(size[a] ** 2 * float(grid.steps(a)[at[a]].max()) for a in range(3)) / float(size @ size)
            width = float(np.linalg.norm(size))
            found.append((width / cell, number, width, cell))
    narrow = [f for f in found if f[0] < SLACK * SHORTEST_CELLS]
    if narrow:
        _, number, width, cell = min(narrow)
        warnings.warn(
            f"{_label(conductors, number)} is narrower than half a cell: {1e3 * width:.3g} mm on cells of "
            f"{1e3 * cell:.3g} mm, where a line of edges acts like a strip of {800 * cell:.2g} mm; expected at least "
            f"{1e3 * SHORTEST_CELLS * cell:.3g} mm, a finer grid, or a wire with a radius",
            EmdoseWarning,
            stacklevel=4,
        )


def _meet(chain: Conductor, body: Conductor, grid: RectilinearGrid) -> bool:
    """Whether a chain touches, crosses or enters a plate or a solid, by samples a quarter of the finest step apart."""
    step = 0.25 * min(float(grid.steps(a).min()) for a in range(3))
    for _, spine, across in chain.sheets:  # type: ignore[union-attr]
        pieces = [np.linspace(p, q, 2 + int(np.linalg.norm(q - p) / step)) for p, q in pairwise(spine)]
        lines = np.concatenate(pieces)[None] + across[:, None]
        if isinstance(body, SolidConductor):
            if np.any(body.inside(*np.moveaxis(lines, -1, 0))):
                return True
        elif isinstance(body, Plate) and _crosses(lines, body, 1e-6 * step):
            return True
    return False


def _crosses(lines: np.ndarray, plate: Plate, tol: float) -> bool:
    """Whether one of the lines (line, point, 3) lies in a plate or passes through it."""
    a, b = np.array(plate.first_m), np.array(plate.second_m)
    n = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    u, v, w = np.moveaxis((lines - np.array(plate.corner_m)) @ np.linalg.inv(np.stack([a, b, n])), -1, 0)
    within = (np.minimum(u, v) >= -1e-6) & (np.maximum(u, v) <= 1 + 1e-6)
    through = (w[:, 1:] * w[:, :-1] <= 0) & (within[:, 1:] | within[:, :-1])
    return bool(np.any(within & (np.abs(w) <= tol)) or np.any(through))


def _label(conductors: Sequence[Conductor], number: int) -> str:
    if number == len(conductors):
        return "the shield"
    return f"conductor {number} ({type(conductors[number]).__name__.lower()})"


def _sharing(pieces: Sequence[Piece]) -> dict[tuple[int, int], int]:
    """Pairs of pieces that have a node in common, with that node."""
    nodes = np.concatenate([p.nodes for p in pieces])
    owner = np.repeat(np.arange(len(pieces)), [len(p.nodes) for p in pieces])
    order = np.lexsort((owner, nodes))
    nodes, owner = nodes[order], owner[order]
    out: dict[tuple[int, int], int] = {}
    for reach in range(1, len(pieces)):
        same = nodes[reach:] == nodes[:-reach]
        if not same.any():
            break
        rows = np.stack([owner[:-reach][same], owner[reach:][same]], axis=1)
        pairs, first = np.unique(rows, axis=0, return_index=True)
        for (a, b), n in zip(pairs.tolist(), nodes[reach:][same][first].tolist(), strict=True):
            if a != b:
                out.setdefault((a, b), n)
    return out


def _touching(conductors: Sequence[Conductor], pieces: Sequence[Piece]) -> set[tuple[int, int]]:
    """Pairs of pieces of chains that share a point in space."""
    start, vector, owner, at, length = [], [], [], [], []
    for number, c in enumerate(conductors):
        if isinstance(c, SolidConductor | Plate):
            continue
        spine = c.points_m
        v = np.diff(spine, axis=0)
        piece = np.linalg.norm(v, axis=1)
        start.append(spine[:-1])
        vector.append(v)
        length.append(piece)
        at.append(np.cumsum(piece) - piece)
        owner.append(np.full(len(v), number))
    if not start:
        return set()
    s, v, lengths, a, o = (np.concatenate(x) for x in (start, vector, length, at, owner))
    size = float(np.ptp(s, axis=0).max() + lengths.max())
    out: set[tuple[int, int]] = set()
    spans: dict[int, list[int]] = {}
    for n, p in enumerate(pieces):
        if p.span_m is not None:
            spans.setdefault(p.conductor, []).append(n)
    for i in range(len(s)):
        # Only boxes that overlap can touch.
        low, high = np.minimum(s[i], s[i] + v[i]) - 1e-6 * size, np.maximum(s[i], s[i] + v[i]) + 1e-6 * size
        near = np.all((np.minimum(s, s + v) <= high) & (np.maximum(s, s + v) >= low), axis=1)
        for j in np.flatnonzero(near[:i]):
            t, u, d = _closest(s[i], v[i], s[j], v[j])
            if d > 1e-6 * size:
                continue
            first = _holding(pieces, spans[int(o[i])], float(a[i] + t * lengths[i]), 1e-6 * size)
            second = _holding(pieces, spans[int(o[j])], float(a[j] + u * lengths[j]), 1e-6 * size)
            out |= {(min(p, q), max(p, q)) for p in first for q in second if p != q}
    return out


def _holding(pieces: Sequence[Piece], candidates: Sequence[int], at: float, tol: float) -> list[int]:
    out = []
    for n in candidates:
        span = pieces[n].span_m
        if span is not None and span[0] - tol <= at <= span[1] + tol:
            out.append(n)
    return out


def _closest(p: np.ndarray, u: np.ndarray, q: np.ndarray, v: np.ndarray) -> tuple[float, float, float]:
    """Parameters of the closest points of two segments p + t u and q + s v, and their distance."""
    w = p - q
    a, b, c, d, e = u @ u, u @ v, v @ v, u @ w, v @ w
    det = a * c - b * b
    best = (0.0, 0.0, np.inf)
    trials = [(0.0, _clip(e / c)), (1.0, _clip((e + b) / c)), (_clip(-d / a), 0.0), (_clip((b - d) / a), 1.0)]
    if det > 1e-12 * a * c:
        t = (b * e - c * d) / det
        if 0 <= t <= 1:
            s = (a * e - b * d) / det
            if 0 <= s <= 1:
                trials.append((t, s))
    for t, s in trials:
        distance = float(np.linalg.norm(w + t * u - s * v))
        if distance < best[2]:
            best = (float(t), float(s), distance)
    return best


def _clip(x: float) -> float:
    return min(1.0, max(0.0, float(x)))
