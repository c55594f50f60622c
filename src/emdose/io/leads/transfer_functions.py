"""Transfer functions of leads on disk: CSV with a header that says what the numbers mean, and JSON of a piX scan."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import is_number, one_of, positive, unknown
from emdose.errors import InputError
from emdose.io.disk.atomic import write_text
from emdose.io.disk.files import read_bytes
from emdose.models.leads import TransferFunction
from emdose.models.leads.transfer_function import CONVENTIONS

LARGEST_FILE = 16 * 2**20
LENGTHS = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}
FREQUENCIES = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6}
CSV_KIND = "a transfer function: .csv with distance_from_tip_mm, magnitude, phase_rad, or .json of a piX scan"
LARGEST_TURN_RAD, LARGEST_TURN_RAD_M = 12.6, 60.0
"""Phases that turn by more along a lead, and along each metre of it, were written in degrees [rad], [rad/m]."""
WORDS = {
    "name": "name",
    "time convention": "time_convention",
    "frequency": "frequency_Hz",
    "medium permittivity": "permittivity",
    "medium conductivity": "conductivity_S_m",
    "quantity": "quantity",
    "normalisation": "normalisation",
    "scale": "scale",
    "field amplitude": "field_amplitude",
    "calibration": "calibration",
    "ends": "ends",
}


def read_transfer_function(
    path: Path | str,
    frequency_Hz: float | None = None,
    *,
    permittivity: float | None = None,
    conductivity_S_m: float | None = None,
    time_convention: str | None = None,
    unit: str | None = None,
    background: Path | str | None = None,
    skip: int = 2,
    **more: Any,
) -> TransferFunction:
    """A transfer function from a file.

    Parameters
    ----------
    path : Path or str
        CSV: columns ``distance_from_tip_mm`` (or _cm, _m) and ``magnitude`` with ``phase_rad`` or ``phase_deg``, or
        ``real`` with ``imag``; ``frequency_MHz`` where there are several. Lines ``# word: value`` before them say the
        rest. JSON: a piX scan with ``y_coord``, ``Ch1 R`` and ``Ch1 I``.
    frequency_Hz : float, optional
        Frequency wanted [Hz]; needed where the file has several or none.
    permittivity, conductivity_S_m : float, optional
        Medium wanted, the latter in [S/m]; needed where the file does not say it.
    time_convention : {"exp(+jwt)", "exp(-jwt)"}, optional
        Needed where the file does not say it. A network analyser measures exp(+jwt).
    unit : {"m", "cm", "mm"}, optional
        Of the positions of a piX scan, which does not state one.
    background : Path or str, optional
        piX scan of the probe without the lead, which is subtracted.
    skip : int
        Points of a piX scan to leave out at either end; the first point that stays is the tip.
    **more
        Fields of :class:`~emdose.TransferFunction` that the file does not say, such as ``scale`` and ``scale_unit``.

    Raises
    ------
    InputError
        For a time convention, a unit or a medium that nobody has said, a frequency or medium other than wanted, phases
        in degrees in a column of radians, or what is no such table.
    """
    path = Path(path)
    data = read_bytes(path, CSV_KIND, LARGEST_FILE)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError("not a text file", file=path, expected=CSV_KIND) from None
    if path.suffix.lower() == ".json":
        distance, values = _pix(text, path, unit, skip)
        if background is not None:
            beside = Path(background)
            words = read_bytes(beside, "a piX scan", LARGEST_FILE).decode("utf-8-sig", "replace")
            there, empty = _pix(words, beside, unit, skip)
            if there.shape != distance.shape or np.abs(there - distance).max() > 1e-3:
                raise InputError("background scan of other positions", file=beside, expected="those of the scan")
            values = values - empty
        told: dict[str, Any] = {}
        found = frequency_Hz
    else:
        told, columns = _table(text, path)
        distance, values, found = _columns(columns, told, path, frequency_Hz)
    given = {
        "frequency_Hz": found,
        "permittivity": permittivity,
        "conductivity_S_m": conductivity_S_m,
        "time_convention": time_convention,
    }
    for key, value in given.items():
        if told.get(key) is None and value is None:
            raise InputError(_missing(key), file=path, field=key, expected=f"the file or the argument {key}")
    if time_convention is not None and told.get("time_convention") not in (None, time_convention):
        raise InputError(
            "the file states another time convention",
            file=path,
            field="time_convention",
            found=told["time_convention"],
            expected=time_convention,
        )
    kept = {**given, **more, **{k: v for k, v in told.items() if v is not None}}
    kept.setdefault("name", path.stem)
    try:
        made = TransferFunction(distance, values, **kept)
        wanted = made.frequency_Hz if frequency_Hz is None else positive("frequency_Hz", frequency_Hz)
        made.require(wanted, permittivity, conductivity_S_m)
    except InputError as error:
        raise error.at(file=path) from None
    return made


def write_transfer_function(transfer_function: TransferFunction, path: Path | str) -> Path:
    """Write a transfer function as CSV, with all that it says of itself in lines before the table.

    Parameters
    ----------
    transfer_function : TransferFunction
        What to write.
    path : Path or str
        File name; .csv.

    Raises
    ------
    InputError
        For another ending, or what is no transfer function.
    OutputError
        When it cannot be written.
    """
    path = Path(path)
    if not isinstance(transfer_function, TransferFunction):
        raise InputError("no transfer function", found=type(transfer_function).__name__)
    if path.suffix.lower() != ".csv":
        raise InputError("unknown kind of file", file=path, found=path.suffix, expected=".csv")
    write_text(path, transfer_function_text(transfer_function))
    return path


def transfer_function_text(transfer_function: TransferFunction) -> str:
    """The text of a CSV file; see :func:`write_transfer_function`."""
    tf = transfer_function
    said = {
        "name": tf.name,
        "time convention": tf.time_convention,
        "frequency": f"{tf.frequency_Hz:.15g} Hz",
        "medium permittivity": f"{tf.permittivity:.15g}",
        "medium conductivity": f"{tf.conductivity_S_m:.15g} S/m",
        "quantity": tf.quantity,
        "normalisation": tf.normalisation,
        "scale": "" if tf.scale is None else f"{tf.scale:.15g} {tf.scale_unit}",
        "field amplitude": tf.field_amplitude,
        "calibration": tf.calibration,
        "ends": tf.ends,
    }
    lines = ["# transfer function of a lead: quantity = scale abs(integral of S E_tan dl)^2"]
    lines += [f"# {word}: {' '.join(value.split())}" for word, value in said.items() if value]
    lines.append("frequency_MHz,distance_from_tip_mm,magnitude,phase_rad")
    phase = np.unwrap(np.angle(tf.values))
    for s, size, angle in zip(tf.distance_m, np.abs(tf.values), phase, strict=True):
        lines.append(f"{tf.frequency_Hz / 1e6:.15g},{1e3 * s:.15g},{size:.15g},{angle:.15g}")
    return "\n".join(lines) + "\n"


def _missing(key: str) -> str:
    return {
        "time_convention": "unknown time convention: conjugated phases change the power many times",
        "frequency_Hz": "unknown frequency",
    }.get(key, "unknown medium")


def _table(text: str, path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What lines of comments say, and the columns of numbers."""
    told: dict[str, Any] = {}
    rows: list[list[str]] = []
    places: list[int] = []
    for n, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("#"):
            word, colon, value = line.lstrip("# \t").partition(":")
            key = WORDS.get(" ".join(word.lower().replace("_", " ").split()))
            if colon and key and value.strip():
                told |= _said(key, value.strip(), path, n)
        elif line.strip():
            rows.append([c.strip() for c in next(csv.reader([line]))])
            places.append(n)
    if len(rows) < 3:
        raise InputError("no table in this file", file=path, expected=CSV_KIND)
    names = rows[0]
    for cells, n in zip(rows[1:], places[1:], strict=True):
        if len(cells) != len(names):
            raise InputError("row does not fit the columns", file=path, field=f"line {n}", found=len(cells))
    try:
        numbers = np.array([[float(c) for c in cells] for cells in rows[1:]])
    except ValueError as error:
        raise InputError(f"not a number: {error}", file=path, expected=CSV_KIND) from None
    return told, dict(zip(names, numbers.T, strict=True))


