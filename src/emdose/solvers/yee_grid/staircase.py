"""Chains of straight pieces as paths of grid edges.

A path visits the nodes whose dual cells the chain passes, one after the other. It depends on the chain alone, not on
where it starts, so that pieces of one curve fit together; chains that map onto themselves by a quarter turn about z do
so on the grid, when the grid does. Points on the wall between two dual cells belong to the one nearer to the isocentre.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid

TIE = 1e-6
"""Coordinates closer than this part of a cell to the wall between two dual cells lie on it."""


@dataclass(frozen=True, eq=False)
class Staircase:
    """A path of grid edges.

    Parameters
    ----------
    nodes : (n, 3) int ndarray
        Nodes in order; neighbours differ by one in one index.
    at_m : (n,) ndarray
        Length along the chain at which each node's dual cell is entered [m]; zero for the first.
    """

    nodes: np.ndarray
    at_m: np.ndarray

    @property
    def axis(self) -> np.ndarray:
        """Axis of every edge, (n - 1,)."""
        return np.abs(np.diff(self.nodes, axis=0)).argmax(axis=1)

    @property
    def sign(self) -> np.ndarray:
        """+1 where an edge is walked along its axis, else -1, (n - 1,)."""
        return np.diff(self.nodes, axis=0).sum(axis=1)

    def edges(self) -> np.ndarray:
        """The edges as rows (component, i, j, k), (n - 1, 4)."""
        low = np.minimum(self.nodes[:-1], self.nodes[1:])
        return np.column_stack([self.axis, low])


def nearest_nodes(points: np.ndarray, grid: RectilinearGrid) -> np.ndarray:
    """Index of the node whose dual cell holds each point, (n, 3) int; raises InputError outside the grid."""
    return _index(_nudged(points, grid), grid)


def staircase(points: np.ndarray, grid: RectilinearGrid, keep: frozenset[tuple[int, ...]] = frozenset()) -> Staircase:
    """The path of a chain of straight pieces.

    Parameters
    ----------
    points : (n, 3) ndarray
        Corners of the chain [m].
    grid : RectilinearGrid
        The grid.
    keep : set of node indices
        Nodes that must stay on the path; others to which it goes only to come back the same way are left out.

    Raises
    ------
    InputError
        When the chain leaves the grid.
    """
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    p = _nudged(points, grid)
    index = _index(p, grid)
    walls = [grid.centres(a) for a in range(3)]
    nodes, at = [tuple(int(i) for i in index[0])], [0.0]
    for n in range(len(p) - 1):
        steps: list[tuple[float, int, int]] = []
        for a in range(3):
            i, j = int(index[n, a]), int(index[n + 1, a])
            if i != j:
                d = 1 if j > i else -1
                crossed = walls[a][i:j] if d > 0 else walls[a][j:i][::-1]
                t = (crossed - p[n, a]) / (p[n + 1, a] - p[n, a])
                steps += [(float(v), a, d) for v in t]
        for t, a, way in _ordered(steps):
            moved = list(nodes[-1])
            moved[a] += way
            nodes.append(tuple(moved))
            at.append(float(lengths[n] + t * (lengths[n + 1] - lengths[n])))
    kept_nodes: list[tuple[int, ...]] = []
    kept_at: list[float] = []
    for node, s in zip(nodes, at, strict=True):
        if len(kept_nodes) >= 2 and node == kept_nodes[-2] and kept_nodes[-1] not in keep:
            kept_nodes.pop()
            kept_at.pop()
        else:
            kept_nodes.append(node)
            kept_at.append(s)
    return Staircase(np.array(kept_nodes, np.int64).reshape(-1, 3), np.array(kept_at))


def _ordered(steps: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Steps in the order of the walls; at an edge of a dual cell the turn is always to the same side."""
    steps.sort()
    for n in range(len(steps) - 1):
        (t, a, d), (u, b, e) = steps[n], steps[n + 1]
        if u - t < 1e-9 and a != b:
            right_handed = 1 if (b - a) % 3 == 1 else -1
            if right_handed * d * e < 0:
                steps[n], steps[n + 1] = (t, b, e), (u, a, d)
    return steps


def _nudged(points: np.ndarray, grid: RectilinearGrid) -> np.ndarray:
    """Points moved off the walls between dual cells."""
    original = np.asarray(points, float)
    out = original.copy()
    for a in range(3):
        walls = grid.centres(a)
        near = np.clip(np.searchsorted(walls, original[:, a]), 1, max(1, len(walls) - 1)) + np.array([[-1], [0]])
        near = np.clip(near, 0, len(walls) - 1)
        for n in near:
            tie = TIE * grid.steps(a)[n]
            on = np.abs(original[:, a] - walls[n]) <= tie
            # Towards the isocentre; on a wall through it, along phi about z, which a quarter turn keeps.
            side = -np.sign(np.where(np.abs(walls[n]) > tie, walls[n], 0.0))
            turn = -original[:, 1] if a == 0 else original[:, 0]
            around = np.where((turn > 0) | (a == 2), 1.0, -1.0)
            side = np.where(side == 0, around, side)
            out[on, a] = (walls[n] + 2 * tie * side)[on]
    return out


def _index(points: np.ndarray, grid: RectilinearGrid) -> np.ndarray:
    index = np.empty(points.shape, np.int64)
    for a in range(3):
        nodes, steps = grid.nodes(a), grid.steps(a)
        outside = (points[:, a] < nodes[0] - 0.5 * steps[0]) | (points[:, a] > nodes[-1] + 0.5 * steps[-1])
        if outside.any():
            where = points[int(np.flatnonzero(outside)[0])]
            raise InputError(
                "the coil leaves the grid",
                field="grid",
                found=f"metal at ({', '.join(f'{1e3 * c:.1f}' for c in where)}) mm",
                expected=f"{'xyz'[a]} within {nodes[0]:.4g} to {nodes[-1]:.4g} m",
            )
        index[:, a] = np.searchsorted(grid.centres(a), points[:, a])
    return index
