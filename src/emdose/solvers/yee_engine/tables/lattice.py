r"""The lattice in numbers: time step, memory layout and the factors of the update.

The engine keeps the voltage e of every edge and the magnetomotive force h of every dual edge (finite integration), so a
curl is a plain difference. With the edge's length l and its dual face A', the face's area A and its dual edge l',

.. math::

   e \leftarrow c_a e + c_b \frac{l}{A'} \sum \pm h, \qquad
   h \leftarrow h - \frac{\Delta t}{\mu_0} \frac{l'}{A} \sum \pm e

l / A' and l' / A are products of one factor per axis. Beyond a wall h is zero, which is a magnetic wall; the factors of
edges on an electric wall are zero.

Source: T. Weiland, Int. J. Numer. Model. 9 (1996) 295-319 (finite integration); A. Taflove and S. Hagness,
Computational Electrodynamics, 3rd ed., Artech 2005, ch. 3, 4.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.constants import MU_0
from emdose.solvers.yee_engine.setup.problem import YeeProblem
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.solvers.yee_engine.setup.wire_circuits import circuit_of, stable_step_with


class Lattice:
    """Shapes, offsets and one-dimensional factors.

    A component takes nx + 2 planes of ny + 1 rows of ``stride`` numbers; the first plane is empty, so that the
    neighbour below the grid exists and is zero.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    dtype : dtype
        float32 or float64.
    """

    def __init__(self, problem: YeeProblem, dtype: Any) -> None:
        grid = problem.grid
        self.grid, self.dtype, self.boundaries = grid, np.dtype(dtype), tuple(problem.boundaries)
        self.nodes = grid.node_shape
        self.stride = padded_row(self.nodes[2], self.dtype)
        self.plane = self.nodes[1] * self.stride
        self.component = (self.nodes[0] + 1) * self.plane
        self.buffer_shape = (3, self.nodes[0] + 1, self.nodes[1], self.stride)
        self.circuits = [circuit_of(grid, problem.materials, w) for w in problem.wires]
        step = stable_step(grid, problem.materials, problem.face_factors)
        self.dt = problem.courant * stable_step_with(grid, problem.materials, self.circuits, step)
        z = grid.steps(2)
        self.unit_z = float(z.min())
        self.uniform_z = bool(np.ptp(z) <= 1e-9 * self.unit_z)
        self.factors = self._factors()
        ca, cb = _tables(problem, self.dt)
        self.ca, self.cb = ca.astype(self.dtype), cb.astype(self.dtype)

    def _factors(self) -> np.ndarray:
        """Factors (E or H, component, axis, position); those of dt / eps are in the table, dt / mu0 is in x."""
        grid = self.grid
        out = np.zeros((2, 3, 3, max(*self.nodes, self.stride)))
        for axis in range(3):
            steps, dual = grid.steps(axis), grid.dual_steps(axis)
            unit = self.unit_z if axis == 2 else 1.0
            if axis == 2 and self.uniform_z:
                steps = np.full(len(steps), unit)
                dual = np.full(len(dual), unit)
                dual[[0, -1]] = 0.5 * unit
            metal = np.ones(len(dual))
            for side in (0, 1):
                metal[-side] = float(self.boundaries[2 * axis + side] == "pmc")
            for c in range(3):
                if c == axis:
                    out[0, c, axis, : len(steps)] = steps / unit
                    out[1, c, axis, : len(dual)] = dual / unit
                else:
                    out[0, c, axis, : len(dual)] = metal * unit / dual
                    out[1, c, axis, : len(steps)] = unit / steps
        # What was taken out of z goes into y: length / area has unit_z for c = z and its inverse for the others.
        for c in range(3):
            out[:, c, 1] *= self.unit_z if c == 2 else 1 / self.unit_z
        out[1, :, 0] *= self.dt / MU_0
        return out.astype(self.dtype)

    def product(self, magnetic: int, at: np.ndarray) -> np.ndarray:
        """Factor of entries (m, 4) of E (0) or H (1), as the kernels compute it."""
        c, i, j, k = np.asarray(at, np.int64).T
        f = self.factors[magnetic]
        return (f[c, 0, i] * f[c, 1, j]) * f[c, 2, k]

    def edge_coefficient(self, at: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """What a current on edges (m, 4) of given materials is multiplied by to give the change of e, float64."""
        return self.cb[ids].astype(float) * self.product(0, at).astype(float)

    def flat(self, at: np.ndarray) -> np.ndarray:
        """Offsets of entries (m, 4) in a field buffer, int64."""
        c, i, j, k = np.asarray(at, np.int64).T
        return c * self.component + (i + 1) * self.plane + j * self.stride + k

    def position(self, offset: int) -> tuple[int, int, int, int]:
        """The entry (c, i, j, k) at an offset."""
        c, rest = divmod(int(offset), self.component)
        i, rest = divmod(rest, self.plane)
        return c, i - 1, *divmod(rest, self.stride)

    def view(self, buffer: Any) -> Any:
        """The (3, nx + 1, ny + 1, nz + 1) entries of a buffer."""
        return buffer[:, 1:, :, : self.nodes[2]]

    def edge_lengths(self, magnetic: int) -> list[list[np.ndarray]]:
        """Per component and axis what e / E (0: edge length) or h / H (1: dual length) is the product of."""
        ones = [np.ones(n) for n in self.nodes]
        out = []
        for c in range(3):
            lengths = self.grid.dual_steps(c) if magnetic else np.append(self.grid.steps(c), self.grid.steps(c)[-1])
            out.append([lengths if a == c else ones[a] for a in range(3)])
        return out


VECTOR = 16
"""Entries that rows are rounded up to, and what is along them in the kernels."""


def whole_vectors(count: int) -> int:
    """So many entries, rounded up."""
    return -(-count // VECTOR) * VECTOR


def padded_row(count: int, dtype: np.dtype) -> int:
    """Entries of a row in memory: whole vectors, and no row of a multiple of 1 KiB, which would fight for sets."""
    stride = whole_vectors(count)
    return stride + VECTOR if stride * dtype.itemsize % 1024 == 0 else stride


def _tables(problem: YeeProblem, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """ca and cb of every material; zero for the perfect conductor."""
    eps, sigma = problem.materials.permittivity[1:], problem.materials.conductivity[1:]
    q = sigma * dt / (2 * eps)
    return np.append(0.0, (1 - q) / (1 + q)), np.append(0.0, dt / eps / (1 + q))
