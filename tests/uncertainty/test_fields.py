"""Outputs that are maps: peaks that move, strata, and closed forms of physics against their own Monte Carlo.

Oracles: the map itself evaluated everywhere; the law of total variance in closed form; fields of spheres and
ellipsoids in closed form, sampled directly.
"""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.constants import EPS_0
from emdose.uncertainty import designs
from emdose.uncertainty.chaos import Chaos, fit, peak_samples, stratified_chaos
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Discrete, LogNormal, Normal, TruncatedNormal, Uniform
from emdose.validation.closed_forms import mie
from emdose.validation.closed_forms.low_frequency.eddy_low_frequency import ellipsoid_power
from emdose.validation.closed_forms.low_frequency.uniform import sphere_in_B, sphere_in_B_power

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


# ---- closed forms of physics, beside their own Monte Carlo -----------------------------------------------------------
def within_sampling(c: Chaos, truth: np.ndarray) -> None:
    """Mean and standard deviation of the chaos within 4 standard errors of those of independent samples of the map."""
    n = len(truth)
    mean, sd = truth.mean(axis=0), truth.std(axis=0, ddof=1)
    fourth = ((truth - mean) ** 4).mean(axis=0)
    assert (np.abs(c.mean - mean) <= 4 * sd / np.sqrt(n)).all()
    of_sd = np.sqrt(np.maximum(fourth - sd**4, 0) / n) / (2 * sd)
    assert (np.abs(c.sd - sd) <= 4 * of_sd).all()


def test_sphere_in_a_switched_field() -> None:
    """Power density at points that move with the sphere, and the power: sigma and radius are random."""
    inputs = Inputs((Input("sigma", LogNormal(mean=0.5, sd=0.1)), Input("radius", Uniform(low=0.08, high=0.1))))
    unit = np.random.default_rng(0).uniform(-0.57, 0.57, (30, 3))
    f = 1e3

    def density(X: np.ndarray) -> np.ndarray:
        E = sphere_in_B(unit, f)  # in proportion to the radius
        return 0.5 * X[:, :1] * X[:, 1:] ** 2 * (np.abs(E) ** 2).sum(axis=1)

    def power(X: np.ndarray) -> np.ndarray:
        return np.array([sphere_in_B_power(R, s, f) for s, R in X])

    E = sphere_in_B(0.09 * unit, f)
    np.testing.assert_allclose(density(np.array([[0.4, 0.09]]))[0], 0.2 * (np.abs(E) ** 2).sum(axis=1), rtol=1e-12)
    X, new = design(inputs, 120), inputs.sample(4000, seed=4)
    c = fit(inputs, X, density(X), 5)
    assert c.loo.max() < 1e-8  # Hermite polynomials of ln sigma; the rest is a polynomial
    within_sampling(c, density(new))
    # sigma and R^2 are independent factors: (1 + v1)(1 + v2) - 1 of their squared coefficients of variation.
    v1, r2, r4 = 0.04, (0.1**3 - 0.08**3) / 0.06, (0.1**5 - 0.08**5) / 0.1
    v2 = r4 / r2**2 - 1
    whole = (1 + v1) * (1 + v2) - 1
    np.testing.assert_allclose(c.first, np.multiply.outer(np.array([v1, v2]) / whole, np.ones(30)), rtol=1e-3)
    total = fit(inputs, X, power(X), 6)
    r5 = (0.1**6 - 0.08**6) / (6 * 0.02)
    assert total.mean == pytest.approx(np.pi / 15 * 0.5 * (2 * np.pi * f) ** 2 * r5, rel=1e-6)
    within_sampling(total, power(new))


LAYERS = Inputs(
    (
        Input("sigma inside", Normal(mean=0.6, sd=0.06)),
        Input("eps inside", Normal(mean=55, sd=4)),
        Input("sigma outside", TruncatedNormal(mean=0.1, sd=0.02, low=0)),
        Input("radius", Uniform(low=0.085, high=0.095)),
    ),
    {("sigma inside", "eps inside"): 0.7},
)


def layered_sar(X: np.ndarray) -> np.ndarray:
    """Loss density at 40 points of a sphere of two layers in a plane wave of 128 MHz (Mie)."""
    unit = np.random.default_rng(1).uniform(-0.55, 0.55, (40, 3))
    inside = np.linalg.norm(unit, axis=1) < 0.8
    out = []
    for si, ei, so, R in X:
        eps = [e - 1j * s / (2 * np.pi * 128e6 * EPS_0) for e, s in ((ei, si), (20.0, so))]
        E = mie.Sphere((0.8 * R, R), eps, 128e6).fields(unit * R)[0]
        out.append(0.5 * np.where(inside, si, so) * (np.abs(E) ** 2).sum(axis=1))
    return np.array(out)


def mie_study(samples: int) -> None:
    X, new = design(LAYERS, 100), LAYERS.sample(samples, seed=3)
    Y, truth = layered_sar(X), layered_sar(new)
    for c in (fit(LAYERS, X, Y, 3), fit(LAYERS, X, Y, sparse=True)):
        within_sampling(c, truth)
        away = ((c.predict(new) - truth) ** 2).mean(axis=0) / truth.var(axis=0)
        assert away.mean() < 3 * c.loo.mean()  # what it says of itself
        assert c.loo.mean() < (0.01 if isinstance(c, Chaos) else 5e-4)
        away = peak_samples(c, X=new).values / truth.max(axis=1) - 1
        assert np.sqrt(np.mean(away**2)) < 0.01


def test_layered_sphere_in_a_plane_wave() -> None:
    mie_study(150)


@pytest.mark.slow
def test_layered_sphere_in_a_plane_wave_many_samples() -> None:
    mie_study(3000)


def test_power_of_an_ellipsoid_with_random_axes() -> None:
    """Along three axes; the conductivity is a factor of all, so that its share is the same by hand."""
    inputs = Inputs(
        (*(Input(n, Uniform(low=0.9 * x, high=1.1 * x)) for n, x in zip("abc", (0.02, 0.03, 0.05), strict=True)),
         Input("sigma", Normal(mean=1e6, sd=5e4)))
    )  # fmt: skip

    def power(X: np.ndarray) -> np.ndarray:
        return np.array([ellipsoid_power((a, b, c), s) for a, b, c, s in X])

    X = design(inputs, 256)
    c = fit(inputs, X, power(X), 4)
    assert c.loo.max() < 1e-5
    within_sampling(c, power(inputs.sample(4000, seed=6)))
    v = (c.sd / c.mean) ** 2
    np.testing.assert_allclose(c.first[3], 0.05**2 / v, rtol=2e-3)
    # Sigma is a factor: E[Var(P|axes)] = 0.05^2 E[P^2] / (1 + 0.05^2).
    np.testing.assert_allclose(c.total[3], 0.05**2 * (1 + v) / (1 + 0.05**2) / v, rtol=2e-3)
    np.testing.assert_allclose(c.shares()[1].sum(axis=0), 1, atol=1e-12)
