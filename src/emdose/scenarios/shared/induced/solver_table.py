"""The table [solver] of kinds that compute fields induced in a voxel body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from emdose.errors import ConvergenceError
from emdose.scenarios.shared.tables import Table, number, switch
from emdose.solvers.quasistatic.solver import Quasistatic

SECOND_GRID = 1.5
"""Voxels of a second grid over those of the body, of which the difference tells what voxels leave uncertain."""


class QuasistaticTable(Table):
    """The scalar potential on voxels."""

    tolerance: Annotated[float, number("a relative residual", 1e-10, 1e-3)] = 1e-6
    tissue_frequency_Hz: (
        Annotated[float, number("the frequency in Hz that tissue properties are taken at", 1, 1e7)] | None
    ) = None
    second_grid: Annotated[bool, switch("solve on a coarser grid as well, for the uncertainty by voxels")] = True


@contextmanager
def whole_solutions() -> Iterator[None]:
    """An iteration that misses its tolerance ends the run: what it has is no result that could be evaluated."""
    try:
        yield
    except ConvergenceError as error:
        raise ConvergenceError(str(error)) from None


def quasistatic(table: Any) -> Quasistatic:
    """The solver of a table."""
    return Quasistatic(tolerance=table.tolerance)
