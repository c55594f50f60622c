"""Analytic solids, their rasterising, and the simple test phantoms made of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import metres, vector, whole
from emdose.compute import machine
from emdose.errors import InputError
from emdose.models.bodies import shares
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.resampling import majority
from emdose.models.bodies.tissues import AIR, Tissue, TissueTable
from emdose.models.grids.grid import Grid, Vector
from emdose.values import read_only

CLOSE = 0.02
"""Relative difference of a tissue's volume up to which the tissue at the voxel centre decides."""

PAINTED_BYTES = 11
"""Memory that a voxel takes while solids are painted at the voxel centres; measured."""
Inside = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
TissueLike = Tissue | str


@read_only
@dataclass(frozen=True)
class TissueSolid:
    """A region of space filled with one tissue.

    Parameters
    ----------
    tissue : Tissue or str
        What it is made of; "air" cuts a hole.
    inside : callable
        ``inside(x, y, z)`` with broadcastable coordinates [m] gives a bool array.
    low_m, high_m : (float, float, float)
        Corners of a box that holds the solid [m]; only voxels in it are looked at.
    """

    tissue: TissueLike
    inside: Inside
    low_m: Vector
    high_m: Vector


def ellipsoid(tissue: TissueLike, centre_m: Vector, semi_m: Vector) -> TissueSolid:
    """An ellipsoid with semi-axes along x, y, z [m]."""
    c, s = centre_m, semi_m

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return ((x - c[0]) / s[0]) ** 2 + ((y - c[1]) / s[1]) ** 2 + ((z - c[2]) / s[2]) ** 2 <= 1

    return TissueSolid(tissue, inside, _add(c, s, -1), _add(c, s, 1))


def elliptic_cylinder(tissue: TissueLike, centre_m: Vector, semi_m: Vector) -> TissueSolid:
    """An elliptic cylinder along z: semi-axes along x and y and half its length [m]."""
    c, s = centre_m, semi_m

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (((x - c[0]) / s[0]) ** 2 + ((y - c[1]) / s[1]) ** 2 <= 1) & (np.abs(z - c[2]) <= s[2])

    return TissueSolid(tissue, inside, _add(c, s, -1), _add(c, s, 1))


