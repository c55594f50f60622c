"""Materials of edges as small numbers into tables.

Edges are averaged as everywhere in emdose: the mean over the cells around an edge, weighted by the area that each of
them shares with the edge's dual face. On a wall only the cells inside the grid count.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.constants import EPS_0
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid

PEC = 0
"""Number of the perfect conductor in every table."""


@dataclass(frozen=True, eq=False)
class EdgeMaterials:
    """Numbers of the materials of all edges, and their tables.

    Parameters
    ----------
    ids : (3, nx + 1, ny + 1, nz + 1) uint8 or uint16 ndarray
        Material per edge; 0 is the perfect conductor. Entries past the last edge are not used.
    permittivity : (m,) float ndarray
        Permittivity [F/m]; entry 0 is not used.
    conductivity : (m,) float ndarray
        Conductivity [S/m]; entry 0 is not used.

    Raises
    ------
    InputError
        For numbers beyond the table or values that are not physical.
    """

    ids: np.ndarray
    permittivity: np.ndarray
    conductivity: np.ndarray

    def __post_init__(self) -> None:
        eps, sigma = (np.array(v, float) for v in (self.permittivity, self.conductivity))
        if self.ids.dtype not in (np.uint8, np.uint16) or self.ids.ndim != 4:
            raise InputError(
                "bad material numbers",
                found=f"{self.ids.dtype} {self.ids.shape}",
                expected="uint8 or uint16, (3, nx + 1, ny + 1, nz + 1)",
            )
        if eps.ndim != 1 or eps.shape != sigma.shape or len(eps) < 2:
            raise InputError("bad material tables", found=f"{eps.shape} and {sigma.shape}")
        if int(self.ids.max()) >= len(eps):
            raise InputError("material number beyond the table", found=int(self.ids.max()), expected=f"< {len(eps)}")
        if not (np.all(np.isfinite(eps[1:])) and np.all(eps[1:] > 0)):
            raise InputError("bad permittivity", found=float(np.min(eps[1:])), expected="> 0")
        if not (np.all(np.isfinite(sigma[1:])) and np.all(sigma[1:] >= 0)):
            raise InputError("bad conductivity", found=float(np.min(sigma[1:])), expected=">= 0")
        object.__setattr__(self, "permittivity", eps)
        object.__setattr__(self, "conductivity", sigma)

    def with_pec(self, edges: np.ndarray) -> EdgeMaterials:
        """The same with perfect conductors on edges, given as (m, 4) rows (c, i, j, k) or as a mask of all."""
        ids = self.ids.copy()
        if edges.dtype == bool:
            ids[edges] = PEC
        else:
            ids[tuple(np.asarray(edges, np.int64).reshape(-1, 4).T)] = PEC
        return replace(self, ids=ids)

    def scaled(self, edges: np.ndarray, factors: np.ndarray) -> EdgeMaterials:
        """The same with permittivity and conductivity of some edges (m, 4) times factors (m,)."""
        at = tuple(np.asarray(edges, np.int64).reshape(-1, 4).T)
        pairs = np.stack([self.ids[at].astype(float), np.asarray(factors, float)], axis=1)
        kinds, which = np.unique(pairs, axis=0, return_inverse=True)
        number = kinds[:, 0].astype(int)
        eps = np.concatenate([self.permittivity, self.permittivity[number] * kinds[:, 1]])
        sigma = np.concatenate([self.conductivity, self.conductivity[number] * kinds[:, 1]])
        new = np.where(number == PEC, PEC, len(self.permittivity) + np.arange(len(kinds)))
        ids: np.ndarray = self.ids.astype(_smallest(len(eps)))
        ids[at] = new[which.ravel()]
        return EdgeMaterials(ids, eps, sigma)


def vacuum(grid: RectilinearGrid) -> EdgeMaterials:
    """Vacuum on all edges; the table has the perfect conductor (0) and vacuum (1)."""
    ids = np.ones((3, *grid.node_shape), np.uint8)
    return EdgeMaterials(ids, np.array([np.inf, EPS_0]), np.zeros(2))


def materials_from_edges(eps_r: np.ndarray, sigma: np.ndarray, pec: np.ndarray | None = None) -> EdgeMaterials:
    """Numbers for values given per edge.

    Equal values share a number. Where there are more than 65 535 different ones, as on graded grids, the numbers' last
    binary digits are dropped until they fit, down to 8 (a relative error of 0.2 %).

    Parameters
    ----------
    eps_r : (3, nx + 1, ny + 1, nz + 1) ndarray
        Relative permittivity; brought to float32.
    sigma : (3, nx + 1, ny + 1, nz + 1) ndarray
        Conductivity [S/m]; brought to float32.
    pec : (3, nx + 1, ny + 1, nz + 1) bool ndarray, optional
        Edges of perfect conductor.

    Raises
    ------
    InputError
        When even then there are too many.
    """
    if eps_r.shape != sigma.shape or eps_r.ndim != 4:
        raise InputError("bad edge values", found=f"{eps_r.shape} and {sigma.shape}")
    codes = [np.ascontiguousarray(v, np.float32).view(np.uint32).ravel() for v in (eps_r, sigma)]
    # Neighbours along z mostly agree: only the first of each run is looked at.
    begins = np.flatnonzero(np.concatenate([[True], (codes[0][1:] != codes[0][:-1]) | (codes[1][1:] != codes[1][:-1])]))
    pairs = np.stack([c[begins] for c in codes], axis=1)
    keys = (pairs[:, 0].astype(np.uint64) << np.uint64(32)) | pairs[:, 1]
    for dropped in (0, 8, 10, 12, 14, 15):
        half = np.uint64((1 << dropped) >> 1)
        both = np.uint64(0xFFFFFFFF ^ ((1 << dropped) - 1)) * np.uint64(0x100000001)
        found, which = np.unique((keys + half * np.uint64(0x100000001)) & both, return_inverse=True)
        if len(found) <= 65535:
            break
    else:
        raise InputError("too many different materials on edges", found=len(found), expected="at most 65535")
    numbers = (which.ravel() + 1).astype(_smallest(len(found) + 1))
    ids = np.repeat(numbers, np.diff(np.concatenate([begins, [codes[0].size]]))).reshape(eps_r.shape)
    if pec is not None:
        ids[pec] = PEC
    eps = (found >> np.uint64(32)).astype(np.uint32).view(np.float32).astype(float)
    conductivity = (found & np.uint64(0xFFFFFFFF)).astype(np.uint32).view(np.float32).astype(float)
    return EdgeMaterials(ids, np.concatenate([[np.inf], eps * EPS_0]), np.concatenate([[0.0], conductivity]))


def materials_from_voxels(
    grid: RectilinearGrid, labels: np.ndarray, eps_r: np.ndarray, sigma: np.ndarray
) -> EdgeMaterials:
    """Edge averages of materials given per cell by label; fast, because only edges between materials are averaged.

    Parameters
    ----------
    grid : RectilinearGrid
        The grid.
    labels : (nx, ny, nz) uint8 or uint16 ndarray
        Material of each cell.
    eps_r, sigma : (m,) float ndarray
        Relative permittivity and conductivity [S/m] by label.

    Returns
    -------
    EdgeMaterials
        Number label + 1 for edges within one material, more for those between; no perfect conductor yet.

    Raises
    ------
    InputError
        When there are more than 65 535 different averages, even with numbers rounded to 0.2 %.
    """
    eps_r, sigma = np.asarray(eps_r, float), np.asarray(sigma, float)
    if labels.shape != grid.shape or int(labels.max()) >= len(eps_r) or eps_r.shape != sigma.shape:
        raise InputError("labels do not fit grid or tables", found=labels.shape, expected=str(grid.shape))
    ids = np.zeros((3, *grid.node_shape), np.uint16)
    mixed_at, mixed = [], []
    for c in range(3):
        a, b = (axis for axis in range(3) if axis != c)
        padded = np.pad(labels, [(0, 0) if axis == c else (1, 1) for axis in range(3)], mode="edge")
        four = []
        for u in (0, 1):
            for v in (0, 1):
                cut = [slice(None)] * 3
                cut[a], cut[b] = slice(u, padded.shape[a] - 1 + u), slice(v, padded.shape[b] - 1 + v)
                four.append(padded[tuple(cut)])
        inside: tuple[Any, ...] = (c, *(slice(0, n) for n in four[0].shape))
        ids[inside] = four[0]
        ids[inside] += 1
        differs = (four[0] != four[1]) | (four[0] != four[2]) | (four[0] != four[3])
        at = np.nonzero(differs)
        # Beyond a wall there is no area, so what the padding put there has no weight.
        halves = [np.stack([np.concatenate([[0.0], s]), np.concatenate([s, [0.0]])]) for s in map(grid.steps, (a, b))]
        halves = [h / h.sum(0) for h in halves]
        weights = [halves[0][u][at[a]] * halves[1][v][at[b]] for u in (0, 1) for v in (0, 1)]
        which = [f[at] for f in four]
        mixed.append(np.stack([sum(w * t[n] for w, n in zip(weights, which, strict=True)) for t in (eps_r, sigma)]))
        mixed_at.append(np.ravel_multi_index((np.full(len(at[0]), c), *at), ids.shape))
    values, flat = np.concatenate(mixed, axis=1), np.concatenate(mixed_at)
    table = materials_from_edges(values[0].reshape(1, 1, 1, -1), values[1].reshape(1, 1, 1, -1)) if len(flat) else None
    eps, conductivity = np.concatenate([[np.inf], eps_r * EPS_0]), np.concatenate([[0.0], sigma])
    if table is not None:
        ids.reshape(-1)[flat] = table.ids.ravel().astype(np.int64) + (len(eps) - 1)
        eps = np.concatenate([eps, table.permittivity[1:]])
        conductivity = np.concatenate([conductivity, table.conductivity[1:]])
    if len(eps) > 65535:
        raise InputError("too many different materials on edges", found=len(eps), expected="at most 65535")
    return EdgeMaterials(ids.astype(_smallest(len(eps)), copy=False), eps, conductivity)


def _smallest(count: int) -> type:
    if count > 65536:
        raise InputError("too many different materials on edges", found=count, expected="at most 65536")
    return np.uint8 if count <= 256 else np.uint16
