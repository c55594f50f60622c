"""Which engine answers at which frequency, and the surface loss of the thin skin on the voxels of the other."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import MU_0
from emdose.errors import ConvergenceError
from emdose.solvers.eddy.thin_skin.geometry import inscribed_radii
from emdose.solvers.eddy.thin_skin.power import ThinSkinPower, thin_skin_power
from emdose.solvers.surface.mesh import Surface

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Grid
    from emdose.models.implants.implant import Implant
    from emdose.solvers.eddy.voxels.sources import Source

VOXEL_ERROR = 0.08
"""Error of the power on voxels over (step / skin depth)^2: a flat surface in a plane of the grid, the worst case."""
GOOD = 0.01
"""Estimated error that is good enough for the first engine that has it."""
LIKELY = 0.05
"""Guess of the error of the thin skin below which it is worth its computation."""


class ThinSkin:
    """Thin-skin results of some frequencies, computed when they are first asked for.

    Parameters
    ----------
    implant : Implant
        Surfaces.
    frequencies_Hz : (f,) ndarray
        All frequencies [Hz].
    sources : tuple of Source
        Sources.
    be : Backend
        Device.
    """

    def __init__(self, implant: Implant, frequencies_Hz: np.ndarray, sources: tuple[Source, ...], be: Backend) -> None:
        self.implant, self.frequencies_Hz, self.sources, self.be = implant, frequencies_Hz, sources, be
        self.results: dict[int, tuple[ThinSkinPower, int]] = {}
        self._failed: set[int] = set()

    @cached_property
    def guess(self) -> np.ndarray:
        """What the geometry says about the error of every frequency, before any field is known: how much of the
        surface has metal below it that is not many skin depths thick."""
        total, weak = 0.0, np.zeros(len(self.frequencies_Hz))
        for part in self.implant.parts:
            surface = Surface(part.vertices, part.triangles)
            radius = inscribed_radii(surface)
            for i, f in enumerate(self.frequencies_Hz):
                ratio = skin_depth(f, part.metal.conductivity_S_m) / radius
                weak[i] += float(surface.areas @ np.minimum(1, 4 * np.exp(-2 / ratio) + 0.06 * ratio**2))
            total += float(surface.areas.sum())
        return weak / total

    def errors(self, these: np.ndarray) -> np.ndarray:
        """Estimated error of some frequencies; infinite where there is no solution."""
        new = [int(i) for i in these if int(i) not in self.results and int(i) not in self._failed]
        if new:
            try:
                thin = thin_skin_power(self.implant, self.frequencies_Hz[new], self.be, potential=self._potential)
                self.results |= {i: (thin, k) for k, i in enumerate(new)}
            except ConvergenceError:
                self._failed |= set(new)
        return np.array(
            [
                self.results[i][0].error_estimate[self.results[i][1]] if (i := int(k)) in self.results else np.inf
                for k in these
            ]
        )

    def _potential(self, points: np.ndarray) -> np.ndarray:
        return np.stack([np.asarray(s.potential(points)).T for s in self.sources])


def choose(engine: str, voxel_error: np.ndarray, thin: ThinSkin | None) -> list[str]:
    """The engine of every frequency: "voxel", "thin-skin", or "fine voxel" between the two.

    Parameters
    ----------
    engine : {"auto", "voxel", "thin-skin"}
        What was asked for.
    voxel_error : (f,) ndarray
        Estimated error on the voxels asked for.
    thin : ThinSkin or None
        The other engine; without surfaces there are only voxels.
    """
    names = ["voxel"] * len(voxel_error)
    if engine == "voxel" or thin is None:
        return names
    if engine == "thin-skin":
        return ["thin-skin"] * len(names)
    doubtful = np.flatnonzero(voxel_error > GOOD)
    if not len(doubtful):
        return names
    likely = doubtful[thin.guess[doubtful] <= LIKELY]
    good = likely[thin.errors(likely) <= GOOD] if len(likely) else likely
    for i in doubtful:
        names[i] = "thin-skin" if i in good else "fine voxel"
    return names


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


def skin_depth(frequencies_Hz: Any, conductivity_S_m: Any) -> Any:
    """Skin depth of a metal without magnetisation [m]."""
    return np.sqrt(1 / (math.pi * np.asarray(frequencies_Hz, float) * MU_0 * np.asarray(conductivity_S_m, float)))
