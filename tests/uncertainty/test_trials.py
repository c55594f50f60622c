"""Monte Carlo beside the examples of GUM Supplement 1, to its digits, and beside closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

import emdose as em
from emdose.errors import InputError
from emdose.uncertainty import (
    Law,
    check_budget,
    coverage_interval,
    first_order,
    first_order_samples,
    monte_carlo,
)
from emdose.uncertainty.trials import numerical_tolerance


def total(x: np.ndarray) -> np.ndarray:
    return np.asarray(x.sum(axis=1))


def four(*laws: Law) -> em.Inputs:
    return em.Inputs(tuple(em.Input(f"X{i + 1}", law) for i, law in enumerate(laws)))


def rectangular(sd: float) -> em.Uniform:
    return em.Uniform(-math.sqrt(3) * sd, math.sqrt(3) * sd)


@pytest.mark.parametrize(
    ("laws", "sd", "end", "holds"),
    [
        ((em.Normal(0.0, 1.0),) * 4, 2.00, 3.92, True),
        ((rectangular(1),) * 4, 2.00, 3.88, False),
        ((*(rectangular(1),) * 3, rectangular(10)), 10.1, 17.0, False),
    ],
    ids=["normal", "rectangular", "one dominates"],
)
def test_additive_model(laws: tuple[Law, ...], sd: float, end: float, holds: bool) -> None:
    """Oracle: JCGM 101:2008, 9.2.2 to 9.2.4: sd, ends of the interval, and whether the budget is validated."""
    inputs = four(*laws)
    digits = 3
    found = monte_carlo(total, inputs, digits=digits, seed=1, most=2_000_000)
    assert abs(found.mean) < 3 * sd / math.sqrt(found.trials)
    assert found.sd == pytest.approx(sd, abs=0.06 if sd > 5 else 0.005)
    assert found.interval == pytest.approx((-end, end), abs=0.05 if sd > 5 else 0.01)
    budget = first_order(inputs, total(first_order_samples(inputs)))
    assert budget.expanded == pytest.approx({2.0: 3.92, 10.1: 19.9}[sd], abs=0.05 if sd > 5 else 0.005)
    assert check_budget(budget, found, 2 if sd > 5 else digits).holds == holds


def test_trials_stop_when_the_digits_stand() -> None:
    """Oracle: JCGM 101:2008, 7.9.4; the normal law for the true values."""
    found = monte_carlo(total, four(*(em.Normal(0.0, 1.0),) * 4), digits=2, seed=3)
    assert found.reached
    assert found.error < found.tolerance == 0.05
    assert 20_000 <= found.trials < 1_000_000
    assert abs(found.interval[1] - 3.92) < found.tolerance
    ended = monte_carlo(total, four(*(em.Normal(0.0, 1.0),) * 4), digits=4, most=50_000)
    assert not ended.reached
    assert ended.trials == 50_000


def test_mass_calibration() -> None:
    """Oracle: JCGM 101:2008, 9.3.3: 1.2341 mg, 0.0754 mg, [1.0834, 1.3825]; the budget 0.0539, [1.1285, 1.3395]."""
    inputs = em.Inputs(
        (
            em.Input("m_R", em.Normal(100_000.0, 0.050), unit="mg"),
            em.Input("dm_R", em.Normal(1.234, 0.020), unit="mg"),
            em.Input("air", em.Uniform(1.10, 1.30), unit="kg/m3"),
            em.Input("rho_W", em.Uniform(7000.0, 9000.0), unit="kg/m3"),
            em.Input("rho_R", em.Uniform(7950.0, 8050.0), unit="kg/m3"),
        )
    )

    def deviation(x: np.ndarray) -> np.ndarray:
        m, dm, air, weight, reference = x.T
        return np.asarray((m + dm) * (1 + (air - 1.2) * (1 / weight - 1 / reference)) - 100_000.0)

    found = monte_carlo(deviation, inputs, digits=2, seed=2, most=1_000_000)
    assert found.reached
    assert found.mean == pytest.approx(1.2341, abs=4 * found.sd / math.sqrt(found.trials))
    assert found.sd == pytest.approx(0.0754, abs=3 * found.sd / math.sqrt(found.trials))
    # 8e6 trials give [1.0846, 1.3835]; the published ends are those of one run, within its tolerance of 0.005.
    assert found.interval == pytest.approx((1.0846, 1.3835), abs=2 * found.tolerance)
    assert found.interval == pytest.approx((1.0834, 1.3825), abs=0.0025)
    budget = first_order(inputs, deviation(first_order_samples(inputs, both=True)), both=True)
    assert budget.combined == pytest.approx(0.0539, abs=5e-5)
    assert budget.interval == pytest.approx((1.1285, 1.3395), abs=2e-4)
    check = check_budget(budget, found, digits=1)
    assert (check.low, check.high) == (pytest.approx(0.0451, abs=0.002), pytest.approx(0.0430, abs=0.002))
    assert not check.holds


@pytest.mark.parametrize(
    ("x1", "r", "mean", "sd", "interval"),
    [
        (0.0, 0.0, 50, 50, (0, 150)),
        (0.010, 0.0, 150, 112, (0, 367)),
        (0.050, 0.0, 2550, 502, (1590, 3543)),
        (0.0, 0.9, 50, 67, (0, 185)),
        (0.010, 0.9, 150, 121, (13, 398)),
        (0.050, 0.9, 2550, 505, (1628, 3555)),
    ],
)
def test_comparison_loss(x1: float, r: float, mean: float, sd: float, interval: tuple[float, float]) -> None:
    """Oracle: JCGM 101:2008, 9.4, in units of 1e-6; without correlation the noncentral chi-square law."""
    u = 0.005
    inputs = em.Inputs((em.Input("X1", em.Normal(x1, u)), em.Input("X2", em.Normal(0.0, u))), [[1, r], [r, 1]])
    found = monte_carlo(
        lambda x: 1e6 * (x[:, 0] ** 2 + x[:, 1] ** 2), inputs, digits=3, interval="shortest", seed=4, most=1_000_000
    )
    assert found.mean == pytest.approx(mean, abs=0.5 + 4 * sd / math.sqrt(found.trials))
    assert found.sd == pytest.approx(sd, abs=0.6 + 0.004 * sd)
    assert found.interval == pytest.approx(interval, abs=1 + 0.012 * sd)
    if r == 0:
        law = stats.ncx2(2, (x1 / u) ** 2, scale=1e6 * u**2) if x1 else stats.chi2(2, scale=1e6 * u**2)
        assert found.quantile([0.05, 0.5, 0.95]) == pytest.approx(law.ppf([0.05, 0.5, 0.95]), rel=0.015)
        low, high = found.interval
        assert law.cdf(high) - law.cdf(low) == pytest.approx(0.95, abs=0.001)


def test_intervals_hold_their_share() -> None:
    """Oracle: counting; the shortest is no longer than the symmetric, and one-sided for an exponential law."""
    y = np.sort(np.random.default_rng(0).exponential(size=20_001))
    symmetric, shortest = coverage_interval(y, 0.9), coverage_interval(y, 0.9, "shortest")
    for low, high in (symmetric, shortest):
        assert np.mean((y >= low) & (y <= high)) == pytest.approx(0.9, abs=2e-4)
    assert shortest[1] - shortest[0] < symmetric[1] - symmetric[0]
    assert shortest == pytest.approx((0, -math.log(0.1)), abs=0.05)


@pytest.mark.parametrize(
    ("sd", "digits", "expected"), [(0.00035, 2, 0.000005), (0.00035, 1, 0.00005), (2, 1, 0.5), (0.9996, 2, 0.05)]
)
def test_numerical_tolerance(sd: float, digits: int, expected: float) -> None:
    """Oracle: JCGM 101:2008, 7.9.2, examples 1 and 3 (0.35 mg of 100 g; 2 K)."""
    assert numerical_tolerance(sd, digits) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: monte_carlo(lambda s: s, x), "not one number for each sample"),
        (lambda x: monte_carlo(lambda s: np.full(len(s), np.nan), x), "without a finite result at"),
        (lambda x: monte_carlo(total, x, coverage=95), "coverage"),
        (lambda x: monte_carlo(total, x, interval="short"), "did you mean 'shortest'"),
        (lambda x: coverage_interval(np.arange(5.0), 0.95), "too few values"),
    ],
)
def test_bad_trials_are_refused_in_one_line(make: Any, words: str) -> None:
    """Oracle: the words of the error."""
    with pytest.raises(InputError) as error:
        make(four(*(em.Normal(0.0, 1.0),) * 4))
    assert words in str(error.value)
