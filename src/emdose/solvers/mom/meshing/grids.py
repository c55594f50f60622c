"""Metal that is a union of rectangles on a chart, as cells of one grid of lines: conformal wherever they meet."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from emdose.solvers.mom.meshing.charts import Chart
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import MeshPiece

TIE = 1e-6
"""Lines closer than this share of the size of the metal are one line."""


@dataclass(frozen=True, eq=False)
class Station:
    """A place where a gap cuts the metal of a chart: the line of constant coordinate ``axis`` through (u, v).

    ``half`` is how far the cut may reach along that line: half the width of the strip.
    """

    name: str
    axis: int
    place: np.ndarray
    half: float
    sector: int
    direction: np.ndarray


def across_lines(low: float, high: float, cells: int, grading: float) -> np.ndarray:
    """Lines across a strip from ``low`` to ``high`` (cells + 1,) [m]; see MeshOptions.edge_grading."""
    k = np.arange(cells + 1)
    inward = (2 * np.minimum(k, cells - k) / cells) ** grading
    lines = 0.5 * (low + high) + 0.5 * (high - low) * np.where(2 * k <= cells, inward - 1, 1 - inward)
    lines[[0, -1]] = low, high
    return np.asarray(lines)


def along_lines(
    low: float, high: float, longest: float, first: float, growth: float, ends: tuple[bool, bool]
) -> np.ndarray:
    """Lines along a strip: cells that grow from its fine ends up to the longest one.

    Parameters
    ----------
    low, high : float
        The interval [m].
    longest, first : float
        Longest cell, and cell at a fine end [m].
    growth : float
        Ratio of neighbouring cells.
    ends : (bool, bool)
        Whether the low and the high end are fine.
    """
    length = high - low
    first = min(first, longest)
    cells = 1
    while True:
        n = np.arange(cells, dtype=float)
        steps = np.full(cells, longest)
        if ends[0]:
            steps = np.minimum(steps, first * growth ** np.minimum(n, 60))
        if ends[1]:
            steps = np.minimum(steps, first * growth ** np.minimum(n[::-1], 60))
        if steps.sum() >= length * (1 - 1e-9):
            break
        # Far more cells than are missing are never needed: each is at least the first.
        cells += max(1, int((length - steps.sum()) / longest))
    lines = low + length * np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    lines[-1] = high
    return np.asarray(lines)


def union(
    rectangles: np.ndarray,
    stations: list[Station],
    chart: Chart,
    period: float,
    longest_m: float,
    options: MeshOptions,
    part: int = 0,
    needed: tuple[np.ndarray, np.ndarray] = (np.zeros(0), np.zeros(0)),
    free_m: float = 0.0,
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
    free_m : float
        Cells along strips may be this long, however narrow these are [m].
    """
    size = float(max(np.ptp(rectangles[:, 0]), np.ptp(rectangles[:, 1])))
    tie = TIE * size
    fixed: list[np.ndarray] = []  # lines of gaps and those asked for: never left out
    for axis in (0, 1):
        own = [s.place[axis] for s in stations if s.axis == axis]
        fixed.append(np.array([*own, *needed[axis]]))
    edges = [_distinct(rectangles[:, axis].ravel(), tie, period if axis == 0 else 0.0, fixed[axis]) for axis in (0, 1)]
    if period:
        edges[0] = np.append(edges[0], edges[0][0] + period)
    mask = _mask(rectangles, edges, period)
    sharp: list[np.ndarray] = []
    for axis in (0, 1):
        edges[axis], mask, edge = _thinned(edges[axis], mask, axis, axis == 0 and period > 0)
        sharp.append(edge)
    (u, columns), (v, rows) = _fine(edges, sharp, mask, fixed, tie, period, longest_m, free_m, chart, options)
    return _triangles(u, v, mask[np.ix_(columns, rows)], chart, period, stations, tie, part)


def _distinct(values: np.ndarray, tie: float, period: float, fixed: np.ndarray) -> np.ndarray:
    """Sorted values without repetitions, within one period if there is one, from a fixed one if nothing else is."""
    start = values.min()
    if period:
        if len(fixed) and np.abs(np.ptp(values) / period - 1) < TIE and not np.any(np.abs(values - start) > 2 * period):
            values = np.append(values, fixed[0])
        values = np.mod(values - start + tie, period) - tie + start
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


