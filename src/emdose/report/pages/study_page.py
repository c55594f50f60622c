"""The page of a study: what is uncertain of every output, by which input, with distributions, budgets and a map."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.report.charts.distributions import distribution_chart, shares_chart
from emdose.report.maps import map_set
from emdose.report.pages import budgets, decisive
from emdose.report.pages.page import capital, fill
from emdose.report.wording import is_finite, number, quantity, quantity_name

METHODS = {
    "budget": "first-order budget (law of propagation of uncertainty)",
    "chaos": "polynomial chaos",
    "monte-carlo": "Monte Carlo on the model itself",
}
MOST_FAILED, MOST_DECISIVE = 50, 10
POINTS, SMOOTH = 160, 0.9
"""Points of a curve; its smoothing in bins of the histogram."""
QUANTILES = {"0.025": "2.5 %", "0.05": "5 %", "0.5": "median", "0.95": "95 %", "0.975": "97.5 %", "0.99": "99 %"}


def render(
    study: Mapping[str, Any],
    summary: Mapping[str, Any] | None = None,
    folder: Path | str = "",
    maps: map_set.MapSet | None = None,
    group: str = "",
) -> str:
    """The page as HTML text.

    Parameters
    ----------
    study : mapping
        "name", "method", "samples", "cached", "seconds", "coverage", "notes", "failed" (each "inputs", "error",
        "tries"), "inputs" (each "name", "law", "nominal", "unit", "group", "source"), "strata" (each "name",
        "weight", and "outputs" {name: {"mean", "sd"}}), and "outputs" {name: {...}} with "unit", "value", "mean", "sd"
        and, where they are known, "budget" (of ``Budget.to_dict``), "first" and "total" {input: share of the
        variance}, "loo", "quantiles" {"0.95": value}, "histogram" {"edges", "density"}, "pdf" {"x", "density"},
        "limits" (each "limit", "label", "standing", "doubtful"), "p_exceed" {label: probability}, "indices" (what the
        shares are called), "words" (what dominates),
        "model" (the polynomial beside trials of the model: "words", "agrees", "rows").
    summary : mapping, optional
        Of the run at the nominal values, for its provenance.
    folder : Path or str, optional
        Of that run.
    maps : MapSet, optional
        Relative standard deviations, for the viewer.
    group : str
        Address of the page of all samples, where there is one.
    """
    outputs = [_output(name, one) for name, one in study["outputs"].items()]
    failed = list(study.get("failed") or [])
    method = str(study["method"])
    cached = f", {study['cached']} of them kept from before" if study.get("cached") else ""
    missing = f"; {len(failed)} failed" if failed else ""
    took = f" in {_time(study['seconds'])}" if is_finite(study.get("seconds")) else ""
    banners = [{"level": "note", "text": str(text)} for text in study.get("notes") or []]
    if failed:
        text = f"{len(failed)} samples have failed, after a second try; they are listed below and in no number."
        banners.insert(0, {"level": "high", "text": text})
    strata = list(study.get("strata") or [])
    page: dict[str, Any] = {
        "title": f"{capital(str(study['name']))}: uncertainty",
        "sentence": f"{capital(METHODS.get(method, method))}: {len(study['inputs'])} inputs, {study['samples']} samples"
        f"{cached}{missing}{took}. Intervals cover {100 * study.get('coverage', 0.95):g} %.",
        "banners": banners,
        # Strata are cases of their own: a number for all of them together decides nothing.
        "decisive": [] if len(strata) > 1 else [o["row"] for o in outputs if o["row"] is not None][:MOST_DECISIVE],
        "outputs": outputs,
        "inputs": [budgets.input_row(one) for one in study["inputs"]],
        "strata": [_stratum(s, study["outputs"]) for s in strata] if len(strata) > 1 else [],
        "strata_names": [quantity_name(n) for n in study["outputs"]],
        "failed": [_failed(one) for one in failed[:MOST_FAILED]],
        "failed_more": max(len(failed) - MOST_FAILED, 0),
        "volume": {} if maps is None else map_set.single(maps),
        "uncertainty": None,
        "group": group,
    }
    scripts = ("planes.js", "viewer.js") if maps is not None else ()
    return fill(None, "study.html.j2", scripts, page, folder=folder, summary=summary or {})


def _output(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    unit, table = str(one.get("unit") or ""), one.get("budget")
    spread = _spread(one)
    limits = list(one.get("limits") or [])
    chances = one.get("p_exceed") or {}
    limits = [{**x, "probability": _chance(chances.get(x["label"]))} for x in limits]
    entry = {"value": one["value"], "unit": unit, "uncertainty": spread}
    known = is_finite(one["value"])
    first, total = one.get("first") or {}, one.get("total")
    shown = budgets.shown(table) if table else None
    shares, caption = "", ""
    if first:
        kept = [
            n for n, _ in budgets.largest([(n, (total or first).get(n, v)) for n, v in first.items()]) if n in first
        ]
        rows = [{"name": budgets.source_name(n), "first": first[n], "total": (total or {}).get(n)} for n in kept]
        shares = shares_chart(rows)
        indices = str(one.get("indices") or "Sobol indices")
        caption = f"{indices}: share of the variance by input, without the discretisation."
        if total:
            caption += " Total counts what an input does together with others."
    elif table:
        shares, caption = budgets.share_chart(table), "Shares of the variance, what the grid leaves among them."
    return {
        "name": quantity_name(name),
        "row": decisive.row(quantity_name(name), entry, limits) if known else None,
        "value": quantity(one["value"], unit, 4)[0],
        "expanded": quantity(spread["expanded"], unit, 2)[0] if spread else "",
        "unit": quantity(0.0, unit)[1],
        "basis": f"k = {number(spread['k'], 3)}, {decisive.KINDS.get(spread['kind'], spread['kind'])}"
        if spread
        else "",
        "words": str(one.get("words") or (shown["words"] if shown else "")),
        "chart": _distribution(name, one, unit, limits),
        "caption": ("Histogram and curve of the density" if one.get("histogram") else "The normal law of the budget")
        + ", with quantiles. It holds the inputs alone: what the grid leaves is in U, not in the picture.",
        "shares": shares,
        "shares_caption": caption,
        "facts": _facts(one, unit),
        "budget": shown,
        "model": _model(one.get("model"), unit),
    }


def _model(told: Mapping[str, Any] | None, unit: str) -> dict[str, Any] | None:
    """The polynomial beside trials of the model: words and rows of the table."""
    if not told:
        return None
    rows = [
        {
            "name": str(row["name"]),
            "values": [quantity(row[k], unit, 4)[0] for k in ("model", "surrogate")]
            + [quantity(row[k], unit, 2)[0] for k in ("sampling", "polynomial", "bound")],
            "agrees": "yes" if row["agrees"] else "no",
        }
        for row in told["rows"]
    ]
    return {"words": str(told["words"]), "agrees": bool(told["agrees"]), "rows": rows}


def _spread(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry "uncertainty" of an output: that of its budget, otherwise what its inputs alone leave."""
    table = one.get("budget")
    if table:
        physical = any(r.get("kind") != budgets.DISCRETISATION for r in table["rows"])
        kind = "combined" if physical else budgets.DISCRETISATION
        return {"expanded": table["expanded"], "k": table["k"], "kind": kind}
    return {"expanded": 2.0 * one["sd"], "k": 2.0, "kind": "inputs"} if is_finite(one.get("sd")) else None


