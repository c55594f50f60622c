"""Orthonormal polynomials of one law by their three-term recurrence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.joint import MarginalLaw
from emdose.values import owned, read_only

NORMAL_GERM = ("log-normal", "student t")
"""Laws whose polynomials are not complete in L2, or do not exist: theirs are Hermite polynomials of the normal germ."""

PANEL, ROUGH = 20, 10
"""Points of a panel of the quadrature, and of the rule that judges it."""

DEEPEST = 48
"""How often a panel is halved where the density has a kink."""


@read_only
@dataclass(frozen=True, eq=False)
class Polynomials:
    """Orthonormal polynomials p_0 ... p_order of one law.

    Parameters
    ----------
    a, b : array (order + 1,)
        Recurrence of the standardised variable: sqrt(b_k+1) p_k+1 = (t - a_k) p_k - sqrt(b_k) p_k-1, b_0 = 1.
    centre, scale : float
        t = (x - centre) / scale.
    law : MarginalLaw or None
        Where given, the variable is not x but the normal germ: t = Phi^-1(F(x)).

    Source: W. Gautschi, Orthogonal Polynomials: Computation and Approximation, Oxford 2004.
    """

    a: np.ndarray
    b: np.ndarray
    centre: float = 0.0
    scale: float = 1.0
    law: Any = None

    @property
    def order(self) -> int:
        """Highest degree."""
        return self.a.size - 1

    def evaluate(self, x: np.ndarray) -> np.ndarray:
        """Values p_k(x) of all degrees.

        Parameters
        ----------
        x : array (n,)
            Points.

        Returns
        -------
        array (order + 1, n)
        """
        if self.law is not None:
            t = np.asarray(self.law.to_normal(x), float)
        else:
            t = (np.asarray(x, float) - self.centre) / self.scale
        p = np.ones((self.order + 1, t.size))
        root = np.sqrt(self.b)
        for k in range(self.order):
            p[k + 1] = (t - self.a[k]) * p[k]
            if k:
                p[k + 1] -= root[k] * p[k - 1]
            p[k + 1] /= root[k + 1]
        return p


def polynomials(law: MarginalLaw, order: int) -> Polynomials:
    """The orthonormal polynomials of a law up to an order.

    Normal and uniform laws have Hermite and Legendre polynomials; laws whose recurrence chaospy knows take that; any
    other law the Stieltjes procedure on a quadrature of its density. Log-normal and Student's laws take the Hermite
    polynomials of their normal germ, as their own are not complete or do not exist.

    Parameters
    ----------
    law : MarginalLaw
        Law of the input.
    order : int
        Highest degree.

    Raises
    ------
    InputError
        For a law that does not vary, or a degree that it has no polynomials of (as many values, no such moments).

    Source: D. Xiu, G. E. Karniadakis, SIAM J. Sci. Comput. 24 (2002) 619-644; O. G. Ernst et al., ESAIM: M2AN 46 (2012)
    317-339 (log-normal: not complete); J. Feinberg, H. P. Langtangen, J. Comput. Sci. 11 (2015) 46-57 (chaospy).
    """
    if law.points is not None and order >= len(law.points):
        found = f"{len(law.points)} values"
        raise InputError(f"no polynomials of degree {order}", field="law", found=found, expected="a lower degree")
    k = np.arange(order + 1.0)
    hermite = np.maximum(k, 1.0)
    if law.kind in NORMAL_GERM:
        return Polynomials(owned(np.zeros(order + 1)), owned(hermite), law=law)
    m, s = float(law.mean), float(law.sd)
    if not (np.isfinite(m) and np.isfinite(s) and s > 0):
        raise InputError("a law that does not vary has no polynomials", field="law", found=law, expected="sd > 0")
    if law.kind == "normal":
        return Polynomials(owned(np.zeros(order + 1)), owned(hermite), m, s)
    if law.kind == "uniform":
        b = np.where(k > 0, 3 * k**2 / np.maximum(4 * k**2 - 1, 1.0), 1.0)
        return Polynomials(owned(np.zeros(order + 1)), owned(b), m, s)
    known = _known(law, order) if law.points is None else None
    if known is None:
        a, b = _stieltjes(law, order, m, s)
    else:
        a, b = (known[0] - m) / s, np.where(k > 0, known[1] / s**2, 1.0)
    if not np.all(np.isfinite(a) & np.isfinite(b) & (b > 0)):
        raise InputError(f"no polynomials of degree {order}", field="law", found=law, expected="a law with moments")
    return Polynomials(owned(np.array(a)), owned(np.array(b)), m, s)


def _known(law: MarginalLaw, order: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Monic recurrence that chaospy has in closed form, in the units of the law; None where it has none."""
    import chaospy

    try:
        found = [np.ravel(law.chaospy().ttr(np.array([k]))) for k in range(order + 1)]
    except (chaospy.UnsupportedFeature, chaospy.StochasticallyDependentError):
        return None
    a, b = np.array(found, float).T
    return (a, b) if np.all(np.isfinite(a)) and np.all(b[1:] > 0) else None


def _stieltjes(law: MarginalLaw, order: int, m: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    """Monic recurrence of the standardised law by the discretised Stieltjes procedure."""
    if law.points is None:
        t, w = _quadrature(law, order, m, s)
    else:
        t, w = (np.array(law.points) - m) / s, np.asarray(law.pdf(np.array(law.points)), float)
    w = w / w.sum()
    a, b = np.zeros(order + 1), np.ones(order + 1)
    before, now = np.zeros_like(t), np.ones_like(t)
    for k in range(order + 1):  # orthonormal on the way, so that no power leaves the range of floats
        a[k] = w @ (t * now**2)
        step = (t - a[k]) * now - (np.sqrt(b[k]) * before if k else 0.0)
        if k < order:
            b[k + 1] = w @ step**2
            before, now = now, step / np.sqrt(b[k + 1])
    return a, b


def _quadrature(law: MarginalLaw, order: int, m: float, s: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of the density in t = (x - m) / s, on panels halved until two Gauss rules agree."""
    low, high = ((end - m) / s for end in law.support)

    def density(t: np.ndarray) -> np.ndarray:
        return s * np.asarray(law.pdf(m + s * t), float)

    def end(sign: float) -> float:
        t = 4.0  # a tail is left where its part of the highest moment is
        while t < 1e6 and density(np.array([sign * t]))[0] * t ** (2 * order + 2) > 1e-20:
            t *= 1.25
        return sign * t

    low = low if np.isfinite(low) else end(-1.0)
    high = high if np.isfinite(high) else end(1.0)
    fine, coarse = np.polynomial.legendre.leggauss(PANEL), np.polynomial.legendre.leggauss(ROUGH)
    edges = np.linspace(low, high, 17)
    waiting = list(zip(edges[:-1], edges[1:], np.zeros(16), strict=True))
    nodes, weights = [], []
    while waiting:
        left, right, depth = waiting.pop()
        half, middle = (right - left) / 2, (right + left) / 2
        t = middle + half * fine[0]
        w = half * fine[1] * density(t)
        rough = half * coarse[1] @ density(middle + half * coarse[0])
        if abs(w.sum() - rough) > 1e-15 and depth < DEEPEST:
            waiting += [(left, middle, depth + 1), (middle, right, depth + 1)]
        else:
            nodes.append(t)
            weights.append(w)
    return np.concatenate(nodes), np.concatenate(weights)
