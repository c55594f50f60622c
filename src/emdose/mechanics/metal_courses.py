r"""Metal in a body that moves through a static field: what it sees over time, its moment, torque, drag and heat.

In the axes of the body the metal sees the rate b = dB'/dt, whatever the motion is made of. With M the power tensor at
f -> 0,

.. math:: \mathbf m = -M \mathbf b, \qquad \mathbf T = \mathbf m \times \mathbf B', \qquad
          F_i = \sum_j m_j\, \partial_i B'_j, \qquad P = \mathbf b^T M \mathbf b ,

which are :func:`~emdose.mechanics.lenz_torque` of pure turning, :func:`~emdose.mechanics.drag_tensor` of pure
translation, and both together else. What the motion loses is what the metal gains as heat:
:math:`P = -\mathbf F\cdot\mathbf v - \mathbf T\cdot\boldsymbol\Omega`.

Source: D. J. Griffiths, Introduction to Electrodynamics, section 7.1 (motional electromotive force); J. D. Jackson,
Classical Electrodynamics, section 5.7 (force and torque on a moment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, vector
from emdose.mechanics.moments import MomentTensor
from emdose.models.induction.sources import StaticField
from emdose.models.induction.trajectories import Trajectory
from emdose.solvers.moving.field import farthest
from emdose.solvers.moving.surroundings import Surroundings
from emdose.values import owned, read_only


@read_only(
    units={"B_T": "T", "dBdt_T_s": "T/s", "moment_A_m2": "A m^2", "torque_N_m": "N m", "drag_N": "N", "heat_W": "W"}
)
@dataclass(frozen=True, eq=False)
class MetalCourse:
    """What metal in a moving body goes through, in the axes of the body.

    Parameters
    ----------
    trajectory : Trajectory
        Where the body went.
    at_m : (3,) ndarray
        Middle of the metal, in the body's coordinates [m].
    times_s : (t,) ndarray
        Times [s].
    B_T : (t, 3) ndarray
        Flux density [T].
    dBdt_T_s : (t, 3) ndarray
        Its change [T/s].
    moment_A_m2 : (t, 3) ndarray
        Moment of the eddy currents [A m^2].
    torque_N_m : (t, 3) ndarray
        Torque of the field on it [N m].
    drag_N : (t, 3) ndarray
        Force of the field's gradient on it [N].
    heat_W : (t,) ndarray
        Power that is left in the metal [W].
    """

    trajectory: Trajectory
    at_m: np.ndarray
    times_s: np.ndarray
    B_T: np.ndarray
    dBdt_T_s: np.ndarray
    moment_A_m2: np.ndarray
    torque_N_m: np.ndarray
    drag_N: np.ndarray
    heat_W: np.ndarray

    @property
    def largest_torque_N_m(self) -> float:
        """Largest torque over time [N m]."""
        return float(np.linalg.norm(self.torque_N_m, axis=1).max())

    @property
    def largest_drag_N(self) -> float:
        """Largest drag over time [N]."""
        return float(np.linalg.norm(self.drag_N, axis=1).max())

    @property
    def energy_J(self) -> float:
        """Heat of the whole course [J]."""
        return float(np.trapezoid(self.heat_W, self.times_s))


def metal_course(
    magnet: StaticField,
    trajectory: Trajectory,
    tensor: MomentTensor | np.ndarray,
    at_m: Any,
    times_s: Sequence[float] | np.ndarray | None = None,
) -> MetalCourse:
    """Moment, torque, drag and heat of metal along the trajectory of the body that it is in.

    The field is taken as even over the metal, and its gradient as well: for an implant of 0.2 m beside a bore read the
    numbers as those of its middle. Magnetisation is not in it: see :func:`~emdose.mechanics.static_force`.

    Parameters
    ----------
    magnet : StaticField
        The static field.
    trajectory : Trajectory
        Where the body goes.
    tensor : MomentTensor or (3, 3) array
        M at f -> 0 in the axes of the body, such as that of :func:`~emdose.mechanics.tensor_at_rest` [W/(T/s)^2].
    at_m : (3,) array
        Middle of the metal, in the body's coordinates [m].
    times_s : (t,) array, optional
        Times [s]; those of the trajectory by default.

    Raises
    ------
    InputError
        For a tensor that is not known at rest or not that of metal, and where the metal comes into the magnet's wall.
    """
    if not isinstance(tensor, MomentTensor):
        tensor = MomentTensor.of_motion(np.asarray(tensor))
    M = tensor.for_motion()
    place, poses = vector("at_m", at_m), trajectory.poses(times_s)
    point = np.asarray(place)[None]
    around = Surroundings(magnet, farthest(poses, point))
    for n in range(len(poses)):
        around.require_room(poses.points(point, n), f"{trajectory.name!r} at {poses.times_s[n]:.3g} s: the metal")
    fields, rates = around.seen(poses, point)
    B, b = fields[:, 0], rates[:, 0]
    R = poses.rotations
    where = np.concatenate([poses.points(point, n) for n in range(len(poses))])
    slope = np.swapaxes(R, 1, 2) @ around.both(where)[1] @ R
    moment = -b @ M
    return MetalCourse(
        trajectory,
        owned(np.array(place, float)),
        owned(np.array(poses.times_s)),
        owned(B),
        owned(b),
        owned(moment),
        owned(np.cross(moment, B)),
        owned(np.einsum("tj,tji->ti", moment, slope)),
        owned(array("heat_W", np.einsum("ti,ij,tj->t", b, M, b), (None,))),
    )
