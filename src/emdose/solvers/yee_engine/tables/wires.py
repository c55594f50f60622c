"""Subcell wires as arrays for the kernels: what gathers, what spreads, and the laws of segments and nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.solvers.yee_engine.setup.problem import YeeProblem
from emdose.solvers.yee_engine.setup.wire_circuits import WireCircuit
from emdose.solvers.yee_engine.tables.lattice import Lattice

LAW = 6
"""Numbers of a node's law; see yee_wires.cuh."""


class Wires:
    """All subcell wires of a problem, segment after segment.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    lattice : Lattice
        Its lattice.

    Attributes
    ----------
    segments, nodes : int
        How many.
    row, entry, weight : ndarrays
        Edges in the voltage of each segment.
    first, wire : (segments,) int32 ndarray
        First node of each segment, and its wire.
    keep, gain, emf : (segments,) float64 ndarray
        Next current by itself and by the voltage; impressed voltage at waveform value 1.
    before, after : (nodes,) int32 ndarray
        Segments that end and begin at each node, -1 where there is none.
    law : (nodes, 6) float64 ndarray
        Laws of nodes.
    target, part, source, spread : ndarrays
        Entries of E that are changed, where their parts begin, the segments and what their currents are multiplied by.
    """

    def __init__(self, problem: YeeProblem, lattice: Lattice) -> None:
        self.names = [w.name for w in problem.wires]
        self.waveforms = [w.waveform for w in problem.wires]
        circuits = lattice.circuits
        counts = [len(c.inductance_H) for c in circuits]
        self.bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.segments, self.nodes = int(self.bounds[-1]), int(self.bounds[-1]) + len(circuits)
        self.wire = np.repeat(np.arange(len(circuits)), counts).astype(np.int32)
        numbers = np.arange(self.segments)
        self.first = (numbers + self.wire).astype(np.int32)
        self.before = np.full(self.nodes, -1, np.int32)
        self.after = self.before.copy()
        self.before[self.first + 1], self.after[self.first] = numbers, numbers
        dt = self.dt = lattice.dt
        L, R = (_joined([getattr(c, n) for c in circuits]) for n in ("inductance_H", "resistance_ohm"))
        self.gain = 1 / (L / dt + 0.5 * R)
        self.keep = (L / dt - 0.5 * R) * self.gain
        self.inductance = L
        self.emf = _joined([np.asarray(w.emf_V) for w in problem.wires])
        self.law = np.concatenate([np.zeros((0, LAW)), *(_laws(c, dt) for c in circuits)])
        self._couple(problem, lattice, circuits)

    def _couple(self, problem: YeeProblem, lattice: Lattice, circuits: list[WireCircuit]) -> None:
        at = np.concatenate([np.zeros((0, 4), np.int64), *(c.weights.at for c in circuits)])
        self.entry, self.weight = lattice.flat(at), _joined([c.weights.weight for c in circuits])
        per = _joined([np.diff(c.weights.row) for c in circuits]).astype(np.int64)
        self.row = np.concatenate([[0], np.cumsum(per)]).astype(np.int64)
        segment = np.repeat(np.arange(self.segments), per)
        ids = problem.materials.ids[tuple(at.T)]
        # The current enters before the update of E, which multiplies by ca what is there.
        change = -lattice.edge_coefficient(at, ids) / lattice.ca[ids].astype(float) * self.weight
        order = np.lexsort((segment, self.entry))
        flat = self.entry[order]
        begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]])) if len(flat) else flat
        self.target, self.part = flat[begins], np.append(begins, len(flat)).astype(np.int64)
        self.source, self.spread = segment[order].astype(np.int32), change[order]

    def drives(self, first: int, steps: int) -> np.ndarray:
        """Waveforms at the times n dt of E, (steps, wires)."""
        t = (first + np.arange(steps)) * self.dt
        out = np.zeros((steps, len(self.names)))
        for n, waveform in enumerate(self.waveforms):
            if waveform is not None:
                out[:, n] = waveform(t)
        return out

    def phases(self, first: int, steps: int, frequencies: np.ndarray, every: int) -> np.ndarray:
        """What currents at (n + 1/2) dt are multiplied by in their Fourier sums, (steps, f, 2); 0 between samples."""
        n = first + np.arange(steps)
        phase = np.exp(-2j * np.pi * np.outer((n + 0.5) * self.dt, frequencies)) * (self.dt * every)
        phase[n % every != 0] = 0.0
        return np.stack([phase.real, phase.imag], axis=-1)


def _laws(circuit: WireCircuit, dt: float) -> np.ndarray:
    """Per node: conductance-like 1 / change of voltage by charge of the insulated and of the bare part; what is left of
    V4 after a step; V2 and V4 of the insulated part and V4 of the bare part by charge."""
    half = 0.5 * dt * circuit.relaxation_1_s
    left, new = (1 - half) / (1 + half), 1 / (1 + half)
    coat, around, naked = circuit.coat_elastance, new * circuit.coated_elastance, new * circuit.bare_elastance
    coated, bare = np.isfinite(coat), np.isfinite(naked)
    parts = [
        np.where(coated, 1 / (coat + around), 0.0),
        np.where(bare, 1 / naked, 0.0),
        left,
        np.where(coated, coat, 0.0),
        np.where(coated, around, 0.0),
        np.where(bare, naked, 0.0),
    ]
    return np.stack(parts, axis=1)


def _joined(parts: list[Any]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *parts]).astype(float)
