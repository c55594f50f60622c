"""Staff in the switched gradients of a scanner beside ICNIRP 2010 and Directive 2013/35/EU: weighted peaks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from emdose.checks import array, one_of, within
from emdose.compliance.checks import Check, Checks
from emdose.compliance.field_rows import SHOWN, STATISTICS
from emdose.compliance.frequency_weights import DIRECTIVE, ICNIRP, Weighting, weighting
from emdose.compliance.instants import extreme
from emdose.compliance.limits import NOTES, limits
from emdose.dosimetry.induced.tissue_table import ALL, InducedTable, induced_table
from emdose.errors import InputError
from emdose.models.gradients.coils import GradientSet
from emdose.models.gradients.waveform import AXES, Waveform
from emdose.solvers.results.induced import InducedField

COUNTED = "cube p99"
"""What the basic restrictions of ICNIRP are compared with: the 99th percentile of averages over 2 mm cubes."""
HEAD = "head"
BRAIN = (
    *("grey_matter", "white_matter", "brain", "brainstem", "cerebellum", "thalamus", "hippocampus", "hypothalamus"),
    *("pituitary", "pineal_body"),
)
"""Tissues of the central nervous system in the head."""
FORMS = ("filters", "harmonics")


def check_exposure(
    waveform: Waveform,
    coils: GradientSet | None = None,
    standard: str = DIRECTIVE,
    *,
    axes: str = "xyz",
    points_m: np.ndarray | None = None,
    limbs: np.ndarray | None = None,
    induced: InducedField | None = None,
    head: np.ndarray | None = None,
    form: Literal["filters", "harmonics"] = "filters",
    relative_uncertainty: float | None = None,
    device: str = "auto",
) -> Checks:
    """Compare the exposure of staff to a gradient waveform, repeated without end, with the limits for them.

    Parameters
    ----------
    waveform : Waveform
        Gradients of one to three axes.
    coils : GradientSet, optional
        What makes the field; ideal gradients by default, which are none outside of the bore.
    standard : "Directive 2013/35/EU" or "ICNIRP 2010"
        Document.
    axes : str
        Axes of the magnet that those of the waveform are.
    points_m : (n, 3) ndarray, optional
        Where the flux density is looked for, in the coordinates of the coils [m]; without them no rows of B.
    limbs : (n,) bool ndarray, optional
        Which of these points lie in limbs.
    induced : InducedField, optional
        Fields in the body, one source in T/m/s per axis of the waveform; without it rows of E are not evaluated.
    head : (nx, ny, nz) bool ndarray, optional
        The head, or its central nervous system, for the limits that hold there; by default the tissues of the brain.
    form : "filters" or "harmonics"
        Weighted peak by filters of first-order sections, or by harmonics up to 100 kHz with the phases of the straight
        pieces.
    relative_uncertainty : float, optional
        Expanded uncertainty (k = 2) of every value as a fraction of it, where one is known.
    device : str
        Where averages of the field are computed.

    Returns
    -------
    Checks
        Weighted peaks of E, of the worst tissue: of the 99th percentile of averages over 2 mm cubes, others beside it;
        and of B against action or reference levels.

    Raises
    ------
    InputError
        For other documents, axes and fields that do not fit, and masks that do not fit.

    Source: see :class:`emdose.compliance.Weighting`.
    """
    one_of("standard", standard, (DIRECTIVE, ICNIRP), problem="no checks of switched fields for this standard")
    one_of("form", form, FORMS, problem="unknown form of the weighted peak")
    if waveform.unit != "T/m":
        raise InputError("not a waveform of gradients", field="waveform", found=waveform.unit, expected="T/m")
    if len(axes) != waveform.axes or len(set(axes)) != len(axes) or not set(axes) <= set(AXES):
        expected = f"{waveform.axes} different letters of xyz"
        raise InputError("axes do not fit the waveform", field="axes", found=axes, expected=expected)
    if relative_uncertainty is not None:
        within("relative_uncertainty", relative_uncertainty, 0.0, math.inf, problem="number out of range")
    found: list[Check] = []

    def add(weights: Weighting, mode: str, region: str, value: float | None, note: str, counted: bool) -> None:
        spread = None if value is None or relative_uncertainty is None else relative_uncertainty * value
        row = replace(weights.as_limit(), mode=mode)
        found.append(Check(row, region, value, row.value(), spread, counted, note))

    regions = _regions(induced, head)
    if induced is not None and (
        len(induced.sources) != len(axes) or {s.drive_unit for s in induced.sources} != {"T/m/s"}
    ):
        raise InputError(
            "induced fields do not fit the waveform",
            field="induced",
            found=f"{len(induced.sources)} sources",
            expected=f"one source in T/m/s per axis {', '.join(axes)}",
        )
    for mode, region, weights in _of_field(standard):
        if induced is None or (region == HEAD and HEAD not in regions):
            why = (
                "No induced field was given." if induced is None else "The body has no tissue of the brain: give head=."
            )
            add(weights, mode, region, None, why, True)
            continue
        drives = _moments(weights, waveform, form)
        table = induced_table(induced, drives, regions=regions, unit="1", device=device)
        for statistic in (COUNTED, *(s for s in SHOWN if s != COUNTED)):
            value, tissue = _value(table, region, statistic, len(regions))
            add(weights, mode, f"{tissue}, {statistic}", value, "", statistic == COUNTED)
    if points_m is not None:
        points = array("points_m", points_m, (None, 3))
        fields = (GradientSet() if coils is None else coils).fields(points)[..., [AXES.index(a) for a in axes]]
        mask = np.zeros(len(points), bool) if limbs is None else np.asarray(limbs)
        if mask.shape != (len(points),) or mask.dtype != bool:
            raise InputError(
                "mask does not fit the points", field="limbs", found=mask.shape, expected=f"({len(points)},)"
            )
        for mode, of_limbs, weights in _of_flux(standard):
            here = fields[mask if of_limbs else ~mask]
            if not len(here):
                continue
            moments = _moments(weights, waveform, form)
            value = float(np.linalg.norm(here @ moments.T, axis=1).max())
            note = "Where E is known, E decides."
            add(weights, mode, "limbs" if of_limbs else "head and trunk", value, note, induced is None)
    inputs = {
        "waveform": waveform.name,
        "axes": axes,
        "form": form,
        "points": 0 if points_m is None else len(points_m),
        "relative_uncertainty": relative_uncertainty,
    }
    edition = limits(standard)[0].edition
    note = (
        "Weighted peak by filters of first-order sections: they depart from the straight pieces by up to 3 dB beside a "
        "corner."
        if form == FORMS[0]
        else "Weighted peak by harmonics up to 100 kHz, with the phases of the straight pieces."
    )
    return Checks(standard, edition, tuple(found), None, "", inputs, (*NOTES.get(standard, ()), note))


def _of_field(standard: str) -> list[tuple[str, str, Weighting]]:
    if standard == DIRECTIVE:
        return [
            ("workers", HEAD, weighting(DIRECTIVE, "E sensory ELV")),
            ("workers", ALL, weighting(DIRECTIVE, "E health ELV")),
        ]
    pairs = ((mode, region) for mode in ("occupational", "public") for region in ("CNS head", "all tissues"))
    return [(m, HEAD if r == "CNS head" else ALL, weighting(ICNIRP, "E", m, r)) for m, r in pairs]


def _of_flux(standard: str) -> list[tuple[str, bool, Weighting]]:
    if standard == DIRECTIVE:
        levels = (("low", False), ("high", False), ("limb", True))
        return [("workers", limb, weighting(DIRECTIVE, f"B {n} action level", rate=True)) for n, limb in levels]
    return [(m, False, weighting(ICNIRP, "B reference", m, rate=True)) for m in ("occupational", "public")]


def _moments(weights: Weighting, waveform: Waveform, form: str) -> np.ndarray:
    """Weighted rates of the axes at the moments that can be the worst, (n, axes)."""
    if form == FORMS[0]:
        _, first, last = weights.filtered(waveform.times_s, waveform.starts, waveform.stops, "repeated")
        course = np.concatenate([first, last])
    else:
        _, course = weights.spectral_course(waveform.harmonics())
    return course[extreme(course)]


def _regions(induced: InducedField | None, head: np.ndarray | None) -> Mapping[str, np.ndarray]:
    if induced is None:
        return {}
    phantom = induced.phantom
    if head is None:
        labels = [k for k, t in enumerate(phantom.tissues) if t.name in BRAIN]
        head = np.isin(phantom.labels, labels)
    return {HEAD: head} if np.any(head) else {}


def _value(table: InducedTable, region: str, statistic: str, regions: int) -> tuple[float, str]:
    """Value of the head, or of the worst tissue, and whose it is."""
    kind, key = STATISTICS[statistic]
    rows = [table.row(HEAD)] if region == HEAD else list(table.rows[1 + regions :])
    worst = max(rows, key=lambda row: getattr(getattr(row, kind), key))
    return float(getattr(getattr(worst, kind), key)), worst.tissue
