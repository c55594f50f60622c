r"""Magnets of the size of whole-body scanners, made up: 1.5, 3 and 7 T with an active shield.

Three pairs of main coils and one pair of shield coils, all cylindrical sheets. The currents of the main coils follow
from three conditions: B0 at the isocentre, and no second and no fourth order along the axis there. Place and current of
the shield follow from where the 0.5 mT line lies: 4.0 m along the axis and 2.5 m across it at 1.5 T, 4.6 and 2.6 m at
3 T, 7.0 and 5.0 m at 7 T.

Source: F. Romeo and D. I. Hoult, Magn. Reson. Med. 1 (1984) 44 (orders that vanish). Lengths, bores and lines are round
numbers near those that makers give for scanners of today, and are assumed; no maker's magnet is described.
"""

from __future__ import annotations

from dataclasses import dataclass

from emdose.checks import number
from emdose.errors import InputError
from emdose.models.induction.magnets import Cryostat, SolenoidCoil, StaticMagnet


@dataclass(frozen=True)
class _Design:
    """Radius, ends [m] and ampere-turns [A] of one coil of every pair, and bore radius, outside and length [m]."""

    coils: tuple[tuple[float, float, float, float], ...]
    cryostat: tuple[float, float, float]


_DESIGNS = {
    1.5: _Design(
        (
            (0.47, 0.035, 0.133, 313705.1),
            (0.47, 0.280, 0.392, 555242.5),
            (0.47, 0.518, 0.700, 578778.8),
            (0.85, 0.22346, 0.62346, -430988.4),
        ),
        (0.30, 0.95, 1.50),
    ),
    3.0: _Design(
        (
            (0.48, 0.03875, 0.14725, 638441.8),
            (0.48, 0.310, 0.434, 1252299.3),
            (0.48, 0.5735, 0.775, 987470.9),
            (0.90, 0.32886, 0.72886, -793033.9),
        ),
        (0.30, 1.0, 1.66),
    ),
    7.0: _Design(
        (
            (0.50, 0.026, 0.338, 2481084.6),
            (0.50, 0.468, 0.832, 4422274.0),
            (0.50, 0.884, 1.300, 1524024.6),
            (1.10, 0.58938, 0.98938, -1653086.9),
        ),
        (0.30, 1.25, 2.75),
    ),
}


def scanner_magnet(B0_T: float = 3.0) -> StaticMagnet:
    """A made-up whole-body magnet of 1.5, 3 or 7 T with an active shield, isocentre at the origin, field along +z.

    Parameters
    ----------
    B0_T : float
        Field at the isocentre [T]: 1.5, 3 or 7.

    Raises
    ------
    InputError
        For another field.
    """
    if number("B0_T", B0_T) not in _DESIGNS:
        raise InputError("no made-up magnet of this field", field="B0_T", found=B0_T, expected="1.5, 3 or 7 T")
    design = _DESIGNS[float(B0_T)]
    coils = []
    for radius, low, high, turns in design.coils:
        coils += [SolenoidCoil(radius, low, high, turns), SolenoidCoil(radius, -high, -low, turns)]
    return StaticMagnet(f"made-up whole-body magnet of {B0_T:g} T", coils, Cryostat(*design.cryostat))
