"""From the tables of a ``lead`` scenario to the lead, its transfer function and its paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.leads.transfer_functions import read_transfer_function
from emdose.models.leads import Lead, TransferFunction, paths_around
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.leads.transfer import CURRENT, transfer_function

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.lead.schema import LeadScenario, LeadTable

PLACEHOLDER_RADIUS_M = 5e-4
"""Radius of the conductor of a lead whose transfer function was measured: nothing depends on it [m]."""


def lead(table: LeadTable, file: object = None) -> Lead:
    """The lead along its nominal path.

    Raises
    ------
    InputError
        When the table makes no lead.
    """
    ends = ("bare_tip_m", "bare_end_m", "bare_radius_m")
    keys = ("coat_radius_m", "coat_permittivity", *ends, "conductivity_S_m", "inductance_H_m")
    radius = table.conductor_radius_m or PLACEHOLDER_RADIUS_M
    with blamed_on(file, "lead"):
        return Lead(np.array(table.path_m), radius, **{k: getattr(table, k) for k in keys}, name=table.name)


def transfer(tables: LeadScenario, one: Lead, frequency_Hz: float, file: object = None) -> TransferFunction:
    """The transfer function, read or computed.

    Raises
    ------
    InputError
        For a file of another frequency or medium, or of no known time convention; for a lead without a tip.
    """
    table = tables.transfer_function
    with blamed_on(file, "transfer_function"):
        if table.file is not None:
            more: dict[str, Any] = {} if table.scale is None else {"scale": table.scale, "scale_unit": table.scale_unit}
            return read_transfer_function(
                table.file,
                frequency_Hz,
                permittivity=table.permittivity,
                conductivity_S_m=table.conductivity_S_m,
                time_convention=table.time_convention,
                unit=table.length_unit,
                **more,
            )
        if table.permittivity is None or table.conductivity_S_m is None:
            raise InputError("medium unknown", field="permittivity")
        return transfer_function(
            one,
            frequency_Hz,
            table.permittivity,
            table.conductivity_S_m,
            quantity=table.quantity or CURRENT,
            tip_ball_m=tables.lead.tip_ball_m,
            end_ball_m=tables.lead.end_ball_m,
        )


def paths(tables: LeadScenario, one: Lead, body: Phantom, file: object = None) -> list[np.ndarray]:
    """The nominal path and those around it, in the tissue of a body."""
    table = tables.paths
    if table.count == 1 or not (table.spread_m or table.tip_spread_m):
        return [one.path_m]
    with blamed_on(file, "paths"):
        around = paths_around(
            one,
            table.count - 1,
            max(table.spread_m, 1e-6),
            tip_spread_m=table.tip_spread_m,
            bends=table.bends,
            phantom=body,
            seed=table.seed,
        )
    return [one.path_m, *around]
