"""The transmit field of a scenario: solved, or taken from its result, and made into the matrices of its body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.compliance.checks import GIVEN
from emdose.compliance.circumstances import SCHEMES, extremities_of, heads_of
from emdose.compliance.iec60601 import exposed_parts
from emdose.dosimetry.averaging.average import averaging_plan
from emdose.dosimetry.sar import point_sar
from emdose.dosimetry.sequences.reference import DriveReference, drive_reference
from emdose.dosimetry.transmission.blocks import q_matrix_blocks
from emdose.dosimetry.transmission.global_forms import WHOLE, GlobalMatrices, global_matrices
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.errors import InputError
from emdose.io.disk.checkpoint import FolderCheckpoint
from emdose.io.disk.run_files import LOCK_FILE
from emdose.scenarios import kinds
from emdose.scenarios.folder import KEY, SOLVED, RunFolder
from emdose.scenarios.gate import validity
from emdose.scenarios.loading import bundled, bundled_names, load
from emdose.scenarios.study.asked import run as run_scenario
from emdose.solvers.results.fields import named_drive

if TYPE_CHECKING:
    from emdose.scenarios.shared.job import BaseJob
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.scenarios.shared.transmitting.transmit import Transmit
    from emdose.validity import Validity

FIELD = "field"
"""Folder of the run that solves the field of a sheet."""
MASSES_KG = {"10 g": 10e-3, "1 g": 1e-3}
LIMBS = "extremities, "
IN_WORDS = {
    "isocentre": "the isocentre",
    "slice": "the slice through the isocentre",
    "body": "the body",
}


@dataclass(frozen=True, eq=False)
class AskedField:
    """A scenario whose field a sheet needs, before anything is solved.

    Parameters
    ----------
    scenario : LoadedScenario
        What is to be solved.
    folder : Path
        Where its result lies or will lie.
    job : BaseJob
        The scenario made ready to run.
    ports : int
        Channels of its coil.
    frequency_Hz : float
        Frequency [Hz].
    """

    scenario: LoadedScenario
    folder: Path
    job: BaseJob
    ports: int
    frequency_Hz: float


@dataclass(frozen=True, eq=False)
class TransmitMatrices:
    """What sequences are played on: matrices of the body, calibration, circumstances of the limits.

    Parameters
    ----------
    parts : GlobalMatrices
        Body, heads, exposed parts, powers.
    local : mapping of str to QMatrices
        Cubes by name.
    reference : DriveReference
        How pulses become drives.
    checks : mapping
        Arguments of :func:`emdose.compliance.check_sequence`.
    uncertainties : mapping of str to float
        Relative expanded uncertainties (k = 2) by name.
    uncertainty_kind : str
        What they hold: "discretisation", "combined", or that they were given.
    notes : tuple of str
        What is missing, and why.
    """

    parts: GlobalMatrices
    local: Mapping[str, QMatrices]
    reference: DriveReference
    checks: Mapping[str, Any]
    uncertainties: Mapping[str, float]
    uncertainty_kind: str
    notes: tuple[str, ...] = ()


def asked(target: LoadedScenario | Path | str, out: Path, device: str) -> AskedField:
    """The scenario that a sheet names: a file, a result folder, or the name of a bundled one.

    Raises
    ------
    InputError
        For what is none of them, and a kind of scenario without a transmit coil.
    """
    if isinstance(target, Path | str):
        path, folder = Path(target), out / FIELD
        if path.is_dir():
            folder = path
            if not RunFolder(path).finished:
                raise InputError("no finished result", file=path, expected="a scenario (.toml), or the folder of a run")
            scenario = load(path / LOCK_FILE)
        else:
            name = str(target)
            scenario = load(bundled(name) if not path.exists() and name in bundled_names() else path)
    else:
        scenario, folder = target, out / FIELD
    kind = kinds.get(scenario.kind)
    if not kind.transmits:
        those = [n for n in kinds.names() if kinds.get(n).transmits]
        expected = " or ".join(those)
        raise InputError(
            "no transmit coil", file=scenario.file, field="scenario.kind", found=scenario.kind, expected=expected
        )
    job: Any = kind.job(scenario, device)
    return AskedField(scenario, folder, job, len(job.coil.ports), float(job.exposure.frequency_Hz))


def solved(field: AskedField, *, device: str, force: bool, progress: Any) -> tuple[Transmit, dict[str, Any], Validity]:
    """Solve the field, or take it from the folder where it is; with the summary of the run and its validity.

    Raises
    ------
    NotValidError
        When the result is not valid.
    ResourceError, ConvergenceError, DeviceError, OutputError
        As the run.
    """
    outcome = run_scenario(
        field.scenario, field.folder, device=device, resume=not force, force=force, progress=progress
    )
    judged = validity(outcome.summary, field.folder)
    judged.require()
    key = str(outcome.summary["provenance"][KEY])
    arrays = FolderCheckpoint(RunFolder(field.folder).solution, key).load(SOLVED)
    if arrays is None:
        raise InputError("the solution of this run is gone", file=field.folder, expected="--force to solve it again")
    solution = field.job.solution_of(arrays)
    return field.job.transmit(solution), dict(outcome.summary), judged


def matrices_of(transmit: Transmit, summary: Mapping[str, Any], *, channels: bool, device: str) -> TransmitMatrices:
    """Matrices of body, parts and cubes, and the calibration.

    Parameters
    ----------
    transmit : Transmit
        The solved coil.
    summary : mapping
        Of its run, for what is uncertain of its numbers.
    channels : bool
        Whether sequences drive the channels one by one; otherwise one drive, and numbers instead of matrices, do.
    device : str
        Where averages are computed.
    """
    body, told = transmit.body, dict(transmit.checks)
    fields = transmit.fields
    mode = np.ones(1, complex)
    if not fields.is_driven:
        _, mode = named_drive(transmit.mode, fields.drives, len(fields.ports))
        mode = mode / (np.abs(mode).max() or 1.0)  # one unit of the drive is that of its largest channel
    driven = fields if fields.is_driven else fields.drive(mode)
    used = fields if channels and not fields.is_driven else driven
    name = IN_WORDS.get(str(transmit.place_name), str(transmit.place_name))
    if not isinstance(transmit.place_name, str):
        name = "the point ({}) m".format(", ".join(f"{float(p):g}" for p in transmit.place_name))
    weights = np.ones(1) if used.is_driven else mode
    reference = drive_reference(used, transmit.place, weights, region=name, accept=transmit.accept)
    heads = [h for h, counted in heads_of(body, told.get("head")) if counted]
    sar = point_sar(driven, body, transmit.rule)
    exposed = [p for p, counted in exposed_parts(sar, body, transmit.coil, told.get("exposed")) if counted]
    parts = global_matrices(used, body, [*heads, *exposed], rule=transmit.rule)
    limbs = extremities_of(body, told.get("extremities"))
    local: dict[str, QMatrices] = {}
    notes: list[str] = []
    if not used.is_driven:
        notes.append("Channels are driven one by one: U and the slab of power are those of the mode of the coil.")
    for title, mass in MASSES_KG.items():
        if not body.grid.is_cubic or body.mass_kg < mass:
            notes.append(f"No {title} averages: they need voxels that are cubes, and a body that heavy.")
            continue
        plan = averaging_plan(body.density, body.spacing_m, mass, device=device)
        cubes = q_matrix_blocks(used, body, plan, transmit.rule).whole()
        inside = None if limbs is None else limbs.reshape(-1)[cubes.voxel]
        if inside is None or not inside.any() or mass != MASSES_KG["10 g"]:
            local[title] = cubes
            continue
        for one, kept in ((title, ~inside), (f"{LIMBS}{title}", inside)):
            if kept.any():
                local[one] = replace(cubes, matrices=cubes.matrices[kept], voxel=cubes.voxel[kept])
    coil_type = told.get("coil_type") or SCHEMES.get(str(transmit.coil.parameters.get("kind", "")), "volume")
    patient = told.get("patient")
    checks: dict[str, Any] = {
        "coil_type": coil_type,
        "patient": not body.test_object if patient is None else patient,
        "heads": [h.name for h in heads],
        "exposed": [p.name for p in exposed],
        **{k: told[k] for k in ("standard", "edition", "patient_mass_kg", "ambient_degC") if k in told},
        "verified_by": told.get("verified_by", ()),
        "use_values": told.get("use_values", ()),
    }
    numbers, given = summary.get("quantities") or {}, told.get("relative_uncertainty")
    spread = _uncertainties(numbers, parts, local, given)
    stated = (numbers.get("whole_body_sar") or {}).get("uncertainty") or {}
    kind = GIVEN if given is not None else str(stated.get("kind") or "")
    return TransmitMatrices(parts, local, reference, checks, spread, kind, tuple(notes))


def _uncertainties(
    numbers: Mapping[str, Any], parts: GlobalMatrices, local: Mapping[str, QMatrices], given: float | None
) -> dict[str, float]:
    """Relative expanded uncertainty of SAR at a given B1+ by name: given, or what the run and its study say."""
    names = [*parts.names, *local]
    if given is not None:
        return dict.fromkeys(names, float(given))

    def of(*keys: str) -> float | None:
        for key in keys:
            entry = numbers.get(key) or {}
            told = entry.get("uncertainty") or {}
            if told.get("expanded") is not None and entry.get("value"):
                return float(told["expanded"]) * 2 / float(told.get("k", 2)) / abs(float(entry["value"]))
        return None

    found: dict[str, float | None] = {WHOLE: of("whole_body_sar")}
    found |= {n: of(f"head_sar: {n}", f"partial_body_sar: {n}", "head_sar") for n in parts.names if n != WHOLE}
    found |= {n: of(f"psSAR{n.removeprefix(LIMBS).replace(' ', '')}") for n in local}
    return {name: u for name, u in found.items() if u is not None}
