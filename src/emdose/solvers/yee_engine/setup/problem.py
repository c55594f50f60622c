"""What exists on the lattice: materials, walls, sources, ports, lumped elements and what is to be recorded.

Edges are named by rows (c, i, j, k): from node (i, j, k) along axis c, as in emdose.constants. A path is several edges
with signs, +1 where it runs along the axis. The voltage of a path is the sum of its signed edge voltages, that is the
potential of its first end above its last; a current along it is counted from the first end to the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from emdose.checks import array, fits, is_number, one_of, positive, unit_vector, whole, within
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.cpml_profile import Cpml
from emdose.solvers.yee_engine.setup.imposed import ImposedEmf, ImposedVoltage
from emdose.solvers.yee_engine.setup.materials import PEC, EdgeMaterials
from emdose.solvers.yee_engine.setup.signals import SourceSignal
from emdose.solvers.yee_engine.setup.subcell_wires import SubcellWire

WALLS = ("cpml", "pec", "pmc")
FACES = ("x-", "x+", "y-", "y+", "z-", "z+")


@dataclass(frozen=True, eq=False)
class CurrentSource:
    """Currents impressed on edges.

    Parameters
    ----------
    name : str
        Name.
    edges : (m, 4) int ndarray
        Edges (c, i, j, k).
    weights_A : (m,) float ndarray
        Current along +c of each edge at waveform value 1 [A].
    waveform : SourceSignal
        Sampled at (n + 1/2) dt.
    """

    name: str
    edges: np.ndarray
    weights_A: np.ndarray
    waveform: SourceSignal

    def __post_init__(self) -> None:
        _edges(self)
        _per_edge(self, "weights_A")


@dataclass(frozen=True, eq=False)
class VoltagePort:
    """A voltage source behind a resistance across a path, recorded in every step.

    Its recorded voltage is that of the path (first end above last), its recorded current flows out of the source at the
    first end: the power into the structure is their product.

    Parameters
    ----------
    name : str
        Name; the key in ``Engine.records``.
    edges : (m, 4) int ndarray
        Edges of the path.
    resistance_ohm : float
        Internal resistance [ohm], > 0.
    waveform : SourceSignal or None
        Source voltage at (n + 1/2) dt in units of ``amplitude_V``; None for a port that only listens.
    signs : (m,) ndarray, optional
        +1 or -1 per edge; all +1 if left out.
    amplitude_V : float
        Source voltage at waveform value 1 [V].
    """

    name: str
    edges: np.ndarray
    resistance_ohm: float
    waveform: SourceSignal | None = None
    signs: np.ndarray | None = None
    amplitude_V: float = 1.0

    def __post_init__(self) -> None:
        _edges(self)
        _signs(self)
        _element(self, "resistance_ohm", self.resistance_ohm)


@dataclass(frozen=True, eq=False)
class Lumped:
    """A resistor, inductor and capacitor, in series or parallel, across a path.

    The update is implicit in the path's voltage (trapezium rule) and stable for any values. Voltage and current (from
    the first end to the last, through the element) are recorded as for a port.

    Parameters
    ----------
    name : str
        Name; the key in ``Engine.records``.
    edges : (m, 4) int ndarray
        Edges of the path.
    resistance_ohm, inductance_H, capacitance_F : float or None
        Values; None where there is none of the kind.
    topology : {"series", "parallel"}
        How they are connected.
    signs : (m,) ndarray, optional
        +1 or -1 per edge; all +1 if left out.
    """

    name: str
    edges: np.ndarray
    resistance_ohm: float | None = None
    inductance_H: float | None = None
    capacitance_F: float | None = None
    topology: str = "series"
    signs: np.ndarray | None = None

    def __post_init__(self) -> None:
        _edges(self)
        _signs(self)
        values = {n: getattr(self, n) for n in ("resistance_ohm", "inductance_H", "capacitance_F")}
        for name, value in values.items():
            if value is not None:
                _element(self, name, value)
        if all(v is None for v in values.values()):
            raise InputError(
                f"lumped element '{self.name}' is empty", expected="a resistance, inductance or capacitance"
            )
        one_of(self.name, self.topology, ("series", "parallel"), problem="unknown topology")


@dataclass(frozen=True, eq=False)
class IncidentWave:
    """A plane wave inside a box: total field within, scattered field outside.

    The wave travels on an auxiliary line with the lattice's dispersion to fourth order (exact along an axis), so the
    field that leaks out of the box is small; the edges around the box must be in vacuum, and its steps equal unless
    ``graded`` says otherwise.

    Parameters
    ----------
    low, high : (3,) int
        Nodes of the box's corners; its surface counts as total field.
    direction : (3,) float
        Where the wave goes.
    polarisation : (3,) float
        Direction of E, perpendicular to it.
    waveform : SourceSignal
        E at the corner that the wave meets first, at times t.
    amplitude_V_m : float
        E at waveform value 1 [V/m].
    graded : bool
        Whether steps may differ. The line has the speed of the largest ones: 2e-4 of the wave leak where these have
        300 to a wavelength.
    """

    low: tuple[int, int, int]
    high: tuple[int, int, int]
    direction: tuple[float, float, float]
    polarisation: tuple[float, float, float]
    waveform: SourceSignal
    amplitude_V_m: float = 1.0
    graded: bool = False

    def __post_init__(self) -> None:
        d, p = (unit_vector(n, getattr(self, n), problem="bad plane wave") for n in ("direction", "polarisation"))
        if abs(d @ p) > 1e-6:
            raise InputError(
                "polarisation is not perpendicular to the direction", field="polarisation", found=self.polarisation
            )
        object.__setattr__(self, "direction", tuple(map(float, d)))
        object.__setattr__(self, "polarisation", tuple(map(float, p)))


@dataclass(frozen=True, eq=False)
class FaceFactors:
    """Faces whose permeability differs from vacuum, as thin wires need it.

    Parameters
    ----------
    faces : (m, 4) int ndarray
        Faces (c, i, j, k).
    permeability : (m,) float ndarray
        Their relative permeability, > 0.
    """

    faces: np.ndarray
    permeability: np.ndarray

    def __post_init__(self) -> None:
        faces = np.array(self.faces, np.int64).reshape(-1, 4)
        values = np.array(self.permeability, float)
        if values.shape != (len(faces),) or not (np.all(np.isfinite(values)) and np.all(values > 0)):
            raise InputError("bad face factors", found=values.shape, expected=f"{len(faces)} numbers > 0")
        if len(np.unique(faces, axis=0)) != len(faces):
            raise InputError("a face is named twice", field="face_factors")
        object.__setattr__(self, "faces", faces)
        object.__setattr__(self, "permeability", values)

    def with_others(self, others: Sequence[FaceFactors]) -> FaceFactors:
        """These and those of others; a face that several name takes the product."""
        if not others:
            return self
        named, place = np.unique(np.concatenate([f.faces for f in (self, *others)]), axis=0, return_inverse=True)
        values = np.ones(len(named))
        np.multiply.at(values, place.ravel(), np.concatenate([f.permeability for f in (self, *others)]))
        return FaceFactors(named, values)


@dataclass(frozen=True)
class DftRegion:
    """A box of Yee entries whose E and B are to be transformed.

    Parameters
    ----------
    name : str
        Name; the argument of ``Engine.phasors``.
    low, high : (3,) int
        First entry and the one past the last, as slices of an array (3, nx + 1, ny + 1, nz + 1).
    fields : str
        "EB", "E" or "B".
    """

    name: str
    low: tuple[int, int, int]
    high: tuple[int, int, int]
    fields: str = "EB"

    def __post_init__(self) -> None:
        one_of(self.name, self.fields, ("EB", "E", "B"), problem="unknown fields")
        if len(self.low) != 3 or len(self.high) != 3 or any(h <= a for a, h in zip(self.low, self.high, strict=True)):
            raise InputError("empty region", field=self.name, found=f"{self.low} to {self.high}")


@dataclass(frozen=True, eq=False)
class Dft:
    """Running Fourier transform of regions.

    Parameters
    ----------
    frequencies_Hz : (f,) sequence of float
        Frequencies [Hz].
    regions : sequence of DftRegion
        Where.
    every : int
        Steps between samples.
    """

    frequencies_Hz: Sequence[float]
    regions: Sequence[DftRegion]
    every: int = 1

    def __post_init__(self) -> None:
        frequencies = array(
            "frequencies_Hz", np.ravel(self.frequencies_Hz), (None,), least=0, problem="bad frequencies"
        )
        if not len(frequencies):
            raise InputError("bad frequencies", field="frequencies_Hz", expected="one or more numbers >= 0")
        whole("every", self.every, 1, problem="bad interval")
        if len({r.name for r in self.regions}) != len(self.regions):
            raise InputError("two regions of one name", field="regions", found=[r.name for r in self.regions])
        object.__setattr__(self, "frequencies_Hz", frequencies)
        object.__setattr__(self, "regions", tuple(self.regions))


@dataclass(frozen=True, eq=False)
class YeeProblem:
    """Everything that the engine needs to know.

    Parameters
    ----------
    grid : RectilinearGrid
        The whole domain, absorbing layers included.
    materials : EdgeMaterials
        Of every edge.
    boundaries : (6,) sequence of {"cpml", "pec", "pmc"}
        Walls at x-, x+, y-, y+, z-, z+. An absorbing layer ends in a perfect conductor.
    cpml : Cpml
        Thickness and grading of the absorbing layers.
    sources : sequence of CurrentSource or ImposedVoltage
    emfs : sequence of ImposedEmf
    ports : sequence of VoltagePort
    lumped : sequence of Lumped
    wave : IncidentWave, optional
    face_factors : FaceFactors, optional
        See :func:`emdose.solvers.yee_engine.thin_wire`.
    wires : sequence of SubcellWire
        Wires on paths of their own.
    dft : Dft, optional
        What to transform.
    courant : float
        Time step as a fraction of the largest one known to be stable; see
        :mod:`emdose.solvers.yee_engine.setup.stability`.

    Raises
    ------
    InputError
        For shapes that do not fit the grid, an unknown wall, a layer that does not fit, an edge outside the grid, a
        source in an absorbing layer, an element on metal or an imposed voltage off it, two elements on one edge, or a
        time step above the limit.
    """

    grid: RectilinearGrid
    materials: EdgeMaterials
    boundaries: Sequence[str] = ("cpml",) * 6
    cpml: Cpml = field(default_factory=Cpml)
    sources: Sequence[CurrentSource | ImposedVoltage] = ()
    emfs: Sequence[ImposedEmf] = ()
    ports: Sequence[VoltagePort] = ()
    lumped: Sequence[Lumped] = ()
    wave: IncidentWave | None = None
    face_factors: FaceFactors | None = None
    wires: Sequence[SubcellWire] = ()
    dft: Dft | None = None
    courant: float = 0.99

    def __post_init__(self) -> None:
        nodes = self.grid.node_shape
        fits("materials", self.materials.ids, (3, *nodes), problem="materials do not fit the grid")
        if len(self.boundaries) != 6 or any(b not in WALLS for b in self.boundaries):
            raise InputError(
                "bad walls", field="boundaries", found=tuple(self.boundaries), expected="six of " + ", ".join(WALLS)
            )
        problem = "time step above the limit" if is_number(self.courant) and self.courant > 1 else "bad time step"
        within("courant", self.courant, 0, 1, ends="(]", problem=problem)
        for axis in range(3):
            layers = [self.layer(2 * axis + side) for side in (0, 1)]
            if sum(layers) >= self.grid.shape[axis]:
                raise InputError(
                    "absorbing layers fill the grid",
                    field="xyz"[axis],
                    found=f"{layers} cells",
                    expected=f"fewer than {self.grid.shape[axis]} together",
                )
        elements = self.elements
        names = [s.name for s in (*elements, *self.wires)]
        if len(set(names)) != len(names):
            raise InputError("two ports, elements or wires of one name", found=names)
        for source in self.sources:
            self._check_edges(source.name, source.edges)
            if isinstance(source, ImposedVoltage) and np.any(self.materials.ids[tuple(source.edges.T)] != PEC):
                raise InputError(f"'{source.name}' imposes a voltage outside of metal", expected="edges of metal")
        for wire in self.wires:
            wire.require_inside(self.grid, [self.interior(a) for a in range(3)])
        taken: dict[tuple[int, ...], str] = {}
        for element in elements:
            self._check_edges(element.name, element.edges)
            for edge in map(tuple, element.edges.tolist()):
                if edge in taken:
                    raise InputError(f"'{element.name}' and '{taken[edge]}' are on one edge", found=edge)
                taken[edge] = element.name
                if self.materials.ids[edge] == PEC or self._on_metal_wall(edge):
                    raise InputError(f"'{element.name}' is inside metal", found=edge)
        if self.dft is not None:
            for region in self.dft.regions:
                if min(region.low) < 0 or any(h > n for h, n in zip(region.high, nodes, strict=True)):
                    raise InputError(
                        "region outside the grid",
                        field=region.name,
                        found=f"{region.low} to {region.high}",
                        expected=f"within {nodes}",
                    )
        if self.wave is not None:
            for axis, (a, b) in enumerate(zip(self.wave.low, self.wave.high, strict=True)):
                first, last = self.interior(axis)
                if not first < a < b < last:
                    raise InputError(
                        "plane-wave box outside the interior of the grid",
                        field="xyz"[axis],
                        found=(a, b),
                        expected=f"between nodes {first} and {last}",
                    )

    @property
    def elements(self) -> tuple[VoltagePort | Lumped, ...]:
        """Ports, then lumped elements."""
        return (*self.ports, *self.lumped)

    def layer(self, face: int) -> int:
        """Cells of the absorbing layer at a face, 0 where there is none."""
        return self.cpml.cells if self.boundaries[face] == "cpml" else 0

    def interior(self, axis: int) -> tuple[int, int]:
        """First and last node outside the absorbing layers along an axis."""
        return self.layer(2 * axis), self.grid.shape[axis] - self.layer(2 * axis + 1)

    def _check_edges(self, name: str, edges: np.ndarray) -> None:
        c = edges[:, 0]
        for axis in range(3):
            n, at = self.grid.shape[axis], edges[:, 1 + axis]
            if np.any((c < 0) | (c > 2)) or np.any((at < 0) | (at > np.where(c == axis, n - 1, n))):
                raise InputError(f"'{name}' is not on edges of the grid", found=edges.tolist())
            first, last = self.interior(axis)
            if np.any((at < first) | (at + (c == axis) > last)):
                raise InputError(
                    f"'{name}' is inside the absorbing layer",
                    field="xyz"[axis],
                    found=f"{at.min()} to {at.max()}",
                    expected=f"{first} to {last}",
                )

    def _on_metal_wall(self, edge: tuple[int, ...]) -> bool:
        return any(
            edge[1 + axis] == (0, self.grid.shape[axis])[side] and self.boundaries[2 * axis + side] != "pmc"
            for axis in range(3)
            for side in (0, 1)
            if axis != edge[0]
        )


def _edges(self: CurrentSource | VoltagePort | Lumped) -> None:
    edges = np.array(self.edges, np.int64)
    if edges.ndim != 2 or edges.shape[1] != 4 or not len(edges):
        raise InputError(f"bad edges of '{self.name}'", found=edges.shape, expected="(m, 4)")
    if len(np.unique(edges, axis=0)) != len(edges) and not isinstance(self, CurrentSource):
        raise InputError(f"'{self.name}' names an edge twice", found=edges.tolist())
    object.__setattr__(self, "edges", edges)


def _per_edge(self: CurrentSource, name: str) -> None:
    values = np.array(getattr(self, name), float)
    if values.shape != (len(self.edges),) or not np.all(np.isfinite(values)):
        raise InputError(f"bad {name} of '{self.name}'", found=values.shape, expected=f"({len(self.edges)},)")
    object.__setattr__(self, name, values)


def _signs(self: VoltagePort | Lumped) -> None:
    signs = np.ones(len(self.edges)) if self.signs is None else np.array(self.signs, float)
    if signs.shape != (len(self.edges),) or not np.all(np.abs(signs) == 1):
        raise InputError(f"bad signs of '{self.name}'", found=signs.tolist(), expected="+1 or -1 per edge")
    object.__setattr__(self, "signs", signs)


def _element(self: VoltagePort | Lumped, name: str, value: float) -> None:
    positive(name, value, problem=f"bad value of '{self.name}'")
