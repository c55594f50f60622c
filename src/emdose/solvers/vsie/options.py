"""Options of the coupled solver."""

from __future__ import annotations

from dataclasses import dataclass, field

from emdose.checks import positive, within
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.vie.options import VieOptions

COPPER_S_m = 5.8e7
"""Conductivity of annealed copper at 20 degC (IACS) [S/m]."""


@dataclass(frozen=True)
class VsieOptions(VieOptions):
    """What the coupled solver can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    network_tolerance: float = 1e-2
    conductivity_S_m: float | None = COPPER_S_m
    thickness_m: float | None = None
    mesh: MeshOptions = field(default_factory=MeshOptions)

    def __post_init__(self) -> None:
        super().__post_init__()
        within("network_tolerance", self.network_tolerance, 1e-6, 0.1, problem="bad tolerance")
        for name in ("conductivity_S_m", "thickness_m"):
            if getattr(self, name) is not None:
                positive(name, getattr(self, name))
