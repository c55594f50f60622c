"""What fields without and with metal say: background at the site, averages beside metal, power in the metal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.averaging.average import averaging_plan
from emdose.dosimetry.in_metal import MetalPower, metal_power
from emdose.dosimetry.sar import SarMap, average_peak, mean_square, peak, point_sar, region_sar, whole_body_sar
from emdose.errors import InputError
from emdose.models.implants.voxels import embed
from emdose.scenarios.kinds.implant_rf.build import near
from emdose.validity import THRESHOLDS
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.dosimetry.sar import Peak, Rule
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.implanted_body import ImplantedBody
    from emdose.scenarios.kinds.implant_rf.real_metal import RealMetal
    from emdose.scenarios.kinds.implant_rf.schema import BackgroundTable
    from emdose.solvers.results.fields import Fields

MASSES_kg = {"1g": 1e-3, "10g": 1e-2}
REACH_m = 0.01
"""Around the box of the implant, where peaks are looked for: a centred cube of 10 g fits the fine grid there."""
BASIS = "Mie spheres on as coarse voxels, and balls of metal in gel"


@dataclass(frozen=True, eq=False)
class BesideMetal:
    """What the fields say.

    Parameters
    ----------
    without, beside : Fields
        Scaled.
    metal : ImplantedBody
        The metal on the grid of ``beside``.
    sar_without, sar_beside : SarMap
        Point SAR.
    power_in : MetalPower
        Power in the metal.
    numbers : dict
        Quantities of the summary.
    power : dict
        Entry "power_balance" of the summary.
    about : dict
        For the entry "implant_rf".
    notes : list of str
        Warnings.
    """

    without: Fields
    beside: Fields
    metal: ImplantedBody
    sar_without: SarMap
    sar_beside: SarMap
    power_in: MetalPower
    numbers: dict[str, dict[str, Any]]
    power: dict[str, Any]
    about: dict[str, Any]
    notes: list[str]


def evaluated(
    without: Fields,
    beside: Fields,
    body: Phantom,
    implant: Implant,
    target: BackgroundTable,
    rule: Rule,
    accept: Sequence[str],
    device: str,
    real: RealMetal | None = None,
) -> BesideMetal:
    """Scale, average and compare.

    Parameters
    ----------
    without, beside : Fields
        One drive without the metal on the body's voxels, and with it.
    body : Phantom
        The body of ``without``.
    implant : Implant
        The metal.
    target : BackgroundTable
        What is scaled to.
    rule : str
        How SAR follows from E.
    accept : sequence of str
        Names of thresholds that may be passed.
    device : str
        Where averages are computed.
    real : RealMetal, optional
        The same drive with real metal, whose averages stand beside those of the perfect conductor.
    """
    site = np.asarray(embed(implant, body).fraction) > 0
    without, factor = _scaled(without, body, site, target, rule, accept)
    power_now = beside.power.power()["absorbed_W"]
    beside = beside.scale(absorbed_power_W=power_now * factor**2)
    here = beside.metal
    assert here is not None
    sar0, sar1 = point_sar(without, body, rule), point_sar(beside, here.phantom, rule)
    in_metal = metal_power(beside)
    sar_own = None
    if real is not None:
        scaled = real.fields.E * real.fields.E.real.dtype.type(factor)
        sar_own = point_sar(replace(real.fields, E=owned(scaled)), here.phantom, rule)
    numbers: dict[str, dict[str, Any]] = {}
    u0, u1 = without.discretisation(), beside.discretisation()
    exact = _exact(target)
    loose = unfinished(without, site)

    def add(name: str, value: float, unit: str, u: float, note: str = "", **more: Any) -> None:
        entry: dict[str, Any] = {"value": float(value), "unit": unit, "uncertainty": None}
        if note:
            entry["note"] = note
        entry["uncertainty"] = {
            "expanded": 0.0 if name in exact else float(u * abs(value)),
            "k": 2,
            "basis": BASIS,
            "kind": "discretisation",
        }
        numbers[name] = entry | more

    local, u_local = region_sar(sar0, site), u0.expanded("regional SAR") + loose
    b1 = float(np.abs(without.b1plus()[0])[without.region("body")].mean())
    add(
        "background_sar",
        local,
        "W/kg",
        u_local,
        "body without the implant, mean over its place",
    )
    add("whole_body_sar", whole_body_sar(sar0), "W/kg", u0.expanded("power"), "body without the implant")
    add("b1plus_body", b1, "T", u0.expanded("B"), "body without the implant, mean over its tissue")
    if target.b1plus_rms_T is not None:
        add("b1plus_rms", target.b1plus_rms_T, "T", 0.0, f"the target; mean over {_words(target.over)}")
    tops: dict[str, tuple[Peak, Peak]] = {}
    averages: dict[str, tuple[float, float]] = {}
    for name, mass in MASSES_kg.items():
        plan0 = averaging_plan(body.density, body.spacing_m, mass, device)
        plan1 = averaging_plan(here.density, here.phantom.spacing_m, mass, device, metal=np.asarray(here.metal))
        top0 = average_peak(plan0, sar0, body, near(body.grid, implant, REACH_m))
        top1 = average_peak(plan1, sar1, here.phantom, near(here.phantom.grid, implant, REACH_m))
        tops[name] = (top0, top1)
        if sar_own is not None:
            real_top = average_peak(plan1, sar_own, here.phantom, near(here.phantom.grid, implant, REACH_m))
            averages[name] = (top1.value, real_top.value)
        before, after = u0.average_sar(mass) + loose, u1.average_sar(mass) + loose
        add(
            f"psSAR{name}_background", top0.value, "W/kg", before, "around the implant's place, without it", **_at(top0)
        )
        cube = top1.cube
        assert cube is not None
        note = f"{100 * cube.metal_share:.3g} % of the peak cube is metal; {cube.rule}"
        add(f"psSAR{name}", top1.value, "W/kg", after, note, **_at(top1))
        if top0.value > 0:
            ratio = top1.value / top0.value
            add(f"psSAR{name}_ratio", ratio, "1", before + after, "with the implant over without it")
            difference = top1.value - top0.value
            spread = (after * top1.value + before * top0.value) / max(abs(difference), 1e-300)
            add(f"psSAR{name}_difference", difference, "W/kg", spread, "with the implant less without it")
    top = peak(sar1, here.phantom, near(here.phantom.grid, implant, REACH_m))
    add("point_sar_max", top.value, "W/kg", 1.0, f"one voxel, {rule} rule; does not converge beside metal", **_at(top))
    around = u1.expanded("power") + loose
    both = in_metal.relative_uncertainty + loose
    add("metal_power", in_metal.power_W, "W", both, "by surface resistance; a perfect conductor has none")
    add("tissue_power", sar1.power_W(), "W", around, "tissue of the grid that the implant is solved on")
    table = in_metal.table(sar1.power_W(), None if sar_own is None else sar_own.power_W())
    for n, row in enumerate(table):
        row.update({f"psSAR{name}": pair[n] for name, pair in averages.items()})
    add("metal_power_share", table[1]["share"], "1", both + around, "power in the metal over that in metal and tissue")
    balance = without.power.power()
    power = {
        **{k: v for k, v in balance.items() if k != "closure"},
        "metal_W": {p.name: p.power_W for p in in_metal.parts},
    }
    errors = here.volume_errors()
    limit = THRESHOLDS["metal_volume"]
    hints = {m.where: m.hint for m in here.measures() if limit.beyond(m.value, limit.questionable)}
    about = {
        "metal_table": table,
        "real_metal": None if real is None else {"method": real.method},
        "parts": [p.to_dict() for p in in_metal.parts],
        "peaks": {name: {"without": a.to_dict(), "with": b.to_dict()} for name, (a, b) in tops.items()},
        "metal_volume": errors,
        "metal_hint": hints,
        "spacing_m": max(here.phantom.spacing_m),
        "body_spacing_m": max(body.spacing_m),
        "uncertainty": {"beside": around, "10g": u1.average_sar(1e-2) + loose, "unfinished": loose},
    }
    return BesideMetal(without, beside, here, sar0, sar1, in_metal, numbers, power, about, _notes(beside))


def unfinished(without: Fields, site: np.ndarray) -> float:
    """What an unfinished iteration leaves of the square of E at a site, as a fraction with k = 2.

    The estimated error of E is relative to all of the body; where the field is small beside that it is more.

    Parameters
    ----------
    without : Fields
        One drive in the body without metal.
    site : (nx, ny, nz) bool ndarray
        Voxels of the implant's place.
    """
    estimates = without.convergence.get("E_error_estimate") or [0.0]
    square = mean_square(without.E[0])
    tissue = np.asarray(without.body)
    here, everywhere = float(square[site & tissue].mean()), float(square[tissue].mean())
    return 4.0 * max(map(float, estimates)) * (everywhere / here) ** 0.5 if here > 0 else np.inf


def _scaled(
    fields: Fields, body: Phantom, site: np.ndarray, target: BackgroundTable, rule: Rule, accept: Sequence[str]
) -> tuple[Fields, float]:
    """Fields without the metal at the target, and the factor on the drive."""
    if target.background_sar_W_kg is None:
        over: Any = target.over
        out = fields.scale(**target.target, over=over, accept=accept)
        return out, float(out.provenance["scale"]["factor"])
    now = region_sar(point_sar(fields, body, rule), site)
    if not now > 0:
        raise InputError("no field at the place of the implant", field="background_sar_W_kg", found=now)
    share = target.background_sar_W_kg / now
    out = fields.scale(absorbed_power_W=fields.power.power()["absorbed_W"] * share)
    return out, float(np.sqrt(share))


def _exact(target: BackgroundTable) -> set[str]:
    names = {
        "background_sar_W_kg": {"background_sar"},
        "b1plus_rms_T": {"b1plus_rms"},
        "whole_body_sar_W_kg": {"whole_body_sar"},
        "absorbed_power_W": {"whole_body_sar"},
    }
    return names[next(iter(target.target))]


def _at(top: Peak) -> dict[str, Any]:
    plain: Mapping[str, Any] = top.to_dict()
    return {k: plain[k] for k in ("location_m", "tissue", "cube") if k in plain}


def _words(over: Any) -> str:
    return over if isinstance(over, str) else f"the point {tuple(over)} m"


def _notes(beside: Fields) -> list[str]:
    if beside.provenance.get("engine") != "Subdomain":
        return []
    return ["what the coil and far borders of the body send back of the field scattered by the implant is left out"]
