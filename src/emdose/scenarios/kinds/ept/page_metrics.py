"""Metrics of an EPT run as tables: regions shrunk by steps, and eroded by balls as reconstruction challenges do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report.wording import is_finite, number, words
from emdose.scenarios.kinds.ept.page_content import SYMBOLS, WHOLE, integer, listed

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ept.result import EptResult


def metric_tables(result: EptResult, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Challenge metrics per tissue and erosion: one table per quantity, the methods side by side."""
    tables = []
    for quantity, (name, unit) in SYMBOLS.items():
        rows = [r for r in result.summary["ept"]["metrics"] if r["quantity"] == quantity]
        methods = [m for m in result.maps if any(r["method"] == m for r in rows)]
        if not methods:
            continue
        by_key = {(r["region"], r["erosion"], r["method"]): r for r in rows}
        lines = []
        for region in dict.fromkeys(r["region"] for r in rows):
            erosions = sorted({r["erosion"] for r in rows if r["region"] == region and r["voxels"]})
            for erosion in erosions:
                mine = [by_key.get((region, erosion, m)) for m in methods]
                first = next(r for r in mine if r is not None)
                lines.append(
                    {
                        "name": "whole object" if region == WHOLE else words(region),
                        "first": erosion == erosions[0],
                        "span": len(erosions),
                        "colour": colours.get(region),
                        "erosion": erosion,
                        "voxels": integer(first["voxels"] + first["missing"]),
                        "truth": number(first["truth_mean"], 3),
                        "cells": [_metric_cell(r) for r in mine],
                    }
                )
        tables.append({"title": f"{name}{f' [{unit}]' if unit else ''}", "methods": methods, "rows": lines})
    return tables


def ball_tables(result: EptResult) -> list[dict[str, Any]]:
    """Regions eroded by a ball, as reconstruction challenges count: one table per quantity, a row a method."""
    tables = []
    for quantity, (name, unit) in SYMBOLS.items():
        found = [r for r in result.summary["ept"].get("challenge", []) if r["quantity"] == quantity and r["voxels"]]
        rows = [
            {
                "name": "whole object" if r["region"] == WHOLE else words(r["region"]),
                "method": r["method"],
                "cells": [
                    f"{1e3 * r['ball_m']:.3g}",
                    integer(r["voxels"]),
                    *(number(r[k], 3) for k in ("truth_mean", "mean", "sd", "median", "iqr", "rmse")),
                    *(_percent(r[k]) for k in ("nrmse", "nrmse_best_99")),
                ],
            }
            for r in sorted(found, key=lambda r: (r["region"] != WHOLE, r["region"], r["ball_m"]))
        ]
        if rows:
            tables.append({"title": f"{name}{f' [{unit}]' if unit else ''}", "rows": rows})
    return tables


def erosions(result: EptResult) -> str:
    """By how many voxels regions were shrunk, as text."""
    return listed([str(n) for n in sorted({r["erosion"] for r in result.summary["ept"]["metrics"]})] or ["0"])


def _metric_cell(row: Mapping[str, Any] | None) -> list[str]:
    keys = ("median", "iqr", "mean", "sd", "rmse", "nrmse")
    if row is None or not row["voxels"]:
        return ["–"] * len(keys)
    return [number(row[k], 3) if k != "nrmse" else _percent(row[k]) for k in keys]


def _percent(value: Any) -> str:
    return f"{100 * value:.0f} %" if is_finite(value) else "–"
