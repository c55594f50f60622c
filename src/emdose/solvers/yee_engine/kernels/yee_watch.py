"""NumPy reference of yee_watch.cuh."""

from __future__ import annotations

import numpy as np


def row_energy(
    shape: tuple[int],
    nx: int,
    ny: int,
    nz: int,
    stride: int,
    component: int,
    longest: int,
    wide: int,
    ids8: np.ndarray,
    ids16: np.ndarray,
    eps: np.ndarray,
    weight: np.ndarray,
    factor: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
    out: np.ndarray,
) -> None:
    """Electric and magnetic energy of every row."""
    ids = (ids16 if wide else ids8).reshape(3, nx, ny, stride)
    weight, factor = weight.reshape(2, 3, 3, longest), factor.reshape(2, 3, 3, longest)
    E, H = (f.reshape(3, nx + 1, ny, stride)[:, 1:, :, :nz] for f in (e, h))
    sums = np.zeros((2, nx, ny))
    for c in range(3):
        for magnetic in (0, 1):
            n = [size - ((a == c) != bool(magnetic)) for a, size in enumerate((nx, ny, nz))]
            cut = tuple(slice(0, s) for s in n)
            w, f = ([t[magnetic, c, a, : n[a]] for a in range(3)] for t in (weight, factor))
            scale = (w[0][:, None] * w[1])[:, :, None] * w[2]
            if not magnetic:
                value = E[c][cut].astype(float) ** 2 * (scale * eps[ids[c][cut]])
            else:
                u, v = (c + 1) % 3, (c + 2) % 3
                turn = _difference(E[v], u, n) - _difference(E[u], v, n)
                now = H[c][cut].astype(float)
                gain = ((f[0][:, None] * f[1])[:, :, None] * f[2]).astype(float)
                value = now * (now + gain * turn) * scale
            sums[magnetic, : n[0], : n[1]] += value.sum(-1)
    out.reshape(nx, ny, 2)[...] = np.moveaxis(sums, 0, -1)


def _difference(f: np.ndarray, axis: int, counts: list[int]) -> np.ndarray:
    low = tuple(slice(0, n) for n in counts)
    high = tuple(slice(int(a == axis), n + int(a == axis)) for a, n in enumerate(counts))
    return f[high].astype(float) - f[low].astype(float)
