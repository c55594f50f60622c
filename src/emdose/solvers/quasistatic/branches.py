"""The network of a body on a device: what sources drive in its branches, and what potentials leave of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.compute.multigrid import Conduction
from emdose.solvers.quasistatic import network
from emdose.solvers.quasistatic.network import Box
from emdose.solvers.quasistatic.splines import EdgeSplines, EdgeSums


class DrivenNetwork:
    """The branches of a body, which hold the field of one source at a time.

    Parameters
    ----------
    box : Box
        Where.
    held : (m,) int64 ndarray
        Flat indices in the box of the voxels whose field is asked for.
    system : Conduction
        The conductances of the branches.
    """

    def __init__(self, box: Box, held: np.ndarray, system: Conduction) -> None:
        self.be, self.box = system.be, box
        self._kernels = self.be.kernels.load(__package__, "branches", "float")
        level = system.levels[0]
        self._span, self._shape = level.span, level.shape
        self._rows = level.shape[0] * level.shape[1]
        self.emf = self.be.xp.zeros((3, level.shape[0] + 2, *level.shape[1:]))
        nx, n1, n2 = level.shape
        self._net = {"nx": nx, "n1": n1, "n2": n2, "scale": system.scale, "g": level.g, "emf": self.emf}
        self._held = self.be.asarray(held.astype(np.int64))
        self._parts = self.be.asarray(0.25 / np.asarray(box.grid.spacing_m, float))

    def impress(self, field: EdgeSplines | EdgeSums) -> None:
        """Take the line integrals of a source."""
        if isinstance(field, EdgeSums):
            self.emf[:, 1:-1] = self.be.asarray(field.emf)
            return
        rows, weights, first = (self.be.asarray(a) for a in field.rows())
        nx, n1, n2 = self._shape
        shape, counts = (3 * nx, n1, n2), (int(rows.shape[3]), int(weights.shape[2]))
        self._kernels.launch("impress", shape, nx, self._span, *counts, rows, weights, first, self.emf)

    def drive(self, inflow: Any) -> tuple[float, float]:
        """Net inflow into corners of what the source drives, and the norm of its currents [A] and their work [W].

        Parameters
        ----------
        inflow : (nx + 2, ny, nz) array
            Gets the net inflow [A], as far as corners exist.
        """
        sums = self.be.xp.empty((self._rows, 2))
        self._kernels.launch("drive", self._rows, self._span, self._net, inflow, sums)
        squares, work = (float(s) for s in self.be.to_numpy(sums.sum(axis=0)))
        return float(np.sqrt(squares)), work

    def judge(self, potential: Any) -> tuple[float, float, float]:
        """Norm of what is left at corners [A], power in the branches and work of the source on their currents [W]."""
        sums = self.be.xp.empty((self._rows, 3))
        self._kernels.launch("judge", self._rows, self._span, self._net, potential, sums)
        left, power, work = (float(s) for s in self.be.to_numpy(sums.sum(axis=0)))
        return float(np.sqrt(left)), power, work

    def at_centres(self, potential: Any) -> np.ndarray:
        """Field at the centres of voxels, (3, m) float32 [V/m]."""
        out = self.be.xp.empty((3, len(self._held)), np.float32)
        self._kernels.launch("centres", len(self._held), self._net, self._held, self._parts, potential, out)
        return self.be.to_numpy(out)

    def voltages(self, potential: Any) -> np.ndarray:
        """Voltages of all branches, (3, corners) [V]."""
        found = np.array(self.be.to_numpy(self.emf[:, 1:-1]))
        network.fall(self.be.to_numpy(potential[1:-1]), found)
        return found
