"""How a GPU walks the lattice: one thread per cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee.schedule import STEPS_AT_ONCE, Schedule
from emdose.solvers.yee.tables import PLAN, Tables

if TYPE_CHECKING:
    from emdose.backend import Backend, Recorded

KEPT = 8
"""Kinds of blocks of steps that are kept as recorded work."""


@dataclass(frozen=True, eq=False)
class Steps:
    """Launches of steps, in order. It knows no schedule, so that arrays go with the last reference to it.

    Parameters
    ----------
    launches : list of (callable, bool)
        Launches of one step, and whether they take its number within the block.
    samples : list of callables
        Launches that add a sample to the Fourier sums; they take its number within the block.
    every : int
        Steps between samples.
    """

    launches: list[tuple[Callable[..., None], bool]]
    samples: list[Callable[..., None]]
    every: int

    def __call__(self, steps: int, sampled: int) -> None:
        """Take steps; ``sampled`` is the first one whose fields are added."""
        for n in range(steps):
            for launch, numbered in self.launches:
                launch(n) if numbered else launch()
            if n % self.every == sampled:
                for add in self.samples:
                    add(n // self.every)


class Cells(Schedule):
    """One thread per cell: two launches per step, and one for every list that is not empty.

    All launches are prepared once. A block of steps is recorded work (a CUDA graph on a GPU): what changes from block
    to block is in arrays that stay where they are, what changes within it is a number that belongs to the launch.
    Blocks hold a whole number of samples of the Fourier transform, so that they look alike.
    """

    file = "yee"

    def __init__(self, tables: Tables, be: Backend) -> None:
        super().__init__(tables, be)
        t, a, plan = tables, tables.arrays, dict(zip(PLAN, tables.plan.tolist(), strict=False))
        if t.every <= STEPS_AT_ONCE:
            self.at_once = STEPS_AT_ONCE // t.every * t.every
        nodes, extents = t.lattice.nodes, ("LOW_X", "HIGH_X", "LOW_Y", "HIGH_Y", "LANES_LOW", "LANES_HIGH", "WIDEST")
        lattice = (t.lattice.stride, t.lattice.component, plan["LONGEST"])
        layer = tuple(plan[n] for n in extents)
        places = [tuple(plan[f"PSI_{f}{x}"] for x in "XYZ") for f in "EH"]
        prepare, columns, branches = self.module.prepare, t.terms.columns, len(t.branches.elements)
        electric, magnetic = t.terms.electric, len(t.terms.entry) - t.terms.electric
        samples = -(-self.at_once // t.every)
        self._changing = {
            name: be.xp.zeros(max(1, size))
            for name, size in {"drive": self.at_once * columns, "source": self.at_once * branches,
                               "phase": samples * 4 * len(t.frequencies)}.items()
        }  # fmt: skip
        self._record = be.xp.zeros(max(1, self.at_once * branches * 2))
        drive = (columns, a["entry"], a["term_row"], a["column"], a["coefficient"], self._changing["drive"])
        electric_sweep = prepare("cells_e", nodes, *lattice, plan["WIDE_IDS"], *layer, *places[0], t.ids8, t.ids16,
                                 a["ca"], a["cb"], a["factor"], a["layer"], t.h, t.e, t.psi)  # fmt: skip
        magnetic_sweep = prepare(
            "cells_h", nodes, *lattice, *layer, *places[1], a["factor"], a["layer"], t.e, t.h, t.psi
        )
        faces = prepare("faces", len(t.faces.face), a["face"], a["turn"], a["face_gain"], t.e, t.h)
        networks = prepare("branches", branches, 0, a["path_row"], a["path_edge"], a["sign"], a["path_gain"], a["law"],
                          self._changing["source"], t.state, t.e, self._record)  # fmt: skip
        self._sequence = Steps(
            [
                (electric_sweep, False),
                (prepare("terms", electric, 0, 0, *drive, t.e), True),
                (networks, True),
                (magnetic_sweep, False),
                (faces, False),
                (prepare("terms", magnetic, 0, electric, *drive, t.h), True),
            ],
            self._fourier(),
            t.every,
        )
        self._recorded: dict[tuple[int, int], Recorded] = {}

    def _block(self, first: int, steps: int) -> np.ndarray:
        for name, values in self.tables.drives(first, steps).items():
            self._changing[name][: values.size] = self.be.asarray(values)
        self._work(steps, -(first + 1) % self.tables.every).launch()
        branches = len(self.tables.branches.elements)
        return self.be.to_numpy(self._record[: steps * branches * 2]).reshape(steps, branches, 2).copy()

    def _work(self, steps: int, sampled: int) -> Recorded:
        """A block of steps; ``sampled`` is the first one whose fields are added to the Fourier sums."""
        key = (steps, min(sampled, steps))
        work = self._recorded.pop(key, None)
        if work is None:
            if len(self._recorded) >= KEPT:
                self.be.synchronize()  # the oldest may still be at work
                del self._recorded[next(iter(self._recorded))]
            work = self.be.recorded(partial(self._sequence, steps, sampled))
        self._recorded[key] = work  # the last is the one used last
        return work

    def _fourier(self) -> list[Callable[..., None]]:
        """One launch per region and field; its argument is the number of the sample within the block."""
        t, lattice, out = self.tables, self.tables.lattice, []
        phase: Any = self._changing["phase"]
        for region, *offsets in t.regions:
            size = tuple(h - a for a, h in zip(region.low, region.high, strict=True))
            low = (region.low[0] + 1) * lattice.plane + region.low[1] * lattice.stride + region.low[2]
            count = 6 * len(t.frequencies) * int(np.prod(size))
            for magnetic, (at, field) in enumerate(zip(offsets, (t.e, t.h), strict=True)):
                if at >= 0:
                    out.append(self.module.prepare("fourier", size, 0, low, lattice.plane, lattice.stride,
                                                   lattice.component, len(t.frequencies), magnetic, phase, field,
                                                   t.dft[at : at + count]))  # fmt: skip
        return out
