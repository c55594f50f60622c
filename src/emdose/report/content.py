"""What the page says: the summary of a run turned into sentences, tiles and table rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.power import tissue_sar
from emdose.report import charts
from emdose.report.volumes import Layer, find_peak
from emdose.report.wording import duration, flat, number, plain, quantity, words

if TYPE_CHECKING:
    from emdose.io.results import RunResult

CLOSURE_LIMIT = 0.05
"""Power balance closure above which the page warns in red."""

AMBER = 0.8
"""Share of a limit above which its bar changes colour."""

COLOURS = (
    "#e0a899", "#f2d27a", "#d9d6c8", "#7fb6dc", "#a08fb8", "#ece7f2", "#4c9f94", "#c06a5b", "#8fae5d", "#5c7fb5",
    "#d98cb3", "#b08a57", "#6fc3b2", "#9c6fb0", "#c9b037", "#7d8c99",
)  # fmt: skip


def layers(result: RunResult) -> list[Layer]:
    """The maps to leaf through: B1+, point SAR, and every mass average."""
    found = [
        Layer("b1plus", "B1+ magnitude", "µT", np.abs(result.b1plus), 1e6, "viridis", 20.0,
              "Magnitude of B1+ at the voxel centres for the scaled drive, drawn in the body only."),
        Layer("sar", "Point SAR", "W/kg", result.sar.value, 1.0, "inferno", 10.0,
              f"SAR of every voxel, {result.sar.rule} rule, continuous wave at the scaled drive."),
    ]  # fmt: skip
    for name, average in sorted(result.averages.items(), key=lambda item: item[1].mass_kg):
        grams = f"{1e3 * average.mass_kg:g} g"
        note = f"SAR averaged over {grams} of tissue by IEC/IEEE 62704-1; voxels without a valid cube take the largest of a neighbour's."
        found.append(Layer(f"sar{name}", f"SAR {grams}", "W/kg", average.value, 1.0, "inferno", 10.0, note))
    return found


def colour_of(index: int) -> str:
    """Colour of the n-th tissue as #rrggbb; beyond the list, hues a golden angle apart."""
    if index < len(COLOURS):
        return COLOURS[index]
    hue = (index * 0.381966) % 1.0
    return "#" + "".join(f"{round(255 * (0.62 + 0.24 * math.cos(2 * math.pi * (hue + s)))):02x}" for s in (0, 1 / 3, 2 / 3))


def sentence(result: RunResult) -> str:
    """What was computed, in one sentence."""
    summary, provenance = result.summary, result.summary.get("provenance", {})
    spacing = result.phantom.grid.spacing_m
    sides = {f"{1e3 * s:.3g}" for s in spacing}
    size = f"{sides.pop()} mm" if len(sides) == 1 else " × ".join(f"{1e3 * s:.3g}" for s in spacing) + " mm"
    text = (
        f"RF field and SAR in \u201c{words(result.phantom.name)}\u201d ({number(_mass(result), 3)} kg of tissue, {size} voxels) "
        f"from \u201c{result.coil.name}\u201d at {result.frequency_Hz / 1e6:.6g} MHz"
    )
    drive = _first(provenance, "drive")
    if isinstance(drive, Mapping) and drive.get("name"):
        text += f", {drive['name']} drive"
    scale = _first(provenance, "scale")
    if isinstance(scale, Mapping) and "target" in scale:
        text += f", scaled to {_target(scale)}"
    elif isinstance(target := summary.get("scenario", {}).get("normalise"), Mapping):
        given = next(((k, v) for k, v in target.items() if isinstance(v, float)), None)
        if given:
            text += f", scaled to {_target({'target': given[0], 'value': given[1], 'over': target.get('over')})}"
    return text + "."


