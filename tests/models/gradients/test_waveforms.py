"""Waveforms of gradients against Fourier series, Parseval's theorem and a discrete Fourier transform."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate

from emdose.errors import InputError
from emdose.models import gradients as wf


def test_square_wave_has_its_series():
    """Oracle: the Fourier series of a square wave, 4 / (pi n) for odd n and nothing for even n."""
    wave = wf.trapezoid_train(0.02, rise_s=1e-3, direction=(1.0,))  # dB/dt = +-20 T/s of 500 Hz ... per rise and fall
    found = wave.harmonics(count=101)
    n = np.arange(1, 102)
    assert wave.duration_s == pytest.approx(4e-3)
    np.testing.assert_allclose(found.frequencies_Hz, n / 4e-3)
    np.testing.assert_allclose(np.abs(found.amplitudes[:, 0]), np.where(n % 2, 20 * 4 / np.pi / n, 0), atol=1e-10)
    assert wave.rms[0] == pytest.approx(20)


def test_trapezoid_train_has_its_closed_form():
    """Oracle: the sum of sinc terms of rectangular pulses of height S and width tau centred at tc."""
    rise, flat, gap, amplitude = 0.2e-3, 0.7e-3, 0.15e-3, 0.03
    wave = wf.trapezoid_train(amplitude, rise_s=rise, flat_s=flat, gap_s=gap, direction=(1.0,))
    period, slope = wave.duration_s, amplitude / rise
    n = np.arange(1, 200)
    starts = np.array([0, rise + flat, period / 2, period / 2 + rise + flat])
    c = sum(
        s * slope * rise / period * np.sinc(n * rise / period) * np.exp(-2j * np.pi * n * (t + rise / 2) / period)
        for s, t in zip((1, -1, -1, 1), starts, strict=True)
    )
    np.testing.assert_allclose(wave.harmonics(count=199).amplitudes[:, 0], 2 * c, atol=1e-9 * slope)


@pytest.mark.parametrize("make", [wf.epi, lambda: wf.trapezoid_train(0.03, rise_s=1e-4, flat_s=3e-4)])
def test_parseval(make):
    """Oracle: Parseval's theorem; the tail of rectangular pulses falls as 1 / n, so that two sums give the limit."""
    wave = make()
    few, many = (wave.harmonics(max_frequency_Hz=f) for f in (3e5, 6e5))
    np.testing.assert_allclose(2 * many.rms**2 - few.rms**2, wave.rms**2, rtol=1e-3)
    assert few.dropped == pytest.approx(2 * many.dropped, rel=0.1)
    assert 0 < many.dropped < 5e-3


def test_harmonics_by_raster_and_by_direct_sum_agree(monkeypatch):
    """Oracle: the direct sum over breakpoints."""
    wave = wf.epi(echoes=8, repetition_s=0.01, blip_T_m=0.0)
    fast = wave.harmonics(max_frequency_Hz=2e5)
    assert wave._raster() > 0
    monkeypatch.setattr(wf.Waveform, "_raster", lambda self: 0)
    np.testing.assert_allclose(wave.harmonics(max_frequency_Hz=2e5).amplitudes, fast.amplitudes, atol=1e-7)


def test_sampled_waveform_against_fft():
    """Oracle: FFT of the samples, divided by the transform of the straight interpolation, sinc^2, for dB/dt samples."""
    rng = np.random.default_rng(3)
    n = 256
    smooth = np.fft.irfft(np.concatenate([[0], rng.normal(size=20) + 1j * rng.normal(size=20), np.zeros(108)]), n) * n
    t = np.arange(n + 1) * 1e-5
    wave = wf.from_samples(t, np.append(smooth, smooth[0]), quantity="dB/dt")
    got = wave.harmonics(count=20).amplitudes[:, 0]
    k = np.arange(1, 21)
    np.testing.assert_allclose(got, 2 * np.fft.fft(smooth)[k] / n * np.sinc(k / n) ** 2, rtol=1e-9)
    assert wave.rate(t[:3])[:, 0] == pytest.approx(smooth[:3])


