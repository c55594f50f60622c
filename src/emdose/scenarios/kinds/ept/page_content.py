"""What the page of an EPT run says: its summary turned into sentences, tiles and table rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer
from emdose.report.pages import decisive
from emdose.report.wording import NARROW, is_finite, number, plain, words
from emdose.scenarios.kinds.ept.page_maps import FAR, display_range

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ept.result import EptResult

SYMBOLS = {"conductivity": ("Conductivity σ", "S/m"), "permittivity": ("Relative permittivity ε", "")}
WHOLE = "whole"
LARGE_RATIO = 2.0
"""Error over stated uncertainty above which the page says that noise is not what limits a method."""

ASSUMPTIONS = {
    "helmholtz": (
        "σ and ε are constant within the window and one tissue; the half of a transceive phase is the phase of B1+.",
        "Windows that mix tissues, thin layers, and voxels whose own value is a mixture.",
    ),
    "helmholtz phase": (
        "As Helmholtz, and |B1+| does not vary: its gradient is neglected.",
        "Biased wherever |B1+| varies, inside homogeneous tissue too; the estimate of that bias is part of the result.",
    ),
    "helmholtz magnitude": (
        "As Helmholtz, and the phase does not vary: its gradient is neglected.",
        "Biased wherever the phase varies, which in lossy tissue is everywhere.",
    ),
    "convection-reaction": (
        "σ and ε may vary; the gradient of Bz is negligible. The penalty on differences between neighbours settles "
        "what the noise leaves open.",
        "Thin layers are smoothed into their surroundings; slice by slice, what varies along z is neglected; where the "
        "gradient of B1+ vanishes it is Helmholtz.",
    ),
    "csi": (
        "The coil's field without the body is known, and all tissue lies in the mask.",
        "Sensitive to errors of that field; where E vanishes (low convection) the value comes from the neighbours.",
    ),
    "gradient": (
        "Five or more transmit channels with a common receive phase; the gradient of Bz is negligible.",
        "Noise grows fast: it needs several channels that differ at the voxel.",
    ),
}
"""What every method takes for granted, and where it fails."""


def title(result: EptResult) -> str:
    """The heading of the page."""
    kind = result.summary["ept"]["data"]["type"]
    of = f"of {words(result.b1.source.removeprefix('simulation of '))}" if kind == "simulated" else "from B1+ maps"
    return f"Conductivity and permittivity {of}, {result.b1.frequency_Hz / 1e6:.6g} MHz"


def sentence(result: EptResult) -> str:
    """What was done, in one sentence."""
    about, scenario = result.summary["ept"]["data"], result.summary.get("scenario", {}).get("data", {})
    shape = " × ".join(map(str, about["shape"]))
    text = f"{_count(len(result.maps), 'method')} on B1+ maps of {shape} voxels of {size(about['spacing_m'])}"
    if about["type"] == "simulated":
        text = f"A digital reference object: B1+ was simulated by the volume integral, {text[:1].lower()}{text[1:]}"
        snr, seed = scenario.get("snr"), scenario.get("seed")
        text += f", white noise of SNR {plain(snr)} added (seed {plain(seed)})" if snr else ", no noise added"
        text += ", so that the truth is known"
    told = [e for name in result.maps if (e := _spoken(result, name)) is not None]
    if not told:
        return text + "."
    shares = [f"{100 * e['value']:.0f} %" for e in told]
    best = 100 * max(e["means_share"] for e in told)
    return f"{text}. Valid values in {listed(shares)} of the object's voxels; the means speak for {best:.0f} %."


def banners(result: EptResult) -> list[dict[str, str]]:
    """What must not be overlooked when the maps are read."""
    summary, about = result.summary, result.summary["ept"]["data"]
    found = [("note", str(text)) for text in summary.get("warnings", [])]
    thin = _thin(result)
    if thin:
        text = (
            f"Voxels of {size(about['spacing_m'])} are too coarse for {listed(thin)}: no voxel, or too few, lie "
            f"{_headline_erosion(summary)} or more voxels from the next tissue. Values there mix tissues and say "
            "nothing about the method."
        )
        found.append(("note", text))
    if about.get("phase_kind") == "transceive":
        text = "Half of the transceive phase is taken for the phase of B1+"
        rms, worst = about.get("phase_error_rms_rad"), about.get("phase_error_max_rad")
        if is_finite(rms):
            text += f"; here it departs from it by {number(rms, 2)} rad (rms, at most {number(worst, 2)} rad)"
            text += ", an error that no noise tells of"
        found.append(("note", text + "."))
    same = (
        [n for n, m in summary["ept"]["methods"].items() if m["type"] == "csi"] if about["type"] == "simulated" else []
    )
    if same:
        text = f"{listed(same)} inverts the operator, on the grid, that the data were simulated with: what the grid "
        found.append(("note", text + "gets wrong cancels, so that its errors are smaller here than on measured data."))
    over = {n: z for n, m in summary["ept"]["methods"].items() if (z := _worst(m)) is not None and z > LARGE_RATIO}
    if over:
        text = "The uncertainty of single voxels holds noise alone. Over the whole object the errors are larger: "
        text += ", ".join(f"{n} {number(z, 2)} times" for n, z in over.items())
        text += " the uncertainty (rms), because of interfaces and of what the method neglects."
        found.append(("note", text))
    return [{"level": level, "text": text} for level, text in found]


def tiles(result: EptResult) -> list[dict[str, str]]:
    """One tile per method: how far its tissue means are off, or its median where there is no truth."""
    found = []
    for name, about in result.summary["ept"]["methods"].items():
        remarks = []
        noise = about.get("z_noise_conductivity", about.get("z_noise_permittivity"))
        if is_finite(noise):
            remarks.append(f"noise over stated uncertainty {number(noise, 3)} (1 is right)")
        share = about["missing"] / max(about["missing"] + about["voxels"], 1)
        remarks.append(f"no value in {100 * share:.0f} % of the voxels; {about['seconds']:.1f} s")
        spoken = _spoken(result, name)
        if spoken is not None:
            remarks.insert(0, f"a valid value in {100 * spoken['value']:.0f} % of the object's voxels")
        entries = [e for e in result.summary["quantities"].values() if e.get("method") == name and "truth" in e]
        part = [e for e in entries if e["unit"] == "S/m"] or entries
        if part:
            off = 100 * float(np.mean([abs(e["value"] / e["truth"] - 1) for e in part]))
            quantity = "σ" if part[0]["unit"] == "S/m" else "ε"
            remarks.insert(
                0,
                f"mean error of {quantity} in {_count(len(part), 'tissue').lower()}, away from interfaces",
            )
            found.append({"label": name, "value": number(off, 2), "unit": "%", "remark": "; ".join(remarks)})
            continue
        rows = [r for r in result.summary["ept"]["metrics"] if r["method"] == name and r["region"] == WHOLE]
        rows = [r for r in rows if is_finite(r["median"])]
        if rows:
            unit = SYMBOLS[rows[0]["quantity"]][1]
            remarks.insert(0, f"median {rows[0]['quantity']} of all voxels")
            found.append(
                {"label": name, "value": number(rows[0]["median"]), "unit": unit, "remark": "; ".join(remarks)}
            )
    return found


def mean_tables(result: EptResult, colours: Mapping[str, str]) -> list[dict[str, Any]]:
    """Means per tissue beside the truth, one table per quantity."""
    tables = []
    for quantity, (name, unit) in SYMBOLS.items():
        entries = [e for k, e in result.summary["quantities"].items() if k.startswith(f"{quantity}: ")]
        if not entries:
            continue
        methods = [m for m in result.maps if any(e["method"] == m for e in entries)]
        rows = []
        for region in dict.fromkeys(e["region"] for e in entries):
            mine = {e["method"]: e for e in entries if e["region"] == region}
            first = next(iter(mine.values()))
            rows.append(
                {
                    "name": words(region),
                    "colour": colours.get(region, "#888888"),
                    "voxels": integer(first["voxels"]),
                    "truth": number(first.get("truth"), 3),
                    "cells": [_mean_cell(mine.get(m)) for m in methods],
                }
            )
        erosion = max(e["erosion"] for e in entries)
        where = f", {erosion} or more voxels from the next tissue" if erosion else ""
        tables.append(
            {
                "title": f"Mean {name.lower()}{f' [{unit}]' if unit else ''}{where}",
                "methods": methods,
                "rows": rows,
                "known": any("truth" in e for e in entries),
            }
        )
    return tables


def part_tables(result: EptResult) -> list[dict[str, Any]]:
    """What the uncertainty of every mean is made of, one table per quantity."""
    tables = []
    for quantity, (name, unit) in SYMBOLS.items():
        entries = [e for k, e in result.summary["quantities"].items() if k.startswith(f"{quantity}: ")]
        told = [(e, u) for e in entries if (u := e.get("uncertainty") or e.get("bias")) and u.get("components")]
        if not told:
            continue
        causes = list(dict.fromkeys(c for _, u in told for c in u["components"]))
        rows = [
            {
                "name": words(e["region"]),
                "method": e["method"],
                "cells": [number(u["components"].get(c), 2) for c in causes],
                "combined": number(u["expanded"] / u["k"], 2) if "expanded" in u else "–",
                "lacking": str(u["basis"]).partition("not estimated: ")[2] or "–",
            }
            for e, u in told
        ]
        tables.append({"title": f"{name}{f' [{unit}]' if unit else ''}", "causes": causes, "rows": rows})
    return tables


def method_rows(result: EptResult) -> list[dict[str, Any]]:
    """What each method is, assumes and did."""
    rows = []
    for name, about in result.summary["ept"]["methods"].items():
        kind = str(about["type"]).removeprefix("automatic-")
        form = about["settings"].get("method", "")
        assumes, fails = ASSUMPTIONS.get(f"{kind} {form}") or ASSUMPTIONS.get(kind) or ("–", "–")
        hidden = ("method", "phase_kind", "noise", "uncertainty", "unwrapped", "linear_residual", "slices")
        settings = ", ".join(
            f"{words(k)} {_short(v)}"
            for k, v in about["settings"].items()
            if k not in hidden and v not in (None, False, 0, 0.0)
        )
        flags = ", ".join(
            f"{words(k.lower())} {100 * v / max(about['voxels'] + about['missing'], 1):.0f} %"
            for k, v in about["flags"].items()
            if v
        )
        rows.append(
            {
                "name": name,
                "method": about["method"],
                "settings": settings,
                "assumes": assumes,
                "fails": fails,
                "flags": flags or "none",
                "seconds": f"{about['seconds']:.1f}",
                "noise": _pair(about, "noise"),
                "total": _pair(about, "total"),
                "uncertainty": "propagated" if about["uncertainty"] else "not computed",
            }
        )
    return rows


def data_rows(result: EptResult) -> list[tuple[str, str]]:
    """What was reconstructed."""
    about = result.summary["ept"]["data"]
    scenario = result.summary.get("scenario", {}).get("data", {})
    rows = [
        ("Source", str(about["source"])),
        (
            "Voxels",
            f"{' × '.join(map(str, about['shape']))} of {size(about['spacing_m'])}, "
            f"{integer(about['mask_voxels'])} in the mask",
        ),
        ("Frequency", f"{result.b1.frequency_Hz / 1e6:.6g} MHz"),
        ("Phase", f"{about['phase_kind'] or 'none'}{', wrapped' if about['wrapped'] else ''}"),
        ("Noise", "given with the maps" if about["noise_known"] else "estimated from the residual of the fits"),
        ("SNR", plain(scenario.get("snr"))),
        ("Channels", plain(about["channels"])),
        ("Tissues", ", ".join(words(n) for n in about["labels"])),
        ("Reading", ". ".join(about.get("notes", []))),
        *(
            (words(k).capitalize(), str(scenario[k]))
            for k in ("magnitude", "phase", "mask", "segmentation", "reference")
            if about["type"] == "files" and scenario.get(k)
        ),
    ]
    return [(name, text) for name, text in rows if text not in ("", "–")]


def intervals(result: EptResult, quantity: str) -> list[dict[str, Any]]:
    """Truth, median and quartiles of every method per tissue, for the chart; at the erosion of the headline."""
    erosion = _headline_erosion(result.summary)
    entries = result.summary["quantities"].values()
    regions = [r for r in dict.fromkeys(e["region"] for e in entries) if r != WHOLE]
    rows = []
    for region in regions:
        mine = [
            r
            for r in result.summary["ept"]["metrics"]
            if (r["quantity"], r["region"], r["erosion"]) == (quantity, region, erosion)
        ]
        if mine:
            rows.append(
                {
                    "name": words(region),
                    "truth": mine[0]["truth_mean"] if is_finite(mine[0]["truth_mean"]) else None,
                    "spans": [{"method": r["method"], "median": r["median"], "iqr": r["iqr"]} for r in mine],
                }
            )
    return rows


def means(result: EptResult, quantity: str) -> dict[str, Any]:
    """Mean of every method per tissue with U, beside the truth: rows of the first chart, and words to it."""
    entries = [e for k, e in result.summary["quantities"].items() if k.startswith(f"{quantity}: ")]
    rows, inside, judged = [], 0, 0
    for region in dict.fromkeys(e["region"] for e in entries):
        mine = [e for e in entries if e["region"] == region and is_finite(e["value"])]
        spans = [(e, decisive.expanded(e)) for e in mine]
        truth = next((e["truth"] for e in mine if is_finite(e.get("truth"))), None)
        known = [abs(e["value"] - truth) <= u for e, u in spans if u is not None and truth is not None]
        inside, judged = inside + sum(known), judged + len(known)
        rows.append(
            {
                "name": words(region),
                "truth": truth,
                "spans": [{"method": e["method"], "median": e["value"], "iqr": 2 * (u or 0.0)} for e, u in spans],
            }
        )
    text = f"The truth lies within U of {inside} of {judged} means. " if judged else ""
    told = [e["means_share"] for e in result.summary["quantities"].values() if "means_share" in e]
    text += f"The means speak for {100 * max(told):.0f} % of the object's voxels." if told else ""
    return {
        "rows": rows,
        "methods": {e["method"] for e in entries},
        "bare": any(decisive.expanded(e) is None for e in entries),
        "truth": any(r["truth"] is not None for r in rows),
        "erosion": _headline_erosion(result.summary),
        "basis": ", ".join(dict.fromkeys(b for e in entries if (b := decisive.kind_of_uncertainty(e)))),
        "words": text,
    }


def maps(result: EptResult) -> MapSet:
    """Conductivity and permittivity of every method, to be set beside those of another run.

    Noise in thin layers has no bounds: values beyond some display ranges are cut, negative ones are drawn as 0.
    """
    mask, found = np.asarray(result.b1.mask), []
    for quantity, (title, unit) in SYMBOLS.items():
        top = display_range(result, quantity).high
        for name, one in result.maps.items():
            values = getattr(one, quantity)
            if values is not None:
                cut = np.clip(np.asarray(values, float), 0.0, FAR * top)
                key = f"{quantity}: {name}"
                found.append(Layer(key, f"{title[-1]} {name}", unit, cut, colours="viridis", note=f"{title}.", top=top))
    labels = np.where(mask, np.asarray(result.labels) + 1, 0)
    return MapSet(result.b1.grid, labels, {n + 1: text for n, text in result.names.items()}, found)


def size(spacing_m: Any) -> str:
    """Voxel size as text."""
    sides = {f"{1e3 * h:.3g}" for h in spacing_m}
    return f"{sides.pop()} mm" if len(sides) == 1 else " × ".join(f"{1e3 * h:.3g}" for h in spacing_m) + " mm"


def _mean_cell(entry: Mapping[str, Any] | None) -> dict[str, str]:
    if entry is None:
        return {"value": "–", "spread": "", "off": ""}
    spread = entry.get("uncertainty")
    off = 100 * (entry["value"] / entry["truth"] - 1) if entry.get("truth") else math.nan
    return {
        "value": number(entry["value"], 3),
        "spread": f"± {number(spread['expanded'], 2)}" if spread else "",
        "off": f"{off:+.1f} %".replace("-", "−") if math.isfinite(off) else "",
    }


def _pair(about: Mapping[str, Any], kind: str) -> str:
    parts = [(s, about.get(f"z_{kind}_{q}")) for q, s in (("conductivity", "σ"), ("permittivity", "ε"))]
    return ", ".join(f"{s} {number(v, 3)}" for s, v in parts if is_finite(v)) or "–"


def _worst(about: Mapping[str, Any]) -> float | None:
    found = [float(about[f"z_total_{k}"]) for k in SYMBOLS if is_finite(about.get(f"z_total_{k}"))]
    return max(found, default=None)


def _spoken(result: EptResult, method: str) -> Mapping[str, Any] | None:
    """The number that says for how much of the object a method speaks."""
    entries = result.summary["quantities"].values()
    return next((e for e in entries if e.get("method") == method and "means_share" in e), None)


def _thin(result: EptResult) -> list[str]:
    """Tissues without a headline mean, where others have one."""
    erosion = _headline_erosion(result.summary)
    shown = {e["region"] for e in result.summary["quantities"].values()}
    if not erosion or not shown:
        return []
    least = result.summary.get("scenario", {}).get("evaluation", {}).get("least_voxels", 1)
    rows = [r for r in result.summary["ept"]["metrics"] if r["erosion"] == erosion]
    # Small tissues that are thick enough, but not among the largest, have no headline mean either.
    thick = {r["region"] for r in rows if r["voxels"] + r["missing"] >= least}
    return [words(n) for n in result.summary["ept"]["data"]["labels"] if n not in shown and n not in thick]


def _headline_erosion(summary: Mapping[str, Any]) -> int:
    return max((e["erosion"] for e in summary["quantities"].values()), default=0)


def listed(names: list[str]) -> str:
    """Names in words."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _count(n: int, noun: str) -> str:
    words_ = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
    return f"{words_[n] if n < len(words_) else n} {noun}{'' if n == 1 else 's'}"


def integer(n: int) -> str:
    """A count with narrow spaces between thousands."""
    return f"{n:,}".replace(",", NARROW)


def _short(value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(v == value[0] for v in value):
        value = value[0]
    return number(value, 3) if isinstance(value, float) else plain(value)
