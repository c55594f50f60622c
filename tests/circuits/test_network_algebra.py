"""Networks and the circuits around them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import emdose as em
from emdose.circuits.circuit import Circuit
from emdose.circuits.elements import RLC, Coupling, Feed, TwoPort
from emdose.circuits.network import Network

F = np.linspace(50e6, 200e6, 5)
W = 2 * np.pi * F
NAMES = ("a", "b", "c", "d")


def inductors(seed, size=4, loss=0.3, reference=(50, 50, 30, 75)):
    """A passive reciprocal network R + j w L of random positive definite matrices, and its impedance."""
    rng = np.random.default_rng(seed)
    L, R = (m @ m.T for m in rng.normal(size=(2, size, size)))
    z = loss * R + 1j * W[:, None, None] * (L + size * np.eye(size)) * 20e-9
    return Network.from_z(F, z, NAMES[:size], reference[:size]), z


def test_conversions_agree_with_scikit_rf():
    # Oracle: scikit-rf.
    net, z = inductors(0)
    rf = net.to_skrf()
    np.testing.assert_allclose(rf.z, z, rtol=1e-10)
    np.testing.assert_allclose(net.z, z, rtol=1e-10)
    np.testing.assert_allclose(net.y, rf.y, rtol=1e-10)
    np.testing.assert_allclose(Network.from_y(F, rf.y, NAMES, net.reference_ohm).s, net.s, atol=1e-12)
    other = net.renormalised([20.0, 60, 50, 10])
    rf.renormalize(other.reference_ohm)
    np.testing.assert_allclose(other.s, rf.s, atol=1e-12)
    back = Network.from_skrf(net.to_skrf())
    assert back.names == NAMES
    np.testing.assert_allclose(back.s, net.s)
    v = np.random.default_rng(1).normal(size=(5, 4, 4)) + 0j
    i = np.linalg.solve(z, v)
    np.testing.assert_allclose(Network.from_runs(F, v, i, NAMES, net.reference_ohm).s, net.s, atol=1e-9)


def test_terminations_agree_with_circuit_theory():
    # Oracle: reduction of the impedance matrix (Schur complement), and the terminal law V = -Z_e I.
    net, z = inductors(2)
    c, d = RLC(capacitance_F=20e-12, quality=200), RLC(0.5, 3e-9, 30e-12)
    circuit = Circuit({"c": c, "d": d}, [Feed("one", "a"), Feed("two", "b", impedance_ohm=75)])
    out = circuit.connect(net)
    load = np.stack([e.impedance_s(1j * W) for e in (c, d)], axis=-1)
    inner = z[:, 2:, 2:] + load[..., None] * np.eye(2)
    reduced = z[:, :2, :2] - z[:, :2, 2:] @ np.linalg.solve(inner, z[:, 2:, :2])
    np.testing.assert_allclose(out.network.z, reduced, rtol=1e-9)
    np.testing.assert_allclose(c.impedance_s(1j * W), (1 / 200 - 1j) / (W * 20e-12))
    source = np.array([1.0, -2j])
    o = out.drive(source)
    V, I = o.voltages_V, o.currents_A  # noqa: E741
    np.testing.assert_allclose(np.einsum("fij,fj->fi", z, I), V, atol=1e-12)
    np.testing.assert_allclose(V[:, 2:], -load * I[:, 2:], atol=1e-12)
    np.testing.assert_allclose(V[:, :2], source - np.array([50, 75]) * I[:, :2], atol=1e-12)
    np.testing.assert_allclose(o.weights_V, V + net.reference_ohm * I, atol=1e-12)


def test_ladders_agree_with_scikit_rf():
    # Oracle: scikit-rf's cascade of lumped elements.
    import skrf

    net, _ = inductors(3, 1, reference=(50,))
    ladder = TwoPort(
        (("series", RLC(capacitance_F=8e-12)), ("shunt", RLC(capacitance_F=12e-12)), ("series", RLC(inductance_H=5e-9)))
    )
    out = Circuit({}, [Feed("f", "a", ladder)]).connect(net).network
    line = skrf.media.DefinedGammaZ0(skrf.Frequency.from_f(F, unit="Hz"), z0=50)
    chain = line.capacitor(8e-12) ** line.shunt_capacitor(12e-12) ** line.inductor(5e-9) ** net.to_skrf()
    np.testing.assert_allclose(out.s, chain.s, atol=1e-10)


def test_matched_circuit_puts_ladders_at_the_source():
    # Oracle: definition.
    feed = Feed("f", "a", TwoPort((("shunt", RLC(capacitance_F=1e-12)),)))
    step = TwoPort((("series", RLC(capacitance_F=2e-12)),))
    new = Circuit({}, [feed]).matched({"f": step})
    assert [w for w, _ in new.feeds[0].ladder.steps] == ["series", "shunt"]


def test_powers_add_up():
    # Oracle: Tellegen. The losses of the elements from their own resistances, the structure's from V and I.
    net, _ = inductors(4)
    ladder = TwoPort((("series", RLC(capacitance_F=8e-12, quality=150)), ("shunt", RLC(2.0, capacitance_F=12e-12))))
    load = RLC(0.5, capacitance_F=30e-12)
    circuit = Circuit(
        {"c": RLC(capacitance_F=20e-12), "d": load},
        [Feed("one", "a", ladder), Feed("two", "b")],
        [Coupling("a", "b", RLC(1.0, capacitance_F=3e-12)), Coupling("c", "d", RLC(inductance_H=2e-9), "series", -1)],
    )
    o = circuit.connect(net).drive([1, -1j])
    V, I = o.voltages_V, o.currents_A  # noqa: E741
    structure = 0.5 * (V * I.conj()).sum(axis=1).real
    np.testing.assert_allclose(o.structure_W, structure, rtol=1e-12)
    np.testing.assert_allclose(o.lost_W["d"], 0.25 * np.abs(I[:, 3]) ** 2, rtol=1e-9)
    np.testing.assert_allclose(o.lost_W["c"], 0, atol=1e-17)
    np.testing.assert_allclose(o.lost_W["two"], 0, atol=1e-17)
    between = 0.5 * np.abs((V[:, 0] - V[:, 1]) / (1 + 1 / (1j * W * 3e-12))) ** 2
    np.testing.assert_allclose(o.lost_W["couplings"], between, rtol=1e-9)
    np.testing.assert_allclose(o.accepted_W, structure + sum(o.lost_W.values()), rtol=1e-12)
    # The ladder's own loss from its currents: the line carries what the feed takes.
    line = (1 - _terminal_voltage(circuit, net, [1, -1j])[:, 0]) / 50
    esr = 1 / (W * 8e-12 * 150)
    across = _terminal_voltage(circuit, net, [1, -1j])[:, 0] - line * (1 / (1j * W * 8e-12) + esr)
    shunt = across / (2 + 1 / (1j * W * 12e-12))
    np.testing.assert_allclose(o.lost_W["one"], 0.5 * np.abs(line) ** 2 * esr + np.abs(shunt) ** 2, rtol=1e-9)
    np.testing.assert_allclose(across, V[:, 0], atol=1e-12)


def _terminal_voltage(circuit, net, source):
    seen = circuit.connect(net).network
    a = np.array(source) / (2 * np.sqrt(seen.reference_ohm))
    return np.sqrt(seen.reference_ohm) * (a + np.einsum("fij,j->fi", seen.s, a))


def test_couplings_agree_with_matrices():
    # Oracle: a shunt element adds to the admittance matrix, a transformer to the impedance matrix.
    net, z = inductors(5, 2)
    y = 1j * W * 3e-12
    shunt = Circuit({}, [Feed("one", "a"), Feed("two", "b")], [Coupling("a", "b", RLC(capacitance_F=3e-12))])
    add = y[:, None, None] * np.array([[1, -1], [-1, 1]])
    np.testing.assert_allclose(shunt.connect(net).network.y, np.linalg.inv(z) + add, rtol=1e-9)
    pair = Circuit({}, shunt.feeds, [Coupling("a", "b", RLC(inductance_H=4e-9), "series", -1)])
    add = -1j * W[:, None, None] * 4e-9 * np.array([[0, 1], [1, 0]])
    np.testing.assert_allclose(pair.connect(net).network.z, z + add, rtol=1e-9)
    o = pair.connect(net).drive([1, 1])
    np.testing.assert_allclose(np.einsum("fij,fj->fi", z, o.currents_A), o.voltages_V, atol=1e-12)


@given(seed=st.integers(0, 10_000), c=st.floats(1e-13, 1e-10), loss=st.floats(0.0, 2.0), q=st.floats(20, 1e4))
@settings(max_examples=60, deadline=None)
def test_circuits_stay_passive_and_reciprocal(seed, c, loss, q):
    # Oracle: passive reciprocal elements make passive reciprocal networks; powers are never negative.
    net, _ = inductors(seed, loss=loss)
    assert net.gain() <= 1 + 1e-10
    assert net.asymmetry() < 1e-10
    ladder = TwoPort((("series", RLC(capacitance_F=c, quality=q)), ("shunt", RLC(capacitance_F=2 * c))))
    circuit = Circuit(
        {"c": RLC(capacitance_F=c, quality=q), "d": "open"},
        [Feed("one", "a", ladder), Feed("two", "b")],
        [Coupling("b", "c", RLC(capacitance_F=c, quality=q))],
    )
    out = circuit.connect(net)
    assert out.network.gain() <= 1 + 1e-9
    assert out.network.asymmetry() < 1e-9
    o = out.drive([1, 0.5j])
    assert all(np.all(p > -1e-12) for p in (*o.lost_W.values(), o.structure_W, o.accepted_W))
    assert np.abs(o.currents_A[:, 3]).max() < 1e-12


def test_coil_becomes_a_circuit():
    # Oracle: definition: elements at feeds are across the gap.
    coil = em.CircuitBirdcage(8, kind="high-pass")
    circuit = Circuit.of(coil, {"feed 2": TwoPort((("series", RLC(capacitance_F=1e-12)),))})
    assert len(circuit.loads) == 14
    assert [f.name for f in circuit.feeds] == ["feed 1", "feed 2"]
    assert [w for w, _ in circuit.feeds[1].ladder.steps] == ["series", "shunt"]
    s = 2j * math.pi * 1e8
    alone = circuit.without_sources().impedance("feed 1", s)[0]
    assert alone == pytest.approx(1 / (s * 20e-12))
    driven = circuit.impedance("feed 1", s)[0]
    assert driven == pytest.approx(1 / (1 / 50 + s * 20e-12))
    with pytest.raises(em.InputError, match="no such feed"):
        Circuit.of(coil, {"x": TwoPort()})


def test_bad_networks_are_one_clear_line():
    # Oracle: the list of bad input of the FDTD issue, and what circuits need.
    net, z = inductors(6)
    feeds = [Feed("one", "a"), Feed("two", "b")]
    good = {"c": RLC(1.0), "d": "short"}
    cases = [
        (lambda: Network.from_z([], np.zeros((0, 4, 4)), NAMES), "empty frequency list"),
        (lambda: Network([2.0, 1.0], np.zeros((2, 1, 1)), ["a"]), "bad frequencies"),
        (lambda: Network(F, net.s, NAMES[:3]), "do not fit"),
        (lambda: Network(F, net.s * np.nan, NAMES), "not finite"),
        (lambda: Network(F, net.s, ["a"] * 4), "share a name"),
        (lambda: Network(F, net.s, NAMES, -50.0), "bad reference"),
        (lambda: Network.from_z(F, z, NAMES, [50, 50]), "bad reference"),
        (lambda: Network.from_runs(F, z, np.zeros((5, 4, 3)), NAMES), "runs do not fit"),
        (lambda: net.at(77e6), "not known at this frequency"),
        (lambda: net.index("x"), "no such port"),
        (lambda: RLC(), "no value"),
        (lambda: RLC(capacitance_F=0.0), "must be positive"),
        (lambda: RLC(inductance_H=math.inf), "must be positive"),
        (lambda: RLC(1.0, topology="star"), "bad topology"),
        (lambda: TwoPort((("across", RLC(1.0)),)), "bad step"),
        (lambda: Coupling("a", "a", RLC(1.0)), "bad coupling"),
        (lambda: Circuit({"a": RLC(1.0)}, feeds), "two terminations"),
        (lambda: Circuit({}, [Feed("one", "a"), Feed("one", "b")]), "a feed twice"),
        (lambda: Circuit({"c": RLC(1.0)}, feeds).connect(net), "port without termination"),
        (lambda: Circuit({**good, "x": RLC(1.0)}, feeds).connect(net), "no such port"),
        (lambda: Circuit({**good, "a": "open", "b": "open"}, []).connect(net), "without a feed"),
        (lambda: Circuit({**good, "c": "shut"}, feeds).connect(net), "bad load"),
        (lambda: Circuit(good, feeds).connect(net).drive([1.0]), "drive does not fit"),
        (lambda: Network.from_runs(F, 0 * z, 0 * z, NAMES), "not independent"),
    ]
    for make, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("load", ["open", "short"])
def test_open_and_short_ports(load):
    # Oracle: the impedance matrix without the row of an open port, the admittance matrix without that of a shorted one.
    net, z = inductors(7, 3)
    out = Circuit({"c": load}, [Feed("one", "a"), Feed("two", "b")]).connect(net)
    if load == "open":
        np.testing.assert_allclose(out.network.z, z[:, :2, :2], rtol=1e-9)
    else:
        np.testing.assert_allclose(out.network.y, np.linalg.inv(z)[:, :2, :2], rtol=1e-9)
    o = out.drive([1.0, 0.3])
    zero = o.currents_A if load == "open" else o.voltages_V
    np.testing.assert_allclose(zero[:, 2], 0, atol=1e-12)
