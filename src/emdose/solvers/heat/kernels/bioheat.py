"""NumPy references of bioheat.cuh."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace as Struct

import numpy as np

LANES = 32
"""The lines of a tile along x or y are a multiple of this."""
WIDEST = 256
"""Most lines of such a tile."""
ROWS = 16
"""The lines of a tile along z."""
BLOCK = 64
"""Cells that one index of ``stencil`` handles."""
FAINT = 1e-12
"""Heat added to every cell and step [J/m^3], see the compiled text."""


def pivots(
    shape: tuple[int], tiles: Struct, h: float, heat: np.ndarray, g: np.ndarray, sink: np.ndarray, m: np.ndarray
) -> None:
    """Inverse pivots of the sweeps along x or y."""
    heat, g, sink, m = heat.ravel(), g.ravel(), sink.ravel(), m.reshape(-1)
    h = heat.dtype.type(h)
    for s in range(max(tiles.maps, 1)):
        map_ = s * tiles.n
        for p in _walk(tiles):
            low = h * g[p - tiles.along]
            taken = sink[map_ + p] if tiles.maps > 0 else 0
            before = np.where(low > 0, m[map_ + p - tiles.along], 0)
            m[map_ + p] = 1 / (heat[p] + low + h * (g[p] + taken) - low * low * before)


def pivots_z(
    shape: tuple[int],
    columns: Struct,
    h: float,
    heat: np.ndarray,
    g: np.ndarray,
    u: np.ndarray,
    a: np.ndarray,
    c: np.ndarray,
) -> None:
    """Factors of the sweep along z."""
    heat, g = heat.ravel(), g.ravel()
    u, a, c = u.reshape(-1), a.reshape(-1), c.reshape(-1)
    h = heat.dtype.type(h)
    before = np.zeros((len(columns.first), ROWS), heat.dtype)
    for p, w, live in _walk_rows(columns):
        low, high = h * g[p - 1], h * g[p]
        now = 1 / (heat[p] + low + high - low * low * before[live])
        before[live] = now
        u[w], a[w], c[w] = heat[p] * now, low * now, high * now


def first_sweep(
    shape: tuple[int],
    tiles: Struct,
    flow: Struct,
    dt: float,
    own: int,
    g: np.ndarray,
    m: np.ndarray,
    scale: np.ndarray,
    q: np.ndarray,
    T: np.ndarray,
    d: np.ndarray,
) -> None:
    """(heat - h La) d = dt (L T + scale q) along one axis."""
    g, out = g.ravel(), d.reshape(-1)
    kind = T.dtype.type
    dt, h = kind(dt), kind(0.5) * kind(dt)
    n, along = tiles.n, tiles.along
    for s in range(tiles.maps):
        here = slice(s * n, (s + 1) * n)
        shared = here if own else slice(0, n)
        taken, pivot = flow.sink.reshape(-1)[shared], m.reshape(-1)[shared]
        T_s, q_s, d_s = T.reshape(-1)[here], q.reshape(-1)[here], out[here]
        other = np.zeros(n, T.dtype)
        for p in _walk(tiles):
            gain = dt * (_inflow(p, flow, T_s) - taken[p] * T_s[p] + scale[s] * q_s[p]) + kind(FAINT)
            other[p] = d_s[p] = (gain + h * g[p - along] * other[p - along]) * pivot[p]
        _back(tiles, h * g * pivot, d_s)


def second_sweep(
    shape: tuple[int], tiles: Struct, h: float, heat: np.ndarray, g: np.ndarray, m: np.ndarray, d: np.ndarray
) -> None:
    """(heat - h Lb) d' = heat d along another axis, in place."""
    heat, g, m = heat.ravel(), g.ravel(), m.ravel()
    h, n, along = d.dtype.type(h), tiles.n, tiles.along
    for s in range(tiles.maps):
        d_s = d.reshape(-1)[s * n : (s + 1) * n]
        other = np.zeros(n, d.dtype)
        for p in _walk(tiles):
            other[p] = d_s[p] = (heat[p] * d_s[p] + h * g[p - along] * other[p - along]) * m[p]
        _back(tiles, h * g * m, d_s)


def last_sweep(
    shape: tuple[int],
    columns: Struct,
    u: np.ndarray,
    a: np.ndarray,
    c: np.ndarray,
    d: np.ndarray,
    T: np.ndarray,
) -> None:
    """(heat - h Lz) d' = heat d, then T += d'."""
    u, a, c = u.ravel(), a.ravel(), c.ravel()
    steps, n = list(_walk_rows(columns)), columns.n
    for s in range(columns.sources):
        d_s, T_s = d.reshape(-1)[s * n : (s + 1) * n], T.reshape(-1)[s * n : (s + 1) * n]
        for flip, factor in ((1, a), (-1, c)):
            other = np.zeros((len(columns.first), ROWS), d.dtype)
            for p, w, live in steps[::flip]:
                other[live] = (u[w] * d_s[p] if flip > 0 else d_s[p]) + factor[w] * other[live]
                d_s[p] = other[live]
        for p, _, _ in steps:
            T_s[p] += d_s[p]


def stencil(
    shape: tuple[int], n: int, flow: Struct, step: float, b: np.ndarray, T: np.ndarray, out: np.ndarray
) -> None:
    """out = b - A T, or one iteration of Jacobi."""
    plane, row = flow.plane, flow.row
    p = slice(plane, n - plane)
    gx, gy, gz, sink, b, T = (x.ravel() for x in (flow.gx, flow.gy, flow.gz, flow.sink, b, T))
    at = np.arange(plane, n - plane)
    rest = b[p] - sink[p] * T[p] + _inflow(at, flow, T)
    if step > 0:
        diagonal = sink[p] + gx[p] + gx[at - plane] + gy[p] + gy[at - row] + gz[p] + gz[at - 1]
        change = np.divide(T.dtype.type(step) * rest, diagonal, out=np.zeros_like(rest), where=diagonal > 0)
        rest = T[p] + change
    out.reshape(-1)[p] = rest


def _inflow(p: np.ndarray, flow: Struct, T: np.ndarray) -> np.ndarray:
    total = np.zeros(len(p), T.dtype)
    for g, along in ((flow.gx, flow.plane), (flow.gy, flow.row), (flow.gz, 1)):
        flat = g.ravel()
        total += flat[p] * (T[p + along] - T[p]) + flat[p - along] * (T[p - along] - T[p])
    return total


def _walk(tiles: Struct) -> Iterator[np.ndarray]:
    """Cells of all tiles, one step along their lines after the other."""
    start = (tiles.first[:, None] + np.arange(tiles.lanes)).ravel()
    length = np.repeat(tiles.count, tiles.lanes)
    for c in range(int(tiles.count.max(initial=0))):
        yield start[length > c] + c * tiles.along


def _walk_rows(columns: Struct) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cells, places of their factors and which tiles are walked, one step along z after the other."""
    lane = np.arange(ROWS)
    first, packed, count = columns.first, columns.packed, columns.count
    for k in range(int(count.max(initial=0))):
        live = count > k
        yield (first[live, None] + lane * columns.row + k, packed[live, None] + k * ROWS + lane, live)


def _back(tiles: Struct, factor: np.ndarray, d: np.ndarray) -> None:
    """d <- d + factor d[after], from the ends of the lines to their beginnings."""
    after = np.zeros_like(d)
    for p in list(_walk(tiles))[::-1]:
        after[p] = d[p] = d[p] + factor[p] * after[p + tiles.along]
