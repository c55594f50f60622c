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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose import resources
from emdose.errors import ConvergenceError, EmdoseWarning, OutputError
from emdose.io.disk import atomic, run_files
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.scenarios import kinds
from emdose.scenarios.folder import RunFolder, State
from emdose.scenarios.gate import gated
from emdose.scenarios.loading import load
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
)
PACKAGES = ("numpy", "scipy", "h5py", "pydantic", "cupy-cuda12x", "cupy-cuda13x")


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
    state : "new", "resumed" or "finished"
        "finished" means that it was there already, and valid, and nothing was computed.
    """

    folder: Path
    summary: dict[str, Any]
    state: State


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
        The result folder, see :meth:`RunFolder.claim` for what may be in it.
    device : "auto", "cpu" or "cuda"
        Where to compute.
    resume, force : bool
        Go on with an unfinished run; throw away an earlier one.
    progress : callable, optional
        Called with events of :mod:`emdose.solvers.running` and :mod:`emdose.scenarios.shared.job`: claimed, the stage
        "phantom", planned (with memory and time), those of the solvers, the stages of this kind of scenario
        ("averages" and "checks", or "method" and "judge"), the stage "write", and done.

    Returns
    -------
    RunOutcome
        Also when the result is not valid, such as after a missed tolerance: the entry "validity" of the summary then
        says why, and its numbers, checks and limits are empty.

    Raises
    ------
    InputError, OutputError, ResourceError, DeviceError
        Each in one line. Nothing half-written is left; solved ports stay for ``resume``.
    """
    if not isinstance(scenario, LoadedScenario):
        scenario = load(scenario)
    tell = progress or silent
    start = time.perf_counter()
    folder = RunFolder(out)
    state = folder.claim(scenario, resume=resume, force=force)
    if state == "finished":
        return RunOutcome(folder.path, gated(run_files.read_summary(folder.path), folder.path), state)
    checkpoint = FolderCheckpoint(folder.checkpoint, scenario.sha256)
    kind = kinds.get(scenario.kind)
    tell(
        Claimed(name=scenario.name, folder=folder.path, kept=checkpoint.parts, noun=kind.part, words=dict(kind.stages))
    )
    try:
        with _heard() as heard:
            tell(Begin(stage="phantom"))
            job = kind.job(scenario, device)
            tell(Planned(plan=job.plan()))
            missed = None
            try:
                solution = job.solve(checkpoint, progress)
            except ConvergenceError as error:
                if error.partial is None:
                    raise
                missed, solution = str(error), error.partial
            outcome = job.evaluate(solution, tell)
        tell(Begin(stage="write"))
        summary = {
            **outcome.summary,
            "timing_s": {**job.timing, "total": time.perf_counter() - start},
            "scenario": scenario.values(),
            "warnings": [*([missed] if missed else []), *outcome.warnings, *heard],
        }
        summary["provenance"] = {**provenance(scenario), **summary.get("provenance", {})}
        _write(folder.path, job, outcome, summary, scenario)
        checkpoint.clear()
    finally:
        folder.release()
    tell(Done())
    return RunOutcome(folder.path, run_files.read_summary(folder.path), state)


def provenance(scenario: LoadedScenario) -> dict[str, Any]:
    """Versions, hashes, machine and date."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    brought = kinds.brought_by(scenario.kind)
    if brought is not None:
        versions[brought[0]] = brought[1]
    return {
        "emdose": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "scenario_sha256": scenario.sha256,
        "scenario_file": str(scenario.file),
        "versions": versions,
        "databases_sha256": {n: hashlib.sha256(resources.text(n).encode()).hexdigest() for n in DATABASES},
        "platform": platform.platform(),
        "command": " ".join(Path(a).name if i == 0 else a for i, a in enumerate(sys.argv)),
    }


def _write(folder: Path, job: BaseJob, outcome: Outcome, summary: dict[str, Any], scenario: LoadedScenario) -> None:
    with atomic.staging(folder) as stage:
        job.write(stage, outcome, summary)
        if run_files.RESULT_FILE not in stage.names:
            raise OutputError(f"{folder}: the job of kind '{scenario.kind}' has written no {run_files.RESULT_FILE}")
        stage.path(run_files.LOCK_FILE).write_text(scenario.lock(), encoding="utf-8")
        # The list tells a later --force what it may remove. The summary is last: its presence says that all is there.
        summary = gated({**summary, "files": [*stage.names, run_files.SUMMARY_FILE]})
        stage.path(run_files.SUMMARY_FILE).write_text(run_files.to_json(summary, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _heard() -> Iterator[list[str]]:
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
