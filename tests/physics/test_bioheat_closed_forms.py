"""The bioheat solver against closed forms, and its orders of convergence."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.compute import backend
from emdose.solvers.heat.materials import Metals, mixed_conductivity
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.stepping import Stepper
from emdose.validation.closed_forms import heat as exact

K, C, W = 0.5, 4e6, 3000.0


def block(shape, h, *, k=K, capacity=C, perfusion=W, **options) -> HeatMaps:
    """A homogeneous block; with no surface exchange its ends are insulated."""
    full = [np.full(shape, v, float) if np.ndim(v) == 0 else v for v in (capacity, k, perfusion)]
    return HeatMaps((h,) * 3 if np.ndim(h) == 0 else h, *full, np.ones(shape, bool), **options)


@pytest.mark.parametrize("perfusion", [0.0, 3000.0])
def test_uniform_source(perfusion: float) -> None:
    """Closed form without conduction; the peak over time as well."""
    times = [30.0, 200.0, 900.0]
    found = heat(block((6, 7, 8), 2e-3, perfusion=perfusion), np.full((1, 6, 7, 8), 2000.0), 900.0, times_s=times)
    expected = exact.uniform(2000.0, C, perfusion, np.array(times))
    np.testing.assert_allclose(found.rise[0].min(axis=(1, 2, 3)), expected, rtol=2e-3)
    np.testing.assert_allclose(found.peaks[0], expected, rtol=2e-3)
    assert found.balance_error < 1e-4


def decayed(shape, lengths, steps: int, time: float) -> tuple[np.ndarray, np.ndarray]:
    """A cosine mode after a time as computed, and exactly."""
    h = tuple(length / n for length, n in zip(lengths, shape, strict=True))
    problem = HeatProblem(block(shape, h), backend.get("cpu"), "float64", 1)
    stepper = Stepper(problem, problem.field(np.zeros((1, *shape))))
    mode = 1.0
    for axis, (n, waves) in enumerate(zip(shape, (1, 2, 1), strict=True)):
        cosine = np.cos(waves * np.pi * (np.arange(n) + 0.5) / n)
        mode = mode * cosine.reshape([-1 if a == axis else 1 for a in range(3)])
    stepper.T[...] = problem.layout.pad(mode[None])
    for _ in range(steps):
        stepper.advance(time / steps, np.ones(1))
    rate = exact.cosine_decay(K, C, W, np.pi * np.array([1, 2, 1]) / lengths)
    return problem.result(stepper.T)[0], np.exp(-rate * time) * mode


def test_cosine_mode_second_order_in_space() -> None:
    """Oracle: exact decay; time steps short enough not to matter. Order 2 on refinement of all axes."""
    errors = []
    for n in (8, 16, 32):
        found, expected = decayed((n, 2 * n, n + 4), (0.04, 0.06, 0.05), 200, 400.0)
        errors.append(np.abs(found - expected).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert errors[-1] < 5e-4
    assert orders[-1] > 1.85


def test_cosine_mode_second_order_in_time() -> None:
    """Oracle: order of convergence to a run with fine steps on the same voxels."""
    runs = [decayed((12, 12, 12), (0.024, 0.036, 0.024), n, 100.0)[0] for n in (10, 20, 40, 640)]
    errors = [np.abs(r - runs[-1]).max() for r in runs[:-1]]
    assert min(np.log2(np.array(errors[:-1]) / errors[1:])) > 1.9


def test_mixed_materials_second_order_in_time() -> None:
    """Oracle: order of convergence where nothing commutes: layers, a metal bar, perfusion, an exchanging surface."""
    rng = np.random.default_rng(1)
    shape = (14, 12, 16)
    k, capacity, perfusion = rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), rng.uniform(0, 5e4, shape)
    k[5:8, 4:7, 3:12], capacity[5:8, 4:7, 3:12], perfusion[5:8, 4:7, 3:12] = 15.0, 3.7e6, 0.0
    maps = block(shape, 2e-3, k=k, capacity=capacity, perfusion=perfusion, surface_W_m2_K=10.0)
    problem = HeatProblem(maps, backend.get("cpu"), "float64", 1)
    start = problem.layout.pad(np.exp(-np.sum(((np.indices(shape).T - 6.0) / 4) ** 2, axis=-1).T))[None]

    def after(steps: int) -> np.ndarray:
        stepper = Stepper(problem, problem.field(np.zeros((1, *shape))))
        stepper.T[...] = start
        for _ in range(steps):
            stepper.advance(40.0 / steps, np.ones(1))
        return problem.result(stepper.T)

    fine = after(2560)
    errors = [np.abs(after(n) - fine).max() for n in (40, 80, 160)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert min(orders) > 1.8


def test_two_layers_share_their_heat() -> None:
    """Closed form of two half-spaces with different sources, capacities and conductivities: metal against tissue."""
    n, h, t = 160, 0.5e-3, 60.0
    x = (np.arange(n) - n // 2 + 0.5) * h
    first = np.broadcast_to((x < 0)[:, None, None], (n, 3, 4))
    k, capacity, q = (np.where(first, a, b) for a, b in ((0.5, 13.0), (4e6, 3.7e6), (0.0, 1e5)))
    maps = block((n, 3, 4), h, k=k, capacity=capacity, perfusion=0.0)
    found = heat(maps, q[None].astype(float), t, dtype="float64", tolerance=1e-3).final[0, :, 1, 1]
    expected = exact.two_layers(x, t, (0.0, 1e5), (0.5, 13.0), (4e6, 3.7e6))
    # The far end of the metal is insulated, which the half-space is not: 40 mm against a diffusion length of 15 mm.
    near = np.abs(x) < 0.01
    assert np.abs(found - expected)[near].max() < 4e-3 * expected[near].max()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slab_that_loses_heat_to_the_air(axis: int) -> None:
    """Closed form, transient and steady, with the slab along every axis."""
    n, h, length = 40, 1e-3, 0.04
    shape = tuple(n if a == axis else 3 for a in range(3))
    air = np.zeros(tuple(s + 2 * (a == axis) for a, s in enumerate(shape)), bool)
    inside = tuple(slice(1, -1) if a == axis else slice(None) for a in range(3))
    active = air.copy()
    active[inside] = True
    full = [np.full(active.shape, v) for v in (C, K, 0.0)]
    maps = HeatMaps((h,) * 3, *full, active, surface_W_m2_K=20.0, edges="insulated")
    q = np.where(active, 1e4, 0.0)[None]
    x = (np.arange(n) + 0.5) * h
    line = tuple(inside[a] if a == axis else 1 for a in range(3))
    for t in (100.0, 1500.0):
        expected = exact.robin_slab(x, t, length, 1e4, K, C, 20.0)
        np.testing.assert_allclose(heat(maps, q, t).final[0][line], expected, rtol=5e-3)
    np.testing.assert_allclose(
        steady(maps, q)[0][line], exact.robin_slab(x, np.inf, length, 1e4, K, C, 20.0), rtol=1e-3
    )


def octant(n: int, h: float, radius: float = 0.0, samples: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Share of every voxel in a ball around the low corner, and distances of the voxel centres from it.

    Insulated ends are planes of symmetry: an octant stands for the whole.
    """
    fine = (np.arange(n * samples) + 0.5) * h / samples
    inside = fine[:, None, None] ** 2 + fine[:, None] ** 2 + fine**2 < radius**2
    x = (np.arange(n) + 0.5) * h
    share = inside.reshape(n, samples, n, samples, n, samples).mean(axis=(1, 3, 5))
    return share, np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)


