"""How a GPU walks the lattice in one pass over E and H per step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.cells import Cells, Step

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

TILE = (7, 63)
"""Rows and columns that a block of threads owns; one less than its threads."""
PLANES = 32
"""Planes that a block marches through; one more is computed for each."""
BLOCKS = 1024
"""Blocks below which the march is shortened, so that a GPU is full."""


class OnePass(Cells):
    """E and H of a step in one pass from one set of fields to another: 51 instead of 75 bytes per cell and step.

    The price is a second set of fields and psi. Steps go there and back by turns; one that is left over is taken in
    place by the sweeps of :class:`Cells`. Lists that change edges act after the pass, and the faces around those edges
    are made once more from what was there before the step, which is still there; so every bit is that of the sweeps.
    """

    def __init__(self, tables: Tables, be: Backend) -> None:
        self._pass = be.kernels.load(__package__, "yee_pass", tables.real)
        super().__init__(tables, be)

    @property
    def own_bytes(self) -> int:
        """Bytes of the second set of fields."""
        return sum(int(a.nbytes) for a in (self.tables.e, self.tables.h, self.tables.psi))

    def _cycle(self, alone: Step) -> tuple[Step, ...]:  # noqa: ARG002 - two sweeps repeat it, one pass does not
        t, xp = self.tables, self.be.xp
        here, there = (t.e, t.h, t.psi), tuple(xp.zeros_like(field) for field in (t.e, t.h, t.psi))
        cells = self.be.asarray(self._around())
        return self._step(here, there, cells), self._step(there, here, cells)

    def _step(self, old: tuple[Any, ...], new: tuple[Any, ...], cells: Any) -> Step:
        t, nodes = self.tables, self.tables.lattice.nodes
        mesh, medium = t.structs["mesh"], t.structs["medium"]
        rows, columns = (-(-n // own) for n, own in zip(nodes[1:], TILE, strict=True))
        planes = max(4, min(PLANES, nodes[0] * rows * columns // BLOCKS))
        blocks = (-(-nodes[0] // planes), rows, columns)
        both = self._pass.prepare("one_pass", blocks, planes, mesh, medium, *old, *new)
        e, h, psi = new
        again = self._pass.prepare("again", cells.size // 3, mesh, medium, cells, e, *old[1:], h, psi)
        lists = *self._on_edges(e), (again, False), *self._on_faces(e, h)
        return Step([*self.wires.before(old[0]), (both, False), *lists], self._samples(e, h))

    def _around(self) -> np.ndarray:
        """Cells of the faces around every edge that a list changes, flat int32."""
        t = self.tables
        changed = np.unique(np.concatenate([t.terms.entry[: t.terms.electric], t.branches.edge]).astype(np.int64))
        component, rest = np.divmod(changed, t.lattice.component)
        plane, rest = np.divmod(rest, t.lattice.plane)
        at = np.stack([component, plane - 1, *np.divmod(rest, t.lattice.stride)], axis=1)
        near = [at[:, 1:]]
        for axis in range(3):
            below = at[at[:, 0] != axis, 1:]
            below[:, axis] -= 1
            near.append(below)
        cells = np.unique(np.concatenate(near), axis=0)
        return cells[(cells >= 0).all(1)].astype(np.int32).ravel()
