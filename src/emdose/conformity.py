"""A value with its uncertainty beside a limit: probability to exceed it, guard band, and three states.

Source: JCGM 106:2012, Evaluation of measurement data: the role of measurement uncertainty in conformity assessment.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, is_number, not_negative, number, positive
from emdose.errors import InputError
from emdose.values import read_only

BELOW, REACHES, ABOVE = "below", "reaches the limit within U", "above"
VERDICTS = {BELOW: "below limit", REACHES: REACHES, ABOVE: "above limit"}
"""What a row of a table of limits calls the states."""


@read_only
@dataclass(frozen=True)
class Conformity:
    """A value beside an upper limit. It says how sure the comparison is, and nothing about a device.

    Parameters
    ----------
    value, limit : float
        The value and the limit, in one unit.
    expanded : float or None
        Expanded uncertainty U of the value; None where it is not known.
    low, high : float or None
        Ends of the interval: value -+ U, or those of samples.
    p_exceed : float or None
        Probability that the true value exceeds the limit.
    p_uncertainty : float or None
        Standard uncertainty of that probability: of a finite number of samples, of degrees of freedom, of a surrogate.
    """

    value: float
    limit: float
    expanded: float | None = None
    low: float | None = None
    high: float | None = None
    p_exceed: float | None = None
    p_uncertainty: float | None = None

    @property
    def margin(self) -> float:
        """Limit less value; negative above the limit."""
        return self.limit - self.value

    @property
    def guard_band(self) -> float | None:
        """Width kept below the limit: the uncertainty towards it, w = high - value (U where the interval is even).

        Source: JCGM 106:2012, 8.3.2.
        """
        return None if self.high is None else self.high - self.value

    @property
    def acceptance_limit(self) -> float | None:
        """Limit less guard band: up to it the whole interval lies below the limit."""
        return None if self.guard_band is None else self.limit - self.guard_band

    @property
    def state(self) -> str:
        """ "below", "above", or "reaches the limit within U" where the limit lies within the interval.

        An interval that ends at the limit is below. Without an uncertainty the value alone is compared.
        """
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        return BELOW if high <= self.limit else ABOVE if low > self.limit else REACHES

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, the state and the guard band included."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        more = {"margin": self.margin, "guard_band": self.guard_band, "acceptance_limit": self.acceptance_limit}
        return found | more | {"state": self.state}


def beside_limit(
    value: float, limit: float, expanded: float | None = None, k: float = 2.0, dof: float = math.inf
) -> Conformity:
    """A value with an expanded uncertainty beside an upper limit, by the normal law or Student's t law.

    Parameters
    ----------
    value, limit : float
        In one unit.
    expanded : float, optional
        Expanded uncertainty in that unit.
    k : float
        Its coverage factor.
    dof : float
        Degrees of freedom of the standard uncertainty.

    Raises
    ------
    InputError
        For what is no number, a negative uncertainty, or a k that is not positive.

    Equation: P = 1 - F((limit - value) / u), u = U / k; its own uncertainty |z| f(z) / sqrt(2 dof), z = (limit -
    value) / u, for u is known to 1 / sqrt(2 dof) of itself.

    Source: JCGM 106:2012, 7.3 and 7.4; JCGM 100:2008, E.4.3.
    """
    value, limit = number("value", value), number("limit", limit)
    if expanded is None:
        return Conformity(value, limit)
    spread = not_negative("expanded", expanded)
    u = spread / positive("k", k)
    if not dof > 0:
        raise InputError("bad degrees of freedom", field="dof", found=dof, expected="> 0, or infinite")
    if u == 0:
        return Conformity(value, limit, 0.0, value, value, float(value > limit), 0.0)
    z = (limit - value) / u
    from scipy.special import ndtr, stdtr

    p = float(ndtr(-z) if math.isinf(dof) else stdtr(dof, -z))
    own = 0.0 if math.isinf(dof) else abs(z) * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi) / math.sqrt(2 * dof)
    return Conformity(value, limit, spread, value - spread, value + spread, p, own)


def samples_beside_limit(
    samples: Any, limit: float, value: float | None = None, coverage: float = 0.95, error: float = 0.0
) -> Conformity:
    """Samples of a value beside an upper limit.

    Parameters
    ----------
    samples : array_like (n,)
        Independent (or better spread) samples of the value.
    limit : float
        In the same unit.
    value : float, optional
        What is reported; the mean unless given.
    coverage : float
        Probability that the interval covers, with as much on either side.
    error : float
        Standard error of every sample, such as of a surrogate that they come from.

    Raises
    ------
    InputError
        For fewer than two samples, or what is no finite number.

    Equation: P = k / n of n samples; its own uncertainty that of the law Beta(k + 1/2, n - k + 1/2) (Jeffreys), and
    beside it half of the change of P when the limit moves by -+ ``error``.

    Source: JCGM 101:2008, 7.7; JCGM 106:2012, 7.3; L. D. Brown, T. T. Cai, A. DasGupta, Stat. Sci. 16 (2001) 101-133.
    """
    y = np.sort(array("samples", samples, (None,)))
    if y.size < 2:
        raise InputError("too few samples", field="samples", found=y.size, expected="two or more")
    limit, error = number("limit", limit), not_negative("error", error)
    if not (is_number(coverage) and 0 < coverage < 1):
        raise InputError("not a probability", field="coverage", found=coverage, expected="> 0 and < 1")
    n = y.size
    above = n - int(np.searchsorted(y, limit, side="right"))
    a, b = above + 0.5, n - above + 0.5
    variance = a * b / ((a + b) ** 2 * (a + b + 1))
    moved = np.searchsorted(y, [limit - error, limit + error], side="right")
    variance += (0.5 * float(moved[1] - moved[0]) / n) ** 2
    low, high = (float(x) for x in np.quantile(y, [0.5 - coverage / 2, 0.5 + coverage / 2]))
    centre = float(y.mean()) if value is None else number("value", value)
    # A value outside of its own interval, such as of a peak that samples only raise, widens it.
    low, high = min(low, centre), max(high, centre)
    return Conformity(centre, limit, max(high - centre, centre - low), low, high, above / n, math.sqrt(variance))


def of_row(value: Any, limit: Any, uncertainty: Mapping[str, Any] | None, factor: float = 1.0) -> Conformity | None:
    """A saved value beside a saved limit; None where one of them is missing.

    Parameters
    ----------
    value, limit : float or None
        In one unit.
    uncertainty : mapping or None
        The entry "uncertainty" of a quantity: "expanded", and where they are known "k" (2 unless told), "dof",
        "interval" (two ends) and "quantiles" ({"p": [...], "x": [...]}, growing).
    factor : float
        What makes the value of that quantity.
    """
    if not (is_number(value) and is_number(limit)):
        return None
    told = uncertainty or {}
    spread = told.get("expanded")
    if spread is None or not is_number(spread) or spread < 0:
        return beside_limit(value, limit)
    k, dof = (float(v) if v is not None and is_number(v) and v > 0 else None for v in (told.get("k"), told.get("dof")))
    found = beside_limit(value, limit, factor * spread, k or 2.0, dof or math.inf)
    ends, quantiles = told.get("interval"), told.get("quantiles")
    low, high, p = found.low, found.high, found.p_exceed
    if isinstance(ends, list | tuple) and len(ends) == 2 and all(map(is_number, ends)):
        low, high = min(factor * ends[0], value), max(factor * ends[1], value)
    if isinstance(quantiles, Mapping):
        p = 1 - float(np.interp(limit, factor * np.asarray(quantiles["x"], float), quantiles["p"], left=0.0, right=1.0))
    return Conformity(found.value, found.limit, found.expanded, low, high, p, found.p_uncertainty)


def row_words(found: Conformity | None) -> dict[str, Any]:
    """What a row of a table of limits says of its comparison: verdict, probability, guard band; nothing for None."""
    if found is None:
        return {}
    return {
        "verdict": VERDICTS[found.state],
        "p_exceed": found.p_exceed,
        "p_exceed_uncertainty": found.p_uncertainty,
        "guard_band": found.guard_band,
        "acceptance_limit": found.acceptance_limit,
    }
