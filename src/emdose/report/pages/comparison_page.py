"""The page that sets runs side by side: differences of their numbers, of their scenarios, and their maps."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.report.charts.whiskers import difference_chart
from emdose.report.maps import map_set
from emdose.report.pages.page import fill
from emdose.report.terminal import PREFIXES
from emdose.report.wording import MINUS, is_finite, plain, quantity, quantity_name

MOST_DRAWN = 16
NUMBERS = ("", "", "Two", "Three", "Four", "Five", "Six")
MEANING = (
    "U of a difference is the root of the sum of squares of both expanded uncertainties. Errors that both runs share, "
    "such as that of alike grids, cancel in part: it is then an upper bound. A difference within U is not shown to be "
    "one; a difference beyond U is not explained by what U holds."
)


def render(told: Mapping[str, Any], maps: Sequence[map_set.MapSet | None] = (None, None)) -> str:
    """The page as HTML text.

    Parameters
    ----------
    told : mapping
        What the ``to_dict`` of a comparison gives.
    maps : sequence of MapSet or None
        Those of every run.
    """
    pairs = [told, *told.get("more", [])]
    runs = [told["runs"][0], *(pair["runs"][1] for pair in pairs)]
    letters = string.ascii_uppercase[: len(runs)]
    names = [run["name"] for run in runs]
    keys = _beside(pairs, "keys")
    differ = f"{len(keys)} keys of the scenarios differ" if len(keys) != 1 else "one key of them differs"
    held = [m for m in maps if m is not None]
    page: dict[str, Any] = {
        "title": " beside ".join(names) if len(set(names)) > 1 else f"{NUMBERS[len(runs)]} runs of {names[0]}",
        "sentence": f"{NUMBERS[len(runs)]} results of scenarios of kind {told['kind']}; {differ}. {_counted(pairs)}",
        "banners": [{"level": "note", "text": t} for t in dict.fromkeys(t for pair in pairs for t in pair["notes"])],
        "runs": [
            {"letter": letter, **run, "folder": Path(run["folder"]).name}
            for letter, run in zip(letters, runs, strict=True)
        ],
        **_chart(told["quantities"] if len(pairs) == 1 else []),
        "rows": [shown_row(r) for r in told["quantities"]] if len(pairs) == 1 else [],
        "many": _rows_of_many(pairs, letters) if len(pairs) > 1 else [],
        "meaning": MEANING,
        "keys": keys,
        "origins": _beside(pairs, "provenance"),
        "volume": (map_set.beside(held) if len(held) == len(runs) else None) or {},
    }
    return fill(None, "compare.html.j2", ("planes.js", "compare.js"), page, folder=Path(), summary={})


def _counted(pairs: Sequence[Mapping[str, Any]]) -> str:
    said = []
    for pair, letter in zip(pairs, string.ascii_uppercase[1:], strict=False):
        beyond = sum(r["judged"] == "beyond U" for r in pair["quantities"])
        judged = sum(r["judged"] in ("beyond U", "within U") for r in pair["quantities"])
        said.append(f"{beyond} of {judged}" + (f" in {letter}" if len(pairs) > 1 else ""))
    which = "Of the numbers that differ and have an uncertainty,"
    return f"{which} {', '.join(said)} differ by more than the combined expanded uncertainty."


def _beside(pairs: Sequence[Mapping[str, Any]], entry: str) -> list[tuple[str, list[str]]]:
    """Keys with the values of every run as texts; what a pair does not name is as in the first run."""
    found: dict[str, list[Any]] = {}
    for n, pair in enumerate(pairs):
        for one in pair[entry]:
            found.setdefault(one["key"], [one["a"]] * (len(pairs) + 1))[n + 1] = one["b"]
    return [(key, [plain(v) for v in values]) for key, values in found.items()]


def _chart(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The largest relative differences of two runs, drawn."""
    drawn = [r for r in rows if is_finite(r["relative"]) and r["judged"] != "none"]
    drawn = sorted(drawn, key=lambda r: -abs(r["relative"]))
    shown = drawn[:MOST_DRAWN]
    chart = difference_chart(
        [
            {
                "name": quantity_name(r["name"]),
                "value": 100 * r["relative"],
                "u": None if r["u"] is None else 100 * r["u"] / abs(r["a"]),
                "apart": r["judged"] == "beyond U",
            }
            for r in shown
        ],
        "B less A [% of A]",
    )
    left_out = f"The {len(shown)} largest of {len(drawn)} are drawn." if len(shown) < len(drawn) else ""
    return {"chart": chart, "left_out": left_out}


def _rows_of_many(pairs: Sequence[Mapping[str, Any]], letters: str) -> list[dict[str, Any]]:
    """A row per number: that of the first run, and for each other its value, its difference and how it is judged."""
    by_name = [{r["name"]: shown_row(r) for r in pair["quantities"]} for pair in pairs]
    rows = []
    for name in dict.fromkeys(n for one in by_name for n in one):
        found = [one.get(name) for one in by_name]
        first = next(r for r in found if r is not None)
        cells = []
        for letter, r in zip(letters[1:], found, strict=True):
            judged = "" if r is None else str(r["judged"]).replace("only in B", f"only in {letter}")
            none = {"b": "\u2013", "u_b": "", "relative": "", "apart": False}
            cells.append({**(r or none), "judged": judged})
        rows.append(
            {"name": first["name"], "unit": first["unit"], "a": first["a"], "u_a": first["u_a"], "cells": cells}
        )
    return rows


def shown_row(r: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the table as texts."""
    unit = r["unit"]

    def text(value: Any, digits: int = 4) -> str:
        return quantity(value, unit, digits)[0] if is_finite(value) else "–"

    def spread(u: Any) -> str:
        return f"± {text(u, 2)}" if is_finite(u) else "–"

    relative = f"{100 * r['relative']:+.3g} %".replace("-", MINUS) if is_finite(r["relative"]) else "–"
    return {
        "name": quantity_name(r["name"]),
        "unit": quantity(0.0, unit)[1],
        "a": text(r["a"]),
        "b": text(r["b"]),
        "u_a": spread(r["u_a"]),
        "u_b": spread(r["u_b"]),
        "difference": text(r["difference"], 3),
        "relative": relative,
        "u": spread(r["u"]),
        "judged": r["judged"],
        "apart": r["judged"] == "beyond U",
    }


def terminal_rows(told: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows for a terminal: name, A, B, unit, difference, share of A, U of the difference, and how they compare."""
    found = []
    for r in told["quantities"]:
        factor, unit = PREFIXES.get(r["unit"], (1.0, r["unit"]))
        values = [f"{factor * r[k]:.4g}" if is_finite(r[k]) else "-" for k in ("a", "b")]
        share = f"{100 * r['relative']:+.3g} %" if is_finite(r["relative"]) else "-"
        u = f"+- {factor * r['u']:.2g}" if is_finite(r["u"]) else "-"
        difference = f"{factor * r['difference']:+.3g}" if is_finite(r["difference"]) else "-"
        found.append((r["name"], *values, "" if unit == "1" else unit, difference, share, u, r["judged"]))
    return found