def _distribution(name: str, one: Mapping[str, Any], unit: str, limits: list[dict[str, Any]]) -> Any:
    factor = quantity(1.0, unit, 12)[0]
    scale = float(factor) if factor.replace(".", "").isdigit() else 1.0
    histogram, curve = one.get("histogram"), one.get("pdf") or _curve(one)
    if not histogram and not curve:
        return ""
    if histogram:
        histogram = {"edges": _times(histogram["edges"], scale), "density": _times(histogram["density"], 1 / scale)}
    if curve:
        curve = {"x": _times(curve["x"], scale), "density": _times(curve["density"], 1 / scale)}
    quantiles = one.get("quantiles") or {}
    marks = [(scale * one["value"], "nominal", "value")] if is_finite(one["value"]) else []
    ends = [k for k in (("0.025", "0.975"), ("0.05", "0.95")) if all(q in quantiles for q in k)]
    marks += [(scale * quantiles[q], QUANTILES[q], "quantile") for q in (ends[0] if ends else ())]
    places = [*(curve or {"x": []})["x"], *(histogram or {"edges": []})["edges"]]
    span = max(places) - min(places)
    for x in limits:  # one far away would press the rest together
        at = scale * x["limit"]
        if min(places) - 2 * span <= at <= max(places) + 2 * span:
            marks.append((at, f"limit, {x['label']}", "doubtful" if x.get("doubtful") else "limit"))
    shown = quantity(0.0, unit)[1]
    return distribution_chart(histogram, curve, marks, f"{quantity_name(name)}{f' [{shown}]' if shown else ''}")


