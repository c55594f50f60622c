"""The headline numbers of an ``rf`` run, each with its unit."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.regions import deposition_slab, head_regions, region, within_coil
from emdose.dosimetry.sar import peak, region_sar, whole_body_sar
from emdose.errors import InputError
from emdose.models.coils.plane_wave import PlaneWave
from emdose.solvers.yee_grid.incident import GivenField

if TYPE_CHECKING:
    from emdose.compliance import Checks
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.power import PowerReport
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.solvers.results.fields import Fields


WITH_SOURCE = ("Fdtd", "Vsie")
"""Engines that have the source in their equations as well, so that they know all that is radiated."""


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
    """Every headline number: name -> value, unit, uncertainty and notes.

    The uncertainty is that of discretisation alone (:mod:`emdose.solvers.results.discretisation`), for SAR the one that
    the scenario gives where it gives one.

    Parameters
    ----------
    fields : Fields
        Driven and scaled.
    body, source, sar, averages, power, checks
        What belongs to these fields.
    """
    found: dict[str, dict[str, Any]] = {}
    spread, voxels = checks.inputs.get("relative_uncertainty"), fields.discretisation()
    of = voxels.expanded
    exact = _exact(fields)

    def add(name: str, value: float | None, unit: str, u: float, note: str = "", **more: Any) -> None:
        entry = {"value": value, "unit": unit, "uncertainty": None, **({"note": note} if note else {}), **more}
        if spread is not None and unit == "W/kg" and value is not None:
            entry["uncertainty"] = {"expanded": spread * value, "k": 2, "basis": "given in the scenario"}
        elif value is not None:
            entry["uncertainty"] = voxels.uncertainty(0.0 if name in exact else u * abs(value))
        found[name] = entry

    _b1(fields, add, of("B"))
    whole_body = f"absorbed power over the {body.mass_kg:.4g} kg of the phantom"
    add("whole_body_sar", whole_body_sar(sar), "W/kg", of("power"), whole_body)
    _heads(sar, body, checks, add, of("regional SAR"))
    for part in _parts(sar, body, source):
        value, mass = region_sar(sar, part.mask), part.mass_kg
        add(f"partial_body_sar: {part.name}", value, "W/kg", of("regional SAR"), part.definition, mass_kg=mass)
    for name, average in averages.items():
        top = peak(average.value, body)
        add(f"psSAR{name}", top.value, "W/kg", voxels.average_sar(average.mass_kg), **_where(top))
    top = peak(sar, body)
    note = f"one voxel, {sar.rule} rule; depends on the grid"
    add("point_sar_max", top.value, "W/kg", of("point SAR"), note, **_where(top))
    top = peak(np.sqrt(np.sum(np.abs(fields.E_centre()[0]) ** 2, axis=0)), body)
    note = "largest length of the peak phasor at a voxel centre of tissue"
    add("E_peak", top.value, "V/m", of("E peak"), note, **_where(top))
    add("absorbed_power", power.absorbed_W, "W", of("power"))
    nowhere = isinstance(source, PlaneWave | GivenField)
    whole = fields.provenance.get("engine") in WITH_SOURCE and not nowhere
    by = "coil and body" if whole else "the currents in the body"
    add("scattered_power", power.scattered_W, "W", of("scattered power"), f"radiated by {by}")
    lossy = whole and power.lost_W > 1e-6 * power.input_W
    what = "absorbed, radiated and lost in the coil" if lossy else "absorbed and radiated"
    what = what if whole else "absorbed and scattered; a real coil loses more"
    # What makes the body larger makes both larger: their errors add.
    errors = of("power") * power.absorbed_W + of("scattered power") * power.scattered_W
    add("input_power", power.input_W, "W", errors / power.input_W if power.input_W > 0 else 0.0, what)
    place = next((n for n in ("b1plus_rms", "b1plus_isocentre", "b1plus_slice") if n in found), None)
    if place is not None and power.absorbed_W > 0:
        note = f"{place} over the square root of the absorbed power"
        b1 = found[place]["value"] / np.sqrt(power.absorbed_W)
        u = (0.0 if place in exact else of("B")) + 0.5 * of("power")
        add("b1plus_per_sqrt_W", float(b1), "T/sqrt(W)", u, note)
    for mode in checks.modes:
        row = checks.binding(mode)
        if row is not None:
            note = f"limit that binds first: {row.limit.quantity}, {row.region}"
            # SAR goes with the square of B1+; whichever SAR it is, none that limits is better known than these.
            u = 0.5 * max(of("10 g SAR"), of("regional SAR"))
            b1 = checks.b1plus_rms_limit_T(mode)
            add(f"b1plus_rms_limit: {mode}", b1, "T", u, note, location=checks.b1plus_region)
    return found


def _exact(fields: Fields) -> set[str]:
    """Numbers that were asked for, which voxels cannot change."""
    scale = fields.provenance.get("scale") or {}
    names = {
        "b1plus_rms_T": {"b1plus_rms", f"b1plus_{scale.get('over')}"},
        "whole_body_sar_W_kg": {"whole_body_sar", "absorbed_power"},
        "absorbed_power_W": {"whole_body_sar", "absorbed_power"},
        "input_power_W": {"input_power"},
    }
    return names.get(str(scale.get("target")), set())


def _b1(fields: Fields, add: Any, u: float) -> None:
    b1 = np.abs(fields.b1plus()[0])
    scale = fields.provenance["scale"]
    if scale["target"] == "b1plus_rms_T":
        add("b1plus_rms", scale["value"], "T", u, f"the target of the scaling; mean over {scale['over']}")
    for place in ("isocentre", "slice", "body"):
        try:
            values = b1[fields.region(place)]
        except InputError:  # the isocentre need not be in the grid
            continue
        text = "mean over the tissue there" if place != "isocentre" else "voxel at the isocentre"
        add(f"b1plus_{place}", float(values.mean()), "T", u, text)
        if place != "isocentre" and values.mean() > 0:
            varies = float(values.std() / values.mean())
            # An error of B1+ that is u of its mean anywhere changes its deviation by no more than that.
            add(f"b1plus_variation_{place}", varies, "1", u / max(varies, 1e-12), "standard deviation over mean")


def _heads(sar: SarMap, body: Phantom, checks: Checks, add: Any, u: float) -> None:
    """SAR of every head extent, and first the one that counts: the chosen one, otherwise the largest."""
    heads = {h.name: (region_sar(sar, h.mask), h.mass_kg) for h in head_regions(body)}
    chosen = [h["name"] for h in checks.inputs.get("heads", []) if h["counted"] and h["name"] in heads]
    if chosen:
        worst = max(chosen, key=lambda name: heads[name][0])
        add("head_sar", heads[worst][0], "W/kg", u, worst, mass_kg=heads[worst][1])
    for name, (value, mass) in heads.items():
        add(f"head_sar: {name}", value, "W/kg", u, mass_kg=mass)


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
