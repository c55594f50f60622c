"""Sparse chaos of maps: least-angle regression of their leading modes, and of a few outputs each for itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import one_of, whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import Basis, MultiIndices
from emdose.uncertainty.chaos.bases.choice import sparse_basis
from emdose.uncertainty.chaos.bases.sparse import alone
from emdose.uncertainty.chaos.expansion import Chaos, Expansion
from emdose.uncertainty.chaos.fit import blocks, real_of
from emdose.uncertainty.chaos.indices import VarianceParts, ratio
from emdose.values import owned, read_only

NEGLIGIBLE = 1e-10
"""Share of the variance that modes are not needed for."""


@read_only
@dataclass(frozen=True, eq=False)
class ModalChaos(Expansion):
    """Polynomial chaos of the leading modes of a map: y(x) = centre + sum_k a_k(x) modes_k.

    Parameters
    ----------
    basis : Basis
        All terms that a mode has.
    weights : array (P, k)
        Coefficients of each mode; most are 0.
    modes : array (k, ...)
        The modes, orthonormal.
    centre : array (...)
        Mean of the samples.
    loo : array (...)
        Relative leave-one-out error of each output; what the modes leave out is in it.
    variance : array (...)
        From the covariances of the modes.
    first, total : array (d, ...)
        Sobol indices of each input, see :class:`SobolIndices`.
    samples : int
        Number of samples that it was fitted to.
    energy : float
        Share of the variance of all outputs that the modes have.

    Source: G. Berkooz, P. Holmes, J. L. Lumley, Annu. Rev. Fluid Mech. 25 (1993) 539-575 (modes);
    J. B. Nagel, J. Rieckermann, B. Sudret, Reliab. Eng. Syst. Saf. 195 (2020) 106737 (their chaos, indices of the map).
    """

    basis: Basis
    weights: Any
    modes: Any
    centre: Any
    loo: Any
    variance: Any
    first: Any
    total: Any
    samples: int
    energy: float

    @property
    def mean(self) -> Any:
        """Mean of each output."""
        return (self.centre.reshape(-1) + self.weights[0] @ self._modes).reshape(self.shape)

    def block(self, a: int, b: int) -> Any:
        """Coefficients (P, b - a) of the outputs from a to b, counted along their flattened array."""
        C = self.weights @ self._modes[:, a:b]
        C[0] += self.centre.reshape(-1)[a:b]
        return C

    def values(self, Psi: Any, a: int, b: int) -> Any:
        """Values (n, b - a) of the outputs from a to b where the basis has the values Psi (n, P)."""
        found = (Psi @ self.weights) @ self._modes[:, a:b]
        found += self.centre.reshape(-1)[a:b]
        return found

    @property
    def _modes(self) -> Any:
        return self.modes.reshape(len(self.modes), -1)


def fit_each(
    inputs: Any, X: np.ndarray, Y: Any, degree: Any, truncation: Any, interactions: int | None, dtype: str | None
) -> Chaos:
    """A sparse chaos of each of a few outputs, in the basis of all terms that one of them has."""
    n, shape, d = len(X), tuple(Y.shape[1:]), inputs.dimension
    real = np.dtype(one_of("dtype", dtype or real_of(Y), ("float32", "float64")))
    where = backend.of(Y)
    m = int(np.prod(shape))
    table = where.to_numpy(Y.reshape(n, m) if hasattr(Y, "reshape") else Y[:, :m]).astype(float)
    if not np.isfinite(table).all():
        raise InputError("outputs that are not finite", field="Y", expected="finite numbers")
    basis, weights, _, loo = _sparse(inputs, X, table, degree, truncation, interactions)
    shares = VarianceParts(basis, [[j] for j in range(d)])
    variance, first, total = shares.of(weights)
    shared = (weights, ratio(first, variance), ratio(total, variance))
    C, first, total = (owned(where.asarray(p, dtype=real).reshape(len(p), *shape)) for p in shared)
    loo, variance = (owned(where.asarray(p).reshape(shape)) for p in (loo, variance))
    return Chaos(basis, C, loo, variance, first, total, n)


def fit_modes(
    inputs: Any,
    X: np.ndarray,
    Y: Any,
    degree: Any,
    truncation: Any,
    interactions: int | None,
    modes: int,
    dtype: str | None,
    block: int | None,
) -> ModalChaos:
    """A sparse chaos of the leading modes of a map; arguments as for :func:`polynomial_chaos`."""
    n, shape, d = len(X), tuple(Y.shape[1:]), inputs.dimension
    m = int(np.prod(shape))
    most = min(whole("modes", modes, 1), n)
    real = np.dtype(one_of("dtype", dtype or real_of(Y), ("float32", "float64")))
    where = backend.of(Y)
    xp = where.xp
    centre, gram = xp.empty(m, real), xp.zeros((n, n))
    for a, b, y, offset in blocks(Y, n, m, real, xp, block):
        middle = y.mean(axis=0)
        y -= middle
        centre[a:b] = offset + middle
        gram += y @ y.T
    gram = where.to_numpy(gram)
    if not np.isfinite(gram).all():
        raise InputError("outputs that are not finite", field="Y", expected="finite numbers")
    values, vectors = np.linalg.eigh(gram)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    gathered = np.cumsum(values) / values.sum() if values.sum() > 0 else np.ones(n)
    k = min(most, int(np.searchsorted(gathered, 1 - NEGLIGIBLE)) + 1, max(1, int((values > 1e-14 * values[0]).sum())))
    size = np.sqrt(np.where(values[:k] > 0, values[:k], 1.0))
    basis, weights, told, _ = _sparse(inputs, X, vectors[:, :k] * size, degree, truncation, interactions)
    maker = xp.asarray((vectors[:, :k] / size).T, dtype=real)
    W, away = xp.asarray(weights, dtype=real), xp.asarray(told, dtype=real)
    shares = VarianceParts(basis, [[j] for j in range(d)])
    shapes = xp.empty((k, m), real)
    first, total = (xp.empty((d, m), real) for _ in range(2))
    variance, loo = xp.empty(m), xp.empty(m)
    for a, b, y, _offset in blocks(Y, n, m, real, xp, block):
        y -= y.mean(axis=0)
        shapes[:, a:b] = maker @ y
        spread = xp.einsum("ij,ij->j", y, y)
        y -= away @ shapes[:, a:b]
        loo[a:b] = xp.einsum("ij,ij->j", y, y) / xp.where(spread > 0, spread, 1)
        v, f, t = shares.of(W @ shapes[:, a:b], xp)
        variance[a:b], first[:, a:b], total[:, a:b] = v, ratio(f, v, xp), ratio(t, v, xp)
    made = {
        "weights": W,
        "modes": shapes.reshape(k, *shape),
        "centre": centre.reshape(shape),
        "loo": loo.reshape(shape),
        "variance": variance.reshape(shape),
        "first": first.reshape(d, *shape),
        "total": total.reshape(d, *shape),
    }
    return ModalChaos(basis=basis, samples=n, energy=float(gathered[k - 1]), **owned(made))


def _sparse(
    inputs: Any, X: np.ndarray, Y: np.ndarray, degree: Any, truncation: Any, interactions: int | None
) -> tuple[Basis, np.ndarray, np.ndarray, np.ndarray]:
    """Basis of all terms, coefficients (P, k), predictions (n, k) without each sample, errors, of outputs (n, k)."""
    bases = [sparse_basis(inputs, X, y, degree, truncation, interactions) for y in Y.T]
    rows = np.unique(np.concatenate([b.indices.degrees for b in bases]), axis=0)
    rows = rows[np.argsort(rows.sum(axis=1, dtype=int), kind="stable")]
    basis = Basis(inputs, MultiIndices(rows))
    Psi = basis.evaluate(X)
    place = {row.tobytes(): i for i, row in enumerate(rows)}
    weights, told, loo = np.zeros((len(rows), Y.shape[1])), np.empty(Y.shape), np.empty(Y.shape[1])
    for k, (own, y) in enumerate(zip(bases, Y.T, strict=True)):
        at = [place[row.tobytes()] for row in own.indices.degrees]
        weights[at, k], told[:, k], loo[k] = alone(Psi, y, at)
    return basis, weights, told, loo
