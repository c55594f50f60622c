"""``emdose validate``: every case beside its reference, and the verdict."""

from __future__ import annotations

import dataclasses
import datetime
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from emdose.solvers.running import Event
    from emdose.validation.cases import Row


def validate(
    console: Console,
    errors: Console,
    json_file: Path | None,
    names: Sequence[str],
    only_list: bool,
    long: bool,
    device: str,
) -> int:
    """Run cases and print their rows; 1 when one of them misses its tolerance, else 0.

    Parameters
    ----------
    console, errors : rich.console.Console
        For the table, and for the progress.
    json_file : Path, optional
        Where to write the rows as well.
    names : sequence of str
        Cases to run; when empty all of them that are not long.
    only_list : bool
        Print the names only.
    long : bool
        Whether long cases belong to all of them.
    device : str
        "auto", "cpu" or "cuda".
    """
    from emdose.compute import backend
    from emdose.report import terminal
    from emdose.validation import cases

    if only_list:
        for name in (*cases.names(), *(cases.names(long=True) if long else ())):
            terminal.say(console, name)
        return 0
    if json_file is not None:
        _write(json_file, {})  # before the work, lest it be in vain
    start = time.perf_counter()
    be = backend.get(device)

    def tell(event: Event) -> None:
        if event.stage == "case":
            terminal.say(errors, f"case {event.index + 1} of {event.count}: {event.name}")

    rows = cases.run(tuple(names) or None, device=be, progress=tell, long=long)
    seconds = time.perf_counter() - start
    head = ("case", "quantity", "reference", "result", "error", "tolerance", "", "oracle")
    terminal.table(console, head, [_cells(r) for r in rows], right=(2, 3, 4, 5), whole=(6,))
    failed = [r for r in rows if not r.passed]
    verdict = f"{len(rows) - len(failed)} of {len(rows)} rows within their tolerance, {seconds:.0f} s on {be.name}"
    terminal.say(console, verdict, "bold red" if failed else "")
    if json_file is not None:
        _write(json_file, report(rows, be.describe(), seconds))
    return 1 if failed else 0


def report(rows: Sequence[Row], device: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What goes into the JSON file: the rows, whether all passed, on what and when."""
    from emdose.version import __version__

    return {
        "emdose": __version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": device,
        "seconds": seconds,
        "passed": all(r.passed for r in rows),
        "rows": [dataclasses.asdict(r) for r in rows],
    }


def _write(path: Path, value: dict[str, Any]) -> None:
    from emdose.io.disk import atomic, run_files

    atomic.write_text(path, run_files.to_json(value, indent=1) + "\n")


def _cells(row: Row) -> tuple[str | tuple[str, str], ...]:
    verdict = ("pass", "green") if row.passed else ("FAIL", "bold red")
    return (
        row.case,
        row.quantity,
        f"{row.reference:.5g}",
        f"{row.result:.5g}",
        f"{row.error:.2g}",
        f"{row.tolerance:.2g}",
        verdict,
        row.oracle,
    )
