"""Tables and lines of results on the terminal, the same for every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emdose import conformity
from emdose.report import limit_words
from emdose.report.wording import STATIC_T
from emdose.validity import THRESHOLDS, Validity

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PREFIXES = {"T": (1e6, "uT"), "T/sqrt(W)": (1e6, "uT/sqrt(W)"), "F": (1e12, "pF")}
"""Units that users read in another size."""


def table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str | tuple[str, str]]],
    right: Sequence[int],
    whole: Sequence[int] = (),
) -> None:
    """Print rows in columns, the numbers to the ``right``.

    In a narrow terminal words wrap; numbers and the columns in ``whole`` never do. A cell is a text, or a text and its
    style.
    """
    from rich.table import Table as RichTable
    from rich.text import Text

    grid: Table = RichTable(box=None, pad_edge=False, header_style="bold")
    for i, header in enumerate(headers):
        side: Any = "right" if i in right else "left"
        grid.add_column(header, justify=side, no_wrap=i in right or i in whole, overflow="fold")
    for row in rows:
        # Names come from users: "[/]" in one of them must not be taken for markup.
        grid.add_row(*(Text(cell) if isinstance(cell, str) else Text(*cell) for cell in row))
    console.print(grid)


def say(console: Console, text: str, style: str = "") -> None:
    """Print a line as it is: nothing in it is markup, and it is not broken where output is no terminal."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def quantities(console: Console, entries: Mapping[str, Mapping[str, Any]]) -> None:
    """The table of the headline numbers, each with its unit."""
    rows = [quantity_row(name, entry) for name, entry in entries.items()]
    table(console, ("quantity", "value", "unit", "note"), rows, right=(1,), whole=(2,))
    spreads = [e["uncertainty"] for e in entries.values() if isinstance(e.get("uncertainty"), Mapping)]
    if any(u.get("kind") == "combined" for u in spreads):
        say(console, "+- is the expanded uncertainty (95 %): inputs, discretisation and what is numerical, combined")
    elif any(u.get("kind") == "discretisation" for u in spreads):
        say(console, "+- is the expanded uncertainty (k = 2): discretisation only, unless the scenario gives one")
    if any(u.get("kind") == "inputs" for u in spreads):
        say(console, "* holds the inputs alone: the run itself states nothing of grid or noise")


