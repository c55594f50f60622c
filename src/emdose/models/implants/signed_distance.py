"""Shapes given by a signed distance: simple ones, joined, cut, moved; voxels and surface come from one function.

Near the surface the functions are distances or close to them; unions and cuts of distances are exact in sign
everywhere, which is all that the surface and the voxels made of it need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import lengths, positive, vector
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.models.implants.dual_contour import triangulate
from emdose.models.implants.implant import Implant, Part, Rotation, rotation_matrix
from emdose.models.implants.metals import Metal
from emdose.values import read_only

ORIGIN: Vector = (0.0, 0.0, 0.0)


@read_only
@dataclass(frozen=True, eq=False)
class Shape:
    """A region of space: ``a | b`` joins two, ``a & b`` keeps what is in both, ``a - b`` cuts the second out.

    Parameters
    ----------
    distance : callable
        ``distance(points)`` with points (n, 3) [m] gives (n,) [m]: negative inside, of slope about one near the
        surface.
    low_m, high_m : (float, float, float)
        Corners of a box that holds the shape [m].
    """

    distance: Callable[[np.ndarray], np.ndarray]
    low_m: Vector
    high_m: Vector

    def __post_init__(self) -> None:
        low, high = vector("low_m", self.low_m), vector("high_m", self.high_m)
        if np.any(low >= high):
            raise InputError(
                "bad box of a shape",
                field="low_m, high_m",
                found=(self.low_m, self.high_m),
                expected="low < high, in metres",
            )
        object.__setattr__(self, "low_m", tuple(low.tolist()))
        object.__setattr__(self, "high_m", tuple(high.tolist()))

    def __or__(self, other: Shape) -> Shape:
        f, g = self.distance, other.distance
        return Shape(
            lambda p: np.minimum(f(p), g(p)), _lowest(self.low_m, other.low_m), _highest(self.high_m, other.high_m)
        )

    def __and__(self, other: Shape) -> Shape:
        f, g = self.distance, other.distance
        low, high = _highest(self.low_m, other.low_m), _lowest(self.high_m, other.high_m)
        if any(a >= b for a, b in zip(low, high, strict=True)):
            raise InputError("shapes have nothing in common", field="shape", found=(low, high))
        return Shape(lambda p: np.maximum(f(p), g(p)), low, high)

    def __sub__(self, other: Shape) -> Shape:
        f, g = self.distance, other.distance
        return Shape(lambda p: np.maximum(f(p), -g(p)), self.low_m, self.high_m)

    def moved(self, shift_m: Vector) -> Shape:
        """The shape displaced by a vector [m]."""
        shift, f = np.asarray(shift_m, float), self.distance
        low, high = np.array(self.low_m) + shift, np.array(self.high_m) + shift
        return Shape(lambda p: f(p - shift), tuple(low.tolist()), tuple(high.tolist()))

    def rotated(self, rotation: Rotation, axis: str | Vector = "z") -> Shape:
        """The shape turned about the origin, as :meth:`emdose.models.implants.implant.Implant.rotated`."""
        R, f = rotation_matrix(rotation, axis), self.distance
        corners = np.stack(np.meshgrid(*zip(self.low_m, self.high_m, strict=True), indexing="ij"), -1).reshape(-1, 3)
        corners = corners @ R.T
        low, high = corners.min(0), corners.max(0)
        return Shape(lambda p: f(p @ R), tuple(low.tolist()), tuple(high.tolist()))

    def part(self, name: str, metal: Metal | str, step_m: float) -> Part:
        """The shape as a closed surface of triangles of about ``step_m`` [m], filled with a metal."""
        low, high = np.array(self.low_m), np.array(self.high_m)
        step = positive("step_m", step_m, problem="bad step", expected="metres > 0")
        return Part(name, *triangulate(self.distance, low, high, step), metal)  # type: ignore[arg-type]

    def implant(self, name: str, metal: Metal | str, step_m: float) -> Implant:
        """The shape as an implant of one part."""
        return Implant(name, (self.part(name, metal, step_m),))


# ---- simple shapes ---------------------------------------------------------------------------------------------------
def ball(radius_m: float, centre_m: Vector = ORIGIN) -> Shape:
    """A sphere."""
    c = np.asarray(centre_m, float)
    return _around(lambda p: np.linalg.norm(p - c, axis=1) - radius_m, c, radius_m)


def ellipsoid(semi_m: Vector, centre_m: Vector = ORIGIN) -> Shape:
    """An ellipsoid with semi-axes along x, y, z; a distance to first order near its surface."""
    c, s = np.asarray(centre_m, float), np.asarray(semi_m, float)

    def distance(p: np.ndarray) -> np.ndarray:
        q = (p - c) / s
        r, slope = np.linalg.norm(q, axis=1), np.linalg.norm(q / s, axis=1)
        return np.where(slope > 0, r * (r - 1) / np.where(slope > 0, slope, 1.0), -s.min())

    return _around(distance, c, s)


def cuboid(size_m: Vector, centre_m: Vector = ORIGIN, rounding_m: float = 0.0) -> Shape:
    """A box with edges along x, y, z, its edges rounded with a radius."""
    c, half = np.asarray(centre_m, float), 0.5 * np.asarray(size_m, float)

    def distance(p: np.ndarray) -> np.ndarray:
        q = np.abs(p - c) - (half - rounding_m)
        return np.linalg.norm(np.maximum(q, 0), axis=1) + np.minimum(q.max(1), 0) - rounding_m

    return _around(distance, c, half)


def cone(radius_low_m: float, radius_high_m: float, length_m: float) -> Shape:
    """A cone cut at both ends, from z = 0 to ``length_m`` along the z axis; equal radii make a cylinder."""
    r1, r2, length = radius_low_m, radius_high_m, length_m
    tilt = math.hypot(length, r1 - r2)

    def distance(p: np.ndarray) -> np.ndarray:
        rho, z = np.hypot(p[:, 0], p[:, 1]), p[:, 2]
        side = ((rho - r1) * length + z * (r1 - r2)) / tilt
        return np.maximum(side, np.abs(z - length / 2) - length / 2)

    r = max(r1, r2)
    return Shape(distance, (-r, -r, 0.0), (r, r, length))


def rod(radius_m: float, length_m: float) -> Shape:
    """A cylinder along z, its middle at the origin."""
    return cone(radius_m, radius_m, length_m).moved((0, 0, -0.5 * length_m))


def capsule(start_m: Vector, end_m: Vector, radius_m: float) -> Shape:
    """All points closer than a radius to the line between two points."""
    a, b = np.asarray(start_m, float), np.asarray(end_m, float)
    way = b - a

    def distance(p: np.ndarray) -> np.ndarray:
        along = np.clip((p - a) @ way / (way @ way), 0, 1)
        return np.linalg.norm(p - a - along[:, None] * way, axis=1) - radius_m

    return Shape(distance, tuple((np.minimum(a, b) - radius_m).tolist()), tuple((np.maximum(a, b) + radius_m).tolist()))


def torus(radius_m: float, wire_radius_m: float) -> Shape:
    """A ring around the z axis."""
    R, r = radius_m, wire_radius_m
    return _around(lambda p: np.hypot(np.hypot(p[:, 0], p[:, 1]) - R, p[:, 2]) - r, np.zeros(3), (R + r, R + r, r))


def half_space(normal: Vector, point_m: Vector, within: Shape) -> Shape:
    """What lies behind a plane (against its normal), for cuts of ``within``."""
    n, p0 = np.asarray(normal, float), np.asarray(point_m, float)
    n = n / np.linalg.norm(n)
    return Shape(lambda p: (p - p0) @ n, within.low_m, within.high_m)


def loft(path_m: np.ndarray, half_widths_m: np.ndarray, exponents: Sequence[float] | np.ndarray) -> Shape:
    """Superellipses |u/a|^p + |y/b|^p = 1 set up along a curve in the plane y = 0.

    Parameters
    ----------
    path_m : (n, 2) float ndarray
        Points (x, z) of the curve [m].
    half_widths_m : (n, 2) float ndarray
        Half widths a in the plane and b along y of the section at every point [m].
    exponents : (n,) sequence of float
        2 is an ellipse, more is squarer.
    """
    path, widths = np.asarray(path_m, float), np.asarray(half_widths_m, float)
    table = np.column_stack([widths, np.asarray(exponents, float)])
    start, way = path[:-1], np.diff(path, axis=0)
    length2 = (way**2).sum(1)

    def distance(p: np.ndarray) -> np.ndarray:
        out = np.empty(len(p))
        for at in range(0, len(p), 1 << 15):  # points x pieces of the curve at a time
            out[at : at + (1 << 15)] = block(p[at : at + (1 << 15)])
        return out

    def block(p: np.ndarray) -> np.ndarray:
        x = p[:, [0, 2]]
        along = (x @ way.T - (start * way).sum(1)) / length2
        held = np.clip(along, 0, 1)
        # |x - start - s way|^2 without |x|^2, which is the same for all pieces
        away2 = (start**2).sum(1) - 2 * x @ start.T + length2 * held * (held - 2 * along)
        near = away2.argmin(1)
        rows = np.arange(len(p))
        s = held[rows, near]
        u = np.linalg.norm(x - start[near] - s[:, None] * way[near], axis=1)
        a, b, power = (table[near] + s[:, None] * (table[near + 1] - table[near])).T
        beyond = along[rows, near] - s  # past either end of the curve
        ends = ((near == 0) & (beyond < 0)) | ((near == len(way) - 1) & (beyond > 0))
        over = np.where(ends, np.abs(beyond) * np.sqrt(length2[near]), 0.0)
        u = np.sqrt(np.maximum(u**2 - over**2, 0))
        y = np.abs(p[:, 1])
        r = ((u / a) ** power + (y / b) ** power) ** (1 / power)
        rho = np.hypot(u, y)
        side = np.where(r > 1e-9, (r - 1) * rho / np.maximum(r, 1e-9), -np.minimum(a, b))
        inner = np.maximum(side, -np.minimum(a, b))
        return np.where(over > 0, np.hypot(np.maximum(inner, 0), over), inner)

    reach = widths.max()
    low, high = path.min(0) - reach, path.max(0) + reach
    return Shape(distance, (low[0], -widths[:, 1].max(), low[1]), (high[0], widths[:, 1].max(), high[1]))


def _around(distance: Callable[[np.ndarray], np.ndarray], centre: np.ndarray, half: object) -> Shape:
    reach = np.array(lengths("size", half, problem="bad size of a shape"))
    low, high = (centre - reach).tolist(), (centre + reach).tolist()
    return Shape(distance, tuple(low), tuple(high))


def _lowest(a: Vector, b: Vector) -> Vector:
    return tuple(np.minimum(a, b).tolist())


def _highest(a: Vector, b: Vector) -> Vector:
    return tuple(np.maximum(a, b).tolist())
