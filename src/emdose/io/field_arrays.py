"""Fields of all ports as plain arrays, for what a run keeps of its solution, and back again bit for bit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk.run_files import to_json
from emdose.solvers.results.fields import Fields, PowerBalance
from emdose.solvers.results.lead_response import LeadResponse
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.implants.implanted_body import ImplantedBody

POWERS = ("absorbed_W", "extinction_W", "scattered_W", "lost_W")
LOST = "lost_W: "
"""What the names of arrays begin with that hold the losses in parts of a coil."""
LEAD = "lead "
"""The same of those that hold what leads do, before its kind and the lead's name."""
RESPONSE = ("distance_m", "current_A", "metal_W", "voxel", "node", "near_ohm")


def fields_arrays(fields: Fields) -> dict[str, np.ndarray]:
    """Everything in fields but body and metal, which are those of the exposure."""
    told = {
        "frequency_Hz": fields.frequency_Hz,
        "ports": fields.ports,
        "drives": list(fields.drives),
        "drive_unit": fields.drive_unit,
        "convergence": fields.convergence,
        "provenance": fields.provenance,
    }
    drives = np.array([np.asarray(v, complex) for v in fields.drives.values()]).reshape(-1, len(fields.ports))
    powers = {k: np.asarray(v) for k in POWERS if (v := getattr(fields.power, k)) is not None}
    powers |= {f"{LOST}{name}": np.asarray(v) for name, v in fields.power.lost_parts_W.items()}
    leads = {
        f"{LEAD}{key}: {name}": np.asarray(getattr(response, key))
        for name, response in fields.lead_currents.items()
        for key in RESPONSE
    }
    return {
        "E": np.asarray(fields.E),
        "B": np.asarray(fields.B),
        "residual": np.asarray(fields.residual),
        "drives": drives,
        "told": np.array(to_json(told, exact=True)),
        **powers,
        **leads,
    }


def fields_of_arrays(arrays: Mapping[str, np.ndarray], body: Phantom, metal: ImplantedBody | None = None) -> Fields:
    """Inverse of :func:`fields_arrays`; raises InputError for arrays that are not of this body.

    Parameters
    ----------
    arrays : mapping
        What was kept.
    body : Phantom
        The tissue that the fields are of.
    metal : ImplantedBody, optional
        The metal in it.
    """
    try:
        told: dict[str, Any] = json.loads(str(arrays["told"]))
        return Fields(
            grid=body.grid,
            frequency_Hz=told["frequency_Hz"],
            E=owned(arrays["E"]),
            B=owned(arrays["B"]),
            body=body.body,
            body_mass_kg=body.mass_kg,
            power=PowerBalance(
                **{k: arrays[k] for k in POWERS if k in arrays},
                lost_parts_W={k.removeprefix(LOST): v for k, v in arrays.items() if k.startswith(LOST)},
            ),
            ports=tuple(told["ports"]),
            drives=dict(zip(told["drives"], arrays["drives"], strict=True)),
            drive_unit=told["drive_unit"],
            residual=arrays["residual"],
            convergence=told["convergence"],
            provenance=told["provenance"],
            metal=metal,
            lead_currents=_leads(arrays),
        )
    except (KeyError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("damaged solution", found=f"{type(error).__name__}: {error}") from None


def _leads(arrays: Mapping[str, np.ndarray]) -> dict[str, LeadResponse]:
    first = f"{LEAD}{RESPONSE[0]}: "
    names = [key.removeprefix(first) for key in arrays if key.startswith(first)]
    return {name: LeadResponse(*(owned(arrays[f"{LEAD}{key}: {name}"]) for key in RESPONSE)) for name in names}
