"""Which conductivities a study varies by default: those of the larger tissues, each by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.scenarios.shared import toml
from emdose.scenarios.shared.bodies import phantom
from emdose.scenarios.shared.scenario import LoadedScenario

SHARE = 0.01
"""Share of the volume from which on a tissue's conductivity is varied by default; skin always is."""
SPREAD = 0.3
SOURCE = (
    "Below 1 MHz tables differ by tens of per cent for one tissue: muscle 0.16 S/m (Geddes and Baker 1967) and 0.32 "
    "(Gabriel et al. 1996), white matter by direction (both quoted in PMC5361410, table 1, read); one factor for all "
    "tissues would change no field (assumed)"
)


def conductivity_laws(scenario: LoadedScenario, nominal: Mapping[str, float]) -> list[dict[str, Any]]:
    """Conductivities of the larger tissues one by one; none of a test object, which is of one tissue.

    Parameters
    ----------
    scenario : LoadedScenario
        With a table [phantom].
    nominal : mapping of str to float
        Its inputs.
    """
    body = phantom(scenario.tables.phantom, scenario.file)
    if body.test_object:
        return []
    count = np.bincount(body.labels.ravel(), minlength=len(body.tissues))[1:]
    found = []
    for tissue, n in zip(body.tissues[1:], count / count.sum(), strict=True):
        path = toml.dotted(("phantom", "tissues", tissue.name, "conductivity_S_m"))
        if (n >= SHARE or tissue.name == "skin") and nominal.get(path):
            found.append({"path": path, "law": "log-normal", "relative": SPREAD, "source": SOURCE})
    return found
