"""The maps of a run for viewers that know no kind: of one run, or of several side by side on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.models.grids.grid import Grid
from emdose.report.colours import colour_of
from emdose.report.maps.volumes import BUDGET_BYTES, Layer, colour_table, pack
from emdose.report.wording import words

SIGNED = "RdBu_r"
"""Colours of differences."""


@dataclass(frozen=True, eq=False)
class MapSet:
    """Maps on one grid.

    Parameters
    ----------
    grid : Grid
        Of labels and maps.
    labels : (nx, ny, nz) integer ndarray
        What every voxel is, 0 for the background, of which nothing is drawn.
    names : mapping of int to str
        Names of the labels.
    layers : sequence of Layer
        The maps.
    first : str
        Key of the map to begin with; the first one where it is empty.
    """

    grid: Grid
    labels: np.ndarray
    names: Mapping[int, str]
    layers: Sequence[Layer]
    first: str = ""


def single(maps: MapSet) -> dict[str, Any]:
    """What ``viewer.js`` shows, JSON-ready."""
    volume, present = pack(maps.grid, maps.labels, maps.layers)
    volume["tissues"] = [
        {"name": words(str(maps.names.get(int(label), label))), "colour": colour_of(n)}
        for n, label in enumerate(present)
    ]
    volume["colour_tables"] = {name: colour_table(name) for name in sorted({m.colours for m in maps.layers})}
    volume["first"] = maps.first or maps.layers[0].key
    return volume


def beside(sets: Sequence[MapSet]) -> dict[str, Any] | None:
    """What ``compare.js`` shows, JSON-ready: the maps that all have, each with one scale; None where they share none.

    Parameters
    ----------
    sets : sequence of MapSet
        Of each run. Where there are two whose grids and labels agree, the viewer shows the differences as well.
    """
    first = sets[0]
    keys = [m.key for m in first.layers if all(any(m.key == other.key for other in s.layers) for s in sets)]
    if not keys:
        return None
    sides, tops = [], []
    for maps in sets:
        layers = [next(layer for layer in maps.layers if layer.key == key) for key in keys]
        volume, _ = pack(maps.grid, maps.labels, layers, BUDGET_BYTES // len(sets))
        volume["colour_tables"] = {}
        sides.append(volume)
        tops.append([_top(layer, entry) for layer, entry in zip(layers, volume["maps"], strict=True)])
    return {
        "sides": sides,
        "tops": [max(each) for each in zip(*tops, strict=True)],
        "same": len(sets) == 2 and same_grid(*sets),
        "first": keys.index(first.first if first.first in keys else keys[0]),
        "signed": SIGNED,
        "colour_tables": {n: colour_table(n) for n in sorted({m["colours"] for m in sides[0]["maps"]} | {SIGNED})},
    }


def same_grid(a: MapSet, b: MapSet) -> bool:
    """Whether the voxels of both are the same, and hold the same body."""
    alike = a.grid.shape == b.grid.shape and np.allclose(
        [*a.grid.spacing_m, *a.grid.origin_m], [*b.grid.spacing_m, *b.grid.origin_m], rtol=0, atol=1e-9
    )
    return bool(alike) and np.array_equal(a.labels != 0, b.labels != 0)


def _top(layer: Layer, entry: Mapping[str, Any]) -> float:
    if layer.top is not None:
        return layer.top * layer.factor
    return entry["peak"]["value"] if entry["peak"] else 0.0
