r"""A field that is given at one frequency, as currents in the body: the scattered-field formulation.

Where the incident field is E_i(r) s(t), the scattered field obeys the equations of the total field with the currents

.. math:: \mathbf J = (\varepsilon - \varepsilon_0)\, \partial_t \mathbf E_i + \sigma \mathbf E_i

in tissue alone. Only the response at the frequency of the field is asked for, so that any pulse s will do; E_i must be
real then, and a complex one takes two runs. On the grid the derivative is the difference and E_i the mean of two time
steps, as in the update of E itself: the sum of both fields obeys the update of the total field.

Source: A. Taflove and S. Hagness, Computational Electrodynamics, 3rd ed., Artech 2005, ch. 5.10 (pure scattered field).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute import backend
from emdose.constants import EPS_0
from emdose.models.grids.grid import Grid
from emdose.solvers import yee_engine
from emdose.solvers.yee_grid.incident import GivenField, PointField, Source, incident_B, incident_E

if TYPE_CHECKING:
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.solvers.fdtd.setup.domain import Domain
    from emdose.solvers.yee_engine.setup.signals import SourceSignal
    from emdose.solvers.yee_grid.metal.cut_cells import CutCells

ROUNDING = 1e-9
"""Contrast below which a medium is air."""
PER_EDGE = 64
"""Bytes of the two terms of an edge in the tables of the engine."""


@dataclass(frozen=True, eq=False)
class IncidentPart:
    """What one run has of the incident field, on the cells of the phantom's grid.

    Parameters
    ----------
    E : (3, nx + 1, ny + 1, nz + 1) float ndarray
        On the edges, at waveform value 1 [V/m].
    B : (3, nx + 1, ny + 1, nz + 1) complex ndarray
        On the faces: that of the port over the factor of its first run, zero in its second one [T].
    open_edges, closed_faces : (3, nx + 1, ny + 1, nz + 1) ndarray, optional
        Open shares of edges and faces within metal, where it cuts through cells.
    """

    E: np.ndarray
    B: np.ndarray
    open_edges: np.ndarray | None = None
    closed_faces: np.ndarray | None = None

    @property
    def added(self) -> dict[str, np.ndarray]:
        """What is added to the phasors of a run, E as the engine has it: the voltage over the length of the edge."""
        E = self.E if self.open_edges is None else self.E * self.open_edges
        return {"E": E, "B": self.B if self.closed_faces is None else np.where(self.closed_faces, 0, self.B)}

    @property
    def bytes(self) -> int:
        """Memory of the field and of the terms that it becomes."""
        return self.E.nbytes + self.B.nbytes + PER_EDGE * self.E.size


@dataclass(frozen=True)
class Stepped:
    """A signal as the update of E sees it between two time steps.

    Parameters
    ----------
    signal : SourceSignal
        Of the incident field.
    time_step_s : float
        Time step [s].
    change : bool
        Whether the difference over the step is wanted [1/s], or the mean of its ends.
    late : bool
        Whether the value at the end of the step is wanted instead.
    """

    signal: SourceSignal
    time_step_s: float
    change: bool
    late: bool = False

    def __call__(self, t: np.ndarray) -> np.ndarray:
        """Values at the times t [s], those of E half a step before and after."""
        half = 0.5 * self.time_step_s
        if self.late:
            return self.signal(np.asarray(t, float) + half)
        before, after = self.signal(np.asarray(t, float) - half), self.signal(np.asarray(t, float) + half)
        return (after - before) / self.time_step_s if self.change else 0.5 * (after + before)


def core_grid(domain: Domain) -> Grid:
    """The cells of the phantom's grid as a grid of their own."""
    g, factor = domain.phantom, domain.factor
    shape, spacing = (n * factor for n in g.shape), (s / factor for s in g.spacing_m)
    return Grid(tuple(shape), tuple(spacing), g.origin_m)  # type: ignore[arg-type]


