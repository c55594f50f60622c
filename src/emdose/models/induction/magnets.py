r"""Static magnets: shielded solenoids by their coils, exact everywhere.

A coil is a cylindrical sheet of current, whose field is a closed form (:mod:`emdose.models.induction.axial`). A magnet
has sheets of the main field and, further out, of the opposite sense: the shield.

Source: sheets as in :mod:`emdose.models.induction.axial`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from emdose.checks import all_positive, number, one_of, positive, text
from emdose.errors import InputError
from emdose.models.induction.axial import ring_field, sheet_field
from emdose.values import read_only

LARGEST_T = 30.0
"""No magnet for people has more: a field beyond it is one in millitesla or gauss."""
_BLOCK = 2**16


class AxialField(Protocol):
    """A static field that is the same all around the z axis: a magnet by its coils, or a measured map."""

    @property
    def name(self) -> str:
        """Name shown in reports."""
        ...

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3), (n, 3) [T]."""
        ...

    def gradient(self, points_m: np.ndarray) -> np.ndarray:
        """dB_i/dx_j at points (n, 3), (n, 3, 3) [T/m]."""
        ...

    def require_room(self, points_m: np.ndarray, who: str = "the body") -> None:
        """Raise InputError where points (n, 3) are not free to be in."""
        ...


@read_only
@dataclass(frozen=True)
class Cryostat:
    """The hollow cylinder that a magnet fills: nobody can be in it.

    Parameters
    ----------
    bore_radius_m, outer_radius_m, length_m : float
        Of the patient's bore, of the outside, and along the axis [m].
    """

    bore_radius_m: float
    outer_radius_m: float
    length_m: float

    def __post_init__(self) -> None:
        all_positive(bore_radius_m=self.bore_radius_m, outer_radius_m=self.outer_radius_m, length_m=self.length_m)
        if not self.outer_radius_m > self.bore_radius_m:
            raise InputError(
                "outside of a magnet within its bore",
                field="outer_radius_m",
                found=self.outer_radius_m,
                expected=f"more than {self.bore_radius_m:g} m",
            )

    def inside(self, points_m: np.ndarray) -> np.ndarray:
        """Whether points (n, 3) are in the wall, (n,) bool."""
        rho = np.hypot(points_m[:, 0], points_m[:, 1])
        within = (rho > self.bore_radius_m) & (rho < self.outer_radius_m)
        return within & (np.abs(points_m[:, 2]) < 0.5 * self.length_m)

    def require_room(self, points_m: np.ndarray, who: str = "the body") -> None:
        """Raise InputError when a point (n, 3) is in the wall; ``who`` is named."""
        hit = self.inside(points_m)
        if np.any(hit):
            x, y, z = points_m[int(np.argmax(hit))]
            raise InputError(
                f"{who} goes through the magnet's wall",
                field="trajectory",
                found=f"({x:.2f}, {y:.2f}, {z:.2f}) m from the isocentre",
                expected=f"within {self.bore_radius_m:g} m of the axis, or beyond {0.5 * self.length_m:g} m along it",
            )


@read_only
@dataclass(frozen=True)
class SolenoidCoil:
    """A cylindrical sheet of current around the z axis.

    Parameters
    ----------
    radius_m, low_m, high_m : float
        Radius, and ends along z [m].
    ampere_turns : float
        Current times turns [A]; negative in shields.
    """

    radius_m: float
    low_m: float
    high_m: float
    ampere_turns: float

    def __post_init__(self) -> None:
        positive("radius_m", self.radius_m)
        for key in ("low_m", "high_m", "ampere_turns"):
            number(key, getattr(self, key))
        if not self.high_m > self.low_m:
            raise InputError("ends of a coil in the wrong order", field="high_m", found=self.high_m)


