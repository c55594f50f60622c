"""Quasi-static modes and tuning of circuit coils."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.circuits.circuit import Circuit
from emdose.circuits.filaments import filaments_of
from emdose.circuits.modes import tuning_factor
from emdose.circuits.network import Network
from emdose.circuits.partial_elements import field_of_filaments, partial_inductances
from emdose.circuits.unloaded import birdcage_order, coil_modes
from emdose.compute import backend
from emdose.constants import C_0, MU_0
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Wire
from emdose.solvers.mom.meshing.build import mesh_of
from emdose.solvers.mom.metal import ThinMetal
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
    # Oracle: inductance of a ring, mu0 R (ln(8 R / a) - 2), current on its surface (Grover 1946), at a frequency at
    # which it is small and its own capacitance is none beside the capacitor.
    R, a, C = 0.05, 1e-3, 100e-9
    mode = coil_modes(em.CapacitorLoop(R, capacitors=1, gap_m=1e-5, wire_radius_m=a, resistance_ohm=0.1))[0]
    coil = em.CapacitorLoop(R, capacitors=1, gap_m=1e-5, wire_radius_m=a, resistance_ohm=0.1, capacitance_F=C)
    low = coil_modes(coil)[0]
    L = MU_0 * R * (math.log(8 * R / a) - 2)
    assert low.frequency_Hz == pytest.approx(resonance(L, C), rel=1e-3)
    assert low.quality == pytest.approx(math.sqrt(L / C) / 0.1, rel=2e-3)
    # Its own capacitance beside 10 pF: less than a picofarad, and it lowers the frequency.
    assert 0.95 * resonance(L, 10e-12) < mode.frequency_Hz < 0.99 * resonance(L, 10e-12)
    # Unit energy, and the field at the centre of a ring mu0 I / 2R.
    assert 0.5 * L * low.currents_A["C1"] ** 2 == pytest.approx(1, rel=2e-3)
    assert abs(low.field_T[2]) == pytest.approx(MU_0 * abs(low.currents_A["C1"]) / (2 * R), rel=3e-3)


def test_rectangular_loop_has_its_inductance_at_low_frequency():
    # Oracle: closed form of a rectangle of wire, current on its surface (Grover 1946); gaps carry current too.
    w, h, a, f = 0.12, 0.16, 1e-3, 1e6
    d = math.hypot(w, h)
    form = w * math.log(2 * w / a) + h * math.log(2 * h / a) - w * math.asinh(w / h) - h * math.asinh(h / w)
    L = MU_0 / math.pi * (form + 2 * d - 2 * (w + h))
    tuning = em.tune(em.CapacitorLoop(size_m=(w, h), capacitors=4, wire_radius_m=a), f)
    assert 4 / ((2 * math.pi * f) ** 2 * tuning.capacitances_F["C1"]) == pytest.approx(L, rel=3e-3)


@pytest.mark.parametrize("shield", [None, 0.025])
@pytest.mark.parametrize("frequency_Hz", [5e6, 60e6])
def test_two_wires_are_a_transmission_line(shield, frequency_Hz):
    # Oracle: Z0 tan(k l) of a shorted line of two wires, alone or in a cylinder (W. Johnson, Transmission Lines and
    # Networks, 1950): inductances, charges, retardation and shield at once. Two lengths, to be rid of most of the ends.
    d, a, k = 0.01, 5e-4, 2 * math.pi * frequency_Hz / C_0
    inside = 1.0 if shield is None else (shield**2 - d**2) / (shield**2 + d**2)
    z0 = MU_0 * C_0 / math.pi * math.log(2 * d / a * inside)

    def electric_length(length):
        wires = [Wire([(x, 0, 0), (x, 0, length), (0, 0, length)], a) for x in (-d, d)]
        gap = LumpedElement("C", (-d, 0, 0), (d, 0, 0), capacitance_F=1e-11)
        feed = FeedPort("f", (-d, 0, 0), (d, 0, 0))
        wall = None if shield is None else em.Shield(shield, length + 0.3, centre_m=(0, 0, 0.5 * length))
        coil = em.CircuitCoil("line", wires, [gap], [feed], shield=wall)
        C = em.tune(coil, frequency_Hz).capacitances_F["C"]
        return math.atan(1 / (2 * math.pi * frequency_Hz * C * z0))

    assert electric_length(0.6) - electric_length(0.4) == pytest.approx(k * 0.2, rel=0.01)


def test_birdcage_modes_are_those_of_its_circulant_ladder():
    # Oracle: Leifer's ladder with all mutual inductances, at frequencies at which charge and retardation are nothing.
    # The inductances come from the same filaments, the modes from a discrete Fourier transform.
    rungs, R, length, C, gap = 8, 0.15, 0.2, 30e-9, 1e-6
    coil = em.CircuitBirdcage(
        rungs, radius_m=R, length_m=length, capacitance_F=C, wire_radius_m=2e-3, gap_m=gap, feeds=1
    )
    parts = filaments_of(coil)
    n = parts.metal
    L = partial_inductances(parts.branches[:n], parts.radii_m[:n])
    rung = np.abs(np.ptp(parts.branches[:n, :, 2], axis=1)) > 1e-6
    top = parts.branches[:n, 0, 2] > 0
    middle = parts.branches[:n].mean(axis=1)
    place = np.arctan2(middle[:, 1], middle[:, 0]) / (2 * math.pi / rungs)
    group = np.where(rung, np.round(place), rungs * np.where(top, 1, 2) + np.floor(place) % rungs)
    group = np.where(rung, group % rungs, group).astype(int)
    way = parts.branches[:n, 1] - parts.branches[:n, 0]
    around = np.sign(np.cross(middle, way)[:, 2])
    sums = np.zeros((3 * rungs, n))
    sums[group, np.arange(n)] = np.where(rung, np.sign(way[:, 2]), around)
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
    found = np.array([m.frequency_Hz for m in coil_modes(coil)])
    np.testing.assert_allclose(found, expected, rtol=1e-4)


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


def test_no_mode_beyond_the_resonance_of_the_metal():
    # Oracle: a loop of 63 cm with one gap is its own resonator at 298 MHz: half a wave around.
    coil = em.CapacitorLoop(0.1, capacitors=1)
    assert em.tune(coil, 128e6).frequency_Hz == pytest.approx(128e6, rel=1e-9)
    with pytest.raises(em.InputError, match="no capacitance puts the mode there"):
        em.tune(coil, 298e6)


def test_elements_in_series_in_a_gap_are_one():
    # Oracle: two capacitors in series are one of half their capacitance; between them is no metal.
    halves = [[(0.004, 0, 0), (0.1, 0, 0), (0.1, 0.1, 0)], [(0.1, 0.1, 0), (0, 0.1, 0), (0, 0.004, 0)]]
    points = [(0, 0.004, 0), (0.002, 0.002, 0), (0.004, 0, 0)]
    feed = FeedPort("f", points[0], points[1])
    two = [LumpedElement(f"C{n}", points[n], points[n + 1], capacitance_F=20e-12) for n in (0, 1)]
    one = LumpedElement("C", points[0], points[2], capacitance_F=10e-12)
    wire = [Wire(c, 1e-3) for c in halves]
    found = coil_modes(em.CircuitCoil("two", wire, two, [feed]))
    expected = coil_modes(em.CircuitCoil("one", wire, [one], [FeedPort("f", points[0], points[2])]))
    assert len(found) == 1
    assert found[0].frequency_Hz == pytest.approx(expected[0].frequency_Hz, rel=1e-3)
    assert found[0].currents_A["C0"] == pytest.approx(found[0].currents_A["C1"], rel=1e-3)


CAGE = {"radius_m": 0.07, "length_m": 0.1, "strip_width_m": 0.01}


@pytest.mark.parametrize(
    "coil",
    [
        em.CircuitBirdcage(8, **CAGE),
        em.CircuitBirdcage(8, **CAGE, shield_radius_m=0.085, shield_length_m=0.14),
        em.CircuitBirdcage(8, kind="low-pass", radius_m=0.15, strip_width_m=0.01, shield_radius_m=0.18),
        em.CircuitBirdcage(8, kind="band-pass", radius_m=0.15, strip_width_m=0.01),
        em.CapacitorLoop(size_m=(0.12, 0.16), strip_width_m=0.01),
        em.CapacitorLoop(size_m=(0.12, 0.16), wire_radius_m=1e-3),
    ],
    ids=["high-pass", "shielded", "low-pass", "band-pass", "strip loop", "wire loop"],
)
def test_tuning_agrees_with_the_method_of_moments(coil):
    # Oracle: the electric field integral equation of the same metal, full wave, at four cells across every strip.
    f = 127.74e6
    tuning = em.tune(coil, f)
    metal = ThinMetal(mesh_of(coil, f), f, None, None, backend.get("cpu"))
    names = {g.name: g.element.name for g in coil.gaps}
    network = Network.from_y([f], metal.admittance()[None], list(names))
    tuned = [g for g in names if names[g] in tuning.capacitances_F]
    pattern = tuning.pattern([names[g] for g in tuned])
    x = tuning_factor(network, Circuit.of(tuning.coil).without_sources(), tuned, f, pattern=pattern)
    assert x == pytest.approx(1, rel=0.03)


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
    # Oracle: the same square as one chain; stubs beyond the joints carry no current, but charge,
    # which is nothing beside a large capacitor.
    corners = [(0, 0, 0), (0.1, 0, 0), (0.1, 0.1, 0), (0, 0.1, 0)]
    C = LumpedElement("C", (0.1, 0.05, 0), (0.1, 0.051, 0), capacitance_F=10e-9)
    feed = FeedPort("f", C.start_m, C.end_m)  # across the capacitor: a gap of its own would be open
    joined = [Wire([(0, -0.03, 0), (0, 0.14, 0)], 1e-3), Wire(corners, 1e-3)]
    square = [Wire([*corners, corners[0]], 1e-3)]
    found, expected = (coil_modes(em.CircuitCoil("c", wires, [C], [feed])) for wires in (joined, square))
    assert len(found) == len(expected) == 1
    assert found[0].frequency_Hz == pytest.approx(expected[0].frequency_Hz, rel=1e-4)
