"""The global step of gradient EPT: the logarithm of the permittivity from its gradient, by robust least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.ept.transport.gradient_local import LocalStep
from emdose.ept.transport.least_squares import robust

SILENT_SPREAD = 10.0
LEAST_REGULARISATION = 1e-3
"""Local values always count this much: g alone is blind to every function holomorphic in x + j y, and seeds, which are
points, leave nearly all of them open."""


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
    typical = float(np.nanmedian(local.u_theta)) or 1.0

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
    # The least weight goes by theta alone: doubt about phi0 must not leave more functions open.
    spreads = (np.maximum(u[have], 1e-300) for u in (local.u_k, local.u_theta))
    weight = typical * np.hypot(*(r / u for r, u in zip((regularisation, LEAST_REGULARISATION), spreads, strict=True)))
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
        x[free], size = robust(matrix[:, free], right, measured, np.argwhere(inside)[free])
    x[~spoken_of & ~fixed] = np.nan
    out = np.full(inside.shape, np.nan, complex)
    out[inside] = x + level
    return out, float(np.sqrt(np.mean(size**2)))


def _anchored(inside: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """The connected parts that hold a voxel with a value."""
    from scipy.ndimage import label

    parts, _ = label(inside)
    return inside & np.isin(parts, np.unique(parts[inside & fixed]))
