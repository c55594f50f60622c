"""Where the absorbing layers are: their coefficients along each axis and the layout of their memory.

psi exists only inside the layers. Along x and y it is kept per plane or row of the layer, along z in ``lanes`` entries
at either end of a row: whole vectors of the row that hold the layer's cells, with coefficients of zero beyond.
"""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.setup.problem import YeeProblem
from emdose.solvers.yee_engine.tables.lattice import VECTOR, Lattice, whole_vectors


class Shell:
    """Layers of a problem.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    lattice : Lattice
        Its lattice.
    """

    def __init__(self, problem: YeeProblem, lattice: Lattice) -> None:
        self.nodes = lattice.nodes
        self.low = [problem.layer(2 * a) for a in range(3)]
        self.high = [problem.layer(2 * a + 1) for a in range(3)]
        self.lanes = lanes_of(lattice.nodes[2], self.low[2], self.high[2])
        self.coefficients = self._coefficients(problem, lattice).astype(lattice.dtype)
        nx, ny, _ = lattice.nodes
        along = [
            (2, self.low[0] + self.high[0], ny, lattice.stride),
            (2, nx, self.low[1] + self.high[1], lattice.stride),
            (2, nx, ny, sum(self.lanes)),
        ]
        self.psi_shapes = [*along, *along]
        sizes = [int(np.prod(s, dtype=np.int64)) for s in self.psi_shapes]
        # Every part begins on a cache line.
        self.offsets = np.concatenate([[0], np.cumsum([-(-s // 16) * 16 for s in sizes])]).astype(np.int64)

    @property
    def size(self) -> int:
        """Entries of psi, at least one."""
        return max(1, int(self.offsets[-1]))

    def _coefficients(self, problem: YeeProblem, lattice: Lattice) -> np.ndarray:
        """(E or H, axis, b c k, place in the layer)."""
        widest = max([1, *(self.low[a] + self.high[a] for a in (0, 1)), sum(self.lanes)])
        out = np.zeros((2, 3, 3, widest))
        for axis in range(3):
            nodes, centres, steps = (f(axis) for f in (problem.grid.nodes, problem.grid.centres, problem.grid.steps))
            for magnetic in (0, 1):
                x = centres if magnetic else nodes
                for side, cells in ((0, self.low[axis]), (1, self.high[axis])):
                    if not cells:
                        continue
                    border = nodes[cells] if side == 0 else nodes[-1 - cells]
                    wall = nodes[0] if side == 0 else nodes[-1]
                    depth = (x - border) / (wall - border)
                    step = float(np.mean(steps[:cells] if side == 0 else steps[-cells:]))
                    values = problem.cpml.coefficients(np.where(depth > 1e-9, depth, 0.0), step, lattice.dt)
                    end, wide, at = len(x), cells, self.low[axis] if side else 0
                    if axis == 2:
                        end, wide = whole_vectors(self.nodes[2]), self.lanes[side]
                        at = self.lanes[0] if side else 0
                    first = end - wide if side else 0
                    there = values[:, first : first + wide]
                    out[magnetic, axis, :, at : at + there.shape[1]] = there
        return out


def lanes_of(nodes: int, low: int, high: int) -> list[int]:
    """Entries of psi at the low and the high end of a row of so many nodes, with layers of so many cells."""
    return [whole_vectors(low), whole_vectors(nodes) - (nodes - 1 - high) // VECTOR * VECTOR if high else 0]
