"""What earlier solutions of a body say about the next one: start, answer and certificate of the volume integral."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.shared import key_of
from emdose.errors import EmdoseWarning
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.version import __version__

if TYPE_CHECKING:
    from emdose.compute.reduced.basis import Family, ReducedBasis
    from emdose.solvers.vie.problem import VieProblem

FORMAT = 1
LEARNED, EARLY = 0.5, 0.95
"""Residual of a solution that others build upon, over the tolerance; while the span is poor still."""
POOR = 10.0
"""Residual of a start, over the tolerance, above which what the span lacks is more than the noise of its vectors."""
LEAST = {"complex64": 4e-6, "complex128": 1e-12}
"""Residual that a precision is good for."""
DAMAGE = 1e-3
"""Difference of a residual that is told and one that is measured, over the right-hand side, beyond any rounding."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where the iteration of some ports begins.

    Parameters
    ----------
    x, residual : (port, n) array
        Currents, and b - A x.
    share : (port,) ndarray
        Relative residual.
    products : int
        What it took: 1 where a product has measured the residual, else none.
    """

    x: Any
    residual: Any
    share: np.ndarray
    products: int


class Reduction:
    """The family of systems that a problem belongs to.

    Parameters
    ----------
    problem : VieProblem
        The equations.
    basis : ReducedBasis
        Where solutions are kept.
    """

    def __init__(self, problem: VieProblem, basis: ReducedBasis) -> None:
        self.problem = problem
        self.family: Family = basis.family(family_key(problem), lambda: edge_groups(problem), problem.be, problem.dtype)

    def goals(self, share: np.ndarray) -> np.ndarray:
        """Residuals (port,) that starts of these residuals are iterated to.

        What stops just at the tolerance makes combinations that just miss it, as soon as there are any that come close.
        """
        tolerance = self.problem.solver.tolerance
        wanted = np.where(share > POOR * tolerance, EARLY, LEARNED) * tolerance
        return np.minimum(tolerance, np.maximum(wanted, LEAST[self.problem.dtype.name]))

    @property
    def vectors(self) -> int:
        """Vectors that there are now."""
        return len(self.family.span)

    @property
    def inverse_norm(self) -> float:
        """Largest norm(A^-1) that was met in the family; NaN before the first."""
        return self.family.span.inverse_norm

    def start(self, b: Any, good: Callable[[Any, np.ndarray], bool]) -> Start:
        """The best combination of what is known, for right-hand sides (port, n).

        Its residual is that of the vectors kept while that is good enough; one such answer in so many, and all others,
        get theirs by a product. Where both differ by more than rounding something has damaged the vectors, and they are
        dropped.

        Parameters
        ----------
        b : (port, n) array
            Right-hand sides.
        good : callable
            Whether x (port, n) with relative residuals (port,) is an answer.

        Warns
        -----
        EmdoseWarning
            When vectors are dropped.
        """
        xp, problem = self.problem.be.xp, self.problem
        found = [self.family.best(problem.M, row) for row in b]
        x, r = xp.stack([a.x for a in found]), xp.stack([a.residual for a in found])
        told = np.array([a.share for a in found])
        if good(x, told) and not self.family.due():
            return Start(x, r, told, 0)
        r = b - problem.apply(x)
        size = [float(xp.linalg.norm(row)) or 1.0 for row in b]
        share = np.array([float(xp.linalg.norm(v)) / s for v, s in zip(r, size, strict=True)])
        if not np.abs(share - told).max() < DAMAGE:
            warnings.warn(
                f"reduced basis: residual {share.max():.2g} of a combination that should have {told.max():.2g}; its "
                "vectors are dropped",
                EmdoseWarning,
                stacklevel=2,
            )
            self.family.clear()
            if not np.isfinite(share).all():
                return Start(xp.zeros_like(b), b.copy(), np.ones(len(b)), 1)
        return Start(x, r, share, 1)

    def learn(self, x: Any, lacking: Any, inverse_norm: float) -> int:
        """Keep a solution (n,), by what its start lacked; products that it took.

        Of a start that all but met the tolerance the solution holds what is new in its last digits alone.
        """
        before, generation = self.problem.products, self.family.span.generation
        self.family.learn(lacking, self._operator, inverse_norm)
        if self.family.span.generation != generation:  # what it started from is no longer there
            self.family.learn(x, self._operator, inverse_norm)
        return self.problem.products - before

    def _operator(self, v: Any) -> Any:
        return self.problem.green_operator(v[None])[0]


def family_key(problem: VieProblem) -> str:
    """Hash of what the operator N and the groups of edges depend on: labels, unknowns, spacing, frequency, version."""
    index = problem.be.to_numpy(problem.index)
    lattice = (problem.shape, problem.h, problem.frequency_Hz)
    return key_of("vie", FORMAT, __version__, lattice, index, box_labels(problem))


def edge_groups(problem: VieProblem) -> np.ndarray:
    """Group of every unknown: edges whose four voxels hold the same tissues have the same permittivity."""
    labels = box_labels(problem)
    # Sums of weights that no two sets of four share, to the rounding of their order.
    weights = np.random.default_rng(1).random(int(labels.max()) + 1)
    weights[0] = 0
    mixture = edge_mean(weights[labels], 0.0).ravel()[problem.be.to_numpy(problem.index)]
    return np.unique(np.round(mixture, 12), return_inverse=True)[1].reshape(-1)


def box_labels(problem: VieProblem) -> np.ndarray:
    """Labels of the voxels of the body's box; metal has one beyond all tissues."""
    cut = tuple(slice(a, a + n - 1) for a, n in zip(problem.low, problem.shape, strict=True))
    labels = np.ascontiguousarray(np.asarray(problem.phantom.labels)[cut])
    if problem.metal is None:
        return labels
    return np.where(problem.metal.voxels, len(problem.phantom.tissues), labels.astype(np.int64))
