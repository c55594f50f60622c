"""Quasi-static modes and tuning of circuit coils."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.circuits.partial_inductance import field_of_filaments, partial_inductances
from emdose.circuits.unloaded import birdcage_order, coil_modes
from emdose.constants import MU_0
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Wire
from emdose.validation.closed_forms.coils.ladder import end_ring_mode, ladder_modes
from emdose.validation.closed_forms.coils.networks import resonance


def test_mutual_inductance_of_parallel_filaments():
    # Oracle: closed form of two equal parallel filaments (Grover 1946, ch. 5).
    length, d = 0.2, 0.03
    pair = np.array([[[0, 0, 0], [0, 0, length]], [[d, 0, 0], [d, 0, length]]])
    L = partial_inductances(pair, np.full(2, 1e-4))
    form = MU_0 * length / (2 * math.pi) * (math.asinh(length / d) - math.hypot(1, d / length) + d / length)
    assert L[0, 1] == pytest.approx(form, rel=2e-5)
    split = np.array([[[0, 0, 0], [0, 0, 0.07]], [[0, 0, 0.07], [0, 0, length]]])
    # Pieces in line add up to the whole, up to the quadrature at the touching ends.
    assert partial_inductances(split, np.full(2, 1e-4)).sum() == pytest.approx(L[0, 0], rel=1e-3)


def test_loop_resonates_at_its_closed_form():
    # Oracle: inductance of a ring, mu0 R (ln(8 R / a) - 2), current on its surface (Grover 1946).
    R, a, C = 0.05, 1e-3, 10e-12
    mode = coil_modes(em.CapacitorLoop(R, capacitors=1, gap_m=1e-5, wire_radius_m=a, resistance_ohm=0.1))[0]
    L = MU_0 * R * (math.log(8 * R / a) - 2)
    assert mode.frequency_Hz == pytest.approx(resonance(L, C), rel=1e-3)
    assert mode.quality == pytest.approx(math.sqrt(L / C) / 0.1, rel=2e-3)
    # Unit energy, and the field at the centre of a ring mu0 I / 2R.
    assert 0.5 * L * mode.currents_A["C1"] ** 2 == pytest.approx(1, rel=2e-3)
    assert abs(mode.field_T[2]) == pytest.approx(MU_0 * abs(mode.currents_A["C1"]) / (2 * R), rel=3e-3)


@pytest.mark.parametrize("shield", [None, 0.19])
def test_birdcage_modes_are_those_of_its_circulant_ladder(shield):
    # Oracle: Leifer's ladder with all mutual inductances. The matrices come from the same filaments, the modes from a
    # discrete Fourier transform instead of the loops of a graph.
    rungs, R, length, C, gap = 8, 0.15, 0.2, 30e-12, 1e-6
    coil = em.CircuitBirdcage(
        rungs,
        radius_m=R,
        length_m=length,
        capacitance_F=C,
        wire_radius_m=2e-3,
        gap_m=gap,
        shield_radius_m=shield,
        feeds=1,
    )
    from emdose.circuits.unloaded import _filaments

    segments, radii, _ = _filaments(coil)
    L = partial_inductances(segments, radii, shield)
    per = (len(segments) - rungs) // (2 * rungs)
    group = np.concatenate([np.arange(rungs), rungs + np.arange(2 * rungs * per) // per])
    sums = np.zeros((3 * rungs, len(segments)))
    sums[group, np.arange(len(segments))] = 1
    M = sums @ L @ sums.T
    want = ladder_modes(
        rungs,
        M[0, :rungs],
        M[rungs, rungs : 2 * rungs],
        ring_capacitance_F=C,
        opposite_inductance_H=M[rungs, 2 * rungs :],
    )
    end = end_ring_mode(M[rungs, rungs : 2 * rungs], C, M[rungs, 2 * rungs :], rungs)
    expected = np.sort([*want, *want[1:-1], end])
    np.testing.assert_allclose([m.frequency_Hz for m in coil_modes(coil)], expected, rtol=1e-7)


@pytest.mark.parametrize(("kind", "place"), [("high-pass", -4), ("low-pass", 0), ("band-pass", -4)])
def test_tuning_puts_the_homogeneous_mode_at_the_frequency(kind, place):
    # Oracle: the mode with the field across the axis is that of order one: the cosine of the angle.
    coil = em.CircuitBirdcage(8, kind=kind, shield_radius_m=0.2)
    tuning = em.tune(coil, 127.74e6)
    assert tuning.frequency_Hz == pytest.approx(127.74e6, rel=1e-9)
    assert len(tuning.chosen) == 2
    assert tuning.chosen[0] == range(len(tuning.modes))[place] or kind == "high-pass"
    names = [f"{'rung' if kind == 'low-pass' else 'top'} {n + 1}" for n in range(8)]
    shapes = tuning.pattern(names)
    assert np.array_equal(tuning.pattern(), tuning.pattern([e.name for e in coil.elements]))
    harmonics = np.abs(np.fft.fft(shapes, axis=0))
    assert np.all(harmonics[[1, 7]].max(axis=0) > 1e3 * harmonics[[0, 2, 3, 4, 5, 6]].max(axis=0))
    orders = [birdcage_order(coil, m.currents_A) for m in tuning.modes]
    assert [orders[m] for m in tuning.chosen] == [1, 1]
    # Oracle: every order once or twice, the end-ring mode without one.
    pairs = {m: 2 if 0 < m < 4 else 1 for m in range(5)}
    if kind == "high-pass":
        assert {m: orders.count(m) for m in range(5)} == pairs
        assert orders.count(None) == 1
    again = em.tune(tuning.coil, 127.74e6)
    for name, value in tuning.capacitances_F.items():
        assert again.capacitances_F[name] == pytest.approx(value, rel=1e-9)


def test_tuning_some_elements_only():
    # Oracle: the tuned coil has a mode there, and the other elements keep their values.
    coil = em.CircuitBirdcage(8, kind="band-pass", capacitance_F=40e-12)
    tuning = em.tune(coil, 64e6, elements=[f"rung {n + 1}" for n in range(8)])
    assert tuning.coil.element("top 1").capacitance_F == 40e-12
    assert tuning.coil.element("rung 1").capacitance_F != 40e-12
    assert tuning.frequency_Hz == pytest.approx(64e6, rel=1e-7)
    series = coil.with_values({f"rung {n + 1}": {"inductance_H": 20e-9} for n in range(8)})
    assert em.tune(series, 64e6).frequency_Hz == pytest.approx(64e6, rel=1e-7)
    low = em.tune(coil, 64e6, mode=0)
    assert low.modes[0].frequency_Hz < 64e6 * (1 + 1e-9)


def test_field_of_filaments_at_the_centre_of_a_square():
    # Oracle: Biot-Savart, 2 sqrt(2) mu0 I / (pi a).
    a = 0.1
    c = 0.5 * a * np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0], [-1, -1, 0]])
    B = field_of_filaments(np.stack([c[:-1], c[1:]], axis=1), np.ones((4, 1)), np.zeros(3))
    np.testing.assert_allclose(B, [[0, 0, 2 * math.sqrt(2) * MU_0 / (math.pi * a)]], atol=1e-18)


def test_bad_tuning_is_one_clear_line():
    # Oracle: what quasi-static tuning cannot know.
    coil = em.CapacitorLoop(0.05)
    feed = FeedPort("f", (0, 0, 0), (0, 0, 0.005))
    plate = em.CircuitCoil("p", [Plate((0, 0, 0), (1, 0, 0), (0, 1, 0))], [], [feed])
    resistor = LumpedElement("R", (0, 0, 0), (0, 0, 0.005), resistance_ohm=1.0)
    wire = em.Dipole(0.1).conductors
    cases = [
        (lambda: em.tune(coil, 0.0), "bad frequency"),
        (lambda: em.tune(coil, 1e8, elements=["x"]), "no such element"),
        (lambda: em.tune(coil, 1e8, elements=[]), "nothing to tune"),
        (lambda: em.tune(coil, 1e8, mode=5), "no such mode"),
        (lambda: em.tune(em.Dipole(0.1), 1e8), "nothing to tune"),
        (lambda: em.tune(em.CircuitCoil("r", wire, [resistor], [feed]), 1e8, elements=["R"]), "without a capacitor"),
        (lambda: coil_modes(plate), "wires and strips only"),
        (lambda: coil_modes(em.Dipole(0.1)), "no closed loop"),
        (lambda: em.tune(coil.with_values({"C1": {"resistance_ohm": 1e3, "topology": "parallel"}}), 1e8), "series"),
    ]
    for make, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_chains_that_end_on_the_middle_of_another_close_a_loop():
    # Oracle: the same square as one chain; stubs beyond the joints carry no current.
    corners = [(0, 0, 0), (0.1, 0, 0), (0.1, 0.1, 0), (0, 0.1, 0)]
    C = LumpedElement("C", (0.1, 0.05, 0), (0.1, 0.051, 0), capacitance_F=10e-12)
    feed = FeedPort("f", C.start_m, C.end_m)  # across the capacitor: a gap of its own would be open
    joined = [Wire([(0, -0.03, 0), (0, 0.14, 0)], 1e-3), Wire(corners, 1e-3)]
    square = [Wire([*corners, corners[0]], 1e-3)]
    found, expected = (coil_modes(em.CircuitCoil("c", wires, [C], [feed])) for wires in (joined, square))
    assert len(found) == len(expected) == 1
    assert found[0].frequency_Hz == pytest.approx(expected[0].frequency_Hz, rel=1e-4)
