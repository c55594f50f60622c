"""Savitzky-Golay kernels: local polynomial fits as linear filters, factored into one-dimensional passes and applied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from emdose.checks import one_of, whole
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.values import read_only

SHAPES = ("cross", "ellipsoid", "cuboid")
FUNCTIONALS = ("value", "dx", "dy", "dz", "laplacian")
"""What a fit can tell about the centre voxel; filters are rows in this order."""
CPU_STRIP = 64
"""Voxels along the last axis per call of the kernels on a CPU, as in window.cuh and local_fit.cuh."""


@read_only
@dataclass(frozen=True)
class SavitzkyGolay:
    """A polynomial fitted by least squares in a window of voxels, evaluated at the centre.

    Parameters
    ----------
    shape : {"cross", "ellipsoid", "cuboid"}
        Window: voxels on the three axes, within the ellipsoid of the radii, or all within the radii.
    radius : (int, int, int)
        Half-widths in voxels, not counting the centre. 0 along one axis: a window in a plane; nothing is taken to vary
        along that axis, and derivatives along it are 0.
    degree : int
        Total degree of the polynomial, at least 2.
    spacing_m : (float, float, float)
        Voxel size [m].
    centre : {"fit", "voxel"}
        What "value" is: the fitted polynomial at the centre, or the centre voxel itself.

    Notes
    -----
    With the coordinates scaled by the radii, the monomials phi_i of total degree <= degree and the design matrix
    A_ki = phi_i(k), the coefficients are pinv(A) b, and value, gradient and Laplacian are fixed linear combinations of
    them. Monomials that the window does not determine (x y on a cross) get the smallest coefficients, which leaves
    the others untouched by symmetry.
    Source: A. Savitzky and M. Golay, Anal. Chem. 36 (1964) 1627-1639; shapes as in EPTlib (A. Arduino, Appl. Sci. 11(7)
    (2021) 3237).

    Raises
    ------
    InputError
        For an unknown shape, bad radii or degree, or a window that does not determine the Laplacian.
    """

    shape: str
    radius: tuple[int, int, int]
    degree: int
    spacing_m: tuple[float, float, float]
    centre: str = "fit"

    def __post_init__(self) -> None:
        one_of("kernel", self.shape, SHAPES, problem="unknown kernel shape")
        object.__setattr__(self, "radius", radii(self.radius))
        one_of("centre", self.centre, ("fit", "voxel"), problem="unknown centre")
        whole("degree", self.degree, 2, 8, problem="bad polynomial degree")
        # One must be able to recover x^2 + y^2 + z^2 from the window: its Laplacian is 2/d^2 per axis.
        for axis in range(3):
            if not self.radius[axis]:
                continue
            x = self.offsets[:, axis] * self.spacing_m[axis]
            if abs(float(self.weights[4] @ x**2) - 2.0) > 1e-6:
                raise InputError(
                    "kernel too small for its degree",
                    field="radius",
                    found=self.radius,
                    expected="a window that determines all second derivatives",
                )

    @cached_property
    def offsets(self) -> np.ndarray:
        """Voxel offsets of the window, (k, 3) int, last axis fastest."""
        axes = [np.arange(-r, r + 1) for r in self.radius]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        if self.shape == "cross":
            return grid[np.count_nonzero(grid, axis=1) <= 1]
        if self.shape == "ellipsoid":
            return grid[((grid / self.reach) ** 2).sum(axis=1) <= 1 + 1e-12]
        return grid

    @cached_property
    def weights(self) -> np.ndarray:
        """Filter weights at the offsets for value, dx, dy, dz [1/m] and Laplacian [1/m^2], shape (5, k)."""
        exponents = monomials(self.degree)
        inverse = np.linalg.pinv(self.design, rcond=1e-10)
        out = functionals(exponents, self.radius, self.spacing_m) @ inverse
        if self.centre == "voxel":
            out[0] = np.all(self.offsets == 0, axis=1)
        return out

    @property
    def reach(self) -> np.ndarray:
        """Voxels by which coordinates are scaled: the half-widths, 1 where one is 0."""
        return np.maximum(self.radius, 1)

    @cached_property
    def live(self) -> np.ndarray:
        """Monomials without a power of a coordinate that the window does not extend along, (n,) bool."""
        return ~((monomials(self.degree) > 0) & (np.array(self.radius) == 0)).any(axis=1)

    @cached_property
    def design(self) -> np.ndarray:
        """Monomials of the scaled coordinates at the offsets, (k, n)."""
        x = self.offsets / self.reach
        return np.prod(x[:, None, :] ** monomials(self.degree)[None], axis=2)

    @cached_property
    def basis(self) -> np.ndarray:
        """Orthonormal rows that span the columns of the design matrix, (rank, k)."""
        u, s, _ = np.linalg.svd(self.design, full_matrices=False)
        return np.ascontiguousarray(u[:, s > 1e-10 * s[0]].T)

    @property
    def determined(self) -> bool:
        """Whether the window determines every coefficient of the polynomial (in its plane, when it is flat)."""
        return len(self.basis) == int(self.live.sum())

    def dense(self, weights: np.ndarray) -> np.ndarray:
        """Weights (f, k) at the offsets as arrays (f, 2 rx + 1, 2 ry + 1, 2 rz + 1)."""
        out = np.zeros((len(weights), *(2 * r + 1 for r in self.radius)))
        out[(slice(None), *(self.offsets + self.radius).T)] = weights
        return out

    def filters(self, rows: Sequence[int]) -> Factors:
        """Factored filters of some of the functionals."""
        return factor(self.dense(self.weights[list(rows)]))

    def products(self, rows: Sequence[int]) -> Factors:
        """Factored filters of the products w_i w_j for i <= j of some functionals: they carry variances."""
        pairs = [self.weights[i] * self.weights[j] for n, i in enumerate(rows) for j in list(rows)[n:]]
        return factor(self.dense(np.array(pairs)))

    @cached_property
    def truncation(self) -> tuple[float, float]:
        """Factors (laplacian [m^2], value [m^4]) of the isotropic truncation error.

        A solution of laplacian(b) = q b has the spherical mean b0 (1 + q r^2/6 + q^2 r^4/120 + ...), so that the fitted
        Laplacian of an isotropic field is off by q^2 b0 sum(w r^4)/120, and likewise the value.
        """
        r4 = ((self.offsets * self.spacing_m) ** 2).sum(axis=1) ** 2
        beyond = 0.0 if self.degree >= 4 else 1.0
        return beyond * float(self.weights[4] @ r4) / 120, beyond * float(self.weights[0] @ r4) / 120


@read_only
@dataclass(frozen=True, eq=False)
class Factors:
    """Filters as passes along z, y and x: (c, 1, nz), (r, c, ny) and (f, r, nx) taps."""

    z: np.ndarray
    y: np.ndarray
    x: np.ndarray


def factor(filters: np.ndarray, tolerance: float = 1e-13) -> Factors:
    """Write a stack of three-dimensional filters as sums of products of one-dimensional ones (tensor train).

    Parameters
    ----------
    filters : (f, nx, ny, nz) ndarray
        Dense filters.
    tolerance : float
        Singular values below this, relative to the largest, are rounding.
    """
    f, nx, ny, nz = filters.shape
    size = np.sqrt((filters**2).sum(axis=(1, 2, 3)))
    size[size == 0] = 1.0
    scaled = filters / size[:, None, None, None]
    rest, z = _split(scaled.reshape(-1, nz), tolerance)
    middle = rest.reshape(f, nx, ny, len(z)).transpose(0, 1, 3, 2).reshape(f * nx, len(z) * ny)
    rest, y = _split(middle, tolerance)
    x = rest.reshape(f, nx, len(y)).transpose(0, 2, 1) * size[:, None, None]
    return Factors(
        np.ascontiguousarray(z[:, None, :]),
        np.ascontiguousarray(y.reshape(len(y), len(z), ny)),
        np.ascontiguousarray(x),
    )


def _split(matrix: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    u, s, v = np.linalg.svd(matrix, full_matrices=False)
    rank = max(1, int(np.count_nonzero(s > tolerance * s[0])))
    return u[:, :rank] * s[:rank], v[:rank]


def radii(radius: int | Sequence[int]) -> tuple[int, int, int]:
    """Three half-widths from one or three integers, one of them 0 for a plane; raises InputError."""
    values = np.broadcast_to(np.asarray(radius), (3,)) if np.size(radius) in (1, 3) else np.zeros(0)
    flat = int(np.count_nonzero(values == 0))
    if values.size != 3 or values.dtype.kind not in "iu" or values.min() < 0 or flat > 1 or values.max() > 64:
        raise InputError(
            "bad kernel radius",
            field="radius",
            found=radius,
            expected="one or three integers 1 to 64 (0 along one axis for a plane)",
        )
    return int(values[0]), int(values[1]), int(values[2])


def radii_within(radius: int | Sequence[int], shape: Sequence[int]) -> tuple[int, int, int]:
    """Three half-widths for a grid: 0 along an axis with a single voxel; raises InputError."""
    values = radii(radius)
    return radii([0 if n == 1 else r for r, n in zip(values, shape, strict=True)])


@lru_cache(maxsize=32)
def monomials(degree: int) -> np.ndarray:
    """Exponents (n, 3) of the monomials of total degree <= degree: sorted by (a, b), then c = 0, 1, ..."""
    return np.array([(a, b, c) for a, b in pairs(degree) for c in range(degree - a - b + 1)])


@lru_cache(maxsize=32)
def pairs(degree: int) -> tuple[tuple[int, int], ...]:
    """Exponents (a, b) of x and y with a + b <= degree."""
    return tuple((a, b) for a in range(degree + 1) for b in range(degree + 1 - a))


def functionals(exponents: np.ndarray, radius: Sequence[int], spacing_m: Sequence[float]) -> np.ndarray:
    """Rows that turn coefficients of scaled monomials into value, dx, dy, dz, Laplacian at the centre, (5, n)."""
    out = np.zeros((len(FUNCTIONALS), len(exponents)))
    index = {tuple(int(v) for v in e): n for n, e in enumerate(exponents)}
    out[0, index[0, 0, 0]] = 1.0
    for axis in range(3):
        length = max(radius[axis], 1) * spacing_m[axis]
        one, two = [0, 0, 0], [0, 0, 0]
        one[axis], two[axis] = 1, 2
        out[1 + axis, index[one[0], one[1], one[2]]] = 1 / length
        out[4, index[two[0], two[1], two[2]]] = 2 / length**2
    return out


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
