"""NumPy reference of yee_watch.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.walks.kernels.yee_lattice import Struct


def row_energy(
    shape: tuple[int],
    mesh: Struct,
    medium: Struct,
    eps: np.ndarray,
    weight: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
    out: np.ndarray,
) -> None:
    """Electric and magnetic energy of every row."""
    nx, ny, nz, stride = mesh.nx, mesh.ny, mesh.nz, mesh.stride
    ids = (medium.ids16 if medium.wide else medium.ids8).reshape(3, nx, ny, stride)
    weight, factor = (table.reshape(2, 3, 3, mesh.longest) for table in (weight, medium.factor))
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
                curl = _difference(E[v], u, n) - _difference(E[u], v, n)
                now = H[c][cut].astype(float)
                gain = ((f[0][:, None] * f[1])[:, :, None] * f[2]).astype(float)
                value = now * (now + gain * curl) * scale
            sums[magnetic, : n[0], : n[1]] += value.sum(-1)
    out.reshape(nx, ny, 2)[...] = np.moveaxis(sums, 0, -1)


def _difference(f: np.ndarray, axis: int, counts: list[int]) -> np.ndarray:
    low = tuple(slice(0, n) for n in counts)
    high = tuple(slice(int(a == axis), n + int(a == axis)) for a, n in enumerate(counts))
    return f[high].astype(float) - f[low].astype(float)
