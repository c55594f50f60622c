"""The page of a ``lead`` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.models.leads import fit_two_waves
from emdose.report.charts.distributions import distribution_chart
from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.maps.map_set import MapSet, single
from emdose.report.maps.volumes import Layer
from emdose.report.pages import common_rows, decisive
from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, words
from emdose.scenarios.kinds.lead.words import methods

if TYPE_CHECKING:
    from emdose.scenarios.kinds.lead.result import LeadResult

SHOWN_PATHS = 24
BINS = 24


def render(result: LeadResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : LeadResult
        What a run left in its folder.
    """
    summary = result.summary
    told = summary["lead"]
    about = told["about"]
    page: dict[str, Any] = {
        "title": capital(f"{words(str(about['name']))}, tier 3, {about['frequency_Hz'] / 1e6:.6g} MHz"),
        "sentence": f"A lead of {number(1e3 * about['length_m'])} mm in “{words(str(about['body']))}”, in the field of "
        f"{about['source']}: its transfer function along {about['paths']} paths.",
        "banners": [{"level": "note", "text": text} for text in summary.get("warnings", [])],
        "decisive": [],
        "tiles": tiles(summary),
        "cases": case_rows(told),
        "unit": told["unit"] or "V^2",
        "quantity": told["quantity"],
        "transfer": transfer_charts(result),
        "facts": facts(about),
        "along": along_chart(result),
        "histogram": histogram(result),
        "paths": path_charts(result),
        "budget": budget_rows(told["budget"]),
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
        "volume": single(maps(result)),
    }
    return fill(__package__, "lead.html.j2", ("planes.js", "viewer.js"), page, folder=result.folder, summary=summary)


def maps(result: LeadResult) -> MapSet:
    """The rms field without the lead, in tissue."""
    body = result.phantom
    names = {n: t.name for n, t in enumerate(body.tissues)}
    note = "Rms field in each voxel without the lead, first drive."
    layer = Layer("E_rms", "E rms", "V/m", np.where(body.body, result.E_rms, 0.0), decibels=20.0, note=note)
    return MapSet(body.grid, np.asarray(body.labels), names, (layer,))


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The first three numbers."""
    rows = list(summary["quantities"].items())
    return [decisive.tile(capital(name), entry, str(entry.get("note") or "")) for name, entry in rows[:4]]


def case_rows(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """Drive by drive."""
    keys = ("nominal", "median", "p95", "worst", "tier1", "tier1_E_rms_V_m", "E_tan_rms_V_m", "E_tan_spread_V_m")
    return [
        {"name": words(str(c["name"])), **{k: number(c[k]) for k in keys}, "worst_path": str(c["worst_path"])}
        for c in told["cases"]
    ]


def transfer_charts(result: LeadResult) -> list[Any]:
    """Magnitude and phase, with the two waves that are nearest."""
    tf = result.transfer_function.in_convention("exp(+jwt)")
    s, size = 1e3 * tf.distance_m, np.abs(tf.values)
    top = size.max()
    curves = [Curve("transfer function", s, size / top)]
    seen = size > 0.02 * top
    phases = [Curve("transfer function", s[seen], np.unwrap(np.angle(tf.values[seen] / tf.values[seen][0])))]
    if len(s) >= 12:
        waves = fit_two_waves(tf)
        fit = waves.at(tf.distance_m)
        curves.append(Curve("two waves", s, np.abs(fit) / top, colour=1, dashed=True))
        turned = np.unwrap(np.angle(fit[seen] / tf.values[seen][0]))
        phases.append(Curve("two waves", s[seen], turned, colour=1, dashed=True))
    axis = "distance from the tip [mm]"
    return [
        line_chart(curves, axis, "magnitude over its maximum", height=250),
        line_chart(phases, axis, "phase [rad], exp(+jwt)", height=250),
    ]


def facts(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the transfer function says of itself."""
    tf = about["transfer_function"]
    scale = "unknown" if tf["scale"] is None else f"{tf['scale']:.4g} {tf['scale_unit']}"
    rows = [
        ("Origin", "thin-wire moment method, reciprocity" if tf["computed"] else "file"),
        ("Quantity", tf["quantity"]),
        ("Medium", f"relative permittivity {tf['permittivity']:g}, {tf['conductivity_S_m']:g} S/m"),
        ("Time convention", tf["time_convention"]),
        ("Scale A", f"{scale}, for {tf['field_amplitude']} fields"),
        ("Calibration", tf["calibration"]),
        ("Ends", tf["ends"]),
    ]
    waves = tf["two_waves"]
    if waves:
        k, (size, angle) = complex(*waves["k_per_m"]), waves["reflection"]
        told = f"k = {k.real:.3f} − {abs(k.imag):.3f}j 1/m, far reflection {size:.2f} at {angle:.2f} rad"
        rows.append(("Two waves", f"{told}, misfit {100 * waves['misfit']:.0f} %"))
    return [(name, text) for name, text in rows if text]


