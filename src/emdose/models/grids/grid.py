"""The voxel grid and where things live on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from emdose.checks import counts, lengths, real_array, vector
from emdose.errors import InputError
from emdose.values import read_only

LARGEST_VOXEL_M = 0.1
"""Longest edge of a voxel [m]: the bodies of emdose are people and their parts, and 5.0 stands for 5 mm in disguise."""

Vector = tuple[float, float, float]
Shape = tuple[int, int, int]


@read_only
@dataclass(frozen=True)
class Grid:
    """A uniform rectilinear grid of voxels.

    Parameters
    ----------
    shape : (int, int, int)
        Number of voxels along x, y and z.
    spacing_m : float or (float, float, float)
        Voxel edge lengths [m]; one number means cubes.
    origin_m : (float, float, float), optional
        Low corner of voxel (0, 0, 0) [m]; by default the grid is centred on the isocentre.

    Raises
    ------
    InputError
        When the shape or the spacing is not positive and finite, or a voxel is longer than :data:`LARGEST_VOXEL_M`.
    """

    shape: Shape
    spacing_m: Vector
    origin_m: Vector = (math.nan, math.nan, math.nan)

    def __post_init__(self) -> None:
        shape = counts("shape", self.shape, 1, problem="bad grid shape")
        spacing = lengths("spacing_m", self.spacing_m)
        no_larger_than_a_voxel("spacing_m", max(spacing))
        centred = real_array(self.origin_m)
        if centred is not None and np.all(np.isnan(centred)):
            origin = -0.5 * np.array(shape) * spacing
        else:
            origin = vector("origin_m", self.origin_m, problem="bad grid origin", expected="three finite metres")
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing_m", spacing)
        object.__setattr__(self, "origin_m", tuple(origin.tolist()))

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def node_shape(self) -> Shape:
        """Number of voxel corners along x, y and z: the shape of one component of a Yee array."""
        return tuple(n + 1 for n in self.shape)  # type: ignore[return-value]

    @property
    def voxel_volume_m3(self) -> float:
        """Volume of one voxel [m^3]."""
        return math.prod(self.spacing_m)

    @property
    def is_cubic(self) -> bool:
        """Whether the three spacings agree to 1e-6."""
        return max(self.spacing_m) <= min(self.spacing_m) * (1 + 1e-6)

    @property
    def bounds_m(self) -> tuple[Vector, Vector]:
        """Low and high corner of the grid [m]."""
        high = tuple(o + n * s for o, n, s in zip(self.origin_m, self.shape, self.spacing_m, strict=True))
        return self.origin_m, high  # type: ignore[return-value]

    def nodes(self, axis: int) -> np.ndarray:
        """Coordinates of the voxel corners along one axis, shape (n + 1,) [m]."""
        return self.origin_m[axis] + self.spacing_m[axis] * np.arange(self.shape[axis] + 1)

    def centres(self, axis: int) -> np.ndarray:
        """Coordinates of the voxel centres along one axis, shape (n,) [m]."""
        return self.origin_m[axis] + self.spacing_m[axis] * (np.arange(self.shape[axis]) + 0.5)

    def centre_points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Voxel centres as three sparse arrays that broadcast to ``shape`` [m]."""
        return tuple(np.meshgrid(*(self.centres(a) for a in range(3)), indexing="ij", sparse=True))

    def edge_points(self, component: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Edge midpoints of one E component as sparse arrays that broadcast to ``node_shape`` [m].

        The last layer along ``component`` lies outside the grid and keeps the regular coordinate.
        """
        return self._yee_points([0.5 if a == component else 0.0 for a in range(3)])

    def face_points(self, component: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Face midpoints of one B component as sparse arrays that broadcast to ``node_shape`` [m]."""
        return self._yee_points([0.0 if a == component else 0.5 for a in range(3)])

    def _yee_points(self, shift: list[float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        axes = (self.nodes(a) + shift[a] * self.spacing_m[a] for a in range(3))
        return tuple(np.meshgrid(*axes, indexing="ij", sparse=True))  # type: ignore[return-value]

    def index_of(self, point_m: Vector) -> tuple[int, int, int]:
        """Index of the voxel that holds a point [m]; raises InputError when the point is outside."""
        index = tuple(math.floor((p - o) / s) for p, o, s in zip(point_m, self.origin_m, self.spacing_m, strict=True))
        if any(i < 0 or i >= n for i, n in zip(index, self.shape, strict=True)):
            raise InputError("point outside the grid", found=tuple(point_m), expected=f"within {self.bounds_m} m")
        return index  # type: ignore[return-value]

    def crop(self, low: Shape, high: Shape) -> Grid:
        """The grid of voxels ``low`` (included) to ``high`` (excluded); negative lows and large highs pad."""
        shape = tuple(b - a for a, b in zip(low, high, strict=True))
        origin = tuple(o + a * s for o, a, s in zip(self.origin_m, low, self.spacing_m, strict=True))
        return Grid(shape, self.spacing_m, origin)  # type: ignore[arg-type]

    def moved(self, shift_m: Vector) -> Grid:
        """The same grid displaced by a vector [m]."""
        origin = tuple(o + d for o, d in zip(self.origin_m, shift_m, strict=True))
        return Grid(self.shape, self.spacing_m, origin)  # type: ignore[arg-type]


def no_larger_than_a_voxel(name: str, edge_m: float) -> None:
    """Raise InputError for an edge that is no voxel's: most likely millimetres where metres belong."""
    if edge_m > LARGEST_VOXEL_M:
        raise InputError(
            "voxels of this size are no voxels of a body",
            field=name,
            found=f"{edge_m:g} m",
            expected=f"metres, at most {LARGEST_VOXEL_M:g} (5 mm are 5e-3)",
        )
