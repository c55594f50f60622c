"""The commands about finished runs: ``emdose report`` of one, ``emdose compare`` of a few, ``emdose group`` of many."""

from __future__ import annotations

import string
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

PAGE_FILE, STUDY_FILE, STUDY_FOLDER = "compare.html", "study.json", "study"
MOST_KEYS = 20


def run(
    console: Console,
    folders: list[Path],
    out: Path | None,
    json_file: Path | None,
    quiet: bool,
    no_report: bool,
) -> int:
    """Compare, print the table, write the page."""
    from emdose.io.disk import atomic, run_files
    from emdose.report import terminal
    from emdose.report.pages import comparison_page
    from emdose.report.wording import plain
    from emdose.scenarios import compare

    found = compare(*folders)
    told = found.to_dict()
    if not quiet:
        terminal.say(console, f"A: {found.names[0]}, {found.folders[0]}", "bold")
        for pair, letter in zip(found.pairs, string.ascii_uppercase[1:], strict=False):
            terminal.say(console, f"{letter}: {pair.names[1]}, {pair.folders[1]}", "bold")
            for text in pair.notes:
                terminal.say(console, text, "yellow")
            head = ("quantity", "A", letter, "unit", f"{letter} - A", "of A", "U of it", "difference")
            rows = comparison_page.terminal_rows(pair.to_dict())
            terminal.table(console, head, rows, right=(1, 2, 4, 5, 6), whole=(3, 7))
            terminal.say(console, f"Keys of the scenarios that differ: {len(pair.keys) or 'none'}", "bold")
            shown = [(key, plain(a), plain(b)) for key, (a, b) in list(pair.keys.items())[:MOST_KEYS]]
            if shown:
                terminal.table(console, ("key", "A", letter), shown, right=())
            if len(pair.keys) > MOST_KEYS:
                terminal.say(console, f"... and {len(pair.keys) - MOST_KEYS} more, on the page and in --json")
    if json_file is not None:
        atomic.write_text(json_file, run_files.to_json(told, indent=1) + "\n")
    if not no_report:
        written = found.write(out or Path(PAGE_FILE))
        if quiet:
            return 0
        terminal.say(console, f"Open {written.resolve().as_uri()}")
    return 0


def pages_of(folder: Path) -> Path:
    """Write the page of a run, and those of the study in its folder where it has one.

    The first is told; of a study with strata, whose cases are what was asked for, that of all its samples.
    """
    from emdose.scenarios import results

    study, group = folder / STUDY_FOLDER, None
    if (study / STUDY_FILE).exists():
        from emdose.scenarios.study_pages import write_study_pages

        group = write_study_pages(study)[1]
    page = results.write_report(folder)
    return group or page


def report(folder: Path, out: Path | None, methods: bool) -> int:
    """Write a page again, or print the methods of a run."""
    from emdose.io.disk import atomic
    from emdose.io.disk.run_files import SUMMARY_FILE
    from emdose.scenarios import results

    if methods:
        text = str(results.methods(folder))
        if out is None:
            typer.echo(text)
        else:
            atomic.write_text(out, f"{text}\n")
        return 0
    if (folder / STUDY_FILE).exists() and not (folder / SUMMARY_FILE).exists():
        from emdose.scenarios.study_pages import write_study_page, write_study_pages

        if out is not None:
            typer.echo(write_study_page(folder, out))
        else:
            for page in filter(None, write_study_pages(folder)):
                typer.echo(page)
        return 0
    typer.echo(pages_of(folder) if out is None else results.write_report(folder, out))
    return 0


def group(folders: list[Path], out: Path | None, quantities: list[str] | None, stratum: str | None) -> int:
    """Write one page for many runs."""
    from emdose.io.disk.run_files import SUMMARY_FILE
    from emdose.scenarios.group import write_group

    for study in (folders[0], folders[0] / STUDY_FOLDER) if len(folders) == 1 else ():
        if (study / STUDY_FILE).exists():
            from emdose.scenarios.study_pages import write_group_page

            typer.echo(write_group_page(study, out, quantities or None))
            return 0
    one = len(folders) == 1 and not (folders[0] / SUMMARY_FILE).exists()
    typer.echo(write_group(folders[0] if one else folders, out, quantities or None, stratum))
    return 0
