"""The page of a refinement: every number on every grid, and what the grid leaves uncertain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, quantity, quantity_name


def render(study: Mapping[str, Any], summary: Mapping[str, Any], folder: Path | str) -> str:
    """The page as HTML text.

    Parameters
    ----------
    study : mapping
        What stands in refine.json.
    summary : mapping
        Of the run on the finest grid.
    folder : Path
        Of that run.
    """
    grids = [f"{1e3 * h:.3g} mm" for h in study["spacings_m"][::-1]]
    page: dict[str, Any] = {
        "title": f"{capital(str(study['name']))}: refinement",
        "sentence": f"The same scenario on grids of {', '.join(grids)}. The uncertainty is that of the finest grid, "
        "of its discretisation only: tissue, anatomy, position and source are not in it.",
        "banners": [{"level": "high", "text": text} for text in study["notes"]],
        "tiles": [],
        "grids": grids,
        "rows": [row(name, one) for name, one in study["quantities"].items()],
    }
    return fill(None, "refinement.html.j2", (), page, folder=folder, summary=summary)


def row(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """A number of refine.json as texts: its values, the coarsest grid first, unit, order, limit and uncertainty."""
    unit = quantity(one["values"][0], one["unit"], 4)[1]
    spread, value = one["uncertainty"]["expanded"], one["values"][0]
    prescribed = one["behaviour"] == "constant"
    share = f"{100 * spread / abs(value):.2g} %" if value and not prescribed else ""
    return {
        "name": quantity_name(name),
        "values": [quantity(v, one["unit"], 4)[0] for v in one["values"][::-1]],
        "unit": unit,
        "behaviour": one["behaviour"],
        "order": number(one["order"], 2),
        "extrapolated": "" if prescribed else quantity(one["extrapolated"], one["unit"], 4)[0],
        "expanded": "" if prescribed else quantity(spread, one["unit"], 2)[0],
        "relative": share,
        "basis": one["uncertainty"]["basis"],
    }
