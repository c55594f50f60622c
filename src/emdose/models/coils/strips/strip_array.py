"""Dipoles of one or several strips side by side on a cylinder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from emdose.checks import all_positive, flag, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, FeedPort, Sheet
from emdose.models.coils.cylinder import array_drives, on_cylinder, shield_around
from emdose.models.coils.gaps import arc_angles


class StripArray(CircuitCoil):
    """Strips along z on a cylinder, one element or several side by side per channel, with feeds in series.

    Channel n sits at the angle 2 pi n / elements. With one strip per channel and the feed in its middle it is an array
    of dipoles. Drive "circular" gives the strips of channel n the phase exp(-j phi_n), which turns in the sense of B1+;
    "anti-circular" the opposite; "uniform" none. Feeds between strips are not driven by these.

    A public model of a head coil for 7 T (O. Ozkara et al., ISMRM 2025, abstract 3957) has eight channels on a cylinder
    of 350 mm, each of four strips of 173 x 12 mm with 6, 17 and 6 mm between them and seven sources at either end, one
    in series with each strip and one across each gap between neighbours. As read here, the sources of the strips lie
    32.5 mm from their ends and those between strips beside them, towards the middle, on metal as wide as the strips:
    ``StripArray(8, radius_m=0.175, length_m=0.173, strip_width_m=0.012, between_m=(0.006, 0.017, 0.006),
    feed_from_end_m=0.0325, feeds_between=True)``.

    Parameters
    ----------
    elements : int
        Number of channels, at least 1.
    radius_m, length_m, strip_width_m : float
        Radius of the cylinder, length and width of a strip [m].
    between_m : sequence of float, optional
        Distances between neighbouring strips of a channel along the circumference [m]; without any it is one strip.
    feed_from_end_m : float, optional
        Two feeds per strip, this far from its ends [m]; without it one in its middle.
    feeds_between : bool
        Feeds across the distances as well, next to those of the strips on the side of the middle.
    gap_m : float
        Gap of each feed in a strip [m].
    feed_impedance_ohm : float
        Impedance of the sources [ohm].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the strips' unless given [m].
    shield_slots, shield_slot_width_m : int, float
        Slots along the shield, and the width of each [m]; see :class:`Shield`.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used, channels that touch, or feeds outside of the strips.
    """

    radius_m: float
    length_m: float

    def __init__(
        self,
        elements: int = 8,
        *,
        radius_m: float = 0.14,
        length_m: float = 0.30,
        strip_width_m: float = 0.012,
        between_m: Sequence[float] | None = None,
        feed_from_end_m: float | None = None,
        feeds_between: bool = False,
        gap_m: float = 5e-3,
        feed_impedance_ohm: float = 50.0,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        shield_slots: int = 0,
        shield_slot_width_m: float = 2e-3,
        name: str = "strip array",
    ) -> None:
        whole("elements", elements, 1)
        flag("feeds_between", feeds_between)
        all_positive(radius_m=radius_m, length_m=length_m, strip_width_m=strip_width_m, gap_m=gap_m)
        distances = [float(d) for d in between_m or ()]
        all_positive(**{f"between_m[{i}]": d for i, d in enumerate(distances)})
        span = (len(distances) + 1) * strip_width_m + sum(distances)
        if span >= 2 * math.pi * radius_m / elements:
            raise InputError(
                "channels touch",
                field="elements, strip_width_m, between_m",
                found=f"{1e3 * span:.4g} mm of strips",
                expected=f"< {2e3 * math.pi * radius_m / elements:.4g} mm, the circumference of a channel",
            )
        if feeds_between and not distances:
            raise InputError("one strip has no feeds between", field="between_m", found=(), expected="distances")
        half, from_end = 0.5 * length_m, 0.5 * length_m if feed_from_end_m is None else feed_from_end_m
        if not 0.5 * gap_m < from_end <= half or 0 < half - from_end <= 0.5 * gap_m:
            raise InputError(
                "a feed outside of its half of the strip",
                field="feed_from_end_m",
                found=from_end,
                expected=f"> {0.5 * gap_m:g} and < {half - 0.5 * gap_m:g} m",
            )
        heights = {"": 0.0} if feed_from_end_m is None else {" low": from_end - half, " high": half - from_end}
        if feeds_between and (feed_from_end_m is None or from_end + 0.5 * gap_m + strip_width_m > half):
            raise InputError(
                "no room for feeds between strips",
                field="feed_from_end_m",
                found=feed_from_end_m,
                expected=f"< {half - 0.5 * gap_m - strip_width_m:.4g} m",
            )
        inward = 0.5 * (gap_m + strip_width_m)  # clear of the cuts of the strips
        starts = -0.5 * span + np.concatenate([[0.0], np.cumsum(np.array(distances) + strip_width_m)])
        centres = 2 * math.pi * np.arange(elements) / elements
        conductors: list[Conductor] = []
        feeds, amplitude, channel = [], [], []
        for n, centre in enumerate(centres):
            label = f"strip {n + 1}" if not distances else f"channel {n + 1}"
            for k, start in enumerate(starts):
                phi = centre + (start + 0.5 * strip_width_m) / radius_m
                turn = 0.5 * strip_width_m / radius_m
                ends = on_cylinder(radius_m, np.array([phi, phi]), np.array([-half, half]))
                section = on_cylinder(radius_m, arc_angles(phi - turn, phi + turn), -half) - ends[0]
                conductors.append(Sheet(ends, section))
                own = f"{label} strip {k + 1}" if distances else label
                for where, z in heights.items():
                    a, b = on_cylinder(radius_m, np.array([phi, phi]), z + 0.5 * gap_m * np.array([-1.0, 1.0]))
                    feeds.append(FeedPort(f"{own}{where}", _point(a), _point(b), feed_impedance_ohm))
                    amplitude.append(1.0)
                    channel.append(n)
            for k, distance in enumerate(distances if feeds_between else []):
                phi = centre + (starts[k] + strip_width_m + np.array([0.0, distance])) / radius_m
                for where, z in heights.items():
                    a, b = on_cylinder(radius_m, phi, z - math.copysign(inward, z))
                    feeds.append(FeedPort(f"{label} between {k + 1}{where}", _point(a), _point(b), feed_impedance_ohm))
                    amplitude.append(0.0)
                    channel.append(n)
        parameters: dict[str, Any] = {
            "kind": "strip array",
            "elements": elements,
            "radius_m": radius_m,
            "length_m": length_m,
            "strip_width_m": strip_width_m,
            "between_m": distances or None,
            "feed_from_end_m": feed_from_end_m,
            "feeds_between": feeds_between,
            "gap_m": gap_m,
            "feed_impedance_ohm": feed_impedance_ohm,
        }
        slots = (shield_slots, shield_slot_width_m)
        shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters, *slots)
        drives = {key: np.array(amplitude) * value for key, value in array_drives(centres[channel]).items()}
        super().__init__(name, conductors, [], feeds, drives, shield, parameters)
        vars(self).update(radius_m=radius_m, length_m=length_m)


def _point(value: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in value)
    return x, y, z
