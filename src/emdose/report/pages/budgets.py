"""Budgets of uncertainty as tables and words: for the page of a single run, and for that of a study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from emdose.report.charts.distributions import shares_chart
from emdose.report.wording import MINUS, is_finite, number, quantity, quantity_name, words

DISCRETISATION = "discretisation"
GROUPS = {DISCRETISATION: "Discretisation", "numerical": "Solver and surrogate", "stated": "Stated by the run"}
"""Kinds of rows that stand apart from the inputs."""
INPUTS = "Inputs"
FELT = 0.005
"""Share of the variance below which an input is not drawn."""
MOST_SHARES = 12


def shown(budget: Mapping[str, Any]) -> dict[str, Any]:
    """A budget, as ``Budget.to_dict`` gives it, as texts: what is physical first, what the grid leaves apart."""
    unit = str(budget.get("unit") or "")
    rows = sorted(budget["rows"], key=lambda r: -abs(r.get("share_percent") or 0.0))
    combined, expanded = budget["combined"], budget["expanded"]
    kinds = budget.get("by_kind") or {}
    return {
        "name": quantity_name(str(budget["quantity"])),
        "unit": quantity(0.0, unit)[1],
        "value": quantity(budget["value"], unit, 4)[0],
        "combined": quantity(combined, unit, 2)[0],
        "expanded": quantity(expanded, unit, 2)[0],
        "relative": f"{number(100 * expanded / abs(budget['value']), 2)} %" if budget["value"] else "",
        "k": number(budget["k"], 3),
        "coverage": f"{100 * budget['coverage']:g} %",
        "dof": "∞" if budget.get("dof") is None else number(budget["dof"], 3),
        "method": str(budget.get("method") or ""),
        "kinds": [(kind, quantity(u, unit, 2)[0]) for kind, u in kinds.items()],
        "nonlinear": [source_name(s) for s in budget.get("nonlinear") or []],
        "correlated": budget.get("correlation") is not None,
        "words": dominating(budget),
        "groups": [
            {"name": title, "rows": [_row(r, unit) for r in rows if GROUPS.get(str(r.get("kind")), INPUTS) == title]}
            for title in (INPUTS, *GROUPS.values())
            if any(GROUPS.get(str(r.get("kind")), INPUTS) == title for r in rows)
        ],
    }


def dominating(budget: Mapping[str, Any]) -> str:
    """Which row dominates, in a sentence."""
    rows = [r for r in budget["rows"] if (r.get("share_percent") or 0.0) > 0]
    if not rows:
        return "Nothing that was varied changes it."
    rows = sorted(rows, key=lambda r: -r["share_percent"])
    first = rows[0]
    text = f"Most comes from {source_name(first['source'])} ({first['share_percent']:.0f} % of the variance)"
    if first["share_percent"] < 50:
        text = f"No source has half of the variance; the largest is {source_name(first['source'])} "
        text += f"with {first['share_percent']:.0f} %"
    others = [f"{source_name(r['source'])} {r['share_percent']:.0f} %" for r in rows[1:3] if r["share_percent"] >= 5]
    text = text[:1].upper() + text[1:]
    return text + (f", then {' and '.join(others)}." if others else ".")


def section(summary: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the page of a single run says of its entry "uncertainty"; None where there is none."""
    told = summary.get("uncertainty")
    budgets = [b for b in ((told or {}).get("budgets") or {}).values() if b["combined"]]
    if not told or not budgets:
        return None
    study = told.get("study") or {}
    method = {"budget": "first-order budget", "chaos": "polynomial chaos", "monte-carlo": "Monte Carlo on the model"}
    facts = [method.get(str(told.get("method")), str(told.get("method") or ""))]
    if is_finite(study.get("samples")):
        facts.append(f"{study['samples']} samples")
    if study.get("failed"):
        count = study["failed"] if isinstance(study["failed"], int) else len(study["failed"])
        facts.append(f"{count} failed")
    return {
        "facts": ", ".join(filter(None, facts)),
        "budgets": [shown(b) for b in budgets],
        "inputs": [input_row(one) for one in told.get("inputs") or []],
        "shares": [share_chart(b) for b in budgets],
        "notes": [str(n) for n in study.get("notes") or []],
        "page": f"{study['folder']}/study.html" if study.get("folder") else "",
    }


def share_chart(budget: Mapping[str, Any]) -> Any:
    """Bars of the shares of the variance, the discretisation among them."""
    rows = [(source_name(r["source"]), (r.get("share_percent") or 0.0) / 100) for r in budget["rows"]]
    return shares_chart([{"name": n, "first": v, "total": None} for n, v in largest(rows)])


def largest(rows: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """The rows that are felt, the largest first, the rest as one."""
    ordered = sorted(rows, key=lambda row: -row[1])
    kept = [row for row in ordered if row[1] > FELT][:MOST_SHARES]
    rest = [row for row in ordered if row not in kept]
    if sum(v for _, v in rest) > FELT:
        kept.append((f"{len(rest)} others", sum(v for _, v in rest)))
    return kept or ordered[:1]


def input_row(one: Mapping[str, Any]) -> dict[str, str]:
    """An input as texts: name, law, nominal value, source."""
    law = one.get("law")
    if isinstance(law, Mapping):
        kind = str(law.get("law") or law.get("kind") or law.get("type") or "")
        rest = ", ".join(f"{words(str(k))} {number(v, 3)}" for k, v in law.items() if is_finite(v))
        law = f"{words(kind)} ({rest})" if rest else words(kind)
    return {
        "name": source_name(str(one.get("name") or "")),
        "group": "" if one.get("group") == one.get("name") else str(one.get("group") or ""),
        "law": str(law or ""),
        "nominal": number(one.get("nominal"), 4),
        "sd": number(one.get("sd"), 2) if is_finite(one.get("sd")) else "",
        "unit": str(one.get("unit") or ""),
        "source": str(one.get("source") or ""),
    }


def source_name(path: str) -> str:
    """The name of a source as it is read: "phantom.tissues.skin.conductivity" becomes "skin: conductivity"."""
    parts = path.split(".")
    if len(parts) > 2 and parts[0] == "phantom" and parts[1] == "tissues":
        return f"{'all tissues' if parts[2] == '*' else words(parts[2])}: {words(' '.join(parts[3:]))}"
    return words(path.replace(".", " ")) if " " not in path else words(path)


def _row(r: Mapping[str, Any], unit: str) -> dict[str, str]:
    share = r.get("share_percent")
    sensitivity, width = r.get("sensitivity"), r.get("width")
    second = r.get("second_order") or 0.0
    contribution = quantity(abs(r["contribution"]), unit, 2)[0]
    return {
        "source": source_name(str(r["source"])),
        "kind": str(r.get("kind") or ""),
        "estimate": f"{number(r.get('estimate'), 3)} {r.get('unit') or ''}".strip()
        if is_finite(r.get("estimate"))
        else "–",
        "law": str(r.get("law") or ""),
        "width": number(width, 2) if is_finite(width) else "–",
        "divisor": str(r.get("divisor") or "1").replace("sqrt ", "√"),
        "sensitivity": number(sensitivity, 2) if is_finite(sensitivity) else "–",
        "contribution": contribution + (f" ({quantity(abs(second), unit, 2)[0]})" if second else ""),
        "dof": "∞" if r.get("dof") is None or math.isinf(r["dof"]) else number(r["dof"], 3),
        "share": f"{share:.1f} %".replace("-", MINUS) if is_finite(share) else "–",
    }
