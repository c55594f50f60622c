"""Staff near magnets and gradients beside ICNIRP and Directive 2013/35/EU, in the movements and pulses they meet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emdose.checks import array, growing, one_of, within
from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import STANDARD as IEC
from emdose.compliance.frequency_weights import DIRECTIVE, ICNIRP, ICNIRP_2014, Start, Weighting, weighting
from emdose.compliance.limits import NOTES, Limit, confirmed, limits
from emdose.compliance.terms.confirmations import Confirmation, as_confirmations
from emdose.compute.shared import Shared, key_of
from emdose.errors import InputError

ICNIRP_2009 = "ICNIRP 2009"
STANDARDS = (DIRECTIVE, ICNIRP_2014, ICNIRP_2009, ICNIRP, IEC)
WINDOW_s = 3.0
LARGEST_T = 30.0
"""No magnet for people is stronger: a larger number is a field in millitesla."""
LIMBS_T = "8"
SMOOTH_s = 2e-3
"""Longest step between samples of B where its derivatives are weighed; in between it is a cubic spline."""
_POINTS = 200
_WEIGHED = Shared(2**16)
"""Largest weighted values of courses, the last thousand."""
FILTERS = (
    "Weighted peak: filters of first-order sections with the corners of the limits, exact for courses that are "
    "straight between their samples, B being a cubic spline through them. Beside a corner filters depart from the "
    "straight pieces by up to 3 dB; below the range of a limit its first piece goes on."
)


@dataclass(frozen=True, eq=False)
class _Course:
    """What is known of one exposure."""

    times_s: np.ndarray
    B: np.ndarray
    E: np.ndarray | None
    limbs: np.ndarray
    head: np.ndarray
    spread: float | None
    found: list[Check] = field(default_factory=list)

    def add(
        self, row: Limit, region: str, value: float | None, mode: str = "", note: str = "", counted: bool = True
    ) -> None:
        row = replace(row, mode=mode or row.mode)
        spread = None if value is None or self.spread is None else self.spread * value
        self.found.append(Check(row, region, value, row.value(), spread, counted, note))


def check_motion(
    times_s: np.ndarray,
    B_T: np.ndarray,
    E_V_m: np.ndarray | None = None,
    standard: str = DIRECTIVE,
    edition: str | None = None,
    *,
    limbs: np.ndarray | None = None,
    head: np.ndarray | None = None,
    relative_uncertainty: float | None = None,
    verified_by: Iterable[Confirmation | Mapping[str, Any]] = (),
    use_values: Iterable[str] = (),
) -> Checks:
    """Compare a movement in the field of a magnet with the limits for staff, patients or the public.

    Parameters
    ----------
    times_s : (n,) array
        Growing times [s].
    B_T : (n, 3) or (n, points, 3) array
        Flux density that points of the body see, in its axes, straight between the times [T].
    E_V_m : (n, axes) or (n, points, axes) array, optional
        Induced field at points of the body, not necessarily the same ones, straight between the times [V/m].
    standard : str
        "Directive 2013/35/EU", "ICNIRP 2014", "ICNIRP 2009", "ICNIRP 2010" or "IEC 60601-2-33" (static field of
        patients).
    edition : str, optional
        Needed for IEC 60601-2-33, "2022" by default.
    limbs : (points,) bool array, optional
        Which points of B lie in limbs; none by default.
    head : (points,) bool array, optional
        Which points of E lie in the head, or in the central nervous system of the head; all by default.
    relative_uncertainty : float, optional
        Expanded uncertainty (k = 2) of every value as a fraction of it, where one is known.
    verified_by, use_values
        As of :func:`emdose.check`.

    Returns
    -------
    Checks
        Largest flux density, largest change over any 3 s, weighted peaks of E, dB/dt and B, as the document has them.
        ``inputs`` has the largest flux density, the largest change and the largest dB/dt whatever the document.

    Raises
    ------
    InputError
        For times that do not grow, shapes that do not fit, and fields above 30 T (millitesla taken for tesla).

    Notes
    -----
    Weighted peak: the largest length over time of the vector of filtered components, 1 at the limit.

    Source: the rows of ``emdose/data/exposure_limits.csv``; Andreuccetti 2017, doi 10.1002/mp.12537 (which of these
    indices are in use).
    """
    one_of("standard", standard, STANDARDS, problem="no checks of movements for this standard")
    if relative_uncertainty is not None:
        within("relative_uncertainty", relative_uncertainty, 0.0, math.inf, problem="number out of range")
    t = growing("times_s", array("times_s", times_s, (None,)), problem="times of a movement do not grow", unit="s")
    B = _points("B_T", B_T, len(t), 3)
    E = None if E_V_m is None else _points("E_V_m", E_V_m, len(t), None)
    if len(t) < 2:
        raise InputError("a movement needs two times", field="times_s", found=len(t))
    largest = float(np.linalg.norm(B, axis=2).max())
    if largest > LARGEST_T:
        raise InputError(
            "flux density that no magnet for people has",
            field="B_T",
            found=f"{largest:.4g} T",
            expected=f"up to {LARGEST_T:g} T (flux densities are in T, not mT)",
        )
    edition = ("2022" if standard == IEC else None) if edition is None else edition
    rows = confirmed(limits(standard, edition), as_confirmations(verified_by), use_values)
    course = _Course(
        t,
        B,
        E,
        _mask("limbs", limbs, B.shape[1], False),
        _mask("head", head, 0 if E is None else E.shape[1], True),
        relative_uncertainty,
    )
    change = largest_change(t, B, WINDOW_s)
    for make in _OF[standard]:
        make(course, rows, change)
    rate = np.linalg.norm(np.diff(B, axis=0), axis=2) / np.diff(t)[:, None]
    inputs = {
        "duration_s": float(t[-1] - t[0]),
        "points": B.shape[1],
        "points_of_E": None if E is None else E.shape[1],
        "largest_B_T": largest,
        "largest_change_T": change,
        "window_s": WINDOW_s,
        "largest_dBdt_T_s": float(rate.max()),
        "largest_E_V_m": None if E is None else float(np.linalg.norm(E, axis=2).max()),
        "relative_uncertainty": relative_uncertainty,
    }
    weighted = any("weighted" in c.limit.quantity for c in course.found)
    notes = NOTES.get(standard, ()) + ((FILTERS,) if weighted else ())
    used = course.found[0].limit.edition
    return Checks(standard, used, tuple(course.found), None, "", inputs, notes)


def largest_change(times_s: np.ndarray, B_T: np.ndarray, window_s: float = WINDOW_s) -> float:
    """Largest change of a vector within any window, over all points, straight between the times [unit of B].

    The length of a difference of straight courses is convex, so that the largest one lies between two of the times, or
    between one of them and the end of its window.

    Parameters
    ----------
    times_s : (n,) ndarray
        Growing times [s].
    B_T : (n, points, 3) ndarray
        Values.
    window_s : float
        Length of the window [s].
    """
    t, B, best = np.asarray(times_s, float), np.asarray(B_T, float), 0.0
    for side in (1, -1):
        for k in range(len(t)):
            end = t[k] + side * window_s
            if side > 0:
                last = int(np.searchsorted(t, end, side="right"))
                near = B[k + 1 : last] - B[k]
                best = max(best, float(np.einsum("kpc,kpc->kp", near, near).max(initial=0.0)))
            if t[0] < end < t[-1]:
                j = int(np.searchsorted(t, end, side="right")) - 1
                u = (end - t[j]) / (t[j + 1] - t[j])
                edge = (1 - u) * B[j] + u * B[j + 1] - B[k]
                best = max(best, float(np.einsum("pc,pc->p", edge, edge).max()))
    return math.sqrt(best)


def _directive(course: _Course, rows: tuple[Limit, ...], _: float) -> None:
    _static(course, rows, "static B sensory ELV", "workers", LIMBS_T)
    (health,) = (r for r in rows if r.quantity == "static B health ELV")
    course.add(health, "body, controlled conditions", _largest(course.B), "workers")
    _weighted_E(course, weighting(DIRECTIVE, "E sensory ELV"), "head", "workers")
    _weighted_E(course, weighting(DIRECTIVE, "E health ELV"), "body", "workers")
    told = "Action level: below it the limits of E are taken as kept; above it E decides."
    for level, points in (("low", ~course.limbs), ("high", ~course.limbs), ("limb", course.limbs)):
        weights = weighting(DIRECTIVE, f"B {level} action level")
        _weighted_B(course, weights, points, "limbs" if level == "limb" else "head and trunk", "workers", told)


def _icnirp_2014(course: _Course, rows: tuple[Limit, ...], change: float) -> None:
    (row,) = (r for r in rows if r.quantity == "change of B")
    course.add(row, "body", change, note="Largest length of the change within any 3 s, over all points.")
    for condition, where in (("uncontrolled", "head"), ("controlled", "body")):
        mode = f"occupational, {condition}"
        _weighted_E(course, weighting(ICNIRP_2014, f"E {condition}"), where, mode)
        reference = weighting(ICNIRP_2014, f"dB/dt reference {condition}")
        told = "Reference level: where E is known, E decides."
        _weighted_B(course, reference, ~course.limbs, "head and trunk", mode, told)


def _icnirp_2009(course: _Course, rows: tuple[Limit, ...], _: float) -> None:
    _static(course, rows, "static B", "occupational", LIMBS_T)
    (public,) = (r for r in rows if r.mode == "public")
    course.add(public, "any part", _largest(course.B))


def _icnirp_2010(course: _Course, *_: Any) -> None:
    for mode in ("occupational", "public"):
        for region, where in (("CNS head", "head"), ("all tissues", "body")):
            _weighted_E(course, weighting(ICNIRP, "E", mode, region), where, mode)
        _weighted_B(
            course,
            weighting(ICNIRP, "B reference", mode),
            ~course.limbs,
            "head and trunk",
            mode,
            "Reference level: where E is known, E decides.",
        )


def _iec(course: _Course, rows: tuple[Limit, ...], _: float) -> None:
    for row in rows:
        if row.quantity == "static B":
            course.add(row, "body", _largest(course.B))


_OF = {
    DIRECTIVE: (_directive,),
    ICNIRP_2014: (_icnirp_2014,),
    ICNIRP_2009: (_icnirp_2009,),
    ICNIRP: (_icnirp_2010,),
    IEC: (_iec,),
}


def _static(course: _Course, rows: tuple[Limit, ...], quantity: str, mode: str, limbs_T: str) -> None:
    (row,) = (r for r in rows if r.quantity == quantity and r.mode.startswith(mode))
    if not course.limbs.all():
        course.add(row, "head and trunk", _largest(course.B[:, ~course.limbs]), mode)
    if course.limbs.any():
        course.add(replace(row, limit=limbs_T), "limbs", _largest(course.B[:, course.limbs]), mode)


def _weighted_E(course: _Course, weights: Weighting, where: str, mode: str) -> None:
    row = weights.as_limit()
    if course.E is None:
        course.add(row, where, None, mode, "No induced field was given.")
        return
    points = course.head if where == "head" else np.ones(course.E.shape[1], bool)
    if not points.any():
        course.add(row, where, None, mode, "None of the points of E lies there.")
        return
    value, at = _index(weights, course.times_s, course.E[:, points], "settled")
    course.add(row, where, value, mode, f"At {at:.3f} s.")


def _weighted_B(course: _Course, weights: Weighting, points: np.ndarray, where: str, mode: str, told: str) -> None:
    if not points.any():
        return
    t, B, rate = _smooth(course.times_s, course.B[:, points])
    value, at = _index(weights, t, *((B, "moving") if weights.rows[0].unit == "T" else (rate, "settled")))
    course.add(weights.as_limit(), where, value, mode, f"{told} At {at:.3f} s.", counted=course.E is None)


def _smooth(t: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times in steps of 2 ms at most, the course and its rate there, smooth through the samples.

    Below 8 Hz limits of B weigh its second derivative: corners between straight pieces would be jolts.
    """
    from scipy.interpolate import CubicSpline

    spline = CubicSpline(t, B) if len(t) > 3 else CubicSpline(t, B, bc_type="natural")
    parts = np.maximum(1, np.ceil(np.diff(t) / SMOOTH_s - 1e-9)).astype(int)
    which = np.repeat(np.arange(len(parts)), parts)
    share = (np.arange(len(which)) - np.repeat(np.cumsum(parts) - parts, parts)) / parts[which]
    fine = np.append(t[which] + share * np.diff(t)[which], t[-1])
    return fine, spline(fine), spline(fine, 1)


