"""Smooth closed surfaces around the tissues of a voxel body, kept apart from each other.

The signed distance of the voxels of a tissue and all that it encloses is smoothed, its level chosen such that the
volume stays, limited to lie within the surface around it by a gap, and triangulated by dual contouring.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emdose.checks import metres, not_negative, unknown
from emdose.errors import EmdoseWarning, InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.tissues import Tissue
from emdose.models.implants.dual_contour import triangulate

SMALLEST = 8.0
"""Parts and holes below this many cubes of the triangles' size are dropped."""
MARGIN = 4


def surfaces(
    phantom: Phantom,
    tissues: Sequence[str] | Mapping[str, Sequence[str]] | None,
    size_m: float | None,
    gap_m: float | None,
    smoothing_m: float | None,
) -> tuple[list[tuple[str, np.ndarray, np.ndarray, Tissue]], dict[str, Any]]:
    """Name, vertices, triangles and tissue of every surface, and what was done to make them.

    Parameters and errors are those of :meth:`emdose.models.surfaces.body.SurfaceBody.from_phantom`.
    """
    spacing = np.asarray(phantom.spacing_m)
    size = metres("size_m", 2 * float(spacing.max()) if size_m is None else size_m)
    gap = not_negative("gap_m", 0.5 * size if gap_m is None else gap_m)
    smoothing = not_negative("smoothing_m", float(spacing.max()) if smoothing_m is None else smoothing_m)
    levels = _levels(phantom, tissues)
    padded = phantom.crop_to_body(MARGIN + int(np.ceil(2 * size / spacing.min())))
    low = np.asarray(padded.grid.origin_m)
    high = low + spacing * padded.grid.shape
    found: list[tuple[str, np.ndarray, np.ndarray, Tissue]] = []
    report: dict[str, Any] = {}
    around: Any = None
    for name, labels in levels:
        mask, dropped, filled = _tidy(np.isin(padded.labels, labels), size, padded.grid.voxel_volume_m3)
        if not mask.any():
            raise InputError(
                "tissue has no part that triangles of this size can enclose",
                field="size_m",
                found=f"{name}, {1e3 * size:.3g} mm",
                expected="smaller triangles",
            )
        distance = _Distance(_smooth_distance(mask, spacing, smoothing), low, spacing, around, gap)
        vertices, triangles = triangulate(distance, low, high, size)
        found.append((name, vertices, triangles, padded.tissues[_label(phantom, name)]))
        corners = vertices[triangles]
        volume = float(np.einsum("tc,tc->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)
        report[name] = {
            "voxels_m3": float(np.isin(padded.labels, labels).sum() * padded.grid.voxel_volume_m3),
            "volume_m3": volume,
            "dropped_parts": dropped,
            "filled_holes": filled,
            "triangles": len(triangles),
        }
        if dropped or filled:
            warnings.warn(
                f"{phantom.name}: {name}: dropped {dropped} parts and filled {filled} holes smaller than "
                f"{SMALLEST:g} cubes of {1e3 * size:.3g} mm",
                EmdoseWarning,
                stacklevel=4,
            )
        around = distance
    return found, report


class _Distance:
    """Smoothed signed distance between voxel centres, at least a gap within the one around it."""

    def __init__(self, values: np.ndarray, low: np.ndarray, spacing: np.ndarray, around: Any, gap: float) -> None:
        from scipy import ndimage

        self._spline, self._low, self._spacing = ndimage.spline_filter(values, order=3), low, spacing
        self._around, self._gap = around, gap

    def __call__(self, points: np.ndarray) -> np.ndarray:
        from scipy import ndimage

        at = (points - self._low) / self._spacing - 0.5
        found = ndimage.map_coordinates(self._spline, at.T, order=3, mode="nearest", prefilter=False)
        return found if self._around is None else np.maximum(found, self._around(points) + self._gap)


def _levels(
    phantom: Phantom, tissues: Sequence[str] | Mapping[str, Sequence[str]] | None
) -> list[tuple[str, np.ndarray]]:
    """Names, and the labels that their surfaces enclose, from the outermost."""
    counts = np.bincount(phantom.labels.ravel(), minlength=len(phantom.tissues))
    present = [t.name for t in phantom.tissues]
    if tissues is None:
        tissues = [present[1 + int(np.argmax(counts[1:]))]]
    groups = dict(tissues) if isinstance(tissues, Mapping) else {name: (name,) for name in tissues}
    if not groups:
        raise InputError("no tissue named", field="tissues", expected="from the outermost to the innermost")
    for name in {*groups, *(n for members in groups.values() for n in members)}:
        if name not in present[1:]:
            raise unknown("tissue not in this phantom", name, present[1:], field="tissues")
    named = {n for members in groups.values() for n in members} | set(groups)
    rest = [present[k] for k in np.flatnonzero(counts[1:]) + 1 if present[k] not in named]
    if rest and len(groups) > 1:
        warnings.warn(
            f"{phantom.name}: tissues that are not named count as {next(iter(groups))}: {', '.join(rest)}",
            EmdoseWarning,
            stacklevel=5,
        )
    inner = [np.array([present.index(n) for n in members]) for members in groups.values()]
    found = [(next(iter(groups)), np.arange(1, len(present)))]
    found += [(name, np.concatenate(inner[k:])) for k, name in enumerate(groups) if k]
    return found


def _label(phantom: Phantom, name: str) -> int:
    return [t.name for t in phantom.tissues].index(name)


def _tidy(mask: np.ndarray, size: float, voxel: float) -> tuple[np.ndarray, int, int]:
    """A mask without its small parts and small holes, and how many there were."""
    from scipy import ndimage

    changed = []
    for flip in (False, True):
        label, count = ndimage.label(mask != flip)
        small = np.bincount(label.ravel(), minlength=count + 1) * voxel < SMALLEST * size**3
        small[0] = False
        mask = np.where(small[label], flip, mask)
        changed.append(int(small.sum()))
    return mask, changed[0], changed[1]


def _smooth_distance(mask: np.ndarray, spacing: np.ndarray, smoothing: float) -> np.ndarray:
    """Signed distance from the surface of a mask [m], smoothed, with a level that keeps the volume."""
    from scipy import ndimage

    outside = ndimage.distance_transform_edt(~mask, sampling=spacing)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing)
    distance = np.where(mask, 0.5 * spacing.min() - inside, outside - 0.5 * spacing.min())
    smooth = ndimage.gaussian_filter(distance, smoothing / spacing) if smoothing > 0 else distance
    count = int(mask.sum())
    level = 0.5 * float(np.partition(smooth.ravel(), [count - 1, count])[count - 1 : count + 1].sum())
    return np.asarray(smooth - level)
