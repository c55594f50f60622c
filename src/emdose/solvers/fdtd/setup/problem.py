"""An exposure as problems for the time-stepping engine: cells, materials, sources and what is recorded."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.constants import C_0, EPS_0
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.ideal import Coil
from emdose.models.coils.plane_wave import PlaneWave
from emdose.solvers import yee_engine
from emdose.solvers.fdtd.setup.circuit import elements_in_grid, gap_ports, with_thin_wires
from emdose.solvers.fdtd.setup.domain import check_tissues, faces, make_domain
from emdose.solvers.fdtd.setup.given_field import (
    IncidentPart,
    contrast_currents,
    incident_parts,
    real_parts,
)
from emdose.solvers.fdtd.setup.identity import identity_of
from emdose.solvers.fdtd.setup.leads import LeadsOnGrid
from emdose.solvers.fdtd.setup.metal import (
    REGION,
    MetalOnCells,
    imposed_emfs,
    imposed_voltages,
    labels_of,
    metal_of,
)
from emdose.solvers.fdtd.setup.mirrors import Mirror, mirrors_of, to_run
from emdose.solvers.fdtd.setup.options import EXTRAPOLATION
from emdose.solvers.fdtd.setup.plan import RATE, RING_DOWN_PERIODS, FdtdPlan, require_memory
from emdose.solvers.fdtd.setup.pulse import Pulse
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.solvers.yee_engine.walks.row_tables import DENSE_SHARE
from emdose.solvers.yee_grid.coil_raster import RasterisedCoil, rasterise, shield_edges
from emdose.solvers.yee_grid.edge_currents import EdgeCurrents, deposit
from emdose.solvers.yee_grid.edge_materials import bounding_box
from emdose.solvers.yee_grid.incident import GivenField

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.fdtd.setup.options import FdtdOptions

SAMPLES_PER_PERIOD = 24
"""Samples of the running Fourier sums per period of the highest frequency; the pulse ends at about eight times it."""
WINDOWS_PER_PERIOD = 4
"""Looks at the sums per period of the frequency."""
TILE = 8
"""Nodes along each axis of the regions in which E is kept along filaments."""
NETWORK_DELAY = 5.0
"""Delay of the pulse in gaps, whose resistances take up that it starts and ends at 3e-5 of its peak."""


@dataclass(frozen=True, eq=False)
class Excitation:
    """One run of the engine.

    Parameters
    ----------
    name : str
        Name of the port.
    port : int
        Port that it belongs to.
    factor : complex
        By how much its phasors enter those of the port.
    weights : (n,) float ndarray, optional
        Currents on the edges of the filaments [A].
    polarisation : (float, float, float), optional
        Of a plane wave.
    feed : int, optional
        Index of the internal port with the source voltage.
    incident : IncidentPart, optional
        Of a field that is given.
    """

    name: str
    port: int
    factor: complex = 1.0
    weights: np.ndarray | None = None
    polarisation: tuple[float, float, float] | None = None
    feed: int | None = None
    incident: IncidentPart | None = None


class FdtdProblem:
    """What is common to all runs of an exposure.

    Parameters
    ----------
    solver : FdtdOptions
        Options.
    exposure : Exposure
        The question.
    be : Backend
        Device.
    frequencies_Hz : sequence of float, optional
        Where port spectra are wanted; the exposure's frequency alone by default.
    network : bool
        Whether every gap of a circuit coil becomes a port with a source of its own.

    Raises
    ------
    InputError
        When body and source cannot be put on a grid.
    ResourceError
        When the fields alone do not fit the memory.
    """

    def __init__(
        self,
        solver: FdtdOptions,
        exposure: Exposure,
        be: Backend,
        frequencies_Hz: Sequence[float] | None = None,
        network: bool = True,
    ) -> None:
        self.solver, self.exposure, self.be = solver, exposure, be
        self.network = network and isinstance(exposure.coil, CircuitCoil)
        self.frequency_Hz = exposure.frequency_Hz
        listed = [self.frequency_Hz] if frequencies_Hz is None else [float(f) for f in frequencies_Hz]
        self.frequencies_Hz = np.array(listed)
        self.domain = make_domain(solver, exposure, float(self.frequencies_Hz.max()))
        self.grid = self.domain.grid
        self._require_room()
        middle = float(0.5 * (self.frequencies_Hz.min() + self.frequencies_Hz.max()))
        self.pulse = Pulse(middle, NETWORK_DELAY) if self.network else Pulse(middle)
        self.cells_per_wavelength = check_tissues(exposure, self.frequency_Hz, solver)
        self.coil_on_grid: RasterisedCoil | None = None
        self.currents: EdgeCurrents | None = None
        coil = exposure.coil
        if isinstance(coil, Coil) and not isinstance(coil, GivenField):
            self.currents = deposit(coil.segments, coil.currents, self.grid)
        elif isinstance(coil, CircuitCoil):
            self.coil_on_grid = rasterise(coil, self.grid)
        self.excitations = self._excitations()
        self.complex_dtype = np.dtype(np.complex64 if solver.dtype == "float32" else np.complex128)

    def for_coil(self, coil: Any) -> FdtdProblem:
        """The same problem for a coil of the same metal with other elements."""
        out = copy.copy(self)
        out.exposure = replace(self.exposure, coil=coil) if coil is not self.exposure.coil else self.exposure
        return out

    # ---- what exists ---------------------------------------------------------------------------------------------
    @cached_property
    def metal(self) -> MetalOnCells | None:
        """Implants on the cells of the phantom's grid."""
        return metal_of(self.exposure, self.domain, self.solver.metal)

    @cached_property
    def materials(self) -> Any:
        """Materials of all edges."""
        phantom, f, low = self.exposure.tissue, self.frequency_Hz, self.domain.low
        eps = np.array([t.permittivity(f) for t in phantom.tissues], float)
        sigma = np.array([t.conductivity(f) for t in phantom.tissues], float)
        labels = labels_of(self.exposure, self.domain, self.solver.metal)
        if eps[0] != 1 or sigma[0] != 0:
            raise InputError("the background of the phantom is not air", field="phantom", found=eps[0])
        everywhere = np.zeros(self.grid.shape, labels.dtype)
        inside = tuple(slice(a, a + n) for a, n in zip(low, labels.shape, strict=True))
        everywhere[inside] = labels
        out = yee_engine.materials_from_voxels(self.grid, everywhere, eps, sigma)
        if self.metal is not None:
            out = self.metal.in_materials(out, self.domain)
        shield = getattr(self.exposure.coil, "shield", None)
        if self.coil_on_grid is not None:
            return out.with_pec(self.coil_on_grid.pec)
        return out if shield is None else out.with_pec(shield_edges(shield, self.grid))

    @cached_property
    def leads(self) -> LeadsOnGrid:
        """The leads as wires in cells."""
        return LeadsOnGrid.of(self.exposure, self.domain, self.materials)

    @cached_property
    def conductivity(self) -> np.ndarray:
        """Conductivity on the edges of the phantom's grid, (3, nodes) float32 [S/m]."""
        table = self.materials.conductivity.astype(np.float32)
        table[yee_engine.PEC] = 0.0
        out = table[self.materials.ids[(slice(None), *self.domain.core)]]
        for c in range(3):
            last: list[Any] = [c, slice(None), slice(None), slice(None)]
            last[1 + c] = -1
            out[tuple(last)] = 0.0
        return out

    @cached_property
    def time_step_s(self) -> float:
        """Step that the engine will take [s]; the medium that thin wires change may ask for a smaller one."""
        wires = self.coil_on_grid is not None and bool(self.coil_on_grid.wires)
        changed = self.wired if wires or self.face_factors is not None else ()
        return self.solver.courant * self.leads.stable_step(stable_step(self.grid, *changed))

    @cached_property
    def face_factors(self) -> Any:
        """Permeability of faces that implants cut; None without any."""
        return None if self.metal is None else self.metal.face_factors(self.domain)

    @cached_property
    def wired(self) -> tuple[Any, Any]:
        """Materials with the thin wires of a circuit coil, and face factors of wires and of cut metal, or None."""
        materials, wires = self.materials, None
        if self.coil_on_grid is not None:
            materials, wires = with_thin_wires(self.coil_on_grid, self.grid, materials)
        factors = [f for f in (self.face_factors, wires) if f is not None]
        return materials, factors[0].with_others(factors[1:]) if factors else None

    @cached_property
    def mirrors(self) -> tuple[Mirror, ...]:
        """Planes that map body, metal and gaps onto themselves."""
        if not self.network or self.coil_on_grid is None or self.exposure.leads:
            return ()
        return mirrors_of(self.domain, self.coil_on_grid, lambda: self.materials)

    @cached_property
    def to_run(self) -> list[int]:
        """Indices of the excitations that take a run of their own; the others are mirror images."""
        return to_run(self.mirrors, len(self.excitations))

    @property
    def dft_every(self) -> int:
        """Steps between samples of the running Fourier sums."""
        interval = 1 / (SAMPLES_PER_PERIOD * float(self.frequencies_Hz.max()))
        return max(1, int(interval / self.time_step_s))

    @property
    def window_s(self) -> float:
        """Time between two looks at the sums [s]."""
        return 1 / (WINDOWS_PER_PERIOD * self.frequency_Hz)

    @property
    def ring_down_s(self) -> float:
        """Time after the pulse that a plan reckons with [s]."""
        return RING_DOWN_PERIODS[self.network] / self.frequency_Hz

    @cached_property
    def tiles(self) -> list[Any]:
        """Regions that hold the edges of the filaments."""
        if self.currents is None:
            return []
        tile = np.unique(self.currents.edges[:, 1:] // TILE, axis=0)
        nodes = np.array(self.grid.node_shape)
        return [
            region_of(f"tile {n}", tuple(slice(a, min(a + TILE, m)) for a, m in zip(t, nodes, strict=True)), "E")
            for n, t in enumerate(tile * TILE)
        ]

    @cached_property
    def probes(self) -> list[Any]:
        """Planes through the middle of the body, on which the end criterion watches E."""
        core, grid = self.domain.core, self.domain.phantom
        low, high = bounding_box(np.asarray(self.exposure.phantom.body, bool))
        out = []
        for a in range(3):
            plane = grid.origin_m[a] + grid.spacing_m[a] * ((low[a] + high[a]) // 2)
            middle = int(np.abs(self.grid.nodes(a) - plane).argmin())
            cut = [slice(middle, middle + 1) if b == a else s for b, s in enumerate(core)]
            out.append(region_of(f"probe {a}", cut, "E"))
        return out

    @cached_property
    def watched(self) -> list[np.ndarray]:
        """Which edges of the probes hold tissue; all where there is none: near fields of a source say nothing."""
        matter = (self.materials.permittivity != EPS_0) & np.isfinite(self.materials.permittivity)
        out = []
        for region in self.probes:
            cut = tuple(slice(a, b) for a, b in zip(region.low, region.high, strict=True))
            out.append(matter[self.materials.ids[(slice(None), *cut)]].ravel())
        return out if any(m.any() for m in out) else [np.ones_like(m) for m in out]

    @cached_property
    def kept(self) -> list[Any]:
        """Where phasors are kept: the phantom's grid, the faces of the power box, and the filaments."""
        out = [region_of("core", self.domain.core, "EB")]
        if self.solver.walls == "cpml":
            out += [region_of(f"face {n}", cut, "EB") for n, cut in enumerate(faces(self.domain.power_box))]
        if self.metal is not None and isinstance(self.exposure.coil, PlaneWave | GivenField):
            ends = zip(self.domain.core, *self.metal.nodes, strict=True)
            out.append(region_of(REGION, [slice(s.start + a - 1, s.start + b) for s, a, b in ends], "B"))
        return [*out, *self.tiles]

    def problem_of(self, excitation: Excitation) -> Any:
        """The engine's problem of one run."""
        (materials, factors), wave = self.wired, None
        ports: list[Any] = []
        lumped: list[Any] = []
        sources: list[Any] = []
        emfs: list[Any] = []
        if excitation.weights is not None:
            assert self.currents is not None
            sources = [yee_engine.CurrentSource(excitation.name, self.currents.edges, excitation.weights, self.pulse)]
        if excitation.polarisation is not None:
            coil = self.exposure.coil
            assert isinstance(coil, PlaneWave)
            wave = yee_engine.IncidentWave(
                *self.domain.wave_box,
                coil.direction,
                excitation.polarisation,
                self.pulse,
                coil.amplitude_V_m,
                self.domain.planes is not None,
            )
        if excitation.incident is not None:
            cut, dt = self.domain.core, self.time_step_s
            E, metal = excitation.incident.E, self.metal
            open_ = None if metal is None or metal.cut is None else metal.cut.edges
            sources = contrast_currents(E, self.materials, self.grid, cut, self.pulse, dt, open_)
            sources += imposed_voltages(E, metal, self.grid, cut, self.pulse, dt)
            emfs = imposed_emfs(E, metal, self.grid, cut, self.pulse, dt)
        if self.coil_on_grid is not None:
            if self.network:
                ports = gap_ports(self.coil_on_grid, self.pulse, excitation.feed)
            else:
                ports, lumped = elements_in_grid(self.exposure.coil, self.coil_on_grid, self.pulse, excitation.feed)  # type: ignore[arg-type]
        # Field sums are kept at the exposure's frequency alone; spectra of ports come from their records.
        return yee_engine.YeeProblem(
            self.grid,
            materials,
            boundaries=(self.solver.walls,) * 6,
            cpml=yee_engine.Cpml(cells=self.solver.cpml_cells),
            sources=sources,
            emfs=emfs,
            ports=ports,
            lumped=lumped,
            wave=wave,
            face_factors=factors,
            wires=self.leads.driven(None if excitation.incident is None else excitation.incident.E, self.pulse),
            dft=yee_engine.Dft([self.frequency_Hz], [*self.kept, *self.probes], self.dft_every),
            courant=self.solver.courant,
        )

    def _excitations(self) -> list[Excitation]:
        coil = self.exposure.coil
        out: list[Excitation] = []
        if isinstance(coil, PlaneWave):
            for factor, part in real_parts(np.array(coil.polarisation)):
                size = float(np.linalg.norm(part))
                x, y, z = (float(v) for v in part / size)
                out.append(Excitation(coil.ports[0], 0, factor * size, polarisation=(x, y, z)))
        elif isinstance(coil, GivenField):
            cut = None if self.metal is None else self.metal.cut
            for p, given, factor in incident_parts(coil, self.domain, self.frequency_Hz, cut):
                out.append(Excitation(coil.ports[p], p, factor, incident=given))
        elif self.currents is not None:
            for p, name in enumerate(coil.ports):
                out += [Excitation(name, p, f, weights=w) for f, w in real_parts(self.currents.weights[p])]
        else:
            assert self.coil_on_grid is not None
            names = [g.name for g in self.coil_on_grid.gaps] if self.network else coil.ports
            out = [Excitation(name, n, feed=n) for n, name in enumerate(names)]
        return out

    @property
    def phase(self) -> complex:
        """Phase of the source where the engine counts its time from: 1 but for a wave, which is 1 at its position."""
        coil = self.exposure.coil
        if not isinstance(coil, PlaneWave):
            return 1.0
        # The engine's wave starts at the corner of its box that it meets first.
        low, high = self.domain.wave_box
        corner = [self.grid.nodes(a)[low[a] if coil.direction[a] >= 0 else high[a]] for a in range(3)]
        k = 2 * math.pi * self.frequency_Hz / C_0
        return complex(np.exp(-1j * k * np.dot(coil.direction, np.subtract(corner, coil.position_m))))

    # ---- what it takes -------------------------------------------------------------------------------------------
    def plan(self) -> FdtdPlan:
        """What the runs will take.

        Raises
        ------
        ResourceError
            When it does not fit the memory; the text names what is needed and what would fit.
        """
        be, cells, runs = self.be, math.prod(self.grid.shape), len(self.excitations)
        transformed = sum(
            math.prod(h - a for a, h in zip(r.low, r.high, strict=True)) * 3 * len(r.fields)
            for r in (*self.kept, *self.probes)
        )
        item = 4 if self.solver.dtype == "float32" else 8
        shell = cells - math.prod(n - 2 * self.domain.absorber_cells for n in self.grid.shape)
        copies = 1 + (EXTRAPOLATION + 1 if self.network else 0)
        engine = cells * (6 * item + 6) + shell * 12 * item + 2 * transformed * item * copies
        given = [e.incident.bytes for e in self.excitations if e.incident is not None]
        host = sum(given) + cells * (12 + 6 * item * DENSE_SHARE) + (runs + 1) * 2 * transformed * 4
        need = engine + (host if be.name == "cpu" else 0)
        self._require(need, runs)
        steps = int((self.pulse.end_s + self.ring_down_s) / self.time_step_s)
        return FdtdPlan(
            bytes=int(need),
            seconds=float(len(self.to_run) * steps * cells / RATE[be.name]),
            size=6 * cells,
            device=be.name,
            shape=self.grid.shape,
            cells=cells,
            steps=steps,
            runs=len(self.to_run),
            time_step_s=self.time_step_s,
            slowdown=self.domain.slowdown,
        )

    def _require_room(self) -> None:
        """Raise ResourceError before anything of the size of the grid is made, when the fields alone do not fit."""
        need = math.prod(self.grid.shape) * (6 * (4 if self.solver.dtype == "float32" else 8) + 6)
        coil = self.exposure.coil
        self._require(need, len(coil.gaps if self.network else coil.ports))  # type: ignore[union-attr]

    def _require(self, need_bytes: float, runs: int) -> None:
        spacing_m = max(self.exposure.phantom.grid.spacing_m) / self.domain.factor
        require_memory(self.be, need_bytes, self.grid.shape, runs, spacing_m)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What a checkpoint must have been made for, by name."""
        return identity_of(self)


def region_of(name: str, cut: Sequence[slice], fields: str) -> Any:
    """A region of the engine from slices of nodes."""
    low, high = ([int(getattr(s, end)) for s in cut] for end in ("start", "stop"))
    return yee_engine.DftRegion(name, (low[0], low[1], low[2]), (high[0], high[1], high[2]), fields)
