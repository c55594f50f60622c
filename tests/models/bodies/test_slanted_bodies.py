"""Bodies turned at a slant about any point: every voxel goes where the rotation matrix sends it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from emdose.models.bodies import Phantom
from emdose.models.bodies.solids import box, rasterise
from emdose.models.grids.grid import Grid

SPACING_M = (2e-3, 2.5e-3, 3e-3)


@pytest.fixture(scope="module")
def body() -> Phantom:
    """Two bars across each other, away from the middle of a grid whose three spacings differ."""
    grid = Grid((24, 20, 16), SPACING_M, (-0.031, 0.012, -0.02))
    bars = [
        box("muscle", (-0.012, 0.031, -0.004), (12e-3, 5e-3, 6e-3)),
        box("fat", (-0.002, 0.041, 0.007), (4e-3, 10e-3, 4.5e-3)),
    ]
    made = rasterise(bars, grid)
    return made.with_regions(fat=made.labels == [t.name for t in made.tissues].index("fat"))


def centre(body: Phantom, mask: np.ndarray) -> np.ndarray:
    where = np.nonzero(mask)
    return np.array([body.grid.centres(a)[where[a]].mean() for a in range(3)])


@pytest.mark.parametrize("axis", ["x", "y", "z"])
@pytest.mark.parametrize("angle_deg", [33.0, -127.0, 90.0])
@pytest.mark.parametrize("about_m", [(0.04, -0.03, 0.05), None])
def test_centres_follow_the_rotation_matrix(
    body: Phantom, axis: str, angle_deg: float, about_m: tuple[float, float, float] | None
) -> None:
    """Oracle: R (c - p) + p with R from SciPy; sampling moves a centre by a fraction of a voxel.

    The vote takes edges off bars that are four voxels thick: up to 10 % of the volume.
    """
    turned = body.rotate(angle_deg, axis, about_m)
    about = np.array(about_m) if about_m else 0.5 * np.sum(body.grid.bounds_m, axis=0)
    R = Rotation.from_euler(axis, angle_deg, degrees=True).as_matrix()
    for name in (t.name for t in body.tissues[1:]):
        masks = [b.labels == [t.name for t in b.tissues].index(name) for b in (body, turned)]
        expected = R @ (centre(body, masks[0]) - about) + about
        np.testing.assert_allclose(centre(turned, masks[1]), expected, atol=0.3 * min(SPACING_M))
        assert masks[1].sum() * turned.grid.voxel_volume_m3 == pytest.approx(
            masks[0].sum() * body.grid.voxel_volume_m3, rel=0.12
        )
    expected = R @ (centre(body, body.regions["fat"]) - about) + about
    np.testing.assert_allclose(centre(turned, turned.regions["fat"]), expected, atol=0.3 * min(SPACING_M))
    # The labels at the turned centre of each bar, point by point.
    for point in ((-0.020, 0.031, -0.004), (-0.002, 0.048, 0.007)):
        there = turned.grid.index_of(tuple(R @ (np.array(point) - about) + about))
        here = body.grid.index_of(point)
        assert turned.tissues[turned.labels[there]].name == body.tissues[body.labels[here]].name


def test_a_slant_and_back_is_the_same_body(body: Phantom) -> None:
    """Oracle: identity, but for voxels at the surface."""
    about = (0.02, 0.0, -0.03)
    back = body.rotate(30.0, "y", about).rotate(-30.0, "y", about)
    middle = body.grid.index_of((-0.012, 0.031, -0.004))
    point = tuple(float(body.grid.centres(a)[middle[a]]) for a in range(3))
    assert back.tissues[back.labels[back.grid.index_of(point)]].name == "muscle"
    assert back.volume_m3 == pytest.approx(body.volume_m3, rel=0.06)
    np.testing.assert_allclose(centre(back, back.body), centre(body, body.body), atol=0.3 * min(SPACING_M))
