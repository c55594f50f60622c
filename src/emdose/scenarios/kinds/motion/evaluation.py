"""What solved motions say of trajectories: time courses, tissues, and what limits leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compliance.workers import largest_change
from emdose.dosimetry.induced.tissue_table import ALL, InducedTable, induced_table
from emdose.report.limit_words import with_uncertainty
from emdose.scenarios.kinds.motion import exposure, limit_rows, metal
from emdose.scenarios.kinds.motion.exposure import FollowedVoxels, SeenField
from emdose.scenarios.shared.bodies import body_inputs
from emdose.scenarios.shared.induced import parts
from emdose.scenarios.shared.induced.metal_effect import IMPLANTED
from emdose.solvers.moving.reduced import peaks
from emdose.uncertainty.discretisation import KIND, refinement

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.motion.build import Movement
    from emdose.scenarios.kinds.motion.setting import MotionSetting, SolvedPart
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.moving.course import MotionCourse
    from emdose.solvers.results.induced import InducedField
    from emdose.validity import Measure

HEADLINE = ("largest |B|", "largest change of B within 3 s", "E 99 % in 2 mm, worst tissue")
LARGEST = "E, largest voxel"
COMPARED = 1000
"""Voxels of a tissue whose percentile is compared between grids."""
BASIS = "largest change between two grids of the numbers of this unit, times 3; E also by tissue, B also over a voxel"


@dataclass(frozen=True, eq=False)
class MotionOutcome:
    """What a ``motion`` run computed, before it is written.

    Parameters
    ----------
    phantom : Phantom
        The body.
    maps : mapping of str to (nx, ny, nz) ndarray
        Largest |E| over time of every trajectory [V/m].
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    phantom: Phantom
    maps: Mapping[str, np.ndarray]
    summary: dict[str, Any]
    warnings: list[str]


@dataclass(frozen=True, eq=False)
class SeenMovement:
    """What a part of the body on one grid goes through along a trajectory.

    Parameters
    ----------
    induced : InducedField
        Its unit fields.
    peak : (m,) ndarray
        Largest |E| of every voxel over time [V/m].
    table : InducedTable
        Tissues.
    seen : SeenField
        B and dB/dt.
    voxels : FollowedVoxels
        E.
    rows : list of dict
        Values beside limits.
    """

    induced: InducedField
    peak: np.ndarray
    table: InducedTable
    seen: SeenField
    voxels: FollowedVoxels
    rows: list[dict[str, Any]]


def evaluated(setting: MotionSetting, solution: Mapping[str, SolvedPart]) -> MotionOutcome:
    """All of a run.

    Parameters
    ----------
    setting : MotionSetting
        Body, magnet, trajectories and tables.
    solution : mapping of str to SolvedPart
        Solved motions by the part of the body that moves.
    """
    quantities: dict[str, dict[str, Any]] = {}
    trajectories: dict[str, Any] = {}
    maps: dict[str, np.ndarray] = {}
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    for movement in setting.movements:
        solved = solution[movement.part]
        course = solved.field.along(movement.trajectory)
        drives = _drives(course)
        fine = _gone_through(setting, movement, course, solved.field.induced, drives)
        coarse = None if solved.coarse is None else _gone_through(setting, movement, course, solved.coarse, drives)
        relative = None if coarse is None else _by_voxels(course, fine, coarse)
        numbers = _numbers(course, fine, relative)
        own = limit_rows.joined(movement.name, fine.rows, None if coarse is None else coarse.rows, relative, numbers)
        numbers |= limit_rows.indices(own)
        rows += own
        notes += list(fine.table.notes)
        maps[movement.name] = fine.induced.map(fine.peak)
        trajectories[movement.name] = _told(setting, movement, course, fine)
        if solved.implanted is not None:
            of_E = None if relative is None else relative["V/m"]
            more, beside, felt = metal.numbers(setting, movement, solved, course, drives, of_E)
            numbers |= more
            maps[movement.name + IMPLANTED] = solved.implanted.map(beside)
            trajectories[movement.name]["implant"] = felt
        quantities |= {f"{movement.name}: {key}": entry for key, entry in numbers.items()}
    rows = with_uncertainty(rows, quantities)
    first = setting.movements[0].name
    documents = setting.tables.checks.documents
    inducing = [one.field.induced for one in solution.values()]
    summary = {
        "quantities": quantities,
        "checks": rows,
        "check_inputs": {
            "inputs": {"group": setting.tables.checks.group, "controlled": setting.tables.checks.controlled},
            "notes": list(dict.fromkeys([*limit_rows.notes(documents), *notes])),
        },
        "convergence": parts.convergence(setting.tables.solver.tolerance, _solved(solution), _metal_measures(setting)),
        "power_balance": {},
        "provenance": {**inducing[0].about, "phantom_sha256": setting.body.hash()},
        "motion": {
            "body": setting.body.name,
            "mass_kg": setting.body.mass_kg,
            "spacing_m": float(setting.body.spacing_m[0]),
            "coarse_spacing_m": setting.coarse_spacing_m,
            "frequency_Hz": setting.frequency_Hz,
            "magnet": setting.magnet.name,
            "B0_T": float(getattr(setting.magnet, "B0_T", np.nan)),
            "line_m": None if setting.brief else _line(setting.magnet),
            "parts": {
                part: {
                    "cells": len(one.field.induced.cells),
                    "motions": len(one.field.induced.sources),
                    "left_out": one.field.left_out,
                    "conductors": int(one.field.induced.parts.max()) + 1,
                }
                for part, one in solution.items()
            },
            "implant": None if setting.metal is None else setting.metal.implant.name,
            "documents": list(documents),
            "group": setting.tables.checks.group,
            "controlled": setting.tables.checks.controlled,
            "headline": [f"{first}: {key}" for key in HEADLINE],
            "decisive": limit_rows.decisive(rows),
            "trajectories": trajectories,
        },
    }
    return MotionOutcome(setting.body, maps, summary, _warnings(setting, solution, rows))


