r"""Voxels that are fine enough for the metal: how many lie across it, and which spacing the solver takes by itself.

A field in the plane of a sheet of N cells drives a power that is 1/N^2 too small. With walls of thickness t below the
areas of the surface, whose power goes with sigma t^3 per area, the error of the whole is about

.. math:: \frac{h^2 \sum \sigma \langle t \rangle A}{\sum \sigma \langle t^3 \rangle A} \, ,

which counts thin walls by the power that they carry. On a ball it is 0.6 of the error.

Source: P = sigma t^3 / 12 (dB/dt)^2 per area of a thin plate in a field along it (L. Landau and E. Lifshitz,
Electrodynamics of Continuous Media, 2nd ed., Pergamon 1984, sec. 59); midpoint rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from emdose.errors import InputError, ResourceError
from emdose.models.implants.implant import Implant
from emdose.models.implants.walls import SLACK, THINNEST, wall_thickness
from emdose.solvers.eddy.engines import GOOD, VOXEL_ERROR, skin_depth
from emdose.solvers.eddy.options import AUTO
from emdose.solvers.eddy.plan import KEPT, estimate

if TYPE_CHECKING:
    from emdose.compute.backend import Backend
    from emdose.models.implants.voxels import VoxelImplant
    from emdose.solvers.eddy.options import EddyOptions

LEAST_CELLS = 2.0
"""Voxels across the thinnest wall of every part; with one, a field along the wall drives no current at all."""
WEAK = 1.7
"""Error over that of the midpoint rule, on a ball."""
COARSER = 1.15
"""Step from a spacing that does not fit to the next one."""
MOST_VOXELS = {"cpu": 1.5e6, "cuda": 3e7}
"""Metal voxels that a run may take on its own account, where it chooses or refines the step."""


def resolved(
    solver: EddyOptions, implant: Implant | VoxelImplant, frequencies_Hz: np.ndarray, sources: int, be: Backend
) -> EddyOptions:
    """The solver with a spacing in metres: the one that was asked for, if it will do, or one that fits the metal.

    Parameters
    ----------
    solver : EddyOptions
        Options.
    implant : Implant or VoxelImplant
        The metal; the spacing of voxels is their own.
    frequencies_Hz : (f,) ndarray
        Frequencies [Hz].
    sources : int
        Number of sources.
    be : Backend
        Device.

    Raises
    ------
    InputError
        When fewer than :data:`LEAST_CELLS` voxels lie across a wall; the text names a spacing that would do.
    ResourceError
        When voxels that are fine enough do not fit the memory.
    """
    if not isinstance(implant, Implant):
        return replace(solver, spacing_m=implant.grid.spacing_m)
    if solver.spacing_m == AUTO:
        return replace(solver, spacing_m=_chosen(solver, implant, frequencies_Hz, sources, be))
    if solver.engine != "thin-skin":
        _require_cells(implant, np.array(solver.edges_m), solver.richardson)
    return solver


def fits(
    solver: EddyOptions, implant: Implant, frequencies_Hz: np.ndarray, sources: int, be: Backend
) -> Callable[[np.ndarray], bool]:
    """Whether voxels of a spacing (3,) [m] may be taken without being asked for."""

    def within(spacing_m: np.ndarray) -> bool:
        planned = estimate(solver, implant, spacing_m, frequencies_Hz, sources, be)
        return planned.bytes < KEPT * be.memory_free_bytes() and planned.voxels < MOST_VOXELS[be.name]

    return within


def finer(spacing_m: np.ndarray, error: float, within: Callable[[np.ndarray], bool]) -> np.ndarray | None:
    """Smaller voxels that should bring an error below :data:`~emdose.solvers.eddy.engines.GOOD`, or None.

    Parameters
    ----------
    spacing_m : (3,) ndarray
        Voxels [m].
    error : float
        Part of the power that they leave out, which goes with the square of the spacing.
    within : callable
        Whether a spacing may be taken.
    """
    wanted = spacing_m * math.sqrt(0.9 * GOOD / error)
    while wanted.max() < 0.8 * spacing_m.max():
        if within(wanted):
            return wanted
        wanted = wanted * COARSER
    return None


def _chosen(
    solver: EddyOptions, implant: Implant, frequencies_Hz: np.ndarray, sources: int, be: Backend
) -> tuple[float, float, float]:
    size, thinnest = _sizes(implant)
    wanted = size * math.sqrt(GOOD / WEAK)
    if solver.engine == "voxel":
        sigma = max(m.conductivity_S_m for m in implant.metals)
        depth = float(skin_depth(frequencies_Hz.max(), sigma))
        wanted = min(wanted, depth * math.sqrt(GOOD / VOXEL_ERROR))
    most = thinnest / (LEAST_CELLS * (1 - SLACK) * (2 if solver.richardson else 1))
    step, within = min(wanted, most), fits(solver, implant, frequencies_Hz, sources, be)
    while not within(np.full(3, step)):
        if step >= most:
            planned = estimate(solver, implant, np.full(3, step), frequencies_Hz, sources, be)
            raise ResourceError(
                f"two voxels across the thinnest wall of {1e3 * thinnest:.3g} mm make {planned.voxels} voxels of metal "
                f"and need {planned.bytes / 2**30:.3g} GiB, more than a run takes by itself on {be.name}; give "
                "spacing_m, or leave thin parts out"
            )
        step = min(step * COARSER, most)
    # Three digits, so that plan, report and scenario say the spacing that is used.
    digits = 2 - math.floor(math.log10(step))
    step = math.floor(step * 10**digits) / 10**digits
    return (step, step, step)


def _sizes(implant: Implant) -> tuple[float, float]:
    """Thickness that the power of the walls goes with, and the thinnest wall [m]."""
    first, third, thinnest = 0.0, 0.0, math.inf
    for part, (points, ways) in zip(implant.parts, wall_thickness(implant), strict=True):
        if len(ways):
            local = _local_thickness(part.area_m2, points, ways)
            weight = part.metal.conductivity_S_m * part.area_m2 / len(ways)
            first, third = (x + weight * float((local**n).sum()) for x, n in ((first, 1), (third, 3)))
            thinnest = min(thinnest, _thinnest(np.linalg.norm(ways, axis=1)))
    smallest = min(implant.size_m)
    return (min(smallest, math.sqrt(third / first)) if first > 0 else smallest), min(thinnest, smallest)


def _local_thickness(area_m2: float, points: np.ndarray, ways: np.ndarray) -> np.ndarray:
    """Shortest way through the metal near the middle of every way: a way along a sheet is no thickness."""
    length = np.linalg.norm(ways, axis=1)
    between = (points + 0.5 * ways)[:, None] - points[None]
    along = np.clip(np.einsum("ijc,jc->ij", between, ways) / length**2, 0, 1)
    distance = np.linalg.norm(between - along[..., None] * ways, axis=2)
    near = distance <= np.maximum(length, 1.5 * math.sqrt(area_m2 / len(length)))
    return np.asarray(np.minimum(length, np.where(near, length, np.inf).min(axis=1)))


def least_cells(implant: Implant, spacing_m: np.ndarray) -> float:
    """Voxels across the thinnest wall of any part, over :data:`LEAST_CELLS`; infinite without walls."""
    found = [_thinnest(np.linalg.norm(ways / spacing_m, axis=1)) for _, ways in wall_thickness(implant) if len(ways)]
    return min(found, default=math.inf) / (LEAST_CELLS * (1 - SLACK))


def _require_cells(implant: Implant, spacing_m: np.ndarray, richardson: bool) -> None:
    least = LEAST_CELLS * (2 if richardson else 1)
    for part, (_, ways) in zip(implant.parts, wall_thickness(implant), strict=True):
        if not len(ways):
            continue
        across, wall = (_thinnest(np.linalg.norm(ways / step, axis=1)) for step in (spacing_m, 1.0))
        if across < least * (1 - SLACK):
            why = ", four for an extrapolation" if richardson else ""
            raise InputError(
                f"{across:.2g} voxels across the thinnest wall of '{part.name}'",
                field="spacing_m",
                found=" x ".join(f"{1e3 * s:.4g}" for s in spacing_m) + " mm",
                expected=f"at least {LEAST_CELLS:g} voxels{why}: at most {1e3 * wall / least:.3g} mm; "
                f'10 of them, {1e2 * wall:.2g} mm, leave out 1 % of the power of a field along it; or "{AUTO}"',
            )


def _thinnest(values: np.ndarray) -> float:
    return float(np.sort(values)[int(THINNEST * len(values))])
