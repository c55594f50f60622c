"""Run a scenario into its folder: claim it, compute, write everything at once, or say why not."""

from __future__ import annotations

import datetime
import hashlib
import importlib.metadata
import platform
import sys
import time
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose import resources
from emdose.compute import machine
from emdose.errors import ConvergenceError, EmdoseWarning, OutputError
from emdose.io.disk import atomic, run_files
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.scenarios import kinds
from emdose.scenarios.folder import CODE, KEY, SOLVED, RunFolder, State
from emdose.scenarios.gate import gated
from emdose.scenarios.loading import load
from emdose.scenarios.results import read_result
from emdose.scenarios.shared.job import BaseJob, Claimed, Outcome, Planned
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.solvers.running import Begin, Done, ProgressCallback, silent
from emdose.values import read_only
from emdose.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASES = (
    "gabriel_cole_cole.csv",
    "itis_v5_thermal.csv",
    "tissue_aliases.csv",
    "phantom_materials.csv",
    "exposure_limits.csv",
    "metals.csv",
    "gradient_exposures.csv",
    "magnetism.csv",
)
SOLVING = ("compute", "models", "circuits", "solvers", "io", "scenarios/shared", "data", "constants.py")
"""Rooms whose code decides what a solver is given and finds; a kind adds its own to the key of its job."""
NO_MATTER = ("exposure_limits.csv", "published_gradient_heating.csv")
PACKAGES = ("numpy", "scipy", "h5py", "pydantic", "cupy-cuda12x", "cupy-cuda13x")


class _Nothing:
    """Stands for a solution that is not there; None is the solution of a run that solves nothing."""


@read_only
@dataclass(frozen=True)
class RunOutcome:
    """Where the result is and how it came about.

    Parameters
    ----------
    folder : Path
        The result folder.
    summary : dict
        summary.json.
    state : "new", "resumed", "evaluated" or "finished"
        "evaluated" means that what the solver is given has not changed, so that nothing was solved again; "finished"
        that the result was there already, and valid, and nothing was computed.
    """

    folder: Path
    summary: dict[str, Any]
    state: State

    @cached_property
    def result(self) -> Any:
        """The run itself, as :func:`emdose.read_result` reads it from the folder when it is first asked for."""
        return read_result(self.folder)


def run(
    scenario: LoadedScenario | Path | str,
    out: Path | str,
    *,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    progress: ProgressCallback | None = None,
) -> RunOutcome:
    """Run a scenario and write its result folder.

    Parameters
    ----------
    scenario : LoadedScenario, Path or str
        The scenario or its file.
    out : Path or str
        The result folder, see :meth:`RunFolder.settle` for what may be in it.
    device : "auto", "cpu" or "cuda"
        Where to compute.
    resume, force : bool
        Go on with an unfinished solution; throw away an earlier run and solve again.
    progress : callable, optional
        Called with events of :mod:`emdose.solvers.running` and :mod:`emdose.scenarios.shared.job`: the stage
        "phantom", claimed, planned (with memory and time), those of the solvers, the stages of this kind of scenario
        ("averages" and "checks", or "method" and "judge"), the stage "write", and done.

    Returns
    -------
    RunOutcome
        Also when the result is not valid, such as after a missed tolerance: the entry "validity" of the summary then
        says why, and its numbers, checks and limits are empty.

    Raises
    ------
    InputError, OutputError, ResourceError, DeviceError
        Each in one line. Nothing half-written is left, an earlier result stays; solved ports stay for ``resume``.
    """
    if not isinstance(scenario, LoadedScenario):
        scenario = load(scenario)
    folder = RunFolder(out)
    folder.claim()
    try:
        summary = None if force else folder.served(scenario, resources.code_sha256())
        if summary is not None:
            return RunOutcome(folder.path, summary, "finished")
        if not force:
            folder.refuse_other(scenario, resume=resume)
        state = _run(scenario, folder, device, resume, force, progress or silent)
    finally:
        folder.release()
    return RunOutcome(folder.path, run_files.read_summary(folder.path), state)


