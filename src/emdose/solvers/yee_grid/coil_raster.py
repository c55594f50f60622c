"""Circuit coils on a rectilinear grid: metal edges, gaps and thin wires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from emdose.errors import InputError
from emdose.models.coils.circuit import CircuitCoil
from emdose.models.coils.conductors import Conductor, Plate, SolidConductor, Wire
from emdose.models.coils.cylinder import Shield
from emdose.models.coils.gaps import Gap, gap_span
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_grid.raster_checks import (
    Piece,
    check_pieces,
    require_thin,
    warn_of_narrow_strips,
    warn_of_short_gaps,
)
from emdose.solvers.yee_grid.staircase import Staircase, nearest_nodes, staircase
from emdose.values import read_only

Node = tuple[int, ...]


@read_only
@dataclass(frozen=True, eq=False)
class EdgePath:
    """A straight path of edges that carries a lumped element or a port.

    Voltage: the rise from the first to the last node, -sum(sign * E * length). Current: positive from the first to the
    last node through the gap. The metal then obeys V = Z I, an element in the gap V = -Z_e I.

    Parameters
    ----------
    name : str
        Name of the element, feed or gap.
    edges : (m, 4) int ndarray
        Component and node indices (c, i, j, k) of the edges, in order.
    sign : (m,) int ndarray
        +1 when the path walks the edges along their axis, else -1; one value for all.
    """

    name: str
    edges: np.ndarray
    sign: np.ndarray

    @property
    def component(self) -> int:
        """Axis of the path."""
        return int(self.edges[0, 0])

    def renamed(self, name: str) -> EdgePath:
        """The same path under another name."""
        return EdgePath(name, self.edges, self.sign)

    def length_m(self, grid: RectilinearGrid) -> float:
        """Length of the path [m]."""
        c = self.component
        return float(grid.steps(c)[self.edges[:, 1 + c]].sum())


@read_only
@dataclass(frozen=True, eq=False)
class ThinWire:
    """Edges of a round wire: (m, 4) rows (c, i, j, k), and its radius [m]."""

    edges: np.ndarray
    radius_m: float


@read_only
@dataclass(frozen=True, eq=False)
class RasterisedCoil:
    """A coil on a grid.

    Parameters
    ----------
    pec : (3, nx + 1, ny + 1, nz + 1) bool ndarray
        Edges of metal; edges of gaps are not.
    elements : tuple of EdgePath
        One per element of the coil, in its order.
    ports : tuple of EdgePath
        One per feed, in their order.
    gaps : tuple of EdgePath
        One per ``coil.gaps``, in that order: the internal ports. A feed in parallel with an element shares its gap.
    wires : tuple of ThinWire
        Wires with a radius, which are in ``pec`` too.
    """

    pec: np.ndarray
    elements: tuple[EdgePath, ...]
    ports: tuple[EdgePath, ...]
    gaps: tuple[EdgePath, ...]
    wires: tuple[ThinWire, ...]


def rasterise(coil: CircuitCoil, grid: RectilinearGrid) -> RasterisedCoil:
    """Put a coil on the edges of a grid.

    Conductors follow the nodes nearest to them; a gap is cut across the whole width of its conductor and bridged on its
    middle line by one straight path of at least one edge.

    Parameters
    ----------
    coil : CircuitCoil
        The coil.
    grid : RectilinearGrid
        The grid; it must hold the coil. A shield may be longer than the grid.

    Raises
    ------
    InputError
        When metal leaves the grid, a gap is not along an edge, does not end on metal or is inside metal, two gaps share
        an edge, conductors that are apart merge on this grid, a solid is smaller than a cell, or the radius of a wire
        is not below 0.6 cells.

    Warns
    -----
    EmdoseWarning
        When a gap or a strip is smaller than half a cell: it takes up a whole edge.
    """
    pec = np.zeros((3, *grid.node_shape), bool)
    gaps = coil.gaps
    found: dict[str, EdgePath] = {}
    wires: list[ThinWire] = []
    pieces: list[Piece] = []
    keep = _ends(coil, grid)
    for number, conductor in enumerate(coil.conductors):
        if isinstance(conductor, SolidConductor):
            edges = _solid_edges(conductor, grid)
            pieces.append(Piece(number, None, _edge_nodes(edges, grid)))
        elif isinstance(conductor, Plate):
            edges, nodes = _sheet(conductor, grid, keep)[:2]
            pieces.append(Piece(number, None, _flat(nodes, grid)))
        else:
            edges = _cut_sheet(conductor, number, gaps, grid, keep, found, pieces)
            if isinstance(conductor, Wire) and conductor.radius_m is not None:
                require_thin(grid, edges, conductor.radius_m)
                wires.append(ThinWire(edges, float(conductor.radius_m)))
        pec[tuple(edges.T)] = True
    for gap in gaps:
        if gap.name not in found:
            found[gap.name] = _bridge(gap, grid)
    if coil.shield is not None:
        edges = shield_edges(coil.shield, grid)
        pieces.append(Piece(len(coil.conductors), None, _edge_nodes(edges, grid)))
        pec[tuple(edges.T)] = True
    paths = tuple(found[g.name] for g in gaps)
    _check_gaps(paths, pec, grid, pieces)
    check_pieces(coil.conductors, pieces, grid)
    lengths = [float(np.linalg.norm(np.subtract(g.end_m, g.start_m))) for g in gaps]
    warn_of_short_gaps([p.name for p in paths], lengths, [p.length_m(grid) for p in paths])
    warn_of_narrow_strips(coil.conductors, grid)
    by_element = {g.element.name: p for g, p in zip(gaps, paths, strict=True) if g.element is not None}
    return RasterisedCoil(
        pec,
        tuple(by_element[e.name].renamed(e.name) for e in coil.elements),
        tuple(found[f.name] for f in coil.feeds),
        paths,
        tuple(wires),
    )


def shield_edges(shield: Shield, grid: RectilinearGrid) -> np.ndarray:
    """Edges (n, 4) of a shield: all edges of the walls between cells inside and outside of its radius.

    Raises
    ------
    InputError
        When the grid does not hold the shield, or it has slots.
    """
    shield.require_whole("Fdtd")
    x, y, z = (grid.centres(a) - shield.centre_m[a] for a in range(3))
    inside = np.hypot(x[:, None], y[None, :]) < shield.radius_m
    if not inside.any() or inside[[0, -1]].any() or inside[:, [0, -1]].any():
        raise InputError(
            "the shield leaves the grid",
            field="shield_radius_m",
            found=shield.radius_m,
            expected="a grid at least one cell larger than the shield",
        )
    k = np.flatnonzero(np.abs(z) < 0.5 * shield.length_m)
    if not len(k):
        raise InputError(
            "the shield is shorter than a cell", field="shield_length_m", found=shield.length_m, expected="a finer grid"
        )
    planes = np.arange(k[0], k[-1] + 2)
    i, j = np.nonzero(inside[1:] != inside[:-1])  # walls normal to x run along y
    along_y = np.stack([i + 1, j], axis=1)
    i, j = np.nonzero(inside[:, 1:] != inside[:, :-1])
    along_x = np.stack([i, j + 1], axis=1)
    ends = [along_y, along_y + np.array([0, 1]), along_x, along_x + np.array([1, 0])]
    corners = np.unique(np.concatenate(ends), axis=0)
    return np.concatenate(
        [_columns(0, along_x, planes), _columns(1, along_y, planes), _columns(2, corners, planes[:-1])]
    )


def _columns(component: int, ij: np.ndarray, k: np.ndarray) -> np.ndarray:
    rows = np.repeat(ij, len(k), axis=0)
    return np.column_stack([np.full(len(rows), component), rows, np.tile(k, len(ij))])


def _ends(coil: CircuitCoil, grid: RectilinearGrid) -> frozenset[Node]:
    """Nodes where conductors end: staircases may not leave them out."""
    ends = [
        e for c in coil.conductors if not isinstance(c, SolidConductor) for _, p, _ in c.sheets for e in (p[0], p[-1])
    ]
    return frozenset(tuple(map(int, n)) for n in nearest_nodes(np.array(ends), grid)) if ends else frozenset()


def _cut_sheet(
    conductor: Conductor,
    number: int,
    gaps: Sequence[Gap],
    grid: RectilinearGrid,
    keep: frozenset[Node],
    found: dict[str, EdgePath],
    pieces: list[Piece],
) -> np.ndarray:
    """Edges of a wire, strip or sheet; notes the gaps in it and the pieces that they leave."""
    spine = np.concatenate([part[1][0 if n == 0 else 1 :] for n, part in enumerate(conductor.sheets)])  # type: ignore[union-attr]
    path = staircase(spine, grid, keep)
    cut = np.zeros(len(path.nodes) - 1, bool)
    spans = []
    for gap in gaps:
        span = gap_span(spine, gap)
        if span is None:
            continue
        run = _gap_run(path, min(span), max(span), gap.name)
        forward = span[0] < span[1]
        if cut[run].any() or gap.name in found:
            raise InputError(
                "two ports on one edge",
                field="elements",
                found=gap.name,
                expected="a finer grid, or gaps further apart",
            )
        cut[run] = True
        edges, sign = path.edges()[run], path.sign[run]
        found[gap.name] = EdgePath(gap.name, *((edges, sign) if forward else (edges[::-1], -sign[::-1])))
        spans.append((min(span), max(span)))
    edges, nodes, which = _sheet(conductor, grid, keep, path, cut)
    bounds = np.sort(np.array(spans).reshape(-1, 2), axis=0)
    breaks = np.flatnonzero(np.diff(cut.astype(int)) == 1) + 1
    if len(cut) and cut[0]:
        breaks = np.concatenate([[0], breaks])
    piece = np.searchsorted(breaks, which, side="left")
    low = np.concatenate([[0.0], bounds[:, 1]])
    high = np.concatenate([bounds[:, 0], [np.inf]])
    for n in range(len(breaks) + 1):
        pieces.append(Piece(number, (float(low[n]), float(high[n])), np.unique(_flat(nodes[piece == n], grid))))
    return edges


def _gap_run(path: Staircase, low: float, high: float, name: str) -> slice:
    """The straight run of edges around the middle of a gap, within it; at least one edge."""
    if len(path.nodes) < 2:
        raise InputError(f"the conductor of gap {name!r} is shorter than a cell", field=name, expected="a finer grid")
    wall = path.at_m[1:]
    tie = 1e-6 * (high - low)
    off = np.round(np.abs(wall - 0.5 * (low + high)) / tie)
    middle = int(off.argmin())
    way = [(int(a), int(s)) for a, s in zip(path.axis, path.sign, strict=True)]
    within = (wall > low + tie) & (wall < high - tie)
    first = last = middle
    while first > 0 and way[first - 1] == way[middle] and within[first - 1]:
        first -= 1
    while last + 1 < len(wall) and way[last + 1] == way[middle] and within[last + 1]:
        last += 1
    return slice(first, last + 1)


def _sheet(
    conductor: Conductor,
    grid: RectilinearGrid,
    keep: frozenset[Node],
    path: Staircase | None = None,
    cut: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges (n, 4), nodes (m, 3) and for each node its place on the path, of a conductor less its gaps."""
    sheets = conductor.sheets  # type: ignore[union-attr]
    if path is None:
        path = staircase(sheets[0][1], grid, keep)
    cut = np.zeros(len(path.nodes) - 1, bool) if cut is None else cut
    starts = np.cumsum([0.0, *(np.linalg.norm(np.diff(p, axis=0), axis=1).sum() for _, p, _ in sheets)])[:-1]
    part = np.clip(np.searchsorted(starts, path.at_m, side="right") - 1, 0, None)
    dangling = np.concatenate([[False], cut]) & np.concatenate([cut, [False]])
    edges, nodes, which = [], [], []
    own = path.edges()
    for n, (_, spine, across) in enumerate(sheets):
        base = nearest_nodes(spine[:1], grid)[0]
        side = Staircase(np.zeros((1, 3), int), np.zeros(1))
        if len(across) > 1:
            side = staircase(spine[0] + across, grid)
        shift = side.nodes - base if len(across) > 1 else side.nodes
        here = np.flatnonzero((part == n) & ~dangling)
        mine = np.flatnonzero((part[1:] == n) & ~cut)
        for s in shift:
            edges.append(own[mine] + np.concatenate([[0], s]))
            nodes.append(path.nodes[here] + s)
            which.append(here)
            if len(mine):  # an edge that enters this part from the one before brings its first node along
                nodes.append(path.nodes[mine] + s)
                which.append(mine)
        if len(shift) > 1:
            cross = side.edges()
            low = cross[:, 1:] - base
            for node in path.nodes[here]:
                edges.append(np.column_stack([cross[:, 0], low + node]))
    out = np.concatenate([e.reshape(-1, 4) for e in edges])
    all_nodes = np.concatenate(nodes)
    if len(all_nodes) and (all_nodes.min() < 0 or np.any(all_nodes >= np.array(grid.node_shape))):
        raise InputError("the coil leaves the grid", field="grid", expected="a grid that holds the whole coil")
    return out, all_nodes, np.concatenate(which)


