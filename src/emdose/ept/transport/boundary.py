"""Prescribed properties at the rim of a mask."""

from __future__ import annotations

import numpy as np

from emdose.constants import EPS_0
from emdose.ept.maps.b1map import B1Map
from emdose.errors import InputError

Value = float | np.ndarray
"""A number, or an (nx, ny, nz) map of which the voxels at the rim count."""


def rim_of(inside: np.ndarray) -> np.ndarray:
    """Voxels with a neighbour outside along x or y."""
    padded = np.pad(inside, ((1, 1), (1, 1), (0, 0)))
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def boundary_maps(b1: B1Map, form: str, boundary: tuple[Value, Value | None]) -> tuple[np.ndarray, np.ndarray]:
    """Prescribed conductivity and permittivity as maps; raises InputError."""
    if len(boundary) != 2:
        raise InputError(
            "bad boundary values",
            field="boundary",
            found=len(boundary),
            expected="conductivity and relative permittivity",
        )
    out = []
    for name, value, least in (("conductivity", boundary[0], 0.0), ("permittivity", boundary[1], 1.0)):
        if value is None and name == "permittivity" and form == "phase":
            value = 1.0
        array = np.asarray(value, float)
        if array.ndim and array.shape != b1.grid.shape:
            raise InputError(
                "boundary map does not fit the grid",
                field=f"boundary {name}",
                found=array.shape,
                expected=str(b1.grid.shape),
            )
        if np.any(array[np.isfinite(array)] < least) or not np.isfinite(array).any():
            raise InputError(
                "boundary value out of range",
                field=f"boundary {name}",
                found=None if not np.isfinite(array).any() else float(np.nanmin(array)),
                expected=f"numbers >= {least:g}",
            )
        out.append(np.broadcast_to(array, b1.grid.shape))
    return out[0], out[1]


def rim_values(
    b1: B1Map, form: str, boundary: tuple[Value, Value | None] | None, usable: np.ndarray
) -> np.ndarray | None:
    """ln of the prescribed property at voxels with a neighbour (in the slice) outside, NaN elsewhere."""
    if boundary is None:
        return None
    rim = rim_of(usable)
    sigma, permittivity = boundary_maps(b1, form, boundary)
    with np.errstate(invalid="ignore", divide="ignore"):
        if form == "phase":
            return np.where(rim, np.log(np.maximum(sigma, 1e-6)), np.nan)
        return np.where(rim, np.log(permittivity * EPS_0 - 1j * sigma / b1.angular_frequency), np.nan)
