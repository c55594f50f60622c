"""Fits by least squares: coefficients, leave-one-out errors, moments, quantiles, many outputs at once.

Oracles: polynomials recovered to rounding, leave-one-out by brute force, closed moments of Ishigami's function, normal
quantiles.
"""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

import emdose as em
from emdose.errors import InputError, OutputError
from emdose.uncertainty import designs
from emdose.uncertainty.chaos import Basis, Chaos, fit, multi_indices
from emdose.uncertainty.chaos.files import NpyWriter
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Beta, Discrete, LogNormal, Normal, Triangular, Uniform

MIXED = Inputs(
    (
        Input("sigma", Normal(mean=0.7, sd=0.05)),
        Input("eps", Uniform(low=50, high=60)),
        Input("shift", Triangular(low=-1e-3, high=2e-3)),
        Input("share", Beta(a=2, b=3, low=0, high=1)),
    )
)
CUBE = Inputs(tuple(Input(f"x{i}", Uniform(low=-np.pi, high=np.pi)) for i in range(3)))
CORRELATED = Inputs(
    (Input("a", Normal(mean=1, sd=2)), Input("b", Normal(mean=0, sd=1)), Input("c", Normal(mean=5, sd=0.5))),
    [[1, 0.6, -0.2], [0.6, 1, 0.1], [-0.2, 0.1, 1]],
)


def design(inputs: Inputs, n: int, seed: int = 1) -> np.ndarray:
    return inputs.of_uniform(designs.design("sobol", n, inputs, seed=seed))


def ishigami(X: np.ndarray, a: float = 7.0, b: float = 0.1) -> np.ndarray:
    return np.sin(X[:, 0]) + a * np.sin(X[:, 1]) ** 2 + b * X[:, 2] ** 4 * np.sin(X[:, 0])


@pytest.mark.parametrize("inputs", [MIXED, CORRELATED], ids=["independent", "correlated"])
def test_a_polynomial_is_recovered(inputs: Inputs) -> None:
    basis = Basis(inputs, multi_indices(inputs.dimension, 3))
    truth = np.random.default_rng(3).standard_normal((basis.terms, 5))
    X = design(inputs, 128)
    c = fit(inputs, X, basis.evaluate(X) @ truth, 3)
    np.testing.assert_allclose(c.coefficients, truth, atol=1e-11)
    np.testing.assert_allclose(c.variance, (truth[1:] ** 2).sum(axis=0), rtol=1e-11)
    assert c.loo.max() < 1e-20
    new = inputs.sample(9, seed=8)
    np.testing.assert_allclose(c.predict(new), basis.evaluate(new) @ truth, atol=1e-10)
    np.testing.assert_allclose(c.predict(new[2]), c.predict(new)[2], rtol=1e-12)


def test_a_polynomial_in_the_inputs_themselves_is_recovered() -> None:
    """Not written in the basis: x y^2 - 3 z of physical inputs, mean by independence."""
    X = design(MIXED, 64)
    c = fit(MIXED, X, X[:, 0] * X[:, 1] ** 2 - 3 * X[:, 2], 3)
    assert c.shape == ()
    assert c.loo < 1e-22
    assert c.mean == pytest.approx(0.7 * (55**2 + 100 / 12) - 3 * 0.5e-3, rel=1e-12)


def test_leave_one_out_is_brute_force() -> None:
    n = 40
    X = design(CUBE, n)
    Y = np.column_stack([ishigami(X), X[:, 0] ** 5, np.exp(X[:, 1])])
    c = fit(CUBE, X, Y, 3)
    missed = []
    for i in range(n):
        others = np.arange(n) != i
        missed.append(Y[i] - fit(CUBE, X[others], Y[others], 3).predict(X[i]))
    spread = ((Y - Y.mean(axis=0)) ** 2).sum(axis=0)
    np.testing.assert_allclose(c.loo, (np.array(missed) ** 2).sum(axis=0) / spread, rtol=1e-9)


def test_degree_is_chosen_where_none_is_asked_for() -> None:
    X = design(MIXED, 200)
    exact = fit(MIXED, X, X[:, 0] * X[:, 1] ** 2 - 3 * X[:, 2])
    assert exact.indices.degree == 3
    assert exact.loo < 1e-20
    noisy = X[:, 0] + 0.02 * np.random.default_rng(0).standard_normal(200)
    assert fit(MIXED, X, noisy).indices.degree == 1


