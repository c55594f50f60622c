"""Flat coordinates (u, v) of a plane, or of a cylinder that is rolled off, and the rectangles of metal in them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.models.coils.conductors import Plate, Sheet, Strip
from emdose.values import read_only

OFF = 2e-4
"""A conductor lies on a cylinder or in a plane when its points do to this share of its size."""
WIDEST = 0.25
"""Largest width of a strip over the radius of a cylinder that it is taken to lie on."""
TILT = 0.05
"""Largest sine of the angle between the normal of a strip and that of a surface it lies on."""

Flat = Strip | Sheet | Plate


@read_only
@dataclass(frozen=True, eq=False)
class Chart:
    """A plane, or a cylinder of a radius about an axis, with coordinates u and v in metres.

    Parameters
    ----------
    origin_m : (3,) ndarray
        Point of the plane, or of the axis of the cylinder [m].
    frame : (3, 3) ndarray
        Rows: directions of u, of v and of the normal of a plane; of a cylinder two directions across its axis, u
        beginning at the first, and the axis, along which v runs.
    radius_m : float
        Radius [m], or 0 for a plane.
    """

    origin_m: np.ndarray
    frame: np.ndarray
    radius_m: float = 0.0

    def flat(self, points_m: np.ndarray) -> np.ndarray:
        """Coordinates (..., 2) of points (..., 3) [m]; u of a cylinder is continuous along the last axis but one."""
        x, y, z = np.moveaxis((points_m - self.origin_m) @ self.frame.T, -1, 0)
        if self.radius_m == 0:
            return np.stack([x, y], axis=-1)
        return np.stack([self.radius_m * np.unwrap(np.arctan2(y, x), axis=-1), z], axis=-1)

    def points(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Points (..., 3) [m] of coordinates."""
        if self.radius_m == 0:
            own = np.stack([u, v, np.zeros_like(u)], axis=-1)
        else:
            r, phi = self.radius_m, u / self.radius_m
            own = np.stack([r * np.cos(phi), r * np.sin(phi), v], axis=-1)
        return np.asarray(self.origin_m + own @ self.frame)

    def off(self, points_m: np.ndarray) -> float:
        """Largest distance of points (n, 3) from the surface [m]."""
        own = (points_m - self.origin_m) @ self.frame.T
        away = own[:, 2] if self.radius_m == 0 else np.hypot(own[:, 0], own[:, 1]) - self.radius_m
        return float(np.abs(away).max())

    def normal(self, points_m: np.ndarray) -> np.ndarray:
        """Normals (n, 3) at points (n, 3)."""
        if self.radius_m == 0:
            return np.broadcast_to(self.frame[2], points_m.shape)
        out = points_m - self.origin_m
        out = out - (out @ self.frame[2])[:, None] * self.frame[2]
        return np.asarray(out / np.linalg.norm(out, axis=1)[:, None])


def cylinder_of(conductor: Flat, centre_m: np.ndarray, axis: np.ndarray) -> Chart | None:
    """The cylinder about an axis that a conductor lies on, or None."""
    first = np.eye(3)[int(np.argmin(np.abs(axis)))] if abs(axis[0]) > 0.9 else np.array([1.0, 0.0, 0.0])
    e1 = first - (first @ axis) * axis
    e1 /= np.linalg.norm(e1)
    frame = np.stack([e1, np.cross(axis, e1), axis])
    points = conductor.points_m if isinstance(conductor, Strip) else _corners(conductor)
    own = (points - centre_m) @ frame.T
    chart = Chart(centre_m, frame, float(np.hypot(own[:, 0], own[:, 1]).mean()))
    if isinstance(conductor, Strip) and conductor.width_m > WIDEST * chart.radius_m:
        return None  # it is flat and would not be there
    if chart.radius_m == 0 or chart.off(points) > OFF * max(chart.radius_m, float(np.ptp(points, axis=0).max())):
        return None
    return chart if isinstance(conductor, Sheet) or _lies_flat(conductor, chart) else None


def plane_of(conductor: Flat) -> Chart | None:
    """The plane that a conductor lies in, u along its first piece, or None."""
    points = _corners(conductor)
    _, _, rows = np.linalg.svd(points - points.mean(axis=0))
    normal = rows[2]
    spine = conductor.sheets[0][1]
    along = (spine[1] - spine[0]) / np.linalg.norm(spine[1] - spine[0])
    chart = Chart(spine[0], np.stack([along, np.cross(normal, along), normal]))
    return chart if chart.off(points) <= OFF * float(np.ptp(points, axis=0).max()) else None


