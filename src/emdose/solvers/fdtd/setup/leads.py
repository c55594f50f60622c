r"""Leads of an exposure as wires of the engine, and what their currents mean.

The path is divided into segments of about a cell. The conductor's impedance per length at the frequency is a series
resistance and inductance. A run of the scattered field impresses the incident one on each segment, gathered from the
edges by the weights of the engine. Power that a lead leaves in tissue closer than the cells resolve follows from the
current that leaves its nodes, and belongs to the voxels beside them (:mod:`emdose.solvers.leads.near_tissue`),

.. math:: P = \tfrac12 \sum_n \mathrm{Re} Z_n\, |I_{n-1} - I_n|^2, \qquad
   Z_n = \Big[\Big(\frac{S_2}{j\omega} + \frac{S_4}{j\omega + \sigma/\varepsilon}\Big)^{-1}
       + \Big(\frac{S_4'}{j\omega + \sigma/\varepsilon}\Big)^{-1}\Big]^{-1}

with the elastances through the coat and in the medium around the insulated and the bare part of a node.

Source: docs/theory/thin_wires.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import EmdoseWarning, InputError
from emdose.solvers import yee_engine
from emdose.solvers.leads.near_tissue import near_tissue
from emdose.solvers.leads.series import round_wire
from emdose.solvers.results.fields import PowerBalance
from emdose.solvers.results.lead_response import LeadResponse
from emdose.solvers.yee_engine.setup.wire_circuits import WireCircuit, circuit_of, stable_step_with

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.exposure import Exposure
    from emdose.models.grids.grid import Grid
    from emdose.models.leads import Lead
    from emdose.solvers.fdtd.setup.domain import Domain
    from emdose.solvers.yee_engine.setup.signals import SourceSignal

THICKEST = 0.25
"""Largest outer radius over the cell."""


@dataclass(frozen=True, eq=False)
class LeadsOnGrid:
    """The leads of an exposure on the cells of an FDTD.

    Parameters
    ----------
    domain : Domain
        Cells.
    materials : EdgeMaterials
        Of all edges.
    tissue : Phantom
        Voxels of the body.
    frequency_Hz : float
        Frequency [Hz].
    leads : sequence of Lead
        Leads.
    wires : tuple of SubcellWire
        The same for the engine, without a source.
    cell_m : float
        Mean edge of the cells around them [m].
    """

    domain: Domain
    materials: Any
    tissue: Phantom
    frequency_Hz: float
    leads: tuple[Lead, ...]
    wires: tuple[yee_engine.SubcellWire, ...]
    cell_m: float

    @classmethod
    def of(cls, exposure: Exposure, domain: Domain, materials: Any) -> LeadsOnGrid:
        """The leads of an exposure, checked.

        Raises
        ------
        InputError
            For a lead that is shorter than a cell, too thick, or not in tissue.
        """
        names = [lead.name for lead in exposure.leads]
        if len(set(names)) != len(names):
            raise InputError("two leads of one name", field="leads", found=names)
        cell = [s / domain.factor for s in exposure.phantom.grid.spacing_m]
        for lead in exposure.leads:
            _check(lead, exposure, max(cell), min(cell))
        mean = float(np.mean(cell))
        wires = tuple(wire_of(lead, exposure.frequency_Hz, mean) for lead in exposure.leads)
        return cls(domain, materials, exposure.tissue, exposure.frequency_Hz, tuple(exposure.leads), wires, mean)

    @cached_property
    def circuits(self) -> list[WireCircuit]:
        """Their elements; raises InputError for a lead that touches metal."""
        return [circuit_of(self.domain.grid, self.materials, w) for w in self.wires]

    def stable_step(self, step_s: float) -> float:
        """Stable time step with them, given that without them [s]."""
        return stable_step_with(self.domain.grid, self.materials, self.circuits, step_s)

    def driven(self, E: np.ndarray | None, signal: SourceSignal) -> list[yee_engine.SubcellWire]:
        """Wires for a run, with an incident field (3, nodes of the phantom's grid) that is not in the grid, if any."""
        if E is None:
            return list(self.wires)
        found = self.incident(E[None])
        return [replace(w, emf_V=v[0], waveform=signal) for w, v in zip(self.wires, found, strict=True)]

    def incident(self, E: np.ndarray) -> list[np.ndarray]:
        """Voltages (port, segment) of every lead of a field (port, 3, nodes of the phantom's grid) [V].

        Raises
        ------
        InputError
            When a lead comes too close to the end of the phantom's grid, where the field is not known.
        """
        start, out = np.array([s.start for s in self.domain.core]), []
        for wire, circuit in zip(self.wires, self.circuits, strict=True):
            w = circuit.weights
            at = w.at[:, 1:] - start
            if np.any(at < 0) or np.any(at >= np.array(E.shape[2:]) - (w.at[:, :1] == np.arange(3))):
                raise InputError(
                    f"'{wire.name}' ends within two cells of the phantom's grid",
                    field=f"leads.{wire.name}",
                    expected="more voxels around it, as an incident field is known on them alone",
                )
            steps = [self.domain.grid.steps(a) for a in range(3)]
            length = np.choose(w.at[:, 0], [steps[a][np.minimum(w.at[:, 1 + a], len(steps[a]) - 1)] for a in range(3)])
            voltages = E[:, w.at[:, 0], at[:, 0], at[:, 1], at[:, 2]] * (w.weight * length)
            out.append(np.add.reduceat(voltages, w.row[:-1], axis=1))
        return out

    def responses(self, currents: Sequence[np.ndarray]) -> dict[str, LeadResponse]:
        """What the leads do, from their currents (port, segment) per unit drive [A]."""
        out = {}
        for lead, wire, circuit, near, given in zip(
            self.leads, self.wires, self.circuits, self._near, currents, strict=True
        ):
            I = np.asarray(given, complex)  # noqa: E741 - a current
            edges = node_distances(lead, self.cell_m)
            metal = 0.5 * (I.conj() * circuit.resistance_ohm) @ I.T
            out[wire.name] = LeadResponse(0.5 * (edges[1:] + edges[:-1]), I, metal, *near)
        return out

    @cached_property
    def _near(self) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Voxels beside every lead, the nodes that leave power there, and the resistance [ohm]."""
        conductivity = np.where(self.tissue.body, self.tissue.conductivity(self.frequency_Hz), 0.0)
        return [
            beside(lead, circuit, self.frequency_Hz, self.tissue.grid, conductivity, self.cell_m)
            for lead, circuit in zip(self.leads, self.circuits, strict=True)
        ]


def beside(
    lead: Lead, circuit: WireCircuit, frequency_Hz: float, grid: Grid, conductivity: np.ndarray, cell_m: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxels (m, 3) beside a lead, the nodes (m,) that leave power there, and the resistances (m,) [ohm]."""
    pieces = _pieces(lead, node_distances(lead, cell_m))
    radius = np.repeat([lead.outer_radius_m, lead.contact_radius_m, lead.contact_radius_m], len(pieces) // 3)
    found = near_tissue(lead, pieces, radius, grid, conductivity, cell_m)
    coated, bare = _resistances(circuit, frequency_Hz)
    # Of a node's bare part, the pieces at both sides of its insulation share by their length.
    length = np.diff(pieces, axis=1)[:, 0].reshape(3, -1)
    share = length[1:] / np.maximum(length[1:].sum(0), np.finfo(float).tiny)
    ohm = np.concatenate([coated, *(bare * share)])[found.part] * found.share
    return found.voxel, found.part % len(coated), ohm


def node_distances(lead: Lead, cell_m: float) -> np.ndarray:
    """Distances of the ends of the segments from the tip [m]: about a cell apart, and such that insulation begins and
    ends in the middle of a segment, where its current is known, unless a bare part is shorter than a quarter of a cell.
    """
    insulated = lead.coat_radius_m is not None
    tip, end = (_bare(bare if insulated else 0.0, cell_m) for bare in (lead.bare_tip_m, lead.bare_end_m))
    left = lead.length_m - tip[-1] - end[-1]
    if left < 0.5 * cell_m:
        return np.linspace(0, lead.length_m, max(2, round(lead.length_m / cell_m)) + 1)
    count = max(2 if len(tip) + len(end) == 2 else 1, round(left / cell_m))
    between = tip[-1] + np.linspace(0, left, count + 1)
    return np.concatenate([tip, between[1:-1], lead.length_m - end[::-1]])


def _bare(length_m: float, cell_m: float) -> np.ndarray:
    """Nodes from an end on, the last one half a step beyond the bare part."""
    if length_m < 0.25 * cell_m:
        return np.zeros(1)
    whole = max(0, round(length_m / cell_m - 0.5))
    return np.asarray(length_m / (whole + 0.5) * np.arange(whole + 2))


def wire_of(lead: Lead, frequency_Hz: float, cell_m: float) -> yee_engine.SubcellWire:
    """A lead as a wire of the engine, with segments of about a cell."""
    at = node_distances(lead, cell_m)
    insulated = np.diff(_pieces(lead, at)[: len(at)], axis=1)[:, 0]
    middle = 0.5 * (at[1:] + at[:-1])
    share = insulated / np.diff(np.concatenate([[0.0], middle, [lead.length_m]]))
    metal = 0j
    if lead.conductivity_S_m is not None:
        metal = round_wire(frequency_Hz, lead.conductor_radius_m, lead.conductivity_S_m)
    wire = yee_engine.SubcellWire(
        lead.name,
        lead.points_at(at),
        lead.conductor_radius_m,
        lead.coat_radius_m,
        lead.coat_permittivity,
        bare_radius_m=lead.bare_radius_m,
        resistance_ohm_m=metal.real,
        inductance_H_m=lead.inductance_H_m + metal.imag / (2 * np.pi * frequency_Hz),
    )
    return replace(wire, coated_m=share * wire.node_lengths_m)


def with_leads(power: PowerBalance, leads: dict[str, LeadResponse]) -> PowerBalance:
    """A balance of power with what leads lose in their metal, and what tissue absorbs closer than cells resolve."""
    if not leads:
        return power
    parts = dict(power.lost_parts_W)
    if power.lost_W is not None and not parts:
        parts["elements"] = power.lost_W
    parts["metal of leads"] = np.sum([r.metal_W for r in leads.values()], axis=0)
    absorbed = power.absorbed_W + np.sum([r.near_W for r in leads.values()], axis=0)
    return replace(power, absorbed_W=absorbed, lost_W=np.sum(list(parts.values()), axis=0), lost_parts_W=parts)


def _check(lead: Lead, exposure: Exposure, coarsest_m: float, finest_m: float) -> None:
    field = f"leads.{lead.name}"
    if lead.length_m < coarsest_m:
        raise InputError(
            "lead shorter than a cell", field=field, found=f"{lead.length_m:.4g} m", expected=f">= {coarsest_m:.4g} m"
        )
    thick = max(lead.outer_radius_m, lead.contact_radius_m)
    if thick > THICKEST * finest_m:
        raise InputError(
            "lead too thick for a wire in cells",
            field=field,
            found=f"radius {thick:.3g} m",
            expected=f"at most a quarter of a cell, {THICKEST * finest_m:.3g} m; an implant is meshed instead",
        )
    bare = min((b for b in (lead.bare_tip_m, lead.bare_end_m) if b > 0), default=finest_m)
    if lead.coat_radius_m is not None and bare < finest_m:
        warnings.warn(
            f"bare part of '{lead.name}' of {1e3 * bare:.3g} mm is shorter than a cell of {1e3 * finest_m:.3g} mm: the "
            "current into it is known to some 20 %",
            EmdoseWarning,
            stacklevel=2,
        )
    grid = exposure.phantom.grid
    points = lead.points_at(np.linspace(0, lead.length_m, 2 + int(4 * lead.length_m / finest_m)))
    low, _ = grid.bounds_m
    at = np.floor((points - np.array(low)) / np.array(grid.spacing_m)).astype(int)
    outside = np.any((at < 0) | (at >= np.array(grid.shape)), axis=1)
    at = np.clip(at, 0, np.array(grid.shape) - 1)
    metal = exposure.implanted is not None and exposure.implanted.metal[tuple(at.T)]
    for what, there in (
        ("lead crosses an implant, and contact with metal is not modelled", metal & ~outside),
        ("lead leaves the tissue", outside | (np.asarray(exposure.tissue.labels)[tuple(at.T)] == 0)),
    ):
        if np.any(there):
            place = ", ".join(f"{1e3 * v:.1f}" for v in points[int(np.argmax(there))])
            raise InputError(what, field=field, found=f"({place}) mm", expected="a path in tissue")


def _pieces(lead: Lead, at_m: np.ndarray) -> np.ndarray:
    """What belongs to nodes at distances (n,) from the tip: where the insulated part of each begins and ends, then the
    bare part before it, then that behind it, (3 n, 2) [m]."""
    middle = 0.5 * (at_m[1:] + at_m[:-1])
    low, high = np.append(0.0, middle), np.append(middle, lead.length_m)
    first, last = lead.bare_tip_m, lead.length_m - lead.bare_end_m
    if lead.coat_radius_m is None:
        first = last = lead.length_m
    begin, end = np.clip(first, low, high), np.clip(last, low, high)
    return np.concatenate([np.stack(pair, axis=1) for pair in ((begin, end), (low, begin), (end, high))])


def _resistances(circuit: WireCircuit, frequency_Hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Resistances (n + 1,) that what leaves nodes meets around their insulated and their bare part: twice the power in
    each over the square of all of the current [ohm]."""
    w = 2j * np.pi * frequency_Hz
    medium = w + circuit.relaxation_1_s
    with np.errstate(invalid="ignore"):
        coated = 1 / (circuit.coat_elastance / w + circuit.coated_elastance / medium)
        bare = medium / circuit.bare_elastance
    coated = np.where(np.isfinite(circuit.coat_elastance), coated, 0)
    size = np.abs(coated + bare) ** 2
    return np.asarray(coated.real / size), np.asarray(bare.real / size)
