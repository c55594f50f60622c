"""Heat and torque of whole sequences in metal: beside single waveforms, sums over time, and harmonics of the whole."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest

import emdose as em
from emdose.models import Waveform
from emdose.models.bodies import gel_box
from emdose.solvers.results.power_tensor import UNIFORM, PowerTensor
from emdose.validation.closed_forms.low_frequency.eddy_sphere import sphere_moment

FIELD = np.array([[0.1, 0.0, 0.02], [0.0, 0.1, 0.03], [0.2, 0.1, 0.3]])
"""dB/dt at the metal per slew rate [m]."""


def ball(*frequencies: float, radius: float = 0.02) -> PowerTensor:
    """What a perfect solver would give for a ball of CoCrMo."""
    M = np.array([sphere_moment(radius, 1.16e6, f)[0] for f in frequencies])
    cells = np.array([[0, 0, 0], [3, 3, 3]], np.int32)
    loss = np.zeros((len(M), 3, 3, 2), np.complex64)
    return PowerTensor(
        np.array(frequencies), UNIFORM, M[:, None, None] * np.eye(3), em.Grid((4, 4, 4), 1e-2), cells, loss,
        metals=(em.metals.get("CoCrMo"),),
    )  # fmt: skip


def lobes(amplitudes: np.ndarray, tr: float = 0.1, rise: float = 0.3e-3, flat: float = 2e-3) -> em.PulseSequence:
    """One trapezoid per repetition, of the amplitudes (repetition, 3) [T/m]."""
    n = len(amplitudes)
    steps = np.array([0.0, 1e-3, 1e-3 + rise, 1e-3 + rise + flat, 1e-3 + 2 * rise + flat])
    t = np.append((np.arange(n)[:, None] * tr + steps).ravel(), n * tr)
    rate = (amplitudes[:, None] * (np.array([0.0, 1, 0, -1, 0]) / rise)[:, None]).reshape(-1, 3)
    pulse = em.RfPulse(np.array([1e-4, 9e-4]), np.array([100.0 + 0j]))
    w = Waveform("lobes", t, rate, rate, "T/m", tr * np.arange(n), unusual=True)
    return em.PulseSequence("lobes", np.full(n, tr), np.zeros(n, int), (pulse,), gradients=w)


ALIKE = np.tile([[10e-3, -5e-3, 20e-3]], (40, 1))
TENSOR = ball(5.0, 270.0, 1e3, 5e3)


def test_repetitions_that_are_alike_have_the_power_of_one() -> None:
    """Oracle: the harmonics of one repetition."""
    one = lobes(ALIKE[:1]).gradients
    assert one is not None
    wanted = TENSOR.average_power(one.harmonics(max_frequency_Hz=5e3).through(FIELD))
    found = em.sequence_heating(lobes(ALIKE), TENSOR, FIELD)
    assert found.power_W == pytest.approx(np.full(40, wanted), rel=1e-6)
    assert found.mean_W == pytest.approx(wanted, rel=1e-6)
    for window in found.windows:
        assert window.value == pytest.approx(wanted, rel=1e-6)
    # What is left out lies between nothing and the rest of the mean square at the power of the highest harmonic.
    everything = TENSOR.average_power(one.harmonics(max_frequency_Hz=5e3).through(FIELD)) + found.beyond_W
    top = TENSOR.at(5e3)[0, 0].real
    low = float(np.trace(found.mean_square)) * top
    assert low <= everything <= float(np.trace(found.mean_square)) * TENSOR.at(5.0)[0, 0].real


def test_course_of_the_power_is_that_of_the_harmonics_of_the_whole() -> None:
    """Oracle: all harmonics of 16 repetitions of random amplitudes in one; they share nothing but what decays.

    The highest line of one repetition is as wide as 16 of the whole: half of it, 9e-5 of the power, is the difference.
    """
    amplitudes = 20e-3 * np.random.default_rng(4).uniform(-1, 1, (16, 3))
    sequence = lobes(amplitudes)
    assert sequence.gradients is not None
    whole = TENSOR.average_power(sequence.gradients.harmonics(max_frequency_Hz=5e3).through(FIELD))
    found = em.sequence_heating(sequence, TENSOR, FIELD)
    assert found.mean_W == pytest.approx(whole, rel=1e-4)
    square = ((amplitudes @ FIELD.T) ** 2).sum(1)
    assert found.power_W / found.mean_W == pytest.approx(square / square.mean(), rel=1e-6)


@pytest.mark.parametrize("repeated", [True, False])
def test_worst_windows_are_those_of_all_windows(repeated: bool) -> None:
    """Oracle: windows that begin every 2 ms."""
    sequence = lobes(20e-3 * np.random.default_rng(5).uniform(-1, 1, (30, 3)))
    found = em.sequence_heating(sequence, TENSOR, FIELD, windows_s=(0.73, 7.1), repeated=repeated)
    power, step = np.repeat(found.power_W, 50), 2e-3
    line = np.tile(power, 5) if repeated else np.concatenate([np.zeros(4000), power, np.zeros(4000)])
    sums = np.concatenate([[0.0], np.cumsum(line) * step])
    for window in found.windows:
        n = round(window.window_s / step)
        assert window.value == pytest.approx((sums[n:] - sums[:-n]).max() / window.window_s, rel=1e-9)


def test_envelope_is_the_power_over_its_mean() -> None:
    amplitudes = np.concatenate([ALIKE[:10], 0.5 * ALIKE[:10]])
    heating = em.sequence_heating(lobes(amplitudes), TENSOR, FIELD)
    envelope = heating.envelope(5.0)
    assert envelope.times_s == pytest.approx([0.0, 1.0, 2.0, 3.0, 4.0])
    assert envelope.factors == pytest.approx([1.6, 0.4, 1.6, 0.4, 1.6], rel=1e-6)
    once = em.sequence_heating(lobes(amplitudes), TENSOR, FIELD, repeated=False).envelope(5.0)
    assert once.factors == pytest.approx([1.6, 0.4, 0.0], rel=1e-6)
    assert once.mean(0.0, 4.0) == pytest.approx(0.5)


def heat_run() -> em.HeatResult:
    """Rises of a made-up heat run: the power of every pair of axes heats in a voxel of its own."""
    body = gel_box(1e-2, (0.06, 0.02, 0.02))
    shape = body.grid.shape
    basis = np.zeros((6, *shape), np.float32)
    for k in range(3):
        basis[k, k, 0, 0] = k + 1.0  # K per (T/s)^2
    basis[3, 0, 0, 0] = 0.5
    nothing = np.zeros(shape)
    window = (slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2]))
    return em.HeatResult(
        body, nothing, np.ones(shape, bool), basis, np.array([900.0]), window, basis[:, None], {}, {},
        nothing + 37, np.diag([1e-3, 1e-3, 1e-3]), 0.0, 0.0,
    )  # fmt: skip


def test_rise_of_fields_that_change_their_direction_adds_up() -> None:
    """Oracle: two directions by hand, in turn; their rises at one place add, those of their sum do not."""
    heat = heat_run()
    axes = np.concatenate([np.tile([[10e-3, 0.0, 0.0]], (10, 1)), np.tile([[0.0, 10e-3, 0.0]], (10, 1))])
    heating = em.sequence_heating(lobes(axes), TENSOR, 0.1 * np.eye(3))
    mean = heating.field_of(heat)
    assert np.trace(mean) * 1e-3 == pytest.approx(heating.mean_W, rel=1e-9)
    assert mean == pytest.approx(np.diag([0.5, 0.5, 0.0]) * heating.mean_W / 1e-3, rel=1e-6)
    spot = heating.rise(heat)
    assert spot.index == (1, 0, 0)
    assert spot.rise_K == pytest.approx(2.0 * 0.5 * heating.mean_W / 1e-3, rel=1e-5)
    b = np.array([2.0, 1.0, 0.0])
    assert heat.peak(np.outer(b, b)).rise_K == pytest.approx(heat.peak(b).rise_K, rel=1e-12)
    assert heat.power_W(np.outer(b, b)) == pytest.approx(heat.power_W(b))
    with pytest.raises(em.InputError, match="does not heat"):
        heating.rise(dataclasses.replace(heat, power_matrix=np.zeros((3, 3))))


def test_torque_is_that_of_every_repetition() -> None:
    """Oracle: the torque of the harmonics of single repetitions."""
    amplitudes = 20e-3 * np.random.default_rng(6).uniform(-1, 1, (5, 3))
    moments, B0 = em.mechanics.moment_tensor(TENSOR), (0.1, 0.0, 3.0)
    sequence = lobes(amplitudes)
    assert sequence.gradients is not None
    found = em.mechanics.sequence_torque(sequence.gradients, moments, FIELD, B0)
    loads = []
    for row in amplitudes:
        one = lobes(row[None]).gradients
        assert one is not None
        loads.append(em.mechanics.gradient_torque(moments, one.harmonics(max_frequency_Hz=5e3).through(FIELD), B0))
    assert found.rms_N_m == pytest.approx([load.rms for load in loads], rel=1e-6)
    assert found.peak == pytest.approx(max(load.peak for load in loads), rel=1e-6)
    assert found.rms == pytest.approx(np.sqrt(np.mean([load.rms**2 for load in loads])), rel=1e-6)
    strongest = max(loads, key=lambda load: float(np.linalg.norm(load.amplitudes, axis=1).max()))
    frequency, amplitude = found.strongest_line
    k = int(np.linalg.norm(strongest.amplitudes, axis=1).argmax())
    assert frequency == pytest.approx(strongest.frequencies_Hz[k])
    assert amplitude == pytest.approx(float(np.linalg.norm(strongest.amplitudes[k])), rel=1e-6)
    assert found.largest_rms == found.rms_N_m.max()
    assert found.peak_start_s == pytest.approx(0.1 * found.peaks_N_m.argmax())


def test_sequences_are_cut_where_gradients_are_at_rest() -> None:
    """Oracle: one excitation in all; the blocks behind it begin at rest, so that 0.1 s are a part."""
    sequence = lobes(np.tile(ALIKE, (3, 1)))
    refocusing = em.RfPulse(np.array([1e-4, 9e-4]), np.array([100.0 + 0j]), "refocusing")
    once = dataclasses.replace(
        sequence,
        rf=np.r_[0, np.ones(len(sequence.rf) - 1, int)],
        pulses=(*sequence.pulses, refocusing),
        gradients=dataclasses.replace(sequence.gradients, splits_s=np.zeros(0)),  # type: ignore[type-var]
    )
    assert len(once.repetitions) == 1
    found = em.sequence_heating(once, TENSOR, FIELD)
    assert len(found.power_W) == 120
    assert found.power_W == pytest.approx(np.full(120, found.mean_W), rel=1e-6)


def test_gradients_that_are_never_at_rest_are_refused() -> None:
    """Oracle: a train without a pause, 2000 s long: 1e7 harmonics up to 5 kHz."""
    times = np.linspace(0, 2000, 2001)
    rate = np.where(np.arange(2000) % 2, -1.0, 1.0)[:, None] * np.ones(3)
    w = Waveform("endless", times, rate, rate, "T/m", unusual=True)
    sequence = em.PulseSequence("endless", np.array([2000.0]), np.array([0]), lobes(ALIKE[:1]).pulses, gradients=w)
    with pytest.raises(em.InputError, match="too many harmonics: the waveform is too long"):
        em.sequence_heating(sequence, TENSOR, FIELD)


def test_what_does_not_fit_is_named() -> None:
    sequence = lobes(ALIKE)
    with pytest.raises(em.InputError, match="matrix"):
        em.sequence_heating(sequence, TENSOR, np.eye(4))
    with pytest.raises(em.InputError, match="sequence without gradients"):
        em.sequence_heating(dataclasses.replace(sequence, gradients=None), TENSOR, FIELD)
    with pytest.raises(em.InputError, match="windows_s"):
        em.sequence_heating(sequence, TENSOR, FIELD, windows_s=(-1.0,))
    moments = em.mechanics.moment_tensor(TENSOR)
    field = em.waveforms.trapezoid_train(20e-3, rise_s=0.2e-3)
    with pytest.raises(em.InputError, match="not a waveform of gradients"):
        em.mechanics.sequence_torque(field, moments, FIELD, (0, 0, 3))


def test_twenty_thousand_blocks_of_256_kinds() -> None:
    amplitudes = 20e-3 * np.random.default_rng(7).uniform(-1, 1, (256, 3))[np.arange(10_000) % 256]
    sequence = lobes(amplitudes, tr=0.06)
    begin = time.process_time()
    found = em.sequence_heating(sequence, TENSOR, FIELD)
    assert len(found.power_W) == 10_000
    assert time.process_time() - begin < 6.0  # 1 s on a quiet machine
