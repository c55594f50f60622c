"""Bodies that move in a static field: identities of the motion, superposition beside direct solutions, statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models import IdealGradient, UniformField
from emdose.solvers.moving.choosing import chosen, fitted
from emdose.solvers.moving.reduced import percentiles, sampled
from emdose.solvers.moving.surroundings import Surroundings, points_of
from emdose.validation.cases.induced.motion import straight

QUIET = {"device": "cpu", "progress": False}
EXACT = em.Quasistatic(tolerance=1e-8)


@pytest.fixture(scope="module")
def body():
    return em.phantoms.gel_box(0.04, (0.4, 0.24, 1.6))


@pytest.fixture(scope="module")
def magnet():
    return em.scanner_magnet(3.0)


@pytest.fixture(scope="module")
def walked(body, magnet):
    walk = em.movements.walk_past(body, 1.4, 2.0, samples=100)
    return walk, em.Moving(EXACT, tolerance=2e-4).solve(body, magnet, walk, **QUIET)


def test_what_the_body_sees_is_the_change_of_the_field_in_its_axes(body, magnet):
    """Oracle: central differences over time of R^T B at the points of the body."""
    bent = em.movements.bend_over(body, (0.1, 0.0, 1.9), math.radians(50), 1.5)
    points, times, h = points_of(body)[:40], np.array([0.4, 0.8, 1.1]), 1e-4
    around = Surroundings(magnet, 3.0)
    rates = around.seen(bent.poses(times), points)[1]
    after, before = (around.seen(bent.poses(times + s), points)[0] for s in (h, -h))
    np.testing.assert_allclose(rates, (after - before) / (2 * h), atol=2e-4 * np.abs(rates).max())
    six = around.seen(bent.poses(times), points, six=True)[1]
    np.testing.assert_allclose(np.einsum("tk,tknc->tnc", bent.poses(times).drives, six), rates, atol=1e-9)


def test_translation_in_a_uniform_field_induces_nothing(body):
    """Oracle: v x B is a gradient there."""
    with pytest.raises(InputError, match="nothing is induced"):
        em.Moving().solve(body, UniformField((0, 0, 1)), straight((0.3, 0.4, 0)), **QUIET)
    moving = em.RigidMotion(UniformField((0, 0, 1)), velocity_m_s=(0.3, 0.4, 0))
    field = EXACT.solve(body, moving, **QUIET)
    assert np.abs(field.E).max() < 1e-6 * 0.5


def test_turning_in_a_uniform_field_is_a_changing_field(body):
    """Oracle: dB/dt = -Omega x B in the body's axes, at every angle."""
    got = em.Moving(EXACT, tolerance=1e-6).solve(
        body, UniformField((0, 0, 1)), straight((0, 0, 0), (0.5, 0, 0)), **QUIET
    )
    course = got.along(straight((0, 0, 0), (0.5, 0, 0)), [0.5, 1.0, 1.7])
    for n, t in enumerate(course.times_s):
        angle = 0.5 * (t - 1)
        # B in the body's axes is (0, sin, cos) of the angle.
        rate = 0.5 * np.array([0, math.cos(angle), -math.sin(angle)])
        switched = em.Switched(UniformField(tuple(rate)), "T/s")
        direct = 0.5 * EXACT.solve(body, switched, **QUIET).E[0]
        np.testing.assert_allclose(course.field(t), direct, atol=1e-5 * np.abs(direct).max())
        np.testing.assert_allclose(course.dBdt_T_s[n], np.broadcast_to(rate, course.dBdt_T_s[n].shape), atol=1e-6)
    assert course.change_of_B() == pytest.approx(2 * math.sin(0.25 * 1.2), rel=1e-5)


def test_walking_through_a_linear_field_is_a_uniform_change(body):
    """Oracle: (v . grad) B, uniform in a linear field."""
    slope = IdealGradient("z")
    got = em.Moving(EXACT).solve(body, slope, straight((0.2, 0, 0.3)), **QUIET)
    rate = slope.slope @ [0.2, 0, 0.3]
    direct = np.linalg.norm(rate) * EXACT.solve(body, em.Switched(UniformField(tuple(rate)), "T/s"), **QUIET).E[0]
    field = got.along(straight((0.2, 0, 0.3))).field(1.0)
    np.testing.assert_allclose(field, direct, atol=1e-4 * np.abs(direct).max())


def test_sums_are_direct_solutions(walked, body, magnet):
    """Oracles: solutions of their own at three poses, 1e-3 of the walk's peak; energy balances."""
    walk, got = walked
    times = [0.9, 1.63, 2.2]
    course, poses = got.along(walk, times), walk.poses(times)
    peak = got.along(walk).peak_E
    for n, t in enumerate(times):
        R = poses.rotations[n]
        shift = poses.positions_m[n] - R @ poses.centre_m
        own = em.RigidMotion(magnet, poses.velocities_m_s[n], poses.turns_rad_s[n], R, shift, poses.centre_m)
        direct = EXACT.solve(body, own, 10.0, **QUIET).E[0]
        assert np.abs(course.field(t) - direct).max() < 1e-3 * peak
        assert np.abs(direct).max() > 0.1 * peak
    assert got.left_out <= 2e-4
    assert got.induced.balance.max() < 1e-6


