"""Everything that the kernels read and write, as arrays of one device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.solvers.yee_engine.cpml import Shell
from emdose.solvers.yee_engine.edge_lists import Branches, Faces, Groups, Terms
from emdose.solvers.yee_engine.lattice import Lattice
from emdose.solvers.yee_engine.problem import Region, YeeProblem

if TYPE_CHECKING:
    from emdose.compute.backend import Backend

PLAN = (
    "NX",
    "NY",
    "NZ",
    "STRIDE",
    "PLANE",
    "COMPONENT",
    "WIDE_IDS",
    "LOW_X",
    "HIGH_X",
    "LOW_Y",
    "HIGH_Y",
    "LANES_LOW",
    "LANES_HIGH",
    "PSI_EX",
    "PSI_EY",
    "PSI_EZ",
    "PSI_HX",
    "PSI_HY",
    "PSI_HZ",
    "GROUPS_X",
    "GROUPS_Y",
    "LONGEST",
    "WIDEST",
    "BRANCHES",
    "COLUMNS",
    "FREQUENCIES",
    "REGIONS",
    "EVERY",
    "FIRST_STEP",
    "STRIP",
)
"""Places in ``plan``; the kernels have the same list."""


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
    """

    def __init__(self, problem: YeeProblem, be: Backend, dtype: str) -> None:
        self.problem, self.be = problem, be
        self.lattice = lattice = Lattice(problem, dtype)
        self.shell = Shell(problem, lattice)
        self.groups = Groups.of(problem, lattice)
        self.terms = Terms(problem, lattice, self.groups)
        self.faces = Faces(problem, lattice, self.groups)
        self.branches = Branches(problem, lattice, self.groups)
        xp, real = be.xp, lattice.dtype
        self.e = _aligned(lattice.buffer_shape, real, xp)
        self.h = _aligned(lattice.buffer_shape, real, xp)
        self.psi = _aligned((self.shell.size,), real, xp)
        self.state = xp.zeros(max(1, len(self.branches.elements)) * 3)
        self.regions, size = _places(problem)
        self.dft = xp.zeros(max(1, size), real)
        self.plan = self._plan()
        self.device_plan = be.asarray(self.plan)
        ids = _padded_ids(problem.materials.ids, lattice.stride, be)
        wide = ids.dtype == np.uint16
        self.ids8, self.ids16 = (xp.zeros(1, np.uint8), ids) if wide else (ids, xp.zeros(1, np.uint16))
        self.ids = ids
        first = np.stack([*self.terms.first, self.faces.first, self.branches.first]).astype(np.int64)
        self.arrays = {
            name: be.asarray(np.ascontiguousarray(value))
            for name, value in {
                "group_x": self.groups.x,
                "group_y": self.groups.y,
                "ca": lattice.ca,
                "cb": lattice.cb,
                "factor": lattice.factors,
                "layer": self.shell.coefficients,
                "first": first,
                "busy": (first[:, :, -1] > first[:, :, 0]).any(0).astype(np.uint8),
                "entry": _some(self.terms.entry, np.int64),
                "term_row": _some(self.terms.row, np.int64),
                "column": _some(self.terms.column, np.int32),
                "coefficient": _some(self.terms.coefficient, np.float64),
                "face": _some(self.faces.face, np.int64),
                "turn": _some(self.faces.turn, np.int64),
                "face_gain": _some(self.faces.gain, np.float64),
                "branch": _some(self.branches.order, np.int32),
                "path_row": _some(self.branches.row, np.int64),
                "path_edge": _some(self.branches.edge, np.int64),
                "sign": _some(self.branches.sign, np.float64),
                "path_gain": _some(self.branches.gain, np.float64),
                "law": _some(self.branches.law, np.float64),
            }.items()
        }

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

    def _plan(self) -> np.ndarray:
        lattice, shell = self.lattice, self.shell
        values = {
            **dict(zip(("NX", "NY", "NZ"), lattice.nodes, strict=True)),
            "STRIDE": lattice.stride,
            "PLANE": lattice.plane,
            "COMPONENT": lattice.component,
            "WIDE_IDS": int(self.problem.materials.ids.dtype == np.uint16),
            "LOW_X": shell.low[0],
            "HIGH_X": shell.high[0],
            "LOW_Y": shell.low[1],
            "HIGH_Y": shell.high[1],
            "LANES_LOW": shell.lanes[0],
            "LANES_HIGH": shell.lanes[1],
            **dict(zip(("PSI_EX", "PSI_EY", "PSI_EZ", "PSI_HX", "PSI_HY", "PSI_HZ"), shell.offsets, strict=False)),
            "GROUPS_X": len(self.groups.x) - 1,
            "GROUPS_Y": len(self.groups.y) - 1,
            "LONGEST": lattice.factors.shape[-1],
            "WIDEST": shell.coefficients.shape[-1],
            "BRANCHES": len(self.branches.elements),
            "COLUMNS": self.terms.columns,
            "FREQUENCIES": len(self.frequencies),
            "REGIONS": len(self.regions),
            "EVERY": self.every,
            "FIRST_STEP": 0,
            "STRIP": len(self.groups.y) - 1,
        }
        places = [np.array([*r.low, *r.high, e, b]) for r, e, b in self.regions]
        return np.concatenate([[int(values[n]) for n in PLAN], *places]).astype(np.int64)

    def drives(self, first: int, steps: int) -> dict[str, np.ndarray]:
        """What changes with time over some steps: drive table, source voltages, phases of the Fourier transform.

        The drive of current sources and of ports is taken at (n + 1/2) dt; E is sampled at (n + 1) dt and H at
        (n + 3/2) dt.
        """
        dt, problem = self.lattice.dt, self.problem
        t = (first + np.arange(steps) + 0.5) * dt
        drive = np.zeros((steps, self.terms.columns))
        for n, source in enumerate(problem.sources):
            drive[:, n] = source.waveform(t)
        if self.terms.line is not None:
            drive[:, len(problem.sources) :] = self.terms.line.advance(first, steps)
        numbers = np.arange(first + 1, first + steps + 1)
        times = numbers[numbers % self.every == 0] * dt
        angle = 2 * np.pi * self.frequencies * np.stack([times, times + 0.5 * dt])[..., None]  # (E and H, sample, f)
        phase = np.exp(-1j * angle).transpose(1, 2, 0) * (dt * self.every)
        pairs = np.stack([phase.real, phase.imag], axis=-1)
        return {
            "drive": _some(drive, np.float64),
            "source": _some(self.branches.sources(t), np.float64),
            "phase": _some(pairs, np.float64),
        }


def _places(problem: YeeProblem) -> tuple[list[tuple[Region, int, int]], int]:
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


def _some(value: np.ndarray, dtype: Any) -> np.ndarray:
    """Flat, of one type and never empty: kernels are not given empty arrays."""
    flat = np.asarray(value, dtype).ravel()
    return flat if flat.size else np.zeros(1, dtype)
