r"""The answer of a body to any coil outside of a cylinder, of low rank.

Incident fields of sources outside are, to an error, combinations of a basis B: C = B^T c. With the body's answers
X_i = T B_i and their reaction S_ij = B_i . X_j on the basis, the gaps of a coil see

.. math::

   \mathbf Y = \mathbf F^T \mathbf Z^{-1} \mathbf F + h^3\, \mathbf d^T \mathbf S
   \left(\mathbf 1 - h^3 \mathbf c \mathbf Z^{-1} \mathbf c^T \mathbf S\right)^{-1} \mathbf d, \qquad
   \mathbf d = \mathbf c \mathbf Z^{-1} \mathbf F

without any product with the body's matrix. S is taken in the stationary form X B^T + B X^T - X T^-1 X^T, whose error
is the square of that of X. B is the principal part of the fields of random dipoles and loops on the cylinder; c follows
from the field of the coil on some edges, drawn by their leverage, and its error is measured on others.

Source: J. Villena et al., IEEE Trans. Biomed. Eng. 63 (2016) 2250 (Green functions of a body from a basis of incident
fields); M. Mahoney, Found. Trends Mach. Learn. 3 (2011) 123 (leverage).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from emdose.checks import positive, within
from emdose.circuits.circuit import Circuit
from emdose.circuits.network import Network
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import EmdoseWarning, InputError, ResourceError
from emdose.models.exposure import Exposure
from emdose.solvers.cosimulation import CoSimulation, require_gaps
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.metal import ThinMetal
from emdose.solvers.progress import watched
from emdose.solvers.running import Iteration, Progress, Setup, callback
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vsie.library.cylinder_sources import PITCH, dipoles, loops, places
from emdose.solvers.vsie.library.response_gaps import ResponseGaps
from emdose.solvers.vsie.pairs import combined, pairs, principal
from emdose.solvers.vsie.potentials.coupling import MOST_STEP, EdgeCoupling, NodeLattice, Sources
from emdose.solvers.vsie.principal import answers_to
from emdose.solvers.vsie.setup import distance_from, lattice_around, nodes_of
from emdose.solvers.vsie.solver import Vsie
from emdose.solvers.yee_grid.edge_materials import bounding_box
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil

FAMILY = 300
"""Random combinations of dipoles, and of loops."""
KEEP = 0.25
"""Smallest principal value over the largest that is kept, in units of the error asked for."""
SAMPLES, HELD_OUT = 3, 400
"""Edges per basis field that a coil is fitted on, and edges that tell the error."""
POOR = 3.0
"""Error of a coil's field over that asked for beyond which the answers do not fit the coil."""


