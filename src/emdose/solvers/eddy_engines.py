"""Which engine answers at which frequency, and the surface loss of the thin skin on the voxels of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError
from emdose.solvers.thin_skin import ThinSkinPower, thin_skin_power

if TYPE_CHECKING:
    from emdose.backend import Backend
    from emdose.models.grid import Grid
    from emdose.models.implants import Implant
    from emdose.solvers.eddy_sources import Source

VOXEL_ERROR = 0.08
"""Error of the power on voxels over (step / skin depth)^2: a flat surface in a plane of the grid, the worst case."""
GOOD = 0.01
"""Estimated error that is good enough for the first engine that has it."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Who answers at which frequency.

    Parameters
    ----------
    engine : tuple of str
        "voxel", "fine voxel" (with a smaller step) or "thin-skin", per frequency.
    voxel_error : (f,) ndarray
        Estimated relative error on the voxels asked for.
    thin : ThinSkinPower or None
        The thin-skin result at all frequencies for which it was asked, with ``thin_index`` of each frequency (-1: not
        asked).
    thin_index : (f,) int ndarray
        See ``thin``.
    """

    engine: tuple[str, ...]
    voxel_error: np.ndarray
    thin: ThinSkinPower | None
    thin_index: np.ndarray

    def where(self, name: str) -> np.ndarray:
        """Indices of the frequencies of an engine."""
        return np.flatnonzero([e == name for e in self.engine])


def choose(
    engine: str,
    implant: Implant | None,
    frequencies_Hz: np.ndarray,
    ratio: np.ndarray,
    sources: tuple[Source, ...],
    be: Backend,
) -> Choice:
    """The engine of every frequency.

    Parameters
    ----------
    engine : {"auto", "voxel", "thin-skin"}
        What was asked for.
    implant : Implant or None
        Surfaces; without them there are only voxels.
    frequencies_Hz : (f,) ndarray
        Frequencies [Hz].
    ratio : (f,) ndarray
        Skin depth over step.
    sources : tuple of Source
        Sources.
    be : Backend
        Device.
    """
    count, error = len(frequencies_Hz), VOXEL_ERROR / ratio**2
    nowhere = np.full(count, -1)
    if engine == "voxel" or implant is None:
        return Choice(("voxel",) * count, error, None, nowhere)
    if engine == "thin-skin":
        thin = _thin(implant, frequencies_Hz, sources, be)
        return Choice(("thin-skin",) * count, error, thin, np.arange(count))
    doubtful = np.flatnonzero(error > GOOD)
    if not len(doubtful):
        return Choice(("voxel",) * count, error, None, nowhere)
    names = ["voxel"] * count
    try:
        thin = _thin(implant, frequencies_Hz[doubtful], sources, be)
    except ConvergenceError:
        return Choice(tuple("fine voxel" if i in doubtful else n for i, n in enumerate(names)), error, None, nowhere)
    nowhere[doubtful] = np.arange(len(doubtful))
    for i, k in enumerate(doubtful):
        names[k] = "thin-skin" if thin.error_estimate[i] <= GOOD else "fine voxel"
    return Choice(tuple(names), error, thin, nowhere)


def deposit(thin: ThinSkinPower, grid: Grid, metal: np.ndarray) -> Any:
    """Share of the loss of every triangle that falls to every cell: a sparse matrix (cells, triangles).

    Large triangles are split until their pieces are smaller than a voxel; pieces fall to the voxel half a step below
    the surface, or to the nearest one that holds metal. The shares of a triangle sum to one.

    Parameters
    ----------
    thin : ThinSkinPower
        Triangles.
    grid : Grid
        Voxels.
    metal : (nx, ny, nz) bool ndarray
        Voxels that hold metal; cells are numbered in C order of these.
    """
    from scipy.sparse import csr_matrix

    corners = thin.corners
    edge = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    pieces = np.clip(np.ceil(edge / (0.7 * min(grid.spacing_m))).astype(int), 1, 64)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-300)
    points, owner = [], []
    for n in np.unique(pieces):
        these = np.flatnonzero(pieces == n)
        inner = corners[these] - 0.5 * min(grid.spacing_m) * normal[these, None]
        weights = _barycentres(int(n))
        points.append(np.einsum("pb,tbc->tpc", weights, inner).reshape(-1, 3))
        owner.append(np.repeat(these, len(weights)))
    at, whose = np.concatenate(points), np.concatenate(owner)
    cell = nearest_cells(at, grid, metal)
    shares = 1.0 / pieces[whose].astype(float) ** 2
    return csr_matrix((shares, (cell, whose)), shape=(int(metal.sum()), len(corners)))


def nearest_cells(points_m: np.ndarray, grid: Grid, metal: np.ndarray) -> np.ndarray:
    """Number of the voxel with metal that holds each point (n, 3), or of the nearest one."""
    from scipy.spatial import cKDTree

    number = np.full(grid.shape, -1)
    number[metal] = np.arange(int(metal.sum()))
    index = np.floor((points_m - np.array(grid.origin_m)) / np.array(grid.spacing_m)).astype(int)
    inside = np.all((index >= 0) & (index < np.array(grid.shape)), axis=1)
    cell = np.full(len(points_m), -1)
    cell[inside] = number[tuple(index[inside].T)]
    lost = np.flatnonzero(cell < 0)
    if len(lost):
        where = np.argwhere(metal)
        centres = np.stack([grid.centres(a)[where[:, a]] for a in range(3)], axis=1)
        cell[lost] = cKDTree(centres).query(points_m[lost])[1]
    return cell


def _thin(implant: Implant, frequencies_Hz: np.ndarray, sources: tuple[Source, ...], be: Backend) -> ThinSkinPower:
    def potential(points: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(s.potential(points)).T for s in sources])

    return thin_skin_power(implant, frequencies_Hz, be, potential=potential)


def _barycentres(n: int) -> np.ndarray:
    """Barycentric coordinates of the middles of the n^2 equal pieces of a triangle, (n^2, 3)."""
    out = []
    for i in range(n):
        for j in range(n - i):
            out.append(((i + 1 / 3) / n, (j + 1 / 3) / n))
            if i + j < n - 1:
                out.append(((i + 2 / 3) / n, (j + 2 / 3) / n))
    uv = np.array(out)
    return np.column_stack([1 - uv.sum(axis=1), uv])


def fine_spacing(spacing_m: np.ndarray, depth_m: float, fits: Any) -> np.ndarray | None:
    """Largest voxels that resolve a skin depth to :data:`GOOD`, or the smallest that ``fits`` allows; None if no gain.

    Parameters
    ----------
    spacing_m : (3,) ndarray
        Voxels asked for [m].
    depth_m : float
        Skin depth [m].
    fits : callable
        Spacing (3,) -> bool.
    """
    wanted = np.minimum(spacing_m, depth_m * math.sqrt(GOOD / VOXEL_ERROR))
    if fits(wanted):
        return wanted
    for factor in (1.15**n for n in range(1, 40)):
        coarser = np.minimum(wanted * factor, spacing_m)
        if np.all(coarser >= 0.95 * spacing_m):
            return None
        if fits(coarser):
            return coarser
    return None
