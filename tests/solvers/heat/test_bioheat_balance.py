"""The bioheat solver: conservation, bounds, steady states, schedules, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emdose.compute import backend
from emdose.errors import EmdoseWarning, InputError, ResourceError
from emdose.solvers.heat import rise as heat_solution
from emdose.solvers.heat.problem import HeatMaps, HeatProblem
from emdose.solvers.heat.rise import heat, steady
from emdose.solvers.heat.stepping import Envelope, Perfusion, Stepper, blocks

H = 2e-3


def lump(seed: int, shape=(9, 8, 11), perfusion=3e4, metal=True, **options) -> tuple[HeatMaps, np.ndarray]:
    """A ragged body of random tissues with a bar of metal, and a source in it."""
    rng = np.random.default_rng(seed)
    active = rng.random(shape) < 0.9
    k, C, W = rng.uniform(0.2, 0.6, shape), rng.uniform(2e6, 4e6, shape), rng.uniform(0, perfusion, shape)
    if metal:
        bar = (slice(3, 6), slice(3, 5), slice(2, 9))
        active[bar], k[bar], C[bar], W[bar] = True, 15.0, 3.7e6, 0.0
    maps = HeatMaps((H, H, 1.5 * H), C, k, W, active, **options)
    return maps, np.where(active, rng.uniform(0, 1e5, shape), 0.0)[None]


@pytest.mark.parametrize("options", [{}, {"surface_W_m2_K": 30.0}, {"edges": "fixed", "surface_W_m2_K": 5.0}])
def test_supplied_heat_is_stored_or_lost(options: dict) -> None:
    """Oracle: conservation of energy, with metal, perfusion, exchange and held edges."""
    maps, q = lump(1, **options)
    found = heat(maps, q, 600.0, tolerance=1e-4, dtype="float64")
    assert found.balance_error < 2e-4
    stored = np.sum(found.final[0] * maps.heat_capacity, where=maps.active) * maps.voxel_volume_m3
    assert stored == pytest.approx(found.energy["stored"][0], rel=1e-9)


def test_insulated_body_keeps_all_its_heat() -> None:
    """Oracle: conservation to rounding, whatever the step: three sweeps of one huge step lose nothing."""
    maps, q = lump(2, perfusion=0.0)
    problem = HeatProblem(maps, backend.get("cpu"), "float64", 1)
    stepper = Stepper(problem, problem.field(q))
    for dt in (1.0, 1e4, 30.0):
        stepper.advance(dt, np.ones(1))
    assert stepper.heat()[0][0] == pytest.approx(10031.0 * q.sum() * maps.voxel_volume_m3, rel=1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steady_state_is_where_a_long_march_ends(dtype: str) -> None:
    """Two ways to one result; the direct one does not march."""
    maps, q = lump(3, surface_W_m2_K=10.0)
    direct = steady(maps, q)
    marched = heat(maps, q, 4e4, dtype=dtype).final
    np.testing.assert_allclose(marched, direct, atol=2e-4 * direct.max())


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1e5), st.floats(0, 100))
def test_steady_rise_obeys_the_maximum_principle(seed: int, perfusion: float, exchange: float) -> None:
    """Oracle: a non-negative source warms everywhere, and a larger one more; the peak lies within the sources."""
    maps, q = lump(seed, (5, 6, 7), perfusion + 1.0, metal=bool(seed % 2), surface_W_m2_K=exchange, edges="fixed")
    more = q + np.where(maps.active, 1e3, 0.0) * (np.indices(maps.shape)[0] < 2)
    try:
        low, high = steady(maps, np.concatenate([q, more]))
    except InputError:
        return  # a voxel on its own without any way to lose heat
    assert low.min() >= -1e-6 * low.max()
    assert (high - low).min() >= -1e-6 * high.max()
    assert high.max() <= high[q[0] > 0].max() * (1 + 1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6))
def test_a_source_does_not_cool(seed: int) -> None:
    """Oracle: sign of the exact solution, up to the error that the solver states."""
    maps, q = lump(seed, (6, 5, 8), surface_W_m2_K=10.0)
    q *= np.random.default_rng(seed).random(q.shape) < 0.1
    found = heat(maps, q, 300.0, times_s=[20.0, 80.0], tolerance=1e-3)
    for rise in (*found.rise[0],):
        assert rise.min() >= -2e-3 * max(rise.max(), 1e-12)


def test_sources_superpose_and_stay_apart() -> None:
    """Oracle: linearity; several sources at once equal each alone, also with signs and with envelopes of their own."""
    maps, q = lump(4, surface_W_m2_K=10.0)
    rng = np.random.default_rng(5)
    many = np.concatenate([q, -0.5 * q, rng.normal(size=q.shape) * 1e4 * maps.active])
    envelopes = [
        Envelope.constant(),
        Envelope.until(100.0),
        Envelope(np.array([0.0, 50.0, 150.0]), np.array([0, 2, 1])),
    ]
    together = heat(maps, many, 240.0, envelope=envelopes, tolerance=1e-4, dtype="float64")
    for i in range(3):
        alone = heat(maps, many[i : i + 1], 240.0, envelope=envelopes[i], tolerance=1e-4, dtype="float64")
        np.testing.assert_allclose(together.final[i], alone.final[0], atol=3e-4 * np.abs(alone.final).max())


def test_stated_time_error_holds() -> None:
    """Oracle: a run with far finer steps; the true error is not above the stated one by more than its spread."""
    maps, q = lump(6)
    exact = heat(maps, q, 300.0, times_s=[30.0], tolerance=2e-5, dtype="float64")
    for tolerance in (5e-3, 1e-3):
        found = heat(maps, q, 300.0, times_s=[30.0], tolerance=tolerance, dtype="float64")
        assert found.time_error <= tolerance
        error = np.abs(found.rise - exact.rise).max(axis=(0, 2, 3, 4)) / exact.peaks[0]
        assert error.max() <= 1.5 * found.time_error + 2e-5


def test_tolerance_out_of_reach_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heat_solution, "HIGHEST_LEVEL", 1)
    maps, q = lump(6)
    with pytest.warns(EmdoseWarning, match="time steps leave an error"):
        heat(maps, q, 300.0, tolerance=1e-9, dtype="float64")


def test_window_and_times() -> None:
    """Oracle: the same solution without a window."""
    maps, q = lump(7)
    full = heat(maps, q, 100.0, times_s=[10.0, 40.0])
    part = heat(maps, q, 100.0, times_s=[10.0, 40.0], window=(slice(2, 6), slice(1, 5), slice(0, 9)))
    np.testing.assert_array_equal(part.rise, full.rise[:, :, 2:6, 1:5, 0:9])
    np.testing.assert_array_equal(full.rise[:, -1], full.final)
    np.testing.assert_allclose(full.peaks, full.rise.max(axis=(2, 3, 4)), rtol=1e-6)


def test_no_source_no_rise() -> None:
    maps, q = lump(8)
    found = heat(maps, 0 * q, 100.0)
    assert np.abs(found.final).max() == pytest.approx(0, abs=1e-15)
    assert found.balance_error < 1e-12


def test_held_voxels_do_not_warm() -> None:
    maps, q = lump(9)
    pinned = np.zeros(maps.shape, bool)
    pinned[4:6, 4:6, 4:6] = True
    held = HeatMaps(maps.spacing_m, maps.heat_capacity, maps.conductivity, maps.perfusion, maps.active, pinned=pinned)
    found = heat(held, q, 300.0, tolerance=1e-4)
    assert np.abs(found.final[0][pinned]).max() == 0
    assert found.balance_error < 2e-4


def test_warm_tissue_is_perfused_more() -> None:
    """Oracle: the ordinary differential equation of one voxel, C dT/dt = q - W min(1 + s T, cap) T, by small steps."""
    shape = (3, 3, 3)
    full = [np.full(shape, v) for v in (4e6, 0.5, 2e4)]
    maps = HeatMaps((H,) * 3, *full, np.ones(shape, bool))
    q = np.full((1, *shape), 1e5)
    for law, factor in (
        (Perfusion("linear", slope_1_K=0.8, cap=3.0), lambda T: min(1 + 0.8 * T, 3.0)),
        (Perfusion("exponential"), lambda T: min(2 ** (T / 1.6), 15.0)),
    ):
        T = 0.0
        for _ in range(20000):
            middle = T + 0.015 / 4e6 * (1e5 - 2e4 * factor(T) * T)
            T += 0.03 / 4e6 * (1e5 - 2e4 * factor(middle) * middle)
        found = heat(maps, q, 600.0, perfusion=law, tolerance=1e-3, dtype="float64")
        np.testing.assert_allclose(found.final, T, rtol=2e-3)
        assert found.balance_error < 2e-3
    warmer = heat(maps, q, 600.0, perfusion=Perfusion("linear", 0.8, cap=3.0), excess_K=np.full(shape, 1.0))
    assert warmer.balance_error < 2e-3
    assert warmer.final.max() < heat(maps, q, 600.0, perfusion=Perfusion("linear", 0.8, cap=3.0)).final.min()


@settings(max_examples=50, deadline=None)
@given(
    st.floats(1e-2, 1e5),
    st.lists(st.floats(0.01, 1.0), max_size=5),
    st.lists(st.floats(0.01, 0.99), max_size=3),
    st.integers(0, 5),
)
def test_steps_meet_every_stop(duration: float, stops: list, switches: list, level: int) -> None:
    """Oracle: steps fill the time without gaps and end on stops; a finer level takes about twice as many."""
    stops, switches = ([duration * s for s in row] for row in (stops, switches))
    runs = list(blocks(duration, stops, switches, level))
    starts = np.array([start for start, _, _, _ in runs])
    ends = np.array([start + n * dt for start, dt, n, _ in runs])
    np.testing.assert_allclose(starts[1:], ends[:-1], rtol=1e-9)
    assert ends[-1] == pytest.approx(duration)
    for stop in (*stops, *switches):
        assert np.abs(np.array([e for e, run in zip(ends, runs, strict=True) if run[3]]) - stop).min() < 1e-9 * duration
    taken, finer = (sum(n for _, _, n, _ in blocks(duration, stops, switches, k)) for k in (level, level + 1))
    assert taken < finer < 2.2 * taken + 60


def test_bad_input_is_one_clear_line() -> None:
    maps, q = lump(1)
    for change, word in (
        (lambda: heat(maps, q[:, 1:], 10.0), "sources: sources do not fit the grid"),
        (lambda: heat(maps, q * np.nan, 10.0), "not finite"),
        (lambda: heat(maps, q, 0.0), "duration_s: bad duration"),
        (lambda: heat(maps, q, 10.0, times_s=[20.0]), "times outside"),
        (lambda: heat(maps, q, 10.0, tolerance=1e-6), "bad tolerance"),
        (lambda: heat(maps, q, 10.0, envelope=[Envelope.constant()] * 2), "as many envelopes"),
        (lambda: Envelope(np.array([1.0]), np.array([1.0])), "grow from 0"),
        (lambda: Envelope(np.zeros(1), -np.ones(1)), "factors"),
        (lambda: Perfusion("hot"), "unknown perfusion law"),
        (lambda: Perfusion("linear", cap=0.5), "cap"),
        (lambda: lump(1, edges="open"), "insulated"),
        (lambda: lump(1, surface_W_m2_K=-1.0), "exchange coefficient"),
        (lambda: steady(lump(1, perfusion=0.0)[0], q), "no steady state"),
    ):
        with pytest.raises(InputError, match=word) as caught:
            change()
        assert "\n" not in str(caught.value)
    bad = np.where(maps.active, 0.0, 1.0)
    with pytest.raises(InputError, match="unusable heat capacity"):
        HeatMaps(maps.spacing_m, bad, maps.conductivity, maps.perfusion, maps.active)


def test_too_large_a_problem_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    maps, q = lump(1)
    be = backend.get("cpu")
    monkeypatch.setattr(be, "memory_free_bytes", lambda: 1000, raising=False)
    with pytest.raises(ResourceError, match="GiB"):
        heat(maps, q, 10.0, device=be)


def test_integral_of_an_envelope() -> None:
    """Oracle: areas of rectangles, before, within and after every piece."""
    envelope = Envelope(np.array([0.0, 50.0, 150.0]), np.array([3.0, 2.0, 1.0]))
    for t, area in (
        (0.0, 0.0),
        (0.5, 1.5),
        (49.5, 148.5),
        (50.5, 151.0),
        (149.5, 349.0),
        (150.5, 350.5),
        (250.0, 450.0),
    ):
        assert envelope.integral(t) == pytest.approx(area)
    assert envelope.mean(49.0, 51.0) == pytest.approx(2.5)
    assert Envelope.until(10.0).integral(9.5) == pytest.approx(9.5)
    assert Envelope.until(10.0).integral(99.0) == pytest.approx(10.0)
    assert Envelope.constant().integral(7.0) == pytest.approx(7.0)


def test_time_steps_are_no_finer_than_the_tolerance_asks() -> None:
    """Oracle: the rule: a run is kept when 4/3 of its difference to the next finer one is within the tolerance."""
    maps, q = lump(6)
    coarse = heat(maps, q, 300.0, times_s=[30.0], tolerance=0.5, dtype="float64")
    assert coarse.level == 0
    for factor, level in ((1.01, 0), (0.99, 1)):
        found = heat(maps, q, 300.0, times_s=[30.0], tolerance=factor * coarse.time_error, dtype="float64")
        assert found.level == level
        assert found.time_error <= factor * coarse.time_error
