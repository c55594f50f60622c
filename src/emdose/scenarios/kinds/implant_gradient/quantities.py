"""The headline numbers of an ``implant-gradient`` run, and its tables beside documents and papers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose import resources
from emdose.models.implants.metals import Metal
from emdose.scenarios.kinds.implant_gradient.worst.poses import pose

if TYPE_CHECKING:
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.solvers.results.power_tensor import PowerTensor

PUBLISHED = "published_gradient_heating.csv"
SAME = 0.02
"""Relative difference below which a run counts as one of the published conditions."""


def body(implant: Implant) -> dict[str, Any]:
    """Size, mass and metals of the implant, for the summary."""
    parts = [
        {
            "name": p.name,
            "metal": p.metal.name,
            "volume_m3": p.volume_m3,
            "mass_kg": p.mass_kg,
            "area_m2": p.area_m2,
            "triangles": len(p.triangles),
            "properties": _properties(p.metal),
        }
        for p in implant.parts
    ]
    return {
        "name": implant.name,
        "parts": parts,
        "volume_m3": implant.volume_m3,
        "mass_kg": implant.mass_kg,
        "area_m2": implant.area_m2,
        "size_m": implant.size_m,
        "bounds_m": implant.bounds_m,
        "report": dict(implant.report),
        "sha256": implant.hash(),
    }


def per_frequency(tensor: PowerTensor) -> list[dict[str, Any]]:
    """Worst and best power per (T/s rms)^2, the engine and its quality, for every solved frequency."""
    rows = []
    for n, f in enumerate(map(float, tensor.frequencies_Hz)):
        (worst, along), (best, across) = tensor.worst(f), tensor.best(f)
        rows.append(
            {
                "frequency_Hz": f,
                "engine": tensor.engine[n],
                "worst_W": worst,
                "worst_direction": along,
                "best_W": best,
                "best_direction": across,
                "axes_W": np.real(np.diag(tensor.matrix[n]))[:3],
                "residual": tensor.residual[n],
                "identity": tensor.identity[n],
                "skin_depth_over_step": tensor.skin_depth_over_step[n],
            }
        )
    return rows


def quantities(exposures: Mapping[str, Mapping[str, Any]], tensor: PowerTensor) -> dict[str, Any]:
    """The entries of ``summary["quantities"]``.

    Parameters
    ----------
    exposures : mapping
        What every exposure does, as in ``summary["implant"]["exposures"]``.
    tensor : PowerTensor
        For skin depth, residual and the identity of power and work.
    """
    found: dict[str, Any] = {}

    def add(name: str, value: Any, unit: str, note: str = "", **more: Any) -> None:
        found[name] = {"value": value, "unit": unit, "uncertainty": None, "note": note} | more

    for name, one in exposures.items():
        lasting = f"after {one['duration_s']:g} s"
        if one.get("worst_rise_K") is not None:
            add(
                f"worst peak rise: {name}",
                one["worst_rise_K"],
                "K",
                f"{pose(one, 'worst_rise')}, {lasting}",
                location_m=one["worst_rise_m"],
                tissue=one["worst_rise_in"],
            )
        if one.get("worst_tissue_rise_K") is not None:
            note = f"{pose(one, 'worst_tissue')}, {lasting}"
            add(f"worst peak rise in tissue: {name}", one["worst_tissue_rise_K"], "K", note)
        add(f"worst power: {name}", one["worst_W"], "W", pose(one, "worst"))
        add(f"power: {name}", one["power_W"], "W", one["title"])
        add(f"best power: {name}", one["best_W"], "W", pose(one, "best"))
        add(f"peak rise: {name}", one["rise_K"], "K", lasting, location_m=one["hot_spot_m"], tissue=one["hot_spot_in"])
        if one.get("tissue_rise_K") is not None:
            add(
                f"peak rise in tissue: {name}",
                one["tissue_rise_K"],
                "K",
                lasting,
                location_m=one["tissue_spot_m"],
            )
        if one.get("best_rise_K") is not None:
            add(f"best peak rise: {name}", one["best_rise_K"], "K", f"{pose(one, 'best_rise')}, {lasting}")
        if one.get("bore"):
            bore = one["bore"]
            where = f"largest of {bore['places']} places of the implant's middle in the bore, worst orientation"
            add(f"worst power in the bore: {name}", bore["worst_W"], "W", where, location_m=bore["worst_place_m"])
        level = f"largest in tissue; the baseline of {one['baseline_degC']:g} degC by itself counts"
        alone = f"{level} {one['cem43_baseline_min']:.2g} min"
        add(f"CEM43: {name}", one["cem43_min"], "min", f"with the baseline; {alone}")
        add(f"CEM43 over the baseline: {name}", one["cem43_excess_min"], "min", alone)
        for title, key in (("time", "time_to_K"), ("time in the worst orientation", "worst_time_to_K")):
            for rise, seconds in one.get(key, {}).items():
                note = "" if seconds is not None else f"not within {one['duration_s']:g} s"
                add(f"{title} to {rise} K: {name}", seconds, "s", note)
    for n, f in enumerate(map(float, tensor.frequencies_Hz)):
        add(f"skin depth over step: {hertz(f)}", float(tensor.skin_depth_over_step[n]), "1", tensor.engine[n])
    add("residual", float(tensor.residual.max()), "1", "largest of all frequencies and directions")
    add("power identity", float(np.abs(tensor.identity).max()), "1", "power in the metal against work of the source")
    return found


def conditions(built: Sequence[BuiltExposure], found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows that set the run beside the exposures that documents describe; no verdict is given."""
    rows = []
    for one in built:
        if one.preset is None:
            continue
        preset, about = one.preset, found[one.name]
        common = {
            "exposure": one.name,
            "standard": preset.standard,
            "clause": preset.clause,
            "verified": preset.verified,
            "source": preset.source,
        }
        peak = math.sqrt(2) * about["dbdt_rms_T_s"] / (2 * math.pi * preset.frequency_Hz)
        for quantity, value, level, unit in (
            ("dB/dt, rms", about["dbdt_rms_T_s"], preset.dbdt_rms_T_s, "T/s"),
            ("frequency", about["frequency_Hz"], preset.frequency_Hz, "Hz"),
            ("magnetic flux density, peak", peak, preset.field_peak_T, "T"),
            ("duration", one.duration_s, preset.duration_s, "s"),
            ("power in the metal", about["power_W"], None, "W"),
            ("peak temperature rise", about["rise_K"], None, "K"),
        ):
            rows.append(common | {"quantity": quantity, "value": value, "level": level, "unit": unit})
    return rows


