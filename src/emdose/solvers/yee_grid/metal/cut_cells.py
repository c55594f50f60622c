r"""Metal that cuts through cells: how much of every edge and of every face is open.

The surface of the metal crosses an edge of length l at a share :math:`\lambda` of it, and leaves a share :math:`\alpha`
of a face's area. In finite integration the edge then has its voltage over :math:`\lambda l`, and the face its flux
through :math:`\alpha A`:

.. math::

   \frac{\varepsilon A'}{\lambda l}\,\dot e = \sum \pm h, \qquad
   \frac{\mu\,\alpha A}{l'}\,\dot h = -\sum \pm e - \sum \pm E_i\,l\,(\lambda - \alpha) .

The last sum is the voltage of the incident field along the metal within the face, with its sign turned: by Faraday's
law what its open edges lack to the flux through the open area. For metal made of whole cells it is what the edges of
metal would be given.

Source: S. Dey and R. Mittra, IEEE Microw. Guided Wave Lett. 7 (1997) 273 (cut cells).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.solvers.yee_grid.edge_materials import metal_edges

if TYPE_CHECKING:
    from emdose.models.grids.grid import Grid
    from emdose.models.grids.rectilinear import RectilinearGrid
    from emdose.models.implants.implant import Implant

SHIFT = 1e-4
"""Cells by which lines pass beside nodes, so that no line meets an edge of a triangle."""
NEAR = 1e-6
"""Cells within which a node is on a surface."""
SHORTEST = 0.05
"""Least open share of an edge that leaves the metal: a face beside it stays open too."""
LEVELS = 64
"""Steps in which open shares are told: every one is a material of its own."""
LEAST_AREA = 0.3
"""Open share of a face over the largest one of its edges, at least: smaller ones ask for smaller time steps."""


@dataclass(frozen=True, eq=False)
class CutCells:
    """Open shares of a grid around metal.

    Parameters
    ----------
    edges : (3, nx + 1, ny + 1, nz + 1) float ndarray
        Of the edges: 0 in metal, 1 outside; 1 past the last ones.
    faces : (3, nx + 1, ny + 1, nz + 1) float ndarray
        Of the faces.
    """

    edges: np.ndarray
    faces: np.ndarray

    @property
    def closed(self) -> np.ndarray:
        """Edges of metal, (3, ...) bool."""
        return np.asarray(self.edges == 0)

    @property
    def stable_faces(self) -> np.ndarray:
        """Open shares of faces as the update takes them: none far smaller than those of its edges."""
        most = np.zeros_like(self.faces)
        for c in range(3):
            a, b = (c + 1) % 3, (c + 2) % 3
            for e, across in ((a, b), (b, a)):
                here = self.edges[e]
                most[c] = np.maximum(most[c], np.maximum(here, at_next(here, across)))
        return np.where(self.faces > 0, np.maximum(self.faces, LEAST_AREA * most), 0.0)

    def told(self, E: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Fields (port, 3, nodes) as they are told, from those of an engine.

        The engine's E is the voltage over the length of the whole edge, E times its open share; with the root of that
        share the power of the part that is there is right. There is no field in metal.
        """
        root = np.sqrt(self.edges).astype(E.real.dtype)
        return np.where(root > 0, E / np.where(root > 0, root, 1), 0), np.where(self.faces > 0, B, 0)


def voltages_along(cut: CutCells, E: np.ndarray, steps_m: Sequence[np.ndarray]) -> np.ndarray:
    """Voltage that a field has along the metal in every face, with its sign turned.

    Parameters
    ----------
    cut : CutCells
        The metal.
    E : (3, nx + 1, ny + 1, nz + 1) ndarray
        The field on whole edges [V/m].
    steps_m : three (n,) ndarrays
        Cells along x, y and z [m].

    Returns
    -------
    (3, nx + 1, ny + 1, nz + 1) ndarray
        Around every face, right-handed about its normal [V].
    """
    volts = np.zeros(E.shape, E.dtype)
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        for e, across, sign in ((b, a, 1.0), (a, b, -1.0)):
            own, length = cut.edges[e], np.append(steps_m[e], 0.0)
            values = E[e] * length.reshape([-1 if axis == e else 1 for axis in range(3)])
            for side, field, share in ((-1.0, values, own), (1.0, at_next(values, across), at_next(own, across, 1.0))):
                volts[c] += sign * side * field * (share - cut.faces[c])
    return np.where(cut.faces > 0, volts, 0)


