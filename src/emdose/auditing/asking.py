"""Fields of another program: what they are, from the data, before any number is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emdose.auditing import converting
from emdose.auditing.balance import normalisation, order_of_ports, sense_of_powers
from emdose.auditing.finding import CONTRADICTED, ConventionFinding, judged
from emdose.auditing.judging import KNOWN_SPREAD, Reading, obeyed, physical
from emdose.auditing.result import Audit, said_of
from emdose.checks import flag
from emdose.dosimetry.sar import bilinear_form
from emdose.errors import InputError
from emdose.io.foreign.reading import read_foreign_fields
from emdose.io.foreign.values import CONVENTIONS, TIMES, ForeignFields, convention, metres
from emdose.models.bodies.phantom import Phantom

QUESTIONS = tuple(CONVENTIONS)
FOR_BOTH = ("magnetic", "components")
"""Conventions that matter only where there is a magnetic field: abs(E) has no order."""


def audit(
    fields: ForeignFields | Path | str | Sequence[Path | str],
    phantom: Phantom | None = None,
    *,
    touchstone: Path | str | None = None,
    frequency_Hz: float | None = None,
    program: str | None = None,
    efficiency: Sequence[float] | None = None,
    accept_stated: bool = False,
    **named: Any,
) -> Audit:
    """Find or check the conventions of another program's fields from the data.

    Parameters
    ----------
    fields : ForeignFields, Path, str or sequence of paths
        Fields, or the files to read them from with :func:`emdose.io.read_foreign_fields`.
    phantom : Phantom, optional
        The body, in the coordinates of the file; without it that of the maps of the file.
    touchstone, frequency_Hz, program
        As of :func:`emdose.io.read_foreign_fields`.
    efficiency : (float, float), optional
        Least and largest share of the power that the ports accept that goes into the body, where you know it.
    accept_stated : bool
        Take what files and the documentation of programs say where the data cannot tell; else you must name it.
    **named
        What you know of the conventions: ``length``, ``magnetic``, ``time``, ``amplitude``, ``drive``, ``components``,
        ``positions``; a length may be a number of metres.

    Returns
    -------
    Audit
        A finding with its evidence for every convention; SAR, limits and matrices where all are settled.

    Raises
    ------
    InputError
        When files cannot be read, a convention or a choice is unknown, or body and fields do not meet.

    Notes
    -----
    curl E + j w B = 0 gives order and places of components, and the product of both units with the sign of time; the
    loss in curl B = mu0 (sigma + j w eps) E tells that sign from one of the magnetic field, its permittivity or the
    known conductivity the unit of length; the power in the body against (I - S^H S) tells peak or rms and the drive.
    """
    for name, value in named.items():
        named[name] = convention(name, value)
    if efficiency is not None:
        low_high = np.asarray(efficiency, float)
        if low_high.shape != (2,) or not 0 < low_high[0] <= low_high[1] <= 1:
            raise InputError("bad range", field="efficiency", found=efficiency, expected="(least, largest), 0 to 1")
    flag("accept_stated", accept_stated)
    if not isinstance(fields, ForeignFields):
        fields = read_foreign_fields(fields, touchstone=touchstone, frequency_Hz=frequency_Hz, program=program)
    return _audit(fields, phantom, named, efficiency, accept_stated)


def _audit(
    fields: ForeignFields,
    phantom: Phantom | None,
    named: Mapping[str, str],
    efficiency: Sequence[float] | None,
    accept_stated: bool,
) -> Audit:
    own = fields.conductivity
    law = obeyed(fields)
    findings, reading = physical(fields, named, own if phantom is None else None, law)
    used = _settled(findings, named, fields, accept_stated)
    axes_m = None if not used["length"].used else _metres(fields, used["length"].used)
    sigma = own
    if phantom is not None and axes_m is not None:
        places = _places(axes_m, used["positions"].used)
        sigma = converting.conductivity_at(phantom, places, fields.frequency_Hz)
        if not np.any(sigma):
            raise InputError(
                "body and fields do not meet",
                field="phantom",
                found=f"fields from {[float(a[0]) for a in axes_m]} to {[float(a[-1]) for a in axes_m]} m",
                expected=f"around the body in {phantom.grid.bounds_m} m",
            )
        if used["positions"].used in ("yee", "yee dual"):
            sigma = np.pad(sigma, [(0, 1)] * 3)
        else:
            findings, reading = physical(fields, named, sigma, law)
            used = _settled(findings, named, fields, accept_stated)
    power = None
    if axes_m is not None and fields.E is not None and sigma is not None and fields.network is not None:
        power = _power(fields, used, axes_m, sigma)
    if power is not None and fields.network is not None and fields.network.size > 1 and np.any(power):
        raw = power.conj() if used["time"].used == "exp(-jwt)" else power
        t, evidence = sense_of_powers(raw, fields.network)
        time = used["time"]
        if time.value is None and t is not None:
            said = said_of(fields, named).get("time", (None, ""))
            judgement = judged("time", TIMES[0 if t > 0 else 1], (*time.evidence, evidence), *said)
            used |= _settled({"time": judgement}, named, fields, accept_stated)
        elif t is not None:
            used["time"] = replace(time, evidence=(*time.evidence, evidence))
        power = raw.conj() if used["time"].used == "exp(-jwt)" else raw
    balance, pair = normalisation(power, fields.network, said_of(fields, named), efficiency)
    used |= _settled(balance, named, fields, accept_stated)
    if phantom is None and axes_m is not None:
        phantom = _own_body(fields, axes_m, used["positions"].used)
    questions = [q for q in QUESTIONS if fields.magnetic is not None or q not in FOR_BOTH]
    share = None if pair is None else pair.share
    notes = (*fields.notes, *_notes(fields, reading, used, power))
    return Audit(fields, tuple(used[q] for q in questions), phantom, reading.reversed, share, notes)


def _settled(
    findings: Mapping[str, ConventionFinding], named: Mapping[str, str], fields: ForeignFields, accept_stated: bool
) -> dict[str, ConventionFinding]:
    """The findings, with what is used where the data are silent: the user's word, or with leave that of the file."""
    out = dict(findings)
    for question, finding in findings.items():
        if finding.used or finding.state == CONTRADICTED:
            continue
        if question in named:
            out[question] = replace(finding, used=named[question], used_by="the user")
        elif accept_stated and question in fields.stated:
            out[question] = replace(finding, used=fields.stated[question], used_by=finding.stated_by)
    return out