def comparison(
    kind: str, built: Sequence[BuiltExposure], found: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Published rises beside those of exposures with the same dB/dt, frequency and duration; for the parametric hip."""
    if kind != "hip":
        return []
    rows = []
    for row in resources.csv_rows(PUBLISHED):
        wanted = [float(row[k]) for k in ("dbdt_rms_T_s", "frequency_Hz", "duration_s")]
        for one in built:
            about = found[one.name]
            here = [about["dbdt_rms_T_s"], about["frequency_Hz"], one.duration_s]
            if None in here or any(abs(a / b - 1) > SAME for a, b in zip(here, wanted, strict=True)):
                continue
            rows.append(
                {
                    "exposure": one.name,
                    "published_K": float(row["rise_K"]),
                    "here_K": about["rise_K"],
                    "worst_K": about.get("worst_rise_K"),
                    "conditions": row["conditions"],
                    "source": row["source"],
                }
            )
    return rows


def hertz(frequency_Hz: float) -> str:
    """A frequency as text: "270 Hz", "3 kHz"."""
    return f"{frequency_Hz:.4g} Hz" if frequency_Hz < 1000 else f"{frequency_Hz / 1e3:.4g} kHz"


def _properties(metal: Metal) -> dict[str, float]:
    keys = ("conductivity_S_m", "density_kg_m3", "heat_capacity_J_kg_K", "thermal_conductivity_W_m_K")
    return {k: getattr(metal, k) for k in keys}
