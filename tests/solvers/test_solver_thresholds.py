"""From where on solvers warn or refuse: each limit just below and just above. Oracle of every test: the stated rule."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import emdose as em
from emdose.constants import C_0
from emdose.errors import EmdoseWarning
from emdose.models import bodies
from emdose.models.bodies.tissues import Constant, Tissue, TissueTable
from emdose.models.grids.grid import Grid
from emdose.solvers.fdtd.convergence import Monitor
from emdose.solvers.results.power_tensor import PowerTensor
from emdose.solvers.surface.mesh import Surface


def said(call: Callable[[], object], words: str) -> bool:
    """Whether a call warns in these words."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return any(issubclass(w.category, EmdoseWarning) and words in str(w.message) for w in caught)


@pytest.mark.parametrize("solver", [em.Vie(tolerance=1e-2), em.Fdtd()])
@pytest.mark.parametrize(("cells", "doubted"), [(10.1, False), (9.9, True)])
def test_cells_per_wavelength_in_the_densest_tissue(solver: em.Vie | em.Fdtd, cells: float, doubted: bool) -> None:
    """Ten: with a relative permittivity of 36 on cells of 10 mm, at c / (6 cells h)."""
    dense, thin = (Tissue(f"eps {e}", 1000.0, Constant(e, 0.0)) for e in (36.0, 4.0))
    body = bodies.layered_sphere((0.02, 0.04), (dense, thin), 1e-2)
    exposure = em.Exposure(body, em.PlaneWave(), C_0 / (6 * cells * 1e-2))
    run = solver.solve if isinstance(solver, em.Vie) else solver.plan
    assert said(lambda: run(exposure, device="cpu"), "cells per wavelength") == doubted  # type: ignore[operator]


@pytest.mark.parametrize(("factor", "doubted"), [(1.0008, False), (1.0012, True)])
def test_power_beyond_the_highest_solved_frequency(factor: float, doubted: bool) -> None:
    """A thousandth beyond it is rounding."""
    f, cells = np.array([100.0, 1e3, 1e4]), np.array([[0, 0, 0]], np.int32)
    matrix = np.eye(3) * (f / (1 + f / 1e3))[:, None, None] * 1e-6
    loss = matrix[..., None].astype(np.complex64)
    tensor = PowerTensor(f, ("dBx/dt", "dBy/dt", "dBz/dt"), matrix, Grid((1, 1, 1), 1e-2), cells, loss)
    assert said(lambda: tensor.at(1e4 * factor), "beyond the highest solved frequency") == doubted


@pytest.mark.parametrize(("last", "grows"), [(1.98, False), (2.02, True)])
def test_energy_that_doubles_in_six_windows_grows(last: float, grows: bool) -> None:
    """And only where it never fell in between, and not before there are six."""
    monitor = Monitor(1e-3, 0)
    steady = np.linspace(1.0, last, 7).tolist()
    monitor.energies = [9.0, *steady]
    assert monitor.grows == grows
    monitor.energies = steady[1:]
    assert not monitor.grows
    monitor.energies = [*steady[:3], steady[1], *steady[4:-1], 5.0]
    assert not monitor.grows


@pytest.mark.parametrize(("sides", "creased"), [(8, True), (10, False)])
def test_edges_of_45_degrees_are_creases_and_those_of_36_are_not(sides: int, creased: bool) -> None:
    """The limit is 40: edges along prisms of eight and of ten sides; their rims of 90 degrees always are."""
    n, phi = np.arange(sides), 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([np.cos(phi), np.sin(phi)], axis=1)
    vertices = [np.c_[ring, 0 * phi - 0.5], np.c_[ring, 0 * phi + 0.5], [[0, 0, -0.5], [0, 0, 0.5]]]
    low, high, next_, bottom, top = n, sides + n, (n + 1) % sides, 0 * n + 2 * sides, 0 * n + 2 * sides + 1
    faces = [(low, next_, high), (next_, sides + next_, high), (bottom, next_, low), (top, high, sides + next_)]
    prism = Surface(np.concatenate(vertices), np.concatenate([np.stack(f, axis=1) for f in faces]))
    assert prism.volumes.sum() == pytest.approx(0.5 * sides * np.sin(2 * np.pi / sides))
    first, second = prism.edges.T
    straight = np.abs(first - second) == sides
    straight &= np.maximum(first, second) < 2 * sides
    rim = (first // sides == second // sides) & (np.maximum(first, second) < 2 * sides)
    assert straight.sum() == sides
    assert rim.sum() == 2 * sides
    assert np.all(prism.crease_edges[straight] == creased)
    assert prism.crease_edges[rim].all()
    assert not prism.crease_edges[~straight & ~rim].any()


@pytest.mark.parametrize(("share", "doubted"), [(0.047, False), (0.053, True)])
def test_power_beside_a_resampled_body_is_kept_and_told(share: float, doubted: bool) -> None:
    """A bump of one fine voxel that coarse ones do not have; five percent of the power in it is worth a word."""
    body = bodies.gel_box(2e-3, (0.024, 0.024, 0.024), "muscle").pad(6)
    labels = np.array(body.labels)
    inside = labels > 0
    bump = (12, 12, int(np.flatnonzero(inside[12, 12])[-1]) + 1)
    labels[bump] = 1
    air, muscle = TissueTable.default()["air"], TissueTable.default()["muscle"]
    body = bodies.Phantom(body.grid, labels, (air, muscle))
    volume = body.grid.voxel_volume_m3
    q = np.where(inside, (1 - share) / inside.sum(), 0.0) / volume
    q[bump] = share / volume
    solver = em.Bioheat(spacing_m=8e-3, tolerance=1e-2)
    course = []
    assert (
        said(
            lambda: course.append(solver.solve_sar(body, duration_s=10.0, power_W_m3=q)),
            "fell beside the resampled body",
        )
        == doubted
    )
    assert course[0].power_W == pytest.approx(1.0, rel=1e-5)
