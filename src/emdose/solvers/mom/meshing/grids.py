"""Metal that is a union of rectangles on a chart, as cells of one grid of lines: conformal wherever they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.solvers.mom.meshing.charts import Chart
from emdose.solvers.mom.meshing.lines import across_lines, along_lines
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import MeshPiece

TIE = 1e-6
"""Lines closer than this share of the size of the metal are one line."""


@dataclass(frozen=True, eq=False)
class Station:
    """A place where a gap cuts the metal of a chart: the line of constant coordinate ``axis`` through (u, v)."""

    name: str
    axis: int
    place: np.ndarray
    sector: int
    direction: np.ndarray


def union(
    rectangles: np.ndarray,
    stations: list[Station],
    chart: Chart,
    period: float,
    longest_m: float,
    options: MeshOptions,
    part: int = 0,
    needed: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0)),
) -> MeshPiece:
    """Triangles of a union of rectangles, and of one period of it where it repeats in u.

    Parameters
    ----------
    rectangles : (n, 2, 2) ndarray
        Low and high of u and of v of each [m].
    stations : list of Station
        Gaps, whose cuts become lines.
    chart : Chart
        The surface.
    period : float
        Period in u [m]; 0 for none.
    longest_m : float
        Longest cell [m].
    options : MeshOptions
        How finely.
    part : int
        Number of the part of the mesh.
    needed : two (k,) ndarrays
        More lines of constant u and of constant v [m].
    """
    size = float(max(np.ptp(rectangles[:, 0]), np.ptp(rectangles[:, 1])))
    tie = TIE * size
    fixed: list[np.ndarray] = []  # lines of gaps and those asked for: never left out
    for axis in (0, 1):
        own = [s.place[axis] for s in stations if s.axis == axis]
        fixed.append(np.array([*own, *needed[axis]]))
    edges = [
        _distinct(np.concatenate([rectangles[:, axis].ravel(), fixed[axis]]), tie, period if axis == 0 else 0.0)
        for axis in (0, 1)
    ]
    if period:
        edges[0] = np.append(edges[0], edges[0][0] + period)
    mask = _mask(rectangles, edges, period)
    for axis in (0, 1):
        edges[axis], mask = _thinned(edges[axis], mask, fixed[axis], axis, tie, period if axis == 0 else 0.0)
    u, v, columns, rows = _fine(edges, mask, fixed, tie, period, longest_m, chart, options)
    cells = mask[np.ix_(columns, rows)]
    return _triangles(u, v, cells, chart, period, stations, tie, part)


def _distinct(values: np.ndarray, tie: float, period: float) -> np.ndarray:
    """Sorted values without repetitions, within one period if there is one."""
    if period:
        values = np.mod(values - values.min() + tie, period) - tie + values.min()
    values = np.sort(values)
    keep = values[np.concatenate([[True], np.diff(values) > tie])]
    if period and keep[-1] > keep[0] + period - tie:
        keep = keep[:-1]
    return np.asarray(keep)


def _mask(rectangles: np.ndarray, edges: list[np.ndarray], period: float) -> np.ndarray:
    """Which cells between lines are metal."""
    u, v = (0.5 * (e[1:] + e[:-1]) for e in edges)
    out = np.zeros((len(u), len(v)), bool)
    for (a, b), (c, d) in rectangles:
        wide = (np.mod(u - a, period) < b - a) if period else (u > a) & (u < b)
        out |= wide[:, None] & ((v > c) & (v < d))[None]
    return out


def _thinned(
    lines: np.ndarray, mask: np.ndarray, fixed: np.ndarray, axis: int, tie: float, period: float
) -> tuple[np.ndarray, np.ndarray]:
    """Lines without those that nothing needs: equal metal on both sides and no cut."""
    cells = np.moveaxis(mask, axis, 0)
    before = np.concatenate([cells[-1:] if period else np.zeros_like(cells[:1]), cells])
    after = np.concatenate([cells, cells[:1] if period else np.zeros_like(cells[:1])])
    keep = np.any(before != after, axis=1) | _among(lines, fixed, tie, period)
    if period:
        keep[-1] = keep[0]
        start = int(np.argmax(keep)) if keep.any() else 0
        inner = np.arange(start, start + len(cells))  # lines from the first that stays, around
        turns, index = np.divmod(inner, len(cells))
        kept = keep[index]
        kept[0] = True
        lines = np.append((lines[index] + turns * period)[kept], lines[start] + period)
        return lines, np.moveaxis(cells[index[kept]], 0, axis)
    return lines[keep], np.moveaxis(cells[keep[:-1]], 0, axis)


def _among(lines: np.ndarray, fixed: np.ndarray, tie: float, period: float) -> np.ndarray:
    if not len(fixed):
        return np.zeros(len(lines), bool)
    off = lines[:, None] - fixed[None]
    if period:
        off = np.mod(off + 0.5 * period, period) - 0.5 * period
    return np.asarray(np.abs(off).min(axis=1) <= 2 * tie)


def _fine(
    edges: list[np.ndarray],
    mask: np.ndarray,
    fixed: list[np.ndarray],
    tie: float,
    period: float,
    longest_m: float,
    chart: Chart,
    options: MeshOptions,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lines of u and v, and the coarse column and row of every cell between them."""
    lengths = [np.diff(e) for e in edges]
    across = [_is_across(mask, lengths, period), _is_across(mask.T, lengths[::-1], 0.0, period)]
    out = []
    for axis in (0, 1):
        cells = mask if axis == 0 else mask.T
        other = lengths[1 - axis]
        lines, owner = [edges[axis][:1]], []
        for n, (low, high) in enumerate(zip(edges[axis][:-1], edges[axis][1:], strict=True)):
            longest = min(longest_m, np.radians(options.arc_deg) * chart.radius_m if axis == 0 else np.inf, np.inf)
            if chart.radius_m == 0:
                longest = longest_m
            narrow = other[cells[n] & across[1 - axis]]
            width = float(narrow.min()) if len(narrow) else high - low
            if across[axis][n]:
                own = across_lines(low, high, options.across, options.edge_grading)
                if np.diff(own).max() > longest:
                    more = int(np.ceil(np.diff(own).max() / longest * options.across))
                    own = across_lines(low, high, more, options.edge_grading)
            else:
                cut = _among(edges[axis][[n, n + 1]], fixed[axis], tie, period if axis == 0 else 0.0)
                first = options.end_widths * width
                longest = min(longest, options.along_widths * width)
                own = along_lines(low, high, longest, first, options.growth, (not cut[0], not cut[1]))
            lines.append(own[1:])
            owner.append(np.full(len(own) - 1, n))
        out.append((np.concatenate(lines), np.concatenate(owner)))
    return out[0][0], out[1][0], out[0][1], out[1][1]


