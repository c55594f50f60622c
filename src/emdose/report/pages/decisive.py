"""The numbers that decide, as every page begins with them: each with U as a whisker, beside its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emdose.conformity import Conformity
from emdose.report import limit_words
from emdose.report.wording import is_finite, number, quantity

ROOM = 1.2
"""The bar ends this far above the largest of value, value with U, and limits."""
UNKNOWN = "U not known"
ROUNDING = 1e-6
"""Relative uncertainty up to which a number is what was asked for: rounding of single precision."""
KINDS = {"discretisation": "discretisation only", "combined": "combined", "inputs": "inputs only"}
"""What the kinds of an uncertainty are called on pages."""


def expanded(entry: Mapping[str, Any]) -> float | None:
    """Expanded uncertainty of a quantity or a row of a table of limits, in its own unit; None where none is known."""
    told = entry.get("uncertainty", entry.get("expanded_uncertainty"))
    if isinstance(told, Mapping):
        told = told.get("expanded")
    return float(told) if is_finite(told) else None


def kind_of_uncertainty(entry: Mapping[str, Any]) -> str:
    """What an uncertainty holds: "discretisation only", "combined", "given in the scenario"; empty where none is."""
    told = entry.get("uncertainty")
    kind = entry.get("uncertainty_kind")
    if isinstance(told, Mapping):
        kind = told.get("kind") or told.get("basis")
    return "" if expanded(entry) is None else KINDS.get(str(kind), str(kind or ""))


def spread_text(entry: Mapping[str, Any]) -> str:
    """Uncertainty of a quantity in one line: "± 0.18 W/kg (31 %), k = 2"; that of a prescribed number says so."""
    u, value = expanded(entry), entry.get("value")
    if u is None:
        return ""
    if u == 0 or (value is not None and is_finite(value) and u <= ROUNDING * abs(value)):
        return "as prescribed"
    text, unit = quantity(u, str(entry.get("unit") or ""), 2)
    share = f" ({number(100 * u / abs(value), 2)} %)" if is_finite(value) and value else ""
    told = entry.get("uncertainty")
    k = told.get("k") if isinstance(told, Mapping) else entry.get("uncertainty_k")
    return f"± {text} {unit}".rstrip() + share + (f", k = {number(k, 2).rstrip('0').rstrip('.')}" if k else "")


def interval(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """Ends of the interval of an entry: stated, or from U and the guard band of a row; None where none is known."""
    u, value, told = expanded(entry), float(entry["value"]), entry.get("uncertainty")
    if u is None:
        return None
    ends = told.get("interval") if isinstance(told, Mapping) else None
    if isinstance(ends, list | tuple) and len(ends) == 2 and all(map(is_finite, ends)):
        return min(float(ends[0]), value), max(float(ends[1]), value)
    guard = entry.get("guard_band")
    return value - u, value + (float(guard) if guard is not None and is_finite(guard) else u)


def state(value: float, limit: float, ends: tuple[float, float] | None, noun: str = "limit") -> str:
    """How a value with its interval stands to a limit: below, above, or that the interval reaches it.

    Nothing here says that anything complies: that takes more than a number.
    """
    low, high = ends or (None, None)
    found = Conformity(value, limit, None, low, high).state
    return found.replace("limit", noun) if ends else f"{found}, {UNKNOWN}"


def level(value: float, limit: float, ends: tuple[float, float] | None) -> str:
    """Colour of a state: "over", "near" where the interval reaches the limit, "low"."""
    if value > limit:
        return "over"
    return "near" if ends and ends[1] > limit else "low"


def geometry(
    value: float,
    ends: tuple[float, float] | None,
    limits: Sequence[float],
    top: float | None = None,
    base: float = 0.0,
) -> dict[str, Any]:
    """Where bar, whisker and limits stand, in per cent of the width.

    Parameters
    ----------
    value, ends : float, (float, float) or None
        Number and its interval.
    limits : sequence of float
        In the same unit.
    top, base : float
        Values at the right and at the left end.
    """
    top = base + ROOM * (max([value, *(ends or ()), *limits]) - base) if top is None else top
    top = top if top > base else base + 1.0

    def at(v: float) -> float:
        return round(min(max(100 * (v - base) / (top - base), 0.0), 100.0), 2)

    whisker = None
    if ends is not None:
        low, high = ends
        whisker = {"left": at(low), "width": round(at(high) - at(low), 2), "open": high > top}
    return {"bar": at(value), "whisker": whisker, "ticks": [at(x) for x in limits]}


def row(
    name: str,
    entry: Mapping[str, Any],
    limits: Sequence[Mapping[str, Any]],
    where: str = "",
    top: float | None = None,
    base: float = 0.0,
    tag: str = "",
) -> dict[str, Any]:
    """One number beside its limits, ready to show.

    Parameters
    ----------
    name : str
        What it is.
    entry : mapping
        "value", "unit", "uncertainty" (a number, or as in summary.json).
    limits : sequence of mappings
        Each with "limit" and "label", and where they are known "standing" (where the number was read), "doubtful" and
        "probability" (that the value exceeds it, in words). "noun" makes it something that was asked about, such as a
        rise, and no limit: it has no share and no colour.
    where : str
        Region, averaging.
    top, base : float
        Values at the right and at the left end of the bar. Shares of a limit are told where it begins at 0.
    tag : str
        A word beside the name.
    """
    value, ends, unit = float(entry["value"]), interval(entry), str(entry.get("unit") or "")
    marks = []
    for one in limits:
        limit, noun = float(one["limit"]), str(one.get("noun", "limit"))
        binds = noun == "limit"
        marks.append(
            {
                "label": str(one["label"]),
                "limit": " ".join(quantity(limit, unit)).strip(),
                "state": state(value, limit, ends, noun),
                "level": level(value, limit, ends) if binds else "low",
                "share": f"{100 * value / limit:.1f} %" if binds and limit and not base else "",
                **dict(zip(("mark", "meaning"), limit_words.mark_of(one), strict=True)),
                "doubtful": bool(one.get("doubtful")),
                "probability": str(one.get("probability") or ""),
            }
        )
    shown, shown_unit = quantity(value, unit)
    levels = [m["level"] for m in marks]
    spread = spread_text(entry)
    said = "; ".join(f"{m['limit']} ({m['label']}): {m['state']}" for m in marks)
    return {
        "name": name,
        "where": where,
        "tag": tag,
        "value": shown,
        "unit": shown_unit,
        "spread": spread,
        "kind": kind_of_uncertainty(entry),
        "marks": marks,
        "level": "over" if "over" in levels else "near" if "near" in levels else "low",
        "bar": geometry(value, ends, [float(one["limit"]) for one in limits], top, base),
        "label": f"{name}: {shown} {shown_unit} {spread or UNKNOWN}" + (f"; {said}" if said else ""),
    }


def of_limit_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The numbers that decide of a table of limits: for every quantity and mode the row nearest its limit.

    Parameters
    ----------
    rows : sequence of mappings
        From :func:`emdose.report.pages.limit_table.check_rows`. Modes that share value and region share a row.
    """
    rated = [r for r in rows if r["counted"] and r["ratio"] is not None and r["limit"] is not None]
    nearest: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in rated:
        key = (one["quantity"], one["mode"])
        if key not in nearest or one["ratio"] > nearest[key]["ratio"]:
            nearest[key] = one
    first = {m: max((r for r in rated if r["mode"] == m), key=lambda r: r["ratio"]) for m in {k[1] for k in nearest}}
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for one in sorted(nearest.values(), key=lambda r: -r["ratio"]):
        groups.setdefault((one["quantity"], one["region"], one["averaging"], one["raw"]["value"]), []).append(one)
    found = []
    for mine in groups.values():
        limits: dict[float, dict[str, Any]] = {}
        for one in mine:
            limit = float(one["raw"]["limit"])
            same = limits.setdefault(limit, {**one, "limit": limit, "label": ""})
            same["label"] = ", ".join(filter(None, (same["label"], one["mode"] or "limit")))
            same["doubtful"] = one["state"] == "unverified"
            same["probability"] = one["probability"]
        name = mine[0]["quantity"]
        binding = any(first[r["mode"]] is r for r in mine)
        where = ", ".join(filter(None, (mine[0]["region"], mine[0]["averaging"])))
        ordered = sorted(limits.values(), key=lambda one: one["limit"])
        tag = "binds first" if binding else ""
        found.append(row(name[:1].upper() + name[1:], mine[0]["raw"], ordered, where, tag=tag))
    return found


def tile(label: str, entry: Mapping[str, Any], remark: str = "") -> dict[str, str]:
    """A number without a limit: label, value, unit, uncertainty, its kind, remark."""
    value, unit = quantity(entry.get("value"), str(entry.get("unit") or ""))
    return {
        "label": label,
        "value": value,
        "unit": unit,
        "spread": spread_text(entry) or UNKNOWN,
        "kind": kind_of_uncertainty(entry) if expanded(entry) else "",
        "remark": remark,
    }
