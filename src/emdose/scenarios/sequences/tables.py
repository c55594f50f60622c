"""The numbers of a sheet as plain values and as CSV: quantities, windows, pulses, blocks, repetitions, their course."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from emdose.compliance.checks import Check, Checks
from emdose.dosimetry.sequences.played import B1, SequenceExposure, SequenceQuantity
from emdose.dosimetry.sequences.pulses import NONE, PulseSequence
from emdose.report import limit_words
from emdose.report.wording import duration
from emdose.scenarios.shared.results.rows import csv_text

POINTS = 480
"""Moments of the running averages that are kept."""
MOST_PULSES = 12
DIGITS = 6
QUANTITY, STATISTIC = "quantity", "statistic"
COLUMNS = ("sequence", QUANTITY, STATISTIC, "value", "unit", "U_k2", "begins_s", "limit", "mode", "verdict", "limit_is")


def summarised(
    sequences: Sequence[PulseSequence],
    exposures: Sequence[SequenceExposure],
    whole: SequenceExposure,
    checks: Checks,
    told: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that a sheet says, as plain values.

    Parameters
    ----------
    sequences, exposures
        Each alone.
    whole : SequenceExposure
        What stands beside the limits.
    checks : Checks
        Limits of SAR.
    told : mapping
        Scenario, body, coil, provenance, validity, warnings.
    """
    table = checks.to_dict()
    rows = table.pop("rows")
    summary = {
        **told,
        "quantities": dict(_headlines(whole, str(told["uncertainty_kind"]))),
        "exposure": whole.to_dict(),
        "sequences": [one.to_dict() for one in exposures],
        "pulses": [row for s, e in zip(sequences, exposures, strict=True) for row in pulse_rows(s, e)],
        "course": course(whole, checks),
        "checks": rows,
        "check_inputs": {**table, "text": checks.table()},
    }
    for row in rows:  # where the uncertainty comes from is known here alone
        if row.get("uncertainty") is not None:
            row["uncertainty_kind"] = told["uncertainty_kind"]
    limit_words.refresh(summary)
    return summary


