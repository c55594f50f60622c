"""Tables of what belongs to a coil: gaps with capacitors and feeds, and named drives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number, unknown
from emdose.errors import InputError
from emdose.io.coils.tables import POINT, number, read_rows
from emdose.io.coils.units import UNITS
from emdose.models.coils.paths.cuts import CoilGap

VALUES = {
    "capacitance_F": ("capacitance_F", 1.0),
    "capacitance_pF": ("capacitance_F", 1e-12),
    "inductance_H": ("inductance_H", 1.0),
    "inductance_nH": ("inductance_H", 1e-9),
    "resistance_ohm": ("resistance_ohm", 1.0),
    "impedance_ohm": ("impedance_ohm", 1.0),
}
TEXTS = ("name", "conductor", "feed", "topology")
GAP_COLUMNS = ("name", "conductor", "segment", *POINT, "gap", *VALUES, "topology", "feed")
DRIVE_COLUMNS = ("drive", "port", "amplitude", "phase_deg")
Gaps = Path | str | Sequence[Mapping[str, Any]]


def read_gaps(gaps: Gaps, unit: str, gap_m: float, impedance_ohm: float) -> list[CoilGap]:
    """Gaps of a table or of mappings with the same keys.

    Parameters
    ----------
    gaps : Path, str or sequence of mapping
        A CSV file with a column for the place (``x``, ``y``, ``z``, or ``segment``, and ``conductor`` where there are
        several) and any of ``name``, ``gap``, ``capacitance_F`` (or ``_pF``), ``inductance_H`` (or ``_nH``),
        ``resistance_ohm``, ``topology``, ``feed``, ``impedance_ohm``.
    unit : str
        Unit of coordinates and gaps whose columns do not say theirs.
    gap_m, impedance_ohm : float
        What holds for gaps that do not say theirs [m], [ohm].

    Raises
    ------
    InputError
        For unknown columns, texts where numbers belong and numbers that cannot be used, with file and line.
    """
    if not isinstance(gaps, Path | str):
        rows_given = [(f"gaps[{n}]", _texts(row, n)) for n, row in enumerate(gaps)]
        return [_gap(p, row, Path(), n, {}, unit, gap_m, impedance_ohm) for n, (p, row) in enumerate(rows_given)]
    path = Path(gaps)
    rows = read_rows(path, GAP_COLUMNS, (), "a table of gaps")
    units = dict.fromkeys(POINT, rows.unit or unit) | {"gap": rows.own_units.get("gap", rows.unit or unit)}
    found = [
        _gap(place, {k: v for k, v in row.items() if v}, path, n, units, unit, gap_m, impedance_ohm)
        for n, (place, row, _) in enumerate(rows.cells())
    ]
    for what in ("feed", "name"):
        names: dict[str, str] = {}
        for gap in found:
            name = getattr(gap, what)
            if name is not None and name in names:
                raise InputError(
                    f"two gaps with one {what}", file=path, field=gap.place, found=f"{name}, as {names[name]}"
                )
            names[name] = gap.place
    return found


def read_drives(path: Path | str, ports: Sequence[str]) -> dict[str, np.ndarray]:
    """Named drives of a table with the columns drive, port, amplitude and phase_deg; ports left out are not driven.

    Raises
    ------
    InputError
        For unknown columns or ports, and values that are no numbers.
    """
    path = Path(path)
    out: dict[str, np.ndarray] = {}
    for place, row, _ in read_rows(path, DRIVE_COLUMNS, DRIVE_COLUMNS[:2], "a table of drives").cells():
        if row["port"] not in ports:
            raise unknown("unknown port", row["port"], ports, file=path, field=place)
        amplitude = number(row["amplitude"], "amplitude", place, path) if row.get("amplitude") else 1.0
        phase = number(row["phase_deg"], "phase_deg", place, path) if row.get("phase_deg") else 0.0
        weights = out.setdefault(row["drive"] or "drive", np.zeros(len(ports), complex))
        weights[list(ports).index(row["port"])] = amplitude * np.exp(1j * math.radians(phase))
    return out


def _texts(row: Mapping[str, Any], place: int) -> dict[str, str]:
    for key in row:
        if key not in GAP_COLUMNS:
            raise unknown("unknown key of a gap", key, GAP_COLUMNS, field=f"gaps[{place}]")
    return {k: repr(float(v)) if is_number(v) and k not in TEXTS else str(v) for k, v in row.items() if v is not None}


def _gap(
    place: str,
    row: Mapping[str, str],
    path: Path,
    count: int,
    units: Mapping[str, str],
    unit: str,
    gap_m: float,
    impedance_ohm: float,
) -> CoilGap:
    def length(column: str) -> float:
        return number(row[column], column, place, path) * UNITS[units.get(column, unit)]

    values: dict[str, Any] = {}
    for column, (key, factor) in VALUES.items():
        if column in row:
            if key in values:
                raise InputError("one value twice", file=path, field=f"{place}, {column}", expected="one of its units")
            values[key] = _positive(row[column], column, place, path) * factor
    where = [c for c in POINT if c in row]
    if where and len(where) < 3:
        raise InputError("a place without all of x, y, z", file=path, field=place, found=", ".join(where))
    segment = None
    if "segment" in row:
        value = number(row["segment"], "segment", place, path)
        if value != int(value):
            raise InputError("not a whole number", file=path, field=f"{place}, segment", found=row["segment"])
        segment = int(value)
    if "gap" in row:
        _positive(row["gap"], "gap", place, path)
    values.setdefault("impedance_ohm", impedance_ohm)
    name = row.get("name") or (row.get("feed") and f"at {row['feed']}") or f"C{count + 1}"
    return CoilGap(
        name,
        length("gap") if "gap" in row else gap_m,
        row.get("conductor"),
        (length("x"), length("y"), length("z")) if where else None,
        segment,
        topology=row.get("topology", "series"),
        feed=row.get("feed"),
        place=place,
        **values,
    )


def _positive(cell: str, column: str, place: str, path: Path) -> float:
    value = number(cell, column, place, path)
    if value <= 0:
        raise InputError(
            "must be positive", file=path, field=f"{place}, {column}", found=value, expected="a number > 0"
        )
    return value
