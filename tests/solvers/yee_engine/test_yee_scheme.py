"""Yee's scheme itself: conservation, dispersion, order, graded steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from emdose.compute import backend
from emdose.constants import C_0, EPS_0, MU_0
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import CurrentSource, EdgeMaterials, Engine, Gaussian, YeeProblem, vacuum

CPU = backend.get("cpu")


def box(shape: tuple[int, ...], d: float = 0.01, graded: float = 0.0) -> RectilinearGrid:
    rng = np.random.default_rng(2)
    return RectilinearGrid(
        *(np.concatenate([[0.0], np.cumsum(d * (1 + graded * rng.uniform(-1, 1, n)))]) for n in shape)
    )


def set_E(engine: Engine, component: int, value: np.ndarray) -> None:
    """Put a field [V/m] on the edges of a component."""
    cut = tuple(slice(0, n) for n in value.shape)
    lengths = engine.tables.lattice.edge_lengths(0)[component][component][: value.shape[component]]
    engine.tables.lattice.view(engine.tables.e)[(component, *cut)] = value * lengths.reshape(
        [-1 if a == component else 1 for a in range(3)]
    )


@pytest.mark.parametrize("graded", [0.0, 0.4])
@pytest.mark.parametrize("walls", [("pec",) * 6, ("pec", "pmc", "pmc", "pmc", "pec", "pmc")])
def test_energy_is_kept_in_a_closed_box(graded: float, walls: tuple[str, ...]) -> None:
    """Oracle: conservation. A pulse leaves a field behind whose energy is then constant to rounding."""
    grid = box((13, 17, 11), graded=graded)
    source = CurrentSource("kick", np.array([[2, 5, 6, 4]]), np.ones(1), Gaussian(3e9))
    engine = Engine(YeeProblem(grid, vacuum(grid), walls, sources=[source], courant=1.0), CPU, "float64")
    engine.advance(int(source.waveform.duration_s / engine.dt) + 2)
    before = engine.energy()
    engine.advance(3000)
    assert before > 0
    assert engine.energy() == pytest.approx(before, rel=1e-12)


def test_energy_is_that_of_the_field() -> None:
    """Oracle: eps/2 E^2 V of a uniform static field between two metal plates, in another dielectric."""
    grid = box((4, 5, 6), graded=0.2)
    materials = EdgeMaterials(np.ones((3, *grid.node_shape), np.uint8), np.array([0, 3 * EPS_0]), np.zeros(2))
    engine = Engine(YeeProblem(grid, materials, ("pmc", "pmc", "pmc", "pmc", "pec", "pec")), CPU, "float64")
    set_E(engine, 2, np.full((5, 6, 6), 7.0))
    low, high = grid.bounds_m
    volume = math.prod(b - a for a, b in zip(low, high, strict=True))
    assert engine.energy() == pytest.approx(0.5 * 3 * EPS_0 * 49 * volume, rel=1e-12)
    engine.advance(50)
    assert engine.energy() == pytest.approx(0.5 * 3 * EPS_0 * 49 * volume, rel=1e-12)


@pytest.mark.parametrize("mode", [(1, 1), (3, 2)])
def test_cavity_rings_at_the_frequency_of_the_discrete_dispersion(mode: tuple[int, int]) -> None:
    """Oracle: closed form. TM modes of a metal box are exact solutions of the scheme, at the frequency of

    sin^2(w dt / 2) / (c dt)^2 = sum sin^2(k d / 2) / d^2, Taflove and Hagness, 3rd ed., eq. 4.5.
    """
    grid, (p, q) = box((12, 9, 3)), mode
    engine = Engine(YeeProblem(grid, vacuum(grid), ("pec",) * 6), CPU, "float64")
    shape = np.sin(np.pi * p * np.arange(13) / 12)[:, None] * np.sin(np.pi * q * np.arange(10) / 9)
    set_E(engine, 2, np.repeat(shape[:, :, None], 3, axis=2))
    s = (math.sin(math.pi * p / 24) / 0.01) ** 2 + (math.sin(math.pi * q / 18) / 0.01) ** 2
    w = 2 / engine.dt * math.asin(C_0 * engine.dt * math.sqrt(s))
    # H starts half a step late, so the field is cos(w (t + dt/2)) / cos(w dt / 2) with H(dt/2) = 0.
    for steps in (1, 10, 100, 889):
        engine.advance(steps)
        expected = math.cos(w * (engine.step - 0.5) * engine.dt) / math.cos(0.5 * w * engine.dt)
        found = engine.tables.lattice.view(engine.tables.e)[2, 2, 3, 1] / 0.01 / shape[2, 3]
        assert found == pytest.approx(expected, abs=1e-9)


def test_second_order_in_free_space() -> None:
    """Oracle: order of convergence of a cavity's frequency to c k / 2 pi when the cells shrink."""
    errors = []
    for n in (6, 12, 24):
        grid = box((n, n, 2), 0.3 / n)
        engine = Engine(YeeProblem(grid, vacuum(grid), ("pec",) * 6), CPU, "float64")
        line = np.sin(np.pi * np.arange(n + 1) / n)
        set_E(engine, 2, np.repeat((line[:, None] * line)[:, :, None], 2, axis=2))
        w = C_0 * math.pi / 0.3 * math.sqrt(2)
        values = []
        for _ in range(round(2.0 / w * 6 / engine.dt)):
            engine.advance(1)
            values.append(engine.tables.lattice.view(engine.tables.e)[2, n // 2, n // 2, 0] / (0.15 / n))
        t = (np.arange(len(values)) + 0.5) * engine.dt
        scale = values[0] / math.cos(w * t[0])
        errors.append(np.abs(np.array(values) - scale * np.cos(w * t)).max() / abs(scale))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(np.abs(orders - 2) < 0.15), (errors, orders)


def test_graded_grid_agrees_with_a_fine_uniform_one() -> None:
    """Oracle: the same pulse in the same box on a uniform grid of the finest step, to the coarse part's error."""
    fine = box((40, 12, 12), 0.005)
    steps = np.concatenate([np.full(10, 0.005), 0.005 * 1.2 ** np.arange(1, 5)])
    x = np.concatenate([[0.0], np.cumsum(steps)])
    x = np.concatenate([x, np.linspace(x[-1], 0.2, 13)[1:]])
    graded = RectilinearGrid(x, fine.y, fine.z)
    found = []
    for grid in (fine, graded):
        source = CurrentSource("s", np.array([[2, 4, 6, k] for k in range(12)]), np.ones(12), Gaussian(1e9))
        engine = Engine(
            YeeProblem(grid, vacuum(grid), ("pmc", "pmc", "pmc", "pmc", "pec", "pec"), sources=[source], courant=0.9),
            CPU,
            "float64",
        )
        trace = []
        while engine.time < 4e-9:
            engine.advance(1)
            trace.append(engine.tables.lattice.view(engine.tables.e)[2, 8, 6, 6] / 0.005)
        t = (np.arange(len(trace)) + 1) * engine.dt
        found.append(np.interp(np.linspace(0, 4e-9, 400), t, trace))
    assert np.abs(found[0] - found[1]).max() < 0.01 * np.abs(found[0]).max()


def test_impressed_current_makes_the_field_of_a_sheet() -> None:
    """Oracle: closed form. A uniform sheet of surface current K sends waves E = -eta0 K / 2 to both sides."""
    grid = box((60, 2, 2), 0.01)
    edges = np.array([[2, 30, j, k] for j in range(3) for k in range(2)])
    pulse = Gaussian(600e6)
    width = np.where(np.isin(edges[:, 2], (0, 2)), 0.005, 0.01)  # edges on a wall carry half a cell
    source = CurrentSource("sheet", edges, 1.0 * width, pulse)
    walls = ("cpml", "cpml", "pmc", "pmc", "pec", "pec")
    engine = Engine(YeeProblem(grid, vacuum(grid), walls, sources=[source], courant=0.9), CPU, "float64")
    trace = []
    for _ in range(300):
        engine.advance(1)
        trace.append(engine.tables.lattice.view(engine.tables.e)[2, 40, 1, 1] / 0.01)
    t = (np.arange(300) + 1) * engine.dt
    expected = -0.5 * MU_0 * C_0 * pulse(t - 0.1 / C_0)
    assert np.abs(trace - expected).max() < 2e-3 * np.abs(expected).max()
