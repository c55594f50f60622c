"""The metal and the gaps of a circuit coil as straight round filaments between nodes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.conductors import Plate, SolidConductor
from emdose.models.coils.gaps import gap_span
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.coils.circuit import CircuitCoil

LINE_RADIUS = 1e-3
"""Radius of wires that have none given [m]."""
SAGITTA = 1e-3
"""Corners of a chain are left out while it stays this close to its pieces, in units of the coil's size."""
LONGEST = 0.15
"""Longest piece in units of the coil's size: over each the current changes little, where charge gathers."""


@read_only
@dataclass(frozen=True, eq=False)
class Filaments:
    """Branches of a coil: pieces of metal, then the gaps of the elements.

    Parameters
    ----------
    branches : (n + e, 2, 3) float ndarray
        Start and end of n pieces of metal and e gaps [m]; a current from start to end is positive.
    radii_m : (n + e,) float ndarray
        Radius of the round wire that each stands for [m].
    nodes : (n + e, 2) int ndarray
        Numbers of the nodes at which they start and end.
    names : tuple of str
        Names of the elements in the gaps.
    """

    branches: np.ndarray
    radii_m: np.ndarray
    nodes: np.ndarray
    names: tuple[str, ...]

    @property
    def metal(self) -> int:
        """How many of the branches are metal."""
        return len(self.branches) - len(self.names)

    def loops(self, closed: np.ndarray | None = None) -> int:
        """Number of independent closed loops of all branches, or with those joined to points that are ``closed``."""
        from scipy.sparse import coo_matrix
        from scipy.sparse.csgraph import connected_components

        count = int(self.nodes.max()) + 1

        def parts(which: np.ndarray) -> int:
            a, b = self.nodes[which].T
            return int(connected_components(coo_matrix((np.ones(len(a)), (a, b)), (count, count)), directed=False)[0])

        everything = np.ones(len(self.nodes), bool)
        if closed is None:
            return len(self.nodes) - count + parts(everything)
        return int((~closed).sum()) - parts(closed) + parts(everything)


def filaments_of(coil: CircuitCoil) -> Filaments:
    """Filaments of a coil: chains split where gaps end and where other chains end on them.

    Strips have the radius of the round wire with their inductance and capacitance, a quarter of their width; a gap has
    that of the metal which it cuts, as the current of its element runs along it.

    Raises
    ------
    InputError
        When the coil has plates or solids.
    """
    for c in coil.conductors:
        if isinstance(c, Plate | SolidConductor):
            raise InputError(
                "quasi-static tuning knows wires and strips only",
                field="conductors",
                found=type(c).__name__,
                expected="Wire, Strip or Sheet",
            )
    spines = [c.points_m for c in coil.conductors]  # type: ignore[union-attr]
    tips = np.concatenate([p[[0, -1]] for p in spines])
    terminals: dict[str, np.ndarray] = {}
    within: dict[str, float] = {}
    low, high = (np.array(v) for v in coil.extent_m)
    size = float((high - low).max())
    longest, sag = LONGEST * size, SAGITTA * size
    pieces, radii, gaps = [], [], coil.gaps
    starts = np.array([g.start_m for g in gaps])
    lengths = np.linalg.norm(np.array([g.end_m for g in gaps]) - starts, axis=1)
    for conductor, spine in zip(coil.conductors, spines, strict=True):
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))])
        tie = 1e-6 * s[-1]
        radius = getattr(conductor, "round_radius_m", None) or LINE_RADIUS
        cuts = [s[[0, -1]], _touched(spine, s, tips, tie)]
        spans = []
        reach = lengths[:, None]
        beside = np.any((starts < spine.min(0) - reach) | (starts > spine.max(0) + reach), axis=1)
        for gap in (gaps[n] for n in np.flatnonzero(~beside)):
            span = gap_span(spine, gap)
            if span is not None:
                spans.append((min(span), max(span)))
                cuts.append(np.array(span))
                terminals[gap.name], within[gap.name] = _at(spine, s, np.array(span)), radius
        where = _thinned(spine, s, np.concatenate(cuts), tie, sag)
        where = np.concatenate([*(_split(a, b, longest) for a, b in pairwise(where)), where[-1:]])
        points, middle = _at(spine, s, where), 0.5 * (where[1:] + where[:-1])
        keep = np.ones(len(middle), bool)
        for a, b in spans:
            keep &= ~((middle > a) & (middle < b))
        pieces.append(np.stack([points[:-1], points[1:]], axis=1)[keep])
        radii.append(np.full(int(keep.sum()), radius))
    order = {g.element.name: g for g in gaps if g.element is not None}
    names = tuple(e.name for e in coil.elements)
    for g in gaps:
        terminals.setdefault(g.name, np.array([g.start_m, g.end_m]))
    bridges = np.array([terminals[order[n].name] for n in names]).reshape(-1, 2, 3)
    branches = np.concatenate([*pieces, bridges])
    nodes = _numbered(branches)
    metal = np.concatenate(radii)
    at_node = np.full(int(nodes.max()) + 1, np.inf)
    np.minimum.at(at_node, nodes[: len(metal)], metal[:, None])
    # Between two conductors the thinner one tells.
    between = at_node[nodes[len(metal) :]].min(axis=1)
    between = np.where(np.isfinite(between), between, LINE_RADIUS)
    across = [within.get(order[n].name, r) for n, r in zip(names, between.tolist(), strict=True)]
    return Filaments(branches, np.concatenate([metal, across]), nodes, names)


