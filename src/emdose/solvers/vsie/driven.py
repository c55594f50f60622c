"""Currents in metal and body for given voltages at the gaps, to the tolerance of the coupled equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.krylov import gmres

if TYPE_CHECKING:
    from emdose.solvers.vsie.options import VsieOptions
    from emdose.solvers.vsie.ports import GapSolution
    from emdose.solvers.vsie.setup import Coupled

ROUNDS = 12
"""Times that the field of the metal is found anew; every one leaves some tenth of the error before."""
AHEAD = 0.3
"""A round solves for the body to this part of the tolerance, so that the metal's answer has room."""


@dataclass(eq=False)
class Driven:
    """Currents of metal and body for given voltages at the gaps.

    Parameters
    ----------
    currents : (n, drive) complex ndarray
        Coefficients of the metal's basis functions.
    body_currents : list of (unknowns,) array
        In the body, one per drive [A/m^2].
    residual : (drive,) ndarray
        Relative residual of the coupled equations in the body.
    error_per_residual : (drive,) ndarray
        Estimate of the relative error of E over the residual.
    iterations, products : (drive,) int ndarray
        What it took.
    rounds : int
        How often the field of the metal was found anew.
    history : list of list of float
        Residuals of every drive after each round.
    """

    currents: np.ndarray
    body_currents: list[Any]
    residual: np.ndarray
    error_per_residual: np.ndarray
    iterations: np.ndarray
    products: np.ndarray
    rounds: int = 0
    history: list[list[float]] = field(default_factory=list)

    def met(self, options: VsieOptions) -> np.ndarray:
        """Which drives meet the tolerance and the error of E, (drive,) bool."""
        error = self.residual * self.error_per_residual
        return np.asarray((self.residual <= options.tolerance) & (error <= options.E_error))


def drive_gaps(
    solution: GapSolution,
    parts: Coupled,
    voltages: np.ndarray,
    options: VsieOptions,
    tell: Callable[[int, int, float], None],
) -> Driven:
    """Currents for voltages (drive, gap) at the gaps.

    Rounds that solve for the body in the field of the metal as it is, and for the metal with the body's answer, begin
    with the trial currents' best combination.

    Parameters
    ----------
    solution : GapSolution
        What is known of all gaps.
    parts : Coupled
        What is coupled.
    voltages : (drive, gap) complex ndarray
        Peak [V].
    options : VsieOptions
        Tolerances and limits.
    tell : callable
        Gets drive, iteration and residual.
    """
    metal, body, coupling, count = parts.metal, parts.body, parts.coupling, len(voltages)
    flows = solution.currents @ voltages.T
    ones, none = np.ones(count), np.zeros(count, int)
    if body is None or coupling is None:
        return Driven(flows, [np.zeros(0)] * count, np.zeros(count), ones, none, none.copy(), 0, [[0.0]] * count)
    xp = body.be.xp
    bare = solution.bare @ voltages.T
    mix = body.be.asarray((voltages @ solution.shares.T).astype(body.dtype))
    x = [v.copy() for v in mix @ solution.trial]
    out = Driven(flows, x, ones * np.inf, ones.copy(), none, none.copy(), 0, [[] for _ in range(count)])
    inverse = np.full(count, 1.5 * body.largest_permittivity)
    while True:
        b = body.right_hand_side(body.rows(coupling.field(out.currents)[0]))
        left = []
        for i in range(count):
            r = b[i] - body.apply(x[i][None])[0]
            out.products[i] += 1
            size, now = float(xp.linalg.norm(b[i])), float(xp.linalg.norm(x[i]))
            out.residual[i] = float(xp.linalg.norm(r)) / size if size > 0 else 0.0
            out.error_per_residual[i] = inverse[i] * size / now if now > 0 else 1.0
            out.history[i].append(out.residual[i])
            left.append(r)
        done = out.met(options)
        if done.all() or out.rounds >= ROUNDS or out.iterations.max() >= options.max_iterations:
            return out
        for i in np.flatnonzero(~done).tolist():
            goal = AHEAD * min(options.tolerance, options.E_error / out.error_per_residual[i])
            told = out.residual[i]

            def heard(step: int, share: float, i: int = i, told: float = told) -> None:
                tell(i, int(out.iterations[i]) + step, share * told)

            found = gmres(
                body.apply,
                left[i][None],
                tolerance=min(0.5, goal / told),
                restart=options.restart,
                max_iterations=options.max_iterations - int(out.iterations[i]),
                be=body.be,
                callback=heard,
            )
            x[i] = x[i] + found.x[0]
            out.iterations[i] += int(found.iterations.max())
            out.products[i] += found.products
            if found.inverse_norm is not None:
                inverse[i] = max(body.largest_permittivity, float(found.inverse_norm[0]))
        W = coupling.voltages(body.expand(xp.stack(x)))
        out.currents = bare + metal.solve(W)
        out.rounds += 1
