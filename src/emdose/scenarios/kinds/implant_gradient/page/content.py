"""What the page of an implant run says: its summary turned into sentences, tiles, charts and table rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.charts.orientation import Mark, disc
from emdose.report.maps.map_set import MapSet
from emdose.report.maps.volumes import Layer
from emdose.report.pages import decisive
from emdose.report.wording import MINUS, is_finite, number, plain, words
from emdose.scenarios.kinds.implant_gradient.page import closed_form
from emdose.scenarios.kinds.implant_gradient.worst.poses import pose

if TYPE_CHECKING:
    from emdose.scenarios.kinds.implant_gradient.result.result import ImplantResult

MOST = 8
"""Exposures that the page begins with."""
LEAST_SKIN = 3.0
"""Skin depth over step below which voxels do not resolve the currents."""


def title(result: ImplantResult) -> str:
    """The heading of the page."""
    return f"{words(result.implant.name)} in switched gradient fields"


def sentence(result: ImplantResult) -> str:
    """What was computed, in one sentence."""
    about = result.summary["implant"]
    names = list(dict.fromkeys(p["metal"] for p in about["body"]["parts"]))
    size = " × ".join(f"{1e3 * s:.0f}" for s in about["body"]["size_m"])
    solved = about["frequencies"]
    low, high = (hertz(solved[n]["frequency_Hz"]) for n in (0, -1))
    engines = " and ".join(dict.fromkeys(r["engine"] for r in solved))
    band = f"at {low}" if len(solved) == 1 else f"at {len(solved)} frequencies from {low} to {high}"
    return (
        f"{number(1e3 * about['body']['mass_kg'], 3)} g of {listed(names)} ({size} mm) in "
        f"“{words(result.phantom.name)}”: eddy currents {band} ({engines} engine), "
        f"heat by the bioheat equation on {number(1e3 * min(result.heat_grid.spacing_m), 2)} mm voxels."
    )


def banners(result: ImplantResult) -> list[dict[str, str]]:
    """What must not be overlooked."""
    summary, found = result.summary, []
    found += [("note", str(text)) for text in summary.get("warnings", [])]
    return [{"level": level, "text": text} for level, text in found]


def decisive_rows(result: ImplantResult) -> list[dict[str, Any]]:
    """Peak rise of every exposure in its worst orientation, on one scale, beside the rises that were asked about."""
    summary = result.summary
    found: list[tuple[str, dict[str, Any], list[dict[str, Any]], str]] = []
    for name, one in list(summary["implant"]["exposures"].items())[:MOST]:
        known = is_finite(one.get("worst_rise_K"))
        value, power = (one["worst_rise_K"], one["worst_W"]) if known else (one["rise_K"], one["power_W"])
        stated = summary["quantities"].get(f"{'worst ' if known else ''}peak rise: {name}", {})
        entry = {"value": value, "unit": "K", "uncertainty": stated.get("uncertainty")}
        where = f"after {duration(one['duration_s'])}"
        if is_finite(one.get("worst_tissue_rise_K")):
            where += f"; tissue {number(one['worst_tissue_rise_K'])} K"
        where += f"; {' '.join(watt(power))} in the metal"
        if known:
            where += f"; in this pose {number(one['rise_K'])} K and {' '.join(watt(one['power_W']))}"
        times = one.get("worst_time_to_K") or one["time_to_K"]
        levels = [
            {"limit": float(k), "label": _time_to(t, one) if t is None else f"after {_time_to(t, one)}", "noun": "rise"}
            for k, t in times.items()
        ]
        found.append((f"{'Worst peak' if known else 'Peak'} rise, {name}", entry, levels, where))
    values = [e["value"] + (decisive.expanded(e) or 0.0) for _, e, _, _ in found]
    near = [x["limit"] for _, _, levels, _ in found for x in levels if x["limit"] <= 2 * max(values, default=0.0)]
    top = decisive.ROOM * max([*values, *near], default=1.0)
    return [decisive.row(name, entry, levels, where, top=top) for name, entry, levels, where in found]


def maps(result: ImplantResult) -> MapSet:
    """The temperature rises, to be set beside those of another run."""
    labels = 1 + (result.metal_on_heat_grid() > 0.5).astype(int)
    found = []
    for name, maps_ in result.exposures.items():
        note = f"Temperature rise after {duration(result.summary['implant']['exposures'][name]['duration_s'])}."
        found.append(Layer(f"rise: {name}", f"Rise, {name}", "K", np.asarray(maps_.rise, float), note=note))
    return MapSet(result.heat_grid, labels, {1: result.phantom.name, 2: "metal"}, found)


def frequency_chart(result: ImplantResult) -> Markup:
    """Power per (T/s rms)^2 over frequency: three axes, worst and best orientation; dots where it was solved."""
    tensor = result.tensor
    f = np.asarray(tensor.frequencies_Hz)
    fine = np.unique(np.concatenate([f, np.geomspace(f[0], f[-1], 80)])) if len(f) > 1 else f
    M = tensor.at(fine)[:, :3, :3].real
    values = np.linalg.eigvalsh(M)
    curves = [Curve(f"dB/dt along {a}", fine, 1e3 * M[:, n, n], colour=n) for n, a in enumerate("xyz")]
    curves += [
        Curve("worst orientation", fine, 1e3 * values[:, 2], colour=4, dashed=True),
        Curve("best orientation", fine, 1e3 * values[:, 0], colour=6, dashed=True),
    ]
    rows = result.summary["implant"]["frequencies"]
    curves += [Curve("", f, [1e3 * r["axes_W"][n] for r in rows], colour=n, dots=True) for n in range(3)]
    return line_chart(curves, "frequency [Hz]", "power [mW] at 1 T/s rms", log_x=True, log_y=True, height=330)


def heating_chart(result: ImplantResult) -> Markup:
    """Peak rise over time of all exposures."""
    curves = []
    for n, (name, maps) in enumerate(result.exposures.items()):
        curves.append(Curve(name, maps.times_s / 60, maps.peak_rise_K, colour=n))
        curves += [
            Curve(f"{name}, {title}", maps.times_s / 60, curve, colour=n, dashed=True)
            for title, curve in maps.curves.items()
        ]
    names = list(result.exposures)
    for r in result.summary["implant"]["comparison"]:
        if r["exposure"] in names:
            minutes = result.summary["implant"]["exposures"][r["exposure"]]["duration_s"] / 60
            n = names.index(r["exposure"])
            curves.append(Curve(f"{r['exposure']}, published", [minutes], [r["published_K"]], colour=n, dots=True))
    levels = [(f"{float(k):g} K", float(k)) for k in _thresholds(result)]
    return line_chart(curves, "time [min]", "largest temperature rise [K]", levels=levels, height=330)


def orientation_discs(result: ImplantResult, name: str) -> list[Markup]:
    """Power and temperature rise of an exposure over all directions."""
    one = result.summary["implant"]["exposures"][name]
    if one.get("power_matrix_W") is None:
        return []
    weights = np.asarray(one["power_matrix_W"], float)
    marks = [Mark(one["worst_direction"], "worst"), Mark(one["best_direction"], "best")]
    milli = 1e3 if np.linalg.eigvalsh(weights)[-1] < 1 else 1.0
    discs = [
        disc(lambda u: milli * np.einsum("ni,ij,nj->n", u, weights, u), "power", "mW" if milli > 1 else "W", marks)
    ]
    table = one.get("rise_disc_K")
    if table:
        marks = [Mark(one["worst_rise_direction"], "worst"), Mark(one["best_rise_direction"], "best")]
        discs.append(disc(lambda u: from_disc(np.asarray(table, float), u), "peak rise", "K", marks))
    return discs


def orientation_chart(result: ImplantResult, name: str) -> Markup | None:
    """Peak rise and power of an exposure by gradient coils over the orientations, as shares of their largest values."""
    one = result.summary["implant"]["exposures"][name]
    if one.get("power_quantiles_W") is None:
        return None
    curves = []
    for n, (title, key, worst) in enumerate(
        (("peak rise", "rise_quantiles_K", "worst_rise_K"), ("power", "power_quantiles_W", "worst_W"))
    ):
        if one.get(key) is not None and one.get(worst):
            values = np.asarray(one[key], float) / one[worst]
            curves.append(Curve(title, 100 * np.linspace(0, 1, len(values)), 100 * values, colour=3 * n))
    levels = [("this pose", 100 * one["rise_K"] / one["worst_rise_K"])] if one.get("worst_rise_K") else []
    return line_chart(curves, "orientations [%]", "of the worst [%]", levels=levels, height=250)


def from_disc(table: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Values for unit vectors from a table over Lambert's disc, bilinear.

    Parameters
    ----------
    table : (n, n) ndarray
        Row and column run over x and y of the disc, from -1 to 1.
    u : (m, 3) ndarray
        Unit vectors.
    """
    u = np.where(u[:, 2:] < 0, -u, u)
    rho = np.sqrt(np.maximum(1 - u[:, 2], 0))
    lateral = np.maximum(np.hypot(u[:, 0], u[:, 1]), 1e-12)
    last = len(table) - 1
    at = [np.clip((rho * u[:, a] / lateral + 1) * 0.5 * last, 0, last - 1e-9) for a in (0, 1)]
    (i, s), (j, t) = ((a.astype(int), a - a.astype(int)) for a in at)
    return np.asarray(
        (1 - s) * ((1 - t) * table[i, j] + t * table[i, j + 1])
        + s * ((1 - t) * table[i + 1, j] + t * table[i + 1, j + 1])
    )


