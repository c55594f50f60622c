"""Runs of the engine: windows of time until the fields have rung down, progress, and states to resume from."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError, EmdoseWarning, InputError, OutputError, ResourceError
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.convergence import Monitor
from emdose.solvers.fdtd.images import with_images
from emdose.solvers.fdtd.run_result import SteppedRun
from emdose.solvers.fdtd.setup.options import EXTRAPOLATION, GAP_OHM
from emdose.solvers.running import (
    Checkpoint,
    Done,
    Event,
    ProgressCallback,
    Setup,
    TimeStep,
    group,
    joined,
    part_name,
    silent,
)

if TYPE_CHECKING:
    from emdose.solvers.fdtd.setup.options import FdtdOptions
    from emdose.solvers.fdtd.setup.plan import FdtdPlan
    from emdose.solvers.fdtd.setup.problem import Excitation, FdtdProblem
    from emdose.solvers.results.fields import Fields

NETWORK_WEIGHT = 20.0
"""By how much the spectra of a coil's gaps must be better than the tolerance: its resonance multiplies their errors."""
STATE = "port-state"


class Reporter:
    """Turns the state of the runs into events for the user.

    Parameters
    ----------
    progress : callable or None
        Told what happens.
    problem : FdtdProblem
        What is solved.
    plan : FdtdPlan
        Its plan.
    """

    def __init__(self, progress: ProgressCallback | None, problem: FdtdProblem, plan: FdtdPlan) -> None:
        self.progress, self.tolerance = progress or silent, problem.solver.tolerance
        self.names = [problem.excitations[n].name for n in problem.to_run]
        self.cells, self.planned = plan.cells, plan.steps
        self.worst = 0.0

    def tell(self, event: Event) -> None:
        """Pass on an event."""
        self.progress(event)

    def setup(self) -> None:
        """Say that the runs are being prepared."""
        self.tell(Setup())

    def done(self) -> None:
        """Say that all is done."""
        self.tell(Done(residual=min(max(self.worst, 1e-30), 1.0), tolerance=self.tolerance))

    def window(self, run: int, step: int, monitor: Monitor, cells_per_s: float) -> None:
        """Say what a window of a run showed."""
        history = monitor.history[-5:]
        if len(history) > 1 and monitor.residual < history[0] < 1:
            # The remainder shrinks about geometrically: extend its line to the tolerance.
            per_window = math.log(history[0] / monitor.residual) / (len(history) - 1)
            windows = max(0.0, math.log(monitor.residual / self.tolerance) / per_window)
            self.planned = int(step + windows * step / max(1, len(monitor.history)))
        expected = max(self.planned, step)
        left = (len(self.names) - run - 1) * expected + expected - step
        self.tell(
            TimeStep(
                stage="port",
                name=self.names[run],
                index=run,
                count=len(self.names),
                step=step,
                steps=expected,
                residual=min(monitor.residual, 1.0),
                tolerance=self.tolerance,
                energy_dB=monitor.energy_dB,
                cells_per_s=cells_per_s,
                eta_s=left * self.cells / cells_per_s if cells_per_s > 0 else None,
            )
        )


def run_all(
    problem: FdtdProblem, reporter: Reporter, checkpoint: Checkpoint | None, clock: dict[str, float]
) -> list[SteppedRun]:
    """Every run of a problem, from the checkpoint where it is there; some as mirror images of others.

    Raises
    ------
    InputError
        When the checkpoint was made for something else.
    ConvergenceError
        When a run becomes unstable.
    ResourceError
        When the device runs out of memory after all.
    """
    runs = []
    keeper = _Keeper(problem, checkpoint)
    clock["setup"] = time.perf_counter()
    for n, excitation in enumerate(problem.excitations[k] for k in problem.to_run):
        saved = keeper.load(part_name(n))
        if saved is not None:
            run = SteppedRun.from_arrays(excitation, saved)
            if run.converged or run.steps >= _limit(problem):
                runs.append(run)
                reporter.worst = max(reporter.worst, run.history[-1])
                continue
        try:
            run = _run(problem, excitation, n, reporter, keeper)
        except MemoryError as error:
            elsewhere = 'use device="cpu", which is slower, or ' if problem.be.name == "cuda" else ""
            raise ResourceError(
                f"out of memory on {problem.be.name} with {math.prod(problem.grid.shape)} cells: {elsewhere}"
                "use larger cells, a smaller margin_m or a larger coarsest_m"
            ) from error
        runs.append(run)
        reporter.worst = max(reporter.worst, run.history[-1] if run.history else 1.0)
        keeper.save(part_name(n), run.arrays())
    clock["ports"] = time.perf_counter()
    return with_images(problem.mirrors, runs) if problem.mirrors else runs


