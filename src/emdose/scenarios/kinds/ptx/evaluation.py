"""Solved fields of an array become matrices, drives, worst cases, limits and numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compliance import check
from emdose.compute import machine
from emdose.dosimetry.power import power_report
from emdose.dosimetry.regions import deposition_slab
from emdose.dosimetry.sar import peak, point_sar, region_sar
from emdose.dosimetry.transmission.several.margins import bound_factor
from emdose.report import limit_words
from emdose.scenarios.kinds.ptx import drives as finding
from emdose.scenarios.kinds.ptx import matrices, worst_cases
from emdose.scenarios.kinds.ptx.limits import arguments
from emdose.scenarios.kinds.ptx.quantities import quantities
from emdose.scenarios.kinds.ptx.schema import EVEN
from emdose.scenarios.shared.convergence import solver_convergence
from emdose.scenarios.shared.driving.drives import scaled
from emdose.scenarios.shared.metal_coils.network import NETWORK
from emdose.solvers.running import Begin, ProgressCallback
from emdose.validity import Measure, judge

if TYPE_CHECKING:
    from emdose.dosimetry.sar import SarMap
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.ptx.matrices import ArrayMatrices
    from emdose.solvers.results.fields import Fields

MASS_10g = 10e-3


@dataclass(frozen=True, eq=False)
class PtxOutcome:
    """What a ``ptx`` run computed, before it is written.

    Parameters
    ----------
    body : Phantom
        The body.
    coil : str
        Name of the array.
    array : ArrayMatrices
        Fields of all channels and their matrices.
    mask : (nx, ny, nz) bool ndarray
        Where B1+ counts.
    drives : mapping of str to (port,) complex ndarray
        All drives [drive units].
    averages : mapping of str to (nx, ny, nz) ndarray
        10 g SAR of each [W/kg].
    driven : Fields
        Of the drive that stands beside the limits.
    sar : SarMap
        Its point SAR.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    body: Phantom
    coil: str
    array: ArrayMatrices
    mask: np.ndarray
    drives: Mapping[str, np.ndarray]
    averages: Mapping[str, np.ndarray]
    driven: Fields
    sar: SarMap
    summary: dict[str, Any]
    warnings: list[str]


