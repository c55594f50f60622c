"""Exposure by whole sequences: by hand, against brute force, and what is refused."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.transmission.qmatrix import QMatrices
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

GAMMA = 42.577478518e6
PORTS = ("1", "2", "3")


def hermitian(rng, count, n=3):
    F = rng.normal(size=(count, 3, n)) + 1j * rng.normal(size=(count, 3, n))
    return np.einsum("cki,ckj->cij", F.conj(), F)


def matrices(seed=0, ports=PORTS, frequency_Hz=GAMMA * 3.0):
    rng = np.random.default_rng(seed)
    n = len(ports)
    Q = hermitian(rng, 3, n)
    powers = {"absorbed": 70 * Q[0], "forward": 100 * np.eye(n) + 0j}
    names, masses = ("whole body", "head", "exposed"), np.array([70.0, 5.0, 30.0])
    return em.GlobalMatrices(names, Q, masses, names, powers, ports, "V", "trapezium", frequency_Hz)


def cubes(seed=1, count=200, ports=PORTS):
    Q = hermitian(np.random.default_rng(seed), count, len(ports))
    return QMatrices(Q, np.arange(count), Grid((10, 10, 10), 1e-2), ports, "V", "trapezium", 1e-2, GAMMA * 3.0)


def reference(ports=PORTS, mode=None, seed=2):
    rng = np.random.default_rng(seed)
    n = len(ports)
    b1 = 1e-7 * (rng.normal(size=(5, n)) + 1j * rng.normal(size=(5, n)))
    mode = np.exp(2j * np.pi * np.arange(n) / n) if mode is None else mode
    return em.DriveReference(b1, mode, "slice", ports, "V", GAMMA * 3.0)


def sequence(shims=None, count=6, after_s=5e-3, use="excitation", **more):
    """Hard pulses of 1 ms and 300 Hz, 2 ms and 150 Hz by turns, each with a pause after it."""
    pulses = (
        em.RfPulse(np.array([0.0, 1e-3]), np.array([300.0 + 0j]), use),
        em.RfPulse(np.array([1e-3, 2e-3, 3e-3]), np.array([150.0, 150j]), "refocusing"),
    )
    rf = np.where(np.arange(2 * count) % 2 == 0, (np.arange(2 * count) // 2) % 2, -1)
    durations = np.where(rf == 0, 1e-3, np.where(rf == 1, 3e-3, after_s))
    shims = np.zeros((0, 0), complex) if shims is None else shims
    shim = np.where(rf >= 0, np.arange(2 * count) % (len(shims) + 1) - 1, -1) if len(shims) else None
    return em.PulseSequence("hard", durations, rf, pulses, shim, shims, **more)


def drives_over_time(seq, ref, step=1e-4):
    """Drives in steps that all pulses fit."""
    k = 1 / (seq.gamma_Hz_T * ref.per_unit_T)
    out = []
    for block, duration in enumerate(seq.durations_s):
        v = np.zeros((round(duration / step), len(ref.ports)), complex)
        if seq.rf[block] >= 0:
            p = seq.pulses[seq.rf[block]]
            s = ref.unit_mode if seq.shim[block] < 0 else seq.shims[seq.shim[block]]
            for a, b, amplitude in zip(p.edges_s[:-1], p.edges_s[1:], p.amplitude_Hz, strict=True):
                v[round(a / step) : round(b / step)] = k * amplitude * s
        out.append(v)
    return out


def test_everything_against_brute_force():
    """Oracle: v^H Q v at every 0.1 ms, and windows that begin at every one of them."""
    rng = np.random.default_rng(5)
    seq = sequence(rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)))
    ref, body, local = reference(), matrices(), cubes()
    window = 11e-3
    found = em.sequence_exposure(seq, body, ref, local=local, windows_s=(window,), repeated=False)
    blocks = drives_over_time(seq, ref)
    v, step = np.concatenate(blocks), 1e-4

    def check(name, power, *, root=False):
        q = found.quantity(name)
        turn = np.sqrt if root else lambda x: x
        summed = np.concatenate([np.zeros((len(power), 1)), np.cumsum(power, axis=1)], axis=1)
        n = round(window / step)
        best = ((summed[:, n:] - summed[:, :-n]) / n).max()
        assert q.window(window).value == pytest.approx(turn(best), rel=1e-9)
        assert q.average == pytest.approx(turn(power.mean(axis=1).max()), rel=1e-9)
        edges = np.concatenate([[0], np.cumsum([len(b) for b in blocks])])
        own = [power[:, a:b].mean(axis=1).max() for a, b in itertools.pairwise(edges)]
        np.testing.assert_allclose(q.blocks, turn(np.array(own)), rtol=1e-9, atol=1e-15)
        rep = np.round(found.repetition_edges_s / step).astype(int)
        own = [power[:, a:b].mean(axis=1).max() for a, b in itertools.pairwise(rep)]
        np.testing.assert_allclose(q.repetitions, turn(np.array(own)), rtol=1e-9)
        return q

    for name, Q in zip(body.names, body.matrices, strict=True):
        power = np.einsum("ti,ij,tj->t", v.conj(), Q, v).real[None]
        assert check(name, power).deposited == pytest.approx(power.sum() * step, rel=1e-9)
    check("10 g", np.einsum("ti,cij,tj->ct", v.conj(), local.matrices, v).real)
    check("forward power", 100 * (np.abs(v) ** 2).sum(axis=1)[None])
    check("B1+rms", (np.abs(v @ ref.b1plus.T).mean(axis=1) ** 2)[None], root=True)
    assert found.peaks.amplitude == pytest.approx(np.abs(v).max(), rel=1e-9)
    assert found.peaks.power_W == pytest.approx(100 * (np.abs(v) ** 2).sum(axis=1).max(), rel=1e-9)
    # the row of a window is the number of the matrix as it was given
    worst = found.quantity("10 g").window(window)
    first = round(worst.start_s / step)
    w = v[max(first, 0) : first + round(window / step)]
    own = np.einsum("ti,ij,tj->", w.conj(), local.matrices[worst.row], w).real * step / window
    assert own == pytest.approx(worst.value, rel=1e-6)


def test_running_averages():
    """Oracle: the largest running average is the worst window; played without end it does not begin at zero."""
    seq, ref, body = sequence(), reference(), matrices()
    for repeated in (False, True):
        found = em.sequence_exposure(seq, body, ref, local=cubes(), windows_s=(11e-3,), repeated=repeated)
        for name in ("B1+rms", "head", "10 g"):
            worst = found.quantity(name).window(11e-3)
            t = np.linspace(0, seq.duration_s, 2001)
            course = found.running(name, 11e-3, np.append(t, worst.start_s + 11e-3))
            assert course[-1] == pytest.approx(worst.value, rel=1e-9)
            assert course.max() <= worst.value * (1 + 1e-9)
            assert (course[0] > 0) == repeated


def test_nominal_b1_and_scale_of_the_mode():
    """Oracle: without shims B1+rms is that of the pulses, whatever the mode is scaled to; SAR stays the same."""
    seq = sequence()
    one = em.sequence_exposure(seq, matrices(), reference())
    other = em.sequence_exposure(seq, matrices(), reference(mode=7j * reference().mode))
    assert one.quantity("B1+rms").average == pytest.approx(seq.b1plus_rms_T, rel=1e-12)
    for name in one.names:
        assert other.quantity(name).window(10.0).value == pytest.approx(one.quantity(name).window(10.0).value)
    assert one.reference_amplitude == pytest.approx(500 / GAMMA / reference().per_unit_T)
    assert one.peaks.b1plus_T == pytest.approx(300 / GAMMA)


def test_errors_of_other_codes():
    """Oracle: energy is that of the pulses: what follows a pulse changes none, and two inversions are two."""
    ref, body = reference(), matrices()

    def energy(count, after_s):
        seq = sequence(count=count, after_s=after_s, use="inversion")
        return em.sequence_exposure(seq, body, ref, repeated=False).quantity("head")

    assert energy(2, 5e-3).deposited == pytest.approx(energy(2, 0.5).deposited, rel=1e-12)
    assert energy(2, 5e-3).window(10.0).value == pytest.approx(energy(2, 0.5).window(10.0).value, rel=1e-12)
    assert energy(4, 5e-3).deposited == pytest.approx(2 * energy(2, 5e-3).deposited, rel=1e-12)
    assert energy(4, 5e-3).window(10.0).value == pytest.approx(2 * energy(2, 5e-3).window(10.0).value, rel=1e-12)


def test_one_channel_of_a_file_and_one_of_a_coil():
    """Oracle: a shim of one channel is a factor on the mode; a coil of one channel is one number."""
    ref, body = reference(), matrices()
    plain = em.sequence_exposure(sequence(), body, ref)
    half = em.sequence_exposure(sequence(np.array([[0.5 + 0j]])), body, ref)
    shimmed = sequence(np.array([[0.5 + 0j]])).shim >= 0
    whole, other = (e.quantity("whole body").blocks for e in (plain, half))
    np.testing.assert_allclose(other[shimmed], 0.25 * whole[shimmed], rtol=1e-12)
    single = em.sequence_exposure(sequence(), matrices(ports=("a",)), reference(ports=("a",), mode=np.ones(1)))
    Q = matrices(ports=("a",)).matrix()[0, 0].real
    k = 1 / (GAMMA * reference(ports=("a",), mode=np.ones(1)).per_unit_T)
    assert single.quantity("whole body").average == pytest.approx(
        Q * k**2 * sequence().energy_Hz2_s / sequence().duration_s, rel=1e-12
    )


def test_bounds_by_virtual_observation_points_and_blocks():
    """Oracle: bounds are not below the matrices they bound; a given repetition has its own length."""
    seq, ref, body, local = sequence(), reference(), matrices(), cubes()
    points = em.compress(local, 0.1)
    found = em.sequence_exposure(seq, body, ref, local={"exact": local, "bound": points}, repetition_s=7e-3)
    exact, bound = (found.quantity(n).window(10.0).value for n in ("exact", "bound"))
    assert exact <= bound <= 1.3 * exact
    np.testing.assert_allclose(np.diff(found.repetition_edges_s)[:-1], 7e-3)
    assert found.about["bounds"] == ["bound"]


def test_a_protocol_is_its_sequences_in_order():
    """Oracle: energies add up; a pause adds none; the second sequence begins after the first and the pause."""
    rng = np.random.default_rng(3)
    a, b = sequence(), sequence(rng.normal(size=(1, 3)) + 0j, count=4)
    both = em.protocol([a, b, a], [0.3, 0.0])
    ref, body = reference(), matrices()
    one, two, all_of = (em.sequence_exposure(s, body, ref, local=cubes()) for s in (a, b, both))
    total = 2 * one.quantity("head").deposited + two.quantity("head").deposited
    assert all_of.quantity("head").deposited == pytest.approx(total, rel=1e-12)
    assert both.duration_s == pytest.approx(2 * a.duration_s + b.duration_s + 0.3)
    assert [p["start_s"] for p in both.about["parts"]] == pytest.approx(
        [0, a.duration_s + 0.3, a.duration_s + 0.3 + b.duration_s]
    )
    assert both.shims.shape == (1, 3)
    with pytest.raises(InputError, match="different numbers of channels"):
        em.protocol([b, sequence(np.ones((1, 2)) + 0j)])
    with pytest.raises(InputError, match="no sequence"):
        em.protocol([])
    with pytest.raises(InputError, match="pauses do not fit"):
        em.protocol([a, a], [1.0, 2.0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sequence": sequence(np.ones((1, 2)) + 0j)}, "channels differ between the sequence and the coil; found .2"),
        ({"sequence": sequence(about={"definitions": {"B0": 7.0}})}, "made for another field strength; found .7 T"),
        (
            {"sequence": em.protocol([sequence(), sequence(about={"definitions": {"Field_Strength": "7"}})])},
            "made for another field strength; found .7 T",
        ),
        ({"sequence": sequence(about={"definitions": {"B0": "three"}})}, "field strength that is not a number"),
        ({"field_T": 1.5}, "made for another field strength; found .1.5 T"),
        ({"peak_power_W": 1.0}, "drive beyond the peak power; found"),
        ({"peak_amplitude": 1e-3}, "drive beyond the peak amplitude; found"),
        ({"reference": reference(ports=("a", "b", "c"))}, "other ports than the global matrices"),
        ({"local": {"head": cubes()}}, "named like a part"),
        ({"local": {"x": np.eye(3)}}, "no local matrices"),
        ({"repetition_s": 100.0}, "repetition out of range"),
        ({"relative_uncertainty": {"liver": 0.1}}, "uncertainty of no value"),
        ({"windows_s": (0.0,)}, "must be positive"),
    ],
)
def test_bad_input(change, words):
    """Oracle: one line that says what is wrong."""
    told = {"sequence": sequence(), "matrices": matrices(), "reference": reference(), **change}
    with pytest.raises(InputError, match=words) as error:
        em.sequence_exposure(**told)
    assert "\n" not in str(error.value)


def test_a_field_strength_that_fits_and_a_mode_without_b1():
    """Oracle: 2.89 T is a scanner of 3 T; a mode that gives nothing where it counts is refused."""
    assert em.sequence_exposure(sequence(), matrices(), reference(), field_T=2.89)
    with pytest.raises(InputError, match=r"mode without B1\+"):
        em.DriveReference(np.zeros((1, 1)) + 0j, np.ones(1) + 0j, "x", ("a",), "V")


def test_beside_limits():
    """Oracle: every row has the window of its length; scaled to its limit B1+rms the binding row is at its limit."""
    found = em.sequence_exposure(
        sequence(), matrices(), reference(), local={"10 g": cubes(), "extremities": cubes(4)}, relative_uncertainty=0.2
    )
    checks = em.check_sequence(found, coil_type="array")
    rows = {(c.limit.quantity, c.limit.mode, c.limit.window_s, c.limit.region): c for c in checks.rows}
    for window in (360.0, 10.0):
        head = rows["head SAR", "normal", window, "head"]
        assert head.value == found.quantity("head").window(window).value
        assert head.limit_value == pytest.approx(3.2 if window == 360 else 6.4)
        assert head.expanded_uncertainty == pytest.approx(0.2 * head.value)
        limb = rows["local SAR", "normal", window, "extremities"]
        assert limb.value == found.quantity("extremities").window(window).value
    partial = rows["partial-body SAR", "normal", 360.0, "exposed part"]
    assert partial.limit_value == pytest.approx(10 - 8 * 30 / 70)
    row, b1 = checks.binding("normal"), checks.b1plus_rms_limit_T("normal")
    assert row.value / row.limit_value == pytest.approx((found.quantity("B1+rms").window(360.0).value / b1) ** 2)
    local = em.check_sequence(found, coil_type="local")
    assert {c.limit.quantity for c in local.rows if c.counted} == {"local SAR"}
    volume = em.check_sequence(found, patient_mass_kg=140.0)
    assert not any(c.limit.quantity == "local SAR" and c.counted for c in volume.rows)
    body = next(c for c in volume.rows if c.limit.quantity == "whole-body SAR" and c.limit.window_s == 360)
    assert body.value == pytest.approx(0.5 * found.quantity("whole body").window(360.0).value)
    with pytest.raises(InputError, match="no such part"):
        em.check_sequence(found, heads=["foot"])
    with pytest.raises(InputError, match="no window of this length"):
        em.check_sequence(em.sequence_exposure(sequence(), matrices(), reference(), windows_s=(10.0,)))
