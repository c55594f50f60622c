"""Turns about z that map the metal of a coil onto itself, and which conductors turn into which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.models.coils.conductors import Conductor, Plate, Sheet, SolidConductor, Strip, Wire
from emdose.models.coils.cylinder import Shield
from emdose.solvers.mom.meshing.pieces import turn_about_z
from emdose.solvers.mom.meshing.wires import lengths_along
from emdose.values import read_only

SAME = 1e-4
"""Points of turned conductors agree to this share of the size of the coil: chains of chords stand for arcs."""
FRACTIONS = (0.0, 1.0, 0.25, 0.5, 0.75)
"""Places along a chain at which conductors are compared; the ends come first."""


@read_only
@dataclass(frozen=True, eq=False)
class TurnSymmetry:
    """The turns that a coil's metal allows.

    Parameters
    ----------
    count : int
        A turn by 1/count maps the metal onto itself; 1 without symmetry.
    centre_m : (3,) ndarray
        A point on the axis [m].
    first, sector : (conductor,) int ndarray
        The conductor of sector 0 that every conductor is a turned copy of, and by how many turns.
    """

    count: int
    centre_m: np.ndarray
    first: np.ndarray
    sector: np.ndarray

    def back(self, points_m: np.ndarray, sector: int) -> np.ndarray:
        """Points turned back by some sectors [m]."""
        return turn_about_z(points_m, -2 * math.pi * sector / self.count, self.centre_m)


def symmetry_of(conductors: Sequence[Conductor], shield: Shield | None) -> TurnSymmetry:
    """The largest number of turns about a line along z that map all conductors, and the shield, onto each other."""
    count = len(conductors)
    boxed = [np.array([c.low_m, c.high_m]) if isinstance(c, SolidConductor) else _corners(c) for c in conductors]
    low, high = (f(np.concatenate(boxed), axis=0) for f in (np.min, np.max))
    none = TurnSymmetry(1, 0.5 * (low + high), np.arange(count), np.zeros(count, np.int64))
    if any(isinstance(c, SolidConductor) for c in conductors):
        return none
    centre = np.mean([c[:2].mean(axis=0) for c in boxed], axis=0)  # of ends: they lie on the arcs themselves
    centre[2] = 0.5 * (low[2] + high[2])
    near = SAME * float((high - low).max())
    if shield is not None:
        if math.hypot(*(centre - shield.centre_m)[:2]) > near:
            return none
        centre[:2] = shield.centre_m[:2]
    for n in range(count, 1, -1):
        if count % n == 0 and _shield_allows(shield, n):
            found = _orbits(conductors, boxed, n, centre, near)
            if found is not None:
                return TurnSymmetry(n, centre, *found)
    return none


def _shield_allows(shield: Shield | None, n: int) -> bool:
    return shield is None or shield.slots % n == 0


def _orbits(
    conductors: Sequence[Conductor], corners: list[np.ndarray], n: int, centre: np.ndarray, near: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """First conductor of each orbit of n and the turns from there, or None where a turn maps none onto it."""
    first = np.full(len(conductors), -1)
    sector = np.zeros(len(conductors), np.int64)
    middle = np.array([c.mean(axis=0) for c in corners])
    for k in range(len(conductors)):
        if first[k] >= 0:
            continue
        first[k] = k
        for s in range(1, n):
            turned = turn_about_z(corners[k], 2 * math.pi * s / n, centre)
            off = np.linalg.norm(middle - turned.mean(axis=0), axis=1)
            for other in np.flatnonzero((off < near) & (first < 0)).tolist():
                same = type(conductors[other]) is type(conductors[k]) and corners[other].shape == turned.shape
                if same and _alike(conductors[k], conductors[other]) and np.abs(corners[other] - turned).max() < near:
                    first[other], sector[other] = k, s
                    break
            else:
                return None
    return first, sector


def _alike(a: Conductor, b: Conductor) -> bool:
    return getattr(a, "radius_m", None) == getattr(b, "radius_m", None)


def _corners(c: Conductor) -> np.ndarray:
    """Points that fix a conductor (n, 3): along its spine, and its edges at its ends."""
    assert isinstance(c, Wire | Strip | Sheet | Plate)
    (_, first, a), (_, last, b) = c.sheets[0], c.sheets[-1]
    spine = first if isinstance(c, Plate) else c.points_m
    s = lengths_along(spine)
    along = np.stack([np.interp(np.array(FRACTIONS) * s[-1], s, spine[:, k]) for k in range(3)], axis=1)
    return np.concatenate([along, first[0] + a[[0, -1]], last[-1] + b[[0, -1]]])
