"""Water-content EPT. Oracle: the calibration points themselves, and differences for the uncertainty."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.ept import Flag
from emdose.ept.water_content import WaterContent
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

MODEL = WaterContent((0.7, 0.83, 0.98), (0.34, 0.59, 2.14), (52.5, 73.5, 84.0), 128e6, "example")
GRID = Grid((4, 3, 2), 1e-3)


def test_calibration_points_come_back_and_between_them_it_is_monotone() -> None:
    """Interpolation: exact at the points, increasing in between."""
    water = np.linspace(0.68, 0.99, 24).reshape(GRID.shape)
    water.flat[:3] = MODEL.water
    found = MODEL.reconstruct(water, GRID)
    assert np.allclose(found.conductivity.flat[:3], MODEL.conductivity)
    assert np.allclose(found.permittivity.flat[:3], MODEL.permittivity)
    order = np.argsort(water.ravel())
    assert np.all(np.diff(found.conductivity.ravel()[order]) >= 0)
    assert np.all(np.diff(found.permittivity.ravel()[order]) >= 0)


def test_uncertainty_follows_the_slope() -> None:
    """Central differences of the map for a narrow uncertainty; both properties follow one number."""
    water = np.full(GRID.shape, 0.8)
    found = MODEL.reconstruct(water, GRID, u_water=1e-4)
    low, high = (MODEL.reconstruct(water + s, GRID) for s in (-1e-5, 1e-5))
    assert found.u_conductivity[0, 0, 0] == pytest.approx(
        1e-4 * (high.conductivity - low.conductivity)[0, 0, 0] / 2e-5, rel=1e-4
    )
    assert np.allclose(found.covariance, found.u_conductivity * found.u_permittivity, rtol=1e-4)


@pytest.mark.parametrize("water", [0.70, 0.705, 0.83, 0.98])
def test_uncertainty_is_the_scatter_at_the_flat_end_too(water: float) -> None:
    """Monte Carlo over the water fraction; at the driest tissue the cubic ends flat, and its slope says u = 0."""
    grid = Grid((100, 100, 4), 1e-3)
    stated = MODEL.reconstruct(np.full(GRID.shape, water), GRID, u_water=0.01)
    noise = 0.01 * np.random.default_rng(1).normal(size=grid.shape)
    drawn = MODEL.reconstruct(water + noise, grid)
    for name in ("conductivity", "permittivity"):
        value = getattr(stated, name)[0, 0, 0]
        scatter = np.sqrt(np.nanmean((getattr(drawn, name) - value) ** 2))
        assert getattr(stated, f"u_{name}")[0, 0, 0] == pytest.approx(scatter, rel=0.03)
    assert stated.u_conductivity[0, 0, 0] > 0.005


def test_outside_the_calibration_there_is_no_value() -> None:
    """By definition."""
    water = np.full(GRID.shape, 0.8)
    water[0, 0, 0], water[1, 0, 0] = 0.3, np.nan
    found = MODEL.reconstruct(water, GRID, mask=np.ones(GRID.shape))
    assert np.isnan(found.conductivity[0, 0, 0])
    assert found.flags[0, 0, 0] == Flag.NO_FIT
    assert found.flags[1, 0, 0] == Flag.NO_FIT
    assert found.valid.sum() == GRID.size - 2


def test_calibrations_from_samples_and_from_the_tissue_table() -> None:
    """Samples of a straight line give that line; the table gives its tissues back."""
    rng = np.random.default_rng(0)
    water = rng.uniform(0.6, 1.0, 400)
    fitted = WaterContent.fitted(water, 2 * water, 80 * water, 128e6, points=5)
    found = fitted.reconstruct(np.full(GRID.shape, 0.8), GRID)
    assert found.conductivity[0, 0, 0] == pytest.approx(1.6, rel=1e-6)
    table = WaterContent.from_tissues({"grey_matter": 0.83, "white_matter": 0.70}, 128e6)
    assert table.conductivity[0] < table.conductivity[1]
    assert "white_matter" in table.source


def test_bad_input() -> None:
    """One clear line each."""
    with pytest.raises(InputError, match="percent"):
        MODEL.reconstruct(np.full(GRID.shape, 80.0), GRID)
    with pytest.raises(InputError, match="does not fit"):
        MODEL.reconstruct(np.ones((2, 2, 2)), GRID)
    with pytest.raises(InputError, match="monotone"):
        WaterContent((0.7, 0.8), (0.5, 0.4), (50.0, 60.0), 128e6)
    with pytest.raises(InputError, match="do not grow"):
        WaterContent.fitted(np.linspace(0, 1, 9), -np.linspace(0, 1, 9), np.linspace(50, 60, 9), 128e6)