def inputs(scenario: LoadedScenario) -> dict[str, float]:
    """The tissues of the body at the frequency that they are taken at; its trajectories say where it is."""
    tables = scenario.tables
    found = body_inputs(tables.phantom, tables.solver.tissue_frequency_Hz or 10.0, scenario.file)
    return {k: v for k, v in found.items() if k.startswith("phantom.tissues")}


def _gone_through(
    setting: MotionSetting, movement: Movement, course: MotionCourse, induced: InducedField, drives: np.ndarray
) -> SeenMovement:
    body = induced.phantom
    table = induced_table(induced, drives, device=setting.device)
    poses = movement.trajectory.poses()
    at = movement.trajectory.poses(course.times_s[exposure.moments(course)])
    seen = exposure.seen(setting.magnet, body, poses, at)
    peak = peaks(induced.E, course.weights)
    voxels = exposure.followed(induced, course.weights, peak)
    rows = limit_rows.checked(setting, course.times_s, seen, voxels)
    return SeenMovement(induced, peak, table, seen, voxels, rows)


def _drives(course: MotionCourse) -> np.ndarray:
    """Sums of motions at the moments when a percentile of a tissue is largest, (n, motions)."""
    told = course.percentiles((99.0, 99.9, 100.0)).values()
    return np.asarray(course.weights[np.unique([int(row.argmax()) for values in told for row in values])])


def _values(course: MotionCourse, one: SeenMovement, tissue: str) -> dict[str, tuple[float, str]]:
    """Numbers of a trajectory on one grid, with their units."""
    names = [r.tissue for r in one.table.rows]
    whole, own = one.table.rows[0], one.table.row(tissue if tissue in names else ALL)
    return {
        "largest |B|": (float(np.linalg.norm(one.seen.B_T, axis=2).max()), "T"),
        "largest change of B within 3 s": (largest_change(course.times_s, one.seen.B_T), "T"),
        "largest dB/dt": (float(np.linalg.norm(one.seen.dBdt_T_s, axis=2).max()), "T/s"),
        "E 99 % in 2 mm, worst tissue": (own.cube.p99, "V/m"),
        "E 99.9 % in 2 mm": (whole.cube.p999, "V/m"),
        LARGEST: (whole.voxel.max, "V/m"),
    }


def _by_voxels(course: MotionCourse, fine: SeenMovement, coarse: SeenMovement) -> dict[str, float]:
    """Relative expanded uncertainty by voxels of B, dB/dt and E: "T", "T/s", "V/m", and that of the largest voxel.

    One number may be the same on both grids by chance: it has the largest one of the numbers of its unit, and of B and
    dB/dt no less than what they change by over a voxel at the surface. Of E the root
    mean square over tissues counts as well; the largest voxel, which does not settle, has its own.
    """
    tissue = _worst(fine.table)
    h = [fine.table.spacing_m[0], coarse.table.spacing_m[0]]
    others = _values(course, coarse, tissue)
    seen = fine.seen
    found: dict[str, float] = {}
    pairs = (("T", seen.B_T, seen.inner_B_T), ("T/s", seen.dBdt_T_s, seen.inner_dBdt_T_s))
    for unit, outer, inner in pairs:
        # Over the largest value: also where the surface of both grids is the same by chance.
        top = float(np.linalg.norm(outer, axis=2).max())
        found[unit] = 1 - min(1.0, float(np.linalg.norm(inner, axis=2).max()) / top) if top > 0 else 0.0
    for key, (value, unit) in _values(course, fine, tissue).items():
        told = refinement(h, [value, others[key][0]]).relative if value > 0 else 0.0
        name = LARGEST if key == LARGEST else unit
        found[name] = max(found.get(name, 0.0), told)
    over = parts.over_tissues(fine.table, coarse.table, lambda row: row.cube.p99, COMPARED)
    found["V/m"] = max(found["V/m"], over)
    return found | {LARGEST: max(found[LARGEST], found["V/m"])}


