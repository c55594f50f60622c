"""What Maxwell's equations say about each convention of a file, with the numbers that it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emdose.auditing.faraday import Candidate, candidates, divergence, shift
from emdose.auditing.finding import ConventionFinding, Evidence, judged
from emdose.auditing.media import Media, displaced, media
from emdose.io.foreign.values import LENGTHS, MAGNETIC, TIMES, ForeignFields, metres

if TYPE_CHECKING:
    import numpy as np

FITS = 0.3
"""Largest misfit with which Faraday's law is taken as obeyed."""
DECISIVE = 2.0
"""Least misfit of the next best choice over that of the best one."""
PLACES = {"points": 0.0, "yee": 1.0, "yee dual": -1.0}
"""Half steps between the magnetic components and the middle of the differences of E."""
NEAR = 0.25
"""Largest distance from one of them, in half steps, and largest error of it."""
BETTER = 0.2
"""Share of the points that do not fit by which a body must fit better elsewhere before that is said."""
LEAST_SEEN, SENSE = 0.02, 0.5
"""Least share of points with loss or gain, and how much more of one than of the other, that tell the sense of time."""
KNOWN_SPREAD = 0.5
"""Largest spread of the conductivity in the fields about the known one that makes it a measure of length."""
UNIT = 0.1
"""Largest relative distance of a measured unit to one that is known: B in uT and H in A/m are 26 % apart."""
MATTER = (0.8, 150.0)
"""Relative permittivities that bodies and air have."""


@dataclass(frozen=True)
class Reading:
    """What was measured between both fields.

    Parameters
    ----------
    best : Candidate or None
        The way to read them that fits best; None where they cannot be compared.
    medium : Media or None
        What they are in.
    reversed : bool or None
        Whether the magnetic field has the opposite sign (or the axes are those of a left hand); None where open.
    displaced : str
        What is to be said of a body that would fit the fields better elsewhere.
    """

    best: Candidate | None
    medium: Media | None
    reversed: bool | None
    displaced: str = ""


@dataclass(frozen=True)
class FaradaysLaw:
    """What Faraday's law alone says.

    Parameters
    ----------
    ways : list of Candidate
        Every way to read both fields, the best first.
    components, positions : (str or None, Evidence) or None
        What is found, and why; None where the law is not obeyed at all.
    """

    ways: list[Candidate]
    components: tuple[str | None, Evidence] | None = None
    positions: tuple[str | None, Evidence] | None = None


def obeyed(fields: ForeignFields) -> FaradaysLaw:
    """How the fields of a file obey Faraday's law."""
    ways = candidates(fields)
    if not ways or ways[0].misfit > FITS:
        return FaradaysLaw(ways)
    return FaradaysLaw(ways, _components(fields, ways), _positions(fields, ways))


def physical(
    fields: ForeignFields,
    named: Mapping[str, str],
    conductivity: np.ndarray | None = None,
    faraday: FaradaysLaw | None = None,
) -> tuple[dict[str, ConventionFinding], Reading]:
    """Order, places, sense of time, length and unit of the magnetic field, from the laws of Faraday and Ampère.

    Parameters
    ----------
    fields : ForeignFields
        What was read.
    named : mapping of str to str
        What the user says.
    conductivity : (nx, ny, nz) ndarray, optional
        At the points of the fields [S/m].
    faraday : FaradaysLaw, optional
        What :func:`obeyed` gave for these fields, where it is there already.
    """
    said = {k: (v, "the user") for k, v in named.items()}
    said = {**{k: (v, fields.sources.get(k, "the file")) for k, v in fields.stated.items()}, **said}

    def finding(
        question: str, value: str | None, *evidence: Evidence, excluded: tuple[str, ...] = ()
    ) -> ConventionFinding:
        stated, by = said.get(question, (None, ""))
        return judged(question, value, tuple(evidence), stated, by, excluded)

    law = faraday if faraday is not None else obeyed(fields)
    ways = law.ways
    questions = ("components", "positions", "time", "length", "magnetic")
    if not ways or ways[0].misfit > FITS:
        why = Evidence("curl E + j w B = 0", _unfit(fields, ways), {"misfit": ways[0].misfit} if ways else {})
        return {q: finding(q, None, why) for q in questions}, Reading(None, None, None)
    assert law.components is not None
    assert law.positions is not None
    found = {"components": finding("components", *law.components), "positions": finding("positions", *law.positions)}
    order, positions = law.components[0] or said.get("components", (None, ""))[0], law.positions[0]
    best = _way(ways, order, positions)
    medium = media(fields, best.positions, best.E, best.magnetic, best.factor, conductivity)
    t, evidence = _sense(best, medium)
    found["time"] = finding("time", None if t is None else TIMES[0 if t > 0 else 1], evidence)
    turned = None if t is None else bool(best.factor.real * t < 0)
    length, evidence, excluded = _length(medium, said.get("length", (None, ""))[0])
    found["length"] = finding("length", length, evidence, excluded=excluded)
    known = length or (named.get("length"))
    stated = said.get("magnetic", (None, ""))[0]
    unit, evidence, excluded = _magnetic(best, None if known is None else metres(known), turned, stated)
    found["magnetic"] = finding("magnetic", unit, evidence, excluded=excluded)
    elsewhere = ""
    if conductivity is not None and positions == "points" and medium.conductivity_spread < KNOWN_SPREAD:
        elsewhere = _displaced(fields, best, conductivity, medium.conductivity_ratio)
    return found, Reading(best, medium, turned, elsewhere)