def incident_on_cells(source: Source, domain: Domain, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
    """E and B of a source without a body (port, 3, nodes) on edges and faces of the cells of the phantom's grid."""
    be = backend.get("cpu")
    if domain.planes is None:
        E, B = (f(source, core_grid(domain), frequency_Hz, be, np.complex128) for f in (incident_E, incident_B))
        return E, B
    grid, found = domain.cells, []
    finest = min(float(grid.steps(a).min()) for a in range(3))
    field = PointField(source, frequency_Hz, be, 0.25 * finest)
    for magnetic in (False, True):
        out = np.zeros((len(source.ports), 3, *grid.node_shape), complex)
        for c in range(3):
            axes = [grid.nodes(a) if (a == c) == magnetic else grid.centres(a) for a in range(3)]
            points = np.stack([p.ravel() for p in np.meshgrid(*axes, indexing="ij")])
            nx, ny, nz = (len(x) for x in axes)
            out[:, c, :nx, :ny, :nz] = field.component(points, c, magnetic).reshape(-1, nx, ny, nz)
        found.append(out)
    return found[0], found[1]


def incident_parts(
    coil: GivenField, domain: Domain, frequency_Hz: float, cut: CutCells | None = None
) -> Iterator[tuple[int, IncidentPart, complex]]:
    """Port, field and factor of every run that the ports of a given field need, one or two for each.

    Parameters
    ----------
    coil : IncidentField or CurrentElement
        The source.
    domain : Domain
        Cells.
    frequency_Hz : float
        Frequency [Hz].
    cut : CutCells, optional
        Metal that cuts through cells.
    """
    shares = (None, None) if cut is None else (cut.edges, cut.faces == 0)
    E, B = incident_on_cells(coil, domain, frequency_Hz)
    for port in range(len(coil.ports)):
        for n, (factor, part) in enumerate(real_parts(E[port].ravel())):
            magnetic = B[port] / factor if n == 0 else np.zeros_like(B[port])
            yield port, IncidentPart(part.reshape(E[port].shape), magnetic, *shares), factor


def contrast_currents(
    E: np.ndarray,
    materials: Any,
    grid: RectilinearGrid,
    core: tuple[slice, slice, slice],
    signal: SourceSignal,
    time_step_s: float,
    open_edges: np.ndarray | None = None,
) -> list[Any]:
    """Current sources of the engine that stand for an incident field.

    Parameters
    ----------
    E : (3, nodes of the core) float ndarray
        Incident field on the edges [V/m].
    materials : EdgeMaterials
        Of the whole grid.
    grid : RectilinearGrid
        The whole grid.
    core : three slices
        Nodes of the phantom's grid.
    signal : SourceSignal
        Of the field.
    time_step_s : float
        Time step of the engine [s].
    open_edges : (3, nodes of the core) float ndarray, optional
        Open shares of edges that metal cuts; their materials are the medium's over these.
    """
    ids = materials.ids[(slice(None), *core)]
    permittivity, conductivity = materials.permittivity.copy(), materials.conductivity
    permittivity[yee_engine.PEC] = EPS_0
    matter = (permittivity != EPS_0) | (conductivity != 0)
    edges = np.argwhere(matter[ids] & (E != 0))
    at, incident = ids[tuple(edges.T)], E[tuple(edges.T)]
    share = np.ones(len(edges)) if open_edges is None else open_edges[tuple(edges.T)]
    contrast = permittivity[at] * share - EPS_0
    contrast[(at == yee_engine.PEC) | (np.abs(contrast) < ROUNDING * EPS_0)] = 0.0
    edges[:, 1:] += [s.start for s in core]
    area = np.ones(len(edges))
    for axis in range(3):
        dual = grid.dual_steps(axis)[edges[:, 1 + axis]]
        area *= np.where(edges[:, 0] == axis, 1.0, dual)
    out = []
    for name, per_area, change in (
        ("polarisation", contrast, True),
        ("conduction", conductivity[at] * share, False),
    ):
        weights = per_area * incident * area
        there = np.flatnonzero(weights)
        if len(there):
            wave = Stepped(signal, time_step_s, change)
            out.append(yee_engine.CurrentSource(name, edges[there], weights[there], wave))
    return out


def real_parts(weights: np.ndarray) -> Sequence[tuple[complex, np.ndarray]]:
    """Complex weights as a sum of complex factors times real weights: one term where a common phase allows it."""
    largest = weights[int(np.abs(weights).argmax())]
    phase = complex(largest / abs(largest)) if largest else 1.0
    in_phase = weights / phase
    terms = [(phase, in_phase.real)]
    if np.abs(in_phase.imag).max() > 1e-9 * max(abs(largest), np.finfo(float).tiny):
        terms.append((1j * phase, in_phase.imag))
    return terms