def along_chart(result: LeadResult) -> Any:
    """Rms tangential field along the nominal path, by drive, with its spread one voxel beside."""
    curves = []
    for n, (name, one) in enumerate(result.along.items()):
        E = np.sqrt(0.5) * np.abs(one.E[0])
        s = 1e3 * one.distance_m
        curves.append(Curve(words(name), s, E, colour=n))
        if one.spread is not None:
            off = np.sqrt(0.5) * one.spread[0]
            curves += [Curve("", s, E + off, colour=n, dashed=True), Curve("", s, np.maximum(E - off, 0), n, True)]
    return line_chart(curves, "distance from the tip [mm]", "tangential E, rms [V/m]", height=270)


def histogram(result: LeadResult) -> Any:
    """All paths and drives, with the nominal path, the 95th percentile and the worst."""
    found = result.tier3
    values = found.quantity.ravel()
    unit = found.unit or "V²"
    density, edges = np.histogram(values, BINS, density=True)
    marks = [
        (float(found.quantity[0].max()), "nominal path", "value"),
        (found.percentile(95), "95th percentile", "quantile"),
        (float(values.max()), "worst", "quantile"),
    ]
    return distribution_chart({"edges": edges, "density": density}, None, marks, f"{found.name}: A|∫S E dl|² [{unit}]")


def path_charts(result: LeadResult) -> list[Any]:
    """The paths from the side and from the front; the nominal and the worst one in colour."""
    worst = result.tier3.worst[1]
    order = [n for n in range(1, min(SHOWN_PATHS, len(result.paths))) if n != worst]
    charts = []
    for a, b, names in ((0, 2, ("x, to the right [mm]", "z, up [mm]")), (1, 2, ("y, to the front [mm]", "z, up [mm]"))):
        curves = [Curve("", 1e3 * result.paths[n][:, a], 1e3 * result.paths[n][:, b], colour=5) for n in order]
        if worst:
            one = result.paths[worst]
            curves.append(Curve("worst path", 1e3 * one[:, a], 1e3 * one[:, b], colour=1))
        nominal = result.paths[0]
        curves.append(Curve("nominal path", 1e3 * nominal[:, a], 1e3 * nominal[:, b], colour=0))
        curves.append(Curve("tip", 1e3 * nominal[:1, a], 1e3 * nominal[:1, b], colour=0, dots=True))
        charts.append(line_chart(curves, *names, height=300))
    return charts


def budget_rows(budget: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The budget of the path at the 95th percentile."""
    if budget is None:
        return None
    rows = [
        {
            "source": r["source"],
            "width": number(r["width"]) if r["width"] is not None else "–",
            "unit": "" if r["unit"] == "1" else r["unit"],
            "contribution": number(abs(r["contribution"])),
            "share": f"{r['share_percent']:.0f} %",
        }
        for r in budget["rows"]
    ]
    told = f"{number(budget['value'])} ± {number(budget['expanded'])} {budget['unit']}, k = {budget['k']:.2f}"
    return {"rows": rows, "told": told, "unit": budget["unit"]}
