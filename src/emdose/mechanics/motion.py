r"""Metal that moves in a static field: torque on a turned patient's implant, drag, and a plate that falls.

In the axes of a body that turns with Omega the field changes at dB/dt = B x Omega, and that of one that moves with v at
(v . grad) B. With M the power tensor at f -> 0,

.. math:: \mathbf T = \bigl(M (\boldsymbol\Omega \times \mathbf B)\bigr) \times \mathbf B, \qquad
          F_i = -(\partial_i \mathbf B)^T M\, (\partial_j \mathbf B)\, v_j ,

and what is lost, -T . Omega = (Omega x B)^T M (Omega x B), is the heat in the metal. Motion takes seconds, the currents
milliseconds: the tensor of zero frequency, and no other, belongs here.

Source: D. J. Griffiths, Introduction to Electrodynamics, section 7.1 (motional electromotive force); the falling
plate as in A. Arduino et al., arXiv 2509.14976 (2025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, positive, unit_vector, vector, within
from emdose.errors import ConvergenceError, InputError
from emdose.values import read_only


def lenz_torque(tensor: Any, turn_rad_s: Any, B_T: Any) -> np.ndarray:
    """Torque on metal that turns in a uniform static field, (..., 3) [N m].

    Parameters
    ----------
    tensor : (3, 3) array
        M at f -> 0, of :meth:`~emdose.mechanics.MomentTensor.for_motion` [W/(T/s)^2].
    turn_rad_s : (..., 3) array
        Angular velocity [rad/s].
    B_T : (..., 3) array
        Field [T].
    """
    M, turn, B = _tensor(tensor), np.asarray(turn_rad_s, float), np.asarray(B_T, float)
    return np.cross(np.cross(turn, B) @ M, B)


def largest_lenz_torque(tensor: Any, turn_rad_s: float, B_T: float) -> float:
    """Largest torque over all axes of turning and directions of the field [N m].

    |T| = |(M u) x B| with u = Omega x B, which is largest for Omega across B; both directions are searched, by the
    eigenvalues of M: the turn that drives the largest eigenvector u, with B across it.
    """
    return float(np.linalg.eigvalsh(_tensor(tensor))[-1] * turn_rad_s * B_T**2)


def motion_heat(tensor: Any, turn_rad_s: Any, B_T: Any) -> Any:
    """Power that the turning leaves in the metal as heat, (...) [W]; equals -T . Omega."""
    M, rate = _tensor(tensor), np.cross(np.asarray(turn_rad_s, float), np.asarray(B_T, float))
    return np.einsum("...i,ij,...j->...", rate, M, rate)


def drag_tensor(tensor: Any, B_gradient_T_m: Any) -> np.ndarray:
    """Drag of slow translation through a gradient: F = -D v, (3, 3) [N/(m/s)].

    Parameters
    ----------
    tensor : (3, 3) array
        M at f -> 0 [W/(T/s)^2].
    B_gradient_T_m : (3, 3) array
        dB_i/dx_j [T/m], about the same over the whole body.
    """
    J = array("B_gradient_T_m", B_gradient_T_m, (3, 3), problem="bad gradient of the field")
    return J.T @ _tensor(tensor) @ J


@read_only
@dataclass(frozen=True, eq=False)
class Fall:
    """How a hinged body fell.

    Parameters
    ----------
    time_s : float
        From the start to the last angle [s].
    times_s : (t,) ndarray
        Times [s].
    angles_rad : (t,) ndarray
        Angle from upright [rad].
    energy_error : float
        What potential, kinetic and heat do not balance, over the potential energy that was freed.
    """

    time_s: float
    times_s: np.ndarray
    angles_rad: np.ndarray
    energy_error: float


def hinged_fall(
    tensor: Any,
    B_T: Any,
    *,
    hinge: Any,
    inertia_kg_m2: float,
    weight_torque_N_m: float,
    start_rad: float = math.radians(5),
    stop_rad: float = math.pi / 2,
    longest_s: float = 1e5,
) -> Fall:
    r"""Fall of a body about a hinge in a uniform static field, from rest.

    .. math:: I \ddot\theta = W \sin\theta - D(\theta)\, \dot\theta, \qquad
              D = (\mathbf h \times \mathbf B')^T M\, (\mathbf h \times \mathbf B')

    with the field B' in the axes of the turned body and W the torque of the weight when the body is level.

    Parameters
    ----------
    tensor : (3, 3) array
        M at f -> 0 of the upright body [W/(T/s)^2].
    B_T : (float, float, float)
        Field [T].
    hinge : (float, float, float)
        Axis that the body turns about, by the right-hand rule as it falls.
    inertia_kg_m2 : float
        About the hinge [kg m^2].
    weight_torque_N_m : float
        m g times the distance of the centre of mass from the hinge [N m].
    start_rad, stop_rad : float
        Angles from upright [rad].
    longest_s : float
        Where it gives up [s].

    Raises
    ------
    InputError
        For bad numbers.
    ConvergenceError
        When it has not arrived in the longest time.
    """
    M, B, h = _tensor(tensor), vector("B_T", B_T), unit_vector("hinge", hinge)
    inertia, weight = positive("inertia_kg_m2", inertia_kg_m2), positive("weight_torque_N_m", weight_torque_N_m)
    start = within("start_rad", start_rad, 0, math.pi, ends="()")
    if not start < stop_rad <= math.pi:
        raise InputError("bad angle", field="stop_rad", found=stop_rad, expected=f"{start:g} to pi")
    along, across, third = h * (h @ B), B - h * (h @ B), np.cross(h, B)

    def damping(theta: Any) -> Any:
        # The field in the axes of the body turns the other way.
        turned = along + np.multiply.outer(np.cos(theta), across) - np.multiply.outer(np.sin(theta), third)
        u = np.cross(h, turned)
        return np.einsum("...i,ij,...j->...", u, M, u)

    def rates(_: float, y: np.ndarray) -> list[float]:
        drag = float(damping(y[0])) * y[1]
        return [y[1], (weight * math.sin(y[0]) - drag) / inertia, drag * y[1]]

    def arrived(_: float, y: np.ndarray) -> float:
        return float(y[0] - stop_rad)

    arrived.terminal = True  # type: ignore[attr-defined]
    from scipy.integrate import solve_ivp

    found = solve_ivp(rates, (0.0, longest_s), [start, 0.0, 0.0], method="Radau", events=arrived, rtol=1e-7, atol=1e-10)
    if not len(found.t_events[0]):
        raise ConvergenceError(f"the body has not reached {math.degrees(stop_rad):g} degrees in {longest_s:g} s")
    theta, speed, heat = found.y
    freed = weight * (math.cos(start) - math.cos(theta[-1]))
    error = abs(0.5 * inertia * speed[-1] ** 2 + heat[-1] - freed) / freed
    return Fall(float(found.t_events[0][0]), found.t, theta, float(error))


def _tensor(value: Any) -> np.ndarray:
    return array("tensor", value, (3, 3), problem="bad moment tensor")