def test_perfused_sphere() -> None:
    """Closed form in an infinite medium; the block reaches four lengths of perfusion beyond the sphere."""
    n, h, a, perfusion = 28, 1e-3, 6e-3, 3e4
    share, r = octant(n, h, a)
    found = steady(block((n,) * 3, h, perfusion=perfusion), 1e5 * share[None])[0]
    expected = exact.perfused_sphere(r, a, 1e5, K, perfusion)
    assert np.abs(found - expected).max() < 5e-3 * expected.max()


def test_point_source() -> None:
    """Closed form ten voxels and more from the source: transient with and without perfusion, and steady."""
    n, h = 48, 0.5e-3
    q = np.zeros((1, n, n, n))
    q[0, 0, 0, 0] = 0.01 / 8 / h**3
    r = octant(n, h)[1]
    ring = (r > 5e-3) & (r < 9e-3)
    for perfusion, t in ((0.0, 100.0), (3e4, 100.0), (3e4, np.inf)):
        maps = block((n,) * 3, h, perfusion=perfusion)
        found = steady(maps, q)[0] if np.isinf(t) else heat(maps, q, t).final[0]
        expected = exact.point_source(r[ring], t, 0.01, K, C, perfusion)
        assert abs(found[ring].mean() / expected.mean() - 1) < 5e-3
        np.testing.assert_allclose(found[ring], expected, rtol=0.02)


@pytest.mark.parametrize("contact", [0.0, 1e-3])
def test_metal_ball_cut_by_voxels(contact: float) -> None:
    """Closed form of a heated metal ball in perfused tissue, steady; mixed voxels and a contact resistance.

    The ball's radius is 7.5 voxels: voxels taken wholly as metal or tissue would err by a multiple.
    """
    n, h, a, perfusion, metal = 32, 0.8e-3, 6e-3, 2e4, 13.0
    share, r = octant(n, h, a)
    metals = Metals(share, (share > 0).astype(np.uint8), [_Metal()], contact)
    everywhere = np.ones(share.shape, bool)
    faces, k = mixed_conductivity(share, metals, everywhere, np.full(share.shape, K), (h,) * 3)
    full = np.full(share.shape, C)
    maps = HeatMaps((h,) * 3, full, k, perfusion * (1 - share), everywhere, face_conductivity=faces)
    found = steady(maps, 1e6 * share[None])[0]
    expected = exact.heated_ball(r, a, 1e6, metal, K, perfusion, contact)
    inner, outer = share == 1, (share == 0) & (r < 2 * a)
    assert abs(np.mean(found[inner]) / np.mean(expected[inner]) - 1) < 1e-2
    assert abs(np.mean(found[outer]) / np.mean(expected[outer]) - 1) < 5e-3


class _Metal:
    density_kg_m3, heat_capacity_J_kg_K, thermal_conductivity_W_m_K = 8300.0, 450.0, 13.0