def _headlines(whole: SequenceExposure, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for q in whole.quantities:
        for w in q.windows:
            yield f"{q.name}, {duration(w.window_s)}", _entry(q, w.value, q.unit, kind)
        if q.deposited is not None and q.kind == "SAR":
            yield f"{q.name}, absorbed energy", _entry(q, q.deposited, "J/kg", kind)


def _entry(q: SequenceQuantity, value: float, unit: str, kind: str) -> dict[str, Any]:
    u = q.relative_uncertainty
    spread = None if u is None else {"expanded": u * value, "k": 2, "basis": "of SAR at a given B1+", "kind": kind}
    return {"value": value, "unit": unit, "uncertainty": spread}


def pulse_rows(sequence: PulseSequence, exposure: SequenceExposure) -> list[dict[str, Any]]:
    """Pulses that differ in more than phase and place, by their share of the energy in the body.

    Parameters
    ----------
    sequence : PulseSequence
        What was played.
    exposure : SequenceExposure
        What it deposits.
    """
    form = exposure.forms[next(q.name for q in exposure.quantities if q.kind == "SAR")].max(axis=0)
    peak_b1 = np.sqrt(exposure.forms[B1][0])
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    pairs, counts = np.unique(np.stack([sequence.rf, np.asarray(sequence.shim)]), axis=1, return_counts=True)
    for (number, shim), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        if number < 0:
            continue
        p, s = sequence.pulses[number], shim - NONE
        told = (p.use, p.duration_s, p.peak_Hz * peak_b1[s], p.energy_Hz2_s * form[s])
        key = (p.use, *(f"{x:.{DIGITS}g}" for x in told[1:]))
        row = found.setdefault(
            key,
            {
                "sequence": exposure.name,
                "use": p.use,
                "count": 0,
                "duration_s": p.duration_s,
                "flip_deg": p.flip_deg,
                "b1plus_peak_T": told[2],
                "deposited_J_kg": 0.0,
            },
        )
        row["count"] += count
        row["deposited_J_kg"] += count * told[3]
    rows = sorted(found.values(), key=lambda r: -r["deposited_J_kg"])
    total = sum(r["deposited_J_kg"] for r in rows) or 1.0
    return [{**r, "share": r["deposited_J_kg"] / total} for r in rows[:MOST_PULSES]]


def quantity_of(row: Check | Mapping[str, Any], exposure: SequenceExposure) -> SequenceQuantity | None:
    """The quantity that a row of limits is about: its region begins or ends with the name."""
    region = row.region if isinstance(row, Check) else str(row["region"])
    fitting = [q for q in exposure.quantities if region.startswith(q.name) or region.endswith(f": {q.name}")]
    return max(fitting, key=lambda q: len(q.name), default=None)


def course(exposure: SequenceExposure, checks: Checks) -> dict[str, Any]:
    """Running averages over the sequence: of B1+rms, and of what is nearest its limit as a share of it.

    Parameters
    ----------
    exposure : SequenceExposure
        What was played.
    checks : Checks
        Its limits.
    """
    worst = [w.start_s + w.window_s for q in exposure.quantities for w in q.windows]
    ends = [t for t in worst if 0 <= t <= exposure.duration_s]
    t = np.unique(np.concatenate([np.linspace(0.0, exposure.duration_s, POINTS), ends]))
    b1 = [{"window_s": w, "value": np.round(exposure.running(B1, w, t), 12).tolist()} for w in exposure.windows_s]
    shares, mode = [], next(iter(checks.modes), None)
    seen: set[tuple[str, float]] = set()
    rated = [c for c in checks.rows if c.counted and c.ratio and c.limit.mode == mode]
    for row in sorted(rated, key=lambda c: -(c.ratio or 0.0)):
        q, window = quantity_of(row, exposure), row.limit.window_s
        if q is None or window is None or (row.limit.quantity, window) in seen or not row.value:
            continue
        seen.add((row.limit.quantity, window))
        factor = (row.ratio or 0.0) / q.window(window).value
        shares.append(
            {
                "quantity": row.limit.quantity,
                "region": row.region,
                "window_s": window,
                "share": np.round(factor * exposure.running(q.name, window, t), 9).tolist(),
            }
        )
    return {"times_s": np.round(t, 9).tolist(), "b1plus_rms_T": b1, "mode": mode, "shares": shares}


def sheet_csv(summary: Mapping[str, Any]) -> str:
    """Quantities of every sequence and of the whole, and the rows of limits, as CSV."""
    lines: list[dict[str, Any]] = []
    told = [*summary["sequences"]]
    if summary["exposure"]["name"] not in [one["name"] for one in told] or len(told) > 1:
        told.append(summary["exposure"])
    elif summary["exposure"]["repeated"] != told[0]["repeated"]:
        told = [summary["exposure"]]
    for one in told:
        for q in one["quantities"]:
            base = {"sequence": one["name"], QUANTITY: q["name"]}
            u = q["relative_uncertainty"]

            found = [("average", q["average"], q["unit"], None)]
            found += [(f"worst {duration(w['window_s'])}", w["value"], q["unit"], w["start_s"]) for w in q["windows"]]
            found.append(("worst repetition", q["largest_repetition"]["value"], q["unit"], None))
            found.append(("worst block", q["largest_block"]["value"], q["unit"], None))
            if q["deposited"] is not None:
                found.append(("deposited", q["deposited"], q["deposited_unit"], None))
            for statistic, value, unit, start in found:
                spread = None if u is None else u * value
                told_of = {STATISTIC: statistic, "value": value, "unit": unit, "U_k2": spread, "begins_s": start}
                lines.append({**base, **told_of})
    for c in (*summary["checks"], *summary["gradients"]["checks"]):
        if c["limit"] is None:
            continue
        lines.append(
            {
                "sequence": summary["exposure"]["name"],
                QUANTITY: f"{c['quantity']}: {c['region']}",
                STATISTIC: "largest" if c["window_s"] is None else f"worst {duration(c['window_s'])}, limited",
                "value": c["value"],
                "unit": c["unit"],
                "U_k2": c["uncertainty"],
                "limit": c["limit"],
                "mode": c["mode"],
                "verdict": c["verdict"],
                "limit_is": c["standing"],
            }
        )
    for one in (summary.get("implant") or {}).get("rows", []):
        base = {"sequence": one["sequence"], QUANTITY: f"power in {summary['implant']['implant']}", "unit": "W"}
        lines.append({**base, STATISTIC: "average", "value": one["mean_W"]})
        for w in one["windows"]:
            told_of = {STATISTIC: f"worst {duration(w['window_s'])}", "value": w["value"], "begins_s": w["start_s"]}
            lines.append({**base, **told_of})
        base |= {QUANTITY: f"torque on {summary['implant']['implant']}", "unit": "N m"}
        lines.append({**base, STATISTIC: "root mean square", "value": one["torque_rms_N_m"]})
        told_of = {STATISTIC: "largest", "value": one["torque_peak_N_m"], "begins_s": one["torque_peak_start_s"]}
        lines.append({**base, **told_of})
    return csv_text([{k: line.get(k) for k in COLUMNS} for line in lines])


def blocks_csv(exposure: SequenceExposure) -> str:
    """Average of every quantity over every block, as CSV."""
    return _courses(exposure, "block", exposure.block_starts_s, exposure.block_durations_s, "blocks")


def repetitions_csv(exposure: SequenceExposure) -> str:
    """The same over every repetition."""
    edges = np.asarray(exposure.repetition_edges_s)
    return _courses(exposure, "repetition", edges[:-1], np.diff(edges), "repetitions")


def _courses(exposure: SequenceExposure, what: str, starts: np.ndarray, lengths: np.ndarray, key: str) -> str:
    head = [what, "start_s", "duration_s", *(f"{q.name} [{q.unit}]" for q in exposure.quantities)]
    columns = [np.arange(1, len(starts) + 1), starts, lengths, *(getattr(q, key) for q in exposure.quantities)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(head)
    np.savetxt(out, np.column_stack(columns), fmt=["%d", *["%.9g"] * (len(columns) - 1)], delimiter=",")
    return out.getvalue()
