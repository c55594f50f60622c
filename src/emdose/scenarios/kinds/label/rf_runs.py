r"""RF heating of finished runs of kind implant-rf, joined into the sheet: what a rise allows of B1+rms and SAR.

The rise grows with the square of B1+ and in proportion to SAR, so that one run tells what every rise R allows:

.. math:: B_{allowed} = B_{run} \sqrt{R / \Delta T_{run}}, \qquad SAR_{allowed} = SAR_{run} \, R / \Delta T_{run}

A dose CEM43 is no multiple of B1+ squared; what it allows is the factor on the curve of heating that reaches it at the
end of the scan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import brentq

from emdose.dosimetry.temperature import cem43
from emdose.errors import InputError
from emdose.io.disk.run_files import read_summary
from emdose.scenarios.kinds.label.sheet import FINE, NOT_COMPUTED, RF, SheetRow
from emdose.values import read_only

KIND = "implant-rf"
POSE = ("rotate_deg", "position_m")
SAME_TIME = 0.01
"""Relative difference below which a run lasted as long as the scan."""
DOCUMENTS = ("ISO/TS 10974, clause 8", "ASTM F2182")
HOTTEST_K = 60.0
"""Rise up to which a dose is looked for."""
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
    relative, relative_sar : float or None
        Expanded relative uncertainties of the rise and of the whole-body SAR.
    over : str
        Where B1+ was taken.
    doubt : str
        Said of it where the run is questionable.
    times_s, peaks_K : tuple of float
        Curve of the largest rise over time [s, K]; empty where the run has none.
    poses : tuple of str
        Names of the poses that were searched; empty where there was one.
    pose : str
        The one of them that warms most.
    """

    name: str
    b1plus_rms_T: float
    whole_body_sar_W_kg: float
    rise_K: float
    relative: float | None
    over: str
    relative_sar: float | None = None
    doubt: str = ""
    times_s: tuple[float, ...] = ()
    peaks_K: tuple[float, ...] = ()
    poses: tuple[str, ...] = ()
    pose: str = ""

    def factor_to_dose(self, dose_min: float, baseline_degC: float) -> float | None:
        """Factor on the rise for which the hottest place has a dose CEM43 at the end; None without a curve."""
        if len(self.times_s) < 2 or not max(self.peaks_K) > 0:
            return None
        t = np.linspace(0.0, self.times_s[-1], FINE)
        rise = np.interp(t, self.times_s, self.peaks_K)

        def missing(factor: float) -> float:
            T = baseline_degC + factor * rise
            return float(cem43(np.array([0.0, t[1]]), np.stack([T[:-1], T[1:]])).sum()) - dose_min

        low, high = 0.0, HOTTEST_K / float(rise.max())
        if missing(low) >= 0 or missing(high) <= 0:
            return None
        return float(brentq(missing, low, high, xtol=1e-9 * high))


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
            "a run with another implant",
            file=folder,
            field="implant",
            found=_shape(tables.get("implant") or {}),
            expected=str(_shape(implant)),
        )
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
    sar = numbers["whole_body_sar"]
    about = summary.get("implant_rf") or {}
    curve = ((summary.get("thermal") or {}).get("curve")) or {}
    peaks = curve.get("peak_rise_K") or ()
    return RfHeat(
        str((tables.get("scenario") or {}).get("name") or folder.name),
        float(b1["value"]),
        float(sar["value"]),
        float(rise["value"]),
        _relative(rise),
        str(b1.get("note") or ""),
        _relative(sar),
        " (questionable)" if (summary.get("validity") or {}).get("state") == "questionable" else "",
        tuple(curve.get("times_s") or ()),
        tuple(peaks.get("", ()) if isinstance(peaks, Mapping) else peaks),
        tuple(str(p["name"]) for p in about.get("poses") or ()),
        str((about.get("pose") or {}).get("name") or ""),
    )


