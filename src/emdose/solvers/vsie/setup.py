"""Metal and body at one frequency, coupled, and what their gaps see; kept in a checkpoint when it is found."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.mom.metal import ThinMetal
from emdose.solvers.running import Iteration
from emdose.solvers.vie.body import BodyOperator
from emdose.solvers.vsie.ports import GapSolution, of_space, solve_gaps
from emdose.solvers.vsie.potentials.coupling import EdgeCoupling, NodeLattice, Sources, step_for
from emdose.solvers.vsie.principal import principal_answers
from emdose.solvers.vsie.trial_space import TrialSpace

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.exposure import Exposure
    from emdose.solvers.mom.metal_mesh import MetalMesh
    from emdose.solvers.running import Checkpoint, ProgressCallback
    from emdose.solvers.vsie.options import VsieOptions


@dataclass(frozen=True, eq=False)
class Coupled:
    """Metal and body at one frequency.

    Parameters
    ----------
    metal : ThinMetal
        The metal.
    body : BodyOperator
        The body.
    coupling : EdgeCoupling
        Between them.
    clock : dict
        Seconds that the parts took.
    """

    metal: ThinMetal
    body: BodyOperator
    coupling: EdgeCoupling
    clock: dict[str, float]


def coupled(options: VsieOptions, exposure: Exposure, mesh: MetalMesh, frequency_Hz: float, be: Backend) -> Coupled:
    """Metal and body of an exposure at a frequency.

    Raises
    ------
    InputError, ResourceError
        When mesh or phantom cannot be used, or do not fit the memory.
    """
    start = time.perf_counter()
    metal = ThinMetal(mesh, frequency_Hz, options.conductivity_S_m, options.thickness_m, be)
    filled = time.perf_counter()
    body = BodyOperator(options, exposure.phantom, frequency_Hz, be)
    coupling = coupling_of(metal, body)
    return Coupled(metal, body, coupling, {"metal": filled - start, "body": time.perf_counter() - filled})


def solved(
    options: VsieOptions,
    parts: Coupled,
    exposure: Exposure,
    tell: ProgressCallback,
    checkpoint: Checkpoint | None,
    looser: float = 1.0,
) -> GapSolution:
    """What the gaps see, from the checkpoint where it is there.

    Parameters
    ----------
    options, parts, exposure : VsieOptions, Coupled, Exposure
        What is solved.
    tell : callable
        Gets events of stage "gaps".
    checkpoint : Checkpoint or None
        Keeps the solution.
    looser : float
        Factor on the tolerance of the network.
    """
    goal, name = looser * options.network_tolerance, f"gaps-{parts.metal.frequency_Hz:.6e}"
    identity = _identity(options, exposure, parts.metal, goal)
    if checkpoint is not None:
        found = checkpoint.load(name) or {}
        if "identity" in found and str(found["identity"]) == identity:
            X, applied = (parts.body.be.asarray(found[key]) for key in ("X", "applied"))
            space = TrialSpace(parts.metal, parts.body, parts.coupling, X, applied, found["W"])
            products, residual = found["told"]
            return of_space(space, parts.body.be.asarray(found["field"]), int(products), float(residual))

    def heard(index: int, count: int, step: int, residual: float, tolerance: float) -> None:
        where: dict[str, Any] = {"index": index, "count": count, "steps": options.max_iterations}
        tell(Iteration(stage="gaps", step=step, residual=residual, tolerance=tolerance, **where))

    start = time.perf_counter()
    out = solve_gaps(*(parts.metal, parts.body, parts.coupling), partial(principal_answers, options, goal, heard))
    parts.clock["gaps"] = time.perf_counter() - start
    if checkpoint is not None:
        to_numpy, space = parts.body.be.to_numpy, out.space
        arrays = {
            "X": to_numpy(space.X),
            "applied": to_numpy(space.applied),
            "W": space.W,
            "field": to_numpy(out.field),
        }
        told = {"told": np.array([out.products, out.residual]), "identity": np.array(identity)}
        checkpoint.save(name, {**arrays, **told})
    return out


def _identity(options: VsieOptions, exposure: Exposure, metal: ThinMetal, goal: float) -> str:
    """A hash of all that a solution for the gaps depends on."""
    f, mesh, told = metal.frequency_Hz, metal.mesh, asdict(options)
    told = {k: v for k, v in told.items() if k not in ("tolerance", "E_error", "network_tolerance")}
    text = json.dumps([f, goal, told, exposure.phantom.electric_hash(f), exposure.phantom.grid.origin_m], default=str)
    digest = hashlib.sha256(text.encode())
    for a in (mesh.points_m, mesh.triangles, mesh.wires, mesh.wire_radius_m, metal.incidence):
        digest.update(np.ascontiguousarray(a).tobytes())
    return digest.hexdigest()


def coupling_of(metal: ThinMetal, body: BodyOperator) -> EdgeCoupling:
    """The coupling of metal and body, with points on the metal and nodes around the body as their distance asks for."""
    from scipy.spatial import cKDTree

    distance = cKDTree(nodes_of(body)).query(metal.elements.centres_m)[0]
    sources = Sources.of(metal, distance)
    return EdgeCoupling(sources, lattice_around(body, sources.points_m), body.omega, body.be, body.dtype)


def lattice_around(body: BodyOperator, points_m: np.ndarray) -> NodeLattice:
    """Nodes around a body, as many as the nearest of these points of metal (q, 3) asks for."""
    step = step_for(distance_from(body, points_m), body.h)
    return NodeLattice(np.asarray(body.origin_m), body.h, body.shape, step)


def distance_from(body: BodyOperator, points_m: np.ndarray) -> float:
    """Distance of the nearest of points (q, 3) from the body [m]."""
    from scipy.spatial import cKDTree

    return float(cKDTree(points_m).query(nodes_of(body))[0].min())


def nodes_of(body: BodyOperator) -> np.ndarray:
    """Nodes at which edges with tissue begin, (n, 3) [m]."""
    inside = np.unique(body.be.to_numpy(body.index) % int(np.prod(body.shape)))
    return np.stack(np.unravel_index(inside, body.shape), axis=1) * body.h + np.asarray(body.origin_m)
