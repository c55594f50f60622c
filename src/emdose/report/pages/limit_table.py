"""The table of limits as the page shows it: per quantity what binds, operating modes side by side, with footnotes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emdose.report import limit_words
from emdose.report.limit_words import guard_band, probability, reading, standing
from emdose.report.pages import decisive
from emdose.report.wording import duration, flat, is_finite, number, words

AMBER = 0.8
"""Share of a limit above which its bar changes colour."""
END = 1.25
"""Share of its limit at which a bar ends."""


def check_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the limit table with all their keys, ready to show.

    ``source_n`` and ``note_n`` number the sources and the notes, equal texts alike.
    """
    rows = [_check_row(r) for r in summary.get("checks") or []]
    for key in ("source", "note"):
        numbers: dict[str, int] = {}
        for row in rows:
            shown = row[key] and (key == "note" or row["limit"] is not None)
            row[f"{key}_n"] = numbers.setdefault(row[key], len(numbers) + 1) if shown else None
    return rows


def common_document(rows: Sequence[Mapping[str, Any]]) -> str:
    """Standard and edition when all rows share them, else nothing."""
    documents = {row["document"] for row in rows}
    return documents.pop() if len(documents) == 1 else ""


def footnotes(rows: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, str]]:
    """Number and text of every "source" or "note" of the rows, in order."""
    return sorted({(row[f"{key}_n"], row[key]) for row in rows if row[f"{key}_n"]})


def by_quantity(rows: Sequence[Mapping[str, Any]], b1plus_rms_T: float | None) -> dict[str, Any]:
    """The rows by quantity, operating modes side by side: what binds on top, its alternatives beneath.

    A line is what modes share: region, averaging time and value; its cells are the rows of the modes. On top of a
    quantity stand the lines nearest the limit in one of the modes; among the others may be definitions that the user
    did not choose. SAR grows with the square of B1+, so that B1+rms = now / sqrt(value / limit) of the row that
    binds in a mode.

    Parameters
    ----------
    rows : sequence of mappings
        From :func:`check_rows`.
    b1plus_rms_T : float or None
        B1+rms that belongs to the values [T].

    Returns
    -------
    dict
        ``modes``: "name", "binding" (the row that is reached first) and "b1" (the B1+rms at which it is) of each;
        ``quantities``: "name", "top" and "more", lines that have "cells" in the order of the modes; ``information``:
        rows that have no limit.
    """
    limited = [r for r in rows if r["mode"] or r["limit"] is not None]
    names = list(dict.fromkeys(r["mode"] for r in limited))
    modes = [_mode(name, [r for r in limited if r["mode"] == name], b1plus_rms_T) for name in names]
    bound = [m["binding"] for m in modes if m["binding"] is not None]
    quantities = []
    for quantity in dict.fromkeys(r["quantity"] for r in limited):
        mine = [r for r in limited if r["quantity"] == quantity]
        nearest = [_nearest([r for r in mine if r["mode"] == name]) for name in names]
        lines: dict[tuple[Any, ...], dict[str, Any]] = {}
        for r in mine:
            key = (r["region"], r["averaging"], r["raw"]["value"], r["counted"])
            line = lines.setdefault(key, {**r, "cells": [None] * len(names), "binds": False, "top": False})
            line["cells"][names.index(r["mode"])] = r
            line["binds"] |= any(r is one for one in bound)
            line["top"] |= any(r is one for one in nearest)
        found = sorted(lines.values(), key=_share, reverse=True)
        top = [line for line in found if line["top"]] or found[:1]
        more = [line for line in found if not any(line is one for one in top)]
        quantities.append({"name": quantity[:1].upper() + quantity[1:], "top": top, "more": more})
    quantities.sort(key=lambda q: _share(q["top"][0]), reverse=True)
    information = [r for r in rows if not any(r is one for one in limited)]
    return {"modes": modes, "quantities": quantities, "information": information}


def _mode(name: str, rows: Sequence[Mapping[str, Any]], b1plus_rms_T: float | None) -> dict[str, Any]:
    binding = _nearest(rows)
    ratio = None if binding is None else binding["ratio"]
    largest = b1plus_rms_T / math.sqrt(ratio) if ratio and b1plus_rms_T else None
    title = f"{name[:1].upper()}{name[1:]} mode" if name else "All modes"
    return {"name": title, "binding": binding, "b1": number(1e6 * largest, 3) if largest else ""}


