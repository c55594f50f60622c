"""Exposure by a whole sequence beside the SAR limits of IEC 60601-2-33: each row with its worst window."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emdose.checks import flag, one_of, within
from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import COIL_TYPES, LONG_WINDOW_S, STANDARD, mass_of, part_of_body
from emdose.compliance.iec60601 import (
    AVERAGING_MASS_KG,
    MODES,
    NO_PATIENT,
    NOTES,
    OF_SCHEME,
    body_rows,
    compared,
    for_information,
    kg,
    phantom_row,
)
from emdose.compliance.limits import Limit, confirmed, limits
from emdose.compliance.terms.confirmations import Confirmation, as_confirmations
from emdose.dosimetry.sequences.played import B1, SequenceExposure, SequenceQuantity
from emdose.errors import InputError
from emdose.validity import Validity

BEGINS, ENDS = ("exposed", "inside the coil"), ("power slab",)
"""How the names of parts begin or end that count as exposed unless others are named."""
HEAD, LIMB = "head", "extremit"
BOUNDS = "Bound by virtual observation points."


def check_sequence(
    exposure: SequenceExposure,
    standard: str = STANDARD,
    edition: str = "2022",
    *,
    coil_type: str = "volume",
    patient: bool = True,
    patient_mass_kg: float | None = None,
    heads: Sequence[str] | None = None,
    exposed: Sequence[str] | None = None,
    extremities: Sequence[str] | None = None,
    ambient_degC: float = 25.0,
    verified_by: Iterable[Confirmation | Mapping[str, Any]] = (),
    use_values: Iterable[str] = (),
    validity: Validity | None = None,
) -> Checks:
    """Compare the worst windows of a sequence with the limits of IEC 60601-2-33 in normal and first level mode.

    Parameters
    ----------
    exposure : SequenceExposure
        Of a sequence or a protocol, with windows of 6 min and 10 s.
    standard, edition : str
        As of :func:`emdose.check`.
    coil_type : "volume", "local" or "array"
        "volume": whole-body, partial-body and head SAR. "local" (local transmit coils): the 10 g limits. "array"
        (parallel transmission): both.
    patient : bool
        Whether the body is a patient, or a test object without limits.
    patient_mass_kg : float, optional
        Mass of the whole patient [kg]; needed where the body is only a part.
    heads, exposed : sequence of str, optional
        Parts of the body that are definitions of the head, and of the exposed part; by default those whose name
        begins with "head", and those that begin with "exposed" or "inside the coil" or are a slab of power.
    extremities : sequence of str, optional
        Local matrices that lie in arms and legs; by default those whose name begins with "extremit".
    ambient_degC : float
        Temperature at the patient [degC].
    verified_by, use_values
        As of :func:`emdose.check`.
    validity : Validity, optional
        Of the fields that the matrices were made of.

    Returns
    -------
    Checks
        Rows of both windows; ``b1plus_rms_limit_T`` is B1+rms over 6 min of the same sequence with all amplitudes
        scaled.

    Raises
    ------
    InputError
        For names that the exposure does not have, an exposure without the windows, and numbers that make no sense.
    NotValidError
        When the fields are not valid.

    Source: the rows of ``emdose/data/exposure_limits.csv``, each with its own.
    """
    one_of("standard", standard, [STANDARD], problem="no checks for this standard")
    one_of("coil_type", coil_type, COIL_TYPES, problem="unknown coil type")
    within("ambient_degC", ambient_degC, -50.0, 60.0, problem="number out of range")
    flag("patient", patient)
    if validity is not None:
        validity.require()
    rows = confirmed(limits(standard, edition), as_confirmations(verified_by), use_values)
    parts = [q for q in exposure.quantities if q.kind == "SAR"]
    local = [q for q in exposure.quantities if q.kind == "local SAR"]
    body, others = parts[0], parts[1:]
    in_head = _chosen("heads", others, heads, lambda n: n.lower().startswith(HEAD))
    in_coil = _chosen("exposed", others, exposed, lambda n: n.startswith(BEGINS) or n.endswith(ENDS))
    limbs = _chosen("extremities", local, extremities, lambda n: n.lower().startswith(LIMB))
    own = body.mass_kg or 0.0
    mass, remark = mass_of(own, part_of_body([q.mass_kg or 0.0 for q in in_head], own), patient_mass_kg)
    definitions = exposure.about.get("definitions", {})

    found: list[Check] = []
    if not patient:
        value = body.window(LONG_WINDOW_S).value
        found.append(phantom_row(rows, coil_type, own, value, body.relative_uncertainty))
    else:

        def add(
            quantity: str, label: str, q: SequenceQuantity | None, note: str = "", share: float = 1.0, **more: float
        ):
            def value(window_s: float | None) -> float | None:
                return None if q is None else share * q.window(window_s or LONG_WINDOW_S).value

            spread = None if q is None else q.relative_uncertainty
            told = {"T": float(ambient_degC), **more}
            found.extend(body_rows(rows, coil_type, quantity, label, value, spread, note, True, **told))

        label = "whole body" if mass is None else f"whole body, {kg(mass)}"
        known = None if mass is None else body
        add("whole-body SAR", label, known, remark, share=1.0 if mass is None else own / mass)
        for q in in_coil:
            r = math.nan if mass is None else (q.mass_kg or 0.0) / mass
            label = f"{q.name}, {kg(q.mass_kg or 0.0)}" + ("" if math.isnan(r) else f", r = {r:.3f}")
            definition = str(definitions.get(q.name, ""))
            note = f"{definition[:1].upper()}{definition[1:]}. {remark}".strip() if definition else remark
            add("partial-body SAR", label, q, note, r=r)
        if not in_coil:
            add("partial-body SAR", "exposed part", None, "No exposed part among the matrices.", r=math.nan)
        for q in in_head:
            add("head SAR", f"{q.name}, {kg(q.mass_kg or 0.0)}", q)
        if not in_head:
            add("head SAR", "head", None, "No head among the matrices.")
    found += _local(rows, exposure, local, limbs, coil_type if patient else "")
    found.sort(key=lambda c: MODES.index(c.limit.mode) if c.limit.mode in MODES else len(MODES))
    b1 = exposure.quantity(B1).window(LONG_WINDOW_S).value
    inputs = {
        "coil_type": coil_type,
        "patient": patient,
        "sequence": exposure.name,
        "repeated": exposure.repeated,
        "frequency_Hz": exposure.about.get("frequency_Hz"),
        "phantom_mass_kg": own,
        "patient_mass_kg": mass,
        "ambient_degC": float(ambient_degC),
        "heads": [q.name for q in in_head],
        "exposed": [q.name for q in in_coil],
        "extremities": [q.name for q in limbs],
    }
    notes: tuple[str, ...] = (*NOTES, *OF_SCHEME[coil_type]) if patient else (NO_PATIENT,)
    notes += (PLAYED[exposure.repeated],)
    where = f"mean over {exposure.reference.region}"
    return Checks(standard, edition, tuple(found), b1, where, inputs, notes, validity or Validity())


PLAYED = {
    True: "Windows see the sequence played without end: every one of their positions, found exactly.",
    False: "Windows see the sequence played once, with nothing before and after it: every position, found exactly.",
}


def _local(
    rows: Sequence[Limit],
    exposure: SequenceExposure,
    local: list[SequenceQuantity],
    limbs: list[SequenceQuantity],
    coil_type: str,
) -> list[Check]:
    """Rows of local SAR: 10 g against limits for local coils and arrays, everything else for information."""
    judged, found = coil_type in ("local", "array"), []
    bounds = exposure.about.get("bounds", ())
    plain = for_information(rows, "local SAR", coil_type)
    ten = [q for q in local if q.mass_kg is not None and math.isclose(q.mass_kg, AVERAGING_MASS_KG, rel_tol=1e-6)]
    for q in local:
        note = BOUNDS if q.name in bounds else ""
        if not (judged and q in ten):
            row = replace(plain, mass_g=None if q.mass_kg is None else 1e3 * q.mass_kg)
            found.append(compared(row, q.name, q.window(LONG_WINDOW_S).value, q.relative_uncertainty, note, False))
    if not judged:
        return found
    for row in (r for r in rows if r.quantity == "local SAR" and r.mode in MODES):
        in_limbs = row.region == "extremities"
        mine = [q for q in ten if (q in limbs) == in_limbs]
        if not mine:
            why = "No 10 g matrices of extremities." if in_limbs else "No 10 g matrices of head and trunk."
            found.append(compared(row, row.region, None, None, why))
        for q in mine:
            note = BOUNDS if q.name in bounds else ""
            if not in_limbs and not limbs:
                note = f"No extremities named: all of the body is held to this limit. {note}".strip()
            value = q.window(row.window_s or LONG_WINDOW_S).value
            found.append(compared(row, f"{row.region}: {q.name}", value, q.relative_uncertainty, note))
    return found


def _chosen(
    name: str, among: list[SequenceQuantity], asked: Sequence[str] | None, usual: Any
) -> list[SequenceQuantity]:
    """Quantities by their names, or those that are usual."""
    if asked is None:
        return [q for q in among if usual(q.name)]
    known = [q.name for q in among]
    for one in asked:
        one_of(name, one, known, problem="no such part among the matrices")
    if isinstance(asked, str):
        raise InputError("a list of names", field=name, found=asked, expected=f'["{asked}"]')
    return [q for q in among if q.name in set(asked)]