def test_six_unit_motions_make_up_the_motion(body, magnet):
    """Oracle: the trajectory's own weights are velocities times those of the six motions."""
    walk = em.movements.walk_up(body, 2.4, 1.3, samples=12)
    got = em.Moving(EXACT, tolerance=2e-3, any_motion=True).solve(body, magnet, walk, **QUIET)
    weights, rest = got.six(walk)
    together = np.einsum("tk,tkm->tm", walk.poses().drives, weights)
    course = got.along(walk)
    a, b = (w @ got.rates.reshape(len(got.rates), -1) for w in (together, course.weights))
    assert np.abs(a - b).max() < 2e-3 * np.abs(course.dBdt_T_s).max()
    assert rest.max() < 0.05
    sideways = got.along(em.movements.walk(body, (-0.1, 1.9), (0.1, 1.9), 0.5, heading=(0, 0, -1)))
    assert sideways.left_out < 0.05


def test_time_courses(walked):
    """Oracles: the statistics of all voxels at every time; what was asked for is where it says."""
    walk, got = walked
    course = got.along(walk)
    names = course.percentiles((50.0, 99.0, 100.0))
    at = int(np.argmax(course.size_E.max(axis=1)))
    assert course.times_s[at] == course.peak_time_s
    own = np.linalg.norm(course.field(course.peak_time_s), axis=0)
    (values,) = names.values()
    np.testing.assert_allclose(
        values[:, at], [np.sort(own)[int(np.ceil(q * len(own))) - 1] for q in (0.5, 0.99, 1)], rtol=1e-5
    )
    cells, over_time = course.hottest(5)
    assert np.linalg.norm(over_time[at, :, 0]) == pytest.approx(course.peak_E)
    np.testing.assert_allclose(course.at_voxels(cells), over_time, rtol=1e-5, atol=1e-9)
    assert 2 * course.largest_B_T.max() > course.change_of_B() > course.change_of_B(0.5) > 0
    assert course.largest_dBdt_T_s.max() == pytest.approx(np.linalg.norm(course.dBdt_T_s, axis=2).max())
    with pytest.raises(InputError, match="no such voxels"):
        course.at_voxels([10**9])
    with pytest.raises(InputError, match="bad percentile"):
        course.percentiles([0.0])


def test_bad_trajectories_end_in_one_line(walked, body, magnet):
    _, got = walked
    into_the_wall = em.movements.walk_past(body, 0.8, 2.0)
    with pytest.raises(InputError, match="through the magnet's wall"):
        em.Moving().solve(body, magnet, into_the_wall, **QUIET)
    with pytest.raises(InputError, match="through the magnet's wall"):
        got.along(into_the_wall)
    with pytest.raises(InputError, match="do not add up"):
        got.along(em.movements.bend_over(body, (0, 0, 1.9)))
    with pytest.raises(InputError, match="too few motions"):
        em.Moving(most=1).solve(body, magnet, em.movements.walk_past(body, 1.4, 2.0, samples=20), **QUIET)
    with pytest.raises(InputError, match="not a solver"):
        em.Moving(solver=3)
    with pytest.raises(InputError, match="no trajectory"):
        em.Moving().solve(body, magnet, [], **QUIET)


def test_choice_finds_the_rank_and_the_fit_its_weights():
    """Oracle: rows made of three others."""
    rng = np.random.default_rng(0)
    three = rng.normal(size=(3, 50))
    rows = rng.normal(size=(40, 3)) @ three
    some, left = chosen(rows, 1e-9, 10)
    assert len(some) == 3
    assert left < 1e-12
    weights, rest = fitted(rows[some], rows)
    np.testing.assert_allclose(weights @ rows[some], rows, atol=1e-10)
    assert rest.max() < 1e-10
    assert chosen(0 * rows, 1e-3, 10) == ([], 0.0)


def test_percentiles_of_a_sample_are_those_of_all_voxels():
    """Oracle: all of 200 000 lognormal values; p99 and p99.9 within 2 %, the largest exactly."""
    rng = np.random.default_rng(1)
    values = rng.lognormal(size=200_000)
    some = sampled(values, np.zeros(len(values), int))
    assert some.weights.sum() == pytest.approx(len(values))
    shaken = values * rng.lognormal(0, 0.05, len(values))
    for all_of_them, rtol in ((values, 0.02), (shaken, 0.03)):
        got = percentiles(all_of_them[None, some.index], some.weights, (50.0, 99.0, 99.9, 100.0))[:, 0]
        np.testing.assert_allclose(got[1:3], np.percentile(all_of_them, (99, 99.9)), rtol=rtol)
        assert got[0] == pytest.approx(np.median(all_of_them), rel=0.15)
    assert percentiles(values[None, some.index], some.weights, (100.0,))[0, 0] == values.max()