@read_only
@dataclass(frozen=True)
class StaticMagnet:
    """A magnet of coils around the z axis, with its isocentre at the origin.

    Parameters
    ----------
    name : str
        Name shown in reports.
    coils : sequence of SolenoidCoil
        The main coils and those of the shield.
    cryostat : Cryostat
        What it fills.

    Raises
    ------
    InputError
        For no coils, a field beyond 30 T (a field in millitesla), and coils that lie in the patient's bore.
    """

    name: str
    coils: Sequence[SolenoidCoil]
    cryostat: Cryostat

    def __post_init__(self) -> None:
        text("name", self.name)
        if not self.coils:
            raise InputError("a magnet without coils", field="coils", expected="at least one")
        object.__setattr__(self, "coils", tuple(self.coils))
        free = min(c.radius_m for c in self.coils)
        if free <= self.cryostat.bore_radius_m:
            raise InputError(
                "coils in the patient's bore",
                field="coils",
                found=f"radius {free:g} m",
                expected=f"more than the bore's {self.cryostat.bore_radius_m:g} m",
            )
        require_tesla(self.name, self.B0_T)

    @property
    def B0_T(self) -> float:
        """Field at the isocentre along z [T]."""
        return float(self.field(np.zeros((1, 3)))[0, 2])

    def field(self, points_m: np.ndarray) -> np.ndarray:
        """Flux density at points (n, 3) from the isocentre, (n, 3) [T]; exact off the coils.

        Parameters
        ----------
        points_m : (n, 3) ndarray
            Places [m].
        """
        points = np.asarray(points_m, float).reshape(-1, 3)
        out = np.empty_like(points)
        for low in range(0, len(points), _BLOCK):
            some = points[low : low + _BLOCK]
            rho, z = np.hypot(some[:, 0], some[:, 1]), some[:, 2]
            radial, axial = np.zeros_like(rho), np.zeros_like(rho)
            for coil in self.coils:
                r, along = sheet_field(rho, z, coil.radius_m, coil.low_m, coil.high_m)
                density = coil.ampere_turns / (coil.high_m - coil.low_m)
                radial += density * r
                axial += density * along
            out[low : low + _BLOCK] = from_axial(some, radial, axial)
        return out.reshape(np.shape(points_m))

    def gradient(self, points_m: np.ndarray) -> np.ndarray:
        """dB_i/dx_j at points (n, 3), symmetric and without trace, (n, 3, 3) [T/m]; parameters as in field."""
        points = np.asarray(points_m, float).reshape(-1, 3)
        out = np.empty((len(points), 3, 3))
        for low in range(0, len(points), _BLOCK):
            some = points[low : low + _BLOCK]
            rho, z = np.hypot(some[:, 0], some[:, 1]), some[:, 2]
            radial, dr_dz, dz_dz = np.zeros_like(rho), np.zeros_like(rho), np.zeros_like(rho)
            for coil in self.coils:
                density = coil.ampere_turns / (coil.high_m - coil.low_m)
                radial += density * sheet_field(rho, z, coil.radius_m, coil.low_m, coil.high_m)[0]
                for sign, end in ((1.0, coil.low_m), (-1.0, coil.high_m)):
                    r, along = ring_field(rho, z - end, coil.radius_m)
                    dr_dz += sign * density * r
                    dz_dz += sign * density * along
            out[low : low + _BLOCK] = gradient_from_axial(some, radial, dr_dz, dz_dz)
        return out

    def require_room(self, points_m: np.ndarray, who: str = "the body") -> None:
        """Raise InputError when a point (n, 3) is in the magnet's wall; ``who`` is named."""
        self.cryostat.require_room(points_m, who)

    def line_m(self, field_T: float = 5e-4, axis: str = "z") -> float:
        """How far from the isocentre |B| falls below a value for good, along z or across it in the middle [m].

        Parameters
        ----------
        field_T : float
            The value [T]; 0.5 mT bounds where people with pacemakers may go.
        axis : "z" or "r"
            Along the axis or across it.
        """
        one_of("axis", axis, ("z", "r"))
        positive("field_T", field_T)
        reach = 0.5 * self.cryostat.length_m if axis == "z" else self.cryostat.outer_radius_m
        along = np.array([0.0, 0.0, 1.0]) if axis == "z" else np.array([1.0, 0.0, 0.0])
        ends = reach * np.geomspace(1.0, 40.0, 800)
        beyond = np.flatnonzero(np.linalg.norm(self.field(ends[:, None] * along), axis=1) > field_T)
        if not len(beyond):
            return float(reach)
        low, high = ends[beyond[-1]], ends[min(beyond[-1] + 1, len(ends) - 1)]
        for _ in range(50):
            middle = 0.5 * (low + high)
            stronger = np.linalg.norm(self.field(middle * along[None])) > field_T
            low, high = (middle, high) if stronger else (low, middle)
        return float(0.5 * (low + high))


def require_tesla(name: str, field_T: float) -> None:
    """Raise InputError for a field that no magnet for people has."""
    if not abs(field_T) <= LARGEST_T:
        raise InputError(
            f"a magnet of {field_T:.4g} T: fields are in T, not mT",
            field=name,
            found=f"{field_T:.4g} T",
            expected=f"up to {LARGEST_T:g} T",
        )


def from_axial(points: np.ndarray, radial: np.ndarray, axial: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) of radial and axial components (n,) at points (n, 3)."""
    rho = np.hypot(points[:, 0], points[:, 1])
    share = np.divide(radial, rho, out=np.zeros_like(rho), where=rho > 0)
    return np.stack([share * points[:, 0], share * points[:, 1], axial], axis=1)


def gradient_from_axial(points: np.ndarray, radial: np.ndarray, dr_dz: np.ndarray, dz_dz: np.ndarray) -> np.ndarray:
    """dB_i/dx_j (n, 3, 3) where curl and divergence vanish, of B_rho, dB_rho/dz and dB_z/dz (n,) at points (n, 3)."""
    rho = np.hypot(points[:, 0], points[:, 1])
    away = rho > 1e-9
    cos = np.divide(points[:, 0], rho, out=np.ones_like(rho), where=away)
    sin = np.divide(points[:, 1], rho, out=np.zeros_like(rho), where=away)
    around = np.divide(radial, rho, out=-0.5 * dz_dz, where=away)
    outward = -dz_dz - around
    out = np.empty((len(points), 3, 3))
    out[:, 0, 0] = outward * cos * cos + around * sin * sin
    out[:, 1, 1] = outward * sin * sin + around * cos * cos
    out[:, 0, 1] = out[:, 1, 0] = (outward - around) * sin * cos
    out[:, 0, 2] = out[:, 2, 0] = dr_dz * cos
    out[:, 1, 2] = out[:, 2, 1] = dr_dz * sin
    out[:, 2, 2] = dz_dz
    return out
