"""A tuned coil on the report page: its scattering parameters, modes, elements and matching."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.wording import MINUS, is_finite, number, plain, quantity, quantity_name

FLOOR_DB = -60.0
"""Reflections below this are drawn at it: a perfect match has no finite value."""

MOST_MODES, LEAST_QUALITY = 12, 2.0
"""How many modes are shown at most, the nearest, and the quality below which there is no resonance to speak of."""

MOST_CURVES = 10
"""Scattering parameters in one chart."""

UNITS = (("capacitance_F", "pF", 1e12), ("inductance_H", "nH", 1e9), ("resistance_ohm", "\N{OHM SIGN}", 1.0))


def network(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the page shows of the network of a tuned coil, or None when there is none."""
    about = summary.get("network")
    if not about:
        return None
    f = 1e-6 * np.asarray(about["frequencies_Hz"], float)
    s = np.asarray(about["S"], float)
    level = _decibel(np.hypot(s[..., 0], s[..., 1]))
    ports, target = list(about["ports"]), 1e-6 * float(about["frequency_Hz"])
    at = int(np.abs(f - target).argmin())
    pairs = [(i, j) for i in range(len(ports)) for j in range(i + 1)]
    # Where there are too many to tell apart: first the reflections, then what couples most at the frequency.
    drawn = sorted(pairs, key=lambda p: (p[0] != p[1], -level[at, p[0], p[1]]))[:MOST_CURVES]
    curves = [
        Curve(f"|S{i + 1}{j + 1}|", f, level[:, i, j], n, dashed=i != j)
        for n, (i, j) in enumerate(p for p in pairs if p in drawn)
    ]
    chart = line_chart(
        curves,
        "frequency [MHz]",
        "scattering parameters [dB]",
        label=f"Scattering parameters of {len(ports)} port(s) against frequency",
    )
    matrix = [{"name": f"{n + 1}: {name}", "values": [_level(v) for v in level[at, n]]} for n, name in enumerate(ports)]
    near = [m for m in about["modes"] if m["quality"] >= LEAST_QUALITY and _distance(m, target) <= 1]
    shown = sorted(near, key=lambda m: _distance(m, target))[:MOST_MODES]
    shown.sort(key=lambda m: float(m["frequency_Hz"]))
    return {
        "chart": chart,
        "curves": f"{len(drawn)} of {len(pairs)}" if len(drawn) < len(pairs) else "",
        "frequency_MHz": f"{target:.6g}",
        "ports": len(ports),
        "matrix": matrix,
        "modes": [_mode(m, target) for m in shown],
        "more_modes": len(about["modes"]) - len(shown),
        "done": {(True, True): "Tuned and matched", (True, False): "Tuned", (False, True): "Matched"}.get(
            (bool(about.get("tuned", True)), bool(about["matching"])), "As given, neither tuned nor matched"
        ),
        "samples": len(f),
        "elements": _elements(about["elements"]),
        "matching": [{"name": n, "steps": "; ".join(map(_step, steps))} for n, steps in about["matching"].items()],
        "gaps": about["gaps"],
        "by": _by(summary.get("provenance") or {}, about["gaps"]),
        "check": _check(summary.get("provenance") or {}, about["asymmetry"]),
        "second": second_mesh(summary),
    }


def _by(provenance: Mapping[str, Any], gaps: int) -> str:
    """What the circuit algebra stands on."""
    if provenance.get("engine") == "Vsie":
        return f"the network of {gaps} gap{'s' if gaps != 1 else ''}, solved together"
    return f"{gaps} run{'s' if gaps != 1 else ''}, one per gap"


def _check(provenance: Mapping[str, Any], asymmetry: float) -> str:
    """How good the network is, by what its solver knows."""
    if provenance.get("engine") == "Vsie":
        nodes, apart = provenance.get("network_frequencies_Hz") or [], provenance.get("network_interpolation")
        if len(nodes) < 2 or not is_finite(apart):
            return ""
        between = f"two interpolations between them differ by {number(apart, 2)} of the network at most"
        return f"It was solved for at {len(nodes)} frequencies; {between}."
    told = "|S<sub>ij</sub> − S<sub>ji</sub>|"
    return Markup(
        f"Before it was made reciprocal, the network of the gaps had a largest {told} of {number(asymmetry, 2)}."
    )


def second_mesh(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """Numbers on two meshes of the metal, or None when there is one mesh."""
    told = summary.get("second_mesh")
    if not told:
        return None
    rows = []
    for name, one in told["quantities"].items():
        value, unit = quantity(one["value"], one["unit"], 4)
        second, _ = quantity(one["second"], one["unit"], 4)
        change = 100 * (one["second"] / one["value"] - 1) if one["value"] else math.nan
        expanded = 100 * one["expanded"] / abs(one["value"]) if one["value"] else math.nan
        row = {"name": quantity_name(name), "value": value, "unit": unit, "second": second}
        rows.append(row | {"change": _percent(change, sign=True), "expanded": _percent(expanded)})
    return {"factor": f"{told['factor']:g}", "rows": rows, "unknowns": [plain(n) for n in told["metal_unknowns"]]}


def _percent(value: float, sign: bool = False) -> str:
    text = number(value, 2) if abs(value) >= 0.01 else f"{value:.3f}".replace("-", MINUS)
    return f"{'+' if sign and value > 0 else ''}{text} %" if math.isfinite(value) else "–"


def _distance(mode: Mapping[str, Any], target_MHz: float) -> float:
    """Octaves between a mode and a frequency."""
    return abs(math.log2(1e-6 * mode["frequency_Hz"] / target_MHz))


def _mode(mode: Mapping[str, Any], target_MHz: float) -> dict[str, Any]:
    """A row of the table of modes; marked when the frequency lies within its resonance."""
    f, quality = 1e-6 * mode["frequency_Hz"], mode["quality"]
    here = abs(f - target_MHz) <= 0.5 * f / quality
    note = "at the frequency" if here else ("" if mode.get("within", True) else "extrapolated")
    return {"frequency": number(f, 5), "quality": number(quality, 3), "note": note, "here": here}


def _decibel(magnitude: np.ndarray) -> np.ndarray:
    return np.asarray(20 * np.log10(np.maximum(magnitude, 10 ** (FLOOR_DB / 20))))


def _level(decibel: float) -> str:
    """A level as text; what lies at the floor is below it."""
    return f"below {number(FLOOR_DB, 2)}" if decibel <= FLOOR_DB else f"{decibel:.1f}".replace("-", MINUS)


def _elements(elements: Mapping[str, Mapping[str, float]]) -> list[dict[str, str]]:
    """Elements of the same value in one row."""
    groups: dict[str, list[str]] = {}
    for name, values in elements.items():
        groups.setdefault(_values(values), []).append(name)
    return [
        {"value": value, "names": ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]} ({len(names)})"}
        for value, names in groups.items()
    ]


def _values(values: Mapping[str, float]) -> str:
    return ", ".join(f"{number(factor * values[key], 4)} {unit}" for key, unit, factor in UNITS if key in values)


def _step(step: Mapping[str, Any]) -> str:
    where = "in series" if step["where"] == "series" else "across the feed"
    return f"{_values(step)} {where}"
