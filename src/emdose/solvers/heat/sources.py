"""Sources of heat: maps that say which quantity they hold, and their power on the voxels of the heat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import fits, one_of
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.solvers.heat.materials import Metals, transfer, warn
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

BESIDE_TOLD, BESIDE_REFUSED = 0.05, 0.5
"""Part of the power beside the body from which on it is told, and from which on the map is taken for another body's."""
PLACES = ("body", "tissue", "metal")
WANTED = "a SarMap, a PowerDensity, or an array by name: sar_W_kg= or power_W_m3="


@read_only(units={"value": "W/m^3"})
@dataclass(frozen=True, eq=False)
class PowerDensity:
    """Power density of every voxel of a grid, as a source of heat.

    Parameters
    ----------
    value : (nx, ny, nz) ndarray
        Power per volume [W/m^3].
    grid : Grid
        The voxels.
    place : "body", "tissue" or "metal"
        Where it is. "body": of a body without the implant, so that what a voxel of metal has is left out. "tissue": of
        tissue around the implant that is heated, and all of it stays in tissue. "metal": in the metal, all of it.

    Raises
    ------
    InputError
        When the map does not fit the grid, or the place is none.
    """

    value: np.ndarray
    grid: Grid
    place: str = "body"

    def __post_init__(self) -> None:
        fits("value", self.value, self.grid.shape)
        one_of("place", self.place, PLACES, problem="unknown place of power")


def named_sources(sar: Any, sar_W_kg: Any, power_W_m3: Any, phantom: Phantom) -> list[Any]:
    """All sources of a call as maps that carry their quantity; raises InputError when there is none."""
    given: list[Any] = [] if sar is None else list(sar) if isinstance(sar, list | tuple) else [sar]
    for name, values in (("sar_W_kg", sar_W_kg), ("power_W_m3", power_W_m3)):
        if values is None:
            continue
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise InputError("bad source of heat", field=name, found=str(array.dtype), expected="real numbers")
        fits(name, array, phantom.grid.shape, problem="array does not fit the phantom")
        density = array.astype(float)
        given.append(PowerDensity(density * phantom.density if name == "sar_W_kg" else density, phantom.grid))
    if not given:
        raise InputError("nothing heats the body", field="sar", expected=WANTED)
    return given


def power_on(
    body: Phantom, source: Any, metals: Metals | None = None, *, signed: bool = False, field: str = "sar"
) -> np.ndarray:
    """Power density of a source on the voxels of a body, none where there is metal, (nx, ny, nz) [W/m^3].

    Parameters
    ----------
    body : Phantom
        Body on the voxels of the heat.
    source : SarMap or PowerDensity
        A map that carries its quantity and its grid.
    metals : Metals, optional
        Metal in the voxels of the body.
    signed : bool
        Whether power may be negative.
    field : str
        What an error calls the source.

    Raises
    ------
    InputError
        For an array that does not say what it holds, values that are not finite or negative, and a map most of whose
        power lies beside the body.

    Warns
    -----
    EmdoseWarning
        When more than 5 % of the power lies beside the body.
    """
    q, grid = _of_map(source, field)
    if not np.isfinite(q).all():
        raise InputError("power density is not finite", field=field, expected="finite numbers in every voxel")
    if not signed and q.min(initial=0.0) < 0:
        raise InputError(
            "a source of heat takes heat away",
            field=field,
            found=f"{float(q.min()):.4g} in voxel {tuple(int(i) for i in np.unravel_index(int(q.argmin()), q.shape))}",
            expected="values >= 0, or signed=True for differences of two exposures",
        )
    same = same_voxels(grid, body.grid)
    moved = q if same else transfer(np.argwhere(q != 0), q[q != 0][None], grid, body.grid)[0][0]
    out = np.where(body.body, moved, 0.0)
    kept, size = (float(np.abs(a).sum()) for a in (out, moved))
    # What lies outside of the grid is left out: a body may be a part of the one that the map is of.
    beside = 1 - kept / size if size > 0 else float(q.any())
    if beside > BESIDE_REFUSED:
        raise InputError(
            "the power lies beside the body",
            field=field,
            found=f"{100 * beside:.0f} % of it",
            expected="a map of the body that is heated",
        )
    if beside > BESIDE_TOLD:
        where = "lies beside the body" if same else "fell beside the resampled body"
        warn(f"heat: {100 * beside:.0f} % of the power {where}")
    if not same and kept > 0:  # voxels of another size end elsewhere; the power in them is not lost
        out *= size / kept
    return out if metals is None else beside_metal(out, metals.fraction, getattr(source, "place", "body"))


def same_voxels(one: Grid, other: Grid) -> bool:
    """Whether two grids have the same voxels."""
    return one.shape == other.shape and all(
        np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in ((one.origin_m, other.origin_m), (one.spacing_m, other.spacing_m))
    )


def beside_metal(density: np.ndarray, fraction: np.ndarray, place: str, volume: Any = 1.0) -> np.ndarray:
    """Power density of cells with metal in them, by where the power is; see :class:`PowerDensity`.

    Parameters
    ----------
    density : (nx, ny, nz) ndarray
        Power density as its voxels say it [W/m^3].
    fraction : (nx, ny, nz) ndarray
        Share of metal in every cell.
    place : "body", "tissue" or "metal"
        Where the power is.
    volume : array that broadcasts
        Volumes of the cells, up to a factor.
    """
    share = np.clip(fraction, 0, 1)
    if place == "body":
        return density * (1 - share)
    wanted = share if place == "metal" else 1 - share
    # The metal of the cells is not quite that of the voxels: a cell without power takes that of its neighbours.
    filled = _from_neighbours(density, (wanted > 0) & (share > 0) & (density == 0))
    out = filled * wanted
    before, after = float((density * volume).sum(dtype=float)), float((out * volume).sum(dtype=float))
    if before != 0 and after == 0:
        raise InputError("power in metal that the voxels have lost", field=place, expected="smaller voxels")
    return out * (before / after) if after != 0 else out


def _from_neighbours(density: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """A map with the value of the nearest voxel that has one in some that have none."""
    from scipy.ndimage import distance_transform_edt

    if not empty.any() or not (density != 0).any():
        return density
    used = np.argwhere(empty)
    low, high = (used.min(0) - 3).clip(0), used.max(0) + 4
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    part, hole = density[box], empty[box]
    if not (part != 0).any():
        return density
    nearest = distance_transform_edt(part == 0, return_distances=False, return_indices=True)
    out = density.copy()
    out[box] = np.where(hole, part[tuple(nearest)], part)
    return out


def extra_powers(body: Phantom, extra: dict[str, Any], signed: bool) -> tuple[list[str], list[np.ndarray], list[str]]:
    """Names, power densities [W/m^3] and places of further sources; see :func:`power_on`."""
    densities = [power_on(body, s, signed=signed, field=f"extra[{n!r}]") for n, s in extra.items()]
    return list(extra), densities, [getattr(s, "place", "body") for s in extra.values()]


def _of_map(source: Any, field: str) -> tuple[np.ndarray, Grid]:
    """Power density and grid of a map that carries its quantity."""
    if isinstance(source, PowerDensity):
        return np.asarray(source.value, float), source.grid
    if all(hasattr(source, name) for name in ("value", "density", "grid", "rule")):  # a SarMap, which lives higher up
        return np.asarray(source.value, float) * source.density, source.grid
    shown = f"an array of shape {source.shape}" if isinstance(source, np.ndarray) else type(source).__name__
    raise InputError("a source of heat that does not say what it holds", field=field, found=shown, expected=WANTED)
