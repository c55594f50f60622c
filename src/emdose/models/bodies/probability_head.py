"""A head from tissue probability maps of the brain, with layers added around it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emdose.checks import positive
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.bodies.resampling import overlap_weights, share_of
from emdose.models.bodies.tissues import AIR, TissueTable
from emdose.models.grids.grid import Grid

SHELLS = (("cerebrospinal_fluid", 2e-3), ("skull", 7e-3), ("fat", 4e-3), ("scalp", 3e-3))
"""Layers around the brain, from the inside outwards: tissue and thickness [m]. Round adult values."""


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

    The maps are averaged over the new voxels. A voxel is brain where the probabilities add up to ``threshold``; it
    takes the likeliest tissue. Holes of the brain and gaps narrower than two voxels (ventricles, fissures) become
    ``fill``. Every shell follows the distance from that solid and is at least one voxel thick, so it has no holes.
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
    thickness = [max(t, spacing_m) for _, t in shells]
    coarse = _cover(grid, spacing_m, sum(thickness) + 2 * spacing_m)
    weights = [overlap_weights(grid, coarse, a) for a in range(3)]
    shares = np.stack([share_of(m, weights) for m in maps.values()])
    brain = shares.sum(axis=0) >= threshold
    if not brain.any():
        raise InputError("no voxel is brain", field="maps", expected=f"total probability of at least {threshold:g}")
    parts, _ = ndimage.label(brain)
    brain = parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1
    solid = ndimage.binary_fill_holes(ndimage.binary_closing(brain, iterations=2)) | brain

    names = [*maps, fill, *(s for s, _ in shells)]
    order = list(dict.fromkeys(names))
    labels = np.zeros(coarse.shape, np.uint8)
    depth = ndimage.distance_transform_edt(~solid, sampling=spacing_m) - 0.5 * spacing_m
    edges = np.cumsum([0.0, *thickness])
    for (tissue, _), low, high in zip(shells, edges[:-1], edges[1:], strict=True):
        labels[(depth > low) & (depth <= high + 1e-9) & ~solid] = order.index(tissue) + 1
    labels[solid] = order.index(fill) + 1
    labels[brain] = 1 + np.array([order.index(n) for n in maps], np.uint8)[np.argmax(shares, axis=0)[brain]]
    tissues = (AIR, *(table[n] for n in order))
    return Phantom(coarse, labels, tissues, name, {}, source).compact().crop_to_body(1)


def _cover(grid: Grid, spacing: float, margin: float) -> Grid:
    """Cubic voxels around ``grid`` and a margin [m], with a node at the isocentre."""
    low = [math.floor((a - margin) / spacing) for a in grid.bounds_m[0]]
    high = [math.ceil((b + margin) / spacing) for b in grid.bounds_m[1]]
    shape = tuple(b - a for a, b in zip(low, high, strict=True))
    if math.prod(shape) > 2**29:
        raise InputError("grid too large", field="spacing_m", found=spacing, expected="at most 2^29 voxels")
    return Grid(shape, (spacing,) * 3, tuple(a * spacing for a in low))  # type: ignore[arg-type]
