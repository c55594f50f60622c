r"""Metal in a body on voxels that are split where they are too coarse for it.

Metal is nearly isothermal: how warm it becomes is its power over the conductance from its surface to far away, which
for a ball of radius a in tissue is 4 \pi k a. Voxels blur that surface by about their size. How much that matters is
told by the *cells across* a part, the smaller one of two numbers: the diameter of the ball that has the surface of the
part, which decides the conductance, over the voxel; and twice the cells across its walls, since metal thinner than a
voxel conducts nothing along itself.

Source: validity.TABLE, row ``heat_cells_across``, for what was measured on balls; a ball of equal surface has the
conductance of a convex body to some 10 %, see G. Polya, G. Szego, Isoperimetric Inequalities in Mathematical Physics,
Princeton 1951, chapter 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.models.grids.grid import Grid, Shape, Vector
from emdose.models.grids.split import SplitGrid, Window
from emdose.solvers.heat.materials import Metals, body_maps, deposit
from emdose.solvers.heat.problem import HeatMaps
from emdose.solvers.heat.sources import beside_metal
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant

WANTED = 4.0
"""Cells across metal that voxels are split for, unless told otherwise."""
THINNEST = 0.1
"""Part of the surface whose walls may be thinner than what counts as the wall."""
SLACK = 0.02
"""So much fewer cells will do: facets are not exact."""
MOST_HALVINGS = 6
MOST_CELLS = 4_000_000
"""No splitting beyond this number of cells, or that of the voxels where they are more."""
PURE = 1 - 1e-3
"""Voxels with a larger share of metal hold no tissue."""
MARGIN = 1
"""Voxels around the metal that are split as finely as it is."""


@dataclass(frozen=True, eq=False)
class MetalBody:
    """A body with heated metal in it.

    Parameters
    ----------
    phantom : Phantom
        The body; its voxels are the unsplit ones.
    cells : SplitGrid
        The cells of the heat.
    near : three slices
        Voxels around the metal whose cells are all alike.
    metals : Metals
        The metal in the cells.
    coarse : Metals
        The metal in the voxels.
    across : float
        Cells across the thinnest part, see this module's text.
    """

    phantom: Phantom
    cells: SplitGrid
    near: Window
    metals: Metals
    coarse: Metals
    across: float

    def maps(self, surface_W_m2_K: float = 8.0, edges: str = "surface") -> HeatMaps:
        """Thermal maps of the cells; see :func:`emdose.solvers.heat.materials.body_maps`."""
        return body_maps(self.phantom, self.metals, surface_W_m2_K, edges, self.cells)

    @property
    def fraction(self) -> np.ndarray:
        """Share of metal in every cell."""
        return self.metals.fraction

    @property
    def tissue(self) -> np.ndarray:
        """Cells that hold tissue: those cut by the surface too, where tissue is as warm as the metal it touches.

        With a contact resistance it is not, and only cells with their centre in tissue count.
        """
        return self.cells.spread(self.phantom.body) & (self.fraction <= self._most)

    @property
    def voxels_of_tissue(self) -> np.ndarray:
        """The same of the voxels."""
        return self.phantom.body & (self.coarse.fraction <= self._most)

    @property
    def _most(self) -> float:
        return 0.5 if self.metals.contact_m2_K_W > 0 else PURE

    @property
    def near_cells(self) -> Window:
        """The cells of :attr:`near`."""
        return self.cells.cells_of(self.near)

    def near_phantom(self) -> Phantom:
        """The body around the metal, with the cells as its voxels."""
        return _refined(self.phantom, self.near, self.cells.fine(self.near))

    def deposit(
        self,
        cells: np.ndarray,
        values: np.ndarray,
        source_grid: Grid,
        further: Sequence[np.ndarray] = (),
        dtype: str = "float64",
        places: Sequence[str] = (),
    ) -> np.ndarray:
        """Losses of the metal in the cells, see :func:`emdose.solvers.heat.materials.deposit`; their power is kept.

        After them come power densities of voxels [W/m^3], each in its place: "body" unless told otherwise.
        """
        near, grid = self.near_cells, self.cells.fine(self.near)
        out = np.zeros((len(values) + len(further), *self.cells.shape), dtype)
        out[: len(values), *near] = deposit(cells, values, source_grid, grid, self.fraction[near], self.phantom.grid)
        for n, density in enumerate(further):
            out[len(values) + n] = self.spread(density, places[n] if places else "body")
        return out

    def spread(self, density: np.ndarray, place: str = "body") -> np.ndarray:
        """Power density of voxels [W/m^3] in their cells, by where the power is: see
        :class:`~emdose.solvers.heat.sources.PowerDensity`."""
        return beside_metal(self.cells.spread(density), self.fraction, place, self._volumes)

    @property
    def _volumes(self) -> np.ndarray:
        x, y, z = (self.cells.steps(a) for a in range(3))
        return np.asarray(x[:, None, None] * y[:, None] * z)

    def window(self, margin_m: float) -> Window:
        """Voxels within a margin of the metal, and all that are split as finely as it."""
        used = np.argwhere(self.coarse.fraction > 0)
        margin = np.ceil(margin_m / np.array(self.phantom.spacing_m)).astype(int)
        low = np.minimum(np.maximum(used.min(0) - margin, 0), [s.start for s in self.near])
        last = np.minimum(used.max(0) + margin + 1, self.phantom.grid.shape)
        high = np.maximum(last, [s.stop for s in self.near])
        return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]

    def about(self) -> dict[str, Any]:
        """What provenance says of the cells."""
        split = [int(n.max()) for n in self.cells.splits]
        return {"cells": self.cells.size, "split": split, "cells_across": self.across}

    def place(self, index: Sequence[Any]) -> Vector:
        """Centre of a cell [m]."""
        return self.cells.centre(tuple(int(i) for i in index))  # type: ignore[arg-type]

    def matter(self, index: Sequence[Any]) -> str:
        """Metal or tissue of a cell, by what its centre lies in."""
        at: Shape = tuple(int(i) for i in index)  # type: ignore[assignment]
        if self.fraction[at] > 0.5:
            return str(self.metals.metals[int(self.metals.part[at]) - 1].name)
        return str(self.phantom.tissues[int(self.phantom.labels[self.cells.voxel(at)])].name)


def metal_body(
    phantom: Phantom, implant: Implant, cells_across: float = WANTED, contact_m2_K_W: float = 0.0
) -> MetalBody:
    """A body with an implant, its voxels split near the metal until enough cells lie across every part of it.

    Parameters
    ----------
    phantom : Phantom
        The body.
    implant : Implant
        The metal.
    cells_across : float
        Cells wanted across the thinnest part; 0 splits nothing. No more than ``MOST_CELLS`` come of it.
    contact_m2_K_W : float
        Thermal contact resistance between metal and tissue [m^2 K/W].

    Raises
    ------
    InputError
        When the implant leaves the phantom.
    """
    from emdose.models.implants.voxels import embed

    voxels = embed(implant, phantom)
    coarse = Metals(voxels.fraction, voxels.part, voxels.metals, contact_m2_K_W)
    near, cells, across = split_cells(phantom.grid, implant, cells_across)
    if not cells.is_split:
        return MetalBody(phantom, cells, near, coarse, coarse, across)
    found = embed(implant, _refined(phantom, near, cells.fine(near)))
    fraction, part = np.zeros(cells.shape, np.float32), np.zeros(cells.shape, np.uint8)
    fraction[cells.cells_of(near)], part[cells.cells_of(near)] = found.fraction, found.part
    fine = Metals(owned(fraction), owned(part), found.metals, contact_m2_K_W)
    return MetalBody(phantom, cells, near, fine, coarse, across)


def split_cells(grid: Grid, implant: Implant, cells_across: float) -> tuple[Window, SplitGrid, float]:
    """Voxels around an implant, the cells of a grid that are split for it, and how many lie across its thinnest part.

    Parameters as in :func:`metal_body`.
    """
    spacing, widths = np.array(grid.spacing_m), _widths(implant)
    counts: Shape = (1, 1, 1)
    near, cells = _split(grid, implant, counts)
    for halvings in range(1, MOST_HALVINGS + 1):
        if _across(widths, spacing / counts) >= cells_across * (1 - SLACK):
            break
        edge = spacing.max() / 2**halvings
        finer: Shape = tuple(1 << max(0, math.ceil(math.log2(s / edge) - 1e-6)) for s in spacing)  # type: ignore[assignment]
        around, split = _split(grid, implant, finer)
        if split.size > max(MOST_CELLS, grid.size):
            break
        counts, near, cells = finer, around, split
    return near, cells, _across(widths, spacing / counts)


def within(grid: Grid, low: np.ndarray, high: np.ndarray) -> Window:
    """Voxels of a grid that a box touches, at least one [m]."""
    ends = []
    for a in range(3):
        o, s, n = grid.origin_m[a], grid.spacing_m[a], grid.shape[a]
        first = min(max(math.floor((low[a] - o) / s + 1e-6), 0), n - 1)
        ends.append(slice(first, max(first + 1, min(n, math.ceil((high[a] - o) / s - 1e-6)))))
    return ends[0], ends[1], ends[2]


def _widths(implant: Implant) -> list[tuple[float, np.ndarray]]:
    """Of every part the diameter of the ball that has its surface [m], and the ways through its walls (n, 3) [m]."""
    from emdose.models.implants.walls import wall_thickness

    found = []
    for part, (_, ways) in zip(implant.parts, wall_thickness(implant), strict=True):
        area = float(part.areas_m2.sum())
        if not len(ways):  # nowhere two parallel sides: the width of a ball of the same volume to surface
            ways = np.full((1, 3), 6 * part.volume_m3 / area / math.sqrt(3))
        found.append((math.sqrt(area / math.pi), ways))
    return found


def _across(widths: Sequence[tuple[float, np.ndarray]], spacing_m: np.ndarray) -> float:
    """Cells across the thinnest part."""
    return min(
        min(
            ball / float(spacing_m.max()),
            2 * float(np.quantile(np.linalg.norm(ways / spacing_m, axis=1), THINNEST)),
        )
        for ball, ways in widths
    )


def _split(grid: Grid, implant: Implant, counts: Shape) -> tuple[Window, SplitGrid]:
    """Voxels around the metal, and the grid with these split."""
    first, last = [], []
    for a, (low, high) in enumerate(zip(*implant.bounds_m, strict=True)):
        o, s, n = grid.origin_m[a], grid.spacing_m[a], grid.shape[a]
        first.append(min(max(math.floor((low - o) / s) - MARGIN, 0), n - 1))
        last.append(min(max(math.ceil((high - o) / s) + MARGIN, first[-1] + 1), n))
    near = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    return near, SplitGrid.around(grid, tuple(first), tuple(last), counts)  # type: ignore[return-value, arg-type]


def _refined(phantom: Phantom, window: Window, grid: Grid) -> Phantom:
    """Part of a body on finer voxels, each with the tissue of the one that it lies in."""
    labels = phantom.labels[window]
    for axis in range(3):
        labels = np.repeat(labels, grid.shape[axis] // labels.shape[axis], axis=axis)
    return replace(phantom, grid=grid, labels=owned(np.ascontiguousarray(labels)), regions={})
