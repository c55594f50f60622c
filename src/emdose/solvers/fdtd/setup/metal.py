r"""Implants on the cells of an FDTD: perfect conductors that cut through cells, or on the edges of metal cells.

How metal cuts is told by :mod:`emdose.solvers.yee_grid.metal.cut_cells`. In a run of the scattered field the metal
cancels the incident one, :math:`\mathbf E_s = -\mathbf E_i` on its edges. The current on an edge of metal is what is
left of Ampère's law there,

.. math:: \mathbf J = \nabla \times \mathbf H - j\omega\varepsilon_0 \mathbf E

with the total field, whose E is zero on metal; on a face whose open share is :math:`\alpha` the field is as with the
magnetic current :math:`\mathbf M = j\omega\mu_0(\alpha - 1)\mathbf H` of an open one, and the incident field does the
work :math:`\tfrac12 (\mathbf E_i^* \cdot \mathbf J + \mathbf H_i^* \cdot \mathbf M)` on both.

Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 5.10 (metal in the scattered
field).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import EPS_0, MU_0
from emdose.models.implants.implanted_body import metal_cells
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.setup.given_field import Stepped, core_grid
from emdose.solvers.fdtd.setup.options import CUT
from emdose.solvers.yee_grid.edge_materials import bounding_box, metal_edges
from emdose.solvers.yee_grid.metal.cut_cells import CutCells, cut_cells, nodes_in_metal, voltages_along

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.models.grids.grid import Shape
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.solvers.fdtd.setup.domain import Domain
    from emdose.solvers.yee_engine.setup.signals import SourceSignal

REGION = "metal"
"""Name of the region in which B is kept for the currents on metal."""


@dataclass(frozen=True, eq=False)
class MetalOnCells:
    """Metal on the cells of the phantom's grid.

    Parameters
    ----------
    cells : (nx, ny, nz) bool ndarray
        Cells of metal.
    cut : CutCells, optional
        What the metal leaves open of edges and faces, where it cuts through cells.
    """

    cells: np.ndarray
    cut: CutCells | None = None

    @cached_property
    def edges(self) -> np.ndarray:
        """Edges in metal or on its surface, (3, nx + 1, ny + 1, nz + 1) bool."""
        return metal_edges(self.cells) if self.cut is None else self.cut.closed

    @cached_property
    def nodes(self) -> tuple[Shape, Shape]:
        """First node and the one past the last of all that lies on metal; one node below it the faces around begin."""
        if self.cut is None:
            low, high = bounding_box(self.cells)
            return low, tuple(n + 1 for n in high)  # type: ignore[return-value]
        low, high = bounding_box(np.any((self.cut.edges < 1) | (self.cut.faces < 1), axis=0))
        return tuple(max(1, n) for n in low), tuple(n + 1 for n in high)  # type: ignore[return-value]

    def in_materials(self, materials: Any, domain: Domain) -> Any:
        """Materials of the whole grid with the metal in them."""
        materials.ids[(slice(None), *domain.core)][self.edges] = yee_engine.PEC
        if self.cut is None:
            return materials
        partly = np.argwhere((self.cut.edges > 0) & (self.cut.edges < 1))
        if not len(partly):
            return materials
        return materials.scaled(partly + np.array([0, *domain.low]), 1 / self.cut.edges[tuple(partly.T)])

    def face_factors(self, domain: Domain) -> Any:
        """Permeability of faces that the metal cuts; None without any."""
        if self.cut is None:
            return None
        shares = self.cut.stable_faces
        at = np.argwhere((shares > 0) & (shares < 1))
        return yee_engine.FaceFactors(at + np.array([0, *domain.low]), shares[tuple(at.T)]) if len(at) else None

    def currents(self, B: np.ndarray, domain: Domain) -> np.ndarray:
        """Curl of H on the edges of metal.

        Parameters
        ----------
        B : (3, ...) complex ndarray
            On the faces from one node below :attr:`nodes` on [T].
        domain : Domain
            Cells.

        Returns
        -------
        (3, ...) complex ndarray
            Current density on the edges within :attr:`nodes` [A/m^2], zero elsewhere.
        """
        inner = (slice(1, None),) * 3
        low, high = self.nodes
        out = np.zeros((3, *(n - 1 for n in B.shape[1:])), complex)
        for c in range(3):
            a, b = (c + 1) % 3, (c + 2) % 3
            for h, axis, sign in ((b, a, 1.0), (a, b, -1.0)):
                below = tuple(slice(0, -1) if n == axis else slice(1, None) for n in range(3))
                dual = domain.sizes(axis, True)[low[axis] : high[axis]]
                step = dual.reshape([-1 if n == axis else 1 for n in range(3)])
                out[c] += sign * (B[h][inner].astype(complex) - B[h][below]) / (MU_0 * step)
        cut = tuple(slice(p, q) for p, q in zip(low, high, strict=True))
        return np.where(self.edges[(slice(None), *cut)], out, 0)


def metal_of(exposure: Exposure, domain: Domain, metal: str) -> MetalOnCells | None:
    """The metal of an exposure, cut from its surfaces into the cells of the phantom's grid; None without implants."""
    if exposure.implanted is None:
        return None
    grid, implants = domain.cells, exposure.implants
    if domain.planes is not None:
        cells = nodes_in_metal(implants, [grid.centres(a) for a in range(3)])
    elif domain.factor == 1:
        cells = np.asarray(exposure.implanted.metal, bool)
    else:
        cells = metal_cells(implants, core_grid(domain))
    return MetalOnCells(cells, cut_cells(implants, grid, cells) if metal == CUT else None)


