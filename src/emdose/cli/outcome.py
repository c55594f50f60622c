"""What the terminal says of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emdose.validity import Validity

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios import RunOutcome


def told(console: Console, errors: Console, outcome: RunOutcome, written: Path | None) -> int:
    """Print how a run came about, its numbers and its files; the exit code.

    Parameters
    ----------
    console, errors : rich.console.Console
        Of stdout and stderr.
    outcome : RunOutcome
        The run.
    written : Path or None
        Its page.
    """
    from emdose.report import terminal
    from emdose.scenarios import results

    data = outcome.summary
    if outcome.state == "finished":
        version = data["provenance"].get("emdose", "?")
        date = data["provenance"].get("date", "?")
        terminal.say(
            console,
            f"This scenario was run before, on {date} with emdose {version}; nothing was computed "
            "(--force computes it again).",
        )
    if outcome.state == "evaluated":
        terminal.say(
            console,
            "What the solver is given has not changed: its solution was evaluated anew, nothing was solved "
            "(--force solves again).",
        )
    results.tell(console, data)
    console.print()
    samples = (data.get("uncertainty") or {}).get("study") or {}
    if samples.get("failed"):
        from emdose.cli import study as studies

        studies.told_failed(errors, samples["failed"], samples["samples"])
    names = sorted(p.name for p in outcome.folder.iterdir() if p.is_file())
    maps = [n for n in names if n.endswith(".nii.gz")]
    for name in (n for n in names if n not in maps):
        terminal.say(console, f"  {outcome.folder / name}")
    if maps:
        terminal.say(console, f"  {outcome.folder / '*.nii.gz'} ({len(maps)} maps)")
    if written is not None:
        terminal.say(console, f"Open {written.resolve().as_uri()}")
    return verdict(outcome)


def verdict(outcome: RunOutcome) -> int:
    """The exit code of a run; one that is not valid is an error, which is told however quiet it shall be."""
    judged = Validity.of_dict(outcome.summary["validity"])
    if not judged.is_valid:
        typer.echo(f"emdose: error: not valid: {' '.join(judged.reasons)}", err=True)
        return 1
    return 0


def checked_scenario(file: Path, device: str) -> int:
    """Say what a scenario would run, and refuse what cannot; the exit code.

    Parameters
    ----------
    file : Path
        The scenario.
    device : str
        Where it would run.
    """
    from emdose import scenarios

    scenario = scenarios.load(file)
    job = scenarios.kind(scenario.kind).job(scenario, device)
    typer.echo(f"{file}: a valid scenario of kind {scenario.kind}, '{scenario.name}'")
    for line in job.describe():
        typer.echo(line)
    typer.echo(f"plan: {job.plan()}")
    job.prepare()
    return 0
