"""SAR averaged over a mass of tissue, by the plan that fits the voxels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from emdose.compute import backend
from emdose.compute.backend import Backend
from emdose.compute.shared import Shared, from_shared, key_of
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.averaging.cubic import AveragingPlan
from emdose.dosimetry.averaging.graded import GradedAveragingPlan
from emdose.errors import InputError
from emdose.values import owned


def mass_average(
    sar: Any, density: Any, spacing_m: Any, mass_kg: float, device: str | Backend = "auto", metal: Any = None
) -> MassAverage:
    """SAR averaged over cubes of tissue of a given mass.

    Parameters
    ----------
    sar : SarMap or (nx, ny, nz) array
        Point SAR [W/kg]; what stands in the background is ignored.
    density : (nx, ny, nz) array
        Mass density [kg/m^3]; <= 0 is background, and so is NaN where the SAR is 0 or NaN.
    spacing_m : float, (float, float, float) or three arrays (nx,), (ny,), (nz,)
        Voxel edges [m]; they may differ by axis and along an axis.
    mass_kg : float
        Averaging mass, such as 10e-3 [kg].
    device : {"auto", "cpu", "cuda"} or Backend
        Where to compute; the result lives where ``sar`` lives.
    metal : (nx, ny, nz) bool array, optional
        Voxels of metal: neither tissue nor background, so that cubes grow over it.

    Raises
    ------
    InputError
        For maps that do not fit each other, SAR that is negative or not finite in tissue or stands where the density is
        NaN, densities and voxels that are none of a body, a mass that is not positive or that the body does not hold.
    ResourceError
        When the tables do not fit the memory.

    Source: IEC/IEEE 62704-1:2017; see :mod:`emdose.dosimetry.averaging.cubic` for the steps.
    """
    values = getattr(sar, "value", sar)
    _known_where(values, density)
    plan = averaging_plan(density, spacing_m, mass_kg, device=device, metal=metal)
    low = plan.lowest(values, "SAR")
    if low < 0:
        raise InputError("SAR is negative", field="sar", found=low, expected="values >= 0 W/kg")
    average = plan.apply(values)
    # The difference of two large sums may leave -1e-20 where there is no power at all.
    return replace(average, value=owned(average.value.clip(0, None)))


def _known_where(values: Any, density: Any) -> None:
    """Raise InputError when the density is not a number where there is SAR: a peak would be lost as background."""
    values, density = (backend.of(a).asarray(a) for a in (values, density))
    if density.dtype.kind != "f" or values.shape != density.shape or values.dtype.kind not in "fiu":
        return  # nothing is unknown, or the plan refuses it
    be = backend.of(density)
    lost = int((be.xp.isnan(density) & (be.asarray(values) > 0)).sum())
    if lost:
        raise InputError(
            f"SAR without a density in {lost} voxels",
            field="density",
            found="NaN",
            expected="kg/m^3 wherever there is SAR; 0 says that a voxel is background",
        )


def averaging_plan(
    density: Any, spacing_m: Any, mass_kg: float, device: str | Backend = "auto", metal: Any = None
) -> Any:
    """The plan that fits the voxels: :class:`AveragingPlan` for equal cubes, else the one for graded voxels.

    Parameters and errors as in :func:`mass_average`.
    """
    if _are_cubes(spacing_m):
        return AveragingPlan(density, spacing_m, mass_kg, device=device, metal=metal)
    return GradedAveragingPlan(density, spacing_m, mass_kg, device=device, metal=metal)


def shared_averaging_plan(
    shared: Shared | None, density: Any, spacing_m: Any, mass_kg: float, device: str | Backend = "auto"
) -> Any:
    """As :func:`averaging_plan`, from a memo where there is one: several runs of a body have the same."""
    name = device if isinstance(device, str) else device.name
    return from_shared(
        shared,
        lambda: key_of("averaging plan", density, spacing_m, mass_kg, name),
        lambda: averaging_plan(density, spacing_m, mass_kg, device=device),
    )


def _are_cubes(spacing_m: Any) -> bool:
    """Whether the voxels are equal cubes; also for what is no spacing at all, which AveragingPlan then refuses."""
    try:
        edges = np.asarray(spacing_m, float)
    except (TypeError, ValueError):  # arrays of different lengths
        return False
    return edges.ndim < 2 and (edges.shape != (3,) or not np.ptp(edges) > 1e-6 * edges.max())
