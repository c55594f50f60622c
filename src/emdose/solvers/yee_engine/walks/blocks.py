"""How a CPU walks the lattice: blocks in space and time; cells.py is the GPU's way.

All schedules give the same fields.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from emdose.compute.machine import thread_count
from emdose.solvers.yee_engine.tables.tables import Tables, some
from emdose.solvers.yee_engine.walks.row_tables import RowTables
from emdose.solvers.yee_engine.walks.wire_steps import WireSteps

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

STEPS_AT_ONCE = 256
"""Steps whose drives are made at once."""


class Schedule(ABC):
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

    @abstractmethod
    def _block(self, first: int, steps: int) -> np.ndarray:
        """Take a block of steps; as :meth:`advance`."""


class RowSchedule(Schedule):
    """A schedule of whole rows, whose steps write their records into one array of the device."""

    def _block(self, first: int, steps: int) -> np.ndarray:
        drives = self.tables.drives(first, steps)
        branches = len(self.tables.branches.elements)
        record = self.be.xp.zeros(max(1, steps * branches * 2))
        self._steps(first, steps, {n: self.be.asarray(v) for n, v in drives.items()}, record)
        return self.be.to_numpy(record)[: steps * branches * 2].reshape(steps, branches, 2).copy()

    @abstractmethod
    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None: ...


class Walk(RowSchedule):
    """Plane after plane, every step over the whole lattice; the oracle of :class:`Blocks`."""

    file = "yee_walk"

    def __init__(self, tables: Tables, be: Backend) -> None:
        super().__init__(tables, be)
        self.rows = RowTables(tables, be)
        self.wires = WireSteps(tables, be, self.at_once)
        self._before = self.wires.before(tables.e)
        self._structs = self._own_structs()

    @property
    def own_bytes(self) -> int:
        """Bytes of the tables of rows."""
        return self.rows.bytes

    def _own_structs(self) -> dict[str, dict[str, Any]]:
        t, r = self.tables, self.rows
        first = np.stack([*t.terms.first, t.faces.first, t.branches.first]).astype(np.int64)
        boxes = [[*region.low, *region.high, e, b] for region, e, b in t.regions]
        groups = {
            "planes": len(t.groups.x) - 1,
            "rows": len(t.groups.y) - 1,
            "x": t.groups.x,
            "y": t.groups.y,
            "branch": some(t.branches.order, np.int32),
            "busy": (first[:, :, -1] > first[:, :, 0]).any(0).astype(np.uint8),
            "first": first,
        }
        samples = {"boxes": len(boxes), "frequencies": len(t.frequencies), "every": t.every}
        return {
            "rows": {"rows": r.rows, "span": r.span, "gain": r.gain, "dense": r.dense},
            "groups": groups,
            "samples": {**samples, "box": some(np.array(boxes), np.int64)},
            "fields": {"e": t.e, "h": t.h, "psi": t.psi, "dft": t.dft, "state": t.state},
        }

    def _steps(self, first: int, steps: int, drives: dict[str, Any], record: Any) -> None:
        task = {"strip": len(self.tables.groups.y) - 1, "first_step": first, **drives}
        self.wires.fill(first, steps)
        for n in range(steps):
            for launch, numbered in self._before:
                launch(n) if numbered else launch()
            for mode in (0, 1):
                self._launch(len(self.tables.groups.x) - 1, {**task, "mode": mode, "steps": n}, record)

    def _launch(self, count: int, task: dict[str, Any], record: Any) -> None:
        of, own = self.tables.structs, self._structs
        lists = (of["terms"], of["faces"], of["branches"], own["samples"])
        fields = {**own["fields"], "record": record}
        self.module.launch("walk", count, task, of["mesh"], of["medium"], own["rows"], own["groups"], *lists, fields)


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
            seen = (first + done) // every - first // every
            task = {
                "steps": depth,
                "strip": self.strip,
                "first_step": first + done,
                "drive": drives["drive"][done * columns :] if columns else drives["drive"],
                "source": drives["source"][done * branches :] if branches else drives["source"],
                "phase": drives["phase"][min(seen * samples, drives["phase"].size - 1) :],
            }
            out = record[done * branches * 2 :] if branches else record
            self._launch(self.chunks, {**task, "mode": 2}, out)
            if self.chunks > 1:  # what lies between the chunks
                self._launch(self.chunks - 1, {**task, "mode": 3}, out)
            done += depth