def test_moments_and_quantiles_of_ishigami() -> None:
    c = fit(CUBE, design(CUBE, 1024), ishigami(design(CUBE, 1024)), 10)
    assert c.mean == pytest.approx(3.5, abs=3e-3)
    assert c.variance == pytest.approx(49 / 8 + 0.1 * np.pi**4 / 5 + 0.01 * np.pi**8 / 18 + 0.5, rel=3e-3)
    direct = np.quantile(ishigami(CUBE.sample(400_000)), [0.05, 0.5, 0.95])
    np.testing.assert_allclose(c.quantile([0.05, 0.5, 0.95]), direct, atol=0.04)
    x, density = c.pdf()
    assert np.trapezoid(density, x) == pytest.approx(1, abs=2e-3)
    assert np.trapezoid(density * x, x) == pytest.approx(3.5, abs=2e-2)


def test_quantiles_of_a_normal_output() -> None:
    inputs = Inputs((Input("a", Normal(mean=1, sd=3)), Input("b", Normal(mean=0, sd=4))))
    X = inputs.sample(30)
    c = fit(inputs, X, X.sum(axis=1)[:, None] * [1.0, -2.0], 1)
    q = np.array([0.025, 0.5, 0.9])
    np.testing.assert_allclose(c.quantile(q)[:, 0], norm(1, 5).ppf(q), atol=5e-3)
    np.testing.assert_allclose(c.quantile(0.9), [norm(1, 5).ppf(0.9), norm(-2, 10).ppf(0.9)], atol=1e-2)
    x, density = fit(inputs, X, X.sum(axis=1), 1).pdf()
    np.testing.assert_allclose(density, norm(1, 5).pdf(x), atol=2e-3)
    assert c.sample(20_000).std(axis=0) == pytest.approx([5, 10], rel=0.02)


def test_a_lognormal_input_converges_in_its_normal_germ() -> None:
    """E[x^2] of a lognormal is exp(2 mu + 2 s^2): a cube of x is no polynomial of the germ, but converges."""
    inputs = Inputs((Input("x", LogNormal(mean=1, sd=0.5)),))
    x = inputs.of_uniform((np.arange(400)[:, None] + 0.5) / 400)
    s2 = np.log(1.25)
    c = fit(inputs, x, x[:, 0] ** 2, 9)
    assert c.mean == pytest.approx(np.exp(s2), rel=2e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_shapes_and_precision(dtype: str) -> None:
    X = design(CUBE, 100)
    scale = np.linspace(1, 2, 60).reshape(3, 4, 5)
    Y = (1e4 + ishigami(X)[:, None, None, None] * scale).astype(dtype)
    one = fit(CUBE, X, Y, 4)
    cut = fit(CUBE, X, Y, 4, block=7)
    assert one.coefficients.dtype == dtype
    assert one.shape == one.loo.shape == (3, 4, 5)
    assert one.first.shape == (3, 3, 4, 5)
    for a, b in ((one.coefficients, cut.coefficients), (one.loo, cut.loo), (one.total, cut.total)):
        np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-5)
    alone = fit(CUBE, X, ishigami(X), 4)
    # A mean 3000 times the spread leaves single precision 2e-7 x 1e4 of it.
    np.testing.assert_allclose(one.sd, alone.sd * scale, rtol=1e-3 if dtype == "float32" else 1e-9)
    np.testing.assert_allclose(one.loo, alone.loo, rtol=3e-3 if dtype == "float32" else 1e-8)


def test_outputs_that_do_not_vary() -> None:
    X = design(CUBE, 40)
    c = fit(CUBE, X, np.stack([np.zeros(40), np.full(40, 0.1), X[:, 0]], axis=1), 1)
    np.testing.assert_allclose(c.sd, [0, 0, np.pi / np.sqrt(3)], atol=1e-9)
    np.testing.assert_allclose(c.loo, 0, atol=1e-12)
    assert np.isfinite(c.total).all()


def test_outputs_on_disk_give_what_they_give_in_memory(tmp_path: Path) -> None:
    X = design(CUBE, 60)
    Y = np.random.default_rng(0).standard_normal((60, 33)).astype("float32") + X[:, :1].astype("float32")
    np.save(tmp_path / "y.npy", Y)
    stored = np.load(tmp_path / "y.npy", mmap_mode="r")
    c = fit(CUBE, X, stored, 2, block=10, coefficients=tmp_path / "c.npy")
    there = fit(CUBE, X, Y, 2, block=10)
    np.testing.assert_array_equal(np.load(tmp_path / "c.npy"), there.coefficients)
    np.testing.assert_array_equal(c.coefficients, there.coefficients)
    np.testing.assert_array_equal(c.loo, there.loo)
    from_path = fit(CUBE, X, tmp_path / "y.npy", 2, block=10)
    np.testing.assert_array_equal(from_path.coefficients, there.coefficients)

    class Columns:
        """Anything that gives columns."""

        shape, dtype = Y.shape, Y.dtype

        def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
            return Y[key]

    np.testing.assert_array_equal(fit(CUBE, X, Columns(), 2, block=10).total, there.total)
    np.testing.assert_array_equal(fit(CUBE, X, Columns(), block=10).loo, fit(CUBE, X, Y, block=10).loo)