def test_value_integrates_the_rate():
    """Oracle: the corners that the waveform was made from."""
    corners = [(0.0, 0.0), (1e-3, 0.02), (3e-3, 0.02), (4.5e-3, -0.01), (6e-3, 0.0)]
    wave = wf.from_corners([corners], 0.01)
    t, v = np.array(corners).T
    np.testing.assert_allclose(wave.value(t)[:, 0], v, atol=1e-12)
    assert wave.rate(np.array([0.5e-3, 2e-3, 8e-3]))[:, 0] == pytest.approx([20, 0, 0])


def test_epi_keeps_the_slew_rate_and_leaves_no_area():
    """Oracles: the numbers it was made of; the readout and phase gradients have no area (the prephasing lobe: half)."""
    wave = wf.epi(30e-3, slew_T_m_s=150, echo_spacing_s=0.6e-3, echoes=32, repetition_s=0.05, blip_T_m=5e-3)
    assert wave.peak == pytest.approx([150, 150, 0])
    t = np.linspace(0, 0.05, 500_001)
    value = wave.value(t)
    assert value[:, 0].max() == pytest.approx(30e-3, rel=1e-6)
    assert integrate.trapezoid(value[:, 0], t) == pytest.approx(0, abs=1e-9)
    blips = 31 * 5e-3**2 / 150
    assert integrate.trapezoid(value[:, 1], t) == pytest.approx(0.5 * blips, rel=1e-3)
    assert wave.rms[0] == pytest.approx(np.sqrt(32 * 2 * 0.2e-3 / 0.05) * 150)


def test_sinusoid_and_the_iso_preset():
    """Oracle: B = dB/dt / w; 42 T/s rms at 270 Hz is 35 mT peak."""
    preset = wf.preset("iso-10974-clause-9")
    wave = preset.waveform((1, 1, 0))
    assert float(np.linalg.norm(wave.rms)) == pytest.approx(42)
    assert float(np.linalg.norm(wave.field_peak)) == pytest.approx(preset.field_peak_T, rel=2e-3)
    spectrum = wave.harmonics()
    assert spectrum.rms == pytest.approx(wave.rms)
    assert spectrum.dropped == 0
    assert preset.duration_s == 1800
    assert not preset.verified
    assert preset.source
    t = np.linspace(0, 1 / 270, 1000, endpoint=False)
    assert np.sqrt((wave.rate(t) ** 2).mean(0)) == pytest.approx(wave.rms)


def test_spectrum_through_a_matrix():
    """Oracle: matrix times vector, for every harmonic."""
    wave = wf.epi(echoes=4, repetition_s=0.01)
    matrix = np.array([[0.1, 0, 0.3], [0, 0.2, 0], [1, 0, 0]])
    got = wave.harmonics(count=50).through(matrix)
    np.testing.assert_allclose(got.amplitudes, wave.harmonics(count=50).amplitudes @ matrix.T)
    assert got.unit == "T/s"
    assert got.strongest(3).frequencies_Hz.shape == (3,)
    assert got.dropped == pytest.approx(wave.harmonics(count=50).dropped)