def _metres(fields: ForeignFields, length: str) -> tuple[np.ndarray, ...]:
    return tuple(metres(length) * np.asarray(a, float) for a in fields.axes)


def _places(axes_m: Sequence[np.ndarray], positions: str) -> tuple[np.ndarray, ...]:
    """Where the conductivity is asked: at the points, or in the cells between them."""
    return tuple(axes_m) if positions not in ("yee", "yee dual") else tuple(0.5 * (a[1:] + a[:-1]) for a in axes_m)


def _power(
    fields: ForeignFields, used: Mapping[str, ConventionFinding], axes_m: Sequence[np.ndarray], sigma: np.ndarray
) -> np.ndarray | None:
    """Power in the body if the numbers were peak values, in the sense of exp(+jwt) where it is known [W]."""
    assert fields.E is not None
    positions = used["positions"].used or "points"
    E = np.nan_to_num(fields.E.conj() if used["time"].used == "exp(-jwt)" else fields.E)
    if positions == "points":
        return converting.absorbed_power(E, sigma, converting.volumes(axes_m))
    cells = converting.volumes(_places(axes_m, positions))
    weight = 0.5 * sigma[:-1, :-1, :-1] * cells
    if positions == "yee dual":
        places = converting.Converted(tuple(axes_m), E, np.zeros_like(E), "")
        return converting.absorbed_power(converting.centred(places, positions).E, 2 * weight, np.ones_like(cells))
    n = len(E)
    return np.array([[np.sum(weight * bilinear_form(E[k], E[m])) for m in range(n)] for k in range(n)])


def _own_body(fields: ForeignFields, axes_m: Sequence[np.ndarray], positions: str) -> Phantom | None:
    maps: list[np.ndarray | None] = [fields.conductivity, fields.density]
    if positions in ("yee", "yee dual"):
        maps = [None if m is None else m[:-1, :-1, :-1] for m in maps]
    return converting.body_of(_places(axes_m, positions), maps[0], maps[1], f"body of {fields.program}")


def _notes(
    fields: ForeignFields, reading: Reading, used: Mapping[str, ConventionFinding], power: np.ndarray | None
) -> list[str]:
    notes = []
    if power is not None and fields.network is not None and (order := order_of_ports(power, fields.network)):
        names = ", ".join(fields.ports[k] for k in order)
        notes.append(f"The powers fit the S-parameters with the ports of the fields in the order {names}.")
    if fields.network is not None:
        uneven = fields.network.asymmetry()
        if uneven > 1e-3:
            notes.append(f"The S-parameters are not symmetric (by {uneven:.2g}): no reciprocal coil has such.")
        if fields.network.gain() > 1 + 1e-6:
            notes.append("The S-parameters give out more power than they take in.")
    if reading.displaced:
        notes.append(reading.displaced)
    medium = reading.medium
    if medium is not None and medium.conductivity_spread > KNOWN_SPREAD:
        notes.append("The conductivity does not explain the loss in the fields: do body and fields lie on each other?")
    if used["amplitude"].state == CONTRADICTED:
        notes.append(
            "Peak fields of one power are rms fields of half of it: only the pair of both words has a meaning."
        )
    return notes
