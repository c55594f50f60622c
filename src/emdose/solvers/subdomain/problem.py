"""A subdomain as runs of the time-stepping engine: metal that cancels the field it lies in."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers import yee_engine
from emdose.solvers.fdtd.setup.given_field import Stepped
from emdose.solvers.fdtd.setup.metal import MetalOnCells
from emdose.solvers.fdtd.setup.options import CUT, FdtdOptions
from emdose.solvers.fdtd.setup.plan import require_memory
from emdose.solvers.fdtd.setup.problem import Excitation, FdtdProblem, region_of
from emdose.solvers.fdtd.setup.pulse import Pulse
from emdose.solvers.subdomain.interpolation import electric
from emdose.solvers.subdomain.layout import SubdomainLayout
from emdose.solvers.subdomain.pulses import SHORTER, quarter
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.solvers.yee_grid.edge_materials import bounding_box
from emdose.solvers.yee_grid.metal.cut_cells import CutCells, cut_cells, voltages_along, whole_cells

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.results.fields import Fields
    from emdose.solvers.subdomain.options import SubdomainOptions

RING_DOWN_S = 12e-9
"""Time after the pulse that a plan reckons with: some eight times what charges in tissue take to relax."""


class SubdomainProblem(FdtdProblem):
    """What is common to the runs of a subdomain.

    Parameters
    ----------
    options : SubdomainOptions
        Options.
    exposure : Exposure
        Body and metal.
    fields : Fields
        Of the body without metal.
    be : Backend
        Device.

    Raises
    ------
    InputError
        When the implant leaves the body's grid, or cells are too large for it.
    ResourceError
        When the fields do not fit the memory.
    """

    def __init__(self, options: SubdomainOptions, exposure: Exposure, fields: Fields, be: Backend) -> None:
        self.options, self.exposure, self.be, self.given = options, exposure, be, fields
        self.solver, self.network = FdtdOptions(**options.stepping), False
        self.frequency_Hz = exposure.frequency_Hz
        self.frequencies_Hz = np.array([self.frequency_Hz])
        self.layout = SubdomainLayout(options, exposure.phantom, exposure.implants)
        self.domain = self.layout.domain
        self.grid = self.domain.grid
        self.pulse = Pulse(SHORTER * self.frequency_Hz)
        self.coil_on_grid, self.currents = None, None
        self.complex_dtype = np.dtype(np.complex64 if options.dtype == "float32" else np.complex128)
        self.excitations = [Excitation(name, n) for n, name in enumerate(fields.ports)]
        self._require_room()

    @cached_property
    def incident(self) -> np.ndarray:
        """E of the body on the fine edges, (port, 3, nodes) [V/m]."""
        return electric(self.given.E, self.exposure.phantom, self.frequency_Hz, self.layout.fine)

    @cached_property
    def materials(self) -> Any:
        """Materials of all edges."""
        tissues, f = self.exposure.phantom.tissues, self.frequency_Hz
        eps, sigma = (np.array([getattr(t, x)(f) for t in tissues], float) for x in ("permittivity", "conductivity"))
        out = yee_engine.materials_from_voxels(self.grid, self.layout.labels, eps, sigma)
        inner = out.ids[(slice(None), *self.domain.core)]
        inner[self.cut.closed] = yee_engine.PEC
        partly = np.argwhere((self.cut.edges > 0) & (self.cut.edges < 1))
        if not len(partly):
            return out
        shares = self.cut.edges[tuple(partly.T)]
        return out.scaled(partly + self.first, 1 / shares)

    @property
    def first(self) -> np.ndarray:
        """What turns places (c, i, j, k) of the fine cells into those of all."""
        return np.array([0, *self.domain.low])

    @cached_property
    def cut(self) -> CutCells:
        """Open shares of the fine edges and faces."""
        if self.options.metal == CUT:
            return cut_cells(self.exposure.implants, self.layout.fine)
        return whole_cells(self.layout.metal)

    @cached_property
    def face_factors(self) -> Any:
        """Permeability of faces that metal cuts; None without any."""
        shares = self.cut.stable_faces
        at = np.argwhere((shares > 0) & (shares < 1))
        if not len(at):
            return None
        return yee_engine.FaceFactors(at + self.first, shares[tuple(at.T)])

    def around(self, E: np.ndarray) -> np.ndarray:
        """Voltage that a field on edges (3, ...) has along the metal in every face, with its sign turned [V]."""
        h = self.options.spacing_m
        return voltages_along(self.cut, E, [np.full(n, h) for n in self.layout.fine.shape])

    @cached_property
    def metal(self) -> MetalOnCells | None:
        """The implant on the fine cells."""
        return MetalOnCells(self.layout.metal)

    @cached_property
    def time_step_s(self) -> float:
        """Step that the engine will take [s]."""
        return self.solver.courant * stable_step(self.grid, self.materials, self.face_factors)

    @property
    def dft_every(self) -> int:
        """Steps between samples of the running Fourier sums."""
        return max(1, int(1 / (24 * self.pulse.frequency_Hz) / self.time_step_s))

    @property
    def window_s(self) -> float:
        """Time between two looks at the sums [s]."""
        return 0.25 / self.pulse.frequency_Hz

    @property
    def ring_down_s(self) -> float:
        """Time after the pulse that a plan reckons with [s]."""
        return RING_DOWN_S

    @property
    def phase(self) -> complex:
        """Phase of the source where the engine counts its time from."""
        return 1.0

    @cached_property
    def probes(self) -> list[Any]:
        """Planes through the middle of the metal, on which the end criterion watches the scattered field."""
        low, high = bounding_box(self.layout.metal)
        out = []
        for a in range(3):
            middle = self.domain.low[a] + (low[a] + high[a]) // 2
            cut = [slice(middle, middle + 1) if b == a else s for b, s in enumerate(self.domain.core)]
            out.append(region_of(f"probe {a}", cut, "E"))
        return out

    @cached_property
    def kept(self) -> list[Any]:
        """Where phasors are kept: the fine cells."""
        return [region_of("core", self.domain.core, "EB")]

    def problem_of(self, excitation: Excitation) -> Any:
        """The engine's problem of a run."""
        volts, emfs = self.around(self.incident[excitation.port]), []
        other = quarter(self.pulse, self.frequency_Hz, self.time_step_s)
        for name, part, signal in (("real", volts.real, self.pulse), ("imaginary", volts.imag, other)):
            at = np.argwhere(part)
            if len(at):
                late = Stepped(signal, self.time_step_s, change=False, late=True)
                emfs.append(yee_engine.ImposedEmf(name, at + self.first, part[tuple(at.T)], late))
        return yee_engine.YeeProblem(
            self.grid,
            self.materials,
            cpml=yee_engine.Cpml(cells=self.solver.cpml_cells),
            emfs=emfs,
            face_factors=self.face_factors,
            dft=yee_engine.Dft([self.frequency_Hz], [*self.kept, *self.probes], self.dft_every),
            courant=self.solver.courant,
        )

    def _require_room(self) -> None:
        self._require(float(np.prod(self.grid.shape)) * 30, len(self.excitations))

    def _require(self, need_bytes: float, runs: int) -> None:
        require_memory(self.be, need_bytes, self.grid.shape, runs, self.options.spacing_m)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What a checkpoint must have been made for, by name."""
        options = {k: v for k, v in asdict(self.options).items() if k not in ("checkpoint_s", "max_periods")}
        return {
            "options": repr(sorted(options.items())),
            "phantom": self.exposure.phantom.hash(),
            "implants": repr([i.hash() for i in self.exposure.implants]),
            "fields": hashlib.sha256(np.ascontiguousarray(self.incident).tobytes()).hexdigest(),
            "frequency": repr(self.frequency_Hz),
            "device": self.be.name,
        }