def _solid_edges(solid: SolidConductor, grid: RectilinearGrid) -> np.ndarray:
    cut = []
    for a in range(3):
        nodes = grid.nodes(a)
        if solid.low_m[a] < nodes[0] - 1e-9 or solid.high_m[a] > nodes[-1] + 1e-9:
            raise InputError(
                "the coil leaves the grid",
                field="grid",
                found=(solid.low_m, solid.high_m),
                expected=f"metal within {grid.bounds_m} m",
            )
        tol = 1e-6 * float(grid.steps(a).min())
        cut.append(
            slice(int(np.searchsorted(nodes, solid.low_m[a] - tol)), int(np.searchsorted(nodes, solid.high_m[a] + tol)))
        )
    axes = [grid.nodes(a)[cut[a]] for a in range(3)]
    first = np.array([s.start for s in cut])
    if min(len(a) for a in axes) == 0:
        raise InputError(
            "a solid is smaller than a cell",
            field="conductors",
            found=(solid.low_m, solid.high_m),
            expected="a finer grid",
        )
    inside = np.broadcast_to(solid.inside(*np.meshgrid(*axes, indexing="ij", sparse=True)), tuple(len(a) for a in axes))
    out = []
    for c in range(3):
        low, high = np.moveaxis(inside, c, 0)[:-1], np.moveaxis(inside, c, 0)[1:]
        middle = list(axes)
        middle[c] = 0.5 * (axes[c][1:] + axes[c][:-1])
        between = np.broadcast_to(
            solid.inside(*np.meshgrid(*middle, indexing="ij", sparse=True)), tuple(len(a) for a in middle)
        )
        where = np.argwhere(np.moveaxis(low & high, 0, c) & between)
        out.append(np.column_stack([np.full(len(where), c), where + first]))
    edges = np.concatenate(out)
    if not len(edges):
        raise InputError(
            "a solid is smaller than a cell",
            field="conductors",
            found=(solid.low_m, solid.high_m),
            expected="a finer grid",
        )
    return edges