def box(tissue: TissueLike, centre_m: Vector, half_m: Vector) -> TissueSolid:
    """A box given by its half edges [m]."""
    c, s = centre_m, half_m

    def inside(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return (np.abs(x - c[0]) <= s[0]) & (np.abs(y - c[1]) <= s[1]) & (np.abs(z - c[2]) <= s[2])

    return TissueSolid(tissue, inside, _add(c, s, -1), _add(c, s, 1))


def grid_around(solids: Sequence[TissueSolid], spacing_m: float | Vector, margin: int = 1) -> Grid:
    """A grid that holds all solids and ``margin`` voxels more on each side, with a node at the isocentre."""
    spacing: np.ndarray = np.array(Grid((1, 1, 1), spacing_m).spacing_m)  # type: ignore[arg-type]
    low = np.min([s.low_m for s in solids], axis=0)
    high = np.max([s.high_m for s in solids], axis=0)
    first = np.floor(low / spacing + 1e-6).astype(int) - margin
    last = np.ceil(high / spacing - 1e-6).astype(int) + margin
    _check_size(tuple(last - first), spacing_m)
    return Grid(tuple(last - first), tuple(spacing), tuple(first * spacing))


def rasterise(
    solids: Sequence[TissueSolid],
    grid: Grid,
    *,
    samples: int | None = None,
    volumes_m3: Mapping[str, float] | None = None,
    table: TissueTable | None = None,
    name: str = "phantom",
    source: str = "",
    test_object: bool = False,
) -> Phantom:
    """Turn solids into voxels.

    Parameters
    ----------
    solids : sequence of TissueSolid
        From the outermost to the innermost: a later one replaces what lies under it.
    grid : Grid
        Where to put them.
    samples : int, optional
        By default every tissue keeps its volume: voxels take the tissue at their centre when every known volume is
        met within 2 %, otherwise tissues share out the voxels by how much of each they fill, see
        :meth:`~emdose.models.bodies.shares.Shares.settle`. 1 takes the tissue at the voxel centre whatever comes of
        it; n takes the majority of n^3 points, where a voxel is tissue when at least half of the points are.
    volumes_m3 : mapping of str to float, optional
        Volume of tissues by name [m^3] where it is known, after what lies over them is taken off.
    table : TissueTable, optional
        Where tissue names are looked up; the built-in one by default.
    test_object : bool
        Whether it is no patient, see :class:`Phantom`.

    Raises
    ------
    InputError
        When no voxel is tissue.
    """
    tissues, index = _tissue_list([s.tissue for s in solids], table)
    each = PAINTED_BYTES if samples in (None, 1) else PAINTED_BYTES + 5 + 2 * len(tissues)
    machine.require_memory(
        each * grid.size, f"a body on {' x '.join(map(str, grid.shape))} voxels", max(grid.spacing_m)
    )
    if samples is None:
        labels = _with_volumes(solids, tissues, index, grid, volumes_m3 or {})
    elif whole("samples", samples, 1, 16, problem="bad sample count") == 1:
        labels = _paint(solids, index, [grid.centres(a) for a in range(3)])
    else:
        labels = _by_majority(solids, tissues, index, grid, samples)
    if not labels.any():
        raise InputError(
            "voxels too coarse for this body: none is tissue",
            field="spacing_m",
            found=grid.spacing_m,
            expected="a smaller spacing",
        )
    return Phantom(grid, labels, tissues, name, {}, source, test_object).compact()


def sphere(
    radius_m: float, spacing_m: float | Vector, tissue: TissueLike = "head_liquid", *, samples: int | None = None
) -> Phantom:
    """A homogeneous sphere at the isocentre."""
    return layered_sphere((metres("radius_m", radius_m),), (tissue,), spacing_m, samples=samples)


def layered_sphere(
    radii_m: Sequence[float], tissues: Sequence[TissueLike], spacing_m: float | Vector, *, samples: int | None = None
) -> Phantom:
    """Concentric spheres at the isocentre.

    Parameters
    ----------
    radii_m : sequence of float
        Outer radius of each layer, growing from the core outwards [m].
    tissues : sequence of Tissue or str
        Tissue of each layer, core first.
    spacing_m : float or (float, float, float)
        Voxel edge lengths [m].
    samples : int, optional
        See :func:`rasterise`.
    """
    radii = [metres("radii_m", r) for r in radii_m]
    if len(radii) != len(tissues) or not radii or any(b <= a for a, b in itertools.pairwise(radii)):
        raise InputError("bad layers", field="radii_m", found=tuple(radii_m), expected="growing radii, one per tissue")
    solids = [ellipsoid(t, (0, 0, 0), (r, r, r)) for r, t in zip(radii[::-1], list(tissues)[::-1], strict=True)]
    name = "sphere" if len(radii) == 1 else f"{len(radii)}-layer sphere"
    volumes = [4 / 3 * math.pi * (b**3 - a**3) for a, b in zip((0.0, *radii[:-1]), radii, strict=True)]
    return _test_object(solids, spacing_m, samples, name, "closed form", volumes[::-1])


def cylinder(
    radius_m: float,
    length_m: float,
    spacing_m: float | Vector,
    tissue: TissueLike = "head_liquid",
    *,
    samples: int | None = None,
) -> Phantom:
    """A homogeneous circular cylinder along z, centred at the isocentre."""
    r, half = metres("radius_m", radius_m), 0.5 * metres("length_m", length_m)
    solids = [elliptic_cylinder(tissue, (0, 0, 0), (r, r, half))]
    return _test_object(solids, spacing_m, samples, "cylinder", "closed form", [2 * math.pi * r**2 * half])


def gel_box(
    spacing_m: float | Vector,
    size_m: Vector = (0.42, 0.09, 0.65),
    tissue: TissueLike = "gel",
    *,
    samples: int | None = None,
) -> Phantom:
    """A box of gel centred at the isocentre; by default the rectangular phantom of ASTM F2182, lying in the bore.

    Each edge gets the number of voxels that fits it best; where that is odd, the isocentre is the centre of a voxel.

    Source: container 65 cm x 42 cm, gel depth 9 cm, as described in public literature on ASTM F2182.
    """
    vector("size_m", size_m, problem="bad box", expected="three lengths in metres")
    half = tuple(0.5 * metres("size_m", s) for s in size_m)
    solids = [box(tissue, (0, 0, 0), half)]  # type: ignore[arg-type]
    source = "ASTM F2182 rectangular phantom as described in public literature"
    volume = [8 * math.prod(half)]
    return _test_object(
        solids, spacing_m, samples, "gel box", source, volume, _fitting([2 * a for a in half], spacing_m)
    )


def _test_object(
    solids: Sequence[TissueSolid],
    spacing_m: float | Vector,
    samples: int | None,
    name: str,
    source: str,
    volumes_m3: Sequence[float],
    grid: Grid | None = None,
) -> Phantom:
    """A body of solids, each with the volume that is seen of it."""
    volumes: dict[str, float] = {}
    tissues, index = _tissue_list([s.tissue for s in solids], None)
    for label, volume in zip(index, volumes_m3, strict=True):
        name_of = tissues[label].name
        volumes[name_of] = volumes.get(name_of, 0.0) + volume
    return rasterise(
        solids,
        grid_around(solids, spacing_m) if grid is None else grid,
        samples=samples,
        volumes_m3=volumes,
        name=name,
        source=source,
        test_object=True,
    )


def _fitting(size_m: Sequence[float], spacing_m: float | Vector) -> Grid:
    """Voxels around a box at the isocentre, as many along each edge as fit it best; one voxel more on each side."""
    spacing = Grid((1, 1, 1), spacing_m).spacing_m  # type: ignore[arg-type]
    shape = tuple(max(1, round(size / h)) + 2 for size, h in zip(size_m, spacing, strict=True))
    _check_size(shape, spacing_m)
    return Grid(shape, spacing)  # type: ignore[arg-type]


def _tissue_list(wanted: Sequence[TissueLike], table: TissueTable | None) -> tuple[tuple[Tissue, ...], list[int]]:
    """Distinct tissues, air first, and the label of every wanted one."""
    table = TissueTable.default() if table is None else table
    tissues, index = [AIR], []
    for want in wanted:
        tissue = want if isinstance(want, Tissue) else table[want]
        if tissue.is_background:
            index.append(0)
            continue
        same = [i for i, t in enumerate(tissues) if t == tissue]
        if not same:
            tissues.append(tissue)
        index.append(same[0] if same else len(tissues) - 1)
    return tuple(tissues), index


def _with_volumes(
    solids: Sequence[TissueSolid],
    tissues: Sequence[Tissue],
    index: Sequence[int],
    grid: Grid,
    volumes: Mapping[str, float],
) -> np.ndarray:
    """Labels that keep the volume of every tissue."""
    known = {i: volumes[t.name] / grid.voxel_volume_m3 for i, t in enumerate(tissues) if t.name in volumes}
    centres = [grid.centres(a) for a in range(3)]
    if len(known) == len(tissues) - 1:
        labels = _paint(solids, index, centres)
        counts = np.bincount(labels.ravel(), minlength=len(tissues))
        kept = all(abs(counts[i] - volume) <= CLOSE * volume for i, volume in known.items())
        if kept or not labels.any():  # what no voxel centre lies in has too few voxels to share out
            return labels

    def paint(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return _paint(solids, index, (x, y, z))

    return shares.sampled(paint, centres, grid.spacing_m, shares.samples_for(grid.shape)).settle(known)


def _by_majority(
    solids: Sequence[TissueSolid], tissues: Sequence[Tissue], index: Sequence[int], grid: Grid, samples: int
) -> np.ndarray:
    counts = [np.zeros(grid.shape, np.uint16) for _ in tissues]
    offsets = [((np.arange(samples) + 0.5) / samples - 0.5) * h for h in grid.spacing_m]
    for shift in itertools.product(*offsets):
        painted = _paint(solids, index, [grid.centres(a) + shift[a] for a in range(3)])
        for label in range(1, len(tissues)):
            counts[label] += painted == label
    return majority(((i, counts[i]) for i in range(1, len(tissues))), float(samples**3))


def _paint(solids: Sequence[TissueSolid], index: Sequence[int], axes: Sequence[np.ndarray]) -> np.ndarray:
    """Labels (nx, ny, nz) at the points of three axes [m]."""
    labels = np.zeros(tuple(len(a) for a in axes), np.uint16)
    for solid, label in zip(solids, index, strict=True):
        cut = []
        for a in range(3):
            first = int(np.searchsorted(axes[a], solid.low_m[a] - 1e-9))
            cut.append(slice(first, int(np.searchsorted(axes[a], solid.high_m[a] + 1e-9))))
        part = tuple(cut)
        if any(p.start >= p.stop for p in part):
            continue
        x, y, z = np.meshgrid(*(axes[a][part[a]] for a in range(3)), indexing="ij", sparse=True)
        inside = np.broadcast_to(solid.inside(x, y, z), labels[part].shape)
        labels[part][inside] = label
    return labels


def _check_size(shape: tuple[int, ...], spacing_m: object) -> None:
    if math.prod(int(n) for n in shape) > 2**31:
        raise InputError(
            "grid too large",
            field="spacing_m",
            found=spacing_m,
            expected=f"at most 2^31 voxels, not {' x '.join(str(n) for n in shape)}",
        )


def _add(a: Vector, b: Vector, sign: int) -> Vector:
    return (a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2])
