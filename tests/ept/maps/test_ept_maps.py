"""B1Map, phase unwrapping, filters and metrics. Oracles: the values that were put in, brute force, definitions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.ept_cases import cylinder

from emdose.ept import B1Map, Flag, PropertyMap, filters, mean_of_repeats, relative_noise
from emdose.ept.judging.metrics import metrics
from emdose.ept.maps.phase import is_wrapped, unwrap
from emdose.errors import InputError
from emdose.models.grids.grid import Grid

SHAPE = (6, 7, 5)
GRID = Grid(SHAPE, (2e-3, 1.5e-3, 3e-3))


def b1(**changes: object) -> B1Map:
    base = {"grid": GRID, "frequency_Hz": 64e6, "magnitude": np.ones(SHAPE), "phase": np.zeros(SHAPE)}
    return B1Map(**{**base, **changes})  # type: ignore[arg-type]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), slope=st.floats(-2.5, 2.5))
def test_unwrapping_restores_a_smooth_phase(seed: int, slope: float) -> None:
    """Oracle: the phase before wrapping, up to whole turns per connected part."""
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 8, 11)) < 0.9
    x, y, z = np.meshgrid(np.arange(9), np.arange(8), np.arange(11), indexing="ij")
    phase = slope * x + 0.3 * slope * y * np.cos(0.4 * z) + 0.2 * rng.normal(size=mask.shape).clip(-1, 1)
    wrapped = np.angle(np.exp(1j * phase))
    done = unwrap(wrapped, mask)
    assert np.array_equal(done[~mask], wrapped[~mask])
    turns = (done - phase)[mask] / (2 * np.pi)
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)
    from scipy.ndimage import label

    parts, _ = label(mask)
    biggest = parts == np.argmax(np.bincount(parts[parts > 0]))
    if np.all(np.abs([np.abs(np.diff(phase, axis=a)).max() for a in range(3)]) < 3.1):
        assert np.ptp((done - phase)[biggest & mask]) < 1e-9


def test_wraps_are_seen_only_inside_the_mask() -> None:
    """Oracle: a jump of 2 pi between two voxels."""
    phase = np.where(np.arange(6) < 3, 3.0, -3.0)[:, None, None] * np.ones(SHAPE)
    assert is_wrapped(phase, np.ones(SHAPE, bool))
    assert not is_wrapped(phase, phase > 0)
    assert b1(phase=phase).wrapped
    assert np.ptp(b1(phase=phase, phase_kind="transmit").transmit_phase) == pytest.approx(2 * np.pi - 6)
    assert np.ptp(b1(phase=phase).transmit_phase) == pytest.approx(np.pi - 3)


def test_default_mask_and_regions() -> None:
    """Oracle: by definition finite and positive; labels of the mask are numbered from 1."""
    magnitude = np.ones(SHAPE)
    magnitude[0] = 0
    phase = np.zeros(SHAPE)
    phase[1, 0] = np.nan
    labels = np.full(SHAPE, 40)
    labels[3:] = 7
    found = b1(magnitude=magnitude, phase=phase, labels=labels)
    assert found.mask is not None
    assert found.mask.sum() == 5 * 35 - 5
    assert set(np.unique(found.regions)) == {0, 1, 2}
    assert np.all(found.regions[3:] == 1)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"frequency_Hz": None}, "frequency missing"),
        ({"frequency_Hz": 127.74}, "frequency too low"),
        ({"grid": Grid(SHAPE, 2e-6)}, "voxel size cannot be in metres"),
        ({"phase": np.linspace(-180, 180, 210).reshape(SHAPE)}, "phase is not in radians"),
        ({"phase": np.zeros((6, 7, 4))}, "shape does not fit"),
        ({"magnitude": np.ones((3, *SHAPE))}, "shape does not fit"),
        ({"magnitude": np.ones(SHAPE, complex)}, "complex values"),
        ({"mask": np.zeros(SHAPE)}, "mask is empty"),
        ({"mask": np.ones((6, 7))}, "shape does not fit"),
        ({"phase": np.full(SHAPE, np.nan), "mask": np.ones(SHAPE)}, "not finite"),
        ({"phase": np.full(SHAPE, np.nan)}, "mask is empty"),
        ({"magnitude": None, "phase": None}, "neither magnitude nor phase"),
        ({"phase_kind": "receive"}, "unknown kind of phase"),
        ({"u_phase": -0.1}, "not a standard uncertainty"),
        ({"u_magnitude": np.zeros(SHAPE)}, "not a standard uncertainty"),
        ({"magnitude": None, "u_magnitude": 0.1}, "uncertainty without magnitude"),
    ],
)
def test_bad_maps_are_refused_in_one_line(change: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        b1(**change)
    assert "\n" not in str(caught.value)


def test_relative_noise_and_channels() -> None:
    """Oracle: by definition u(a) = a / SNR, u(phase) = 1 / SNR."""
    magnitude = np.linspace(1, 2, 210).reshape(SHAPE)
    one = relative_noise(b1(magnitude=magnitude), 0.02)
    np.testing.assert_allclose(one.u_magnitude, 0.02 * magnitude)
    assert one.u_phase == 0.02
    assert relative_noise(one, (0.01, 0.03)).u_phase == 0.03
    several = b1(magnitude=np.stack([magnitude, 2 * magnitude]), phase=np.zeros((2, *SHAPE)))
    assert several.channels == 2
    np.testing.assert_array_equal(several.channel(1).magnitude, 2 * magnitude)
    with pytest.raises(InputError, match="too few repeated"):
        mean_of_repeats([one, one])


def property_map(sigma: np.ndarray, flags: np.ndarray | None = None, **more: object) -> PropertyMap:
    flags = np.zeros(SHAPE, np.uint8) if flags is None else flags
    return PropertyMap(GRID, 64e6, sigma, None, flags, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ["cuboid", "cross", "ellipsoid"])
def test_median_is_that_of_the_valid_neighbours(kernel: str) -> None:
    """Oracle: brute force over every voxel, with labels, a reference image and voxels without value."""
    rng = np.random.default_rng(4)
    sigma, labels, reference = rng.random(SHAPE), rng.integers(0, 2, SHAPE), rng.uniform(1, 1.3, SHAPE)
    flags = np.where(rng.random(SHAPE) < 0.2, Flag.NO_FIT, 0).astype(np.uint8)
    maps = property_map(np.where(flags, np.nan, sigma), flags)
    done = filters.median(maps, (1, 2, 1), kernel, labels, reference, 0.15).conductivity
    assert done is not None
    for v in np.ndindex(SHAPE):
        near = []
        for w in np.ndindex(SHAPE):
            step = np.abs(np.subtract(v, w)) / (1, 2, 1)
            inside = {
                "cuboid": step.max() <= 1,
                "cross": step.max() <= 1 and np.count_nonzero(step) <= 1,
                "ellipsoid": (step**2).sum() <= 1 + 1e-12,
            }[kernel]
            close = abs(reference[v] - reference[w]) <= 0.15 * min(reference[v], reference[w])
            if inside and close and labels[v] == labels[w] and not flags[w]:
                near.append(sigma[w])
        if flags[v]:
            assert np.isnan(done[v])
        else:
            assert done[v] == pytest.approx(np.median(near))


def test_weighted_mean_of_independent_looking_values() -> None:
    """Oracle: sum(v/u^2)/sum(1/u^2); without knowledge of the correlation u is that of fully correlated values."""
    rng = np.random.default_rng(4)
    sigma, u = rng.random(SHAPE), rng.uniform(0.1, 0.5, SHAPE)
    done = filters.weighted_mean(property_map(sigma, u_conductivity=u), 1)
    v = (slice(1, 4), slice(2, 5), slice(0, 3))
    w = 1 / u[v] ** 2
    assert done.conductivity is not None
    assert done.u_conductivity is not None
    assert done.conductivity[2, 3, 1] == pytest.approx((w * sigma[v]).sum() / w.sum())
    assert done.u_conductivity[2, 3, 1] == pytest.approx((w * u[v]).sum() / w.sum())
    with pytest.raises(InputError, match="weights need an uncertainty"):
        filters.weighted_mean(property_map(sigma))


def test_metrics_are_their_definitions() -> None:
    """Oracle: NumPy on the same voxels; one huge error counts in the RMSE, not in the best 99 %."""
    shape = (20, 20, 20)
    grid = Grid(shape, 1e-3)
    labels = np.zeros(shape, int)
    labels[3:17, 3:17, 3:17] = 1
    labels[3:17, 3:17, 3:10] = 2
    rng = np.random.default_rng(0)
    truth = np.where(labels == 1, 0.5, 1.0)
    sigma = truth + 0.1 * rng.normal(size=shape)
    sigma[10, 10, 12] = 100.0
    flags = np.zeros(shape, np.uint8)
    flags[5, 5, 12] = Flag.NO_FIT
    found = PropertyMap(grid, 64e6, sigma, None, flags)
    rows = {(r.region, r.erosion): r for r in metrics(found, truth, None, labels, {1: "a", 2: "b"})}
    assert len(rows) == 9
    one = rows["a", 2]
    pick = np.zeros(shape, bool)
    from scipy.ndimage import binary_erosion

    pick = binary_erosion(labels == 1, iterations=2) & (flags == 0)
    values = sigma[pick]
    assert one.voxels == pick.sum()
    assert one.missing == (1 if binary_erosion(labels == 1, iterations=2)[5, 5, 12] else 0)
    assert one.mean == pytest.approx(values.mean())
    assert one.sd == pytest.approx(values.std(ddof=1))
    assert one.median == pytest.approx(np.median(values))
    assert one.iqr == pytest.approx(np.subtract(*np.percentile(values, [75, 25])))
    assert one.rmse == pytest.approx(np.sqrt(np.mean((values - 0.5) ** 2)))
    assert one.nrmse == pytest.approx(one.rmse / 0.5)
    assert one.nrmse > 5 > 0.3 > one.nrmse_best_99 > 0.15
    assert rows["whole", 0].voxels == 14**3 - 1
    assert rows["b", 4].voxels == 0
    # Without names every label above 0 is a tissue, by its number.
    plain = {(r.region, r.erosion): r for r in metrics(found, truth, None, labels)}
    assert {r for r, _ in plain} == {"whole", "1", "2"}
    assert plain["1", 2] == one._replace(region="1")
    assert plain["whole", 0] == rows["whole", 0]
    with pytest.raises(InputError, match="nothing to compare"):
        metrics(found, None, np.ones(shape), labels)


def test_region_mean_refuses_what_it_cannot_do() -> None:
    maps = property_map(np.full(SHAPE, 0.5), np.full(SHAPE, Flag.NO_FIT, np.uint8))
    with pytest.raises(InputError, match="no voxel of the region"):
        maps.region_mean(np.ones(SHAPE, bool))
    with pytest.raises(InputError, match="does not fit"):
        maps.region_mean(np.ones((2, 2, 2), bool))
    fine = replace(maps, flags=np.zeros(SHAPE, np.uint8)).region_mean(np.ones(SHAPE, bool))
    assert fine.conductivity == pytest.approx(0.5)
    assert fine.u_conductivity is None


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"frequency_Hz": 127.74e3}, "frequency too low"),
        ({"frequency_Hz": 127.74e9}, "frequency too high"),
        ({"magnitude": np.where(np.arange(210).reshape(SHAPE) == 50, 1e29, 1e-6)}, "far beyond all others"),
        ({"magnitude": np.full(SHAPE, 1e40)}, "magnitude out of range"),
        ({"magnitude": np.where(np.arange(210).reshape(SHAPE) == 50, -1.0, 1.0)}, "negative magnitude"),
        ({"magnitude": np.zeros(SHAPE), "mask": np.ones(SHAPE)}, "magnitude is zero"),
        ({"mask": np.full(SHAPE, "yes")}, "not a map of real numbers"),
        ({"labels": np.full(SHAPE, 1j)}, "not a map of real numbers"),
        ({"phase_unit": "grad"}, "unknown unit"),
        ({"phase_unit": 0}, "bad unit of the phase"),
        ({"phase_sign": 0}, "bad sign of the phase"),
    ],
)
def test_values_beyond_measure_are_refused_in_one_line(change: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        b1(**change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("unit", "turn"), [("pi", 2.0), ("turns", 1.0)])
def test_wraps_of_another_unit_are_seen(unit: str, turn: float) -> None:
    """Oracle: the same phase, wrapped in its unit; in radians, and without wraps, nothing is refused."""
    shape = (30, 30, 4)
    x, y, _ = np.meshgrid(*map(np.arange, shape), indexing="ij")
    true = 0.02 * ((x - 14) ** 2 + (y - 15) ** 2)
    wrapped = (true / (2 * np.pi) * turn + turn / 2) % turn - turn / 2
    grid = Grid(shape, 2e-3)
    with pytest.raises(InputError, match=f"phase_unit='{unit}'"):
        B1Map(grid, 64e6, None, wrapped)
    found = B1Map(grid, 64e6, None, wrapped, phase_unit=unit)
    turns = (2 * found.transmit_phase - true) / (2 * np.pi)
    np.testing.assert_allclose(turns, turns[0, 0, 0], atol=1e-9)
    B1Map(grid, 64e6, None, 0.99 * true / true.max() * turn)


def test_unit_and_sign_are_applied_once() -> None:
    """Oracle: by hand; what is derived from a map keeps its radians."""
    phase = np.linspace(-90, 90, 210).reshape(SHAPE)
    for unit, factor in (("deg", np.pi / 180), (2 * np.pi / 4096, 2 * np.pi / 4096)):
        found = b1(phase=phase / (1 if unit == "deg" else 0.1), phase_unit=unit, phase_sign=-1, u_phase=0.01)
        expected = -factor * phase / (1 if unit == "deg" else 0.1)
        np.testing.assert_allclose(found.phase, expected)
        np.testing.assert_allclose(replace(found, u_phase=0.02).phase, expected)
        assert found.u_phase == 0.01


@pytest.mark.parametrize("kind", ["F", "uint8", "float", ">f8", ">i2", "view"])
def test_masks_of_any_order_and_type_give_the_same(kind: str) -> None:
    """Oracle: the C-ordered boolean mask."""
    case = cylinder((20, 18, 8), (4e-3,) * 3, (0.03,), (60,), (0.6,))
    mask, labels = case.mask, case.mask * 3
    wanted = em_helmholtz(B1Map(case.b1.grid, 128e6, case.b1.magnitude, case.b1.phase, mask=mask, labels=labels))
    change = {
        "F": lambda a: np.asfortranarray(a),
        "view": lambda a: np.repeat(a, 2, axis=2)[:, :, ::2],
    }.get(kind, lambda a: a.astype(kind))
    maps = [change(a) if kind in ("F", ">f8", "view") else a for a in (case.b1.magnitude, case.b1.phase)]
    got = em_helmholtz(B1Map(case.b1.grid, 128e6, *maps, mask=change(mask), labels=change(labels)))
    np.testing.assert_array_equal(got, wanted)


def em_helmholtz(b1: B1Map) -> np.ndarray:
    from emdose.ept import Helmholtz

    found = Helmholtz(radius=2).reconstruct(b1, "cpu").conductivity
    assert found is not None
    return found


def test_islands_without_a_number_are_left_out() -> None:
    """Oracle: the same map with the island cut out of the mask."""
    case = cylinder((20, 18, 8), (4e-3,) * 3, (0.03,), (60,), (0.6,))
    phase = case.b1.phase.copy()
    phase[8:11, 9:11, 3:6] = np.nan
    hole = case.mask & np.isfinite(phase)
    magnitude = np.where(case.mask, case.b1.magnitude, 0)
    one, two = (
        em_helmholtz(B1Map(case.b1.grid, 128e6, magnitude, p, mask=m))
        for p, m in ((phase, None), (case.b1.phase, hole))
    )
    np.testing.assert_array_equal(one, two)
    assert np.isfinite(one[hole]).mean() > 0.9
