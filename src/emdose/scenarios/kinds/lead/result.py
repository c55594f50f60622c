"""The result folder of a ``lead`` run, written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.leads.tangential import TangentialE
from emdose.dosimetry.leads.tier3 import Tier3Result
from emdose.io.bodies import hdf5
from emdose.io.disk.run_files import RESULT_FILE, new_result, opened_result, put_map, require_keys, single, to_json
from emdose.io.leads.transfer_functions import transfer_function_text
from emdose.io.maps.labelled import AXES, Contents, LabelledArray
from emdose.models.leads import TransferFunction
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.models.bodies import Phantom

FORMAT, FORMAT_VERSION = "emdose lead result", 1
KEYS = ("convergence", "lead")
"""What summaries of this kind have beside what all have."""
TABLE_FILE, TRANSFER_FILE = "tier3.csv", "transfer-function.csv"


@dataclass(frozen=True, eq=False)
class LeadOutcome:
    """What a ``lead`` run computed, before it is written.

    Parameters
    ----------
    body, E_rms : Phantom, (nx, ny, nz) ndarray
        The body, and the rms field averaged over 10 g of the first drive [V/m].
    transfer_function, paths, tier3, along
        As in :class:`LeadResult`.
    summary : dict
        The part of summary.json that this kind of scenario knows.
    warnings : list of str
        What makes the numbers less trustworthy.
    """

    body: Phantom
    E_rms: np.ndarray
    transfer_function: TransferFunction
    paths: list[np.ndarray]
    tier3: Tier3Result
    along: Mapping[str, TangentialE]
    summary: dict[str, Any]
    warnings: list[str]


@read_only
@dataclass(frozen=True, eq=False)
class LeadResult(Run):
    """Everything that a ``lead`` run found.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "lead" with "about", "cases" and "budget".
    phantom : Phantom
        The body, without the lead.
    E_rms : (nx, ny, nz) ndarray
        Rms field of the first drive in the voxels, without the lead [V/m].
    transfer_function : TransferFunction
        Of the lead.
    paths : sequence of (n, 3) ndarray
        Paths from the tip, the nominal one first [m].
    tier3 : Tier3Result
        What they give.
    along : mapping of str to TangentialE
        Tangential field along the nominal path, by drive.
    """

    phantom: Phantom
    E_rms: np.ndarray
    transfer_function: TransferFunction
    paths: tuple[np.ndarray, ...]
    tier3: Tier3Result
    along: Mapping[str, TangentialE]

    def _contents(self) -> Contents:
        """The field without the lead, on the voxels of the body."""
        grid = self.phantom.grid
        found = {"E_rms_V_m": LabelledArray(lambda: self.E_rms, AXES, "V/m", "E rms without the lead")}
        points = {axis: grid.centres(n) for n, axis in enumerate(AXES)}
        return Contents(found, points, dict.fromkeys(AXES, "m"), {}, grid)


def write_result(stage: Stage, outcome: LeadOutcome, provenance: Mapping[str, Any]) -> None:
    """Write result.h5, the table of paths and the transfer function into a stage.

    Parameters
    ----------
    stage : Stage
        Where to write.
    outcome : LeadOutcome
        What was computed.
    provenance : mapping
        Goes as JSON into the group /provenance.
    """
    tf, found = outcome.transfer_function, outcome.tier3
    with new_result(stage, FORMAT, FORMAT_VERSION, provenance) as file:
        hdf5.write_phantom_group(file.create_group("phantom"), outcome.body)
        put_map(file, "E_rms", single(outcome.E_rms), "V/m")
        group = file.create_group("transfer_function")
        group["distance_m"], group["values"] = tf.distance_m, tf.values
        told = {f.name: getattr(tf, f.name) for f in fields(tf) if f.name not in ("distance_m", "values")}
        group.attrs["about"] = to_json(told)
        group = file.create_group("paths")
        group["points_m"] = np.concatenate(outcome.paths)
        group["counts"] = np.array([len(p) for p in outcome.paths])
        group = file.create_group("tier3")
        group["induced"], group["quantity"] = found.induced, found.quantity
        for name, s in found.ports.items():
            group[f"ports/{name}"] = s
        group.attrs["about"] = to_json(
            {"cases": found.cases, "scale": found.scale, "name": found.name, "unit": found.unit}
        )
        for name, one in outcome.along.items():
            part = file.create_group(f"along/{name}")
            part["distance_m"], part["step_m"], part["E"] = one.distance_m, one.step_m, one.E
            if one.spread is not None:
                part["spread"] = one.spread
            part.attrs["about"] = to_json(
                {"frequency_Hz": one.frequency_Hz, "ports": one.ports, "drive_unit": one.drive_unit}
            )
    stage.path(TABLE_FILE).write_text(_table(found), encoding="utf-8")
    stage.path(TRANSFER_FILE).write_text(transfer_function_text(tf), encoding="utf-8")


def read_result(folder: Path, summary: dict[str, Any]) -> LeadResult:
    """Read what a ``lead`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        group = file["transfer_function"]
        tf = TransferFunction(group["distance_m"][()], group["values"][()], **json.loads(group.attrs["about"]))
        counts = file["paths/counts"][()]
        paths = np.split(file["paths/points_m"][()], np.cumsum(counts)[:-1])
        group = file["tier3"]
        about = json.loads(group.attrs["about"])
        found = Tier3Result(
            group["induced"][()],
            group["quantity"][()],
            tuple(about["cases"]),
            {name: values[()] for name, values in group["ports"].items()},
            about["scale"],
            about["name"],
            about["unit"],
        )
        along = {name: _along(part) for name, part in file["along"].items()}
        body = hdf5.read_phantom_group(file["phantom"], folder / RESULT_FILE)
        E_rms = file["E_rms"][()]
    return LeadResult(
        folder,
        summary,
        phantom=body,
        E_rms=E_rms,
        transfer_function=tf,
        paths=tuple(paths),
        tier3=found,
        along={case: along[case] for case in about["cases"] if case in along},
    )


def _along(part: Any) -> TangentialE:
    about = json.loads(part.attrs["about"])
    spread = part["spread"][()] if "spread" in part else None
    return TangentialE(
        part["distance_m"][()],
        part["step_m"][()],
        part["E"][()],
        about["frequency_Hz"],
        tuple(about["ports"]),
        about["drive_unit"],
        spread=spread,
    )


def _table(found: Tier3Result) -> str:
    """A row a path and a drive."""
    unit = found.unit or "V^2"
    lines = [
        f"# {found.name}: A abs(integral of S E_tan dl)^2; path 0 is the nominal one",
        f"path,drive,quantity_{unit}",
    ]
    for n, row in enumerate(found.quantity):
        lines += [f"{n},{case},{value:.8g}" for case, value in zip(found.cases, row, strict=True)]
    return "\n".join(lines) + "\n"
