"""Coils to files that :func:`~emdose.io.coils.reading.read_coil` reads and ParaView opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.errors import InputError
from emdose.io.coils.metal_lines import metal_bytes
from emdose.io.coils.units import UNITS
from emdose.io.coils.vtk_lines import drive_texts
from emdose.io.disk.atomic import write_bytes
from emdose.io.maps.vtk import vtp_bytes
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.ideal import Coil

Chain = tuple[str, np.ndarray, np.ndarray]
"""Port, corners (n, 3) [m] and currents (n - 1,) [A] of a chain."""


def write_coil(coil: Coil | CircuitCoil, path: Path | str, *, unit: str = "mm") -> Path:
    """A coil to a file, written whole or not at all.

    Parameters
    ----------
    coil : Coil or CircuitCoil
        One of ideal currents, with its ports, currents and (in ``.vtp``) drives; or one of metal, with wires, strips,
        plates, elements, feeds and drives; sheets and solids are lines for pictures alone. A shield is left out.
    path : Path or str
        ``.vtp``, or ``.csv`` for ideal currents.
    unit : "m", "cm", "mm", "um" or "in"
        Unit of the coordinates, which the file states.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        For a source without conductors, an unknown ending or unit, or a coil of metal as ``.csv``.
    OutputError
        When the file cannot be written.
    """
    path = Path(path)
    one_of("unit", unit, UNITS, problem="unknown unit of length")
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".vtp"):
        raise InputError("cannot write this format", file=path, found=suffix or "no ending", expected=".vtp or .csv")
    if isinstance(coil, CircuitCoil):
        if suffix == ".csv":
            raise InputError("metal and gaps do not fit one table", file=path, expected=".vtp for a coil of metal")
        write_bytes(path, metal_bytes(coil, unit))
        return path
    if not isinstance(coil, Coil) or coil.open_ends[0].size:
        found = type(coil).__name__
        raise InputError(
            "no coil of closed currents or of metal", field="coil", found=found, expected="Coil or CircuitCoil"
        )
    chains = chains_of(coil)
    write_bytes(path, _csv_bytes(coil, chains, unit) if suffix == ".csv" else _vtp_bytes(coil, chains, unit))
    return path


def chains_of(coil: Coil) -> list[Chain]:
    """Chains of every port: pieces that go on where the one before ended."""
    out: list[Chain] = []
    for p, port in enumerate(coil.ports):
        points: list[np.ndarray] = []
        currents: list[complex] = []
        for n in np.flatnonzero(coil.currents[p]):
            a, b = coil.segments[n]
            if points and not np.array_equal(points[-1], a):
                out.append((port, np.array(points), np.array(currents)))
                points, currents = [], []
            points += [a, b] if not points else [b]
            currents.append(complex(coil.currents[p, n]))
        if points:
            out.append((port, np.array(points), np.array(currents)))
    return out


def _csv_bytes(coil: Coil, chains: Sequence[Chain], unit: str) -> bytes:
    stream = io.StringIO()
    stream.write(f"# {' '.join(coil.name.split())}, peak currents per unit drive, each from its point to the next\n")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(["port", "conductor", *(f"{c}_{unit}" for c in "xyz"), "current_A", "phase_deg"])
    for n, (port, points, currents) in enumerate(chains):
        for i, point in enumerate(points):
            current = currents[min(i, len(currents) - 1)]
            place = [repr(float(c)) for c in _in(point, unit)]
            table.writerow([port, n + 1, *place, *_polar(current)])
    return stream.getvalue().encode()


def _polar(current: complex) -> tuple[str, str]:
    """Amplitude with its sign and phase: real currents keep theirs."""
    if current.imag == 0:
        return repr(float(current.real)), "0"
    return repr(float(abs(current))), repr(float(np.degrees(np.angle(current))))


def _vtp_bytes(coil: Coil, chains: Sequence[Chain], unit: str) -> bytes:
    lines, ports, amplitudes, phases = [], [], [], []
    for port, points, currents in chains:
        change = np.flatnonzero(np.diff(currents)) + 1  # a line has one current
        for a, b in zip([0, *change], [*change, len(currents)], strict=True):
            lines.append(_in(points[a : b + 1], unit))
            ports.append(port)
            amplitude, phase = _polar(complex(currents[a]))
            amplitudes.append(float(amplitude))
            phases.append(float(phase))
    data: dict[str, list[Any]] = {
        "port": ports,
        "conductor": [str(n + 1) for n in range(len(lines))],
        "current_A": amplitudes,
        "phase_deg": phases,
    }
    return vtp_bytes(lines, data, {"unit": unit, "name": coil.name, **drive_texts(coil.drives)})


def _in(points: np.ndarray, unit: str) -> np.ndarray:
    return np.asarray(points / UNITS[unit])