@read_only
@dataclass(frozen=True, eq=False)
class BodyResponse:
    """Answers of a body to the fields of coils outside of a cylinder around z.

    Parameters
    ----------
    phantom : Phantom
        The body.
    frequency_Hz : float
        Frequency [Hz].
    radius_m, length_m : float
        The cylinder: metal lies outside of its radius, and most of it within its length [m].
    error : float
        Relative error of the fields of coils that it was made for.
    options : Vsie
        Options of the body's equations.
    X, applied : (r, unknowns) array
        Answers [A/m^2] and (I - M N) X.
    reaction : (r, r) complex ndarray
        S.
    edges : (P,) int ndarray
        Edges (component, node of the body's box) that a coil is fitted on, as one number, and then those that tell the
        error.
    samples : (P, r) complex ndarray
        Basis fields there.
    leverage : (P,) ndarray
        Their probability of being drawn, by which squares are weighted.
    about : mapping
        Products and seconds that it took, largest residual.

    Notes
    -----
    :meth:`around` makes one, :meth:`cosimulate` uses it, ``em.write_response`` and ``em.read_response`` keep it.
    """

    phantom: Phantom
    frequency_Hz: float
    radius_m: float
    length_m: float
    error: float
    options: Vsie
    X: Any
    applied: Any
    reaction: np.ndarray
    edges: np.ndarray
    samples: np.ndarray
    leverage: np.ndarray
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """Number of basis fields."""
        return len(self.reaction)

    @classmethod
    @watched
    def around(
        cls,
        phantom: Phantom,
        frequency_Hz: float,
        *,
        radius_m: float,
        length_m: float,
        error: float = 5e-3,
        solver: Vsie | None = None,
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> Self:
        """Answers of a body to coils outside of a cylinder.

        Parameters
        ----------
        phantom : Phantom
            The body.
        frequency_Hz : float
            Frequency [Hz].
        radius_m, length_m : float
            Cylinder around z through the isocentre, outside of which all metal will lie, but outside of the body [m].
            About twice the length of a birdcage is enough.
        error : float
            Relative error of the incident field that is aimed at; every coil is told its own.
        solver : Vsie, optional
            Options of the body's equations; those of ``Vsie()`` by default.
        device, progress
            As :meth:`emdose.Vsie.solve`.

        Raises
        ------
        InputError
            When the cylinder does not hold the body, or numbers cannot be used.
        ResourceError
            When it does not fit the memory.
        """
        be, tell, options = backend.get(device), callback(progress), Vsie() if solver is None else solver
        positive("radius_m", radius_m)
        positive("length_m", length_m)
        within("error", error, 1e-4, 0.1)
        tell(Setup())
        start = time.perf_counter()
        body = BodyOperator(options, phantom, frequency_Hz, be)
        _require_memory(body)
        rng = np.random.default_rng(0)
        B = _principal_fields(body, _pitched(body, radius_m, length_m), error, rng)

        def heard(index: int, count: int, step: int, residual: float, tolerance: float) -> None:
            tell(
                Iteration(stage="answers", index=index, count=count, step=step, residual=residual, tolerance=tolerance)
            )

        # The principal combinations of the right-hand sides, and the incident fields that belong to them.
        size, U = principal(be, body.right_hand_side(B))
        B = combined(be, U, B)
        goals = error * size[0] / np.maximum(size, 1e-300)
        X, applied, products, residual = answers_to(options, body.right_hand_side(B), goals, heard, body)
        cross = pairs(be, X, B)
        inner = pairs(be, X, body.driving(applied))
        reaction = cross + cross.T - 0.5 * (inner + inner.T)
        edges, samples, leverage = _drawn(body, B, rng)
        about = {"products": products, "residual": residual, "seconds": time.perf_counter() - start, "device": be.name}
        return cls(
            *(phantom, float(frequency_Hz), float(radius_m), float(length_m), float(error), options, X, applied),
            *(reaction, edges, samples, leverage, about),
        )

    def cosimulate(
        self, coil: CircuitCoil, *, solver: Vsie | None = None, device: str | Backend = "auto"
    ) -> CoSimulation:
        """The network of the gaps of a coil around the body, without solving for the body.

        Its fields are solved for in the usual way, beginning with what the answers tell. The error of the incident
        fields is in ``gap_fields.error``, one for every gap.

        Parameters
        ----------
        coil : CircuitCoil
            The coil, all of it outside of the cylinder.
        solver : Vsie, optional
            Mesh and metal, and tolerances for its fields.
        device : {"auto", "cpu", "cuda"} or Backend
            Where to compute.

        Raises
        ------
        InputError
            When metal lies within the cylinder, or the coil has no gaps.

        Warns
        -----
        EmdoseWarning
            When the answers do not hold the field of this coil: its error is three times what they were made for.
        """
        be, options, f = backend.get(device), Vsie() if solver is None else solver, self.frequency_Hz
        exposure = Exposure(self.phantom, coil, f)
        start = time.perf_counter()
        mesh = mesh_of(require_gaps(exposure), f, options.mesh)
        nearest = float(np.hypot(*mesh.points_m[np.unique(mesh.triangles)][:, :2].T).min(initial=np.inf))
        if len(mesh.wires):
            nearest = min(nearest, float(np.hypot(*mesh.points_m[np.unique(mesh.wires)][:, :2].T).min()))
        if nearest < self.radius_m:
            raise InputError(
                f"metal of {coil.name!r} within the cylinder of the answers",
                field="coil",
                found=f"{nearest:.4g} m from the axis",
                expected=f"{self.radius_m:g} m or more",
            )
        metal = ThinMetal(mesh, f, options.conductivity_S_m, options.thickness_m, be)
        E = self._on_edges(metal, be)
        fitted = slice(0, SAMPLES * self.rank)
        c = (self._fit @ (E[fitted] / np.sqrt(self.leverage[fitted])[:, None]).astype(np.complex64)).astype(complex)
        d, h3 = c @ metal.driven, self.phantom.grid.voxel_volume_m3
        through = c @ metal.solve(np.ascontiguousarray(c.T))
        shares = np.linalg.solve(np.eye(self.rank) - h3 * through @ self.reaction, d)
        unloaded = metal.admittance()
        Y = unloaded + h3 * d.T @ self.reaction @ shares
        held = slice(SAMPLES * self.rank, None)
        direct = E[held] @ metal.driven
        scale = 1 / np.sqrt(self.leverage[held])[:, None]
        missed = np.linalg.norm(scale * (direct - self.samples[held] @ d), axis=0)
        error = missed / np.linalg.norm(scale * direct, axis=0)
        if error.max() > POOR * self.error:
            warnings.warn(
                f"the answers hold the field of {coil.name!r} to {100 * error.max():.2g} % only, made for "
                f"{100 * self.error:.2g} %: some of it lies beyond their cylinder; use a longer one, or Vsie",
                EmdoseWarning,
                stacklevel=2,
            )
        network = Network.from_y([f], 0.5 * (Y + Y.T)[None], [g.name for g in coil.gaps])
        clock = {"network": time.perf_counter() - start}
        gaps = ResponseGaps(exposure, options, metal, self.X, self.applied, shares, error, clock, be)
        return CoSimulation(network.symmetrised(), coil, Circuit.of(coil), network.asymmetry(), gaps)

    @cached_property
    def _fit(self) -> np.ndarray:
        """From weighted values on the edges that a coil is fitted on to its combination of the basis, (r, edges)."""
        fitted = slice(0, SAMPLES * self.rank)
        weighted = self.samples[fitted] / np.sqrt(self.leverage[fitted])[:, None]
        return np.asarray(np.linalg.pinv(weighted), np.complex64)

    def _on_edges(self, metal: ThinMetal, be: Backend) -> np.ndarray:
        """E of every basis function of metal on the kept edges, (P, n) [V/m]."""
        grid = self.phantom.grid
        h = grid.spacing_m[0]
        low, high = bounding_box(np.asarray(self.phantom.body, bool))
        x, y, z = (b - a + 1 for a, b in zip(low, high, strict=True))
        origin = np.asarray(grid.origin_m) + h * np.array(low)
        component, node = np.divmod(self.edges, x * y * z)
        start = origin + h * np.stack(np.unravel_index(node, (x, y, z)), axis=1)
        # The lattice of the coupling is not used, only its middle.
        lattice, omega = NodeLattice(origin, h, (x, y, z), MOST_STEP), 2 * np.pi * self.frequency_Hz
        coupling = EdgeCoupling(Sources.of(metal), lattice, omega, be, np.complex64)
        # Simpson's rule along the edge; the charge part is exact.
        return coupling.along_edges(start, h * np.eye(3)[component], component)


def _require_memory(body: BodyOperator) -> None:
    """Raise ResourceError where random fields, their principal part and the answers do not fit the memory."""
    need = 2 * FAMILY * 3 * len(body.index) * body.dtype.itemsize
    free = body.be.memory_free_bytes()
    if need > 0.9 * free:
        raise ResourceError(
            f"answers of a body of {len(body.index)} unknowns need {need / 2**30:.3g} GiB but {free / 2**30:.3g} GiB "
            f"are free on {body.be.name}, of which a tenth is kept back; larger voxels would fit, or Vsie for one coil"
        )


def _pitched(body: BodyOperator, radius_m: float, length_m: float) -> tuple[np.ndarray, float]:
    """Places on the cylinder and their pitch."""
    ring = places(radius_m, length_m, 0.02)
    distance = distance_from(body, ring)
    reach = float(np.hypot(*nodes_of(body)[:, :2].T).max())
    if reach >= radius_m or distance < 0.5 * body.h:
        raise InputError(
            "the cylinder does not hold the body", field="radius_m", found=radius_m, expected=f"> {reach:.3g} m"
        )
    pitch = max(PITCH * distance, 0.5 * body.h)
    return places(radius_m, length_m, pitch), pitch


def _principal_fields(
    body: BodyOperator, where: tuple[np.ndarray, float], error: float, rng: np.random.Generator
) -> Any:
    """Principal incident fields (r, unknowns) of random dipoles and loops, scaled by their principal values."""
    points, pitch = where
    xp, found = body.be.xp, []
    for sources in (dipoles(points, 0.5 * pitch), loops(points, 0.5 * pitch)):
        coupling = EdgeCoupling(sources, lattice_around(body, sources.points_m), body.omega, body.be, body.dtype)
        # Some at a time: every field is kept on the whole box while it is made.
        for count in np.diff(np.linspace(0, FAMILY, 7).astype(int)):
            E = body.rows(coupling.field(rng.normal(size=(sources.charge.shape[1], int(count))))[0])
            found.append(E / xp.linalg.norm(E, axis=1)[:, None])
    A = xp.concatenate(found)
    values, U = principal(body.be, A)
    return combined(body.be, U[:, values > (KEEP * error) * values[0]], A)


def _drawn(body: BodyOperator, B: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges to fit coils on and to tell their error, the basis fields there, and the probability of each."""
    q = body.be.to_numpy(B)
    share = np.zeros(q.shape[1])
    size = np.linalg.norm(q, axis=1)
    for row, norm in zip(q, size, strict=True):
        share += np.abs(row / norm) ** 2
    share /= share.sum()
    drawn = rng.choice(len(share), SAMPLES * len(q) + HELD_OUT, p=share)
    return body.be.to_numpy(body.index)[drawn], q[:, drawn].T.astype(complex), share[drawn]
