"""First-order samples that take no run: what a finished run tells of inputs that move a little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.scenarios import kinds
from emdose.scenarios.folder import KEY, SOLVED, RunFolder
from emdose.scenarios.loading import from_tables
from emdose.scenarios.shared.kind import Nearby
from emdose.scenarios.shared.scenario import LoadedScenario


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run of the nominal values that is there already.

    Parameters
    ----------
    outcome : SampleOutcome
        Its numbers.
    nearby : Nearby or None
        What its kind tells of inputs that move a little.
    """

    outcome: Any
    nearby: Nearby | None = None

    def rows(self, case: Any, X: np.ndarray) -> dict[int, Mapping[str, float]]:
        """Numbers of those of the samples X (n, d) that it can tell, by their place; of the nominal one at place 0.

        Raises
        ------
        InputError
            For values that the scenario cannot have.
        """
        if self.nearby is None or case.paths is None:
            return {}
        scenario = case.paths.scenario
        start = self.nearby(scenario, ())
        if start is None:
            return {}
        found = {0: start}
        for n, x in enumerate(X[1:], 1):
            values: dict[str, Any] = {}
            for entry, value, first in zip(case.uncertain, x, X[0], strict=True):
                if value != first:
                    values |= entry.values(float(value))
            moved = from_tables(case.paths.tables(values), scenario.file)
            told = self.nearby(moved, list(values))
            if told is not None:
                found[n] = told
        return found if len(found) > 1 else {}


def nearby_of(
    scenario: LoadedScenario, folder: Path, summary: Mapping[str, Any], device: str = "auto"
) -> Nearby | None:
    """What a finished run, whose solution lies in its folder, tells of inputs that move a little.

    None where its kind tells nothing, or the solution is not there.

    Parameters
    ----------
    scenario : LoadedScenario
        The scenario.
    folder : Path
        Its result folder.
    summary : mapping
        Its summary.
    device : str
        Where to compute.
    """
    kind = kinds.get(scenario.kind)
    if type(kind).nearby is kinds.Kind.nearby:
        return None  # nothing needs to be built to know
    store = FolderCheckpoint(RunFolder(folder).solution, str(summary["provenance"].get(KEY)))
    arrays = store.load(SOLVED)
    if arrays is None:
        return None
    job = kind.job(scenario, device)
    return kind.nearby(job, job.solution_of(arrays), summary)
