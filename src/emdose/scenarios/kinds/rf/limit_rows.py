"""The limits that the table [checks] asks for, with what users read in their own copies of the standards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emdose.compliance.limits import Limit, confirmed, limits
from emdose.compliance.terms.confirmations import as_confirmations
from emdose.io.limits import read_confirmations

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.schema import ChecksTable


def readings(table: ChecksTable) -> tuple[dict[str, Any], ...]:
    """Confirmed values of the table and of the file that it names; raises InputError when that cannot be read."""
    file = table.verified_by_file
    return (*(table.verified_by or ()), *(() if file is None else read_confirmations(file)))


def limit_rows(table: ChecksTable) -> tuple[Limit, ...]:
    """Rows of the standard and edition; raises InputError for unknown names and values that do not fit a row."""
    rows = limits(table.standard, table.edition)
    return confirmed(rows, as_confirmations(readings(table)), table.use_values or ())


def is_patient(table: ChecksTable, body: Phantom) -> bool:
    """Whether limits for patients apply: as the table says, otherwise to all but test objects."""
    return not body.test_object if table.patient is None else table.patient