def cut_cells(implants: Sequence[Implant], grid: Grid | RectilinearGrid, metal: np.ndarray | None = None) -> CutCells:
    """Open shares of the edges and faces of a grid around metal.

    Metal thinner than a cell that lies between two nodes is not seen, but where ``metal`` says that cells are.

    Parameters
    ----------
    implants : sequence of Implant
        In the coordinates of the grid.
    grid : Grid or RectilinearGrid
        The cells, which hold all of the metal.
    metal : (nx, ny, nz) bool ndarray, optional
        Cells with more than half metal: those that have no corner in it are metal as a whole.
    """
    shape = grid.node_shape
    inside, places = _surface(implants, [grid.nodes(a) for a in range(3)])
    edges = np.ones((3, *shape))
    for c in range(3):
        ends = inside, at_next(inside, c, fill=False)
        share = np.where(ends[0], 1 - places[c], places[c])
        share = np.where(np.isnan(share), 1.0, np.round(share * LEVELS) / LEVELS)
        share = np.maximum(share, SHORTEST)
        edges[c] = np.where(ends[0] & ends[1], 0.0, np.where(ends[0] ^ ends[1], share, 1.0))
        np.moveaxis(edges[c], c, 0)[-1] = 1.0
    out = CutCells(edges, np.stack([_open_area(edges, inside, c) for c in range(3)]))
    return out if metal is None else _with_unseen(out, inside, metal)


def nodes_in_metal(implants: Sequence[Implant], planes: Sequence[np.ndarray]) -> np.ndarray:
    """Which crossings of planes (three of (n,) [m]) lie in metal or on it, (nx, ny, nz) bool."""
    return _surface(implants, planes)[0]


