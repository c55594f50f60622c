"""Strips and sheets of any course, as rows of cells along it: strips with mitred corners, sheets moved along."""

from __future__ import annotations

import itertools

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.conductors import Plate, Sheet, Strip
from emdose.solvers.mom.meshing.grids import across_lines, along_lines
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import JOIN, MeshPiece
from emdose.solvers.mom.meshing.wires import CORNER_DEG, lengths_along


def swept(
    conductor: Strip | Sheet | Plate, stations: np.ndarray, longest_m: float, options: MeshOptions, free_m: float = 0.0
) -> tuple[MeshPiece, np.ndarray]:
    """Cells of a strip or sheet along its spine, and the edges (k, cells across, 2) at each station.

    Parameters
    ----------
    conductor : Strip, Sheet or Plate
        The metal.
    stations : (k,) ndarray
        Lengths along it at which gaps cut it [m].
    longest_m : float
        Longest cell [m].
    options : MeshOptions
        How finely.
    free_m : float
        Cells along strips may be this long, however narrow these are [m].

    Raises
    ------
    InputError
        When a strip is wider than the pieces between its corners allow.
    """
    if isinstance(conductor, Strip):
        rows = _mitred(conductor, stations, longest_m, free_m, options)
    else:
        rows = _moved(conductor, stations, longest_m, options)
    lengths, points = rows
    count, wide = points.shape[:2]
    number = np.arange(count * wide).reshape(count, wide)
    if np.linalg.norm(points[-1] - points[0], axis=1).max() <= JOIN * np.ptp(points.reshape(-1, 3), axis=0).max():
        number[-1] = number[0]  # a closed strip
    i, j = (k.ravel() for k in np.meshgrid(np.arange(count - 1), np.arange(wide - 1), indexing="ij"))
    a, b, c, d = number[i, j], number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]
    even = ((i + j) % 2 == 0)[:, None, None]
    first = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1)
    second = np.stack([np.stack([a, b, d], 1), np.stack([b, c, d], 1)], 1)
    piece = MeshPiece.surface(points.reshape(-1, 3), np.where(even, first, second).reshape(-1, 3))
    at = [int(np.abs(lengths - s).argmin()) for s in stations]
    edges = np.stack([number[at, :-1], number[at, 1:]], axis=-1).reshape(len(at), wide - 1, 2)
    return piece, edges


