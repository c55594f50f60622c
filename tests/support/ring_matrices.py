"""Q-matrices in closed form: a ring of eight sources around a uniform ball, no file and no random number.

E_k = exp(-g d) / d (z + t_k / 2) at distance d from source k, g = 12 + 40j 1/m, t_k along the ring; the sources lie at
0.16 m, 3 cm above and below the middle plane in turn. Ball of 90 mm radius on a lattice of 10 mm, 0.6 S/m, 1000 kg/m3.
"""

from __future__ import annotations

import numpy as np

import emdose as em

CHANNELS, STEP_m, CELLS = 8, 0.01, 19


def point_and_averaged() -> tuple[em.QMatrices, em.QMatrices]:
    """Point matrices of the voxels, and their means over the 3 x 3 x 3 neighbours that lie in the ball."""
    angle = 2 * np.pi * np.arange(CHANNELS) / CHANNELS
    sources = np.stack([0.16 * np.cos(angle), 0.16 * np.sin(angle), 0.03 * (-1.0) ** np.arange(CHANNELS)], axis=1)
    along = np.stack([-np.sin(angle), np.cos(angle), np.zeros(CHANNELS)], axis=1)
    line = STEP_m * (np.arange(CELLS) - CELLS // 2)
    points = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    inside = np.linalg.norm(points, axis=-1) <= 0.09 + 1e-9
    d = np.linalg.norm(points[..., None, :] - sources, axis=-1)
    E = (np.exp(-(12 + 40j) * d) / d)[..., None] * (np.array([0, 0, 1.0]) + 0.5 * along)
    Q = 0.6 / 2000 * np.einsum("...kc,...lc->...kl", E.conj(), E) * inside[..., None, None]
    total, count = np.zeros_like(Q), np.zeros(inside.shape)
    wide, there = np.pad(Q, [(1, 1)] * 3 + [(0, 0)] * 2), np.pad(inside.astype(float), 1)
    for shift in np.ndindex(3, 3, 3):
        window = tuple(slice(s, s + CELLS) for s in shift)
        total += wide[window]
        count += there[window]
    grid = em.Grid((CELLS,) * 3, STEP_m)
    voxel, ports = np.flatnonzero(inside), tuple(f"port {n}" for n in range(CHANNELS))

    def made(values: np.ndarray, mass_kg: float | None) -> em.QMatrices:
        return em.QMatrices(values, voxel, grid, ports, "V", "mid-ordinate", mass_kg)

    return made(Q[inside], None), made(total[inside] / count[inside][:, None, None], 0.027)
