"""The headline numbers of a ``ptx`` run, each with what voxels leave uncertain of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from emdose.dosimetry.transmission.global_forms import WHOLE
from emdose.scenarios.kinds.ptx.limits import EXPOSED

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.scenarios.kinds.ptx.matrices import ArrayMatrices
    from emdose.solvers.results.discretisation import Discretisation

INSIDE = "inside the coil"
"""What the table of limits calls the exposed part."""


def quantities(
    array: ArrayMatrices,
    rows: Mapping[str, Mapping[str, Any]],
    main: str,
    worst: Mapping[str, Any],
    peaks: Mapping[str, Any],
    exposed: Mapping[str, float],
    voxels: Discretisation,
    body: Phantom,
    spread: float | None = None,
    factor: float | None = None,
) -> dict[str, dict[str, Any]]:
    """Every headline number: name -> value, unit, uncertainty and notes; those of the main drive without its name.

    An amplitude is what it is: what voxels leave uncertain is B1+ and SAR of the drive. The largest B1+ within limits
    holds the uncertainty of both.

    Parameters
    ----------
    array : ArrayMatrices
        The array.
    rows : mapping
        What each drive does.
    main : str
        The drive that stands beside the limits.
    worst : mapping
        Worst cases.
    peaks : mapping of str to Peak
        Where 10 g SAR of each drive is largest.
    exposed : mapping of str to float
        SAR of parts of the body that depend on the main drive, by name [W/kg].
    voxels : Discretisation
        Of the fields.
    body : Phantom
        The body.
    spread : float, optional
        Relative expanded uncertainty of SAR that the scenario gives.
    factor : float, optional
        By what bounds of another run must be multiplied to hold here.
    """
    found: dict[str, dict[str, Any]] = {}
    of_b1, of_10g = voxels.expanded("B"), voxels.average_sar(10e-3)
    of_parts, of_power = voxels.expanded("regional SAR"), voxels.expanded("power")

    def add(name: str, value: float, unit: str, u: float, note: str = "", **more: Any) -> None:
        told = voxels.uncertainty(u * abs(value))
        if spread is not None and unit == "W/kg":
            told = {"expanded": spread * abs(value), "k": 2, "basis": "given in the scenario"}
        found[name] = {
            "value": float(value),
            "unit": unit,
            "uncertainty": told,
            **({"note": note} if note else {}),
            **more,
        }

    for name, row in sorted(rows.items(), key=lambda item: item[0] != main):
        start = "" if name == main else f"{name}: "
        drive = f"{name} drive"
        add(f"{start}b1plus_rms", row["b1plus_T"], "T", of_b1, f"{drive}, mean where it counts")
        if row["variation"] > 0:  # one voxel has none
            # An error of B1+ that is u of its mean anywhere changes its deviation by no more than that.
            u = of_b1 / row["variation"]
            add(f"{start}b1plus_variation", row["variation"], "1", u, f"{drive}, standard deviation over mean")
        at = peaks[name]
        where = {"location_m": list(at.location_m), "tissue": at.tissue}
        add(f"{start}psSAR10g", at.value, "W/kg", of_10g, drive, **where)
        if name == main:
            add("whole_body_sar", row["parts_W_kg"][WHOLE], "W/kg", of_power, f"over {body.mass_kg:.4g} kg")
            for part, value in row["parts_W_kg"].items():
                if part == EXPOSED:
                    add(f"partial_body_sar: {INSIDE}", value, "W/kg", of_parts)
                elif part != WHOLE:
                    add(f"head_sar: {part}", value, "W/kg", of_parts)
            for part, value in exposed.items():
                add(f"partial_body_sar: {part}", value, "W/kg", of_parts)
            add("absorbed_power", row["absorbed_W"], "W", of_power)
        used = max(of_10g, of_parts)
        note = f"{drive}: at the limit of {row['binds']}"
        add(f"{start}b1plus_rms_within_limits", row["largest_b1plus_T"], "T", of_b1 + 0.5 * used, note)
        note = f"{drive}: mean B1+ over the root of the peak 10 g SAR"
        add(f"{start}sar_efficiency", row["sar_efficiency"], "T/sqrt(W/kg)", of_b1 + 0.5 * of_10g, note)
    phases = worst["phases_upper_W_kg"]
    add("psSAR10g_any_phases", phases, "W/kg", of_10g, f"amplitudes of the {main} drive; no phases exceed it")
    faults = max(*worst["lost_W_kg"], *worst["stuck_W_kg"])
    note = f"{main} drive, one channel silent or stuck at {worst['stuck_amplitude']:.3g} {array.cubes.drive_unit}"
    add("psSAR10g_channel_fault", faults, "W/kg", of_10g, note)
    note = "largest for any drive of that forward power"
    if array.cubes.drive_unit == "A":
        note += ", channels matched and decoupled"
    add("psSAR10g_per_forward_power", worst["power_W_kg_W"], "W/kg/W", of_10g + of_power, note)
    if factor is not None:
        note = "by what the bounds of matrices.bounds must be multiplied to hold for every drive here"
        found["bounds_factor"] = {"value": factor, "unit": "1", "uncertainty": None, "note": note}
    return found
