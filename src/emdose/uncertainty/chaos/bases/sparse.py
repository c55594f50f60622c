"""Sparse bases by hybrid least-angle regression: the terms in the order in which they enter, cut by leave-one-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.values import owned, read_only

PATIENCE = 0.1
"""Share of all steps after the best one that are taken in vain, at least ten, before the path ends."""

ALIKE = 1e-8
"""What is left of a column beside the chosen ones, of its length, below which it says nothing new."""


@read_only
@dataclass(frozen=True, eq=False)
class LeastAngle:
    """Path of a least-angle regression.

    Parameters
    ----------
    terms : array of int (k,)
        The chosen columns of Psi in the order in which they entered; the constant, column 0, is always there.
    error : float
        Corrected relative leave-one-out error of least squares on them.
    errors : array
        The same after each step.
    order : array of int
        All columns that entered.
    """

    terms: np.ndarray
    error: float
    errors: np.ndarray
    order: np.ndarray


def least_angle(Psi: np.ndarray, y: np.ndarray, most: int | None = None) -> LeastAngle:
    """Least-angle regression of one output, each step judged by the corrected leave-one-out error of least squares.

    Parameters
    ----------
    Psi : array (n, P)
        Values of the basis; column 0 is the constant.
    y : array (n,)
        Output.
    most : int, optional
        Most steps; as many as samples and columns allow unless given.

    Equation: e_corrected = e_LOO n / (n - k) (1 + tr (Psi_k^T Psi_k)^-1).

    Source: B. Efron et al., Ann. Stat. 32 (2004) 407-499 (equations 2.8 to 2.13); G. Blatman, B. Sudret, J. Comput.
    Phys. 230 (2011) 2345-2367; O. Chapelle et al., Mach. Learn. 48 (2002) 9-23.
    """
    n, P = Psi.shape
    steps = min(n - 2, P - 1, P - 1 if most is None else most)
    X = Psi - Psi.mean(axis=0)
    length = np.sqrt(np.square(X).sum(axis=0))
    open_ = length > ALIKE * np.sqrt(np.square(Psi).sum(axis=0))
    open_[0] = False
    X = X / np.where(open_, length, 1.0)
    left = y - y.mean()
    spread = float(left @ left)
    ordinary = left.copy()  # residual of least squares on the chosen columns
    hat = np.full(n, 1 / n)
    if not spread > 0:
        return LeastAngle(owned(np.zeros(1, int)), 0.0, owned(np.zeros(1)), owned(np.zeros(1, int)))
    trace = 1 / n
    chosen = [0]
    errors = [_corrected(ordinary, hat, spread, n, 1, trace)]
    Q = np.zeros((n, steps))
    inverse = np.zeros((steps, steps))
    means = Psi.mean(axis=0)
    for k in range(steps):
        c = X.T @ left
        candidates = np.where(open_, np.abs(c), -1.0)
        # The column that ties with the active ones enters; those that say nothing new are put aside.
        while True:
            j = int(np.argmax(candidates))
            if candidates[j] <= 1e-13 * np.sqrt(spread):
                return _path(chosen, errors)
            r = Q[:, :k].T @ X[:, j]
            q = X[:, j] - Q[:, :k] @ r
            again = Q[:, :k].T @ q
            q, r = q - Q[:, :k] @ again, r + again
            rest = float(np.sqrt(q @ q))
            if rest > ALIKE:
                break
            candidates[j], open_[j] = -1.0, False
        Q[:, k] = q / rest
        inverse[:k, k] = -(inverse[:k, :k] @ r) / rest
        inverse[k, k] = 1 / rest
        chosen.append(j)
        open_[j] = False
        # Least squares on what has entered.
        ordinary -= Q[:, k] * (Q[:, k] @ ordinary)
        hat += Q[:, k] ** 2
        at = chosen[1:]
        column = inverse[: k + 1, k] / length[at]
        # The inverse of the whole R, the constant in front, gains this column.
        trace += float(column @ column + (means[at] @ column) ** 2)
        errors.append(_corrected(ordinary, hat, spread, n, k + 2, trace))
        since = len(errors) - 1 - int(np.argmin(errors))
        if since > max(10, PATIENCE * steps) or errors[-1] < 1e-28:
            break
        # The direction that has equal angles with all active columns, up to where the next one ties.
        signs = np.sign(c[at])
        inv = inverse[: k + 1, : k + 1]
        g = inv.T @ signs
        scale = 1 / np.sqrt(g @ g)
        u = Q[:, : k + 1] @ g * scale
        high = float(np.abs(c[at]).max())
        a = X.T @ u
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.concatenate([((high - c) / (scale - a))[open_], ((high + c) / (scale + a))[open_]])
        reach = reach[np.isfinite(reach) & (reach > 1e-14 * high)]
        left = left - min(float(reach.min(initial=np.inf)), high / scale) * u
    return _path(chosen, errors)


def _corrected(residual: np.ndarray, hat: np.ndarray, spread: float, n: int, k: int, trace: float) -> float:
    if n <= k:
        return float("inf")
    left = float(np.square(residual / np.maximum(1 - hat, 1e-12)).sum())
    return left / spread * n / (n - k) * (1 + trace)


def _path(chosen: list[int], errors: list[float]) -> LeastAngle:
    best = int(np.argmin(errors))
    order = np.array(chosen)
    return LeastAngle(owned(order[: best + 1].copy()), errors[best], owned(np.array(errors)), owned(order))


def alone(Psi: np.ndarray, y: np.ndarray, terms: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients (k,), values (n,) predicted for each sample without it, and relative leave-one-out error."""
    chosen = Psi[:, terms]
    Q, R = np.linalg.qr(chosen)
    along = Q.T @ y
    coefficients = np.linalg.solve(R, along)
    missed = (y - Q @ along) / np.maximum(1 - np.square(Q).sum(axis=1), 1e-12)
    spread = float(np.square(y - y.mean()).sum())
    return coefficients, y - missed, float(missed @ missed) / spread if spread > 0 else 0.0
