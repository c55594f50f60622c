"""The headline numbers of a ``lead`` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emdose.dosimetry.leads.tier3 import Tier3Result
    from emdose.dosimetry.leads.tiers import TierBound
    from emdose.uncertainty.budget import Budget

STATED = "as stated in [budget]"
"""What the uncertainty of these numbers holds: nothing of the voxels, which ``emdose refine`` finds."""
PRIMES = {"tip current": ("tip current, squared", "A^2")}


def quantities(found: Tier3Result, bounds: Mapping[str, TierBound], budget: Budget | None) -> dict[str, Any]:
    """95th percentile, worst and nominal path over all drives, and the bound of tier 1.

    Parameters
    ----------
    found : Tier3Result
        The nominal path first.
    bounds : mapping of str to TierBound
        Tier 1 by drive.
    budget : Budget, optional
        Of the path at the 95th percentile; its relative uncertainty goes with all tier 3 numbers.
    """
    name = PRIMES.get(found.name, (found.name, ""))[0]
    unit = found.unit or "V^2"
    worst, path, case = found.worst
    which = "nominal path" if path == 0 else f"path {path}"
    about = f"{len(found.quantity)} paths, {len(found.cases)} drive{'s' if len(found.cases) > 1 else ''}"
    nominal = found.quantity[0]
    rows = {
        f"{name}, 95th percentile": (found.percentile(95), about),
        f"{name}, worst": (worst, f"{which}, {case}"),
        f"{name}, nominal path": (float(nominal.max()), found.cases[int(nominal.argmax())]),
    }
    out = {}
    for title, (value, note) in rows.items():
        spread = None
        if budget is not None and budget.value > 0:
            spread = {**budget.uncertainty(), "expanded": budget.relative * value, "kind": STATED}
        out[title] = {"value": value, "unit": unit, "uncertainty": spread, "note": note}
    top = max(bounds, key=lambda n: bounds[n].value)
    bound = bounds[top]
    place = ", ".join(f"{1e3 * x:.0f}" for x in bound.location_m)
    out[f"{name}, tier 1"] = {
        "value": bound.value,
        "unit": unit,
        "uncertainty": None,
        "note": f"bound by the largest field anywhere, in the worst phase, {top}",
    }
    out["E rms over 10 g, largest"] = {
        "value": bound.E_rms_V_m,
        "unit": "V/m",
        "uncertainty": None,
        "note": f"at ({place}) mm, {top}",
    }
    return out
