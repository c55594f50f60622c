r"""The rows of a label's sheet, from moments and heat.

The rise of temperature is a quadratic form of dB/dt, so that what is allowed for a rise R follows from one solution:

.. math:: \dot B_{allowed} = \dot B_{ref} \sqrt{R / \Delta T_{ref}}, \qquad
          s_{allowed} = \dot B_{allowed} \Bigl/ \max_{\pm} \bigl| \textstyle\sum_a \pm\, \mathbf g_a \bigr|

with g_a the field per gradient of axis a where the implant lies, all three axes on together. The direction of the
field is the one that heats most, whatever the pose.

Source: A. Arduino et al., Magn. Reson. Med. 85 (2021) 3447 (quadratic form, worst direction).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from emdose.dosimetry.temperature import cem43
from emdose.mechanics.table import COVERAGE, ForceTable
from emdose.models.bodies.stylised_adult import LANDMARKS_MM
from emdose.solvers.heat.directions import crossing
from emdose.solvers.results.measures import heat_measures, worst
from emdose.validity import Measure
from emdose.values import read_only

RF, GRADIENTS, TIME, FORCES = "RF heating", "switched gradients", "scan time", "forces and torques"
NOT_COMPUTED = "not computed: give runs of kind implant-rf"
ASSUMED = {1.5: 18.0, 3.0: 48.0}
"""Products B |grad B| of whole-body scanners [T2/m] that are assumed where none is stated, by field [T]."""
PER_FIELD = 16.0
"""The same for other fields, per tesla."""
CONDUCTIVITY, THERMAL = 0.05, 0.10
"""Relative half widths of the conductivity of an alloy and of the thermal conductivity, as in the default laws."""
FINE = 4000


@read_only
@dataclass(frozen=True)
class SheetRow:
    """One row of the sheet.

    Parameters
    ----------
    group : str
        "RF heating", "switched gradients", "scan time" or "forces and torques".
    name : str
        What it is.
    value : float or None
        The number; None where it was not computed, or is not reached.
    unit : str
        Its unit; "1" for ratios.
    expanded : float or None
        Expanded uncertainty, k = 2.
    field_T : float or None
        Field of the scanner; None for all.
    landmark : str
        What lies at the isocentre; empty for all.
    share : float or None
        What the reference takes of what is allowed, or the ratio itself; the largest binds.
    note : str
        What it holds for, or why there is no number.
    document : str
        The document that describes the test, by name.
    binds : bool
        Whether it binds, among the rows of its field.
    """

    group: str
    name: str
    value: float | None
    unit: str
    expanded: float | None = None
    field_T: float | None = None
    landmark: str = ""
    share: float | None = None
    note: str = ""
    document: str = ""
    binds: bool = field(default=False)

    @property
    def key(self) -> str:
        """Its name among the quantities of a summary."""
        where = [self.landmark, "" if self.field_T is None else f"{self.field_T:g} T"]
        return ": ".join([self.name, *filter(None, [", ".join(filter(None, where))])])


@read_only
@dataclass(frozen=True, eq=False)
class HeatingCurve:
    """Rise over time at the reference exposure, in the direction that heats most.

    Parameters
    ----------
    times_s, rise_K : (t,) ndarray
        From 0 on.
    relative : float
        Expanded relative uncertainty of the rise, k = 2.
    """

    times_s: np.ndarray
    rise_K: np.ndarray
    relative: float

    def at(self, time_s: float) -> float:
        """Rise at a time [K]."""
        return float(np.interp(time_s, self.times_s, self.rise_K))

    def minutes_to(self, rise_K: float) -> tuple[float | None, float | None]:
        """Time to a rise and its expanded uncertainty [min]; None where it is not reached."""
        return self._spread(lambda factor: crossing(self.times_s, factor * self.rise_K, rise_K))

    def minutes_to_dose(self, dose_min: float, baseline_degC: float) -> tuple[float | None, float | None]:
        """Time until the hottest place has a dose CEM43, and its expanded uncertainty [min]."""
        t = np.linspace(0.0, self.times_s[-1], FINE)
        rise = np.interp(t, self.times_s, self.rise_K)

        def found(factor: float) -> float | None:
            T = baseline_degC + factor * rise
            # The dose of every piece by itself, side by side, then their sum.
            pieces = cem43(np.array([0.0, t[1]]), np.stack([T[:-1], T[1:]]))
            return crossing(t, np.concatenate([[0.0], np.cumsum(pieces)]), dose_min)

        return self._spread(found)

    def _spread(self, found: Any) -> tuple[float | None, float | None]:
        middle, early, late = (found(1.0 + s * self.relative) for s in (0, 1, -1))
        if middle is None:
            return None, None
        ends = [abs(x - middle) for x in (early, late) if x is not None]
        return middle / 60, max(ends) / 60 if ends else None


def relative_rise(eddy: float, voxels: float) -> float:
    """Expanded relative uncertainty of a rise: solver, voxels of the heat, conductivity of alloy and of heat; k = 2."""
    return COVERAGE * math.sqrt((eddy**2 + voxels**2 + CONDUCTIVITY**2 + THERMAL**2) / 3)


def gradient_rows(
    curve: HeatingCurve,
    reference_T_s: float,
    frequency_Hz: float,
    sheet: Any,
    fields: Mapping[str, np.ndarray],
) -> list[SheetRow]:
    """Allowed dB/dt and slew rates, and scan times.

    Parameters
    ----------
    curve : HeatingCurve
        At the reference exposure.
    reference_T_s, frequency_Hz : float
        Rms dB/dt and frequency of that exposure [T/s, Hz].
    sheet : SheetTable
        Rises, times, landmarks.
    fields : mapping of str to (3, 3) ndarray
        Field per gradient of every axis where the implant lies, by landmark [T per T/m].
    """
    rise, note = curve.at(60 * sheet.scan_min), f"{frequency_Hz:g} Hz, {sheet.scan_min:g} min, worst direction"
    rows = []
    for level in sorted({*sheet.rises_K, sheet.rise_K}):
        allowed = reference_T_s * math.sqrt(level / rise)
        U = 0.5 * curve.relative
        decides = level == sheet.rise_K
        rows.append(
            SheetRow(
                GRADIENTS,
                f"dB/dt rms for {level:g} K",
                allowed,
                "T/s",
                U * allowed,
                share=reference_T_s / allowed if decides else None,
                note=note,
                document="ISO/TS 10974, clause 9",
            )
        )
        for landmark, field_T in fields.items():
            per = slew_factor(field_T)
            rows.append(
                SheetRow(
                    GRADIENTS,
                    f"slew rate rms of each axis for {level:g} K",
                    allowed / per,
                    "T/m/s",
                    U * allowed / per,
                    landmark=landmark,
                    note=f"{per:.3g} T/s per T/m/s at the implant, all axes together",
                )
            )
    rows.append(
        SheetRow(
            TIME,
            "rise at the reference exposure",
            rise,
            "K",
            curve.relative * rise,
            note=f"{reference_T_s:g} T/s rms, {note}",
            document="ISO/TS 10974, clause 9",
        )
    )
    where = f"{reference_T_s:g} T/s rms at {frequency_Hz:g} Hz"
    for level in sheet.rises_K:
        rows.append(_time(f"time to {level:g} K", curve.minutes_to(level), where, sheet.longest_min))
    dose = curve.minutes_to_dose(sheet.dose_min, sheet.baseline_degC)
    told = f"{where}, from {sheet.baseline_degC:g} degC"
    rows.append(_time(f"time to CEM43 of {sheet.dose_min:g} min", dose, told, sheet.longest_min))
    return rows


def force_rows(
    field_T: float, table: ForceTable, place: str, swing_ratio: float, relative: float, reference: str
) -> list[SheetRow]:
    """Ratios of forces and torques in one scanner.

    Parameters
    ----------
    field_T : float
        Its field [T].
    table : ForceTable
        Forces and torques in it.
    place : str
        Where the force is, in words.
    swing_ratio : float
        Peak torque of the reference exposure in the worst pose over weight times length.
    relative : float
        Expanded relative uncertainty of that.
    reference : str
        The exposure, in words.
    """
    names = {
        "force_over_weight": ("force over weight", "ASTM F2052"),
        "deflection": ("deflection angle", "ASTM F2052"),
        "static_torque_ratio": ("torque of magnetisation over weight times length", "ASTM F2213"),
        "lenz_torque_ratio": ("torque of turning the patient over weight times length", ""),
    }
    rows = []
    for key, (name, document) in names.items():
        row = table[key]
        ratio = abs(row.value) if row.unit == "1" else None
        note = place if key == "force_over_weight" else row.about
        rows.append(
            SheetRow(
                FORCES, name, row.value, row.unit, row.expanded, field_T, share=ratio, note=note, document=document
            )
        )
    rows.append(
        SheetRow(
            FORCES,
            "peak torque of switched gradients over weight times length",
            swing_ratio,
            "1",
            relative * swing_ratio,
            field_T,
            share=swing_ratio,
            note=f"{reference}, worst pose; a vibration load of zero mean",
            document="ISO/TS 10974, clause 10",
        )
    )
    return rows


def with_binding(rows: Sequence[SheetRow], fields_T: Sequence[float]) -> list[SheetRow]:
    """The rows, with the one of the largest share marked among those of every field."""
    from dataclasses import replace

    marked: set[int] = set()
    for f in fields_T:
        known = [(row.share, n) for n, row in enumerate(rows) if row.share is not None and row.field_T in (None, f)]
        if known:
            marked.add(max(known)[1])
    return [replace(row, binds=True) if n in marked else row for n, row in enumerate(rows)]


def slew_factor(field_T: np.ndarray) -> float:
    """Largest |dB/dt| per slew rate of each axis over all signs of three axes, from (3, 3) [T/s per T/m/s]."""
    return max(float(np.linalg.norm(field_T @ s)) for s in itertools.product((1.0, -1.0), repeat=field_T.shape[1]))


def place(landmark: str, site: str, offset_m: Sequence[float]) -> np.ndarray:
    """Where the implant lies from the isocentre with a landmark there, (3,) [m], in the stylised adult."""
    up = 1e-3 * (LANDMARKS_MM[site] - LANDMARKS_MM[landmark])
    return np.asarray(offset_m, float) + np.array([0.0, 0.0, up])


def product_of(field_T: float) -> float:
    """B |grad B| that is assumed of a scanner whose data sheet was not given [T2/m]."""
    return ASSUMED.get(field_T, PER_FIELD * field_T)


def _time(name: str, found: tuple[float | None, float | None], where: str, longest_min: float) -> SheetRow:
    minutes, U = found
    note = where if minutes is not None else f"not reached in {longest_min:g} min; {where}"
    return SheetRow(TIME, name, minutes, "min", U, note=note)


def measures(summary: Mapping[str, Any]) -> list[Measure]:
    """How far a sheet can be trusted, by its summary."""
    about, tolerance = summary["label"], summary["convergence"].get("tolerance")
    rows = about["frequencies"]
    met = {f"{r['frequency_Hz']:.4g} Hz": r["residual"] / tolerance for r in rows if r["engine"] == "voxel"}
    return [
        *worst("residual", met),
        *worst("power_identity", {f"{r['frequency_Hz']:.4g} Hz": abs(r["identity"]) for r in rows}),
        *worst("eddy_error", about["eddy_error"]),
        *heat_measures(about["heat"]),
    ]
