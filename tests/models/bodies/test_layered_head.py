"""The layered head: closed layers, anatomical masses, room for a coil."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import ndimage

from emdose.models import bodies
from emdose.models.bodies import Phantom
from emdose.models.bodies.layered_head import _depth

SPACINGS = (2.5e-3, 4e-3, 5e-3, 6e-3)


@pytest.fixture(scope="module", params=SPACINGS, ids=lambda h: f"{h * 1e3:g} mm")
def head(request: pytest.FixtureRequest) -> Phantom:
    return bodies.layered_head(request.param)


@pytest.fixture(scope="module")
def fine_head() -> Phantom:
    return bodies.layered_head(1.5e-3)


def mask(head: Phantom, *names: str) -> np.ndarray:
    index = [i for i, t in enumerate(head.tissues) if t.name in names]
    return np.isin(head.labels, index)


def test_masses_are_those_of_an_adult(head: Phantom) -> None:
    """Oracle: published ranges: brain 1.3 to 1.45 kg (ICRP 89) with the staircase's 5 %, head and neck near 5 kg."""
    mass = head.tissue_mass()
    brain = sum(mass[n] for n in ("grey_matter", "white_matter", "cerebellum", "brainstem"))
    assert 1.24 < brain < 1.52
    assert 4.7 < head.mass_kg < 5.7
    assert 0.06 < mass["cerebellum"] < 0.18
    eyes = sum(mass.get(n, 0) for n in ("vitreous_humour", "sclera", "lens"))
    assert 0.011 < eyes < 0.019  # two globes of 24 mm are 14.5 ml


def test_volume_does_not_depend_on_the_voxels() -> None:
    """Oracle: the surfaces are the same at every spacing; the staircase is the difference."""
    volumes = [bodies.layered_head(h).volume_m3 for h in SPACINGS]
    assert max(volumes) / min(volumes) < 1.03


def test_scalp_covers_what_its_mass_covers(head: Phantom) -> None:
    """Oracle: geometry: 2.5 mm of skin on voxels of h leave the air to fat where the nearest voxel holds more of it."""
    k = int(np.flatnonzero(head.body.any(axis=(0, 1)))[0]) + 1
    air = ~head.body[:, :, k:]
    parts, _ = ndimage.label(air)
    outside = parts == parts[0, 0, -1]
    touching = ndimage.binary_dilation(outside) & head.body[:, :, k:]
    n = touching.sum()
    assert (touching & mask(head, "scalp", "fat")[:, :, k:]).sum() > 0.99 * n
    assert (touching & mask(head, "scalp")[:, :, k:]).sum() > 0.97 * min(1.0, 2.5e-3 / head.spacing_m[0]) * n


def test_skull_is_closed_around_the_brain(head: Phantom) -> None:
    """Oracle: topology. From the brain, without crossing bone, nothing but CSF is reached above the skull base."""
    z = np.broadcast_to(head.grid.centre_points()[2], head.grid.shape)
    free = ~mask(head, "skull", "skull_diploe") & (z > -0.066)
    parts, _ = ndimage.label(free)
    reached = parts == parts[head.grid.index_of((0.03, 0.0, 0.03))]
    names = {head.tissues[i].name for i in np.unique(head.labels[reached])}
    assert names == {"grey_matter", "white_matter", "cerebellum", "brainstem", "cerebrospinal_fluid"}


def test_cortex_covers_the_white_matter(head: Phantom) -> None:
    """Oracle: anatomy. Above the cerebellum white matter touches neither the CSF around the brain nor bone."""
    z = np.broadcast_to(head.grid.centre_points()[2], head.grid.shape)
    y = np.broadcast_to(head.grid.centre_points()[1], head.grid.shape)
    touching = ndimage.binary_dilation(mask(head, "white_matter")) & (z > 0.03) & (np.abs(y) < 0.2)
    assert not (touching & mask(head, "cerebrospinal_fluid", "skull")).any()


def test_airways_are_background(head: Phantom) -> None:
    """Oracle: anatomy: sinus, nasal passage and trachea are air with tissue around."""
    for point in ((0.026, 0.058, -0.068), (0.0, 0.018, -0.12), (0.0, 0.024, -0.062)):
        assert head.labels[head.grid.index_of(point)] == 0


