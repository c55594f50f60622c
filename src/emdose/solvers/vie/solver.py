r"""Volume integral equation on the Yee grid, solved with FFTs and a Krylov method.

With J = j w eps0 (eps - 1) E on the edges, M = (eps - 1) / eps and N = I + (k^2 + G D) S,

.. math:: (I - M N) J = j\omega\varepsilon_0 M E_{inc}

is the frequency-domain Yee scheme with an exact radiation condition: no absorbing layer, no time step.

Source: P. Zwamborn and P. van den Berg, IEEE Trans. MTT 40 (1992) 1757; A. Polimeridis et al., J. Comput. Phys. 269
(2014) 280 (current-based volume integral equation and its FFT); docs/theory/vie.md for this form.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.krylov import Solution, bicgstab, cocr, gmres
from emdose.errors import ConvergenceError, InputError
from emdose.models.exposure import Exposure
from emdose.solvers.results.fields import Fields
from emdose.solvers.vie.fields import fields_of
from emdose.solvers.vie.problem import Problem, plan

Progress = Callable[[dict[str, Any]], None]


class Checkpoint(Protocol):
    """Where finished ports are kept, so that an interrupted run does not solve them again."""

    def load(self, port: int) -> np.ndarray | None:
        """Currents of a port as saved, or None."""

    def save(self, port: int, J: np.ndarray) -> None:
        """Keep the currents of a port."""


@dataclass(frozen=True)
class Vie:
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

    tolerance: float = 1e-4
    restart: int = 50
    max_iterations: int = 1000
    dtype: str = "complex64"
    method: str = "auto"
    materials: str = "average"

    def __post_init__(self) -> None:
        if not (isinstance(self.tolerance, int | float) and 1e-12 <= self.tolerance <= 0.1):
            raise InputError("bad tolerance", field="tolerance", found=self.tolerance, expected="between 1e-12 and 0.1")
        for name in ("restart", "max_iterations"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError("bad count", field=name, found=value, expected="a whole number >= 1")
        for name, allowed in (
            ("dtype", ("complex64", "complex128")),
            ("method", ("auto", "gmres", "cocr", "bicgstab")),
            ("materials", ("average", "majority")),
        ):
            if getattr(self, name) not in allowed:
                raise InputError("unknown choice", field=name, found=getattr(self, name), expected=" or ".join(allowed))
        if self.dtype == "complex64" and self.tolerance < 2e-6:
            raise InputError(
                "tolerance beyond single precision",
                field="tolerance",
                found=self.tolerance,
                expected='>= 2e-6, or dtype="complex128"',
            )

    def plan(self, exposure: Exposure, device: str | Backend = "auto") -> dict[str, Any]:
        """What a solution will take.

        Parameters
        ----------
        exposure : Exposure
            The question.
        device : {"auto", "cpu", "cuda"} or Backend
            Where.

        Returns
        -------
        dict
            bytes, seconds (a rough estimate), unknowns, fft_shape, method, ports_at_once, device.

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
        progress: Progress | None = None,
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
            Called with a dict: stage ("setup", "port", "fields", "done"), port, ports, iteration, residual, tolerance.
        checkpoint : object with load(port) and save(port, J), optional
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
            When the densest tissue has fewer than six cells per wavelength.
        """
        be = backend.get(device)
        planned = plan(self, exposure, be)
        ports = len(exposure.coil.ports)

        def tell(stage: str, port: int, iteration: int, residual: float) -> None:
            if progress is not None:
                progress(
                    {
                        "stage": stage,
                        "port": port,
                        "ports": ports,
                        "iteration": iteration,
                        "residual": residual,
                        "tolerance": self.tolerance,
                    }
                )

        tell("setup", 0, 0, 1.0)
        clock = {"start": time.perf_counter()}
        problem = Problem(self, exposure, be)
        be.synchronize()
        clock["setup"] = time.perf_counter()
        solutions, J = _solve_ports(problem, planned, tell, checkpoint)
        be.synchronize()
        clock["ports"] = time.perf_counter()
        tell("fields", ports, 0, float(max(s["residual"] for s in solutions)))
        fields = fields_of(problem, J, solutions, planned, clock)
        tell("done", ports, 0, float(fields.residual.max()))
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
    problem: Problem,
    plan: Mapping[str, Any],
    tell: Callable[[str, int, int, float], None],
    checkpoint: Checkpoint | None,
) -> tuple[list[dict[str, Any]], list[Any]]:
    """Unknowns of every port and how they were found."""
    be, solver, ports = problem.be, problem.solver, len(problem.exposure.coil.ports)
    done: dict[int, Any] = {}
    infos: dict[int, dict[str, Any]] = {}
    if checkpoint is not None:
        for port in range(ports):
            saved = checkpoint.load(port)
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
    for lo in range(0, len(todo), plan["ports_at_once"]):
        group = todo[lo : lo + plan["ports_at_once"]]
        solution = _krylov(problem, plan["method"], group, partial(tell, "port", group[0]))
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
                checkpoint.save(port, be.to_numpy(problem.expand(solution.x[i : i + 1])[0]))
    return [infos[p] for p in range(ports)], [done[p] for p in range(ports)]


def _krylov(problem: Problem, method: str, ports: list[int], tell: Callable[[int, float], None]) -> Solution:
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


def _residual(problem: Problem, x: Any, ports: list[int]) -> float:
    b = problem.right_hand_side(ports)
    size = float(problem.be.xp.linalg.norm(b))
    return float(problem.be.xp.linalg.norm(b - problem.apply(x))) / (size if size > 0 else 1.0)
