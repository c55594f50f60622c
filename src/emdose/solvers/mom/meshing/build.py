"""From a circuit coil to its mesh."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from emdose.checks import positive
from emdose.constants import C_0
from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Plate, Sheet, SolidConductor, Strip, Wire
from emdose.solvers.mom.meshing.charts import Chart, Flat, cylinder_of, fitted_cylinder, overlap, plane_of, rectangles
from emdose.solvers.mom.meshing.contacts import require_cut, require_fine, require_joined
from emdose.solvers.mom.meshing.grids import TIE, Station, longest_of, strip_lines, union
from emdose.solvers.mom.meshing.options import MeshOptions
from emdose.solvers.mom.meshing.pieces import JOIN, MeshPiece, joined, turn_about_z
from emdose.solvers.mom.meshing.placing import CoilMetal, Place, Post, metal_of, placed, spine_of
from emdose.solvers.mom.meshing.shields import shield_chart, shield_piece
from emdose.solvers.mom.meshing.sweeps import swept
from emdose.solvers.mom.meshing.symmetry import TurnSymmetry, symmetry_of, with_rings_in_arcs
from emdose.solvers.mom.meshing.wires import nearest_on, wire_lines, wire_piece
from emdose.solvers.mom.metal_mesh import MetalMesh


def mesh_of(coil: CircuitCoil, frequency_Hz: float, options: MeshOptions | None = None) -> MetalMesh:
    """Triangles and pieces of wire of the metal of a coil, and of its shield, with its gaps.

    A gap that lies along a conductor cuts it in its middle, without length. One that bridges two conductors gets a
    piece of metal of its own, a wire between wires or a strip between strips, that is cut there. Conductors whose
    places turn into each other about an axis along z get meshes that do.

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
        For a gap on no conductor or between metal that no mesh joins, conductors that cross or touch without a
        junction, a wire as thick as its pieces are long, a solid without a surface, or cells too long for the
        frequency.
    """
    options = MeshOptions() if options is None else options
    coil = with_rings_in_arcs(coil)
    wavelength = C_0 / positive("frequency_Hz", frequency_Hz)
    task = _Task(coil, metal_of(coil, options.line_radius_m), wavelength / options.per_wavelength, options)
    pieces = [*_surfaces(task), *_wires(task), *_solids(task)]
    parts = ["coil"]
    if coil.shield is not None:
        parts.append("shield")
        u, v = (np.array(x) for x in task.needed.get(-1, _none()))
        own = [task.metal.conductors[k] for k in task.first if k not in task.metal.posts]
        pieces.append(shield_piece(coil.shield, task.symmetry.count, task.longest, options, 1, (u, v), own))
    order = [g.name for g in coil.gaps]
    have = {c.name for p in pieces for c in p.cuts}
    for name in order:
        if name not in have:
            raise InputError(f"gap {name!r} does not lie across metal", field=name, expected="a gap along a strip")
    mesh = joined(pieces, order, parts, task.symmetry.count, task.symmetry.centre_m)
    require_cut(mesh)
    require_joined(mesh, coil)
    require_fine(mesh, wavelength)
    return mesh


def _none() -> tuple[list[float], list[float]]:
    return [], []


@dataclass(eq=False)
class _Task:
    """What is meshed, and what is known of it on the way."""

    coil: CircuitCoil
    metal: CoilMetal
    longest: float
    options: MeshOptions
    charts: dict[int, Chart] = field(default_factory=dict)
    needed: dict[int, tuple[list[float], list[float]]] = field(default_factory=dict)
    """Lines of u and of v that posts need on the chart of a conductor, or with -1 on the shield."""
    limit: dict[int, float] = field(default_factory=dict)
    """Longest cells of conductors below a strip [m]: its current has its image there."""

    def __post_init__(self) -> None:
        self.symmetry: TurnSymmetry = symmetry_of(self.metal.conductors, self.coil.shield)
        self.places: list[Place] = placed(self.coil, self.metal, self.symmetry)
        low, high = (np.array(e) for e in self.coil.extent_m)
        self.size = float(np.linalg.norm(high - low))
        self.free = self.size / self.options.wire_share

    @property
    def first(self) -> list[int]:
        """Conductors of sector 0."""
        return sorted(set(self.symmetry.first.tolist()))

    def of(self, conductor: int) -> list[Place]:
        """Gaps on a conductor of sector 0."""
        return [p for p in self.places if p.conductor == conductor]


def _wires(task: _Task) -> list[MeshPiece]:
    """Round wires of sector 0."""
    size = task.size
    wires = {k: c for k, c in enumerate(task.metal.conductors) if isinstance(c, Wire)}
    out = []
    for k in (k for k in task.first if k in wires):
        wire = wires[k]
        others = np.concatenate([np.zeros((0, 3)), *(c.points_m[[0, -1]] for j, c in wires.items() if j != k)])
        shared = np.concatenate([np.zeros((0, 3)), *(c.points_m[1:-1] for j, c in wires.items() if j != k)])
        same = np.isin(_keys(shared, JOIN * size), _keys(wire.points_m, JOIN * size))
        own = task.of(k)
        at = [float(nearest_on(wire.points_m, p.middle_m[None])[1][0]) for p in own]
        step = min(task.longest, task.free)
        points = np.concatenate([others, shared[same]])
        lines = wire_lines(wire, points, np.array(at), step, size, task.options)
        piece = wire_piece(wire, lines, 0, task.options)
        for p, s in zip(own, at, strict=True):
            piece.cut(p.gap.name, p.sector, p.direction, np.zeros((0, 2)), int(np.abs(lines - s).argmin()))
        out.append(piece)
    return out


def _keys(points: np.ndarray, near: float) -> np.ndarray:
    """One number per point (n, 3) [m], equal where points are."""
    whole = np.round(points / near + 0.2137).astype(np.int64)
    return np.asarray(whole @ np.array([1, 1_000_003, 998_244_353]))


def _solids(task: _Task) -> list[MeshPiece]:
    """Surfaces of solid metal."""
    out = []
    for c in task.metal.conductors:
        if isinstance(c, SolidConductor):
            if c.surface is None:
                raise InputError(
                    "a solid without a surface of triangles makes no mesh",
                    field="conductors",
                    found="SolidConductor",
                    expected="a surface that was read from a file, or Fdtd",
                )
            out.append(MeshPiece.surface(np.array(c.surface[0]), np.array(c.surface[1])))
    return out


def _surfaces(task: _Task) -> list[MeshPiece]:
    """Strips, sheets, plates and posts of sector 0."""
    groups: list[tuple[Chart, float, dict[int, np.ndarray]]] = []
    loose: list[int] = []
    flat = {
        k: c
        for k, c in enumerate(task.metal.conductors)
        if isinstance(c, Strip | Sheet | Plate) and k in task.first and k not in task.metal.posts
    }
    plane = {k: plane_of(c) for k, c in flat.items()}
    # Bent ones first: a flat strip on the cylinder of one of them is taken to lie on it, so that both can be joined.
    for k in sorted(flat, key=lambda k: plane[k] is not None):
        if not _charted(k, flat[k], plane[k], task, groups):
            loose.append(k)
    known = {k: group[k] for _, _, group in groups for k in group}
    out = [_post(j, task.metal.posts[j], task, known) for j in task.first if j in task.metal.posts]
    for chart, period, group in groups:
        for members in _components(group, period):
            stations = [_station(p, chart, group[k]) for k in members for p in task.of(k)]
            own = np.concatenate([group[k] for k in members])
            u, v = (np.array([x for k in members for x in task.needed.get(k, _none())[a]]) for a in (0, 1))
            longest = min([task.longest, *(task.limit[k] for k in members if k in task.limit)])
            out.append(union(own, stations, chart, period, longest, task.options, 0, (u, v), task.free))
    for k in loose:
        conductor = task.metal.conductors[k]
        assert isinstance(conductor, Strip | Sheet | Plate)
        gaps = task.of(k)
        at = [float(nearest_on(spine_of(conductor), p.middle_m[None])[1][0]) for p in gaps]
        piece, edges = swept(conductor, np.array(at), task.longest, task.options, task.free)
        for p, e in zip(gaps, edges, strict=True):
            piece.cut(p.gap.name, p.sector, p.direction, e)
        out.append(piece)
    return out


def _charted(
    number: int,
    conductor: Flat,
    plane: Chart | None,
    task: _Task,
    groups: list[tuple[Chart, float, dict[int, np.ndarray]]],
) -> bool:
    """Put a conductor onto one of the charts, or a new one; whether it is a union of rectangles on any."""
    about = cylinder_of(conductor, task.symmetry.centre_m, np.array([0.0, 0.0, 1.0]))
    candidates = [chart for chart in (about, fitted_cylinder(conductor), plane) if chart is not None]
    for chart in candidates:
        for there, _, group in groups:
            own = rectangles(conductor, there) if _same(chart, there) else None
            if own is not None:
                group[number], task.charts[number] = own, there
                return True
    for chart in candidates if plane is None else [plane]:
        own = rectangles(conductor, chart)
        if own is not None:
            period = 2 * math.pi * chart.radius_m / (task.symmetry.count if chart is about else 1)
            groups.append((chart, period, {number: own}))
            task.charts[number] = chart
            return True
    return False


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


def _station(place: Place, chart: Chart, own: np.ndarray) -> Station:
    """Where a gap cuts the rectangles of its conductor (n, 2, 2) on a chart."""
    step = 1e-3 * float(np.linalg.norm(np.subtract(place.gap.end_m, place.gap.start_m)))
    line = place.middle_m + np.array([[-step], [step]]) * place.back
    flat = chart.flat(line)
    axis = int(np.abs(flat[1] - flat[0]).argmax())
    middle = flat.mean(axis=0)
    turn = 2 * math.pi * chart.radius_m  # what angles may differ by
    off = middle - own.mean(axis=2)
    off[:, 0] -= turn * np.round(off[:, 0] / turn) if turn else 0.0
    size = own[:, :, 1] - own[:, :, 0]
    on = np.all(np.abs(off) <= 0.5 * size + TIE * size.max(), axis=1)
    width = size[on, 1 - axis].min() if on.any() else size[:, 1 - axis].min()
    return Station(place.gap.name, axis, middle, 0.5 * float(width), place.sector, place.direction)


def _post(number: int, post: Post, task: _Task, known: dict[int, np.ndarray]) -> MeshPiece:
    """The metal of a gap between a strip and metal above it; the lines that it needs on both are noted."""
    symmetry = task.symmetry
    first, turns = int(symmetry.first[post.strip]), int(symmetry.sector[post.strip])
    start, end = symmetry.back(np.stack([post.from_m, post.to_m]), turns)
    chart = task.charts.get(first)
    shield = task.coil.shield
    if post.ground >= 0:
        ground, off = int(symmetry.first[post.ground]), int(symmetry.sector[post.ground]) - turns
        base = task.charts.get(ground)
    else:
        assert shield is not None
        ground, off, base = -1, 0, shield_chart(shield)
    if chart is None or base is None:
        raise InputError(
            "a gap bridges metal that no mesh joins",
            field=task.coil.gaps[0].name,
            expected="straight strips, plates and cylinders",
        )
    conductor = task.metal.conductors[first]
    assert isinstance(conductor, Strip | Sheet)
    spine = spine_of(conductor)
    k = int(np.linalg.norm(0.5 * (spine[1:] + spine[:-1]) - start, axis=1).argmin())
    flat = chart.flat(np.stack([start, start + 0.01 * (spine[k + 1] - spine[k])]))
    along = int(np.abs(flat[1] - flat[0]).argmax())
    side = 1 - along
    inside = [r for r in known[first] if np.all((r[:, 0] <= flat[0] + 1e-6) & (r[:, 1] >= flat[0] - 1e-6))]
    rectangle = min(inside, key=lambda r: r[side, 1] - r[side, 0])
    longest = longest_of(chart, task.longest, task.options) if side == 0 else task.longest
    lines = strip_lines(float(rectangle[side, 0]), float(rectangle[side, 1]), longest, task.options)
    place = np.empty((len(lines), 2))
    place[:, side], place[:, along] = lines, flat[0, along]
    top = chart.points(place[:, 0], place[:, 1])
    turned = turn_about_z(np.concatenate([top, [start, end]]), -2 * math.pi * off / symmetry.count, symmetry.centre_m)
    below = base.flat(turned)
    below = below[:-2] + below[-1] - below[-2]
    bottom = turn_about_z(base.points(below[:, 0], below[:, 1]), 2 * math.pi * off / symmetry.count, symmetry.centre_m)
    for key, uv in ((first, place), (ground, below)):
        own = task.needed.setdefault(key, _none())
        for axis in (0, 1):
            level = np.ptp(uv[:, axis]) < 1e-6 * np.ptp(uv)
            own[axis].extend(uv[:1, axis].tolist() if level else uv[:, axis].tolist())
    height = float(np.linalg.norm(end - start))
    task.limit[ground] = min(2 * height, task.limit.get(ground, np.inf))
    rows = 2 * max(1, math.ceil(0.5 * height / min(task.longest, float(lines[-1] - lines[0]))))
    t = np.linspace(0, 1, rows + 1)[:, None, None]
    points = (1 - t) * top + t * bottom
    count = len(lines)
    grid = np.arange((rows + 1) * count).reshape(rows + 1, count)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    triangles = np.stack([np.stack([a, b, c], 1), np.stack([a, c, d], 1)], 1).reshape(-1, 3)
    piece = MeshPiece.surface(points.reshape(-1, 3), triangles)
    middle = grid[rows // 2]
    for p in task.of(number):
        piece.cut(p.gap.name, p.sector + turns, p.direction, np.stack([middle[:-1], middle[1:]], axis=1))
    return piece
