"""Local polynomial fits that use only voxels of the same tissue: valid up to every boundary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from emdose.compute.backend import Backend
from emdose.ept.local.flat_fit import flat_fit
from emdose.ept.local.savitzky_golay import SavitzkyGolay, contract, functionals, monomials, pairs, strips
from emdose.errors import InputError, ResourceError

STRIP = 16
"""Voxels per call of local_fit.cuh on a CPU."""
PIVOT = 1e-7
"""Smallest part of a scaled column of the normal matrix that the other columns may leave unexplained."""


@dataclass(frozen=True, eq=False)
class LocalFit:
    """Fits in every voxel, as arrays of the device; NaN where there is none.

    Attributes
    ----------
    value : (channel, row, nx, ny, nz)
        The functionals that were asked for.
    gain : (noise or 1, row pair, nx, ny, nz)
        sum_k w_i w_j N over the window, with i <= j, for every noise map N; for unit noise when none was given.
    residual : (channel pair, nx, ny, nz) or None
        Sums of products of residuals.
    count : (nx, ny, nz)
        Voxels (sum of weights) in the fit, negative where they do not determine it.
    freedom : array or float
        Degrees of freedom of the residual.
    solution : (row, basis, nx, ny, nz) or None
        Coefficients of the filters, see :mod:`emdose.ept.local.kernels.local_fit`.
    mixed : (nx, ny, nz) bool array or None
        Plain windows that hold more than one label.
    """

    value: Any
    gain: Any
    residual: Any
    count: Any
    freedom: Any
    solution: Any = None
    mixed: Any = None


def masked_fit(
    be: Backend,
    kernel: SavitzkyGolay,
    rows: Sequence[int],
    images: Any,
    regions: np.ndarray,
    *,
    wanted: np.ndarray | None = None,
    noise: Any = None,
    reference: Any = None,
    contrast: float = 0.0,
    keep: bool = False,
) -> LocalFit:
    """Fit a polynomial to the neighbours that carry the same label as the centre.

    Cuboid windows: the moments of the mask, of the data and of the noise are filtered axis by axis for each label, at a
    cost that grows with the width of the window, not with its volume. Other windows, and soft weights, are summed
    neighbour by neighbour. The normal equations of every voxel are scaled to a unit diagonal and solved by Cholesky; a
    pivot below 1e-7, or fewer voxels than twice the number of coefficients (but no more than the window has), means
    that the neighbours do not determine the fit (a thin sheet, a crumb) and gives NaN.

    Parameters
    ----------
    be : Backend
        Device.
    kernel : SavitzkyGolay
        Window and degree (2 to 4).
    rows : sequence of int
        Functionals, see :data:`emdose.ept.local.savitzky_golay.FUNCTIONALS`.
    images : (channel, nx, ny, nz) float64 array of the device
        One or two real images, finite.
    regions : (nx, ny, nz) int32 ndarray
        Labels; 0 is background.
    wanted : (nx, ny, nz) bool ndarray, optional
        Voxels to fit; by default all with a label.
    noise : (n, nx, ny, nz) float64 array of the device, optional
        Up to three maps of (co)variances.
    reference : (nx, ny, nz) float64 array of the device, optional
        Image for soft weights.
    contrast : float
        Soft weights exp(-((ref - ref0) / min(ref, ref0) / contrast)^2); 0 for none.
    keep : bool
        Keep the filters (``solution``).
    """
    if kernel.degree > 4:
        raise InputError("masked fits go up to degree 4", field="degree", found=kernel.degree)
    if not kernel.determined:
        raise InputError(
            "this window does not determine a full polynomial",
            field="kernel",
            found=f"{kernel.shape} {kernel.radius} degree {kernel.degree}",
            expected="a larger window, or support 'window'",
        )
    wanted = regions > 0 if wanted is None else (wanted & (regions > 0))
    if 0 in kernel.radius:
        value, gain, residual, number, solution = flat_fit(
            be, kernel, rows, images, regions, wanted, noise, reference, contrast, PIVOT
        )
        return _shaped(kernel, rows, len(images), noise, value, gain, residual, number, solution if keep else None)
    basis, shape, count = len(monomials(kernel.degree)), regions.shape, len(rows)
    channels, noises = len(images), 0 if noise is None else len(noise)
    sizes = (channels * count, max(noises, 1) * count * (count + 1) // 2, channels * (channels + 1) // 2)
    value, gain, residual = (be.xp.full((n, *shape), np.nan) for n in sizes)
    number, solution = be.xp.zeros(shape), be.xp.zeros((count * basis if keep else 1, *(shape if keep else (1, 1, 1))))
    targets = be.asarray(functionals(monomials(kernel.degree), kernel.radius, kernel.spacing_m)[list(rows)])
    minimum = float(min(2 * basis, len(kernel.offsets)))
    fit = {
        "degree": kernel.degree,
        "channels": channels,
        "functionals": count,
        "noises": noises,
        "keep": int(keep),
        "pivot": PIVOT,
        "minimum": minimum,
        "targets": targets,
    }
    results = (value, gain, residual, number, solution)
    if kernel.shape == "cuboid" and contrast == 0:
        _by_moments(be, kernel, fit, images, regions, wanted, noise, results)
    else:
        _by_neighbours(be, kernel, fit, images, regions, wanted, noise, reference, contrast, results)
    return _shaped(kernel, rows, channels, noise, value, gain, residual, number, solution if keep else None)


def _shaped(
    kernel: SavitzkyGolay,
    rows: Sequence[int],
    channels: int,
    noise: Any,
    value: Any,
    gain: Any,
    residual: Any,
    number: Any,
    solution: Any,
) -> LocalFit:
    shape, count = number.shape, len(rows)
    return LocalFit(
        value.reshape(channels, count, *shape),
        gain.reshape(1 if noise is None else len(noise), -1, *shape),
        residual,
        number,
        (number - int(kernel.live.sum())).clip(1.0, None),
        None if solution is None else solution.reshape(count, -1, *shape),
    )


def _by_moments(
    be: Backend,
    kernel: SavitzkyGolay,
    fit: dict[str, Any],
    images: Any,
    regions: np.ndarray,
    wanted: np.ndarray,
    noise: Any,
    results: tuple[Any, ...],
) -> None:
    from scipy.ndimage import find_objects

    degree, r, noises = kernel.degree, kernel.radius, fit["noises"]
    taps = [(np.arange(-n, n + 1) / n)[None] ** np.arange(2 * degree + 1)[:, None] for n in r]
    module = be.kernels.load(__package__, "local_fit", real="double")
    _, ny, nz = regions.shape
    many, few = len(pairs(2 * degree)), len(pairs(degree))
    counts = {
        "mask": many,
        "data": len(images) * few,
        "square": len(images) * (len(images) + 1) // 2,
        "noise": max(noises * many, 1),
    }
    work = be.xp.empty(0)
    for label, box in enumerate(find_objects(regions), start=1):
        if box is None or not wanted[box].any():
            continue
        inside = regions[box] == label
        todo = be.asarray((wanted[box] & inside).astype(np.uint8))
        mask = be.asarray(inside.astype(np.float64))
        length, *plane = mask.shape
        start = [s.start for s in box]
        for low, high in slabs(be, length, math.prod(plane) * (sum(counts.values()) + 2 * degree + 8) * 8, r[0]):
            h0, h1 = max(low - r[0], 0), min(high + r[0], length)
            inner, shape = slice(low - h0, high - h0), (high - low, *plane)
            m = mask[h0:h1]
            at = (slice(start[0] + h0, start[0] + h1), box[1], box[2])
            data = [image[at] * m for image in images]
            voxels = math.prod(shape)
            if work.size < voxels * sum(counts.values()):
                work = be.xp.empty(voxels * sum(counts.values()))
            maps, position = {}, 0
            for name, number in counts.items():
                maps[name] = work[position : position + number * voxels].reshape(number, *shape)
                position += number * voxels
            _filter(be, m, inner, 2 * degree, taps, maps["mask"])
            for i, one in enumerate(data):
                _filter(be, one, inner, degree, taps, maps["data"][i * few : (i + 1) * few])
            for i, (j, k) in enumerate(combinations_with_replacement(range(len(data)), 2)):
                _filter(be, data[j] * data[k], inner, 0, taps, maps["square"][i : i + 1])
            for i in range(noises):
                _filter(be, noise[i][at] * m, inner, 2 * degree, taps, maps["noise"][i * many : (i + 1) * many])
            place = ((start[0] + low) * ny + start[1]) * nz + start[2]
            where = {"r": r[2], "place": place, "row": nz, "sheet": ny * nz, "total": regions.size}
            module.launch(
                "fit2" if degree == 2 else "fit4",
                (*shape[:2], strips(be, plane[1], STRIP)),
                {**fit, "size": plane[1]},
                {**where, "z": be.asarray(taps[2]), "use": be.xp.ascontiguousarray(todo[low:high]), **maps},
                *results,
            )


def slabs(be: Backend, length: int, plane_bytes: int, halo: int) -> list[tuple[int, int]]:
    """Parts of an axis whose working arrays (with a halo on both sides) take a modest share of the memory."""
    budget = max(min(be.memory_free_bytes() // 4, 2**28 if be.name == "cpu" else 2**34), 2**27)
    thick = min(length, budget // max(plane_bytes, 1) - 2 * halo)
    if thick < 1:
        raise ResourceError(
            f"one slab of the fit needs {plane_bytes * (2 * halo + 1) / 2**30:.1f} GiB; "
            "use a smaller kernel or crop the image"
        )
    parts = -(-length // thick)
    edges = np.linspace(0, length, parts + 1).round().astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges) if b > a]


def _filter(be: Backend, image: Any, inner: slice, degree: int, taps: list[np.ndarray], out: Any) -> None:
    """x^a y^b filtered maps for a + b <= degree, ordered by (a, b), for the planes ``inner`` of an image."""
    along_x = contract(be, image[None], taps[0][: degree + 1, None], 0)
    place = 0
    for a in range(degree + 1):
        count = degree + 1 - a
        contract(be, along_x[a : a + 1, inner], taps[1][:count, None], 1, out=out[place : place + count])
        place += count


def _by_neighbours(
    be: Backend,
    kernel: SavitzkyGolay,
    fit: dict[str, Any],
    images: Any,
    regions: np.ndarray,
    wanted: np.ndarray,
    noise: Any,
    reference: Any,
    contrast: float,
    results: tuple[Any, ...],
) -> None:
    degree = kernel.degree
    scaled = kernel.offsets / kernel.reach
    powers = np.concatenate(
        [np.prod(scaled[:, None, :] ** monomials(d)[None], axis=2) for d in (2 * degree, degree)], axis=1
    )
    # Negative labels: neighbours that count but are not fitted themselves.
    marked = np.where(wanted, regions, -regions).astype(np.int32)
    module = be.kernels.load(__package__, "local_fit", real="double")
    nx, ny, nz = regions.shape
    near = {
        "offsets": len(powers),
        "contrast": float(contrast),
        "offset": be.asarray(kernel.offsets.astype(np.int32)),
        "region": be.asarray(marked),
        "powers": be.asarray(powers),
        "reference": be.xp.zeros(1) if reference is None else reference,
        "data": be.xp.ascontiguousarray(images),
        "noise": be.xp.zeros(1) if noise is None else be.xp.ascontiguousarray(noise),
    }
    name = "gather2" if degree == 2 else "gather4"
    module.launch(name, (nx, ny, strips(be, nz, STRIP)), {**fit, "size": nz}, near, *results)
