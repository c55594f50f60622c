"""Temperatures in the result file of an ``rf`` run: the group /thermal of result.h5."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.values import read_only

GROUP = "thermal"
UNITS = {
    "rise": "K",
    "baseline_degC": "degC",
    "dose_min": "min at 43 degC",
    "times_s": "s",
    "peaks_K": "K",
    "course": "K",
}


@read_only(units={"rise": "K", "course": "K"})
@dataclass(frozen=True, eq=False)
class ThermalMaps:
    """What a run keeps of its temperatures.

    Parameters
    ----------
    rise : (nx, ny, nz) ndarray
        Largest rise of every voxel over time [K].
    baseline_degC : (nx, ny, nz) ndarray
        Temperature without exposure [degC].
    dose_min : (nx, ny, nz) ndarray
        Cumulative equivalent minutes at 43 degC [min].
    times_s : (t,) ndarray
        Times of the heating curve [s].
    peaks_K : (t,) ndarray
        Largest rise in the body at these times [K].
    course : (t, nx, ny, nz) ndarray
        Rise at these times [K].
    """

    rise: np.ndarray
    baseline_degC: np.ndarray
    dose_min: np.ndarray
    times_s: np.ndarray
    peaks_K: np.ndarray
    course: np.ndarray


def write_thermal(file: Any, maps: ThermalMaps) -> None:
    """Put the group into an open HDF5 file."""
    group = file.create_group(GROUP)
    for name, unit in UNITS.items():
        data = np.asarray(getattr(maps, name))
        if data.ndim < 3:
            group[name] = data
        else:
            chunks = (1, *data.shape[1:]) if data.ndim == 4 else None
            group.create_dataset(
                name, data=data.astype(np.float32), compression="gzip", compression_opts=1, shuffle=True, chunks=chunks
            )
        group[name].attrs["unit"] = unit


def read_thermal(file: Any) -> ThermalMaps | None:
    """The group of an open HDF5 file, or None when the run had no table [thermal]."""
    return ThermalMaps(**{name: file[GROUP][name][()] for name in UNITS}) if GROUP in file else None
