"""The local step of gradient EPT: the equations of all channels, solved voxel by voxel."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from emdose.ept.local.savitzky_golay import SavitzkyGolay
from emdose.ept.maps.b1map import B1Map

SILENT = 1e-4
CONDITION = 1e-10
"""Local systems whose squared condition is worse give no value."""
LEAST_SHARE, LEAST_VOXELS = 0.4, 6
"""What of a window must lie inside the mask for a slope of grad(phi0)."""
TOGETHER = 50_000
"""Voxels whose systems are held in memory at a time."""


@dataclass(frozen=True, eq=False)
class LocalStep:
    """Result of the local step: ln eps_c, its gradients, and their standard deviations, NaN where there are none."""

    k: np.ndarray
    g: np.ndarray
    g_z: np.ndarray
    u_k: np.ndarray
    u_g: np.ndarray
    u_gz: np.ndarray
    u_theta: np.ndarray
    """The part of u_k that is of theta: without that of the phase phi0."""
    left_out: float | None = None
    """What slices leave out, the term of dz B, over w^2 mu0 |eps_c|; None of a volume, or where no window tells."""

    def part(self, place: Any) -> LocalStep:
        """The same on a part of the grid."""
        return LocalStep(*(getattr(self, f.name)[place] for f in fields(self) if f.name != "left_out"))


def relative_fields(b1: B1Map) -> np.ndarray:
    """The channels with a reference phase taken off that is the same for all, 0 outside the mask.

    Reference is the sum of the channels, aligned so that they add up. Any phase would do; this one is strong nearly
    everywhere, and the noise of any channel has a small part in it.
    """
    assert b1.mask is not None
    field = np.where(b1.mask, b1.magnitude * np.exp(1j * np.where(b1.mask, b1.phase, 0)), 0)  # type: ignore[operator,arg-type]
    relative = field * field[0].conj()
    total = np.tensordot(np.exp(-1j * np.angle(relative.sum(axis=(1, 2, 3)))), field, axes=1)
    return field * (total / np.where(total == 0, 1, np.abs(total))).conj()


def weights(b1: B1Map, wanted: np.ndarray) -> np.ndarray:
    """Weight (channel, voxel) of the equations: one over the noise of the channel, in any unit."""
    magnitude = b1.magnitude[:, wanted]  # type: ignore[index]
    if b1.u_magnitude is None and b1.u_phase is None:
        return np.ones(magnitude.shape)
    variance = np.zeros(magnitude.shape)
    for u, factor in ((b1.u_magnitude, 1.0), (b1.u_phase, magnitude)):
        if u is not None:
            variance = variance + (factor * np.broadcast_to(u, b1.grid.shape)[wanted]) ** 2
    with np.errstate(divide="ignore"):
        weight = 1 / np.sqrt(variance)
    return np.where(np.isfinite(weight), weight / np.median(weight), 0.0)


def solve_local(values: np.ndarray, weight: np.ndarray, volume: bool) -> tuple[np.ndarray, np.ndarray]:
    """Unknowns (voxel, n) theta, g, dx phi0, dy phi0, c = g_z - 2 j dz phi0 as real numbers; variances by residuals."""
    parts = [slice(i, i + TOGETHER) for i in range(0, values.shape[2], TOGETHER)]
    x, gain, residual = (
        np.concatenate(found)
        for found in zip(*(_local_systems(values[..., p], weight[:, p], volume) for p in parts), strict=True)
    )
    ok = np.isfinite(x).all(axis=1)
    # few degrees of freedom: a lucky voxel must not count without bound
    residual = np.maximum(residual, 0.1 * np.median(residual[ok])) if ok.any() else residual
    return x, residual[:, None] * gain


def _local_systems(values: np.ndarray, weight: np.ndarray, volume: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The unknowns, their variances for a residual of one (inf: not spoken of, NaN: no value), and the residuals."""
    b, dx, dy, dz, lap = (values[:, r].T * weight.T for r in range(5))  # (voxel, channel)
    slope = dx - 1j * dy
    columns = [b, 1j * b, slope, 1j * slope, -2j * dx, -2j * dy]
    if volume:
        # Im g_z and -2 dz phi0 multiply the same field: one unknown, c = g_z - 2 j dz phi0.
        columns += [dz, 1j * dz]
    a = np.stack(columns, axis=-1)
    a = np.concatenate([a.real, a.imag], axis=1)
    rhs = np.concatenate([lap.real, lap.imag], axis=1)
    ok = np.isfinite(a).all(axis=(1, 2)) & np.isfinite(rhs).all(axis=1)
    a[~ok], rhs[~ok] = 0, 0
    scale = np.sqrt((a**2).sum(axis=1))
    # Fields that do not vary along z say nothing about changes along z: those unknowns stay 0, with no weight.
    silent = np.zeros(scale.shape, bool)
    silent[:, 6:] = scale[:, 6:] < SILENT * scale[:, 2:3]
    ok &= (scale[:, :6] > 0).all(axis=1)
    scale[(scale == 0) | silent] = 1
    a = np.where(silent[:, None], 0, a / scale[:, None])
    normal = np.einsum("vri,vrj->vij", a, a)
    n = normal.shape[-1]
    normal += np.einsum("vi,ij->vij", silent, np.eye(n))
    ok &= np.linalg.eigvalsh(normal)[:, 0] > CONDITION
    normal[~ok] = np.eye(n)
    inverse = np.linalg.inv(normal)
    x = np.einsum("vij,vrj,vr->vi", inverse, a, rhs)
    residual = ((rhs - np.einsum("vri,vi->vr", a, x)) ** 2).sum(axis=1) / (a.shape[1] - n)
    gain = np.einsum("vii->vi", inverse) / scale**2
    x, gain = x / scale, np.where(ok[:, None], np.where(silent, np.inf, gain), np.nan)
    x[~ok] = np.nan
    return x, gain, residual


