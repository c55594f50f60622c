"""The page of an EPT run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from emdose.report.charts.charts import CURVES, interval_chart
from emdose.report.colours import colour_of
from emdose.report.maps.volumes import body_box, colour_table
from emdose.report.pages import common_rows
from emdose.report.pages.page import capital, fill
from emdose.scenarios.kinds.ept import page_content, page_metrics
from emdose.scenarios.kinds.ept import page_methods as methods
from emdose.scenarios.kinds.ept.page_maps import pack

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ept.result import EptResult

COLOURS = {"viridis": "viridis", "magma": "magma", "twilight": "twilight", "error": "RdBu_r"}


def render(result: EptResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : EptResult
        What a run left in its folder.
    """
    summary = result.summary
    colours = {name: colour_of(n) for n, name in enumerate(result.names.values())}
    volume = pack(result) | {"colour_tables": {key: colour_table(name) for key, name in COLOURS.items()}}
    volume["start"] = start_voxel(result, volume)
    page: dict[str, Any] = {
        "title": capital(page_content.title(result)),
        "sentence": page_content.sentence(result),
        "banners": page_content.banners(result),
        "tiles": page_content.tiles(result),
        "leading": _leading(result),
        "volume": volume,
        "means": page_content.mean_tables(result, colours),
        "parts": page_content.part_tables(result),
        "charts": _charts(result),
        "erosions": page_metrics.erosions(result),
        "metrics": page_metrics.metric_tables(result, colours),
        "balls": page_metrics.ball_tables(result),
        "methods": page_content.method_rows(result),
        "setup": page_content.data_rows(result),
        "simulated": bool(summary.get("convergence", {}).get("ports")),
        "methods_text": methods.written(summary),
        "convergence": common_rows.convergence(summary),
        "power": common_rows.power(summary),
    }
    return fill(__package__, "ept.html.j2", ("planes.js", "ept.js"), page, folder=result.folder, summary=summary)


def start_voxel(result: EptResult, volume: dict[str, Any]) -> list[int]:
    """Voxel of the page's box that the viewer opens at: the isocentre when it lies in the object, else its middle."""
    mask = np.asarray(result.b1.mask)
    low, _ = body_box(mask)
    origin, spacing = result.b1.grid.origin_m, result.b1.grid.spacing_m
    index = [int(np.floor(-o / h + 1e-9)) for o, h in zip(origin, spacing, strict=True)]
    if not all(0 <= i < n for i, n in zip(index, mask.shape, strict=True)) or not mask[tuple(index)]:
        index = [round(float(i)) for i in np.argwhere(mask).mean(axis=0)]
    places = zip(index, low, volume["steps"], volume["shape"], strict=True)
    return [min((i - a) // s, n - 1) for i, a, s, n in places]


def _leading(result: EptResult) -> list[dict[str, Any]]:
    found = []
    names = list(result.maps)
    drawn = {n: CURVES[k % len(CURVES)] for k, n in enumerate(names)}
    for quantity, (title, unit) in page_content.SYMBOLS.items():
        told = page_content.means(result, quantity)
        if told["rows"]:
            axis = f"{title}{f' [{unit}]' if unit else ''}"
            shown = {n: c for n, c in drawn.items() if n in told["methods"]}
            chart = interval_chart(told["rows"], shown, axis, f"Mean and uncertainty of {axis} per tissue and method")
            found.append({**told, "title": axis, "chart": chart})
    return found


def _charts(result: EptResult) -> list[dict[str, Any]]:
    found = []
    names = list(result.maps)
    for quantity, (title, unit) in page_content.SYMBOLS.items():
        rows = page_content.intervals(result, quantity)
        if rows:
            drawn = {n: CURVES[k % len(CURVES)] for k, n in enumerate(names)}
            axis = f"{title}{f' [{unit}]' if unit else ''}"
            found.append({"title": axis, "chart": Markup(interval_chart(rows, drawn, axis))})
    return found