def test_a_discrete_input_has_as_many_polynomials_as_values() -> None:
    inputs = Inputs((Input("size", Discrete((1, 2, 4))), Input("x", Uniform(low=0, high=1))))
    X = inputs.sample(80)
    c = fit(inputs, X, np.where(X[:, 0] == 2, 5.0, X[:, 1] ** 4), 6)
    assert c.indices.degrees[:, 0].max() == 2
    assert c.loo < 1e-20
    assert c.mean == pytest.approx(5 / 3 + 2 / 15, rel=1e-10)


def test_values_travel() -> None:
    X = design(CUBE, 40)
    c = fit(CUBE, X, ishigami(X), 2)
    for again in (pickle.loads(pickle.dumps(c)), copy.deepcopy(c)):
        assert isinstance(again, Chaos)
        np.testing.assert_array_equal(again.predict(X), c.predict(X))
    with pytest.raises(ValueError, match="read-only"):
        c.coefficients[...] = 0


def test_bad_input_is_one_line() -> None:
    X = design(CUBE, 40)
    y = ishigami(X)
    with pytest.raises(em.InputError, match=r"^Y: fewer samples than terms; found '40 samples'; expected 56 or more$"):
        fit(CUBE, X, y, 5)
    with pytest.raises(em.InputError, match="outputs do not fit the samples; found '39 for 40 samples'"):
        fit(CUBE, X, y[1:], 2)
    with pytest.raises(em.InputError, match="outputs that are not finite; found 'output 1"):
        fit(CUBE, X, np.column_stack([y, np.where(X[:, 0] > 2, np.nan, y)]), 2)
    with pytest.raises(em.InputError, match="do not tell the terms apart"):
        fit(CUBE, np.repeat(X[:4], 10, axis=0), y, 2)
    with pytest.raises(em.InputError, match='expected "auto" or a whole number'):
        fit(CUBE, X, y, "best")
    with pytest.raises(em.InputError, match="fewer samples than terms"):
        fit(CUBE, X[:3], y[:3])
    c = fit(CUBE, X, y, 2)
    with pytest.raises(em.InputError, match="numbers from 0 to 1"):
        c.quantile(1.5)
    with pytest.raises(em.InputError, match="a density is of one output"):
        fit(CUBE, X, np.column_stack([y, y]), 2).pdf()


def test_a_hyperbolic_set_is_taken_where_it_is_better() -> None:
    """A sum of high powers has no interactions: fewer terms do."""
    X = design(CUBE, 60)
    y = (X**6).sum(axis=1)
    c = fit(CUBE, X, y, truncation="adaptive")
    assert c.loo < 1e-18
    assert c.indices.terms < 40
    with pytest.raises(em.InputError, match='expected "adaptive" or 0 to 1'):
        fit(CUBE, X, y, truncation="best")


def test_a_block_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Blocks are written by a thread while the next is worked on: what goes wrong there must still be said.
    X = design(CUBE, 20)
    Y = np.ones((20, 30)) * X[:, :1]
    put, calls = NpyWriter._put, []

    def full(self: NpyWriter, a: int, block: np.ndarray) -> None:
        calls.append(a)
        if a == 20:  # the last one, so that only the end can tell
            raise OutputError("no space left on device")
        put(self, a, block)

    monkeypatch.setattr(NpyWriter, "_put", full)
    with pytest.raises(OutputError, match="no space"):
        fit(CUBE, X, Y, 2, block=10, coefficients=tmp_path / "c.npy")
    assert calls == [0, 10, 20]
    assert list(tmp_path.iterdir()) == []
    np.save(tmp_path / "y.npy", Y)
    with open(tmp_path / "y.npy", "r+b") as file:
        file.truncate(200)
    with pytest.raises(InputError, match=r"y\.npy"):
        fit(CUBE, X, tmp_path / "y.npy", 2, block=10)
