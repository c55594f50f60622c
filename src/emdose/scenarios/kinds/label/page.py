"""The sheet on paper and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report import terminal
from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.pages import decisive
from emdose.report.pages.page import capital, fill
from emdose.report.wording import is_finite, number, quantity
from emdose.scenarios.kinds.label.result import entry_of
from emdose.scenarios.kinds.label.sheet import FORCES, GRADIENTS, RF, TIME

if TYPE_CHECKING:
    from rich.console import Console

    from emdose.scenarios.kinds.label.result import LabelResult

ITEMS = (
    ("Static field strength", "fields"),
    ("Largest spatial gradient of the static field", "place"),
    ("RF excitation: polarisation and coil", ""),
    ("RF field: B1+rms or whole-body SAR", "rf"),
    ("Gradient fields: dB/dt or slew rate", "gradients"),
    ("Scan duration and pauses", "time"),
    ("Position of the patient: what may lie at the isocentre", "landmarks"),
    ("Size of the image artefact", ""),
)
"""Items of information that ASTM F2503 asks a label for, by name, and which part of the sheet serves them."""

OVER = {
    "mean over slice": "mean over the body in the slice at the isocentre",
    "mean over body": "mean over the body",
    "mean over isocentre": "value at the isocentre",
}
"""Where B1+ of a run was taken, in words."""


def render(result: LabelResult) -> str:
    """The sheet as HTML text, made to be printed on A4.

    Parameters
    ----------
    result : LabelResult
        What a run left in its folder.
    """
    summary = result.summary
    about = summary["label"]
    body, table = about["body"], summary["scenario"]["sheet"]
    metals = " and ".join(body["metals"])
    size = " × ".join(number(1e3 * s) for s in body["size_m"])
    rows = [shown(row) for row in about["rows"]]
    page: dict[str, Any] = {
        "title": f"{capital(str(body['name']))}: numbers for an MR label",
        "sentence": f"{number(1e3 * body['mass_kg'])} g of {metals}, {size} mm. Scanners of "
        f"{', '.join(f'{f:g} T' for f in table['fields_T'])}; a rise of {table['rise_K']:g} K in "
        f"{table['scan_min']:g} min decides.",
        "banners": [{"level": "note", "text": text} for text in [*summary.get("warnings", []), *about["notes"]]],
        "binding": binding(about["rows"], table["fields_T"]),
        "groups": [
            (name, [r for r in rows if r["group"] == name and not r["landmark"]]) for name in (GRADIENTS, TIME, FORCES)
        ],
        "slews": slew_table(about["rows"], table),
        "rf": rf_tables(about["rows"], table),
        "rf_missing": rf_missing(about["rows"], table),
        "items": item_rows(about, table),
        "chart": heating_chart(about, table),
    }
    return fill(__package__, "label.html.j2", (), page, folder=result.folder, summary=summary)


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its number in words."""
    if is_finite(row["value"]):
        value, unit = quantity(row["value"], "" if row["unit"] == "1" else str(row["unit"]))
        spread = decisive.spread_text(entry_of(row)).removesuffix(", k = 2")
    else:
        value, unit, spread = "–", "", ""
    where = [f"{row['field_T']:g} T" if row["field_T"] else "all fields", row["landmark"]]
    return dict(row) | {
        "name": row["name"] if row["name"].startswith("dB") else capital(row["name"]),
        "value": value,
        "unit": unit,
        "spread": spread,
        "where": ", ".join(filter(None, where)),
    }


def binding(rows: Sequence[Mapping[str, Any]], fields_T: Sequence[float]) -> list[str]:
    """What binds at every field, in a sentence each."""
    found = []
    for f in fields_T:
        mine = [r for r in rows if r["share"] is not None and r["field_T"] in (None, f)]
        if not mine:
            continue
        first = max(mine, key=lambda r: r["share"])
        missing = any(r["group"] == RF and r["value"] is None and r["field_T"] == f for r in rows)
        some = any(r["group"] == RF and r["value"] is not None and r["field_T"] == f for r in rows)
        left = "RF heating was not at every landmark" if some else "RF heating was not"
        of = f" of the rows that were computed ({left})" if missing else ""
        where = f", {first['landmark']} at the isocentre," if first["landmark"] else ""
        found.append(
            f"{f:g} T: {first['name']}{where} binds{of}; the reference takes {100 * first['share']:.3g} % of it"
            if first["group"] != FORCES
            else f"{f:g} T: {first['name']} is the largest share{of}, {100 * first['share']:.3g} % of the reference"
        )
    return found


