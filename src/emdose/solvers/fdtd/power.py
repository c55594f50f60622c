r"""Power on the Yee grid: through a closed box, into the body, and out of current sources.

The flux is the one that belongs to the discrete equations: E on the edges of the box's surface times H half a cell
outside, with the lengths of the edges and of the dual edges. With it the power of the sources equals what the body
absorbs plus the flux to rounding, on graded grids as well.

.. math:: P = \tfrac12 \mathrm{Re} \sum_e \pm E_e\, l_e\, H_e^*\, \tilde l_e
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emdose.constants import MU_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.fdtd.setup.domain import faces

if TYPE_CHECKING:
    from emdose.models.grids.grid import Grid, Shape


def outflow(E: list[np.ndarray], B: list[np.ndarray], box: tuple[Shape, Shape], grid: RectilinearGrid) -> np.ndarray:
    """Power out of a box as a Hermitian matrix of the ports.

    Parameters
    ----------
    E, B : list of six (port, 3, ...) complex arrays
        Phasors on the slices of :func:`~emdose.solvers.fdtd.setup.domain.faces`, peak [V/m], [T].
    box : ((int, int, int), (int, int, int))
        Node indices of its corners.
    grid : RectilinearGrid
        The grid.

    Returns
    -------
    (port, port) complex ndarray
        M such that drives v send out v^H M v [W].
    """
    ports = len(E[0])
    total = np.zeros((ports, ports), complex)
    for n in range(6):
        axis, side = divmod(n, 2)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        own = -1
        outside = 0 if side == 0 else -1
        sign = 1.0 if side == 1 else -1.0
        for e, h, cross in ((a, b, 1.0), (b, a, -1.0)):
            # Edges along e: all but the last along themselves. H along h shares their place in the face.
            length = grid.steps(e)[box[0][e] : box[1][e]]
            dual = grid.dual_steps(h)[box[0][h] : box[1][h] + 1]
            weight = np.outer(length, dual) if e < h else np.outer(dual, length)
            cut = [slice(None)] * 3
            cut[e] = slice(0, -1)

            def plane(array: np.ndarray, component: int, layer: int, cut: list[slice] = cut) -> np.ndarray:
                where: list[slice | int] = list(cut)
                where[axis] = layer  # noqa: B023
                return np.asarray(array[(slice(None), component, *where)], complex).reshape(ports, -1)

            field = plane(E[n], e, own)
            magnetic = plane(B[n], h, outside) / MU_0
            part = (field.conj() * weight.ravel()) @ magnetic.T
            total += 0.25 * sign * cross * (part + part.conj().T)
    return total


def power_of_box(E: np.ndarray, B: np.ndarray, conductivity: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Power absorbed in the cells of a grid but the outermost ones, and power out of their box, by pairs of ports [W].

    Parameters
    ----------
    E, B : (port, 3, nodes) complex ndarray
        On edges and faces; E such that ``conductivity`` gives the power [V/m], [T].
    conductivity : (3, nodes) ndarray
        Of the edges [S/m].
    grid : Grid
        The cells.
    """
    box: tuple[Shape, Shape] = ((1, 1, 1), (grid.shape[0] - 1, grid.shape[1] - 1, grid.shape[2] - 1))
    sides = [[np.asarray(v[(slice(None), slice(None), *cut)]) for cut in faces(box)] for v in (E, B)]
    out = outflow(sides[0], sides[1], box, RectilinearGrid.from_grid(grid))
    # H half a cell outside of the box encloses the edges on it.
    sigma = np.zeros_like(conductivity)
    for c in range(3):
        cut = tuple(slice(1, n - (a == c)) for a, n in enumerate(grid.shape))
        sigma[c][cut] = conductivity[c][cut]
    return dissipated(E, sigma, grid.voxel_volume_m3), out


def dissipated(E: np.ndarray, conductivity: np.ndarray, volume_m3: float) -> np.ndarray:
    """Power absorbed on edges as a Hermitian matrix of the ports [W].

    Parameters
    ----------
    E : (port, 3, ...) complex array
        Phasors, peak [V/m].
    conductivity : (3, ...) array
        Conductivity of the same edges [S/m].
    volume_m3 : float
        Volume of an edge [m^3].
    """
    there = np.flatnonzero(conductivity.ravel())
    sigma = conductivity.ravel()[there].astype(float)
    inside = E.reshape(len(E), -1)[:, there].astype(complex)
    return 0.5 * volume_m3 * (inside.conj() * sigma) @ inside.T
