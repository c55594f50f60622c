"""The page of a ``ptx`` run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report import limit_words
from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.maps.map_set import single
from emdose.report.pages import common_rows, decisive, limit_table
from emdose.report.pages.page import capital, fill
from emdose.report.wording import number, words
from emdose.scenarios.kinds.ptx.page_maps import beside, maps
from emdose.scenarios.kinds.ptx.schema import EVEN, PHASES, STRONG, UNLIMITED
from emdose.scenarios.kinds.ptx.words import methods
from emdose.scenarios.shared.metal_coils.network import network_of

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ptx.result import PtxResult

MEANING = {
    PHASES: "one amplitude for all channels, phases for even B1+; scaled to the target, whatever its SAR",
    UNLIMITED: "amplitudes and phases for even B1+ without any limit, scaled to the target",
    EVEN: "amplitudes and phases for B1+ as near to the target as the limits allow",
    STRONG: "amplitudes and phases for the largest B1+ that the limits allow",
}
KNOWS = {
    "forward power": "the sum of all channels",
    "power of each channel": "one amplitude that no channel exceeds",
    "amplitudes": "the amplitude of each channel",
    "virtual observation points": "amplitudes and phases",
    "all matrices": "amplitudes and phases, without what compression costs",
}


def render(result: PtxResult) -> str:
    """The report as HTML text.

    Parameters
    ----------
    result : PtxResult
        What a run left in its folder.
    """
    summary = result.summary
    about = summary["ptx"]
    rows = limit_table.check_rows(
        {"checks": limit_words.with_uncertainty(summary.get("checks") or [], summary.get("quantities", {}))}
    )
    b1, b1_place = limit_table.b1plus_rms(summary)
    main = about["main"]
    page: dict[str, Any] = {
        "title": capital(f"{words(about['body'])} in {about['coil']}, {about['frequency_Hz'] / 1e6:.6g} MHz"),
        "sentence": f"{about['channels']} channels, driven for {number(1e6 * about['target_T'])} µT of B1+ over "
        f"{_place(about['over'])} under the SAR limits of the {about['mode']} mode. What stands beside limits below is "
        f"the {main} drive.",
        "banners": banners(summary, rows),
        "decisive": decisive.of_limit_table(rows),
        "tiles": tiles(summary),
        "main_drive": main,
        "target": number(1e6 * about["target_T"]),
        "drives": drive_rows(about, summary),
        "picture": beside(result),
        "tradeoff": tradeoff_charts(about),
        "modes": mode_rows(about),
        "mode_drives": [one["name"] for one in about["drives"]],
        "mode_text": mode_text(about),
        "worst": worst_rows(about),
        "faults": fault_rows(about),
        "stuck": f"{number(about['worst']['stuck_amplitude'])} {about['drive_unit']}",
        "stuck_by": "the peak amplitude of the scenario"
        if about["worst"]["stuck_by_limit"]
        else "the largest of this drive",
        "weights": weight_rows(about),
        "unit": about["drive_unit"],
        "channels_text": channels_text(about),
        "matrices": matrix_rows(about["matrices"]),
        "count": about["matrices"]["points"],
        "volume": single(maps(result)),
        **limit_table.section(summary, rows, b1, b1_place),
        "setup": setup_rows(about),
        "methods_text": methods(summary),
        "convergence": common_rows.convergence(summary),
        "power": common_rows.power(summary),
    }
    return fill(__package__, "ptx.html.j2", ("planes.js", "viewer.js"), page, folder=result.folder, summary=summary)


def banners(summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Limits that are exceeded or were not read in a standard, and warnings."""
    found = []
    over = [r for r in rows if r["counted"] and r["ratio"] is not None and r["ratio"] > 1]
    for mode in dict.fromkeys(r["mode"] for r in over):
        top = max((r for r in over if r["mode"] == mode), key=lambda r: r["ratio"])
        text = f"Above a limit in the {mode} mode: {top['quantity']}, {top['region']}, {100 * top['ratio']:.0f} % of it"
        found.append({"level": "high", "text": f"{text}."})
    shown = [r for r in rows if r["limit"] is not None]
    doubtful = limit_words.doubtful(shown)
    if doubtful:
        read = "(see where each number was read). Check them against the standard before use."
        found.append({"level": "note", "text": f"{doubtful} {read}"})
    if not summary.get("uncertainty"):
        text = (
            "U is that of voxels alone: tissues and places of other patients, errors of amplitudes and phases, and the "
            "array as it was built are not in it. "
        )
        if summary["ptx"].get("with_uncertainty"):
            text += "Drives that were found keep the limits of SAR with value + U."
        else:
            text += "Limits are kept by the values, not by the values with U; with_uncertainty in [limits] keeps both."
        found.append({"level": "note", "text": text})
    return [
        *found,
        *({"level": "note", "text": str(text).replace(" uT", " µT")} for text in summary.get("warnings", [])),
    ]


