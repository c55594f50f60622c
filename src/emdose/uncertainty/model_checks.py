"""Trials of the model itself beside a polynomial: whether mean, standard deviation and quantiles agree, and to what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.values import read_only

QUANTILES = (0.025, 0.5, 0.975)
PROBABILITY = 0.95
"""With which the rows of one output lie within their bounds by chance alone, together."""
FEWEST = 8


@read_only
@dataclass(frozen=True)
class StatisticPair:
    """One statistic of an output by trials of the model and by its polynomial.

    Parameters
    ----------
    name : str
        "mean", "sd", or a quantile such as "2.5 %".
    model, surrogate : float
        By the trials, and by the polynomial.
    sampling : float
        Standard uncertainty that the number of trials leaves.
    polynomial : float
        What the leave-one-out error of the polynomial allows.
    bound : float
        Largest difference that both explain.
    """

    name: str
    model: float
    surrogate: float
    sampling: float
    polynomial: float
    bound: float

    @property
    def difference(self) -> float:
        """Polynomial less model."""
        return self.surrogate - self.model

    @property
    def agrees(self) -> bool:
        """Whether the difference lies within its bound."""
        return abs(self.difference) <= self.bound


@read_only
@dataclass(frozen=True)
class ModelCheck:
    """The polynomial of one output beside trials of the model.

    Parameters
    ----------
    name : str
        The output.
    rows : tuple of StatisticPair
        Mean, standard deviation and quantiles.
    trials : int
        Of the model.
    loo : float
        Error of the polynomial that leaving out its own samples tells: root of the mean square over the standard
        deviation of the output.
    measured : float
        The same at the trials, which the polynomial has not seen; NaN where it was not evaluated there.
    """

    name: str
    rows: tuple[StatisticPair, ...]
    trials: int
    loo: float
    measured: float = math.nan

    @property
    def agrees(self) -> bool:
        """Whether all rows agree."""
        return all(row.agrees for row in self.rows)

    @property
    def words(self) -> str:
        """The outcome in a sentence."""
        tested = f"; error of the polynomial {self.loo:.2g} of the standard deviation"
        if math.isfinite(self.measured):
            tested += f" by leaving samples out, {self.measured:.2g} at the trials"
        if self.agrees:
            return f"{self.trials} trials of the model agree with the polynomial{tested}."
        apart = ", ".join(row.name for row in self.rows if not row.agrees)
        return f"{self.trials} trials of the model differ from the polynomial in {apart}{tested}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        rows = [
            {k: getattr(r, k) for k in ("name", "model", "surrogate", "sampling", "polynomial", "bound", "agrees")}
            for r in self.rows
        ]
        measured = self.measured if math.isfinite(self.measured) else None
        told = {"trials": self.trials, "loo": self.loo, "measured": measured}
        return {**told, "agrees": self.agrees, "words": self.words, "rows": rows}

    @classmethod
    def of_dict(cls, name: str, told: Mapping[str, Any]) -> ModelCheck:
        """Inverse of :meth:`to_dict`."""
        rows = tuple(StatisticPair(**{k: v for k, v in row.items() if k != "agrees"}) for row in told["rows"])
        measured = math.nan if told["measured"] is None else told["measured"]
        return cls(name, rows, told["trials"], told["loo"], measured)


def check_by_trials(
    name: str,
    trials: Sequence[float] | np.ndarray,
    draws: Sequence[float] | np.ndarray,
    loo: float,
    *,
    trial_weights: np.ndarray | None = None,
    draw_weights: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
) -> ModelCheck:
    r"""Statistics of trials of the model beside those of draws of a polynomial.

    The root of the mean squared error of a polynomial, ``loo`` times the standard deviation, is by the triangle
    inequality the most by which its mean and standard deviation can miss those of the model; of quantiles it is the
    standard uncertainty. The numbers of trials and draws leave a sampling error; that of a quantile is bounded without
    a law, by how many trials lie below it (binomial). Both are added in squares, times the factor that holds all rows
    of an output at once (Bonferroni).

    Parameters
    ----------
    name : str
        The output.
    trials : (n,) array
        The model at random inputs, independent of the samples that the polynomial was fitted to.
    draws : (k,) array
        The polynomial at random inputs.
    loo : float
        Relative leave-one-out error: mean square of the error over the variance.
    trial_weights, draw_weights : (n,), (k,) array, optional
        How much each counts; equal unless given.
    predicted : (n,) array, optional
        The polynomial at the inputs of the trials: its error is measured there.

    Raises
    ------
    InputError
        For fewer than eight trials.

    Equation: u(mean) = s / sqrt n; u(s) = sqrt((m4 - (n - 3) / (n - 1) s^4) / n) / (2 s); of the quantile q, that of
    the order statistics between which it lies with the probability of k, over 2 k.

    Source: JCGM 101:2008, 8 (validation by a Monte Carlo method) and 7.9; H. A. David, H. N. Nagaraja, Order
    Statistics, Wiley 2003, 7.1; R. G. Miller, Simultaneous Statistical Inference, Springer 1981, 1.15 (Bonferroni).
    """
    from scipy.special import ndtri
    from scipy.stats import binom

    y, w = _weighted(trials, trial_weights)
    z, v = _weighted(draws, draw_weights)
    if len(y) < FEWEST:
        problem = "too few trials to compare a polynomial with"
        raise InputError(problem, field="trials", found=len(y), expected=f"{FEWEST} at least")
    n = 1 / float(np.sum(w**2))
    more = math.sqrt(1 + n * float(np.sum(v**2)))
    mean, sd = _moments(y, w)
    miss = math.sqrt(max(float(loo), 0.0)) * sd
    fourth = float(w @ (y - mean) ** 4)
    u_sd = math.sqrt(max(fourth - (n - 3) / (n - 1) * sd**4, 0.0) / n) / (2 * sd) if sd else 0.0
    alpha = (1 - PROBABILITY) / (2 + len(QUANTILES))
    k = float(ndtri(1 - alpha / 2))
    least = 1e-12 * max(abs(mean), sd)  # rounding of what does not vary
    rows = []
    pairs = zip(("mean", "sd"), (mean, sd), _moments(z, v), (sd / math.sqrt(n), u_sd), strict=True)
    for label, model, other, u in pairs:
        rows.append(StatisticPair(label, model, other, u * more, miss, max(k * math.hypot(u * more, miss), least)))
    for q in QUANTILES:
        model = _quantiles(y, w, [q])[0]
        other = _quantiles(z, v, [q])[0]
        # How many of n trials lie below the true quantile: where it may be none of them, they do not bound it.
        first, last = (float(x) / math.floor(n) for x in binom.ppf([alpha / 2, 1 - alpha / 2], math.floor(n), q))
        down = model - (_quantiles(y, w, [first])[0] if first > 0 else y[0] - k * sd)
        up = (_quantiles(y, w, [last])[0] if last < 1 else y[-1] + k * sd) - model
        bound = math.hypot(more * float(down if other < model else up), k * miss)
        rows.append(
            StatisticPair(f"{100 * q:g} %", model, other, 0.5 * (up + down) / k * more, miss, max(bound, least))
        )
    measured = math.nan
    if predicted is not None and sd:
        error = np.asarray(predicted, float) - np.asarray(trials, float)
        measured = math.sqrt(float(_weighted(error**2, trial_weights, keep=True)[1] @ error**2)) / sd
    return ModelCheck(name, tuple(rows), len(y), math.sqrt(max(float(loo), 0.0)), measured)


def _weighted(values: Any, weights: np.ndarray | None, keep: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Values in growing order, unless they are to be kept in theirs, with weights that add up to 1."""
    y = np.asarray(values, float)
    w = np.full(len(y), 1.0) if weights is None else np.asarray(weights, float)
    order = np.arange(len(y)) if keep else np.argsort(y, kind="stable")
    return y[order], w[order] / w.sum()


def _moments(y: np.ndarray, w: np.ndarray) -> tuple[float, float]:
    mean = float(w @ y)
    free = 1 - float(np.sum(w**2))
    return mean, math.sqrt(float(w @ (y - mean) ** 2) / free) if free > 0 else 0.0


def _quantiles(y: np.ndarray, w: np.ndarray, at: Sequence[float]) -> list[float]:
    upto = np.cumsum(w)
    return [float(x) for x in np.interp(at, (upto - 0.5 * w) / upto[-1], y)]
