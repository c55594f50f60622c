"""Eddy currents in metal bodies against closed forms; every test names the one it leans on."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

import emdose as em
from emdose.errors import EmdoseWarning
from emdose.models.implants import shapes
from emdose.models.implants.implant import rotation_matrix
from emdose.models.implants.voxels import VoxelImplant, voxelise
from emdose.solvers.eddy.engines import skin_depth
from emdose.solvers.eddy.voxels.sources import SLOPES, linear_potential
from emdose.solvers.results.power_tensor import LINEAR
from emdose.validation.closed_forms.low_frequency import eddy_cylinder, eddy_low_frequency, eddy_sphere

COCR, TITANIUM = 1.16e6, 0.58e6


def sphere(a: float, cells: int, frequencies: list[float], metal: str = "CoCrMo", **options: object) -> em.PowerTensor:
    solver = em.EddyCurrent(spacing_m=2 * a / cells, **options)
    return solver.solve(shapes.sphere(a, metal), frequencies)


def errors(tensor: em.PowerTensor, powers: list[float]) -> np.ndarray:
    return np.einsum("fii->fi", tensor.matrix).real / np.array(powers)[:, None] - 1


def test_sphere_and_order_of_convergence() -> None:
    """Oracle: closed form of the sphere, 15 mm CoCrMo; order from 10 to 20 cells while delta/h > 3."""
    f = [100.0, 1e3, 2.7e3]
    exact = [eddy_sphere.sphere_power(0.015, COCR, x) for x in f]
    coarse, fine = (errors(sphere(0.015, n, f), exact) for n in (10, 20))
    assert np.abs(fine[1]).max() < 0.01
    assert np.abs(fine).max() < 0.005
    assert np.log2(np.abs(coarse[1]) / np.abs(fine[1])).min() > 1.8


@pytest.mark.parametrize(
    ("a", "metal", "sigma"),
    [(0.015, "CoCrMo", COCR), pytest.param(0.02, "Al", 3.526e7, marks=pytest.mark.slow)],
)
def test_spheres_with_automatic_engine(a: float, metal: str, sigma: float) -> None:
    """Oracle: closed form, 100 Hz to 100 kHz, from uniform currents to a skin of a hundredth of the radius."""
    f = [100.0, 1e3, 1e4, 3e4, 1e5]
    tensor = sphere(a, 20, f, metal)
    assert np.abs(errors(tensor, [eddy_sphere.sphere_power(a, sigma, x) for x in f])).max() < 0.01
    assert tensor.engine[0] == "voxel"
    assert tensor.engine[-1] == "thin-skin"
    total = np.einsum("fijm->fij", tensor.loss.astype(complex)) * tensor.grid.voxel_volume_m3
    assert np.abs(total - tensor.matrix).max(axis=(1, 2)) / np.abs(tensor.matrix).max(axis=(1, 2)) == pytest.approx(
        0, abs=1e-4
    )
    assert tensor.residual.max() < 2e-4
    assert tensor.identity.max() < 1e-4


def test_engines_overlap() -> None:
    """Oracle: a second engine; both within 3 % of each other at a skin depth of four voxels."""
    a = 0.02
    f = [6.9e3, 1.6e4]
    body = shapes.sphere(a, subdivisions=3)
    thin = em.EddyCurrent(spacing_m=a / 14, engine="thin-skin").solve(body, f)
    ratio = skin_depth(f, COCR) / (a / 14)
    assert ratio[0] > 3.9
    assert ratio[1] < 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        voxel = sphere(a, 28, f, engine="voxel")
    difference = np.einsum("fii->fi", thin.matrix).real / np.einsum("fii->fi", voxel.matrix).real - 1
    assert np.abs(difference).max() < 0.03


def test_ellipsoid_along_its_axes() -> None:
    """Oracle: exact powers of an ellipsoid at low frequency, 70/10/15 mm; no other entries."""
    semi = (0.07, 0.01, 0.015)
    tensor = em.EddyCurrent(spacing_m=2e-3).solve(shapes.ellipsoid(semi), 10.0)
    exact = eddy_low_frequency.ellipsoid_power(semi, COCR)
    assert np.diag(tensor.matrix[0]).real == pytest.approx(exact, rel=0.012)
    off = tensor.matrix[0] - np.diag(np.diag(tensor.matrix[0]))
    assert np.abs(off).max() < 1e-3 * exact.max()


def test_hollow_sphere() -> None:
    """Oracle: closed form of a shell, 15 and 11 mm, with and without skin effect."""
    f = [100.0, 3e3, 1e4]
    tensor = em.EddyCurrent(spacing_m=1.5e-3, engine="voxel").solve(shapes.hollow_sphere(0.015, 0.011), f)
    exact = [eddy_sphere.hollow_sphere(0.011, 0.015, COCR, x)[0] for x in f]
    assert np.abs(errors(tensor, exact)).max() < 0.01


def test_tube_and_ring() -> None:
    """Oracles: J = sigma r/2 over a tube and a ring; a ring with inductance as a circuit (thin: a/R = 0.1)."""
    solver = em.EddyCurrent(spacing_m=1.5e-3, engine="voxel")
    tube = solver.solve(shapes.tube(0.015, 0.011, 0.02), 10.0)
    assert tube.matrix[0, 2, 2].real == pytest.approx(eddy_low_frequency.disc_power(0.015, 0.02, COCR, 0.011), rel=0.01)
    solver = em.EddyCurrent(spacing_m=0.7e-3, engine="voxel")
    ring = solver.solve(shapes.ring(0.02, 0.002), [10.0, 6e3])
    assert ring.matrix[0, 2, 2].real == pytest.approx(eddy_low_frequency.ring_power(0.02, 0.002, COCR), rel=0.005)
    circuit = eddy_low_frequency.ring_circuit_power(0.02, 0.002, COCR, 6e3)
    assert circuit < 0.93 * eddy_low_frequency.ring_power(0.02, 0.002, COCR)
    assert ring.matrix[1, 2, 2].real == pytest.approx(circuit, rel=0.02)


def test_square_wave() -> None:
    """Oracle: the harmonics of a square dB/dt, each with the closed form of the sphere."""
    a, f0, amplitude = 0.015, 270.0, 30.0
    tensor = sphere(a, 26, list(np.geomspace(250, 2e4, 8)))
    n = np.arange(1, 75, 2)
    rms = amplitude * 4 / (math.pi * n) / math.sqrt(2)
    vectors = np.zeros((len(n), 3))
    vectors[:, 1] = rms
    exact = sum(r**2 * eddy_sphere.sphere_power(a, COCR, k * f0) for r, k in zip(rms, n, strict=True))
    assert tensor.average_power(n * f0, vectors) == pytest.approx(exact, rel=5e-3)
    density = tensor.loss_density(n * f0, vectors)
    assert density.sum() * tensor.grid.voxel_volume_m3 == pytest.approx(exact, rel=5e-3)


def test_body_and_field_turned_together() -> None:
    """Oracle: the power does not depend on how the voxels lie."""
    body = shapes.ellipsoid((0.03, 0.01, 0.015))
    R = rotation_matrix(37.0, (1.0, 2.0, 0.5))
    solver = em.EddyCurrent(spacing_m=1.5e-3)
    straight, turned = solver.solve(body, 2e3), solver.solve(body.rotated(R), 2e3)
    expected = R @ straight.matrix[0].real @ R.T
    assert np.abs(turned.matrix[0].real - expected).max() < 0.005 * np.abs(expected).max()
    assert turned.worst(2e3)[0] == pytest.approx(straight.worst(2e3)[0], rel=5e-3)
    assert turned.best(2e3)[0] == pytest.approx(straight.best(2e3)[0], rel=5e-3)


def test_titanium_heats_more_above_8_kHz() -> None:
    """Oracle: closed forms; a 15 mm sphere of titanium passes one of CoCrMo at 8.1 kHz."""
    f = [5e3, 8.1e3, 1.2e4]
    cocr, titanium = (sphere(0.015, 20, f, metal).matrix[:, 0, 0].real for metal in ("CoCrMo", "Ti6Al4V"))
    assert titanium[0] < cocr[0]
    assert titanium[1] == pytest.approx(cocr[1], rel=0.02)
    assert titanium[2] > 1.1 * cocr[2]


def test_linear_sources() -> None:
    """Oracle: sphere at low frequency in B = S r: A = (S r) x r/3 drives J alone, P = 4 pi sigma a^7 tr(S S')/315."""
    a = 0.015
    tensor = em.EddyCurrent(spacing_m=a / 10).solve(shapes.sphere(a), 20.0, sources="uniform+linear")
    assert tensor.sources[3:] == LINEAR
    assert tensor.source_units[3] == "T/m/s"
    M, unit = tensor.matrix[0].real, 4 * math.pi * COCR * a**7 / 315
    expected = 2 * unit * np.eye(5)
    expected[0, 1] = expected[1, 0] = unit
    assert np.abs(M[3:, 3:] - expected).max() < 0.015 * 2 * unit
    assert np.abs(M[:3, 3:]).max() < 1e-3 * math.sqrt(M[0, 0] * 2 * unit)


def test_linear_sources_away_from_their_centre() -> None:
    """Oracle: closed forms of the sphere at every frequency and by both engines.

    About the middle of the sphere the field B = S (r + c) is uniform, S c, plus linear, S r; the two do not interfere,
    so the power matrix of five sources is P_1 (S_i c).(S_j c) + P_2 tr(S_i S_j).
    """
    a, f, c = 0.015, [100.0, 3e3, 1e5], np.array([3e-3, -5e-3, 4e-3])
    sources = [linear_potential(i, tuple(-c)) for i in range(5)]
    tensor = em.EddyCurrent(spacing_m=a / 10).solve(shapes.sphere(a, subdivisions=3), f, sources)
    assert tensor.engine == ("voxel", "voxel", "thin-skin")
    uniform, products = SLOPES @ c, np.einsum("iab,jab->ij", SLOPES, SLOPES)
    for found, x in zip(tensor.matrix, f, strict=True):
        linear = eddy_sphere.linear_field_power(a, COCR, x) * products
        exact = eddy_sphere.sphere_power(a, COCR, x) * uniform @ uniform.T + linear
        assert np.abs(linear).max() > 0.5 * np.abs(exact).max()
        assert np.abs(found - exact).max() < 0.01 * np.abs(exact).max()


def test_two_metals() -> None:
    """Oracle: J = sigma r/2 in every slice of a stack of discs, each of its own metal."""
    voxels = voxelise(shapes.cylinder(0.01, 0.008), 1e-3)
    upper = np.broadcast_to(voxels.grid.centres(2) > 0, voxels.grid.shape) & (voxels.part > 0)
    metals = (em.metals.get("CoCrMo"), em.metals.get("Ti6Al4V"))
    part = np.where(upper, 2, voxels.part).astype(np.uint8)
    stack = VoxelImplant(voxels.grid, part, voxels.fraction, voxels.face_fraction, metals)
    tensor = em.EddyCurrent().solve(stack, 10.0)
    power = sum(eddy_low_frequency.disc_power(0.01, 0.004, s) for s in (COCR, TITANIUM))
    assert tensor.matrix[0, 2, 2].real == pytest.approx(power, rel=0.01)


def test_infinite_cylinder_from_two_lengths() -> None:
    """Oracle: closed forms of infinite cylinders along and across the field; what two lengths differ by is infinite."""
    a, f = 0.01, [100.0, 3e3, 1e4]
    found = _per_length(a, "CoCrMo", f, a / 8, (6, 10), "voxel")
    for axis, form in ((2, eddy_cylinder.axial_power), (0, eddy_cylinder.transverse_power)):
        assert found[:, axis] == pytest.approx([form(a, COCR, x) for x in f], rel=0.02)


def _per_length(a: float, metal: str, f: list[float], h: float, lengths: tuple[int, int], engine: str) -> np.ndarray:
    powers = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EmdoseWarning)
        for length in lengths:
            body = shapes.cylinder(a, length * a, metal)
            tensor = em.EddyCurrent(spacing_m=(h, h, 2 * h), engine=engine).solve(body, f)
            powers.append(np.einsum("fii->fi", tensor.matrix).real)
    return (powers[1] - powers[0]) / ((lengths[1] - lengths[0]) * a)
