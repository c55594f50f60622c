"""Rotation and resampling of voxel bodies."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import Field, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from emdose.checks import number, one_of, vector, whole
from emdose.compute import machine
from emdose.errors import InputError
from emdose.models.bodies import shares
from emdose.models.grids.grid import Grid, Vector


class VoxelBody(Protocol):
    """What resampling needs to know of a body: a dataclass with these fields."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def grid(self) -> Grid:
        """Where the voxels are."""
        ...

    @property
    def labels(self) -> np.ndarray:
        """Tissue number per voxel (nx, ny, nz), 0 outside."""
        ...

    @property
    def tissues(self) -> tuple[Any, ...]:
        """The tissue of every number."""
        ...

    @property
    def regions(self) -> Mapping[str, np.ndarray]:
        """Named masks (nx, ny, nz)."""
        ...


TURNED_BYTES, RESAMPLED_BYTES = 62, 12
"""Memory that a voxel takes beside the counts of its tissues; measured."""
Body = TypeVar("Body", bound=VoxelBody)


def rotate(phantom: Body, angle_deg: float, axis: str, about_m: Vector | None, samples: int) -> Body:
    """See :meth:`Phantom.rotate`."""
    one_of("axis", axis, ("x", "y", "z"), problem="unknown axis")
    angle_deg = number("angle_deg", angle_deg, problem="bad angle", expected="finite degrees")
    whole("samples", samples, 1, problem="bad sample count")
    low, high = (np.array(c) for c in phantom.grid.bounds_m)
    about = 0.5 * (low + high) if about_m is None else vector("about_m", about_m)
    turns = angle_deg / 90.0
    if abs(turns - round(turns)) < 1e-9:
        return _quarter_turns(phantom, round(turns) % 4, "xyz".index(axis), about)
    return _sampled(phantom, rotation_matrix(math.radians(angle_deg), "xyz".index(axis)), about, samples)


