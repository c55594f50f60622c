"""Implants on voxels: how much of every voxel is metal, and how much of every face is open between metal and metal.

The surfaces are cut exactly by the planes of the grid. In units of voxels, with n the outward normal and S the surface
below a node plane, the divergence theorem gives for a column of voxels

    open area of the face at the plane    A = -int_S n_z dS
    volume of metal in voxel k            V = A(k) - int_(S in voxel k) (k + 1 - z) n_z dS

so that fractions carry no sampling error: all that is left is the difference between triangles and the ideal shape.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.compute import backend
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.metals import Metal

SNAP = 2.0**-20
"""Corners are moved to multiples of this part of a voxel: what lies in a plane of the grid then does so exactly."""
LEAST = 1e-6
"""Voxels with a smaller fraction of metal, and faces with a smaller open fraction, are left out."""
OVERLAP = 0.005
"""Largest part of a body's volume that may lie in another one (touching facets of curved surfaces do so a little)."""
OUTSIDE = 0.01
"""Largest part of the metal that may lie in the air around a phantom."""
THINNEST = 0.02
"""Part of the surface whose walls may be thinner than the "thinnest wall": sharp edges are no walls."""
PARALLEL = 0.8
"""Least cosine between the sides of a wall."""
SLACK = 0.02
"""Walls may be that much thinner than voxels would like: facets are not exact."""
RAYS = 512
BATCH = 1 << 21  # pairs of triangle and column at a time


@dataclass(frozen=True, eq=False)
class VoxelImplant:
    """An implant on voxels.

    Parameters
    ----------
    grid : Grid
        The voxels.
    part : (nx, ny, nz) uint8 ndarray
        0: no metal, n: the n-th part has the largest share of the metal in the voxel.
    fraction : (nx, ny, nz) float32 ndarray
        Volume of metal over volume of the voxel.
    face_fraction : (3, nx + 1, ny + 1, nz + 1) float32 ndarray
        Open area between metal and metal over area of the face; entry [c, i, j, k] is the face with low corner
        (i, j, k) normal to c.
    metals : tuple of Metal
        Metal of every part; ``metals[part - 1]`` is that of a voxel.
    names : tuple of str
        Name of every part.
    """

    grid: Grid
    part: np.ndarray
    fraction: np.ndarray
    face_fraction: np.ndarray
    metals: tuple[Metal, ...]
    names: tuple[str, ...] = ()

    @property
    def volume_m3(self) -> float:
        """Volume of metal [m^3]."""
        return float(self.fraction.sum(dtype=float)) * self.grid.voxel_volume_m3

    @property
    def conductivity(self) -> np.ndarray:
        """Conductivity of the metal of each voxel (nx, ny, nz) float64, 0 without metal [S/m]."""
        return np.array([0.0, *(m.conductivity_S_m for m in self.metals)])[self.part]


@dataclass(frozen=True, eq=False)
class EmbeddedImplant:
    """The metal of an implant on the grid of a phantom.

    Parameters
    ----------
    part, fraction : (nx, ny, nz) uint8 and float32 ndarray
        As in :class:`VoxelImplant`, on the grid of the phantom.
    metals : tuple of Metal
        Metal of every part.
    """

    part: np.ndarray
    fraction: np.ndarray
    metals: tuple[Metal, ...]