def rf_rows(
    sheet: Any, runs: Mapping[tuple[float, str], RfHeat], left_out: Mapping[tuple[float, str], str] | None = None
) -> list[SheetRow]:
    """Rows of RF heating for every field, landmark and rise; those without a run say so.

    Parameters
    ----------
    sheet : SheetTable
        Fields, landmarks, rises, and the rise that decides.
    runs : mapping of (field, landmark) to RfHeat
        What was computed.
    left_out : mapping of (field, landmark) to str, optional
        Why there is no run.
    """
    rows = []
    for f in sheet.fields_T:
        for landmark in sheet.landmarks:
            run = runs.get((f, landmark))
            if run is None:
                names = _names(f"{sheet.rise_K:g} K")
                why = (left_out or {}).get((f, landmark))
                note = NOT_COMPUTED if why is None else f"not computed: {why}"
                rows += [
                    SheetRow(RF, name, None, unit, field_T=f, landmark=landmark, note=note, document=document)
                    for name, unit, document in zip(names, ("T", "W/kg"), DOCUMENTS, strict=True)
                ]
                continue
            factors: list[tuple[str, float]] = [
                (f"{level:g} K", level / run.rise_K) for level in sorted({*sheet.rises_K, sheet.rise_K})
            ]
            dose = run.factor_to_dose(sheet.dose_min, sheet.baseline_degC)
            if dose is not None:
                factors.append((f"CEM43 of {sheet.dose_min:g} min", dose))
            for words, factor in factors:
                rows += _allowed(run, words, factor, f, landmark, decides=words == f"{sheet.rise_K:g} K")
    return rows


def _names(words: str) -> tuple[str, str]:
    return f"B1+rms for {words}", f"whole-body SAR for {words}"


def _allowed(run: RfHeat, words: str, factor: float, field_T: float, landmark: str, decides: bool) -> list[SheetRow]:
    """B1+rms and whole-body SAR with a factor on the rise."""
    b1, sar = run.b1plus_rms_T * math.sqrt(factor), run.whole_body_sar_W_kg * factor
    worst = f", worst of {len(run.poses)} poses ({run.pose})" if run.poses else ""
    rise = f"{run.rise_K:.3g} K at {1e6 * run.b1plus_rms_T:.3g} uT{worst}"
    note = f"run '{run.name}'{run.doubt}: {rise}; {run.over}".rstrip("; ")
    u, names = run.relative, _names(words)
    # B1+ is what the run was scaled to, SAR is a number of its own beside the rise.
    u_sar = None if u is None else math.hypot(u, run.relative_sar or 0.0)
    share = NORMAL_SAR_W_kg / sar if decides else None
    of = f"share of {NORMAL_SAR_W_kg:g} W/kg, the normal mode of IEC 60601-2-33; " if decides else ""
    return [
        SheetRow(
            RF,
            names[0],
            b1,
            "T",
            None if u is None else 0.5 * u * b1,
            field_T,
            landmark,
            note=note,
            document=DOCUMENTS[0],
        ),
        SheetRow(
            RF,
            names[1],
            sar,
            "W/kg",
            None if u_sar is None else u_sar * sar,
            field_T,
            landmark,
            share,
            of + note,
            DOCUMENTS[1],
        ),
    ]


def _relative(entry: Mapping[str, Any]) -> float | None:
    U = (entry.get("uncertainty") or {}).get("expanded")
    return None if U is None else float(U) / float(entry["value"])


def _shape(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of an implant without its pose, and with file names alone."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key == "parts" and isinstance(value, Mapping):
            found[key] = {k: _shape(v) for k, v in value.items()}
        elif key not in POSE and value is not None:
            found[key] = Path(str(value)).name if key == "file" else value
    return found


def pose_notes(runs: Mapping[tuple[float, str], RfHeat]) -> list[str]:
    """Which poses the rows of RF heating searched, in a sentence per set of them."""
    sets: dict[tuple[str, ...], list[str]] = {}
    for (f, landmark), run in runs.items():
        sets.setdefault(run.poses, []).append(f"{f:g} T {landmark}")
    found = []
    for poses, where in sets.items():
        of = "" if len(sets) == 1 else f" ({', '.join(where)})"
        if poses:
            found.append(f"RF heating{of} is that of the worst of these poses of the implant: {', '.join(poses)}")
        else:
            found.append(f"RF heating{of} is that of one pose of the implant, which is not known to be the worst")
    return found