def test_pieces_of_a_sequence_have_their_own_power():
    """Oracle: for a power of |dB/dt|^2 the pieces have their mean squares, and their mean is the whole's."""
    lobe = np.array([(0, 0), (1e-4, 0.02), (9e-4, 0.02), (1e-3, 0)])
    corners = [tuple(c) for n in range(10) for c in lobe + (0.01 * n, 0)]  # noqa: RUF005
    corners += [tuple(c) for c in lobe * (1, 0.5) + (0.2, 0)]
    wave = wf.from_corners([corners], 0.3, splits_s=[0.01 * n for n in range(10)] + [0.1, 0.2])
    edges, power = wave.power_course(lambda s: float((s.rms_total**2).sum()), shortest_s=0.05)
    assert edges == pytest.approx([0, 0.05, 0.1, 0.2, 0.3])
    assert power[0] == pytest.approx(power[1])
    assert power[2] == 0
    assert power[3] == pytest.approx(0.25 * power[0] / 5 * 0.05 / 0.1)
    assert float(power @ np.diff(edges)) / 0.3 == pytest.approx(float(wave.rms[0] ** 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: wf.from_samples([0, 1e-3, 2e-3], [1.0, 1, 1], quantity="dB/dt"), "non-zero mean dB/dt"),
        (lambda: wf.from_samples([0, 1e-3, 2e-3], [0.0, 0.01, 0.02]), "non-zero mean dB/dt"),
        (lambda: wf.from_samples([0, 1e-3, 2e-3], [0.01, 0.01, 0.01]), "does not vary"),
        (lambda: wf.from_samples([0, 2e-3, 1e-3], [0.0, 0.01, 0.0]), "do not grow"),
        (lambda: wf.from_samples([0, 1e-3], [0.0, np.nan]), "not finite"),
        (lambda: wf.from_samples([0, 1e-3], [0.0, 0.0, 1.0]), "do not fit"),
        (lambda: wf.trapezoid_train(0.01, rise_s=0), "rise_s"),
        (lambda: wf.trapezoid_train(-0.01, rise_s=1e-3), "amplitude"),
        (lambda: wf.epi(slew_T_m_s=10), "ramps do not fit"),
        (lambda: wf.epi(echoes=7), "even number"),
        (lambda: wf.epi(repetition_s=0.01), "does not fit the repetition"),
        (lambda: wf.epi(phase="x"), "axes"),
        (lambda: wf.Sinusoid(0), "frequency_Hz"),
        (lambda: wf.Sinusoid(100, (0, 0, 0)), "rate"),
        (lambda: wf.from_corners([[(0, 0), (1e-3, 0), (1e-3, 0.02), (2e-3, 0)]], 0.01), "slew rate would be infinite"),
        (lambda: wf.from_corners([[(0, 0), (1e-3, 0.02)]], 0.01), "slew rate would be infinite"),
        (lambda: wf.from_corners([[(0, 0), (2e-2, 0.02)]], 0.01), "outside of its period"),
        (lambda: wf.preset("iso"), "unknown gradient exposure"),
        (lambda: wf.epi().harmonics(max_frequency_Hz=1), "no harmonic"),
        (lambda: wf.Sinusoid(100).harmonics(max_frequency_Hz=50), "no harmonic"),
        (lambda: wf.Spectrum([0.0], np.ones((1, 3))), "frequency"),
        (lambda: wf.epi().harmonics(count=3).through(np.eye(2)), "does not fit the axes"),
    ],
)
def test_bad_waveforms(make, words):
    """Oracle: the documented errors, one line each."""
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("share", "fits"), [(1 - 1e-9, True), (1.0, True), (1 + 1e-9, False)])
def test_ramps_of_an_echo_train_may_meet(share, fits):
    """Oracle: lobes that are triangles: both ramps together take the whole echo spacing and no more."""
    options = {"echo_spacing_s": 0.5e-3, "slew_T_m_s": 2 * 0.0625 / 0.5e-3 / share, "echoes": 4, "repetition_s": 0.02}
    if fits:
        wave = wf.epi(0.0625, **options)
        assert max(np.abs(wave.starts).max(), np.abs(wave.stops).max()) == pytest.approx(options["slew_T_m_s"])
    else:
        with pytest.raises(InputError, match="ramps do not fit"):
            wf.epi(0.0625, **options)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        # Oracle: each is a train of a scanner with one quantity in another unit.
        (lambda **k: wf.trapezoid_train(0.035, rise_s=0.5, **k), "time of the fastest ramp .*0.5 s'.*s, not ms"),
        (lambda **k: wf.trapezoid_train(0.03, rise_s=0.2, unit="T/m", **k), "fastest ramp"),
        (lambda **k: wf.trapezoid_train(0.03, rise_s=2e-4, flat_s=0.4, unit="T/m", **k), "on without change"),
        (lambda **k: wf.epi(slew_T_m_s=0.15, echo_spacing_s=0.6, repetition_s=60, **k), "fastest ramp"),
        (lambda **k: wf.epi(echo_spacing_s=0.6, repetition_s=60, **k), "on without change"),
        (lambda **k: wf.epi(30.0, slew_T_m_s=150e3, **k), "peak gradient .*T/m, not mT/m"),
        (lambda **k: wf.from_samples([0, 1, 2, 3, 4], [0.0, 0.02, 0, -0.02, 0], **k), "fastest ramp"),
        (lambda **k: wf.from_samples([0, 15e-3, 30e-3], [0, 0.2e-3, 0], **k), "peak slew rate"),
        (lambda **k: wf.from_corners([[(0, 0), (0.3, 0.02), (0.6, 0)]], 1.0, **k), "fastest ramp"),
        (lambda **k: wf.Sinusoid(0.27, [42.0], **k), "peak field"),
        (lambda **k: wf.Sinusoid(270e3, [42.0], **k), "fastest ramp"),
        (lambda **k: wf.Sinusoid(270.0, [42e-3], **k), "peak dB/dt"),
        (lambda **k: wf.Sinusoid(270.0, [42e3], **k), "peak field"),
    ],
)
def test_units_that_are_wrong_by_a_thousand_are_refused_or_asked_for_by_name(make, words):
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
    assert "unusual=True" in str(caught.value)
    assert make(unusual=True).peak.max() > 0


