"""NumPy reference of average.cuh: the same functions of one voxel, over arrays of voxels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

MASS_TOLERANCE = 1e-6
FULLY_INSIDE = 0.999
BACKGROUND_LIMIT = 0.1
CHUNK = 1 << 15  # voxels at a time; bounds the memory of the eight boxes

Shape = tuple[int, int, int]
Index = tuple[np.ndarray, ...]  # x, y, z


class Span(NamedTuple):
    """Inner [0] and outer [1] box of cubes along one axis; the ring counts with base + slope t."""

    low: tuple[np.ndarray, np.ndarray]
    high: tuple[np.ndarray, np.ndarray]
    base: np.ndarray | float
    slope: np.ndarray | float


def sum_rows(shape: tuple[int], n1: int, n2: int, weight: np.ndarray, map_: np.ndarray, table: np.ndarray) -> None:
    """Running sums of weight x map along z into a table, for shape[0] rows of n2 voxels."""
    product = np.where(weight > 0, weight * map_, 0.0).reshape(-1, n1, n2)
    np.cumsum(product, axis=2, out=table[1:, 1:, 1:])


def count_rows(shape: tuple[int], n1: int, n2: int, weight: np.ndarray, table: np.ndarray) -> None:
    """Running counts of tissue along z into a table."""
    table[1:, 1:, 1:] = np.cumsum((weight > 0).reshape(-1, n1, n2), axis=2, dtype=table.dtype)


def sum_lines(shape: tuple[int], length: int, inner: int, table: np.ndarray) -> None:
    """Running sums along the axis whose neighbours lie ``inner`` entries apart, in place."""
    lines = table.reshape(-1, length, inner)
    np.cumsum(lines, axis=1, out=lines)


count_lines = sum_lines


def grow_cubes(
    shape: Shape,
    target: float,
    weight: np.ndarray,
    masses: np.ndarray,
    counts: np.ndarray,
    half: np.ndarray,
    fraction: np.ndarray,
    mass: np.ndarray,
    reach: np.ndarray,
    rim: np.ndarray,
) -> None:
    """Step 1: the cube centred on every tissue voxel."""
    half.fill(-1)
    reach.fill(-1)
    rim.fill(0)
    fraction.fill(0)
    mass.fill(1)
    enough = target * (1 - MASS_TOLERANCE)
    for q in _chunks(np.flatnonzero(weight > 0)):
        at, w = np.unravel_index(q, shape), weight.reshape(-1)[q]
        limit = np.min([np.minimum(a, n - 1 - a) for a, n in zip(at, shape, strict=True)], axis=0)
        guess = 0.5 * (np.cbrt(target / w) - 1)
        n = np.minimum(np.maximum(guess, 0).astype(np.int64), limit)
        light = _centred_box(masses, at, n) < enough
        search = light & (n < limit)
        while search.any():  # upwards while the next cube is too light
            s = np.flatnonzero(search)
            search[s] = _centred_box(masses, _pick(at, s), n[s] + 1) < enough
            n[search] += 1
            search &= n < limit
        search = ~light
        n[search] -= 1
        search &= n >= 0
        while search.any():  # downwards while the cube is too heavy
            s = np.flatnonzero(search)
            search[s] = _centred_box(masses, _pick(at, s), n[s]) >= enough
            n[search] -= 1
            search &= n >= 0

        heavy = n < 0
        for array, value in ((half, 0), (reach, 0), (fraction, guess[heavy]), (mass, w[heavy])):
            array.reshape(-1)[q[heavy]] = value

        grown = ~heavy & (n < limit)
        q, at, n = q[grown], _pick(at, grown), n[grown]
        spans = _centred_spans(at, shape, n)
        c = _polynomial(_eight(masses, spans), spans)
        t = _cubic_root(c, target)
        v = _eight(counts, spans)
        good = ~_faces_in_background(counts, at, n, solid=v[0] == (2 * n + 1) ** 3)
        volume = (2 * (n + t) + 1) ** 3
        good &= volume - _cubic(_polynomial(v, spans), t) <= BACKGROUND_LIMIT * volume
        good |= v[7] == (2 * n + 3) ** 3
        q, n, t = q[good], n[good], t[good]
        half.reshape(-1)[q] = n
        fraction.reshape(-1)[q] = t
        mass.reshape(-1)[q] = _cubic([x[good] for x in c], t)
        whole = t * t * t > FULLY_INSIDE
        reach.reshape(-1)[q] = np.where(whole, n + 1, n)
        rim.reshape(-1)[q] = np.where(whole, 0, np.where(t * t > FULLY_INSIDE, 2, t > FULLY_INSIDE))


def cube_sums(shape: Shape, table: np.ndarray, half: np.ndarray, fraction: np.ndarray, sums: np.ndarray) -> None:
    """Sums of a tabled map over the centred cubes."""
    sums.fill(0)
    for q in _chunks(np.flatnonzero(half >= 0)):
        spans = _centred_spans(np.unravel_index(q, shape), shape, half.reshape(-1)[q].astype(np.int64))
        c = _polynomial(_eight(table, spans), spans)
        sums.reshape(-1)[q] = _cubic(c, np.maximum(fraction.reshape(-1)[q], 0))


def widen_level(
    shape: Shape, level: int, reach: np.ndarray, mean: np.ndarray, before: np.ndarray, after: np.ndarray
) -> None:
    """Largest of 27 neighbours in ``before``, and the cubes of this reach."""
    best = before
    for axis in range(3):
        pieces = [_cut(best, axis, shift, shape[axis]) for shift in range(3)]
        best = np.maximum(np.maximum(pieces[0], pieces[1]), pieces[2])
    after[1:-1, 1:-1, 1:-1] = np.maximum(best, np.where(reach == level, mean, -np.inf))


def enter_rims(
    shape: tuple[int],
    nx: int,
    ny: int,
    nz: int,
    level: int,
    voxels: np.ndarray,
    reach: np.ndarray,
    rim: np.ndarray,
    mean: np.ndarray,
    after: np.ndarray,
) -> None:
    """Cubes that hold the faces of their next shell enter one voxel off their centre as well."""
    at = np.unravel_index(voxels, (nx, ny, nz))
    best = after[tuple(a + 1 for a in at)]
    for shift in np.ndindex(3, 3, 3):
        other = tuple(a + s - 1 for a, s in zip(at, shift, strict=True))
        inside = np.all([(o >= 0) & (o < n) for o, n in zip(other, (nx, ny, nz), strict=True)], axis=0)
        other = tuple(np.where(inside, o, 0) for o in other)
        apart = sum(s != 1 for s in shift)
        enters = inside & (reach[other] == level) & (apart <= rim[other])
        best = np.maximum(best, np.where(enters, mean[other], -np.inf))
    after[tuple(a + 1 for a in at)] = best


def grow_face_cubes(
    shape: tuple[int],
    nx: int,
    ny: int,
    nz: int,
    target: float,
    voxels: np.ndarray,
    weight: np.ndarray,
    masses: np.ndarray,
    steps: np.ndarray,
    fraction: np.ndarray,
    mass: np.ndarray,
) -> None:
    """Step 2: six cubes with the voxel at the centre of a face."""
    grid = (nx, ny, nz)
    steps.fill(-1)
    fraction.fill(0)
    mass.fill(1)
    enough = target * (1 - MASS_TOLERANCE)
    for item in _chunks(np.arange(6 * voxels.size)):
        q, cube = voxels[item // 6], item % 6
        at = np.unravel_index(q, grid)
        # Does the half-space that the cube grows into hold the mass at all?
        bounds: list[np.ndarray] = []
        for axis in range(3):
            bounds += [
                np.where(cube == 2 * axis + 1, at[axis], 0),
                np.where(cube == 2 * axis, at[axis] + 1, grid[axis]),
            ]
        holds = _box(masses, *bounds) >= enough
        item, q, cube, at = item[holds], q[holds], cube[holds], _pick(at, holds)
        m = np.maximum(np.cbrt(target / weight.reshape(-1)[q]) - 1, 0).astype(np.int64)

        def start(s: np.ndarray, m: np.ndarray, at: Index = at, cube: np.ndarray = cube) -> np.ndarray:
            spans = _face_spans(_pick(at, s), grid, cube[s], m)
            return _polynomial(_eight(masses, spans), spans)[0]

        search = m > 0
        while search.any():
            s = np.flatnonzero(search)
            search[s] = start(s, m[s]) >= enough
            m[search] -= 1
            search &= m > 0
        search = np.ones(m.size, bool)
        while search.any():
            s = np.flatnonzero(search)
            search[s] = start(s, m[s] + 1) < enough
            m[search] += 1
        spans = _face_spans(at, grid, cube, m)
        c = _polynomial(_eight(masses, spans), spans)
        t = _cubic_root(c, target)
        steps[item], fraction[item], mass[item] = m, t, _cubic(c, t)


def face_cube_sums(
    shape: tuple[int],
    nx: int,
    ny: int,
    nz: int,
    voxels: np.ndarray,
    table: np.ndarray,
    steps: np.ndarray,
    fraction: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Sums of a tabled map over the cubes of step 2."""
    sums.fill(0)
    grid = (nx, ny, nz)
    for item in _chunks(np.flatnonzero(steps >= 0)):
        at = np.unravel_index(voxels[item // 6], grid)
        spans = _face_spans(at, grid, item % 6, steps[item].astype(np.int64))
        sums[item] = _cubic(_polynomial(_eight(table, spans), spans), fraction[item])


def _chunks(items: np.ndarray) -> Iterator[np.ndarray]:
    return (items[n : n + CHUNK] for n in range(0, items.size, CHUNK))


def _pick(at: Index, which: np.ndarray) -> Index:
    return tuple(a[which] for a in at)


def _cut(a: np.ndarray, axis: int, shift: int, n: int) -> np.ndarray:
    return a[(slice(None),) * axis + (slice(shift, shift + n),)]


def _box(table: np.ndarray, x0, x1, y0, y1, z0, z1) -> np.ndarray:
    """Sum (or count) over the voxels [x0, x1) x [y0, y1) x [z0, z1)."""
    return ((table[x1, y1, z1] - table[x0, y1, z1]) - (table[x1, y0, z1] - table[x0, y0, z1])) - (
        (table[x1, y1, z0] - table[x0, y1, z0]) - (table[x1, y0, z0] - table[x0, y0, z0])
    )


def _eight(table: np.ndarray, s: list[Span]) -> list[np.ndarray]:
    """Sums over the eight boxes that are inner or outer along x, y and z."""
    return [
        _box(table, s[0].low[x], s[0].high[x], s[1].low[y], s[1].high[y], s[2].low[z], s[2].high[z]).astype(float)
        for x, y, z in np.ndindex(2, 2, 2)
    ]


def _polynomial(v: list[np.ndarray], s: list[Span]) -> list[np.ndarray]:
    """Coefficients in t of the sum over a cube: linear along every axis, multiplied out axis by axis."""
    p = [(v[e] + s[0].base * (v[e + 4] - v[e]), s[0].slope * (v[e + 4] - v[e])) for e in range(4)]
    q = []
    for z in range(2):
        d0, d1 = p[z + 2][0] - p[z][0], p[z + 2][1] - p[z][1]
        q.append((p[z][0] + s[1].base * d0, p[z][1] + s[1].base * d1 + s[1].slope * d0, s[1].slope * d1))
    d = [b - a for a, b in zip(*q, strict=True)]
    return [
        q[0][0] + s[2].base * d[0],
        q[0][1] + s[2].base * d[1] + s[2].slope * d[0],
        q[0][2] + s[2].base * d[2] + s[2].slope * d[1],
        s[2].slope * d[2],
    ]


def _cubic(c: list[np.ndarray], t: np.ndarray) -> np.ndarray:
    return c[0] + t * (c[1] + t * (c[2] + t * c[3]))


def _cubic_root(c: list[np.ndarray], target: float) -> np.ndarray:
    """Root of the cubic in (0, 1], by Newton's method kept inside a shrinking bracket."""
    low, high, t = np.zeros_like(c[0]), np.ones_like(c[0]), np.ones_like(c[0])
    busy = _cubic(c, t) - target > 0
    for _ in range(100):
        if not busy.any():
            break
        f, slope = _cubic(c, t) - target, c[1] + t * (2 * c[2] + t * 3 * c[3])
        high = np.where(busy & (f > 0), t, high)
        low = np.where(busy & (f <= 0), t, low)
        step = t - f / slope
        busy = busy & ~(np.abs(step - t) <= 1e-15)
        step = np.where((step > low) & (step < high), step, 0.5 * (low + high))
        t = np.where(busy, step, t)
    return t


def _centred_box(table: np.ndarray, at: Index, n: np.ndarray) -> np.ndarray:
    return _box(table, *(bound for a in at for bound in (a - n, a + n + 1)))


def _centred_spans(at: Index, shape: Shape, n: np.ndarray) -> list[Span]:
    return [
        Span((a - n, np.maximum(a - n - 1, 0)), (a + n + 1, np.minimum(a + n + 2, extent)), 0.0, 1.0)
        for a, extent in zip(at, shape, strict=True)
    ]


def _faces_in_background(counts: np.ndarray, at: Index, n: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Whether a face of any shell up to n + 1 lies wholly in the background; inner shells of solid cubes do not."""
    bad = np.zeros(n.size, bool)
    for shell in range(1, int(n.max(initial=0)) + 2):
        look = np.flatnonzero(~bad & (shell <= n + 1) & (~solid | (shell == n + 1)))
        bounds = [(a[look] - shell, a[look] + shell + 1) for a in at]
        for axis in range(3):
            low, high = bounds[axis]
            for face in ((low, low + 1), (high - 1, high)):
                box = [face if a == axis else bounds[a] for a in range(3)]
                bad[look] |= _box(counts, *(edge for pair in box for edge in pair)) == 0
    return bad


def _face_spans(at: Index, shape: Shape, cube: np.ndarray, steps: np.ndarray) -> list[Span]:
    spans = []
    for axis in range(3):
        direction = np.where(cube // 2 != axis, 0, np.where(cube % 2 == 1, 1, -1))
        along, lateral = direction != 0, steps // 2
        low, high = [], []
        for outer in range(2):
            grown = np.where(along, steps, lateral) + outer
            low.append(np.maximum(at[axis] - np.where(direction > 0, 0, grown), 0))
            high.append(np.minimum(at[axis] + np.where(direction < 0, 0, grown) + 1, shape[axis]))
        base = np.where(~along & (steps % 2 == 1), 0.5, 0.0)
        spans.append(Span((low[0], low[1]), (high[0], high[1]), base, np.where(along, 1.0, 0.5)))
    return spans
