"""NumPy reference of yee_pass.cuh."""

from __future__ import annotations

import numpy as np

from emdose.solvers.yee_engine.kernels.yee import cells_e, cells_h

Shape3 = tuple[int, int, int]


def one_pass(
    shape: Shape3,
    planes: int,
    nx: int,
    ny: int,
    nz: int,
    stride: int,
    component: int,
    longest: int,
    wide: int,
    low_x: int,
    high_x: int,
    low_y: int,
    high_y: int,
    lanes_low: int,
    lanes_high: int,
    widest: int,
    psi_x: int,
    psi_y: int,
    psi_z: int,
    psi_hx: int,
    psi_hy: int,
    psi_hz: int,
    ids8: np.ndarray,
    ids16: np.ndarray,
    ca: np.ndarray,
    cb: np.ndarray,
    factor: np.ndarray,
    layer: np.ndarray,
    e: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
    e_out: np.ndarray,
    h_out: np.ndarray,
    psi_out: np.ndarray,
) -> None:
    """E of one step from H, then H from E, into other arrays; ``shape`` and ``planes`` only say how it is divided."""
    e_out[...], h_out[...], psi_out[...] = e, h, psi
    lattice, layers = (stride, component, longest), (low_x, high_x, low_y, high_y, lanes_low, lanes_high, widest)
    cells_e(
        (nx, ny, nz),
        *lattice,
        wide,
        *layers,
        psi_x,
        psi_y,
        psi_z,
        ids8,
        ids16,
        ca,
        cb,
        factor,
        layer,
        h,
        e_out,
        psi_out,
    )
    cells_h((nx, ny, nz), *lattice, *layers, psi_hx, psi_hy, psi_hz, factor, layer, e_out, h_out, psi_out)


def again(
    shape: tuple[int],
    nx: int,
    ny: int,
    nz: int,
    stride: int,
    component: int,
    longest: int,
    low_x: int,
    high_x: int,
    low_y: int,
    high_y: int,
    lanes_low: int,
    lanes_high: int,
    widest: int,
    psi_hx: int,
    psi_hy: int,
    psi_hz: int,
    cell: np.ndarray,
    factor: np.ndarray,
    layer: np.ndarray,
    e_out: np.ndarray,
    h: np.ndarray,
    psi: np.ndarray,
    h_out: np.ndarray,
    psi_out: np.ndarray,
) -> None:
    """H of listed cells once more, from the E that there is now; made everywhere, which changes nothing elsewhere."""
    fresh, memory = h.copy(), psi.copy()
    layers, places = (low_x, high_x, low_y, high_y, lanes_low, lanes_high, widest), (psi_hx, psi_hy, psi_hz)
    cells_h((nx, ny, nz), stride, component, longest, *layers, *places, factor, layer, e_out, fresh, memory)
    h_out[...] = fresh
    psi_out[psi_hx:] = memory[psi_hx:]