def exposure_rows(result: ImplantResult, name: str) -> list[tuple[str, str]]:
    """What an exposure is and does, as rows."""
    one = result.summary["implant"]["exposures"][name]
    rows = [
        ("Exposure", one["title"]),
        ("dB/dt at the implant", f"{number(one['dbdt_rms_T_s'])} T/s rms" + _along(one.get("direction"))),
        ("Duration", duration(one["duration_s"])),
        ("Power in the metal", " ".join(watt(one["power_W"]))),
        ("Worst orientation for power", f"{' '.join(watt(one['worst_W']))}, {pose(one, 'worst')}"),
        ("Best orientation for power", f"{' '.join(watt(one['best_W']))}, {pose(one, 'best')}"),
        ("Peak temperature rise", f"{number(one['rise_K'])} K at {place(one['hot_spot_m'])} in {one['hot_spot_in']}"),
    ]
    if is_finite(one.get("tissue_rise_K")):
        where = f"at {place(one['tissue_spot_m'])}"
        rows.append(("Peak temperature rise in tissue", f"{number(one['tissue_rise_K'])} K {where}"))
    if is_finite(one.get("worst_rise_K")):
        rows.append(
            (
                "Worst orientation for temperature",
                f"{number(one['worst_rise_K'])} K, {pose(one, 'worst_rise')}, "
                f"at {place(one['worst_rise_m'])} in {one['worst_rise_in']}",
            )
        )
    if is_finite(one.get("worst_tissue_rise_K")):
        text = f"{number(one['worst_tissue_rise_K'])} K, {pose(one, 'worst_tissue')}"
        rows.append(("Worst orientation for tissue", text))
    rows.append(("CEM43, largest in tissue, in this pose", _dose(one)))
    worst_times = one.get("worst_time_to_K", {})
    for rise, seconds in one["time_to_K"].items():
        text = _time_to(seconds, one)
        if rise in worst_times:
            text += f"; in the worst orientation {_time_to(worst_times[rise], one)}"
        rows.append((f"Time to a rise of {rise} K", text))
    if one.get("bore"):
        bore = one["bore"]
        rows.append(
            (
                "Worst place in the bore",
                f"{place(bore['worst_place_m'])}: {' '.join(watt(bore['worst_W']))} in the worst orientation; "
                f"{bore['places']} places {number(1e3 * bore['step_m'])} mm apart",
            )
        )
    if is_finite(one.get("field_left_out")):
        text = f"{100 * one['field_left_out']:.2g} % of dB/dt over the metal, in the root mean square"
        rows.append(("Left out by the terms of the coils' field", text))
    harmonics = one["harmonics"]
    if harmonics["count"] > 1:
        rows.append(
            (
                "Harmonics",
                f"{harmonics['count']} up to {hertz(harmonics['max_frequency_Hz'])}; "
                f"{100 * harmonics['dropped']:.2g} % of the mean square of dB/dt lies above, worth at most "
                f"{' '.join(watt(one['missing_W']))}",
            )
        )
    return rows


