"""What fields per unit of every source say of the exposures: tissues, limits, and what just passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compliance.gradients import check_gradients
from emdose.dosimetry.induced.tissue_table import InducedTable, induced_table
from emdose.dosimetry.stimulation.nerve import NerveModel
from emdose.models.gradients.sinusoid import Sinusoid
from emdose.models.gradients.waveform import Waveform
from emdose.report.limit_words import with_uncertainty
from emdose.scenarios.kinds.body_gradient.build import DIRECTIONS, Drive
from emdose.scenarios.kinds.body_gradient.outcome import GradientOutcome
from emdose.scenarios.shared.induced.metal_effect import IMPLANTED, beside_metal, beside_numbers, told_numbers
from emdose.scenarios.shared.induced.parts import at_frequency, convergence, over_tissues, tissue, unconnected
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.moving.reduced import peaks
from emdose.uncertainty.discretisation import KIND, refinement

if TYPE_CHECKING:
    from emdose.compliance.checks import Checks
    from emdose.scenarios.kinds.body_gradient.outcome import SolvedBody
    from emdose.solvers.results.induced import InducedField

NUMBERS = {
    "E 99.9 % in 2 mm": ("cube", "p999"),
    "E 99 % in 2 mm": ("cube", "p99"),
    "E 99 % along 5 mm": ("line", "p99"),
}
"""Numbers of an exposure, over all tissues, and where they stand in a table."""
SHOWN_SAMPLES = 900
LEAST_VOXELS = 1000
"""Voxels of a tissue whose 99.9th percentile is compared between grids."""
BASIS = "largest change of percentiles between two grids, over all tissues and by tissue, times 3"


def evaluated(job: Any, solution: SolvedBody) -> GradientOutcome:
    """All of a run.

    Parameters
    ----------
    job : BodyGradientJob
        Body, sources, drives and tables.
    solution : SolvedBody
        Fields of all sources.
    """
    induced = solution.body
    quantities: dict[str, dict[str, Any]] = {}
    exposures: dict[str, Any] = {}
    maps: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    inputs: dict[str, Any] = {}
    for drive in job.drives:
        name = drive.exposure.name
        rates = _rates(drive, induced)
        table = _table(job, induced, drive, rates)
        relative = None
        if solution.coarse is not None:
            relative = by_voxels(table, _table(job, solution.coarse, drive, rates))
        numbers = {k: _entry(_of_all(table, *path), relative) for k, path in NUMBERS.items()}
        without = peak_E(induced, drive, rates)
        if solution.implanted is not None:
            beside = peak_E(solution.implanted, drive, rates)
            fine = _with_metal(job, induced, solution.implanted, drive, rates)
            coarse, h = None, [float(job.body.spacing_m[0])]
            if solution.coarse is not None and solution.coarse_implanted is not None:
                coarse = _with_metal(job, solution.coarse, solution.coarse_implanted, drive, rates)
                h.append(float(job.coarse.spacing_m[0]))
            numbers |= told_numbers(fine, coarse, relative, h)
            maps[name + IMPLANTED] = solution.implanted.map(beside)
        maps[name] = induced.map(without)
        told = _checked(job, drive, induced)
        shown = _shown(drive)
        about: dict[str, Any] = {
            "title": drive.exposure.title,
            "tissues": [tissue(r) for r in table.rows],
            "notes": list(table.notes),
            "rates": rates,
            "waveform": shown,
            "response": None if job.shared is not None else _response(job, drive, float(shown["times_s"][-1])),
            "passing": [] if told is None else _passing(told),
            "decisive": [],
        }
        if told is not None:
            for row in told.to_dict()["rows"]:
                rows.append(row | {"region": f"{name}: {row['region']}"} | _of(row, name))
            numbers |= _told(told)
            inputs[name] = dict(told.inputs)
            about["notes"] += list(told.notes)
        quantities |= {f"{name}: {key}": entry for key, entry in numbers.items()}
        exposures[name] = about
    rows = with_uncertainty(rows, quantities)
    for name, one in exposures.items():
        one["decisive"] = _decisive([r for r in rows if r["region"].startswith(f"{name}: ")])
    first = job.exposures[0].name
    solved = (
        ("", solution.body),
        (", coarser", solution.coarse),
        (", implant", solution.implanted),
        (", implant, coarser", solution.coarse_implanted),
    )
    metal_measures = () if job.implanted is None else job.implanted.measures()
    notes = list(dict.fromkeys(note for one in exposures.values() for note in one.pop("notes")))
    summary = {
        "quantities": quantities,
        "checks": rows,
        "check_inputs": {
            "standard": job.tables.checks.standard,
            "edition": job.tables.checks.edition,
            "inputs": inputs,
            "notes": notes,
        }
        if rows
        else {},
        "convergence": convergence(job.solver.tolerance, solved, metal_measures),
        "power_balance": {},
        "provenance": {**induced.about, "phantom_sha256": job.body.hash()},
        "body_gradient": {
            "body": job.body.name,
            "mass_kg": job.body.mass_kg,
            "spacing_m": float(job.body.spacing_m[0]),
            "coarse_spacing_m": None if job.coarse is None else float(job.coarse.spacing_m[0]),
            "cells": len(induced.cells),
            "parts": int(induced.parts.max()) + 1,
            "frequency_Hz": job.frequency_Hz,
            "gradients": None if job.coils is None else _named(job),
            "position_m": None if job.coils is None else job.tables.gradients.position_m,
            "implant": None if job.implant is None else job.implant.name,
            "sources": [{"name": s.name, "unit": s.drive_unit} for s in induced.sources],
            "headline": [f"{first}: {key}" for key in NUMBERS],
            "checks": f"{job.tables.checks.standard}, edition {job.tables.checks.edition}" if rows else "",
            "exposures": exposures,
        },
    }
    fields = {
        f"{s.name} [V/m per {s.drive_unit}]": induced.map(E.real)
        for s, E in zip(induced.sources, induced.E, strict=True)
    }
    metal = None if job.implanted is None else np.asarray(job.implanted.metal)
    return GradientOutcome(job.body, metal, maps, fields, summary, _warnings(job, solution))


def _with_metal(
    job: Any, body: InducedField, implanted: InducedField, drive: Drive, rates: np.ndarray
) -> dict[str, tuple[float, str]]:
    """Numbers with the implant on one grid, with their units."""
    assert implanted.implanted is not None
    whole = _of_all(_table(job, implanted, drive, rates), "cube", "p999")
    peaks_of = [peak_E(field, drive, rates) for field in (body, implanted)]
    near = beside_metal(np.asarray(implanted.implanted.metal), body, peaks_of[0], implanted, peaks_of[1])
    return {"E 99.9 % in 2 mm with the implant": (whole, "V/m"), **beside_numbers(near)}


def peak_E(induced: InducedField, drive: Drive, rates: np.ndarray) -> np.ndarray:
    """Largest |E| over time of every voxel that conducts, (m,) [V/m].

    Parameters
    ----------
    induced : InducedField
        Fields of all sources.
    drive : Drive
        Which of them an exposure drives.
    rates : (n, 3) ndarray
        Drives between which those over time lie.
    """
    return peaks(induced.E[drive.sources], rates)


def _rates(drive: Drive, induced: InducedField) -> np.ndarray:
    """Drives of an exposure; of "worst" the direction with the largest 99.9th percentile of |E|."""
    if not np.isnan(drive.matrix).any():
        return drive.rates()
    wave = drive.exposure.waveform
    top = float(np.sqrt(2.0) * wave.rms[0]) if isinstance(wave, Sinusoid) else float(wave.peak[0])
    every = top * DIRECTIONS / np.linalg.norm(DIRECTIONS, axis=1, keepdims=True)
    high = [float(np.percentile(peak_E(induced, drive, one[None]), 99.9)) for one in every]
    return np.asarray(every[[int(np.argmax(high))]])


def _table(job: Any, induced: InducedField, drive: Drive, rates: np.ndarray) -> InducedTable:
    drives = np.zeros((len(rates), len(induced.sources)))
    drives[:, drive.sources] = rates
    return induced_table(induced, drives, device=job.device)


def _entry(value: float, relative: float | None) -> dict[str, Any]:
    """A field with what voxels leave uncertain of it."""
    entry: dict[str, Any] = {"value": value, "unit": "V/m"}
    if relative is not None:
        entry["uncertainty"] = {"expanded": relative * value, "k": 2, "basis": BASIS, "kind": KIND}
    return entry


def _of_all(table: InducedTable, kind: str, key: str) -> float:
    """A number over all tissues."""
    return float(getattr(getattr(table.rows[0], kind), key))


def by_voxels(table: InducedTable, coarse: InducedTable) -> float:
    """Relative expanded uncertainty by voxels of every number of a table, from one on larger voxels.

    One number may be the same on both grids by chance. So it is the largest of the relative uncertainties of the
    numbers over all tissues and the root mean square over tissues of that of their 99.9th percentiles.
    """
    h = [table.spacing_m[0], coarse.spacing_m[0]]
    pairs = [[_of_all(t, *path) for t in (table, coarse)] for path in NUMBERS.values()]
    whole = [refinement(h, pair).relative for pair in pairs if pair[0] > 0]
    return max([*whole, over_tissues(table, coarse, lambda row: row.cube.p999, LEAST_VOXELS)])


def _checked(job: Any, drive: Drive, induced: InducedField) -> Checks | None:
    """Limits of a gradient waveform; None for uniform fields, which no coil of a standard makes."""
    wave, table = drive.exposure.waveform, job.tables.checks
    if not drive.exposure.by_coils or not isinstance(wave, Waveform):
        return None
    with blamed_on(job.scenario.file, "checks"):
        return check_gradients(
            wave,
            job.coils,
            table.edition,
            coil_type=table.coil_type,
            radius_m=table.radius_m,
            half_length_m=table.half_length_m,
            induced=_axes_of(induced, drive, wave.axes),
            statistic=table.statistic,
            verified_by=table.verified_by or (),
            use_values=table.use_values or (),
            criterion=table.criterion,
            device=job.device,
        )


def _axes_of(induced: InducedField, drive: Drive, axes: int) -> InducedField:
    """The fields of the axes that an exposure drives alone."""
    some = slice(drive.sources.start, drive.sources.start + axes)
    return replace(
        induced,
        sources=induced.sources[some],
        E=induced.E[some],
        residual=induced.residual[some],
        balance=induced.balance[some],
    )


def _of(row: Mapping[str, Any], name: str) -> dict[str, str]:
    """The quantity whose relative uncertainty a row of E has."""
    of_field = str(row["quantity"]).startswith("gradient E")
    return {"uncertainty_of": f"{name}: E 99.9 % in 2 mm"} if of_field else {}


def _told(checks: Checks) -> dict[str, dict[str, Any]]:
    """What binds first in every mode, and the factor with which the waveform just passes."""
    found = {}
    for mode in checks.modes:
        row = checks.binding(mode)
        if row is not None and row.ratio:
            entry: dict[str, Any] = {"value": 1 / row.ratio, "unit": "1", "note": f"{row.limit.quantity}, {row.region}"}
            found[f"factor that just passes, {mode}"] = entry
    return found


def _passing(checks: Checks) -> list[dict[str, str]]:
    """Rows of what just passes."""
    rows = []
    for mode, entries in checks.inputs["passes"].items():
        for what, told in entries.items():
            slews = ", ".join(f"{axis} {value:.3g}" for axis, value in told["slew_T_m_s"].items() if value > 0)
            tops = ", ".join(f"{axis} {1e3 * value:.3g}" for axis, value in told["gradient_T_m"].items() if value > 0)
            limit = what if len(what) > 1 else f"{what} alone"
            rows.append({"limit": limit, "mode": mode, "slew": slews, "top": tops, "factor": f"{told['factor']:.3g}"})
    return rows


def _decisive(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of nerves and of the heart the row nearest to its limit, with the limits of all modes beside it."""
    found = []
    for heart in (False, True):
        own = [r for r in rows if ("cardiac" in r["quantity"]) is heart and r["counted"] and r["ratio"] is not None]
        if not own:
            continue
        top = max(own, key=lambda r: r["ratio"])
        marks = [
            {"limit": r["limit"], "label": r["mode"]}
            for r in own
            if r["quantity"] == top["quantity"]
            and r["region"] == top["region"]
            and abs(r["value"] - top["value"]) <= 1e-9 * abs(top["value"])
        ]
        entry = {k: top.get(k) for k in ("value", "unit", "uncertainty", "uncertainty_k", "uncertainty_kind", "note")}
        found.append({**entry, "title": f"{top['quantity']}, {top['region'].partition(': ')[2]}", "marks": marks})
    return found


