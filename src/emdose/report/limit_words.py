"""What is known about the limits of a saved run, in words: for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emdose.report.wording import is_finite, number


def standing(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What is known about the limit of a saved row, under the keys "verified", "state" and "standing".

    Rows of older runs say no more than whether the number was verified.
    """
    verified = bool(raw.get("verified", False))
    state = str(raw.get("state") or ("verified" if verified else "unverified"))
    return {"verified": verified, "state": state, "standing": str(raw.get("standing") or state)}


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
    return f"P(exceeds) {text}"
