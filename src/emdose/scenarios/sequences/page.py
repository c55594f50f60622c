"""The sheet of a sequence as a page to be printed: what decides, its course, quantities, pulses, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emdose.dosimetry.sequences.played import B1, how_played
from emdose.dosimetry.transmission.global_forms import WHOLE
from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.pages import decisive, limit_table
from emdose.report.pages.page import capital, fill
from emdose.report.wording import duration, number, quantity

LONG_s = 300.0
"""Sequences that last longer have their time in minutes."""
MOST_CURVES = 3
SHOWN_LEVEL = 0.4
"""Share of a limit from which on its line is drawn."""


def render(summary: Mapping[str, Any], folder: Path | None = None) -> str:
    """The page as HTML text.

    Parameters
    ----------
    summary : mapping
        From :func:`emdose.scenarios.sequences.tables.summarised`.
    folder : Path, optional
        Of the run that solved the field.
    """
    whole, every = summary["exposure"], summary["sequences"]
    rows = limit_table.check_rows(summary)
    b1, place = limit_table.b1plus_rms(summary)
    names = ", ".join(one["name"] for one in every)
    about = whole["about"]
    switched = summary["gradients"]
    of_gradients = limit_table.check_rows(switched)
    mass = (summary["check_inputs"].get("inputs") or {}).get("patient_mass_kg")
    word = "body" if mass is None or abs(mass - summary["body"]["mass_kg"]) <= 0.01 * mass else "phantom"
    page: dict[str, Any] = {
        "title": f"Safety sheet: {names}" if len(every) <= 3 else f"Safety sheet: protocol of {len(every)} sequences",
        "sentence": f"{capital(summary['body']['name'])}, {number(summary['body']['mass_kg'])} kg; coil: "
        f"{summary['coil']['name']}, {summary['frequency_Hz'] / 1e6:.6g} MHz. {length(whole['duration_s'])} of "
        f"{about['blocks']} blocks with {about['pulses']} pulses, {how_played(whole['repeated'])}; the worst position "
        "of every window is found exactly.",
        "banners": [{"level": "high", "text": text} for text in summary["warnings"]],
        "decisive": decisive.of_limit_table(
            [*rows, *({**r, "region": place_of(r), "averaging": ""} for r in of_gradients)]
        ),
        "tiles": tiles(whole, word),
        "charts": charts(summary),
        "several": len(every) > 1,
        "every": [of_sequence(one) for one in every],
        "windows": [duration(w) for w in whole["windows_s"]],
        "rows": [of_quantity(q, word) for q in whole["quantities"]],
        "word": word,
        "pulses": [of_pulse(p) for p in summary["pulses"]],
        "calibration": calibration(whole),
        "switched": limit_table.by_quantity(of_gradients, None) if of_gradients else None,
        "nerves": [of_course(one) for one in switched["courses"]],
        "nerve_chart": nerve_chart(switched["courses"]),
        "implant": None if summary["implant"] is None else of_implant(summary["implant"]),
        "gradient_coils": switched["coil_type"],
        "gradient_notes": switched["notes"],
        **limit_table.section(summary, rows, b1, place),
    }
    return fill(str(__package__), "sheet.html.j2", (), page, folder=folder, summary=summary)


def length(seconds: float) -> str:
    """A time as minutes and seconds."""
    if seconds < 60:
        return f"{number(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")


def moment(seconds: float) -> str:
    """When something begins, as minutes and seconds with a tenth."""
    minutes, rest = divmod(round(seconds, 1), 60)
    return (f"{minutes:.0f} min " if minutes else "") + f"{rest:.1f} s"


def tiles(whole: Mapping[str, Any], word: str) -> list[dict[str, Any]]:
    """B1+rms, absorbed energy, and what the strongest pulse asks for."""
    found = []
    by_name = {q["name"]: q for q in whole["quantities"]}
    region = whole["reference"]["region"]
    for w in by_name[B1]["windows"]:
        value, unit = quantity(w["value"], "T")
        label = f"B1+rms, worst {duration(w['window_s'])}"
        found.append({"label": label, "value": value, "unit": unit, "remark": f"mean over {region}"})
    body = next(q for q in whole["quantities"] if q["kind"] == "SAR")
    remark = f"whole {word}, in {length(whole['duration_s'])}"
    found.append({"label": "Absorbed energy", "value": number(body["deposited"]), "unit": "J/kg", "remark": remark})
    value, unit = quantity(whole["peaks"]["b1plus_T"], "T")
    remark = f"block {whole['peaks']['power_block']}"
    if whole["peaks"]["power_W"] is not None:
        remark += f", {number(whole['peaks']['power_W'])} W {whole['reference']['power_name']}"
    found.append({"label": "Largest B1+ of a pulse", "value": value, "unit": unit, "remark": remark})
    return found


def charts(summary: Mapping[str, Any]) -> list[Any]:
    """B1+rms over time, and what is nearest its limit as a share of it."""
    course, whole = summary["course"], summary["exposure"]
    minutes = whole["duration_s"] > LONG_s
    t = [x / 60 if minutes else x for x in course["times_s"]]
    axis = "time of the end of the window [min]" if minutes else "time of the end of the window [s]"
    b1 = [
        Curve(f"B1+rms over {duration(one['window_s'])}", t, [1e6 * v for v in one["value"]], n)
        for n, one in enumerate(course["b1plus_rms_T"])
    ]
    found = [line_chart(b1, axis, "B1+rms [\u00b5T]", height=240, label="B1+rms over time")]
    kinds = list(dict.fromkeys(one["quantity"] for one in course["shares"]))[:MOST_CURVES]
    curves = [
        Curve(
            f"{one['quantity']}, {duration(one['window_s'])}",
            t,
            [100 * v for v in one["share"]],
            kinds.index(one["quantity"]),
            dashed=one["window_s"] < max(whole["windows_s"]),
        )
        for one in course["shares"]
        if one["quantity"] in kinds
    ]
    if curves:
        near = max(max(c.y) for c in curves) >= 100 * SHOWN_LEVEL
        found.append(
            line_chart(
                curves,
                axis,
                f"share of the limit, {course['mode']} mode [%]",
                height=260,
                levels=[("limit", 100.0)],
                reach=[100.0] if near else (),
                label="Share of the limits over time",
            )
        )
    return found


def of_sequence(one: Mapping[str, Any]) -> dict[str, Any]:
    """A sequence of a protocol in a row."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for q in one["quantities"]:
        by_kind.setdefault(q["kind"], []).append(q)
    b1, body = by_kind[B1][0], by_kind["SAR"][0]
    head = next((q for q in by_kind["SAR"] if q["name"].lower().startswith("head")), None)
    local = next((q for q in by_kind.get("local SAR", []) if q["mass_kg"] and q["mass_kg"] > 5e-3), None)
    repetitions = one["repetitions"]
    return {
        "name": one["name"],
        "length": length(one["duration_s"]),
        "repetition": f"{number(1e3 * repetitions['median_s'])} ms \u00d7 {repetitions['number']}",
        "b1": number(1e6 * b1["average"]),
        "b1_short": number(1e6 * b1["windows"][-1]["value"]),
        "body": number(body["average"]),
        "head": "\u2013" if head is None else number(head["average"]),
        "local": "\u2013" if local is None else number(local["average"]),
        "energy": number(body["deposited"]),
    }


