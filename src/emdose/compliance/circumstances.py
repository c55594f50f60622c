"""The circumstances that limits depend on: coil, patient, head, exposed part, limbs, time.

All of them can be judged without a field, so that a run refuses them before it solves.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emdose.checks import one_of, within
from emdose.compliance.limits import Limit, confirmed, limits
from emdose.compliance.terms.confirmations import Confirmation, as_confirmations
from emdose.dosimetry.regions import Region, head_regions, region
from emdose.errors import InputError

if TYPE_CHECKING:
    from emdose.models.bodies import Phantom

STANDARD = "IEC 60601-2-33"
COIL_TYPES = ("volume", "local", "array")

SCHEMES = {
    "loop": "local",
    "loop with capacitors": "local",
    "dipole": "local",
    "current element": "local",
    "loop array": "array",
    "loop array with capacitors": "array",
    "loop from a file": "local",
    "loops from a file": "array",
    "repeated elements": "array",
}
"""Coil type that follows from the kind of a coil; every other coil is a volume coil unless the user says otherwise."""

LONG_WINDOW_S, SHORT_WINDOW_S = 360.0, 10.0

HEAD_SHARE = 1 / 3
"""A phantom with more than this share of its mass in the head is taken for a part of a patient."""


def require_circumstances(
    phantom: Phantom,
    standard: str = STANDARD,
    edition: str = "2022",
    *,
    coil_type: str | None = None,
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
    **_: Any,
) -> tuple[Limit, ...]:
    """The rows of a standard, when what :func:`emdose.check` is told about a body makes sense.

    Parameters
    ----------
    phantom, standard, edition, ...
        As of :func:`emdose.check`; what depends on fields, and ``patient``, may stand there too.

    Raises
    ------
    InputError
        For whatever :func:`emdose.check` refuses without a look at fields.
    """
    one_of("standard", standard, [STANDARD], problem="no checks for this standard")
    rows = confirmed(limits(standard, edition), as_confirmations(verified_by), use_values)
    if coil_type is not None:
        one_of("coil_type", coil_type, COIL_TYPES, problem="unknown coil type")
    on_time(duty_cycle, duty_cycle_10s)
    within("ambient_degC", ambient_degC, -50.0, 60.0, problem="number out of range")
    if relative_uncertainty is not None:
        within("relative_uncertainty", relative_uncertainty, 0.0, math.inf, problem="number out of range")
    heads = heads_of(phantom, head)
    if exposed is not None:
        region(phantom, "exposed part (given)", exposed)
    extremities_of(phantom, extremities)
    patient_mass(phantom, [h for h, _ in heads], patient_mass_kg)
    return rows


@dataclass(frozen=True)
class OnTime:
    """Fraction of the drive's continuous-wave SAR that remains in the long and in the worst short window."""

    long: float
    short: float

    def of(self, window_s: float | None) -> float:
        """That of a window."""
        return self.short if window_s == SHORT_WINDOW_S else self.long


def on_time(duty_cycle: float, duty_cycle_10s: float | None) -> OnTime:
    """Fractions of the time in both windows; raises InputError for those that make no sense."""
    short = duty_cycle if duty_cycle_10s is None else duty_cycle_10s
    for name, value in (("duty_cycle", duty_cycle), ("duty_cycle_10s", short)):
        within(name, value, 0, 1, ends="(]", problem="duty cycle out of range")
    if short < duty_cycle:
        raise InputError(
            "worst 10 s below the 6 min average",
            field="duty_cycle_10s",
            found=short,
            expected=f"at least duty_cycle = {duty_cycle}",
        )
    return OnTime(float(duty_cycle), float(short))


def heads_of(phantom: Phantom, head: str | np.ndarray | None) -> list[tuple[Region, bool]]:
    """Heads of a body, and whether each counts: the one given, else all that it names."""
    known = head_regions(phantom)
    if head is None:
        return [(h, True) for h in known]
    if isinstance(head, str):
        one_of("head", head, [h.name for h in known], problem="unknown head region", also="a mask")
        return sorted(((h, h.name == head) for h in known), key=lambda pair: not pair[1])
    return [(region(phantom, "head (given)", head), True), *((h, False) for h in known)]


def extremities_of(phantom: Phantom, extremities: np.ndarray | None) -> np.ndarray | None:
    """Arms and legs: those given, else what the body names so; None when it names none."""
    if extremities is not None:
        return region(phantom, "extremities", extremities).mask
    masks = [m for name, m in phantom.regions.items() if name.lower().startswith("extremit")]
    return np.any([m & phantom.body for m in masks], axis=0) if masks else None


def is_limb(phantom: Phantom) -> bool:
    """Whether a body names all of itself extremities."""
    limbs = extremities_of(phantom, None)
    return limbs is not None and bool((limbs == phantom.body).all())


def patient_mass(phantom: Phantom, heads: list[Region], given: float | None) -> tuple[float | None, str]:
    """Mass of the patient [kg], None when it cannot be known, and what the reader must know about it."""
    own = float(phantom.mass_kg)
    return mass_of(own, part_of_body([h.mass_kg for h in heads], own, is_limb(phantom)), given)


def part_of_body(heads_kg: Iterable[float], own_kg: float, limb: bool = False) -> str:
    """ "a limb" or "a head" where a phantom is no more than that; empty otherwise."""
    return "a head" if any(h > HEAD_SHARE * own_kg for h in heads_kg) else "a limb" if limb else ""


def mass_of(own: float, part: str, given: float | None) -> tuple[float | None, str]:
    """Mass of the patient by that of the phantom, the part of a body that it is, and what is given; both in kg."""
    if given is not None:
        within("patient_mass_kg", given, 0.0, 1000.0, problem="number out of range")
        if given < own * (1 - 1e-6):
            raise InputError(
                "patient lighter than the phantom",
                field="patient_mass_kg",
                found=given,
                expected=f"at least the phantom's {own:.4g} kg",
            )
        if given > own * 1.01:
            return float(given), (
                f"Patient mass {given:.4g} kg as given; the {given - own:.4g} kg outside the phantom are taken "
                "to absorb nothing, so the whole-body value is a lower bound."
            )
        return float(given), ""
    if part:
        return None, (
            f"The phantom ({own:.4g} kg) is {part}, not a patient: give patient_mass_kg to have whole-body and "
            "partial-body SAR evaluated."
        )
    return own, f"The phantom ({own:.4g} kg) is taken for the whole patient."
