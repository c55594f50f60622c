"""The box of cells that an FDTD steps through: the body's voxels, the source, air around them, and the absorber."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.constants import C_0
from emdose.errors import InputError
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.fdtd.graded.planes import MetalPlanes, planes_around
from emdose.solvers.fdtd.setup.options import LEAST_RATIO
from emdose.solvers.fdtd.setup.snap import Snap, snaps_of, warn_left_off, warn_slow
from emdose.solvers.yee_engine.setup.stability import stable_step
from emdose.solvers.yee_grid.edge_materials import bounding_box
from emdose.solvers.yee_grid.incident import GivenField
from emdose.solvers.yee_grid.resolution import cells_per_wavelength

if TYPE_CHECKING:
    from emdose.models.exposure import Exposure
    from emdose.models.grids.grid import Grid, Shape, Vector
    from emdose.solvers.fdtd.setup.options import FdtdOptions

Slices = tuple[slice, slice, slice]

LEAST_CLEARANCE = 3
"""Cells of air between the body or a source and the absorber."""
CELLS_PER_WAVELENGTH = 30.0
"""Of the coarse steps in air."""
WAVE_BOX = 2
"""Cells between the body's grid and the box of a plane wave."""
MOST_CELLS = 1_000_000
"""Along an axis: what asks for more is a slip of the pen, and would take minutes to lay out."""


@dataclass(frozen=True, eq=False)
class Domain:
    """Cells of an FDTD and where the body lies in them.

    Parameters
    ----------
    grid : RectilinearGrid
        All cells, the absorber's included.
    phantom : Grid
        The phantom's grid.
    low : (int, int, int)
        Node at the low corner of the phantom's grid.
    factor : int
        Cells per voxel along each axis.
    absorber_cells : int
        Cells of the absorber at each side; 0 where the walls conduct.
    source : ((int, int, int), (int, int, int))
        Nodes of the box that holds body and source.
    slowdown : float
        Largest stable time step of the body's cells over that of the grid.
    planes : three MetalPlanes, optional
        Planes of the phantom's grid where they are finer around implants; ``factor`` is that of the cells beyond.
    """

    grid: RectilinearGrid
    phantom: Grid
    low: Shape
    factor: int
    absorber_cells: int
    source: tuple[Shape, Shape]
    slowdown: float = 1.0
    planes: tuple[MetalPlanes, ...] | None = None

    @property
    def core(self) -> tuple[slice, slice, slice]:
        """The nodes of the phantom's grid."""
        if self.planes is not None:
            return tuple(slice(a, a + len(p.nodes_m)) for a, p in zip(self.low, self.planes, strict=True))  # type: ignore[return-value]
        return tuple(slice(a, a + n * self.factor + 1) for a, n in zip(self.low, self.phantom.shape, strict=True))  # type: ignore[return-value]

    @property
    def cells(self) -> RectilinearGrid:
        """The cells of the phantom's grid."""
        return RectilinearGrid(*(self.grid.nodes(a)[s] for a, s in enumerate(self.core)))

    @property
    def window(self) -> Slices:
        """The nodes of the equal cells around implants, counted from the first of :attr:`core`."""
        assert self.planes is not None
        return tuple(slice(p.equal[0], p.equal[1] + 1) for p in self.planes)  # type: ignore[return-value]

    def sizes(self, axis: int, dual: bool) -> np.ndarray:
        """Cells along an axis of the phantom's grid with a zero past the last, or distances between their middles [m].

        The latter reach into the cells beyond the ends.
        """
        s = self.core[axis]
        if dual:
            return self.grid.dual_steps(axis)[s]
        return np.append(self.grid.steps(axis)[s.start : s.stop - 1], 0.0)

    @property
    def wave_box(self) -> tuple[Shape, Shape]:
        """Nodes of the box within which a plane wave is the total field."""
        low, high = self.source
        return tuple(i - WAVE_BOX for i in low), tuple(i + WAVE_BOX for i in high)  # type: ignore[return-value]

    @property
    def power_box(self) -> tuple[Shape, Shape]:
        """Nodes of a closed box around everything that radiates, one cell within the absorber."""
        gap = self.absorber_cells + 1
        low = tuple(min(gap, i - 1) for i in self.source[0])
        high = tuple(max(n - gap, i + 1) for n, i in zip(self.grid.shape, self.source[1], strict=True))
        return low, high  # type: ignore[return-value]


def faces(box: tuple[Shape, Shape]) -> list[Slices]:
    """Node slices of the six faces of a box, each with the layer of H outside it: low and high of x, y, z.

    Parameters
    ----------
    box : ((int, int, int), (int, int, int))
        Node indices of its low and high corner.
    """
    out = []
    for axis in range(3):
        for side in (0, 1):
            node = box[side][axis]
            # On the low side H outside lies below the plane, on the high side it carries the plane's own index.
            cut = [slice(a, b + 1) for a, b in zip(*box, strict=True)]
            cut[axis] = slice(node - 1, node + 1) if side == 0 else slice(node, node + 1)
            out.append((cut[0], cut[1], cut[2]))
    return out


