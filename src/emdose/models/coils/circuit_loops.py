"""Loops of metal and capacitors: one, or an array on a cylinder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from emdose.checks import all_positive, positive, unit_vector, vector, whole
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, LumpedElement, Strip, Wire
from emdose.models.coils.cylinder import array_drives, loop_width, on_cylinder, shield_around
from emdose.models.coils.gaps import arc_angles, capacitor, feed_across
from emdose.models.grids.grid import Vector


class CapacitorLoop(CircuitCoil):
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

    radius_m: float | None
    size_m: tuple[float, float] | None

    def __init__(
        self,
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
    ) -> None:
        whole("capacitors", capacitors, 1)
        positive("gap_m", gap_m)
        if (radius_m is None) == (size_m is None):
            raise InputError("loop without a size", field="radius_m, size_m", expected="one of them")
        n = unit_vector("normal", normal, problem="bad normal")
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
            a = arc_angles(0.0, 2 * math.pi)
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
        points = vector("centre_m", centre_m) + flat[:, :1] * u + flat[:, 1:] * v
        points, sites = _with_gaps(points, capacitors, gap_m)
        elements = _capacitors("", sites, capacitance_F, resistance_ohm)
        feed = feed_across(elements[0], "feed", feed_impedance_ohm)
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
        super().__init__(name, [conductor], elements, [feed], {"unit": [1]}, None, parameters)
        vars(self).update(radius_m=radius_m, size_m=size_m)


class CapacitorLoopArray(CircuitCoil):
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
        Angle of one loop over the pitch. Below 1 neighbours stand side by side; between 1 and 2 they overlap, and
        every other loop lies further out by ``overlap_gap_m`` (the last of an odd number by twice that), so that
        conductors cross without contact.
    capacitors : int
        Capacitors of each loop, at equal distances.
    capacitance_F, resistance_ohm : float
        Value of each [F] and, if given, its series resistance [ohm].
    wire_radius_m, strip_width_m : float, optional
        Round wire, or a strip on the cylinder [m]; without both a line of grid edges.
    decoupling_F : float, optional
        Capacitors between the facing legs of neighbours, two per pair, a quarter of the length above and below the
        middle [F]: with the leg's own capacitor between them they cancel the mutual inductance of the pair.
    overlap_gap_m : float
        Distance of overlapping loops from each other along the radius [m]; on a grid more than two cells.
    gap_m : float
        Gap of each capacitor [m].
    feed_impedance_ohm : float
        Impedance of the sources [ohm].
    shield_radius_m, shield_length_m : float, optional
        Cylindrical RF shield; its length is 1.5 times the loops' unless given [m].
    shield_slots, shield_slot_width_m : int, float
        Slots along the shield, and the width of each [m]; see :class:`Shield`.
    name : str
        Name shown in reports.

    Raises
    ------
    InputError
        For values that cannot be used or loops that touch.
    """

    radius_m: float
    length_m: float
    coverage: float

    def __init__(
        self,
        elements: int = 8,
        *,
        radius_m: float = 0.14,
        length_m: float = 0.16,
        coverage: float = 0.8,
        capacitors: int = 4,
        capacitance_F: float = 10e-12,
        resistance_ohm: float | None = None,
        wire_radius_m: float | None = None,
        strip_width_m: float | None = None,
        decoupling_F: float | None = None,
        overlap_gap_m: float = 4e-3,
        gap_m: float = 5e-3,
        feed_impedance_ohm: float = 50.0,
        shield_radius_m: float | None = None,
        shield_length_m: float | None = None,
        shield_slots: int = 0,
        shield_slot_width_m: float = 2e-3,
        name: str = "loop array",
    ) -> None:
        whole("elements", elements, 1)
        whole("capacitors", capacitors, 1)
        all_positive(radius_m=radius_m, length_m=length_m, gap_m=gap_m, coverage=coverage, overlap_gap_m=overlap_gap_m)
        width = loop_width(elements, coverage)
        thick = strip_width_m or 2 * (wire_radius_m or 0.0)
        levels = _levels(elements, coverage, radius_m, width, thick)
        if levels.any() and strip_width_m is None and overlap_gap_m <= thick:
            raise InputError(
                "wires of overlapping loops touch",
                field="overlap_gap_m",
                found=overlap_gap_m,
                expected=f"> {thick:g} m, their diameter",
            )
        half = 0.5 * length_m
        centres = 2 * math.pi * np.arange(elements) / elements
        conductors, parts, feeds = [], [], []
        for phi, own_radius, i in zip(centres, radius_m + overlap_gap_m * levels, range(elements), strict=True):
            # Seen from outside: along +phi at the bottom, up, back along -phi at the top, down: normal outward.
            chain = [
                on_cylinder(own_radius, arc_angles(phi, phi + 0.5 * width), -half),
                on_cylinder(own_radius, arc_angles(phi + 0.5 * width, phi - 0.5 * width), half),
                on_cylinder(own_radius, arc_angles(phi - 0.5 * width, phi), -half),
            ]
            points, sites = _with_gaps(np.concatenate(chain), capacitors, gap_m)
            outward = 0.5 * (points[1:] + points[:-1]) * np.array([1.0, 1.0, 0.0])
            conductors.append(_conductor(points, wire_radius_m, strip_width_m, outward))
            own = _capacitors(f"loop {i + 1} ", sites, capacitance_F, resistance_ohm)
            parts += own
            feeds.append(feed_across(own[0], f"loop {i + 1}", feed_impedance_ohm))
        if decoupling_F is not None:
            if elements == 1 or levels.any():
                raise InputError(
                    "no facing legs to decouple",
                    field="decoupling_F",
                    found=f"{elements} loops that cover {coverage:g} of the pitch",
                    expected="two loops or more that do not overlap",
                )
            reach = 0.5 * width + 0.5 * (strip_width_m or 0.0) / radius_m
            for i, phi in enumerate(centres):
                facing = np.array([phi + reach, phi + 2 * math.pi / elements - reach])
                for label, z in (("low", -0.5 * half), ("high", 0.5 * half)):
                    a, b = on_cylinder(radius_m, facing, z)
                    pair = f"loops {i + 1} and {(i + 1) % elements + 1} {label}"
                    parts.append(capacitor(pair, a, b, decoupling_F, resistance_ohm))
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
        if strip_width_m is not None:
            parameters["strip_width_m"] = strip_width_m
        if decoupling_F is not None:
            parameters["decoupling_F"] = decoupling_F
        if levels.any():
            parameters["overlap_gap_m"] = overlap_gap_m
        slots = (shield_slots, shield_slot_width_m)
        shield = shield_around(shield_radius_m, shield_length_m, length_m, parameters, *slots)
        super().__init__(name, conductors, parts, feeds, array_drives(centres), shield, parameters)
        vars(self).update(radius_m=radius_m, length_m=length_m, coverage=coverage)


