"""What the heat of an ``implant-gradient`` run will take, told before the eddy currents are solved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.compute import backend
from emdose.errors import ResourceError
from emdose.scenarios.kinds.implant_gradient.heating import AT_ONCE, TOGETHER, WINDOW_MARGIN_m
from emdose.solvers.heat.directions import PAIRS
from emdose.solvers.heat.options import BioheatOptions, HeatPlan, plan
from emdose.solvers.results.orientations import rotations
from emdose.solvers.running import size

if TYPE_CHECKING:
    from emdose.models.grids.split import Window
    from emdose.scenarios.kinds.implant_gradient.schema import ImplantThermalTable
    from emdose.scenarios.shared.implants.exposures import BuiltExposure
    from emdose.solvers.heat.near_metal import MetalBody

TURNED = 20
"""Orientations counted for a sequence; 14 and 15 were found for rods and hips in the fields of coils."""
MAPS_BYTES = 80
"""What the maps of the heat hold per cell [bytes]."""
TURNS_BYTES, TURN_BYTES = 8 * 2**20, 24
"""What the search over orientations of a sequence takes besides: in all, and per orientation and tensor entry."""
SPLIT_BYTES = 8 * 2**20
"""What cells of several sizes take besides, measured on grids of 30 000 and 100 000 of them."""
REMEDY = "larger thermal.spacing_m or solver.spacing_m, or a smaller thermal.margin_m, cells_across or curve_points"


def heat_plan(
    table: ImplantThermalTable,
    metal: MetalBody,
    exposures: Sequence[BuiltExposure],
    places: int,
    losses: tuple[int, int, int],
    device: str,
    rf: bool,
) -> HeatPlan:
    """What the heat of all exposures will take at its peak, the power tensor that it comes from included.

    How many orientations stand for all of a sequence is known only after the solution. They are solved a few at a time,
    so that every one that is not counted here adds no more than its final rises.

    Parameters
    ----------
    table : ImplantThermalTable
        Options of the heat.
    metal : MetalBody
        The metal in what surrounds it.
    exposures : sequence of BuiltExposure
        Those of the scenario.
    places : int
        Exposures that are heated a second time, at the worst place of the bore.
    losses : (int, int, int)
        Frequencies, sources and voxels of the power tensor.
    device : str
        "cpu" or "cuda".
    rf : bool
        Whether RF heats as well.

    Raises
    ------
    ResourceError
        When it does not fit the memory.
    """
    frequencies, sources, voxels = losses
    be, cells, count = backend.get(device), metal.cells, int(rf)
    active, kept = cells.cells_of(_used(metal)), cells.cells_of(metal.window(WINDOW_MARGIN_m))
    turned = min(TURNED, frequencies * sources**2)
    groups: dict[float, list[int]] = {}
    for one in exposures:
        groups.setdefault(one.duration_s, []).append(turned if one.matrix is not None else len(PAIRS))
    # The worst places join the exposures that they are made of.
    for one in [e for e in exposures if e.by_coils][:places]:
        groups[one.duration_s].append(turned)
    tensor = 8 * frequencies * sources**2 * voxels
    seconds, found, all_cells = 0.0, [], math.prod(cells.shape)
    options = BioheatOptions()
    for basis in groups.values():
        searched, pairs = sum(basis), 2 * len(basis)
        final = pairs + count * (len(basis) + 1)
        first = plan(options, cells.shape, active, 1, min(searched, TOGETHER), 1, be)
        last = plan(options, cells.shape, active, _cells(kept), final, table.curve_points, be)
        seconds += first.seconds * math.ceil(searched / TOGETHER) + last.seconds
        # Final rises of what has been solved, and the densities of all, stay while the next ones are solved.
        beside = 4 * (searched + count) * all_cells + 16 * searched * voxels
        # The power of sources in cells of several sizes is summed in double precision.
        summed = 16 * all_cells if cells.is_split else 0
        host = (0, 0)
        if be.name == "cpu":
            host = (
                tensor + beside + summed * min(searched, TOGETHER),
                tensor + 16 * final * voxels + summed * final,
            )
        found += [replace(p, bytes=p.bytes + h) for p, h in zip((first, last), host, strict=True)]
        if be.name == "cpu":
            # The search copies the rises of one exposure: those of directions in double precision, and more than once.
            copies = max(8 * turned if turned in basis else 0, 30 * len(PAIRS) if len(PAIRS) in basis else 0)
            search = tensor + beside + (MAPS_BYTES + copies) * all_cells + 16 * AT_ONCE
            if turned in basis:
                search += TURNS_BYTES + TURN_BYTES * len(rotations()) * frequencies * sources**2
            found.append(replace(first, bytes=search))
    largest = max(found, key=lambda p: p.bytes)
    largest = replace(largest, bytes=largest.bytes + (SPLIT_BYTES if cells.is_split else 0), seconds=seconds)
    free = be.memory_free_bytes()
    if largest.bytes > free:
        raise ResourceError(
            f"{largest.what}, needs {size(largest.bytes)} with the power of {voxels} voxels of metal, but {size(free)} "
            f"are free on {be.name}: {REMEDY} would fit"
        )
    return largest


def _used(metal: MetalBody) -> Window:
    """The smallest box of voxels that holds body and metal."""
    used = np.argwhere(metal.phantom.body | (metal.coarse.fraction > 0))
    low, high = used.min(axis=0), used.max(axis=0) + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))  # type: ignore[return-value]


def _cells(window: Window) -> int:
    return math.prod(s.stop - s.start for s in window)
