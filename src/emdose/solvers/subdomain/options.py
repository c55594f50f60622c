"""Options of a subdomain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emdose.checks import one_of, positive, whole, within
from emdose.solvers.fdtd.setup.options import CUT, FdtdOptions

MARGIN_M = 0.02
"""Of fine cells around the implant: a cube of 10 g reaches 11 mm from its middle."""
RIM_M = 0.03
"""From there to the absorber."""


@dataclass(frozen=True)
class SubdomainOptions:
    """What a subdomain can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float
    margin_m: float = MARGIN_M
    rim_m: float = RIM_M
    coarsest_m: float | None = None
    growth: float = 1.3
    metal: str = CUT
    cpml_cells: int = 10
    tolerance: float = 1e-3
    max_periods: float = 20.0
    dtype: str = "float32"
    checkpoint_s: float = 60.0

    def __post_init__(self) -> None:
        for name in ("spacing_m", "margin_m", "rim_m", "coarsest_m"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name), problem="bad option")
        within("growth", self.growth, 1, 2, problem="grading ratio out of bounds")
        whole("cpml_cells", self.cpml_cells, 4, 64, problem="bad absorbing layer")
        one_of("metal", self.metal, (CUT, "cells"), problem="unknown choice")
        FdtdOptions(**self.stepping)  # what the time-stepping would refuse

    @property
    def stepping(self) -> dict[str, Any]:
        """Options of the time-stepping alone."""
        names = ("cpml_cells", "tolerance", "max_periods", "dtype", "checkpoint_s")
        return {name: getattr(self, name) for name in names}
