"""The page that sets two runs side by side: differences of their numbers, of their scenarios, and their maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.report.charts.whiskers import difference_chart
from emdose.report.maps import map_set
from emdose.report.pages.page import fill
from emdose.report.terminal import PREFIXES
from emdose.report.wording import MINUS, is_finite, plain, quantity, quantity_name

MOST_DRAWN = 16
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
    maps : two of MapSet or None
        Those of both runs.
    """
    first, second = maps
    rows = told["quantities"]
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
    names = [run["name"] for run in told["runs"]]
    beyond = sum(r["judged"] == "beyond U" for r in rows)
    judged = sum(r["judged"] in ("beyond U", "within U") for r in rows)
    many = f"{len(told['keys'])} keys of the scenarios differ" if len(told["keys"]) != 1 else "one key of them differs"
    page: dict[str, Any] = {
        "title": f"{names[0]} beside {names[1]}" if names[0] != names[1] else f"Two runs of {names[0]}",
        "sentence": f"Two results of scenarios of kind {told['kind']}; {many}. Of {judged} numbers that differ and "
        f"have an uncertainty, {beyond} differ by more than the combined expanded uncertainty.",
        "banners": [{"level": "note", "text": text} for text in told["notes"]],
        "runs": [
            {"letter": letter, **run, "folder": Path(run["folder"]).name}
            for letter, run in zip("AB", told["runs"], strict=True)
        ],
        "chart": chart,
        "left_out": f"The {len(shown)} largest of {len(drawn)} are drawn." if len(shown) < len(drawn) else "",
        "rows": [shown_row(r) for r in rows],
        "meaning": MEANING,
        "keys": [(k["key"], plain(k["a"]), plain(k["b"])) for k in told["keys"]],
        "origins": [(k["key"], plain(k["a"]), plain(k["b"])) for k in told["provenance"]],
        "volume": (map_set.pair(first, second) if first is not None and second is not None else None) or {},
    }
    return fill(None, "compare.html.j2", ("planes.js", "compare.js"), page, folder=Path(), summary={})


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
