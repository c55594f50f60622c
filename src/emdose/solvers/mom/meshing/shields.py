"""The cylindrical shield of a coil as triangles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from emdose.models.coils.conductors import Conductor, SolidConductor
from emdose.models.coils.cylinder import Shield
from emdose.solvers.mom.meshing.charts import Chart
from emdose.solvers.mom.meshing.grids import cells_of
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import MeshPiece


def shield_chart(shield: Shield) -> Chart:
    """The cylinder of a shield."""
    return Chart(np.array(shield.centre_m), np.eye(3), shield.radius_m)


def shield_piece(
    shield: Shield,
    sectors: int,
    longest_m: float,
    options: MeshOptions,
    part: int,
    needed: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0)),
    conductors: Sequence[Conductor] = (),
) -> MeshPiece:
    """One sector of a shield.

    Parameters
    ----------
    shield : Shield
        The shield.
    sectors : int
        Into how many equal parts its circumference is cut; a divisor of the number of its slots.
    longest_m : float
        Longest cell [m].
    options : MeshOptions
        How finely.
    part : int
        Number of the part of the mesh.
    needed : two (k,) ndarrays
        Lines of constant u = radius x angle and of constant v = z - centre that there must be [m].
    conductors : sequence of conductors
        Metal of one sector; where it is near, cells are small.
    """
    opposite = _opposite(conductors, shield, options)
    around = 2 * math.pi * shield.radius_m
    period, half = around / sectors, 0.5 * shield.length_m
    slots, width = shield.slots, shield.slot_width_m
    middles = around * (np.arange(slots) + 0.5) / max(slots, 1)
    tie = 1e-9 * around
    sides = np.concatenate([middles - 0.5 * width, middles + 0.5 * width, needed[0]])
    # From the middle of a slot, or a line that there must be, to the next of its kind.
    start = float(middles[0] - period) if slots else (float(needed[0][0]) if len(needed[0]) else 0.0)
    sides = np.sort(start + np.mod(sides - start + tie, period) - tie)
    step = min(around / options.shield_around, longest_m)
    u = _filled(np.concatenate([[start], sides, [start + period]]), step, opposite[0], period, tie)
    step = min(shield.length_m / options.shield_along, longest_m)
    v = _filled(np.sort(np.concatenate([[-half], needed[1], [half]])), step, opposite[1], 0.0, tie)
    middle = 0.5 * (u[1:] + u[:-1])
    off = np.mod(middle[:, None] - middles[None] + 0.5 * around, around) - 0.5 * around
    metal = np.all(np.abs(off) > 0.5 * width, axis=1) if slots else np.ones(len(middle), bool)
    return cells_of(u, v, np.broadcast_to(metal[:, None], (len(u) - 1, len(v) - 1)), shield_chart(shield), part).used()


def _opposite(conductors: Sequence[Conductor], shield: Shield, options: MeshOptions) -> tuple[np.ndarray, np.ndarray]:
    """Intervals of u and of v opposite to strips and wires that run across them: low, high, cell there (n, 3) [m]."""
    chart = shield_chart(shield)
    found: tuple[list[list[float]], list[list[float]]] = ([], [])
    for c in conductors:
        for _, spine, across in () if isinstance(c, SolidConductor) else c.sheets:
            width = float(np.linalg.norm(across[-1] - across[0]))
            for ends in pairwise(spine):
                corners = (np.stack(ends)[:, None] + across[None]).reshape(-1, 3)
                apart = shield.radius_m - float(shield.distance_m(corners).max())
                flat = chart.flat(corners)
                low, high = flat.min(axis=0), flat.max(axis=0)
                way = np.abs(np.diff(chart.flat(np.stack(ends)), axis=0))[0]
                axis = 1 if way[0] > way[1] else 0
                # A cell far smaller than those of the strip itself would see their steps.
                cell = options.shield_nearness * max(apart, 0.125 * width)
                found[axis].append([low[axis], high[axis], cell])
    # Chains of chords give the same interval many times.
    rows = [np.array(f).reshape(-1, 3) for f in found]
    return tuple(np.unique(np.round(r, 6), axis=0) for r in rows)  # type: ignore[return-value]


def _filled(lines: np.ndarray, step: float, opposite: np.ndarray, period: float, tie: float) -> np.ndarray:
    """Lines with cells between them below ``step``, and as small as asked for opposite to metal; they grow by half."""
    out = [lines[:1]]
    near = opposite[opposite[:, 2] < step]
    if period:
        turn = np.floor((near[:, 0] - lines[0]) / period) if len(near) else np.zeros(0)
        near = near - np.stack([turn * period, turn * period, 0 * turn], axis=1)
        near = np.concatenate([near + np.array([k * period, k * period, 0.0]) for k in (-1, 0, 1)])
    for low, high in pairwise(lines):
        if high - low <= tie:
            continue
        x = np.linspace(low, high, 257)
        size = np.full(len(x), step)
        for a, b, cell in near:
            size = np.minimum(size, cell + 0.5 * np.maximum(0.0, np.maximum(a - x, x - b)))
        cells = np.concatenate([[0.0], np.cumsum(0.5 * (1 / size[1:] + 1 / size[:-1]) * np.diff(x))])
        count = max(1, math.ceil(float(cells[-1]) - 1e-6))
        inner = np.interp(np.arange(1, count + 1) / count * cells[-1], cells, x)
        inner[-1] = high
        out.append(inner)
    return np.concatenate(out)
