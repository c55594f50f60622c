"""Coils of metal as lines of VTK and back: conductors, elements and feeds, each a line with what belongs to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.errors import InputError
from emdose.io.coils.units import UNITS, unit_of
from emdose.io.coils.vtk_lines import Lines, drive_texts, told
from emdose.io.maps.vtk import vtp_bytes
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import (
    Conductor,
    FeedPort,
    LumpedElement,
    Plate,
    SolidConductor,
    Strip,
    Wire,
)
from emdose.models.coils.paths.arrays import turned

PART = "line part"
"""Data that tells a file of a coil of metal from others: what each line is."""
NUMBERS = ("radius_m", "width_m", "resistance_ohm", "inductance_H", "capacitance_F", "impedance_ohm", "parallel")
VALUES = NUMBERS[2:5]


def metal_bytes(coil: CircuitCoil, unit: str) -> bytes:
    """A coil of metal as VTK poly data.

    Every line is a wire, strip, plate, element or feed; sheets and solids are lines for pictures. Its points have the
    normal of a strip, or the other edge of a plate [m], beside them. Numbers that a part does not have are 0.

    Parameters
    ----------
    coil : CircuitCoil
        The coil.
    unit : str
        Unit of its coordinates.
    """
    lines: list[np.ndarray] = []
    across: list[np.ndarray] = []
    data: dict[str, list[Any]] = {"part": [], "name": [], **{k: [] for k in NUMBERS}}

    def add(part: str, name: str, points: np.ndarray, normals: Any = 0.0, **values: float | None) -> None:
        lines.append(points / UNITS[unit])
        across.append(np.broadcast_to(np.asarray(normals, float), points.shape))
        data["part"].append(part)
        data["name"].append(name)
        for key in NUMBERS:
            data[key].append(float(values.get(key) or 0.0))

    for number, c in enumerate(coil.conductors, 1):
        name = f"{type(c).__name__.removesuffix('Conductor').lower()} {number}"
        if isinstance(c, SolidConductor):
            for line in () if c.outline_m is None else c.outline_m:
                add("solid", name, line)
        elif isinstance(c, Wire):
            add("wire", name, c.points_m, radius_m=c.radius_m)
        elif isinstance(c, Strip):
            normals = np.broadcast_to(c.normal, (len(c.points_m) - 1, 3))
            add("strip", name, c.points_m, np.concatenate([normals, normals[-1:]]), width_m=c.width_m)
        elif isinstance(c, Plate):
            corner = np.array(c.corner_m)
            add("plate", name, np.stack([corner, corner + c.first_m]), c.second_m)
        else:
            add("sheet", name, c.points_m, width_m=c.width_m)
    for e in coil.elements:
        values = {k: getattr(e, k) for k in VALUES}
        add("element", e.name, np.array([e.start_m, e.end_m]), parallel=float(e.topology == "parallel"), **values)
    for f in coil.feeds:
        add("feed", f.name, np.array([f.start_m, f.end_m]), impedance_ohm=f.impedance_ohm)
    about = {"unit": unit, "name": coil.name, **drive_texts(coil.drives)}
    return vtp_bytes(lines, data, about, {"across": np.concatenate(across)})


def metal_coil(
    arrays: Lines, path: Path, unit: str | None, R: np.ndarray, name: str | None, solids: Sequence[SolidConductor]
) -> CircuitCoil:
    """The coil of metal that :func:`metal_bytes` wrote.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        From :func:`~emdose.io.coils.vtk_lines.read_lines`.
    path : Path
        The file.
    unit : str, optional
        Unit that the caller states.
    R : (3, 3) ndarray
        How the coil is turned about the origin.
    name : str, optional
        Name shown in reports.
    solids : sequence of SolidConductor
        More metal.

    Raises
    ------
    InputError
        When data are missing or no metal can be made of them, or the file holds sheets or solids.
    """
    stated, drives = told(arrays, path)
    points, ends = arrays["points"], arrays["ends"]
    factor = UNITS[unit_of(points, unit, stated, path)]
    starts = np.concatenate([[0], ends[:-1]])
    parts, names, numbers, across = _data(arrays, len(ends), len(points), path)
    conductors: list[Conductor] = []
    elements, feeds = [], []
    for n, (a, b) in enumerate(zip(starts, ends, strict=True)):
        own, row, sides = factor * points[a:b], {k: float(v[n]) for k, v in numbers.items()}, across[a:b]
        try:
            if parts[n] == "wire":
                conductors.append(Wire(own, row["radius_m"] or None))
            elif parts[n] == "strip":
                conductors.append(Strip(own, row["width_m"], sides[:-1]))
            elif len(own) != 2:
                raise InputError("a line that is no wire or strip", found=parts[n], expected="two points")
            elif parts[n] == "plate":
                conductors.append(Plate(tuple(own[0]), tuple(own[1] - own[0]), tuple(sides[0])))
            elif parts[n] == "element":
                values = {k: row[k] or None for k in VALUES}
                kind = "parallel" if row["parallel"] else "series"
                elements.append(LumpedElement(names[n], tuple(own[0]), tuple(own[1]), topology=kind, **values))
            elif parts[n] == "feed":
                feeds.append(FeedPort(names[n], tuple(own[0]), tuple(own[1]), row["impedance_ohm"]))
            else:
                expected = "wires, strips and plates; sheets and solids are written for pictures alone"
                raise InputError("a conductor that cannot be read back", found=parts[n], expected=expected)
        except InputError as error:
            raise error.at(file=path, field=f"line {n + 1}") from None
    about = {"kind": "coil from a file", "file": path.name, "conductors": len(conductors)}
    groups = ([turned(p, R) for p in group] for group in (conductors, elements, feeds))
    metal, lumped, ports = groups
    try:
        return CircuitCoil(name or path.stem, [*metal, *solids], lumped, ports, drives, parameters=about)
    except InputError as error:
        raise error.at(file=path) from None


def _data(
    arrays: Lines, lines: int, points: int, path: Path
) -> tuple[list[str], list[str], dict[str, np.ndarray], np.ndarray]:
    """Part and name of every line, its numbers, and the vectors of the points; raises InputError where some are bad."""
    texts = [arrays.get(f"line {key}", np.zeros(0)) for key in ("part", "name")]
    numbers = {key: arrays.get(f"line {key}", np.zeros(0)) for key in NUMBERS}
    across = arrays.get("point across", np.zeros(0))
    for key, values in (("part", texts[0]), ("name", texts[1])):
        if values.dtype.kind != "U" or values.shape != (lines,):
            raise InputError("bad data of a coil of metal", file=path, field=key, expected="a text for every line")
    for key, values in numbers.items():
        if values.dtype.kind not in "iuf" or values.shape != (lines,) or not np.all(np.isfinite(values)):
            raise InputError("bad data of a coil of metal", file=path, field=key, expected="a number for every line")
    if across.dtype.kind not in "iuf" or across.shape != (points, 3) or not np.all(np.isfinite(across)):
        raise InputError("bad data of a coil of metal", file=path, field="across", expected="a vector for every point")
    return texts[0].tolist(), texts[1].tolist(), numbers, np.asarray(across, float)
