"""What the pages of several kinds say alike: parts of a summary turned into charts and table rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emdose.report.charts import charts, line_chart
from emdose.report.wording import flat, is_finite, number, plain, quantity, quantity_name, words
from emdose.validity import NOT_VALID, THRESHOLDS

WITH_SOURCE = ("Fdtd", "Vsie")
"""Engines that have the source in their equations, so that they know what it delivers."""
ELEMENTS = "elements"
"""What the losses in a coil call those in its capacitors, resistors and matching networks."""
LEAST_LOSS = 1e-6
"""Share of the power delivered below which the loss in elements is rounding of a coil without any."""


def convergence(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Chart, meaning of the tolerance and rows per port."""
    data = summary.get("convergence", {})
    ports = port_rows(data)
    tolerance = data.get("tolerance")
    in_time = data.get("method") == "fdtd"
    gaps = set(data.get("runs", [])) - {p["name"] for p in ports}
    if in_time and gaps and ports:
        # Fields of every feed are sums over all gaps: each has the history of the slowest of them.
        ports = [max(ports, key=lambda p: len(p["history"])) | {"name": f"slowest of {len(data['runs'])} gaps"}]
    return {
        "chart": line_chart.residual_chart(
            [p["name"] for p in ports],
            [p["history"] for p in ports],
            tolerance if is_finite(tolerance) else None,
            {"fdtd": "quarter period", "vsie": "round"}.get(str(data.get("method")), "iteration"),
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


def validity_banners(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """A banner for each finding of the entry "validity" of a summary, those that make it not valid first."""
    found = (summary.get("validity") or {}).get("findings", [])
    bad = [f for f in found if f["level"] == NOT_VALID and not f["accepted"]]
    told = [("bad", f"Not valid. {f['sentence']}") for f in bad]
    for one in (f for f in found if f not in bad):
        told.append(("high", f"{'Accepted' if one['accepted'] else 'Questionable'}. {one['sentence']}"))
    names = {f["name"] for f in found}
    idle = [name for name in (summary.get("validity") or {}).get("accepted", []) if name not in names]
    if idle:
        told.append(("note", f"Accepted by name, though nothing was beyond: {', '.join(idle)}."))
    return [{"level": level, "text": text} for level, text in told]


def measure_rows(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the entry "validity" of a summary measured, beside the thresholds."""
    rows = []
    for one in (summary.get("validity") or {}).get("measures", []):
        row = THRESHOLDS[one["name"]]
        value = math.nan if one["value"] is None else one["value"]
        rows.append(
            {
                "name": row.name,
                "measured": row.measured,
                "where": one["where"],
                "value": row.show(value),
                "not_valid": row.show(row.not_valid),
            }
        )
    return rows


def power(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Chart and rows of the power balance."""
    data = summary.get("power_balance", {})
    names = {
        "extinction_W": "Work of the incident field",
        "absorbed_W": "Absorbed in the body",
        "scattered_W": "Radiated by the body's currents",
    }
    losses: dict[str, float] = {}
    if summary.get("provenance", {}).get("engine") in WITH_SOURCE:
        names = {
            "extinction_W": "Delivered by the source",
            "absorbed_W": "Absorbed in the body",
            "scattered_W": "Radiated by coil and body",
        }
        losses = _losses(data)
    closure = data.get("closure")
    given, absorbed, radiated = (float(data[k]) if is_finite(data.get(k)) else math.nan for k in names)
    of = "delivered by the source" if names["extinction_W"].startswith("Delivered") else "work of the incident field"
    drawn = all(map(math.isfinite, (given, absorbed, radiated)))
    chart = charts.power_chart(given, absorbed, radiated, losses, of) if drawn else ""
    rows = [{"name": text, "value": number(data.get(key), 4)} for key, text in names.items()]
    rows[-1:-1] = [{"name": f"Lost in {name}", "value": number(power, 4)} for name, power in losses.items()]
    row = THRESHOLDS["closure"]
    good = is_finite(closure) and not row.beyond(closure, row.questionable)
    return {
        "chart": chart,
        "rows": rows,
        "closure": f"{100 * closure:.3g} %" if is_finite(closure) else "unknown",
        "good": good,
    }


def _losses(balance: Mapping[str, Any]) -> dict[str, float]:
    """What is lost in a coil by the name of the part: of its metal where that is told apart, and of its elements."""
    given: Any = balance.get("extinction_W")
    lost: Any = balance.get("lost_W")
    if not is_finite(given) or not is_finite(lost):
        return {}
    told = balance.get("losses_W") or {ELEMENTS: lost}
    rows = {"elements of the coil" if k == ELEMENTS else f"the metal of the {words(k)}": p for k, p in told.items()}
    return {name: float(p) for name, p in rows.items() if is_finite(p) and p > LEAST_LOSS * given}


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
                "uncertainty": uncertainty(entry) or "not known",
                "note": remark(entry),
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


def port_rows(convergence: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ports of the entry "convergence" of a summary, each with all its keys."""
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


def uncertainty(entry: Mapping[str, Any]) -> str:
    """Uncertainty of a quantity in words; empty where none is known."""
    data = entry.get("uncertainty")
    if is_finite(data):
        return f"± {number(data, 2)} {entry.get('unit', '')}".strip()
    if isinstance(data, Mapping):
        more = [f"k = {plain(data['k'])}"] if "k" in data else []
        more += [plain(data["basis"])] if data.get("basis") else []
        more += ["discretisation only"] if data.get("kind") == "discretisation" else []
        others = {k: v for k, v in data.items() if k not in ("expanded", "k", "basis", "kind", "of")}
        more += [f"{words(str(k))} {plain(v)}" for k, v in others.items()]
        value, unit = quantity(data.get("expanded"), entry.get("unit", ""), 2)
        return (f"± {value} {unit}" if "expanded" in data else "") + (f" ({', '.join(more)})" if more else "")
    return ""


def remark(entry: Mapping[str, Any]) -> str:
    """Note, place and tissue of a quantity."""
    parts = [str(entry["note"])] if entry.get("note") else []
    where = entry.get("location_m")
    if isinstance(where, list | tuple) and all(map(is_finite, where)):
        parts.append("at " + place(where))
    if entry.get("tissue"):
        parts.append(f"in {words(str(entry['tissue']))}")
    if is_finite(entry.get("mass_kg")):
        parts.append(f"{number(entry['mass_kg'])} kg")
    return ", ".join(parts)


def place(position_m: Sequence[float]) -> str:
    """A position in words, (3,) [m]."""
    text = ", ".join(f"{axis} = {1e3 * p:.1f}" for axis, p in zip("xyz", position_m, strict=False))
    return text.replace("-", "\u2212") + " mm"
