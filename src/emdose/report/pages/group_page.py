"""One page for many runs: their numbers in a table that can be sorted, percentiles, strips, outliers, links."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np

from emdose.report.charts.distributions import strip_chart
from emdose.report.pages.page import capital, fill
from emdose.report.wording import SCALED, is_finite, number, plain, quantity, quantity_name, words
from emdose.uncertainty.trials import quantile_interval

PERCENTILES = (5, 25, 50, 75, 95)
FENCE = 1.5
"""Interquartile ranges beyond the quartiles from which a run is an outlier."""
LITTLE = 0.02
"""Share of the median of another stratum below which a stratum has nothing of a quantity worth stating."""
LEAST = 4
"""Runs in a stratum below which none of them can be one."""


def render(group: Mapping[str, Any]) -> str:
    """The page as HTML text.

    Parameters
    ----------
    group : mapping
        "name"; "units" {quantity: unit} in the order of the columns; "runs", each with "name", "values" {quantity:
        number}, "inputs" {key: value}, "stratum" (empty where there is one only) and "link" (a relative path, or
        empty); "failed", each with "name" and "reason"; and, where there are, "sentence", "notes", "limits"
        {quantity: [{"limit", "label", "doubtful"}]} and "sampled": where the runs of a stratum are independent samples,
        the probability of the intervals that their percentiles are given.

    Source: J. W. Tukey, Exploratory Data Analysis (1977): outliers lie 1.5 interquartile ranges beyond the quartiles.
    """
    runs, units = list(group["runs"]), dict(group["units"])
    strata = list(dict.fromkeys(str(r.get("stratum") or "") for r in runs))
    outliers = {name: _outliers(runs, name, strata) for name in units}
    failed = list(group.get("failed") or [])
    inputs = list(dict.fromkeys(k for r in runs for k in r.get("inputs") or {}))
    missing = f", {len(failed)} without a valid result" if failed else ""
    split = f" in {len(strata)} strata" if len(strata) > 1 else ""
    far = sum(any(outliers[n][k] for n in units) for k in range(len(runs)))
    banners = [{"level": "note", "text": str(text)} for text in group.get("notes") or []]
    if failed:
        text = f"{len(failed)} runs have no valid result; they are listed below and in no number."
        banners.insert(0, {"level": "high", "text": text})
    page: dict[str, Any] = {
        "title": capital(words(str(group["name"]))),
        "sentence": str(group.get("sentence") or "")
        or f"{len(runs)} runs{split}{missing}. {far or 'None'} of them {'has' if far == 1 else 'have'} a number far "
        "from those of the others.",
        "banners": banners,
        "tiles": [] if len(strata) > 1 else [_tile(runs, name, unit) for name, unit in units.items()][:8],
        "strips": [_strip(group, runs, name, unit, strata, outliers[name]) for name, unit in units.items()],
        "percentiles": [f"{p} %" for p in PERCENTILES],
        "little": f"{100 * LITTLE:g} %",
        "sampled": f"{100 * group['sampled']:g} %" if group.get("sampled") else "",
        "spread": [row for stratum in strata for row in _spread(runs, units, strata, stratum, group.get("sampled"))],
        "columns": [_column(name, unit) for name, unit in units.items()],
        "inputs": [(k, words(k.replace(".", " "))) for k in inputs],
        "stratified": len(strata) > 1,
        "runs": [_row(r, k, units, inputs, outliers) for k, r in enumerate(runs)],
        "failed": failed,
    }
    return fill(None, "group.html.j2", ("group.js",), page, folder="", summary={})


def _values(runs: Sequence[Mapping[str, Any]], name: str, stratum: str | None = None) -> list[float]:
    return [
        float(r["values"][name])
        for r in runs
        if is_finite(r["values"].get(name)) and (stratum is None or str(r.get("stratum") or "") == stratum)
    ]


def _outliers(runs: Sequence[Mapping[str, Any]], name: str, strata: Sequence[str]) -> list[bool]:
    """Whether each run lies beyond the fences of its stratum."""
    fences = {}
    for stratum in strata:
        values = _values(runs, name, stratum)
        if len(values) >= LEAST:
            low, high = np.quantile(values, [0.25, 0.75])
            fences[stratum] = (low - FENCE * (high - low), high + FENCE * (high - low))
    found = []
    for r in runs:
        value, fence = r["values"].get(name), fences.get(str(r.get("stratum") or ""))
        found.append(is_finite(value) and fence is not None and not fence[0] <= value <= fence[1])
    return found


def _tile(runs: Sequence[Mapping[str, Any]], name: str, unit: str) -> dict[str, str]:
    values = _values(runs, name)
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95]).tolist() if values else (None, None, None)
    shown, shown_unit = quantity(middle, unit)
    remark = f"median of {len(values)}; 5 to 95 %: {quantity(low, unit)[0]} to {quantity(high, unit)[0]}"
    return {"label": quantity_name(name), "value": shown, "unit": shown_unit, "remark": remark}


def _strip(
    group: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    name: str,
    unit: str,
    strata: Sequence[str],
    outliers: Sequence[bool],
) -> dict[str, Any]:
    scale = _scale(unit)
    rows = []
    for stratum in strata:
        mine = [
            (scale * float(r["values"][name]), far)
            for r, far in zip(runs, outliers, strict=True)
            if is_finite(r["values"].get(name)) and str(r.get("stratum") or "") == stratum
        ]
        if mine:
            values = [v for v, _ in mine]
            rows.append(
                {
                    "name": stratum or "all runs",
                    "values": values,
                    "outliers": [far for _, far in mine],
                    "quartiles": np.quantile(values, [0.25, 0.5, 0.75]).tolist(),
                }
            )
    top = max((v for row in rows for v in row["values"]), default=0.0)
    marks = [
        (scale * x["limit"], f"limit, {x['label']}", "doubtful" if x.get("doubtful") else "limit")
        for x in (group.get("limits") or {}).get(name, [])
        if scale * x["limit"] <= 2 * top
    ]
    shown = quantity(0.0, unit)[1]
    axis = f"{quantity_name(name)}{f' [{shown}]' if shown else ''}"
    return {"name": quantity_name(name), "chart": strip_chart(rows, axis, marks)}


def _spread(
    runs: Sequence[Mapping[str, Any]],
    units: Mapping[str, str],
    strata: Sequence[str],
    stratum: str,
    coverage: float | None,
) -> list[dict[str, Any]]:
    """The quantities of a stratum; strata are cases of their own, whose mixture says nothing."""
    found: list[dict[str, Any]] = []
    for name, unit in units.items():
        values = _values(runs, name, stratum)
        if not values:
            continue
        shown = quantity(0.0, unit)[1]
        title = f"{quantity_name(name)}{f' [{shown}]' if shown else ''}"
        head = {"name": title, "stratum": stratum, "first": not found, "count": len(values)}
        middles = [abs(float(np.median(_values(runs, name, s) or [0.0]))) for s in strata]
        if max(middles) > 0 and abs(float(np.median(values))) < LITTLE * max(middles):
            found.append(
                head | {"mean": "–", "sd": "–", "cells": ["–"] * len(PERCENTILES), "intervals": [], "range": "–"}
            )
            continue
        cells = np.quantile(values, [p / 100 for p in PERCENTILES]).tolist()
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
        found.append(
            head
            | {
                "mean": quantity(float(np.mean(values)), unit)[0],
                "sd": quantity(sd, unit, 2)[0],
                "cells": [quantity(v, unit)[0] for v in cells],
                "intervals": [_interval(values, p / 100, coverage, unit) for p in PERCENTILES] if coverage else [],
                "range": f"{quantity(min(values), unit)[0]} to {quantity(max(values), unit)[0]}",
            }
        )
    return found


def _interval(values: Sequence[float], q: float, coverage: float, unit: str) -> str:
    """What so few samples leave open of a percentile."""
    low, high = quantile_interval(np.asarray(values), q, coverage)
    text = [quantity(v, unit)[0] if is_finite(v) else "" for v in (low, high)]
    if all(text):
        return f"{text[0]} – {text[1]}"
    return f"< {text[1]}" if text[1] else f"> {text[0]}" if text[0] else "open"


def _column(name: str, unit: str) -> str:
    shown = quantity(0.0, unit)[1]
    return f"{quantity_name(name)}{f' [{shown}]' if shown else ''}"


def _row(
    r: Mapping[str, Any],
    k: int,
    units: Mapping[str, str],
    inputs: Sequence[str],
    outliers: Mapping[str, Sequence[bool]],
) -> dict[str, Any]:
    cells = []
    for name, unit in units.items():
        value: Any = r["values"].get(name)
        known = is_finite(value)
        cells.append(
            {"text": quantity(value, unit)[0], "key": repr(float(value)) if known else "", "far": outliers[name][k]}
        )
    given: dict[str, Any] = dict(r.get("inputs") or {})
    return {
        "name": str(r["name"]),
        "link": quote(str(r.get("link") or "")),
        "stratum": str(r.get("stratum") or ""),
        "inputs": [_cell(given.get(name)) for name in inputs],
        "cells": cells,
        "far": any(cell["far"] for cell in cells),
    }


def _cell(value: Any) -> dict[str, str]:
    if is_finite(value):
        return {"text": number(value, 4), "key": repr(float(value))}
    return {"text": plain(value), "key": plain(value)}


def _scale(unit: str) -> float:
    return SCALED.get(unit, (1.0, unit))[0]
