"""Parametric joint prostheses: a hip, a knee and a shoulder made of simple shapes.

They have the sizes and the topology of real ones, not the shape of any product. Polymer (liner, insert) is no metal and
is left out. Parts of the same metal that touch are one part.

Source of the hip's sizes (stem 142 mm, head 30 mm, shell 66 mm outside and 8 mm thick, screw 34 mm, liner 10 mm):
A. Arduino et al., ISMRM 2021, abstract 0361; Magn. Reson. Med. 85 (2021) 3447. All other sizes are round numbers.
"""

from __future__ import annotations

import math

import numpy as np

from emdose.checks import within
from emdose.errors import InputError
from emdose.models.implants import metals
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.metals import Metal
from emdose.models.implants.signed_distance import Shape, ball, capsule, cone, cuboid, half_space, loft

TAPER_SMALL_M, TAPER_LARGE_M, TAPER_LENGTH_M = 6e-3, 7e-3, 20e-3
"""Radii and length of the 12/14 taper: half angle 2.86 degree."""
ROUNDED_M = 4e-3
"""Length of the round end of a stem."""


def hip(
    metal: Metal | str = "CoCrMo",
    head_metal: Metal | str | None = None,
    cup_metal: Metal | str | None = None,
    *,
    stem_length_m: float = 0.142,
    head_diameter_m: float = 0.030,
    neck_angle_deg: float = 135.0,
    offset_m: float = 0.032,
    with_cup: bool = True,
    shell_diameter_m: float = 0.066,
    shell_thickness_m: float = 0.008,
    with_screw: bool = True,
    screw_length_m: float = 0.034,
    step_m: float = 1.5e-3,
) -> Implant:
    """A total hip prosthesis: stem with 12/14 taper, head, hemispherical shell, screw.

    The centre of the head is the origin, the shaft points to -z, the head lies towards +x (medial) of it, y is the
    back-front direction. The liner fills the space between head and shell and is not metal.

    Parameters
    ----------
    metal : Metal or str
        Metal of the stem.
    head_metal, cup_metal : Metal or str, optional
        Metal of head, and of shell and screw; by default that of the stem.
    stem_length_m : float
        From the distal tip to the highest point of the taper along z [m].
    head_diameter_m : float
        22 to 44 mm.
    neck_angle_deg : float
        Angle between neck and shaft, 120 to 145 degree.
    offset_m : float
        Distance of the head's centre from the axis of the shaft [m].
    with_cup, with_screw : bool
        Whether shell and screw are there.
    shell_diameter_m, shell_thickness_m, screw_length_m : float
        Outer diameter and wall of the shell, length of the screw beyond the middle of the wall [m].
    step_m : float
        Size of the triangles [m].

    Raises
    ------
    InputError
        When the sizes do not fit each other.
    """
    within("neck_angle_deg", neck_angle_deg, 120, 145, problem="size out of range")
    within("head_diameter_m", head_diameter_m, 0.022, 0.044, problem="size out of range")
    within("offset_m", offset_m, 0.025, 0.055, problem="size out of range")
    within("stem_length_m", stem_length_m, 0.09, 0.30, problem="size out of range")
    stem_metal = metals.get(metal)
    ball_metal = stem_metal if head_metal is None else metals.get(head_metal)
    lean = math.radians(180 - neck_angle_deg)
    up = np.array([math.sin(lean), 0.0, math.cos(lean)])  # along the neck, towards the head
    taper_top = 3e-3 * up + TAPER_SMALL_M * np.array([-math.cos(lean), 0, math.sin(lean)])
    stem = _stem(up, lean, offset_m, float(taper_top[2]) - stem_length_m)
    reach = TAPER_LENGTH_M - 3e-3
    taper = cone(TAPER_LARGE_M, TAPER_SMALL_M, TAPER_LENGTH_M).moved((0, 0, -reach)).rotated(_lean(up))
    stem = stem | taper
    radius = 0.5 * head_diameter_m
    sphere = ball(radius)
    cup = _cup(up, radius, shell_diameter_m, shell_thickness_m, screw_length_m if with_screw else 0.0)
    parts: list[Part] = []
    if ball_metal == stem_metal:
        parts.append((stem | sphere).part("stem and head", stem_metal, step_m))
    else:
        # The bore has the cone of the taper and a little air behind it.
        slope = (TAPER_LARGE_M - TAPER_SMALL_M) / TAPER_LENGTH_M
        bore = cone(TAPER_SMALL_M + slope * 2 * radius, TAPER_SMALL_M, 2 * radius).moved((0, 0, 3e-3 - 2 * radius))
        air = cone(TAPER_SMALL_M, TAPER_SMALL_M, 3e-3).moved((0, 0, 2.5e-3))
        parts.append(stem.part("stem", stem_metal, step_m))
        parts.append((sphere - (bore | air).rotated(_lean(up))).part("head", ball_metal, step_m))
    if with_cup:
        parts.append(cup.part("cup", stem_metal if cup_metal is None else metals.get(cup_metal), step_m))
    return Implant("hip prosthesis", tuple(parts))


