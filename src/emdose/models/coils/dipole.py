"""The dipole antenna."""

from __future__ import annotations

from typing import Any

import numpy as np

from emdose.checks import all_positive, unit_vector, vector, within
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import FeedPort, Wire
from emdose.models.grids.grid import Vector


class Dipole(CircuitCoil):
    """A straight wire with a feed in its middle.

    Parameters
    ----------
    length_m : float
        Length, the gap included [m].
    wire_radius_m : float, optional
        Radius [m]; without it a line of grid edges.
    gap_m : float
        Gap of the feed [m]; on a grid at least one edge.
    feed_impedance_ohm : float
        Impedance of the source [ohm].
    centre_m, direction : (float, float, float)
        Middle [m] and direction.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used.
    """

    length_m: float

    def __init__(
        self,
        length_m: float,
        *,
        wire_radius_m: float | None = None,
        gap_m: float = 5e-3,
        feed_impedance_ohm: float = 50.0,
        centre_m: Vector = (0.0, 0.0, 0.0),
        direction: Vector = (0.0, 0.0, 1.0),
        name: str = "dipole",
    ) -> None:
        all_positive(length_m=length_m, gap_m=gap_m)
        within("gap_m", gap_m, 0, length_m, ends="()", problem="bad dipole")
        d, c = unit_vector("direction", direction, problem="bad dipole"), vector("centre_m", centre_m)
        a, b, p, q = (c + s * d for s in (-0.5 * length_m, 0.5 * length_m, -0.5 * gap_m, 0.5 * gap_m))
        feed = FeedPort("feed", tuple(p), tuple(q), feed_impedance_ohm)
        parameters: dict[str, Any] = {
            "kind": "dipole",
            "length_m": length_m,
            "wire_radius_m": wire_radius_m,
            "gap_m": gap_m,
            "centre_m": list(centre_m),
            "direction": list(direction),
            "feed_impedance_ohm": feed_impedance_ohm,
        }
        super().__init__(name, [Wire(np.stack([a, b]), wire_radius_m)], [], [feed], {"unit": [1]}, None, parameters)
        vars(self).update(length_m=length_m)
