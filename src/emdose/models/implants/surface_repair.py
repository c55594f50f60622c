"""Closed triangle surfaces from raw triangles: what is wrong with them, and the repair of small defects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.errors import InputError

MERGE = (1e-6, 1e-5, 1e-4)
"""Vertices closer than these parts of the size are one, tried in turn where the surface is open otherwise."""
TINY_HOLE = 0.05
"""Longest edge of a hole that is filled, as part of the size of the surface; a missing triangle or two."""
MOST_SHELLS = 500
MOST_PAIRS = 50_000_000
"""Close pairs of triangles that are looked at, for every ten thousand triangles; a fine surface has some 50 of each."""
PAIRS_AT_ONCE = 4_000_000
Array = np.ndarray


@dataclass(eq=False)
class RepairedSurface:
    """Triangles on their way to a closed surface, and what was done to them.

    Parameters
    ----------
    vertices : (v, 3) float64 ndarray
    triangles : (t, 3) int64 ndarray
    repairs : list of str
        What was changed, one text each.
    findings : dict
        Numbers for the report.
    """

    vertices: Array
    triangles: Array
    repairs: list[str] = field(default_factory=list)
    findings: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> float:
        """Longest edge of the box around it."""
        return float(np.ptp(self.vertices, axis=0).max())


def closed_surface(vertices: Array, triangles: Array, file: object = None) -> RepairedSurface:
    """A closed surface that looks outwards, made of raw triangles.

    Equal vertices are merged, degenerate and double triangles dropped, tiny holes filled, triangles turned so that
    neighbours agree and the outside is outside, and shells inside of others turned into cavities; each is noted in
    ``repairs``. Crossing triangles are counted, not repaired.

    Parameters
    ----------
    vertices : (v, 3) float ndarray
    triangles : (t, 3) int ndarray
    file : optional
        For error texts.

    Raises
    ------
    InputError
        When there is no triangle, a coordinate is not finite, or the surface stays open, one-sided or flat.
    """
    vertices, triangles = np.asarray(vertices, float), np.asarray(triangles, np.int64)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError("vertices without three coordinates", file=file, found=vertices.shape)
    if triangles.ndim != 2 or triangles.shape[1] != 3 or not len(triangles):
        raise InputError("no triangles", file=file, expected="a closed surface of triangles")
    if triangles.min() < 0 or triangles.max() >= len(vertices):
        raise InputError(
            "triangle points to a vertex that is not there",
            file=file,
            found=int(triangles.max()),
            expected=f"0 to {len(vertices) - 1}",
        )
    vertices = vertices[: triangles.max() + 1]
    bad = ~np.isfinite(vertices[triangles]).all((1, 2))
    if bad.any():
        raise InputError("coordinate is not a finite number", file=file, field=f"triangle {int(bad.argmax()) + 1}")
    s = RepairedSurface(vertices, triangles)
    if s.size == 0:
        raise InputError("all triangles lie in one point", file=file)
    _merge_equal(s)
    _drop_bad(s)
    for tolerance in MERGE:
        if len(s.triangles) and len(_open_edges(s)[0]):
            _merge_close(s, tolerance)
            _drop_bad(s)
    if not len(s.triangles):
        raise InputError("no triangle has an area", file=file)
    _fill_holes(s, file)
    shells = _orient(s, file)
    _nest(s, shells, file)
    _count_crossings(s, file)
    s.findings |= {"triangles": len(s.triangles), "vertices": len(s.vertices), "shells": int(shells.max()) + 1}
    return s


# ---- repairs -------------------------------------------------------------------------------------------------------
def _merge_equal(s: RepairedSurface) -> None:
    _, first, index = np.unique(s.vertices, axis=0, return_index=True, return_inverse=True)
    _renumber(s, first, index.ravel())


def _merge_close(s: RepairedSurface, tolerance: float) -> None:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    a, b = _open_edges(s)
    rim = np.unique(np.concatenate([a, b]))  # nothing else needs it
    pairs = rim[cKDTree(s.vertices[rim]).query_pairs(tolerance * s.size, output_type="ndarray")]
    n = len(s.vertices)
    joined = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (n, n))
    count, index = connected_components(joined, directed=False)
    if count < n:
        s.repairs.append(f"merged {n - count} vertices closer than {tolerance:g} of the size")
        _renumber(s, np.unique(index, return_index=True)[1], index)


def _renumber(s: RepairedSurface, first: Array, index: Array) -> None:
    """Keep the vertices ``first``; ``index`` is the new number of every old one."""
    s.vertices, s.triangles = s.vertices[first], index[s.triangles]
    used, index = np.unique(s.triangles, return_inverse=True)
    s.vertices, s.triangles = s.vertices[used], index.reshape(-1, 3)


def _drop_bad(s: RepairedSurface) -> None:
    t = s.triangles
    point = (t[:, 0] == t[:, 1]) | (t[:, 1] == t[:, 2]) | (t[:, 2] == t[:, 0])
    t = t[~point]
    if point.any():
        s.repairs.append(f"dropped {int(point.sum())} triangles without area")
    key = np.sort(t, axis=1)
    order = np.lexsort(key.T)
    same = np.concatenate([[False], (key[order][1:] == key[order][:-1]).all(1)])
    if same.any():
        group = np.cumsum(~same) - 1
        even = np.zeros(len(t), np.int64)  # +1 or -1: which way round a triangle looks
        even[order] = _parity(t[order])
        total = np.bincount(group, even[order])
        count = np.bincount(group)
        # One of equal triangles is kept; a pair back to back is a fold without thickness and goes.
        keep_group = total != 0
        first = order[~same]
        wanted = np.sign(total[keep_group])
        kept = first[keep_group]
        flip = even[kept] != wanted
        new = t[kept]
        new[flip] = new[flip][:, ::-1]
        s.repairs.append(f"dropped {int(len(t) - len(new))} double triangles")
        s.triangles = new if len(new) else t[:0]
        s.findings["double_triangles"] = int((count > 1).sum())
    else:
        s.triangles = t


def _parity(t: Array) -> Array:
    """+1 where the corners of a triangle are an even permutation of their sorted order, else -1."""
    return np.where((t[:, 0] < t[:, 1]).astype(int) + (t[:, 1] < t[:, 2]) + (t[:, 2] < t[:, 0]) == 2, 1, -1)


def _edges(t: Array) -> tuple[Array, Array, Array, Array]:
    """Edges without direction: owner triangle, start, end of every side, index of the edge, sides per edge."""
    a, b = t.ravel(), np.roll(t, -1, axis=1).ravel()
    n = int(t.max()) + 1
    _, index, count = np.unique(np.minimum(a, b) * n + np.maximum(a, b), return_inverse=True, return_counts=True)
    return a, b, index, count


def _open_edges(s: RepairedSurface) -> tuple[Array, Array]:
    """Start and end of the edges that belong to one triangle only."""
    a, b, index, count = _edges(s.triangles)
    lone = count[index] == 1
    return a[lone], b[lone]


def _fill_holes(s: RepairedSurface, file: object) -> None:
    a, b = _open_edges(s)
    if not len(a):
        return
    neighbours: dict[int, list[int]] = {}
    for p, q in zip(a.tolist(), b.tolist(), strict=True):
        neighbours.setdefault(p, []).append(q)
        neighbours.setdefault(q, []).append(p)
    if any(len(n) % 2 for n in neighbours.values()):
        raise InputError(
            "surface is open", file=file, found=f"{len(a)} edges of one triangle only", expected="a closed surface"
        )
    direction = set(zip(a.tolist(), b.tolist(), strict=True))
    loops = []
    for start in list(neighbours):
        path = [start]
        while neighbours[path[-1]]:
            here = path[-1]
            there = neighbours[here].pop()
            neighbours[there].remove(here)
            if there in path:  # a loop is closed; holes may share a corner
                at = path.index(there)
                loops.append(path[at:])
                path = path[: at + 1]
            else:
                path.append(there)
    added = []
    for loop in loops:
        points = s.vertices[loop]
        extent = float(np.ptp(points, axis=0).max())
        if len(loop) < 3 or extent > TINY_HOLE * s.size:
            raise InputError(
                "surface is open",
                file=file,
                found=f"a hole {extent / s.size:.2g} of the size wide among {len(loops)}",
                expected="a closed surface",
            )
        if (loop[0], loop[1]) in direction:  # the new triangles run against the old edge
            loop = loop[::-1]
        added += [(loop[0], p, q) for p, q in pairwise(loop[1:])]
    s.triangles = np.concatenate([s.triangles, np.array(added, np.int64)])
    s.repairs.append(f"filled {len(loops)} tiny hole{'s' * (len(loops) > 1)} with {len(added)} triangles")


def _orient(s: RepairedSurface, file: object) -> Array:
    """Turn triangles so that neighbours agree; shell of every triangle."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    a, _, index, count = _edges(s.triangles)
    if (count % 2).any():
        raise InputError(
            "three or more triangles meet in an odd number",
            file=file,
            found=f"{int((count % 2).sum())} such edges",
            expected="a closed surface",
        )
    n = len(s.triangles)
    order = np.argsort(index, kind="stable")
    pair = order[count[index[order]] == 2].reshape(-1, 2)
    one, other = pair[:, 0] // 3, pair[:, 1] // 3
    clash = a[pair[:, 0]] == a[pair[:, 1]]  # both run along the edge in the same direction
    # Every triangle is a node twice, as it is and turned; what agrees is joined.
    rows = np.concatenate([one, one + n])
    columns = np.concatenate([other + n * clash, other + n * ~clash])
    _, label = connected_components(coo_matrix((np.ones(len(rows)), (rows, columns)), (2 * n, 2 * n)), directed=False)
    plain, turned = label[:n], label[n:]
    if (plain == turned).any():
        raise InputError("surface has one side only", file=file, expected="a closed surface with an inside")
    flip = plain > turned
    _, shell = np.unique(np.minimum(plain, turned), return_inverse=True)
    most = np.bincount(shell, flip) > 0.5 * np.bincount(shell)
    flip ^= most[shell]  # fewest changes; which side is out is seen next
    if flip.any():
        s.repairs.append(f"turned {int(flip.sum())} triangles that looked the other way than their neighbours")
        s.triangles = np.where(flip[:, None], s.triangles[:, ::-1], s.triangles)
    odd = count > 2
    s.findings["edges_of_four_triangles"] = int(odd.sum())
    return shell


