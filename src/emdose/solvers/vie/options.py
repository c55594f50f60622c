"""Options of the volume integral: what its equations and their solution are told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import one_of, whole, within
from emdose.errors import InputError

ROUNDING = 6e-8
"""Relative rounding of single precision."""


@dataclass(frozen=True)
class VieOptions:
    """What the volume integral can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    tolerance: float = 1e-4
    restart: int = 50
    max_iterations: int = 1000
    dtype: str = "auto"
    method: str = "auto"
    E_error: float = 0.02
    metal: str = "perfect"

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-12, 0.1, problem="bad tolerance")
        within("E_error", self.E_error, 1e-9, 1.0, problem="bad error of E")
        for name in ("restart", "max_iterations"):
            whole(name, getattr(self, name), 1)
        for name, allowed in (
            ("dtype", ("auto", "complex64", "complex128")),
            ("method", ("auto", "gmres", "cocr", "bicgstab")),
            ("metal", ("perfect", "real")),
        ):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.dtype == "complex64" and self.tolerance < 2e-6:
            raise InputError(
                "tolerance beyond single precision",
                field="tolerance",
                found=self.tolerance,
                expected='>= 2e-6, or dtype="complex128"',
            )

    def precision(self, largest_permittivity: float, metal: bool = False) -> np.dtype:
        """Type of the computation for a body with this largest abs(eps).

        Rounding leaves a relative residual of about 6e-8 norm(x) / norm(b), and norm(x) / norm(b) reaches abs(eps)
        where a coil drives currents that close on themselves; "auto" stays in single precision while that is below the
        tolerance. With metal it takes double precision: its currents are thousands of times those of the tissue.
        """
        if self.dtype != "auto":
            return np.dtype(self.dtype)
        single = not metal and self.tolerance >= 2e-6 and ROUNDING * largest_permittivity <= self.tolerance
        return np.dtype("complex64" if single else "complex128")
