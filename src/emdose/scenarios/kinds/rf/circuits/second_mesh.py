"""What the mesh of a coil's metal leaves uncertain: the numbers of a run beside those on a second, coarser mesh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from emdose.checks import is_number
from emdose.report import limit_words
from emdose.uncertainty.discretisation import KIND, refinement

SECOND_MESH = "second_mesh"
"""Entry of a summary."""
BASIS, METAL = "metal on two meshes", "mesh of the metal"
"""Where an uncertainty comes from, and what it is of."""
ORDER = 2.0
"""Order at which numbers are taken to converge with the mesh; the inductance of a strip loop shows 3."""


def enter(summary: dict[str, Any], other: Mapping[str, Any], factor: float) -> None:
    """Enter the differences of all headline numbers into their uncertainty, and tell them in an entry of their own.

    A difference counts as of two grids: the spread, or three times the distance to the limit, at second order, which
    meshes that are graded towards the edges of strips exceed. It is independent of what the voxels leave uncertain, so
    that the squares add. Where a number has an uncertainty from elsewhere that is left as it is.

    Parameters
    ----------
    summary : mapping
        What the run computed; its "quantities" and the rows that follow from them are changed.
    other : mapping
        The same with cells of the metal that are ``factor`` times larger.
    factor : float
        How many times larger.
    """
    told: dict[str, Any] = {}
    for name, entry in summary["quantities"].items():
        second: Any = (other["quantities"].get(name) or {}).get("value")
        if not is_number(entry["value"]) or not is_number(second):
            continue
        found = refinement([1.0, factor], [float(entry["value"]), float(second)], ORDER)
        if found.behaviour == "constant":
            continue
        told[name] = {"value": entry["value"], "second": second, "unit": entry["unit"], "expanded": found.expanded}
        stated = entry.get("uncertainty")
        if stated is None:
            entry["uncertainty"] = {"expanded": found.expanded, "k": 2, "basis": BASIS, "kind": KIND, "of": METAL}
        elif stated.get("kind") == KIND:
            total = math.hypot(stated["expanded"], found.expanded)
            both = {"basis": f"{stated['basis']}; {BASIS}", "of": f"voxels and {METAL}"}
            entry["uncertainty"] = {**stated, "expanded": total, **both}
    meshes = [(s.get("convergence") or {}).get("metal_unknowns") for s in (summary, other)]
    summary[SECOND_MESH] = {"factor": factor, "metal_unknowns": meshes, "quantities": told}
    limit_words.refresh(summary)
