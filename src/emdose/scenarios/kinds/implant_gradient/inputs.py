"""What a study can vary of an ``implant-gradient`` scenario, and what it varies by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.models.bodies.tissues import TissueTable
from emdose.scenarios.shared import toml
from emdose.scenarios.shared.bodies import body_inputs
from emdose.scenarios.shared.body_tables import TissueChangeTable
from emdose.scenarios.shared.implants import building
from emdose.scenarios.shared.implants.gradient_tables import by_coils
from emdose.scenarios.shared.implants.implant_tables import MetalTable, metal_names
from emdose.scenarios.shared.scenario import LoadedScenario

GEL = "gel"
DIELECTRIC = ("relative_permittivity", "conductivity_S_m")
"""Properties of the surroundings that neither the power in metal nor the heat depends on."""


def inputs(scenario: LoadedScenario) -> dict[str, float]:
    """Properties of metals and surroundings that a table may set but need not, by path."""
    tables = scenario.tables
    found: dict[str, float] = {}
    for name in metal_names(tables.implant):
        metal = building.metal(name, tables, scenario.file, "implant.metal")
        keys = [k for k in MetalTable.model_fields if k != "like"]
        found |= {toml.dotted(("metals", name, key)): float(getattr(metal, key)) for key in keys}
    if tables.phantom is not None:
        found |= body_inputs(tables.phantom, None, scenario.file)
    elif tables.rf is None:
        gel = TissueTable.default()[GEL]
        changed = {} if tables.gel is None else tables.gel.model_dump(exclude_none=True)
        for key in TissueChangeTable.model_fields:
            value = changed.get(key, getattr(gel, key, None))
            if value is not None and key not in DIELECTRIC:
                found[f"{GEL}.{key}"] = float(value)
    return found


def default_laws(scenario: LoadedScenario, nominal: Mapping[str, float]) -> list[dict[str, Any]]:
    """Default laws of metals, pose, gradients, surroundings and heat.

    The position of an implant counts where gradient coils make the field, the exchange with air where there is any.
    """
    from emdose.uncertainty.defaults import default_entries

    tables = scenario.tables
    # Gel around an implant has the laws of gel in a phantom.
    within = f"phantom.tissues.{GEL}."
    known = {within + p.removeprefix(f"{GEL}.") if p.startswith(f"{GEL}.") else p: v for p, v in nominal.items()}
    rows = default_entries(known)
    if tables.phantom is None:
        rows = [{**row, "path": str(row["path"]).replace(within, f"{GEL}.", 1)} for row in rows]
    moved = bool(by_coils(tables.exposures)) or tables.phantom is not None
    dropped = ["phantom.translate_m", "phantom.rotate_deg"]
    dropped += [] if moved else ["implant.position_m"]
    dropped += [] if tables.thermal.edges == "surface" else ["thermal.surface_W_m2_K"]
    return [row for row in rows if not str(row["path"]).startswith(tuple(dropped))]