def _index(weights: Weighting, t: np.ndarray, values: np.ndarray, start: Start) -> tuple[float, float]:
    """Largest weighted length over time and points, and when.

    Samples of a study share what the body goes through, and differ in what is induced in it: what has been weighed is
    not weighed again.
    """
    pieces = [[str(r.limit), str(r.f_min_Hz), str(r.f_max_Hz), r.unit] for r in weights.rows]
    key = key_of("index", weights.name, weights.rate, pieces, start, t, values)
    return _WEIGHED.get(key, lambda: _weighed(weights, t, values, start), 64)


def _weighed(weights: Weighting, t: np.ndarray, values: np.ndarray, start: Start) -> tuple[float, float]:
    best, when = 0.0, float(t[0])
    for low in range(0, values.shape[1], _POINTS):
        some = np.ascontiguousarray(values[:, low : low + _POINTS]).reshape(len(t), -1)
        times, a, b = weights.filtered(t, some[:-1], some[1:], start, fine=np.diff(t).max() > SMOOTH_s)
        for at, course in ((times[:-1], a), (times[1:], b)):
            size = np.linalg.norm(course.reshape(len(course), -1, values.shape[2]), axis=2).max(1)
            k = int(size.argmax())
            if size[k] > best:
                best, when = float(size[k]), float(at[k])
    return best, when


def _largest(B: np.ndarray) -> float:
    return float(np.linalg.norm(B, axis=2).max())


def _points(name: str, values: Any, count: int, axes: int | None) -> np.ndarray:
    v = np.asarray(values, float)
    v = v[:, None] if v.ndim == 2 else v
    if v.ndim != 3 or len(v) != count or (axes is not None and v.shape[2] != axes) or not v.size:
        raise InputError(
            "course does not fit its times",
            field=name,
            found=np.shape(values),
            expected=f"({count}, {axes or 'axes'}) or ({count}, points, {axes or 'axes'})",
        )
    if not np.all(np.isfinite(v)):
        raise InputError("course holds a value that is not finite", field=name)
    return v


def _mask(name: str, given: Any, count: int, default: bool) -> np.ndarray:
    if given is None:
        return np.full(count, default)
    mask = np.asarray(given)
    if mask.shape != (count,) or mask.dtype != bool:
        raise InputError("mask does not fit the points", field=name, found=mask.shape, expected=f"({count},) bool")
    return mask