def of_quantity(q: Mapping[str, Any], word: str) -> dict[str, Any]:
    """A quantity in a row."""
    unit, u = q["unit"], q["relative_uncertainty"]
    name = q["name"] if q["kind"] != "local SAR" else f"local SAR, {q['name']}"
    name = f"whole {word}" if name == WHOLE else name
    mass = q["mass_kg"]
    name, _, rest = name.partition(" (")
    about = [rest.removesuffix(")"), f"{number(mass)} kg" if mass and q["kind"] == "SAR" else ""]
    return {
        "name": capital(name) if q["kind"] != "SAR" else f"SAR, {name}",
        "remark": ", ".join(filter(None, about)),
        "unit": quantity(0.0, unit)[1],
        "average": quantity(q["average"], unit)[0],
        "windows": [
            {"value": quantity(w["value"], unit)[0], "at": f"from {moment(w['start_s'])}"} for w in q["windows"]
        ],
        "repetition": quantity(q["largest_repetition"]["value"], unit)[0],
        "which": q["largest_repetition"]["repetition"],
        "block": quantity(q["largest_block"]["value"], unit)[0],
        "block_number": q["largest_block"]["block"],
        "energy": "\u2013" if q["deposited"] is None else f"{number(q['deposited'])} {q['deposited_unit']}",
        "spread": "" if u is None else f"\u00b1 {number(100 * u, 2)} %",
    }


