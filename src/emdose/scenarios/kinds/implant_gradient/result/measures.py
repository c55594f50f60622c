"""How far an ``implant-gradient`` run can be trusted, by what its summary holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from emdose.solvers.results import power_errors
from emdose.solvers.results.bounds import extrapolated_share
from emdose.solvers.results.measures import heat_measures, worst
from emdose.solvers.results.relaxations import Relaxations
from emdose.validity import Measure

GOOD = 0.01
"""Part of the power that voxels of a spacing which is recommended leave out."""


def measures(summary: Mapping[str, Any]) -> list[Measure]:
    """Residual and energy of the eddy currents, and what of the exposures the solved frequencies do not cover.

    Parameters
    ----------
    summary : mapping
        Its entries "convergence" and "implant", also as written by versions that did not know how much of a power was
        extrapolated.
    """
    about, tolerance = summary["implant"], summary["convergence"].get("tolerance")
    rows, exposures = about["frequencies"], about["exposures"]
    met = {_name(r): _number(r["residual"]) / tolerance for r in rows if r["engine"] == "voxel"} if tolerance else {}
    return [
        *worst("residual", met),
        *worst("power_identity", {_name(r): abs(_number(r["identity"])) for r in rows}),
        *heat_measures(summary["provenance"].get("heat") or {}),
        *worst(
            "eddy_error",
            {n + _better(one, summary): e for n, one in exposures.items() if (e := _error(one, summary)) is not None},
        ),
        *worst("spectrum_dropped", {name: _dropped(one) for name, one in exposures.items()}),
        *worst("worst_search", {n: _number(v) for n, one in exposures.items() if (v := one.get("worst_search_error"))}),
        *worst("field_variation", {n: _number(v) for n, one in exposures.items() if (v := one.get("field_left_out"))}),
        *worst("extrapolation", {n: _extrapolated(one, about) for n, one in exposures.items()}),
    ]


def _error(one: Mapping[str, Any], summary: Mapping[str, Any]) -> float | None:
    """Estimated error of the power of an exposure; where it is not stated, that of the solved frequencies."""
    if "power_error" in one:
        return _number(one["power_error"]["total"])
    told = summary["provenance"].get("error_estimate")
    if not told:
        return None
    solved = np.array([_number(r["frequency_Hz"]) for r in summary["implant"]["frequencies"]])
    f, power = (np.asarray(one["spectrum"][k], float) for k in ("frequencies_Hz", "power_W"))
    errors = power_errors.total(told) if isinstance(told, Mapping) else [_number(e) for e in told]
    return power_errors.at_harmonics(solved, errors, f, power)


def _better(one: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """A spacing that leaves out 1 %, where voxels across the metal are what limits the power; else nothing."""
    parts, runs = one.get("power_error"), summary["provenance"].get("runs")
    if not parts or not runs or not _number(parts["discretisation"]) > max(GOOD, _number(parts["skin_depth"])):
        return ""
    smallest = min(min(run["spacing_m"]) for run in runs)
    return f"; spacing_m = {smallest * math.sqrt(GOOD / _number(parts['discretisation'])):.2g} would leave out 1 %"


def _dropped(one: Mapping[str, Any]) -> float:
    """Share of the power that may be missing, in the pose of the scenario and in the worst."""
    if one.get("missing_share") is not None:
        return _number(one["missing_share"])
    missing, power = _number(one["missing_W"]), _number(one["power_W"])
    return missing / (power + missing) if missing > 0 else missing


def _extrapolated(one: Mapping[str, Any], about: Mapping[str, Any]) -> float:
    """Largest possible error of the power from extrapolation; where it is not stated, by the trace of the matrix."""
    if "extrapolated" in one["harmonics"]:
        return _number(one["harmonics"]["extrapolated"])
    matrix = about.get("matrix")
    if matrix is None:
        return 0.0
    solved = np.asarray(matrix["frequencies_Hz"], float)
    M = (np.asarray(matrix["real"], float) + 1j * np.asarray(matrix["imag"], float))[:, :3, :3]
    f, found = (np.asarray(one["spectrum"][k], float) for k in ("frequencies_Hz", "power_W"))
    trace = np.einsum("fii->f", M).real
    fitted = np.einsum("fii->f", Relaxations(solved, M)(f)).real
    return extrapolated_share(solved, trace[:, None] * (found / fitted), f, found)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['frequency_Hz']:g} Hz"


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)
