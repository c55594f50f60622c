"""Everything that the kernels read and write, as arrays of one device."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_engine.setup.problem import DftRegion, YeeProblem
from emdose.solvers.yee_engine.tables.cpml import Shell
from emdose.solvers.yee_engine.tables.edge_lists import Branches, Faces, Groups, Terms
from emdose.solvers.yee_engine.tables.lattice import Lattice
from emdose.solvers.yee_engine.tables.wires import Wires

if TYPE_CHECKING:
    from emdose.compute.backend import Backend


class Tables:
    """The problem in the kernels' terms.

    Parameters
    ----------
    problem : YeeProblem
        The problem.
    be : Backend
        Where the arrays live.
    dtype : {"float32", "float64"}
        Precision of the fields.

    Attributes
    ----------
    structs : dict of mappings
        What kernels take by value, by name: mesh, medium, terms, faces, branches, wires. The kernel texts say what
        is in them.
    """

    def __init__(self, problem: YeeProblem, be: Backend, dtype: str) -> None:
        self.problem, self.be = problem, be
        self.lattice = lattice = Lattice(problem, dtype)
        self.shell = Shell(problem, lattice)
        self.groups = Groups.of(problem, lattice)
        self.terms = Terms(problem, lattice, self.groups)
        self.faces = Faces(problem, lattice, self.groups)
        self.branches = Branches(problem, lattice, self.groups)
        self.wires = Wires(problem, lattice)
        xp, real = be.xp, lattice.dtype
        self.e = _aligned(lattice.buffer_shape, real, xp)
        self.h = _aligned(lattice.buffer_shape, real, xp)
        self.psi = _aligned((self.shell.size,), real, xp)
        self.state = xp.zeros(max(1, len(self.branches.elements)) * 3)
        self.regions, size = _places(problem)
        # Sums of the wires' currents lie behind those of the regions.
        sums = 2 * len(self.frequencies) * self.wires.segments
        self.dft = xp.zeros(max(1, size + sums), real)
        self.wire_sums = self.dft[size:] if sums else xp.zeros(1, real)
        self.wire_state = xp.zeros(max(1, self.wires.segments + 4 * self.wires.nodes))
        self.ids = _padded_ids(problem.materials.ids, lattice.stride, be)
        self.structs = {name: MappingProxyType(fields) for name, fields in self._structs().items()}

    @property
    def real(self) -> str:
        """Meaning of ``real`` in the kernels."""
        return "float" if self.lattice.dtype == np.float32 else "double"

    @property
    def every(self) -> int:
        """Steps between samples of the Fourier transform."""
        return self.problem.dft.every if self.problem.dft is not None else 1

    @property
    def frequencies(self) -> np.ndarray:
        """Frequencies of the Fourier transform [Hz]."""
        return np.zeros(0) if self.problem.dft is None else np.asarray(self.problem.dft.frequencies_Hz)

    def _structs(self) -> dict[str, dict[str, Any]]:
        """Structs of the kernels by the names of their parameters; the texts say what is in them."""
        lattice, shell, wide = self.lattice, self.shell, self.ids.dtype == np.uint16
        nx, ny, nz = lattice.nodes
        psi = dict(zip(("psi_ex", "psi_ey", "psi_ez", "psi_hx", "psi_hy", "psi_hz"), shell.offsets, strict=False))
        mesh = {
            "nx": nx,
            "ny": ny,
            "nz": nz,
            "stride": lattice.stride,
            "component": lattice.component,
            "longest": lattice.factors.shape[-1],
            "widest": shell.coefficients.shape[-1],
            "low_x": shell.low[0],
            "high_x": shell.high[0],
            "low_y": shell.low[1],
            "high_y": shell.high[1],
            "lanes_low": shell.lanes[0],
            "lanes_high": shell.lanes[1],
            **psi,
        }
        medium = {
            "wide": int(wide),
            "ids8": self.be.xp.zeros(1, np.uint8) if wide else self.ids,
            "ids16": self.ids if wide else self.be.xp.zeros(1, np.uint16),
            "ca": self._array(lattice.ca),
            "cb": self._array(lattice.cb),
            "factor": self._array(lattice.factors),
            "layer": self._array(shell.coefficients),
        }
        terms, faces, branches, wires = self.terms, self.faces, self.branches, self.wires
        wholes = {n: some(getattr(wires, n), np.int64) for n in ("row", "entry", "target", "part")}
        numbers = {n: some(getattr(wires, n), np.int32) for n in ("first", "wire", "before", "after", "source")}
        reals = {n: some(getattr(wires, n), float) for n in ("weight", "keep", "gain", "emf", "law", "spread")}
        listed = {name: self._array(value) for name, value in {**wholes, **numbers, **reals}.items()}
        return {
            "mesh": mesh,
            "medium": medium,
            "terms": {
                "columns": terms.columns,
                "entry": self._array(some(terms.entry, np.int64)),
                "row": self._array(some(terms.row, np.int64)),
                "column": self._array(some(terms.column, np.int32)),
                "coefficient": self._array(some(terms.coefficient, np.float64)),
            },
            "faces": {
                "face": self._array(some(faces.face, np.int64)),
                "edges": self._array(some(faces.edges, np.int64)),
                "gain": self._array(some(faces.gain, np.float64)),
            },
            "branches": {
                "count": len(branches.elements),
                "row": self._array(some(branches.row, np.int64)),
                "edge": self._array(some(branches.edge, np.int64)),
                "sign": self._array(some(branches.sign, np.float64)),
                "gain": self._array(some(branches.gain, np.float64)),
                "law": self._array(some(branches.law, np.float64)),
            },
            "wires": {
                "segments": wires.segments,
                "wires": len(wires.names),
                "frequencies": len(self.frequencies),
                "dt": lattice.dt,
                **listed,
            },
        }

    @property
    def wire_parts(self) -> tuple[Any, Any, Any]:
        """Currents of segments [A], voltages of nodes and the three voltages that each is made of [V]."""
        segments, nodes = self.wires.segments, self.wires.nodes
        bounds = (0, segments, segments + nodes, segments + 4 * nodes)
        current, voltage, charge = (self.wire_state[a:b] for a, b in pairwise(bounds))
        return current, voltage, charge

    def _array(self, value: np.ndarray) -> Any:
        return self.be.asarray(np.ascontiguousarray(value))

    def drives(self, first: int, steps: int) -> dict[str, np.ndarray]:
        """What changes with time over some steps: drive table, source voltages, phases of the Fourier transform.

        The drive of current sources and of ports is taken at (n + 1/2) dt; E is sampled at (n + 1) dt and H at
        (n + 3/2) dt.
        """
        dt, problem = self.lattice.dt, self.problem
        t = (first + np.arange(steps) + 0.5) * dt
        drive = np.zeros((steps, self.terms.columns))
        given = (*problem.sources, *problem.emfs)
        for n, source in enumerate(given):
            drive[:, n] = source.waveform(t)
        if self.terms.line is not None:
            drive[:, len(given) :] = self.terms.line.advance(first, steps)
        numbers = np.arange(first + 1, first + steps + 1)
        times = numbers[numbers % self.every == 0] * dt
        angle = 2 * np.pi * self.frequencies * np.stack([times, times + 0.5 * dt])[..., None]  # (E and H, sample, f)
        phase = np.exp(-1j * angle).transpose(1, 2, 0) * (dt * self.every)
        pairs = np.stack([phase.real, phase.imag], axis=-1)
        return {
            "drive": some(drive, np.float64),
            "source": some(self.branches.sources(t), np.float64),
            "phase": some(pairs, np.float64),
        }


def _places(problem: YeeProblem) -> tuple[list[tuple[DftRegion, int, int]], int]:
    """Offsets of the sums of every region, for E and for B (-1 where there is none), and the size of all."""
    out, size = [], 0
    if problem.dft is not None:
        for region in problem.dft.regions:
            part = 6 * len(problem.dft.frequencies_Hz) * int(np.prod(np.subtract(region.high, region.low)))
            at = []
            for field in "EB":
                at.append(size if field in region.fields else -1)
                size += part if field in region.fields else 0
            out.append((region, at[0], at[1]))
    return out, size


def _padded_ids(ids: np.ndarray, stride: int, be: Backend) -> Any:
    """Material numbers with rows as long as those of the fields."""
    out = be.xp.zeros((*ids.shape[:3], stride), ids.dtype)
    out[..., : ids.shape[3]] = be.asarray(ids)
    return out


def _aligned(shape: tuple[int, ...], dtype: Any, xp: Any) -> Any:
    """Zeros whose rows begin on cache lines; a device's memory does so anyway."""
    count, line = int(np.prod(shape, dtype=np.int64)), 64 // dtype.itemsize
    raw = xp.zeros(count + line, dtype)
    address = raw.__array_interface__["data"][0] if hasattr(raw, "__array_interface__") else 0
    first = -address % 64 // dtype.itemsize
    return raw[first : first + count].reshape(shape)


def some(value: np.ndarray, dtype: Any) -> np.ndarray:
    """Flat, of one type and never empty: kernels are not given empty arrays."""
    flat = np.asarray(value, dtype).ravel()
    return flat if flat.size else np.zeros(1, dtype)
