r"""Whether a convex combination of Hermitian matrices bounds another one: the combination, or a proof that none does.

.. math:: \min_{c \ge 0,\ \sum c = 1}\ \lambda_\max\Bigl(Q - \sum_k c_k V_k\Bigr)
          \;=\; \max_{C \succeq 0,\ \operatorname{tr} C = 1}\
          \Bigl(\operatorname{tr} QC - \max_k \operatorname{tr} V_k C\Bigr)

is a game whose value is bracketed by linear programs on the left (over directions that were found so far) and their
duals on the right: a mixed drive C for which Q is above every V_k. Cuts are eigenvectors of what is left, columns the
matrices that the dual asks for.

Source: J. Lee et al., Magn. Reson. Med. 67 (2012) 1566-1578 (convex covers); J. E. Kelley, J. SIAM 8 (1960) 703
(cutting planes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.errors import ConvergenceError

COLUMNS = 24
"""Matrices that a program begins with."""
CUTS_AT_ONCE = 3
"""Eigenvectors of one remainder that become cuts."""
MOST_STEPS = 200


@dataclass(frozen=True, eq=False)
class Mixture:
    """A convex combination that bounds a matrix.

    Parameters
    ----------
    index : (k,) int ndarray
        Matrices with a coefficient above 0.
    coefficients : (k,) ndarray
        Coefficients, in sum 1.
    """

    index: np.ndarray
    coefficients: np.ndarray

    def of(self, matrices: np.ndarray) -> np.ndarray:
        """The combination of matrices (v, n, n), (n, n)."""
        return np.asarray(np.tensordot(self.coefficients, matrices[self.index], 1))


def table_of(mixtures: Sequence[Mixture], count: int) -> np.ndarray:
    """Coefficients of some combinations of so many matrices, (mixture, count)."""
    table = np.zeros((len(mixtures), count))
    for row, one in zip(table, mixtures, strict=True):
        row[one.index] = one.coefficients
    return table


def bounding(Q: np.ndarray, V: np.ndarray, tolerance: float) -> Mixture | None:
    """A convex combination of V that is above Q - tolerance in every direction; None where there is none above Q.

    Parameters
    ----------
    Q : (n, n) complex ndarray
        Hermitian matrix to bound.
    V : (v, n, n) complex ndarray
        Hermitian matrices.
    tolerance : float
        In the unit of the matrices; between both answers lies no more than it.

    Raises
    ------
    ConvergenceError
        When neither is found.
    """
    if not len(V):
        return None
    _, vectors = np.linalg.eigh(Q)
    cuts = [vectors[:, -1]]
    forms, wanted = [_forms(cuts[0], V)], [_form(cuts[0], Q)]
    if forms[0].max() < wanted[0]:
        return None
    lowest = np.linalg.eigvalsh(V - Q)[:, 0]
    best = int(np.argmax(lowest))
    if lowest[best] >= -tolerance:
        return Mixture(np.array([best]), np.ones(1))
    _add(cuts, forms, wanted, V[best], Q, V, 1)
    columns = np.union1d(np.argsort(lowest)[-COLUMNS // 2 :], np.argsort(forms[-1])[-COLUMNS // 2 :])
    for _ in range(MOST_STEPS):
        G, q = np.array(forms), np.array(wanted)
        c, drive = _program(G[:, columns], q)
        missing = _better(G, drive, columns)
        if len(missing):
            columns = np.union1d(columns, missing)
            continue
        if float(drive @ q) - float((drive @ G).max()) > 0:
            return None
        used = c > 0
        found = Mixture(columns[used], c[used] / c[used].sum())
        if not _add(cuts, forms, wanted, found.of(V), Q, V, CUTS_AT_ONCE, tolerance):
            return found
    raise ConvergenceError(f"convex cover: no combination and no proof after {MOST_STEPS} linear programs")


def smallest_multiple(
    Q: np.ndarray, V: np.ndarray, enough: float = 0.0, tolerance: float = 1e-4
) -> tuple[float, Mixture]:
    r"""The smallest factor f, or one that will do, and a convex combination with :math:`Q \preceq f \sum_k c_k V_k`.

    Parameters
    ----------
    Q : (n, n) complex ndarray
        Positive semidefinite matrix to bound.
    V : (v, n, n) complex ndarray
        Positive definite matrices.
    enough : float
        Any factor up to this one will do.
    tolerance : float
        Part by which the factor may be above the smallest.

    Raises
    ------
    ConvergenceError
        When none is found, as where Q has SAR in a direction in which no V has.

    Notes
    -----
    With :math:`y = f c` it is the least :math:`\sum y` with :math:`y \ge 0`, :math:`Q \preceq \sum_k y_k V_k`. Linear
    programs over the directions found so far bound it from below, and :math:`y` times the largest eigenvalue of Q
    relative to the combination is possible, which bounds it from above.
    """
    from scipy.linalg import LinAlgError, eigh
    from scipy.optimize import linprog

    size = float(np.linalg.eigvalsh(Q)[-1])
    if size <= 0:
        return 0.0, Mixture(np.array([0]), np.ones(1))
    scale = float(np.trace(V, axis1=1, axis2=2).real.max())
    cuts = [np.linalg.eigh(Q)[1][:, -1]]
    best, found = np.inf, None
    for _ in range(MOST_STEPS):
        G, q = np.array([_forms(u, V) for u in cuts]) / scale, np.array([_form(u, Q) for u in cuts]) / size
        program = linprog(np.ones(len(V)), A_ub=-G, b_ub=-q, bounds=(0, None), method="highs-ds")
        if program.x is None:
            break
        y = np.maximum(program.x, 0) * (size / scale)
        try:
            values, vectors = eigh(Q, np.tensordot(y, V, 1))
        except LinAlgError:
            break
        if values[-1] * y.sum() < best:
            best, used = float(values[-1] * y.sum()), y > 0
            found = Mixture(np.flatnonzero(used), y[used] / y[used].sum())
        if found is not None and (best <= enough or best <= (1 + tolerance) * program.fun * (size / scale)):
            return best, found
        cuts += [u / np.linalg.norm(u) for value, u in zip(values, vectors.T, strict=True) if value > 1][-CUTS_AT_ONCE:]
    raise ConvergenceError("no multiple of the bounds was found that is above a matrix")


def _add(
    cuts: list[np.ndarray],
    forms: list[np.ndarray],
    wanted: list[float],
    P: np.ndarray,
    Q: np.ndarray,
    V: np.ndarray,
    most: int,
    tolerance: float = 0.0,
) -> bool:
    """Enter the directions in which Q is above P by more than the tolerance; whether there was any."""
    values, vectors = np.linalg.eigh(Q - P)
    if values[-1] <= tolerance:
        return False
    for n in range(1, most + 1):
        if n <= len(values) and values[-n] > max(tolerance, 0.2 * values[-1]):
            u = vectors[:, -n]
            cuts.append(u)
            forms.append(_forms(u, V))
            wanted.append(_form(u, Q))
    return True


def _better(G: np.ndarray, drive: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Matrices outside of the program that are above all inside for the mixed drive, the best few."""
    value = drive @ G
    inside = value[columns].max()
    outside = np.flatnonzero(value > inside + 1e-12 * abs(inside))
    return outside[np.argsort(value[outside])[-COLUMNS // 2 :]]


def _program(G: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients that bring the largest of q - G c down most, and the mixture of cuts that shows it."""
    from scipy.optimize import linprog

    m, k = G.shape
    scale = float(np.abs(q).max()) or 1.0
    found = linprog(
        np.r_[np.zeros(k), 1.0],
        A_ub=np.c_[-G / scale, -np.ones(m)],
        b_ub=-q / scale,
        A_eq=np.r_[np.ones(k), 0.0][None],
        b_eq=[1.0],
        bounds=[*[(0.0, None)] * k, (None, None)],
        method="highs-ds",
    )
    if found.x is None:
        raise ConvergenceError(f"convex cover: the linear program was not solved: {found.message}")
    drive = np.maximum(-np.asarray(found.ineqlin.marginals), 0)
    return np.maximum(found.x[:k], 0), drive / drive.sum()


def _forms(u: np.ndarray, V: np.ndarray) -> np.ndarray:
    """u^H V u of all matrices."""
    return np.asarray(((V @ u) @ u.conj()).real)


def _form(u: np.ndarray, Q: np.ndarray) -> float:
    return float((u.conj() @ Q @ u).real)
