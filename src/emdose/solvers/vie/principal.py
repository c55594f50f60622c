r"""Many incident fields on one body at once: principal combinations of what is left of all of them.

Residuals of all right-hand sides, each in units of what it may keep, are the columns of one matrix. Its singular
vectors whose values exceed one are the combinations that still have to be solved for; the others are within the
tolerance whatever the ports. Each step puts those that are left through the preconditioner and the operator, and takes
the least residuals of all ports in everything that was found so far. What the preconditioner leaves is compact, the
wave in a body having few degrees of freedom, so that ports have most of their directions in common.

With :math:`T^{-1} J = (M^{-1} - N) J / (j\omega\varepsilon_0)`, which is complex symmetric, responses of incident
fields to one another follow from the solutions X to the square of their residual,

.. math:: E_i^T J_k = e_i^T K^{-1} e_k, \quad K = X^T T^{-1} X, \quad e_i = X^T E_i .

Source: H. Calandra, S. Gratton, X. Vasseur et al., SIAM J. Sci. Comput. 35 (2013) S345 (block GMRES with deflation at
each step); R. Harrington, Field Computation by Moment Methods, IEEE 1993, ch. 7 (stationary forms).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import EPS_0

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.solvers.vie.body import BodyOperator

AIM = 0.9
"""Residual that is aimed at, over what is asked for: rounding takes the rest."""


@dataclass(eq=False)
class Principal:
    """Solutions for many right-hand sides.

    Parameters
    ----------
    x : (port, n) array
        Currents [A/m^2].
    ax : (port, n) array
        (I - M N) x [A/m^2].
    residual : (port,) ndarray
        norm(b - A x) / norm(b): that of the recursion and what it misses by one product for all ports together, or by a
        product for every port where that is too much.
    converged : (port,) bool ndarray
        Whether it is what was asked for.
    products : int
        Products with the operator, each of one vector.
    steps : (port,) int ndarray
        Steps until a port met its tolerance.
    history : list of (port,) ndarray
        Relative residuals after every step.
    inverse_norm : float
        norm(A^-1) on what was found, a lower bound; with metal that of its rows for tissue.
    """

    x: Any
    ax: Any
    residual: np.ndarray
    converged: np.ndarray
    products: int
    steps: np.ndarray
    history: list[np.ndarray]
    inverse_norm: float


def principal_solutions(
    body: BodyOperator,
    b: Any,
    tolerance: float | np.ndarray,
    *,
    directions: int = 200,
    max_steps: int = 1000,
    tell: Callable[[int, float], None] | None = None,
) -> Principal:
    """Solve (I - M N) x = b for all right-hand sides to a relative residual each.

    Parameters
    ----------
    body : BodyOperator
        The equations.
    b : (port, n) array
        Right-hand sides, as :meth:`~emdose.solvers.vie.body.BodyOperator.right_hand_side` gives them [A/m^2].
    tolerance : float or (port,) ndarray
        Relative residuals to reach.
    directions : int
        How many are kept before it begins anew, each twice: as it is, and preconditioned.
    max_steps : int
        Give up after these.
    tell : callable, optional
        Called with the step and the largest residual over what is asked for, times the least tolerance.
    """
    be, xp, ports = body.be, body.be.xp, len(b)
    tolerance = np.broadcast_to(np.asarray(tolerance, float), (ports,))
    size = _norms(b, be)
    goal = tolerance * np.where(size > 0, size, 1.0)
    scale = be.asarray((1 / goal).astype(body.dtype))[:, None]
    x, left = xp.zeros_like(b), b * scale
    share, products, step = _norms(left, be), 0, 0
    steps, history, largest = np.zeros(ports, int), [share * tolerance], 0.0
    while True:
        space = _Space(left, directions, be, body.tissue_only)
        while space.residual.max() > AIM and step < max_steps:
            found = space.principal()
            if space.used + len(found) > space.capacity:
                break
            z = _one_by_one(body.precondition, found, be)
            space.take(z, _one_by_one(body.apply, z, be))
            products, step = products + len(found), step + 1
            history.append(space.residual * tolerance)
            steps[space.residual > 1] = step + 1
            if tell:
                tell(step, float(space.residual.max() * tolerance.min()))
        largest = max(largest, space.inverse_norm())
        before, x = share, x + space.solutions() / scale
        rest = space.rest()
        # One product for all: what rounding has left between the residuals and their recursion. Random phases add
        # squares; a port is given three times its part of them.
        phases = be.asarray(np.exp(2j * np.pi * np.random.default_rng(step).random((1, ports))).astype(body.dtype))
        lost = phases @ (b * scale - rest) - body.apply(phases @ (x * scale))
        products += 1
        if ports > 1:
            share = np.hypot(space.residual, 3 / ports**0.5 * float(_norms(lost, be)[0]))
        else:
            share = _norms(rest + lost / phases[0, 0], be)
        if share.max() > 1:
            rest = left = (b - _one_by_one(body.apply, x, be)) * scale
            products += ports
            share = _norms(left, be)
        if share.max() <= 1 or step >= max_steps or share.max() > 0.98 * before.max():
            break
    residual = share * tolerance
    history[-1] = residual
    return Principal(x, b - rest / scale, residual, share <= 1, products, np.minimum(steps, step), history, largest)


def responses(body: BodyOperator, solutions: Principal, E: Any, other: Any = None) -> np.ndarray:
    """h^3 sum of E_i J_k over the edges, without conjugation, to the square of the residual of the solutions.

    Parameters
    ----------
    body : BodyOperator
        The equations.
    solutions : Principal
        Of any fields whose span holds those asked for.
    E : (fields, n) array
        Incident fields on the unknowns [V/m].
    other : (others, n) array, optional
        Those that drive the currents, by default the same.

    Returns
    -------
    (fields, others) complex ndarray
        [W].
    """
    be, unit = body.be, 1j * body.omega * EPS_0
    x = solutions.x
    K = be.to_numpy(x @ (solutions.ax / body.M).T).astype(complex) / unit
    left = be.to_numpy(E @ x.T).astype(complex)
    right = left if other is None else be.to_numpy(other @ x.T).astype(complex)
    return np.asarray(body.h**3 * left @ np.linalg.pinv(0.5 * (K + K.T), rcond=1e-12) @ right.T)


class _Space:
    """Directions that were tried, what the operator makes of them, and the least residuals of all ports in these.

    ``Q`` are orthonormal, the residuals and A Z = H^T Q are coefficients of them.
    """

    def __init__(self, left: Any, capacity: int, be: Backend, of_interest: Callable[[Any], Any]) -> None:
        self.be, self.of_interest, xp, (ports, n) = be, of_interest, be.xp, left.shape
        self.capacity = max(capacity, ports)
        self.Q = xp.empty((self.capacity + ports, n), left.dtype)
        self.Z = xp.empty((self.capacity, n), left.dtype)
        self.H = np.zeros((self.capacity + ports, self.capacity), complex)
        self.gram = np.zeros((self.capacity, self.capacity), complex)
        self.b = np.zeros((self.capacity + ports, ports), complex)
        self.used, self.held = 0, ports
        self.Q[:ports], self.b[:ports] = _orthonormal(left, be)
        self.y, self.r = np.zeros((0, ports), complex), self.b[:ports]

    @property
    def residual(self) -> np.ndarray:
        """Norms of the residuals, (port,)."""
        return np.asarray(np.linalg.norm(self.r, axis=0))

    def principal(self) -> Any:
        """Left singular vectors of the residuals of values above one, one at least, (directions, n)."""
        vectors, values, _ = np.linalg.svd(self.r, full_matrices=False)
        count = max(1, int(np.count_nonzero(values > 1)))
        low = self.be.asarray(np.ascontiguousarray(vectors[:, :count].T.astype(self.Q.dtype)))
        return low @ self.Q[: self.held]

    def take(self, z: Any, az: Any) -> None:
        """Directions (count, n), and the operator times them."""
        first, held, count = self.used, self.held, len(z)
        coefficients, rest = self._apart(az)
        q, upper = _orthonormal(rest, self.be)
        # Again: A Z is nearly a combination of what is there.
        more, rest = self._apart(q)
        q, again = _orthonormal(rest, self.be)
        self.H[:held, first : first + count] = coefficients + more @ upper
        self.H[held : held + count, first : first + count] = again @ upper
        self.Q[held : held + count], self.Z[first : first + count] = q, z
        self.used, self.held = first + count, held + count
        beside = self.be.to_numpy(self.of_interest(z).conj() @ self.Z[: self.used].T).astype(complex)
        self.gram[first : self.used, : self.used] = beside
        self.gram[: self.used, first : self.used] = beside.conj().T
        H, b = self.H[: self.held, : self.used], self.b[: self.held]
        self.y = np.linalg.lstsq(H, b, rcond=None)[0]
        self.r = b - H @ self.y

    def _apart(self, a: Any) -> tuple[np.ndarray, Any]:
        """Coefficients (held, rows) of rows in Q, and what is left of them."""
        Q = self.Q[: self.held]
        low = (a.conj() @ Q.T).conj()
        return self.be.to_numpy(low).T.astype(complex), a - low @ Q

    def solutions(self) -> Any:
        """Least residual solutions, (port, n)."""
        return self._low(self.y) @ self.Z[: self.used]

    def rest(self) -> Any:
        """Their residuals, (port, n)."""
        return self._low(self.r) @ self.Q[: self.held]

    def inverse_norm(self) -> float:
        """Largest norm(Z y) / norm(A Z y), of the tissue's part of Z y where there is metal."""
        if not self.used:
            return 0.0
        inverse = np.linalg.pinv(self.H[: self.held, : self.used], rcond=1e-12)
        return float(
            max(np.linalg.eigvalsh(inverse.conj().T @ self.gram[: self.used, : self.used] @ inverse)[-1], 0) ** 0.5
        )

    def _low(self, a: np.ndarray) -> Any:
        return self.be.asarray(np.ascontiguousarray(a.T.astype(self.Q.dtype)))


def _orthonormal(rows: Any, be: Backend) -> tuple[Any, np.ndarray]:
    """Orthonormal rows q and a square matrix, rows = matrix^T q."""
    q, upper = be.xp.linalg.qr(rows.T)
    return be.xp.ascontiguousarray(q.T), be.to_numpy(upper).astype(complex)


def _one_by_one(function: Callable[[Any], Any], rows: Any, be: Backend) -> Any:
    """A function of rows: all at once on a GPU, else alone, as they fit the cache."""
    if be.name == "cuda":
        return function(rows)
    return be.xp.concatenate([function(rows[i : i + 1]) for i in range(len(rows))])


def _norms(rows: Any, be: Backend) -> np.ndarray:
    return np.asarray(be.to_numpy(be.xp.linalg.norm(rows, axis=1)), float)
