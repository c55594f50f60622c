"""The global step of gradient EPT: the logarithm of the permittivity from its gradient, by robust least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.ept.transport.gradient_local import LocalStep
from emdose.errors import ConvergenceError

SEED_WEIGHT = 1e3
DIRECT_VOXELS = 20_000
ITERATIONS = 5000
TOLERANCE = 1e-6
ROBUST_STEPS = 8
HUBER = 1.5
SILENT_SPREAD = 10.0


def integrate(
    local: LocalStep, seeds: np.ndarray, regularisation: float, spacing_m: Sequence[float], volume: bool
) -> tuple[np.ndarray, float]:
    """ln eps_c from its gradients, its local values and seeds by weighted least squares."""
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
    for place, values, weight in (
        (have, local.k, regularisation * typical / np.maximum(local.u_k, 1e-300)),
        (known, seeds, np.full(inside.shape, SEED_WEIGHT)),
    ):
        m = int(place.sum())
        pick = sp.csr_matrix((np.ones(m), (np.arange(m), number[place])), shape=(m, n))
        blocks.append(sp.diags(weight[place]) @ pick)
        rhs.append(weight[place] * values[place])
    matrix, right = sp.vstack(blocks).tocsr(), np.concatenate(rhs)
    trust, x, size = np.ones(right.size), np.zeros(n, complex), np.ones(right.size)
    for _ in range(ROBUST_STEPS):
        weighted = sp.diags(trust) @ matrix
        x = _solve_normal(
            (weighted.conj().T @ weighted + 1e-12 * sp.eye(n)).tocsc(), weighted.conj().T @ (trust * right)
        )
        size = np.abs(matrix @ x - right)
        size[right.size - int(known.sum()) :] = 0
        # Huber weights: what a window over a boundary tells about the gradient is not Gaussian.
        trust = np.sqrt(1 / np.maximum(size / max(HUBER * float(np.median(size)), 1e-300), 1))
    out = np.full(inside.shape, np.nan, complex)
    out[inside] = x
    return out, float(np.sqrt(np.mean(size**2)))


def _anchored(inside: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The connected parts that hold a voxel with a value."""
    from scipy.ndimage import label

    parts, _ = label(inside)
    return inside & np.isin(parts, np.unique(parts[inside & fixed]))


def _solve_normal(normal: Any, rhs: np.ndarray) -> np.ndarray:
    import scipy.sparse as sp
    from scipy.sparse.linalg import cg, splu

    if normal.shape[0] <= DIRECT_VOXELS:
        options = {"SymmetricMode": True}
        return splu(normal, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(rhs)
    jacobi = sp.diags(1 / normal.diagonal())
    x, left = cg(normal, rhs, rtol=TOLERANCE, maxiter=ITERATIONS, M=jacobi)
    if left:
        reached = float(np.linalg.norm(normal @ x - rhs) / np.linalg.norm(rhs))
        raise ConvergenceError(
            f"global step of gradient EPT: residual {reached:.2g} after {ITERATIONS} iterations, "
            f"wanted {TOLERANCE:g}; raise the regularisation",
            partial=x,
        )
    return x
