r"""A small library of movements beside a magnet: walking, turning, nodding, tilting, bending, and the patient table.

The magnet's axis is z, with the isocentre at the origin; y points up and the floor is 1 m below. Who walks does so at
+z, the table stands at -z (magnets here are the same at both ends). Who stands has the body's z along the room's y; who
faces the bore, the body's front along -z. Speeds start and stop along :math:`\tfrac12(1 - \cos)` ramps; turns go there
and back along one period of a sine.

Source: R. W. Bohannon, Age Ageing 26 (1997) 15 (comfortable walking speed of adults: 1.3 to 1.5 m/s). Angles and times
of turning, nodding, tilting and bending are assumed round numbers, and so is the speed of the table; each trajectory
says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emdose.checks import number, positive, unit_vector, vector, whole
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.trajectories import Trajectory

FLOOR_m = -1.0
"""Height of the floor from the magnet's axis [m], assumed: makers put the axis 0.95 to 1.1 m above the floor."""
WALK_m_s = 1.3
BOHANNON = "R. W. Bohannon, Age Ageing 26 (1997) 15: 1.3 to 1.5 m/s"
FACING = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""Turns the axes of a body into those of the room for who stands at +z and faces the bore."""
LYING = np.eye(3)
"""For who lies in the magnet, head first and face up."""


def standing(heading: Sequence[float] = (0.0, 0.0, -1.0)) -> np.ndarray:
    """Rotation of a body that stands and looks along a horizontal direction of the room, (3, 3).

    Parameters
    ----------
    heading : (float, float, float)
        Where it looks; the part across the vertical (y) counts.
    """
    ahead = unit_vector("heading", heading)
    ahead = ahead * [1.0, 0.0, 1.0]
    if not np.linalg.norm(ahead) > 1e-6:
        raise InputError("a heading up or down", field="heading", found=tuple(heading), expected="along x and z")
    ahead = ahead / np.linalg.norm(ahead)
    up = np.array([0.0, 1.0, 0.0])
    return np.stack([np.cross(ahead, up), ahead, up], axis=1)


def walk(
    body: Phantom,
    start_m: Sequence[float],
    end_m: Sequence[float],
    speed_m_s: float = WALK_m_s,
    *,
    heading: Sequence[float] | None = None,
    floor_m: float = FLOOR_m,
    samples: int = 200,
    name: str = "walking",
) -> Trajectory:
    """Walking upright along a straight line on the floor.

    Parameters
    ----------
    body : Phantom
        Who walks; its lowest voxel touches the floor, its middle follows the line.
    start_m, end_m : (float, float)
        Places x and z on the floor, from the isocentre [m].
    speed_m_s : float
        Of walking [m/s]; reached and left within 0.5 s, or half of the way when that is less.
    heading : (float, float, float), optional
        Where the body looks; along the line by default.
    floor_m : float
        Height of the floor from the magnet's axis [m].
    samples : int
        Poses.

    Raises
    ------
    InputError
        For a line of no length and a speed that is not positive.
    """
    ends = np.array([[vector("start_m", [*start_m, 0.0])[i] for i in (0, 1)], [float(v) for v in end_m]])
    way = ends[1] - ends[0]
    length = float(np.linalg.norm(way))
    positive("speed_m_s", speed_m_s)
    if not length > 0:
        raise InputError("a walk of no length", field="end_m", found=tuple(end_m))
    times, along = _there(length, speed_m_s, 0.5, whole("samples", samples, 4))
    middle, sole = _middle(body), _ends(body)[0][2]
    centre = np.array([middle[0], middle[1], sole])
    places = np.empty((len(times), 3))
    places[:, [0, 2]] = ends[0] + along[:, None] * way / length
    places[:, 1] = number("floor_m", floor_m)
    R = standing((way[0], 0.0, way[1]) if heading is None else heading)
    about = f"{speed_m_s:g} m/s ({BOHANNON}), ramps of 0.5 s assumed, the body rigid"
    return Trajectory(name, times, places, _vectors(R, len(times)), centre, about)


def walk_up(
    body: Phantom,
    from_m: float = 3.0,
    to_m: float = 1.1,
    speed_m_s: float = WALK_m_s,
    *,
    aside_m: float = 0.0,
    samples: int = 200,
) -> Trajectory:
    """Walking towards the bore along the magnet's axis, and stopping in front of it.

    Parameters
    ----------
    body : Phantom
        Who walks.
    from_m, to_m : float
        Distances of the body's middle from the isocentre along z [m].
    speed_m_s : float
        Of walking [m/s].
    aside_m : float
        How far to the side (x) of the axis [m].
    samples : int
        Poses.
    """
    line = (aside_m, from_m), (aside_m, to_m)
    return walk(body, *line, speed_m_s, samples=samples, name="walking up to the magnet")


def walk_past(
    body: Phantom, distance_m: float = 1.2, reach_m: float = 2.5, speed_m_s: float = WALK_m_s, *, samples: int = 200
) -> Trajectory:
    """Walking past the opening of the bore, across the magnet's axis.

    Parameters
    ----------
    body : Phantom
        Who walks.
    distance_m : float
        Distance of the line from the isocentre along z [m].
    reach_m : float
        The walk goes from this far on one side to as far on the other [m].
    speed_m_s : float
        Of walking [m/s].
    samples : int
        Poses.
    """
    line = (-positive("reach_m", reach_m), distance_m), (reach_m, distance_m)
    return walk(body, *line, speed_m_s, samples=samples, name="walking past the magnet")


def turn(
    body: Phantom,
    place_m: Sequence[float],
    angle_rad: float = math.radians(60),
    period_s: float = 2.0,
    *,
    about: str = "yaw",
    pivot_m: Sequence[float] | None = None,
    rotation: np.ndarray | None = None,
    samples: int = 101,
    name: str | None = None,
) -> Trajectory:
    """Turning there and back about an axis of the body.

    Parameters
    ----------
    body : Phantom
        Who turns, as a whole: give a head for what the head does.
    place_m : (float, float, float)
        Where the body's point ``pivot_m`` is in the room [m].
    angle_rad : float
        From one end to the other; both ends are half of it from the start [rad].
    period_s : float
        Of the way there and back [s].
    about : "yaw", "pitch" or "roll"
        Turning (about the body's z axis), nodding (x), or tilting to the side (y).
    pivot_m : (float, float, float), optional
        Point that stays where it is, in the body's coordinates [m]; the body's middle by default.
    rotation : (3, 3) ndarray, optional
        How the body stands at angle zero; upright and facing the bore by default.
    samples : int
        Poses.
    name : str, optional
        Name of the trajectory.

    Raises
    ------
    InputError
        For an axis that is not known, and angles and times that are not positive.
    """
    axes = {"yaw": 2, "pitch": 0, "roll": 1}
    if about not in axes:
        raise InputError("unknown axis", field="about", found=about, expected="yaw, pitch or roll")
    positive("angle_rad", angle_rad), positive("period_s", period_s)
    from scipy.spatial.transform import Rotation

    times = np.linspace(0.0, period_s, whole("samples", samples, 8))
    angles = 0.5 * angle_rad * np.sin(2 * math.pi * times / period_s)
    start = Rotation.from_matrix(FACING if rotation is None else np.asarray(rotation, float))
    turned = start * Rotation.from_rotvec(angles[:, None] * np.eye(3)[axes[about]])
    pivot = _middle(body) if pivot_m is None else vector("pivot_m", pivot_m)
    peak = math.pi * angle_rad / period_s
    words = f"{math.degrees(angle_rad):.0f} degrees within {0.5 * period_s:g} s, at most {peak:.2g} rad/s: assumed"
    places = np.broadcast_to(vector("place_m", place_m), (len(times), 3))
    named = name or {"yaw": "turning", "pitch": "nodding", "roll": "tilting"}[about]
    return Trajectory(named, times, places, turned.as_rotvec(), pivot, words)


def bend_over(
    body: Phantom,
    place_m: Sequence[float],
    angle_rad: float = math.radians(60),
    duration_s: float = 1.5,
    *,
    hips_m: Sequence[float] | None = None,
    heading: Sequence[float] = (0.0, 0.0, -1.0),
    samples: int = 101,
) -> Trajectory:
    """Bending over towards where the body looks, as a whole about its hips.

    Parameters
    ----------
    body : Phantom
        Who bends; its legs are turned along and count for nothing.
    place_m : (float, float, float)
        Where the hips are in the room [m].
    angle_rad : float
        How far [rad].
    duration_s : float
        How long it takes [s].
    hips_m : (float, float, float), optional
        The hips in the body's coordinates [m]; half of the body's height by default.
    heading : (float, float, float)
        Where the body looks.
    samples : int
        Poses.
    """
    from scipy.spatial.transform import Rotation

    positive("angle_rad", angle_rad), positive("duration_s", duration_s)
    times = np.linspace(0.0, duration_s, whole("samples", samples, 8))
    angles = 0.5 * angle_rad * (1 - np.cos(math.pi * times / duration_s))
    # The front goes down: about the body's x axis in the sense from z to y.
    turned = Rotation.from_matrix(standing(heading)) * Rotation.from_rotvec(-angles[:, None] * np.eye(3)[0])
    hips = _middle(body) if hips_m is None else vector("hips_m", hips_m)
    places = np.broadcast_to(vector("place_m", place_m), (len(times), 3))
    words = f"{math.degrees(angle_rad):.0f} degrees within {duration_s:g} s: assumed, the body rigid"
    return Trajectory("bending over", times, places, turned.as_rotvec(), hips, words)


def table_in(
    landmark_m: Sequence[float] = (0.0, 0.0, 0.0), from_m: float = 2.0, speed_m_s: float = 0.2, *, samples: int = 200
) -> Trajectory:
    """The patient table moves into the magnet, head first and face up.

    Parameters
    ----------
    landmark_m : (float, float, float)
        Point of the body that ends up at the isocentre, in the body's coordinates [m].
    from_m : float
        Distance from the isocentre at which the landmark starts, at -z: the head, at the body's +z, comes first [m].
    speed_m_s : float
        Of the table [m/s].
    samples : int
        Poses.
    """
    positive("from_m", from_m), positive("speed_m_s", speed_m_s)
    times, along = _there(from_m, speed_m_s, 0.5, whole("samples", samples, 4))
    places = np.zeros((len(times), 3))
    places[:, 2] = along - from_m
    words = f"{speed_m_s:g} m/s: assumed (whole-body tables move at some 0.1 to 0.25 m/s)"
    return Trajectory("table moving in", times, places, None, vector("landmark_m", landmark_m), words)


def _there(length: float, speed: float, ramp: float, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and way of a motion that starts and stops along half periods of a cosine."""
    ramp = min(ramp, length / speed)
    total = length / speed + ramp
    t = np.linspace(0.0, total, samples)
    w = math.pi / ramp

    def started(u: np.ndarray) -> np.ndarray:
        """Way since the start with speed (1 - cos(w u)) / 2 up to the full one."""
        u = np.maximum(u, 0.0)
        early = 0.5 * speed * (u - np.sin(w * u) / w)
        return np.asarray(np.where(u < ramp, early, speed * (u - 0.5 * ramp)))

    return t, started(t) - started(t - (total - ramp))


def _ends(body: Phantom) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner of the body in its coordinates [m]."""
    low, high = [], []
    for axis in range(3):
        there = np.flatnonzero(body.body.any(axis=tuple(a for a in range(3) if a != axis)))
        if not len(there):
            raise InputError("a body without voxels", field="body", expected="tissue")
        low.append(body.grid.origin_m[axis] + there[0] * body.grid.spacing_m[axis])
        high.append(body.grid.origin_m[axis] + (there[-1] + 1) * body.grid.spacing_m[axis])
    return np.array(low), np.array(high)


def _middle(body: Phantom) -> np.ndarray:
    low, high = _ends(body)
    return np.asarray(0.5 * (low + high))


def _vectors(R: np.ndarray, count: int) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return np.broadcast_to(Rotation.from_matrix(R).as_rotvec(), (count, 3))
