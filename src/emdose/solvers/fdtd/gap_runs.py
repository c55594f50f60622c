r"""Circuit coils by finite differences in time: one run per gap.

A run has a source of 1 V behind R in one gap and R in all others, so that even a coil of high quality rings down fast;
its voltages and currents give a column of the scattering matrix of metal and body. The fields of a drive are those of
the runs times

.. math:: w_p = V_p + R I_p

with the voltages and currents that the circuit finds: a run answers to that sum alone.

Source: M. Kozlov and R. Turner, J. Magn. Reson. 200 (2009) 147 (fast MRI coil analysis by co-simulation).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.circuits.circuit import Circuit
from emdose.circuits.network import Network
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.exposure import Exposure
from emdose.solvers.cosimulation import CoSimulation, GapDrive, frequencies_of, require_gaps
from emdose.solvers.fdtd.fields import RunPhasors, assemble
from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.options import GAP_OHM, FdtdOptions
from emdose.solvers.fdtd.setup.plan import FdtdPlan
from emdose.solvers.fdtd.setup.problem import FdtdProblem
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.results.fields import Fields


@dataclass(frozen=True, eq=False)
class GapRuns:
    """The runs of the gaps of a coil.

    Parameters
    ----------
    problem : FdtdProblem
        What was solved.
    runs : list of SteppedRun
        One per gap.
    plan : FdtdPlan
        What was planned.
    clock : mapping of str to float
        Times at "start", "setup" and "ports" [s].
    phasors : RunPhasors
        Their fields.
    """

    problem: FdtdProblem
    runs: list[SteppedRun]
    plan: FdtdPlan
    clock: Mapping[str, float]
    phasors: RunPhasors

    @property
    def frequency_Hz(self) -> float:
        """Frequency of the exposure [Hz]."""
        return self.problem.frequency_Hz

    @property
    def residual(self) -> float:
        """What was still to come when the runs ended, the largest of all."""
        return max(r.history[-1] for r in self.runs)

    def fields(self, coil: CircuitCoil, drive: GapDrive, again: Callable[[np.ndarray], GapDrive]) -> Fields:  # noqa: ARG002
        """Fields of every feed per volt of its source.

        Raises
        ------
        ConvergenceError
            When runs had not rung down; ``partial`` holds the fields nevertheless.
        """
        problem, shares = self.problem.for_coil(coil), drive.weights_V
        power = self.phasors.power(shares, drive.accepted_W, drive.accepted_W - drive.structure_W)
        residual = np.full(len(shares), self.residual)
        out = assemble(problem, self.runs, self.phasors, shares, power, residual, self.plan, self.clock)
        require_rung_down(problem.solver, self.runs, out, "gaps ", "raise max_periods or accept a larger tolerance")
        return out


def cosimulate(
    solver: FdtdOptions,
    exposure: Exposure,
    frequencies_Hz: Sequence[float] | None,
    be: Backend,
    progress: ProgressCallback | None,
    checkpoint: Checkpoint | None,
) -> CoSimulation:
    """One run with a port at every gap of a circuit coil.

    Parameters
    ----------
    solver : FdtdOptions
        Options.
    exposure : Exposure
        With a CircuitCoil.
    frequencies_Hz : sequence of float or None
        Where the network is wanted [Hz]; some around the exposure's frequency by default.
    be : Backend
        Device.
    progress : callable or None
        Told what happens.
    checkpoint : Checkpoint or None
        Keeps finished runs.

    Raises
    ------
    InputError
        When the coil has no lumped elements, or for frequencies that cannot be used.
    ConvergenceError
        When a run becomes unstable.
    ResourceError
        When it does not fit the memory.
    """
    listed, coil = frequencies_of(exposure, frequencies_Hz), require_gaps(exposure)
    clock = {"start": time.perf_counter()}
    problem = FdtdProblem(solver, exposure, be, listed)
    plan = problem.plan()
    reporter = Reporter(progress, problem, plan)
    reporter.setup()
    runs = run_all(problem, reporter, checkpoint, clock)
    reporter.tell(Begin(stage="fields"))
    names = [g.name for g in coil.gaps]
    place = [runs[0].elements.index(n) for n in names]
    volts, amperes = (np.stack([getattr(r, x)[:, place] for r in runs], axis=-1) for x in ("voltages", "currents"))
    network = Network.from_runs(listed, volts, amperes, names, GAP_OHM)
    found = GapRuns(problem, runs, plan, clock, RunPhasors(problem, runs))
    reporter.done()
    return CoSimulation(network.symmetrised(), coil, Circuit.of(coil), network.asymmetry(), found)
