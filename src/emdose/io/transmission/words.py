"""Words and numbers that files of matrices say, taken for what they should be or refused in one line."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number
from emdose.dosimetry.transmission.sample_margins import SampleMargin
from emdose.errors import InputError
from emdose.io.transmission.records import CERTIFICATE, MatrixRecord
from emdose.models.grids.grid import Grid
from emdose.values import owned

REQUIRES = "requires_global_limit"


def number_of(record: MatrixRecord, key: str, file: Path, otherwise: float = math.nan) -> float:
    """A number of a file, not said where it is NaN; raises InputError for what is none."""
    value = record.told.get(key)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return otherwise
    if not is_number(value):
        raise InputError("no number", file=file, field=key, found=value, expected="a finite number")
    return float(value)


def text_of(record: MatrixRecord, key: str, file: Path, otherwise: str = "") -> str:
    """A text of a file; raises InputError for what is none."""
    value = record.told.get(key, otherwise)
    if not isinstance(value, str):
        raise InputError("no text", file=file, field=key, found=value, expected="a text")
    return value


def texts_of(record: MatrixRecord, key: str, file: Path) -> tuple[str, ...]:
    """A list of texts of a file, empty where there is none; raises InputError for what is no list of texts."""
    value = record.told.get(key) or []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InputError("no list of texts", file=file, field=key, found=value, expected="texts")
    return tuple(value)


def unit_of(record: MatrixRecord, file: Path, scale: float = 1.0) -> str:
    """Unit of the forms of a file, "W/kg" where it says none.

    Raises
    ------
    InputError
        For another unit than W/kg and K, unless the reader has given a factor to W/kg.
    """
    unit = text_of(record, "unit", file, "W/kg")
    found = re.fullmatch(r"(W/kg|K)(\s*(/|per)\s*.+)?", unit)
    if found is None and scale == 1.0:
        raise InputError("matrices of another unit", file=file, field="unit", found=unit, expected="W/kg, K or a scale")
    return "W/kg" if found is None else found[1]


def time_of(record: MatrixRecord, file: Path) -> float:
    """How long drives have been on for rises of temperature, infinite in the steady state [s]; InputError without."""
    if record.told.get("steady_state") in (True, 1):
        return math.inf
    time_s = number_of(record, "time_s", file)
    if not time_s > 0:
        raise InputError(
            "rises of temperature without their time", file=file, field="time_s", found=record.told.get("time_s")
        )
    return time_s


def grid_of(record: MatrixRecord, file: Path) -> Grid:
    """The grid of voxels; raises InputError without one."""
    told: Any = record.told.get("grid")
    try:
        shape: Any = tuple(int(n) for n in told["shape"])
        spacing, origin = (tuple(float(x) for x in told[key]) for key in ("spacing_m", "origin_m"))
        return Grid(shape, spacing, origin)  # type: ignore[arg-type]
    except (TypeError, KeyError, ValueError, OverflowError):
        raise InputError("no grid in this file", file=file, field="grid", found=told) from None


def voxels_of(record: MatrixRecord, count: int, grid: Grid, file: Path) -> np.ndarray:
    """Flat indices of the voxels of some matrices; raises InputError where they do not fit."""
    voxel = np.asarray(record.arrays["voxel"])
    fits = voxel.shape == (count,) and voxel.dtype.kind in "iu"
    if not fits or voxel.min() < 0 or voxel.max() >= grid.size:
        raise InputError("voxels do not fit matrices and grid", file=file, field="voxel", found=voxel.shape)
    return owned(voxel.copy())


def certificate_of(record: MatrixRecord, count: int, file: Path) -> dict[str, np.ndarray]:
    """The certificate of some virtual observation points; empty where the file holds none.

    Raises
    ------
    InputError
        When it does not fit them.
    """
    if not all(key in record.arrays for key in CERTIFICATE):
        return {
            "chosen": np.empty(0, np.int64),
            "combination": np.empty(0, np.int32),
            "coefficients": np.empty((0, count)),
        }
    found = {key: np.asarray(record.arrays[key]) for key in CERTIFICATE}
    c, bound, chosen = (found[key] for key in ("coefficients", "combination", "chosen"))
    good = c.ndim == 2 and c.shape[1] == count and bound.ndim == 1 and bound.dtype.kind in "iu"
    good = good and chosen.dtype.kind in "iu" and c.dtype.kind == "f" and bool(np.all(np.isfinite(c)))
    if not good or (bound.size and (bound.min() < 0 or bound.max() >= len(c))):
        raise InputError("certificate does not fit the matrices", file=file, field="combination", found=bound.shape)
    return {key: owned(value.copy()) for key, value in found.items()}


def sources_of(record: MatrixRecord, count: int, file: Path) -> dict[str, Any]:
    """The sets that were merged, the margin, and whether limits of parts of the body are needed beside them.

    Raises
    ------
    InputError
        When they do not fit the certificate of so many matrices, or are not what they should be.
    """
    told, names = record.told, texts_of(record, "sources", file)
    counts = told.get("counts") or []
    fits = isinstance(counts, list) and len(names) == len(counts)
    fits = fits and all(isinstance(n, int) and n >= 0 for n in counts)
    if not fits or (names and sum(counts) != count):
        raise InputError("sources do not make up the certificate", file=file, field="counts", found=counts)
    ratios, needed = told.get("global_ratios") or {}, told.get(REQUIRES, True)
    if np.size(record.arrays.get(REQUIRES, ())) == 1:
        needed = np.asarray(record.arrays[REQUIRES]).item()
    if not isinstance(ratios, dict) or not all(is_number(x) and x > 0 for x in ratios.values()):
        raise InputError("bad ratios of limits", file=file, field="global_ratios", found=ratios, expected="numbers > 0")
    if needed not in (0, 1):
        raise InputError("neither yes nor no", file=file, field=REQUIRES, found=needed)
    return {
        "margin": _margin(record, file),
        "sources": names,
        "counts": tuple(counts),
        REQUIRES: bool(needed),
        "global_ratios": {str(k): float(x) for k, x in ratios.items()},
    }


def _margin(record: MatrixRecord, file: Path) -> SampleMargin | None:
    if "margin_factors" not in record.arrays:
        return None
    factors, coverage = np.asarray(record.arrays["margin_factors"]), number_of(record, "margin_coverage", file)
    if factors.dtype.kind not in "iuf":
        raise InputError("bad factors of samples", file=file, field="margin_factors", found=factors.dtype)
    try:
        margin = SampleMargin.of(factors, coverage)
    except InputError as error:
        raise error.at(file=file, field=f"margin_{error.field}") from None
    if number_of(record, "margin_factor", file) != margin.factor:
        found = record.told.get("margin_factor")
        raise InputError("another margin than of its samples", file=file, field="margin_factor", found=found)
    return margin
