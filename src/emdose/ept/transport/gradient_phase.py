r"""The phase phi0 that all channels share, in a volume: its slope along z.

Along z the relative data of the channels know the sum c = g_z - 2 j dz phi0 alone, not its parts. In the plane they
know both slopes of phi0, which leave one constant in every connected part of a slice. That constant is found from
-Im c / 2, which is dz phi0 wherever the loss angle does not change along z: all three slopes are integrated together by
least squares with Huber weights, so that voxels at boundaries, where it does change, have little influence.
"""

from __future__ import annotations

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.masked_fit import masked_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.transport.least_squares import robust

ROBUST_STEPS = 4
LEAST_SPREAD, LARGEST_SPREAD = 0.3, 1e3
"""Least and largest uncertainty of a slope over the median: few residuals can be small by luck, and every voxel needs
a level."""


def along_z(
    be: Backend,
    kernel: SavitzkyGolay,
    slope: np.ndarray,
    u_slope: np.ndarray,
    along: np.ndarray,
    u_along: np.ndarray,
    wanted: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """dz phi0 [1/m] and the Laplacian of phi0 [1/m^2] in the wanted voxels, NaN where there is none.

    Parameters
    ----------
    be : Backend
        Device of the fits.
    kernel : SavitzkyGolay
        Window of the local step.
    slope, u_slope : (voxels, 2) ndarray
        dx phi0 and dy phi0 with their standard deviations [1/m].
    along, u_along : (voxels,) ndarray
        c = g_z - 2 j dz phi0, complex, with the standard deviation of its imaginary part [1/m] (inf: not known).
    wanted : (nx, ny, nz) bool ndarray
        The voxels.

    Raises
    ------
    ConvergenceError
        When the phase does not reach its tolerance.
    """
    import scipy.sparse as sp

    good = np.isfinite(slope).all(axis=1)
    if not good.any():
        return np.full(len(slope), np.nan), np.full(len(slope), np.nan)
    slopes = np.column_stack([slope, -along.imag / 2])[good]
    spreads = np.column_stack([u_slope, u_along / 2])[good]
    typical = float(np.median(spreads[:, :2])) or 1.0
    # Fields that do not vary along z: neither does phi0, at the weight of a slope in the plane.
    spreads[np.isinf(spreads)] = typical
    spreads = np.clip(spreads, LEAST_SPREAD * typical, LARGEST_SPREAD * typical)
    inside = np.zeros(wanted.shape, bool)
    inside[wanted] = good
    number = np.full(inside.shape, -1)
    n = int(good.sum())
    number[inside] = np.arange(n)
    rows, right = [], []
    for axis in range(3):
        a, b = (np.take(number, range(k, number.shape[axis] - 1 + k), axis) for k in (0, 1))
        both = (a >= 0) & (b >= 0)
        i, j = a[both], b[both]
        m = np.arange(len(i))
        weight = 2 * typical / np.hypot(spreads[i, axis], spreads[j, axis])
        one = weight / kernel.spacing_m[axis]
        rows.append(sp.csr_matrix((np.r_[one, -one], (np.r_[m, m], np.r_[j, i])), shape=(len(i), n)))
        right.append(weight * (slopes[i, axis] + slopes[j, axis]) / 2)
    # A level in every connected part, which slopes leave open, and which does not count.
    phase = np.zeros(inside.shape)
    x, _ = robust(sp.vstack(rows).tocsr(), np.concatenate(right), None, np.argwhere(inside), ROBUST_STEPS)
    phase[inside] = x
    flat = SavitzkyGolay("cuboid", kernel.radius, 2, kernel.spacing_m)
    fit = masked_fit(be, flat, (3, 4), be.asarray(phase[None]), inside.astype(np.int32))
    up, laplacian = (np.where(good, row[wanted], np.nan) for row in be.to_numpy(fit.value)[0])
    return up, laplacian
