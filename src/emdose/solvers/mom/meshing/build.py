"""From a circuit coil to its mesh."""

from __future__ import annotations

import math

import numpy as np

from emdose.checks import positive
from emdose.constants import C_0
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Plate, Sheet, Strip, Wire
from emdose.solvers.mom.meshing.charts import Chart, Flat, cylinder_of, overlap, plane_of, rectangles
from emdose.solvers.mom.meshing.grids import TIE, Station, union
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import MeshPiece, joined
from emdose.solvers.mom.meshing.placing import Place, placed
from emdose.solvers.mom.meshing.shields import shield_piece
from emdose.solvers.mom.meshing.symmetry import TurnSymmetry, symmetry_of
from emdose.solvers.mom.meshing.wires import nearest_on, wire_lines, wire_piece
from emdose.solvers.mom.metal_mesh import MetalMesh


def mesh_of(coil: CircuitCoil, frequency_Hz: float, options: MeshOptions | None = None) -> MetalMesh:
    """Triangles and pieces of wire of the metal of a coil, and of its shield, with its gaps.

    Parameters
    ----------
    coil : CircuitCoil
        The coil.
    frequency_Hz : float
        Frequency that the mesh is fine enough for [Hz].
    options : MeshOptions, optional
        How finely.

    Returns
    -------
    MetalMesh
        Its parts are "coil" and, if there is one, "shield".

    Raises
    ------
    InputError
        For a gap on no conductor, and metal that makes no mesh.
    """
    options = MeshOptions() if options is None else options
    longest = C_0 / positive("frequency_Hz", frequency_Hz) / options.per_wavelength
    symmetry = symmetry_of(coil)
    places, free = placed(coil, symmetry)
    if free:
        raise InputError(f"gap {free[0].name!r} lies on no conductor", field=free[0].name, found=free[0].start_m)
    pieces = [*_surfaces(coil, symmetry, places, longest, options), *_wires(coil, symmetry, places, longest, options)]
    parts = ["coil"]
    if coil.shield is not None:
        parts.append("shield")
        pieces.append(shield_piece(coil.shield, symmetry.count, longest, options, 1))
    order = [g.name for g in coil.gaps]
    have = {c.name for p in pieces for c in p.cuts}
    for name in order:
        if name not in have:
            raise InputError(f"gap {name!r} does not lie across metal", field=name, expected="a gap along a strip")
    return joined(pieces, order, parts, symmetry.count, symmetry.centre_m)


def _wires(
    coil: CircuitCoil, symmetry: TurnSymmetry, places: list[Place], longest: float, options: MeshOptions
) -> list[MeshPiece]:
    """Round wires of sector 0."""
    low, high = (np.array(e) for e in coil.extent_m)
    size = float(np.linalg.norm(high - low))
    wires = {k: c for k, c in enumerate(coil.conductors) if isinstance(c, Wire)}
    out = []
    for k in sorted({int(symmetry.first[k]) for k in wires}):
        wire = wires[k]
        others = [c.points_m[[0, -1]] for j, c in wires.items() if j != k]
        own = [p for p in places if p.conductor == k]
        at = [float(nearest_on(wire.points_m, p.middle_m[None])[1][0]) for p in own]
        step = min(longest, size / options.wire_share)
        lines = wire_lines(wire, np.concatenate([np.zeros((0, 3)), *others]), np.array(at), step, size, options)
        piece = wire_piece(wire, lines, 0, options)
        for p, s in zip(own, at, strict=True):
            piece.cut(p.gap.name, p.sector, p.direction, np.zeros((0, 2)), int(np.abs(lines - s).argmin()))
        out.append(piece)
    return out


def _surfaces(
    coil: CircuitCoil, symmetry: TurnSymmetry, places: list[Place], longest: float, options: MeshOptions
) -> list[MeshPiece]:
    """Strips, sheets and plates of sector 0."""
    out: list[MeshPiece] = []
    charted: list[tuple[Chart, float, dict[int, np.ndarray]]] = []
    for k in sorted(set(symmetry.first.tolist())):
        conductor = coil.conductors[k]
        if isinstance(conductor, Strip | Sheet | Plate) and not _chart(k, conductor, symmetry, charted):
            raise InputError("no mesh for this conductor", field="conductors", found=type(conductor).__name__)
    for chart, period, group in charted:
        for members in _components(group, period):
            stations = [_station(p, chart) for p in places if p.conductor in members]
            own = np.concatenate([group[k] for k in members])
            out.append(union(own, stations, chart, period, longest, options))
    return out


def _chart(
    number: int, conductor: Flat, symmetry: TurnSymmetry, charted: list[tuple[Chart, float, dict[int, np.ndarray]]]
) -> bool:
    """Put a conductor onto one of the charts, or a new one; whether it is a union of rectangles on any."""
    for chart in _candidates(conductor, symmetry):
        for there, _, group in charted:
            own = rectangles(conductor, there) if _same(chart, there) else None
            if own is not None:
                group[number] = own
                return True
        own = rectangles(conductor, chart)
        if own is not None:
            period = 2 * math.pi * chart.radius_m
            if np.abs(chart.frame[2] - [0, 0, 1]).max() == 0:
                period /= symmetry.count
            charted.append((chart, period, {number: own}))
            return True
    return False


def _candidates(conductor: Flat, symmetry: TurnSymmetry) -> list[Chart]:
    """Surfaces that a conductor lies on, the most useful first."""
    z = np.array([0.0, 0.0, 1.0])
    found = [cylinder_of(conductor, symmetry.centre_m, z), plane_of(conductor)]
    return [c for c in found if c is not None]


def _same(a: Chart, b: Chart) -> bool:
    """Whether two charts are one surface."""
    if (a.radius_m == 0) != (b.radius_m == 0):
        return False
    apart = b.origin_m - a.origin_m
    size = max(a.radius_m, float(np.linalg.norm(apart)), 1e-12)
    if np.linalg.norm(np.cross(a.frame[2], b.frame[2])) > 1e-6:
        return False
    if a.radius_m == 0:
        return bool(abs(apart @ a.frame[2]) < 1e-6 * size)
    across = apart - (apart @ a.frame[2]) * a.frame[2]
    return bool(np.linalg.norm(across) < 1e-5 * size and abs(a.radius_m - b.radius_m) < 1e-5 * a.radius_m)


def _components(group: dict[int, np.ndarray], period: float) -> list[list[int]]:
    """Conductors of one chart that hang together."""
    size = float(max(np.ptp(np.concatenate(list(group.values()))[:, a]) for a in (0, 1)))
    left, out = list(group), []
    while left:
        own = [left.pop(0)]
        for k in own:
            near = [j for j in left if overlap(group[k], group[j], period, TIE * size)]
            own += near
            left = [j for j in left if j not in near]
        out.append(sorted(own))
    return out


def _station(place: Place, chart: Chart) -> Station:
    """Where a gap cuts a chart."""
    step = 1e-3 * float(np.linalg.norm(np.subtract(place.gap.end_m, place.gap.start_m)))
    line = place.middle_m + np.array([[-step], [step]]) * place.back
    flat = chart.flat(line)
    axis = int(np.abs(flat[1] - flat[0]).argmax())
    return Station(place.gap.name, axis, flat.mean(axis=0), place.sector, place.direction)