def _way(ways: list[Candidate], order: str | None, positions: str | None) -> Candidate:
    """The best way with an order and places, where these are known."""
    electric, _, magnetic = (order or f"{ways[0].E}/{ways[0].magnetic}").partition("/")
    orders = (electric, magnetic or electric)
    fitting = [c for c in ways if (c.E, c.magnetic) == orders and positions in (None, c.positions)]
    return fitting[0] if fitting else ways[0]


def _displaced(fields: ForeignFields, best: Candidate, conductivity: np.ndarray, scale: float) -> str:
    way = (best.positions, best.E, best.magnetic, best.factor)
    shares, (axis, steps) = displaced(fields, *way, conductivity, scale)
    here, there = shares[0, 0], shares[axis, steps]
    if there < here + BETTER * (1 - here) or there - here < LEAST_SEEN:
        return ""
    return (
        f"The conductivity fits the loss in the fields better when the body is moved by {steps:+d} steps along "
        f"{'xyz'[axis]}: in {_percent(there)} of its points, where it lies now in {_percent(here)}."
    )


def _unfit(fields: ForeignFields, ways: list[Candidate]) -> str:
    if fields.E is None or fields.magnetic is None:
        return "There is only one of both fields."
    if not ways:
        return "There are too few points where both fields are known."
    return f"In no order and place do both fields obey Faraday's law: {100 * ways[0].misfit:.0f} % of curl E is left."


def _components(fields: ForeignFields, ways: list[Candidate]) -> tuple[str | None, Evidence]:
    best = ways[0]
    name = best.E if best.magnetic == best.E else f"{best.E}/{best.magnetic}"
    others = [c for c in ways if c.positions == best.positions and (c.E, c.magnetic) != (best.E, best.magnetic)]
    ratio = _ratio(best.misfit, others[0].misfit)
    flux = divergence(fields, best.positions, best.magnetic)
    text = f"With components in the order {name} Faraday's law leaves {_percent(best.misfit)} of curl E, with the next "
    text += f"best order ({others[0].E}/{others[0].magnetic}) {_percent(others[0].misfit)}; the divergence of the "
    text += f"magnetic field is {_percent(flux)} of its parts."
    numbers = {"misfit": best.misfit, "next_misfit": others[0].misfit, "divergence": flux}
    return name if ratio >= DECISIVE else None, Evidence("curl E + j w B = 0, div B = 0", text, numbers, ratio)


def _positions(fields: ForeignFields, ways: list[Candidate]) -> tuple[str | None, Evidence]:
    best = ways[0]
    same = {c.positions: c.misfit for c in ways if (c.E, c.magnetic) == (best.E, best.magnetic)}
    s, error = shift(fields, best.E, best.magnetic)
    near = {name: abs(s - place) for name, place in PLACES.items()}
    name, other = sorted(near, key=lambda n: near[n])[:2]
    text = f"The magnetic components lie {s:.3g} ± {error:.1g} half steps beside the middle of the differences of E: "
    text += "0 is at the same points, 1 on the lattice of Yee, -1 on its dual. Faraday's law leaves of curl E "
    text += ", ".join(f"{_percent(m)} in '{n}'" for n, m in same.items()) + "."
    numbers = {"half_steps": s, "error": error} | {f"misfit_{n.replace(' ', '_')}": m for n, m in same.items()}
    told = near[name] < NEAR and error < NEAR
    return name if told else None, Evidence("curl E + j w B = 0", text, numbers, near[other] / max(near[name], 1e-3))


