"""What is known about the limits of a saved run, in words: for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emdose import conformity
from emdose.compliance.limits import STATES
from emdose.report.wording import is_finite, number

MARKS = {"verified": "\u2713", "inherited": "\u2248", "unverified": "?"}
"""What stands beside a limit for the state of its number."""


def standing(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is known about the limit of a saved row: "verified", "state", "standing", "mark" and, of these, "meaning".

    Rows of older runs say no more than whether the number was verified.
    """
    verified = bool(raw.get("verified", False))
    state = str(raw.get("state") or ("verified" if verified else "unverified"))
    told = str(raw.get("standing") or state)
    mark = MARKS.get(state, "?") + (f" {told.removeprefix('verified by ')}" if told.startswith("verified by ") else "")
    meaning = told if told.startswith("verified by ") else f"{told}: {STATES.get(state, 'nothing is known of it')}"
    return {"verified": verified, "state": state, "standing": told, "mark": mark, "meaning": meaning}


def mark_of(told: Mapping[str, Any]) -> tuple[str, str]:
    """Mark and meaning of what is told of a limit, "standing" alone or with its mark; nothing where nothing is told."""
    text = str(told.get("standing") or "")
    if "mark" not in told and text:
        told = standing({"standing": text, "state": text if text in STATES else "verified"})
    return str(told.get("mark") or ""), str(told.get("meaning") or "")


def legend(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Mark, state and meaning of every state that occurs among rows with a limit, the best known first."""
    found = {standing(r)["state"] for r in rows if r.get("limit") is not None}
    return [{"mark": MARKS[s], "state": s, "meaning": STATES[s]} for s in MARKS if s in found]


def doubtful(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many limits were not read in their own edition, in words; nothing when all were."""
    states = [standing(r)["state"] for r in rows]
    words_of = {"unverified": "unverified", "inherited": "inherited from another edition"}
    counts = [(states.count(state), text) for state, text in words_of.items() if state in states]
    return ", ".join(f"{n} of {len(rows)} {'limits ' if not i else ''}are {t}" for i, (n, t) in enumerate(counts))


def reading(raw: Mapping[str, Any]) -> str:
    """What a user read in a copy of the standard, where it is not what emdose holds."""
    told = raw.get("verified_by")
    if not isinstance(told, Mapping) or told.get("agrees", True):
        return ""
    use = "it is used, as asked for" if told.get("used") else "it is not used"
    read = f"{told.get('initials')} read {told.get('value')} {raw.get('unit') or ''} in clause {told.get('clause')}"
    return f"{told.get('limit')}: {read}, not what emdose holds; {use}."


def probability(raw: Mapping[str, Any]) -> str:
    """How probable it is that the value of a saved row exceeds its limit, in words; nothing where it is not known."""
    told = raw.get("p_exceed")
    share = float(told) if told is not None and is_finite(told) else None
    if share is None:
        return ""
    text = "below 0.1 %" if share < 1e-3 else "above 99.9 %" if share > 0.999 else f"{number(100 * share, 2)} %"
    own: Any = raw.get("p_exceed_uncertainty")
    text += f" ± {number(100 * own, 1)} %" if is_finite(own) and own >= 1e-3 and text[0].isdigit() else ""
    return f"P(exceeds) {text}"


def guard_band(raw: Mapping[str, Any]) -> str:
    """The guard band of a saved row and the value up to which all of the interval is below the limit, in words."""
    width, accepted = raw.get("guard_band"), raw.get("acceptance_limit")
    if not (is_finite(width) and is_finite(accepted) and width):
        return ""
    return f"guard band {number(width, 2)}: all of U is below up to {number(accepted)}"


def with_uncertainty(
    rows: Sequence[Mapping[str, Any]], quantities: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of a table of limits, those without an uncertainty with that of the quantity that they come from.

    The value of a row is that of a quantity times known factors (mass, duty cycle): relative to it, U is the same.
    Each row with a limit says then what :func:`emdose.conformity.row_words` says.

    Parameters
    ----------
    rows : sequence of mappings
        Saved rows; what was filled in before, from an uncertainty that has changed since, is filled in again.
    quantities : mapping of str to mapping
        The entry "quantities" of a summary.
    """
    found = []
    for raw in rows:
        row, own = dict(raw), raw.get("uncertainty")
        name = str(raw.get("uncertainty_of") or "")
        if own is None or name:
            name = name or quantity_of(raw, quantities)
            entry = quantities.get(name, {})
            told, value = entry.get("uncertainty"), entry.get("value")
            if not (
                isinstance(told, Mapping) and is_finite(told.get("expanded")) and value and is_finite(row["value"])
            ):
                found.append(row)
                continue
            factor = abs(row["value"] / value)
            row |= {
                "uncertainty": factor * told["expanded"],
                "uncertainty_k": told.get("k"),
                "uncertainty_kind": told.get("kind") or told.get("basis") or "",
                "uncertainty_of": name,
            }
        else:
            told, factor = {"expanded": own, "k": raw.get("uncertainty_k")}, 1.0
        found.append(row | conformity.row_words(conformity.of_row(row.get("value"), row.get("limit"), told, factor)))
    return found


def refresh(summary: dict[str, Any]) -> None:
    """Fill in what the tables of limits of a summary say of uncertainty, after its quantities got or changed theirs.

    Parameters
    ----------
    summary : dict
        With "quantities", and where there are any "checks" and "thermal" with "limits"; changed in place.
    """
    numbers = summary.get("quantities") or {}
    for holder, key in ((summary, "checks"), (summary.get("thermal") or {}, "limits")):
        if holder.get(key):
            holder[key] = with_uncertainty(holder[key], numbers)


def quantity_of(raw: Mapping[str, Any], quantities: Mapping[str, Any]) -> str:
    """Name of the quantity of a summary that the value of a row comes from; empty where none is."""
    region, name = str(raw.get("region") or ""), str(raw.get("quantity") or "")
    if name in ("head SAR", "partial-body SAR"):
        start = f"{name.split()[0].replace('-', '_')}_sar: "
        fitting = [k for k in quantities if k.startswith(start) and region.startswith(k.removeprefix(start))]
        return max(fitting, key=len, default="head_sar" if name == "head SAR" else "")
    if not name:  # limits on temperature name their unit alone
        return {"degC": "temperature_max", "K": "temperature_rise_max"}.get(str(raw.get("unit")), "")
    mass = raw.get("averaging_mass_g")
    whole = {"whole-body SAR": "whole_body_sar", "SAR of the phantom": "whole_body_sar"}
    return {**whole, "local SAR": f"psSAR{mass:g}g" if mass else ""}.get(name, "")
