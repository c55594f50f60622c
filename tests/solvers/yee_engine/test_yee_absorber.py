"""The absorbing layer: reflection of waves and near fields, and what is left after a long time."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from emdose.compute import backend
from emdose.models.grids.rectilinear import RectilinearGrid
from emdose.solvers.yee_engine import (
    Cpml,
    CurrentSource,
    Engine,
    Gaussian,
    ModulatedGaussian,
    YeeProblem,
    materials_from_voxels,
    vacuum,
)

CPU = backend.get("cpu")
FREQUENCIES = np.array([50e6, 64e6, 128e6, 300e6, 500e6])


@cache
def corridor(margin: int, d: float, steps: int) -> tuple[np.ndarray, float]:
    """E along a line current's corridor of 12 x 50 cells with walls ``margin`` cells out, (steps, points)."""
    source, points = (5, 6), [(1, 6), (1, 25), (1, 45), (11, 45), (6, 45)]
    grid = RectilinearGrid(np.array([0.0, 1.0]), np.arange(13 + 2 * margin) * d, np.arange(51 + 2 * margin) * d)
    current = CurrentSource(
        "s", np.array([[0, 0, source[0] + margin, source[1] + margin]]), np.ones(1), Gaussian(500e6)
    )
    walls = ("pec", "pec", "cpml", "cpml", "cpml", "cpml")
    engine = Engine(YeeProblem(grid, vacuum(grid), walls, Cpml(), sources=[current]), CPU, "float64")
    trace, e = [], engine.tables.lattice.view(engine.tables.e)
    for _ in range(steps):
        engine.advance(1)
        trace.append([e[0, 0, a + margin, b + margin] for a, b in points])
    return np.array(trace), engine.dt


def test_waves_and_near_fields_are_absorbed() -> None:
    """Oracle: the same source on a grid so large that its walls cannot answer in time.

    The source is 5 cells (5 cm) from a wall, the points are up to 40 cells along it: angles from normal to grazing, and
    at 50 MHz all of it within a tenth of a wavelength, where the field is evanescent.
    """
    steps = 700
    (found, dt), (expected, _) = corridor(10, 0.01, steps), corridor(255, 0.01, steps)
    kernel = np.exp(-2j * np.pi * FREQUENCIES[:, None] * (np.arange(steps) + 1) * dt)
    spectra = kernel @ found, kernel @ expected
    reflected_dB = 20 * np.log10(np.abs(spectra[0] - spectra[1]) / np.abs(spectra[1]))
    assert reflected_dB.max() < -60, reflected_dB
    assert np.all(np.abs(found - expected).max(0) < 1e-3 * np.abs(expected).max(0))


@pytest.mark.parametrize(("graded", "courant", "steps"), [(False, 0.3, 640), (True, 0.3, 640), (False, 0.9, 213)])
def test_a_medium_that_runs_into_the_wall_is_absorbed(graded: bool, courant: float, steps: int) -> None:
    """Oracle: the same pulse in a medium of permittivity 9 in a tube so long that its end cannot answer.

    With time steps as in vacuum, and as long as the medium allows (where growing steps reach -49 dB).
    """
    found = []
    for cells in (60, 240):
        x = np.arange(cells + 1) * 0.01
        if graded:  # the layer's own steps grow
            x = np.concatenate([x[: cells + 1 - 10], x[cells - 10] + np.cumsum(0.01 * 1.1 ** np.arange(1, 11))])
        grid = RectilinearGrid(x, np.arange(3) * 0.01, np.arange(3) * 0.01)
        materials = materials_from_voxels(grid, np.zeros(grid.shape, np.uint8), np.array([9.0]), np.array([0.01]))
        sheet = np.array([[2, 30, j, k] for j in range(3) for k in range(2)])
        source = CurrentSource("s", sheet, np.where(sheet[:, 2] == 1, 0.01, 0.005), ModulatedGaussian(400e6, 300e6))
        walls = ("cpml", "cpml", "pmc", "pmc", "pec", "pec")
        engine = Engine(YeeProblem(grid, materials, walls, sources=[source], courant=courant), CPU, "float64")
        trace, e = [], engine.tables.lattice.view(engine.tables.e)
        for _ in range(steps):
            engine.advance(1)
            trace.append(e[2, 40, 1, 1])
        found.append(np.array(trace))
    # At x- both tubes end after 30 cells; the round trip to the far end of the long one takes 2000 short steps.
    # In a conductor the layer is worse than in vacuum: -60 dB with equal steps, -51 dB with growing ones.
    assert np.abs(found[0] - found[1]).max() < (3e-3 if graded else 1e-3) * np.abs(found[1]).max()


def tissue_run(steps: int, parts: int) -> list[float]:
    """Energies of a 40^3 grid with a lossy body 8 cells from the walls' inner border, after a pulse."""
    n = 40
    grid = RectilinearGrid(*(np.arange(n + 1) * 0.005 for _ in range(3)))
    labels = np.zeros(grid.shape, np.uint8)
    labels[16:24, 16:24, 16:24] = 1
    labels[17:20, 17:23, 18:22] = 2
    materials = materials_from_voxels(grid, labels, np.array([1.0, 60.0, 6.0]), np.array([0.0, 0.8, 0.05]))
    source = CurrentSource(
        "s", np.array([[2, 13, 20, k] for k in range(17, 23)]), np.ones(6), ModulatedGaussian(300e6, 200e6)
    )
    engine = Engine(YeeProblem(grid, materials, cpml=Cpml(8), sources=[source]), CPU)
    energies = []
    for _ in range(parts):
        engine.advance(steps // parts)
        energies.append(engine.check())
    return energies


def test_nothing_grows_late() -> None:
    """Oracle: passivity. After the pulse the energy only falls."""
    energies = tissue_run(2400, 4)
    assert np.all(np.diff(energies[1:]) < 0), energies


@pytest.mark.slow
def test_nothing_grows_in_two_hundred_thousand_steps() -> None:
    """Oracle: passivity. The pulse leaves a trace of static charge, and nothing is added to it."""
    energies = tissue_run(200_000, 20)
    assert max(energies) < 1.001 * energies[0], energies
