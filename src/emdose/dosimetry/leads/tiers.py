"""Field quantities of ISO/TS 10974 for leads: rms field averaged over 10 g, and the bounds of tiers 1 and 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from emdose.checks import fits, positive
from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.leads.tier3 import quantity_unit
from emdose.dosimetry.sar import body_properties, mean_square
from emdose.errors import InputError
from emdose.models.grids.grid import Vector
from emdose.models.leads import TransferFunction
from emdose.values import read_only

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields

TIERS = {
    1: "largest field anywhere in the body",
    2: "largest field in the region of the lead",
    3: "transfer function with the tangential field along the lead",
    4: "full simulation with the implant",
}
"""Tiers of ISO/TS 10974, clause 8, by what each takes for the field at the lead."""


@read_only
@dataclass(frozen=True)
class TierBound:
    """Bound of the quantity of a lead by the largest field of a region.

    Parameters
    ----------
    tier : int
        1 anywhere in the body, 2 in a region.
    E_rms_V_m : float
        Largest field, rms over time and over 10 g [V/m].
    location_m : (float, float, float)
        Where it is [m].
    value : float
        A (sqrt(2) E int abs(S) dl)^2: what this field does when it lies along the lead in the worst phase [``unit``].
    unit : str
        Its unit.
    """

    tier: int
    E_rms_V_m: float
    location_m: Vector
    value: float
    unit: str


def averaged_E(fields: Fields, phantom: Phantom, mass_kg: float = 10e-3) -> np.ndarray:
    """Rms electric field, averaged over cubes of a mass, (nx, ny, nz) [V/m].

    The square of the rms of peak phasors, abs(E)^2 / 2, is averaged over mass as SAR is, and the root taken.

    Parameters
    ----------
    fields : Fields
        Fields of one drive.
    phantom : Phantom
        The body they were computed for.
    mass_kg : float
        Averaging mass, 10 g in ISO/TS 10974 [kg].

    Raises
    ------
    InputError
        When ports are not combined, or the fields are those of another body.
    """
    fields.require_driven()
    positive("mass_kg", mass_kg)
    density, _ = body_properties(fields, phantom)
    square = np.where(density > 0, 0.5 * mean_square(fields.E[0]), 0.0).astype(float)
    return np.asarray(np.sqrt(mass_average(square, density, fields.grid.spacing_m, mass_kg).value))


def tier1(transfer_function: TransferFunction, fields: Fields, phantom: Phantom) -> TierBound:
    """Bound of tier 1: the largest field anywhere in the body, 10 g, along all of the lead in the worst phase.

    Parameters
    ----------
    transfer_function : TransferFunction
        Of the lead.
    fields : Fields
        Fields of one drive, without the lead.
    phantom : Phantom
        Their body.
    """
    return _bound(1, transfer_function, fields, phantom, np.asarray(phantom.body))


def tier2(transfer_function: TransferFunction, fields: Fields, phantom: Phantom, region: np.ndarray) -> TierBound:
    """Bound of tier 2: as :func:`tier1`, of the largest field in a region.

    Parameters
    ----------
    transfer_function, fields, phantom
        As of :func:`tier1`.
    region : (nx, ny, nz) bool ndarray
        Where the lead may lie.

    Raises
    ------
    InputError
        When the region does not fit the grid or holds no tissue.
    """
    fits("region", region, phantom.grid.shape, problem="region does not fit the grid")
    return _bound(2, transfer_function, fields, phantom, np.asarray(region, bool) & np.asarray(phantom.body))


def _bound(tier: int, tf: TransferFunction, fields: Fields, phantom: Phantom, where: np.ndarray) -> TierBound:
    tf.require(fields.frequency_Hz)
    if not where.any():
        raise InputError("no tissue in this region", field="region", expected="at least one voxel of tissue")
    E = np.where(where, averaged_E(fields, phantom), -1.0)
    at = np.unravel_index(int(E.argmax()), E.shape)
    size = float(E[at])
    reach = float(np.trapezoid(np.abs(tf.values), tf.distance_m))
    amplitude = size if tf.field_amplitude == "rms" else float(np.sqrt(2)) * size
    scale, unit = (1.0, "V^2") if tf.scale is None else (tf.scale, quantity_unit(tf.scale_unit))
    place = tuple(float(fields.grid.centres(a)[i]) for a, i in enumerate(at))
    return TierBound(tier, size, place, scale * (amplitude * reach) ** 2, unit)  # type: ignore[arg-type]
