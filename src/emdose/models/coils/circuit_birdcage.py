"""A birdcage of metal and capacitors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.checks import all_positive, one_of, positive, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, Sheet, Wire
from emdose.models.coils.cylinder import on_cylinder, shield_around
from emdose.models.coils.gaps import arc_angles, capacitor, feed_across

KINDS = ("high-pass", "low-pass", "band-pass")


class CircuitBirdcage(CircuitCoil):
    """A birdcage with capacitors, fed across one to four of them.

    Rung n stands at the angle 2 pi n / rungs; the arc n of an end ring runs from rung n to rung n + 1 with its
    capacitor in the middle. Feeds sit 90 degrees apart in the +phi direction, in parallel with capacitors of the upper
    ring (high-pass) or of the rungs. Drive "quadrature" gives the feed at +90 degrees the factor -j and turns in the
    sense of B1+; "anti-quadrature" the factor j; "linear" drives the first feed alone.

    Parameters
    ----------
    rungs : int
        Number of rungs, at least 4; a multiple of 4 for more than one feed.
    radius_m, length_m : float
        Radius of the rungs and distance of the end rings [m].
    kind : {"high-pass", "low-pass", "band-pass"}
        Capacitors in the end rings, in the rungs, or in both.
    capacitance_F, rung_capacitance_F : float
        Each ring capacitor and each rung capacitor [F]; the latter is like the former unless given.
    resistance_ohm : float, optional
        Series resistance of every capacitor [ohm].
    strip_width_m : float, optional
        Width of rungs and rings when they are strips on the cylinder [m].
    wire_radius_m : float, optional
        Radius when they are wires [m]; without both they are lines of grid edges.
    gap_m : float
        Gap of each capacitor [m]; on a grid it is at least one edge.
    feeds : {1, 2, 4}
        Number of feeds.
    feed_impedance_ohm : float
        Impedance of the sources [ohm].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the coil's unless given [m].
    shield_slots, shield_slot_width_m : int, float
        Slots along the shield, and the width of each [m]; see :class:`Shield`.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used or rungs that do not fit on the circumference.
    """

    kind: str
    rungs: int
    radius_m: float
    length_m: float

    def __init__(
        self,
        rungs: int = 16,
        *,
        radius_m: float = 0.15,
        length_m: float = 0.20,
        kind: str = "high-pass",
        capacitance_F: float = 20e-12,
        rung_capacitance_F: float | None = None,
        resistance_ohm: float | None = None,
        strip_width_m: float | None = None,
        wire_radius_m: float | None = None,
        gap_m: float = 5e-3,
        feeds: int = 2,
        feed_impedance_ohm: float = 50.0,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        shield_slots: int = 0,
        shield_slot_width_m: float = 2e-3,
        name: str = "birdcage",
    ) -> None:
        one_of("kind", kind, KINDS, problem="bad kind of birdcage")
        whole("rungs", rungs, 4)
        if feeds not in (1, 2, 4) or (feeds > 1 and rungs % 4):
            raise InputError(
                "feeds cannot be 90 degrees apart",
                field="feeds",
                found=f"{feeds} with {rungs} rungs",
                expected="1, or 2 or 4 with a multiple of 4 rungs",
            )
        all_positive(radius_m=radius_m, length_m=length_m, gap_m=gap_m)
        if strip_width_m is not None and wire_radius_m is not None:
            raise InputError("strips and wires at once", field="strip_width_m, wire_radius_m", expected="one of them")
        width = 0.0 if strip_width_m is None else strip_width_m
        arc = 2 * math.pi * radius_m / rungs
        if strip_width_m is not None:
            positive("strip_width_m", strip_width_m)
        if width + gap_m >= arc or width + gap_m >= length_m:
            raise InputError(
                "rungs and gaps do not fit on the ring",
                field="rungs, strip_width_m, gap_m",
                found=f"{1e3 * (width + gap_m):.3g} mm",
                expected=f"< {1e3 * min(arc, length_m):.3g} mm",
            )
        phi = 2 * math.pi * np.arange(rungs + 1) / rungs
        half = 0.5 * length_m
        section = None if strip_width_m is None else 0.5 * strip_width_m
        conductors: list[Conductor] = []
        for p in phi[:-1]:
            ends = on_cylinder(radius_m, np.array([p, p]), np.array([-half, half]))
            if section is None:
                conductors.append(Wire(ends, wire_radius_m))
            else:
                angles = arc_angles(p - section / radius_m, p + section / radius_m)
                conductors.append(Sheet(ends, on_cylinder(radius_m, angles, -half) - ends[0]))
        for z in (half, -half):
            for n in range(rungs):
                points = on_cylinder(radius_m, arc_angles(phi[n], phi[n + 1]), z)
                if section is None:
                    conductors.append(Wire(points, wire_radius_m))
                else:
                    conductors.append(Sheet(points, np.array([[0, 0, -section], [0, 0, 0], [0, 0, section]])))
        elements = []
        if kind != "low-pass":
            turn = 0.5 * gap_m / radius_m
            for label, z in (("top", half), ("bottom", -half)):
                for n in range(rungs):
                    middle = phi[n] + math.pi / rungs
                    a, b = on_cylinder(radius_m, np.array([middle - turn, middle + turn]), z)
                    elements.append(capacitor(f"{label} {n + 1}", a, b, capacitance_F, resistance_ohm))
        if kind != "high-pass":
            value = capacitance_F if rung_capacitance_F is None else rung_capacitance_F
            for n in range(rungs):
                a, b = on_cylinder(radius_m, phi[[n, n]], np.array([-0.5 * gap_m, 0.5 * gap_m]))
                elements.append(capacitor(f"rung {n + 1}", a, b, value, resistance_ohm))
        site = "top" if kind == "high-pass" else "rung"
        by_name = {e.name: e for e in elements}
        places = [by_name[f"{site} {1 + m * rungs // 4}"] for m in range(feeds)]
        ports = [feed_across(e, f"feed {m + 1}", feed_impedance_ohm) for m, e in enumerate(places)]
        parameters: dict[str, Any] = {
            "kind": f"{kind} birdcage",
            "rungs": rungs,
            "radius_m": radius_m,
            "length_m": length_m,
            "gap_m": gap_m,
            "capacitance_F": capacitance_F,
            "rung_capacitance_F": rung_capacitance_F,
            "resistance_ohm": resistance_ohm,
            "strip_width_m": strip_width_m,
            "wire_radius_m": wire_radius_m,
            "feeds": feeds,
            "feed_impedance_ohm": feed_impedance_ohm,
        }
        slots = (shield_slots, shield_slot_width_m)
        shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters, *slots)
        turns = np.arange(feeds)
        drives = {
            "quadrature": (-1j) ** turns,
            "anti-quadrature": 1j**turns,
            "linear": (turns == 0) + 0j,
        }
        if feeds == 1:
            drives = {"linear": np.ones(1, complex)}
        super().__init__(name, conductors, elements, ports, drives, shield, parameters)
        vars(self).update(kind=kind, rungs=rungs, radius_m=radius_m, length_m=length_m)
