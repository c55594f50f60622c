"""The oracles themselves: published numbers, conservation, boundary conditions, limits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.validation.closed_forms import Cylinder, Sphere
from emdose.validation.closed_forms.coils import loops
from emdose.validation.closed_forms.low_frequency import uniform
from emdose.validation.closed_forms.waves import pec_sphere

C_0, MU_0 = 299_792_458.0, 1.25663706212e-6


def relative_frequency(x, radius=0.1):
    return x * C_0 / (2 * math.pi * radius)


@pytest.mark.parametrize(
    ("x", "m", "extinction", "scattering"),
    [
        # Bohren & Huffman 1983, appendix A: m = 1.55, radius 0.525, wavelength 0.6328.
        (2 * math.pi * 0.525 / 0.6328, 1.55, 3.10543, 3.10543),
        # Wiscombe, NCAR/TN-140 (1979), test cases.
        (100.0, 1.33 - 1e-5j, 2.101321, 2.096594),
        (1.0, 1.5 - 1j, 2.336321, 0.663454),
        (100.0, 1.5 - 1j, 2.097502, 1.283697),
    ],
)
def test_mie_published(x, m, extinction, scattering):
    q = Sphere([0.1], [m**2], relative_frequency(x)).efficiencies()
    assert q["extinction"] == pytest.approx(extinction, abs=2e-6 * max(1, extinction))
    assert q["scattering"] == pytest.approx(scattering, abs=2e-6 * max(1, scattering))


def test_layers_of_one_medium_are_one_sphere():
    # Oracle: the homogeneous series.
    one = Sphere([0.1], [50 - 80j], 128e6)
    many = Sphere([0.03, 0.07, 0.1], [50 - 80j] * 3, 128e6)
    p = np.random.default_rng(0).uniform(-0.12, 0.12, (200, 3))
    for a, b in zip(one.fields(p), many.fields(p), strict=True):
        assert np.abs(a - b).max() < 1e-10 * np.abs(a).max()
    assert one.power()["absorption"] == pytest.approx(many.power()["absorption"], rel=1e-10)


def test_sphere_with_a_core_of_perfect_conductor() -> None:
    # Oracles: the series of a conducting sphere, the limit of a high conductivity, and no tangential E on the metal.
    alone = Sphere([0.05], [math.inf], 1e9).efficiencies()
    area = pec_sphere.scattering_cross_section_m2(0.05, 1e9)
    assert alone["scattering"] * math.pi * 0.05**2 == pytest.approx(area, rel=1e-10)
    assert abs(alone["absorption"]) < 1e-12
    core, metal = (Sphere([0.015, 0.06], [eps, 80 - 66j], 128e6) for eps in (math.inf, 1 - 1.4e8j))
    outside = np.array([[0.02, 0, 0], [0.01, 0.01, 0.012], [0, 0, -0.05], [0, 0, 0.1]])
    for one, other in zip(core.fields(outside), metal.fields(outside), strict=True):
        assert np.allclose(one, other, atol=0.006 * np.abs(other).max())
    E, _ = core.fields(np.array([[0, 0, 0.015 + 1e-9], [0, 0.015 + 1e-9, 0], [0, 0, 0.01]]))
    assert np.abs(E[[0, 0, 1, 1, 2], [0, 1, 0, 2, 0]]).max() < 1e-6
    with pytest.raises(ValueError, match="only the core"):
        Sphere([0.05, 0.1], [2.0, math.inf], 1e9)


def test_layered_fields_meet_at_the_interfaces():
    # Oracle: tangential E, normal eps E and all of B are continuous.
    media = [50 - 80j, 5 - 1j, 30 - 40j]
    sphere = Sphere([0.05, 0.08, 0.1], media, 128e6)
    d = np.random.default_rng(1).normal(size=(20, 3))
    d /= np.linalg.norm(d, axis=1)[:, None]
    for i, radius in enumerate(sphere.radii_m):
        (E0, B0), (E1, B1) = (sphere.fields(d * radius * s) for s in (1 - 1e-8, 1 + 1e-8))
        n0, n1 = (np.sum(E * d, axis=1) for E in (E0, E1))
        outer = media[i + 1] if i < 2 else 1.0
        assert np.abs((E0 - n0[:, None] * d) - (E1 - n1[:, None] * d)).max() < 1e-6 * np.abs(E0).max()
        assert np.abs(media[i] * n0 - outer * n1).max() < 1e-6 * np.abs(media[i] * n0).max()
        assert np.abs(B0 - B1).max() < 1e-6 * np.abs(B0).max()


def test_fields_of_a_sphere_obey_faraday_and_give_its_power():
    # Oracle: curl E = -jwB by differences; absorbed power by volume quadrature.
    f, sigma = 298e6, 0.6
    eps = 50 - 1j * sigma / (2 * math.pi * f * 8.8541878128e-12)
    sphere, h, p = Sphere([0.1], [eps], f), 1e-5, np.array([0.03, 0.05, 0.02])
    E, B = sphere.fields(np.array([p] + [p + s * h * e for e in np.eye(3) for s in (1, -1)]))
    D = np.array([(E[1 + 2 * i] - E[2 + 2 * i]) / (2 * h) for i in range(3)])
    curl = np.array([D[1][2] - D[2][1], D[2][0] - D[0][2], D[0][1] - D[1][0]])
    assert np.allclose(curl / (-2j * math.pi * f), B[0], rtol=1e-4)
    x, w = np.polynomial.legendre.leggauss(24)
    r, wr = 0.05 * (x + 1), 0.05 * w
    phi = 2 * math.pi * np.arange(8) / 8
    R, T, P = np.meshgrid(r, x, phi, indexing="ij")
    s = np.sqrt(1 - T**2)
    E, _ = sphere.fields(np.stack([R * s * np.cos(P), R * s * np.sin(P), R * T], axis=-1).reshape(-1, 3))
    square = (np.abs(E) ** 2).sum(-1).reshape(R.shape)
    power = 0.5 * sigma * np.einsum("rtp,r,t->", square * R**2, wr, w) * 2 * math.pi / 8
    assert power == pytest.approx(sphere.power()["absorption"], rel=1e-6)


@pytest.mark.parametrize("axial", [True, False])
def test_cylinder_conditions_and_optical_theorem(axial):
    # Oracle: continuity at the surface; no absorption without loss; the incident wave where there is no cylinder.
    eps = 20 - 30j
    c, phi = Cylinder(0.05, eps, 298e6, axial), np.linspace(0, 6, 13)
    inner, outer = (c.electric_field(0.05 * s * np.cos(phi), 0.05 * s * np.sin(phi)) for s in (1 - 1e-9, 1 + 1e-9))
    radial = [E[0] * np.cos(phi) + E[1] * np.sin(phi) for E in (inner, outer)]
    along = [E[2] if axial else E[1] * np.cos(phi) - E[0] * np.sin(phi) for E in (inner, outer)]
    assert np.allclose(along[0], along[1], rtol=1e-6, atol=1e-9)
    assert np.allclose(eps * radial[0], radial[1], rtol=1e-6, atol=1e-9)
    lossless = Cylinder(0.05, 20.0, 298e6, axial).power_per_length()
    assert abs(lossless["absorption"]) < 1e-12 * lossless["extinction"]
    nothing = Cylinder(0.05, 1.0, 298e6, axial).electric_field(0.02, 0.01)
    wave = np.exp(-1j * c.wavenumber * 0.02)
    assert np.allclose(nothing, [0, 0, wave] if axial else [0, wave, 0], atol=1e-9)


@pytest.mark.parametrize("axial", [True, False])
def test_absorbed_power_of_a_cylinder(axial):
    # Oracle: volume quadrature of sigma E^2 / 2.
    f, sigma = 298e6, 0.6
    c = Cylinder(0.05, 50 - 1j * sigma / (2 * math.pi * f * 8.8541878128e-12), f, axial)
    x, w = np.polynomial.legendre.leggauss(30)
    r, phi = 0.025 * (x + 1), 2 * math.pi * np.arange(32) / 32
    E = c.electric_field(r[:, None] * np.cos(phi), r[:, None] * np.sin(phi))
    power = 0.5 * sigma * np.einsum("crp,r->", np.abs(E) ** 2, 0.025 * w * r) * 2 * math.pi / 32
    assert power == pytest.approx(c.power_per_length()["absorption"], rel=1e-6)


def test_loops_agree_with_each_other():
    # Oracle: limits of one formula in the other, and curl A = B.
    z = np.array([0.01, 0.1])
    assert np.allclose(loops.axis_B(0.1, z, 1.0), loops.static_B(0.1, np.array([1e-9, 1e-9]), z)[1], rtol=1e-7)
    a = loops.retarded_potential(0.1, 0.05, 0.02, 1.0)
    assert a.real == pytest.approx(float(loops.static_potential(0.1, np.array(0.05), np.array(0.02))), rel=1e-9)
    rho, height, h = 0.06, 0.03, 1e-6
    A = loops.static_potential
    radial, axial = loops.static_B(0.1, np.array(rho), np.array(height))
    assert (A(0.1, rho, height - h) - A(0.1, rho, height + h)) / (2 * h) == pytest.approx(radial, rel=1e-5)
    slope = ((rho + h) * A(0.1, rho + h, height) - (rho - h) * A(0.1, rho - h, height)) / (2 * h) / rho
    assert slope == pytest.approx(axial, rel=1e-5)


def test_a_cosine_current_in_a_tube():
    # Oracle: the factor 1 - (a/b)^2 of a continuous cosine current sheet; many lines come close to it.
    lines = np.cos(2 * np.pi * np.arange(64) / 64)
    bare = loops.tube_lines_B(0.15, 1e6, lines, 0.03, 0.02)
    assert np.allclose(
        loops.tube_lines_B(0.15, 0.2, lines, 0.03, 0.02),
        bare * (1 - (0.15 / 0.2) ** 2),
        rtol=1e-5,
        atol=1e-6 * np.abs(bare).max(),
    )


def test_slow_fields_are_the_limit_of_mie():
    # Oracle: the Mie series of a small sphere.
    sphere = Sphere([0.01], [4.0], 1e6)
    E, _ = sphere.fields(np.array([[0.0, 0.002, 0.0]]))
    assert E[0, 0] == pytest.approx(uniform.sphere_in_E(4.0), rel=1e-6)
    p, sigma = np.array([[0.003, 0.002, 0.004]]), 1e-2
    E, _ = Sphere([0.01], [1e4 - 1j * sigma / (2 * math.pi * 1e5 * 8.8541878128e-12)], 1e5).fields(p)
    # B of the wave is along y: turn the axes.
    expected = uniform.sphere_in_B(p[:, [2, 0, 1]], 1e5)[:, [1, 2, 0]] / C_0
    eddy = E - uniform.sphere_in_E(1e4 - 1j * sigma / (2 * math.pi * 1e5 * 8.8541878128e-12)) * np.array([[1, 0, 0]])
    assert np.allclose(eddy, expected, atol=0.05 * np.abs(expected).max())
    power = uniform.sphere_in_B_power(0.01, 0.5, 1e6)
    x, w = np.polynomial.legendre.leggauss(8)
    shells = sum(
        0.5 * 0.5 * (math.pi * 1e6) ** 2 * (0.005 * (a + 1)) ** 4 * (8 * math.pi / 3) * 0.005 * b
        for a, b in zip(x, w, strict=True)
    )
    assert power == pytest.approx(shells, rel=1e-9)
