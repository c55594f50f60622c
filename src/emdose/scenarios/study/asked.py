"""The study that the table [uncertainty] of a scenario asks for, and a run together with it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emdose import resources
from emdose.checks import is_number
from emdose.errors import InputError
from emdose.io.disk import atomic, run_files
from emdose.report import limit_words
from emdose.scenarios import kinds
from emdose.scenarios.folder import RunFolder
from emdose.scenarios.gate import validity
from emdose.scenarios.given import given
from emdose.scenarios.loading import load
from emdose.scenarios.run import RunOutcome
from emdose.scenarios.run import run as run_alone
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.scenarios.shared.tables import explain
from emdose.scenarios.study.arms import NOMINAL
from emdose.scenarios.study.findings.budgets import stated
from emdose.scenarios.study.findings.finished_run import FinishedRun, nearby_of
from emdose.scenarios.study.result import StudyResult
from emdose.scenarios.study.runs import SampleOutcome, about
from emdose.scenarios.study.study import Study, arms_of
from emdose.scenarios.uncertainty_table import KEY, InputTable, UncertaintyTable
from emdose.solvers.progress import watched
from emdose.solvers.running import Progress, ProgressCallback, callback

STUDY_FOLDER = "study"
"""Where a run keeps its study."""
INPUTS = "inputs"
"""Kind of an uncertainty that holds the inputs alone."""
LEFT_OUT = "of the inputs alone: the run states nothing for grid and noise"
BEFORE = "stated_by_the_run"
"""What the run itself says of its numbers, which the budget has taken in."""


@watched
def run(
    scenario: LoadedScenario | Mapping[str, Any] | Path | str,
    out: Path | str | None = None,
    *,
    device: str = "auto",
    resume: bool = False,
    force: bool = False,
    progress: Progress = True,
) -> RunOutcome:
    """Run a scenario and write its result folder; with a table [uncertainty], its study as well.

    The study is run after the run itself, in its folder ``study``: the budget of every number goes into summary.json.
    A result that is not valid has no study.

    Parameters
    ----------
    scenario : LoadedScenario, mapping, Path or str
        The scenario, its file, or its tables. In tables a phantom, coil, implant, waveform or solver may stand in the
        place of the table that would make it: ``{"scenario": {"kind": "rf", "name": "mine"}, "phantom": my_head,
        "coil": em.Birdcage(), ...}``. What a table cannot hold is written to files in ``inputs`` of the result folder,
        so that the run is a whole scenario. A field given by a function cannot be written.
    out : Path or str, optional
        The result folder; by default one named after the scenario.
    device : "auto", "cpu" or "cuda"
        Where to compute.
    resume, force : bool
        Go on with an unfinished solution; throw away an earlier run and solve again.
    progress : bool or callable, optional
        True shows a bar where somebody watches; False is quiet; a function gets the events of the run, and
        :class:`~emdose.scenarios.study.runner.SampleDone`.

    Returns
    -------
    RunOutcome
        As of the run itself; its ``result`` is the :class:`~emdose.scenarios.Run`.

    Raises
    ------
    InputError, OutputError, ResourceError, DeviceError
        As of the run itself. What the study refuses is refused before anything is solved.
    """
    if isinstance(scenario, Mapping):
        with given(scenario, out) as (loaded, folder):
            return run(loaded, folder, device=device, resume=resume, force=force, progress=callback(progress))
    if not isinstance(scenario, LoadedScenario):
        scenario = load(scenario)
    out = Path(f"{scenario.file.stem.removesuffix('.lock')}-result") if out is None else out
    if scenario.uncertainty is None:
        return run_alone(scenario, out, device=device, resume=resume, force=force, progress=callback(progress))
    study = study_of(scenario)
    arms_of(study, device=device)  # paths and laws: before anything is solved
    outcome = run_alone(scenario, out, device=device, resume=resume, force=force, progress=callback(progress))
    if not validity(outcome.summary).is_valid:
        return outcome
    return with_uncertainty(scenario, study, outcome, device=device, force=force, progress=callback(progress))


def with_uncertainty(
    scenario: LoadedScenario,
    study: Study,
    outcome: RunOutcome,
    *,
    device: str = "auto",
    force: bool = False,
    progress: ProgressCallback | None = None,
) -> RunOutcome:
    """A finished run with its study, which is served where nothing has changed; arguments as of :func:`run`."""
    table = table_of(scenario)
    options = options_of(table)
    identity = study.identity(table.seed, table.design)
    told = [identity, {k: v for k, v in options.items() if k != "executor"}, resources.code_sha256()]
    told.append(outcome.summary["provenance"].get("date"))
    key = hashlib.sha256(run_files.to_json(told, exact=True).encode()).hexdigest()
    known = (outcome.summary.get("uncertainty") or {}).get("study") or {}
    if known.get("key") == key and not force:
        return outcome
    folder = RunFolder(outcome.folder)
    folder.claim()
    try:
        place = outcome.folder / STUDY_FOLDER
        if force and place.is_dir():
            with contextlib.suppress(OSError):
                shutil.rmtree(place)
        asks = table.method == "budget" and table.spacing_m == "auto"
        nearby = nearby_of(scenario, outcome.folder, outcome.summary, device) if asks else None
        finished = FinishedRun(_nominal(outcome.summary), nearby)
        result = study.run(**options, out=place, device=device, force=True, progress=progress, finished=finished)
        summary = told_of(run_files.read_summary(outcome.folder), _of_its_stratum(scenario, study, result), key)
        (outcome.folder / run_files.REPORT_FILE).unlink(missing_ok=True)  # it says less than the summary now
        atomic.write_text(outcome.folder / run_files.LOCK_FILE, scenario.lock())
        atomic.write_text(outcome.folder / run_files.SUMMARY_FILE, run_files.summary_text(summary))
    finally:
        folder.release()
    return replace(outcome, summary=summary)


def told_of(summary: Mapping[str, Any], result: StudyResult, key: str = "") -> dict[str, Any]:
    """A summary with the budgets of a study: "uncertainty", and that of every quantity that the study has.

    Parameters
    ----------
    summary : mapping
        summary.json of the run at the nominal values.
    result : StudyResult
        Its study.
    key : str
        Hash of what the study was asked for.
    """
    whole = result.to_dict()
    before = (summary.get("uncertainty") or {}).get(BEFORE) or {}
    quantities, kept, budgets = {}, {}, {}
    for name, entry in summary["quantities"].items():
        own = before.get(name, entry.get("uncertainty"))
        quantities[name] = {**entry, "uncertainty": own}
        if name in result.names:
            budget = result.budget(name)
            kept[name], budgets[name] = own, budget.to_dict()
            entry = stated(result, name, budget)
            if own is None:  # what grid and noise leave is not known, so that this is less than the whole
                entry |= {"kind": INPUTS, "basis": f"{entry['basis']}; {LEFT_OUT}"}
            quantities[name]["uncertainty"] = entry
    study = {k: whole[k] for k in ("samples", "cached", "failed", "notes", "seconds", "identity", "coverage")}
    outputs = {
        n: {k: one[k] for k in ("mean", "sd", "first", "total", "loo", "quantiles", "words", "model")}
        for n, one in whole["outputs"].items()
    }
    found = {
        **summary,
        "quantities": quantities,
        "uncertainty": {
            "method": result.method,
            "inputs": whole["inputs"],
            "budgets": budgets,
            BEFORE: kept,
            "study": {**study, "key": key, "folder": STUDY_FOLDER, "outputs": outputs},
        },
    }
    limit_words.refresh(found)
    return found


def _of_its_stratum(scenario: LoadedScenario, study: Study, result: StudyResult) -> StudyResult:
    """The part of a study with strata that a run belongs to: a run lies at one landmark, and not at all of them.

    The whole, where the run is none of its cases.
    """
    plain = scenario.values()
    for combination, case in zip(itertools.product(*(s.values for s in study.discrete)), result.cases, strict=False):
        own = [_at(plain, s.path) for s in study.discrete]
        if study.discrete and [str(v) for v in combination] == [str(v) for v in own]:
            note = f"Of {case.name} alone, {len(case.X)} samples; the study has the other cases."
            one = replace(case, weight=1.0)
            return replace(result, cases=(one,), samples=len(case.X), notes=(note, *result.notes))
    return result


def _at(plain: Any, path: str) -> Any:
    """The value at a path of plain tables; None where there is none."""
    for step in toml.steps_of(path):
        try:
            plain = plain[step]
        except (KeyError, IndexError, TypeError):
            return None
    return plain


def _nominal(summary: Mapping[str, Any]) -> SampleOutcome:
    """A finished run as the sample of the nominal values."""
    before = (summary.get("uncertainty") or {}).get(BEFORE) or {}
    entries = {k: {**v, "uncertainty": before.get(k, v.get("uncertainty"))} for k, v in summary["quantities"].items()}
    numbers = {k: v for k, v in entries.items() if is_number(v.get("value"))}
    return SampleOutcome(
        NOMINAL,
        "the run itself",
        {},
        {k: float(v["value"]) for k, v in numbers.items()},
        {k: str(v.get("unit", "")) for k, v in numbers.items()},
        about=about({**summary, "quantities": entries}),
        seconds=float((summary.get("timing_s") or {}).get("total") or 0.0),
    )


def study_of(scenario: LoadedScenario) -> Study:
    """The study of a scenario's own table [uncertainty], with the default laws of its kind where it takes them.

    Parameters
    ----------
    scenario : LoadedScenario
        The scenario.

    Raises
    ------
    InputError
        When it has no such table, its kind has no default laws, or a path names nothing.
    """
    table = table_of(scenario)
    study = Study(scenario, correlation_kind=table.copula_rank)
    rows = list(table.inputs)
    if table.takes_defaults:
        rows += default_rows(scenario, rows)
    for row in rows:
        study = study.vary(row.path, row.made(), together=row.together, name=row.name or "", source=row.source or "")
    told = {frozenset(pair.inputs) for pair in table.correlations}
    if table.takes_defaults:
        own = [row.path for row in rows[len(table.inputs) :]]
        for first, second, value in kinds.get(scenario.kind).default_correlations(own):
            a, b = ({r.path: r.name or r.path for r in rows}[p] for p in (first, second))
            if not told & {frozenset((a, b)), frozenset((first, second))}:
                study = study.correlate(a, b, value)
    for pair in table.correlations:
        study = study.correlate(pair.inputs[0], pair.inputs[1], pair.value)
    for one in table.strata:
        study = study.strata(one.path, one.values, one.weights, one.name or "")
    return study


def default_rows(scenario: LoadedScenario, own: list[InputTable]) -> list[InputTable]:
    """The default laws of the kind of a scenario, without those of paths that the scenario has laws of its own for."""
    found = []
    for raw in kinds.get(scenario.kind).default_laws(scenario):
        try:
            row = InputTable.model_validate(dict(raw))
        except ValidationError as error:  # a kind that somebody else has written
            raise explain(error, raw, scenario.file) from None
        if row.path not in {r.path for r in own}:
            found.append(row)
    if not found and not own:
        raise InputError(
            f"a scenario of kind '{scenario.kind}' has no default laws",
            file=scenario.file,
            field=KEY,
            expected="[[uncertainty.inputs]] with path and law",
        )
    return found


def with_table(scenario: LoadedScenario) -> LoadedScenario:
    """The scenario itself; one without a table [uncertainty] with the default one."""
    return scenario if scenario.uncertainty is not None else replace(scenario, uncertainty=UncertaintyTable())


def table_of(scenario: LoadedScenario) -> UncertaintyTable:
    """The table [uncertainty] of a scenario; raises InputError where it has none."""
    table = scenario.uncertainty
    if not isinstance(table, UncertaintyTable):
        expected = f'{KEY} = "default", or a table [{KEY}]'
        raise InputError("nothing is said to be uncertain", file=scenario.file, field=KEY, expected=expected)
    return table


def options_of(table: UncertaintyTable) -> dict[str, Any]:
    """What a table says about how its study is run, as arguments of :meth:`Study.run`."""
    keys = ("method", "runs", "target", "minutes", "degree", "seed", "design", "coverage", "outputs")
    found = {key: getattr(table, key) for key in (*keys, "trials", "reduced", "executor")}
    return {**found, "maps": table.maps or (), "spacing_m": table.spacing_m}
