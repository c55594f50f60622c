"""A head from probability maps: shells of known thickness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from emdose.errors import InputError
from emdose.models.bodies import from_probability_maps
from emdose.models.grids.grid import Grid


def ball_maps(h: float = 2e-3, n: int = 50) -> tuple[dict[str, np.ndarray], Grid]:
    """White matter of 25 mm inside grey of 40 mm, with a ventricle of 8 mm."""
    grid = Grid((n, n, n), h)
    x, y, z = grid.centre_points()
    r = np.sqrt(x**2 + y**2 + z**2)
    return {"white_matter": ((r < 0.025) & (r > 0.008)) * 1.0, "grey_matter": ((r >= 0.025) & (r < 0.04)) * 1.0}, grid


@pytest.mark.parametrize("spacing", [2e-3, 3e-3, 4e-3])
def test_shells_around_a_ball(spacing: float) -> None:
    """Oracles: closed forms of the ball's and the shells' volumes; topology: the skull has no holes."""
    maps, grid = ball_maps()
    head = from_probability_maps(maps, grid, spacing_m=spacing)
    volume = {k: v * 1e6 for k, v in head.tissue_volume().items()}
    assert volume["grey_matter"] == pytest.approx(4 / 3 * np.pi * (4**3 - 2.5**3), rel=0.03)
    outer = 0.04
    for tissue, thickness in (("cerebrospinal_fluid", 2e-3), ("skull", 7e-3), ("fat", 4e-3), ("scalp", 3e-3)):
        inner, outer = outer, outer + thickness
        shell = 4 / 3 * np.pi * (outer**3 - inner**3) * 1e6
        ventricle = 4 / 3 * np.pi * 0.8**3 if tissue == "cerebrospinal_fluid" else 0.0
        # The layers are made on voxels of 1.5 mm, whose distances are a fraction of a voxel off.
        assert volume[tissue] == pytest.approx(shell + ventricle, rel=0.15)
    names = [t.name for t in head.tissues]
    parts, _ = ndimage.label(head.labels != names.index("skull"))
    assert parts[head.grid.index_of((0, 0, 0))] != parts[0, 0, 0]
    assert names[head.labels[head.grid.index_of((1e-4, 1e-4, 1e-4))]] == "cerebrospinal_fluid"
    touching = ndimage.binary_dilation(~head.body) & head.body
    assert {names[i] for i in np.unique(head.labels[touching])} <= {"scalp", "fat"}


def test_masses_do_not_depend_on_the_voxels() -> None:
    """Oracle: conservation: the layers are the same at every spacing."""
    maps, grid = ball_maps()
    coarse, fine = (from_probability_maps(maps, grid, spacing_m=h).tissue_mass() for h in (5e-3, 2e-3))
    assert coarse == pytest.approx(fine, rel=0.03)


def test_maps_that_are_none() -> None:
    """Oracle: the contract."""
    maps, grid = ball_maps()
    bad = [
        {},
        {"white_matter": maps["white_matter"][:-1]},
        {"white_matter": 255 * maps["white_matter"]},
        {"white_matter": 0 * maps["white_matter"]},
        {"unobtainium": maps["white_matter"]},
    ]
    for wrong in bad:
        with pytest.raises(InputError):
            from_probability_maps(wrong, grid)
    with pytest.raises(InputError):
        from_probability_maps(maps, grid, spacing_m=0)
