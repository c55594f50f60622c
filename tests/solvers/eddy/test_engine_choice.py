"""Which engine answers: estimates against what the engines say, and the thresholds between them from both sides."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import emdose as em
from emdose.compute import backend
from emdose.constants import MU_0
from emdose.errors import EmdoseWarning, InputError
from emdose.models.implants import shapes
from emdose.models.implants.metals import Metal
from emdose.models.implants.voxels import voxelise
from emdose.solvers.eddy.engines import ThinSkin, choose, deposit, fine_spacing, skin_depth
from emdose.solvers.eddy.thin_skin.power import thin_skin_power
from emdose.solvers.eddy.voxels.sources import sources_of

RADIUS_M = 0.015
BALL = shapes.sphere(RADIUS_M, "CoCrMo", subdivisions=3)
SIGMA = BALL.parts[0].metal.conductivity_S_m
BE = backend.get("cpu")


def frequency_of(depth_over_radius: float) -> float:
    return 1 / (np.pi * MU_0 * SIGMA * (depth_over_radius * RADIUS_M) ** 2)


def test_guess_before_any_field_is_the_estimate_after_it() -> None:
    """Oracle: on a ball all balls inside are as large, so that weights by area and by loss make the same mean.

    With balls of exactly the radius, 4 exp(-2 a/delta) + 0.06 (delta/a)^2; those of the mesh are up to 12 % smaller.
    """
    depths = np.array([0.1, 0.2, 0.35])
    f = np.array([frequency_of(d) for d in depths])
    guess = ThinSkin(BALL, f, sources_of("uniform", (0.0, 0.0, 0.0)), BE).guess
    after = thin_skin_power(BALL, f, BE).error_estimate
    np.testing.assert_allclose(guess, after, rtol=0.05)
    exact = 4 * np.exp(-2 / depths) + 0.06 * depths**2
    assert np.all((guess > 0.95 * exact) & (guess < 2 * exact))


def test_guess_of_two_parts_is_their_mean_by_area() -> None:
    """Oracle: the sum rule, for parts of unlike size and metal."""
    small = shapes.sphere(0.005, "Ti6Al4V", subdivisions=2)
    f, sources = np.array([2e4, 2e5]), sources_of("uniform", (0.0, 0.0, 0.0))
    both = SimpleNamespace(parts=(*BALL.parts, *small.parts))
    areas = np.array([RADIUS_M**2, 0.005**2])
    guesses = [ThinSkin(i, f, sources, BE).guess for i in (BALL, small)]
    found = ThinSkin(both, f, sources, BE).guess  # type: ignore[arg-type]
    np.testing.assert_allclose(found, areas @ np.array(guesses) / areas.sum(), rtol=0.01)
    assert np.all(found <= 1)


class Told:
    """A thin skin of which guess and errors are given, and which remembers what it was asked to compute."""

    def __init__(self, guess: list[float], errors: list[float]) -> None:
        self.guess, self._errors, self.asked = np.array(guess), np.array(errors), []

    def errors(self, these: np.ndarray) -> np.ndarray:
        self.asked += these.tolist()
        return self._errors[these]


def test_choice_from_both_sides_of_each_threshold() -> None:
    """Oracle: the rule: 1 % is good enough, and a guess of 5 % is worth its computation."""
    thin: Any = Told([0.049, 0.051, 0.049, 0.049], [0.0099, 0.0, 0.0101, 0.0])
    names = choose("auto", np.array([0.0101, 0.0101, 0.0101, 0.0099]), thin)
    assert names == ["thin-skin", "fine voxel", "fine voxel", "voxel"]
    assert thin.asked == [0, 2]
    assert choose("voxel", np.array([1.0, 0.0]), thin) == ["voxel", "voxel"]
    assert choose("auto", np.array([1.0]), None) == ["voxel"]
    assert choose("thin-skin", np.array([0.0, 1.0]), thin) == ["thin-skin", "thin-skin"]


def test_skin_depth_of_copper() -> None:
    """Oracle: 66 mm / sqrt(f / Hz) for copper of 5.8e7 S/m, the engineers' number."""
    assert skin_depth(50.0, 5.8e7) == pytest.approx(9.35e-3, rel=1e-3)
    assert skin_depth(200.0, 5.8e7) / skin_depth(50.0, 5.8e7) == pytest.approx(0.5)