def test_what_scanners_do_is_plausible():
    """Oracle: published systems, from quiet ones to those for animals."""
    for gradient, slew in ((0.02, 5.0), (0.045, 200.0), (0.3, 200.0), (0.5, 600.0), (0.2, 900.0), (1.0, 9000.0)):
        wf.trapezoid_train(gradient, rise_s=gradient / slew, flat_s=1e-3, unit="T/m")
    wf.from_corners([[(0, 0), (1e-3, 0.08), (0.1, 0.08), (0.101, 0)]], 5.0)  # diffusion, and a long pause
    pieces = wf.from_corners(
        [[(0, 0), (1e-3, 0.01), (2e-3, 0), (0.2, 0), (0.21, 1e-5), (0.22, 0)]], 0.4, splits_s=[0.1]
    )
    assert len(pieces.pieces()) == 2


@pytest.mark.parametrize("offset", [0.0, 0.1, 0.23, 0.5, 0.9])
def test_ramps_of_two_samples_show_their_slew_rate_and_shorter_ones_are_refused(offset):
    """Oracle: trapezoids of known slew rate, wherever the samples lie on the ramp; a recording on steps of 10 us."""
    step, top = 1e-5, 20e-3
    t = np.arange(400) * step

    def played(ramp):
        corners = offset * step + np.array([20.5, 20.5 + ramp / step, 100.5, 100.5 + ramp / step]) * step
        return np.interp(t, corners, [0, top, top, 0])

    for steps in (2.0, 2.6, 7.3):
        wave = wf.from_samples(t, played(steps * step))
        assert wave.peak[0] == pytest.approx(top / (steps * step), rel=1e-6)
    with pytest.raises(InputError, match="too far apart for their fastest slew rate"):
        wf.from_samples(t, played(0.4 * step))
    assert wf.from_samples(t, played(0.4 * step), unusual=True).peak[0] < 0.99 * top / (0.4 * step)
    with pytest.raises(InputError, match="fastest dB/dt"):
        wf.from_samples(t, 1e-3 * played(0.4 * step) / top, quantity="field")


def test_sines_and_corners_pass_the_rule_of_samples():
    """Oracle: sin(pi/N)/(pi/N) of a sine with N samples a period; corners at even times are too few to be a record."""
    for count, passes in ((6, True), (12, True), (4, False)):
        t = np.arange(20 * count + 1) * 1e-3 / count
        values = 10e-3 * np.sin(2e3 * np.pi * t + 0.4) - 10e-3 * np.sin(0.4)
        if passes:
            share = wf.from_samples(t, values).peak[0] / (2e3 * np.pi * 10e-3)
            assert 0.93 < share <= 1
        else:
            with pytest.raises(InputError, match="samples too far apart"):
                wf.from_samples(t, values)
    assert wf.from_samples([0, 1e-3, 2e-3, 3e-3, 4e-3], [0.0, 0.02, 0, -0.02, 0]).peak[0] == pytest.approx(20)
    rates = np.zeros(80)
    rates[[10, 50]] = 20.0, -20.0
    with pytest.raises(InputError, match="fastest dB/dt"):
        wf.from_samples(np.arange(80) * 1e-4, rates, quantity="dB/dt")
