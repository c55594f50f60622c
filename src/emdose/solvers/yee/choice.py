"""Which schedule walks the lattice on which device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emdose.solvers.yee.cells import Cells
from emdose.solvers.yee.schedule import Blocks, Schedule, Walk
from emdose.solvers.yee.tables import Tables

if TYPE_CHECKING:
    from emdose.backend import Backend

KINDS: dict[str, type[Schedule]] = {"c": Blocks, "numpy": Walk, "cuda": Cells}
"""Schedule by the kind of kernel module."""


def schedule_of(tables: Tables, be: Backend) -> Schedule:
    """The schedule for the kernels of a device."""
    return KINDS[be.kernels.load("yee_rows", tables.real).kind](tables, be)
