"""Stimulation by switched gradients beside the limits of IEC 60601-2-33: dB/dt, nerve response, heart, hardware."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from emdose.checks import array, one_of, positive, within
from emdose.compliance.checks import Check, Checks
from emdose.compliance.circumstances import STANDARD
from emdose.compliance.field_rows import FieldRows
from emdose.compliance.instants import Instants, extreme, limits_of, worst_signs
from emdose.compliance.limits import Limit, confirmed, limits
from emdose.compliance.terms.confirmations import Confirmation, as_confirmations
from emdose.dosimetry.stimulation.nerve import NerveModel
from emdose.dosimetry.stimulation.safe import SafeModel
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientSet
from emdose.models.gradients.waveform import AXES, Waveform
from emdose.solvers.results.induced import InducedField

MODES = ("normal", "first level")
COILS = ("whole-body", "head", "insert", "other")
WHOLE_BODY = COILS[0]
WORST = "worst combination"
NERVE, HEART = "nerve", "heart"
PNS, CARDIAC, RESPONSE = (
    "gradient dB/dt, nerve stimulation",
    "gradient dB/dt, cardiac stimulation",
    "nerve impulse response",
)
E_PNS, E_CARDIAC = "gradient E, nerve stimulation", "gradient E, cardiac stimulation"
RADIUS_m, HALF_LENGTH_m = 0.2, 0.25
_AROUND, _ALONG = 48, 21
NOTES = (
    "ts: effective stimulus duration, the swing of the field over a pulse of dB/dt by the largest dB/dt in it.",
    "Rows of dB/dt, of E and of the nerve impulse response are alternatives for nerves; without a choice all count.",
    "None of these numbers was read in the standard: see the state and the source of every row.",
)


@dataclass(frozen=True)
class _Bench:
    """What all rows of one table share."""

    waveform: Waveform
    names: tuple[str, ...]
    instants: Instants
    rows: tuple[Limit, ...]
    criterion: str | None
    spread: float | None
    found: list[Check] = field(default_factory=list)
    shares: dict[str, dict[str, float]] = field(default_factory=dict)

    def of(self, quantity: str) -> list[Limit]:
        return [row for row in self.rows if row.quantity == quantity and row.mode in MODES]

    def add(
        self, row: Limit, region: str, value: float, limit: float, what: str, note: str = "", counted: bool = True
    ) -> None:
        """One row; ``what`` (an axis, "as played", "worst combination") keeps its share for what just passes."""
        chosen = self.criterion is None or not _of_nerves(row) or row.quantity.startswith(self.criterion)
        spread = None if self.spread is None else self.spread * value
        self.found.append(Check(row, region, value, limit, spread, counted and chosen, note))
        # Worst combinations do not count, but what just passes is told for them as well.
        if chosen and (counted or what == WORST):
            kept = self.shares.setdefault(row.mode, {})
            kept[what] = max(kept.get(what, 0.0), value / limit)


CRITERIA = {"dB/dt": "gradient dB/dt", "E": "gradient E", "nerve response": RESPONSE, "hardware": "hardware model"}
"""What may be chosen to count for nerves, and how the names of its rows begin."""


def check_gradients(
    waveform: Waveform,
    coils: GradientSet | None = None,
    edition: str = "2022",
    *,
    coil_type: str | None = None,
    axes: str = "xyz",
    points_m: np.ndarray | None = None,
    radius_m: float = RADIUS_m,
    half_length_m: float = HALF_LENGTH_m,
    induced: InducedField | None = None,
    statistic: str = "cube p99.9",
    heart: np.ndarray | None = None,
    nerve: NerveModel | None = None,
    hardware: SafeModel | None = None,
    criterion: str | None = None,
    relative_uncertainty: float | None = None,
    verified_by: Iterable[Confirmation | Mapping[str, Any]] = (),
    use_values: Iterable[str] = (),
    device: str = "auto",
) -> Checks:
    """Compare a gradient waveform with the limits of stimulation of nerves and heart of IEC 60601-2-33.

    Parameters
    ----------
    waveform : Waveform
        Gradients of one to three axes, repeated without end.
    coils : GradientSet, optional
        What makes the field; ideal gradients with their concomitant fields by default.
    edition : str
        "2010+A2:2015" or "2022"; only the latter has the nerve impulse response.
    coil_type : "whole-body", "head", "insert" or "other", optional
        Needed unless ``coils`` tell: the parameters for nerves hold for whole-body gradient coils only.
    axes : str
        Axes of the magnet that those of the waveform are.
    points_m : (n, 3) ndarray, optional
        Where dB/dt is looked for, such as the surface of a body [m]; else the surface of a cylinder along z.
    radius_m, half_length_m : float
        Of this cylinder [m].
    induced : InducedField, optional
        Fields in a body, one source in T/m/s per axis of the waveform; they add the rows of E.
    statistic : str
        Which number of a tissue counts for E, the worst tissue's for nerves: "cube", "line" or "voxel" with "p99",
        "p99.9" or "max", such as "cube p99.9". The standard names none; others are listed beside it.
    heart : (nx, ny, nz) bool ndarray, optional
        The heart; by default tissues whose names begin with "heart".
    nerve : NerveModel, optional
        Own parameters of the nerve impulse response, as other coils than whole-body ones need.
    hardware : SafeModel, optional
        Hardware model of the scanner, see :func:`emdose.io.read_stimulation_model`.
    criterion : "dB/dt", "E", "nerve response" or "hardware", optional
        Which rows count for nerves; all by default. Rows for the heart always count.
    relative_uncertainty : float, optional
        Expanded uncertainty (k = 2) of every value as a fraction of it, where one is known.
    verified_by : iterable of Confirmation or mapping
        Limits that users read in their copy of the standard.
    use_values : iterable of str
        Names of limits whose value in ``verified_by`` is used though it differs.
    device : str
        Where averages of the field are computed.

    Returns
    -------
    Checks
        Every axis alone, the waveform as it is played, and, for information, all axes at their peaks at one time with
        the worst signs. ``inputs["passes"]`` has the factor on the amplitude, times kept, with which the waveform just
        passes, and the slew rate and the gradient that it then has, per mode.

    Raises
    ------
    InputError
        For a coil type that is missing, other coils than whole-body ones without their own model, a waveform of a flux
        density, and axes that do not fit.

    Notes
    -----
    Nerves: dB/dt < L rb (1 + 0.36 ms / ts). Heart: dB/dt < 20 / (1 - exp(-ts / 3 ms)) T/s. E likewise, with a tenth
    or so of the numbers.

    Source: the rows of ``emdose/data/exposure_limits.csv``, each with its own.
    """
    coils = GradientSet() if coils is None else coils
    kind = _coil_type(coil_type, coils)
    if waveform.unit != "T/m":
        raise InputError("not a waveform of gradients", field="waveform", found=waveform.unit, expected="T/m")
    if len(axes) != waveform.axes or len(set(axes)) != len(axes) or not set(axes) <= set(AXES):
        expected = f"{waveform.axes} different letters of xyz"
        raise InputError("axes do not fit the waveform", field="axes", found=axes, expected=expected)
    if criterion is not None:
        one_of("criterion", criterion, CRITERIA, problem="unknown criterion")
    if relative_uncertainty is not None:
        within("relative_uncertainty", relative_uncertainty, 0.0, math.inf, problem="number out of range")
    if kind != WHOLE_BODY and nerve is None and hardware is None:
        raise InputError(
            "parameters of nerve stimulation hold for whole-body gradient coils only",
            field="coil_type",
            found=kind,
            expected="the coil's own parameters: nerve = NerveModel(...) or hardware = SafeModel(...)",
        )
    rows = confirmed(limits(STANDARD, edition), as_confirmations(verified_by), use_values)
    points, where = _places(points_m, radius_m, half_length_m)
    fields = coils.fields(points)[..., [AXES.index(a) for a in axes]]
    begins = None if criterion is None else CRITERIA[criterion]
    of_field = None
    if induced is not None:
        of_field = FieldRows(induced, Instants.of(waveform), tuple(axes), statistic, heart, device)
    bench = _Bench(waveform, tuple(axes), Instants.of(waveform), rows, begins, relative_uncertainty)
    if kind == WHOLE_BODY:
        _rates(bench, fields, PNS, where)
        _fields(bench, of_field, E_PNS)
        _response(bench, nerve or NerveModel(), own=nerve is not None)
    elif nerve is not None:
        _response(bench, nerve, own=True)
    if hardware is not None:
        _hardware(bench, hardware)
    _rates(bench, fields, CARDIAC, where)
    _fields(bench, of_field, E_CARDIAC)
    found = sorted(bench.found, key=lambda c: MODES.index(c.limit.mode))
    inputs = {
        "waveform": waveform.name,
        "axes": axes,
        "coils": coils.name,
        "coil_type": kind,
        "region": where,
        "criterion": criterion or "all",
        "statistic": None if induced is None else statistic,
        "relative_uncertainty": relative_uncertainty,
        "pulses": {a: len(p) for a, p in zip(axes, bench.instants.pulses, strict=True)},
        "passes": _passes(bench),
    }
    return Checks(STANDARD, edition, tuple(found), None, "", inputs, NOTES)


def fastest_slew(
    swing_T_m: float, field_m: float = 0.333, mode: str = "normal", edition: str = "2022", organ: str = NERVE
) -> float:
    """Largest slew rate of one ramp that does not pass a limit of dB/dt [T/m/s]; infinite when none does.

    Parameters
    ----------
    swing_T_m : float
        Change of the gradient over the ramp [T/m].
    field_m : float
        Largest flux density of the coil in the body per gradient, such as that on a cylinder [m].
    mode : "normal" or "first level"
        Operating mode.
    edition : str
        Of IEC 60601-2-33.
    organ : "nerve" or "heart"
        Which limit.

    Raises
    ------
    InputError
        For lengths and gradients that are not positive.
    """
    positive("swing_T_m", swing_T_m)
    positive("field_m", field_m)
    one_of("organ", organ, (NERVE, HEART), problem="unknown organ")
    (row,) = limits(STANDARD, edition, PNS if organ == NERVE else CARDIAC, mode)

    def excess(slew: float) -> float:
        return field_m * slew / row.value(ts=1e3 * swing_T_m / slew) - 1

    low, high = 1e-3, 1e7
    if excess(high) <= 0:
        return math.inf
    from scipy.optimize import brentq

    return float(brentq(excess, low, high, xtol=1e-9, rtol=1e-12))


def _of_nerves(row: Limit) -> bool:
    return "cardiac" not in row.quantity


def _coil_type(given: str | None, coils: GradientSet) -> str:
    if given is not None:
        return one_of("coil_type", given, COILS, problem="unknown type of gradient coil")
    told = {str(getattr(s, "parameters", {}).get("kind", "")) for s in coils.sources}
    kinds = {kind for word in told for kind in COILS if word.startswith(kind)}
    if len(kinds) != 1 or len(told) != 1:
        raise InputError(
            "type of the gradient coil is not known",
            field="coil_type",
            expected='"whole-body", "head", "insert" or "other": limits for nerves depend on it',
        )
    return kinds.pop()


def _places(points_m: np.ndarray | None, radius: float, half_length: float) -> tuple[np.ndarray, str]:
    if points_m is not None:
        points = array("points_m", points_m, (None, 3))
        return points, f"{len(points)} given points"
    positive("radius_m", radius)
    positive("half_length_m", half_length)
    phi = 2 * np.pi * np.arange(_AROUND) / _AROUND
    z = np.linspace(-half_length, half_length, _ALONG)
    # A field without sources inside is nowhere larger than on the surface, the lids included.
    shells = [(radius, z), (radius / 3, z[[0, -1]]), (radius / 1.5, z[[0, -1]])]
    parts = []
    for r, along in shells:
        p, q = (v.ravel() for v in np.meshgrid(phi, along, indexing="ij"))
        parts.append(np.stack([r * np.cos(p), r * np.sin(p), q], axis=1))
    text = f"cylinder of {1e3 * radius:g} mm radius, {2e3 * half_length:g} mm long"
    return np.concatenate(parts), text


def _rates(bench: _Bench, fields: np.ndarray, quantity: str, where: str) -> None:
    """Rows of dB/dt: axes alone, as played, and all peaks at once."""
    largest = np.linalg.norm(fields, axis=1).max(0)
    for row in bench.of(quantity):
        binding = []
        for name, b, pulse in zip(bench.names, largest, bench.instants.pulses, strict=True):
            if not len(pulse):
                continue
            limit = limits_of(row, pulse.durations_s)
            k = int((pulse.peaks / limit).argmax())
            binding.append((name, b * pulse.peaks[k], limit[k], pulse.durations_s[k]))
            bench.add(row, f"{name} alone, {where}", binding[-1][1], limit[k], name, _ts(binding[-1][3]))
        if len(binding) < 2:
            continue
        shares = bench.instants.over(row)
        corners = extreme(shares)
        norms = np.linalg.norm(fields @ shares[corners].T, axis=1).max(0)
        k = int(corners[norms.argmax()])
        limit_k = float(limits_of(row, bench.instants.durations_s[k : k + 1])[0])
        note = _ts(bench.instants.durations_s[k], "the longest of the pulses that run then")
        bench.add(row, f"as played, {where}", float(norms.max()) * limit_k, limit_k, "as played", note)
        longest = max(ts for *_, ts in binding)
        limit_l = row.value(ts=1e3 * longest)
        peaks = np.array([p.peaks.max(initial=0.0) for p in bench.instants.pulses])
        value = float(np.linalg.norm(fields @ worst_signs(peaks).T, axis=1).max())
        note = f"All axes at their peaks at one time with the worst signs. {_ts(longest, 'the longest of them')}"
        bench.add(row, f"worst combination, {where}", value, limit_l, "worst combination", note, False)


def _fields(bench: _Bench, rows: FieldRows | None, quantity: str) -> None:
    if rows is None:
        return
    for limit in bench.of(quantity):
        for r in rows(limit):
            bench.add(limit, r.region, r.value, r.limit, r.what, r.note, r.counted)


def _response(bench: _Bench, model: NerveModel, own: bool) -> None:
    rows = bench.of(RESPONSE)
    if own:
        rows = [
            replace(r, region="gradient coil of the given parameters", reason="", source="parameters: given")
            for r in limits(STANDARD, "2022", RESPONSE)
        ]
    if not rows:
        return
    answer = model.peaks(bench.waveform, axes="".join(bench.names))
    text = (
        f"Rheobase {model.rheobase_T_s:g} T/s over {model.length_m:g} m, chronaxie {1e6 * model.chronaxie_s:g} us; "
        f"weights of x, y, z {', '.join(f'{w:g}' for w in model.weights)}."
    )
    for row in rows:
        limit = row.value()
        for name, peak in zip(bench.names, answer.axis_peaks, strict=True):
            if peak > 0:
                bench.add(row, f"{name} alone", float(peak), limit, name, text)
        if sum(answer.axis_peaks > 0) < 2:
            continue
        note = f"{text} At {1e3 * answer.peak_time_s:.3f} ms."
        bench.add(row, "as played", answer.peak, limit, "as played", note)
        note = f"{text} Root of the sum of the squares of the peaks of the axes."
        bench.add(row, "worst combination", answer.worst_combination, limit, "worst combination", note, False)


def _hardware(bench: _Bench, model: SafeModel) -> None:
    answer = model.peaks(bench.waveform)
    for row in limits(STANDARD, "2022", RESPONSE):
        factor = 1.0 if row.mode == MODES[1] else model.threshold
        own = replace(
            row,
            quantity="hardware model of stimulation",
            region=f"gradient coil {model.name}",
            limit=f"{factor:g}",
            state="unverified",
            reason="limit and threshold of the hardware file; their relation to the modes was not read",
            source=model.source,
        )
        for k, name in enumerate(bench.names):
            if answer.axis_peaks[k] > 0:
                bench.add(own, f"{name} alone", float(answer.axis_peaks[k]), factor, name)
        bench.add(own, "as played", answer.peak, factor, "as played")
        bench.add(own, "worst combination", answer.worst_combination, factor, "worst combination", "", False)


def _passes(bench: _Bench) -> dict[str, Any]:
    """What the waveform may be multiplied by, and the slew rates and gradients that it then has."""
    w = bench.waveform
    slews, tops = w.peak, np.abs(w.value(w.times_s)).max(0)
    out: dict[str, Any] = {}
    for mode, shares in bench.shares.items():
        out[mode] = {}
        for what, share in shares.items():
            if share <= 0:
                continue
            of = [bench.names.index(what)] if what in bench.names else range(len(bench.names))
            out[mode][what] = {
                "factor": 1 / share,
                "slew_T_m_s": {bench.names[k]: float(slews[k]) / share for k in of},
                "gradient_T_m": {bench.names[k]: float(tops[k]) / share for k in of},
            }
    return out


def _ts(seconds: float, which: str = "") -> str:
    return f"ts = {1e3 * seconds:.4g} ms{', ' + which if which else ''}."
