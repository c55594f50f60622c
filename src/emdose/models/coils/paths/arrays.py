"""Arrays of equal elements: a coil that is turned about an axis, or moved along a line, several times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from emdose.checks import number, unit_vector, vector, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Sheet, SolidConductor, Strip, Wire, moved
from emdose.models.coils.ideal import Coil
from emdose.models.coils.paths.named_drives import moments, named_drives
from emdose.models.grids.rotations import clean_turn

AXES = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
TOUCHING = 5e-4
"""Metal of two elements that comes closer than this share of the size of one is in contact."""
ALIKE = 0.05
"""Share of an element of ideal currents that may lie on another one: crossings do, elements in one place do not."""


def array_of(
    element: Coil | CircuitCoil,
    count: int,
    *,
    axis: str | Sequence[float] = "z",
    about_m: Sequence[float] = (0.0, 0.0, 0.0),
    angle_deg: float | None = None,
    shift_m: Sequence[float] = (0.0, 0.0, 0.0),
    name: str | None = None,
) -> Coil | CircuitCoil:
    """An array of equal elements, each turned and moved by as much from the one before.

    The ports of element n are called as the element's own, with n behind. Drives are "uniform" and, where the elements
    lie around z, "circular" and "anti-circular", with the phases that make their B1+ add up; see
    :func:`~emdose.models.coils.paths.named_drives.named_drives`.

    Parameters
    ----------
    element : Coil or CircuitCoil
        The first element, where it lies.
    count : int
        Number of elements, 2 or more.
    axis : "x", "y", "z" or (float, float, float)
        Axis that they are turned about.
    about_m : (float, float, float)
        A point on it [m].
    angle_deg : float, optional
        Angle between neighbours; by default a full turn over their number.
    shift_m : (float, float, float)
        Vector between neighbours [m], for arrays along a line (then with ``angle_deg=0``) or on a helix.
    name : str, optional
        Name shown in reports.

    Returns
    -------
    Coil or CircuitCoil
        Of the sort of the element.

    Raises
    ------
    InputError
        For an element with a shield of its own, elements in one place, or metal of two elements in contact.
    """
    if not isinstance(element, Coil | CircuitCoil):
        raise InputError(
            "no coil that can be repeated",
            field="element",
            found=type(element).__name__,
            expected="Coil or CircuitCoil",
        )
    if isinstance(element, Coil) and element.open_ends[0].size:
        raise InputError(
            "an element that holds charge cannot be repeated",
            field="element",
            found=element.name,
            expected="closed currents",
        )
    if element.shield is not None:
        raise InputError(
            "an element with a shield of its own",
            field="element",
            found=element.name,
            expected="one without; then array.with_shield(...)",
        )
    whole("count", count, 2, 512)
    direction = np.array(AXES[axis]) if isinstance(axis, str) and axis in AXES else unit_vector("axis", axis)
    angle = 360.0 / count if angle_deg is None else number("angle_deg", angle_deg)
    about, shift = vector("about_m", about_m), vector("shift_m", shift_m)
    parts: list[Any] = []
    for n in range(count):
        R = clean_turn(direction, math.radians(n * angle))
        parts.append(_placed(element, R, about - R @ about + n * shift))
    _require_apart(parts)
    label = f"{count} x {element.name}" if name is None else name
    parameters: dict[str, Any] = {
        "kind": "repeated elements",
        "elements": count,
        "element": element.name,
        **{f"element_{key}": value for key, value in element.parameters.items()},
        "axis": list(map(float, direction)),
        "angle_deg": angle,
        "about_m": about.tolist(),
        "shift_m": shift.tolist(),
    }
    if isinstance(element, Coil):
        ports = [_numbered(p, n, element.ports) for n in range(count) for p in element.ports]
        currents = np.kron(np.eye(count), element.currents)
        segments = np.concatenate([p.segments for p in parts])
        drives = named_drives(moments(segments, currents))
        return Coil(label, segments, currents, ports, drives, element.drive_unit, parameters)
    return CircuitCoil(
        label,
        [c for p in parts for c in p.conductors],
        [replace(e, name=f"{e.name} {n + 1}") for n, p in enumerate(parts) for e in p.elements],
        [replace(f, name=_numbered(f.name, n, element.ports)) for n, p in enumerate(parts) for f in p.feeds],
        named_drives(np.concatenate([_feed_moments(p) for p in parts])),
        parameters=parameters,
    )


def _numbered(port: str, element: int, ports: Sequence[str]) -> str:
    """Name of a port of one of several elements: "loop 1" alone is followed by "loop 2"."""
    return f"{port.removesuffix(' 1') if len(ports) == 1 else port} {element + 1}"


def _feed_moments(coil: CircuitCoil) -> np.ndarray:
    """Which way the field of each feed points, (feed, 3): the moment of its conductor, closed by a straight line."""
    out = []
    for feed in coil.feeds:
        a, b = np.array(feed.start_m), np.array(feed.end_m)
        off, way = [], []
        for c in coil.conductors:
            for _, spine, _ in () if isinstance(c, SolidConductor) else c.sheets:
                middle = 0.5 * (spine[1:] + spine[:-1])
                n = int(np.linalg.norm(middle - 0.5 * (a + b), axis=1).argmin())
                off.append(float(np.linalg.norm(middle[n] - 0.5 * (a + b))))
                turn = 0.5 * np.cross(spine, np.roll(spine, -1, axis=0)).sum(axis=0)
                way.append(turn * np.sign((spine[n + 1] - spine[n]) @ (b - a)))
        out.append(way[int(np.argmin(off))] if way else b - a)
    return np.array(out)


def _placed(coil: Coil | CircuitCoil, R: np.ndarray, shift: np.ndarray) -> Any:
    """A coil turned by a matrix about the origin and moved by a vector [m]."""
    if isinstance(coil, Coil):
        return Coil(coil.name, coil.segments @ R.T + shift, coil.currents, coil.ports, coil.drives)

    def place(parts: Sequence[Any]) -> list[Any]:
        return [moved(turned(part, R), shift.tolist()) for part in parts]

    return CircuitCoil(coil.name, place(coil.conductors), place(coil.elements), place(coil.feeds), coil.drives)


def turned(part: Any, R: np.ndarray) -> Any:
    """A conductor, element or feed turned about the origin by a rotation matrix (3, 3)."""
    if isinstance(part, Wire):
        return replace(part, points_m=part.points_m @ R.T)
    if isinstance(part, Sheet):
        return replace(part, points_m=part.points_m @ R.T, across_m=part.across_m @ R.T)
    if isinstance(part, Strip):
        return replace(part, points_m=part.points_m @ R.T, normal=part.normal @ R.T)
    if isinstance(part, Plate):
        return Plate(*(tuple(R @ np.array(v)) for v in (part.corner_m, part.first_m, part.second_m)))
    if isinstance(part, LumpedElement | FeedPort):
        return replace(part, start_m=tuple(R @ part.start_m), end_m=tuple(R @ part.end_m))
    inside = part.inside

    def turned_inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v, w = (R[0, a] * x + R[1, a] * y + R[2, a] * z for a in range(3))
        return np.asarray(inside(u, v, w))

    box = np.array(np.meshgrid(*zip(part.low_m, part.high_m, strict=True))).reshape(3, -1).T @ R.T
    outline = None if part.outline_m is None else part.outline_m @ R.T
    skin = None if part.surface is None else (part.surface[0] @ R.T, part.surface[1])
    return SolidConductor(turned_inside, tuple(box.min(0)), tuple(box.max(0)), outline, skin)


def _require_apart(parts: Sequence[Any]) -> None:
    """Raise InputError when elements lie in one place, or metal of two of them is in contact."""
    from scipy.spatial import cKDTree

    from emdose.models.coils.clearance import conductor_points, points_along

    def points(part: Any) -> np.ndarray:
        low, high = (np.array(e) for e in part.extent_m)
        step = 2 * TOUCHING * float((high - low).max())
        if isinstance(part, Coil):
            return points_along(part.segments, step)
        solids = any(isinstance(c, SolidConductor) for c in part.conductors)  # of these a coarser look will do
        return np.concatenate(conductor_points(part.conductors, 20 * step if solids else step))

    low, high = (np.array(e) for e in parts[0].extent_m)
    near = TOUCHING * float((high - low).max())
    first = cKDTree(points(parts[0]))
    for n, part in enumerate(parts[1:], 2):
        own = points(part)
        close = first.query(own, distance_upper_bound=near)[0] <= near
        most = ALIKE * len(own) if isinstance(part, Coil) else 0
        if close.sum() > most:
            at = ", ".join(f"{1e3 * x:.1f}" for x in own[int(close.argmax())])
            verb = "lie on each other" if isinstance(part, Coil) else "touch"
            raise InputError(
                f"elements 1 and {n} of {len(parts)} {verb} at ({at}) mm",
                field="count",
                found=len(parts),
                expected="fewer elements, smaller ones, or another angle",
            )
