"""The drives of an array: those that are given, those that are found, and what each of them does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
from emdose.dosimetry.transmission.drives.phases import phase_shim
from emdose.dosimetry.transmission.drives.shimming import Shim, b1_efficiency, b1_variation, shim
from emdose.errors import InputError
from emdose.scenarios.kinds.ptx.limits import LOCAL, binding, largest_factor
from emdose.scenarios.kinds.ptx.schema import EVEN, PHASES, STRONG, UNLIMITED
from emdose.scenarios.shared.driving.drives import drive_of

if TYPE_CHECKING:
    from emdose.scenarios.kinds.ptx.matrices import ArrayMatrices
    from emdose.scenarios.kinds.ptx.schema import PtxScenario, ShimTable

FAR = 30.0
"""Times the B1+ within limits that the target of the most efficient drive is: the further, the less evenness counts."""
RANDOM, SEED = 6, 1
"""Random phases that drives are looked for from, beside those of the coil, of phases alone, and of all in phase."""
TIGHTER = 5
"""Tighter limits of local SAR on the way to the homogeneous drive."""
RADIANS = 180 / math.pi


def given(tables: PtxScenario, coil: Any, file: object = None) -> dict[str, np.ndarray]:
    """Drives of the user's own, or the circular mode of the coil, as amplitudes of its channels.

    Raises
    ------
    InputError
        For names that the coil does not have, and amplitudes that do not fit its channels.
    """
    found: dict[str, np.ndarray] = {}
    for name, table in tables.drives.items():
        try:
            drive = drive_of(table, coil, file)
        except InputError as error:
            field = str(error.field or "drive").replace("drive", f"drives.{name}", 1)
            raise error.at(file=file, field=field) from None
        found[name] = np.asarray(coil.drives[drive] if isinstance(drive, str) else drive, complex)
    if not found:
        names = list(coil.drives)
        if not names:
            raise InputError("a coil without named drives", file=file, field="drives", expected="a table [drives.NAME]")
        usual = next((n for n in ("circular", "quadrature") if n in names), names[0])
        found[usual] = np.asarray(coil.drives[usual], complex)
    return found


def all_drives(array: ArrayMatrices, tables: PtxScenario, fixed: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Every drive by its name: the amplitudes "v" of its channels, and the Shim "of" one that was found by em.shim."""
    target, wanted, A = tables.target.b1plus_rms_T, tables.shim.names, array.b1
    found: dict[str, Any] = {}
    for name, v in fixed.items():
        table = tables.drives.get(name)
        found[name] = {"v": v if table is not None and not table.scaled else scaled_to(A, v, target)}
    first = next(iter(fixed.values()))
    phases = phase_shim(A, target, start=first)
    rng = np.random.default_rng(SEED)
    starts = [first, phases, *np.exp(2j * np.pi * rng.random((RANDOM, len(first))))]
    if PHASES in wanted:
        found[PHASES] = {"v": scaled_to(A, phases, target)}
    if UNLIMITED in wanted:
        free = best_shim(A, target, None, starts, tables.shim)
        found[UNLIMITED] = {"v": scaled_to(A, free.drive[0], target), "of": free}
    if EVEN in wanted:
        one = even_shim(array, tables, starts)
        found[EVEN] = {"v": one.drive[0], "of": one}
    if STRONG in wanted:
        within = max(mean(A, v) * largest_factor(v, array.all_bounds) for v in (first, phases))
        one = best_shim(A, FAR * within, array.all_bounds, starts, tables.shim)
        found[STRONG] = {"v": one.drive[0], "of": one}
    return found


def main_of(drives: Mapping[str, Any]) -> str:
    """Name of the drive that stands beside the limits: the homogeneous one within them, where there is one."""
    return next((n for n in (EVEN, STRONG) if n in drives), next(iter(drives)))


def mean(A: np.ndarray, v: np.ndarray) -> float:
    """Mean of |B1+| where it counts [T]."""
    return float(np.abs(A @ v).mean())


def scaled_to(A: np.ndarray, v: np.ndarray, target: float) -> np.ndarray:
    """A drive scaled to a mean of |B1+|; raises InputError for one without any B1+ there."""
    now = mean(A, v)
    if not now > 0:
        raise InputError("a drive without B1+ where it counts", field="target.over", found="0 T", expected="> 0")
    return v * (target / now)


def best_shim(
    A: np.ndarray, target: float, limits: DriveConstraints | None, starts: Sequence[np.ndarray], table: ShimTable
) -> Shim:
    """The best of the local minima that some drives and the default lead to."""
    return best_of(
        A, [shim(A, target, limits, magnitude=True, start=s, updates=table.updates) for s in (None, *starts)], table
    )