def _curve(one: Mapping[str, Any]) -> dict[str, Any] | None:
    """A curve through the histogram, or the normal law that a budget stands for."""
    told, sd = one.get("histogram"), one.get("sd")
    if told:
        edges, density = np.asarray(told["edges"], float), np.asarray(told["density"], float)
        wide = np.diff(edges)
        x = np.linspace(edges[0] - 2 * wide[0], edges[-1] + 2 * wide[-1], POINTS)
        z = (x[:, None] - 0.5 * (edges[1:] + edges[:-1])) / (SMOOTH * wide)
        y = np.exp(-0.5 * z * z) @ density / (SMOOTH * math.sqrt(2 * math.pi))
    elif sd is not None and is_finite(sd) and sd > 0:
        x = one["mean"] + sd * np.linspace(-3.5, 3.5, POINTS)
        y = np.exp(-0.5 * ((x - one["mean"]) / sd) ** 2) / (sd * math.sqrt(2 * math.pi))
    else:
        return None
    return {"x": x.tolist(), "density": y.tolist()}


def _facts(one: Mapping[str, Any], unit: str) -> list[tuple[str, str]]:
    facts = [("Nominal", quantity(one["value"], unit, 4)[0])]
    facts.append(("Mean", quantity(one["mean"], unit, 4)[0]))
    facts.append(("Standard deviation", quantity(one["sd"], unit, 3)[0]))
    if is_finite(one["mean"]) and one["mean"]:
        facts.append(("of the mean", f"{100 * one['sd'] / abs(one['mean']):.2g} %"))
    for key, text in QUANTILES.items():
        if is_finite((one.get("quantiles") or {}).get(key)):
            facts.append((text, quantity(one["quantiles"][key], unit, 4)[0]))
    if is_finite(one.get("loo")):
        facts.append(("Leave-one-out error", f"{100 * one['loo']:.2g} %" if one["loo"] > 1e-6 else "below 0.0001 %"))
    return facts


def _stratum(one: Mapping[str, Any], outputs: Mapping[str, Any]) -> dict[str, Any]:
    values = []
    for name, about in outputs.items():
        found, unit = (one.get("outputs") or {}).get(name) or {}, str(about.get("unit") or "")
        mean, sd = quantity(found.get("mean"), unit, 4)[0], quantity(found.get("sd"), unit, 2)[0]
        values.append(f"{mean} ± {sd} {quantity(0.0, unit)[1]}".strip())
    return {"name": str(one["name"]), "weight": number(one["weight"], 3), "values": values}


def _failed(one: Mapping[str, Any]) -> dict[str, str]:
    given = one.get("inputs") or {}
    text = ", ".join(f"{budgets.source_name(str(k))} = {number(v, 4) if is_finite(v) else v}" for k, v in given.items())
    return {"error": str(one.get("error") or ""), "tries": str(one.get("tries") or 1), "inputs": text}


def _chance(told: Any) -> str:
    from emdose.report.limit_words import probability

    return probability({"p_exceed": told})


def _times(values: Any, factor: float) -> list[float]:
    return [factor * float(v) for v in values]


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"
