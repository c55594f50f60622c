"""From the tables of a ``force`` scenario to materials and the place in the scanner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.mechanics.field_map import StaticFieldMap, StaticFieldPoint
from emdose.scenarios.kinds.force import schema
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.implant_tables import MetalTable, metal_names
from emdose.scenarios.shared.tables import blamed_on

if TYPE_CHECKING:
    from emdose.scenarios.shared.scenario import LoadedScenario


def places(table: Any, file: object = None) -> tuple[StaticFieldPoint, StaticFieldMap | None]:
    """Where forces are computed, and the map that the place is of.

    For a map it is where B |grad B| is largest.
    """
    with blamed_on(file, "magnet"):
        if isinstance(table, schema.PointMagnetTable):
            return StaticFieldPoint(table.B_T, table.gradient_T_m), None
        if isinstance(table, schema.ProductMagnetTable):
            return StaticFieldPoint(table.B0_T, table.product_T2_m / table.B0_T), None
        from emdose.io.forces.field_maps import read_field_map

        found = read_field_map(table.file)
        return found.largest_product, found


def static_field(table: Any) -> np.ndarray:
    """B0 at the isocentre, (3,) [T]."""
    direction = np.asarray(table.B0_direction, float)
    return np.asarray(table.B0_T * direction / np.linalg.norm(direction))


def inputs(scenario: LoadedScenario) -> dict[str, float]:
    """Properties of the metals that a table may set but need not, by path."""
    tables = scenario.tables
    found: dict[str, float] = {}
    for name in metal_names(tables.implant):
        metal = building.metal(name, tables, scenario.file, "implant.metal")
        keys = [k for k in MetalTable.model_fields if k in ("conductivity_S_m", "density_kg_m3")]
        found |= {toml.dotted(("metals", name, key)): float(getattr(metal, key)) for key in keys}
    return found