def _run(
    scenario: LoadedScenario, folder: RunFolder, device: str, resume: bool, force: bool, tell: ProgressCallback
) -> State:
    start = time.perf_counter()
    kind = kinds.get(scenario.kind)
    with heard() as words:
        tell(Begin(stage="phantom"))
        job = kind.job(scenario, device)
        key = job.solution_key()
        keeps, key = key is not None, _key(key or scenario.sha256)
        state = folder.settle(scenario, key, resume=resume, force=force)
        checkpoint, store = FolderCheckpoint(folder.checkpoint, key), FolderCheckpoint(folder.solution, key)
        solved = state != "new" and store.has(SOLVED)
        parts = checkpoint.parts if state == "resumed" else ()
        tell(
            Claimed(
                name=scenario.name,
                folder=folder.path,
                kept=parts,
                solved=solved,
                noun=kind.part,
                words=dict(kind.stages),
            )
        )
        tell(Planned(plan=job.evaluation_plan() if solved else job.plan()))
        job.prepare()
        folder.begin(scenario, state)
        if solved:
            machine.require_memory(store.size(SOLVED), f"the solution that is kept in {folder.path}")
        missed, solution = None, _Nothing
        if solved and (arrays := store.load(SOLVED)) is not None:
            solution = job.solution_of(arrays)
            del arrays
        if solution is _Nothing:
            state = "new" if solved else state
            try:
                solution = job.solve(checkpoint, tell)
            except ConvergenceError as error:
                if error.partial is None:
                    raise
                missed, solution = str(error), error.partial
            if keeps and missed is None:
                store.save(SOLVED, job.solution_arrays(solution))
                checkpoint.clear()
        job.store = store if keeps and missed is None else None
        outcome = job.evaluate(solution, tell)
    tell(Begin(stage="write"))
    summary = {
        **outcome.summary,
        "timing_s": {**job.timing, "total": time.perf_counter() - start},
        "scenario": scenario.values(),
        "warnings": [*([missed] if missed else []), *outcome.warnings, *words],
    }
    summary["provenance"] = {**provenance(scenario), KEY: key, **summary.get("provenance", {})}
    _write(folder, job, outcome, summary, scenario)
    store.keep_only({SOLVED, *job.used})
    if missed is None:
        checkpoint.clear()  # else its finished parts serve the run that is given more steps
    tell(Done())
    return state


def _key(key: str) -> str:
    """A key of a job together with the code that solves: what a solver found before it was mended is not used again."""
    return hashlib.sha256(f"{key} {resources.code_sha256(*SOLVING, without=NO_MATTER)}".encode()).hexdigest()


def provenance(scenario: LoadedScenario) -> dict[str, Any]:
    """Versions, hashes, machine and date."""
    found = environment()
    brought = kinds.brought_by(scenario.kind)
    if brought is not None:
        found["versions"][brought[0]] = brought[1]
    return {**found, "scenario_sha256": scenario.sha256, "scenario_file": str(scenario.file)}


def environment() -> dict[str, Any]:
    """Versions, hashes of code and data, machine, date and command."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "emdose": __version__,
        CODE: resources.code_sha256(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions,
        "databases_sha256": {n: hashlib.sha256(resources.text(n).encode()).hexdigest() for n in DATABASES},
        "platform": platform.platform(),
        "command": " ".join(Path(a).name if i == 0 else a for i, a in enumerate(sys.argv)),
    }


def _write(
    folder: RunFolder, job: BaseJob, outcome: Outcome, summary: dict[str, Any], scenario: LoadedScenario
) -> None:
    with atomic.staging(folder.path) as stage:
        job.write(stage, outcome, summary)
        if run_files.RESULT_FILE not in stage.names:
            raise OutputError(
                f"{folder.path}: the job of kind '{scenario.kind}' has written no {run_files.RESULT_FILE}"
            )
        stage.path(run_files.LOCK_FILE).write_text(scenario.lock(), encoding="utf-8")
        # The list tells a later run what it may remove. The summary is last: its presence says that all is there.
        files = [*stage.names, run_files.SUMMARY_FILE]
        summary = gated({**summary, "files": files, run_files.SUMS: run_files.sums(stage.paths)})
        stage.path(run_files.SUMMARY_FILE).write_text(run_files.summary_text(summary), encoding="utf-8")
        stage.flush()
        folder.make_way(files)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Texts of the EmdoseWarnings raised inside; every warning is passed on afterwards, whatever the end."""
    texts: list[str] = []
    kept: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", EmdoseWarning)
            try:
                yield texts
            finally:
                kept = list(caught)
                texts += dict.fromkeys(str(w.message) for w in kept if issubclass(w.category, EmdoseWarning))
    finally:
        for w in kept:
            warnings.warn_explicit(w.message, w.category, w.filename, w.lineno)
