r"""Convex covers: a few matrices V_k of which convex combinations bound every one of many matrices Q_i.

.. math:: Q_i \preceq \sum_k c_{ik} V_k, \qquad c_{ik} \ge 0, \quad \sum_k c_{ik} = 1, \qquad V_k = Q_k + \Lambda

Then the largest :math:`v^H V_k v` bounds the largest :math:`v^H Q_i v` of every drive v, and the largest
:math:`\operatorname{tr} V_k C` that of every average C over drives. Matrices are taken from the largest eigenvalue
down: one that no combination bounds becomes a V of its own, and with each new bound all matrices below it are done.

Source: J. Lee et al., Magn. Reson. Med. 67 (2012) 1566-1578; A. Kuehne et al., Proc. ISMRM 25 (2017) (dropping what a
bound covers).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.dosimetry.transmission.combinations import Mixture, bounding

TOLERANCE = 1e-9
"""Of a bound, over the largest eigenvalue of all matrices; every V is larger by it, so that bounds hold exactly."""
MOST_CHANNELS = 32
"""As in dominance.cuh."""


class PackedMatrices:
    """Hermitian matrices as lower triangles on a device, and what is asked of all of them at once.

    Parameters
    ----------
    matrices : (m, n, n) complex ndarray
        Hermitian matrices.
    be : Backend
        Device.
    """

    def __init__(self, matrices: np.ndarray, be: Backend) -> None:
        self.count, self.n, _ = matrices.shape
        self.full, self.be = matrices, be
        single = matrices.dtype == np.complex64
        rows, columns = np.tril_indices(self.n)
        self._packed = be.asarray(np.ascontiguousarray(matrices[:, rows, columns]))
        self._kernels = be.kernels.load(__package__, "dominance", "float" if single else "double")

    def below(self, P: np.ndarray, which: Any, shift: float = 0.0) -> Any:
        """Which of some matrices lie below P + shift in every direction, (w,) bool of the device.

        Parameters
        ----------
        P : (n, n) complex ndarray
            Hermitian.
        which : (w,) int64 array
            Their numbers, of the device.
        shift : float
            Added to the diagonal of P.
        """
        rows, columns = np.tril_indices(self.n)
        flat = np.ascontiguousarray(P[rows, columns], complex).view(float)
        out = self.be.xp.zeros(len(which), np.uint8)
        args = (self.n, float(shift), which, self.be.asarray(flat), self._packed, out)
        self._kernels.launch("dominated", len(which), *args)
        return out > 0


@dataclass(frozen=True, eq=False)
class Cover:
    """What a cover found.

    Parameters
    ----------
    chosen : (v,) int ndarray
        Numbers of the matrices that became V.
    combinations : list of Mixture
        Bounds, of the V in the order of ``chosen``.
    bound : (m,) int32 ndarray
        Which of the combinations bounds a matrix.
    matrices : (v, n, n) complex128 ndarray
        The V: what was chosen, with what was added and the tolerance.
    """

    chosen: np.ndarray
    combinations: list[Mixture]
    bound: np.ndarray
    matrices: np.ndarray


class GrowingCover:
    r"""A convex cover that takes matrices part by part, from the largest eigenvalue down.

    Parameters
    ----------
    count : int
        Number of all matrices.
    added : (n, n) complex ndarray
        Overestimation :math:`\\Lambda`, positive semidefinite.
    largest : float
        Largest eigenvalue of all matrices.
    tell : callable
        Told how many matrices of a part are left and how many V there are.
    """

    def __init__(
        self,
        count: int,
        added: np.ndarray,
        largest: float,
        tell: Callable[[int, int], None] = lambda _left, _found: None,
    ) -> None:
        n = len(added)
        self.tolerance = TOLERANCE * largest
        self.extra = added + self.tolerance * np.eye(n)
        self.bound = np.full(count, -1, np.int32)
        self.chosen: list[int] = []
        self.V = np.empty((0, n, n), complex)
        self.combinations: list[Mixture] = []
        self.tell = tell

    def hold(self, matrices: np.ndarray) -> None:
        """Begin with matrices (h, n, n) that are limited anyway: V with nothing added."""
        self.V = matrices + self.tolerance * np.eye(len(self.extra))
        self.chosen = [-1 - k for k in range(len(matrices))]
        self.combinations = [Mixture(np.array([k]), np.ones(1)) for k in range(len(matrices))]

    def take(self, packed: PackedMatrices, numbers: np.ndarray, order: np.ndarray) -> None:
        """Cover a part of the matrices.

        Parameters
        ----------
        packed : PackedMatrices
            The part.
        numbers : (part,) int ndarray
            Their numbers among all matrices.
        order : (part,) int ndarray
            Places in the part, from the largest eigenvalue down.

        Raises
        ------
        ConvergenceError
            When a linear program fails.
        """
        be, n = packed.be, packed.n
        left = be.asarray(np.asarray(order, np.int64))

        def drop(which: int, left: Any, gone: Any) -> Any:
            self.bound[numbers[be.to_numpy(left[gone])]] = which
            return left[~gone]

        for which, known in enumerate(self.combinations):
            if len(left):
                left = drop(which, left, packed.below(known.of(self.V), left))
        while len(left):
            first = int(left[0])
            Q = packed.full[first].astype(complex)
            # Every V is larger by the tolerance; a bound may use half of it, so that it holds without any.
            found = bounding(Q + self.tolerance * np.eye(n), self.V, 0.5 * self.tolerance)
            if found is None:
                self.chosen.append(int(numbers[first]))
                self.V = np.concatenate([self.V, (Q + self.extra)[None]])
                found = Mixture(np.array([len(self.V) - 1]), np.ones(1))
            gone = packed.below(found.of(self.V), left)
            gone[0] = True
            left = drop(len(self.combinations), left, gone)
            self.combinations.append(found)
            self.tell(len(left), len(self.V))

    def cover(self) -> Cover:
        """What was found."""
        return Cover(np.array(self.chosen), self.combinations, self.bound, self.V)