def _is_across(cells: np.ndarray, lengths: list[np.ndarray], period: float, along_period: float = 0.0) -> np.ndarray:
    """Which intervals (first axis) are the width of a strip: metal with none on both sides, longer than it is wide."""
    count = len(cells)
    out = np.zeros(count, bool)
    for n in range(count):
        before = cells[n - 1] if n > 0 or period else np.zeros_like(cells[n])
        after = cells[(n + 1) % count] if n + 1 < count or period else np.zeros_like(cells[n])
        if count == 1 and period:
            continue
        free = cells[n] & ~before & ~after
        for j in np.flatnonzero(free):
            run = _run(cells[n], int(j), bool(along_period))
            out[n] |= bool(lengths[1][run].sum() >= lengths[0][n] * (1 - 1e-9))
    return out


def _run(metal: np.ndarray, at: int, around: bool) -> np.ndarray:
    """Numbers of the cells of metal without a hole around one of them."""
    low = high = at
    while low > 0 and metal[low - 1]:
        low -= 1
    while high + 1 < len(metal) and metal[high + 1]:
        high += 1
    found = list(range(low, high + 1))
    if around and low == 0 and high < len(metal) - 1:
        k = len(metal) - 1
        while k > high and metal[k]:
            found.append(k)
            k -= 1
    return np.array(found)


def cells_of(u: np.ndarray, v: np.ndarray, cells: np.ndarray, chart: Chart, part: int) -> MeshPiece:
    """Two triangles in every cell (i, j) that is metal, with diagonals that alternate; points (i, j) in C order."""
    number = np.arange(len(u) * len(v)).reshape(len(u), len(v))
    i, j = np.nonzero(cells)
    a, b, c, d = number[i, j], number[i + 1, j], number[i + 1, j + 1], number[i, j + 1]
    even = ((i + j) % 2 == 0)[:, None, None]
    first = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1)
    second = np.stack([np.stack([a, b, d], 1), np.stack([b, c, d], 1)], 1)
    triangles = np.where(even, first, second).reshape(-1, 3)
    return MeshPiece.surface(chart.points(*np.meshgrid(u, v, indexing="ij")).reshape(-1, 3), triangles, part)


def _triangles(
    u: np.ndarray,
    v: np.ndarray,
    cells: np.ndarray,
    chart: Chart,
    period: float,
    stations: list[Station],
    tie: float,
    part: int,
) -> MeshPiece:
    """The cells with the cuts of gaps."""
    piece = cells_of(u, v, cells, chart, part)
    number = np.arange(len(u) * len(v)).reshape(len(u), len(v))
    for s in stations:
        lines, others = (u, v) if s.axis == 0 else (v, u)
        metal = cells if s.axis == 0 else cells.T
        at, sector = float(s.place[s.axis]), s.sector
        if s.axis == 0 and period:
            turns = int(np.floor((at - u[0] + 2 * tie) / period))
            at, sector = at - turns * period, sector + turns
        n = int(np.abs(lines - at).argmin())
        before = metal[n - 1] if n > 0 or (s.axis == 0 and period) else np.zeros_like(metal[0])
        after = metal[n % len(metal)] if n < len(metal) or (s.axis == 0 and period) else np.zeros_like(metal[0])
        beside = float(s.place[1 - s.axis])
        if s.axis == 1 and period:
            turns = int(np.floor((beside - u[0]) / period))
            beside, sector = beside - turns * period, sector + turns
        k = int(np.clip(np.searchsorted(others, beside, "right") - 1, 0, len(others) - 2))
        both = before & after
        if not both[k]:
            piece.lost.append(s.name)
            continue
        run = np.sort(_run(both, k, s.axis == 1 and bool(period)))
        ends = np.stack([run, run + 1], axis=1)
        edges = number[n, ends] if s.axis == 0 else number[ends, n]
        piece.cut(s.name, sector, s.direction, edges)
    return piece.used()
