"""A map of abs(B1+) brought onto the voxels of a phase."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from emdose.errors import InputError
from emdose.io.maps.maps3d import VoxelMap

_SHARE = 0.5
"""A voxel belongs to the map where at least this share of what is around it has values."""


def on_one_grid(one: VoxelMap, other: VoxelMap) -> bool:
    """Whether two maps have the same voxels, as far as their files tell."""
    same = one.values.shape[-3:] == other.values.shape[-3:]
    if not same or one.affine is None or other.affine is None:
        return same
    return bool(np.allclose(one.affine, other.affine, atol=0.1))


def resampled(one: VoxelMap, onto: VoxelMap) -> tuple[VoxelMap, str]:
    """A positive map on the voxels of another one, by cubic splines, and a note on it.

    Values are first continued beyond the object, mirrored in value and place at its rim, so that the background leaves
    no trace in the splines; voxels outside the map are 0.

    Raises
    ------
    InputError
        For maps that do not know where their voxels lie, of several channels, or that do not meet.
    """
    from scipy.ndimage import distance_transform_edt, map_coordinates

    for which in (one, onto):
        if which.affine is None:
            raise InputError(
                "to resample, files must say where their voxels lie", file=which.name, expected="NIfTI, DICOM"
            )
    if one.values.ndim != 3:
        raise InputError(
            "only one map can be resampled", file=one.name, found=one.values.shape, expected="(nx, ny, nz)"
        )
    values = np.nan_to_num(np.asarray(one.values, float))
    inside = values > 0
    if not inside.any():
        raise InputError("no value above 0", file=one.name, field="magnitude")
    rim = distance_transform_edt(~inside, return_distances=False, return_indices=True)
    mirrored = 2 * rim - np.indices(values.shape)
    there = np.all((mirrored >= 0) & (mirrored < np.reshape(values.shape, (3, 1, 1, 1))), axis=0)
    mirror = tuple(np.where(there, mirrored, rim))
    at_rim = values[tuple(rim)]
    beyond = np.where(inside[mirror], 2 * at_rim - values[mirror], at_rim)
    filled = np.where(inside, values, beyond)
    assert one.affine is not None
    assert onto.affine is not None
    to_source = np.linalg.inv(one.affine) @ onto.affine
    index = np.indices(onto.values.shape[-3:]).reshape(3, -1)
    places = to_source[:3, :3] @ index + to_source[:3, 3:]
    found = map_coordinates(filled, places, order=3, mode="nearest").reshape(onto.values.shape[-3:])
    share = map_coordinates(inside.astype(float), places, order=1, mode="constant").reshape(found.shape)
    kept = (share >= _SHARE) & (found > 0)
    if not kept.any():
        raise InputError("B1+ map and phase do not meet", file=one.name, expected="two scans of the same place")
    size = " x ".join(f"{h:.3g}" for h in np.sqrt((one.affine[:3, :3] ** 2).sum(axis=0)))
    note = f"abs(B1+) resampled from voxels of {size} mm by cubic splines: noise of neighbours is correlated, "
    note += (
        "and its uncertainty is understated; within two of these voxels from the rim derivatives are not to be trusted"
    )
    return replace(onto, values=np.where(kept, found, 0.0), name=one.name), note
