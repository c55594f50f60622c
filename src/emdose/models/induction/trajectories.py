r"""How a rigid body moves in the room of a magnet: poses over time, and velocities of a spline through them.

A point p of the body is at

.. math:: \mathbf r(t) = R(t)(\mathbf p - \mathbf c) + \mathbf s(t), \qquad
   \dot{\mathbf r} = \dot{\mathbf s} + \boldsymbol\Omega \times (\mathbf r - \mathbf s) .

Positions run along cubic splines, rotations along splines whose angular velocity and acceleration are continuous.

Source: the rotation spline of SciPy, after S. Boyer, "Smooth attitude interpolation" (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import array, text, vector
from emdose.errors import InputError
from emdose.values import owned, read_only

FASTEST_m_s, FASTEST_rad_s = 10.0, 50.0
"""Nobody moves or turns faster than this beside a magnet: positions in mm, angles in degrees, or times in ms do."""
FARTHEST_m = 50.0
FEWEST, APART, SLOWEST = 7, 0.2, 1e-3
"""Poses from which on it shows whether they are close enough; by how much the largest speed may change without every
second one; and speeds [m/s, rad/s] that do not matter."""


@read_only
@dataclass(frozen=True, eq=False)
class BodyPoses:
    """Where a body is, and how fast it moves, at some times.

    Parameters
    ----------
    times_s : (n,) ndarray
        Times [s].
    rotations : (n, 3, 3) ndarray
        Turn vectors of the body into those of the room.
    positions_m : (n, 3) ndarray
        Where the body's point ``centre_m`` is in the room [m].
    velocities_m_s : (n, 3) ndarray
        Of that point, in the axes of the room [m/s].
    turns_rad_s : (n, 3) ndarray
        Angular velocities, in the axes of the room [rad/s].
    centre_m : (3,) ndarray
        The body's point, in its own coordinates [m].
    """

    times_s: np.ndarray
    rotations: np.ndarray
    positions_m: np.ndarray
    velocities_m_s: np.ndarray
    turns_rad_s: np.ndarray
    centre_m: np.ndarray

    def __len__(self) -> int:
        return len(self.times_s)

    def points(self, body_points_m: np.ndarray, index: int) -> np.ndarray:
        """Points (p, 3) of the body in the room at one of the times, (p, 3) [m]."""
        return (np.asarray(body_points_m, float) - self.centre_m) @ self.rotations[index].T + self.positions_m[index]

    @property
    def drives(self) -> np.ndarray:
        """Velocity and angular velocity in the axes of the body, (n, 6): what the six unit motions are driven with."""
        both = np.stack([self.velocities_m_s, self.turns_rad_s], axis=1)
        return np.einsum("nij,nki->nkj", self.rotations, both).reshape(len(self), 6)


@read_only
@dataclass(frozen=True, eq=False)
class Trajectory:
    """BodyPoses of a rigid body over time.

    Parameters
    ----------
    name : str
        Name shown in reports.
    times_s : (n,) array
        Times, growing [s].
    positions_m : (n, 3) array
        Where the body's point ``centre_m`` is, from the isocentre in the axes of the room [m].
    turns_rad : (n, 3) array, optional
        Rotation vectors (axis times angle) that turn the body's axes into those of the room [rad]; none by default. Up
        to half a turn between two times.
    centre_m : (3,) array
        The body's point, in its own coordinates [m].
    source : str
        Where speeds and angles come from, or that they are assumed.

    Raises
    ------
    InputError
        For fewer than two times, times that do not grow, arrays that do not fit, places beyond 50 m of the isocentre,
        rotation vectors beyond a full turn, and motion faster than 10 m/s or 50 rad/s (units other than m, s and rad).
    """

    name: str
    times_s: np.ndarray
    positions_m: np.ndarray
    turns_rad: Any = None
    centre_m: Any = (0.0, 0.0, 0.0)
    source: str = ""

    def __post_init__(self) -> None:
        text("name", self.name)
        times = array("times_s", self.times_s, (None,), problem="bad trajectory")
        if len(times) < 2 or not np.all(np.diff(times) > 0):
            raise InputError("times do not grow", field="times_s", expected="at least two growing times in seconds")
        places = array("positions_m", self.positions_m, (len(times), 3), problem="bad trajectory")
        turns = np.zeros((len(times), 3)) if self.turns_rad is None else self.turns_rad
        turns = array("turns_rad", turns, (len(times), 3), problem="bad trajectory")
        for key, value in (("times_s", times), ("positions_m", places), ("turns_rad", turns)):
            object.__setattr__(self, key, value)
        object.__setattr__(self, "centre_m", vector("centre_m", self.centre_m))
        far = float(np.abs(places).max())
        if far > FARTHEST_m:
            raise InputError(
                "a trajectory far from any magnet: positions are in m, not mm",
                field="positions_m",
                found=f"{far:.4g} m",
                expected=f"within {FARTHEST_m:g} m of the isocentre",
            )
        most = float(np.linalg.norm(turns, axis=1).max())
        if most > 2 * np.pi + 1e-9:
            raise InputError(
                "rotation vectors beyond a full turn: angles are in rad, not degrees",
                field="turns_rad",
                found=f"{most:.4g} rad",
                expected="up to 2 pi",
            )
        poses = self.poses()
        for what, values, most, unit in (
            ("moves", poses.velocities_m_s, FASTEST_m_s, "m/s"),
            ("turns", poses.turns_rad_s, FASTEST_rad_s, "rad/s"),
        ):
            top = float(np.linalg.norm(values, axis=1).max())
            if top > most:
                raise InputError(
                    f"a body that {what} faster than anyone beside a magnet: units are m, s and rad",
                    field=self.name,
                    found=f"{top:.4g} {unit}",
                    expected=f"up to {most:g} {unit}",
                )

    @property
    def duration_s(self) -> float:
        """From the first to the last time [s]."""
        return float(self.times_s[-1] - self.times_s[0])

    def poses(self, times_s: Sequence[float] | np.ndarray | None = None) -> BodyPoses:
        """Places, rotations and velocities at times within the trajectory.

        Parameters
        ----------
        times_s : (n,) array, optional
            Times [s]; those of the trajectory by default.

        Raises
        ------
        InputError
            For times outside of the trajectory.
        """
        times = self.times_s if times_s is None else array("times_s", times_s, (None,))
        if np.any(times < self.times_s[0] - 1e-9) or np.any(times > self.times_s[-1] + 1e-9):
            raise InputError(
                "times outside of the trajectory",
                field="times_s",
                found=(float(times.min()), float(times.max())),
                expected=f"from {self.times_s[0]:g} to {self.times_s[-1]:g} s",
            )
        places, turning = self._splines
        R = turning(times).as_matrix()
        # The spline gives rates in the axes of the body.
        rates = np.einsum("nij,nj->ni", R, turning(times, 1))
        return BodyPoses(
            owned(np.array(times)),
            owned(R),
            owned(places(times)),
            owned(places(times, 1)),
            owned(rates),
            self.centre_m,
        )

    def require_resolved(self) -> None:
        """Raise InputError where poses are too far apart in time for the speed between them.

        Leaving out every second pose may change the largest speed, or angular speed, by 20 % at most: the rate of a
        cubic spline errs by the third power of the step, so that with all poses it is then within some 3 %. Fewer than
        seven poses cannot be told.

        Source: C. de Boor, A Practical Guide to Splines, Springer 2001, ch. V (order of the spline's derivative).
        """
        if len(self.times_s) < FEWEST:
            return
        kept = np.unique(np.append(np.arange(0, len(self.times_s), 2), len(self.times_s) - 1))
        times = np.linspace(self.times_s[0], self.times_s[-1], 10 * len(self.times_s))
        full, half = self.poses(times), self._of(kept).poses(times)
        for what, own, other, unit in (
            ("speed", full.velocities_m_s, half.velocities_m_s, "m/s"),
            ("angular speed", full.turns_rad_s, half.turns_rad_s, "rad/s"),
        ):
            a, b = (float(np.linalg.norm(v, axis=1).max()) for v in (own, other))
            if a > SLOWEST and abs(b / a - 1) > APART:
                raise InputError(
                    f"poses too far apart in time for their {what}",
                    field=self.name,
                    found=f"up to {a:.3g} {unit}, and {b:.3g} {unit} by every second one",
                    expected=f"within {100 * APART:g} %: more poses, or smoother ones",
                )

    def _of(self, some: np.ndarray) -> Trajectory:
        """That of some of the poses, whose speeds are not judged again."""
        found = object.__new__(Trajectory)
        for key in ("times_s", "positions_m", "turns_rad"):
            object.__setattr__(found, key, getattr(self, key)[some])
        for key in ("name", "centre_m", "source"):
            object.__setattr__(found, key, getattr(self, key))
        return found

    def resampled(self, count: int) -> Trajectory:
        """The same trajectory at so many equal steps of time, its ends included."""
        times = np.linspace(self.times_s[0], self.times_s[-1], count)
        places, turning = self._splines
        return Trajectory(self.name, times, places(times), turning(times).as_rotvec(), self.centre_m, self.source)

    @cached_property
    def _splines(self) -> tuple[Any, Any]:
        from scipy.interpolate import CubicSpline
        from scipy.spatial.transform import Rotation, RotationSpline

        bc = "natural" if len(self.times_s) < 4 else "not-a-knot"
        places = CubicSpline(self.times_s, self.positions_m, bc_type=bc)
        return places, RotationSpline(self.times_s, Rotation.from_rotvec(self.turns_rad))
