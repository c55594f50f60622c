"""What a summary says about the convergence of a solver, and what can be measured by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.results.measures import of_ports, of_scale
from emdose.validity import THRESHOLDS, Measure, Validity, judge

if TYPE_CHECKING:
    from emdose.solvers.results.fields import Fields

PER_PORT = ("iterations", "products", "resumed", "E_error_estimate", "start_residual", "from_basis", "history")


def solver_convergence(fields: Fields, tolerance: float) -> dict[str, Any]:
    """The entry "convergence" of a summary: whether the tolerance was met, and the history of every port."""
    told = dict(fields.convergence)
    per_port = {k: told.pop(k) for k in PER_PORT if k in told}
    # Driven fields remember the ports that were solved by number.
    names = fields.ports if len(fields.ports) == len(fields.residual) else [str(i) for i in range(len(fields.residual))]
    ports = [
        {"name": name, "residual": float(fields.residual[i])} | {k: v[i] for k, v in per_port.items()}
        for i, name in enumerate(names)
    ]
    return {"converged": bool(np.all(fields.residual <= tolerance)), **told, "ports": ports}


def summary_validity(summary: Mapping[str, Any], measures: Callable[[Mapping[str, Any]], list[Measure]]) -> Validity:
    """What is to be thought of the run of a summary: by the measures that it states, else by those found in it.

    Parameters
    ----------
    summary : mapping
        summary.json, also of a version that did not judge yet.
    measures : callable
        Finds measures in it, such as :func:`summary_measures`.
    """
    told = summary.get("validity")
    if isinstance(told, Mapping) and isinstance(told.get("measures"), list):
        return Validity.of_dict(told)
    header = (summary.get("scenario") or {}).get("scenario") or {}
    return judge(measures(summary), [name for name in header.get("accept") or () if name in THRESHOLDS])


def summary_measures(summary: Mapping[str, Any]) -> list[Measure]:
    """What the entries "convergence" and "power_balance" of a summary measure.

    Residual over tolerance and estimated error of E of the worst port, cells per wavelength, closure, and where B1+ was
    scaled: as far as they are there.
    """
    convergence = summary.get("convergence") or {}
    found = of_ports(convergence, convergence.get("ports", []))
    balance = summary.get("power_balance") or {}
    if "closure" in balance:
        closure = balance["closure"]
        found.append(Measure("closure", math.nan if closure is None else float(closure)))
    provenance = summary.get("provenance") or {}
    return [*found, *of_scale(provenance.get("scale") or {})]
