"""Whether the metal of a coil runs through a body."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.models.coils.conductors import Conductor, SolidConductor
from emdose.models.coils.cylinder import Shield

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom


def require_clear(name: str, points: np.ndarray, shield: Shield | None, phantom: Phantom) -> None:
    """Make sure that no metal of a coil lies in the body.

    Parameters
    ----------
    name : str
        Name of the coil.
    points : (n, 3) ndarray
        Points on its conductors, less than half a voxel apart [m].
    shield : Shield or None
        Its shield.
    phantom : Phantom
        The body.

    Raises
    ------
    InputError
        When a point or the shield lies in a body voxel; the text names the place.

    Warns
    -----
    EmdoseWarning
        When a point is within one voxel of the body.
    """
    grid, body = phantom.grid, np.asarray(phantom.body, bool)
    hit = _body_index(points, grid.origin_m, grid.spacing_m, body)
    if hit is not None:
        raise InputError(
            f"conductor of {name!r} runs through the body at {_place(*hit, phantom)}",
            field="coil",
            expected="conductors outside the body (larger radius, or move the phantom)",
        )
    if shield is not None:
        text = shield_in_body(shield, phantom)
        if text:
            raise InputError(
                f"the shield of {name!r} runs through the body at {text}",
                field="shield_radius_m",
                found=shield.radius_m,
                expected="a shield outside the body",
            )
    around = [o - s for o, s in zip(grid.origin_m, grid.spacing_m, strict=True)]
    if _body_index(points, around, grid.spacing_m, _dilate(body)) is not None:
        warnings.warn(
            f"a conductor of {name!r} is closer to the body than one voxel ({1e3 * min(grid.spacing_m):g} mm): "
            "its near field is not resolved there; use a smaller spacing or more distance",
            EmdoseWarning,
            stacklevel=3,
        )


def conductor_points(conductors: Sequence[Conductor], step_m: float) -> list[np.ndarray]:
    """Points on every conductor, at most ``step_m`` apart, one (n, 3) array per conductor [m]."""
    out = []
    for c in conductors:
        if isinstance(c, SolidConductor):
            out.append(_solid_points(c, step_m))
            continue
        parts = []
        for _, spine, across in c.sheets:
            along = points_along(np.stack([spine[:-1], spine[1:]], axis=1), step_m)
            side = across if len(across) == 1 else points_along(np.stack([across[:-1], across[1:]], axis=1), step_m)
            parts.append((along[:, None] + side[None]).reshape(-1, 3))
        out.append(np.concatenate(parts))
    return out


def shield_in_body(shield: Shield, phantom: Phantom) -> str:
    """Where a shield passes through the body, in words; empty when it does not."""
    x, y, z = (p - c for p, c in zip(phantom.grid.centre_points(), shield.centre_m, strict=True))
    shell = np.abs(np.hypot(x, y) - shield.radius_m) <= 0.75 * max(phantom.grid.spacing_m)
    cut = np.asarray(phantom.body, bool) & shell & (np.abs(z) <= 0.5 * shield.length_m)
    if not cut.any():
        return ""
    i = tuple(int(c) for c in np.argwhere(cut)[0])
    return _place(np.array([phantom.grid.centres(a)[i[a]] for a in range(3)]), i, phantom)


def points_along(segments: np.ndarray, step_m: float) -> np.ndarray:
    """Points along every segment (n, 2, 3) [m], at most ``step_m`` apart, (m, 3)."""
    length = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1)
    count = np.maximum(2, np.ceil(length / step_m).astype(int) + 1)
    which = np.repeat(np.arange(len(segments)), count)
    first = np.concatenate([[0], np.cumsum(count)[:-1]])
    s = (np.arange(len(which)) - first[which]) / (count[which] - 1)
    return segments[which, 0] + s[:, None] * (segments[which, 1] - segments[which, 0])


def _body_index(
    points: np.ndarray, origin: Sequence[float], spacing: Sequence[float], mask: np.ndarray
) -> tuple[np.ndarray, tuple[int, ...]] | None:
    """The first point in a True voxel of ``mask`` and that voxel, or None."""
    index = np.floor((points - np.asarray(origin)) / np.asarray(spacing)).astype(np.int64)
    inside = np.flatnonzero(np.all((index >= 0) & (index < mask.shape), axis=1))
    hit = inside[mask[tuple(index[inside].T)]]
    return None if not len(hit) else (points[hit[0]], tuple(int(i) for i in index[hit[0]]))


def _dilate(mask: np.ndarray) -> np.ndarray:
    """The mask grown by one voxel in every direction, on a grid one voxel larger on every side."""
    grown = np.pad(mask, 1)
    for axis in range(3):
        a = np.moveaxis(grown, axis, 0)
        b = a.copy()
        b[1:] |= a[:-1]
        b[:-1] |= a[1:]
        grown = np.moveaxis(b, 0, axis)
    return grown


def _place(point: np.ndarray, voxel: tuple[int, ...], phantom: Phantom) -> str:
    """A point of the body in words: where, and in which tissue."""
    tissue = phantom.tissues[int(phantom.labels[voxel])].name
    return f"({', '.join(f'{1e3 * c:.1f}' for c in point)}) mm, in {tissue}"


def _solid_points(solid: SolidConductor, step_m: float) -> np.ndarray:
    axes = [
        np.linspace(a, b, max(2, int(np.ceil((b - a) / step_m)) + 1))
        for a, b in zip(solid.low_m, solid.high_m, strict=True)
    ]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside = np.broadcast_to(solid.inside(x, y, z), tuple(len(a) for a in axes))
    i, j, k = np.nonzero(inside)
    return np.stack([axes[0][i], axes[1][j], axes[2][k]], axis=1)
