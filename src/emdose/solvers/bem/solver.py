r"""Electric fields that low-frequency sources induce in a body between closed surfaces: charges on them.

.. math:: \mathbf E = \mathbf E_p + \int c\,\frac{\mathbf r-\mathbf r'}{4\pi R^3}\,dS', \qquad
   \mathbf n\cdot\sigma\mathbf E \text{ continuous across every surface}

with the admittivity sigma + j w eps where displacement currents count; see
:mod:`emdose.solvers.surface.charges`, which is the operator of metal without a skin too.

Source: S. N. Makarov et al., IEEE Trans. Biomed. Eng. 65 (2018) 2675 (charge-based formulation).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.checks import flag, not_negative, one_of, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import EmdoseWarning, InputError, ResourceError
from emdose.models.induction.sources import InductionSource
from emdose.models.surfaces.body import SurfaceBody
from emdose.solvers.bem.field import SurfaceField, contrast, impressed, surface_of
from emdose.solvers.progress import watched
from emdose.solvers.running import Done, Iteration, Plan, Progress, Setup, callback, plural
from emdose.solvers.surface.charges import ChargeOperator, applied
from emdose.values import owned, read_only

SINGLE_TOLERANCE = 1e-6
"""Residual that sums in single precision reach."""
NEAR_PAIRS = 90
"""Close pairs per triangle of an even mesh, with a margin."""
RESTART = 60
PAIRS_PER_S = {"cpu": 2e9, "cuda": 3e11}
"""Pairs per second, a low guess."""


@read_only
@dataclass(frozen=True, kw_only=True)
class BemPlan(Plan):
    """What charges on surfaces will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    shells : int
        Closed surfaces.
    sources : int
        Right-hand sides.
    """

    shells: int
    sources: int

    @property
    def what(self) -> str:
        """Triangles, surfaces and sources."""
        return f"{self.size} triangles on {plural(self.shells, 'surface')}, {plural(self.sources, 'source')}"


@read_only
@dataclass(frozen=True)
class Bem:
    """Electric field induced in a body between closed surfaces by switched fields, or by moving in a static field.

    Parameters
    ----------
    tolerance : float
        Relative residual.
    dtype : {"float32", "float64"}
        Precision of pairs of triangles; their sums and the iteration are always in double precision.
    displacement : bool
        Whether displacement currents count: admittivity sigma + j w eps in place of sigma, fields are complex.
    max_iterations : int
        Of GMRES.

    Raises
    ------
    InputError
        For options that cannot be used.
    """

    tolerance: float = 1e-6
    dtype: str = "float32"
    displacement: bool = False
    max_iterations: int = 300

    def __post_init__(self) -> None:
        one_of("dtype", self.dtype, ("float32", "float64"), problem="unknown precision")
        least = SINGLE_TOLERANCE if self.dtype == "float32" else 1e-13
        within("tolerance", self.tolerance, least, 1e-2, problem=f"bad tolerance for {self.dtype}")
        flag("displacement", self.displacement)
        within("max_iterations", self.max_iterations, 1, 10_000, problem="bad number of iterations")

    def plan(self, body: SurfaceBody, sources: int = 1, device: str | Backend = "auto") -> BemPlan:
        """What a solution will take: memory, a rough time, and its size.

        Parameters
        ----------
        body : SurfaceBody
            The body.
        sources : int
            How many sources.
        device : {"auto", "cpu", "cuda"} or Backend
            Where it is computed.
        """
        be, n = backend.get(device), body.triangles
        columns = sources if self.displacement else (sources + 1) // 2
        width = 4 if self.dtype == "float32" else 8
        # Close pairs: closed forms in double precision while they are made, a value and an index kept.
        near = n * NEAR_PAIRS * (4 * 8 + 3 * 8 + 2 * 8 + width + 4)
        krylov = 16 * n * columns * (RESTART + 6)
        seconds = n * NEAR_PAIRS / 1e6 + 40 * columns * 2 * float(n) ** 2 / PAIRS_PER_S[be.name]
        return BemPlan(
            bytes=int(near + krylov + 400 * n),
            seconds=seconds,
            size=n,
            device=be.name,
            shells=len(body.shells.volume_m3),
            sources=sources,
        )

    @watched
    def solve(
        self,
        body: SurfaceBody,
        sources: InductionSource | Sequence[InductionSource],
        frequency_Hz: float = 1000.0,
        device: str | Backend = "auto",
        progress: Progress = True,
    ) -> SurfaceField:
        """Induced field per unit of drive of every source.

        Parameters
        ----------
        body : SurfaceBody
            The body; what has no conductivity insulates.
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
            When nothing conducts, a source is not finite in the body, or its field has a divergence there.
        ResourceError
            When memory is short.
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
        admittivity = self._admittivity(body, frequency_Hz)
        plan, free = self.plan(body, len(some), be), be.memory_free_bytes()
        if plan.bytes > 0.9 * free:
            raise ResourceError(f"{plan}; {free / 2**30:.1f} GiB are free: fewer triangles or sources at a time")
        surface, K = surface_of(body), contrast(admittivity)
        source_field = impressed(body, some, surface.centroids)
        normal = be.asarray(np.ascontiguousarray(np.einsum("sct,tc->st", source_field, surface.normals)))
        operator = ChargeOperator(surface, K, be, "float" if self.dtype == "float32" else "double")

        def told(step: int, residual: float) -> None:
            tell(Iteration(stage="charges", step=step, residual=residual, tolerance=self.tolerance))

        found = operator.solve(normal, self.tolerance, self.max_iterations, told)
        charges = be.to_numpy(found.density)
        mean = be.to_numpy(applied(operator.normal, found.density, be) + normal)
        member = surface.component == np.arange(surface.components)[:, None]
        net = _share(charges * surface.areas, member)
        outward = admittivity[surface.component, 0] * (mean - 0.5 * charges) * surface.areas
        flux = np.where(np.all(admittivity != 0, axis=1), _share(outward, member), 0.0)
        tell(Done(residual=float(found.residual.max()), tolerance=self.tolerance))
        return SurfaceField(
            body,
            some,
            float(frequency_Hz),
            owned(charges),
            owned(admittivity),
            owned(found.residual),
            found.iterations,
            owned(net),
            owned(flux),
            {
                "solver": "Bem",
                "tolerance": self.tolerance,
                "dtype": self.dtype,
                "displacement": self.displacement,
                "device": be.name,
                "seconds": time.perf_counter() - started,
            },
        )

    def _admittivity(self, body: SurfaceBody, frequency_Hz: float) -> np.ndarray:
        found = body.admittivity(frequency_Hz, self.displacement)
        if not np.any(found.real > 0):
            raise InputError(
                "nothing in this body conducts",
                field="body",
                found=f"conductivity 0 at {frequency_Hz:g} Hz everywhere",
                expected="tissue with a conductivity above 0 S/m",
            )
        dead = ~np.any(found != 0, axis=1)
        if dead.any():
            name = body.interfaces[body.shells.interface[int(dead.argmax())]].name
            raise InputError(
                "a surface insulates on both sides",
                field=name,
                found=f"conductivity 0 at {frequency_Hz:g} Hz inside and outside",
                expected="a conductor on one side",
            )
        parts = body.parts(frequency_Hz)
        if len(parts) > 1:
            warnings.warn(
                f"{body.name}: {len(parts)} parts that no current connects: {'; '.join(', '.join(p) for p in parts)}",
                EmdoseWarning,
                stacklevel=4,
            )
        return found


def _share(values: np.ndarray, member: np.ndarray) -> np.ndarray:
    """Magnitude of the sum over every shell over the sum of magnitudes, (sources, shells)."""
    total = np.abs(values) @ member.T
    return np.divide(np.abs(values @ member.T), total, out=np.zeros_like(total), where=total > 0)
