r"""Metal with gaps and a body: admittance of the gaps, currents in metal and body per volt at every gap.

With the metal's matrix Z, the incidence F of its gaps, the body's J = T E and the coupling C from metal to body, the
currents I of the metal drop out of

.. math::

   \mathbf Z \mathbf I = \mathbf F \mathbf V + h^3 \mathbf C^T \mathbf J, \qquad
   (\mathbf T^{-1} - h^3 \mathbf C \mathbf Z^{-1} \mathbf C^T)\, \mathbf J
   = \mathbf C \mathbf Z^{-1} \mathbf F \mathbf V .

All of these are complex symmetric. With trial currents X the Galerkin form

.. math::

   \mathbf K &= \mathbf X^T \mathbf T^{-1} \mathbf X - \mathbf W^T \mathbf Z^{-1} \mathbf W / h^3, \quad
   \mathbf W = h^3 \mathbf C^T \mathbf X, \\
   \mathbf Y &= \mathbf F^T \mathbf Z^{-1} \mathbf F
   + h^3\, \mathbf E_0^T \mathbf X \mathbf K^{-1} \mathbf X^T \mathbf E_0

is stationary: an error of X enters Y squared. X are the body's answers to the principal combinations of the gaps'
fields E_0 = C Z^-1 F, all to one absolute residual.

Source: docs/theory/vie.md; R. Harrington, Field Computation by Moment Methods, Macmillan 1968 (stationary forms).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import EPS_0

if TYPE_CHECKING:
    from emdose.solvers.mom.metal import ThinMetal
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.coupling import EdgeCoupling


@dataclass(frozen=True, eq=False)
class GapSolution:
    """What the gaps of a coil see, and what flows for 1 V at each.

    Parameters
    ----------
    admittance : (gap, gap) complex ndarray
        Of metal with body [S].
    unloaded : (gap, gap) complex ndarray
        Of metal alone [S].
    currents : (n, gap) complex ndarray
        Coefficients of the metal's basis functions per volt.
    bare : (n, gap) complex ndarray
        The same without the body's answer.
    trial : (r, unknowns) array
        Trial currents X in the body [A/m^2].
    shares : (r, gap) complex ndarray
        Of the trial currents per volt at a gap.
    products : int
        Products with the body's matrix that this took.
    residual : float
        Largest relative residual of the trial currents, over the norm of the largest right-hand side.
    """

    admittance: np.ndarray
    unloaded: np.ndarray
    currents: np.ndarray
    bare: np.ndarray
    trial: Any
    shares: np.ndarray
    products: int = 0
    residual: float = 0.0


def solve_gaps(
    metal: ThinMetal,
    body: BodyOperator | None,
    coupling: EdgeCoupling | None,
    principal: Callable[[BodyOperator, Any], tuple[Any, Any, int, float]],
) -> GapSolution:
    """Admittance and currents of all gaps.

    Parameters
    ----------
    metal : ThinMetal
        The metal.
    body : BodyOperator or None
        The body; None for a coil without load.
    coupling : EdgeCoupling or None
        Between them.
    principal : callable
        From body and right-hand sides (gap, n) to trial currents X, (I - M N) X, products and residual.
    """
    bare = metal.solve(metal.incidence.astype(complex))
    unloaded = _symmetric(metal.incidence.T @ bare)
    if body is None or coupling is None:
        return GapSolution(unloaded, unloaded, bare, bare, np.zeros((0, 0)), np.zeros((0, bare.shape[1])))
    h3 = body.h**3
    E0 = body.rows(coupling.field(bare)[0])
    X, applied, products, residual = principal(body, body.right_hand_side(E0))
    W = coupling.voltages(body.expand(X))
    answer = metal.solve(W)
    # T^-1 X = (M^-1 - N) X / (j w eps0), from (I - M N) X.
    inverse = applied / (body.M * body.M.dtype.type(1j * body.omega * EPS_0))
    K = _pairs(body, X, inverse)
    K = 0.5 * (K + K.T) - W.T @ answer / h3
    work = _pairs(body, X, E0)
    shares = np.linalg.solve(K, work)
    admittance = _symmetric(unloaded + h3 * work.T @ shares)
    return GapSolution(admittance, unloaded, bare + answer @ shares, bare, X, shares, products, residual)


def _pairs(body: BodyOperator, a: Any, b: Any) -> np.ndarray:
    """a b^T in double precision, (len(a), len(b))."""
    b = b.astype(complex)
    return np.stack([body.be.to_numpy(b @ row.astype(complex)) for row in a])


def _symmetric(a: np.ndarray) -> np.ndarray:
    return 0.5 * (a + a.T)
