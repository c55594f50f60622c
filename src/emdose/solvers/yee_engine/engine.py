"""The engine: time steps of a :class:`YeeProblem`, and what is read from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of, unknown
from emdose.constants import MU_0
from emdose.errors import ConvergenceError, InputError
from emdose.solvers.yee_engine.setup.problem import YeeProblem
from emdose.solvers.yee_engine.tables.cpml import lanes_of
from emdose.solvers.yee_engine.tables.lattice import padded_row
from emdose.solvers.yee_engine.tables.tables import Tables
from emdose.solvers.yee_engine.walks.energy import field_energy
from emdose.solvers.yee_engine.walks.schedules import schedule_of

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

_STATE = ("e", "h", "psi", "state", "dft", "wire_state")


@dataclass(frozen=True, eq=False)
class Record:
    """Voltage and current of a port or lumped element in every step so far.

    Parameters
    ----------
    dt : float
        Time step [s].
    voltage : (n,) float ndarray
        Of the path, first end above last, at ``time`` [V].
    current : (n,) float ndarray
        Of a port: out of its first end into the structure; of an element: through it from first to last end. At
        ``current_time``, half a step earlier than the voltage, where the voltage is the mean of two samples [A].
    source : (n,) float ndarray
        Source voltage of a port at ``current_time``, 0 for an element [V].
    """

    dt: float
    voltage: np.ndarray
    current: np.ndarray
    source: np.ndarray

    @property
    def time(self) -> np.ndarray:
        """Times of the voltages, (n + 1) dt [s]."""
        return (np.arange(len(self.voltage)) + 1) * self.dt

    @property
    def current_time(self) -> np.ndarray:
        """Times of currents and source voltages, (n + 1/2) dt [s]."""
        return (np.arange(len(self.current)) + 0.5) * self.dt

    @property
    def mean_voltage(self) -> np.ndarray:
        """Voltage at ``current_time``, as the element's law sees it [V]."""
        return 0.5 * (self.voltage + np.concatenate([[0.0], self.voltage[:-1]]))

    @property
    def energy(self) -> float:
        """Energy that has flowed out of a port, or into an element [J]."""
        return float(np.sum(self.mean_voltage * self.current) * self.dt)

    def spectrum(self, frequencies_Hz: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Voltage, current and source voltage, each (f,) complex, dt sum x(t) exp(-j w t) with their own times.

        The voltage is that of ``mean_voltage``, so that laws like V = Vs - R I hold to rounding.
        """
        kernel = self.dt * np.exp(-2j * np.pi * np.asarray(frequencies_Hz, float)[:, None] * self.current_time)
        return kernel @ self.mean_voltage, kernel @ self.current, kernel @ self.source


@dataclass(frozen=True, eq=False)
class Phasors:
    """Fourier sums of a region, dt every sum x(t) exp(-j w t): spectral densities, the same as those of a source.

    Parameters
    ----------
    frequencies_Hz : (f,) float ndarray
        Frequencies [Hz].
    E : (f, 3, ...) complex ndarray or None
        Electric field on edges [V/m s].
    B : (f, 3, ...) complex ndarray or None
        Flux density on faces [T s].
    """

    frequencies_Hz: np.ndarray
    E: np.ndarray | None
    B: np.ndarray | None


class Engine:
    """Steps a problem in time. Everything that the problem names happens inside :meth:`advance`.

    After n steps E is at n dt and H at (n + 1/2) dt.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    be : Backend
        Device.
    dtype : {"float32", "float64"}
        Precision of the fields.
    schedule : str, optional
        How the lattice is walked: "blocks" (several steps per pass through the cache, default on a CPU), "cells" (one
        thread per cell and two sweeps, default on a GPU), "one-pass" (E and H in one pass, twice the memory for fields)
        or "walk" (plane after plane). All give the same fields.

    Attributes
    ----------
    problem : YeeProblem
        The problem.
    dt : float
        Time step [s].
    step : int
        Steps taken.
    """

    def __init__(self, problem: YeeProblem, be: Backend, dtype: str = "float32", schedule: str | None = None) -> None:
        one_of("dtype", dtype, ("float32", "float64"), problem="unknown precision")
        self.problem, self.be, self.dtype = problem, be, dtype
        self.tables = Tables(problem, be, dtype)
        self.dt = self.tables.lattice.dt
        self.step = 0
        self._schedule = schedule_of(self.tables, be, schedule)
        self._history: list[np.ndarray] = []

    @property
    def time(self) -> float:
        """Time of E [s]."""
        return self.step * self.dt

    def advance(self, steps: int) -> None:
        """Take ``steps`` time steps."""
        if steps < 0:
            raise InputError("cannot go back in time", field="steps", found=steps, expected=">= 0")
        if steps:
            self._history.append(self._schedule.advance(self.step, steps))
            self.step += steps

    @property
    def records(self) -> dict[str, Record]:
        """Voltage and current of every port and lumped element by name."""
        history, elements = self._all_records(), self.tables.branches.elements
        t = (np.arange(self.step) + 0.5) * self.dt
        sources = self.tables.branches.sources(t)
        out = {}
        for n, element in enumerate(elements):
            outward = -1.0 if n < self.tables.branches.ports else 1.0
            out[element.name] = Record(self.dt, history[:, n, 0], outward * history[:, n, 1], sources[:, n])
        return out

    @property
    def sums(self) -> Any:
        """A copy of all Fourier sums as they are now, on the device, for :meth:`phasors`."""
        return self.tables.dft.copy()

    def phasors(self, region: str, sums: Any = None) -> Phasors:
        """Fourier sums of a region so far, or of earlier :attr:`sums`; over :meth:`source_spectrum` they are fields per
        unit source.
        """
        kept = self.tables.dft if sums is None else sums
        places = {r.name: (r, e, b) for r, e, b in self.tables.regions}
        one_of("region", region, places, problem="no such region")
        box, *offsets = places[region]
        shape = tuple(h - a for a, h in zip(box.low, box.high, strict=True))
        frequencies = self.tables.frequencies
        found: list[np.ndarray | None] = []
        for magnetic, at in enumerate(offsets):
            if at < 0:
                found.append(None)
                continue
            count = len(frequencies) * 6 * int(np.prod(shape))
            parts = self.be.to_numpy(kept[at : at + count]).reshape(len(frequencies), 2, 3, *shape)
            value = parts[:, 0] + 1j * parts[:, 1]
            for c, lengths in enumerate(self.tables.lattice.edge_lengths(magnetic)):
                for a, length in enumerate(lengths):
                    cut = length[box.low[a] : box.high[a]].astype(value.real.dtype)
                    value[:, c] /= cut.reshape([-1 if b == a else 1 for b in range(3)])
            found.append(value * value.dtype.type(MU_0) if magnetic else value)
        return Phasors(frequencies, found[0], found[1])

    def wire_currents(self, sums: Any = None) -> dict[str, np.ndarray]:
        """Fourier sums of the currents of subcell wires by name, (f, segment) complex [A s]; see :meth:`phasors`."""
        wires, count = self.tables.wires, len(self.tables.frequencies)
        kept = self.tables.dft if sums is None else sums
        size = 2 * count * wires.segments
        parts = self.be.to_numpy(kept[len(kept) - size :]).astype(float).reshape(count, 2, wires.segments)
        value = parts[:, 0] + 1j * parts[:, 1]
        return {name: value[:, a:b] for name, a, b in zip(wires.names, wires.bounds, wires.bounds[1:], strict=False)}

    def source_spectrum(self, frequencies_Hz: np.ndarray, name: str | None = None) -> np.ndarray:
        """Spectrum of a source's waveform over the steps so far, dt sum s(t) exp(-j w t) at t = (n + 1/2) dt.

        Parameters
        ----------
        frequencies_Hz : (f,) float ndarray
            Frequencies [Hz].
        name : str, optional
            Name of a port or current source; the only source, or the plane wave, if left out. A port's spectrum is in
            V s and has its amplitude, a plane wave's in V/m s, a current source's that of its waveform [s].

        Returns
        -------
        (f,) complex ndarray
            The spectrum.
        """
        problem = self.problem
        waves: dict[str, Any] = {s.name: (s.waveform, 1.0) for s in problem.sources}
        waves |= {p.name: (p.waveform, p.amplitude_V) for p in problem.ports if p.waveform is not None}
        waves |= {w.name: (w.waveform, 1.0) for w in problem.wires if w.waveform is not None}
        if problem.wave is not None:
            waves[""] = (problem.wave.waveform, problem.wave.amplitude_V_m)
        key = name if name is not None else next(iter(waves)) if len(waves) == 1 else ""
        if key not in waves:
            raise unknown("no such source", name, waves, field="name")
        t = (np.arange(self.step) + 0.5) * self.dt
        kernel = np.exp(-2j * np.pi * np.atleast_1d(np.asarray(frequencies_Hz, float))[:, None] * t)
        waveform, amplitude = waves[key]
        return self.dt * amplitude * (kernel @ waveform(t))

    def energy(self) -> float:
        """Energy of the electric and magnetic field [J]; exactly kept by the scheme where nothing is lost or driven."""
        return field_energy(self.tables, self.be, self.problem.materials.permittivity)

    def check(self, limit: float = float("inf")) -> float:
        """The energy [J], or a ConvergenceError that names the cell where the fields left the numbers.

        Parameters
        ----------
        limit : float
            Energy that counts as growth without end [J].

        Raises
        ------
        ConvergenceError
            When the energy is not finite or above the limit.
        """
        energy = self.energy()
        if not np.isfinite(energy):
            cell, where = self.strongest()
            raise ConvergenceError(f"fields are not finite after step {self.step}: first found at cell {cell}, {where}")
        if energy > limit:
            cell, where = self.strongest()
            raise ConvergenceError(
                f"field energy grows: {energy:.3g} J after step {self.step}, strongest at cell {cell}, {where}"
            )
        return energy

    def strongest(self) -> tuple[tuple[int, int, int], str]:
        """Cell (i, j, k) of the largest E, or of the first value that is not finite, and what is there."""
        xp, lattice = self.be.xp, self.tables.lattice
        size = xp.abs(self.tables.e.reshape(-1))
        bad = ~xp.isfinite(size)
        at = int(xp.argmax(bad)) if bool(bad.any()) else int(xp.argmax(size))
        cell = lattice.position(at)[1:]
        layers = [self.problem.interior(a)[0] <= n < self.problem.interior(a)[1] for a, n in enumerate(cell)]
        return cell, "in the grid" if all(layers) else "in the absorbing layer"

    def state(self) -> dict[str, np.ndarray]:
        """All that :meth:`restore` needs, as host arrays."""
        t = self.tables
        out = {name: np.array(self.be.to_numpy(getattr(t, name))) for name in _STATE}
        out["step"], out["records"] = np.array(self.step), self._all_records()
        if t.terms.line is not None:
            out["line"] = np.stack([t.terms.line.E, t.terms.line.H])
        return out

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from a state of an engine of the same problem, dtype and device: the run goes on bit for bit.

        Raises
        ------
        InputError
            When the state does not fit this engine.
        """
        t = self.tables
        expected = {name: getattr(t, name) for name in _STATE}
        for name, array in expected.items():
            found = state.get(name)
            if found is None or found.shape != array.shape or found.dtype != array.dtype:
                raise InputError(
                    "state is of another problem",
                    field=name,
                    found=None if found is None else f"{found.dtype} {found.shape}",
                    expected=f"{array.dtype} {array.shape}",
                )
        for name, array in expected.items():
            array[...] = self.be.asarray(state[name])
        self.step = int(state["step"])
        self._history = [np.array(state["records"])]
        if t.terms.line is not None:
            t.terms.line.E[:], t.terms.line.H[:] = state["line"]

    def plan(self) -> dict[str, int]:
        """Cells and bytes of this engine, those of its schedule's own tables included."""
        parts, own = plan(self.problem, self.dtype), self._schedule.own_bytes
        return {**parts, "bytes": parts["bytes"] + own, "schedule_bytes": own}

    def _all_records(self) -> np.ndarray:
        if len(self._history) != 1:
            empty = np.zeros((0, len(self.tables.branches.elements), 2))
            self._history = [np.concatenate([empty, *self._history])]
        return self._history[0]


def plan(problem: YeeProblem, dtype: str = "float32") -> dict[str, int]:
    """What an engine will take: cells, and bytes of fields, material numbers, absorbing layers and Fourier sums."""
    real = np.dtype(dtype)
    nx, ny, nz = problem.grid.node_shape
    stride = padded_row(nz, real)
    entries = 3 * nx * ny * stride
    fields = 2 * real.itemsize * 3 * (nx + 1) * ny * stride
    lanes = sum(lanes_of(nz, problem.layer(4), problem.layer(5)))
    layers = [sum(problem.layer(f) for f in pair) for pair in ((0, 1), (2, 3))]
    shell = 4 * real.itemsize * (layers[0] * ny * stride + nx * layers[1] * stride + nx * ny * lanes)
    sums = 0
    if problem.dft is not None:
        for region in problem.dft.regions:
            cells = int(np.prod(np.subtract(region.high, region.low)))
            sums += 6 * real.itemsize * len(problem.dft.frequencies_Hz) * len(region.fields) * cells
    parts = {"fields": fields, "materials": entries * problem.materials.ids.itemsize, "layers": shell, "dft": sums}
    return {
        "cells": int(np.prod(problem.grid.shape)),
        "bytes": sum(parts.values()),
        **{f"{k}_bytes": v for k, v in parts.items()},
    }
