"""Options of Helmholtz EPT: what its fits and the propagation of their noise are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emdose.checks import one_of, within
from emdose.ept.local import formulas
from emdose.ept.local.savitzky_golay import SavitzkyGolay, radii
from emdose.errors import InputError

SUPPORTS = ("tissue", "window")


@dataclass(frozen=True)
class HelmholtzOptions:
    """What Helmholtz EPT can be told; the method says what every option means.

    Raises
    ------
    InputError
        For settings that do not exist or do not go together.
    """

    kernel: str = "cuboid"
    radius: int | Sequence[int] = 3
    degree: int = 2
    method: str = "complex"
    support: str = "tissue"
    centre: str = "fit"
    contrast: float = 0.0
    uncertainty: bool = True
    dtype: str = "float64"

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", radii(self.radius))
        for name, options in (("method", formulas.METHODS), ("support", SUPPORTS)):
            one_of(name, getattr(self, name), options, problem=f"unknown {name}")
        if self.support == "window" and self.contrast:
            raise InputError("contrast weights need support 'tissue'", field="contrast", found=self.contrast)
        if self.support == "tissue" and self.centre != "fit":
            raise InputError("centre 'voxel' needs support 'window'", field="centre", found=self.centre)
        one_of("dtype", self.dtype, ("float64", "float32"), problem="unknown dtype")
        words = {"problem": "bad contrast", "expected": "0, or about 0.05"}
        within("contrast", self.contrast, 0, 100, ends="[)", **words)
        self.savitzky_golay((1.0, 1.0, 1.0))

    def savitzky_golay(self, spacing_m: tuple[float, float, float]) -> SavitzkyGolay:
        """The kernel for a voxel size [m]."""
        return SavitzkyGolay(self.kernel, radii(self.radius), self.degree, spacing_m, self.centre)
