"""Circuit coils: what can be built, what is refused, and in which sense they turn."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.circuits.unloaded import _Unloaded, coil_modes
from emdose.models.coils.conductors import FeedPort, LumpedElement, Plate, Sheet, SolidConductor, Strip, Wire, solid_box

LINE = Wire([[0, 0, -0.1], [0, 0, 0.1]])
FEED = FeedPort("feed", (0, 0, -0.0025), (0, 0, 0.0025))
CAP = {"start_m": (0, 0, 0.05), "end_m": (0, 0, 0.055)}


def test_bad_values_are_one_clear_line():
    # Oracle: the list of bad input of the FDTD issue.
    cases = [
        (lambda: LumpedElement("C", **CAP), "no value"),
        (lambda: LumpedElement("C", **CAP, capacitance_F=0.0), "must be positive; found 0"),
        (lambda: LumpedElement("C", **CAP, capacitance_F=math.inf), "must be positive; found inf"),
        (lambda: LumpedElement("L", **CAP, inductance_H=-1e-9), "must be positive"),
        (lambda: LumpedElement("C", **CAP, capacitance_F=1e-12, topology="star"), "bad topology"),
        (lambda: LumpedElement("C", (0, 0, 0), (0, 0, 0), capacitance_F=1e-12), "gap without length"),
        (lambda: FeedPort("", (0, 0, 0), (0, 0, 1)), "without a name"),
        (lambda: FeedPort("f", (0, 0, 0), (0, 0, 1), impedance_ohm=0), "must be positive"),
        (lambda: Wire([[0, 0, 0]]), "bad chain"),
        (lambda: Wire([[0, 0, 0], [0, 0, 0]]), "coincide"),
        (lambda: Wire([[0, 0, 0], [0, 0, 1]], radius_m=-1.0), "must be positive"),
        (lambda: Strip([[0, 0, 0], [0, 0, 1]], 0.01, (0, 0, 1)), "normal runs along"),
        (lambda: Strip([[0, 0, 0], [0, 0, 1]], 0.01, (0, 1)), "bad strip normal"),
        (lambda: Plate((0, 0, 0), (1, 0, 0), (2, 0, 0)), "without area"),
        (lambda: SolidConductor(lambda x, y, z: x > 0, (0, 0, 0), (0, 1, 1)), "without volume"),
        (lambda: Sheet([[0, 0, 0], [0, 0, 1]], [[0, 0, 0]]), "bad chain"),
        (lambda: em.CircuitCoil("c", [], [], [FEED]), "without metal"),
        (lambda: em.CircuitCoil("c", [LINE], [], []), "without a feed"),
        (lambda: em.CircuitCoil("c", [LINE], [], [FEED, FEED]), "name occurs twice"),
        (lambda: em.CircuitCoil("c", [LINE], [], [FEED, FeedPort("g", FEED.end_m, FEED.start_m)]), "in one place"),
        (lambda: em.CircuitCoil("c", [LINE], [LumpedElement("feed", **CAP, capacitance_F=1e-12)], [FEED]), "share"),
        (lambda: em.CircuitCoil("c", [LINE], [], [FEED], {"d": [1, 1]}), "drive does not fit"),
        (lambda: em.CircuitCoil("c", [LINE], [], [FEED]).with_values({"x": 1e-12}), "no such element"),
        (lambda: em.CircuitBirdcage(kind="band-stop"), "bad kind"),
        (lambda: em.CircuitBirdcage(rungs=10), "90 degrees"),
        (lambda: em.CircuitBirdcage(strip_width_m=0.06), "do not fit"),
        (lambda: em.CircuitBirdcage(shield_radius_m=0.14), "touches its shield"),
        (lambda: em.CapacitorLoop(), "without a size"),
        (lambda: em.CapacitorLoop(0.05, strip_width_m=0.01), "rectangular"),
        (lambda: em.CapacitorLoop(0.01, capacitors=20), "gaps longer"),
        (lambda: em.CapacitorLoopArray(coverage=1.0), "touch"),
        (lambda: em.Dipole(0.1, gap_m=0.2), "bad dipole"),
    ]
    for make, words in cases:
        with pytest.raises(em.InputError, match=words) as caught:
            make()
        assert "\n" not in str(caught.value)


def test_gaps_join_feed_and_element():
    # Oracle: definition. A feed in the gap of an element is in parallel with it.
    coil = em.CircuitBirdcage(8, kind="high-pass")
    assert [g.name for g in coil.gaps[:3]] == ["feed 1", "feed 2", "top 2"]
    assert len(coil.gaps) == 16
    assert coil.gaps[0].element is not None
    assert coil.gaps[0].element.name == "top 1"
    assert coil.gaps[2].feed is None
    changed = coil.with_values({"top 1": 1e-12, "top 2": {"capacitance_F": 2e-12, "resistance_ohm": 0.1}})
    assert changed.element("top 1").capacitance_F == 1e-12
    assert changed.element("top 2").resistance_ohm == 0.1
    assert coil.element("top 1").capacitance_F == 20e-12


def test_element_impedance():
    # Oracle: circuit theory.
    f = np.array([1e8, 2e8])
    w = 2 * np.pi * f
    e = LumpedElement("e", **CAP, resistance_ohm=2.0, inductance_H=1e-8, capacitance_F=1e-11)
    np.testing.assert_allclose(e.impedance(f), 2 + 1j * w * 1e-8 + 1 / (1j * w * 1e-11))
    p = e.with_values(topology="parallel")
    np.testing.assert_allclose(1 / p.impedance(f), 0.5 + 1 / (1j * w * 1e-8) + 1j * w * 1e-11)


def test_exposure_takes_circuit_coils_and_finds_metal_in_the_body():
    # Oracle: geometry. The body is a sphere of 80 mm.
    phantom = em.phantoms.sphere(0.08, 10e-3)
    exposure = em.Exposure(phantom, coil=em.CircuitBirdcage(shield_radius_m=0.2), frequency_Hz=128e6)
    assert exposure.coil.drive_unit == "V"
    for coil in (em.Dipole(0.1), em.CircuitBirdcage(radius_m=0.07), em.CapacitorLoop(0.06)):
        with pytest.raises(em.InputError, match=r"runs through the body at \(.*\) mm, in head_liquid"):
            em.Exposure(phantom, coil=coil, frequency_Hz=128e6)
    block = em.CircuitCoil("block", [solid_box((0.07, 0, 0), (0.03, 0.03, 0.03)), LINE], [], [FEED])
    with pytest.raises(em.InputError, match="runs through the body"):
        em.Exposure(phantom, coil=block, frequency_Hz=128e6)
    with pytest.warns(em.EmdoseWarning, match="closer to the body than one voxel"):
        em.Exposure(phantom, coil=em.CapacitorLoop(0.088), frequency_Hz=128e6)


def test_volume_integral_refuses_circuit_coils():
    # Oracle: the limits of the volume integral.
    exposure = em.Exposure(em.phantoms.sphere(0.05, 10e-3), coil=em.CircuitBirdcage(), frequency_Hz=128e6)
    with pytest.raises(em.InputError, match="only Fdtd finds"):
        em.Vie().solve(exposure)


@pytest.mark.parametrize(
    ("coil", "drive", "sense"),
    [
        (em.CircuitBirdcage(8, kind="high-pass"), "quadrature", 1),
        (em.CircuitBirdcage(8, kind="high-pass", feeds=4), "quadrature", 1),
        (em.CircuitBirdcage(8, kind="high-pass"), "anti-quadrature", -1),
        (em.CircuitBirdcage(8, kind="low-pass"), "quadrature", 1),
        (em.CircuitBirdcage(8, kind="band-pass", feeds=4), "anti-quadrature", -1),
        (em.CapacitorLoopArray(8), "circular", 1),
        (em.CapacitorLoopArray(8), "anti-circular", -1),
    ],
)
def test_sense_of_rotation(coil, drive, sense):
    # Oracle: the quasi-static currents of the driven circuit; B1+ = (Bx + j By) / 2 (constants.py).
    tuned = em.tune(coil, 128e6).coil
    unloaded = _Unloaded(tuned)
    w, names = 2 * math.pi * 128e6, unloaded.names
    gaps = unloaded.network.near(128e6)
    _, D, _ = unloaded.elements(tuned)
    z, emf = np.zeros(len(names), complex), np.zeros(len(names), complex)
    for feed, volts in zip(tuned.gaps, tuned.drives[drive], strict=False):
        n = names.index(feed.element.name)
        c = feed.element.impedance(128e6)
        own = c * 50 / (c + 50)
        z[n] = own - c
        emf[n] = volts * c / (c + 50)
    matrix = 1j / w * gaps.at(w) + np.diag(D / (1j * w) + z + 1e-3)
    B = gaps.field @ np.linalg.solve(matrix, emf)
    plus, minus = abs(B[0] + 1j * B[1]) / 2, abs(B[0] - 1j * B[1]) / 2
    assert (plus > 20 * minus) if sense > 0 else (minus > 20 * plus)


def test_positive_drive_of_a_loop_is_right_handed():
    # Oracle: the convention of FeedPort (current from start to end) and Biot-Savart.
    for normal in ((0, 0, 1), (1, 0, 0), (0, -1, 0)):
        for coil in (em.CapacitorLoop(0.05, normal=normal), em.CapacitorLoop(size_m=(0.1, 0.06), normal=normal)):
            mode = coil_modes(coil)[0]
            along = float(mode.field_T @ np.array(normal)) * mode.currents_A["C1"]
            assert along > 0
            assert abs(np.linalg.norm(mode.field_T) * abs(mode.currents_A["C1"]) / along - 1) < 1e-3


def test_default_drives_and_extent():
    # Oracle: definition.
    coil = em.CircuitCoil("c", [LINE, solid_box((0.1, 0, 0), (0.02, 0.02, 0.02))], [], [FEED])
    assert set(coil.drives) == {"feed", "uniform"}
    np.testing.assert_allclose(coil.extent_m, ((0, -0.01, -0.1), (0.11, 0.01, 0.1)))


@pytest.mark.parametrize("side", ["first", "middle", "last"])
def test_every_side_of_a_folded_sheet_is_looked_at(side):
    # Oracle: geometry: a U of three sides around the corner of a box, which only one of them runs through.
    body = em.phantoms.gel_box(5e-3, (0.04, 0.04, 0.04))
    u = np.array([[0, 0, 0], [0.06, 0, 0], [0.06, 0.06, 0], [0, 0.06, 0]])
    start = {"first": (-0.03, 0.0), "middle": (-0.06, -0.03), "last": (-0.03, -0.06)}[side]
    sheet = Sheet([(*start, -0.1), (*start, 0.1)], u)
    coil = em.CircuitCoil("folded", [sheet], [], [FeedPort("f", (*start, -0.0025), (*start, 0.0025))])
    with pytest.raises(em.InputError, match="runs through the body"):
        em.Exposure(body, coil=coil, frequency_Hz=128e6)
    feed = FeedPort("f", (0.05, 0.05, 0), (0.05, 0.05, 0.005))
    beside = em.CircuitCoil("beside", [Sheet([(0.05, 0.05, -0.1), (0.05, 0.05, 0.1)], u)], [], [feed])
    em.Exposure(body, coil=beside, frequency_Hz=128e6)


def test_loops_of_an_array_lie_side_by_side_on_their_cylinder():
    # Oracle: geometry: each loop keeps to its sector, and its wire is 2 (length + R width) long.
    coil = em.CapacitorLoopArray(4, radius_m=0.13, length_m=0.16, coverage=0.8)
    width = 2 * math.pi / 4 * 0.8
    for n, wire in enumerate(coil.conductors):
        x, y, z = wire.points_m.T
        np.testing.assert_allclose(np.hypot(x, y), 0.13, rtol=1e-3)  # ends of gaps lie on chords
        angle = (np.arctan2(y, x) - n * math.pi / 2 + math.pi) % (2 * math.pi) - math.pi
        assert (angle.min(), angle.max()) == pytest.approx((-0.5 * width, 0.5 * width))
        assert (z.min(), z.max()) == pytest.approx((-0.08, 0.08))
        perimeter = np.linalg.norm(np.diff(wire.points_m, axis=0), axis=1).sum()
        assert perimeter == pytest.approx(2 * (0.16 + 0.13 * width), rel=2e-3)


def test_strips_of_a_birdcage_lie_on_its_cylinder():
    # Oracle: geometry: every point of rungs and rings at the radius, rungs and rings as wide as the strip, rings at the
    # ends of the rungs and half a strip beyond.
    coil = em.CircuitBirdcage(8, kind="low-pass", radius_m=0.12, length_m=0.2, strip_width_m=0.02)
    assert len(coil.conductors) == 24
    for n, sheet in enumerate(coil.conductors):
        x, y, z = (sheet.points_m[:, None] + sheet.across_m[None]).reshape(-1, 3).T
        np.testing.assert_allclose(np.hypot(x, y), 0.12, rtol=5e-3)
        assert sheet.width_m == pytest.approx(0.02, rel=1e-2)
        level = 0.0 if n < 8 else 0.1 * (1 if n < 16 else -1)
        assert (z.min(), z.max()) == pytest.approx((-0.1, 0.1) if n < 8 else (level - 0.01, level + 0.01))
    np.testing.assert_allclose(coil.extent_m, ((-0.12, -0.12, -0.11), (0.12, 0.12, 0.11)), atol=1e-3)
