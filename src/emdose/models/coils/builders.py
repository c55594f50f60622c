"""Coils as they are built: birdcages, loops and arrays with capacitors, dipoles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.checks import all_positive, positive, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, FeedPort, LumpedElement, Sheet, Strip, Wire
from emdose.models.coils.ideal import on_cylinder, shield_around
from emdose.models.grids.grid import Vector

ARC_STEP = math.radians(1.5)
"""Largest angle of one straight piece of an arc [rad]."""
KINDS = ("high-pass", "low-pass", "band-pass")


def BirdcageCoil(
    kind: str = "high-pass",
    rungs: int = 16,
    *,
    radius_m: float = 0.15,
    length_m: float = 0.20,
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
    name: str = "birdcage",
) -> CircuitCoil:
    """A birdcage with capacitors, fed across one to four of them.

    Rung n stands at the angle 2 pi n / rungs; the arc n of an end ring runs from rung n to rung n + 1 with its
    capacitor in the middle. Feeds sit 90 degrees apart in the +phi direction, in parallel with capacitors of the upper
    ring (high-pass) or of the rungs. Drive "quadrature" gives the feed at +90 degrees the factor -j and turns in the
    sense of B1+; "anti-quadrature" the factor j; "linear" drives the first feed alone.

    Parameters
    ----------
    kind : {"high-pass", "low-pass", "band-pass"}
        Capacitors in the end rings, in the rungs, or in both.
    rungs : int
        Number of rungs, at least 4; a multiple of 4 for more than one feed.
    radius_m, length_m : float
        Radius of the rungs and distance of the end rings [m].
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
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used or rungs that do not fit on the circumference.
    """
    if kind not in KINDS:
        raise InputError("bad kind of birdcage", field="kind", found=kind, expected=", ".join(KINDS))
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
            angles = _angles(p - section / radius_m, p + section / radius_m)
            conductors.append(Sheet(ends, on_cylinder(radius_m, angles, -half) - ends[0]))
    for z in (half, -half):
        for n in range(rungs):
            points = on_cylinder(radius_m, _angles(phi[n], phi[n + 1]), z)
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
                elements.append(_capacitor(f"{label} {n + 1}", a, b, capacitance_F, resistance_ohm))
    if kind != "high-pass":
        value = capacitance_F if rung_capacitance_F is None else rung_capacitance_F
        for n in range(rungs):
            a, b = on_cylinder(radius_m, phi[[n, n]], np.array([-0.5 * gap_m, 0.5 * gap_m]))
            elements.append(_capacitor(f"rung {n + 1}", a, b, value, resistance_ohm))
    site = "top" if kind == "high-pass" else "rung"
    by_name = {e.name: e for e in elements}
    places = [by_name[f"{site} {1 + m * rungs // 4}"] for m in range(feeds)]
    ports = [_feed_across(e, f"feed {m + 1}", feed_impedance_ohm) for m, e in enumerate(places)]
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
    shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters)
    turns = np.arange(feeds)
    drives = {
        "quadrature": (-1j) ** turns,
        "anti-quadrature": 1j**turns,
        "linear": (turns == 0) + 0j,
    }
    if feeds == 1:
        drives = {"linear": np.ones(1, complex)}
    return CircuitCoil(name, conductors, elements, ports, drives, shield, parameters)


def CapacitorLoop(
    radius_m: float | None = None,
    *,
    size_m: tuple[float, float] | None = None,
    capacitors: int = 4,
    capacitance_F: float = 10e-12,
    resistance_ohm: float | None = None,
    wire_radius_m: float | None = None,
    strip_width_m: float | None = None,
    gap_m: float = 5e-3,
    feed_impedance_ohm: float = 50.0,
    centre_m: Vector = (0.0, 0.0, 0.0),
    normal: Vector = (0.0, 0.0, 1.0),
    name: str = "loop",
) -> CircuitCoil:
    """A circular or rectangular loop with capacitors at equal distances, fed across the first of them.

    A positive drive sends a current that is right-handed about the normal.

    Parameters
    ----------
    radius_m : float, optional
        Radius of a circular loop [m].
    size_m : (float, float), optional
        Edge lengths of a rectangular loop instead [m].
    capacitors : int
        Number of capacitors, at least 1.
    capacitance_F : float
        Each of them [F].
    resistance_ohm : float, optional
        Series resistance of each [ohm].
    wire_radius_m, strip_width_m : float, optional
        Round wire, or a strip flat in the plane of a rectangular loop [m]; without both a line of grid edges.
    gap_m : float
        Gap of each capacitor [m].
    feed_impedance_ohm : float
        Impedance of the source [ohm].
    centre_m, normal : (float, float, float)
        Centre [m] and normal.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used.
    """
    whole("capacitors", capacitors, 1)
    positive("gap_m", gap_m)
    if (radius_m is None) == (size_m is None):
        raise InputError("loop without a size", field="radius_m, size_m", expected="one of them")
    n = np.asarray(normal, float)
    if n.shape != (3,) or not np.all(np.isfinite(n)) or not n.any():
        raise InputError("bad normal", field="normal", found=normal, expected="a direction")
    n = n / np.linalg.norm(n)
    u = np.cross(np.eye(3)[(int(np.argmax(np.abs(n))) + 2) % 3], n)
    u /= np.linalg.norm(u)
    v = np.cross(n, u)
    if radius_m is not None:
        positive("radius_m", radius_m)
        if strip_width_m is not None:
            raise InputError(
                "strips are for rectangular loops",
                field="strip_width_m",
                found=strip_width_m,
                expected="size_m instead of radius_m, or wire_radius_m",
            )
        a = _angles(0.0, 2 * math.pi)
        flat = radius_m * np.stack([np.cos(a), np.sin(a)], axis=1)
        flat[-1] = flat[0]
    else:
        assert size_m is not None
        if len(size_m) != 2:
            raise InputError("bad size of a loop", field="size_m", found=size_m, expected="two lengths")
        c, d = (0.5 * s for s in size_m)
        positive("size_m", c)
        positive("size_m", d)
        flat = np.array([[0, -d], [c, -d], [c, d], [-c, d], [-c, -d], [0, -d]])
    points = np.asarray(centre_m, float) + flat[:, :1] * u + flat[:, 1:] * v
    points, sites = _with_gaps(points, capacitors, gap_m)
    elements = _capacitors("", sites, capacitance_F, resistance_ohm)
    feed = _feed_across(elements[0], "feed", feed_impedance_ohm)
    parameters: dict[str, Any] = {
        "kind": "loop with capacitors",
        "radius_m": radius_m,
        "size_m": size_m,
        "capacitors": capacitors,
        "capacitance_F": capacitance_F,
        "resistance_ohm": resistance_ohm,
        "wire_radius_m": wire_radius_m,
        "strip_width_m": strip_width_m,
        "gap_m": gap_m,
        "feed_impedance_ohm": feed_impedance_ohm,
        "centre_m": list(centre_m),
        "normal": list(normal),
    }
    conductor = _conductor(points, wire_radius_m, strip_width_m, n)
    return CircuitCoil(name, [conductor], elements, [feed], {"unit": [1]}, None, parameters)


def CapacitorLoopArray(
    elements: int = 8,
    *,
    radius_m: float = 0.14,
    length_m: float = 0.16,
    coverage: float = 0.8,
    capacitors: int = 4,
    capacitance_F: float = 10e-12,
    resistance_ohm: float | None = None,
    wire_radius_m: float | None = None,
    gap_m: float = 5e-3,
    feed_impedance_ohm: float = 50.0,
    shield_radius_m: float | None = None,
    shield_length_m: float | None = None,
    name: str = "loop array",
) -> CircuitCoil:
    """Rectangular loops with capacitors on a cylinder about z, each fed in the middle of its lower arc.

    Loop n sits at the angle 2 pi n / elements with its normal pointing outward. Drive "circular" gives loop n the phase
    exp(-j phi_n), which turns in the sense of B1+; "anti-circular" the opposite; "uniform" none.

    Parameters
    ----------
    elements : int
        Number of loops, at least 1.
    radius_m, length_m : float
        Radius of the cylinder and length of the loops along z [m].
    coverage : float
        Angle of one loop over the pitch, below 1: neighbours do not touch.
    capacitors : int
        Capacitors of each loop, at equal distances.
    capacitance_F, resistance_ohm : float
        Value of each [F] and, if given, its series resistance [ohm].
    wire_radius_m : float, optional
        Radius of the wire [m]; without it a line of grid edges.
    gap_m : float
        Gap of each capacitor [m].
    feed_impedance_ohm : float
        Impedance of the sources [ohm].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the loops' unless given [m].
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used or loops that touch.
    """
    whole("elements", elements, 1)
    whole("capacitors", capacitors, 1)
    all_positive(radius_m=radius_m, length_m=length_m, gap_m=gap_m, coverage=coverage)
    width = 2 * math.pi / elements * coverage if elements > 1 else min(coverage, 1.0) * math.pi / 2
    if (elements > 1 and coverage >= 1) or width > math.pi:
        raise InputError(
            "loops touch or are wider than half a turn",
            field="coverage",
            found=coverage,
            expected=f"< {min(1.0, elements / 2):g}",
        )
    half = 0.5 * length_m
    centres = 2 * math.pi * np.arange(elements) / elements
    conductors, parts, feeds = [], [], []
    for i, phi in enumerate(centres):
        # Seen from outside: along +phi at the bottom, up, back along -phi at the top, down: normal outward.
        chain = [
            on_cylinder(radius_m, _angles(phi, phi + 0.5 * width), -half),
            on_cylinder(radius_m, _angles(phi + 0.5 * width, phi - 0.5 * width), half),
            on_cylinder(radius_m, _angles(phi - 0.5 * width, phi), -half),
        ]
        points, sites = _with_gaps(np.concatenate(chain), capacitors, gap_m)
        conductors.append(Wire(points, wire_radius_m))
        own = _capacitors(f"loop {i + 1} ", sites, capacitance_F, resistance_ohm)
        parts += own
        feeds.append(_feed_across(own[0], f"loop {i + 1}", feed_impedance_ohm))
    parameters: dict[str, Any] = {
        "kind": "loop array with capacitors",
        "elements": elements,
        "radius_m": radius_m,
        "length_m": length_m,
        "coverage": coverage,
        "capacitors": capacitors,
        "capacitance_F": capacitance_F,
        "resistance_ohm": resistance_ohm,
        "wire_radius_m": wire_radius_m,
        "gap_m": gap_m,
        "feed_impedance_ohm": feed_impedance_ohm,
    }
    shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters)
    drives = {
        "circular": np.exp(-1j * centres),
        "anti-circular": np.exp(1j * centres),
        "uniform": np.ones(elements, complex),
    }
    return CircuitCoil(name, conductors, parts, feeds, drives, shield, parameters)


def Dipole(
    length_m: float,
    *,
    wire_radius_m: float | None = None,
    gap_m: float = 5e-3,
    feed_impedance_ohm: float = 50.0,
    centre_m: Vector = (0.0, 0.0, 0.0),
    direction: Vector = (0.0, 0.0, 1.0),
    name: str = "dipole",
) -> CircuitCoil:
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
    all_positive(length_m=length_m, gap_m=gap_m)
    d = np.asarray(direction, float)
    if d.shape != (3,) or not np.all(np.isfinite(d)) or not d.any() or gap_m >= length_m:
        raise InputError(
            "bad dipole",
            field="direction, gap_m",
            found=(direction, gap_m),
            expected="a direction, and a gap shorter than the dipole",
        )
    d, c = d / np.linalg.norm(d), np.asarray(centre_m, float)
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
    return CircuitCoil(name, [Wire(np.stack([a, b]), wire_radius_m)], [], [feed], {"unit": [1]}, None, parameters)


def _with_gaps(points: np.ndarray, count: int, gap_m: float) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """A closed chain that starts clear of gaps, and the ends of its gaps: at equal distances, the first where it began.

    The gaps lie on the chain, corners included.
    """
    keep = np.concatenate([[True], np.linalg.norm(np.diff(points, axis=0), axis=1) > 1e-12 * np.ptp(points)])
    points = points[keep]
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    total = float(s[-1])
    if count * gap_m >= 0.9 * total:
        raise InputError(
            "gaps longer than the loop",
            field="capacitors, gap_m",
            found=f"{count} of {gap_m} m",
            expected=f"less than {total:.4g} m together",
        )

    def at(where: np.ndarray) -> np.ndarray:
        w = np.mod(where, total)
        return np.stack([np.interp(w, s, points[:, c]) for c in range(3)], axis=1)

    start = 0.5 * total / count
    inner = np.sort(np.mod(s[:-1] - start, total))
    inner = inner[(inner > 1e-9 * total) & (inner < total * (1 - 1e-9))]
    chain = at(start + np.concatenate([[0.0], inner, [0.0]]))
    middles = total * np.arange(count) / count
    ends = [at(np.array([m - 0.5 * gap_m, m + 0.5 * gap_m])) for m in middles]
    return chain, [(e[0], e[1]) for e in ends]


def _conductor(points: np.ndarray, radius: float | None, width: float | None, normal: np.ndarray) -> Conductor:
    if radius is not None and width is not None:
        raise InputError("strip and wire at once", field="strip_width_m, wire_radius_m", expected="one of them")
    return Wire(points, radius) if width is None else Strip(points, width, normal)


def _capacitor(name: str, a: np.ndarray, b: np.ndarray, value: float, resistance: float | None) -> LumpedElement:
    ends = (tuple(float(c) for c in a), tuple(float(c) for c in b))
    return LumpedElement(name, *ends, resistance_ohm=resistance, capacitance_F=value)  # type: ignore[arg-type]


def _capacitors(
    prefix: str, sites: list[tuple[np.ndarray, np.ndarray]], value: float, resistance: float | None
) -> list[LumpedElement]:
    return [_capacitor(f"{prefix}C{i + 1}", a, b, value, resistance) for i, (a, b) in enumerate(sites)]


def _feed_across(element: LumpedElement, name: str, impedance: float) -> FeedPort:
    return FeedPort(name, element.start_m, element.end_m, impedance)


def _angles(first: float, last: float) -> np.ndarray:
    return np.linspace(first, last, max(2, math.ceil(abs(last - first) / ARC_STEP) + 1))
