"""Multivariate orthonormal bases: which products of polynomials, and their values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, whole, within
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.joint import JointLaw
from emdose.uncertainty.chaos.bases.polynomials import Polynomials, polynomials
from emdose.values import owned, read_only

HIGHEST = 60
"""Highest degree."""

MOST = 1_000_000
"""Most terms of a set."""


@read_only
@dataclass(frozen=True, eq=False)
class MultiIndices:
    """Which products of polynomials a basis has.

    Parameters
    ----------
    degrees : array of int (P, d)
        Degree in each input, a row for each term; the first row is the constant.
    """

    degrees: np.ndarray

    def __post_init__(self) -> None:
        rows = np.asarray(self.degrees)
        good = rows.ndim == 2 and rows.shape[0] > 0 and rows.dtype.kind in "iu" and rows.min(initial=0) >= 0
        if not good or rows[0].any() or np.unique(rows, axis=0).shape != rows.shape or rows.max(initial=0) > HIGHEST:
            raise InputError(
                "bad multi-indices",
                field="degrees",
                expected=f"different rows of degrees 0 to {HIGHEST}, the first all 0",
            )
        object.__setattr__(self, "degrees", owned(rows.astype(np.uint8)))

    @property
    def terms(self) -> int:
        """Number of terms P."""
        return self.degrees.shape[0]

    @property
    def dimension(self) -> int:
        """Number of inputs d."""
        return self.degrees.shape[1]

    @property
    def degree(self) -> int:
        """Highest total degree."""
        return int(self.degrees.sum(axis=1, dtype=int).max())

    def only(self, terms: Sequence[int] | np.ndarray) -> MultiIndices:
        """The set of some of the terms; the constant stays in front."""
        kept = np.union1d([0], np.asarray(terms, int)).astype(int)
        return MultiIndices(self.degrees[kept])


def multi_indices(
    dimension: int, degree: int, q: float = 1.0, interactions: int | None = None, anisotropy: Any = None
) -> MultiIndices:
    """The multi-indices up to a degree, in total or hyperbolic, by growing total degree.

    Parameters
    ----------
    dimension : int
        Number of inputs d.
    degree : int
        Highest degree p.
    q : float
        1 for the total degree; below 1 a hyperbolic set, with fewer high interactions.
    interactions : int, optional
        Most inputs in one product.
    anisotropy : array (d,), optional
        Weights >= 1 on the degrees of each input.

    Raises
    ------
    InputError
        For numbers out of range, or a set of more than a million terms.

    Equation: (sum_j (w_j alpha_j)^q)^(1/q) <= p.

    Source: G. Blatman, B. Sudret, J. Comput. Phys. 230 (2011) 2345-2367.
    """
    d, p = whole("dimension", dimension, 1, 1000), whole("degree", degree, 0, HIGHEST)
    q = within("q", q, 0.0, 1.0, ends="(]")
    r = d if interactions is None else whole("interactions", interactions, 1, d)
    weights = np.ones(d) if anisotropy is None else array("anisotropy", anisotropy, (d,), least=1.0)
    if q == 1 and r == d and anisotropy is None and total_terms(d, p) > MOST:
        raise InputError("too many terms", field="degree", found=p, expected=f"at most {MOST} terms")
    most = p**q * (1 + 1e-12) + 1e-12
    rows, norms, active = np.zeros((1, 0), np.uint8), np.zeros(1), np.zeros(1, int)
    for j in range(d):
        powers = (weights[j] * np.arange(p + 1)) ** q
        norm, used = norms[:, None] + powers, active[:, None] + (np.arange(p + 1) > 0)
        old, new = np.nonzero((norm <= most) & (used <= r))
        if old.size > MOST:
            raise InputError("too many terms", field="degree", found=p, expected=f"at most {MOST} terms")
        rows = np.concatenate([rows[old], new[:, None].astype(np.uint8)], axis=1)
        norms, active = norm[old, new], used[old, new]
    total = rows.sum(axis=1, dtype=int)
    order = np.lexsort([*(-rows[:, ::-1].T.astype(int)), total])
    return MultiIndices(rows[order])


def total_terms(dimension: int, degree: int) -> int:
    """Number of terms of total degree: (d + p)! / (d! p!)."""
    return math.comb(dimension + degree, degree)


@read_only
@dataclass(frozen=True, eq=False)
class Basis:
    """Products of orthonormal polynomials of independent germs: E[psi_a psi_b] = 1 where a = b, else 0.

    Parameters
    ----------
    inputs : Inputs
        Joint law of the inputs. Correlated ones are mapped to independent standard normal germs.
    indices : MultiIndices
        Which products.
    univariate : tuple of Polynomials, optional
        Of each germ; found from its law where not given.

    Raises
    ------
    InputError
        Where inputs and indices differ in dimension, or a law has no polynomials.
    """

    inputs: Any
    indices: MultiIndices
    univariate: tuple[Polynomials, ...] = ()

    def __post_init__(self) -> None:
        if self.inputs.dimension != self.indices.dimension:
            found = f"{self.indices.dimension} columns for {self.inputs.dimension} inputs"
            raise InputError("multi-indices do not fit the inputs", field="indices", found=found)
        if not self.univariate:
            highest = self.indices.degrees.max(axis=0)
            laws = zip(self.inputs.germ_laws, highest, strict=True)
            object.__setattr__(self, "univariate", tuple(polynomials(law, int(p)) for law, p in laws))

    @property
    def terms(self) -> int:
        """Number of products P."""
        return self.indices.terms

    def only(self, terms: Sequence[int] | np.ndarray) -> Basis:
        """The basis of some of the terms; the constant stays in front."""
        return Basis(self.inputs, self.indices.only(terms), self.univariate)

    def evaluate(self, X: Any) -> np.ndarray:
        """Values of all products.

        Parameters
        ----------
        X : array (n, d)
            Inputs in their own units.

        Returns
        -------
        array (n, P)
        """
        return self.evaluate_germ(self.inputs.to_germ(points(self.inputs, X)))

    def evaluate_germ(self, Z: np.ndarray) -> np.ndarray:
        """Values (n, P) of all products at germs Z (n, d)."""
        degrees = self.indices.degrees
        psi = np.ones((self.terms, Z.shape[0]))
        for j, p in enumerate(self.univariate):
            uses = np.flatnonzero(degrees[:, j])
            if uses.size:
                values = p.evaluate(Z[:, j])
                # Term by term: a term is a contiguous row, and no copy of all of them is made.
                for term in uses:
                    psi[term] *= values[degrees[term, j]]
        return psi.T


def points(inputs: JointLaw, X: Any) -> np.ndarray:
    """Samples as array (n, d); raises InputError where they are not finite or of another dimension."""
    found = np.asarray(X, float)
    if found.ndim == 1 and inputs.dimension in (1, found.size):
        found = found[:, None] if inputs.dimension == 1 else found[None]
    return array("X", found, (None, inputs.dimension), problem="samples do not fit the inputs")
