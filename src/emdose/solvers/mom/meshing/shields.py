"""The cylindrical shield of a coil as triangles."""

from __future__ import annotations

import itertools
import math

import numpy as np

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
    """
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
    u = _filled(np.concatenate([[start], sides, [start + period]]), step, tie)
    step = min(shield.length_m / options.shield_along, longest_m)
    v = _filled(np.sort(np.concatenate([[-half], needed[1], [half]])), step, tie)
    middle = 0.5 * (u[1:] + u[:-1])
    off = np.mod(middle[:, None] - middles[None] + 0.5 * around, around) - 0.5 * around
    metal = np.all(np.abs(off) > 0.5 * width, axis=1) if slots else np.ones(len(middle), bool)
    return cells_of(u, v, np.broadcast_to(metal[:, None], (len(u) - 1, len(v) - 1)), shield_chart(shield), part).used()


def _filled(lines: np.ndarray, step: float, tie: float) -> np.ndarray:
    """Lines with as many equal steps between them as keep each below ``step``."""
    out = [lines[:1]]
    for low, high in itertools.pairwise(lines):
        if high - low > tie:
            out.append(np.linspace(low, high, max(1, math.ceil((high - low) / step - 1e-9)) + 1)[1:])
    return np.concatenate(out)
