r"""Finite differences in time on the Yee grid: one pulse per port, fields at the frequency by running Fourier sums.

.. math::

   \mu_0 \partial_t \mathbf H = -\nabla \times \mathbf E, \qquad
   \varepsilon \partial_t \mathbf E + \sigma \mathbf E = \nabla \times \mathbf H - \mathbf J

Permittivity and conductivity are those at the exposure's frequency. The voxels of the phantom are kept as they are;
around body and source lie air, with steps that grow outwards, and an absorbing layer.

Source: K. Yee, IEEE Trans. AP 14 (1966) 302; A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech
2005; docs/theory/fdtd.md.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emdose.compute import backend
from emdose.errors import InputError
from emdose.models.coils.ideal import Coil, PlaneWave
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.domain import GROWTH
from emdose.solvers.fdtd.snap import LEAST_RATIO

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Vector
    from emdose.solvers.fdtd.cosimulation import CoSimulation
    from emdose.solvers.fdtd.run import Checkpoint
    from emdose.solvers.results.fields import Fields

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Fdtd:
    """Finite-difference time-domain solver.

    Parameters
    ----------
    spacing_m : float, optional
        Largest cell within the phantom's grid [m]; voxels are divided into equal cells to meet it. By default a voxel
        is a cell.
    margin_m : float, optional
        Air between the box of body and source and the absorber [m]; by default 6 cm, at least 6 cells.
    bounds_m : ((float, float, float), (float, float, float)), optional
        Corners of the box within the absorber instead of a margin [m].
    coarsest_m : float, optional
        Largest step in air [m]; by default four cells, but at least 30 per wavelength, and between the body and a coil
        that the grid snaps to ``growth`` cells.
    growth : float
        Largest ratio of neighbouring steps in air; with ``snap`` at least 1.1.
    snap : bool
        Whether planes of the grid pass through the ends, lines, gaps and shield of the coil wherever these lie beyond
        the phantom's grid along an axis, with graded steps between. The voxels of the phantom are kept.
    finest_m : float, optional
        With ``snap``, the step at those planes and the smallest anywhere [m]; planes nearer to each other become one.
        By default the planes have the steps of the body, which shrink to half of that where the coil asks for it.
    walls : {"cpml", "pec"}
        What ends the box: an absorbing layer, or metal.
    cpml_cells : int
        Cells of the absorbing layer.
    tolerance : float
        What is still to come of fields and port spectra, relative to what is there, and the energy over its peak,
        when a run ends.
    max_periods : float
        Periods of the frequency after which a run gives up with ConvergenceError.
    courant : float
        Time step over the largest stable one.
    dtype : {"float32", "float64"}
        Precision of the fields.
    materials : {"average", "majority"}
        How edges get their permittivity, as in :class:`emdose.solvers.vie.solver.Vie`.
    circuit : {"network", "grid"}
        How coils with lumped elements are solved: by one short run per gap and circuit algebra, as
        :meth:`cosimulate`, or with the elements in the grid, one run per feed, which rings as long as the coil does.
    checkpoint_s : float
        Seconds between saved states within a port.

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
            if getattr(self, name) not in allowed:
                raise InputError("unknown choice", field=name, found=getattr(self, name), expected=" or ".join(allowed))
        if self.bounds_m is not None:
            self._check_bounds()

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> dict[str, Any]:
        """What a solution will take.

        Parameters
        ----------
        exposure : Exposure
            The question.
        device : {"auto", "cpu", "cuda"} or Backend
            Where.

        Returns
        -------
        dict
            bytes, seconds (a rough estimate), cells, shape, steps (of one run, if it rings down fast), runs,
            time_step_s, slowdown (how many times smaller the time step is than the body's cells allow), device.

        Raises
        ------
        InputError
            When the exposure cannot be put on a grid.
        ResourceError
            When it does not fit the memory; the text names what is needed and what would fit.
        """
        from emdose.solvers.fdtd.problem import Problem

        return Problem(self, exposure, backend.get(device), network=self.circuit == "network").plan()

    @backend.within_memory("larger cells, a smaller margin_m or a larger coarsest_m")
    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields of every port.

        Parameters
        ----------
        exposure : Exposure
            Body, source and frequency.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : callable, optional
            Called with a dict: stage ("setup", "port", "fields", "done"), port, ports, step, steps, energy_dB,
            mcells_per_s, eta_s, residual, tolerance.
        checkpoint : object with load_arrays(name) and save_arrays(name, arrays), optional
            Keeps finished ports and, from time to time, the state of the running one; a resumed run gives the same
            bits as one that was not interrupted.

        Raises
        ------
        InputError, ResourceError
            As :meth:`plan`; also for a checkpoint of another exposure or of other options.
        ConvergenceError
            When a port has not rung down within ``max_periods``, or became unstable; ``partial`` holds the fields of
            all ports as far as they came.

        Warns
        -----
        EmdoseWarning
            When the densest tissue has few cells per wavelength, the power balance does not close, edges of the coil
            could not be met by ``snap``, or small steps there make the runs much longer.
        """
        from emdose.solvers.fdtd.fields import fields_of
        from emdose.solvers.fdtd.problem import Problem
        from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all

        be = backend.get(device)
        if self.circuit == "network" and not isinstance(exposure.coil, Coil | PlaneWave):
            return self.cosimulate(exposure, [exposure.frequency_Hz], be, progress, checkpoint).fields()
        clock = {"start": time.perf_counter()}
        problem = Problem(self, exposure, be, network=False)
        planned = problem.plan()
        reporter = Reporter(progress, problem, planned)
        reporter.tell("setup")
        runs = run_all(problem, reporter, checkpoint, clock)
        reporter.tell("fields")
        fields = fields_of(problem, runs, planned, clock)
        reporter.tell("done")
        advice = "raise max_periods, accept a larger tolerance, or use cosimulate() for coils that ring"
        require_rung_down(self, runs, fields, "", advice)
        return fields

    @backend.within_memory("larger cells, a smaller margin_m or a larger coarsest_m")
    def cosimulate(
        self,
        exposure: Exposure,
        frequencies_Hz: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> CoSimulation:
        """One run with a port at every lumped element and feed of a circuit coil.

        Capacitors, matching networks and decoupling are circuit algebra afterwards, and fields are recombined without
        a new run.

        Parameters
        ----------
        exposure : Exposure
            With a :class:`emdose.models.coils.circuit.CircuitCoil`.
        frequencies_Hz : sequence of float, optional
            Where the network is wanted [Hz]; by default 41 of them from 0.8 to 1.2 times the exposure's frequency,
            at which the fields are kept in any case.
        device, progress, checkpoint
            As :meth:`solve`; ports are the internal ones.

        Raises
        ------
        InputError
            When the coil has no lumped elements, or for an empty list of frequencies.
        ConvergenceError, ResourceError
            As :meth:`solve`.
        """
        from emdose.solvers.fdtd.cosimulation import cosimulate

        return cosimulate(self, exposure, frequencies_Hz, backend.get(device), progress, checkpoint)

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
