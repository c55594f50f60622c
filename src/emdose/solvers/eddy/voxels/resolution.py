r"""What voxels leave out of the power: the loss of the current's variation inside them.

A branch carries one current density; in the metal it varies over the voxel, by g = dE/dt along each axis t. The loss of
that variation is missing from the power. With e the extent of the open part of a face along t it is

.. math:: D_{ij} = \operatorname{Re} \sum \sigma \alpha A h \, \frac{e_t^2}{12} \, g_i g_j

summed over branches and the two axes across each. In a plate of N cells it is 1/N^2 of the power. No conjugate stands
in it: the currents that are left out act back on the others, and what they change the power by is the square of the
voltage that drives them (elimination of unknowns from a symmetric system). In a skin of depth delta that halves it, to
(h/delta)^2 / 12. Along a branch the current grows and falls linearly between the faces of a cell, where the network has
two halves with one current each: (E_a - E_b)^2 / 6, with E = 0 at a closed end.

Where a sheet is one cell thick there is no neighbour to take a difference with; no current crosses the sheet, so that
the derivative is the rotation of E, which is the rate of B that the source drives.

Source: R. Scardovelli and S. Zaleski, J. Comput. Phys. 164 (2000) 228 (extent of a cut square); the rest is derived.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from emdose.solvers.eddy.voxels.operator import EddyOperator
    from emdose.solvers.eddy.voxels.sources import Source


def left_out(operator: EddyOperator, sources: tuple[Source, ...], currents: Any) -> np.ndarray:
    """Power that the variation of the current inside voxels would add to that of the network.

    Parameters
    ----------
    operator : EddyOperator
        The discrete problem.
    sources : (n,) tuple of Source
        The sources of the currents.
    currents : (n, branches) complex array
        Currents per unit rate of change, on the device [A].

    Returns
    -------
    (n, n) float64 ndarray
        Symmetric [W per (unit of source, rms)^2].
    """
    total = np.zeros((len(sources), len(sources)))
    for c in range(3):
        field = _field(operator, currents, c)
        total += _along(operator, field, c)
        for t in ((c + 1) % 3, (c + 2) % 3):
            total += _across(operator, sources, field, c, t)
    return total


def _field(op: EddyOperator, currents: Any, c: int) -> Any:
    """Electric field along the branches of one component, (n, nx, ny, nz), zero where closed [V/m per unit]."""
    xp, size, h = op.be.xp, math.prod(op.shape), op.network.grid.spacing_m[c]
    here = xp.flatnonzero((op.branches >= c * size) & (op.branches < (c + 1) * size))
    out = xp.zeros((len(currents), size), currents.dtype)
    out[:, op.branches[here] - c * size] = currents[:, here] * op.resistance[here] / op.real.type(h)
    return out.reshape(len(currents), *op.shape)


def _along(op: EddyOperator, field: Any, c: int) -> np.ndarray:
    """Part of the variation along the branches, cell by cell."""
    xp, net, h = op.be.xp, op.network, op.network.grid.spacing_m[c]
    # Conductivity times open area of the two faces of every cell along c.
    low = op.be.asarray((net.conductance[c] * h).astype(op.real))
    high = _neighbour(low, c, 1, xp)
    both = xp.maximum(low, high)
    ends = (low > 0).astype(op.real) + (high > 0)
    # The metal behind the one open face of a cell at the end of a path is as long as its volume says.
    open_area = op.be.asarray(_open_area(op, c))
    length = xp.clip(op.be.asarray(net.fraction.astype(op.real)) / xp.where(open_area > 0, open_area, 1), 0, 1)
    weight = both * h / 6 * xp.where(ends == 2, 1, length)
    difference = _neighbour(field, c, 1, xp) - field
    return _gram(op, difference, xp.where(ends > 0, weight, 0))


def _open_area(op: EddyOperator, c: int) -> np.ndarray:
    """Larger open fraction of the two faces of every cell along c."""
    net, h = op.network, op.network.grid.spacing_m
    sigma = np.where(net.conductivity > 0, net.conductivity, 1.0)
    low = net.conductance[c] * h[c]
    high = np.zeros_like(low)
    inner, outer = ([slice(None)] * 3 for _ in range(2))
    inner[c], outer[c] = slice(None, -1), slice(1, None)
    high[tuple(inner)] = low[tuple(outer)]
    return (np.maximum(low, high) / sigma / (h[(c + 1) % 3] * h[(c + 2) % 3])).astype(op.real)


def _across(op: EddyOperator, sources: tuple[Source, ...], field: Any, c: int, t: int) -> np.ndarray:
    """Part of the variation across the branches of component c along axis t."""
    be, xp, net = op.be, op.be.xp, op.network
    h, offset = net.grid.spacing_m, op.inductance.offset[c, (t - c - 1) % 3]
    open_ = op.be.asarray(net.conductance[c] > 0)
    above, below = (_neighbour(open_, t, side, xp) & open_ for side in (1, -1))
    # Places of the middles in voxels; differences reach to both sides where both are open.
    ahead = xp.where(above, 1 + _neighbour(offset, t, 1, xp), offset)
    behind = xp.where(below, _neighbour(offset, t, -1, xp) - 1, offset)
    distance = xp.where(above | below, ahead - behind, 1) * op.real.type(h[t])
    slope = xp.where(above, _neighbour(field, t, 1, xp), field)
    slope -= xp.where(below, _neighbour(field, t, -1, xp), field)
    slope /= distance
    alone = be.to_numpy(open_ & ~above & ~below)
    if alone.any():
        slope[:, be.asarray(alone)] = be.asarray(_rotation(op, sources, alone, c, t).astype(op.real))
    extent = (1 - 2 * xp.abs(offset)) * op.real.type(h[t])
    weight = be.asarray((net.conductance[c] * h[c] ** 2).astype(op.real)) * extent**2 / 12
    return _gram(op, slope, weight)


def _rotation(op: EddyOperator, sources: tuple[Source, ...], alone: np.ndarray, c: int, t: int) -> np.ndarray:
    """Derivative of E_c along t where E_t is zero, from the potentials of the sources, (n, faces)."""
    net = op.network
    points = np.stack([np.ascontiguousarray(p)[alone] for p in net.points(c)], axis=1)
    steps = {a: 0.5 * net.grid.spacing_m[a] * np.eye(3)[a] for a in (c, t)}

    def slope(source: Source, of: int, along: int) -> np.ndarray:
        high, low = (np.asarray(source.potential(points + s * steps[along])) for s in (1, -1))
        return (high[:, of] - low[:, of]) / net.grid.spacing_m[along]

    return np.stack([slope(s, t, c) - slope(s, c, t) for s in sources])


def _gram(op: EddyOperator, vectors: Any, weight: Any) -> np.ndarray:
    """Re sum of weight v_i v_j, without conjugate, (n, n) float64."""
    xp, n = op.be.xp, len(vectors)
    flat, out = vectors.reshape(n, -1), np.zeros((n, n))
    for i in range(n):
        row = flat[i] * weight.ravel()
        for j in range(i, n):
            product = xp.sum((row * flat[j]).real, dtype=float)
            out[i, j] = out[j, i] = float(product)
    return out


def _neighbour(values: Any, axis: int, side: int, xp: Any) -> Any:
    """Values of the next cell (side 1) or the one before (side -1) along one of the last three axes; 0 beyond."""
    out = xp.zeros_like(values)
    here, there = ([slice(None)] * values.ndim for _ in range(2))
    a = values.ndim - 3 + axis
    here[a], there[a] = (slice(None, -1), slice(1, None)) if side > 0 else (slice(1, None), slice(None, -1))
    out[tuple(here)] = values[tuple(there)]
    return out
