"""Currents in metal and body for given voltages at the gaps, to the tolerance of the coupled equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.vie.principal import principal_solutions

if TYPE_CHECKING:
    from emdose.solvers.cosimulation import GapDrive
    from emdose.solvers.vsie.options import VsieOptions
    from emdose.solvers.vsie.ports import GapSolution
    from emdose.solvers.vsie.trial_space import TrialSpace

ROUNDS = 12
"""Times that the field of the metal is found anew."""
AHEAD = 0.3
"""A round solves for the body to this part of the tolerance, so that the metal's answer has room..."""
AGREE = 5e-3
"""By how much the currents of the gaps may differ from those of the network."""
INNER = 3e-3
"""...but not further than to this part of what is left, since the metal's answer will be as large."""


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
        What it took, of drives that are solved for together the products of all.
    apart : (drive,) ndarray
        Difference of the currents in the gaps from those of the network, the largest over the largest current.
    space : TrialSpace
        Trial currents: those of the network for every drive, and those that were found.
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
    apart: np.ndarray
    space: TrialSpace
    rounds: int = 0
    history: list[list[float]] = field(default_factory=list)

    def met(self, options: VsieOptions) -> np.ndarray:
        """Which drives meet the tolerance and the error of E, (drive,) bool."""
        error = self.residual * self.error_per_residual
        return np.asarray((self.residual <= options.tolerance) & (error <= options.E_error))


def drive_gaps(
    solution: GapSolution,
    drive: GapDrive,
    options: VsieOptions,
    tell: Callable[[int, int, float], None],
) -> Driven:
    """Currents for the voltages at the gaps that a circuit finds.

    Rounds that solve for what the body lacks in the field of the metal as it is, and then for the best combination of
    all trial currents so far, of which the first are those of the network for these voltages.

    Parameters
    ----------
    solution : GapSolution
        What is known of all gaps.
    drive : GapDrive
        Voltages of every drive, and the currents that the network has for them.
    options : VsieOptions
        Tolerances and limits.
    tell : callable
        Gets drive, iteration and residual.
    """
    count, body = len(drive.voltages_V), solution.space.body
    space = solution.space.spanned(solution.shares @ drive.voltages_V.T)
    xp, bare = body.be.xp, solution.bare @ drive.voltages_V.T
    b = body.right_hand_side(body.be.asarray(drive.voltages_V.astype(body.dtype)) @ solution.field)
    ones, none = np.ones(count), np.zeros(count, int)
    out = Driven(
        bare, [], ones * np.inf, ones.copy(), none, none.copy(), ones.copy(), space, 0, [[] for _ in range(count)]
    )
    # The inverse has at least this norm: that of slow currents that close on themselves.
    inverse = 1.5 * body.largest_permittivity
    while True:
        shares, left = space.best(b)
        x, whole = space.currents(shares), space.products(shares) + left
        for i in range(count):
            # Over the field with the metal's answer: that of bare metal near its resonance is far larger.
            size, now = float(xp.linalg.norm(whole[i])), float(xp.linalg.norm(x[i]))
            out.residual[i] = float(xp.linalg.norm(left[i])) / size if size > 0 else 0.0
            out.error_per_residual[i] = inverse * size / now if now > 0 else 1.0
            out.history[i].append(float(out.residual[i]))
        out.currents = bare + space.answer @ shares
        flow = (space.metal.incidence.T @ out.currents).T
        out.apart = np.abs(flow - drive.currents_A).max(axis=1) / np.abs(flow).max(axis=1)
        done = out.met(options)
        if done.all() or out.rounds >= ROUNDS or out.iterations.max() >= options.max_iterations:
            out.body_currents, out.space = list(x), space
            return out
        todo = np.flatnonzero(~done)
        goal = AHEAD * np.minimum(options.tolerance, options.E_error / out.error_per_residual) / out.residual
        found = principal_solutions(
            body,
            left[todo],
            np.clip(goal, INNER, 0.5)[todo],
            max_steps=options.max_iterations,
            tell=partial(_told, tell, int(todo[0]), int(out.iterations.max()), float(out.residual[todo].max())),
        )
        out.iterations[todo] += found.steps
        out.products[todo] += found.products
        space = space.with_more(found.x, found.ax)
        out.rounds += 1


def _told(
    tell: Callable[[int, int, float], None], drive: int, before: int, factor: float, step: int, share: float
) -> None:
    tell(drive, before + step, share * factor)
