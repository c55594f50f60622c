r"""Metal by boundary elements and a body by a volume integral, coupled without a grid around them.

The metal of a coil is triangles and wires, the body voxels on a Yee lattice; the fields of one at the place of the
other are evaluated with the Green's function of free space, so that there is no absorbing layer, no staircase of the
coil and no time step. The gaps of the coil are ports; capacitors, matching and feeds are circuit algebra.

Source: docs/theory/vsie.md; S. Rao, D. Wilton, A. Glisson, IEEE Trans. AP 30 (1982) 409 (surface elements); see
:mod:`emdose.solvers.vie.solver` for the body.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from emdose.circuits.circuit import Circuit
from emdose.circuits.network import Network
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.models.exposure import Exposure
from emdose.solvers.cosimulation import CoSimulation, frequencies_of, require_gaps
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.metal import Metal
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, Iteration, Progress, Setup, callback
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vsie.coupling import Coupling, NodeLattice, Sources, step_for
from emdose.solvers.vsie.gap_fields import CoupledGaps
from emdose.solvers.vsie.options import VsieOptions
from emdose.solvers.vsie.ports import solve_gaps
from emdose.solvers.vsie.principal import principal_answers
from emdose.values import read_only


@read_only
@dataclass(frozen=True)
class Vsie(VsieOptions):
    """Boundary elements for the metal of a coil, coupled to the volume integral of the body."""

    def solve(self, exposure, device="auto", progress=True, checkpoint=None):
        return self.cosimulate(exposure, [exposure.frequency_Hz], device, progress, checkpoint).fields()

    @watched
    def cosimulate(
        self,
        exposure: Exposure,
        frequencies_Hz: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> CoSimulation:
        be = backend.get(device)
        listed, coil = frequencies_of(exposure, frequencies_Hz), require_gaps(exposure)
        tell = callback(progress)
        tell(Setup())
        f, clock = exposure.frequency_Hz, {}
        t = time.perf_counter()
        mesh = mesh_of(coil, f, self.mesh)
        clock["mesh"], t = time.perf_counter() - t, time.perf_counter()
        tell(Begin(stage="metal"))
        metal = Metal(mesh, f, self.conductivity_S_m, self.thickness_m, be)
        clock["metal"], t = time.perf_counter() - t, time.perf_counter()
        body = BodyOperator(self, exposure.phantom, f, be) if np.any(exposure.phantom.body) else None
        coupling = None
        if body is not None:
            sources = Sources.of(metal)
            coupling = Coupling(sources, _lattice(body, sources.points_m), body.omega, be, body.dtype)
        clock["body"], t = time.perf_counter() - t, time.perf_counter()

        def heard(i: int, count: int, step: int, residual: float) -> None:
            tell(Iteration(stage="gaps", index=i, count=count, step=step, residual=residual))

        solution = solve_gaps(metal, body, coupling, partial(principal_answers, options=self, tell=heard))
        clock["gaps"] = time.perf_counter() - t
        network = Network.from_y([f], solution.admittance[None], [g.name for g in coil.gaps])
        gaps = CoupledGaps(exposure, self, metal, body, coupling, solution, clock, tell, be, {})
        return CoSimulation(network.symmetrised(), coil, Circuit.of(coil), network.asymmetry(), gaps)


def _lattice(body: BodyOperator, points_m: np.ndarray) -> NodeLattice:
    """Nodes around a body, as many as the nearest metal asks for."""
    from scipy.spatial import cKDTree

    inside = np.unique(body.be.to_numpy(body.index) % int(np.prod(body.shape)))
    at = np.stack(np.unravel_index(inside, body.shape), axis=1) * body.h + np.asarray(body.origin_m)
    distance = float(cKDTree(points_m).query(at)[0].min())
    return NodeLattice(np.asarray(body.origin_m), body.h, body.shape, step_for(distance, body.h))
