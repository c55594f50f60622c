"""Worst drives, drives under limits, sensors and sliding windows.

Oracles: closed forms of two channels, the worst case of a published prototype (0.032869), SLSQP, brute force over fine
phases and over every window, sensors whose complex readings are known.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ring_matrices import point_and_averaged
from scipy import optimize

import emdose as em
from emdose import dosimetry


@pytest.fixture(scope="module")
def ring() -> em.QMatrices:
    return point_and_averaged()[1]


@pytest.fixture(scope="module")
def vops(ring: em.QMatrices) -> em.VirtualObservationPoints:
    return em.compress(ring, 0.1)


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape) + 1j * rng.normal(size=shape)


def forms(count: int, n: int, seed: int = 0, rank: int = 3) -> np.ndarray:
    F = numbers(count, n, rank, seed=seed)
    return F @ F.conj().swapaxes(1, 2)


def b1(points: int = 4000, seed: int = 2) -> np.ndarray:
    """Of eight sources on a ring, at points of a ball, in circular mode."""
    x = np.random.default_rng(seed).uniform(-0.08, 0.08, (points, 3))
    angle = 2 * np.pi * np.arange(8) / 8
    d = np.linalg.norm(x[:, None] - 0.16 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1), axis=-1)
    return np.exp(-(12 + 40j) * d) / d * np.exp(1j * angle)


def peak(q: np.ndarray, v: np.ndarray) -> float:
    return float(np.einsum("i,mij,j->m", v.conj(), q, v).real.max())


# Worst cases.


def test_the_worst_phases_of_a_known_set_are_bracketed(ring: em.QMatrices) -> None:
    worst = em.worst_drive(ring, 1.0)
    assert worst.lower == pytest.approx(0.032869, abs=1e-5)
    assert worst.lower <= worst.upper <= 0.032869 + 1e-5
    np.testing.assert_allclose(np.abs(worst.drive), 1)
    assert peak(ring.matrices, worst.drive) == pytest.approx(worst.lower, rel=1e-12)
    assert worst.searched < 0.1 * len(ring.matrices)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_two_channels_have_a_closed_form(seed: int) -> None:
    q, a = forms(5, 2, seed, rank=2), np.random.default_rng(seed).uniform(0.1, 3, 2)
    exact = (q[:, 0, 0].real * a[0] ** 2 + q[:, 1, 1].real * a[1] ** 2 + 2 * np.abs(q[:, 0, 1]) * a.prod()).max()
    worst = em.worst_drive(q, a)
    assert worst.lower == pytest.approx(exact, rel=1e-12)
    assert worst.upper == pytest.approx(exact, rel=1e-12)


@given(st.integers(0, 10_000), st.integers(3, 6))
@settings(max_examples=15, deadline=None)
def test_no_drive_exceeds_the_upper_bound(seed: int, n: int) -> None:
    q, a = forms(12, n, seed, rank=1 + seed % 3), np.random.default_rng(seed).uniform(0, 2, n)
    worst = em.worst_drive(q, a)
    v = a * np.exp(2j * np.pi * np.random.default_rng(seed + 1).random((4000, n)))
    tried = np.einsum("di,mij,dj->dm", v.conj(), q, v, optimize=True).real.max()
    assert tried <= worst.lower * (1 + 1e-9)
    assert worst.lower <= worst.upper <= 1.3 * worst.lower
    assert peak(q, worst.drive) == pytest.approx(worst.lower, rel=1e-10)


def test_unit_norm_and_forward_power_are_eigenvalues(ring: em.QMatrices) -> None:
    worst = em.worst_drive(ring)
    assert (worst.lower, worst.upper) == pytest.approx((ring.worst_case()[0],) * 2, rel=1e-12)
    P = forms(1, 8, 4, rank=9)[0]
    found = em.worst_drive_of_power(ring, P, 2.0)
    assert (found.drive.conj() @ P @ found.drive).real == pytest.approx(2.0, rel=1e-12)
    assert peak(ring.matrices, found.drive) == pytest.approx(found.lower, rel=1e-10)
    v = numbers(3000, 8)
    share = np.einsum("di,mij,dj->dm", v.conj(), ring.matrices[::50], v, optimize=True).real.max(axis=1)
    assert (2 * share / np.einsum("di,ij,dj->d", v.conj(), P, v).real).max() < found.upper
    fifty = em.worst_drive_of_power(ring, np.eye(8) / 100, 1.0)  # V incident on 50 ohm
    assert fifty.lower == pytest.approx(100 * worst.lower, rel=1e-12)


def test_faults_of_one_channel(ring: em.QMatrices) -> None:
    """Oracle: the phase of the channel that is stuck, walked in fine steps."""
    v, largest = np.exp(1j * np.arange(8.0)), np.linspace(1.0, 2.0, 8)
    faults = em.channel_faults(ring, v, largest)
    for k in (0, 5):
        lost = np.where(np.arange(8) == k, 0, v)
        assert faults.lost[k] == pytest.approx(peak(ring.matrices, lost), rel=1e-12)
        turns = np.exp(2j * np.pi * np.arange(360) / 360)
        drives = lost + (np.arange(8) == k) * largest[k] * turns[:, None]
        walked = np.einsum("di,mij,dj->dm", drives.conj(), ring.matrices, drives, optimize=True).real.max()
        assert walked * (1 - 1e-12) <= faults.stuck[k] <= walked * (1 + 1e-3)
    assert faults.nominal == pytest.approx(peak(ring.matrices, v))
    assert faults.worst == faults.stuck.max()


# Least squares under limits.


def limits(vops: em.VirtualObservationPoints, ring: em.QMatrices, local: float) -> em.DriveConstraints:
    return (
        em.DriveConstraints.of(vops, local)
        + em.DriveConstraints.of(np.asarray(ring.matrices).mean(axis=0), local / 3.2, "global SAR")
        + em.DriveConstraints.mean_power(np.full(8, 0.05))
        + em.DriveConstraints.peak_amplitude(np.full(8, 0.2))
    )


@pytest.mark.parametrize("local", [1e-3, 1e-4, 1e-5])
def test_the_dual_closes_its_gap_within_the_limits(vops: object, ring: em.QMatrices, local: float) -> None:
    A, under = b1(), limits(vops, ring, local)
    found = em.shim(A, 1.0, under)
    assert found.gap < 1e-8
    assert found.use.max() <= 1 + 1e-12
    assert found.bound <= found.cost * (1 + 1e-12)
    assert under.use(found.drive) == pytest.approx(found.use)
    assert np.linalg.norm(A @ found.drive[0] - 1) ** 2 == pytest.approx(found.cost, rel=1e-9)
    rng = np.random.default_rng(1)
    near = found.drive[0] * (1 + 0.05 * (rng.normal(size=(200, 8)) + 1j * rng.normal(size=(200, 8))))
    near /= np.sqrt([[max(under.use(v).max(), 1)] for v in near])
    assert (np.linalg.norm(near @ A.T - 1, axis=1) ** 2).min() >= found.bound


@pytest.mark.parametrize("local", [1e-8, 1e-12])
def test_limits_far_below_the_target_leave_no_gap_in_what_is_gained(vops: object, ring: object, local: float) -> None:
    """Oracle: drives scale with the root of the limit, and the fall of the cost with them, where nothing is reached."""
    A = b1(500)
    gained = []
    for one in (local, 4 * local):
        found = em.shim(A, 1.0, em.DriveConstraints.of(vops, one))
        assert found.cost - found.bound < 1e-6 * (len(A) - found.bound)
        gained.append(len(A) - found.bound)
    assert gained[1] / gained[0] == pytest.approx(2, rel=1e-2)


@given(st.integers(0, 10_000))
@example(448)  # four points for fourteen amplitudes: many drives of no cost, few of them within the limits
@settings(max_examples=20, deadline=None)
def test_limits_of_any_size_and_number_leave_no_gap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, points, count = (int(x) for x in rng.integers(1, (9, 60, 40)))
    under = em.DriveConstraints.of(forms(count, n, seed), 10 ** rng.uniform(-3, 3, count))
    under += em.DriveConstraints.peak_amplitude(10 ** rng.uniform(-2, 2, n))
    found = em.shim(numbers(2, points, n, seed=seed), numbers(points, seed=seed + 1), under, shares=0.4)
    assert found.cost - found.bound < 1e-6 * np.sum(np.abs(numbers(points, seed=seed + 1)) ** 2)
    assert found.use.max() <= 1 + 1e-11


def test_eight_channels_and_sixty_limits_take_a_tenth_of_a_second(vops: object, ring: em.QMatrices) -> None:
    A, under, took = b1(), limits(vops, ring, 1e-4), []
    for _ in range(3):
        begin = time.process_time()
        em.shim(A, 1.0, under)
        took.append(time.process_time() - begin)
    assert min(took) < 0.1


@given(st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_two_channels_as_slsqp_finds_them(seed: int) -> None:
    A, d, q = numbers(30, 2, seed=seed), numbers(30, seed=seed + 1), forms(4, 2, seed)
    under = em.DriveConstraints.of(q, 0.05) + em.DriveConstraints.peak_amplitude(np.array([0.15, 0.15]))
    found = em.shim(A, d, under)

    def drive(x: np.ndarray) -> np.ndarray:
        return x[:2] + 1j * x[2:]

    other = min(
        optimize.minimize(
            lambda x: np.sum(np.abs(A @ drive(x) - d) ** 2),
            0.01 * np.random.default_rng(n).normal(size=4),
            constraints={"type": "ineq", "fun": lambda x: 1 - under.use(drive(x))},
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 500},
        ).fun
        for n in range(2)
    )
    assert found.cost == pytest.approx(other, rel=1e-4)
    assert found.cost <= other * (1 + 1e-6)
    assert found.use.max() <= 1 + 1e-9


def test_without_limits_it_is_least_squares() -> None:
    A, d = numbers(40, 3), numbers(40, seed=1)
    exact = np.linalg.lstsq(A, d, rcond=None)[0]
    np.testing.assert_allclose(em.shim(A, d).drive[0], exact, rtol=1e-10)
    few = em.shim(A[:2], d[:2], em.DriveConstraints.of(np.eye(3), 1e6))  # fewer points than channels
    assert few.cost < 1e-12


def test_magnitudes_fall_with_every_update_and_vary_less(vops: object, ring: em.QMatrices) -> None:
    A, under = b1(1000), limits(vops, ring, 1e-4)
    costs = [em.shim(A, 0.5, under, magnitude=True, updates=n).cost for n in (1, 2, 5, 20)]
    assert np.all(np.diff(costs) <= 0)
    free, fixed = em.shim(A, 0.5, under, magnitude=True), em.shim(A, 0.5, under)
    assert free.cost < fixed.cost
    assert free.magnitude
    assert not fixed.magnitude
    assert free.use.max() <= 1 + 1e-12
    assert free.variation == pytest.approx(np.abs(free.reached).std() / np.abs(free.reached).mean())


def test_points_in_k_space_share_the_limits(vops: object, ring: em.QMatrices) -> None:
    """Oracles: one drive in three equal parts is that drive; more freedom costs no less homogeneity."""
    A, under = b1(1000), limits(vops, ring, 1e-4)
    one = em.shim(A, 0.5, under)
    same = em.shim([A / 3] * 3, 0.5, under, shares=1 / 3)
    assert same.cost == pytest.approx(one.cost, rel=1e-6)
    x = np.random.default_rng(2).uniform(-0.08, 0.08, (1000, 3))
    turned = [A / 3 * np.exp(1j * (x @ k))[:, None] for k in np.array([[0, 0, 0], [20, 0, 0], [0, 20, 0]])]
    more = em.shim(turned, 0.5, under, shares=1 / 3)
    assert more.drive.shape == (3, 8)
    assert more.gap < 1e-4
    assert more.use.max() <= 1 + 1e-12
    assert more.use == pytest.approx(under.use(more.drive, 1 / 3))


def test_efficiencies() -> None:
    A = numbers(1, 4) * np.ones((5, 1))
    aligned = np.exp(-1j * np.angle(A[0]))
    assert dosimetry.b1_efficiency(A, aligned) == pytest.approx(1)
    assert dosimetry.b1_variation(A @ aligned) == pytest.approx(0, abs=1e-12)
    expected = np.abs(A[0]).sum() / np.sqrt(4)
    assert dosimetry.sar_efficiency(A, 3 * aligned, np.eye(4)) == pytest.approx(expected)


# Sensors and leads.


@given(st.integers(0, 10_000), st.integers(1, 16))
@settings(max_examples=25, deadline=None)
def test_power_readings_give_the_matrix_of_complex_ones(seed: int, n: int) -> None:
    s = numbers(n, seed=seed)
    v, one = numbers(n, seed=seed + 1), np.eye(n)
    Q = em.sensor_matrix(s)
    assert (v.conj() @ Q @ v).real == pytest.approx(abs(s @ v) ** 2, rel=1e-12, abs=1e-14)
    both, ahead = (np.abs((one[:, None] + phase * one[None]) @ s) ** 2 for phase in (1, 1j))
    read = dosimetry.sensor_matrix_from_power(np.abs(s) ** 2, both, ahead)
    assert np.abs(read - Q).max() < 1e-12 * np.abs(Q).max()


def test_projection_and_null_modes_leave_the_tip_without_current() -> None:
    s, v = numbers(8), np.exp(1j * np.arange(8.0))
    spared = em.orthogonal_projection(em.sensor_matrix(s), v)
    assert abs(s @ spared) ** 2 < 1e-4 * abs(s @ v) ** 2
    assert abs(s @ spared) < 1e-12 * abs(s @ v)
    modes = dosimetry.null_modes(em.sensor_matrix(s))
    assert modes.shape == (8, 7)
    assert np.abs(s @ modes).max() < 1e-12
    A, target = numbers(50, 8, seed=1), 1.0
    best = em.shim(A, target, em.DriveConstraints.of(em.sensor_matrix(s), 1e-9, "tip"))
    inside = modes @ em.shim(A @ modes, target).drive[0]
    assert best.cost == pytest.approx(np.sum(np.abs(A @ inside - 1) ** 2), rel=1e-3)
    two = em.sensor_matrix(s) + em.sensor_matrix(numbers(8, seed=5))
    assert abs(s @ em.orthogonal_projection(two, v, 2)) < 1e-10 * abs(s @ v)


# Windows.


@given(st.integers(0, 10_000), st.booleans(), st.floats(0.05, 3.3))
@settings(max_examples=25, deadline=None)
def test_windows_as_brute_force_finds_them(seed: int, periodic: bool, part: float) -> None:
    """Oracle: every window that begins on a fine raster that holds all edges, summed piece by piece."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(0, 9, 40)
    steps[0] = 1
    v, q, raster = numbers(40, 3, seed=seed) * (rng.random((40, 1)) < 0.5), forms(6, 3, seed), 0.25
    total = int(steps.sum())
    width = max(1, int(part * total))
    found = em.window_peaks(q, v, steps * raster, (width * raster,), periodic=periodic)[0]
    power = np.repeat(np.einsum("ti,mij,tj->mt", v.conj(), q, v).real, steps, axis=1)
    line = np.tile(power, 6) if periodic else np.pad(power, ((0, 0), (width, width)))
    brute = max(line[:, s : s + width].sum(axis=1).max() for s in range(total if periodic else total + width))
    assert found.value == pytest.approx(brute / width, rel=1e-9, abs=1e-300)
    mean = np.einsum("ij,ji->", q[found.matrix], found.mean).real
    assert mean == pytest.approx(found.value, rel=1e-9, abs=1e-300)