def left_out_by_slices(values: np.ndarray, weight: np.ndarray, square: np.ndarray) -> float:
    """What a slice leaves out of Maxwell's equations: c dz B over w^2 mu0 eps_c B, both typical, less its noise.

    Parameters
    ----------
    values, weight : ndarray, shapes (channel, 5, voxel), (channel, voxel)
        Fits of the channels, as :func:`solve_local` takes them.
    square : ndarray of complex, shape (voxel,)
        w^2 mu0 eps_c [1/m^2].
    """
    x, variance = solve_local(values, weight, True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (np.abs(values[:, 3]) ** 2).sum(axis=0) / (np.abs(values[:, 0]) ** 2).sum(axis=0)
        # Where the fields do not vary along z, c is not known and nothing is left out.
        noise = np.where(np.isinf(variance[:, 6:]), 0, variance[:, 6:]).sum(axis=1) * share
        term = (x[:, 6:] ** 2).sum(axis=1) * share
    told = np.isfinite(term) & np.isfinite(noise) & np.isfinite(square)
    if not told.any():
        return 0.0
    # The square of pure noise has a median of 0.7 times its mean: what is left beyond the mean is field.
    beyond = max(float(np.median(term[told]) - np.median(noise[told])), 0.0)
    return float(np.sqrt(beyond) / np.median(np.abs(square[told])))


def divergence(
    kernel: SavitzkyGolay, slope: np.ndarray, wanted: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Divergence of grad(phi0) by planes fitted to its components, in the slice (two) or in the volume (three).

    Also its variance by the scatter around the planes, which grows where a window lies across a boundary.
    """
    good = np.isfinite(slope).all(axis=1)
    inside = np.zeros(wanted.shape, bool)
    inside[wanted] = good
    total, variance = np.zeros(len(slope)), np.zeros(len(slope))
    for axis in range(slope.shape[1]):
        image = np.zeros(wanted.shape)
        image[wanted] = np.where(good, slope[:, axis], 0)
        one, scatter = _first_derivative(image, inside, axis, kernel, slope.shape[1])
        total += one[wanted]
        variance += scatter[wanted]
    return total, variance, np.isfinite(total) & good


def _first_derivative(
    image: np.ndarray, mask: np.ndarray, axis: int, kernel: SavitzkyGolay, dimensions: int
) -> tuple[np.ndarray, np.ndarray]:
    """First derivative by a plane fitted in the window, where most of it lies inside the mask, and its variance."""
    from scipy.ndimage import correlate1d

    axes = [a for a in range(dimensions) if kernel.radius[a] > 0]
    out, variance = np.full((2, *image.shape), np.nan)
    if axis not in axes:
        out[mask] = variance[mask] = 0
        return out, variance
    powers = [(0, 0, 0), *(tuple(int(a == b) for b in range(3)) for a in axes)]

    def moment(values: np.ndarray, power: Any) -> np.ndarray:
        for a in range(dimensions):
            r = kernel.radius[a]
            values = correlate1d(values, np.arange(-r, r + 1.0) ** power[a], axis=a, mode="constant")
        return values

    inside = mask.astype(float)
    normal = np.stack([np.stack([moment(inside, np.add(p, q)) for q in powers], -1) for p in powers], -2)
    count = normal[..., 0, 0]
    full = float(np.prod([2 * kernel.radius[a] + 1 for a in range(dimensions)]))
    ok = mask & (count >= max(LEAST_SHARE * full, LEAST_VOXELS))
    # From a common level: the residual is a difference of squares.
    level = float(np.median(image[mask])) if mask.any() else 0.0
    values = np.where(mask, image - level, 0)
    rhs = np.stack([moment(values, p) for p in powers], -1)[ok]
    inverse = np.linalg.inv(normal[ok] + 1e-12 * np.eye(len(powers)))
    found = np.einsum("vij,vj->vi", inverse, rhs)
    rest = np.maximum(moment(values**2, powers[0])[ok] - (found * rhs).sum(axis=1), 0) / (count[ok] - len(powers))
    this = 1 + axes.index(axis)
    out[ok] = found[:, this] / kernel.spacing_m[axis]
    variance[ok] = rest * inverse[:, this, this] / kernel.spacing_m[axis] ** 2
    return out, variance
