"""Krylov solvers in array code: several right-hand sides at once, on either device, safe in single precision.

Source: Y. Saad, Iterative Methods for Sparse Linear Systems, 2nd ed., SIAM 2003, ch. 6 (GMRES) and 7 (BiCGStab);
L. Giraud et al., Numer. Math. 101 (2005) 87 (orthogonalise twice).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


SPAN, LANES = 256, 16
"""Elements that one index of the kernels "project" and "subtract" takes."""


@dataclass(eq=False)
class Solution:
    """What a Krylov solver returns.

    Parameters
    ----------
    x : (rhs, n) array
        The solution.
    residual : (rhs,) ndarray
        norm(b - A x) / norm(b), recomputed from x.
    iterations : (rhs,) int ndarray
        Iterations until the right-hand side was done.
    products : int
        Applications of A, each to all right-hand sides.
    converged : (rhs,) bool ndarray
        Whether the residual meets the tolerance.
    history : list of (rhs,) ndarray
        Residual estimate after every iteration.
    inverse_norm : (rhs,) ndarray or None
        Estimate of norm(A^-1) from the smallest singular value of GMRES's Hessenberg matrices, so that
        norm(x error) <= inverse_norm * norm(b - A x).
    """

    x: Any
    residual: np.ndarray
    iterations: np.ndarray
    products: int
    converged: np.ndarray
    history: list[np.ndarray] = field(default_factory=list)
    inverse_norm: np.ndarray | None = None


def gmres(
    apply: Callable[[Any], Any],
    b: Any,
    *,
    tolerance: float,
    restart: int,
    max_iterations: int,
    be: Backend,
    x0: Any = None,
    callback: Callable[[int, float], None] | None = None,
) -> Solution:
    """Restarted GMRES for A x = b with several right-hand sides in step.

    Parameters
    ----------
    apply : callable
        (rhs, n) -> A times it; must return a new array.
    b : (rhs, n) array
        Right-hand sides.
    tolerance : float
        Relative residual to reach.
    restart : int
        Krylov vectors kept.
    max_iterations : int
        Give up after this many iterations.
    be : Backend
        Device.
    x0 : (rhs, n) array, optional
        Initial guess.
    callback : callable, optional
        Called with the iteration and the largest relative residual.
    """
    xp, (m, n) = be.xp, b.shape
    norm_b = _norm(b, be)
    scale = np.where(norm_b > 0, norm_b, 1.0)
    x = xp.zeros_like(b) if x0 is None else x0.copy()
    residual_vector = b.copy() if x0 is None else b - apply(x)
    products, iteration = int(x0 is not None), 0
    residual = _norm(residual_vector, be) / scale
    iterations, history, inverse_norm = np.zeros(m, int), [residual], np.ones(m)
    V = xp.empty((m, restart + 1, n), b.dtype)
    while residual.max() > tolerance and iteration < max_iterations:
        steps = min(restart, max_iterations - iteration)
        beta = residual * scale
        V[:, 0] = residual_vector / _column(np.where(beta > 0, beta, 1.0), b, be)
        H = np.zeros((m, steps + 1, steps), complex)
        rotations = np.zeros((m, steps, 2), complex)
        g = np.zeros((m, steps + 1), complex)
        g[:, 0] = beta
        hessenberg, used = np.zeros_like(H), 0
        for j in range(steps):
            w = xp.ascontiguousarray(apply(V[:, j]))
            products += 1
            iteration += 1
            h, norm = _orthogonalise(V, j + 1, w, be)
            H[:, : j + 1, j], H[:, j + 1, j] = h, norm
            hessenberg[:, :, j] = H[:, :, j]
            V[:, j + 1] = w / _column(np.where(norm > 0, norm, 1.0), b, be)
            estimate = _rotate(H, rotations, g, j) / scale
            used = j + 1
            history.append(estimate)
            iterations[estimate > tolerance] = iteration + 1
            if callback:
                callback(iteration, float(estimate.max()))
            if estimate.max() <= tolerance or np.all(norm <= 1e-30):
                break
        smallest = np.linalg.svd(hessenberg[:, : used + 1, :used], compute_uv=False)[:, -1]
        inverse_norm = np.maximum(inverse_norm, 1 / np.maximum(smallest, 1e-12))
        y = np.stack([_back_substitute(H[i, :used, :used], g[i, :used]) for i in range(m)])
        for one, coefficients, basis in zip(x, xp.asarray(y.astype(b.dtype)), V, strict=True):
            one += coefficients @ basis[:used]
        residual_vector = b - apply(x)
        products += 1
        before, residual = residual, _norm(residual_vector, be) / scale
        history[-1] = residual
        if residual.max() > 0.98 * before.max():
            break  # rounding or a singular system: more of the same does not help
    return Solution(
        x, residual, np.minimum(iterations, iteration), products, residual <= tolerance, history, inverse_norm
    )


def bicgstab(
    apply: Callable[[Any], Any],
    b: Any,
    *,
    tolerance: float,
    max_iterations: int,
    be: Backend,
    x0: Any = None,
    callback: Callable[[int, float], None] | None = None,
) -> Solution:
    """BiCGStab for A x = b: seven vectors instead of restart + 1; parameters as in :func:`gmres`.

    The residual is recomputed when the recursion says it is done, and the recursion restarted when the two disagree.
    """
    xp, m = be.xp, len(b)
    norm_b = _norm(b, be)
    scale = np.where(norm_b > 0, norm_b, 1.0)
    x = xp.zeros_like(b) if x0 is None else x0.copy()
    r = b.copy() if x0 is None else b - apply(x)
    products, iteration = int(x0 is not None), 0
    residual = _norm(r, be) / scale
    iterations, history = np.zeros(m, int), [residual]
    best, stalls = residual.max(), 0
    while residual.max() > tolerance and iteration < max_iterations and stalls < 3:
        shadow, p, v = r.copy(), xp.zeros_like(r), xp.zeros_like(r)
        rho, alpha, omega = np.ones(m, complex), np.ones(m, complex), np.ones(m, complex)
        while iteration < max_iterations:
            rho_new = _dot(shadow, r, be)
            if np.any(np.abs(rho_new) < 1e-14 * _norm(shadow, be) * _norm(r, be)):
                break  # breakdown: restart with a new shadow residual
            p = r + _column(_ratio(rho_new, rho) * _ratio(alpha, omega), b, be) * (p - _column(omega, b, be) * v)
            v = apply(p)
            alpha = _ratio(rho_new, _dot(shadow, v, be))
            s = r - _column(alpha, b, be) * v
            t = apply(s)
            omega = _ratio(_dot(t, s, be), _dot(t, t, be))
            x += _column(alpha, b, be) * p + _column(omega, b, be) * s
            r = s - _column(omega, b, be) * t
            rho, products, iteration = rho_new, products + 2, iteration + 1
            estimate = _norm(r, be) / scale
            history.append(estimate)
            iterations[estimate > tolerance] = iteration + 1
            if callback:
                callback(iteration, float(estimate.max()))
            if estimate.max() <= tolerance or not np.all(np.isfinite(estimate)):
                break
        r = b - apply(x)
        products += 1
        residual = _norm(r, be) / scale
        history[-1] = residual
        stalls = stalls + 1 if not residual.max() < 0.9 * best else 0
        best = min(best, residual.max())
    return Solution(x, residual, np.minimum(iterations, iteration), products, residual <= tolerance, history)


def cocr(
    apply: Callable[[Any], Any],
    b: Any,
    *,
    tolerance: float,
    max_iterations: int,
    be: Backend,
    weight: Any,
    callback: Callable[[int, float], None] | None = None,
) -> Solution:
    """Conjugate orthogonal conjugate residuals for a complex symmetric A: one product and six vectors.

    Parameters as in :func:`gmres`; the residual is measured as norm(weight r) / norm(weight b).

    Source: T. Sogabe and S.-L. Zhang, J. Comput. Appl. Math. 199 (2007) 297.
    """
    xp, m = be.xp, len(b)
    norm_b = _norm(weight * b, be)
    scale = np.where(norm_b > 0, norm_b, 1.0)
    x, r = xp.zeros_like(b), b.copy()
    products, iteration = 0, 0
    residual = _norm(weight * r, be) / scale
    iterations, history = np.zeros(m, int), [residual]
    stalls = 0
    while residual.max() > tolerance and iteration < max_iterations and stalls < 3:
        Ar = apply(r)
        products += 1
        p, q, rho = r.copy(), Ar.copy(), _dot(r.conj(), Ar, be)
        while iteration < max_iterations:
            alpha = _column(_ratio(rho, _dot(q.conj(), q, be)), b, be)
            x += alpha * p
            r -= alpha * q
            iteration += 1
            estimate = _norm(weight * r, be) / scale
            history.append(estimate)
            iterations[estimate > tolerance] = iteration + 1
            if callback:
                callback(iteration, float(estimate.max()))
            if estimate.max() <= tolerance or not np.all(np.isfinite(estimate)):
                break
            Ar = apply(r)
            products += 1
            rho, before = _dot(r.conj(), Ar, be), rho
            beta = _column(_ratio(rho, before), b, be)
            p = r + beta * p
            q = Ar + beta * q
        r = b - apply(x)
        products += 1
        before, residual = residual, _norm(weight * r, be) / scale
        history[-1] = residual
        stalls = stalls + 1 if not residual.max() < 0.9 * before.max() else 0
    return Solution(x, residual, np.minimum(iterations, iteration), products, residual <= tolerance, history)


def _orthogonalise(V: Any, used: int, w: Any, be: Backend) -> tuple[np.ndarray, np.ndarray]:
    """Subtract from w (in place) its parts along the first vectors of V; coefficients and remaining norm.

    Classical Gram-Schmidt, again where a pass cancelled nine tenths of w and more, so that at most one digit of
    orthogonality is lost: as good as modified Gram-Schmidt, with one small transfer per pass.
    """
    total, before = None, _norm(w, be)
    for _ in range(3):
        h = _project(V, used, w, be)
        _subtract(V, used, h, w, be)
        total = h if total is None else total + h
        after = _norm(w, be)
        if np.all(after > 0.1 * before):
            break
        before = after
    assert total is not None
    return total, after


def _project(V: Any, used: int, w: Any, be: Backend) -> np.ndarray:
    """conj(V) . w for the first vectors of every basis, (rhs, used)."""
    m, capacity, n = V.shape
    parts = -(-n // SPAN)
    out = be.xp.empty((m, used, parts), V.dtype)
    _basis_kernels(V, be).launch("project", m * used * parts, n, used, capacity, parts, V, w, out)
    return be.to_numpy(out.sum(axis=2, dtype=complex))


def _subtract(V: Any, used: int, h: np.ndarray, w: Any, be: Backend) -> None:
    """w <- w - h . V for the first vectors of every basis."""
    m, capacity, n = V.shape
    parts = -(-n // LANES)
    low = be.asarray(np.ascontiguousarray(h, dtype=V.dtype))
    _basis_kernels(V, be).launch("subtract", m * parts, n, used, capacity, parts, V, low, w)


def _basis_kernels(V: Any, be: Backend) -> Any:
    return be.kernels.load(__package__, "basis", "float" if V.dtype == np.complex64 else "double")


def _rotate(H: np.ndarray, rotations: np.ndarray, g: np.ndarray, j: int) -> np.ndarray:
    """Bring column j of every Hessenberg matrix to triangular form; absolute residuals."""
    for i in range(len(H)):
        column = H[i, :, j]
        for k in range(j):
            c, s = rotations[i, k]
            column[k], column[k + 1] = (
                c.real * column[k] + s * column[k + 1],
                (-np.conj(s) * column[k] + c.real * column[k + 1]),
            )
        a, b = column[j], column[j + 1].real
        size = np.hypot(abs(a), b)
        c, s = (abs(a) / size, (a / abs(a) if a != 0 else 1.0) * b / size) if size > 0 else (1.0, 0.0)
        rotations[i, j] = c, s
        column[j], column[j + 1] = c * a + s * b, 0.0
        g[i, j], g[i, j + 1] = c * g[i, j], -np.conj(s) * g[i, j]
    return np.abs(g[:, j + 1])


def _back_substitute(R: np.ndarray, g: np.ndarray) -> np.ndarray:
    y = np.zeros(len(g), complex)
    floor = 1e-14 * np.abs(np.diag(R)).max(initial=0.0)
    for i in range(len(g) - 1, -1, -1):
        y[i] = (g[i] - R[i, i + 1 :] @ y[i + 1 :]) / R[i, i] if abs(R[i, i]) > floor else 0.0
    return y


def _norm(a: Any, be: Backend) -> np.ndarray:
    return np.sqrt(np.maximum(_dot(a, a, be).real, 0.0))


def _dot(a: Any, b: Any, be: Backend) -> np.ndarray:
    """conj(a) . b per right-hand side, summed by parts so that single precision is enough."""
    xp = be.xp
    return _project(xp.ascontiguousarray(a)[:, None], 1, xp.ascontiguousarray(b), be)[:, 0]


def _column(value: np.ndarray, like: Any, be: Backend) -> Any:
    return be.asarray(np.asarray(value).astype(like.dtype))[:, None]


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.where(b != 0, a / np.where(b != 0, b, 1.0), 0.0)
