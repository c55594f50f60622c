"""Mirror planes of a circuit coil with its body: which gaps of a grid are images of others.

Where cells, materials, metal and gaps are their own images in the plane through the middle of the grid across an axis,
the run of a gap tells that of its image as well. One voxel without its partner is enough for a plane to be none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.solvers.fdtd.setup.domain import Domain
    from emdose.solvers.yee_grid.coil_raster import EdgePath, RasterisedCoil

SAME = 1e-9
"""Relative difference of steps and materials that are one another's images: that of sums in another order."""


@read_only
@dataclass(frozen=True, eq=False)
class Mirror:
    """A plane across an axis, through the middle of the grid, that maps everything onto itself.

    Parameters
    ----------
    axis : int
        The axis.
    image : tuple of int
        Index of the gap that is the image of each.
    sign : tuple of int
        -1 where a gap is counted against the image of its partner.
    """

    axis: int
    image: tuple[int, ...]
    sign: tuple[int, ...]


def mirrors_of(domain: Domain, raster: RasterisedCoil, materials: Callable[[], Any]) -> tuple[Mirror, ...]:
    """The mirror planes of a coil with a source in every gap.

    Parameters
    ----------
    domain : Domain
        Cells, the phantom's among them, and the box of the power balance.
    raster : RasterisedCoil
        Metal and gaps.
    materials : callable
        Gives the materials of all edges, metal included: asked for once all else allows a plane.
    """
    found = []
    for axis in range(3):
        pairs = _gaps(raster, axis, domain.grid.shape[axis]) if _cells(domain, axis) else None
        if pairs is not None and _wires(raster, axis, domain.grid.shape[axis]) and _materials(materials(), axis):
            found.append(Mirror(axis, *pairs))
    return tuple(found)


def to_run(mirrors: Sequence[Mirror], count: int) -> list[int]:
    """Which of ``count`` gaps need a run of their own; the others are images of these."""
    known: set[int] = set()
    needed = []
    for n in range(count):
        if n not in known:
            needed.append(n)
            known |= _orbit(mirrors, n)
    return needed


def _orbit(mirrors: Sequence[Mirror], n: int) -> set[int]:
    found, fresh = {n}, [n]
    while fresh:
        m = fresh.pop()
        new = {mirror.image[m] for mirror in mirrors} - found
        found |= new
        fresh += new
    return found


# ---- what must be its own image --------------------------------------------------------------------------------------
def _cells(domain: Domain, axis: int) -> bool:
    """Steps, the phantom's grid and the box of the power balance."""
    steps, n = domain.grid.steps(axis), domain.grid.shape[axis]
    core, (low, high) = domain.core[axis], domain.power_box
    around = core.start + core.stop - 1 == n and low[axis] + high[axis] == n
    return around and bool(np.allclose(steps, steps[::-1], rtol=SAME, atol=0))


def _materials(materials: Any, axis: int) -> bool:
    """Every edge and the one that is its image."""
    tables = [np.where(np.isfinite(t), t, -1.0) for t in (materials.permittivity, materials.conductivity)]
    for c in range(3):
        ids = np.moveaxis(np.asarray(materials.ids[c]), axis, 0)
        ids = ids[:-1] if c == axis else ids
        half = len(ids) // 2
        for table in tables:
            if not np.allclose(table[ids[:half]], table[ids[::-1][:half]], rtol=SAME, atol=0):
                return False
    return True


def _gaps(raster: RasterisedCoil, axis: int, n: int) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The image of every gap with its sign; None where one has none."""
    known = {frozenset(_signed(g)): (k, 1) for k, g in enumerate(raster.gaps)}
    known |= {frozenset((*e, -s) for *e, s in _signed(g)): (k, -1) for k, g in enumerate(raster.gaps)}
    found = [known.get(frozenset(_image(e, axis, n) for e in _signed(g))) for g in raster.gaps]
    if any(f is None for f in found):
        return None
    return tuple(f[0] for f in found if f), tuple(f[1] for f in found if f)


def _signed(path: EdgePath) -> list[tuple[int, ...]]:
    """Component, node indices and sign of every edge of a path."""
    return [(*(int(v) for v in e), int(s)) for e, s in zip(path.edges, path.sign, strict=True)]


def _image(edge: tuple[int, ...], axis: int, n: int) -> tuple[int, ...]:
    """The image of an edge; one along the axis points the other way."""
    c, *node, sign = edge
    along = c == axis
    node[axis] = n - node[axis] - along
    return (c, *node, -sign if along else sign)


def _wires(raster: RasterisedCoil, axis: int, n: int) -> bool:
    """Every edge of a thin wire, with its radius."""
    there: set[Any] = {(*map(int, e), 1, w.radius_m) for w in raster.wires for e in w.edges}
    return there == {(*_image(edge[:5], axis, n)[:4], 1, edge[5]) for edge in there}
