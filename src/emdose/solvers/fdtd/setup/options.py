"""Options of the FDTD: what its grid, its runs and its circuits are told."""

from __future__ import annotations

from dataclasses import dataclass

from emdose.checks import flag, one_of, positive, vector, whole, within
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

AT_METAL = ("metal_cell_m", "metal_margin_m")
CUT = "cut"
"""Implants that leave edges and faces open in part."""


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
    circuit: str = "network"
    metal: str = CUT
    metal_cell_m: float | None = None
    metal_margin_m: float = 0.01
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("spacing_m", "margin_m", "coarsest_m", "finest_m", "max_periods", "checkpoint_s", *AT_METAL):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name), problem="bad option")
        within("tolerance", self.tolerance, 1e-6, 0.1, problem="bad tolerance")
        within(
            "courant",
            self.courant,
            0,
            1,
            ends="()",
            problem="time step above the limit of stability",
            expected="a fraction between 0 and 1 of the limit",
        )
        within("growth", self.growth, 1, 2, problem="grading ratio out of bounds")
        self._check_snap()
        whole("cpml_cells", self.cpml_cells, 4, 64, problem="bad absorbing layer")
        for name, allowed in (
            ("walls", ("cpml", "pec")),
            ("dtype", ("float32", "float64")),
            ("circuit", ("network", "grid")),
            ("metal", (CUT, "cells")),
        ):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        if self.bounds_m is not None:
            self._check_bounds()

    def _check_snap(self) -> None:
        flag("snap", self.snap)
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
        for corner in bounds if good and bounds else [bounds]:
            vector("bounds_m", corner, problem="bad box", expected="two corners of three metres")
        if self.margin_m is not None:
            raise InputError("margin and box given", field="bounds_m", expected="margin_m or bounds_m, not both")