def _mitred(
    strip: Strip, stations: np.ndarray, longest_m: float, free_m: float, options: MeshOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths along a strip and its rows of points there (n, across + 1, 3)."""
    spine, width = strip.points_m, strip.width_m
    s = lengths_along(spine)
    way = np.diff(spine, axis=0) / np.diff(s)[:, None]
    closed = bool(np.linalg.norm(spine[-1] - spine[0]) < 1e-9 * s[-1])
    turning = np.degrees(np.arccos(np.clip((way * np.roll(way, 1, axis=0)).sum(axis=1), -1, 1)))
    if not closed:
        turning[0] = 0.0  # of point i, between pieces i - 1 and i
    corner = turning > CORNER_DEG
    # A mitre takes half the width times tan(half the angle) from the inner side of both pieces.
    taken = np.where(corner, 0.5 * width * np.tan(np.radians(0.5 * np.minimum(turning, 170.0))), 0.0)
    taken = np.append(taken, taken[0])
    fine = options.end_widths * width
    must, ends = [0.0, float(s[-1])], np.append(corner, corner[0])
    for i in np.flatnonzero(ends):
        must += [float(s[i])]
    must += stations.tolist()
    marks = np.unique(np.round(np.array(must) / (JOIN * s[-1])).astype(np.int64), return_index=True)[1]
    marks = np.array(must)[marks]
    out = [marks[:1]]
    for low, high in itertools.pairwise(marks):
        a, b = (_at_corner(s, ends, x, s[-1]) for x in (low, high))
        first = low + taken[a] + fine if a >= 0 else low
        last = high - taken[b] - fine if b >= 0 else high
        if first > last or (a >= 0 and b >= 0 and first > last - 1e-9):
            first = last = 0.5 * (low + taken[max(a, 0)] * (a >= 0) + high - taken[max(b, 0)] * (b >= 0))
            if high - low < taken[max(a, 0)] * (a >= 0) + taken[max(b, 0)] * (b >= 0) + 0.1 * width:
                raise InputError(
                    "a strip is wider than a piece of it between corners or gaps allows",
                    field="width_m",
                    found=f"{1e3 * width:.4g} mm wide, {1e3 * (high - low):.4g} mm long",
                    expected="a narrower strip, or corners further apart",
                )
        inside = (s[1:-1] > low) & (s[1:-1] < high)
        bend = turning[1:][inside].sum()
        longest = min(longest_m, max(free_m, options.along_widths * width))
        longest = min(longest, (high - low) / max(1e-9, bend / options.arc_deg))
        inner = np.array([first])
        if last > first:
            free = (a < 0 and low in (0.0, s[-1]) and not closed, b < 0 and high in (0.0, s[-1]) and not closed)
            inner = along_lines(first, last, longest, fine, options.growth, (a >= 0 or free[0], b >= 0 or free[1]))
        out.append(np.concatenate([inner[inner > low + 1e-9 * s[-1]], [high]]))
    lines = np.concatenate(out)
    lines = lines[np.concatenate([[True], np.diff(lines) > 1e-9 * s[-1]])]
    nodes = np.stack([np.interp(lines, s, spine[:, k]) for k in range(3)], axis=1)
    if closed:
        nodes[-1] = nodes[0]
    # Across every piece between two lines; at a line, the mitre of both sides.
    along = np.diff(nodes, axis=0)
    piece = np.clip(np.searchsorted(s, 0.5 * (lines[1:] + lines[:-1]), "right") - 1, 0, len(way) - 1)
    normal = np.broadcast_to(strip.normal, way.shape)[piece]
    side = np.cross(normal, along)
    side /= np.linalg.norm(side, axis=1)[:, None]
    before = np.concatenate([side[-1:] if closed else side[:1], side])
    after = np.concatenate([side, side[:1] if closed else side[-1:]])
    mitre = (before + after) / (1 + (before * after).sum(axis=1))[:, None]
    x = across_lines(-0.5 * width, 0.5 * width, options.across, options.edge_grading)
    return lines, nodes[:, None] + x[:, None] * mitre[:, None]


def _at_corner(s: np.ndarray, corner: np.ndarray, where: float, total: float) -> int:
    """Number of the corner at a length along a chain, or -1."""
    near = np.flatnonzero(corner & (np.abs(s - where) < 1e-9 * total))
    return int(near[0]) if len(near) else -1


def _moved(
    sheet: Sheet | Plate, stations: np.ndarray, longest_m: float, options: MeshOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths along a sheet and its rows of points there: its cross-section, moved along the spine."""
    _, spine, across = sheet.sheets[0]
    s, x = lengths_along(spine), lengths_along(across)
    width = float(x[-1])
    lines = _marks(spine, s, stations, min(longest_m, options.along_widths * min(width, s[-1])), options)
    graded = across_lines(0.0, width, options.across, options.edge_grading)
    more = int(np.ceil(np.diff(graded).max() / longest_m))
    graded = across_lines(0.0, width, options.across * max(1, more), options.edge_grading)
    corners = x[1:-1][_turning(across)[1:] > CORNER_DEG]
    graded = np.unique(np.concatenate([graded, corners]))
    graded = graded[np.concatenate([[True], np.diff(graded) > 1e-3 * width / options.across])]
    graded[-1] = width
    along = np.stack([np.interp(lines, s, spine[:, k]) for k in range(3)], axis=1)
    section = np.stack([np.interp(graded, x, across[:, k]) for k in range(3)], axis=1)
    return lines, along[:, None] + section[None]


def _turning(chain: np.ndarray) -> np.ndarray:
    """Angle between each piece of a chain and the one before it (n - 1,), the first 0 [degrees]."""
    way = np.diff(chain, axis=0)
    way /= np.linalg.norm(way, axis=1)[:, None]
    out = np.degrees(np.arccos(np.clip((way[1:] * way[:-1]).sum(axis=1), -1, 1)))
    return np.concatenate([[0.0], out])


def _marks(spine: np.ndarray, s: np.ndarray, stations: np.ndarray, longest: float, options: MeshOptions) -> np.ndarray:
    """Lengths of rows along a spine: its ends, corners and stations, and steps between them."""
    turning = _turning(spine)[1:]
    must = np.sort(np.concatenate([s[[0, -1]], s[1:-1][turning > CORNER_DEG], stations]))
    must = must[np.concatenate([[True], np.diff(must) > 1e-9 * s[-1]])]
    out = [must[:1]]
    for low, high in itertools.pairwise(must):
        bend = turning[(s[1:-1] > low) & (s[1:-1] < high)].sum()
        count = max(1, int(np.ceil((high - low) / longest - 1e-9)), int(np.ceil(bend / options.arc_deg - 1e-9)))
        out.append(np.linspace(low, high, count + 1)[1:])
    return np.concatenate(out)