def labels_of(exposure: Exposure, domain: Domain, metal: str) -> np.ndarray:
    """Tissue of every cell of the phantom's grid; where whole cells that are voxels are metal, it is background."""
    if domain.planes is not None:
        grid, index = exposure.phantom.grid, []
        for a in range(3):
            i = np.floor((domain.cells.centres(a) - grid.origin_m[a]) / grid.spacing_m[a]).astype(int)
            index.append(np.clip(i, 0, grid.shape[a] - 1))
        return beneath_metal(exposure)[np.ix_(*index)]
    whole = domain.factor == 1 and metal != CUT
    labels = np.asarray(exposure.tissue.labels) if whole else beneath_metal(exposure)
    for axis in range(3):
        labels = np.repeat(labels, domain.factor, axis) if domain.factor > 1 else labels
    return labels


def beneath_metal(exposure: Exposure) -> np.ndarray:
    """Tissue of every voxel, in voxels of metal what lies beside it: smaller cells there are not all metal.

    That is the tissue that the metal took the place of, and after surgery what is nearest to it.
    """
    labels, body = np.asarray(exposure.tissue.labels), exposure.implanted
    if body is None:
        return labels
    if body.surgery is None:
        return np.where(body.metal, exposure.phantom.labels, labels)
    from scipy.ndimage import distance_transform_edt

    out, metal = labels.copy(), np.asarray(body.metal)
    low, high = bounding_box(metal)
    cut = tuple(slice(max(0, a - 1), b + 1) for a, b in zip(low, high, strict=True))
    nearest = distance_transform_edt(
        metal[cut], sampling=exposure.phantom.spacing_m, return_distances=False, return_indices=True
    )
    out[cut] = labels[cut][tuple(nearest)]
    return out


