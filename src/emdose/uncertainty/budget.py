"""The budget of a number: rows of what it owes to each source, their combination, and the cheap way to have them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from emdose.checks import array, number, text, within
from emdose.conformity import Conformity, beside_limit
from emdose.errors import InputError
from emdose.uncertainty.discretisation import KIND as DISCRETISATION
from emdose.uncertainty.laws.correlation import cholesky
from emdose.values import read_only

PHYSICAL, TYPE_A, COMBINED = "physical", "type A", "combined"
COVERAGE = 0.95

STRONG, FELT = 0.3, 0.01
"""A source is told to be nonlinear where its second order is more than this share of the first, and of the combined
variance."""

COLUMNS = (
    "source",
    "kind",
    "estimate",
    "unit",
    "law",
    "width",
    "divisor",
    "standard_uncertainty",
    "sensitivity",
    "contribution",
    "second_order",
    "dof",
    "share_percent",
)


@read_only
@dataclass(frozen=True)
class Contribution:
    """One row of a budget: what a source leaves uncertain of the result.

    Parameters
    ----------
    source : str
        What is not known exactly: name or path of an input, or words.
    contribution : float
        Standard contribution c u [unit of the result]; its sign matters where rows are correlated.
    estimate : float, optional
        Value of the source [``unit``].
    unit : str
        Unit of the source.
    law : str
        Its law in words.
    width : float, optional
        What is stated of the source: its standard deviation or half width [``unit``].
    divisor : str
        What makes a standard uncertainty of the width, such as "sqrt 3".
    sensitivity : float, optional
        Change of the result over change of the source.
    dof : float
        Degrees of freedom of the standard uncertainty.
    kind : str
        "physical", "type A", "discretisation" or another word; kinds are summed apart too.
    second_order : float
        Standard contribution of the curvature, beside that of the slope [unit of the result].

    Raises
    ------
    InputError
        Without a source, for what is no number, or degrees of freedom that are not positive.

    Source: JCGM 100:2008 (GUM), 4, 5 and table H.1.
    """

    source: str
    contribution: float
    estimate: float | None = None
    unit: str = ""
    law: str = "normal"
    width: float | None = None
    divisor: str = "1"
    sensitivity: float | None = None
    dof: float = math.inf
    kind: str = PHYSICAL
    second_order: float = 0.0

    def __post_init__(self) -> None:
        text("source", self.source)
        text("kind", self.kind)
        number(f"contribution of {self.source}", self.contribution)
        number(f"second order of {self.source}", self.second_order)
        for name in ("estimate", "width", "sensitivity"):
            if getattr(self, name) is not None:
                number(f"{name} of {self.source}", getattr(self, name))
        if not (isinstance(self.dof, int | float) and self.dof > 0):
            raise InputError("bad degrees of freedom", field=self.source, found=self.dof, expected="> 0, or infinite")

    @property
    def variance(self) -> float:
        """Square of the contribution, that of the second order included."""
        return self.contribution**2 + self.second_order**2

    @property
    def standard(self) -> float | None:
        """Standard uncertainty of the source [``unit``], where its width is known."""
        if self.sensitivity:
            return abs(self.contribution / self.sensitivity)
        return None if self.width is None else self.width / _divisor(self.divisor)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file; infinite degrees of freedom are None."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return found | {"dof": None if math.isinf(self.dof) else self.dof}

    @classmethod
    def of_dict(cls, table: Mapping[str, Any]) -> Contribution:
        """The row of which :meth:`to_dict` made a table."""
        return cls(**{**table, "dof": math.inf if table.get("dof") is None else table["dof"]})


@read_only
@dataclass(frozen=True, eq=False)
class Budget:
    """All rows of a result, and what they make of it.

    Parameters
    ----------
    quantity : str
        Name of the result.
    unit : str
        Its unit.
    value : float
        The result [``unit``].
    contributions : sequence of Contribution
        The rows.
    correlation : array_like (n, n), optional
        Correlation of the sources of the rows; independent unless given.
    coverage : float
        Probability that the expanded uncertainty is to cover.
    method : str
        How the rows were found, in words.

    Raises
    ------
    InputError
        For rows that are none, a value that is no number, a coverage that is none, or a correlation that is not
        symmetric, positive semi-definite and within [-1, 1].

    Equation: u^2 = sum_ij r_ij c_i u_i c_j u_j + second orders; nu = u^4 / sum (c_i u_i)^4 / nu_i (Welch and
    Satterthwaite); U = k u with k of Student's t law.

    Source: JCGM 100:2008 (GUM), 5.1.2, 5.2.2, G.4.1.
    """

    quantity: str
    unit: str
    value: float
    contributions: tuple[Contribution, ...]
    correlation: Any = None
    coverage: float = COVERAGE
    method: str = ""

    def __post_init__(self) -> None:
        number(f"value of {self.quantity}", self.value)
        within("coverage", self.coverage, 0, 1, ends="()")
        rows = tuple(self.contributions)
        if not all(isinstance(row, Contribution) for row in rows):
            raise InputError("not a row of a budget", field=self.quantity, found=str(rows), expected="Contribution")
        object.__setattr__(self, "contributions", rows)
        if self.correlation is not None:
            r = array("correlation", self.correlation, (len(rows), len(rows)))
            if np.any(np.abs(r) > 1 + 1e-12) or np.any(np.abs(np.diag(r) - 1) > 1e-12):
                raise InputError("correlation out of range", field="correlation", expected="1 on the diagonal, -1 to 1")
            cholesky("correlation", r + 1e-9 * np.eye(len(rows)))  # one cause may stand in two rows
            object.__setattr__(self, "correlation", r)

    @cached_property
    def _terms(self) -> np.ndarray:
        """What each row adds to the variance, its share of the covariances included, (n,)."""
        c = np.array([row.contribution for row in self.contributions], float)
        covered = c * c if self.correlation is None else c * (np.array(self.correlation) @ c)
        return covered + np.array([row.second_order for row in self.contributions], float) ** 2

    @property
    def combined(self) -> float:
        """Combined standard uncertainty [``unit``]."""
        return math.sqrt(max(float(np.sum(self._terms)), 0.0))

    @property
    def dof(self) -> float:
        """Effective degrees of freedom."""
        u2 = self.combined**2
        below = sum(row.variance**2 / row.dof for row in self.contributions)
        return u2 * u2 / below if below > 0 else math.inf

    @property
    def k(self) -> float:
        """Coverage factor of Student's t law; 1.96 for 95 % and many degrees of freedom."""
        return coverage_factor(self.coverage, self.dof)

    @property
    def expanded(self) -> float:
        """Expanded uncertainty k u [``unit``]."""
        return self.k * self.combined

    @property
    def relative(self) -> float:
        """Expanded uncertainty over the magnitude of the value; infinite where that is 0."""
        return self.expanded / abs(self.value) if self.value else (math.inf if self.expanded else 0.0)

    @property
    def interval(self) -> tuple[float, float]:
        """Value -+ expanded uncertainty."""
        return self.value - self.expanded, self.value + self.expanded

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of each row in the variance [%]; negative where a correlation takes more than the row brings."""
        total = float(np.sum(self._terms))
        return tuple((100 * t / total if total > 0 else 0.0) for t in self._terms.tolist())

    @property
    def by_kind(self) -> dict[str, float]:
        """Combined standard uncertainty of each kind of source [``unit``]."""
        found: dict[str, float] = {}
        for row, term in zip(self.contributions, self._terms.tolist(), strict=True):
            found[row.kind] = found.get(row.kind, 0.0) + term
        return {kind: math.sqrt(max(term, 0.0)) for kind, term in found.items()}

    @property
    def largest(self) -> Contribution | None:
        """The row with the largest share; None without rows."""
        return self.contributions[int(np.argmax(self._terms))] if self.contributions else None

    @property
    def nonlinear(self) -> tuple[str, ...]:
        """Sources whose second order is felt: up and down they do not change the result alike."""
        least = FELT * self.combined**2
        return tuple(
            row.source
            for row in self.contributions
            if row.second_order**2 > least and abs(row.second_order) > STRONG * abs(row.contribution)
        )

    def beside_limit(self, limit: float) -> Conformity:
        """The result beside an upper limit [``unit``]; see :func:`emdose.conformity.beside_limit`."""
        return beside_limit(self.value, limit, self.expanded, self.k, self.dof)

    def extended(self, *rows: Contribution) -> Budget:
        """The same budget with more rows, independent of those that are there."""
        n, m = len(self.contributions), len(rows)
        r = self.correlation
        if r is not None:
            r = np.block([[np.array(r), np.zeros((n, m))], [np.zeros((m, n)), np.eye(m)]])
        return replace(self, contributions=(*self.contributions, *rows), correlation=r)

    def uncertainty(self) -> dict[str, Any]:
        """The entry "uncertainty" of a quantity in summary.json."""
        kinds = {row.kind for row in self.contributions}
        return {
            "expanded": self.expanded,
            "k": self.k,
            "coverage": self.coverage,
            "dof": None if math.isinf(self.dof) else self.dof,
            "basis": self.method or "budget",
            "kind": DISCRETISATION if kinds == {DISCRETISATION} else COMBINED,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, what follows from the rows included."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            "value": self.value,
            "combined": self.combined,
            "dof": None if math.isinf(self.dof) else self.dof,
            "k": self.k,
            "coverage": self.coverage,
            "expanded": self.expanded,
            "by_kind": self.by_kind,
            "nonlinear": list(self.nonlinear),
            "method": self.method,
            "rows": [
                row.to_dict() | {"share_percent": s} for row, s in zip(self.contributions, self.shares, strict=True)
            ],
            "correlation": None if self.correlation is None else np.array(self.correlation).tolist(),
        }

    @classmethod
    def of_dict(cls, table: Mapping[str, Any]) -> Budget:
        """The budget of which :meth:`to_dict` made a table.

        Raises
        ------
        InputError
            For a table that is none.
        """
        try:
            rows = [{k: v for k, v in row.items() if k != "share_percent"} for row in table["rows"]]
            given = {k: table[k] for k in ("quantity", "unit", "value", "coverage", "method", "correlation")}
            return cls(contributions=tuple(Contribution.of_dict(row) for row in rows), **given)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(
                "not the table of a budget", found=str(error), expected="what Budget.to_dict made"
            ) from None

    def to_csv(self) -> str:
        """The table as comma-separated text: a row for each source, then combined and expanded uncertainty."""
        out = io.StringIO()
        write = csv.writer(out, lineterminator="\n")
        write.writerow(COLUMNS)
        for row, share in zip(self.contributions, self.shares, strict=True):
            cells = {name: getattr(row, name, None) for name in COLUMNS}
            cells |= {"standard_uncertainty": row.standard, "share_percent": f"{share:.4g}"}
            write.writerow(["" if v is None else v for v in cells.values()])
        write.writerow(["combined", "", self.value, self.unit, *[""] * 5, self.combined, "", self.dof, ""])
        words = f"k = {self.k:.4g}, coverage {100 * self.coverage:g} %"
        write.writerow(["expanded", "", self.value, self.unit, words, *[""] * 4, self.expanded, "", self.dof, ""])
        return out.getvalue()


class TypeA(NamedTuple):
    """Mean of repeated readings, its standard uncertainty and degrees of freedom."""

    mean: float
    standard: float
    dof: int


def type_a(values: Any) -> TypeA:
    """What repeated readings say of their mean: mean, standard uncertainty s / sqrt n and n - 1 degrees of freedom.

    Raises
    ------
    InputError
        For fewer than two readings, or what is no finite number.

    Source: JCGM 100:2008 (GUM), 4.2.3.
    """
    x = array("values", values, (None,))
    if x.size < 2:
        raise InputError("too few readings", field="values", found=x.size, expected="two or more")
    return TypeA(float(x.mean()), float(x.std(ddof=1) / math.sqrt(x.size)), x.size - 1)


def coverage_factor(coverage: float, dof: float = math.inf) -> float:
    """The k of an interval that covers with a probability: the quantile of Student's t law, or of the normal law."""
    from scipy.special import ndtri, stdtrit

    p = 0.5 * (1 + within("coverage", coverage, 0, 1, ends="()"))
    return float(ndtri(p) if math.isinf(dof) else stdtrit(max(dof, 1.0), p))


def _divisor(words: str) -> float:
    return math.sqrt(float(words[5:])) if words.startswith("sqrt ") else float(words)
