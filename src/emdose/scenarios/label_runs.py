"""Runs of RF heating for the sheet of a label: one of kind implant-rf for every field and landmark, at coarse settings.

The stylised adult lies with the landmark at the isocentre of a birdcage body coil in quadrature, the implant at its
site. The body is solved by volume integrals on large voxels, the implant on a fine grid of its own; all is scaled to a
B1+rms of 1 uT, the mean over the body in the slice at the isocentre. Heat lasts as long as the scan, without perfusion.

The implant is turned and moved in the field of the one body: as it is given, on the other side of the body (the field
of a coil in quadrature is not the same there), and tilted both ways about every axis. The pose that warms most counts;
a pose that does not fit the body is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.constants import GAMMA_BAR_PROTON
from emdose.errors import InputError
from emdose.io.disk.run_files import LOCK_FILE, RESULT_FILE
from emdose.scenarios import kinds
from emdose.scenarios.folder import RF_RUNS, RunFolder
from emdose.scenarios.gate import validity
from emdose.scenarios.kinds.label.sheet import place
from emdose.scenarios.loading import from_tables, load
from emdose.scenarios.run import RunOutcome
from emdose.scenarios.run import run as run_alone
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.scenarios.shared.scenario import LoadedScenario
    from emdose.solvers.running import ProgressCallback

KIND, LABEL = "implant-rf", "label"
B1_T = 1e-6
"""What every run is scaled to; what is allowed follows from the rise."""
COIL: Mapping[str, Any] = {"type": "birdcage", "rungs": 16, "radius_m": 0.32, "length_m": 0.60}
"""The body coil: of the size of those of whole-body scanners, not of any product."""
TURNED = (0.0, 0.0, 180.0)
"""The head of the built-in hip points to +x; in a right hip, on the side of +x, it points to the middle of the body."""

TILTS: Mapping[str, tuple[float, float, float]] = {
    "tilted forwards": (15.0, 0.0, 0.0),
    "tilted backwards": (-15.0, 0.0, 0.0),
    "tilted inwards": (0.0, 15.0, 0.0),
    "tilted outwards": (0.0, -15.0, 0.0),
    "turned left": (0.0, 0.0, 30.0),
    "turned right": (0.0, 0.0, -30.0),
}
"""What is added to the angles of the implant about x, y and z, in degrees."""
OTHER_SIDE = "other side"


@read_only
@dataclass(frozen=True)
class RfGrids:
    """Cells of the runs.

    Parameters
    ----------
    body_m, implant_m, heat_m : float
        Edges of the voxels of the body, of the fine cells around the implant, and of the voxels of heat [m].
    """

    body_m: float = 10e-3
    implant_m: float = 3e-3
    heat_m: float = 3e-3


COARSE = RfGrids(15e-3, 4e-3, 4e-3)
"""Ten cells per wavelength in tissue still fit a body at 3 T."""


@dataclass(frozen=True, eq=False)
class PlannedRun:
    """One run that a sheet lacks.

    Parameters
    ----------
    name : str
        Of its folder, and of its table [rf.NAME].
    field_T, landmark
        The row of the sheet.
    tables : dict
        Its scenario.
    """

    name: str
    field_T: float
    landmark: str
    tables: dict[str, Any]


def planned(scenario: LoadedScenario, grids: RfGrids | None = None) -> list[PlannedRun]:
    """The runs of RF heating that a sheet has no table [rf.NAME] for.

    Parameters
    ----------
    scenario : LoadedScenario
        Of kind "label".
    grids : RfGrids, optional
        Their cells.
    """
    grids = grids or RfGrids()
    sheet = scenario.tables.sheet
    given = {(one.field_T, one.landmark) for one in scenario.tables.rf.values()}
    return [
        PlannedRun(name := f"{f:g}T-{mark}".replace(".", "_"), f, mark, _tables(scenario, name, f, mark, grids))
        for f in sheet.fields_T
        for mark in sheet.landmarks
        if (f, mark) not in given
    ]


def _tables(scenario: LoadedScenario, name: str, field_T: float, landmark: str, grids: RfGrids) -> dict[str, Any]:
    plain = scenario.values()
    sheet, implant = scenario.tables.sheet, dict(plain["implant"])
    where = place(landmark, sheet.site, sheet.site_offset_m)
    implant["position_m"] = [float(x) for x in where]
    if implant["type"] == "hip" and where[0] > 0 and not any(implant["rotate_deg"]):
        implant["rotate_deg"] = list(TURNED)
    return {
        "scenario": {"kind": KIND, "name": f"{scenario.name} {name}"},
        "phantom": {"type": "stylised-adult", "spacing_m": grids.body_m, "landmark": landmark},
        "coil": dict(COIL),
        "exposure": {"frequency_Hz": field_T * GAMMA_BAR_PROTON},
        "drive": {"name": "quadrature"},
        "normalise": {"b1plus_rms_T": B1_T, "over": "slice"},
        "implant": implant,
        "poses": poses(implant) if sheet.rf_poses == "search" else {},
        "metals": plain["metals"],
        "solver": {"type": "vie"},
        "subdomain": {"spacing_m": grids.implant_m},
        "thermal": {
            "duration_s": 60 * sheet.scan_min,
            "spacing_m": grids.heat_m,
            "perfusion": False,
            "baseline_degC": sheet.baseline_degC,
        },
    }


def poses(implant: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Poses that are searched beside the one of a table [implant], as tables of a run.

    Parameters
    ----------
    implant : mapping
        Its table.
    """
    angles = [float(a) for a in implant.get("rotate_deg") or (0.0, 0.0, 0.0)]
    x, y, z = (float(v) for v in implant["position_m"])
    found: dict[str, dict[str, Any]] = {
        name: {"rotate_deg": [a + b for a, b in zip(angles, more, strict=True)]} for name, more in TILTS.items()
    }
    if x != 0:
        found[OTHER_SIDE] = {"rotate_deg": [*angles[:2], (angles[2] + 180.0) % 360.0], "position_m": [-x, y, z]}
    return found


