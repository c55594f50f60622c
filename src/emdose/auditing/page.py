"""The page of an audit and the JSON beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.auditing.finding import CONTRADICTED, OPEN
from emdose.errors import InputError
from emdose.io.disk import atomic, run_files
from emdose.report.pages import limit_table
from emdose.report.pages.page import fill
from emdose.report.wording import number

PAGE_FILE, JSON_FILE = "audit.html", "audit.json"
MUCH = 1000
LEVELS = {CONTRADICTED: "bad", OPEN: "high"}


def write(audit: Any, folder: Path | str, weights: Sequence[complex] | None = None, **options: Any) -> Path:
    """Write ``audit.html`` and ``audit.json`` into a folder, made when it does not exist.

    Parameters
    ----------
    audit : Audit
        What was found.
    folder : Path or str
        Where to.
    weights : (port,) complex, optional
        Drive that is set beside the limits [units of drive, peak]; without it there is no table of limits.
    **options
        Of the check of limits, as of :func:`emdose.compliance.check`.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    folder = Path(folder)
    summary = summarised(audit, weights, **options)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(folder / JSON_FILE, run_files.to_json(summary, indent=1) + "\n")
    atomic.write_text(folder / PAGE_FILE, render(summary))
    return folder / PAGE_FILE


def summarised(audit: Any, weights: Sequence[complex] | None = None, **options: Any) -> dict[str, Any]:
    """Everything that the page shows, as plain values; SAR and limits where all conventions are settled.

    Parameters
    ----------
    audit, weights, **options
        As of :func:`write`.
    """
    summary: dict[str, Any] = {"audit": audit.to_dict(), "quantities": {}, "checks": [], "provenance": {}}
    summary["provenance"] = {"program": audit.fields.program, "files_sha256": dict(audit.fields.files)}
    try:
        summary["quantities"] = audit.quantities()
        summary["drive_unit"] = audit.to_fields().drive_unit
        summary["sar_rule"] = audit.rule
    except InputError as error:
        summary["no_sar"] = str(error)
        return summary
    if weights is not None:
        checks = audit.check(np.asarray(weights, complex), **options)
        summary["drive"] = [[float(w.real), float(w.imag)] for w in np.asarray(weights, complex)]
        summary["checks"] = [row.to_dict() for row in checks.rows]
        summary["check_inputs"] = {k: v for k, v in checks.to_dict().items() if k != "rows"}
    return summary


def render(summary: Mapping[str, Any]) -> str:
    """The page as HTML text, from what :func:`summarised` gives."""
    told = summary["audit"]
    banners = [{"level": LEVELS[f["state"]], "text": banner(f)} for f in told["findings"] if f["state"] in LEVELS]
    if told["magnetic_field_turned"]:
        text = "The magnetic field has the opposite sign, or the axes are of a left hand: no number is made of it."
        banners.append({"level": "bad", "text": text})
    if "no_sar" in summary:
        banners.append({"level": "high", "text": f"No SAR: {summary['no_sar']}"})
    banners += [{"level": "note", "text": note} for note in told["notes"]]
    rows = limit_table.check_rows(summary)
    b1, place = limit_table.b1plus_rms(summary)
    page = {
        "title": f"Audit of fields of {told['program']}",
        "sentence": f"{len(told['ports'])} ports at {told['frequency_Hz'] / 1e6:.6g} MHz on "
        f"{' x '.join(str(n) for n in told['points'])} points. What each convention is, from the data, and why.",
        "banners": banners,
        "findings": [shown(f) for f in told["findings"]],
        "has_checks": bool(rows),
        **limit_table.section(summary, rows, b1, place),
        "share": number(100 * told["share_of_accepted_power"], 3) if told["share_of_accepted_power"] else "",
        "drive": ", ".join(f"{complex(*w):.4g}" for w in summary.get("drive", [])),
        "drive_unit": summary.get("drive_unit", ""),
    }
    return fill(str(__package__), "audit.html.j2", (), page, folder=None, summary=summary)


def banner(finding: Mapping[str, Any]) -> str:
    """A finding that needs somebody's eye, in a sentence."""
    name = finding["question"]
    if finding["state"] == CONTRADICTED:
        text = f"{name}: {finding['stated_by']} says {finding['stated']}, the data say "
        return text + (f"{finding['value']}." if finding["value"] else "that it is not.")
    if finding["used"]:
        return f"{name}: the data cannot tell; {finding['used']} is used because {finding['used_by']} says so."
    return f"{name}: the data cannot tell, and it must be named."


def shown(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding as the texts of a row."""
    evidence = [
        {
            "test": e["test"],
            "sentence": e["sentence"],
            "decisive": "" if e["decisive"] is None else _decisive(e["decisive"]),
            "numbers": [(k, number(v, 4)) for k, v in e["numbers"].items()],
        }
        for e in finding["evidence"]
    ]
    said = f"{finding['stated']} ({finding['stated_by']})" if finding["stated"] else "nothing"
    used = f"{finding['used']} ({finding['used_by']})" if finding["used"] else "must be named"
    return {**finding, "evidence": evidence, "said": said, "used": used, "value": finding["value"] or "–"}


def _decisive(times: float) -> str:
    return f"{f'more than {MUCH}' if times > MUCH else number(times, 2)} times better than the next choice"
