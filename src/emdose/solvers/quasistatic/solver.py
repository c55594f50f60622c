r"""Electric fields that low-frequency sources induce in a voxel body: the scalar potential on corners of voxels.

.. math:: \nabla\cdot\kappa\,(\mathbf E_p - \nabla\varphi) = 0, \qquad \mathbf n\cdot\mathbf J = 0 \text{ on the skin}

with the impressed field :math:`\mathbf E_p` as line integrals along the edges of voxels, so that its curl is that of
the source on every face. The field of the currents themselves is neglected: it is :math:`\omega\mu_0\kappa L^2` of the
source's, below 1e-4 in a body at 10 kHz.

Source: T. W. Dawson and M. A. Stuchly, IEEE Trans. Magn. 32 (1996) 754; T. W. Dawson et al., Phys. Med. Biol. 42
(1997) 2485 (scalar-potential finite differences).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import flag, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.multigrid import Conduction
from emdose.compute.shared import Shared
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.implants.implant import Implant
from emdose.models.implants.surgery import Surgery
from emdose.models.induction.sources import InductionSource
from emdose.solvers.progress import watched
from emdose.solvers.quasistatic import network, planning
from emdose.solvers.quasistatic.branches import DrivenNetwork
from emdose.solvers.quasistatic.krylov import conjugate_gradients
from emdose.solvers.quasistatic.medium import Medium
from emdose.solvers.quasistatic.sampling import shared_integrals
from emdose.solvers.quasistatic.splines import EdgeSplines, EdgeSums
from emdose.solvers.results.induced import InducedEdges, InducedField, centres_of
from emdose.solvers.running import (
    Checkpoint,
    Done,
    Iteration,
    Progress,
    ProgressCallback,
    Setup,
    callback,
    part_name,
)
from emdose.values import owned, read_only

APART = 5
"""Places of a body at which sources in a checkpoint are told apart."""


@read_only
@dataclass(frozen=True)
class Quasistatic:
    """Electric field induced in a voxel body by switched gradients, stimulation coils, or moving in a static field.

    Parameters
    ----------
    tolerance : float
        Relative residual of the currents.
    keep_edges : bool
        Whether the result keeps the fields along the edges of voxels, for ``InducedField.E_at_faces``.
    displacement : bool
        Whether displacement currents count: the tissues have sigma + j w eps then, and E is complex; to 10 MHz.
    tensors : mapping of str to (3, 3) array
        Conductivity of tissues that have a tensor of it, by name, in the axes of the body [S/m].

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    tolerance: float = 1e-6
    keep_edges: bool = False
    displacement: bool = False
    tensors: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-12, 1e-2, problem="bad tolerance")
        flag("keep_edges", self.keep_edges)
        flag("displacement", self.displacement)

    def plan(
        self,
        phantom: Phantom,
        sources: InductionSource | Sequence[InductionSource],
        frequency_Hz: float = 1000.0,
        device: str | Backend = "auto",
        implants: Sequence[Implant] = (),
        surgery: Surgery | None = None,
    ) -> planning.QuasistaticPlan:
        """What a solution will take.

        Parameters
        ----------
        phantom, sources, frequency_Hz, device, implants, surgery
            As in :meth:`solve`.

        Raises
        ------
        InputError
            When nothing conducts.
        ResourceError
            When it does not fit the memory; the text names what is needed and a spacing that would fit.
        """
        medium = self._medium(phantom, frequency_Hz, implants, surgery)
        return self._plan(medium, len(_several(sources)), backend.get(device))

    @watched
    @backend.within_memory("a larger spacing, or fewer sources at once")
    def solve(
        self,
        phantom: Phantom,
        sources: InductionSource | Sequence[InductionSource],
        frequency_Hz: float = 1000.0,
        device: str | Backend = "auto",
        progress: Progress = True,
        implants: Sequence[Implant] = (),
        surgery: Surgery | None = None,
        checkpoint: Checkpoint | None = None,
        shared: Shared | None = None,
    ) -> InducedField:
        """Induced field per unit of drive of every source.

        Parameters
        ----------
        phantom : Phantom
            The body; tissues without conductivity insulate.
        sources : InductionSource or sequence of them
            What drives it.
        frequency_Hz : float
            Frequency of the tissues' properties [Hz].
        device : {"auto", "cpu", "cuda"} or Backend
            Where it is computed.
        progress : bool or callable
            Bar, quiet, or who is told of events.
        implants : sequence of Implant
            Metal in the body: what it does to the field in tissue. Its own eddy currents are those of ``EddyCurrent``.
        surgery : Surgery, optional
            What was done to the body for it, as in an exposure.
        checkpoint : Checkpoint, optional
            Keeps the field of every source that is finished, for the same problem again.
        shared : Shared, optional
            What other solutions hand on: the fields of sources along edges, which do not depend on conductivities.

        Raises
        ------
        InputError
            When nothing conducts, a source is not finite in the body, or an implant does not fit.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When the tolerance is missed.
        """
        tell, be = callback(progress), backend.get(device)
        some = _several(sources)
        started = time.perf_counter()
        tell(Setup())
        medium = self._medium(phantom, frequency_Hz, implants, surgery)
        planned = self._plan(medium, len(some), be)
        system = Conduction(medium.magnitude, be, "float32", flexible=medium.implanted is not None)
        solved = _Solved(medium, len(some), self.keep_edges)
        left = [n for n, s in enumerate(some) if not solved.taken(n, s, checkpoint)]
        for first in range(0, len(left), planned.together):
            block = left[first : first + planned.together]
            self._solve(medium, some, block, system, solved, tell, shared)
            if checkpoint is not None:
                for n in block:
                    checkpoint.save(part_name(n), solved.arrays(n, some[n]))
        tell(Done(residual=float(solved.residual.max()), tolerance=self.tolerance))
        about = {
            "solver": "Quasistatic",
            "tolerance": self.tolerance,
            "device": be.name,
            "seconds": time.perf_counter() - started,
            "sampling": [solved.sampling[n] for n in range(len(some))],
        }
        return InducedField(
            medium.phantom,
            some,
            float(frequency_Hz),
            owned(medium.cells),
            owned(solved.E),
            owned(medium.of_cells()),
            owned(medium.parts()),
            owned(solved.residual),
            solved.iterations,
            owned(solved.balance),
            about,
            solved.edges(),
            medium.implanted,
        )

    def _medium(
        self, phantom: Phantom, frequency_Hz: float, implants: Sequence[Implant], surgery: Surgery | None
    ) -> Medium:
        return Medium(phantom, frequency_Hz, self.displacement, self.tensors, implants, surgery)

    def _plan(self, medium: Medium, sources: int, be: Backend) -> planning.QuasistaticPlan:
        spacing, held, metal = max(medium.box.grid.spacing_m), len(medium.held), medium.implanted is not None
        return planning.plan(medium.box.shape, held, sources, spacing, be, self.keep_edges, medium.is_plain, metal)

    def _solve(
        self,
        medium: Medium,
        sources: Sequence[InductionSource],
        block: Sequence[int],
        system: Conduction,
        solved: _Solved,
        tell: ProgressCallback,
        shared: Shared | None,
    ) -> None:
        """Fields of some sources at once."""
        several = len(sources)

        def step(number: int, residual: float, n: int = block[-1]) -> None:
            told = Iteration(stage="source", step=number, residual=residual, tolerance=self.tolerance)
            tell(told.within(sources[n].name, n, several))

        def impressed(n: int) -> EdgeSplines | EdgeSums:
            tell(Iteration(stage="source", name=sources[n].name, index=n, count=several, step=0))
            # Sources of one solution are mostly of one kind: what was too coarse for one is too coarse for the next.
            before = next(reversed(solved.sampling.values()))["samples"] if solved.sampling else 0
            found = shared_integrals(medium.box, sources[n], medium.exists, before, shared)
            solved.sampling[n] = {"name": sources[n].name, **found.about}
            return found

        if medium.is_plain:
            self._solve_plain(block, impressed, system, solved, step)
        else:
            self._solve_any(medium, block, impressed, system, solved, step)

    def _solve_plain(
        self,
        block: Sequence[int],
        impressed: Callable[[int], EdgeSplines | EdgeSums],
        system: Conduction,
        solved: _Solved,
        step: Callable[[int, float], None],
    ) -> None:
        """Real conductivity, the same along every axis: all of it on the device, several sources at once."""
        branches = solved.on_device(system)
        fields = [impressed(n) for n in block]
        inflow = branches.be.xp.zeros((len(block), *branches.emf.shape[1:]))
        driven = []
        for k, one in enumerate(fields):
            branches.impress(one)
            driven.append(branches.drive(inflow[k]))
        # The currents that all but cancel at a corner: what the residual is measured against.
        potential = system.solve_planes(inflow, self.tolerance, np.array([size for size, _ in driven]), tell=step)
        solved.iterations = max(solved.iterations, system.iterations)
        for k, n in enumerate(block):
            if len(block) > 1:
                branches.impress(fields[k])
            solved.judge(n, *driven[k], *branches.judge(potential[k]), self.tolerance)
            solved.E[n] = branches.at_centres(potential[k])
            if solved.corners is not None:
                solved.keep_edges(n, branches.voltages(potential[k]) * solved.medium.exists)

    def _solve_any(
        self,
        medium: Medium,
        block: Sequence[int],
        impressed: Callable[[int], EdgeSplines | EdgeSums],
        system: Conduction,
        solved: _Solved,
        step: Callable[[int, float], None],
    ) -> None:
        """Admittivity or tensors: one source after the other."""
        for n in block:
            voltage = impressed(n).everywhere()
            driven = medium.flow(voltage)
            size = float(np.linalg.norm(driven))
            inflow = network.net_inflow(driven)
            potential, count = conjugate_gradients(medium, system, inflow, self.tolerance, size, step)
            solved.iterations = max(solved.iterations, count)
            E: np.ndarray = voltage.astype(medium.kind)
            network.fall(potential, E)
            E *= medium.exists
            flow = medium.flow(E)
            left = float(np.linalg.norm(network.net_inflow(flow)))
            works = (np.vdot(E, flow), np.vdot(voltage, flow))
            solved.judge(n, size, np.vdot(voltage, driven), left, *works, self.tolerance)
            solved.keep(n, E)


