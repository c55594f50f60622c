"""Averages over cubes of tissue of a given mass, after IEC/IEEE 62704-1.

Step 1
    Around every tissue voxel a cube grows evenly until it holds the mass. Its faces then cut a shell of voxels that
    count with the fraction t (faces), t^2 (edges) and t^3 (corners); t in (0, 1] is the root of

        corners t^3 + edges t^2 + faces t + inner - mass = 0.

    The cube is *valid* when none of its faces, while it grew, lay wholly in the background, it stays inside the grid,
    and at most 10 % of its volume is background. A valid cube gives its centre voxel its average, and every voxel that
    lies fully inside (by more than 0.999) the largest average of the valid cubes that hold it: such voxels are *used*.
Step 2
    A tissue voxel that no valid cube holds is *unused*. Six cubes with the voxel at the centre of one of their faces
    grow the other five faces until they hold the mass, whatever else is inside; the largest average among the cubes
    whose volume is at most 1.05 times the smallest one's is taken.

Background has neither mass nor power. Sums over boxes come from summed-area tables in float64, so the cost of a cube
does not depend on its size, and one plan of cubes serves any number of maps.

Source: IEC/IEEE 62704-1:2017, spatial-average SAR; F. C. Crow, SIGGRAPH 1984, 207-212 for the tables.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any, get_args

import numpy as np

from emdose.checks import lengths, one_of
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.dosimetry.averaging.cubes import (
    INVALID,
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
    fill_table,
    metal_mask,
    positive_mass,
    summed_area_table,
    tissue_mask,
)
from emdose.errors import InputError, ResourceError
from emdose.models.grids.grid import no_larger_than_a_voxel
from emdose.values import owned

MASS_TOLERANCE = 1e-6  # as in the kernel


class AveragingPlan:
    """The averaging cubes of a body: found once, applied to many maps.

    Parameters
    ----------
    density : (nx, ny, nz) array
        Mass density [kg/m^3]; NaN or <= 0 is background.
    spacing_m : float or (float, float, float)
        Edge of the cubic voxels [m].
    mass_kg : float
        Averaging mass [kg].
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute.
    metal : (nx, ny, nz) bool array, optional
        Voxels of metal: no mass and no power, and no background either, so that cubes grow over it.

    Raises
    ------
    InputError
        For an infinite density, no tissue, voxels that are no cubes, a mass that is not positive, or one for which some
        voxel has no cube (more than about half of the body).
    ResourceError
        When the tables do not fit the memory.
    """

    def __init__(
        self, density: Any, spacing_m: Any, mass_kg: float, device: str | Backend = "auto", metal: Any = None
    ) -> None:
        self.be: Backend = backend.get(device)
        self.spacing_m, self.mass_kg = _cubic_spacing(spacing_m), positive_mass(mass_kg)
        xp = self.be.xp
        self._kernels = self.be.kernels.load(__package__, "average", real="double")
        density = density_map(self.be, density)
        tissue = tissue_mask(self.be, density)
        self.shape: tuple[int, int, int] = density.shape
        solid = metal_mask(self.be, metal, tissue)
        self._box = _bounding_box(self.be, tissue if solid is None else tissue | solid)
        self._require_memory()
        self._metal = None if solid is None else xp.ascontiguousarray(solid[self._box])
        tissue = xp.ascontiguousarray(tissue[self._box])
        self._tissue = tissue
        # Density and not mass: sums of whole numbers are exact, so a cube of whole voxels meets its mass exactly.
        self._weight = xp.where(tissue, density[self._box], 0).astype(np.float64)
        self._target = self.mass_kg / self.spacing_m**3
        self._grow()

    def apply(self, values: Any, weights: Weights = "mass") -> MassAverage:
        """Average a map over the cubes; used and unused voxels take the largest average they may.

        Parameters
        ----------
        values : (nx, ny, nz) array
            Real map per voxel; what stands in the background is ignored.
        weights : {"mass", "volume"}
            "mass": sum(w m_i x_i) / sum(w m_i), the rule for SAR. "volume": the mean over the tissue volume of the
            same cubes, sum(w x_i) / sum(w), such as the "10 g averaged E rms" of ISO/TS 10974.

        Returns
        -------
        MassAverage
            On the device of ``values``.

        Raises
        ------
        InputError
            For another shape, complex values, or values that are not finite in tissue.
        """
        xp = self.be.xp
        centred, faces = self._means(self._cropped(values, "map"), weights)
        value = xp.where(self._flag == VALID, centred, 0.0)
        if self._any_used:
            value = xp.where(self._flag == USED, self._largest_around(centred), value)
        side = xp.where(self._flag == VALID, (2 * self._half + 1 + 2 * self._fraction) * self.spacing_m, np.nan)
        if self._unused.size:
            faces = xp.where(self._accepted, faces, -np.inf)
            chosen = faces.argmax(axis=1)
            rows = xp.arange(self._unused.size)
            value.reshape(-1)[self._unused] = faces[rows, chosen]
            side.reshape(-1)[self._unused] = self._face_side[rows, chosen] * self.spacing_m
        return MassAverage(
            value=owned(self._like(values, self._full(value, 0.0))),
            flag=self._like(values, self.flag),
            side_m=owned(self._like(values, self._full(side, np.nan))),
            mass_kg=self.mass_kg,
        )

    def apply_many(self, maps: Iterable[Any], weights: Weights = "mass") -> list[MassAverage]:
        """:meth:`apply` to every map of a sequence."""
        return [self.apply(values, weights) for values in maps]

    def lowest(self, values: Any, name: str = "map") -> float:
        """Lowest value in tissue, or 0 when that is lower; raises InputError for a map that cannot be averaged."""
        return float((self._cropped(values, name) * self._tissue).min())

    def cube_means(self, values: Any, weights: Weights = "mass") -> Any:
        """Mean of a map over every cube that can decide a voxel: linear in the map, before any maximum is taken.

        The largest of them is the largest value of :meth:`apply`. For Q-matrix entries: the averaged SAR of a drive v
        is v^H Q_c v with the matrix Q_c of these means, for every cube c.

        Parameters
        ----------
        values : (..., nx, ny, nz) array
            Real or complex maps.
        weights : {"mass", "volume"}
            As in :meth:`apply`.

        Returns
        -------
        (..., cubes) array
            In the order of ``cube_voxel``.
        """
        values = self.be.asarray(values)
        if values.ndim > 3:
            flat = values.reshape(-1, *values.shape[-3:])
            means = [self.cube_means(v, weights) for v in flat]
            return self.be.xp.stack(means).reshape(*values.shape[:-3], -1)
        if values.dtype.kind == "c":
            return self.cube_means(values.real, weights) + 1j * self.cube_means(values.imag, weights)
        centred, faces = self._means(self._cropped(values, "map"), weights)
        return self.be.xp.concatenate([centred[self._flag == VALID], faces[self._accepted]])

    def peak_cube(self, values: Any, mask: Any = None) -> PeakCube:
        """The cube of the largest average of a map, with the metal in it.

        Parameters
        ----------
        values : (nx, ny, nz) array
            As of :meth:`apply`, averaged by mass.
        mask : (nx, ny, nz) bool array, optional
            Only the cubes of these voxels.
        """
        xp = self.be.xp
        centred, faces = self._means(self._cropped(values, "map"), "mass")
        here = self._flag == VALID
        if mask is not None:
            wanted = self.be.asarray(mask)[self._box]
            here = here & wanted
            faces = xp.where(wanted.reshape(-1)[self._unused][:, None], faces, -np.inf)
        centred = xp.where(here, centred, -np.inf)
        faces = xp.where(self._accepted, faces, -np.inf)
        at = int(centred.argmax())
        best, voxel = float(centred.reshape(-1)[at]), at
        sides = 2 * self._half + 1 + 2 * self._fraction
        found = (xp.zeros(centred.shape), xp.zeros(faces.shape))
        if self._metal is not None:
            found = self._cube_sums(self._table(self._metal.astype(np.float64), xp.ones(self._metal.shape)))
        is_centred = not faces.size or best >= float(faces.max())
        if is_centred:
            side, metal = float(sides.reshape(-1)[at]), float(found[0].reshape(-1)[at])
        else:
            row, face = divmod(int(faces.argmax()), 6)
            best, voxel = float(faces[row, face]), int(self._unused[row])
            side, metal = float(self._face_side[row, face]), float(found[1][row, face])
        index = np.unravel_index(voxel, centred.shape)
        ijk = tuple(int(i) + b.start for i, b in zip(index, self._box, strict=True))
        return cube_of(best, ijk, side * self.spacing_m, is_centred, metal / side**3, self._metal is not None)

    @cached_property
    def flag(self) -> Any:
        """Voxel flags, (nx, ny, nz) uint8; see :class:`MassAverage`."""
        return owned(self._full(self._flag, INVALID))

    @cached_property
    def cube_voxel(self) -> Any:
        """Flat index (C order) of the voxel of every cube of :meth:`cube_means`: valid voxels, then unused ones."""
        xp = self.be.xp
        inside = xp.concatenate(
            [
                xp.flatnonzero(self._flag == VALID),
                xp.repeat(self._unused[:, None], 6, axis=1)[self._accepted],
            ]
        )
        at = xp.unravel_index(inside, self._flag.shape)
        return xp.ravel_multi_index(tuple(a + b.start for a, b in zip(at, self._box, strict=True)), self.shape)

    @cached_property
    def cube_side_m(self) -> Any:
        """Side of every cube of :meth:`cube_means` [m]."""
        centred = (2 * self._half + 1 + 2 * self._fraction)[self._flag == VALID]
        return self.be.xp.concatenate([centred, self._face_side[self._accepted]]) * self.spacing_m

    @cached_property
    def cube_mass_kg(self) -> Any:
        """Mass in every cube of :meth:`cube_means` [kg]: the target to 1e-6, or a single voxel that is heavier."""
        masses = self.be.xp.concatenate([self._mass[self._flag == VALID], self._face_mass[self._accepted]])
        return masses * self.spacing_m**3

    # ---- finding the cubes ------------------------------------------------------------------------------------------

    def _grow(self) -> None:
        """Geometry of both steps."""
        xp, weight, shape = self.be.xp, self._weight, self._weight.shape
        masses = self._table(weight, xp.ones(shape))
        body_kg = float(masses[-1, -1, -1]) * self.spacing_m**3
        if body_kg < self.mass_kg * (1 - MASS_TOLERANCE):
            raise InputError(
                "averaging mass is larger than the body",
                field="mass_kg",
                found=self.mass_kg,
                expected=f"at most {body_kg:.6g} kg",
            )
        counts = xp.zeros(masses.shape, np.uint32)
        filled = weight if self._metal is None else (self._tissue | self._metal).astype(np.float64)
        fill_table(self._kernels, counts, "count", filled)
        self._half, self._reach = xp.empty(shape, np.int16), xp.empty(shape, np.int16)
        self._fraction, self._mass, self._rim = xp.empty(shape), xp.empty(shape), xp.empty(shape, np.uint8)
        self._kernels.launch(
            "grow_cubes",
            shape,
            self._target,
            weight,
            masses,
            counts,
            self._half,
            self._fraction,
            self._mass,
            self._reach,
            self._rim,
        )
        del counts
        self._levels = int(self._reach.max()) + 1
        rims = self._rim > 0
        self._rim_voxels = {
            int(level): xp.flatnonzero(_widened(rims & (self._reach == level)))
            for level in np.unique(self.be.to_numpy(self._reach[rims]))
        }

        self._flag = xp.where(self._half >= 0, VALID, xp.where(self._tissue, UNUSED, INVALID)).astype(np.uint8)
        if self._levels:
            covered = self._largest_around(self._mass) > 0
            self._flag[covered & (self._flag == UNUSED)] = USED
        self._any_used = bool((self._flag == USED).any())

        self._unused = xp.flatnonzero(self._flag == UNUSED).astype(np.int64)
        items = 6 * self._unused.size
        self._steps, self._face_fraction = xp.empty(items, np.int32), xp.empty(items)
        mass = xp.empty(items)
        self._kernels.launch(
            "grow_face_cubes",
            items,
            *shape,
            self._target,
            self._unused,
            weight,
            masses,
            self._steps,
            self._face_fraction,
            mass,
        )
        steps = self._steps.reshape(-1, 6)
        self._face_mass = mass.reshape(-1, 6)
        self._face_side = xp.where(steps >= 0, 1 + steps + self._face_fraction.reshape(-1, 6), np.inf)
        self._accepted = accepted_cubes(self._face_side, self.mass_kg)

    def _largest_around(self, mean: Any) -> Any:
        """Largest mean of the valid cubes that hold a voxel; -infinity where there is none."""
        xp, shape = self.be.xp, mean.shape
        before = xp.full(tuple(n + 2 for n in shape), -np.inf)
        after = before.copy()
        for level in range(self._levels - 1, -1, -1):
            self._kernels.launch("widen_level", shape, level, self._reach, mean, before, after)
            if level in self._rim_voxels:
                near = self._rim_voxels[level]
                self._kernels.launch("enter_rims", near.size, *shape, level, near, self._reach, self._rim, mean, after)
            before, after = after, before
        return before[1:-1, 1:-1, 1:-1]

    # ---- sums of maps -----------------------------------------------------------------------------------------------

    def _means(self, values: Any, weights: Weights) -> tuple[Any, Any]:
        """Means over the centred cubes (0 where there is none) and, (unused, 6), over the cubes of step 2."""
        centred_weight, face_weight = self._denominators(weights)
        centred, faces = self._sums(values, weights)
        centred /= centred_weight
        faces /= face_weight
        return centred, faces

    def _sums(self, values: Any, weights: Weights) -> tuple[Any, Any]:
        table = self._table(self._weight if weights == "mass" else self._tissue.astype(np.float64), values)
        return self._cube_sums(table)

    def _cube_sums(self, table: Any) -> tuple[Any, Any]:
        xp, shape = self.be.xp, self._weight.shape
        centred, faces = xp.empty(shape), xp.empty(self._steps.size)
        self._kernels.launch("cube_sums", shape, table, self._half, self._fraction, centred)
        self._kernels.launch(
            "face_cube_sums", faces.size, *shape, self._unused, table, self._steps, self._face_fraction, faces
        )
        return centred, faces.reshape(-1, 6)

    def _denominators(self, weights: Weights) -> tuple[Any, Any]:
        """Mass or tissue volume of the cubes, in voxels of unit density; 1 where there is no cube."""
        one_of("weights", weights, get_args(Weights), problem="unknown weights")
        return (self._mass, self._face_mass) if weights == "mass" else self._volumes

    @cached_property
    def _volumes(self) -> tuple[Any, Any]:
        xp = self.be.xp
        centred, faces = self._sums(xp.ones(self._weight.shape), "volume")
        return xp.where(self._half >= 0, centred, 1.0), xp.where(self._steps.reshape(-1, 6) >= 0, faces, 1.0)

    def _table(self, weight: Any, values: Any) -> Any:
        return summed_area_table(self.be, weight, values)

    # ---- grids ------------------------------------------------------------------------------------------------------

    def _cropped(self, values: Any, name: str) -> Any:
        """A user's map inside the body's bounding box, float64, checked."""
        return checked_map(self.be, values, name, self.shape, self._tissue, self._box)

    def _full(self, values: Any, background: float) -> Any:
        out = self.be.xp.full(self.shape, background, dtype=values.dtype)
        out[self._box] = values
        return out

    def _like(self, values: Any, result: Any) -> Any:
        """A result on the device where the user's map lives."""
        return backend.of(values).asarray(result)

    def _require_memory(self) -> None:
        """About 100 bytes per voxel of the bounding box, tables and working copies together."""
        voxels = int(np.prod([b.stop - b.start for b in self._box], dtype=np.int64))
        need, free = 100 * voxels, self.be.memory_free_bytes()
        if need > free:
            raise ResourceError(
                f"averaging {voxels} voxels needs {need / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free on "
                f"{self.be.name}; a spacing of {self.spacing_m * 1e3 * (need / free) ** (1 / 3):.2g} mm would fit"
            )


def _cubic_spacing(spacing_m: Any) -> float:
    spacing = np.array(lengths("spacing_m", spacing_m))
    if np.ptp(spacing) > 1e-6 * spacing.max():
        raise InputError(
            "cubes of equal mass need cubic voxels",
            field="spacing_m",
            found=tuple(map(float, spacing)),
            expected="three equal lengths; resample first",
        )
    no_larger_than_a_voxel("spacing_m", float(spacing[0]))
    return float(spacing[0])


def _bounding_box(be: Backend, tissue: Any) -> tuple[slice, slice, slice]:
    """Outside it there is background only, so a cube that leaves it has a face in the background anyway."""
    box = []
    for axis in range(3):
        filled = np.flatnonzero(be.to_numpy(tissue.any(axis=tuple(a for a in range(3) if a != axis))))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return box[0], box[1], box[2]


def _widened(mask: Any) -> Any:
    """Voxels in a mask and all their neighbours."""
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(0, -1), slice(1, None)
        wide = mask.copy()
        wide[tuple(low)] |= mask[tuple(high)]
        wide[tuple(high)] |= mask[tuple(low)]
        mask = wide
    return mask
