"""Text files of coils: tables with named columns, and plain lists of points as other programs export them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.io.coils.units import UNITS
from emdose.io.disk.files import read_bytes

LARGEST_FILE = 64 * 2**20
POINT, PIECE = ("x", "y", "z"), ("x1", "y1", "z1", "x2", "y2", "z2")
COIL_COLUMNS = ("port", "conductor", *POINT, *PIECE, "current_A", "phase_deg")
_UNIT = re.compile(rf"^\s*(\w+?)\s*[_\s\[(/]+\s*({'|'.join(UNITS)})\s*[\])]?\s*$")
_SAID = re.compile(rf"\bunits?\s*[:=]?\s*({'|'.join(UNITS)})\b", re.IGNORECASE)


@dataclass
class Rows:
    """A table as it stands in its file.

    Parameters
    ----------
    columns : list of str
        Names of its columns without units.
    rows : list of (str, list of str, bool)
        Place ("line 7"), cells, and whether an empty line stands before.
    unit : str or None
        Unit that the file states for coordinates.
    own_units : dict of str to str
        Units of columns of other lengths.
    """

    columns: list[str]
    rows: list[tuple[str, list[str], bool]] = field(default_factory=list)
    unit: str | None = None
    own_units: dict[str, str] = field(default_factory=dict)

    def cells(self) -> Iterator[tuple[str, dict[str, str], bool]]:
        """Place, cells by column, and whether an empty line stands before, of every row."""
        for place, values, apart in self.rows:
            yield place, dict(zip(self.columns, values, strict=True)), apart


@dataclass
class FileCurve:
    """Corners and currents of a chain as they stand in a file, in its own unit."""

    port: str | None
    name: str
    points: list[list[float]] = field(default_factory=list)
    currents: list[complex] = field(default_factory=list)
    places: list[str] = field(default_factory=list)


def read_rows(path: Path, known: Sequence[str], needed: Sequence[str], what: str) -> Rows:
    """A table whose first line names its columns; columns of coordinates may say their unit (``x_mm``, ``x [mm]``).

    Parameters
    ----------
    path : Path
        The file: commas, semicolons, tabs or blanks between its cells; lines that begin with # are comments.
    known, needed : sequence of str
        Columns that there may and must be.
    what : str
        What it is, for the error text.

    Raises
    ------
    InputError
        For columns that are unknown, missing or of two units, or a row that does not fit them.
    """
    lines = _lines(path, what)
    separator = _separator(lines)
    rows = Rows([])
    apart = False
    for number, text in lines:
        if not text or text.startswith("#"):
            apart = apart or not text
            rows.unit = rows.unit or _said(text)
            continue
        cells = _split(text, separator, path, number)
        if not rows.columns:
            rows.columns, units = _header(cells, known, needed, path, number)
            stated = {u for c, u in units.items() if c in (*POINT, *PIECE)}
            if len(stated) > 1:
                found = " and ".join(sorted(stated))
                raise InputError("columns of two units", file=path, field=f"line {number}", found=found)
            rows.unit = next(iter(stated), rows.unit)
            rows.own_units = {c: u for c, u in units.items() if c not in (*POINT, *PIECE)}
            apart = False
            continue
        if len(cells) > len(rows.columns) and not any(cells[len(rows.columns) :]):
            cells = cells[: len(rows.columns)]  # spreadsheets end their lines with separators
        if len(cells) != len(rows.columns):
            raise InputError(
                "row does not fit the columns",
                file=path,
                field=f"line {number}",
                found=f"{len(cells)} cells",
                expected=f"{len(rows.columns)}: {', '.join(rows.columns)}",
            )
        rows.rows.append((f"line {number}", cells, apart))
        apart = False
    if not rows.rows:
        raise InputError("no rows", file=path, expected=f"columns {', '.join(needed)} and a row under them")
    return rows


def read_curves(path: Path) -> tuple[list[FileCurve], str | None]:
    """Curves of a text file, and the unit that it states.

    A first line that names columns makes it a table; otherwise every line holds x, y, z (or both ends of a piece), and
    an empty line or a line of words begins a new curve, which it names.

    Raises
    ------
    InputError
        In one line, with the line of the file.
    """
    lines = _lines(path, "a coil")
    first = next((text for _, text in lines if text and not text.startswith("#")), None)
    if first is None:
        raise InputError("empty file", file=path, expected="a table of points, or x, y, z in every line")
    names = [_plain(c)[0] for c in _split(first, _separator(lines), path, 0)]
    if sum(n in COIL_COLUMNS for n in names) >= 2:
        piecewise = "x1" in names
        rows = read_rows(path, COIL_COLUMNS, PIECE if piecewise else POINT, "a coil")
        return (_pieces(rows, path) if piecewise else _points(rows, path)), rows.unit
    return _plain_points(lines, path)


def number(cell: str, column: str, place: str, path: Path) -> float:
    """The finite number of a cell; raises InputError that names file, line and column."""
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(
            "not a finite number", file=path, field=f"{place}, {column}", found=cell or "nothing", expected="a number"
        )
    return value


def _points(rows: Rows, path: Path) -> list[FileCurve]:
    curves: list[FileCurve] = []
    before: tuple[str | None, str | None] | None = None
    for place, row, apart in rows.cells():
        key = (row.get("port") or None, row.get("conductor") or None)
        if not curves or apart or key != before:
            curves.append(FileCurve(key[0], key[1] or _name(key[0], curves)))
        before = key
        curve = curves[-1]
        curve.points.append([number(row[c], c, place, path) for c in POINT])
        curve.currents.append(_current(row, place, path))
        curve.places.append(place)
    for curve in curves:
        curve.currents.pop()  # the last corner has no piece behind it
    return curves


def _pieces(rows: Rows, path: Path) -> list[FileCurve]:
    """Curves of a table of pieces: rows of one port and conductor that go on where the one before ended."""
    curves: list[FileCurve] = []
    before: tuple[str | None, str | None] | None = None
    for place, row, apart in rows.cells():
        key = (row.get("port") or None, row.get("conductor") or None)
        ends = [number(row[c], c, place, path) for c in PIECE]
        if not curves or apart or key != before or curves[-1].points[-1] != ends[:3]:
            curves.append(FileCurve(key[0], key[1] or _name(key[0], curves), [ends[:3]], [], [place]))
        before = key
        curves[-1].points.append(ends[3:])
        curves[-1].currents.append(_current(row, place, path))
        curves[-1].places.append(place)
    return curves


def _name(port: str | None, curves: Sequence[FileCurve]) -> str:
    if port is None:
        return f"curve {len(curves) + 1}"
    same = sum(c.port == port for c in curves)
    return port if not same else f"{port}, {same + 1}"


def _current(row: dict[str, str], place: str, path: Path) -> complex:
    amplitude = number(row["current_A"], "current_A", place, path) if row.get("current_A") else 1.0
    phase = number(row["phase_deg"], "phase_deg", place, path) if row.get("phase_deg") else 0.0
    quarter = {0.0: 1.0, 90.0: 1j, 180.0: -1.0, 270.0: -1j}.get(phase % 360)  # exact where it can be
    turn = math.radians(phase)
    return amplitude * complex(math.cos(turn), math.sin(turn)) if quarter is None else complex(amplitude * quarter)


def _plain_points(lines: Sequence[tuple[int, str]], path: Path) -> tuple[list[FileCurve], str | None]:
    curves: list[FileCurve] = []
    separator, unit, title, fresh = _separator(lines), None, "", True
    for place, text in lines:
        if not text or text.startswith("#"):
            fresh, unit = fresh or not text, unit or _said(text)
            continue
        cells = _split(text, separator, path, place)
        try:
            values = [float(c) for c in cells]
        except ValueError:
            numeric = sum(bool(re.fullmatch(r"[-+.\deE]+|nan|inf", c, re.IGNORECASE)) for c in cells)
            if len(cells) == 3 and numeric >= 2:
                raise InputError(
                    "not three numbers", file=path, field=f"line {place}", found=text[:60], expected="x, y, z"
                ) from None
            unit, title, fresh = unit or _said(text), " ".join(text.strip("[]*;!").split())[:60], True
            continue
        if len(values) not in (3, 6) or not all(map(math.isfinite, values)):
            raise InputError(
                "not three finite numbers", file=path, field=f"line {place}", found=text[:60], expected="x, y, z"
            )
        goes_on = curves and not fresh and (len(values) == 3 or curves[-1].points[-1] == values[:3])
        if not goes_on:
            name = title or f"curve {len(curves) + 1}"
            curves.append(
                FileCurve(None, name if name not in [c.name for c in curves] else f"{name}, {len(curves) + 1}")
            )
            title, fresh = "", False
            if len(values) == 6:
                curves[-1].points.append(values[:3])
                curves[-1].places.append(f"line {place}")
        curves[-1].points.append(values[-3:])
        curves[-1].places.append(f"line {place}")
    for curve in curves:
        curve.currents = [1.0 + 0j for _ in pairwise(curve.points)]
    if not curves:
        raise InputError("no points in this file", file=path, expected="x, y, z in every line")
    return curves, unit


def _lines(path: Path, what: str) -> list[tuple[int, str]]:
    try:
        text = read_bytes(path, what, LARGEST_FILE).decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise InputError("not a text file", file=path, expected=f"{what} in UTF-8")
    # Spreadsheets quote a comment that holds their separator.
    plain = (s.strip().strip('"') if s.lstrip().startswith('"#') else s.strip() for s in text.splitlines())
    return list(enumerate(plain, 1))


def _separator(lines: Sequence[tuple[int, str]]) -> str | None:
    text = next((s for _, s in lines if s and not s.startswith("#") and re.search(r"\d", s)), "")
    head = next((s for _, s in lines if s and not s.startswith("#")), "")
    best = max(";\t,", key=lambda c: head.count(c) or text.count(c))
    return best if best in head or best in text else None


def _split(text: str, separator: str | None, path: Path, number: int) -> list[str]:
    if separator is None:
        return text.split()
    try:
        return [c.strip() for c in next(csv.reader(io.StringIO(text), delimiter=separator, strict=True))]
    except (csv.Error, StopIteration) as error:
        raise InputError(f"not a row of a table: {error}", file=path, field=f"line {number}") from None


def _header(
    cells: Sequence[str], known: Sequence[str], needed: Sequence[str], path: Path, number: int
) -> tuple[list[str], dict[str, str]]:
    """Names of columns without their units, and the units."""
    columns: list[str] = []
    units: dict[str, str] = {}
    for cell in cells:
        name, unit = (cell, None) if cell in known else _plain(cell)
        if name not in known:
            raise unknown("unknown column", cell, known, file=path, field=f"line {number}")
        if name in columns:
            raise InputError("column given twice", file=path, field=f"line {number}", found=name)
        columns.append(name)
        if unit is not None:
            units[name] = unit
    for column in needed:
        if column not in columns:
            raise InputError("missing column", file=path, field=column, found=", ".join(columns))
    return columns, units


def _plain(cell: str) -> tuple[str, str | None]:
    """Name of a column and the unit behind it."""
    found = _UNIT.match(cell)
    return (found.group(1), found.group(2)) if found else (cell, None)


def _said(comment: str) -> str | None:
    found = _SAID.search(comment)
    return found.group(1).lower() if found else None
