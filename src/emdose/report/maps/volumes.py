"""Voxel maps as compact text that a page can carry: cropped to the body, 16 bits, labels as runs, base64."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.models.grids.grid import Grid

LONGEST_RUN = 65535
LEVELS = 65534
"""Largest code of a quantised value; the step is the map's maximum over this number."""

NO_VALUE = 65535
"""Code of a body voxel without a finite value."""

BUDGET_BYTES = 2_900_000
"""Bytes of all maps above which blocks of voxels are drawn as one: in base64 they leave a page below 5 MB."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A real map to draw.

    Parameters
    ----------
    key, title, unit : str
        Identifier in the page, tab text and display unit.
    value : (nx, ny, nz) float ndarray
        The map in SI units; only body voxels are drawn.
    factor : float
        Display units per SI unit.
    colours : str
        Name of the matplotlib colour map.
    decibels : float
        Decibels per factor of ten: 10 for a power such as SAR, 20 for a field.
    note : str
        What the value means, in one sentence.
    top : float, optional
        Where colours end beside another run [SI units]; by default at the peak.
    """

    key: str
    title: str
    unit: str
    value: np.ndarray
    factor: float = 1.0
    colours: str = "inferno"
    decibels: float = 10.0
    note: str = ""
    top: float | None = None


@dataclass(frozen=True)
class MapPeak:
    """Where a map is largest in the body.

    Parameters
    ----------
    value : float
        The largest finite value [display unit of its map].
    index : (int, int, int)
        Voxel of the phantom's grid.
    position_m : (float, float, float)
        Centre of that voxel [m].
    """

    value: float
    index: tuple[int, int, int]
    position_m: tuple[float, float, float]


def find_peak(value: np.ndarray, body: np.ndarray, grid: Grid, factor: float = 1.0) -> MapPeak | None:
    """Largest finite value in the body; None when there is none.

    Parameters
    ----------
    value : (nx, ny, nz) float ndarray
        The map.
    body : (nx, ny, nz) bool ndarray
        Voxels to look at.
    grid : Grid
        Their grid.
    factor : float
        Display units per unit of ``value``.
    """
    searched = np.where(body & np.isfinite(value), value, -np.inf)
    flat = int(np.argmax(searched))
    top = float(searched.flat[flat])
    if not math.isfinite(top):
        return None
    index = tuple(int(i) for i in np.unravel_index(flat, grid.shape))
    position = tuple(float(grid.centres(a)[index[a]]) for a in range(3))
    return MapPeak(top * factor, index, position)  # type: ignore[arg-type]


