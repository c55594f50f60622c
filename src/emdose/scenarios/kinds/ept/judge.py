"""How close reconstructions come to the truth, and whether their uncertainty says so."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.ept import Flag
from emdose.ept.judging.metrics import WHOLE, eroded, metrics
from emdose.ept.maps.region_mean import COVERAGE, COVERAGE_FACTOR
from emdose.uncertainty.budget import Budget, Contribution
from emdose.uncertainty.discretisation import KIND
from emdose.validity import THRESHOLDS

if TYPE_CHECKING:
    from emdose.ept import PropertyMap
    from emdose.scenarios.kinds.ept.build import Data
    from emdose.scenarios.kinds.ept.schema import EvaluationTable

QUANTITIES = {"conductivity": "S/m", "permittivity": "1"}
SHARE = "share of valid voxels"
"""Name of the numbers that say for how much of the object a method speaks."""
DOUBT = Flag.UNPHYSICAL | Flag.WEAK_SIGNAL
"""Flags of values that are impossible, or that noise alone could have made."""
STATED, TRUNCATION = "stated", "truncation"
LARGEST_TISSUES = 8
"""Tissues whose means get an uncertainty: the largest ones."""


def judged(
    found: PropertyMap, clean: PropertyMap | None, data: Data, table: EvaluationTable
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What a method did, and its metrics.

    Parameters
    ----------
    found : PropertyMap
        The result.
    clean : PropertyMap, optional
        The result of the same maps without noise: the difference is noise alone.
    data : Data
        Truth and labels.
    table : Evaluation
        Erosions.

    Returns
    -------
    dict
        method, settings, voxels (with a value), missing, valid_share (of the object: a value that no flag calls
        impossible or weak), flags (counts), unphysical_share (beyond noise), z_noise (rms of noise over its
        uncertainty, 1 when that is right), z_total (rms of the whole error over it).
    list of dict
        The rows of :func:`emdose.ept.judging.metrics`, with "clean_rmse" (the error without noise) where it is known.
    list of dict
        The same with regions eroded by balls, as reconstruction challenges count.
    """
    assert data.b1.mask is not None
    inside = found.valid & data.b1.mask
    good = inside & ((found.flags & np.uint8(DOUBT)) == 0)
    about: dict[str, Any] = {
        "method": found.method,
        "settings": dict(found.settings),
        "voxels": int(np.count_nonzero(inside)),
        "missing": int(np.count_nonzero(data.b1.mask & ~inside)),
        "valid_share": float(np.count_nonzero(good) / np.count_nonzero(data.b1.mask)),
        "flags": {
            f.name: int(np.count_nonzero(found.flags[data.b1.mask] & f.value))
            for f in Flag
            if f is not Flag.OUTSIDE and f.name
        },
        "unphysical_share": found.unphysical_share,
        "uncertainty": found.u_conductivity is not None or found.u_permittivity is not None,
    }
    for name in QUANTITIES:
        value, u = getattr(found, name), getattr(found, f"u_{name}")
        if value is None or u is None:
            continue
        pick = inside & (u > 0) & ((found.flags & np.uint8(Flag.WEAK_SIGNAL)) == 0)
        if clean is not None:
            there = pick & clean.valid
            about[f"z_noise_{name}"] = _rms(((value - getattr(clean, name)) / u)[there])
        if name in data.truth:
            about[f"z_total_{name}"] = _rms(((value - data.truth[name]) / u)[pick])
    rows = [row._asdict() for row in _metrics(found, data, table)]
    if clean is not None and data.truth:
        without = {(r.quantity, r.region, r.erosion): r.rmse for r in _metrics(clean, data, table)}
        rows = [{**r, "clean_rmse": without.get((r["quantity"], r["region"], r["erosion"]))} for r in rows]
    balls = [row._asdict() for row in _metrics(found, data, table, ball_m=_balls(found, table))]
    return about, rows, balls


