"""Voxels of a grid of which some layers are split: finer cells where they are needed, inside the voxels of a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.values import read_only

Window = tuple[slice, slice, slice]


@read_only
@dataclass(frozen=True, eq=False)
class SplitGrid:
    """The cells that arise when every layer of voxels, along each axis, is split into equal ones.

    Parameters
    ----------
    grid : Grid
        The voxels.
    splits : three (n,) int ndarrays
        Into how many cells each layer along x, y and z is split.

    Raises
    ------
    InputError
        When the counts do not fit the grid.
    """

    grid: Grid
    splits: tuple[np.ndarray, np.ndarray, np.ndarray]

    def __post_init__(self) -> None:
        counts = (np.asarray(self.splits[0]), np.asarray(self.splits[1]), np.asarray(self.splits[2]))
        for axis, n in zip("xyz", counts, strict=True):
            wanted = (self.grid.shape["xyz".index(axis)],)
            if n.shape != wanted or n.dtype.kind not in "iu" or n.min() < 1:
                raise InputError("bad split of a grid", field=axis, found=n.shape, expected=f"counts >= 1, {wanted}")
        object.__setattr__(self, "splits", counts)

    @classmethod
    def around(cls, grid: Grid, low: Shape, high: Shape, counts: Shape) -> SplitGrid:
        """Voxels ``low`` (included) to ``high`` (excluded) split into ``counts`` along each axis, and fewer beside.

        Away from these voxels the count falls by a half from each layer to the next.

        Parameters
        ----------
        grid : Grid
            The voxels.
        low, high : (int, int, int)
            The voxels to split.
        counts : (int, int, int)
            Powers of two.
        """
        splits = []
        for n, first, last, most in zip(grid.shape, low, high, counts, strict=True):
            at = np.arange(n)
            away = np.maximum(0, np.maximum(first - at, at - (last - 1))).clip(max=40)
            splits.append(np.maximum(1, most >> away))
        return cls(grid, (splits[0], splits[1], splits[2]))

    @property
    def is_split(self) -> bool:
        """Whether any layer is."""
        return any(n.max() > 1 for n in self.splits)

    @property
    def shape(self) -> Shape:
        """Number of cells along x, y and z."""
        return tuple(int(n.sum()) for n in self.splits)  # type: ignore[return-value]

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape, dtype=object))

    def steps(self, axis: int) -> np.ndarray:
        """Cell edge lengths along one axis, (n,) [m]."""
        return np.repeat(self.grid.spacing_m[axis] / self.splits[axis], self.splits[axis])

    def centres(self, axis: int) -> np.ndarray:
        """Cell centres along one axis, (n,) [m]."""
        steps = self.steps(axis)
        return np.asarray(self.grid.origin_m[axis] + np.cumsum(steps) - 0.5 * steps)

    def centre(self, index: Shape) -> Vector:
        """Centre of a cell [m]."""
        return tuple(float(self.centres(a)[i]) for a, i in enumerate(index))  # type: ignore[return-value]

    def voxel(self, index: Shape) -> Shape:
        """The voxel that a cell lies in."""
        ends = (np.cumsum(n) for n in self.splits)
        return tuple(int(np.searchsorted(e, i, side="right")) for e, i in zip(ends, index, strict=True))  # type: ignore[return-value]

    def cells_of(self, voxels: Window) -> Window:
        """The cells that make up a window of voxels."""
        starts = [np.concatenate([[0], np.cumsum(n)]) for n in self.splits]
        return tuple(slice(int(e[w.start]), int(e[w.stop])) for e, w in zip(starts, voxels, strict=True))  # type: ignore[return-value]

    def crop(self, voxels: Window) -> SplitGrid:
        """The cells of a window of voxels."""
        low, high = (tuple(getattr(w, end) for w in voxels) for end in ("start", "stop"))
        splits = tuple(n[w] for n, w in zip(self.splits, voxels, strict=True))
        return SplitGrid(self.grid.crop(low, high), splits)  # type: ignore[arg-type]

    def fine(self, voxels: Window) -> Grid:
        """The cells of a window of voxels that are all split alike, as a grid of their own."""
        part = self.crop(voxels)
        if any(np.ptp(n) for n in part.splits):
            raise InputError("cells of several sizes", field="voxels", found=[n.tolist() for n in part.splits])
        spacing = tuple(s / int(n[0]) for s, n in zip(part.grid.spacing_m, part.splits, strict=True))
        return Grid(part.shape, spacing, part.grid.origin_m)  # type: ignore[arg-type]

    def spread(self, values: np.ndarray) -> np.ndarray:
        """Values of voxels (..., nx, ny, nz) in all their cells."""
        if not self.is_split:
            return np.asarray(values)
        for axis in range(3):
            values = np.repeat(values, self.splits[axis], axis=axis - 3)
        return values

    def means(self, values: np.ndarray) -> np.ndarray:
        """Values of cells (..., nx, ny, nz) as means of the voxels they make up; the cells of a voxel are alike."""
        if not self.is_split:
            return np.asarray(values)
        for axis, n in enumerate(self.splits):
            starts = np.concatenate([[0], np.cumsum(n)[:-1]])
            shape = [1] * values.ndim
            shape[axis - 3] = len(n)
            values = np.add.reduceat(values, starts, axis=axis - 3) / n.reshape(shape).astype(values.dtype)
        return values
