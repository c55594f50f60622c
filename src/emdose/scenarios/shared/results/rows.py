"""The tables of a summary, row by row: for CSV files and whoever reads them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from emdose.report.pages.decisive import spread_text
from emdose.report.wording import is_finite, quantity

Row = Mapping[str, Any]


def tables_of(summary: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Every table of a summary by name, each a list of flat rows.

    Parameters
    ----------
    summary : mapping
        summary.json.

    Returns
    -------
    dict
        "quantities" and "checks"; "tissues", "convergence" and "budgets" where the run has such a table.
    """
    found: dict[str, list[Row]] = {
        "quantities": [flat({"name": name, **entry}) for name, entry in summary["quantities"].items()],
        "checks": [flat(row) for row in summary.get("checks") or []],
        "tissues": [flat(row) for row in (summary.get("power_balance") or {}).get("tissues") or []],
        "convergence": [
            flat({k: v for k, v in row.items() if k != "history"})
            for row in (summary.get("convergence") or {}).get("ports") or []
        ],
        "budgets": _budgets((summary.get("uncertainty") or {}).get("budgets") or {}),
    }
    return {name: rows for name, rows in found.items() if rows or name in ("quantities", "checks")}


def _budgets(budgets: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """Rows of all budgets, each with the name of the number that it belongs to."""
    found: list[Row] = []
    for name, budget in budgets.items():
        parts = next((v for v in budget.values() if isinstance(v, list) and v and isinstance(v[0], Mapping)), [])
        found += [flat({"quantity": name, **part}) for part in parts]
    return found


def flat(row: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A row whose mappings have become keys with dots, and whose lists are JSON text."""
    found: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        elif isinstance(value, list | tuple):
            found[f"{above}{key}"] = json.dumps(list(value), default=str)
        else:
            found[f"{above}{key}"] = value
    return found


def csv_text(rows: Sequence[Row]) -> str:
    """Rows as CSV with a line of names; None is empty, numbers keep every digit."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def rounded(entry: Mapping[str, Any]) -> str:
    """A number with unit and uncertainty in one line: "9.1 W/kg ± 1.2 W/kg (13 %), k = 2"."""
    if not is_finite(entry.get("value")):
        return "not known"
    text = " ".join(quantity(entry["value"], str(entry.get("unit") or ""))).strip()
    return f"{text} {spread_text(entry)}".strip()
