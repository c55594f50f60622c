"""Trials of a model beside its polynomial. Oracles: closed forms of sampling errors, and repetition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import emdose as em
from emdose.uncertainty.model_checks import QUANTILES, ModelCheck, check_by_trials

DRAWS = stats.norm.ppf((np.arange(65536) + 0.5) / 65536, 10, 2)
"""Of a polynomial that is right: normal, mean 10, sd 2."""


def trials(n: int, seed: int, mean: float = 10.0, sd: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sd, n)


def test_sampling_errors_are_those_of_the_closed_forms() -> None:
    """Normal law: s / sqrt n, s / sqrt(2 n), and sqrt(q (1 - q) / n) over the density at the quantile."""
    n = 20_000
    found = check_by_trials("y", trials(n, 1), DRAWS, 0.0)
    told = [row.sampling / math.sqrt(1 + n / len(DRAWS)) for row in found.rows]
    closed = [2 / math.sqrt(n), 2 / math.sqrt(2 * n)]
    closed += [math.sqrt(q * (1 - q) / n) / stats.norm.pdf(stats.norm.ppf(q, 10, 2), 10, 2) for q in QUANTILES]
    np.testing.assert_allclose(told[:2], closed[:2], rtol=0.03)
    np.testing.assert_allclose(told[2:], closed[2:], rtol=0.25)  # of order statistics, themselves random


def test_a_polynomial_that_is_right_agrees_in_95_of_100_repetitions() -> None:
    """All five rows together; Bonferroni makes it a little more."""
    agree = [check_by_trials("y", trials(400, seed), DRAWS, 0.0).agrees for seed in range(400)]
    assert 0.92 <= np.mean(agree) <= 1.0


@pytest.mark.parametrize(("mean", "sd"), [(10.0, 2.6), (10.8, 2.0)])
def test_one_that_is_wrong_is_told_and_its_stated_error_excuses_no_more_than_itself(mean: float, sd: float) -> None:
    model = trials(4000, 3, mean, sd)
    found = check_by_trials("y", model, DRAWS, 0.0)
    assert not found.agrees
    assert "differ" in found.words
    assert check_by_trials("y", model, DRAWS, 0.16).agrees  # 0.4 sd is more than 0.3 and 0.4
    assert not check_by_trials("y", model, DRAWS, 1e-3).agrees


def test_the_error_at_the_trials_is_measured() -> None:
    """y = x^3 of a normal x by a polynomial of degree 1: y = 3 x, whose error has variance 6 of 15."""
    inputs = em.Inputs([em.Input("x", em.Normal(mean=0.0, sd=1.0))])
    X = np.asarray(inputs.of_uniform(np.random.default_rng(0).random((2000, 1))))
    chaos = em.polynomial_chaos(inputs, X, X[:, 0] ** 3, 1)
    new = np.random.default_rng(1).normal(size=(20_000, 1))
    found = check_by_trials("y", new[:, 0] ** 3, chaos.sample(65536), chaos.loo, predicted=chaos.predict(new))
    assert found.measured == pytest.approx(math.sqrt(6 / 15), rel=0.05)
    assert found.loo == pytest.approx(found.measured, rel=0.2)
    assert found == ModelCheck.of_dict("y", found.to_dict())


def test_weights_are_those_of_a_mixture() -> None:
    """Oracle: the same trials, some of them twice."""
    y = trials(300, 5)
    weights = np.where(np.arange(300) < 100, 2.0, 1.0)
    one = check_by_trials("y", y, DRAWS, 0.0, trial_weights=weights)
    two = check_by_trials("y", np.concatenate([y, y[:100]]), DRAWS, 0.0)
    for a, b in zip(one.rows, two.rows, strict=True):
        assert a.model == pytest.approx(b.model, abs=0.03)
    assert one.rows[0].sampling > two.rows[0].sampling  # a trial that counts twice is one trial


def test_too_few_trials_are_refused() -> None:
    with pytest.raises(em.InputError, match="too few trials"):
        check_by_trials("y", [1.0, 2.0], DRAWS, 0.0)