def _surface(implants: Sequence[Implant], planes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in metal, and where edges (3, nodes) meet its surface, in cells from their lower end."""
    triangles = np.concatenate([part.corners for implant in implants for part in implant.parts])
    shape = tuple(len(p) for p in planes)
    inside = np.zeros(shape, bool)
    places = np.full((3, *shape), np.nan)
    for c in range(3):
        for shift in ((SHIFT, 0.7 * SHIFT), (-SHIFT, 0.6 * SHIFT), (0.8 * SHIFT, -SHIFT), (-0.9 * SHIFT, -SHIFT)):
            i, j, t, sign = _crossings(triangles, c, planes, shift)
            nodes = np.moveaxis(np.zeros(shape, np.int32), (c, (c + 1) % 3, (c + 2) % 3), (0, 1, 2))
            # A node on the surface belongs to the metal.
            first = np.where(sign > 0, np.ceil(t - NEAR), np.floor(t + NEAR) + 1).astype(int)
            held = (first >= 0) & (first < nodes.shape[0])
            np.add.at(nodes, (first[held], i[held], j[held]), sign[held])
            wound = np.cumsum(nodes, axis=0) > 0
            inside |= np.moveaxis(wound, (0, 1, 2), (c, (c + 1) % 3, (c + 2) % 3))
            below = np.floor(t).astype(int)
            held = (below >= 0) & (below < nodes.shape[0] - 1)
            place = np.moveaxis(places[c], (c, (c + 1) % 3, (c + 2) % 3), (0, 1, 2))
            place[below[held], i[held], j[held]] = (t - below)[held]
    return inside, places


def _with_unseen(cut: CutCells, inside: np.ndarray, metal: np.ndarray) -> CutCells:
    """The same with cells of metal that no node tells of."""
    seen = np.zeros(metal.shape, bool)
    for i in (slice(0, -1), slice(1, None)):
        for j in (slice(0, -1), slice(1, None)):
            for k in (slice(0, -1), slice(1, None)):
                seen |= inside[i, j, k]
    if not np.any(metal & ~seen):
        return cut
    more = whole_cells(metal & ~seen)
    edges = np.where(more.closed, 0.0, cut.edges)
    return CutCells(edges, np.where(_enclosed(edges), 0.0, cut.faces))


def whole_cells(metal: np.ndarray) -> CutCells:
    """Open shares around metal made of whole cells (nx, ny, nz): edges and faces are open or closed."""
    edges = np.where(metal_edges(metal), 0.0, 1.0)
    return CutCells(edges, np.where(_enclosed(edges), 0.0, 1.0))


def _enclosed(edges: np.ndarray) -> np.ndarray:
    """Faces all of whose edges are closed."""
    out = []
    for c in range(3):
        a, b = (c + 1) % 3, (c + 2) % 3
        out.append(
            (edges[a] == 0) & (edges[b] == 0) & (at_next(edges[a], b, 1.0) == 0) & (at_next(edges[b], a, 1.0) == 0)
        )
    return np.stack(out)


def _crossings(
    corners: np.ndarray, c: int, planes: Sequence[np.ndarray], shift: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Where lines along c through the nodes meet triangles: line (i, j), place along it in cells, +1 into the metal."""
    a, b = (c + 1) % 3, (c + 2) % 3
    lines = [planes[x] + s * float(np.diff(planes[x]).min()) for x, s in zip((a, b), shift, strict=True)]
    spans = []
    for x, line in zip((a, b), lines, strict=True):
        ends = corners[:, :, x].min(1), corners[:, :, x].max(1)
        spans.append((np.searchsorted(line, ends[0], "left"), np.searchsorted(line, ends[1], "right")))
    low = np.stack([first for first, _ in spans])
    count = np.maximum(np.stack([last for _, last in spans]) - low, 0)
    pairs = count[0] * count[1]
    owner = np.repeat(np.arange(len(pairs)), pairs)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    i = low[0, owner] + number % np.maximum(count[0, owner], 1)
    j = low[1, owner] + number // np.maximum(count[0, owner], 1)
    du, dv = corners[owner, :, a] - lines[0][i, None], corners[owner, :, b] - lines[1][j, None]
    weight = np.stack([du[:, m] * dv[:, n] - du[:, n] * dv[:, m] for m, n in ((1, 2), (2, 0), (0, 1))], axis=1)
    hit = (weight > 0).all(1) | (weight < 0).all(1)
    weight, owner, i, j = weight[hit], owner[hit], i[hit], j[hit]
    place = (weight * corners[owner, :, c]).sum(1) / weight.sum(1)
    along = planes[c]
    cell = np.clip(np.searchsorted(along, place, "right") - 1, 0, len(along) - 2)
    t = cell + (place - along[cell]) / (along[cell + 1] - along[cell])
    # Seen along the line an outward normal that points back belongs to a surface where the metal begins.
    return i, j, t, np.where(weight.sum(1) > 0, -1, 1).astype(np.int32)


def _open_area(edges: np.ndarray, inside: np.ndarray, c: int) -> np.ndarray:
    """Open share of the faces normal to c: the polygon of open corners and of the crossings of the edges."""
    a, b = (c + 1) % 3, (c + 2) % 3
    corner = [inside, at_next(inside, a), at_next(at_next(inside, a), b), at_next(inside, b)]
    any_, all_ = corner[0] | corner[1] | corner[2] | corner[3], corner[0] & corner[1] & corner[2] & corner[3]
    out = np.where(all_, 0.0, 1.0)
    at = np.nonzero(any_ & ~all_)
    flags = [f[at] for f in corner]
    shares = [edges[a][at], at_next(edges[b], a)[at], at_next(edges[a], b)[at], edges[b][at]]
    n = len(at[0])
    points, valid = np.zeros((8, n, 2)), np.zeros((8, n), bool)
    places = ((0, 0), (1, 0), (1, 1), (0, 1))
    for k in range(4):
        start, stop = (k, (k + 1) % 4) if k < 2 else ((k + 1) % 4, k)  # edges are told from their lower end
        points[2 * k], valid[2 * k] = np.array(places[k], float), ~flags[k]
        open_ = shares[k]
        where = np.where(flags[start], 1 - open_, open_)
        p, q = np.array(places[start], float), np.array(places[stop], float)
        points[2 * k + 1] = p + where[:, None] * (q - p)
        valid[2 * k + 1] = flags[start] != flags[stop]
    last = np.zeros((n, 2))
    for _ in range(2):
        for k in range(8):
            last = np.where(valid[k][:, None], points[k], last)
            points[k] = last
    x, y = points[..., 0], points[..., 1]
    area = 0.5 * np.sum(x * np.roll(y, -1, 0) - np.roll(x, -1, 0) * y, axis=0)
    out[at] = np.clip(area, 0.0, 1.0)
    return out


def at_next(values: np.ndarray, axis: int, fill: float = 0) -> np.ndarray:
    """The value at the next node along an axis."""
    out = np.full_like(values, fill)
    moved, source = np.moveaxis(out, axis, 0), np.moveaxis(values, axis, 0)
    moved[:-1] = source[1:]
    return out
