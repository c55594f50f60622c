r"""Metal in a region of a body, of any shape and in any pose, by answers of the body that were solved for once.

Metal changes the equations A_0 = 1 - M_0 N of a body on its edges S alone: A = A_0 - D N with D = M - M_0 there. With
the answers W = A_0^-1 of the intact body to currents on the edges of a region that holds S,

.. math::

   (1 - K D)\, e = M_0^{-1} J_0, \quad K = M_0^{-1} (W_{SS} - 1), \qquad J = J_0 + W D e

are the currents in the body with metal, from those without. What the answers leave is measured by one product with the
equations of the body with metal, and iterated where it is above the tolerance.

Source: M. Woodbury, Inverting Modified Matrices, Princeton 1950; B. Stijnman et al. (2020), PMC7003873 (implants as a
change of low rank to a body that was solved once).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emdose.checks import one_of, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.shared import Shared
from emdose.errors import ConvergenceError, InputError
from emdose.models.exposure import Exposure
from emdose.models.implants.implant import Implant
from emdose.solvers.progress import watched
from emdose.solvers.results.fields import Fields, named_drive
from emdose.solvers.running import (
    Checkpoint,
    Progress,
    Setup,
    callback,
    silent,
)
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vie.fields import fields_of
from emdose.solvers.vie.iteration import solve_ports
from emdose.solvers.vie.library.region import LibraryPlan, Region, plan_library, region_mask
from emdose.solvers.vie.library.unit_answers import edges_of, region_answers
from emdose.solvers.vie.principal import principal_solutions
from emdose.solvers.vie.problem import VieProblem
from emdose.solvers.vie.problem import plan as plan_exposure
from emdose.solvers.vie.reduction import Start
from emdose.solvers.vie.solver import Vie, missed
from emdose.values import owned, read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

CHANGED = 1e-12
"""Change of M beyond which an edge is another one."""


@read_only
@dataclass(frozen=True, eq=False)
class ImplantLibrary:
    """Answers of a body to currents on the edges of a region, for any metal within it.

    Parameters
    ----------
    phantom : Phantom
        The body, without metal.
    frequency_Hz : float
        Frequency [Hz].
    region : (nx, ny, nz) bool ndarray
        Voxels that metal may take up.
    options : Vie
        Options of the body's equations.
    tolerance : float
        Relative residual of the answers.
    edges : (r,) int ndarray
        Edges of the region (component, node of the body's box), as one number.
    near : (r, r) complex ndarray
        A_0^-1 on the region: row s holds the currents that a unit on edge s makes on all of them.
    answers : (r, unknowns) complex64 ndarray
        The same on all edges of the body; without a row where they are not kept, and every pose solves for the intact
        body once more.
    about : mapping
        Products and seconds that it took, largest residual.

    Notes
    -----
    :meth:`within` makes one; :meth:`solve` and :meth:`exposed` use it; ``em.write_implant_library`` and
    ``em.read_implant_library`` keep it.
    """

    phantom: Phantom
    frequency_Hz: float
    region: np.ndarray
    options: Vie
    tolerance: float
    edges: np.ndarray
    near: np.ndarray
    answers: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def plan(
        phantom: Phantom,
        frequency_Hz: float,
        region: Region,
        *,
        solver: Vie | None = None,
        keep: str = "auto",
        compress: bool | str = "auto",
        device: str | Backend = "auto",
    ) -> LibraryPlan:
        """What the answers of a region will take; parameters and errors as of :meth:`within`."""
        one_of("keep", keep, ("auto", "answers", "couplings"), problem="unknown choice")
        mask = region_mask(phantom.grid, region)
        if not isinstance(compress, bool):
            one_of("compress", compress, ("auto",), problem="unknown choice", also="True or False")
        options = Vie() if solver is None else solver
        return plan_library(options, phantom, frequency_Hz, mask, keep, backend.get(device), compress)

    @classmethod
    @watched
    def within(
        cls,
        phantom: Phantom,
        frequency_Hz: float,
        region: Region,
        *,
        tolerance: float = 2e-5,
        solver: Vie | None = None,
        keep: str = "auto",
        compress: bool | str = "auto",
        device: str | Backend = "auto",
        progress: Progress = True,
        checkpoint: Checkpoint | None = None,
    ) -> Self:
        """Answers of a body to currents in a region.

        Parameters
        ----------
        phantom : Phantom
            The body, without metal.
        frequency_Hz : float
            Frequency [Hz].
        region : two points or (nx, ny, nz) bool ndarray
            Two corners (x, y, z) of a box that metal will lie in [m], or its voxels.
        tolerance : float
            Relative residual of every answer.
        solver : Vie, optional
            Options of the body's equations, and of the solutions with metal; those of ``Vie()`` by default.
        keep : {"auto", "answers", "couplings"}
            Keep the currents of the whole body for every edge of the region, or on the region alone, which takes less
            memory and one solution of the intact body more for every pose; by the memory that is free.
        compress : bool or "auto"
            Invert the region and voxels around it as a dense matrix, and solve the whole body for some of the edges
            alone; by default where that matrix holds the whole body, so that nothing is left to solve for.
        device, progress
            As :meth:`emdose.Vie.solve`; a step of stage "answers" for every iteration.
        checkpoint : Checkpoint, optional
            Keeps finished batches of answers.

        Raises
        ------
        InputError
            When the region holds no tissue, or numbers cannot be used.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When an answer misses its tolerance.
        """
        be, tell, options = backend.get(device), callback(progress), Vie() if solver is None else solver
        within("tolerance", tolerance, 1e-10, 1e-2, problem="bad tolerance")
        planned = cls.plan(phantom, frequency_Hz, region, solver=options, keep=keep, compress=compress, device=be)
        mask = region_mask(phantom.grid, region)
        tell(Setup())
        start = time.perf_counter()
        body = BodyOperator(replace(options, tolerance=tolerance), phantom, frequency_Hz, be)
        edges, rows = edges_of(body, mask)
        if not len(edges):
            raise InputError("region without tissue", field="region", expected="a part of the body")
        found = region_answers(body, mask, rows, planned, tolerance, tell, checkpoint)
        near = found.near
        # A_0^-1 M_0 is symmetric: the mean of both ways round.
        M = be.to_numpy(body.M)[rows].astype(complex)
        both = near * M[:, None]
        near = 0.5 * (both + both.T) / M[:, None]
        seconds = time.perf_counter() - start
        about = {"products": body.products, **found.about, "seconds": seconds, "device": be.name}
        return cls(
            *(phantom, float(frequency_Hz), owned(mask), options, float(tolerance), owned(edges), owned(near)),
            *(owned(found.answers), about),
        )

    @watched
    def exposed(
        self,
        coil: Any,
        *,
        drive: str | Sequence[complex] | np.ndarray | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> ExposedLibrary:
        """The intact body in the field of a coil, solved once for all metal to come.

        Parameters
        ----------
        coil : Coil, PlaneWave or IncidentField
            The source.
        drive, device, progress
            As :meth:`emdose.Vie.solve`.

        Raises
        ------
        InputError, ResourceError, ConvergenceError
            As :meth:`emdose.Vie.solve`.
        """
        be, tell, shared = backend.get(device), callback(progress), Shared()
        exposure = Exposure(self.phantom, coil, self.frequency_Hz)
        name, weights = "", None
        if drive is not None:
            name, weights = named_drive(drive, exposure.coil.drives, len(exposure.coil.ports))
        options = _options(replace(self.options, tolerance=max(0.1 * self.options.tolerance, 1e-12)))
        planned = plan_exposure(options, exposure, be, driven=weights is not None)
        problem = VieProblem(options, exposure, be, shared, weights, name)
        infos, J = solve_ports(problem, planned, tell, None)
        lacking = [p for p, told in zip(problem.ports, infos, strict=True) if not told["converged"]]
        if lacking:
            raise ConvergenceError(f"the body without metal misses its tolerance for port {', '.join(lacking)}")
        currents = np.stack([np.asarray(be.to_numpy(x), complex) for x in J])
        inverse = max(float(told["inverse_norm"]) for told in infos)
        return ExposedLibrary(self, coil, problem, owned(currents), inverse, shared, name, weights)

    def solve(
        self,
        exposure: Exposure,
        device: str | Backend = "auto",
        progress: Progress = True,
        drive: str | Sequence[complex] | np.ndarray | None = None,
    ) -> Fields:
        """Fields of one exposure with implants; for many of them, :meth:`exposed` solves for the coil once.

        Parameters
        ----------
        exposure : Exposure
            The body of this library at its frequency, with implants within its region.
        device, progress, drive
            As :meth:`emdose.Vie.solve`.

        Raises
        ------
        InputError
            When body or frequency are others, or metal lies beyond the region.
        ResourceError, ConvergenceError
            As :meth:`emdose.Vie.solve`.
        """
        return self.exposed(exposure.coil, drive=drive, device=device, progress=progress).solve(exposure)


class ExposedLibrary:
    """A body in a coil, solved without metal, and answers for any metal in a region of it.

    Made by :meth:`ImplantLibrary.exposed`.

    Parameters
    ----------
    library : ImplantLibrary
        The answers.
    coil : Coil, PlaneWave or IncidentField
        The source.
    problem : VieProblem
        The equations without metal.
    currents : (port, n) complex ndarray
        Their solutions [A/m^2].
    inverse_norm : float
        norm(A_0^-1) as the iteration found it.
    shared : Shared
        What exposures of this coil hand on to each other.
    name, weights : str, (port,) complex ndarray or None
        The drive, where one alone is solved for.
    """

    def __init__(
        self,
        library: ImplantLibrary,
        coil: Any,
        problem: VieProblem,
        currents: np.ndarray,
        inverse_norm: float,
        shared: Shared,
        name: str,
        weights: np.ndarray | None,
    ) -> None:
        self.library, self.coil, self.problem, self.currents = library, coil, problem, currents
        self.inverse_norm, self.shared, self.name, self.weights = inverse_norm, shared, name, weights
        self._M = np.asarray(problem.be.to_numpy(problem.M), complex)
        self._index = np.asarray(problem.be.to_numpy(problem.index))
        rows = np.searchsorted(self._index, library.edges)
        self._column = np.full(len(self._index), -1)
        self._column[rows] = np.arange(len(rows))

    def solve(self, implants: Implant | Sequence[Implant] | Exposure, solver: Vie | None = None) -> Fields:
        """Fields with metal in the body, on all edges and as every solver gives them.

        Parameters
        ----------
        implants : Implant, sequence of Implant or Exposure
            Metal in the coordinates of the body, or an exposure that holds it.
        solver : Vie, optional
            Tolerances, and whether metal is perfect; those of the library by default.

        Raises
        ------
        InputError
            When metal lies beyond the region, or the exposure is of another body, coil or frequency.
        ConvergenceError
            As :meth:`emdose.Vie.solve`.
        """
        be, options = self.problem.be, self.library.options if solver is None else solver
        clock = {"start": time.perf_counter()}
        exposure = self._exposure(implants)
        planned = plan_exposure(options, exposure, be, driven=self.weights is not None)
        problem = VieProblem(options, exposure, be, self.shared, self.weights, self.name)
        clock["setup"] = time.perf_counter()
        start = _PoseStart(problem, self._currents_with(problem), self.inverse_norm)
        infos, J = solve_ports(problem, planned, silent, None, start)  # type: ignore[arg-type]
        problem.static_inverse = None
        clock["ports"] = time.perf_counter()
        fields = fields_of(problem, J, infos, planned, clock)
        told = {
            "start_residual": [float(i["start_residual"]) for i in infos],
            "from_library": [bool(i["from_basis"]) for i in infos],
        }
        fields = replace(fields, convergence={**fields.convergence, **told})
        lacking = [p for p, s in zip(fields.ports, infos, strict=True) if not s["converged"]]
        if lacking:
            raise ConvergenceError(missed(fields, options, lacking), partial=fields)
        return fields

    def _exposure(self, implants: Implant | Sequence[Implant] | Exposure) -> Exposure:
        library, f = self.library, self.library.frequency_Hz
        if not isinstance(implants, Exposure):
            metal = (implants,) if isinstance(implants, Implant) else tuple(implants)
            return Exposure(library.phantom, self.coil, f, implants=metal)
        if implants.frequency_Hz != f:
            raise InputError(
                "answers of another frequency", field="frequency_Hz", found=implants.frequency_Hz, expected=f"{f:g}"
            )
        own, other = (p.electric_hash(f) for p in (library.phantom, implants.phantom))
        if own != other:
            raise InputError(
                "answers of another body", field="phantom", found=f"hash {other[:12]}", expected=f"hash {own[:12]}"
            )
        if implants.coil is not self.coil and implants.coil != self.coil:
            raise InputError("answers in another coil", field="coil", found=implants.coil.name, expected=self.coil.name)
        return implants

    def _currents_with(self, problem: VieProblem) -> np.ndarray:
        """Currents (port, n) of a body with metal by the answers."""
        be, library = problem.be, self.library
        index, M = np.asarray(be.to_numpy(problem.index)), np.zeros(len(self._index), complex)
        at = np.searchsorted(self._index, index)
        inside = problem.low == self.problem.low and problem.shape == self.problem.shape
        inside = inside and bool(np.all(at < len(self._index))) and np.array_equal(self._index[at], index)
        if inside:
            M[at] = be.to_numpy(problem.M)
            changed = np.flatnonzero(np.abs(M - self._M) > CHANGED)
            column = self._column[changed]
            inside = bool(np.all(column >= 0))
        if not inside:
            low, high = (_text(v) for v in _extent(library.phantom, library.region))
            reach = _extent(library.phantom, problem.exposure.tissue.labels != library.phantom.labels)
            raise InputError(
                "metal beyond the region of the library",
                field="implants",
                found="voxels from {} to {} m".format(*map(_text, reach)),
                expected=f"within {low} to {high} m, and in tissue",
            )
        old, change = self._M[changed], (M - self._M)[changed]
        # Row s of what is kept holds the answers to edge s.
        K = (library.near[np.ix_(column, column)].T - np.eye(len(column))) / old[:, None]
        e = np.linalg.solve(np.eye(len(column)) - K * change, (self.currents[:, changed] / old).T)
        sources = (change[:, None] * e).T
        if len(library.answers):
            more = sources.astype(np.complex64) @ library.answers[column]
        else:
            b = np.zeros((len(sources), len(self._index)), self.problem.dtype)
            b[:, changed] = sources
            found = principal_solutions(self.problem, be.asarray(b), 0.1 * library.options.tolerance)
            more = be.to_numpy(found.x)
        return np.asarray((self.currents + more)[:, at])


class _PoseStart:
    """Currents that an iteration of a group of ports begins with; takes the place of a reduced basis."""

    vectors = 1

    def __init__(self, problem: VieProblem, currents: np.ndarray, inverse_norm: float) -> None:
        self.problem, self.currents, self.inverse_norm, self._next = problem, currents, inverse_norm, 0

    def goals(self, share: np.ndarray) -> np.ndarray:
        """Residuals to reach."""
        return np.full(len(share), self.problem.solver.tolerance)

    def start(self, b: Any, _good: Any) -> Start:
        """The currents of the next ports, and their residual by a product."""
        xp, problem = self.problem.be.xp, self.problem
        rows = self.currents[self._next : self._next + len(b)]
        self._next += len(b)
        x = problem.be.asarray(rows.astype(problem.dtype))
        r = b - problem.apply(x)
        share = [float(xp.linalg.norm(v)) / (float(xp.linalg.norm(row)) or 1.0) for v, row in zip(r, b, strict=True)]
        return Start(x, r, np.array(share), 1)

    def learn(self, *_: Any) -> int:
        """Nothing is learned."""
        return 0


def _options(solver: Vie | None) -> Vie:
    """Options of the body's equations, in double precision as they are with metal."""
    options = Vie() if solver is None else solver
    return replace(options, dtype="complex128") if options.dtype == "auto" else options


def _extent(phantom: Phantom, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest corner of the voxels of a mask [m]."""
    where = np.argwhere(mask)
    if not len(where):
        where = np.zeros((1, 3), int)
    step, origin = np.asarray(phantom.grid.spacing_m), np.asarray(phantom.grid.origin_m)
    return origin + step * where.min(0), origin + step * (where.max(0) + 1)


def _text(point: np.ndarray) -> str:
    return "({})".format(", ".join(f"{v:.4g}" for v in point))
