r"""Volume integral equation on the Yee grid, solved with FFTs and a Krylov method.

With J = j w eps0 (eps - 1) E on the edges, M = (eps - 1) / eps and N = I + (k^2 + G D) S,

.. math:: (I - M N) J = j\omega\varepsilon_0 M E_{inc}

is the frequency-domain Yee scheme with an exact radiation condition: no absorbing layer, no time step.

Source: P. Zwamborn and P. van den Berg, IEEE Trans. MTT 40 (1992) 1757; A. Polimeridis et al., J. Comput. Phys. 269
(2014) 280 (current-based volume integral equation and its FFT); docs/theory/vie.md for this form.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from emdose import backend
from emdose.backend import Backend
from emdose.constants import C_0, EPS_0, MU_0
from emdose.errors import ConvergenceError, EmdoseWarning, InputError, ResourceError
from emdose.models.exposure import Exposure
from emdose.models.grid import Grid
from emdose.solvers.fields import Fields, PowerBalance
from emdose.solvers.incident import incident_B, incident_E
from emdose.solvers.krylov import Solution, bicgstab, gmres
from emdose.solvers.lattice import CHUNK_BYTES, Convolution, padded_shape
from emdose.solvers.materials import bounding_box, edge_mean
from emdose.solvers.radiation import radiated_power

Progress = Callable[[dict[str, Any]], None]
LEAST_CELLS_PER_WAVELENGTH = 6.0


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
        Relative residual of the linear system. The error of E is larger by a factor that grows with frequency and
        contrast (about 4 at 128 MHz and 18 at 298 MHz in tissue); ``Fields.convergence`` states the estimate.
    restart : int
        Krylov vectors that GMRES keeps.
    max_iterations : int
        Iterations per port before it gives up with ConvergenceError.
    dtype : {"complex64", "complex128"}
        Precision of the computation.
    method : {"auto", "gmres", "bicgstab"}
        Krylov method; "auto" is GMRES unless its vectors do not fit the memory.
    materials : {"average"}
        How edges get their permittivity: the mean of the four voxels around.

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
        if not (isinstance(self.tolerance, int | float) and 0 < self.tolerance < 1):
            raise InputError("bad tolerance", field="tolerance", found=self.tolerance, expected="between 0 and 1")
        for name in ("restart", "max_iterations"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError("bad count", field=name, found=value, expected="a whole number >= 1")
        for name, allowed in (
            ("dtype", ("complex64", "complex128")),
            ("method", ("auto", "gmres", "bicgstab")),
            ("materials", ("average",)),
        ):
            if getattr(self, name) not in allowed:
                raise InputError("unknown choice", field=name, found=getattr(self, name),
                                 expected=" or ".join(allowed))  # fmt: skip
        if self.dtype == "complex64" and self.tolerance < 2e-6:
            raise InputError("tolerance beyond single precision", field="tolerance", found=self.tolerance,
                             expected='>= 2e-6, or dtype="complex128"')  # fmt: skip

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
        return _plan(self, exposure, backend.get(device))

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
        plan = _plan(self, exposure, be)
        report = progress or (lambda event: None)
        report({"stage": "setup", "port": 0, "ports": len(exposure.coil.ports), "iteration": 0, "residual": 1.0,
                "tolerance": self.tolerance})  # fmt: skip
        clock = {"start": time.perf_counter()}
        problem = Problem(self, exposure, be)
        be.synchronize()
        clock["setup"] = time.perf_counter()
        solutions, J = _solve_ports(problem, plan, report, checkpoint)
        be.synchronize()
        clock["ports"] = time.perf_counter()
        report({"stage": "fields", "port": len(J), "ports": len(J), "iteration": 0,
                "residual": float(max(s["residual"] for s in solutions)), "tolerance": self.tolerance})  # fmt: skip
        fields = _fields(problem, J, solutions, plan, clock)
        report({"stage": "done", "port": len(J), "ports": len(J), "iteration": 0,
                "residual": float(fields.residual.max()), "tolerance": self.tolerance})  # fmt: skip
        missed = [p for p, s in zip(fields.ports, solutions, strict=True) if not s["converged"]]
        if missed:
            raise ConvergenceError(
                f"volume integral: residual {fields.residual.max():.2g} after {self.max_iterations} iterations misses "
                f"the tolerance {self.tolerance:g} for port {', '.join(missed)}; raise max_iterations or restart, use "
                'dtype="complex128", or accept a larger tolerance (what was reached is kept)',
                partial=fields,
            )
        return fields


class Problem:
    """The discrete equations of one exposure on one device.

    Parameters
    ----------
    solver : Vie
        Options.
    exposure : Exposure
        The question.
    be : Backend
        Device.
    """

    def __init__(self, solver: Vie, exposure: Exposure, be: Backend) -> None:
        self.solver, self.exposure, self.be = solver, exposure, be
        phantom, f = exposure.phantom, exposure.frequency_Hz
        self.grid: Grid = phantom.grid
        self.h = self.grid.spacing_m[0]
        self.omega = 2 * math.pi * f
        self.k = self.omega / C_0
        self.dtype = np.dtype(solver.dtype)
        self.low, high = bounding_box(np.asarray(phantom.body, bool))
        cut = tuple(slice(a, b) for a, b in zip(self.low, high, strict=True))
        voxels = np.asarray(phantom.complex_permittivity(f))[cut].astype(complex)
        if not np.all(np.isfinite(voxels)) or voxels.imag.max() > 0:
            raise InputError("permittivity of a tissue cannot be used", field="phantom",
                             expected="finite values with a conductivity >= 0")  # fmt: skip
        _check_resolution(voxels, f, self.h)
        eps = be.asarray(edge_mean(voxels, 1.0))
        self.shape = tuple(int(n) for n in eps.shape[1:])
        self.index = be.xp.flatnonzero(eps.ravel() != 1)
        self.contrast = eps.ravel()[self.index] - 1
        self.M = (self.contrast / (self.contrast + 1)).astype(self.dtype)
        self.convolution = Convolution(self.shape, self.shape, (0, 0, 0), self.h, self.k, be, self.dtype)
        self.E_incident = incident_E(exposure.coil, self.grid, f, be, self.dtype)
        self.products = 0

    @property
    def box(self) -> tuple[slice, ...]:
        """The nodes of the body's box within the grid."""
        return tuple(slice(a, a + n) for a, n in zip(self.low, self.shape, strict=True))

    def right_hand_side(self, ports: list[int]) -> Any:
        """j w eps0 M E_inc on the unknowns, (port, n) [A/m^2]."""
        E = self.E_incident[(ports, slice(None), *self.box)].reshape(len(ports), -1)[:, self.index]
        return (self.M * self.dtype.type(1j * self.omega * EPS_0)) * E

    def expand(self, x: Any) -> Any:
        """Unknowns (port, n) as an array (port, 3, box)."""
        J = self.be.xp.zeros((len(x), 3 * math.prod(self.shape)), self.dtype)
        J[:, self.index] = x
        return J.reshape(len(x), 3, *self.shape)

    def apply(self, x: Any) -> Any:
        """(I - M N) x for unknowns (port, n)."""
        self.products += 1
        y = self.convolution.scattered(self.expand(x)).reshape(len(x), -1)[:, self.index]
        return x - self.M * (x + y)


