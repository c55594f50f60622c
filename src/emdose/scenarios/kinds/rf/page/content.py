"""What the page of an ``rf`` run says: its summary turned into sentences, tiles, maps and table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.power import tissue_sar
from emdose.report import limit_words
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer, find_peak
from emdose.report.pages import common_rows, decisive
from emdose.report.wording import is_finite, number, quantity, words
from emdose.scenarios.kinds.rf.page import thermal as page_thermal

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result.result import RunResult

HEADLINE = (
    (("b1plus_rms", "b1plus_isocentre", "b1plus_slice", "b1plus_body"), "B1+rms"),
    (("whole_body_sar",), "Whole-body SAR"),
    (("head_sar",), "Head SAR"),
    (("psSAR10g",), "psSAR10g"),
    (("temperature_rise_max",), "Temperature rise"),
)


def sentence(result: RunResult) -> str:
    """What was computed, in one sentence."""
    provenance = result.summary.get("provenance", {})
    spacing = result.phantom.grid.spacing_m
    sides = {f"{1e3 * s:.3g}" for s in spacing}
    size = f"{sides.pop()} mm" if len(sides) == 1 else " × ".join(f"{1e3 * s:.3g}" for s in spacing) + " mm"
    text = (
        f"RF field and SAR in \u201c{words(result.phantom.name)}\u201d ({number(result.phantom.mass_kg, 3)} kg of "
        f"tissue, {size} voxels) "
        f"from \u201c{result.coil.name}\u201d at {result.frequency_Hz / 1e6:.6g} MHz"
    )
    drive = provenance.get("drive")
    if isinstance(drive, Mapping) and drive.get("name"):
        text += f", {drive['name']} drive"
    scale = provenance.get("scale")
    if isinstance(scale, Mapping) and "target" in scale:
        text += f", scaled to {_target(scale)}"
    return text + "."


def banners(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What must not be overlooked: an unknown power balance, exceeded or unverified limits, warnings."""
    found = []
    closure = summary.get("power_balance", {}).get("closure")
    if not is_finite(closure):
        found.append(("bad", "The power balance is unknown: nothing shows that power is conserved."))
    over = [r for r in rows if r["counted"] and is_finite(r["ratio"]) and r["ratio"] > 1]
    for mode in dict.fromkeys(r["mode"] for r in over):
        worst = max((r for r in over if r["mode"] == mode), key=lambda r: r["ratio"])
        found.append(
            (
                "high",
                f"Above a limit in the {mode or 'stated'} mode: {worst['quantity']}, {worst['region']}, at "
                f"{100 * worst['ratio']:.0f} % of it.",
            )
        )
    shown = [r for r in rows if r["limit"] is not None]
    doubtful = limit_words.doubtful(shown)
    if doubtful:
        read = "(see where each number was read). Check them against the standard before use."
        found.append(("note", f"{doubtful} {read}"))
    found += [("note", text) for text in dict.fromkeys(r["reading"] for r in shown if r["reading"])]
    found += [("note", str(text)) for text in summary.get("warnings", [])]
    return [{"level": level, "text": text} for level, text in found]


def limit_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the entry "checks", those without an uncertainty with that of the quantity they come from."""
    return limit_words.with_uncertainty(summary.get("checks") or [], summary.get("quantities", {}))


def decisive_rows(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the page begins with: SAR and temperatures beside the limits that are nearest."""
    return [*decisive.of_limit_table(rows), *page_thermal.decisive_rows(summary)]


def tiles(summary: Mapping[str, Any], decided: Sequence[Mapping[str, Any]] = ()) -> list[dict[str, str]]:
    """The headline strip below: what is not ``decided`` beside limits above, and the B1+rms that the limits leave."""
    quantities = summary.get("quantities", {})
    inputs = summary.get("check_inputs", {}).get("inputs", {})
    # A head alone is no whole body: there the average over the phantom must not carry that name.
    partial = inputs.get("patient_mass_kg") != inputs.get("phantom_mass_kg")
    above = {str(row["name"]).lower() for row in decided}
    found = []
    for names, label in HEADLINE:
        name = next((n for n in names if n in quantities), None)
        if name is None or (label.lower() in above and not (name == "whole_body_sar" and partial)):
            continue
        if name == "whole_body_sar" and partial:
            label = "SAR of the phantom"
        found.append(decisive.tile(label, quantities[name], common_rows.remark(quantities[name])))
    start = "b1plus_rms_limit: "
    modes: dict[tuple[Any, str], list[str]] = {}
    for name, entry in quantities.items():
        if name.startswith(start) and is_finite(entry.get("value")):
            modes.setdefault((entry["value"], str(entry.get("note") or "")), []).append(name.removeprefix(start))
    for (_, note), mine in modes.items():
        label = f"Largest B1+rms, {' and '.join(mine)} mode"
        note = note.replace("limit that binds first", "at the limit of")
        found.append(decisive.tile(label, quantities[start + mine[0]], note))
    return found


