"""The plane wave, a source without metal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positive, unit_vector, vector
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


@read_only
@dataclass(frozen=True, eq=False)
class PlaneWave:
    """A plane wave E = amplitude p exp(-j k d.(r - r0)).

    Parameters
    ----------
    direction : (float, float, float)
        Direction of travel d; it is normalised.
    polarisation : (complex, complex, complex)
        Polarisation p of E, orthogonal to the direction; it is normalised (p* . p = 1). (1, 1j, 0) is circular.
    amplitude_V_m : float
        Peak electric field per unit drive [V/m].
    position_m : (float, float, float)
        Place r0 where its phase is zero [m].

    Raises
    ------
    InputError
        For vectors without length or that are not orthogonal, and for an amplitude that is not positive.
    """

    direction: Vector = (0.0, 0.0, 1.0)
    polarisation: tuple[complex, complex, complex] = (1.0, 0.0, 0.0)
    amplitude_V_m: float = 1.0
    name: str = "plane wave"
    ports: tuple[str, ...] = ("wave",)
    drive_unit: str = "V/m"
    position_m: Vector = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        positive("amplitude_V_m", self.amplitude_V_m)
        d, p = unit_vector("direction", self.direction), np.asarray(self.polarisation, complex)
        if p.shape != (3,) or not np.all(np.isfinite(p)) or not np.any(p):
            expected = "three finite numbers, not all zero"
            raise InputError("bad vector", field="polarisation", found=self.polarisation, expected=expected)
        p = p / np.linalg.norm(p)
        if abs(d @ p) > 1e-6:
            raise InputError(
                "polarisation is not orthogonal to the direction",
                field="polarisation",
                found=self.polarisation,
                expected=f"orthogonal to {tuple(self.direction)}",
            )
        object.__setattr__(self, "position_m", tuple(vector("position_m", self.position_m).tolist()))
        object.__setattr__(self, "direction", tuple(float(c) for c in d))
        object.__setattr__(self, "polarisation", tuple(complex(c) for c in p))

    @property
    def drives(self) -> dict[str, np.ndarray]:
        """The one named drive, "unit"."""
        return {"unit": np.ones(1, complex)}

    @property
    def parameters(self) -> dict[str, Any]:
        """Direction, polarisation and amplitude, for the provenance."""
        return {
            "direction": list(self.direction),
            "polarisation": [[c.real, c.imag] for c in self.polarisation],
            "amplitude_V_m": self.amplitude_V_m,
            "position_m": list(self.position_m),
        }

    def translate(self, shift_m: Vector) -> PlaneWave:
        """The wave moved by a vector [m], which changes its phase alone."""
        shift = vector("shift_m", shift_m, problem="bad shift", expected="three finite metres")
        return replace(self, position_m=tuple(self.position_m + shift))

    def check_clear_of(self, phantom: Phantom) -> None:
        """Do nothing: a plane wave has no conductors."""
