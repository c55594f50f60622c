"""Rise of temperature by any number of sources in a body given by maps: the lower level of the bioheat solver."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emdose.checks import array, one_of, positive, within
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.solvers.heat.materials import warn
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.steady import Steady
from emdose.solvers.heat.stepping import Envelope, Perfusion, Stepper, march
from emdose.solvers.running import Done, March, ProgressCallback, Setup, silent
from emdose.values import owned, read_only

UNIT_W_M3 = 1e6
"""Every source is scaled to this largest density inside: far from the ends of what a float holds, and none drowns."""
HIGHEST_LEVEL = 7
CHECKED = (1 / 16, 1 / 4, 1.0)
"""Times over the duration at which the error of the steps is measured besides those asked for."""
LEAST_RISE = 1e-3
"""Part of the largest rise below which the error of a moment is not taken relative to its own rise."""


@read_only(units={"rise": "K", "final": "K", "peaks": "K"})
@dataclass(frozen=True, eq=False)
class HeatSolution:
    """Rise of temperature of every source over time.

    Parameters
    ----------
    times_s : (t,) ndarray
        Times of the maps [s]; the last one is the end.
    rise : (s, t, wx, wy, wz) ndarray
        Rise within the window [K].
    final : (s, nx, ny, nz) ndarray
        Rise at the end, on the whole grid [K].
    window : tuple of three slices
        Where on the grid the maps over time lie.
    peaks : (s, t) ndarray
        Largest rise in the body at every time [K].
    time_error : float
        Largest error that the time steps leave, over the largest rise at that time; measured on all sources together.
    steps, level : int
        Number of steps and how often the first choice was halved.
    energy : mapping of str to (s,) ndarray
        "supplied", "stored" and "lost" (to blood, surface and held edges) at the end [J].
    provenance : mapping
        Voxels, times, device.
    """

    times_s: np.ndarray
    rise: np.ndarray
    final: np.ndarray
    window: tuple[slice, slice, slice]
    peaks: np.ndarray
    time_error: float
    steps: int
    level: int
    energy: Mapping[str, np.ndarray]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def balance_error(self) -> float:
        """abs(supplied - stored - lost) over supplied, of the worst source."""
        supplied = self.energy["supplied"]
        missing = np.abs(supplied - self.energy["stored"] - self.energy["lost"])
        scale = self.energy["turnover"]
        return float(np.max(missing / np.where(scale > 0, scale, 1.0)))


@backend.within_memory("a larger spacing, or fewer sources at once")
def heat(
    maps: HeatMaps,
    sources: np.ndarray,
    duration_s: float,
    *,
    times_s: Sequence[float] = (),
    window: tuple[slice, slice, slice] | None = None,
    envelope: Envelope | Sequence[Envelope] | None = None,
    perfusion: Perfusion | None = None,
    excess_K: np.ndarray | None = None,
    tolerance: float = 2e-3,
    dtype: str = "float32",
    device: str | Backend = "auto",
    progress: ProgressCallback | None = None,
) -> HeatSolution:
    """Rise of temperature by several sources, starting from none.

    Parameters
    ----------
    maps : HeatMaps
        The body.
    sources : (s, nx, ny, nz) ndarray
        Power density of every source [W/m^3]; may be negative, as entries of a tensor are.
    duration_s : float
        How long [s].
    times_s : sequence of float, optional
        Times of maps besides the end [s].
    window : tuple of three slices, optional
        Part of the grid for the maps over time; all of it by default.
    envelope : Envelope or one per source, optional
        Strength over time; constant by default.
    perfusion : Perfusion, optional
        Law by which perfusion follows the rise; constant by default. With another one sources do not superpose.
    excess_K : (nx, ny, nz) ndarray, optional
        Basal temperature above that of blood [K], which changed perfusion acts on; 0 by default.
    tolerance : float
        Error of the time steps over the largest rise.
    dtype : "float32" or "float64"
        Precision.
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.
    progress : callable, optional
        Called with events of :mod:`emdose.solvers.running`: set-up, a march of stage "heat" now and then, and done,
        with the error of the time steps as residual.

    Raises
    ------
    InputError
        When something does not fit or is not finite.
    ResourceError
        When it does not fit the memory.

    Warns
    -----
    EmdoseWarning
        When the steps cannot be made short enough for the tolerance.
    """
    sources = np.asarray(sources)
    times = _times(duration_s, times_s)
    _check_sources(maps, sources, tolerance, dtype)
    envelopes = _envelopes(envelope, len(sources))
    be = backend.get(device)
    if perfusion is not None and perfusion.law == "none":
        maps = replace(maps, perfusion=np.zeros(maps.shape))
    began, tell = time.perf_counter(), progress or silent
    tell(Setup())
    problem = HeatProblem(maps, be, dtype, len(sources))
    q = problem.source(sources)
    largest = be.to_numpy(be.xp.abs(q).reshape(len(sources), -1).max(axis=1)).astype(float)
    unit = np.where(largest > 0, largest / UNIT_W_M3, 1.0)
    q = q / be.asarray(unit.astype(dtype))[:, None, None, None]
    heated = bool(largest.max() > 0)
    law = perfusion if perfusion is not None and perfusion.follows else None
    basal = _basal(problem, excess_K) if law is not None else None

    def run(q: Any, envelopes: Sequence[Envelope], level: int, final: bool) -> _Recorder:
        stepper = Stepper(problem, q, unit, law, basal)
        recorder = _Recorder(stepper, times, window if final else None, final)

        def observe(now: float, stop: bool) -> None:
            recorder.see(now, stop)
            tell(March(stage="heat", time_s=now, duration_s=duration_s, level=level, final=final))

        checked = [c * duration_s for c in CHECKED]
        recorder.steps = march(
            stepper, envelopes, duration_s, [*times, *checked], level, observe, recorder.count_losses
        )
        return recorder

    alone = len(sources) == 1 or law is not None
    pilot_q = q if alone else be.xp.abs(q).sum(axis=0, keepdims=True)
    pilot_e = envelopes if alone else [_together(envelopes)]
    level, error, seen = 0, np.inf, run(pilot_q, pilot_e, 0, alone)
    if heated:
        while True:
            finer = run(pilot_q, pilot_e, level + 1, alone)
            difference = finer.difference(seen)
            if difference * 4 / 3 <= tolerance:  # of second order: the coarser run errs by 4/3 of the difference
                error = difference * 4 / 3
                del finer
                break
            level, seen, error = level + 1, finer, difference / 3
            if error <= tolerance or level == HIGHEST_LEVEL:
                break
    if error > tolerance and heated:
        warn(
            f"heat: time steps leave an error of {100 * error:.2g} % of the rise; {100 * tolerance:.2g} % was asked for"
        )
    if not alone:
        del pilot_q, seen
        seen = run(q, envelopes, level, True)
    supplied, turnover = maps.power_W(sources), maps.power_W(np.abs(sources))
    on = np.array([e.integral(duration_s) for e in envelopes])
    energy = {
        "supplied": supplied * on,
        "stored": seen.stored * unit,
        "lost": seen.lost * unit,
        "turnover": turnover * on,
    }
    error = error if heated else 0.0
    tell(Done(residual=float(error), tolerance=tolerance))
    provenance = {
        "solver": "bioheat",
        "voxels": problem.cells,
        "spacing_m": list(maps.spacing_m),
        "dtype": dtype,
        "device": be.name,
        "steps": seen.steps,
        "time_error": error,
        "seconds": round(time.perf_counter() - began, 3),
    }
    rise = np.stack(seen.maps, axis=1)
    seen.maps.clear()  # several times the size of the state
    rise *= unit.astype(dtype)[:, None, None, None, None]
    final = problem.result(seen.stepper.T)
    final *= unit.astype(dtype)[:, None, None, None]
    return HeatSolution(
        times_s=times,
        rise=owned(rise),
        final=owned(final),
        window=window or (slice(None), slice(None), slice(None)),
        peaks=np.stack(seen.peaks, axis=1) * unit[:, None],
        time_error=error,
        steps=seen.steps,
        level=level,
        energy=energy,
        provenance=provenance,
    )


def steady(maps: HeatMaps, sources: np.ndarray, device: str | Backend = "auto") -> np.ndarray:
    """Rise after a long time, by a direct solution rather than by marching.

    Parameters
    ----------
    maps : HeatMaps
        The body; every part of it must lose heat somewhere.
    sources : (s, nx, ny, nz) ndarray
        Power density of every source [W/m^3].
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.

    Returns
    -------
    (s, nx, ny, nz) float64 ndarray [K]

    Raises
    ------
    InputError
        When there is no steady state.
    ConvergenceError
        When the iteration does not converge.
    """
    sources = np.asarray(sources)
    _check_sources(maps, sources, 1e-3, "float64")
    problem = HeatProblem(maps, backend.get(device), "float64", 1)
    solver = Steady(problem)
    return np.stack([problem.result(solver.solve(problem.source(q[None])[0])[0]) for q in sources])


class _Recorder:
    """What a run leaves: maps at the times asked for, peaks, and where the heat went."""

    def __init__(self, stepper: Stepper, times: np.ndarray, window: Any, keep: bool) -> None:
        self.stepper, self.times, self.window, self.keep = stepper, times, window, keep
        self.maps: list[np.ndarray] = []
        self.peaks: list[np.ndarray] = []
        self.checks: list[np.ndarray] = []
        self.steps = 0
        self.lost = np.zeros(stepper.sources)
        self.stored = np.zeros(stepper.sources)
        self._rate, self._since = np.zeros(stepper.sources), 0.0

    def count_losses(self, now: float) -> None:
        """The trapezium rule for the power that sinks take, on a coarser row of times than the steps."""
        if not self.keep or now < self._since * 1.02 + 1e-3 * self.times[-1]:
            return
        self._add_losses(now)

    def _add_losses(self, now: float) -> None:
        self.stored, rate = self.stepper.heat()
        self.lost += 0.5 * (rate + self._rate) * (now - self._since)
        self._rate, self._since = rate, now

    def see(self, now: float, stop: bool) -> None:
        if not stop:
            return
        problem, T = self.stepper.problem, self.stepper.T
        if len(T) == 1:  # runs of several sources follow the steps that a run of one has chosen
            self.checks.append(T[0].copy())
        near = np.abs(self.times - now) <= 1e-9 * self.times[-1]
        if self.keep and near.any():
            maps = problem.result(T)
            self.maps.append(maps if self.window is None else maps[(..., *self.window)].copy())
            self.peaks.append(np.array([float(v) for v in problem.be.to_numpy(T.reshape(len(T), -1).max(axis=1))]))
        if self.keep and now >= self.times[-1] * (1 - 1e-9):
            self._add_losses(now)

    def difference(self, other: _Recorder) -> float:
        """Largest difference from another run over the largest rise, of all stops."""
        be, xp = self.stepper.problem.be, self.stepper.problem.be.xp
        sizes, errors = [], []
        for a, b in zip(self.checks, other.checks, strict=True):
            sizes.append(float(be.to_numpy(xp.abs(a).max())))
            errors.append(float(be.to_numpy(xp.abs(a - b).max())))
        # Before the source is on there is nothing to compare.
        scale = np.maximum(sizes, LEAST_RISE * max(sizes))
        return float(np.max(np.divide(errors, scale, out=np.zeros(len(errors)), where=scale > 0)))


def _times(duration_s: float, times_s: Sequence[float]) -> np.ndarray:
    positive("duration_s", duration_s, problem="bad duration", expected="seconds > 0")
    listed = array("times_s", times_s, (None,), above=0, single=True, problem="times outside the duration")
    times = np.unique(np.append(listed, duration_s))
    if times[-1] > duration_s:
        raise InputError(
            "times outside the duration",
            field="times_s",
            found=list(times_s),
            expected=f"seconds > 0 and <= {duration_s:g}",
        )
    return times


def _check_sources(maps: HeatMaps, sources: np.ndarray, tolerance: float, dtype: str) -> None:
    if sources.ndim != 4 or sources.shape[1:] != maps.shape or not len(sources):
        raise InputError(
            "sources do not fit the grid",
            field="sources",
            found=sources.shape,
            expected=f"(s, {', '.join(map(str, maps.shape))})",
        )
    if not np.isfinite(sources[:, maps.active]).all():
        raise InputError("power density is not finite", field="sources", expected="finite numbers in the body")
    one_of("dtype", dtype, ("float32", "float64"), problem="unknown choice")
    least = 1e-4 if dtype == "float32" else 1e-9
    words = f"from {least:g} to 1 ({dtype})"
    within("tolerance", tolerance, least, 1, ends="[)", problem="bad tolerance", expected=words)


def _envelopes(envelope: Envelope | Sequence[Envelope] | None, sources: int) -> list[Envelope]:
    given = Envelope.constant() if envelope is None else envelope
    found = [given] * sources if isinstance(given, Envelope) else list(given)
    if len(found) != sources:
        raise InputError("as many envelopes as sources", field="envelope", found=len(found), expected=str(sources))
    return found


def _together(envelopes: Sequence[Envelope]) -> Envelope:
    """An envelope that changes whenever one of several does."""
    times = np.unique(np.concatenate([e.times_s for e in envelopes]))
    picked = [e.factors[np.searchsorted(e.times_s, times, side="right") - 1] for e in envelopes]
    return Envelope(times, np.mean(picked, axis=0))


def _basal(problem: HeatProblem, excess_K: np.ndarray | None) -> tuple[Any, Any]:
    maps = problem.maps
    excess = np.zeros(maps.shape) if excess_K is None else np.asarray(excess_K, float)
    both = np.stack([np.where(maps.active, maps.perfusion * maps.weights, 0.0), np.where(maps.active, excess, 0.0)])
    perfusion, above = problem.field(both)
    return perfusion, above
