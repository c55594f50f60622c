"""Pulses of dB/dt and their effective stimulus duration."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry import pulses


def test_trapezoids_last_their_ramps() -> None:
    """Oracle: a linear ramp lasts its own time; the swing from top to bottom runs through zero without a stop."""
    found = pulses(em.waveforms.trapezoid_train(10e-3, rise_s=0.2e-3, flat_s=0.3e-3, direction=(1,)))
    # Rise, fall and on through zero, rise again: the last runs into the next period.
    assert found.durations_s == pytest.approx([0.4e-3, 0.4e-3])
    assert np.abs(found.swings) == pytest.approx([20e-3, 20e-3])
    gaps = pulses(em.waveforms.trapezoid_train(10e-3, rise_s=0.2e-3, flat_s=0.3e-3, gap_s=0.1e-3, direction=(1,)))
    assert gaps.durations_s == pytest.approx([0.2e-3] * 4)


def test_sinusoid_lasts_its_period_over_pi() -> None:
    """Oracle: swing 2 B over dB/dt = w B: 2 / w."""
    t = np.linspace(0, 1e-3, 4001)
    found = pulses(em.waveforms.from_samples(t, 10e-3 * np.sin(2e3 * math.pi * t), quantity="field"))
    assert found.durations_s == pytest.approx([1e-3 / math.pi] * len(found), rel=1e-5)
    assert found.swings.sum() == pytest.approx(0, abs=1e-12)


def test_rate_that_changes_its_sign_in_a_piece_is_parted() -> None:
    """Oracle: two triangles of dB/dt of height 10 and 1 ms: swing 5 mT, half the pulse's length."""
    found = pulses(em.waveforms.from_samples([0, 1e-3, 3e-3, 4e-3], [0, 10, -10, 0], quantity="dB/dt"))
    assert found.begins_s == pytest.approx([0, 2e-3])
    assert found.ends_s == pytest.approx([2e-3, 4e-3])
    assert found.swings == pytest.approx([10e-3, -10e-3])
    assert found.durations_s == pytest.approx([1e-3, 1e-3])


def test_which_pulse_runs() -> None:
    w = em.waveforms.trapezoid_train(10e-3, rise_s=0.2e-3, flat_s=0.3e-3, direction=(1,))
    # Fall and on through zero from 0.5 to 0.9 ms; rise from 1.2 ms on, into the next period up to 0.2 ms.
    which = pulses(w).at(1e-3 * np.array([0.1, 0.3, 0.6, 0.8, 1.1, 1.3]), w.duration_s)
    assert which.tolist() == [1, -1, 0, 0, -1, 1]


def test_no_pulses_on_an_axis_at_rest() -> None:
    assert len(pulses(em.waveforms.epi(), 2)) == 0
    with pytest.raises(em.InputError, match="no such axis"):
        pulses(em.waveforms.epi(), 3)
