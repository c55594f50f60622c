"""Largest responses between corners: beside dense courses, closed forms, and what a proof of them has to hold."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import emdose as em
from emdose.dosimetry import SafeAxis
from emdose.dosimetry.stimulation import extremes, impulse, memory, repeats
from emdose.models import Waveform

NERVE = em.NerveModel()
C, LEAST = NERVE.chronaxie_s, NERVE.smallest_slew_T_m_s
X = SafeAxis((0.2e-3, 0.03e-3, 3e-3), (0.4, 0.1, 0.5), 30.0, 24.0, 0.35)
Y = SafeAxis((1.5e-3, 2.5e-3, 0.15e-3), (0.55, 0.15, 0.3), 15.0, 12.0, 0.31)
SAFE = em.SafeModel("made up", X, Y, Y)


def uneven(seed: int, axes: int = 3, constant: bool = True) -> Waveform:
    """Pieces of 10 us to 5 ms with slew rates at random, some of them none."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 30))
    t = np.concatenate([[0.0], np.cumsum(10 ** rng.uniform(-5, -2.3, n))])
    still = rng.random((n, 1)) > 0.7
    a = np.where(still, 0.0, 100 * rng.normal(size=(n, axes)))
    b = a if constant else np.where(still, 0.0, 100 * rng.normal(size=(n, axes)))
    mean = (0.5 * (a + b) * np.diff(t)[:, None]).sum(0) / t[-1]
    return Waveform("uneven", t, a - mean, b - mean, "T/m", unusual=True)


def densely(w: Waveform, points: int) -> Waveform:
    """The same with corners in all of its pieces."""
    t = np.unique(np.concatenate([np.linspace(a, b, points) for a, b in zip(w.times_s, w.times_s[1:], strict=False)]))
    times, a, b = memory.parted(w.times_s, w.starts, w.stops, t)
    return Waveform("dense", times, a, b, "T/m", unusual=True)


@pytest.mark.parametrize("constant", [True, False])
@pytest.mark.parametrize("start", ["rest", "repeated"])
def test_nerve_maxima_are_those_of_dense_courses(start: str, constant: bool) -> None:
    """Oracle: the sum over all pieces in closed form at 1500 times in each; for "repeated" after 400 periods."""
    for seed in range(4 if start == "rest" else 2):
        w = uneven(seed, constant=constant)
        found = NERVE.peaks(w, start=start, parts=5)  # type: ignore[arg-type]
        dense = densely(w, 1500)
        times, a, b = w.times_s, w.starts, w.stops
        at = dense.times_s
        if start == "repeated":
            turns = 400
            times = np.concatenate([w.times_s[:-1] + n * w.duration_s for n in range(turns)] + [[turns * w.duration_s]])
            some = np.concatenate([at[::90], found.axis_times_s, [found.peak_time_s]])
            a, b, at = np.tile(a, (turns, 1)), np.tile(b, (turns, 1)), some + (turns - 1) * w.duration_s
        R = impulse.impulse_response_sum(times, a, b, C, at) * NERVE.weights / LEAST
        sizes = np.column_stack([np.abs(R), np.linalg.norm(R, axis=1)])
        got = np.append(found.axis_peaks, found.peak)
        assert np.all(got >= sizes.max(0) * (1 - (1e-10 if start == "rest" else 1e-6)))
        assert got == pytest.approx(sizes.max(0), rel=1e-6)
        if start == "rest":
            assert np.append(found.axis_times_s, found.peak_time_s) == pytest.approx(
                at[sizes.argmax(0)], abs=np.diff(w.times_s).max() / 1000
            )
            for low, high, course in zip(found.edges_s, found.edges_s[1:], found.course, strict=False):
                inside = sizes[(at >= low) & (at <= high)].max(0)
                assert np.all(np.abs(course - inside) <= 2e-4 * got)


