"""Cylinders about the z axis: points on one, what loops around one share, and the RF shield."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import positive, whole
from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Shield:
    """A cylindrical RF shield of perfect conductor around the z axis, open at both ends, centred on the isocentre.

    Parameters
    ----------
    radius_m, length_m : float
        Radius and length of the cylinder [m].
    cells_around, cells_along : int
        Mesh of the current loops that represent it.

    Raises
    ------
    InputError
        When a length is not positive or the mesh is coarser than 8 x 2.
    """

    radius_m: float
    length_m: float
    cells_around: int = 32
    cells_along: int = 16

    def __post_init__(self) -> None:
        positive("shield radius_m", self.radius_m)
        positive("shield length_m", self.length_m)
        whole("shield cells_around", self.cells_around, 8)
        whole("shield cells_along", self.cells_along, 2)


def shield_around(
    radius: float | None, length: float | None, coil_length: float, into: dict[str, Any]
) -> Shield | None:
    """The shield of a coil builder's arguments, entered into the coil's parameters; 1.5 times as long unless given."""
    if radius is None:
        if length is not None:
            raise InputError(
                "shield length without a radius", field="shield_length_m", found=length, expected="shield_radius_m too"
            )
        return None
    shield = Shield(radius, 1.5 * coil_length if length is None else length)
    into.update(shield_radius_m=shield.radius_m, shield_length_m=shield.length_m)
    return shield


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
