"""The voxels of a body as a network of conductances between their corners.

A branch is an edge of voxels. Index 0 of the last three axes is the corner on its high side, as
:class:`~emdose.compute.multigrid.Conduction` has it, so that the branches of index 0 along their own axis do not exist.
Every voxel lends each of its twelve edges a quarter of its section: the power in the branches is then the power in the
voxels, and the field in a voxel follows from its own twelve edges, whatever lies beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.models.grids.grid import Grid


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

    @property
    def corners(self) -> tuple[int, int, int]:
        """Number of corners of voxels along each axis."""
        return tuple(n + 1 for n in self.shape)  # type: ignore[return-value]

    @property
    def origin_m(self) -> np.ndarray:
        """Its first corner [m]."""
        return np.asarray(self.grid.origin_m) + np.asarray(self.low) * np.asarray(self.grid.spacing_m)


def conductances(box: Box, conductivity: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Conductance of every branch, (3, nx + 1, ny + 1, nz + 1) [S].

    Parameters
    ----------
    box : Box
        Where.
    conductivity : (nx, ny, nz) ndarray, or (3, nx, ny, nz) for each axis
        Of the voxels of the box [S/m], zero where nothing conducts.
    dtype : dtype
        Of the result.
    """
    h = box.grid.spacing_m
    g: np.ndarray = np.zeros((3, *box.corners), dtype)
    for axis in range(3):
        quarter = box.grid.voxel_volume_m3 / h[axis] ** 2 / 4
        own = conductivity[axis] if conductivity.ndim == 4 else conductivity
        share: np.ndarray = (quarter * own).astype(dtype)
        for edge in edges(axis):
            g[axis][edge] += share
    return g


def edges(axis: int) -> list[tuple[slice, ...]]:
    """For the four edges along an axis of every voxel, their places in an array over corners."""
    others = [a for a in range(3) if a != axis]
    out = []
    for first in (slice(None, -1), slice(1, None)):
        for second in (slice(None, -1), slice(1, None)):
            place = [slice(1, None)] * 3
            place[others[0]], place[others[1]] = first, second
            out.append(tuple(place))
    return out


def net_inflow(flow: np.ndarray) -> np.ndarray:
    """What flows into every corner less what flows out of it, for flows (3, corners) up the branches."""
    total = flow.sum(axis=0)
    for axis in range(3):
        total[_to_last_but_one(axis)] -= flow[axis][_from_second(axis)]
    return np.asarray(total)


def fall(potential: np.ndarray, voltage: np.ndarray) -> None:
    """Take the difference of a potential (corners) up every branch from voltages (3, corners), in place."""
    for axis in range(3):
        high, low = _from_second(axis), _to_last_but_one(axis)
        voltage[axis][high] -= potential[high]
        voltage[axis][high] += potential[low]


def field_at_centres(box: Box, voltage: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Field at the centres of the voxels, (3, nx, ny, nz) [V/m], from voltages (3, corners) of the branches [V].

    The mean over the four edges along an axis. Where a voxel borders on another tissue, its own edges still carry its
    own normal field, and fields along the border are shared by both: what jumps jumps.
    """
    out: np.ndarray = np.zeros((3, *box.shape), dtype)
    for axis in range(3):
        part = 0.25 / box.grid.spacing_m[axis]
        for edge in edges(axis):
            out[axis] += part * voltage[axis][edge]
    return out


def _from_second(axis: int) -> tuple[slice, ...]:
    return tuple(slice(1, None) if a == axis else slice(None) for a in range(3))


def _to_last_but_one(axis: int) -> tuple[slice, ...]:
    return tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
