"""Writes the table of limits for the guide from the shipped data itself, so that they cannot disagree."""

from __future__ import annotations

from pathlib import Path

from emdose.compliance.limits import NOTES, Limit, duration, table

HEAD = ("quantity", "mode", "region", "averaging", "frequency", "value", "state", "clause", "source")


def text() -> str:
    """One table per document and edition, notes to the documents, and the sources."""
    rows = table()
    sources = {origin: n for n, origin in enumerate(dict.fromkeys(row.origin for row in rows), 1)}
    lines: list[str] = []
    for document in dict.fromkeys((row.standard, row.edition) for row in rows):
        name, edition = document
        lines += [f"## {name}" + ("" if name.endswith(edition) else f", {edition}"), ""]
        lines += [note + "\n" for note in NOTES.get(name, ())]
        lines += [_line(HEAD), _line(["---"] * len(HEAD))]
        lines += [_line(_cells(row, sources[row.origin])) for row in rows if (row.standard, row.edition) == document]
        lines.append("")
    lines += ["## Sources and reservations", ""]
    lines += [f"* [{n}] {_plain(origin)}" for origin, n in sources.items()]
    return "\n".join(lines) + "\n"


def write(path: Path) -> None:
    """Write :func:`text` to a file."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(text(), encoding="utf-8")


def _cells(row: Limit, source: int) -> list[str]:
    averaging = ", ".join(filter(None, (duration(row.window_s), row.statistic)))
    value = f"`{row.limit}` {row.unit}"
    return [row.quantity, row.mode, row.region, averaging, row.band, value, row.state, row.clause, f"[{source}]"]


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cell if cell.startswith('`') else _plain(cell) for cell in cells)} |"


def _plain(cell: str) -> str:
    return cell.replace("~", "\\~").replace("*", "\\*")
