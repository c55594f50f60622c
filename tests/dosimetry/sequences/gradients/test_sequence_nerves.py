"""PNS of whole sequences: the same numbers as for the waveform, where they are, and in what time."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry import SafeAxis
from emdose.models import Waveform

BLOCK_s, BLOCKS = 0.03, 20_000


def of_lobes(blocks: int, axes: int = 3) -> em.PulseSequence:
    """Blocks with one trapezoid per axis, of amplitudes and directions that no two blocks share."""
    rng = np.random.default_rng(1)
    rise, flat = 0.3e-3, 2.2e-3
    steps = np.array([0.0, 1e-3, 1e-3 + rise, 1e-3 + rise + flat, 1e-3 + 2 * rise + flat])
    t = np.append((np.arange(blocks)[:, None] * BLOCK_s + steps).ravel(), blocks * BLOCK_s)
    lobe = np.array([0.0, 1.0, 0.0, -1.0, 0.0]) / rise
    amplitude = 25e-3 * rng.uniform(-1, 1, (blocks, axes))
    rate = (amplitude[:, None] * lobe[:, None]).reshape(-1, axes)
    rf = np.zeros(blocks, int)
    pulse = em.RfPulse(np.array([1e-4, 9e-4]), np.array([100.0 + 0j]))
    waveform = Waveform("lobes", t, rate, rate, "T/m")
    return em.PulseSequence("lobes", np.full(blocks, BLOCK_s), rf, (pulse,), gradients=waveform)


def test_peak_and_where_it_is() -> None:
    """Oracle: lobes that are far apart answer as one alone, so that the largest one wins."""
    sequence = of_lobes(50)
    found = em.sequence_pns(sequence, start="rest", parts=50)
    model = em.NerveModel()
    c, rise, flat = model.chronaxie_s, 0.3e-3, 2.2e-3
    u = np.array([2 * rise + flat, rise + flat, rise, 0.0])
    answer = abs((np.array([1.0, -1.0, -1.0, 1.0]) * u / (c + u)).sum())
    first = rise / (c + rise)
    slews = sequence.gradients.starts.reshape(50, 5, 3)[:, 1]  # type: ignore[union-attr]
    sizes = np.linalg.norm(slews * model.weights, axis=1) / model.smallest_slew_T_m_s
    assert found.peak == pytest.approx(sizes.max() * max(first, answer), rel=1e-3)
    assert found.peak_block == sizes.argmax()
    assert list(found.axis_blocks) == list(np.abs(slews).argmax(0))
    assert found.peak == model.peaks(sequence.gradients, start="rest").peak  # type: ignore[arg-type]
    assert found.shares(0.8)["combined"] == pytest.approx(found.peak / 0.8)
    assert set(found.shares(1.0)) == {"x", "y", "z", "combined"}
    # Every part of the course is one block: its largest is that of its own lobe.
    assert found.peaks.course[:, 3] == pytest.approx(sizes * max(first, answer), rel=0.02)
    assert found.detail[:, 3].max() == pytest.approx(found.peak, rel=1e-9)
    assert found.detail_times_s[[0, -1]] == pytest.approx(np.array([0, 1]) * BLOCK_s + BLOCK_s * found.peak_block)


def test_turned_gradients_are_those_of_the_magnet() -> None:
    sequence = of_lobes(20)
    swap = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])
    one, other = em.sequence_pns(sequence), em.sequence_pns(sequence, rotation=swap)
    assert other.axis_peaks["x"] == pytest.approx(0.8 * one.axis_peaks["y"], rel=1e-9)
    with pytest.raises(em.InputError, match="not a rotation"):
        em.sequence_pns(sequence, rotation=2 * swap)
    with pytest.raises(em.InputError, match="sequence without gradients"):
        em.sequence_pns(dataclasses.replace(sequence, gradients=None))


def test_hardware_model_of_a_sequence() -> None:
    axis = SafeAxis((2e-4, 3e-5, 3e-3), (0.4, 0.1, 0.5), 30.0, 24.0, 0.35)
    model = em.SafeModel("made up", axis, axis, axis)
    sequence = of_lobes(30)
    found = em.sequence_pns(sequence, model, start="rest")
    assert found.peak == pytest.approx(model.peaks(sequence.gradients).peak, rel=1e-12)  # type: ignore[arg-type]
    assert found.detail[:, 3].max() == pytest.approx(found.peak, rel=1e-9)


def test_ten_minutes_of_20_000_blocks_in_two_seconds() -> None:
    sequence = of_lobes(BLOCKS)
    begin = time.process_time()
    found = em.sequence_pns(sequence)
    taken = time.process_time() - begin
    assert 0.4 < found.peak < 1.5
    assert taken < 2.5  # 0.8 s; a busy machine counts more processor time for the same work
