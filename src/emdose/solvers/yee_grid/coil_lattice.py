r"""The field of a coil for grids that lie elsewhere each time: kept on one endless lattice, and interpolated from it.

A body that is moved in its coil, as the samples of a study are, asks for the same smooth field at points that have all
been shifted by the same fraction of a voxel. Lagrange's polynomial through :math:`P` points an axis then has the same
weights everywhere. Its relative error at a distance of :math:`d` voxels from the pole of a field 1 / r is at most

.. math:: \prod_{k} \left|\frac{k - 1/2}{d + k - 1/2}\right|, \quad k = 1 - P/2 \dots P/2,

2e-6 for P = 10 and d = 8, and some ten times that for a field 1 / r^2. Points that are closer to a conductor are
evaluated as they are.

Source: M. Abramowitz, I. Stegun, Handbook of Mathematical Functions, NBS 1964, 25.2 (interpolation and its remainder).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.models.coils.clearance import points_along

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Grid
    from emdose.solvers.yee_grid.filaments import Pieces

POINTS, CLEAR = 10, 8.0
"""Points of the polynomial along an axis; voxels to the next conductor from which it is used."""
MOST_CLOSE = 0.4
"""Share of a grid that is closer, above which it is evaluated as a whole: the lattice would cost more than it saves."""
SAME = 1e-6
"""Fraction of a voxel below which a grid lies on the lattice."""
MOST_BYTES = 128 * 2**20
"""What the lattice of one coil holds at most."""
Evaluate = Callable[[np.ndarray], Any]
"""Values (row, n) at points (3, n) [m]."""


class CoilLattice:
    """Field of a coil at the nodes, edges and faces of a lattice through the origin. Threads may share one.

    Parameters
    ----------
    spacing_m : (float, float, float)
        Its steps [m].
    """

    def __init__(self, spacing_m: Sequence[float]) -> None:
        self.spacing_m = np.asarray(spacing_m, float)
        self._known: dict[str, _Known] = {}
        self._first: tuple[float, ...] | None = None
        self._lock = threading.RLock()

    @property
    def bytes(self) -> int:
        """What it holds now [bytes]."""
        return sum(one.values.nbytes for one in self._known.values())

    def field(
        self, grid: Grid, component: int, magnetic: bool, there: tuple[int, ...], pieces: Pieces, be: Backend
    ) -> Any | None:
        """One component of the field on the edges or faces of a grid.

        Parameters
        ----------
        grid : Grid
            Of the same spacing.
        component : int
            Of E or B.
        magnetic : bool
            B on the faces instead of E on the edges.
        there : (int, int, int)
            Points along the axes.
        pieces : Pieces
            The conductors.
        be : Backend
            Where to compute.

        Returns
        -------
        (port, n) array or None
            Peak phasors per unit drive; None for the first grid that is asked for, which may be the only one, for one
            that is close to the conductors, and where it would hold too much.
        """
        origin = np.asarray(grid.origin_m) / self.spacing_m
        first = np.floor(origin + SAME).astype(int)
        shift = np.where(origin - first < SAME, 0.0, origin - first)
        half = np.array([0.5 if (a == component) != magnetic else 0.0 for a in range(3)])
        with self._lock:
            place = tuple(np.round(origin, 6).tolist())
            self._first = self._first or place
            reach = np.where(shift > 0, POINTS // 2, 0)
            low, high = first - np.maximum(reach - 1, 0), first + np.array(there) + reach
            values = self._known.setdefault(f"{'B' if magnetic else 'E'} {component}", _Known())
            size = values.points(low, high) * len(pieces.currents) * 16
            if place == self._first or self.bytes - values.values.nbytes + size > MOST_BYTES:
                return None

            def at(points: np.ndarray) -> Any:
                return be.to_numpy(pieces.field(points, component, magnetic, be))

            cells, middle = self._known.setdefault("close", _Known()), np.full(3, 0.5)
            (near,) = cells.covering(first, first + there, self.spacing_m, middle, self._close(pieces))
            if near.mean() > MOST_CLOSE:
                return None
            known = values.covering(low, high, self.spacing_m, half, at)
        for axis in range(3):
            if shift[axis] > 0:
                known = _shifted(known, axis + 1, float(shift[axis]))
        found = np.ascontiguousarray(known).reshape(len(known), -1)
        if near.any():
            axes = [(first[a] + shift[a] + half[a] + np.arange(there[a])) * self.spacing_m[a] for a in range(3)]
            mesh = np.stack([m[near] for m in np.meshgrid(*axes, indexing="ij", copy=False)])
            found[:, near.ravel()] = at(mesh)
        return be.asarray(found)

    def _close(self, pieces: Pieces) -> Evaluate:
        from scipy.spatial import cKDTree

        step = float(self.spacing_m.max())
        ends = np.stack([pieces.start, pieces.start + pieces.length[:, None] * pieces.tangent], axis=1)
        tree = cKDTree(points_along(ends, step))
        # From the middle of a cell: a point of it is at most a diagonal further, a conductor at most half a step.
        reach = (CLEAR + 0.5) * step + float(np.linalg.norm(self.spacing_m))

        def close(points: np.ndarray) -> np.ndarray:
            return np.isfinite(tree.query(points.T, distance_upper_bound=reach)[0])[None]

        return close


class _Known:
    """Values on a box of the lattice that grows."""

    def __init__(self) -> None:
        self.low = np.zeros(3, int)
        self.values: np.ndarray = np.zeros((0, 0, 0, 0))

    def points(self, low: np.ndarray, high: np.ndarray) -> int:
        """How many points there would be to cover those from ``low`` up to ``high`` as well."""
        start, end = self._box(low, high)
        return math.prod(int(n) for n in end - start)

    def _box(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if not self.values.size:
            return low, high
        return np.minimum(low, self.low), np.maximum(high, self.low + self.values.shape[1:])

    def covering(
        self, low: np.ndarray, high: np.ndarray, spacing_m: np.ndarray, half: np.ndarray, at: Evaluate
    ) -> np.ndarray:
        """Values (row, nx, ny, nz) of the points from ``low`` up to ``high``; those that are new are evaluated."""
        there = np.array(self.values.shape[1:])
        start, end = self._box(low, high)
        shape = tuple(int(n) for n in end - start)
        if shape != self.values.shape[1:]:
            new = np.ones(shape, bool)
            old = tuple(slice(a, a + n) for a, n in zip(self.low - start, there, strict=True))
            if self.values.size:
                new[old] = False
            index = np.argwhere(new)
            found = at(np.ascontiguousarray(((start + index + half) * spacing_m).T))
            values = np.zeros((len(found), *shape), found.dtype)
            if self.values.size:
                values[(slice(None), *old)] = self.values
            values[:, new] = found
            self.low, self.values = start, values
        cut = tuple(slice(int(a), int(b)) for a, b in zip(low - self.low, high - self.low, strict=True))
        return self.values[(slice(None), *cut)]


def _shifted(values: np.ndarray, axis: int, by: float) -> np.ndarray:
    """Values between the points of an axis; it is POINTS - 1 shorter."""
    offsets = np.arange(1 - POINTS // 2, POINTS // 2 + 1)
    out: Any = 0.0
    count = values.shape[axis] - POINTS + 1
    for n, k in enumerate(offsets):
        others = offsets[offsets != k]
        weight = float(np.prod((by - others) / (k - others)))
        cut = [slice(None)] * values.ndim
        cut[axis] = slice(n, n + count)
        out = out + weight * values[tuple(cut)]
    return np.asarray(out)