def body_box(body: np.ndarray, margin: int = 1) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Low (included) and high (excluded) corner of the voxels that are True, with a margin inside the grid."""
    low, high = [], []
    for axis in range(3):
        used = np.flatnonzero(body.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = (int(used[0]), int(used[-1])) if used.size else (0, body.shape[axis] - 1)
        low.append(max(first - margin, 0))
        high.append(min(last + 1 + margin, body.shape[axis]))
    return tuple(low), tuple(high)  # type: ignore[return-value]


def quantise(value: np.ndarray) -> tuple[np.ndarray, float]:
    """Codes 0 to LEVELS of non-negative values, and the step between two codes.

    The error of a finite value is at most half a step, which is max(value) / (2 LEVELS). Values that are not
    finite get NO_VALUE; negative ones 0.

    Parameters
    ----------
    value : ndarray
        Any real values.
    """
    value = np.asarray(value, float)
    finite = np.isfinite(value)
    top = float(value[finite].max()) if finite.any() else 0.0
    step = top / LEVELS if top > 0 else 1.0
    codes = np.full(value.shape, NO_VALUE, "<u2")
    codes[finite] = np.clip(np.rint(value[finite] / step), 0, LEVELS).astype("<u2")
    return codes, step


def pack(
    grid: Grid, labels: np.ndarray, layers: Sequence[Layer], budget_bytes: int = BUDGET_BYTES
) -> tuple[dict[str, Any], np.ndarray]:
    """The maps of a body as JSON-ready data for the page's viewer.

    The box around the body is kept. Labels are stored for every voxel of the box, values only for those of the body, in
    C order. When the values exceed the budget, blocks of f x f x f voxels become one that shows the largest.

    Parameters
    ----------
    grid : Grid
        Grid of the phantom.
    labels : (nx, ny, nz) integer ndarray
        Tissue labels, 0 for the background.
    layers : sequence of Layer
        Maps to embed.
    budget_bytes : int
        Most bytes of all maps together.

    Returns
    -------
    dict
        ``shape``, ``spacing_mm``, ``origin_mm``, ``block``, ``label_runs`` and ``maps``.
    ndarray
        The phantom's labels that are present, without the background, in the order of the codes 1, 2, ...
    """
    body = labels != 0
    low, high = body_box(body)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    cut = labels[box]
    present, codes = _numbered(cut)
    if present.size and present[0] == 0:
        present = present[1:]
    else:
        codes = codes + 1
    block, small = 1, codes
    while 2 * max(len(layers), 1) * int(np.count_nonzero(small)) > budget_bytes and max(small.shape) > 1:
        block += 1
        small = _block_labels(codes, block)
    inside = small != 0
    maps = []
    for layer in layers:
        values = np.where(body[box], layer.value[box], np.nan) * layer.factor
        data, step = quantise(_block_max(values, block)[inside])
        peak = find_peak(layer.value, body, grid, layer.factor)
        maps.append(
            {
                "key": layer.key,
                "title": layer.title,
                "unit": layer.unit,
                "note": layer.note,
                "colours": layer.colours,
                "decibels": layer.decibels,
                "step": step,
                "peak": None
                if peak is None
                else {"value": peak.value, "mm": [round(1e3 * p, 4) for p in peak.position_m]},
                "data": _base64(data),
            }
        )
    cropped = grid.crop(low, high)
    volume = {
        "shape": list(small.shape),
        "spacing_mm": [1e3 * s * block for s in grid.spacing_m],
        "origin_mm": [1e3 * o for o in cropped.origin_m],
        "block": block,
        "label_runs": runs(small),
        "maps": maps,
    }
    return volume, present


def runs(codes: np.ndarray) -> str:
    """Integers below 65536 in C order as runs: pairs of a number and how often it follows, 16 bits each, base64."""
    flat = np.asarray(codes).ravel()
    starts = np.flatnonzero(np.diff(flat.astype(np.int64), prepend=-1))
    lengths = np.diff(starts, append=flat.size)
    parts = -(-lengths // LONGEST_RUN)  # long runs in parts
    pairs = np.zeros((int(parts.sum()), 2), "<u2")
    pairs[:, 0] = np.repeat(flat[starts], parts)
    pairs[:, 1] = LONGEST_RUN
    pairs[np.cumsum(parts) - 1, 1] = lengths - (parts - 1) * LONGEST_RUN
    return _base64(pairs)


def colour_table(name: str) -> str:
    """256 RGB colours of a matplotlib colour map, base64 of 768 bytes."""
    from matplotlib import colormaps

    return _base64(colormaps[name](np.arange(256), bytes=True)[:, :3])


def _numbered(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels that are present, in order, and for every voxel which of them it is, counted from 0."""
    present = np.unique(labels)
    if labels.dtype.kind == "u" and labels.dtype.itemsize <= 2:
        table = np.zeros(2 ** (8 * labels.dtype.itemsize), np.uint16)
        table[present] = np.arange(len(present))
        return present, table[labels]
    return present, np.searchsorted(present, labels)


def _block_max(value: np.ndarray, block: int) -> np.ndarray:
    """Largest finite value of every block of voxels; NaN where there is none."""
    if block == 1:
        return value
    parts = _blocks(np.where(np.isfinite(value), value, -np.inf), block, -np.inf).max(axis=(1, 3, 5))
    return np.where(np.isfinite(parts), parts, np.nan)


def _block_labels(codes: np.ndarray, block: int) -> np.ndarray:
    """Code of every block: that of its middle voxel, or of any tissue in it when the middle is background."""
    if block == 1:
        return codes
    parts = _blocks(codes, block, 0)
    middle = parts[:, block // 2, :, block // 2, :, block // 2]
    return np.where(middle != 0, middle, parts.max(axis=(1, 3, 5)))


def _blocks(a: np.ndarray, block: int, fill: float) -> np.ndarray:
    pad = [(0, -n % block) for n in a.shape]
    a = np.pad(a, pad, constant_values=fill)
    nx, ny, nz = (n // block for n in a.shape)
    return a.reshape(nx, block, ny, block, nz, block)


def _base64(a: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(a).tobytes()).decode("ascii")
