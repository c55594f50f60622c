r"""Convolution with the scalar Green's function of the Yee lattice, by zero-padded FFTs.

The function S solves (Laplacian_h + k^2) S = -delta on the lattice with radiation at infinity. Its static part is the
lattice Green's function of the seven-point Laplacian,

.. math:: g(\mathbf n) = \int_0^\infty \prod_a e^{-2t} I_{n_a}(2t)\, dt
          \approx \frac{1}{4\pi R}\Bigl(1 + \frac{5\sum n_a^4/R^4 - 3}{8R^2}\Bigr)

(the right side far away), its dynamic part (exp(-jkR) - 1) / (4 pi R). On the Yee edges
N = (k^2 + G D) S gives the scattered field j w eps0 E of currents J, with the discrete gradient G and divergence D as
Fourier symbols, so that divergence-free currents make no charge field whatever the rounding of the voxels.

Source: L. Glasser and J. Boersma, J. Phys. A 33 (2000) 5017 (lattice Green's function); P. Zwamborn and P. van den
Berg, IEEE Trans. MTT 40 (1992) 1757 (weak form of the volume integral with one scalar Green's function).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.shared import Shared, from_shared, key_of

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape

NEAR = 16
"""Offsets below this use the exact lattice Green's function; beyond, its expansion is good to 1e-7 of its value."""
CHUNK_BYTES = {"cpu": 6 * 2**20, "cuda": 2**30}
"""Working set of one slab of the padded grid: a level-2 cache, or enough to fill a GPU."""


@cache
def static_table(n: int = NEAR) -> np.ndarray:
    """Lattice Green's function of the seven-point Laplacian at offsets 0..n-1, (n, n, n), unit spacing."""
    from scipy.special import ive

    x, w = np.polynomial.legendre.leggauss(500)
    low, high = math.log(1e-12), math.log(1e6)
    t = np.exp((x + 1) / 2 * (high - low) + low)
    weight = w * (high - low) / 2 * t
    bessel = np.array([ive(i, 2 * t) for i in range(n)])
    tail = 2 * (4 * math.pi) ** -1.5 * 1e6**-0.5
    table = np.einsum("at,bt,ct,t->abc", bessel, bessel, bessel, weight, optimize=True) + tail
    table.flags.writeable = False
    return table


def green_function(offsets: tuple[Any, Any, Any], spacing_m: float, wavenumber: float, be: Backend) -> Any:
    """S times the cell volume on an octant of offsets, so that A / mu0 = sum S J.

    Parameters
    ----------
    offsets : three 1-D int arrays
        Offsets in cells along each axis, counted from zero upwards.
    spacing_m : float
        Lattice spacing h [m].
    wavenumber : float
        k [1/m].
    be : Backend
        Device.

    Returns
    -------
    (len, len, len) complex128 array
        S h^3 [m^2].
    """
    xp = be.xp
    d = xp.meshgrid(*(be.asarray(o, dtype=float) for o in offsets), indexing="ij", sparse=True)
    square = d[0] ** 2 + d[1] ** 2 + d[2] ** 2
    origin = square == 0
    R = xp.sqrt(xp.where(origin, 1.0, square))
    quartic = d[0] ** 4 + d[1] ** 4 + d[2] ** 4
    static = (1 + (5 * quartic / R**4 - 3) / (8 * R**2)) / (4 * math.pi * R)
    near = tuple(slice(0, min(NEAR, len(o))) for o in offsets)
    static[near] = be.asarray(static_table())[near]
    kh = wavenumber * spacing_m
    x = kh * xp.where(origin, 0.0, R)
    half = xp.sin(0.5 * x)
    # exp(-jx) - 1 without cancellation; its limit over R at the origin is -jkh.
    dynamic = xp.where(origin, -1j * kh, (-2 * half * half - 1j * xp.sin(x)) / R) / (4 * math.pi)
    return (static + dynamic) * spacing_m**2


