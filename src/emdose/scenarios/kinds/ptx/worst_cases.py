"""What an array can do at worst, and what each way of supervising its power leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.transmission.drives.supervision import FORMS, power_modes
from emdose.dosimetry.transmission.drives.worst import channel_faults, worst_drive, worst_drive_of_power
from emdose.scenarios.kinds.ptx.drives import best_shim, mean
from emdose.scenarios.kinds.ptx.limits import largest_factor

if TYPE_CHECKING:
    from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
    from emdose.scenarios.kinds.ptx.matrices import ArrayMatrices
    from emdose.scenarios.kinds.ptx.schema import PtxScenario

FEW, LOT, LOTS = 2000, 20, 30
"""Limits that are taken all at once, those that are added at a time, and how often."""
ABOVE = 1e-4
"""Part of a limit that a drive may be above before it is scaled."""


def worst(array: ArrayMatrices, tables: PtxScenario, v: np.ndarray) -> dict[str, Any]:
    """Worst cases of 10 g SAR: of unit norm, of a forward power, of a drive with free phases, of a failed channel.

    Parameters
    ----------
    array : ArrayMatrices
        The array.
    tables : PtxScenario
        The scenario.
    v : (port,) complex ndarray
        The drive that failures are about.
    """
    unit = worst_drive(array.cubes)
    power = worst_drive_of_power(array.cubes, array.power)
    phases = worst_drive(array.cubes, np.abs(v))
    largest = tables.limits.peak_amplitude or float(np.abs(v).max())
    faults = channel_faults(array.cubes, v, largest)
    return {
        "norm_W_kg": unit.upper,
        "power_W_kg_W": power.upper,
        "phases_lower_W_kg": phases.lower,
        "phases_upper_W_kg": phases.upper,
        "searched": phases.searched,
        "nominal_W_kg": faults.nominal,
        "lost_W_kg": faults.lost.tolist(),
        "stuck_W_kg": faults.stuck.tolist(),
        "stuck_amplitude": largest,
        "stuck_by_limit": tables.limits.peak_amplitude is not None,
        "ports": list(array.cubes.ports),
    }


def modes(array: ArrayMatrices, tables: PtxScenario, drives: Mapping[str, Any]) -> dict[str, Any]:
    """What each way of supervision allows: a factor on every drive, the B1+ and the part of the limits that follow."""
    found = power_modes(array.exact, array.power, array.bounds)
    scales = {name: found.scales(drive["v"]) for name, drive in drives.items()}
    used = {name: found.used(drive["v"]) for name, drive in drives.items()}
    b1 = {name: mean(array.b1, drive["v"]) for name, drive in drives.items()}
    target = tables.target.b1plus_rms_T
    starts = [drive["v"] for drive in drives.values()]
    rows = []
    for mode in found.names:
        row: dict[str, Any] = {
            "name": mode,
            "drives": {
                name: {"b1plus_T": b1[name] * scales[name][mode], "used": used[name] * scales[name][mode] ** 2}
                for name in drives
            },
        }
        if mode in FORMS:
            limits = found.constraints(mode)
            if array.of_hardware is not None:
                limits = limits + array.of_hardware
            v = _own(array, tables, limits, starts)
            row["own"] = {
                "b1plus_T": mean(array.b1, v),
                "rms_error": float(np.sqrt(np.mean((np.abs(array.b1 @ v) / target - 1) ** 2))),
                "used": found.used(v),
            }
        rows.append(row)
    return {"rows": rows, "forward_W": found.forward, "amplitude": found.amplitude}


def _own(array: ArrayMatrices, tables: PtxScenario, limits: DriveConstraints, starts: list[np.ndarray]) -> np.ndarray:
    """Homogeneous drive within limits; of very many only those that it meets are taken, one lot after the other."""
    target = tables.target.b1plus_rms_T
    if len(limits.limits) <= FEW:
        return np.asarray(best_shim(array.b1, target, limits, starts, tables.shim).drive[0])
    taken = np.unique([int(np.argmax(limits.use(v)[: len(limits.limits)])) for v in starts])
    v = starts[0]
    for _ in range(LOTS):
        some = replace(
            limits,
            matrices=limits.matrices[taken],
            limits=limits.limits[taken],
            labels=tuple(limits.labels[i] for i in taken),
        )
        v = np.asarray(best_shim(array.b1, target, some, starts, tables.shim).drive[0])
        use = limits.use(v)[: len(limits.limits)]
        if use.max() <= 1 + ABOVE:
            break
        taken = np.union1d(taken, np.argsort(use)[-LOT:])
    return v * min(1.0, largest_factor(v, limits))  # what is left above a limit that was not taken