def banners(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """What must not be overlooked: bad closure, missed tolerance, exceeded or unverified limits, warnings."""
    found = []
    closure = summary.get("power_balance", {}).get("closure")
    if not _finite(closure):
        found.append(("bad", "The power balance is unknown: nothing shows that power is conserved."))
    elif closure > CLOSURE_LIMIT:
        found.append(("bad", f"The power balance does not close: {100 * closure:.1f} % of the power is unaccounted for "
                             f"(more than {100 * CLOSURE_LIMIT:g} %). Do not rely on these values."))  # fmt: skip
    for port in missed_ports(summary.get("convergence", {})):
        found.append(("bad", f"The solver missed its tolerance in port {port['name']}: residual {number(port['residual'])} "
                             f"instead of {number(port['tolerance'])}."))  # fmt: skip
    over = [r for r in rows if r["counted"] and _finite(r["ratio"]) and r["ratio"] > 1]
    for mode in dict.fromkeys(r["mode"] for r in over):
        worst = max((r for r in over if r["mode"] == mode), key=lambda r: r["ratio"])
        found.append(("high", f"Above a limit in the {mode or 'stated'} mode: {worst['quantity']}, {worst['region']}, at "
                              f"{100 * worst['ratio']:.0f} % of it."))  # fmt: skip
    shown = [r for r in rows if r["limit"] is not None]
    unverified = sum(not r["verified"] for r in shown)
    if unverified:
        found.append(("note", f"{unverified} of {len(shown)} limits are unverified (see where each number was read). Check them "
                              "against the standard before use."))  # fmt: skip
    found += [("note", str(text)) for text in summary.get("warnings", [])]
    return [{"level": level, "text": text} for level, text in found]


def missed_ports(convergence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ports whose residual is above the tolerance or not finite."""
    tolerance = convergence.get("tolerance")
    return [
        {**port, "tolerance": tolerance}
        for port in _ports(convergence)
        if not _finite(port["residual"]) or (_finite(tolerance) and port["residual"] > tolerance)
    ]


def check_rows(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows of the limit table with all their keys, ready to show.

    ``source_n`` and ``note_n`` number the sources and the notes, equal texts alike.
    """
    checks = summary.get("checks") or []
    rows = [_check_row(r) for r in (checks.get("rows", []) if isinstance(checks, Mapping) else checks)]
    for key in ("source", "note"):
        numbers: dict[str, int] = {}
        for row in rows:
            shown = row[key] and (key == "note" or row["limit"] is not None)
            row[f"{key}_n"] = numbers.setdefault(row[key], len(numbers) + 1) if shown else None
    return rows


def footnotes(rows: Sequence[Mapping[str, Any]], key: str) -> list[tuple[int, str]]:
    """Number and text of every "source" or "note" of the rows, in order."""
    return sorted({(row[f"{key}_n"], row[key]) for row in rows if row[f"{key}_n"]})


def _check_row(raw: Mapping[str, Any]) -> dict[str, Any]:
    value, limit = (v if _finite(v := raw.get(k)) else None for k in ("value", "limit"))
    ratio = raw.get("ratio") if _finite(raw.get("ratio")) else value / limit if value is not None and limit else None
    uncertainty = raw.get("uncertainty", raw.get("expanded_uncertainty"))
    averaging = duration(raw.get("window_s"))
    if _finite(raw.get("averaging_mass_g")):
        averaging += f", {raw['averaging_mass_g']:g} g"
    level = "none" if ratio is None else "over" if ratio > 1 else "near" if ratio > AMBER else "low"
    return {
        "mode": str(raw.get("mode") or ""),
        "quantity": str(raw.get("quantity") or ""),
        "region": str(raw.get("region") or ""),
        "standard": str(raw.get("standard") or ""),
        "edition": str(raw.get("edition") or ""),
        "averaging": averaging,
        "value": number(value),
        "uncertainty": f"± {number(uncertainty, 2)}" if _finite(uncertainty) else "not known",
        "limit": None if limit is None else number(limit),
        "unit": str(raw.get("unit") or ""),
        "ratio": ratio,
        "percent": None if ratio is None else f"{100 * ratio:.1f} %" if ratio < 1.995 else f"{ratio:.2f} ×",
        "bar": None if ratio is None else round(min(100 * ratio / 1.25, 100), 2),
        "margin": None if ratio is None else f"{100 * (1 - ratio):+.1f} %".replace("-", "\u2212"),
        "margin_dB": None if not ratio or ratio <= 0 else f"{-10 * math.log10(ratio):+.2f} dB".replace("-", "\u2212"),
        "level": level,
        "verified": bool(raw.get("verified", False)),
        "source": str(raw.get("source") or ""),
        "counted": bool(raw.get("counted", True)),
        "note": str(raw.get("note") or ""),
    }


def limit_groups(rows: Sequence[Mapping[str, Any]], b1plus_rms_T: float | None) -> list[dict[str, Any]]:
    """The rows by operating mode, each with the limit that binds first and the largest B1+rms it leaves.

    SAR grows with the square of B1+, so that B1+rms = now / sqrt(value / limit) of the binding row.

    Parameters
    ----------
    rows : sequence of mappings
        From :func:`check_rows`.
    b1plus_rms_T : float or None
        B1+rms that belongs to the values [T].
    """
    groups = []
    for mode in dict.fromkeys(r["mode"] for r in rows):
        mine = [r for r in rows if r["mode"] == mode]
        rated = [r for r in mine if r["counted"] and r["ratio"] is not None]
        binding = max(rated, key=lambda r: r["ratio"], default=None)
        largest = b1plus_rms_T / math.sqrt(binding["ratio"]) if binding and binding["ratio"] and b1plus_rms_T else None
        name = f"{mode} mode" if mode and not mode.endswith("mode") else mode or "all modes"
        groups.append({"mode": name[:1].upper() + name[1:], "rows": mine, "binding": binding,
                       "b1": number(largest and 1e6 * largest, 3) if largest else ""})  # fmt: skip
    return groups


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline strip: label, value, unit, remark."""
    quantities = summary.get("quantities", {})
    found = []
    for names, label in HEADLINE:
        name = next((n for n in names if n in quantities), None)
        if name is None:
            continue
        entry = quantities[name]
        value, unit = quantity(entry.get("value"), entry.get("unit", ""))
        found.append({"label": label, "value": value, "unit": unit, "remark": _uncertainty(entry) or str(entry.get("note") or "")})
    return found


HEADLINE = (
    (("b1plus_rms", "b1plus_rms_T", "B1+rms"), "B1+rms"),
    (("whole_body_sar", "whole_body_sar_W_kg"), "Whole-body SAR"),
    (("head_sar", "head_sar_W_kg"), "Head SAR"),
    (("psSAR10g", "pssar10g", "psSAR_10g"), "psSAR10g"),
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
    return {
        "chart": charts.residual_chart(
            [p["name"] for p in ports], [p["history"] for p in ports], tolerance if _finite(tolerance) else None
        ),
        "tolerance": number(tolerance, 2),
        "meaning": plain(data["meaning"]) if data.get("meaning") else "",
        "ports": [{"name": p["name"], "iterations": plain(p["iterations"]), "residual": number(p["residual"])} for p in ports],
    }


def power(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Chart and rows of the power balance."""
    data = summary.get("power_balance", {})
    names = {
        "extinction_W": "Work of the incident field",
        "absorbed_W": "Absorbed in the body",
        "scattered_W": "Radiated by the body's currents",
    }
    closure = data.get("closure")
    powers = [float(data[k]) if _finite(data.get(k)) else math.nan for k in names]
    chart = charts.power_chart(*powers) if all(map(math.isfinite, powers)) else ""
    rows = [{"name": text, "value": number(data.get(key), 4)} for key, text in names.items()]
    good = _finite(closure) and closure <= CLOSURE_LIMIT
    return {"chart": chart, "rows": rows, "closure": f"{100 * closure:.3g} %" if _finite(closure) else "unknown", "good": good}


def quantity_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Every quantity of the summary: name, value, unit, uncertainty, note."""
    rows = []
    for name, entry in summary.get("quantities", {}).items():
        value, unit = quantity(entry.get("value"), entry.get("unit", ""), 4)
        rows.append({"name": words(name), "value": value, "unit": unit, "uncertainty": _uncertainty(entry) or "not known",
                     "note": str(entry.get("note") or "")})  # fmt: skip
    return rows


def provenance(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Versions, hashes, device and times as rows."""
    rows = flat(summary.get("provenance", {}))
    return rows + [(f"time.{k}", v) for k, v in flat(summary.get("timing_s", {}))]


def check_inputs(summary: Mapping[str, Any]) -> tuple[list[tuple[str, str]], list[str]]:
    """Stated inputs of the checks (masses, definitions, duty cycles) and the notes to the table."""
    checks = summary.get("checks")
    source = checks if isinstance(checks, Mapping) else summary.get("check_inputs", {})
    inputs = source.get("inputs", source) if isinstance(source, Mapping) else {}
    notes = source.get("notes", []) if isinstance(source, Mapping) else []
    return [(k, v) for k, v in flat({k: v for k, v in inputs.items() if k != "notes"})], [str(n) for n in notes]


def peak_rows(result: RunResult) -> list[dict[str, str]]:
    """Where every map is largest: for readers without scripts, and beside the viewer."""
    phantom, rows = result.phantom, []
    for layer in layers(result):
        peak = find_peak(layer.value, phantom.body, phantom.grid, layer.factor)
        if peak is None:
            continue
        place = ", ".join(f"{axis} = {1e3 * p:.1f}".replace("-", "\u2212") for axis, p in zip("xyz", peak.position_m, strict=True))
        tissue = phantom.tissues[int(phantom.labels[peak.index])].name
        rows.append({"title": layer.title, "value": number(peak.value), "unit": layer.unit, "place": f"{place} mm", "tissue": words(tissue)})
    return rows


def b1plus_rms_T(summary: Mapping[str, Any]) -> float | None:
    """B1+rms that the values of the checks belong to [T]."""
    checks = summary.get("checks")
    if isinstance(checks, Mapping) and _finite(checks.get("b1plus_rms_T")):
        return float(checks["b1plus_rms_T"])
    quantities = summary.get("quantities", {})
    for name in HEADLINE[0][0]:
        entry = quantities.get(name, {})
        if _finite(entry.get("value")):
            return float(entry["value"]) * (1e-6 if entry.get("unit") in ("uT", "µT") else 1.0)
    return None


def _ports(convergence: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": str(p.get("name", n)),
            "iterations": p.get("iterations"),
            "residual": p.get("residual"),
            "history": [float(r) for r in p.get("history", []) if _finite(r)],
        }
        for n, p in enumerate(convergence.get("ports", []))
    ]


def _uncertainty(entry: Mapping[str, Any]) -> str:
    data = entry.get("uncertainty")
    if _finite(data):
        return f"± {number(data, 2)} {entry.get('unit', '')}".strip()
    if isinstance(data, Mapping):
        return ", ".join(f"{words(str(k))} {plain(v)}" for k, v in data.items())
    return ""


def _target(scale: Mapping[str, Any]) -> str:
    names = {"b1plus_rms_T": ("T", "B1+rms"), "whole_body_sar_W_kg": ("W/kg", "whole-body SAR"),
             "absorbed_power_W": ("W", "absorbed power"), "input_power_W": ("W", "input power")}  # fmt: skip
    unit, name = names.get(str(scale["target"]), ("", str(scale["target"])))
    value, unit = quantity(scale.get("value"), unit)
    over = scale.get("over")
    place = {"isocentre": " at the isocentre", "slice": " over the axial slice through the isocentre", "body": " over the body"}
    where = "" if not over or unit != "µT" else place.get(str(over), f" over {over}")
    return f"{value} {unit} {name}{where}"


def _mass(result: RunResult) -> float:
    return float(result.phantom.mass_kg)


def _first(table: Mapping[str, Any], key: str) -> Any:
    """Value of a key in a nested mapping, outermost first."""
    if key in table:
        return table[key]
    for value in table.values():
        if isinstance(value, Mapping) and (found := _first(value, key)) is not None:
            return found
    return None


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
