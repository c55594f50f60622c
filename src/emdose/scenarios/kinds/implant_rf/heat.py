"""Heat around the implant of an ``implant-rf`` run: by the power in tissue beside the metal and that in the metal."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.sar import SarMap
from emdose.dosimetry.temperature import dose_over_baseline
from emdose.models.implants.implanted_body import METAL_SHARE, implants_hash
from emdose.models.implants.voxels import embed
from emdose.scenarios.shared.implants.rf_heating import rf_heating
from emdose.scenarios.shared.sar_files import MetalHeat, SarRun
from emdose.solvers.heat.materials import transfer
from emdose.solvers.heat.rise import heat
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.grids.grid import Grid
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.implant_rf.evaluation import BesideMetal
    from emdose.scenarios.kinds.implant_rf.schema import SiteThermalTable
    from emdose.scenarios.kinds.implant_rf.switched import SwitchedHeat
    from emdose.solvers.heat.near_metal import MetalBody
    from emdose.solvers.running import ProgressCallback

WINDOW_m = 12e-3
"""From the metal, within which rises are told: the body's own warm places, such as its skin in a coil, are no matter of
the implant, and lie in single voxels of a staircase."""
HEAT_ERROR = 0.06
"""What four cells across the metal leave of a rise; see the threshold ``heat_cells_across``."""


@dataclass(frozen=True, eq=False)
class Site:
    """The body around the implant and what is in it.

    Parameters
    ----------
    run : SarRun
        Body (tissue where the metal is), SAR with the implant, and the power in the metal.
    background : (nx, ny, nz) ndarray
        SAR without the implant [W/kg].
    rise : (nx, ny, nz) ndarray
        Rise of temperature at the end [K].
    times_s, peaks_K : (t,) ndarray
        Largest rise over time.
    """

    run: SarRun
    background: np.ndarray
    rise: np.ndarray
    times_s: np.ndarray
    peaks_K: np.ndarray


def site_of(body: Phantom, implant: Implant, table: SiteThermalTable) -> Phantom:
    """The part of a body around an implant, on the voxels of the heat."""
    grid, ends = body.grid, []
    for axis in range(3):
        low, high = implant.bounds_m[0][axis] - table.margin_m, implant.bounds_m[1][axis] + table.margin_m
        first = math.floor((low - grid.origin_m[axis]) / grid.spacing_m[axis])
        last = math.ceil((high - grid.origin_m[axis]) / grid.spacing_m[axis])
        ends.append((max(first, 0), min(last, grid.shape[axis])))
    part = body.crop(*zip(*ends, strict=True))
    same = all(abs(s / table.spacing_m - 1) < 1e-6 for s in grid.spacing_m)
    return part if same else part.resample(table.spacing_m)


def heated_site(
    found: BesideMetal,
    site: Phantom,
    metal: MetalBody,
    implant: Implant,
    table: SiteThermalTable,
    source: str,
    device: str,
    tell: ProgressCallback,
    switched: SwitchedHeat | None = None,
) -> tuple[Site, dict[str, dict[str, Any]], dict[str, Any]]:
    """Maps around the implant, quantities, and the entry "thermal" of a summary."""
    run, background = _on_site(found, site, implant, source)
    rf = rf_heating(run, metal, table.duty_cycle, implant)
    maps = metal.maps(table.surface_W_m2_K, table.edges)
    maps = maps if table.perfusion else replace(maps, perfusion=np.zeros_like(maps.perfusion))
    window = metal.cells.cells_of(metal.window(WINDOW_m))
    times = np.linspace(0, table.duration_s, table.curve_points + 1)[1:].tolist()
    sources = [rf.density]
    if switched is not None:
        gradients = switched.density(metal)
        sources = [rf.density + gradients, rf.density, gradients]
    solution = heat(
        maps,
        np.stack(sources).astype(np.float32),
        table.duration_s,
        times_s=times,
        window=window,
        device=device,
        progress=tell,
    )
    close = _close(metal)
    tissue, all_of_it = metal.tissue & close, close | (metal.fraction > 0)
    final = np.where(all_of_it, solution.final[0], 0.0)
    spot = np.unravel_index(int(np.argmax(np.where(tissue, final, -np.inf))), final.shape)
    level = table.baseline_degC
    inside = tissue[window]
    peaks = [rise[:, all_of_it[window]].max(axis=1, initial=0.0) for rise in solution.rise]
    total, alone = dose_over_baseline(solution.times_s, level, solution.rise[0][:, inside], least_degC=None)
    u = found.about["uncertainty"]["beside"] + HEAT_ERROR + solution.time_error
    numbers = {}

    def add(name: str, value: float, unit: str, note: str, relative: float | None = u, **more: Any) -> None:
        spread = None
        if relative is not None:
            basis = "power beside metal on as coarse voxels, cells of the heat"
            spread = {"expanded": relative * abs(value), "k": 2, "basis": basis, "kind": "discretisation"}
        numbers[name] = {"value": float(value), "unit": unit, "uncertainty": spread, "note": note, **more}

    near = f"within {1e3 * WINDOW_m:g} mm of the metal"
    where: dict[str, Any] = {"location_m": list(metal.place(spot)), "tissue": metal.matter(spot)}
    add("rise_tissue_max", final[spot], "K", f"tissue {near} after {table.duration_s:g} s", **where)
    add("rise_max", final.max(), "K", f"metal and tissue {near} after {table.duration_s:g} s")
    peak_dose, base = float(total.max(initial=0.0)), float(alone.max(initial=0.0))
    # The dose doubles with every kelvin above 43 degC: its error is that of the rise in the exponent.
    warmer = level + (1 + u) * solution.rise[0][:, inside]
    above, _ = dose_over_baseline(solution.times_s, level, warmer - level, least_degC=None)
    add("cem43_max", peak_dose, "min", f"one voxel of tissue, from a baseline of {level:g} degC", None)
    if np.isfinite(above).all() and peak_dose > 0:
        gap = float(above.max(initial=0.0)) - peak_dose
        basis = "the dose of a rise that is larger by its uncertainty"
        numbers["cem43_max"]["uncertainty"] = {"expanded": gap, "k": 2, "basis": basis, "kind": "discretisation"}
    curves = {"": peaks[0]}
    more: dict[str, Any] = {}
    if switched is not None:
        alone_K = [float(np.where(all_of_it, f, 0.0).max()) for f in solution.final]
        add("rise_rf", alone_K[1], "K", "RF alone, metal and tissue")
        add("rise_gradients", alone_K[2], "K", "gradients alone, metal and tissue", switched.error + HEAT_ERROR)
        larger = max(alone_K[1:])
        add("rise_both_over_larger", alone_K[0] / larger, "1", "RF and gradients together over the larger alone", 2 * u)
        curves = dict(zip(("both", "RF alone", "gradients alone"), peaks, strict=True))
        missed = np.abs(solution.final[0] - solution.final[1] - solution.final[2]).max() / alone_K[0]
        more = {"switched": switched.about(), "superposition": float(missed)}
    volume = site.grid.voxel_volume_m3
    about = {
        **more,
        "duration_s": table.duration_s,
        "duty_cycle": table.duty_cycle,
        "power_W": rf.power_W,
        "metal_W": rf.metal_W,
        "transferred_W": float((run.sar.value * run.sar.density).sum(dtype=float)) * volume,
        "curve": {
            "times_s": [0.0, *solution.times_s.tolist()],
            "peak_rise_K": {name: [0.0, *values.tolist()] for name, values in curves.items()},
        },
        "cem43_baseline_min": base,
        "elsewhere_K": float(np.where(all_of_it, 0.0, solution.final[0]).max(initial=0.0)),
        "time_error": solution.time_error,
        "balance_error": solution.balance_error,
        **{k: v for k, v in metal.about().items() if k == "cells_across"},
        "provenance": dict(solution.provenance),
    }
    rise = metal.cells.means(solution.final[0])
    return Site(run, background, rise, solution.times_s, peaks[0]), numbers, about


def _close(metal: MetalBody) -> np.ndarray:
    """Cells in voxels whose centre is no farther than the window from that of a voxel with metal."""
    from scipy.ndimage import distance_transform_edt

    away = distance_transform_edt(metal.coarse.fraction <= 0, sampling=metal.phantom.spacing_m)
    return metal.cells.spread(away <= WINDOW_m * (1 + 1e-9))


def _on_site(found: BesideMetal, site: Phantom, implant: Implant, source: str) -> tuple[SarRun, np.ndarray]:
    """SAR with and without the implant on the voxels of the heat; the power of the fine grid is kept."""
    density = np.asarray(site.density, float)
    body = _at_centres(found.sar_without.value * found.sar_without.density, found.sar_without.grid, site.grid)
    q = np.asarray(found.sar_beside.value * found.sar_beside.density, float)
    fine = found.sar_beside.grid
    own = _moved(q, fine, site.grid)
    covered = _covered(site.grid, fine)
    power = np.where(covered, own, body)
    sar = SarMap(owned(_over(power, density)), found.sar_beside.rule, site.grid, owned(density))
    inside = np.asarray(found.power_in.density, float)
    metal = np.asarray(embed(implant, site).fraction) > METAL_SHARE
    heat_in = MetalHeat(implants_hash([implant]), (implant.name,), metal, _moved(inside, fine, site.grid))
    return SarRun(source, found.beside.frequency_Hz, site, sar, heat_in), _over(body, density)


def _over(power: np.ndarray, density: np.ndarray) -> np.ndarray:
    return np.where(density > 0, power / np.where(density > 0, density, 1.0), 0.0)


def _moved(q: np.ndarray, fine: Grid, grid: Grid) -> np.ndarray:
    cells = np.argwhere(q != 0)
    return transfer(cells, q[q != 0][None], fine, grid)[0][0]


def _covered(grid: Grid, fine: Grid) -> np.ndarray:
    """Voxels that lie within another grid as a whole."""
    low, high = fine.bounds_m
    inside = []
    for axis in range(3):
        x, h = grid.centres(axis), 0.5 * grid.spacing_m[axis]
        inside.append((x - h > low[axis] - 1e-9) & (x + h < high[axis] + 1e-9))
    return np.asarray(inside[0][:, None, None] & inside[1][:, None] & inside[2])


def _at_centres(values: np.ndarray, source: Grid, grid: Grid) -> np.ndarray:
    index = []
    for axis in range(3):
        at = np.floor((grid.centres(axis) - source.origin_m[axis]) / source.spacing_m[axis]).astype(int)
        index.append(np.clip(at, 0, source.shape[axis] - 1))
    return np.asarray(values)[np.ix_(*index)].astype(float)
