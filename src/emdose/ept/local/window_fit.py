"""Plain Savitzky-Golay filters: one window for every voxel, with or without noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.masked_fit import LocalFit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, apply, factor, full_windows


def window_fit(
    be: Backend,
    kernel: SavitzkyGolay,
    rows: Sequence[int],
    images: Any,
    use: Any,
    *,
    noise: Any = None,
    residual: bool = False,
    regions: np.ndarray | None = None,
) -> LocalFit:
    """Filter images with the functionals of a Savitzky-Golay fit.

    Parameters
    ----------
    be : Backend
        Device.
    kernel : SavitzkyGolay
        Window and degree.
    rows : sequence of int
        Functionals, see :data:`emdose.ept.local.savitzky_golay.FUNCTIONALS`.
    images : (channel, nx, ny, nz) float64 array of the device
        Real images, 0 outside the mask.
    use : (nx, ny, nz) uint8 array of the device
        The mask. Fits whose window leaves it are not usable: their ``count`` is negative (the filtered values stay).
    noise : (n, nx, ny, nz) array of the device, optional
        Maps of (co)variances.
    residual : bool
        Also compute the residuals: the norm of the data minus that of its projection on the polynomials.
    regions : (nx, ny, nz) int ndarray, optional
        Labels above 0; windows that hold several of them are then told (``mixed``).
    """
    box = kernel.dense(np.ones((1, len(kernel.offsets))))[0] > 0
    xp, total = be.xp, float(len(kernel.offsets))
    filters = kernel.filters(rows)
    value = xp.stack([apply(be, image, filters) for image in images])
    if noise is not None:
        products = kernel.products(rows)
        gain = xp.stack([apply(be, one, products) for one in noise])
    else:
        w = kernel.weights[list(rows)]
        unit = np.array([w[i] @ w[j] for i in range(len(rows)) for j in range(i, len(rows))])
        gain = be.asarray(unit).reshape(1, -1, 1, 1, 1)
    squares = None
    if residual:
        basis = factor(kernel.dense(kernel.basis))
        window = factor(box[None].astype(float))
        parts = [apply(be, image, basis) for image in images]
        squares = xp.stack(
            [
                apply(be, images[i] * images[j], window)[0] - (parts[i] * parts[j]).sum(axis=0)
                for i in range(len(images))
                for j in range(i, len(images))
            ]
        )
    full, mixed = full_windows(be, use, box, regions)
    count = xp.where(full, total, -1.0)
    return LocalFit(value, gain, squares, count, max(total - len(kernel.basis), 1.0), mixed=mixed)
