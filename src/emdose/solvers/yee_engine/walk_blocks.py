"""How a CPU walks the lattice: blocks in space and time; cells.py is the GPU's way.

All schedules give the same fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emdose.compute.machine import thread_count
from emdose.solvers.yee_engine.row_tables import RowTables
from emdose.solvers.yee_engine.tables import PLAN, Tables

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

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
    at_once: int = STEPS_AT_ONCE

    def __init__(self, tables: Tables, be: Backend) -> None:
        self.tables, self.be = tables, be
        self.module = be.kernels.load(__package__, self.file, tables.real)

    @property
    def own_bytes(self) -> int:
        """Bytes of what this schedule keeps beside the tables of the problem."""
        return 0

    def advance(self, first: int, steps: int) -> np.ndarray:
        """Take steps; returns voltage and current of every branch, (steps, branches, 2)."""
        last, many = first + steps, self.at_once
        done = [self._block(n, min(many, last - n)) for n in range(first, last, many)]
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
        self.rows = RowTables(tables, be)

    @property
    def own_bytes(self) -> int:
        """Bytes of the tables of rows."""
        return self.rows.bytes

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
        t, a, r = self.tables, self.tables.arrays, self.rows
        self.module.launch(
            "walk",
            count,
            mode,
            steps,
            plan,
            a["group_x"],
            a["group_y"],
            t.ids8,
            t.ids16,
            r.rows,
            a["ca"],
            a["cb"],
            a["factor"],
            a["layer"],
            r.gain,
            r.dense,
            r.span,
            a["busy"],
            a["first"],
            a["entry"],
            a["term_row"],
            a["column"],
            a["coefficient"],
            drives["drive"],
            a["face"],
            a["turn"],
            a["face_gain"],
            a["branch"],
            a["path_row"],
            a["path_edge"],
            a["sign"],
            a["path_gain"],
            a["law"],
            drives["source"],
            drives["phase"],
            t.e,
            t.h,
            t.psi,
            t.dft,
            t.state,
            record,
        )


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
        self.strip = min(max(strip or self.CACHE_BYTES // row, self.depth + 2), len(tables.groups.y) - 1)

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
