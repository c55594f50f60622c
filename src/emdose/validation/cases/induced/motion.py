"""``Moving``: trajectories as sums of few motions beside identities and solutions of their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.models import movements, phantoms
from emdose.models.gradients.coils import IdealGradient, UniformField
from emdose.models.induction.scanner_magnets import scanner_magnet
from emdose.models.induction.sources import RigidMotion, Switched
from emdose.models.induction.trajectories import Trajectory
from emdose.solvers.moving.solver import Moving
from emdose.solvers.quasistatic.solver import Quasistatic
from emdose.validation.rows import Row, at_most

SOLVER = Quasistatic(tolerance=1e-8)


def straight(velocity_m_s: Any, turn_rad_s: Any = (0.0, 0.0, 0.0)) -> Trajectory:
    """Through the origin at 1 s, at steady speeds."""
    t = np.linspace(0, 2, 9)
    return Trajectory("straight", t, np.outer(t - 1, velocity_m_s), np.outer(t - 1, turn_rad_s))


def identities(device: Any) -> list[Row]:
    """Turning in a uniform field is a changing field in the body's axes, walking in a linear one a uniform rate."""
    body, quiet = phantoms.gel_box(0.04, (0.4, 0.24, 1.6)), {"device": device, "progress": False}
    turning, angular = straight((0, 0, 0), (0.5, 0, 0)), 0.5
    course = Moving(SOLVER, tolerance=1e-6).solve(body, UniformField((0, 0, 1)), turning, **quiet).along(turning, [1.7])
    angle = angular * 0.7
    rate = (0.0, math.cos(angle), -math.sin(angle))  # B in the body's axes is (0, sin, cos) of the angle
    slope, speed = IdealGradient("z"), np.array([0.2, 0.0, 0.3])
    walked = Moving(SOLVER).solve(body, slope, straight(speed), **quiet).along(straight(speed))
    change = slope.slope @ speed
    sources = [Switched(UniformField(tuple(r)), "T/s") for r in (rate, change / np.linalg.norm(change))]
    switched = SOLVER.solve(body, sources, **quiet).E * np.array([angular, np.linalg.norm(change)])[:, None, None]
    rows = []
    for case, found, wanted, limit in (
        ("turning in a uniform field", course.field(1.7), switched[0], 1e-5),
        ("walking through a linear field", walked.field(1.0), switched[1], 1e-4),
    ):
        error = float(np.abs(found - wanted).max() / np.abs(wanted).max())
        quantity = "E beside that of the switched field, over its peak"
        rows.append(at_most(case, "identity of the motion", quantity, error, limit))
    return rows


def sums(device: Any) -> list[Row]:
    """A walk past a magnet beside solutions of their own at three poses."""
    body, magnet, quiet = (
        phantoms.gel_box(0.04, (0.4, 0.24, 1.6)),
        scanner_magnet(3.0),
        {"device": device, "progress": False},
    )
    walk, times = movements.walk_past(body, 1.4, 2.0, samples=100), [0.9, 1.63, 2.2]
    got = Moving(SOLVER).solve(body, magnet, walk, **quiet)
    course, poses, error = got.along(walk, times), walk.poses(times), 0.0
    for n, t in enumerate(times):
        R = poses.rotations[n]
        shift = poses.positions_m[n] - R @ poses.centre_m
        own = RigidMotion(magnet, poses.velocities_m_s[n], poses.turns_rad_s[n], R, shift, poses.centre_m)
        direct = SOLVER.solve(body, own, 10.0, **quiet).E[0]
        error = max(error, float(np.abs(course.field(t) - direct).max()))
    quantity = "sums of few motions beside own solutions, over the walk's peak"
    return [at_most("walk past a 3 T magnet", "direct solution", quantity, error / got.along(walk).peak_E, 2e-3)]


CASES = {"motion identities": identities, "motion sums": sums}
