"""The closed forms of eddy currents against tables and quadrature that were made apart from them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from emdose.validation.closed_forms.low_frequency import eddy_cylinder, eddy_low_frequency, eddy_sphere

MU_0 = 1.25663706212e-6
FORMS = {
    "sphere": eddy_sphere.sphere_power,
    "cyl_axial": eddy_cylinder.axial_power,
    "cyl_transverse": eddy_cylinder.transverse_power,
}


def table() -> list[dict[str, str]]:
    """The 405 rows: spheres [W] and cylinders [W/m] at 42 T/s rms."""
    path = Path(__file__).parents[1] / "data" / "eddy_sphere_cylinder_power.csv"
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip('"').startswith("#")]
    return list(csv.DictReader(lines))


def test_table_of_spheres_and_cylinders() -> None:
    """Oracle: 405 powers with their limits, eight digits, derived and checked by quadrature apart from this code."""
    rows = table()
    assert len(rows) == 405
    for row in rows:
        a, sigma, f = float(row["radius_mm"]) / 1e3, float(row["sigma_S_m"]), float(row["f_Hz"])
        power = 42.0**2 * FORMS[row["body"]](a, sigma, f)
        if row["body"] == "sphere":
            low, high = eddy_sphere.sphere_limits(a, sigma, f)
        else:
            low, high = eddy_cylinder.cylinder_limits(a, sigma, f, axial=row["body"] == "cyl_axial")
        assert power == pytest.approx(float(row["power"]), rel=3e-7)
        assert 42.0**2 * low == pytest.approx(float(row["power_LF"]), rel=1e-7)
        assert 42.0**2 * high == pytest.approx(float(row["power_HF"]), rel=1e-7)
        assert eddy_sphere.skin_depth(sigma, f) * 1e3 == pytest.approx(float(row["skin_depth_mm"]), rel=1e-3)


def test_magnetic_sphere() -> None:
    """Oracle: published with the table: 15 mm, 1.35 MS/m, 1 kHz, 42 T/s rms, mu_r 1, 10 and 100."""
    powers = [42.0**2 * eddy_sphere.sphere_power(0.015, 1.35e6, 1e3, mu) for mu in (1, 10, 100)]
    assert powers == pytest.approx([0.7183, 2.3821, 1.2455], rel=1e-4)


def test_sphere_in_a_linear_field() -> None:
    """Oracles: J = sigma w (S r) x r/3 at low frequency; surface resistance times the field on a perfect conductor."""
    a, sigma = 0.015, 1.16e6
    low = 4 * math.pi * sigma * a**7 / 315
    assert eddy_sphere.linear_field_power(a, sigma, 1.0) == pytest.approx(low, rel=1e-6)
    w, delta = 2e9 * math.pi, eddy_sphere.skin_depth(sigma, 1e9)
    high = 20 * math.pi * a**4 / (9 * MU_0**2 * sigma * delta * w**2)
    assert eddy_sphere.linear_field_power(a, sigma, 1e9) == pytest.approx(high, rel=3 * delta / a)


def test_hollow_sphere_against_finite_differences() -> None:
    """Oracle: f'' + 2 f'/r - 2 f/r^2 = j w mu0 sigma f by finite differences, power from |E|^2."""
    inner, outer, sigma, f = 0.05, 0.055, 5e8, 50.0
    power, cavity = eddy_sphere.hollow_sphere(inner, outer, sigma, f)
    found = [_by_differences(inner, outer, sigma, f, n) for n in (401, 801)]
    best = [(4 * b - a) / 3 for a, b in zip(*found, strict=True)]
    assert power == pytest.approx(best[0].real, rel=2e-4)
    assert cavity == pytest.approx(best[1], rel=2e-4)


def _by_differences(inner: float, outer: float, sigma: float, f: float, n: int) -> tuple[complex, complex]:
    r = np.linspace(inner, outer, n)
    h, w = r[1] - r[0], 2 * math.pi * f
    M, right = np.zeros((n, n), complex), np.zeros(n, complex)
    i = np.arange(1, n - 1)
    M[i, i - 1], M[i, i + 1] = 1 / h**2 - 1 / (r[i] * h), 1 / h**2 + 1 / (r[i] * h)
    M[i, i] = -2 / h**2 - 2 / r[i] ** 2 - 1j * w * MU_0 * sigma
    M[0, :3] = -1.5 / h - 1 / inner, 2 / h, -0.5 / h
    M[-1, -3:], right[-1] = (0.5 / h, -2 / h, 1.5 / h + 2 / outer), 1.5
    A = np.linalg.solve(M, right)
    density = sigma * w**2 * np.abs(A) ** 2 * r**2 * 8 * math.pi / 3 / w**2
    return complex(h * (density.sum() - 0.5 * (density[0] + density[-1]))), complex(2 * A[0] / inner)


def test_hollow_sphere_limits() -> None:
    """Oracles: the solid sphere for a vanishing cavity, the thin-walled integral at low frequency."""
    solid = eddy_sphere.sphere_power(0.015, 1e6, 3e3)
    assert eddy_sphere.hollow_sphere(1e-4, 0.015, 1e6, 3e3)[0] == pytest.approx(solid, rel=1e-6)
    slow = 2 * math.pi / 15 * 1e6 * (0.015**5 - 0.011**5)
    assert eddy_sphere.hollow_sphere(0.011, 0.015, 1e6, 1.0)[0] == pytest.approx(slow, rel=1e-4)


def test_low_frequency_bodies() -> None:
    """Oracles: published values of the ellipsoid, the sphere as one, J = sigma r/2 integrated over a ring."""
    powers = eddy_low_frequency.ellipsoid_power((0.07, 0.01, 0.015), 1e6)
    assert powers == pytest.approx([0.60899e-3, 1.8923e-3, 0.86205e-3], rel=1e-4)
    sphere = eddy_sphere.sphere_limits(0.015, 1e6, 1.0)[0]
    assert eddy_low_frequency.ellipsoid_power((0.015,) * 3, 1e6) == pytest.approx([sphere] * 3, rel=1e-9)
    R, a = 0.02, 0.003
    x, weight = np.polynomial.legendre.leggauss(40)
    rho = R + a * x
    height = 2 * np.sqrt(a**2 - (rho - R) ** 2)
    integral = float(np.sum(weight * a * height * (rho / 2) ** 2 * 2 * math.pi * rho))
    assert eddy_low_frequency.ring_power(R, a, 1e6) == pytest.approx(1e6 * integral, rel=1e-4)
    thin = eddy_low_frequency.ring_circuit_power(R, 1e-4, 1e6, 1.0)
    assert thin == pytest.approx(eddy_low_frequency.ring_power(R, 1e-4, 1e6), rel=1e-4)
    assert eddy_low_frequency.disc_power(0.01, 0.002, 1e6) == pytest.approx(math.pi / 8 * 1e6 * 0.002 * 1e-8)
