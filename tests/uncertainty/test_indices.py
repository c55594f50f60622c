"""Sobol indices from coefficients.

Oracles: closed forms of Ishigami's and Sobol's G functions, of a linear model of correlated normal inputs, and of a
product of correlated ones by quadrature.
"""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.uncertainty import designs
from emdose.uncertainty.chaos import Basis, fit, multi_indices
from emdose.uncertainty.chaos.indices import CORRELATED, INDEPENDENT, ROSENBLATT
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import LogNormal, Normal, Uniform

CUBE = Inputs(tuple(Input(f"x{i}", Uniform(low=-np.pi, high=np.pi)) for i in range(3)))
R = np.array([[1, 0.6, -0.2], [0.6, 1, 0.1], [-0.2, 0.1, 1]])
SD = np.array([2.0, 1.0, 0.5])
TIED = Inputs(tuple(Input(n, Normal(mean=1, sd=s)) for n, s in zip("abc", SD, strict=True)), R)


def design(inputs: Inputs, n: int, seed: int = 1) -> np.ndarray:
    return inputs.of_uniform(designs.design("sobol", n, inputs, seed=seed))


def ishigami(X: np.ndarray) -> np.ndarray:
    return np.sin(X[:, 0]) + 7 * np.sin(X[:, 1]) ** 2 + 0.1 * X[:, 2] ** 4 * np.sin(X[:, 0])


def test_ishigami_of_400_samples_to_7e_3() -> None:
    """First .3139 .4424 0, total .5576 .4424 .2437 of a = 7, b = 0.1."""
    for X in (design(CUBE, 400), CUBE.sample(400, seed=5)):
        c = fit(CUBE, X, ishigami(X), 8)
        np.testing.assert_allclose(c.total, [0.5576, 0.4424, 0.2437], atol=7e-3)
        np.testing.assert_allclose(c.first, [0.3139, 0.4424, 0.0], atol=7e-3)


def test_the_parts_of_the_variance_add_up_to_one() -> None:
    X = design(CUBE, 400)
    c = fit(CUBE, X, np.column_stack([ishigami(X), X[:, 0] * X[:, 1] * X[:, 2], np.exp(X[:, 2])]), 8)
    sets, shares = c.shares()
    assert len(sets) == 7
    assert np.abs(shares.sum(axis=0) - 1).max() < 1e-12
    for j, name in enumerate(c.names):
        np.testing.assert_allclose(shares[[s == (name,) for s in sets]].sum(axis=0), c.first[j], atol=1e-14)
        np.testing.assert_allclose(shares[[name in s for s in sets]].sum(axis=0), c.total[j], atol=1e-14)
    single = fit(CUBE, X, ishigami(X)[:, None].astype("float32"), 8)
    assert abs(single.shares()[1].sum() - 1) < 1e-12


def test_g_function_of_sobol() -> None:
    """prod (|4u - 2| + a) / (1 + a): partial variances prod over the set of 1 / (3 (1 + a)^2)."""
    a = np.array([1.0, 2.0, 5.0, 10.0])
    inputs = Inputs(tuple(Input(f"u{i}", Uniform(low=0, high=1)) for i in range(4)))
    U = design(inputs, 4096)
    c = fit(inputs, U, np.prod((np.abs(4 * U - 2) + a) / (1 + a), axis=1), 10, truncation=0.8)
    v = 1 / (3 * (1 + a) ** 2)
    whole = np.prod(1 + v) - 1
    np.testing.assert_allclose(c.first, v / whole, atol=0.01)
    np.testing.assert_allclose(c.total, v * np.prod(1 + v) / (1 + v) / whole, atol=0.01)