def tiles(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """The headline numbers of the chosen drive."""
    told, main = summary["quantities"], summary["ptx"]["main"]
    wanted = {
        "b1plus_rms": f"Mean B1+, {main} drive",
        "b1plus_variation": "Its deviation over its mean",
        "b1plus_rms_within_limits": "Largest within the limits",
        "psSAR10g_any_phases": "10 g SAR, same amplitudes, any phases",
        "psSAR10g_channel_fault": "10 g SAR, one channel failed",
    }
    return [decisive.tile(label, told[name]) for name, label in wanted.items() if name in told]


def drive_rows(about: Mapping[str, Any], summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each drive does."""
    found = []
    told = summary["quantities"]
    for one in about["drives"]:
        start = "" if one["name"] == about["main"] else f"{one['name']}: "
        heads = [v for k, v in one["parts_W_kg"].items() if k.lower().startswith("head")]
        found.append(
            {
                "name": one["name"],
                "main": one["name"] == about["main"],
                "meaning": MEANING.get(one["name"], "given; scaled to the target unless the scenario says otherwise"),
                "b1": number(1e6 * one["b1plus_T"]),
                "least": number(1e6 * one["least_T"], 2),
                "variation": f"{number(100 * one['variation'], 2)} %",
                "error": f"{number(100 * one['rms_error'], 2)} %",
                "in_phase": f"{number(100 * one['in_phase'], 2)} %",
                "sar": number(one["sar_10g_W_kg"]),
                "spread": decisive.spread_text(told[f"{start}psSAR10g"]) if f"{start}psSAR10g" in told else "",
                "bound": number(one["bound_10g_W_kg"]),
                "head": number(max(heads)) if heads else "–",
                "forward": number(one["forward_W"]),
                "used": f"{number(100 * one['used'])} %",
                "over": one["used"] > 1 + 1e-6,
                "of": one["used_of"],
                "largest": number(1e6 * one["largest_b1plus_T"]),
            }
        )
    return found


def weight_rows(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Amplitudes and phases of every drive, by channel."""
    return [
        {
            "name": port,
            "cells": [f"{number(one['amplitudes'][n])} ∠ {one['phases_deg'][n]:.1f}°" for one in about["drives"]],
        }
        for n, port in enumerate(about["worst"]["ports"])
    ]


def tradeoff_charts(about: Mapping[str, Any]) -> list[Any]:
    """Evenness and B1+ over the limit of local SAR, the other drives as points of their own SAR."""
    rows = about["tradeoff"]
    if len(rows) < 2:
        return []
    limits = [r["limit_W_kg"] for r in rows]
    true = [r["sar_10g_W_kg"] for r in rows]
    others = [one for one in about["drives"] if one["name"] not in (EVEN, STRONG)]

    def chart(key: str, factor: float, title: str) -> Any:
        curves = [
            Curve("over the limit of local SAR", limits, factor * np.array([r[key] for r in rows])),
            Curve("over the 10 g SAR that is reached", true, factor * np.array([r[key] for r in rows]), 1, dashed=True),
        ]
        curves += [
            Curve(one["name"], [one["sar_10g_W_kg"]], [factor * one[key]], n + 2, dots=True)
            for n, one in enumerate(others)
        ]
        return line_chart(curves, "10 g SAR while the RF is on [W/kg]", title, log_x=True, height=300)

    return [
        chart("rms_error", 100, "rms error of |B1+| [% of the target]"),
        chart("b1plus_T", 1e6, "mean |B1+| [µT]"),
    ]


def mode_rows(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What each way of supervision allows."""
    found = []
    for row in about["modes"]["rows"]:
        own = row.get("own")
        found.append(
            {
                "name": capital(row["name"]),
                "knows": KNOWS.get(row["name"], ""),
                "cells": [
                    {"b1": number(1e6 * one["b1plus_T"]), "used": f"{number(100 * one['used'], 2)} %"}
                    for one in row["drives"].values()
                ],
                "own": {
                    "b1": number(1e6 * own["b1plus_T"]),
                    "error": f"{number(100 * own['rms_error'], 2)} %",
                    "used": f"{number(100 * own['used'], 2)} %",
                }
                if own
                else None,
            }
        )
    return found


def mode_text(about: Mapping[str, Any]) -> str:
    """The numbers that the two simplest ways supervise."""
    told = about["modes"]
    return (
        f"The forward power may be {number(told['forward_W'])} W then, and the amplitude of each channel "
        f"{number(told['amplitude'])} {about['drive_unit']}."
    )


def worst_rows(about: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Worst cases of 10 g SAR: what, value, and how it is known."""
    told, unit = about["worst"], about["drive_unit"]
    low, high = told["phases_lower_W_kg"], told["phases_upper_W_kg"]
    same = high - low <= 1e-3 * high
    return [
        (f"The {about['main']} drive as it is meant", f"{number(told['nominal_W_kg'])} W/kg", "all matrices"),
        (
            "The same amplitudes, any phases",
            f"{number(high, 4)} W/kg" if same else f"{number(low, 4)} to {number(high, 4)} W/kg",
            f"{number(high / told['nominal_W_kg'])} times as much; "
            + ("proved: found and bound agree" if same else "found by ascent, and what no phases exceed"),
        ),
        (
            "Any drive, per W of forward power",
            f"{number(told['power_W_kg_W'])} W/kg",
            "exact" if about.get("network") else "exact; channels matched and decoupled, no losses",
        ),
        (f"Any drive of norm 1 {unit}", f"{number(told['norm_W_kg'])} W/kg", "exact: an eigenvalue"),
    ]


def fault_rows(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """10 g SAR with one channel silent or stuck."""
    told = about["worst"]
    rows = zip(told["ports"], told["lost_W_kg"], told["stuck_W_kg"], strict=True)
    return [{"name": name, "lost": number(lost), "stuck": number(stuck)} for name, lost, stuck in rows]


def matrix_rows(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """How many matrices, their certificate, and how they agree with the fields."""
    cells = f"{told['matrices']:,}".replace(",", "\u202f")
    misfit, added = number(100 * told["power_misfit"], 2), number(100 * told["overestimate"], 2)
    return [
        (
            "Matrices of 10 g cubes",
            f"{cells} of {told['channels']} × {told['channels']}, W/kg per {told['drive_unit']}²",
        ),
        ("Virtual observation points", f"{told['points']}, method {told['method']}"),
        (
            "What was added",
            f"{added} % of the largest eigenvalue, {number(told['largest_W_kg'])} W/kg",
        ),
        (
            "Certificate",
            "checked: every matrix is below a convex combination of them, so that no drive and no average of drives "
            "exceeds the bound",
        ),
        *(
            [("Limits beside them", "those of whole body, head and exposed part, by matrices of their own")]
            if told.get("requires_global_limit")
            else []
        ),
        (
            f"Bound over SAR of {told['drives']} random drives",
            f"least {told['least_ratio']:.3f}, median {told['median_ratio']:.3f}, largest {told['largest_ratio']:.3f}",
        ),
        (
            "Largest overestimate that was found",
            f"{number(100 * told['relative_overestimate'], 2)} % of the SAR of a drive",
        ),
        ("10 g SAR of all drives, matrices beside maps", f"differ by at most {told['map_misfit']:.1g} of it"),
        (
            "Sum of all matrices beside the power balance",
            f"differ by {misfit} % ({number(100 * told['power_misfit_transposed'], 2)} % with Q transposed)",
        ),
        ("Convention", "SAR = vᴴQv, peak phasors of exp(+jωt); stated in result.h5, vops.npz and vops.mat"),
    ]


def channels_words(about: Mapping[str, Any]) -> str:
    """What the channels of the array are."""
    if not about.get("network"):
        return "channels of given currents"
    return f"channels of metal, coupled, sources behind {number(about['network']['reference_ohm'][0])} Ω each"


def channels_text(about: Mapping[str, Any]) -> str:
    """What an array of given currents leaves out, and one of metal has."""
    if about.get("network"):
        return (
            "Coupling, losses and matching of the array are those of its metal and capacitors as they were solved; "
            "cables, amplifiers and tolerances of elements are not in this. Forward power is what the sources send, of "
            "which a part comes back. The mesh of the metal is not in U."
        )
    return (
        "Channels carry given currents: coupling, losses and matching of a built array are not in this, and forward "
        "power is that of matched channels without losses. Drives in volts need a coil of metal."
    )


def network_rows(about: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """What comes back into the channels and what goes over to others, at the frequency of the exposure."""
    if not about:
        return []
    at = network_of(about).at(about["frequency_Hz"])
    s = np.abs(at.s[0])
    worst, over = float(np.diag(s).max()), float((s - np.diag(np.diag(s))).max())
    dB = [f"{number(20 * np.log10(max(x, 1e-12)), 3)} dB" for x in (worst, over)]
    how = "tuned and matched with this body" if about["tuned"] and about["matching"] else "as it was given"
    if about["tuned"] != bool(about["matching"]):
        how = "tuned with this body, not matched" if about["tuned"] else "matched with this body"
    return [("Largest reflection of a channel", f"{dB[0]}, {how}"), ("Largest coupling of two", dB[1])]


def setup_rows(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Body, array, target, limits."""
    unit = about["drive_unit"]
    rows = [
        ("Body", f"{words(about['body'])}, {number(about['mass_kg'])} kg"),
        ("Voxels", f"{number(1e3 * about['spacing_m'])} mm"),
        ("Array", f"{about['coil']}, {about['channels']} {channels_words(about)}"),
        *network_rows(about.get("network")),
        ("Frequency", f"{about['frequency_Hz'] / 1e6:.6g} MHz"),
        ("B1+ counts over", f"{_place(about['over'])}, {about['points']} voxels"),
        ("Duty cycle", f"{number(100 * about['duty_cycle'])} %"),
        ("Safety factor", number(about["safety_factor"]) if about["safety_factor"] != 1 else ""),
        ("Peak amplitude", f"{number(about['peak_amplitude'])} {unit}" if about["peak_amplitude"] else ""),
        ("Largest forward power", f"{number(about['forward_limit_W'])} W" if about["forward_limit_W"] else ""),
        (
            f"One channel of 1 {unit} {'sends' if about.get('network') else 'delivers'}",
            f"{number(about['matrices']['channel_power_W'])} W, the mean of all channels",
        ),
    ]
    for one in about["limits"]:
        while_on = f", {number(one['limit'])} W/kg while the RF is on" if one["limit"] != one["of_standard"] else ""
        if one.get("uncertainty"):
            while_on += f", which leaves room for U = {number(100 * one['uncertainty'], 2)} %"
        rows.append((f"Limit of {one['label']}", f"{number(one['of_standard'])} W/kg{while_on}"))
    return [(name, text) for name, text in rows if text]


def _place(over: Any) -> str:
    names = {"slice": "the axial slice through the isocentre", "body": "the body", "isocentre": "the isocentre"}
    if isinstance(over, str):
        return names.get(over, over)
    return "the point (" + ", ".join(number(1e3 * x) for x in over) + ") mm"
