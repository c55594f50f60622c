"""The incident field of one source that samples move and drive in different ways: on the unknowns, and as B1+."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_grid.incident import PointField

if TYPE_CHECKING:
    from emdose.solvers.vie.problem import VieProblem


class MovedIncident:
    """Incident field of every port of a source that is moved against the body, where the equations ask for it.

    A source that is moved by d has its field of r - d at r: the points move, and what belongs to the source alone, such
    as the currents in its shield, is made once.

    Parameters
    ----------
    problem : VieProblem
        The equations.
    """

    def __init__(self, problem: VieProblem) -> None:
        grid, frequency_Hz = problem.grid, problem.exposure.frequency_Hz
        self.be, self.grid = problem.be, grid
        self.field = PointField(problem.source, frequency_Hz, problem.be, 0.25 * problem.h)
        index = problem.be.to_numpy(problem.index)
        component, *nodes = np.unravel_index(index, (3, *problem.shape))
        self._edges = []
        for c in range(3):
            where = np.flatnonzero(component == c)
            at = np.stack([nodes[a][where] + problem.low[a] for a in range(3)])
            self._edges.append((where, self._places(at, c, 0.5)))
        self._unknowns = len(index)

    def on_unknowns(self, weights: np.ndarray, shift_m: np.ndarray) -> np.ndarray:
        """E_inc (n,) [V/m] of the source moved by a vector [m] and driven by weights (port,)."""
        out = np.empty(self._unknowns, complex)
        for c, (where, points) in enumerate(self._edges):
            out[where] = weights @ self._component(points, shift_m, c, magnetic=False)
        return out

    def b1plus(self, mask: np.ndarray, weights: np.ndarray, shift_m: np.ndarray) -> np.ndarray:
        """B1+ (voxel,) [T] at the voxels of a mask (nx, ny, nz), from the faces around them."""
        parts = []
        for c in (0, 1):
            below = np.argwhere(mask).T
            above = below + np.eye(3, dtype=int)[:, [c]]
            both = [self._component(self._places(at, c, 0.0, 0.5), shift_m, c, magnetic=True) for at in (below, above)]
            parts.append(weights @ (0.5 * (both[0] + both[1])))
        return np.asarray(0.5 * (parts[0] + 1j * parts[1]), complex)

    def _component(self, points: np.ndarray, shift_m: np.ndarray, component: int, magnetic: bool) -> np.ndarray:
        moved = np.ascontiguousarray(points - np.asarray(shift_m, float)[:, None])
        return np.asarray(self.be.to_numpy(self.field.component(moved, component, magnetic)))

    def _places(self, nodes: np.ndarray, component: int, along: float, across: float = 0.0) -> np.ndarray:
        """Points (3, n) [m] beside nodes (3, n), by parts of a voxel along a component and across it."""
        part = np.full(3, across)
        part[component] = along
        origin, step = np.asarray(self.grid.origin_m), np.asarray(self.grid.spacing_m)
        return np.asarray(origin[:, None] + step[:, None] * (nodes + part[:, None]))


def port_fields(problem: VieProblem) -> Any:
    """E_inc of every port on the unknowns, (port, n) [V/m], as the problem has it."""
    return problem.incident_on_unknowns(list(range(len(problem.exposure.coil.ports))))
