r"""Time stepping of the bioheat equation: Douglas' splitting, and steps chosen by the error they leave.

With the capacity C, L = Lx + Ly + Lz (what faces and sinks bring per kelvin) and \delta = T(t + dt) - T(t),

.. math:: (C - \tfrac{dt}{2} L_y)\,\delta' = dt\,(L T + q), \quad
          (C - \tfrac{dt}{2} L_x)\,\delta'' = C \delta', \quad
          (C - \tfrac{dt}{2} L_z)\,\delta = C \delta''

which is of second order in time and stable for any step. Stability is no accuracy: heat that enters faster than a step
resolves is smeared out, so steps grow with the time since the source last changed, and a first run of one source map at
two step sizes measures what they leave.

Source: J. Douglas, Numer. Math. 4 (1962) 41-63; J. Douglas, J. E. Gunn, Numer. Math. 6 (1964) 428-453.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, one_of, within
from emdose.errors import InputError
from emdose.solvers.heat.problem import HeatProblem
from emdose.values import read_only

LONGEST = 1 / 60
"""Longest step of level 0 over the duration; every level halves it."""
FINEST = 1 / 64
"""First step after a change of the source over the longest one."""
GROWTH = 0.25
"""Step over the time since the source last changed, at level 0."""
LAWS = ("none", "constant", "linear", "exponential")
MOST_SWITCHES = 64
"""Changes of the source that get a fresh row of short steps; with more, steps stay as they are and see averages."""


@read_only
@dataclass(frozen=True, eq=False)
class Envelope:
    """How strong a source is over time: a factor that stays constant between given times.

    Parameters
    ----------
    times_s : (m,) float ndarray
        Start of every piece [s], growing, the first one 0.
    factors : (m,) float ndarray
        Factor on the source's power density in every piece; the last one holds on.

    Raises
    ------
    InputError
        When times do not grow from 0, or a number is not finite.
    """

    times_s: np.ndarray
    factors: np.ndarray

    def __post_init__(self) -> None:
        times, factors = (
            array(f"envelope.{n}", getattr(self, n), (None,), least=0, single=True, problem=f"bad {w} of an envelope")
            for n, w in (("times_s", "times"), ("factors", "factors"))
        )
        if times.shape != factors.shape or not len(times):
            raise InputError("as many times as factors", field="envelope", found=f"{times.shape} and {factors.shape}")
        if times[0] != 0 or np.any(np.diff(times) <= 0):
            raise InputError(
                "bad times of an envelope",
                field="envelope.times_s",
                found=times.tolist(),
                expected="seconds that grow from 0",
            )
        object.__setattr__(self, "times_s", times)
        object.__setattr__(self, "factors", factors)

    @classmethod
    def constant(cls) -> Envelope:
        """On all the time."""
        return cls(np.zeros(1), np.ones(1))

    @classmethod
    def until(cls, off_s: float) -> Envelope:
        """On up to a time [s], then off."""
        return cls(np.array([0.0, off_s]), np.array([1.0, 0.0]))

    def integral(self, t: float) -> float:
        """Integral of the factor from 0 to t [s]."""
        if len(self.times_s) == 1:  # one piece from time 0, of every step of most runs
            return float(self.factors[0] * max(t, 0.0))
        ends = np.append(self.times_s[1:], math.inf)
        return float(np.sum(self.factors * np.clip(np.minimum(ends, t) - self.times_s, 0, None)))

    def mean(self, a: float, b: float) -> float:
        """Mean factor between two times [s]."""
        return (self.integral(b) - self.integral(a)) / (b - a)

    def switches(self, end_s: float) -> list[float]:
        """Times before an end at which the factor changes."""
        changed = np.flatnonzero(np.diff(self.factors) != 0) + 1
        return [float(t) for t in self.times_s[changed] if t < end_s]


@read_only
@dataclass(frozen=True)
class Perfusion:
    """How perfusion follows the local rise of temperature.

    Parameters
    ----------
    law : "none", "constant", "linear" or "exponential"
        Factor on the basal perfusion: 0; 1; 1 + slope rise; base^(rise / scale).
    slope_1_K : float
        Slope of the linear law [1/K].
    base, scale_K : float
        Of the exponential law.
    cap : float
        Largest factor.

    Source: J. Wren, M. Karlsson, D. Loyd, Int. J. Heat Mass Transfer 44 (2001) (linear and capped, as an example); P.
    Bernardi et al., IEEE Trans. Biomed. Eng. 50 (2003) 295-304 (exponential, base 2 per 1.6 K, up to 15).
    """

    law: str = "constant"
    slope_1_K: float = 0.5
    base: float = 2.0
    scale_K: float = 1.6
    cap: float = 15.0

    def __post_init__(self) -> None:
        one_of("perfusion", self.law, LAWS, problem="unknown perfusion law")
        for name, least in (("slope_1_K", 0.0), ("base", 1.0), ("scale_K", 1e-6), ("cap", 1.0)):
            within(name, getattr(self, name), least, math.inf, problem="bad perfusion law")

    @property
    def follows(self) -> bool:
        """Whether perfusion depends on the rise, so that sources do not superpose."""
        return self.law in ("linear", "exponential")

    def factor(self, rise: Any, xp: Any) -> Any:
        """Factor on the basal perfusion for a rise [K]; never below 1, cooling does not throttle."""
        warm = xp.maximum(rise, 0)
        raw = 1 + self.slope_1_K * warm if self.law == "linear" else xp.exp(math.log(self.base) / self.scale_K * warm)
        return xp.minimum(raw, self.cap)


class Stepper:
    """The rise of several sources, advanced together.

    Parameters
    ----------
    problem : HeatProblem
        Body and layout.
    q : (s, nx, ny, nz) array in the kernels' layout
        Power density of every source [W/m^3].
    unit : (s,) ndarray, optional
        What every source in q has been divided by; only a perfusion law needs to know.
    perfusion : Perfusion
        Law of perfusion.
    basal : (W, excess) arrays in the kernels' layout, optional
        Basal perfusion [W/m^3/K] and basal temperature above that of blood [K]; needed by a law.
    """

    def __init__(
        self,
        problem: HeatProblem,
        q: Any,
        unit: np.ndarray | None = None,
        perfusion: Perfusion | None = None,
        basal: Any = None,
    ) -> None:
        self.problem, self.q, self.law, self.basal = problem, q, perfusion, basal
        unit = np.ones(len(q)) if unit is None else unit
        self.unit = problem.be.asarray(unit.astype(problem.dtype))[:, None, None, None]
        be, layout = problem.be, problem.layout
        self.kernels = be.kernels.load(__package__, "bioheat", "float" if problem.dtype == np.float32 else "double")
        self.sources = len(q)
        self.T, self.change = be.xp.zeros_like(q), be.xp.zeros_like(q)
        self.own = perfusion is not None and perfusion.follows
        shape = layout.shape
        self.first_pivots = be.xp.zeros((self.sources, *shape) if self.own else shape, problem.dtype)
        self.second_pivots, *self.packed = (be.xp.zeros(shape, problem.dtype) for _ in range(4))
        self._scale = be.xp.zeros(self.sources, problem.dtype)
        self._prepared: tuple[Callable[..., None], ...] = ()
        self._of: Any = None  # the rise that the launches are prepared for
        self.dt = 0.0
        self.previous: tuple[Any, float] | None = None

    def advance(self, dt: float, factors: np.ndarray) -> None:
        """One step of every source, each with its mean factor over the step."""
        if not self.own:
            self._scale[...] = self.problem.be.asarray(np.asarray(factors, self.problem.dtype))
            if dt != self.dt or self._of is not self.T:
                self._factorise(dt, self.problem.sink)
                self._of = self.T
                self._prepared = self._sweeps(dt, self.problem.sink, self.q, self._scale)
            for sweep in self._prepared:
                sweep()
            return
        sink, q = self._perfused(dt, factors)
        self._factorise(dt, sink)
        first, second, last = self._sweeps(dt, sink, q, self.problem.be.xp.ones_like(self._scale))
        first()
        second()
        before = self.T.copy()
        last()
        self.previous = (self.T - before, dt)

    def _sweeps(self, dt: float, sink: Any, q: Any, scale: Any) -> tuple[Callable[..., None], ...]:
        """The launches of a step, and of the next while only the numbers in their arrays change."""
        p, be, layout, prepare = self.problem, self.problem.be, self.problem.layout, self.kernels.prepare
        s, y, x, z = self.sources, layout.y, layout.x, layout.z
        state = (self.first_pivots, scale, q, self.T, self.change)
        own = (p.heat, p.g[0], self.second_pivots)
        flow = layout.flow(p.g, sink)
        return (
            prepare("first_sweep", y.launches(be, s), layout.lines("y", s), flow, dt, int(self.own), p.g[1], *state),
            prepare("second_sweep", x.launches(be, s), layout.lines("x", s), 0.5 * dt, *own, self.change),
            prepare("last_sweep", z.launches(be, s), layout.columns(s), *self.packed, self.change, self.T),
        )

    def _factorise(self, dt: float, sink: Any) -> None:
        p, be, layout = self.problem, self.problem.be, self.problem.layout
        h, heat, (gx, gy, gz) = 0.5 * dt, p.heat, p.g
        if dt != self.dt:
            x, z = layout.x.launches(be), layout.z.launches(be)
            self.kernels.launch("pivots", x, layout.lines("x", 0), h, heat, gx, p.sink, self.second_pivots)
            self.kernels.launch("pivots_z", z, layout.columns(1), h, heat, gz, *self.packed)
        maps = self.sources if self.own else 1
        lines, pivots = layout.lines("y", maps), self.first_pivots
        self.kernels.launch("pivots", layout.y.launches(be, maps), lines, h, heat, gy, sink, pivots)
        self.dt = dt

    def _perfused(self, dt: float, factors: np.ndarray) -> tuple[Any, Any]:
        """Sinks and sources of a step, with the perfusion at the rise extrapolated to its middle."""
        p, xp = self.problem, self.problem.be.xp
        middle = self.T if self.previous is None else self.T + self.previous[0] * (0.5 * dt / self.previous[1])
        W, excess = self.basal
        more = W * (self.law.factor(self.unit * middle, xp) - 1)  # type: ignore[union-attr]
        scale = p.be.asarray(np.asarray(factors, p.dtype))
        q = self.q * scale[:, None, None, None] - more * (excess / self.unit)
        return (p.sink + more).astype(p.dtype), q.astype(p.dtype)

    def heat(self) -> tuple[np.ndarray, np.ndarray]:
        """Heat stored [J] and power taken by sinks [W] of every source, per unit of ``unit``."""
        p, volume = self.problem, self.problem.maps.voxel_volume_m3
        stored, lost = (np.array([self._total(weight, T) for T in self.T]) for weight in (p.heat, p.sink))
        if self.own:
            W, excess = self.basal
            more = W * (self.law.factor(self.unit * self.T, p.be.xp) - 1)  # type: ignore[union-attr]
            warmer = self.T + excess / self.unit
            lost += [self._total(m, T) for m, T in zip(more, warmer, strict=True)]
        return stored * volume, lost * volume

    def _total(self, a: Any, b: Any) -> float:
        """Sum of a product: planes in the precision of the state, their sum in float64."""
        be = self.problem.be
        by_plane = be.xp.einsum("pi,pi->p", a.reshape(a.shape[0], -1), b.reshape(b.shape[0], -1))
        return float(be.to_numpy(by_plane).astype(float).sum())


def blocks(duration_s: float, stops: Sequence[float], switches: Sequence[float], level: int) -> Iterator[tuple]:
    """Runs of equal steps (start, step, count, whether a stop follows) from 0 to the end.

    Parameters
    ----------
    duration_s : float
        The end [s].
    stops : sequence of float
        Times that must be met [s].
    switches : sequence of float
        Times at which the source changes [s]; steps are short after them.
    level : int
        Every level halves all steps.
    """
    longest = LONGEST * duration_s / 2**level
    finest, growth = longest * FINEST, GROWTH / 2**level
    ends = sorted({float(t) for t in (*stops, *switches, duration_s) if 0 < t <= duration_s})
    changes = sorted({0.0, *switches})
    now = 0.0
    for end in ends:
        since = max(c for c in changes if c <= now * (1 + 1e-12))
        while now < end:
            age = now - since
            dt = min(longest, max(finest, growth * age))
            last = min(end, since + max(2 * age, 8 * finest)) if dt < longest else end
            last = end if end - last < dt else last
            count = max(1, math.ceil((last - now) / dt * (1 - 1e-9)))
            yield now, (last - now) / count, count, last == end
            now = last


def march(
    stepper: Stepper,
    envelopes: Sequence[Envelope],
    duration_s: float,
    stops: Sequence[float],
    level: int,
    observe: Callable[[float, bool], None],
    each: Callable[[float], None] | None = None,
) -> int:
    """Advance from 0 to the end; returns the number of steps.

    Parameters
    ----------
    stepper : Stepper
        The state.
    envelopes : sequence of Envelope
        One per source.
    duration_s, stops, level
        See :func:`blocks`.
    observe : callable
        Called with the time and whether it is a stop, after every run of equal steps.
    each : callable, optional
        Called with the time after every step.
    """
    switches = sorted({t for e in envelopes for t in e.switches(duration_s)})
    if len(switches) > MOST_SWITCHES:
        switches = []
    taken = 0
    for start, dt, count, stop in blocks(duration_s, stops, switches, level):
        for n in range(count):
            a = start + n * dt
            stepper.advance(dt, np.array([e.mean(a, a + dt) for e in envelopes]))
            if each is not None:
                each(a + dt)
        taken += count
        observe(start + count * dt, stop)
    return taken
