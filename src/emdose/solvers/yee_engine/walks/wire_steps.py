"""Subcell wires in a step: their launches before the update of E, whatever walks the lattice after them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emdose.solvers.yee_engine.tables.tables import Tables

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


class WireSteps:
    """Launches of the wires of a problem; none where it has no wires.

    Parameters
    ----------
    tables : Tables
        The problem.
    be : Backend
        Device.
    at_once : int
        Steps whose drives are filled in at once.
    """

    def __init__(self, tables: Tables, be: Backend, at_once: int) -> None:
        self.tables, self.be = tables, be
        self.there = tables.wires.segments > 0
        if not self.there:
            return
        self.module = be.kernels.load(__package__, "yee_wires", tables.real)
        count = max(1, len(tables.frequencies))
        self._drive = be.xp.zeros(at_once * len(tables.wires.names))
        self._phase = be.xp.zeros(at_once * count * 2)

    def before(self, e: Any) -> list[tuple[Callable[..., None], bool]]:
        """Launches that come before the update of E, and whether they take the number of the step."""
        if not self.there:
            return []
        t, listed = self.tables, self.tables.structs["wires"]
        current, voltage, charge = t.wire_parts
        prepare = self.module.prepare
        nodes = prepare("wire_nodes", t.wires.nodes, listed, current, charge, voltage)
        args = (listed, self._drive, self._phase, e, voltage, current, t.wire_sums)
        segments = prepare("wire_segments", t.wires.segments, 0, *args)
        spread = prepare("wire_spread", len(t.wires.target), listed, current, e)
        return [(nodes, False), (segments, True), (spread, False)]

    def fill(self, first: int, steps: int) -> None:
        """Fill in what changes with time over some steps."""
        if not self.there:
            return
        t, wires = self.tables, self.tables.wires
        for array, values in (
            (self._drive, wires.drives(first, steps)),
            (self._phase, wires.phases(first, steps, t.frequencies, t.every)),
        ):
            array[: values.size] = self.be.asarray(values.ravel())
