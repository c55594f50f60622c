"""The page of an ``implant-rf`` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.colours import colour_of
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer, colour_table, pack
from emdose.report.pages import common_rows, decisive
from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, quantity, words
from emdose.scenarios.kinds.implant_rf.words import methods

if TYPE_CHECKING:
    from emdose.scenarios.kinds.implant_rf.result import ImplantRfResult

TILES = (
    ("background_sar", "Background SAR at the implant"),
    ("psSAR10g", "10 g SAR with implant"),
    ("psSAR10g_ratio", "10 g SAR with over without"),
    ("rise_tissue_max", "Temperature rise in tissue"),
    ("metal_power", "Power in the metal"),
)


def render(result: ImplantRfResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : ImplantRfResult
        What a run left in its folder.
    """
    summary, phantom, found = result.summary, result.phantom, layers(result)
    about = summary["implant_rf"]
    volume, present = pack(phantom.grid, phantom.labels, found)
    colours = {phantom.tissues[int(label)].name: colour_of(n) for n, label in enumerate(present)}
    volume["tissues"] = [{"name": words(name), "colour": colour} for name, colour in colours.items()]
    volume["colour_tables"] = {name: colour_table(name) for name in sorted({m.colours for m in found})}
    volume["first"] = "sar"
    implant = about["implant"]
    page: dict[str, Any] = {
        "title": f"{capital(words(str(implant['name'])))} in {words(about['body'])}, "
        f"{about['frequency_Hz'] / 1e6:.6g} MHz",
        "sentence": f"SAR and heat beside {number(1e3 * implant['mass_kg'])} g of {' and '.join(implant['metals'])} in "
        f"the field of {about['coil']} ({about['drive']} drive); the body without the implant has "
        f"{number(summary['quantities']['background_sar']['value'])} W/kg at its place.",
        "banners": [{"level": "note", "text": str(text)} for text in summary.get("warnings", [])],
        "decisive": [],
        "tiles": tiles(summary),
        "volume": volume,
        "averages": average_rows(summary),
        "cubes": cube_rows(about),
        "poses": pose_rows(about),
        "metal": metal_rows(about),
        "real_metal": real_metal(about),
        "parts": part_rows(about),
        "replaced": replaced_rows(about),
        "setup": setup_rows(summary),
        "heat": heating(summary),
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
        "power": common_rows.power(summary),
    }
    return fill(
        __package__,
        "implant_rf.html.j2",
        ("planes.js", "viewer.js"),
        page,
        folder=result.folder,
        summary=summary,
    )


def layers(result: ImplantRfResult) -> list[Layer]:
    """The maps to leaf through; there is no SAR in metal."""
    tissue = ~np.asarray(result.metal)
    why = "Point SAR on the voxels of the heat; beside metal its peak depends on the cells."
    return [
        Layer("sar", "SAR with implant", "W/kg", np.where(tissue, result.sar.value, 0.0), note=why),
        Layer("background", "SAR without", "W/kg", np.asarray(result.background), note="The same without the implant."),
        Layer("rise", "Temperature rise", "K", np.asarray(result.rise), note="At the end of the heating."),
    ]


def maps(result: ImplantRfResult) -> MapSet:
    """The maps to set beside those of another run."""
    phantom = result.phantom
    names = {n: t.name for n, t in enumerate(phantom.tissues)}
    return MapSet(phantom.grid, phantom.labels, names, layers(result), "sar")


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline numbers."""
    found = []
    for name, title in TILES:
        entry = summary["quantities"].get(name)
        if entry is not None:
            found.append(decisive.tile(title, entry))
    return found


def average_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Averages without and with the implant, their ratio and difference."""
    numbers, rows = summary["quantities"], []
    for name in ("1g", "10g"):
        cells = []
        for key in (f"psSAR{name}_background", f"psSAR{name}", f"psSAR{name}_difference", f"psSAR{name}_ratio"):
            entry = numbers.get(key)
            cells.append("–" if entry is None else f"{number(entry['value'])} {decisive.spread_text(entry)}".strip())
        without, beside, difference, ratio = cells
        rows.append(
            {
                "name": name.replace("g", " g"),
                "without": without,
                "with": beside,
                "difference": difference,
                "ratio": ratio,
            }
        )
    return rows


def cube_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """The cubes of the peaks with the implant."""
    rows = []
    for name, pair in about["peaks"].items():
        top = pair["with"]
        cube = top["cube"]
        rows.append(
            {
                "name": name.replace("g", " g"),
                "place": "(" + ", ".join(f"{1e3 * x:.0f}" for x in top["location_m"]) + ") mm",
                "tissue": words(top["tissue"]),
                "side": f"{1e3 * cube['side_m']:.1f} mm",
                "kind": {"centred": "centred on the voxel", "face": "voxel on its face"}[cube["kind"]],
                "metal": f"{100 * cube['metal_share']:.1f} %",
                "rule": cube["rule"],
            }
        )
    return rows


