"""Turns about z that map the metal of a coil onto itself, and which conductors turn into which."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, Plate, Sheet, SolidConductor, Strip, Wire
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.gaps import gap_span
from emdose.solvers.mom.meshing.charts import fitted_cylinder
from emdose.solvers.mom.meshing.pieces import JOIN, turn_about_z
from emdose.solvers.mom.meshing.wires import lengths_along, nearest_on
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


def with_rings_in_arcs(coil: CircuitCoil) -> CircuitCoil:
    """The same metal with closed rings cut where other conductors end on them, where that makes it symmetric.

    A turn maps such arcs onto each other, as it does the ring, which as one chain has a first point. A ring stays whole
    when a gap lies over one of those places.
    """
    low, high = (np.array(e) for e in coil.extent_m)
    near = JOIN * float((high - low).max())
    tips = [c.points_m[[0, -1]] for c in coil.conductors if isinstance(c, Wire | Strip | Sheet) and not _closed(c)]
    made: list[Conductor] = []
    for c in coil.conductors:
        ring = tips and isinstance(c, Wire | Strip) and _closed(c)
        if ring and (isinstance(c, Wire) or (isinstance(c, Strip) and fitted_cylinder(c) is not None)):
            made += _arcs(c, np.concatenate(tips), coil, near)
        else:
            made.append(c)
    if len(made) == len(coil.conductors):
        return coil
    if symmetry_of(made, coil.shield).count <= symmetry_of(coil.conductors, coil.shield).count:
        return coil
    other = copy.copy(coil)
    object.__setattr__(other, "conductors", tuple(made))
    return other


def _closed(c: Wire | Strip | Sheet) -> bool:
    return bool(np.array_equal(c.points_m[0], c.points_m[-1]))


def _arcs(ring: Wire | Strip, tips: np.ndarray, coil: CircuitCoil, near: float) -> list[Conductor]:
    """A closed chain in arcs between the tips that lie on it, or whole."""
    spine = ring.points_m
    s = lengths_along(spine)
    off, where = nearest_on(spine, tips)
    cuts = np.sort(np.mod(where[off < near], s[-1]))
    cuts = cuts[np.concatenate([[True], np.diff(cuts) > near])] if len(cuts) else cuts
    spans = [sorted(x) for x in (gap_span(spine, g) for g in coil.gaps) if x is not None]
    if len(cuts) < 2 or any(a - near < c < b + near for a, b in spans for c in cuts):
        return [ring]
    out: list[Conductor] = []
    for low, high in zip(cuts, np.append(cuts[1:], cuts[0] + s[-1]), strict=True):
        inner = np.concatenate([s[:-1], s[:-1] + s[-1]])
        inner = inner[(inner > low + near) & (inner < high - near)]
        marks = np.concatenate([[low], inner, [high]])
        points = np.stack([np.interp(np.mod(marks, s[-1]), s, spine[:, k]) for k in range(3)], axis=1)
        if isinstance(ring, Wire):
            out.append(replace(ring, points_m=points))
        else:
            middle = np.mod(0.5 * (marks[1:] + marks[:-1]), s[-1])
            piece = np.clip(np.searchsorted(s, middle, "right") - 1, 0, len(spine) - 2)
            normal = np.broadcast_to(ring.normal, (len(spine) - 1, 3))[piece]
            out.append(replace(ring, points_m=points, normal=normal))
    return out


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
