"""Coils from files: chains of straight pieces with ideal currents, or of metal with capacitors and feeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import positive, vector
from emdose.errors import InputError
from emdose.io import mesh_process
from emdose.io.coils.gap_tables import Gaps, read_drives, read_gaps
from emdose.io.coils.tables import FileCurve, read_curves
from emdose.io.coils.units import UNITS, unit_of
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import SolidConductor
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Coil
from emdose.models.coils.paths.chains import CoilChain, ideal_coil, ports_of_curves, prepared
from emdose.models.coils.paths.cuts import CoilGap, circuit_coil

TEXT, VTK = (".csv", ".txt", ".dat", ".pts", ".wire"), (".vtp", ".vtk")
FORMATS = ", ".join((*TEXT, *VTK))


def read_coil(
    path: Path | str,
    *,
    unit: str | None = None,
    gaps: Gaps | None = None,
    drives: Path | str | Mapping[str, Any] | None = None,
    closed: bool = False,
    rotate_deg: Sequence[float] = (0.0, 0.0, 0.0),
    wire_radius_m: float | None = None,
    strip_width_m: float | None = None,
    strip_normal: str | Sequence[float] = "radial",
    gap_m: float = 5e-3,
    impedance_ohm: float = 50.0,
    solids: Sequence[SolidConductor] = (),
    shield: Shield | None = None,
    name: str | None = None,
) -> Coil | CircuitCoil:
    """A coil whose conductors stand in a file as chains of straight pieces.

    Parameters
    ----------
    path : Path or str
        Text (``.csv``, ``.txt``, ``.dat``, ``.pts``, ``.wire``): a table with the columns ``x``, ``y``, ``z`` (or
        ``x1`` to ``z2``, the ends of a piece) and any of ``port``, ``conductor``, ``current_A``, ``phase_deg``, where a
        current is that of the piece behind its point, 1 A unless given; or, without names of columns, three numbers a
        line, as drawing and field programs export curves. An empty line begins a new conductor. VTK (``.vtp``,
        ``.vtk``): lines with the same names as data of lines or points. Without ports every curve is one where all of
        them are closed, otherwise all of them together are one.
    unit : "m", "cm", "mm", "um" or "in", optional
        Unit of the coordinates; needed unless the file states it (columns such as ``x_mm``, a comment ``# unit: mm``).
    gaps : Path, str or sequence of mapping, optional
        Where the conductors are cut by capacitors and feeds; see :func:`~emdose.io.coils.gap_tables.read_gaps`. With it
        the coil is one of metal, and currents in the file are left aside.
    drives : Path, str or mapping of str to (port,) complex, optional
        Named drives beside "circular", "anti-circular", "uniform" and "unit": vectors, or a table with the columns
        ``drive``, ``port``, ``amplitude``, ``phase_deg``.
    closed : bool
        Join the last point of every conductor to its first.
    rotate_deg : (float, float, float)
        Angles by which the coil is turned about x, then y, then z [degrees]: drawings have axes of their own.
    wire_radius_m, strip_width_m : float, optional
        Round wire or flat strip of a coil of metal [m]; without both a line of grid edges.
    strip_normal : "radial" or (float, float, float)
        Normal of the strips: away from the z axis, or one for all.
    gap_m : float
        Length of gaps whose rows do not give theirs [m].
    impedance_ohm : float
        Impedance of feeds whose rows do not give theirs [ohm].
    solids : sequence of SolidConductor
        More metal for a coil of metal, such as that of :func:`~emdose.io.coils.surfaces.read_conductor`.
    shield : Shield, optional
        A cylindrical RF shield.
    name : str, optional
        Name shown in reports; by default that of the file.

    Returns
    -------
    Coil or CircuitCoil
        Of ideal currents, or of metal where there are gaps.

    Raises
    ------
    InputError
        In one line with file and row: currents that do not close, a port without current, no unit or an implausible
        size, points that coincide or are not finite, unknown columns, a gap on no conductor.
    """
    path = Path(path)
    curves, stated, file_drives = _curves(path)
    unit = unit_of(np.concatenate([np.array(c.points) for c in curves]), unit, stated, path)
    R = _turn(rotate_deg)
    label = path.stem if name is None else name
    chains = [
        CoilChain(c.name, c.port or "", UNITS[unit] * np.array(c.points) @ R.T, np.array(c.currents, complex), c.places)
        for c in curves
    ]
    about: dict[str, Any] = {"kind": "", "file": path.name, "unit": unit}
    if any(rotate_deg):
        about["rotate_deg"] = [float(a) for a in rotate_deg]
    try:
        chains = prepared(chains, closed)
        if any(c.port for c in curves):
            unnamed = next((c for c in chains if not c.port), None)
            if unnamed is not None:
                raise InputError("a conductor without a port", field=unnamed.place(0), expected="a name in 'port'")
        else:
            chains = ports_of_curves(chains, label)
        about["kind"] = f"{_sort(chains)} from a file"
        about["conductors"] = len(chains)
        if gaps is None:
            coil = ideal_coil(label, chains, parameters=about)
            coil = coil if shield is None else coil.with_shield(shield)
    except InputError as error:
        raise error if error.file is not None else error.at(file=path) from None
    if gaps is None:
        for key, value in (("wire_radius_m", wire_radius_m), ("strip_width_m", strip_width_m)):
            if value is not None:
                raise InputError("only a coil of metal has a width", field=key, found=value, expected="gaps as well")
        if solids:
            raise InputError("only a coil of metal has solids", field="solids", expected="gaps as well")
        more = file_drives | _drives(drives, coil.ports)
        return replace(coil, drives={**coil.drives, **more}) if more else coil
    positive("gap_m", gap_m)
    positive("impedance_ohm", impedance_ohm)
    for key, value in (("wire_radius_m", wire_radius_m), ("strip_width_m", strip_width_m)):
        if value is not None:
            positive(key, value)
            about[key] = value
    found = [_turned(g, R) for g in read_gaps(gaps, unit, gap_m, impedance_ohm)]
    metal = list({c.points_m.tobytes(): c for c in chains}.values())  # what several ports go along is one conductor
    about |= {"conductors": len(metal), "gaps": len(found)}
    try:
        circuit = circuit_coil(
            label,
            metal,
            found,
            wire_radius_m=wire_radius_m,
            strip_width_m=strip_width_m,
            strip_normal=strip_normal,
            solids=solids,
            parameters=about,
        )
        circuit = circuit if shield is None else circuit.with_shield(shield)
    except InputError as error:
        table = gaps if isinstance(gaps, Path | str) else None
        raise error if error.file is not None else error.at(file=table or path) from None
    more = _drives(drives, circuit.ports)
    return replace(circuit, drives={**circuit.drives, **more}) if more else circuit


def _sort(chains: Sequence[CoilChain]) -> str:
    """ "loop" of one closed curve, "loops" that each have a port and meet no other, otherwise "coil"."""
    if not all(c.is_closed for c in chains):
        return "coil"
    if len(chains) == 1:
        return "loop"
    corners = [set(map(tuple, c.points_m)) for c in chains]
    apart = len({c.port for c in chains}) == len(chains) and len(set.union(*corners)) == sum(map(len, corners))
    return "loops" if apart else "coil"


def _drives(drives: Path | str | Mapping[str, Any] | None, ports: Sequence[str]) -> dict[str, Any]:
    if drives is None:
        return {}
    return dict(drives) if isinstance(drives, Mapping) else read_drives(drives, ports)


def _turn(rotate_deg: Sequence[float]) -> np.ndarray:
    """Matrix (3, 3) of turns about x, then y, then z; quarter turns are exact."""
    R = np.eye(3)
    for axis, angle in enumerate(vector("rotate_deg", rotate_deg)):
        c, s = (round(f(math.radians(angle)), 15) + 0.0 for f in (math.cos, math.sin))
        one = np.eye(3)
        a, b = (axis + 1) % 3, (axis + 2) % 3
        one[[a, a, b, b], [a, b, a, b]] = c, -s, s, c
        R = one @ R
    return R


def _turned(gap: CoilGap, R: np.ndarray) -> CoilGap:
    return gap if gap.place_m is None else replace(gap, place_m=tuple((R @ np.array(gap.place_m)).tolist()))


def _curves(path: Path) -> tuple[list[FileCurve], str | None, dict[str, np.ndarray]]:
    """Curves of a file in its own unit, the unit that it states, and its named drives."""
    suffix = path.suffix.lower()
    if suffix in TEXT:
        return *read_curves(path), {}
    if suffix in VTK:
        return _vtk_curves(path)
    raise InputError("unknown kind of coil file", file=path, found=path.suffix or "no ending", expected=FORMATS)


def _vtk_curves(path: Path) -> tuple[list[FileCurve], str | None, dict[str, np.ndarray]]:
    arrays, _ = mesh_process.read("vtk lines", path, "VTK poly data with lines")
    ends = arrays["ends"]
    starts = np.concatenate([[0], ends[:-1]])
    ports, names = _words(arrays, "port", starts), _words(arrays, "conductor", starts)
    amplitude, phase = (
        _numbers(arrays, "current_A", starts, ends, path),
        _numbers(arrays, "phase_deg", starts, ends, path),
    )
    curves = []
    for n, (a, b) in enumerate(zip(starts, ends, strict=True)):
        last = max(int(b) - 1, int(a))  # the last point has no piece behind it
        size = np.ones(last - a) if amplitude is None else amplitude[a:last]
        angle = np.zeros(last - a) if phase is None else phase[a:last]
        name = names[n] if names is not None else f"curve {n + 1}"
        places = [f"line {n + 1}, point {i + 1}" for i in range(int(b - a))]
        port = ports[n] if ports is not None else None
        currents = (size * np.exp(1j * np.radians(angle))).tolist()
        curves.append(FileCurve(port, name, arrays["points"][a:b].tolist(), currents, places))
    texts = {k.removeprefix("file "): str(v[0]) for k, v in arrays.items() if k.startswith("file ") and _is_text(v)}
    drives = {k.removeprefix("drive "): _weights(v, path) for k, v in texts.items() if k.startswith("drive ")}
    return curves, texts.get("unit"), drives


def _is_text(values: np.ndarray) -> bool:
    return values.dtype.kind == "U" and values.ndim == 1 and len(values) > 0


def _words(arrays: Mapping[str, np.ndarray], name: str, starts: np.ndarray) -> list[str] | None:
    """Texts or whole numbers of every line, from data of lines or of the first point of each."""
    values = arrays.get(f"line {name}")
    if values is None and f"point {name}" in arrays:
        values = arrays[f"point {name}"][np.minimum(starts, len(arrays[f"point {name}"]) - 1)]
    if values is None or values.ndim != 1 or len(values) != len(starts):
        return None
    return [str(v) if values.dtype.kind == "U" else f"{name} {v:g}" for v in values]


def _numbers(
    arrays: Mapping[str, np.ndarray], name: str, starts: np.ndarray, ends: np.ndarray, path: Path
) -> np.ndarray | None:
    """A number for every point, from data of points or of lines."""
    values = arrays.get(f"point {name}")
    if values is None and f"line {name}" in arrays:
        own = arrays[f"line {name}"]
        values = np.repeat(own, ends - starts) if len(own) == len(starts) and own.ndim == 1 else own
    if values is None:
        return None
    good = values.dtype.kind in "iuf" and values.shape == (int(ends[-1]),)
    if not good or not np.all(np.isfinite(values)):
        found = str(values.dtype) if not good else "a value that is not finite"
        raise InputError("bad data of lines", file=path, field=name, found=found, expected="a finite number for each")
    return np.asarray(values, float)


def _weights(text: str, path: Path) -> np.ndarray:
    try:
        weights = np.array([complex(part) for part in text.split()])
        if not np.all(np.isfinite(weights)):
            raise ValueError
        return weights
    except ValueError:
        raise InputError("a drive that cannot be read", file=path, field="drives", found=text[:60]) from None