def item_rows(about: Mapping[str, Any], table: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Items of a label and what this sheet has for them."""
    rows = about["rows"]
    slews = [r for r in rows if r["group"] == GRADIENTS and f"{table['rise_K']:g} K" in r["name"]]
    rates = [r["value"] for r in slews if r["unit"] == "T/s"]
    times = [r for r in rows if r["group"] == TIME and r["unit"] == "min" and is_finite(r["value"])]
    forces = [r for r in rows if r["name"] == "force over weight"]
    served = {
        "fields": ", ".join(f"{f:g} T" for f in table["fields_T"]),
        "place": "; ".join(f"{r['field_T']:g} T: {r['note'].split(';')[0]}" for r in forces),
        "rf": rf_item(rows, table),
        "gradients": f"dB/dt rms up to {number(rates[0])} T/s for {table['rise_K']:g} K" if rates else "",
        "time": f"{table['scan_min']:g} min without pause"
        + (f"; {times[0]['name']}: {number(times[0]['value'])} min at the reference" if times else ""),
        "landmarks": ", ".join(table["landmarks"]),
    }
    return [(name, served.get(key) or "not computed here") for name, key in ITEMS]


def rf_missing(rows: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> str:
    """What is said in the place of the rows of RF heating where none of them was computed."""
    if any(is_finite(r["value"]) for r in rows if r["group"] == RF):
        return ""
    fields = ", ".join(f"{f:g} T" for f in table["fields_T"])
    return (
        f"Allowed B1+rms and whole-body SAR (ISO/TS 10974 clause 8, ASTM F2182) at {fields} with "
        f"{', '.join(table['landmarks'])} at the isocentre: not computed by this run; nothing binds on their side."
    )


def rf_tables(rows: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What every rise allows of B1+rms and whole-body SAR, a table per field; which landmark allows least."""
    found = []
    for f in table["fields_T"]:
        mine = [r for r in rows if r["group"] == RF and r["field_T"] == f]
        known = [r for r in mine if is_finite(r["value"])]
        if not known:
            continue
        levels = list(dict.fromkeys(r["name"].split(" for ", 1)[1] for r in known))
        cells = {(r["landmark"], r["name"]): shown(r) for r in mine}
        worst = least_rf(known, table)
        marks = []
        for mark in table["landmarks"]:
            pairs = [
                [cells.get((mark, f"{name} for {level}")) for name in ("B1+rms", "whole-body SAR")] for level in levels
            ]
            first = next((r for r in known if r["landmark"] == mark), None)
            marks.append(
                {
                    "name": mark,
                    "cells": pairs if first else [],
                    "note": first["note"].split("; ")[0].split(": ", 1)[-1].replace("uT", "µT")
                    if first
                    else next((r["note"] for r in mine if r["landmark"] == mark), "not computed"),
                    "worst": worst is not None and mark == worst["landmark"],
                    "binds": any(r["binds"] for r in mine if r["landmark"] == mark),
                }
            )
        over = OVER.get(known[0]["note"].rsplit("; ", 1)[-1], known[0]["note"].rsplit("; ", 1)[-1])
        found.append({"field": f"{f:g} T", "levels": levels, "landmarks": marks, "over": over})
    return found


def least_rf(rows: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The row of B1+rms that allows least for the rise that decides; None without one."""
    name = f"B1+rms for {table['rise_K']:g} K"
    return min((r for r in rows if r["name"] == name and is_finite(r["value"])), key=lambda r: r["value"], default=None)


def rf_item(rows: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> str:
    """The RF field that a rise allows, in words."""
    parts = []
    for f in table["fields_T"]:
        mine = [r for r in rows if r["group"] == RF and r["field_T"] == f]
        worst = least_rf(mine, table)
        if worst is not None:
            sar = next(
                r
                for r in mine
                if r["landmark"] == worst["landmark"]
                and r["name"].startswith(f"whole-body SAR for {table['rise_K']:g} K")
            )
            missing = [m for m in table["landmarks"] if not any(r["landmark"] == m and r["value"] for r in mine)]
            left = f" ({', '.join(missing)} not computed)" if missing else ""
            parts.append(
                f"{f:g} T: B1+rms up to {' '.join(quantity(worst['value'], 'T'))}, that is {number(sar['value'])} W/kg "
                f"with {worst['landmark']} at the isocentre, for {table['rise_K']:g} K{left}"
            )
        else:
            parts.append(f"{f:g} T: not computed here")
    return "; ".join(parts) if any("up to" in p for p in parts) else "not computed here"


def slew_table(rows: Sequence[Mapping[str, Any]], table: Mapping[str, Any]) -> dict[str, Any]:
    """Allowed slew rates by landmark and rise."""
    mine = [r for r in rows if r["group"] == GRADIENTS and r["landmark"]]
    names = list(dict.fromkeys(r["name"] for r in mine))
    found = {(r["landmark"], r["name"]): shown(r) for r in mine}
    decides = f"{table['rise_K']:g} K"
    return {
        "rises": [name.rsplit("for ", 1)[1] for name in names],
        "decides": decides,
        "landmarks": [
            {"name": mark, "note": found[mark, names[0]]["note"], "cells": [found[mark, name] for name in names]}
            for mark in table["landmarks"]
        ],
    }


def heating_chart(about: Mapping[str, Any], table: Mapping[str, Any]) -> Any:
    """Rise over time at the reference exposure."""
    curve = about["curve"]
    minutes = np.asarray(curve["times_s"], float) / 60
    line = Curve("", minutes, np.asarray(curve["rise_K"], float))
    top = max(curve["rise_K"])
    levels = [(f"{k:g} K", k) for k in table["rises_K"] if k < 1.5 * top]
    return line_chart([line], "time [min]", "largest rise [K]", levels=levels, height=230)


def tell(console: Console, data: Mapping[str, Any]) -> None:
    """The rows of the sheet on the terminal."""
    about = data["label"]
    if not about:
        terminal.warnings(console, data)
        return
    rows = [shown(r) for r in about["rows"]]
    cells = [
        (
            r["group"],
            r["name"],
            r["where"],
            f"{r['value']} {r['unit']}".strip(),
            r["spread"],
            "binds" if r["binds"] else "",
        )
        for r in rows
        if r["group"] != RF or r["value"] != "–"
    ]
    terminal.table(console, ("", "what", "where", "value", "U (k = 2)", ""), cells, right=(3,), whole=(2,))
    if all(r["value"] == "–" for r in rows if r["group"] == RF):
        terminal.say(console, "RF heating: not computed; give runs of kind implant-rf", "yellow")
    for text in [*binding(about["rows"], data["scenario"]["sheet"]["fields_T"]), *about["notes"]]:
        terminal.say(console, text)
    terminal.say(console, "Numbers and ratios; what the label says takes a tested device and a person")
    terminal.warnings(console, data)