def knee(
    metal: Metal | str = "CoCrMo",
    tray_metal: Metal | str = "Ti6Al4V",
    *,
    width_m: float = 0.070,
    depth_m: float = 0.046,
    plate_m: float = 0.004,
    keel_length_m: float = 0.040,
    femoral_thickness_m: float = 0.008,
    insert_m: float = 0.010,
    with_femoral: bool = True,
    step_m: float = 1.5e-3,
) -> Implant:
    """A knee prosthesis: tibial plate with a keel, and a curved femoral plate above the polymer insert.

    The top of the tibial plate is at z = 0, x runs from side to side, y from front to back, the keel points to -z.

    Parameters
    ----------
    metal, tray_metal : Metal or str
        Metals of the femoral and of the tibial plate.
    width_m, depth_m, plate_m : float
        Size of the tibial plate along x and y, and its thickness [m].
    keel_length_m : float
        Length of the keel below the plate [m].
    femoral_thickness_m, insert_m : float
        Thickness of the femoral plate and height of the gap for the insert [m].
    with_femoral : bool
        Whether the femoral plate is there.
    step_m : float
        Size of the triangles [m].
    """
    within("width_m", width_m, 0.04, 0.10, problem="size out of range")
    within("depth_m", depth_m, 0.025, 0.07, problem="size out of range")
    within("plate_m", plate_m, 0.002, 0.01, problem="size out of range")
    within("keel_length_m", keel_length_m, 0.01, 0.12, problem="size out of range")
    within("femoral_thickness_m", femoral_thickness_m, 0.003, 0.015, problem="size out of range")
    within("insert_m", insert_m, 0.004, 0.025, problem="size out of range")
    plate = loft(np.array([[0.0, -plate_m], [0.0, 0.0]]), np.full((2, 2), 0.5) * (width_m, depth_m), [3.0, 3.0])
    plate = plate & cuboid((2 * width_m, 2 * depth_m, plate_m), (0, 0, -0.5 * plate_m))
    keel = capsule((0, 0, -0.5 * plate_m), (0, 0, -plate_m - keel_length_m + 7e-3), 7e-3)
    fins = cuboid((0.55 * width_m, 4e-3, 0.5 * keel_length_m), (0, 0, -0.5 * plate_m - 0.25 * keel_length_m), 1e-3)
    below = cuboid((2 * width_m, 2 * depth_m, 2 * keel_length_m + plate_m), (0, 0, -keel_length_m - 0.5 * plate_m))
    tibial = plate | ((keel | fins) & below)
    parts = [tibial.part("tibial plate", tray_metal, step_m)]
    if with_femoral:
        outer = 0.5 * depth_m + femoral_thickness_m
        tall = insert_m + outer  # axis of the curved plate
        shell = cone(outer, outer, 0.9 * width_m) - cone(0.5 * depth_m, 0.5 * depth_m, width_m).moved((0, 0, -1e-3))
        shell = shell.moved((0, 0, -0.45 * width_m)).rotated(90, "y").moved((0, 0, tall))
        lower = half_space((0, 0, 1), (0, 0, tall + 0.4 * outer), shell)
        notch = cuboid((0.25 * width_m, 2 * outer, 2 * outer), (0, outer + 2e-3, tall), 4e-3)
        parts.append(((shell & lower) - notch).part("femoral plate", metal, step_m))
    return Implant("knee prosthesis", tuple(parts))


def shoulder(
    metal: Metal | str = "Ti6Al4V",
    head_metal: Metal | str = "CoCrMo",
    *,
    stem_length_m: float = 0.120,
    head_diameter_m: float = 0.048,
    head_height_m: float = 0.018,
    neck_angle_deg: float = 135.0,
    step_m: float = 1.5e-3,
) -> Implant:
    """A shoulder prosthesis: humeral stem and a head that is a cap of a sphere.

    The middle of the head's flat face is the origin, the shaft points to -z, the head looks up and to +x.

    Parameters
    ----------
    metal, head_metal : Metal or str
        Metals of stem and head.
    stem_length_m : float
        From the tip to the middle of the head's flat face along z [m].
    head_diameter_m, head_height_m : float
        Diameter of the flat face and height of the cap [m].
    neck_angle_deg : float
        Angle between the axis of the head and the shaft, 120 to 145 degree.
    step_m : float
        Size of the triangles [m].
    """
    within("neck_angle_deg", neck_angle_deg, 120, 145, problem="size out of range")
    within("stem_length_m", stem_length_m, 0.05, 0.25, problem="size out of range")
    within("head_diameter_m", head_diameter_m, 0.03, 0.06, problem="size out of range")
    within("head_height_m", head_height_m, 0.008, 0.5 * head_diameter_m, problem="size out of range")
    lean = math.radians(180 - neck_angle_deg)
    up = np.array([math.sin(lean), 0.0, math.cos(lean)])
    stem = _shaft(up, lean, 0.022, -stem_length_m, np.array([0.0, 0.0]), widest=(0.013, 0.011), neck=0.011)
    sphere = (0.25 * head_diameter_m**2 + head_height_m**2) / (2 * head_height_m)
    body = ball(sphere, tuple(((head_height_m - sphere) * up).tolist()))
    cap = body & half_space(tuple(-up), (0, 0, 0), body)
    outside = half_space(tuple(up), (0, 0, 0), stem)  # the stem ends where the head begins
    head, trunk = metals.get(head_metal), metals.get(metal)
    if head == trunk:
        return Implant("shoulder prosthesis", ((stem | cap).part("stem and head", trunk, step_m),))
    return Implant(
        "shoulder prosthesis", ((stem & outside).part("stem", trunk, step_m), cap.part("head", head, step_m))
    )


