"""Robust least squares on a stack of slices: what the global steps of gradient EPT have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.ept.transport.planes import PlaneMultigrid
from emdose.errors import ConvergenceError

ITERATIONS = 100
TOLERANCE = 1e-6
"""Largest residual of the normal equations (diagonal 1) against their right-hand side from the gradients alone."""
ACCURACY = 1e-5
"""Largest error of ln eps_c (root mean square, estimated by one multigrid cycle on the residual)."""
SURE = 0.01 * ACCURACY
"""An estimated error that is so small suffices alone: a cycle is not wrong by two decades."""
LEAST_PULL = 1e-13
"""Pull of every ln eps_c to the common level, against the weight of the gradients."""
ROBUST_STEPS = 8
HUBER = 1.5


def robust(
    matrix: Any, right: np.ndarray, measured: int | None, voxels: np.ndarray, steps: int = ROBUST_STEPS
) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with Huber weights: what a window over a boundary tells about the gradient is not Gaussian.

    Parameters
    ----------
    matrix : (rows, n) sparse matrix
        Real or complex, weighted.
    right : (rows,) ndarray
        Right-hand side.
    measured : int, optional
        The first rows that hold measured gradients: the residual is judged against them; by default all.
    voxels : (n, 3) int ndarray
        Index of every unknown.
    steps : int
        Sets of weights.

    Returns
    -------
    (n,) ndarray, (rows,) ndarray
        The solution and the sizes of the residuals.

    Raises
    ------
    ConvergenceError
        When conjugate gradients do not reach the tolerance.
    """
    import scipy.sparse as sp

    trust, x, size = np.ones(right.size), np.zeros(matrix.shape[1], right.dtype), np.abs(right)
    for _ in range(steps):
        weighted = sp.diags(trust) @ matrix
        adjoint = weighted.conj().T.tocsr()
        normal = (adjoint @ weighted).tocsr()
        # Two voxels that share one equation, at the end of a thread of the mask, have but their mean.
        normal = normal + LEAST_PULL * float(np.median(normal.diagonal().real)) * sp.eye(len(x), format="csr")
        # Its own factors for every set of weights: they cost as much as ten cycles and spare more.
        cycle, wanted = PlaneMultigrid(normal, voxels, hermitian=True), trust * right
        x = _conjugate_gradients(normal, adjoint @ wanted, x, cycle, adjoint[:, :measured] @ wanted[:measured])
        del cycle  # before the next one is made
        size = np.abs(matrix @ x - right)
        trust = np.sqrt(1 / np.maximum(size / max(HUBER * float(np.median(size)), 1e-300), 1))
    return x, size


def _conjugate_gradients(
    normal: Any, rhs: np.ndarray, x: np.ndarray, cycle: PlaneMultigrid, gradients: np.ndarray
) -> np.ndarray:
    """Solution of the normal equations; raises ConvergenceError."""
    # The equation of every voxel over its diagonal: a voxel with a weight of 1e6 must not drown the others in rounding.
    unit = 1 / normal.diagonal().real
    scale = float(np.linalg.norm(unit * gradients)) or float(np.linalg.norm(unit * rhs)) or 1.0
    r = rhs - normal @ x
    z = cycle(r)
    p, rho = z, float(np.vdot(r, z).real)
    for step in range(ITERATIONS + 1):
        residual, error = float(np.linalg.norm(unit * r)) / scale, float(np.sqrt(np.mean(np.abs(z) ** 2)))
        # Weights over many decades leave a residual of rounding, of which the estimated error then says more.
        if error <= SURE or (residual <= TOLERANCE and error <= ACCURACY):
            return x
        if step == ITERATIONS or not np.isfinite(residual) or rho <= 0:
            break
        q = normal @ p
        alpha = rho / float(np.vdot(p, q).real)
        x = x + alpha * p
        # The true residual now and then: the recursive one loses touch with it by rounding.
        r = rhs - normal @ x if step % 20 == 19 else r - alpha * q
        z = cycle(r)
        rho, last = float(np.vdot(r, z).real), rho
        p = z + (rho / last) * p
    raise ConvergenceError(
        f"global step of gradient EPT: residual {residual:.2g}, error of ln eps_c about {error:.2g} after {step} "
        f"iterations, wanted {TOLERANCE:g} and {ACCURACY:g}; raise the regularisation",
        partial=x,
    )
