"""How a GPU walks the lattice: one thread per cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee.schedule import Schedule
from emdose.solvers.yee.tables import PLAN, Tables

if TYPE_CHECKING:
    from emdose.backend import Backend


class Cells(Schedule):
    """One thread per cell: two launches per step, and one for every list that is not empty.

    What does not change from step to step is checked once; a launch then costs little more than the driver's own.
    """

    file = "yee"

    def __init__(self, tables: Tables, be: Backend) -> None:
        super().__init__(tables, be)
        t, a, plan = tables, tables.arrays, dict(zip(PLAN, tables.plan.tolist(), strict=False))
        nodes, extents = t.lattice.nodes, ("LOW_X", "HIGH_X", "LOW_Y", "HIGH_Y", "LANES_LOW", "LANES_HIGH", "WIDEST")
        lattice = (t.lattice.stride, t.lattice.component, plan["LONGEST"])
        layer = tuple(plan[n] for n in extents)
        places = [tuple(plan[f"PSI_{f}{x}"] for x in "XYZ") for f in "EH"]
        prepare = self.module.prepare
        self._electric = prepare("cells_e", nodes, *lattice, plan["WIDE_IDS"], *layer, *places[0], t.ids8, t.ids16,
                          a["ca"], a["cb"], a["factor"], a["layer"], t.h, t.e, t.psi)  # fmt: skip
        self._magnetic = prepare(
            "cells_h", nodes, *lattice, *layer, *places[1], a["factor"], a["layer"], t.e, t.h, t.psi
        )
        self._faces = prepare("faces", len(t.faces.face), a["face"], a["turn"], a["face_gain"], t.e, t.h)

    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None:
        t, a, prepare = self.tables, self.tables.arrays, self.module.prepare
        electric, magnetic = t.terms.electric, len(t.terms.entry) - t.terms.electric
        drive = (t.terms.columns, a["entry"], a["term_row"], a["column"], a["coefficient"], drives["drive"])
        currents = prepare("terms", electric, 0, 0, *drive, t.e)
        surface = prepare("terms", magnetic, 0, electric, *drive, t.h)
        branches = prepare("branches", len(t.branches.elements), 0, a["path_row"], a["path_edge"], a["sign"],
                           a["path_gain"], a["law"], drives["source"], t.state, t.e, record)  # fmt: skip
        sample = 0
        for n in range(steps):
            self._electric()
            currents(n)
            branches(n)
            self._magnetic()
            self._faces()
            surface(n)
            if t.regions and (first + n + 1) % t.every == 0:
                self._sample(sample, drives["phase"])
                sample += 1

    def _sample(self, sample: int, phase: Any) -> None:
        t, lattice = self.tables, self.tables.lattice
        for region, *offsets in t.regions:
            size = tuple(h - a for a, h in zip(region.low, region.high, strict=True))
            low = (region.low[0] + 1) * lattice.plane + region.low[1] * lattice.stride + region.low[2]
            count = 6 * len(t.frequencies) * int(np.prod(size))
            for magnetic, (at, field) in enumerate(zip(offsets, (t.e, t.h), strict=True)):
                if at >= 0:
                    self.module.launch("fourier", size, sample, low, lattice.plane, lattice.stride, lattice.component,
                                       len(t.frequencies), magnetic, phase, field, t.dft[at : at + count])  # fmt: skip