def test_windows_between_the_samples_of_a_long_course() -> None:
    """Oracle: brute force over all edges with cumulative sums of every matrix."""
    rng = np.random.default_rng(3)
    v, q = numbers(6000, 4) * (0.5 + np.sin(np.arange(6000) / 500.0) ** 2)[:, None], forms(80, 4, 1)
    dt = rng.exponential(0.1, 6000)
    edges = np.concatenate([[0], np.cumsum(dt)])
    power = np.einsum("ti,mij,tj->mt", v.conj(), q, v, optimize=True).real
    for window, periodic in ((360.0, True), (10.0, True), (10.0, False)):
        starts = np.concatenate([edges, edges - window])
        starts = starts % edges[-1] if periodic else starts[(starts >= 0) & (starts <= edges[-1] - window)]
        best = 0.0
        for p in power:
            grown = np.concatenate([[0], np.cumsum(p * dt)])
            ends, turns = starts + window, np.floor((starts + window) / edges[-1])
            end = turns * grown[-1] + np.interp(ends - turns * edges[-1], edges, grown)
            best = max(best, float((end - np.interp(starts, edges, grown)).max()) / window)
        found = em.window_peaks(q, v, dt, (window,), periodic=periodic)[0]
        assert found.value == pytest.approx(best, rel=1e-9)


