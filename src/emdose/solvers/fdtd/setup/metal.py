r"""Implants on the cells of an FDTD: perfect conductors on the edges of metal cells.

In a run of the scattered field the metal cancels the incident one, :math:`\mathbf E_s = -\mathbf E_i` on its edges. The
current on an edge of metal is what is left of Ampère's law there,

.. math:: \mathbf J = \nabla \times \mathbf H - j\omega\varepsilon_0 \mathbf E

with the total field, whose E is zero on metal.

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
from emdose.solvers.yee_grid.edge_materials import bounding_box, metal_edges

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
    """

    cells: np.ndarray

    @cached_property
    def edges(self) -> np.ndarray:
        """Edges in metal or on its surface, (3, nx + 1, ny + 1, nz + 1) bool."""
        return metal_edges(self.cells)

    @cached_property
    def nodes(self) -> tuple[Shape, Shape]:
        """First node and the one past the last of all that lies on metal; one node below it the faces around begin."""
        low, high = bounding_box(self.cells)
        return low, tuple(n + 1 for n in high)  # type: ignore[return-value]

    def currents(self, B: np.ndarray, spacing_m: tuple[float, float, float]) -> np.ndarray:
        """Curl of H on the edges of metal.

        Parameters
        ----------
        B : (3, ...) complex ndarray
            On the faces from one node below :attr:`nodes` on [T].
        spacing_m : (float, float, float)
            Edges of a cell [m].

        Returns
        -------
        (3, ...) complex ndarray
            Current density on the edges within :attr:`nodes` [A/m^2], zero elsewhere.
        """
        inner = (slice(1, None),) * 3
        out = np.zeros((3, *(n - 1 for n in B.shape[1:])), complex)
        for c in range(3):
            a, b = (c + 1) % 3, (c + 2) % 3
            for h, axis, sign in ((b, a, 1.0), (a, b, -1.0)):
                below = tuple(slice(0, -1) if n == axis else slice(1, None) for n in range(3))
                out[c] += sign * (B[h][inner].astype(complex) - B[h][below]) / (MU_0 * spacing_m[axis])
        low, high = self.nodes
        cut = tuple(slice(p, q) for p, q in zip(low, high, strict=True))
        return np.where(self.edges[(slice(None), *cut)], out, 0)


def metal_of(exposure: Exposure, domain: Domain) -> MetalOnCells | None:
    """The metal of an exposure, cut from its surfaces into the cells of the phantom's grid; None without implants."""
    if exposure.implanted is None:
        return None
    if domain.factor == 1:
        return MetalOnCells(np.asarray(exposure.implanted.metal, bool))
    return MetalOnCells(metal_cells(exposure.implants, core_grid(domain)))


def labels_of(exposure: Exposure, domain: Domain) -> np.ndarray:
    """Tissue of every cell of the phantom's grid; where cells are voxels, metal is background."""
    labels = np.asarray(exposure.tissue.labels) if domain.factor == 1 else beneath_metal(exposure)
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
    """Sources of the engine by which metal cancels an incident field; none without metal.

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
    if metal is None or not metal.edges.any():
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


def work_on_metal(
    metal: MetalOnCells, incident: np.ndarray, B: np.ndarray, scattered: bool, frequency_Hz: float, domain: Domain
) -> np.ndarray:
    """Work of an incident field on the currents in metal, by pairs of ports, not yet made Hermitian [W].

    Parameters
    ----------
    metal : MetalOnCells
        The metal.
    incident : (port, 3, nodes of the core) complex ndarray
        Incident field on the edges [V/m].
    B : (port, 3, ...) complex ndarray
        On the faces around the metal [T].
    scattered : bool
        Whether that is the scattered field alone.
    frequency_Hz : float
        Frequency [Hz].
    domain : Domain
        Cells.
    """
    grid = core_grid(domain)
    cut = tuple(slice(p, q) for p, q in zip(*metal.nodes, strict=True))
    here = incident[(slice(None), slice(None), *cut)]
    there = metal.edges[(slice(None), *cut)]
    J = np.stack([metal.currents(b, grid.spacing_m) for b in B])
    if scattered:
        J = J + np.where(there, 2j * np.pi * frequency_Hz * EPS_0 * here, 0)
    ports = len(here)
    return 0.5 * grid.voxel_volume_m3 * (here.reshape(ports, -1).conj() @ J.reshape(ports, -1).T)
