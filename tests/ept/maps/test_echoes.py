"""Phase at echo time zero. Oracles: the phases that the echoes were made of; the law of the noise that was added."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.ept import phase_at_echo_zero
from emdose.errors import InputError

SHAPE = (24, 22, 16)
TIMES_s = (2.3e-3, 4.8e-3, 7.3e-3, 9.8e-3)


def maps() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phase at time zero [rad], off-resonance [Hz] beyond what one echo spacing resolves, echoes that decay."""
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    start = 0.8 * (x**2 - y**2) + 0.5 * z
    off = 30 + 260 * x + 90 * y * z  # 1 / (2 spacing) = 200 Hz: wrapped from echo to echo
    magnitude = (1.2 + 0.6 * y) * np.exp(-np.array(TIMES_s) / 0.02)[:, None, None, None]
    return start, off, np.broadcast_to(magnitude, (len(TIMES_s), *SHAPE)).copy()


def wrapped(start: np.ndarray, off: np.ndarray, times: tuple[float, ...] = TIMES_s) -> np.ndarray:
    return np.stack([np.angle(np.exp(1j * (start + 2 * np.pi * off * t))) for t in times])


def but_for_a_constant(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Difference on the circle less its mean: the constant depends on the turn of the off-resonance."""
    turn = np.exp(1j * (found - truth))
    return np.angle(turn * np.exp(-1j * np.angle(np.nanmean(turn))))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_noiseless_echoes_give_the_phase_they_were_made_of(count: int) -> None:
    start, off, magnitude = maps()
    fit = phase_at_echo_zero(wrapped(start, off, TIMES_s[:count]), TIMES_s[:count], magnitude[:count])
    np.testing.assert_allclose(but_for_a_constant(fit.phase, start), 0, atol=1e-9)
    shift = fit.off_resonance_Hz - off
    np.testing.assert_allclose(shift, shift[0, 0, 0], atol=1e-6)
    turns = shift[0, 0, 0] * (TIMES_s[1] - TIMES_s[0])
    assert turns == pytest.approx(round(turns), abs=1e-6)
    assert (fit.u_phase is None) == (count == 2)


def test_echoes_in_any_order_and_unequal_spacing() -> None:
    start, off, _ = maps()
    times = (9.1e-3, 2.0e-3, 6.2e-3, 3.9e-3)
    fit = phase_at_echo_zero(wrapped(start, 0.4 * off, times), times)
    np.testing.assert_allclose(but_for_a_constant(fit.phase, start), 0, atol=1e-9)


@pytest.mark.parametrize("stated", [True, False])
def test_uncertainty_is_that_of_the_noise(stated: bool) -> None:
    """Oracle: complex white noise of known level; error over u has a root mean square of 1, in weak voxels, too."""
    start, off, magnitude = maps()
    rng = np.random.default_rng(5)
    sigma = 0.01
    noise = sigma * (rng.standard_normal(magnitude.shape) + 1j * rng.standard_normal(magnitude.shape))
    images = magnitude * np.exp(1j * wrapped(start, off)) + noise
    snr = np.median(np.abs(images[0])) / sigma
    fit = phase_at_echo_zero(np.angle(images), TIMES_s, np.abs(images), 1 / snr if stated else None)
    assert fit.u_phase is not None
    z = but_for_a_constant(fit.phase, start) / fit.u_phase
    for part in (z, z[:, :6], z[:, -6:]):  # the magnitude runs along y
        assert np.sqrt(np.mean(part**2)) == pytest.approx(1, abs=0.06)
    assert (fit.scatter is None) != stated
    if stated:
        assert fit.scatter == pytest.approx(1, abs=0.05)


def test_a_phase_that_follows_no_line_is_more_uncertain() -> None:
    """Oracle: the bend that was put in, of ten times the noise, in one corner."""
    start, off, magnitude = maps()
    rng = np.random.default_rng(6)
    phase = wrapped(start, off) + 0.01 * rng.standard_normal(magnitude.shape)
    phase[1:3, :8, :8, :8] += 0.1
    fit = phase_at_echo_zero(phase, TIMES_s, None, 0.01)
    plain = phase_at_echo_zero(wrapped(start, off), TIMES_s, None, 0.01)
    assert fit.u_phase is not None
    assert plain.u_phase is not None
    ratio = fit.u_phase / plain.u_phase
    assert np.all(ratio[1:7, 1:7, 1:7] > 4)
    assert np.mean(ratio[10:, 10:, 10:] == 1) > 0.97


def test_mask_and_bad_echo_times() -> None:
    start, off, _ = maps()
    phase = wrapped(start, off)
    mask = np.zeros(SHAPE, bool)
    mask[4:20, 4:20, 3:12] = True
    fit = phase_at_echo_zero(phase, TIMES_s, mask=mask)
    assert np.array_equal(np.isfinite(fit.phase), mask)
    for times, words in (
        ((2.3, 4.8, 7.3, 9.8), "milliseconds"),
        (TIMES_s[:3], "do not fit"),
        ((2e-3, 2e-3, 7e-3, 9e-3), "two echoes at one time"),
        ((2e-3,), "two or more"),
    ):
        with pytest.raises(InputError, match=words):
            phase_at_echo_zero(phase, times)
    with pytest.raises(InputError, match="shape differs"):
        phase_at_echo_zero(phase, TIMES_s, phase[:2])
    with pytest.raises(InputError, match="no voxel has all echoes"):
        phase_at_echo_zero(phase, TIMES_s, mask=np.zeros(SHAPE, bool))
    with pytest.raises(InputError, match="not a standard uncertainty"):
        phase_at_echo_zero(phase, TIMES_s, noise=-1.0)