def voxelise(
    implant: Implant, spacing_m: float | Vector | None = None, grid: Grid | None = None, *, check_walls: bool = True
) -> VoxelImplant:
    """Cut an implant into voxels; every voxel that touches metal is kept.

    Parameters
    ----------
    implant : Implant
        Closed surfaces; parts may touch, which opens the faces between them, but not overlap.
    spacing_m : float or (float, float, float), optional
        Voxel edge lengths [m]; the grid is then the smallest one around the implant, with it in the middle.
    grid : Grid, optional
        Voxels to use instead.
    check_walls : bool
        Refuse voxels larger than the thinnest wall, and warn where less than two lie across it.

    Raises
    ------
    InputError
        When parts overlap, a surface is inside out or covers itself, voxels are larger than the thinnest wall, or the
        implant leaves the grid.
    """
    if (spacing_m is None) == (grid is None):
        raise InputError("give either the spacing or a grid", field="spacing_m", found=spacing_m)
    grid = grid_around(implant, spacing_m) if grid is None else grid  # type: ignore[arg-type]
    _check_inside(implant.bounds_m, grid, implant.name)
    if check_walls:
        _check_walls(implant, grid.spacing_m)
    total, largest = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    label = np.zeros(grid.shape, np.uint8)
    faces = np.zeros((3, *grid.node_shape), np.float32)
    contacts: list[_Contact] = []
    for number, part in enumerate(implant.parts, 1):
        cut = _cut(part, grid, contacts)
        where = cut.window
        _check_overlap(part, cut.volume, total[where], label[where], implant)
        volume = np.clip(cut.volume, 0.0, 1.0).astype(np.float32)
        volume[volume < LEAST] = 0
        total[where] += volume
        mine = volume > largest[where]
        largest[where][mine] = volume[mine]
        label[where][mine] = number
        for c in range(3):
            nodes = tuple(slice(s.start, s.stop + (a == c)) for a, s in enumerate(where))
            faces[c][nodes] += cut.area(c)
    _join_contacts(contacts, faces)
    np.clip(total, 0.0, 1.0, out=total)
    _close_faces(faces, label > 0)
    return VoxelImplant(grid, label, total, faces, implant.metals, tuple(p.name for p in implant.parts))


def embed(implant: Implant, phantom: Phantom) -> EmbeddedImplant:
    """The metal of an implant on the grid of a phantom, for solvers that mix metal and tissue by volume.

    Raises
    ------
    InputError
        When the implant leaves the grid, or more than 1 % of it lies in air.
    """
    low, high = implant.bounds_m
    if any(a < b for a, b in zip(low, phantom.grid.bounds_m[0], strict=True)) or any(
        a > b for a, b in zip(high, phantom.grid.bounds_m[1], strict=True)
    ):
        raise InputError(
            "implant outside the phantom",
            field=implant.name,
            found=_box_text(low, high),
            expected=f"within {_box_text(*phantom.grid.bounds_m)}",
        )
    steps = [
        (b - o) / s for b, o, s in zip((*low, *high), phantom.grid.origin_m * 2, phantom.spacing_m * 2, strict=True)
    ]
    first = tuple(max(0, math.floor(s)) for s in steps[:3])
    last = tuple(min(n, max(math.ceil(s), f + 1)) for s, n, f in zip(steps[3:], phantom.grid.shape, first, strict=True))
    voxels = voxelise(implant, grid=phantom.grid.crop(first, last), check_walls=False)  # type: ignore[arg-type]
    window = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    in_air = float(voxels.fraction[~phantom.body[window]].sum(dtype=float) / voxels.fraction.sum(dtype=float))
    if in_air > OUTSIDE:
        raise InputError(
            "implant outside the phantom",
            field=implant.name,
            found=f"{in_air:.0%} of its volume in air",
            expected="metal within tissue",
        )
    part, fraction = np.zeros(phantom.grid.shape, np.uint8), np.zeros(phantom.grid.shape, np.float32)
    part[window], fraction[window] = voxels.part, voxels.fraction
    return EmbeddedImplant(part, fraction, voxels.metals)


def grid_around(implant: Implant, spacing_m: float | Vector) -> Grid:
    """The smallest grid of a spacing around an implant, with the implant in its middle."""
    spacing = Grid((1, 1, 1), spacing_m).spacing_m  # type: ignore[arg-type]
    low, high = (np.array(b) for b in implant.bounds_m)
    cells = np.ceil((high - low) / spacing - 1e-6).clip(1)
    if cells.prod() > 2**31:
        raise InputError(
            "grid too large",
            field="spacing_m",
            found=spacing_m,
            expected=f"at most 2^31 voxels around {_box_text(low, high)}",
        )
    shape = tuple(int(n) for n in cells)
    origin = 0.5 * (low + high) - 0.5 * cells * spacing
    return Grid(shape, spacing, tuple(origin.tolist()))  # type: ignore[arg-type]


