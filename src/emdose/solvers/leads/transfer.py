"""Transfer functions of leads in a homogeneous medium, by reciprocity or by a field on one piece after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.checks import array, one_of, positive
from emdose.constants import EPS_0
from emdose.errors import InputError
from emdose.models.leads import Lead, TransferFunction
from emdose.models.leads.transfer_function import PLUS
from emdose.solvers.leads.lead_in_medium import LeadInMedium, lead_in_medium

CURRENT, POWER = "tip current", "tip power"


def transfer_function(
    lead: Lead,
    frequency_Hz: float,
    permittivity: float,
    conductivity_S_m: float,
    *,
    method: str = "reciprocity",
    distance_m: np.ndarray | None = None,
    piece_m: float = 10e-3,
    at_m: float | None = None,
    quantity: str = CURRENT,
    **options: Any,
) -> TransferFunction:
    r"""Transfer function of a lead in a homogeneous medium, by the thin-wire moment method.

    The current at the tip in any field is int S(l) E_tan(l) dl. By reciprocity S(l) is the current at l of a voltage of
    1 V in a gap at the tip; piecewise it is the current at the tip of 1 V/m on a short piece at l, over its length.

    Parameters
    ----------
    lead : Lead
        The lead.
    frequency_Hz : float
        Frequency [Hz].
    permittivity, conductivity_S_m : float
        Of the medium, relative and [S/m].
    method : {"reciprocity", "piecewise"}
        The second takes one solution a piece; it is there to check the first, and what is measured that way.
    distance_m : (n,) array_like, optional
        Distances from the tip [m]; by default the nodes of the moment method, or the middles of pieces.
    piece_m : float
        Length of a piece [m].
    at_m : float, optional
        Where the tip current is taken, from the tip along the path [m]. By default in the ball at the tip, or else
        where the insulation begins.
    quantity : {"tip current", "tip power"}
        A gives abs(I)^2 [A^2/V^2], or the mean power that a ball at the tip delivers into the medium [W/V^2].
    **options
        Those of :func:`lead_in_medium`: segments, kernel, balls as electrode and can, loads.

    Raises
    ------
    InputError
        When the lead has no tip that delivers current and ``at_m`` is not given.

    Source: S. Feng et al., IEEE Trans. Microw. Theory Tech. 63 (2015) 305, for the reciprocity.
    """
    one_of("method", method, ("reciprocity", "piecewise"), problem="unknown method")
    one_of("quantity", quantity, (CURRENT, POWER), problem="unknown quantity")
    ball = options.get("tip_ball_m")
    if quantity == POWER and (not ball or at_m):
        raise InputError("power of a tip of no known size", field="quantity", found=quantity, expected="tip_ball_m")
    if at_m is None and not ball:
        if lead.coat_radius_m is None or not lead.bare_tip_m:
            raise InputError("lead without a tip", field="at_m", found=None, expected="bare_tip_m, tip_ball_m or at_m")
        at_m = lead.bare_tip_m
    if at_m:
        # A load of nothing puts a node there.
        options["loads_ohm"] = {**(options.get("loads_ohm") or {}), at_m: (options.get("loads_ohm") or {}).get(at_m, 0)}
    solved = lead_in_medium(lead, frequency_Hz, permittivity, conductivity_S_m, **options)
    s, S = _reciprocal(solved, at_m or 0.0) if method == "reciprocity" else _piecewise(solved, at_m or 0.0, piece_m)
    scale, unit = 1.0, "A^2/V^2"
    if quantity == POWER and ball:
        admitted = conductivity_S_m + 2j * np.pi * frequency_Hz * permittivity * EPS_0
        scale, unit = 0.5 * float((1 / (4 * np.pi * admitted * ball)).real), "W/V^2"
    found = TransferFunction(
        s,
        S,
        frequency_Hz,
        permittivity,
        conductivity_S_m,
        PLUS,
        quantity,
        scale=scale,
        scale_unit=unit,
        calibration="moment method",
        ends=_ends(lead, options),
        name=lead.name,
    )
    if distance_m is None:
        return found
    at = array("distance_m", distance_m, (None,), problem="bad distances")
    return TransferFunction(**{**{k: getattr(found, k) for k in _FIELDS}, "distance_m": at, "values": found.at(at)})


_FIELDS = tuple(TransferFunction.__dataclass_fields__)


def _reciprocal(solved: LeadInMedium, at_m: float) -> tuple[np.ndarray, np.ndarray]:
    return solved.distance_m, solved.gaps(at_m).current_A[0]


def _piecewise(solved: LeadInMedium, at_m: float, piece_m: float) -> tuple[np.ndarray, np.ndarray]:
    length = float(solved.distance_m[-1])
    edges = np.linspace(0, length, max(2, round(length / positive("piece_m", piece_m))) + 1)
    low, high = edges[:-1], edges[1:]
    found = solved.pieces(low, high).at(at_m) / (high - low)
    return 0.5 * (low + high), found


def _ends(lead: Lead, options: dict[str, Any]) -> str:
    words = []
    for end, bare, ball in (
        ("tip", lead.bare_tip_m, options.get("tip_ball_m")),
        ("far end", lead.bare_end_m, options.get("end_ball_m")),
    ):
        how = f"ball of {1e3 * ball:g} mm" if ball else f"{1e3 * bare:g} mm bare" if bare else "open"
        words.append(f"{end}: {how}")
    return ", ".join(words)