def evaluated(job: Any, fields: Fields, tell: ProgressCallback) -> PtxOutcome:
    """All that follows from the fields of the channels.

    Parameters
    ----------
    job : PtxJob
        The scenario made ready to run.
    fields : Fields
        Of all ports, per unit of drive.
    tell : callable
        Takes the events "matrices", "drives" and "checks".
    """
    tables, body = job.tables, job.body
    tell(Begin(stage="matrices"))
    with job.timed("matrices"):
        array = matrices.made(fields, body, job.coil, tables, job.averaging(), job.mask, job.device)
        told = matrices.told(array)
    tell(Begin(stage="drives"))
    with job.timed("drives"), machine.one_blas_thread():
        drives = finding.all_drives(array, tables, job.drives)
        target = tables.target.b1plus_rms_T
        rows = {name: finding.numbers(array, name, drive, target) for name, drive in drives.items()}
        curve = finding.tradeoff(array, tables, drives[EVEN]["v"]) if EVEN in drives else []
    main = finding.main_of(drives)
    with job.timed("worst cases"), machine.one_blas_thread():
        worst = worst_cases.worst(array, tables, drives[main]["v"])
        modes = worst_cases.modes(array, tables, drives)
    tell(Begin(stage="checks"))
    with job.timed("checks"):
        maps, peaks, found, closures = {}, {}, {}, []
        for name, drive in drives.items():
            driven = _driven(job, fields, name, drive["v"])
            sar = point_sar(driven, body, tables.matrices.rule)
            average = job.averaging().apply(sar.value)
            maps[name], peaks[name] = np.asarray(average.value), peak(average.value, body)
            report = power_report(driven, body, sar)
            closures.append(report.closure)
            if name == main:
                found = {"driven": driven, "sar": sar, "average": average, "report": report}
        driven, sar = found["driven"], found["sar"]
        told["map_misfit"] = max(
            abs(peaks[name].value - rows[name]["sar_10g_W_kg"]) / rows[name]["sar_10g_W_kg"] for name in drives
        )
        # The gate sees the drive whose powers balance worst.
        power = {**found["report"].to_dict(), "closure": max(closures)}
        numbers: dict[str, Any] = {}
        table: dict[str, Any] = {"checks": [], "check_inputs": {}}
        measures = [*driven.measures(), Measure("closure", max(closures))]
        if judge(measures, tables.scenario.accept).is_valid:
            checks = check(
                driven,
                body,
                coil=job.coil,
                sar=sar,
                average_10g=found["average"],
                device=job.device,
                accept=tables.scenario.accept,
                **arguments(tables.checks),
            )
            plain = checks.to_dict()
            listed = plain.pop("rows")
            table = {"checks": listed, "check_inputs": {**plain, "text": checks.table()}}
            factor = None if job.bounds is None else bound_factor(job.bounds, array.cubes, job.device)
            slab = deposition_slab(sar, body)
            exposed = {slab.name: region_sar(sar, slab.mask)}
            numbers = quantities(
                array,
                rows,
                main,
                worst,
                peaks,
                exposed,
                fields.discretisation(),
                body,
                tables.checks.relative_uncertainty,
                factor,
            )
    about = {
        "main": main,
        "body": body.name,
        "mass_kg": float(body.mass_kg),
        "spacing_m": float(max(body.spacing_m)),
        "coil": job.coil.name,
        "channels": len(fields.ports),
        "frequency_Hz": float(fields.frequency_Hz),
        "drive_unit": fields.drive_unit,
        "network": fields.provenance.get(NETWORK),
        "target_T": target,
        "over": job.place_name if isinstance(job.place_name, str) else list(job.place_name),
        "points": int(job.mask.sum()),
        "least": tables.shim.least,
        "mode": tables.limits.mode,
        "duty_cycle": tables.checks.duty_cycle,
        "safety_factor": tables.limits.safety_factor,
        "with_uncertainty": tables.limits.with_uncertainty,
        "peak_amplitude": tables.limits.peak_amplitude,
        "forward_limit_W": tables.limits.forward_power_W,
        "limits": [
            {
                "label": one.title,
                "limit": one.limit,
                "of_standard": one.of_standard,
                "note": one.note,
                "uncertainty": one.uncertainty,
            }
            for one in array.limits
        ],
        "matrices": told,
        "drives": list(rows.values()),
        "tradeoff": curve,
        "worst": worst,
        "modes": modes,
    }
    summary = {
        "quantities": numbers,
        **table,
        "convergence": solver_convergence(fields, tables.solver.tolerance),
        "power_balance": power,
        "provenance": {**driven.provenance, "phantom_sha256": body.hash()},
        "ptx": about,
    }
    limit_words.refresh(summary)
    return PtxOutcome(
        body,
        job.coil.name,
        array,
        job.mask,
        {name: np.asarray(drive["v"]) for name, drive in drives.items()},
        maps,
        driven,
        sar,
        summary,
        warnings(about, body),
    )


def _driven(job: Any, fields: Fields, name: str, v: np.ndarray) -> Fields:
    """Fields of a drive, which say how large B1+ is where it counts."""
    driven = fields.drive(v)
    drive = {**driven.provenance["drive"], "name": name}
    driven = replace(driven, provenance={**driven.provenance, "drive": drive})
    b1 = float(np.abs(driven.b1plus()[0])[job.mask].mean())
    return scaled(driven, v, {"b1plus_rms_T": b1}, job.mask, job.place_name, job.tables.scenario.accept)


def warnings(about: Mapping[str, Any], body: Any) -> list[str]:
    """What a reader must know before the numbers."""
    found = []
    main = next(one for one in about["drives"] if one["name"] == about["main"])
    if about["target_T"] > 0 and main["b1plus_T"] < 0.99 * about["target_T"]:
        found.append(
            f"The {about['main']} drive reaches a mean B1+ of {1e6 * main['b1plus_T']:.3g} uT of the "
            f"{1e6 * about['target_T']:.3g} uT that were asked for: the limits or its evenness leave no more."
        )
    holes = [one["name"] for one in about["drives"] if one["least_T"] < about["least"] * one["b1plus_T"]]
    if holes:
        found.append(
            f"B1+ has a void, below {100 * about['least']:.3g} % of its mean, in these drives: {', '.join(holes)}."
        )
    largest, unit = about["peak_amplitude"], about["drive_unit"]
    over = [one["name"] for one in about["drives"] if largest and max(one["amplitudes"]) > largest * (1 + 1e-6)]
    if over:
        found.append(
            f"Beyond the peak amplitude of {largest:g} {unit} at the B1+ that was asked for: {', '.join(over)}."
        )
    found += [one["note"] for one in about["limits"] if one["note"] and not one["note"].startswith("given")]
    if about["network"]:
        found.append("U holds nothing of the mesh of the metal: kind rf tells it with a second mesh.")
    if body.test_object:
        found.append("The body is a test object: drives are found under limits for patients all the same.")
    return found
