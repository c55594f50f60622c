r"""The volume integral of one body for thousands of tissue properties, places and drives of the coil.

Solutions are coefficients of a reduced basis: tissue changes the diagonal of the equations, the coil their right-hand
side, and the operator N stays.

Permittivities of edges are means over four voxels, so that edges fall into groups of one permittivity each. Matrices
and right-hand sides of the normal equations are sums over these groups (:mod:`emdose.compute.reduced.span`), and a
sample costs nothing that grows with the voxels until its field is asked for. A sample with an incident field of its own
costs that field and four products with the vectors. What misses the tolerance is iterated, and then serves all samples
that follow.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.reduced.span import least
from emdose.constants import EPS_0, MU_0
from emdose.errors import ConvergenceError
from emdose.solvers.vie.fields import add_curl
from emdose.solvers.vie.iteration import solve_group
from emdose.solvers.vie.moved_incident import port_fields
from emdose.solvers.vie.problem import VieProblem, plan
from emdose.solvers.vie.reduction import DAMAGE, Reduction, box_labels
from emdose.solvers.yee_grid.edge_materials import edge_mean
from emdose.solvers.yee_grid.green_convolution import Convolution
from emdose.solvers.yee_grid.incident import incident_B

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.compute.reduced.basis import ReducedBasis
    from emdose.compute.shared import Shared
    from emdose.models.exposure import Exposure
    from emdose.solvers.vie.options import VieOptions

MOST_AT_ONCE = 64


@dataclass(frozen=True, eq=False)
class Batch:
    """Solutions of some samples.

    Parameters
    ----------
    first : int
        Number of the first of them.
    coefficients : (sample, vectors) complex ndarray
        Currents over the vectors of the basis [A/m^2].
    permittivity : (sample, groups) complex ndarray
        Of the groups of edges.
    residual, E_error_estimate : (sample,) ndarray
        Relative residual, and what it leaves of the field.
    products : (sample,) ndarray
        Products with the operator that it took.
    """

    first: int
    coefficients: np.ndarray
    permittivity: np.ndarray
    residual: np.ndarray
    E_error_estimate: np.ndarray
    products: np.ndarray


class VieSampler:
    """Solutions of one exposure for many tissue properties, and for many incident fields.

    Parameters
    ----------
    solver : VieOptions
        Options of the volume integral; every sample meets its tolerance and ``E_error``.
    exposure : Exposure
        Body, coil and frequency.
    weights : (port,) complex ndarray
        The drive.
    be : Backend
        Device.
    basis : ReducedBasis
        Where solutions are kept; nothing else may use it meanwhile.
    shared : Shared, optional
        Hands on Green's function and coil fields.
    """

    def __init__(
        self,
        solver: VieOptions,
        exposure: Exposure,
        weights: np.ndarray,
        be: Backend,
        basis: ReducedBasis,
        shared: Shared | None = None,
    ) -> None:
        self.solver, self.be, self.exposure = solver, be, exposure
        self.plan = plan(solver, exposure, be)
        self.problem = problem = VieProblem(solver, exposure, be, shared)
        self.weights = np.asarray(weights, complex)
        self.E_ports = be.to_numpy(port_fields(problem)).astype(complex)
        """Incident field of every port on the unknowns, (port, n) [V/m]."""
        problem.on_unknowns = be.asarray((self.weights @ self.E_ports).astype(problem.dtype))[None]
        problem.E_incident = None
        self.reduction = Reduction(problem, basis)
        self.span = self.reduction.family.span
        self.check_every = basis.check_every
        self.parts = _parts(problem, self.span.order[self.span.starts], len(exposure.phantom.tissues))
        self.incident = 1j * problem.omega * EPS_0 * be.to_numpy(problem.incident_on_unknowns([0])[0]).astype(complex)
        self.checked: list[tuple[float, float]] = []
        """Residuals of answers that a product has checked: as told, and as measured."""
        self._forces: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._since, self._generation = 0, self.span.generation
        self._of = self.group_of_unknown()[np.argsort(self.span.order, kind="stable")]

    def group_of_unknown(self) -> np.ndarray:
        """Group of every unknown, in the order of the groups, (n,)."""
        lengths = np.diff(np.append(self.span.starts, self.span.n))
        return np.repeat(np.arange(self.span.groups), lengths)

    def batches(self, permittivity: np.ndarray, incident: Callable[[int], np.ndarray] | None = None) -> Iterator[Batch]:
        """Solutions of samples, some at a time.

        Parameters
        ----------
        permittivity : (sample, tissue) complex ndarray
            eps_r - j sigma / (w eps0) of every tissue of the phantom.
        incident : callable, optional
            Number of a sample to its incident field on the unknowns (n,) [V/m], where that is not the one of the drive.

        Raises
        ------
        ConvergenceError
            When a sample misses the tolerance.
        """
        if incident is not None:
            for i, one in enumerate(permittivity @ self.parts.T):
                yield self._on_its_own(i, one, incident(i))
            return
        first, at_once = 0, 1
        while first < len(permittivity):
            group = permittivity[first : first + at_once] @ self.parts.T
            M = (group - 1) / group
            c, share, estimate = self._from_span(M, group)
            met = (share <= self.solver.tolerance) & (estimate <= self.solver.E_error)
            good = int(np.argmin(met)) if not met.all() else len(met)
            if good:
                self._check(M[:good], c[:good], share[:good])
                yield Batch(first, c[:good], group[:good], share[:good], estimate[:good], np.zeros(good, int))
                first += good
            if good < len(met):
                yield self._solved(first, group[good], self._with(M[good], group[good]))
                first += 1
            # Where some fail the rest of a batch is made again with what they have taught.
            at_once = min(2 * at_once, MOST_AT_ONCE) if good == len(met) else max(1, min(at_once, 2 * good))

    def b1plus(self, mask: np.ndarray) -> B1Plus:
        """B1+ at the voxels of a mask (nx, ny, nz), as it follows from coefficients."""
        return B1Plus(self, mask)

    def _on_its_own(self, number: int, group: np.ndarray, incident: np.ndarray) -> Batch:
        """A sample with an incident field of its own."""
        problem = self._with((group - 1) / group, group, incident)
        b = problem.right_hand_sides([0])[0]
        answer = self.span.best(problem.M, b)
        size = float(self.be.xp.linalg.norm(b))
        inverse = float(np.fmax(problem.largest_permittivity, self.reduction.inverse_norm))
        x = float(np.linalg.norm(answer.coefficients))
        estimate = inverse * size / x * answer.share if x else np.inf
        if not (answer.share <= self.solver.tolerance and estimate <= self.solver.E_error):
            return self._solved(number, group, problem)
        self._measure(problem, answer.coefficients, answer.share)
        share, products = np.array([answer.share]), np.zeros(1, int)
        return Batch(number, answer.coefficients[None], group[None], share, np.array([estimate]), products)

    def _from_span(self, M: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        count, size = len(M), self.span.size
        Ve, We, ee = self._products_with_incident()
        power = np.abs(M) ** 2
        bb = power @ ee
        if not size:
            return np.zeros((count, 0), complex), np.ones(count), np.full(count, np.inf)
        g = M @ Ve.T - power @ We.T
        G = self.span.normal(M)
        c = np.array([least(one, force) for one, force in zip(G, g, strict=True)])
        rest = bb - 2 * np.einsum("sm,sm->s", c.conj(), g).real + np.einsum("sm,smn,sn->s", c.conj(), G, c).real
        share = np.sqrt(np.maximum(rest, 0) / bb)
        largest = np.abs(group).max(axis=1)
        inverse = np.fmax(largest, self.reduction.inverse_norm)
        with np.errstate(divide="ignore"):
            factor = inverse * np.sqrt(bb) / np.linalg.norm(c, axis=1)
        return c, share, factor * share

    def _products_with_incident(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """V^H e, W^H e and e^H e by groups; only those of new vectors are made."""
        if self._generation != self.span.generation:
            self._forces, self._generation = None, self.span.generation
        known = self._forces
        first = 0 if known is None else len(known[0])
        if known is None or first != self.span.size:
            Ve, We, ee = self.span.forces(self.incident, first)
            if first and known is not None:
                Ve, We = np.concatenate([known[0], Ve]), np.concatenate([known[1], We])
            self._forces = known = Ve, We, ee
        return known

    def _check(self, M: np.ndarray, c: np.ndarray, share: np.ndarray) -> None:
        for i in range(len(M)):
            self._measure(self._with(M[i]), c[i], float(share[i]))

    def _measure(self, problem: VieProblem, c: np.ndarray, share: float) -> None:
        """Measure the residual of one answer in so many by a product."""
        self._since += 1
        if self._since % self.check_every:
            return
        b, norm = problem.right_hand_sides([0]), self.be.xp.linalg.norm
        true = float(norm(b - problem.apply(self.span.combine(c[None])))) / float(norm(b))
        self.checked.append((share, true))
        if not abs(true - share) < DAMAGE:
            raise ConvergenceError(f"reduced basis: residual {true:.2g} where {share:.2g} was told")

    def _solved(self, first: int, group: np.ndarray, problem: VieProblem) -> Batch:
        """A sample that is iterated, and becomes part of the basis."""
        reduction = copy.copy(self.reduction)
        reduction.problem = problem
        x, rows = solve_group(problem, self.plan, [0], lambda *_: None, reduction)
        if not rows[0]["converged"]:
            raise ConvergenceError(
                f"sample {first}: residual {rows[0]['residual']:.2g} misses the tolerance {self.solver.tolerance:g}"
            )
        c = self.span.coefficients(x[0])[None]
        residual = np.array([rows[0]["residual"]])
        return Batch(
            first, c, group[None], residual, residual * rows[0]["error_per_residual"], np.array([rows[0]["products"]])
        )

    def _with(self, M: np.ndarray, group: np.ndarray | None = None, incident: np.ndarray | None = None) -> VieProblem:
        """The equations for other properties of the groups, and perhaps another incident field on the unknowns."""
        be, problem = self.be, copy.copy(self.problem)
        problem.M = be.asarray(M[self._of].astype(problem.dtype))
        problem.static_inverse = None
        if group is not None:
            problem.contrast = be.asarray(group[self._of] - 1)
            problem.largest_permittivity = float(np.abs(group).max())
        if incident is not None:
            problem.on_unknowns = be.asarray(incident.astype(problem.dtype))[None]
        return problem


class B1Plus:
    """B1+ at some voxels from the coefficients of a sample: that of the coil, and of every vector of the basis.

    Parameters
    ----------
    sampler : VieSampler
        The samples.
    mask : (nx, ny, nz) bool ndarray
        The voxels.
    """

    def __init__(self, sampler: VieSampler, mask: np.ndarray) -> None:
        self.sampler, self.mask = sampler, np.asarray(mask, bool)
        problem, be = sampler.problem, sampler.be
        grid, exposure = problem.grid, sampler.exposure
        self.green = Convolution(
            problem.shape, grid.node_shape, problem.low, problem.h, problem.k, be, problem.dtype, shared=problem.shared
        )
        B = incident_B(problem.source, grid, exposure.frequency_Hz, be, problem.dtype, problem.shared)
        self.of_ports = np.array([self._at(port) for port in B])
        """B1+ of every port of the coil, (port, voxel) [T]."""
        self.of_vectors = np.zeros((0, self.of_ports.shape[1]), complex)
        self._generation = sampler.span.generation

    def of(self, coefficients: np.ndarray, mask: np.ndarray, incident: np.ndarray | None = None) -> np.ndarray:
        """B1+ (sample, voxel) [T per drive unit] for coefficients (sample, vectors).

        Parameters
        ----------
        coefficients : (sample, vectors) complex ndarray
            Of the currents.
        mask : (nx, ny, nz) bool ndarray
            Which of the voxels.
        incident : (voxel,) ndarray, optional
            That of the coil there, where it is not the one of the drive [T].
        """
        span, problem, size = self.sampler.span, self.sampler.problem, coefficients.shape[1]
        if self._generation != span.generation:
            self.of_vectors, self._generation = self.of_vectors[:0], span.generation
        new = []
        for j in range(len(self.of_vectors), size):
            J = problem.expand(span.combine(np.eye(1, size, j)))
            B = problem.be.xp.zeros((3, *problem.grid.node_shape), problem.dtype)
            add_curl(B, self.green.potential(J)[0], MU_0 / problem.h)
            new.append(self._at(B))
        if new:
            self.of_vectors = np.concatenate([self.of_vectors, np.array(new)])
        inside = mask[self.mask]
        own = self.sampler.weights @ self.of_ports[:, inside] if incident is None else incident
        return np.asarray(own + coefficients @ self.of_vectors[:size, inside])

    def _at(self, B: Any) -> np.ndarray:
        """B1+ at the voxels from B on the faces, (voxel,)."""
        B = self.sampler.be.to_numpy(B)
        x = 0.5 * (B[0, :-1, :-1, :-1] + B[0, 1:, :-1, :-1])[self.mask]
        y = 0.5 * (B[1, :-1, :-1, :-1] + B[1, :-1, 1:, :-1])[self.mask]
        return np.asarray(0.5 * (x + 1j * y), complex)


def _parts(problem: VieProblem, members: np.ndarray, tissues: int) -> np.ndarray:
    """Share of every tissue in an edge of every group, (groups, tissues)."""
    labels, index = box_labels(problem), problem.be.to_numpy(problem.index)[members]
    parts = [edge_mean((labels == t).astype(float), 1.0 if t == 0 else 0.0).ravel()[index] for t in range(tissues)]
    return np.stack(parts, axis=1)
