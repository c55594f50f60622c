"""The commands that make the sheet of a label: RF heating first, by runs of their own, then the sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emdose.cli.telling.progress import RunProgress
from emdose.cli.telling.unfinished import Interrupted

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios import LoadedScenario, RunOutcome


def asked(implant: Sequence[str], metal: str | None, unit: str, fields: Sequence[str], coarse: bool) -> LoadedScenario:
    """The scenario that a command line asks for; see :func:`sheet_tables` for its words."""
    from emdose.scenarios.loading import from_tables, load
    from emdose.scenarios.shared.implants.sheet_words import sheet_tables

    found = sheet_tables(implant, metal, unit, fields, coarse)
    return load(found) if isinstance(found, Path) else from_tables(found, Path.cwd() / "emdose label")


def with_rf(
    errors: Console,
    scenario: LoadedScenario,
    out: Path,
    coarse: bool,
    device: str,
    force: bool,
    quiet: bool,
    no_report: bool,
) -> LoadedScenario:
    """The scenario of a sheet, with the runs of RF heating that it lacks.

    Parameters
    ----------
    errors : Console
        For progress.
    scenario : LoadedScenario
        Of kind "label".
    out : Path
        Folder of the sheet.
    coarse : bool
        Larger cells.
    device, force : as of :func:`emdose.scenarios.run`
    quiet, no_report : bool
        Say nothing but what is left out; write no pages of the runs.
    """
    from emdose.scenarios.label_runs import COARSE, with_rf_runs
    from emdose.scenarios.results import write_report

    def tell(text: str) -> None:
        if text.startswith("left out"):
            typer.echo(f"emdose: warning: RF heating {text}", err=True)
        elif not quiet:
            errors.print(text, highlight=False, markup=False, soft_wrap=True)

    def page(outcome: RunOutcome) -> None:
        if not no_report and outcome.state != "finished":
            write_report(outcome.folder)

    grids = COARSE if coarse else None
    try:
        with RunProgress(errors, quiet) as progress:
            return with_rf_runs(
                scenario, out, grids=grids, device=device, force=force, progress=progress, tell=tell, written=page
            )
    except KeyboardInterrupt:
        raise Interrupted("interrupted; finished runs of RF heating are kept: the same command goes on") from None
