"""From tables of drives to driven and scaled fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import unknown
from emdose.errors import InputError
from emdose.scenarios.shared.driving.drive_tables import DriveTable
from emdose.scenarios.shared.tables import blamed_on
from emdose.solvers.results.fields import DRIVE, require_plausible

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.fields import Fields


def drive_of(table: DriveTable, source: Any, file: object = None) -> str | np.ndarray:
    """Name or weights of the drive, checked against the ports of the source.

    Raises
    ------
    InputError
        For an unknown name, or amplitudes that do not fit the ports.
    """
    names, ports = list(source.drives), len(source.ports)
    if table.amplitudes is not None:
        if len(table.amplitudes) != ports:
            raise InputError(
                "amplitudes do not fit the ports",
                file=file,
                field="drive.amplitudes",
                found=f"{len(table.amplitudes)} values",
                expected=f"{ports}, one a port",
            )
        phases = np.radians(table.phases_deg or [0.0] * ports)
        return np.asarray(table.amplitudes) * np.exp(1j * phases)
    if table.name is None:
        if not names:
            raise InputError(
                "a field without named drives", file=file, field="drive", expected=f"amplitudes of {ports} ports"
            )
        return next(n for n in ("quadrature", "circular", names[0]) if n in names)
    if table.name not in names:
        raise unknown("unknown drive of this coil", table.name, names, file=file, field="drive.name")
    return table.name


def place_of(over: str | tuple[float, ...], body: Phantom, head: str | None, file: object = None) -> Any:
    """Region for B1+: a name or point that the fields know themselves, or the mask of a head region, with its name.

    Raises
    ------
    InputError
        When the phantom has no such region, or the point lies outside.
    """
    if over == "head":
        name = head or head_name(body)
        if name is None:
            raise InputError(
                "this phantom names no head",
                file=file,
                field="normalise.over",
                found="head",
                expected="isocentre, slice, body or a point",
            )
        mask = body.regions[name] & body.body
        if not mask.any():
            raise InputError(
                "this head holds no tissue", file=file, field="normalise.over", found=name, expected="another place"
            )
        return mask, name
    if over == "slice":
        with blamed_on(file, "normalise.over"):
            middle = [0.5 * (a + b) for a, b in zip(*body.grid.bounds_m, strict=True)]
            k = body.grid.index_of((middle[0], middle[1], 0.0))[2]
        if not body.body[:, :, k].any():
            raise InputError(
                "no tissue in the slice through the isocentre",
                file=file,
                field="normalise.over",
                found="slice",
                expected="body or a point, or a phantom moved by translate_m",
            )
    if over == "isocentre" or not isinstance(over, str):
        with blamed_on(file, "normalise.over"):
            body.grid.index_of((0.0, 0.0, 0.0) if isinstance(over, str) else over)  # type: ignore[arg-type]
    return over, over


def require_tissue(place: Any, body: Phantom, accept: Sequence[str], file: object = None) -> None:
    """Raise InputError before the solution when B1+ is to be scaled at a point in air."""
    if isinstance(place, np.ndarray) or place in ("slice", "body"):
        return  # masks of tissue
    inside = body.body[body.grid.index_of((0.0, 0.0, 0.0) if isinstance(place, str) else place)]
    with blamed_on(file, ""):
        require_plausible({"b1plus_air": 0.0 if inside else 1.0}, accept, "normalise.over")


def head_name(body: Phantom) -> str | None:
    """The smallest head region of a phantom, or None."""
    heads = {n: int((m & body.body).sum()) for n, m in body.regions.items() if n.lower().startswith("head")}
    return min(heads, key=lambda n: heads[n], default=None)


def scaled(
    fields: Fields,
    drive: str | np.ndarray,
    target: dict[str, float],
    place: Any,
    name: Any,
    accept: Sequence[str] = (),
) -> Fields:
    """Fields, which may be driven already, in the drive and scaled to the target of the scenario."""
    driven = fields if DRIVE in fields.provenance else fields.drive(drive)
    out = driven.scale(**target, over=place, accept=accept)
    if isinstance(place, np.ndarray) and "over" in out.provenance["scale"]:
        out = replace(out, provenance={**out.provenance, "scale": {**out.provenance["scale"], "over": name}})
    return out
