"""Natural frequencies of networks, and the values that put them where they are wanted."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.circuits.circuit import Circuit
from emdose.circuits.elements import RLC, Feed, TwoPort
from emdose.circuits.modes import Fit, immittance, natural_modes, tuning_factor
from emdose.circuits.network import Network
from emdose.validation.closed_forms.coils import ladder, networks

F = np.array([60e6, 90e6, 130e6])
RUNG, RING, C = 120e-9, 40e-9, 25e-12


def cage(rungs, sites, frequencies=F, stray=0.0, loss=0.0):
    """Network over the gaps of an ideal birdcage by nodal analysis, and the names of its ports.

    ``sites`` says where the gaps are: "ring", "rung" or both. ``stray`` is a capacitance from every node to ground [F].
    """
    branches, ends, names, gap = [], [], [], []
    for label, low in (("top", 0), ("bottom", rungs)):
        for n in range(rungs):
            branches.append(RING)
            ends.append((low + n, low + (n + 1) % rungs))
            names.append(f"{label} {n + 1}")
            gap.append("ring" in sites)
    for n in range(rungs):
        branches.append(RUNG)
        ends.append((rungs + n, n))
        names.append(f"rung {n + 1}")
        gap.append("rung" in sites)
    A = np.zeros((len(ends), 2 * rungs))
    for row, (a, b) in enumerate(ends):
        A[row, a], A[row, b] = 1, -1
    A = A if stray else A[:, 1:]
    ports = np.flatnonzero(gap)
    out = []
    for f in frequencies:
        s = 2j * math.pi * f
        y = np.diag(1 / (s * np.array(branches) + loss))
        nodal = A.T @ y @ A + s * stray * np.eye(A.shape[1])
        out.append((y - y @ A @ np.linalg.solve(nodal, A.T @ y))[np.ix_(ports, ports)])
    return Network.from_y(frequencies, np.array(out), [names[p] for p in ports])


@pytest.mark.parametrize(
    ("kind", "sites"), [("high-pass", ["ring"]), ("low-pass", ["rung"]), ("band-pass", ["ring", "rung"])]
)
@pytest.mark.parametrize("rungs", [8, 16])
def test_ladder_modes_equal_the_formula(kind, sites, rungs):
    # Oracle: the ladder formula (Jin 1998), to 1e-9.
    net = cage(rungs, sites)
    assert net.gain() <= 1 + 1e-12
    values = {"ring": C, "rung": 0.4 * C}
    circuit = Circuit({n: RLC(capacitance_F=values["rung" if n.startswith("rung") else "ring"]) for n in net.names}, [])
    found = [m.frequency_Hz for m in natural_modes(net, circuit, low_Hz=5e6, high_Hz=1e9)]
    want = ladder.ladder_modes(
        rungs,
        RUNG,
        RING,
        ring_capacitance_F=C if "ring" in sites else math.inf,
        rung_capacitance_F=0.4 * C if "rung" in sites else math.inf,
    )
    pairs = [*want, *want[1:-1]]
    if "ring" in sites:
        pairs.append(ladder.end_ring_mode(RING, C, 0.0, rungs))
    else:
        pairs = [f for f in pairs if f > 0]
    np.testing.assert_allclose(found, np.sort(pairs), rtol=1e-9)


def test_modes_with_stray_capacitance_use_the_impedance():
    # Oracle: the generalised eigenvalue problem of the nodal equations, s^2 C + Gamma = 0.
    rungs, stray = 6, 1e-12
    net = cage(rungs, ["ring"], np.linspace(60e6, 140e6, 9), stray)
    assert immittance(net)[0]
    found = natural_modes(net, Circuit({n: RLC(capacitance_F=C) for n in net.names}, []), low_Hz=5e6, high_Hz=200e6)
    # The same cage with the capacitor and the inductor of each ring piece in series, one node between them.
    nodes = 4 * rungs
    cap, gamma = stray * np.diag([1.0] * (2 * rungs) + [0.0] * (2 * rungs)), np.zeros((nodes, nodes))

    def add(m, a, b, v):
        m[a, a] += v
        m[b, b] += v
        m[a, b] -= v
        m[b, a] -= v

    for r in range(2):
        for n in range(rungs):
            middle = 2 * rungs + r * rungs + n
            add(gamma, r * rungs + n, middle, 1 / RING)
            add(cap, middle, r * rungs + (n + 1) % rungs, C)
    for n in range(rungs):
        add(gamma, n, rungs + n, 1 / RUNG)
    from scipy import linalg

    w2 = linalg.eigvals(gamma, cap)
    f = np.sqrt(np.sort(w2.real[np.isfinite(w2) & (w2.real > 1e12) & (np.abs(w2.imag) < 1e-3 * w2.real)])) / (
        2 * math.pi
    )
    f = f[f < 200e6]
    # The fit has five terms and the truth poles far above; the modes are as good as the fit.
    assert Fit.of(net).residual < 1e-5
    np.testing.assert_allclose([m.frequency_Hz for m in found], f, rtol=2e-4)


def test_damped_and_coupled_circuits():
    # Oracle: closed forms of one damped and of two coupled circuits.
    L, R = 200e-9, 0.8
    one = Network.from_z(F, (R + 2j * math.pi * F * L)[:, None, None], ["a"])
    (mode,) = natural_modes(one, Circuit({"a": RLC(capacitance_F=10e-12)}, []))
    f, q = networks.damped_series(R, L, 10e-12)
    assert mode.frequency_Hz == pytest.approx(f, rel=1e-12)
    assert mode.quality == pytest.approx(q, rel=1e-9)
    assert mode.within
    lossless = Network.from_z(F, (2j * math.pi * F * L)[:, None, None], ["a"])
    (mode,) = natural_modes(lossless, Circuit({"a": RLC(capacitance_F=10e-12, quality=300)}, []))
    assert mode.quality == pytest.approx(300, rel=1e-4)
    k = 0.1
    two = Network.from_z(F, 2j * math.pi * F[:, None, None] * L * np.array([[1, k], [k, 1]]), ["a", "b"])
    load = Circuit({n: RLC(capacitance_F=10e-12) for n in "ab"}, [])
    np.testing.assert_allclose(
        [m.frequency_Hz for m in natural_modes(two, load)], networks.coupled_resonators(L, 10e-12, k)
    )
    # A trap, which is no polynomial: L in series with (L2 parallel C2) resonates where the reactances cancel.
    trap = RLC(inductance_H=50e-9, capacitance_F=20e-12, topology="parallel")
    (mode,) = natural_modes(lossless, Circuit({"a": trap}, []), high_Hz=400e6)
    assert mode.frequency_Hz == pytest.approx(networks.resonance(1 / (1 / L + 1 / 50e-9), 20e-12), rel=1e-9)


def test_an_open_circuit_has_no_modes():
    # Oracle: no current flows anywhere: a dipole without its source, whose reactance of a wire in series is known.
    z = 70 + 1j * (2 * math.pi * F * 300e-9 - 1 / (2 * math.pi * F * 2e-12))
    dipole = Network.from_z(F, z[:, None, None], ["feed"])
    assert natural_modes(dipole, Circuit({}, [Feed("feed", "feed")]).without_sources()) == []


def test_feeds_damp_and_can_be_taken_off():
    # Oracle: a parallel circuit with the source's resistance across it: Q = R sqrt(C / L).
    L, cap = 10e-9, 150e-12
    net = Network.from_z(F, (2j * math.pi * F * L)[:, None, None], ["a"])
    circuit = Circuit({}, [Feed("f", "a", TwoPort((("shunt", RLC(capacitance_F=cap)),)))])
    (mode,) = natural_modes(net, circuit)
    assert mode.quality == pytest.approx(50 * math.sqrt(cap / L), rel=1e-9)
    (free,) = natural_modes(net, circuit.without_sources())
    assert free.frequency_Hz == pytest.approx(networks.resonance(L, cap), rel=1e-12)
    assert free.quality > 1e9
    two = Network.from_z(F, 2j * math.pi * F[:, None, None] * L * np.eye(2), ["a", "b"])
    (left,) = natural_modes(two, Circuit({"a": RLC(capacitance_F=cap), "b": "open"}, []))
    assert abs(left.currents_A[1]) < 1e-12
    assert len(natural_modes(two, Circuit({"a": RLC(capacitance_F=cap), "b": "short"}, []))) == 1


@pytest.mark.parametrize("mode", [1, 2])
def test_capacitance_for_a_mode(mode):
    # Oracle: the ladder formula solved for the capacitance.
    rungs = 16
    net = cage(rungs, ["ring"], np.array([64e6, 128e6]))
    circuit = Circuit({n: RLC(capacitance_F=C) for n in net.names}, [])
    angle = 2 * math.pi * mode * (np.arange(rungs) + 0.5) / rungs
    shape = np.stack(
        [np.concatenate([np.cos(angle), -np.cos(angle)]), np.concatenate([np.sin(angle), -np.sin(angle)])], 1
    )
    x = tuning_factor(net, circuit, net.names, 128e6, pattern=shape)
    assert C / x == pytest.approx(ladder.capacitance_for(mode, 128e6, rungs, RUNG, RING), rel=1e-9)
    tuned = Circuit({n: RLC(capacitance_F=C / x) for n in net.names}, [])
    assert min(abs(m.frequency_Hz - 128e6) for m in natural_modes(net, tuned, high_Hz=1e9)) < 1
    # With some capacitors fixed the others make up for them.
    part = net.names[:rungs]
    y = tuning_factor(net, circuit, part, 128e6, mode=3)
    mixed = Circuit({n: RLC(capacitance_F=C / y if n in part else C) for n in net.names}, [])
    assert min(abs(m.frequency_Hz - 128e6) for m in natural_modes(net, mixed, high_Hz=1e9)) < 1


def test_tuning_a_stray_cage_by_the_pattern_of_the_coil():
    # Oracle: the mode found afterwards; the pattern comes from the quasi-static tuning of a coil of the same layout.
    coil = em.CircuitBirdcage(8, kind="high-pass")
    quasi = em.tune(coil, 100e6)
    net = cage(8, ["ring"], np.array([80e6, 90e6, 100e6, 110e6, 120e6]), stray=0.5e-12, loss=0.02)
    shape = quasi.pattern(net.names)
    circuit = Circuit({n: RLC(capacitance_F=C) for n in net.names}, [])
    x = tuning_factor(net, circuit, net.names, 100e6, pattern=shape)
    tuned = Circuit({n: RLC(capacitance_F=C / x) for n in net.names}, [])
    near = [m for m in natural_modes(net, tuned) if abs(m.frequency_Hz / 100e6 - 1) < 1e-4]
    assert len(near) == 2
    q = np.linalg.qr(shape)[0]
    for m in near:
        assert np.linalg.norm(q.conj().T @ m.currents_A) > 0.99
        assert m.quality > 50


def test_bad_requests_are_one_clear_line():
    # Oracle: what the algebra cannot do.
    from emdose.circuits.elements import Coupling

    net = cage(6, ["ring"])
    circuit = Circuit({n: RLC(capacitance_F=C) for n in net.names}, [])
    joined = Circuit(circuit.loads, [], [Coupling("top 1", "top 2", RLC(1.0))])
    coil = Circuit({n: RLC(inductance_H=1e-9) for n in net.names}, [])
    cases = [
        (lambda: Fit.of(net, 4), "more terms than frequencies"),
        (lambda: natural_modes(net, joined), "couplings"),
        (lambda: tuning_factor(net, circuit, net.names, 90e6), "which mode"),
        (lambda: tuning_factor(net, circuit, net.names, 91e6, mode=0), "not known at this frequency"),
        (lambda: tuning_factor(net, circuit, net.names, 90e6, mode=99), "no such mode"),
        (lambda: tuning_factor(net, coil, net.names, 90e6, mode=0), "no capacitance"),
        (lambda: tuning_factor(net, circuit, ["x"], 90e6, mode=0), "no such port"),
    ]
    for make, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_currents_of_modes_are_of_norm_one():
    # Oracle: definition; two coupled circuits swing with and against each other.
    two = Network.from_z(F, 2j * math.pi * F[:, None, None] * 200e-9 * np.array([[1, 0.1], [0.1, 1]]), ["a", "b"])
    together, against = natural_modes(two, Circuit({n: RLC(capacitance_F=10e-12) for n in "ab"}, []))
    for mode, sign in ((together, 1), (against, -1)):
        assert np.linalg.norm(mode.currents_A) == pytest.approx(1)
        assert mode.currents_A[1] / mode.currents_A[0] == pytest.approx(sign)
    net = cage(6, ["ring"])  # solved for voltages
    modes = natural_modes(net, Circuit({n: RLC(capacitance_F=C) for n in net.names}, []), low_Hz=5e6, high_Hz=1e9)
    np.testing.assert_allclose([np.linalg.norm(m.currents_A) for m in modes], 1.0)


def test_the_first_term_of_an_inductive_admittance_is_one_over_s():
    # Oracle: a cage without stray capacitance has no impedance matrix, and its admittance is 1 / (s L) exactly.
    net = cage(6, ["ring"], np.array([60e6, 100e6, 140e6]))
    fit = Fit.of(net, 1)
    assert (fit.impedance, fit.powers) == (False, (-1,))
    assert fit.residual < 1e-9
    s = 2j * math.pi * 90e6
    np.testing.assert_allclose(fit(s), net.y[1] * 100e6 / 90e6, atol=1e-12)
    lossless = Network.from_z(F, (2j * math.pi * F * 200e-9)[:, None, None], ["a"])
    assert (Fit.of(lossless, 1).powers, Fit.of(lossless, 3).powers) == ((1,), (1, -1, 0))
