"""Trajectories: velocities by differences of poses, the library's ways and angles, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import emdose as em
from emdose.errors import InputError
from emdose.models.movements import FACING, standing


@pytest.fixture(scope="module")
def body():
    return em.phantoms.gel_box(0.05, (0.4, 0.2, 1.6))


def wild():
    t = np.linspace(0, 2, 41)
    turns = np.stack([np.sin(t), 0.5 * t, np.cos(3 * t)], axis=1)
    return em.Trajectory("wild", t, np.stack([t, t**2, 0 * t], axis=1), turns, (0.1, 0, 0.2))


def test_velocities_are_those_of_points_of_the_body():
    """Oracle: central differences of where a point is."""
    times, h = np.array([0.3, 0.9, 1.5]), 1e-5
    here, before, after = (wild().poses(times + s) for s in (0, -h, h))
    for n in range(3):
        point = np.array([[0.1, 0.2, 0.3]])
        lever = here.points(point, n)[0] - here.positions_m[n]
        moved = (after.points(point, n) - before.points(point, n))[0] / (2 * h)
        np.testing.assert_allclose(moved, here.velocities_m_s[n] + np.cross(here.turns_rad_s[n], lever), atol=1e-6)
        np.testing.assert_allclose(here.points([wild().centre_m], n)[0], here.positions_m[n], atol=1e-12)
    R = here.rotations
    np.testing.assert_allclose(here.drives[:, :3], np.einsum("nji,nj->ni", R, here.velocities_m_s), atol=1e-12)


def test_resampling_keeps_the_way():
    fine = wild().resampled(400)
    a, b = wild().poses([0.7, 1.1]), fine.poses([0.7, 1.1])
    np.testing.assert_allclose(a.positions_m, b.positions_m, atol=1e-8)
    np.testing.assert_allclose(a.turns_rad_s, b.turns_rad_s, atol=2e-3)


def test_who_stands_before_the_bore_looks_into_it():
    """Oracle: head up (y), front towards -z, a right-handed rotation."""
    np.testing.assert_allclose(standing(), FACING, atol=1e-15)
    np.testing.assert_allclose(FACING @ [0, 0, 1], [0, 1, 0])
    np.testing.assert_allclose(FACING @ [0, 1, 0], [0, 0, -1])
    assert np.linalg.det(standing((1, 0, 1))) == pytest.approx(1)


def test_walking_past_keeps_line_speed_and_floor(body):
    """Oracles: ends of the way, speed in its middle, feet on the floor, front ahead."""
    walk = em.movements.walk_past(body, 1.2, 2.5, 1.3)
    poses = walk.poses()
    np.testing.assert_allclose(poses.positions_m[[0, -1]][:, [0, 2]], [[-2.5, 1.2], [2.5, 1.2]], atol=1e-9)
    assert np.linalg.norm(poses.velocities_m_s, axis=1).max() == pytest.approx(1.3, rel=1e-3)
    np.testing.assert_allclose(poses.velocities_m_s[[0, -1]], 0, atol=1e-3)
    sole = poses.points(np.array([[0.0, 0.0, -0.8]]), 100)[0]
    assert sole[1] == pytest.approx(-1.0)
    np.testing.assert_allclose(poses.rotations[0] @ [0, 1, 0], [1, 0, 0], atol=1e-12)
    assert "Bohannon" in walk.source


def test_walking_up_stops_before_the_bore(body):
    poses = em.movements.walk_up(body, 3.0, 1.1).poses()
    np.testing.assert_allclose(poses.positions_m[[0, -1], 2], [3.0, 1.1], atol=1e-9)
    np.testing.assert_allclose(poses.rotations[0], FACING, atol=1e-12)


@pytest.mark.parametrize(("about", "axis"), [("yaw", 2), ("pitch", 0), ("roll", 1)])
def test_turning_there_and_back(body, about, axis):
    """Oracles: axis of the body, largest rate pi angle / period, the pivot at rest, the way back."""
    moved = em.movements.turn(body, (0, 0, 1.2), math.radians(40), 2.0, about=about, pivot_m=(0, 0, 0.5))
    poses = moved.poses()
    rates = poses.drives[:, 3:]
    assert np.abs(rates[:, axis]).max() == pytest.approx(math.pi * math.radians(40) / 2, rel=1e-3)
    np.testing.assert_allclose(np.delete(rates, axis, axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(poses.velocities_m_s, 0, atol=1e-9)
    np.testing.assert_allclose(poses.rotations[0], poses.rotations[-1], atol=1e-9)
    assert "assumed" in moved.source


def test_bending_brings_the_head_forward_and_down(body):
    """Oracle: the head 0.8 m above the hips ends 0.8 sin forward and 0.8 (1 - cos) lower."""
    poses = em.movements.bend_over(body, (0, 0, 1.6), math.radians(60)).poses()
    end = poses.points(np.array([[0, 0, 0.8]]), len(poses) - 1)[0]
    np.testing.assert_allclose(
        end, [0, 0.8 * math.cos(math.radians(60)), 1.6 - 0.8 * math.sin(math.radians(60))], atol=1e-9
    )


def test_the_table_brings_the_landmark_to_the_isocentre():
    poses = em.movements.table_in((0, 0, 0.6), 2.0, 0.2).poses()
    np.testing.assert_allclose(poses.points(np.array([[0, 0, 0.6]]), len(poses) - 1)[0], 0, atol=1e-9)
    assert poses.velocities_m_s[:, 2].max() == pytest.approx(0.2, rel=3e-3)
    assert poses.velocities_m_s[:, 2].min() > -1e-3


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"positions_m": np.array([[0.0, 0, 3000], [0, 0, 1000]])}, "in m, not mm"),
        ({"times_s": [0.0, 0.1]}, "faster than anyone"),
        ({"times_s": [1.0, 1.0]}, "times do not grow"),
        ({"turns_rad": np.array([[0.0, 0, 0], [170.0, 0, 0]])}, "not degrees"),
        ({"turns_rad": np.zeros((3, 3))}, "bad trajectory"),
    ],
)
def test_bad_trajectories_are_refused_in_one_line(changes, match):
    good = {"name": "walk", "times_s": [0.0, 2.0], "positions_m": np.array([[0.0, 0, 3], [0, 0, 1]])}
    with pytest.raises(InputError, match=match):
        em.Trajectory(**{**good, **changes})
    with pytest.raises(InputError, match="outside of the trajectory"):
        em.Trajectory(**good).poses([3.0])


@pytest.mark.parametrize(("period", "passes"), [(2.0, True), (0.5, True), (0.22, False)])
def test_poses_are_close_enough_for_their_speed(period, passes):
    """Oracle: the speed of a sine, within 3 % where its poses pass; samples ten times a second."""
    t = np.arange(0, 3.05, 0.1)
    angles = np.outer(0.4 * np.sin(2 * np.pi * t / period + 0.3), (0, 1, 0))
    shaken = em.Trajectory("shaken", t, np.zeros((len(t), 3)), angles)
    if passes:
        shaken.require_resolved()
        top = np.linalg.norm(shaken.poses(np.linspace(0.3, 2.7, 2000)).turns_rad_s, axis=1).max()
        assert top == pytest.approx(0.4 * 2 * np.pi / period, rel=0.03)
    else:
        with pytest.raises(InputError, match="poses too far apart in time for their angular speed"):
            shaken.require_resolved()
    moved = em.Trajectory("moved", t, 0.1 * angles)
    if not passes:
        with pytest.raises(InputError, match="for their speed"):
            moved.require_resolved()
    em.Trajectory("two", [0.0, 1.0], [[0.0, 0, 3], [0, 0, 2]]).require_resolved()
