"""Outputs that are maps: peaks that move, strata, and closed forms of physics against their own Monte Carlo.

Oracles: the map itself evaluated everywhere; the law of total variance in closed form; fields of spheres and
ellipsoids in closed form, sampled directly.
"""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.uncertainty import designs
from emdose.uncertainty.chaos import fit, peak_samples, stratified_chaos
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Discrete, Normal, Uniform

TWO = Inputs((Input("drive", Uniform(low=-1, high=1)), Input("sigma", Normal(mean=0.7, sd=0.07))))
S = np.linspace(-1, 1, 40)
SPOTS = [np.exp(-((S[:, None] - x) ** 2 + (S - y) ** 2) / 0.02) for x, y in ((-0.5, 0.1), (0.6, -0.3))]


def design(inputs: Inputs, n: int, seed: int = 1) -> np.ndarray:
    return inputs.of_uniform(designs.design("sobol", n, inputs, seed=seed))


def hot_spots(X: np.ndarray) -> np.ndarray:
    """Two hot spots that take turns in being the hottest, (n, 40, 40): smooth in the inputs, their peak is not."""
    first = (1 + 0.4 * X[:, 0]) ** 2 * X[:, 1]
    second = (1 - 0.4 * X[:, 0]) ** 2 * (1.6 - X[:, 1])
    return sum(np.multiply.outer(a, f) for a, f in zip((first, second), SPOTS, strict=True))


def test_the_peak_is_that_of_the_map_and_no_polynomial() -> None:
    X = design(TWO, 60)
    Y = hot_spots(X)
    new = design(TWO, 2000, seed=5)
    truth = hot_spots(new).reshape(2000, -1).max(axis=1)

    def away(predicted: np.ndarray) -> float:
        return float(np.sqrt(np.mean((predicted - truth) ** 2)) / truth.std())

    of_the_maximum = fit(TWO, X, Y.reshape(60, -1).max(axis=1))
    of_the_map = fit(TWO, X, Y)
    found = peak_samples(of_the_map, X=new)
    assert away(of_the_maximum.predict(new)) > 0.1  # of the spread of the peak
    assert away(found.values) < 1e-8
    # The distribution of the polynomial of the maximum is wrong where it is needed, the other is exact.
    assert abs(np.quantile(of_the_maximum.predict(new), 0.02) / np.quantile(truth, 0.02) - 1) > 0.02
    assert found.quantile(0.95) == pytest.approx(np.quantile(truth, 0.95), rel=1e-9)
    places, shares = found.shares_of_places()
    assert len(places) == 2
    assert shares.sum() == pytest.approx(1)
    np.testing.assert_array_equal(
        np.ravel_multi_index(found.places.T, (40, 40)), hot_spots(new).reshape(2000, -1).argmax(1)
    )


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "modes"])
def test_leaving_voxels_out_changes_nothing(sparse: bool) -> None:
    """All 1600 voxels evaluated, in double precision."""
    X = design(TWO, 80)
    c = fit(TWO, X, hot_spots(X) + 0.05 * np.sin(3 * X[:, 1])[:, None, None], 5, sparse=sparse)
    found = peak_samples(c, 500, seed=3, block=77)
    everywhere = c.predict(found.X).reshape(500, -1)
    np.testing.assert_allclose(found.values, everywhere.max(axis=1), rtol=1e-12)
    assert 2 <= found.candidates < 100
    mask = np.zeros((40, 40), bool)
    mask[:, :15] = True
    inside = peak_samples(c, 500, seed=3, inside=mask)
    np.testing.assert_allclose(inside.values, everywhere[:, mask.ravel()].max(axis=1), rtol=1e-12)
    assert (inside.places[:, 1] < 15).all()
    single = peak_samples(fit(TWO, X, hot_spots(X).astype("float32"), 5), 500, seed=3)
    np.testing.assert_allclose(single.values, hot_spots(found.X).reshape(500, -1).max(axis=1), rtol=1e-4)


def test_indices_of_a_peak() -> None:
    """max(x, 0) of x uniform in [-1, 1] with an input that does nothing, and the mean 1/4, variance 5/48."""
    X = design(TWO, 20)
    c = fit(TWO, X, np.stack([X[:, 0], np.zeros(20)], axis=1), 1)
    found = peak_samples(c)
    assert found.mean == pytest.approx(0.25, abs=1e-3)
    assert found.sd == pytest.approx(np.sqrt(5 / 48), abs=1e-3)
    own = found.chaos()
    np.testing.assert_allclose(own.total, [1, 0], atol=1e-3)
    assert 1e-6 < own.loo < 0.01


