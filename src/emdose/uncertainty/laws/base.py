"""What every law offers: moments, quantiles, a place at a nominal value, and the word of a budget."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import fields, replace
from typing import Any, ClassVar, TypeVar

import numpy as np

from emdose.checks import is_number, number, positive, whole
from emdose.errors import InputError

NEVER = 1e-12
"""Probability of a value that cannot be, below which a law may allow it: no sample of any size here meets it."""

INSIDE = 2.0**-53
"""Least distance of a probability from 0 and 1, where many laws are infinite."""

SELF = TypeVar("SELF", bound="Law")


class Law(ABC):
    """The law of an input: what values it takes, and how often.

    A law is absolute, or waits for a nominal value: relative to it (``relative``) or shifted to it. ``law.at(nominal)``
    makes it absolute; what waits has no mean, quantiles or density yet.

    Source: JCGM 100:2008 (GUM) 4.3; JCGM 101:2008, 6.4.
    """

    kind: ClassVar[str] = ""
    """What files call it."""

    mean: float
    """Expectation; None, or refused, where the law waits for a nominal value."""

    sd: float
    """Standard deviation; None, or refused, where the law waits for a nominal value."""

    @property
    def absolute(self) -> bool:
        """Whether the law stands by itself, without a nominal value."""
        return True

    def at(self: SELF, nominal: float) -> SELF:
        """The law at a nominal value; an absolute one is returned as it is.

        Raises
        ------
        InputError
            For a nominal value that is no number, or 0 where the law is relative.
        """
        if self.absolute:
            return self
        value = number("nominal", nominal)
        if value == 0 and getattr(self, "relative", None) is not None:
            raise InputError(
                "a relative law at a nominal value of 0", field=self.kind, found=str(self), expected="an absolute width"
            )
        return self._put(value)

    def _put(self: SELF, nominal: float) -> SELF:
        """A law that waits, at its nominal value."""
        return replace(self, mean=nominal)  # type: ignore[type-var]

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Least and largest value; infinite where there is none."""

    @abstractmethod
    def _ppf(self, u: np.ndarray) -> np.ndarray:
        """Quantiles of an absolute law."""

    @abstractmethod
    def _cdf(self, x: np.ndarray) -> np.ndarray:
        """Distribution function of an absolute law."""

    @abstractmethod
    def _pdf(self, x: np.ndarray) -> np.ndarray:
        """Density of an absolute law."""

    @abstractmethod
    def _distribution(self) -> Any:
        """The distribution of chaospy of an absolute law."""

    def ppf(self, u: Any) -> np.ndarray:
        """Values below which the law lies with probability ``u`` (any shape)."""
        self._ready()
        return self._ppf(np.asarray(u, float))

    def cdf(self, x: Any) -> np.ndarray:
        """Probability of values up to ``x`` (any shape)."""
        self._ready()
        return self._cdf(np.asarray(x, float))

    def pdf(self, x: Any) -> np.ndarray:
        """Density at ``x`` (any shape); for a law of single values, their probability."""
        self._ready()
        return self._pdf(np.asarray(x, float))

    def of_normal(self, z: Any) -> np.ndarray:
        """Values that lie in the law as ``z`` (any shape) does in the standard normal law."""
        from scipy.special import ndtr

        return self.ppf(np.clip(ndtr(z), INSIDE, 1 - INSIDE))

    def to_normal(self, x: Any) -> np.ndarray:
        """Where values ``x`` of the law lie in the standard normal law."""
        from scipy.special import ndtri

        found: np.ndarray = ndtri(self.cdf(x))
        return found

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """``n`` independent values, (n,), always the same for a seed."""
        return self.ppf(np.random.default_rng(seed).random(whole("n", n, 1)))

    @property
    def width(self) -> float:
        """What a certificate would state: half the width of a bounded law, the standard deviation of another."""
        self._ready()
        return float(self.sd)

    @property
    def divisor(self) -> str:
        """What the budget divides :attr:`width` by to have the standard uncertainty, such as "sqrt 3"."""
        return "1"

    @property
    def points(self) -> tuple[float, ...] | None:
        """All numbers of a law that has few; None for a continuous one."""
        return None

    def breaks(self) -> np.ndarray:
        """Where the quantile function jumps or bends, as normal scores; for quadrature."""
        return np.empty(0)

    def chaospy(self) -> Any:
        """The same law as a distribution of chaospy."""
        self._ready()
        return self._distribution()

    def require_positive(self: SELF, field: str, nominal: float | None = None) -> SELF:
        """The law itself (made absolute, where a nominal value is given) when its values are positive.

        Parameters
        ----------
        field : str
            What is to be positive; named in the error.
        nominal : float, optional
            Nominal value of what waits for one.

        Raises
        ------
        InputError
            Where the law allows zero or less with a probability above 1e-12.
        """
        law = self if nominal is None else self.at(nominal)
        if law.absolute:
            low = law.support[0]
            chance = float(law.cdf(0.0)) if low < 0 or law.points is not None else 0.0
            if chance > NEVER:
                raise InputError(
                    "a law that allows values <= 0",
                    field=field,
                    found=f"{law} (P = {chance:.2g})",
                    expected=f"positive values: {_positive_words(law)}",
                )
        return law

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON or TOML file; :func:`law_of_dict` reads them."""
        found: dict[str, Any] = {"law": self.kind}
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if value is not None and value != f.default:
                found[f.name] = list(value) if isinstance(value, tuple) else value
        return found

    def _ready(self) -> None:
        """Raise InputError unless the law is absolute."""
        if not self.absolute:
            raise InputError("a law without a nominal value", field=self.kind, expected="law.at(nominal) first")

    def __repr__(self) -> str:
        given = {k: v for k, v in self.to_dict().items() if k != "law"}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    def __str__(self) -> str:
        parts = []
        for k, v in self.to_dict().items():
            if k == "relative":
                parts.append(f"relative {100 * v:.4g} %")
            elif k != "law":
                parts.append(f"{k} {f'{v:.6g}' if is_number(v) else v}")
        return ", ".join([self.kind, *parts])


def one_width(law: str, **given: float | None) -> str:
    """Name of the one width of a law that was given; raises InputError for none, several, or one that is not > 0."""
    names = [name for name, value in given.items() if value is not None]
    if len(names) != 1:
        raise InputError(
            "a law needs one width",
            field=law,
            found=" and ".join(names) or "none",
            expected=f"one of {', '.join(given)}",
        )
    positive(f"{law} {names[0]}", given[names[0]])
    return names[0]


def _positive_words(law: Law) -> str:
    """Two laws of the same mean and width that are positive, ready to be typed in, where there are any."""
    if not (math.isfinite(law.mean) and law.mean > 0):
        return "LogNormal(relative=...) or TruncatedNormal(relative=...)"
    share = f"relative={law.sd / law.mean:.3g}"
    if law.sd >= 0.9 * law.mean:  # a normal law cut at 0 has less
        return f"LogNormal({share}), or a narrower TruncatedNormal"
    return f"TruncatedNormal({share}) or LogNormal({share})"
