"""Orthonormal bases: multi-indices, recurrences, and their values.

Oracles: chaospy's own recurrences, moments by quadrature to rounding, and counts in closed form.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.uncertainty.chaos import Basis, MultiIndices, multi_indices
from emdose.uncertainty.chaos.bases.polynomials import Polynomials, polynomials
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import (
    Arcsine,
    Beta,
    Discrete,
    Law,
    LogNormal,
    Normal,
    StudentT,
    Triangular,
    TruncatedNormal,
    Uniform,
)

LAWS = [
    Normal(mean=0.7, sd=0.05),
    Uniform(low=-1e-12, high=2e-12),
    Triangular(low=0, high=1, mode=0.3),
    TruncatedNormal(mean=1, sd=0.5, low=0),
    TruncatedNormal(mean=0.5, sd=0.7, low=-1, high=3),
    Arcsine(low=0, high=2),
    LogNormal(mean=1, sd=0.3),
    StudentT(mean=0, scale=1, dof=4),
    Discrete((1, 2, 5, 7, 8, 9, 10, 13)),
]


def expectation(p: Polynomials, law: Law) -> np.ndarray:
    """Gram matrix of the polynomials by Gauss rules of numpy in the variable of the law, cut at the kinks."""
    if law.points is not None:
        x, w = np.array(law.points), law.pdf(np.array(law.points))
    elif law.kind == "student t":  # rounding of 1 - Phi(z) ends its upper tail
        z, h = np.linspace(-8, 7.5, 20001, retstep=True)
        x, w = law.of_normal(z), h * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    elif law.kind in ("log-normal", "normal"):
        z, w = np.polynomial.hermite_e.hermegauss(40)
        x, w = law.of_normal(z), w / w.sum()
    elif law.kind == "arcsine":
        x, w = 1 - np.cos((np.arange(40) + 0.5) * np.pi / 40), np.full(40, 1 / 40)
    else:
        ends = {"triangular": [0, 0.3, 1], "uniform": list(law.support)}.get(
            law.kind, list(np.linspace(law.support[0], min(law.support[1], 6.5), 30))
        )
        t, g = np.polynomial.legendre.leggauss(40)
        x = np.concatenate([(b - a) / 2 * t + (a + b) / 2 for a, b in itertools.pairwise(ends)])
        w = np.concatenate([(b - a) / 2 * g for a, b in itertools.pairwise(ends)]) * law.pdf(x)
    V = p.evaluate(x)
    return (V * w) @ V.T


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.kind)
def test_polynomials_are_orthonormal(law: Law) -> None:
    p = polynomials(law, 4 if law.kind == "student t" else 7)
    tolerance = 1e-7 if law.kind == "student t" else 1e-11
    np.testing.assert_allclose(expectation(p, law), np.eye(p.order + 1), atol=tolerance)


@pytest.mark.parametrize("law", [LAWS[0], Beta(a=2, b=3, low=1, high=4), LAWS[2]], ids=lambda law: law.kind)
def test_recurrence_is_that_of_chaospy(law: Law) -> None:
    import chaospy

    a, b = chaospy.stieltjes(5, law.chaospy())[0][:, 0]
    p = polynomials(law, 5)
    np.testing.assert_allclose(p.a[:5] * p.scale + p.centre, a[:5], rtol=1e-7)
    np.testing.assert_allclose(p.b[1:5] * p.scale**2, b[1:5], rtol=1e-6)


def test_a_law_of_few_values_has_few_polynomials() -> None:
    with pytest.raises(em.InputError, match="no polynomials of degree 3; found '3 values'"):
        polynomials(Discrete((1, 2, 4)), 3)


@pytest.mark.parametrize(("d", "p"), [(1, 9), (3, 8), (12, 2), (6, 4)])
def test_total_degree_has_the_known_number_of_terms(d: int, p: int) -> None:
    found = multi_indices(d, p)
    assert found.terms == math.comb(d + p, p)
    assert found.degree == p
    assert (np.diff(found.degrees.sum(axis=1, dtype=int)) >= 0).all()


def test_hyperbolic_and_interaction_sets_are_what_their_inequality_says() -> None:
    every = np.array(list(itertools.product(range(6), repeat=3)))

    def as_set(a: Any) -> set[tuple[int, ...]]:
        return {tuple(map(int, row)) for row in a}

    norm = (every**0.5).sum(axis=1) ** 2
    assert as_set(multi_indices(3, 5, 0.5).degrees) == as_set(every[norm <= 5 + 1e-9])
    few = every[(every.sum(axis=1) <= 5) & ((every > 0).sum(axis=1) <= 2)]
    assert as_set(multi_indices(3, 5, interactions=2).degrees) == as_set(few)
    slanted = every[every @ [1, 2, 5] <= 5]
    assert as_set(multi_indices(3, 5, anisotropy=[1, 2, 5]).degrees) == as_set(slanted)


def test_products_are_products() -> None:
    inputs = Inputs(tuple(Input(f"x{i}", law) for i, law in enumerate(LAWS[:3])))
    basis = Basis(inputs, multi_indices(3, 4))
    X = inputs.sample(7)
    by_hand = np.ones((7, basis.terms))
    for k, row in enumerate(basis.indices.degrees):
        for j, p in enumerate(row):
            by_hand[:, k] *= polynomials(LAWS[j], 4).evaluate(X[:, j])[p]
    np.testing.assert_allclose(basis.evaluate(X), by_hand, rtol=1e-12, atol=1e-12)
    kept = basis.only([5, 3])
    np.testing.assert_array_equal(kept.evaluate(X), basis.evaluate(X)[:, [0, 3, 5]])


def test_bad_sets_are_one_line() -> None:
    for degrees in ([[1, 0]], [[0, 0], [0, 0]], [[0.0, 0.0]], [[0, 0], [-1, 0]]):
        with pytest.raises(em.InputError, match="bad multi-indices"):
            MultiIndices(np.array(degrees))
    with pytest.raises(em.InputError, match="too many terms"):
        multi_indices(50, 8)
    inputs = Inputs((Input("x", LAWS[0]),))
    with pytest.raises(em.InputError, match="do not fit the inputs; found '2 columns for 1 inputs'"):
        Basis(inputs, multi_indices(2, 1))
    with pytest.raises(em.InputError, match="samples do not fit"):
        Basis(inputs, multi_indices(1, 1)).evaluate(np.zeros((3, 2)))