def imposed_voltages(
    E: np.ndarray,
    metal: MetalOnCells | None,
    grid: RectilinearGrid,
    core: tuple[slice, slice, slice],
    signal: SourceSignal,
    time_step_s: float,
) -> list[Any]:
    """Sources of the engine by which metal of whole cells cancels an incident field; none without it.

    Parameters
    ----------
    E : (3, nodes of the core) float ndarray
        Incident field on the edges [V/m].
    metal : MetalOnCells or None
        Metal on the cells of the core.
    grid : RectilinearGrid
        The whole grid.
    core : three slices
        Nodes of the phantom's grid.
    signal : SourceSignal
        Of the field.
    time_step_s : float
        Time step of the engine [s].
    """
    if metal is None or metal.cut is not None or not metal.edges.any():
        return []
    edges = np.argwhere(metal.edges)
    incident = E[tuple(edges.T)]
    edges[:, 1:] += [s.start for s in core]
    steps = [grid.steps(c) for c in range(3)]
    length = np.concatenate([steps[c][edges[edges[:, 0] == c, 1 + c]] for c in range(3)])  # argwhere sorts by c
    there = np.flatnonzero(incident)
    if not len(there):
        return []
    after = Stepped(signal, time_step_s, change=False, late=True)
    return [yee_engine.ImposedVoltage("metal", edges[there], -(incident * length)[there], after)]


def imposed_emfs(
    E: np.ndarray,
    metal: MetalOnCells | None,
    grid: RectilinearGrid,
    core: tuple[slice, slice, slice],
    signal: SourceSignal,
    time_step_s: float,
) -> list[Any]:
    """The same for metal that cuts through cells: voltages along it; parameters as of :func:`imposed_voltages`."""
    if metal is None or metal.cut is None:
        return []
    volts = voltages_along(metal.cut, E, [grid.steps(a)[s.start : s.stop - 1] for a, s in enumerate(core)])
    at = np.argwhere(volts)
    if not len(at):
        return []
    first = np.array([0, *(s.start for s in core)])
    late = Stepped(signal, time_step_s, change=False, late=True)
    return [yee_engine.ImposedEmf("metal", at + first, volts[tuple(at.T)], late)]


def work_on_metal(
    metal: MetalOnCells,
    incident: tuple[np.ndarray, np.ndarray],
    B: np.ndarray,
    scattered: bool,
    frequency_Hz: float,
    domain: Domain,
) -> np.ndarray:
    """Work of an incident field on the currents in metal, by pairs of ports, not yet made Hermitian [W].

    Parameters
    ----------
    metal : MetalOnCells
        The metal.
    incident : two (port, 3, nodes of the core) complex ndarrays
        Incident E on the edges [V/m] and B on the faces [T].
    B : (port, 3, ...) complex ndarray
        On the faces around the metal [T].
    scattered : bool
        Whether that is the scattered field alone.
    frequency_Hz : float
        Frequency [Hz].
    domain : Domain
        Cells.
    """
    low, high = metal.nodes
    cut = (slice(None), slice(None), *(slice(p, q) for p, q in zip(low, high, strict=True)))
    E = incident[0][cut]
    there, ports, omega = metal.edges[cut[1:]], len(E), 2 * np.pi * frequency_Hz
    J = np.stack([metal.currents(b, domain) for b in B])
    if scattered:
        J = J + np.where(there, 1j * omega * EPS_0 * E, 0)
    volume = volumes(domain, faces=False)[cut[1:]].ravel()
    work = 0.5 * (E.reshape(ports, -1).conj() * volume) @ J.reshape(ports, -1).T
    if metal.cut is None:
        return np.asarray(work)
    H, inner = incident[1][cut] / MU_0, B[(slice(None), slice(None), *(slice(1, None),) * 3)] / MU_0
    open_ = metal.cut.stable_faces[cut[1:]]
    M = 1j * omega * MU_0 * (open_ - 1) * np.where(open_ > 0, inner + H if scattered else inner, 0)
    volume = volumes(domain, faces=True)[cut[1:]].ravel()
    return np.asarray(work + 0.5 * (H.reshape(ports, -1).conj() * volume) @ M.reshape(ports, -1).T)


def volumes(domain: Domain, faces: bool) -> np.ndarray:
    """Length times dual area of every edge of the phantom's cells, or area times dual length of every face [m^3]."""
    sizes = [[domain.sizes(a, dual) for dual in (False, True)] for a in range(3)]
    out = np.ones((3, *(len(pair[0]) for pair in sizes)))
    for c in range(3):
        for a in range(3):
            out[c] *= sizes[a][(a == c) == faces].reshape([-1 if n == a else 1 for n in range(3)])
    return out
