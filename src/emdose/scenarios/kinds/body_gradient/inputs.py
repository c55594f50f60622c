"""What a study can vary of a ``body-gradient`` scenario, and what it varies by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.scenarios.shared import toml
from emdose.scenarios.shared.bodies import body_inputs, phantom
from emdose.scenarios.shared.scenario import LoadedScenario
from emdose.uncertainty.defaults import default_entries

NOMINAL_Hz = 1000.0
"""Frequency of nominal conductivities where a scenario states none."""
SHARE = 0.01
"""Share of the volume from which on a tissue's conductivity is varied by default; skin always is."""
SPREAD = 0.3
SOURCE = (
    "Below 1 MHz tables differ by tens of per cent for one tissue: muscle 0.16 S/m (Geddes and Baker 1967) and 0.32 "
    "(Gabriel et al. 1996), white matter by direction (both quoted in PMC5361410, table 1, read); one factor for all "
    "tissues would change no field (assumed)"
)


def inputs(scenario: LoadedScenario) -> dict[str, float]:
    """The tissues of the body at the frequency that they are taken at, and where it lies."""
    tables = scenario.tables
    return body_inputs(tables.phantom, tables.solver.tissue_frequency_Hz or NOMINAL_Hz, scenario.file)


def default_laws(scenario: LoadedScenario, nominal: Mapping[str, float]) -> list[dict[str, Any]]:
    """Conductivities of the larger tissues one by one, the place of the body, and gradients."""
    body = phantom(scenario.tables.phantom, scenario.file)
    volume = {name: row for name, row in _shares(body).items() if row >= SHARE or name == "skin"}
    rows = default_entries(nominal, without=("size", "thermal", "perfusion", "density", "dielectric"))
    kept = [dict(row) for row in rows if not str(row["path"]).startswith("phantom.rotate_deg")]
    if body.test_object:
        return kept
    for name in volume:
        path = toml.dotted(("phantom", "tissues", name, "conductivity_S_m"))
        if nominal.get(path):
            kept.append({"path": path, "law": "log-normal", "relative": SPREAD, "source": SOURCE})
    return kept


def _shares(body: Any) -> dict[str, float]:
    """Share of every tissue of the volume."""

    count = np.bincount(body.labels.ravel(), minlength=len(body.tissues))[1:]
    return {t.name: float(n / count.sum()) for t, n in zip(body.tissues[1:], count, strict=True)}
