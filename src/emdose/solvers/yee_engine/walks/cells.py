"""How a GPU walks the lattice: one thread per cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.blocks import STEPS_AT_ONCE, Schedule
from emdose.solvers.yee_engine.walks.wire_steps import WireSteps

if TYPE_CHECKING:
    from emdose.compute.backend import Backend, Recorded

KEPT = 8
"""Kinds of blocks of steps that are kept as recorded work."""


@dataclass(frozen=True, eq=False)
class Step:
    """Launches of one step, in order.

    Parameters
    ----------
    launches : list of (callable, bool)
        Launches, and whether they take the number of the step within the block.
    samples : list of callables
        Launches that add its fields to the Fourier sums; they take the number of the sample within the block.
    """

    launches: list[tuple[Callable[..., None], bool]]
    samples: list[Callable[..., None]]


@dataclass(frozen=True, eq=False)
class Steps:
    """Launches of many steps. It knows no schedule, so that arrays go with the last reference to it.

    Parameters
    ----------
    cycle : tuple of Step
        Steps that are taken by turns.
    alone : Step
        The step for what is left of an incomplete turn.
    every : int
        Steps between samples.
    """

    cycle: tuple[Step, ...]
    alone: Step
    every: int

    def __call__(self, steps: int, sampled: int) -> None:
        """Take steps; ``sampled`` is the first one whose fields are added."""
        turns = steps - steps % len(self.cycle)
        for n in range(steps):
            step = self.cycle[n % len(self.cycle)] if n < turns else self.alone
            for launch, numbered in step.launches:
                launch(n) if numbered else launch()
            if n % self.every == sampled:
                for add in step.samples:
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
        t = tables
        if t.every <= STEPS_AT_ONCE:
            self.at_once = STEPS_AT_ONCE // t.every * t.every
        samples = -(-self.at_once // t.every)
        sizes = {
            "drive": self.at_once * t.terms.columns,
            "source": self.at_once * len(t.branches.elements),
            "phase": samples * 4 * len(t.frequencies),
        }
        self._changing = {name: be.xp.zeros(max(1, size)) for name, size in sizes.items()}
        self._record = be.xp.zeros(max(1, self.at_once * len(t.branches.elements) * 2))
        self.wires = WireSteps(tables, be, self.at_once)
        alone = self._in_place()
        self._sequence = Steps(self._cycle(alone), alone, t.every)
        self._recorded: dict[tuple[int, int], Recorded] = {}

    def _cycle(self, alone: Step) -> tuple[Step, ...]:
        """Steps to be taken by turns; ``alone`` is the one in place."""
        return (alone,)

    def _in_place(self) -> Step:
        t = self.tables
        mesh, medium = t.structs["mesh"], t.structs["medium"]
        electric = self.module.prepare("cells_e", t.lattice.nodes, mesh, medium, t.h, t.e, t.psi)
        magnetic = self.module.prepare("cells_h", t.lattice.nodes, mesh, medium, t.e, t.h, t.psi)
        lists = *self._on_edges(t.e), (magnetic, False), *self._on_faces(t.e, t.h)
        return Step([*self.wires.before(t.e), (electric, False), *lists], self._samples(t.e, t.h))

    def _on_edges(self, e: Any) -> list[tuple[Callable[..., None], bool]]:
        """Impressed currents, then ports and elements."""
        t, source = self.tables, self._changing["source"]
        count, listed = len(t.branches.elements), t.structs["branches"]
        branches = self.module.prepare("branches", count, 0, listed, source, t.state, e, self._record)
        return [(self._terms(0, t.terms.electric, e), True), (branches, True)]

    def _on_faces(self, e: Any, h: Any) -> list[tuple[Callable[..., None], bool]]:
        """Faces of another permeability, then the plane wave's box."""
        t = self.tables
        faces = self.module.prepare("faces", len(t.faces.face), t.structs["faces"], e, h)
        return [(faces, False), (self._terms(t.terms.electric, len(t.terms.entry), h), True)]

    def _terms(self, first: int, last: int, field: Any) -> Callable[..., None]:
        drive = self._changing["drive"]
        return self.module.prepare("terms", last - first, 0, first, self.tables.structs["terms"], drive, field)

    def _block(self, first: int, steps: int) -> np.ndarray:
        for name, values in self.tables.drives(first, steps).items():
            self._changing[name][: values.size] = self.be.asarray(values)
        self.wires.fill(first, steps)
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

    def _samples(self, e: Any, h: Any) -> list[Callable[..., None]]:
        """One launch per region and field."""
        t, lattice, out = self.tables, self.tables.lattice, []
        strides = {"plane": lattice.plane, "stride": lattice.stride, "component": lattice.component}
        phase, count = self._changing["phase"], len(t.frequencies)
        for region, *offsets in t.regions:
            size = tuple(h - a for a, h in zip(region.low, region.high, strict=True))
            low = (region.low[0] + 1) * lattice.plane + region.low[1] * lattice.stride + region.low[2]
            for magnetic, (at, field) in enumerate(zip(offsets, (e, h), strict=True)):
                if at >= 0:
                    box = {**strides, "low": low, "frequencies": count, "magnetic": magnetic}
                    sums = t.dft[at : at + 6 * count * int(np.prod(size))]
                    out.append(self.module.prepare("fourier", size, 0, box, phase, field, sums))
        return out
