"""The region of a body that metal may take up, its edges, and what their answers will take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import array
from emdose.errors import InputError, ResourceError
from emdose.models.grids.grid import Grid, Vector
from emdose.solvers.running import Plan, plural
from emdose.solvers.vie.library.part_of_body import voxels_around
from emdose.solvers.vie.problem import plan_body
from emdose.solvers.yee_grid.edge_materials import metal_edges
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.bodies import Phantom
    from emdose.solvers.vie.options import VieOptions

Region = np.ndarray | Sequence[Vector]
BATCH = 8
"""Edges whose answers are solved for together: more of them cost more in keeping directions apart than they save."""
DIRECTIONS = 8
"""Directions that each of them is given."""
PRODUCTS = 9
"""Products that each of them costs, as measured."""
MANY = 300
"""Edges from which on a body that is small enough is inverted as a dense matrix."""
SHARE = 0.4
"""Of the free memory that kept answers may take by default."""


@read_only
@dataclass(frozen=True, kw_only=True)
class LibraryPlan(Plan):
    """What the answers of a region will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    edges : int
        Edges of the region: as many bodies are solved.
    kept : {"answers", "couplings"}
        Whether currents of the whole body are kept for every edge, or those on the region alone.
    file_bytes : int
        What is kept.
    around, part : int
        Voxels around the region, and unknowns of the two together, that are inverted as a dense matrix, so that the
        whole body is solved for some of the edges alone; 0 where it is solved for all.
    """

    edges: int
    kept: str
    file_bytes: int
    around: int = 0
    part: int = 0

    @property
    def what(self) -> str:
        """Edges, unknowns, and what is kept."""
        return f"{self.kept} of {plural(self.edges, 'edge')}, {self.size} unknowns each"


def region_mask(grid: Grid, region: Region) -> np.ndarray:
    """Voxels (nx, ny, nz) of a region.

    Parameters
    ----------
    grid : Grid
        Of the body.
    region : (nx, ny, nz) bool ndarray or two points
        The voxels themselves, or two corners (x, y, z) of a box [m] that every voxel with a part in it belongs to.

    Raises
    ------
    InputError
        When it is neither, or holds no voxel.
    """
    if isinstance(region, np.ndarray) and region.dtype == bool:
        if region.shape != grid.shape:
            raise InputError(
                "region does not fit the grid", field="region", found=region.shape, expected=str(grid.shape)
            )
        mask = region
    else:
        low, high = array("region", region, (2, 3), problem="bad region: neither a mask nor two corners")
        parts = []
        for axis in range(3):
            nodes = grid.nodes(axis)
            slack = 1e-6 * grid.spacing_m[axis]
            parts.append((nodes[1:] > low[axis] + slack) & (nodes[:-1] < high[axis] - slack))
        mask = parts[0][:, None, None] & parts[1][None, :, None] & parts[2][None, None, :]
    if not mask.any():
        raise InputError("region without a voxel", field="region", expected="two corners within the body, low and high")
    return np.ascontiguousarray(mask)


def plan_library(
    options: VieOptions,
    phantom: Phantom,
    frequency_Hz: float,
    mask: np.ndarray,
    keep: str,
    be: Backend,
    compress: bool | str = "auto",
) -> LibraryPlan:
    """What the answers of a region will take.

    Raises
    ------
    InputError, ResourceError
        As :meth:`emdose.Vie.plan`; where not even the couplings fit the memory.
    """
    body = plan_body(options, phantom, frequency_Hz, 1, be)
    near = _near(np.asarray(phantom.body, bool))
    edges = int(np.count_nonzero(metal_edges(mask) & near))
    unknowns = int(np.count_nonzero(near))
    answers, couplings = 8 * edges * unknowns, 16 * edges**2
    free = be.memory_free_bytes()
    if keep == "auto":
        keep = "answers" if answers < SHARE * free else "couplings"
    file_bytes = couplings + (answers if keep == "answers" else 0)
    count = min(BATCH, edges)
    need = body.bytes + file_bytes + couplings + (2 * DIRECTIONS + 12) * count * unknowns * 16
    around, part = 0, 0
    if compress is True or (compress == "auto" and edges >= MANY):
        around, part = voxels_around(phantom, mask, edges, free - need)
        if compress == "auto" and part < unknowns:
            around, part = 0, 0
    # Of a region's edges about those on its surface are solved for.
    solved = edges if not part else 0 if part == unknowns else min(edges, 6 * 2 * (edges / 3) ** (2 / 3))
    need += 8 * part**2 + 16 * part * edges * (part > 0) + 8 * solved * unknowns * (part > 0)
    if need > 0.9 * free:
        raise ResourceError(
            f"{keep} of {edges} edges need {need / 2**30:.3g} GiB but {free / 2**30:.3g} GiB are free on {be.name}; "
            'a smaller region or larger voxels would fit, as may keep="couplings"'
        )
    padded = math.prod(body.fft_shape)
    rate = {"cpu": 3e-7, "cuda": 1.2e-9}[be.name]  # seconds per padded point and product, the preconditioner included
    return LibraryPlan(
        bytes=int(need),
        seconds=float(solved * PRODUCTS * rate * padded + 1e-10 * part**3),
        size=unknowns,
        device=be.name,
        edges=edges,
        kept=keep,
        file_bytes=int(file_bytes),
        around=around,
        part=part,
    )


def _near(body: np.ndarray) -> np.ndarray:
    """Edges (3, nodes) that one at least of four voxels makes tissue."""
    return metal_edges(body)
