"""The page of a ``motion`` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.maps.map_set import MapSet, single
from emdose.report.maps.volumes import Layer
from emdose.report.pages import common_rows, decisive, limit_table
from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, words
from emdose.scenarios.kinds.motion.words import TYPES, methods
from emdose.scenarios.shared.induced.parts import tissue_rows

if TYPE_CHECKING:
    from emdose.scenarios.kinds.motion.result import MotionResult

SHOWN = 6
"""Rows beside limits at the top of the page."""
HEIGHT = 210
FELT = (
    ("torque_N_m", "torque of eddy currents on the implant", "mN m", 1e3, 0),
    ("drag_N", "drag of eddy currents on the implant", "mN", 1e3, 1),
)


def render(result: MotionResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : MotionResult
        What a run left in its folder.
    """
    summary = result.summary
    about = summary["motion"]
    rows = limit_table.check_rows(summary)
    moves = [TYPES[one["type"]] for one in about["trajectories"].values()]
    told = ", ".join(dict.fromkeys(moves))
    page: dict[str, Any] = {
        "title": f"{capital(told)}: {about['magnet']}",
        "sentence": f"What “{words(about['body'])}” ({number(about['mass_kg'])} kg) goes through: the static field, "
        f"its change, the electric field that it induces (voxels of {number(1e3 * about['spacing_m'])} mm), and "
        f"limits for the group “{about['group']}”.",
        "banners": [{"level": "note", "text": str(text)} for text in summary.get("warnings", [])],
        "decisive": decisive_rows(about),
        "tiles": tiles(summary),
        "volume": single(maps(result)),
        **limit_table.section(summary, rows),
        "implant": about["implant"],
        "trajectories": [trajectory(name, one) for name, one in about["trajectories"].items()],
        "setup": setup_rows(about),
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
        "balance": f"{number(100 * summary['convergence']['balance'], 1)} %",
    }
    return fill(__package__, "motion.html.j2", ("planes.js", "viewer.js"), page, folder=result.folder, summary=summary)


def maps(result: MotionResult) -> MapSet:
    """Largest E over time of every trajectory."""
    phantom = result.phantom
    why = "Largest |E| along the trajectory; single voxels at staircase edges stand out, see the percentiles."
    layers = [
        Layer(f"peak{n}", f"|E| {name}", "V/m", np.nan_to_num(values), note=why)
        for n, (name, values) in enumerate(result.peaks.items())
    ]
    return MapSet(phantom.grid, phantom.labels, {n: t.name for n, t in enumerate(phantom.tissues)}, layers)


def decisive_rows(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is nearest to a limit, as bars."""
    found = []
    for entry in about["decisive"][:SHOWN]:
        label = f"{entry['mode']}, limit" if entry["mode"] else "limit"
        marks = [{"limit": entry["limit"], "label": label, "standing": entry.get("standing")}]
        found.append(decisive.row(capital(entry["title"]), entry, marks, str(entry["region"])))
    return found


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline numbers."""
    numbers = summary["quantities"]
    return [decisive.tile(capital(name), numbers[name]) for name in summary["motion"]["headline"] if name in numbers]


def trajectory(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Time courses and tissues of a trajectory."""
    course = one["course"]
    t = np.asarray(course["times_s"], float)

    def curve(title: str, key: str, factor: float = 1.0, colour: int = 0, dashed: bool = False) -> Curve:
        return Curve(title, t, factor * np.asarray(course[key], float), colour=colour, dashed=dashed)

    field = [curve("largest |B| in the body", "B_T"), curve("largest change within 3 s", "change_T", colour=1)]
    rate = [curve("largest |dB/dt| in the body", "dBdt_T_s", colour=2)]
    E = [
        curve(f"99th percentile in {words(one['worst'])}", "E_p99_V_m", 1e3),
        curve("largest voxel", "E_max_V_m", 1e3, colour=1, dashed=True),
    ]
    charts = [
        line_chart(field, "time [s]", "B [T]", height=HEIGHT),
        line_chart(rate, "time [s]", "dB/dt [T/s]", height=HEIGHT),
        line_chart(E, "time [s]", "|E| [mV/m]", height=HEIGHT),
    ]
    weighted = [
        Curve(title, t, np.asarray(values, float), colour=n, dashed=n > 1)
        for n, (title, values) in enumerate(course["indices"].items())
    ]
    if weighted:
        charts.append(line_chart(weighted, "time [s]", "weighted peak (1 is the limit)", height=HEIGHT + 20))
    tables = [{"title": "", "rows": tissue_rows(one["tissues"], 1e3)}]
    metal = one.get("implant")
    if metal:
        tables.append({"title": "With the implant. ", "rows": tissue_rows(metal["tissues"], 1e3)})
        charts += felt_charts(metal)
    speed = (
        f"{number(one['fastest_m_s'])} m/s" if one["fastest_m_s"] > 1e-6 else f"{number(one['fastest_rad_s'])} rad/s"
    )
    sentence = (
        f"{capital(TYPES[one['type']])}: the {one['part']} moves for {number(one['duration_s'])} s, up to {speed}. "
        f"E is largest at {number(one['peak_time_s'])} s."
    )
    return {"name": name, "sentence": sentence, "source": one["source"], "charts": charts, "tables": tables}


def felt_charts(metal: Mapping[str, Any]) -> list[Any]:
    """What eddy currents in the implant do to it over time."""
    t = np.asarray(metal["times_s"], float)
    found = []
    for key, title, unit, factor, colour in FELT:
        curve = Curve(title, t, factor * np.asarray(metal[key], float), colour=colour)
        found.append(line_chart([curve], "time [s]", f"{title.partition(' ')[0]} [{unit}]", height=HEIGHT))
    return found


def setup_rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Body, magnet, grids, motions."""
    line = about["line_m"]
    rows = [
        ("Body", words(about["body"])),
        ("Magnet", about["magnet"]),
        ("Field at the isocentre", f"{number(about['B0_T'])} T" if line else ""),
        ("0.5 mT line", f"{number(line[0])} m along the axis, {number(line[1])} m across it" if line else ""),
        ("Voxels", f"{number(1e3 * about['spacing_m'])} mm"),
        ("Second grid", f"{number(1e3 * about['coarse_spacing_m'])} mm" if about["coarse_spacing_m"] else ""),
        ("Implant", words(about["implant"]) if about["implant"] else ""),
        ("Tissue properties at", f"{about['frequency_Hz']:g} Hz"),
        ("Limits for", f"{about['group']}, conditions {'' if about['controlled'] else 'not '}controlled"),
    ]
    for part, one in about["parts"].items():
        cells = f"{one['cells']:,}".replace(",", "\u202f")
        told = f"{cells} voxels conduct; {one['motions']} motions were solved for, all others are their sums"
        rows.append((f"Moving {part}", told))
    return [(name, text) for name, text in rows if text]
