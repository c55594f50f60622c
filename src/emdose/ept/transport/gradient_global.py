"""The global step of gradient EPT: the logarithm of the permittivity from its gradient, by robust least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.ept.transport.gradient_local import LocalStep
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
SILENT_SPREAD = 10.0


def integrate(
    local: LocalStep, seeds: np.ndarray, regularisation: float, spacing_m: Sequence[float], volume: bool
) -> tuple[np.ndarray, float]:
    """ln eps_c from its gradients and its local values by weighted least squares; seeds are prescribed values."""
    import scipy.sparse as sp

    have = np.isfinite(local.k) & np.isfinite(local.u_k)
    known = np.isfinite(seeds)
    inside = _anchored(np.isfinite(local.g), have | known)
    have, known = have & inside, known & inside
    number = np.full(inside.shape, -1)
    n = int(inside.sum())
    number[inside] = np.arange(n)
    typical = float(np.nanmedian(local.u_k)) or 1.0

    def differences(step: int, axes: Sequence[int]) -> tuple[np.ndarray, list[Any]]:
        ends, ok = [], inside.copy()
        for a in axes:
            other = np.roll(number, -step, a)
            edge = [slice(None)] * 3
            edge[a] = slice(-1, None) if step > 0 else slice(0, 1)
            other[tuple(edge)] = -1
            ends.append(other)
            ok &= other >= 0
        m, here = int(ok.sum()), number[ok]
        rows, ones = np.arange(m), np.ones(m)
        found = [
            sp.csr_matrix(
                (np.r_[ones, -ones] * step / spacing_m[a], (np.r_[rows, rows], np.r_[e[ok], here])), shape=(m, n)
            )
            for a, e in zip(axes, ends, strict=True)
        ]
        return ok, found

    # Of the logarithms only differences count: from a common level they are small numbers.
    level = complex(np.median(np.where(have, local.k, seeds)[have | known]))
    blocks, rhs = [], []
    for step in (1, -1):
        ok, (along_x, along_y) = differences(step, (0, 1))
        weight = typical / local.u_g[ok]
        blocks.append(sp.diags(weight) @ (along_x + 1j * along_y))
        rhs.append(weight * local.g[ok])
        if volume:
            ok, (along_z,) = differences(step, (2,))
            # Fields that do not vary along z: neither do the properties, said weakly.
            weight = typical / np.minimum(local.u_gz, SILENT_SPREAD * local.u_g)[ok]
            blocks.append(sp.diags(weight) @ along_z)
            rhs.append(weight * local.g_z[ok])
    measured = sum(len(r) for r in rhs)
    weight = regularisation * typical / np.maximum(local.u_k[have], 1e-300)
    pick = sp.csr_matrix((np.ones(weight.size), (np.arange(weight.size), number[have])), shape=(weight.size, n))
    matrix = sp.vstack([*blocks, sp.diags(weight) @ pick]).tocsr()
    right = np.concatenate([*rhs, weight * (local.k[have] - level)])
    fixed = known[inside]
    spoken_of = np.asarray(abs(matrix).sum(axis=0)).ravel() > 0
    x = np.where(fixed, seeds[inside] - level, 0)
    right = right - matrix[:, fixed] @ x[fixed]
    free = spoken_of & ~fixed
    size = np.abs(right)
    if free.any():
        x[free], size = _robust(matrix[:, free], right, measured, np.argwhere(inside)[free])
    x[~spoken_of & ~fixed] = np.nan
    out = np.full(inside.shape, np.nan, complex)
    out[inside] = x + level
    return out, float(np.sqrt(np.mean(size**2)))


def _robust(matrix: Any, right: np.ndarray, measured: int, voxels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with Huber weights: what a window over a boundary tells about the gradient is not Gaussian."""
    import scipy.sparse as sp

    trust, x, size = np.ones(right.size), np.zeros(matrix.shape[1], complex), np.abs(right)
    for _ in range(ROBUST_STEPS):
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


def _anchored(inside: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The connected parts that hold a voxel with a value."""
    from scipy.ndimage import label

    parts, _ = label(inside)
    return inside & np.isin(parts, np.unique(parts[inside & fixed]))


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
