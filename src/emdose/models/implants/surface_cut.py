"""The surface of an implant cut by the planes of a grid: metal per voxel and open area per face.

The cut is exact. In units of voxels, with n the outward normal and S the surface
below a node plane, the divergence theorem gives for a column of voxels

    open area of the face at the plane    A = -int_S n_z dS
    volume of metal in voxel k            V = A(k) - int_(S in voxel k) (k + 1 - z) n_z dS

so that fractions carry no sampling error: all that is left is the difference between triangles and the ideal shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.compute import backend
from emdose.models.grids.grid import Grid, Shape
from emdose.models.implants.implant import Part

SNAP = 2.0**-20
"""Corners are moved to multiples of this part of a voxel: what lies in a plane of the grid then does so exactly."""
BATCH = 1 << 21
"""Pairs of triangle and column at a time."""


@dataclass(frozen=True, eq=False)
class Contact:
    """Open areas that facets lying in a plane of the grid close: component, face index (flat), area, and side."""

    component: int
    face: np.ndarray
    area: np.ndarray
    top: bool


@dataclass(frozen=True, eq=False)
class SurfacePieces:
    """Metal of one part in a window of the grid: pieces of its surface by voxel, and volume per voxel."""

    window: tuple[slice, slice, slice]
    index: np.ndarray
    vectors: np.ndarray
    volume: np.ndarray

    def area(self, c: int) -> np.ndarray:
        """Open area fraction of the faces normal to c in the window; one more layer along c."""
        shape: Shape = self.volume.shape
        return _below(_per_voxel(self.index, self.vectors[:, c], shape), c)


def cut_surface(part: Part, grid: Grid, contacts: list[Contact]) -> SurfacePieces:
    """Cut the surface of a part by the planes of the grid."""
    corners = (part.corners - np.array(grid.origin_m)) / np.array(grid.spacing_m)
    corners = np.round(corners / SNAP) * SNAP
    low = np.maximum(np.floor(corners.min((0, 1))), 0).astype(int)
    high = np.minimum(np.ceil(corners.max((0, 1))), grid.shape).astype(int)
    high = np.maximum(high, low + 1)
    corners = np.ascontiguousarray(corners - low)  # small numbers keep more digits
    shape: Shape = tuple((high - low).tolist())
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    solid = np.any(normals != 0, axis=1)
    corners, normals = np.ascontiguousarray(corners[solid]), normals[solid]
    flat = np.ptp(corners, axis=1) == 0  # (t, 3): lies in a plane normal to that axis...
    flat &= corners[:, 0] == np.floor(corners[:, 0])  # ...which is one of the grid
    index, pieces, owner = _all_pieces(corners, normals, flat, shape)
    volume = _below(_per_voxel(index, pieces[:, 2], shape), 2)[..., :-1] - _per_voxel(index, pieces[:, 3], shape)
    for c in range(3):
        for top in (False, True):
            chosen = flat[owner, c] & ((normals[owner, c] > 0) == top)
            if chosen.any():
                at = np.stack(np.unravel_index(index[chosen], shape)) + low[:, None]
                at[c] += top
                face = np.ravel_multi_index(tuple(at), grid.node_shape)
                contacts.append(Contact(c, face, np.abs(pieces[chosen, c]), top))
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return SurfacePieces(window, index, pieces[:, :3], volume)  # type: ignore[arg-type]


def _all_pieces(
    corners: np.ndarray, normals: np.ndarray, flat: np.ndarray, shape: Shape
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel (flat index), area vector and moment (p, 4), and triangle of every piece of the surface."""
    kernels = backend.get("cpu").kernels.load(__package__, "triangles", "double")
    first = np.floor(corners.min(1)).astype(np.int64)
    last = np.maximum(np.ceil(corners.max(1)).astype(np.int64), first + 1)
    back = flat & (normals > 0)  # a facet in a plane belongs to the voxel that is metal
    first, last = first - back, last - back
    first, last = np.maximum(first, 0), np.minimum(last, shape)
    columns = (last[:, 0] - first[:, 0]) * (last[:, 1] - first[:, 1])
    splits = np.unique(np.searchsorted(np.cumsum(columns), np.arange(BATCH, int(columns.sum()), BATCH)))
    batches = np.split(np.arange(len(corners)), splits)
    found = [_pieces_of(kernels, corners, batch, first, last, back, shape) for batch in batches]
    index, pieces, owner = (np.concatenate(x) for x in zip(*found, strict=True))
    return index, pieces, owner


def _pieces_of(
    kernels: backend.Module,
    corners: np.ndarray,
    chosen: np.ndarray,
    first: np.ndarray,
    last: np.ndarray,
    back: np.ndarray,
    shape: Shape,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = (last - first)[chosen]
    owner, step = _repeat(size[:, 0] * size[:, 1])
    triangle = chosen[owner]
    column = np.stack([first[triangle, 0] + step // size[owner, 1], first[triangle, 1] + step % size[owner, 1]], 1)
    column, triangle = np.ascontiguousarray(column, np.int32), triangle.astype(np.int32)
    low, high = np.empty((2, len(triangle)), np.int32)
    kernels.launch("column_spans", len(triangle), corners, triangle, column, low, high)
    shift = back[triangle, 2] & (high > low)
    low, high = np.maximum(low - shift, 0), np.minimum(high - shift, shape[2])
    owner, step = _repeat(np.maximum(high - low, 0))
    voxel = np.concatenate([column[owner], (low[owner] + step)[:, None]], axis=1).astype(np.int32)
    triangle = triangle[owner]
    pieces = np.empty((len(voxel), 4))
    kernels.launch("voxel_pieces", len(voxel), corners, triangle, voxel, pieces)
    index = np.ravel_multi_index(tuple(voxel.T), shape) if len(voxel) else np.zeros(0, int)
    return index, pieces, triangle


def _per_voxel(index: np.ndarray, values: np.ndarray, shape: Shape) -> np.ndarray:
    # Without any entry bincount makes integers.
    return np.bincount(index, values, math.prod(shape)).astype(float, copy=False).reshape(shape)


def _below(areas: np.ndarray, axis: int) -> np.ndarray:
    """Minus the sum of all entries before each plane along an axis."""
    shape = list(areas.shape)
    shape[axis] += 1
    out = np.zeros(shape)
    inner = [slice(None)] * 3
    inner[axis] = slice(1, None)
    np.cumsum(areas, axis=axis, out=out[tuple(inner)])
    return np.negative(out, out=out)


def _repeat(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the group of every item, and its number in the group, for groups of given sizes."""
    owner = np.repeat(np.arange(len(counts)), counts)
    start = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - start[owner]
