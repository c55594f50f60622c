"""Matching and decoupling."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.circuits.circuit import Circuit
from emdose.circuits.elements import RLC, Feed, TwoPort
from emdose.circuits.matching import decoupling, l_sections, match, two_capacitors
from emdose.circuits.network import Network
from emdose.validation.closed_forms.coils import networks

F = 128e6
W = 2 * math.pi * F


def coils(k=0.1, loss=0.3, count=2, gap=12e-12):
    """Equal coils of 200 nH and 2 ohm, coupled by k and by a common loss, with a capacitor across each gap."""
    names = [f"gap {n}" for n in range(count)]
    z = (2 - loss + 200e-9j * W * (1 - k)) * np.eye(count) + (loss + 200e-9j * W * k)
    net = Network.from_z([F], z[None], names)
    shunt = TwoPort((("shunt", RLC(capacitance_F=gap)),))
    return net, Circuit({}, [Feed(f"feed {n}", name, shunt) for n, name in enumerate(names)])


@given(r=st.floats(0.5, 2000), x=st.floats(-500, 500), source=st.floats(10, 200))
@settings(max_examples=80, deadline=None)
def test_l_sections_match_any_load(r, x, source):
    # Oracle: the input impedance of every ladder is that of the source.
    found = l_sections(complex(r, x), source, F)
    assert found
    for ladder in found:
        m = ladder.abcd([1j * W])[0]
        z = (m[0, 0] * complex(r, x) + m[0, 1]) / (m[1, 0] * complex(r, x) + m[1, 1])
        assert abs(z - source) < 1e-6 * source


def test_closed_forms_of_matching():
    # Oracle: the L-section formulas and the two-capacitor formulas of the text books.
    across, series = two_capacitors(2 + 200e-9j * W, 50, F)
    want = networks.two_capacitor_match(2, 200e-9, 50, F)
    assert (across, series) == pytest.approx(want, rel=1e-12)
    x, b = networks.l_section(10, 50)
    ladders = [dict(t.steps) for t in l_sections(10 + 0j, 50, F)]
    (d,) = (d for d in ladders if d["series"].inductance_H)
    assert d["series"].inductance_H == pytest.approx(x / W)
    assert d["shunt"].capacitance_F == pytest.approx(1 / (W * b))
    assert l_sections(50 + 0j, 50, F)[0].steps == ()


@pytest.mark.parametrize("kind", ["two capacitors", "L"])
@pytest.mark.parametrize("quality", [None, 200])
@pytest.mark.parametrize(("k", "count"), [(0.0, 1), (0.01, 2), (0.1, 2), (0.02, 4)])
def test_match_of_coupled_feeds(kind, quality, k, count):
    # Oracle: S_ee = 0 for every feed, computed by the circuit from the ladders found; the loss goes into them.
    net, circuit = coils(k, count=count)
    found = match(net, circuit, F, kind=kind, quality=quality)
    s = found.circuit.connect(net).network.s[0]
    assert np.abs(np.diag(s)).max() < 1e-9
    assert max(found.reflection_dB.values()) < -150
    o = found.circuit.connect(net).drive(np.eye(count)[0])
    assert (sum(p[0] for p in o.lost_W.values()) > 1e-7) == (quality is not None)


def test_a_large_gap_capacitor_is_reduced():
    # Oracle: S_ee = 0 with a smaller capacitor in the gap than before.
    net, circuit = coils(0.01, gap=30e-12)
    found = match(net, circuit, F)
    steps = found.circuit.feeds[0].ladder.steps
    assert [w for w, _ in steps] == ["series", "shunt"]
    assert steps[1][1].capacitance_F < 30e-12
    assert np.abs(np.diag(found.circuit.connect(net).network.s[0])).max() < 1e-9


@pytest.mark.parametrize("kind", ["shunt", "series"])
def test_decoupling_cancels_the_reactive_coupling(kind):
    # Oracle: with a lossless coupling matched neighbours no longer hear each other.
    net, circuit = coils(0.15, loss=0.0)
    before = abs(match(net, circuit, F).circuit.connect(net).network.s[0, 0, 1])
    joint = decoupling(net, circuit, "feed 0", "feed 1", F, kind=kind)
    if kind == "series":
        assert joint.element.inductance_H == pytest.approx(0.15 * 200e-9)
        assert joint.sign == -1
    else:
        # Oracle: Im Y12 of the pair, -M w / ((L^2 - M^2) w^2) for small losses.
        assert joint.element.capacitance_F == pytest.approx(0.15 / (W**2 * 200e-9 * (1 - 0.15**2)), rel=2e-3)
    after = replace(circuit, couplings=(joint,))
    s = match(net, after, F).circuit.connect(net).network.s[0]
    assert before > 0.8
    # A shunt leaves Re Y12, which the losses of coupled coils make.
    assert abs(s[0, 1]) < (1e-9 if kind == "series" else 0.2)


def test_bad_matching_is_one_clear_line():
    # Oracle: what two elements cannot do.
    net, circuit = coils(0.0)
    low = Network.from_z([F], np.array([[[5.0]]]), ["gap"])
    plain = Circuit({}, [Feed("f", "gap")])
    cases = [
        (lambda: match(net, circuit, F, kind="T"), "bad kind"),
        (lambda: match(net, circuit, 1e8), "not known at this frequency"),
        (lambda: match(low, plain, F), "two capacitors cannot match this load"),
        (lambda: l_sections(-1 + 0j, 50, F), "takes no power"),
        (lambda: decoupling(*coils(0.0, loss=0.0), "feed 0", "feed 1", F), "not coupled"),
        (lambda: decoupling(*coils(), "feed 0", "feed 9", F), "no such port"),
    ]
    for make, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)
    assert match(low, plain, F, kind="L").reflection_dB["f"] < -100


def test_negative_mutual_inductance_is_cancelled_too():
    # Oracle: coils wound against each other: with the other sign of transformer they are deaf to each other.
    net, circuit = coils(-0.15, loss=0.0)
    joint = decoupling(net, circuit, "feed 0", "feed 1", F, kind="series")
    assert joint.sign == 1
    assert joint.element.inductance_H == pytest.approx(0.15 * 200e-9)
    s = match(net, replace(circuit, couplings=(joint,)), F).circuit.connect(net).network.s[0]
    assert abs(s[0, 1]) < 1e-9
