"""What a ``body-gradient`` run has solved and found, on its way through the job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.induced import InducedField


@dataclass(frozen=True, eq=False)
class SolvedBody:
    """Fields of all sources.

    Parameters
    ----------
    body : InducedField
        In the body.
    coarse : InducedField or None
        On larger voxels, for the uncertainty by voxels.
    implanted : InducedField or None
        With the implant.
    coarse_implanted : InducedField or None
        With the implant on larger voxels.
    """

    body: InducedField
    coarse: InducedField | None = None
    implanted: InducedField | None = None
    coarse_implanted: InducedField | None = None


@dataclass(frozen=True, eq=False)
class GradientOutcome:
    """What a ``body-gradient`` run computed, before it is written.

    Parameters
    ----------
    phantom, metal
        As in :class:`~emdose.scenarios.kinds.body_gradient.result.BodyGradientResult`.
    maps : mapping of str to (nx, ny, nz) ndarray
        Largest |E| over time of every exposure, without and with the implant [V/m].
    fields : mapping of str to (3, nx, ny, nz) ndarray
        E per unit of drive of every source.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    phantom: Phantom
    metal: np.ndarray | None
    maps: Mapping[str, np.ndarray]
    fields: Mapping[str, np.ndarray]
    summary: dict[str, Any]
    warnings: list[str]
