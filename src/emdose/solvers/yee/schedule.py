"""Who walks the lattice: blocks in space and time on a CPU, one thread per cell on a GPU.

The kernel module says what it is; both schedules give the same fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emdose.kernel_loader import thread_count
from emdose.solvers.yee.tables import PLAN, Tables

if TYPE_CHECKING:
    from emdose.backend import Backend

STEPS_AT_ONCE = 256
"""Steps whose drives are made at once."""


class Schedule:
    """What all schedules share: drives made for some steps at once, records brought to the host.

    Parameters
    ----------
    tables : Tables
        The problem.
    be : Backend
        Device.
    """

    file: ClassVar[str] = ""

    def __init__(self, tables: Tables, be: Backend) -> None:
        self.tables, self.be = tables, be
        self.module = be.kernels.load(self.file, tables.real)

    def advance(self, first: int, steps: int) -> np.ndarray:
        """Take steps; returns voltage and current of every branch, (steps, branches, 2)."""
        done = [
            self._block(n, min(STEPS_AT_ONCE, first + steps - n)) for n in range(first, first + steps, STEPS_AT_ONCE)
        ]
        return np.concatenate([np.zeros((0, len(self.tables.branches.elements), 2)), *done])

    def _block(self, first: int, steps: int) -> np.ndarray:
        drives = self.tables.drives(first, steps)
        branches = len(self.tables.branches.elements)
        record = self.be.xp.zeros(max(1, steps * branches * 2))
        self._steps(first, steps, {n: self.be.asarray(v) for n, v in drives.items()}, record)
        return self.be.to_numpy(record)[: steps * branches * 2].reshape(steps, branches, 2).copy()

    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it steps")


class Walk(Schedule):
    """Plane after plane, every step over the whole lattice; the oracle of :class:`Blocks`."""

    file = "yee_walk"

    def __init__(self, tables: Tables, be: Backend) -> None:
        super().__init__(tables, be)
        self.rows = uniform_rows(tables, be)

    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None:
        planes = len(self.tables.groups.x) - 1
        plan = self._plan(first)
        for n in range(steps):
            self._launch(planes, 0, n, plan, drives, record)
            self._launch(planes, 1, n, plan, drives, record)

    def _plan(self, first: int, strip: int | None = None) -> np.ndarray:
        plan = self.tables.plan.copy()
        plan[PLAN.index("FIRST_STEP")] = first
        if strip is not None:
            plan[PLAN.index("STRIP")] = strip
        return plan

    def _launch(self, count: int, mode: int, steps: int, plan: Any, drives: dict[str, Any], record: Any) -> None:
        t, a = self.tables, self.tables.arrays
        self.module.launch(
            "walk", count, mode, steps, plan, a["group_x"], a["group_y"], t.ids8, t.ids16, self.rows, a["ca"], a["cb"],
            a["factor"], a["layer"], a["busy"], a["first"], a["entry"], a["term_row"], a["column"], a["coefficient"],
            drives["drive"], a["face"], a["turn"], a["face_gain"], a["branch"], a["path_row"], a["path_edge"],
            a["sign"], a["path_gain"], a["law"], drives["source"], drives["phase"], t.e, t.h, t.psi, t.dft, t.state,
            record,
        )  # fmt: skip


class Blocks(Walk):
    """Time blocking: every thread takes a chunk of planes through several steps while it is in the cache.

    Parameters
    ----------
    tables : Tables
        The problem.
    be : Backend
        Device.
    depth : int
        Steps per pass.
    strip : int or None
        Row groups treated together; None chooses them for a window that fits ``CACHE_BYTES``.
    chunks : int or None
        Chunks of planes; None is one per thread.
    """

    DEPTH = 8
    CACHE_BYTES = 1_200_000

    def __init__(
        self, tables: Tables, be: Backend, depth: int | None = None, strip: int | None = None, chunks: int | None = None
    ) -> None:
        super().__init__(tables, be)
        self.depth = depth or self.DEPTH
        planes = len(tables.groups.x) - 1
        self.chunks = max(1, min(chunks or thread_count(), planes // 8))
        self.depth = max(1, min(self.depth, planes // (2 * self.chunks) - 1))
        row = 6 * tables.lattice.stride * tables.lattice.dtype.itemsize * (self.depth + 3)
        rows = strip or max(4 * (self.depth + 2), self.CACHE_BYTES // row)
        self.strip = min(max(rows, self.depth + 2), len(tables.groups.y) - 1)

    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None:
        done = 0
        branches, columns = len(self.tables.branches.elements), self.tables.terms.columns
        samples = 4 * len(self.tables.frequencies)
        every = self.tables.every
        while done < steps:
            depth = min(self.depth, steps - done)
            plan = self._plan(first + done, self.strip)
            seen = (first + done) // every - first // every
            part = {
                "drive": drives["drive"][done * columns :] if columns else drives["drive"],
                "source": drives["source"][done * branches :] if branches else drives["source"],
                "phase": drives["phase"][min(seen * samples, drives["phase"].size - 1) :],
            }
            out = record[done * branches * 2 :] if branches else record
            self._launch(self.chunks, 2, depth, plan, part, out)
            self._launch(self.chunks - 1, 3, depth, plan, part, out)
            done += depth


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


def uniform_rows(tables: Tables, be: Backend) -> Any:
    """Per component and row: the material that most of it has at both ends, and the range that differs, int32."""
    nx, ny, nz = tables.lattice.nodes
    rows = be.xp.zeros((nx, ny, 3, 3), np.int32)
    be.kernels.load("yee_rows", tables.real).launch(
        "uniform_rows", 3 * nx * ny, nx * ny, nz, tables.lattice.stride, int(tables.ids.dtype == np.uint16),
        tables.ids8, tables.ids16, rows,
    )  # fmt: skip
    return rows


KINDS: dict[str, type[Schedule]] = {"c": Blocks, "numpy": Walk, "cuda": Cells}
"""Schedule by the kind of kernel module."""


def schedule_of(tables: Tables, be: Backend) -> Schedule:
    """The schedule for the kernels of a device."""
    return KINDS[be.kernels.load("yee_rows", tables.real).kind](tables, be)
