"""Metal put into a voxel body: which voxels are metal, and what is left of the tissue."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.grids.grid import Grid
from emdose.models.implants.implant import Implant
from emdose.models.implants.metals import Metal
from emdose.models.implants.surgery import METAL, NO_TISSUE, ReplacedTissue, Surgery, operated
from emdose.models.implants.voxels import OVERLAP, embed, voxelise
from emdose.models.implants.walls import THINNEST, wall_thickness
from emdose.thresholds import THRESHOLDS
from emdose.validity import Measure
from emdose.values import owned, read_only

METAL_SHARE = 0.5
"""Voxels with a larger share of metal are metal."""
ACROSS = 12.0
"""Voxels across the thinnest wall that keep its volume to some per cent, wherever they lie."""


@read_only
@dataclass(frozen=True, eq=False)
class ImplantedBody:
    """A body with metal in it, on the voxels of the body.

    Parameters
    ----------
    phantom : Phantom
        What is left of the tissue: voxels of metal are background, so that neither their mass nor their power enters an
        average.
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    part : (nx, ny, nz) uint8 ndarray
        0 in tissue; n where the n-th part, counted over all implants, has the largest share of a voxel of metal.
    implants : tuple of Implant
        Surfaces and metals.
    replaced_kg : mapping of str to float
        Mass of each tissue that made room, for metal and by surgery [kg].
    replaced : tuple of ReplacedTissue
        The same by reason; every voxel of the body counts once.
    surgery : Surgery, optional
        What was done besides.
    """

    phantom: Phantom
    metal: np.ndarray
    part: np.ndarray
    implants: tuple[Implant, ...]
    replaced_kg: Mapping[str, float] = field(default_factory=dict)
    replaced: tuple[ReplacedTissue, ...] = ()
    surgery: Surgery | None = None

    @property
    def metal_volume_m3(self) -> float:
        """Volume of the voxels of metal [m^3]; that of the surfaces is ``implant.volume_m3``."""
        return float(np.count_nonzero(self.metal)) * self.phantom.grid.voxel_volume_m3

    @property
    def part_metals(self) -> tuple[Metal, ...]:
        """Metal of every part; ``part_metals[n - 1]`` is that of the voxels with ``part == n``."""
        return tuple(m for i in self.implants for m in i.metals)

    @property
    def part_names(self) -> tuple[str, ...]:
        """Name of every part, with that of its implant where there are several implants."""
        many = len(self.implants) > 1
        return tuple(f"{i.name}: {p.name}" if many else p.name for i in self.implants for p in i.parts)

    @property
    def density(self) -> np.ndarray:
        """Density (nx, ny, nz) float32 of what averages count [kg/m^3]: 0 in metal, cement and background."""
        counted = [0.0 if t.name in NO_TISSUE else t.density_kg_m3 for t in self.phantom.tissues[1:]]
        return self.phantom.per_label([0.0, *counted])

    def refilled(self, before: Phantom) -> Phantom:
        """The body after surgery with tissue where the metal is, for solvers that mix metal and tissue by volume.

        Parameters
        ----------
        before : Phantom
            The body that the metal was put into.
        """
        labels = np.where(self.metal, before.labels, self.phantom.labels).astype(self.phantom.labels.dtype)
        return replace(self.phantom, labels=owned(labels))

    def volume_errors(self) -> dict[str, float]:
        """By how much of its volume the voxels miss each implant, by name: abs(voxels / surface - 1)."""
        ends = np.cumsum([0, *(len(i.parts) for i in self.implants)])
        found: dict[str, float] = {}
        for implant, first, last in zip(self.implants, ends, ends[1:], strict=False):
            count = int(np.count_nonzero((self.part > first) & (self.part <= last)))
            error = abs(count * self.phantom.grid.voxel_volume_m3 / implant.volume_m3 - 1)
            found[implant.name] = max(error, found.get(implant.name, 0.0))
        return found

    def measures(self) -> list[Measure]:
        """How far the metal can be trusted, for :func:`emdose.validity.judge`: what the voxels lose or add of it.

        The hint of an implant that is lost names the voxels that would keep it.
        """
        row = THRESHOLDS["metal_volume"]
        by_name = {i.name: i for i in self.implants}
        rows = []
        for name, error in self.volume_errors().items():
            hint = _finer(by_name[name]) if row.beyond(error, row.questionable) else ""
            rows.append(Measure("metal_volume", error, name, hint))
        return rows

    def hash(self) -> str:
        """SHA-256 (hex) of the surfaces and metals of all implants in their places."""
        return implants_hash(self.implants)


def implants_hash(implants: Sequence[Implant]) -> str:
    """SHA-256 (hex) of several implants, in whatever order."""
    import hashlib

    return hashlib.sha256("".join(sorted(i.hash() for i in implants)).encode()).hexdigest()


def _finer(implant: Implant) -> str:
    """Voxels that would keep an implant, as advice."""
    walls = [np.linalg.norm(ways, axis=1) for _, ways in wall_thickness(implant)]
    thin = [float(np.quantile(w, THINNEST)) for w in walls if len(w)] or [min(implant.size_m)]
    return f"use voxels of {1e3 * min(thin) / ACROSS:.2g} mm around '{implant.name}'"


def implanted(phantom: Phantom, implants: Sequence[Implant], surgery: Surgery | None = None) -> ImplantedBody:
    """Put metal into a body.

    Parameters
    ----------
    phantom : Phantom
        The body.
    implants : sequence of Implant
        In the coordinates of the body.
    surgery : Surgery, optional
        Bone that is cut, canals that are reamed, a shell around the metal.

    Raises
    ------
    InputError
        When an implant leaves the body or overlaps another one, or a step of the surgery does not fit the body.
    """
    metal, part, count = np.zeros(phantom.grid.shape, bool), np.zeros(phantom.grid.shape, np.uint8), 0
    filled, largest = np.zeros(phantom.grid.shape, np.float32), np.zeros(phantom.grid.shape, np.float32)
    for number, implant in enumerate(implants):
        if count + len(implant.parts) > 255:
            raise InputError("too many parts", field="implants", found="more than 255", expected="at most 255")
        voxels = embed(implant, phantom)
        fraction, mine = np.asarray(voxels.fraction), np.asarray(voxels.part)
        common = float(np.maximum(filled + fraction - 1, 0)[fraction > 0].sum(dtype=float))
        if number and common > OVERLAP * min(float(fraction.sum(dtype=float)), float(filled.sum(dtype=float))):
            raise InputError(
                f"'{implant.name}' overlaps another implant",
                field="implants",
                found=f"{common * phantom.grid.voxel_volume_m3 * 1e9:.3g} mm^3 in common",
                expected="implants that touch at most",
            )
        filled += fraction
        metal |= (fraction > METAL_SHARE) | ((filled > METAL_SHARE) & (fraction > 0))
        first = (fraction > largest) & (mine > 0)
        part[first] = mine[first] + count
        largest[first] = fraction[first]
        count += len(implant.parts)
    part[~metal] = 0
    body = phantom
    steps: list[tuple[str, str, np.ndarray]] = []
    if surgery is not None:
        body, steps = operated(phantom, metal, implants, surgery)
    labels = np.where(metal, 0, body.labels).astype(body.labels.dtype)
    if not labels.any():
        raise InputError("no tissue is left", field="implants", expected="a body larger than its metal")
    left = replace(body, labels=owned(labels))
    replaced = _replaced(phantom, [*steps, (METAL, METAL, metal & phantom.body)], np.asarray(left.labels))
    total: dict[str, float] = {}
    for row in replaced:
        total[row.tissue] = total.get(row.tissue, 0.0) + row.mass_kg
    return ImplantedBody(left, owned(metal), owned(part), tuple(implants), total, replaced, surgery)


def _replaced(
    phantom: Phantom, steps: Sequence[tuple[str, str, np.ndarray]], after: np.ndarray
) -> tuple[ReplacedTissue, ...]:
    """Rows of what is gone: every voxel by the last step that took it."""
    owner = np.zeros(phantom.grid.shape, np.int16)
    for n, (_, _, where) in enumerate(steps, 1):
        owner[where] = n
    # Cement in the place of cement is no loss: labels of a phantom keep their meaning when tissues are added.
    owner[np.asarray(phantom.labels) == after] = 0
    names = len(phantom.tissues)
    count = np.bincount(owner.ravel().astype(np.int64) * names + phantom.labels.ravel(), minlength=names)
    volume = phantom.grid.voxel_volume_m3
    rows = []
    for n, (reason, material, _) in enumerate(steps, 1):
        for label, tissue in enumerate(phantom.tissues):
            found = int(count[n * names + label]) if n * names + label < len(count) else 0
            if label and found:
                mass = found * volume * tissue.density_kg_m3
                rows.append(ReplacedTissue(tissue.name, reason, material, mass, found * volume))
    return tuple(rows)


def metal_cells(implants: Sequence[Implant], grid: Grid) -> np.ndarray:
    """Cells of a grid that are metal, cut from the surfaces themselves; what lies beyond the grid is left out.

    Parameters
    ----------
    implants : sequence of Implant
        In the coordinates of the grid.
    grid : Grid
        The cells.

    Returns
    -------
    (nx, ny, nz) bool ndarray
        True where more than :data:`METAL_SHARE` of a cell is metal, as in :func:`implanted`.
    """
    filled = np.zeros(grid.shape, np.float32)
    for implant in implants:
        spans = zip(*implant.bounds_m, grid.origin_m, grid.spacing_m, strict=True)
        ends = [(math.floor((a - o) / s), math.ceil((b - o) / s)) for a, b, o, s in spans]
        low, high = tuple(a for a, _ in ends), tuple(max(b, a + 1) for a, b in ends)
        voxels = voxelise(implant, grid=grid.crop(low, high), check_walls=False)  # type: ignore[arg-type]
        inside = [(max(a, 0), min(b, n)) for a, b, n in zip(low, high, grid.shape, strict=True)]
        if all(b > a for a, b in inside):
            here = tuple(slice(a, b) for a, b in inside)
            there = tuple(slice(a - o, b - o) for (a, b), o in zip(inside, low, strict=True))
            filled[here] += np.asarray(voxels.fraction)[there]
    return filled > METAL_SHARE
