"""Filters on maps: factored window sums on the CPU or the GPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.savitzky_golay import Factors, factor

CPU_STRIP = 64
"""Voxels along the last axis per call of the kernels on a CPU, as in window.cuh and local_fit.cuh."""


def strips(be: Backend, size: int, strip: int = CPU_STRIP) -> int:
    """Launch extent along the last axis."""
    return size if be.name == "cuda" else -(-size // strip)


def contract(be: Backend, images: Any, taps: np.ndarray, axis: int, out: Any = None) -> Any:
    """Sum of correlations along one axis; voxels outside the image count as 0.

    Parameters
    ----------
    images : (b, nx, ny, nz) float64 array of the device
        Inputs.
    taps : (f, b, 2 r + 1) ndarray
        One filter per output and input.
    axis : {0, 1, 2}
        Axis of the filters.
    out : (f, nx, ny, nz) float64 array of the device, optional
        Where to put the result.

    Returns
    -------
    (f, nx, ny, nz) array
    """
    n0, n1, n2 = images.shape[1:]
    outputs, inputs, n = taps.shape
    if out is None:
        out = be.xp.empty((outputs, n0, n1, n2))
    be.kernels.load(__package__, "window", real="double").launch(
        "contract",
        (n0, n1, strips(be, n2)),
        n2,
        axis,
        inputs,
        outputs,
        n // 2,
        be.asarray(taps, dtype=np.float64),
        images,
        out,
    )
    return out


def apply(be: Backend, image: Any, factors: Factors) -> Any:
    """Filter one image (nx, ny, nz) with a stack of factored filters: (f, nx, ny, nz)."""
    out = image[None]
    for taps, axis in ((factors.z, 2), (factors.y, 1), (factors.x, 0)):
        out = contract(be, out, taps, axis)
    return out


def full_windows(be: Backend, use: Any, box: np.ndarray, regions: np.ndarray | None = None) -> tuple[Any, Any]:
    """Voxels whose whole window lies in a mask, and those whose window holds several labels (None without labels).

    Parameters
    ----------
    use : (nx, ny, nz) uint8 array of the device
        The mask.
    box : (2 rx + 1, 2 ry + 1, 2 rz + 1) bool ndarray
        The window.
    regions : (nx, ny, nz) int ndarray, optional
        Labels; 0 is background.
    """
    xp, total, image = be.xp, int(np.count_nonzero(box)), use.astype(np.float64)
    window = factor(box[None].astype(float))
    if regions is None:
        return apply(be, image, window)[0] > total - 0.5, None
    # One pass for both: the whole part of the sum counts voxels, the fraction adds up one arbitrary number per label.
    # It is the window's size times the centre's number only when all labels are the same.
    marks = np.append(0.0, np.random.default_rng(7).random(int(regions.max(initial=0)))) * 2.0**-22
    marks = be.asarray(marks)[be.asarray(regions)]
    found = apply(be, image + marks, window)[0]
    count = xp.floor(found + 2.0**-30)
    return count > total - 0.5, xp.abs(found - count - total * marks) > total * 2.0**-46
