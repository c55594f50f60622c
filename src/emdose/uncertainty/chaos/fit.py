"""Least squares for any number of outputs at once, in blocks, with their leave-one-out errors in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np

from emdose.checks import one_of, whole
from emdose.compute import backend
from emdose.errors import InputError
from emdose.uncertainty.chaos.bases.basis import Basis
from emdose.uncertainty.chaos.bases.least_squares import LeastSquares
from emdose.uncertainty.chaos.expansion import Chaos
from emdose.uncertainty.chaos.files import NpyWriter, columns_ahead
from emdose.uncertainty.chaos.indices import VarianceParts, ratio
from emdose.values import owned

BLOCK_BYTES = 32 * 2**20
"""Size of a block of outputs."""

AUTO_OUTPUTS = 500
"""Most outputs by which a degree is chosen."""


def fit_basis(
    basis: Basis, X: np.ndarray, Y: Any, *, dtype: str | None = None, block: int | None = None, coefficients: Any = None
) -> Chaos:
    """Least squares in a basis that is given; arguments as for :func:`polynomial_chaos`."""
    n, P, d, shape = len(X), basis.terms, basis.inputs.dimension, tuple(Y.shape[1:])
    m = int(np.prod(shape))
    real = np.dtype(one_of("dtype", dtype or real_of(Y), ("float32", "float64")))
    solver = LeastSquares(basis.evaluate(X))
    where = backend.of(Y)
    xp = where.xp
    A, Psi, averages, weight2 = (
        xp.asarray(np.ascontiguousarray(M), dtype=real)
        for M in (solver.inverse, solver.Psi, solver.Psi.mean(axis=0), solver.weight**2)
    )
    shares = VarianceParts(basis, [[j] for j in range(d)])
    first, total = (xp.empty((d, m), real) for _ in range(2))
    variance, loo = xp.empty(m), xp.empty(m)
    with ExitStack() as stack:
        file = stack.enter_context(NpyWriter(coefficients, (P, *shape), real)) if coefficients is not None else None
        flat = xp.empty((P, m if file is None else 0), real)
        for a, b, y, offset in blocks(Y, n, m, real, xp, block):
            c = A @ y
            spread = xp.einsum("ij,ij->j", y, y)
            spread -= n * (averages @ c) ** 2  # residuals of a basis with a constant add up to 0
            if not bool(xp.isfinite(spread).all()):
                found = f"output {a + int(xp.argmin(xp.isfinite(spread)))}"
                raise InputError("outputs that are not finite", field="Y", found=found, expected="finite numbers")
            _subtract_product(y, Psi, c, xp)
            left = weight2 @ xp.multiply(y, y, out=y)
            # Rounding of a mean is no variance.
            flatness = n * (8 * np.finfo(real).eps * xp.abs(offset)) ** 2
            loo[a:b] = xp.where(spread > flatness, left / xp.where(spread > 0, spread, 1), 0.0)
            v, f, t = shares.of(c, xp)
            variance[a:b], first[:, a:b], total[:, a:b] = v, ratio(f, v, xp), ratio(t, v, xp)
            c[0] += offset
            if file is None:
                flat[:, a:b] = c
            else:
                file.write(a, where.to_numpy(c))
        if n == P:
            loo[:] = np.inf
        C = owned(flat.reshape(P, *shape)) if file is None else file.done()
    loo, variance = owned(loo.reshape(shape)), owned(variance.reshape(shape))
    return Chaos(basis, C, loo, variance, owned(first.reshape(d, *shape)), owned(total.reshape(d, *shape)), n)


def _subtract_product(y: Any, Psi: Any, c: Any, xp: Any) -> None:
    """Take Psi c from y where it lies."""
    if xp is np:
        from scipy.linalg import blas

        gemm = blas.sgemm if y.dtype == np.float32 else blas.dgemm
        gemm(-1.0, c.T, Psi.T, beta=1.0, c=y.T, overwrite_c=True)  # transposed they have the order of BLAS
    else:
        y -= Psi @ c


def chosen_outputs(Y: Any) -> np.ndarray:
    """Outputs (n, k) by which a basis is chosen: all of few, an even choice of many."""
    n = Y.shape[0]
    m = int(np.prod(Y.shape[1:]))
    flat = Y.reshape(n, m) if hasattr(Y, "reshape") else Y
    if m <= AUTO_OUTPUTS:
        return backend.of(Y).to_numpy(flat[:, :]).astype(float)
    at = np.linspace(0, m - 1, AUTO_OUTPUTS).astype(int)
    return np.concatenate([backend.of(Y).to_numpy(flat[:, i : i + 1]).astype(float) for i in at], axis=1)


def real_of(Y: Any) -> str:
    """Precision of the products where none is asked for: single for outputs in single or less."""
    return "float32" if np.dtype(Y.dtype).itemsize <= 4 and np.dtype(Y.dtype).kind == "f" else "float64"


def blocks(
    Y: Any, n: int, m: int, real: np.dtype, xp: Any, block: int | None = None
) -> Iterator[tuple[int, int, Any, Any]]:
    """Blocks of outputs: begin, end, the outputs less those of the first sample (n, end - begin), and these.

    What is given may be written to until the next block comes. Single precision forgets less of an output that hardly
    varies when it does not hold its mean.
    """
    flat = Y.reshape(n, m) if hasattr(Y, "reshape") else Y
    step = whole("block", block, 1) if block is not None else max(64, BLOCK_BYTES // (n * real.itemsize))
    room = xp.empty(n * min(step, m), real)
    for a, b, part in columns_ahead(flat, m, step):
        y = room[: n * (b - a)].reshape(n, b - a)
        xp.subtract(part, part[0], out=y, casting="same_kind")
        yield a, b, y, part[0].astype(real)
