"""The page of an ``induction`` run: the frame of every page, and a chart."""

from __future__ import annotations

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.pages.page import fill


def render(result):
    """The report as HTML text."""
    summary = result.summary
    ball = summary["scenario"]["ball"]
    line = result.E[:, result.E.shape[1] // 2, result.E.shape[2] // 2]
    x_mm = 1e3 * result.spacing_m[0] * (np.arange(len(line)) + 0.5 - 0.5 * len(line))
    row = summary["checks"][0]
    rows = {
        "title": f"{ball['tissue'].capitalize()} ball in a changing field",
        "sentence": f"A ball of radius {1e3 * ball['radius_m']:g} mm in a uniform field along z.",
        "banners": [{"level": "note", "text": text} for text in summary["warnings"]],
        "tiles": [{"label": "Largest field, rms", "value": f"{row['value']:.3g}", "unit": "V/m", "remark": ""}],
        "chart": line_chart([Curve("", x_mm, line)], "x [mm]", "rms electric field [V/m]"),
        "verdict": f"{row['value']:.3g} V/m, {row['verdict']} of {row['limit']:g} V/m",
    }
    return fill(__package__, "induction.html.j2", (), rows, folder=result.folder, summary=summary)
