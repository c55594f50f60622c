r"""Matching ladders and decoupling elements, found in closed form at one frequency.

A load Y = G + jB is matched to R_0 by a shunt susceptance b and a series reactance x on the source's side when

.. math:: (B + b)^2 = G / R_0 - G^2, \qquad x = (B + b) / (G^2 + (B + b)^2),

which needs G R_0 <= 1; otherwise the series reactance comes first, by the same equations for impedances. Each has two
solutions. Several feeds are matched one after the other, with all others at their sources, until none changes.

Source: D. Pozar, Microwave Engineering, Wiley, 4th ed. 2012, ch. 5.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from emdose.checks import one_of
from emdose.circuits.circuit import Circuit
from emdose.circuits.elements import RLC, Coupling, Feed, OnePort, TwoPort
from emdose.circuits.network import Network
from emdose.errors import ConvergenceError, InputError
from emdose.values import read_only

KINDS = ("two capacitors", "L")


@read_only
@dataclass(frozen=True)
class Matching:
    """A matched circuit.

    Parameters
    ----------
    circuit : Circuit
        The circuit with its ladders.
    ladders : mapping of str to TwoPort
        The ladder of each feed from its source to its gap, the gap's own element included.
    reflection_dB : mapping of str to float
        20 log10 |S_ee| of each feed afterwards.
    steps : int
        Newton steps after the closed forms.
    """

    circuit: Circuit
    ladders: Mapping[str, TwoPort]
    reflection_dB: Mapping[str, float]
    steps: int


def l_sections(impedance_ohm: complex, source_ohm: float, frequency_Hz: float, **losses: Any) -> list[TwoPort]:
    """All two-element ladders that match a load to a source.

    Parameters
    ----------
    impedance_ohm : complex
        The load [ohm]; its resistance must be positive.
    source_ohm : float
        The source [ohm].
    frequency_Hz : float
        Frequency [Hz].
    quality : float, optional
        Quality factor of the elements. It is not part of the solution, which holds for ideal ones.

    Returns
    -------
    list of TwoPort
        Up to four, from the source to the load; those of capacitors alone first.

    Raises
    ------
    InputError
        For a load that takes no power.
    """
    if not impedance_ohm.real > 0:
        raise InputError(
            "a load that takes no power cannot be matched",
            field="impedance_ohm",
            found=impedance_ohm,
            expected="a positive resistance",
        )
    y, w = 1 / impedance_ohm, 2 * math.pi * frequency_Hz
    found: list[TwoPort] = []
    for shunt_first, value, reference in ((False, y, 1 / source_ohm), (True, impedance_ohm, source_ohm)):
        g = value.real
        room = g * reference - g * g
        if room < 0:
            continue
        for root in sorted({math.sqrt(room), -math.sqrt(room)}):
            inner = root - value.imag
            outer = root / (g * g + root * root)
            # What is too small to matter is left out.
            inner = inner if abs(inner) > 1e-9 * reference else 0.0
            outer = outer if abs(outer) * reference > 1e-9 else 0.0
            if shunt_first:
                steps = [("shunt", _susceptance(outer, w, losses)), ("series", _reactance(inner, w, losses))]
            else:
                steps = [("series", _reactance(outer, w, losses)), ("shunt", _susceptance(inner, w, losses))]
            found.append(TwoPort(tuple((k, e) for k, e in steps if e is not None)))
    return sorted(found, key=lambda t: sum(getattr(e, "inductance_H", None) is not None for _, e in t.steps))


def two_capacitors(impedance_ohm: complex, source_ohm: float, frequency_Hz: float) -> tuple[float, float]:
    """Capacitance across a load and capacitance in series with the source that match it [F].

    The first may be negative: the load's own capacitance is to be reduced by as much.

    Raises
    ------
    InputError
        When the parallel resistance of the load is below that of the source, or it takes no power.
    """
    y = 1 / impedance_ohm
    g, w = y.real, 2 * math.pi * frequency_Hz
    if not 0 < g * source_ohm < 1:
        raise InputError(
            "two capacitors cannot match this load",
            field="impedance_ohm",
            found=f"{impedance_ohm:.4g} ohm, parallel resistance {1 / g:.4g} ohm" if g else impedance_ohm,
            expected=f'more than {source_ohm:g} ohm, or kind "L"',
        )
    root = math.sqrt(g / source_ohm - g * g)
    return (-root - y.imag) / w, g / (w * source_ohm * root)


def match(
    network: Network,
    circuit: Circuit,
    frequency_Hz: float,
    *,
    kind: str = "two capacitors",
    quality: float | None = None,
) -> Matching:
    """Match every feed of a circuit at a frequency.

    The closed forms give a start, feed after feed; Newton's method on all elements together makes every S_ee zero, with
    losses and coupling.

    Parameters
    ----------
    network : Network
        The network inside; the frequency must be one of its own.
    circuit : Circuit
        Its circuit, without matching yet.
    frequency_Hz : float
        Frequency [Hz].
    kind : {"two capacitors", "L"}
        One capacitor across the gap and one in series with the source, where a negative one across the gap is taken
        from the gap's own capacitor; or any two-element ladder, of capacitors if possible.
    quality : float, optional
        Quality factor of the elements put in.

    Raises
    ------
    InputError
        When a feed cannot be matched this way.
    ConvergenceError
        When the feeds are so tightly coupled that matching one undoes the others.
    """
    one_of("kind", kind, KINDS, problem="bad kind of matching")
    at = network.at(frequency_Hz)
    bare = [replace(f, port=f.name) for f in circuit.feeds]
    gaps = replace(circuit, feeds=tuple(replace(f, ladder=TwoPort()) for f in circuit.feeds)).connect(at).network

    def seen(now: list[Feed]) -> np.ndarray:
        return np.asarray(Circuit({}, now).connect(gaps).network.s[0])

    def turned(start: list[Feed], sweeps: int, in_turn: bool) -> list[Feed]:
        feeds = list(start)
        for _ in range(sweeps):
            now = list(feeds)
            for n, feed in enumerate(bare):
                around = now if in_turn else feeds
                reflection = complex(seen([*around[:n], feed, *around[n + 1 :]])[n, n])
                load = feed.impedance_ohm * (1 + reflection) / (1 - reflection)
                now[n] = _matched_feed(feed, load, frequency_Hz, kind, quality)
            feeds = now
        return feeds

    # Weakly coupled feeds settle in turn; strongly coupled ones do better from all at once.
    best, level, steps, problem = bare, math.inf, 0, None
    for sweeps, in_turn in ((1, False), (8, True)):
        try:
            feeds, steps = _newton(turned(bare, sweeps, in_turn), seen)
        except InputError as error:
            problem = problem or error
            continue
        if np.abs(np.diag(seen(feeds))).max() < level:
            best, level = feeds, float(np.abs(np.diag(seen(feeds))).max())
        if level < 1e-6:
            break
    if problem is not None and math.isinf(level):
        raise problem
    if level > 1e-6:
        raise ConvergenceError(
            f"matching of {len(bare)} feeds did not settle: a reflection of {level:.2g} is left; "
            "decouple the feeds first"
        )
    feeds, s = best, seen(best)
    levels = {f.name: 20 * math.log10(max(abs(s[n, n]), 1e-15)) for n, f in enumerate(feeds)}
    ladders = {f.name: f.ladder for f in feeds}
    done = tuple(replace(f, ladder=ladders[f.name]) for f in circuit.feeds)
    return Matching(replace(circuit, feeds=done), ladders, levels, steps)


def decoupling(
    network: Network, circuit: Circuit, first: str, second: str, frequency_Hz: float, *, kind: str = "shunt"
) -> Coupling:
    """The reactance between the gaps of two feeds that cancels the reactive part of their coupling.

    Parameters
    ----------
    network : Network
        The network inside; the frequency must be one of its own.
    circuit : Circuit
        Its circuit, without matching.
    first, second : str
        Feeds.
    frequency_Hz : float
        Frequency [Hz].
    kind : {"shunt", "series"}
        A capacitor or inductor between the gaps that cancels Im Y12, or a transformer that cancels Im Z12.

    Returns
    -------
    Coupling
        To be added to the circuit; the resistive part of the coupling, through the body, stays.

    Raises
    ------
    InputError
        When the two are not coupled, or a feed does not exist.
    """
    at = network.at(frequency_Hz)
    # The joint sits at the gaps, under their ladders.
    bare = replace(circuit, feeds=tuple(replace(f, ladder=TwoPort()) for f in circuit.feeds))
    seen = bare.connect(at).network
    i, j = seen.index(first), seen.index(second)
    ports = {f.name: f.port for f in circuit.feeds}
    w = 2 * math.pi * frequency_Hz
    if kind == "shunt":
        b = float(seen.y[0, i, j].imag)
        element = _susceptance(b, w, {})
        sign = 1
    else:
        x = float(seen.z[0, i, j].imag)
        element = None if x == 0 else RLC(inductance_H=abs(x) / w)
        sign = -1 if x > 0 else 1
    if element is None:
        raise InputError("the feeds are not coupled", field="first, second", found=f"{first}, {second}")
    return Coupling(ports[first], ports[second], element, kind, sign)


def _matched_feed(feed: Feed, load: complex, frequency_Hz: float, kind: str, quality: float | None) -> Feed:
    """The feed with the two elements of its match as the first two steps of its ladder."""
    steps = list(feed.ladder.steps)
    if kind == "L":
        ladder = l_sections(load, feed.impedance_ohm, frequency_Hz, quality=quality)[0]
        return replace(feed, ladder=TwoPort((*ladder.steps, *steps)))
    across, series = two_capacitors(load, feed.impedance_ohm, frequency_Hz)
    line = ("series", RLC(capacitance_F=series, quality=quality))
    if across > 0:
        return replace(feed, ladder=TwoPort((line, ("shunt", RLC(capacitance_F=across, quality=quality)), *steps)))
    own: Any = steps[0][1] if steps and steps[0][0] == "shunt" else None
    value: float | None = getattr(own, "capacitance_F", None)
    if value is None or getattr(own, "inductance_H", None) is not None or value + across <= 0:
        raise InputError(
            "two capacitors cannot match this feed",
            field=feed.name,
            found=f"{across:.3g} F across the gap",
            expected='a gap with a larger capacitor, a coil tuned higher, or kind "L"',
        )
    reduced = replace(own, capacitance_F=value + across)
    return replace(feed, ladder=TwoPort((line, ("shunt", reduced), *steps[1:])))


def _newton(feeds: list[Feed], seen: Callable[[list[Feed]], np.ndarray]) -> tuple[list[Feed], int]:
    """Scale the first two elements of every ladder until no feed reflects."""

    def scaled(x: np.ndarray) -> list[Feed]:
        out = []
        for feed, (p, q) in zip(feeds, np.exp(x.reshape(-1, 2)), strict=True):
            first, second, *rest = feed.ladder.steps
            out.append(replace(feed, ladder=TwoPort((_scaled(first, p), _scaled(second, q), *rest))))
        return out

    def misfit(x: np.ndarray) -> np.ndarray:
        d = np.diag(seen(scaled(x)))
        return np.column_stack([d.real, d.imag]).ravel()

    if any(len(f.ladder.steps) < 2 for f in feeds):  # a load that happens to need one element or none
        return feeds, 0
    x = np.zeros(2 * len(feeds))
    r = misfit(x)
    for step in range(50):
        if np.abs(r).max() < 1e-12:
            return scaled(x), step
        slope = np.stack([(misfit(x + h) - misfit(x - h)) / 2e-6 for h in 1e-6 * np.eye(len(x))], axis=1)
        move = np.clip(-np.linalg.lstsq(slope, r, rcond=None)[0], -0.5, 0.5)
        damping = 1.0
        while damping > 1e-3 and np.linalg.norm(misfit(x + damping * move)) > np.linalg.norm(r):
            damping *= 0.5
        new = misfit(x + damping * move)
        if np.linalg.norm(new) >= np.linalg.norm(r):
            break
        x, r = x + damping * move, new
    return scaled(x), step


def _scaled(item: tuple[str, OnePort], factor: float) -> tuple[str, OnePort]:
    where, element = item
    old: Any = element
    key = "capacitance_F" if old.capacitance_F is not None else "inductance_H"
    return where, replace(old, **{key: float(getattr(old, key) * factor)})


def _reactance(x: float, w: float, losses: Mapping[str, Any]) -> RLC | None:
    if x == 0:
        return None
    return RLC(inductance_H=x / w, **losses) if x > 0 else RLC(capacitance_F=-1 / (w * x), **losses)


def _susceptance(b: float, w: float, losses: Mapping[str, Any]) -> RLC | None:
    if b == 0:
        return None
    return RLC(capacitance_F=b / w, **losses) if b > 0 else RLC(inductance_H=-1 / (w * b), **losses)
