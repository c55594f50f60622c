"""Grid planes of an FDTD that pass through the edges of a coil, outside of the body's voxels.

Along every axis the planes of the body are kept. Beyond them lie planes at the ends, lines and gaps of the coil and at
its shield, with steps between that differ from their neighbours by a bounded ratio.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.solvers.fdtd.graded.grading import graded_axis, planes_of
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.solvers.fdtd.setup.options import FdtdOptions

SHRINK = 0.5
"""Smallest step over the body's cell unless told otherwise."""
FINEST_SHARE = 0.02
"""Of the body's cell: a finer step asks for too many time steps to be meant."""
NOTEWORTHY = 3.0
"""How many times the time step shrinks before it is said."""


@read_only
@dataclass(frozen=True, eq=False)
class Snap:
    """Steps that the grid may take along one axis, and the planes it should have.

    Parameters
    ----------
    planes_m : (n,) float ndarray
        Coordinates wanted as planes [m].
    finest_m, least_m, coarsest_m : float
        Step at those planes, smallest and largest step anywhere [m].
    ratio : float
        Largest ratio of neighbouring steps.
    """

    planes_m: np.ndarray
    finest_m: float
    least_m: float
    coarsest_m: float
    ratio: float

    def around(self, core: np.ndarray, low_m: float, high_m: float) -> tuple[np.ndarray, list[float]]:
        """Planes from ``low_m`` to ``high_m`` that hold those of ``core`` exactly, and the wanted ones left off [m].

        The ends move by less than the smallest step, or by less than a step of the core where no steps fit.
        """
        above, off = self._beyond(core, high_m, self.planes_m)
        below, off_low = self._beyond(-core[::-1], -low_m, -self.planes_m)
        return np.concatenate([-below[::-1], core, above]), [-v for v in off_low] + off

    def _beyond(self, core: np.ndarray, end: float, planes: np.ndarray) -> tuple[np.ndarray, list[float]]:
        """Planes past the last of the core, and those left off: as few as can be, the nearest to the core first."""
        edge, h = float(core[-1]), float(core[-1] - core[-2])
        if end - edge < self.least_m * (1 - 1e-6):
            return np.zeros(0), []
        wanted = sorted(float(p) for p in planes if edge < p < end)
        kept = wanted
        while True:
            for without in (None, *range(len(kept))):
                rest = [p for n, p in enumerate(kept) if n != without]
                nodes = self._graded(core, end, rest)
                if nodes is not None:
                    return nodes, [p for p in wanted if p not in rest]
            if not kept:
                break
            kept = kept[1:]
        # Equal steps always fit.
        count = max(1, math.ceil((end - edge) / h - 1e-6))
        return edge + h * np.arange(1, count + 1), [*wanted, end]

    def _graded(self, core: np.ndarray, end: float, planes: Sequence[float]) -> np.ndarray | None:
        try:
            nodes = graded_axis(
                float(core[0]),
                end,
                self.finest_m,
                self.coarsest_m,
                snap_m=planes,
                core_m=core.tolist(),
                ratio=self.ratio,
                least_m=self.least_m,
                fine_ends=True,
            )
        except InputError:
            return None
        return nodes[len(core) :]


def snaps_of(solver: FdtdOptions, exposure: Exposure, steps: Sequence[float]) -> list[Snap]:
    """What to snap to along x, y and z, and the steps between body and coil.

    Unless told otherwise these are at most one growth larger than the body's: the near field of the coil is there.

    Parameters
    ----------
    solver : FdtdOptions
        Options.
    exposure : Exposure
        Body and source, not a plane wave.
    steps : (3,) float
        Cells of the body [m].

    Raises
    ------
    InputError
        When the steps asked for do not go with the body's cells.
    """
    smallest, largest = min(steps), max(steps)
    if solver.finest_m is not None and not FINEST_SHARE * smallest <= solver.finest_m <= smallest * (1 + 1e-9):
        raise InputError(
            "finest step does not go with the body's cells",
            field="finest_m",
            found=solver.finest_m,
            expected=f"{FINEST_SHARE * smallest:g} to {smallest:g} m",
        )
    if solver.coarsest_m is not None and solver.coarsest_m < largest * (1 - 1e-9):
        raise InputError(
            "coarsest step below the body's cells",
            field="coarsest_m",
            found=solver.coarsest_m,
            expected=f"at least {largest:g} m",
        )
    out = []
    for h, planes in zip(steps, planes_of(exposure.coil), strict=True):  # type: ignore[arg-type]
        finest = min(solver.finest_m or h, h)
        least = finest if solver.finest_m is not None else SHRINK * h
        out.append(Snap(planes, finest, least, solver.coarsest_m or solver.growth * h, solver.growth))
    return out


def warn_left_off(left_off: Sequence[Sequence[float]]) -> None:
    """Warn of planes of the coil that the grid does not have."""
    named = [f"{'xyz'[a]} = {1e3 * v:.4g}" for a, values in enumerate(left_off) for v in values]
    if named:
        more = f" and {len(named) - 4} more" if len(named) > 4 else ""
        warnings.warn(
            f"no steps fit between the body's cells and the edges of the coil at {', '.join(named[:4])} mm{more}: they "
            "go to the nearest planes; use a smaller finest_m, a larger growth, or crop the phantom",
            EmdoseWarning,
            stacklevel=6,
        )


def warn_slow(slowdown: float, finest_m: float, cell_m: float) -> None:
    """Warn when small steps cost many time steps."""
    if slowdown > NOTEWORTHY:
        warnings.warn(
            f"steps of {1e3 * finest_m:.3g} mm at the coil make the time step {slowdown:.3g} times smaller than the "
            f"body's cells of {1e3 * cell_m:.3g} mm would, and runs as many times longer; use a larger finest_m",
            EmdoseWarning,
            stacklevel=6,
        )
