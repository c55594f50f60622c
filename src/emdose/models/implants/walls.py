"""Walls of an implant: how thick they are, and whether voxels are fine enough for them."""

from __future__ import annotations

import warnings

import numpy as np

from emdose.compute import backend
from emdose.errors import EmdoseWarning, InputError
from emdose.models.grids.grid import Vector
from emdose.models.implants.implant import Implant

THINNEST = 0.02
"""Part of the surface whose walls may be thinner than the "thinnest wall": sharp edges are no walls."""
PARALLEL = 0.8
"""Least cosine between the sides of a wall."""
SLACK = 0.02
"""Walls may be that much thinner than voxels would like: facets are not exact."""
RAYS = 512


def wall_thickness(implant: Implant, rays: int = RAYS) -> list[tuple[np.ndarray, np.ndarray]]:
    """The metal below points of the surface of every part: the points (n, 3) and the ways through the wall (n, 3) [m].

    ``rays`` points spread evenly over the area of each part look straight inwards to where the part ends; it is a wall
    where both its sides are parallel to 37 degrees, so that sharp edges do not count.
    """
    kernels = backend.get("cpu").kernels.load(__package__, "triangles", "double")
    found = []
    for part in implant.parts:
        middle = part.vertices.mean(0)
        corners = np.ascontiguousarray(part.corners - middle)
        cumulative = np.cumsum(part.areas_m2)
        n = np.arange(rays) + 0.5
        picked = np.searchsorted(cumulative, n / rays * cumulative[-1]).clip(max=len(corners) - 1)
        # Points of a low-discrepancy sequence in the triangles; those beyond the diagonal are folded back.
        u, v = (n * 0.7548776662466927) % 1, (n * 0.5698402909980532) % 1
        u, v = np.where(u + v > 1, 1 - u, u)[:, None], np.where(u + v > 1, 1 - v, v)[:, None]
        a, b, c = corners[picked].transpose(1, 0, 2)
        origin = np.ascontiguousarray(a + u * (b - a) + v * (c - a))
        inwards = np.ascontiguousarray(-part.normals[picked])
        distance, which = np.empty(rays), np.empty(rays, np.int32)
        least = 1e-9 * float(np.ptp(corners.reshape(-1, 3), axis=0).max())
        kernels.launch("first_hits", rays, origin, inwards, len(corners), corners, least, distance, which)
        hit = (which >= 0) & ((part.normals[which] * inwards).sum(1) > PARALLEL)
        found.append((origin[hit] + middle, inwards[hit] * distance[hit, None]))
    return found


def check_wall_thickness(implant: Implant, spacing_m: Vector) -> None:
    """Refuse voxels larger than the thinnest wall of a part, and warn where less than two lie across it.

    Raises
    ------
    InputError
        When voxels are larger than the thinnest wall.
    """
    for part, (_, ways) in zip(implant.parts, wall_thickness(implant), strict=True):
        if not len(ways):
            continue
        cells = np.linalg.norm(ways / np.array(spacing_m), axis=1)
        order = np.argsort(cells)
        thin = order[int(THINNEST * len(order))]
        across, wall = float(cells[thin]), float(np.linalg.norm(ways[thin]))
        if across < 1 - SLACK:
            expected = f"at most {wall * 1e3:.3g} mm, the wall of '{part.name}', or better half"
            raise InputError(
                "step coarser than the thinnest wall", field="spacing_m", found=_size_text(spacing_m), expected=expected
            )
        if across < 2 * (1 - SLACK):
            text = f"{part.name}: only {across:.1f} voxels across its thinnest wall of {wall * 1e3:.3g} mm"
            warnings.warn(text, EmdoseWarning, stacklevel=4)


def _size_text(spacing_m: Vector) -> str:
    return " x ".join(f"{s * 1e3:.4g}" for s in spacing_m) + " mm"
