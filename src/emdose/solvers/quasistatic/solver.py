r"""Electric fields that low-frequency sources induce in a voxel body: the scalar potential on corners of voxels.

.. math:: \nabla\cdot\kappa\,(\mathbf E_p - \nabla\varphi) = 0, \qquad \mathbf n\cdot\mathbf J = 0 \text{ on the skin}

with the impressed field :math:`\mathbf E_p` as line integrals along the edges of voxels, so that its curl is that of
the source on every face. The field of the currents themselves is neglected: it is :math:`\omega\mu_0\kappa L^2` of the
source's, below 1e-4 in a body at 10 kHz.

Source: T. W. Dawson and M. A. Stuchly, IEEE Trans. Magn. 32 (1996) 754; T. W. Dawson et al., Phys. Med. Biol. 42
(1997) 2485 (scalar-potential finite differences).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.checks import flag, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.multigrid import Conduction
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.implants.implant import Implant
from emdose.models.implants.surgery import Surgery
from emdose.models.induction.sources import InductionSource
from emdose.solvers.progress import watched
from emdose.solvers.quasistatic import network, planning
from emdose.solvers.quasistatic.krylov import conjugate_gradients
from emdose.solvers.quasistatic.medium import Medium
from emdose.solvers.quasistatic.sampling import line_integrals
from emdose.solvers.results.induced import InducedEdges, InducedField
from emdose.solvers.running import Done, Iteration, Progress, ProgressCallback, Setup, callback
from emdose.values import owned, read_only


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
        system = Conduction(medium.magnitude, be, "float32")
        solved = _Solved(medium, len(some), self.keep_edges)
        for first in range(0, len(some), planned.together):
            block = range(first, min(first + planned.together, len(some)))
            self._solve(medium, some, block, system, solved, tell)
        tell(Done(residual=float(solved.residual.max()), tolerance=self.tolerance))
        about = {
            "solver": "Quasistatic",
            "tolerance": self.tolerance,
            "device": be.name,
            "seconds": time.perf_counter() - started,
            "sampling": solved.sampling,
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
        spacing, held = max(medium.box.grid.spacing_m), len(medium.held)
        return planning.plan(medium.box.shape, held, sources, spacing, be, self.keep_edges, medium.is_plain)

    def _solve(
        self,
        medium: Medium,
        sources: Sequence[InductionSource],
        block: range,
        system: Conduction,
        solved: _Solved,
        tell: ProgressCallback,
    ) -> None:
        """Fields of some sources at once."""
        be, several = system.be, len(sources)

        def step(number: int, residual: float, n: int = block[-1]) -> None:
            told = Iteration(stage="source", step=number, residual=residual, tolerance=self.tolerance)
            tell(told.within(sources[n].name, n, several))

        inflow: np.ndarray = np.empty((len(block), *medium.box.corners), medium.kind)
        voltage, size = [], np.empty(len(block))
        for k, n in enumerate(block):
            tell(Iteration(stage="source", name=sources[n].name, index=n, count=several, step=0))
            emf, how = line_integrals(medium.box, sources[n], medium.exists)
            driven = medium.flow(emf)
            inflow[k] = network.net_inflow(driven)
            # The currents that all but cancel at a corner: what the residual is measured against.
            size[k] = float(np.linalg.norm(driven))
            voltage.append(emf)
            solved.sampling.append({"name": sources[n].name, **how})
        if medium.is_plain:
            potential = be.to_numpy(system.solve(be.asarray(inflow), self.tolerance, size, tell=step))
            solved.iterations = max(solved.iterations, system.iterations)
        else:
            potential = np.empty_like(inflow)
            for k in range(len(block)):
                found = conjugate_gradients(medium, system, inflow[k], self.tolerance, size[k], step)
                potential[k], solved.iterations = found[0], max(solved.iterations, found[1])
        for k, n in enumerate(block):
            E: np.ndarray = voltage[k].astype(medium.kind)
            network.fall(potential[k], E)
            E *= medium.exists
            flow = medium.flow(E)
            rest = float(np.linalg.norm(network.net_inflow(flow)))
            solved.residual[n] = rest / size[k] if size[k] > 0 else 0.0
            power, work = np.vdot(E, flow), np.vdot(voltage[k], flow)
            # Beside a source that drives next to nothing only the rounding of what cancels is left.
            felt = abs(power) > self.tolerance**2 * abs(np.vdot(voltage[k], medium.flow(voltage[k])))
            solved.balance[n] = abs(power - work) / abs(power) if felt else 0.0
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
        self.kind = np.complex64 if medium.kind is complex else np.float32
        self.E = np.empty((sources, 3, len(medium.held)), self.kind)
        self.residual, self.balance = np.zeros(sources), np.zeros(sources)
        self.sampling: list[Mapping[str, Any]] = []
        self.corners: np.ndarray | None = None
        if keep_edges:
            touched = np.zeros(medium.box.corners, bool)
            for axis in range(3):
                for edge in network.edges(axis):
                    touched[edge] |= medium.conducts
            self.corners = np.flatnonzero(touched.reshape(-1))
            self.along = np.zeros((sources, 3, len(self.corners)), self.kind)

    def keep(self, n: int, voltage: np.ndarray) -> None:
        """The field of a source, from the voltages of the branches."""
        box = self.medium.box
        self.E[n] = network.field_at_centres(box, voltage, self.kind).reshape(3, -1)[:, self.medium.held]
        if self.corners is not None:
            h = np.asarray(box.grid.spacing_m)[:, None]
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