def _levels(elements: int, coverage: float, radius: float, width: float, thick: float) -> np.ndarray:
    """How many steps further out each loop lies (elements,); raises InputError for loops that touch."""
    none = np.zeros(elements)
    if elements == 1 and width <= math.pi:
        return none
    apart = 2 * math.pi / elements * radius * (1 - coverage)  # of neighbours, along the circumference
    beyond = 2 * math.pi / elements * radius * (2 - coverage)  # of every other one
    if apart > thick and width <= math.pi:
        return none
    if coverage > 1 and elements > 2 and beyond > thick and width <= math.pi:
        out = np.arange(elements) % 2.0
        out[-1] += elements % 2 * 2
        return out
    below = 1 - thick * elements / (2 * math.pi * radius)
    most = min(2.0, elements / 2) - thick * elements / (2 * math.pi * radius)
    raise InputError(
        "loops touch or are wider than half a turn",
        field="coverage",
        found=coverage,
        expected=f"< {min(below, elements / 2):.4g}" + (f", or > 1 and < {most:.4g}" if elements > 2 else ""),
    )


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


def _capacitors(
    prefix: str, sites: list[tuple[np.ndarray, np.ndarray]], value: float, resistance: float | None
) -> list[LumpedElement]:
    return [capacitor(f"{prefix}C{i + 1}", a, b, value, resistance) for i, (a, b) in enumerate(sites)]
