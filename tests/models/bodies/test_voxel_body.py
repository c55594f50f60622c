"""Voxel bodies: masses, maps, and what every operation must keep."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.errors import InputError
from emdose.models.bodies import Phantom, layered_sphere, rasterise, tissues
from emdose.models.bodies.solids import box, ellipsoid
from emdose.models.grids.grid import Grid

AIR, FAT, MUSCLE = (tissues.get(n) for n in ("air", "fat", "muscle"))


def body_of(seed: int, shape: tuple[int, int, int] = (7, 6, 5), spacing: object = (1e-3, 2e-3, 3e-3)) -> Phantom:
    """Random labels of two tissues with a region, off centre."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, shape)
    labels[0, 0, 0] = 1
    grid = Grid(shape, spacing, (0.01, -0.02, 0.03))  # type: ignore[arg-type]
    return Phantom(grid, labels, (AIR, FAT, MUSCLE), "random", {"part": rng.random(shape) > 0.5})


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from("xyz"), st.integers(1, 3))
def test_four_quarter_turns_are_the_identity(seed: int, axis: str, n: int) -> None:
    """Oracle: group property; the hash covers labels, grid and tissues."""
    body = turned = body_of(seed)
    for _ in range(4):
        turned = turned.rotate(90 * n, axis)
    assert turned.hash() == body.hash()
    np.testing.assert_array_equal(turned.regions["part"], body.regions["part"])
    assert body.rotate(90, axis).rotate(-90, axis, about_m=(0.1, 0.2, 0.3)).labels.shape == body.labels.shape


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from("xyz"), st.floats(-0.2, 0.2), st.integers(0, 3))
def test_moving_and_padding_keep_every_mass(seed: int, axis: str, shift: float, n: int) -> None:
    """Oracle: conservation of mass per tissue and of the region's volume."""
    body = body_of(seed)
    for other in (
        body.translate((shift, -shift, 0)),
        body.pad(n),
        body.pad((0, n, 2)).crop_to_body(n),
        body.rotate(90, axis),
        body.rotate(180, axis),
    ):
        assert other.tissue_mass() == pytest.approx(body.tissue_mass(), rel=1e-12)
        kept = (other.regions["part"] & other.body).sum()
        assert kept == (body.regions["part"] & body.body).sum()


def test_turning_goes_by_the_right_hand_rule() -> None:
    """Oracle: geometry. About z the x axis goes to y; about a point the body orbits it."""
    body = rasterise([box("muscle", (0.02, 0, 0), (2e-3, 2e-3, 2e-3))], Grid((30, 10, 10), 2e-3))
    turned = body.rotate(90, "z", about_m=(0, 0, 0))
    centre = [np.mean(turned.grid.centres(a)[np.nonzero(turned.body)[a]]) for a in range(3)]
    np.testing.assert_allclose(centre, [0, 0.02, 0], atol=1e-12)
    sampled = body.rotate(45, "z", about_m=(0, 0, 0))
    centre = [np.mean(sampled.grid.centres(a)[np.nonzero(sampled.body)[a]]) for a in range(3)]
    np.testing.assert_allclose(centre, [0.02 / np.sqrt(2), 0.02 / np.sqrt(2), 0], atol=5e-4)


@settings(max_examples=15, deadline=None)
@given(st.floats(-180, 180), st.sampled_from("xyz"))
def test_any_turn_keeps_the_volume_of_a_ball(angle: float, axis: str) -> None:
    """Oracle: a ball is invariant; sampling may change its surface voxels only."""
    ball = layered_sphere((0.02, 0.03), ("muscle", "fat"), 2e-3)
    turned = ball.rotate(angle, axis)
    assert turned.volume_m3 == pytest.approx(ball.volume_m3, rel=0.03)
    assert turned.tissue_volume()["muscle"] == pytest.approx(ball.tissue_volume()["muscle"], rel=0.05)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 3))
def test_splitting_voxels_and_joining_them_again_is_exact(seed: int, n: int) -> None:
    """Oracle: identity."""
    body = body_of(seed)
    fine = body.resample(tuple(s / n for s in body.spacing_m))  # type: ignore[arg-type]
    assert fine.tissue_mass() == pytest.approx(body.tissue_mass(), rel=1e-9)
    assert fine.resample(body.spacing_m).hash() == body.hash()


@settings(max_examples=15, deadline=None)
@given(st.floats(1.1e-3, 4e-3), st.floats(1.5e-3, 4e-3), st.floats(1.5e-3, 4e-3))
def test_resampling_keeps_volume_to_a_fraction_of_the_surface(dx: float, dy: float, dz: float) -> None:
    """Oracle: bound. A vote is off by half a voxel at most, either way: the sum stays within the surface layer."""
    ball = layered_sphere((0.03,), ("muscle",), (1e-3, 2e-3, 1.5e-3))
    back = ball.resample((dx, dy, dz)).resample(2e-3)
    layer = 4 * np.pi * 0.03**2 * max(dx, dy, dz, 2e-3)
    assert abs(back.volume_m3 - ball.volume_m3) < 0.25 * layer
    assert back.grid.is_cubic


def test_resampling_keeps_thin_layers_closed() -> None:
    """Oracle: a voxel that is half tissue stays tissue, split between tissues or not; the centre stays in place."""
    shells = layered_sphere((0.028, 0.030), ("muscle", "skin"), 1e-3).resample(5e-3)
    whole = layered_sphere((0.030,), ("muscle",), 1e-3).resample(5e-3)
    np.testing.assert_array_equal(shells.body, whole.body)
    assert np.allclose(np.add(*shells.grid.bounds_m), 0, atol=1e-12)