class Convolution:
    """The maps from currents on the edges of one box to fields on the edges of another one that holds it.

    Parameters
    ----------
    source : (int, int, int)
        Node shape of the box of the currents.
    target : (int, int, int)
        Node shape of the box of the fields.
    offset : (int, int, int)
        Where the first node of the source box lies in the target box.
    spacing_m : float
        Lattice spacing [m].
    wavenumber : float
        k [1/m].
    be : Backend
        Device.
    dtype : complex dtype
        Type of the computation.
    kernel : callable, optional
        Even function of three 1-D arrays of offsets in cells, which :meth:`potential` uses in place of S h^3.
    shared : Shared, optional
        Hands on the transform of S h^3.
    """

    def __init__(
        self,
        source: Shape,
        target: Shape,
        offset: Shape,
        spacing_m: float,
        wavenumber: float,
        be: Backend,
        dtype: Any,
        kernel: Callable[[tuple[Any, Any, Any]], Any] | None = None,
        shared: Shared | None = None,
    ) -> None:
        self.be, self.dtype = be, np.dtype(dtype)
        self.source, self.target, self.offset = tuple(source), tuple(target), tuple(offset)
        self.wavenumber, self.spacing_m = wavenumber, spacing_m
        self.big = padded_shape(source, target, offset, be)
        xp = be.xp
        self.green = from_shared(shared, lambda: self._key(kernel), lambda: self._transformed(kernel))
        self._work: tuple[Any, Any, Any] | None = None
        self._real = np.float32 if self.dtype == np.complex64 else np.float64
        self._kernels = be.kernels.load(__package__, "lattice", "float" if self.dtype == np.complex64 else "double")
        self.gradient = [
            ((xp.exp(2j * math.pi * xp.fft.fftfreq(b)) - 1) / spacing_m).astype(self.dtype) for b in self.big
        ]
        # Fields start at the target's first node: a shift of the sources by their offset, as a phase per axis.
        self._shift = [
            None if o == 0 else xp.exp(-2j * math.pi * xp.fft.fftfreq(b) * o).astype(self.dtype)
            for o, b in zip(self.offset, self.big, strict=True)
        ]

    def scattered(self, J: Any) -> Any:
        """(k^2 + G D) S J on the target, which is j w eps0 E_scattered, for J (port, 3, source) [A/m^2]."""
        return self._apply(J, self._dyadic)

    def potential(self, J: Any) -> Any:
        """S J = A / mu0 on the target [A/m] for J (port, 3, source) [A/m^2]."""
        return self._apply(J, self._scalar)

    def _key(self, kernel: Any) -> str | None:
        if kernel is not None:
            return None
        return key_of("green", self.big, self.spacing_m, self.wavenumber, str(self.dtype), self.be.name)

    def _transformed(self, kernel: Callable[[tuple[Any, Any, Any]], Any] | None) -> Any:
        """The Fourier transform of S h^3 on the padded grid, whole along z and half along x and y."""
        be, xp = self.be, self.be.xp
        offsets = tuple(xp.arange(b // 2 + 1) for b in self.big)
        S = green_function(offsets, self.spacing_m, self.wavenumber, be) if kernel is None else kernel(offsets)
        for axis in range(3):
            S = _even_fft(S, axis, be)
        # Even along every axis; whole along z, where the kernel runs through it.
        S = xp.concatenate([S, S[:, :, self.big[2] // 2 - 1 : 0 : -1]], axis=2)
        return xp.ascontiguousarray(S.astype(self.dtype))

    def _apply(self, J: Any, symbol: Any) -> Any:
        be, xp, ports = self.be, self.be.xp, len(J)
        (bx, by, bz), (sx, sy, sz), (tx, ty, tz) = self.big, self.source, self.target
        # Only lines that hold something are transformed: z on the source's columns, then y, then x by slabs. The work
        # happens in place in kept arrays: fresh ones of this size would cost as much in page faults as in arithmetic.
        work_z, work_y, work_x = self._workspace(ports)
        z = work_z[:, :, :sx, :sy]
        z[..., :sz] = J
        z[..., sz:] = 0
        z = self._forward(z, 4)
        y = work_y[:, :, :sx]
        y[:, :, :, :sy] = z
        y[:, :, :, sy:] = 0
        y = self._forward(y, 3)
        out = work_y[:, :, :tx]
        step = self._slab(ports)
        for low in range(0, by, step):
            cut = slice(low, min(low + step, by))
            shape = (ports, 3, bx, cut.stop - low, bz)
            x = work_x[: math.prod(shape)].reshape(shape)
            x[:, :, :sx] = y[:, :, :, cut]
            x[:, :, sx:] = 0
            # CuPy transforms along inner axes by way of a transposed view; the kernels want plain order.
            x = xp.ascontiguousarray(self._forward(x, 2))
            symbol(x, cut)
            out[:, :, :, cut] = be.ifftn(x, axes=(2,), overwrite_x=True)[:, :, :tx]
        y = be.ifftn(out, axes=(3,), overwrite_x=True)
        z = work_z[:, :, :tx, :ty]
        z[...] = y[:, :, :, :ty]
        return be.ifftn(z, axes=(4,), overwrite_x=True)[..., :tz].copy()

    def _workspace(self, ports: int) -> tuple[Any, Any, Any]:
        if self._work is None or len(self._work[0]) != ports:
            xp, (bx, by, bz) = self.be.xp, self.big
            nx, ny, _ = (max(s, t) for s, t in zip(self.source, self.target, strict=True))
            self._work = (
                xp.empty((ports, 3, nx, ny, bz), self.dtype),
                xp.empty((ports, 3, nx, by, bz), self.dtype),
                xp.empty(ports * 3 * bx * self._slab(ports) * bz, self.dtype),
            )
        return self._work

    def _forward(self, a: Any, axis: int) -> Any:
        a = self.be.fftn(a, axes=(axis,), overwrite_x=True)
        shift = self._shift[axis - 2]
        if shift is not None:
            a *= shift.reshape([-1 if i == axis else 1 for i in range(5)])
        return a

    def _slab(self, ports: int) -> int:
        row = ports * 3 * self.big[0] * self.big[2] * self.dtype.itemsize
        count = max(1, round(self.big[1] * row / CHUNK_BYTES[self.be.name]))
        return -(-self.big[1] // count)

    def _dyadic(self, a: Any, cut: slice) -> None:
        self._kernels.launch(
            "dyadic",
            self._extent(a),
            self.big[0],
            cut.start,
            self.big[1],
            self._real(self.wavenumber**2),
            self.green,
            *self.gradient,
            a,
        )

    def _scalar(self, a: Any, cut: slice) -> None:
        self._kernels.launch("scalar", self._extent(a), self.big[0], cut.start, self.big[1], self.green, a)

    @staticmethod
    def _extent(a: Any) -> tuple[int, int, int]:
        ports, _, nx, rows, nz = (int(n) for n in a.shape)
        return ports * nx, rows, nz


def padded_shape(source: Shape, target: Shape, offset: Shape, be: Backend) -> tuple[int, int, int]:
    """Even FFT lengths without wrap-around between the boxes of a :class:`Convolution`."""
    out = []
    for s, t, o in zip(source, target, offset, strict=True):
        # Largest offset in either direction; its image coincides with itself on a period of twice its value.
        length = max(2 * max(t - 1 - o, o + s - 1), 2)
        length = be.fft.next_fast_len(length)
        while length % 2:
            length = be.fft.next_fast_len(length + 1)
        out.append(int(length))
    return tuple(out)  # type: ignore[return-value]


def _even_fft(a: Any, axis: int, be: Backend) -> Any:
    """FFT along one axis of an even function given on half a period (m + 1 samples of 2 m), again as that half."""
    m = a.shape[axis] - 1
    inner = tuple(slice(m - 1, 0, -1) if i == axis else slice(None) for i in range(3))
    half = tuple(slice(0, m + 1) if i == axis else slice(None) for i in range(3))
    return be.fftn(be.xp.concatenate([a, a[inner]], axis=axis), axes=(axis,), overwrite_x=True)[half]
