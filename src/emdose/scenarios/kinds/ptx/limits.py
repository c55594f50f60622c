"""Limits of SAR of a standard as limits of drives: the same rows that a finished drive is compared with, and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from emdose.compliance import check
from emdose.compliance.circumstances import heads_of, is_limb, on_time, patient_mass, require_circumstances
from emdose.dosimetry.regions import Region, within_coil
from emdose.dosimetry.transmission.drives.constraints import DriveConstraints
from emdose.dosimetry.transmission.global_forms import WHOLE, GlobalMatrices
from emdose.errors import InputError
from emdose.io.limits import read_confirmations
from emdose.report import limit_words
from emdose.scenarios.kinds.ptx.schema import ArrayChecksTable, PtxScenario, SarLimitsTable
from emdose.scenarios.shared import tables
from emdose.scenarios.shared.coils import coil as made_coil

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.solvers.results.discretisation import Discretisation

LOCAL, HEAD, BODY, PART = "local SAR", "head SAR", "whole-body SAR", "partial-body SAR"
EXPOSED = "exposed"
GIVEN = "given in the scenario"


@dataclass(frozen=True)
class SarLimit:
    """A limit of SAR while the RF is on.

    Parameters
    ----------
    quantity : str
        "local SAR", "head SAR", "whole-body SAR" or "partial-body SAR".
    region : str
        Name of the part of the body, as :class:`~emdose.dosimetry.GlobalMatrices` has it; empty for local SAR.
    limit : float
        Limit over the duty cycle, the safety factor and 1 + U: what the drive keeps [W/kg].
    of_standard : float
        Limit itself, over 6 min [W/kg].
    factor : float
        What the matrix is multiplied with: mass of the phantom over that of the patient.
    note : str
        Where it comes from, and what the reader must know.
    uncertainty : float
        U (k = 2) over the value, for which the limit leaves room; 0 where the value alone keeps it.
    """

    quantity: str
    region: str
    limit: float
    of_standard: float
    factor: float = 1.0
    note: str = ""
    uncertainty: float = 0.0

    @property
    def title(self) -> str:
        """What it is called, with its region."""
        return f"{self.quantity}, {self.region}" if self.quantity == HEAD else self.quantity


def arguments(table: ArrayChecksTable) -> dict[str, Any]:
    """Arguments of :func:`emdose.check` for the table [checks]."""
    values, file = table.model_dump(exclude={"verified_by_file"}), table.verified_by_file
    read = (*(table.verified_by or ()), *(() if file is None else read_confirmations(file)))
    return {**values, "verified_by": read, "use_values": table.use_values or ()}


def regions_of(body: Phantom, coil: Any, checks: ArrayChecksTable) -> tuple[list[Region], Region | None]:
    """Heads that count, and the part of the body between the ends of the coil, where there is tissue."""
    heads = [h for h, counted in heads_of(body, checks.head) if counted]
    exposed, extent = None, getattr(coil, "extent_m", None)
    if extent is not None:
        with suppress(InputError):
            exposed = within_coil(body, extent[0][2], extent[1][2])
    return heads, exposed


def uncertainties(checks: ArrayChecksTable, voxels: Discretisation) -> dict[str, float]:
    """U (k = 2) of every limited quantity over its value: what the scenario gives, or that of the voxels."""
    if checks.relative_uncertainty is not None:
        return dict.fromkeys((LOCAL, HEAD, BODY, PART), checks.relative_uncertainty)
    of_parts = voxels.expanded("regional SAR")
    return {LOCAL: voxels.average_sar(10e-3), HEAD: of_parts, PART: of_parts, BODY: voxels.expanded("power")}


def sar_limits(
    body: Phantom, coil: Any, checks: ArrayChecksTable, limits: SarLimitsTable, voxels: Discretisation | None = None
) -> list[SarLimit]:
    r"""All limits of SAR that are quadratic forms of the drive, in the operating mode.

    Parameters
    ----------
    body, coil : Phantom, Coil
        What is exposed by what.
    checks, limits : ArrayChecksTable, SarLimitsTable
        The scenario's tables.
    voxels : Discretisation, optional
        Of the fields, for U where ``limits.with_uncertainty`` asks for room for it: :math:`S (1 + u) \le L` with
        u = U / S.

    Raises
    ------
    InputError
        For circumstances that :func:`emdose.check` refuses.

    Source: JCGM 106:2012, section 8.3 (guarded acceptance, with the guard band U).
    """
    rows = require_circumstances(body, **arguments(checks))
    times = on_time(checks.duty_cycle, checks.duty_cycle_10s)
    heads, exposed = regions_of(body, coil, checks)
    mass, _ = patient_mass(body, [h for h, _ in heads_of(body, checks.head)], checks.patient_mass_kg)
    found: list[SarLimit] = []
    room = uncertainties(checks, voxels) if limits.with_uncertainty and voxels is not None else {}

    def add(quantity: str, region: str, where: str = "", factor: float = 1.0, note: str = "", **more: float) -> None:
        known = {"T": checks.ambient_degC, **more}
        mine = [r for r in rows if r.quantity == quantity and r.mode == limits.mode and where in ("", r.region)]
        values = [(r.value(**{k: v for k, v in known.items() if k in r.variables}), r.window_s) for r in mine]
        least = min(value / times.of(window) for value, window in values)
        stated = next(value for value, window in values if window == max(w or 0 for _, w in values))
        u = room.get(quantity, 0.0)
        kept = least / limits.safety_factor / (1 + u)
        found.append(SarLimit(quantity, region, kept, stated, factor, note, u))

    if checks.coil_type != "volume" or limits.local_sar_W_kg is not None:
        if limits.local_sar_W_kg is None:
            limb = is_limb(body)
            note = "" if limb or not _has_limbs(body) else "Extremities are held to the limit of head and trunk."
            add(LOCAL, "", "extremities" if limb else "head and trunk", note=note)
        else:
            given = limits.local_sar_W_kg
            u = room.get(LOCAL, 0.0)
            kept = given / times.long / limits.safety_factor / (1 + u)
            found.append(SarLimit(LOCAL, "", kept, given, 1.0, GIVEN, u))
    if checks.coil_type != "local":
        for head in heads:
            add(HEAD, head.name)
        if mass is not None:
            share = body.mass_kg / mass
            add(BODY, WHOLE, factor=share)
            if exposed is not None:
                add(PART, EXPOSED, r=exposed.mass_kg / mass)
    if not found:
        raise InputError(
            "no limit of SAR for this body",
            field="coil_type",
            found=checks.coil_type,
            expected="array or local, or patient_mass_kg",
        )
    return found


def _has_limbs(body: Phantom) -> bool:
    return any(name.lower().startswith("extremit") for name in body.regions)


def constraints(
    limits: Sequence[SarLimit], local: Any, parts: GlobalMatrices, *, local_factor: float = 1.0
) -> DriveConstraints:
    """Limits of drives.

    Parameters
    ----------
    limits : sequence of SarLimit
        From :func:`sar_limits`.
    local : QMatrices or VirtualObservationPoints
        Matrices of local SAR.
    parts : GlobalMatrices
        Those of the body and its parts.
    local_factor : float
        What the limit of local SAR is multiplied with.
    """
    rest: DriveConstraints | None = None
    for one in limits:
        if one.quantity != LOCAL:
            made = DriveConstraints.of(one.factor * parts.matrix(one.region), one.limit, one.quantity)
            rest = made if rest is None else rest + made
    for one in limits:
        if one.quantity == LOCAL:  # last, so that its many matrices are joined with the others once
            made = DriveConstraints.of(local, one.limit * local_factor, one.quantity)
            rest = made if rest is None else made + rest
    assert rest is not None  # sar_limits has at least one
    return rest


def hardware(limits: SarLimitsTable, power: np.ndarray, duty_cycle: float) -> DriveConstraints | None:
    """Limits of amplitudes and of forward power; None where there is none."""
    n, found = len(power), None
    if limits.peak_amplitude is not None:
        found = DriveConstraints.peak_amplitude(np.full(n, limits.peak_amplitude))
    if limits.forward_power_W is not None:
        made = DriveConstraints.of(power, limits.forward_power_W / duty_cycle, "forward power")
        found = made if found is None else made + found
    return found


def binding(v: np.ndarray, *constraints: DriveConstraints | None) -> tuple[float, str]:
    """Largest part of any limit that a drive uses, and what that limit is called."""
    found = []
    for one in constraints:
        if one is not None:
            use = one.use(v)
            at = int(np.argmax(use))
            found.append((float(use[at]), one.labels[at] if at < len(one.labels) else "peak amplitude"))
    return max(found, key=lambda pair: pair[0])


def largest_factor(v: np.ndarray, *constraints: DriveConstraints | None) -> float:
    """Largest factor on a drive within the limits."""
    used, _ = binding(v, *constraints)
    return 1 / math.sqrt(used) if used > 0 else math.inf


def recheck(result: Any, changes: Mapping[str, Any], device: str = "auto") -> dict[str, Any]:
    """The entries "checks" and "check_inputs" of a summary, for changed keys of the table [checks].

    The drive stays the one that was found, for the duty cycle it was found for.

    Parameters
    ----------
    result : PtxResult
        A finished run.
    changes : mapping
        Keys of [checks] and their new values.
    device : str
        Where to compute the average.

    Raises
    ------
    InputError
        When a value is not possible.
    """
    raw = {k: v for k, v in result.summary["scenario"]["checks"].items() if v is not None} | dict(changes)
    try:
        table = ArrayChecksTable.model_validate(raw)
    except ValidationError as error:
        raise tables.explain(error, raw) from None
    kept = ("scenario", "phantom", "coil", "exposure", "solver", "tuning")
    whole = {k: v for k, v in result.summary["scenario"].items() if k in kept}
    source: Any = made_coil(PtxScenario.model_validate(_without_empty(whole)).coil)
    with tables.blamed_on(None, ""):
        checks = check(
            result.fields,
            result.phantom,
            coil=source,
            sar=result.sar,
            device=device,
            accept=result.summary.get("validity", {}).get("accepted", ()),
            **arguments(table),
        )
    plain = checks.to_dict()
    rows = plain.pop("rows")
    found = {
        "checks": rows,
        "check_inputs": {**plain, "text": checks.table()},
        "quantities": result.summary["quantities"],
    }
    limit_words.refresh(found)
    return {key: found[key] for key in ("checks", "check_inputs")}


def _without_empty(value: Any) -> Any:
    """Tables without keys that have no value."""
    if isinstance(value, Mapping):
        return {k: _without_empty(v) for k, v in value.items() if v is not None}
    return value
