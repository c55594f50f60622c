"""Limits of a finished run under other circumstances, without solving again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emdose.compliance import check
from emdose.errors import InputError
from emdose.report import limit_words
from emdose.scenarios.kinds.rf.evaluation import check_arguments, checks_summary
from emdose.scenarios.kinds.rf.schema import ChecksTable
from emdose.scenarios.shared import tables

if TYPE_CHECKING:
    from emdose.scenarios.kinds.rf.result.result import RunResult


def recheck(result: RunResult, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
    """The entries "checks" and "check_inputs" of a summary, for changed keys of the table [checks].

    Parameters
    ----------
    result : RunResult
        A finished run that kept its fields.
    changes : mapping
        Keys of [checks] and their new values.
    device : str
        Where to compute averages that are not there.

    Raises
    ------
    InputError
        When a value is not possible, or the fields were not kept.
    """
    if result.fields is None:
        raise InputError(
            "this run did not keep its fields",
            file=result.folder,
            field="output.fields",
            found=False,
            expected="true: run it again with --force",
        )
    raw = {k: v for k, v in result.summary["scenario"]["checks"].items() if v is not None} | dict(changes)
    try:
        table = ChecksTable.model_validate(raw)
    except ValidationError as error:
        raise tables.explain(error, raw) from None
    with tables.blamed_on(None, ""):
        arguments = check_arguments(table, result.phantom)
        ends: Any = result.coil  # only the ends of its conductors are asked for
        checks = check(
            result.fields,
            result.phantom,
            coil=ends,
            sar=result.sar,
            average_10g=result.averages.get("10g"),
            device=device,
            accept=result.summary.get("validity", {}).get("accepted", ()),
            **arguments,
        )
    found = {**checks_summary(checks), "quantities": result.summary["quantities"]}
    limit_words.refresh(found)
    return {key: found[key] for key in ("checks", "check_inputs")}
