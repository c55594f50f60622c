"""A lead: a thin wire along a path, insulated but for its ends."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from emdose.checks import array, number, positive, text
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.values import owned, read_only

LONGEST_M = 3.0
"""A longer path was given in millimetres [m]."""


@read_only
@dataclass(frozen=True, eq=False)
class Lead:
    """A thin wire along a path from its tip to its far end.

    Parameters
    ----------
    path_m : (n, 3) float ndarray
        Corners of the path, the tip first [m].
    conductor_radius_m : float
        Radius of the conductor [m]; of a helix, its outer radius.
    coat_radius_m : float, optional
        Outer radius of the insulation [m]; without one the wire is bare.
    coat_permittivity : float
        Relative permittivity of the insulation.
    bare_tip_m, bare_end_m : float
        Length without insulation at the tip and at the far end [m].
    bare_radius_m : float, optional
        Radius of the metal there, as of a contact that is flush with the insulation [m]; that of the conductor by
        default, as of a stripped wire. A wire that has no insulation has its conductor's.
    conductivity_S_m : float, optional
        Of the conductor [S/m]; without one it is a perfect conductor.
    inductance_H_m : float
        Inductance per length beyond that of a straight wire, as a helix has [H/m].
    name : str
        What it is called.

    Raises
    ------
    InputError
        When the path has fewer than two points, has points that lie on each other, or looks like millimetres; when the
        insulation is not thicker than the conductor, or the bare parts are longer than the path.
    """

    path_m: np.ndarray
    conductor_radius_m: float
    coat_radius_m: float | None = None
    coat_permittivity: float = 3.0
    bare_tip_m: float = 0.0
    bare_end_m: float = 0.0
    bare_radius_m: float | None = None
    conductivity_S_m: float | None = None
    inductance_H_m: float = 0.0
    name: str = "lead"

    def __post_init__(self) -> None:
        text("name", self.name, problem="lead without a name")
        path = array(f"{self.name}.path_m", self.path_m, (None, 3), problem="bad path")
        if len(path) < 2:
            raise InputError(
                "path too short", field=f"{self.name}.path_m", found=len(path), expected="two points or more"
            )
        steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
        if steps.min() <= 0:
            raise InputError(
                "two points of the path lie on each other",
                field=f"{self.name}.path_m",
                found=f"points {int(steps.argmin())} and {int(steps.argmin()) + 1}",
            )
        if steps.sum() > LONGEST_M:
            raise InputError(
                "path longer than any lead: millimetres taken for metres?",
                field=f"{self.name}.path_m",
                found=f"{steps.sum():.4g} m",
                expected=f"at most {LONGEST_M:g} m",
            )
        object.__setattr__(self, "path_m", owned(path))
        for key in ("conductor_radius_m", "coat_permittivity"):
            positive(f"{self.name}.{key}", getattr(self, key))
        if self.coat_radius_m is not None:
            positive(f"{self.name}.coat_radius_m", self.coat_radius_m)
            if self.coat_radius_m <= self.conductor_radius_m:
                raise InputError(
                    "coat thinner than the conductor",
                    field=f"{self.name}.coat_radius_m",
                    found=self.coat_radius_m,
                    expected=f"more than conductor_radius_m = {self.conductor_radius_m:g}",
                )
        if self.bare_radius_m is not None:
            positive(f"{self.name}.bare_radius_m", self.bare_radius_m)
            if self.coat_radius_m is None:
                raise InputError(
                    "bare ends of a wire without insulation",
                    field=f"{self.name}.bare_radius_m",
                    found=self.bare_radius_m,
                    expected="conductor_radius_m alone",
                )
        if self.conductivity_S_m is not None:
            positive(f"{self.name}.conductivity_S_m", self.conductivity_S_m)
        for key in ("bare_tip_m", "bare_end_m", "inductance_H_m"):
            if number(f"{self.name}.{key}", getattr(self, key)) < 0:
                raise InputError("negative value", field=f"{self.name}.{key}", found=getattr(self, key))
        if self.bare_tip_m + self.bare_end_m > self.length_m * (1 + 1e-9):
            raise InputError(
                "bare parts longer than the lead",
                field=f"{self.name}.bare_tip_m",
                found=self.bare_tip_m + self.bare_end_m,
                expected=f"at most {self.length_m:.4g} m",
            )

    @property
    def outer_radius_m(self) -> float:
        """Radius of the insulation, or of the conductor of a bare wire [m]."""
        return self.conductor_radius_m if self.coat_radius_m is None else self.coat_radius_m

    @property
    def contact_radius_m(self) -> float:
        """Radius of the metal where it is bare [m]."""
        return self.conductor_radius_m if self.bare_radius_m is None else self.bare_radius_m

    @property
    def length_m(self) -> float:
        """Length along the path [m]."""
        return float(np.linalg.norm(np.diff(self.path_m, axis=0), axis=1).sum())

    @property
    def extent_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the box around the wire [m]."""
        thick = max(self.outer_radius_m, self.contact_radius_m)
        low, high = self.path_m.min(0) - thick, self.path_m.max(0) + thick
        return tuple(low.tolist()), tuple(high.tolist())

    def points_at(self, distance_m: np.ndarray) -> np.ndarray:
        """Points (n, 3) at distances (n,) from the tip along the path [m]."""
        steps = np.linalg.norm(np.diff(self.path_m, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        return np.stack([np.interp(distance_m, along, self.path_m[:, a]) for a in range(3)], axis=1)

    def is_coated_at(self, distance_m: np.ndarray) -> np.ndarray:
        """Whether there is insulation at distances (n,) from the tip [m]."""
        s = np.asarray(distance_m, float)
        inside = (s >= self.bare_tip_m) & (s <= self.length_m - self.bare_end_m)
        return inside & (self.coat_radius_m is not None)

    def along(self, path_m: np.ndarray) -> Lead:
        """The same lead along another path (n, 3) [m]."""
        return replace(self, path_m=path_m)

    def hash(self) -> str:
        """SHA-256 (hex) of path, radii, insulation and conductor; the name does not enter."""
        digest = hashlib.sha256(np.round(self.path_m * 1e12).astype("<i8").tobytes())
        told = (self.conductor_radius_m, self.coat_radius_m, self.coat_permittivity, self.bare_tip_m, self.bare_end_m)
        contact = () if self.bare_radius_m is None else (self.bare_radius_m,)
        digest.update(repr((*told, *contact, self.conductivity_S_m, self.inductance_H_m)).encode())
        return digest.hexdigest()
