r"""Circuit coils by co-simulation: one run per gap, and circuit algebra for everything that fills the gaps.

Every gap of the metal is a port. A run has a source of 1 V behind R in one gap and R in all others, so that even a coil
of high quality rings down fast; its voltages and currents give a column of the scattering matrix of metal and body. Any
elements, matching networks and couplings are put around that by algebra, and the fields of a drive are those of the
runs times

.. math:: w_p = V_p + R I_p

with the voltages and currents that the circuit finds: a run answers to that sum alone.

Source: M. Kozlov and R. Turner, J. Magn. Reson. 200 (2009) 147 (fast MRI coil analysis by co-simulation).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import positives
from emdose.circuits.circuit import Circuit, Connected
from emdose.circuits.elements import TwoPort
from emdose.circuits.modes import Mode, natural_modes, tuning_factor
from emdose.circuits.network import Network
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.exposure import Exposure
from emdose.solvers.fdtd.fields import RunPhasors, assemble, pair_power
from emdose.solvers.fdtd.run import Reporter, require_rung_down, run_all
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.options import GAP_OHM, FdtdOptions
from emdose.solvers.fdtd.setup.plan import FdtdPlan
from emdose.solvers.fdtd.setup.problem import FdtdProblem
from emdose.solvers.running import Begin, Checkpoint, ProgressCallback
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.results.fields import Fields

SPAN, COUNT = 0.2, 41
"""Frequencies of the network by default: this share below and above the exposure's, and how many."""


