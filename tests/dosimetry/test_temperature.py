"""Thermal dose and temperature maps. Oracles: closed forms of the dose, adaptive quadrature, hand-made maps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from emdose.dosimetry.temperature import (
    TemperatureMap,
    cem43,
    dose_over_baseline,
    region_peaks,
    temperature_map,
    thermal_dose,
)
from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue
from emdose.models.grids.grid import Grid
from emdose.solvers.heat.solver import Bioheat

MUSCLE = Tissue("muscle", 1090.0, Constant(60.0, 0.7), 3421.0, 0.49, 37.0, 0.9)


@pytest.mark.parametrize(
    ("temperature", "per_minute"), [(43.0, 1.0), (44.0, 2.0), (46.0, 8.0), (42.0, 0.25), (40.0, 0.25**3), (38.9, 0.0)]
)
def test_dose_of_a_constant_temperature(temperature: float, per_minute: float) -> None:
    """Definition: a minute at 43 degC is one; a degree more doubles, one less takes three quarters off."""
    dose = cem43(np.array([0.0, 60.0, 600.0]), np.full((3, 2), temperature))
    np.testing.assert_allclose(dose, 10 * per_minute, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(36.0, 47.0), min_size=2, max_size=5), st.sampled_from([None, 39.0, 37.0, 43.5]))
def test_dose_of_straight_lines(temperatures: list, least: float | None) -> None:
    """Oracle: adaptive quadrature of the definition along straight lines."""
    times = 100.0 * np.arange(len(temperatures)) ** 1.3

    def rate(t: float) -> float:
        T = np.interp(t, times, temperatures)
        return 0.0 if least is not None and least > T else (0.5 if T >= 43 else 0.25) ** (43 - T)

    points = []  # where the integrand has corners
    for (t, T), (u, U) in pairwise(zip(times, temperatures, strict=True)):
        points += [t] + [t + (x - T) / (U - T) * (u - t) for x in (43.0, least or 0) if min(T, U) < x < max(T, U)]
    ends = sorted({*points, times[-1]})
    expected = sum(quad(rate, a + 1e-9, b - 1e-9, epsabs=1e-9)[0] for a, b in pairwise(ends)) / 60
    found = cem43(times, np.array(temperatures)[:, None], least)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_dose_grows_with_temperature() -> None:
    times, T = np.linspace(0, 600, 7), np.linspace(37, 44, 7)[:, None] + np.array([0.0, 0.5, 1.0])
    assert np.all(np.diff(cem43(times, T)) > 0)


def test_rises_of_microkelvins_have_doses_of_their_own() -> None:
    """Oracle: the derivative of the definition: minutes at the baseline times ln 4 times the mean rise."""
    times = np.array([450.0, 900.0])
    for rise in (8e-6, 0.5e-3):
        total, alone = dose_over_baseline(times, 37.0, np.full((2, 3), rise), least_degC=None)
        np.testing.assert_allclose(alone, 15 * 0.25**6, rtol=1e-12)
        np.testing.assert_allclose(total - alone, 15 * 0.25**6 * np.log(4) * 0.75 * rise, rtol=1e-3)


def test_bad_input() -> None:
    for times, T in (([0, 0], np.zeros((2, 1))), ([0, 1, 2], np.zeros((2, 1))), ([0, 1], np.full((2, 1), np.nan))):
        with pytest.raises(InputError):
            cem43(np.array(times, float), T)
    with pytest.raises(InputError, match="rise"):
        TemperatureMap(np.zeros((2, 2, 2)), np.zeros((1, 1, 1)), Grid((1, 1, 1), 1e-3), 0.0)


def test_maps_of_a_course() -> None:
    """Oracle: uniform heating of an insulated box without perfusion, dT = q t / (rho c)."""
    body = bodies.gel_box(5e-3, (0.03, 0.03, 0.04), MUSCLE)
    mask = np.zeros(body.grid.shape, bool)
    mask[:4] = True
    body = body.with_regions(head=mask)
    q = np.where(body.body, 2e4, 0.0)
    course = Bioheat(surface_W_m2_K=0.0, perfusion="none", initial_degC=41.0).solve_sar(
        body, duration_s=900.0, power_W_m3=q
    )
    rate = 2e4 / (1090.0 * 3421.0)
    last = temperature_map(course)
    np.testing.assert_allclose(last.rise[body.body], rate * 900, rtol=1e-3)
    np.testing.assert_allclose(last.absolute_degC[body.body], 41 + rate * 900, rtol=1e-4)
    assert last.time_s == 900.0
    # Integral of R^(43 - 41 - rate t), split where 43 degC is reached.
    reached = 2 / rate
    cold = 0.25**2 * (np.exp(np.log(4) * 2) - 1) / (np.log(4) * rate)
    hot = (np.exp(np.log(2) * rate * (900 - reached)) - 1) / (np.log(2) * rate)
    dose = thermal_dose(course)
    np.testing.assert_allclose(dose.total_min[body.body], (cold + hot) / 60, rtol=5e-3)
    np.testing.assert_allclose(dose.baseline_min[body.body], 15 * 0.25**2, rtol=1e-6)
    np.testing.assert_allclose(dose.excess_min, dose.total_min - dose.baseline_min)
    assert (dose.duration_s, dose.least_degC, dose.baseline_degC[1, 1, 1]) == (900.0, 39.0, 41.0)
    assert np.abs(dose.total_min[~body.body]).max() == 0
    peaks = region_peaks(last.rise, body)
    assert set(peaks) == {"body", "head"}
    assert peaks["head"].index[0] < 4
    assert peaks["body"].value == pytest.approx(rate * 900, rel=1e-3)
