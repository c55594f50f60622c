"""Laws between two bounds: uniform, triangular, beta, arcsine."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import number, positive
from emdose.errors import InputError
from emdose.uncertainty.laws.base import Law, one_width
from emdose.values import read_only

_UNSET: Any = None
"""A number that is not known yet; typed as any, because it is one as soon as the law is absolute."""


class _Interval(Law):
    """A law between two bounds, which are given or lie about a nominal value."""

    low: float
    high: float
    half_width: float | None
    relative: float | None

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            one_width(self.kind, half_width=self.half_width, relative=self.relative)
            return
        if self.low is None or self.high is None or self.half_width is not None or self.relative is not None:
            raise InputError(
                "a law needs one width",
                field=self.kind,
                found=str(self),
                expected="low and high, or half_width, or relative",
            )
        if not number(f"{self.kind} low", self.low) < number(f"{self.kind} high", self.high):
            raise InputError(
                "bounds in the wrong order", field=self.kind, found=(self.low, self.high), expected="low < high"
            )

    @property
    def absolute(self) -> bool:
        """Whether bounds were given."""
        return self.low is not None

    def _put(self, nominal: float) -> Any:
        half = self.half_width if self.half_width is not None else abs(nominal) * float(self.relative or 0.0)
        bounds: dict[str, Any] = {"low": nominal - half, "high": nominal + half}
        return replace(self, **bounds, half_width=None, relative=None)  # type: ignore[type-var]

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        self._ready()
        return self.low, self.high

    @property
    def width(self) -> float:
        """Half the distance of the bounds."""
        self._ready()
        return 0.5 * (self.high - self.low)

    @property
    def mean(self) -> float:  # type: ignore[override]
        """The middle of the bounds."""
        self._ready()
        return 0.5 * (self.low + self.high)

    def _share(self, x: np.ndarray) -> np.ndarray:
        return np.clip((x - self.low) / (self.high - self.low), 0.0, 1.0)

    def _inside(self, x: np.ndarray) -> np.ndarray:
        return (x >= self.low) & (x <= self.high)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Uniform(_Interval):
    """The uniform (rectangular) law.

    Parameters
    ----------
    low, high : float, optional
        Bounds, or
    half_width : float, optional
        half their distance, about the nominal value, or
    relative : float, optional
        half their distance over the magnitude of the nominal value.

    Raises
    ------
    InputError
        Unless exactly one of the three is given.
    """

    kind = "uniform"
    low: float = _UNSET
    high: float = _UNSET
    half_width: float | None = None
    relative: float | None = None

    @property
    def sd(self) -> float:  # type: ignore[override]
        """Half width over sqrt 3."""
        return self.width / math.sqrt(3)

    @property
    def divisor(self) -> str:
        """Square root of 3."""
        return "sqrt 3"

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + u * (self.high - self.low))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return self._share(x)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        return np.where(self._inside(x), 1 / (self.high - self.low), 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.Uniform(self.low, self.high)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Triangular(_Interval):
    """The triangular law.

    Parameters
    ----------
    low, high : float, optional
        Bounds, or
    half_width : float, optional
        half their distance, about the nominal value, or
    relative : float, optional
        half their distance over the magnitude of the nominal value.
    mode : float, optional
        Most likely value, beside ``low`` and ``high``; their middle unless given.

    Raises
    ------
    InputError
        Unless exactly one of the three widths is given and the mode lies between the bounds.
    """

    kind = "triangular"
    low: float = _UNSET
    high: float = _UNSET
    half_width: float | None = None
    relative: float | None = None
    mode: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mode is not None and not (self.absolute and self.low <= number("mode", self.mode) <= self.high):
            raise InputError("mode outside of the bounds", field=self.kind, found=self.mode, expected="low to high")

    @property
    def _peak(self) -> float:
        return 0.5 * (self.low + self.high) if self.mode is None else self.mode

    @property
    def mean(self) -> float:  # type: ignore[override]
        """A third of the sum of bounds and mode."""
        self._ready()
        return (self.low + self.high + self._peak) / 3

    @property
    def sd(self) -> float:  # type: ignore[override]
        """For a mode in the middle: half width over sqrt 6."""
        self._ready()
        a, b, c = self.low, self.high, self._peak
        return math.sqrt(((b - a) ** 2 + (c - a) * (c - b)) / 18)

    @property
    def divisor(self) -> str:
        """Square root of 6 for a mode in the middle."""
        return "sqrt 6" if self.mode is None else f"{self.width / self.sd:.4g}"

    def breaks(self) -> np.ndarray:
        """At the mode."""
        return self.to_normal(np.array([self._peak]))

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        a, b, c = self.low, self.high, self._peak
        left = a + np.sqrt(np.maximum(u, 0.0) * (b - a) * (c - a))
        right = b - np.sqrt(np.maximum(1 - u, 0.0) * (b - a) * (b - c))
        return np.where(u * (b - a) < c - a, left, right)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        a, b, c = self.low, self.high, self._peak
        x = np.clip(x, a, b)
        left = (x - a) ** 2 / ((b - a) * (c - a or 1.0))
        right = 1 - (b - x) ** 2 / ((b - a) * (b - c or 1.0))
        return np.where(x < c, left, right)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        a, b, c = self.low, self.high, self._peak
        left, right = (x - a) / (c - a or 1.0), (b - x) / (b - c or 1.0)
        return np.where(self._inside(x), 2 / (b - a) * np.where(x < c, left, np.where(x > c, right, 1.0)), 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.Triangle(self.low, self._peak, self.high)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Beta(_Interval):
    """The beta law between two bounds.

    Parameters
    ----------
    low, high : float, optional
        Bounds, or
    half_width : float, optional
        half their distance, about the nominal value, or
    relative : float, optional
        half their distance over the magnitude of the nominal value.
    a, b : float
        Shape: the density goes as (x - low)^(a - 1) (high - x)^(b - 1).

    Raises
    ------
    InputError
        Unless exactly one of the three widths is given, and for shapes that are not positive.
    """

    kind = "beta"
    low: float = _UNSET
    high: float = _UNSET
    half_width: float | None = None
    relative: float | None = None
    a: float = 2.0
    b: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        positive("beta a", self.a)
        positive("beta b", self.b)

    @property
    def mean(self) -> float:  # type: ignore[override]
        """Low + (high - low) a / (a + b)."""
        self._ready()
        return self.low + (self.high - self.low) * self.a / (self.a + self.b)

    @property
    def sd(self) -> float:  # type: ignore[override]
        """(high - low) sqrt(a b / (a + b + 1)) / (a + b)."""
        self._ready()
        total = self.a + self.b
        return (self.high - self.low) * math.sqrt(self.a * self.b / (total + 1)) / total

    @property
    def divisor(self) -> str:
        """Half width over standard deviation."""
        return f"{self.width / self.sd:.4g}"

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        from scipy.special import betaincinv

        return np.asarray(self.low + (self.high - self.low) * betaincinv(self.a, self.b, u))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import betainc

        found: np.ndarray = betainc(self.a, self.b, self._share(x))
        return found

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import betaln, xlog1py, xlogy

        t = self._share(x)
        log = xlogy(self.a - 1, t) + xlog1py(self.b - 1, -t) - betaln(self.a, self.b)
        return np.where(self._inside(x), np.exp(log) / (self.high - self.low), 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.Beta(self.a, self.b, self.low, self.high)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Arcsine(_Interval):
    """The arcsine (U-shaped) law: a sinusoid at an unknown phase, a mismatch of two reflections.

    Parameters
    ----------
    low, high : float, optional
        Bounds, or
    half_width : float, optional
        half their distance (the amplitude), about the nominal value, or
    relative : float, optional
        half their distance over the magnitude of the nominal value.

    Raises
    ------
    InputError
        Unless exactly one of the three is given.

    Source: JCGM 101:2008, 6.4.6.
    """

    kind = "arcsine"
    low: float = _UNSET
    high: float = _UNSET
    half_width: float | None = None
    relative: float | None = None

    @property
    def sd(self) -> float:  # type: ignore[override]
        """Half width over sqrt 2."""
        return self.width / math.sqrt(2)

    @property
    def divisor(self) -> str:
        """Square root of 2."""
        return "sqrt 2"

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        return np.asarray(self.low + (self.high - self.low) * np.sin(0.5 * math.pi * u) ** 2)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(2 / math.pi * np.arcsin(np.sqrt(self._share(x))))

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 1 / (math.pi * np.sqrt((x - self.low) * (self.high - x)))
        return np.where(self._inside(x), found, 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.ArcSinus(0.5, self.low, self.high)
