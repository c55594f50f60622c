"""Options of the FDTD: what its grid, its runs and its circuits are told."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from emdose.checks import one_of
from emdose.errors import InputError
from emdose.models.grids.grid import Vector

GROWTH = 1.3
"""Largest ratio of neighbouring steps in the air around the source."""
LEAST_RATIO = 1.1
"""Of neighbouring steps; with less, grading saves nothing."""
GAP_OHM = 50.0
"""Resistance that closes every gap while the network of a coil is found: it lets the coil ring down fast."""
EXTRAPOLATION = 4
"""Geometric series that the extrapolation of a ringing coil cancels: two per resonance that still rings."""


@dataclass(frozen=True)
class FdtdOptions:
    """What an FDTD can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float | None = None
    margin_m: float | None = None
    bounds_m: tuple[Vector, Vector] | None = None
    coarsest_m: float | None = None
    growth: float = GROWTH
    snap: bool = False
    finest_m: float | None = None
    walls: str = "cpml"
    cpml_cells: int = 10
    tolerance: float = 1e-3
    max_periods: float = 400.0
    courant: float = 0.99
    dtype: str = "float32"
    materials: str = "average"
    circuit: str = "network"
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("spacing_m", "margin_m", "coarsest_m", "finest_m", "max_periods", "checkpoint_s"):
            value = getattr(self, name)
            if value is not None and not (_number(value) and value > 0):
                raise InputError("bad option", field=name, found=value, expected="a finite number > 0")
        if not (_number(self.tolerance) and 1e-6 <= self.tolerance <= 0.1):
            raise InputError("bad tolerance", field="tolerance", found=self.tolerance, expected="between 1e-6 and 0.1")
        if not (_number(self.courant) and 0 < self.courant < 1):
            raise InputError(
                "time step above the limit of stability",
                field="courant",
                found=self.courant,
                expected="a fraction between 0 and 1 of the limit",
            )
        if not (_number(self.growth) and 1 <= self.growth <= 2):
            raise InputError("grading ratio out of bounds", field="growth", found=self.growth, expected="1 to 2")
        self._check_snap()
        if not isinstance(self.cpml_cells, int) or isinstance(self.cpml_cells, bool) or not 4 <= self.cpml_cells <= 64:
            raise InputError("bad absorbing layer", field="cpml_cells", found=self.cpml_cells, expected="4 to 64 cells")
        for name, allowed in (
            ("walls", ("cpml", "pec")),
            ("dtype", ("float32", "float64")),
            ("materials", ("average", "majority")),
            ("circuit", ("network", "grid")),
        ):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.bounds_m is not None:
            self._check_bounds()

    def _check_snap(self) -> None:
        if not isinstance(self.snap, bool):
            raise InputError("bad option", field="snap", found=self.snap, expected="True or False")
        if self.finest_m is not None and not self.snap:
            raise InputError(
                "finest step without snapping", field="finest_m", found=self.finest_m, expected="snap=True beside it"
            )
        if self.snap and self.growth < LEAST_RATIO:
            raise InputError(
                "grading ratio out of bounds",
                field="growth",
                found=self.growth,
                expected=f"{LEAST_RATIO:g} to 2 with snap=True",
            )

    def _check_bounds(self) -> None:
        bounds = self.bounds_m
        good = isinstance(bounds, tuple | list) and len(bounds) == 2
        good = good and all(isinstance(b, tuple | list) and len(b) == 3 for b in bounds)  # type: ignore[union-attr]
        if not good or not all(_number(v) for b in bounds for v in b):  # type: ignore[union-attr]
            raise InputError("bad box", field="bounds_m", found=bounds, expected="two corners of three metres")
        if self.margin_m is not None:
            raise InputError("margin and box given", field="bounds_m", expected="margin_m or bounds_m, not both")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
