"""What a ``ptx`` run has found, on its way through the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.ptx.matrices import ArrayMatrices
    from emdose.solvers.results.fields import Fields


@dataclass(frozen=True, eq=False)
class PtxOutcome:
    """What a ``ptx`` run computed, before it is written.

    Parameters
    ----------
    body : Phantom
        The body.
    coil : str
        Name of the array.
    array : ArrayMatrices
        Fields of all channels and their matrices.
    mask : (nx, ny, nz) bool ndarray
        Where B1+ counts.
    drives : mapping of str to (port,) complex ndarray
        All drives [drive units].
    averages : mapping of str to (nx, ny, nz) ndarray
        10 g SAR of each [W/kg].
    driven : Fields
        Of the drive that stands beside the limits.
    sar : SarMap
        Its point SAR.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    body: Phantom
    coil: str
    array: ArrayMatrices
    mask: np.ndarray
    drives: Mapping[str, np.ndarray]
    averages: Mapping[str, np.ndarray]
    driven: Fields
    sar: SarMap
    summary: dict[str, Any]
    warnings: list[str]