def _numbers(course: MotionCourse, fine: SeenMovement, relative: Mapping[str, float] | None) -> dict[str, Any]:
    """Quantities of a trajectory, each with what voxels leave uncertain."""
    tissue = _worst(fine.table)
    found: dict[str, dict[str, Any]] = {}
    for key, (value, unit) in _values(course, fine, tissue).items():
        entry: dict[str, Any] = {"value": float(value), "unit": unit}
        if relative is not None:
            share = relative[LARGEST if key == LARGEST else unit]
            entry["uncertainty"] = {"expanded": share * float(value), "k": 2, "basis": BASIS, "kind": KIND}
        found[key] = entry
    found["E 99 % in 2 mm, worst tissue"]["note"] = tissue.replace("_", " ")
    found[LARGEST]["note"] = "a staircase of voxels shows in it: compare percentiles"
    return found


def _worst(table: InducedTable) -> str:
    """The tissue with the largest 99th percentile of the average over cubes, of those with enough voxels for one."""
    own = [r for r in table.rows if r.tissue != ALL]
    return max([r for r in own if r.voxels >= exposure.LEAST] or own, key=lambda r: r.cube.p99).tissue


def _told(setting: MotionSetting, movement: Movement, course: MotionCourse, fine: SeenMovement) -> dict[str, Any]:
    """What summary.json says of a trajectory."""
    t, seen, voxels = course.times_s, fine.seen, fine.voxels
    percentile = course.percentiles((99.0,))
    worst = _worst(fine.table)
    checks = setting.tables.checks
    curves = {}
    for name in () if setting.brief else checks.documents:
        for weights, where in exposure.weightings(name, checks.group):
            E = voxels.typical[:, voxels.head] if where == exposure.HEAD else voxels.typical
            if E.shape[1]:
                curves[f"{weights.name}, {where}"] = exposure.index_course(weights, t, E)
    path = movement.trajectory
    return {
        "part": movement.part,
        "type": setting.tables.trajectories[movement.name].type,
        "source": path.source,
        "duration_s": path.duration_s,
        "poses": len(t),
        "left_out": course.left_out,
        "fastest_m_s": float(np.linalg.norm(path.poses().velocities_m_s, axis=1).max()),
        "fastest_rad_s": float(np.linalg.norm(path.poses().turns_rad_s, axis=1).max()),
        "peak_time_s": course.peak_time_s,
        "worst": worst,
        "tissues": [parts.tissue(r) for r in fine.table.rows],
        "course": {
            "times_s": t,
            "B_T": np.linalg.norm(seen.B_T, axis=2).max(axis=1),
            "change_T": exposure.running_change(t, seen.B_T),
            "dBdt_T_s": np.linalg.norm(seen.dBdt_T_s, axis=2).max(axis=1),
            "E_p99_V_m": percentile[worst][0],
            "E_max_V_m": course.size_E.max(axis=1),
            "indices": curves,
        },
    }


def _solved(solution: Mapping[str, SolvedPart]) -> Iterator[tuple[str, InducedField | None]]:
    """Fields of all parts on both grids, and what is written behind the names of their motions."""
    for part, one in solution.items():
        yield f" ({part})", one.field.induced
        yield f" ({part}, coarser)", one.coarse
        yield f" ({part}, implant)", one.implanted
        yield f" ({part}, implant, coarser)", one.coarse_implanted


def _metal_measures(setting: MotionSetting) -> tuple[Measure, ...]:
    """What the voxels lose or add of the implant: once, they are the same in every part."""
    bodies = () if setting.metal is None else tuple(setting.metal.bodies.values())
    return tuple(bodies[0].measures()) if bodies else ()


def _line(magnet: Any) -> list[float] | None:
    """Where the 0.5 mT line lies along and across the axis [m]; None for a map."""
    line = getattr(magnet, "line_m", None)
    return None if line is None else [line(5e-4, "z"), line(5e-4, "r")]


def _warnings(setting: MotionSetting, solution: Mapping[str, SolvedPart], rows: list[dict[str, Any]]) -> list[str]:
    found = []
    inconsistency = getattr(setting.magnet, "inconsistency", 0.0)
    if inconsistency > 0.02:
        found.append(
            f"The field map obeys Maxwell's equations to {100 * inconsistency:.2g} % of its gradient; E is no better."
        )
    for part, one in solution.items():
        found += parts.unconnected(one.field.induced.parts, f"The {part}")
    if "head" in solution:
        found.append(
            "What moves the head alone is computed in a head that ends at the neck, where no current passes: values "
            "beside the cut are not those of a neck."
        )
    found += parts.at_frequency(setting.tables.solver.tissue_frequency_Hz, setting.frequency_Hz)
    if setting.metal is not None:
        found.append(
            "Limits are looked at for the body without its metal. Whether somebody with an implant may be there is for "
            "its maker and the physician to say: active implants have rules of their own inside the 0.5 mT line."
        )
        for move in setting.movements:
            if move.part not in setting.metal.bodies:
                found.append(f"'{move.name}' moves the {move.part} alone, which the implant is not in.")
    return found + limit_rows.warnings(rows)
