"""Graded grids: bounded ratio, kept planes, uniform core, absorber."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steps import worst_ratio

import emdose as em
from emdose.solvers.fdtd.graded.grading import graded_axis, graded_grid, planes_of

FINE, COARSE = 2e-3, 20e-3


@given(
    snap=st.lists(st.floats(-0.4, 0.4), max_size=6),
    ratio=st.floats(1.1, 2.0),
    fine=st.floats(1e-3, 4e-3),
)
@settings(max_examples=60, deadline=None)
def test_planes_without_a_core(snap, ratio, fine):
    # Oracle: the definition. Without a core there are always steps that fit, and every bound holds.
    x = graded_axis(-0.4, 0.4, fine, COARSE, snap_m=snap, ratio=ratio)
    assert (x[0], x[-1]) == (-0.4, 0.4)
    assert np.all(np.diff(x) > 0)
    assert worst_ratio(x) <= ratio * (1 + 1e-6)
    assert np.diff(x).max() <= COARSE * (1 + 1e-9)
    for value in snap:
        assert np.abs(x - value).min() <= 0.5 * fine * (1 + 1e-9)
    apart = [s for s in snap if min([abs(s - t) for t in [*snap, -0.4, 0.4] if t != s]) > 0.5 * fine]
    for value in apart:
        assert np.abs(x - value).min() <= 1e-12


@given(
    gap=st.floats(0.012, 0.2),
    more=st.lists(st.floats(0.02, 0.1), max_size=3),
    step=st.sampled_from([2e-3, 4e-3, 5e-3]),
)
@settings(max_examples=60, deadline=None)
def test_core_is_kept_exactly(gap, more, step):
    # Oracle: the definition. The core's planes are there, bit for bit, and none between them.
    core = -0.1 + step * np.arange(round(0.2 / step) + 1)
    far = core[-1] + gap + np.concatenate([[0.0], np.cumsum(more)])
    snap = [*far, *(-far - (core[0] + core[-1]))]
    x = graded_axis(-0.8, 0.8, FINE, COARSE, snap_m=snap, core_m=core, ratio=1.3)
    first = int(np.searchsorted(x, core[0]))
    np.testing.assert_array_equal(x[first : first + len(core)], core)
    assert worst_ratio(x) <= 1.3 * (1 + 1e-6)
    assert np.diff(x).max() <= COARSE * (1 + 1e-9)
    for value in snap:
        assert np.abs(x - value).min() <= 1e-12


def test_grading_saves_cells():
    # Oracle: geometric growth. From 2 mm to 20 mm at 1.3 takes about nine cells on each side.
    x = graded_axis(-0.5, 0.5, FINE, COARSE, core_m=np.linspace(-0.1, 0.1, 101), ratio=1.3)
    growing = np.diff(x)[np.diff(x) < 0.97 * np.diff(x).max()]
    assert len(x) - 1 <= 100 + 2 * (0.4 / COARSE + 10)
    assert len(growing) - 100 <= 2 * 22


def test_grid_with_absorber_and_planes_of_a_coil():
    # Oracle: definition; the absorber's cells repeat the last one.
    coil = em.CircuitBirdcage(rungs=8, length_m=0.21, shield_radius_m=0.19)
    x, y, z = planes_of(coil)
    np.testing.assert_allclose(z, [-0.1575, -0.105, 0.105, 0.1575])
    assert {-0.19, 0.19} <= set(np.round(x, 9)) & set(np.round(y, 9))
    loop = planes_of(em.CapacitorLoop(size_m=(0.1, 0.06), capacitors=2))
    np.testing.assert_allclose(loop[0], [-0.05, -0.0025, 0.0025, 0.05])
    np.testing.assert_allclose(loop[1], [-0.03, 0.03])
    core = em.Grid((40, 40, 40), 5e-3)
    low, high = (-0.3, -0.3, -0.3), (0.3, 0.3, 0.3)
    grid = graded_grid(low, high, 5e-3, 20e-3, snap_m=([], [], z), core=core, absorber_cells=10)
    plain = graded_grid(low, high, 5e-3, 20e-3, snap_m=([], [], z), core=core)
    assert tuple(n + 20 for n in plain.shape) == grid.shape
    for a in range(3):
        np.testing.assert_allclose(grid.steps(a)[:11], grid.steps(a)[10], rtol=1e-9)
        np.testing.assert_allclose(grid.steps(a)[-11:], grid.steps(a)[-11], rtol=1e-9)
        np.testing.assert_array_equal(grid.nodes(a)[10:-10], plain.nodes(a))
        assert np.isin(core.nodes(a), grid.nodes(a)).all()
    for value in z:
        assert np.abs(grid.z - value).min() < 1e-12


def test_bad_grading_is_one_clear_line():
    # Oracle: the list of bad input of the FDTD issue.
    core = np.linspace(-0.1, 0.1, 41)
    cases = [
        ({"ratio": 1.0}, "grading ratio beyond bounds; found 1.0; expected > 1 and <= 2"),
        ({"ratio": 3.0}, "grading ratio beyond bounds"),
        ({"snap_m": [0.1031], "core_m": core}, "no steps fit between two planes; found '0.0031 m"),
        ({"snap_m": [0.5]}, "outside the grid"),
        ({"core_m": [0.0, -0.1]}, "bad core"),
        ({"core_m": [0.0, 0.005, 0.02]}, "core breaks the bounds"),
        ({"core_m": [0.0, 0.1, 0.2]}, "core breaks the bounds"),
        ({"finest_m": 0.0}, "must be positive"),
        ({"finest_m": 0.03}, "finest step above"),
        ({"high_m": -1.0}, "bad ends"),
    ]
    for change, words in cases:
        arguments = {"low_m": -0.4, "high_m": 0.4, "finest_m": FINE, "coarsest_m": COARSE} | change
        with pytest.raises(em.InputError, match=words) as caught:
            graded_axis(**arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(em.InputError, match="bad count"):
        graded_grid((0, 0, 0), (1, 1, 1), 0.1, 0.2, absorber_cells=-1)
