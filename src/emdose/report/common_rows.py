"""What the page says: the summary of a run turned into sentences, tiles and table rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.power import tissue_sar
from emdose.report.charts import charts
from emdose.report.maps.volumes import Layer, find_peak
from emdose.report.wording import flat, is_finite, number, plain, quantity, quantity_name, words
from emdose.scenarios.kinds.rf import page_thermal
from emdose.solvers.results.fields import CLOSURE_LIMIT

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result import RunResult


LEAST_LOSS = 1e-6
"""Share of the power delivered below which the loss in elements is rounding of a coil without any."""

COLOURS = (
    "#e0a899",
    "#f2d27a",
    "#d9d6c8",
    "#7fb6dc",
    "#a08fb8",
    "#ece7f2",
    "#4c9f94",
    "#c06a5b",
    "#8fae5d",
    "#5c7fb5",
    "#d98cb3",
    "#b08a57",
    "#6fc3b2",
    "#9c6fb0",
    "#c9b037",
    "#7d8c99",
)


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


def colour_of(index: int) -> str:
    """Colour of the n-th tissue as #rrggbb; beyond the list, hues a golden angle apart."""
    if index < len(COLOURS):
        return COLOURS[index]
    hue = (index * 0.381966) % 1.0
    return "#" + "".join(
        f"{round(255 * (0.62 + 0.24 * math.cos(2 * math.pi * (hue + s)))):02x}" for s in (0, 1 / 3, 2 / 3)
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
    """What must not be overlooked: bad closure, missed tolerance, exceeded or unverified limits, warnings."""
    found = []
    closure = summary.get("power_balance", {}).get("closure")
    if not is_finite(closure):
        found.append(("bad", "The power balance is unknown: nothing shows that power is conserved."))
    elif closure > CLOSURE_LIMIT:
        found.append(
            (
                "bad",
                f"The power balance does not close: {100 * closure:.1f} % of the power is unaccounted for "
                f"(more than {100 * CLOSURE_LIMIT:g} %). Do not rely on these values.",
            )
        )
    for port in missed_ports(summary.get("convergence", {})):
        found.append(
            (
                "bad",
                f"The solver missed its tolerance in port {port['name']}: residual {number(port['residual'])} "
                f"instead of {number(port['tolerance'])}.",
            )
        )
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
    unverified = sum(not r["verified"] for r in shown)
    if unverified:
        found.append(
            (
                "note",
                f"{unverified} of {len(shown)} limits are unverified (see where each number was read). Check them "
                "against the standard before use.",
            )
        )
    found += [("note", str(text)) for text in summary.get("warnings", [])]
    return [{"level": level, "text": text} for level, text in found]


def missed_ports(convergence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ports whose residual is above the tolerance or not finite."""
    tolerance = convergence.get("tolerance")
    return [
        {**port, "tolerance": tolerance}
        for port in _ports(convergence)
        if not is_finite(port["residual"]) or (is_finite(tolerance) and port["residual"] > tolerance)
    ]


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline strip: label, value, unit, remark."""
    quantities = summary.get("quantities", {})
    inputs = summary.get("check_inputs", {}).get("inputs", {})
    # A head alone is no whole body: there the average over the phantom must not carry that name.
    partial = inputs.get("patient_mass_kg") != inputs.get("phantom_mass_kg")
    found = []
    for names, label in HEADLINE:
        name = next((n for n in names if n in quantities), None)
        if name is None:
            continue
        if name == "whole_body_sar" and partial:
            label = "SAR of the phantom"
        entry = quantities[name]
        value, unit = quantity(entry.get("value"), entry.get("unit", ""))
        found.append(
            {
                "label": label,
                "value": value,
                "unit": unit,
                "remark": "; ".join(filter(None, (_uncertainty(entry), _remark(entry)))),
            }
        )
    return found


HEADLINE = (
    (("b1plus_rms", "b1plus_isocentre", "b1plus_slice", "b1plus_body"), "B1+rms"),
    (("whole_body_sar",), "Whole-body SAR"),
    (("head_sar",), "Head SAR"),
    (("psSAR10g",), "psSAR10g"),
    (("temperature_rise_max",), "Largest temperature rise"),
)


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


def convergence(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Chart, meaning of the tolerance and rows per port."""
    data = summary.get("convergence", {})
    ports = _ports(data)
    tolerance = data.get("tolerance")
    in_time = data.get("method") == "fdtd"
    gaps = set(data.get("runs", [])) - {p["name"] for p in ports}
    if in_time and gaps and ports:
        # Fields of every feed are sums over all gaps: each has the history of the slowest of them.
        ports = [max(ports, key=lambda p: len(p["history"])) | {"name": f"slowest of {len(data['runs'])} gaps"}]
    return {
        "chart": charts.residual_chart(
            [p["name"] for p in ports],
            [p["history"] for p in ports],
            tolerance if is_finite(tolerance) else None,
            "quarter period" if in_time else "iteration",
        ),
        "count": "Steps" if in_time else "Iterations",
        "tolerance": plain(tolerance),
        "meaning": str(data.get("meaning") or "").replace("E_error_estimate", "the estimated error of E"),
        "has_error": any(is_finite(p["error"]) for p in ports),
        "ports": [
            {
                "name": p["name"],
                "iterations": plain(p["iterations"]),
                "residual": number(p["residual"]),
                "error": number(p["error"], 2),
            }
            for p in ports
        ],
    }


def power(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Chart and rows of the power balance."""
    data = summary.get("power_balance", {})
    names = {
        "extinction_W": "Work of the incident field",
        "absorbed_W": "Absorbed in the body",
        "scattered_W": "Radiated by the body's currents",
    }
    if summary.get("provenance", {}).get("engine") == "Fdtd":  # the source stands in its grid
        names = {
            "extinction_W": "Delivered by the source",
            "absorbed_W": "Absorbed in the body",
            "scattered_W": "Radiated by coil and body",
        }
        lost, given = data.get("lost_W"), data.get("extinction_W")
        if is_finite(lost) and is_finite(given) and lost > LEAST_LOSS * given:
            names["lost_W"] = "Lost in elements of the coil"
    closure = data.get("closure")
    powers = [float(data[k]) if is_finite(data.get(k)) else math.nan for k in names]
    given = {"given": "delivered by the source"} if names["extinction_W"].startswith("Delivered") else {}
    chart = charts.power_chart(*powers, **given) if all(map(math.isfinite, powers)) else ""  # type: ignore[arg-type]
    rows = [{"name": text, "value": number(data.get(key), 4)} for key, text in names.items()]
    good = is_finite(closure) and closure <= CLOSURE_LIMIT
    return {
        "chart": chart,
        "rows": rows,
        "closure": f"{100 * closure:.3g} %" if is_finite(closure) else "unknown",
        "good": good,
    }


def quantity_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every quantity of the summary: name, value, unit, uncertainty, note."""
    rows = []
    for name, entry in summary.get("quantities", {}).items():
        value, unit = quantity(entry.get("value"), entry.get("unit", ""), 4)
        rows.append(
            {
                "name": quantity_name(name),
                "value": value,
                "unit": unit,
                "uncertainty": _uncertainty(entry) or "not known",
                "note": _remark(entry),
            }
        )
    return rows


def provenance(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Versions, hashes, device and times as rows."""
    told = dict(summary.get("provenance", {}))
    if isinstance(told.get("timing_s"), Mapping):  # one row per run would be many
        told["timing_s"] = {k: v for k, v in told["timing_s"].items() if k != "per_port"}
    rows = flat(told)
    return rows + [(f"time: {words(k)} [s]", v) for k, v in flat(summary.get("timing_s", {}))]


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
                "place": _place(peak.position_m),
                "tissue": words(tissue),
            }
        )
    return rows


def _ports(convergence: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": str(p.get("name", n)),
            "iterations": p.get("iterations"),
            "residual": p.get("residual"),
            "error": p.get("E_error_estimate"),
            "history": [float(r) if is_finite(r) else math.nan for r in p.get("history", [])],
        }
        for n, p in enumerate(convergence.get("ports", []))
    ]


