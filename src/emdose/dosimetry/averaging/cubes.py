"""What averages over cubes share, whatever the voxels: flags, the result, checks of maps, summed-area tables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from emdose.checks import positive
from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.errors import InputError
from emdose.models.bodies.tissues import plausible_density
from emdose.values import read_only

Weights = Literal["mass", "volume"]

INVALID, UNUSED, USED, VALID = 0, 1, 2, 3
"""Voxel flags: background; cube of step 2; inside a valid cube; centre of a valid cube."""

VOLUME_LIMIT = 1.05  # step 2 considers cubes up to this factor above the smallest


@read_only
@dataclass(frozen=True, eq=False)
class MassAverage:
    """A map averaged over cubes of one mass.

    Parameters
    ----------
    value : (nx, ny, nz) ndarray
        Averaged map [unit of the map], 0 in the background.
    flag : (nx, ny, nz) uint8 ndarray
        0 background (invalid), 1 unused (step 2), 2 used (inside a valid cube), 3 valid (centre of a valid cube).
    side_m : (nx, ny, nz) ndarray
        Side of the cube whose average the voxel got [m]; NaN in used voxels (theirs is the cube of another voxel) and
        in the background.
    mass_kg : float
        Averaging mass [kg].
    """

    value: np.ndarray
    flag: np.ndarray
    side_m: np.ndarray
    mass_kg: float

    @property
    def peak(self) -> float:
        """Largest average: psSAR for a SAR map [unit of the map]."""
        return float(self.value[self.peak_index])

    @property
    def peak_index(self) -> tuple[int, int, int]:
        """Voxel of the largest average."""
        xp = backend.of(self.value).xp
        index = np.unravel_index(int(xp.where(self.flag > INVALID, self.value, -np.inf).argmax()), self.value.shape)
        return tuple(int(i) for i in index)  # type: ignore[return-value]


PLAIN_RULE = "IEC/IEEE 62704-1"
METAL_RULE = "IEC/IEEE 62704-1; metal has no mass and no power and is no background: cubes grow over it"


@read_only
@dataclass(frozen=True)
class PeakCube:
    """The cube of a largest average.

    Parameters
    ----------
    value : float
        The average [unit of the map].
    index : (int, int, int)
        Voxel whose cube it is.
    side_m : float
        Side of the cube [m].
    kind : "centred" or "face"
        Whether the voxel is in its middle, or in the middle of one of its faces.
    metal_share : float
        Volume of metal in the cube over that of the cube.
    rule : str
        How the cube was grown.
    """

    value: float
    index: tuple[int, int, int]
    side_m: float
    kind: str
    metal_share: float
    rule: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file, without value and voxel."""
        return {"side_m": self.side_m, "kind": self.kind, "metal_share": self.metal_share, "rule": self.rule}


def cube_of(
    value: float, index: tuple[int, ...], side_m: float, centred: bool, metal_share: float, metal: bool
) -> PeakCube:
    """A peak cube by what plans know of it."""
    i, j, k = index
    kind = "centred" if centred else "face"
    return PeakCube(value, (i, j, k), side_m, kind, metal_share, METAL_RULE if metal else PLAIN_RULE)


def metal_mask(be: Backend, metal: Any, tissue: Any) -> Any:
    """Voxels of metal on the device, None where there are none; raises InputError when they do not fit.

    Parameters
    ----------
    be : Backend
        The device.
    metal : (nx, ny, nz) bool array or None
        Voxels of metal.
    tissue : (nx, ny, nz) bool array
        Voxels that have mass; metal may not be among them.
    """
    if metal is None:
        return None
    metal = be.asarray(metal)
    if metal.shape != tissue.shape or metal.dtype != bool:
        raise InputError(
            "metal does not fit the density", field="metal", found=metal.shape, expected=f"bool {tissue.shape}"
        )
    if bool((metal & tissue).any()):
        raise InputError("metal that has the mass of tissue", field="metal", expected="a density of 0 in metal")
    return metal if bool(metal.any()) else None


def density_map(be: Backend, density: Any) -> Any:
    """The density on the device; raises InputError when it is no real 3-D map."""
    density = be.asarray(density)
    if density.ndim != 3 or density.dtype.kind not in "fiu":
        raise InputError(
            "density is no map",
            field="density",
            found=(density.dtype.str, density.shape),
            expected="a 3-D array of real numbers",
        )
    return density