def wall_thickness(implant: Implant, rays: int = RAYS) -> list[tuple[np.ndarray, np.ndarray]]:
    """The metal below points of the surface of every part: the points (n, 3) and the ways through the wall (n, 3) [m].

    ``rays`` points spread evenly over the area of each part look straight inwards to where the part ends; it is a wall
    where both its sides are parallel to 37 degrees, so that sharp edges do not count.
    """
    kernels = backend.get("cpu").kernels.load(__package__, "triangles", "double")
    found = []
    for part in implant.parts:
        middle = part.vertices.mean(0)
        corners = np.ascontiguousarray(part.corners - middle)
        cumulative = np.cumsum(part.areas_m2)
        n = np.arange(rays) + 0.5
        picked = np.searchsorted(cumulative, n / rays * cumulative[-1]).clip(max=len(corners) - 1)
        # Points of a low-discrepancy sequence in the triangles; those beyond the diagonal are folded back.
        u, v = (n * 0.7548776662466927) % 1, (n * 0.5698402909980532) % 1
        u, v = np.where(u + v > 1, 1 - u, u)[:, None], np.where(u + v > 1, 1 - v, v)[:, None]
        a, b, c = corners[picked].transpose(1, 0, 2)
        origin = np.ascontiguousarray(a + u * (b - a) + v * (c - a))
        inwards = np.ascontiguousarray(-part.normals[picked])
        distance, which = np.empty(rays), np.empty(rays, np.int32)
        least = 1e-9 * float(np.ptp(corners.reshape(-1, 3), axis=0).max())
        kernels.launch("first_hits", rays, origin, inwards, len(corners), corners, least, distance, which)
        hit = (which >= 0) & ((part.normals[which] * inwards).sum(1) > PARALLEL)
        found.append((origin[hit] + middle, inwards[hit] * distance[hit, None]))
    return found


# ---- one part ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Contact:
    """Open areas that facets lying in a plane of the grid close: component, face index (flat), area, and side."""

    component: int
    face: np.ndarray
    area: np.ndarray
    top: bool


@dataclass(frozen=True)
class _Pieces:
    """Metal of one part in a window of the grid: pieces of its surface by voxel, and volume per voxel."""

    window: tuple[slice, slice, slice]
    index: np.ndarray
    vectors: np.ndarray
    volume: np.ndarray

    def area(self, c: int) -> np.ndarray:
        """Open area fraction of the faces normal to c in the window; one more layer along c."""
        shape: Shape = self.volume.shape
        return _below(_per_voxel(self.index, self.vectors[:, c], shape), c)


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


def _cut(part: Part, grid: Grid, contacts: list[_Contact]) -> _Pieces:
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
                contacts.append(_Contact(c, face, np.abs(pieces[chosen, c]), top))
    window = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return _Pieces(window, index, pieces[:, :3], volume)  # type: ignore[arg-type]


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


