"""What was found about one convention, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emdose.checks import one_of
from emdose.values import read_only

FOUND, CONFIRMED, CONTRADICTED, OPEN = "found", "confirmed", "contradicted", "cannot be told from this data"
STATES = (FOUND, CONFIRMED, CONTRADICTED, OPEN)


@read_only
@dataclass(frozen=True)
class Evidence:
    """One test and its numbers.

    Parameters
    ----------
    test : str
        What was tested.
    sentence : str
        What came out, in words.
    numbers : mapping of str to float
        The numbers that it stands on.
    decisive : float or None
        Misfit of the next best choice over that of the best one: 1 says that both fit alike.
    """

    test: str
    sentence: str
    numbers: Mapping[str, float] = field(default_factory=dict)
    decisive: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "test": self.test,
            "sentence": self.sentence,
            "numbers": dict(self.numbers),
            "decisive": self.decisive,
        }


@read_only
@dataclass(frozen=True)
class ConventionFinding:
    """What the data say of one convention.

    Parameters
    ----------
    question : str
        The convention.
    state : str
        One of :data:`STATES`.
    value : str or None
        What the data say; None where they cannot tell.
    stated : str or None
        What is said about it.
    stated_by : str
        Who says so.
    evidence : tuple of Evidence
        Why.
    used, used_by : str
        What is used from here on and on whose word ("data", "the user", "the file"); empty where nothing may be.
    """

    question: str
    state: str
    value: str | None
    stated: str | None = None
    stated_by: str = ""
    evidence: tuple[Evidence, ...] = ()
    used: str = ""
    used_by: str = ""

    def __post_init__(self) -> None:
        one_of("state", self.state, STATES)

    @property
    def sentence(self) -> str:
        """The finding in one sentence."""
        text = f"{self.question}: {self.state}"
        if self.value is not None:
            text = f"{self.question}: {self.value} ({self.state}"
            text += f"; {self.stated_by or 'somebody'} says {self.stated})" if self.state == CONTRADICTED else ")"
        elif self.state == CONTRADICTED:
            text += f": not {self.stated}, as {self.stated_by} says"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "question": self.question,
            "state": self.state,
            "value": self.value,
            "stated": self.stated,
            "stated_by": self.stated_by,
            "used": self.used,
            "used_by": self.used_by,
            "evidence": [e.to_dict() for e in self.evidence],
        }


def judged(
    question: str,
    value: str | None,
    evidence: tuple[Evidence, ...],
    stated: str | None,
    stated_by: str,
    excluded: tuple[str, ...] = (),
) -> ConventionFinding:
    """A finding from what the data say and what is said.

    Parameters
    ----------
    question : str
        The convention.
    value : str or None
        What the data say; None where they cannot tell.
    evidence : tuple of Evidence
        Why.
    stated, stated_by : str or None, str
        What is said, and by whom.
    excluded : tuple of str
        Choices that the data rule out although they do not single one out.
    """
    if value is None:
        state = CONTRADICTED if stated in excluded else OPEN
        return ConventionFinding(question, state, None, stated, stated_by, evidence)
    state = FOUND if stated is None else CONFIRMED if stated == value else CONTRADICTED
    return ConventionFinding(question, state, value, stated, stated_by, evidence, value, "data")
