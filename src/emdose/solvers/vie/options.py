"""Options of the volume integral: what its equations and their solution are told."""

from __future__ import annotations

from dataclasses import dataclass

from emdose.checks import one_of, whole, within
from emdose.errors import InputError


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
    dtype: str = "complex64"
    method: str = "auto"
    materials: str = "average"

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-12, 0.1, problem="bad tolerance")
        for name in ("restart", "max_iterations"):
            whole(name, getattr(self, name), 1)
        for name, allowed in (
            ("dtype", ("complex64", "complex128")),
            ("method", ("auto", "gmres", "cocr", "bicgstab")),
            ("materials", ("average", "majority")),
        ):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.dtype == "complex64" and self.tolerance < 2e-6:
            raise InputError(
                "tolerance beyond single precision",
                field="tolerance",
                found=self.tolerance,
                expected='>= 2e-6, or dtype="complex128"',
            )
