"""Round wires as straight pieces, with points at corners, junctions and gaps."""

from __future__ import annotations

import itertools

import numpy as np

from emdose.models.coils.conductors import Wire
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import JOIN, MeshPiece

CORNER_DEG = 12.0
"""From this change of direction on, a corner of a chain is a corner and not part of an arc [degrees]."""


def lengths_along(spine: np.ndarray) -> np.ndarray:
    """Length along a chain of each of its points (n,) [m]."""
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))])


def nearest_on(spine: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance of points (k, 3) from a chain, and the lengths along it where it is nearest (k,) [m]."""
    v = np.diff(spine, axis=0)
    t = ((points[:, None] - spine[None, :-1]) * v).sum(-1) / (v * v).sum(-1)
    t = np.clip(t, 0, 1)
    off = np.linalg.norm(spine[:-1] + t[..., None] * v - points[:, None], axis=-1)
    n = off.argmin(axis=1)
    row = np.arange(len(points))
    s = lengths_along(spine)
    return off[row, n], s[n] + t[row, n] * (s[n + 1] - s[n])


def wire_lines(
    wire: Wire, others: np.ndarray, stations: np.ndarray, longest_m: float, size_m: float, options: MeshOptions
) -> np.ndarray:
    """Lengths along a wire at which its points lie [m].

    Parameters
    ----------
    wire : Wire
        The wire.
    others : (k, 3) ndarray
        Points of other conductors that may lie on it [m].
    stations : (m,) ndarray
        Lengths along it at which gaps cut it [m].
    longest_m : float
        Longest piece [m].
    size_m : float
        Size of the coil [m].
    options : MeshOptions
        How finely.
    """
    s = lengths_along(wire.points_m)
    way = np.diff(wire.points_m, axis=0) / np.diff(s)[:, None]
    turning = np.degrees(np.arccos(np.clip((way[1:] * way[:-1]).sum(axis=1), -1, 1)))
    off, where = nearest_on(wire.points_m, others) if len(others) else (np.zeros(0), np.zeros(0))
    near = JOIN * size_m
    must = np.concatenate([s[[0, -1]], s[1:-1][turning > CORNER_DEG], where[off < near], stations])
    must = np.sort(must)
    must = must[np.concatenate([[True], np.diff(must) > near])]
    smooth = np.where(turning > CORNER_DEG, 0.0, turning)
    out = [must[:1]]
    for low, high in itertools.pairwise(must):
        bend = smooth[(s[1:-1] > low + near) & (s[1:-1] < high - near)].sum()
        count = max(1, int(np.ceil((high - low) / longest_m - 1e-9)), int(np.ceil(bend / options.arc_deg - 1e-9)))
        out.append(np.linspace(low, high, count + 1)[1:])
    return np.concatenate(out)


def wire_piece(wire: Wire, lines: np.ndarray, part: int, options: MeshOptions) -> MeshPiece:
    """The pieces of a wire between points at these lengths along it."""
    s = lengths_along(wire.points_m)
    points = np.stack([np.interp(lines, s, wire.points_m[:, c]) for c in range(3)], axis=1)
    number = np.arange(len(lines))
    wires = np.stack([number[:-1], number[1:]], axis=1)
    radius = options.line_radius_m if wire.radius_m is None else wire.radius_m
    return MeshPiece.line(points, wires, np.full(len(wires), radius), part)