def test_the_mean_over_a_course_is_the_trace() -> None:
    v, dt, q = numbers(50, 4), np.random.default_rng(1).random(50), forms(3, 4)
    mean = dosimetry.mean_outer(v, dt)
    brute = sum(t * np.einsum("i,mij,j->m", x.conj(), q, x).real for x, t in zip(v, dt, strict=True)) / dt.sum()
    np.testing.assert_allclose(np.einsum("mij,ji->m", q, mean).real, brute, rtol=1e-12)
    whole = em.window_peaks(q, v, dt, (dt.sum(),))[0]
    assert whole.value == pytest.approx(brute.max(), rel=1e-12)
    assert em.window_peaks(q, 0 * v, dt)[0].value == 0


@pytest.mark.slow
def test_a_long_course_over_many_matrices_takes_half_a_second(ring: em.QMatrices) -> None:
    v = numbers(200_000, 8) * (0.5 + np.sin(np.arange(200_000) / 7000.0) ** 2)[:, None]
    took = []
    for _ in range(3):
        begin = time.process_time()
        em.window_peaks(ring.matrices[:1767], v, 3e-3)
        took.append(time.process_time() - begin)
    assert min(took) < 0.5


# What is refused.


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: em.worst_drive(np.array([[0, 1], [0, 0]])), "not Hermitian"),
        (lambda: em.worst_drive(np.eye(2), [1, 2, 3]), "bad amplitudes"),
        (lambda: em.worst_drive(np.eye(2), -1.0), "bad amplitudes"),
        (lambda: em.worst_drive_of_power(np.eye(2), np.diag([1.0, 0.0])), "not positive"),
        (lambda: em.DriveConstraints.of(np.diag([1.0, -1.0]), 1.0), "not positive"),
        (lambda: em.DriveConstraints.of(np.eye(2), 0.0), "not above 0"),
        (lambda: em.DriveConstraints.of(np.eye(2), 1.0) + em.DriveConstraints.of(np.eye(3), 1.0), "other channels"),
        (lambda: em.shim(np.ones((5, 2)), 0.0), "bad target"),
        (lambda: em.shim(np.ones((5, 2)), 1.0, em.DriveConstraints.of(np.eye(3), 1.0)), "other channels"),
        (lambda: em.shim(np.ones((5, 2)), 1.0, shares=0.0), "bad shares"),
        (lambda: em.window_peaks(np.eye(2), np.ones((4, 3)), 1.0), "do not fit the ports"),
        (lambda: em.window_peaks(np.eye(2), np.ones((4, 2)), [1.0, 2.0]), "bad durations"),
        (lambda: em.orthogonal_projection(np.eye(2), [1, 2, 3]), "does not fit"),
        (lambda: dosimetry.sensor_matrix_from_power(-np.ones(2), np.ones((2, 2)), np.ones((2, 2))), "negative"),
    ],
)
def test_bad_input_is_one_clear_line(call: object, words: str) -> None:
    with pytest.raises(em.errors.InputError, match=words):
        call()  # type: ignore[operator]