def _sense(best: Candidate, medium: Media) -> tuple[int | None, Evidence]:
    """Sign t of exp(t jwt), from the sign of the loss."""
    numbers = {"loss": medium.loss, "gain": medium.gain, "faraday_sign": math.copysign(1.0, best.factor.real)}
    seen = medium.loss + medium.gain
    if seen < LEAST_SEEN or abs(medium.sense) < SENSE:
        text = (
            f"{_percent(medium.loss)} of the points absorb and {_percent(medium.gain)} would deliver in the sense of "
        )
        text += "exp(+jwt): too little to tell a conjugated field from one whose magnetic part has the opposite sign."
        return None, Evidence("sign of the loss", text, numbers)
    t = 1 if medium.sense > 0 else -1
    most, least = max(medium.loss, medium.gain), min(medium.loss, medium.gain)
    text = (
        f"In the sense of exp({'+' if t > 0 else '-'}jwt) {_percent(most)} of the points absorb and {_percent(least)} "
    )
    text += "would deliver power."
    if best.factor.real * t < 0:
        text += " With that sense of time the magnetic field has the opposite sign, or the axes are of a left hand."
    return t, Evidence("sign of the loss", text, numbers, most / max(least, 1e-6))


def _length(medium: Media, stated: str | None) -> tuple[str | None, Evidence, tuple[str, ...]]:
    """Unit of length, why, and the units that it cannot be."""
    own = {} if stated is None else {stated: metres(stated)}
    # A number of metres stands for the unit of that length.
    choices = {n: v for n, v in LENGTHS.items() if not any(math.isclose(v, m) for m in own.values())} | own
    if math.isfinite(medium.conductivity_ratio) and medium.conductivity_spread < KNOWN_SPREAD:
        size = math.sqrt(abs(medium.conductivity_ratio))
        near = {n: abs(math.log(size / v)) for n, v in choices.items()}
        name = min(near, key=lambda n: near[n])
        text = f"The conductivity in the fields is the known one if a unit of length is {1e3 * size:.4g} mm."
        numbers = {"metres": size, "conductivity_spread": medium.conductivity_spread}
        evidence = Evidence("loss against the known conductivity", text, numbers)
        excluded = tuple(n for n, v in near.items() if v > math.log(2))
        return name if near[name] < math.log(1.2) else None, evidence, excluded
    values = {n: medium.permittivity / v**2 for n, v in choices.items()}
    fitting = [n for n, v in values.items() if MATTER[0] <= v <= MATTER[1]]
    text = "The medium would have the relative permittivity "
    text += ", ".join(f"{v:.3g} in {n}" for n, v in values.items()) + "."
    evidence = Evidence("permittivity of matter", text, {f"permittivity_{n}": v for n, v in values.items()})
    excluded = tuple(n for n in values if n not in fitting) if fitting else ()
    return fitting[0] if len(fitting) == 1 else None, evidence, excluded


def _magnetic(
    best: Candidate, length: float | None, turned: bool | None, stated: str | None
) -> tuple[str | None, Evidence, tuple[str, ...]]:
    """Unit of the magnetic field, why, and the units that it cannot be."""
    size = abs(best.factor)
    if length is None:
        text = f"Faraday's law asks for a product of the units of length and magnetic field of {size:.4g} m T; "
        text += "one of them must be known."
        return None, Evidence("curl E + j w B = 0", text, {"metre_tesla": size}), ()
    tesla = size / length
    near = {n: abs(tesla / v - 1) for n, v in MAGNETIC.items()}
    name, other = sorted(near, key=lambda n: near[n])[:2]
    text = f"Faraday's law asks for {tesla:.4g} T in one unit of the magnetic field, if E is in V/m; {name} is "
    text += f"{MAGNETIC[name]:.4g} T."
    # Off by a thousand: kilo- and milli- may be on either field, and SAR follows E.
    thousands = 0.0 if stated is None else math.log10(tesla / MAGNETIC[stated]) / 3
    prefix = round(thousands) != 0 and abs(thousands - round(thousands)) < math.log10(1 + UNIT) / 3
    if prefix:
        text += f" E in another unit than V/m, with the magnetic field in {stated}, would do the same: which is it?"
    if near[name] >= UNIT:
        text += " None of the units is near: is the frequency that of the fields, and their length?"
    if turned:
        text += " Its sign is the opposite one."
    evidence = Evidence("curl E + j w B = 0", text, {"tesla": tesla}, near[other] / max(near[name], 1e-6))
    excluded = tuple(n for n, v in near.items() if v >= UNIT)
    return name if near[name] < UNIT and not prefix else None, evidence, excluded


def _ratio(best: float, other: float) -> float:
    return other / max(best, 1e-9)


def _percent(value: float) -> str:
    return f"{100 * value:.2g} %"
