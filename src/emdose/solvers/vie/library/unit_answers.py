"""Answers of a body to units on edges of a region: some at a time, or of few edges and a part of the body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import ConvergenceError
from emdose.solvers.running import Checkpoint, Iteration, ProgressCallback
from emdose.solvers.vie.library.outside import compressed
from emdose.solvers.vie.library.part_of_body import PartOfBody
from emdose.solvers.vie.library.region import BATCH, DIRECTIONS, LibraryPlan
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.yee_grid.edge_materials import metal_edges

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator

ANSWERS = "answers"
"""Name of what a checkpoint keeps of a batch."""
ERROR = 1.0
"""Error of an answer that is a combination of others, over the tolerance."""
FINER = 0.5
"""Residual of these others, over the tolerance: combinations add their errors."""


@dataclass(frozen=True, eq=False)
class RegionAnswers:
    """What is known of a region.

    Parameters
    ----------
    near : (r, r) complex ndarray
        Answers on the region.
    answers : (r, unknowns) or (0, unknowns) complex64 ndarray
        On the whole body, where they are kept.
    about : dict
        Largest residual; of a part of the body that was inverted its unknowns, the edges that were solved for and the
        largest error of others.
    """

    near: np.ndarray
    answers: np.ndarray
    about: dict[str, Any]


def region_answers(
    body: BodyOperator,
    mask: np.ndarray,
    rows: np.ndarray,
    planned: LibraryPlan,
    tolerance: float,
    tell: ProgressCallback,
    checkpoint: Checkpoint | None,
) -> RegionAnswers:
    """Answers to all edges of a region."""
    shape = (len(rows) if planned.kept == ANSWERS else 0, len(body.index))
    worst, stages = 0.0, 0

    def solved(which: np.ndarray, stage: str) -> np.ndarray:
        nonlocal worst
        out = np.empty((len(which), shape[1]), np.complex64)
        for low in range(0, len(which), BATCH):
            of = slice(low, min(low + BATCH, len(which)))
            out[of], residual = answers_to_units(
                body, which, of, FINER * tolerance, tell, checkpoint, shape, stage, enough=tolerance
            )
            worst = max(worst, residual)
        return out

    def some(which: np.ndarray) -> np.ndarray:
        nonlocal stages
        stages += 1
        return solved(rows[which], f"outside-{stages}")

    near, answers = np.empty((len(rows), len(rows)), complex), np.empty(shape, np.complex64)
    if not planned.part:
        for low in range(0, len(rows), BATCH):
            of = slice(low, min(low + BATCH, len(rows)))
            x, residual = answers_to_units(body, rows, of, tolerance, tell, checkpoint, shape)
            worst = max(worst, residual)
            near[of] = x[:, rows]
            if len(answers):
                answers[of] = x
        return RegionAnswers(near, answers, {"residual": worst})
    part = PartOfBody.of(body, mask, planned.around)
    inner, worst = part.answers(rows, tolerance)
    chosen, beyond, T, error = compressed(body, part, rows, inner, some, ERROR * tolerance)
    near[:] = inner[:, np.searchsorted(part.place, rows)]
    near += T.T @ beyond[:, rows]
    if len(answers):
        answers[:] = T.T.astype(np.complex64) @ beyond
        answers[:, part.place] += inner
    about = {"residual": worst, "part": len(part.place), "solved": len(chosen), "error": error}
    return RegionAnswers(near, answers, about)


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
    stage: str = ANSWERS,
    enough: float = 0.0,
) -> tuple[np.ndarray, float]:
    """Answers (count, unknowns) to units on some edges, and the largest residual; checkpoints have the stage's name.

    A residual that is aimed below ``enough`` may end at it: rounding in single precision leaves some 1e-5 of large
    bodies.
    """
    be, count = body.be, of.stop - of.start
    name = f"{stage}-{of.start:06d}"
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
    if not solved.converged.all() and solved.residual.max() > enough:
        raise ConvergenceError(
            f"answers of a region: residual {solved.residual.max():.2g} misses the tolerance {tolerance:g}"
        )
    x = be.to_numpy(solved.x)
    if checkpoint is not None:
        checkpoint.save(name, {ANSWERS: x, "told": np.array(solved.residual.max()), "rows": rows})
    return x, float(solved.residual.max())
