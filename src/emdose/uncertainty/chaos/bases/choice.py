"""Which terms a chaos has: a degree that is given, or the one with the smallest corrected leave-one-out error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from emdose.checks import whole
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import Basis, MultiIndices, multi_indices
from emdose.uncertainty.chaos.bases.least_squares import LeastSquares
from emdose.uncertainty.chaos.bases.sparse import least_angle

HIGHEST_DENSE, HIGHEST_SPARSE = 12, 16
"""Highest degree that is tried where none is asked for."""

MOST_SPARSE = 8000
"""Most terms from which a sparse basis is chosen where no degree is asked for."""

NORMS = (0.5, 0.75, 1.0)
"""Norms of hyperbolic sets that truncation "adaptive" tries."""

Judged = tuple[float, Basis]


def dense_basis(
    inputs: Any, X: np.ndarray, few: np.ndarray, degree: Any, truncation: Any, interactions: int | None
) -> Basis:
    """The basis for least squares, judged on some outputs (n, k), each weighted by its variance."""
    n = len(X)

    def judge(basis: Basis) -> Judged | None:
        if basis.terms > n or (basis.terms == n and degree == "auto"):
            return None
        solver = LeastSquares(basis.evaluate(X))
        if not np.isfinite(solver.correction):
            return 1e300, basis
        return float(np.sum(solver.errors(few) * few.var(axis=0)) * solver.correction), basis

    return _search(inputs, n, degree, truncation, interactions, judge, HIGHEST_DENSE, n)


def sparse_basis(
    inputs: Any, X: np.ndarray, y: np.ndarray, degree: Any, truncation: Any, interactions: int | None
) -> Basis:
    """The sparse basis of one output (n,)."""

    def judge(basis: Basis) -> Judged:
        path = least_angle(basis.evaluate(X), y)
        return path.error, basis.only(path.terms)

    return _search(inputs, len(X), degree, truncation, interactions, judge, HIGHEST_SPARSE, MOST_SPARSE)


def _search(
    inputs: Any,
    n: int,
    degree: Any,
    truncation: Any,
    interactions: int | None,
    judge: Callable[[Basis], Judged | None],
    highest: int,
    most: int,
) -> Basis:
    best: Judged | None = None
    smallest: int | None = None
    for series in _series(inputs, degree, truncation, interactions, highest):
        least, rises = np.inf, 0
        for indices in series:
            smallest = indices.terms if smallest is None else min(smallest, indices.terms)
            if degree == "auto" and best is not None and indices.terms > most:
                break
            found = judge(Basis(inputs, indices))
            if found is None:
                break
            if best is None or found[0] < best[0]:
                best = found
            rises = rises + 1 if found[0] >= least else 0
            least = min(least, found[0])
            if rises == 2:
                break
    if best is None:
        raise InputError("fewer samples than terms", field="Y", found=f"{n} samples", expected=f"{smallest} or more")
    return best[1]


def _series(
    inputs: Any, degree: Any, truncation: Any, interactions: int | None, highest: int
) -> Iterator[Iterator[MultiIndices]]:
    """Sets of growing degree for each norm, made when their turn comes: those of high degrees are large."""
    if isinstance(truncation, MultiIndices):
        yield iter([truncation])
        return
    if isinstance(truncation, str) and truncation != "adaptive":
        raise InputError("bad truncation", field="truncation", found=truncation, expected='"adaptive" or 0 to 1')
    if degree != "auto":
        whole("degree", degree, 0, 60, what='"auto" or a whole number')

    def growing(q: float) -> Iterator[MultiIndices]:
        for p in range(1, highest + 1) if degree == "auto" else [degree]:
            yield _possible(inputs, multi_indices(inputs.dimension, p, q, interactions))

    for q in NORMS if isinstance(truncation, str) else (truncation,):
        yield growing(q)


def _possible(inputs: Any, indices: MultiIndices) -> MultiIndices:
    """The terms that the laws have polynomials for: a law of k values has degrees up to k - 1."""
    values = [len(law.points) if law.points is not None else 256 for law in inputs.germ_laws]
    good = (indices.degrees < np.array(values)).all(axis=1)
    return indices if good.all() else indices.only(np.flatnonzero(good))