class _Solved:
    """Fields as they are found.

    Parameters
    ----------
    medium : Medium
        Where.
    sources : int
        How many.
    keep_edges : bool
        Whether fields along edges are kept.
    """

    def __init__(self, medium: Medium, sources: int, keep_edges: bool) -> None:
        self.medium, self.iterations = medium, 0
        self._branches: DrivenNetwork | None = None
        self.kind = np.complex64 if medium.kind is complex else np.float32
        self.E = np.empty((sources, 3, len(medium.held)), self.kind)
        self.residual, self.balance = np.zeros(sources), np.zeros(sources)
        self.sampling: dict[int, Mapping[str, Any]] = {}
        self.corners: np.ndarray | None = None
        if keep_edges:
            touched = np.zeros(medium.box.corners, bool)
            for axis in range(3):
                for edge in network.edges(axis):
                    touched[edge] |= medium.conducts
            self.corners = np.flatnonzero(touched.reshape(-1))
            self.along = np.zeros((sources, 3, len(self.corners)), self.kind)

    def told_apart(self, source: InductionSource) -> np.ndarray:
        """What a source impresses at some places of the body: names may be those of another one."""
        some = self.medium.cells[:: max(1, len(self.medium.held) // APART)]
        return np.asarray(source.impressed_E(centres_of(self.medium.phantom.grid, some)), float)

    def arrays(self, n: int, source: InductionSource) -> dict[str, np.ndarray]:
        """What a checkpoint keeps of a finished source."""
        about = {"name": source.name, "iterations": self.iterations, "sampling": dict(self.sampling[n])}
        told = json.dumps(about, default=float)
        found = {"E": self.E[n], "residual": self.residual[n], "balance": self.balance[n], "told": np.array(told)}
        found["impressed"] = self.told_apart(source)
        return found if self.corners is None else found | {"along": self.along[n]}

    def taken(self, n: int, source: InductionSource, checkpoint: Checkpoint | None) -> bool:
        """Whether a checkpoint holds the field of a source, which is taken then."""
        kept = None if checkpoint is None else checkpoint.load(part_name(n))
        if kept is None:
            return False
        told = json.loads(str(kept["told"]))
        if told["name"] != source.name or kept["E"].shape != self.E[n].shape:
            return False
        if not np.allclose(kept["impressed"], self.told_apart(source), rtol=1e-9, atol=0):
            return False
        if (self.corners is None) != ("along" not in kept) or kept["E"].dtype != self.kind:
            return False
        self.E[n], self.residual[n], self.balance[n] = kept["E"], kept["residual"], kept["balance"]
        if self.corners is not None:
            self.along[n] = kept["along"]
        self.iterations, self.sampling[n] = max(self.iterations, told["iterations"]), told["sampling"]
        return True

    def on_device(self, system: Conduction) -> DrivenNetwork:
        """The branches, made when they are first asked for."""
        if self._branches is None:
            self._branches = DrivenNetwork(self.medium.box, self.medium.held, system)
        return self._branches

    def judge(self, n: int, size: float, driven: Any, left: float, power: Any, work: Any, tolerance: float) -> None:
        """Residual and balance of a source, from norms of currents [A] and from powers [W]."""
        self.residual[n] = left / size if size > 0 else 0.0
        # Beside a source that drives next to nothing only the rounding of what cancels is left.
        felt = abs(power) > tolerance**2 * abs(driven)
        self.balance[n] = abs(power - work) / abs(power) if felt else 0.0

    def keep(self, n: int, voltage: np.ndarray) -> None:
        """The field of a source, from the voltages of the branches."""
        box = self.medium.box
        self.E[n] = network.field_at_centres(box, voltage, self.kind).reshape(3, -1)[:, self.medium.held]
        self.keep_edges(n, voltage)

    def keep_edges(self, n: int, voltage: np.ndarray) -> None:
        """The same along edges, where they are asked for."""
        if self.corners is not None:
            h = np.asarray(self.medium.box.grid.spacing_m)[:, None]
            self.along[n] = voltage.reshape(3, -1)[:, self.corners] / h

    def edges(self) -> InducedEdges | None:
        """Fields along edges, where they are kept."""
        if self.corners is None:
            return None
        box = self.medium.box
        return InducedEdges(box.low, box.corners, owned(self.corners), owned(self.along))


def _several(sources: InductionSource | Sequence[InductionSource]) -> tuple[InductionSource, ...]:
    some: tuple[InductionSource, ...] = tuple(sources) if isinstance(sources, Sequence) else (sources,)
    if not some:
        raise InputError("no source", field="sources", expected="at least one")
    return some
