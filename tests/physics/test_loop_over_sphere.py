"""The series of a loop above a sphere against limits that it knows nothing of, and the volume integral against it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.constants import EPS_0, MU_0
from emdose.validation import cases
from emdose.validation.closed_forms.coils import loops
from emdose.validation.closed_forms.coils.loop_over_sphere import absorbed_power, electric_field

A, B, Z = 0.08, 0.05, 0.1


def permittivity(eps, sigma, f):
    return eps - 1j * sigma / (2 * math.pi * f * EPS_0)


@pytest.mark.parametrize("f", [1e5, 128e6, 500e6])
def test_without_contrast_it_is_the_loop_alone(f):
    # Oracle: the vector potential by adaptive quadrature around the wire.
    rho, z = np.array([0.01, 0.04, 0.07, 0.02]), np.array([0.02, -0.05, 0.03, 0.076])
    E = electric_field(rho, z, A, 1.0, B, Z, f)
    expected = [-2j * math.pi * f * loops.retarded_potential(B, r, h - Z, f) for r, h in zip(rho, z, strict=True)]
    np.testing.assert_allclose(E, expected, rtol=1e-8)


def volume(function, count=60):
    """Integral over the sphere of a function of rho and z, by Gauss quadrature in r and cos(theta)."""
    x, w = np.polynomial.legendre.leggauss(count)
    r, wr = 0.5 * A * (x + 1), 0.5 * A * w
    radius, cosine = np.meshgrid(r, x, indexing="ij")
    values = function(radius * np.sqrt(1 - cosine**2), radius * cosine)
    return 2 * math.pi * np.sum(values * radius**2 * wr[:, None] * w)


@pytest.mark.parametrize(("f", "eps", "sigma"), [(1e6, 300.0, 0.5), (128e6, 50.0, 0.6), (500e6, 50.0, 0.9)])
def test_the_flux_of_power_is_what_the_volume_absorbs(f, eps, sigma):
    # Oracle: sigma abs(E)^2 / 2 over the volume.
    e = permittivity(eps, sigma, f)
    inside = volume(lambda rho, z: 0.5 * sigma * abs(electric_field(rho, z, A, e, B, Z, f)) ** 2)
    assert absorbed_power(A, e, B, Z, f) == pytest.approx(inside, rel=1e-8)


def test_at_low_frequencies_the_loop_induces_its_own_field():
    # Oracle: E = -j w A of the static loop by elliptic integrals where the skin depth is far above the radius: on
    # circles around the axis there is no charge; all orders take part.
    f, sigma = 1e4, 0.5
    power = volume(lambda rho, z: 0.5 * sigma * (2 * math.pi * f * loops.static_potential(B, rho, z - Z)) ** 2, 120)
    assert absorbed_power(A, permittivity(50.0, sigma, f), B, Z, f) == pytest.approx(power, rel=1e-6)


def test_a_far_loop_is_a_uniform_field():
    # Oracle: pi sigma w^2 B^2 a^5 / 15 in a sphere in a uniform field of peak B.
    f, sigma, distance = 1e4, 0.5, 40.0
    B_peak = MU_0 * B**2 / (2 * (B**2 + distance**2) ** 1.5)
    expected = math.pi * sigma * (2 * math.pi * f * B_peak) ** 2 * A**5 / 15
    # Over the sphere B changes by 6 a / r.
    assert absorbed_power(A, permittivity(1.0, sigma, f), B, distance, f) == pytest.approx(expected, rel=1e-4)
    E = electric_field(np.array([0.03]), np.array([0.0]), A, permittivity(1.0, sigma, f), B, distance, f)
    assert E[0] == pytest.approx(-1j * math.pi * f * B_peak * 0.03, rel=1e-3)


def test_a_perfect_conductor_has_no_field_and_takes_no_power():
    # Oracle: power falls as 1 / sqrt(sigma) where the skin is thin, here 16 and 8 um.
    f = 10e6
    P = [absorbed_power(A, permittivity(1.0, s, f), B, Z, f) for s in (1e8, 4e8)]
    assert P[0] / P[1] == pytest.approx(2.0, rel=1e-3)


def test_the_volume_integral_stays_within_its_rows():
    # Oracle: the series; voxels of 5 mm leave about 1 % of E and of the power.
    rows = cases.run(["loop over sphere"], device="cpu")
    assert [r for r in rows if not r.passed] == []
    assert max(r.error for r in rows) > 1e-3  # nothing is that good on a staircase
