"""Every tissue of the built-in bodies keeps its mass on voxels of any size, and so do bodies on other voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import ndimage

from emdose.models import bodies
from emdose.models.bodies import knee, layered_head, shares, stylised_adult
from emdose.models.bodies.knee import VOLUMES_ML as KNEE_ML
from emdose.models.bodies.layered_head import TISSUES, _paint
from emdose.models.bodies.layered_head import VOLUMES_ML as HEAD_ML
from emdose.models.bodies.stylised_adult import VOLUMES_ML as ADULT_ML
from emdose.models.grids.grid import Grid

SPACINGS = (2e-3, 2.5e-3, 3e-3, 4e-3, 5e-3, 6e-3)
KEPT = 0.05
VOXELS = 4  # a mirrored body takes voxels by twos and fours


def ball(r: float) -> float:
    return 4 / 3 * math.pi * r**3


def assert_kept(body: bodies.Phantom, volumes_m3: dict[str, float], kept: float = KEPT) -> None:
    found, voxel = body.tissue_volume(), body.grid.voxel_volume_m3
    for name, volume in volumes_m3.items():
        assert abs(found.get(name, 0.0) - volume) <= max(kept * volume, VOXELS * voxel), name
    total = sum(volumes_m3.values())
    assert abs(body.volume_m3 - total) <= max(kept * total, VOXELS * voxel)


@pytest.mark.parametrize("spacing", SPACINGS[1:])
def test_head_keeps_its_masses(spacing: float) -> None:
    """Oracle: volumes from points half a millimetre apart, which the next test samples in another way."""
    assert_kept(layered_head(spacing), {name: 1e-6 * v for name, v in HEAD_ML.items()}, kept=0.03)


def test_volumes_of_the_head() -> None:
    """Oracle: the painter itself at points 1.3 mm apart, on a lattice that is in line with no plane of the head."""
    step, count = 1.3, np.zeros(len(TISSUES) + 1)
    x, y, z = (np.arange(a + 0.37, b, step) for a, b in ((-90, 90), (-110, 115), (-195, 100)))
    for k in range(0, len(z), 20):
        count += np.bincount(_paint(x, y, z[k : k + 20]).ravel(), minlength=len(count))
    for name, n in zip(TISSUES, count[1:], strict=True):
        assert n * step**3 * 1e-3 == pytest.approx(HEAD_ML[name], rel=0.02 + 2 / math.sqrt(n)), name


@pytest.mark.parametrize("spacing", [4e-3, 6e-3])
def test_adult_keeps_its_masses(spacing: float) -> None:
    """Oracles: volumes from points a millimetre apart (closed forms of single organs stand in another file)."""
    adult = stylised_adult(spacing)
    known = {name: 1e-6 * v for name, v in ADULT_ML.items()}
    assert_kept(adult, known | {"fat_infiltrated": 9522e-6, "muscle": 32100e-6})


@pytest.mark.parametrize("spacing", SPACINGS[1:])
def test_knee_keeps_its_masses(spacing: float) -> None:
    """Oracle: volumes from points half a millimetre apart (closed forms of single tissues stand in another file)."""
    assert_kept(knee(spacing), {name: 1e-6 * v for name, v in KNEE_ML.items()}, kept=0.03)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_test_objects_keep_their_masses(spacing: float) -> None:
    """Oracle: closed forms of sphere, shells, cylinder, and the box of ASTM F2182."""
    for r in (0.015, 0.02, 0.03, 0.05, 0.083):
        assert_kept(bodies.sphere(r, spacing, "muscle"), {"muscle": ball(r)})
    for radii in ((0.05, 0.053, 0.06), (0.075, 0.08, 0.083)):
        names, inner = ("grey_matter", "bone_cortical", "skin"), (0.0, *radii[:-1])
        volumes = {n: ball(b) - ball(a) for n, a, b in zip(names, inner, radii, strict=True)}
        assert_kept(bodies.layered_sphere(radii, names, spacing), volumes)
    for r, length in ((0.02, 0.1), (0.05, 0.2)):
        assert_kept(bodies.cylinder(r, length, spacing, "muscle"), {"muscle": math.pi * r**2 * length})
    if spacing >= 4e-3:  # finer ones are many voxels
        assert_kept(bodies.gel_box(spacing), {"gel": 0.42 * 0.09 * 0.65})


@pytest.mark.parametrize("spacing", [2.5e-3, 4e-3, 5e-3])
def test_resampled_and_turned_bodies_keep_their_masses(spacing: float) -> None:
    """Oracle: conservation: the masses of the body on the voxels that it had."""
    head = layered_head(3e-3)
    assert_kept(head.resample(spacing), head.tissue_volume(), kept=0.03)
    small = bodies.layered_sphere((0.02, 0.022, 0.03), ("muscle", "skin", "fat"), 2e-3)
    assert_kept(small.rotate(27.0, "y"), small.tissue_volume(), kept=0.03)


def test_boxes_stay_boxes_about_the_isocentre() -> None:
    """Oracle: symmetry: faces are flat and as far to one side as to the other, also where voxels do not divide it."""
    for spacing in (6e-3, 7e-3, 1e-2):
        gel = bodies.gel_box(spacing, (0.1, 0.09, 0.2))
        filled = [gel.grid.centres(a)[gel.body.any(axis=tuple({0, 1, 2} - {a}))] for a in range(3)]
        assert gel.body.sum() == math.prod(len(x) for x in filled)
        for x in filled:
            assert x[0] == pytest.approx(-x[-1], abs=1e-12)


def test_samples_overrule_the_volumes() -> None:
    """Oracle: definition: one sample takes the tissue at the centre of the voxel."""
    grid = bodies.sphere(0.01, 4e-3, samples=1).grid
    x, y, z = grid.centre_points()
    np.testing.assert_array_equal(bodies.sphere(0.01, 4e-3, samples=1).body, x**2 + y**2 + z**2 <= 1e-4)
    assert bodies.sphere(0.01, 6e-3).body.sum() != bodies.sphere(0.01, 6e-3, samples=1).body.sum()


def test_assignment_is_the_best_at_its_counts() -> None:
    """Oracle: linear programming (HiGHS) on the same transport problem."""
    from scipy.optimize import linprog

    rng = np.random.default_rng(7)
    rows, k = 60, 4
    share = rng.dirichlet(np.ones(k), rows)
    counts = np.array([25, 20, 10, 5])
    row, label = np.repeat(np.arange(rows), k), np.tile(np.arange(k), rows)
    found = shares.assigned(row, label, share.ravel(), counts)
    np.testing.assert_array_equal(np.bincount(found, minlength=k), counts)
    equal = np.vstack([np.kron(np.eye(rows), np.ones(k)), np.tile(np.eye(k), rows)])
    best = linprog(-share.ravel(), A_eq=equal, b_eq=np.r_[np.ones(rows), counts], bounds=(0, 1))
    assert share[np.arange(rows), found].sum() == pytest.approx(-best.fun, rel=1e-9)


def test_thin_layers_are_spread_not_lost() -> None:
    """Oracle: proportion: half a voxel of skin on a flat slab is every other voxel of each part of it."""
    slab = bodies.Phantom(
        Grid((40, 40, 12), 1e-3),
        np.broadcast_to(np.r_[0, 0, 1, 1, 1, 1, 1, 1, 2, 0, 0, 0], (40, 40, 12)),
        bodies.layered_sphere((0.01, 0.02), ("muscle", "skin"), 2e-3).tissues,
    )
    coarse = slab.resample(2e-3)
    skin = coarse.labels == 2
    assert skin.sum() * 8 == (slab.labels == 2).sum()
    quarters = [skin[i : i + 10, j : j + 10].sum() for i in (0, 10) for j in (0, 10)]
    assert max(quarters) <= 1.25 * min(quarters)
    assert ndimage.label(skin)[1] > 1