def _said(key: str, value: str, path: Path, line: int) -> dict[str, Any]:
    """A line of the header as fields."""
    where = f"line {line}"
    if key == "time_convention":
        one_of(where, value.replace(" ", ""), CONVENTIONS, problem="unknown time convention")
        return {key: value.replace(" ", "")}
    if key in ("frequency_Hz", "permittivity", "conductivity_S_m", "scale"):
        number, _, unit = value.partition(" ")
        if not re.fullmatch(r"[-+0-9.eE]+", number) or not is_number(_float(number)):
            raise InputError("not a number", file=path, field=where, found=value)
        if key == "scale":
            return {"scale": _float(number), "scale_unit": unit.strip()}
        if key == "frequency_Hz":
            if unit.strip() not in FREQUENCIES:
                raise InputError("frequency without a unit", file=path, field=where, found=value, expected="Hz or MHz")
            return {key: _float(number) * FREQUENCIES[unit.strip()]}
        if key == "conductivity_S_m" and unit.strip() != "S/m":
            raise InputError("conductivity without a unit", file=path, field=where, found=value, expected="S/m")
        return {key: _float(number)}
    return {key: value}


def _columns(
    columns: Mapping[str, np.ndarray], told: dict[str, Any], path: Path, frequency_Hz: float | None
) -> tuple[np.ndarray, np.ndarray, float | None]:
    """Distances [m], values and frequency [Hz] of a table; rows of other frequencies are left out."""
    rows = np.ones(len(next(iter(columns.values()))), bool)
    found = None
    of_frequency = [(n, u) for n in columns for u in FREQUENCIES if n in (f"frequency_{u}", f"freq_{u}")]
    if of_frequency:
        name, unit = of_frequency[0]
        each = columns[name] * FREQUENCIES[unit]
        there = np.unique(each)
        if len(there) > 1 and frequency_Hz is None:
            expected = f"frequency_Hz, one of {', '.join(f'{f:g}' for f in there)}"
            raise InputError("several frequencies", file=path, field=name, expected=expected)
        found = float(there[0] if frequency_Hz is None else there[np.abs(there - frequency_Hz).argmin()])
        rows = each == found
        told.pop("frequency_Hz", None)  # the column says it
    elif any(n in ("frequency", "freq") for n in columns):
        raise InputError("column without a unit", file=path, field="frequency", expected="frequency_MHz")
    of_length = [(n, u) for n in columns for u in LENGTHS if n in (f"distance_from_tip_{u}", f"distance_{u}")]
    if not of_length:
        bare = [n for n in columns if n.startswith("distance")]
        problem = "column without a unit" if bare else "no column of distances"
        raise InputError(
            problem, file=path, field=bare[0] if bare else None, expected="distance_from_tip_mm, _cm or _m"
        )
    distance = columns[of_length[0][0]][rows] * LENGTHS[of_length[0][1]]
    if "real" in columns and "imag" in columns:
        return distance, columns["real"][rows] + 1j * columns["imag"][rows], found or frequency_Hz
    if "magnitude" not in columns:
        raise unknown("no values in this table", ", ".join(columns), ("magnitude", "real"), file=path)
    if "phase_deg" in columns:
        phase = np.deg2rad(columns["phase_deg"][rows])
    elif "phase_rad" in columns:
        phase = columns["phase_rad"][rows]
        if np.ptp(phase) > max(LARGEST_TURN_RAD, LARGEST_TURN_RAD_M * float(distance[-1])):
            raise InputError(
                "phases in degrees in a column of radians",
                file=path,
                field="phase_rad",
                found=f"{phase.min():g} to {phase.max():g}",
                expected="radians, or a column phase_deg",
            )
    else:
        bare = [n for n in columns if n.startswith("phase")]
        problem = "column without a unit" if bare else "magnitudes without phases"
        raise InputError(problem, file=path, field=bare[0] if bare else None, expected="phase_rad or phase_deg")
    return distance, columns["magnitude"][rows] * np.exp(1j * phase), found or frequency_Hz