def _shown(drive: Drive) -> dict[str, Any]:
    """Rates over one period, thinned."""
    wave = drive.exposure.waveform
    if isinstance(wave, Sinusoid):
        t = np.linspace(0, 1 / wave.frequency_Hz, 121)
        rates = np.sqrt(2.0) * np.asarray(wave.rms) * np.sin(2 * np.pi * wave.frequency_Hz * t)[:, None]
        return {"times_s": t, "rates": rates, "unit": "T/s"}
    times = np.repeat(np.asarray(wave.times_s), 2)[1:-1]
    rates = np.stack([wave.starts, wave.stops], axis=1).reshape(-1, wave.axes)
    n = min(len(times), SHOWN_SAMPLES)
    return {"times_s": times[:n], "rates": rates[:n], "unit": wave.rate_unit}


def _response(job: Any, drive: Drive, last_s: float) -> dict[str, Any] | None:
    """The nerve impulse response over the shown part of the waveform; None where its parameters do not hold."""
    wave = drive.exposure.waveform
    if not drive.exposure.by_coils or not isinstance(wave, Waveform):
        return None
    if job.tables.checks.coil_type not in (None, "whole-body"):
        return None
    first, last = float(wave.times_s[0]), float(wave.times_s[-1])
    answer = NerveModel().response(wave, axes="xyz"[: wave.axes], between_s=(first, min(last_s, last)))
    t, R = np.asarray(answer.times_s), np.asarray(answer.combined)
    step = max(1, len(t) // SHOWN_SAMPLES)
    return {"times_s": t[::step], "R": R[::step]}


def _named(job: Any) -> str:
    """What the gradient coils are called."""
    assert job.coils is not None
    told = job.tables.gradients.type
    return f"gradient coils of {job.coils.name}" if told == "wires" else f"{told} gradients"


def _warnings(job: Any, solution: SolvedBody) -> list[str]:
    found = unconnected(solution.body.parts, "The body")
    found += at_frequency(job.tables.solver.tissue_frequency_Hz, job.frequency_Hz)
    if any(not e.by_coils for e in job.exposures):
        found.append("Limits of gradient coils are not looked at for exposures to uniform fields.")
    return found
