"""Which schedule walks the lattice on which device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emdose.checks import one_of
from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.blocks import Blocks, Schedule, Walk
from emdose.solvers.yee_engine.walks.cells import Cells
from emdose.solvers.yee_engine.walks.one_pass import OnePass

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

SCHEDULES: dict[str, dict[str, type[Schedule]]] = {
    "c": {"blocks": Blocks, "walk": Walk, "cells": Cells, "one-pass": OnePass},
    "numpy": {"walk": Walk, "cells": Cells, "one-pass": OnePass},
    "cuda": {"cells": Cells, "one-pass": OnePass},
}
"""Schedules by name for every kind of kernel module; the first is the default."""


def schedule_of(tables: Tables, be: Backend, name: str | None = None) -> Schedule:
    """A schedule for the kernels of a device.

    Raises
    ------
    InputError
        When the device has none of that name.
    """
    known = SCHEDULES[be.kernels.load(__package__, "yee_rows", tables.real).kind]
    wanted = next(iter(known)) if name is None else name
    one_of("schedule", wanted, known, problem="no such schedule")
    if tables.wires.segments and wanted == "blocks":
        wanted = "walk"  # a wire needs E of all planes that it crosses at one time
    return known[wanted](tables, be)