def _plan(solver: Vie, exposure: Exposure, be: Backend) -> dict[str, Any]:
    phantom, grid, ports = exposure.phantom, exposure.phantom.grid, len(exposure.coil.ports)
    if not grid.is_cubic:
        raise InputError("the volume integral needs cubic voxels", field="spacing_m", found=grid.spacing_m,
                         expected=f"one spacing: phantom.resample({min(grid.spacing_m):g})")  # fmt: skip
    body = np.asarray(phantom.body, bool)
    low, high = bounding_box(body)
    if not body.any():
        raise InputError("the phantom holds no tissue", field="phantom", expected="at least one voxel that is not air")
    box = tuple(b - a + 1 for a, b in zip(low, high, strict=True))
    item = np.dtype(solver.dtype).itemsize
    big = padded_shape(box, box, (0, 0, 0), be)  # type: ignore[arg-type]
    whole = padded_shape(box, grid.node_shape, low, be)  # type: ignore[arg-type]
    unknowns = int(3 * np.count_nonzero(body) * 1.05) + 3 * math.prod(box) // 50
    nodes = math.prod(grid.node_shape)

    def convolution(source: int, target: tuple[int, ...], lengths: tuple[int, ...], at_once: int) -> int:
        half = at_once * 3 * item * lengths[1] * lengths[2]
        slab = min(CHUNK_BYTES[be.name], half * lengths[0])
        return half * (source + target[0]) + 3 * slab + 3 * item * math.prod(n // 2 + 1 for n in lengths)

    fields = 2 * ports * 3 * nodes * item
    last = fields + ports * unknowns * item + convolution(box[0], grid.node_shape, whole, 1) + 6 * nodes * item
    free = be.memory_free_bytes()

    def krylov(method: str, at_once: int) -> int:
        vectors = solver.restart + 6 if method == "gmres" else 10
        return (
            fields // 2
            + (ports + at_once * vectors) * unknowns * item
            + convolution(box[0], box, big, at_once)
            + 4 * at_once * 3 * math.prod(box) * item
        )

    together = ports if be.name == "cuda" else 1
    methods = ("gmres", "bicgstab") if solver.method == "auto" else (solver.method,)
    choices = [(m, n) for m in methods for n in sorted({together, 1}, reverse=True)]
    method, at_once, need = "", 1, 0
    for method, at_once in choices:
        need = max(krylov(method, at_once), last)
        if need <= 0.9 * free:
            break
    else:
        spacing = grid.spacing_m[0] * (need / (0.8 * free)) ** (1 / 3)
        raise ResourceError(
            f"volume integral of {'x'.join(map(str, grid.shape))} voxels needs {need / 2**30:.3g} GiB but "
            f"{free / 2**30:.3g} GiB are free on {be.name}; a spacing of {1e3 * spacing:.2g} mm would fit, "
            f"as would cropping air around the body (phantom.crop_to_body)"
        )
    # Seconds per padded point and product, as measured; iterations grow with the size in wavelengths.
    rate = {"cpu": 5e-8, "cuda": 2e-10}[be.name] * item / 8
    return {
        "bytes": int(need),
        "seconds": float(ports * 80 * rate * math.prod(big)),
        "unknowns": unknowns,
        "fft_shape": big,
        "method": method,
        "ports_at_once": at_once,
        "device": be.name,
    }


def _check_resolution(voxels: np.ndarray, frequency_Hz: float, h: float) -> None:
    refraction = np.sqrt(voxels).real.max()
    cells = C_0 / frequency_Hz / refraction / h
    if cells < LEAST_CELLS_PER_WAVELENGTH:
        warnings.warn(
            f"{cells:.1f} cells per wavelength in the densest tissue at {frequency_Hz / 1e6:g} MHz: fewer than "
            f"{LEAST_CELLS_PER_WAVELENGTH:g} make the fields unreliable; use a spacing below "
            f"{1e3 * h * cells / LEAST_CELLS_PER_WAVELENGTH:.2g} mm",
            EmdoseWarning,
            stacklevel=4,
        )


def _solve_ports(
    problem: Problem, plan: Mapping[str, Any], report: Progress, checkpoint: Checkpoint | None
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
                    infos[port] = {"residual": residual, "iterations": 0, "products": 1, "converged": True,
                                   "history": [residual], "resumed": True}  # fmt: skip
    todo = [p for p in range(ports) if p not in done]
    for lo in range(0, len(todo), plan["ports_at_once"]):
        group = todo[lo : lo + plan["ports_at_once"]]

        def tell(iteration: int, residual: float, group: list[int] = group) -> None:
            report({"stage": "port", "port": group[0], "ports": ports, "iteration": iteration, "residual": residual,
                    "tolerance": solver.tolerance})  # fmt: skip

        solution = _krylov(problem, plan["method"], group, tell)
        for i, port in enumerate(group):
            done[port] = solution.x[i]
            infos[port] = {
                "residual": float(solution.residual[i]),
                "iterations": int(solution.iterations[i]),
                "products": solution.products,
                "converged": bool(solution.converged[i]),
                "history": [float(h[i]) for h in solution.history],
            }
            if checkpoint is not None and solution.converged[i]:
                checkpoint.save(port, be.to_numpy(problem.expand(solution.x[i : i + 1])[0]))
    return [infos[p] for p in range(ports)], [done[p] for p in range(ports)]


def _krylov(problem: Problem, method: str, ports: list[int], tell: Callable[[int, float], None]) -> Solution:
    solver = problem.solver
    options: dict[str, Any] = {
        "tolerance": solver.tolerance, "max_iterations": solver.max_iterations, "be": problem.be, "callback": tell,
    }  # fmt: skip
    b = problem.right_hand_side(ports)
    if method == "gmres":
        return gmres(problem.apply, b, restart=solver.restart, **options)
    return bicgstab(problem.apply, b, **options)


def _residual(problem: Problem, x: Any, ports: list[int]) -> float:
    b = problem.right_hand_side(ports)
    size = float(problem.be.xp.linalg.norm(b))
    return float(problem.be.xp.linalg.norm(b - problem.apply(x))) / (size if size > 0 else 1.0)


def error_factor(frequency_Hz: float) -> float:
    """Ratio of the relative error of E (L2 in the body) to the relative residual, as measured on tissue spheres.

    Parameters
    ----------
    frequency_Hz : float
        Frequency [Hz].
    """
    return max(2.0, 18.0 * frequency_Hz / 298e6)


def _fields(
    problem: Problem, x: list[Any], infos: list[dict[str, Any]], plan: Mapping[str, Any], clock: dict[str, float]
) -> Fields:
    """Total fields on the phantom's grid and the power balance."""
    be, exposure, grid, h = problem.be, problem.exposure, problem.grid, problem.h
    ports, dtype = len(x), problem.dtype
    unit = 1j * problem.omega * EPS_0
    currents = [problem.expand(v[None])[0] for v in x]
    power = _power(problem, x, currents)
    green = Convolution(problem.shape, grid.node_shape, problem.low, h, problem.k, be, dtype)
    E, B = problem.E_incident, incident_B(exposure.coil, grid, exposure.frequency_Hz, be, dtype)
    for p in range(ports):
        scattered = green.scattered(currents[p][None])[0]
        scattered *= dtype.type(1 / unit)
        _cut_last_edges(scattered)
        E[p] += scattered
        inside = E[(p, slice(None), *problem.box)].reshape(-1)
        inside[problem.index] = (x[p] / (unit * problem.contrast)).astype(dtype)
        E[(p, slice(None), *problem.box)] = inside.reshape(3, *problem.shape)
        _add_curl(B[p], green.potential(currents[p][None])[0], MU_0 / h)
    residual = np.array([i["residual"] for i in infos])
    E, B = be.to_numpy(E), be.to_numpy(B)
    end = time.perf_counter()
    factor = error_factor(exposure.frequency_Hz)
    phantom = exposure.phantom
    return Fields(
        grid=grid,
        frequency_Hz=exposure.frequency_Hz,
        E=E,
        B=B,
        body=np.asarray(phantom.body, bool),
        body_mass_kg=float(phantom.mass_kg),
        power=power,
        ports=tuple(exposure.coil.ports),
        drives=dict(exposure.coil.drives),
        drive_unit=exposure.coil.drive_unit,
        residual=residual,
        convergence={
            "method": plan["method"],
            "tolerance": problem.solver.tolerance,
            "iterations": [i["iterations"] for i in infos],
            "products": [i["products"] for i in infos],
            "history": [i["history"] for i in infos],
            "resumed": [bool(i.get("resumed")) for i in infos],
            "E_error_per_residual": factor,
            "E_error_estimate": [float(factor * r) for r in residual],
            "meaning": "E_error_estimate is the relative L2 error of E that the unfinished iteration leaves; the "
            "voxel staircase adds its own, which only a finer grid shows",
            "unknowns": len(problem.index),
            "fft_shape": list(problem.convolution.big),
        },
        provenance={
            "engine": "Vie",
            "options": asdict(problem.solver),
            "phantom": {"name": phantom.name, "sha256": phantom.hash(), "shape": list(grid.shape),
                        "spacing_m": h},
            "coil": {"name": exposure.coil.name, **exposure.coil.parameters},
            "frequency_Hz": exposure.frequency_Hz,
            "device": be.describe(),
            "timing_s": {"setup": clock["setup"] - clock["start"], "ports": clock["ports"] - clock["setup"],
                         "fields": end - clock["ports"]},
        },
    )  # fmt: skip


def _power(problem: Problem, x: list[Any], currents: list[Any]) -> PowerBalance:
    be, h3 = problem.be, problem.h**3
    xp, n = be.xp, len(x)
    unit = 1j * problem.omega * EPS_0
    # sigma of an edge: w eps0 times minus the imaginary part of its permittivity.
    sigma = -problem.omega * EPS_0 * problem.contrast.imag
    absorbed, work = np.zeros((n, n), complex), np.zeros((n, n), complex)
    inside = [self_E / (unit * problem.contrast) for self_E in x]
    incident = [
        problem.E_incident[(p, slice(None), *problem.box)].reshape(-1)[problem.index].astype(complex) for p in range(n)
    ]
    for i in range(n):
        weighted = sigma * inside[i]
        for j in range(n):
            absorbed[i, j] = 0.5 * h3 * complex(xp.vdot(weighted, inside[j]))
            work[i, j] = 0.5 * h3 * complex(xp.vdot(incident[i], x[j].astype(complex)))
    scattered = radiated_power(currents, problem.h, problem.k, be)
    return PowerBalance(absorbed, 0.5 * (work + work.conj().T), scattered)


def _cut_last_edges(E: Any) -> None:
    """Zero the entries past the last edge along each component."""
    E[0, -1], E[1, :, -1], E[2, :, :, -1] = 0, 0, 0


def _add_curl(B: Any, A: Any, factor: float) -> None:
    """B += factor * curl of A from edges to faces; entries past the last face stay zero."""
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        faces = tuple(slice(None) if axis == c else slice(0, -1) for axis in range(3))

        def ahead(axis: int, faces: tuple[slice, ...] = faces) -> tuple[slice, ...]:
            return tuple(slice(1, None) if i == axis else s for i, s in enumerate(faces))

        B[(c, *faces)] += factor * ((A[b][ahead(a)] - A[b][faces]) - (A[a][ahead(b)] - A[a][faces]))
