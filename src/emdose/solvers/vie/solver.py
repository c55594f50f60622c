r"""Volume integral equation on the Yee grid, solved with FFTs and a Krylov method.

With J = j w eps0 (eps - 1) E on the edges, M = (eps - 1) / eps and N = I + (k^2 + G D) S,

.. math:: (I - M N) J = j\omega\varepsilon_0 M E_{inc}

is the frequency-domain Yee scheme with an exact radiation condition: no absorbing layer, no time step.

Source: P. Zwamborn and P. van den Berg, IEEE Trans. MTT 40 (1992) 1757; A. Polimeridis et al., J. Comput. Phys. 269
(2014) 280 (current-based volume integral equation and its FFT); docs/theory/vie.md for this form.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.reduced.basis import ReducedBasis
from emdose.compute.shared import Shared
from emdose.errors import ConvergenceError
from emdose.models.exposure import Exposure
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields, named_drive
from emdose.solvers.running import Begin, Checkpoint, Done, Progress, Setup, callback
from emdose.solvers.vie.fields import fields_of
from emdose.solvers.vie.iteration import solve_ports
from emdose.solvers.vie.options import VieOptions
from emdose.solvers.vie.problem import ViePlan, VieProblem, plan
from emdose.solvers.vie.reduction import Reduction
from emdose.values import read_only

QUASISTATIC_Hz = 10e6
"""Below this frequency a body has a solver of its own for the fields of slow sources."""


@read_only
@dataclass(frozen=True)
class Vie(VieOptions):
    """FFT volume integral solver on the Yee grid.

    Parameters
    ----------
    tolerance : float
        Relative residual of the linear system that has to be reached. The error of E that it leaves differs: 1 to 3
        times as large for a head in a birdcage at 64 to 298 MHz, 6 to 20 times for a sphere in a plane wave, 100 times
        at 10 MHz and 10^5 times at 10 kHz.
    restart : int
        Krylov vectors that GMRES keeps at most, those that are preconditioned among them; twice as many with metal.
    max_iterations : int
        Iterations per port before it gives up with ConvergenceError.
    dtype : {"auto", "complex64", "complex128"}
        Precision of the computation; "auto" is single precision while its rounding, 6e-8 times the largest
        permittivity, is below the tolerance: for tissue above some 10 MHz.
    method : {"auto", "gmres", "cocr", "bicgstab"}
        Krylov method; "auto" is GMRES, preconditioned by the static inverse
        (:mod:`emdose.solvers.vie.static_inverse`), unless its vectors do not fit the memory, or permittivities are so
        large that its inverse lacks digits (tissue below some 20 kHz), then COCR. That and BiCGStab go without: they
        take 3 to 60 times the products and are kept for comparison too.
    E_error : float
        Relative error of E (L2 in the body) that the unfinished iteration may leave: a port is iterated until
        its estimate, which ``Fields.convergence["E_error_estimate"]`` states, is below that as well.
    metal : {"perfect", "real"}
        Implants as perfect conductors, or with the surface impedance of their metals. What they lose is in
        ``Fields.power.losses()["implants"]`` then; the staircase of voxels has more surface than the implant.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> ViePlan:
        """What a solution will take.

        Parameters
        ----------
        exposure : Exposure
            The question.
        device : {"auto", "cpu", "cuda"} or Backend
            Where.

        Returns
        -------
        ViePlan
            Memory, time, unknowns, and how they will be solved for.

        Raises
        ------
        InputError
            When the grid cannot be used: not cubic, or without tissue.
        ResourceError
            When it does not fit the memory; the text names what is needed and a spacing that would fit.
        """
        return plan(self, exposure, backend.get(device))

    @watched
    @backend.within_memory("a larger spacing, or crop air around the body (phantom.crop_to_body)")
    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
        shared: Shared | None = None,
        basis: ReducedBasis | None = None,
        drive: str | Sequence[complex] | np.ndarray | None = None,
    ) -> Fields:
        """Fields of every port, or of one drive of all of them.

        Parameters
        ----------
        exposure : Exposure
            Body, source and frequency.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : bool or callable, optional
            True shows a bar where somebody watches; False is quiet; a function is called with events of
            :mod:`emdose.solvers.running`: set-up, a step of stage "port" for every iteration,
            the stage "fields", and done.
        checkpoint : Checkpoint, optional
            Keeps the currents of finished ports.
        shared : Shared, optional
            Hands on what does not depend on the tissue's properties: Green's function and the field of the coil.
        basis : ReducedBasis, optional
            Solutions of this body with other tissue properties, or in other coils, that start this one; where their
            best combination meets the tolerance and ``E_error`` it is the answer. ``Fields.convergence`` tells
            "start_residual" and "from_basis" of every port. What had to be iterated is added to it.
        drive : str or (port,) complex, optional
            Name of one of the coil's drives, or amplitudes of its ports: the one right-hand side that is solved for.
            The fields are driven then, as by :meth:`Fields.drive`.

        Raises
        ------
        InputError, ResourceError
            As :meth:`plan`; for a drive that the coil does not have.
        ConvergenceError
            When a port misses the tolerance or ``E_error``; ``partial`` holds the fields of all ports as far as they
            came.

        Warns
        -----
        EmdoseWarning
            When the densest tissue has too few cells per wavelength for valid fields.
        """
        be = backend.get(device)
        name, weights = "", None
        if drive is not None:
            name, weights = named_drive(drive, exposure.coil.drives, len(exposure.coil.ports))
        planned = plan(self, exposure, be, driven=weights is not None)
        tell = callback(progress)
        tell(Setup())
        clock = {"start": time.perf_counter()}
        problem = VieProblem(self, exposure, be, shared, weights, name)
        be.synchronize()
        clock["setup"] = time.perf_counter()
        reduction = None if basis is None else Reduction(problem, basis)
        solutions, J = solve_ports(problem, planned, tell, checkpoint, reduction)
        problem.static_inverse = None  # the fields need its room
        be.synchronize()
        clock["ports"] = time.perf_counter()
        tell(Begin(stage="fields"))
        vectors = None if reduction is None else reduction.vectors
        fields = fields_of(problem, J, solutions, planned, clock, vectors)
        tell(Done(residual=float(fields.residual.max()), tolerance=self.tolerance))
        lacking = [p for p, s in zip(fields.ports, solutions, strict=True) if not s["converged"]]
        if lacking:
            raise ConvergenceError(missed(fields, self, lacking), partial=fields)
        return fields


def missed(fields: Fields, solver: Vie, ports: list[str]) -> str:
    """What a solution lacks, and what helps."""
    residual, error = float(fields.residual.max()), max(fields.convergence["E_error_estimate"])
    steps = max(fields.convergence["iterations"])
    if residual > solver.tolerance:
        found = f"residual {residual:.2g} after {steps} iterations misses the tolerance {solver.tolerance:g}"
        option = "tolerance"
    else:
        found = f"estimated error of E {100 * error:.3g} % after {steps} iterations misses E_error = {solver.E_error:g}"
        option = "E_error"
    single = fields.convergence["dtype"] == "complex64"
    ways = ["raise max_iterations or restart", *(['use dtype="complex128"'] if single else [])]
    if fields.frequency_Hz < QUASISTATIC_Hz:
        ways.append("take the field of a slow source from Quasistatic(displacement=True)")
    return (
        f"volume integral: {found} for port {', '.join(ports)}; {', '.join(ways)}, or accept a larger {option} "
        "(what was reached is kept)"
    )
