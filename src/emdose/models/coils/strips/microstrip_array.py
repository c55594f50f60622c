"""Microstrips above plates or a shield, on a cylinder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.checks import all_positive, one_of, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, LumpedElement, Plate, Sheet, Strip
from emdose.models.coils.cylinder import array_drives, on_cylinder, shield_around
from emdose.models.coils.gaps import arc_angles, capacitor, feed_across

GROUNDS = ("plates", "shield")


class MicrostripArray(CircuitCoil):
    """Strips along z above a ground, joined to it by capacitors at both ends and fed at the lower one.

    Element n sits at the angle 2 pi n / elements. The ground is a flat plate behind each strip, or the cylindrical
    shield. A drive is positive from the strip to the ground. Drive "circular" gives element n the phase
    exp(-j phi_n), which turns in the sense of B1+; "anti-circular" the opposite; "uniform" none.

    Parameters
    ----------
    elements : int
        Number of strips, at least 1.
    radius_m, length_m, strip_width_m : float
        Radius of the cylinder that the strips lie on, their length and width [m].
    height_m : float
        Distance of a strip from its ground [m].
    ground : {"plates", "shield"}
        A plate behind each strip, or a shield at ``radius_m + height_m``.
    ground_width_m : float
        Width of each plate [m].
    ground_length_m : float, optional
        Length of the plates, or of that shield [m]; 1.2 times the strips' unless given.
    capacitance_F, resistance_ohm : float
        Value of the capacitors [F] and, if given, their series resistance [ohm].
    feed_impedance_ohm : float
        Impedance of the sources, each in parallel with the lower capacitor [ohm].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield behind plates; its length is 1.5 times the strips' unless given [m].
    shield_slots, shield_slot_width_m : int, float
        Slots along the shield, and the width of each [m]; see :class:`Shield`. A shield that is the ground needs them
        between the strips.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used, strips or plates that touch, a ground shorter than the strips, or a shield
        beside one that is the ground.
    """

    radius_m: float
    length_m: float

    def __init__(
        self,
        elements: int = 8,
        *,
        radius_m: float = 0.13,
        length_m: float = 0.20,
        strip_width_m: float = 0.015,
        height_m: float = 0.02,
        ground: str = "plates",
        ground_width_m: float = 0.06,
        ground_length_m: float | None = None,
        capacitance_F: float = 5e-12,
        resistance_ohm: float | None = None,
        feed_impedance_ohm: float = 50.0,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        shield_slots: int = 0,
        shield_slot_width_m: float = 2e-3,
        name: str = "microstrip array",
    ) -> None:
        whole("elements", elements, 1)
        all_positive(radius_m=radius_m, length_m=length_m, strip_width_m=strip_width_m, height_m=height_m)
        all_positive(ground_width_m=ground_width_m)
        one_of("ground", ground, GROUNDS, problem="bad ground")
        outer = radius_m + height_m
        ground_length = 1.2 * length_m if ground_length_m is None else ground_length_m
        if ground_length < length_m:
            raise InputError(
                "the ground is shorter than the strips",
                field="ground_length_m",
                found=ground_length,
                expected=f">= {length_m:g}",
            )
        pitch = math.tan(min(math.pi / elements, 1.4))
        plates = ground == "plates"
        widths = [("strip_width_m", strip_width_m, radius_m), ("ground_width_m", ground_width_m, outer)]
        for key, width, radius in widths if plates else widths[:1]:
            if elements > 1 and width >= 2 * radius * pitch:
                found = f"{1e3 * width:.4g} mm"
                expected = f"< {2e3 * radius * pitch:.4g} mm"
                raise InputError("neighbouring elements touch", field=key, found=found, expected=expected)
        if plates and ground_width_m < strip_width_m:
            raise InputError(
                "the ground is narrower than the strip",
                field="ground_width_m",
                found=ground_width_m,
                expected=f">= {strip_width_m:g}",
            )
        if not plates and not (shield_radius_m is None and shield_length_m is None):
            raise InputError(
                "a shield beside the one that is the ground",
                field="shield_radius_m, shield_length_m",
                expected="height_m and ground_length_m alone, or plates as ground",
            )
        half = 0.5 * length_m
        centres = 2 * math.pi * np.arange(elements) / elements
        conductors: list[Conductor] = []
        parts: list[LumpedElement] = []
        feeds = []
        for n, phi in enumerate(centres):
            out, around = np.array([math.cos(phi), math.sin(phi), 0.0]), np.array([-math.sin(phi), math.cos(phi), 0.0])
            ends = radius_m * out + np.array([[0.0, 0.0, -half], [0.0, 0.0, half]])
            if not plates:
                turn = 0.5 * strip_width_m / radius_m
                section = on_cylinder(radius_m, arc_angles(phi - turn, phi + turn), -half) - ends[0]
                conductors.append(Sheet(ends, section))
            else:
                conductors.append(Strip(ends, strip_width_m, out))
                corner = outer * out - 0.5 * ground_width_m * around - np.array([0.0, 0.0, 0.5 * ground_length])
                side, up = ground_width_m * around, np.array([0.0, 0.0, ground_length])
                conductors.append(Plate(_point(corner), _point(side), _point(up)))
            for label, end in zip(("low", "high"), ends, strict=True):
                below = end + height_m * out
                parts.append(capacitor(f"strip {n + 1} C {label}", end, below, capacitance_F, resistance_ohm))
            feeds.append(feed_across(parts[-2], f"strip {n + 1}", feed_impedance_ohm))
        parameters: dict[str, Any] = {
            "kind": "microstrip array",
            "elements": elements,
            "radius_m": radius_m,
            "length_m": length_m,
            "strip_width_m": strip_width_m,
            "height_m": height_m,
            "ground": ground,
            "ground_width_m": ground_width_m,
            "ground_length_m": ground_length_m,
            "capacitance_F": capacitance_F,
            "resistance_ohm": resistance_ohm,
            "feed_impedance_ohm": feed_impedance_ohm,
        }
        slots = (shield_slots, shield_slot_width_m)
        if not plates:
            shield = shield_around(outer, ground_length, length_m, {}, *slots)
            if shield_slots:
                parameters |= {"shield_slots": shield_slots, "shield_slot_width_m": shield_slot_width_m}
        else:
            shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters, *slots)
        super().__init__(name, conductors, parts, feeds, array_drives(centres), shield, parameters)
        vars(self).update(radius_m=radius_m, length_m=length_m)


def _point(value: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(c) for c in value)
    return x, y, z
