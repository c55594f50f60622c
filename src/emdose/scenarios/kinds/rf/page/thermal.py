"""Temperatures on the report page: map, heating curve, regions, limits and what the numbers rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.limit_words import standing
from emdose.report.maps.volumes import Layer
from emdose.report.pages import decisive
from emdose.report.wording import is_finite, number, words

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result.result import RunResult

BAR_BEGINS_degC = 35.0
"""Temperature at the left end of the bar beside limits."""


def layers(result: RunResult) -> list[Layer]:
    """The maps of temperature to leaf through; none without a table [thermal]."""
    if result.thermal is None:
        return []
    duration = number(result.summary["thermal"]["duration_s"])
    note = f"Largest rise of every voxel within {duration} s, above its temperature without exposure."
    rise = Layer("rise", "Temperature rise", "K", result.thermal.rise, 1.0, "inferno", 10.0, note)
    if not result.thermal.dose_min.any():
        return [rise]
    note = "Cumulative equivalent minutes at 43 °C (Sapareto and Dewey 1984), the body's own temperature included."
    return [rise, Layer("cem43", "Thermal dose", "min", result.thermal.dose_min, 1.0, "inferno", 10.0, note)]


def decisive_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Largest temperature and rise beside the limits on them, a row for every region that has its own."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for r in (summary.get("thermal") or {}).get("limits", []):
        if is_finite(r["value"]) and is_finite(r["limit"]):
            groups.setdefault((r["region"], r["unit"]), []).append(r)
    found = []
    for (region, unit), rows in groups.items():
        degrees = unit == "degC"
        stated = summary["quantities"].get("temperature_max" if degrees else "temperature_rise_max", {})
        entry = {"value": rows[0]["value"], "unit": unit, "uncertainty": stated.get("uncertainty")}
        limits = []
        for limit in sorted({r["limit"] for r in rows}):
            same = [r for r in rows if r["limit"] == limit]
            told = standing(same[0])
            label = ", ".join(dict.fromkeys(r["mode"] for r in same))
            limits.append({**told, "limit": limit, "label": label, "doubtful": told["state"] == "unverified"})
        where = f"{region}; the bar begins at {BAR_BEGINS_degC:g} °C" if degrees else region
        name, base = ("Temperature", BAR_BEGINS_degC) if degrees else ("Temperature rise", 0.0)
        found.append(decisive.row(name, entry, limits, where, base=base))
    return found


def thermal(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the page says about temperatures, or None without a table [thermal]."""
    about = summary.get("thermal")
    if not about:
        return None
    curve = about["curve"]
    chart = line_chart(
        [Curve("", curve["times_s"], curve["peak_rise_K"])],
        "time [s]",
        "largest rise in the body [K]",
        label="Largest temperature rise over time",
    )
    return {
        "chart": chart,
        "duration": number(about["duration_s"]),
        "duty_cycle": number(about["duty_cycle"]),
        "power": number(about["power_W"]),
        "time_error": f"{100 * about['time_error']:.2g} %",
        "balance": f"{100 * about['balance_error']:.2g} %",
        "regions": [
            {
                "name": words(name),
                "rise": number(row["rise_K"]),
                "temperature": number(row["temperature_degC"], 4),
                "dose": number(row["cem43_min"], 2),
                "excess": number(row.get("cem43_excess_min"), 2),
                "tissue": words(row["tissue"]),
            }
            for name, row in about["regions"].items()
        ],
        "limits": [
            {
                "mode": row["mode"],
                "region": row["region"],
                "value": number(row["value"], 4),
                "limit": number(row["limit"], 4),
                "unit": "°C" if row["unit"] == "degC" else row["unit"],
                "document": f"{row['standard']}, {row['edition']}",
                **standing(row),
                "source": row["source"],
                "over": is_finite(row["value"]) and row["value"] > row["limit"],
            }
            for row in about["limits"]
        ],
        "assumptions": [text.replace("degC", "°C").replace("W/m2/K", "W/m²/K") for text in about["assumptions"]],
    }
