r"""Fields that moving through a static field induces in a body, for any motion that the solved ones add up to."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.trajectories import BodyPoses, Trajectory
from emdose.solvers.moving.choosing import fitted
from emdose.solvers.moving.course import MotionCourse
from emdose.solvers.moving.reduced import VoxelSample
from emdose.solvers.moving.surroundings import Surroundings
from emdose.solvers.results.induced import InducedField
from emdose.values import owned, read_only

MOST_LEFT_OUT = 0.05
"""Part of the largest dB/dt of a trajectory that the solved motions may leave out; beyond it they are others'."""


@read_only
@dataclass(frozen=True, eq=False)
class MotionField:
    """The answers of a body to motions in a magnet.

    Parameters
    ----------
    magnet : StaticField
        The static field.
    induced : InducedField
        Fields of the motions that were solved for, per T/s of their largest dB/dt.
    points_m : (n, 3) ndarray
        Points of the body at which dB/dt is compared [m].
    rates : (motions, n, 3) ndarray
        dB/dt of the solved motions there, in the axes of the body [T/s per drive].
    left_out : float
        Largest part of dB/dt that they leave out of the trajectories they were chosen for, over its largest value.
    sample : VoxelSample
        Voxels that stand for the tissues.
    about : mapping
        Trajectories, times and options, for the provenance.
    """

    magnet: Any
    induced: InducedField
    points_m: np.ndarray
    rates: np.ndarray
    left_out: float
    sample: VoxelSample
    about: Mapping[str, Any]

    @property
    def phantom(self) -> Phantom:
        """The body."""
        return self.induced.phantom

    def along(self, trajectory: Trajectory, times_s: Sequence[float] | np.ndarray | None = None) -> MotionCourse:
        """Everything over time along a trajectory, by superposition.

        Parameters
        ----------
        trajectory : Trajectory
            Any one in this magnet.
        times_s : (t,) array, optional
            Times [s]; those of the trajectory by default. For filters in time they are evenly spaced.

        Raises
        ------
        InputError
            When the trajectory goes through the magnet, or moves the body in a way that the solved motions do not add
            up to (more than 5 % of dB/dt are left out): solve with this trajectory then.
        """
        started = clock.perf_counter()
        poses = trajectory.poses(times_s)
        reach = farthest(poses, self.points_m)
        around = Surroundings(self.magnet, reach)
        require_room(around, poses, self.points_m, trajectory.name)
        B, rates = around.seen(poses, self.points_m)
        weights, rest = fitted(self.rates.reshape(len(self.rates), -1), rates.reshape(len(rates), -1))
        top = float(np.abs(rates).max())
        error = float(rest.max() / top) if top > 0 else 0.0
        if error > MOST_LEFT_OUT:
            at = float(poses.times_s[int(np.argmax(rest))])
            raise InputError(
                f"the solved motions do not add up to {trajectory.name!r}",
                field="trajectory",
                found=f"{100 * error:.2g} % of dB/dt left out at {at:.3g} s",
                expected=f"at most {100 * MOST_LEFT_OUT:g} %; give this trajectory to Moving.solve as well",
            )
        index = self.sample.index
        part = self.induced.E[:, :, index]
        E = weights.astype(np.float32) @ part.reshape(len(part), -1)
        E = E.reshape(len(weights), 3, len(index))
        return MotionCourse(
            trajectory,
            self.induced,
            self.sample,
            owned(np.array(poses.times_s)),
            owned(weights),
            owned(B.astype(np.float32)),
            owned(rates.astype(np.float32)),
            owned(E),
            error,
            {"seconds": clock.perf_counter() - started, "table_error": around.error, **_motion(poses)},
        )

    def six(
        self, trajectory: Trajectory, times_s: Sequence[float] | np.ndarray | None = None
    ) -> tuple[np.ndarray, ...]:
        """Weights of the solved motions for the six unit motions at poses, and what is left out of each.

        Parameters
        ----------
        trajectory : Trajectory
            Poses.
        times_s : (t,) array, optional
            Times [s].

        Returns
        -------
        (t, 6, motions) ndarray
            For 1 m/s along and 1 rad/s about the body's axes; times ``poses.drives`` they are those of the motion.
        (t, 6) ndarray
            Largest dB/dt left out [T/s].
        """
        poses = trajectory.poses(times_s)
        around = Surroundings(self.magnet, farthest(poses, self.points_m))
        _, rates = around.seen(poses, self.points_m, six=True)
        weights, rest = fitted(self.rates.reshape(len(self.rates), -1), rates.reshape(6 * len(rates), -1))
        return weights.reshape(len(rates), 6, -1), rest.reshape(len(rates), 6)


def farthest(poses: BodyPoses, points: np.ndarray) -> float:
    """Largest distance from the axis or along it that a body comes to [m]."""
    size = float(np.linalg.norm(points - poses.centre_m, axis=1).max())
    return float(np.linalg.norm(poses.positions_m, axis=1).max()) + size + 0.1


def require_room(around: Surroundings, poses: BodyPoses, points: np.ndarray, name: str) -> None:
    """Raise InputError where a body's points meet a magnet's wall, or leave a map."""
    for n in range(len(poses)):
        around.require_room(poses.points(points, n), f"{name!r} at {poses.times_s[n]:.3g} s: the body")


def _motion(poses: BodyPoses) -> dict[str, float]:
    return {
        "largest_velocity_m_s": float(np.linalg.norm(poses.velocities_m_s, axis=1).max()),
        "largest_turn_rad_s": float(np.linalg.norm(poses.turns_rad_s, axis=1).max()),
    }
