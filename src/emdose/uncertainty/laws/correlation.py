"""Correlation of values and of their normal scores: Nataf's correction, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from emdose.errors import InputError
from emdose.uncertainty.laws.base import Law
from emdose.uncertainty.laws.tailed import LogNormal, Normal

REACH = 8.5
"""Normal scores beyond it count for nothing."""

NODES = 24
"""Points of Gauss and Legendre in each piece of the line of normal scores."""

TERMS = 60
"""Hermite polynomials of the score that a value is expanded in."""

NEAREST = 1 - 1e-9
"""Largest magnitude of a correlation of normal scores."""


def cholesky(field: str, matrix: np.ndarray, problem: str | None = None) -> np.ndarray:
    """Lower triangle of a covariance or correlation.

    Parameters
    ----------
    field : str
        What it is called.
    matrix : ndarray (d, d)
        The matrix.
    problem : str, optional
        Words of the error.

    Raises
    ------
    InputError
        When it is not symmetric, or not positive definite.
    """
    size = float(np.max(np.abs(matrix)))
    if not np.allclose(matrix, matrix.T, rtol=0, atol=1e-9 * size):
        raise InputError(f"{field} that is not symmetric", field=field, expected="matrix[i, j] == matrix[j, i]")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least <= 1e-12 * size:
        raise InputError(
            problem or f"{field} that is not positive definite",
            field=field,
            found=f"smallest eigenvalue {least:.3g}",
            expected="all eigenvalues > 0",
        )
    return np.linalg.cholesky(matrix)


def of_scores(laws: Sequence[Law], names: Sequence[str], wanted: np.ndarray, kind: str = "pearson") -> np.ndarray:
    """Correlation that normal scores must have so that values have the wanted one.

    Parameters
    ----------
    laws : sequence of Law
        Absolute laws, d of them.
    names : sequence of str
        Their names, for errors.
    wanted : ndarray (d, d)
        Correlation of the values, or of their ranks.
    kind : {"pearson", "spearman"}
        Which.

    Raises
    ------
    InputError
        Where two laws cannot have such a correlation.

    Equation: for ranks 2 sin(pi r / 6); for values the root of (E[g_i(Z_i) g_j(Z_j)] - m_i m_j) / (s_i s_j) = r.

    Source: P.-L. Liu, A. Der Kiureghian, Prob. Eng. Mech. 1 (1986) 105-112.
    """
    found = np.eye(len(laws))
    for i in range(len(laws)):
        for j in range(i):
            if wanted[i, j]:
                found[i, j] = found[j, i] = _score(laws[j], laws[i], (names[j], names[i]), wanted[i, j], kind)
    return found


def of_values(laws: Sequence[Law], scores: np.ndarray) -> np.ndarray:
    """Correlation (product moment) of values whose normal scores have a given one, (d, d)."""
    found = np.eye(len(laws))
    for i in range(len(laws)):
        for j in range(i):
            if scores[i, j]:
                found[i, j] = found[j, i] = _Pair(laws[i], laws[j]).of(float(scores[i, j]))
    return found


def _score(a: Law, b: Law, names: tuple[str, str], wanted: float, kind: str) -> float:
    from scipy.optimize import brentq

    if kind == "spearman":
        return 2 * math.sin(math.pi * wanted / 6)
    if isinstance(a, Normal) and isinstance(b, Normal):
        return wanted
    pair = _Pair(a, b)
    end = math.copysign(NEAREST, wanted)
    most = pair.of(end)
    if abs(most) <= abs(wanted):
        raise InputError(
            "a correlation that these laws cannot have",
            field=f"correlation of {names[0]} and {names[1]}",
            found=round(float(wanted), 6),
            expected=f"{pair.of(-NEAREST):.4f} to {pair.of(NEAREST):.4f}",
        )
    root: float = brentq(lambda r: pair.of(r) - wanted, *sorted((0.0, end)), xtol=1e-9)
    return root


class _Pair:
    """Correlation of two values as a function of that of their normal scores."""

    def __init__(self, a: Law, b: Law) -> None:
        self.a, self.b = (b, a) if a.points is not None and b.points is None else (a, b)
        if self.b.points is not None:
            self.z, w = _nodes(self.a.breaks())
            self.weighted = (self.a.of_normal(self.z) - self.a.mean) / self.a.sd * w
        else:
            self.products = _coefficients(self.a) * _coefficients(self.b)

    def of(self, r: float) -> float:
        """Correlation of the values."""
        if isinstance(self.a, LogNormal) and isinstance(self.b, LogNormal):
            va, vb = (law.of_normal(1.0) / law.of_normal(0.0) for law in (self.a, self.b))
            va, vb = math.log(va), math.log(vb)
            return math.expm1(r * va * vb) / math.sqrt(math.expm1(va**2) * math.expm1(vb**2))
        if self.b.points is None:
            return float(np.polynomial.polynomial.polyval(r, self.products))
        # A law with jumps: its expectation at each score of the other one is a sum of normal probabilities.
        from scipy.special import ndtr

        values = (np.asarray(self.b.points) - self.b.mean) / self.b.sd
        below = ndtr((self.b.breaks() - r * self.z[:, None]) / math.sqrt(1 - r * r))
        return float(self.weighted @ (values[0] + (1 - below) @ np.diff(values)))


def _coefficients(law: Law) -> np.ndarray:
    """Of the standardised value in the orthonormal Hermite polynomials of its normal score; the first is 0.

    Mehler's formula makes the correlation of two values of these: sum_k a_k b_k r^k.
    """
    z, w = _nodes(law.breaks())
    g = (law.of_normal(z) - law.mean) / law.sd * w
    found = np.zeros(TERMS)
    before, now = np.zeros_like(z), np.ones_like(z)
    for k in range(1, TERMS):
        before, now = now, (z * now - math.sqrt(k - 1) * before) / math.sqrt(k)
        found[k] = g @ now
    return found


def _nodes(breaks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points on the line of normal scores and their weights; pieces end at the breaks."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    ends = np.unique(np.concatenate([np.linspace(-REACH, REACH, 9), breaks[np.abs(breaks) < REACH]]))
    half, middle = 0.5 * np.diff(ends), 0.5 * (ends[1:] + ends[:-1])
    z = (middle[:, None] + half[:, None] * x).ravel()
    weights = (half[:, None] * w).ravel() * np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    return z, weights