def test_nerve_maximum_lies_between_corners() -> None:
    """Oracle: one axis that has just been switched decays as another one rises; both closed forms, minimised."""
    from scipy.optimize import minimize_scalar

    t = np.array([0.0, 0.3e-3, 1.3e-3, 0.2, 0.2003, 0.2013])
    a = np.array([[100.0, 0.0], [0.0, 60.0], [0.0, 0.0], [-100.0, 0.0], [0.0, -60.0]])
    w = Waveform("two", t, a, a, "T/m", unusual=True)

    def minus(u: float) -> float:
        x = 0.8 * 100 * (C / (C + u) - C / (C + u + 0.3e-3))
        return -math.hypot(x, 60 * u / (C + u)) / LEAST

    best = minimize_scalar(minus, bounds=(0.0, 1e-3), method="bounded", options={"xatol": 1e-12})
    ends = max(-minus(0.0), -minus(1e-3))
    found = NERVE.peaks(w, axes="xy", start="rest")
    assert found.peak == pytest.approx(max(ends, -best.fun), rel=1e-9)
    x = dataclasses.replace(w, starts=a * [1.0, 0.55], stops=a * [1.0, 0.55])
    assert NERVE.response(x, axes="xy", start="rest").peak == pytest.approx(
        NERVE.peaks(x, axes="xy", start="rest").peak, rel=1e-10
    )


def test_nerve_response_to_one_trapezoid() -> None:
    """Oracle: a step of the slew rate u ago answers u / (c + u); a trapezoid is four steps."""
    rise, flat, slew = 0.25e-3, 0.4e-3, 120.0
    times = np.cumsum([0.0, rise, flat, rise, 0.5])
    rate = slew * np.array([[1.0], [0.0], [-1.0], [0.0]])
    w = Waveform("trapezoid", times, rate, rate, "T/m")
    steps = np.array([0.0, rise, rise + flat, 2 * rise + flat])
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    u = 2 * rise + flat - steps
    second = abs((signs * u / (C + u)).sum())
    first = rise / (C + rise)
    found = NERVE.peaks(w, axes="y", start="rest", parts=10_000)
    assert found.peak == pytest.approx(slew / LEAST * max(first, second), rel=1e-12)
    # The course has both ends of ramps, each in a part of its own.
    assert found.edges_s == pytest.approx(times)
    assert found.course[[0, 2], 0] == pytest.approx(slew / LEAST * np.array([first, second]), rel=1e-9)


def test_nerve_part_of_a_course_remembers_what_was_before() -> None:
    w = em.waveforms.epi(20e-3, slew_T_m_s=100.0, echoes=16, repetition_s=0.02)
    for start in ("rest", "repeated", "worst"):
        whole = NERVE.response(w, start=start)  # type: ignore[arg-type]
        part = NERVE.response(w, start=start, between_s=(4e-3, 9e-3))  # type: ignore[arg-type]
        inside = whole.combined[(whole.times_s >= 4e-3) & (whole.times_s <= 9e-3)]
        assert part.times_s[[0, -1]] == pytest.approx([4e-3, 9e-3])
        assert part.combined.max() == pytest.approx(inside.max(), rel=1e-6)
        x, found = SAFE.response(w, start=start)  # type: ignore[arg-type]
        y, some = SAFE.response(w, start=start, between_s=(4e-3, 9e-3))  # type: ignore[arg-type]
        assert some.max(0) == pytest.approx(found[(x >= 4e-3) & (x <= 9e-3)].max(0), rel=1e-6, abs=1e-12)
        assert y[0] == pytest.approx(4e-3)
    with pytest.raises(em.InputError, match="part that the waveform has not"):
        NERVE.response(w, between_s=(4e-3, 9.0))


@pytest.mark.parametrize("constant", [True, False])
def test_hardware_maxima_are_those_of_dense_courses(constant: bool) -> None:
    """Oracle: the same filters with corners at 800 times in every piece."""
    for seed in range(4):
        w = uneven(seed + 10, constant=constant)
        _, dense = SAFE.response(densely(w, 800))
        sizes = np.append(dense.max(0), np.linalg.norm(dense, axis=1).max())
        found = SAFE.peaks(w)
        got = np.append(found.axis_peaks, found.peak)
        assert np.all(got >= sizes * (1 - 1e-10))
        assert got == pytest.approx(sizes, rel=1e-6)
        assert np.linalg.norm(SAFE.response(w)[1], axis=1).max() == pytest.approx(found.peak, rel=1e-10)


