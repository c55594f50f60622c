"""What driven and scaled fields say of a body: SAR, averages, limits, temperatures, numbers; by any route."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown
from emdose.compliance import Checks, check
from emdose.dosimetry.power import power_report
from emdose.dosimetry.sar import point_sar
from emdose.errors import InputError
from emdose.report import limit_words
from emdose.scenarios.kinds.rf import limit_rows, thermal
from emdose.scenarios.kinds.rf.quantities import average_name, quantities
from emdose.scenarios.kinds.rf.result.result import CoilSummary, RunResult
from emdose.scenarios.shared.metal_coils.network import NETWORK
from emdose.scenarios.shared.metal_coils.tuned import as_started, capacitances
from emdose.solvers.running import Begin, ProgressCallback
from emdose.validity import judge

if TYPE_CHECKING:
    from emdose.dosimetry.averaging.cubes import MassAverage
    from emdose.dosimetry.sar import Rule, SarMap
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.rf.result.thermal_maps import ThermalMaps
    from emdose.scenarios.kinds.rf.schema import ChecksTable
    from emdose.scenarios.kinds.rf.thermal_table import RfThermalTable
    from emdose.scenarios.shared.kind import Kind
    from emdose.solvers.results.fields import Fields

REQUIRED_MASSES_KG = (1e-3, 1e-2)
"""Averages that are always made."""


@dataclass(frozen=True)
class RfOutcome:
    """What an ``rf`` run computed, before it is written.

    Parameters
    ----------
    body, coil, fields, sar, averages : Phantom, CoilSummary, Fields, SarMap, dict of MassAverage
        The scaled drive in full.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    thermal : ThermalMaps or None
        Temperatures, when the scenario has a table [thermal].
    """

    body: Phantom
    coil: CoilSummary
    fields: Fields
    sar: SarMap
    averages: dict[str, MassAverage]
    summary: dict[str, Any]
    warnings: list[str]
    thermal: ThermalMaps | None = None


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """How fields are evaluated: the tables [dosimetry], [checks] and [thermal], and what is accepted.

    Parameters
    ----------
    rule : "trapezium", "linear" or "mid-ordinate"
        How SAR follows from E.
    checks : ChecksTable
        Which limits, and under which circumstances.
    thermal : RfThermalTable or None
        Heat, where temperatures are asked for.
    accept : tuple of str
        Names of thresholds that may be passed.
    device : str
        "cpu" or "cuda".
    """

    rule: Rule
    checks: ChecksTable
    thermal: RfThermalTable | None
    accept: tuple[str, ...]
    device: str


def averaging_masses(asked_kg: tuple[float, ...]) -> list[float]:
    """The masses of all averages, in order [kg]: 1 g, 10 g and what is asked for."""
    return sorted({average_name(m): m for m in (*asked_kg, *REQUIRED_MASSES_KG)}.values())


def require_heavy_enough(body: Phantom, masses_kg: list[float], file: object = None) -> None:
    """Raise InputError when the body weighs less than one of the averaging masses."""
    if body.mass_kg < max(masses_kg):
        raise InputError(
            "the body is lighter than an averaging mass",
            file=file,
            field="phantom",
            found=f"{body.mass_kg:.4g} kg",
            expected=f"at least {max(masses_kg):g} kg",
        )


def evaluated(
    driven: Fields,
    body: Phantom,
    source: Any,
    how: Circumstances,
    *,
    plans: Callable[[], Mapping[float, Any]],
    convergence: Mapping[str, Any],
    tell: ProgressCallback,
    timed: Callable[[str], AbstractContextManager[None]],
    kept: Callable[..., Any],
) -> RfOutcome:
    """SAR, averages, limits, temperatures and every number of driven and scaled fields.

    Parameters
    ----------
    driven : Fields
        Driven and scaled.
    body : Phantom
        The body.
    source : Coil, CircuitCoil, PlaneWave or IncidentField
        What made the fields.
    how : Circumstances
        Tables.
    plans : callable
        Gives the averaging plan of every mass [kg].
    convergence : mapping
        The entry of the summary.
    tell : callable
        Takes the events "averages" and "checks" and those of the heat.
    timed, kept : callable
        As those of :class:`~emdose.scenarios.BaseJob`.
    """
    with timed("sar"):
        sar = point_sar(driven, body, how.rule)
    averages: dict[str, MassAverage] = {}
    with timed("averages"):
        for mass, plan in plans().items():
            averages[average_name(mass)] = plan.apply(sar.value)
    tell(Begin(stage="checks"))
    with timed("checks"):
        power = power_report(driven, body, sar)
        numbers: dict[str, Any] = {}
        table: dict[str, Any] = {"checks": [], "check_inputs": {}}
        # What is not valid has no numbers, so that nothing is compared with a limit either.
        valid = judge(driven.measures(), how.accept).is_valid
        if valid:
            checks = check(
                driven,
                body,
                coil=source,
                sar=sar,
                average_10g=averages["10g"],
                device=how.device,
                accept=how.accept,
                **check_arguments(how.checks, body),
            )
            numbers = quantities(driven, body, source, sar, averages, power, checks)
            numbers |= capacitances(driven.provenance.get(NETWORK))
            table = checks_summary(checks)
    summary = {
        "quantities": numbers,
        **table,
        "convergence": dict(convergence),
        "power_balance": power.to_dict(),
        "provenance": {**driven.provenance, "phantom_sha256": body.hash()},
    }
    network = summary["provenance"].pop(NETWORK, None)
    if network is not None:
        summary[NETWORK] = network
        summary["provenance"].pop("cosimulation", None)  # the same in other words
    maps = None
    if how.thermal is not None and valid:
        with timed("heat"):
            maps, summary["thermal"], more = thermal.temperatures(
                how.thermal, how.checks, body, sar, how.device, tell, kept
            )
        numbers |= more
    limit_words.refresh(summary)
    return RfOutcome(body, coil_summary(source, driven), driven, sar, averages, summary, [], maps)


def run_of(outcome: RfOutcome, summary: Mapping[str, Any], kind: Kind[Any] | None = None) -> RunResult:
    """An outcome with its whole summary as a run that lies in no folder yet."""
    return RunResult(
        None,
        dict(summary),
        outcome.body,
        outcome.coil,
        outcome.fields.frequency_Hz,
        outcome.fields.b1plus()[0].astype(np.complex64),
        outcome.sar,
        outcome.averages,
        outcome.fields,
        outcome.thermal,
        kind=kind,
    )


def coil_summary(source: Any, driven: Fields) -> CoilSummary:
    """What a result remembers of the source of driven and scaled fields."""
    weights = np.array([complex(*w) for w in driven.provenance["drive"]["weights"]])
    weights = weights * driven.provenance["scale"]["factor"]
    outline = getattr(source, "outline", np.zeros((0, 2, 3)))
    segments = np.asarray(getattr(source, "segments", outline), float)
    # The currents of a circuit coil flow in its metal and are not kept.
    per_port = np.asarray(getattr(source, "currents", np.zeros((len(weights), len(segments)))), complex)
    parameters = as_started(source.parameters, driven.provenance.get(NETWORK))
    return CoilSummary(source.name, segments, weights @ per_port, source.drive_unit, parameters)


def check_arguments(table: ChecksTable, body: Phantom) -> dict[str, Any]:
    """Arguments of :func:`emdose.check` for the table [checks]; raises InputError for parts the body does not have."""
    values = table.model_dump(exclude={"exposed_z_m", "extremities", "extremities_z_m", "verified_by_file"})
    values |= {"verified_by": limit_rows.readings(table), "use_values": table.use_values or ()}
    heads = [n for n in body.regions if n.lower().startswith("head")]
    if table.head is not None and table.head not in heads:
        raise unknown("unknown head region", table.head, heads, field="head")
    for key in ("exposed", "extremities"):
        if getattr(table, f"{key}_z_m") is not None:
            values[key] = _slab(body, f"{key}_z_m", *getattr(table, f"{key}_z_m"))
    if table.extremities is not None:
        values["extremities"] = np.any([_region(body, name) for name in table.extremities], axis=0)
    return values


def _slab(body: Phantom, field: str, low: float, high: float) -> np.ndarray:
    """What lies between two heights."""
    z = body.grid.centres(2)
    mask = np.broadcast_to((z >= low) & (z <= high), body.grid.shape)
    if not (mask & body.body).any():
        filled = z[body.body.any(axis=(0, 1))]
        raise InputError(
            "no tissue between these heights",
            field=field,
            found=[low, high],
            expected=f"heights of the body, {filled[0]:.4g} to {filled[-1]:.4g} m",
        )
    return mask


def _region(body: Phantom, name: str) -> np.ndarray:
    """A region of the phantom that is named as an extremity."""
    known = [n for n, m in body.regions.items() if (m & body.body).any()]
    if name not in known:
        also = "" if known else "extremities_z_m: the phantom has no regions"
        raise unknown("unknown region", name, known, field="extremities", also=also)
    return np.asarray(body.regions[name])


def checks_summary(checks: Checks) -> dict[str, Any]:
    """The rows and the rest of a table of checks as two entries of summary.json."""
    table = checks.to_dict()
    rows = table.pop("rows")
    return {"checks": rows, "check_inputs": {**table, "text": checks.table()}}