def _numbered(branches: np.ndarray) -> np.ndarray:
    """Numbers (n, 2) of the ends of branches; ends at the same place have the same."""
    ends = branches.reshape(-1, 3)
    size = float(np.ptp(ends, axis=0).max())
    keys = np.round(ends / (1e-6 * size) + 0.2137).astype(np.int64)
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1, 2)


def _touched(spine: np.ndarray, s: np.ndarray, tips: np.ndarray, tie: float) -> np.ndarray:
    """Lengths along a chain at which points lie on it [m]."""
    v = np.diff(spine, axis=0)
    r = tips[:, None] - spine[:-1]
    t = np.clip((r * v).sum(-1) / (v * v).sum(-1), 0, 1)
    d = np.linalg.norm(r - t[..., None] * v, axis=-1)
    n = d.argmin(axis=1)
    here = np.flatnonzero(d[np.arange(len(tips)), n] < tie)
    n = n[here]
    return np.asarray(s[n] + t[here, n] * np.diff(s)[n])


def _split(a: float, b: float, longest: float) -> np.ndarray:
    """Starts of equal pieces from a to b."""
    return np.linspace(a, b, max(1, math.ceil((b - a) / longest - 1e-6)), endpoint=False)


def _thinned(spine: np.ndarray, s: np.ndarray, kept: np.ndarray, tie: float, sag: float) -> np.ndarray:
    """Lengths along a chain at which to place corners: those kept, and what its shape needs to within ``sag``."""
    where = np.sort(np.concatenate([kept, s]))
    where = where[np.concatenate([[True], np.diff(where) > tie])]
    must = np.abs(where[:, None] - kept).min(axis=1) <= tie
    points = _at(spine, s, where)
    out = [0]
    for j in range(2, len(where)):
        a = points[out[-1]]
        chord = points[j] - a
        between = points[out[-1] + 1 : j] - a
        along = between @ chord / (chord @ chord) if chord.any() else np.zeros(len(between))
        off = np.linalg.norm(between - along[:, None] * chord, axis=1)
        if must[j - 1] or off.max() > sag or not chord.any():
            out.append(j - 1)
    return where[[*out, len(where) - 1]]


def _at(spine: np.ndarray, s: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(where, s, spine[:, c]) for c in range(3)], axis=1)
