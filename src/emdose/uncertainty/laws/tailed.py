"""Laws with tails: normal, log-normal, truncated normal, Student's t."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import is_number, number
from emdose.errors import InputError
from emdose.uncertainty.laws.base import Law, one_width
from emdose.values import read_only

_UNSET: Any = None
"""A number that is not known yet; typed as any, because it is one as soon as the law is absolute."""


class _Located(Law):
    """A law with a mean and a standard deviation that may wait for a nominal value."""

    mean: float
    sd: float
    relative: float | None

    def __post_init__(self) -> None:
        one_width(self.kind, sd=self.sd, relative=self.relative)
        if self.mean is not None:
            _widen(self, "sd")

    @property
    def absolute(self) -> bool:
        """Whether a mean was given."""
        return self.mean is not None


class _OfNormal(_Located):
    """What a law has whose values are those of a normal law, transformed."""

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        return self.of_normal(ndtri(u))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        found: np.ndarray = ndtr(self.to_normal(x))
        return found


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class Normal(_OfNormal):
    """The normal law.

    Parameters
    ----------
    mean : float, optional
        Expectation; where it is not given, the nominal value.
    sd : float, optional
        Standard deviation, or
    relative : float, optional
        standard deviation over the magnitude of the mean.

    Raises
    ------
    InputError
        Unless exactly one of both widths is given, and is positive.
    """

    kind = "normal"
    mean: float = _UNSET
    sd: float = _UNSET
    relative: float | None = None

    @property
    def support(self) -> tuple[float, float]:
        """All numbers."""
        return -math.inf, math.inf

    def of_normal(self, z: Any) -> np.ndarray:
        """Mean + sd z."""
        self._ready()
        return np.asarray(self.mean + self.sd * np.asarray(z, float))

    def to_normal(self, x: Any) -> np.ndarray:
        """(x - mean) / sd."""
        self._ready()
        return np.asarray((np.asarray(x, float) - self.mean) / self.sd)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(_density(self.to_normal(x)) / self.sd)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.Normal(self.mean, self.sd)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class LogNormal(_OfNormal):
    """The log-normal law: positive, with the given mean and standard deviation of the value itself.

    Parameters
    ----------
    mean : float, optional
        Expectation, > 0; where it is not given, the nominal value.
    sd : float, optional
        Standard deviation of the value (not of its logarithm), or
    relative : float, optional
        standard deviation over the mean.

    Raises
    ------
    InputError
        Unless exactly one of both widths is given and the mean is positive.

    Equation: the logarithm is normal with s^2 = ln(1 + (sd / mean)^2) and expectation ln(mean) - s^2 / 2.
    """

    kind = "log-normal"
    mean: float = _UNSET
    sd: float = _UNSET
    relative: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mean is not None and not self.mean > 0:
            raise InputError(
                "a log-normal law of a mean that is not positive", found=self.mean, expected="a mean > 0, or Normal"
            )

    @cached_property
    def _logarithm(self) -> tuple[float, float]:
        """Expectation and standard deviation of the logarithm."""
        s2 = math.log1p((self.sd / self.mean) ** 2)
        return math.log(self.mean) - s2 / 2, math.sqrt(s2)

    @property
    def support(self) -> tuple[float, float]:
        """All positive numbers."""
        return 0.0, math.inf

    def of_normal(self, z: Any) -> np.ndarray:
        """The exponential of the normal logarithm."""
        self._ready()
        m, s = self._logarithm
        return np.exp(m + s * np.asarray(z, float))

    def to_normal(self, x: Any) -> np.ndarray:
        """Of values <= 0: minus infinity."""
        self._ready()
        m, s = self._logarithm
        with np.errstate(divide="ignore"):
            return np.asarray((np.log(np.maximum(np.asarray(x, float), 0.0)) - m) / s)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        s = self._logarithm[1]
        return np.where(x > 0, _density(self.to_normal(x)) / (s * np.where(x > 0, x, 1.0)), 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.LogNormal(*self._logarithm)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class TruncatedNormal(_Located):
    """A normal law cut at one or two bounds, with the given mean and standard deviation of what is left.

    Parameters
    ----------
    mean : float, optional
        Expectation within the bounds; where it is not given, the nominal value.
    sd : float, optional
        Standard deviation within the bounds, or
    relative : float, optional
        standard deviation over the magnitude of the mean.
    low, high : float
        Bounds; 0 and none unless given.

    Raises
    ------
    InputError
        Unless exactly one width is given, or where no normal law has such moments between these bounds: above a bound
        the sd stays below the distance of the mean from it.

    Source: N. L. Johnson, S. Kotz, N. Balakrishnan, Continuous Univariate Distributions 1, 2nd ed. (1994), 13.10.
    """

    kind = "truncated normal"
    mean: float = _UNSET
    sd: float = _UNSET
    relative: float | None = None
    low: float = 0.0
    high: float = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("low", self.low), ("high", self.high)):
            if not (is_number(value) or value in (-math.inf, math.inf)):
                raise InputError("not a bound", field=f"{self.kind} {name}", found=value, expected="a number")
        if not self.low < self.high:
            raise InputError(
                "bounds in the wrong order", field=self.kind, found=(self.low, self.high), expected="low < high"
            )
        if self.mean is not None:
            if not self.low < self.mean < self.high:
                raise InputError(
                    "mean outside of the bounds", field=self.kind, found=str(self), expected="low < mean < high"
                )
            _ = self._parent

    @cached_property
    def _parent(self) -> tuple[float, float]:
        """Expectation and standard deviation of the normal law before the cut."""
        from scipy.optimize import root

        def miss(p: np.ndarray) -> np.ndarray:
            # In units of the wanted sd, from the wanted mean; kept from where digits end.
            near = np.clip(p, (-300.0, -2.0), (300.0, 6.0))
            mean, sd = _cut_moments(float(near[0]), math.exp(near[1]), *bounds)
            return np.array([mean, math.log(max(sd, 1e-300))]) + (p - near)

        bounds = ((self.low - self.mean) / self.sd, (self.high - self.mean) / self.sd)
        for start in ((0.0, 0.0), (-1.0, 0.5), (1.0, 0.5), (-6.0, 1.2), (6.0, 1.2), (0.0, 2.0)):
            with np.errstate(all="ignore"):
                found = root(miss, start, tol=1e-13)
            if np.max(np.abs(miss(found.x))) < 1e-9 and abs(found.x[0]) < 300 and -2 < found.x[1] < 6:
                return self.mean + self.sd * float(found.x[0]), self.sd * math.exp(float(found.x[1]))
        raise InputError(
            "no normal law cut at these bounds has such a mean and sd",
            field=self.kind,
            found=str(self),
            expected="a smaller sd, or LogNormal",
        )

    @cached_property
    def _ends(self) -> tuple[float, float, bool]:
        """Probabilities of the parent law below both bounds, on the side of the bulk where digits are kept."""
        from scipy.special import ndtr

        m, s = self._parent
        a, b = (self.low - m) / s, (self.high - m) / s
        mirrored = a > 0
        if mirrored:
            a, b = -b, -a
        return float(ndtr(a)), float(ndtr(b)), mirrored

    @property
    def support(self) -> tuple[float, float]:
        """The bounds."""
        return self.low, self.high

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        from scipy.special import ndtri

        (m, s), (pa, pb, mirrored) = self._parent, self._ends
        z = ndtri(pa + (1 - u if mirrored else u) * (pb - pa))
        return np.clip(m + s * (-z if mirrored else z), self.low, self.high)

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import ndtr

        (m, s), (pa, pb, mirrored) = self._parent, self._ends
        z = (np.clip(x, self.low, self.high) - m) / s
        share = (ndtr(-z if mirrored else z) - pa) / (pb - pa)
        return np.clip(1 - share if mirrored else share, 0.0, 1.0)

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        (m, s), (pa, pb, _) = self._parent, self._ends
        return np.where((x >= self.low) & (x <= self.high), _density((x - m) / s) / (s * (pb - pa)), 0.0)

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.TruncNormal(self.low, self.high, *self._parent)


@read_only(short=False)
@dataclass(frozen=True, repr=False)
class StudentT(Law):
    """Student's t law, shifted and scaled: what few repeated readings say of their mean.

    Parameters
    ----------
    mean : float, optional
        Expectation; where it is not given, the nominal value.
    scale : float, optional
        Scale (s / sqrt n of n readings), or
    relative : float, optional
        scale over the magnitude of the mean.
    dof : float
        Degrees of freedom, > 2: with fewer the law has no standard deviation.

    Raises
    ------
    InputError
        Unless exactly one of both widths is given, and for fewer degrees of freedom.

    Equation: sd = scale sqrt(dof / (dof - 2)).

    Source: JCGM 101:2008, 6.4.9.
    """

    kind = "student t"
    mean: float = _UNSET
    scale: float = _UNSET
    relative: float | None = None
    dof: float = _UNSET

    def __post_init__(self) -> None:
        one_width(self.kind, scale=self.scale, relative=self.relative)
        if not is_number(self.dof) or not self.dof > 2:
            raise InputError("too few degrees of freedom", field=self.kind, found=self.dof, expected="dof > 2")
        if self.mean is not None:
            _widen(self, "scale")

    @property
    def absolute(self) -> bool:
        """Whether a mean was given."""
        return self.mean is not None

    @property
    def sd(self) -> float:  # type: ignore[override]
        """Standard deviation: larger than the scale."""
        self._ready()
        return self.scale * math.sqrt(self.dof / (self.dof - 2))

    @property
    def width(self) -> float:
        """The scale."""
        self._ready()
        return self.scale

    @property
    def divisor(self) -> str:
        """1: a budget takes the scale, and the degrees of freedom beside it."""
        return "1"

    @property
    def support(self) -> tuple[float, float]:
        """All numbers."""
        return -math.inf, math.inf

    def of_normal(self, z: Any) -> np.ndarray:
        """By the nearer tail, where probabilities keep their digits."""
        from scipy.special import ndtr, stdtrit

        self._ready()
        score = np.asarray(z, float)
        return np.asarray(self.mean - self.scale * np.sign(score) * stdtrit(self.dof, ndtr(-np.abs(score))))

    def _ppf(self, u: np.ndarray) -> np.ndarray:
        from scipy.special import stdtrit

        return np.asarray(self.mean + self.scale * stdtrit(self.dof, u))

    def _cdf(self, x: np.ndarray) -> np.ndarray:
        from scipy.special import stdtr

        found: np.ndarray = stdtr(self.dof, (x - self.mean) / self.scale)
        return found

    def _pdf(self, x: np.ndarray) -> np.ndarray:
        n = self.dof
        log = math.lgamma((n + 1) / 2) - math.lgamma(n / 2) - 0.5 * math.log(n * math.pi) - math.log(self.scale)
        return np.exp(log - (n + 1) / 2 * np.log1p(((x - self.mean) / self.scale) ** 2 / n))

    def _distribution(self) -> Any:
        import chaospy

        return chaospy.StudentT(self.dof, self.mean, self.scale)


def _widen(law: Any, width: str) -> None:
    """Make a width that is relative to a given mean absolute."""
    mean = number(f"{law.kind} mean", law.mean)
    if law.relative is not None:
        if mean == 0:
            raise InputError("a relative law of mean 0", field=law.kind, found=str(law), expected="an absolute width")
        object.__setattr__(law, width, law.relative * abs(mean))
        object.__setattr__(law, "relative", None)


def _density(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)


def _cut_moments(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of a normal law between two bounds."""
    from scipy.special import log_ndtr

    a, b = (low - mean) / sd, (high - mean) / sd
    sign = 1.0
    if a > 0:  # in the far tail only the mirrored law keeps its digits
        a, b, sign = -b, -a, -1.0
    log_mass = log_ndtr(b) + np.log1p(-np.exp(min(log_ndtr(a) - log_ndtr(b), -1e-300)))

    def over_mass(z: float) -> float:
        return 0.0 if math.isinf(z) else math.exp(min(-0.5 * z * z - 0.5 * math.log(2 * math.pi) - log_mass, 700.0))

    pa, pb = over_mass(a), over_mass(b)
    first = pa - pb
    za, zb = (0.0 if math.isinf(a) else a * pa), (0.0 if math.isinf(b) else b * pb)
    variance = 1 + za - zb - first * first
    return mean + sign * sd * first, sd * math.sqrt(max(variance, 0.0))
