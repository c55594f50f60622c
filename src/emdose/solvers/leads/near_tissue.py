r"""Where the tissue is in which a wire leaves the power that cells do not resolve.

Between two equipotentials the current that leaves a wire deposits power in proportion to the drop of potential, so
points that are even in the potential stand for equal shares of it. Around a wire that goes on the field is that of a
line, 1 / r, and ln(r) is even. Around an end it is that of a line of charge of length 2 h,

.. math:: \phi \propto \ln\frac{u + h}{u - h}, \qquad z = u v, \qquad \varrho^2 = (u^2 - h^2)(1 - v^2)

on confocal spheroids u with field lines v, even in v; for a short contact that is a point, 1 / r^2, of power r^-4.
The tissues at the points share by their conductivity.

Source: J. D. Jackson, Classical Electrodynamics, 3rd ed., Wiley 1999; the spheroids of a charged line are elementary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.models.grids.grid import Grid
from emdose.models.leads import Lead

REACH = 0.6
"""Radius within which cells do not resolve the field of a wire, in cells; see docs/theory/thin_wires.md."""
_ALONG, _OUT, _ROUND = 8, 10, 12
"""Points along a piece, in potential, and around it."""


@dataclass(frozen=True, eq=False)
class NearTissue:
    """Shares of voxels in the power of the parts of a wire, whose shares sum to 1.

    Parameters
    ----------
    voxel : (m, 3) int ndarray
        Voxels.
    part : (m,) int ndarray
        Parts of the wire.
    share : (m,) float ndarray
        Shares.
    """

    voxel: np.ndarray
    part: np.ndarray
    share: np.ndarray


def near_tissue(
    lead: Lead, pieces_m: np.ndarray, radius_m: np.ndarray, grid: Grid, conductivity: np.ndarray, cell_m: float
) -> NearTissue:
    """Shares of voxels in the power beside pieces of a lead.

    Parameters
    ----------
    lead : Lead
        The lead, whose path lies in the grid.
    pieces_m : (n, 2) ndarray
        Where every piece begins and ends, from the tip along the path; a piece without length has no share [m].
    radius_m : (n,) ndarray
        Radius at which the tissue begins [m].
    grid : Grid
        Voxels.
    conductivity : (nx, ny, nz) ndarray
        Of the tissue, 0 where there is none [S/m].
    cell_m : float
        Edge of the cells that the rest of the field is on [m].
    """
    total, voxels, parts, shares = lead.length_m, [], [], []
    for n, ((low, high), inner) in enumerate(zip(pieces_m, radius_m, strict=True)):
        if high - low <= 1e-12 * total:
            continue
        ends = low <= 1e-9 * total or high >= (1 - 1e-9) * total
        points = _points(lead, float(low), float(high), float(inner), max(REACH * cell_m, 1.5 * float(inner)), ends)
        at = np.floor((points - np.array(grid.origin_m)) / np.array(grid.spacing_m)).astype(int)
        at = at.clip(0, np.array(grid.shape) - 1)
        weight = conductivity[tuple(at.T)].astype(float)
        if not weight.sum() > 0:  # no point in tissue that conducts: the nearest that does
            there = np.argwhere(conductivity > 0)
            apart = np.array(grid.origin_m) + (there + 0.5) * np.array(grid.spacing_m) - points.mean(0)
            at, weight = there[[int((apart**2).sum(1).argmin())]], np.ones(1)
        flat, inverse = np.unique(np.ravel_multi_index(tuple(at.T), grid.shape), return_inverse=True)
        sums = np.bincount(inverse.ravel(), weight)
        some = sums > 0
        voxels.append(np.stack(np.unravel_index(flat[some], grid.shape), axis=1))
        parts.append(np.full(int(some.sum()), n))
        shares.append(sums[some] / sums.sum())
    return NearTissue(np.concatenate(voxels), np.concatenate(parts), np.concatenate(shares))


def _points(lead: Lead, low: float, high: float, inner: float, outer: float, ends: bool) -> np.ndarray:
    """Points (q, 3) of equal power beside a piece."""
    t, p, angle = np.meshgrid(_middles(_ALONG), _middles(_OUT), 2 * np.pi * _middles(_ROUND), indexing="ij")
    t, p, angle = t.ravel(), p.ravel(), angle.ravel()
    angle = angle + np.pi / _ROUND * (np.arange(len(angle)) // _ROUND % 2)
    if ends:
        h, v = 0.5 * (high - low), 2 * t - 1
        first, last = (np.log((u + h) / (u - h)) for u in (np.hypot(h, inner), np.hypot(h, outer)))
        u = h / np.tanh(0.5 * (first + p * (last - first)))
        along, across = 0.5 * (low + high) + u * v, np.sqrt((u**2 - h**2) * (1 - v**2))
    else:
        along, across = low + t * (high - low), inner * (outer / inner) ** p
    axis = np.clip(along, low, high)
    step = 1e-3 * (high - low)
    ahead, behind = (lead.points_at(np.clip(axis + d, 0, lead.length_m)) for d in (step, -step))
    tangent = ahead - behind
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    other = np.eye(3)[np.abs(tangent).argmin(1)]
    first_normal = np.cross(tangent, other)
    first_normal /= np.linalg.norm(first_normal, axis=1, keepdims=True)
    second_normal = np.cross(tangent, first_normal)
    beside = np.cos(angle)[:, None] * first_normal + np.sin(angle)[:, None] * second_normal
    return np.asarray(lead.points_at(axis) + (along - axis)[:, None] * tangent + across[:, None] * beside)


def _middles(n: int) -> np.ndarray:
    return (np.arange(n) + 0.5) / n
