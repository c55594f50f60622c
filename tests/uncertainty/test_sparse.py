"""Sparse chaos: least-angle regression, and maps by their leading modes.

Oracles: the path of scikit-learn, least squares on the same terms, closed moments of Ishigami's function, and the
dense chaos of the same map.
"""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import emdose as em
from emdose.uncertainty import designs
from emdose.uncertainty.chaos import Basis, ModalChaos, fit, multi_indices
from emdose.uncertainty.chaos.bases.least_squares import LeastSquares
from emdose.uncertainty.chaos.bases.sparse import least_angle
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Normal, Uniform

CUBE = Inputs(tuple(Input(f"x{i}", Uniform(low=-np.pi, high=np.pi)) for i in range(3)))
TOTAL = [0.55758886, 0.44241114, 0.24368366]


def design(inputs: Inputs, n: int, seed: int = 1) -> np.ndarray:
    return inputs.of_uniform(designs.design("sobol", n, inputs, seed=seed))


def ishigami(X: np.ndarray) -> np.ndarray:
    return np.sin(X[:, 0]) + 7 * np.sin(X[:, 1]) ** 2 + 0.1 * X[:, 2] ** 4 * np.sin(X[:, 0])


def noisy(n: int = 60, P: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    Psi = np.column_stack([np.ones(n), rng.standard_normal((n, P - 1)) + 0.3])
    return Psi, 2 * Psi[:, 3] + Psi[:, 7] - 0.5 * Psi[:, 12] + 3 + 0.1 * rng.standard_normal(n)


def test_path_is_that_of_scikit_learn() -> None:
    lars = pytest.importorskip("sklearn.linear_model").lars_path
    Psi, y = noisy()
    X = Psi[:, 1:] - Psi[:, 1:].mean(axis=0)
    _, active, _ = lars(X / np.sqrt((X**2).sum(axis=0)), y - y.mean(), method="lar", max_iter=40)
    path = least_angle(Psi, y)
    assert path.order[0] == 0
    assert path.order.size > 10
    np.testing.assert_array_equal(path.order[1:], np.array(active)[: path.order.size - 1] + 1)
    assert set(path.terms) >= {0, 3, 7, 12}


def test_errors_of_the_path_are_those_of_least_squares() -> None:
    """Corrected leave-one-out of a fresh QR on the first k terms."""
    Psi, y = noisy()
    path = least_angle(Psi, y)
    for k in (1, 4, 12):
        solver = LeastSquares(Psi[:, path.order[:k]])
        assert path.errors[k - 1] == pytest.approx(solver.errors(y[:, None])[0] * solver.correction, rel=1e-9)
    assert path.error == path.errors.min()


def test_columns_that_say_nothing_new_are_left_out() -> None:
    Psi, y = noisy(40, 20)
    twice = np.column_stack([Psi, Psi[:, 3], 2 * Psi[:, 7] - Psi[:, 3], np.ones(40)])
    path = least_angle(twice, y)
    solver = LeastSquares(twice[:, path.terms])
    assert solver.errors(y[:, None])[0] < 0.1
    assert 22 not in path.order


def test_nothing_varies() -> None:
    path = least_angle(noisy()[0], np.full(60, 2.0))
    assert path.terms.tolist() == [0]
    assert path.error == 0


def test_ishigami_of_400_samples_of_degree_8_to_2e_3() -> None:
    """Of 24 scramblings 23 are within 2e-3 and the other within 2.1e-3, their median is 5e-4; here are twelve."""
    away = []
    for seed in range(12):
        X = design(CUBE, 400, seed)
        c = fit(CUBE, X, ishigami(X), 8, sparse=True)
        assert c.basis.terms < 50
        assert c.loo < 1e-3
        away.append(np.abs(c.total - TOTAL).max())
    assert np.median(away) < 1e-3
    assert sorted(away)[-2] < 2e-3
    assert max(away) < 2.5e-3


def test_degree_of_a_sparse_basis_is_chosen() -> None:
    X = design(CUBE, 200)
    c = fit(CUBE, X, ishigami(X), sparse=True)
    assert c.indices.degree > 9
    np.testing.assert_allclose(c.total, TOTAL, atol=1e-4)
    few = fit(CUBE, X, X[:, 0] ** 2 * X[:, 2] + 1, sparse=True, truncation="adaptive")
    assert few.loo < 1e-20
    assert few.mean == pytest.approx(1, abs=1e-10)


def test_many_inputs_few_samples() -> None:
    """12 inputs, 64 samples: total degree 2 has 91 terms, more than samples; three of them are there."""
    inputs = Inputs(tuple(Input(f"x{i}", Normal(mean=0, sd=1)) for i in range(12)))
    X = design(inputs, 64)
    y = 3 * X[:, 0] + X[:, 4] * X[:, 7] + X[:, 2] ** 2
    with pytest.raises(em.InputError, match="fewer samples than terms"):
        fit(inputs, X, y, 2)
    c = fit(inputs, X, y, 2, sparse=True)
    assert c.loo < 1e-20
    np.testing.assert_allclose(c.first[[0, 2, 4]], [9 / 12, 2 / 12, 0], atol=1e-9)
    np.testing.assert_allclose(c.total[[4, 7, 11]], [1 / 12, 1 / 12, 0], atol=1e-9)


def test_each_of_a_few_outputs_has_terms_of_its_own() -> None:
    X = design(CUBE, 120)
    Y = np.stack([ishigami(X), X[:, 0] * X[:, 1], 5 - X[:, 2]], axis=1).reshape(120, 3, 1)
    c = fit(CUBE, X, Y, 6, sparse=True)
    assert c.shape == (3, 1)
    for k in range(3):
        own = fit(CUBE, X, Y[:, k, 0], 6, sparse=True)
        np.testing.assert_allclose(c.total[:, k, 0], own.total, atol=1e-12)
        np.testing.assert_allclose(c.loo[k, 0], own.loo, atol=1e-12)
    assert (c.coefficients[:, 1, 0] != 0).sum() < 6


def smooth_map(X: np.ndarray) -> np.ndarray:
    """A map of rank three, (n, 4, 50)."""
    s = np.linspace(0, 1, 200).reshape(4, 50)
    parts = (ishigami(X), np.sin(s)), (X[:, 0] * X[:, 1], s**2), (X[:, 2], 3 * np.cos(9 * s))
    return 2 + sum(np.multiply.outer(a, f) for a, f in parts)


def test_modes_of_a_map() -> None:
    X = design(CUBE, 300)
    Y = smooth_map(X)
    modal = fit(CUBE, X, Y, 9, sparse=True, block=31)
    assert isinstance(modal, ModalChaos)
    assert modal.modes.shape == (3, 4, 50)
    assert modal.energy == pytest.approx(1, abs=1e-9)
    dense = fit(CUBE, X, Y, 9)
    for name, tolerance in (("mean", 2e-2), ("sd", 2e-2), ("first", 1e-2), ("total", 1e-2)):
        np.testing.assert_allclose(getattr(modal, name), getattr(dense, name), atol=tolerance, err_msg=name)
    new = CUBE.sample(50, seed=9)
    truth = smooth_map(new)
    away = ((modal.predict(new) - truth) ** 2).mean(axis=0) / truth.var(axis=0)
    np.testing.assert_allclose(modal.predict(new[0]), modal.predict(new)[0], rtol=1e-12)
    assert away.max() < 1e-3
    assert modal.loo.max() < 1e-3
    sets, shares = modal.shares()
    assert np.abs(shares.sum(axis=0) - 1).max() < 1e-12
    np.testing.assert_allclose(shares[[("x1" in s) for s in sets]].sum(axis=0), modal.total[1], atol=1e-12)
    np.testing.assert_allclose(modal.group(["x0", "x1", "x2"]).total, 1, rtol=1e-12)
    np.testing.assert_allclose(modal.quantile(0.5), np.median(smooth_map(CUBE.sample(20000)), axis=0), atol=0.15)
    again = copy.deepcopy(pickle.loads(pickle.dumps(modal)))
    np.testing.assert_array_equal(again.mean, modal.mean)


def test_what_modes_leave_out_is_in_the_error() -> None:
    X = design(CUBE, 300)
    Y = smooth_map(X)
    one = fit(CUBE, X, Y, 9, sparse=True, modes=1)
    assert one.energy < 0.99
    new = CUBE.sample(4000, seed=9)
    truth = smooth_map(new)
    away = ((one.predict(new) - truth) ** 2).mean(axis=0) / truth.var(axis=0)
    np.testing.assert_allclose(one.loo, away, rtol=0.2, atol=1e-3)


def test_modes_of_noise_do_not_hide_it() -> None:
    """A map of noise beside one input: the leave-one-out error says how much of each output is noise."""
    X = design(CUBE, 100)
    noise = np.random.default_rng(1).standard_normal((100, 60)).astype("float32")
    Y = (X[:, :1] + noise * np.linspace(0, 3, 60)).astype("float32")
    c = fit(CUBE, X, Y, 2, sparse=True)
    assert c.modes.dtype == "float32"
    share = np.linspace(0, 3, 60) ** 2 / (np.linspace(0, 3, 60) ** 2 + np.pi**2 / 3)
    np.testing.assert_allclose(c.loo, share, atol=0.25)


def test_bad_input_is_one_line() -> None:
    X = design(CUBE, 40)
    y = ishigami(X)
    with pytest.raises(em.InputError, match="outputs that are not finite"):
        fit(CUBE, X, np.where(X[:, 0] > 3, np.nan, y), sparse=True)
    with pytest.raises(em.InputError, match="outputs that are not finite"):
        fit(CUBE, X, np.where(X[:, :1] > 3, np.nan, np.ones((1, 30))), sparse=True)
    with pytest.raises(em.InputError, match="few coefficients"):
        fit(CUBE, X, y, sparse=True, coefficients="c.npy")


def test_a_basis_can_be_given() -> None:
    X = design(CUBE, 100)
    indices = multi_indices(3, 6, 0.7)
    c = fit(CUBE, X, ishigami(X), truncation=indices)
    assert c.basis.terms == indices.terms
    np.testing.assert_allclose(c.predict(X), Basis(CUBE, indices).evaluate(X) @ c.coefficients, rtol=1e-12)