@read_only
@dataclass(frozen=True, eq=False)
class CoSimulation:
    """The metal of a coil with a body as a network of its gaps, with the fields of every gap.

    Parameters
    ----------
    network : Network
        Over the gaps of the coil (``coil.gaps``), symmetrised.
    coil : CircuitCoil
        The coil, with the values of its elements.
    circuit : Circuit
        What fills the gaps.
    asymmetry : float
        Largest |S_pq - S_qp| before: what reciprocity says about the accuracy.
    parts : tuple
        The problem, its runs, plan, clock and phasors.
    """

    network: Network
    coil: CircuitCoil
    circuit: Circuit
    asymmetry: float
    parts: tuple[FdtdProblem, list[SteppedRun], FdtdPlan, Mapping[str, float], RunPhasors]

    @property
    def frequency_Hz(self) -> float:
        """Frequency of the exposure, at which there are fields [Hz]."""
        return self.parts[0].frequency_Hz

    @property
    def residual(self) -> float:
        """What was still to come when the runs ended, the largest of all."""
        return max(r.history[-1] for r in self.parts[1])

    # ---- the same runs in another circuit ------------------------------------------------------------------------
    def with_circuit(self, circuit: Circuit) -> CoSimulation:
        """The same metal and body in another circuit: matching, couplings, losses."""
        return replace(self, circuit=circuit)

    def with_values(self, values: Mapping[str, float | Mapping[str, Any]]) -> CoSimulation:
        """With other values of elements; see :meth:`emdose.models.coils.circuit.CircuitCoil.with_values`.

        Matching networks and couplings are left behind.
        """
        coil = self.coil.with_values(values)
        return replace(self, coil=coil, circuit=Circuit.of(coil))

    def matched(self, matching: Mapping[str, TwoPort]) -> CoSimulation:
        """With ladders between sources and coil, by feed; see :class:`emdose.circuits.circuit.TwoPort`."""
        return self.with_circuit(self.circuit.matched(matching))

    def tune(
        self,
        elements: Sequence[str] | None = None,
        *,
        pattern: np.ndarray | None = None,
        mode: int | None = None,
        frequency_Hz: float | None = None,
    ) -> CoSimulation:
        """With the capacitances of some elements scaled so that a mode of the loaded coil lies at a frequency.

        Parameters
        ----------
        elements : sequence of str, optional
            Which are scaled together; all that have a capacitance by default.
        pattern : (element,) or (element, k) ndarray, optional
            The mode whose currents are most like these.
        mode : int, optional
            Otherwise its number, 0 being the one that needs the largest capacitance, the default.
        frequency_Hz : float, optional
            Where; one of the network's, the exposure's by default [Hz].

        Raises
        ------
        InputError
            When the coil has no such capacitor, or no capacitance does it.
        """
        by_name = {g.element.name: g.name for g in self.coil.gaps if g.element is not None}
        names = [e.name for e in self.coil.elements if e.capacitance_F] if elements is None else list(elements)
        for name in names:
            if not self.coil.element(name).capacitance_F:
                raise InputError(
                    "only capacitors are tuned", field="elements", found=name, expected="elements with a capacitance"
                )
        if not names:
            raise InputError("the coil has no capacitors", field="elements", found=0, expected="at least one")
        factor = tuning_factor(
            self.network,
            Circuit.of(self.coil).without_sources(),
            [by_name[n] for n in names],
            frequency_Hz or self.frequency_Hz,
            pattern=pattern,
            mode=0 if pattern is None and mode is None else mode,
        )
        values = {n: {"capacitance_F": self.coil.element(n).capacitance_F / factor} for n in names}  # type: ignore[operator]
        return self.with_values(values)

    # ---- what it does --------------------------------------------------------------------------------------------
    def connected(self) -> Connected:
        """The network in its circuit."""
        return self.circuit.connect(self.network)

    def s_parameters(self) -> Network:
        """Scattering matrix that the feeds see."""
        return self.connected().network

    def modes(self, **options: Any) -> list[Mode]:
        """Natural frequencies of the loaded coil; options of :func:`emdose.circuits.modes.natural_modes`."""
        return natural_modes(self.network, self.circuit.without_sources(), **options)

    def fields(self) -> Fields:
        """Fields of every feed per volt of its source, the others closed by their impedances.

        Raises
        ------
        ConvergenceError
            When runs had not rung down; ``partial`` holds the fields nevertheless.
        """
        problem, runs, plan, clock, phasors = self.parts
        problem = problem.for_coil(self.coil)
        f = self.frequency_Hz
        here = self.circuit.connect(self.network.at(f))
        count = len(self.coil.feeds)
        operations = [here.drive(np.eye(count)[n]) for n in range(count)]
        shares = np.stack([o.weights_V[0] for o in operations])
        volts, amperes = (np.stack([getattr(o, x)[0] for o in operations]) for x in ("voltages_V", "currents_A"))
        structure = pair_power(volts, amperes)
        s, r = here.network.s[0], here.network.reference_ohm
        a = np.diag(0.5 / np.sqrt(r))
        accepted = 0.5 * a @ (np.eye(count) - s.conj().T @ s) @ a
        power = phasors.power(shares, accepted, accepted - structure)
        residual = np.full(count, self.residual)
        out = assemble(problem, runs, phasors, shares, power, residual, plan, clock)
        values = {
            e.name: {
                k: v for k, v in (("R_ohm", e.resistance_ohm), ("L_H", e.inductance_H), ("C_F", e.capacitance_F)) if v
            }
            for e in self.coil.elements
        }
        extra = {"elements": values, "asymmetry": self.asymmetry, "S": s, "feeds": list(self.coil.ports)}
        out = replace(out, provenance={**out.provenance, "cosimulation": extra})
        require_rung_down(problem.solver, runs, out, "gaps ", "raise max_periods or accept a larger tolerance")
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
        Where the network is wanted [Hz]; :data:`COUNT` of them around the exposure's frequency by default.
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
    f = exposure.frequency_Hz
    if frequencies_Hz is None:
        frequencies_Hz = list(np.linspace((1 - SPAN) * f, (1 + SPAN) * f, COUNT))
    wrong = "bad frequencies" if np.size(frequencies_Hz) else "empty frequency list"
    expected = "at least one frequency > 0"
    listed = positives("frequencies_Hz", frequencies_Hz, problem=wrong, expected=expected).tolist()
    coil = exposure.coil
    if not isinstance(coil, CircuitCoil):
        raise InputError(
            f"co-simulation needs gaps, which {coil.name!r} has not",
            field="coil",
            expected="a CircuitCoil; solve() serves coils of ideal currents",
        )
    # The exposure's own frequency once, whatever rounding the list brings.
    listed = sorted({f, *(x for x in listed if abs(x - f) > 1e-9 * f)})
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
    parts = (problem, runs, plan, clock, RunPhasors(problem, runs))
    reporter.done()
    return CoSimulation(network.symmetrised(), coil, Circuit.of(coil), network.asymmetry(), parts)
