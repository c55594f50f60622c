r"""Electric fields that low-frequency sources induce in a voxel body: the scalar potential on corners of voxels.

.. math:: \nabla\cdot\sigma\,(\mathbf E_p - \nabla\varphi) = 0, \qquad \mathbf n\cdot\mathbf J = 0 \text{ on the skin}

with the impressed field :math:`\mathbf E_p` as line integrals along the edges of voxels, so that its curl is that of
the source on every face. The field of the currents themselves is neglected: it is :math:`\omega\mu_0\sigma L^2` of the
source's, below 1e-4 in a body at 10 kHz.

Source: T. W. Dawson and M. A. Stuchly, IEEE Trans. Magn. 32 (1996) 754; T. W. Dawson et al., Phys. Med. Biol. 42
(1997) 2485 (scalar-potential finite differences).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import flag, not_negative, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.multigrid import Conduction
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.sources import InductionSource
from emdose.solvers.progress import watched
from emdose.solvers.quasistatic import network, planning
from emdose.solvers.quasistatic.sampling import line_integrals
from emdose.solvers.results.induced import InducedEdges, InducedField
from emdose.solvers.running import Done, Iteration, Progress, ProgressCallback, Setup, callback
from emdose.values import owned, read_only

ANY_TOUCH = np.ones((3, 3, 3), bool)
"""Voxels that share a face, an edge or a corner conduct into each other: they share branches or a potential."""


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

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    tolerance: float = 1e-6
    keep_edges: bool = False

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-12, 1e-2, problem="bad tolerance")
        flag("keep_edges", self.keep_edges)

    def plan(
        self,
        phantom: Phantom,
        sources: InductionSource | Sequence[InductionSource],
        frequency_Hz: float = 1000.0,
        device: str | Backend = "auto",
    ) -> planning.QuasistaticPlan:
        """What a solution will take.

        Parameters
        ----------
        phantom, sources, frequency_Hz, device
            As in :meth:`solve`.

        Raises
        ------
        InputError
            When nothing conducts.
        ResourceError
            When it does not fit the memory; the text names what is needed and a spacing that would fit.
        """
        return _Body(phantom, frequency_Hz).plan(len(_several(sources)), backend.get(device), self.keep_edges)

    @watched
    @backend.within_memory("a larger spacing, or fewer sources at once")
    def solve(
        self,
        phantom: Phantom,
        sources: InductionSource | Sequence[InductionSource],
        frequency_Hz: float = 1000.0,
        device: str | Backend = "auto",
        progress: Progress = True,
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

        Raises
        ------
        InputError
            When nothing conducts, or a source is not finite in the body.
        ResourceError
            When it does not fit the memory.
        ConvergenceError
            When the tolerance is missed.
        """
        tell, be = callback(progress), backend.get(device)
        some = _several(sources)
        started = time.perf_counter()
        tell(Setup())
        body = _Body(phantom, frequency_Hz)
        planned = body.plan(len(some), be, self.keep_edges)
        # Rounded once, the conductances are those of the whole problem: what is judged, in double, uses the same ones.
        g = network.conductances(body.box, body.conductivity)
        system = Conduction(g, be, "float32")
        solved = _Solved(body, len(some), self.keep_edges)
        for first in range(0, len(some), planned.together):
            block = range(first, min(first + planned.together, len(some)))
            self._solve(body, some, block, g, system, solved, tell)
        tell(Done(residual=float(solved.residual.max()), tolerance=self.tolerance))
        about = {
            "solver": "Quasistatic",
            "tolerance": self.tolerance,
            "device": be.name,
            "seconds": time.perf_counter() - started,
            "sampling": solved.sampling,
        }
        return InducedField(
            phantom,
            some,
            float(frequency_Hz),
            owned(body.cells),
            owned(solved.E),
            owned(body.conductivity.reshape(-1)[body.held].astype(np.float32)),
            owned(body.parts()),
            owned(solved.residual),
            solved.iterations,
            owned(solved.balance),
            about,
            solved.edges(),
        )

    def _solve(
        self,
        body: _Body,
        sources: Sequence[InductionSource],
        block: range,
        g: np.ndarray,
        system: Conduction,
        solved: _Solved,
        tell: ProgressCallback,
    ) -> None:
        """Fields of some sources at once."""
        be, exists = system.be, g > 0
        voltage, inflow, size = [], np.empty((len(block), *body.box.corners)), np.empty(len(block))
        for k, n in enumerate(block):
            tell(Iteration(stage="source", name=sources[n].name, index=n, count=len(sources), step=0))
            emf, how = line_integrals(body.box, sources[n], exists)
            driven = g * emf
            inflow[k] = network.net_inflow(driven)
            # The currents that all but cancel at a corner: what the residual is measured against.
            size[k] = float(np.sqrt(np.vdot(driven, driven)))
            voltage.append(emf)
            solved.sampling.append({"name": sources[n].name, **how})

        def step(number: int, residual: float) -> None:
            last = block[-1]
            tell(
                Iteration(
                    stage="source",
                    name=sources[last].name,
                    index=last,
                    count=len(sources),
                    step=number,
                    residual=residual,
                    tolerance=self.tolerance,
                )
            )

        potential = be.to_numpy(system.solve(be.asarray(inflow), self.tolerance, size, tell=step))
        solved.iterations = max(solved.iterations, system.iterations)
        for k, n in enumerate(block):
            E = voltage[k].copy()
            network.fall(potential[k], E)
            E *= exists
            flow = g * E
            rest = float(np.linalg.norm(network.net_inflow(flow)))
            solved.residual[n] = rest / size[k] if size[k] > 0 else 0.0
            power, work = float(np.vdot(flow, E)), float(np.vdot(flow, voltage[k]))
            # Beside a source that drives next to nothing only the rounding of what cancels is left.
            solved.balance[n] = (
                abs(power - work) / power if power > 1e-12 * float(np.vdot(g * voltage[k], voltage[k])) else 0.0
            )
            solved.keep(n, E)


