r"""The heat problem on a voxel grid: maps of a body, conductances of faces, and the layout the kernels walk.

Finite volumes on the voxels: heat flows through the face of two neighbours a and b by

.. math:: \frac{k_{ab}}{h^2} (T_b - T_a), \qquad k_{ab} = \frac{2 k_a k_b}{k_a + k_b}

per volume, which is exact for layers; what perfusion and the surface take is a conductance to zero in the voxel. Where
voxels are split, so that steps differ from cell to cell, everything is counted per volume V of the unsplit voxel: the
conductance of a face then is k_ab A / (d V), with its area A and the distance d of the two centres, and heat, sinks and
sources carry the volume of the cell over V. The equations of the kernels stay what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from emdose.checks import array, fits, lengths, not_negative, one_of
from emdose.compute.backend import Backend
from emdose.errors import InputError, ResourceError
from emdose.models.grids.grid import Shape, Vector
from emdose.solvers.heat.kernels.bioheat import LANES, ROWS, WIDEST
from emdose.values import read_only

EDGES = ("surface", "insulated", "fixed")
INERT_HEAT = 1e6
"""Heat capacity given to voxels that take no part [J/m^3/K]."""


@read_only(units={"heat_capacity": "J/m^3/K", "conductivity": "W/m/K", "perfusion": "W/m^3/K"})
@dataclass(frozen=True, eq=False)
class HeatMaps:
    """Thermal properties of every voxel and what happens at the border.

    Parameters
    ----------
    spacing_m : (float, float, float)
        Voxel edge lengths [m].
    heat_capacity : (nx, ny, nz) ndarray
        Density times specific heat capacity [J/m^3/K].
    conductivity : (nx, ny, nz) or (3, nx, ny, nz) ndarray
        Thermal conductivity, of voxels cut by a surface along each axis [W/m/K].
    perfusion : (nx, ny, nz) ndarray
        Heat that blood takes per kelvin [W/m^3/K].
    active : (nx, ny, nz) bool ndarray
        Voxels that hold matter; the others are empty and keep no temperature.
    surface_W_m2_K : float
        Exchange coefficient h of faces between active voxels and ``outside``; 0 insulates them.
    outside : (nx, ny, nz) bool ndarray, optional
        Empty voxels whose faces exchange heat; by default all that are not active. Faces to other empty voxels are
        insulated.
    edges : "surface", "insulated" or "fixed"
        What the faces of active voxels at the ends of the grid do: as faces to the outside; nothing; hold a rise of 0.
    pinned : (nx, ny, nz) bool ndarray, optional
        Voxels whose rise stays 0, such as blood at a given temperature.
    face_conductivity : (3, nx, ny, nz) ndarray, optional
        Conductivity of the way between the centres on both sides of the face on a voxel's high side, per axis [W/m/K];
        by default the harmonic mean of the two voxels.
    steps_m : three (n,) ndarrays, optional
        Edge lengths of the cells along each axis, where they differ; ``spacing_m`` is then that of the unsplit voxels.

    Raises
    ------
    InputError
        When shapes differ, nothing is active, or a value makes no sense.
    """

    spacing_m: Vector
    heat_capacity: np.ndarray
    conductivity: np.ndarray
    perfusion: np.ndarray
    active: np.ndarray
    surface_W_m2_K: float = 0.0
    outside: np.ndarray | None = None
    edges: str = "surface"
    pinned: np.ndarray | None = None
    face_conductivity: np.ndarray | None = None
    steps_m: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    def __post_init__(self) -> None:
        shape = self.shape
        if len(shape) != 3:
            raise InputError("no map of voxels", field="active", found=shape, expected="three axes")
        if np.shape(self.conductivity) not in (shape, (3, *shape)):
            raise InputError(
                "map does not fit the grid",
                field="conductivity",
                found=np.shape(self.conductivity),
                expected=f"{shape} or (3, ...)",
            )
        for name in ("heat_capacity", "perfusion", "outside", "pinned"):
            values = getattr(self, name)
            if values is not None:
                fits(name, values, shape, problem="map does not fit the grid")
        lengths("spacing_m", self.spacing_m)
        for axis, steps in enumerate(self.steps_m or ()):
            array("steps_m", steps, (shape[axis],), above=0, problem="bad steps")
        one_of("edges", self.edges, EDGES, problem="unknown choice")
        not_negative("surface_W_m2_K", self.surface_W_m2_K, problem="bad exchange coefficient")
        if not self.active.any():
            raise InputError("nothing to heat: no active voxel", field="active")
        if not self.solved.any():
            raise InputError("nothing to heat: every voxel is held at blood temperature", field="pinned")
        for name, least in (("heat_capacity", "> 0"), ("conductivity", "> 0"), ("perfusion", ">= 0")):
            values = np.asarray(getattr(self, name))[..., self.active]
            if not np.isfinite(values).all() or values.min() < 0 or (least == "> 0" and values.min() == 0):
                raise InputError(
                    f"unusable {name.replace('_', ' ')}",
                    field=name,
                    found=float(np.nanmin(values)),
                    expected=f"finite numbers {least} in every active voxel",
                )

    @property
    def shape(self) -> Shape:
        """Number of voxels along x, y and z."""
        return np.shape(self.active)

    @property
    def voxel_volume_m3(self) -> float:
        """Volume of one voxel that is not split, which everything is counted per [m^3]."""
        return float(np.prod(self.spacing_m))

    def relative(self, *axes: int) -> Any:
        """Steps over those of an unsplit voxel, multiplied over some axes: an array that broadcasts, or 1."""
        if self.steps_m is None:
            return 1.0
        out = np.ones((1, 1, 1))
        for a in axes:
            shape = [1, 1, 1]
            shape[a] = -1
            out = out * (self.steps_m[a] / self.spacing_m[a]).reshape(shape)
        return out

    @property
    def weights(self) -> Any:
        """Volume of every cell over that of an unsplit voxel; 1 where nothing is split."""
        return self.relative(0, 1, 2)

    def power_W(self, sources: np.ndarray) -> np.ndarray:
        """Power of every source (s, nx, ny, nz) [W/m^3] in the voxels whose rise is not held, (s,) [W]."""
        scaled = sources if self.steps_m is None else sources * self.weights
        return np.asarray(self.voxel_volume_m3 * scaled[..., self.solved].sum(axis=-1, dtype=float))

    def window(self) -> tuple[slice, slice, slice]:
        """The smallest box of voxels that holds all active ones."""
        box = []
        for axis in range(3):
            used = np.flatnonzero(self.active.any(axis=tuple(a for a in range(3) if a != axis)))
            box.append(slice(int(used[0]), int(used[-1]) + 1))
        return box[0], box[1], box[2]

    def along(self, axis: int) -> np.ndarray:
        """Conductivity along an axis, (nx, ny, nz) [W/m/K]."""
        return self.conductivity[axis] if np.ndim(self.conductivity) == 4 else self.conductivity

    @property
    def solved(self) -> np.ndarray:
        """Active voxels whose rise is not held, (nx, ny, nz) bool."""
        return self.active if self.pinned is None else self.active & ~self.pinned

    def faces(self, axis: int) -> np.ndarray:
        """Conductance of the faces on the high side of every voxel, 0 at the border [W/m^3/K], (nx, ny, nz) float64."""
        below, above = sides(axis)
        g = self._between(axis)
        g[below] *= self.solved[below] & self.solved[above]
        return g

    def _between(self, axis: int) -> np.ndarray:
        """The same between all active voxels, held ones among them."""
        k = np.where(self.active, self.along(axis), 0.0).astype(float)
        below, above = sides(axis)
        g = np.zeros(self.shape)
        along = np.broadcast_to(self.relative(axis), self.shape)
        if self.face_conductivity is None:
            g[below] = in_series(k[below], k[above], along[below], along[above])
        else:
            g[below] = np.where(self.active[below] & self.active[above], self.face_conductivity[axis][below], 0.0)
        across = self.relative(*(a for a in range(3) if a != axis))
        g[below] /= 0.5 * (along[below] + along[above])
        return g * across / self.spacing_m[axis] ** 2

    def border(self) -> tuple[np.ndarray, np.ndarray]:
        """What faces to the outside and to held edges take per kelvin, two maps (nx, ny, nz) [W/m^3/K].

        A face of coefficient h is in series with half a voxel: 1 / (1/h + d / (2 k)).
        """
        outside = ~self.active if self.outside is None else self.outside & ~self.active
        surface, held = np.zeros((2, *self.shape))
        for axis in range(3):
            h, d = self.spacing_m[axis], self.spacing_m[axis] * self.relative(axis)
            area = self.relative(*(a for a in range(3) if a != axis))
            k = np.where(self.active, self.along(axis), 1.0)
            exchange = area / (1 / self.surface_W_m2_K + d / (2 * k)) / h if self.surface_W_m2_K > 0 else 0 * k
            for side in (-1, 1):
                beyond = np.roll(outside, -side, axis)
                end = tuple(slice(None) if a != axis else (0 if side < 0 else -1) for a in range(3))
                beyond[end] = self.edges == "surface"
                surface += np.where(beyond & self.active, exchange, 0.0)
                if self.edges == "fixed":
                    held[end] += np.where(self.active, 2 * k * area / (h * d), 0.0)[end]
        return surface, held

    def sinks(self) -> tuple[np.ndarray, np.ndarray]:
        """Everything that takes heat per kelvin of rise, and the part of the surface in it, (nx, ny, nz) [W/m^3/K]."""
        surface, held = self.border()
        total = np.where(self.active, self.perfusion, 0.0) * self.weights + surface + held
        if self.pinned is not None:
            for axis in range(3):
                below, above = sides(axis)
                g = self._between(axis)[below]
                total[below] += g * self.pinned[above]
                total[above] += g * self.pinned[below]
        return np.where(self.solved, total, 0.0), np.where(self.solved, surface, 0.0)


def sides(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index of the voxels below and of those above all inner faces normal to an axis."""
    below, above = (tuple(s if a == axis else slice(None) for a in range(3)) for s in (slice(0, -1), slice(1, None)))
    return below, above