def _bridge(gap: Gap, grid: RectilinearGrid) -> EdgePath:
    """The path of a gap in free space."""
    a, b = nearest_nodes(np.array([gap.start_m, gap.end_m]), grid)
    moved = np.flatnonzero(a != b)
    if len(moved) != 1:
        problem = "is shorter than a cell" if not len(moved) else "is not along an edge"
        raise InputError(
            f"gap {gap.name!r} {problem} of this grid",
            field=gap.name,
            found=f"{gap.start_m} to {gap.end_m}",
            expected="two nodes on one grid line",
        )
    axis = int(moved[0])
    sign = 1 if b[axis] > a[axis] else -1
    count = abs(int(b[axis] - a[axis]))
    edges = np.column_stack([np.full(count, axis), np.repeat(a[None], count, axis=0)])
    edges[:, 1 + axis] += sign * np.arange(count) - (sign < 0)
    return EdgePath(gap.name, edges, np.full(count, sign))


def _check_gaps(paths: Sequence[EdgePath], pec: np.ndarray, grid: RectilinearGrid, pieces: Sequence[Piece]) -> None:
    metal = np.unique(np.concatenate([p.nodes for p in pieces]))
    used: dict[tuple[int, ...], str] = {}
    for path in paths:
        if pec[tuple(path.edges.T)].any():
            raise InputError(f"gap {path.name!r} is inside metal", field=path.name, expected="a gap across free space")
        for edge in path.edges:
            other = used.setdefault(tuple(int(v) for v in edge), path.name)
            if other != path.name:
                raise InputError(
                    "two ports on one edge",
                    field="elements",
                    found=f"{other} and {path.name}",
                    expected="a finer grid, or gaps further apart",
                )
        step = np.eye(3, dtype=int)[path.component]
        ends = [path.edges[0, 1:] + (path.sign[0] < 0) * step, path.edges[-1, 1:] + (path.sign[-1] > 0) * step]
        if not np.isin(_flat(np.array(ends), grid), metal).all():
            raise InputError(
                f"gap {path.name!r} does not end on a conductor", field=path.name, expected="both ends on metal"
            )


def _flat(nodes: np.ndarray, grid: RectilinearGrid) -> np.ndarray:
    return np.ravel_multi_index(tuple(nodes.T), grid.node_shape)


def _edge_nodes(edges: np.ndarray, grid: RectilinearGrid) -> np.ndarray:
    high = edges[:, 1:] + np.eye(3, dtype=int)[edges[:, 0]]
    return np.unique(np.concatenate([_flat(edges[:, 1:], grid), _flat(high, grid)]))