class _Keeper:
    """Saves and loads with the identity of the problem; a disk that fills up costs the checkpoint, not the run."""

    def __init__(self, problem: FdtdProblem, checkpoint: Checkpoint | None) -> None:
        self.checkpoint, self.every_s = checkpoint, problem.solver.checkpoint_s
        self.identity = {} if checkpoint is None else problem.identity
        self.last = time.monotonic()

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        if self.checkpoint is None:
            return None
        found = self.checkpoint.load(name)
        if found is None:
            return None
        theirs = {k: str(v) for k, v in group(found, "id").items()}
        changed = sorted(k for k in {*theirs, *self.identity} if theirs.get(k) != self.identity.get(k))
        if changed:
            raise InputError(
                f"checkpoint was made with other {' and '.join(changed)}",
                field="checkpoint",
                expected="the same exposure, options and device, or an empty checkpoint",
            )
        return found

    def save(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        if self.checkpoint is None:
            return
        try:
            self.checkpoint.save(name, {**arrays, **joined(id={k: np.array(v) for k, v in self.identity.items()})})
        except OutputError as error:
            warnings.warn(f"no checkpoint from here on, the run itself goes on: {error}", EmdoseWarning, stacklevel=2)
            self.checkpoint = None
        self.last = time.monotonic()

    @property
    def due(self) -> bool:
        return self.checkpoint is not None and time.monotonic() - self.last >= self.every_s


def _run(problem: FdtdProblem, excitation: Excitation, number: int, reporter: Reporter, keeper: _Keeper) -> SteppedRun:
    """One run."""
    be, solver = problem.be, problem.solver
    start = time.perf_counter()
    engine = yee_engine.Engine(problem.problem_of(excitation), be, dtype=solver.dtype)
    dt = engine.dt
    weights = {"ports": NETWORK_WEIGHT} if problem.network else {}
    order = EXTRAPOLATION if problem.network else 0
    monitor = Monitor(solver.tolerance, math.ceil(problem.pulse.end_s / dt), weights, order)
    earlier: list[Any] = []
    state = keeper.load(STATE)
    before = 0.0
    if state is not None and int(state["run"]) == number:
        before = float(state["seconds"])
        monitor.restore(group(state, "monitor"))
        engine.restore(group(state, "engine"))
        kept = group(state, "sums")
        earlier = [be.asarray(kept[str(n)]) for n in range(order + 1) if str(n) in kept]
    # A whole number of samples of the sums per window, so that windows look alike.
    every = problem.dft_every
    window = max(1, round(problem.window_s / (dt * every))) * every
    spectra = _Spectra(problem.frequencies_Hz, dt, window)
    limit = _limit(problem)
    cells = math.prod(problem.grid.shape)
    converged = False
    while not converged and engine.step < limit:
        began, first = time.perf_counter(), engine.step
        engine.advance(window)
        be.synchronize()
        speed = cells * (engine.step - first) / max(time.perf_counter() - began, 1e-9)
        _check(engine, excitation)
        spectra.update(engine.records)
        if order and engine.step > monitor.source_end:
            earlier = [*earlier[-order:], engine.sums]
        converged = monitor.update(engine.step, engine.energy(), _sums(problem, engine, spectra, excitation))
        reporter.window(number, engine.step, monitor, speed)
        if monitor.grows:
            _unstable(problem, engine, excitation)
        if keeper.due:
            seconds = np.array(before + time.perf_counter() - start)
            keeper.save(
                STATE,
                {
                    "run": np.array(number),
                    "seconds": seconds,
                    **joined(
                        monitor=monitor.state(),
                        sums={str(n): np.array(be.to_numpy(v)) for n, v in enumerate(earlier)},
                        engine=engine.state(),
                    ),
                },
            )
    names = tuple(engine.records)
    source = problem.pulse.spectrum(problem.frequencies_Hz, dt)
    voltages, currents = spectra.arrays(names)
    if "ports" in monitor.shares:
        voltages, currents = np.split(monitor.value("ports"), 2, axis=1)
        currents = currents / GAP_OHM
    unit = problem.pulse.spectrum(np.array([problem.frequency_Hz]), dt)[0] / problem.phase
    E: dict[str, np.ndarray] = {}
    B: dict[str, np.ndarray] = {}
    for region in problem.kept:
        for share, sums in _shares(monitor, earlier):
            phasors = engine.phasors(region.name, sums)
            for total, part in ((E, phasors.E), (B, phasors.B)):
                if part is not None:
                    value = (part[0] * (share / unit)).astype(problem.complex_dtype)
                    total[region.name] = value + total[region.name] if region.name in total else value
    leads: dict[str, np.ndarray] = {}
    for share, sums in _shares(monitor, earlier):
        for name, found in engine.wire_currents(sums).items():
            leads[name] = found[0] * (share / unit) + leads.get(name, 0)
    if excitation.incident is not None:
        for name, total in (("E", E), ("B", B)):
            total["core"] = (total["core"] + excitation.incident.added[name]).astype(problem.complex_dtype)
    return SteppedRun(
        name=excitation.name,
        port=excitation.port,
        factor=excitation.factor,
        E=E,
        B=B,
        voltages=voltages / source[:, None],
        currents=currents / source[:, None],
        elements=names,
        converged=converged,
        steps=engine.step,
        seconds=before + time.perf_counter() - start,
        history=list(monitor.history),
        energy_dB=monitor.energy_dB,
        resumed=before > 0,
        leads=leads,
    )


def _shares(monitor: Monitor, earlier: list[Any]) -> list[tuple[complex, Any]]:
    """What the fields are made of: sums of the last windows with their shares, or the sums as they are."""
    if "fields" not in monitor.shares:
        return [(1.0, None)]
    shares = monitor.shares["fields"][0]
    return [(complex(c), sums) for c, sums in zip(shares, earlier[-len(shares) :], strict=True)]


def _limit(problem: FdtdProblem) -> int:
    return math.ceil(problem.solver.max_periods / problem.frequency_Hz / problem.time_step_s)


def _sums(problem: FdtdProblem, engine: Any, spectra: _Spectra, excitation: Excitation) -> dict[str, np.ndarray]:
    """What the end criterion looks at: E on planes through the body, and the ports."""
    planes = [engine.phasors(r.name).E[0].ravel()[m] for r, m in zip(problem.probes, problem.watched, strict=True)]
    if excitation.incident is not None:  # the scattered field nearly cancels it in tissue: what is left counts
        unit = problem.pulse.spectrum(np.array([problem.frequency_Hz]), engine.dt)[0]
        start, E = [s.start for s in problem.domain.core], excitation.incident.added["E"]
        for plane, r, m in zip(planes, problem.probes, problem.watched, strict=True):
            cut = tuple(slice(a - s, b - s) for a, b, s in zip(r.low, r.high, start, strict=True))
            plane += unit * E[(slice(None), *cut)].ravel()[m]
    out = {"fields": np.concatenate(planes)}
    wires = engine.wire_currents()
    if wires:
        out["leads"] = np.concatenate([v[0] for v in wires.values()])
    names = tuple(engine.records)
    if names:
        voltages, currents = spectra.arrays(names)
        # In the same unit, so that a gap without much of the one still shows in the other.
        out["ports"] = np.concatenate([voltages, GAP_OHM * currents], axis=1)
    return out


def _check(engine: Any, excitation: Excitation) -> None:
    try:
        engine.check()
    except ConvergenceError as error:
        raise ConvergenceError(f"FDTD, port {excitation.name}: {error}") from error


def _unstable(problem: FdtdProblem, engine: Any, excitation: Excitation) -> None:
    cell, where = engine.strongest()
    cause = (
        "the absorber is unstable there: more margin_m or fewer cpml_cells help"
        if "absorb" in where
        else "the update is unstable there: a smaller courant helps, and lumped elements and wires are worth a look"
    )
    place = ", ".join(f"{1e3 * problem.grid.centres(a)[cell[a]]:.1f}" for a in range(3))
    raise ConvergenceError(
        f"FDTD, port {excitation.name}: the energy keeps growing after the pulse, at step {engine.step}, strongest at "
        f"cell {cell}, ({place}) mm, {where}; {cause}"
    )


class _Spectra:
    """Running Fourier sums of recorded voltages and currents in double precision."""

    def __init__(self, frequencies_Hz: np.ndarray, time_step_s: float, window: int) -> None:
        self.omega, self.dt, self.window = 2 * math.pi * frequencies_Hz, time_step_s, window
        self.sums: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.done: dict[str, int] = {}

    def update(self, records: Mapping[str, Any]) -> None:
        """Add the samples that are new."""
        for name, record in records.items():
            zero = np.zeros(len(self.omega), complex)
            sums = self.sums.get(name, (zero, zero))
            times, voltage, current = record.current_time, record.mean_voltage, record.current
            # Window after window, so that a resumed run adds in the same order.
            for first in range(self.done.get(name, 0), len(current), self.window):
                new = slice(first, first + self.window)
                kernel = self.dt * np.exp(-1j * np.outer(self.omega, times[new]))
                sums = sums[0] + kernel @ voltage[new], sums[1] + kernel @ current[new]
            self.sums[name], self.done[name] = sums, len(current)

    def arrays(self, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Voltages and currents, (f, name)."""
        if not names:
            return np.zeros((2, len(self.omega), 0), complex)  # type: ignore[return-value]
        return tuple(np.stack([self.sums[n][k] for n in names], axis=1) for k in (0, 1))  # type: ignore[return-value]


def require_rung_down(solver: FdtdOptions, runs: Sequence[SteppedRun], fields: Fields, what: str, advice: str) -> None:
    """Raise ConvergenceError that holds the fields when some of the runs had not rung down."""
    missed = [r.name for r in runs if not r.converged and not r.image_of]
    if missed:
        raise ConvergenceError(
            f"FDTD: {what}{', '.join(missed)} not rung down after {solver.max_periods:g} periods (what is still to "
            f"come is {fields.residual.max():.2g} of the fields, tolerance {solver.tolerance:g}); {advice} (what was "
            "reached is kept)",
            partial=fields,
        )
