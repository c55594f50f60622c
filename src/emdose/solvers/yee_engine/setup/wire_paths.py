r"""How a path that is not bound to edges gathers voltage from the lattice, and spreads its current into it.

E between the edges is that of Whitney's elements: each component is constant along its own axis and linear across. The
voltage of a segment is the exact line integral of it, a sum over edges of weights times voltages. The mean is taken
over eight copies of the path, shifted by a quarter of a cell along every axis: that takes the first harmonic of the
lattice out, so that the place of a wire in its cell makes little difference. With the same weights W the current of
segments is spread into edges,

.. math:: U_s = \sum_e W_{se}\, e_e, \qquad i_e = \sum_s W_{se} I_s,

so that no energy is made or lost between them. Voltages of a potential on the nodes add up along the path to the
difference of its means at the ends, so that charges sit where the current ends and nowhere else.

Source: A. Bossavit, IEE Proc. A 135 (1988) 493 (Whitney's elements); J. Villasenor and O. Buneman, Comput. Phys.
Commun. 69 (1992) 306 (currents that keep the charge); F. Edelvik et al., IEEE Trans. Antennas Propag. 51
(2003) 1736 (symmetric interpolation for wires of any direction).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from emdose.models.grids.rectilinear import RectilinearGrid

SHIFT = 0.25
"""By how much of a cell the copies of a path are shifted along every axis."""
_GAUSS = 0.5 + np.array([-0.5, 0.5]) / np.sqrt(3)


@dataclass(frozen=True, eq=False)
class Weights:
    """A sparse matrix: rows of entries (c, i, j, k) with weights.

    Parameters
    ----------
    row : (m + 1,) int ndarray
        Where the parts of each row begin.
    at : (p, 4) int ndarray
        Edges (c, i, j, k); for nodes c is 0.
    weight : (p,) float ndarray
        Weights.
    """

    row: np.ndarray
    at: np.ndarray
    weight: np.ndarray

    def part(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Entries and weights of the rows [first, last)."""
        cut = slice(int(self.row[first]), int(self.row[last]))
        return self.at[cut], self.weight[cut]


def segment_weights(grid: RectilinearGrid, nodes_m: np.ndarray) -> Weights:
    """Weights of the edges in the voltage of every segment of a path (n + 1, 3) [m]."""
    names, parts, weights = [], [], []
    for copy in _copies(grid, nodes_m):
        for s in range(len(copy) - 1):
            edges, weight = _segment(grid, copy[s], copy[s + 1])
            names.append(np.full(len(edges), s))
            parts.append(edges)
            weights.append(weight / 8)
    return _merged(grid, len(nodes_m) - 1, np.concatenate(names), np.concatenate(parts), np.concatenate(weights))


def node_weights(grid: RectilinearGrid, nodes_m: np.ndarray) -> Weights:
    """Weights of the lattice's nodes in the potential at every node of a path (n + 1, 3) [m]."""
    names, parts, weights = [], [], []
    for copy in _copies(grid, nodes_m):
        cell, fraction = _place(grid, copy)
        for corner in itertools.product((0, 1), repeat=3):
            names.append(np.arange(len(copy)))
            parts.append(np.column_stack([np.zeros(len(copy), np.int64), cell + corner]))
            weights.append(np.where(corner, fraction, 1 - fraction).prod(1) / 8)
    return _merged(grid, len(nodes_m), np.concatenate(names), np.concatenate(parts), np.concatenate(weights))


def _copies(grid: RectilinearGrid, nodes_m: np.ndarray) -> list[np.ndarray]:
    step = np.stack([np.interp(nodes_m[:, a], grid.centres(a), grid.steps(a)) for a in range(3)], axis=1)
    return [nodes_m + SHIFT * np.array(signs) * step for signs in itertools.product((-1, 1), repeat=3)]


def _place(grid: RectilinearGrid, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells of points and where in them they are; a point outside is in the last cell there, with a fraction beyond."""
    cell, fraction = np.empty(points.shape, np.int64), np.empty(points.shape)
    for a in range(3):
        nodes = grid.nodes(a)
        cell[:, a] = np.clip(np.searchsorted(nodes, points[:, a], side="right") - 1, 0, len(nodes) - 2)
        fraction[:, a] = (points[:, a] - nodes[cell[:, a]]) / grid.steps(a)[cell[:, a]]
    return cell, fraction


def _segment(grid: RectilinearGrid, begin: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges (m, 4) and weights of a straight piece, with repetitions."""
    cuts = [np.array([0.0, 1.0])]
    for a in range(3):
        if end[a] != begin[a]:
            t = (grid.nodes(a) - begin[a]) / (end[a] - begin[a])
            cuts.append(t[(t > 0) & (t < 1)])
    t = np.unique(np.concatenate(cuts))
    t0, t1 = t[:-1], t[1:]
    cell, _ = _place(grid, begin + 0.5 * (t0 + t1)[:, None] * (end - begin))
    low = np.stack([grid.nodes(a)[cell[:, a]] for a in range(3)], axis=1)
    size = np.stack([grid.steps(a)[cell[:, a]] for a in range(3)], axis=1)
    edges, weights = [], []
    for c in range(3):
        along = (t1 - t0) * (end[c] - begin[c]) / size[:, c]
        u, v = (a for a in range(3) if a != c)
        for s, r in itertools.product((0, 1), repeat=2):
            across = np.zeros(len(t0))
            for g in _GAUSS:
                x = (begin + (t0 + g * (t1 - t0))[:, None] * (end - begin) - low) / size
                across += 0.5 * (x[:, u] if s else 1 - x[:, u]) * (x[:, v] if r else 1 - x[:, v])
            at = np.column_stack([np.full(len(t0), c), cell])
            at[:, 1 + u] += s
            at[:, 1 + v] += r
            edges.append(at)
            weights.append(along * across)
    return np.concatenate(edges), np.concatenate(weights)


def _merged(grid: RectilinearGrid, rows: int, name: np.ndarray, at: np.ndarray, weight: np.ndarray) -> Weights:
    """Parts with repetitions as a matrix without, and without weights of zero."""
    flat = np.ravel_multi_index(tuple(at.T), (3, *grid.node_shape))
    keys, inverse = np.unique(np.stack([name, flat]), axis=1, return_inverse=True)
    sums = np.bincount(inverse.ravel(), weight, keys.shape[1])
    there = np.abs(sums) > 1e-12
    keys, sums = keys[:, there], sums[there]
    at = np.stack(np.unravel_index(keys[1], (3, *grid.node_shape)), axis=1)
    return Weights(np.searchsorted(keys[0], np.arange(rows + 1)), at, sums)
