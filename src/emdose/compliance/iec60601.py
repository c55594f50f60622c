"""SAR checks of IEC 60601-2-33 for volume and local transmit coils."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import flag
from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import (
    LONG_WINDOW_S,
    SCHEMES,
    STANDARD,
    OnTime,
    extremities_of,
    heads_of,
    is_limb,
    on_time,
    patient_mass,
    require_circumstances,
)
from emdose.compliance.limits import Limit
from emdose.compliance.terms.confirmations import Confirmation
from emdose.dosimetry.averaging.average import mass_average
from emdose.dosimetry.averaging.cubes import MassAverage
from emdose.dosimetry.regions import Region, deposition_slab, region, within_coil
from emdose.dosimetry.sar import SarMap, peak, point_sar, region_sar
from emdose.errors import InputError
from emdose.validity import judge

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom
    from emdose.models.coils.circuit import CircuitCoil
    from emdose.models.coils.ideal import Coil
    from emdose.models.coils.plane_wave import PlaneWave
    from emdose.solvers.results.fields import Fields

MODES = ("normal", "first level")
AVERAGING_MASS_KG = 10e-3

NOTES = (
    "Second level mode has no number in the standard: it begins above the first level limits and needs the approval "
    "that local law asks for.",
    "A row says how a computed value compares with a number. It does not say that equipment or an examination meets "
    "the standard. None of the numbers was checked with a bought copy of it, except by users whose initials stand "
    "there: 'verified' means read in the public source named; 'inherited' means verified in another edition, with no "
    "change of it in the public list of changes; 'unverified' means neither.",
)
OF_SCHEME = {
    "volume": (),
    "local": ("Local coil: the 10 g limits count; whole-body, partial-body and head SAR are for information.",),
    "array": ("Parallel transmission: the limits of volume coils and the 10 g limits of local coils both count.",),
}
ARRAY_AS_LOCAL = "The coil is an array: coil_type = 'array' counts the limits of volume coils as well."
NO_PATIENT = "A test object and no patient: limits for patients are not listed (patient = true lists them)."


def check(
    fields: Fields,
    phantom: Phantom,
    standard: str = STANDARD,
    edition: str = "2022",
    *,
    coil: Coil | CircuitCoil | PlaneWave | None = None,
    coil_type: str | None = None,
    patient: bool | None = None,
    patient_mass_kg: float | None = None,
    head: str | np.ndarray | None = None,
    exposed: np.ndarray | None = None,
    extremities: np.ndarray | None = None,
    ambient_degC: float = 25.0,
    duty_cycle: float = 1.0,
    duty_cycle_10s: float | None = None,
    relative_uncertainty: float | None = None,
    verified_by: Iterable[Confirmation | Mapping[str, Any]] = (),
    use_values: Iterable[str] = (),
    sar: SarMap | None = None,
    average_10g: MassAverage | None = None,
    device: str = "auto",
    accept: Sequence[str] = (),
) -> Checks:
    """Compare the SAR of driven fields with the limits of IEC 60601-2-33 in normal and first level mode.

    Parameters
    ----------
    fields : Fields
        Fields of one drive, scaled. Scaled to B1+rms or to a time-averaged SAR or power they stand for the average
        over 6 min, and the duty cycles stay 1. Scaled to the amplitude of the pulses, the duty cycle says
        for which fraction of the time that amplitude is on.
    phantom : Phantom
        The body. Its regions whose names start with "head" are the definitions of the head.
    standard, edition : str
        "IEC 60601-2-33" and one of its editions "2010+A2:2015" (edition 3.2) and "2022" (edition 4).
    coil : Coil, CircuitCoil or PlaneWave, optional
        The ends of its conductors along z bound one definition of the exposed mass.
    coil_type : "volume", "local" or "array", optional
        "volume": whole-body, partial-body and head SAR. "local" (surface coils, knee coils): the 10 g limits. "array"
        (parallel transmission): both. By default loops and dipoles are local, arrays of loops arrays, others volume.
    patient : bool, optional
        Whether the phantom stands for a patient; by default everything but spheres, cylinders and boxes of gel.
    patient_mass_kg : float, optional
        Mass of the whole patient [kg]; by default that of the phantom. Needed when the phantom is only a part.
    head : str or (nx, ny, nz) bool ndarray, optional
        Name of the head region that counts, or a mask; the other definitions are then listed as alternatives. By
        default every definition counts.
    exposed : (nx, ny, nz) bool ndarray, optional
        Exposed part that counts; the other definitions are then listed as alternatives.
    extremities : (nx, ny, nz) bool ndarray, optional
        Arms and legs for the local limits; by default the phantom's regions whose names start with "extremit".
    ambient_degC : float
        Temperature at the patient [degC]; above 25 the first level limit of the whole body falls.
    duty_cycle, duty_cycle_10s : float
        Fraction of the time the fields are on, over 6 min and over the worst 10 s; the latter equals the former by
        default.
    relative_uncertainty : float, optional
        Expanded uncertainty (k = 2) of every SAR value as a fraction of it, where one is known.
    verified_by : iterable of Confirmation or mapping
        Limits that users read in their copy of the standard.
    use_values : iterable of str
        Names of limits whose value in ``verified_by`` is used though it differs from that of emdose.
    sar : SarMap, optional
        Point SAR of these fields; computed by the trapezium rule when absent.
    average_10g : MassAverage, optional
        10 g average of that SAR; computed when absent and the voxels are cubes.
    device : str
        Where the average is computed.
    accept : sequence of str
        Names of thresholds of validity that the fields may pass, such as "closure"; they are printed with the table.

    Returns
    -------
    Checks
        Whole-body, partial-body, head and local rows for 6 min and 10 s; ``binding`` and ``b1plus_rms_limit_T`` per
        mode.

    Raises
    ------
    NotValidError
        When the fields are not valid; see :func:`emdose.validity.judge`.
    InputError
        For an unknown standard, edition, coil type or head, fields that are not driven, masks that do not fit, and
        numbers that make no sense.

    Notes
    -----
    Partial body: limit 10 - 8 r (normal), 10 - 6 r (first level), r = exposed mass / patient mass.

    Source: the rows of ``emdose/data/exposure_limits.csv``, each with its own.
    """
    rows = require_circumstances(
        phantom,
        standard,
        edition,
        coil_type=coil_type,
        patient_mass_kg=patient_mass_kg,
        head=head,
        exposed=exposed,
        extremities=extremities,
        ambient_degC=ambient_degC,
        duty_cycle=duty_cycle,
        duty_cycle_10s=duty_cycle_10s,
        relative_uncertainty=relative_uncertainty,
        verified_by=verified_by,
        use_values=use_values,
    )
    kind = str(getattr(coil, "parameters", {}).get("kind", ""))
    given = coil_type is not None
    coil_type = SCHEMES.get(kind, "volume") if coil_type is None else coil_type
    patient = not phantom.test_object if patient is None else flag("patient", patient)
    sequence = on_time(duty_cycle, duty_cycle_10s)
    fields.require_driven()
    validity = judge(fields.measures(), accept)
    validity.require()
    sar = point_sar(fields, phantom) if sar is None else sar
    if sar.grid.shape != phantom.grid.shape:
        raise InputError(
            "SAR map does not fit the phantom", field="sar", found=sar.grid.shape, expected=str(phantom.grid.shape)
        )
    if not np.isfinite(sar.power_W()):
        raise InputError("SAR map holds values that are not finite", field="sar", expected="finite W/kg")
    heads = heads_of(phantom, head)
    parts = exposed_parts(sar, phantom, coil, exposed)
    mass, remark = patient_mass(phantom, [h for h, _ in heads], patient_mass_kg)

    found: list[Check] = []

    def add(quantity: str, label: str, value: float | None, note: str = "", counted: bool = True, **variables: float):
        found.extend(
            body_rows(
                rows,
                coil_type,
                quantity,
                label,
                lambda window: None if value is None else value * sequence.of(window),
                relative_uncertainty,
                note,
                counted,
                T=float(ambient_degC),
                **variables,
            )
        )

    power = sar.power_W()
    if not patient:
        value = power / phantom.mass_kg * sequence.long
        found.append(phantom_row(rows, coil_type, phantom.mass_kg, value, relative_uncertainty))
        heads, parts, mass = [], [], None
    else:
        label = f"whole body, {kg(mass)}" if mass is not None else "whole body"
        add("whole-body SAR", label, None if mass is None else power / mass, remark)
    for part, counted in parts:
        r = None if mass is None else part.mass_kg / mass
        label = f"{part.name}, {kg(part.mass_kg)}" + ("" if r is None else f", r = {r:.3f}")
        note = f"{part.definition[:1].upper()}{part.definition[1:]}." + (f" {remark}" if remark else "")
        add("partial-body SAR", label, region_sar(sar, part.mask), note, counted, r=math.nan if r is None else r)
    if not heads and patient:
        why = "The phantom is a limb." if is_limb(phantom) else "The phantom names no head region: give one with head=."
        add("head SAR", "head", None, why)
    for h, counted in heads:
        add("head SAR", f"{h.name}, {kg(h.mass_kg)}", region_sar(sar, h.mask), "", counted)
    scheme = coil_type if patient else ""
    found += _local(rows, sar, phantom, average_10g, scheme, extremities, sequence, relative_uncertainty, device)
    found.sort(key=lambda c: MODES.index(c.limit.mode) if c.limit.mode in MODES else len(MODES))

    b1, where = _b1plus(fields)
    inputs = {
        "coil_type": coil_type,
        "coil_type_from": "given" if given else f"the coil ({kind})" if kind in SCHEMES else "default",
        "patient": patient,
        "frequency_Hz": fields.frequency_Hz,
        "sar_rule": sar.rule,
        "phantom_mass_kg": float(phantom.mass_kg),
        "patient_mass_kg": mass,
        "absorbed_power_W": power * sequence.long,
        "duty_cycle": sequence.long,
        "duty_cycle_10s": sequence.short,
        "ambient_degC": float(ambient_degC),
        "relative_uncertainty": relative_uncertainty,
        "heads": [{**h.to_dict(), "counted": counted} for h, counted in heads],
        "exposed": [{**p.to_dict(), "counted": counted} for p, counted in parts],
    }
    notes: tuple[str, ...] = (*NOTES, *OF_SCHEME[coil_type]) if patient else (NO_PATIENT,)
    if patient and coil_type == "local" and SCHEMES.get(kind) == "array":
        notes += (ARRAY_AS_LOCAL,)
    return Checks(
        standard,
        edition,
        tuple(found),
        None if b1 is None else b1 * math.sqrt(sequence.long),
        where,
        inputs,
        notes,
        validity,
    )


def body_rows(
    rows: Iterable[Limit],
    coil_type: str,
    quantity: str,
    label: str,
    value: Callable[[float | None], float | None],
    relative_uncertainty: float | None,
    note: str = "",
    counted: bool = True,
    **variables: float,
) -> list[Check]:
    """Rows of SAR of the body or a part of it; for local coils the one of 6 min, for information.

    Parameters
    ----------
    rows : iterable of Limit
        Of the standard.
    coil_type : "volume", "local" or "array"
        Whose limits count.
    quantity, label, note, counted
        As of :class:`Check`.
    value : callable
        The value over a window [s]; None where it was not evaluated.
    relative_uncertainty : float or None
        Expanded uncertainty (k = 2) as a fraction.
    **variables : float
        What limits depend on; NaN where it is not known.
    """
    if coil_type == "local":
        row, known = for_information(rows, quantity, coil_type), value(LONG_WINDOW_S)
        return [] if known is None else [compared(row, label, known, relative_uncertainty, note, False)]
    return [
        compared(row, label, value(row.window_s), relative_uncertainty, note, counted, **variables)
        for row in rows
        if row.quantity == quantity and row.mode in MODES
    ]


def phantom_row(
    rows: Iterable[Limit], coil_type: str, mass_kg: float, value: float, relative_uncertainty: float | None
) -> Check:
    """SAR of a test object as a whole over 6 min, for information; parameters as of :func:`body_rows`."""
    row = replace(for_information(rows, "whole-body SAR", coil_type), quantity="SAR of the phantom")
    return compared(row, f"whole phantom, {kg(mass_kg)}", value, relative_uncertainty, "", False)


def compared(
    row: Limit,
    label: str,
    value: float | None,
    relative_uncertainty: float | None,
    note: str = "",
    counted: bool = True,
    **variables: float,
) -> Check:
    """A value beside a row; parameters as of :func:`body_rows`."""
    known = {k: v for k, v in variables.items() if not math.isnan(v)}
    limit = row.value(**known) if row.limit and row.variables <= set(known) else None
    spread = None if value is None or relative_uncertainty is None else value * relative_uncertainty
    return Check(row, label, value, limit, spread, counted, note)


def _local(
    rows: tuple[Limit, ...],
    sar: SarMap,
    phantom: Phantom,
    average: MassAverage | None,
    coil_type: str,
    extremities: np.ndarray | None,
    sequence: OnTime,
    relative_uncertainty: float | None,
    device: str,
) -> Iterator[Check]:
    """Rows of the peak 10 g average: against limits for local coils and arrays, for information otherwise."""
    local = [row for row in rows if row.quantity == "local SAR" and row.mode in MODES]
    judged = coil_type in ("local", "array")
    for_info = for_information(rows, "local SAR", coil_type)
    if average is None:
        try:
            average = mass_average(sar, sar.density, phantom.grid.spacing_m, AVERAGING_MASS_KG, device=device)
        except InputError as error:
            # Voxels that are no cubes, or a body too small for 10 g, leave the other rows as they are.
            for row in local if judged else [for_info]:
                yield compared(row, row.region, None, None, f"No 10 g average: {error}.", row.limit != "")
            return
    if average.value.shape != phantom.grid.shape or not math.isclose(average.mass_kg, AVERAGING_MASS_KG, rel_tol=1e-6):
        raise InputError(
            "not a 10 g average of this phantom",
            field="average_10g",
            found=f"{average.mass_kg} kg, {average.value.shape}",
            expected=f"{AVERAGING_MASS_KG} kg, {phantom.grid.shape}",
        )
    if not judged:
        at = peak(average.value, phantom)
        reason = "For information: volume coils have no limit of the 10 g average (unverified). " if coil_type else ""
        note = f"{reason}{_place(at)}"
        yield compared(for_info, "whole body", at.value * sequence.long, relative_uncertainty, note, False)
        return
    limbs = extremities_of(phantom, extremities)
    for row in local:
        if row.region == "extremities":
            inside, note = limbs, "The phantom names no extremities: give them with extremities=."
        else:
            inside = phantom.body if limbs is None else phantom.body & ~limbs
            note = "" if limbs is not None else "No extremities named: the whole body is held to this limit. "
            note = note if inside.any() else "All of the phantom is extremities."
        if inside is None or not inside.any():
            yield compared(row, row.region, None, None, note, True)
            continue
        at = peak(average.value, phantom, inside)
        text = _place(at) if row.region == "extremities" else note + _place(at)
        value = at.value * sequence.of(row.window_s)
        yield compared(row, row.region, value, relative_uncertainty, text, True)


def for_information(rows: Iterable[Limit], quantity: str, coil_type: str) -> Limit:
    """The 6 min row of a quantity without its limit."""
    row = next(r for r in rows if r.quantity == quantity and r.window_s == LONG_WINDOW_S)
    about: dict[str, Any] = dict.fromkeys(("limit", "mode", "reason", "source", "own"), "")
    return replace(row, region="whole body", coil_type=coil_type, state="unverified", confirmation=None, **about)


def exposed_parts(
    sar: SarMap, phantom: Phantom, coil: Coil | CircuitCoil | PlaneWave | None, exposed: np.ndarray | None
) -> list[tuple[Region, bool]]:
    """Definitions of the exposed part, and whether each counts: the one given, else all."""
    parts = []
    extent = getattr(coil, "extent_m", None)
    if extent is not None:
        # A flat loop across z encloses no voxel centre; then the other definitions remain.
        with suppress(InputError):
            parts.append(within_coil(phantom, extent[0][2], extent[1][2]))
    if sar.power_W() > 0:
        parts.append(deposition_slab(sar, phantom))
    if len(parts) < 2:
        parts.append(region(phantom, "whole phantom", phantom.body, "all of the phantom"))
    if exposed is None:
        return [(p, True) for p in parts]
    return [(region(phantom, "exposed part (given)", exposed), True), *((p, False) for p in parts)]


def _b1plus(fields: Fields) -> tuple[float | None, str]:
    """Abs(B1+) of the fields [T] and where: that of the scaling, otherwise at the isocentre if the grid holds it."""
    scale: dict[str, Any] = fields.provenance.get("scale", {})
    if scale.get("target") == "b1plus_rms_T":
        over = scale.get("over", "unknown region")
        return float(scale["value"]), "at the isocentre" if over == "isocentre" else f"mean over {over}"
    try:
        inside = fields.region("isocentre")
    except InputError:
        return None, "isocentre outside the grid"
    return float(np.mean(np.abs(fields.b1plus()[0])[inside])), "at the isocentre"


def _place(at: Any) -> str:
    x, y, z = (1e3 * c for c in at.location_m)
    return f"Peak in {at.tissue} at x, y, z = {x:.1f}, {y:.1f}, {z:.1f} mm."


def kg(mass: float) -> str:
    """A mass in words."""
    return f"{mass:.3g} kg"
