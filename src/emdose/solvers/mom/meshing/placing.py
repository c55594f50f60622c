"""Where the gaps of a coil lie: on a conductor, or on a piece of metal of their own that bridges two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, Plate, Sheet, SolidConductor, Strip, Wire
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.gaps import Gap, gap_span
from emdose.solvers.mom.meshing.charts import Flat
from emdose.solvers.mom.meshing.pieces import JOIN
from emdose.solvers.mom.meshing.symmetry import TurnSymmetry
from emdose.solvers.mom.meshing.wires import lengths_along, nearest_on

UPRIGHT = 0.7
"""A gap is one between metal above each other when its direction and the normal have a larger cosine."""


@dataclass(frozen=True, eq=False)
class Post:
    """A gap between a strip and metal below or above it.

    Parameters
    ----------
    strip : int
        Number of the strip's conductor.
    ground : int
        Number of the other conductor, or -1 for the shield.
    from_m, to_m : (3,) ndarray
        Its ends, on the strip and on the other metal [m].
    """

    strip: int
    ground: int
    from_m: np.ndarray
    to_m: np.ndarray


@dataclass(frozen=True, eq=False)
class CoilMetal:
    """All metal of a coil without its shield: its own conductors, and those that gaps bring along.

    Parameters
    ----------
    conductors : tuple of conductors
        The coil's own, then one for every gap that bridges two of them.
    posts : dict of int to Post
        Which of the latter stand between metal above each other.
    own : dict of str to int
        From the name of a gap to the conductor that it lies on.
    """

    conductors: tuple[Conductor, ...]
    posts: dict[int, Post]
    own: dict[str, int]


@dataclass(frozen=True, eq=False)
class Place:
    """A gap on a conductor of sector 0, as it lies after it was turned back there.

    Parameters
    ----------
    gap : Gap
        The gap.
    conductor : int
        Number of the conductor of sector 0.
    sector : int
        The sector that the gap lies in.
    middle_m : (3,) ndarray
        Its middle on the conductor, turned back to sector 0 [m].
    direction : (3,) ndarray
        From its start to its end, where it lies.
    back : (3,) ndarray
        The same, turned back.
    """

    gap: Gap
    conductor: int
    sector: int
    middle_m: np.ndarray
    direction: np.ndarray
    back: np.ndarray


def metal_of(coil: CircuitCoil, line_radius_m: float) -> CoilMetal:
    """The conductors of a coil, and those of gaps that lie on none but bridge two.

    Parameters
    ----------
    coil : CircuitCoil
        The coil.
    line_radius_m : float
        Radius of wires that have none [m].

    Raises
    ------
    InputError
        For a gap that ends on no metal, or bridges metal that no mesh joins.
    """
    low, high = (np.array(e) for e in coil.extent_m)
    near = JOIN * float(np.linalg.norm(high - low))
    conductors: list[Conductor] = list(coil.conductors)
    own: dict[str, int] = {}
    posts: dict[int, Post] = {}
    for gap in coil.gaps:
        _require_outside(gap, coil)
        k = next((k for k, c in enumerate(coil.conductors) if _spine_span(c, gap) is not None), None)
        if k is None:
            made, post = _bridge(gap, coil, near, line_radius_m)
            k = len(conductors)
            conductors.append(made)
            if post is not None:
                posts[k] = post
        own[gap.name] = k
    return CoilMetal(tuple(conductors), posts, own)


def _require_outside(gap: Gap, coil: CircuitCoil) -> None:
    """Raise InputError when solid metal encloses a gap: no field of it gets out."""
    points = np.array([gap.start_m, 0.5 * np.add(gap.start_m, gap.end_m), gap.end_m])
    for c in coil.conductors:
        if isinstance(c, SolidConductor) and np.all(c.inside(*points.T)):
            raise InputError(
                f"solid metal encloses gap {gap.name!r}",
                field=gap.name,
                found=f"({', '.join(f'{1e3 * x:.1f}' for x in points[1])}) mm",
                expected="a gap outside of solid metal",
            )


def placed(coil: CircuitCoil, metal: CoilMetal, symmetry: TurnSymmetry) -> list[Place]:
    """Places of all gaps."""
    found = []
    for gap in coil.gaps:
        k = metal.own[gap.name]
        c = metal.conductors[k]
        span = _spine_span(c, gap)
        assert span is not None
        spine = spine_of(c)
        s = lengths_along(spine)
        middle = np.array([np.interp(0.5 * sum(span), s, spine[:, a]) for a in range(3)])
        way = np.subtract(gap.end_m, gap.start_m)
        way = way / np.linalg.norm(way)
        first, sector = int(symmetry.first[k]), int(symmetry.sector[k])
        back = symmetry.back(np.stack([middle, middle + way]), sector)
        found.append(Place(gap, first, sector, back[0], way, back[1] - back[0]))
    return found


def spine_of(conductor: Conductor) -> np.ndarray:
    """Points (n, 3) of the middle line of a conductor, of a plate those of its first edge [m]."""
    if isinstance(conductor, Plate):
        return conductor.sheets[0][1]
    assert not isinstance(conductor, SolidConductor)
    return conductor.points_m


def _spine_span(conductor: Conductor, gap: Gap) -> tuple[float, float] | None:
    return None if isinstance(conductor, SolidConductor) else gap_span(spine_of(conductor), gap)


def _bridge(gap: Gap, coil: CircuitCoil, near: float, line_radius_m: float) -> tuple[Conductor, Post | None]:
    """A piece of metal along a gap that lies on none."""
    a, b = np.array(gap.start_m), np.array(gap.end_m)
    length = float(np.linalg.norm(b - a))
    reach = max(near, 0.05 * length)
    first, second = (_metal_at(p, coil, reach) for p in (a, b))
    for at, point, label in ((first, a, "start_m"), (second, b, "end_m")):
        if at is None:
            raise InputError(
                f"gap {gap.name!r} ends on no metal",
                field=f"{gap.name}: {label}",
                found=f"({', '.join(f'{1e3 * x:.1f}' for x in point)}) mm",
                expected="a gap along a conductor, or between two of them",
            )
    assert first is not None
    assert second is not None
    kinds = [None if k < 0 else coil.conductors[k] for k in (first, second)]
    if all(isinstance(c, Wire) for c in kinds):
        radii = [line_radius_m if c.radius_m is None else c.radius_m for c in kinds]  # type: ignore[union-attr]
        return Wire(np.stack([a, b]), min(radii)), None
    strips = [c for c in kinds if isinstance(c, Strip | Sheet)]
    if strips and not any(isinstance(c, Wire | SolidConductor) for c in kinds):
        own = kinds[0] if isinstance(kinds[0], Strip | Sheet) else strips[0]
        assert isinstance(own, Strip | Sheet)
        swap = own is not kinds[0]
        start, end = (b, a) if swap else (a, b)
        normal, across = _frame_at(own, start)
        if abs((b - a) @ normal) > UPRIGHT * length:
            section = across if isinstance(own, Sheet) else np.stack([-across[-1], np.zeros(3), across[-1]])
            post = Post(second if swap else first, first if swap else second, start, end)
            return Sheet(np.stack([a, b]), section), post
        if abs((b - a) @ normal) < 0.2 * length and None not in kinds:
            width = min(c.width_m for c in strips)
            other = kinds[0] if own is kinds[1] else kinds[1]
            if isinstance(other, Strip | Sheet):
                facing = _frame_at(other, end)[0]
                normal = normal + math.copysign(1.0, float(facing @ normal)) * facing
            return Strip(np.stack([a, b]), width, normal), None
    names = [("the shield" if c is None else type(c).__name__) for c in kinds]
    raise InputError(
        f"gap {gap.name!r} bridges metal that no mesh joins",
        field=gap.name,
        found=f"{names[0]} and {names[1]}",
        expected="two wires, two strips in one surface, or a strip and metal above or below it",
    )


def _metal_at(point: np.ndarray, coil: CircuitCoil, reach: float) -> int | None:
    """Number of the conductor at a point, -1 for the shield, None for none."""
    best, found = reach, None
    for k, c in enumerate(coil.conductors):
        if isinstance(c, Wire):
            off = float(nearest_on(c.points_m, point[None])[0][0])
        elif isinstance(c, SolidConductor):
            off = 0.0 if c.inside(*point[:, None, None, None]).any() else np.inf
        else:
            off = float(min(d[0].min() for d in _facets(c, point)))
        if off <= best:
            best, found = off, k
    if found is None and coil.shield is not None and _on_shield(point, coil.shield, reach):
        return -1
    return found


def _on_shield(point: np.ndarray, shield: Shield, reach: float) -> bool:
    off = abs(float(shield.distance_m(point)) - shield.radius_m)
    return off <= reach and abs(point[2] - shield.centre_m[2]) <= 0.5 * shield.length_m + reach


def _facets(flat: Flat, point: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of every part of a flat conductor: distances of its facets from a point, directions along and across them."""
    out = []
    for _, spine, across in flat.sheets:
        corner = (spine[:-1, None] + across[None, :-1]).reshape(-1, 3)
        v = np.repeat(np.diff(spine, axis=0), len(across) - 1, axis=0)
        a = np.tile(np.diff(across, axis=0), (len(spine) - 1, 1))
        d = point - corner
        vv, aa, va = (v * v).sum(1), (a * a).sum(1), (v * a).sum(1)
        det = vv * aa - va**2
        s = np.clip(((d * v).sum(1) * aa - (d * a).sum(1) * va) / det, 0, 1)
        t = np.clip(((d * a).sum(1) * vv - (d * v).sum(1) * va) / det, 0, 1)
        out.append((np.linalg.norm(d - s[:, None] * v - t[:, None] * a, axis=1), v, a))
    return out


def _frame_at(flat: Strip | Sheet, point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Unit normal of a flat conductor at a point, and its cross-section there (k, 3) [m]."""
    facets = _facets(flat, point)
    part = int(np.argmin([d.min() for d, _, _ in facets]))
    off, v, a = facets[part]
    k = int(off.argmin())
    normal = np.cross(v[k], a[k])
    return normal / np.linalg.norm(normal), flat.sheets[part][2]
