"""Temperature of the body of an ``rf`` run: from its SAR to numbers, maps and the rows beside temperature limits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.sar import peak
from emdose.dosimetry.temperature import ThermalDose, region_peaks, thermal_dose
from emdose.io.kept_arrays import arrays_of, fingerprint, of_arrays
from emdose.scenarios.kinds.rf.limit_rows import is_patient, limit_rows
from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps
from emdose.solvers.heat.materials import body_maps
from emdose.solvers.heat.rise import steady
from emdose.solvers.heat.solver import Bioheat, Envelope, HeatCourse, Perfusion
from emdose.solvers.running import ProgressCallback

if TYPE_CHECKING:
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.schema import ChecksTable
    from emdose.scenarios.kinds.rf.thermal_table import RfThermalTable

MEANING = "one voxel; rise of temperature above that without exposure"


def solver(table: RfThermalTable, checks: ChecksTable) -> Bioheat:
    """The solver of the table; a room temperature that is not given is that of the checks."""
    law = Perfusion(
        table.perfusion, table.perfusion_slope_1_K, table.perfusion_base, table.perfusion_scale_K, table.perfusion_cap
    )
    return Bioheat(
        surface_W_m2_K=table.surface_W_m2_K,
        edges=table.edges,
        perfusion=law,
        initial=table.initial,
        initial_degC=table.initial_degC,
        blood_degC=table.blood_degC,
        ambient_degC=checks.ambient_degC if table.ambient_degC is None else table.ambient_degC,
        tolerance=table.tolerance,
    )


def require_data(body: Phantom) -> None:
    """Raise InputError when a tissue lacks what a temperature needs, before anything is solved."""
    body_maps(body)


def require_possible(table: RfThermalTable, checks: ChecksTable, body: Phantom, device: str) -> None:
    """Raise InputError when the body cannot be heated so, before anything is solved."""
    engine = solver(table, checks)
    maps = body_maps(body, None, engine.surface_W_m2_K, engine.edges)
    if engine.initial == "steady":
        steady(maps, np.zeros((1, *body.grid.shape)), device)  # refuses a body that loses no heat


def temperatures(
    table: RfThermalTable,
    checks: ChecksTable,
    body: Phantom,
    sar: SarMap,
    device: str,
    tell: ProgressCallback,
    kept: Callable[..., Any],
) -> tuple[ThermalMaps, dict[str, Any], dict[str, dict[str, Any]]]:
    """Maps, the entry "thermal" of a summary, and the headline quantities; ``kept`` as that of a job."""
    duty = checks.duty_cycle if table.duty_cycle is None else table.duty_cycle
    engine = solver(table, checks)
    envelope = None if table.on_s is None or table.on_s >= table.duration_s else Envelope.until(table.on_s)
    times = _times(table)
    name = fingerprint(engine, body.hash(), sar.value, table.duration_s, duty, envelope, times, device)
    course: HeatCourse = kept(
        f"heat-{name}",
        lambda: engine.solve_sar(
            body,
            sar,
            table.duration_s,
            factor=duty,
            envelope=envelope,
            times_s=times,
            device=device,
            progress=lambda event: tell(event.within("the body")),
        ),
        partial(arrays_of, without=("phantom",)),
        partial(of_arrays, HeatCourse, phantom=body),
    )
    hottest = int(np.argmax(course.peaks_K))
    dose = thermal_dose(course, table.dose_from_degC)
    start = np.zeros((1, *body.grid.shape), course.rise.dtype)
    largest = np.max(np.concatenate([start, course.rise]), axis=0)
    absolute = np.where(body.body, course.baseline_degC + largest, 0.0)
    maps = ThermalMaps(largest, course.baseline_degC, dose.total_min, course.times_s, course.peaks_K, course.rise)
    numbers = _quantities(table, body, largest, absolute, dose)
    about = {
        "duration_s": table.duration_s,
        "on_s": table.duration_s if table.on_s is None else table.on_s,
        "duty_cycle": duty,
        "power_W": course.power_W,
        "peak_rise_at_s": float(course.times_s[hottest]),
        "curve": {"times_s": [0.0, *course.times_s.tolist()], "peak_rise_K": [0.0, *course.peaks_K.tolist()]},
        "regions": {
            name: {
                "rise_K": rise.value,
                "location_m": list(rise.location_m),
                "tissue": rise.tissue,
                "temperature_degC": _value(absolute, body, name),
                "cem43_min": _value(dose.total_min, body, name),
                "cem43_excess_min": _value(dose.excess_min, body, name),
            }
            for name, rise in region_peaks(largest, body).items()
        },
        "limits": _limit_rows(checks, body, numbers["temperature_max"]["value"]),
        "time_error": course.time_error,
        "balance_error": course.balance_error,
        "assumptions": [
            f"The SAR of the scaled drive times the duty cycle of {duty:g} heats from 0 to "
            f"{table.duration_s if table.on_s is None else table.on_s:g} s; it does not change as tissue warms.",
            *course.assumptions,
            f"CEM43 counts temperatures from {table.dose_from_degC:g} degC on; {_baseline(dose, body)}.",
        ],
        "provenance": dict(course.provenance),
    }
    return maps, about, numbers


def _quantities(
    table: RfThermalTable, body: Phantom, largest: np.ndarray, absolute: np.ndarray, dose: ThermalDose
) -> dict[str, dict[str, Any]]:
    found = {}
    cem43, alone = "one voxel; cumulative equivalent minutes at 43 degC", _baseline(dose, body)
    for name, values, unit, note in (
        ("temperature_rise_max", largest, "K", f"{MEANING}; within {table.duration_s:g} s"),
        ("temperature_max", absolute, "degC", "one voxel"),
        ("cem43_max", dose.total_min, "min", f"{cem43}; {alone}"),
        ("cem43_excess_max", dose.excess_min, "min", f"{cem43}, less those of the baseline; {alone}"),
    ):
        top = peak(values, body)
        found[name] = {
            "value": top.value,
            "unit": unit,
            "uncertainty": None,
            "note": note,
            "location_m": list(top.location_m),
            "tissue": top.tissue,
        }
    return found


def _limit_rows(checks: ChecksTable, body: Phantom, value: float) -> list[dict[str, Any]]:
    """Limits on the local temperature that the table of limits carries, beside the largest value; for patients."""
    rows = [row for row in limit_rows(checks) if row.quantity == "temperature"] if is_patient(checks, body) else []
    return [
        {
            "standard": r.standard,
            "edition": r.edition,
            "mode": r.mode,
            "region": r.region,
            "value": value,
            "limit": r.value(),
            "unit": r.unit,
            "verified": r.verified,
            "state": r.state,
            "standing": r.standing,
            "source": r.origin,
        }
        for r in rows
    ]


def _baseline(dose: ThermalDose, body: Phantom) -> str:
    """The temperature without exposure and what it counts by itself, in words."""
    low, high = (float(f(dose.baseline_degC[body.body])) for f in (np.min, np.max))
    level = f"{high:.4g}" if high - low < 0.005 else f"{low:.4g} to {high:.4g}"
    return f"a baseline of {level} degC by itself counts {float(dose.baseline_min.max()):.2g} min"


def _value(values: np.ndarray, body: Phantom, name: str) -> float:
    return region_peaks(values, body)[name].value


def _times(table: RfThermalTable) -> list[float] | None:
    if table.times_s is not None:
        return list(table.times_s)
    if table.on_s is None or table.on_s >= table.duration_s:
        return None
    # Both branches get their points: warming up and cooling down.
    share = (np.arange(1, 17) / 16) ** 1.5
    return [*(table.on_s * share), *(table.on_s + (table.duration_s - table.on_s) * share)]
