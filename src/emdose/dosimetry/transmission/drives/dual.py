r"""Least squares under quadratic limits, by the concave dual.

.. math:: \min_v \|A v - d\|^2 \ \text{s.t.}\ v^H S_w v \le 1, \qquad
          g(\lambda) = \|d\|^2 - b^H M^{-1} b - \sum_w \lambda_w, \quad M = A^H A + \sum_w \lambda_w S_w, \ b = A^H d

Every :math:`g(\lambda)`, :math:`\lambda \ge 0`, is a lower bound of the minimum, and :math:`v = M^{-1} b` scaled until
it keeps the limits an upper bound: their difference is the certificate. Quasi-Newton steps (L-BFGS-B) find the limits
that matter, Newton steps on those settle them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg, optimize

POLISH = 30
"""Most Newton steps."""
DEFICIENT, SLACK = 1e-12, 1e-10
"""Least eigenvalue of A^H A over its largest below which many drives have the least cost, and the part of the squared
norm of d that choosing one of them by its use of the limits may cost; the bound is lower by it."""


class Optimum(NamedTuple):
    """A drive within its limits, its cost, a lower bound of every such cost, and the multipliers."""

    v: np.ndarray
    cost: float
    bound: float
    multipliers: np.ndarray


class QuadraticLimits:
    """Limits of K blocks of n amplitudes: forms shared by all blocks, and largest amplitudes of each.

    Parameters
    ----------
    forms : (w, n, n) complex ndarray
        S over its limit.
    shares : (K,) ndarray
        Weight of each block in a form.
    peak : (n,) ndarray
        Largest amplitudes; infinite where there is none.
    """

    def __init__(self, forms: np.ndarray, shares: np.ndarray, peak: np.ndarray) -> None:
        self.forms, self.shares = forms, shares
        self.w, self.n, self.K = len(forms), forms.shape[1], len(shares)
        self._flat = forms.reshape(self.w, self.n**2)
        finite = np.flatnonzero(np.isfinite(peak))
        self._at = (np.arange(self.K)[:, None] * self.n + finite).ravel()
        self._weight = np.tile(1 / peak[finite] ** 2, self.K)
        self.count = self.w + len(self._at)

    def use(self, v: np.ndarray) -> np.ndarray:
        """Forms over their limits, then squared amplitudes over theirs, (count,)."""
        blocks = v.reshape(self.K, self.n)
        outer = (blocks.conj().T * self.shares) @ blocks
        # Products this small are slower on the threads of a BLAS, by far where cores are busy: einsum has none.
        forms = np.einsum("wk,k->w", self._flat, outer.ravel()).real
        return np.concatenate([forms, self._weight * np.abs(v[self._at]) ** 2])

    def added(self, multipliers: np.ndarray) -> np.ndarray:
        """Sum of all forms times their multipliers, (K n, K n)."""
        form = np.einsum("w,wk->k", multipliers[: self.w], self._flat).reshape(self.n, self.n)
        M = np.kron(np.diag(self.shares), form)
        M[self._at, self._at] += multipliers[self.w :] * self._weight
        return M

    def slopes(self, v: np.ndarray, which: np.ndarray) -> np.ndarray:
        """S_w v of some limits, (K n, which)."""
        out = np.zeros((len(v), len(which)), complex)
        blocks = v.reshape(self.K, self.n)
        for column, w in enumerate(which):
            if w < self.w:
                out[:, column] = (self.shares[:, None] * (blocks @ self.forms[w].T)).ravel()
            else:
                at = w - self.w
                out[self._at[at], column] = self._weight[at] * v[self._at[at]]
        return out


def constrained(
    H: np.ndarray, b: np.ndarray, norm: float, limits: QuadraticLimits, start: np.ndarray | None = None
) -> Optimum:
    """Least cost v^H H v - 2 Re b^H v + norm within limits.

    Parameters
    ----------
    H : (N, N) complex ndarray
        A^H A.
    b : (N,) complex ndarray
        A^H d.
    norm : float
        Squared norm of d, above 0.
    limits : QuadraticLimits
        Limits.
    start : (limits.count,) ndarray, optional
        Multipliers to begin with, in units of ``norm``.
    """
    H, b = H / norm, b / norm
    even, slack, firm = np.full(limits.count, 1 / max(limits.count, 1)), 0.0, H
    values = np.linalg.eigvalsh(H)
    if limits.count and values[0] < DEFICIENT * values[-1]:
        # Within limits the mean of all forms is at most 1: what is added to the cost is at most the slack.
        slack, firm = SLACK, H + SLACK * limits.added(even)

    def dual(multipliers: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """What cost can fall by at most, 1 - g, its gradient, and the drive."""
        v = _solve(firm + limits.added(multipliers), b)
        return float((b.conj() @ v).real + multipliers.sum()), 1 - limits.use(v), v

    def primal(v: np.ndarray) -> tuple[float, np.ndarray]:
        """Rise of the cost (below 0) after scaling to the best size within the limits, and that drive."""
        worst = float(limits.use(v).max(initial=0.0))
        curve, slope = float((v.conj() @ H @ v).real), float((b.conj() @ v).real)
        best = slope / curve if curve > 0 else 0.0
        size = min(max(best, 0.0), 1 / np.sqrt(worst) if worst > 0 else np.inf)
        return size**2 * curve - 2 * size * slope, size * v

    zero = np.zeros(limits.count)
    value, gradient, v = dual(zero)
    if limits.count == 0 or gradient.min() >= 0:
        cost, v = primal(v)
        return Optimum(v, norm * (1 + cost), norm * max(1 - value - slack, 0.0), zero)
    if start is None or not start.any():
        sizes = 10.0 ** np.arange(-14, 3)
        scale = float(sizes[np.argmin([dual(size * even)[0] for size in sizes])])
        begin = even
    else:
        scale = float(start.sum())
        begin = start / scale

    def scaled_dual(y: np.ndarray) -> tuple[float, np.ndarray]:
        """In units of the fall of the cost, which may be tiny."""
        fall, slope, _ = dual(scale * y)
        return fall / scale, slope

    found = optimize.minimize(
        scaled_dual,
        begin,
        jac=True,
        method="L-BFGS-B",
        bounds=[(0, None)] * limits.count,
        options={"maxiter": 40 if start is None else 5, "maxcor": 20, "ftol": 1e-15, "gtol": 1e-9},
    )
    x = scale * np.maximum(found.x, 0)
    value, gradient, v = dual(x)
    lowest, (cost, best), multipliers = value, primal(v), x
    for _ in range(POLISH):
        if cost + lowest <= 1e-10 * min(max(1 + cost, 1e-6), lowest):
            break
        free = np.flatnonzero((x > 0) | (gradient < 0))
        if len(free) == 0:
            break
        M = firm + limits.added(x)
        X = limits.slopes(v, free)
        hessian = 2 * (X.conj().T @ _solve(M, X)).real
        hessian[np.diag_indices(len(free))] *= 1 + 1e-9
        hessian[np.diag_indices(len(free))] += 1e-14 * np.trace(hessian)
        step = _within(hessian, gradient[free], x[free])
        size, moved = 1.0, False
        for _ in range(25):
            new = x.copy()
            new[free] = np.maximum(x[free] + size * step, 0)
            trial, slope, u = dual(new)
            if trial <= value * (1 + 1e-15):
                moved = bool(np.any(new != x))
                x, value, gradient, v = new, trial, slope, u
                break
            size *= 0.4
        scaled, u = primal(v)
        if value < lowest:
            lowest, multipliers = value, x
        if scaled < cost:
            cost, best = scaled, u
        if not moved:
            break
    worst = float(limits.use(best).max())
    if worst > 1:
        best = best * ((1 - 1e-15) / np.sqrt(worst))
    return Optimum(best, norm * (1 + cost), norm * max(1 - lowest - slack, 0.0), multipliers)


def _within(hessian: np.ndarray, gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Step of least quadratic model that leaves no multiplier below 0, by non-negative least squares."""
    L = np.linalg.cholesky(hessian)
    # minimise 1/2 (y - x)^T h (y - x) + g^T (y - x) over y >= 0: || L^T y - (L^T x - L^-1 g) ||
    wanted = L.T @ x - linalg.solve_triangular(L, gradient, lower=True)
    return np.asarray(optimize.nnls(L.T, wanted)[0] - x)


def _solve(M: np.ndarray, right: np.ndarray) -> np.ndarray:
    """M^-1 right; of least norm where M has no inverse, which leaves out nothing since b lies in its range."""
    try:
        return np.asarray(linalg.cho_solve(linalg.cho_factor(M, check_finite=False), right, check_finite=False))
    except linalg.LinAlgError:
        values, vectors = np.linalg.eigh(M)
        keep = values > 1e-13 * values[-1]
        part = vectors[:, keep]
        inverse = (1 / values[keep]).reshape(-1, *[1] * (right.ndim - 1))
        return np.asarray(part @ (inverse * (part.conj().T @ right)))
