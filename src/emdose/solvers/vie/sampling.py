r"""The volume integral of one body for thousands of tissue properties: solutions as coefficients of a reduced basis.

Permittivities of edges are means over four voxels, so that edges fall into groups of one permittivity each. Matrices
and right-hand sides of the normal equations are sums over these groups (:mod:`emdose.compute.reduced.span`), and a
sample costs nothing that grows with the voxels until its field is asked for. What misses the tolerance is iterated, and
then serves all samples that follow.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compute.reduced.span import least
from emdose.constants import EPS_0, MU_0
from emdose.errors import ConvergenceError
from emdose.solvers.vie.fields import add_curl
from emdose.solvers.vie.iteration import solve_group
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
    """Solutions of one exposure with one drive for many tissue properties.

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
        self.method = plan(solver, exposure, be).method
        self.problem = problem = VieProblem(solver, exposure, be, shared)
        self.weights = np.asarray(weights, complex)
        drive = be.asarray(self.weights.astype(problem.dtype))
        problem.E_incident = be.xp.tensordot(drive, problem.E_incident, 1)[None]
        self.reduction = Reduction(problem, basis)
        self.span = self.reduction.family.span
        self.check_every = basis.check_every
        self.parts = _parts(problem, self.span.order[self.span.starts], len(exposure.phantom.tissues))
        self.incident = 1j * problem.omega * EPS_0 * be.to_numpy(problem.incident_on_unknowns([0])[0]).astype(complex)
        self.checked: list[tuple[float, float]] = []
        """Residuals of answers that a product has checked: as told, and as measured."""
        self._forces: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._since, self._generation = 0, self.span.generation

    def group_of_unknown(self) -> np.ndarray:
        """Group of every unknown, in the order of the groups, (n,)."""
        lengths = np.diff(np.append(self.span.starts, self.span.n))
        return np.repeat(np.arange(self.span.groups), lengths)

    def batches(self, permittivity: np.ndarray) -> Iterator[Batch]:
        """Solutions of samples, some at a time.

        Parameters
        ----------
        permittivity : (sample, tissue) complex ndarray
            eps_r - j sigma / (w eps0) of every tissue of the phantom.

        Raises
        ------
        ConvergenceError
            When a sample misses the tolerance.
        """
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
                yield self._solved(first, group[good])
                first += 1
            # Where some fail the rest of a batch is made again with what they have taught.
            at_once = min(2 * at_once, MOST_AT_ONCE) if good == len(met) else max(1, min(at_once, 2 * good))

    def b1plus(self, mask: np.ndarray) -> B1Plus:
        """B1+ at the voxels of a mask (nx, ny, nz), as it follows from coefficients."""
        return B1Plus(self, mask)

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
        """Measure the residual of one answer in so many by a product."""
        for i in range(len(M)):
            self._since += 1
            if self._since % self.check_every:
                continue
            problem = self._with(M[i])
            b = problem.right_hand_side([0])
            norm = self.be.xp.linalg.norm
            true = float(norm(b - problem.apply(self.span.combine(c[i : i + 1])))) / float(norm(b))
            self.checked.append((float(share[i]), true))
            if not abs(true - share[i]) < DAMAGE:
                raise ConvergenceError(f"reduced basis: residual {true:.2g} where {share[i]:.2g} was told")

    def _solved(self, first: int, group: np.ndarray) -> Batch:
        """A sample that is iterated, and becomes part of the basis."""
        problem = self._with((group - 1) / group, group)
        reduction = copy.copy(self.reduction)
        reduction.problem = problem
        x, rows = solve_group(problem, self.method, [0], lambda *_: None, reduction)
        if not rows[0]["converged"]:
            raise ConvergenceError(
                f"sample {first}: residual {rows[0]['residual']:.2g} misses the tolerance {self.solver.tolerance:g}"
            )
        c = self.span.coefficients(x[0])[None]
        residual = np.array([rows[0]["residual"]])
        return Batch(
            first, c, group[None], residual, residual * rows[0]["error_per_residual"], np.array([rows[0]["products"]])
        )

    def _with(self, M: np.ndarray, group: np.ndarray | None = None) -> VieProblem:
        """The equations for other properties of the groups."""
        be, problem = self.be, copy.copy(self.problem)
        back = np.argsort(self.span.order, kind="stable")
        of = self.group_of_unknown()[back]
        problem.M = be.asarray(M[of].astype(problem.dtype))
        if group is not None:
            problem.contrast = be.asarray(group[of] - 1)
            problem.largest_permittivity = float(np.abs(group).max())
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
        drive = be.asarray(sampler.weights.astype(problem.dtype))
        self.incident = self._at(be.xp.tensordot(drive, B, 1))
        self.of_vectors = np.zeros((0, len(self.incident)), complex)
        self._generation = sampler.span.generation

    def of(self, coefficients: np.ndarray) -> np.ndarray:
        """B1+ (sample, voxel) [T per drive unit] for coefficients (sample, vectors)."""
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
        return self.incident + coefficients @ self.of_vectors[:size]

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