def make_domain(solver: FdtdOptions, exposure: Exposure, highest_frequency_Hz: float | None = None) -> Domain:
    """Lay out the cells for an exposure.

    Parameters
    ----------
    solver : FdtdOptions
        Options.
    exposure : Exposure
        Body, source and frequency.
    highest_frequency_Hz : float, optional
        Highest frequency of interest where it is not the exposure's [Hz].

    Raises
    ------
    InputError
        When the spacing does not divide the voxels, body or source come too close to the absorber, or a source without
        metal is asked to snap.

    Warns
    -----
    EmdoseWarning
        When planes of the coil cannot be met, or small steps make the run much longer.
    """
    phantom = exposure.phantom.grid
    factor = refinement(solver, phantom)
    steps = tuple(s / factor for s in phantom.spacing_m)
    wave = isinstance(exposure.coil, PlaneWave)
    nowhere = isinstance(exposure.coil, PlaneWave | GivenField)
    boxes = [phantom.bounds_m, *([] if nowhere else [source_extent(exposure.coil)])]
    low = [min(float(b[0][a]) for b in boxes) for a in range(3)]
    high = [max(float(b[1][a]) for b in boxes) for a in range(3)]
    wavelength = C_0 / (highest_frequency_Hz or exposure.frequency_Hz)
    coarsest = min(solver.coarsest_m or 4 * max(steps), wavelength / CELLS_PER_WAVELENGTH)
    cells = solver.cpml_cells if solver.walls == "cpml" else 0
    if solver.snap and nowhere:
        what = "a plane wave needs equal steps and" if wave else "an incident field"
        raise InputError(f"{what} has no edges to snap to", field="snap", found=True, expected="snap off")
    snaps = snaps_of(solver, exposure, steps) if solver.snap else None
    nodes, corner, source_low, source_high = [], [], [], []
    planes: list[MetalPlanes] = []
    left_off: list[list[float]] = [[], [], []]
    for a in range(3):
        h = steps[a]
        _require_few((high[a] - low[a]) / h, a, "spacing_m")
        start, stop = phantom.bounds_m[0][a], phantom.bounds_m[1][a]
        core = start + h * np.arange(phantom.shape[a] * factor + 1)
        core[0], core[-1] = start, stop
        if solver.metal_cell_m is not None and exposure.implants:
            planes.append(
                planes_around(
                    exposure.implants,
                    a,
                    core,
                    solver.metal_cell_m,
                    solver.metal_margin_m,
                    max(LEAST_RATIO, solver.growth),
                )
            )
            core = planes[-1].nodes_m
        least = h
        if snaps is None:
            ends = (float(core[1] - core[0]), float(core[-1] - core[-2])) if planes else (h, h)
            gaps = start - low[a], high[a] - stop
            before, after = (max(0, math.ceil(d / e - 1e-6)) for d, e in zip(gaps, ends, strict=True))
            beyond = ends[0] * np.arange(-before, 0), ends[1] * np.arange(1, after + 1)
            inner = np.concatenate([start + beyond[0], core, stop + beyond[1]])
            if not planes:
                inner = start + h * np.arange(-before, phantom.shape[a] * factor + after + 1)
                inner[before], inner[before + phantom.shape[a] * factor] = start, stop
            least = min(ends) if planes else float(np.diff(inner).min())
        else:
            inner, before, left_off[a] = _snapped(snaps[a], exposure, a, core, low[a], high[a])
        reach = [_reach(solver, a, side, inner, wave, least) for side in (0, 1)]
        _require_few(max(reach) / coarsest, a, "margin_m" if solver.bounds_m is None else "bounds_m")
        equal = snaps is None and not planes
        first, last = (h, h) if equal else (float(inner[1] - inner[0]), float(inner[-1] - inner[-2]))
        left, right = (_air(solver, d, wave, coarsest, r) for d, r in zip((first, last), reach, strict=True))
        below = inner[0] - np.cumsum([*left, *[left[-1]] * cells])[::-1]
        above = inner[-1] + np.cumsum([*right, *[right[-1]] * cells])
        nodes.append(np.concatenate([below, inner, above]))
        corner.append(len(below) + before)
        source_low.append(len(below))
        source_high.append(len(below) + len(inner) - 1)
    source = (_triple(source_low), _triple(source_high))
    grid, slowdown = RectilinearGrid(*nodes), 1.0
    if snaps is not None or planes:
        alone = RectilinearGrid(*(h * np.arange(3) for h in steps))
        slowdown = max(1.0, stable_step(alone) / stable_step(grid))
    if snaps is not None:
        warn_left_off(left_off)
        warn_slow(slowdown, min(float(grid.steps(a).min()) for a in range(3)), min(steps))
    return Domain(grid, phantom, _triple(corner), factor, cells, source, slowdown, tuple(planes) or None)


