"""Eddy currents in a rod along a uniform field by bilinear finite elements in (r, z): an engine for tests."""

from __future__ import annotations

import numpy as np

MU_0 = 4e-7 * np.pi


def _graded(start: float, end: float, first: float, growth: float = 1.12, largest: float = np.inf) -> np.ndarray:
    """Nodes from start to end whose steps grow."""
    x, step = [0.0], first
    while x[-1] < abs(end - start):
        x.append(x[-1] + step)
        step = min(step * growth, largest)
    return start + (end - start) * np.array(x) / x[-1]


def rod_power(radius: float, length: float, sigma: float, f: float, steps: int = 10, far: float = 16.0) -> float:
    """Power of a rod with sharp rims at 1 T/s rms along its axis [W].

    Unknown is u = r A_phi on a quarter of the plane: int (grad u . grad v + j w mu0 sigma u v)/r = 0, u = B0 r^2/2 at
    ``far`` radii. Steps next to the surface are a skin depth over ``steps``.
    """
    import scipy.sparse as sp
    from scipy.sparse.linalg import spsolve

    w = 2 * np.pi * f
    h = 1 / np.sqrt(np.pi * f * MU_0 * sigma) / steps
    r = np.unique(np.concatenate([_graded(radius, 0, h, largest=radius / 25), _graded(radius, far * radius, h)]))
    z = np.unique(
        np.concatenate(
            [_graded(length / 2, 0, h, largest=radius / 12), _graded(length / 2, length / 2 + far * radius, h)]
        )
    )
    number = np.arange(len(r) * len(z)).reshape(len(r), len(z))
    nodes = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], axis=-1).reshape(-1, 4)
    hr, hz = np.diff(r)[:, None], np.diff(z)[None]
    metal = (r[:-1, None] + r[1:, None] < 2 * radius) & (z[None, :-1] + z[None, 1:] < length)
    K, M = np.zeros((2, len(r) - 1, len(z) - 1, 4, 4))
    corner = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    for x, y in corner / np.sqrt(3):
        shape = 0.25 * (1 + corner[:, 0] * x) * (1 + corner[:, 1] * y)
        dr = 0.25 * corner[:, 0] * (1 + corner[:, 1] * y) * (2 / hr)[..., None] + 0 * hz[..., None]
        dz = 0.25 * corner[:, 1] * (1 + corner[:, 0] * x) * (2 / hz)[..., None] + 0 * hr[..., None]
        weight = (hr * hz / 4 / (0.5 * (r[:-1, None] + r[1:, None]) + 0.5 * x * hr))[..., None, None]
        K += weight * (dr[..., :, None] * dr[..., None, :] + dz[..., :, None] * dz[..., None, :])
        M += weight * metal[..., None, None] * np.outer(shape, shape)
    i, j = np.repeat(nodes, 4, axis=1).ravel(), np.tile(nodes, (1, 4)).ravel()
    stiffness, mass = (sp.csr_matrix((a.ravel(), (i, j)), (number.size, number.size)) for a in (K, M))
    system = (stiffness + 1j * w * MU_0 * sigma * mass).tocsr()
    fixed = np.zeros(number.shape, bool)
    fixed[0] = fixed[-1] = fixed[:, -1] = True
    u = np.where(fixed, 0.5 * r[:, None] ** 2, 0).ravel().astype(complex)
    free = ~fixed.ravel()
    u[free] = spsolve(system[free][:, free].tocsc(), -(system @ u)[free])
    # Two halves; a field of 1 T peak changes by w/sqrt(2) T/s rms.
    return float(2 * np.pi * sigma * w**2 * (u.conj() @ (mass @ u)).real * 2 / w**2)
