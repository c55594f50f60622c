r"""Trial currents in the body, and the Galerkin form of the coupled equations in their span.

.. math::

   \mathbf K = \mathbf X^T \mathbf T^{-1} \mathbf X - \mathbf W^T \mathbf Z^{-1} \mathbf W / h^3, \qquad
   \mathbf W = h^3 \mathbf C^T \mathbf X

with the metal's answer Z^-1 W eliminated; see :mod:`emdose.solvers.vsie.ports`. All of it is complex symmetric, and
stationary for the admittance of the gaps. For the fields of a drive the combination with the least residual is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.vsie.pairs import pairs

if TYPE_CHECKING:
    from emdose.solvers.mom.metal import ThinMetal
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vsie.potentials.coupling import EdgeCoupling

NOISE = 1e-13
"""Squared singular values over the largest that are rounding."""


class TrialSpace:
    """Trial currents in a body beside metal.

    Parameters
    ----------
    metal, body, coupling : ThinMetal, BodyOperator, EdgeCoupling
        What is coupled.
    X, applied : (r, unknowns) array
        Currents [A/m^2] and (I - M N) X.
    W : (n, r) complex ndarray, optional
        Voltages that they induce in the basis functions of the metal, where these are known.
    """

    def __init__(
        self,
        metal: ThinMetal,
        body: BodyOperator,
        coupling: EdgeCoupling,
        X: Any,
        applied: Any,
        W: np.ndarray | None = None,
    ) -> None:
        self.metal, self.body, self.coupling = metal, body, coupling
        self.X, self.applied = X, applied
        self.W = coupling.voltages(body.expand(X)) if W is None else W
        self.answer = metal.solve(self.W)
        self.K = self._matrix(X, applied, self.answer)
        self._with_metal: Any = None

    @property
    def size(self) -> int:
        """Number of trial currents."""
        return len(self.X)

    def with_more(self, X: Any, applied: Any, W: np.ndarray | None = None) -> TrialSpace:
        """A space with further currents, and their voltages where these are known; this one stays as it is."""
        xp = self.body.be.xp
        more = TrialSpace(self.metal, self.body, self.coupling, X, applied, W)
        out = object.__new__(TrialSpace)
        out.metal, out.body, out.coupling = self.metal, self.body, self.coupling
        out.X, out.applied = xp.concatenate([self.X, X]), xp.concatenate([self.applied, applied])
        out.W = np.concatenate([self.W, more.W], axis=1)
        out.answer = np.concatenate([self.answer, more.answer], axis=1)
        cross = pairs(self.body.be, self.X, self.body.driving(applied)) - self.W.T @ more.answer / self.body.h**3
        out.K = np.block([[self.K, cross], [cross.T, more.K]])
        out._with_metal = None
        if self._with_metal is not None:
            out._with_metal = xp.concatenate([self._with_metal, more.with_metal])
        return out

    def spanned(self, shares: np.ndarray) -> TrialSpace:
        """The space of the combinations with these shares (r, k)."""
        X, applied = self._mixed(self.X, shares), self._mixed(self.applied, shares)
        return TrialSpace(self.metal, self.body, self.coupling, X, applied, self.W @ shares)

    def joined(self, other: TrialSpace, first: int) -> TrialSpace:
        """This space with the currents of another one from number ``first`` on."""
        return self.with_more(other.X[first:], other.applied[first:], other.W[:, first:])

    @property
    def with_metal(self) -> Any:
        """(I - M N) X less what the field of the metal's answer drives, (r, unknowns): the coupled matrix times X."""
        if self._with_metal is None:
            body = self.body
            E = body.rows(self.coupling.field(self.answer)[0])
            self._with_metal = self.applied - body.right_hand_side(E)
        return self._with_metal

    def best(self, b: Any) -> tuple[np.ndarray, Any]:
        """Shares (r, drive) of least coupled residual for right-hand sides (drive, unknowns), and that residual."""
        xp, be = self.body.be.xp, self.body.be
        R = self.with_metal
        size = be.to_numpy(xp.linalg.norm(R, axis=1)).astype(float)
        gram, right = pairs(be, R.conj(), R), pairs(be, R.conj(), b)
        values, vectors = np.linalg.eigh(gram / size / size[:, None])
        kept = values > NOISE * values[-1]
        inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].conj().T
        shares = (inverse @ (right / size[:, None])) / size[:, None]
        return shares, b - self._mixed(R, shares)

    def work(self, E: Any) -> np.ndarray:
        """X^T E for incident fields (drive, unknowns) on the unknowns, (r, drive)."""
        return pairs(self.body.be, self.X, E)

    def currents(self, shares: np.ndarray) -> Any:
        """Currents (drive, unknowns) for shares (r, drive)."""
        return self._mixed(self.X, shares)

    def products(self, shares: np.ndarray) -> Any:
        """(I - M N) of the currents for shares (r, drive), (drive, unknowns)."""
        return self._mixed(self.applied, shares)

    def _mixed(self, rows: Any, shares: np.ndarray) -> Any:
        return self.body.be.asarray(np.ascontiguousarray(shares.T).astype(self.body.dtype)) @ rows

    def _matrix(self, X: Any, applied: Any, answer: np.ndarray) -> np.ndarray:
        K = pairs(self.body.be, X, self.body.driving(applied)) - self.W.T @ answer / self.body.h**3
        return np.asarray(0.5 * (K + K.T))
