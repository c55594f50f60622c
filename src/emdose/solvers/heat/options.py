"""Options of the bioheat solver, what rests on them, and what a solution takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import one_of, within
from emdose.compute.backend import Backend
from emdose.errors import ResourceError
from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.models.grids.split import Window
from emdose.solvers.heat.near_metal import WANTED
from emdose.solvers.heat.problem import EDGES, HeatMaps, padded_shape
from emdose.solvers.heat.rise import CHECKED
from emdose.solvers.heat.stepping import Perfusion
from emdose.solvers.running import Plan, plural, size
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

PLANNED_STEPS = 90
"""Of a run with the steps that most problems need."""
RESERVE, FIXED_BYTES = 1.1, 2 * 2**20
"""What is planned over what is counted, and what small things take besides [bytes]; see the tests of the plan."""


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

    def body(self, phantom: Phantom) -> Phantom:
        """A phantom on the voxels of the heat."""
        if self.spacing_m is None:
            return phantom
        spacing = Grid((1, 1, 1), self.spacing_m).spacing_m  # type: ignore[arg-type]
        same = np.allclose(spacing, phantom.spacing_m, rtol=1e-6, atol=0)
        return phantom if same else phantom.resample(spacing)

    def assumptions(self, maps: HeatMaps | None = None) -> tuple[str, ...]:
        """What a temperature rests on, in sentences."""
        law = {
            "none": "No perfusion: blood carries no heat away.",
            "constant": "Perfusion stays at its basal value, which overstates the rise where tissue would be perfused "
            "more as it warms.",
            "linear": f"Perfusion grows by {self._law.slope_1_K:g} of its basal value per kelvin of rise, up to "
            f"{self._law.cap:g} times.",
            "exponential": f"Perfusion grows by a factor {self._law.base:g} every {self._law.scale_K:g} K of rise, up "
            f"to {self._law.cap:g} times.",
        }[self._law.law]
        edges = {
            "surface": "the ends of the grid count as skin",
            "insulated": "the ends of the grid are insulated",
            "fixed": "the ends of the grid keep their temperature",
        }[self.edges]
        start = (
            f"Before the exposure every voxel is at {self.initial_degC:g} degC."
            if self.initial == "uniform"
            else f"Before the exposure the body is in the steady state of its metabolic heat, blood at "
            f"{self.blood_degC:g} degC and air at {self.ambient_degC:g} degC."
        )
        sentences = [
            law,
            "The temperature of the arterial blood does not change: the body's core does not warm up.",
            f"The skin exchanges {self.surface_W_m2_K:g} W/m2/K with the air; {edges}; enclosed air exchanges nothing.",
            start,
        ]
        if maps is not None and maps.pinned is not None:
            sentences.append("Tissue that the table lists at blood temperature keeps it.")
        return tuple(sentences)

    @property
    def _law(self) -> Perfusion:
        return self.perfusion  # type: ignore[return-value]


@read_only
@dataclass(frozen=True, kw_only=True)
class HeatPlan(Plan):
    """What a solution of the bioheat equation will take.

    Parameters
    ----------
    cells : int
        Cells of the heat, those that hold nothing included.
    sources : int
        Sources that are advanced together.
    """

    cells: int
    sources: int

    @property
    def what(self) -> str:
        """What is solved, in words."""
        return f"heat in {self.cells / 1e6:.2g} million cells, {plural(self.sources, 'source')}"


def plan(
    options: BioheatOptions, shape: Shape, active: Window, kept: int, sources: int, times: int, be: Backend
) -> HeatPlan:
    """What a solution will take.

    Parameters
    ----------
    options : BioheatOptions
        The options.
    shape : (int, int, int)
        Number of cells.
    active : three slices
        The cells that hold all that is solved.
    kept : int
        Cells of the window that maps over time are kept of.
    sources, times : int
        Number of sources, and of the times that maps are kept at, the end included.
    be : Backend
        Where to compute.

    Raises
    ------
    ResourceError
        When it does not fit the memory.
    """
    box: Shape = tuple(s.stop - s.start for s in active)
    n, padded, real = math.prod(shape), math.prod(padded_shape(box)), 4 if options.dtype == "float32" else 8
    alone, law = sources == 1, 12 if options._law.follows else 0
    # A pilot of one source is run with two sizes of steps, and keeps its state at every time.
    stops = times + len(CHECKED) - 1
    problem, stepping = real * (sources + 6), real * (8 if alone else 2 * sources + 6)
    pilot = problem + real * (2 * (7 + stops) + 2 + law)
    curves = kept * times * sources * real
    maps = n * (60 + sources * real if not alone else 50)
    laid = n * (270 if not alone else 130)
    device = padded * max(pilot, problem + stepping, 190 if options.initial == "steady" else 0)
    if be.name == "cpu":
        device = max(
            laid,
            maps + padded * pilot + (2 * curves if alone else 0),
            maps + padded * (problem + stepping) + 2 * curves + 3 * n * sources * real,
            maps + padded * (190 if options.initial == "steady" else 0),
        )
    free = be.memory_free_bytes()
    if device > free:
        raise ResourceError(
            f"heat in {n / 1e6:.2g} million cells by {plural(sources, 'source')} needs {size(device)} but {size(free)} "
            f"are free on {be.name}: coarser voxels (spacing_m), a smaller margin_m or fewer times would fit"
        )
    steps = 3 * PLANNED_STEPS + (0 if alone else sources * PLANNED_STEPS)
    seconds = 1 + steps * padded * {"cpu": 5e-9, "cuda": 1e-10}[be.name] * real / 4
    return HeatPlan(
        bytes=int(RESERVE * device + FIXED_BYTES),
        seconds=seconds,
        size=n * sources,
        device=be.name,
        cells=n,
        sources=sources,
    )
