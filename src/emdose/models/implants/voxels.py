"""Implants on voxels: how much of every voxel is metal, and how much of every face is open between metal and metal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.compute import machine
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.grids.grid import Grid, Vector
from emdose.models.implants.implant import Implant, Part
from emdose.models.implants.metals import Metal
from emdose.models.implants.surface_cut import Contact, cut_surface
from emdose.models.implants.walls import check_wall_thickness
from emdose.values import read_only

CUT_BYTES = 48
"""Memory that a voxel takes while surfaces are cut into voxels; measured."""
LEAST = 1e-6
"""Voxels with a smaller fraction of metal, and faces with a smaller open fraction, are left out."""
OVERLAP = 0.005
"""Largest part of a body's volume that may lie in another one (touching facets of curved surfaces do so a little)."""
OUTSIDE = 0.01
"""Largest part of the metal that may lie in the air around a phantom."""


@read_only
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


@read_only
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
    what = f"an implant on {' x '.join(map(str, grid.shape))} voxels"
    machine.require_memory(CUT_BYTES * grid.size, what, max(grid.spacing_m))
    if check_walls:
        check_wall_thickness(implant, grid.spacing_m)
    total, largest = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.float32)
    label = np.zeros(grid.shape, np.uint8)
    faces = np.zeros((3, *grid.node_shape), np.float32)
    contacts: list[Contact] = []
    for number, part in enumerate(implant.parts, 1):
        cut = cut_surface(part, grid, contacts)
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


# ---- all parts -----------------------------------------------------------------------------------------------------
def _join_contacts(contacts: Sequence[Contact], faces: np.ndarray) -> None:
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


def _box_text(low: Vector | np.ndarray, high: Vector | np.ndarray) -> str:
    return ", ".join(f"{a} {p * 1e3:.4g} to {q * 1e3:.4g}" for a, p, q in zip("xyz", low, high, strict=True)) + " mm"
