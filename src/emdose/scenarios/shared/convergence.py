"""What a summary says about the convergence of a solver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.solvers.results.fields import Fields

PER_PORT = ("iterations", "products", "resumed", "E_error_estimate", "history")


def solver_convergence(fields: Fields, tolerance: float) -> dict[str, Any]:
    """The entry "convergence" of a summary: whether the tolerance was met, and the history of every port."""
    told = dict(fields.convergence)
    per_port = {k: told.pop(k) for k in PER_PORT if k in told}
    ports = [
        {"name": name, "residual": float(fields.residual[i])} | {k: v[i] for k, v in per_port.items()}
        for i, name in enumerate(fields.ports)
    ]
    return {"converged": bool(np.all(fields.residual <= tolerance)), **told, "ports": ports}