def _thinned(lines: np.ndarray, mask: np.ndarray, axis: int, around: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lines without those that have equal metal on both sides, the cells between, and which lines are edges."""
    cells = np.moveaxis(mask, axis, 0)
    before = np.concatenate([cells[-1:] if around else np.zeros_like(cells[:1]), cells])
    after = np.concatenate([cells, cells[:1] if around else np.zeros_like(cells[:1])])
    edge = np.any(before != after, axis=1)
    if not around:
        return lines[edge], np.moveaxis(cells[edge[:-1]], 0, axis), edge[edge]
    period = lines[-1] - lines[0]
    start = int(np.argmax(edge)) if edge.any() else 0
    turns, index = np.divmod(np.arange(start, start + len(cells)), len(cells))  # lines from the first edge, around
    kept = edge[index]
    kept[0] = True
    lines = np.append((lines[index] + turns * period)[kept], lines[start] + period)
    sharp = np.append(edge[index[kept]], edge[start])
    return lines, np.moveaxis(cells[index[kept]], 0, axis), sharp


def _fine(
    edges: list[np.ndarray],
    sharp: list[np.ndarray],
    mask: np.ndarray,
    fixed: list[np.ndarray],
    tie: float,
    period: float,
    longest_m: float,
    free_m: float,
    chart: Chart,
    options: MeshOptions,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Lines of u and of v, each with the coarse column or row of every cell between them."""
    lengths = [np.diff(e) for e in edges]
    across = [_is_across(mask, lengths, period > 0, False), _is_across(mask.T, lengths[::-1], False, period > 0)]
    out = []
    for axis in (0, 1):
        cells = mask if axis == 0 else mask.T
        longest = longest_of(chart, longest_m, options) if axis == 0 else longest_m
        lines, owner = [edges[axis][:1]], []
        for n, (low, high) in enumerate(zip(edges[axis][:-1], edges[axis][1:], strict=True)):
            narrow = lengths[1 - axis][cells[n] & across[1 - axis]]
            width = float(narrow.min()) if len(narrow) else high - low
            marks = fixed[axis]
            if axis == 0 and period:
                marks = np.mod(marks - low + tie, period) - tie + low
            marks = np.sort(marks[(marks > low + tie) & (marks < high - tie)])
            marks = np.concatenate([[low], marks, [high]])
            marks = marks[np.concatenate([[True], np.diff(marks) > tie])]
            if across[axis][n]:
                own = strip_lines(low, high, longest, options)
                step = np.diff(own)
                if len(marks) > 2:
                    short = np.diff(marks) <= step.max() * (1 + 1e-9)  # lines that a post has there already
                    parts = [
                        _between(marks[k : k + 2], step.max(), step[0], options.growth, np.array([not one, not one]))[
                            1:
                        ]
                        for k, one in enumerate(short)
                    ]
                    own = np.concatenate([marks[:1], *parts])
            else:
                fine = np.zeros(len(marks), bool)
                fine[0], fine[-1] = sharp[axis][n], sharp[axis][n + 1]
                most = min(longest, max(free_m, options.along_widths * width))
                own = _between(marks, most, options.end_widths * width, options.growth, fine)
            lines.append(own[1:])
            owner.append(np.full(len(own) - 1, n))
        out.append((np.concatenate(lines), np.concatenate(owner)))
    return out


def longest_of(chart: Chart, longest_m: float, options: MeshOptions) -> float:
    """Longest cell along u of a chart [m]: chords of a cylinder stay near it."""
    return min(longest_m, math.radians(options.arc_deg) * chart.radius_m) if chart.radius_m else longest_m


def strip_lines(low: float, high: float, longest_m: float, options: MeshOptions) -> np.ndarray:
    """Lines across a strip from ``low`` to ``high``, as many as options say and no cell longer than the longest [m]."""
    own = across_lines(low, high, options.across, options.edge_grading)
    more = math.ceil(float(np.diff(own).max()) / longest_m - 1e-9)
    return own if more <= 1 else across_lines(low, high, more * options.across, options.edge_grading)


def _between(marks: np.ndarray, longest: float, first: float, growth: float, fine: np.ndarray) -> np.ndarray:
    """All lines between marks, some of which have fine cells beside them."""
    out = [marks[:1]]
    for n, (low, high) in enumerate(itertools.pairwise(marks)):
        out.append(along_lines(low, high, longest, first, growth, (bool(fine[n]), bool(fine[n + 1])))[1:])
    return np.concatenate(out)


def _is_across(cells: np.ndarray, lengths: list[np.ndarray], around: bool, along: bool) -> np.ndarray:
    """Which intervals (first axis) are the width of a strip: metal with none on both sides, longer than it is wide.

    ``around`` says that the first axis is periodic, ``along`` that the second is.
    """
    count = len(cells)
    out = np.zeros(count, bool)
    none = np.zeros_like(cells[0])
    for n in range(count):
        if count == 1 and around:
            continue
        before = cells[n - 1] if n > 0 or around else none
        after = cells[(n + 1) % count] if n + 1 < count or around else none
        for j in np.flatnonzero(cells[n] & ~before & ~after):
            run = _run(cells[n], int(j), along)
            endless = along and len(run) == len(cells[n])
            out[n] |= endless or bool(lengths[1][run].sum() >= lengths[0][n] * (1 - 1e-9))
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
        off = 0.5 * (others[run] + others[run + 1]) - beside
        if s.axis == 1 and period:
            off = np.mod(off + 0.5 * period, period) - 0.5 * period
        run = run[np.abs(off) < s.half]
        ends = np.stack([run, run + 1], axis=1)
        edges = number[n, ends] if s.axis == 0 else number[ends, n]
        piece.cut(s.name, sector, s.direction, edges)
    return piece.used()
