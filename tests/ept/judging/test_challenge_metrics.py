"""Regions eroded by a ball. Oracle: erosion with the ball as structuring element, voxel by voxel."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from emdose.ept import Flag, PropertyMap, metrics
from emdose.ept.judging.metrics import eroded_by_ball
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

SPACING_m = (2e-3, 1.5e-3, 4e-3)


def ball(radius_m: float) -> np.ndarray:
    reach = [int(radius_m / h) + 1 for h in SPACING_m]
    offsets = np.meshgrid(*(np.arange(-n, n + 1) * h for n, h in zip(reach, SPACING_m, strict=True)), indexing="ij")
    return np.sqrt(sum(o**2 for o in offsets)) <= radius_m * (1 + 1e-9)


@pytest.mark.parametrize("radius_m", [0.0, 1.5e-3, 2e-3, 4e-3, 5.1e-3, 8e-3])
def test_ball_in_millimetres_whatever_the_voxel(radius_m: float) -> None:
    rng = np.random.default_rng(2)
    region = np.ones((22, 24, 10), bool)
    region[tuple(rng.integers(0, n, 12) for n in region.shape)] = False
    wanted = binary_erosion(region, ball(radius_m), border_value=0)
    found = eroded_by_ball(region, radius_m, SPACING_m)
    np.testing.assert_array_equal(found, wanted)
    assert 0 < found.sum() <= region.sum()


def test_rows_of_balls_are_those_of_their_voxels() -> None:
    """Oracle: the definitions of the measures, by hand."""
    rng = np.random.default_rng(3)
    shape = (20, 20, 10)
    labels = np.zeros(shape, int)
    labels[2:-2, 2:-2, 1:-1] = 1
    truth = np.full(shape, 0.5)
    values = truth + 0.1 * rng.standard_normal(shape)
    flags = np.where(labels == 0, Flag.OUTSIDE, 0).astype(np.uint8)
    found = PropertyMap(Grid(shape, SPACING_m), 64e6, values, None, flags)
    rows = metrics(found, truth, None, labels, {1: "block"}, erosion=(0,), ball_m=(0.0, 4e-3))
    assert [(r.region, r.erosion, r.ball_m) for r in rows if r.region == "block"] == [
        ("block", 0, None),
        ("block", 0, 0.0),
        ("block", 0, 4e-3),
    ]
    row = rows[-1]
    kept = values[binary_erosion(labels == 1, ball(4e-3))]
    error = np.sort((kept - 0.5) ** 2)
    best = error[: int(np.ceil(0.99 * error.size))]
    assert row.voxels == kept.size
    assert row.median == pytest.approx(np.median(kept))
    assert row.rmse == pytest.approx(np.sqrt(error.mean()))
    assert row.nrmse == pytest.approx(np.sqrt(error.mean()) / 0.5)
    assert row.nrmse_best_99 == pytest.approx(np.sqrt(best.mean()) / 0.5)
    with pytest.raises(InputError, match="bad radius of a ball"):
        metrics(found, truth, None, labels, {1: "block"}, ball_m=(-1e-3,))