@pytest.mark.parametrize(
    ("centre_mm", "semi_mm", "open_to"),
    [
        ((26.0, 58.0, -68.0), (12.0, 15.0, 16.0), ()),  # maxillary sinus
        ((0.0, 24.0, -62.0), (12.0, 11.0, 9.0), ("-z", "+z")),  # sphenoid sinus, over the throat, under the skull
        ((6.0, 54.0, -66.0), (4.0, 28.0, 18.0), ("+x", "-x", "-y")),  # nasal passage, beside sinus and septum
        ((0.0, 50.0, -103.0), (20.0, 24.0, 3.0), ("-z", "+z", "-y")),  # mouth
    ],
)
def test_airways_end_at_their_ellipsoids(
    fine_head: Phantom, centre_mm: tuple[float, ...], semi_mm: tuple[float, ...], open_to: tuple[str, ...]
) -> None:
    """Oracle: the semi-axes: air just inside, tissue just outside, but where another airway follows."""
    for axis, sign in itertools.product(range(3), (-1, 1)):
        if f"{'-+'[sign > 0]}{'xyz'[axis]}" in open_to:
            continue
        for part, is_air in ((-2.0, True), (2.0, False)):
            point = np.array(centre_mm)
            point[axis] += sign * (semi_mm[axis] + part)
            for x in (-1, 1):
                at = fine_head.grid.index_of(tuple(1e-3 * point * (x, 1, 1)))
                assert (fine_head.labels[at] == 0) == is_air, (axis, sign, part, point)


def test_depth_under_an_ellipsoid_is_right_on_its_axes() -> None:
    """Oracle: distance from the surface along each axis, in and out, and the gradient's length off the axes."""
    semi, centre = (50.0, 80.0, 65.0), (3.0, -4.0, 5.0)
    for axis in range(3):
        for s in (0.5, 0.9, 1.1):
            at = [np.array([[[c]]]) for c in centre]
            at[axis] = at[axis] + s * semi[axis]
            depth = _depth((at[0], at[1], at[2]), centre, semi)
            assert depth.item() == pytest.approx((1 - s) * semi[axis], rel=1e-9)
    u = np.array([0.6, 0.48, 0.64]) * 0.98  # just under the surface
    at = [np.array([[[c + s * v]]]) for c, s, v in zip(centre, semi, u, strict=True)]
    exact = 0.02 / np.linalg.norm(u / 0.98 / semi)
    assert _depth((at[0], at[1], at[2]), centre, semi).item() == pytest.approx(exact, rel=0.03)


def test_head_is_clear_of_a_head_coil(head: Phantom) -> None:
    """Oracle: geometry: nothing beyond 130 mm of the axis, so conductors at 150 mm are clear."""
    x, y, _ = head.grid.centre_points()
    assert float(np.hypot(x, y)[..., 0][head.body.any(axis=2)].max()) < 0.13
    low, high = head.grid.bounds_m
    assert low[2] < -0.18
    assert high[2] < 0.105


def test_head_is_mirrored(head: Phantom) -> None:
    """Oracle: symmetry of the surfaces under x -> -x."""
    np.testing.assert_array_equal(head.labels, head.labels[::-1])


def test_regions_are_nested_head_extents(head: Phantom) -> None:
    """Oracle: definition: the smaller extent lies in the larger one, all of it tissue."""
    masks = list(head.regions.values())
    assert len(masks) >= 2
    assert all(name.startswith("head") for name in head.regions)
    for larger, smaller in itertools.pairwise(masks):
        assert not (smaller & ~larger).any()
        assert smaller.sum() < larger.sum()
    np.testing.assert_array_equal(masks[0], head.body)


def test_scale_scales_volume() -> None:
    """Oracle: volume goes with the third power; the same voxels per head give the same labels."""
    whole, small = bodies.layered_head(4e-3), bodies.layered_head(3.2e-3, scale=0.8)
    assert small.volume_m3 == pytest.approx(0.8**3 * whole.volume_m3, rel=1e-3)


def test_needed_tissues_are_there() -> None:
    """Oracle: the list of what a head must have."""
    names = set(bodies.layered_head(5e-3).tissue_mass())
    assert {
        "scalp",
        "fat",
        "skull",
        "cerebrospinal_fluid",
        "grey_matter",
        "white_matter",
        "vitreous_humour",
        "muscle",
        "vertebrae",
        "spinal_cord",
        "sclera",
        "tongue",
    } <= names
    assert "skull_diploe" in bodies.layered_head(2e-3).tissue_mass()