def with_rf_runs(
    scenario: LoadedScenario,
    out: Path,
    *,
    grids: RfGrids | None = None,
    device: str = "auto",
    force: bool = False,
    progress: ProgressCallback | None = None,
    tell: Callable[[str], None] = lambda _: None,
    written: Callable[[RunOutcome], object] = lambda _: None,
) -> LoadedScenario:
    """The scenario of a sheet with tables [rf.NAME] of runs that are computed here, or were before.

    Parameters
    ----------
    scenario : LoadedScenario
        Of kind "label"; what it has of [rf.NAME] stays.
    out : Path
        Folder of the sheet; the runs lie in its folder ``rf-runs``, each finished one is kept.
    grids : RfGrids, optional
        Cells of the runs.
    device, force, progress
        As of :func:`emdose.scenarios.run`.
    tell : callable
        Called with a line per run, and with a line for one that is left out and why.
    written : callable
        Called with every run that is valid.

    Raises
    ------
    InputError
        For a scenario of another kind, and one that the sheet itself cannot be made of; nothing was solved then.
    OutputError, ResourceError, DeviceError
        As the runs.
    """
    if scenario.kind != LABEL:
        raise InputError("not the sheet of a label", file=scenario.file, found=scenario.kind, expected=LABEL)
    todo = planned(scenario, grids)
    kinds.get(LABEL).job(scenario, device).plan()  # what is wrong with the sheet is said before the long part
    folder = RunFolder(out)
    folder.claim()
    folder.release()
    found: dict[str, dict[str, Any]] = {}
    missing: dict[str, dict[str, Any]] = {}

    def leave_out(one: PlannedRun, reason: str, where: str = "") -> None:
        missing[one.name] = {"field_T": one.field_T, "landmark": one.landmark, "reason": reason}
        tell(f"left out: {where}{reason}")

    for n, one in enumerate(todo, 1):
        tell(f"RF heating {n} of {len(todo)}: {one.field_T:g} T, {one.landmark} at the isocentre")
        try:
            outcome = _run(one, scenario.file, out / RF_RUNS / one.name, device, force, progress, tell)
        except InputError as error:
            leave_out(one, error.problem if error.file == scenario.file else str(error))
            continue
        state = validity(outcome.summary, outcome.folder)
        if not state.is_valid:
            leave_out(one, f"the run is not valid: {'; '.join(state.reasons)}", f"{outcome.folder}: ")
            continue
        written(outcome)
        file = str((outcome.folder / RESULT_FILE).resolve())
        found[one.name] = {"file": file, "field_T": one.field_T, "landmark": one.landmark}
    return _joined(scenario, found, missing)


def _run(
    one: PlannedRun,
    file: Path,
    out: Path,
    device: str,
    force: bool,
    progress: ProgressCallback | None,
    tell: Callable[[str], None],
) -> RunOutcome:
    scenario = _fitting(from_tables(dict(_said(one.tables)), file), device, tell)
    # What the sheet was made of before under other settings makes way, as the sheet itself does.
    force = force or _is_another(out, scenario)
    return run_alone(scenario, out, device=device, resume=not force, force=force, progress=progress)


def _fitting(scenario: LoadedScenario, device: str, tell: Callable[[str], None]) -> LoadedScenario:
    """The scenario without poses that do not fit the body; raises InputError where the given one does not."""
    for _ in range(len(scenario.tables.poses) + 1):
        try:
            kinds.get(KIND).job(scenario, device)
            return scenario
        except InputError as error:
            parts = str(error.field or "").split(".")
            if parts[0] != "poses":
                raise
            plain = scenario.values()
            plain["scenario"].pop("sha256")
            del plain["poses"][parts[1]]
            tell(f"pose '{parts[1]}' is not searched: {error.problem}")
            scenario = from_tables(dict(_said(plain)), scenario.file)
    return scenario


def _is_another(out: Path, scenario: LoadedScenario) -> bool:
    lock = out / LOCK_FILE
    try:
        return lock.exists() and load(lock).sha256 != scenario.sha256
    except InputError:
        return True


def _joined(
    scenario: LoadedScenario, found: Mapping[str, Mapping[str, Any]], missing: Mapping[str, Mapping[str, Any]]
) -> LoadedScenario:
    plain = scenario.values()
    plain["scenario"].pop("sha256")
    plain["rf"] = {**plain["rf"], **found}
    plain["left_out"] = {**plain["left_out"], **missing}
    return replace(from_tables(dict(_said(plain)), scenario.file), uncertainty=scenario.uncertainty)


def _said(tables: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tables without the keys that say nothing."""
    for key, value in tables.items():
        if isinstance(value, Mapping):
            yield key, dict(_said(value))
        elif value is not None:
            yield key, value