def rotation_matrix(angle: float, axis: int) -> np.ndarray:
    """Rotation matrix (3, 3) by the right-hand rule about a coordinate axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    R = np.eye(3)
    R[i, i] = R[j, j] = math.cos(angle)
    R[j, i], R[i, j] = math.sin(angle), -math.sin(angle)
    return R


def _quarter_turns(phantom: Body, n: int, axis: int, about: np.ndarray) -> Body:
    plane = ((axis + 1) % 3, (axis + 2) % 3)
    R = np.rint(rotation_matrix(math.pi / 2 * n, axis))
    low, high = (np.array(c) for c in phantom.grid.bounds_m)
    corners = np.stack([R @ (low - about), R @ (high - about)]) + about
    order = np.abs(R).astype(int) @ np.arange(3)
    spacing = tuple(np.array(phantom.grid.spacing_m)[order])
    shape = tuple(np.array(phantom.grid.shape)[order])
    grid = Grid(shape, spacing, tuple(corners.min(axis=0)))

    def turn(a: np.ndarray) -> np.ndarray:
        return np.rot90(a, n, axes=plane)

    regions = {k: turn(m) for k, m in phantom.regions.items()}
    return replace(phantom, grid=grid, labels=turn(phantom.labels), regions=regions)


def _sampled(phantom: Body, R: np.ndarray, about: np.ndarray, samples: int) -> Body:
    old = phantom.grid
    low, high = (np.array(c) for c in old.bounds_m)
    corners = np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])
    turned = (corners - about) @ R.T + about
    spacing = np.array(old.spacing_m)
    # Grid lines stay on the old raster, so that turning a little back and forth does not shift the body.
    first = np.floor((turned.min(axis=0) - low) / spacing + 1e-9).astype(int)
    last = np.ceil((turned.max(axis=0) - low) / spacing - 1e-9).astype(int)
    grid = old.crop(tuple(first), tuple(last))
    counted = 6 * (len(phantom.tissues) - 1) + 2 * len(phantom.regions)
    what = f"turning a body on {' x '.join(map(str, grid.shape))} voxels"
    machine.require_memory((TURNED_BYTES + counted) * grid.size, what, max(grid.spacing_m))
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    votes = _Votes(grid.shape, len(phantom.tissues))
    region_votes = {k: np.zeros(grid.shape, np.uint16) for k in phantom.regions}
    x, y, z = grid.centre_points()
    for dx in offsets * spacing[0]:
        for dy in offsets * spacing[1]:
            for dz in offsets * spacing[2]:
                p = (x + dx - about[0], y + dy - about[1], z + dz - about[2])
                index = []
                inside = np.ones(grid.shape, bool)
                for a in range(3):  # the inverse rotation is the transpose
                    q = R[0, a] * p[0] + R[1, a] * p[1] + R[2, a] * p[2] + about[a]
                    i = np.floor((q - low[a]) / spacing[a]).astype(np.int32)
                    inside &= (i >= 0) & (i < old.shape[a])
                    index.append(np.clip(i, 0, old.shape[a] - 1))
                where = tuple(index)
                votes.add(np.where(inside, phantom.labels[where], 0))
                for k, m in phantom.regions.items():
                    region_votes[k] += inside & m[where]
    regions = {k: 2 * v >= samples**3 for k, v in region_votes.items()}
    return replace(phantom, grid=grid, labels=votes.labels(samples**3), regions=regions)


class _Votes:
    """Counts of points per label and voxel."""

    def __init__(self, shape: tuple[int, ...], n: int) -> None:
        self.counts = [np.zeros(shape, np.uint16) if label else None for label in range(n)]

    def add(self, labels: np.ndarray) -> None:
        for label, count in enumerate(self.counts):
            if count is not None:
                count += labels == label

    def labels(self, points: int) -> np.ndarray:
        pairs = [(label, c / np.float32(points)) for label, c in enumerate(self.counts) if c is not None]
        return shares.mapped(pairs, pairs[0][1].shape).settle()


def majority(shares: Any, full: float) -> np.ndarray:
    """Label of each voxel from (label, share array) pairs of the tissues; a voxel full of one tissue has ``full``.

    A voxel is tissue when all tissues together hold at least half of it; it takes the largest share, the lower label
    when two are equal.
    """
    best: np.ndarray | None = None
    for label, share in shares:
        if best is None:
            best, total = np.zeros(share.shape, np.float32), np.zeros(share.shape, np.float32)
            labels = np.zeros(share.shape, np.uint16)
        total += share
        more = share > best
        labels[more] = label
        best[more] = share[more]
    assert best is not None  # a phantom has at least one tissue
    labels[total < full * (0.5 - 1e-6)] = 0
    return labels


def resample(phantom: Body, spacing_m: float | Vector) -> Body:
    """See :meth:`Phantom.resample`."""
    old = phantom.grid
    spacing = Grid((1, 1, 1), spacing_m).spacing_m  # type: ignore[arg-type]
    extent = [n * s for n, s in zip(old.shape, old.spacing_m, strict=True)]
    shape = tuple(max(1, math.ceil(e / s - 1e-6)) for e, s in zip(extent, spacing, strict=True))
    if math.prod(shape) > 2**31:
        raise InputError("resampled grid too large", field="spacing_m", found=spacing_m, expected="at most 2^31 voxels")
    centre = [0.5 * (a + b) for a, b in zip(*old.bounds_m, strict=True)]
    origin = tuple(c - 0.5 * n * s for c, n, s in zip(centre, shape, spacing, strict=True))
    return resample_onto(phantom, Grid(shape, spacing, origin))  # type: ignore[arg-type]


def resample_onto(phantom: Body, grid: Grid) -> Body:
    """The body on the voxels of another grid, as :meth:`Phantom.resample` does it."""
    old = phantom.grid
    # The largest array on the way has the finer of the steps along every axis.
    most = math.prod(max(a, b) for a, b in zip(old.shape, grid.shape, strict=True))
    what = f"resampling a body to {' x '.join(map(str, grid.shape))} voxels"
    machine.require_memory(max(shares.BYTES * grid.size, RESAMPLED_BYTES * most), what, max(grid.spacing_m))
    weights = [overlap_weights(old, grid, a) for a in range(3)]
    used = [label for label in np.unique(phantom.labels) if label]
    pairs = ((int(label), share_of(phantom.labels == label, weights)) for label in used)
    labels = shares.mapped(pairs, grid.shape).settle()
    regions = {k: share_of(m, weights) >= 0.5 - 1e-6 for k, m in phantom.regions.items()}
    return replace(phantom, grid=grid, labels=labels, regions=regions)


def overlap_weights(old: Grid, new: Grid, axis: int) -> Any:
    """Sparse (n_new, n_old): the fraction of each new voxel's length that lies in each old one."""
    from scipy.sparse import csr_array

    a, b = old.nodes(axis), new.nodes(axis)
    cuts = np.union1d(a, b)
    middle = 0.5 * (cuts[1:] + cuts[:-1])
    i, j = np.searchsorted(b, middle) - 1, np.searchsorted(a, middle) - 1
    keep = (i >= 0) & (i < len(b) - 1) & (j >= 0) & (j < len(a) - 1)
    length = (np.diff(cuts) / new.spacing_m[axis])[keep].astype(np.float32)
    return csr_array((length, (i[keep], j[keep])), shape=(len(b) - 1, len(a) - 1))


def share_of(mask: np.ndarray, weights: list[Any]) -> np.ndarray:
    """Fraction (float32) of each new voxel's volume that lies in ``mask``."""
    a = mask.astype(np.float32)
    for axis, W in enumerate(weights):
        a = np.moveaxis(a, axis, 0)
        shape = a.shape
        a = np.moveaxis((W @ a.reshape(shape[0], -1)).reshape(W.shape[0], *shape[1:]), 0, axis)
    return a