def test_fine_voxels_resolve_the_skin_or_what_fits() -> None:
    """Oracle: VOXEL_ERROR (h/delta)^2 = GOOD gives h = delta / sqrt(8); less memory makes it coarser, never finer."""
    asked, depth = np.array([2e-3, 2e-3, 1e-3]), 1.5e-3
    wanted = np.minimum(asked, depth / np.sqrt(8))
    np.testing.assert_allclose(fine_spacing(asked, depth, lambda step: True), wanted)
    some = fine_spacing(asked, depth, lambda step: step.max() > 1.4 * wanted.max())
    assert some is not None
    assert 1.4 * wanted.max() < some.max() < 1.4 * 1.15 * wanted.max()
    assert fine_spacing(asked, depth, lambda step: False) is None
    np.testing.assert_allclose(fine_spacing(asked, 1.0, lambda step: True), asked)


def test_deposited_shares_of_every_triangle_are_one() -> None:
    """Oracles: conservation; a field along z heats a ball like sin^2: x^2, y^2, z^2 are 2, 2, 1 fifths of R^2."""
    power = thin_skin_power(BALL, [frequency_of(0.1)], BE)
    for step in (1e-3, 5e-3):
        cut = voxelise(BALL, step)
        metal = cut.fraction > 0
        shares = deposit(power, cut.grid, metal)
        np.testing.assert_allclose(np.asarray(shares.sum(axis=0)).ravel(), 1.0, rtol=1e-12)
        loss = shares @ (power.surface_loss[0, 2, 2].real * power.areas)
        where = np.argwhere(metal)
        centres = np.stack([cut.grid.centres(a)[where[:, a]] for a in range(3)], axis=1)
        assert np.abs(loss @ centres).max() < 0.02 * RADIUS_M * loss.sum()
        if step == 1e-3:  # half a step below the surface; the rest is the mesh and the voxels
            assert loss @ centres**2 / loss.sum() == pytest.approx(
                (RADIUS_M - 0.5 * step) ** 2 * np.array([0.4, 0.4, 0.2]), rel=0.03
            )


@pytest.mark.parametrize(("ratio", "warns"), [(2.79, True), (2.86, False)])
def test_voxels_warn_above_one_percent(ratio: float, warns: bool) -> None:
    """Oracle: 0.08 / ratio^2 = 1 % at a skin of 2.83 voxels, which lies below the 3 that count as resolved."""
    f = float(1 / (np.pi * MU_0 * SIGMA * (ratio * 3e-3) ** 2))
    solver = em.EddyCurrent(spacing_m=3e-3, engine="voxel", tolerance=1e-2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensor = solver.solve(BALL, [f])
    assert any("skin depth is" in str(w.message) for w in caught) == warns
    assert bool(tensor.warnings) == warns
    assert tensor.provenance["error_estimate"]["skin_depth"][0] == pytest.approx(0.08 / ratio**2, rel=1e-6)
    assert tensor.skin_depth_over_step[0] == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("mu_r", [1.049, 1.051])
def test_magnetic_metals_begin_at_five_percent(mu_r: float) -> None:
    """Oracle: the rule, from both sides."""
    ball = shapes.sphere(0.01, Metal("almost", 1e6, 7800, 500, 20, mu_r), subdivisions=2)
    solver = em.EddyCurrent(spacing_m=4e-3, engine="voxel", tolerance=1e-2)
    if mu_r < 1.05:
        assert solver.solve(ball, [300.0]).engine == ("voxel",)
    else:
        with pytest.raises(InputError, match="magnetisation"):
            solver.solve(ball, [300.0])


@pytest.mark.parametrize(("depth", "warns"), [(0.30, False), (0.45, True)])
def test_thin_skin_warns_where_it_is_not_thin(depth: float, warns: bool) -> None:
    """Oracle: the closed form's estimate on a ball, 4 exp(-2 a/delta) + 0.06 (delta/a)^2, on both sides of 2 %."""
    solver = em.EddyCurrent(spacing_m=4e-3, engine="thin-skin")
    estimate = 4 * np.exp(-2 / depth) + 0.06 * depth**2
    assert (estimate > 0.02) == warns
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensor = solver.solve(BALL, [frequency_of(depth)])
    assert any(issubclass(w.category, EmdoseWarning) and "skin is not thin" in str(w.message) for w in caught) == warns
    assert tensor.engine == ("thin-skin",)