def test_bad_peaks_are_one_line() -> None:
    X = design(TWO, 20)
    with pytest.raises(em.InputError, match="one output has no peak"):
        peak_samples(fit(TWO, X, X[:, 0], 1))
    c = fit(TWO, X, X, 1)
    for mask in (np.ones(3, bool), np.zeros(2, bool), np.ones(2)):
        with pytest.raises(em.InputError, match="mask does not fit"):
            peak_samples(c, inside=mask)


# ---- strata ----------------------------------------------------------------------------------------------------------
MIXED = Inputs(
    (Input("x", Uniform(low=0, high=1)), Input("size", Discrete((1.0, 2.0, 4.0), (0.5, 0.25, 0.25))), *TWO.inputs[1:])
)


def test_law_of_total_variance() -> None:
    """y = size x: E = E[s] / 2; Var = E[s^2] / 3 - (E[s] / 2)^2; the variances of all parts are known."""
    X = MIXED.sample(200)
    Y = np.stack([X[:, 1] * X[:, 0], X[:, 1] ** 2 + X[:, 0]], axis=1)
    c = stratified_chaos(MIXED, X, Y, degree=2)
    assert c.names == ("size = 1.0", "size = 2.0", "size = 4.0")
    assert c.weights == pytest.approx((0.5, 0.25, 0.25))
    s, s2, s4 = 2.0, 5.5, 0.5 + 4 + 64
    np.testing.assert_allclose(c.mean, [s / 2, s2 + 0.5], rtol=1e-10)
    v = np.array([s2 / 3 - s**2 / 4, s4 - s2**2 + 1 / 12])
    np.testing.assert_allclose(c.variance, v, rtol=1e-10)
    np.testing.assert_allclose(c.first_of_strata * v, [(s2 - s**2) / 4, s4 - s2**2], rtol=1e-9)
    np.testing.assert_allclose(c.first * v, [[s**2 / 12, 1 / 12], [0, 0]], atol=1e-10)
    np.testing.assert_allclose(c.total * v, [[s2 / 12, 1 / 12], [0, 0]], atol=1e-10)
    np.testing.assert_allclose(c.total_of_strata * v, [(s2 - s**2) / 3, s4 - s2**2], rtol=1e-9)
    np.testing.assert_allclose(c.sd, np.sqrt(v), rtol=1e-9)
    assert c.loo.max() < 1e-18
    np.testing.assert_allclose(c.quantile(0.5), np.median(MIXED.sample(10**5)[:, :2].prod(axis=1)), atol=5)
    assert c.sample(1000).shape == (1000, 2)


def test_strata_are_the_polynomial_of_a_discrete_input() -> None:
    """A discrete input in the basis of all says the same where its polynomials suffice."""
    X = design(MIXED, 300)
    y = X[:, 0] * X[:, 1] + X[:, 2] ** 2
    together = fit(MIXED, X, y, 4)
    apart = stratified_chaos(MIXED, X, y, degree=3)
    assert apart.mean == pytest.approx(float(together.mean), rel=1e-9)
    assert apart.variance == pytest.approx(float(together.variance), rel=1e-9)
    np.testing.assert_allclose(apart.first, together.first[[0, 2]], atol=1e-9)
    np.testing.assert_allclose(apart.total_of_strata, together.total[1], atol=1e-9)


def test_bad_strata_are_one_line() -> None:
    X = MIXED.sample(100)
    with pytest.raises(em.InputError, match="strata need discrete inputs"):
        stratified_chaos(TWO, X[:, [0, 2]], X[:, 0])
    with pytest.raises(em.InputError, match="strata need discrete inputs"):
        stratified_chaos(MIXED, X, X[:, 0], by="x")
    with pytest.raises(em.InputError, match=r"a stratum without samples; found 'size = 4.0'"):
        stratified_chaos(MIXED, X[X[:, 1] < 3], X[X[:, 1] < 3, 0])
    few = np.concatenate([X[X[:, 1] != 2], X[X[:, 1] == 2][:3]])
    with pytest.raises(em.InputError, match=r"size = 2.0: fewer samples than terms"):
        stratified_chaos(MIXED, few, few[:, 0], degree=2)
