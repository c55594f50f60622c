"""The headline numbers of an ``rf`` run, each with its unit."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.regions import deposition_slab, head_regions, region, within_coil
from emdose.dosimetry.sar import peak, region_sar, whole_body_sar
from emdose.errors import InputError

if TYPE_CHECKING:
    from emdose.compliance import Checks
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.power import PowerReport
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.solvers.results.fields import Fields


def average_name(mass_kg: float) -> str:
    """Name of a mass average: "10g" for 10e-3 kg."""
    return f"{mass_kg * 1e3:g}g"


def quantities(
    fields: Fields,
    body: Phantom,
    source: Coil | CircuitCoil | PlaneWave,
    sar: SarMap,
    averages: dict[str, MassAverage],
    power: PowerReport,
    checks: Checks,
) -> dict[str, dict[str, Any]]:
    """Every headline number: name -> value, unit, uncertainty (None where it is not known) and notes.

    Parameters
    ----------
    fields : Fields
        Driven and scaled.
    body, source, sar, averages, power, checks
        What belongs to these fields.
    """
    found: dict[str, dict[str, Any]] = {}
    spread = checks.inputs.get("relative_uncertainty")

    def add(name: str, value: float | None, unit: str, note: str = "", **more: Any) -> None:
        entry = {"value": value, "unit": unit, "uncertainty": None, **({"note": note} if note else {}), **more}
        if spread is not None and unit == "W/kg" and value is not None:
            entry["uncertainty"] = {"expanded": spread * value, "k": 2, "basis": "given in the scenario"}
        found[name] = entry

    _b1(fields, add)
    add("whole_body_sar", whole_body_sar(sar), "W/kg", f"absorbed power over the {body.mass_kg:.4g} kg of the phantom")
    _heads(sar, body, checks, add)
    for part in _parts(sar, body, source):
        add(f"partial_body_sar: {part.name}", region_sar(sar, part.mask), "W/kg", part.definition, mass_kg=part.mass_kg)
    for name, average in averages.items():
        top = peak(average.value, body)
        add(f"psSAR{name}", top.value, "W/kg", **_where(top))
    top = peak(sar, body)
    add("point_sar_max", top.value, "W/kg", f"one voxel, {sar.rule} rule; depends on the grid", **_where(top))
    top = peak(np.sqrt(np.sum(np.abs(fields.E_centre()[0]) ** 2, axis=0)), body)
    add("E_peak", top.value, "V/m", "largest length of the peak phasor at a voxel centre of tissue", **_where(top))
    add("absorbed_power", power.absorbed_W, "W")
    whole = fields.provenance.get("engine") == "Fdtd"  # it has the source in its grid as well
    by = "coil and body" if whole else "the currents in the body"
    add("scattered_power", power.scattered_W, "W", f"radiated by {by}")
    rest = "radiated" if whole else "scattered; a real coil loses more"
    add("input_power", power.input_W, "W", f"absorbed and {rest}")
    for mode in checks.modes:
        row = checks.binding(mode)
        if row is not None:
            note = f"limit that binds first: {row.limit.quantity}, {row.region}"
            add(f"b1plus_rms_limit: {mode}", checks.b1plus_rms_limit_T(mode), "T", note, location=checks.b1plus_region)
    return found


def _b1(fields: Fields, add: Any) -> None:
    b1 = np.abs(fields.b1plus()[0])
    scale = fields.provenance["scale"]
    if scale["target"] == "b1plus_rms_T":
        add("b1plus_rms", scale["value"], "T", f"the target of the scaling; mean over {scale['over']}")
    for place in ("isocentre", "slice", "body"):
        try:
            values = b1[fields.region(place)]
        except InputError:  # the isocentre need not be in the grid
            continue
        text = "mean over the tissue there" if place != "isocentre" else "voxel at the isocentre"
        add(f"b1plus_{place}", float(values.mean()), "T", text)
        if place != "isocentre" and values.mean() > 0:
            add(f"b1plus_variation_{place}", float(values.std() / values.mean()), "1", "standard deviation over mean")


def _heads(sar: SarMap, body: Phantom, checks: Checks, add: Any) -> None:
    """SAR of every head extent, and first the one that counts: the chosen one, otherwise the largest."""
    heads = {h.name: (region_sar(sar, h.mask), h.mass_kg) for h in head_regions(body)}
    chosen = [h["name"] for h in checks.inputs.get("heads", []) if h["counted"] and h["name"] in heads]
    if chosen:
        worst = max(chosen, key=lambda name: heads[name][0])
        add("head_sar", heads[worst][0], "W/kg", worst, mass_kg=heads[worst][1])
    for name, (value, mass) in heads.items():
        add(f"head_sar: {name}", value, "W/kg", mass_kg=mass)


def _parts(sar: SarMap, body: Phantom, source: Coil | CircuitCoil | PlaneWave) -> list[Any]:
    parts = []
    extent = getattr(source, "extent_m", None)
    if extent is not None:
        with contextlib.suppress(InputError):  # no tissue between the ends of the coil
            parts.append(within_coil(body, extent[0][2], extent[1][2]))
    if sar.power_W() > 0:
        parts.append(deposition_slab(sar, body))
    return parts or [region(body, "whole phantom", body.body)]


def _where(top: Any) -> dict[str, Any]:
    return {"location_m": list(top.location_m), "tissue": top.tissue}
