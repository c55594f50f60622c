"""A rectilinear grid whose steps may change from cell to cell, and where things live on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emdose.checks import array, growing
from emdose.errors import InputError
from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.values import read_only


@read_only
@dataclass(frozen=True, eq=False)
class RectilinearGrid:
    """A grid given by the coordinates of its node planes.

    Parameters
    ----------
    x, y, z : (n + 1,) float ndarray
        Node coordinates along each axis, strictly growing [m].

    Raises
    ------
    InputError
        When an axis has fewer than two nodes, does not grow, or is not finite.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray

    def __post_init__(self) -> None:
        for name in "xyz":
            nodes = array(name, getattr(self, name), (None,), problem="bad grid planes")
            if len(nodes) < 2:
                raise InputError("bad grid planes", field=name, found=f"{nodes.size} values", expected="two or more")
            growing(name, nodes, problem="bad grid planes", unit=" m")
            nodes.flags.writeable = False
            object.__setattr__(self, name, nodes)

    @classmethod
    def from_grid(cls, grid: Grid) -> RectilinearGrid:
        """The same cells as a uniform grid."""
        return cls(*(grid.nodes(a) for a in range(3)))

    @property
    def shape(self) -> Shape:
        """Number of cells along x, y and z."""
        return len(self.x) - 1, len(self.y) - 1, len(self.z) - 1

    @property
    def node_shape(self) -> Shape:
        """Number of nodes along x, y and z: the shape of one component of a Yee array."""
        return len(self.x), len(self.y), len(self.z)

    @property
    def bounds_m(self) -> tuple[Vector, Vector]:
        """Low and high corner [m]."""
        low, high = zip(*((float(n[0]), float(n[-1])) for n in (self.x, self.y, self.z)), strict=True)
        return low, high

    def nodes(self, axis: int) -> np.ndarray:
        """Node coordinates along one axis, (n + 1,) [m]."""
        return (self.x, self.y, self.z)[axis]

    def centres(self, axis: int) -> np.ndarray:
        """Cell centres along one axis, (n,) [m]."""
        nodes = self.nodes(axis)
        return 0.5 * (nodes[1:] + nodes[:-1])

    def steps(self, axis: int) -> np.ndarray:
        """Cell edge lengths along one axis, (n,) [m]."""
        return np.diff(self.nodes(axis))

    def dual_steps(self, axis: int) -> np.ndarray:
        """Distances between cell centres around each node, (n + 1,); half a cell at both ends [m]."""
        d = self.steps(axis)
        return 0.5 * (np.concatenate([[0.0], d]) + np.concatenate([d, [0.0]]))

    @property
    def is_uniform(self) -> bool:
        """Whether all steps along each axis agree to 1e-6."""
        return all(np.ptp(self.steps(a)) <= 1e-6 * self.steps(a).max() for a in range(3))