def _stem(up: np.ndarray, lean: float, offset: float, tip_z: float) -> Shape:
    """The stem below the taper; ends inside the taper's wide end."""
    end = -(TAPER_LENGTH_M - 3e-3 - 2e-3) * up[[0, 2]]
    return _shaft(up, lean, offset, tip_z, end, widest=(0.0125, 0.0085), neck=6.5e-3)


def _shaft(
    up: np.ndarray, lean: float, offset: float, tip_z: float, end: np.ndarray, widest: tuple[float, float], neck: float
) -> Shape:
    """A loft from a thin tip up the shaft, round the bend and along the neck to ``end`` (x, z)."""
    across = offset / math.sin(lean)  # from the head's centre along the neck to the shaft's axis
    knee_point = -across * up[[0, 2]]
    below = knee_point - (0.0, 0.022)
    after = knee_point + 0.45 * (end - knee_point)
    s = np.linspace(0, 1, 25)[:, None]
    bend = (1 - s) ** 2 * below + 2 * s * (1 - s) * knee_point + s**2 * after  # a quadratic Bezier curve
    tip = np.array([knee_point[0], tip_z])
    if tip[1] > below[1] - 0.02:
        raise InputError(
            "stem too short for its neck",
            field="stem_length_m",
            found=-tip_z,
            expected=f"at least {0.025 - below[1]:.3f} m",
        )
    length = below[1] - tip[1]
    line = np.concatenate(
        [
            ROUNDED_M / length * np.array([0, 0.02, 0.06, 0.12, 0.2, 0.32, 0.5, 0.75]),
            np.linspace(ROUNDED_M / length, 1, 12),
        ]
    )[:, None]
    path = np.concatenate(
        [tip + line[:-1] * (below - tip), bend, after + np.linspace(0, 1, 8)[1:, None] * (end - after)]
    )
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    first = len(line) - 1
    stations = [0.0, way[first], way[first + 12], way[first + 24], way[-1]]
    a = np.interp(way, stations, [4e-3, 0.85 * widest[0], widest[0], 1.1 * neck, neck])
    b = np.interp(way, stations, [4e-3, 0.95 * widest[1], widest[1], neck, neck])
    tip_shape = np.sqrt(np.clip(1 - (1 - way / ROUNDED_M).clip(0) ** 2, 0.01, 1))  # a round end
    a, b = a * tip_shape, b * tip_shape
    power = np.interp(way, stations, [2.0, 2.8, 2.8, 2.2, 2.0])
    return loft(path, np.stack([a, b], 1), power)


def _cup(up: np.ndarray, head: float, diameter: float, wall: float, screw: float) -> Shape:
    outer = 0.5 * diameter
    within("shell_diameter_m", diameter, 0.036, 0.09, problem="size out of range")
    within("shell_thickness_m", wall, 0.001, outer - head - 1e-3, problem="size out of range")
    within("screw_length_m", screw, 0.0, 0.08, problem="size out of range")
    shell = ball(outer) - ball(outer - wall)
    cup = shell & half_space(tuple((-up).tolist()), (0, 0, 0), shell)
    if screw > 0:
        side = np.array([up[2], 0, -up[0]])
        way = math.cos(0.35) * up + math.sin(0.35) * side  # 20 degrees off the pole
        start = (outer - 0.5 * wall) * way
        bolt = capsule(tuple(start.tolist()), tuple((start + (screw - 3.25e-3) * way).tolist()), 3.25e-3)
        cup = cup | (bolt - ball(outer - wall))
    return cup


def _lean(up: np.ndarray) -> np.ndarray:
    """Rotation that takes z to ``up``, a unit vector in the plane y = 0."""
    return np.array([[up[2], 0, up[0]], [0, 1, 0], [-up[0], 0, up[2]]])
