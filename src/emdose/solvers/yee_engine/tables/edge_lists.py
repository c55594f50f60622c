"""What acts on single edges and faces: impressed currents, the plane wave's box, thin wires, ports and elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.solvers.yee_engine.setup.imposed import ImposedVoltage
from emdose.solvers.yee_engine.setup.problem import Lumped, VoltagePort, YeeProblem
from emdose.solvers.yee_engine.tables.incident_line import IncidentLine, surface_terms
from emdose.solvers.yee_engine.tables.lattice import Lattice


@dataclass(frozen=True, eq=False)
class Groups:
    """Planes and rows that must be treated together, because a path spans them.

    Parameters
    ----------
    x, y : (g + 1,) int32 ndarray
        First plane (row) of every group and the number of all.
    """

    x: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, problem: YeeProblem, lattice: Lattice) -> Groups:
        """Groups of a problem."""
        bounds = []
        for axis in (0, 1):
            begins = np.ones(lattice.nodes[axis], bool)
            for element in problem.elements:
                at = element.edges[:, 1 + axis]
                begins[at.min() + 1 : at.max() + 1] = False
            bounds.append(np.append(np.flatnonzero(begins), len(begins)).astype(np.int32))
        return cls(*bounds)

    def keys(self, entries: np.ndarray) -> np.ndarray:
        """Group pair of entries (m, 4) as one number."""
        g = np.searchsorted(self.x, entries[:, 1], side="right") - 1
        r = np.searchsorted(self.y, entries[:, 2], side="right") - 1
        return g * (len(self.y) - 1) + r

    def first(self, keys: np.ndarray, offset: int = 0) -> np.ndarray:
        """Where the sorted keys of every group pair begin, (x groups, y groups + 1)."""
        gx, gy = len(self.x) - 1, len(self.y) - 1
        wanted = np.arange(gx)[:, None] * gy + np.arange(gy + 1)
        return offset + np.searchsorted(keys, wanted)


class Terms:
    """Terms that are added to entries in every step: entry += sum of coefficient times column of the drive table.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    lattice : Lattice
        Its lattice.
    groups : Groups
        Its groups.

    Attributes
    ----------
    entry : (t,) int64 ndarray
        Offsets of entries, those of E first.
    row : (t + 1,) int64 ndarray
        Where the parts of each term begin.
    column, coefficient : (p,) ndarray
        Parts.
    electric : int
        Number of terms of E.
    """

    def __init__(self, problem: YeeProblem, lattice: Lattice, groups: Groups) -> None:
        self.line = None if problem.wave is None else IncidentLine(problem.wave, lattice)
        columns = len(problem.sources)
        parts: list[list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = [[], []]
        for n, source in enumerate(problem.sources):
            if isinstance(source, ImposedVoltage):  # the update has set these edges to zero
                gain = source.weights_V
            else:
                ids = problem.materials.ids[tuple(source.edges.T)]
                gain = -lattice.edge_coefficient(source.edges, ids) * source.weights_A
            parts[0].append((source.edges, np.full(len(gain), n), gain))
        for n, emf in enumerate(problem.emfs, columns):
            gain = -lattice.product(1, emf.faces).astype(float) / _permeability(problem, emf.faces) * emf.weights_V
            parts[1].append((emf.faces, np.full(len(gain), n), gain))
        columns += len(problem.emfs)
        if self.line is not None:
            for magnetic in (0, 1):
                parts[magnetic] += surface_terms(self.line, problem, lattice, magnetic, columns)
            columns += self.line.columns
        self.columns = columns
        built = [self._list(p, lattice, groups) for p in parts]
        self.electric = len(built[0][0])
        self.entry = np.concatenate([b[0] for b in built])
        self.row = np.concatenate([built[0][1][:-1], built[0][1][-1] + built[1][1]])
        self.column = np.concatenate([b[2] for b in built]).astype(np.int32)
        self.coefficient = np.concatenate([b[3] for b in built])
        self.first = [groups.first(built[0][4]), groups.first(built[1][4], self.electric)]

    @staticmethod
    def _list(parts: list[Any], lattice: Lattice, groups: Groups) -> tuple[np.ndarray, ...]:
        if not parts:
            empty = np.zeros(0, np.int64)
            return empty, np.zeros(1, np.int64), empty, np.zeros(0), empty
        at, column, coefficient = (np.concatenate(v) for v in zip(*parts, strict=True))
        flat, keys = lattice.flat(at), groups.keys(at)
        order = np.lexsort((column, flat, keys))
        flat, keys, column, coefficient = (v[order] for v in (flat, keys, column, coefficient))
        begins = np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1]]))
        return flat[begins], np.append(begins, len(flat)), column, coefficient, keys[begins]


def _permeability(problem: YeeProblem, at: np.ndarray) -> np.ndarray:
    """Relative permeability of faces (m, 4)."""
    own = problem.face_factors
    if own is None:
        return np.ones(len(at))
    shape = (3, *problem.grid.node_shape)
    known, wanted = (np.asarray(np.ravel_multi_index(tuple(rows.T), shape)) for rows in (own.faces, at))
    order = known.argsort()
    place = np.minimum(np.searchsorted(known[order], wanted), len(known) - 1)
    return np.where(known[order][place] == wanted, own.permeability[order][place], 1.0)


class Faces:
    """Faces of another permeability.

    Attributes
    ----------
    face : (t,) int64 ndarray
        Offsets in H.
    edges : (t, 4) int64 ndarray
        From there to the edges around it in E: two that count in its curl, two that count back.
    gain : (t,) float64 ndarray
        What multiplies the curl beyond the vacuum's part.
    """

    def __init__(self, problem: YeeProblem, lattice: Lattice, groups: Groups) -> None:
        found = problem.face_factors
        at = np.zeros((0, 4), np.int64) if found is None else found.faces
        permeability = np.ones(0) if found is None else found.permeability
        keys = groups.keys(at)
        order = np.lexsort((lattice.flat(at), keys))
        at = at[order]
        X, Y, C = lattice.plane, lattice.stride, lattice.component
        around = np.array([[2 * C + Y, 2 * C, C + 1, C], [-C + 1, -C, C + X, C], [-C + X, -C, -2 * C + Y, -2 * C]])
        self.at = at
        self.face, self.edges = lattice.flat(at), around[at[:, 0]].astype(np.int64)
        self.gain = (1 / permeability[order] - 1) * lattice.product(1, at).astype(float)
        self.first = groups.first(keys[order])


class Branches:
    """Ports, then lumped elements, as branches with a law; see ``branch_term`` in the kernels.

    Attributes
    ----------
    order : (b,) int32 ndarray
        Branches sorted by group.
    row, edge, sign, gain : ndarrays
        Their paths.
    law : (b, 9) float64 ndarray
        Their laws.
    """

    def __init__(self, problem: YeeProblem, lattice: Lattice, groups: Groups) -> None:
        self.elements: tuple[VoltagePort | Lumped, ...] = problem.elements
        self.ports = len(problem.ports)
        paths = [e.edges for e in self.elements] or [np.zeros((0, 4), np.int64)]
        at = np.concatenate(paths)
        self.row = np.append(0, np.cumsum([len(e.edges) for e in self.elements])).astype(np.int64)
        self.edge = lattice.flat(at)
        self.sign = np.concatenate([e.signs for e in self.elements] or [np.zeros(0)]).astype(float)
        self.gain = lattice.edge_coefficient(at, problem.materials.ids[tuple(at.T)])
        self.law = np.array([_law(e, lattice.dt) for e in self.elements]).reshape(-1, 9)
        for n in range(len(self.elements)):
            self.law[n, 8] = self.gain[self.row[n] : self.row[n + 1]].sum()
        keys = groups.keys(np.array([e.edges.min(0) for e in self.elements]).reshape(-1, 4))
        self.order = np.argsort(keys, kind="stable").astype(np.int32)
        self.first = groups.first(keys[self.order])

    def sources(self, t: np.ndarray) -> np.ndarray:
        """Source voltages at times t, (steps, branches) [V]."""
        out = np.zeros((len(t), len(self.elements)))
        for n, port in enumerate(self.elements[: self.ports]):
            assert isinstance(port, VoltagePort)
            if port.waveform is not None:
                out[:, n] = port.amplitude_V * port.waveform(t)
        return out


def _law(element: VoltagePort | Lumped, dt: float) -> list[float]:
    """Y; mean current by current, charge voltage, voltage; next current by current, mean current, mean voltage; next
    charge voltage by mean current; place for the gain of the path.

    Series: (2 L / dt + R + dt / 2 C) I = V - Vs + (2 L / dt) i - q with the means V, I and the old i, q. Parallel:
    I = V / R + i + (dt / 2 L) V + (2 C / dt) (V - v).
    """
    if isinstance(element, VoltagePort):
        return [1 / element.resistance_ohm, 0, 0, 0, 0, 0, 0, 0, 0]
    R, L, C = element.resistance_ohm, element.inductance_H, element.capacitance_F
    if element.topology == "parallel":
        coil, plates = 0.0 if L is None else dt / L, 0.0 if C is None else 2 * C / dt
        Y = (0.0 if R is None else 1 / R) + 0.5 * coil + plates
        return [Y, float(L is not None), 0, -plates, float(L is not None), 0, coil, 0, 0]
    inertia, charge = 0.0 if L is None else 2 * L / dt, 0.0 if C is None else dt / C
    Y = 1 / (inertia + (R or 0.0) + 0.5 * charge)
    back = 0.0 if L is None else 1.0
    return [Y, Y * inertia, -Y, 0, -back, 2 * back, 0, charge, 0]
