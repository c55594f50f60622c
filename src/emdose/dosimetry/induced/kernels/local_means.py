"""NumPy reference of local_means.cuh: the same averages, over all voxels at a time."""

from __future__ import annotations

from typing import Any

import numpy as np


def _place(voxels: Any) -> tuple[np.ndarray, ...]:
    return np.unravel_index(voxels.cells, (voxels.n0, voxels.n1, voxels.n2))


def _neighbours(voxels: Any, place: tuple[np.ndarray, ...]) -> np.ndarray:
    """Voxels of the same tissue at places, or -1."""
    shape = (voxels.n0, voxels.n1, voxels.n2)
    inside = np.all([(p >= 0) & (p < n) for p, n in zip(place, shape, strict=True)], axis=0)
    cell = np.ravel_multi_index([np.where(inside, p, 0) for p in place], shape)
    found = np.where(inside, voxels.index.reshape(-1)[cell], -1)
    return np.where((found >= 0) & (voxels.labels[found] == voxels.labels), found, -1)


def box_means(
    shape: int, voxels: Any, r0: int, r1: int, r2: int, weights: np.ndarray, planes: int, E: np.ndarray, out: np.ndarray
) -> None:
    """Average over a box of voxels with weights per offset and axis."""
    w0, w1, w2 = np.split(weights, [2 * r0 + 1, 2 * (r0 + r1) + 2])
    place, total = _place(voxels), np.zeros(voxels.m, E.dtype)
    E, out = E.reshape(planes, -1), out.reshape(planes, -1)
    out[:] = 0
    for a in range(-r0, r0 + 1):
        for b in range(-r1, r1 + 1):
            for c in range(-r2, r2 + 1):
                q = _neighbours(voxels, tuple(p + d for p, d in zip(place, (a, b, c), strict=True)))
                w = np.where(q >= 0, w0[a + r0] * w1[b + r1] * w2[c + r2], E.dtype.type(0))
                total += w
                out += w * E[:, q]
    out /= total


def axis_means(shape: int, voxels: Any, axis: int, r: int, weights: np.ndarray, E: np.ndarray, out: np.ndarray) -> None:
    """Average along a line of an axis with weights per distance, up to the end of the tissue."""
    place = _place(voxels)
    total = np.full(voxels.m, weights[0], E.dtype)
    out[:] = weights[0] * E
    for side in (-1, 1):
        on = np.ones(voxels.m, bool)
        for k in range(1, r + 1):
            q = _neighbours(voxels, tuple(p + (side * k if n == axis else 0) for n, p in enumerate(place)))
            on &= q >= 0
            out += np.where(on, weights[k] * E[q], E.dtype.type(0))
            total += np.where(on, weights[k], E.dtype.type(0))
    out /= total


def line_means(
    shape: int,
    voxels: Any,
    points: int,
    step: np.ndarray,
    along: np.ndarray,
    planes: int,
    E: np.ndarray,
    out: np.ndarray,
) -> None:
    """Average of the component along a direction per voxel, up to the end of the tissue."""
    place = _place(voxels)
    E, out = E.reshape(planes, 3, -1), out.reshape(planes, -1)
    along, step = along.reshape(3, -1), step.reshape(3, -1)
    out[:] = 0
    count = np.zeros(voxels.m, np.int64)
    for side in (-1, 1):
        on = np.ones(voxels.m, bool)
        for k in range(points):
            s = side * (k + 0.5)
            at = tuple(np.floor(p + 0.5 + s * d).astype(np.int64) for p, d in zip(place, step, strict=True))
            q = _neighbours(voxels, at)
            on &= q >= 0
            count += on
            out += np.where(on, np.einsum("cm,pcm->pm", along, E[:, :, q]), E.dtype.type(0))
    out /= count
