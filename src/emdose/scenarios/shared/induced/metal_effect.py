"""Fields in tissue beside an implant, without and with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.models.implants.implanted_body import implanted
from emdose.uncertainty.discretisation import KIND, refinement

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implant import Implant
    from emdose.models.implants.implanted_body import ImplantedBody
    from emdose.solvers.results.induced import InducedField

NEAR_m = 0.01
"""From metal, where fields without and with it are compared."""
IMPLANTED = " with the implant"
"""What the name of a map with the implant ends in."""
BASIS = "change between two grids with the metal, times 3; at least that of the field without it"
RATIO = "with over without the implant, within 10 mm"


def beside_metal(
    metal: np.ndarray, body: InducedField, without: np.ndarray, implanted: InducedField, beside: np.ndarray
) -> dict[str, float]:
    """99.9th percentile of |E|, largest over time, in tissue beside the implant, "without" and "with" it [V/m].

    Empty where no voxel's centre is so near.

    Parameters
    ----------
    metal : (nx, ny, nz) bool ndarray
        Voxels of metal.
    body, implanted : InducedField
        Fields without and with the implant.
    without, beside : (m,) ndarray
        Largest |E| over time of every voxel of either that conducts [V/m].
    """
    from scipy import ndimage

    spacing = body.phantom.grid.spacing_m
    near = (ndimage.distance_transform_edt(~metal, sampling=spacing) <= NEAR_m) & ~metal
    pairs = {"without": _near(body, without, near), "with": _near(implanted, beside, near)}
    if not all(len(E) for E in pairs.values()):
        return {}  # voxels larger than that
    return {k: float(np.percentile(E, 99.9)) for k, E in pairs.items()}


def _near(induced: InducedField, values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Values (m,) of the voxels that conduct where a mask (nx, ny, nz) is set."""
    return np.asarray(values[near.reshape(-1)[induced.cells]])


def beside_numbers(near: Mapping[str, float]) -> dict[str, tuple[float, str]]:
    """Both of :func:`beside_metal` and their ratio, by the names of quantities, with their units."""
    found: dict[str, tuple[float, str]] = {
        f"E 99.9 % within 10 mm of the metal, {k}": (v, "V/m") for k, v in near.items()
    }
    return found | ({RATIO: (near["with"] / near["without"], "1")} if near.get("without", 0) > 0 else {})


def told_numbers(
    fine: Mapping[str, tuple[float, str]],
    coarse: Mapping[str, tuple[float, str]] | None,
    relative: float | None,
    spacings_m: Sequence[float],
) -> dict[str, dict[str, Any]]:
    """Numbers with metal as entries of quantities, each with what voxels leave uncertain of it.

    The field beside metal settles later than that of the body: both grids have the metal. A number that the coarser one
    does not have, as its voxels are too large for 10 mm, states no uncertainty.

    Parameters
    ----------
    fine, coarse : mapping of str to (float, str)
        Values and units on both grids.
    relative : float, optional
        Relative expanded uncertainty of E in the body without metal, the least one; None without a second grid.
    spacings_m : (float, float)
        Voxels of both grids [m].
    """
    found: dict[str, dict[str, Any]] = {}
    for key, (value, unit) in fine.items():
        found[key] = {"value": float(value), "unit": unit}
        other = None if coarse is None else coarse.get(key)
        if relative is None or other is None or not value > 0:
            continue
        share = max(relative, refinement(list(spacings_m), [float(value), other[0]]).relative)
        found[key]["uncertainty"] = {"expanded": share * float(value), "k": 2, "basis": BASIS, "kind": KIND}
    return found


def implanted_or_none(body: Phantom | None, implant: Implant | None) -> ImplantedBody | None:
    """A body with the implant; None where there is no body, no implant, or it does not lie in this body."""
    if body is None or implant is None:
        return None
    try:
        return implanted(body, [implant])
    except InputError:
        return None


def metal_of(tables: Any, file: object = None) -> Any:
    """The implant of a scenario in its pose, or None."""
    if tables.implant is None:
        return None
    from emdose.scenarios.shared.implants import building
    from emdose.scenarios.shared.tables import blamed_on

    with blamed_on(file, "implant"):
        return building.implant(tables, file)
