"""Where a coil is cut, where along a conductor that is, and the capacitors and feeds in the cuts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.conductors import FeedPort, LumpedElement
from emdose.models.grids.grid import Vector
from emdose.values import read_only

ARC_STEP = math.radians(1.5)
"""Largest angle of one straight piece of an arc of metal [rad]."""


@read_only
@dataclass(frozen=True)
class Gap:
    """A place where a coil is cut: one internal port of the coil.

    Parameters
    ----------
    name : str
        Name of its feed, otherwise of its element.
    start_m, end_m : (float, float, float)
        Terminals [m].
    element : LumpedElement or None
        What bridges it.
    feed : FeedPort or None
        The feed in parallel.
    """

    name: str
    start_m: Vector
    end_m: Vector
    element: LumpedElement | None
    feed: FeedPort | None


def gap_span(spine: np.ndarray, gap: Gap) -> tuple[float, float] | None:
    """Lengths along a chain at which a gap starts and ends [m], or None when it does not lie on it.

    Raises
    ------
    InputError
        When the gap spans the closing point of a closed chain.
    """
    ends = []
    straight = float(np.linalg.norm(np.subtract(gap.end_m, gap.start_m)))
    size = float(np.ptp(spine, axis=0).max())
    if np.any(np.array(gap.start_m) < spine.min(0) - straight) or np.any(
        np.array(gap.start_m) > spine.max(0) + straight
    ):
        return None
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(spine, axis=0), axis=1))])
    for point in (gap.start_m, gap.end_m):
        a, v = spine[:-1], np.diff(spine, axis=0)
        t = np.clip(((np.array(point) - a) * v).sum(1) / (v * v).sum(1), 0, 1)
        d = np.linalg.norm(a + t[:, None] * v - np.array(point), axis=1)
        n = int(d.argmin())
        if d[n] > max(1e-6 * size, 0.05 * straight):  # chains of chords stand for arcs
            return None
        ends.append(float(lengths[n] + t[n] * (lengths[n + 1] - lengths[n])))
    if abs(ends[1] - ends[0]) > 1.6 * straight:
        raise InputError(
            f"gap {gap.name!r} spans the closing point of its conductor",
            field=gap.name,
            expected="a chain that starts elsewhere",
        )
    return ends[0], ends[1]


def capacitor(name: str, start: np.ndarray, end: np.ndarray, value_F: float, resistance: float | None) -> LumpedElement:
    """A capacitor from ``start`` to ``end`` (3,) [m], with its series resistance [ohm] if given."""
    ends = (tuple(float(c) for c in start), tuple(float(c) for c in end))
    return LumpedElement(name, *ends, resistance_ohm=resistance, capacitance_F=value_F)  # type: ignore[arg-type]


def feed_across(element: LumpedElement, name: str, impedance_ohm: float) -> FeedPort:
    """A feed in parallel with an element."""
    return FeedPort(name, element.start_m, element.end_m, impedance_ohm)


def arc_angles(first: float, last: float) -> np.ndarray:
    """Angles from ``first`` to ``last`` [rad] of the corners of an arc of straight pieces."""
    return np.linspace(first, last, max(2, math.ceil(abs(last - first) / ARC_STEP) + 1))