def exact_tile(exact: Mapping[str, Any] | None) -> list[dict[str, str]]:
    """The error of the absorbed power against the closed form, where there is one."""
    if exact is None or not exact["rows"]:
        return []
    value, unit = exact["short"].split()
    rest = [f"{r['name']} {r['error']}" for r in exact["rows"][1:]]
    label = f"{exact['rows'][0]['name']} beside the Mie series"
    return [{"label": label, "value": value, "unit": unit, "remark": "; ".join(rest)}]


def layers(result: RunResult) -> list[Layer]:
    """The maps to leaf through: B1+, point SAR, and every mass average."""
    found = [
        Layer(
            "b1plus",
            "B1+ magnitude",
            "µT",
            np.abs(result.b1plus),
            1e6,
            "viridis",
            20.0,
            "Magnitude of B1+ at the voxel centres for the scaled drive, drawn in the body only.",
        ),
        Layer(
            "sar",
            "Point SAR",
            "W/kg",
            result.sar.value,
            1.0,
            "inferno",
            10.0,
            f"SAR of every voxel, {result.sar.rule} rule, continuous wave at the scaled drive.",
        ),
    ]
    for name, average in sorted(result.averages.items(), key=lambda item: item[1].mass_kg):
        grams = f"{1e3 * average.mass_kg:g} g"
        note = (
            f"SAR averaged over {grams} of tissue by IEC/IEEE 62704-1; voxels without a valid cube of their own take "
            "the largest value of the cubes that hold them."
        )
        found.append(Layer(f"sar{name}", f"SAR {grams}", "W/kg", average.value, 1.0, "inferno", 10.0, note))
    return found + page_thermal.layers(result)


def maps(result: RunResult) -> MapSet:
    """The maps to set beside those of another run."""
    phantom, found = result.phantom, layers(result)
    names = {n: t.name for n, t in enumerate(phantom.tissues)}
    hot = [m.key for m in found if m.key.startswith("sar")][-1]
    return MapSet(phantom.grid, phantom.labels, names, found, hot)


def tissue_rows(result: RunResult, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """One row per tissue: mass, volume, dielectric values at the frequency, and what it absorbs."""
    table = tissue_sar(result.sar, result.phantom)
    total = sum(row.power_W for row in table)
    by_name = {t.name: t for t in result.phantom.tissues}
    rows = []
    for row in table:
        tissue = by_name[row.tissue]
        share = row.power_W / total if total > 0 else 0.0
        rows.append(
            {
                "name": words(row.tissue),
                "colour": colours.get(row.tissue, "#888888"),
                "mass": number(row.mass_kg, 3),
                "volume": number(1e6 * row.volume_m3, 3),
                "eps_r": number(tissue.permittivity(result.frequency_Hz), 3),
                "sigma": number(tissue.conductivity(result.frequency_Hz), 3),
                "density": number(tissue.density_kg_m3, 4),
                "sar": number(row.sar_W_kg, 3),
                "peak": number(row.peak_sar_W_kg, 3),
                "share": f"{100 * share:.1f} %",
                "bar": round(100 * share, 2),
            }
        )
    return rows


def peak_rows(result: RunResult) -> list[dict[str, str]]:
    """Where every map is largest: for readers without scripts, and beside the viewer."""
    phantom, rows = result.phantom, []
    for layer in layers(result):
        peak = find_peak(layer.value, phantom.body, phantom.grid, layer.factor)
        if peak is None:
            continue
        tissue = phantom.tissues[int(phantom.labels[peak.index])].name
        rows.append(
            {
                "title": layer.title,
                "value": number(peak.value),
                "unit": layer.unit,
                "place": common_rows.place(peak.position_m),
                "tissue": words(tissue),
            }
        )
    return rows


def _target(scale: Mapping[str, Any]) -> str:
    names = {
        "b1plus_rms_T": ("T", "B1+rms"),
        "whole_body_sar_W_kg": ("W/kg", "whole-body SAR"),
        "absorbed_power_W": ("W", "absorbed power"),
        "input_power_W": ("W", "input power"),
    }
    unit, name = names.get(str(scale["target"]), ("", str(scale["target"])))
    value, unit = quantity(scale.get("value"), unit)
    over = scale.get("over")
    place = {
        "isocentre": " at the isocentre",
        "slice": " over the axial slice through the isocentre",
        "body": " over the body",
    }
    where = "" if not over or unit != "µT" else place.get(str(over), f" over {over}")
    return f"{value} {unit} {name}{where}"
