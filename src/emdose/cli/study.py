"""The command ``emdose study``: what is uncertain about a scenario, and what follows from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.errors import EmdoseWarning

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.study import StudyResult

SHOWN = 5
"""Failed samples that the terminal lists; the page and study.json have all."""


def run(
    console: Console,
    errors: Console,
    target: Path,
    out: Path | None,
    changes: Mapping[str, Any],
    device: str,
    force: bool,
    quiet: bool,
    no_report: bool,
) -> int:
    """Run the study of a scenario, show its numbers, and say where the files are.

    Parameters
    ----------
    console, errors : Console
        For results, and for progress.
    target : Path
        Scenario, or the name of a bundled one.
    out : Path or None
        Folder of the study.
    changes : mapping
        Options that replace those of the table [uncertainty]; None changes nothing.
    device, force, quiet, no_report
        As of the other commands.
    """
    from rich.console import Console

    from emdose import scenarios
    from emdose.cli.refinement import scenario_file
    from emdose.cli.telling.progress import RunProgress
    from emdose.report import terminal
    from emdose.scenarios.study.asked import options_of, study_of, with_table

    scenario = with_table(scenarios.load(scenario_file(target)))
    study = study_of(scenario)
    options = {**options_of(scenario.uncertainty), **{k: v for k, v in changes.items() if v is not None}}
    folder = out if out is not None else Path(f"{target.stem.removesuffix('.lock')}-study")
    with warnings.catch_warnings(record=True) as heard, RunProgress(errors, quiet) as progress:
        warnings.simplefilter("always", EmdoseWarning)
        inputs = f"{len(study.variations)} laws" + (f", {len(study.discrete)} strata" if study.discrete else "")
        progress.planned(f"{study.name}: {options['method']} of {inputs}, samples go to {folder}")
        result = study.run(**options, out=folder, device=device, force=force, progress=progress)
    for one in dict.fromkeys(str(w.message) for w in heard if issubclass(w.category, EmdoseWarning)):
        if not quiet:
            terminal.say(errors, f"emdose: warning: {one}")
    if quiet:
        console = Console(quiet=True)
    else:
        show(console, result)
    told_failed(errors, [{"inputs": dict(o.inputs), "error": o.error} for o in result.failed], result.samples)
    terminal.say(console, f"  {folder}")
    if not no_report:
        from emdose.scenarios.study_pages import write_study_pages

        for page in filter(None, write_study_pages(result)):
            terminal.say(console, f"Open {page.resolve().as_uri()}")
    return 0


def show(console: Console, result: StudyResult) -> None:
    """Every output with its mean, standard deviation and expanded uncertainty, and what it is owed to."""
    from emdose.report import terminal

    rows = []
    mean, std = result.mean, result.std
    for name in result.names:
        budget = result.budget(name)
        factor, unit = terminal.PREFIXES.get(budget.unit, (1.0, budget.unit))
        numbers = [f"{factor * v:.4g}" for v in (budget.value, mean[name], std[name], budget.expanded)]
        largest = budget.largest
        share = max(budget.shares, default=0.0)
        first = "" if largest is None or not budget.combined else f"{largest.source} {share:.0f} %"
        rows.append((name, *numbers, unit, first))
    headers = ("quantity", "value", "mean", "sd of inputs", f"U ({100 * result.coverage:g} %)", "unit", "most from")
    terminal.table(console, headers, rows, right=(1, 2, 3, 4), whole=(5,))
    terminal.say(console, f"{result.samples} samples, {result.cached} of them kept from before; {result.method}")
    for note in result.notes:
        terminal.say(console, note)
    for name, check in result.checks.items():
        terminal.say(console, f"{name}: {check.words}")


def told_failed(errors: Console, failed: list[Mapping[str, Any]], samples: int) -> None:
    """Say how many samples have failed, and the first of them with their inputs."""
    from emdose.report import terminal

    if not failed:
        return
    text = f"{len(failed)} of {samples + len(failed)} samples have failed after a second try and are left out"
    terminal.say(errors, f"emdose: warning: {text}")
    for one in failed[:SHOWN]:
        inputs = ", ".join(f"{k} = {v:.6g}" if isinstance(v, float) else f"{k} = {v}" for k, v in one["inputs"].items())
        terminal.say(errors, f"  {inputs}: {one['error']}")
