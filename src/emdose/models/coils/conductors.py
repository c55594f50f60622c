"""Metal, lumped elements and feeds: what circuit coils are made of.

Every conductor is perfect. Where two conductors share a point they are joined; a lumped element or a feed that lies on
a conductor cuts it from ``start_m`` to ``end_m``, elsewhere it bridges the free space between two conductors.

Sign of gaps
------------
The current of a gap runs through it from ``start_m`` to ``end_m``; the voltage of a gap is the rise from start to end,
V = -int E . dl. The metal around it then obeys V = Z I with a passive Z, and an element with the impedance Z_e in the
gap V = -Z_e I.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import array, one_of, positive, text, vector
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.values import read_only

TOPOLOGIES = ("series", "parallel")


@read_only
@dataclass(frozen=True, eq=False)
class Wire:
    """A round wire along a chain of straight pieces.

    Parameters
    ----------
    points_m : (n, 3) float ndarray
        Corners [m]; the wire is closed when the last equals the first.
    radius_m : float, optional
        Radius [m]. With it the near field of the wire is corrected on the grid; without it the wire is a line of
        edges, which acts like a radius of about 0.2 cells.

    Raises
    ------
    InputError
        For fewer than two points, a piece without length, or a radius that is not positive.
    """

    points_m: np.ndarray
    radius_m: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points_m", _chain("wire points_m", self.points_m))
        if self.radius_m is not None:
            positive("wire radius_m", self.radius_m)

    @property
    def sheets(self) -> tuple[tuple[int, np.ndarray, np.ndarray], ...]:
        """The wire as one sheet without width; see :attr:`Sheet.sheets`."""
        return ((0, self.points_m, np.zeros((1, 3))),)

    @property
    def round_radius_m(self) -> float | None:
        """Radius of the round wire with the same inductance [m]."""
        return self.radius_m


@read_only
@dataclass(frozen=True, eq=False)
class Sheet:
    """A sheet swept by a chain of points along another: all p + a with p on the spine and a on the cross-section.

    Parameters
    ----------
    points_m : (n, 3) float ndarray
        The spine [m]; gaps cut across it.
    across_m : (k, 3) float ndarray
        The cross-section, as offsets from the spine [m]; it should pass through zero.

    Raises
    ------
    InputError
        For chains of fewer than two points, or a piece without length.
    """

    points_m: np.ndarray
    across_m: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "points_m", _chain("sheet points_m", self.points_m))
        object.__setattr__(self, "across_m", _chain("sheet across_m", self.across_m))

    @property
    def sheets(self) -> tuple[tuple[int, np.ndarray, np.ndarray], ...]:
        """Parts with one cross-section each: index of the first spine point, spine and cross-section."""
        return ((0, self.points_m, self.across_m),)

    @property
    def width_m(self) -> float:
        """Length of the cross-section [m]."""
        return float(np.linalg.norm(np.diff(self.across_m, axis=0), axis=1).sum())

    @property
    def round_radius_m(self) -> float:
        """Radius of the round wire with the same inductance, a quarter of the width [m].

        Source: C. Balanis, Antenna Theory, Wiley, 3rd ed. 2005, table 9.3 (equivalent radius of a flat conductor).
        """
        return 0.25 * self.width_m


@read_only
@dataclass(frozen=True, eq=False)
class Strip:
    """A flat strip along a chain of straight pieces.

    Parameters
    ----------
    points_m : (n, 3) float ndarray
        Middle line [m].
    width_m : float
        Width, along normal x direction of travel [m].
    normal : (3,) or (n - 1, 3) float ndarray
        Normal of the metal, one or one per piece.

    Raises
    ------
    InputError
        For fewer than two points, a width that is not positive, or a normal along the strip.
    """

    points_m: np.ndarray
    width_m: float
    normal: np.ndarray

    def __post_init__(self) -> None:
        points = _chain("strip points_m", self.points_m)
        positive("strip width_m", self.width_m)
        normal = np.array(self.normal, float)
        if normal.shape not in ((3,), (len(points) - 1, 3)) or not np.all(np.isfinite(normal)):
            raise InputError(
                "bad strip normal", field="normal", found=normal.shape, expected=f"shape (3,) or ({len(points) - 1}, 3)"
            )
        cross = np.cross(np.broadcast_to(normal, (len(points) - 1, 3)), np.diff(points, axis=0))
        if np.any(np.linalg.norm(cross, axis=1) < 1e-6 * np.linalg.norm(np.diff(points, axis=0), axis=1)):
            raise InputError("normal runs along the strip", field="normal", expected="a normal of the metal")
        normal.flags.writeable = False
        object.__setattr__(self, "points_m", points)
        object.__setattr__(self, "normal", normal)

    @property
    def sheets(self) -> tuple[tuple[int, np.ndarray, np.ndarray], ...]:
        """Parts with one cross-section each; see :attr:`Sheet.sheets`."""
        tangent = np.diff(self.points_m, axis=0)
        across = np.cross(np.broadcast_to(self.normal, tangent.shape), tangent)
        across *= 0.5 * self.width_m / np.linalg.norm(across, axis=1)[:, None]
        parts, first = [], 0
        for i in range(1, len(across) + 1):
            if i == len(across) or np.abs(across[i] - across[first]).max() > 1e-6 * self.width_m:
                section = np.stack([-across[first], np.zeros(3), across[first]])
                parts.append((first, self.points_m[first : i + 1], section))
                first = i
        return tuple(parts)

    @property
    def round_radius_m(self) -> float:
        """Radius of the round wire with the same inductance, a quarter of the width [m]."""
        return 0.25 * self.width_m


@read_only
@dataclass(frozen=True, eq=False)
class Plate:
    """A flat parallelogram of metal.

    Parameters
    ----------
    corner_m : (float, float, float)
        One corner [m].
    first_m, second_m : (float, float, float)
        Edges from that corner [m]. On a grid the plate must lie in a node plane to keep its shape; others become
        staircases.

    Raises
    ------
    InputError
        When a vector cannot be used or the edges are parallel.
    """

    corner_m: Vector
    first_m: Vector
    second_m: Vector

    def __post_init__(self) -> None:
        for name in ("corner_m", "first_m", "second_m"):
            object.__setattr__(self, name, _vector(f"plate {name}", getattr(self, name)))
        a, b = np.array(self.first_m), np.array(self.second_m)
        if np.linalg.norm(np.cross(a, b)) <= 1e-9 * np.linalg.norm(a) * np.linalg.norm(b) or not a.any():
            raise InputError(
                "plate without area",
                field="first_m, second_m",
                found=(self.first_m, self.second_m),
                expected="two edges that are not parallel",
            )

    @property
    def sheets(self) -> tuple[tuple[int, np.ndarray, np.ndarray], ...]:
        """The plate as one sheet; see :attr:`Sheet.sheets`."""
        corner, a, b = (np.array(v) for v in (self.corner_m, self.first_m, self.second_m))
        return ((0, np.stack([corner, corner + a]), np.stack([np.zeros(3), b])),)


@read_only
@dataclass(frozen=True, eq=False)
class SolidConductor:
    """A solid piece of metal: every edge with both ends in it conducts.

    Parameters
    ----------
    inside : callable
        ``inside(x, y, z)`` with broadcastable coordinates [m] gives a bool array.
    low_m, high_m : (float, float, float)
        Corners of a box that holds it [m].
    outline_m : (n, 2, 3) float ndarray, optional
        Lines that show it in pictures [m].
    surface : ((v, 3) float ndarray, (t, 3) int ndarray), optional
        Corners [m] and triangles of its surface, for solvers that mesh it.

    Raises
    ------
    InputError
        When the box is empty.
    """

    inside: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    low_m: Vector
    high_m: Vector
    outline_m: np.ndarray | None = None
    surface: tuple[np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        for name in ("low_m", "high_m"):
            object.__setattr__(self, name, _vector(f"solid {name}", getattr(self, name)))
        if not all(a < b for a, b in zip(self.low_m, self.high_m, strict=True)):
            raise InputError(
                "solid without volume",
                field="low_m, high_m",
                found=(self.low_m, self.high_m),
                expected="low corner below high corner",
            )


def solid_box(centre_m: Vector, size_m: Vector) -> SolidConductor:
    """A metal box with the given centre and edge lengths [m]."""
    c, h = np.array(_vector("centre_m", centre_m)), 0.5 * np.array(_vector("size_m", size_m))

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        reach = h * (1 + 1e-9)
        return (np.abs(x - c[0]) <= reach[0]) & (np.abs(y - c[1]) <= reach[1]) & (np.abs(z - c[2]) <= reach[2])

    return SolidConductor(inside, tuple(c - h), tuple(c + h))


def solid_sphere(centre_m: Vector, radius_m: float) -> SolidConductor:
    """A metal sphere [m]."""
    positive("radius_m", radius_m)
    c = np.array(_vector("centre_m", centre_m))

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (x - c[0]) ** 2 + (y - c[1]) ** 2 + (z - c[2]) ** 2 <= radius_m**2 * (1 + 1e-9)

    return SolidConductor(inside, tuple(c - radius_m), tuple(c + radius_m))


def solid_cylinder(start_m: Vector, end_m: Vector, radius_m: float) -> SolidConductor:
    """A solid metal cylinder between two points on its axis [m]."""
    positive("radius_m", radius_m)
    a, b = np.array(_vector("start_m", start_m)), np.array(_vector("end_m", end_m))
    length = float(np.linalg.norm(b - a))
    if length == 0:
        raise InputError("cylinder without length", field="start_m, end_m", found=start_m, expected="two points")
    t = (b - a) / length
    reach = radius_m * np.sqrt(np.maximum(0.0, 1 - t**2))

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        u, v, w = x - a[0], y - a[1], z - a[2]
        along = u * t[0] + v * t[1] + w * t[2]
        off = u * u + v * v + w * w - along * along
        small = 1e-9 * length
        return (along >= -small) & (along <= length + small) & (off <= radius_m**2 * (1 + 1e-9))

    low, high = np.minimum(a, b) - reach, np.maximum(a, b) + reach
    return SolidConductor(inside, tuple(low), tuple(high))


Conductor = Wire | Strip | Sheet | Plate | SolidConductor


@read_only(short=False)
@dataclass(frozen=True)
class LumpedElement:
    """A resistor, inductor and capacitor, in series or in parallel, in the gap from start to end.

    Parameters
    ----------
    name : str
        Name; elements are set and reported by it.
    start_m, end_m : (float, float, float)
        The gap [m].
    resistance_ohm, inductance_H, capacitance_F : float, optional
        Values; what is not given is not there. At least one must be given.
    topology : {"series", "parallel"}
        How they are connected to each other.

    Raises
    ------
    InputError
        For a value that is zero, infinite or negative, no value at all, or a gap without length.
    """

    name: str
    start_m: Vector
    end_m: Vector
    resistance_ohm: float | None = None
    inductance_H: float | None = None
    capacitance_F: float | None = None
    topology: str = "series"

    def __post_init__(self) -> None:
        _gap(self)
        for key in ("resistance_ohm", "inductance_H", "capacitance_F"):
            value = getattr(self, key)
            if value is not None:
                positive(f"element {self.name!r}: {key}", value)
                object.__setattr__(self, key, float(value))
        if self.resistance_ohm is self.inductance_H is self.capacitance_F is None:
            raise InputError(
                f"lumped element {self.name!r} has no value",
                field="elements",
                expected="resistance_ohm, inductance_H or capacitance_F",
            )
        one_of("topology", self.topology, TOPOLOGIES, problem=f"bad topology of element {self.name!r}")

    def impedance_s(self, s: Any) -> Any:
        """Impedance at complex frequencies s = sigma + j w [ohm]."""
        s = np.asarray(s, complex)
        parts = []
        if self.resistance_ohm is not None:
            parts.append(self.resistance_ohm + 0 * s)
        if self.inductance_H is not None:
            parts.append(s * self.inductance_H)
        if self.capacitance_F is not None:
            parts.append(1 / (s * self.capacitance_F))
        return np.asarray(sum(parts) if self.topology == "series" else 1 / sum(1 / z for z in parts))

    def impedance(self, frequency_Hz: Any) -> Any:
        """Impedance at frequencies [ohm], complex, of the shape of the frequencies."""
        return self.impedance_s(2j * math.pi * np.asarray(frequency_Hz, float))

    def with_values(self, **values: Any) -> LumpedElement:
        """The same element with other values."""
        return replace(self, **values)


@read_only(short=False)
@dataclass(frozen=True)
class FeedPort:
    """A feed: a voltage source behind an impedance in the gap from start to end.

    A feed in the same gap as a lumped element is in parallel with it.

    Parameters
    ----------
    name : str
        Name of the port.
    start_m, end_m : (float, float, float)
        The gap [m]. A positive source voltage drives a current from start to end through the gap.
    impedance_ohm : float
        Impedance of the source [ohm].

    Raises
    ------
    InputError
        For an impedance that is not positive, or a gap without length.
    """

    name: str
    start_m: Vector
    end_m: Vector
    impedance_ohm: float = 50.0

    def __post_init__(self) -> None:
        _gap(self)
        positive(f"feed {self.name!r}: impedance_ohm", self.impedance_ohm)


def moved(part: Any, shift_m: Sequence[float]) -> Any:
    """A conductor, element or feed moved by a vector [m]."""
    shift = vector("shift_m", shift_m, problem="bad shift", expected="three finite metres")
    if isinstance(part, Wire | Sheet | Strip):
        return replace(part, points_m=part.points_m + shift)
    if isinstance(part, Plate):
        return replace(part, corner_m=tuple(part.corner_m + shift))
    if isinstance(part, LumpedElement | FeedPort):
        return replace(part, start_m=tuple(part.start_m + shift), end_m=tuple(part.end_m + shift))
    inside, (dx, dy, dz) = part.inside, shift
    ends = {"low_m": tuple(part.low_m + shift), "high_m": tuple(part.high_m + shift)}
    lines = None if part.outline_m is None else part.outline_m + shift
    skin = None if part.surface is None else (part.surface[0] + shift, part.surface[1])
    return replace(part, inside=lambda x, y, z: inside(x - dx, y - dy, z - dz), outline_m=lines, surface=skin, **ends)


def _gap(item: LumpedElement | FeedPort) -> None:
    text("name", item.name, problem="a gap without a name")
    for key in ("start_m", "end_m"):
        object.__setattr__(item, key, _vector(f"{item.name}: {key}", getattr(item, key)))
    if item.start_m == item.end_m:
        raise InputError("gap without length", field=item.name, found=item.start_m, expected="start_m unlike end_m")


def _chain(name: str, value: Any) -> np.ndarray:
    points = array(name, value, (None, 3), problem="bad chain of points")
    if len(points) < 2:
        raise InputError("bad chain of points", field=name, found=points.shape, expected="two points or more")
    if np.any(np.linalg.norm(np.diff(points, axis=0), axis=1) == 0):
        raise InputError("two points of a conductor coincide", field=name, expected="pieces with a length")
    points.flags.writeable = False
    return points


def _vector(name: str, value: Sequence[float]) -> Vector:
    x, y, z = vector(name, value, problem="bad point", expected="three finite metres").tolist()
    return x, y, z
