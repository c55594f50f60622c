"""What a voxel solution of eddy currents will take, before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.constants import MU_0
from emdose.errors import ResourceError
from emdose.models.implants.implant import Implant
from emdose.solvers.running import Plan, plural
from emdose.solvers.yee_grid.green_convolution import CHUNK_BYTES, padded_shape
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.grids.grid import Shape
    from emdose.models.implants.voxels import VoxelImplant
    from emdose.solvers.eddy.options import EddyOptions

KEPT = 0.9
"""Part of the free memory that a job may plan with."""
HELD = {"cpu": 1.3, "cuda": 1.0}
"""Memory that arrays of the whole box take over their size: the allocator of the host holds back what is freed."""
BESIDE, CUTTING = 100, 400
"""Memory per triangle beside the solution, and while the surface is cut [bytes]."""
LEAST_BYTES = 700_000
"""What any solution takes."""


@read_only
@dataclass(frozen=True, kw_only=True)
class EddyPlan(Plan):
    """What eddy currents on voxels will take; see :class:`~emdose.solvers.running.Plan`.

    Parameters
    ----------
    shape : (int, int, int)
        Voxels of the box around the metal.
    voxels : int
        Those that hold metal.
    frequencies : int
        Frequencies to solve for.
    fft_shape : (int, int, int)
        Points of the transforms.
    steps : int
        Steps of the Lanczos process.
    skin_depth_over_step : float
        Skin depth at the highest frequency over the largest edge of a voxel.
    """

    shape: Shape
    voxels: int
    frequencies: int
    fft_shape: Shape
    steps: int
    skin_depth_over_step: float

    @property
    def what(self) -> str:
        """Voxels, currents and frequencies."""
        return (
            f"{' x '.join(map(str, self.shape))} voxels around the metal, {plural(self.size, 'current')}, "
            f"{self.frequencies} frequenc{'y' if self.frequencies == 1 else 'ies'}"
        )


def plan(
    solver: EddyOptions, implant: Implant | VoxelImplant, frequencies_Hz: np.ndarray, sources: int, be: Backend
) -> EddyPlan:
    """What a solution on voxels of the solver's own spacing will take.

    Raises
    ------
    ResourceError
        When it does not fit the memory; the text names what is needed and a spacing that would fit.
    """
    spacing = np.array(solver.edges_m)
    planned = estimate(solver, implant, spacing, frequencies_Hz, sources, be)
    free = be.memory_free_bytes()
    if planned.bytes > KEPT * free:
        fits = spacing.max() * (planned.bytes / (0.8 * free)) ** (1 / 3)
        elsewhere = ', or device="cpu", which is slower' if be.name == "cuda" else ""
        raise ResourceError(
            f"eddy currents on {planned.voxels} voxels with {sources} sources need "
            f"{planned.bytes / 2**30:.3g} GiB but {free / 2**30:.3g} GiB are free on {be.name}, of which a tenth is "
            f"kept back; a spacing of {1e3 * fits:.2g} mm would fit{elsewhere}"
        )
    return planned


def estimate(
    solver: EddyOptions,
    implant: Implant | VoxelImplant,
    spacing_m: np.ndarray,
    frequencies_Hz: np.ndarray,
    sources: int,
    be: Backend,
) -> EddyPlan:
    """What a solution on voxels of some spacing will take, whether it fits or not."""
    if isinstance(implant, Implant):
        low, high = (np.array(b) for b in implant.bounds_m)
        shape = tuple(int(n) + 2 for n in np.ceil((high - low) / spacing_m - 1e-6).clip(1))
        # Cut cells along the surface count beside those inside.
        area = sum(float(p.areas_m2.sum()) for p in implant.parts)
        cells = implant.volume_m3 / spacing_m.prod() + 0.7 * area * spacing_m.max() / spacing_m.prod()
        sigma = max(m.conductivity_S_m for m in implant.metals)
        triangles = sum(len(p.triangles) for p in implant.parts)
    else:
        spacing_m = np.array(implant.grid.spacing_m)
        shape = tuple(n + 2 for n in implant.grid.shape)
        cells = float(np.count_nonzero(implant.fraction))
        sigma, triangles = float(implant.conductivity.max()), 0
    cells = min(cells, float(math.prod(n - 2 for n in shape)))
    branches, box = 3 * cells, math.prod(shape)
    depth = math.sqrt(1 / (math.pi * float(frequencies_Hz.max()) * MU_0 * sigma))
    # The number of steps grows with the extent in skin depths and with the digits asked for: up to 20 in the tests.
    extent = sorted(n * h for n, h in zip(shape, spacing_m, strict=True))
    steps = min(solver.max_steps, math.ceil(1 - 0.2 * math.log10(solver.tolerance) * (1 + 0.6 * extent[1] / depth)))
    real = np.dtype(solver.dtype).itemsize
    big = padded_shape(shape, shape, (0, 0, 0), be)  # type: ignore[arg-type]
    pairs = (sources + 1) // 2
    copies = 3 if be.name == "cuda" else 1
    half = pairs * 3 * 2 * real * shape[0] * big[2] * (shape[1] + big[1])
    transform = copies * (half + min(CHUNK_BYTES[be.name], pairs * 6 * real * math.prod(big)))
    green = 2 * real * (big[0] // 2 + 1) * (big[1] // 2 + 1) * big[2]
    network = (3 * 8 + 6 * 4 + 3 * 4 + 2 * 8 + 4 * 8) * box
    operator = (6 + 3 + 3) * real * box + 10 * real * box
    vectors = (sources * (3 + 3 + 7) + pairs * 4 * 3 * 2) * real * box
    basis = (steps + 4) * sources * branches * real
    loss = len(frequencies_Hz) * sources**2 * cells * 8
    work = 4 * sources * branches * 2 * real
    seconds = steps * (
        pairs * 3 * 2 * math.prod(big) * {"cpu": 1.5e-8, "cuda": 1e-10}[be.name] * real / 4
        + sources * 12 * 60 * real * box / {"cpu": 1e10, "cuda": 1.5e12}[be.name]
    )
    seconds += len(frequencies_Hz) * sources**2 * box * {"cpu": 1e-7, "cuda": 1e-9}[be.name]
    boxes = HELD[be.name] * (network + green + transform + operator + vectors)
    if be.name == "cpu":
        boxes += BESIDE * triangles
    total = max(boxes + basis + loss + work, CUTTING * triangles) + LEAST_BYTES
    return EddyPlan(
        bytes=int(total),
        seconds=float(seconds),
        size=int(branches),
        device=be.name,
        shape=(shape[0] - 2, shape[1] - 2, shape[2] - 2),
        voxels=int(cells),
        frequencies=len(frequencies_Hz),
        fft_shape=big,
        steps=steps,
        skin_depth_over_step=depth / float(spacing_m.max()),
    )
