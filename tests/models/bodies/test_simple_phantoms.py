"""Spheres, cylinders and boxes against the closed form of their volume."""

from __future__ import annotations

import numpy as np
import pytest

from emdose.errors import InputError
from emdose.models import bodies
from emdose.models.bodies.solids import box, ellipsoid, elliptic_cylinder, grid_around, rasterise


@pytest.mark.parametrize("samples", [1, 4])
def test_volume_of_a_sphere_converges(samples: int) -> None:
    """Oracle: closed form 4/3 pi R^3, mean error over several radii falls when the voxels get smaller."""
    errors = []
    for h in (8e-3, 4e-3, 2e-3):
        radii = 0.04 + h * np.linspace(0, 1, 7)
        volumes = [bodies.sphere(r, h, samples=samples).volume_m3 for r in radii]
        errors.append(np.abs(np.array(volumes) / (4 / 3 * np.pi * radii**3) - 1).mean())
    assert errors[2] < 0.5 * errors[1] < 0.35 * errors[0]
    assert errors[2] < 0.005


def test_layers_of_a_sphere() -> None:
    """Oracle: closed form of each shell's volume; densities of the table for the mass."""
    body = bodies.layered_sphere((0.05, 0.07, 0.08), ("grey_matter", "bone_cortical", "skin"), 2e-3)
    volume, inner = body.tissue_volume(), 0.0
    for name, r in (("grey_matter", 0.05), ("bone_cortical", 0.07), ("skin", 0.08)):
        assert volume[name] == pytest.approx(4 / 3 * np.pi * (r**3 - inner**3), rel=0.01)
        inner = r
    assert body.mass_kg == pytest.approx(sum(volume[t.name] * t.density_kg_m3 for t in body.tissues[1:]))


def test_cylinder_and_box() -> None:
    """Oracles: pi R^2 L; the ASTM F2182 box on voxels that divide it, exactly."""
    assert bodies.cylinder(0.1, 0.24, 4e-3).volume_m3 == pytest.approx(np.pi * 0.01 * 0.24, rel=0.01)
    gel = bodies.gel_box(1e-2, (0.42, 0.10, 0.66))
    assert gel.volume_m3 == pytest.approx(0.42 * 0.10 * 0.66, rel=1e-12)
    assert bodies.gel_box(5e-3).tissues[1].conductivity(64e6) == pytest.approx(0.47)


def test_bodies_are_centred_and_mirrored() -> None:
    """Oracle: symmetry under x -> -x, and a voxel corner at the isocentre."""
    body = bodies.sphere(0.0333, 5e-3)
    np.testing.assert_array_equal(body.labels, body.labels[::-1])
    assert any(abs(v) < 1e-15 for v in body.grid.nodes(0))
    assert body.grid.shape == (16, 16, 16)


@pytest.mark.parametrize(
    "make",
    [
        lambda: bodies.sphere(0, 1e-3),
        lambda: bodies.sphere(-0.1, 1e-3),
        lambda: bodies.sphere(0.1, 0),
        lambda: bodies.sphere(0.1, float("nan")),
        lambda: bodies.sphere(0.1, 1e-9),
        lambda: bodies.sphere(0.1, 1e-2, "unobtainium"),
        lambda: bodies.sphere(0.1, 1e-2, "air"),
        lambda: bodies.sphere(1e-3, 0.1),
        lambda: bodies.sphere(0.1, 1e-2, samples=0),
        lambda: bodies.layered_sphere((0.1, 0.05), ("fat", "skin"), 1e-2),
        lambda: bodies.layered_sphere((0.1,), ("fat", "skin"), 1e-2),
        lambda: bodies.cylinder(0.1, float("inf"), 1e-2),
        lambda: bodies.gel_box(1e-2, (0.1, 0.1)),
        lambda: bodies.layered_head(0.05),
        lambda: bodies.layered_head(5e-3, scale=0),
        lambda: bodies.stylised_adult(5e-3, landmark="toe"),
        lambda: bodies.stylised_adult(1e-4),
    ],
)
def test_bad_dimensions(make: object) -> None:
    """Oracle: one InputError, whatever is wrong."""
    with pytest.raises(InputError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "moments", "volume"),
    [
        (ellipsoid, (1 / 5, 1 / 5, 1 / 5), 4 / 3 * np.pi),
        (elliptic_cylinder, (1 / 4, 1 / 4, 1 / 3), 2 * np.pi),
        (box, (1 / 3, 1 / 3, 1 / 3), 8.0),
    ],
)
def test_solids_away_from_the_isocentre(make: object, moments: tuple[float, ...], volume: float) -> None:
    """Oracles: volume, centre and second moments (parts of the squared semi-axes), no two lengths alike."""
    centre, semi = (0.031, -0.017, 0.052), (0.02, 0.03, 0.013)
    solid = make("muscle", centre, semi)  # type: ignore[operator]
    body = rasterise([solid], grid_around([solid], 1e-3))
    assert body.volume_m3 == pytest.approx(volume * np.prod(semi), rel=0.01)
    where = np.nonzero(body.body)
    for axis in range(3):
        x = body.grid.centres(axis)[where[axis]]
        assert x.mean() == pytest.approx(centre[axis], abs=1e-4)
        assert x.var() == pytest.approx(moments[axis] * semi[axis] ** 2, rel=0.02)
