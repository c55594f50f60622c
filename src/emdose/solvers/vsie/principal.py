"""The body's answers to the principal combinations of many incident fields, to one absolute residual."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.krylov import gmres

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.options import VsieOptions


def principal_answers(
    body: BodyOperator, b: Any, options: VsieOptions, tell: Callable[[int, int, int, float], None]
) -> tuple[Any, Any, int, float]:
    xp = body.be.xp
    gram = body.be.to_numpy(b.astype(complex) @ b.conj().T.astype(complex))
    values, U = np.linalg.eigh(gram)
    size = np.sqrt(np.maximum(values[::-1], 0))
    rows = body.be.asarray(U[:, ::-1].conj().T.astype(body.dtype)) @ b
    X, applied, products, worst = [], [], 0, 0.0
    for i, row in enumerate(rows):
        goal = options.network_tolerance * size[0] / max(size[i], 1e-300)
        if goal >= 1:
            x = row
        else:
            found = gmres(
                body.apply,
                row[None],
                tolerance=float(goal),
                restart=options.restart,
                max_iterations=options.max_iterations,
                be=body.be,
                callback=lambda step, left, i=i: tell(i, len(rows), step, left),
            )
            x, products = found.x[0], products + found.products
        a = body.apply(x[None])[0]
        products += 1
        worst = max(worst, float(xp.linalg.norm(row - a)) / size[0])
        X.append(x)
        applied.append(a)
    return xp.stack(X), xp.stack(applied), products, worst