class _Body:
    """What conducts.

    Parameters
    ----------
    phantom : Phantom
        The body.
    frequency_Hz : float
        Frequency of the tissues' properties [Hz].
    """

    def __init__(self, phantom: Phantom, frequency_Hz: float) -> None:
        not_negative("frequency_Hz", frequency_Hz)
        self.phantom = phantom
        sigma = np.where(phantom.body, phantom.conductivity(frequency_Hz), 0)
        if not np.any(sigma > 0):
            raise InputError(
                "nothing in this body conducts",
                field="phantom",
                found=f"conductivity 0 at {frequency_Hz:g} Hz everywhere",
                expected="tissue with a conductivity above 0 S/m",
            )
        self.box = network.Box.around(phantom.grid, sigma > 0)
        self.conductivity = sigma[self.box.slices].astype(np.float64)
        self.held = np.flatnonzero(self.conductivity.reshape(-1) > 0)

    def plan(self, sources: int, be: Backend, edges: bool) -> planning.QuasistaticPlan:
        spacing = max(self.phantom.grid.spacing_m)
        return planning.plan(self.box.shape, len(self.held), sources, spacing, be, edges)

    @property
    def cells(self) -> np.ndarray:
        """Flat indices in the phantom's grid of the voxels that conduct."""
        index = np.stack(np.unravel_index(self.held, self.box.shape)) + np.asarray(self.box.low)[:, None]
        return np.ravel_multi_index(tuple(index), self.phantom.grid.shape).astype(np.int64)

    def parts(self) -> np.ndarray:
        """Which connected conductor each of them belongs to, from 0."""
        from scipy import ndimage

        found = ndimage.label(self.conductivity > 0, structure=ANY_TOUCH)[0]
        return (found.reshape(-1)[self.held] - 1).astype(np.int32)


class _Solved:
    """Fields as they are found.

    Parameters
    ----------
    body : _Body
        Where.
    sources : int
        How many.
    keep_edges : bool
        Whether fields along edges are kept.
    """

    def __init__(self, body: _Body, sources: int, keep_edges: bool) -> None:
        self.body, self.iterations = body, 0
        self.E = np.empty((sources, 3, len(body.held)), np.float32)
        self.residual, self.balance = np.zeros(sources), np.zeros(sources)
        self.sampling: list[Mapping[str, Any]] = []
        self.corners: np.ndarray | None = None
        if keep_edges:
            touched = np.zeros(body.box.corners, bool)
            for axis in range(3):
                for edge in network.edges(axis):
                    touched[edge] |= body.conductivity > 0
            self.corners = np.flatnonzero(touched.reshape(-1))
            self.along = np.zeros((sources, 3, len(self.corners)), np.float32)

    def keep(self, n: int, voltage: np.ndarray) -> None:
        """The field of a source, from the voltages of the branches."""
        box = self.body.box
        self.E[n] = network.field_at_centres(box, voltage).reshape(3, -1)[:, self.body.held]
        if self.corners is not None:
            h = np.asarray(box.grid.spacing_m)[:, None]
            self.along[n] = voltage.reshape(3, -1)[:, self.corners] / h

    def edges(self) -> InducedEdges | None:
        """Fields along edges, where they are kept."""
        if self.corners is None:
            return None
        return InducedEdges(self.body.box.low, self.body.box.corners, owned(self.corners), owned(self.along))


def _several(sources: InductionSource | Sequence[InductionSource]) -> tuple[InductionSource, ...]:
    some: tuple[InductionSource, ...] = tuple(sources) if isinstance(sources, Sequence) else (sources,)
    if not some:
        raise InputError("no source", field="sources", expected="at least one")
    return some
