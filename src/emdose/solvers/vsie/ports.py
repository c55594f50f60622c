r"""Metal with gaps and a body: admittance of the gaps, currents in metal and body per volt at every gap.

With the metal's matrix Z, the incidence F of its gaps, the body's J = T E and the coupling C from metal to body, the
currents I of the metal drop out of

.. math::

   \mathbf Z \mathbf I = \mathbf F \mathbf V + h^3 \mathbf C^T \mathbf J, \qquad
   (\mathbf T^{-1} - h^3 \mathbf C \mathbf Z^{-1} \mathbf C^T)\, \mathbf J
   = \mathbf C \mathbf Z^{-1} \mathbf F \mathbf V .

With trial currents X, the Galerkin matrix K of :mod:`emdose.solvers.vsie.trial_space` and E_0 = C Z^-1 F,

.. math::

   \mathbf Y = \mathbf F^T \mathbf Z^{-1} \mathbf F
   + h^3\, \mathbf E_0^T \mathbf X \mathbf K^{-1} \mathbf X^T \mathbf E_0

is stationary: an error of X enters Y squared. X are the body's answers to the principal combinations of the gaps'
fields E_0 at unit reactive power, all to one absolute residual.

Source: docs/theory/vsie.md; R. Harrington, Field Computation by Moment Methods, Macmillan 1968 (stationary forms).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.vsie.trial_space import TrialSpace

if TYPE_CHECKING:
    from emdose.solvers.mom.metal import ThinMetal
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.potentials.coupling import EdgeCoupling

NOISE = 1e-12
"""Singular values of K over the largest that are rounding."""


@dataclass(frozen=True, eq=False)
class GapSolution:
    """What the gaps of a coil see, and what flows for 1 V at each.

    Parameters
    ----------
    admittance : (gap, gap) complex ndarray
        Of metal with body [S].
    unloaded : (gap, gap) complex ndarray
        Of metal alone [S].
    bare : (n, gap) complex ndarray
        Coefficients of the metal's basis functions per volt, without the body's answer.
    space : TrialSpace
        Trial currents in the body.
    work : (r, gap) complex ndarray
        X^T E_0.
    field : (gap, unknowns) array
        E_0, that of bare metal per volt [V/m].
    products : int
        Products with the body's matrix that this took.
    residual : float
        Largest residual of the trial currents, over the norm of the largest right-hand side.
    """

    admittance: np.ndarray
    unloaded: np.ndarray
    bare: np.ndarray
    space: TrialSpace
    work: np.ndarray
    field: Any
    products: int
    residual: float

    def within(self, space: TrialSpace) -> GapSolution:
        """The solution in a larger space."""
        return of_space(space, self.field, self.products, self.residual)

    @property
    def shares(self) -> np.ndarray:
        """Of the trial currents per volt at a gap, (r, gap)."""
        return np.asarray(np.linalg.pinv(self.space.K, rcond=NOISE) @ self.work)


def solve_gaps(
    metal: ThinMetal,
    body: BodyOperator,
    coupling: EdgeCoupling,
    principal: Callable[[BodyOperator, Any], tuple[Any, Any, int, float]],
) -> GapSolution:
    """Admittance of all gaps.

    Parameters
    ----------
    metal, body, coupling : ThinMetal, BodyOperator, EdgeCoupling
        What is coupled.
    principal : callable
        From body and right-hand sides (gap, n) to trial currents X, (I - M N) X, products and residual.
    """
    E0 = body.rows(coupling.field(metal.driven)[0])
    even = body.be.asarray(unit_power(metal.admittance()).T.astype(body.dtype))
    X, applied, products, residual = principal(body, body.right_hand_side(even @ E0))
    space = TrialSpace(metal, body, coupling, X, applied)
    return of_space(space, E0, products, residual)


def unit_power(admittance: np.ndarray) -> np.ndarray:
    """Voltages at the gaps of unit reactive power, one combination a column, (gap, gap).

    Volts at a gap with all others short are no measure of what matters: near a resonance of the metal with its gaps
    short a few combinations carry nearly all current, and the modes that capacitors make have little of it.
    """
    values, U = np.linalg.eigh(0.5 * (admittance + admittance.T).imag)
    size = np.abs(values)
    return np.asarray(U / np.sqrt(np.maximum(size, 1e-6 * size.max())))


def of_space(space: TrialSpace, field: Any, products: int, residual: float) -> GapSolution:
    """The solution in a space of trial currents, with the field E_0 (gap, unknowns) of bare metal per volt."""
    metal, work = space.metal, space.work(field)
    unloaded = _symmetric(metal.admittance())
    admittance = _symmetric(unloaded + space.body.h**3 * work.T @ np.linalg.pinv(space.K, rcond=NOISE) @ work)
    return GapSolution(admittance, unloaded, metal.driven, space, work, field, products, residual)


def _symmetric(a: np.ndarray) -> np.ndarray:
    return 0.5 * (a + a.T)
