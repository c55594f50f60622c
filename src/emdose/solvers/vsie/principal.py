"""The body's answers to the principal combinations of many incident fields, to one absolute residual."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.krylov import gmres
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.vsie.pairs import combined, principal

LEAST = 0.5
"""Residual that even the weakest combination has to reach."""

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
    size, U = principal(body.be, b)
    goals = np.minimum(tolerance * size[0] / np.maximum(size, 1e-300), LEAST)
    found = principal_solutions(
        body,
        combined(body.be, U, b),
        goals,
        max_steps=options.max_iterations,
        tell=lambda step, left: tell(0, len(b), step, left, float(goals.min())),
    )
    return found.x, found.ax, found.products, float((found.residual * size).max() / size[0])


def answers_to(
    options: VsieOptions,
    rows: Any,
    goals: np.ndarray,
    tell: Callable[[int, int, int, float, float], None],
    body: BodyOperator,
) -> tuple[Any, Any, int, float]:
    """Answers to right-hand sides (r, n), each to its own relative residual (r,), where 1 and more is no iteration.

    Parameters and result as of :func:`principal_answers`; the residual is over the norm of the largest.
    """
    xp = body.be.xp
    X, applied, products, worst = [], [], 0, 0.0
    for i, (row, goal) in enumerate(zip(rows, goals.tolist(), strict=True)):
        x = row
        if goal < 1:
            found = gmres(
                body.apply,
                row[None],
                tolerance=goal,
                restart=options.restart,
                max_iterations=options.max_iterations,
                be=body.be,
                callback=partial(_told, tell, i, len(rows), goal),
            )
            x, products = found.x[0], products + found.products
        a = body.apply(x[None])[0]
        products += 1
        worst = max(worst, float(xp.linalg.norm(row - a)))
        X.append(x)
        applied.append(a)
    largest = max(float(xp.linalg.norm(row)) for row in rows)
    return xp.stack(X), xp.stack(applied), products, worst / largest if largest > 0 else 0.0


def _told(
    tell: Callable[[int, int, int, float, float], None], i: int, count: int, goal: float, step: int, left: float
) -> None:
    tell(i, count, step, left, goal)
