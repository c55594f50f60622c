"""E and B of metal and body on the whole grid of the phantom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.vie.fields import add_curl, cut_last_edges
from emdose.solvers.vsie.potentials.coupling import REACH, EdgeCoupling, NodeLattice

if TYPE_CHECKING:
    from emdose.models.grids.grid import Grid
    from emdose.solvers.vsie.potentials.coupling import Sources


def metal_field(
    sources: Sources, currents: np.ndarray, grid: Grid, step: int, omega: float, be: Any, dtype: Any
) -> tuple[Any, Any]:
    """E [V/m] and B [T] of currents in metal on the edges and faces of a grid, each (drive, 3, nodes).

    Parameters
    ----------
    sources : Sources
        What stands for the metal's basis functions.
    currents : (n, drive) complex ndarray
        Their coefficients.
    grid : Grid
        The grid.
    step : int
        Cells between the nodes at which potentials are evaluated; nodes near metal are evaluated one by one.
    omega : float
        Angular frequency [rad/s].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the computation.
    """
    h, shape = grid.spacing_m[0], grid.node_shape
    origin = np.asarray(grid.origin_m, float)
    fine = EdgeCoupling(sources, NodeLattice(origin, h, shape, 1), omega, be, dtype)
    if step == 1:
        P = fine.potentials(currents)
    else:
        rough = EdgeCoupling(sources, NodeLattice(origin, h, shape, step), omega, be, dtype)
        P = rough.everywhere(rough.potentials(currents))
        near = _near(np.asarray(sources.points_m), fine.lattice, step * h / REACH)
        if len(near):
            flat = P.reshape(4, currents.shape[1], -1)
            flat[:, :, be.asarray(near)] = fine.potentials(currents, fine.lattice.points_m[:, near])
    E, A = fine.from_potentials(P)
    B = be.xp.zeros_like(E)
    for p in range(len(B)):
        cut_last_edges(E[p])
        add_curl(B[p], A[p], 1 / h)
    return E, B


def _near(points_m: np.ndarray, lattice: NodeLattice, distance_m: float) -> np.ndarray:
    """Flat indices of the nodes of a lattice within a distance of points."""
    from scipy.spatial import cKDTree

    low, high = points_m.min(axis=0) - distance_m, points_m.max(axis=0) + distance_m
    inside = [(a >= lo) & (a <= hi) for a, lo, hi in zip(lattice.axes, low, high, strict=True)]
    candidates = np.flatnonzero((inside[0][:, None, None] & inside[1][:, None] & inside[2]).reshape(-1))
    if not len(candidates):
        return candidates
    at = lattice.points_m[:, candidates].T
    found, _ = cKDTree(points_m).query(at, distance_upper_bound=distance_m)
    return candidates[np.isfinite(found)]