def _nearest(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The counted row with the largest share of its limit."""
    rated = [r for r in rows if r["counted"] and r["ratio"] is not None]
    return max(rated, key=lambda r: r["ratio"], default=None)


def _share(line: Mapping[str, Any]) -> tuple[bool, float]:
    """What lines are sorted by: those that count before those that do not, then the largest share of a limit."""
    ratios = [c["ratio"] for c in line["cells"] if c is not None and c["ratio"] is not None]
    return line["counted"], max(ratios, default=-1.0)


def check_inputs(summary: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """Stated inputs of the checks (masses, definitions, duty cycles) and the notes to the table."""
    told = summary.get("check_inputs") or {}
    return [(words(k), v) for k, v in flat(told.get("inputs") or {})], [str(n) for n in told.get("notes") or []]


def b1plus_rms(summary: Mapping[str, Any]) -> tuple[float | None, str]:
    """B1+rms that the values of the checks belong to [T], and where it was taken."""
    told = summary.get("check_inputs") or {}
    value: Any = told.get("b1plus_rms_T")
    return (float(value) if is_finite(value) else None), str(told.get("b1plus_region") or "")


def section(
    summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], b1plus_rms_T: float | None = None, b1_place: str = ""
) -> dict[str, Any]:
    """All that ``part_limits.html.j2`` shows, by the names that it has there.

    Parameters
    ----------
    summary : mapping
        Whose checks these are.
    rows : sequence of mappings
        From :func:`check_rows`.
    b1plus_rms_T, b1_place
        B1+rms that belongs to the values [T], and where it was taken.
    """
    inputs, notes = check_inputs(summary)
    return {
        "limits": by_quantity(rows, b1plus_rms_T),
        "legend": limit_words.legend(rows),
        "document": common_document(rows),
        "b1_place": b1_place,
        "inputs": inputs,
        "notes": notes,
        "sources": footnotes(rows, "source"),
        "remarks": footnotes(rows, "note"),
    }


def _check_row(raw: Mapping[str, Any]) -> dict[str, Any]:
    value, limit = (v if is_finite(v := raw.get(k)) else None for k in ("value", "limit"))
    ratio = raw.get("ratio") if is_finite(raw.get("ratio")) else value / limit if value is not None and limit else None
    spread = decisive.expanded(raw)
    averaging = duration(raw.get("window_s"))
    if is_finite(raw.get("averaging_mass_g")):
        averaging += f", {raw['averaging_mass_g']:g} g"
    level = "none" if ratio is None else "over" if ratio > 1 else "near" if ratio > AMBER else "low"
    bar, stands = None, ""
    if value is not None and limit is not None and limit > 0:
        ends = decisive.interval({**raw, "value": value})
        bar = decisive.geometry(value, ends, [limit], END * limit)
        stands = decisive.state(value, limit, ends)
        level = decisive.level(value, limit, ends) if level == "low" else level
    return {
        "mode": str(raw.get("mode") or ""),
        "quantity": str(raw.get("quantity") or ""),
        "region": str(raw.get("region") or ""),
        "document": ", edition ".join(str(raw[k]) for k in ("standard", "edition") if raw.get(k)),
        "averaging": averaging,
        "value": number(value),
        "uncertainty": "not known" if spread is None else f"± {number(spread, 2)}",
        "kind": decisive.kind_of_uncertainty(raw),
        "limit": None if limit is None else number(limit),
        "unit": "" if raw.get("unit") == "1" else str(raw.get("unit") or ""),
        "ratio": ratio,
        "percent": None if ratio is None else f"{100 * ratio:.1f} %" if ratio < 1.995 else f"{ratio:.2f} ×",
        "bar": bar,
        "stands": stands,
        "margin": None if ratio is None else f"{100 * (1 - ratio):+.1f} %".replace("-", "\u2212"),
        "margin_dB": None if not ratio or ratio <= 0 else f"{-10 * math.log10(ratio):+.2f} dB".replace("-", "\u2212"),
        "level": level,
        **standing(raw),
        "reading": reading(raw),
        "probability": probability(raw),
        "guard": guard_band(raw),
        "source": str(raw.get("source") or ""),
        "counted": bool(raw.get("counted", True)),
        "note": str(raw.get("note") or ""),
        "raw": {**raw, "value": value, "limit": limit},
    }
