"""The gate that every summary goes through: judged, and without its numbers when it is not valid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.errors import InputError
from emdose.scenarios import kinds
from emdose.scenarios.shared.convergence import summary_validity
from emdose.scenarios.shared.kind import Kind
from emdose.validity import Validity


def kind_of(summary: Mapping[str, Any], file: object = None) -> Kind[Any]:
    """The kind of scenario that a summary states: ``kind`` of its table [scenario].

    Raises
    ------
    InputError
        When it states none, or one that nobody brings.
    """
    scenario = summary.get("scenario")
    header = scenario.get("scenario") if isinstance(scenario, Mapping) else None
    stated = header.get("kind") if isinstance(header, Mapping) else None
    return kinds.get(stated, file, "scenario.scenario.kind")


def validity(summary: Mapping[str, Any], file: object = None) -> Validity:
    """What is to be thought of the run of a summary: by the measures it states, else by those its kind finds in it.

    Raises
    ------
    InputError
        As :func:`kind_of`, and for a damaged summary.
    """
    kind = kind_of(summary, file)
    try:
        return summary_validity(summary, kind.measures)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        problem = f"this summary cannot be judged ({type(error).__name__}: {error})"
        raise InputError(
            problem, file=file, expected="a summary of emdose; run the scenario again with --force"
        ) from None


def gated(summary: Mapping[str, Any], file: object = None) -> dict[str, Any]:
    """A summary with its entry "validity", and without headline numbers, verdicts and limits when it is not valid.

    Raises
    ------
    InputError
        As :func:`kind_of`.
    """
    judged = validity(summary, file)
    told = {**summary, "validity": judged.to_dict()}
    return told if judged.is_valid else kind_of(summary, file).withheld(told)
