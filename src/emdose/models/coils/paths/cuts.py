"""Chains of metal cut by gaps with capacitors and feeds: the circuit coil that they make."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import listed, unknown
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, FeedPort, LumpedElement, SolidConductor, Strip, Wire
from emdose.models.coils.paths.chains import CoilChain
from emdose.models.coils.paths.named_drives import named_drives
from emdose.models.grids.grid import Vector
from emdose.values import read_only

BESIDE = 0.02
"""How far from its conductor the place of a gap may lie, as a share of the size of the coil: places are read off."""


@read_only
@dataclass(frozen=True)
class CoilGap:
    """A place where a conductor is cut, and what bridges it.

    Parameters
    ----------
    name : str
        Name of its element.
    length_m : float
        Length of the gap along the conductor [m].
    conductor : str, optional
        The conductor; without it the one that is nearest to ``place_m``.
    place_m : (float, float, float), optional
        Its middle [m].
    piece : int, optional
        Instead: number of the straight piece of the conductor, from 1, in whose middle it is.
    resistance_ohm, inductance_H, capacitance_F : float, optional
        Values of the element; without any there is a feed alone.
    topology : {"series", "parallel"}
        How they are connected.
    feed : str, optional
        Name of a feed in parallel.
    impedance_ohm : float
        Impedance of its source [ohm].
    place : str
        Where it stands in its file, such as "line 3".
    """

    name: str
    length_m: float
    conductor: str | None = None
    place_m: Vector | None = None
    piece: int | None = None
    resistance_ohm: float | None = None
    inductance_H: float | None = None
    capacitance_F: float | None = None
    topology: str = "series"
    feed: str | None = None
    impedance_ohm: float = 50.0
    place: str = ""

    @property
    def has_element(self) -> bool:
        """Whether anything but a feed bridges it."""
        return not self.resistance_ohm is self.inductance_H is self.capacitance_F is None


def circuit_coil(
    name: str,
    chains: Sequence[CoilChain],
    gaps: Sequence[CoilGap],
    *,
    wire_radius_m: float | None = None,
    strip_width_m: float | None = None,
    strip_normal: str | Sequence[float] = "radial",
    solids: Sequence[SolidConductor] = (),
    parameters: Mapping[str, Any] | None = None,
) -> CircuitCoil:
    """The coil of metal of some chains, cut by gaps.

    Parameters
    ----------
    name : str
        Name shown in reports.
    chains : sequence of CoilChain
        The metal; their currents are left aside. Where two of them share a point they are joined.
    gaps : sequence of CoilGap
        Capacitors and feeds, at least one feed.
    wire_radius_m, strip_width_m : float, optional
        Round wire or flat strip [m]; without both a line of grid edges.
    strip_normal : "radial" or (float, float, float)
        Normal of the strips: away from the z axis, or one for all.
    solids : sequence of SolidConductor
        More metal.
    parameters : mapping
        What the coil was built from.

    Raises
    ------
    InputError
        For a gap on no conductor, longer than its conductor, over another gap or without anything in it, a coil without
        a feed, strips without a normal, and what :class:`CircuitCoil` refuses.
    """
    if wire_radius_m is not None and strip_width_m is not None:
        raise InputError("strips and wires at once", field="strip_width_m, wire_radius_m", expected="one of them")
    size = float(np.ptp(np.concatenate([c.points_m for c in chains]), axis=0).max())
    on: dict[int, list[tuple[float, float, CoilGap]]] = {}
    for gap in gaps:
        number, middle = _found(gap, chains, size)
        on.setdefault(number, []).append((middle - 0.5 * gap.length_m, middle + 0.5 * gap.length_m, gap))
    elements, feeds, turns = [], [], []
    conductors: list[Conductor] = []
    ends: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for number, chain in enumerate(chains):
        points = _clear_start(chain, on.get(number, []))
        conductors.append(_metal(points, wire_radius_m, strip_width_m, strip_normal, chain.name))
        for low, high, gap in on.get(number, []):
            a, b = _at(chain, low), _at(chain, high)
            ends[gap.name] = (a, b)
            if gap.feed is not None:
                turns.append(_turning(chain, a, b, chains))
    for gap in gaps:
        a, b = ends[gap.name]
        where: tuple[Any, Any] = (tuple(a.tolist()), tuple(b.tolist()))
        if gap.has_element:
            values = {k: getattr(gap, k) for k in ("resistance_ohm", "inductance_H", "capacitance_F", "topology")}
            elements.append(LumpedElement(gap.name, *where, **values))
        elif gap.feed is None:
            raise InputError(
                f"nothing in gap {gap.name!r}",
                field=gap.place or gap.name,
                expected="capacitance_F, inductance_H, resistance_ohm or a feed",
            )
        if gap.feed is not None:
            feeds.append((gap, FeedPort(gap.feed, *where, gap.impedance_ohm)))
    if not feeds:
        raise InputError("a coil without a feed", field="gaps", expected="a gap with a name in its column 'feed'")
    # Turns were gathered chain by chain, feeds stand in the order of the table.
    order = [gap.name for c in range(len(chains)) for _, _, gap in on.get(c, []) if gap.feed is not None]
    by_name = dict(zip(order, turns, strict=True))
    moment = np.array([by_name[gap.name] for gap, _ in feeds])
    return CircuitCoil(
        name,
        [*conductors, *solids],
        elements,
        [feed for _, feed in feeds],
        named_drives(moment),
        parameters=dict(parameters or {}),
    )


def _found(gap: CoilGap, chains: Sequence[CoilChain], size: float) -> tuple[int, float]:
    """Number of the conductor of a gap, and the length along it of its middle [m]."""
    where = gap.place or gap.name
    names = [c.name for c in chains]
    if gap.conductor is not None and gap.conductor not in names:
        raise unknown(f"gap {gap.name!r} on an unknown conductor", gap.conductor, dict.fromkeys(names), field=where)
    among = [n for n, c in enumerate(chains) if gap.conductor in (None, c.name)]
    if (gap.place_m is None) == (gap.piece is None):
        raise InputError(f"gap {gap.name!r} without one place", field=where, expected="either x, y, z or a segment")
    if gap.piece is not None:
        if len(among) > 1:
            expected = f"conductor: {listed(list(dict.fromkeys(names)))}"
            raise InputError(f"gap {gap.name!r} on which conductor?", field=where, expected=expected)
        chain = chains[among[0]]
        lengths = _lengths(chain)
        if not 1 <= gap.piece < len(lengths):
            raise InputError(
                f"gap {gap.name!r} on no segment of {chain.name!r}",
                field=where,
                found=gap.piece,
                expected=f"1 to {len(lengths) - 1}",
            )
        number, middle = among[0], float(0.5 * (lengths[gap.piece - 1] + lengths[gap.piece]))
    else:
        nearest = [(*_nearest(chains[n], np.array(gap.place_m)), n) for n in among]
        off, middle, number = min(nearest)
        if off > BESIDE * size:
            raise InputError(
                f"gap {gap.name!r} on no conductor",
                field=where,
                found=f"{1e3 * off:.4g} mm from {chains[number].name!r}",
                expected="the coordinates of a point on a conductor",
            )
    chain = chains[number]
    total = float(_lengths(chain)[-1])
    if gap.length_m >= 0.9 * total:
        raise InputError(
            f"gap {gap.name!r} is as long as its conductor",
            field=where,
            found=f"{1e3 * gap.length_m:.4g} mm of {1e3 * total:.4g} mm",
            expected="a shorter gap_m",
        )
    if not chain.is_closed and not 0.5 * gap.length_m < middle < total - 0.5 * gap.length_m:
        raise InputError(
            f"gap {gap.name!r} reaches over the end of {chain.name!r}",
            field=where,
            found=f"{1e3 * min(middle, total - middle):.4g} mm from its end",
            expected=f"more than half the gap, {500 * gap.length_m:.4g} mm",
        )
    return number, middle


def _lengths(chain: CoilChain) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(chain.points_m, axis=0), axis=1))])


def _nearest(chain: CoilChain, point: np.ndarray) -> tuple[float, float]:
    """Distance of a point from a chain, and the length along the chain where it is nearest [m]."""
    a, v = chain.points_m[:-1], np.diff(chain.points_m, axis=0)
    t = np.clip(((point - a) * v).sum(1) / (v * v).sum(1), 0, 1)
    off = np.linalg.norm(a + t[:, None] * v - point, axis=1)
    n = int(off.argmin())
    lengths = _lengths(chain)
    return float(off[n]), float(lengths[n] + t[n] * (lengths[n + 1] - lengths[n]))


def _at(chain: CoilChain, where: float) -> np.ndarray:
    """The point at a length along a chain [m]; a closed one goes on around."""
    lengths = _lengths(chain)
    w = where % lengths[-1] if chain.is_closed else where
    return np.array([np.interp(w, lengths, chain.points_m[:, c]) for c in range(3)])


def _clear_start(chain: CoilChain, gaps: Sequence[tuple[float, float, CoilGap]]) -> np.ndarray:
    """Corners of a chain that starts clear of its gaps; raises InputError where two gaps overlap."""
    lengths = _lengths(chain)
    total = float(lengths[-1])
    spans = sorted(gaps, key=lambda g: g[0])
    after = [*spans[1:], *([(spans[0][0] + total, 0.0, spans[0][2])] if spans and chain.is_closed else [])]
    for (_, high, gap), (low, _, other) in zip(spans, after, strict=False):
        if low < high and other is not gap:
            raise InputError(
                f"gaps {gap.name!r} and {other.name!r} overlap",
                field=other.place or other.name,
                found=f"{1e3 * (high - low):.3g} mm",
                expected="gaps apart from each other",
            )
    if not chain.is_closed or not spans:
        return chain.points_m
    # Start in the middle of the longest stretch without a gap.
    free = [low - high for (_, high, _), (low, _, _) in zip(spans, after, strict=True)]
    widest = int(np.argmax(free))
    start = (spans[widest][1] + 0.5 * free[widest]) % total
    inner = np.sort(np.mod(lengths[:-1] - start, total))
    inner = inner[(inner > 1e-9 * total) & (inner < total * (1 - 1e-9))]
    return np.array([_at(chain, start + s) for s in (0.0, *inner, 0.0)])


def _metal(
    points: np.ndarray, radius: float | None, width: float | None, normal: str | Sequence[float], name: str
) -> Conductor:
    if width is None:
        return Wire(points, radius)
    if not isinstance(normal, str):
        return Strip(points, width, np.asarray(normal, float))
    if normal != "radial":
        raise InputError("unknown normal of strips", field="strip_normal", found=normal, expected="'radial' or x, y, z")
    out = 0.5 * (points[1:] + points[:-1]) * np.array([1.0, 1.0, 0.0])
    along = np.diff(points, axis=0)
    if np.any(
        np.linalg.norm(np.cross(out, along), axis=1) < 1e-6 * np.linalg.norm(along, axis=1) * np.abs(points).max()
    ):
        raise InputError(
            f"a piece of strip {name!r} runs towards or through the z axis: no radial normal",
            field="strip_normal",
            found="radial",
            expected="x, y, z",
        )
    return Strip(points, width, out)


def _turning(chain: CoilChain, a: np.ndarray, b: np.ndarray, chains: Sequence[CoilChain]) -> np.ndarray:
    """Which way the field of a feed from a to b points, as a vector.

    That of a loop is its magnetic moment. Of a feed in a larger network, such as the ring of a cage, it points away
    from the axis through the middle of the coil, for a feed that runs around it in the positive sense or up.
    """
    if chain.is_closed and _is_alone(chain, chains):
        return np.asarray(0.5 * np.cross(chain.points_m[:-1], chain.points_m[1:]).sum(axis=0))
    points = np.concatenate([c.points_m for c in chains])
    out = (0.5 * (a + b) - 0.5 * (points.min(0) + points.max(0))) * np.array([1.0, 1.0, 0.0])
    around = np.array([-out[1], out[0], 0.0]) / max(math.hypot(out[0], out[1]), 1e-12)
    way = b - a
    sense = way @ around if abs(way @ around) >= abs(way[2]) else way[2]
    return np.asarray(out if sense >= 0 else -out)


def _is_alone(chain: CoilChain, chains: Sequence[CoilChain]) -> bool:
    """Whether a conductor meets no other one at a corner of either."""
    low, high = chain.points_m.min(0), chain.points_m.max(0)
    near = 1e-6 * float((high - low).max())
    for other in chains:
        if other is chain or np.any(other.points_m.min(0) > high + near) or np.any(other.points_m.max(0) < low - near):
            continue
        pairs = [(other, p) for p in chain.points_m] + [(chain, p) for p in other.points_m]
        if any(_nearest(c, p)[0] <= near for c, p in pairs):
            return False
    return True
