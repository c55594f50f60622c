from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from packed import unpacked_runs

from emdose.models.grids.grid import Grid
from emdose.report.maps.volumes import LEVELS, NO_VALUE, Layer, body_box, colour_table, find_peak, pack, quantise, runs

RNG = np.random.default_rng(7)


def decoded(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def body_and_map(shape: tuple[int, int, int] = (9, 7, 8)) -> tuple[Grid, np.ndarray, np.ndarray]:
    labels = np.zeros(shape, np.uint8)
    labels[2:7, 1:6, 3:6] = 3
    labels[3:5, 2:4, 4:6] = 9
    return Grid(shape, (4e-3, 5e-3, 6e-3)), labels, RNG.random(shape) * 3.0


def test_quantisation_error_is_half_a_step():
    """Oracle: rounding to the nearest of LEVELS + 1 equal steps is off by at most max / (2 LEVELS)."""
    value = RNG.random(20_000) ** 6 * 123.4
    codes, step = quantise(value)
    assert np.abs(codes * step - value).max() <= value.max() / (2 * LEVELS) * (1 + 1e-12)
    assert codes[value.argmax()] == LEVELS


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_have_their_own_code(bad: float):
    """Oracle: the definition of NO_VALUE; no other voxel may use it."""
    codes, step = quantise(np.array([0.0, 2.0, bad, -1.0]))
    assert codes.tolist() == [0, LEVELS, NO_VALUE, 0]
    assert step == 2.0 / LEVELS


def test_map_of_zeros_has_a_step():
    """Oracle: zeros come back as zeros, and nothing divides by the step of a map without values."""
    for value in (np.zeros(5), np.full(5, np.nan)):
        codes, step = quantise(value)
        assert np.isfinite(step)
        assert step > 0
        assert set(codes.tolist()) <= {0, NO_VALUE}


def test_peak_position_is_the_centre_of_its_voxel():
    """Oracle: low corner plus (index + 1/2) spacings; voxels outside the body and NaN do not count."""
    grid, labels, value = body_and_map()
    value[0, 0, 0], value[4, 3, 4], value[3, 3, 4] = 99.0, 7.0, np.nan
    peak = find_peak(value, labels != 0, grid, factor=10.0)
    assert peak is not None
    assert peak.index == (4, 3, 4)
    assert peak.value == pytest.approx(70.0)
    expected = [o + (i + 0.5) * s for o, i, s in zip(grid.origin_m, peak.index, grid.spacing_m, strict=True)]
    assert peak.position_m == pytest.approx(expected)
    assert find_peak(np.full(grid.shape, np.nan), labels != 0, grid) is None


def test_packed_volume_unpacks_to_the_same_maps():
    """Oracle: what was put in, read back the way the viewer reads it (labels of the box, values of the body only)."""
    grid, labels, value = body_and_map()
    data, present = pack(grid, labels, [Layer("sar", "SAR", "W/kg", value)])
    assert present.tolist() == [3, 9]
    low, high = body_box(labels != 0)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    codes = unpacked_runs(data["label_runs"]).reshape(data["shape"])
    assert np.array_equal(np.array([0, 3, 9])[codes], labels[box])
    packed = decoded(data["maps"][0]["data"], "<u2")
    assert packed.size == (labels != 0).sum()
    error = packed * data["maps"][0]["step"] - value[box][codes != 0]
    assert np.abs(error).max() <= 0.5 * data["maps"][0]["step"] * (1 + 1e-9)
    corner = [o + i * s for o, i, s in zip(grid.origin_m, low, grid.spacing_m, strict=True)]
    assert data["origin_mm"] == pytest.approx([1e3 * c for c in corner])


def test_blocks_keep_the_largest_value_and_the_body():
    """Oracle: brute force over the blocks; the peak must survive drawing fewer voxels."""
    grid, labels, value = body_and_map((16, 17, 15))
    value[6, 5, 5] = 55.0
    data, _ = pack(grid, labels, [Layer("sar", "SAR", "W/kg", value)], budget_bytes=40)
    f = data["block"]
    assert f > 1
    codes = unpacked_runs(data["label_runs"]).reshape(data["shape"])
    packed = decoded(data["maps"][0]["data"], "<u2") * data["maps"][0]["step"]
    assert packed.max() == pytest.approx(55.0)
    low, high = body_box(labels != 0)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    cut, inside = value[box], labels[box] != 0
    expected = []
    for index in np.argwhere(codes != 0):
        part = tuple(slice(f * i, f * i + f) for i in index)
        expected.append(cut[part][inside[part]].max())
    assert np.allclose(packed, expected, atol=0.51 * data["maps"][0]["step"])
    assert data["spacing_mm"] == pytest.approx([1e3 * s * f for s in grid.spacing_m])


def test_many_labels_come_back():
    """Oracle: 343 labels in runs of one."""
    labels = np.arange(343, dtype=np.uint16).reshape(7, 7, 7)
    data, present = pack(Grid((7, 7, 7), 1e-3), labels, [])
    assert np.array_equal(unpacked_runs(data["label_runs"]).reshape(7, 7, 7), labels)
    assert present.tolist() == list(range(1, 343))


@pytest.mark.parametrize("name", ["inferno", "viridis"])
def test_colour_tables_get_brighter_step_by_step(name: str):
    """Oracle: a perceptually uniform sequential map has a luminance that never falls (Rec. 709 weights, 8 bit)."""
    rgb = decoded(colour_table(name), "<u1").reshape(256, 3).astype(float)
    luminance = rgb @ [0.2126, 0.7152, 0.0722]
    assert np.diff(luminance).min() > -1.0
    assert luminance[-1] - luminance[0] > 150


def test_long_runs_are_split():
    """Oracle: read back; few pairs for a body of one label, however large."""
    codes = np.zeros(200_000, int)
    codes[70_000:199_000] = 5
    assert np.array_equal(unpacked_runs(runs(codes)), codes)
    assert decoded(runs(codes), "<u2").size == 2 * 5


@pytest.mark.parametrize("layers", [4, pytest.param(7, marks=pytest.mark.slow)])
def test_an_adult_of_two_millimetres_stays_within_the_budget(layers: int):
    """Oracle: the text as a page carries it, below what 5 MB leave for the rest; the largest value is kept."""
    shape = (260, 130, 880)
    x, y, z = (np.linspace(-1, 1, n) for n in shape)
    inside = (x[:, None, None] ** 2 + y[:, None] ** 2 + z**2) < 1
    labels = np.where(inside, 1 + (np.arange(shape[2]) // 7 % 40), 0).astype(np.uint8)
    value = np.where(inside, np.abs(np.sin(40 * z)) + x[:, None, None] ** 2, np.nan).astype(np.float32)
    data, _ = pack(Grid(shape, 2e-3), labels, [Layer(f"m{n}", "m", "W/kg", value) for n in range(layers)])
    assert len(json.dumps(data)) < 4.3e6
    assert data["block"] <= 5
    assert data["maps"][0]["peak"]["value"] == pytest.approx(float(np.nanmax(value)))


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.int64])
def test_labels_of_any_integer_type_are_numbered_the_same(kind: type):
    """Oracle: the same labels as bytes."""
    grid, labels, value = body_and_map()
    layer = [Layer("m", "m", "W/kg", value)]
    wanted, present = pack(grid, labels, layer)
    found, same = pack(grid, labels.astype(kind), layer)
    assert found == wanted
    assert same.tolist() == present.tolist() == [3, 9]