def test_hardware_repeated_is_what_many_periods_end_with() -> None:
    w = uneven(5)
    turns = 40
    times = np.concatenate([w.times_s[:-1] + n * w.duration_s for n in range(turns)] + [[turns * w.duration_s]])
    long = Waveform("many", times, np.tile(w.starts, (turns, 1)), np.tile(w.stops, (turns, 1)), "T/m", unusual=True)
    last = SAFE.response(long, between_s=(float(times[-1] - w.duration_s), float(times[-1])))[1]
    found = SAFE.peaks(w, start="repeated")
    assert found.axis_peaks == pytest.approx(last.max(0), rel=1e-9)
    worst = SAFE.peaks(w, start="worst").peak
    assert worst == pytest.approx(max(found.peak, SAFE.peaks(w).peak), rel=1e-12)


def test_bound_holds_every_course_between_two_ends() -> None:
    """Oracle: no function with this second derivative lies above the straight line and the parabola."""
    rng = np.random.default_rng(2)
    low, high, bulge = rng.uniform(0, 1, (3, 200))
    s = np.linspace(0, 1, 2001)[:, None]
    courses = low + s * (high - low) + 4 * bulge * s * (1 - s)
    bound = extremes._bound(low, high, bulge)
    assert np.all(bound >= courses.max(0) - 1e-12)
    assert bound == pytest.approx(courses.max(0), abs=1e-6)
    assert extremes._bound(low, high, 0 * bulge) == pytest.approx(np.maximum(low, high))


def test_lengths_on_a_raster_are_told_without_the_rounding_of_their_times() -> None:
    times = np.cumsum(np.full(60_000_000 // 1000, 1e-5)) + 599.0
    steps = memory.lengths(np.round(times, 5))
    assert np.unique(steps) == pytest.approx([1e-5], rel=1e-15)
    odd = np.array([0.0, 1.23456789012e-5, 3e-5])
    assert np.array_equal(memory.lengths(odd), np.diff(odd))


def interleaves(turns: int, kinds: int, pieces: int = 150) -> Waveform:
    """Gradients of any shape in some rotations, played again and again, with a pause behind each."""
    rng = np.random.default_rng(9)
    s = np.linspace(0, 1, pieces + 1)
    line = np.outer(np.sin(np.pi * s) ** 2, [0.0, 0.0, 0.0])
    for n in range(1, 9):
        line += np.sin(np.pi * n * s)[:, None] * rng.normal(size=3) / n
    rate = np.diff(4e-3 * line, axis=0) / 1e-5
    times, rates = [], []
    for k in range(turns):
        angle = 2 * np.pi * (k % kinds) / kinds
        turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        times.append(0.02 * k + 1e-5 * np.arange(pieces + 1))
        rates.append(np.concatenate([rate @ turn.T, np.zeros((1, 3))]))
    t, a = np.append(np.concatenate(times), 0.02 * turns), np.concatenate(rates)
    return Waveform("interleaves", np.round(t, 9), a, a, "T/m", 0.02 * np.arange(turns) - 3e-3, unusual=True)


@pytest.mark.parametrize("start", ["rest", "repeated", "worst"])
def test_parts_that_come_again_are_as_if_stepped_through(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oracle: the same waveform without its marks; parts begin within pauses, and some are too rare to be kept."""
    w = interleaves(20, 3, 100)
    found = NERVE.peaks(w, start=start, parts=10)  # type: ignore[arg-type]
    plain = dataclasses.replace(w, splits_s=np.zeros(0))
    wanted = NERVE.peaks(plain, start=start, parts=10)  # type: ignore[arg-type]
    assert np.append(found.axis_peaks, found.peak) == pytest.approx(np.append(wanted.axis_peaks, wanted.peak), rel=1e-9)
    times, a, b, marks = repeats.marked(w.times_s, w.starts, w.stops, w.splits_s)
    kinds = repeats.kinds_of(times, a, b, marks)
    assert len(set(kinds[kinds >= 0].tolist())) == 3
    assert (kinds < 0).sum() == 2  # what comes before the first mark and behind the last
    for low, high, course in zip(found.edges_s, found.edges_s[1:], found.course, strict=False):
        part = NERVE.response(plain, start=start, between_s=(low, high))  # type: ignore[arg-type]
        assert course[3] == pytest.approx(part.peak, abs=2e-4 * found.peak)
    monkeypatch.setattr(repeats, "MOST_BYTES", 10**5)  # no room: stepped through
    assert NERVE.peaks(w, start=start, parts=10).peak == pytest.approx(wanted.peak, rel=1e-9)  # type: ignore[arg-type]
