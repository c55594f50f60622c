"""Checks of what belongs to one B1+ map: shapes, affines, voxel sizes, labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.maps.maps3d import VoxelMap
from emdose.models.grids.grid import Grid

THICK = 2.5
"""Slice distance over the voxel size in the plane from which a remark is made."""


def check_same(first: VoxelMap, geometry: VoxelMap, name: str, one: VoxelMap) -> None:
    """Refuse a map whose shape or place differs from those of the first one."""
    shape = first.values.shape[-3:]
    if one.values.shape[-3:] != shape or (name not in ("magnitude", "phase") and one.values.ndim != 3):
        raise InputError(
            f"shape differs from that of {Path(first.name).name or 'the first map'}",
            file=one.name,
            field=name,
            found=one.values.shape,
            expected=str(shape),
        )
    if one.affine is not None and geometry.affine is not None:
        corner = np.array([*shape, 1.0])
        apart = max(np.abs((one.affine - geometry.affine) @ v).max() for v in (np.array([0.0, 0, 0, 1]), corner))
        voxel = np.sqrt((geometry.affine[:3, :3] ** 2).sum(axis=0)).min()
        if apart > 0.1 * voxel:
            raise InputError(
                f"affine differs from that of {Path(geometry.name).name}",
                file=one.name,
                field=name,
                found=f"{apart:.3g} mm apart",
                expected="the same position of all voxels",
            )


def grid_of(shape: Sequence[int], geometry: VoxelMap, spacing_m: float | Sequence[float] | None) -> Grid:
    """The grid of a map, by its affine or by the voxel size that was given."""
    size = tuple(shape)
    if geometry.affine is None:
        if spacing_m is None:
            raise InputError(
                "voxel size missing: the file does not hold it",
                file=geometry.name,
                field="spacing_m",
                expected="edge lengths in metres",
            )
        return Grid(size, spacing_m)  # type: ignore[arg-type]
    header = np.sqrt((geometry.affine[:3, :3] ** 2).sum(axis=0)) * 1e-3
    if spacing_m is not None and not np.allclose(header, spacing_m, rtol=1e-3):
        raise InputError(
            "voxel size differs from the header",
            file=geometry.name,
            field="spacing_m",
            found=spacing_m,
            expected=f"{tuple(float(f'{h:.6g}') for h in header)} m, or leave it out",
        )
    low = (geometry.affine @ np.array([-0.5, -0.5, -0.5, 1.0]))[:3] * 1e-3
    return Grid(size, tuple(float(h) for h in header), tuple(float(v) for v in low))  # type: ignore[arg-type]


def labels_of(values: np.ndarray, name: str) -> np.ndarray:
    """Integer labels."""
    if values.dtype.kind in "iub":
        return values
    whole = np.rint(np.nan_to_num(values))
    if np.abs(np.nan_to_num(values) - whole).max() > 1e-6:
        raise InputError("labels are not whole numbers", file=name, field="segmentation", expected="integers")
    return whole.astype(np.int32)


def slice_notes(grid: Grid) -> tuple[str, ...]:
    """Remarks on single slices and thick ones."""
    if grid.shape[2] == 1:
        return ("one slice: local fits and slice-by-slice methods take nothing to vary across it",)
    ratio = grid.spacing_m[2] / max(grid.spacing_m[:2])
    if ratio < THICK:
        return ()
    return (
        f"slices {ratio:.2g} times as far apart as voxels in the plane: fit over few of them (radius = (r, r, 1)), or "
        "in the plane alone (radius = (r, r, 0), nothing is taken to vary across)",
    )
