r"""Finite differences in time on the Yee grid: one pulse per port, fields at the frequency by running Fourier sums.

.. math::

   \mu_0 \partial_t \mathbf H = -\nabla \times \mathbf E, \qquad
   \varepsilon \partial_t \mathbf E + \sigma \mathbf E = \nabla \times \mathbf H - \mathbf J

Permittivity and conductivity are those at the exposure's frequency. The voxels of the phantom are kept as they are
but around implants; around body and source lie air, with steps that grow outwards, and an absorbing layer.

Source: K. Yee, IEEE Trans. AP 14 (1966) 302; A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech
2005; docs/theory/fdtd.md.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.exposure import Exposure
from emdose.solvers.cosimulation import CoSimulation
from emdose.solvers.fdtd.fields import fields_of
from emdose.solvers.fdtd.gap_runs import cosimulate
from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.options import FdtdOptions
from emdose.solvers.fdtd.setup.plan import FdtdPlan
from emdose.solvers.fdtd.setup.problem import FdtdProblem
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, Progress, ProgressCallback, callback
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Fdtd(FdtdOptions):
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
    circuit : {"network", "grid"}
        How coils with lumped elements are solved: by one short run per gap and circuit algebra, as
        :meth:`cosimulate`, or with the elements in the grid, one run per feed, which rings as long as the coil does.
    metal : {"cut", "cells"}
        Whether implants cut through cells, or are made of whole ones (those with more than half metal).
    metal_cell_m : float, optional
        Largest cell across implants and around them [m]: planes lie at the ends of all metal together, with equal cells
        between and beyond, and then steps that grow to the cells of the body. By default these are the body's.
    metal_margin_m : float
        With ``metal_cell_m``, such cells beyond the ends of the metal [m].
    checkpoint_s : float
        Seconds between saved states within a port.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> FdtdPlan:
        """What a solution will take.

        Parameters
        ----------
        exposure : Exposure
            The question.
        device : {"auto", "cpu", "cuda"} or Backend
            Where.

        Returns
        -------
        FdtdPlan
            Memory, time, cells, steps and runs.

        Raises
        ------
        InputError
            When the exposure cannot be put on a grid.
        ResourceError
            When it does not fit the memory; the text names what is needed and what would fit.
        """
        return FdtdProblem(self, exposure, backend.get(device), network=self.circuit == "network").plan()

    @watched
    @backend.within_memory("larger cells, a smaller margin_m or a larger coarsest_m")
    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields of every port.

        Parameters
        ----------
        exposure : Exposure
            Body, source and frequency.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : bool or callable, optional
            True shows a bar where somebody watches; False is quiet; a function is called with events of
            :mod:`emdose.solvers.running`: set-up, time steps of stage "port" a few times per period, the stage
            "fields", and done.
        checkpoint : Checkpoint, optional
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
        be = backend.get(device)
        if self.circuit == "network" and isinstance(exposure.coil, CircuitCoil):
            return self.cosimulate(exposure, [exposure.frequency_Hz], be, callback(progress), checkpoint).fields()
        return self._stepped(exposure, be, callback(progress), checkpoint)[2]

    @watched
    @backend.within_memory("larger cells, a smaller margin_m or a larger metal_cell_m")
    def solve_near_metal(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> tuple[Fields, Fields]:
        """Fields on the voxels of the body, and those on the cells of ``metal_cell_m`` around implants.

        Parameters
        ----------
        exposure, device, progress, checkpoint
            As of :meth:`solve`.

        Returns
        -------
        Fields, Fields
            As of :meth:`solve`; and on the equal cells, whose body is :meth:`body_near_metal`. ``power`` of the latter
            is that of these cells, ``extinction_W`` what flows into them.

        Raises
        ------
        InputError, ResourceError, ConvergenceError
            As :meth:`solve`; without implants or ``metal_cell_m``, and for circuit coils by their network.
        """
        from emdose.solvers.fdtd.near_metal import near_fields, near_metal

        near_metal(self, exposure)
        if self.circuit == "network" and isinstance(exposure.coil, CircuitCoil):
            raise InputError("networks keep the body's voxels alone", field="circuit", expected='circuit="grid"')
        problem, runs, fields = self._stepped(exposure, backend.get(device), callback(progress), checkpoint)
        return fields, near_fields(problem, runs, fields)

    def body_near_metal(self, exposure: Exposure) -> Phantom:
        """The cells around implants as a body, with metal left out: what SAR of :meth:`solve_near_metal` is taken in.

        Parameters
        ----------
        exposure : Exposure
            Body, source and implants.

        Raises
        ------
        InputError
            As :meth:`solve_near_metal`.
        """
        from emdose.solvers.fdtd.near_metal import near_metal

        return near_metal(self, exposure).phantom

    def _stepped(
        self, exposure: Exposure, be: Backend, progress: ProgressCallback | None, checkpoint: Checkpoint | None
    ) -> tuple[FdtdProblem, list[SteppedRun], Fields]:
        """One run per port, and their fields."""
        clock = {"start": time.perf_counter()}
        problem = FdtdProblem(self, exposure, be, network=False)
        planned = problem.plan()
        reporter = Reporter(progress, problem, planned)
        reporter.setup()
        runs = run_all(problem, reporter, checkpoint, clock)
        reporter.tell(Begin(stage="fields"))
        fields = fields_of(problem, runs, planned, clock)
        reporter.done()
        advice = "raise max_periods, accept a larger tolerance, or use cosimulate() for coils that ring"
        require_rung_down(self, runs, fields, "", advice)
        return problem, runs, fields

    @watched
    @backend.within_memory("larger cells, a smaller margin_m or a larger coarsest_m")
    def cosimulate(
        self,
        exposure: Exposure,
        frequencies_Hz: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
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
        return cosimulate(self, exposure, frequencies_Hz, backend.get(device), callback(progress), checkpoint)
