r"""Volume integral equation on the Yee grid, solved with FFTs and a Krylov method.

With J = j w eps0 (eps - 1) E on the edges, M = (eps - 1) / eps and N = I + (k^2 + G D) S,

.. math:: (I - M N) J = j\omega\varepsilon_0 M E_{inc}

is the frequency-domain Yee scheme with an exact radiation condition: no absorbing layer, no time step.

Source: P. Zwamborn and P. van den Berg, IEEE Trans. MTT 40 (1992) 1757; A. Polimeridis et al., J. Comput. Phys. 269
(2014) 280 (current-based volume integral equation and its FFT); docs/theory/vie.md for this form.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.krylov import Solution, bicgstab, cocr, gmres
from emdose.errors import ConvergenceError
from emdose.models.exposure import Exposure
from emdose.solvers.results.fields import Fields
from emdose.solvers.running import Begin, Checkpoint, Done, Iteration, ProgressCallback, Setup, part_name, silent
from emdose.solvers.vie.fields import fields_of
from emdose.solvers.vie.options import VieOptions
from emdose.solvers.vie.problem import ViePlan, VieProblem, plan
from emdose.values import read_only

CURRENTS = "J"
"""Name of the currents of a port in a checkpoint."""


@read_only
@dataclass(frozen=True)
class Vie(VieOptions):
    """FFT volume integral solver on the Yee grid.

    Parameters
    ----------
    tolerance : float
        Relative residual of the linear system. The error of E that it leaves differs: 1 to 3 times as large for a head
        in a birdcage at 64 to 298 MHz, 6 to 20 times for a sphere in a plane wave, 100 times at 10 MHz.
        ``Fields.convergence["E_error_estimate"]`` states an estimate for every port.
    restart : int
        Krylov vectors that GMRES keeps.
    max_iterations : int
        Iterations per port before it gives up with ConvergenceError.
    dtype : {"complex64", "complex128"}
        Precision of the computation.
    method : {"auto", "gmres", "cocr", "bicgstab"}
        Krylov method; "auto" is GMRES unless its vectors do not fit the memory, then COCR, which needs two thirds of
        the products of BiCGStab; that is kept for comparison.
    materials : {"average", "majority"}
        How edges get their permittivity. "average" is the mean of the four voxels around, as in an FDTD. "majority" is
        that of three equal voxels of the four and else the mean: about half the error of E and of the absorbed power
        on curved bodies, but the trapezium SAR then sums to the absorbed power within 1 to 3 % only.

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

    @backend.within_memory("a larger spacing, or crop air around the body (phantom.crop_to_body)")
    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: ProgressCallback | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> Fields:
        """Fields of every port.

        Parameters
        ----------
        exposure : Exposure
            Body, source and frequency.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.
        progress : callable, optional
            Called with events of :mod:`emdose.solvers.running`: set-up, a step of stage "port" for every iteration,
            the stage "fields", and done.
        checkpoint : Checkpoint, optional
            Keeps the currents of finished ports.

        Raises
        ------
        InputError, ResourceError
            As :meth:`plan`.
        ConvergenceError
            When a port misses the tolerance; ``partial`` holds the fields of all ports as far as they came.

        Warns
        -----
        EmdoseWarning
            When the densest tissue has too few cells per wavelength for valid fields.
        """
        be = backend.get(device)
        planned = plan(self, exposure, be)
        tell = progress or silent
        tell(Setup())
        clock = {"start": time.perf_counter()}
        problem = VieProblem(self, exposure, be)
        be.synchronize()
        clock["setup"] = time.perf_counter()
        solutions, J = _solve_ports(problem, planned, tell, checkpoint)
        be.synchronize()
        clock["ports"] = time.perf_counter()
        tell(Begin(stage="fields"))
        fields = fields_of(problem, J, solutions, planned, clock)
        tell(Done(residual=float(fields.residual.max()), tolerance=self.tolerance))
        missed = [p for p, s in zip(fields.ports, solutions, strict=True) if not s["converged"]]
        if missed:
            raise ConvergenceError(
                f"volume integral: residual {fields.residual.max():.2g} after {self.max_iterations} iterations misses "
                f"the tolerance {self.tolerance:g} for port {', '.join(missed)}; raise max_iterations or restart, use "
                'dtype="complex128", or accept a larger tolerance (what was reached is kept)',
                partial=fields,
            )
        return fields


