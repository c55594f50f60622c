"""What an FDTD will take, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from emdose.errors import ResourceError
from emdose.solvers.running import Plan, plural
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape

RING_DOWN_PERIODS = (3.0, 2.0)
"""Periods after the pulse that a plan reckons with, in general and where the limit of the sums is extrapolated."""
RATE = {"cpu": 2.4e8, "cuda": 1.5e10}
"""Cells per second that a plan reckons with."""


@read_only
@dataclass(frozen=True, kw_only=True)
class FdtdPlan(Plan):
    """What an FDTD will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    shape : (int, int, int)
        Cells along each axis, the absorber's included.
    cells : int
        All of them.
    steps : int
        Time steps of one run, if it rings down fast.
    runs : int
        Runs.
    time_step_s : float
        Time step [s].
    slowdown : float
        How many times smaller it is than the body's cells allow.
    """

    shape: Shape
    cells: int
    steps: int
    runs: int
    time_step_s: float
    slowdown: float

    @property
    def what(self) -> str:
        """Cells, runs and steps."""
        return f"{' x '.join(map(str, self.shape))} cells, {plural(self.runs, 'run')} of about {self.steps} steps"


def require_memory(be: Backend, need_bytes: float, shape: Shape, runs: int, spacing_m: float) -> None:
    """Raise ResourceError when the runs on a grid do not fit nine tenths of the free memory.

    Parameters
    ----------
    be : Backend
        Device.
    need_bytes : float
        What they need.
    shape : (int, int, int)
        Cells.
    runs : int
        Runs, as many as ports.
    spacing_m : float
        Edge of the body's cells [m]; the text names one that would fit.
    """
    free = be.memory_free_bytes()
    if need_bytes <= 0.9 * free:
        return
    fits = spacing_m * (need_bytes / (0.8 * free)) ** (1 / 3)
    elsewhere = ', or device="cpu", which is slower' if be.name == "cuda" else ""
    raise ResourceError(
        f"FDTD of {'x'.join(map(str, shape))} cells and {runs} ports needs {need_bytes / 2**30:.3g} GiB but "
        f"{free / 2**30:.3g} GiB are free on {be.name}, of which a tenth is kept back; cells of "
        f"{1e3 * fits:.2g} mm would fit, as would a smaller margin_m or a larger coarsest_m{elsewhere}"
    )
