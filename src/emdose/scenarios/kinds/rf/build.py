"""From the tables of an ``rf`` scenario to its solver, its drive, and where B1+ is scaled."""

from __future__ import annotations

from typing import Any

from emdose.scenarios.kinds.rf import schema
from emdose.scenarios.shared.driving.drives import drive_of as drive_of
from emdose.scenarios.shared.driving.drives import place_of as place_of
from emdose.scenarios.shared.driving.drives import require_tissue as require_tissue
from emdose.scenarios.shared.driving.drives import scaled as scaled
from emdose.scenarios.shared.metal_coils.engines import engine


def solver(tables: schema.RfScenario, band: bool = True) -> Any:
    """The solver of a scenario; see :func:`emdose.scenarios.shared.metal_coils.engines.engine`."""
    return engine(tables.coil, tables.solver, tables.tuning, band)
