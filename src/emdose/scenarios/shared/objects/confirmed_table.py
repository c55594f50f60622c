"""Limits that users read in their copy of a standard, as tables [[checks.verified_by]] of any kind of scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from emdose.compliance.terms.confirmations import as_confirmations
from emdose.errors import InputError
from emdose.scenarios.shared.tables import Quantity, bad_value

READ_BY = "tables [[checks.verified_by]], each with limit, edition, clause, value and initials"


def _read_by(value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(row, Mapping) for row in value):
        raise bad_value(READ_BY)
    try:
        return tuple(asdict(c) for c in as_confirmations(value))
    except InputError as error:
        raise bad_value(f"{READ_BY} ({error})") from None


ReadBy = Annotated[tuple[dict[str, Any], ...], Quantity(_read_by, READ_BY)]
"""What a key ``verified_by`` holds."""
