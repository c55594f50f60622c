"""The page of a ``body-gradient`` run."""

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
from emdose.scenarios.kinds.body_gradient.words import methods
from emdose.scenarios.shared.induced.parts import tissue_rows

if TYPE_CHECKING:
    from emdose.scenarios.kinds.body_gradient.result import BodyGradientResult


def render(result: BodyGradientResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : BodyGradientResult
        What a run left in its folder.
    """
    summary = result.summary
    about = summary["body_gradient"]
    rows = limit_table.check_rows(summary)
    source = about["gradients"] or "uniform switched fields"
    page: dict[str, Any] = {
        "title": f"{capital(words(about['body']))} in {source}",
        "sentence": f"Electric field that {len(about['exposures'])} exposure"
        f"{'s' if len(about['exposures']) > 1 else ''} of switched fields induce in {number(about['mass_kg'], 4)} kg, "
        f"voxels of {number(1e3 * about['spacing_m'])} mm, beside the limits of stimulation.",
        "banners": [{"level": "note", "text": str(text)} for text in summary.get("warnings", [])],
        "decisive": decisive_rows(summary),
        "tiles": tiles(summary),
        "volume": single(maps(result)),
        **limit_table.section(summary, rows),
        "exposures": [exposure(name, one) for name, one in about["exposures"].items()],
        "setup": setup_rows(about),
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
        "balance": f"{100 * summary['convergence']['balance']:.1g} %",
    }
    return fill(
        __package__, "body_gradient.html.j2", ("planes.js", "viewer.js"), page, folder=result.folder, summary=summary
    )


def maps(result: BodyGradientResult) -> MapSet:
    """Largest E over time of every exposure."""
    phantom = result.phantom
    why = "Largest |E| over the waveform; single voxels at staircase edges stand out, see the percentiles."
    layers = [
        Layer(f"peak{n}", f"|E| {name}", "V/m", np.nan_to_num(values), note=why)
        for n, (name, values) in enumerate(result.peaks.items())
    ]
    return MapSet(phantom.grid, phantom.labels, {n: t.name for n, t in enumerate(phantom.tissues)}, layers)


def decisive_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is nearest to a limit, by exposure and mode, as bars."""
    found = []
    for name, one in summary["body_gradient"]["exposures"].items():
        for entry in one["decisive"]:
            marks = [{"limit": m["limit"], "label": m["label"], "noun": "limit"} for m in entry["marks"]]
            found.append(decisive.row(f"{name}: {entry['title']}", entry, marks, str(entry.get("note") or "")))
    return found


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline numbers."""
    wanted = summary["body_gradient"]["headline"]
    numbers = summary["quantities"]
    return [decisive.tile(capital(name), numbers[name]) for name in wanted if name in numbers]


def exposure(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Tissues and time course of an exposure."""
    charts = []
    wave = one["waveform"]
    times = 1e3 * np.asarray(wave["times_s"])
    rates = np.asarray(wave["rates"], float)
    names = "xyz" if rates.shape[1] == 3 else ["field"]
    curves = [Curve(a, times, rates[:, n], colour=n) for n, a in enumerate(names) if np.abs(rates[:, n]).max() > 0]
    charts.append(line_chart(curves, "time [ms]", f"rate [{wave['unit']}]", height=230))
    if one.get("response"):
        told = one["response"]
        nerve = [Curve("nerve response", 1e3 * np.asarray(told["times_s"]), 100 * np.asarray(told["R"]), colour=1)]
        charts.append(line_chart(nerve, "time [ms]", "response [% of the threshold]", height=230))
    tissues = tissue_rows(one["tissues"])
    return {"name": name, "title": one["title"], "charts": charts, "tissues": tissues, "passing": one["passing"]}


def setup_rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Body, sources, grids."""
    place = ", ".join(number(1e3 * x) for x in about["position_m"]) if about["position_m"] else ""
    rows = [
        ("Body", words(about["body"])),
        ("Voxels", f"{number(1e3 * about['spacing_m'])} mm, {about['cells']:,} conduct".replace(",", "\u202f")),
        ("Second grid", f"{number(1e3 * about['coarse_spacing_m'])} mm" if about["coarse_spacing_m"] else ""),
        ("Gradient coils", about["gradients"] or ""),
        ("Origin of the body in the scanner", f"({place}) mm" if place else ""),
        ("Implant", words(about["implant"]) if about["implant"] else ""),
        ("Tissue properties at", f"{about['frequency_Hz']:g} Hz"),
        ("Connected conductors", str(about["parts"])),
    ]
    return [(name, text) for name, text in rows if text]
