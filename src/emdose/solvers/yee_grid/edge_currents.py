r"""Filament currents on the edges of a rectilinear grid, free of divergence.

A point is shared by the eight nodes of its cell with trilinear weights, and a straight piece of path within one cell
puts on an edge the exact integral of the weights across it:

.. math:: a_x = I \frac{\Delta x}{d_x} \int_0^1 w_y(s)\, w_z(s)\, ds
              = I \frac{\Delta x}{d_x} \Bigl(\bar w_y \bar w_z + \tfrac{1}{12} \Delta w_y \Delta w_z\Bigr)

The sum of the edge currents into a node is then exactly the change of its weights along the path: a closed circuit
leaves no charge anywhere, and an open one leaves it at its ends alone.

Source: J. Villasenor and O. Buneman, Comput. Phys. Commun. 69 (1992) 306 (charge-conserving currents).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError

if TYPE_CHECKING:
    from emdose.models.grids.rectilinear import RectilinearGrid


@dataclass(frozen=True, eq=False)
class EdgeCurrents:
    """Currents of several ports on a list of edges.

    Parameters
    ----------
    edges : (n, 4) int ndarray
        Component and node indices (c, i, j, k) of every edge.
    weights : (port, n) complex ndarray
        Current along it per unit drive of every port [A].
    """

    edges: np.ndarray
    weights: np.ndarray


def deposit(segments: np.ndarray, currents: np.ndarray, grid: RectilinearGrid) -> EdgeCurrents:
    """Edge currents of straight filaments.

    Parameters
    ----------
    segments : (n, 2, 3) ndarray
        Start and end of every filament [m].
    currents : (port, n) complex ndarray
        Current from start to end [A].
    grid : RectilinearGrid
        The grid.

    Returns
    -------
    EdgeCurrents
        Only edges that carry a current.

    Raises
    ------
    InputError
        When a filament leaves the grid.
    """
    place, which = _pieces(np.asarray(segments, float), grid)
    # Coordinates in cells; pieces do not cross node planes, so that the middle says in which cell a piece lies.
    shape = np.array(grid.shape)
    cell = np.clip(np.floor(place.mean(axis=1)).astype(np.int64), 0, shape - 1)
    local = place - cell[:, None, :]
    step = local[:, 1] - local[:, 0]
    node_shape = grid.node_shape
    flat_edges, flat_shares, flat_pieces = [], [], []
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        for high_a in (0, 1):
            for high_b in (0, 1):
                w_a, w_b = (local[:, :, d] if high else 1 - local[:, :, d] for d, high in ((a, high_a), (b, high_b)))
                share = w_a.mean(1) * w_b.mean(1) + (w_a[:, 1] - w_a[:, 0]) * (w_b[:, 1] - w_b[:, 0]) / 12
                index = cell.copy()
                index[:, a] += high_a
                index[:, b] += high_b
                flat_edges.append(np.ravel_multi_index((np.full(len(index), c), *index.T), (3, *node_shape)))
                flat_shares.append(step[:, c] * share)
                flat_pieces.append(which)
    edge, share, piece = (np.concatenate(v) for v in (flat_edges, flat_shares, flat_pieces))
    edges, inverse = np.unique(edge, return_inverse=True)
    weights = np.zeros((len(currents), len(edges)), complex)
    for p, current in enumerate(np.asarray(currents, complex)):
        values = share * current[piece]
        weights[p] = np.bincount(inverse, values.real, len(edges)) + 1j * np.bincount(inverse, values.imag, len(edges))
    # Rounding leaves currents of 1e-17 on edges that a filament only touches.
    keep = np.abs(weights).max(axis=0) > 1e-12 * np.abs(weights).max()
    return EdgeCurrents(np.stack(np.unravel_index(edges[keep], (3, *node_shape)), axis=1), weights[:, keep])


def divergence(currents: EdgeCurrents, grid: RectilinearGrid) -> np.ndarray:
    """Net current out of every node, (port, nx + 1, ny + 1, nz + 1) [A]."""
    shape = grid.node_shape
    out = np.zeros((len(currents.weights), *shape), complex)
    start = currents.edges[:, 1:]
    end = start + np.eye(3, dtype=int)[currents.edges[:, 0]]
    for p, w in enumerate(currents.weights):
        np.add.at(out[p], tuple(start.T), w)
        np.add.at(out[p], tuple(end.T), -w)
    return out


def _pieces(segments: np.ndarray, grid: RectilinearGrid) -> tuple[np.ndarray, np.ndarray]:
    """Segments cut at the node planes, (m, 2, 3) in units of cells, and the segment each piece belongs to."""
    ends = np.empty_like(segments)
    for a in range(3):
        nodes = grid.nodes(a)
        slack = 1e-9 * (nodes[-1] - nodes[0])
        if segments[..., a].min() < nodes[0] - slack or segments[..., a].max() > nodes[-1] + slack:
            raise InputError(
                "a filament leaves the grid",
                field="coil",
                found=f"{'xyz'[a]} from {segments[..., a].min():.4g} to {segments[..., a].max():.4g} m",
                expected=f"within {nodes[0]:.4g} to {nodes[-1]:.4g} m",
            )
        ends[..., a] = np.interp(segments[..., a], nodes, np.arange(len(nodes)))
    # On graded axes a straight line bends at node planes only, so that cutting first in metres keeps it straight.
    pieces, which = [], []
    for n, (p, q) in enumerate(segments):
        cuts = [0.0, 1.0]
        for a in range(3):
            if p[a] != q[a]:
                nodes = grid.nodes(a)
                low, high = sorted((p[a], q[a]))
                inside = nodes[(nodes > low) & (nodes < high)]
                cuts.extend((inside - p[a]) / (q[a] - p[a]))
        t = np.unique(cuts)
        t = t[np.concatenate([[True], np.diff(t) > 1e-12])]
        points = p + t[:, None] * (q - p)
        cells = np.stack([np.interp(points[:, a], grid.nodes(a), np.arange(len(grid.nodes(a)))) for a in range(3)], -1)
        cells[0], cells[-1] = ends[n]
        pieces.append(np.stack([cells[:-1], cells[1:]], axis=1))
        which.append(np.full(len(t) - 1, n))
    return np.concatenate(pieces), np.concatenate(which)
