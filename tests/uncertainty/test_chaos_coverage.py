"""What a small study says of its own moments: repeated many times, its intervals hold the truth as often as they say.

Oracle: the moments of the model itself, of 400 000 samples or in closed form.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import emdose as em
from emdose.uncertainty.chaos import chaos_uncertainty, fit
from emdose.uncertainty.inputs import Input, Inputs
from emdose.uncertainty.laws import Normal, Uniform

PAIR = Inputs((Input("a", Normal(mean=0, sd=1)), Input("b", Uniform(low=-1, high=1))))


def smooth(X: np.ndarray) -> np.ndarray:
    return np.exp(0.4 * X[:, 0]) + np.sin(3 * X[:, 1]) + 0.3 * X[:, 0] * X[:, 1] ** 2


def rippled(X: np.ndarray) -> np.ndarray:
    return X[:, 0] + X[:, 1] + 0.5 * X[:, 0] * X[:, 1] + 0.1 * np.sin(5 * X[:, 0])


def coverage(model: Callable[[np.ndarray], np.ndarray], n: int, degree: int, studies: int) -> dict[str, float]:
    truth = model(PAIR.sample(400_000, seed=99))
    wanted, held = {"mean": truth.mean(), "sd": truth.std()}, {"mean": 0, "sd": 0}
    for seed in range(studies):
        X = PAIR.sample(n, seed=seed)
        y = model(X)
        u = chaos_uncertainty(fit(PAIR, X, y, degree), X, y)
        for name, value in wanted.items():
            low, high = u.interval(name)
            held[name] += bool(low <= value <= high)
    return {name: k / studies for name, k in held.items()}


def test_two_hundred_studies() -> None:
    """Binomial: 95 % of 200 is 190 +- 3.1."""
    found = coverage(smooth, 30, 2, 200)
    assert all(0.905 <= share <= 0.99 for share in found.values()), found


@pytest.mark.slow
@pytest.mark.parametrize(("model", "n", "degree"), [(smooth, 30, 2), (smooth, 120, 3), (rippled, 60, 2)])
def test_a_thousand_studies(model: Callable[[np.ndarray], np.ndarray], n: int, degree: int) -> None:
    found = coverage(model, n, degree, 1000)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def test_noise_alone_has_the_uncertainty_of_a_mean() -> None:
    """Outputs that no input explains: u(mean) = s / sqrt n, u(sd) = s / sqrt(2 n), for each of many outputs."""
    X = PAIR.sample(400)
    Y = np.random.default_rng(0).standard_normal((400, 2, 50))
    u = chaos_uncertainty(fit(PAIR, X, Y, 1), X, Y)
    assert u.mean.shape == (2, 50)
    assert u.of_mean.mean() == pytest.approx(1 / 20, rel=0.02)
    assert u.of_sd.mean() == pytest.approx(1 / np.sqrt(800), rel=0.03)
    assert u.sd.mean() == pytest.approx(1, rel=0.01)
    assert u.dof == 397


def test_an_exact_polynomial_is_certain() -> None:
    X = PAIR.sample(30)
    y = 1 + X[:, 0] * X[:, 1]
    u = chaos_uncertainty(fit(PAIR, X, y, 2), X, y)
    assert u.sd == pytest.approx(np.sqrt(1 / 3), rel=1e-10)
    assert max(u.of_mean, u.of_sd) < 1e-12


def test_bad_input_is_one_line() -> None:
    X = PAIR.sample(6)
    y = X[:, 0]
    with pytest.raises(em.InputError, match="no samples beyond the terms"):
        chaos_uncertainty(fit(PAIR, X, y, 2), X, y)
    with pytest.raises(em.InputError, match="do not fit the chaos"):
        chaos_uncertainty(fit(PAIR, X, y, 1), X, X)