def in_series(a: np.ndarray, b: np.ndarray, p: Any = 1.0, q: Any = 1.0) -> np.ndarray:
    """Conductivity of ways p in a and q in b behind each other: (p + q) / (p / a + q / b), 0 where both are 0."""
    total = q * a + p * b
    return np.divide((p + q) * a * b, total, out=np.zeros_like(total), where=total > 0)


@dataclass(frozen=True, eq=False)
class Tiles:
    """Bundles of neighbouring lines that a sweep walks, see bioheat.cuh: first cell, length, lines per tile."""

    first: Any
    count: Any
    lanes: int
    packed: Any = None

    def launches(self, be: Backend, maps: int = 1) -> int:
        """Number of indices of a launch over all tiles and maps."""
        lines = self.lanes if be.name == "cuda" else 1  # a GPU gives every line to a thread
        return int(self.first.size) * lines * maps


def padded_shape(shape: Shape) -> Shape:
    """Shape of a map in the layout of the kernels."""
    nx, ny, nz = shape
    parts = -(-nz // WIDEST)
    row = LANES * -(-nz // (LANES * parts)) * parts
    # Planes a power of two apart would share the same few lines of a cache.
    ny = max(-(-ny // 4) * 4, ROWS)
    ny += 4 if (ny * row * 4) % 4096 == 0 else 0
    return nx + 2, ny, row


class Layout:
    """How voxels lie in the padded arrays of the kernels, and which lines hold active ones.

    Parameters
    ----------
    active : (nx, ny, nz) bool ndarray
        Voxels that take part, without empty margin.
    be : Backend
        Where the tiles are used.
    """

    def __init__(self, active: np.ndarray, be: Backend) -> None:
        nx, ny, nz = self.inner = active.shape
        parts = -(-nz // WIDEST)
        lanes = LANES * -(-nz // (LANES * parts))
        self.shape = padded_shape(active.shape)
        _, ny, row = self.shape
        self.plane, self.row, self.n = ny * row, row, (nx + 2) * ny * row
        padded: Any = self.pad(active, False)
        flat = padded.reshape(nx + 2, self.plane)
        wide = 4 * LANES
        self.x = self._tiles(be, flat.reshape(nx + 2, -1, wide).any(2).T, wide, self.plane, wide, 0)
        by_plane = padded.reshape(nx + 2, ny, parts, lanes).any(3)
        bundles = by_plane.transpose(0, 2, 1).reshape(-1, ny)
        starts = np.arange(nx + 2)[:, None] * self.plane + np.arange(parts) * lanes
        self.y = self._tiles(be, bundles, lanes, row, 0, starts.ravel())
        rows = padded.reshape(-1, row)[ny : -(-nx * ny // ROWS) * ROWS + ny]
        self.z = self._tiles(be, rows.reshape(-1, ROWS, row).any(1), ROWS, 1, ROWS * row, self.plane)

    def _tiles(self, be: Backend, used: np.ndarray, lanes: int, along: int, step: int, start: Any) -> Tiles:
        """Tiles from which of their cells are used, (tiles, cells along the lines)."""
        some = np.flatnonzero(used.any(1))
        low = used[some].argmax(1)
        count = used.shape[1] - used[some][:, ::-1].argmax(1) - low
        first = (start[some] if np.ndim(start) else start + some * step) + low * along
        packed = np.concatenate([[0], np.cumsum(count[:-1])]) * lanes
        return Tiles(
            be.asarray(first, np.int64), be.asarray(count, np.int32), lanes, be.asarray(packed.astype(np.int64))
        )

    def pad(self, values: np.ndarray, fill: Any = 0) -> np.ndarray:
        """A map (..., nx, ny, nz) in the layout of the kernels."""
        out = np.full((*values.shape[:-3], *self.shape), fill, values.dtype)
        out[self._inside] = values
        return out

    def crop(self, values: Any) -> Any:
        """The voxels of a padded map or of several, (..., nx, ny, nz)."""
        return values.reshape(*values.shape[:-3], *self.shape)[self._inside]

    def lines(self, axis: str, maps: int) -> dict[str, Any]:
        """Struct of the tiles along x or y, for so many maps one after the other."""
        tiles = self.x if axis == "x" else self.y
        sizes = {"lanes": tiles.lanes, "maps": maps, "n": self.n, "along": self.plane if axis == "x" else self.row}
        return {**sizes, "first": tiles.first, "count": tiles.count}

    def columns(self, sources: int) -> dict[str, Any]:
        """Struct of the tiles along z."""
        z = self.z
        sizes = {"sources": sources, "n": self.n, "row": self.row}
        return {**sizes, "first": z.first, "packed": z.packed, "count": z.count}

    def flow(self, g: tuple[Any, ...], sink: Any) -> dict[str, Any]:
        """Struct of the conductances along the axes and the sink."""
        return {"plane": self.plane, "row": self.row, **dict(zip(("gx", "gy", "gz"), g, strict=True)), "sink": sink}

    @property
    def _inside(self) -> tuple[Any, ...]:
        nx, ny, nz = self.inner
        return (..., slice(1, nx + 1), slice(0, ny), slice(0, nz))


class HeatProblem:
    """Maps of a body on a device, in the layout of the kernels.

    Parameters
    ----------
    maps : HeatMaps
        The body.
    be : Backend
        Where to compute.
    dtype : "float32" or "float64"
        Precision of the state.
    sources : int
        Number of source maps that will be stepped at once; decides whether it fits.

    Raises
    ------
    ResourceError
        When it does not fit the memory.
    """

    def __init__(self, maps: HeatMaps, be: Backend, dtype: str, sources: int) -> None:
        self.maps, self.be, self.dtype = maps, be, np.dtype(dtype)
        self.window = maps.window()
        self.active = maps.solved[self.window]
        self.layout = Layout(self.active, be)
        self.cells = int(np.count_nonzero(self.active))
        need = self.layout.n * self.dtype.itemsize * (3 * sources + 13)
        if need > be.memory_free_bytes():
            raise ResourceError(
                f"the heat problem needs {need / 2**30:.1f} GiB for {sources} sources of "
                f"{self.layout.n / 1e6:.1f} million voxels; {be.memory_free_bytes() / 2**30:.1f} GiB "
                "are free: coarser voxels or a smaller margin would fit"
            )
        sink, _ = maps.sinks()
        self.sink = self._put(sink)
        self.heat = self._put(np.where(maps.solved, maps.heat_capacity * maps.weights, INERT_HEAT), INERT_HEAT)
        self.g = tuple(self._put(maps.faces(a)) for a in range(3))

    def _put(self, values: np.ndarray, fill: float = 0.0) -> Any:
        padded = self.layout.pad(np.asarray(values)[self.window].astype(self.dtype), fill)
        return self.be.asarray(np.ascontiguousarray(padded))

    def source(self, values: np.ndarray) -> Any:
        """Power densities (s, nx, ny, nz) on the device, per volume of an unsplit voxel, 0 where nothing is solved."""
        return self.field(values, self.maps.weights)

    def field(self, values: np.ndarray, weights: Any = 1.0) -> Any:
        """Maps (s, nx, ny, nz), times what broadcasts to a map, on the device; 0 where nothing is solved."""
        scale = np.where(self.active, np.broadcast_to(weights, self.maps.shape)[self.window], 0.0).astype(self.dtype)
        out = np.zeros((len(values), *self.layout.shape), self.dtype)
        for one, given in zip(self.layout.crop(out), values, strict=True):
            np.multiply(given[self.window], scale, out=one, where=self.active, casting="unsafe")
        return self.be.asarray(out)

    def result(self, values: Any) -> np.ndarray:
        """Maps (..., nx, ny, nz) of the whole grid as float32 or float64, 0 where nothing is active."""
        inner = self.be.to_numpy(self.layout.crop(values))
        out = np.zeros((*inner.shape[:-3], *self.maps.shape), inner.dtype)
        out[(..., *self.window)] = np.where(self.active, inner, 0)
        return out
