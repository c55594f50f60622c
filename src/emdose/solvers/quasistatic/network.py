"""The voxels of a body as a network of conductances, with the line integrals of impressed fields along its branches.

A branch joins the centres of two neighbouring voxels; index 0 of the last three axes is the voxel on its high side, as
:class:`~emdose.compute.multigrid.Conduction` has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.models.grids.grid import Grid

GAUSS = 0.5 / np.sqrt(3.0)
"""Places of the two points of the Gauss rule about the middle of a branch, in its length; exact for cubic fields."""
_BLOCK = 2**18


@dataclass(frozen=True, eq=False)
class Box:
    """The part of a grid that holds what conducts.

    Parameters
    ----------
    grid : Grid
        The whole grid.
    low, shape : (int, int, int)
        First voxel, and number of voxels.
    """

    grid: Grid
    low: tuple[int, int, int]
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, grid: Grid, conducts: np.ndarray) -> Box:
        """The smallest box around what conducts, (nx, ny, nz) bool."""
        ends = []
        for axis in range(3):
            there = np.flatnonzero(conducts.any(axis=tuple(a for a in range(3) if a != axis)))
            ends.append((int(there[0]), int(there[-1]) + 1))
        return cls(grid, tuple(a for a, _ in ends), tuple(b - a for a, b in ends))  # type: ignore[arg-type]

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """Its voxels in arrays of the whole grid."""
        return tuple(slice(a, a + n) for a, n in zip(self.low, self.shape, strict=True))  # type: ignore[return-value]

    def centres(self, index: np.ndarray) -> np.ndarray:
        """Centres of voxels (n, 3) of the box [m]."""
        return np.asarray(self.grid.origin_m) + (np.asarray(self.low) + index + 0.5) * np.asarray(self.grid.spacing_m)


def conductances(box: Box, conductivity: np.ndarray) -> np.ndarray:
    """Conductance of every branch, (3, nx, ny, nz) [S], zero at the low ends.

    Parameters
    ----------
    box : Box
        Where.
    conductivity : (nx, ny, nz) ndarray
        Of the voxels of the box [S/m], zero where nothing conducts.
    """
    h = box.grid.spacing_m
    g = np.zeros((3, *box.shape), conductivity.dtype)
    for axis in range(3):
        high, low = _pair(conductivity, axis)
        total = high + low
        series = np.divide(2 * high * low, total, out=np.zeros_like(total), where=total != 0)
        area = box.grid.voxel_volume_m3 / h[axis]
        g[axis][_from_second(axis)] = series * (area / h[axis])
    return g


def impressed(box: Box, source: Any, g: np.ndarray) -> np.ndarray:
    """Line integral of a source's field along every branch that conducts, upwards, (3, nx, ny, nz) [V]."""
    emf = np.zeros(g.shape, np.float64)
    for axis in range(3):
        step = box.grid.spacing_m[axis]
        along = np.zeros(3)
        along[axis] = step
        flat, there = emf[axis].reshape(-1), np.flatnonzero(g[axis].reshape(-1))
        for start in range(0, len(there), _BLOCK):
            some = there[start : start + _BLOCK]
            middle = box.centres(np.stack(np.unravel_index(some, box.shape), axis=1)) - 0.5 * along
            both = np.concatenate([middle - GAUSS * along, middle + GAUSS * along])
            field = np.asarray(source.impressed_E(both))[:, axis].reshape(2, -1)
            flat[some] = 0.5 * step * field.sum(axis=0)
    return emf


def net_inflow(flow: np.ndarray) -> np.ndarray:
    """What flows into every voxel less what flows out of it, for flows (3, nx, ny, nz) up the branches."""
    total = flow.sum(axis=0)
    for axis in range(3):
        total[_to_last_but_one(axis)] -= flow[axis][_from_second(axis)]
    return total


def rise(potential: np.ndarray) -> np.ndarray:
    """Difference of a potential (nx, ny, nz) up every branch, (3, nx, ny, nz)."""
    out = np.zeros((3, *potential.shape), potential.dtype)
    for axis in range(3):
        high, low = _pair(potential, axis)
        out[axis][_from_second(axis)] = high - low
    return out


def field_at_centres(box: Box, flow: np.ndarray, conductivity: np.ndarray) -> np.ndarray:
    """Field at the centres of the voxels, (3, nx, ny, nz) [V/m], from currents (3, nx, ny, nz) up the branches [A].

    Half the sum of the current densities through the two faces across an axis, over the voxel's own conductivity: the
    normal current is continuous where the field is not, and zero through the skin.
    """
    out = flow.copy()
    for axis in range(3):
        out[axis][_to_last_but_one(axis)] += flow[axis][_from_second(axis)]
        area = box.grid.voxel_volume_m3 / box.grid.spacing_m[axis]
        out[axis] *= 0.5 / area
    return np.divide(out, conductivity, out=np.zeros_like(out), where=conductivity != 0)


def _from_second(axis: int) -> tuple[slice, ...]:
    return tuple(slice(1, None) if a == axis else slice(None) for a in range(3))


def _to_last_but_one(axis: int) -> tuple[slice, ...]:
    return tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))


def _pair(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Values on the high and on the low side of the branches along an axis."""
    return values[_from_second(axis)], values[_to_last_but_one(axis)]
