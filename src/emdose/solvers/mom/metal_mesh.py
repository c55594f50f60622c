"""Metal as triangles and straight pieces of wire, with the gaps that cut it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class GapCut:
    """Where a gap cuts the metal: a voltage between the two sides of a line of edges, or of a point of a wire.

    Parameters
    ----------
    name : str
        Name of the gap.
    direction : (3,) ndarray
        From its start to its end: that way a positive current runs.
    edges : (k, 2) int ndarray
        Ends of the edges of triangles that the cut runs along; empty for a gap of a wire.
    node : int
        The point of a wire that it cuts, or -1.
    """

    name: str
    direction: np.ndarray
    edges: np.ndarray
    node: int = -1


@read_only
@dataclass(frozen=True, eq=False)
class MetalMesh:
    """Thin metal for the method of moments; no thickness, current on its middle surface.

    Where triangles share the ends of an edge they are joined, and where wires share a point.

    Parameters
    ----------
    points_m : (p, 3) ndarray
        Corners [m].
    triangles : (t, 3) int ndarray
        Their corners; either sense.
    wires : (w, 2) int ndarray
        Ends of straight pieces of wire.
    wire_radius_m : (w,) ndarray
        Their radii [m].
    gaps : sequence of GapCut
        In the order of the coil's gaps.
    triangle_part, wire_part : (t,), (w,) int ndarray
        Which of ``parts`` each belongs to.
    parts : sequence of str
        What the metal belongs to, such as "coil" and "shield": its losses are told apart.
    rotations : int
        n where a turn by 1/n about the z axis through ``centre_m`` maps the mesh onto itself. Then element e of sector
        s is number s E + e among n E triangles, and so for wires; gaps need not be symmetric.
    centre_m : (3,) ndarray
        A point on that axis [m].

    Raises
    ------
    InputError
        For arrays that do not fit each other, or a triangle or piece without size.
    """

    points_m: np.ndarray
    triangles: np.ndarray
    wires: np.ndarray
    wire_radius_m: np.ndarray
    gaps: tuple[GapCut, ...]
    triangle_part: np.ndarray
    wire_part: np.ndarray
    parts: tuple[str, ...] = ("coil",)
    rotations: int = 1
    centre_m: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        for name, dtype, width in (
            ("points_m", float, 3),
            ("triangles", np.int64, 3),
            ("wires", np.int64, 2),
            ("wire_radius_m", float, None),
            ("triangle_part", np.int64, None),
            ("wire_part", np.int64, None),
        ):
            value = np.asarray(getattr(self, name), dtype)
            object.__setattr__(self, name, value if width is None else value.reshape(-1, width))
        object.__setattr__(self, "gaps", tuple(self.gaps))
        object.__setattr__(self, "parts", tuple(self.parts))
        centre = np.zeros(3) if self.centre_m is None else np.asarray(self.centre_m, float)
        object.__setattr__(self, "centre_m", centre)
        counts = (len(self.triangles), len(self.wires))
        found = (len(self.triangle_part), len(self.wire_part))
        if counts != found or len(self.wire_radius_m) != counts[1]:
            raise InputError(
                "parts do not fit the mesh", field="triangle_part, wire_part", found=found, expected=str(counts)
            )
        a, b, c = (self.points_m[self.triangles[:, i]] for i in range(3))
        if np.any(np.linalg.norm(np.cross(b - a, c - a), axis=1) == 0) or np.any(self.wire_lengths_m == 0):
            raise InputError("a piece of metal has no size", field="triangles, wires", expected="corners that differ")

    @property
    def wire_lengths_m(self) -> np.ndarray:
        """Lengths of the pieces of wire, (w,) [m]."""
        return np.asarray(np.linalg.norm(np.diff(self.points_m[self.wires], axis=1)[:, 0], axis=1))