def quantity_row(name: str, entry: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Name, value, unit and note of a quantity."""
    factor, unit = PREFIXES.get(entry["unit"], (1.0, entry["unit"]))
    value = entry["value"]
    if unit == "uT" and value is not None and abs(value) >= STATIC_T:
        factor, unit = 1.0, "T"
    notes = [str(entry["note"])] if entry.get("note") else []
    if "mass_kg" in entry:
        notes.append(f"{entry['mass_kg']:.3g} kg")
    if "location_m" in entry:
        place = ", ".join(f"{1e3 * x:.0f}" for x in entry["location_m"])
        notes.append(f"at ({place}) mm in {entry.get('tissue', '?')}")
    spread = entry.get("uncertainty")
    text = "-" if value is None else f"{factor * value:.4g}"
    if isinstance(spread, Mapping) and spread.get("expanded") is not None:
        text += f" +- {factor * spread['expanded']:.2g}{' *' if spread.get('kind') == 'inputs' else ''}"
    return name, text, "" if unit == "1" else unit, "; ".join(notes)


def checks(console: Console, rows: Sequence[Mapping[str, Any]], inputs: Mapping[str, Any]) -> None:
    """The table of limits, what binds first and the B1+rms that it leaves."""
    edition = f"{inputs.get('standard', '')} edition {inputs.get('edition', '')}" if inputs else ""
    shown = [r for r in rows if r["limit"] is not None]
    say(console, f"Limits: {edition}" if shown else "Limits: none", "bold")
    head = ("mode", "quantity", "region", "window", "value", "U", "limit", "margin", "P(exceeds)", "result", "read in")
    sources = _sources(rows)
    cells = [(*_check_row(r), _reference(r, sources)) for r in rows]
    table(console, head, cells, right=(3, 4, 5, 6, 7), whole=(0, 1, 8, 10))
    binding = inputs.get("binding_row", {})
    for mode, b1 in inputs.get("b1plus_rms_limit_T", {}).items():
        if binding.get(mode) is None:
            say(console, f"{mode}: no limit was evaluated")
            continue
        row = rows[binding[mode]]
        text = f"{mode}: {row['quantity']} ({row['region']}) binds first, at {100 * row['ratio']:.1f} % of its limit"
        if b1 is not None:
            text += f"; reached at B1+rms = {1e6 * b1:.3g} uT"
        say(console, text)
    if any(r.get("uncertainty_kind") == "discretisation" and r.get("p_exceed") is not None for r in shown):
        say(console, "P(exceeds) is that of the stated U: where it holds discretisation only, so does P")
    for text in () if shown else inputs.get("notes", ()):
        say(console, text)
    for text in dict.fromkeys(filter(None, map(limit_words.reading, shown))):
        say(console, text, "bold red")
    if doubtful := limit_words.doubtful(shown):
        say(console, f"{doubtful}:" if sources else doubtful)
    for (standing, source), n in sources.items():
        say(console, f"[{n}] {standing}: {source}")


def _sources(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """Standing and source of the limits, numbered in order."""
    shown = (r for r in rows if r["limit"] is not None)
    keys = dict.fromkeys((limit_words.standing(r)["standing"], str(r.get("source") or "not told")) for r in shown)
    return {key: n for n, key in enumerate(keys, 1)}


def _reference(row: Mapping[str, Any], sources: Mapping[tuple[str, str], int]) -> str:
    n = sources.get((limit_words.standing(row)["standing"], str(row.get("source") or "not told")))
    return "-" if row["limit"] is None or n is None else f"[{n}]"


def _check_row(row: Mapping[str, Any]) -> tuple[str | tuple[str, str], ...]:
    number = {k: "-" if row[k] is None else f"{row[k]:.3g} {row['unit']}" for k in ("value", "limit")}
    margin = "-" if row["margin_percent"] is None else f"{row['margin_percent']:+.0f} %"
    window = "-" if row["window_s"] is None else f"{row['window_s']:g} s"
    quantity = row["quantity"] + (f" {row['averaging_mass_g']:g} g" if row["averaging_mass_g"] else "")
    spread = row.get("uncertainty")
    colour = {"above limit": "bold red", "below limit": "green", conformity.REACHES: "yellow"}.get(row["verdict"], "")
    if row["margin_percent"] is not None and row["margin_percent"] < 0:
        colour = "bold red"
    return (
        row["mode"] or "-",
        quantity,
        row["region"],
        window,
        number["value"],
        "-" if spread is None else f"{spread:.2g}",
        number["limit"],
        margin,
        limit_words.probability(row).removeprefix("P(exceeds) ") or "-",
        (row["verdict"] if row["mode"] or row["limit"] is not None else "for information", colour),
    )


def trust(console: Console, data: Mapping[str, Any]) -> None:
    """Power balance, residual and warnings; what is wrong stands in red."""
    power, convergence = data["power_balance"], data["convergence"]
    worst = max((p["residual"] for p in convergence.get("ports", [])), default=None)
    say(
        console,
        f"Power: {power['extinction_W']:.4g} W taken from the source = {power['absorbed_W']:.4g} W absorbed + "
        f"{power['scattered_W']:.4g} W radiated{_lost(power)}; {100 * power['closure']:.2g} % unaccounted for",
        "" if closes(power["closure"]) else "bold red",
    )
    if worst is not None:
        missed = not convergence.get("converged", True)
        text = f"Residual: {worst:.1e}, tolerance {convergence['tolerance']:.0e}"
        say(console, text, "bold red" if missed else "")
    warnings(console, data)


def _lost(power: Mapping[str, Any]) -> str:
    """What is lost in the coil, where it is known and not nothing."""
    lost = power.get("lost_W") or 0.0
    return f" + {lost:.4g} W lost in the coil" if lost > 1e-6 * power["extinction_W"] else ""


def closes(closure: float) -> bool:
    """Whether what is unaccounted for leaves a power balance without question."""
    row = THRESHOLDS["closure"]
    return not row.beyond(closure, row.questionable)


def validity(console: Console, judged: Validity) -> None:
    """What a result is not trusted for, and what was accepted, before its numbers; nothing of a valid one."""
    if judged.findings:
        bad = not judged.is_valid
        withheld = ": numbers, limits and verdicts are withheld" if bad else ""
        say(console, f"{judged.state.upper()}{withheld}", "bold red" if bad else "bold yellow")
        for sentence in judged.reasons:
            say(console, f"  {sentence}", "red" if bad else "yellow")
        console.print()
    if judged.idle:
        say(console, f"Accepted by name, though nothing was beyond: {', '.join(judged.idle)}")


def warnings(console: Console, data: Mapping[str, Any]) -> None:
    """The warnings of a summary, in red."""
    for text in data["warnings"]:
        say(console, f"WARNING: {text}", "bold red")
