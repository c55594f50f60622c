"""The page of a ``force`` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.pages import common_rows, decisive
from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, quantity
from emdose.scenarios.kinds.force.words import methods

if TYPE_CHECKING:
    from emdose.scenarios.kinds.force.result import ForceResult

REFERENCES = {
    "force over weight": "force = weight, 45° (ASTM F2052)",
    "torque over weight times length": "weight × length (ASTM F2213)",
    "the same over weight times length": "weight × length",
    "the same over weight": "weight",
}
"""Ratios of the table that stand beside 1, and what 1 means."""


def render(result: ForceResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : ForceResult
        What a run left in its folder.
    """
    summary = result.summary
    about = summary["force"]
    body, field = about["body"], about["field"]
    page: dict[str, Any] = {
        "title": f"{capital(str(body['name']))}: forces and torques",
        "sentence": f"{number(1e3 * body['mass_kg'])} g of {' and '.join(body['metals'])}, "
        f"{number(1e3 * body['longest_m'])} mm long; forces at {field['place']}.",
        "banners": [{"level": "note", "text": text} for text in [*summary.get("warnings", []), *about["notes"]]],
        "decisive": decisive_rows(summary),
        "rows": table_rows(summary),
        "setup": setup_rows(about),
        "materials": material_rows(about),
        "exposures": [exposure_charts(name, one) for name, one in about["exposures"].items()],
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
    }
    return fill(__package__, "force.html.j2", (), page, folder=result.folder, summary=summary)


def decisive_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ratios, each beside the reference point 1."""
    found = []
    for name, entry in summary["quantities"].items():
        label = REFERENCES.get(name) or ("weight × length" if name.startswith("gradient torque, peak over") else "")
        if label:
            marks = [{"limit": 1.0, "label": label, "noun": "reference"}]
            found.append(decisive.row(_title(name), entry, marks, str(entry.get("note") or "")))
    return found


def _title(name: str) -> str:
    """What a ratio is called where the row above is not there."""
    told = {
        "the same over weight times length": "turning the patient: torque over weight times length",
        "the same over weight": "moving in the gradient: drag over weight",
    }
    return capital(told.get(name, name))


def table_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every row with its uncertainty."""
    rows = []
    for name, entry in summary["quantities"].items():
        value, unit = quantity(entry["value"], "" if entry["unit"] == "1" else str(entry["unit"]))
        spread = decisive.spread_text(entry)
        rows.append({"name": _title(name), "value": value, "unit": unit, "spread": spread, "note": entry["note"]})
    return rows


def setup_rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Implant and place in the scanner."""
    body, field = about["body"], about["field"]
    size = " × ".join(number(1e3 * s) for s in body["size_m"])
    inertia = ", ".join(f"{1e6 * x:.3g}" for x in body["principal_inertia_kg_m2"])
    rows = [
        ("Implant", f"{body['name']}, {' and '.join(body['metals'])}"),
        ("Size, mass", f"{size} mm, {number(1e3 * body['mass_kg'])} g"),
        ("Principal moments of inertia", f"{inertia} kg mm²"),
        ("B0 at the isocentre", "(" + ", ".join(f"{x:.3g}" for x in field["B0_T"]) + ") T"),
        ("Forces at", field["place"]),
    ]
    if "largest_gradient" in field:
        rows += [
            ("Largest gradient of the map", field["largest_gradient"]),
            ("Map", f"{field['places']} places; forces where B |grad B| is largest"),
        ]
    M = np.asarray(about["at_rest"]["matrix"])
    values = ", ".join(f"{x:.3g}" for x in np.linalg.eigvalsh(M)[::-1])
    rows.append(("Moment tensor at rest, eigenvalues", f"{values} W/(T/s)²"))
    return rows


def material_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """Susceptibilities with range and source."""
    return [
        {
            "name": name,
            "chi": f"{m['chi']:.3g}",
            "range": f"{m['chi_low']:.3g} to {m['chi_high']:.3g}",
            "saturation": "–" if m["saturation_T"] is None else f"{m['saturation_T']:.3g} T",
            "anisotropy": f"{m['anisotropy']:.3g}",
            "source": m["source"] or "–",
        }
        for name, m in about["materials"].items()
    ]


def exposure_charts(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """Torque over time and its spectrum."""
    wave, spectrum = one["waveform"], one["spectrum"]
    torque = 1e3 * np.asarray(wave["torque_N_m"], float)
    curves = [
        Curve(f"T{a}", 1e3 * np.asarray(wave["times_s"]), torque[:, n], colour=n)
        for n, a in enumerate("xyz")
        if np.abs(torque[:, n]).max() > 5e-3 * np.abs(torque).max()
    ]
    charts = [line_chart(curves, "time [ms]", "torque [mN m]", height=250)]
    if len(spectrum["frequencies_Hz"]) > 1:
        stems = Curve("", spectrum["frequencies_Hz"], [1e3 * t for t in spectrum["torque_N_m"]], colour=1, stems=True)
        charts.append(
            line_chart([stems], "frequency [Hz]", "torque of a harmonic, peak [mN m]", log_x=True, height=250)
        )
    shown, count = len(spectrum["frequencies_Hz"]), spectrum["count"]
    which = f"the {shown} strongest of {count} harmonics" if count > shown else f"{count} harmonics"
    caption = f"{one['title']}. Torque on the implant in this pose over one period; {which}."
    return {"name": name, "charts": charts, "caption": caption}