def test_maps_follow_the_labels() -> None:
    """Oracle: definition."""
    body = body_of(3)
    assert body.density[body.labels == 2] == pytest.approx(1090.4)
    assert body.density[~body.body].max(initial=0) == 0
    assert body.conductivity(128e6)[body.labels == 1][0] == np.float32(FAT.conductivity(128e6))
    assert body.complex_permittivity(128e6).dtype == np.complex64
    assert np.all(body.complex_permittivity(128e6)[~body.body] == 1)
    assert body.mass_kg == pytest.approx(float(body.density.sum()) * body.grid.voxel_volume_m3, rel=1e-6)


def test_air_inside_is_background() -> None:
    """Oracle: definition of background; the label of a second air is folded into 0."""
    body = Phantom(Grid((1, 1, 4), 1e-3), np.array([[[0, 1, 2, 3]]]), (AIR, FAT, AIR.replace(name="sinus"), MUSCLE))
    assert body.labels.ravel().tolist() == [0, 1, 0, 2]
    assert [t.name for t in body.tissues] == ["air", "fat", "muscle"]


def test_hash_sees_labels_grid_and_tissues_but_not_names() -> None:
    """Oracle: definition."""
    body = body_of(1)
    changed = [body.translate((1e-6, 0, 0)), body.with_tissue("fat", density_kg_m3=912.0), body.rotate(90)]
    assert len({body.hash(), *(p.hash() for p in changed)}) == 4
    assert Phantom(body.grid, body.labels, body.tissues, "other name").hash() == body.hash()
    assert pickle.loads(pickle.dumps(body)).hash() == body.hash()


def test_changed_tissue() -> None:
    """Oracle: linearity of mass in density; exact error text."""
    body = body_of(2)
    heavy = body.with_tissue("fat", density_kg_m3=2 * FAT.density_kg_m3)
    assert heavy.tissue_mass()["fat"] == pytest.approx(2 * body.tissue_mass()["fat"])
    with pytest.raises(InputError, match=r"not in this phantom; found 'fatt'; .*did you mean 'fat'"):
        body.with_tissue("fatt", density_kg_m3=900)


def test_what_cannot_be_a_phantom() -> None:
    """Oracle: the constructor's contract."""
    grid, ones = Grid((2, 2, 2), 1e-3), np.ones((2, 2, 2), int)
    for labels, table in (
        (ones[:1], (AIR, FAT)),
        (2 * ones, (AIR, FAT)),
        (-ones, (AIR, FAT)),
        (ones, (FAT, AIR)),
        (0 * ones, (AIR, FAT)),
        (0.5 * ones, (AIR, FAT)),
        (ones, ()),
    ):
        with pytest.raises(InputError):
            Phantom(grid, labels, table)
    body = Phantom(grid, ones, (AIR, FAT))
    for bad in (
        lambda: body.rotate(10, "q"),
        lambda: body.rotate(float("nan")),
        lambda: body.resample(0),
        lambda: body.pad(-1),
        lambda: body.crop((0, 0, 0), (0, 2, 2)),
        lambda: body.translate((0, 0)),
        lambda: body.resample(1e-9),
        lambda: body.crop((5, 5, 5), (6, 6, 6)),
    ):
        with pytest.raises(InputError):
            bad()
    with pytest.raises(ValueError, match="read-only"):
        body.labels[0, 0, 0] = 0


def test_later_solids_cover_earlier_ones() -> None:
    """Oracle: painter's order; air cuts a hole."""
    solids = [ellipsoid("muscle", (0, 0, 0), (0.02,) * 3), ellipsoid("air", (0, 0, 0), (0.01,) * 3)]
    body = rasterise(solids, Grid((50, 50, 50), 1e-3))
    assert body.labels[25, 25, 25] == 0
    assert body.volume_m3 == pytest.approx(4 / 3 * np.pi * (0.02**3 - 0.01**3), rel=0.01)


def test_voxels_of_millimetres_in_disguise() -> None:
    """Oracle: 10 cm, the documented largest edge; 5.0 would be five metres."""
    assert Grid((2, 2, 2), 0.1).spacing_m == (0.1, 0.1, 0.1)
    for spacing in (5.0, (2e-3, 2e-3, 0.101)):
        with pytest.raises(InputError, match=r"no voxels of a body.*metres, at most 0\.1 \(5 mm are 5e-3\)"):
            Grid((2, 2, 2), spacing)


def test_electric_hash_knows_what_fields_depend_on() -> None:
    """Oracle: fields depend on grid, permittivity and conductivity at the frequency, and on nothing else of a body."""
    body = layered_sphere((0.01, 0.02), ("muscle", "fat"), 5e-3)
    here = body.electric_hash(64e6)
    swapped = np.array([0, 2, 1], np.uint8)
    other_order = replace(body, labels=swapped[body.labels], tissues=tuple(body.tissues[i] for i in (0, 2, 1)))
    same = [
        replace(body, name="other"),
        other_order,
        replace(body, tissues=(*body.tissues, tissues.get("blood"))),
        body.with_tissue("muscle", perfusion_mL_min_kg=1.0, density_kg_m3=1000.0),
    ]
    assert {p.electric_hash(64e6) for p in same} == {here}
    moved = body.labels.copy()
    moved[tuple(np.argwhere(body.labels > 0)[0])] = 0
    other = [
        body.with_tissue("fat", conductivity_S_m=1.0),
        body.with_tissue("fat", relative_permittivity=30.0),
        body.translate((1e-3, 0.0, 0.0)),
        replace(body, labels=moved),
    ]
    assert len({here, body.electric_hash(128e6), *(p.electric_hash(64e6) for p in other)}) == 6