def _pix(text: str, path: Path, unit: str | None, skip: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances from the first point that is kept [m] and values of a piX scan."""
    if unit is None:
        raise InputError("positions without a unit", file=path, field="y_coord", expected='unit = "m", "cm" or "mm"')
    one_of("unit", unit, LENGTHS, problem="unknown unit of length")
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InputError(f"not JSON: {error}", file=path, expected="a piX scan") from None
    arrays = []
    for key in ("y_coord", "Ch1 R", "Ch1 I"):
        if not isinstance(raw, dict) or key not in raw:
            raise InputError("not a piX scan", file=path, field=key, expected="y_coord, Ch1 R and Ch1 I")
        try:
            arrays.append(np.array(raw[key], float))
        except (TypeError, ValueError):
            raise InputError("not a list of numbers", file=path, field=key) from None
    position, real, imag = arrays
    if (
        position.ndim != 1
        or position.shape != real.shape
        or position.shape != imag.shape
        or len(position) < 2 * skip + 2
    ):
        raise InputError("lists of different lengths", file=path, found=[a.shape for a in arrays])
    kept = slice(skip, len(position) - skip)
    distance = np.abs(position[kept] - position[skip]) * LENGTHS[unit]
    return np.round(distance, 6), (real + 1j * imag)[kept]


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