def best_of(A: np.ndarray, found: Sequence[Shim], table: ShimTable) -> Shim:
    """The drive of least cost without a void in B1+, where there is one; of least cost otherwise.

    Least squares of the magnitude like a phase that turns around a point where B1+ vanishes: such a minimum can be the
    lowest of all, and leaves a hole in every image.
    """
    return min(found, key=lambda one: (hollow(A, one.drive[0], table.least), one.cost))


def hollow(A: np.ndarray, v: np.ndarray, least: float) -> bool:
    """Whether |B1+| is somewhere below a part of its mean."""
    b1 = np.abs(A @ v)
    return bool(b1.min() < least * b1.mean())


def even_shim(array: ArrayMatrices, tables: PtxScenario, starts: list[np.ndarray]) -> Shim:
    """The homogeneous drive: the best of those that starts lead to, and of those that tighter limits do.

    A drive within a tighter limit is within this one, and ways that begin there end in other local minima.
    """
    target, updates = tables.target.b1plus_rms_T, tables.shim.updates
    best = best_shim(array.b1, target, array.all_bounds, starts, tables.shim)
    last = best.drive[0]
    for factor in np.geomspace(tables.tradeoff.lowest, 1.0, TIGHTER):
        one = shim(array.b1, target, array.with_local(float(factor)), magnitude=True, start=last, updates=updates)
        last = one.drive[0]
    return best_of(array.b1, [best, one], tables.shim)


def numbers(array: ArrayMatrices, name: str, drive: Mapping[str, Any], target: float) -> dict[str, Any]:
    """What a drive does, as plain values."""
    v, A = np.asarray(drive["v"]), array.b1
    b1, use = np.abs(A @ v), binding(v, array.exact)
    factor = largest_factor(v, array.exact, array.of_hardware)
    local = array.sar_10g(v)
    found: dict[str, Any] = {
        "name": name,
        "amplitudes": np.abs(v).tolist(),
        "phases_deg": (RADIANS * np.angle(v)).tolist(),
        "b1plus_T": float(b1.mean()),
        "variation": b1_variation(b1),
        "least_T": float(b1.min()),
        "rms_error": float(np.sqrt(np.mean((b1 / target - 1) ** 2))),
        "in_phase": b1_efficiency(A, v),
        "sar_10g_W_kg": local,
        "bound_10g_W_kg": float(array.points.peak(v)),
        "parts_W_kg": {k: float(x) for k, x in array.parts.sar(v).items()},
        "absorbed_W": float(array.parts.power(v)["absorbed"]),
        "forward_W": array.forward_W(v),
        "used": use[0],
        "used_of": use[1],
        "binds": binding(v, array.exact, array.of_hardware)[1],
        "largest_factor": factor,
        "largest_b1plus_T": float(b1.mean()) * factor,
        "sar_efficiency": float(b1.mean()) / math.sqrt(local),
    }
    one = drive.get("of")
    if one is not None:
        found |= {"gap": one.gap, "updates": one.updates}
    return found


def tradeoff(array: ArrayMatrices, tables: PtxScenario, start: np.ndarray) -> list[dict[str, Any]]:
    """The homogeneous drive for several limits of local SAR, from the tightest to the loosest.

    Each begins where the one before ends, or at the drive that was found: what is within a tight limit is within a
    looser one too.
    """
    table, target = tables.tradeoff, tables.target.b1plus_rms_T
    local = next((one for one in array.limits if one.quantity == LOCAL), None)
    if local is None or table.points < 1:
        return []
    factors = np.geomspace(table.lowest, table.highest, table.points) if table.points > 1 else np.array([1.0])
    rows: list[dict[str, Any]] = []
    last = start
    for factor in factors:
        limits = array.with_local(float(factor))
        tried = [
            shim(array.b1, target, limits, magnitude=True, start=s, updates=tables.shim.updates) for s in (last, start)
        ]
        one = best_of(array.b1, tried, tables.shim)
        last = one.drive[0]
        b1 = np.abs(one.reached)
        rows.append(
            {
                "factor": float(factor),
                "limit_W_kg": local.limit * float(factor),
                "b1plus_T": float(b1.mean()),
                "variation": b1_variation(b1),
                "rms_error": float(np.sqrt(one.cost / len(b1)) / target),
                "sar_10g_W_kg": array.sar_10g(last),
                "gap": one.gap,
                "active": binding(last, limits)[1],
            }
        )
    return rows
