"""NumPy reference of yee_pass.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.walks.kernels.yee import cells_e, cells_h
from emdose.solvers.yee_engine.walks.kernels.yee_lattice import Struct

Shape3 = tuple[int, int, int]


def one_pass(
    shape: Shape3,
    planes: int,
    mesh: Struct,
    medium: Struct,
    e: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
    e_out: np.ndarray,
    h_out: np.ndarray,
    psi_out: np.ndarray,
) -> None:
    """E of one step from H, then H from E, into other arrays; ``shape`` and ``planes`` only say how it is divided."""
    nodes = (mesh.nx, mesh.ny, mesh.nz)
    e_out[...], h_out[...], psi_out[...] = e, h, psi
    cells_e(nodes, mesh, medium, h, e_out, psi_out)
    cells_h(nodes, mesh, medium, e_out, h_out, psi_out)


def again(
    shape: tuple[int],
    mesh: Struct,
    medium: Struct,
    cell: np.ndarray,
    e_out: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
    h_out: np.ndarray,
    psi_out: np.ndarray,
) -> None:
    """H of listed cells once more, from the E that there is now; made everywhere, which changes nothing elsewhere."""
    fresh, memory = h.copy(), psi.copy()
    cells_h((mesh.nx, mesh.ny, mesh.nz), mesh, medium, e_out, fresh, memory)
    h_out[...] = fresh
    psi_out[mesh.psi_hx :] = memory[mesh.psi_hx :]
