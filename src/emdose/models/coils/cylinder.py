"""Cylinders about the z axis: points on one, what loops around one share, and the RF shield."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import positive, vector, whole
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Shield:
    """A cylindrical RF shield of perfect conductor along z, open at both ends, centred on the isocentre unless moved.

    Slots along z cut it into panels from end to end; slot m of n lies at the angle 2 pi (m + 1/2) / n. Only Vsie
    models them.

    Parameters
    ----------
    radius_m, length_m : float
        Radius and length of the cylinder [m].
    cells_around, cells_along : int
        Mesh of the current loops that represent it.
    centre_m : (float, float, float)
        Its centre [m].
    slots : int
        Number of slots along its whole length; 0 for none.
    slot_width_m : float
        Width of each [m].

    Raises
    ------
    InputError
        When a length is not positive, the mesh is coarser than 8 x 2, the centre is no point, or slots leave no metal.
    """

    radius_m: float
    length_m: float
    cells_around: int = 32
    cells_along: int = 16
    centre_m: Vector = (0.0, 0.0, 0.0)
    slots: int = 0
    slot_width_m: float = 2e-3

    def __post_init__(self) -> None:
        positive("shield radius_m", self.radius_m)
        positive("shield length_m", self.length_m)
        whole("shield cells_around", self.cells_around, 8)
        whole("shield cells_along", self.cells_along, 2)
        whole("shield slots", self.slots, 0)
        positive("shield slot_width_m", self.slot_width_m)
        if self.slots * self.slot_width_m >= math.pi * self.radius_m:
            raise InputError(
                "slots take half of the shield or more",
                field="slots, slot_width_m",
                found=f"{self.slots} of {1e3 * self.slot_width_m:.4g} mm",
                expected=f"less than {1e3 * math.pi * self.radius_m:.4g} mm together",
            )
        x, y, z = vector("shield centre_m", self.centre_m).tolist()
        object.__setattr__(self, "centre_m", (x, y, z))

    def translate(self, shift_m: Sequence[float]) -> Shield:
        """The shield moved by a vector [m]."""
        x, y, z = (a + b for a, b in zip(self.centre_m, vector("shift_m", shift_m).tolist(), strict=True))
        return replace(self, centre_m=(x, y, z))

    def distance_m(self, points_m: np.ndarray) -> np.ndarray:
        """Distance of points (..., 3) [m] from its axis [m]."""
        return np.asarray(np.hypot(points_m[..., 0] - self.centre_m[0], points_m[..., 1] - self.centre_m[1]))

    def require_whole(self, solver: str) -> None:
        """Raise InputError when the shield has slots, for a solver that does not model them."""
        if self.slots:
            raise InputError(
                f"{solver} does not model the slots of a shield",
                field="shield slots",
                found=self.slots,
                expected="0, or Vsie",
            )

    def require_around(self, points_m: Iterable[np.ndarray]) -> None:
        """Raise InputError when a coil with these points, arrays (..., 3) [m], reaches to it."""
        radius = max(float(self.distance_m(p).max()) for p in points_m)
        if radius >= 0.99 * self.radius_m:
            raise InputError(
                "coil touches its shield",
                field="shield_radius_m",
                found=self.radius_m,
                expected=f"> {radius / 0.99:.3g} m",
            )


def shield_around(
    radius: float | None,
    length: float | None,
    coil_length: float,
    into: dict[str, Any],
    slots: int = 0,
    slot_width_m: float = 2e-3,
) -> Shield | None:
    """The shield of a coil builder's arguments, entered into the coil's parameters; 1.5 times as long unless given."""
    if radius is None:
        for name, value, none in (("shield_length_m", length, None), ("shield_slots", slots, 0)):
            if value != none:
                raise InputError(
                    f"{name} without a shield", field=name, found=value, expected="shield_radius_m as well"
                )
        return None
    shield = Shield(radius, 1.5 * coil_length if length is None else length, slots=slots, slot_width_m=slot_width_m)
    into.update(shield_parameters(shield))
    return shield


def shield_parameters(shield: Shield) -> dict[str, Any]:
    """What a shield adds to the parameters of its coil."""
    about = {"shield_radius_m": shield.radius_m, "shield_length_m": shield.length_m}
    slots = {"shield_slots": shield.slots, "shield_slot_width_m": shield.slot_width_m}
    return about | slots if shield.slots else about


def on_cylinder(radius: float, phi: np.ndarray, z: float | np.ndarray) -> np.ndarray:
    """Points (n, 3) at the angles phi (n,) and the height or heights z of a cylinder about z."""
    return np.stack([radius * np.cos(phi), radius * np.sin(phi), np.broadcast_to(z, phi.shape)], axis=1)


def loop_width(elements: int, coverage: float) -> float:
    """Angle [rad] of one of several equal loops around a cylinder that cover this part of their pitch.

    A loop alone takes the part of a quarter turn, at most all of it.
    """
    return 2 * math.pi / elements * coverage if elements > 1 else min(coverage, 1.0) * math.pi / 2


def array_drives(angles: np.ndarray) -> dict[str, np.ndarray]:
    """Named drives (elements,) of loops at these angles (elements,) [rad]; "circular" turns in the sense of B1+."""
    return {
        "circular": np.exp(-1j * angles),
        "anti-circular": np.exp(1j * angles),
        "uniform": np.ones(len(angles), complex),
    }


def moved_parameters(parameters: Mapping[str, Any], shift_m: Sequence[float]) -> dict[str, Any]:
    """What a source was built from, with "position_m" of the source that was moved by a vector [m]."""
    before = parameters.get("position_m") or (0.0, 0.0, 0.0)
    return {**parameters, "position_m": [a + b for a, b in zip(before, vector("shift_m", shift_m), strict=True)]}
