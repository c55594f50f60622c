"""Monte Carlo after GUM Supplement 1: adaptive, with the two coverage intervals, and the check of the budget by it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import one_of, whole, within
from emdose.conformity import Conformity, samples_beside_limit
from emdose.errors import InputError
from emdose.uncertainty.budget import COVERAGE, Budget
from emdose.uncertainty.inputs import Inputs
from emdose.values import owned, read_only

BLOCK = 10_000
"""Least number of trials of a block."""

INTERVALS = ("symmetric", "shortest")


@read_only
@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """The law of a result, as trials of its inputs make it.

    Parameters
    ----------
    values : ndarray (M,)
        The result of every trial, in ascending order.
    mean, sd : float
        Its expectation and standard deviation.
    interval : tuple of float
        Coverage interval of the kind asked for.
    coverage : float
        Its probability.
    kind : {"symmetric", "shortest"}
        Probabilistically symmetric, or the shortest one.
    tolerance : float
        Numerical tolerance that the number of significant digits of the standard deviation implies.
    reached : bool
        Whether mean, sd and both ends are known to the tolerance; where not, the largest number of trials ended it.
    error : float
        Twice the standard deviation, over the blocks, of the mean of that of mean, sd and ends which is known worst.
    blocks : int
        Number of blocks.

    Source: JCGM 101:2008, 5.9, 7.
    """

    values: np.ndarray
    mean: float
    sd: float
    interval: tuple[float, float]
    coverage: float
    kind: str
    tolerance: float
    reached: bool
    error: float
    blocks: int

    @property
    def trials(self) -> int:
        """Number of trials."""
        return int(self.values.size)

    def quantile(self, q: Any) -> np.ndarray:
        """Values below which the result lies with probability ``q`` (any shape)."""
        return np.asarray(np.quantile(self.values, np.asarray(q, float)))

    def interval_of(self, kind: str, coverage: float | None = None) -> tuple[float, float]:
        """Coverage interval of another kind or probability.

        Raises
        ------
        InputError
            For an unknown kind or a probability that is none.
        """
        return coverage_interval(self.values, self.coverage if coverage is None else coverage, kind)

    def beside_limit(self, limit: float) -> Conformity:
        """The result beside an upper limit; see :func:`emdose.conformity.samples_beside_limit`."""
        return samples_beside_limit(self.values, limit, self.mean, self.coverage)


def quantile_interval(values: np.ndarray, q: float, coverage: float = COVERAGE) -> tuple[float, float]:
    """Interval that holds the quantile of a law, whatever the law is, from independent samples of it.

    It lies between two of the samples in ascending order, since the number of samples below the quantile is binomial.
    With few samples an end may be further out than all of them; it is infinite then.

    Parameters
    ----------
    values : (n,) ndarray
        The samples.
    q : float
        Probability of the quantile.
    coverage : float
        Least probability that the interval holds it.

    Raises
    ------
    InputError
        For probabilities that are none, or no samples.

    Source: H. A. David, H. N. Nagaraja, Order Statistics, 3rd ed., Wiley 2003, 7.1.
    """
    from scipy.stats import binom

    within("q", q, 0, 1, ends="()")
    within("coverage", coverage, 0, 1, ends="()")
    order = np.sort(np.asarray(values, float).ravel())
    whole("values", len(order), 1)
    tail = 0.5 * (1 - coverage)
    low, high = int(binom.ppf(tail, len(order), q)), int(binom.ppf(1 - tail, len(order), q)) + 1
    ends = np.concatenate([[-np.inf], order, [np.inf]])
    return float(ends[low]), float(ends[min(high, len(order) + 1)])


def coverage_interval(values: np.ndarray, coverage: float = COVERAGE, kind: str = "symmetric") -> tuple[float, float]:
    """Interval that holds a share of sorted values.

    Parameters
    ----------
    values : ndarray (M,)
        Values in ascending order.
    coverage : float
        The share.
    kind : {"symmetric", "shortest"}
        As many values below as above it, or the shortest of all that hold so many.

    Raises
    ------
    InputError
        For an unknown kind, a share that is none, or too few values.

    Source: JCGM 101:2008, 7.7.
    """
    one_of("kind", kind, INTERVALS, problem="unknown interval")
    p, m = within("coverage", coverage, 0, 1, ends="()"), values.size
    q = math.floor(p * m + 0.5)
    if not 1 <= q < m:
        raise InputError("too few values for this coverage", field="values", found=m, expected=f"> {1 / (1 - p):.0f}")
    if kind == "symmetric":
        r = max((m - q + 1) // 2, 1)
        return float(values[r - 1]), float(values[r - 1 + q])
    start = int(np.argmin(values[q:] - values[:-q]))
    return float(values[start]), float(values[start + q])


def monte_carlo(
    model: Callable[[np.ndarray], Any],
    inputs: Inputs,
    *,
    digits: int = 2,
    coverage: float = COVERAGE,
    interval: str = "symmetric",
    most: int = 10_000_000,
    seed: int = 0,
) -> MonteCarlo:
    """The law of a result by trials, in blocks, until its digits stand.

    Parameters
    ----------
    model : callable
        The result (n,) of samples (n, d), all in one call.
    inputs : Inputs
        What is sampled.
    digits : int
        Significant digits of the standard deviation that are to be trusted.
    coverage : float
        Probability of the coverage interval.
    interval : {"symmetric", "shortest"}
        Its kind.
    most : int
        Largest number of trials.
    seed : int
        Of the trials.

    Raises
    ------
    InputError
        For options that make no sense, or a model that does not return one finite number for each sample.

    Source: JCGM 101:2008, 7.9.4: blocks until twice the standard deviation of the average, over the blocks, of mean,
    sd and both ends is below the tolerance.
    """
    digits, most = whole("digits", digits, 1, 6), whole("most", most, 2 * BLOCK)
    p = within("coverage", coverage, 0, 1, ends="()")
    one_of("interval", interval, INTERVALS, problem="unknown interval")
    block = min(max(math.ceil(100 / (1 - p)), BLOCK), most // 2)
    rng = np.random.default_rng(whole("seed", seed, 0))
    parts: list[np.ndarray] = []
    found: list[tuple[float, float, float, float]] = []
    sums = np.zeros(3)  # number, sum and sum of squares about the first mean, for the tolerance while blocks come
    reached, tolerance, error = False, 0.0, math.inf
    while not reached and (len(parts) + 1) * block <= most:
        y = np.sort(_answers(model, inputs.of_uniform(rng.random((block, inputs.dimension)))))
        parts.append(y)
        found.append((float(y.mean()), float(y.std(ddof=1)), *coverage_interval(y, p, interval)))
        away = y - found[0][0]
        sums += np.array([block, away.sum(), away @ away])
        h = len(found)
        if h > 1:
            sd = math.sqrt(max((sums[2] - sums[1] ** 2 / sums[0]) / (sums[0] - 1), 0.0))
            tolerance = numerical_tolerance(sd, digits)
            error = 2 * float(np.max(np.std(found, axis=0, ddof=1))) / math.sqrt(h)
            reached = error < tolerance or sd == 0
    y = owned(np.sort(np.concatenate(parts)))
    return MonteCarlo(
        y,
        float(y.mean()),
        float(y.std(ddof=1)),
        coverage_interval(y, p, interval),
        p,
        interval,
        tolerance,
        reached,
        error,
        len(parts),
    )


def numerical_tolerance(sd: float, digits: int) -> float:
    """Half a unit in the last of the significant digits of a standard deviation.

    Equation: sd = c 10^l with c an integer of so many digits; 10^l / 2.

    Source: JCGM 101:2008, 7.9.2.
    """
    if not sd > 0:
        return 0.0
    mantissa, exponent = f"{sd:.{digits - 1}e}".split("e")
    return 0.5 * 10.0 ** (int(exponent) - len(mantissa.replace(".", "")) + 1)


@read_only
@dataclass(frozen=True)
class BudgetCheck:
    """Whether the law of propagation of uncertainty gives the coverage interval that Monte Carlo gives.

    Parameters
    ----------
    low, high : float
        Distances of both ends of the intervals.
    tolerance : float
        What they may differ by.
    """

    low: float
    high: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether both distances are within the tolerance: the budget is validated in this instance."""
        return self.low <= self.tolerance and self.high <= self.tolerance


