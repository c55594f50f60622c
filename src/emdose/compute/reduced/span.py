r"""The span of some solutions of a family of linear systems, and the best answer for another member within it.

The family is (I - M N) x = b with N the same for all and M diagonal. For vectors v_j with w_j = N v_j the residual of
x = sum c_j v_j is

.. math:: r = b - \sum_j c_j (v_j - M w_j),

which takes no product with N, whatever M and b are. Its least norm is a problem of as many unknowns as there are
vectors. Where M is constant on groups k of unknowns, its normal equations are sums over the groups,

.. math:: G = V^H V - \sum_k (M_k V_k^H W_k + \bar M_k W_k^H V_k - |M_k|^2 W_k^H W_k),

whose terms are made once for every vector: after that a new member costs nothing that grows with the unknowns but the
answer itself. They are summed in double precision, so that a residual of 1e-6 norm(b) still has digits.

Source: A. Quarteroni, A. Manzoni, F. Negri, Reduced Basis Methods for Partial Differential Equations, Springer 2016,
ch. 3 (affine parameters, offline and online stage, least-squares reduced basis).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

INDEPENDENT = {"complex64": 1e-5, "complex128": 1e-12}
"""Part of a vector that lies outside of the span, below which it is rounding."""
FRESH = 0.3
"""Below this part N v is applied afresh: the difference of what is kept would lose digits."""
KEPT_OF_FULL = 0.5
"""Vectors that are left of a span that was full."""


class Answer(NamedTuple):
    """The best answer of a span.

    Parameters
    ----------
    x : (n,) array
        The answer, in the order of the unknowns.
    residual : (n,) array
        b - (I - M N) x.
    share : float
        norm(residual) / norm(b).
    coefficients : (vectors,) complex ndarray
        Of the answer.
    """

    x: Any
    residual: Any
    share: float
    coefficients: np.ndarray


class SolutionSpan:
    """Vectors v_j with N v_j, orthonormal, and the terms of their normal equations. Threads may share one.

    Parameters
    ----------
    groups : (n,) integer ndarray
        Group of every unknown; M is the same within a group.
    be : Backend
        Where the vectors live.
    dtype : complex dtype
        Of the vectors.
    limit_bytes : int
        What it may take at most; it holds at least one vector [bytes].
    """

    def __init__(self, groups: np.ndarray, be: Backend, dtype: Any, limit_bytes: int) -> None:
        self.be, self.dtype, self.limit_bytes = be, np.dtype(dtype), int(limit_bytes)
        self.n = len(groups)
        order = np.argsort(groups, kind="stable")
        sorted_groups = np.asarray(groups)[order]
        starts = np.flatnonzero(np.r_[True, sorted_groups[1:] != sorted_groups[:-1]]) if self.n else np.zeros(0, int)
        self.starts = starts
        self._cuts = [slice(int(a), int(b)) for a, b in zip(starts, [*starts[1:], self.n], strict=True)]
        self._order = be.asarray(order)
        self._back = be.asarray(np.argsort(order, kind="stable"))
        self.inverse_norm = float("nan")
        """Largest estimate of norm(A^-1) among the members that were solved."""
        self.lock = threading.RLock()
        self.generation = 0
        """Grows whenever the vectors are others, and not only more."""
        self._allocate(min(16, self.capacity))

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        return f"SolutionSpan({self.size} of {self.capacity} vectors, {self.n} unknowns in {self.groups} groups)"

    @property
    def groups(self) -> int:
        """Groups of unknowns."""
        return len(self.starts)

    @property
    def capacity(self) -> int:
        """Vectors that fit the limit."""
        table = 24 * max(self.groups, 1)
        per = 2 * self.n * self.dtype.itemsize + table
        # per m + table m^2 = limit
        return max(1, int((np.sqrt(per**2 + 4.0 * table * self.limit_bytes) - per) / (2 * table)))

    @property
    def bytes(self) -> int:
        """What it takes now [bytes]."""
        return int(self.V.nbytes + self.W.nbytes) + 24 * self.groups * self.size * (self.size + 1)

    # ---- a new member -----------------------------------------------------------------------------------------------

    def best(self, M: Any, b: Any) -> Answer:
        """The answer of least residual for one member; its residual is that of the vectors as they are kept.

        Parameters
        ----------
        M : (n,) array
            The diagonal.
        b : (n,) array
            The right-hand side.
        """
        xp = self.be.xp
        with self.lock:
            size = float(xp.linalg.norm(b))
            if not self.size or not size:
                return Answer(xp.zeros_like(b), b.copy(), 1.0 if size else 0.0, np.zeros(self.size, complex))
            M, b = M[self._order], b[self._order]
            V, W = self.V[: self.size], self.W[: self.size]
            # g = A^H b in the precision of the vectors: what c lacks by it, the residual below tells.
            g = self.be.to_numpy(V @ b.conj() - W @ (M.conj() * b).conj()).conj().astype(complex)
            c = least(self.normal(self.be.to_numpy(M[self.be.asarray(self.starts)]).astype(complex)[None])[0], g)
            low = self.be.asarray(c.astype(self.dtype))
            x = low @ V
            r = b - x + M * (low @ W)
            self._seen(c)
            return Answer(x[self._back], r[self._back], float(xp.linalg.norm(r)) / size, c)

    def normal(self, M: np.ndarray) -> np.ndarray:
        """Matrices of the normal equations of several members.

        Parameters
        ----------
        M : (members, groups) complex ndarray
            Value of every group, in the order of ``starts``.

        Returns
        -------
        (members, vectors, vectors) complex128 ndarray
        """
        self._complete()
        m, members = self.size, len(M)
        factors = np.concatenate([-M, -M.conj(), np.abs(M) ** 2], axis=1).T.astype(complex)
        out = np.empty((members, m, m), complex)
        for i, table in enumerate(self._tables):
            row = (table.reshape(i + 1, -1) @ factors).T + self._VV[i, : i + 1]
            out[:, i, : i + 1] = row
            out[:, : i + 1, i] = row.conj()
            out[:, i, i] = row[:, i].real
        return out

    def forces(self, e: Any, first: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Products with e, by groups, from which the right-hand sides of all members b = M e follow.

        Parameters
        ----------
        e : (n,) array
            In the order of the unknowns.
        first : int
            Vectors before this one are left out.

        Returns
        -------
        (vectors, groups) complex ndarray twice, (groups,) ndarray
            V^H e, W^H e and e^H e of every group.
        """
        e = self.be.to_numpy(e)[self.be.to_numpy(self._order)].astype(complex)
        Ve, We = (np.zeros((self.size - first, self.groups), complex) for _ in range(2))
        ee = np.zeros(self.groups)
        for k, cut in enumerate(self._cuts):
            part = e[cut]
            Ve[:, k] = self._host(self.V[first : self.size, cut]).conj() @ part
            We[:, k] = self._host(self.W[first : self.size, cut]).conj() @ part
            ee[k] = np.vdot(part, part).real
        return Ve, We, ee

    def combine(self, coefficients: np.ndarray, *, by_group: bool = False) -> Any:
        """Answers (members, n) from coefficients (members, vectors), in the order of the unknowns or of ``order``."""
        low = self.be.asarray(np.ascontiguousarray(coefficients, dtype=self.dtype))
        with self.lock:
            found = low @ self.V[: low.shape[1]]
        return found if by_group else found[:, self._back]

    def coefficients(self, x: Any) -> np.ndarray:
        """Coefficients (vectors,) of what lies in the span, (n,)."""
        with self.lock:
            v = x[self._order]
            return np.asarray(self.be.to_numpy(self.V[: self.size] @ v.conj()).conj(), complex)

    @property
    def order(self) -> np.ndarray:
        """Unknowns in the order of their groups, (n,)."""
        return np.asarray(self.be.to_numpy(self._order))

    # ---- growing ----------------------------------------------------------------------------------------------------

    def append(self, x: Any, apply: Callable[[Any], Any] | None, y: Any = None) -> Any:
        """Take a vector into the span.

        Parameters
        ----------
        x : (n,) array
            A solution.
        apply : callable or None
            N times a vector (n,); it is called once, unless y will do.
        y : (n,) array, optional
            N x where it is known; it is used while x is nearly orthogonal to the span.

        Returns
        -------
        (v, w) or None
            The new vector and N v, in the order of the unknowns; None when x lies in the span.
        """
        xp = self.be.xp
        with self.lock:
            length = float(xp.linalg.norm(x))
            if not np.isfinite(length) or not length:
                return None
            v = (x / self.dtype.type(length))[self._order]
            w = None if y is None else (y / self.dtype.type(length))[self._order]
            part = np.zeros(self.size, complex)
            for _ in range(3):
                h = self.be.to_numpy(self.V[: self.size] @ v.conj()).conj() if self.size else np.zeros(0, complex)
                low = self.be.asarray(h.astype(self.dtype))
                v = v - low @ self.V[: self.size]
                w = None if w is None else w - low @ self.W[: self.size]
                part += h
                if float(np.linalg.norm(h)) < 1e-3 * float(xp.linalg.norm(v)):
                    break
            rest = float(xp.linalg.norm(v))
            if rest < INDEPENDENT[self.dtype.name]:
                self._seen(part * length)
                return None
            if self.size >= self.capacity:
                self._compress()
                return self.append(x, apply, y)
            v = v / self.dtype.type(rest)
            if w is None or (rest < FRESH and apply is not None):
                if apply is None:
                    raise TypeError("a span needs N x, or N")
                w = apply(v[self._back])[self._order]
            else:
                w = w / self.dtype.type(rest)
            self._enter(v, w)
            self._seen(np.append(part, rest) * length)
            return v[self._back], w[self._back]

    def clear(self) -> None:
        """Forget all vectors."""
        with self.lock:
            self._allocate(1)

    def _enter(self, v: Any, w: Any) -> None:
        if self.size == len(self.V):
            self._grow(min(self.capacity, max(2 * self.size, 1)))
        self.V[self.size], self.W[self.size] = v, w
        self.size += 1

    def _complete(self) -> None:
        """Terms of the normal equations of the vectors that came since: row i has columns up to i, three a group."""
        first, last = len(self._tables), self.size
        if first == last:
            return
        new = [np.empty((i + 1, 3, self.groups), complex) for i in range(first, last)]
        VV = np.zeros((last - first, last), complex)
        for k, cut in enumerate(self._cuts):
            V, W = self._host(self.V[:last, cut]), self._host(self.W[:last, cut])
            v, w = V[first:].conj().T, W[first:].conj().T
            VV += (V @ v).T
            for which, products in enumerate((W @ v, V @ w, W @ w)):
                for j, table in enumerate(new):
                    table[:, which, k] = products[: first + j + 1, j]
        self._VV[first:last, :last] = VV
        self._tables += new

    def _host(self, a: Any) -> np.ndarray:
        return np.asarray(self.be.to_numpy(a)).astype(complex)

    def _allocate(self, count: int) -> None:
        xp = self.be.xp
        self.size, self.generation = 0, self.generation + 1
        self._tables: list[np.ndarray] = []
        self.V, self.W = (xp.empty((count, self.n), self.dtype) for _ in range(2))
        self._VV = np.zeros((count, count), complex)
        self._energy = np.zeros((0, 0), complex)

    def _grow(self, count: int) -> None:
        for name in ("V", "W"):
            new = self.be.xp.empty((count, self.n), self.dtype)
            new[: self.size] = getattr(self, name)[: self.size]
            setattr(self, name, new)
        VV = np.zeros((count, count), complex)
        VV[: self.size, : self.size] = self._VV[: self.size, : self.size]
        self._VV = VV

    def _seen(self, c: np.ndarray) -> None:
        """Remember the direction of an answer, for the choice of what is kept when the span is full."""
        size = float(np.linalg.norm(c))
        if not size:
            return
        if len(self._energy) < len(c):
            larger = np.zeros((len(c), len(c)), complex)
            larger[: len(self._energy), : len(self._energy)] = self._energy
            self._energy = larger
        c = c / size
        self._energy[: len(c), : len(c)] += np.outer(c, c.conj())

    def _compress(self) -> None:
        """Keep the directions that carried most of the answers so far (proper orthogonal decomposition)."""
        size = self.size
        energy = np.zeros((size, size), complex)
        known = min(size, len(self._energy))
        energy[:known, :known] = self._energy[:known, :known]
        values, vectors = np.linalg.eigh(energy)
        keep = int(KEPT_OF_FULL * size)
        U = vectors[:, ::-1][:, :keep]
        low = self.be.asarray(U.T.astype(self.dtype))
        V, W = low @ self.V[:size], low @ self.W[:size]
        self._allocate(max(keep, 1))
        for v, w in zip(V, W, strict=True):
            self._enter(v, w)
        self._energy = np.diag(values[::-1][:keep]).astype(complex)


def least(G: np.ndarray, g: np.ndarray) -> np.ndarray:
    """Solution of normal equations G c = g; directions that are rounding only are left out."""
    scale = np.sqrt(np.maximum(np.diag(G).real, np.finfo(float).tiny))
    G, g = G / np.outer(scale, scale), g / scale
    try:
        L = np.linalg.cholesky(G)
        pivots = np.diag(L).real
        if pivots.min() > 1e-6:  # of a matrix with a unit diagonal
            from scipy.linalg import cho_solve

            return np.asarray(cho_solve((L, True), g)) / scale
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(G)
    good = values > 1e-13 * values[-1]
    return np.asarray(vectors[:, good] @ ((vectors[:, good].conj().T @ g) / values[good])) / scale
