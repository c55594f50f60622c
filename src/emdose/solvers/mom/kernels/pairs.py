"""NumPy reference of pairs.cuh."""

from __future__ import annotations

from types import SimpleNamespace as Struct

import numpy as np

TILE = 16


def far_pairs(shape: tuple[int], tiles: int, t0: int, s0: int, e: Struct, out: np.ndarray) -> None:
    """All pairs of the elements from t0 on with those from the tile of s0 on, by three points each."""
    n, rows = e.count, shape[0] // tiles
    low = s0 // TILE * TILE
    offset, centre, weight = e.offset.reshape(3, 3, n), e.centre.reshape(3, n), e.weight.reshape(3, n)
    out = out.view(complex).reshape(rows, 3, 3, n)
    s = np.arange(low, n)
    for t in range(t0, t0 + rows):
        between = offset[None, :, :, s] + (centre[:, s] - centre[:, [t]])[None, None] - offset[:, None, :, [t]]
        a2 = _radius2(e, np.full(len(s), t), s)
        R = np.sqrt(np.maximum((between**2).sum(axis=2) + a2, 1e-30))  # (a, b, s)
        g = weight[:, t][:, None, None] * weight[:, s] * np.exp(-1j * e.k * R) / R
        P = np.einsum("abs,ac->cs", g, offset[:, :, t])
        S = np.einsum("abs,bcs->cs", g, offset[:, :, s])
        D = np.einsum("abs,ac,bcs->s", g, offset[:, :, t], offset[:, :, s])
        out[t - t0, :, :, s] = _nine(e, np.full(len(s), t), s, g.sum(axis=(0, 1)), P, S, D)


def near_pairs(
    shape: tuple[int], t0: int, one: np.ndarray, other: np.ndarray, e: Struct, rule: Struct, out: np.ndarray
) -> None:
    """The pairs of a list, with 1/R in closed form."""
    out = out.view(complex).reshape(-1, 3, 3, e.count)
    for kinds in ((2.0, 2.0), (2.0, 1.0), (1.0, 2.0), (1.0, 1.0)):
        own = (e.kind[one] == kinds[0]) & (e.kind[other] == kinds[1])
        t, s = one[own], other[own]
        if not len(t):
            continue
        G, P, S, D = _moments(e, rule, t, s)
        G1, S1, P1, D1 = _moments(e, rule, s, t)
        mean = (0.5 * (x + y) for x, y in ((G, G1), (P, P1), (S, S1), (D, D1)))
        out[t - t0, :, :, s] = _nine(e, t, s, *mean)


def gather_rows(
    shape: tuple[int, int, int],
    t0: int,
    t1: int,
    symmetric: int,
    rows: np.ndarray,
    f: Struct,
    pairs: np.ndarray,
    Z: np.ndarray,
) -> None:
    """Add pairs of half functions to pairs of functions."""
    n = shape[2]
    Z = Z.view(complex).reshape(f.sectors, n, n)
    pairs = pairs.view(complex).reshape(-1, 3, 3, f.stride)
    function = np.repeat(np.arange(n), np.diff(f.first))
    for row in rows:
        for a in range(f.first[row], f.first[row + 1]):
            t = f.element[a]
            if not t0 <= t < t1:
                continue
            share = f.coef * f.coef[a]
            if symmetric:
                share = share * np.where(f.element < t0, 0.0, np.where(f.element < t1, 0.5, 1.0))
            for d in range(f.sectors):
                turned = (d + f.sector - f.sector[a]) % f.sectors
                found = pairs[t - t0, f.half[a], f.half, turned * f.elements + f.element]
                np.add.at(Z[d, row], function[share != 0], (share * found)[share != 0])


def _radius2(e: Struct, t: np.ndarray, s: np.ndarray) -> np.ndarray:
    return np.where((e.kind[t] == 1) & (e.kind[s] == 1), e.bulk[t] + e.bulk[s], 0.0)


def _nine(
    e: Struct, t: np.ndarray, s: np.ndarray, G: np.ndarray, P: np.ndarray, S: np.ndarray, D: np.ndarray
) -> np.ndarray:
    """(pairs, 3, 3) from the moments G (pairs), P and S (3, pairs), D (pairs)."""
    corner = e.corner.reshape(3, 3, e.count)
    v, u = corner[:, :, t], corner[:, :, s]
    dot = D - np.einsum("cs,qcs->qs", P, u)[None] - np.einsum("cs,pcs->ps", S, v)[:, None]
    dot = dot + np.einsum("pcs,qcs->pqs", v, u) * G
    value = e.measure[t] * e.measure[s] * (e.magnetic * dot - e.electric * e.kind[t] * e.kind[s] * G)
    return np.moveaxis(1j * value, 2, 0)


