r"""Rises of any number of sources in one body with one set-up: the same steps, or the same multigrid, for all of them.

The operator from sources to rises, at a fixed time or in the steady state, is linear and symmetric,

.. math:: T_p = \sum_j K_{pj} q_j, \qquad K = \int_0^t e^{-C^{-1} A s}\, C^{-1} \mathrm ds = K^T, \qquad
          K \to A^{-1}\ (t \to \infty)

with heat capacities C and conductances A per volume: the rise everywhere by a source of 1 W/m^3 in voxel p is what
weighs the power of every voxel in the rise of p. Steps in time keep that symmetry as far as they are accurate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.rise import CHECKED, UNIT_W_M3, heat
from emdose.solvers.heat.steady import Steady
from emdose.solvers.heat.stepping import Envelope, Perfusion, Stepper, march
from emdose.solvers.running import March, ProgressCallback, silent

MOST_TOGETHER, TOGETHER_BYTES = 32, 2**28
"""Sources that are stepped at once, and what their states may take [bytes]."""


class HeatResponse:
    """Rises of sources in a body after a time, or in the steady state.

    Parameters
    ----------
    maps : HeatMaps
        The body.
    time_s : float, optional
        How long sources have been on [s]; None for the steady state.
    probes : sequence of (nx, ny, nz) ndarray
        Sources by which the steps in time are chosen [W/m^3]: the finest of what each of them asks for.
    perfusion : Perfusion, optional
        "constant" or "none".
    tolerance : float
        Error of the steps over the largest rise of each probe.
    dtype : "float32" or "float64"
        Precision of the steps; the steady state is always found in float64.
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.
    progress : callable, optional
        Told how far it is.

    Attributes
    ----------
    time_error : float
        Error of the steps for the probes; 0 in the steady state.
    together : int
        How many sources are best given at once.

    Raises
    ------
    InputError
        When something does not fit, or there is no steady state.
    ResourceError
        When it does not fit the memory.
    """

    def __init__(
        self,
        maps: HeatMaps,
        time_s: float | None,
        probes: Sequence[np.ndarray],
        *,
        perfusion: Perfusion | None = None,
        tolerance: float = 2e-3,
        dtype: str = "float32",
        device: str | Backend = "auto",
        progress: ProgressCallback | None = None,
    ) -> None:
        if perfusion is not None and perfusion.law == "none":
            maps = replace(maps, perfusion=np.zeros(maps.shape))
        be = backend.get(device)
        self.maps, self.time_s, self._tell = maps, time_s, progress or silent
        self.time_error, self._level, self.together = 0.0, 0, 1
        if time_s is None:
            self._problem = HeatProblem(maps, be, "float64", 1)
            self._steady = Steady(self._problem)
            return
        for probe in probes:
            found = heat(maps, probe[None], time_s, window=_CORNER, tolerance=tolerance, dtype=dtype, device=be)
            self._level = max(self._level, found.level)
            self.time_error = max(self.time_error, found.time_error)
        voxels = int(np.count_nonzero(maps.active))
        self.together = int(np.clip(TOGETHER_BYTES // (3 * np.dtype(dtype).itemsize * voxels), 1, MOST_TOGETHER))
        self._problem = HeatProblem(maps, be, dtype, self.together)

    def rises(self, sources: np.ndarray) -> np.ndarray:
        """Rises of sources (s, nx, ny, nz) [W/m^3] of either sign, (s, nx, ny, nz) [K].

        Raises
        ------
        ConvergenceError
            When the steady state is not found.
        """
        sources, problem = np.asarray(sources), self._problem
        if self.time_s is None:
            return np.stack([problem.result(self._steady.solve(problem.source(q[None])[0])[0]) for q in sources])
        parts = [sources[n : n + self.together] for n in range(0, len(sources), self.together)]
        return np.concatenate([self._after(q, self.time_s) for q in parts])

    def _after(self, sources: np.ndarray, time_s: float) -> np.ndarray:
        problem = self._problem
        largest = np.abs(sources[:, problem.maps.solved]).max(axis=1)
        unit = np.where(largest > 0, largest / UNIT_W_M3, 1.0)
        stepper = Stepper(problem, problem.source(sources / unit[:, None, None, None]), unit)

        def observe(now: float, _stop: bool) -> None:
            self._tell(March(stage="heat", time_s=now, duration_s=time_s, level=self._level, final=True))

        stops = [c * time_s for c in CHECKED]  # as where the steps were chosen
        march(stepper, [Envelope.constant()] * len(sources), time_s, stops, self._level, observe)
        return problem.result(stepper.T) * unit.astype(problem.dtype)[:, None, None, None]


_CORNER = (slice(0, 1), slice(0, 1), slice(0, 1))
