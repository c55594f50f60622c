"""Filters on property maps: medians and means over neighbours, within tissues, weighted by uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import fits, one_of
from emdose.ept.local.adjoint import FitPropagation
from emdose.ept.local.savitzky_golay import SHAPES, radii
from emdose.ept.maps.property_map import NoisePropagation, PropertyMap
from emdose.errors import InputError
from emdose.values import read_only

_CHUNK = 2**25


def median(
    maps: PropertyMap,
    radius: int | Sequence[int] = 1,
    kernel: str = "cuboid",
    labels: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    contrast: float = 0.1,
) -> PropertyMap:
    """Median over the valid neighbours.

    Parameters
    ----------
    maps : PropertyMap
        What to filter; voxels without a value keep none.
    radius : int or three
        Half-widths of the window in voxels.
    kernel : {"cuboid", "ellipsoid", "cross"}
        Shape of the window.
    labels : (nx, ny, nz) int ndarray, optional
        Only neighbours with the label of the centre count.
    reference : (nx, ny, nz) ndarray, optional
        Only neighbours with abs(ref - ref0) <= contrast min(ref, ref0) count (anatomical median, as in EPTlib).
    contrast : float
        Threshold for the reference image.

    Returns
    -------
    PropertyMap
        Without uncertainty: that of a median of correlated values does not follow from theirs.
    """
    window = _Window(maps, radius, kernel, labels, reference, contrast)
    changes: dict[str, Any] = {name: _median(values, window) for name, values in _properties(maps).items()}
    return replace(
        maps,
        **_none() | changes,
        method=f"{maps.method}, median",
        settings={**maps.settings, "filter": f"median {kernel} {window.radius}"},
    )


def weighted_mean(
    maps: PropertyMap,
    radius: int | Sequence[int] = 1,
    kernel: str = "cuboid",
    labels: np.ndarray | None = None,
    reference: np.ndarray | None = None,
    contrast: float = 0.1,
) -> PropertyMap:
    """Mean over the valid neighbours weighted by 1 / u^2; parameters as in :func:`median`.

    Returns
    -------
    PropertyMap
        Its :meth:`~emdose.ept.maps.property_map.PropertyMap.region_mean` propagates the noise through both filters
        exactly (for fixed weights). The uncertainty of single voxels takes the correlation between neighbours from an
        uncut window; where that is not known, neighbours count as fully correlated, which is an upper bound. The
        covariance of the two properties is not carried per voxel.

    Raises
    ------
    InputError
        When the map has no uncertainty.
    """
    if maps.u_conductivity is None and maps.u_permittivity is None:
        raise InputError("weights need an uncertainty", expected="a map reconstructed with uncertainty")
    window = _Window(maps, radius, kernel, labels, reference, contrast)
    correlation = _correlation(maps.propagation, window.offsets)
    changes = _none()
    weights = {}
    for name, values in _properties(maps).items():
        u = getattr(maps, f"u_{name}")
        with np.errstate(divide="ignore", invalid="ignore"):
            weight = np.where(maps.valid & np.isfinite(values) & np.isfinite(u) & (u > 0), 1 / u**2, 0.0)
        total, mean = np.zeros(maps.grid.shape), np.zeros(maps.grid.shape)
        bias = getattr(maps, f"bias_{name}")
        shifted = np.zeros(maps.grid.shape)
        for centre, there, same in window.pairs():
            w = weight[there] * same
            total[centre] += w
            mean[centre] += w * np.nan_to_num(values[there])
            if bias is not None:
                shifted[centre] += w * np.nan_to_num(bias[there])
        some = maps.valid & (total > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            changes[name] = np.where(some, mean / total, np.where(maps.valid, values, np.nan))
            if bias is not None:
                changes[f"bias_{name}"] = np.where(some, shifted / total, np.nan)
        changes[f"u_{name}"] = np.where(some, _mean_uncertainty(window, weight, u, total, correlation), np.nan)
        weights[name] = (weight, total)
    if maps.propagation is not None:
        changes["propagation"] = MeanPropagation(maps.propagation, window, weights)
    return replace(
        maps,
        **changes,
        method=f"{maps.method}, weighted mean",
        settings={**maps.settings, "filter": f"weighted mean {kernel} {window.radius}"},
    )


class _Window:
    """Neighbours that belong together."""

    def __init__(
        self,
        maps: PropertyMap,
        radius: int | Sequence[int],
        kernel: str,
        labels: np.ndarray | None,
        reference: np.ndarray | None,
        contrast: float,
    ) -> None:
        one_of("kernel", kernel, SHAPES, problem="unknown kernel shape")
        self.radius, self.valid, self.contrast = radii(radius), maps.valid, contrast
        for name, image in (("labels", labels), ("reference", reference)):
            if image is not None:
                fits(name, image, maps.grid.shape, problem="image does not fit the map")
        self.labels = None if labels is None else np.asarray(labels)
        self.reference = None if reference is None else np.nan_to_num(np.asarray(reference, float))
        axes = [np.arange(-r, r + 1) for r in self.radius]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = {
            "cuboid": np.ones(len(grid), bool),
            "cross": np.count_nonzero(grid, axis=1) <= 1,
            "ellipsoid": ((grid / np.array(self.radius)) ** 2).sum(axis=1) <= 1 + 1e-12,
        }[kernel]
        self.offsets = grid[inside]

    def pairs(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], np.ndarray]]:
        """For every offset: slices of the centres, of their neighbours, and which of them count."""
        for step in self.offsets:
            centre = tuple(slice(max(-s, 0), n - max(s, 0)) for s, n in zip(step, self.valid.shape, strict=True))
            there = tuple(slice(max(s, 0), n - max(-s, 0)) for s, n in zip(step, self.valid.shape, strict=True))
            same = self.valid[centre] & self.valid[there]
            if self.labels is not None:
                same &= self.labels[centre] == self.labels[there]
            if self.reference is not None:
                near, far = self.reference[centre], self.reference[there]
                same &= np.abs(far - near) <= self.contrast * np.minimum(near, far)
            yield centre, there, same


def _properties(maps: PropertyMap) -> dict[str, np.ndarray]:
    return {n: v for n in ("conductivity", "permittivity") if (v := getattr(maps, n)) is not None}


def _none() -> dict[str, Any]:
    return dict.fromkeys(
        ("u_conductivity", "u_permittivity", "covariance", "bias_conductivity", "bias_permittivity", "propagation")
    )


def _median(values: np.ndarray, window: _Window) -> np.ndarray:
    out = np.full(values.shape, np.nan)
    thick = max(1, _CHUNK // (len(window.offsets) * max(values[0].size, 1)))
    for low in range(0, values.shape[0], thick):
        high = min(low + thick, values.shape[0])
        stack = np.full((len(window.offsets), high - low, *values.shape[1:]), np.nan)
        for n, (centre, there, same) in enumerate(window.pairs()):
            first, last = max(low, centre[0].start), min(high, centre[0].stop)
            if first >= last:
                continue
            rows = slice(first - centre[0].start, last - centre[0].start)
            part = np.where(same[rows], values[there][rows], np.nan)
            stack[n, first - low : last - low, centre[1], centre[2]] = part
        some = np.isfinite(stack).any(axis=0)
        out[low:high][some] = np.nanmedian(stack[:, some], axis=0)
    return np.where(window.valid, out, np.nan)


def _correlation(propagation: NoisePropagation | None, offsets: np.ndarray) -> np.ndarray:
    """Correlation of the values at two offsets of the window, from the Laplacian of an uncut fit."""
    if not isinstance(propagation, FitPropagation):
        return np.ones((len(offsets), len(offsets)))
    kernel = propagation.method.savitzky_golay(propagation.b1.grid.spacing_m)
    dense = kernel.dense(kernel.weights[4:5])[0]
    size = [2 * n for n in dense.shape]
    spectrum = np.abs(np.fft.rfftn(dense, size, axes=(0, 1, 2))) ** 2
    auto = np.fft.irfftn(spectrum, size, axes=(0, 1, 2))
    auto /= auto[0, 0, 0]
    apart = offsets[:, None, :] - offsets[None, :, :]
    near = np.all(np.abs(apart) < np.array(dense.shape), axis=-1)
    return np.where(near, auto[tuple(np.moveaxis(np.where(near[..., None], apart, 0), -1, 0))], 0.0)


def _mean_uncertainty(
    window: _Window, weight: np.ndarray, u: np.ndarray, total: np.ndarray, correlation: np.ndarray
) -> np.ndarray:
    """sqrt(t' C t) with t = weight u / total of the neighbours, from the leading eigenvectors of the correlation C."""
    values, vectors = np.linalg.eigh(correlation)
    keep = values > 1e-4 * values[-1]
    factors = vectors[:, keep] * np.sqrt(values[keep])
    spread = np.where(weight > 0, weight * np.nan_to_num(u), 0.0)
    out = np.zeros(weight.shape)
    for column in factors.T:
        part = np.zeros(weight.shape)
        for c, (centre, there, same) in zip(column, window.pairs(), strict=True):
            part[centre] += c * spread[there] * same
        out += part**2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(out) / total


@read_only
@dataclass(frozen=True, eq=False)
class MeanPropagation:
    """Noise propagation through a weighted mean: the adjoint of the mean, then that of the reconstruction.

    Parameters
    ----------
    inner : NoisePropagation
        Of the map that was filtered.
    window : object
        Its neighbours.
    weights : dict
        Weights and their sums per quantity.
    """

    inner: NoisePropagation
    window: _Window
    weights: dict[str, tuple[np.ndarray, np.ndarray]]

    def _back(self, name: str, weights: np.ndarray) -> np.ndarray:
        weight, total = self.weights[name]
        out = np.zeros(weights.shape)
        share = np.where(total > 0, weights / np.where(total > 0, total, 1.0), 0.0)
        for centre, there, same in self.window.pairs():
            out[there] += share[centre] * weight[there] * same
        return out

    def sum_covariance(self, weights: np.ndarray) -> np.ndarray:
        """Covariance (2, 2) of sum_v weights_v (sigma_v, eps_v).

        The two means have different weights; their covariance is the symmetric part (by polarisation).
        """
        back = {name: self._back(name, weights) for name in self.weights}
        parts = {name: self.inner.sum_covariance(b) for name, b in back.items()}
        if len(parts) == 1:
            return next(iter(parts.values()))
        one, two = parts["conductivity"], parts["permittivity"]
        both = self.inner.sum_covariance(back["conductivity"] + back["permittivity"])
        cross = 0.5 * (both[0, 1] - one[0, 1] - two[0, 1])
        return np.array([[one[0, 0], cross], [cross, two[1, 1]]])
