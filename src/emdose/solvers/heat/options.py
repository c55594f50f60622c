"""Options of the bioheat solver: what the body, its edges and its perfusion are told."""

from __future__ import annotations

from dataclasses import dataclass

from emdose.checks import one_of, within
from emdose.models.grids.grid import Vector
from emdose.solvers.heat.near_metal import WANTED
from emdose.solvers.heat.problem import EDGES
from emdose.solvers.heat.stepping import Perfusion


@dataclass(frozen=True)
class BioheatOptions:
    """What the bioheat solver can be told; the solver says what every option means.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    spacing_m: float | Vector | None = None
    margin_m: float | None = None
    surface_W_m2_K: float = 8.0
    edges: str = "surface"
    perfusion: Perfusion | str = "constant"
    contact_m2_K_W: float = 0.0
    cells_across: float = WANTED
    initial: str = "uniform"
    initial_degC: float = 37.0
    blood_degC: float = 37.0
    ambient_degC: float = 25.0
    tolerance: float = 2e-3
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if isinstance(self.perfusion, str):
            object.__setattr__(self, "perfusion", Perfusion(self.perfusion))
        for name, allowed in (("edges", EDGES), ("initial", ("uniform", "steady")), ("dtype", ("float32", "float64"))):
            one_of(name, getattr(self, name), allowed, problem="unknown choice")
        for name, low, high in (
            ("tolerance", 0, 1),
            ("surface_W_m2_K", 0, 1e6),
            ("contact_m2_K_W", 0, 1e3),
            ("cells_across", 0, 64),
            ("initial_degC", -20, 60),
            ("blood_degC", 0, 60),
            ("ambient_degC", -50, 100),
            ("margin_m", 0, 10),
        ):
            if name != "margin_m" or self.margin_m is not None:
                within(name, getattr(self, name), low, high, problem="value out of range")
