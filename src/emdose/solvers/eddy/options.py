"""Options of the eddy current solver: what its engines and their plan are told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import one_of
from emdose.errors import InputError


@dataclass(frozen=True)
class EddyOptions:
    """What the eddy current solver can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float | tuple[float, float, float] = 1e-3
    engine: str = "auto"
    tolerance: float = 1e-4
    max_steps: int = 80
    dtype: str = "float32"

    def __post_init__(self) -> None:
        spacing = np.atleast_1d(np.asarray(self.spacing_m, float))
        if spacing.size not in (1, 3) or not np.all(np.isfinite(spacing)) or np.any(spacing <= 0):
            raise InputError(
                "bad voxel size", field="spacing_m", found=self.spacing_m, expected="one or three lengths > 0 in metres"
            )
        if not (isinstance(self.tolerance, int | float) and 1e-9 <= self.tolerance <= 1e-2):
            raise InputError("bad tolerance", field="tolerance", found=self.tolerance, expected="between 1e-9 and 0.01")
        if not isinstance(self.max_steps, int) or isinstance(self.max_steps, bool) or self.max_steps < 1:
            raise InputError("bad count", field="max_steps", found=self.max_steps, expected="a whole number >= 1")
        for name, allowed in (("engine", ("auto", "voxel", "thin-skin")), ("dtype", ("float32", "float64"))):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.dtype == "float32" and self.tolerance < 3e-6:
            raise InputError(
                "tolerance beyond single precision",
                field="tolerance",
                found=self.tolerance,
                expected='>= 3e-6, or dtype="float64"',
            )
