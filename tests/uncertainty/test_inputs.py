"""Joint laws: correlations that are met, transforms that invert each other, designs and quadrature."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import emdose as em
from emdose.errors import InputError
from emdose.uncertainty import Law, design, optimal_subset, sparse_grid

KINDS: list[Law] = [
    em.Normal(1.0, 0.1),
    em.Uniform(0.0, 1.0),
    em.LogNormal(1.0, 0.5),
    em.Triangular(0.0, 1.0, mode=0.1),
    em.Arcsine(0.0, 1.0),
    em.Beta(0.0, 1.0, a=2.0, b=5.0),
    em.Discrete((0.0, 1.0, 2.0), (1, 2, 1)),
    em.TruncatedNormal(1.0, 0.4),
    em.StudentT(0.0, 1.0, dof=6),
]


def pair(a: Law, b: Law, r: float, **more: Any) -> em.Inputs:
    return em.Inputs((em.Input("a", a), em.Input("b", b)), [[1, r], [r, 1]], **more)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(KINDS), st.sampled_from(KINDS), st.floats(-0.7, 0.7))
def test_stated_correlation_is_that_of_the_values(a: Law, b: Law, r: float) -> None:
    """Oracle: the product moment by a product rule of 400 x 400 midpoints of equal probability, to its own error."""
    try:
        inputs = pair(a, b, r)
    except InputError as error:  # such as two that are skewed to one side and correlated to the other
        if "that these laws cannot have" not in str(error):
            raise
        return
    rho = float(inputs.normal_correlation[0, 1])
    u = (np.arange(400) + 0.5) / 400
    z = stats.norm.ppf(u)
    ga = a.of_normal(z)[:, None] - a.mean
    gb = b.of_normal(rho * z[:, None] + math.sqrt(1 - rho**2) * z[None]) - b.mean
    heavy = em.StudentT in (type(a), type(b)) or em.LogNormal in (type(a), type(b))
    own = float(1 - np.mean(z**2))  # what the rule loses in the tails, of a normal law's variance: 4e-3
    assert float(np.mean(ga * gb)) / (a.sd * b.sd) == pytest.approx(r, abs=2e-2 if heavy else own + 1e-4)


@pytest.mark.parametrize(
    ("a", "b", "r", "expected"),
    [
        (KINDS[1], KINDS[1], 0.5, 2 * math.sin(math.pi * 0.5 / 6)),
        (KINDS[0], KINDS[1], 0.5, 0.5 * math.sqrt(math.pi / 3)),
        (KINDS[2], KINDS[0], 0.5, 0.5 * 0.5 / math.sqrt(math.log(1.25))),
        (KINDS[2], KINDS[2], 0.5, math.log1p(0.5 * 0.25) / math.log(1.25)),
        (em.Discrete((0.0, 1.0)), em.Discrete((0.0, 1.0)), 0.5, math.sin(math.pi * 0.5 / 2)),
    ],
)
def test_correction_has_its_closed_form(a: Law, b: Law, r: float, expected: float) -> None:
    """Oracle: closed forms (Liu and Der Kiureghian 1986, tables 2 and 4; the arcsine law for two halves), to 1e-6."""
    assert pair(a, b, r).normal_correlation[0, 1] == pytest.approx(expected, abs=1e-6)


def test_covariance_is_met_by_samples_of_all_kinds() -> None:
    """Oracle: correlation of 2^15 Sobol points of seven laws at once, to 1e-2; of ranks likewise."""
    d = 7
    r = 0.15 + 0.25 * np.cos(0.5 * np.subtract.outer(np.arange(d), np.arange(d)))
    np.fill_diagonal(r, 1.0)
    inputs = tuple(em.Input(f"x{i}", law) for i, law in enumerate(KINDS[:d]))
    joint = em.Inputs(inputs, r)
    x = joint.of_uniform(design("sobol", 2**15, joint, seed=3))
    np.testing.assert_allclose(np.corrcoef(x.T), r, atol=1e-2)
    np.testing.assert_allclose(joint.covariance(), r * np.outer(joint.sd, joint.sd), rtol=1e-9)
    ranks = em.Inputs(inputs[:6], r[:6, :6], kind="spearman")
    x = ranks.of_uniform(design("sobol", 2**15, ranks, seed=3))
    np.testing.assert_allclose(stats.spearmanr(x).statistic, r[:6, :6], atol=1e-2)
    np.testing.assert_allclose(np.cov(x.T), ranks.covariance(), atol=1e-2 * np.max(ranks.sd) ** 2)


def test_clayton_copula_of_chaospy() -> None:
    """Oracle: Kendall's tau theta / (theta + 2); ties in the lower tail, 2^(-1/theta) of it (Nelsen 2006, 5.4)."""
    theta = 2.0
    joint = em.Inputs((em.Input("a", KINDS[0]), em.Input("b", KINDS[2])), copula="clayton", theta=theta)
    u = design("sobol", 1024, joint, seed=1)
    x = joint.of_uniform(u)
    assert stats.kendalltau(x[:, 0], x[:, 1]).statistic == pytest.approx(theta / (theta + 2), abs=0.02)
    low = (KINDS[0].cdf(x[:, 0]) < 0.1) & (KINDS[2].cdf(x[:, 1]) < 0.1)
    assert low.mean() == pytest.approx((2 * 0.1**-theta - 1) ** (-1 / theta), abs=0.01)
    np.testing.assert_allclose(joint.of_germ(joint.to_germ(x)), x, rtol=1e-4)
    np.testing.assert_allclose(x.mean(0), joint.mean, rtol=0.01)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.6, 0.6), st.integers(0, 50), st.booleans())
