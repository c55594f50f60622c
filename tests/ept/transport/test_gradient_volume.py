"""Gradient EPT in a volume. Oracle: series of small loops around a layered sphere, whose fields vary along all axes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import binary_erosion
from tests.ept.transport.test_gradient import case, error

from emdose.constants import C_0, EPS_0, MU_0
from emdose.ept.maps.b1map import B1Map
from emdose.ept.transport.gradient import Gradient, Seed
from emdose.models.grids.grid import Grid
from emdose.validation.closed_forms.ept.sphere_array import loops_around_sphere, staggered_ring
from emdose.validity import NOT_VALID, VALID, judge

FREQUENCY = 128e6
RADII, EPSILON, SIGMA = (0.03, 0.055), (52.0, 70.0), (0.35, 0.9)


@cache
def sphere(spacing_m: float = 3e-3, slices: int = 9) -> tuple[B1Map, np.ndarray]:
    """Eight loops, an unknown receiver, the slices around the middle; the layer of every voxel."""
    n = 2 * int(np.ceil(RADII[-1] / spacing_m)) + 2
    grid = Grid((n, n, slices), spacing_m)
    points = np.stack([np.broadcast_to(c, grid.shape).ravel() for c in grid.centre_points()], axis=1)
    points -= points.mean(axis=0)
    fields = loops_around_sphere(RADII, EPSILON, SIGMA, FREQUENCY, points, staggered_ring())
    layer = np.searchsorted(RADII, np.linalg.norm(points, axis=1)).reshape(grid.shape)
    mask = layer < len(RADII)
    plus, minus = (np.where(mask, f.reshape(-1, *grid.shape), 0) for f in fields)
    return B1Map(grid, FREQUENCY, np.abs(plus), np.where(mask, np.angle(plus * minus[2]), 0), mask=mask), layer


def noisy(b1: B1Map, snr: float) -> B1Map:
    """Relative noise of the magnitude and noise of the phase [rad], 1 / SNR each, in every channel."""
    draw = np.random.default_rng(1)
    magnitude = b1.magnitude * np.abs(1 + draw.normal(size=b1.magnitude.shape) / snr)
    phase = np.angle(np.exp(1j * (b1.phase + draw.normal(size=b1.phase.shape) / snr)))
    return replace(b1, magnitude=magnitude, phase=np.where(b1.mask, phase, 0))


def errors(found: object, layer: np.ndarray) -> list[tuple[float, float]]:
    """Median error of conductivity and permittivity in every layer, three voxels from its boundaries in the plane."""
    out = []
    for n in range(len(RADII)):
        cross = np.zeros((3, 3, 1), bool)
        cross[1, :, 0] = cross[:, 1, 0] = True
        pick = binary_erosion(layer == n, cross, iterations=3) & found.valid
        sigma, epsilon = found.conductivity[pick] / SIGMA[n] - 1, found.permittivity[pick] / EPSILON[n] - 1
        out.append((float(np.median(np.abs(sigma))), float(np.median(np.abs(epsilon)))))
    return out


def test_fields_of_the_array_are_those_of_dipoles_and_obey_maxwell() -> None:
    """Without a sphere the magnetic dipole in closed form; in a layer the Helmholtz equation by differences."""
    loops, points = staggered_ring(3), np.random.default_rng(0).uniform(-0.03, 0.03, (9, 3))
    fields = loops_around_sphere([0.055], [1.0], [0.0], FREQUENCY, points, loops)
    k = 2 * np.pi * FREQUENCY / C_0
    ratios = []
    for i, place in enumerate(loops):
        m, away = place / np.linalg.norm(place), points - place
        r = np.linalg.norm(away, axis=1)[:, None]
        n = away / r
        b = k**2 * np.cross(np.cross(n, m), n) / r + (3 * n * (n @ m)[:, None] - m) * (1 / r**3 + 1j * k / r**2)
        b = b * np.exp(-1j * k * r)
        ratios += [fields[0][i] / (b[:, 0] + 1j * b[:, 1]), fields[1][i] / (b[:, 0] - 1j * b[:, 1])]
    assert np.allclose(ratios, ratios[0][0], rtol=1e-9)
    for layer, centre in enumerate(([0.01, 0.005, 0.012], [0.02, 0.015, -0.03])):
        steps = 2e-4 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
        plus, _ = loops_around_sphere(RADII, EPSILON, SIGMA, FREQUENCY, centre + steps, loops)
        laplacian = (plus[:, 1:].sum(axis=1) - 6 * plus[:, 0]) / 4e-8
        omega = 2 * np.pi * FREQUENCY
        eps = EPSILON[layer] * EPS_0 - 1j * SIGMA[layer] / omega
        assert np.allclose(laplacian, -(omega**2) * MU_0 * eps * plus[:, 0], rtol=1e-4)


def test_volume_of_fields_that_vary_along_z() -> None:
    """Local values in all slices but two at each end, and both layers; slices alone are off by tens of percent."""
    b1, layer = sphere(4e-3, 7)
    local = Gradient(volume=True, radius=1, local_only=True).reconstruct(b1)
    inside = binary_erosion(b1.mask, iterations=2)
    inside[:, :, :2] = inside[:, :, -2:] = False
    assert np.mean(local.valid[inside]) > 0.95
    assert np.allclose(errors(local, layer), 0, atol=0.04)
    found = Gradient(volume=True, radius=1).reconstruct(b1)
    assert np.allclose(errors(found, layer), 0, atol=0.04)
    assert errors(Gradient(radius=1, local_only=True).reconstruct(b1), layer)[1][0] > 0.2


@pytest.mark.slow
def test_volume_with_seeds_and_at_a_finer_spacing() -> None:
    """2 mm: seeds keep their values, and the rest comes nearer than at 3 mm."""
    b1, layer = sphere(2e-3, 9)
    n = b1.grid.shape[0] // 2
    seeds = [Seed((n, n, 4), 0.35, 52.0), Seed((n + 21, n, 4), 0.9, 70.0)]
    found = Gradient(volume=True, radius=1, seeds=seeds).reconstruct(b1)
    assert found.conductivity[n, n, 4] == pytest.approx(0.35, rel=1e-9)
    assert np.allclose(errors(found, layer), 0, atol=0.02)


def test_values_that_noise_drove_beyond_matter_are_not_valid() -> None:
    """Negative and positive control of the gate: SNR 100 in the smallest window, and none of it."""
    b1, _, _ = case(0.11 / 48, nz=3)
    drowned = Gradient(slices=[1], radius=1).reconstruct(noisy(b1, 100))
    assert judge(drowned.measures()).state == NOT_VALID
    assert "choose a larger radius" in drowned.data.cause
    assert judge(Gradient(slices=[1], radius=1).reconstruct(b1).measures()).state == VALID


def test_slices_of_fields_that_vary_along_z_are_not_valid() -> None:
    """Controls of the gate: the array around the sphere, a third of whose conductivity slices miss, and a cylinder."""
    b1, layer = sphere()
    for data in (b1, noisy(b1, 1000)):
        found = Gradient(radius=2, local_only=True).reconstruct(data)
        assert min(e[0] for e in errors(found, layer)) > 0.2  # found 0.28 to 0.49
        assert judge(found.measures()).reasons[0].endswith("take volume = true.")
        assert judge(found.measures()).state == NOT_VALID
    flat, _, _ = case(3e-3)
    for data in (flat, noisy(flat, 300), noisy(flat, 30)):
        measures = Gradient(radius=2, local_only=True).reconstruct(data).measures()
        assert [m.value for m in measures if m.name == "ept_along_z"] == [0.0]


def test_what_noise_leaves_of_the_global_step_is_judged() -> None:
    """Controls of the gate: the closed form of a cylinder, which a radius of 2 misses at SNR 100."""
    b1, sigma, _ = case(3e-3)
    loud, quiet = (Gradient(slices=[2], radius=r).reconstruct(d) for r, d in ((2, noisy(b1, 100)), (1, b1)))
    assert error(loud.conductivity, sigma, loud.valid) > 0.5  # found 1.2
    assert judge(loud.measures()).state == NOT_VALID
    assert error(quiet.conductivity, sigma, quiet.valid) < 0.1
    assert judge(quiet.measures()).state == VALID


@pytest.mark.slow
def test_noise_along_z_is_not_taken_for_a_field() -> None:
    """Closed form of a cylinder, SNR 1000: fields do not vary along z, their noise does; it gave -2 S/m."""
    b1, sigma, permittivity = case(0.11 / 48, nz=7)
    found = Gradient(volume=True, radius=3).reconstruct(noisy(b1, 1000))
    assert error(found.conductivity, sigma, found.valid) < 0.2  # found 0.13
    assert error(found.permittivity, permittivity, found.valid) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("radius", "conductivity", "permittivity"), [(3, 0.3, 0.12)])
def test_noisy_volume(radius: int, conductivity: float, permittivity: float) -> None:
    """SNR 100: what is left of the shell; the core of ten voxels lies within reach of the windows' boundary errors."""
    b1, layer = sphere(3e-3, 15)
    shell = errors(Gradient(volume=True, radius=radius).reconstruct(noisy(b1, 100)), layer)[1]
    assert shell[0] < conductivity
    assert shell[1] < permittivity
