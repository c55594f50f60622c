r"""Answers of a body to all edges of a region from those to some of them, and from a small part of the body.

Of the equations A_0 = 1 - M_0 N of the body, those of the region with some voxels around it, A_P = 1 - M_P N, hold what
happens within it. What is left is an answer of the tissue beyond,

.. math:: W_0 = W_P + W_0 X, \qquad X = (M_0 - M_P) N W_P

and X is smooth on the region: what sources in it send out is told by a shell around them, and the columns of X are
combinations X_J T of a few, to any accuracy. So

.. math:: W_0 \approx W_P + (W_0 - W_P)_J\, T

takes solutions of the whole body for the edges J alone. J and T are found by a rank-revealing factorisation of random
combinations of the rows of X; the error is measured on edges chosen at random.

Source: H. Cheng, Z. Gimbutas, P.-G. Martinsson, V. Rokhlin, SIAM J. Sci. Comput. 26 (2005) 1389 (interpolative
decomposition); N. Halko, P.-G. Martinsson, J. Tropp, SIAM Rev. 53 (2011) 217 (random combinations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import qr, solve_triangular

from emdose.errors import ConvergenceError

if TYPE_CHECKING:
    from emdose.solvers.vie.body import BodyOperator
    from emdose.solvers.vie.library.part_of_body import PartOfBody

FIRST = 3e-2
"""What columns may keep of the largest at first; refined by SMALLER until the error is met."""
SMALLER = 3.0
SPARE = 20
"""Random combinations beyond the rank."""
FEW = 0.7
"""Share of the edges beyond which all of them are solved for."""
PROBES = 8
"""Edges that the error is measured on."""


class Outside:
    """What tissue beyond a part of a body sees of currents in it, by random combinations.

    Parameters
    ----------
    whole : BodyOperator
        The body.
    part : PartOfBody
        Its part.
    answers : (r, p) complex ndarray
        Answers of the part to units on edges of the region.
    """

    def __init__(self, whole: BodyOperator, part: PartOfBody, answers: np.ndarray) -> None:
        self.whole, self.part, self.answers = whole, part, answers
        change = np.asarray(whole.be.to_numpy(whole.M), complex)
        change[part.place] -= whole.be.to_numpy(part.body.M)
        self._change = np.where(np.abs(change) > 1e-12, change, 0)
        self._rng = np.random.default_rng(11)
        self._seen = np.zeros((0, len(answers)), complex)
        self._factor: tuple[np.ndarray, np.ndarray] | None = None

    def chosen(self, share: float, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Edges (k,) and combinations T (k, r) of them, such that no column keeps more than a share of the largest."""
        while True:
            want = min(len(self.answers), most + SPARE)
            if self._factor is None and len(self._seen):
                R, order = qr(self._seen, mode="r", pivoting=True)
                self._factor = (R[: min(R.shape)], order)
            if self._factor is not None:
                R, order = self._factor
                size = np.abs(np.diag(R))
                k = int(np.count_nonzero(size > share * size[0]))
                if k <= len(self._seen) - SPARE or len(self._seen) >= want:
                    k = min(k, most)
                    T = np.zeros((k, R.shape[1]), complex)
                    T[:, order] = np.concatenate([np.eye(k), solve_triangular(R[:k, :k], R[:k, k:])], axis=1)
                    return order[:k], T
            self._see(min(want, 2 * len(self._seen) or 4 * SPARE))

    def _see(self, count: int) -> None:
        """More combinations, up to a count."""
        be, n = self.whole.be, len(self._change)
        rows = []
        for _ in range(count - len(self._seen)):
            random = (self._rng.normal(size=n) + 1j * self._rng.normal(size=n)) * self._change
            sent = self.whole.green_operator(be.asarray(random[None].astype(self.whole.dtype)))
            rows.append(be.to_numpy(sent)[0, self.part.place].astype(self.answers.dtype))
        self._seen = np.concatenate([self._seen, (np.array(rows) @ self.answers.T).astype(complex)])
        self._factor = None


def compressed(
    whole: BodyOperator,
    part: PartOfBody,
    rows: np.ndarray,
    answers: np.ndarray,
    solved: Callable[[np.ndarray], np.ndarray],
    tolerance: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """What the answers of a whole body have beyond those of its part, as few of them and combinations.

    Parameters
    ----------
    whole, part : BodyOperator, PartOfBody
        The body, and its part.
    rows : (r,) int ndarray
        Unknowns of the body that are edges of the region.
    answers : (r, p) complex ndarray
        Answers of the part to them.
    solved : callable
        Answers (k, n) of the whole body to some of the edges, given by their numbers (k,) in ``rows``.
    tolerance : float
        Relative error that may be left.

    Returns
    -------
    chosen : (k,) int ndarray
        Edges that were solved for, by their numbers.
    beyond : (k, n) complex64 ndarray
        Their answers, less those of the part.
    T : (k, r) complex ndarray
        Combinations.
    error : float
        Largest relative error of the answers to edges that were not used.

    Raises
    ------
    ConvergenceError
        When not even the answers to all edges meet the error.
    """
    outside, share = Outside(whole, part, answers), FIRST
    none = np.zeros((0, len(rows)), complex)
    if len(part.place) == len(np.asarray(whole.be.to_numpy(whole.M))):
        return np.zeros(0, int), np.zeros((0, len(part.place)), np.complex64), none, 0.0
    probes = np.random.default_rng(5).choice(len(rows), min(PROBES, len(rows)), replace=False)

    def beyond_of(which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = solved(which)
        size = np.linalg.norm(x[:, rows], axis=1)
        x[:, part.place] -= answers[which]
        return x, size

    probed, size = beyond_of(probes)
    held: dict[int, np.ndarray] = {}
    while True:
        chosen, T = outside.chosen(share, len(rows))
        new = np.array([j for j in chosen if j not in held], int)
        if len(new):
            held |= dict(zip(new.tolist(), beyond_of(new)[0], strict=True))
        beyond = np.array([held[j] for j in chosen.tolist()])
        error = float((np.linalg.norm((probed - T[:, probes].T @ beyond)[:, rows], axis=1) / size).max())
        if error <= tolerance:
            return chosen, beyond, T, error
        if len(chosen) == len(rows):
            raise ConvergenceError(f"answers of a region: error {error:.2g} misses {tolerance:g}")
        share = share / SMALLER if len(chosen) < FEW * len(rows) else 0.0