def _snapped(
    snap: Snap, exposure: Exposure, axis: int, core: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, int, list[float]]:
    """Planes through body and source, number of the body's first one, and the coil's planes left off."""
    # Where tissue reaches the end of its grid the next cell is alike, so that edges there are those of equal voxels.
    body, start = np.moveaxis(np.asarray(exposure.phantom.body, bool), axis, 0), core[0]
    below = [core[0] - (core[1] - core[0])] if body[0].any() else []
    above = [core[-1] + (core[-1] - core[-2])] if body[-1].any() else []
    core = np.concatenate([below, core, above])
    inner, left_off = snap.around(core, min(low, float(core[0])), max(high, float(core[-1])))
    return inner, int(np.searchsorted(inner, start)), left_off


def refinement(solver: FdtdOptions, phantom: Grid) -> int:
    """Cells per voxel that the wanted spacing asks for.

    Raises
    ------
    InputError
        When voxels would have to be merged.
    """
    if solver.spacing_m is None:
        return 1
    ratio = max(phantom.spacing_m) / solver.spacing_m
    if ratio < 1 - 1e-6:
        raise InputError(
            "cells larger than the voxels of the phantom",
            field="spacing_m",
            found=solver.spacing_m,
            expected=f"at most {min(phantom.spacing_m):g} m, or phantom.resample({solver.spacing_m:g}) first",
        )
    return math.ceil(ratio - 1e-6)


def source_extent(coil: object) -> tuple[Vector, Vector]:
    """Corners of the box around a coil and its shield [m]."""
    low, high = coil.extent_m  # type: ignore[attr-defined]
    shield = getattr(coil, "shield", None)
    if shield is None:
        return low, high
    reach = (shield.radius_m, shield.radius_m, 0.5 * shield.length_m)
    (x0, y0, z0), (x1, y1, z1) = (
        [pick(end, c + side * r) for end, c, r in zip(ends, shield.centre_m, reach, strict=True)]
        for ends, side, pick in ((low, -1, min), (high, 1, max))
    )
    return (x0, y0, z0), (x1, y1, z1)


def _reach(solver: FdtdOptions, axis: int, side: int, inner: np.ndarray, wave: bool, h: float) -> float:
    """Air beyond body and source on one side, where cells have the size h [m]."""
    least = (LEAST_CLEARANCE + (WAVE_BOX if wave else 0)) * h
    if solver.bounds_m is None:
        margin = max(default_margin(h), least) if solver.margin_m is None else solver.margin_m
    else:
        margin = (inner[0] - solver.bounds_m[0][axis]) if side == 0 else solver.bounds_m[1][axis] - inner[-1]
    if margin < least * (1 - 1e-6):
        field = "margin_m" if solver.bounds_m is None else "bounds_m"
        wall = "the absorber" if solver.walls == "cpml" else "the wall"
        raise InputError(
            f"body or source too close to {wall} on the {'low' if side == 0 else 'high'} {'xyz'[axis]} side",
            field=field,
            found=f"{1e3 * margin:.3g} mm of air",
            expected=f"at least {1e3 * least:.3g} mm",
        )
    return margin


def _require_few(cells: float, axis: int, field: str) -> None:
    if cells > MOST_CELLS:
        raise InputError(
            f"too many cells along {'xyz'[axis]}",
            field=field,
            found=f"{cells:.3g} cells",
            expected=f"at most {MOST_CELLS}",
        )


def _triple(values: list[int]) -> Shape:
    return values[0], values[1], values[2]


def default_margin(h: float) -> float:
    """Air between the source and the absorber unless told otherwise [m]."""
    return max(0.06, 6 * h)


def _air(solver: FdtdOptions, h: float, wave: bool, coarsest: float, reach: float) -> list[float]:
    """Steps from the inner box outwards until at least ``reach`` is covered."""
    # The box of a plane wave and the first cells around a source keep the fine step.
    steps = [h] * (LEAST_CLEARANCE + (WAVE_BOX if wave else 0))
    total = sum(steps)
    growth = 1.0 if wave else solver.growth
    while total < reach * (1 - 1e-9):
        steps.append(max(steps[-1], min(steps[-1] * growth, coarsest)))
        total += steps[-1]
    return steps


def check_tissues(exposure: Exposure, frequency_Hz: float, solver: FdtdOptions) -> float | None:
    """Cells per wavelength in the densest tissue, None without tissue; raises InputError for tissues of no use."""
    phantom = exposure.tissue
    low, high = bounding_box(np.asarray(phantom.body, bool))
    if min(h - a for a, h in zip(low, high, strict=True)) == 0:
        return None
    present = [phantom.tissues[i] for i in np.unique(phantom.labels) if i]
    eps = np.array([t.complex_permittivity(frequency_Hz) for t in present])
    if not np.all(np.isfinite(eps)) or eps.imag.max() > 0 or eps.real.min() < 1:
        raise InputError(
            "permittivity of a tissue cannot be used",
            field="phantom",
            expected="finite values, a permittivity >= 1 and a conductivity >= 0",
        )
    h = max(phantom.grid.spacing_m)
    h = min(h, solver.spacing_m) if solver.spacing_m is not None else h
    return cells_per_wavelength(eps, frequency_Hz, h)
