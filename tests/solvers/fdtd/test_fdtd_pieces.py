"""The parts of the FDTD solver that need no time stepping: currents on edges, layout of cells, power, end of a run."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.constants import MU_0
from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.coils.ideal import Birdcage, Loop
from emdose.models.coils.plane_wave import PlaneWave
from emdose.models.exposure import Exposure
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.fdtd.convergence import Monitor
from emdose.solvers.fdtd.power import dissipated, outflow
from emdose.solvers.fdtd.setup.domain import faces, make_domain
from emdose.solvers.fdtd.solver import Fdtd
from emdose.solvers.yee_grid.edge_currents import deposit, divergence
from emdose.validation.cases.volume_integral import gel


def graded(seed: int = 0, n: int = 40) -> RectilinearGrid:
    rng = np.random.default_rng(seed)
    return RectilinearGrid(*(np.cumsum(rng.uniform(0.01, 0.02, n)) - 0.3 for _ in range(3)))


def test_filaments_keep_charge_and_moment():
    # Oracle: Kirchhoff's law at every node; the moment I A n of a polygon that has the area of its circle.
    grid = graded()
    for coil in (Birdcage(rungs=8, radius_m=0.12, length_m=0.2), Loop(0.1, normal=(0.2, 0.3, 1.0))):
        currents = deposit(coil.segments, coil.currents, grid)
        assert np.abs(divergence(currents, grid)).max() < 1e-14
    place, vector = np.zeros((2, len(currents.edges), 3))
    for n, (c, *node) in enumerate(currents.edges):
        step = grid.steps(c)[node[c]]
        place[n] = [grid.nodes(a)[node[a]] for a in range(3)]
        place[n, c] += 0.5 * step
        vector[n, c] = step * currents.weights[0, n].real
    moment = 0.5 * np.cross(place, vector).sum(axis=0)
    assert np.allclose(moment, math.pi * 0.01 * np.array([0.2, 0.3, 1.0]) / math.sqrt(1.13), atol=1e-12)
    assert np.abs(vector.sum(axis=0)).max() < 1e-14


def test_an_open_filament_leaves_its_charge_at_its_ends():
    # Oracle: trilinear weights of the two ends.
    grid = RectilinearGrid(*(np.arange(6) * 0.01 for _ in range(3)))
    currents = deposit(np.array([[[0.01, 0.012, 0.015], [0.033, 0.012, 0.03]]]), np.ones((1, 1)), grid)
    charge = divergence(currents, grid)[0].real
    assert charge[1, 1, 1] == pytest.approx(0.8 * 0.5)
    assert charge[1, 2, 2] == pytest.approx(0.2 * 0.5)
    assert charge[4, 1, 3] == pytest.approx(-0.3 * 0.8)
    assert abs(charge.sum()) < 1e-15


def test_a_filament_along_an_edge_is_that_edge():
    # Oracle: the definition.
    grid = RectilinearGrid(*(np.arange(6) * 0.01 for _ in range(3)))
    currents = deposit(np.array([[[0.02, 0.01, 0.03], [0.02, 0.02, 0.03]]]), np.full((1, 1), 2.0), grid)
    assert currents.edges.tolist() == [[1, 2, 1, 3]]
    assert currents.weights[0, 0] == pytest.approx(2.0)


def test_filaments_must_stay_in_the_grid():
    grid = RectilinearGrid(*(np.arange(6) * 0.01 for _ in range(3)))
    with pytest.raises(InputError, match="a filament leaves the grid"):
        deposit(np.array([[[0.02, 0.01, 0.03], [0.02, 0.07, 0.03]]]), np.ones((1, 1)), grid)


def test_the_domain_keeps_the_voxels():
    # Oracle: the phantom's own node planes, and the ratio of neighbouring steps.
    body = bodies.sphere(0.05, 0.01, gel()).translate((0.003, 0.0, 0.0))
    exposure = Exposure(body, Birdcage(rungs=4, radius_m=0.1, length_m=0.1, shield_radius_m=0.13), 128e6)
    for solver, factor in ((Fdtd(), 1), (Fdtd(spacing_m=0.004), 3)):
        domain = make_domain(solver, exposure)
        assert domain.factor == factor
        for a in range(3):
            nodes, steps = domain.grid.nodes(a)[domain.core[a]], domain.grid.steps(a)
            assert np.allclose(nodes[::factor], body.grid.nodes(a), atol=1e-12)
            ratio = steps[1:] / steps[:-1]
            assert max(ratio.max(), 1 / ratio.min()) <= solver.growth * (1 + 1e-9)
            assert domain.grid.nodes(a)[0] < -0.13 - 0.05
            assert np.ptp(steps[: domain.absorber_cells + 1]) < 1e-12
        low, high = domain.power_box
        assert all(b > s for b, s in zip(high, domain.source[1], strict=True))
        assert all(domain.absorber_cells < b < s for b, s in zip(low, domain.source[0], strict=True))


def test_a_plane_wave_gets_a_uniform_grid():
    body = bodies.sphere(0.05, 0.01, gel())
    domain = make_domain(Fdtd(margin_m=0.06), Exposure(body, PlaneWave(), 128e6))
    assert domain.grid.is_uniform
    low, high = domain.wave_box
    assert all(o < w for o, w in zip(domain.power_box[0], low, strict=True))
    assert all(o > w for o, w in zip(domain.power_box[1], high, strict=True))


@pytest.mark.parametrize(
    ("solver", "words"),
    [
        (Fdtd(spacing_m=0.02), "cells larger than the voxels"),
        (Fdtd(spacing_m=1e-9), "spacing_m: too many cells along x; found '2e.08 cells'"),
        (Fdtd(margin_m=1e7), "margin_m: too many cells along x"),
        (Fdtd(margin_m=0.01), "body or source too close to the absorber"),
        (Fdtd(bounds_m=((-0.2,) * 3, (0.2, 0.2, 0.06))), "too close to the absorber on the high z side"),
        (Fdtd(bounds_m=((-0.2,) * 3, (0.05, 0.2, 0.2)), walls="pec"), "too close to the wall on the high x side"),
    ],
)
def test_domains_that_cannot_be(solver, words):
    body = bodies.sphere(0.05, 0.01, gel())
    coil = Birdcage(rungs=4, radius_m=0.1, length_m=0.1)
    with pytest.raises(InputError, match=words):
        make_domain(solver, Exposure(body, coil, 128e6))


def test_flux_of_a_plane_wave_through_a_graded_box():
    # Oracle: Poynting's theorem on the grid: what goes in goes out; the share of one face is S times its area.
    grid = graded(3, 14)
    k, box = 2.0, ((3, 2, 4), (9, 8, 10))
    E, B = [], []
    for cut in faces(box):
        e, b = np.zeros((2, 1, 3, *(s.stop - s.start for s in cut)), complex)
        z = grid.nodes(2)[cut[2]]
        half = grid.centres(2)[slice(cut[2].start, min(cut[2].stop, grid.shape[2]))]
        e[0, 0] = np.exp(-1j * k * z)
        b[0, 1, ..., : len(half)] = np.exp(-1j * k * half) / 299_792_458.0
        E.append(e)
        B.append(b)
    total = outflow(E, B, box, grid)[0, 0].real
    for n in (0, 1, 2, 3, 4):
        E[n][:] = 0
    one = outflow(E, B, box, grid)[0, 0].real
    width = np.sum(grid.steps(0)[3:9]) * np.sum(grid.dual_steps(1)[2:9])
    last = 0.5 * np.cos(k * 0.5 * grid.steps(2)[10]) / (MU_0 * 299_792_458.0) * width
    assert one == pytest.approx(last, rel=1e-9)
    assert abs(total) < 2e-3 * one


def test_dissipation_is_hermitian_and_counts_edges():
    # Oracle: the sum written out.
    rng = np.random.default_rng(1)
    E = rng.normal(size=(2, 3, 4, 4, 4)) + 1j * rng.normal(size=(2, 3, 4, 4, 4))
    sigma = rng.uniform(size=(3, 4, 4, 4)) * (rng.uniform(size=(3, 4, 4, 4)) > 0.5)
    M = dissipated(E, sigma, 1e-6)
    assert np.allclose(M, M.conj().T)
    v = np.array([1.0, 2j])
    expected = 0.5e-6 * np.sum(sigma * np.abs(v[0] * E[0] + v[1] * E[1]) ** 2)
    assert np.vdot(v, M @ v).real == pytest.approx(expected)


def ring(monitor: Monitor, decay: complex, windows: int, noise: float = 0.0, second: float = 0.0) -> int:
    """Windows until a sum that approaches 1 as exp(-decay n) (+ second exp(-0.05 n)) has converged, or -1."""
    rng = np.random.default_rng(0)
    for n in range(windows):
        value = np.array([1.0 + np.exp(-decay * n) + second * math.exp(-0.05 * n) + noise * rng.normal(), 3.0])
        if monitor.update(10 + n, math.exp(-2 * complex(decay).real * n), {"fields": value}):
            return n
    return -1


def test_convergence_is_not_called_early():
    # Oracle: geometric series: at the end the true remainder is below the tolerance, and not far below it.
    for decay in (0.02, 0.1, 0.5, 2.0):
        n = ring(Monitor(1e-3, 5), decay, 2000)
        assert 0 < math.exp(-decay * n) <= 3.2e-3
    # What rings at another frequency turns; the remainder is about the change itself, not a hundred times it.
    n = ring(Monitor(1e-3, 5), 0.01 + 2.0j, 2000)
    assert 3e-4 < math.exp(-0.01 * n) <= 4e-3
    # A slow rest at the frequency itself is seen beneath.
    n = ring(Monitor(1e-3, 5), 0.1 + 2.0j, 2000, second=0.1)
    assert 0.1 * math.exp(-0.05 * n) <= 4e-3
    assert ring(Monitor(1e-4, 5), 0.5, 100, noise=1e-8) > 0
    assert ring(Monitor(1e-3, 5), 0.0, 100) == -1
    assert ring(Monitor(1e-3, 500), 0.5, 100) == -1


def test_growth_is_seen_and_states_survive():
    # Oracle: an exponential; and the monitor that was not interrupted.
    first = Monitor(1e-3, 0)
    assert ring(first, -0.3, 12) == -1
    assert first.grows
    a = Monitor(1e-3, 5)
    ring(a, 0.3, 8)
    b = Monitor(1e-3, 5)
    b.restore(a.state())
    for n in (8, 9):
        value = {"fields": np.array([1 + math.exp(-0.3 * n), 3.0])}
        assert a.update(20 + n, 1e-9, value) == b.update(20 + n, 1e-9, value)
    assert a.history == b.history
    assert not a.grows
