"""Whether a result can be trusted: the one judgement by the table of :mod:`emdose.thresholds`.

Rooms above measure (:class:`Measure`), and nothing but :func:`judge` compares a measure with a threshold of trust. A
result is *valid*, *questionable* (its numbers are shown with the reasons beside them) or *not valid* (its numbers are
withheld, the reasons stand in their place). Whoever knows better accepts a reason by its name; that is shown as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emdose.checks import unknown
from emdose.errors import NotValidError
from emdose.thresholds import TABLE, THRESHOLDS, Threshold
from emdose.values import read_only

VALID, QUESTIONABLE, NOT_VALID = "valid", "questionable", "not valid"
__all__ = [
    "NOT_VALID",
    "QUESTIONABLE",
    "TABLE",
    "THRESHOLDS",
    "VALID",
    "Finding",
    "Measure",
    "Threshold",
    "Validity",
    "accepted",
    "judge",
]


@read_only
@dataclass(frozen=True)
class Measure:
    """Something about a result that has been measured.

    Parameters
    ----------
    name : str
        A name in :data:`THRESHOLDS`.
    value : float
        The value; one that is not finite is never valid.
    where : str
        Which port, frequency, exposure or method it belongs to; empty for the whole.
    hint : str
        The likely cause, where the data tell it; it stands in the place of the row's advice.
    """

    name: str
    value: float
    where: str = ""
    hint: str = ""


@read_only
@dataclass(frozen=True)
class Finding:
    """A measure beyond a threshold.

    Parameters
    ----------
    measure : Measure
        What was measured.
    level : "questionable" or "not valid"
        What it makes of the result.
    threshold : float
        The value that it is beyond.
    accepted : bool
        Whether the user has accepted it by name.
    """

    measure: Measure
    level: str
    threshold: float
    accepted: bool = False

    @property
    def name(self) -> str:
        """Name of the threshold."""
        return self.measure.name

    @property
    def sentence(self) -> str:
        """What was found, in one sentence."""
        row = THRESHOLDS[self.name]
        where = f" ({self.measure.where})" if self.measure.where else ""
        found = f"{row.measured[:1].upper()}{row.measured[1:]}{where} is {row.show(self.measure.value)}"
        side = "above" if row.rises else "below"
        text = f"{found}; {side} {row.show(self.threshold)} a result is {self.level}"
        return f"{text}: accepted by name." if self.accepted else f"{text}: {self.measure.hint or row.advice}."

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "name": self.name,
            "level": self.level,
            "value": self.measure.value,
            "threshold": self.threshold,
            "unit": "1",
            "where": self.measure.where,
            "accepted": self.accepted,
            "sentence": self.sentence,
        }


@read_only
@dataclass(frozen=True)
class Validity:
    """What is to be thought of a result.

    Parameters
    ----------
    findings : tuple of Finding
        Every measure beyond a threshold, the worst of each name and place.
    measures : tuple of Measure
        All that was measured.
    accepted : tuple of str
        Names that the user accepts.
    """

    findings: tuple[Finding, ...] = ()
    measures: tuple[Measure, ...] = ()
    accepted: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """ "valid", "questionable" or "not valid"; what is accepted leaves a result questionable."""
        if any(f.level == NOT_VALID and not f.accepted for f in self.findings):
            return NOT_VALID
        return QUESTIONABLE if self.findings else VALID

    @property
    def is_valid(self) -> bool:
        """Whether the numbers may be shown: the state is not "not valid"."""
        return self.state != NOT_VALID

    def require(self, file: object = None) -> None:
        """Raise NotValidError when the numbers may not be shown; ``file`` says where they are."""
        if not self.is_valid:
            fatal = [f for f in self.findings if f.level == NOT_VALID and not f.accepted]
            raise NotValidError([f.sentence for f in fatal], [f.name for f in fatal], file)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences of all findings; those that make the state come first."""
        first = [f for f in self.findings if f.level == NOT_VALID and not f.accepted]
        return tuple(f.sentence for f in (*first, *(f for f in self.findings if f not in first)))

    @property
    def idle(self) -> tuple[str, ...]:
        """Names that were accepted though nothing was beyond their thresholds."""
        return tuple(name for name in self.accepted if name not in {f.name for f in self.findings})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "state": self.state,
            "findings": [f.to_dict() for f in self.findings],
            "accepted": list(self.accepted),
            "measures": [
                {"name": m.name, "value": m.value, "where": m.where, **({"hint": m.hint} if m.hint else {})}
                for m in self.measures
            ],
        }

    @staticmethod
    def of_dict(told: Mapping[str, Any]) -> Validity:
        """Judge again what :meth:`to_dict` has written; measures of other names are left out."""
        measures = [
            Measure(
                str(m["name"]),
                math.nan if m.get("value") is None else float(m["value"]),
                str(m.get("where", "")),
                str(m.get("hint", "")),
            )
            for m in told.get("measures", [])
            if m.get("name") in THRESHOLDS
        ]
        return judge(measures, [a for a in told.get("accepted", []) if a in THRESHOLDS])


def judge(measures: Iterable[Measure], accept: Sequence[str] = ()) -> Validity:
    """Compare measures with the thresholds.

    Parameters
    ----------
    measures : iterable of Measure
        What was measured.
    accept : sequence of str
        Names of thresholds that may be passed; see :data:`THRESHOLDS`.

    Raises
    ------
    InputError
        For a name that no threshold has.
    """
    names = accepted(accept)
    known = tuple(measures)
    found = []
    for measure in known:
        row = THRESHOLDS[measure.name]
        for level, threshold in ((NOT_VALID, row.not_valid), (QUESTIONABLE, row.questionable)):
            if threshold is not None and row.beyond(measure.value, threshold):
                found.append(Finding(measure, level, threshold, measure.name in names))
                break
    return Validity(tuple(found), known, names)


def accepted(names: Sequence[str]) -> tuple[str, ...]:
    """Names of thresholds that are accepted, each known; raises InputError with "did you mean" for another one."""
    listed = (names,) if isinstance(names, str) else tuple(names)
    for name in listed:
        if name not in THRESHOLDS:
            raise unknown("unknown threshold of validity", name, list(THRESHOLDS), field="accept")
    return tuple(dict.fromkeys(listed))
