"""Exact averages over sliding windows of random sequences, and errors of other codes."""

from __future__ import annotations

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry.sequences.courses import RfCourse, window_maxima


def random_sequence(seed):
    """Up to 12 blocks of 4 shaped pulses with up to 2 shims beside the default; every second one is regular."""
    rng = np.random.default_rng(seed)
    blocks, shims = int(rng.integers(1, 12)), seed % 3
    pulses = []
    for _ in range(4):
        n = int(rng.integers(1, 40))
        edges = rng.uniform(0, 1e-2) + np.concatenate([[0], np.cumsum(rng.uniform(0.5e-3, 2e-3, n))])
        pulses.append(em.RfPulse(edges, rng.normal(size=n) + 1j * rng.normal(size=n)))
    rf = np.arange(blocks) % 4 if seed % 2 else rng.integers(-1, 4, blocks)
    rf[0] = 0
    gaps = np.full(blocks, 0.01) if seed % 2 else rng.uniform(0, 0.05, blocks)
    durations = np.array([pulses[r].edges_s[-1] if r >= 0 else 0 for r in rf]) + gaps
    shim = np.where(rf >= 0, rng.integers(-1, shims, blocks) if shims else -1, -1)
    return em.PulseSequence("random", durations, rf, tuple(pulses), shim, rng.normal(size=(shims, 2)) + 0j)


def brute_force(sequence, form, window, repeated):
    """Largest average over windows that begin or end at any edge of any piece of any pulse."""
    edges, powers = [], []
    for block in np.flatnonzero(sequence.rf >= 0):
        pulse = sequence.pulses[sequence.rf[block]]
        at = sequence.starts_s[block] + pulse.edges_s
        for a, b, value in zip(at[:-1], at[1:], np.abs(pulse.amplitude_Hz) ** 2, strict=True):
            edges.append((a, b))
            powers.append(value * (np.arange(len(sequence.shims) + 1) == sequence.shim[block] + 1))
    edges, powers, total = np.array(edges), np.array(powers), sequence.duration_s
    if repeated:
        times = int(np.ceil(window / total)) + 1
        edges = np.concatenate([edges + k * total for k in range(times)])
        powers = np.tile(powers, (times, 1))
    starts = np.concatenate([edges.ravel(), edges.ravel() - window])
    starts = starts[(starts >= 0) & (starts <= total)] if repeated else starts
    inside = np.minimum(edges[:, 1], starts[:, None] + window) - np.maximum(edges[:, 0], starts[:, None])
    return float((form @ (np.clip(inside, 0, None) @ powers).T).max() / window)


@pytest.mark.parametrize("seed", range(18))
def test_windows_against_brute_force(seed):
    """Oracle: every window that begins or ends at an edge of a piece."""
    sequence, rng = random_sequence(seed), np.random.default_rng(100 + seed)
    course = RfCourse.of(sequence)
    forms = {name: rng.uniform(0, 1, (rows, course.shims)) for name, rows in (("one", 1), ("many", 50))}
    for window in (rng.uniform(1e-3, 0.05), rng.uniform(0.05, 0.6), 3.0):
        for repeated in (True, False):
            found = window_maxima(course, forms, window, repeated=repeated)
            for name, form in forms.items():
                expected = brute_force(sequence, form, window, repeated)
                assert found[name].value == pytest.approx(expected, rel=1e-9)
                assert form[found[name].row] @ found[name].energies / window == pytest.approx(expected, rel=1e-9)


def test_windows_of_many_shims_against_brute_force():
    """Oracle: the same, for more shims than rows are compared for, and more rows than groups of windows."""
    rng = np.random.default_rng(8)
    pulse = em.RfPulse(np.linspace(0, 2e-3, 5), np.array([1.0, 2.0, 0.5, 1.5]) + 0j)
    blocks, shims = 150, 90
    shim = rng.permutation(np.arange(blocks) % (shims + 1)) - 1
    sequence = em.PulseSequence(
        "many", rng.uniform(2e-3, 9e-3, blocks), np.zeros(blocks, int), (pulse,), shim, np.ones((shims, 1)) + 0j
    )
    course = RfCourse.of(sequence)
    form = rng.uniform(0, 1, (300, course.shims)) ** 4
    for window in (3e-3, 0.05, 0.4, 2.0):
        for repeated in (True, False):
            found = window_maxima(course, {"many": form}, window, repeated=repeated)["many"]
            assert found.value == pytest.approx(brute_force(sequence, form, window, repeated), rel=1e-9)


def hard(count, after_s, delay_s=0.0):
    """Inversions of 1 ms, each followed by a block that lasts a while."""
    pulse = em.RfPulse(delay_s + np.array([0, 1e-3]), np.array([500.0 + 0j]), "inversion")
    durations = np.tile([delay_s + 1e-3, after_s], count)
    return RfCourse.of(em.PulseSequence("hard", durations, np.tile([0, -1], count), (pulse,)))


def largest(course, window_s):
    return window_maxima(course, {"SAR": np.ones((1, 1))}, window_s, repeated=False)["SAR"].value


def test_hard_pulses_by_hand():
    """Oracle: 500 Hz for 1 ms is 250 Hz^2 s; errors of other codes: the event behind a pulse, and two as one."""
    assert largest(hard(1, 1.0), 10.0) == pytest.approx(250 / 10, rel=1e-12)
    assert largest(hard(1, 5.0), 10.0) == pytest.approx(250 / 10, rel=1e-12)
    assert largest(hard(2, 1.0), 10.0) == pytest.approx(2 * 250 / 10, rel=1e-12)
    assert largest(hard(1, 1.0, delay_s=0.3), 10.0) == pytest.approx(250 / 10, rel=1e-12)
    assert largest(hard(1, 1.0), 0.5e-3) == pytest.approx(500**2, rel=1e-12)
