r"""Impressed electric fields of low-frequency sources, per unit of what drives them.

A field that is switched impresses :math:`\mathbf E_p = -\partial\mathbf A/\partial t`. A body that moves rigidly with
:math:`\mathbf v = \mathbf v_0 + \boldsymbol\Omega \times (\mathbf r - \mathbf r_0)` through a static field impresses

.. math:: \mathbf E_p = \mathbf v \times \mathbf B_0

in its own axes. Both are known up to a gradient, which the potential in the body takes up.

Source: M. Chiampi and L. Zilberti, IEEE Trans. Biomed. Eng. 58 (2011) 2787 (motion in the body frame).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from emdose.checks import array, vector
from emdose.values import read_only


class InductionSource(Protocol):
    """What impresses an electric field on a body."""

    @property
    def name(self) -> str:
        """Name shown in reports."""
        ...

    @property
    def drive_unit(self) -> str:
        """Unit of what drives it: "T/m/s", "T/s", "A/s", "m/s" or "rad/s"."""
        ...

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """Impressed field at points (n, 3) [m] per unit of drive, (n, 3) [V/m]."""
        ...


class Potential(Protocol):
    """What has a vector potential: a gradient coil, an ideal gradient, a uniform field, a stimulation coil."""

    @property
    def name(self) -> str:
        """Name shown in reports."""
        ...

    def vector_potential(self, points_m: np.ndarray) -> np.ndarray:
        """Vector potential at points (n, 3) per unit, (n, 3) [T m]."""
        ...


class StaticField(Protocol):
    """A static magnetic field."""

    @property
    def name(self) -> str:
        """Name shown in reports."""
        ...

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3) [m], (n, 3) [T]."""
        ...


@read_only
@dataclass(frozen=True, eq=False)
class Switched:
    """A magnetic field that is switched.

    Parameters
    ----------
    field : Potential
        Its vector potential is A per unit; ``IdealGradient``, ``GradientCoil`` and ``UniformField`` have one.
    drive_unit : str
        Unit of the rate: "T/m/s" for gradients, "T/s" for a uniform field, "A/s" for a coil per ampere.
    shift_m : (3,) array
        Where the origin of the body's coordinates is in those of the field [m].

    Raises
    ------
    InputError
        For a shift of another shape.
    """

    field: Potential
    drive_unit: str = "T/m/s"
    shift_m: Any = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shift_m", vector("shift_m", self.shift_m))

    @property
    def name(self) -> str:
        """Name of the field."""
        return self.field.name

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """-A at points (n, 3) [m] per unit of rate, (n, 3) [V/m]."""
        return -np.asarray(self.field.vector_potential(np.asarray(points_m, float) + self.shift_m))


@read_only
@dataclass(frozen=True, eq=False)
class RigidMotion:
    """A body that moves rigidly through a static field.

    Parameters
    ----------
    magnet : StaticField
        The field, in the coordinates of the room.
    velocity_m_s : (3,) array
        Velocity of the body's point ``centre_m``, in the axes of the room, per unit of drive [m/s].
    turn_rad_s : (3,) array
        Angular velocity, in the axes of the room, per unit of drive [rad/s].
    rotation : (3, 3) ndarray
        Turns vectors of the body into those of the room.
    shift_m : (3,) array
        Where the origin of the body's coordinates is in the room [m].
    centre_m : (3,) array
        Point of the body that turns do not move, in the body's coordinates [m].
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For vectors and matrices of another shape.
    """

    magnet: StaticField
    velocity_m_s: Any = (0.0, 0.0, 0.0)
    turn_rad_s: Any = (0.0, 0.0, 0.0)
    rotation: Any = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    shift_m: Any = (0.0, 0.0, 0.0)
    centre_m: Any = (0.0, 0.0, 0.0)
    name: str = "motion"

    def __post_init__(self) -> None:
        for key in ("velocity_m_s", "turn_rad_s", "shift_m", "centre_m"):
            object.__setattr__(self, key, vector(key, getattr(self, key)))
        object.__setattr__(self, "rotation", array("rotation", self.rotation, (3, 3)))

    @property
    def drive_unit(self) -> str:
        """ "rad/s" where it only turns, else "m/s"."""
        return "rad/s" if np.any(self.turn_rad_s) and not np.any(self.velocity_m_s) else "m/s"

    def impressed_E(self, points_m: np.ndarray) -> np.ndarray:
        """v x B0 at points (n, 3) of the body, in its axes, per unit of drive, (n, 3) [V/m]."""
        points, R = np.asarray(points_m, float), self.rotation
        velocity = self.velocity_m_s + np.cross(self.turn_rad_s, (points - self.centre_m) @ R.T)
        return np.cross(velocity, self.magnet.field(points @ R.T + self.shift_m)) @ R
