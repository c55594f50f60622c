"""Fields of finished runs, from the group /fields of result.h5."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.errors import InputError
from emdose.io.disk import datasets
from emdose.io.disk.run_files import RESULT_FILE, read_summary, require_intact, to_json
from emdose.io.field_arrays import LOST, RESPONSE
from emdose.scenarios.shared.convergence import summary_measures, summary_validity
from emdose.scenarios.shared.sar_files import read_sar
from emdose.solvers.results.fields import Fields, PowerBalance
from emdose.solvers.results.lead_response import LeadResponse
from emdose.values import owned

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

POWERS = ("absorbed_W", "extinction_W", "scattered_W")
LEADS = "leads"
"""Group of what leads do."""


@dataclass(frozen=True, eq=False)
class FieldRun:
    """A finished run as a source of fields.

    Parameters
    ----------
    source : str
        What made the field, such as "birdcage, 16 rungs".
    phantom : Phantom
        The body.
    fields : Fields
        Of its scaled drive.
    """

    source: str
    phantom: Phantom
    fields: Fields


def read_field_run(path: Path | str) -> FieldRun:
    """The fields of a finished run.

    Parameters
    ----------
    path : Path or str
        Its folder, or the result.h5 in it.

    Raises
    ------
    NotValidError
        When the run is not valid.
    InputError
        When the run is not finished, its files are damaged, or they hold no fields.
    """
    path = Path(path)
    path = path / RESULT_FILE if path.is_dir() else path
    summary = read_summary(path.parent)  # it is written last
    summary_validity(summary, summary_measures).require(path.parent)
    if path.name == RESULT_FILE:
        require_intact(path.parent, summary)
    with datasets.opened(path) as file:
        if "fields" not in file or "phantom" not in file or "E" not in file["fields"]:
            raise InputError(
                "there are no fields in this result",
                file=path,
                found=str(file.attrs.get("format")),
                expected='result.h5 of a run of kind = "rf" with [output] fields = true',
            )
        phantom, _ = read_sar(file, path)
        return FieldRun(str(file["coil"].attrs["name"]), phantom, read_fields(file["fields"], phantom))


def read_fields(group: Any, phantom: Phantom) -> Fields:
    """Fields of one drive from an open group of an HDF5 file."""
    ports = tuple(str(p) for p in group.attrs["ports"])
    return Fields(
        grid=phantom.grid,
        frequency_Hz=float(group.attrs["frequency_Hz"]),
        E=owned(group["E"][()]),
        B=owned(group["B"][()]),
        body=phantom.body,
        body_mass_kg=phantom.mass_kg,
        power=PowerBalance(
            **{name: group.attrs[name] for name in POWERS},
            lost_W=group.attrs.get("lost_W"),
            lost_parts_W={k.removeprefix(LOST): v for k, v in group.attrs.items() if k.startswith(LOST)},
        ),
        ports=ports,
        drives={p: np.eye(len(ports), dtype=complex)[i] for i, p in enumerate(ports)},
        drive_unit=str(group.attrs["drive_unit"]),
        residual=group["residual"][()],
        convergence=json.loads(group.attrs["convergence"]),
        provenance=json.loads(group.attrs["provenance"]),
        lead_currents=_read_leads(group),
    )


def write_about_fields(group: Any, fields: Fields) -> None:
    """All of fields but E and B themselves, into an open group of an HDF5 file; :func:`read_fields` takes both."""
    group.attrs["frequency_Hz"], group.attrs["drive_unit"] = fields.frequency_Hz, fields.drive_unit
    group.attrs["ports"] = list(fields.ports)
    group.attrs["provenance"], group.attrs["convergence"] = to_json(fields.provenance), to_json(fields.convergence)
    for name in POWERS:
        group.attrs[name] = getattr(fields.power, name)
    if fields.power.lost_W is not None:
        group.attrs["lost_W"] = fields.power.lost_W
    for name, matrix in fields.power.lost_parts_W.items():
        group.attrs[f"{LOST}{name}"] = matrix
    group["residual"] = np.asarray(fields.residual, float)
    _write_leads(group, fields.lead_currents)


def _write_leads(group: Any, leads: Mapping[str, LeadResponse]) -> None:
    """What leads do, into an open group of an HDF5 file."""
    for n, (name, response) in enumerate(leads.items()):
        part = group.create_group(f"{LEADS}/{n}")
        part.attrs["name"] = name
        for key in RESPONSE:
            part[key] = getattr(response, key)


def _read_leads(group: Any) -> dict[str, LeadResponse]:
    parts = [group[LEADS][str(n)] for n in range(len(group[LEADS]))] if LEADS in group else []
    return {str(p.attrs["name"]): LeadResponse(*(owned(p[key][()]) for key in RESPONSE)) for p in parts}
