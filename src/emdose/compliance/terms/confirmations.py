"""What users read in their own copy of a standard: edition, clause, value, initials."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from emdose.checks import is_number, text, unknown
from emdose.compliance.terms import formulas
from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Confirmation:
    """The value of one limit as a user read it in a copy of the standard.

    Parameters
    ----------
    limit : str
        Name of the row of the table of limits, such as "local SAR, first level, extremities, 6 min".
    edition : str
        Edition that was read.
    clause : str
        Clause or table in it.
    value : str or float
        The value in the unit of the row, or its formula in the words of :mod:`emdose.compliance.terms.formulas`.
    initials : str
        Who read it.
    standard : str
        Document.

    Raises
    ------
    InputError
        For empty texts, and a value that is no number and no formula.
    """

    limit: str
    edition: str
    clause: str
    value: str
    initials: str
    standard: str = "IEC 60601-2-33"

    def __post_init__(self) -> None:
        if is_number(self.value):
            object.__setattr__(self, "value", f"{float(self.value):.12g}")
        for f in fields(self):
            object.__setattr__(self, f.name, text(f.name, getattr(self, f.name), problem="nothing given").strip())
        if not all(formulas.evaluate(self.value, point) > 0 for point in _POINTS):
            raise InputError("a limit is larger than 0", field="value", found=self.value)

    def agrees_with(self, limit: str) -> bool:
        """Whether the value is that of a row: equal numbers to 1e-6 wherever both are defined."""
        return all(_same(self.value, limit, point) for point in _POINTS)


# Durations, frequencies, mass ratios and temperatures on both sides of every break of the table's formulas.
_POINTS = tuple(
    {"f": f, "r": r, "T": T, "ts": ts}
    for f, r, T, ts in (
        (1.5, 0.0, 20.0, 0.1),
        (30.0, 0.3, 25.0, 0.5),
        (777.0, 0.7, 28.0, 2.0),
        (1e5, 1.0, 40.0, 10.0),
    )
)


def _same(one: str, other: str, point: Mapping[str, float]) -> bool:
    return math.isclose(formulas.evaluate(one, point), formulas.evaluate(other, point), rel_tol=1e-6)


def as_confirmations(given: Iterable[Confirmation | Mapping[str, Any]]) -> tuple[Confirmation, ...]:
    """Confirmations from themselves or from mappings with the same keys, such as rows of a file.

    Raises
    ------
    InputError
        For unknown or missing keys, and values that make no confirmation.
    """
    return tuple(c if isinstance(c, Confirmation) else _of(c) for c in given)


def _of(row: Mapping[str, Any]) -> Confirmation:
    known = [f.name for f in fields(Confirmation)]
    for key in row:
        if key not in known:
            raise unknown("unknown key of a confirmation", key, known, field="verified_by")
    missing = [k for k in known if k not in row and k != "standard"]
    if missing:
        raise InputError("confirmation without a key", field="verified_by", expected=", ".join(missing))
    return Confirmation(**row)
