r"""Metal by boundary elements and a body by a volume integral, coupled without a grid around them.

The metal of a coil is triangles and wires, the body voxels on a Yee lattice; the fields of one at the place of the
other are evaluated with the Green's function of free space, so that there is no absorbing layer, no staircase of the
coil and no time step. The gaps of the coil are ports; capacitors, matching and feeds are circuit algebra.

Source: S. Rao, D. Wilton and A. Glisson, IEEE Trans. AP 30 (1982) 409 (surface elements); docs/theory/vsie.md; see
:mod:`emdose.solvers.vie.solver` for the body.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.circuits.circuit import Circuit
from emdose.circuits.network import Network
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.models.exposure import Exposure
from emdose.solvers.cosimulation import CoSimulation, frequencies_of, require_gaps
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, Progress, Setup, callback
from emdose.solvers.vsie.band import over_band
from emdose.solvers.vsie.gap_fields import CoupledGaps
from emdose.solvers.vsie.options import VsieOptions
from emdose.solvers.vsie.plan import VsiePlan, plan
from emdose.solvers.vsie.setup import coupled, solved
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.solvers.vsie.ports import GapSolution

SIDE = 4.0
"""Factor on the tolerance of the network at the frequencies of a band where there are no fields."""


@read_only
@dataclass(frozen=True)
class Vsie(VsieOptions):
    """Boundary elements for the metal of a coil, coupled to the volume integral of the body.

    Parameters
    ----------
    tolerance : float
        Relative residual of the coupled equations in the body that the fields of every feed have to reach.
    restart : int
        Krylov vectors that GMRES keeps.
    max_iterations : int
        Iterations per feed before it gives up with ConvergenceError.
    dtype : {"auto", "complex64", "complex128"}
        Precision of the body's equations; "auto" as in :class:`emdose.Vie`. The metal's are in double precision.
    method : {"auto", "gmres"}
        Krylov method.
    E_error : float
        Relative error of E (L2 in the body) that the unfinished iteration may leave.
    network_tolerance : float
        Residual of the trial currents behind the network of the gaps, over the norm of the largest. Its square is the
        error of the admittance: 1e-2 leaves some 0.01 % in a tuned capacitance and at most some 0.3 % in the
        resistance of a mode.
    conductivity_S_m : float or None
        Conductivity of all metal [S/m], copper by default; None is a perfect conductor.
    thickness_m : float, optional
        Thickness of sheets [m]; by default many skin depths, with current on both faces.
    mesh : MeshOptions
        How finely the metal is cut.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> VsiePlan:
        """What a solution will take.

        Parameters
        ----------
        exposure : Exposure
            The question.
        device : {"auto", "cpu", "cuda"} or Backend
            Where.

        Returns
        -------
        VsiePlan
            Memory, time and unknowns.

        Raises
        ------
        InputError
            When the coil makes no mesh or the grid cannot be used.
        ResourceError
            When it does not fit the memory.
        """
        return plan(self, exposure, backend.get(device))

    @watched
    @backend.within_memory("a coarser mesh, a larger spacing, or crop air around the body (phantom.crop_to_body)")
    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields of every feed per volt of its source, the others closed by their impedances.

        Parameters
        ----------
        exposure : Exposure
            Body, coil and frequency.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : bool or callable, optional
            True shows a bar where somebody watches; False is quiet; a function is called with events of
            :mod:`emdose.solvers.running`: set-up, the stages "metal" and "gaps", "port" for every feed, "fields", done.
        checkpoint : Checkpoint, optional
            Keeps what was found for the gaps.

        Raises
        ------
        InputError, ResourceError
            As :meth:`plan`.
        ConvergenceError
            When a feed misses the tolerance; ``partial`` holds the fields as far as they came.
        """
        return self.cosimulate(exposure, [exposure.frequency_Hz], device, callback(progress), checkpoint).fields()

    @watched
    @backend.within_memory("a coarser mesh, a larger spacing, or crop air around the body (phantom.crop_to_body)")
    def cosimulate(
        self,
        exposure: Exposure,
        frequencies_Hz: Sequence[float] | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> CoSimulation:
        """The network of all gaps of a coil with a body.

        Capacitors, matching networks and decoupling are circuit algebra afterwards, and fields are found for any of
        them.

        Parameters
        ----------
        exposure : Exposure
            With a :class:`emdose.models.coils.circuit.CircuitCoil`.
        frequencies_Hz : sequence of float, optional
            Where the network is wanted [Hz]; by default 41 of them from 0.8 to 1.2 times the exposure's frequency, at
            which the fields are. Three or more of them are solved for, and the others interpolated; an estimate of the
            relative error is in the provenance of the fields ("network_interpolation").
        device, progress, checkpoint
            As :meth:`solve`.

        Raises
        ------
        InputError
            When the coil has no gaps, or for an empty list of frequencies.
        ResourceError
            As :meth:`plan`.
        """
        be, tell = backend.get(device), callback(progress)
        listed, coil = frequencies_of(exposure, frequencies_Hz), require_gaps(exposure)
        tell(Setup())
        plan(self, exposure, be)
        f, start = exposure.frequency_Hz, time.perf_counter()
        mesh = mesh_of(coil, max(listed), self.mesh)
        meshed = time.perf_counter() - start
        tell(Begin(stage="metal"))
        here = coupled(self, exposure, mesh, f, be)
        solution = solved(self, here, exposure, tell, checkpoint)

        def admittance(at: float) -> np.ndarray:
            found: GapSolution
            if at == f:
                return solution.admittance
            tell(Begin(stage="metal"))
            found = solved(self, coupled(self, exposure, mesh, at, be), exposure, tell, checkpoint, SIDE)
            return found.admittance

        start = time.perf_counter()
        Y, nodes, apart = over_band(listed, f, admittance)
        clock = {"mesh": meshed, **here.clock, "band": time.perf_counter() - start}
        network = Network.from_y(listed, Y, [g.name for g in coil.gaps])
        about = {"network_frequencies_Hz": nodes, "network_interpolation": apart}
        gaps = CoupledGaps(exposure, self, here, solution, clock, tell, be, about)
        return CoSimulation(network.symmetrised(), coil, Circuit.of(coil), network.asymmetry(), gaps)