def test_germs_and_samples_invert_each_other(r: float, seed: int, tied: bool) -> None:
    """Oracle: the identity."""
    laws = [law for law in KINDS if law.points is None]
    d = len(laws)
    matrix = r ** np.abs(np.subtract.outer(np.arange(d), np.arange(d))) if tied and r else None
    joint = em.Inputs(tuple(em.Input(f"x{i}", law) for i, law in enumerate(laws)), matrix, kind="spearman")
    assert joint.independent == (matrix is None)
    u = np.random.default_rng(seed).uniform(1e-4, 1 - 1e-4, (20, d))
    x = joint.of_uniform(u)
    np.testing.assert_allclose(joint.of_germ(joint.to_germ(x)), x, rtol=1e-6, atol=1e-9)
    again = pickle.loads(pickle.dumps(joint))
    np.testing.assert_array_equal(again.of_uniform(u), x)


def test_correlated_linear_model_has_its_variance() -> None:
    """Oracle: a^T C a; the sparse grid integrates it to rounding, 4096 Sobol points to 1 %."""
    c = np.array([[4.0, 1.2, 0.0], [1.2, 1.0, -0.3], [0.0, -0.3, 0.25]])
    a, m = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    joint = em.Inputs.of_covariance(("a", "b", "c"), m, c)
    np.testing.assert_allclose(joint.covariance(), c, atol=1e-12)
    x, w = sparse_grid(joint, 1)
    y = x @ a
    assert w.sum() == pytest.approx(1)
    assert w @ y == pytest.approx(a @ m)
    assert w @ (y - a @ m) ** 2 == pytest.approx(a @ c @ a, rel=1e-9)
    y = joint.of_uniform(design("sobol", 4096, joint)) @ a
    assert y.var() == pytest.approx(a @ c @ a, rel=0.01)
    other = joint.reordered(("c", "a", "b"))
    np.testing.assert_allclose(other.covariance(), c[np.ix_([2, 0, 1], [2, 0, 1])], atol=1e-12)


@pytest.mark.parametrize("kind", ["sobol", "halton", "random"])
def test_designs_go_on_where_they_stopped(kind: str) -> None:
    """Oracle: the same points in one call."""
    whole = design(kind, 20, 3, seed=5)
    np.testing.assert_array_equal(np.vstack([design(kind, 8, 3, seed=5), design(kind, 12, 3, seed=5, start=8)]), whole)
    assert not np.array_equal(whole, design(kind, 20, 3, seed=6))