def _moments(
    e: Struct, rule: Struct, t: np.ndarray, s: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    n = e.count
    corner, centre = e.corner.reshape(3, 3, n).transpose(2, 0, 1), e.centre.reshape(3, n).T
    offset, weights = e.offset.reshape(3, 3, n).transpose(2, 0, 1), e.weight.reshape(3, n).T
    if e.kind[t[0]] == 1:
        place, weight = rule.wire.reshape(-1, 2).T
        r = (1 - place)[:, None] * corner[t, :1] + place[:, None] * corner[t, 1:2]
    else:
        table = rule.triangle.reshape(-1, 4)
        r, weight = np.einsum("qk,pkc->pqc", table[:, :3], corner[t]), table[:, 3]
    at = r + (centre[t] - centre[s])[:, None]
    a2 = _radius2(e, t, s)[:, None]
    if e.kind[s[0]] == 1:
        mean, vector = _wire_mean(at, corner[s, 1], a2)
    else:
        mean, vector = _triangle_mean(at, corner[s], e.measure[s])
    between = at[:, :, None] - offset[s][:, None]
    R = np.sqrt(np.maximum((between**2).sum(axis=3) + a2[:, :, None], 1e-30))
    rest = weights[s][:, None] * (-2 * np.sin(0.5 * e.k * R) ** 2 - 1j * np.sin(e.k * R)) / R
    g = mean + rest.sum(axis=2)
    h = vector + np.einsum("pab,pbc->pac", rest, offset[s])
    P, S = np.einsum("a,pa,pac->cp", weight, g, r), np.einsum("a,pac->cp", weight, h)
    return g @ weight, P, S, np.einsum("a,pac,pac->p", weight, h, r)


def _along(L: np.ndarray, R1: np.ndarray, R2: np.ndarray) -> np.ndarray:
    ratio = np.minimum(L / (R1 + R2), 1 - 1e-15)
    return np.log((1 + ratio) / (1 - ratio))


def _triangle_mean(r: np.ndarray, v: np.ndarray, area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of 1/R (p, q) and r'/R (p, q, 3) over triangles v (p, 3, 3) at points r (p, q, 3)."""
    area = area[:, None]
    a = v[:, None] - r[:, :, None]  # (p, q, k, c)
    R = np.linalg.norm(a, axis=3)
    side = np.roll(v, -1, axis=1) - v
    length = np.linalg.norm(side, axis=2)
    n = np.cross(side[:, 0], side[:, 1]) / (2 * area)
    height = -np.einsum("pqc,pc->pq", a[:, :, 0], n)
    outward = np.cross(side, n[:, None]) / length[:, :, None]
    distance = np.einsum("pqkc,pkc->pqk", a, outward)
    start = np.einsum("pqkc,pkc->pqk", a, side / length[:, :, None])
    L, R2 = length[:, None], np.roll(R, -1, axis=2)
    f = _along(L, R, R2)
    half = 0.5 * ((distance**2 + height[:, :, None] ** 2) * f + (start + L) * R2 - start * R)
    total, vector = (distance * f).sum(axis=2), np.einsum("pqk,pkc->pqc", half, outward)
    dots = R.prod(axis=2)
    for k in range(3):
        m = (k + 1) % 3
        dots = dots + np.einsum("pqc,pqc->pq", a[:, :, k], a[:, :, m]) * R[:, :, (k + 2) % 3]
    angle = 2 * np.arctan2(2 * height * area, dots)
    total = total - np.where(np.abs(height) > 1e-10 * np.sqrt(area), height * angle, 0.0)
    foot = r - height[:, :, None] * n[:, None]
    return total / area, (vector + foot * total[:, :, None]) / area[:, :, None]


def _wire_mean(r: np.ndarray, v: np.ndarray, a2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of 1/R (p, q) and r'/R (p, q, 3) over wires from -v to v (p, 3) at points r (p, q, 3)."""
    half = np.linalg.norm(v, axis=1)[:, None]
    u = np.einsum("pqc,pc->pq", r, v) / half
    across = np.maximum((r**2).sum(axis=2) - u * u, 0.0) + a2
    s1, s2 = -half - u, half - u
    R1, R2 = np.sqrt(s1 * s1 + across), np.sqrt(s2 * s2 + across)
    mean = _along(2 * half, R1, R2) / (2 * half)
    first = (u * mean + (s2 * s2 - s1 * s1) / ((R1 + R2) * 2 * half)) / half
    return mean, first[:, :, None] * v[:, None]
