"""Parts of a mesh before they are joined: points, triangles, wires and the cuts of gaps, of one sector of a coil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emdose.solvers.mom.metal_mesh import GapCut, MetalMesh

JOIN = 1e-6
"""Points closer than this share of the size of a coil are one point."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A gap on a piece: its edges (k, 2) or its node among the points of the piece, and the sector it lies in."""

    name: str
    sector: int
    direction: np.ndarray
    edges: np.ndarray
    node: int = -1


@dataclass(eq=False)
class MeshPiece:
    """Metal of one sector, with points of its own."""

    points: np.ndarray
    triangles: np.ndarray
    wires: np.ndarray
    radius: np.ndarray
    part: int = 0
    cuts: list[Cut] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Gaps that found no metal here."""

    @classmethod
    def surface(cls, points: np.ndarray, triangles: np.ndarray, part: int = 0) -> MeshPiece:
        """A piece of triangles alone."""
        return cls(points, triangles, np.zeros((0, 2), np.int64), np.zeros(0), part)

    @classmethod
    def line(cls, points: np.ndarray, wires: np.ndarray, radius: np.ndarray, part: int = 0) -> MeshPiece:
        """A piece of wires alone."""
        return cls(points, np.zeros((0, 3), np.int64), wires, radius, part)

    def cut(self, name: str, sector: int, direction: np.ndarray, edges: np.ndarray, node: int = -1) -> None:
        """Put a gap there."""
        self.cuts.append(Cut(name, sector, direction, np.asarray(edges, np.int64).reshape(-1, 2), node))

    def used(self) -> MeshPiece:
        """The same piece without points that nothing uses."""
        inside = np.zeros(len(self.points), bool)
        inside[self.triangles.ravel()] = inside[self.wires.ravel()] = True
        new = np.cumsum(inside) - 1
        cuts = [
            Cut(c.name, c.sector, c.direction, new[c.edges], -1 if c.node < 0 else int(new[c.node])) for c in self.cuts
        ]
        return MeshPiece(
            self.points[inside], new[self.triangles], new[self.wires], self.radius, self.part, cuts, self.lost
        )


def turn_about_z(points: np.ndarray, angle: float, centre: np.ndarray) -> np.ndarray:
    """Points (n, 3) turned about the z axis through a centre."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray((points - centre) @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1.0]]) + centre)


def joined(
    pieces: Sequence[MeshPiece], order: Sequence[str], parts: Sequence[str], rotations: int, centre: np.ndarray
) -> MetalMesh:
    """The mesh of pieces of one sector, turned into all sectors and joined where points coincide.

    Parameters
    ----------
    pieces : sequence of MeshPiece
        Metal of sector 0.
    order : sequence of str
        Names of the gaps.
    parts : sequence of str
        Names of the parts.
    rotations : int
        Number of sectors.
    centre : (3,) ndarray
        A point on the axis [m].
    """
    first = np.cumsum([0, *(len(p.points) for p in pieces)])
    own = np.concatenate([p.points for p in pieces])
    triangles = np.concatenate([p.triangles + f for p, f in zip(pieces, first, strict=False)])
    wires = np.concatenate([p.wires + f for p, f in zip(pieces, first, strict=False)])
    angle = 2 * np.pi / rotations
    points = np.concatenate([own if s == 0 else turn_about_z(own, s * angle, centre) for s in range(rotations)])
    step = len(own)
    new, points = _merged(points, JOIN * float(np.ptp(points, axis=0).max()))
    cuts: dict[str, GapCut] = {}
    for p, f in zip(pieces, first, strict=False):
        for c in p.cuts:
            shift = f + (c.sector % rotations) * step
            node = -1 if c.node < 0 else int(new[c.node + shift])
            cuts[c.name] = GapCut(c.name, c.direction, new[c.edges + shift], node)
    spread = np.arange(rotations)[:, None, None] * step
    return MetalMesh(
        points,
        new[(triangles + spread).reshape(-1, 3)],
        new[(wires + spread).reshape(-1, 2)],
        np.tile(np.concatenate([p.radius for p in pieces]), rotations),
        tuple(cuts[n] for n in order),
        np.tile(np.concatenate([np.full(len(p.triangles), p.part) for p in pieces]), rotations),
        np.tile(np.concatenate([np.full(len(p.wires), p.part) for p in pieces]), rotations),
        tuple(parts),
        rotations,
        centre,
    )


def _merged(points: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """New number of every point (n,), and the points that stay, in the order of their first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    pairs = cKDTree(points).query_pairs(near, output_type="ndarray")
    n = len(points)
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[number.reshape(-1)], points[first[order]]