def _time_to(seconds: Any, one: Mapping[str, Any]) -> str:
    return duration(seconds) if seconds is not None else f"not within {duration(one['duration_s'])}"


def _dose(one: Mapping[str, Any]) -> str:
    """CEM43 with and without that of the baseline; runs of earlier versions know the former alone."""
    if one.get("cem43_excess_min") is None:
        return f"{number(one['cem43_min'])} min, the body's own temperature included"
    return (
        f"{number(one['cem43_excess_min'])} min over the baseline of {number(one['baseline_degC'])} °C, which by "
        f"itself counts {number(one['cem43_baseline_min'])} min"
    )


def waveform_charts(one: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The waveform and its spectrum: dB/dt at the implant over time, and the power of every harmonic."""
    found = []
    wave, spectrum = one.get("waveform"), one.get("spectrum")
    if wave:
        rates = np.asarray(wave["dbdt_T_s"], float)
        curves = [
            Curve(f"dB{a}/dt", 1e3 * np.asarray(wave["times_s"]), rates[:, n], colour=n)
            for n, a in enumerate("xyz")
            if np.abs(rates[:, n]).max() > 5e-3 * np.abs(rates).max()
        ]
        chart = line_chart(curves, "time [ms]", "dB/dt at the implant [T/s]", height=250)
        found.append({"chart": chart, "caption": wave["caption"]})
    if spectrum and len(spectrum["frequencies_Hz"]) > 1:
        curves = [Curve("", spectrum["frequencies_Hz"], [1e3 * p for p in spectrum["power_W"]], colour=1, stems=True)]
        chart = line_chart(curves, "frequency [Hz]", "power of a harmonic [mW]", log_x=True, height=250)
        found.append({"chart": chart, "caption": spectrum["caption"]})
    course = one.get("time_course")
    if course and len(course["power_W"]) > 1:
        t, p = np.repeat(course["edges_s"], 2)[1:-1], np.repeat(course["power_W"], 2)
        chart = line_chart([Curve("", t, 1e3 * p, colour=4)], "time [s]", "power in the metal [mW]", height=250)
        found.append({"chart": chart, "caption": "Average power of every repetition of the sequence."})
    return found


def condition_rows(result: ImplantResult) -> list[dict[str, Any]]:
    """The run beside the exposures that documents describe."""
    rows = []
    for r in result.summary["implant"]["conditions"]:
        factor, unit = {"T": (1e3, "mT"), "W": (1.0, "W"), "s": (1 / 60, "min")}.get(r["unit"], (1.0, r["unit"]))
        if r["unit"] == "W" and abs(r["value"]) < 1:
            factor, unit = 1e3, "mW"
        rows.append(
            dict(r)
            | {
                "value": number(factor * r["value"]),
                "unit": unit,
                "level": "no level" if r["level"] is None else number(factor * r["level"]),
                "document": f"{r['standard']}, clause {r['clause']}",
            }
        )
    return rows


def comparison_rows(result: ImplantResult) -> list[dict[str, str]]:
    """Published rises beside those of this run."""
    return [
        {
            "conditions": r["conditions"],
            "published": number(r["published_K"]),
            "here": number(r["here_K"]),
            "worst": number(r["worst_K"]),
            "off": f"{100 * (r['worst_K'] / r['published_K'] - 1):+.0f} %".replace("-", "\u2212"),
            "source": r["source"],
            "exposure": r["exposure"],
        }
        for r in result.summary["implant"]["comparison"]
    ]


def solver_rows(result: ImplantResult) -> list[dict[str, Any]]:
    """Every solved frequency: engine, power and that of the closed form, skin depth over step, residual, identity."""
    rows, solved = [], result.summary["implant"]["frequencies"]
    exact = closed_form.powers_W(result.implant, [r["frequency_Hz"] for r in solved])
    for r, exact_W in zip(solved, exact, strict=True):
        coarse = (
            r["engine"] == "voxel" and is_finite(r["skin_depth_over_step"]) and r["skin_depth_over_step"] < LEAST_SKIN
        )
        rows.append(
            {
                "frequency": hertz(r["frequency_Hz"]),
                "engine": r["engine"],
                "axes": [number(1e3 * v) for v in r["axes_W"]],
                "worst": number(1e3 * r["worst_W"]),
                "best": number(1e3 * r["best_W"]),
                **_beside_closed_form(exact_W, r["axes_W"]),
                "skin": number(r["skin_depth_over_step"]),
                "coarse": coarse,
                "residual": number(r["residual"], 2),
                "identity": number(r["identity"], 2),
            }
        )
    return rows


def _beside_closed_form(exact_W: float | None, axes_W: Sequence[float]) -> dict[str, str]:
    """A power by its closed form and what the mean over the axes is off; empty where there is none."""
    if exact_W is None:
        return {"exact": "", "off": ""}
    off = 100 * (float(np.mean(axes_W)) / exact_W - 1)
    return {"exact": number(1e3 * exact_W), "off": f"{off:+.2f} %".replace("-", MINUS)}


def setup_rows(result: ImplantResult) -> list[tuple[str, str]]:
    """Implant, phantom, gradients and grids."""
    about, grid = result.summary["implant"], result.tensor.grid
    body = about["body"]
    rows = [("Implant", words(body["name"]))]
    for p in body["parts"]:
        made = p["properties"]
        rows.append(
            (
                f"Part: {p['name']}",
                f"{p['metal']}: {number(made['conductivity_S_m'] / 1e6)} MS/m, "
                f"{number(made['density_kg_m3'], 4)} kg/m³, {number(made['heat_capacity_J_kg_K'])} J/kg/K, "
                f"{number(made['thermal_conductivity_W_m_K'])} W/m/K; {number(1e6 * p['volume_m3'])} cm³, "
                f"{number(1e3 * p['mass_kg'])} g, {p['triangles']} triangles",
            )
        )
    rows += [(f"Surface: {words(k)}", plain(v)) for k, v in body["report"].items() if not isinstance(v, Mapping)]
    tissues = [words(t) for t in result.phantom.tissue_mass()]
    rows += [
        ("Phantom", f"{words(result.phantom.name)}: {listed(tissues)}, {number(result.phantom.mass_kg)} kg"),
        ("Voxels of the currents", f"{len(result.tensor.cells):,} of {_mm(grid.spacing_m)}".replace(",", "\u202f")),
        ("Voxels of the heat", " × ".join(map(str, result.heat_grid.shape)) + f" of {_mm(result.heat_grid.spacing_m)}"),
    ]
    gradients = about.get("gradients")
    if gradients:
        rows += [("Gradient coils", gradients["name"]), ("Implant in the scanner", place(gradients["position_m"]))]
    rf = about.get("rf")
    if rf:
        more = rf["note"] or f"{number(rf['metal_W'])} W of it in the metal, which was in the RF field"
        rows.append(("RF heating", f"{rf['name']}, {number(rf['power_W'])} W in the phantom; {more}"))
    return rows


def watt(value: Any) -> tuple[str, str]:
    """A power in W, mW or µW."""
    if not is_finite(value):
        return "–", "W"
    for factor, unit in ((1.0, "W"), (1e3, "mW"), (1e6, "µW")):
        if abs(value) * factor >= 1 or unit == "µW":
            return number(factor * value), unit
    return number(value), "W"


def hertz(value: float) -> str:
    """A frequency in Hz or kHz."""
    return f"{value:.4g} Hz" if value < 1000 else f"{value / 1e3:.4g} kHz"


def duration(seconds: Any) -> str:
    """A time as text: "45 s", "15 min", "2.5 h"."""
    if not is_finite(seconds):
        return "–"
    for size, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if seconds < 120 * size or unit == "h":
            return f"{seconds / size:.3g} {unit}"
    return "–"


def arrow(direction: Sequence[float]) -> str:
    """A direction as text."""
    return "(" + ", ".join(f"{0.0 if abs(c) < 5e-3 else c:.2f}" for c in direction).replace("-", MINUS) + ")"


def place(position_m: Sequence[float]) -> str:
    """A place in mm."""
    return "(" + ", ".join(f"{round(1e3 * c)}" for c in position_m).replace("-", MINUS) + ") mm"


def listed(names: Sequence[str]) -> str:
    """Names with commas and an "and"."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _along(direction: Any) -> str:
    return "" if direction is None else f" along {arrow(direction)}"


def _mm(spacing_m: Sequence[float]) -> str:
    sides = list(dict.fromkeys(f"{1e3 * s:.3g}" for s in spacing_m))
    return " × ".join(sides) + " mm"


def _thresholds(result: ImplantResult) -> list[str]:
    found: list[str] = []
    for one in result.summary["implant"]["exposures"].values():
        found += [k for k in one["time_to_K"] if k not in found]
    return found
