"""What a file of matrices holds: arrays and words, whatever its format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.dosimetry.transmission.global_forms import GlobalMatrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.dosimetry.transmission.temperature_matrices import TemperatureMatrices
from emdose.dosimetry.transmission.vops import VirtualObservationPoints
from emdose.errors import InputError

KIND = "emdose transmit matrices 1"
CONVENTIONS = ("vHQv", "vTQv*")
"""SAR is v^H Q v, as here, or v^T Q v^*, of the transpose."""
POINT = "point"
CERTIFICATE = ("chosen", "combination", "coefficients")
LISTS = (
    *("ports", "bodies", "definitions", "powers", "grid", "sources", "counts", "global_ratios"),
    *("assumptions", "provenance"),
)
"""Words that are lists or tables."""


@dataclass(frozen=True, eq=False)
class MatrixRecord:
    """Arrays and words of a file.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Matrices as (matrix, port, port), and what belongs to them.
    told : mapping of str to object
        Plain words and numbers: conventions, units, names.
    source : str
        Format they were read from: "hdf5", "npz", "mat"; "" for what was made here.
    """

    arrays: Mapping[str, np.ndarray]
    told: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


def averaging_text(mass_kg: float | None) -> str:
    """Averaging in words, such as "10 g", or "point"."""
    return POINT if mass_kg is None else f"{1e3 * mass_kg:.9g} g"


def averaging_mass_kg(text: Any, file: object = None) -> float | None:
    """Averaging mass of such words [kg], None for "point"; raises InputError for others."""
    words = str(text).strip().lower()
    if words in (POINT, "none", "unaveraged"):
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*(k?g)", words)
    if found is None or float(found[1]) <= 0:
        raise InputError(
            "unknown averaging", file=file, field="averaging", found=text, expected='"10 g", "1 g", "point"'
        )
    return float(found[1]) * (1.0 if found[2] == "kg" else 1e-3)


def record_of(
    value: QMatrices | TemperatureMatrices | VirtualObservationPoints | None,
    global_matrices: GlobalMatrices | None = None,
) -> MatrixRecord:
    """Arrays and words of matrices with the global ones that belong to them.

    Raises
    ------
    InputError
        When both are not of the same ports, frequency and unit of drive, or there is nothing.
    """
    one = value if value is not None else global_matrices
    if not isinstance(one, QMatrices | TemperatureMatrices | VirtualObservationPoints | GlobalMatrices):
        raise InputError("no matrices to write", found=type(one).__name__, expected="Q-matrices or their bounds")
    told: dict[str, Any] = {
        "kind": KIND,
        "convention": "vHQv",
        "phasor": "peak",
        "time": "exp(+jwt)",
        "unit": getattr(one, "unit", "W/kg"),
        "drive_unit": one.drive_unit,
        "rule": one.rule,
        "ports": list(one.ports),
        "channels": len(one.ports),
    }
    if one.frequency_Hz is not None:
        told["frequency_Hz"] = float(one.frequency_Hz)
    arrays: dict[str, np.ndarray] = {}
    if not isinstance(one, GlobalMatrices):
        told["averaging"] = averaging_text(one.averaging_mass_kg)
    if told["unit"] == "K":
        told |= _of_heat(one)
    if isinstance(value, VirtualObservationPoints):
        arrays |= {"vops": value.matrices, **{name: getattr(value, name) for name in CERTIFICATE}}
        told["method"] = value.method
        over = value.overestimate
        numbers = {"overestimate": over, "compression_margin": over, "largest": value.largest}
        told |= {key: float(x) for key, x in numbers.items() if math.isfinite(x)}  # NaN is no word of JSON
        told["requires_global_limit"] = value.requires_global_limit
        if value.global_ratios:
            told["global_ratios"] = dict(value.global_ratios)
        if value.sources:
            told |= {"sources": list(value.sources), "counts": list(value.counts)}
        if value.margin is not None:
            margin = value.margin
            arrays["margin_factors"] = margin.factors
            told |= {"margin_factor": margin.factor, "margin_coverage": margin.coverage}
            told |= {"margin_confidence": margin.confidence, "margin_statement": margin.statement}
    if isinstance(value, QMatrices | TemperatureMatrices):
        name = "q_matrices" if isinstance(value, QMatrices) else "temperature_matrices"
        arrays |= {name: value.matrices, "voxel": value.voxel}
        grid = value.grid
        told["grid"] = {
            "shape": list(grid.shape),
            "spacing_m": list(grid.spacing_m),
            "origin_m": list(grid.origin_m),
        }
    if global_matrices is not None:
        global_matrices.require_of(one)
        arrays |= {"global_matrix": global_matrices.matrices, "global_mass_kg": global_matrices.masses_kg}
        arrays |= {_power(name): m for name, m in global_matrices.powers.items()}
        told["bodies"], told["definitions"] = list(global_matrices.names), list(global_matrices.definitions)
        told["powers"] = list(global_matrices.powers)
    return MatrixRecord({k: np.asarray(v) for k, v in arrays.items()}, told)


def _of_heat(one: Any) -> dict[str, Any]:
    """Words of matrices of temperature: how long drives are on, and what it rests on."""
    told: dict[str, Any] = {"assumptions": list(one.assumptions)}
    if one.time_s is not None:
        told |= {"steady_state": True} if math.isinf(one.time_s) else {"time_s": float(one.time_s)}
    if isinstance(one, TemperatureMatrices):
        told |= {"solved_for": one.method, "time_error": float(one.time_error), "raised": float(one.raised)}
        told["provenance"] = json.loads(json.dumps(dict(one.provenance), default=str))
    return told


def _power(name: str) -> str:
    return f"power_{name.replace(' ', '_')}"


def powers_of(record: MatrixRecord, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Power matrices of a record, of those names that it has."""
    return {name: np.asarray(record.arrays[_power(name)]) for name in names if _power(name) in record.arrays}
