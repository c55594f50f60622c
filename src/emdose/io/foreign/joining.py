"""Files that hold one field of one port each, told apart by their names and put together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from emdose.errors import InputError
from emdose.io.foreign.values import ForeignFields

UNITS = {"B": {"magnetic": "T"}, "H": {"magnetic": "A/m"}}
"""What the name of a field says of its unit."""
HERTZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_PORT = re.compile(r"(?:port|channel|coil|ch|p|ac|_|-|\[|\()\s*_?(\d+)\D*$", re.I)
_FREQUENCY = re.compile(r"(\d+(?:\.\d+)?)\s*_?(hz|khz|mhz|ghz)", re.I)


@dataclass(frozen=True, eq=False)
class PortField:
    """One field of one port.

    Parameters
    ----------
    path : Path
        The file.
    quantity : "E", "H" or "B"
        Which field.
    axes : three float ndarrays
        Coordinates of the points.
    values : (3, nx, ny, nz) complex ndarray
        The field.
    frequency_Hz : float or None
        Frequency, where the file says it [Hz].
    stated : mapping
        What the file says about conventions.
    port : str
        Name of the port, where the file says it.
    """

    path: Path
    quantity: str
    axes: tuple[np.ndarray, np.ndarray, np.ndarray]
    values: np.ndarray
    frequency_Hz: float | None = None
    stated: Mapping[str, str] = field(default_factory=dict)
    port: str = ""


def joined(
    program: str,
    parts: Sequence[PortField],
    frequency_Hz: float | None,
    known: Mapping[str, str],
    files: Mapping[str, str],
    notes: Sequence[str] = (),
) -> ForeignFields:
    """One value from the parts of all ports.

    Parameters
    ----------
    program : str
        Name of the format.
    parts : sequence of PortField
        Fields of the ports.
    frequency_Hz : float or None
        As the user names it [Hz].
    known : mapping
        Conventions that the program is documented to follow.
    files : mapping
        SHA-256 of the files.
    notes : sequence of str
        What the format leaves out.

    Raises
    ------
    InputError
        When the grids, the ports or the frequencies of parts differ.
    """
    first = parts[0]
    found: dict[str, dict[str, PortField]] = {}
    for part in parts:
        if any(not same_axis(a, b) for a, b in zip(part.axes, first.axes, strict=True)):
            raise InputError("another grid than in the file before", file=part.path, expected=f"that of {first.path}")
        group = found.setdefault("E" if part.quantity == "E" else "magnetic", {})
        name = part.port or port_of(part.path)
        if name in group:
            raise InputError(
                "two files for one field of one port",
                file=part.path,
                field=name,
                expected=f"one; see {group[name].path}",
            )
        group[name] = part
    ports = sorted({n for group in found.values() for n in group}, key=_natural)
    for kind, group in found.items():
        missing = [n for n in ports if n not in group]
        if missing:
            raise InputError(
                "ports of E and the magnetic field differ", file=first.path.parent, field=kind, found=f"no {missing[0]}"
            )
    quantities = {p.quantity for p in found.get("magnetic", {}).values()}
    if len(quantities) > 1:
        raise InputError("both B and H for the same fields", file=first.path.parent, expected="one of them")
    stated = {k: v for p in parts for k, v in p.stated.items()}
    for part in parts:
        for key, value in part.stated.items():
            if stated[key] != value:
                raise InputError("files state different units", file=part.path, field=key, found=value)
    frequencies = {p.frequency_Hz for p in parts if p.frequency_Hz is not None}
    for part in parts:
        agreed(frequency_Hz, part.frequency_Hz, part.path)
    if frequency_Hz is None and len(frequencies) > 1:
        raise InputError("files of several frequencies", file=first.path.parent, expected="one frequency at a time")
    values = {k: np.stack([g[n].values for n in ports]) for k, g in found.items()}
    known = {**known, **UNITS.get(next(iter(quantities), ""), {})}
    return ForeignFields(
        program=program,
        axes=first.axes,
        E=values.get("E"),
        magnetic=values.get("magnetic"),
        ports=tuple(ports),
        frequency_Hz=frequency_Hz if frequency_Hz is not None else next(iter(frequencies), None),  # type: ignore[arg-type]
        stated={**known, **stated},
        sources=dict.fromkeys(known, f"what is documented of {program}") | dict.fromkeys(stated, "the file"),
        files=files,
        notes=tuple(notes),
    )


def agreed(wanted: float | None, found: float | None, path: Path) -> float | None:
    """The frequency that user and file give; raises InputError where they differ by more than a thousandth [Hz]."""
    if wanted is not None and found is not None and not abs(float(found) - wanted) <= 1e-3 * wanted:
        raise InputError(
            "the file is of another frequency",
            file=path,
            field="frequency_Hz",
            found=float(found),
            expected=f"{wanted:g}",
        )
    return wanted if wanted is not None else found


def port_of(path: Path) -> str:
    """Name of the port of a file: "port 3" by the last number of its name, "port 1" where there is none."""
    stem = _FREQUENCY.sub("", re.sub(r"\(?f\s*=\s*[\d.]+\)?", "", path.stem, flags=re.I))
    found = _PORT.search(stem)
    return f"port {int(found[1])}" if found else "port 1"


def frequency_of(path: Path) -> float | None:
    """Frequency in the name of a file, where a unit stands beside it [Hz]."""
    found = _FREQUENCY.search(path.stem)
    return float(found[1]) * HERTZ[found[2].lower()] if found else None


def quantity_of(path: Path) -> str:
    """ "E", "H" or "B" by the first letter of the name of a file; raises InputError for another one."""
    letter = path.stem[:1].upper()
    if letter not in ("E", "H", "B"):
        raise InputError(
            "nothing says which field this is",
            file=path,
            expected="a name that begins with E, H or B, such as efield_1",
        )
    return letter


def rectilinear(points: np.ndarray, path: Path) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray]:
    """Axes of points of a rectilinear grid in any order, and the rank (n,) of every point in C order.

    Parameters
    ----------
    points : (n, 3) float ndarray
        Coordinates.
    path : Path
        For the error text.

    Raises
    ------
    InputError
        When they are no rectilinear grid.
    """
    span = np.maximum(np.ptp(points, axis=0), np.finfo(float).tiny)
    axes, ranks = [], []
    for n in range(3):
        order = np.sort(points[:, n])
        steps = np.flatnonzero(np.diff(order) > 1e-6 * span[n])
        axis = order[np.concatenate([[0], steps + 1])]
        axes.append(axis)
        ranks.append(nearest(axis, points[:, n]))
    shape = tuple(len(a) for a in axes)
    if np.prod(shape) != len(points):
        raise InputError(
            "points of no rectilinear grid",
            file=path,
            found=f"{len(points)} points, {shape[0]} x {shape[1]} x {shape[2]} different coordinates",
            expected="every combination of them once",
        )
    flat = np.ravel_multi_index(tuple(ranks), shape)
    if len(np.unique(flat)) != len(flat):
        raise InputError("points of no rectilinear grid", file=path, found="a point that occurs twice")
    return (axes[0], axes[1], axes[2]), flat


def same_axis(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two axes agree to a millionth of their length."""
    return len(a) == len(b) and bool(np.allclose(a, b, rtol=0, atol=1e-6 * max(float(np.ptp(b)), np.finfo(float).tiny)))


def nearest(axis: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Index of the point of a growing axis that is nearest to each value."""
    index = np.clip(np.searchsorted(axis, values), 1, len(axis) - 1)
    return index - (values - axis[index - 1] < axis[index] - values)


def _natural(name: str) -> tuple[str, int]:
    found = re.search(r"(\d+)$", name)
    return (name[: found.start()], int(found[1])) if found else (name, -1)