def rectangles(conductor: Flat, chart: Chart) -> np.ndarray | None:
    """Rectangles (n, 2, 2) of a conductor on a chart, each as low and high of u and of v [m]; None for other shapes."""
    out: list[list[list[float]]] = []
    if isinstance(conductor, Strip):
        flat = chart.flat(conductor.points_m)
        along = np.diff(flat, axis=0)
        way = np.abs(along).argmax(axis=1)  # 0 along u, 1 along v
        if np.any(np.abs(along[np.arange(len(way)), 1 - way]) > 1e-3 * np.abs(along).max(axis=1)):
            return None
        half = 0.5 * conductor.width_m
        closed = np.linalg.norm(conductor.points_m[-1] - conductor.points_m[0]) < 1e-9 * conductor.width_m
        for i, w in enumerate(way.tolist()):
            ends = [flat[i, w], flat[i + 1, w]]
            sign = 1.0 if ends[1] > ends[0] else -1.0
            before = way[i - 1] if i > 0 or closed else w
            after = way[(i + 1) % len(way)] if i + 1 < len(way) or closed else w
            ends = [ends[0] - sign * half * (before != w), ends[1] + sign * half * (after != w)]
            middle = 0.5 * (flat[i, 1 - w] + flat[i + 1, 1 - w])
            sides = [[0.0, 0.0], [0.0, 0.0]]
            sides[w], sides[1 - w] = sorted(ends), [middle - half, middle + half]
            out.append(sides)
        return np.array(out)
    for _, spine, across in conductor.sheets:
        flat = chart.flat(spine)
        section = chart.flat(np.concatenate([spine[:1], spine[0] + across]))
        section = section[1:] - section[0]
        low, high = section.min(axis=0), section.max(axis=0)
        for a, b in itertools.pairwise(flat):
            size = np.abs(b - a)
            w = int(size.argmax())
            if size[1 - w] > 1e-3 * size[w] or high[w] - low[w] > 1e-3 * (high[1 - w] - low[1 - w]):
                return None
            box = np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1)
            box[1 - w] = 0.5 * box[1 - w].sum() + np.array([low[1 - w], high[1 - w]])
            out.append(box.tolist())
    return np.array(out)


def _corners(conductor: Flat) -> np.ndarray:
    """Corner points of all parts of a conductor (n, 3) [m]."""
    ends = [(p[:, None] + a[None]).reshape(-1, 3) for _, p, a in conductor.sheets]
    return np.concatenate(ends)


def _lies_flat(conductor: Strip | Plate, chart: Chart) -> bool:
    """Whether a strip's normals are those of the chart where it runs."""
    if isinstance(conductor, Plate):
        return chart.radius_m == 0
    along = np.diff(conductor.points_m, axis=0)
    middle = 0.5 * (conductor.points_m[1:] + conductor.points_m[:-1])
    normal = np.broadcast_to(conductor.normal, along.shape)
    side = np.cross(normal, along)
    side /= np.linalg.norm(side, axis=1)[:, None]
    return bool(np.abs((side * chart.normal(middle)).sum(axis=1)).max() < TILT)


def overlap(a: np.ndarray, b: np.ndarray, period: float, near: float) -> bool:
    """Whether rectangles (n, 2, 2) and (m, 2, 2) share area, or a piece of edge longer than ``near`` [m].

    A period in u other than 0 repeats them.
    """
    shifts: Sequence[float] = (0.0,) if period == 0 else tuple(period * k for k in range(-2, 3))
    for shift in shifts:
        moved = b + np.array([[shift, shift], [0.0, 0.0]])
        shared = np.minimum(a[:, None, :, 1], moved[None, :, :, 1]) - np.maximum(a[:, None, :, 0], moved[None, :, :, 0])
        if np.any(np.all(shared > -near, axis=-1) & (shared.max(axis=-1) > near)):
            return True
    return False


def fitted_cylinder(conductor: Flat) -> Chart | None:
    """The cylinder that a bent conductor lies on, about whatever axis, or None."""
    if isinstance(conductor, Plate):
        return None
    if isinstance(conductor, Strip):
        points, normals = (
            conductor.points_m,
            np.broadcast_to(conductor.normal, np.diff(conductor.points_m, axis=0).shape),
        )
    else:
        points = _corners(conductor)
        v, a = np.diff(conductor.points_m, axis=0), np.diff(conductor.across_m, axis=0)
        normals = np.cross(v[:, None], a[None]).reshape(-1, 3)
    normals = normals / np.linalg.norm(normals, axis=1)[:, None]
    _, size, rows = np.linalg.svd(normals)
    if len(size) < 3 or size[1] < 1e-3 * size[0] or size[2] > 1e-4 * size[0]:
        return None
    axis = rows[2]
    e1 = rows[0]
    frame = np.stack([e1, np.cross(axis, e1), axis])
    x, y = (points @ frame.T)[:, :2].T
    solution, *_ = np.linalg.lstsq(np.stack([2 * x, 2 * y, np.ones_like(x)], axis=1), x**2 + y**2, rcond=None)
    return cylinder_of(conductor, np.array([solution[0], solution[1], 0.0]) @ frame, axis)
