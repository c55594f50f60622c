"""From the tables of a ``motion`` scenario to the magnet, the parts of the body that move, and their trajectories."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models import movements
from emdose.models.induction.magnets import Cryostat, SolenoidCoil, StaticMagnet
from emdose.models.induction.scanner_magnets import scanner_magnet
from emdose.models.induction.trajectories import Trajectory
from emdose.scenarios.kinds.motion import schema
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.moving.surroundings import points_of

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

BODY, HEAD = "body", "head"
LIMBS = ("leg", "arm", "extremit")
"""How regions of limbs begin."""


@dataclass(frozen=True, eq=False)
class Movement:
    """A trajectory and what moves along it.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    part : str
        "body" or "head".
    trajectory : Trajectory
        Where it goes.
    """

    name: str
    part: str
    trajectory: Trajectory


def magnet(table: Any, file: object = None) -> Any:
    """The static field of a scenario; raises InputError that names the key."""
    if isinstance(table, schema.ScannerMagnetTable):
        return scanner_magnet(table.field_T)
    wall = None
    with blamed_on(file, "magnet"):
        if table.length_m is not None:
            wall = Cryostat(table.bore_radius_m, table.outer_radius_m, table.length_m)
        if isinstance(table, schema.MappedMagnetTable):
            from emdose.io.motion.magnet_maps import read_magnet_map

            return read_magnet_map(table.file, wall)
    coils = []
    for name, coil in table.coils.items():
        with blamed_on(file, f"magnet.coils.{name}"):
            coils.append(SolenoidCoil(coil.radius_m, coil.low_m, coil.high_m, coil.ampere_turns))
    assert wall is not None
    try:
        return StaticMagnet("solenoid", coils, wall)
    except InputError as error:
        raise error.at(file=file, field="magnet.coils") from None


def region(body: Phantom, starts: tuple[str, ...]) -> np.ndarray | None:
    """The voxels of the regions of a body whose names begin with one of some words; None where there is none."""
    found = [mask & body.body for name, mask in body.regions.items() if name.lower().startswith(starts)]
    whole = np.logical_or.reduce(found) if found else None
    return whole if whole is not None and whole.any() else None


def part_of(body: Phantom, part: str) -> Phantom:
    """The body, or its head alone on the same grid."""
    if part == BODY:
        return body
    mask = region(body, (HEAD,))
    assert mask is not None
    return replace(body, labels=np.where(mask, body.labels, 0), name=f"head of {body.name}")


def movement(name: str, table: Any, body: Phantom, file: object = None) -> Movement:
    """A trajectory of a scenario; raises InputError that names its table."""
    key = f"trajectories.{name}"
    nods = isinstance(table, schema.NodTable | schema.ShakeTable)
    part = table.part or (HEAD if nods and region(body, (HEAD,)) is not None else BODY)
    if part == HEAD and region(body, (HEAD,)) is None:
        raise InputError(
            "this body has no region of a head", file=file, field=f"{key}.part", found=part, expected='"body"'
        )
    with blamed_on(file, key):
        found = _made(table, body, part)
        found.require_resolved()
    return Movement(name, part, replace(found, name=name))


def require_room(field: Any, one: Movement, bodies: Mapping[str, Phantom], file: object = None) -> None:
    """Raise InputError that names the trajectory when it goes through a wall, or leaves a map."""
    outline, poses = points_of(bodies[one.part]), one.trajectory.poses()
    try:
        for n in range(len(poses)):
            field.require_room(poses.points(outline, n), f"{one.name!r} at {poses.times_s[n]:.3g} s: the body")
    except InputError as error:
        raise error.at(file=file, field=f"trajectories.{one.name}") from None


def _made(table: Any, body: Phantom, part: str) -> Trajectory:
    more = {} if table.samples is None else {"samples": table.samples}
    if isinstance(table, schema.TableInTable):
        return movements.table_in(table.landmark_m, table.from_m, table.speed_m_s, **more)
    if isinstance(table, schema.PosesTable):
        from emdose.io.motion.pose_files import read_poses

        found = read_poses(table.file, table.centre_m)
        return found if table.samples is None else found.resampled(table.samples)
    floor = table.floor_m
    if isinstance(table, schema.WalkUpTable):
        line = (table.aside_m, table.from_m), (table.aside_m, table.to_m)
        return movements.walk(body, *line, table.speed_m_s, floor_m=floor, **more)
    if isinstance(table, schema.WalkPastTable):
        line = (-table.reach_m, table.distance_m), (table.reach_m, table.distance_m)
        return movements.walk(body, *line, table.speed_m_s, floor_m=floor, **more)
    low, high = _box(body, body.body)
    # The point of the body that stands on the floor, and where.
    foot, place = np.array([*(0.5 * (low + high))[:2], low[2]]), np.array([table.aside_m, floor, table.distance_m])
    if isinstance(table, schema.BendTable):
        hips = 0.5 * (low + high)
        at = place + movements.FACING @ (hips - foot)
        return movements.bend_over(body, at, math.radians(table.angle_deg), table.duration_s, hips_m=hips, **more)
    pivot = foot
    if part == HEAD:
        mask = region(body, (HEAD,))
        assert mask is not None
        low, high = _box(body, mask)
        pivot = np.array([*(0.5 * (low + high))[:2], low[2]])
    if table.pivot_m is not None:
        pivot = np.asarray(table.pivot_m)
    at = place + movements.FACING @ (pivot - foot)
    about = "pitch" if isinstance(table, schema.NodTable) else "yaw"
    angle = math.radians(table.angle_deg)
    return movements.turn(body, at, angle, table.period_s, about=about, pivot_m=tuple(map(float, pivot)), **more)


def _box(body: Phantom, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner of some voxels [m]."""
    origin, h = np.asarray(body.grid.origin_m), np.asarray(body.grid.spacing_m)
    some = np.argwhere(mask)
    return origin + some.min(axis=0) * h, origin + (some.max(axis=0) + 1) * h
