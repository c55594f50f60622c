"""The result folder of a ``label`` run: result.h5, and the sheet as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emdose.io.disk.run_files import new_result, opened_result, require_keys, to_json
from emdose.io.maps.labelled import Contents
from emdose.mechanics.table import COVERAGE
from emdose.models.implants.implant import Implant
from emdose.scenarios.shared.implants.implant_groups import read_implant_group, write_implant_group
from emdose.scenarios.shared.results.rows import csv_text
from emdose.scenarios.shared.results.run import Run
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.io.disk.atomic import Stage
    from emdose.scenarios.kinds.label.sheet import SheetRow

FORMAT, FORMAT_VERSION = "emdose label result", 1
KEYS = ("convergence", "label")
BASIS = "solver, voxels, conductivity of alloy and heat, range of the susceptibility, shape; rectangular laws, k = 2"
CSV_FILE, JSON_FILE = "label.csv", "label.json"


@read_only
@dataclass(frozen=True, eq=False)
class LabelResult(Run):
    """A label's sheet.

    Parameters
    ----------
    folder : Path or None
        The folder.
    summary : dict
        summary.json: the keys of every kind, and "label" with "body", "rows" and "curve".
    implant : Implant
        The metal.
    """

    implant: Implant

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The rows of the sheet."""
        found: Sequence[Mapping[str, Any]] = self.summary["label"]["rows"]
        return found

    def _contents(self) -> Contents:
        """A sheet has no maps."""
        return Contents({}, {}, {})


def entry(row: SheetRow) -> dict[str, Any]:
    """A row as an entry of the quantities of a summary."""
    spread = None
    if row.expanded is not None:
        spread = {"expanded": row.expanded, "k": COVERAGE, "kind": "combined", "basis": BASIS}
    return {"value": row.value, "unit": row.unit, "uncertainty": spread, "note": row.note}


def row_dict(row: SheetRow) -> dict[str, Any]:
    """A row as plain values."""
    return asdict(row)


def write_result(stage: Stage, implant: Implant, rows: Sequence[SheetRow], summary: Mapping[str, Any]) -> None:
    """Write result.h5, label.csv and label.json into a stage.

    Parameters
    ----------
    stage : Stage
        Where to write.
    implant, rows
        The metal and the sheet.
    summary : mapping
        The whole summary; when its numbers are withheld, so are those of the sheet.
    """
    with new_result(stage, FORMAT, FORMAT_VERSION, summary["provenance"]) as file:
        write_implant_group(file.create_group("implant"), implant)
    shown = [row_dict(row) for row in rows] if summary["quantities"] else []
    stage.path(CSV_FILE).write_text(csv_text(shown) if shown else "", encoding="utf-8")
    told = {"format": FORMAT, "version": FORMAT_VERSION, "basis": BASIS, "k": COVERAGE, "rows": shown}
    stage.path(JSON_FILE).write_text(json.dumps(json.loads(to_json(told)), indent=1) + "\n", encoding="utf-8")


def read_result(folder: Path, summary: dict[str, Any]) -> LabelResult:
    """Read what a ``label`` run left in its folder.

    Raises
    ------
    InputError
        When the folder holds no finished result of this kind, or its files are damaged.
    """
    require_keys(summary, KEYS, folder)
    with opened_result(folder, FORMAT, FORMAT_VERSION) as file:
        return LabelResult(folder, summary, implant=read_implant_group(file["implant"]))


def entry_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a row as plain values."""
    spread = None if row["expanded"] is None else {"expanded": row["expanded"], "k": COVERAGE}
    return {"value": row["value"], "unit": row["unit"], "uncertainty": spread}
