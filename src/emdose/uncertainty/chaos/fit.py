"""Least squares for any number of outputs at once, with their leave-one-out errors in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import one_of, whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.basis import Basis, MultiIndices, points
from emdose.uncertainty.chaos.choice import dense_basis
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.files import NpyColumns, NpyWriter
from emdose.uncertainty.chaos.indices import Shares, ratio
from emdose.uncertainty.chaos.least_squares import LeastSquares
from emdose.values import owned

BLOCK_BYTES = 32 * 2**20
"""Size of a block of outputs."""

AUTO_OUTPUTS = 500
"""Most outputs by which a degree is chosen."""


def fit(
    inputs: Any,
    X: Any,
    Y: Any,
    degree: int | str = "auto",
    *,
    truncation: float | str | MultiIndices = 1.0,
    interactions: int | None = None,
    dtype: str | None = None,
    block: int | None = None,
    coefficients: Any = None,
) -> Chaos:
    """Polynomial chaos of one output or of millions.

    Parameters
    ----------
    inputs : Inputs
        Joint law of the d inputs.
    X : array (n, d)
        Samples of the inputs, in their own units.
    Y : array (n, ...)
        Outputs of the samples. An array decides by where it lies what computes. The path of a file of NumPy's format,
        a ``memmap``, or anything with ``shape``, ``dtype`` and ``Y[:, a:b]`` is read in blocks.
    degree : int or "auto"
        Total degree; "auto" takes the one with the smallest corrected leave-one-out error.
    truncation : float, str or MultiIndices
        The norm q of a hyperbolic set (1: total degree), "adaptive" (that of 0.5, 0.75 and 1 with the smallest error),
        or the terms themselves.
    interactions : int, optional
        Most inputs in one term.
    dtype : {"float32", "float64"}, optional
        Precision of the products; that of Y unless given.
    block : int, optional
        Outputs that are worked on at a time.
    coefficients : path, optional
        A new file of NumPy's format that the coefficients are written to, for more outputs than memory holds.

    Raises
    ------
    InputError
        For fewer samples than terms, samples that do not tell terms apart, or outputs that are not finite.

    Equation: C = R^-1 Q^T Y of Psi = Q R; e_LOO = sum_i ((y_i - yhat_i) / (1 - h_i))^2 / sum_i (y_i - mean(y))^2,
    h_i = sum_k Q_ik^2.

    Source: G. Blatman, B. Sudret, J. Comput. Phys. 230 (2011) 2345-2367; D. M. Allen, Technometrics 16 (1974) 125-127.
    """
    X = points(inputs, X)
    if isinstance(Y, str | Path):
        Y = NpyColumns(Y)
    elif isinstance(Y, np.memmap):
        Y = NpyColumns.of_map(Y)
    shape = tuple(Y.shape) if hasattr(Y, "shape") else np.shape(Y)
    if not shape or shape[0] != len(X):
        found = f"{shape[0] if shape else 'none'} for {len(X)} samples"
        raise InputError("outputs do not fit the samples", field="Y", found=found, expected="a row for each sample")
    if not hasattr(Y, "shape"):
        Y = np.asarray(Y, float)
    given = isinstance(truncation, MultiIndices)
    few = np.empty((len(X), 0)) if given or degree != "auto" else chosen_outputs(Y)
    basis = dense_basis(inputs, X, few, degree, truncation, interactions)
    return fit_basis(basis, X, Y, dtype=dtype, block=block, coefficients=coefficients)


def fit_basis(
    basis: Basis, X: np.ndarray, Y: Any, *, dtype: str | None = None, block: int | None = None, coefficients: Any = None
) -> Chaos:
    """Least squares in a basis that is given; arguments as for :func:`fit`."""
    n, P, d, shape = len(X), basis.terms, basis.inputs.dimension, tuple(Y.shape[1:])
    m = int(np.prod(shape))
    real = np.dtype(one_of("dtype", dtype or _real(Y), ("float32", "float64")))
    solver = LeastSquares(basis.evaluate(X))
    where = backend.of(Y)
    xp = where.xp
    A, Psi = (xp.asarray(M, dtype=real) for M in (solver.inverse, solver.Psi))
    weight = xp.asarray(solver.weight, dtype=real)[:, None]
    shares = Shares(basis, [[j] for j in range(d)])
    first, total = (xp.empty((d, m), real) for _ in range(2))
    variance, loo = xp.empty(m), xp.empty(m)
    with ExitStack() as stack:
        file = stack.enter_context(NpyWriter(coefficients, (P, *shape), real)) if coefficients is not None else None
        flat = xp.empty((P, m if file is None else 0), real)
        for a, b, y in _blocks(Y, n, m, real, xp, block):
            middle = y.mean(axis=0)
            y -= middle
            c = A @ y
            spread = xp.einsum("ij,ij->j", y, y)
            if not bool(xp.isfinite(spread).all()):
                found = f"output {a + int(xp.argmin(xp.isfinite(spread)))}"
                raise InputError("outputs that are not finite", field="Y", found=found, expected="finite numbers")
            y -= Psi @ c
            y *= weight
            left = xp.einsum("ij,ij->j", y, y)
            # Rounding of the mean is no variance.
            flatness = n * (8 * np.finfo(real).eps * xp.abs(middle)) ** 2
            loo[a:b] = xp.where(spread > flatness, left / xp.where(spread > 0, spread, 1), 0.0)
            v, f, t = shares.of(c, xp)
            variance[a:b], first[:, a:b], total[:, a:b] = v, ratio(f, v, xp), ratio(t, v, xp)
            c[0] += middle
            if file is None:
                flat[:, a:b] = c
            else:
                file.write(a, where.to_numpy(c))
        C = owned(flat.reshape(P, *shape)) if file is None else file.done()
    loo, variance = owned(loo.reshape(shape)), owned(variance.reshape(shape))
    return Chaos(basis, C, loo, variance, owned(first.reshape(d, *shape)), owned(total.reshape(d, *shape)), n)


def chosen_outputs(Y: Any) -> np.ndarray:
    """Outputs (n, k) by which a basis is chosen: all of few, an even choice of many."""
    n = Y.shape[0]
    m = int(np.prod(Y.shape[1:]))
    flat = Y.reshape(n, m) if hasattr(Y, "reshape") else Y
    if m <= AUTO_OUTPUTS:
        return backend.of(Y).to_numpy(flat[:, :]).astype(float)
    at = np.linspace(0, m - 1, AUTO_OUTPUTS).astype(int)
    return np.concatenate([backend.of(Y).to_numpy(flat[:, i : i + 1]).astype(float) for i in at], axis=1)


def _real(Y: Any) -> str:
    return "float32" if np.dtype(Y.dtype).itemsize <= 4 and np.dtype(Y.dtype).kind == "f" else "float64"


def _blocks(Y: Any, n: int, m: int, real: np.dtype, xp: Any, block: int | None) -> Iterator[tuple[int, int, Any]]:
    """Begin, end and a copy (n, end - begin), which may be changed, of blocks of outputs."""
    flat = Y.reshape(n, m) if hasattr(Y, "reshape") else Y
    step = whole("block", block, 1) if block is not None else max(64, BLOCK_BYTES // (n * real.itemsize))
    for a in range(0, m, step):
        b = min(a + step, m)
        yield a, b, xp.array(flat[:, a:b], dtype=real, order="C")
