"""Limits of the chosen drive of a finished run under other circumstances, without solving or finding it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from emdose.compliance import check
from emdose.report import limit_words
from emdose.scenarios.kinds.ptx.limits import arguments
from emdose.scenarios.kinds.ptx.schema import ArrayChecksTable, PtxScenario
from emdose.scenarios.shared import tables
from emdose.scenarios.shared.coils import coil

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ptx.result import PtxResult


def recheck(result: PtxResult, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
    """The entries "checks" and "check_inputs" of a summary, for changed keys of the table [checks].

    The drive stays the one that was found, for the duty cycle it was found for.

    Parameters
    ----------
    result : PtxResult
        A finished run.
    changes : mapping
        Keys of [checks] and their new values.
    device : str
        Where to compute the average.

    Raises
    ------
    InputError
        When a value is not possible.
    """
    raw = {k: v for k, v in result.summary["scenario"]["checks"].items() if v is not None} | dict(changes)
    try:
        table = ArrayChecksTable.model_validate(raw)
    except ValidationError as error:
        raise tables.explain(error, raw) from None
    whole = {k: v for k, v in result.summary["scenario"].items() if k in ("scenario", "phantom", "coil", "exposure")}
    source = coil(PtxScenario.model_validate(_without_empty(whole)).coil)
    with tables.blamed_on(None, ""):
        checks = check(
            result.fields,
            result.phantom,
            coil=source,
            sar=result.sar,
            device=device,
            accept=result.summary.get("validity", {}).get("accepted", ()),
            **arguments(table),
        )
    plain = checks.to_dict()
    rows = plain.pop("rows")
    found = {
        "checks": rows,
        "check_inputs": {**plain, "text": checks.table()},
        "quantities": result.summary["quantities"],
    }
    limit_words.refresh(found)
    return {key: found[key] for key in ("checks", "check_inputs")}


def _without_empty(value: Any) -> Any:
    """Tables without keys that have no value."""
    if isinstance(value, Mapping):
        return {k: _without_empty(v) for k, v in value.items() if v is not None}
    return value
