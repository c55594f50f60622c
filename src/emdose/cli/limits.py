"""``emdose limits``: the table of limits on the terminal or as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emdose.checks import one_of
from emdose.compliance.limits import NOTES, STATES, Limit, confirmed, duration, limits
from emdose.compliance.terms.confirmations import as_confirmations
from emdose.errors import InputError
from emdose.io.disk import atomic
from emdose.io.limits import read_confirmations
from emdose.report import terminal

if TYPE_CHECKING:
    from rich.console import Console

HEAD = (
    "standard",
    "edition",
    "clause",
    "quantity",
    "mode",
    "region",
    "averaging",
    "frequency",
    "value",
    "state",
    "read in",
)
COLUMNS = (
    *("standard", "edition", "clause", "quantity", "mode", "region", "coil_type", "window_s", "mass_g", "f_min_Hz"),
    *("f_max_Hz", "statistic", "limit", "unit", "state", "verified_by", "value_read", "source", "reason", "name"),
)


def chosen(
    parts: Mapping[str, str | None],
    state: str | None,
    frequency_Hz: float | None,
    verified_by: Path | None,
    use_values: Sequence[str],
) -> tuple[Limit, ...]:
    """Rows whose columns hold the given parts of words, whatever their case; raises InputError when none does."""
    rows = limits(frequency_Hz=frequency_Hz)
    if verified_by is not None or use_values:
        readings = () if verified_by is None else read_confirmations(verified_by)
        rows = confirmed(rows, as_confirmations(readings), use_values)
    for key, part in parts.items():
        if part is None:
            continue
        left = tuple(row for row in rows if part.lower() in getattr(row, key).lower())
        if not left:
            choices = ", ".join(sorted({getattr(row, key) for row in rows} - {""}))
            raise InputError("no limit matches", field=key, found=part, expected=choices or "nothing here")
        rows = left
    if state is not None:
        one_of("state", state, STATES, problem="unknown state of a limit")
        rows = tuple(row for row in rows if row.state == state)
    if not rows:
        raise InputError("no limit matches", field="state" if state else "frequency", found=state or frequency_Hz)
    return rows


def show(console: Console, rows: Sequence[Limit]) -> int:
    """Print the rows, what their states mean, notes to their standards, and the sources."""
    sources = {row.origin: n for n, row in reversed(list(enumerate(rows)))}
    numbers = {source: n for n, source in enumerate(sorted(sources, key=lambda s: sources[s]), 1)}
    cells = [(*_cells(row), f"[{numbers[row.origin]}]") for row in rows]
    terminal.table(console, HEAD, cells, right=(), whole=(9, 10))
    console.print()
    for name, meaning in STATES.items():
        count = sum(row.state == name for row in rows)
        if count:
            terminal.say(console, f"{name} ({count} of {len(rows)}): {meaning}.")
    for standard in dict.fromkeys(row.standard for row in rows):
        for note in NOTES.get(standard, ()):
            terminal.say(console, f"{standard}: {note}")
    for source, n in numbers.items():
        terminal.say(console, f"[{n}] {source}")
    return 0


def write(rows: Sequence[Limit], file: Path) -> int:
    """Write the rows as CSV to a file, or to the terminal for "-"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        reading = row.confirmation
        known = {} if reading is None else {"verified_by": reading.initials, "value_read": reading.value}
        values = (known.get(key, getattr(row, key, "")) for key in COLUMNS)
        writer.writerow("" if v is None else f"{v:g}" if isinstance(v, float) else v for v in values)
    if str(file) == "-":
        typer.echo(text.getvalue(), nl=False)
    else:
        atomic.write_text(file, text.getvalue())
    return 0


def _cells(row: Limit) -> tuple[str, ...]:
    averaging = ", ".join(filter(None, (duration(row.window_s), row.statistic)))
    value = row.limit if " " not in row.limit else f"({row.limit})"
    state = row.standing + (" (another value read)" if row.disputed else "")
    where = (row.standard, row.edition, row.clause, row.quantity, row.mode, row.region)
    return (*where, averaging, row.band, f"{value} {row.unit}", state)