def _solve_ports(
    problem: VieProblem,
    plan: ViePlan,
    tell: ProgressCallback,
    checkpoint: Checkpoint | None,
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Unknowns of every port and how they were found."""
    be, solver, ports = problem.be, problem.solver, len(problem.exposure.coil.ports)
    done: dict[int, Any] = {}
    infos: dict[int, dict[str, Any]] = {}
    if checkpoint is not None:
        for port in range(ports):
            saved = (checkpoint.load(part_name(port)) or {}).get(CURRENTS)
            if saved is not None and saved.shape == (3, *problem.shape):
                x = be.asarray(saved, dtype=problem.dtype).reshape(1, -1)[:, problem.index]
                residual = _residual(problem, x, [port])
                if residual <= solver.tolerance:
                    done[port] = x[0]
                    infos[port] = {
                        "residual": residual,
                        "iterations": 0,
                        "products": 1,
                        "converged": True,
                        "history": [residual],
                        "resumed": True,
                    }
    todo = [p for p in range(ports) if p not in done]
    for lo in range(0, len(todo), plan.ports_at_once):
        group = todo[lo : lo + plan.ports_at_once]
        solution = _krylov(problem, plan.method, group, partial(_iteration, problem, group[0], tell))
        for i, port in enumerate(group):
            done[port] = solution.x[i]
            infos[port] = {
                "residual": float(solution.residual[i]),
                "iterations": int(solution.iterations[i]),
                "products": solution.products,
                "converged": bool(solution.converged[i]),
                "history": [float(h[i]) for h in solution.history],
                "inverse_norm": None if solution.inverse_norm is None else float(solution.inverse_norm[i]),
            }
            if checkpoint is not None and solution.converged[i]:
                J = be.to_numpy(problem.expand(solution.x[i : i + 1])[0])
                checkpoint.save(part_name(port), {CURRENTS: J})
    return [infos[p] for p in range(ports)], [done[p] for p in range(ports)]


def _iteration(problem: VieProblem, port: int, tell: ProgressCallback, iteration: int, residual: float) -> None:
    ports, solver = problem.exposure.coil.ports, problem.solver
    tell(
        Iteration(
            stage="port",
            name=ports[port],
            index=port,
            count=len(ports),
            step=iteration,
            steps=solver.max_iterations,
            residual=residual,
            tolerance=solver.tolerance,
        )
    )


def _krylov(problem: VieProblem, method: str, ports: list[int], tell: Callable[[int, float], None]) -> Solution:
    solver = problem.solver
    options: dict[str, Any] = {
        "tolerance": solver.tolerance,
        "max_iterations": solver.max_iterations,
        "be": problem.be,
        "callback": tell,
    }
    b = problem.right_hand_side(ports)
    if method == "gmres":
        return gmres(problem.apply, b, restart=solver.restart, **options)
    if method == "cocr":
        # x = sqrt(M) y makes the matrix complex symmetric: I - sqrt(M) N sqrt(M).
        root = problem.be.xp.sqrt(problem.M)[None]
        solution = cocr(lambda y: problem.apply(root * y) / root, b / root, weight=root, **options)
        return replace(solution, x=root * solution.x)
    return bicgstab(problem.apply, b, **options)


def _residual(problem: VieProblem, x: Any, ports: list[int]) -> float:
    b = problem.right_hand_side(ports)
    size = float(problem.be.xp.linalg.norm(b))
    return float(problem.be.xp.linalg.norm(b - problem.apply(x))) / (size if size > 0 else 1.0)
