r"""Mutual inductances of equal bars on a grid, as a convolution.

Two boxes dx x dy x dz whose uniform currents flow along the same axis couple by the mean of 1/r over both,

.. math:: L = \frac{\mu_0 h^2}{4\pi} \Bigl\langle \frac{1}{|\mathbf r - \mathbf r'|} \Bigr\rangle, \qquad
          \Bigl\langle \frac 1r \Bigr\rangle = \frac{\delta_x^2 \delta_y^2 \delta_z^2 F}{(dx\,dy\,dz)^2}

with h the length along the current and F the sixfold integral of 1/r, d^6 F / dx^2 dy^2 dz^2 = 1/r, whose second
differences delta^2 over one voxel give the mean exactly. Far away 1/r and its second moments are enough.

Source: C. Hoer and C. Love, J. Res. NBS 69C (1965) 127 (F and the mutual inductance of rectangular bars).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import MU_0
from emdose.solvers.yee_grid.green_convolution import Convolution

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape, Vector

NEAR, MOST = 14, 64
"""Distances below this many of the largest edge use F; beyond, the second moments leave about 1e-6 of the value. The
second is the largest number of offsets along one axis for which that is done."""


@lru_cache(maxsize=8)
def near_table(spacing_m: Vector) -> np.ndarray:
    """Mean of 1/r over two boxes at offsets below :data:`NEAR` of the largest edge [1/m]."""
    n = [min(MOST, math.ceil(NEAR * max(spacing_m) / s)) for s in spacing_m]
    unit = min(spacing_m)
    h = [s / unit for s in spacing_m]
    # Second differences of F along every axis; F is even, so that one octant and one layer of images hold all.
    axes = [np.arange(-1, m + 1) * s for m, s in zip(n, h, strict=True)]
    F = _sixfold(*np.meshgrid(*axes, indexing="ij"))
    for axis in range(3):
        m = F.shape[axis]
        low, mid, high = (F.take(range(i, m - 2 + i), axis) for i in range(3))
        F = (high - mid) - (mid - low)
    table = F / math.prod(h) ** 2 / unit
    table.flags.writeable = False
    return table


def _sixfold(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """F with d^6 F / dx^2 dy^2 dz^2 = 1/r, even in every coordinate."""
    x, y, z = (v.astype(np.longdouble) for v in (x, y, z))
    r = np.sqrt(x * x + y * y + z * z)
    x2, y2, z2 = x * x, y * y, z * z

    def log_part(a_abs: Any, b2: Any, c2: Any) -> Any:
        across = np.sqrt(b2 + c2)
        factor = b2 * c2 / 4 - b2 * b2 / 24 - c2 * c2 / 24
        return factor * a_abs * np.where(across > 0, np.arcsinh(a_abs / np.where(across > 0, across, 1)), 0)

    def angle_part(a: Any, b: Any, c: Any) -> Any:
        below = c * r
        return a * b * c * c * c / 6 * np.where(below > 0, np.arctan(a * b / np.where(below > 0, below, 1)), 0)

    ax, ay, az = np.abs(x), np.abs(y), np.abs(z)
    out = log_part(ax, y2, z2) + log_part(ay, z2, x2) + log_part(az, x2, y2)
    out = out + (x2 * x2 + y2 * y2 + z2 * z2 - 3 * (x2 * y2 + y2 * z2 + z2 * x2)) * r / 60
    return out - angle_part(ax, ay, az) - angle_part(ay, az, ax) - angle_part(az, ax, ay)


def mean_inverse_distance(offsets: tuple[Any, Any, Any], spacing_m: Vector, be: Backend) -> Any:
    """Mean of 1/r over two boxes on an octant of offsets.

    Parameters
    ----------
    offsets : three 1-D int arrays
        Offsets in voxels along each axis, counted from zero upwards.
    spacing_m : (float, float, float)
        Edge lengths of the boxes [m].
    be : Backend
        Device.

    Returns
    -------
    (len, len, len) float64 array
        [1/m].
    """
    xp = be.xp
    d = xp.meshgrid(
        *(be.asarray(o, dtype=float) * s for o, s in zip(offsets, spacing_m, strict=True)), indexing="ij", sparse=True
    )
    square = d[0] ** 2 + d[1] ** 2 + d[2] ** 2
    square = xp.where(square == 0, 1.0, square)
    moment = sum((s * s / 12) * (3 * x * x / square - 1) for s, x in zip(spacing_m, d, strict=True))
    out = (1 + moment / square) / xp.sqrt(square)
    table = be.asarray(np.ascontiguousarray(near_table(tuple(spacing_m)), dtype=float))
    near = tuple(slice(0, min(n, len(o))) for n, o in zip(table.shape, offsets, strict=True))
    out[near] = table[near]
    return out


class Inductance:
    """Voltages that currents through faces induce in faces, per j w.

    Parameters
    ----------
    shape : (int, int, int)
        Cells of the box.
    spacing_m : (float, float, float)
        Edge lengths of the voxels [m].
    offset : (3, 2, nx, ny, nz) array
        Middle of the open part of every face, see :class:`emdose.solvers.eddy.voxels.branches.BranchNetwork`.
    be : Backend
        Device.
    dtype : {"float32", "float64"}
        Precision.
    """

    def __init__(self, shape: Shape, spacing_m: Vector, offset: Any, be: Backend, dtype: str) -> None:
        self.be, self.shape, self.spacing_m = be, shape, spacing_m
        self.real = np.dtype(dtype)
        self.complex = np.dtype(np.complex64 if self.real == np.float32 else np.complex128)
        self.convolution = Convolution(
            shape,
            shape,
            (0, 0, 0),
            1.0,
            0.0,
            be,
            self.complex,
            kernel=lambda o: mean_inverse_distance(o, spacing_m, be),
        )
        self.offset = be.xp.ascontiguousarray(be.asarray(offset, dtype=self.real))
        self._kernels = be.kernels.load(__package__, "cut_faces", "float" if self.real == np.float32 else "double")
        factor = MU_0 / (4 * math.pi) * np.array(spacing_m) ** 2
        self._factor = be.asarray(factor.astype(self.real))[:, None, None, None]
        self._own = self._factor * self._missing_self()

    def __call__(self, current: Any) -> Any:
        """L I for currents (rhs, 3, nx, ny, nz) [V s]; real ones, two of which travel as one complex field."""
        xp, n = self.be.xp, len(current)
        pairs = (n + 1) // 2
        packed = xp.zeros((pairs, *current.shape[1:]), self.complex)
        packed.real[...] = current[0::2]
        packed.imag[: n // 2] = current[1::2]
        out = self.complex_product(packed)
        both = xp.empty_like(current)
        both[0::2] = out.real
        both[1::2] = out.imag[: n // 2]
        return both

    def complex_product(self, current: Any) -> Any:
        """The same for complex currents."""
        spread = self.be.xp.empty_like(current)
        self._launch("spread", current, spread)
        field = self.convolution.potential(spread)
        self._launch("collect", field, spread)
        return self._factor * spread + self._own * current

    def _launch(self, kernel: str, source: Any, out: Any) -> None:
        nx, ny, nz = self.shape
        self._kernels.launch(kernel, (3 * len(source) * nx, ny, nz), nx, self.offset, source, out)

    def _missing_self(self) -> Any:
        """What the quadratics take from the mean of 1/r of a bar with itself, (3, nx, ny, nz) [1/m]."""
        xp = self.be.xp
        G = near_table(tuple(self.spacing_m))
        out = xp.zeros_like(self.offset[:, 0])
        for c in range(3):
            d = self.offset[c]
            weights: dict[tuple[int, int], Any] = {(0, 0): 1 - d[0] ** 2 - d[1] ** 2}
            for t in range(2):
                for side in (-1, 1):
                    weights[(side, 0) if t == 0 else (0, side)] = 0.5 * d[t] * (d[t] + side)
            for p, wp in weights.items():
                for q, wq in weights.items():
                    at = [0, 0, 0]
                    at[(c + 1) % 3], at[(c + 2) % 3] = abs(p[0] - q[0]), abs(p[1] - q[1])
                    out[c] -= self.real.type(float(G[tuple(at)])) * wp * wq
            out[c] += self.real.type(float(G[0, 0, 0]))
        return out