def of_course(one: Mapping[str, Any]) -> dict[str, Any]:
    """When a sequence stimulates most, in a row."""
    axes = ", ".join(f"{axis} {number(100 * v)} %" for axis, v in one["axes"].items())
    return {
        "sequence": one["sequence"],
        "model": one["model"],
        "peak": f"{number(100 * one['peak'])} %",
        "when": f"{one['peak_time_s']:.3f} s",
        "block": one["peak_block"],
        "axes": axes,
    }


def of_implant(told: Mapping[str, Any]) -> dict[str, Any]:
    """Power and torque in an implant, as texts."""
    rows = [
        {
            "sequence": one["sequence"],
            "rms": number(one["dbdt_rms_T_s"]),
            "mean": number(1e3 * one["mean_W"]),
            "windows": [number(1e3 * w["value"]) for w in one["windows"]],
            "beyond": number(1e3 * one["beyond_W"], 2),
            "torque": f"{number(1e3 * one['torque_rms_N_m'])} ({number(1e3 * one['torque_peak_N_m'])})",
            "line": f"{number(1e3 * one['torque_line_N_m'])} at {number(one['torque_line_Hz'])} Hz",
        }
        for one in told["rows"]
    ]
    beside = [
        f"{e['name']}: {number(1e3 * e['power_W'])} mW, a rise of {number(e['rise_K'])} K in {length(e['duration_s'])}"
        for e in told["exposures"]
        if e["power_W"] is not None and e["rise_K"] is not None
    ]
    place = ", ".join(f"{1e3 * x:.0f}" for x in told["place_m"])
    return {
        "name": told["implant"],
        "place": f"({place}) mm",
        "coils": told["coils"],
        "field": number(told["field_T"]),
        "windows": [duration(w) for w in told["windows_s"]],
        "rows": rows,
        "beside": beside,
    }


def place_of(row: Mapping[str, Any]) -> str:
    """Sequence and axis of a row of gradients, without where dB/dt was looked for."""
    return str(row["region"]).split(", ")[0]


def nerve_chart(courses: Sequence[Mapping[str, Any]]) -> Any:
    """The largest responses over every sequence."""
    if not courses:
        return ""
    longest = max(one["times_s"][-1] for one in courses)
    minutes = longest > LONG_s
    curves = [
        Curve(
            f"{one['sequence']}, {one['model']}" if len(courses) > 1 else one["model"],
            [t / 60 if minutes else t for t in one["times_s"]],
            [100 * v for v in one["response"]],
            n,
        )
        for n, one in enumerate(courses)
    ]
    return line_chart(
        curves,
        f"time in the sequence [{'min' if minutes else 's'}]",
        "largest response [%]",
        height=240,
        levels=[("80 %", 80.0), ("100 %", 100.0)],
        label="Stimulation of nerves over time",
    )


def of_pulse(p: Mapping[str, Any]) -> dict[str, Any]:
    """Pulses of a sort in a row."""
    return {
        "sequence": p["sequence"],
        "use": p["use"],
        "count": p["count"],
        "length": f"{number(1e3 * p['duration_s'])} ms",
        "flip": f"{number(p['flip_deg'])}\u00b0",
        "b1": number(1e6 * p["b1plus_peak_T"]),
        "share": f"{number(100 * p['share'])} %",
    }


def calibration(whole: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How pulses became drives, as names and texts."""
    told, unit = whole["reference"], whole["reference"]["drive_unit"]
    mode = ", ".join(f"{abs(complex(*w)):.3g}" for w in told["mode"])
    found = [
        ("Nominal B1+ holds as", f"mean over {told['region']}"),
        ("B1+ per unit of drive", f"{number(1e6 * told['b1plus_per_unit_T'])} \u00b5T per {unit} (peak)"),
        (
            "Drive of a rectangular 180\u00b0 pulse of 1 ms",
            f"{number(told['amplitude'])} {unit} (peak), largest channel",
        ),
    ]
    if told["power_W"] is not None:
        found.append((f"Its power, {told['power_name']}", f"{number(told['power_W'])} W"))
    if len(told["mode"]) > 1:
        found.append(("Amplitudes of the mode of pulses without a shim", mode))
    said = whole["about"].get("sequence", {})
    if said.get("shims") not in (None, "none"):
        found.append(("Shims of the file", str(said["shims"])))
    if said.get("uses_by_flip_angle"):
        found.append(("Pulses whose use the file does not state", f"{said['uses_by_flip_angle']}, told by flip angle"))
    found.append(("Repetitions begin with", f"{whole['repetitions']['from']}"))
    found.append(("Windows", ", ".join(duration(w) for w in whole["windows_s"])))
    return found
