"""A tuned coil on the report page: its scattering parameters, modes, elements and matching."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.report.charts.line_chart import Curve, line_chart
from emdose.report.wording import MINUS, number

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
        "asymmetry": number(about["asymmetry"], 2),
        "gaps": about["gaps"],
    }


def _distance(mode: Mapping[str, Any], target_MHz: float) -> float:
    """Octaves between a mode and a frequency."""
    return abs(math.log2(1e-6 * mode["frequency_Hz"] / target_MHz))


def _mode(mode: Mapping[str, Any], target_MHz: float) -> dict[str, Any]:
    """A row of the table of modes; marked when the frequency lies within its resonance."""
    f, quality = 1e-6 * mode["frequency_Hz"], mode["quality"]
    here = abs(f - target_MHz) <= 0.5 * f / quality
    note = "at the frequency" if here else ("" if mode.get("within", True) else "outside the computed band")
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
