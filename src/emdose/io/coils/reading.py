"""Coils from files: chains of straight pieces with ideal currents, or of metal with capacitors and feeds."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.checks import positive, vector
from emdose.errors import InputError
from emdose.io.coils.gap_tables import Gaps, read_drives, read_gaps
from emdose.io.coils.metal_lines import PART, metal_coil
from emdose.io.coils.tables import FileCurve, read_curves
from emdose.io.coils.units import UNITS, unit_of
from emdose.io.coils.vtk_lines import curves_of, read_lines
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import SolidConductor
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.ideal import Coil
from emdose.models.coils.paths.chains import CoilChain, ideal_coil, ports_of_curves, prepared
from emdose.models.coils.paths.cuts import CoilGap, circuit_coil
from emdose.models.grids.rotations import clean_turn

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
        ``.vtk``): lines with the same names as data of lines or points, or a coil of metal that ``write_coil`` wrote.
        Without ports every curve is one where all of them are closed, otherwise all of them together are one.
    unit : "m", "cm", "mm", "um" or "in", optional
        Unit of the coordinates; needed unless the file states it (columns such as ``x_mm``, a comment ``# unit: mm``).
    gaps : Path, str or sequence of mapping, optional
        Where the conductors are cut by capacitors and feeds; see :func:`~emdose.io.coils.gap_tables.read_gaps`. With it
        the coil is one of metal, and currents in the file are left aside. A coil of metal that ``write_coil`` wrote has
        its own.
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
    lines = read_lines(path) if path.suffix.lower() in VTK else None
    widths = {"wire_radius_m": wire_radius_m, "strip_width_m": strip_width_m}
    own: dict[str, Any] = {}
    coil: Coil | CircuitCoil
    if lines is not None and PART in lines:
        same = isinstance(gaps, Path | str) and Path(gaps) == path
        _refuse(path, "the file holds metal with elements of its own", gaps=None if same else gaps, **widths)
        coil = metal_coil(lines, path, unit, _turn(rotate_deg), name, solids)
    else:
        curves, stated, own = _curves(path) if lines is None else curves_of(lines, path)
        unit = unit_of(np.concatenate([np.array(c.points) for c in curves]), unit, stated, path)
        label = path.stem if name is None else name
        chains, about = _chains(curves, path, label, unit, _turn(rotate_deg), closed)
        if any(rotate_deg):
            about["rotate_deg"] = [float(a) for a in rotate_deg]
        if gaps is None:
            _refuse(path, "only a coil of metal has it", solids=solids or None, **widths)
            with _blamed_on(path):
                coil = ideal_coil(label, chains, parameters=about)
        else:
            own = {}  # of its ports, not of the feeds
            for key, value in {"gap_m": gap_m, "impedance_ohm": impedance_ohm, **widths}.items():
                if value is not None:
                    positive(key, value)
            found = [_turned(g, _turn(rotate_deg)) for g in read_gaps(gaps, unit, gap_m, impedance_ohm)]
            metal = list({c.points_m.tobytes(): c for c in chains}.values())  # several ports may go along one
            about |= {"conductors": len(metal), "gaps": len(found), **({"solids": len(solids)} if solids else {})}
            about |= {k: v for k, v in widths.items() if v is not None}
            with _blamed_on(Path(gaps) if isinstance(gaps, Path | str) else path):
                coil = circuit_coil(
                    label, metal, found, **widths, strip_normal=strip_normal, solids=solids, parameters=about
                )
    with _blamed_on(path):
        coil = coil if shield is None else coil.with_shield(shield)
        more = own | _drives(drives, coil.ports)
        return replace(coil, drives={**coil.drives, **more}) if more else coil


@contextlib.contextmanager
def _blamed_on(path: Path) -> Iterator[None]:
    """Complete an InputError that names no file."""
    try:
        yield
    except InputError as error:
        raise error if error.file is not None else error.at(file=path) from None


def _refuse(path: Path, problem: str, **arguments: Any) -> None:
    """Raise InputError for an argument that was given where it means nothing."""
    for key, value in arguments.items():
        if value is not None:
            raise InputError(problem, file=path, field=key, found=value)


def _chains(
    curves: Sequence[FileCurve], path: Path, label: str, unit: str, R: np.ndarray, closed: bool
) -> tuple[list[CoilChain], dict[str, Any]]:
    """Chains of curves with their ports [m], and what is told about the coil."""
    chains = [
        CoilChain(c.name, c.port or "", UNITS[unit] * np.array(c.points) @ R.T, np.array(c.currents, complex), c.places)
        for c in curves
    ]
    with _blamed_on(path):
        chains = prepared(chains, closed)
        if any(c.port for c in curves):
            unnamed = next((c for c in chains if not c.port), None)
            if unnamed is not None:
                raise InputError("a conductor without a port", field=unnamed.place(0), expected="a name in 'port'")
        else:
            chains = ports_of_curves(chains, label)
    about = {"kind": f"{_sort(chains)} from a file", "file": path.name, "unit": unit, "conductors": len(chains)}
    return chains, about


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
    for axis, angle in zip(np.eye(3), vector("rotate_deg", rotate_deg), strict=True):
        R = clean_turn(axis, math.radians(angle)) @ R
    return R


def _turned(gap: CoilGap, R: np.ndarray) -> CoilGap:
    return gap if gap.place_m is None else replace(gap, place_m=tuple((R @ np.array(gap.place_m)).tolist()))


def _curves(path: Path) -> tuple[list[FileCurve], str | None, dict[str, np.ndarray]]:
    """Curves of a text file in its own unit, and the unit that it states; no drives."""
    if path.suffix.lower() in TEXT:
        return *read_curves(path), {}
    raise InputError("unknown kind of coil file", file=path, found=path.suffix or "no ending", expected=FORMATS)