def _nest(s: RepairedSurface, shell: Array, file: object) -> None:
    """Turn shells outwards, those inside of an odd number of others inwards."""
    shells = int(shell.max()) + 1
    if shells > MOST_SHELLS:
        raise InputError("too many separate shells", file=file, found=shells, expected=f"at most {MOST_SHELLS}")
    corners = s.vertices[s.triangles] - s.vertices.mean(0)
    volume = np.bincount(shell, np.einsum("ti,ti->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6)
    area = np.bincount(
        shell, np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2
    )
    if np.any(np.abs(volume) <= 1e-9 * area * s.size):
        raise InputError("a shell encloses no volume", file=file, found=f"{shells} shells", expected="solid bodies")
    low, high = np.empty((2, shells, 3))
    for n in range(shells):
        mine = corners[shell == n]
        low[n], high[n] = mine.min((0, 1)), mine.max((0, 1))
    depth = np.zeros(shells, int)
    for n in range(shells):
        around = np.flatnonzero((low < low[n]).all(1) & (high > high[n]).all(1))
        point = corners[shell == n][0, :1]
        depth[n] = sum(abs(winding(corners[shell == m], point)[0]) > 0.5 for m in around)
    inner = depth % 2 == 1
    wrong = (volume < 0) != inner
    if wrong.any():
        outside, cavities = int((wrong & ~inner).sum()), int((wrong & inner).sum())
        if outside:
            s.repairs.append(f"turned {outside} shell{'s' * (outside > 1)} inside out: normals point outwards now")
        if cavities:
            s.repairs.append(f"took {cavities} shell{'s' * (cavities > 1)} inside of another as a cavity")
        s.triangles = np.where(wrong[shell][:, None], s.triangles[:, ::-1], s.triangles)
    euler = np.array([_euler(s.triangles[shell == n]) for n in range(shells)])
    s.findings |= {"cavities": int(inner.sum()), "handles": int((1 - euler // 2).sum())}


def _euler(t: Array) -> int:
    return len(np.unique(t)) - len(_edges(t)[3]) + len(t)


def winding(corners: Array, points: Array) -> Array:
    """How often triangles (t, 3, 3) wind around points (n, 3): 1 inside of a closed surface, 0 outside.

    Source: A. van Oosterom, J. Strackee, "The solid angle of a plane triangle", IEEE Trans. Biomed. Eng. 30 (1983) 125.
    """
    found = np.empty(len(points))
    block = max(1, 2_000_000 // len(corners))
    for low in range(0, len(points), block):
        a, b, c = (corners[None, :, k] - points[low : low + block, None] for k in range(3))
        la, lb, lc = (np.sqrt(np.einsum("ptc,ptc->pt", x, x)) for x in (a, b, c))
        top = np.einsum("ptc,ptc->pt", a, np.cross(b, c))
        ab, bc, ca = (np.einsum("ptc,ptc->pt", x, y) for x, y in ((a, b), (b, c), (c, a)))
        found[low : low + block] = np.arctan2(top, la * lb * lc + ab * lc + bc * la + ca * lb).sum(axis=1)
    return found / (2 * np.pi)


# ---- crossing triangles --------------------------------------------------------------------------------------------
def crossing_triangles(vertices: Array, triangles: Array, file: object = None) -> Array:
    """Pairs of triangles (n, 2) that cross each other; neighbours with a common corner are not looked at.

    Touching to within the seven digits of STL files is not crossing.

    Raises
    ------
    InputError
        When the triangles lie upon each other nearly everywhere: no surface has so many pairs to look at.
    """
    size = float(np.ptp(vertices, axis=0).max())
    corners = np.ascontiguousarray(vertices[triangles] - vertices.mean(0))
    edge = float(np.median(np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)))
    kernels = backend.get("cpu").kernels.load(__package__, "triangles", "double")
    found = [np.zeros((0, 2), np.int32)]
    for pairs in _close_pairs(corners, file):
        shared = np.zeros(len(pairs), bool)
        for n in range(3):
            shared |= (triangles[pairs[:, 0]][:, [n]] == triangles[pairs[:, 1]]).any(1)
        pairs = np.ascontiguousarray(pairs[~shared], np.int32)
        crossing = np.zeros(len(pairs), np.uint8)
        kernels.launch("crossing_pairs", len(pairs), corners, pairs, 2e-7 * size * edge**2, crossing)
        found.append(pairs[crossing > 0])
    return np.concatenate(found)


def _count_crossings(s: RepairedSurface, file: object) -> None:
    pairs = crossing_triangles(s.vertices, s.triangles, file)
    s.findings["crossing_triangles"] = len(np.unique(pairs))


def _close_pairs(corners: Array, file: object) -> Iterator[Array]:
    """Pairs of triangles (n, 2) whose boxes overlap, found among triangles of similar size, some at a time."""
    from scipy.spatial import cKDTree

    middle = corners.mean(1)
    radius = np.linalg.norm(corners - middle[:, None], axis=2).max(1)
    low, high = corners.min(1), corners.max(1)
    kind = np.ceil(np.log2(np.maximum(radius / max(radius.min(), 1e-6 * radius.max()), 1.0))).astype(int)
    groups = [np.flatnonzero(kind == k) for k in np.unique(kind)]
    trees = [cKDTree(middle[g]) for g in groups]
    reach = [float(radius[g].max()) for g in groups]
    looked_at = 0
    for i, g in enumerate(groups):
        for j in range(i + 1):
            far = radius[g] + reach[j]
            counts = trees[j].query_ball_point(middle[g], far, return_length=True)
            looked_at += int(counts.sum())
            if looked_at > MOST_PAIRS * (1 + len(corners) // 10_000):
                raise InputError(
                    "triangles lie upon each other nearly everywhere",
                    file=file,
                    found=f"more than {looked_at} close pairs among {len(corners)} triangles",
                    expected="the surface of a body",
                )
            if i == j and counts.sum() <= 2 * PAIRS_AT_ONCE:  # twice as fast, but all at once
                near = trees[i].query_pairs(2 * reach[i], output_type="ndarray")
                yield _overlapping(g[near[:, 0]], g[near[:, 1]], low, high)
                continue
            block = np.cumsum(counts) // PAIRS_AT_ONCE
            for part in np.split(np.arange(len(g)), np.flatnonzero(np.diff(block)) + 1):
                lists = trees[j].query_ball_point(middle[g[part]], far[part])
                one = np.repeat(g[part], counts[part])
                other = groups[j][np.fromiter((x for some in lists for x in some), np.int64, int(counts[part].sum()))]
                once = slice(None) if j < i else one < other
                yield _overlapping(one[once], other[once], low, high)


def _overlapping(one: Array, other: Array, low: Array, high: Array) -> Array:
    keep = np.ones(len(one), bool)
    for d in range(3):
        keep &= (low[one, d] <= high[other, d]) & (low[other, d] <= high[one, d])
    return np.stack([one[keep], other[keep]], 1)
