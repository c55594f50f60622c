"""Answers of a body to units on edges of a region, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import ConvergenceError
from emdose.solvers.running import Checkpoint, Iteration, ProgressCallback
from emdose.solvers.vie.library.region import BATCH, DIRECTIONS
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.yee_grid.edge_materials import metal_edges

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator

ANSWERS = "answers"
"""Name of what a checkpoint keeps of a batch."""


def edges_of(body: BodyOperator, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges (r,) of a region that hold tissue, and their places among the unknowns."""
    cut = tuple(slice(a, a + n - 1) for a, n in zip(body.low, body.shape, strict=True))
    index = np.asarray(body.be.to_numpy(body.index))
    edges = np.intersect1d(np.flatnonzero(metal_edges(mask[cut])), index)
    return edges, np.searchsorted(index, edges)


def answers_to_units(
    body: BodyOperator,
    rows: np.ndarray,
    of: slice,
    tolerance: float,
    tell: ProgressCallback,
    checkpoint: Checkpoint | None,
    kept: tuple[int, ...],
) -> tuple[np.ndarray, float]:
    """Answers (count, unknowns) to units on some edges, and the largest residual."""
    be, count = body.be, of.stop - of.start
    name = f"answers-{of.start:06d}"
    if checkpoint is not None:
        found = checkpoint.load(name) or {}
        x, told = found.get(ANSWERS), found.get("told")
        if x is not None and told is not None and x.shape == (count, kept[1]) and np.array_equal(found["rows"], rows):
            return x, float(told)
    b = np.zeros((count, kept[1]), body.dtype)
    b[np.arange(count), rows[of]] = 1

    def heard(step: int, residual: float) -> None:
        where = {"index": of.start // BATCH, "count": -(-len(rows) // BATCH)}
        tell(Iteration(stage="answers", step=step, residual=residual, tolerance=tolerance, **where))

    solved = principal_solutions(
        body,
        be.asarray(b),
        tolerance,
        directions=DIRECTIONS * count,
        max_steps=body.solver.max_iterations,
        tell=heard,
    )
    if not solved.converged.all():
        raise ConvergenceError(
            f"answers of a region: residual {solved.residual.max():.2g} misses the tolerance {tolerance:g}"
        )
    x = be.to_numpy(solved.x)
    if checkpoint is not None:
        checkpoint.save(name, {ANSWERS: x, "told": np.array(solved.residual.max()), "rows": rows})
    return x, float(solved.residual.max())
