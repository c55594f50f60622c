"""The command ``emdose refine``: one scenario on several grids."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from emdose.checks import unknown
from emdose.errors import EmdoseWarning, InputError

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.study import RefinementStudy


def scenario_file(target: Path) -> Path:
    """A scenario's file; one that comes with emdose may be called by its name."""
    from emdose import scenarios

    if target.exists() or target.suffix:
        return target
    names = scenarios.bundled_names()
    if str(target) not in names:
        raise unknown("no such file, and no bundled scenario of that name", str(target), names)
    return scenarios.bundled(str(target))


def spacings(text: str | None) -> list[float] | None:
    """Spacings from a list such as "6e-3, 4e-3, 3e-3" [m]."""
    if text is None:
        return None
    try:
        return [float(part) for part in re.split(r"[\s,;]+", text.strip()) if part]
    except ValueError:
        expected = 'two or more lengths in metres, such as "6e-3 4e-3 3e-3"'
        raise InputError("bad spacings", field="spacings", found=text, expected=expected) from None


def run(
    console: Console,
    errors: Console,
    target: Path,
    text: str | None,
    out: Path | None,
    device: str,
    force: bool,
    quiet: bool,
    no_report: bool,
) -> int:
    """Run, show the table, and say where the files are."""
    from rich.console import Console

    from emdose.cli.telling.progress import RunProgress
    from emdose.report import terminal
    from emdose.scenarios.study.refinement_study import PAGE_FILE, refine

    with warnings.catch_warnings(record=True) as heard, RunProgress(errors, quiet) as progress:
        warnings.simplefilter("always", EmdoseWarning)
        study = refine(
            scenario_file(target),
            spacings(text),
            out,
            device=device,
            force=force,
            report=not no_report,
            progress=progress,
        )
    for one in dict.fromkeys(str(w.message) for w in heard if issubclass(w.category, EmdoseWarning)):
        if not quiet:
            terminal.say(errors, f"emdose: warning: {one}")
    if quiet:
        console = Console(quiet=True)
    else:
        show(console, study)
    for folder in study.folders:
        terminal.say(console, f"  {folder}")
    if not no_report:
        terminal.say(console, f"Open {(study.folders[0].parent / PAGE_FILE).resolve().as_uri()}")
    return 0


def show(console: Console, study: RefinementStudy) -> None:
    """Every number on every grid, with what the grid leaves uncertain of it."""
    from emdose.report import terminal
    from emdose.report.pages.refinement_page import row

    told = study.to_dict()
    rows = [row(name, one) for name, one in told["quantities"].items()]
    grids = [f"{1e3 * h:.3g} mm" for h in told["spacings_m"][::-1]]
    head = ("quantity", *grids, "unit", "order", "limit", "+- (k = 2)", "", "")
    cells = [
        (
            r["name"],
            *r["values"],
            r["unit"],
            r["order"],
            r["extrapolated"],
            r["expanded"],
            r["relative"],
            r["behaviour"],
        )
        for r in rows
    ]
    n = len(grids)
    terminal.table(console, head, cells, right=(*range(1, n + 1), *range(n + 2, n + 6)), whole=(n + 1, n + 6))
    for note in told["notes"]:
        terminal.say(console, note, "bold yellow")
    terminal.say(console, "The uncertainty is that of the finest grid, of its discretisation only.")
