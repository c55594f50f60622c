"""Options of the eddy current solver: what its engines and their plan are told."""

from __future__ import annotations

from dataclasses import dataclass

from emdose.checks import flag, lengths, one_of, whole, within
from emdose.errors import InputError

AUTO = "auto"
"""The word for a spacing that the solver chooses."""


@dataclass(frozen=True)
class EddyOptions:
    """What the eddy current solver can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float | tuple[float, float, float] | str = AUTO
    engine: str = "auto"
    tolerance: float = 1e-4
    max_steps: int = 80
    dtype: str = "float32"
    richardson: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.spacing_m, str):
            one_of("spacing_m", self.spacing_m, (AUTO,), problem="unknown choice")
        else:
            lengths("spacing_m", self.spacing_m)
        flag("richardson", self.richardson)
        within("tolerance", self.tolerance, 1e-9, 1e-2, problem="bad tolerance")
        whole("max_steps", self.max_steps, 1)
        for name, allowed in (("engine", ("auto", "voxel", "thin-skin")), ("dtype", ("float32", "float64"))):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.dtype == "float32" and self.tolerance < 3e-6:
            raise InputError(
                "tolerance beyond single precision",
                field="tolerance",
                found=self.tolerance,
                expected='>= 3e-6, or dtype="float64"',
            )

    @property
    def edges_m(self) -> tuple[float, float, float]:
        """Edges of the voxels of a resolved solver [m]."""
        if isinstance(self.spacing_m, str):
            raise InputError("the spacing is not chosen yet", field="spacing_m", found=self.spacing_m)
        return lengths("spacing_m", self.spacing_m)