def pose_rows(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What every pose came to; none where there was one."""

    def said(entry: Mapping[str, Any]) -> str:
        spread = "" if entry["U"] is None else f" ± {number(entry['U'], 2)}"
        return f"{number(entry['value'])}{spread}"

    return [
        {
            "name": words(p["name"]),
            "turned": ", ".join(f"{a:g}°" for a in p["rotate_deg"]),
            "place": "(" + ", ".join(f"{1e3 * x:.0f}" for x in p["position_m"]) + ") mm",
            "background": said(p["background_sar"]),
            "average": said(p["psSAR10g"]),
            "rise": said(p["rise_max"]),
            "worst": p["worst"],
        }
        for p in about.get("poses") or ()
    ]


def metal_rows(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A perfect conductor beside the real metal."""
    return [
        {
            "name": row["metal"],
            "tissue": number(row["tissue_W"], 4),
            "metal": number(row["metal_W"]),
            "share": f"{100 * row['share']:.3g} %",
            "averages": [number(row[f"psSAR{m}"], 4) for m in ("1g", "10g") if f"psSAR{m}" in row],
        }
        for row in about["metal_table"]
    ]


def real_metal(about: Mapping[str, Any]) -> str:
    """How the numbers beside real metal were found."""
    found = about.get("real_metal")
    if not found:
        return "With real metal the currents are taken for those of a perfect conductor: power in tissue is the same."
    return f"Real metal: {found['method']}."


def part_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """Power in every part."""
    return [
        {
            "name": words(p["name"]),
            "metal": p["metal"],
            "power": number(p["power_W"]),
            "area": number(1e4 * p["area_m2"]),
            "resistance": number(1e3 * p["surface_resistance_ohm"]),
            "depth": number(1e6 * p["skin_depth_m"]),
            "H": number(p["H_rms_A_m"]),
        }
        for p in about["parts"]
    ]


def replaced_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """What made room, by tissue and reason."""
    return [
        {
            "tissue": words(r["tissue"]),
            "reason": r["reason"],
            "material": words(r["material"]),
            "mass": number(1e3 * r["mass_kg"]),
        }
        for r in about["replaced"]
    ]


def setup_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Body, source, implant, grids."""
    about = summary["implant_rf"]
    implant = about["implant"]
    size = " × ".join(number(1e3 * s) for s in implant["size_m"])
    engine = summary["provenance"].get("engine")
    lost = ", ".join(f"{100 * e:.2g} %" for e in about["metal_volume"].values())
    return [
        ("Body", words(about["body"])),
        ("Source", f"{about['coil']}, {about['drive']} drive"),
        ("Frequency", f"{about['frequency_Hz'] / 1e6:.6g} MHz"),
        ("Implant", f"{words(str(implant['name']))}, {' and '.join(implant['metals'])}"),
        ("Size, mass", f"{size} mm, {number(1e3 * implant['mass_kg'])} g"),
        ("Voxels of the body", f"{number(1e3 * about['body_spacing_m'])} mm"),
        ("Cells around the implant", f"{number(1e3 * about['spacing_m'])} mm, {engine}"),
        ("Volume of the metal's cells", f"off that of its surface by {lost}"),
    ]


def heating(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The curve of heating and what it rests on."""
    about = summary["thermal"]
    times = np.asarray(about["curve"]["times_s"]) / 60
    curves = [Curve(n, times, p, colour=k) for k, (n, p) in enumerate(about["curve"]["peak_rise_K"].items())]
    rise = summary["quantities"]["rise_tissue_max"]
    value, unit = quantity(rise["value"], "K")
    return {
        "chart": line_chart(curves, "time [min]", "largest rise [K]", height=260),
        "text": f"{number(about['power_W'])} W in the box of the heat, {number(about['metal_W'])} W of it in the "
        f"metal, at a duty cycle of {number(about['duty_cycle'])} for {number(about['duration_s'] / 60)} min; "
        f"the warmest tissue near the metal rises by {value} {unit} {decisive.spread_text(rise)}."
        + _with_gradients(summary)
        + _elsewhere(about),
    }


def _elsewhere(about: Mapping[str, Any]) -> str:
    """The body's own warm places, where they are warmer than what is near the metal."""
    found = about.get("elsewhere_K") or 0.0
    if found <= max(max(p) for p in about["curve"]["peak_rise_K"].values()):
        return ""
    return (
        f" Farther than 12 mm from the metal the body itself rises by up to {number(found)} K in this box: that is no "
        "effect of the implant, at the body's surface it hangs on single voxels, and none of these numbers holds it."
    )


def _with_gradients(summary: Mapping[str, Any]) -> str:
    """What a switched field adds, in words."""
    about = summary["thermal"].get("switched")
    if not about:
        return ""
    numbers = summary["quantities"]
    along = ", ".join(f"{x:.2f}" for x in about["direction"])
    return (
        f" Gradients of {number(about['dbdt_rms_T_s'])} T/s rms at {number(about['frequency_Hz'])} Hz along ({along}) "
        f"are on as well, {number(about['power_W'])} W in the metal: {number(numbers['rise_rf']['value'])} K by RF "
        f"alone, {number(numbers['rise_gradients']['value'])} K by gradients alone, both together "
        f"{number(numbers['rise_both_over_larger']['value'])} times the larger."
    )