def _repeat(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Index of the group of every item, and its number in the group, for groups of given sizes."""
    owner = np.repeat(np.arange(len(counts)), counts)
    start = np.cumsum(counts) - counts
    return owner, np.arange(len(owner)) - start[owner]


# ---- all parts -----------------------------------------------------------------------------------------------------
def _join_contacts(contacts: Sequence[_Contact], faces: np.ndarray) -> None:
    """Open the faces on which the top of one body and the bottom of another lie against each other."""
    for c in range(3):
        sums = []
        for top in (False, True):
            mine = [x for x in contacts if x.component == c and x.top == top]
            face = np.concatenate([x.face for x in mine]) if mine else np.zeros(0, int)
            unique, where = np.unique(face, return_inverse=True)
            area = np.concatenate([x.area for x in mine]) if mine else np.zeros(0)
            sums.append((unique, np.bincount(where, area, len(unique))))
        both, a, b = np.intersect1d(sums[0][0], sums[1][0], assume_unique=True, return_indices=True)
        faces[c].reshape(-1)[both] += np.minimum(sums[0][1][a], sums[1][1][b])


def _close_faces(faces: np.ndarray, metal: np.ndarray) -> None:
    """Keep what is open between two voxels of metal, as a fraction from 0 to 1."""
    np.clip(faces, 0.0, 1.0, out=faces)
    faces[faces < LEAST] = 0
    for c in range(3):
        one, other, inner = ([slice(n) for n in metal.shape] for _ in range(3))
        one[c], other[c], inner[c] = slice(None, -1), slice(1, None), slice(1, -1)
        open_ = metal[tuple(one)] & metal[tuple(other)]
        inside = tuple(slice(1, n) if a == c else slice(n) for a, n in enumerate(metal.shape))
        kept = np.where(open_, faces[c][inside], np.float32(0))
        faces[c] = 0
        faces[c][inside] = kept


# ---- checks --------------------------------------------------------------------------------------------------------
def _check_inside(bounds: tuple[Vector, Vector], grid: Grid, name: str) -> None:
    slack = [1e-6 * s for s in grid.spacing_m]
    low, high = grid.bounds_m
    if any(a < b - s for a, b, s in zip(bounds[0], low, slack, strict=True)) or any(
        a > b + s for a, b, s in zip(bounds[1], high, slack, strict=True)
    ):
        raise InputError(
            "implant outside the grid", field=name, found=_box_text(*bounds), expected=f"within {_box_text(low, high)}"
        )


def _check_overlap(part: Part, volume: np.ndarray, total: np.ndarray, label: np.ndarray, implant: Implant) -> None:
    whole = float(volume.sum())
    if whole <= 0 or float(-np.minimum(volume, 0.0).sum()) > OVERLAP * abs(whole):
        raise InputError(
            "surface inside out, or not closed",
            field=f"{implant.name}.{part.name}",
            expected="triangles anticlockwise seen from outside",
        )
    if float(np.maximum(volume - 1, 0).sum()) > OVERLAP * whole:
        raise InputError(
            "surface covers a part of space twice",
            field=f"{implant.name}.{part.name}",
            expected="shells that do not overlap",
        )
    excess = np.maximum(volume + total - 1, 0) * (total > 0)
    common = float(excess.sum())
    if common <= LEAST:
        return
    share = np.bincount(label.ravel(), excess.ravel())
    other = implant.parts[int(np.argmax(share[1:]))]
    voxel_m3 = part.volume_m3 / whole
    if common * voxel_m3 > OVERLAP * min(part.volume_m3, other.volume_m3):
        raise InputError(
            f"parts '{other.name}' and '{part.name}' overlap",
            field=implant.name,
            found=f"{common * voxel_m3 * 1e9:.3g} mm^3 in common",
            expected="parts that touch at most",
        )


def _check_walls(implant: Implant, spacing_m: Vector) -> None:
    for part, (_, ways) in zip(implant.parts, wall_thickness(implant), strict=True):
        if not len(ways):
            continue
        cells = np.linalg.norm(ways / np.array(spacing_m), axis=1)
        order = np.argsort(cells)
        thin = order[int(THINNEST * len(order))]
        across, wall = float(cells[thin]), float(np.linalg.norm(ways[thin]))
        if across < 1 - SLACK:
            expected = f"at most {wall * 1e3:.3g} mm, the wall of '{part.name}', or better half"
            raise InputError(
                "step coarser than the thinnest wall", field="spacing_m", found=_size_text(spacing_m), expected=expected
            )
        if across < 2 * (1 - SLACK):
            text = f"{part.name}: only {across:.1f} voxels across its thinnest wall of {wall * 1e3:.3g} mm"
            warnings.warn(text, EmdoseWarning, stacklevel=4)


def _size_text(spacing_m: Vector) -> str:
    return " x ".join(f"{s * 1e3:.4g}" for s in spacing_m) + " mm"


def _box_text(low: Vector | np.ndarray, high: Vector | np.ndarray) -> str:
    return ", ".join(f"{a} {p * 1e3:.4g} to {q * 1e3:.4g}" for a, p, q in zip("xyz", low, high, strict=True)) + " mm"