def tissue_mask(be: Backend, density: Any) -> Any:
    """Where there is tissue, (nx, ny, nz) bool; raises InputError for none, or for densities that no tissue has."""
    tissue = density > 0
    if not bool(tissue.any()):
        raise InputError("there is no tissue to average over", field="density", expected="values > 0 kg/m^3")
    lowest = be.xp.where(tissue, density, density.max() if density.dtype.kind != "f" else np.inf).min()
    highest = be.xp.where(tissue, density, 0).max()
    if not math.isfinite(float(highest)):
        raise InputError("density is infinite", field="density", expected="finite values, or NaN for background")
    plausible_density("density", float(lowest), float(highest))
    return tissue


def checked_map(
    be: Backend,
    values: Any,
    name: str,
    shape: tuple[int, int, int],
    tissue: Any,
    box: tuple[slice, ...] = (),
) -> Any:
    """A user's map on the device, float64, inside a box; raises InputError when it cannot be averaged.

    Parameters
    ----------
    be : Backend
        The device.
    values : (nx, ny, nz) array
        The map.
    name : str
        What it is called in errors.
    shape : (int, int, int)
        What it must have.
    tissue : bool array
        Where it must be finite, inside the box.
    box : tuple of slice
        Part that counts; all of it by default.
    """
    values = be.asarray(values)
    if values.shape != shape:
        raise InputError(f"{name} does not fit the density", found=values.shape, expected=str(shape))
    if values.dtype.kind not in "fiub":
        raise InputError(f"{name} is not real", found=str(values.dtype), expected="real numbers")
    values = be.xp.ascontiguousarray(values[box], dtype=np.float64)
    bad = int((~be.xp.isfinite(values) & tissue).sum())
    if bad:
        raise InputError(f"{name} is not finite in {bad} tissue voxels", expected="finite numbers in tissue")
    return values


def accepted_cubes(sides: Any, mass_kg: float) -> Any:
    """Which cubes of step 2, (unused, 6), are small enough to count; raises InputError for a voxel without any.

    Parameters
    ----------
    sides : (unused, 6) array
        Sides of the cubes; infinite where there is none.
    mass_kg : float
        Averaging mass, for the error [kg].
    """
    smallest = sides.min(axis=1, keepdims=True)
    lost = int((smallest == np.inf).sum())
    if lost:
        raise InputError(
            "averaging mass is too large for this body",
            field="mass_kg",
            found=mass_kg,
            expected=f"a mass that every voxel finds on one side of it ({lost} do not)",
        )
    return sides**3 <= VOLUME_LIMIT * smallest**3


def summed_area_table(be: Backend, weight: Any, values: Any) -> Any:
    """Sums of weight x values over all voxels below each node, where the weight is positive.

    Parameters
    ----------
    be : Backend
        Where the maps live.
    weight, values : (n0, n1, n2) float64 arrays
        Maps.

    Returns
    -------
    (n0 + 1, n1 + 1, n2 + 1) float64 array
    """
    table = be.xp.zeros(tuple(n + 1 for n in weight.shape))
    fill_table(be.kernels.load(__package__, "average", real="double"), table, "sum", weight, values)
    return table


def fill_table(kernels: Any, table: Any, kind: str, *maps: Any) -> None:
    """Fill a summed-area table by the kernels of a kind, rows first; see :func:`summed_area_table`."""
    n0, n1, n2 = maps[0].shape
    kernels.launch(f"{kind}_rows", n0 * n1, n1, n2, *maps, table)
    kernels.launch(f"{kind}_lines", (n0 + 1) * (n2 + 1), n1 + 1, n2 + 1, table)
    kernels.launch(f"{kind}_lines", (n1 + 1) * (n2 + 1), n0 + 1, (n1 + 1) * (n2 + 1), table)


def positive_mass(mass_kg: Any) -> float:
    """The mass as a float; raises InputError when it is not finite and positive."""
    return positive("mass_kg", mass_kg, problem="bad averaging mass", expected="a mass > 0 in kg")