def test_groups() -> None:
    X = design(CUBE, 400)
    c = fit(CUBE, X, ishigami(X), 8)
    both = c.group(["x0", "x2"])
    assert both.names == ("x0, x2",)
    assert both.kind == INDEPENDENT
    np.testing.assert_allclose([both.first[0], both.total[0]], 0.5576, atol=7e-3)  # x1 stands alone
    one = c.group("x1")
    np.testing.assert_allclose([one.first[0], one.total[0]], [c.first[1], c.total[1]], rtol=1e-12)
    everything = c.group(c.names)
    np.testing.assert_allclose([everything.first[0], everything.total[0]], 1, rtol=1e-12)
    with pytest.raises(em.InputError, match=r"unknown input.*did you mean"):
        c.group("x00")
    with pytest.raises(em.InputError, match="bad group"):
        c.group(["x0", "x0"])


def test_correlated_linear_model() -> None:
    """y = b.x: Var = b'Sb; full: (Sb)_i^2 / S_ii / Var; independent: b_i^2 / (S^-1)_ii / Var."""
    b = np.array([1.0, -2.0, 3.0])
    S = R * np.outer(SD, SD)
    X = TIED.sample(40, seed=2)
    c = fit(TIED, X, X @ b, 2)
    whole = b @ S @ b
    assert c.variance == pytest.approx(whole, rel=1e-11)
    np.testing.assert_allclose(c.first, (S @ b) ** 2 / np.diag(S) / whole, atol=1e-10)
    np.testing.assert_allclose(c.total, b**2 / np.diag(np.linalg.inv(S)) / whole, atol=1e-10)
    assert c.sobol.kind == CORRELATED
    pair = c.group(["a", "c"])
    left = b[1] ** 2 / np.linalg.inv(S)[1, 1]
    assert pair.first[0] == pytest.approx(1 - left / whole, abs=1e-10)  # all but what b alone adds
    assert pair.total[0] == pytest.approx(1 - c.first[1], abs=1e-10)
    sets, shares = c.shares()  # in the stated order: a whole, then what b adds, then c
    assert abs(shares.sum() - 1) < 1e-12
    assert shares[sets.index(("a",))] == pytest.approx(c.first[0], abs=1e-10)
    assert shares[sets.index(("c",))] == pytest.approx(c.total[2], abs=1e-10)


def test_a_square_of_a_correlated_input_and_its_hyperbolic_basis() -> None:
    """y = a b of standard normals with correlation r: E[y|a] = r a^2, so first = 2 r^2 / (1 + r^2); total
    (1 - r^2) E[b^2] / (1 + r^2) = (1 - r^2) / (1 + r^2)."""
    r = 0.7
    pair = Inputs(tuple(Input(n, Normal(mean=0, sd=1)) for n in "ab"), [[1, r], [r, 1]])
    X = pair.sample(60)
    for truncation in (1.0, 0.9):
        c = fit(pair, X, X[:, 0] * X[:, 1], 4, truncation=truncation)
        np.testing.assert_allclose(c.first, 2 * r**2 / (1 + r**2), atol=1e-10)
        np.testing.assert_allclose(c.total, (1 - r**2) / (1 + r**2), atol=1e-10)


def test_correlated_lognormal_inputs() -> None:
    """y = x1 x2 of log-normal inputs is log-normal: Var(E[y|x1]) in closed form from the scores' correlation."""
    tied = Inputs(tuple(Input(n, LogNormal(mean=1, sd=0.2)) for n in "ab"), [[1, 0.5], [0.5, 1]])
    X = design(tied, 256)
    c = fit(tied, X, X[:, 0] * X[:, 1], 9)
    s2 = np.log1p(0.04)
    r = tied.normal_correlation[0, 1]
    whole = np.expm1(2 * s2 * (1 + r))
    assert c.variance == pytest.approx(whole * c.mean**2, rel=1e-6)
    np.testing.assert_allclose(c.first, np.expm1(s2 * (1 + r) ** 2) / whole, atol=1e-6)


def test_another_copula_has_indices_of_its_germs() -> None:
    clayton = Inputs(CUBE.inputs[:2], copula="clayton", theta=2.0)
    basis = Basis(clayton, multi_indices(2, 2))
    X = clayton.sample(50)
    c = fit(clayton, X, basis.evaluate(X)[:, 1], 2)
    assert c.sobol.kind == ROSENBLATT
    np.testing.assert_allclose(c.first.sum(), 1, atol=1e-12)