def quantities(method: str, found: PropertyMap, data: Data, table: EvaluationTable) -> dict[str, dict[str, Any]]:
    """Means over the largest tissues, shrunk so that interfaces stay out where enough voxels remain.

    The uncertainty of a mean holds the noise, propagated with the correlation between neighbours, and the bias that a
    second look at the same data estimates, part by part. Without the noise there is none; "bias" then holds what is
    estimated.
    """
    out: dict[str, dict[str, Any]] = {}
    sizes = {n: int(np.count_nonzero(data.labels == n)) for n in data.names}
    erosion, regions = _regions(sorted(sizes, key=lambda n: -sizes[n])[:LARGEST_TISSUES], found, data, table)
    for n, region in regions.items():
        mean = found.region_mean(region, accept=tuple(THRESHOLDS))  # the gate judges the whole run
        for name, unit in QUANTITIES.items():
            value = getattr(mean, name)
            if value is None:
                continue
            note = f"mean of {mean.voxels} voxels"
            note += f", {erosion} or more from the next tissue" if erosion else ""
            entry: dict[str, Any] = {
                "value": value,
                "unit": unit,
                "uncertainty": None,
                "note": note,
                "erosion": erosion,
                "voxels": mean.voxels,
                "method": method,
                "region": data.names[n],
            }
            expanded, parts, basis = mean.expanded(name), mean.components(name), mean.basis(name)
            if expanded is not None:
                entry["uncertainty"] = {
                    "expanded": expanded,
                    "k": COVERAGE_FACTOR,
                    "coverage": COVERAGE,
                    "basis": basis,
                    "kind": "combined",
                    "components": parts,
                }
            elif parts:
                entry["bias"] = {"components": parts, "basis": basis}
            if name in data.truth:
                true = float(data.truth[name][region & found.valid].mean())
                entry |= {"truth": true, "note": f"truth {true:.4g}; {note}"}
            out[f"{name}: {data.names[n]}, {method}"] = entry
    return out | {f"{SHARE}: {method}": _share(method, found, data, regions)}


def _share(method: str, found: PropertyMap, data: Data, regions: Mapping[int, np.ndarray]) -> dict[str, Any]:
    """The share of the object that a method speaks for."""
    assert data.b1.mask is not None
    whole = int(np.count_nonzero(data.b1.mask))
    inside = found.valid & data.b1.mask
    good = int(np.count_nonzero(inside & ((found.flags & np.uint8(DOUBT)) == 0)))
    told = int(sum(np.count_nonzero(region & found.valid) for region in regions.values()))
    note = (
        f"a value that is physical and above its noise; {100 * np.count_nonzero(inside) / whole:.3g} % have any value, "
    )
    note += f"the means speak for {100 * told / whole:.3g} %"
    return {
        "value": good / whole,
        "unit": "1",
        "uncertainty": None,
        "note": note,
        "erosion": 0,
        "voxels": good,
        "method": method,
        "region": WHOLE,
        "means_share": told / whole,
    }


def budgets(numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The budget of every number that states its parts: noise, and each cause of bias that was estimated.

    What the window of voxels truncates is what their size leaves uncertain, and stands as discretisation.
    """
    found = {}
    for name, entry in numbers.items():
        told = entry.get("uncertainty") or {}
        rows = tuple(
            Contribution(part, u, kind=KIND if part == TRUNCATION else STATED)
            for part, u in (told.get("components") or {}).items()
        )
        if rows:
            found[name] = Budget(name, str(entry["unit"]), float(entry["value"]), rows, method=told["basis"]).to_dict()
    return found


def _regions(
    labels: list[int], found: PropertyMap, data: Data, table: EvaluationTable
) -> tuple[int, dict[int, np.ndarray]]:
    """Shrunk tissues with enough voxels; unshrunk ones where no tissue is thick enough."""
    for erosion in (_middle(table), 0):
        shrunk = {n: eroded(data.labels == n, erosion) for n in labels}
        kept = {n: r for n, r in shrunk.items() if np.count_nonzero(r & found.valid) >= table.least_voxels}
        if kept:
            return erosion, kept
    return 0, {}


def _middle(table: EvaluationTable) -> int:
    """The erosion that headline numbers use: the middle one of the list."""
    return sorted(table.erosion)[(len(table.erosion) - 1) // 2]


def _balls(found: PropertyMap, table: EvaluationTable) -> tuple[float, ...]:
    """Radii [m] of the balls: 0, 2 and 4 of the shortest edges of a voxel where the scenario does not say."""
    edge = min(found.grid.spacing_m)
    return (0.0, 2 * edge, 4 * edge) if table.ball_m is None else table.ball_m


def _metrics(
    found: PropertyMap, data: Data, table: EvaluationTable, ball_m: tuple[float, ...] | None = None
) -> list[Any]:
    nothing = np.full(found.grid.shape, math.nan)
    truth = {name: data.truth.get(name, nothing) for name in QUANTITIES}
    steps = table.erosion if ball_m is None else ()
    rows = metrics(found, truth["conductivity"], truth["permittivity"], data.labels, data.names, steps, ball_m or ())
    return [r for r in rows if r.voxels or r.region == WHOLE]


def _rms(values: np.ndarray) -> float | None:
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if values.size else None
