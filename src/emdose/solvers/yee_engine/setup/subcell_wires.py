"""Wires thinner than a cell along any path, with currents and charges of their own.

They are not bound to edges: see :mod:`emdose.solvers.yee_engine.setup.wire_paths` for how they are coupled to the
lattice and :mod:`emdose.solvers.yee_engine.setup.wire_statics` for their inductance and elastance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import array, number, positive
from emdose.errors import InputError
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine.setup.signals import SourceSignal


@dataclass(frozen=True, eq=False)
class SubcellWire:
    """A wire along a path of straight segments, open at both ends, in whatever medium is there.

    Parameters
    ----------
    name : str
        Name; the key of what the engine says about it.
    nodes_m : (n + 1, 3) float ndarray
        Ends of the segments, from one end of the wire to the other [m].
    conductor_radius_m : float
        Radius of the conductor [m].
    coat_radius_m : float, optional
        Outer radius of the insulation [m]; without one the wire is bare.
    coat_permittivity : float
        Relative permittivity of the insulation.
    coated_m : (n + 1,) float ndarray, optional
        How much of the length that belongs to each node (half of the segments at both sides) is insulated [m]; the
        rest is bare metal. By default all of it where there is an insulation.
    bare_radius_m : float, optional
        Radius of the metal there [m]; that of the conductor by default.
    resistance_ohm_m, inductance_H_m : float
        In series, beside the inductance of a straight perfect conductor [ohm/m], [H/m].
    emf_V : (n,) float ndarray, optional
        Voltage impressed on each segment at waveform value 1, towards the last node [V].
    waveform : SourceSignal, optional
        Of the impressed voltages, at n dt.

    Raises
    ------
    InputError
        For fewer than two segments, a segment without length, or values that are not physical.
    """

    name: str
    nodes_m: np.ndarray
    conductor_radius_m: float
    coat_radius_m: float | None = None
    coat_permittivity: float = 1.0
    coated_m: np.ndarray | None = None
    bare_radius_m: float | None = None
    resistance_ohm_m: float = 0.0
    inductance_H_m: float = 0.0
    emf_V: np.ndarray | None = None
    waveform: SourceSignal | None = None

    def __post_init__(self) -> None:
        nodes = array(f"{self.name}.nodes_m", self.nodes_m, (None, 3), problem="bad wire")
        if len(nodes) < 3 or np.linalg.norm(np.diff(nodes, axis=0), axis=1).min() <= 0:
            raise InputError("bad wire", field=self.name, found=f"{len(nodes)} nodes", expected="two segments or more")
        object.__setattr__(self, "nodes_m", nodes)
        positive(f"{self.name}.conductor_radius_m", self.conductor_radius_m)
        positive(f"{self.name}.coat_permittivity", self.coat_permittivity)
        if self.bare_radius_m is not None:
            positive(f"{self.name}.bare_radius_m", self.bare_radius_m)
        for key in ("resistance_ohm_m", "inductance_H_m"):
            if number(f"{self.name}.{key}", getattr(self, key)) < 0:
                raise InputError("negative value", field=f"{self.name}.{key}", found=getattr(self, key))
        coat = self.coat_radius_m
        if coat is not None and coat <= self.conductor_radius_m:
            raise InputError(
                "coat thinner than the conductor",
                field=f"{self.name}.coat_radius_m",
                found=coat,
                expected=f"more than {self.conductor_radius_m:g}",
            )
        whole = self.node_lengths_m if coat is not None else np.zeros(len(nodes))
        coated = whole if self.coated_m is None else np.asarray(self.coated_m, float)
        if coated.shape != whole.shape or np.any(coated < 0) or np.any(coated > whole * (1 + 1e-9)):
            raise InputError("bad lengths of insulation", field=f"{self.name}.coated_m", found=coated.shape)
        object.__setattr__(self, "coated_m", np.minimum(coated, whole))
        emf = np.zeros(len(nodes) - 1) if self.emf_V is None else np.asarray(self.emf_V, float)
        if emf.shape != (len(nodes) - 1,) or not np.all(np.isfinite(emf)):
            raise InputError("bad impressed voltages", field=f"{self.name}.emf_V", found=emf.shape)
        object.__setattr__(self, "emf_V", emf)

    @property
    def outer_radius_m(self) -> float:
        """Radius of the insulation, or of the conductor of a bare wire [m]."""
        return self.conductor_radius_m if self.coat_radius_m is None else self.coat_radius_m

    @property
    def contact_radius_m(self) -> float:
        """Radius of the metal where it is bare [m]."""
        return self.conductor_radius_m if self.bare_radius_m is None else self.bare_radius_m

    @property
    def lengths_m(self) -> np.ndarray:
        """Length of every segment, (n,) [m]."""
        return np.asarray(np.linalg.norm(np.diff(self.nodes_m, axis=0), axis=1))

    @property
    def node_lengths_m(self) -> np.ndarray:
        """Length that belongs to every node, (n + 1,): half of the segments beside it [m]."""
        half = 0.5 * self.lengths_m
        return np.concatenate([half, [0.0]]) + np.concatenate([[0.0], half])

    def require_inside(self, grid: RectilinearGrid, interior: list[tuple[int, int]]) -> None:
        """Raise InputError unless the wire keeps a cell away from what is outside the given nodes of a grid."""
        for axis, (first, last) in enumerate(interior):
            nodes, x = grid.nodes(axis), self.nodes_m[:, axis]
            if x.min() < nodes[first + 1] or x.max() > nodes[last - 1]:
                raise InputError(
                    f"'{self.name}' leaves the interior of the grid",
                    field="xyz"[axis],
                    found=f"{x.min():g} to {x.max():g} m",
                    expected=f"{nodes[first + 1]:g} to {nodes[last - 1]:g} m",
                )
