"""The nerve impulse response: closed forms, quadrature, and long sequences beside short ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

import emdose as em
from emdose.dosimetry.stimulation import impulse, memory, nerve
from emdose.models import Waveform

MODEL = em.NerveModel()
C, LEAST = MODEL.chronaxie_s, MODEL.smallest_slew_T_m_s


def train(**more: float) -> Waveform:
    kept = {"rise_s": 0.2e-3, "flat_s": 0.3e-3, "gap_s": 0.5e-3, "direction": (1,), "unit": "T/m"} | more
    return em.waveforms.trapezoid_train(20e-3, **kept)


def uneven(pieces: int = 60, axes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    t = np.concatenate([[0.0], np.cumsum(rng.uniform(1e-5, 2e-3, pieces))])
    return t, rng.normal(size=(pieces, axes)), rng.normal(size=(pieces, axes))


def test_a_ramp_from_rest_is_the_hyperbola() -> None:
    """Oracle: the integral of c / (c + u)^2 from 0 to tau is tau / (c + tau)."""
    found = MODEL.response(train(), axes="y", start="rest")
    slew, tau = 100.0, 0.2e-3
    at = int(np.searchsorted(found.times_s, tau))
    assert found.times_s[at] == pytest.approx(tau, rel=1e-12)
    assert found.per_axis[at, 0] == pytest.approx(slew / LEAST * tau / (C + tau), rel=1e-12)


def test_a_trapezoid_at_the_threshold_answers_one() -> None:
    """Oracle: S_min (1 + c / tau), the published form of the threshold; later pulses are far off, and of other sign."""
    tau = 0.4e-3
    slew = float(MODEL.threshold_T_m_s(tau))
    assert slew == pytest.approx(20 / 0.333 * (1 + 0.36 / 0.4), rel=1e-12)
    w = em.waveforms.trapezoid_train(slew * tau, rise_s=tau, flat_s=0.2, gap_s=0.2, direction=(1,), unit="T/m")
    found = MODEL.response(w, axes="y", start="rest")
    assert found.per_axis[np.searchsorted(found.times_s, tau * (1 - 1e-9)), 0] == pytest.approx(1.0, rel=1e-12)
    assert found.peak == pytest.approx(1.0, rel=1e-5)


def test_threshold_in_dbdt_is_that_of_the_limit() -> None:
    """Oracle: 20 (1 + 0.36 / ts) T/s, 27.20 at 1 ms and 56.0 at 0.2 ms."""
    assert 0.333 * MODEL.threshold_T_m_s(np.array([1e-3, 0.2e-3])) == pytest.approx([27.20, 56.0], rel=1e-12)


def test_closed_form_equals_quadrature() -> None:
    """Oracle: adaptive quadrature of the definition, piece by piece."""
    t, a, b = uneven()
    at = np.concatenate([t[[5, 31, 60]], np.random.default_rng(1).uniform(0, t[-1], 7)])
    found = impulse.impulse_response_sum(t, a, b, C, at)
    for k, now in enumerate(at):
        wanted = 0.0
        for low, high, left, right in zip(t[:-1], t[1:], a[:, 0], b[:, 0], strict=True):
            if low < now:
                slope = (right - left) / (high - low)
                wanted += quad(
                    lambda u, m=slope, s=left, o=low: (s + m * (u - o)) * C / (C + now - u) ** 2,  # noqa: B023
                    low,
                    min(high, now),
                    epsabs=1e-14,
                    epsrel=1e-13,
                )[0]
        assert found[k, 0] == pytest.approx(wanted, abs=1e-11)


@pytest.mark.parametrize("duration", [1e-4, 1e-2, 1.0, 600.0, 7200.0])
def test_exponentials_are_the_kernel(duration: float) -> None:
    """Oracle: c / (c + u)^2; the integral of the difference is what a slew rate of any signs can make of it."""
    rates, factors = impulse.exponentials(C, duration)
    u = np.concatenate([[0.0], np.geomspace(1e-7, duration, 3000)])
    difference = np.abs(np.exp(-np.outer(u, rates)) @ factors - C / (C + u) ** 2)
    assert np.trapezoid(difference, u) < 3e-11
    assert len(rates) < 64


def test_exponentials_equal_the_closed_form() -> None:
    t, a, b = uneven(400)
    rates, factors = impulse.exponentials(C, t[-1])
    parts = [np.einsum("m,nma->na", factors, y) for _, y in memory.states(t, a, b, rates, np.zeros((len(rates), 2)))]
    assert np.abs(np.concatenate(parts) - impulse.impulse_response_sum(t, a, b, C, t[1:])).max() < 1e-10


def test_repeated_waveform_is_its_own_end() -> None:
    """Oracle: 400 periods written out, whose last one differs by what came before them alone."""
    w = train()
    many = np.concatenate([w.times_s[:-1] + n * w.duration_s for n in range(400)] + [[400 * w.duration_s]])
    long = impulse.impulse_response_sum(many, np.tile(w.starts, (400, 1)), np.tile(w.stops, (400, 1)), C, many[-9:])
    found = MODEL.response(w, axes="x", start="repeated")
    at = np.searchsorted(found.times_s, many[-9:-1] - 399 * w.duration_s - 1e-12)
    assert found.per_axis[at, 0] == pytest.approx(long[:-1, 0] / LEAST, abs=2e-6)
    assert found.per_axis[0] == pytest.approx(found.per_axis[-1], abs=1e-12)


def test_axes_add_in_squares_with_their_weights() -> None:
    w = em.waveforms.trapezoid_train(20e-3, rise_s=0.2e-3, direction=(1, 1, 1), unit="T/m")
    found = MODEL.response(w)
    one = np.abs(found.per_axis[:, 0]).max()
    assert found.axis_peaks == pytest.approx([0.8 * one, one, 0.7 * one])
    assert found.peak == pytest.approx(one * math.sqrt(0.64 + 1 + 0.49))
    assert found.worst_combination == pytest.approx(found.peak)


def test_field_is_compared_with_the_rheobase_itself() -> None:
    w = em.waveforms.trapezoid_train(20e-3, rise_s=0.2e-3, direction=(0, 0.6, 0.8))
    found = MODEL.response(w, start="rest")
    assert found.combined[np.searchsorted(found.times_s, 0.2e-3 - 1e-12)] == pytest.approx(100 / 20 * 0.2 / 0.56)


def test_long_sequence_has_the_value_of_its_closed_form() -> None:
    """Oracle: the closed form of the same train with a hundredth of the corners."""
    w = em.waveforms.epi(echoes=64)
    times, starts, stops = memory.subdivided(w.times_s, w.starts, w.stops, 1e-6, 100)
    assert len(w.starts) < nerve._DIRECT < len(starts)
    long = Waveform(w.name, times, starts, stops, w.unit)
    one, other = (MODEL.response(v, start="rest").peak for v in (w, long))
    assert other == pytest.approx(one, rel=1e-4)  # steps of the chronaxie over 50 between corners
    at = w.times_s[1:]
    exact = impulse.impulse_response_sum(w.times_s, w.starts, w.stops, C, at)
    rates, factors = impulse.exponentials(C, w.duration_s)
    parts = memory.states(times, starts, stops, rates, np.zeros((len(rates), 3)))
    found = np.concatenate([np.einsum("m,nma->na", factors, y) for _, y in parts])
    assert np.abs(found[np.searchsorted(times[1:], at - 1e-12)] - exact).max() < 1e-9 * np.abs(exact).max()


def test_bad_input_is_named() -> None:
    with pytest.raises(em.InputError, match="axes do not fit the waveform"):
        MODEL.response(train())
    with pytest.raises(em.InputError, match="chronaxie_s"):
        em.NerveModel(chronaxie_s=0.0)
    with pytest.raises(em.InputError, match="bad weights"):
        em.NerveModel(weights=(0, 0, 0))
    with pytest.raises(em.InputError, match="unknown start"):
        MODEL.response(train(), axes="x", start="warm")  # type: ignore[arg-type]
