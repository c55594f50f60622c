"""The body's answers to the principal combinations of many incident fields, to one absolute residual."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.krylov import gmres

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.options import VsieOptions


def principal_answers(
    options: VsieOptions,
    tolerance: float,
    tell: Callable[[int, int, int, float, float], None],
    body: BodyOperator,
    b: Any,
) -> tuple[Any, Any, int, float]:
    """Answers to the principal combinations of right-hand sides.

    Parameters
    ----------
    options : VsieOptions
        Limits of the iteration.
    tolerance : float
        Residual of every combination over the norm of the largest.
    tell : callable
        Gets number and count of the combinations, iteration, residual and what it has to come below.
    body : BodyOperator
        The equations.
    b : (port, n) array
        Right-hand sides.

    Returns
    -------
    (r, n) array, (r, n) array, int, float
        Answers X, (I - M N) X, products, and the largest residual over the norm of the largest combination.
    """
    xp = body.be.xp
    gram = body.be.to_numpy(b.astype(complex) @ b.conj().T.astype(complex))
    values, U = np.linalg.eigh(gram)
    size = np.sqrt(np.maximum(values[::-1], 0))
    rows = body.be.asarray(U[:, ::-1].conj().T.astype(body.dtype)) @ b
    X, applied, products, worst = [], [], 0, 0.0
    for i, row in enumerate(rows):
        goal = tolerance * size[0] / max(size[i], 1e-300)
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
                callback=partial(_told, tell, i, len(rows), float(goal)),
            )
            x, products = found.x[0], products + found.products
        a = body.apply(x[None])[0]
        products += 1
        worst = max(worst, float(xp.linalg.norm(row - a)) / size[0])
        X.append(x)
        applied.append(a)
    return xp.stack(X), xp.stack(applied), products, worst


def _told(
    tell: Callable[[int, int, int, float, float], None], i: int, count: int, goal: float, step: int, left: float
) -> None:
    tell(i, count, step, left, goal)
