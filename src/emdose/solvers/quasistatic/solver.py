r"""Electric fields that low-frequency sources induce in a voxel body: the scalar potential on voxels.

.. math:: \nabla\cdot\sigma\,(\mathbf E_p - \nabla\varphi) = 0, \qquad \mathbf n\cdot\mathbf J = 0 \text{ on the skin}

with the impressed field :math:`\mathbf E_p` as exact line integrals along the branches between voxel centres, so that
its curl is that of the source on every face. The field of the currents themselves is neglected: it is
:math:`\omega\mu_0\sigma L^2` of the source's, below 1e-4 in a body at 10 kHz.

Source: T. W. Dawson and M. A. Stuchly, IEEE Trans. Magn. 32 (1996) 754; T. W. Dawson et al., Phys. Med. Biol. 42
(1997) 2485 (scalar-potential finite differences).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import not_negative, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.multigrid import Conduction
from emdose.errors import InputError
from emdose.models.bodies.phantom import Phantom
from emdose.models.induction.sources import InductionSource
from emdose.solvers.progress import watched
from emdose.solvers.quasistatic import network
from emdose.solvers.results.induced import InducedField
from emdose.solvers.running import Iteration, Progress, Setup, callback
from emdose.values import owned, read_only


@read_only
@dataclass(frozen=True)
class Quasistatic:
    """Electric field induced in a voxel body by switched gradients, stimulation coils, or moving in a static field.

    Parameters
    ----------
    tolerance : float
        Relative residual of the currents.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        within("tolerance", self.tolerance, 1e-12, 1e-2, problem="bad tolerance")

    @watched
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
        ConvergenceError
            When the tolerance is missed.
        """
        tell, be = callback(progress), backend.get(device)
        not_negative("frequency_Hz", frequency_Hz)
        some: tuple[InductionSource, ...] = tuple(sources) if isinstance(sources, Sequence) else (sources,)
        if not some:
            raise InputError("no source", field="sources", expected="at least one")
        started = time.perf_counter()
        tell(Setup())
        sigma = np.where(phantom.body, phantom.conductivity(frequency_Hz), 0).astype(np.float64)
        if not np.any(sigma > 0):
            raise InputError(
                "nothing in this body conducts",
                field="phantom",
                found=f"conductivity 0 at {frequency_Hz:g} Hz everywhere",
                expected="tissue with a conductivity above 0 S/m",
            )
        box = network.Box.around(phantom.grid, sigma > 0)
        inner = sigma[box.slices]
        g = network.conductances(box, inner)
        system = Conduction(g, be, "float64")
        held = np.flatnonzero(inner.reshape(-1))
        E = np.empty((len(some), 3, len(held)), np.float32)
        residual, balance, iterations = np.zeros(len(some)), np.zeros(len(some)), 0
        for n, source in enumerate(some):
            tell(Iteration(stage="source", name=source.name, index=n, count=len(some), step=0))
            emf = network.impressed(box, source, g)
            if not np.all(np.isfinite(emf)):
                raise InputError("field of a source is not finite in the body", field=source.name)
            driven = g * emf
            inflow = network.net_inflow(driven)
            # Each voxel's share of the currents that all but cancel: what the residual is measured against.
            size = np.sqrt((driven**2).sum())
            potential = be.to_numpy(system.solve(be.asarray(inflow)[None], self.tolerance, np.array([size])))[0]
            flow = driven - g * network.rise(potential)
            rest = network.net_inflow(flow)
            residual[n] = float(np.sqrt((rest**2).sum()) / size) if size > 0 else 0.0
            field_V = np.divide(flow, g, out=np.zeros_like(flow), where=g > 0)
            power, work = float((flow * field_V).sum()), float((flow * emf).sum())
            balance[n] = abs(power - work) / abs(power) if power > 0 else 0.0
            iterations = max(iterations, system.iterations)
            E[n] = network.field_at_centres(box, flow, inner).reshape(3, -1)[:, held]
        index = np.stack(np.unravel_index(held, box.shape)) + np.asarray(box.low)[:, None]
        return InducedField(
            phantom,
            some,
            float(frequency_Hz),
            owned(np.ravel_multi_index(tuple(index), phantom.grid.shape).astype(np.int64)),
            owned(E),
            owned(inner.reshape(-1)[held].astype(np.float32)),
            owned(_parts(inner > 0).reshape(-1)[held].astype(np.int32)),
            owned(residual),
            iterations,
            owned(balance),
            {
                "solver": "Quasistatic",
                "tolerance": self.tolerance,
                "device": be.name,
                "seconds": time.perf_counter() - started,
            },
        )


def _parts(conducts: np.ndarray) -> np.ndarray:
    """Number of the connected conductor of every voxel, from 0; -1 where nothing conducts."""
    from scipy import ndimage

    return np.asarray(ndimage.label(conducts)[0]) - 1
