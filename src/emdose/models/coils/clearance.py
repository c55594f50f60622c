"""Whether metal runs through a body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emdose.models.coils.conductors import Conductor, Solid
from emdose.models.coils.ideal import Shield, _body_index, _dilate, _sample, _tissue_name

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def conductor_points(conductors: Sequence[Conductor], step_m: float) -> list[np.ndarray]:
    """Points on every conductor, at most ``step_m`` apart, one (n, 3) array per conductor [m]."""
    out = []
    for c in conductors:
        if isinstance(c, Solid):
            out.append(_solid_points(c, step_m))
            continue
        parts = []
        for _, spine, across in c.sheets:
            along = _sample(np.stack([spine[:-1], spine[1:]], axis=1), step_m)
            side = across if len(across) == 1 else _sample(np.stack([across[:-1], across[1:]], axis=1), step_m)
            parts.append((along[:, None] + side[None]).reshape(-1, 3))
        out.append(np.concatenate(parts))
    return out


def first_in_body(points: np.ndarray, phantom: Phantom) -> str:
    """Where the first of the points (n, 3) [m] lies in the body, in words; empty when none does."""
    grid = phantom.grid
    hit = _body_index(points, grid.origin_m, grid.spacing_m, np.asarray(phantom.body, bool))
    return "" if hit is None else _place(hit[0], phantom, hit[1])


def near_body(points: np.ndarray, phantom: Phantom) -> bool:
    """Whether one of the points (n, 3) [m] is within one voxel of the body."""
    grid = phantom.grid
    origin = [o - s for o, s in zip(grid.origin_m, grid.spacing_m, strict=True)]
    return _body_index(points, origin, grid.spacing_m, _dilate(np.asarray(phantom.body, bool))) is not None


def shield_in_body(shield: Shield, phantom: Phantom) -> str:
    """Where a shield passes through the body, in words; empty when it does not."""
    x, y, z = phantom.grid.centre_points()
    shell = np.abs(np.hypot(x, y) - shield.radius_m) <= 0.75 * max(phantom.grid.spacing_m)
    cut = np.asarray(phantom.body, bool) & shell & (np.abs(z) <= 0.5 * shield.length_m)
    if not cut.any():
        return ""
    i = tuple(int(c) for c in np.argwhere(cut)[0])
    return _place(np.array([phantom.grid.centres(a)[i[a]] for a in range(3)]), phantom, i)


def _place(point: np.ndarray, phantom: Phantom, voxel: tuple[int, ...]) -> str:
    return f"({', '.join(f'{1e3 * c:.1f}' for c in point)}) mm, in {_tissue_name(phantom, voxel)}"


def _solid_points(solid: Solid, step_m: float) -> np.ndarray:
    axes = [
        np.linspace(a, b, max(2, int(np.ceil((b - a) / step_m)) + 1))
        for a, b in zip(solid.low_m, solid.high_m, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = np.broadcast_to(solid.inside(x, y, z), tuple(len(a) for a in axes))
    i, j, k = np.nonzero(inside)
    return np.stack([axes[0][i], axes[1][j], axes[2][k]], axis=1)
