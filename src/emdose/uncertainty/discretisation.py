"""What the size of the voxels leaves uncertain: observed order, extrapolation and grid convergence index."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from emdose.checks import number, positives, within
from emdose.errors import InputError
from emdose.values import read_only

KIND = "discretisation"
"""What the entry "uncertainty" of a summary calls this contribution."""

LOWEST_ORDER = 0.5
"""Least observed order that is believed."""

CHANCE = 1.1
"""How far above the theoretical order an observed one may lie before it is taken for chance."""

SLOWEST_ORDER = 0.2
"""Least order that a slowly converging number is judged by; a smaller one would leave no number at all."""

STAIRCASE_ORDER = 1.0
"""Order of a field beside a staircase of voxels."""

SAFETY_ORDER, SAFETY_ASSUMED = 1.25, 3.0
"""Factors on the distance to the limit for about 95 %: of grids that show their order, and of others."""

SAME = 1e-6
"""Relative difference below which all grids give the same number: it was prescribed."""


@read_only
@dataclass(frozen=True)
class Refinement:
    """A number on grids of several spacings, and what the grid leaves uncertain of it.

    Parameters
    ----------
    spacings_m : tuple of float
        Spacings of the grids, the finest first [m].
    values : tuple of float
        The number on each of them.
    behaviour : str
        "monotone" (of an order that is believed), "slow" (of a lower order), "irregular" (of a higher one),
        "diverging", "oscillating", "two grids", or "constant" (prescribed).
    order : float or None
        Observed order of convergence, where there are three grids, the number is monotone and an order fits.
    extrapolated : float or None
        The number on voxels of no size; None where the grids do not say.
    expanded : float
        Expanded uncertainty (k = 2) of the value on the finest grid, of its discretisation only.
    basis : str
        How it was found, in one sentence.
    """

    spacings_m: tuple[float, ...]
    values: tuple[float, ...]
    behaviour: str
    order: float | None
    extrapolated: float | None
    expanded: float
    basis: str

    @property
    def value(self) -> float:
        """The number on the finest grid."""
        return self.values[0]

    @property
    def relative(self) -> float:
        """Expanded uncertainty over the value; infinite where the value is 0."""
        return self.expanded / abs(self.value) if self.value else (math.inf if self.expanded else 0.0)

    def uncertainty(self) -> dict[str, Any]:
        """The entry "uncertainty" of a quantity in summary.json."""
        return {"expanded": self.expanded, "k": 2, "basis": self.basis, "kind": KIND}

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "spacings_m": list(self.spacings_m),
            "values": list(self.values),
            "behaviour": self.behaviour,
            "order": self.order,
            "extrapolated": self.extrapolated,
            "uncertainty": self.uncertainty(),
        }


def refinement(
    spacings_m: Sequence[float], values: Sequence[float], theoretical_order: float = STAIRCASE_ORDER
) -> Refinement:
    """What two or more grids say about the error of the finest of them.

    With three grids, the finest three of more, and a number that changes monotonically at an observed order of 0.5 or
    more, the value is extrapolated and the expanded uncertainty is 1.25 times the distance to the extrapolated value
    (grid convergence index). An observed order above the theoretical one counts as that one; where it is more than 1.1
    above, and for a number that oscillates, diverges, converges at less than 0.5, or was found on two grids only, it
    is the larger one of the spread of all values and 3 times the distance to the limit of the two finest at the
    theoretical order, at 0.5 for one that diverges, at the observed order (0.2 at least) for one that is slow. Nothing
    is extrapolated then, except from two grids.

    Parameters
    ----------
    spacings_m : sequence of float
        Spacings of the grids [m], in any order, no two alike.
    values : sequence of float
        The number on each grid.
    theoretical_order : float
        Order that the method can have at best: 1 for bodies of voxels, whose staircase it is.

    Raises
    ------
    InputError
        For fewer than two grids, spacings that are equal or not positive, or values that are not finite.

    Equation: f(h) = f0 + C h^p; (f3 - f2) / (f2 - f1) = (h3^p - h2^p) / (h2^p - h1^p).

    Source: P. J. Roache, J. Fluids Eng. 116 (1994) 405-413; I. B. Celik et al., J. Fluids Eng. 130 (2008) 078001;
    L. Eca, M. Hoekstra, J. Comput. Phys. 262 (2014) 104-130 (factor 3 where grids are not asymptotic).
    """
    steps = positives("spacings_m", spacings_m).tolist()
    given = [number("values", v, problem="not a number on every grid") for v in values]
    best = within("theoretical_order", theoretical_order, LOWEST_ORDER, 8)
    if len(steps) < 2 or len(given) != len(steps):
        raise InputError(
            "a refinement needs two grids or more", field="spacings_m", found=steps, expected="one value for each"
        )
    pairs = sorted(zip(steps, given, strict=True))
    h, f = tuple(s for s, _ in pairs), tuple(v for _, v in pairs)
    if any(b < a * (1 + 1e-3) for a, b in pairwise(h)):
        raise InputError("grids that are alike", field="spacings_m", found=list(h), expected="different spacings")
    spread = max(f) - min(f)
    if spread <= SAME * max(map(abs, f)):
        return Refinement(h, f, "constant", None, f[0], spread, "the same on all grids")
    order = observed_order(h[:3], f[:3]) if len(h) > 2 else None
    behaviour, used = _behaviour(f, order, best)
    limit = _extrapolated(h[0], h[1], f[0], f[1], used)
    away = abs(limit - f[0])
    if behaviour == "monotone":
        found = f"observed order {order:.2g}" + (f", {used:g} used" if used != order else "")
        basis = f"grid convergence index of {_listed(h[:3])}, {found}"
        return Refinement(h, f, behaviour, order, limit, SAFETY_ORDER * away, basis)
    away_at = f"{SAFETY_ASSUMED:g} times the distance to the limit at order {used:.2g}"
    basis = f"{behaviour}, {_listed(h)}: the spread, or {away_at}"
    expanded = max(spread, SAFETY_ASSUMED * away)
    return Refinement(h, f, behaviour, order, limit if len(h) == 2 else None, expanded, basis)


def _behaviour(f: Sequence[float], order: float | None, best: float) -> tuple[str, float]:
    """What the values do, and the order that they are judged by."""
    if len(f) == 2:
        return "two grids", best
    if (f[1] - f[0]) * (f[2] - f[1]) <= 0:
        return "oscillating", best
    if order is None or order <= 0:
        # No order fits what falls faster than any power either: that is chance, not divergence.
        return (
            ("diverging", LOWEST_ORDER)
            if abs(f[2] - f[1]) < abs(f[1] - f[0]) or order is not None
            else ("irregular", best)
        )
    if order < LOWEST_ORDER - 1e-9:
        return "slow", max(order, SLOWEST_ORDER)
    return ("monotone", min(order, best)) if order <= best + CHANCE else ("irregular", best)


def observed_order(spacings_m: Sequence[float], values: Sequence[float]) -> float | None:
    """Order p of three values, the finest first; None where they are not monotone or no order from -4 to 16 fits.

    Parameters
    ----------
    spacings_m, values : sequence of three floats
        Of the grids, the finest first.
    """
    (h1, h2, h3), (f1, f2, f3) = spacings_m, values
    if (f2 - f1) * (f3 - f2) <= 0:
        return None
    wanted = (f3 - f2) / (f2 - f1)

    def excess(p: float) -> float:
        if abs(p) < 1e-12:
            return math.log(h3 / h2) / math.log(h2 / h1) - wanted
        # In units of the finest spacing, so that no power leaves the range of floats.
        return ((h3 / h1) ** p - (h2 / h1) ** p) / ((h2 / h1) ** p - 1) - wanted

    low, high = -4.0, 16.0
    if excess(low) > 0 or excess(high) < 0:
        return None
    for _ in range(200):  # the ratio grows with the order
        middle = 0.5 * (low + high)
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return 0.5 * (low + high)


def _extrapolated(fine: float, coarse: float, f_fine: float, f_coarse: float, order: float) -> float:
    """Value on voxels of no size from two grids and an order."""
    return f_fine + (f_fine - f_coarse) / ((coarse / fine) ** order - 1)


def _listed(spacings_m: Sequence[float]) -> str:
    return f"{', '.join(f'{1e3 * h:.3g}' for h in spacings_m[::-1])} mm"
