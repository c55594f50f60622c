"""Sources of heat: maps that say which quantity they hold, and their power on the voxels of the heat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import fits
from emdose.errors import InputError
from emdose.models.grids.grid import Grid
from emdose.solvers.heat.materials import Metals, transfer, warn
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

BESIDE_TOLD, BESIDE_REFUSED = 0.05, 0.5
"""Part of the power beside the body from which on it is told, and from which on the map is taken for another body's."""
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

    Raises
    ------
    InputError
        When the map does not fit the grid.
    """

    value: np.ndarray
    grid: Grid

    def __post_init__(self) -> None:
        fits("value", self.value, self.grid.shape)


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
    same = grid.shape == body.grid.shape and all(
        np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in ((grid.origin_m, body.grid.origin_m), (grid.spacing_m, body.grid.spacing_m))
    )
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
    return out if metals is None else out * (1 - np.clip(metals.fraction, 0, 1))


def extra_powers(body: Phantom, extra: dict[str, Any], signed: bool) -> tuple[list[str], list[np.ndarray]]:
    """Names and power densities of further sources [W/m^3]; see :func:`power_on`."""
    return list(extra), [power_on(body, s, signed=signed, field=f"extra[{n!r}]") for n, s in extra.items()]


def _of_map(source: Any, field: str) -> tuple[np.ndarray, Grid]:
    """Power density and grid of a map that carries its quantity."""
    if isinstance(source, PowerDensity):
        return np.asarray(source.value, float), source.grid
    if all(hasattr(source, name) for name in ("value", "density", "grid", "rule")):  # a SarMap, which lives higher up
        return np.asarray(source.value, float) * source.density, source.grid
    shown = f"an array of shape {source.shape}" if isinstance(source, np.ndarray) else type(source).__name__
    raise InputError("a source of heat that does not say what it holds", field=field, found=shown, expected=WANTED)
