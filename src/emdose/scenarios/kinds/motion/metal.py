"""What an implant changes in a body that moves: E in tissue beside it, and what the metal feels itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.induced.tissue_table import InducedTable, induced_table
from emdose.mechanics.metal_courses import MetalCourse, metal_course
from emdose.mechanics.moments import MomentTensor, moment_tensor, rest_frequency
from emdose.scenarios.shared.implants.kept_tensor import kept_tensor
from emdose.scenarios.shared.induced.metal_effect import beside_metal, beside_numbers, told_numbers
from emdose.scenarios.shared.induced.parts import tissue
from emdose.solvers.eddy.solver import EddyCurrent
from emdose.solvers.moving.reduced import peaks

if TYPE_CHECKING:
    from emdose.compute.shared import Shared
    from emdose.models.implants.implant import Implant
    from emdose.scenarios.kinds.motion.build import Movement
    from emdose.scenarios.kinds.motion.setting import MotionSetting, SolvedPart
    from emdose.solvers.moving.course import MotionCourse
    from emdose.solvers.results.induced import InducedField
    from emdose.solvers.running import ProgressCallback

BASIS = "two grids of the power tensor, and how field and gradient vary over the metal"
FELT = {
    "torque of eddy currents on the implant": ("torque_N_m", "N m"),
    "drag of eddy currents on the implant": ("drag_N", "N"),
    "power of eddy currents in the implant": ("heat_W", "W"),
}
"""Largest of them over time."""


def moment(implant: Implant, device: str, progress: ProgressCallback | None, shared: Shared | None) -> MomentTensor:
    """Moment of the implant's eddy currents in slow motion, from the user's cache of power tensors or solved."""
    at = (rest_frequency(implant),)
    return moment_tensor(kept_tensor(implant, EddyCurrent(), at, "uniform", device, progress=progress, shared=shared))


def moment_arrays(found: MomentTensor, prefix: str) -> dict[str, np.ndarray]:
    """What of a moment tensor is kept: its values at rest, and their error."""
    return {f"{prefix}at_rest": found.for_motion(), f"{prefix}error": np.array(found.relative_error)}


def moment_of_arrays(arrays: Mapping[str, np.ndarray], prefix: str) -> MomentTensor | None:
    """Inverse of :func:`moment_arrays`; None where none was kept."""
    if f"{prefix}at_rest" not in arrays:
        return None
    return MomentTensor.of_motion(np.asarray(arrays[f"{prefix}at_rest"]), float(arrays[f"{prefix}error"]))


def numbers(
    setting: MotionSetting,
    movement: Movement,
    solved: SolvedPart,
    course: MotionCourse,
    drives: np.ndarray,
    relative: float | None,
) -> tuple[dict[str, dict[str, Any]], np.ndarray, dict[str, Any]]:
    """What the implant does along a trajectory.

    Parameters
    ----------
    setting : MotionSetting
        What was given.
    movement : Movement
        What moves.
    solved : SolvedPart
        The motions with and without the implant.
    course : MotionCourse
        The body without it.
    drives : (n, motions) ndarray
        Sums of motions at the moments when percentiles are largest.
    relative : float, optional
        Relative expanded uncertainty of E in the body without it by voxels.

    Returns
    -------
    dict
        Quantities.
    (m,) ndarray
        Largest |E| over time of every voxel with the implant [V/m].
    dict
        What the implant feels over time.
    """
    assert solved.implanted is not None
    assert solved.moment is not None
    table = induced_table(solved.implanted, drives, device=setting.device)
    fine, beside = _beside(solved.field.induced, solved.implanted, course.weights, table)
    coarse, h = None, [float(setting.body.spacing_m[0])]
    if solved.coarse is not None and solved.coarse_implanted is not None and setting.coarse_spacing_m is not None:
        larger = induced_table(solved.coarse_implanted, drives, device=setting.device)
        coarse, _ = _beside(solved.coarse, solved.coarse_implanted, course.weights, larger)
        h.append(setting.coarse_spacing_m)
    found = told_numbers(fine, coarse, relative, h)
    felt, varies = _felt(setting, movement, solved.moment, course.times_s)
    for key, (name, unit) in FELT.items():
        size = _size(getattr(felt, name))
        own = 2 * float(np.hypot(solved.moment.relative_error, varies[name]))
        found[key] = {
            "value": float(size.max()),
            "unit": unit,
            "uncertainty": {"expanded": own * float(size.max()), "k": 2, "basis": BASIS, "kind": "combined"},
        }
    told = {name: _size(getattr(felt, name)) for name, _ in FELT.values()}
    about = {"times_s": felt.times_s, "at_m": felt.at_m, **told, "tissues": [tissue(r) for r in table.rows]}
    return found, beside, about


def _beside(
    body: InducedField, implanted: InducedField, weights: np.ndarray, table: InducedTable
) -> tuple[dict[str, tuple[float, str]], np.ndarray]:
    """Numbers with the implant on one grid, with their units; and largest |E| of every voxel over time [V/m]."""
    assert implanted.implanted is not None
    without, beside = (peaks(field.E, weights) for field in (body, implanted))
    near = beside_metal(np.asarray(implanted.implanted.metal), body, without, implanted, beside)
    whole = {"E 99.9 % in 2 mm with the implant": (float(table.rows[0].cube.p999), "V/m")}
    return {**whole, **beside_numbers(near)}, beside


def _felt(
    setting: MotionSetting, movement: Movement, M: MomentTensor, times_s: np.ndarray
) -> tuple[MetalCourse, dict[str, float]]:
    """What metal feels that is all in its middle, and by which part of it that differs at the faces of its box."""
    assert setting.metal is not None
    low, high = (np.asarray(v, float) for v in setting.metal.implant.bounds_m)
    middle = 0.5 * (low + high)
    places = [middle, *(middle + s * 0.5 * (high - low) * axis for axis in np.eye(3) for s in (-1, 1))]
    courses = [metal_course(setting.magnet, movement.trajectory, M, at, times_s) for at in places]
    varies = {}
    for name, _ in FELT.values():
        here, *others = (_size(getattr(one, name)).max() for one in courses)
        # Field and gradient of a part of the metal in the place of those of all of it: half of the largest difference.
        varies[name] = 0.5 * max(abs(other / here - 1) for other in others) if here > 0 else 0.0
    return courses[0], varies


def _size(values: np.ndarray) -> np.ndarray:
    """Lengths of vectors over time, or the values themselves."""
    return np.asarray(values if values.ndim == 1 else np.linalg.norm(values, axis=1))
