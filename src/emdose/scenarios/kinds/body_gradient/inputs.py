"""What a study can vary of a ``body-gradient`` scenario, and what it varies by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emdose.scenarios.shared.bodies import body_inputs
from emdose.scenarios.shared.induced.conductivity_of_tissues import conductivity_laws
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.uncertainty.defaults import default_entries

NOMINAL_Hz = 1000.0
"""Frequency of nominal conductivities where a scenario states none."""


def inputs(scenario: LoadedScenario) -> dict[str, float]:
    """The tissues of the body at the frequency that they are taken at, and where it lies."""
    tables = scenario.tables
    return body_inputs(tables.phantom, tables.solver.tissue_frequency_Hz or NOMINAL_Hz, scenario.file)


def default_laws(scenario: LoadedScenario, nominal: Mapping[str, float]) -> list[dict[str, Any]]:
    """Conductivities of the larger tissues one by one, the place of the body, and gradients."""
    rows = default_entries(nominal, without=("size", "thermal", "perfusion", "density", "dielectric"))
    kept = [dict(row) for row in rows if not str(row["path"]).startswith("phantom.rotate_deg")]
    return [*kept, *conductivity_laws(scenario, nominal)]
