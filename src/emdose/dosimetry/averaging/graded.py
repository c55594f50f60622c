"""Mass averages on voxels that are no cubes or change size, after IEC/IEEE 62704-1.

The steps and flags are those of :mod:`emdose.dosimetry.averaging.cubic`. What differs is the geometry: a cube has a
real side and its faces cut the voxels wherever they lie. The mass inside follows from a summed-area table that is read
between its nodes, exactly, because density is constant in a voxel. Every face that lies wholly in the background of a
layer of voxels that the growing cube enters makes the cube invalid, and a voxel counts as inside when more than 0.999
of its volume is.

On cubes of one size both give the same flags and values; the plan for those is faster.

Source: IEC/IEEE 62704-1:2017, spatial-average SAR.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from emdose.checks import positives
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.averaging.cubes import (
    UNUSED,
    USED,
    VALID,
    MassAverage,
    PeakCube,
    Weights,
    accepted_cubes,
    checked_map,
    cube_of,
    density_map,
    metal_mask,
    positive_mass,
    summed_area_table,
    tissue_mask,
)
from emdose.errors import InputError, ResourceError
from emdose.models.grids.grid import no_larger_than_a_voxel
from emdose.values import owned


class GradedAveragingPlan:
    """The averaging cubes of a body on rectilinear voxels: found once, applied to many maps.

    Parameters
    ----------
    density : (nx, ny, nz) array
        Mass density [kg/m^3]; NaN or <= 0 is background.
    spacing_m : three floats or three arrays (nx,), (ny,), (nz,)
        Voxel edges along x, y and z [m].
    mass_kg : float
        Averaging mass [kg].
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.
    metal : (nx, ny, nz) bool array, optional
        Voxels of metal: no mass and no power, and no background either, so that cubes grow over it.

    Raises
    ------
    InputError
        For edges that do not fit the density or are not positive, an infinite density, no tissue, or a mass that is
        not positive or that some voxel finds no cube for.
    ResourceError
        When the tables do not fit the memory.
    """

    def __init__(
        self,
        density: Any,
        spacing_m: Sequence[Any],
        mass_kg: float,
        device: str | Backend = "auto",
        metal: Any = None,
    ) -> None:
        self.be: Backend = backend.get(device)
        self.mass_kg = positive_mass(mass_kg)
        xp = self.be.xp
        self._kernels = self.be.kernels.load(__package__, "average_graded", real="double")
        density = density_map(self.be, density)
        self.shape: tuple[int, int, int] = density.shape
        self.steps_m = voxel_edges(spacing_m, self.shape)
        nodes = self.be.asarray(np.concatenate([np.concatenate([[0.0], np.cumsum(s)]) for s in self.steps_m]))
        self._grid = {**dict(zip(("nx", "ny", "nz"), self.shape, strict=True)), "nodes": nodes}
        self._tissue = tissue_mask(self.be, density)
        self._metal = metal_mask(self.be, metal, self._tissue)
        self._require_memory()
        self._weight = xp.where(self._tissue, density, 0).astype(np.float64)
        x, y, z = (self.be.asarray(s) for s in self.steps_m)
        self._volume = x[:, None, None] * y[:, None] * z
        self._grow()

    def apply(self, values: Any, weights: Weights = "mass") -> MassAverage:
        """Average a map over the cubes, as :meth:`emdose.AveragingPlan.apply`.

        Parameters
        ----------
        values : (nx, ny, nz) array
            Real map per voxel; what stands in the background is ignored.
        weights : {"mass", "volume"}
            Weights of the voxels in a cube.

        Raises
        ------
        InputError
            For another shape, complex values, or values that are not finite in tissue.
        """
        xp = self.be.xp
        centred, faces = self._means(values, weights)
        value, side = xp.zeros(self.shape), xp.full(self.shape, np.nan)
        value.reshape(-1)[self._valid] = centred
        side.reshape(-1)[self._valid] = self._side[self._flag.reshape(-1)[self._body] == VALID]
        if self._used.size:
            value.reshape(-1)[self._used] = self._largest_around(value, self._used)
        if self._unused.size:
            best = xp.where(self._accepted, faces, -np.inf).argmax(axis=1)
            rows = xp.arange(self._unused.size)
            value.reshape(-1)[self._unused] = faces[rows, best]
            side.reshape(-1)[self._unused] = self._face_side[rows, best]
        home = backend.of(values)
        value, side = (owned(home.asarray(a)) for a in (value, side))
        return MassAverage(value, home.asarray(self._flag), side, self.mass_kg)

    def apply_many(self, maps: Iterable[Any], weights: Weights = "mass") -> list[MassAverage]:
        """:meth:`apply` to every map of a sequence."""
        return [self.apply(values, weights) for values in maps]

    def lowest(self, values: Any, name: str = "map") -> float:
        """Lowest value in tissue, or 0 when that is lower; raises InputError for a map that cannot be averaged."""
        return float(self.be.xp.where(self._tissue, self._checked(values, name), 0).min())

    def peak_cube(self, values: Any, mask: Any = None) -> PeakCube:
        """The cube of the largest average of a map, as :meth:`emdose.AveragingPlan.peak_cube`.

        Parameters
        ----------
        values : (nx, ny, nz) array
            As of :meth:`apply`, averaged by mass.
        mask : (nx, ny, nz) bool array, optional
            Only the cubes of these voxels.
        """
        xp = self.be.xp
        centred, faces = self._means(values, "mass")
        faces = xp.where(self._accepted, faces, -np.inf)
        if mask is not None:
            wanted = self.be.asarray(mask).reshape(-1)
            centred = xp.where(wanted[self._valid], centred, -np.inf)
            faces = xp.where(wanted[self._unused][:, None], faces, -np.inf)
        sides = self._side[self._side >= 0]
        found = (xp.zeros(centred.shape), xp.zeros(faces.shape))
        if self._metal is not None:
            found = self._sums(self._table(self._metal.astype(np.float64), self._volume))
        is_centred = bool(centred.size) and (not faces.size or float(centred.max()) >= float(faces.max()))
        if is_centred:
            at = int(centred.argmax())
            best, voxel, side, metal = (float(a[at]) for a in (centred, self._valid, sides, found[0]))
        else:
            row, face = divmod(int(faces.argmax()), 6)
            best, side, metal = (float(a[row, face]) for a in (faces, self._face_side, found[1]))
            voxel = float(self._unused[row])
        index = tuple(int(i) for i in np.unravel_index(int(voxel), self.shape))
        return cube_of(best, index, side, is_centred, metal / side**3, self._metal is not None)

    @property
    def flag(self) -> Any:
        """Voxel flags, (nx, ny, nz) uint8; see :class:`MassAverage`."""
        return self._flag

    def _grow(self) -> None:
        xp = self.be.xp
        self._masses = self._table(self._weight, self._volume)
        body_kg = float(self._masses[-1, -1, -1])
        if body_kg < self.mass_kg * (1 - 1e-9):
            raise InputError(
                "averaging mass is larger than the body",
                field="mass_kg",
                found=self.mass_kg,
                expected=f"at most {body_kg:.6g} kg",
            )
        filled = (self._tissue if self._metal is None else self._tissue | self._metal).astype(np.float64)
        volumes = self._table(filled, self._volume)
        counts = (self._table(filled, xp.ones(self.shape)) + 0.5).astype(np.uint32)
        self._body = xp.flatnonzero(self._tissue).astype(np.int64)
        self._side, self._mass = self._cubes(self._body, 1, volumes, counts)
        self._flag = xp.zeros(self.shape, np.uint8)
        flat = self._flag.reshape(-1)
        flat[self._body] = xp.where(self._side >= 0, VALID, UNUSED)
        self._valid = self._body[self._side >= 0]
        candidates = self._body[self._side < 0]
        self._side_map = xp.full(self.shape, -1.0)
        self._side_map.reshape(-1)[self._body] = self._side
        covered = self._largest_around(xp.ones(self.shape), candidates) > 0
        self._used, self._unused = candidates[covered], candidates[~covered]
        flat[self._used] = USED
        side, mass = self._cubes(self._unused, 6, volumes, counts)
        self._face_side = xp.where(side >= 0, side, np.inf).reshape(-1, 6)
        self._face_side_raw, self._face_mass = side, mass.reshape(-1, 6)
        self._accepted = accepted_cubes(self._face_side, self.mass_kg)

    def _cubes(self, voxels: Any, faces: int, volumes: Any, counts: Any) -> tuple[Any, Any]:
        side, mass = self.be.xp.empty((2, faces * voxels.size))
        if voxels.size:
            self._kernels.launch(
                "grow_graded_cubes",
                side.size,
                self._grid,
                faces,
                self.mass_kg,
                voxels,
                self._weight,
                self._masses,
                volumes,
                counts,
                side,
                mass,
            )
        return side, mass

    def _largest_around(self, mean: Any, voxels: Any) -> Any:
        """Largest mean of the valid cubes that hold each of the listed voxels, -1e300 where there is none."""
        best = self.be.xp.full(voxels.size, -1e300)
        if voxels.size and self._valid.size:
            reach = float(self._side.max())
            self._kernels.launch("graded_largest", voxels.size, self._grid, reach, voxels, self._side_map, mean, best)
        return best

    def _means(self, values: Any, weights: Weights) -> tuple[Any, Any]:
        """Means over the valid centred cubes and, (unused, 6), over the cubes of step 2."""
        values = self._checked(values)
        if weights == "mass":
            sums = self._sums(self._table(self._weight, values * self._volume))
            over = self._mass[self._side >= 0], self._face_mass
        elif weights == "volume":
            sums = self._sums(self._table(self._tissue.astype(np.float64), values * self._volume))
            over = self._tissue_volumes
        else:
            raise InputError("unknown weights", field="weights", found=weights, expected="mass or volume")
        return sums[0] / over[0], sums[1] / over[1]

    def _sums(self, table: Any) -> tuple[Any, Any]:
        xp = self.be.xp
        centred, faces = xp.zeros(self._valid.size), xp.zeros(6 * self._unused.size)
        for voxels, count, side, out in (
            (self._valid, 1, self._side[self._side >= 0], centred),
            (self._unused, 6, self._face_side_raw, faces),
        ):
            if out.size:
                self._kernels.launch("graded_cube_sums", out.size, self._grid, count, voxels, side, table, out)
        return centred, faces.reshape(-1, 6)

    @cached_property
    def _tissue_volumes(self) -> tuple[Any, Any]:
        centred, faces = self._sums(self._table(self._tissue.astype(np.float64), self._volume))
        return centred, self.be.xp.where(self._face_side_raw.reshape(-1, 6) >= 0, faces, 1.0)

    def _table(self, weight: Any, values: Any) -> Any:
        return summed_area_table(self.be, weight, values)

    def _checked(self, values: Any, name: str = "map") -> Any:
        return checked_map(self.be, values, name, self.shape, self._tissue)

    def _require_memory(self) -> None:
        """About 130 bytes per voxel: tables, volumes, sides and working copies."""
        need, free = 130 * int(np.prod(self.shape, dtype=np.int64)), self.be.memory_free_bytes()
        if need > free:
            raise ResourceError(
                f"averaging {int(np.prod(self.shape))} voxels needs {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB "
                f"are free on {self.be.name}; crop to the body or use coarser voxels"
            )


def voxel_edges(spacing_m: Any, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Voxel edges along the three axes as arrays.

    Parameters
    ----------
    spacing_m : float, three floats, or three arrays (nx,), (ny,), (nz,)
        Voxel edges [m].
    shape : (int, int, int)
        Number of voxels.

    Raises
    ------
    InputError
        When the edges do not fit the shape or are not positive and finite.
    """
    parts = list(spacing_m) if hasattr(spacing_m, "__len__") else [spacing_m] * 3
    if len(parts) != 3:
        raise InputError(
            "bad voxel size",
            field="spacing_m",
            found=f"{len(parts)} values",
            expected="one length, three lengths, or three arrays of lengths in metres",
        )
    edges = []
    for axis, (part, n) in enumerate(zip(parts, shape, strict=True)):
        name, words = f"spacing_m[{axis}]", {"problem": "bad voxel size", "expected": f"{n} lengths > 0 in metres"}
        e = positives(name, part, **words)
        if len(e) != n and np.ndim(part):
            raise InputError(words["problem"], field=name, found=f"shape {e.shape}", expected=words["expected"])
        no_larger_than_a_voxel(name, float(e.max()))
        edges.append(np.full(n, e[0]) if np.ndim(part) == 0 else e)
    return edges[0], edges[1], edges[2]