def _uncertainty(entry: Mapping[str, Any]) -> str:
    data = entry.get("uncertainty")
    if is_finite(data):
        return f"± {number(data, 2)} {entry.get('unit', '')}".strip()
    if isinstance(data, Mapping):
        more = [f"k = {plain(data['k'])}"] if "k" in data else []
        more += [plain(data["basis"])] if data.get("basis") else []
        others = {k: v for k, v in data.items() if k not in ("expanded", "k", "basis")}
        more += [f"{words(str(k))} {plain(v)}" for k, v in others.items()]
        value, unit = quantity(data.get("expanded"), entry.get("unit", ""), 2)
        return (f"± {value} {unit}" if "expanded" in data else "") + (f" ({', '.join(more)})" if more else "")
    return ""


def _remark(entry: Mapping[str, Any]) -> str:
    """Note, place and tissue of a quantity."""
    parts = [str(entry["note"])] if entry.get("note") else []
    place = entry.get("location_m")
    if isinstance(place, list | tuple) and all(map(is_finite, place)):
        parts.append("at " + _place(place))
    if entry.get("tissue"):
        parts.append(f"in {words(str(entry['tissue']))}")
    if is_finite(entry.get("mass_kg")):
        parts.append(f"{number(entry['mass_kg'])} kg")
    return ", ".join(parts)


def _place(position_m: Sequence[float]) -> str:
    text = ", ".join(f"{axis} = {1e3 * p:.1f}" for axis, p in zip("xyz", position_m, strict=False))
    return text.replace("-", "\u2212") + " mm"


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


def _mass(result: RunResult) -> float:
    return float(result.phantom.mass_kg)
