"""What an ``induction`` run has left in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emdose.scenarios import opened_result
from emdose_toy.job import FORM, VERSION


@dataclass(frozen=True, eq=False)
class InductionResult:
    """Folder and summary, as every result has them, and the rms field (nx, ny, nz) [V/m] with its voxel size [m]."""

    folder: Path
    summary: dict[str, Any]
    E: np.ndarray
    spacing_m: tuple[float, float, float]


def read_result(folder, summary):
    """Read it back; what h5py has to say about damaged files becomes one line."""
    with opened_result(folder, FORM, VERSION) as file:
        return InductionResult(folder, summary, file["E"][()], tuple(map(float, file.attrs["spacing_m"])))
