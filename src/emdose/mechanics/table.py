r"""Forces and torques on an implant in a scanner, beside its weight: ratios, never pass or fail.

The documents behind these rows give a way to measure and reference points, no limits: force beside weight (ASTM F2052),
torque beside weight times longest dimension (ASTM F2213), vibration by gradients (ISO/TS 10974, clause 10). F2213
leaves the torque of eddy currents out, so that the rows of motion and of gradients stand beside it.

Source: the documents by public summaries; L. Zilberti et al., Magn. Reson. Med. (2025), doi 10.1002/mrm.30263.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from emdose.checks import not_negative
from emdose.errors import InputError
from emdose.mechanics.demagnetisation import body_factors
from emdose.mechanics.field_map import StaticFieldPoint
from emdose.mechanics.magnetic import Magnetism, deflection_deg, magnetism, static_force, static_torque
from emdose.mechanics.moments import MomentTensor
from emdose.mechanics.motion import drag_tensor, largest_lenz_torque
from emdose.mechanics.rigid import RigidBody, rigid_body
from emdose.mechanics.switched import SwitchedLoad, rigid_vibration
from emdose.models.implants.implant import Implant
from emdose.values import read_only

COVERAGE = 2.0
"""Factor of the expanded uncertainty, for about 95 %."""


@read_only
@dataclass(frozen=True)
class ForceRow:
    """One number of the table.

    Parameters
    ----------
    name : str
        Key, such as "force_over_weight".
    label : str
        Words.
    value : float
        The number, in ``unit``.
    unit : str
        Its unit; "1" for ratios.
    expanded : float or None
        Expanded uncertainty, k = 2, in the same unit; None where it is not known.
    about : str
        What it holds for.
    """

    name: str
    label: str
    value: float
    unit: str
    expanded: float | None = None
    about: str = ""


@read_only
@dataclass(frozen=True)
class ForceTable:
    """Rows of forces and torques on one implant.

    Parameters
    ----------
    rows : tuple of ForceRow
        In order.
    notes : tuple of str
        What limits how far they can be trusted.
    """

    rows: tuple[ForceRow, ...]
    notes: tuple[str, ...] = field(default=())

    def __iter__(self) -> Iterator[ForceRow]:
        return iter(self.rows)

    def __getitem__(self, name: str) -> ForceRow:
        for row in self.rows:
            if row.name == name:
                return row
        raise InputError("no such row", field=name, expected=", ".join(r.name for r in self.rows))


def force_table(
    implant: Implant,
    B0_T: float,
    *,
    moments: MomentTensor | None = None,
    force_at: StaticFieldPoint | None = None,
    materials: Mapping[str, Magnetism] | None = None,
    torque: SwitchedLoad | None = None,
    force: SwitchedLoad | None = None,
    turn_rad_s: float = 1.0,
    speed_m_s: float = 0.2,
    relative_conductivity: float = 0.0,
    body: RigidBody | None = None,
) -> ForceTable:
    """Forces and torques on an implant, with ratios to its weight and to weight times longest dimension.

    Parameters
    ----------
    implant : Implant
        The metal.
    B0_T : float
        Static field at the isocentre [T], for torques.
    moments : MomentTensor, optional
        Induced moment; without it there are no rows of eddy currents.
    force_at : StaticFieldPoint, optional
        Place of the force; without it there is no force of magnetisation and no drag.
    materials : mapping, optional
        Susceptibility by the name of a metal, in the place of the table's.
    torque, force : SwitchedLoad, optional
        Of gradients.
    turn_rad_s : float
        How fast the patient is turned [rad/s].
    speed_m_s : float
        How fast the table moves [m/s].
    relative_conductivity : float
        Relative half width of the conductivity, rectangular, which all rows of eddy currents are proportional to.
    body : RigidBody, optional
        The implant's mass properties, where they are known already: the table then takes a few milliseconds.

    Raises
    ------
    InputError
        For a metal without susceptibility, or a tensor that is not known at rest.
    """
    body = rigid_body(implant) if body is None else body
    lever = body.weight_N * body.longest_m
    rows = [
        ForceRow("weight", "weight", body.weight_N, "N", about=f"{1e3 * body.mass_kg:.4g} g"),
        ForceRow(
            "weight_torque", "weight times longest dimension", lever, "N m", about=f"{1e3 * body.longest_m:.4g} mm"
        ),
    ]
    notes: list[str] = []
    known = _materials(implant, materials)
    rows += _magnetic(body, known, B0_T, force_at, notes)
    if moments is not None:
        relative = COVERAGE * math.hypot(moments.relative_error, relative_conductivity) / math.sqrt(3)
        rows += _moving(moments, body, B0_T, force_at, not_negative("turn_rad_s", turn_rad_s), speed_m_s, relative)
        if torque is not None:
            rows += _switched(body, torque, force, relative)
    return ForceTable(tuple(rows), tuple(notes))


def _materials(implant: Implant, given: Mapping[str, Magnetism] | None) -> list[Magnetism]:
    own = given or {}
    return [own[m.name] if m.name in own else magnetism(m) for m in implant.metals]


def _magnetic(
    body: RigidBody,
    materials: Sequence[Magnetism],
    B0_T: float,
    at: StaticFieldPoint | None,
    notes: list[str],
) -> list[ForceRow]:
    factors, width, _ = body_factors(body)
    volumes = body.volumes_m3.tolist()
    low = float(factors.min())
    rows = []
    if at is not None:

        def force(chi: int | None, N: float) -> float:
            return sum(
                static_force(m, v, at.B_T, at.gradient_T_m, N, None if chi is None else m.span[chi])
                for m, v in zip(materials, volumes, strict=True)
            )

        F = force(None, low)
        shape = abs(force(None, max(low - float(width.max()), 0.0)) - F)
        U = _expanded(F, force(0, low), force(1, low), shape)
        regime = "saturated" if any(m.saturation_field_T(low) < at.B_T for m in materials) else "in proportion to B"
        about = f"{at}; {regime}, scales with {'|grad B|' if regime == 'saturated' else 'B |grad B|'}"
        ratio = F / body.weight_N
        angle = deflection_deg(ratio)
        rows += [
            ForceRow("force", "force of the static field", F, "N", U, about),
            ForceRow("force_over_weight", "force over weight", ratio, "1", U / body.weight_N, "ASTM F2052"),
            ForceRow(
                "deflection",
                "deflection angle",
                angle,
                "degree",
                math.degrees(U / body.weight_N / (1 + ratio**2)),
                "F = m g tan(alpha); 45 degrees where force equals weight",
            ),
        ]

    def torque(chi: int | None, N: np.ndarray) -> float:
        return sum(
            static_torque(m, v, B0_T, N, chi=None if chi is None else m.span[chi])
            for m, v in zip(materials, volumes, strict=True)
        )

    T = torque(None, factors)
    spread = np.sort(factors)
    wider = np.array([max(spread[0] - width.max(), 0.0), spread[1], min(spread[2] + width.max(), 1.0)])
    U = _expanded(T, torque(0, factors), torque(1, factors), abs(torque(None, wider) - T))
    lever = body.weight_N * body.longest_m
    if all(m.anisotropy == 0 for m in materials):
        notes.append(
            "the torque of magnetisation is that of the shape alone, a lower estimate: anisotropy of the metal "
            "(rolled, drawn) can exceed it a hundredfold and is an input"
        )
    rows += [
        ForceRow("static_torque", "largest torque of the static field", T, "N m", U, f"{B0_T:g} T, at 45 degrees"),
        ForceRow("static_torque_ratio", "torque over weight times length", T / lever, "1", U / lever, "ASTM F2213"),
    ]
    return rows


def _moving(
    moments: MomentTensor,
    body: RigidBody,
    B0_T: float,
    at: StaticFieldPoint | None,
    turn_rad_s: float,
    speed_m_s: float,
    relative: float,
) -> list[ForceRow]:
    M, lever = moments.for_motion(), body.weight_N * body.longest_m
    T = largest_lenz_torque(M, turn_rad_s, B0_T)
    rows = [
        ForceRow(
            "lenz_torque",
            "torque against turning the patient",
            T,
            "N m",
            relative * T,
            f"{turn_rad_s:g} rad/s in {B0_T:g} T, about the worst axis",
        ),
        ForceRow("lenz_torque_ratio", "the same over weight times length", T / lever, "1", relative * T / lever, ""),
    ]
    if at is not None:
        # The largest eigenvalue of M with |grad B| stands for every direction of field, gradient and motion.
        slope = np.zeros((3, 3))
        slope[2, 2] = at.gradient_T_m
        largest = float(np.linalg.eigvalsh(M)[-1])
        drag = float(drag_tensor(largest * np.eye(3), slope)[2, 2]) * not_negative("speed_m_s", speed_m_s)
        rows += [
            ForceRow("drag", "drag of moving in the gradient", drag, "N", relative * drag, f"{speed_m_s:g} m/s, {at}"),
            ForceRow(
                "drag_over_weight", "the same over weight", drag / body.weight_N, "1", relative * drag / body.weight_N
            ),
        ]
    return rows


def _switched(body: RigidBody, torque: SwitchedLoad, force: SwitchedLoad | None, relative: float) -> list[ForceRow]:
    lever = body.weight_N * body.longest_m
    rms, peak = torque.rms, torque.peak
    swing = rigid_vibration(body, torque, force).amplitude_m
    rows = [
        ForceRow("gradient_torque_rms", "torque of switched gradients, rms", rms, "N m", relative * rms),
        ForceRow("gradient_torque_peak", "torque of switched gradients, peak", peak, "N m", relative * peak),
        ForceRow("gradient_torque_ratio", "peak over weight times length", peak / lever, "1", relative * peak / lever),
    ]
    if force is not None:
        F = force.rms
        rows.append(ForceRow("gradient_force_rms", "net force of switched gradients, rms", F, "N", relative * F))
    rows.append(
        ForceRow(
            "vibration", "amplitude of a free rigid body", swing, "m", relative * swing, "no support; bone lowers it"
        )
    )
    return rows


def _expanded(value: float, low: float, high: float, shape: float) -> float:
    """k = 2 of rectangular parts: the range of the susceptibility by its wider side, and the shape."""
    return COVERAGE * math.hypot(max(abs(high - value), abs(value - low)), shape) / math.sqrt(3)
