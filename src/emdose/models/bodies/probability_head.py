"""A head from tissue probability maps of the brain, with layers added around it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emdose.checks import positive
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.resampling import overlap_weights, resample_onto, share_of
from emdose.models.bodies.tissues import AIR, TissueTable
from emdose.models.grids.grid import Grid

SHELLS = (("cerebrospinal_fluid", 2e-3), ("skull", 7e-3), ("fat", 4e-3), ("scalp", 3e-3))
"""Layers around the brain, from the inside outwards: tissue and thickness [m]. Round adult values."""

FINE_M = 1.5e-3
"""Largest edge of the voxels that the layers are made on [m]."""

GAP_M = 8e-3
"""Width of gaps of the brain that are filled [m]."""


def from_probability_maps(
    maps: Mapping[str, np.ndarray],
    grid: Grid,
    *,
    spacing_m: float = 4e-3,
    fill: str = "cerebrospinal_fluid",
    shells: Sequence[tuple[str, float]] = SHELLS,
    threshold: float = 0.5,
    name: str = "head from maps",
    source: str = "",
) -> Phantom:
    """A closed head around a brain that is given by probabilities, such as the MNI152 maps.

    The head is made on voxels of 1.5 mm, or of ``spacing_m`` where that is finer, and then shared out to the
    new ones, so that every tissue keeps its mass whatever their size (see :meth:`Phantom.resample`). A fine voxel is
    brain where the probabilities add up to ``threshold``; it takes the likeliest tissue. Holes of the brain and gaps
    narrower than 8 mm (ventricles, fissures) become ``fill``. Every shell follows the distance from that solid.
    Templates without face and neck give a head without face and neck.

    Parameters
    ----------
    maps : mapping of str to (nx, ny, nz) ndarray
        Probability (0 to 1) of each tissue, by the tissue's name.
    grid : Grid
        Where the maps are.
    spacing_m : float
        Edge of the new cubic voxels [m].
    fill : str
        Tissue of ventricles and fissures.
    shells : sequence of (str, float)
        Tissue and thickness [m] of the layers, from the inside outwards.
    threshold : float
        Least total probability of brain.
    name, source : str
        As for :class:`Phantom`.

    Raises
    ------
    InputError
        When the maps do not fit the grid, hold values outside 0 to 1, or no voxel is brain.
    """
    from scipy import ndimage

    table = TissueTable.default()
    for key, values in maps.items():
        if values.shape != grid.shape:
            raise InputError("map does not fit the grid", field=key, found=values.shape, expected=str(grid.shape))
        if not np.all(np.isfinite(values)) or values.min() < 0 or values.max() > 1 + 1e-6:
            raise InputError(
                "not a probability map",
                field=key,
                found=(float(values.min()), float(values.max())),
                expected="values from 0 to 1",
            )
    if not maps:
        raise InputError("no probability maps", field="maps", expected="at least one tissue")
    positive("spacing_m", spacing_m, problem="bad voxel size", expected="metres > 0")
    fine_m = min(FINE_M, spacing_m)
    fine = _cover(grid, fine_m, sum(t for _, t in shells) + 2 * max(spacing_m, fine_m))
    weights = [overlap_weights(grid, fine, a) for a in range(3)]
    likeliest = np.zeros(fine.shape, np.uint8)
    best, total = np.zeros(fine.shape, np.float32), np.zeros(fine.shape, np.float32)
    for i, values in enumerate(maps.values(), 1):
        share = share_of(values, weights)
        likeliest[share > best] = i
        np.maximum(best, share, out=best)
        total += share
    brain = total >= threshold
    if not brain.any():
        raise InputError("no voxel is brain", field="maps", expected=f"total probability of at least {threshold:g}")
    parts, _ = ndimage.label(brain)
    brain = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    away = ndimage.distance_transform_edt(~brain, sampling=fine_m)
    grown = ndimage.distance_transform_edt(away <= 0.5 * GAP_M, sampling=fine_m)
    parts, _ = ndimage.label(~((grown > 0.5 * GAP_M) | brain))
    solid = parts != parts[0, 0, 0]  # what is not reached from outside is a hole

    names = [*maps, fill, *(s for s, _ in shells)]
    order = list(dict.fromkeys(names))
    labels = np.zeros(fine.shape, np.uint8)
    depth = ndimage.distance_transform_edt(~solid, sampling=fine_m) - 0.5 * fine_m
    edges = np.cumsum([0.0, *(t for _, t in shells)])
    for (tissue, _), low, high in zip(shells, edges[:-1], edges[1:], strict=True):
        labels[(depth > low - 1e-9) & (depth <= high - 1e-9) & ~solid] = order.index(tissue) + 1
    labels[solid] = order.index(fill) + 1
    labels[brain] = np.array([0, *(order.index(n) + 1 for n in maps)], np.uint8)[likeliest[brain]]
    tissues = (AIR, *(table[n] for n in order))
    made = Phantom(fine, labels, tissues, name, {}, source).compact()
    return resample_onto(made, _cover(grid, spacing_m, edges[-1] + 2 * spacing_m)).crop_to_body(1)


def _cover(grid: Grid, spacing: float, margin: float) -> Grid:
    """Cubic voxels around ``grid`` and a margin [m], with a node at the isocentre."""
    low = [math.floor((a - margin) / spacing) for a in grid.bounds_m[0]]
    high = [math.ceil((b + margin) / spacing) for b in grid.bounds_m[1]]
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    if math.prod(shape) > 2**29:
        raise InputError("grid too large", field="spacing_m", found=spacing, expected="at most 2^29 voxels")
    return Grid(shape, (spacing,) * 3, tuple(a * spacing for a in low))  # type: ignore[arg-type]
