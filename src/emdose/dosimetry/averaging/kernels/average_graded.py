"""NumPy reference of average_graded.cuh: the same functions of one cube, over arrays of cubes."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace as Struct

import numpy as np

MASS_TOLERANCE = 1e-9
LENGTH_TOLERANCE = 5e-7
FULLY_INSIDE = 0.999
BACKGROUND_LIMIT = 0.1
CHUNK = 1 << 14

Axes = list[np.ndarray]  # node coordinates along x, y and z


def grow_graded_cubes(
    shape: tuple[int],
    grid: Struct,
    faces: int,
    target: float,
    voxels: np.ndarray,
    weight: np.ndarray,
    masses: np.ndarray,
    volumes: np.ndarray,
    counts: np.ndarray,
    side: np.ndarray,
    mass: np.ndarray,
) -> None:
    """Side and mass of the cube of every item; side -1 where there is no (valid) cube."""
    axes = _axes(grid)
    for item in _chunks(faces * voxels.size):
        q = voxels[item // faces]
        face = np.full(item.size, -1) if faces == 1 else item % 6
        at = np.stack(np.unravel_index(q, (grid.nx, grid.ny, grid.nz)))
        reach = []
        for axis, n in enumerate(axes):
            centre = 0.5 * (n[at[axis]] + n[at[axis] + 1])
            reach.append(
                2 * np.minimum(centre - n[0], n[-1] - centre) if faces == 1 else np.full(item.size, 2 * (n[-1] - n[0]))
            )
        largest = np.min(reach, axis=0) if faces == 1 else np.max(reach, axis=0)
        guess = np.cbrt(target / weight.reshape(-1)[q])
        found = _sides(masses, axes, at, face, guess, largest * (1 + LENGTH_TOLERANCE), target * (1 - MASS_TOLERANCE))
        if faces == 1:
            volume = np.maximum(found, 0) ** 3
            tissue = _mass(volumes, axes, at, face, np.maximum(found, 0))
            bad = (volume - tissue > BACKGROUND_LIMIT * volume) | _faces_in_background(counts, axes, at, found)
            found[bad] = -1
        side[item] = found
        mass[item] = np.where(found < 0, 1.0, _mass(masses, axes, at, face, np.maximum(found, 0)))


def graded_cube_sums(
    shape: tuple[int],
    grid: Struct,
    faces: int,
    voxels: np.ndarray,
    side: np.ndarray,
    table: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Integrals of a tabled map over the cubes."""
    axes = _axes(grid)
    for item in _chunks(faces * voxels.size):
        at = np.stack(np.unravel_index(voxels[item // faces], (grid.nx, grid.ny, grid.nz)))
        face = np.full(item.size, -1) if faces == 1 else item % 6
        total = _mass(table, axes, at, face, np.maximum(side[item], 0))
        sums[item] = np.where(side[item] < 0, 0.0, total)


def graded_largest(
    shape: tuple[int],
    grid: Struct,
    reach: float,
    voxels: np.ndarray,
    side: np.ndarray,
    mean: np.ndarray,
    best: np.ndarray,
) -> None:
    """Largest mean among the centred cubes that hold a voxel, -1e300 where there is none."""
    axes = _axes(grid)
    centres = [0.5 * (n[1:] + n[:-1]) for n in axes]
    for item, q in enumerate(voxels):
        at = np.unravel_index(q, (grid.nx, grid.ny, grid.nz))
        cut, low, high = [], [], []
        for axis, n in enumerate(axes):
            low.append(n[at[axis]])
            high.append(n[at[axis] + 1])
            ends = _cell(n, np.array([low[-1] - 0.5 * reach, high[-1] + 0.5 * reach]))
            cut.append(slice(ends[0], ends[1] + 1))
        near = side[tuple(cut)]
        held = np.ones(near.shape)
        for axis in range(3):
            centre = centres[axis][cut[axis]].reshape([-1 if a == axis else 1 for a in range(3)])
            from_, to = (np.clip(centre + s * near, low[axis], high[axis]) for s in (-0.5, 0.5))
            held *= (to - from_) / (high[axis] - low[axis])
        best[item] = np.where((near >= 0) & (held > FULLY_INSIDE), mean[tuple(cut)], -1e300).max()


def _axes(grid: Struct) -> Axes:
    return np.split(grid.nodes, [grid.nx + 1, grid.nx + grid.ny + 2])


def _chunks(items: int) -> Iterator[np.ndarray]:
    return (np.arange(n, min(n + CHUNK, items)) for n in range(0, items, CHUNK))


def _cell(nodes: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, nodes.size - 2)


def _cube(axes: Axes, at: np.ndarray, face: np.ndarray, side: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    box = []
    for axis, n in enumerate(axes):
        low, high = n[at[axis]], n[at[axis] + 1]
        centre, along, down = 0.5 * (low + high), (face >= 0) & (face // 2 == axis), face % 2 == 0
        box.append(
            (
                np.where(along, np.where(down, high - side, low), centre - 0.5 * side),
                np.where(along, np.where(down, high, low + side), centre + 0.5 * side),
            )
        )
    return box


def _mass(table: np.ndarray, axes: Axes, at: np.ndarray, face: np.ndarray, side: np.ndarray) -> np.ndarray:
    cells, parts = [], []
    for n, ends in zip(axes, _cube(axes, at, face, side), strict=True):
        x = [np.clip(e, n[0], n[-1]) for e in ends]
        cells.append([_cell(n, e) for e in x])
        parts.append([(e - n[c]) / (n[c + 1] - n[c]) for e, c in zip(x, cells[-1], strict=True)])
    total = np.zeros(side.size)
    for x, y, z in np.ndindex(2, 2, 2):
        i, j, k = cells[0][x], cells[1][y], cells[2][z]
        planes = []
        for di in (0, 1):
            rows = [
                table[i + di, j + dj, k] + parts[2][z] * (table[i + di, j + dj, k + 1] - table[i + di, j + dj, k])
                for dj in (0, 1)
            ]
            planes.append(rows[0] + parts[1][y] * (rows[1] - rows[0]))
        value = planes[0] + parts[0][x] * (planes[1] - planes[0])
        total += value if (x + y + z) % 2 else -value
    return total


def _sides(masses, axes, at, face, guess, largest, target) -> np.ndarray:
    low, high = np.zeros(guess.size), np.minimum(guess, largest)
    below, above = np.full(guess.size, -target), _mass(masses, axes, at, face, high) - target
    lost = np.zeros(guess.size, bool)
    while True:
        small = (above < 0) & ~lost
        lost |= small & (high >= largest)
        small &= ~lost
        if not small.any():
            break
        s = np.flatnonzero(small)
        low[s], below[s] = high[s], above[s]
        high[s] = np.minimum(1.25 * high[s], largest[s])
        above[s] = _mass(masses, axes, at[:, s], face[s], high[s]) - target
    kept, busy = np.zeros(guess.size, int), ~lost
    for n in range(200):
        busy &= high - low > 1e-14 * high
        s = np.flatnonzero(busy)
        if not s.size:
            break
        half = 0.5 * (low[s] + high[s])
        middle = half if n % 3 == 2 else low[s] - below[s] * (high[s] - low[s]) / (above[s] - below[s])
        next_ = np.where((middle > low[s]) & (middle < high[s]), middle, half)
        value = _mass(masses, axes, at[:, s], face[s], next_) - target
        up = value >= 0
        high[s], above[s] = np.where(up, next_, high[s]), np.where(up, value, above[s])
        low[s], below[s] = np.where(up, low[s], next_), np.where(up, below[s], value)
        below[s] *= np.where(up & (kept[s] == 1), 0.5, 1.0)
        above[s] *= np.where(~up & (kept[s] == -1), 0.5, 1.0)
        kept[s] = np.where(up, 1, -1)
        busy[s[value == 0]] = False
    return np.where(lost, -1.0, high)


def _faces_in_background(counts: np.ndarray, axes: Axes, at: np.ndarray, side: np.ndarray) -> np.ndarray:
    bad = np.zeros(side.size, bool)
    for face in range(6):
        axis, step = face // 2, 1 if face % 2 else -1
        nodes = axes[axis]
        centre = 0.5 * (nodes[at[axis]] + nodes[at[axis] + 1])
        layer = at[axis] + step
        busy = (side > 0) & ~bad
        while True:
            busy &= (layer >= 0) & (layer < nodes.size - 1)
            s = np.flatnonzero(busy)
            if not s.size:
                break
            entered = 2 * (nodes[layer[s]] - centre[s] if step > 0 else centre[s] - nodes[layer[s] + 1])
            more = LENGTH_TOLERANCE * entered
            crossed = entered + 2 * more < side[s]
            busy[s[~crossed]] = False
            s, entered, more = s[crossed], entered[crossed], more[crossed]
            low, high = [], []
            for other, n in enumerate(axes):
                middle = 0.5 * (n[at[other, s]] + n[at[other, s] + 1])
                own = other == axis
                low.append(layer[s] if own else _cell(n, middle - 0.5 * entered - more))
                high.append(layer[s] + 1 if own else _cell(n, middle + 0.5 * entered + more) + 1)
            total = sum(
                (1 if (x + y + z) % 2 else -1)
                * counts[(low, high)[x][0], (low, high)[y][1], (low, high)[z][2]].astype(np.int64)
                for x, y, z in np.ndindex(2, 2, 2)
            )
            bad[s[total == 0]] = True
            busy &= ~bad
            layer = layer + step
    return bad
