"""RF heating of finished runs of kind implant-rf, joined into the sheet: what a rise allows of B1+rms and SAR.

The rise grows with the square of B1+ and in proportion to SAR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emdose.errors import InputError
from emdose.io.disk.run_files import read_summary
from emdose.scenarios.kinds.label.sheet import NOT_COMPUTED, RF, SheetRow
from emdose.values import read_only

KIND = "implant-rf"
POSE = ("rotate_deg", "position_m")
SAME_TIME = 0.01
"""Relative difference below which a run lasted as long as the scan."""
NORMAL_SAR_W_kg = 2.0
"""Whole-body SAR of the normal operating mode of IEC 60601-2-33, which shares of RF are told of."""


@read_only
@dataclass(frozen=True)
class RfHeat:
    """What a run says.

    Parameters
    ----------
    name : str
        Its name.
    b1plus_rms_T, whole_body_sar_W_kg, rise_K : float
        Its exposure, and the largest rise of metal and tissue at the end [T, W/kg, K].
    relative : float or None
        Expanded relative uncertainty of the rise.
    over : str
        Where B1+ was taken.
    """

    name: str
    b1plus_rms_T: float
    whole_body_sar_W_kg: float
    rise_K: float
    relative: float | None
    over: str


def read_rf_run(file: str, implant: Mapping[str, Any], scan_s: float) -> RfHeat:
    """RF heating of a finished run.

    Parameters
    ----------
    file : str
        Its result.h5.
    implant : mapping
        The table [implant] of the sheet: the run must have the same, but for the pose.
    scan_s : float
        Length of the scan: the run must have lasted as long [s].

    Raises
    ------
    InputError
        For a run of another kind, implant or duration, one that heats with gradients too, and one that is not valid.
    """
    folder = Path(file).parent
    summary = read_summary(folder)
    tables = summary.get("scenario") or {}
    kind = (tables.get("scenario") or {}).get("kind")
    if kind != KIND:
        raise InputError("not a run of RF heating beside an implant", file=folder, found=kind, expected=KIND)
    if (summary.get("validity") or {}).get("state") == "not valid" or not summary["quantities"]:
        raise InputError("this run is not valid", file=folder, expected="one whose numbers are not withheld")
    if _shape(tables.get("implant") or {}) != _shape(implant):
        raise InputError(
            "a run with another implant", file=folder, field="implant", found=_shape(tables.get("implant") or {}),
            expected=str(_shape(implant)),
        )  # fmt: skip
    lasted = float((tables.get("thermal") or {}).get("duration_s", 0.0))
    if abs(lasted / scan_s - 1) > SAME_TIME:
        raise InputError(
            "a run of another duration", file=folder, field="thermal.duration_s", found=lasted, expected=f"{scan_s:g} s"
        )
    # Only then does the rise grow with the square of the B1+ that the run states.
    duty = float((tables.get("thermal") or {}).get("duty_cycle", 1.0))
    if tables.get("gradients") is not None or duty != 1.0:
        found = f"duty cycle {duty:g}" if tables.get("gradients") is None else "RF and gradients together"
        raise InputError("not heat of RF alone, on all the time", file=folder, found=found, expected="RF alone, duty 1")
    numbers = summary["quantities"]
    rise = numbers["rise_max"]
    b1 = numbers.get("b1plus_rms") or numbers["b1plus_body"]
    U = (rise.get("uncertainty") or {}).get("expanded")
    return RfHeat(
        str((tables.get("scenario") or {}).get("name") or folder.name),
        float(b1["value"]),
        float(numbers["whole_body_sar"]["value"]),
        float(rise["value"]),
        None if U is None else float(U) / float(rise["value"]),
        str(b1.get("note") or ""),
    )


def rf_rows(sheet: Any, runs: Mapping[tuple[float, str], RfHeat]) -> list[SheetRow]:
    """Rows of RF heating for every field and landmark; those without a run say so.

    Parameters
    ----------
    sheet : SheetTable
        Fields, landmarks, and the rise that decides.
    runs : mapping of (field, landmark) to RfHeat
        What was computed.
    """
    rows = []
    names = (f"B1+rms for {sheet.rise_K:g} K", f"whole-body SAR for {sheet.rise_K:g} K")
    documents = ("ISO/TS 10974, clause 8", "ASTM F2182")
    for f in sheet.fields_T:
        for landmark in sheet.landmarks:
            run = runs.get((f, landmark))
            if run is None:
                rows += [
                    SheetRow(RF, name, None, unit, field_T=f, landmark=landmark, note=NOT_COMPUTED, document=document)
                    for name, unit, document in zip(names, ("T", "W/kg"), documents, strict=True)
                ]
                continue
            factor = sheet.rise_K / run.rise_K
            b1, sar = run.b1plus_rms_T * math.sqrt(factor), run.whole_body_sar_W_kg * factor
            u = run.relative
            note = f"run '{run.name}': {run.rise_K:.3g} K at {1e6 * run.b1plus_rms_T:.3g} uT; {run.over}".rstrip("; ")
            rows += [
                SheetRow(
                    RF, names[0], b1, "T", None if u is None else 0.5 * u * b1, f, landmark, note=note,
                    document=documents[0],
                ),
                SheetRow(
                    RF, names[1], sar, "W/kg", None if u is None else u * sar, f, landmark, NORMAL_SAR_W_kg / sar,
                    f"share of {NORMAL_SAR_W_kg:g} W/kg, the normal mode of IEC 60601-2-33; {note}", documents[1],
                ),
            ]  # fmt: skip
    return rows


def _shape(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of an implant without its pose, and with file names alone."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key == "parts" and isinstance(value, Mapping):
            found[key] = {k: _shape(v) for k, v in value.items()}
        elif key not in POSE and value is not None:
            found[key] = Path(str(value)).name if key == "file" else value
    return found
