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
from emdose.solvers.vsie.coupling import EdgeCoupling, NodeLattice, Sources, step_for
from emdose.solvers.vsie.ports import GapSolution, solve_gaps
from emdose.solvers.vsie.principal import principal_answers

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.bodies import Phantom
    from emdose.models.exposure import Exposure
    from emdose.solvers.mom.metal_mesh import MetalMesh
    from emdose.solvers.running import Checkpoint, ProgressCallback
    from emdose.solvers.vsie.options import VsieOptions

_KEPT = ("admittance", "unloaded", "currents", "bare", "trial", "shares")


@dataclass(frozen=True, eq=False)
class Coupled:
    """Metal and body at one frequency.

    Parameters
    ----------
    metal : ThinMetal
        The metal.
    body : BodyOperator or None
        The body; None where the phantom holds nothing but air.
    coupling : EdgeCoupling or None
        Between them.
    clock : dict
        Seconds that the parts took.
    """

    metal: ThinMetal
    body: BodyOperator | None
    coupling: EdgeCoupling | None
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
    body, coupling = None, None
    if holds_matter(exposure.phantom, frequency_Hz):
        body = BodyOperator(options, exposure.phantom, frequency_Hz, be)
        sources = Sources.of(metal)
        coupling = EdgeCoupling(sources, _lattice(body, sources.points_m), body.omega, be, body.dtype)
    return Coupled(metal, body, coupling, {"metal": filled - start, "body": time.perf_counter() - filled})


def holds_matter(phantom: Phantom, frequency_Hz: float) -> bool:
    """Whether anything in a phantom differs from air."""
    inside = np.asarray(phantom.complex_permittivity(frequency_Hz))[np.asarray(phantom.body, bool)]
    return bool(np.any(inside != 1))


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
            kept = {key: found[key] for key in _KEPT}
            if parts.body is not None:
                kept["trial"] = parts.body.be.asarray(kept["trial"])
            products, residual = found["told"]
            return GapSolution(**kept, products=int(products), residual=float(residual))

    def heard(index: int, count: int, step: int, residual: float, tolerance: float) -> None:
        where: dict[str, Any] = {"index": index, "count": count, "steps": options.max_iterations}
        tell(Iteration(stage="gaps", step=step, residual=residual, tolerance=tolerance, **where))

    start = time.perf_counter()
    out = solve_gaps(*(parts.metal, parts.body, parts.coupling), partial(principal_answers, options, goal, heard))
    parts.clock["gaps"] = time.perf_counter() - start
    if checkpoint is not None:
        trial = np.zeros((0, 0)) if parts.body is None else parts.body.be.to_numpy(out.trial)
        arrays = {**{key: getattr(out, key) for key in _KEPT}, "trial": trial}
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


def _lattice(body: BodyOperator, points_m: np.ndarray) -> NodeLattice:
    """Nodes around a body, as many as the nearest metal asks for."""
    from scipy.spatial import cKDTree

    inside = np.unique(body.be.to_numpy(body.index) % int(np.prod(body.shape)))
    at = np.stack(np.unravel_index(inside, body.shape), axis=1) * body.h + np.asarray(body.origin_m)
    distance = float(cKDTree(points_m).query(at)[0].min())
    return NodeLattice(np.asarray(body.origin_m), body.h, body.shape, step_for(distance, body.h))
