"""Strata: inputs of few values, such as landmarks or sizes of an implant, with a chaos for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from emdose.checks import whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import points
from emdose.uncertainty.chaos.expansion import Expansion
from emdose.uncertainty.chaos.front import polynomial_chaos
from emdose.uncertainty.chaos.indices import positions
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class Strata:
    """A chaos for each stratum, and all of them together by the law of total variance.

    Parameters
    ----------
    names : tuple of str
        The strata.
    weights : tuple of float
        Their probabilities.
    parts : tuple of Chaos or ModalChaos
        A chaos for each, all of outputs of one shape.

    Raises
    ------
    InputError
        For numbers that differ, weights that do not add up to 1, or shapes that differ.

    Equation: Var(Y) = sum_s w_s Var_s + sum_s w_s (mean_s - mean)^2.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[Expansion, ...]

    def __post_init__(self) -> None:
        if not self.parts or not len(self.names) == len(self.weights) == len(self.parts):
            raise InputError("bad strata", field="parts", expected="a name, a weight and a chaos for each stratum")
        if min(self.weights) <= 0 or abs(sum(self.weights) - 1) > 1e-9:
            raise InputError("bad strata", field="weights", found=self.weights, expected="shares > 0 that add up to 1")
        if len({p.shape for p in self.parts}) > 1:
            raise InputError("strata of different outputs", field="parts", found=[p.shape for p in self.parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the outputs."""
        return self.parts[0].shape

    @property
    def mean(self) -> Any:
        """Mean of each output over all strata."""
        return self._average(p.mean for p in self.parts)

    @property
    def within(self) -> Any:
        """Variance of each output inside of the strata."""
        return self._average(p.variance for p in self.parts)

    @property
    def between(self) -> Any:
        """Variance of the means of the strata."""
        mean = self.mean
        return self._average((p.mean - mean) ** 2 for p in self.parts)

    @property
    def variance(self) -> Any:
        """Variance of each output: within and between."""
        return self.within + self.between

    @property
    def sd(self) -> Any:
        """Standard deviation of each output."""
        return self.variance**0.5

    @property
    def loo(self) -> Any:
        """Relative leave-one-out error of each output: those of the strata, over the variance of all."""
        variance = self.variance
        xp = backend.of(variance).xp
        return self._average(p.loo * p.variance for p in self.parts) / xp.where(variance > 0, variance, 1.0)

    @property
    def first_of_strata(self) -> Any:
        """Var(E[Y|stratum]) / Var(Y)."""
        return self._ratio(self.between)

    @property
    def total_of_strata(self) -> Any:
        """E[Var(Y|all inputs)] / Var(Y): what the stratum adds, alone and by interaction, of inputs common to all."""
        return self._ratio(self._decomposed[2])

    @property
    def first(self) -> Any:
        """Var(E[Y|x_i]) / Var(Y) (d, ...) of the inputs that all strata have in common."""
        return self._ratio(self._decomposed[0])

    @property
    def total(self) -> Any:
        """E[Var(Y|stratum and all other inputs)] / Var(Y) (d, ...) of each input."""
        return self._ratio(self._decomposed[1])

    def sample(self, n: int, seed: int = 0) -> Any:
        """Outputs (n, ...) of n random inputs, each in a random stratum."""
        n = whole("n", n, 1)
        counts = np.random.default_rng(seed).multinomial(n, np.array(self.weights) / sum(self.weights))
        xp = backend.of(self.parts[0].loo).xp
        drawn = [p.sample(int(c), seed + 1 + i) for i, (p, c) in enumerate(zip(self.parts, counts, strict=True)) if c]
        return xp.concatenate(drawn)

    def quantile(self, q: Any, samples: int = 65536, seed: int = 0) -> Any:
        """Quantiles of each output over all strata, by random inputs on the polynomials."""
        y = self.sample(samples, seed)
        xp = backend.of(y).xp
        return xp.quantile(y, xp.asarray(q), axis=0)

    def _average(self, parts: Any) -> Any:
        return sum(w * p for w, p in zip(self.weights, parts, strict=True))

    def _ratio(self, part: Any) -> Any:
        variance = self.variance
        xp = backend.of(variance).xp
        return part / xp.where(variance > 0, variance, 1.0)

    @cached_property
    def _decomposed(self) -> tuple[Any, Any, Any]:
        """Partial variances: first (d, ...), total (d, ...), and total of the stratum (...)."""
        one = self.parts[0].inputs
        if any(
            p.inputs.names != one.names or p.inputs.laws != one.laws or not p.inputs.independent for p in self.parts
        ):
            raise InputError("indices need the same independent inputs in all strata", field="parts")
        rows = np.unique(np.concatenate([p.indices.degrees for p in self.parts]), axis=0)
        place = {row.tobytes(): i for i, row in enumerate(rows)}
        at = [[place[row.tobytes()] for row in p.indices.degrees] for p in self.parts]
        active, d, m = rows > 0, rows.shape[1], self.parts[0].size
        alone = np.array([active[:, j] & (active.sum(axis=1) == 1) for j in range(d)])
        xp = backend.of(self.parts[0].loo).xp
        first, total, stratum = xp.zeros((d, m)), xp.zeros((d, m)), xp.zeros(m)
        for a, b in self.parts[0].steps(len(rows) * (len(self.parts) + 1)):
            C = xp.zeros((len(self.parts), len(rows), b - a))
            for k, p in enumerate(self.parts):
                C[k, xp.asarray(at[k])] = p.block(a, b)
            w = xp.asarray(self.weights)[:, None, None]
            mean = (w * C).sum(axis=0)
            first[:, a:b] = xp.asarray(alone, dtype=float) @ mean**2
            total[:, a:b] = xp.asarray(active.T, dtype=float) @ (w * C**2).sum(axis=0)
            stratum[a:b] = (w * (C - mean) ** 2).sum(axis=(0, 1))
        shape = self.shape
        return first.reshape(d, *shape), total.reshape(d, *shape), stratum.reshape(shape)


def stratified_chaos(inputs: Any, X: Any, Y: Any, by: Sequence[str] | str | None = None, **options: Any) -> Strata:
    """A chaos for each combination of values of the discrete inputs.

    Parameters
    ----------
    inputs : Inputs
        Independent inputs, some of them discrete.
    X : array (n, d)
        Samples of all inputs.
    Y : array (n, ...)
        Outputs.
    by : sequence of str, optional
        The inputs whose values are strata; all discrete ones unless given.
    options
        For :func:`polynomial_chaos`; a mapping of names of strata to options where they differ.

    Raises
    ------
    InputError
        Without discrete inputs, for correlated ones, or a stratum without samples enough.

    Source: JCGM 100:2008 (GUM), F.2.4.5; law of total variance.
    """
    X = points(inputs, X)
    discrete = [n for n, law in zip(inputs.names, inputs.laws, strict=True) if law.points is not None]
    chosen = positions(inputs.names, discrete if by is None else by) if by is not None or discrete else []
    if not chosen or any(inputs.laws[j].points is None for j in chosen):
        raise InputError("strata need discrete inputs", field="by", found=by, expected="names of discrete inputs")
    if not inputs.independent:
        raise InputError("strata need independent inputs", field="inputs")
    others = [j for j in range(inputs.dimension) if j not in chosen]
    if not others:
        raise InputError("strata without other inputs", field="by", found=by, expected="an input that varies inside")
    left = replace(inputs, inputs=tuple(inputs.inputs[j] for j in others), correlation=None)
    names, weights, parts = [], [], []
    for values in product(*(inputs.laws[j].points for j in chosen)):
        laws = [inputs.laws[j] for j in chosen]
        here = np.all(np.isclose(X[:, chosen], values, rtol=1e-12, atol=1e-12), axis=1)
        name = ", ".join(f"{inputs.names[j]} = {law.option(v)}" for j, law, v in zip(chosen, laws, values, strict=True))
        if not here.any():
            raise InputError("a stratum without samples", field="X", found=name, expected="samples of every stratum")
        try:
            parts.append(polynomial_chaos(left, X[here][:, others], Y[here], **_of_stratum(options, name)))
        except InputError as error:
            raise error.at(field=name) from None
        names.append(name)
        weights.append(float(np.prod([law.pdf(v) for law, v in zip(laws, values, strict=True)])))
    total = sum(weights)
    return Strata(tuple(names), tuple(w / total for w in weights), tuple(parts))


def _of_stratum(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k: v[name] if isinstance(v, Mapping) else v for k, v in options.items()}
