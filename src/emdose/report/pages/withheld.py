"""The page of a result that is not valid: the reasons and how it converged, and nothing to be taken for a result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emdose.report.pages import common_rows
from emdose.report.pages.page import capital, fill


def render(summary: Mapping[str, Any], folder: Path | str) -> str:
    """The page as HTML text.

    Parameters
    ----------
    summary : mapping
        With its entry "validity"; its numbers are not looked at.
    folder : Path
        Of the result.
    """
    header = summary["scenario"]["scenario"]
    page: dict[str, Any] = {
        "title": capital(str(header.get("name") or "unnamed")),
        "sentence": "This result is not valid. Its numbers, limits and pictures are withheld; the reasons stand here.",
        "banners": [{"level": "note", "text": str(text)} for text in summary.get("warnings", [])],
        "tiles": [],
        "measures": common_rows.measure_rows(summary),
        "convergence": common_rows.convergence(summary),
        "power": {**common_rows.power(summary), "chart": "", "rows": []},
    }
    return fill(None, "withheld.html.j2", (), page, folder=folder, summary=summary)
