r"""Metal in the body of the volume integral: its edges as unknowns, and what its iteration needs beside them.

On an edge of metal E = zeta J, with zeta = 0 for a perfect conductor and zeta = Z_s h where the current of an edge
flows in a strip of the width of a cell, so that the equations of the body hold with M = 1 / (1 + j w eps0 zeta). Edges
within metal, around which every face has metal on all of its edges, carry no current and are no unknowns.

The static inverse of tissue knows metal no more than a dielectric of infinite permittivity: what closes on itself in
metal is a matter of the wave alone. With tissue filled in where the metal is, A = A_0 - D N on the edges S of metal,

.. math::

   A^{-1} = A_0^{-1} + A_0^{-1} D (1 - K D)^{-1} N A_0^{-1}, \quad K = (N A_0^{-1})_{SS}, \quad
   N A_0^{-1} = M_0^{-1} (A_0^{-1} - 1) .

The static inverse stands for A_0^-1, and K is that of metal in endless tissue of permittivity eps, in closed form on
the lattice: K = eps (1 + (k^2 eps + G D) S_k) with Green's function S_k of the wavenumber of the tissue.

Source: M. Woodbury, Inverting Modified Matrices, Princeton 1950; T. Senior and J. Volakis, Approximate Boundary
Conditions in Electromagnetics, IEE 1995, ch. 2 (surface impedance); docs/theory/vie.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0, MU_0
from emdose.solvers.vie.static_inverse import StaticInverse
from emdose.solvers.yee_grid.edge_materials import bounding_box, edge_mean, metal_edges
from emdose.solvers.yee_grid.green_convolution import green_function

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.bodies.phantom import Phantom
    from emdose.models.grids.grid import Shape
    from emdose.models.implants.implanted_body import ImplantedBody

PERFECT = 1e20
"""eps - 1 of an edge of a perfect conductor: its E is beyond any rounding, its M is one."""
THIN = 1.0
"""Least abs(eps - 1) of what is filled in for metal."""
ROWS_BYTES = 64 * 2**20
"""Working set of the couplings while they are made."""


@dataclass(frozen=True, eq=False)
class EdgeMetal:
    """Metal on the voxels of a grid.

    Parameters
    ----------
    voxels : (nx, ny, nz) bool ndarray
        Voxels of metal.
    filling : (nx, ny, nz) complex ndarray
        Permittivity of the body without it.
    impedance_ohm : (nx, ny, nz) complex ndarray or None
        Surface impedance of the metal of every voxel; None for a perfect conductor.
    """

    voxels: np.ndarray
    filling: np.ndarray
    impedance_ohm: np.ndarray | None = None

    @classmethod
    def of(cls, implanted: ImplantedBody, intact: Phantom, frequency_Hz: float, real: bool) -> EdgeMetal:
        """Metal of a body, as a perfect conductor or as it is."""
        filling = np.asarray(intact.complex_permittivity(frequency_Hz))
        if not real:
            return cls(implanted.metal, filling)
        metals = [part.metal for implant in implanted.implants for part in implant.parts]
        omega = 2 * math.pi * frequency_Hz
        table = [
            0j,
            *((1 + 1j) * (0.5 * omega * MU_0 * m.relative_permeability / m.conductivity_S_m) ** 0.5 for m in metals),
        ]
        return cls(implanted.metal, filling, np.array(table)[implanted.part])

    def cut(self, box: tuple[slice, ...]) -> EdgeMetal:
        """The metal of some voxels."""
        impedance = None if self.impedance_ohm is None else self.impedance_ohm[box]
        return EdgeMetal(self.voxels[box], self.filling[box], impedance)

    def contrast(self, spacing_m: float, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
        """eps - 1 of the edges (3, nodes), zero where no current flows, and which edges are metal."""
        edges = metal_edges(self.voxels)
        out = np.where(edges & ~buried(edges), PERFECT, 0).astype(complex)
        if self.impedance_ohm is not None:
            share = edge_mean(self.voxels.astype(float), 0.0)
            zeta = spacing_m * edge_mean(np.where(self.voxels, self.impedance_ohm, 0), 0.0) / np.maximum(share, 0.25)
            real = (out != 0) & (zeta != 0)
            out[real] = 1 / (2j * math.pi * frequency_Hz * EPS_0 * zeta[real])
        return out, edges


def buried(edges: np.ndarray) -> np.ndarray:
    """Edges of metal (3, nodes) without a current: all edges of the four faces around them are metal."""
    inner: tuple[slice, ...] = (slice(1, -1),) * 3
    wide = np.pad(edges, [(0, 0), (1, 1), (1, 1), (1, 1)])
    closed = []
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        closed.append(wide[a] & wide[b] & np.roll(wide[a], -1, b) & np.roll(wide[b], -1, a))
    out = np.zeros_like(edges)
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        # The faces along c and a lie across b, those along c and b across a.
        out[c] = (closed[b] & np.roll(closed[b], 1, a) & closed[a] & np.roll(closed[a], 1, b))[inner]
    return out


def edges_of_metal(metal: np.ndarray) -> int:
    """Number of the edges of voxels of metal (nx, ny, nz) that carry current."""
    low, high = bounding_box(metal)
    edges = metal_edges(metal[tuple(slice(a, b) for a, b in zip(low, high, strict=True))])
    return int(np.count_nonzero(edges & ~buried(edges)))


def metal_bytes(edges: int, unknowns: int, ports: int, item: int) -> int:
    """Bytes that a :class:`MetalInverse` takes beyond its static inverse, or while it is made."""
    return 6 * 16 * edges**2 + (ROWS_BYTES + 3 * ports * unknowns * item if edges else 0)


class MetalInverse:
    """About the inverse of I - M N for a body with metal: see the head of this module.

    Parameters
    ----------
    contrast, filled : (n,), (m,) complex128 array
        eps - 1 of the unknowns, and that of the body without metal on the edges of ``places``.
    index, places : (n,), (m,) integer array
        The unknowns among the edges (3, box), and those of the body without metal, which hold them.
    on_metal : (n,) bool ndarray
        Unknowns that are metal.
    box : (int, int, int)
        Nodes of the body's box.
    kh : float
        Wavenumber of air times spacing.
    be : Backend
        Device.
    dtype : complex dtype
        Of the currents.
    """

    def __init__(
        self,
        contrast: Any,
        filled: Any,
        index: Any,
        places: Any,
        on_metal: np.ndarray,
        box: Shape,
        kh: float,
        be: Backend,
        dtype: np.dtype,
    ) -> None:
        xp, self.be, self.dtype = be.xp, be, np.dtype(dtype)
        self.tissue = StaticInverse(filled, places, box, be, dtype)
        self._own = xp.searchsorted(places, index)
        self._metal = self._own[xp.flatnonzero(be.asarray(on_metal))]
        self._count = len(places)
        eps = be.to_numpy(filled[self._metal]) + 1
        old, new = (eps - 1) / eps, be.to_numpy(contrast)[on_metal]
        change = new / (new + 1) - old
        at = np.stack(np.unravel_index(be.to_numpy(index)[on_metal], (3, *box)))
        K = couplings(at, eps, kh)
        currents = change[:, None] * np.linalg.inv(np.eye(len(eps)) - K * change)
        # From A_0^-1 y - y on the metal.
        self._currents = be.asarray((currents / old).astype(dtype))

    @property
    def steps(self) -> int:
        """Steps of conjugate gradients so far."""
        return self.tissue.steps

    def apply(self, y: Any) -> Any:
        """About (I - M N)^-1 y for unknowns y (port, n)."""
        full = self.be.xp.zeros((len(y), self._count), self.dtype)
        full[:, self._own] = y
        first = self.tissue.apply(full)
        metal = self._metal
        more = self.be.xp.zeros_like(full)
        more[:, metal] = (first[:, metal] - full[:, metal]) @ self._currents.T
        return (first + self.tissue.apply(more))[:, self._own]


def couplings(at: np.ndarray, eps: np.ndarray, kh: float) -> np.ndarray:
    """K of edges in endless tissue, complex symmetric.

    Parameters
    ----------
    at : (4, s) int ndarray
        Component and node of every edge.
    eps : (s,) complex ndarray
        Permittivity of what would be there without metal; the mean gives the wavenumber.
    kh : float
        Wavenumber of air times spacing.

    Returns
    -------
    (s, s) complex ndarray
        eps (1 + (k^2 eps + G D) S).
    """
    component, node = at[0], at[1:]
    mean = complex(np.mean(eps))
    size = np.ptp(node, axis=1) + 2
    offsets = tuple(np.arange(n) for n in size)
    S = green_function(offsets, 1.0, kh * np.sqrt(mean), backend.get("cpu"))  # type: ignore[arg-type]
    step = np.eye(3, dtype=int)[:, component]
    out = np.empty((len(eps), len(eps)), complex)
    rows = max(1, ROWS_BYTES // (64 * len(eps)))

    def at_offset(d: np.ndarray) -> np.ndarray:
        x, y, z = np.abs(d)
        return np.asarray(S[x, y, z])

    for low in range(0, len(eps), rows):
        i = slice(low, low + rows)
        apart = node[:, i, None] - node[:, None, :]
        here, there = step[:, i, None], step[:, None, :]
        part = at_offset(apart + here) - at_offset(apart + here - there) - at_offset(apart) + at_offset(apart - there)
        part += np.where(component[i, None] == component[None], kh**2 * mean * at_offset(apart), 0)
        out[i] = part
    out[np.diag_indices(len(eps))] += 1
    root = np.sqrt(eps)
    return out * (root[:, None] * root[None])


def filled_in(eps: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Permittivity (3, nodes) of a body without metal, with tissue wherever metal is."""
    there = eps[edges]
    good = np.abs(there - 1) >= THIN
    usual = complex(np.mean(there[good])) if good.any() else 1 + THIN
    out = eps.copy()
    out[edges] = np.where(good, there, usual)
    return out