def check_budget(budget: Budget, result: MonteCarlo, digits: int = 2) -> BudgetCheck:
    """A budget beside Monte Carlo on the same model, for the same coverage.

    Parameters
    ----------
    budget : Budget
        By the law of propagation.
    result : MonteCarlo
        By trials, to a fifth of the tolerance or better (``digits`` + 1 there).
    digits : int
        Significant digits of the combined standard uncertainty that are meaningful.

    Raises
    ------
    InputError
        For a budget of another coverage.

    Source: JCGM 101:2008, 8.
    """
    if not math.isclose(budget.coverage, result.coverage):
        raise InputError(
            "another coverage", field="coverage", found=budget.coverage, expected=f"{result.coverage} as of the trials"
        )
    (a, b), (c, d) = budget.interval, result.interval
    return BudgetCheck(abs(a - c), abs(b - d), numerical_tolerance(budget.combined, digits))


def _answers(model: Callable[[np.ndarray], Any], x: np.ndarray) -> np.ndarray:
    y = np.asarray(model(x), float)
    if y.shape == (len(x), 1):
        y = y[:, 0]
    if y.shape != (len(x),):
        raise InputError("not one number for each sample", field="model", found=y.shape, expected=f"shape ({len(x)},)")
    bad = ~np.isfinite(y)
    if bad.any():
        at = ", ".join(f"{v:.6g}" for v in x[int(np.argmax(bad))])
        raise InputError(f"a model without a finite result at ({at})", field="model", found=f"{int(bad.sum())} of them")
    return y