@pytest.mark.parametrize("kind", ["sobol", "latin hypercube"])
def test_designs_fill_each_axis_evenly(kind: str) -> None:
    """Oracle: stratification: one point in each of n = 32 slices of each axis."""
    u = design(kind, 32, 4, seed=2)
    for column in u.T:
        assert sorted(np.floor(32 * column).astype(int)) == list(range(32))


def test_sparse_grid_integrates_polynomials() -> None:
    """Oracle: E[x^2 y^2] of independent laws, in closed form; a discrete law takes part."""
    laws = (em.Normal(1.0, 0.5), em.Uniform(0.0, 2.0), em.Discrete((0.0, 1.0, 3.0)))
    joint = em.Inputs(tuple(em.Input(n, law) for n, law in zip("abc", laws, strict=True)))
    x, w = sparse_grid(joint, 2)
    assert w @ (x[:, 0] ** 2 * x[:, 1] ** 2) == pytest.approx(1.25 * 4 / 3, rel=1e-9)
    assert w @ x[:, 2] ** 2 == pytest.approx(10 / 3, rel=1e-9)


def test_optimal_subset_beats_chance() -> None:
    """Oracle: log determinant of random subsets of the same size; a smaller subset begins a larger one."""
    rng = np.random.default_rng(0)
    psi = np.polynomial.legendre.legvander(rng.uniform(-1, 1, 300), 7)
    best = optimal_subset(psi, 16)
    assert len(set(best.tolist())) == 16
    np.testing.assert_array_equal(best[:10], optimal_subset(psi, 10))
    found = np.linalg.slogdet(psi[best].T @ psi[best])[1]
    picks = [rng.choice(300, 16, replace=False) for _ in range(200)]
    assert found > max(np.linalg.slogdet(psi[i].T @ psi[i])[1] for i in picks)


TWO = (em.Input("a", em.Normal(0.0, 1.0)), em.Input("b", em.LogNormal(1.0, 2.0)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: em.Input("a", em.Normal(relative=0.1)), "a: a law without a nominal value"),
        (lambda: em.Input("a", em.Normal(relative=0.1), 0.0), "a: a relative law at a nominal value of 0"),
        (lambda: em.Input("a", 0.1), "not a law"),
        (lambda: em.Inputs(()), "no inputs"),
        (lambda: em.Inputs((TWO[0], TWO[0])), "there twice"),
        (lambda: em.Inputs(TWO, [[1, 2], [2, 1]]), "out of range"),
        (lambda: em.Inputs(TWO, [[1, 0.2], [0.3, 1]]), "not symmetric"),
        (lambda: em.Inputs(TWO, [[1, 1], [1, 1]]), "not positive definite"),
        (lambda: em.Inputs(TWO, {("a", "c"): 0.5}), "unknown input"),
        (lambda: em.Inputs(TWO, {("a", "b"): 1.5}), "correlation of a and b"),
        (lambda: em.Inputs(TWO, {("a", "b"): 0.9}), "-0.6343 to 0.6343"),
        (lambda: em.Inputs(TWO, copula="clayton"), "bad theta"),
        (lambda: em.Inputs(TWO, copula="frank"), "unknown choice"),
        (lambda: em.Inputs.of_covariance("ab", [0, 0], [[1, 2], [2, 1]]), "covariance that is not positive definite"),
        (lambda: em.Inputs(TWO).of_uniform([[0.5]]), "shape (n, 2)"),
        (lambda: design("sobols", 4, 2), "did you mean 'sobol'"),
        (lambda: design("latin hypercube", 4, 2, start=4), "cannot go on"),
        (lambda: design("sobol", 0, 2), "bad count"),
        (lambda: optimal_subset(np.ones((3, 2)), 4), "1 to 3"),
    ],
)
def test_bad_inputs_are_refused_in_one_line(make: Any, words: str) -> None:
    """Oracle: the words of the error."""
    with pytest.raises(InputError) as error:
        make()
    assert words in str(error.value)
