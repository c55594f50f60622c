"""The result folder of a run: what it holds, and how it is read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.dosimetry.averaging import MassAverage
    from emdose.dosimetry.sar import SarMap
    from emdose.models.phantoms import Phantom
    from emdose.solvers.fields import Fields

RESULT_FILE = "result.h5"
SUMMARY_FILE = "summary.json"
FIELDS_FILE = "fields.vti"
LOCK_FILE = "scenario.lock.toml"
REPORT_FILE = "report.html"


@dataclass(frozen=True)
class CoilSummary:
    """What a result remembers of its source.

    Parameters
    ----------
    name : str
        Such as "birdcage, 16 rungs".
    segments : (n, 2, 3) ndarray
        Start and end of every straight conductor piece [m]; n = 0 for a plane wave.
    currents : (n,) complex ndarray
        Peak current of every piece for the scaled drive of this run [A].
    drive_unit : str
        "A" or "V/m".
    parameters : mapping
        How it was made: rungs, radius_m, length_m, ...
    """

    name: str
    segments: np.ndarray
    currents: np.ndarray
    drive_unit: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class RunResult:
    """Everything that a run left in its folder, for the scaled drive.

    Parameters
    ----------
    folder : Path
        The folder.
    summary : dict
        summary.json: ``quantities`` {name: {"value", "unit", "uncertainty", "note"}}, ``checks`` (rows as
        dicts), ``convergence`` {"tolerance", "meaning", "ports": [{"name", "iterations", "residual",
        "history"}]}, ``power_balance`` {"absorbed_W", "extinction_W", "scattered_W", "closure"}, ``timing_s``,
        ``provenance``, ``scenario`` (all tables with their defaults), ``warnings`` (list of str).
    phantom : Phantom
        Labels, grid, tissues and regions.
    coil : CoilSummary
        Conductors and how they were driven.
    frequency_Hz : float
        Frequency [Hz].
    b1plus : (nx, ny, nz) complex64 ndarray
        B1+ at the voxel centres, scaled drive [T]; also outside the body.
    sar : SarMap
        Point SAR [W/kg].
    averages : dict of str to MassAverage
        Mass averages by name: "1g", "10g", ...
    fields : Fields or None
        E and B of the scaled drive, when the scenario asked to keep them ([output] fields = true).
    """

    folder: Path
    summary: dict[str, Any]
    phantom: Phantom
    coil: CoilSummary
    frequency_Hz: float
    b1plus: np.ndarray
    sar: SarMap
    averages: dict[str, MassAverage]
    fields: Fields | None
