"""Laws of single values (strata), and any other law that chaospy has."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import is_number, unknown
from emdose.errors import InputError
from emdose.uncertainty.laws.base import Law
from emdose.values import read_only


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Discrete(Law):
    """A law of single values: landmarks, sizes of an implant, postures, bodies.

    Parameters
    ----------
    values : sequence of float or of str
        The values. Texts stand for their numbers 0, 1, ..., which is what designs, quantiles and moments work on;
        :meth:`option` gives the text.
    weights : sequence of float, optional
        How often each is met, in any unit; equal unless given.

    Raises
    ------
    InputError
        For fewer than two values, two that are alike, texts among numbers, or weights that are not positive.
    """

    kind = "discrete"
    values: Sequence[float | str] = ()
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        options: list[Any] = [self.values] if isinstance(self.values, str) else list(self.values)
        texts = sum(isinstance(v, str) for v in options)
        if len(options) < 2 or len(set(options)) < len(options):
            raise InputError("bad values", field=self.kind, found=options, expected="two or more different values")
        if texts not in (0, len(options)) or not (texts or all(is_number(v) for v in options)):
            raise InputError("bad values", field=self.kind, found=options, expected="numbers, or texts")
        weights = [1.0] * len(options) if self.weights is None else list(self.weights)
        if len(weights) != len(options) or not all(is_number(w) and w > 0 for w in weights):
            raise InputError(
                "bad weights", field=self.kind, found=weights, expected=f"{len(options)} finite numbers > 0"
            )
        if not texts:
            order = np.argsort(np.asarray(options, float))
            options = [float(options[i]) for i in order]
            weights = [weights[i] for i in order]
        object.__setattr__(self, "values", tuple(options))
        object.__setattr__(self, "weights", None if self.weights is None else tuple(float(w) for w in weights))

    @cached_property
    def _points(self) -> np.ndarray:
        texts = isinstance(self.values[0], str)
        return np.arange(float(len(self.values))) if texts else np.asarray(self.values, float)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """Probability of each value, (n,)."""
        w = np.ones(len(self.values)) if self.weights is None else np.asarray(self.weights, float)
        return w / w.sum()

    @cached_property
    def _upto(self) -> np.ndarray:
        found = np.cumsum(self.probabilities)
        found[-1] = 1.0
        return found

    def option(self, x: float) -> float | str:
        """The value, perhaps a text, that a number of the law stands for."""
        return self.values[int(np.argmin(np.abs(self._points - x)))]

    @property
    def points(self) -> tuple[float, ...]:
        """The values as numbers."""
        return tuple(self._points.tolist())

    @property
    def support(self) -> tuple[float, float]:
        """Least and largest number."""
        return float(self._points[0]), float(self._points[-1])

    @property
    def mean(self) -> float:  # type: ignore[override]
        """Expectation of the numbers."""
        return float(self.probabilities @ self._points)

    @property
    def sd(self) -> float:  # type: ignore[override]
        """Standard deviation of the numbers."""
        return float(np.sqrt(self.probabilities @ (self._points - self.mean) ** 2))

    def breaks(self) -> np.ndarray:
        """Between the values."""
        from scipy.special import ndtri

        found: np.ndarray = ndtri(self._upto[:-1])
        return found

    def to_normal(self, x: Any) -> np.ndarray:
        """The middle of the share of probability that each value has."""
        from scipy.special import ndtri

        at = np.argmin(np.abs(np.asarray(x, float)[..., None] - self._points), axis=-1)
        found: np.ndarray = ndtri((self._upto - 0.5 * self.probabilities)[at])
        return found

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        return self._points[np.minimum(np.searchsorted(self._upto, u, side="left"), self._points.size - 1)]

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return np.concatenate([[0.0], self._upto])[np.searchsorted(self._points, x, side="right")]

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        at = np.clip(np.searchsorted(self._points, x), 0, self._points.size - 1)
        return np.where(self._points[at] == x, self.probabilities[at], 0.0)

    def _distribution(self) -> Any:
        import chaospy

        law, points, p = self, self._points, self.probabilities
        a, b = _recurrence(points, p)

        class _Steps(chaospy.SimpleDistribution):
            def _lower(self) -> float:
                return float(points[0])

            def _upper(self) -> float:
                return float(points[-1])

            def _cdf(self, x: Any) -> Any:
                return law._cdf(np.asarray(x, float))

            def _ppf(self, u: Any) -> Any:
                return law._ppf(np.asarray(u, float))

            def _pdf(self, x: Any) -> Any:
                return law._pdf(np.asarray(x, float))

            def _mom(self, k: Any) -> Any:
                return float(p @ points ** int(np.ravel(k)[0]))

            def _ttr(self, k: Any) -> Any:
                n = int(np.ravel(k)[0])
                return (float(a[n]), float(b[n])) if n < a.size else (0.0, 0.0)

        return _Steps()


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class ChaospyLaw(Law):
    """Any law of one number that chaospy has, by its name there.

    Parameters
    ----------
    name : str
        Such as "Weibull" or "Gamma".
    parameters : mapping
        Its arguments.

    Raises
    ------
    InputError
        For a name that chaospy does not have or arguments that it does not take.
    """

    kind = "chaospy"
    name: str = ""
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", dict(self.parameters))
        _ = self._made

    @cached_property
    def _made(self) -> Any:
        import chaospy

        names = [n for n, c in vars(chaospy).items() if inspect.isclass(c) and issubclass(c, chaospy.Distribution)]
        if self.name not in names:
            raise unknown("unknown law of chaospy", self.name, sorted(names), field="name")
        try:
            found = getattr(chaospy, self.name)(**self.parameters)
            single = len(found) == 1
        except Exception as error:
            raise InputError(
                f"chaospy makes no {self.name} law of this: {error}", field="parameters", found=str(self.parameters)
            ) from None
        if not single:
            raise InputError("a law of several numbers", field="name", found=self.name, expected="a law of one")
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "parameters": dict(self.parameters)}  # chaospy's objects do not travel

    @property
    def support(self) -> tuple[float, float]:
        """As chaospy bounds it."""
        return float(self._made.lower[0]), float(self._made.upper[0])

    @cached_property
    def mean(self) -> float:  # type: ignore[override]
        """First moment."""
        return float(self._made.mom(1))

    @cached_property
    def sd(self) -> float:  # type: ignore[override]
        """Standard deviation, from the first two moments."""
        return float(np.sqrt(float(self._made.mom(2)) - self.mean**2))

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self._made.inv(u), float).reshape(u.shape)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._made.fwd(x), float).reshape(x.shape)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._made.pdf(x), float).reshape(x.shape)

    def _distribution(self) -> Any:
        return self._made


def _recurrence(points: np.ndarray, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Three-term recurrence of the polynomials that are orthogonal in single points (Stieltjes' procedure)."""
    n = points.size
    a, b = np.zeros(n), np.ones(n)
    before, now = np.zeros(n), np.ones(n)
    for k in range(n):
        size = p @ now**2
        a[k] = p @ (points * now**2) / size
        if k:
            b[k] = size / (p @ before**2)
        before, now = now, (points - a[k]) * now - (b[k] if k else 0.0) * before
    return a, b
